"""What is accepted and yet may not be meant (language.md, section 3). Never an error."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import cast, get_args

from dsl import ast, typed
from dsl.analysis import Analysis
from dsl.diagnostics import Diagnostic, Fix, Span
from dsl.formatter import format_filter
from dsl.money import currencies
from dsl.negation import stripped
from dsl.operators import EQUAL, HAS_NONE, IN
from dsl.typed import Absent, And, Block, Compare, FieldOf, Holds, Not, OneOf, Operand, Or, Predicate, Range, Role, Row
from dsl.types import FLAG, Kind

_Test = Compare | Range | OneOf | Absent


def warn(analysis: Analysis, *, several_currencies: bool = False, past: bool = False) -> list[Diagnostic]:
    """`several_currencies`: the company's documents are not all in one; `past`: a day before today whose balances are
    only known as they are now."""
    condition = analysis.checked.condition
    found = [warning for check in _CHECKS for node in _predicates(condition) for warning in check(node, analysis)]
    found += _only_negatives(condition, analysis)
    if several_currencies:
        found += [warning for node in _predicates(condition) for warning in _bare_money(node)]
    if past:
        found.append(Diagnostic("current-balances", "The day lies in the past, and some balances are only known as they "
                                "are today.", _whole(analysis), hint="Import dated allocations to have past balances."))  # fmt: skip
    return sorted(found, key=lambda warning: warning.span)


def _whole(analysis: Analysis) -> Span:
    return Span(0, len(analysis.text))


def _predicates(condition: Predicate) -> Iterator[Predicate]:
    return (node for node in typed.nodes(condition) if isinstance(node, typed.Predicate))


# ---------------------------------------------------------------- the filter as written, for corrections


def _written(analysis: Analysis, span: Span) -> ast.Condition:
    """The condition that stands at this place of the text."""
    return next(node for node in _conditions(analysis.tree) if node.span == span)


def _conditions(part: object) -> Iterator[ast.Condition]:
    if isinstance(part, ast.Node):
        if isinstance(part, get_args(ast.Condition)):
            yield cast(ast.Condition, part)
        for name in part.__dataclass_fields__:
            yield from _conditions(getattr(part, name))
    elif isinstance(part, tuple):
        for item in part:
            yield from _conditions(item)


def _block(quantifier: str, row: Row, condition: ast.Condition) -> ast.Condition:
    name = row.entity.name
    return ast.Block("NO" if quantifier == "NO" else "ANY", name, stripped(condition, name))


# ---------------------------------------------------------------- contradictions


def _contradictions(node: Predicate, analysis: Analysis) -> Iterator[Diagnostic]:
    """Conditions on one row that no row can meet."""
    if not isinstance(node, And):
        return
    by_field: dict[FieldOf, list[_Test]] = {}
    for test in filter(None, map(_as_test, node.conditions)):
        operand = next(typed.children(test))
        if isinstance(operand, FieldOf):
            by_field.setdefault(operand, []).append(test)
    for operand, tests in by_field.items():
        if len(tests) > 1 and _is_empty(tests):
            yield _contradiction(node, operand, tests, analysis)


def _contradiction(node: And, operand: FieldOf, tests: Sequence[_Test], analysis: Analysis) -> Diagnostic:
    fixes = []
    if operand.row.role is Role.BARE:
        items = cast(ast.And, _written(analysis, node.span)).conditions
        spans = {test.span for test in tests}
        apart = ast.And(tuple(_block("ANY", operand.row, item) if item.span in spans else item for item in items))
        text = format_filter(apart)
        fixes = [Fix(f"Two different {operand.row.entity.plural}", node.span,
                     text if node == analysis.checked.condition else f"({text})")]  # fmt: skip
    return Diagnostic("contradiction", f"No {operand.row.entity.english} meets these conditions on "
                      f"{operand.field.name} at once.", tests[0].span.to(tests[-1].span), fixes=tuple(fixes))  # fmt: skip


def _is_empty(tests: Sequence[_Test]) -> bool:
    """Whether no value passes all tests, as far as their literals tell."""
    listed: set[object] | None = None
    excluded: set[object] = set()
    lows: list[tuple[object, bool]] = []
    highs: list[tuple[object, bool]] = []
    for test in tests:
        for symbol, value in _bounds(test):
            match symbol, value:
                case "in", frozenset():
                    listed = set(value) if listed is None else listed & value
                case "not in", frozenset():
                    excluded |= value
                case ">" | ">=", _:
                    lows.append((value, symbol == ">"))
                case _:
                    highs.append((value, symbol == "<"))
    if listed is not None:
        return not any(value not in excluded and _is_between(value, lows, highs) for value in listed)
    return any(
        _number(low) > _number(high) or (low == high and (above or below)) for low, above in lows for high, below in highs
    )


def _is_between(value: object, lows: Sequence[tuple[object, bool]], highs: Sequence[tuple[object, bool]]) -> bool:
    above = all(_number(value) > _number(low) or (value == low and not strictly) for low, strictly in lows)
    return above and all(_number(value) < _number(high) or (value == high and not strictly) for high, strictly in highs)


def _number(value: object) -> Decimal:
    """Dates and numbers in their order; nothing else has one."""
    return Decimal(value.toordinal()) if isinstance(value, date) else cast(Decimal, value)


def _bounds(test: _Test) -> Iterator[tuple[str, object]]:
    """What a test says of its field's value. A missing value passes none but negated tests."""
    match test:
        case Compare(operator, _, typed.Value(_, value), negated) if operator is EQUAL:
            yield "not in" if negated else "in", frozenset({value})
        case OneOf(operator, _, values, negated) if operator is IN:
            if all(isinstance(value, typed.Value) for value in values):
                yield "not in" if negated else "in", frozenset(cast(typed.Value, value).value for value in values)
        case Compare(operator, _, typed.Value(_, Decimal() | date() as value), False):
            yield operator.symbol, value
        case Range(_, _, typed.Value(_, low), typed.Value(_, high), False):
            yield ">=", low
            yield "<=", high


def _as_test(node: Predicate) -> _Test | None:
    match node:
        case Holds(operand, span):
            return Compare(EQUAL, operand, typed.Value(FLAG, True), span=span)
        case Not(inner, span) if (test := _as_test(inner)) and not typed.bare_rows(inner):
            return replace(test, negated=not test.negated, span=span)
        case Compare() | Range() | OneOf() | Absent():
            return node
        case _:
            return None
