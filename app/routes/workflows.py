"""Calls about workflows and their runs. A change names in `If-Match` the ETag of the version that it is of."""

import re
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app import queries
from app import workflows as feature
from app.asked import LARGEST_PAGE, Day, Kind
from app.audit_log import exported
from app.problems import Problem
from app.routes.callers import Admin, Exporter, Reader, Writer, forget_callers
from app.routes.exact import ExactRoute, answer
from app.routes.exports import CSV, NDJSON, OR_NDJSON, Csv, noted_export, streamed
from app.worker import limits_of

workflows = APIRouter(prefix="/v1", route_class=ExactRoute, tags=["workflows"])
runs = APIRouter(prefix="/v1/runs", route_class=ExactRoute, tags=["runs"])

_LARGEST_ID = 2**63 - 1


def _number(written: str) -> int:
    """An id that cannot be one is answered as one that is not there."""
    if not re.fullmatch("[1-9][0-9]{0,18}", written, re.ASCII) or int(written) > _LARGEST_ID:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-id", "There is no such workflow or run.")
    return int(written)


def _path_number(number: Annotated[str, Path(alias="id")]) -> int:
    return _number(number)


Id = Annotated[int, Depends(_path_number)]


def _expected(if_match: Annotated[str | None, Header()] = None) -> int:
    if if_match is None:
        detail = "Send the version that was edited: 'If-Match' with the ETag that the workflow was read with."
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "no-version", detail)
    found = re.fullmatch(r'(?:W/)?"([1-9][0-9]{0,17})"', if_match.strip(), re.ASCII)
    if found is None:
        detail = "'If-Match' is no ETag of a workflow; those look like \"3\"."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-version", detail)
    return int(found[1])


Expected = Annotated[int, Depends(_expected)]
After = Annotated[str | None, Query(pattern=r"^[^\x00]*$", description="the last source id seen")]


