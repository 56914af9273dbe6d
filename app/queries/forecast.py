"""Looking ahead: who would match on each of the next days if nobody paid."""

from collections.abc import Iterator
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

from psycopg import sql
from pydantic import Field

from app.asked import Dated, Kind, ask
from app.companies import Company
from app.costs import slow_named
from app.database import Connection, Database
from app.kept import relations
from app.lists import listed, run
from app.problems import Problem
from dsl.compiler import Question
from dsl.explainer import english
from dsl.statements import rows_statement
from dsl.typed import Filter

Document = dict[str, Any]

MOST_DAYS = 60


class Forecasting(Dated):
    """A filter to be answered as of today and each of the next days."""

    days: int = Field(30, ge=1, le=MOST_DAYS)
    limit: int = Field(20, ge=0, le=500, description="of those who enter or leave on a day, how many are named")


def forecast(database: Database, company: Company, asked: Forecasting, *, timeout_ms: int) -> Document:
    """Counts of each day, and who enters and leaves on it. All is of one moment of the ledger."""
    asking = ask(asked, company, answered=True)
    if asking.is_past:
        detail = "A forecast begins today or later: of a day before it is known who paid."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "past-forecast", detail)
    kind: Kind = "groups" if asked.level == "group" else "customers"
    selected = listed(asking, kind).filter
    with (
        slow_named(database, asking),
        database.transaction(company.company_id, asking.as_of, timeout_ms=timeout_ms) as connection,
    ):
        first = _selected(connection, company, selected, asking.as_of)
        days = list(_days(connection, company, selected, asking.as_of, first, asked))
    return {
        "as_of": asking.as_of,
        "level": asked.level,
        "canonical": asking.analysis.canonical,
        "english": english(asking.analysis.lowered, asking.as_of),
        "count": len(first),
        "days": days,
    }


def _days(
    connection: Connection, company: Company, selected: Filter, as_of: date, first: frozenset[str], asked: Forecasting
) -> Iterator[Document]:
    before = first
    for ahead in range(1, asked.days + 1):
        day = as_of + timedelta(ahead)
        now = _selected(connection, company, selected, day)
        entered, left = _named(now - before, asked.limit), _named(before - now, asked.limit)
        yield {"as_of": day, "count": len(now), "entered": entered, "left": left}
        before = now


def _named(source_ids: frozenset[str], limit: int) -> Document:
    return {"count": len(source_ids), "source_ids": sorted(source_ids)[:limit]}


def _selected(connection: Connection, company: Company, selected: Filter, day: date) -> frozenset[str]:
    connection.execute(sql.SQL("SET LOCAL app.as_of = {}").format(sql.Literal(day.isoformat())))
    question = Question(company.company_id, day, relations(connection, company, day))
    root = selected.root
    statement = rows_statement(selected, question, {"source_id": (root, root.entity.fields["source_id"])})
    return frozenset(str(row[0]) for row in run(connection, statement))
