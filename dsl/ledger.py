"""The relations of one company on one day, for the translation set by set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from dsl.catalog import Entity, Sources

Sql = sa.ColumnElement[Any]


@dataclass(frozen=True)
class Ledger:
    """`historic` reads the relations of a day before the company's today; `metrics_suffix` ends the metrics' names."""

    company_id: int
    day: date
    metrics_suffix: str
    historic: bool

    @property
    def company(self) -> Sql:
        return sa.bindparam("company", self.company_id, sa.BigInteger)

    @property
    def as_of(self) -> Sql:
        return sa.bindparam("as_of", self.day, sa.Date)

    def relation(self, entity: Entity) -> sa.FromClause:
        return _relation(entity.historic if self.historic else entity.relation, _read_by(entity).row).alias()

    def metrics(self, entity: Entity) -> sa.FromClause:
        return _relation(f"{entity.metrics}{self.metrics_suffix}", _read_by(entity).metrics).alias()

    def related(self, name: str) -> sa.FromClause:
        """An invoice that a message is about is the one of today, whatever the day."""
        return _relation("activity_as_of" if self.historic and name == "activity" else name, _RELATED)

    @property
    def base_currency(self) -> Sql:
        company = _relation("company", ("company_id", "base_currency"))
        return sa.select(company.c.base_currency).where(company.c.company_id == self.company).scalar_subquery()

    def rates(self) -> sa.Select[Any]:
        """The latest rate of each currency by the day; the base currency is always worth 1."""
        given = _relation("fx_rate", ("company_id", "currency", "date", "rate"))
        latest = (
            sa.select(given.c.currency, given.c.rate)
            .ext(distinct_on(given.c.currency))
            .where(given.c.company_id == self.company, given.c.date <= self.as_of)
            .where(given.c.currency != self.base_currency)
            .order_by(given.c.currency, given.c.date.desc())
        ).subquery()
        base = sa.select(self.base_currency.label("currency"), sa.literal(1, sa.Numeric).label("rate"))
        rates = sa.union_all(sa.select(latest.c.currency, latest.c.rate), base).subquery()
        return sa.select(rates.c.currency, rates.c.rate)


def _relation(name: str, columns: Sequence[str]) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns))


_RELATED = ("company_id", "customer_id", "id", "reference", "invoice_customer_id", "invoice_id", "date", "by", "kind")


@dataclass(frozen=True)
class _Columns:
    row: Sequence[str]
    metrics: Sequence[str]


@cache
def _read_by(entity: Entity) -> _Columns:
    """The keys of the entity's relations, and the columns that its fields ask for."""
    row = {"company_id", "id", "source_id", "customer_id", "group_id", "currency"}
    metrics = {"company_id", "customer_id", "group_id"}
    nothing: Sql = sa.column("nothing")
    asked = Sources(_noting(row), _noting(metrics), nothing, lambda name: _relation(name, _RELATED), nothing)
    for field in entity.fields.values():
        field.sql(asked)
    return _Columns(sorted(row), sorted(metrics))


def _noting(names: set[str]) -> Callable[[str], Sql]:
    def column(name: str) -> Sql:
        names.add(name)
        return sa.column(name)

    return column
