"""Whom and what a filter selects: counts, pages and whole answers. All of one answer is read in one transaction."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache, partial
from http import HTTPStatus
from itertools import chain
from typing import Any, Literal

import orjson

from app.companies import Company
from app.database import Connection, Database
from app.kept import relations
from app.problems import Problem, diagnosed
from app.queries.asked import Asking, Exporting, Kind, Paged, ask
from app.queries.cells import Row as ShownRow
from app.queries.cells import Shown
from app.queries.cursors import Cursors, Place
from dsl import CATALOG, Analysis, typed
from dsl.catalog import Field
from dsl.compiler import Question
from dsl.explainer import english
from dsl.matching import matching_rows
from dsl.statements import Statement, count_statement, rows_statement
from dsl.typed import Filter, Row
from dsl.types import MONEY
from dsl.warnings import warn

Document = dict[str, Any]
Format = Literal["csv", "ndjson"]

# What stands in every row, before the fields that the filter names.
_ALWAYS: Mapping[str, tuple[str, ...]] = {
    "group": ("source_id", "name"),
    "customer": ("source_id", "name"),
    "invoice": ("source_id", "customer.source_id", "customer.name", "reference", "issue_date", "due_date", "amount",
                "balance", "currency", "status", "days_overdue"),
    "payment": ("source_id", "customer.source_id", "customer.name", "reference", "date", "amount", "amount_remaining",
                "currency", "status"),
    "credit_note": ("source_id", "customer.source_id", "customer.name", "reference", "issue_date", "amount",
                    "amount_remaining", "currency", "status"),
}  # fmt: skip

_ENTITIES: Mapping[Kind, str] = {
    "groups": "group",
    "customers": "customer",
    "invoices": "invoice",
    "payments": "payment",
    "credit_notes": "credit_note",
}
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


def preview(database: Database, cursors: Cursors, company: Company, asked: Paged) -> Document:
    """Counts of everything the filter is about, and a page of the customers (and, at level group, of the groups)."""
    asking, place = _placed(cursors, asked, company, "preview")
    listed: tuple[Kind, ...] = ("groups", "customers") if asked.level == "group" else ("customers",)
    lists = {kind: list_of(asking.analysis, kind) for kind in (*listed, *_COUNTED)}
    with database.transaction(company.company_id, asking.as_of) as connection:
        question = _question(connection, asking)
        counts = {kind: _count(connection, question, lists[kind], asked.count_to) for kind in lists}
        pages = {kind: _page(connection, question, lists[kind], place, kind, asked.limit) for kind in listed}
        ledger = _ledger(connection, company, asking.as_of, past=asking.is_past)
    after: dict[str, str] = {kind: page.after for kind, page in pages.items() if page.after is not None}
    return {
        "as_of": asking.as_of,
        "level": asked.level,
        "canonical": asking.analysis.canonical,
        "english": english(asking.analysis.lowered, asking.as_of),
        "warnings": warnings_of(asking, ledger),
        "counts": {kind: count.number for kind, count in counts.items()},
        **_capped(asked, [kind for kind, count in counts.items() if count.is_capped]),
        **{kind: page.rows for kind, page in pages.items()},
        "next_cursor": cursors.write(Place(asking.as_of, after), asked, asking, "preview") if after else None,
    }


_COUNTED: tuple[Kind, ...] = ("invoices", "payments")


def rows_of(database: Database, cursors: Cursors, company: Company, asked: Paged, kind: Kind) -> Document:
    """A page of the rows that the filter is about."""
    asking, place = _placed(cursors, asked, company, kind)
    selected = list_of(asking.analysis, kind)
    with database.transaction(company.company_id, asking.as_of) as connection:
        question = _question(connection, asking)
        count = _count(connection, question, selected, asked.count_to)
        page = _page(connection, question, selected, place, kind, asked.limit)
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
    kind: Kind = asked.rows or ("groups" if asked.level == "group" else "customers")
    if kind == "groups" and asked.level != "group":
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-request", "There are rows of groups at level group only.")
    asking = ask(asked, company, answered=True)
    selected = list_of(asking.analysis, kind)
    shown = selected.shown
    with (
        database.transaction(company.company_id, asking.as_of, timeout_ms=timeout_ms) as connection,
        connection.cursor(name="export") as cursor,
    ):
        # A reader that stops reading must not keep the connection for ever.
        connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = {int(timeout_ms)}".encode())
        statement = rows_statement(selected.filter, _question(connection, asking), selected.fields)
        cursor.execute(statement.sql.encode(), statement.parameters)
        batches = iter(partial(cursor.fetchmany, _BATCH), [])
        first = next(batches, [])  # before anything is answered, in case that it fails
        if form == "csv":
            yield shown.csv_header().encode()
        for batch in chain([first] if first else [], batches):
            rows = map(shown.row, batch)
            yield shown.csv(rows).encode() if form == "csv" else b"".join(map(_line, rows))


def _line(row: ShownRow) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def warnings_of(asking: Asking, ledger: Ledger) -> list[Document]:
    rests_on_today = asking.is_past and ledger.stated_balances
    found = warn(asking.analysis, several_currencies=ledger.several_currencies, past=rests_on_today, rated=ledger.rated)
    return [diagnosed(asking.analysis.text, warning) for warning in found]


# ---------------------------------------------------------------- lists of rows


@dataclass(frozen=True, eq=False)
class Listed:
    """Which rows, and which of their fields."""

    filter: Filter
    fields: Mapping[str, tuple[Row, Field]]

    @cached_property
    def shown(self) -> Shown:
        return Shown({name: field for name, (_, field) in self.fields.items()})


@dataclass(frozen=True, slots=True)
class _Page:
    rows: list[ShownRow]
    after: str | None = None


@lru_cache(maxsize=4_000)
def list_of(analysis: Analysis, kind: Kind) -> Listed:
    entity = _ENTITIES[kind]
    of_root = analysis.lowered.root.entity.name == entity
    selected = analysis.lowered if of_root else matching_rows(analysis, CATALOG, entity)
    named = analysis.named_fields if of_root else _named(analysis, selected.root)
    always = {path.replace(".", "_"): _field(selected.root, path) for path in _ALWAYS[entity]}
    if any(field.type is MONEY for _, field in named.values()) and "currency" in selected.root.entity.fields:
        always["currency"] = _field(selected.root, "currency")
    return Listed(selected, {**always, **named})


def _field(row: Row, path: str) -> tuple[Row, Field]:
    entity, _, name = path.rpartition(".")
    if not entity:
        return row, row.entity.fields[name]
    assert row.owner is not None
    return row.owner, row.owner.entity.fields[name]


def _named(analysis: Analysis, row: Row) -> dict[str, tuple[Row, Field]]:
    """The fields of such a row that the filter names, wherever it does."""
    return {
        node.field.name: (row, node.field)
        for node in typed.nodes(analysis.checked.condition)
        if isinstance(node, typed.FieldOf) and node.row.entity is row.entity
    }


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


@dataclass(frozen=True, slots=True)
class _Count:
    number: int
    is_capped: bool


def _count(connection: Connection, question: Question, selected: Listed, most: int | None) -> _Count:
    """One more is looked for than is counted to: it tells whether there are more."""
    limit = None if most is None else most + 1
    [(count,)] = _run(connection, count_statement(selected.filter, question, limit=limit))
    return _Count(int(count), False) if most is None else _Count(min(int(count), most), count > most)


def _capped(asked: Paged, kinds: list[Kind]) -> Document:
    return {} if asked.count_to is None else {"capped": kinds}


def _page(
    connection: Connection, question: Question, selected: Listed, place: Place | None, kind: Kind, limit: int
) -> _Page:
    """One row more than the page is asked for: it tells whether there is a next one."""
    if place and kind not in place.after:
        return _Page([])
    after = place.after[kind] if place else None
    statement = rows_statement(selected.filter, question, selected.fields, after=after, limit=limit + 1)
    rows = list(map(selected.shown.row, _run(connection, statement)))
    return _Page(rows[:limit], str(rows[limit - 1]["source_id"]) if len(rows) > limit else None)


def _run(connection: Connection, statement: Statement) -> list[tuple[Any, ...]]:
    return connection.execute(statement.sql.encode(), statement.parameters).fetchall()


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


def ledger_of(database: Database, company: Company) -> Ledger:
    with database.transaction(company.company_id) as connection:
        return _ledger(connection, company, company.today)
