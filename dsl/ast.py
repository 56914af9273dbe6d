"""The filter as written: what the parser makes and the formatter prints.

Frozen trees; spans do not take part in equality, so `parse(format(tree)) == tree`.
AND and OR are n-ary and never nested in themselves; parentheses leave no trace.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from dsl.diagnostics import NOWHERE, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    span: Span = field(default=NOWHERE, compare=False, repr=False)


# ---------------------------------------------------------------- operands


@dataclass(frozen=True, slots=True)
class Name(Node):
    """`invoice.balance`, or inside a block `balance`; a custom field has the path `custom.plan`."""

    entity: str | None
    field: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    value: Decimal


@dataclass(frozen=True, slots=True)
class Percent(Node):
    """In percent points: `80%` is 80."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Money(Node):
    """An amount that names its currency: `1000 EUR`."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Text(Node):
    value: str


@dataclass(frozen=True, slots=True)
class Day(Node):
    """A calendar date written without quotes."""

    value: date


@dataclass(frozen=True, slots=True)
class Today(Node):
    """`yesterday`, `today`, `tomorrow`: -1, 0 or 1 days from as_of."""

    offset: int


Unit = Literal["DAYS", "WEEKS", "MONTHS", "YEARS"]


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """`2 weeks`; only ever added to or taken from a date."""

    count: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Flag(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranging(Node):
    """`name_span` is where the entity or field stands that an aggregate is about."""

    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Aggregate(Ranging):
    """COUNT has no field; the others always have one."""

    function: Literal["COUNT", "SUM", "AVG", "MIN", "MAX"]
    entity: str
    field: str | None
    where: "Condition | None"


@dataclass(frozen=True, slots=True)
class SortKey(Node):
    key: Name
    descending: bool


@dataclass(frozen=True, slots=True)
class First(Ranging):
    entity: str
    field: str
    where: "Condition | None"
    by: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    operator: Literal["+", "-", "*", "/"]
    left: "Operand"
    right: "Operand"


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """Minus in front of something that is not a literal."""

    operand: "Operand"


Operand = (
    Name
    | Number
    | Percent
    | Money
    | Text
    | Day
    | Today
    | Duration
    | Flag
    | Parameter
    | Aggregate
    | First
    | Arithmetic
    | Negative
)

# ---------------------------------------------------------------- conditions

ComparisonOperator = Literal["=", "!=", "<", "<=", ">", ">=", "CONTAINS", "STARTS WITH", "ENDS WITH"]


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """`negated` is the NOT before a word operator: `NOT CONTAINS`."""

    operator: ComparisonOperator
    left: Operand
    right: Operand
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Between(Node):
    operand: Operand
    low: Operand
    high: Operand
    negated: bool = False


@dataclass(frozen=True, slots=True)
class In(Node):
    operand: Operand
    values: tuple[Operand, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class InSegment(Node):
    """`customer IN SEGMENT 'High risk'`: the customer at hand is in what another filter describes."""

    segment: str
    negated: bool = False
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Rolling(Node):
    """`LAST 30 DAYS`, `NEXT 2 WEEKS`."""

    direction: Literal["LAST", "NEXT"]
    count: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Calendar(Node):
    """`THIS MONTH`, `LAST QUARTER`."""

    which: Literal["THIS", "LAST", "NEXT"]
    unit: Literal["WEEK", "MONTH", "QUARTER", "YEAR"]


@dataclass(frozen=True, slots=True)
class InPeriod(Node):
    operand: Operand
    period: Rolling | Calendar
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Has(Node):
    """`HAS 'x'` has the quantifier ANY and one value with `listed` false."""

    operand: Operand
    quantifier: Literal["ANY", "ALL", "NONE"]
    values: tuple[Operand, ...]
    listed: bool = True
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Missing(Node):
    operand: Operand
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Bare(Node):
    """An operand that stands alone as a condition: only a flag may."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class Block(Node):
    quantifier: Literal["ANY", "NO", "ALL"]
    entity: str
    condition: "Condition | None"
    entity_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Not(Node):
    condition: "Condition"


@dataclass(frozen=True, slots=True)
class And(Node):
    conditions: "tuple[Condition, ...]"


@dataclass(frozen=True, slots=True)
class Or(Node):
    conditions: "tuple[Condition, ...]"


Condition = Comparison | Between | In | InPeriod | InSegment | Has | Missing | Bare | Block | Not | And | Or
