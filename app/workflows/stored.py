"""Workflows as they are stored, with every version that they had. A change names the version that it is of."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from app import audit_log
from app.asked import Level
from app.companies import Company
from app.database import Connection, Database
from app.problems import Problem, diagnosed, error
from app.workflows.asked import Edited, Schedule
from app.workflows.filters import analyzed, parts_of, text_of, written
from app.workflows.numbers import next_number
from dsl import FilterError
from dsl.catalog import VERSION
from dsl.explainer import english

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workflow:
    """One version. `parts` are None where it was written as a text; `growth_factor`: where the service's counts."""

    id: int
    version: int
    name: str
    level: Level
    filter: str
    parts: Mapping[str, Any] | None
    respect_pauses: bool
    is_active: bool
    growth_factor: Decimal | None
    schedule: Mapping[str, Any] | None
    catalog_version: int
    changed_at: datetime
    changed_by: str
    next_run_at: datetime | None = None

    @property
    def etag(self) -> str:
        return f'"{self.version}"'


_COLUMNS: LiteralString = """
    v.workflow_id AS id, v.version, v.name, v.level, v.filter, v.parts, v.respect_pauses, v.is_active,
    v.growth_factor, v.schedule, v.catalog_version, v.changed_at, v.changed_by
"""
_CURRENT: LiteralString = f"""
    SELECT {_COLUMNS}, w.next_run_at FROM workflow AS w
    JOIN workflow_version AS v ON v.company_id = w.company_id AND v.workflow_id = w.id AND v.version = w.version
    WHERE w.company_id = %(company)s AND w.removed_at IS NULL
"""


def create(database: Database, company: Company, edited: Edited, who: str) -> Workflow:
    text = _text(edited, company)
    with database.transaction(company.company_id, write=True) as connection, _unique_names(edited.name):
        workflow_id = next_number(connection, company, "workflow")
        connection.execute(
            "INSERT INTO workflow (company_id, id, name, version, next_run_at) VALUES (%s, %s, %s, 1, %s)",
            [company.company_id, workflow_id, edited.name, _next_run(edited, company)],
        )
        _write(connection, company, workflow_id, 1, edited, text, who)
        audit_log.note(
            connection, company.company_id, who, "workflow created", workflow_id, version=1, name=edited.name
        )
        return current(connection, company, workflow_id)


def change(database: Database, company: Company, workflow_id: int, version: int, edited: Edited, who: str) -> Workflow:
    """`version` is the one that was edited: 409 when it is no longer the current one."""
    text = _text(edited, company)
    with database.transaction(company.company_id, write=True) as connection, _unique_names(edited.name):
        _claim(connection, company, workflow_id, version)
        connection.execute(
            "UPDATE workflow SET name = %s, version = %s, next_run_at = %s WHERE company_id = %s AND id = %s",
            [edited.name, version + 1, _next_run(edited, company), company.company_id, workflow_id],
        )
        _write(connection, company, workflow_id, version + 1, edited, text, who)
        about = {"version": version + 1, "name": edited.name}
        audit_log.note(connection, company.company_id, who, "workflow changed", workflow_id, **about)
        return current(connection, company, workflow_id)


def remove(database: Database, company: Company, workflow_id: int, version: int, who: str) -> None:
    """Its versions and runs stay; the last version, switched off, says who removed it and when."""
    with database.transaction(company.company_id, write=True) as connection:
        _claim(connection, company, workflow_id, version)
        about = {"company": company.company_id, "id": workflow_id, "version": version, "who": who}
        connection.execute(_LAST_VERSION, about)
        connection.execute(
            "UPDATE workflow SET version = %(version)s + 1, removed_at = now(), next_run_at = NULL"
            " WHERE company_id = %(company)s AND id = %(id)s",
            about,
        )
        audit_log.note(connection, company.company_id, who, "workflow removed", workflow_id, version=version + 1)


_LAST_VERSION: LiteralString = """
    INSERT INTO workflow_version (company_id, workflow_id, version, name, level, filter, parts, respect_pauses,
        is_active, growth_factor, schedule, catalog_version, changed_by)
    SELECT company_id, workflow_id, version + 1, name, level, filter, parts, respect_pauses,
        false, growth_factor, schedule, catalog_version, %(who)s
    FROM workflow_version WHERE company_id = %(company)s AND workflow_id = %(id)s AND version = %(version)s
"""


def current(connection: Connection, company: Company, workflow_id: int) -> Workflow:
    found = _workflows(connection, f"{_CURRENT} AND w.id = %(id)s", company, id=workflow_id)
    if not found:
        raise unknown()
    return found[0]


def named(connection: Connection, company: Company, name: str) -> Workflow:
    """By its name, or by its number where no workflow has that name."""
    found = _workflows(connection, f"{_CURRENT} AND w.name = %(name)s", company, name=name)
    if found:
        return found[0]
    if name.isascii() and name.isdigit() and len(name) < 19:
        return current(connection, company, int(name))
    raise unknown()


