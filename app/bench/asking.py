"""The product's own statements for a filter, and others run as they are: on one connection, in one transaction."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app import kept
from app.asked import Kind, Paged, ask
from app.bench.ledger import Place
from app.bench.questions import Question
from app.database import Connection
from app.lists import list_of
from dsl.statements import Statement, count_statement, rows_statement

PAGE = 50
Rows = list[tuple[Any, ...]]
_NAMED = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Answering:
    """How many there are, the first of them, and the first of the invoices that the filter is about."""

    count: Statement
    page: Statement
    invoices: Statement

    def statements(self) -> dict[str, Statement]:
        return {"count": self.count, "page": self.page, "invoices": self.invoices}


@contextmanager
def asked_in(place: Place) -> Iterator[Connection]:
    with place.database.transaction(place.company.company_id, place.company.today) as connection:
        yield connection


def ours(connection: Connection, place: Place, filter: str, level: str = "customer") -> Answering:
    """As a preview makes them."""
    asking = ask(Paged.model_validate({"filter": filter, "level": level}), place.company, answered=True)
    question = asking.question(kept.relations(connection, place.company, asking.as_of))
    own: Kind = "groups" if level == "group" else "customers"
    counted, listed = list_of(asking.analysis, own), list_of(asking.analysis, "invoices")
    return Answering(
        count_statement(counted.filter, question),
        rows_statement(counted.filter, question, counted.fields, limit=PAGE + 1),
        rows_statement(listed.filter, question, listed.fields, limit=PAGE + 1),
    )


def handwritten(place: Place, question: Question) -> Answering:
    given = {**question.values, **given_to_all(place)}
    return Answering(*(Statement(sql, given) for sql in (question.count_sql, question.page_sql, question.invoices_sql)))


def given_to_all(place: Place) -> Mapping[str, object]:
    return {"company": place.company.company_id, "as_of": place.company.today, "limit": PAGE + 1}


def run(connection: Connection, statement: Statement) -> Rows:
    """As for a filter that the connection has not seen: it is planned each time."""
    return connection.execute(statement.sql.encode(), statement.parameters, prepare=False).fetchall()


def names_in(sql: str) -> list[str]:
    return _NAMED.findall(sql)


def with_dollars(sql: str) -> str:
    """Parameters as DuckDB names them."""
    return _NAMED.sub(r"$\1", sql)
