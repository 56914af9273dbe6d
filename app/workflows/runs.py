"""Runs: an audience fixed, in one transaction, with the matching rows and what was owed that day.

No audience leaves on a doubtful compile: a second, independently written translation must select the same. Nor does one
that grew or shrank by much, unless that is confirmed.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from http import HTTPStatus
from typing import Any, cast

import psycopg
from psycopg.types.json import Jsonb

from app import audit_log, metrics
from app.asked import Kind
from app.companies import Company, of_key
from app.costs import refuse_costly, too_slow
from app.database import Connection, Database
from app.kept import relations
from app.lists import field_at, list_of
from app.problems import Problem, as_problem, error
from app.workflows.asked import Starting
from app.workflows.audiences import Run, by_key, last_run, run_of
from app.workflows.filters import analyzed
from app.workflows.numbers import next_number
from app.workflows.recorded import RECORDED, stored
from app.workflows.segments import used_in
from app.workflows.stored import Workflow, current, read
from app.workflows.webhooks import queue
from dsl import Analysis, FilterError
from dsl.compiler import Question
from dsl.explainer import english
from dsl.frames import Relations
from dsl.pauses import Pauses, with_pauses
from dsl.setwise import select_set
from dsl.statements import count_statement, render, rows_statement

Document = dict[str, Any]

_DIFFERING_SHOWN = 5
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """`growth_factor` counts where the workflow has none of its own."""

    growth_factor: Decimal
    timeout_ms: int
    largest_cost: float


def start(
    database: Database,
    company: Company,
    workflow_id: int,
    starting: Starting,
    who: str,
    limits: Limits,
    idempotency_key: str | None = None,
) -> tuple[Run, bool]:
    """The run, and whether it is a new one: the same call under the same key is answered with the first one's run.

    What another transaction came in the way of is tried again; of two under one key the second then finds the first.
    """
    number = reserved(database, company)
    for _ in range(_ATTEMPTS - 1):
        with suppress(psycopg.errors.UniqueViolation, psycopg.errors.SerializationFailure):
            return _started(database, company, workflow_id, starting, who, limits, idempotency_key, number)
    return _started(database, company, workflow_id, starting, who, limits, idempotency_key, number)


def _started(
    database: Database,
    company: Company,
    workflow_id: int,
    starting: Starting,
    who: str,
    limits: Limits,
    idempotency_key: str | None,
    number: int,
) -> tuple[Run, bool]:
    as_of = starting.as_of or company.today
    key = idempotency_key and f"key {idempotency_key}"  # the schedule has keys of its own
    request = {"workflow": workflow_id, **starting.model_dump(mode="json")}
    try:
        with (
            _refusals_noted(database, company, workflow_id, who),
            database.transaction(
                company.company_id, as_of, write=True, snapshot=True, timeout_ms=limits.timeout_ms
            ) as connection,
        ):
            if key and (earlier := by_key(connection, company, key)):
                return _same(earlier, request), False
            fixing = Fixing(connection, of_key(connection), as_of, number, request, who, key)
            with counted():
                workflow = current(connection, company, workflow_id)
                return fixing.fixed(workflow, limits, confirmed=starting.confirm), True
    except psycopg.errors.QueryCanceled as cut:
        cut_off = read(database, company, workflow_id)
        analysis = analyzed(cut_off.filter, company, cut_off.level)
        raise too_slow(database, company, as_of, analysis) or cut from cut


@contextmanager
def counted() -> Iterator[None]:
    """A run for Prometheus."""
    start, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "started"
    except (Problem, FilterError):
        outcome = "refused"
        raise
    finally:
        metrics.RUNS.labels(outcome).inc()
        metrics.RUN_SECONDS.observe(time.perf_counter() - start)


@contextmanager
def _refusals_noted(database: Database, company: Company, workflow_id: int, who: str) -> Iterator[None]:
    """Nothing is left of a run that is refused, but that it was."""
    try:
        yield
    except (Problem, FilterError) as refused:
        problem = as_problem(refused)
        if problem and problem.code not in ("unknown-id", "idempotency-key-reused"):
            about = {"workflow": workflow_id, "code": problem.code}
            audit_log.note_alone(database, company.company_id, who, "run refused", "", **about)
        raise


def reserved(database: Database, company: Company) -> int:
    """The number of a run to come, taken before it: runs of one company that are written at once don't wait."""
    with database.transaction(company.company_id, write=True) as connection:
        return next_number(connection, company, "run")


def _same(earlier: Run, request: Document) -> Run:
    if earlier.request != request:
        detail = "This Idempotency-Key was used for another run; send a new one."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
    return earlier


