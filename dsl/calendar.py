"""Days that need no database: today, periods and dates moved by spans of time (language.md, section 2)."""

from datetime import date, timedelta
from decimal import Decimal

from dsl import typed


def day_of(operand: typed.Operand, as_of: date) -> date:
    """The day that a constant date operand stands for. Past either end of the calendar it is the end."""
    match operand:
        case typed.Value(_, date() as day):
            return day
        case typed.OnDay(offset):
            return moved(as_of, offset, "DAYS")
        case typed.PeriodEnd(unit, steps, last):
            return _end(as_of, unit, steps, last)
        case typed.Shifted(inner, count, unit):
            return moved(day_of(inner, as_of), count, unit)
        case typed.ShiftedBy(inner, typed.Value(_, Decimal() as days), back):
            return moved(day_of(inner, as_of), -int(days) if back else int(days), "DAYS")
        case _:
            raise TypeError(operand)


def moved(day: date, count: int, unit: str) -> date:
    """31 March less one month is 28 or 29 February."""
    match unit:
        case "DAYS" | "WEEKS":
            days = count * (7 if unit == "WEEKS" else 1)
            return _clamped(day.toordinal() + days)
        case "MONTHS" | "YEARS":
            months = day.year * 12 + day.month - 1 + count * (12 if unit == "YEARS" else 1)
            first = _month(months)
            length = (_month(months + 1) - first).days or 31
            return first + timedelta(days=min(day.day, length) - 1)
        case _:
            raise ValueError(unit)


def _clamped(ordinal: int) -> date:
    return date.fromordinal(min(max(ordinal, date.min.toordinal()), date.max.toordinal()))


def _month(months: int) -> date:
    """The first day of a month counted from the year 0."""
    if months < 12:
        return date.min
    return date(9999, 12, 1) if months >= 120_000 else date(months // 12, months % 12 + 1, 1)


def _end(as_of: date, unit: str, steps: int, last: bool) -> date:
    """First or last day of the calendar unit that lies `steps` units away; weeks begin on Monday."""
    if last:
        return moved(_end(as_of, unit, steps + 1, last=False), -1, "DAYS")
    match unit:
        case "WEEK":
            return moved(as_of, 7 * steps - as_of.weekday(), "DAYS")
        case "MONTH":
            return moved(as_of.replace(day=1), steps, "MONTHS")
        case "QUARTER":
            return moved(as_of.replace(month=(as_of.month - 1) // 3 * 3 + 1, day=1), 3 * steps, "MONTHS")
        case "YEAR":
            return moved(as_of.replace(month=1, day=1), steps, "YEARS")
        case _:
            raise ValueError(unit)
