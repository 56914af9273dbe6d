"""The checked filter: every name resolved to a field of a row, every operand typed, every currency decided.

`check` makes these trees, `lower` adds the `Exists`; `compile`, `explain` and `warn` read nothing else.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Literal, cast

from dsl.catalog import Entity, Field
from dsl.diagnostics import NOWHERE, Span
from dsl.operators import Operator
from dsl.types import COUNT, DATE, DAYS, NUMBER, Kind, Type


class Role(StrEnum):
    """How a row is found: it is at hand, a bare condition speaks of it, or a block or aggregate ranges over it."""

    AT_HAND = "at hand"
    BARE = "bare"
    BOUND = "bound"


@dataclass(frozen=True, slots=True)
class Row:
    """A row variable. `owner` is the row it belongs to: an invoice's customer, a member's group."""

    entity: Entity
    role: Role
    number: int = 0
    owner: "Row | None" = None


@dataclass(frozen=True, slots=True)
class Currency:
    """That of a row (its document or account), a named one, or with neither the company's base currency."""

    row: Row | None = None
    code: str | None = None


BASE = Currency()

# ---------------------------------------------------------------- operands


@dataclass(frozen=True, slots=True)
class Value:
    """A literal. Money that names no currency has the currency of what it is compared with."""

    type: Type
    value: Decimal | str | date | bool
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Unbound:
    """A parameter whose value has not come yet; `denominator` is what a whole number is over, `many` a list."""

    type: Type
    name: str
    denominator: int | None = None
    many: bool = False


@dataclass(frozen=True, slots=True)
class OnDay:
    """The as-of day, or the day before or after it."""

    offset: int
    type: Type = DATE


@dataclass(frozen=True, slots=True)
class PeriodEnd:
    """First or last day of the calendar week, month, quarter or year that lies `steps` from that of the as-of day."""

    unit: Literal["WEEK", "MONTH", "QUARTER", "YEAR"]
    steps: int
    last: bool
    type: Type = DATE


@dataclass(frozen=True, slots=True)
class FieldOf:
    row: Row
    field: Field

    @property
    def type(self) -> Type:
        return self.field.type


@dataclass(frozen=True, slots=True)
class Converted:
    operand: "Operand"
    source: Currency
    target: Currency

    @property
    def type(self) -> Type:
        return self.operand.type


@dataclass(frozen=True, slots=True)
class Factor:
    """A percentage used as a number: 20% is 0.2."""

    operand: "Operand"
    type: Type = NUMBER


@dataclass(frozen=True, slots=True)
class Arithmetic:
    type: Type
    operator: Literal["+", "-", "*", "/"]
    left: "Operand"
    right: "Operand"


@dataclass(frozen=True, slots=True)
class Shifted:
    """A date moved by whole days, weeks, months or years; `count` may be negative."""

    operand: "Operand"
    count: int
    unit: Literal["DAYS", "WEEKS", "MONTHS", "YEARS"]
    type: Type = DATE


@dataclass(frozen=True, slots=True)
class ShiftedBy:
    """A date moved by a number of days that is itself calculated."""

    operand: "Operand"
    days: "Operand"
    back: bool
    type: Type = DATE


@dataclass(frozen=True, slots=True)
class DaysBetween:
    later: "Operand"
    earlier: "Operand"
    type: Type = DAYS


@dataclass(frozen=True, slots=True)
class Aggregated:
    """COUNT has no operand."""

    type: Type
    function: Literal["COUNT", "SUM", "AVG", "MIN", "MAX"]
    row: Row
    operand: "Operand | None"
    where: "Predicate"


@dataclass(frozen=True, slots=True)
class FirstOf:
    row: Row
    operand: "Operand"
    where: "Predicate"
    keys: "tuple[tuple[Operand, bool], ...]"

    @property
    def type(self) -> Type:
        return self.operand.type


