"""One row for each operator: its symbol, the types it fits, its English, its SQL.

`says` is a verb phrase with {} for the right-hand side; `denies` is its exact complement, which a missing value meets.
`single` are both for a list of one value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from dsl.types import QUANTITIES, Kind, Type

Sql = sa.ColumnElement[Any]
Test = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    symbol: str
    kinds: frozenset[Kind]
    says: str
    denies: str
    sql: Callable[..., Test] | None = None
    special: Mapping[Kind, tuple[str, str]] = field(default_factory=dict)
    single: tuple[str, str] | None = None
    ordered_choices: bool = False

    def fits(self, kind: Type) -> bool:
        return kind.kind in self.kinds or (self.ordered_choices and kind.ordered)

    def english(self, kind: Kind, negated: bool) -> str:
        return self.special.get(kind, (self.says, self.denies))[negated]


def _whatever_case(test: Callable[[Sql, Sql], Test]) -> Callable[[Sql, Sql], Test]:
    """The test of a text and a part of it, in small letters.

    Σ has two of them, of which lower() knows one. Whether the part has any is known before the first row is read.
    """

    def tested(text: Sql, part: Sql) -> Test:
        text, part = _small(text), _small(part)
        of_sigmas = test(_with_one_sigma(text), _with_one_sigma(part))
        return sa.case((sa.func.strpos(_with_one_sigma(part), _SIGMA) > 0, of_sigmas), else_=test(text, part))

    return tested


def _small(value: Sql) -> Sql:
    """By the database's own collation: ids are kept in "C", in which only ASCII letters have a small form."""
    return sa.func.lower(sa.collate(value, "default"))


def _with_one_sigma(small: Sql) -> Sql:
    return sa.func.translate(small, sa.literal_column("'\u03c2'"), _SIGMA)


_SIGMA: Sql = sa.literal_column("'\u03c3'")

_ANY = frozenset(Kind)
_EQUALS = _ANY - {Kind.SET}
_ORDERED = QUANTITIES | {Kind.DATE}
_DAYS = {Kind.DAYS, Kind.COUNT, Kind.NUMBER}


def _for(kinds: set[Kind] | frozenset[Kind], says: str, denies: str) -> dict[Kind, tuple[str, str]]:
    return dict.fromkeys(kinds, (says, denies))


EQUAL = Operator("=", _EQUALS, "is {}", "is not {}", lambda a, b: a == b)
LESS = Operator("<", _ORDERED, "is under {}", "is not under {}", lambda a, b: a < b, {
    Kind.DATE: ("is before {}", "is not before {}"), **_for(_DAYS, "is less than {}", "is not less than {}"),
    Kind.CHOICE: ("is before {}", "is not before {}")}, ordered_choices=True)  # fmt: skip
LESS_OR_EQUAL = Operator("<=", _ORDERED, "is at most {}", "is not at most {}", lambda a, b: a <= b, {
    Kind.DATE: ("is on or before {}", "is not on or before {}"),
    Kind.CHOICE: ("is {} or before", "is not {} or before")}, ordered_choices=True)  # fmt: skip
MORE = Operator(">", _ORDERED, "is over {}", "is not over {}", lambda a, b: a > b, {
    Kind.DATE: ("is after {}", "is not after {}"), **_for(_DAYS, "is more than {}", "is not more than {}"),
    Kind.CHOICE: ("is after {}", "is not after {}")}, ordered_choices=True)  # fmt: skip
MORE_OR_EQUAL = Operator(">=", _ORDERED, "is at least {}", "is not at least {}", lambda a, b: a >= b, {
    Kind.DATE: ("is on or after {}", "is not on or after {}"),
    Kind.CHOICE: ("is {} or after", "is not {} or after")}, ordered_choices=True)  # fmt: skip

_TEXT = frozenset({Kind.TEXT})
# No character is a wildcard, so none of these is LIKE.
CONTAINS = Operator("CONTAINS", _TEXT, "contains {}", "does not contain {}",
                    _whatever_case(lambda a, b: sa.func.strpos(a, b) > 0))  # fmt: skip
STARTS_WITH = Operator("STARTS WITH", _TEXT, "starts with {}", "does not start with {}",
                       _whatever_case(sa.func.starts_with))  # fmt: skip
ENDS_WITH = Operator("ENDS WITH", _TEXT, "ends with {}", "does not end with {}",
                     _whatever_case(lambda a, b: sa.func.right(a, sa.func.length(b)) == b))  # fmt: skip

IN = Operator("IN", _EQUALS - {Kind.DATE, Kind.FLAG}, "is one of {}", "is none of {}",
              lambda a, values: a == sa.any_(values), single=("is {}", "is not {}"))  # fmt: skip
BETWEEN = Operator("BETWEEN", _ORDERED, "is between {}", "is not between {}",
                   lambda a, low, high: sa.and_(a >= low, a <= high))  # fmt: skip
IN_PERIOD = Operator("IN period", frozenset({Kind.DATE}), "is in {}", "is not in {}",
                     lambda a, low, high: sa.and_(a >= low, a <= high))  # fmt: skip

_SET = frozenset({Kind.SET})
_INCLUDES = ("include {}", "do not include {}")
HAS_ANY = Operator("HAS ANY", _SET, "include any of {}", "include none of {}",
                   lambda a, values: a.op("&&")(values), single=_INCLUDES)  # fmt: skip
HAS_ALL = Operator("HAS ALL", _SET, "include all of {}", "do not include all of {}",
                   lambda a, values: a.op("@>")(values), single=_INCLUDES)  # fmt: skip
HAS_NONE = Operator("HAS NONE", _SET, "include none of {}", "include any of {}",
                    lambda a, values: a.op("&&")(values).is_not(sa.true()), single=_INCLUDES[::-1])  # fmt: skip

MISSING = Operator("IS MISSING", _ANY, "is missing", "is known", lambda a: a.is_(None),
                   {Kind.SET: ("are empty", "are not empty")})  # fmt: skip
STANDS_ALONE = Operator("alone", frozenset({Kind.FLAG}), "holds", "does not hold", lambda a: a)

COMPARISONS: Mapping[str, Operator] = {
    row.symbol: row
    for row in (EQUAL, LESS, LESS_OR_EQUAL, MORE, MORE_OR_EQUAL, CONTAINS, STARTS_WITH, ENDS_WITH)
}  # fmt: skip
HAS = {"ANY": HAS_ANY, "ALL": HAS_ALL, "NONE": HAS_NONE}

# As a person may write them, for the catalog and for "what can I do with this field".
_WRITTEN: tuple[tuple[Operator, tuple[str, ...]], ...] = (
    (STANDS_ALONE, ("",)),
    (EQUAL, ("=", "!=")),
    *((row, (row.symbol,)) for row in (LESS, LESS_OR_EQUAL, MORE, MORE_OR_EQUAL)),
    *((row, (row.symbol, f"NOT {row.symbol}")) for row in (BETWEEN, IN, CONTAINS, STARTS_WITH, ENDS_WITH)),
    (IN_PERIOD, ("IN LAST", "IN NEXT", "IN THIS", "NOT IN LAST", "NOT IN NEXT", "NOT IN THIS")),
    *((row, (row.symbol,)) for row in (HAS_ANY, HAS_ALL, HAS_NONE)),
    (MISSING, ("IS MISSING", "IS NOT MISSING")),
)


def written_for(kind: Type) -> list[str]:
    """The operators that a field of this type takes, as they are written."""
    return [symbol for operator, symbols in _WRITTEN if operator.fits(kind) for symbol in symbols if symbol]
