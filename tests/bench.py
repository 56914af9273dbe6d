"""Ratios measured side by side in one run: `python3 dev.py bench`.

Text to SQL string and parameters, of the same three conditions: ours seen for the first time in a warm process
and seen before, and odata-query with its SQLAlchemy models, the nearest equivalent (`any` over two collections).
"""

import statistics
import time
from collections.abc import Callable
from datetime import date
from itertools import count

from odata_query.sqlalchemy.shorthand import apply_odata_query
from rich.console import Console
from rich.table import Table
from sqlalchemy import ForeignKey, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from dsl import CATALOG, analyze
from dsl.compiler import Question
from dsl.statements import count_statement

FILTER = "invoice.balance > 1000 AND payment.amount > 500 AND customer.rating = 'D'"
ODATA = "invoices/any(i: i/balance gt 1000) and payments/any(p: p/amount gt 500) and rating eq 'D'"
QUESTION = Question(company=1, as_of=date(2026, 11, 21))
ROUNDS, CALLS = 15, 40


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
    invoices: Mapped[list[Invoice]] = relationship()
    payments: Mapped[list[Payment]] = relationship()


def ours_seen_before() -> object:
    return count_statement(analyze(FILTER, CATALOG).lowered, QUESTION)


_fresh = count(1001)


def ours() -> object:
    """Another amount each time, so that nothing kept serves."""
    text = FILTER.replace("1000", str(next(_fresh)))
    return count_statement(analyze(text, CATALOG).lowered, QUESTION)


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def odata() -> object:
    compiled = apply_odata_query(select(Customer.id), ODATA).compile(dialect=_DIALECT)
    return str(compiled), compiled.params


def milliseconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - start) / CALLS * 1000


def main() -> None:
    calls = {"duelist, first seen": ours, "duelist, seen before": ours_seen_before, "odata-query": odata}
    rounds = [[milliseconds(call) for call in calls.values()] for _ in range(ROUNDS)]
    table = Table(title=f"Text to SQL, three conditions: median of {ROUNDS} alternating rounds of {CALLS}, CPU time")
    for heading in ("", "ms", "least ms", "ratio to odata-query"):
        table.add_column(heading, justify="left" if not heading else "right")
    columns = list(zip(*rounds, strict=True))
    theirs = statistics.median(columns[-1])
    for name, times in zip(calls, columns, strict=True):
        middle = statistics.median(times)
        table.add_row(name, f"{middle:.3f}", f"{min(times):.3f}", f"{middle / theirs:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
