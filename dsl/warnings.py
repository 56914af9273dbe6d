"""What is accepted and yet may not be meant (language.md, section 3). Never an error."""

from collections.abc import Callable, Collection, Iterator, Sequence
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


def warn(
    analysis: Analysis,
    *,
    several_currencies: bool = False,
    past: bool = False,
    rated: Collection[str] | None = None,
) -> list[Diagnostic]:
    """`several_currencies`: the company's documents are not all in one; `past`: a day before today whose balances are
    only known as they are now; `rated`: the currencies into which amounts can be converted, if that is known."""
    condition = analysis.checked.condition
    found = [warning for check in _CHECKS for node in _predicates(condition) for warning in check(node, analysis)]
    found += _only_negatives(condition, analysis)
    if several_currencies:
        found += [warning for node in _predicates(condition) for warning in _bare_money(node)]
    if past:
        found.append(_current_balances(analysis))
    if rated is not None:
        found += [_no_rate(analysis, code) for code in sorted(_named_currencies(condition) - set(rated))]
    return sorted(found, key=lambda warning: warning.span)


def _named_currencies(condition: Predicate) -> set[str]:
    return {node.currency for node in typed.nodes(condition) if isinstance(node, typed.Value) and node.currency}


def _no_rate(analysis: Analysis, code: str) -> Diagnostic:
    message = f"There is no rate for {code} on this day, so no amount in another currency can be compared with it."
    return Diagnostic("no-rate", message, _whole(analysis), f"Import fx_rates for {code}, or name another currency.")


def _current_balances(analysis: Analysis) -> Diagnostic:
    message = "The day lies in the past, and some balances are only known as they are today."
    hint = "Import dated allocations to have past balances."
    return Diagnostic("current-balances", message, _whole(analysis), hint)


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
    for test in _tests(node.conditions):
        operand = next(typed.children(test))
        if isinstance(operand, FieldOf):
            by_field.setdefault(operand, []).append(test)
    for operand, tests in by_field.items():
        if len(tests) > 1 and _is_empty(tests):
            yield _contradiction(node, operand, tests, analysis)


def _contradiction(node: And, operand: FieldOf, tests: Sequence[_Test], analysis: Analysis) -> Diagnostic:
    message = f"No {operand.row.entity.english} meets these conditions on {operand.field.name} at once."
    span = tests[0].span.to(tests[-1].span)
    if operand.row.role is not Role.BARE:
        return Diagnostic("contradiction", message, span)
    items = cast(ast.And, _written(analysis, node.span)).conditions
    spans = {test.span for test in tests}
    apart = ast.And(tuple(_block("ANY", operand.row, item) if item.span in spans else item for item in items))
    text = format_filter(apart)
    fix = Fix(
        f"Different {operand.row.entity.english} rows",
        node.span,
        text if node == analysis.checked.condition else f"({text})",
    )
    return Diagnostic("contradiction", message, span, fixes=(fix,))


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
        _number(low) > _number(high) or (low == high and (above or below))
        for low, above in lows
        for high, below in highs
    )


def _is_between(value: object, lows: Sequence[tuple[object, bool]], highs: Sequence[tuple[object, bool]]) -> bool:
    if value is None:
        return not lows and not highs
    above = all(_number(value) > _number(low) or (value == low and not strictly) for low, strictly in lows)
    return above and all(_number(value) < _number(high) or (value == high and not strictly) for high, strictly in highs)


def _number(value: object) -> Decimal:
    """Dates and numbers in their order; nothing else has one."""
    return Decimal(value.toordinal()) if isinstance(value, date) else cast(Decimal, value)


def _bounds(test: _Test) -> Iterator[tuple[str, object]]:
    """What a test says of its field's value; a missing one is None."""
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
        case Absent(_, _, negated):
            yield "not in" if negated else "in", frozenset({None})


def _tests(conditions: Sequence[Predicate]) -> Iterator[_Test]:
    return (test for condition in conditions if (test := _as_test(condition)))


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


# ---------------------------------------------------------------- the other warnings


def _always(node: Predicate, _: Analysis) -> Iterator[Diagnostic]:
    match node:
        case Or(items, span) if not typed.bare_rows(node):
            tests = list(_tests(items))
            if any(replace(test, negated=not test.negated) in tests for test in tests):
                yield Diagnostic("always-true", "One of these two always holds.", span)
        case Absent(_, FieldOf(row, field), negated, span) if field.required and not _may_lack(row):
            if not negated:
                yield Diagnostic("never-true", f"This never holds: {field.name} is never missing.", span)
            elif not typed.bare_rows(node):
                yield Diagnostic("always-true", f"This always holds: {field.name} is never missing.", span)
        case Compare(operator, left, typed.Value(_, Decimal() as value), False, span) if _counts(left):
            if (operator.symbol == "<" and value <= 0) or (operator.symbol in ("<=", "=") and value < 0):
                yield Diagnostic("never-true", "A count is never below 0, so this never holds.", span)
            at_least = (operator.symbol == ">=" and value <= 0) or (operator.symbol == ">" and value < 0)
            if at_least and not typed.bare_rows(node) and not (isinstance(left, FieldOf) and _may_lack(left.row)):
                yield Diagnostic("always-true", "A count is never below 0, so this always holds.", span)
        case Compare(_, left, right, _, span) if typed.is_constant(left) and typed.is_constant(right):
            yield Diagnostic("constant", "No field takes part in this comparison.", span)


