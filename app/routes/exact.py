"""Requests in JSON, read exactly, and answers."""

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, NoReturn

import orjson
from anyio import fail_after
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.auth import needed
from app.problems import Problem

LARGEST_BODY = 1_000_000
READ_AT_ONCE = 16_384  # a longer one takes up to 0.2 s, for which no other request may wait

_CLOSED = {"Connection": "close"}  # what is still on its way is not read
_MAYBE_SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def answer(document: object, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    return Response(orjson.dumps(document, default=str), status, headers, media_type="application/json")


class _ExactRequest(Request):
    async def body(self) -> bytes:
        """In time, or it may never end."""
        seconds = self.app.state.settings.body_timeout_seconds
        try:
            with fail_after(seconds):
                return await super().body()
        except TimeoutError as late:
            detail = f"The request was not there after {seconds:g} seconds; send it at once."
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "too-slow-body", detail, headers=_CLOSED) from late

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Counted, because a client may leave out the length or lie about it."""
        size = 0
        async for chunk in super().stream():
            size += len(chunk)
            if size > LARGEST_BODY:
                detail = f"The request has more than {LARGEST_BODY:,} bytes."
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail, headers=_CLOSED)
            yield chunk

    async def json(self) -> Any:
        body = await self.body()
        return _read(body) if len(body) <= READ_AT_ONCE else await run_in_threadpool(_read, body)


def _read(body: bytes) -> Any:
    try:
        text = body.decode()
        found = json.loads(text, parse_float=_exactly, parse_constant=_refused, object_pairs_hook=_once_each)
        if _MAYBE_SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False, default=str).encode()
        return found
    except (ValueError, RecursionError, InvalidOperation) as error:
        detail = f"The body is not JSON in UTF-8: {_reason(error)}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-json", detail) from error


def _exactly(text: str) -> Decimal:
    """0.1 is meant as it is written. In Python, so that the thread that reads a million of them lets others go on."""
    return Decimal(text)


def _reason(error: Exception) -> str:
    match error:
        case UnicodeEncodeError():
            return "it has half of a surrogate pair"
        case json.JSONDecodeError(msg=message, lineno=line, colno=column):
            return f"{message} at line {line}, column {column}"
        case RecursionError():
            return "it is nested too deeply"
        case UnicodeDecodeError(start=place):
            return f"byte {place} is no UTF-8"
        case InvalidOperation():
            return "it has a number without bounds"
        case _:
            return str(error)


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two filters in one request, neither is known to be the one that is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


class ExactRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle, needs = super().get_route_handler(), needed(self.dependant)

        async def handle_exactly(request: Request) -> Response:
            if needs:
                await needs.caller(request)  # whoever may not call is not read either
            if self.body_field and not _is_json(request):
                detail = "Send the request as JSON, with 'Content-Type: application/json'."
                raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json", detail)
            return await handle(_ExactRequest(request.scope, request.receive))

        return handle_exactly


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
