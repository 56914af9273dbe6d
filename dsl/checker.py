"""AST to typed tree: names, types, currencies, scopes. Every error of the filter is reported, not just the first."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, assert_never

from dsl import ast, typed
from dsl.arithmetic import ArithmeticChecker
from dsl.catalog import CUSTOM, CUSTOMIZED, Catalog, Entity, Field
from dsl.constants import is_reversed
from dsl.diagnostics import Diagnostic, FilterError, Fix, Span, did_you_mean
from dsl.formatter import format_filter, format_operand, format_period
from dsl.literals import quoted
from dsl.lowering import lower
from dsl.money import in_shared_currency
from dsl.negation import negations, none_at_all, opposite, positive_rows
from dsl.operators import BETWEEN, COMPARISONS, EQUAL, HAS, IN, IN_PERIOD, MISSING, Operator, written_for
from dsl.parser import DEFAULT_LIMITS, Limits, parse
from dsl.typed import FieldOf, Filter, Operand, Predicate, Role, Row, Value
from dsl.types import COUNT, DATE, FLAG, MONEY, NUMBER, PERCENT, QUANTITIES, TEXT, Kind, Type
from dsl.values import Brought, Found, Given, Parameters, Source, Stop, Untyped, bracketed, suggestion, with_article

Level = Literal["customer", "group"]


SEGMENTS_DEEP = 4


def check(
    tree: ast.Condition,
    catalog: Catalog,
    *,
    level: Level = "customer",
    parameters: Parameters | None = None,
    limits: Limits = DEFAULT_LIMITS,
    within: tuple[str, ...] = (),
) -> tuple[Filter | None, list[Diagnostic]]:
    """The typed filter, or everything that is wrong with it.

    Without `parameters` the filter's own stay unbound; with them each must have a value. `within`: the segments that
    this is a filter of, the outermost first.
    """
    checker = _Checker(catalog, parameters, limits, level=level, within=within)
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


@dataclass
class _Checker(ArithmeticChecker):
    level: Level = "customer"
    within: tuple[str, ...] = ()
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.root = Row(self.catalog.entities[self.level], Role.AT_HAND)
        member = Row(self.catalog.entities["customer"], Role.BARE, owner=self.root)
        self.top = _Scope(self.root if self.level == "customer" else member)

    # ------------------------------------------------------------ reporting

    def closing_checks(self, tree: ast.Condition, condition: Predicate | None) -> None:
        for name in sorted(set(self.parameters or ()) - set(self.used)):
            if not self.problems:
                self.report(
                    "unknown-parameter",
                    f"The filter has no parameter ${name}.",
                    tree.span,
                    fixes=(),
                    hint=suggestion(name, self.used),
                )
        if condition is not None:
            self._check_size(tree, condition)

    def _check_size(self, tree: ast.Condition, condition: Predicate) -> None:
        """What a filter's segments ask counts like what it asks itself."""
        scopes, conditions = _size(condition)
        if scopes > self.limits.scopes:
            found = f"The filter looks at {scopes} kinds of rows; at most {self.limits.scopes} are allowed."
            self.report("too-large", found, tree.span, hint="Split the filter.")
        elif conditions > self.limits.conditions:
            most = f"at most {self.limits.conditions} are allowed"
            found = f"The filter has {conditions} conditions with those of its segments; {most}."
            self.report("too-large", found, tree.span, hint="Split the filter.")

    # ------------------------------------------------------------ conditions

    def condition(self, node: ast.Condition, scope: _Scope) -> Predicate | None:
        try:
            return self._condition(node, scope)
        except Stop:
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
            case ast.InSegment():
                return self._in_segment(node, scope)
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
            raise self.stop(
                "two-entities",
                f"One comparison cannot speak of {names} rows at once.",
                node.span,
                hint="Which row would be compared with which? Use an aggregate for one side, "
                "such as MAX(payment.amount).",
            )
        return test

    def _bare(self, operand: ast.Operand, scope: _Scope) -> Predicate:
        checked = self._typed_operand(operand, scope)
        if isinstance(checked, FieldOf) and checked.type is FLAG:
            return typed.Holds(checked, operand.span)
        if isinstance(checked, typed.FirstOf) and checked.type is FLAG:
            return typed.Compare(EQUAL, checked, Value(FLAG, True), span=operand.span)
        if isinstance(checked, Value) and checked.type is FLAG:
            return typed.Constant(bool(checked.value))
        known = checked.type if isinstance(checked, FieldOf) else None
        raise self.stop(
            "not-a-condition",
            f"{format_operand(operand)} alone is no condition; only a flag is.",
            operand.span,
            expected=written_for(known) if known else (),
            hint=f"Compare it, for example {format_operand(operand)} {_example(checked)}.",
        )

    def _block(self, node: ast.Block, scope: _Scope) -> Predicate:
        row = self._ranging(node.entity, node.entity_span, scope, node.span)
        if node.condition is None:
            inner: Predicate = typed.TRUE
        else:
            inner = self._condition(node.condition, self._inside(row, scope))
        return typed.Block(node.quantifier, row, inner, node.span)

    def _inside(self, row: Row, scope: _Scope) -> _Scope:
        return _Scope(row if row.entity.name == "customer" else scope.customer, row, scope.depth + 1)

    def _ranging(self, entity_name: str, span: Span, scope: _Scope, whole: Span) -> Row:
        """A fresh row variable for a block or an aggregate."""
        if scope.depth > self.limits.nesting:
            raise self.stop(
                "too-large",
                f"Blocks can be nested {self.limits.nesting} times at most.",
                whole,
                hint="Put the inner question into a condition of its own.",
            )
        entity = self._entity(entity_name, span)
        if entity.name in self.catalog.to_one and not (entity.name == "customer" and self.level == "group"):
            raise self.stop(
                "one-row",
                f"There is only one {entity.name} here, so nothing can be chosen or counted.",
                whole,
                hint=f"Write the condition itself: {entity.name}.…"
                + (" Blocks over customers belong to the level group." if entity.name == "customer" else ""),
            )
        self._numbers += 1
        owner = self.root if entity.name == "customer" else scope.customer
        return Row(entity, Role.BOUND, self._numbers, owner)

    def _comparison(self, node: ast.Comparison, scope: _Scope) -> Predicate:
        operator, negated = node.operator, node.negated
        if operator == "!=":
            operator, negated = "=", True
        row = COMPARISONS[operator]
        left, right = self._together(row, node, [node.left, node.right], scope)
        return typed.Compare(row, left, right, negated, node.span)

    def _between(self, node: ast.Between, scope: _Scope) -> Predicate:
        operand, low, high = self._together(BETWEEN, node, [node.operand, node.low, node.high], scope)
        if is_reversed(low, high):
            ends = f"{format_operand(node.high)} AND {format_operand(node.low)}"
            raise self.stop(
                "reversed-ends",
                "The first end is after the second, so nothing can lie between them.",
                node.low.span.to(node.high.span),
                fixes=[Fix("Swap the ends", node.low.span.to(node.high.span), ends)],
            )
        return typed.Range(BETWEEN, operand, low, high, negated=node.negated, span=node.span)

    def _in(self, node: ast.In, scope: _Scope) -> Predicate:
        for value in node.values:
            if not isinstance(
                value, ast.Parameter | ast.Number | ast.Percent | ast.Money | ast.Text | ast.Day | ast.Flag | ast.Today
            ):
                self.report(
                    "not-a-value",
                    "A list holds values only.",
                    value.span,
                    hint="Compare with = and OR where something is to be calculated.",
                )
                raise Stop
        operand, *values = self._together(IN, node, [node.operand, *self._spread(node.values)], scope)
        return typed.OneOf(IN, operand, tuple(values), node.negated, node.span)

    def _spread(self, values: Sequence[ast.Operand]) -> list["Source"]:
        """A parameter in a list may bring a list of values."""
        spread: list[ast.Operand | Brought] = []
        for value in values:
            given = (self.parameters or {}).get(value.name) if isinstance(value, ast.Parameter) else None
            if isinstance(value, ast.Parameter) and isinstance(given, list):
                spread += [Brought(value.name, item, value.span) for item in given]
                self.used.setdefault(value.name, TEXT)
                if not given:
                    raise self.stop("empty-list", f"The list of ${value.name} is empty.", value.span)
                if len(given) > self.limits.values:
                    most = f"at most {self.limits.values:,} are allowed"
                    raise self.stop("too-large", f"${value.name} has {len(given):,} values; {most}.", value.span)
            else:
                spread.append(value)
        return spread

    def _in_period(self, node: ast.InPeriod, scope: _Scope) -> Predicate:
        operand = self._typed_operand(node.operand, scope)
        self._fits(IN_PERIOD, operand.type, node)
        low, high = _period(node.period)
        return typed.Range(IN_PERIOD, operand, low, high, node.negated, format_period(node.period), node.span)

    # ------------------------------------------------------------ segments

    def _in_segment(self, node: ast.InSegment, scope: _Scope) -> Predicate:
        name = node.segment
        if name in self.within:
            path = " in ".join(map(quoted, (name, *reversed(self.within[self.within.index(name) :]))))
            raise self.stop("segment-cycle", f"The segment {quoted(name)} would be in itself: {path}.", node.name_span)
        if len(self.within) >= SEGMENTS_DEEP:
            raise self.stop("too-large", f"Segments can be nested {SEGMENTS_DEEP} times at most.", node.name_span)
        members = self._members(node)
        return typed.InSegment(scope.customer, name, members, lower(members), node.negated, node.span)

    def _members(self, node: ast.InSegment) -> Filter:
        """What the segment describes. It has to be right itself, with all that it builds on."""
        text = self.catalog.segments.get(node.segment)
        if text is None:
            raise self._unknown_segment(node)
        found: Filter | None = None
        problems: list[Diagnostic] = []
        try:
            within = (*self.within, node.segment)
            tree = parse(text, self.limits)
            found, problems = check(tree, self.catalog, parameters={}, limits=self.limits, within=within)
        except FilterError as wrong:
            problems = list(wrong.diagnostics)
        if found is not None:
            return found
        code = problems[0].code if problems[0].code in ("segment-cycle", "too-large") else "broken-segment"
        said = problems[0].message if code != "broken-segment" else (
            f"The segment {quoted(node.segment)} is wrong itself: {problems[0].message}"
        )  # fmt: skip
        raise self.stop(code, said, node.name_span)

    def _unknown_segment(self, node: ast.InSegment) -> Stop:
        known = self.catalog.segments
        guesses = did_you_mean(node.segment, known)
        return self.stop(
            "unknown-segment",
            f"There is no segment {quoted(node.segment)}.",
            node.name_span,
            expected=sorted(known),
            hint=f"There are {', '.join(map(quoted, sorted(known)[:20]))}." if known else "There is no segment yet.",
            fixes=[Fix(f"Did you mean {quoted(guess)}?", node.name_span, quoted(guess)) for guess in guesses],
        )

    # ------------------------------------------------------------ sets and operators

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
        raise self.stop(
            "wrong-operator",
            f"{_symbol(operator, node)} does not fit a {kind} field.",
            node.span,
            expected=usable,
            hint=f"A {kind} field takes {', '.join(usable)}.",
        )

    # ------------------------------------------------------------ NOT beside a positive condition (rule 4)

    def _ambiguous_not(self, parts: Sequence[tuple[ast.Condition, Predicate]]) -> None:
        for place, (node, item) in enumerate(parts):
            others = frozenset[Row]().union(
                *(positive_rows(other) for _, other in (*parts[:place], *parts[place + 1 :]))
            )
            for negation, rows in negations(node, item):
                if clash := rows & others:
                    # Beside a condition on a member, what is said of its rows is said of the member.
                    about = min(clash, key=lambda row: (row.entity.name != "customer", row.entity.name))
                    self._report_ambiguous(negation, about.entity)

    def _report_ambiguous(self, negation: ast.Not, entity: Entity) -> None:
        if any(problem.span == negation.span for problem in self.problems):
            return
        same, none = (
            opposite(negation.condition, entity, self.catalog),
            none_at_all(negation.condition, entity),
        )
        fixes = [Fix(f"The same {entity.english}", negation.span, _embedded(same))] if same else []
        fixes += [Fix(f"No {entity.english} at all", negation.span, format_filter(none))] if none else []
        self.report(
            "ambiguous-not",
            f"Is it the same {entity.english} that must not be so, or may none be so?",
            negation.span,
            fixes=fixes,
            hint=f"NOT beside another condition on {entity.name} can be read in two ways.",
        )

    # ------------------------------------------------------------ names

    def _entity(self, name: str, span: Span, rest: str = "") -> Entity:
        """`rest` is what else the span covers."""
        known = self.catalog.entities
        if name in known:
            return known[name]
        by_plural = {entity.plural: entity.name for entity in known.values()}
        guesses = [by_plural[name]] if name in by_plural else did_you_mean(name, known)
        raise self.stop(
            "unknown-entity",
            f"There is no {name}.",
            span,
            expected=sorted(known),
            hint=f"There are {', '.join(known)}.",
            fixes=[Fix(f"Did you mean {guess}?", span, guess + rest) for guess in guesses],
        )

    def _field(self, entity: Entity, name: str, node: ast.Name) -> Field:
        if name in entity.fields:
            return entity.fields[name]
        span, path = Span(node.span.end - len(name), node.span.end), ""
        if bracketed(node):
            span, path = node.span, f"{node.entity}." if node.entity else ""
        elsewhere = [f"{other.name}.{name}" for other in self.catalog.entities.values() if name in other.fields]
        guesses = [Fix(f"Did you mean {guess}?", span, path + guess) for guess in _meant(name, entity)]
        guesses += [Fix(f"Did you mean {path}?", node.span, path) for path in elsewhere[:3]]
        raise self.stop(
            "unknown-field",
            f"There is no field {name} of {entity.name}.",
            node.span,
            expected=sorted(entity.fields),
            fixes=guesses,
            hint=_how_to_define(name, entity) if name.startswith(CUSTOM) else None,
        )

    def _name(self, node: ast.Name, scope: _Scope) -> FieldOf:
        if node.entity is None:
            if scope.block is None:
                raise self._unqualified(node)
            return FieldOf(scope.block, self._field(scope.block.entity, node.field, node))
        if bracketed(node):
            entity = self._entity(node.entity, node.span, f".{node.field}")
        else:
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
            raise self.stop(
                "outside-block",
                f"Inside a block about {scope.block.entity.english} rows, {entity.name} needs a block of its own.",
                node.span,
                hint=f"Write {format_filter(inner)[:-1]} …), or use an aggregate.",
            )
        return Row(entity, Role.BARE, owner=scope.customer)

    def _unqualified(self, node: ast.Name) -> Stop:
        name = node.field
        paths = [f"{entity.name}.{name}" for entity in self.catalog.entities.values() if name in entity.fields]
        if not paths:
            every = {
                f"{entity.name}.{known}": known for entity in self.catalog.entities.values() for known in entity.fields
            }
            close = did_you_mean(name, set(every.values()))
            paths = [path for guess in close for path, known in every.items() if known == guess][:3]
        if name in self.catalog.entities:
            return self.stop(
                "not-a-field",
                f"{name} is no field but a kind of row.",
                node.span,
                hint=f"Name a field, such as {name}.{next(iter(self.catalog.entities[name].fields))}, "
                f"or ask whether there is one: ANY {name}.",
            )
        return self.stop(
            "unknown-field",
            f"{name} does not say what it belongs to.",
            node.span,
            hint="Outside a block a field is written entity.field, and text in quotes.",
            fixes=[Fix(f"Did you mean {path}?", node.span, path) for path in paths],
        )

    # ------------------------------------------------------------ operands

    def operand(self, node: Source, scope: _Scope) -> Found:
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
            case Brought(_, value):
                return Given(value)
            case ast.Aggregate():
                return self._aggregate(node, scope)
            case ast.First():
                return self._first(node, scope)
            case ast.Arithmetic():
                return self._arithmetic(node, scope)
            case ast.Negative(operand):
                inner = self._typed_operand(operand, scope)
                if inner.type.kind not in QUANTITIES:
                    raise self.stop("type-mismatch", f"{with_article(inner.type)} cannot have a minus.", node.span)
                return typed.Arithmetic(inner.type, "-", Value(inner.type, Decimal(0)), inner)
            case ast.Duration(count, unit):
                raise self.stop(
                    "lone-duration",
                    "A span of time is only added to a date or taken from one.",
                    node.span,
                    hint=f"For example today - {count} {unit.lower()}.",
                )
            case _:
                assert_never(node)

    def _typed_operand(self, node: ast.Operand, scope: _Scope) -> Operand:
        """An operand whose type nothing around it can tell."""
        operand = self.operand(node, scope)
        if isinstance(operand, Given | Untyped):
            raise self.stop(
                "untyped-parameter",
                "Nothing here says what type this parameter has.",
                node.span,
                hint="Compare it with a field.",
            )
        return operand

    def _parameter(self, name: str, span: Span) -> Found:
        if self.parameters is None:
            return Untyped(name)
        if name not in self.parameters:
            self.used.setdefault(name, TEXT)
            raise self.stop(
                "missing-parameter",
                f"The parameter ${name} has no value.",
                span,
                hint=suggestion(name, self.parameters),
            )
        self.used.setdefault(name, TEXT)
        return Given(self.parameters[name])

    def _together(
        self, operator: Operator, condition: ast.Condition, nodes: Sequence[Source], scope: _Scope
    ) -> list[Operand]:
        """The operands of one comparison: brought to one type that fits and, if money, to one currency."""
        operands: list[Found] = []
        failed = False
        for node in nodes:
            try:
                operands.append(self.operand(node, scope))
            except Stop:
                failed = True
        if failed:
            self._offer_quotes(nodes, operands)
            raise Stop
        target = self._common_type(operands, nodes)
        self._fits(operator, target, condition)
        typed_operands = self._coerced(operands, target, nodes)
        if target.kind is Kind.MONEY:
            return self._one_currency(typed_operands, nodes[0].span.to(nodes[-1].span))
        return typed_operands

    def _coerced(self, operands: Sequence[Found], target: Type, nodes: Sequence[Source]) -> list[Operand]:
        coerced: list[Operand] = []
        for operand, node in zip(operands, nodes, strict=True):
            with suppress(Stop):
                coerced.append(self._coerce(operand, target, node))
        if len(coerced) < len(operands):
            raise Stop
        return coerced

    def _offer_quotes(self, nodes: Sequence[Source], operands: Sequence[Found]) -> None:
        """`customer.rating = D`: the unknown name is a value of what it is compared with."""
        fields = [operand for operand in operands if isinstance(operand, FieldOf)]
        values = {value.casefold(): value for field in fields for value in field.type.choices}
        named = {node.span: values[node.field] for node in nodes if isinstance(node, ast.Name) and node.field in values}
        for place, problem in enumerate(self.problems):
            if value := named.get(problem.span):
                self.problems[place] = replace(problem, fixes=(Fix("Put it in quotes", problem.span, quoted(value)),))

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

    # ------------------------------------------------------------ aggregates

    def _aggregate(self, node: ast.Aggregate, scope: _Scope) -> Operand:
        row = self._ranging(node.entity, _entity_span(node), scope, node.span)
        inside = self._inside(row, scope)
        where = typed.TRUE if node.where is None else self._condition(node.where, inside)
        if node.field is None:
            return typed.Aggregated(COUNT, "COUNT", row, None, where)
        name = ast.Name(node.entity, node.field, span=node.name_span)
        operand = FieldOf(row, self._field(row.entity, node.field, name))
        allowed = QUANTITIES | ({Kind.DATE} if node.function in ("MIN", "MAX") else set())
        if operand.type.kind not in allowed:
            raise self.stop(
                "wrong-aggregate",
                f"{node.function} does not work on {with_article(operand.type).lower()}.",
                node.span,
                hint=f"It takes {', '.join(sorted(allowed))}.",
            )
        kind = typed.natural_type(node.function, operand.type)
        return typed.Aggregated(kind, node.function, row, in_shared_currency(operand), where)

    def _first(self, node: ast.First, scope: _Scope) -> Operand:
        row = self._ranging(node.entity, _entity_span(node), scope, node.span)
        inside = self._inside(row, scope)
        where = typed.TRUE if node.where is None else self._condition(node.where, inside)
        keys = [(self._sort_key(key.key, row, inside), key.descending) for key in node.by]
        name = ast.Name(node.entity, node.field, span=node.name_span)
        operand = FieldOf(row, self._field(row.entity, node.field, name))
        return typed.FirstOf(row, in_shared_currency(operand), where, tuple(keys))

    def _sort_key(self, node: ast.Name, row: Row, scope: _Scope) -> Operand:
        operand = self._name(node, scope)
        if operand.row is not row:
            raise self.stop(
                "outside-block", f"Rows of {row.entity.name} are put in order by their own fields.", node.span
            )
        if operand.type.kind is Kind.SET:
            raise self.stop("wrong-aggregate", "A set has no order.", node.span)
        return in_shared_currency(operand)


