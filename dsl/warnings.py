"""What is accepted and yet may not be meant (language.md, section 3). Never an error."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

from dsl import typed
from dsl.analysis import Analysis
from dsl.diagnostics import Diagnostic, Fix, Span
from dsl.money import currencies
from dsl.typed import And, Block, Compare, FieldOf, Not, OneOf, Operand, Or, Predicate, Range, Role, Row, Value
from dsl.types import Kind


def warn(analysis: Analysis, *, several_currencies: bool = False, past: bool = False) -> list[Diagnostic]:
    """`several_currencies`: the company's documents are not all in one; `past`: a day before today whose balances are
    only known as they are now."""
    condition = analysis.checked.condition
    found = [
        *(warning for check in _CHECKS for node in _predicates(condition) for warning in check(node, analysis.text)),
        *_only_negatives(condition),
    ]
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


# ---------------------------------------------------------------- contradictions


def _contradictions(node: Predicate, text: str) -> Iterator[Diagnostic]:
    """Conditions on one row that no row can meet."""
    if not isinstance(node, And):
        return
    by_field: dict[Operand, list[Compare | Range | OneOf]] = {}
    for item in node.conditions:
        if isinstance(item, Compare | Range | OneOf) and not item.negated:
            operand = item.left if isinstance(item, Compare) else item.operand
            if isinstance(operand, FieldOf) and operand.type.kind is not Kind.SET:
                by_field.setdefault(operand, []).append(item)
    for operand, tests in by_field.items():
        if len(tests) > 1 and isinstance(operand, FieldOf) and _is_empty(tests):
            yield _contradiction(node, operand, tests, text)


def _contradiction(node: And, operand: FieldOf, tests: list[Compare | Range | OneOf], text: str) -> Diagnostic:
    span = tests[0].span
    for test in tests[1:]:
        span = span.to(test.span)
    fixes = []
    if operand.row.role is Role.BARE:
        parts = [_as_block(operand, test, text) for test in tests]
        others = [text[item.span.start : item.span.end] for item in node.conditions if item not in tests]  # type: ignore[union-attr]
        fixes = [Fix(f"Two different {operand.row.entity.plural}", node.span, " AND ".join([*parts, *others]))]
    return Diagnostic("contradiction", f"No {operand.row.entity.english} meets these conditions on "
                      f"{operand.field.name} at once.", span, fixes=tuple(fixes))  # fmt: skip


def _as_block(operand: FieldOf, test: Compare | Range | OneOf, text: str) -> str:
    name = operand.row.entity.name
    return f"ANY {name} ({text[test.span.start : test.span.end].replace(f'{name}.', '')})"


def _is_empty(tests: list[Compare | Range | OneOf]) -> bool:
    """Whether the values that pass all tests are none: an interval with open or closed ends, and listed values."""
    listed: set[object] | None = None
    low: tuple[object, bool] | None = None
    high: tuple[object, bool] | None = None
    for test in tests:
        for symbol, value in _bounds(test):
            if value is None:
                continue
            if symbol == "in" and isinstance(value, frozenset):
                listed = set(value) if listed is None else listed & value
            elif symbol in (">", ">="):
                low = max(filter(None, (low, (value, symbol == ">"))), key=_sortable)
            elif symbol in ("<", "<="):
                high = min(filter(None, (high, (value, symbol != "<"))), key=_sortable)
    if listed is not None and not listed:
        return True
    if low and high:
        return _sortable((low[0], False)) > _sortable((high[0], False)) or (low[0] == high[0] and (low[1] or not high[1]))
    return listed is not None and not any(_between(value, low, high) for value in listed)


def _between(value: object, low: tuple[object, bool] | None, high: tuple[object, bool] | None) -> bool:
    if low and ((place := _order(value, low[0])) < 0 or (place == 0 and low[1])):
        return False
    return not (high and ((place := _order(value, high[0])) > 0 or (place == 0 and not high[1])))


def _order(one: object, other: object) -> int:
    first, second = _sortable((one, False)), _sortable((other, False))
    return (first > second) - (first < second)


def _sortable(bound: tuple[object, bool]) -> tuple[Decimal, bool]:
    value, flag = bound
    return (Decimal(value.toordinal()) if isinstance(value, date) else value if isinstance(value, Decimal) else Decimal(0)), flag


def _bounds(test: Compare | Range | OneOf) -> Iterator[tuple[str, object]]:
    match test:
        case Compare(operator, _, Value(_, value)) if operator.symbol == "=":
            yield "in", frozenset({value})
        case Compare(operator, left, Value(_, Decimal() | date() as value)) if left.type.kind is not Kind.CHOICE:
            yield operator.symbol, value
        case Range(_, _, Value(_, low), Value(_, high)):
            yield ">=", low
            yield "<=", high
        case OneOf(_, _, values) if all(isinstance(value, Value) for value in values):
            yield "in", frozenset(value.value for value in values if isinstance(value, Value))


# ---------------------------------------------------------------- the other warnings


def _always(node: Predicate, _: str) -> Iterator[Diagnostic]:
    match node:
        case Or(items):
            for item in items:
                if isinstance(item, Compare | Range | OneOf | typed.Absent) and _complement(item) in items and not item.negated:
                    yield Diagnostic("always-true", "One of these two always holds.", node.span)
        case typed.Absent(_, FieldOf(_, field), negated) if field.required:
            code, word = ("always-true", "always") if negated else ("never-true", "never")
            yield Diagnostic(code, f"This {word} holds: {field.name} is never missing.", node.span)
        case Compare(operator, left, Value(_, Decimal() as value), negated) if _counts(left) and not negated:
            if (operator.symbol == ">=" and value <= 0) or (operator.symbol == ">" and value < 0):
                yield Diagnostic("always-true", "A count is never below 0, so this always holds.", node.span)
            if (operator.symbol == "<" and value <= 0) or (operator.symbol == "<=" and value < 0):
                yield Diagnostic("never-true", "A count is never below 0, so this never holds.", node.span)
        case Compare(left=left, right=right) if typed.is_constant(left) and typed.is_constant(right):
            yield Diagnostic("constant", "No field takes part in this comparison.", node.span)


def _complement(test: Compare | Range | OneOf | typed.Absent) -> Predicate:
    match test:
        case Compare(operator, left, right, negated):
            return Compare(operator, left, right, not negated)
        case Range(operator, operand, low, high, negated, period):
            return Range(operator, operand, low, high, not negated, period)
        case OneOf(operator, operand, values, negated):
            return OneOf(operator, operand, values, not negated)
        case typed.Absent(operator, operand, negated):
            return typed.Absent(operator, operand, not negated)


def _counts(operand: Operand) -> bool:
    if isinstance(operand, typed.Aggregated):
        return operand.function == "COUNT"
    return isinstance(operand, FieldOf) and operand.type.kind is Kind.COUNT and operand.field.required


def _some_differs(node: Predicate, text: str) -> Iterator[Diagnostic]:
    """`!=` about a bare to-many row means that some row differs, not that none equals."""
    match node:
        case Compare(left=FieldOf(row, field), negated=True) | OneOf(operand=FieldOf(row, field), negated=True):
            if row.role is Role.BARE and field.type.kind is not Kind.FLAG:
                written = text[node.span.start : node.span.end].replace(f"{row.entity.name}.", "")
                positive = written.replace("!=", "=", 1) if "!=" in written else written.replace("NOT ", "", 1)
                yield Diagnostic("some-differs", f"This holds when some {row.entity.english} differs, not only when none "
                                 "is so.", node.span,
                                 fixes=(Fix("None at all", node.span, f"NO {row.entity.name} ({positive})"),))  # fmt: skip


def _separate_rows(node: Predicate, _: str) -> Iterator[Diagnostic]:
    """Two blocks, or a block or count beside bare conditions, on one entity: each may be met by another row."""
    if not isinstance(node, And):
        return
    seen: dict[str, Predicate] = {}
    for item in node.conditions:
        for name in sorted(_speaks_positively_of(item)):
            first = seen.setdefault(name, item)
            if first is not item and (_stands_apart(first) or _stands_apart(item)):
                yield Diagnostic("separate-rows", f"These may be met by two different {name} rows.", item.span,  # type: ignore[union-attr]
                                 hint="To ask for one row, put both conditions into one block.")  # fmt: skip


def _stands_apart(item: Predicate) -> bool:
    return isinstance(item, Block) or (isinstance(item, Compare) and isinstance(item.left, typed.Aggregated))


def _speaks_positively_of(item: Predicate) -> set[str]:
    match item:
        case Block("ANY", row, condition) if condition != typed.TRUE:
            return {row.entity.name}
        case Compare(operator, typed.Aggregated(_, "COUNT", row, _, where), Value(_, Decimal() as least)):
            at_least_one = operator.symbol in (">=", "=", ">") and least <= 1 and where != typed.TRUE
            return {row.entity.name} if at_least_one else set()
        case Not() | Block():
            return set()
        case Compare() | Range() | OneOf() | typed.Holds():
            return {row.entity.name for row in typed.bare_rows(item) if row.entity.name != "customer"}
        case _:
            return set()


def _only_negatives(condition: Predicate) -> Iterator[Diagnostic]:
    items = condition.conditions if isinstance(condition, And) else (condition,)
    if items and all(map(_is_negative, items)):
        spans = [item.span for item in items if not isinstance(item, typed.Constant | typed.Exists)]
        yield Diagnostic("only-negatives", "The filter only says what is not so; everyone else is selected.",
                         spans[0].to(spans[-1]), hint="Add what must be so, such as customer.balance_overdue > 0.")  # fmt: skip


def _is_negative(item: Predicate) -> bool:
    match item:
        case Not() | Block("NO"):
            return True
        case Compare() | Range() | OneOf():
            return item.negated
        case _:
            return False


def _bare_money(node: Predicate) -> Iterator[Diagnostic]:
    match node:
        case Compare(left=left, right=right):
            sides = [left, right]
        case Range(operand=operand, low=low, high=high):
            sides = [operand, low, high]
        case _:
            return
    rows: list[Row] = [currency.row for side in sides for currency in currencies(side) if currency.row]
    literal = any(isinstance(side, Value) and side.type.kind is Kind.MONEY and side.currency is None and side.value for side in sides)
    if rows and literal:
        yield Diagnostic("any-currency", "Amounts of every currency are compared with this bare number.", node.span,
                         hint="Name a currency to have the others converted: 1000 EUR.")  # fmt: skip


_CHECKS: tuple[Callable[[Predicate, str], Iterator[Diagnostic]], ...] = (
    _contradictions, _always, _some_differs, _separate_rows,
)  # fmt: skip
