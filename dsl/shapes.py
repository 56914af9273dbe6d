"""The shape of a filter: itself without the values that it compares fields with.

SQL is written once for each shape and then serves all filters that differ in those values only.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from dsl.operators import EQUAL
from dsl.quantities import SCALE, fits_bigint
from dsl.typed import (
    And,
    Block,
    Compare,
    Exists,
    FieldOf,
    Filter,
    Not,
    OneOf,
    Operand,
    Or,
    Predicate,
    Range,
    Unbound,
    Value,
)
from dsl.types import QUANTITIES, Kind

Values = dict[str, Any]


@lru_cache(maxsize=2_000)
def shaped(filter_: Filter) -> tuple[Filter, Mapping[str, Any]]:
    """The filter with open parameters in place of the values, and what they are given.

    A value that decides more than what a field is compared with (in a calculation, beside an aggregate) stays.
    """
    values: Values = {}
    return Filter(filter_.root, _shape(filter_.condition, values)), values


def _shape(condition: Predicate, values: Values) -> Predicate:
    match condition:
        case And(items) | Or(items):
            return replace(condition, conditions=tuple(_shape(item, values) for item in items))
        case Not(inner) | Exists(_, inner) | Block(_, _, inner):
            return replace(condition, condition=_shape(inner, values))
        case Compare(operator, left, _) if left.type.ordered and operator is not EQUAL:
            return condition  # which choices are meant is known from the value
        case Compare(operator, FieldOf() as left, right, negated):
            return Compare(operator, left, _opened(left, right, values), negated)
        case Compare(operator, left, FieldOf() as right, negated):
            return Compare(operator, _opened(right, left, values), right, negated)
        case Range(_, FieldOf() as operand, low, high):
            return replace(condition, low=_opened(operand, low, values), high=_opened(operand, high, values))
        case OneOf(_, FieldOf() as operand, listed):
            return replace(condition, values=_opened_list(operand, listed, values))
        case _:
            return condition


def _opened(beside: FieldOf, operand: Operand, values: Values) -> Operand:
    match operand:
        case Value(type, Decimal() as number):
            scale = SCALE if beside.type.kind is Kind.MONEY or number != number.to_integral_value() else 1
            scaled = number * scale
            return Unbound(type, _named(int(scaled), values), scale) if fits_bigint(scaled) else operand
        case Value(type, str() | date() as value):
            return Unbound(type, _named(value, values))
        case _:
            return operand


def _opened_list(beside: FieldOf, listed: tuple[Operand, ...], values: Values) -> tuple[Operand, ...]:
    texts = [item.value for item in listed if isinstance(item, Value)]
    if beside.type.kind in QUANTITIES or len(texts) < len(listed):
        return listed
    return (Unbound(beside.type, _named(texts, values), many=True),)


def _named(value: object, values: Values) -> str:
    """No parameter that a filter names begins with a digit."""
    name = str(len(values) + 1)
    values[f"parameter_{name}"] = value
    return name
