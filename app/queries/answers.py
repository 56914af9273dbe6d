"""Whom and what a filter selects: counts, pages and whole answers. All of one answer is read in one transaction."""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from http import HTTPStatus
from itertools import chain
from typing import Any, Literal

import orjson

from app.asked import Asking, Exporting, Kind, Level, Listing, Paged, ask
from app.cells import Row as ShownRow
from app.companies import Company
from app.costs import refuse_costly, slow_named
from app.database import Connection, Database
from app.kept import relations
from app.lists import Listed, Page, count_of, list_of, listed, page_of
from app.problems import Problem, diagnosed
from app.queries.cursors import Cursors, Place
from dsl.catalog import Field
from dsl.compiler import Order, Question, Seen
from dsl.explainer import english
from dsl.pauses import Pauses
from dsl.statements import count_statement, rows_statement
from dsl.types import Kind as Kinds
from dsl.warnings import warn

Document = dict[str, Any]
Format = Literal["csv", "ndjson"]

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Ledger:
    """What warnings have to know of a company's ledger.

    `stated_balances`: some invoice has a balance that its allocations do not explain, so no past balance is known.
    `rated`: the currencies with a rate on or before the day of the question.
    """

    several_currencies: bool = False
    stated_balances: bool = False
    rated: tuple[str, ...] | None = None

    @classmethod
    def worst(cls, company: Company) -> "Ledger":
        """One that everything is warned of which any ledger of the company may be warned of."""
        return cls(several_currencies=True, stated_balances=True, rated=(company.base_currency,))


def preview(database: Database, cursors: Cursors, company: Company, asked: Paged) -> Document:
    """Counts of everything the filter is about, and a page of the customers (and, at level group, of the groups)."""
    asking, place = _placed(cursors, asked, company, "preview")
    paged = _members(asked.level)
    lists = {kind: listed(asking, kind, usual=asked.usual) for kind in (*paged, *_COUNTED)}
    orders = _orders(asked, {kind: lists[kind] for kind in paged})
    with slow_named(database, asking), database.transaction(company.company_id, asking.as_of) as connection:
        question = _question(connection, asking)
        _refuse_costly(database, connection, question, asking, lists.values())
        counts = {kind: count_of(connection, question, lists[kind], asked.count_to) for kind in lists}
        pages = {
            kind: _page(connection, question, lists[kind], order, place, kind, asked.limit)
            for kind, order in orders.items()
        }
        held_back = _held_back(connection, question, asking, asked) if asked.respect_pauses else {}
        ledger = _ledger(connection, company, asking.as_of, past=asking.is_past)
    after: dict[str, Seen] = {kind: page.after for kind, page in pages.items() if page.after is not None}
    return {
        "as_of": asking.as_of,
        "level": asked.level,
        "canonical": asking.analysis.canonical,
        "english": english(asking.analysis.lowered, asking.as_of),
        "warnings": warnings_of(asking, ledger),
        "counts": {kind: count.number for kind, count in counts.items()},
        **_capped(asked, [kind for kind, count in counts.items() if count.is_capped]),
        **{kind: page.rows for kind, page in pages.items()},
        **held_back,
        "next_cursor": cursors.write(Place(asking.as_of, after), asked, asking, "preview") if after else None,
    }


_COUNTED: tuple[Kind, ...] = ("invoices", "payments")


def _members(level: Level) -> tuple[Kind, ...]:
    return ("groups", "customers") if level == "group" else ("customers",)


def _held_back(connection: Connection, question: Question, asking: Asking, asked: Paged) -> Document:
    """How many of each are not chased because of a pause, and who: as many as a page has."""
    paged = _members(asked.level)
    lists = {kind: list_of(asking.analysis, kind, Pauses.ALONE, asked.usual) for kind in (*paged, *_COUNTED)}
    counts = {kind: count_of(connection, question, lists[kind], asked.count_to).number for kind in lists}
    pages = {kind: page_of(connection, question, lists[kind], limit=asked.limit).rows for kind in paged}
    return {"held_back": {"counts": counts, **pages}}


def rows_of(database: Database, cursors: Cursors, company: Company, asked: Paged, kind: Kind) -> Document:
    """A page of the rows that the filter is about."""
    asking, place = _placed(cursors, asked, company, kind)
    selected = listed(asking, kind, usual=asked.usual)
    order = _orders(asked, {kind: selected})[kind]
    with slow_named(database, asking), database.transaction(company.company_id, asking.as_of) as connection:
        question = _question(connection, asking)
        _refuse_costly(database, connection, question, asking, [selected])
        count = count_of(connection, question, selected, asked.count_to)
        page = _page(connection, question, selected, order, place, kind, asked.limit)
    after = None if page.after is None else Place(asking.as_of, {kind: page.after})
    return {
        "as_of": asking.as_of,
        "count": count.number,
        **_capped(asked, [kind] if count.is_capped else []),
        kind: page.rows,
        "next_cursor": cursors.write(after, asked, asking, kind) if after else None,
    }


