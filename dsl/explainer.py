"""English for a filter: one exact sentence in which the binding can be seen.

Read from the lowered tree, so "one invoice" is one EXISTS. Filters that differ in meaning never read the same: what is
said of one row is joined by "and", what stands beside it by ", and"; anything deeper is in brackets.
"""

import re
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import assert_never, cast

from dsl import typed
from dsl.constants import day_of
from dsl.literals import quoted
from dsl.operators import EQUAL
from dsl.typed import Absent, Compare, FieldOf, Filter, OneOf, Operand, Predicate, Range, Row, Value
from dsl.types import FLAG, Kind

_Test = Compare | Range | OneOf | Absent


@lru_cache(maxsize=2_000)
def english(filter_: Filter, as_of: date) -> str:
    """The sentence of a lowered filter; relative days are printed with the dates they stand for."""
    plural = filter_.root.entity.plural
    if filter_.condition == typed.TRUE:
        return f"All {plural}."
    return f"{plural.capitalize()} {english_condition(filter_.condition, filter_.root, as_of)}."


def english_condition(condition: Predicate, subject: Row, as_of: date, *, several: bool = True) -> str:
    """A condition on such rows (or on one of them), as it reads inside the sentence."""
    return _English(as_of, subject, several).whole(condition)


def english_operand(operand: Operand, subject: Row, as_of: date) -> str:
    """What is compared, as a noun: "balance"."""
    about = _English(as_of, subject)
    named = about.named(operand)
    return named[1] if named else about.operand(operand)