def _workflow(found: feature.Workflow, caller: Reader, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    return answer(feature.document(found, caller.company), status, ETag=found.etag, **headers)


# ---------------------------------------------------------------- stored


@workflows.get("/workflows")
def list_workflows(caller: Reader, request: Request) -> Response:
    """All workflows, in the order in which they were made."""
    return answer({"workflows": feature.listed(request.app.state.reads, caller.company)})


@workflows.post("/workflows", status_code=HTTPStatus.CREATED)
def create_workflow(caller: Writer, edited: feature.Edited, request: Request) -> Response:
    """A workflow from a filter, or from its parts."""
    made = feature.create(request.app.state.database, caller.company, edited, caller.name)
    return _workflow(made, caller, HTTPStatus.CREATED, Location=f"/v1/workflows/{made.id}")


@workflows.get("/workflows/{id}")
def read_workflow(caller: Reader, workflow_id: Id, request: Request) -> Response:
    """A workflow as text and in parts. `problems`: what is wrong with it by now."""
    return _workflow(feature.read(request.app.state.reads, caller.company, workflow_id), caller)


@workflows.put("/workflows/{id}")
def change_workflow(
    caller: Writer, workflow_id: Id, edited: feature.Edited, request: Request, expected: Expected
) -> Response:
    """A new version; the former ones stay. 409 when another change came first."""
    database = request.app.state.database
    return _workflow(feature.change(database, caller.company, workflow_id, expected, edited, caller.name), caller)


@workflows.delete("/workflows/{id}", status_code=HTTPStatus.NO_CONTENT)
def remove_workflow(caller: Writer, workflow_id: Id, request: Request, expected: Expected) -> Response:
    """Its runs stay."""
    feature.remove(request.app.state.database, caller.company, workflow_id, expected, caller.name)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@workflows.get("/workflows/{id}/versions")
def list_versions(caller: Reader, workflow_id: Id, request: Request) -> Response:
    """Every version, who made it and when; the newest first."""
    return answer({"versions": feature.versions(request.app.state.reads, caller.company, workflow_id)})


@workflows.post("/workflows/{id}/diff")
def diff_workflow(caller: Reader, workflow_id: Id, proposed: feature.Proposed, request: Request) -> Response:
    """Who would enter and who would leave by an edit, and the overdue money of both."""
    return answer(feature.diff(request.app.state.reads, caller.company, workflow_id, proposed))


@workflows.get("/overlap")
def overlap(
    caller: Reader,
    request: Request,
    as_of: Day | None = None,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
) -> Response:
    """Customers that several active workflows target, and overdue money that none does."""
    state = request.app.state
    timeout = state.settings.export_timeout_ms
    found = feature.overlap(state.reads, caller.company, as_of=as_of, after=after, limit=limit, timeout_ms=timeout)
    return answer(found)


# ---------------------------------------------------------------- what a workflow selects


class _Looking(BaseModel):
    """At what a workflow selects."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    as_of: Day | None = Field(None, description="the company's today when absent")


class _Page(_Looking):
    limit: int = Field(50, ge=1, le=LARGEST_PAGE)
    cursor: str | None = None
    count_to: int | None = Field(None, ge=1, le=1_000_000)


class _Whole(_Looking):
    rows: Kind | None = None


class _Ahead(_Looking):
    days: int = Field(30, ge=1, le=60)
    limit: int = Field(20, ge=0, le=500)


def _asked(workflow_id: int, looking: _Looking, caller: Reader, request: Request) -> dict[str, object]:
    """The question that the workflow asks."""
    found = feature.read(request.app.state.reads, caller.company, workflow_id)
    of_workflow = {"filter": found.filter, "level": found.level, "respect_pauses": found.respect_pauses, "params": {}}
    return {**of_workflow, **looking.model_dump()}


@workflows.post("/workflows/{id}/preview")
def preview_workflow(caller: Reader, workflow_id: Id, looking: _Page, request: Request) -> Response:
    """Whom a workflow targets, and who is held back because of a pause."""
    state = request.app.state
    asked = queries.Paged.model_validate(_asked(workflow_id, looking, caller, request))
    return answer(queries.preview(state.reads, state.cursors, caller.company, asked))


@workflows.post("/workflows/{id}/preview/{rows}")
def preview_workflow_rows(
    caller: Reader,
    workflow_id: Id,
    rows: Literal["invoices", "payments", "credit-notes"],
    looking: _Page,
    request: Request,
) -> Response:
    """The matching rows of the customers that a workflow targets."""
    state = request.app.state
    asked = queries.Paged.model_validate(_asked(workflow_id, looking, caller, request))
    kind: Kind = "credit_notes" if rows == "credit-notes" else rows
    return answer(queries.rows_of(state.reads, state.cursors, caller.company, asked, kind))


@workflows.post("/workflows/{id}/preview.{form}", response_class=Csv, responses=OR_NDJSON)
def export_workflow(
    caller: Exporter, workflow_id: Id, form: Literal["csv", "ndjson"], looking: _Whole, request: Request
) -> Response:
    """All that a workflow targets, streamed."""
    state = request.app.state
    asked = queries.Exporting.model_validate(_asked(workflow_id, looking, caller, request))
    timeout = state.settings.export_timeout_ms
    chunks = queries.export(state.reads, caller.company, asked, form, timeout_ms=timeout)
    noted = noted_export(request, caller, chunks, asked, form, workflow=workflow_id)
    return streamed(noted, CSV if form == "csv" else NDJSON)


@workflows.post("/workflows/{id}/funnel")
def funnel_of_workflow(caller: Reader, workflow_id: Id, looking: _Looking, request: Request) -> Response:
    """What each condition of a workflow does."""
    asked = queries.Dated.model_validate(_asked(workflow_id, looking, caller, request))
    return answer(queries.funnel(request.app.state.reads, caller.company, asked))


@workflows.post("/workflows/{id}/forecast")
def forecast_of_workflow(caller: Reader, workflow_id: Id, looking: _Ahead, request: Request) -> Response:
    """Whom a workflow would target on each of the next days if nobody paid."""
    state = request.app.state
    asked = queries.Forecasting.model_validate(_asked(workflow_id, looking, caller, request))
    return answer(queries.forecast(state.reads, caller.company, asked, timeout_ms=state.settings.export_timeout_ms))


# ---------------------------------------------------------------- runs

ANSWERED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The run of an earlier call", "content": {"application/json": {"schema": {}}}}
}


@workflows.post("/workflows/{id}/runs", status_code=HTTPStatus.CREATED, responses=ANSWERED)
def start_run(
    caller: Writer,
    workflow_id: Id,
    starting: feature.Starting,
    request: Request,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Response:
    """Fix an audience. The same call under the same Idempotency-Key is answered with the first one's run."""
    state = request.app.state
    limits = limits_of(state.settings)
    run, is_new = feature.start(
        state.database, caller.company, workflow_id, starting, caller.name, limits, idempotency_key
    )
    status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return answer(run.document(), status, Location=f"/v1/runs/{run.id}")


Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]


@workflows.get("/workflows/{id}/runs")
def list_runs_of_workflow(
    caller: Reader, workflow_id: Id, request: Request, limit: Limit = 50, before: str | None = None
) -> Response:
    """The newest first; `before` is the id of the last one seen."""
    reads = request.app.state.reads
    last = None if before is None else _number(before)
    feature.read(reads, caller.company, workflow_id)
    return answer({"runs": feature.list_runs(reads, caller.company, workflow_id, limit, last)})