def all_of(connection: Connection, company: Company) -> list[Workflow]:
    """In the order in which they were made."""
    return _workflows(connection, f"{_CURRENT} ORDER BY w.id", company)


def read(database: Database, company: Company, workflow_id: int) -> Workflow:
    with database.transaction(company.company_id) as connection:
        return current(connection, company, workflow_id)


def listed(database: Database, company: Company) -> list[Document]:
    with database.transaction(company.company_id) as connection:
        return [document(workflow, company) for workflow in all_of(connection, company)]


def versions(database: Database, company: Company, workflow_id: int) -> list[Document]:
    """The newest first; also of one that was removed."""
    with database.transaction(company.company_id) as connection:
        statement: LiteralString = f"""
            SELECT {_COLUMNS} FROM workflow_version AS v
            WHERE v.company_id = %(company)s AND v.workflow_id = %(id)s ORDER BY v.version DESC
        """
        found = _workflows(connection, statement, company, id=workflow_id)
    if not found:
        raise unknown()
    return [document(version, company) for version in found]


def document(workflow: Workflow, company: Company) -> Document:
    """`problems` has what is wrong with a filter that was right when it was stored: a field may have gone."""
    said, problems = _reading(workflow, company)
    return {
        "id": workflow.id,
        "version": workflow.version,
        "name": workflow.name,
        "level": workflow.level,
        "filter": workflow.filter,
        "parts": workflow.parts if workflow.parts is not None else parts_of(workflow.filter),
        "english": said,
        "problems": problems,
        "respect_pauses": workflow.respect_pauses,
        "active": workflow.is_active,
        "growth_factor": None if workflow.growth_factor is None else str(workflow.growth_factor),
        "schedule": workflow.schedule,
        "next_run_at": workflow.next_run_at and workflow.next_run_at.isoformat(),
        "catalog_version": workflow.catalog_version,
        "changed_at": workflow.changed_at.isoformat(),
        "changed_by": workflow.changed_by,
    }


def _reading(workflow: Workflow, company: Company) -> tuple[str | None, list[Document]]:
    try:
        analysis = analyzed(workflow.filter, company, workflow.level)
    except FilterError as wrong:
        return None, [diagnosed(wrong.text, found) for found in wrong.diagnostics]
    return english(analysis.lowered, company.today), []


def unknown() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-id", "There is no such workflow.")


# ---------------------------------------------------------------- writing


def _text(edited: Edited, company: Company) -> str:
    return text_of(edited.filter, edited.parts, company, edited.level)


def _next_run(edited: Edited, company: Company) -> datetime | None:
    if edited.schedule is None or not edited.active:
        return None
    return edited.schedule.next_after(datetime.now(UTC), company.time_zone)


def _claim(connection: Connection, company: Company, workflow_id: int, version: int) -> None:
    """One change at a time; what it is of must be the current version."""
    row = connection.execute(
        "SELECT version FROM workflow WHERE company_id = %s AND id = %s AND removed_at IS NULL FOR UPDATE",
        [company.company_id, workflow_id],
    ).fetchone()
    if row is None:
        raise unknown()
    if row[0] != version:
        raise _stale(int(str(row[0])), version)


def _stale(now: int, version: int) -> Problem:
    detail = f"The workflow has changed: version {version} was edited, its current version is {now}. Read it again."
    return Problem(
        HTTPStatus.CONFLICT, "stale-version", detail,
        errors=[error("stale-version", detail, current_version=now)], headers={"ETag": f'"{now}"'})  # fmt: skip


@contextmanager
def _unique_names(name: str) -> Iterator[None]:
    """A name that another workflow has is a conflict, not a fault."""
    try:
        yield
    except psycopg.errors.UniqueViolation as taken:
        raise Problem(HTTPStatus.CONFLICT, "name-taken", f"There is a workflow '{name}' already.") from taken


def _write(
    connection: Connection, company: Company, workflow_id: int, version: int, edited: Edited, text: str, who: str
) -> None:
    row = {
        "company_id": company.company_id,
        "workflow_id": workflow_id,
        "version": version,
        "name": edited.name,
        "level": edited.level,
        "filter": text,
        "parts": _json(written(edited.parts)),
        "respect_pauses": edited.respect_pauses,
        "is_active": edited.active,
        "growth_factor": edited.growth_factor,
        "schedule": _json(edited.schedule.document() if edited.schedule else None),
        "catalog_version": VERSION,
        "changed_by": who,
    }
    columns, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    connection.execute(f"INSERT INTO workflow_version ({columns}) VALUES ({values})".encode(), row)


def _json(value: Document | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)


def _workflows(
    connection: Connection, statement: LiteralString, company: Company, **parameters: object
) -> list[Workflow]:
    cursor = connection.cursor(row_factory=class_row(Workflow))
    return cursor.execute(statement, {"company": company.company_id, **parameters}).fetchall()


def schedule_of(workflow: Workflow) -> Schedule | None:
    return Schedule.model_validate(workflow.schedule) if workflow.schedule else None
