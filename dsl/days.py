"""Days that no row decides, worked out for the as-of day."""

from datetime import MAXYEAR, date, timedelta

from dsl import typed
from dsl.typed import Operand

DAYS = {"DAYS": 1, "WEEKS": 7}
MONTHS = {"MONTHS": 1, "QUARTERS": 3, "YEARS": 12}


def constant_day(operand: Operand, as_of: date) -> date | None:
    """None where rows decide. Past either end of the calendar it is the end."""
    match operand:
        case typed.Value(_, date() as day):
            return day
        case typed.OnDay(offset):
            return _days_later(as_of, offset)
        case typed.PeriodEnd(unit, steps, last):
            first = _first_day(as_of, unit)
            if last:
                return _days_later(_later(first, steps + 1, f"{unit}S"), -1)
            return _later(first, steps, f"{unit}S")
        case typed.Shifted(start, count, unit):
            start_day = constant_day(start, as_of)
            return start_day and _later(start_day, count, unit)
        case _:
            return None


def _first_day(day: date, unit: str) -> date:
    """Of the calendar week (from Monday), month, quarter or year around the day."""
    if unit == "WEEK":
        return day - timedelta(day.weekday())
    months = MONTHS[f"{unit}S"]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _later(day: date, count: int, unit: str) -> date:
    if unit in DAYS:
        return _days_later(day, count * DAYS[unit])
    year, month = divmod(day.year * 12 + day.month - 1 + count * MONTHS[unit], 12)
    if not 1 <= year <= MAXYEAR:
        return date.min if year < 1 else date.max
    return next(found for back in range(4) if (found := _as_day(year, month + 1, day.day - back)))


def _as_day(year: int, month: int, day: int) -> date | None:
    """None where the month has no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _days_later(day: date, days: int) -> date:
    try:
        return day + timedelta(days)
    except OverflowError:
        return date.min if days < 0 else date.max