Operand = (
    Value
    | Unbound
    | OnDay
    | PeriodEnd
    | FieldOf
    | Converted
    | Factor
    | Arithmetic
    | Shifted
    | ShiftedBy
    | DaysBetween
    | Aggregated
    | FirstOf
)

# ---------------------------------------------------------------- predicates


@dataclass(frozen=True, slots=True)
class _Predicate:
    """`free` are the rows that a predicate speaks of and does not itself range over, with their owners."""

    free: frozenset[Row] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "free", _free(cast(Predicate, self)))


@dataclass(frozen=True, slots=True)
class Constant(_Predicate):
    value: bool


@dataclass(frozen=True, slots=True)
class Compare(_Predicate):
    """`negated` is the exact complement, so a missing side meets it. So for every test below."""

    operator: Operator
    left: Operand
    right: Operand
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Range(_Predicate):
    """BETWEEN, or a period of days; both ends are included. `period` is how the period was written."""

    operator: Operator
    operand: Operand
    low: Operand
    high: Operand
    negated: bool = False
    period: str = ""
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class OneOf(_Predicate):
    operator: Operator
    operand: Operand
    values: tuple[Operand, ...]
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Absent(_Predicate):
    operator: Operator
    operand: Operand
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Holds(_Predicate):
    operand: FieldOf
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class InSegment(_Predicate):
    """The row is among the members that another filter describes: as it was checked, and with every EXISTS explicit."""

    row: Row
    segment: str
    members: "Filter"
    explicit: "Filter"
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Block(_Predicate):
    quantifier: Literal["ANY", "NO", "ALL"]
    row: Row
    condition: "Predicate"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Exists(_Predicate):
    """One row that meets every condition on it: what lowering makes of bare conditions."""

    row: Row
    condition: "Predicate"


@dataclass(frozen=True, slots=True)
class Not(_Predicate):
    condition: "Predicate"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class And(_Predicate):
    conditions: "tuple[Predicate, ...]"
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Or(_Predicate):
    conditions: "tuple[Predicate, ...]"
    span: Span = field(default=NOWHERE, compare=False)


Test = Compare | Range | OneOf | Absent | Holds
Predicate = Constant | Test | InSegment | Block | Exists | Not | And | Or


@dataclass(frozen=True, slots=True)
class Filter:
    """A checked (and, after lowering, explicit) filter about `root`: the customer or the group."""

    root: Row
    condition: Predicate
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.root, self.condition)))

    def __hash__(self) -> int:
        return self._hash


# ---------------------------------------------------------------- reading a tree


def both(conditions: Iterator[Predicate] | list[Predicate]) -> Predicate:
    """AND, without what is known already: A AND (A OR B) is A."""
    kept: list[Predicate] = []
    for condition in conditions:
        if condition == FALSE:
            return FALSE
        if condition != TRUE:
            kept += condition.conditions if isinstance(condition, And) else (condition,)
    kept = list(dict.fromkeys(kept))
    kept = [one for one in kept if not (isinstance(one, Or) and any(other in kept for other in one.conditions))]
    return And(tuple(kept)) if len(kept) > 1 else kept[0] if kept else TRUE


def either(conditions: Iterator[Predicate] | list[Predicate]) -> Predicate:
    """OR, without what is known already: A OR A AND B is A."""
    kept: list[Predicate] = []
    for condition in conditions:
        if condition == TRUE:
            return TRUE
        if condition != FALSE:
            kept += condition.conditions if isinstance(condition, Or) else (condition,)
    kept = list(dict.fromkeys(kept))
    kept = [one for one in kept if not (isinstance(one, And) and any(other in kept for other in one.conditions))]
    return Or(tuple(kept)) if len(kept) > 1 else kept[0] if kept else FALSE


Node = Operand | Predicate