def export(
    database: Database, company: Company, asked: Exporting, form: Format, *, timeout_ms: int
) -> Generator[bytes, None, None]:
    """The whole answer, read bit by bit as it is taken."""
    kind = asked.kind
    if kind == "groups" and asked.level != "group":
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-request", "There are rows of groups at level group only.")
    asking = ask(asked, company, answered=True)
    selected = listed(asking, kind, usual=asked.usual)
    shown = selected.shown
    order = _orders(asked, {kind: selected})[kind]
    with (
        slow_named(database, asking),
        # A reader that stops reading keeps the connection no longer than a statement may take.
        database.transaction(company.company_id, asking.as_of, timeout_ms=timeout_ms) as connection,
        connection.cursor(name="export") as cursor,
    ):
        question = _question(connection, asking)
        _refuse_costly(database, connection, question, asking, [selected])
        statement = rows_statement(selected.filter, question, selected.fields, order=order)
        cursor.execute(statement.sql.encode(), statement.parameters)
        batches = iter(partial(cursor.fetchmany, _BATCH), [])
        first = next(batches, [])  # before anything is answered, in case that it fails
        if form == "csv":
            yield shown.csv_header().encode()
        for batch in chain([first] if first else [], batches):
            rows = (shown.row(row[: len(selected.fields)]) for row in batch)  # behind them is what they are ordered by
            yield shown.csv(rows).encode() if form == "csv" else b"".join(map(_line, rows))


def _line(row: ShownRow) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def warnings_of(asking: Asking, ledger: Ledger) -> list[Document]:
    rests_on_today = asking.is_past and ledger.stated_balances
    found = warn(asking.analysis, several_currencies=ledger.several_currencies, past=rests_on_today, rated=ledger.rated)
    return [diagnosed(asking.analysis.text, warning) for warning in found]


# ---------------------------------------------------------------- reading


def _placed(cursors: Cursors, asked: Paged, company: Company, what: str) -> tuple[Asking, Place | None]:
    """The question, as of the day of its first page."""
    asking = ask(asked, company, answered=True)
    if asked.cursor is None:
        return asking, None
    place = cursors.read(asked.cursor, asked, asking, what)
    return replace(asking, as_of=place.as_of, is_past=place.as_of < company.today), place


def _question(connection: Connection, asking: Asking) -> Question:
    return asking.question(relations(connection, asking.company, asking.as_of))


def _refuse_costly(
    database: Database, connection: Connection, question: Question, asking: Asking, lists: Iterable[Listed]
) -> None:
    statements = (count_statement(selected.filter, question) for selected in lists)
    refuse_costly(connection, question, asking.analysis, statements, database.largest_cost)


def _capped(asked: Paged, kinds: list[Kind]) -> Document:
    return {} if asked.count_to is None else {"capped": kinds}


def _ledger(connection: Connection, company: Company, as_of: date, *, past: bool = True) -> Ledger:
    """Several currencies are told by what is quick to see: rates, or an account in another currency."""
    question = """
        SELECT EXISTS (SELECT FROM fx_rate WHERE company_id = %(company)s)
            OR EXISTS (SELECT FROM customer WHERE company_id = %(company)s AND currency <> %(base)s),
            %(past)s AND EXISTS (
                SELECT FROM invoice AS i
                WHERE i.company_id = %(company)s AND NOT 'balance' = ANY (i.derived)
                AND i.balance <> i.amount - coalesce((
                    SELECT sum(a.amount) FROM allocation AS a
                    WHERE a.company_id = %(company)s AND a.customer_id = i.customer_id AND a.invoice_id = i.id), 0)),
            ARRAY (SELECT DISTINCT currency FROM fx_rate WHERE company_id = %(company)s AND date <= %(as_of)s)
    """
    parameters = {"company": company.company_id, "base": company.base_currency, "as_of": as_of, "past": past}
    rows: list[tuple[Any, ...]] = connection.execute(question, parameters).fetchall()
    [(several_currencies, stated_balances, rated)] = rows
    return Ledger(several_currencies, stated_balances, (company.base_currency, *rated))


def _orders(asked: Listing, lists: Mapping[Kind, Listed]) -> dict[Kind, Order | None]:
    """A list that does not show the field stays in the order of its source ids; one of them has to show it."""
    if asked.order is None:
        return dict.fromkeys(lists)
    found = {kind: selected.fields.get(asked.order.field) for kind, selected in lists.items()}
    sortable = [name for selected in lists.values() for name, (_, field) in selected.fields.items() if _sorts(field)]
    if asked.order.field not in sortable:
        detail = f"The rows cannot be ordered by '{asked.order.field}'; there are {', '.join(dict.fromkeys(sortable))}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-order", detail)
    return {kind: Order(*line, asked.order.descending) if line else None for kind, line in found.items()}


def _sorts(field: Field) -> bool:
    return field.type.kind is not Kinds.SET


def _page(
    connection: Connection,
    question: Question,
    selected: Listed,
    order: Order | None,
    place: Place | None,
    kind: Kind,
    limit: int,
) -> Page:
    """A list that has come to its end has no further pages, though others of the same answer have."""
    if place and kind not in place.after:
        return Page([])
    return page_of(connection, question, selected, order=order, after=place.after[kind] if place else None, limit=limit)


def ledger_of(database: Database, company: Company) -> Ledger:
    with database.transaction(company.company_id, company.today) as connection:
        return _ledger(connection, company, company.today)
