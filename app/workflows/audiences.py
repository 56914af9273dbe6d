"""Runs as they are recorded: their list, their rows, and what entered and left between two of them."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import Any, Literal, LiteralString, cast

import orjson
from psycopg.rows import class_row

from app.asked import Kind, Level
from app.cells import Row, Shown
from app.companies import Company
from app.database import Connection, Database
from app.problems import Problem
from app.workflows.recorded import RECORDED, shown, stated
from dsl import CATALOG

Document = dict[str, Any]
Change = Literal["entered", "left", "stayed"]


@dataclass(frozen=True, slots=True)
class Run:
    """`request` is the call that it answers; `refusal` says why a run that nobody waited for has no audience."""

    id: int
    workflow_id: int
    workflow_version: int
    workflow_name: str
    as_of: date
    level: Level
    filter: str
    english: str
    segments: Mapping[str, str]
    respect_pauses: bool
    counts: Mapping[str, Any]
    refusal: Mapping[str, Any] | None
    request: Mapping[str, Any]
    started_at: datetime
    started_by: str

    @property
    def members(self) -> Kind:
        return "groups" if self.level == "group" else "customers"

    def size(self, kind: Kind) -> int:
        return int(self.counts.get(kind, 0))

    def document(self) -> Document:
        return {
            "id": self.id,
            "workflow": {"id": self.workflow_id, "version": self.workflow_version, "name": self.workflow_name},
            "status": "refused" if self.refusal else "ready",
            "refusal": self.refusal,
            "as_of": self.as_of.isoformat(),
            "level": self.level,
            "filter": self.filter,
            "english": self.english,
            "segments": self.segments,
            "respect_pauses": self.respect_pauses,
            "counts": _in_order(self.counts),
            "started_at": self.started_at.isoformat(),
            "started_by": self.started_by,
        }


def _in_order(counts: Mapping[str, Any]) -> Document:
    """As they are recorded, which jsonb does not keep."""
    ordered: Document = {kind: counts[kind] for kind in RECORDED if kind in counts}
    return {**ordered, "held_back": _in_order(counts["held_back"])} if "held_back" in counts else ordered


_RUNS: LiteralString = """
    SELECT r.id, r.workflow_id, r.workflow_version, v.name AS workflow_name, r.as_of, r.level, r.filter, r.english,
        r.segments, r.respect_pauses, r.counts, r.refusal, r.request, r.started_at, r.started_by
    FROM run AS r JOIN workflow_version AS v
        ON v.company_id = r.company_id AND v.workflow_id = r.workflow_id AND v.version = r.workflow_version
    WHERE r.company_id = %(company)s
"""


def run_of(connection: Connection, company: Company, run_id: int) -> Run:
    found = _runs(connection, f"{_RUNS} AND r.id = %(id)s", company, id=run_id)
    if not found:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-id", "There is no such run.")
    return found[0]


def by_key(connection: Connection, company: Company, key: str) -> Run | None:
    found = _runs(connection, f"{_RUNS} AND r.idempotency_key = %(key)s", company, key=key)
    return found[0] if found else None


def last_run(connection: Connection, company: Company, workflow_id: int, before: int | None = None) -> Run | None:
    """The newest one with an audience; `before` a run."""
    found = _runs(
        connection,
        f"{_RUNS} AND r.workflow_id = %(workflow)s AND r.refusal IS NULL AND (%(before)s::bigint IS NULL"
        " OR r.id < %(before)s) ORDER BY r.id DESC LIMIT 1",
        company, workflow=workflow_id, before=before)  # fmt: skip
    return found[0] if found else None


def listed(
    database: Database, company: Company, workflow_id: int | None, limit: int, before: int | None
) -> list[Document]:
    """The newest first; `before` is the id of the last one seen."""
    statement: LiteralString = f"""{_RUNS} AND (%(workflow)s::bigint IS NULL OR r.workflow_id = %(workflow)s)
        AND (%(before)s::bigint IS NULL OR r.id < %(before)s) ORDER BY r.id DESC LIMIT %(limit)s"""
    with database.transaction(company.company_id) as connection:
        found = _runs(connection, statement, company, workflow=workflow_id, before=before, limit=limit)
    return [run.document() for run in found]


def read(database: Database, company: Company, run_id: int) -> Document:
    with database.transaction(company.company_id) as connection:
        return run_of(connection, company, run_id).document()


def _runs(connection: Connection, statement: LiteralString, company: Company, **parameters: object) -> list[Run]:
    cursor = connection.cursor(row_factory=class_row(Run))
    return cursor.execute(statement, {"company": company.company_id, **parameters}).fetchall()


# ---------------------------------------------------------------- rows

_BATCH = 500

_ROWS: LiteralString = """
    FROM run_row AS r WHERE r.company_id = %(company)s AND r.run_id = %(run)s AND r.kind = %(kind)s
        AND (%(held_back)s::boolean IS NULL OR r.is_held_back = %(held_back)s)
