"""One filter over every company, in one statement: for those who keep the ledgers, above any single company."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from psycopg import sql

from app.asked import analysis_of
from app.cells import Row, Shown
from app.companies import listed
from app.database import Connection, Database
from app.queries import Dated
from dsl import CATALOG
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.statements import Statement, count_statement, rows_statement
from dsl.typed import Filter


class SweepRefused(Exception):
    """The login role sees one company at a time; the message says what it needs."""


@dataclass(frozen=True, slots=True)
class Swept:
    """By the names of the companies, in the order they were made; those of which nothing is selected are left out."""

    as_of: date
    counts: Mapping[str, int]
    source_ids: Mapping[str, list[str]] | None = None

    def lines(self) -> list[Row]:
        """One for each company, or where they were asked for one for each row of the answer."""
        if self.source_ids is None:
            return [{"company": name, "count": count} for name, count in self.counts.items()]
        return [{"company": name, "source_id": one} for name, ids in self.source_ids.items() for one in ids]

    def csv(self) -> str:
        names = ("company", "count" if self.source_ids is None else "source_id")
        shown = Shown(dict.fromkeys(names, CATALOG.entities["customer"].fields["name"]))
        return shown.csv_header() + shown.csv(self.lines())


def sweep(database: Database, asked: Dated, *, with_rows: bool = False) -> Swept:
    """As of one day for all companies: their own calendars do not count, today is that of UTC."""
    selected = analysis_of(asked, CATALOG, answered=True).lowered
    today = datetime.now(UTC).date()
    as_of = asked.as_of or today
    question = Question(None, as_of, Relations.HISTORIC if as_of < today else Relations.LIVE)
    names = {company.company_id: company.name for company in listed(database)}
    with database.owner() as connection:
        see_everything(connection, as_of)
        counts = counted(connection, selected, question)
        found = source_ids(connection, selected, question) if with_rows else None
    met = [company_id for company_id in names if company_id in counts]
    return Swept(
        as_of,
        {names[company_id]: counts[company_id] for company_id in met},
        None if found is None else {names[company_id]: found[company_id] for company_id in met},
    )


def see_everything(connection: Connection, as_of: date) -> None:
    """One moment and one day for all that the transaction reads."""
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    found = connection.execute("SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
    [(role, sees_all)] = found.fetchall()
    if not sees_all:
        raise SweepRefused(
            f"the role '{role}' sees one company at a time, a sweep reads them all; give the command a login role"
            " that is a superuser, or one that may read the tables and has BYPASSRLS"
        )
    connection.execute(sql.SQL("SET LOCAL app.as_of = {}").format(sql.Literal(as_of.isoformat())))
    connection.execute("SET LOCAL statement_timeout = 0")


def counted(connection: Connection, filter_: Filter, question: Question) -> dict[int, int]:
    found = _run(connection, count_statement(filter_, question))
    return {company_id: count for company_id, count in found if count}


def source_ids(connection: Connection, filter_: Filter, question: Question) -> dict[int, list[str]]:
    field = filter_.root.entity.fields["source_id"]
    found = defaultdict(list)
    statement = rows_statement(filter_, question, {"source_id": (filter_.root, field)})
    for company_id, source_id in _run(connection, statement):
        found[company_id].append(source_id)
    return found


def _run(connection: Connection, statement: Statement) -> list[tuple[Any, ...]]:
    return connection.execute(statement.sql.encode(), statement.parameters).fetchall()
