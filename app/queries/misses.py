"""What a test compared, and by how much it misses: values, the gap, and the sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from app.cells import Cell
from dsl import typed
from dsl.explainer import english_operand
from dsl.literals import quoted
from dsl.operators import LESS, LESS_OR_EQUAL, MORE, MORE_OR_EQUAL
from dsl.typed import Operand, Predicate
from dsl.types import QUANTITIES, Kind

Document = dict[str, Any]
Value = Fraction | date | str | bool | list[str] | None

_DECIMALS, _MOST_DECIMALS = 6, 30  # of what never ends, such as a third; and of what does
_NEEDS = {MORE: "more than", MORE_OR_EQUAL: "at least", LESS: "less than", LESS_OR_EQUAL: "at most"}
_NEEDS_DAY = {MORE: "after", MORE_OR_EQUAL: "on or after", LESS: "before", LESS_OR_EQUAL: "on or before"}


def operands(test: Predicate) -> tuple[Operand, ...]:
    """What a test compares, whose values are asked for: its left side first. Lists are told by the text."""
    match test:
        case typed.Compare(_, left, right):
            return left, right
        case typed.Range(_, operand, low, high):
            return operand, low, high
        case typed.OneOf(_, operand) | typed.Absent(_, operand):
            return (operand,)
        case typed.Holds(operand):
            return (operand,)
        case _:
            return ()


def read(asked: Sequence[Operand], columns: Iterator[Any]) -> tuple[Value, ...]:
    """Values as exact numbers, days, texts; `columns` are those of a probe, and used up as far as need be."""
    return tuple(_read(operand.type.kind, columns) for operand in asked)


def _read(kind: Kind, columns: Iterator[Any]) -> Value:
    value = next(columns)
    if kind not in QUANTITIES:
        return [] if value is None and kind is Kind.SET else value
    below = next(columns)
    return None if value is None or below is None else Fraction(value) / Fraction(below)


@dataclass(frozen=True, slots=True)
class Compared:
    """A test of one row, with the values of its operands."""

    subject: typed.Row
    test: Predicate
    values: tuple[Value, ...]
    holds: bool
    as_of: date

    def document(self) -> Document:
        if not self.values:
            return {}
        asked = operands(self.test)
        shown = [show(operand.type.kind, value) for operand, value in zip(asked, self.values, strict=True)]
        found: Document = {"actual": shown[0]}
        if any(not isinstance(operand, typed.Value) for operand in asked[1:]):
            found["compared_with"] = shown[1] if len(shown) == 2 else shown[1:]
        if (gap := self.gap()) is not None:
            found["short_by"] = show(Kind.DAYS if isinstance(self.values[0], date) else asked[0].type.kind, gap)
        return found if self.holds else found | {"detail": self.sentence()}

    def gap(self) -> Fraction | None:
        """How far a failing comparison of an order misses."""
        match self.test, self.values:
            case _ if self.holds:
                return None
            case typed.Compare(operator, negated=False), (left, right) if operator in _NEEDS:
                return _distance(left, right)
            case typed.Range(negated=False), (value, low, high):
                return _outside(value, low, high)
            case _:
                return None

    def sentence(self) -> str:
        operand, *others = operands(self.test)
        noun = english_operand(operand, self.subject, self.as_of)
        named = noun if isinstance(operand, typed.FieldOf | typed.Converted) else f"{noun}:"
        return f"{named} {say(operand.type.kind, self.values[0])}, needs {self.needed(operand.type.kind, others)}"

    def needed(self, kind: Kind, others: list[Operand]) -> str:
        said = [say(other.type.kind, value) for other, value in zip(others, self.values[1:], strict=True)]
        match self.test:
            case typed.Compare(operator, left, negated=False) if operator in _NEEDS and not left.type.ordered:
                words = _NEEDS_DAY if kind is Kind.DATE else _NEEDS
                return f"{words[operator]} {said[0]}"
            case typed.Compare(operator, negated=negated):
                return _needs(kind, operator.english(kind, negated), said)
            case typed.Range(operator, period=period, negated=negated):
                return _needs(kind, operator.english(kind, negated), [(" to " if period else " and ").join(said)])
            case typed.OneOf(operator, values=values, negated=negated):
                return _needs(kind, operator.english(kind, negated), [_literal(value) for value in values])
            case typed.Absent(operator, negated=negated):
                return _needs(kind, operator.english(kind, negated), [])
            case _:
                return "yes"


def _needs(kind: Kind, verb: str, values: list[str]) -> str:
    said = verb.replace("{}", ", ".join(values))
    if said.startswith("is "):
        return said.removeprefix("is ")
    return f"{'ones' if kind is Kind.SET else 'one'} that {said}"


def _distance(one: Value, other: Value) -> Fraction | None:
    match one, other:
        case Fraction(), Fraction():
            return abs(one - other)
        case date(), date():
            return Fraction(abs((one - other).days))
        case _:
            return None


def _outside(value: Value, low: Value, high: Value) -> Fraction | None:
    """To the end that is missed; reversed ends are missed by any value."""
    below, above = _distance(value, low), _distance(value, high)
    match value, low, high:
        case (Fraction(), Fraction(), _) if value < low:
            return below
        case (date(), date(), _) if value < low:
            return below
        case _:
            return above


# ---------------------------------------------------------------- values, for JSON and for a sentence


def show(kind: Kind, value: Value) -> Cell:
    """As the cells of a row. What never ends is rounded."""
    match value:
        case Fraction():
            if kind in (Kind.COUNT, Kind.DAYS) and value.denominator == 1:
                return int(value)
            return _digits(value, 2 if kind is Kind.MONEY else 0)
        case date():
            return value.isoformat()
        case _:
            return value


def say(kind: Kind, value: Value) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "yes" if value else "no"
        case Fraction():
            whole, point, part = str(show(kind, abs(value))).partition(".")
            sign, unit = "-" if value < 0 else "", "%" if kind is Kind.PERCENT else ""
            return f"{sign}{int(whole):,}{point}{part}{unit}"
        case list():
            return ", ".join(map(quoted, value)) or "empty"
        case date():
            return value.isoformat()
        case _:
            return quoted(value)


def _literal(operand: Operand) -> str:
    match operand:
        case typed.Value(type, Decimal() as value):
            return say(type.kind, Fraction(value))
        case typed.Value(type, str() | date() as value):
            return say(type.kind, value)
        case _:
            return "a calculated one"


def _digits(value: Fraction, least: int) -> str:
    """With as many decimals as it has, at least so many."""
    places = next((places for places in range(_MOST_DECIMALS) if 10**places % value.denominator == 0), _DECIMALS)
    number = abs(value) * 10**places
    digits = str((2 * number.numerator + number.denominator) // (2 * number.denominator)).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    part = part.rstrip("0").ljust(least, "0")
    return f"{'-' if value < 0 else ''}{whole}{'.' if part else ''}{part}"
