"""A filter that nothing meets through a missing value: whoever meets the filter but not this one does so for want of
one."""

from dataclasses import replace

from dsl.operators import HAS_NONE, MISSING
from dsl.typed import (
    Absent,
    Aggregated,
    And,
    Block,
    Compare,
    Constant,
    Exists,
    FieldOf,
    Filter,
    Holds,
    InSegment,
    Not,
    OneOf,
    Operand,
    Or,
    Predicate,
    Range,
    both,
    either,
    is_constant,
)

_Test = Compare | Range | OneOf | Holds


def known(checked: Filter) -> Filter:
    return Filter(checked.root, _known(checked.condition, meant=True))


def _known(node: Predicate, *, meant: bool) -> Predicate:
    """`meant`: whether the filter holds where the condition does, or where it does not.

    There a condition on a missing value counts as met, so that its negation is not.
    """
    match node:
        case Constant() | Absent() | InSegment():
            return node
        case Compare() | Range() | OneOf() | Holds():
            return _test(node, meant=meant)
        case Not(inner, span):
            return Not(_known(inner, meant=not meant), span)
        case And(items, span):
            return And(tuple(_known(item, meant=meant) for item in items), span)
        case Or(items, span):
            return Or(tuple(_known(item, meant=meant) for item in items), span)
        case Block(quantifier, _, inner):
            return replace(node, condition=_known(inner, meant=meant is not (quantifier == "NO")))
        case Exists(_, inner):
            return replace(node, condition=_known(inner, meant=meant))


def _test(node: _Test, *, meant: bool) -> Predicate:
    missing = [Absent(MISSING, operand) for operand in _operands(node) if _may_be_missing(operand)]
    if _includes_missing(node) and meant:
        return both([node, *(replace(one, negated=True) for one in missing)])
    if not _includes_missing(node) and not meant and missing:
        # Still about the same rows: where there is no such row, there is nothing to be missing.
        about = [] if isinstance(node, Holds) else [replace(node, negated=not node.negated)]
        return either([node, both([*about, either([*missing])])])
    return node


def _includes_missing(node: _Test) -> bool:
    match node:
        case Holds():
            return False
        case OneOf(operator, _, _, negated) if operator is HAS_NONE:
            return not negated
        case _:
            return node.negated


def _operands(node: _Test) -> tuple[Operand, ...]:
    match node:
        case Compare(_, left, right):
            return left, right
        case Range(_, operand, low, high):
            return operand, low, high
        case OneOf(_, operand, values):
            return operand, *values
        case Holds(operand):
            return (operand,)


def _may_be_missing(operand: Operand) -> bool:
    match operand:
        case FieldOf(row, field):
            lacks_rate = field.given is not None and row.entity.name == "customer"
            return not field.required or lacks_rate or row.entity.name == "group"
        case Aggregated(function="COUNT"):
            return False
        case _:
            return not is_constant(operand)