@dataclass(frozen=True, slots=True)
class Fixing:
    """A run while it is written."""

    connection: Connection
    company: Company
    as_of: date
    run_id: int
    request: Document
    who: str
    idempotency_key: str | None

    def fixed(self, workflow: Workflow, limits: Limits, *, confirmed: bool) -> Run:
        if not workflow.is_active:
            raise Problem(HTTPStatus.CONFLICT, "not-active", f"The workflow '{workflow.name}' is switched off.")
        analysis = analyzed(workflow.filter, self.company, workflow.level)
        question = Question(self.company.company_id, self.as_of, relations(self.connection, self.company, self.as_of))
        before = last_run(self.connection, self.company, workflow.id)
        run_id = self.run_id
        self.insert(workflow, english=english(analysis.lowered, self.as_of), segments=used_in(analysis))
        kinds = [kind for kind in RECORDED if kind != "groups" or workflow.level == "group"]
        taken = (Pauses.HELD_BACK, Pauses.ALONE) if workflow.respect_pauses else (Pauses.IGNORED,)
        counted = (count_statement(list_of(analysis, kind, taken[0]).filter, question) for kind in kinds)
        refuse_costly(self.connection, question, analysis, counted, limits.largest_cost)
        for kind in kinds:
            for pauses in taken:
                self._record(run_id, analysis, question, kind, pauses)
        self._refuse_a_doubtful_compile(run_id, analysis, question, taken[0])
        self._count(run_id, kinds)
        run = run_of(self.connection, self.company, run_id)
        queue(self.connection, self.company, run_id)
        if before and not confirmed:
            members: Kind = run.members if before.level == run.level else "customers"
            _refuse_a_leap(before.size(members), run.size(members), workflow.growth_factor or limits.growth_factor)
        self.note("run started", run_id, workflow, as_of=self.as_of.isoformat(), confirmed=confirmed)
        return run

    def note(self, action: str, run_id: int, workflow: Workflow, **detail: object) -> None:
        about = {"workflow": workflow.id, "version": workflow.version, **detail}
        audit_log.note(self.connection, self.company.company_id, self.who, action, run_id, **about)

    def insert(
        self, workflow: Workflow, *, english: str, segments: Mapping[str, str], refusal: Jsonb | None = None
    ) -> None:
        """A run without rows."""
        row = {
            "company_id": self.company.company_id,
            "id": self.run_id,
            "workflow_id": workflow.id,
            "workflow_version": workflow.version,
            "as_of": self.as_of,
            "level": workflow.level,
            "filter": workflow.filter,
            "english": english,
            "segments": Jsonb(segments),
            "respect_pauses": workflow.respect_pauses,
            "counts": Jsonb({}),
            "refusal": refusal,
            "request": Jsonb(self.request),
            "idempotency_key": self.idempotency_key,
            "started_by": self.who,
        }
        columns, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        self.connection.execute(f"INSERT INTO run ({columns}) VALUES ({values})".encode(), row)

    def _record(self, run_id: int, analysis: Analysis, question: Question, kind: Kind, pauses: Pauses) -> None:
        """Of those whose chasing is paused it is recorded that they were held back."""
        selected = list_of(analysis, kind, pauses).filter
        recorded = RECORDED[kind].values()
        fields = {column: field_at(selected.root, path) for column, path in recorded}
        statement = rows_statement(selected, question, fields)
        written = stored(fields)
        columns, values = ", ".join(written), ", ".join(written.values())
        inserted = f"""
            INSERT INTO run_row (company_id, run_id, kind, is_held_back, {columns})
            SELECT %(company)s, %(run)s, %(kind)s, %(held_back)s, {values} FROM ({statement.sql}) AS selected
        """
        about = {"run": run_id, "kind": kind, "held_back": pauses is Pauses.ALONE}
        self.connection.execute(inserted.encode(), {**statement.parameters, **about})

    def _refuse_a_doubtful_compile(self, run_id: int, analysis: Analysis, question: Question, pauses: Pauses) -> None:
        """What was recorded against what the second translation of the checked tree selects."""
        checked = with_pauses(analysis.checked, analysis.catalog, pauses)
        entity = checked.root.entity
        second = render(
            select_set(
                checked,
                company=self.company.company_id,
                as_of=self.as_of,
                metrics_suffix=question.relations.value,
                historic=question.relations is Relations.HISTORIC,
            )
        )
        differing = f"""
            SELECT source_id FROM (
                SELECT source_id FROM run_row
                WHERE company_id = %(of_company)s AND run_id = %(run)s AND kind = %(kind)s AND NOT is_held_back
            ) AS first FULL JOIN (
                SELECT source_id FROM {entity.relation} WHERE company_id = %(of_company)s AND id IN ({second.sql})
            ) AS second USING (source_id)
            WHERE first.source_id IS NULL OR second.source_id IS NULL ORDER BY source_id LIMIT {_DIFFERING_SHOWN}
        """
        about = {"of_company": self.company.company_id, "run": run_id, "kind": entity.plural}
        found = self.connection.execute(differing.encode(), {**second.parameters, **about}).fetchall()
        if found:
            raise _doubtful([str(source_id) for (source_id,) in found])

    def _count(self, run_id: int, kinds: list[Kind]) -> None:
        found = cast(
            list[tuple[str, bool, int]],
            self.connection.execute(
                "SELECT kind, is_held_back, count(*) FROM run_row WHERE company_id = %s AND run_id = %s GROUP BY 1, 2",
                [self.company.company_id, run_id],
            ).fetchall(),
        )
        numbers = {(kind, held_back): number for kind, held_back, number in found}
        counts = {kind: numbers.get((kind, False), 0) for kind in kinds}
        held_back = {kind: numbers.get((kind, True), 0) for kind in kinds}
        self.connection.execute(
            "UPDATE run SET counts = %s WHERE company_id = %s AND id = %s",
            [Jsonb({**counts, "held_back": held_back}), self.company.company_id, run_id],
        )


def _refuse_a_leap(before: int, now: int, factor: Decimal) -> None:
    """Nobody counts as one: from none to five is a growth by five."""
    small, large = sorted((max(before, 1), max(now, 1)))
    if large > small * factor:
        detail = (
            f"The audience went from {before:,} to {now:,}, by more than the factor {factor.normalize():f}."
            " Look at it, and confirm the run if it is meant."
        )
        errors = [error("audience-changed", detail, before=before, now=now, factor=str(factor))]
        raise Problem(HTTPStatus.CONFLICT, "audience-changed", detail, errors=errors)


def _doubtful(source_ids: list[str]) -> Problem:
    detail = (
        "Two independent translations of this filter select different rows, so no audience was fixed."
        f" They differ on {', '.join(source_ids)}. Please report the filter."
    )
    errors = [error("doubtful-compile", detail, source_ids=source_ids)]
    return Problem(HTTPStatus.CONFLICT, "doubtful-compile", detail, errors=errors)