@dataclass(frozen=True, slots=True)
class _English:
    """What is said of a subject: of one row, or of several such rows."""

    as_of: date
    subject: Row
    several: bool = False

    def about(self, row: Row, *, several: bool = False) -> "_English":
        return _English(self.as_of, row, several)

    # ------------------------------------------------------------ conditions

    def whole(self, node: Predicate) -> str:
        match node:
            case typed.And(items):
                return (" and " if all(map(_as_test, items)) else ", and ").join(map(self.part, items))
            case typed.Or(items):
                return "either " + ", or ".join(map(self.part, items))
            case _:
                return self.part(node)

    def part(self, node: Predicate) -> str:
        """A phrase that follows its subject: "whose rating is 'D'", "with one invoice …"."""
        if test := _as_test(node):
            return self.test(test)
        match node:
            case typed.InSegment():
                return self.in_segment(node)
            case typed.And() | typed.Or():
                return f"({self.whole(node)})"
            case typed.Constant(value):
                return "of any kind" if value else "of no kind"
            case typed.Exists(row, inner) | typed.Block("ANY", row, inner) | typed.Not(typed.Block("NO", row, inner)):
                return self.having(row, f"one {row.entity.english}", inner)
            case typed.Block("NO", row, inner) | typed.Not(typed.Exists(row, inner) | typed.Block("ANY", row, inner)):
                return self.having(row, f"no {row.entity.english}", inner)
            case typed.Block(_, row, inner):
                return self.having(row, f"one or more {_plural(row)}, each one", inner)
            case typed.Not(inner):
                return f"not among those {self.bracketed(inner)}"
            case _:
                raise TypeError(node)

    def in_segment(self, node: typed.InSegment) -> str:
        said = f"{'not ' if node.negated else ''}in the segment {quoted(node.segment)}"
        if node.row == self.subject:
            return f"that {'are' if self.several else 'is'} {said}"
        return f"whose {node.row.entity.english} is {said}"

    def having(self, row: Row, rows: str, condition: Predicate) -> str:
        """Rows of the subject, or of the one that the subject belongs to: an invoice's customer has payments."""
        said = f"with {rows}{self.about(row).such(condition)}"
        return said if row.owner in (self.subject, None) else f"whose {row.owner.entity.english} is one {said}"

    def such(self, condition: Predicate) -> str:
        """What is said of one row, after its noun."""
        if condition == typed.TRUE:
            return ""
        items = condition.conditions if isinstance(condition, typed.And) else (condition,)
        return f" {self.whole(condition)}" if all(map(_as_test, items)) else f" {self.bracketed(condition)}"

    def bracketed(self, condition: Predicate) -> str:
        return f"({self.whole(condition)})"

    # ------------------------------------------------------------ tests

    def test(self, node: _Test) -> str:
        left, *others = cast(list[Operand], list(typed.children(node)))
        match node:
            case Compare(_, FieldOf() as flag, Value(_, bool() as value), negated):
                said = self.flag(flag, value is not negated)
            case Compare() | Range() | OneOf() if not node.negated and (phrase := self.phrase(left, others)):
                said = _agreeing(phrase.replace("{}", self.verb(node, left, others).removeprefix("is ")), self.several)
            case _:
                said = f"{self.whose(left)} {self.verb(node, left, others)}"
        unknown = node.negated and not isinstance(node, Absent) and left.type.kind is not Kind.SET
        return f"{said} (or missing)" if unknown and any(map(_may_be_missing, (left, *others))) else said

    def flag(self, operand: FieldOf, holds: bool) -> str:
        clause = operand.field.clause if holds else _denied(operand.field.clause)
        if operand.row == self.subject:
            return _agreeing(clause, self.several)
        begins = next(word for word in _RELATIVE if clause.startswith(word))
        return _RELATIVE[begins].format(operand.row.entity.english) + clause.removeprefix(begins)

    def phrase(self, left: Operand, others: list[Operand]) -> str:
        """How a test of this field against plain values reads in fewer words; nothing if it has no such form."""
        if not isinstance(left, FieldOf) or left.row != self.subject or not all(map(_is_plain, others)):
            return ""
        last = others[-1]
        alone = isinstance(last, Value) and last.value == 1
        return left.field.phrase.replace("{} days", "{} day") if alone else left.field.phrase

    def verb(self, node: _Test, left: Operand, others: list[Operand]) -> str:
        said = [self.operand(other) for other in others]
        match node:
            case OneOf(operator, values=(_,), negated=negated) if operator.single:
                return operator.single[negated].replace("{}", said[0])
            case Range(period=period) if period:
                right = f"{_period(period)} ({_days(*(day_of(other, self.as_of) for other in others))})"
            case Range():
                right = " and ".join(said)
            case _:
                right = ", ".join(said)
        return node.operator.english(left.type.kind, node.negated).replace("{}", right)

    def whose(self, operand: Operand) -> str:
        """The left side of a test: "whose balance", "whose customer's rating", "where their amount minus …"."""
        if (named := self.named(operand)) is None:
            return f"where {self.operand(operand)}"
        row, noun = named
        return f"whose {noun}" if row == self.subject else f"whose {row.entity.english}'s {noun}"

    # ------------------------------------------------------------ operands

    def operand(self, node: Operand) -> str:
        if named := self.named(node):
            row, noun = named
            return f"{self.own if row == self.subject else _the(row)} {noun}"
        match node:
            case Value():
                return _value(node)
            case typed.Unbound(_, name):
                return f"${name}"
            case typed.OnDay(offset):
                return f"{_AROUND_TODAY[offset + 1]} ({_day(day_of(node, self.as_of))})"
            case typed.PeriodEnd():
                return _day(day_of(node, self.as_of))
            case typed.Factor(inner):
                return self.operand(inner)
            case typed.Arithmetic():
                return self.arithmetic(node)
            case typed.Shifted() | typed.ShiftedBy():
                moved = self.moved(node)
                return f"{moved} ({_day(day_of(node, self.as_of))})" if typed.is_constant(node) else moved
            case typed.DaysBetween(later, earlier):
                return f"the number of days from {self.nested(earlier)} to {self.nested(later)}"
            case _:
                raise TypeError(node)

    @property
    def own(self) -> str:
        return "their" if self.several else "its"

    def named(self, node: Operand) -> tuple[Row, str] | None:
        """What belongs to a row: the row, and the noun for it."""
        match node:
            case FieldOf(row, field):
                return row, field.noun
            case typed.Aggregated(row=Row(owner=Row() as owner)):
                return owner, self.aggregated(node)
            case typed.FirstOf(row=Row(owner=Row() as owner)):
                return owner, self.first(node)
            case typed.Converted(inner, _, target) if named := self.named(inner):
                return named[0], f"{named[1]} in {target.code}" if target.code else named[1]
            case _:
                return None

    def aggregated(self, node: typed.Aggregated) -> str:
        of_rows = self.about(node.row, several=True)
        rows = _plural(node.row) + ("" if node.where == typed.TRUE else f" {of_rows.bracketed(node.where)}")
        if node.operand is None:
            return f"number of {rows}"
        return f"{_REDUCED[node.function, node.type.kind is Kind.DATE]} {of_rows.noun(node.operand)} of {rows}"

    def first(self, node: typed.FirstOf) -> str:
        of_row = self.about(node.row)
        keys = [f"by {of_row.noun(key)}{' descending' if descending else ''}" for key, descending in node.keys]
        kept = "" if node.where == typed.TRUE else f"{of_row.whole(node.where)}, "
        return f"{of_row.noun(node.operand)} of the first {node.row.entity.english} ({kept}{', then '.join(keys)})"

    def noun(self, node: Operand) -> str:
        named = self.named(node)
        assert named is not None
        return named[1]

    def arithmetic(self, node: typed.Arithmetic) -> str:
        sides = (side.operand if isinstance(side, typed.Factor) else side for side in (node.left, node.right))
        left, right = map(self.nested, sides)
        of_something = isinstance(node.left, typed.Factor) and isinstance(node.left.operand, Value)
        share = node.operator == "*" and of_something and not typed.is_constant(node.right)
        return f"{left} {'of' if share else _CALCULATED[node.operator]} {right}"

    def moved(self, node: typed.Shifted | typed.ShiftedBy) -> str:
        """`today - 2 weeks`: the day that it comes to is said once, at its end."""
        start = node.operand
        match start:
            case typed.OnDay(offset):
                from_day = _AROUND_TODAY[offset + 1]
            case typed.Shifted() | typed.ShiftedBy():
                from_day = f"({self.moved(start)})"
            case _:
                from_day = self.nested(start)
        match node:
            case typed.Shifted(_, count, unit):
                span, back = f"{abs(count):,} {_agreeing_unit(abs(count), unit)}", count < 0
            case typed.ShiftedBy(_, Value(_, Decimal() as days), back):
                span = f"{_number(days)} {_agreeing_unit(days, 'DAYS')}"
            case typed.ShiftedBy(_, days, back):
                span = f"({self.operand(days)}) days"
        return f"{span} {'before' if back else 'after'} {from_day}"

    def nested(self, node: Operand) -> str:
        whole = isinstance(node, Value | typed.OnDay | typed.Unbound) or self.named(node)
        return self.operand(node) if whole else f"({self.operand(node)})"


