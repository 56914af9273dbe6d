"""Dates moved by spans of time, and the ends of calendar periods (language.md, section 2)."""

from datetime import date, timedelta


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


def period_end(as_of: date, unit: str, steps: int, last: bool) -> date:
    """First or last day of the calendar unit that lies `steps` units away; weeks begin on Monday."""
    if last:
        return moved(period_end(as_of, unit, steps + 1, last=False), -1, "DAYS")
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
