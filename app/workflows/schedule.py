"""Workflows that run by themselves. The queue is the workflow table: whoever claims a row runs it, once only.

A run and the moment of the next one are written in one transaction, so several workers never run one twice, and one
that dies in the middle leaves the run to another.
"""

from datetime import UTC, datetime
from http import HTTPStatus

import psycopg
import structlog
from psycopg.types.json import Jsonb

from app.companies import Company, of_key
from app.database import Connection, Database
from app.logs import faults
from app.problems import Problem, as_problem
from app.workflows.runs import Fixing, Limits, counted, reserved
from app.workflows.stored import Workflow, current, schedule_of
from app.workflows.webhooks import queue

_log = structlog.get_logger("duelist")

WHO = "schedule"


def run_next(database: Database, company: Company, limits: Limits, now: datetime | None = None) -> bool:
    """Runs one workflow that is due; whether there was one."""
    moment = now or datetime.now(UTC)
    as_of = company.today
    if not _is_due(database, company, moment):
        return False
    number = reserved(database, company)
    try:
        with database.transaction(
            company.company_id, as_of, write=True, snapshot=True, timeout_ms=limits.timeout_ms
        ) as connection:
            workflow = _claimed(connection, company, moment)
            if workflow is None:
                return False
            request = {"workflow": workflow.id}
            fixing = Fixing(connection, of_key(connection), as_of, number, request, WHO, _key(workflow))
            _run(fixing, workflow, limits, moment)
            _arrange_next(connection, company, workflow, moment)
            return True
    except psycopg.errors.SerializationFailure:
        return True  # another worker was quicker; there may be more


def _is_due(database: Database, company: Company, moment: datetime) -> bool:
    due = "SELECT FROM workflow WHERE company_id = %s AND next_run_at <= %s LIMIT 1"
    with database.transaction(company.company_id) as connection:
        return connection.execute(due, [company.company_id, moment]).fetchone() is not None


def _claimed(connection: Connection, company: Company, moment: datetime) -> Workflow | None:
    row = connection.execute(
        "SELECT id FROM workflow WHERE company_id = %s AND next_run_at <= %s"
        " ORDER BY next_run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
        [company.company_id, moment],
    ).fetchone()
    return current(connection, company, int(str(row[0]))) if row else None


def _key(workflow: Workflow) -> str:
    """One run for each moment that the schedule names, whoever tries."""
    assert workflow.next_run_at is not None
    return f"schedule {workflow.id} {workflow.next_run_at.astimezone(UTC).isoformat()}"


def _run(fixing: Fixing, workflow: Workflow, limits: Limits, moment: datetime) -> None:
    """A run that is refused is recorded with the reason: nobody waits for the answer."""
    schedule = schedule_of(workflow)
    try:
        with counted():
            if schedule is None or not schedule.is_open(moment, fixing.company.time_zone):
                detail = "No worker was there while the window was open."
                raise Problem(HTTPStatus.CONFLICT, "missed-window", detail)
            with fixing.connection.transaction():
                fixing.fixed(workflow, limits, confirmed=False)
    except Exception as refused:  # whatever it is, the other workflows go on
        problem = as_problem(refused)
        is_passing = problem is None or problem.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        if is_passing and isinstance(refused, psycopg.OperationalError):
            raise  # another worker was quicker, an import is under way, or the database is away: it stays due
        if problem is None:
            about = {"company": fixing.company.company_id, "workflow": workflow.id}
            _log.error("run failed", **about, **faults(refused))
            problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong here.")
        _log.warning("run refused", company=fixing.company.company_id, workflow=workflow.id, code=problem.code)
        fixing.insert(workflow, english="", segments={}, refusal=Jsonb(problem.document()))
        fixing.note("run refused", fixing.run_id, workflow, code=problem.code)
        queue(fixing.connection, fixing.company, fixing.run_id)


def _arrange_next(connection: Connection, company: Company, workflow: Workflow, moment: datetime) -> None:
    schedule = schedule_of(workflow)
    following = schedule.next_after(moment, company.time_zone) if schedule and workflow.is_active else None
    connection.execute(
        "UPDATE workflow SET next_run_at = %s WHERE company_id = %s AND id = %s",
        [following, company.company_id, workflow.id],
    )
