"""AST to typed tree: names, types, currencies, scopes. Every error of the filter is reported, not just the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal, assert_never

from dsl import ast, typed
from dsl.catalog import Catalog, Entity, Field
from dsl.diagnostics import Diagnostic, FilterError, Fix, Span, did_you_mean
from dsl.formatter import format_filter, format_operand, format_period
from dsl.literals import plain, quoted
from dsl.money import in_one_currency, in_shared_currency, named_currencies
from dsl.negation import inside_block, negations, opposite, positive_rows
from dsl.operators import BETWEEN, COMPARISONS, HAS, IN, IN_PERIOD, MISSING, Operator, written_for
from dsl.parser import DEFAULT_LIMITS, MOST_DIGITS, Limits
from dsl.typed import FieldOf, Filter, Operand, Predicate, Role, Row, Unbound, Value
from dsl.types import COUNT, DATE, DAYS, FLAG, MONEY, NUMBER, NUMERIC, PERCENT, QUANTITIES, TEXT, Kind, Type

Level = Literal["customer", "group"]
Parameters = Mapping[str, object]

CENTURIES = (date(1900, 1, 1), date(2200, 12, 31))


def check(
    tree: ast.Condition,
    catalog: Catalog,
    *,
    text: str,
    level: Level = "customer",
    parameters: Parameters | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Filter:
    """The typed filter. Raises `FilterError` with every error found.

    Without `parameters` the filter's own stay unbound; with them each must have a value.
    """
    checked, problems = check_all(tree, catalog, level=level, parameters=parameters, limits=limits)
    if problems or checked is None:
        raise FilterError(text, problems)
    return checked


def check_all(
    tree: ast.Condition,
    catalog: Catalog,
    *,
    level: Level = "customer",
    parameters: Parameters | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Filter | None, list[Diagnostic]]:
    checker = _Checker(catalog, level, parameters, limits)
    condition = checker.condition(tree, checker.top)
    checker.closing_checks(tree, condition)
    filter_ = Filter(checker.root, condition) if condition is not None and not checker.problems else None
    return filter_, checker.problems


@dataclass(frozen=True, slots=True)
class _Scope:
    """What names mean at one place: the block's row if any, the customer at hand, and how deep blocks are nested."""

    customer: Row
    block: Row | None = None
    depth: int = 0


# ---------------------------------------------------------------- parameters on their way to a type


@dataclass(frozen=True, slots=True)
class _Bound:
    """One value of a list that a parameter brought."""

    name: str
    value: object
    span: Span


@dataclass(frozen=True, slots=True)
class _Given:
    """A parameter's value, before it is known what it is compared with."""

    value: object
    type: Type = TEXT


@dataclass(frozen=True, slots=True)
class _Untyped:
    name: str
    type: Type = TEXT


_Source = ast.Operand | _Bound
_Found = Operand | _Given | _Untyped


class _Stop(Exception):
    """The operand or condition is wrong and has been reported; its neighbours are checked all the same."""


