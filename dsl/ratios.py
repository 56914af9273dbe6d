"""Exact numbers in SQL: a numerator over a denominator, both `numeric`, whose sums and products never round.

Every quantity is in its plain unit: money in units of its currency, percentages in points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

Sql = sa.ColumnElement[Any]
Ordering = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Missing where either part is NULL. Without a denominator it is over 1."""

    numerator: Sql
    denominator: Sql | None = None

    @property
    def missing(self) -> Sql:
        parts = (self.numerator,) if self.denominator is None else (self.numerator, self.denominator)
        return sa.or_(*(part.is_(None) for part in parts))


def exact(value: Decimal | int) -> Sql:
    return sa.bindparam(None, Decimal(value), sa.Numeric)


def whole(column: Sql) -> Ratio:
    """A column of any kind of number."""
    return Ratio(sa.cast(column, sa.Numeric))


def calculated(operator: str, left: Ratio, right: Ratio) -> Ratio:
    match operator:
        case "+":
            return Ratio(_crossed(left, right) + _crossed(right, left), _both(left, right))
        case "-":
            return Ratio(_crossed(left, right) - _crossed(right, left), _both(left, right))
        case "*":
            return Ratio(left.numerator * right.numerator, _both(left, right))
        case "/":
            return Ratio(_crossed(left, right), sa.func.nullif(_crossed(right, left), exact(0)))
        case _:
            raise ValueError(operator)


def compared(ordering: Ordering, left: Ratio, right: Ratio) -> Sql:
    """By cross multiplication over positive denominators; NULL where a side is missing."""
    one, other = _over_positive(left), _over_positive(right)
    test: Sql = ordering(_crossed(one, other), _crossed(other, one))
    return test


def rounded(ratio: Ratio) -> Ratio:
    """Half away from zero, to four decimals. Whole-number division is exact, `/` is not."""
    over = _over_positive(ratio)
    divisor = exact(1) if over.denominator is None else over.denominator
    twice = exact(20_000) * sa.func.abs(over.numerator) + divisor
    return Ratio(sa.func.sign(over.numerator) * sa.func.div(twice, exact(2) * divisor) * exact(Decimal("0.0001")))


def _over_positive(ratio: Ratio) -> Ratio:
    if ratio.denominator is None:
        return ratio
    return Ratio(ratio.numerator * sa.func.sign(ratio.denominator), sa.func.abs(ratio.denominator))


def _crossed(one: Ratio, other: Ratio) -> Sql:
    return one.numerator if other.denominator is None else one.numerator * other.denominator


def _both(left: Ratio, right: Ratio) -> Sql | None:
    if left.denominator is None or right.denominator is None:
        return right.denominator if left.denominator is None else left.denominator
    return left.denominator * right.denominator
