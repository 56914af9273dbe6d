"""Exact numbers in SQL: every quantity is a numerator over a denominator, so that nothing is divided or rounded on the
way to a comparison. Money is a whole number of ten-thousandths.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Any

import sqlalchemy as sa

Sql = sa.ColumnElement[Any]

SCALE = 10_000  # money is kept in ten-thousandths of the unit


@dataclass(frozen=True, slots=True)
class Quantity:
    """numerator / denominator. A denominator in SQL is positive or NULL; `literal` is the value where it is known."""

    numerator: Sql
    denominator: int | Sql = 1
    literal: Fraction | None = None


def literal(value: Fraction) -> Quantity:
    return Quantity(number(Decimal(value.numerator)), value.denominator, value)


def number(value: Decimal) -> Sql:
    """Whole numbers bind as bigint, so that an index on a bigint column serves."""
    if fits_bigint(value):
        return sa.bindparam(None, int(value), sa.BigInteger)
    return sa.bindparam(None, value, sa.Numeric)


def fits_bigint(value: Decimal) -> bool:
    return value == value.to_integral_value() and abs(value) < 2**63


def _over(quantity: Quantity, denominator: int) -> Sql:
    """The numerator of the same quantity over another (larger) denominator."""
    if quantity.literal is not None:
        scaled = quantity.literal * denominator
        return number(Decimal(scaled.numerator))
    assert isinstance(quantity.denominator, int)
    factor = denominator // quantity.denominator
    return quantity.numerator if factor == 1 else exact(quantity.numerator) * sa.literal(factor, sa.Numeric)


def exact(value: Sql) -> Sql:
    """As numeric, whose sums and products neither overflow nor round."""
    return sa.cast(value, sa.Numeric)


def aligned(left: Quantity, right: Quantity) -> tuple[Sql, Sql, int | Sql]:
    """Two numerators over one denominator."""
    if isinstance(left.denominator, int) and isinstance(right.denominator, int):
        common = lcm(left.denominator, right.denominator)
        return _over(left, common), _over(right, common), common
    return (
        exact(left.numerator) * right.denominator,
        exact(right.numerator) * left.denominator,
        product(left.denominator, right.denominator),
    )


def product(left: int | Sql, right: int | Sql) -> int | Sql:
    if isinstance(left, int) and isinstance(right, int):
        return left * right
    return exact(left) * right if not isinstance(left, int) else exact(sa.cast(right, sa.Numeric)) * left


def calculated(operator: str, left: Quantity, right: Quantity) -> Quantity:
    match operator:
        case "+" | "-":
            one, other, denominator = aligned(left, right)
            one, other = exact(one), exact(other)
            return Quantity(one + other if operator == "+" else one - other, denominator)
        case "*":
            return Quantity(exact(left.numerator) * right.numerator, product(left.denominator, right.denominator))
        case _:
            divisor = exact(right.numerator) * left.denominator
            dividend = exact(left.numerator) * right.denominator
            return Quantity(dividend * sa.func.sign(divisor), sa.func.nullif(sa.func.abs(divisor), 0))


def half_up(dividend: Sql, divisor: Sql) -> Sql:
    """dividend / divisor (positive) as a whole number, half away from zero."""
    return sa.func.sign(dividend) * nearest(sa.func.abs(dividend), divisor)


def nearest(dividend: Sql, divisor: Sql) -> Sql:
    """The same where the dividend is not negative. Division of whole numbers is exact; each is named once, for it may
    be looked up."""
    return sa.func.div(sa.func.div(2 * dividend, divisor) + 1, 2)
