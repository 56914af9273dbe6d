"""Calls about filters."""

from functools import lru_cache, partial

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from app import queries
from app.auth import Caller
from app.routes.callers import Exporter, Known, Reader
from app.routes.exact import ExactRoute, answer
from app.routes.exports import CSV, NDJSON, Csv, Ndjson, noted_export, streamed
from dsl import Catalog

filters = APIRouter(prefix="/v1", route_class=ExactRoute, tags=["filters"])


@filters.post("/preview")
def preview(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """Whom a filter selects: counts, the filter in English, and a page of the customers."""
    state = request.app.state
    return answer(queries.preview(state.reads, state.cursors, caller.company, asked))


@filters.post("/preview/invoices")
def preview_invoices(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """The invoices of the matching customers that the filter is about."""
    return _rows(asked, caller, request, "invoices")


@filters.post("/preview/payments")
def preview_payments(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """The payments of the matching customers that the filter is about."""
    return _rows(asked, caller, request, "payments")


@filters.post("/preview/credit-notes")
def preview_credit_notes(asked: queries.Paged, caller: Reader, request: Request) -> Response:
    """The credit notes of the matching customers that the filter is about."""
    return _rows(asked, caller, request, "credit_notes")


def _rows(asked: queries.Paged, caller: Caller, request: Request, kind: queries.Kind) -> Response:
    state = request.app.state
    return answer(queries.rows_of(state.reads, state.cursors, caller.company, asked, kind))


@filters.post("/preview.csv", response_class=Csv)
def preview_csv(asked: queries.Exporting, caller: Exporter, request: Request) -> Response:
    """The whole answer as CSV, streamed."""
    return _exported(asked, caller, request, "csv", CSV)


@filters.post("/preview.ndjson", response_class=Ndjson)
def preview_ndjson(asked: queries.Exporting, caller: Exporter, request: Request) -> Response:
    """The whole answer, one JSON object a line, streamed."""
    return _exported(asked, caller, request, "ndjson", NDJSON)


def _exported(
    asked: queries.Exporting, caller: Caller, request: Request, form: queries.Format, media_type: str
) -> Response:
    state = request.app.state
    timeout = state.settings.export_timeout_ms
    chunks = queries.export(state.reads, caller.company, asked, form, timeout_ms=timeout)
    return streamed(noted_export(request, caller, chunks, asked, form), media_type)


@filters.post("/why")
def why(asked: queries.Doubted, caller: Reader, request: Request) -> Response:
    """Why a customer or group is selected, or is not: each condition, what it was compared with, and which row."""
    return answer(queries.why(request.app.state.reads, caller.company, asked))


@filters.post("/compile")
def compile_filter(asked: queries.Dated, caller: Known) -> Response:
    """What a filter comes to: canonical text, English, tree, SQL and its parameters."""
    return answer(queries.compiled(asked, caller.company))


@filters.post("/english")
def english(asked: queries.Dated, caller: Known) -> Response:
    """What a filter means, as one sentence."""
    return answer(queries.english_of(asked, caller.company))


@filters.post("/format")
def format_filter(asked: queries.Asked, caller: Known) -> Response:
    """A filter in canonical text."""
    return answer(queries.formatted(asked, caller.company))


@filters.post("/check")
def check(asked: queries.Dated, caller: Reader, request: Request) -> Response:
    """Everything that is wrong with a filter, with places and corrections; 200 also when it is wrong."""
    ledger = partial(queries.ledger_of, request.app.state.reads, caller.company)
    return answer(queries.checked(asked, caller.company, ledger))


@filters.post("/parts")
def parts(asked: queries.InParts, caller: Known) -> Response:
    """A filter told apart into the conditions of its parts, or put together from them."""
    return answer(queries.in_parts(asked, caller.company))


@filters.post("/complete")
def complete(asked: queries.Completing, caller: Known) -> Response:
    """What may stand at a place of a filter that is being written."""
    return answer(queries.completed(asked, caller.company))


@filters.post("/funnel")
def funnel(asked: queries.Dated, caller: Reader, request: Request) -> Response:
    """What each condition of a filter does by itself, one after the other, and through missing values."""
    return answer(queries.funnel(request.app.state.reads, caller.company, asked))


@filters.post("/aging")
def aging(asked: queries.Dated, caller: Reader, request: Request) -> Response:
    """What the selected customers owe, by how late it is, in the base currency."""
    return answer(queries.aging(request.app.state.reads, caller.company, asked))


@filters.post("/forecast")
def forecast(asked: queries.Forecasting, caller: Reader, request: Request) -> Response:
    """Who would match on each of the next days if nobody paid."""
    state = request.app.state
    return answer(queries.forecast(state.reads, caller.company, asked, timeout_ms=state.settings.export_timeout_ms))


@filters.get("/company")
def company(caller: Known) -> Response:
    """Whose ledger the key opens: name, base currency, time zone, today, and what the key may do."""
    return answer(queries.company_of(caller.company) | {"scope": caller.scope})


@filters.get("/catalog")
def catalog(caller: Known) -> Response:
    """Every entity, field and operator."""
    return Response(_catalog(caller.company.catalog), media_type="application/json")


@lru_cache(maxsize=100)
def _catalog(catalog: Catalog) -> bytes:
    return orjson.dumps(queries.described(catalog))
