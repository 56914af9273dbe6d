"""The HTTP service: routes to the features, and what holds for every request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from http import HTTPStatus
from threading import BoundedSemaphore

import orjson
import psycopg
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from app import fields, pages, problems, queries
from app.auth import Caller, known_callers
from app.database import Database
from app.kept import Keeper
from app.metrics import Metrics, Observed
from app.migrate import is_current
from app.problems import Problem
from app.routes.callers import Admin, Reader, forget_callers
from app.routes.exact import ExactRoute, answer
from app.routes.exports import CSV, NDJSON, streamed
from app.routes.workflows import runs, workflows
from app.settings import Settings
from app.worker import Worker
from dsl import Catalog


def create_app(settings: Settings, url: str, *, page_key: str | None = None) -> FastAPI:
    """`page_key` is given to the page when it is opened on this machine."""
    read_url = settings.read_database_url.get_secret_value() if settings.read_database_url else url

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.database = connect(settings, url)
        app.state.reads = app.state.database if read_url == url else connect(settings, read_url)
        app.state.keeper = Keeper(app.state.database)
        worker = Worker(app.state.database, settings)
        if settings.worker:
            worker.start()
        yield
        worker.close()
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
    app.include_router(workflows)
    app.include_router(runs)
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


# ---------------------------------------------------------------- filters

_questions = APIRouter(prefix="/v1", route_class=ExactRoute, tags=["filters"])


@_questions.post("/preview")
def preview(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """Whom a filter selects: counts, the filter in English, and a page of the customers."""
    state = request.app.state
    return answer(queries.preview(state.reads, state.cursors, caller.company, asked))


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
    return answer(queries.rows_of(state.reads, state.cursors, caller.company, asked, kind))


@_questions.post("/preview.csv")
def preview_csv(asked: queries.Exporting, caller: Reader, request: Request) -> Response:
    """The whole answer as CSV, streamed."""
    return _exported(asked, caller, request, "csv", CSV)


@_questions.post("/preview.ndjson")
def preview_ndjson(asked: queries.Exporting, caller: Reader, request: Request) -> Response:
    """The whole answer, one JSON object a line, streamed."""
    return _exported(asked, caller, request, "ndjson", NDJSON)


def _exported(
    asked: queries.Exporting, caller: Caller, request: Request, form: queries.Format, media_type: str
) -> Response:
    state = request.app.state
    timeout = state.settings.export_timeout_ms
    return streamed(request, queries.export(state.reads, caller.company, asked, form, timeout_ms=timeout), media_type)


@_questions.post("/why")
def why(asked: queries.Doubted, caller: Reader, request: Request) -> Response:
    """Why a customer or group is selected, or is not: each condition, what it was compared with, and which row."""
    return answer(queries.why(request.app.state.reads, caller.company, asked))


@_questions.post("/compile")
def compile_filter(asked: queries.Dated, caller: Reader) -> Response:
    """What a filter comes to: canonical text, English, tree, SQL and its parameters."""
    return answer(queries.compiled(asked, caller.company))


@_questions.post("/english")
def english(asked: queries.Dated, caller: Reader) -> Response:
    """What a filter means, as one sentence."""
    return answer(queries.english_of(asked, caller.company))


@_questions.post("/format")
def format_filter(asked: queries.Asked, caller: Reader) -> Response:
    """A filter in canonical text."""
    return answer(queries.formatted(asked, caller.company))


@_questions.post("/check")
def check(asked: queries.Dated, caller: Reader, request: Request) -> Response:
    """Everything that is wrong with a filter, with places and corrections; 200 also when it is wrong."""
    ledger = queries.ledger_of(request.app.state.reads, caller.company)
    return answer(queries.checked(asked, caller.company, ledger))


@_questions.post("/complete")
def complete(asked: queries.Completing, caller: Reader) -> Response:
    """What may stand at a place of a filter that is being written."""
    return answer(queries.completed(asked, caller.company))


@_questions.post("/funnel")
def funnel(asked: queries.Dated, caller: Reader, request: Request) -> Response:
    """What each condition of a filter does by itself, one after the other, and through missing values."""
    return answer(queries.funnel(request.app.state.reads, caller.company, asked))


@_questions.post("/forecast")
def forecast(asked: queries.Forecasting, caller: Reader, request: Request) -> Response:
    """Who would match on each of the next days if nobody paid."""
    state = request.app.state
    return answer(queries.forecast(state.reads, caller.company, asked, timeout_ms=state.settings.export_timeout_ms))


@_questions.get("/catalog")
def catalog(caller: Reader) -> Response:
    """Every entity, field and operator."""
    return Response(_catalog(caller.company.catalog), media_type="application/json")


@lru_cache(maxsize=100)
def _catalog(catalog: Catalog) -> bytes:
    return orjson.dumps(queries.described(catalog))


# ---------------------------------------------------------------- fields that a company defines

_fields = APIRouter(prefix="/v1/fields", route_class=ExactRoute, tags=["fields"])


@_fields.get("")
def list_fields(caller: Reader, request: Request) -> Response:
    """The fields that the company has defined."""
    return answer({"fields": fields.listed(request.app.state.database, caller.company)})


@_fields.put("/{entity}/{name}")
def define_field(entity: str, name: str, asked: fields.Definition, caller: Admin, request: Request) -> Response:
    """Defines a field, or makes it what is sent; values that do not fit are named, and nothing is changed."""
    defined = fields.define(request.app.state.database, caller.company, entity, name, asked)
    forget_callers(request)
    return answer(defined)


@_fields.delete("/{entity}/{name}", status_code=HTTPStatus.NO_CONTENT)
def remove_field(entity: str, name: str, caller: Admin, request: Request) -> Response:
    """Takes a field away; its values stay, as text."""
    fields.remove(request.app.state.database, caller.company, entity, name)
    forget_callers(request)
    return Response(status_code=HTTPStatus.NO_CONTENT)


# ---------------------------------------------------------------- records

_records = APIRouter(prefix="/v1", tags=["records"])


def _add_record_route(kind: str) -> None:
    def record(source_id: str, caller: Reader, request: Request) -> Response:
        found = queries.record(request.app.state.reads, caller.company, kind, source_id)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-id", f"There is no such record among the {kind}.")
        return answer(found)

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
    return answer({"status": "live"})


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
    return answer({"status": "ready"})


@_health.get("/metrics")
def metrics(request: Request) -> Response:
    """Counters and times for Prometheus."""
    collected: Metrics = request.app.state.metrics
    return collected.response()
