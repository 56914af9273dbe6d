"""Which currency an amount is in, and how amounts of different currencies meet (language.md, section 2).

Money of one document stays in its currency; a named currency wins; else money of different rows is compared in the
customer's currency, or where no customer is at hand in the base currency.
"""

from collections.abc import Sequence
from dataclasses import replace

from dsl.typed import (
    BASE,
    Aggregated,
    Arithmetic,
    Converted,
    Currency,
    FieldOf,
    FirstOf,
    Operand,
    Row,
    Value,
)  # fmt: skip
from dsl.types import Kind


def named_currencies(operands: Sequence[Operand]) -> list[str]:
    return sorted({currency.code for operand in operands for currency in currencies(operand) if currency.code})


def in_one_currency(operands: Sequence[Operand]) -> list[Operand]:
    """The operands of one comparison or sum; at most one currency may be named."""
    found = list(dict.fromkeys(currency for operand in operands for currency in currencies(operand)))
    if len(found) < 2:
        return list(operands)
    named = [currency for currency in found if currency.code]
    accounts = [account for currency in found if (account := _account(currency))]
    target = (named or accounts or [BASE])[0]
    return [_converted(operand, target) for operand in operands]


def in_shared_currency(operand: FieldOf) -> Operand:
    """The field of a row that an aggregate ranges over, in a currency that all its rows share."""
    if operand.type.kind is not Kind.MONEY:
        return operand
    owner = operand.row.owner
    shared = BASE if owner is None or owner.entity.currency == "base" else Currency(row=owner)
    return _converted(operand, shared)


def currencies(operand: Operand) -> list[Currency]:
    """Those of the amounts in it; a bare number has none."""
    match operand:
        case Value(_, _, code):
            return [Currency(code=code)] if code else []
        case Converted(_, _, target):
            return [target]
        case FieldOf(row, field):
            return [_own(row)] if field.type.kind is Kind.MONEY else []
        case Aggregated(_, _, _, inner) | FirstOf(_, inner):
            return currencies(inner) if inner else []
        case Arithmetic(type, _, left, right) if type.kind is Kind.MONEY:
            return [*currencies(left), *currencies(right)]
        case _:
            return []


def _own(row: Row) -> Currency:
    return BASE if row.entity.currency == "base" else Currency(row=row)


def _account(currency: Currency) -> Currency | None:
    """The customer's currency, for an amount of the customer or of one of its documents."""
    row = currency.row
    if row is None:
        return None
    return currency if row.entity.currency == "customer" else Currency(row=row.owner)


def _converted(operand: Operand, target: Currency) -> Operand:
    if isinstance(operand, Arithmetic) and operand.type.kind is Kind.MONEY:
        return replace(operand, left=_converted(operand.left, target), right=_converted(operand.right, target))
    found = currencies(operand)
    if not found or isinstance(operand, Value) or found[0] == target:
        return operand
    return Converted(operand, found[0], target)