"""


def rows(
    database: Database,
    company: Company,
    run_id: int,
    kind: Kind,
    *,
    held_back: bool | None = False,
    after: str | None = None,
    limit: int = 50,
) -> Document:
    """A page in the order of the source ids; `after` is the last one seen."""
    about = {"company": company.company_id, "run": run_id, "kind": kind, "held_back": held_back}
    page = {"after": after, "limit": limit + 1}
    with database.transaction(company.company_id) as connection:
        run_of(connection, company, run_id)
        [(count,)] = connection.execute(f"SELECT count(*) {_ROWS}".encode(), about).fetchall()
        statement = f"SELECT {_columns(kind)} {_ROWS} {_AFTER}"
        found = list(map(shown(kind).row, connection.execute(statement.encode(), {**about, **page})))
    more = len(found) > limit
    return {"count": count, kind: found[:limit], "next": found[limit - 1]["source_id"] if more else None}


_AFTER = "AND (%(after)s::text IS NULL OR r.source_id > %(after)s) ORDER BY r.source_id LIMIT %(limit)s"


def export(
    database: Database, company: Company, run_id: int, kind: Kind, form: Literal["csv", "ndjson"], *, timeout_ms: int
) -> Generator[bytes, None, None]:
    """All rows of a kind, also those that were held back, which they say."""
    about = {"company": company.company_id, "run": run_id, "kind": kind, "held_back": None}
    with (
        database.transaction(company.company_id, timeout_ms=timeout_ms) as connection,
        connection.cursor(name="export") as cursor,
    ):
        run_of(connection, company, run_id)
        statement = f"SELECT {_columns(kind)}, r.is_held_back {_ROWS} ORDER BY r.source_id"
        cursor.execute(statement.encode(), about)
        table = shown(kind, held_back=True)
        if form == "csv":
            yield table.csv_header().encode()
        while batch := cursor.fetchmany(_BATCH):
            found = map(table.row, batch)
            yield table.csv(found).encode() if form == "csv" else b"".join(map(_line, found))


def _line(row: Row) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _columns(kind: Kind) -> str:
    return ", ".join(stated("r", column) for column, _ in RECORDED[kind].values())


# ---------------------------------------------------------------- between two runs

_COMPARED: LiteralString = """
    FROM (SELECT * FROM run_row WHERE company_id = %(company)s AND run_id = %(run)s AND kind = %(kind)s
            AND NOT is_held_back) AS now
        FULL JOIN (SELECT * FROM run_row WHERE company_id = %(company)s AND run_id = %(other)s AND kind = %(kind)s
            AND NOT is_held_back) AS before USING (source_id)
"""
_CHANGED: Mapping[Change, LiteralString] = {
    "entered": "before.source_id IS NULL",
    "left": "now.source_id IS NULL",
    "stayed": "now.source_id = before.source_id",
}


def compare(
    database: Database, company: Company, run_id: int, other_id: int | None, *, after: str | None, limit: int
) -> Document:
    """Who entered, left and stayed since another run, or without one since the run before it of the same workflow."""
    with database.transaction(company.company_id, timeout_ms=database.statement_timeout_ms) as connection:
        run = run_of(connection, company, run_id)
        other = run_of(connection, company, other_id) if other_id else last_run(
            connection, company, run.workflow_id, before=run.id
        )  # fmt: skip
        if other is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no-run-before", "There is no run of this workflow before it.")
        _check_comparable(run, other)
        about = {"company": company.company_id, "run": run.id, "other": other.id, "kind": run.members}
        changes = {str(change): _changed(connection, about, change, after, limit) for change in _CHANGED}
    return {"run": run.id, "with": other.id, "as_of": run.as_of, "with_as_of": other.as_of, **changes}


def _check_comparable(run: Run, other: Run) -> None:
    if run.refusal or other.refusal:
        detail = "A run that was refused has no audience: it cannot be compared."
    elif other.level != run.level:
        detail = "One run is of customers and the other of groups: they cannot be compared."
    else:
        return
    raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "not-comparable", detail)


def _changed(
    connection: Connection, about: Mapping[str, object], change: Change, after: str | None, limit: int
) -> Document:
    """Those who entered with what they owe now, those who left with what they owed then."""
    where = f"WHERE {_CHANGED[change]}"
    [(count,)] = connection.execute(f"SELECT count(*) {_COMPARED} {where}".encode(), about).fetchall()
    columns = ", ".join(
        f"CASE WHEN now.source_id IS NULL THEN {stated('before', name)} ELSE {stated('now', name)} END"
        for name in ("name", "currency", "balance_overdue")
    )
    page = "AND (%(after)s::text IS NULL OR source_id > %(after)s) ORDER BY source_id LIMIT %(limit)s"
    statement = f"SELECT source_id, {columns} {_COMPARED} {where} {page}"
    parameters = {**about, "after": after, "limit": limit + 1}
    rows = cast(list[tuple[Any, ...]], connection.execute(statement.encode(), parameters).fetchall())
    members = list(map(_MEMBER.row, rows[:limit]))
    return {"count": count, "members": members, "next": members[-1]["source_id"] if len(rows) > limit else None}


_CUSTOMER = CATALOG.entities["customer"].fields
_MEMBER = Shown({name: _CUSTOMER[name] for name in ("source_id", "name", "currency", "balance_overdue")})
