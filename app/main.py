"""The HTTP service: routes to the features, and what holds for every request."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from http import HTTPStatus
from itertools import chain
from threading import BoundedSemaphore
from typing import Annotated, Any, NoReturn

import orjson
import psycopg
from anyio import CancelScope
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from app import fields, pages, problems, queries
from app.auth import Caller, known_callers, needs
from app.database import Database
from app.kept import Keeper
from app.metrics import Metrics, Observed
from app.migrate import is_current
from app.problems import Problem
from app.settings import Settings
from dsl import Catalog

LARGEST_BODY = 1_000_000


async def _reader(request: Request, caller: Annotated[Caller, Depends(needs("read"))]) -> Caller:
    """The first question of a company's new day has its metrics brought to that day."""
    keeper: Keeper = request.app.state.keeper
    keeper.consider(caller.company)
    return caller


Reader = Annotated[Caller, Depends(_reader)]
Admin = Annotated[Caller, Depends(needs("admin"))]


def create_app(settings: Settings, url: str, *, page_key: str | None = None) -> FastAPI:
    """`page_key` is given to the page when it is opened on this machine."""
    read_url = settings.read_database_url.get_secret_value() if settings.read_database_url else url

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.database = connect(settings, url)
        app.state.reads = app.state.database if read_url == url else connect(settings, read_url)
        app.state.keeper = Keeper(app.state.database)
        yield
        app.state.keeper.close()
        app.state.reads.close()
        app.state.database.close()

    app = FastAPI(
        title="Duelist",
        summary="A list of who is due: filters over a receivables ledger.",
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's page loads its parts from elsewhere; pages.py has one of our own
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.url = url
    app.state.read_url = read_url
    app.state.cursors = queries.Cursors(settings.signing_key())
    app.state.page_key = page_key
    app.state.metrics = Metrics()
    app.state.callers = known_callers()
    # An export holds a connection for as long as its reader likes: the other half is for everything else.
    app.state.exports = BoundedSemaphore(max(1, settings.pool_max_size // 2))
    app.add_middleware(Observed, metrics=app.state.metrics)
    problems.install(app)
    app.include_router(_questions)
    app.include_router(_fields)
    app.include_router(_records)
    app.include_router(_health)
    app.include_router(pages.router())
    return app


def connect(settings: Settings, url: str) -> Database:
    return Database(
        url,
        min_size=settings.pool_min_size,
        max_size=settings.pool_max_size,
        timeout_seconds=settings.pool_timeout_seconds,
        statement_timeout_ms=settings.statement_timeout_ms,
    )


# ---------------------------------------------------------------- requests in JSON, exactly


class _ExactRequest(Request):
    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Counted, because a client may leave out the length or lie about it."""
        size = 0
        async for chunk in super().stream():
            size += len(chunk)
            if size > LARGEST_BODY:
                detail = f"The request has more than {LARGEST_BODY:,} bytes."
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
            yield chunk

    async def json(self) -> Any:
        try:
            text = (await self.body()).decode()
            return json.loads(text, parse_float=Decimal, parse_constant=_refused)  # 0.1 is meant as it is written
        except (ValueError, RecursionError, InvalidOperation) as error:
            detail = f"The body is not JSON in UTF-8: {_reason(error)}."
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-json", detail) from error


def _reason(error: Exception) -> str:
    match error:
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


class _ExactRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def handle_exactly(request: Request) -> Response:
            if self.body_field and not _is_json(request):
                detail = "Send the request as JSON, with 'Content-Type: application/json'."
                raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json", detail)
            return await handle(_ExactRequest(request.scope, request.receive))

        return handle_exactly


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


# ---------------------------------------------------------------- filters

_questions = APIRouter(prefix="/v1", route_class=_ExactRoute, tags=["filters"])


def _json(document: object) -> Response:
    return Response(orjson.dumps(document, default=str), media_type="application/json")


@_questions.post("/preview")
def preview(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """Whom a filter selects: counts, the filter in English, and a page of the customers."""
    state = request.app.state
    return _json(queries.preview(state.reads, state.cursors, caller.company, asked))


@_questions.post("/preview/invoices")
def preview_invoices(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """The invoices of the matching customers that the filter is about."""
    return _rows(asked, caller, request, "invoices")


@_questions.post("/preview/payments")
def preview_payments(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """The payments of the matching customers that the filter is about."""
    return _rows(asked, caller, request, "payments")


@_questions.post("/preview/credit-notes")
def preview_credit_notes(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """The credit notes of the matching customers that the filter is about."""
    return _rows(asked, caller, request, "credit_notes")


def _rows(asked: queries.Paged, caller: Caller, request: Request, kind: queries.Kind) -> Response:
    state = request.app.state
    return _json(queries.rows_of(state.reads, state.cursors, caller.company, asked, kind))


@_questions.post("/preview.csv")
def preview_csv(asked: queries.Exporting, caller: Reader, request: Request) -> Response:
    """The whole answer as CSV, streamed."""
    return _exported(asked, caller, request, "csv", "text/csv; charset=utf-8; header=present")


@_questions.post("/preview.ndjson")
def preview_ndjson(asked: queries.Exporting, caller: Reader, request: Request) -> Response:
    """The whole answer, one JSON object a line, streamed."""
    return _exported(asked, caller, request, "ndjson", "application/x-ndjson")


def _exported(
    asked: queries.Exporting, caller: Caller, request: Request, form: queries.Format, media_type: str
) -> StreamingResponse:
    """The first rows are there before the answer begins, so that what is wrong still has its own status."""
    state = request.app.state
    timeout = state.settings.export_timeout_ms
    chunks = _counted(state.exports, queries.export(state.reads, caller.company, asked, form, timeout_ms=timeout))
    first = next(chunks, b"")
    return StreamingResponse(_sent(first, chunks), media_type=media_type)


def _counted(exports: BoundedSemaphore, chunks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    if not exports.acquire(blocking=False):
        detail = "Too many exports are running; try again in a moment."
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "busy", detail, headers=problems.RETRY_SECONDS)
    try:
        yield from chunks
    finally:
        exports.release()


async def _sent(first: bytes, chunks: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """A caller that goes away ends the export and frees its connection at once."""
    try:
        async for chunk in iterate_in_threadpool(chain([first], chunks)):
            yield chunk
    finally:
        with CancelScope(shield=True):
            await run_in_threadpool(chunks.close)


@_questions.post("/compile")
def compile_filter(asked: queries.Dated, caller: Reader) -> Response:
    """What a filter comes to: canonical text, English, tree, SQL and its parameters."""
    return _json(queries.compiled(asked, caller.company))


@_questions.post("/english")
def english(asked: queries.Dated, caller: Reader) -> Response:
    """What a filter means, as one sentence."""
    return _json(queries.english_of(asked, caller.company))


@_questions.post("/format")
def format_filter(asked: queries.Asked, caller: Reader) -> Response:
    """A filter in canonical text."""
    return _json(queries.formatted(asked, caller.company))


@_questions.post("/check")
def check(asked: queries.Dated, caller: Reader, request: Request) -> Response:
    """Everything that is wrong with a filter, with places and corrections; 200 also when it is wrong."""
    ledger = queries.ledger_of(request.app.state.reads, caller.company)
    return _json(queries.checked(asked, caller.company, ledger))


@_questions.post("/complete")
def complete(asked: queries.Completing, caller: Reader) -> Response:
    """What may stand at a place of a filter that is being written."""
    return _json(queries.completed(asked, caller.company))


@_questions.get("/catalog")
def catalog(caller: Reader) -> Response:
    """Every entity, field and operator."""
    return Response(_catalog(caller.company.catalog), media_type="application/json")


@lru_cache(maxsize=100)
def _catalog(catalog: Catalog) -> bytes:
    return orjson.dumps(queries.described(catalog))


# ---------------------------------------------------------------- fields that a company defines

_fields = APIRouter(prefix="/v1/fields", route_class=_ExactRoute, tags=["fields"])


@_fields.get("")
def list_fields(caller: Reader, request: Request) -> Response:
    """The fields that the company has defined."""
    return _json({"fields": fields.listed(request.app.state.database, caller.company)})


@_fields.put("/{entity}/{name}")
def define_field(entity: str, name: str, asked: fields.Definition, caller: Admin, request: Request) -> Response:
    """Defines a field, or makes it what is sent; values that do not fit are named, and nothing is changed."""
    defined = fields.define(request.app.state.database, caller.company, entity, name, asked)
    _forget_callers(request)
    return _json(defined)


@_fields.delete("/{entity}/{name}", status_code=HTTPStatus.NO_CONTENT)
def remove_field(entity: str, name: str, caller: Admin, request: Request) -> Response:
    """Takes a field away; its values stay, as text."""
    fields.remove(request.app.state.database, caller.company, entity, name)
    _forget_callers(request)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _forget_callers(request: Request) -> None:
    """With what their companies had defined. Whoever is being looked up just now still goes into the old ones."""
    request.app.state.callers = known_callers()


# ---------------------------------------------------------------- records

_records = APIRouter(prefix="/v1", tags=["records"])


def _add_record_route(kind: str) -> None:
    def record(source_id: str, caller: Reader, request: Request) -> Response:
        found = queries.record(request.app.state.reads, caller.company, kind, source_id)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-id", f"There is no such record among the {kind}.")
        return _json(found)

    # A source id may contain slashes.
    path = f"/{kind}/{{source_id:path}}"
    _records.add_api_route(path, record, methods=["GET"], name=kind, description="One record as it is stored.")


for _kind in queries.RECORDS:
    _add_record_route(_kind)

# ---------------------------------------------------------------- health

_health = APIRouter(tags=["health"])


@_health.get("/live")
async def live() -> Response:
    """The process answers."""
    return _json({"status": "live"})


@_health.get("/ready")
def ready(request: Request) -> Response:
    """The database answers and is migrated, and so does the replica where there is one."""
    state = request.app.state
    try:
        migrated = all(is_current(url) for url in {state.url, state.read_url})
    except psycopg.OperationalError:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "database-away", "The database does not answer.",
            headers=problems.RETRY_SECONDS) from None  # fmt: skip
    if not migrated:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "not-migrated", "The database is not migrated; run: duelist migrate",
            headers=problems.RETRY_SECONDS)  # fmt: skip
    return _json({"status": "ready"})


@_health.get("/metrics")
def metrics(request: Request) -> Response:
    """Counters and times for Prometheus."""
    collected: Metrics = request.app.state.metrics
    return collected.response()