@dataclass
class _Checker:
    catalog: Catalog
    level: Level
    parameters: Parameters | None
    limits: Limits
    problems: list[Diagnostic] = field(default_factory=list)
    _numbers: int = 0
    _used: dict[str, Type] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = Row(self.catalog.entities[self.level], Role.AT_HAND)
        member = Row(self.catalog.entities["customer"], Role.BARE, owner=self.root)
        self.top = _Scope(self.root if self.level == "customer" else member)

    # ------------------------------------------------------------ reporting

    def report(self, code: str, message: str, span: Span, *, hint: str | None = None, expected: Sequence[str] = (),
               fixes: Sequence[Fix] = ()) -> None:  # fmt: skip
        self.problems.append(Diagnostic(code, message, span, hint, tuple(expected), tuple(fixes)))

    def stop(self, code: str, message: str, span: Span, *, hint: str | None = None, expected: Sequence[str] = (),
             fixes: Sequence[Fix] = ()) -> _Stop:  # fmt: skip
        self.report(code, message, span, hint=hint, expected=expected, fixes=fixes)
        return _Stop()

    def closing_checks(self, tree: ast.Condition, condition: Predicate | None) -> None:
        for name in sorted(set(self.parameters or ()) - set(self._used)):
            if not self.problems:
                self.report("unknown-parameter", f"The filter has no parameter ${name}.", tree.span,
                            fixes=(), hint=_suggestion(name, self._used))  # fmt: skip
        if condition is not None:
            scopes = sum(isinstance(node, typed.Block | typed.Aggregated | typed.FirstOf) for node in typed.nodes(condition))
            bare = {node.row for node in typed.nodes(condition) if isinstance(node, FieldOf) and node.row.role is Role.BARE}
            if scopes + len(bare) > self.limits.scopes:
                self.report("too-large", f"The filter looks at {scopes + len(bare)} kinds of rows; at most "
                            f"{self.limits.scopes} are allowed.", tree.span, hint="Split the filter.")  # fmt: skip

    # ------------------------------------------------------------ conditions

    def condition(self, node: ast.Condition, scope: _Scope) -> Predicate | None:
        try:
            return self._condition(node, scope)
        except _Stop:
            return None

    def _condition(self, node: ast.Condition, scope: _Scope) -> Predicate:
        match node:
            case ast.And(conditions):
                items = [self.condition(item, scope) for item in conditions]
                if scope.block is None or scope.block.entity.name == "customer":
                    self._ambiguous_not([(part, item) for part, item in zip(conditions, items, strict=True) if item])
                return typed.And(_complete(items), node.span)
            case ast.Or(conditions):
                return typed.Or(_complete([self.condition(item, scope) for item in conditions]), node.span)
            case ast.Not(condition):
                return typed.Not(self._condition(condition, scope), node.span)
            case ast.Block():
                return self._block(node, scope)
            case ast.Bare(operand):
                return self._bare(operand, scope)
            case ast.Comparison():
                return self._one_entity(node, self._comparison(node, scope))
            case ast.Between():
                return self._one_entity(node, self._between(node, scope))
            case ast.In():
                return self._one_entity(node, self._in(node, scope))
            case ast.InPeriod():
                return self._one_entity(node, self._in_period(node, scope))
            case ast.Has():
                return self._one_entity(node, self._has(node, scope))
            case ast.Missing(operand, negated):
                asked = self._typed_operand(operand, scope)
                return self._one_entity(node, typed.Absent(MISSING, asked, negated, node.span))
            case _:
                assert_never(node)

    def _one_entity(self, node: ast.Condition, test: Predicate) -> Predicate:
        rows = typed.bare_rows(test)
        most_specific = rows - {row.owner for row in rows}
        if len(most_specific) > 1:
            names = " and ".join(sorted(row.entity.name for row in most_specific))
            raise self.stop("two-entities", f"One comparison cannot speak of {names} rows at once.", node.span,
                            hint="Which row would be compared with which? Use an aggregate for one side, "
                            "such as MAX(payment.amount).")  # fmt: skip
        return test

    def _bare(self, operand: ast.Operand, scope: _Scope) -> Predicate:
        checked = self._typed_operand(operand, scope)
        if isinstance(checked, FieldOf) and checked.type is FLAG:
            return typed.Holds(checked, operand.span)
        if isinstance(checked, Value) and checked.type is FLAG:
            return typed.Constant(bool(checked.value))
        known = checked.type if isinstance(checked, FieldOf) else None
        raise self.stop("not-a-condition", f"{format_operand(operand)} alone is no condition; only a flag is.",
                        operand.span, expected=written_for(known) if known else (),
                        hint=f"Compare it, for example {format_operand(operand)} {_example(checked)}.")  # fmt: skip

    def _block(self, node: ast.Block, scope: _Scope) -> Predicate:
        row = self._ranging(node.entity, node.entity_span, scope, node.span)
        if node.condition is None:
            inner: Predicate = typed.TRUE
        else:
            inner = self._condition(node.condition, self._inside(row, scope, node.span))
        return typed.Block(node.quantifier, row, inner, node.span)

    def _inside(self, row: Row, scope: _Scope, span: Span) -> _Scope:
        if scope.depth > self.limits.nesting:
            raise self.stop("too-large", f"Blocks can be nested {self.limits.nesting} times at most.", span,
                            hint="Put the inner question into a condition of its own.")  # fmt: skip
        customer = row if row.entity.name == "customer" else scope.customer
        return _Scope(customer, row, scope.depth + 1)

    def _ranging(self, entity_name: str, span: Span, scope: _Scope, whole: Span) -> Row:
        """A fresh row variable for a block or an aggregate."""
        entity = self._entity(entity_name, span)
        if entity.name in self.catalog.to_one and not (entity.name == "customer" and self.level == "group"):
            raise self.stop("one-row", f"There is only one {entity.name} here, so nothing can be chosen or counted.", whole,
                            hint=f"Write the condition itself: {entity.name}.… "
                            + ("Blocks over customers belong to the level group." if entity.name == "customer" else ""))  # fmt: skip
        self._numbers += 1
        owner = self.root if entity.name == "customer" else scope.customer
        return Row(entity, Role.BOUND, self._numbers, owner)

    def _comparison(self, node: ast.Comparison, scope: _Scope) -> Predicate:
        operator, negated = node.operator, node.negated
        if operator == "!=":
            operator, negated = "=", True
        row = COMPARISONS[operator]
        left, right = self._together([node.left, node.right], scope)
        self._fits(row, left.type, node)
        return typed.Compare(row, left, right, negated, node.span)

    def _between(self, node: ast.Between, scope: _Scope) -> Predicate:
        operand, low, high = self._together([node.operand, node.low, node.high], scope)
        self._fits(BETWEEN, operand.type, node)
        if _reversed(low, high):
            ends = f"{format_operand(node.high)} AND {format_operand(node.low)}"
            raise self.stop("reversed-ends", "The first end is after the second, so nothing can lie between them.",
                            node.low.span.to(node.high.span),
                            fixes=[Fix("Swap the ends", node.low.span.to(node.high.span), ends)])  # fmt: skip
        return typed.Range(BETWEEN, operand, low, high, negated=node.negated, span=node.span)

    def _in(self, node: ast.In, scope: _Scope) -> Predicate:
        for value in node.values:
            if not isinstance(value, ast.Parameter | ast.Number | ast.Percent | ast.Money | ast.Text | ast.Day | ast.Flag | ast.Today):
                self.report("not-a-value", "A list holds values only.", value.span,
                            hint="Compare with = and OR where something is to be calculated.")  # fmt: skip
                raise _Stop
        operand, *values = self._together([node.operand, *self._spread(node.values)], scope)
        self._fits(IN, operand.type, node)
        return typed.OneOf(IN, operand, tuple(values), node.negated, node.span)

    def _spread(self, values: Sequence[ast.Operand]) -> list["_Source"]:
        """A parameter in a list may bring a list of values."""
        spread: list[ast.Operand | _Bound] = []
        for value in values:
            given = (self.parameters or {}).get(value.name) if isinstance(value, ast.Parameter) else None
            if isinstance(value, ast.Parameter) and isinstance(given, list):
                spread += [_Bound(value.name, item, value.span) for item in given]
                self._used.setdefault(value.name, TEXT)
                if not given:
                    raise self.stop("empty-list", f"The list of ${value.name} is empty.", value.span)
            else:
                spread.append(value)
        return spread

    def _in_period(self, node: ast.InPeriod, scope: _Scope) -> Predicate:
        operand = self._typed_operand(node.operand, scope)
        self._fits(IN_PERIOD, operand.type, node)
        low, high = _period(node.period)
        return typed.Range(IN_PERIOD, operand, low, high, node.negated, format_period(node.period), node.span)

    def _has(self, node: ast.Has, scope: _Scope) -> Predicate:
        operand = self._typed_operand(node.operand, scope)
        operator = HAS[node.quantifier]
        self._fits(operator, operand.type, node)
        values = tuple(self._coerce(self.operand(value, scope), TEXT, value) for value in self._spread(node.values))
        return typed.OneOf(operator, operand, values, node.negated, node.span)

    def _fits(self, operator: Operator, kind: Type, node: ast.Condition) -> None:
        if operator.fits(kind):
            return
        usable = written_for(kind)
        raise self.stop("wrong-operator", f"{operator.symbol} does not fit a {kind} field.", node.span,
                        expected=usable, hint=f"A {kind} field takes {', '.join(usable)}.")  # fmt: skip

    # ------------------------------------------------------------ NOT beside a positive condition (rule 4)

    def _ambiguous_not(self, parts: Sequence[tuple[ast.Condition, Predicate]]) -> None:
        for place, (node, item) in enumerate(parts):
            others = frozenset[Row]().union(*(positive_rows(other) for _, other in (*parts[:place], *parts[place + 1 :])))
            for negation, rows in negations(node, item):
                if clash := rows & others:
                    self._report_ambiguous(negation, min(clash, key=lambda row: row.entity.name).entity)

    def _report_ambiguous(self, negation: ast.Not, entity: Entity) -> None:
        if any(problem.span == negation.span for problem in self.problems):
            return
        same, none = opposite(negation.condition, entity, self.catalog), inside_block(negation.condition, entity, self.catalog)
        fixes = [Fix(f"The same {entity.english}", negation.span, _embedded(same))] if same else []
        fixes += [Fix(f"No {entity.english} at all", negation.span, format_filter(none))] if none else []
        self.report("ambiguous-not", f"Is it the same {entity.english} that must not be so, or may none be so?",
                    negation.span, fixes=fixes,
                    hint=f"NOT beside another condition on {entity.name} can be read in two ways.")  # fmt: skip

    # ------------------------------------------------------------ names

    def _entity(self, name: str, span: Span) -> Entity:
        known = self.catalog.entities
        if name in known:
            return known[name]
        by_plural = {entity.plural: entity.name for entity in known.values()}
        guesses = [by_plural[name]] if name in by_plural else did_you_mean(name, known)
        raise self.stop("unknown-entity", f"There is no {name}.", span, expected=sorted(known),
                        hint=f"There are {', '.join(known)}.",
                        fixes=[Fix(f"Did you mean {guess}?", span, guess) for guess in guesses])  # fmt: skip

    def _field(self, entity: Entity, name: str, node: ast.Name) -> Field:
        if name in entity.fields:
            return entity.fields[name]
        span = Span(node.span.end - len(name), node.span.end) if not _bracketed(node) else node.span
        if name.startswith("custom."):
            raise self.stop("not-yet", "Custom fields cannot be used in filters yet.", node.span)
        elsewhere = [f"{other.name}.{name}" for other in self.catalog.entities.values() if name in other.fields]
        guesses = [Fix(f"Did you mean {guess}?", span, guess) for guess in did_you_mean(name, entity.fields)]
        guesses += [Fix(f"Did you mean {path}?", node.span, path) for path in elsewhere[:3]]
        raise self.stop("unknown-field", f"There is no field {name} of {entity.name}.", node.span,
                        expected=sorted(entity.fields), fixes=guesses)  # fmt: skip

    def _name(self, node: ast.Name, scope: _Scope) -> FieldOf:
        if node.entity is None:
            if scope.block is None:
                raise self._unqualified(node)
            return FieldOf(scope.block, self._field(scope.block.entity, node.field, node))
        entity = self._entity(node.entity, Span(node.span.start, node.span.start + len(node.entity)))
        found = self._field(entity, node.field, node)
        return FieldOf(self._row(entity, node, scope), found)

    def _row(self, entity: Entity, node: ast.Name, scope: _Scope) -> Row:
        if scope.block and entity is scope.block.entity:
            return scope.block
        if entity.name == self.root.entity.name:
            return self.root
        if entity.name == "customer":
            return scope.customer
        if entity.name in self.catalog.to_one:
            return Row(entity, Role.AT_HAND, owner=self.root)
        if scope.block and scope.block.entity.name != "customer":
            inner = ast.Block("ANY", entity.name, ast.Bare(ast.Name(None, node.field)))
            raise self.stop("outside-block", f"Inside a block about {scope.block.entity.english} rows, {entity.name} "
                            "needs a block of its own.", node.span,
                            hint=f"Write {format_filter(inner)[:-1]} …), or use an aggregate.")  # fmt: skip
        return Row(entity, Role.BARE, owner=scope.customer)

    def _unqualified(self, node: ast.Name) -> _Stop:
        name = node.field
        paths = [f"{entity.name}.{name}" for entity in self.catalog.entities.values() if name in entity.fields]
        if not paths:
            every = {f"{entity.name}.{known}": known for entity in self.catalog.entities.values() for known in entity.fields}
            close = did_you_mean(name, set(every.values()))
            paths = [path for guess in close for path, known in every.items() if known == guess][:3]
        if name in self.catalog.entities:
            return self.stop("not-a-field", f"{name} is no field but a kind of row.", node.span,
                             hint=f"Name a field, such as {name}.{next(iter(self.catalog.entities[name].fields))}, "
                             f"or ask whether there is one: ANY {name}.")  # fmt: skip
        return self.stop("unknown-field", f"{name} does not say what it belongs to.", node.span,
                         hint="Outside a block a field is written entity.field, and text in quotes.",
                         fixes=[Fix(f"Did you mean {path}?", node.span, path) for path in paths])  # fmt: skip

    # ------------------------------------------------------------ operands

    def operand(self, node: _Source, scope: _Scope) -> _Found:
        match node:
            case ast.Name():
                return self._name(node, scope)
            case ast.Number(value):
                return Value(NUMBER, value)
            case ast.Percent(value):
                return Value(PERCENT, value)
            case ast.Money(amount, currency):
                return Value(MONEY, amount, self._currency(currency, node))
            case ast.Text(value):
                return Value(TEXT, self._storable(value, node))
            case ast.Day(value):
                return Value(DATE, self._in_range(value, node.span))
            case ast.Today(offset):
                return typed.OnDay(offset)
            case ast.Flag(value):
                return Value(FLAG, value)
            case ast.Parameter(name):
                return self._parameter(name, node.span)
            case _Bound(_, value):
                return _Given(value)
            case ast.Aggregate():
                return self._aggregate(node, scope)
            case ast.First():
                return self._first(node, scope)
            case ast.Arithmetic():
                return self._arithmetic(node, scope)
            case ast.Negative(operand):
                inner = self._typed_operand(operand, scope)
                if inner.type.kind not in QUANTITIES:
                    raise self.stop("type-mismatch", f"A {inner.type} has no minus.", node.span)
                return typed.Arithmetic(inner.type, "-", Value(inner.type, Decimal(0)), inner)
            case ast.Duration(count, unit):
                raise self.stop("lone-duration", "A span of time is only added to a date or taken from one.", node.span,
                                hint=f"For example today - {count} {unit.lower()}.")  # fmt: skip
            case _:
                assert_never(node)

    def _typed_operand(self, node: ast.Operand, scope: _Scope) -> Operand:
        """An operand whose type nothing around it can tell."""
        operand = self.operand(node, scope)
        if isinstance(operand, _Given | _Untyped):
            raise self.stop("untyped-parameter", "Nothing here says what type this parameter has.", node.span,
                            hint="Compare it with a field.")  # fmt: skip
        return operand

    def _parameter(self, name: str, span: Span) -> _Found:
        if self.parameters is None:
            return _Untyped(name)
        if name not in self.parameters:
            self._used.setdefault(name, TEXT)
            raise self.stop("missing-parameter", f"The parameter ${name} has no value.", span,
                            hint=_suggestion(name, self.parameters))  # fmt: skip
        self._used.setdefault(name, TEXT)
        return _Given(self.parameters[name])

    def _together(self, nodes: Sequence[_Source], scope: _Scope) -> list[Operand]:
        """The operands of one comparison: brought to one type and, if money, to one currency."""
        operands: list[_Found] = []
        failed = False
        for node in nodes:
            try:
                operands.append(self.operand(node, scope))
            except _Stop:
                failed = True
        if failed:
            raise _Stop
        target = self._common_type(operands, nodes)
        typed_operands = [self._coerce(operand, target, node) for operand, node in zip(operands, nodes, strict=True)]
        if target.kind is Kind.MONEY:
            return self._one_currency(typed_operands, nodes[0].span.to(nodes[-1].span))
        return typed_operands

    def _common_type(self, operands: Sequence[_Found], nodes: Sequence[_Source]) -> Type:
        """That of the first field or calculation; literals and parameters adapt to it."""
        decided = [operand for operand in operands if not _adapts(operand)]
        if not decided:
            decided = [operand for operand in operands if not isinstance(operand, _Untyped | _Given)]
            if not decided:
                raise self.stop("untyped-parameter", "Nothing here says what type this parameter has.",
                                nodes[0].span.to(nodes[-1].span), hint="Compare it with a field.")  # fmt: skip
            decided.sort(key=lambda operand: operand.type.kind in (Kind.NUMBER, Kind.TEXT))
        kinds = [operand.type for operand in decided]
        return next((kind for kind in kinds if kind.kind is Kind.MONEY), kinds[0])

    def _coerce(self, operand: _Found, target: Type, node: _Source) -> Operand:
        """The operand as `target`, where a literal may become what it is compared with."""
        match operand:
            case _Untyped(name):
                self._remember(name, target, node.span)
                return Unbound(target, name)
            case _Given(value):
                if isinstance(node, ast.Parameter):
                    self._remember(node.name, target, node.span)
                return self._given(value, target, node)
            case Value(Type(kind=Kind.TEXT), str() as text) if target.kind in (Kind.CHOICE, Kind.CODE):
                return Value(target, self._chosen(text, target, node))
            case Value(Type(kind=Kind.TEXT), str() as text) if target.kind is Kind.DATE:
                return Value(DATE, self._date(text, node))
            case Value(Type(kind=Kind.PERCENT), Decimal() as points) if target.kind in NUMERIC:
                return Value(NUMBER, points / 100)
            case Value(Type(kind=Kind.NUMBER), Decimal() as value) if target.kind is Kind.PERCENT:
                return Value(PERCENT, self._percent(value, node))
            case Value(Type(kind=Kind.NUMBER), value) if target.kind in QUANTITIES:
                return Value(target, value)
            case _ if target.kind in (Kind.MONEY, Kind.PERCENT) and operand.type.kind is Kind.NUMBER and typed.is_constant(operand):
                return replace(operand, type=target)  # type: ignore[arg-type]
            case _ if _comparable(operand.type, target):
                return operand
        raise self._mismatch(operand, target, node)

    def _mismatch(self, operand: _Found, target: Type, node: _Source) -> _Stop:
        hint, fixes = None, list[Fix]()
        match operand:
            case Value(Type(kind=Kind.TEXT), str() as text) if target.kind in QUANTITIES and _number(text) is not None:
                fixes = [Fix("Leave the quotes out", node.span, text)]
            case Value(Type(kind=Kind.NUMBER | Kind.DATE)) if target.kind is Kind.TEXT and isinstance(node, ast.Number | ast.Day):
                fixes = [Fix("Put it in quotes", node.span, quoted(format_operand(node)))]
            case Value(Type(kind=Kind.FLAG)):
                hint = "true and false go with flags only."
            case _ if target.kind is Kind.DATE:
                hint = "A date is written 2026-01-31, or today - 2 weeks."
            case _ if target.choices:
                hint = f"Values are {_some(target.choices)}."
        return self.stop("type-mismatch", f"{_a(operand.type)} cannot be compared with {_a(target).lower()}.", node.span,
                         hint=hint, fixes=fixes)  # fmt: skip

    # ------------------------------------------------------------ literals and parameter values

    def _storable(self, text: str, node: ast.Text) -> str:
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise self.stop("bad-text", "This text has a character that no stored text can have.", node.span)
        return text

    def _in_range(self, day: date, span: Span) -> date:
        if not CENTURIES[0] <= day <= CENTURIES[1]:
            raise self.stop("date-out-of-range", f"Dates go from {CENTURIES[0]} to {CENTURIES[1]}.", span)
        return day

    def _date(self, text: str, node: _Source) -> date:
        try:
            day = date.fromisoformat(text) if len(text) == 10 else None
        except ValueError:
            day = None
        if day is None:
            raise self.stop("bad-date", f"{_shortened(text)} is not a date.", node.span,
                            hint="Dates are written year-month-day: 2026-01-31.")  # fmt: skip
        return self._in_range(day, node.span)

    def _chosen(self, text: str, target: Type, node: _Source) -> str:
        by_folded = {known.casefold(): known for known in target.choices}
        if (found := by_folded.get(text.casefold())) is not None:
            return found
        raise self.stop("unknown-value", f"{_shortened(text)} is not a known {target}.", node.span,
                        expected=target.choices if len(target.choices) < 20 else (),
                        hint=f"Values are {_some(target.choices)}.",
                        fixes=[Fix(f"Did you mean {guess}?", node.span, quoted(guess))
                               for guess in did_you_mean(text, target.choices)])  # fmt: skip

    def _currency(self, code: str, node: ast.Money) -> str:
        known = self.catalog.entities["customer"].fields["currency"].type.choices
        if code in known:
            return code
        span = Span(node.span.end - 3, node.span.end) if not _bracketed(node) else node.span
        raise self.stop("unknown-currency", f"{code} is not a currency.", node.span, hint="For example EUR, GBP or USD.",
                        fixes=[Fix(f"Did you mean {guess}?", span, guess) for guess in did_you_mean(code, known)])  # fmt: skip

    def _percent(self, value: Decimal, node: _Source) -> Decimal:
        if not 0 < value <= 1:
            return value
        small, large = f"{plain(value)}%", f"{plain(value * 100)}%"
        fixes = [Fix(f"Write {text}", node.span, text) for text in (large, small)] if not isinstance(node, _Bound | ast.Parameter) else []
        raise self.stop("ambiguous-percent", f"Does {plain(value)} mean {large} or {small}?", node.span, fixes=fixes,
                        hint="Percentages are written in percent points.")  # fmt: skip

    def _remember(self, name: str, kind: Type, span: Span) -> None:
        known = self._used.get(name)
        if self.parameters is None and known is not None and known.kind is not kind.kind:
            raise self.stop("type-mismatch", f"${name} is used as {_a(known).lower()} and as {_a(kind).lower()}.", span,
                            hint="Use two parameters.")  # fmt: skip
        self._used[name] = kind

    def _given(self, value: object, target: Type, node: _Source) -> Operand:
        """The value of a parameter, as JSON or the command line brought it."""
        if target.kind in QUANTITIES:
            number = _number(value)
            if number is None:
                raise self._bad_parameter(value, target, node)
            return Value(target, self._percent(number, node) if target.kind is Kind.PERCENT else number)
        if target.kind is Kind.FLAG:
            flag = value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
            if flag is None:
                raise self._bad_parameter(value, target, node)
            return Value(FLAG, flag)
        if not isinstance(value, str):
            raise self._bad_parameter(value, target, node)
        if target.kind is Kind.DATE:
            return Value(DATE, self._date(value, node))
        if target.choices:
            return Value(target, self._chosen(value, target, node))
        return Value(target, self._storable(value, ast.Text(value, span=node.span)))

    def _bad_parameter(self, value: object, target: Type, node: _Source) -> _Stop:
        return self.stop("bad-parameter", f"{_shortened(str(value))} is not {_a(target).lower()}.", node.span)

    # ------------------------------------------------------------ arithmetic

    def _arithmetic(self, node: ast.Arithmetic, scope: _Scope) -> Operand:
        if isinstance(node.right, ast.Duration) and node.operator in "+-":
            return self._shifted(node, node.right, scope)
        left, right = self.operand(node.left, scope), self.operand(node.right, scope)
        if node.operator in "+-":
            return self._sum(node, left, right)
        left, right = self._number_side(left, node.left), self._number_side(right, node.right)
        return self._product(node, left, right) if node.operator == "*" else self._quotient(node, left, right)

    def _shifted(self, node: ast.Arithmetic, by: ast.Duration, scope: _Scope) -> Operand:
        start = self._coerce(self.operand(node.left, scope), DATE, node.left)
        return typed.Shifted(start, by.count if node.operator == "+" else -by.count, by.unit)

    def _number_side(self, operand: _Found, node: ast.Operand) -> Operand:
        return self._coerce(operand, NUMBER, node) if isinstance(operand, _Untyped | _Given) else operand

    def _sum(self, node: ast.Arithmetic, left: _Found, right: _Found) -> Operand:
        if Kind.DATE in (_kind(left), _kind(right)):
            return self._date_sum(node, left, right)
        if _adapts(left) and _adapts(right):
            left, right = self._number_side(left, node.left), self._number_side(right, node.right)
        kinds = {_kind(left), _kind(right)}
        if Kind.MONEY in kinds or Kind.PERCENT in kinds:
            target = MONEY if Kind.MONEY in kinds else PERCENT
            if kinds == {Kind.MONEY, Kind.PERCENT}:
                raise self._no_arithmetic(node, left, right)
            sides = [self._coerce(left, target, node.left), self._coerce(right, target, node.right)]
            if target is MONEY:
                sides = self._one_currency(sides, node.span)
            return typed.Arithmetic(target, node.operator, sides[0], sides[1])
        left, right = self._number_side(left, node.left), self._number_side(right, node.right)
        if left.type.kind not in NUMERIC or right.type.kind not in NUMERIC:
            raise self._no_arithmetic(node, left, right)
        kind = left.type if left.type == right.type else NUMBER
        return typed.Arithmetic(kind, node.operator, left, right)

    def _date_sum(self, node: ast.Arithmetic, left: _Found, right: _Found) -> Operand:
        if node.operator == "-" and (_kind(right) is Kind.DATE or _is_text(right)):
            return typed.DaysBetween(self._coerce(left, DATE, node.left), self._coerce(right, DATE, node.right))
        if _kind(left) is not Kind.DATE:
            raise self._no_arithmetic(node, left, right)
        days = self._coerce(right, DAYS, node.right)
        whole = days.type.kind in (Kind.DAYS, Kind.COUNT)
        if isinstance(days, Value) and isinstance(days.value, Decimal) and days.value != days.value.to_integral_value():
            whole = False
        if not whole:
            raise self.stop("type-mismatch", "Only whole days can be added to a date.", node.right.span,
                            hint="For example invoice.due_date + 30, or today - 2 weeks.")  # fmt: skip
        return typed.ShiftedBy(self._coerce(left, DATE, node.left), days, node.operator == "-")

    def _product(self, node: ast.Arithmetic, left: Operand, right: Operand) -> Operand:
        kinds = (left.type.kind, right.type.kind)
        if any(kind not in QUANTITIES for kind in kinds) or kinds == (Kind.MONEY, Kind.MONEY):
            raise self._no_arithmetic(node, left, right)
        if kinds[0] is Kind.PERCENT:
            return typed.Arithmetic(_plain_type(right.type), "*", typed.Factor(left), right)
        if kinds[1] is Kind.PERCENT:
            return typed.Arithmetic(_plain_type(left.type), "*", left, typed.Factor(right))
        return typed.Arithmetic(MONEY if Kind.MONEY in kinds else NUMBER, "*", left, right)

    def _quotient(self, node: ast.Arithmetic, left: Operand, right: Operand) -> Operand:
        kinds = (left.type.kind, right.type.kind)
        if any(kind not in QUANTITIES for kind in kinds) or (kinds[1] is Kind.MONEY and kinds[0] is not Kind.MONEY):
            raise self._no_arithmetic(node, left, right)
        if kinds == (Kind.MONEY, Kind.MONEY):
            left, right = self._one_currency([left, right], node.span)
            return typed.Arithmetic(NUMBER, "/", left, right)
        if kinds == (Kind.PERCENT, Kind.PERCENT):
            return typed.Arithmetic(NUMBER, "/", left, right)
        if kinds[1] is Kind.PERCENT:
            return typed.Arithmetic(_plain_type(left.type), "/", left, typed.Factor(right))
        return typed.Arithmetic(left.type if kinds[0] in (Kind.MONEY, Kind.PERCENT) else NUMBER, "/", left, right)

    def _no_arithmetic(self, node: ast.Arithmetic, left: _Found, right: _Found) -> _Stop:
        what = {"+": "added to", "-": "subtracted with", "*": "multiplied by", "/": "divided by"}[node.operator]
        return self.stop("type-mismatch", f"{_said(left)} cannot be {what} {_said(right).lower()}.", node.span)

    # ------------------------------------------------------------ money

    def _one_currency(self, operands: Sequence[Operand], span: Span) -> list[Operand]:
        named = named_currencies(operands)
        if len(named) > 1:
            raise self.stop("two-currencies", f"One comparison names {' and '.join(named)}.", span,
                            hint="Name one currency; everything else is converted to it.")  # fmt: skip
        return in_one_currency(operands)

    # ------------------------------------------------------------ aggregates

    def _aggregate(self, node: ast.Aggregate, scope: _Scope) -> Operand:
        row = self._ranging(node.entity, _entity_span(node), scope, node.span)
        inside = self._inside(row, scope, node.span)
        where = typed.TRUE if node.where is None else self._condition(node.where, inside)
        if node.field is None:
            return typed.Aggregated(COUNT, "COUNT", row, None, where)
        name = ast.Name(None, node.field, span=_field_span(node))
        operand = FieldOf(row, self._field(row.entity, node.field, name))
        allowed = QUANTITIES | ({Kind.DATE} if node.function in ("MIN", "MAX") else set())
        if operand.type.kind not in allowed:
            raise self.stop("wrong-aggregate", f"{node.function} does not work on {_a(operand.type).lower()}.", node.span,
                            hint=f"It takes {', '.join(sorted(allowed))}.")  # fmt: skip
        kind = typed.natural_type(node.function, operand.type)
        return typed.Aggregated(kind, node.function, row, in_shared_currency(operand), where)

    def _first(self, node: ast.First, scope: _Scope) -> Operand:
        row = self._ranging(node.entity, node.span, scope, node.span)
        inside = self._inside(row, scope, node.span)
        where = typed.TRUE if node.where is None else self._condition(node.where, inside)
        keys = [(self._sort_key(key.key, row, inside), key.descending) for key in node.by]
        name = ast.Name(None, node.field, span=_field_span(node))
        operand = FieldOf(row, self._field(row.entity, node.field, name))
        return typed.FirstOf(row, in_shared_currency(operand), where, tuple(keys))

    def _sort_key(self, node: ast.Name, row: Row, scope: _Scope) -> Operand:
        operand = self._name(node, scope)
        if operand.row is not row:
            raise self.stop("outside-block", f"Rows of {row.entity.name} are put in order by their own fields.", node.span)
        if operand.type.kind is Kind.SET:
            raise self.stop("wrong-aggregate", "A set has no order.", node.span)
        return in_shared_currency(operand)


