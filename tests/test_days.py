"""Both calendars of the language against each other and against the evaluator's: no two share code."""

import random
from datetime import date, timedelta
from typing import Literal, get_args

import pytest

from dsl import ast
from dsl.calendar import moved, period_end
from dsl.constants import day_of
from dsl.days import constant_day
from dsl.typed import OnDay, PeriodEnd, Shifted, Value
from dsl.types import DATE
from tests.oracle.evaluator import calendar_days, move

Unit = Literal["WEEK", "MONTH", "QUARTER", "YEAR"]
Which = Literal["LAST", "THIS", "NEXT"]

DAYS = [
    date(2023, 12, 31),
    date(2024, 1, 1),
    date(2024, 2, 29),
    date(2024, 3, 31),
    date(2026, 3, 29),
    date(2026, 11, 2),
]
_chance = random.Random(5)
DAYS += [date(2000, 1, 1) + timedelta(_chance.randrange(20_000)) for _ in range(60)]


@pytest.mark.parametrize("unit", get_args(ast.Unit))
@pytest.mark.parametrize("count", [-13, -12, -1, 0, 1, 2, 11, 24])
def test_days_are_moved(unit: ast.Unit, count: int) -> None:
    for day in DAYS:
        found = Shifted(OnDay(0), count, unit)
        assert constant_day(found, day) == day_of(found, day) == moved(day, count, unit) == move(day, count, unit)


@pytest.mark.parametrize("unit", get_args(Unit))
@pytest.mark.parametrize(("which", "steps"), [("LAST", -1), ("THIS", 0), ("NEXT", 1)])
def test_periods_end(unit: Unit, which: Which, steps: int) -> None:
    for day in DAYS:
        first, last = PeriodEnd(unit, steps, last=False), PeriodEnd(unit, steps, last=True)
        expected = calendar_days(ast.Calendar(which, unit), day)
        assert (constant_day(first, day), constant_day(last, day)) == expected
        assert (day_of(first, day), day_of(last, day)) == expected
        assert (period_end(day, unit, steps, last=False), period_end(day, unit, steps, last=True)) == expected


@pytest.mark.parametrize("unit", get_args(ast.Unit))
@pytest.mark.parametrize(
    ("count", "day", "end"),
    [
        (10**7, date(2023, 12, 31), date.max),
        (10**12, date(2023, 12, 31), date.max),
        (-(10**7), date(2024, 1, 1), date.min),
    ],
)
def test_past_the_end_of_the_calendar_is_its_end(unit: ast.Unit, count: int, day: date, end: date) -> None:
    found = Shifted(OnDay(0), count, unit)
    assert constant_day(found, day) == day_of(found, day) == end


def test_around_today_and_as_they_are() -> None:
    for day in DAYS:
        for offset in (-1, 0, 1):
            assert constant_day(OnDay(offset), day) == day_of(OnDay(offset), day) == day + timedelta(offset)
        assert constant_day(Value(DATE, DAYS[0]), day) == day_of(Value(DATE, DAYS[0]), day) == DAYS[0]