def _may_lack(row: Row) -> bool:
    """A customer may have no group, whose fields are all missing then."""
    return row.entity.name == "group" and row.owner is not None


def _counts(operand: Operand) -> bool:
    if isinstance(operand, typed.Aggregated):
        return operand.function == "COUNT"
    return isinstance(operand, FieldOf) and operand.type.kind is Kind.COUNT and operand.field.required


def _some_differs(node: Predicate, analysis: Analysis) -> Iterator[Diagnostic]:
    """`!=` about a bare to-many row means that some row differs, not that none equals."""
    match node:
        case (
            Compare(_, FieldOf(row, field), negated=True)
            | OneOf(_, FieldOf(row, field), negated=True)
            | Range(_, FieldOf(row, field), negated=True)
        ) if row.role is Role.BARE and field.type is not FLAG:
            message = f"This holds when some {row.entity.english} differs, not only when none is so."
            none = format_filter(_block("NO", row, _positive(_written(analysis, node.span))))
            yield Diagnostic("some-differs", message, node.span, fixes=(Fix("None at all", node.span, none),))


def _positive(condition: ast.Condition) -> ast.Condition:
    match condition:
        case ast.Comparison("!="):
            return replace(condition, operator="=")
        case ast.Comparison() | ast.Between() | ast.In() | ast.InPeriod() | ast.Has():
            return replace(condition, negated=False)
        case _:
            raise TypeError(condition)


def _separate_rows(node: Predicate, _: Analysis) -> Iterator[Diagnostic]:
    """Two blocks, or a block or count beside bare conditions, on one entity: each may be met by another row."""
    if not isinstance(node, And):
        return
    seen: dict[str, Predicate] = {}
    hint = "To ask for one row, put both conditions into one block."
    for item in node.conditions:
        if isinstance(item, typed.Constant | typed.Exists):
            continue
        for entity in sorted(_asks_for(item)):
            first = seen.setdefault(entity, item)
            if first is not item and (_stands_apart(first) or _stands_apart(item)):
                yield Diagnostic("separate-rows", f"These may be met by two different {entity} rows.", item.span, hint)


def _stands_apart(item: Predicate) -> bool:
    return isinstance(item, Block) or (isinstance(item, Compare) and isinstance(item.left, typed.Aggregated))


def _asks_for(item: Predicate) -> set[str]:
    """The to-many entities of which it wants one row of a certain kind."""
    match item:
        case Block("ANY", row, condition) if condition != typed.TRUE:
            return {row.entity.english}
        case Compare(operator, typed.Aggregated(_, "COUNT", row, _, where), typed.Value(_, value), negated):
            is_one = (operator.symbol, value, negated) in ((">=", 1, False), (">", 0, False), ("=", 0, True))
            return {row.entity.english} if is_one and where != typed.TRUE else set()
        case Compare() | Range() | OneOf() | Holds():
            return {row.entity.english for row in typed.bare_rows(item) if row.entity.name != "customer"}
        case _:
            return set()


def _only_negatives(condition: Predicate, analysis: Analysis) -> Iterator[Diagnostic]:
    if _is_negative(condition):
        message = "The filter only says what is not so; everyone else is selected."
        hint = "Add what must be so, such as customer.balance_overdue > 0."
        yield Diagnostic("only-negatives", message, _whole(analysis), hint)


def _is_negative(condition: Predicate) -> bool:
    match condition:
        case And(items) | Or(items):
            return all(map(_is_negative, items))
        case Not(inner):
            return not _is_negative(inner)
        case Block("NO"):
            return True
        case Compare() | Range() | OneOf() if not typed.bare_rows(condition):
            return condition.negated is not (condition.operator is HAS_NONE)
        case _:
            return False


def _bare_money(node: Predicate) -> Iterator[Diagnostic]:
    if not isinstance(node, Compare | Range | OneOf):
        return
    sides = cast(list[Operand], list(typed.children(node)))
    in_own = any(currency.row for side in sides for currency in currencies(side))
    if in_own and any(isinstance(side, typed.Value) and side.currency is None and side.value for side in sides):
        message = "Amounts of every currency are compared with this bare number."
        hint = "Name a currency to have the others converted: 1000 EUR."
        yield Diagnostic("any-currency", message, node.span, hint)


_CHECKS: tuple[Callable[[Predicate, Analysis], Iterator[Diagnostic]], ...] = (
    _contradictions, _always, _some_differs, _separate_rows,
)  # fmt: skip