# ---------------------------------------------------------------- small questions about operands


def _complete(checked: Sequence[Predicate | None]) -> tuple[Predicate, ...]:
    if None in checked:
        raise Stop
    return tuple(item for item in checked if item is not None)


def _period(period: ast.Rolling | ast.Calendar) -> tuple[Operand, Operand]:
    """First and last day; weeks begin on Monday (language.md, section 2)."""
    if isinstance(period, ast.Rolling):
        if period.direction == "NEXT":
            return typed.OnDay(0), typed.Shifted(typed.Shifted(typed.OnDay(0), period.count, period.unit), -1, "DAYS")
        return typed.Shifted(typed.Shifted(typed.OnDay(0), -period.count, period.unit), 1, "DAYS"), typed.OnDay(0)
    steps = {"LAST": -1, "THIS": 0, "NEXT": 1}[period.which]
    return typed.PeriodEnd(period.unit, steps, last=False), typed.PeriodEnd(period.unit, steps, last=True)


# ---------------------------------------------------------------- words


def _symbol(operator: Operator, node: ast.Condition) -> str:
    """The operator as it is written in the condition."""
    match node:
        case ast.InPeriod(_, period):
            return f"IN {format_period(period)}"
        case ast.Comparison(written):
            return written
        case ast.Has(listed=False):
            return "HAS"
        case _:
            return operator.symbol