# ---------------------------------------------------------------- small questions about operands


def _complete(checked: Sequence[Predicate | None]) -> tuple[Predicate, ...]:
    if None in checked:
        raise _Stop
    return tuple(item for item in checked if item is not None)


def _adapts(operand: _Found) -> bool:
    """A literal, a parameter or a calculation of bare numbers: it takes the type of the other side."""
    if isinstance(operand, Value | _Given | _Untyped):
        return True
    return operand.type.kind is Kind.NUMBER and typed.is_constant(operand)


def _kind(operand: _Found) -> Kind | None:
    return None if isinstance(operand, _Given | _Untyped) else operand.type.kind


def _is_text(operand: _Found) -> bool:
    return isinstance(operand, Value) and operand.type is TEXT


def _comparable(one: Type, other: Type) -> bool:
    return one == other or (one.kind in NUMERIC and other.kind in NUMERIC)


def _plain_type(kind: Type) -> Type:
    """The type of a part of something: part of a count is a number."""
    return kind if kind.kind in (Kind.MONEY, Kind.PERCENT) else NUMBER


def _number(value: object) -> Decimal | None:
    """An exact number from JSON or text; never a float's rounding, never infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    text = str(value).replace("_", "").strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and len(text) <= MOST_DIGITS and abs(number.adjusted()) <= MOST_DIGITS else None


def _reversed(low: Operand, high: Operand) -> bool:
    match low, high:
        case Value(kind, first), Value(other, last) if kind.kind is not Kind.TEXT and type(first) is type(last):
            return bool(first > last)  # type: ignore[operator]
        case typed.OnDay(first), typed.OnDay(last):
            return first > last
    return False


def _period(period: ast.Rolling | ast.Calendar) -> tuple[Operand, Operand]:
    """First and last day; weeks begin on Monday (language.md, section 2)."""
    if isinstance(period, ast.Rolling):
        if period.direction == "NEXT":
            return typed.OnDay(0), typed.Shifted(typed.Shifted(typed.OnDay(0), period.count, period.unit), -1, "DAYS")
        return typed.Shifted(typed.Shifted(typed.OnDay(0), -period.count, period.unit), 1, "DAYS"), typed.OnDay(0)
    steps = {"LAST": -1, "THIS": 0, "NEXT": 1}[period.which]
    return typed.PeriodEnd(period.unit, steps, last=False), typed.PeriodEnd(period.unit, steps, last=True)


# ---------------------------------------------------------------- words


def _bracketed(node: ast.Name | ast.Money) -> bool:
    """The span of a bracketed operand covers the brackets, so places inside it are not known."""
    return node.span.end - node.span.start != len(format_operand(node))


def _entity_span(node: ast.Aggregate) -> Span:
    return node.span


def _field_span(node: ast.Aggregate | ast.First) -> Span:
    return node.span


def _suggestion(name: str, known: Mapping[str, object]) -> str | None:
    guesses = did_you_mean(name, known)
    return f"Did you mean ${guesses[0]}?" if guesses else f"There is {_some(sorted(known))}." if known else None


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:12]) + (" …" if len(values) > 12 else "")


def _shortened(text: str) -> str:
    return quoted(text if len(text) <= 40 else f"{text[:39]}…")


def _a(kind: Type) -> str:
    return f"An {kind}" if str(kind)[0] in "aeiou" else f"{'' if kind.kind in _UNCOUNTED else 'A '}{kind}".capitalize()


def _said(operand: _Found) -> str:
    return "A parameter" if isinstance(operand, _Given | _Untyped) else _a(operand.type)


_UNCOUNTED = {Kind.MONEY, Kind.TEXT, Kind.DAYS}


def _embedded(condition: ast.Condition) -> str:
    text = format_filter(condition)
    return f"({text})" if isinstance(condition, ast.Or) else text


def _example(operand: Operand | None) -> str:
    if isinstance(operand, FieldOf) and operand.field.example:
        return operand.field.example
    return "IS NOT MISSING"