@runs.get("")
def list_runs(caller: Reader, request: Request, limit: Limit = 50, before: str | None = None) -> Response:
    """Of all workflows, the newest first."""
    last = None if before is None else _number(before)
    return answer({"runs": feature.list_runs(request.app.state.reads, caller.company, None, limit, last)})


@runs.get("/{id}")
def read_run(caller: Reader, run_id: Id, request: Request) -> Response:
    """What was run, as of which day, and how many rows of each kind it has."""
    return answer(feature.read_run(request.app.state.reads, caller.company, run_id))


@runs.get("/{id}/compare")
def compare_runs(
    caller: Reader,
    run_id: Id,
    request: Request,
    other: Annotated[str | None, Query(alias="with")] = None,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """Who entered, left and stayed since another run, or since the one before."""
    number = None if other is None else _number(other)
    return answer(feature.compare(request.app.state.reads, caller.company, run_id, number, after=after, limit=limit))


@runs.get("/{id}/{kind}.{form}", response_class=Csv, responses=OR_NDJSON)
def export_run(caller: Exporter, run_id: Id, kind: Kind, form: Literal["csv", "ndjson"], request: Request) -> Response:
    """All rows of a run, streamed; those held back say so."""
    state = request.app.state
    timeout = state.settings.export_timeout_ms
    chunks = feature.export_run(state.reads, caller.company, run_id, kind, form, timeout_ms=timeout)
    about = (state.database, caller.company.company_id, caller.name, kind)
    return streamed(exported(chunks, *about, run=run_id, format=form), CSV if form == "csv" else NDJSON)


@runs.get("/{id}/{kind}")
def rows_of_run(
    caller: Reader,
    run_id: Id,
    kind: Kind,
    request: Request,
    held_back: bool = False,
    after: After = None,
    limit: Limit = 50,
) -> Response:
    """A page of the rows of a run, or of those that were held back."""
    reads = request.app.state.reads
    found = feature.rows_of_run(reads, caller.company, run_id, kind, held_back=held_back, after=after, limit=limit)
    return answer(found)


# ---------------------------------------------------------------- segments


def _edited(if_match: Annotated[str | None, Header()] = None) -> int | None:
    return None if if_match is None else _expected(if_match)


@workflows.get("/segments")
def list_segments(caller: Reader, request: Request) -> Response:
    """All segments, and what is built on each."""
    return answer({"segments": feature.list_segments(request.app.state.reads, caller.company)})


@workflows.get("/segments/{name:path}")
def read_segment(caller: Reader, name: str, request: Request) -> Response:
    """Who is in a segment, and what is built on it."""
    found = feature.read_segment(request.app.state.reads, caller.company, name)
    return answer(found, ETag=f'"{found["version"]}"')


@workflows.put("/segments/{name:path}")
def define_segment(
    caller: Writer,
    name: str,
    segment: feature.Segment,
    request: Request,
    version: Annotated[int | None, Depends(_edited)],
) -> Response:
    """Make or change a segment; the answer says which workflows and segments that touches."""
    found = feature.define_segment(request.app.state.database, caller.company, name, segment, caller.name, version)
    forget_callers(request)
    return answer(found, ETag=f'"{found["version"]}"')


@workflows.delete("/segments/{name:path}", status_code=HTTPStatus.NO_CONTENT)
def remove_segment(caller: Writer, name: str, request: Request) -> Response:
    """Refused while something is built on it."""
    feature.remove_segment(request.app.state.database, caller.company, name, caller.name)
    forget_callers(request)
    return Response(status_code=HTTPStatus.NO_CONTENT)


# ---------------------------------------------------------------- who is told


@workflows.get("/webhook")
def read_webhook(caller: Admin, request: Request) -> Response:
    """Where runs are told to."""
    return answer(feature.hook_of(request.app.state.reads, caller.company))


@workflows.put("/webhook")
def set_webhook(caller: Admin, hook: feature.Hook, request: Request) -> Response:
    """Tell this address of every run; the answer has the secret that signs what is sent, this once."""
    state = request.app.state
    private = state.settings.webhook_private
    return answer(feature.set_hook(state.database, caller.company, hook, caller.name, private=private))


@workflows.delete("/webhook", status_code=HTTPStatus.NO_CONTENT)
def remove_webhook(caller: Admin, request: Request) -> Response:
    """Tell nobody."""
    feature.remove_hook(request.app.state.database, caller.company, caller.name)
    return Response(status_code=HTTPStatus.NO_CONTENT)