def _meant(name: str, entity: Entity) -> list[str]:
    """A field of the company's own is told apart by its last part; it may be meant where the first is left out."""
    last = name.removeprefix(CUSTOM)
    own = {known.removeprefix(CUSTOM): known for known in entity.fields if known.startswith(CUSTOM)}
    if last in own or last in entity.fields:
        return [own.get(last, last)]
    return [own[guess] for guess in did_you_mean(last, own)] if name != last else did_you_mean(name, entity.fields)


def _how_to_define(name: str, entity: Entity) -> str:
    if entity.name not in CUSTOMIZED:
        return f"A company defines fields of its own for {', '.join(CUSTOMIZED)}."
    return f"To define it: duelist field define {entity.name} {name.removeprefix(CUSTOM)} --type text"


def _entity_span(node: ast.Aggregate | ast.First) -> Span:
    return Span(node.name_span.start, node.name_span.start + len(node.entity))


def _embedded(condition: ast.Condition) -> str:
    text = format_filter(condition)
    return f"({text})" if isinstance(condition, ast.Or) else text


def _example(operand: Operand | None) -> str:
    if isinstance(operand, FieldOf) and operand.field.example:
        return operand.field.example
    return "> 0" if operand and operand.type.kind in QUANTITIES else "IS NOT MISSING"


def _size(condition: Predicate) -> tuple[int, int]:
    """How many kinds of rows are looked at, and how many conditions there are, in segments too."""
    nodes = list(typed.nodes(condition))
    bare = {node.row for node in nodes if isinstance(node, FieldOf) and node.row.role is Role.BARE}
    scopes = len(bare) + sum(isinstance(node, typed.Block | typed.Aggregated | typed.FirstOf) for node in nodes)
    conditions = sum(isinstance(node, typed.Test) for node in nodes)
    inside = [_size(node.members.condition) for node in nodes if isinstance(node, typed.InSegment)]
    return scopes + sum(size[0] for size in inside), conditions + sum(size[1] for size in inside)
