"""What went wrong, as RFC 9457 problems: one shape for a wrong filter, a wrong request and a database that is away."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.database import DatabaseAway, DatabaseFull
from app.errands import Ended
from app.logs import faults
from dsl import Diagnostic, FilterError
from dsl.diagnostics import line_and_column

Document = dict[str, Any]

_log = structlog.get_logger("duelist")

RETRY_SECONDS = {"Retry-After": "2"}

_TEXT = {"type": "string"}
_PLACE = {"type": ["integer", "null"]}
_OBJECTS = {"type": "array", "items": {"type": "object"}}

# The shape of a problem, for the OpenAPI document.
DESCRIBED: Document = {
    "Problem": {
        "type": "object",
        "required": ["type", "title", "status", "detail", "errors"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:duelist:problem:[a-z0-9-]+$"},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/ProblemError"}},
        },
    },
    "ProblemError": {
        "type": "object",
        "required": ["code", "message", "start", "end", "line", "column", "hint", "expected", "fixes"],
        "properties": {
            "code": _TEXT,
            "message": _TEXT,
            **dict.fromkeys(("start", "end", "line", "column"), _PLACE),
            "hint": {"type": ["string", "null"]},
            "expected": {"type": "array", "items": _TEXT},
            "fixes": _OBJECTS,
        },
    },
}


class Problem(HTTPException):
    """`code` is stable: it ends the `type` and, where nothing more exact is known, names the only error."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        errors: Sequence[Document] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code
        self.errors = list(errors) or [error(code, detail)]

    def document(self) -> Document:
        return {
            "type": f"urn:duelist:problem:{self.code}",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            "errors": self.errors,
        }


class TooMuch(FilterError):
    """A filter that is right, and more than is answered; its one diagnostic is about the condition that costs most."""


def error(code: str, message: str, **more: object) -> Document:
    """One entry of `errors`; only a filter has a place."""
    nowhere = dict.fromkeys(("start", "end", "line", "column", "hint"))
    return {"code": code, "message": message, **nowhere, "expected": [], "fixes": [], **more}


def diagnosed(text: str, diagnostic: Diagnostic) -> Document:
    line, column = line_and_column(text, diagnostic.span.start)
    return {
        "code": diagnostic.code,
        "message": diagnostic.message,
        "start": diagnostic.span.start,
        "end": diagnostic.span.end,
        "line": line,
        "column": column,
        "hint": diagnostic.hint,
        "expected": list(diagnostic.expected),
        "fixes": [
            {"title": fix.title, "start": fix.span.start, "end": fix.span.end, "text": fix.text}
            for fix in diagnostic.fixes
        ],
    }


def as_problem(failure: Exception) -> Problem | None:
    """None for what is a fault of ours."""
    match failure:
        case Problem():
            return failure
        case TooMuch(text=text, diagnostics=(found,)):
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, found.code, found.message, errors=[diagnosed(text, found)])
        case FilterError(text=text, diagnostics=diagnostics):
            errors = [diagnosed(text, diagnostic) for diagnostic in diagnostics]
            count = "one error" if len(errors) == 1 else f"{len(errors)} errors"
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-filter", f"The filter has {count}.", errors=errors)
        case RequestValidationError():
            errors = [_of_field(found) for found in failure.errors()]
            detail = "The request has a field that is wrong, missing or unknown."
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-request", detail, errors=errors)
        case HTTPException(status_code=status):
            known = HTTPStatus(status)
            code = known.phrase.lower().replace(" ", "-")
            return Problem(known, code, _DETAILS.get(known, known.phrase), headers=failure.headers)
        case DatabaseFull():
            detail = "The disk of the database is full; nothing was written. Try again when there is room."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database-full", detail, headers=RETRY_SECONDS)
        case DatabaseAway() | PoolTimeout():
            detail = "The database cannot be reached just now; try again in a moment."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database-away", detail, headers=RETRY_SECONDS)
        case Ended():
            detail = "There was no answer in time; try again in a moment."
            return Problem(HTTPStatus.GATEWAY_TIMEOUT, "deadline", detail, headers=RETRY_SECONDS)
        case (
            psycopg.errors.LockNotAvailable()
            | psycopg.errors.SerializationFailure()
            | psycopg.errors.DeadlockDetected()
        ):
            detail = "Another change, such as an import, is under way; try again in a moment."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "locked", detail, headers=RETRY_SECONDS)
        case psycopg.errors.QueryCanceled():
            detail = "The answer took longer than is allowed; ask for less, or for a shorter filter."
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "too-slow", detail)
        case psycopg.errors.ProgramLimitExceeded() | psycopg.errors.StatementTooComplex() | RecursionError():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "too-complex", "The filter is too complex to be answered.")
        case psycopg.DataError():
            detail = "A value of the filter, or what it calculates, is beyond what can be stored."
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "out-of-range", detail)
        case _:
            return None


_DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not answer to this method.",
}


def _of_field(found: Mapping[str, Any]) -> Document:
    """`pointer` says where in the body (RFC 6901); what stood there is not repeated."""
    path = [str(step).replace("~", "~0").replace("/", "~1") for step in found["loc"][1:]]
    pointer = "".join(f"/{step}" for step in path)
    # A name in the body may have a lone surrogate, which no UTF-8 can carry.
    return error("bad-request", str(found["msg"]), pointer=pointer.encode("utf-8", "replace").decode())


def respond(problem: Problem) -> Response:
    body = orjson.dumps(problem.document())
    return Response(body, problem.status_code, problem.headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    for kind in (
        HTTPException,
        RequestValidationError,
        FilterError,
        DatabaseAway,
        Ended,
        psycopg.Error,
        RecursionError,
        Exception,
    ):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, failure: Exception) -> Response:
    problem = as_problem(failure)
    if problem is None and (cut_off := _of_begun(failure)):
        _log.warning("cut off", request_id=str(request.scope.get("request_id", "")), code=cut_off.code)
        return respond(cut_off)
    if problem is None:
        request_id = str(request.scope.get("request_id", ""))
        _log.error("fault", request_id=request_id, **faults(failure))
        problem = _fault(request_id)
    return respond(problem)


def _of_begun(failure: Exception) -> Problem | None:
    """What Starlette raises in place of it when the answer has begun, which then stays without its end."""
    cause = failure.__cause__
    return as_problem(cause) if isinstance(failure, RuntimeError) and isinstance(cause, Exception) else None


def _fault(request_id: str) -> Problem:
    detail = f"Something went wrong here. It has been noted; the request was {request_id}."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail, headers={"X-Request-Id": request_id})