# ---------------------------------------------------------------- small questions


def _as_test(node: Predicate) -> _Test | None:
    """A condition without a quantifier as one test: a flag as a comparison, NOT as the complement."""
    match node:
        case typed.Holds(operand):
            return Compare(EQUAL, operand, Value(FLAG, True))
        case Compare() | Range() | OneOf() | Absent():
            return node
        case typed.Not(inner) if test := _as_test(inner):
            return replace(test, negated=not test.negated)
        case _:
            return None


def _is_plain(operand: Operand) -> bool:
    return isinstance(operand, Value | typed.OnDay | typed.PeriodEnd | typed.Shifted) and typed.is_constant(operand)


def _may_be_missing(operand: Operand) -> bool:
    match operand:
        case FieldOf(row, field):
            return not field.required or (row.entity.name == "group" and row.owner is not None)
        case typed.Aggregated(function=function):
            return function not in ("COUNT", "SUM")
        case typed.FirstOf() | typed.Arithmetic(operator="/") | typed.Converted():
            return True  # a converted amount, where there is no rate for the day
        case _:
            return any(_may_be_missing(cast(Operand, child)) for child in typed.children(operand))


# ---------------------------------------------------------------- words

_AROUND_TODAY = ("yesterday", "today", "tomorrow")
_CALCULATED = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
_CALENDAR = {"LAST": "the previous", "THIS": "this", "NEXT": "the following"}
# A function of quantities, and of dates.
_REDUCED = {
    ("SUM", False): "total", ("AVG", False): "average", ("MIN", False): "least", ("MAX", False): "greatest",
    ("MIN", True): "earliest", ("MAX", True): "latest",
}  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


# What is said of the subject, said of a row that it belongs to.
_RELATIVE = {"that ": "whose {} ", "whose ": "whose {}'s ", "for which ": "for whose {} "}


def _plural(row: Row) -> str:
    return row.entity.plural.replace("_", " ")


def _the(row: Row) -> str:
    return f"the {row.entity.english}'s"


def _agreeing(clause: str, several: bool) -> str:
    return re.sub("^that (is|was) ", lambda verb: f"that {_SEVERAL[verb[1]]} ", clause) if several else clause


_SEVERAL = {"is": "are", "was": "were"}


def _denied(clause: str) -> str:
    return re.sub(" (is|are|was) ", r" \1 not ", clause, count=1)


def _agreeing_unit(count: int | Decimal, unit: str) -> str:
    return unit.lower().removesuffix("s" if count == 1 else "")


def _period(written: str) -> str:
    """LAST 30 DAYS: the last 30 days; THIS MONTH: this month; LAST WEEK: the previous week."""
    which, *count, unit = written.split()
    if not count:
        return f"{_CALENDAR[which]} {unit.lower()}"
    return f"the {which.lower()} {int(count[0]):,} {_agreeing_unit(int(count[0]), unit)}"


def _value(node: Value) -> str:
    match node.value:
        case bool():
            return "true" if node.value else "false"
        case Decimal():
            unit = "%" if node.type.kind is Kind.PERCENT else f" {node.currency}" if node.currency else ""
            return _number(node.value) + unit
        case date():
            return _day(node.value)
        case str():
            return quoted(node.value)
        case _:
            assert_never(node.value)


def _number(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _days(first: date, last: date) -> str:
    """From a day to a day; a month and a year that both have are said once."""
    if first == last:
        return _day(first)
    start = str(first.day) if first.month == last.month else f"{first.day} {_MONTHS[first.month - 1]}"
    return f"{start if first.year == last.year else _day(first)} to {_day(last)}"
