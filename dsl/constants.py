"""Operands whose value no row decides: calculations of literals, and days that depend on the as-of day only."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

from dsl import typed
from dsl.calendar import moved, period_end
from dsl.typed import Operand
from dsl.types import Kind


def number_of(operand: Operand, as_of: date | None = None) -> Fraction | None:
    """The value of a calculation of literals; None where rows decide, where it divides by zero, or where it needs
    the as-of day and there is none."""
    match operand:
        case typed.Value(_, Decimal() as value):
            return Fraction(value)
        case typed.Factor(inner):
            points = number_of(inner, as_of)
            return None if points is None else points / 100
        case typed.Arithmetic(_, operator, left, right):
            one, other = number_of(left, as_of), number_of(right, as_of)
            if one is None or other is None or (operator == "/" and other == 0):
                return None
            return {"+": one.__add__, "-": one.__sub__, "*": one.__mul__, "/": one.__truediv__}[operator](other)
        case typed.DaysBetween(later, earlier) if as_of and typed.is_constant(operand):
            return Fraction((day_of(later, as_of) - day_of(earlier, as_of)).days)
        case _:
            return None


def day_of(operand: Operand, as_of: date) -> date:
    """The day that a constant date operand stands for. Past either end of the calendar it is the end."""
    match operand:
        case typed.Value(_, date() as day):
            return day
        case typed.OnDay(offset):
            return moved(as_of, offset, "DAYS")
        case typed.PeriodEnd(unit, steps, last):
            return period_end(as_of, unit, steps, last)
        case typed.Shifted(inner, count, unit):
            return moved(day_of(inner, as_of), count, unit)
        case typed.ShiftedBy(inner, days, back):
            count = int(number_of(days, as_of) or 0)
            return moved(day_of(inner, as_of), -count if back else count, "DAYS")
        case _:
            raise TypeError(operand)


# A month is 28 to 31 days long: what is reversed must be so on each of these.
_ANY_DAYS = (date(2023, 12, 31), date(2024, 1, 31), date(2024, 3, 1), date(2025, 7, 15))


def is_reversed(low: Operand, high: Operand) -> bool:
    """Whether the first end lies after the second, as far as that is known without any row."""
    if not (typed.is_constant(low) and typed.is_constant(high)):
        return False
    if low.type.kind is Kind.DATE:
        same = _is_relative(low) == _is_relative(high)
        return same and all(day_of(low, day) > day_of(high, day) for day in _ANY_DAYS)
    first, last = number_of(low, _ANY_DAYS[0]), number_of(high, _ANY_DAYS[0])
    return first is not None and last is not None and first > last


def _is_relative(operand: Operand) -> bool:
    return any(isinstance(node, typed.OnDay | typed.PeriodEnd) for node in typed.nodes(operand))
