"""From the text of a filter to SQL and parameters: ours, odata-query and pyrsql, with SQLAlchemy models, in CPU time.

The conditions are the same, but for what the others cannot say: two collections and a field of their owner.
"""

import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from itertools import count

import pyrsql
from odata_query.sqlalchemy.shorthand import apply_odata_query
from pyrsql.orms.sqlalchemy import SQLAlchemyORM
from sqlalchemy import ClauseElement, ForeignKey, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.bench.measuring import medians
from app.bench.table import Row, say, show
from dsl import CATALOG, analyze
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.statements import count_statement

QUESTION = Question(1, date(2026, 11, 21), Relations.KEPT)
SIZES = (3, 10, 50)


class Base(DeclarativeBase):
    pass


class Invoice(Base):
    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    balance: Mapped[int]


class Payment(Base):
    __tablename__ = "payment"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    amount: Mapped[int]


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    rating: Mapped[str]
    strike: Mapped[int]
    invoices: Mapped[list[Invoice]] = relationship()
    payments: Mapped[list[Payment]] = relationship()


def _filters(words: tuple[str, str, str, str], joins: tuple[str, str], size: int, first: int) -> str:
    """Two conditions on collections, and as many on the customer as there are to be, of which each is another."""
    invoice, payment, rating, strike = words
    conjunction, alternative = joins
    more = alternative.join(strike.format(first + n) for n in range(size - 3))
    parts = [invoice.format(first), payment.format(500), rating]
    return conjunction.join([*parts, f"({more})"] if more else parts)


_OURS = ("invoice.balance > {}", "payment.amount > {}", "customer.rating = 'D'", "customer.strike = {}")
_ODATA = ("invoices/any(i: i/balance gt {})", "payments/any(p: p/amount gt {})", "rating eq 'D'", "strike eq {}")
_RSQL = ("invoices.balance=gt={}", "payments.amount=gt={}", "rating==D", "strike=={}")

_ours = partial(_filters, _OURS, (" AND ", " OR "))
_odata = partial(_filters, _ODATA, (" and ", " or "))
_rsql = partial(_filters, _RSQL, (";", ","))

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_ORM = SQLAlchemyORM()


def compile_ours(text: str) -> object:
    return count_statement(analyze(text, CATALOG).lowered, QUESTION)


def compile_odata(text: str) -> object:
    return _rendered(apply_odata_query(select(Customer.id), text))


def compile_rsql(text: str) -> object:
    return _rendered(pyrsql.parse(text).apply(select(Customer.id), Customer, orm=_ORM))


def _rendered(statement: ClauseElement) -> object:
    compiled = statement.compile(dialect=_DIALECT)
    return str(compiled), compiled.params


Filters = Callable[[int, int], str]
Compile = Callable[[str], object]


def measure(rounds: int) -> list[Row]:
    return [_measured(size, rounds) for size in SIZES]


def _measured(size: int, rounds: int) -> Row:
    numbers = count(1000)
    languages: dict[str, tuple[Filters, Compile]] = {
        "ours": (_ours, compile_ours), "odata-query": (_odata, compile_odata), "pyrsql": (_rsql, compile_rsql),
    }  # fmt: skip
    calls = {}
    for name, (filters, compile_) in languages.items():
        calls[f"{name}, first seen"] = partial(_compile_next, filters, compile_, size, numbers)
        calls[f"{name}, seen before"] = partial(compile_, filters(size, 1))
    times = medians(calls, rounds, time.process_time)
    theirs = min(
        times[f"{name}, {seen}"] for name in ("odata-query", "pyrsql") for seen in ("first seen", "seen before")
    )
    return {
        "conditions": size,
        **{f"{name} ms": taken for name, taken in times.items()},
        "first seen / quickest other": times["ours, first seen"] / theirs,
        "seen before / quickest other": times["ours, seen before"] / theirs,
    }


def _compile_next(filters: Filters, compile_: Compile, size: int, numbers: Iterator[int]) -> object:
    return compile_(filters(size, next(numbers)))


def report(rows: list[Row]) -> None:
    show("Text to SQL: CPU milliseconds", rows)
    quicker = sum(float(str(row["first seen / quickest other"])) <= 1 for row in rows)
    say([f"first seen quicker than the quickest other: {quicker} of {len(rows)}"])
