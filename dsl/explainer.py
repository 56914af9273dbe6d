"""English for a filter: one exact sentence in which the binding can be seen.

Read from the lowered tree, so "one invoice" is one EXISTS. Filters that differ in meaning never read the same: what is
inside a phrase is joined by "and", what stands beside it by ", and"; anything deeper is in brackets.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import assert_never

from dsl import typed
from dsl.calendar import day_of
from dsl.formatter import plain, quoted
from dsl.typed import Filter, Operand, Predicate, Row
from dsl.types import FLAG, Kind


def english(filter_: Filter, as_of: date) -> str:
    """The sentence of a lowered filter; relative days are printed as the dates they stand for."""
    entity = filter_.root.entity
    if filter_.condition == typed.TRUE:
        return f"All {entity.plural}."
    return f"{entity.plural.capitalize()} {_English(as_of).whole(filter_.condition, filter_.root)}."


def english_condition(condition: Predicate, subject: Row, as_of: date) -> str:
    """One condition of a filter, as it reads inside the sentence."""
    return _English(as_of).whole(condition, subject)


@dataclass(frozen=True, slots=True)
class _English:
    as_of: date

    # ------------------------------------------------------------ conditions

    def whole(self, node: Predicate, subject: Row) -> str:
        match node:
            case typed.And(items):
                return ", and ".join(self.part(item, subject) for item in items)
            case typed.Or(items):
                return "either " + ", or ".join(self.part(item, subject) for item in items)
            case _:
                return self.part(node, subject)

    def part(self, node: Predicate, subject: Row) -> str:
        """A phrase that follows its subject: "whose rating is 'D'", "with one invoice …"."""
        match node:
            case typed.And() | typed.Or():
                return f"({self.whole(node, subject)})"
            case typed.Constant(value):
                return "that exist" if value else "that do not exist"
            case typed.Not(typed.Exists(row, inner)) | typed.Block("NO", row, inner):
                return f"with no {row.entity.english}{self.such(inner, row)}"
            case typed.Not(inner):
                return f"not among those ({self.whole(inner, subject)})"
            case typed.Exists(row, inner) | typed.Block("ANY", row, inner):
                return f"with one {row.entity.english}{self.such(inner, row)}"
            case typed.Block(_, row, inner):
                return f"with at least one {row.entity.english}, every one of them ({self.whole(inner, row)})"
            case typed.Holds(operand):
                return self.flag(operand, True, subject)
            case typed.Compare(_, typed.FieldOf() as operand, typed.Value(kind, bool() as value), negated) if kind is FLAG:
                return self.flag(operand, value is not negated, subject)
            case typed.Compare() | typed.Range() | typed.OneOf() | typed.Absent():
                return self.test(node, subject)
            case _:
                assert_never(node)

    def such(self, condition: Predicate, row: Row) -> str:
        """What is said of one row, after its noun."""
        if condition == typed.TRUE:
            return ""
        items = condition.conditions if isinstance(condition, typed.And) else (condition,)
        if all(isinstance(item, typed.Holds | typed.Compare | typed.Range | typed.OneOf | typed.Absent) for item in items):
            return f" {' and '.join(self.part(item, row) for item in items)}"
        return f" ({self.whole(condition, row)})"

    def flag(self, operand: typed.FieldOf, holds: bool, subject: Row) -> str:
        clause = operand.field.clause if holds else f"it is not so that {operand.field.clause}"
        of = "" if operand.row == subject else f" for the {operand.row.entity.english}"
        return f"for which {clause}{of}"

    def test(self, node: typed.Compare | typed.Range | typed.OneOf | typed.Absent, subject: Row) -> str:
        match node:
            case typed.Compare(_, left, right):
                said = self.operand(right, subject)
            case typed.Range(_, left, low, high) if node.period:
                said = self.period(node)
            case typed.Range(_, left, low, high):
                said = f"{self.operand(low, subject)} and {self.operand(high, subject)}"
            case typed.OneOf(_, left, values):
                said = ", ".join(self.operand(value, subject) for value in values)
            case typed.Absent(_, left):
                said = ""
        verb = node.operator.english(left.type.kind, node.negated).replace("{}", said)
        if isinstance(left, typed.FieldOf) and left.row == subject:
            return f"whose {left.field.noun} {verb}"
        return f"where {self.operand(left, subject)} {verb}"

    def period(self, node: typed.Range) -> str:
        low, high = day_of(node.low, self.as_of), day_of(node.high, self.as_of)
        return f"{_period_name(node.period)} ({_long(low)} to {_long(high)})"

    # ------------------------------------------------------------ operands

    def operand(self, node: Operand, subject: Row) -> str:
        match node:
            case typed.Value():
                return _value(node)
            case typed.Unbound(_, name):
                return f"${name}"
            case typed.OnDay(offset):
                return f"{('yesterday', 'today', 'tomorrow')[offset + 1]} ({_long(day_of(node, self.as_of))})"
            case typed.PeriodEnd():
                return _long(day_of(node, self.as_of))
            case typed.FieldOf(row, field):
                return f"{_whose(row, subject)} {field.noun}"
            case typed.Converted(inner, _, target):
                return self.operand(inner, subject) + (f" in {target.code}" if target.code else "")
            case typed.Factor(inner):
                return self.operand(inner, subject)
            case typed.Arithmetic():
                return self.arithmetic(node, subject)
            case typed.Shifted(inner, count, unit):
                return self.shifted(node, f"{abs(count):,} {unit.lower()}", inner, count < 0, subject)
            case typed.ShiftedBy(inner, days, back):
                return self.shifted(node, f"{self.nested(days, subject)} days", inner, back, subject)
            case typed.DaysBetween(later, earlier):
                return f"the days from {self.nested(earlier, subject)} to {self.nested(later, subject)}"
            case typed.Aggregated():
                return self.aggregated(node, subject)
            case typed.FirstOf(row, inner, where, keys):
                order = ", then ".join(
                    f"{self.operand(key, row)}{' from the last' if descending else ''}" for key, descending in keys
                )
                return f"{self.operand(inner, row)} of the first {row.entity.english}{self.those(where, row)} by {order}"
            case _:
                assert_never(node)

    def nested(self, node: Operand, subject: Row) -> str:
        text = self.operand(node, subject)
        return text if isinstance(node, typed.Value | typed.FieldOf | typed.OnDay | typed.Unbound) else f"({text})"

    def arithmetic(self, node: typed.Arithmetic, subject: Row) -> str:
        left, right = self.nested(node.left, subject), self.nested(node.right, subject)
        if node.operator == "*" and isinstance(node.left, typed.Factor):
            return f"{self.nested(node.left.operand, subject)} of {right}"
        word = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[node.operator]
        return f"{left} {word} {right}"

    def shifted(self, node: Operand, by: str, start: Operand, back: bool, subject: Row) -> str:
        text = f"{by} {'before' if back else 'after'} {self.nested(start, subject)}"
        return f"{text} ({_long(day_of(node, self.as_of))})" if typed.is_constant(node) else text

    def aggregated(self, node: typed.Aggregated, subject: Row) -> str:
        rows = f"{node.row.entity.plural.replace('_', ' ')}{self.those(node.where, node.row)}"
        whose = _whose(node.row.owner, subject)
        if node.operand is None:
            return f"the number of {whose} {rows}"
        field = node.operand.operand if isinstance(node.operand, typed.Converted) else node.operand
        label = field.field.noun if isinstance(field, typed.FieldOf) else self.operand(field, node.row)
        word = {"SUM": "total", "AVG": "average", "MIN": "least", "MAX": "greatest"}[node.function]
        if node.type.kind is Kind.DATE:
            word = "earliest" if node.function == "MIN" else "latest"
        return f"the {word} {label} of {whose} {rows}"

    def those(self, where: Predicate, row: Row) -> str:
        return "" if where == typed.TRUE else f" ({self.whole(where, row)})"


def _whose(row: Row | None, subject: Row) -> str:
    return "its" if row is None or row == subject else f"the {row.entity.english}'s"


def _period_name(written: str) -> str:
    """LAST 30 DAYS: the last 30 days; THIS MONTH: this month; LAST WEEK: last week."""
    words = written.lower().split()
    return f"the {' '.join(words)}" if len(words) == 3 else " ".join(words)


def _value(node: typed.Value) -> str:
    match node.value:
        case bool():
            return "true" if node.value else "false"
        case Decimal():
            text = _grouped(node.value)
            if node.type.kind is Kind.PERCENT:
                return f"{text}%"
            return f"{text} {node.currency}" if node.currency else text
        case date():
            return _long(node.value)
        case str():
            return quoted(node.value)
        case _:
            assert_never(node.value)


def _grouped(value: Decimal) -> str:
    digits, point, rest = plain(value).partition(".")
    return f"{int(digits):,}{point}{rest}" if digits not in ("-0", "-") else f"{digits}{point}{rest}"


def _long(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