def children(node: Node) -> Iterator[Node]:
    for name in _child_fields(cast(Hashable, type(node))):
        value = getattr(node, name)
        if isinstance(value, _NODES):
            yield value
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, tuple):
                    yield item[0]
                else:
                    yield item


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from nodes(child)


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """The tree with `change` applied to every node, children first."""
    fresh = {name: _rebuilt_part(getattr(node, name), change) for name in _child_fields(cast(Hashable, type(node)))}
    return change(replace(cast(And, node), **fresh) if fresh else node)


def _rebuilt_part(part: Any, change: Callable[[Node], Node]) -> Any:
    """A child, a tuple of children, a sort key (child, descending), or a plain value."""
    if isinstance(part, tuple):
        return tuple(_rebuilt_part(item, change) for item in part)
    return rebuilt(part, change) if isinstance(part, _NODES) else part


def with_rows(node: Node, rows: Mapping[Row, Row]) -> Node:
    """The tree about other rows. What a row owns follows its owner."""

    def swapped(row: Row) -> Row:
        return rows.get(row) or (replace(row, owner=swapped(row.owner)) if row.owner else row)

    def currency(old: Currency) -> Currency:
        return replace(old, row=swapped(old.row)) if old.row else old

    def change(part: Node) -> Node:
        match part:
            case Converted(operand, source, target):
                return Converted(operand, currency(source), currency(target))
            case FieldOf() | Aggregated() | FirstOf() | Block() | Exists() | InSegment():
                return replace(part, row=swapped(part.row))
            case _:
                return part

    return rebuilt(node, change)


@cache
def _child_fields(kind: Hashable) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cast(type[Value], kind)) if item.name not in _NOT_CHILDREN)


_NOT_CHILDREN = frozenset(
    {"type", "operator", "row", "field", "span", "negated", "quantifier", "function", "source", "target", "free"}
)


_NODES = (
    Value, Unbound, OnDay, PeriodEnd, FieldOf, Converted, Factor, Arithmetic, Shifted, ShiftedBy, DaysBetween,
    Aggregated, FirstOf, Constant, Compare, Range, OneOf, Absent, Holds, InSegment, Block, Exists, Not, And, Or,
)  # fmt: skip


def free_rows(node: Node) -> frozenset[Row]:
    return node.free if isinstance(node, _Predicate) else _free(node)


def _free(node: Node) -> frozenset[Row]:
    match node:
        case FieldOf(row) | InSegment(row):
            return _with_owners(row)
        case Value() | Unbound() | OnDay() | PeriodEnd() | Constant():
            return _NO_ROWS
        case Compare(_, left, right):
            return free_rows(left) | free_rows(right)
        case And(conditions) | Or(conditions):
            return _NO_ROWS.union(*(condition.free for condition in conditions))
        case Aggregated(row=row) | FirstOf(row=row) | Block(row=row) | Exists(row=row):
            inside = (_with_owners(row) - {row}).union(*map(free_rows, children(node)))
            return frozenset(other for other in inside if row not in _with_owners(other))
        case Converted(operand, source, target):
            named = [_with_owners(currency.row) for currency in (source, target) if currency.row]
            return free_rows(operand).union(*named)
        case _:
            return _NO_ROWS.union(*map(free_rows, children(node)))


_NO_ROWS = frozenset[Row]()


@cache
def _with_owners(row: Row | None) -> frozenset[Row]:
    return frozenset() if row is None else _with_owners(row.owner) | {row}


def bare_rows(node: Node) -> frozenset[Row]:
    return frozenset(row for row in free_rows(node) if row.role is Role.BARE)


def is_constant(operand: Operand) -> bool:
    """Known without looking at any row."""
    return not any(isinstance(node, FieldOf | Aggregated | FirstOf | Unbound) for node in nodes(operand))


def natural_type(function: str, kind: Type) -> Type:
    """The type of SUM, AVG, MIN, MAX over a field: counts and days average to plain numbers."""
    if function == "AVG" and kind.kind in (Kind.COUNT, Kind.DAYS):
        return NUMBER
    return COUNT if function == "COUNT" else kind


TRUE, FALSE = Constant(True), Constant(False)
