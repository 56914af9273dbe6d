"""The relations behind the entities, and a row variable while its SELECT is written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from dsl.catalog import Entity, Field, Sources
from dsl.typed import Row

Sql = sa.ColumnElement[Any]
Test = sa.ColumnElement[bool]


_KEPT = 10_000  # entities and fields, of which a company may have its own


class Relations(Enum):
    """The set of relations a statement reads, by how the names of its metrics end.

    The kept metrics are those of the company's current day, once they have been brought to it; the live ones hold for
    every day from today on; the historic set is of a day before.
    """

    KEPT = ""
    LIVE = "_live"
    HISTORIC = "_as_of"


@lru_cache(maxsize=_KEPT)
def relation(entity: Entity, relations: Relations) -> sa.TableClause:
    used = {name for line in entity.fields.values() for name in columns_of(line).row}
    names = {"company_id", "id", "source_id", "currency", "customer_id", "group_id", *used}
    name = entity.historic if relations is Relations.HISTORIC else entity.relation
    return sa.table(name, *map(sa.column, sorted(names)))


@lru_cache(maxsize=_KEPT)
def metrics(entity: Entity, relations: Relations) -> sa.TableClause:
    used = {name for line in entity.fields.values() for name in columns_of(line).metrics}
    return sa.table(
        f"{entity.metrics}{relations.value}", *map(sa.column, ("company_id", f"{entity.name}_id", *sorted(used)))
    )


@dataclass(frozen=True, slots=True)
class Columns:
    """What a field reads: columns of the row's own relation, and of its metrics."""

    row: frozenset[str]
    metrics: frozenset[str]


@lru_cache(maxsize=_KEPT)
def columns_of(line: Field) -> Columns:
    """Found by asking the field."""
    row: set[str] = set()
    measured: set[str] = set()

    def noted(used: set[str]) -> Callable[[str], Sql]:
        def column(name: str) -> Sql:
            used.add(name)
            return sa.column(name)

        return column

    at = Sources(noted(row), noted(measured), sa.column("as_of"), related(Relations.LIVE), sa.column("company"))
    line.sql(at)
    return Columns(frozenset(row), frozenset(measured))


def related(relations: Relations) -> Callable[[str], sa.FromClause]:
    return (_RELATED_AS_OF if relations is Relations.HISTORIC else _RELATED).__getitem__


_ABOUT_INVOICES = ("company_id", "invoice_customer_id", "invoice_id", "date", "by", "kind")
# A reference is profile data: it is the current one whatever the day.
_INVOICE = sa.table("invoice", *map(sa.column, ("company_id", "customer_id", "id", "reference")))
_RELATED = {"activity": sa.table("activity", *map(sa.column, _ABOUT_INVOICES)), "invoice": _INVOICE}
_RELATED_AS_OF = {"activity": sa.table("activity_as_of", *map(sa.column, _ABOUT_INVOICES)), "invoice": _INVOICE}


@dataclass(slots=True, eq=False)
class Frame:
    """A row variable while its SELECT is written: its relation, and the to-one relations its fields need."""

    row: Row
    relations: Relations
    table: sa.FromClause
    company: Sql | None  # that of the SELECT around it, or the one asked about; None at the root of a sweep
    inner_company: Sql  # what the other relations of this SELECT are tied to
    joins: dict[object, tuple[sa.FromClause, Test, bool]] = field(default_factory=dict)
    optional: bool = False  # a customer may have no group
    measured: bool = False  # the relation is that of the row's metrics, of which there is one for each row

    def column(self, name: str) -> Sql:
        return self.table.c[f"{self.row.entity.name}_id" if self.measured and name == "id" else name]

    def metric(self, name: str) -> Sql:
        if self.measured:
            return self.column(name)

        def join() -> tuple[sa.FromClause, Test, bool]:
            table = metrics(self.row.entity, self.relations).alias()
            conditions = [table.c.company_id == self.inner_company]
            if self.row.entity.name != "company":
                conditions.append(table.c[f"{self.row.entity.name}_id"] == self.column("id"))
            return table, sa.and_(*conditions), self.optional

        return self.join(("metrics", self.row), join).c[name]

    def join(self, key: object, make: Callable[[], tuple[sa.FromClause, Test, bool]]) -> sa.FromClause:
        if key not in self.joins:
            self.joins[key] = make()
        return self.joins[key][0]

    def select(self, *columns: Sql, where: list[Test]) -> sa.Select[Any]:
        source: sa.FromClause = self.table
        for relation, on, outer in self.joins.values():
            source = source.join(relation, on, isouter=outer)
        # Left to itself SQLAlchemy correlates with the next SELECT only and lists tables of those further out again.
        own = [self.table, *(relation for relation, _, _ in self.joins.values())]
        rows = sa.select(*columns).select_from(source).correlate_except(*own)
        tied = [] if self.company is None else [self.table.c.company_id == self.company]
        return rows.where(*tied, *where)
