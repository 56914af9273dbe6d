"""Lists of the rows that a filter selects or is about: which rows, which of their fields, counts and pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from app.asked import Asking, Kind
from app.cells import Row as ShownRow
from app.cells import Shown
from app.database import Connection
from dsl import Analysis, typed
from dsl.catalog import Field
from dsl.compiler import Order, Question, Seen
from dsl.matching import matching_rows
from dsl.pauses import Pauses, with_pauses
from dsl.statements import Statement, count_statement, rows_statement
from dsl.typed import Filter, Row
from dsl.types import MONEY

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

# What people look at first, where they ask for it.
_USUAL: Mapping[str, tuple[str, ...]] = {
    "group": ("members_count", "balance_total", "balance_overdue", "max_days_overdue"),
    "customer": ("rating", "currency", "balance_total", "balance_overdue", "max_days_overdue"),
}

ENTITIES: Mapping[Kind, str] = {
    "groups": "group",
    "customers": "customer",
    "invoices": "invoice",
    "payments": "payment",
    "credit_notes": "credit_note",
}


@dataclass(frozen=True, eq=False)
class Listed:
    """Which rows, and which of their fields."""

    filter: Filter
    fields: Mapping[str, tuple[Row, Field]]

    @cached_property
    def shown(self) -> Shown:
        return Shown({name: field for name, (_, field) in self.fields.items()})


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[ShownRow]
    after: Seen | None = None


def listed(asking: Asking, kind: Kind, *, usual: bool = False) -> Listed:
    pauses = Pauses.HELD_BACK if asking.respect_pauses else Pauses.IGNORED
    return list_of(asking.analysis, kind, pauses, usual)


@lru_cache(maxsize=4_000)
def list_of(analysis: Analysis, kind: Kind, pauses: Pauses = Pauses.IGNORED, usual: bool = False) -> Listed:
    entity = ENTITIES[kind]
    of_root = analysis.lowered.root.entity.name == entity
    selected = analysis.lowered if of_root else matching_rows(analysis, analysis.catalog, entity)
    named = analysis.named_fields if of_root else _named(analysis, selected.root)
    paths = [*_ALWAYS[entity], *(_USUAL.get(entity, ()) if usual else ())]
    always = {path.replace(".", "_"): field_at(selected.root, path) for path in paths}
    if any(field.type is MONEY for _, field in (always | named).values()) and "currency" in selected.root.entity.fields:
        always["currency"] = field_at(selected.root, "currency")
    return Listed(with_pauses(selected, analysis.catalog, pauses), {**always, **named})


def field_at(row: Row, path: str) -> tuple[Row, Field]:
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


@dataclass(frozen=True, slots=True)
class Count:
    number: int
    is_capped: bool


def count_of(connection: Connection, question: Question, selected: Listed, most: int | None) -> Count:
    """One more is looked for than is counted to: it tells whether there are more."""
    limit = None if most is None else most + 1
    [(count,)] = run(connection, count_statement(selected.filter, question, limit=limit))
    return Count(int(count), False) if most is None else Count(min(int(count), most), count > most)


def page_of(
    connection: Connection,
    question: Question,
    selected: Listed,
    *,
    order: Order | None = None,
    after: Seen | None = None,
    limit: int,
) -> Page:
    """One row more than the page is asked for: it tells whether there is a next one."""
    statement = rows_statement(selected.filter, question, selected.fields, order=order, after=after, limit=limit + 1)
    found = run(connection, statement)
    rows = [selected.shown.row(row[: len(selected.fields)]) for row in found[:limit]]
    if len(found) <= limit:
        return Page(rows)
    return Page(rows, Seen(str(rows[-1]["source_id"]), found[limit - 1][-1] if order else None))


def run(connection: Connection, statement: Statement) -> list[tuple[Any, ...]]:
    return connection.execute(statement.sql.encode(), statement.parameters).fetchall()
