"""What a filter costs, as PostgreSQL's planner estimates it: a wide one that is too dear is refused before it is run.

Of that one, and of one that was cut by its time-out, the answer names the condition that is the dearest by itself.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from time import monotonic
from typing import Any, cast

import psycopg

from app.asked import Asking
from app.companies import Company
from app.database import Connection, Database, DatabaseAway
from app.kept import relations
from app.problems import TooMuch
from dsl import Analysis, Diagnostic, typed
from dsl.compiler import Question
from dsl.diagnostics import NOWHERE
from dsl.lowering import lower
from dsl.statements import Statement, count_statement
from dsl.typed import Filter, Node, Predicate

# From here on a filter is wide. To test a row counts one; to range over rows, which may happen for each customer, more.
WIDE = 30
_RANGING = 5

# How long it may take to find out which condition is the dearest; each takes a millisecond or two.
_NAMING_MS = 1_000


def refuse_costly(
    connection: Connection, question: Question, analysis: Analysis, statements: Iterable[Statement], most: float
) -> None:
    """Raises `TooMuch` for a wide filter, one of whose statements is dearer than `most`."""
    if width(analysis.checked) < WIDE:
        return
    if any(_cost(connection, statement) > most for statement in statements):
        condition = _dearest(connection, question, analysis)
        if condition is not None:
            message = "The filter costs too much; this condition costs the most."
            raise TooMuch(analysis.text, [_about(condition, "too-costly", message)])


@contextmanager
def slow_named(database: Database, asking: Asking) -> Iterator[None]:
    """Raises `TooMuch` in place of a statement that was cut by its time-out."""
    try:
        yield
    except psycopg.errors.QueryCanceled as cut:
        raise too_slow(database, asking.company, asking.as_of, asking.analysis) or cut from cut


def too_slow(database: Database, company: Company, as_of: date, analysis: Analysis) -> TooMuch | None:
    """In a transaction of its own, for the one that was cut has ended; None where that fails as well."""
    try:
        with database.transaction(company.company_id, as_of, timeout_ms=_NAMING_MS) as connection:
            question = Question(company.company_id, as_of, relations(connection, company, as_of))
            condition = _dearest(connection, question, analysis)
    except (psycopg.Error, DatabaseAway):
        return None
    if condition is None:
        return None
    message = "The answer took longer than is allowed; this condition costs the most."
    return TooMuch(analysis.text, [_about(condition, "too-slow", message)])


def width(filter_: Filter) -> int:
    return sum(_width(node) for node in typed.nodes(filter_.condition))


def _width(node: Node) -> int:
    match node:
        case typed.Block() | typed.Aggregated() | typed.FirstOf() | typed.InSegment():
            return _RANGING
        case typed.Compare() | typed.Range() | typed.OneOf() | typed.Absent() | typed.Holds():
            return 1
        case _:
            return 0


def _about(condition: Predicate, code: str, message: str) -> Diagnostic:
    hint = "leave it out, ask for fewer rows with it, or split the filter in two"
    return Diagnostic(code, message, _span(condition), hint)


def _dearest(connection: Connection, question: Question, analysis: Analysis) -> Predicate | None:
    """Of the conditions that AND, OR and NOT join, in the order of the text: all that there is time for."""
    root, until = analysis.checked.root, monotonic() + _NAMING_MS / 1000
    dearest, most = None, -1.0
    for condition in _conditions(analysis.checked.condition):
        cost = _cost(connection, count_statement(lower(Filter(root, condition)), question))
        if cost > most:
            dearest, most = condition, cost
        if monotonic() > until:
            break
    return dearest


def _conditions(node: Predicate) -> Iterator[Predicate]:
    match node:
        case typed.And(conditions) | typed.Or(conditions):
            for condition in conditions:
                yield from _conditions(condition)
        case typed.Not(condition):
            yield from _conditions(condition)
        case _ if _span(node) != NOWHERE:
            yield node


def _span(condition: Predicate) -> Any:
    return getattr(condition, "span", NOWHERE)


def _cost(connection: Connection, statement: Statement) -> float:
    explained = connection.execute(b"EXPLAIN (FORMAT JSON) " + statement.sql.encode(), statement.parameters)
    [(plans,)] = cast(list[tuple[list[dict[str, Any]]]], explained.fetchall())
    return float(plans[0]["Plan"]["Total Cost"])
