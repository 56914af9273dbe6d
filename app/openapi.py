"""The OpenAPI document, with the problems that each call may answer with, as what the call takes tells them."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from app.problems import DESCRIBED

Document = dict[str, Any]

_CONFLICTING = ("/v1/workflows", "/v1/workflows/{id}/runs")
_METHODS = ("get", "put", "post", "delete")
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def describing(app: FastAPI) -> Callable[[], Document]:
    """In place of the document that FastAPI makes, which knows no problems, and of answers only that they are JSON."""
    made = app.openapi

    def openapi() -> Document:
        if app.openapi_schema is None:
            _describe(made())
        return made()

    return openapi


def _describe(document: Document) -> None:
    schemas: Document = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas.update(DESCRIBED)
    for path, calls in document["paths"].items():
        for method in calls.keys() & set(_METHODS):
            call = calls[method]
            for answer in call["responses"].values():
                for content in answer.get("content", {}).values():
                    content["schema"] = content["schema"] or {"type": "object"}
            call["responses"] |= {str(status.value): _refusal(status) for status in _refusals(path, method, call)}


def _refusal(status: HTTPStatus) -> Document:
    return {"description": status.phrase, "content": _PROBLEM}


def _refusals(path: str, method: str, call: Document) -> Iterator[HTTPStatus]:
    takes = {parameter["name"] for parameter in call.get("parameters", ())}
    if path not in ("/live", "/metrics"):
        yield HTTPStatus.SERVICE_UNAVAILABLE
    if "security" in call:
        yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
    if takes or "requestBody" in call:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    if takes or "/webhook" in path:
        yield HTTPStatus.NOT_FOUND
    if "requestBody" in call:
        yield HTTPStatus.REQUEST_TIMEOUT
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    if method in ("put", "delete") or (method == "post" and path in _CONFLICTING):
        yield HTTPStatus.CONFLICT
    if "if-match" in takes:
        yield HTTPStatus.PRECONDITION_REQUIRED
