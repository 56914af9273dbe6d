"""Random well-typed filters over the whole language, with literal values taken from the ledger they are asked of.

What the checker must refuse is left out: `ambiguous-not`, reversed ends, percent points between 0 and 1 without
the sign, two bare to-many entities in one comparison, unknown choices, dates in lists, more than the limits allow.
"""

import random
import string
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from dsl import ast
from tests.oracle.evaluator import (
    Evaluator,
    Level,
    Place,
    Scalar,
    alternatives,
    bare_names,
    leaves,
    matches,
    operands,
    scoped_entities,
)
from tests.oracle.metrics import TO_MANY, Row, World, half_up
from tests.oracle.writing import write

NUMERIC = ("number", "count", "days")
UNITS: tuple[ast.Unit, ...] = ("DAYS", "WEEKS", "MONTHS", "YEARS")
ORDER: tuple[ast.ComparisonOperator, ...] = ("<", "<=", ">", ">=")
ORDERED = ("custom.level",)  # beside the rating
EQUALITY: tuple[ast.ComparisonOperator, ...] = ("=", "!=")
MOST_SCOPES = 8
MOST_NESTING = 2
COUNTRIES, CURRENCIES = ("DE", "US", "GB", "FR"), ("EUR", "USD", "GBP", "JPY", "CHF")
Feature = Literal["first", "currency", "parameters"]


@dataclass(frozen=True)
class RandomFilter:
    """`tree` is what the text must parse to; `params` are the values of the request."""

    text: str
    tree: ast.Condition
    params: dict[str, object]


def random_filter(
    rng: random.Random, world: World, level: Level = "customer", depth: int = 2, *, without: Collection[Feature] = ()
) -> RandomFilter:
    """About half of the filters describe neither nobody nor everybody.

    `without` leaves out FIRST, money that is converted for a comparison, or parameters.
    """
    while True:
        maker = _Maker(rng, world, level, without)
        tree = maker.condition(maker.top, depth)
        if is_refused(tree, level):
            continue
        if rng.random() < 0.75:
            size = len(matches(tree, world, level, maker.params))
            if size in (0, len(world.customers if level == "customer" else world.groups)):
                continue
        text, named = write(tree, rng)
        return RandomFilter(text, tree, {name: value for name, value in maker.params.items() if name in named})


# -------------------------------------------------------------------- what is refused


def is_refused(tree: ast.Condition, level: Level) -> bool:
    return is_ambiguous(tree, level) or scopes(tree) > MOST_SCOPES


def is_ambiguous(tree: ast.Condition, level: Level) -> bool:
    """Rule 4: in one AND, a NOT over a bare condition on an entity that also has a positive one."""
    for literals in alternatives(tree):
        positive, negative = set[str](), set[str]()
        for literal in literals:
            (negative if isinstance(literal, ast.Not) else positive).update(speaks_of(literal, level))
        if positive & negative:
            return True
    return any(is_ambiguous(inner, inner_level) for inner, inner_level in inner_filters(tree, level))


def speaks_of(condition: ast.Condition, level: Level) -> set[str]:
    """The to-many entities with a bare condition; at level group a member, if anything is said about one."""
    if isinstance(condition, ast.Not):
        return speaks_of(condition.condition, level)
    if isinstance(condition, ast.And | ast.Or):
        return set[str]().union(*(speaks_of(each, level) for each in condition.conditions))
    named = bare_names(condition, None) & {"customer", *TO_MANY} - ({"customer"} if level == "customer" else set())
    if level == "group" and (named or scoped_entities(condition) & set(TO_MANY)):
        named.add("customer")
    return named


def inner_filters(tree: ast.Condition, level: Level) -> Iterator[tuple[ast.Condition, Level]]:
    """The filters inside a filter in which rows are bare again: below NOT, and about a member of the group."""
    match tree:
        case ast.Not(condition):
            yield condition, level
        case ast.And(conditions) | ast.Or(conditions):
            for condition in conditions:
                yield from inner_filters(condition, level)
        case ast.Block("ANY" | "NO" | "ALL", "customer", condition) if condition is not None:
            yield condition, "customer"
        case _:
            for leaf in (leaf for operand in operands(tree) for leaf in leaves(operand)):
                if isinstance(leaf, ast.Aggregate | ast.First) and leaf.entity == "customer" and leaf.where is not None:
                    yield leaf.where, "customer"


def scopes(tree: ast.Condition) -> int:
    """Blocks, aggregates and conditions on bare to-many entities, counted generously."""
    match tree:
        case ast.Not(condition):
            return scopes(condition)
        case ast.And(conditions) | ast.Or(conditions):
            return sum(map(scopes, conditions))
        case ast.Block(_, _, condition):
            return 1 + (0 if condition is None else scopes(condition))
        case _:
            aggregates = [
                leaf
                for operand in operands(tree)
                for leaf in leaves(operand)
                if isinstance(leaf, ast.Aggregate | ast.First)
            ]
            inner = sum(1 + (0 if leaf.where is None else scopes(leaf.where)) for leaf in aggregates)
            return inner + bool(bare_names(tree, None) & {"customer", *TO_MANY})


# -------------------------------------------------------------------- making one


@dataclass(frozen=True)
class Scope:
    """What can be named at one point: single rows, bare to-many rows, and rows to open a block or aggregate over."""

    own: str | None
    single: tuple[str, ...]
    bare: tuple[str, ...]
    ranges: tuple[str, ...]
    nesting: int = 0


@dataclass(frozen=True)
class Typed:
    """An operand, its type, the field it is (if it is one), and the bare to-many entity it speaks of."""

    node: ast.Operand
    kind: str
    field: tuple[str, str] | None = None
    bare: str | None = None


def plain(value: Decimal) -> Decimal:
    """Without trailing zeros, and without an exponent."""
    whole = value.to_integral_value()
    return Decimal(int(whole)) if whole == value else value.normalize()


class _Maker:
    def __init__(self, rng: random.Random, world: World, level: Level, without: Collection[Feature]) -> None:
        self.rng = rng
        self.world = world
        self.level = level
        self.without = without
        self.params: dict[str, object] = {}
        self.focus = rng.choice(TO_MANY)
        self.places = self._some_places()
        self.top = (
            Scope(None, ("customer", "group", "company"), TO_MANY, TO_MANY)
            if level == "customer"
            else Scope(None, ("group", "company"), ("customer", *TO_MANY), ("customer", *TO_MANY))
        )

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def inside(self, entity: str, scope: Scope) -> Scope:
        if entity == "customer":
            return Scope("customer", ("customer", "group", "company"), TO_MANY, TO_MANY, scope.nesting + 1)
        return Scope(entity, (entity, "customer", "group", "company"), (), TO_MANY, scope.nesting + 1)

    # ---------------------------------------------------------------- values of the ledger

    def _some_places(self) -> list[Place]:
        """Customers with one random row of each kind at hand, to draw literal values from."""
        customers = self.world.customers
        if self.level == "group" and (members := [each for each in customers if each.group is not None]):
            customers = members
        places = []
        for customer in self.rng.choices(customers, k=10):
            rows = {entity: self.rng.choice(self.world.rows(entity, customer) or [None]) for entity in TO_MANY}
            known = {entity: row for entity, row in rows.items() if row is not None}
            at_hand = {"customer": customer, "group": self.world.group_of(customer), "company": self.world.company}
            places.append(Place("row", None, {**at_hand, **known}))
        return places

    def samples(self, operand: Typed, scope: Scope) -> list[Scalar]:
        """Values that the operand has somewhere in this ledger."""
        values = []
        evaluator = Evaluator(self.world, self.level, self.params)
        for place in self.places:
            here = replace(place, own=scope.own)
            if self.level == "group" and here.rows["group"] is None:
                continue
            try:
                value = evaluator.value(operand.node, here)
            except KeyError:  # the customer has no such row
                continue
            if value is not None:
                values.append(value)
        return values

    # ---------------------------------------------------------------- conditions

    def condition(self, scope: Scope, depth: int) -> ast.Condition:
        if depth > 0 and scope.bare and self.chance(0.35):
            together = self.together(scope)
            if together is not None:
                return together
        kind = self.rng.random()
        if depth == 0 or kind < 0.12:
            return self.atom(scope)
        if kind < 0.55:
            return ast.And(tuple(self._several(ast.And, scope, depth)))
        if kind < 0.87:
            return ast.Or(tuple(self._several(ast.Or, scope, depth)))
        return ast.Not(self.condition(scope, depth - 1))

    def _several(self, kind: type[ast.And] | type[ast.Or], scope: Scope, depth: int) -> Iterator[ast.Condition]:
        for _ in range(self.rng.choice((2, 2, 2, 3))):
            node = self.condition(scope, depth - 1)
            if isinstance(node, kind):
                yield from node.conditions
            else:
                yield node

    # ---------------------------------------------------------------- conditions that only two rows meet together

    def together(self, scope: Scope) -> ast.Condition | None:
        """Bare conditions, each true of some row near one customer or group, but not always of one and the same."""
        pairs = self.neighbours(scope)
        if not pairs:
            return None
        chosen = [self.true_of(*self.rng.choice(pairs), scope) for _ in range(self.rng.choice((2, 2, 3)))]
        form = self.rng.random()
        if form < 0.5:
            return ast.And(tuple(chosen))
        other = self.comparison(scope)
        if form < 0.75:
            return ast.And((ast.Or((chosen[0], other)), *chosen[1:]))
        return ast.Or((ast.And(tuple(chosen)), other))

    def neighbours(self, scope: Scope) -> list[tuple[str, Row]]:
        """The rows of one entity at one customer; at level group also members, and rows of several members."""
        customers = self.world.customers
        if "customer" in scope.bare:
            customers = self.world.members(self.rng.choice(self.world.groups)) if self.world.groups else []
        elif customers:
            customers = [self.rng.choice(customers)]
        entity = self.focus if self.chance(0.7) else self.rng.choice(TO_MANY)
        rows: list[tuple[str, Row]] = [(entity, row) for each in customers for row in self.world.rows(entity, each)]
        if "customer" in scope.bare:
            rows += [("customer", customer) for customer in customers]
        return rows

    def true_of(self, entity: str, row: Row, scope: Scope) -> ast.Condition:
        name = self.rng.choice(list(self.world.types[entity]))
        field = self.named(entity, name, scope)
        value = self.world.value(entity, row, name)
        match value:
            case None:
                return ast.Missing(field.node)
            case bool():
                return ast.Bare(field.node) if value else ast.Comparison("=", field.node, ast.Flag(False))
            case date():
                return ast.Comparison(self.rng.choice(("=", "<=", ">=")), field.node, self.day(value))
            case str():
                return ast.Comparison("=", field.node, ast.Text(value))
            case frozenset():
                return ast.Has(field.node, "ANY", (ast.Text(self.rng.choice(sorted(value))),), False)
            case _:
                exact = half_up(Fraction(value))
                number = self.percent(plain(exact)) if field.kind == "percent" else ast.Number(plain(exact))
                return ast.Comparison(self.rng.choice(("=", "<=", ">=")), field.node, number)

    # ---------------------------------------------------------------- single conditions

    def atom(self, scope: Scope) -> ast.Condition:
        if scope.nesting < MOST_NESTING and self.chance(0.15):
            return self.block(scope)
        return self.comparison(scope)

    def block(self, scope: Scope) -> ast.Condition:
        entity = self.range_entity(scope)
        quantifier: Literal["ANY", "NO", "ALL"] = self.rng.choice(("ANY", "NO", "ALL"))
        if quantifier != "ALL" and self.chance(0.12):
            return ast.Block(quantifier, entity, None)
        return ast.Block(quantifier, entity, self.condition(self.inside(entity, scope), self.rng.choice((0, 1, 1, 2))))

    def range_entity(self, scope: Scope) -> str:
        if "customer" in scope.ranges and self.chance(0.4):
            return "customer"
        return self.focus if self.chance(0.5) else self.rng.choice(TO_MANY)

    def comparison(self, scope: Scope) -> ast.Condition:
        subject = self.subject(scope)
        make: Callable[[Typed, Scope], ast.Condition] = {
            "money": self.about_quantity,
            "percent": self.about_quantity,
            "date": self.about_date,
            "text": self.about_text,
            "choice": self.about_choice,
            "code": self.about_choice,
            "flag": self.about_flag,
            "set": self.about_set,
        }.get(subject.kind, self.about_quantity)
        if subject.kind != "flag" and self.chance(0.07):
            return ast.Missing(subject.node, self.chance(0.5))
        return make(subject, scope)

    # ---------------------------------------------------------------- operands

    def subject(self, scope: Scope) -> Typed:
        kind = self.rng.random()
        if kind < 0.17 and scope.nesting < MOST_NESTING:
            return self.aggregate(scope)
        if kind < 0.32:
            return self.arithmetic(scope)
        found = self.field(scope)
        assert found is not None
        return found

    def entity(self, scope: Scope) -> str:
        if scope.own is not None and self.chance(0.7):
            return scope.own
        if scope.bare and self.chance(0.55):
            if "customer" in scope.bare and self.chance(0.4):
                return "customer"
            return self.focus if self.chance(0.6) else self.rng.choice(TO_MANY)
        single = [entity for entity in scope.single for _ in range({"company": 1, "group": 3}.get(entity, 6))]
        return self.rng.choice(single)

    def named(self, entity: str, name: str, scope: Scope) -> Typed:
        node = ast.Name(None if entity == scope.own else entity, name)
        bare = entity if entity in scope.bare else None
        return Typed(node, self.world.types[entity][name], (entity, name), bare)

    def field(self, scope: Scope, kinds: Sequence[str] = (), entities: Sequence[str] = ()) -> Typed | None:
        """A field, of these kinds and entities if any are given; None if there is none."""
        fields = [
            (entity, name)
            for entity in (entities or (self.entity(scope),))
            for name, kind in self.world.types[entity].items()
            if not kinds or kind in kinds
        ]
        return self.named(*self.rng.choice(fields), scope) if fields else None

    def partner(self, first: Typed, scope: Scope, kinds: Sequence[str]) -> Typed | None:
        """Something to compare or calculate with: of the same bare entity, or of a single row, or an aggregate."""
        if scope.nesting < MOST_NESTING and self.chance(0.15):
            aggregate = self.aggregate(scope)
            return aggregate if aggregate.kind in kinds else None
        same = first.field[0] if first.field and isinstance(first.node, ast.Name) else first.bare
        near = [same] if same is not None and self.chance(0.6) else list(scope.single)
        entities = near if first.kind != "money" or "currency" not in self.without else [same] if same else []
        found = self.field(scope, kinds, entities) if entities else None
        return None if found is not None and found.node == first.node and self.chance(0.9) else found

    def aggregate(self, scope: Scope) -> Typed:
        entity = self.range_entity(scope)
        inner = self.inside(entity, scope)
        where = self.condition(inner, self.rng.choice((0, 0, 1))) if self.chance(0.5) else None
        if self.chance(0.25):
            return Typed(ast.Aggregate("COUNT", entity, None, where), "count")
        if self.chance(0.4) and "first" not in self.without:
            return self.first(entity, where if self.chance(0.6) else None)
        name, kind = self.rng.choice(self._summable(entity) or [("", "")])
        if not kind:
            return Typed(ast.Aggregate("COUNT", entity, None, where), "count")
        function: Literal["SUM", "AVG", "MIN", "MAX"] = self.rng.choice(
            ("MIN", "MAX") if kind == "date" else ("SUM", "SUM", "AVG", "MIN", "MAX")
        )
        kind = "number" if kind in NUMERIC else kind
        return Typed(ast.Aggregate(function, entity, name, where), kind)

    def _summable(self, entity: str) -> list[tuple[str, str]]:
        kinds = (*NUMERIC, "money", "percent", "date")
        return [(name, kind) for name, kind in self.world.types[entity].items() if kind in kinds]

    def first(self, entity: str, where: ast.Condition | None) -> Typed:
        types = self.world.types[entity]
        name = self.rng.choice([name for name, kind in types.items() if kind != "set"])
        if "source_id" in types and self.chance(0.3):
            name = "source_id"  # which row it is
        keys = [key for key, kind in types.items() if kind in (*NUMERIC, "money", "percent", "date", "text")]
        chosen = self.rng.sample(keys, min(len(keys), self.rng.choice((1, 2, 2))))
        by = tuple(ast.SortKey(ast.Name(None, key), self.chance(0.4)) for key in chosen)
        return Typed(ast.First(entity, name, where, by), types[name], (entity, name))

    def arithmetic(self, scope: Scope) -> Typed:
        entity = self.entity(scope)
        make = self.rng.choice((self._sum, self._scaled, self._ratio, self._days_between, self._moved, self._negative))
        made = make(entity, scope)
        if made is not None:
            return made
        found = self.field(scope, (), (entity,))
        assert found is not None
        return found

    def _sum(self, entity: str, scope: Scope) -> Typed | None:
        left = self.field(scope, ("money", "money", *NUMERIC), (entity,))
        right = left and self.partner(left, scope, ("money",) if left.kind == "money" else NUMERIC)
        if left is None or right is None:
            return None
        kind = "money" if left.kind == "money" else "number"
        return Typed(ast.Arithmetic(self.rng.choice(("+", "-")), left.node, right.node), kind, bare=left.bare)

    def _scaled(self, entity: str, scope: Scope) -> Typed | None:
        found = self.field(scope, ("money",), (entity,))
        if found is None:
            return None
        by = Decimal(self.rng.choice(("2", "0.5", "3", "1.5")))
        percent = ast.Percent(Decimal(self.rng.choice(("20", "50", "90", "0.5", "150"))))
        node = self.rng.choice(
            (
                ast.Arithmetic("*", percent, found.node),
                ast.Arithmetic("*", found.node, percent),
                ast.Arithmetic("*", ast.Number(by), found.node),
                ast.Arithmetic("*", found.node, ast.Number(by)),
                ast.Arithmetic("/", found.node, ast.Number(by)),
            )
        )
        return Typed(node, "money", bare=found.bare)

    def _ratio(self, entity: str, scope: Scope) -> Typed | None:
        left = self.field(scope, ("money",), (entity,))
        right = left and self.partner(left, scope, ("money",))
        if left is None or right is None:
            return None
        return Typed(ast.Arithmetic("/", left.node, right.node), "ratio", bare=left.bare)

    def _days_between(self, entity: str, scope: Scope) -> Typed | None:
        left = self.field(scope, ("date",), (entity,))
        if left is None:
            return None
        if self.chance(0.4):
            return Typed(ast.Arithmetic("-", ast.Today(0), left.node), "days", bare=left.bare)
        right = self.partner(left, scope, ("date",))
        return right and Typed(ast.Arithmetic("-", left.node, right.node), "days", bare=left.bare)

    def _moved(self, entity: str, scope: Scope) -> Typed | None:
        day = self.field(scope, ("date",), (entity,))
        if day is None:
            return None
        sign: Literal["+", "-"] = self.rng.choice(("+", "-"))
        return Typed(ast.Arithmetic(sign, day.node, self.duration()), "date", bare=day.bare)

    def duration(self) -> ast.Duration:
        unit = self.rng.choice(UNITS)
        most = {"DAYS": 90, "WEEKS": 13, "MONTHS": 13, "YEARS": 2}[unit]
        return ast.Duration(self.rng.choice((1, 2, self.rng.randint(1, most))), unit)

    def _negative(self, entity: str, scope: Scope) -> Typed | None:
        found = self.field(scope, ("money", *NUMERIC), (entity,))
        return found and Typed(ast.Negative(found.node), found.kind, bare=found.bare)

    # ---------------------------------------------------------------- comparisons by type

    def about_quantity(self, subject: Typed, scope: Scope) -> ast.Condition:
        values = [value for value in self.samples(subject, scope) if isinstance(value, Fraction)]
        form = self.rng.random()
        if form < 0.12:
            low, high = sorted((self.near(values), self.near(values)))
            make = self.quantity_maker(subject.kind)
            return ast.Between(subject.node, make(low), make(high), self.chance(0.3))
        if form < 0.24:
            make = self.quantity_maker(subject.kind)
            listed = tuple(make(self.near(values)) for _ in range(self.rng.randint(1, 4)))
            return ast.In(subject.node, listed, self.chance(0.4))
        operator = self.rng.choice((*ORDER, *ORDER, *EQUALITY))
        other = self.other_quantity(subject, scope) if self.chance(0.3) else None
        if other is None:
            constant = self.quantity_maker(subject.kind)(self.near(values))
            return self.either_way(operator, subject.node, self.parameter_or(constant))
        return ast.Comparison(operator, subject.node, other)

    def other_quantity(self, subject: Typed, scope: Scope) -> ast.Operand | None:
        if subject.kind == "ratio":
            return None
        kinds = (subject.kind,) if subject.kind in ("money", "percent") else NUMERIC
        other = self.partner(subject, scope, kinds)
        if other is None:
            return None
        if subject.kind == "money" and self.chance(0.4):
            return ast.Arithmetic("*", ast.Percent(Decimal(self.rng.choice((10, 50, 90, 120)))), other.node)
        return other.node

    def either_way(self, operator: ast.ComparisonOperator, left: ast.Operand, right: ast.Operand) -> ast.Comparison:
        """Now and then the constant stands first."""
        if not self.chance(0.12):
            return ast.Comparison(operator, left, right)
        mirrored: dict[str, ast.ComparisonOperator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
        return ast.Comparison(mirrored.get(operator, operator), right, left)

    def near(self, values: Sequence[Fraction]) -> Decimal:
        """A value of the ledger, or something beside it."""
        value = self.rng.choice(values) if values else Fraction(self.rng.choice((0, 1, 10, 100, 1000)))
        if self.chance(0.35):
            value = self.rng.choice((value + 1, value - 1, value / 2, value + Fraction(1, 10_000), Fraction(0), -value))
        return plain(half_up(value))

    def quantity_maker(self, kind: str) -> Callable[[Decimal], ast.Operand]:
        """How the constants of one comparison are written."""
        if kind == "percent":
            return self.percent
        if kind == "ratio" and self.chance(0.5):
            return lambda value: ast.Percent(plain(value * 100))
        if kind == "money" and "currency" not in self.without and self.chance(0.2):
            rates = {rate.currency for rate in self.world.ledger.rates}
            currency = self.rng.choice(sorted({self.world.company.base_currency, *rates}))
            return lambda value: ast.Money(value, currency)
        return ast.Number

    def percent(self, value: Decimal) -> ast.Operand:
        return ast.Number(value) if (value > 1 or value <= 0) and self.chance(0.4) else ast.Percent(value)

    def parameter_or(self, constant: ast.Operand) -> ast.Operand:
        """Now and then a constant becomes a parameter of the request."""
        if "parameters" in self.without or not self.chance(0.08):
            return constant
        match constant:
            case ast.Number(value):
                given: object = int(value) if value == int(value) and self.chance(0.5) else f"{value:f}"
            case ast.Text(text):
                given = text
            case ast.Day(day):
                given = day.isoformat()
            case ast.Flag(flag):
                given = flag
            case _:
                return constant
        name = f"{self.rng.choice(('p', 'limit_', 'Day'))}{len(self.params) + 1}"
        self.params[name] = given
        return ast.Parameter(name)

    def about_date(self, subject: Typed, scope: Scope) -> ast.Condition:
        days = [value for value in self.samples(subject, scope) if isinstance(value, date)]
        form = self.rng.random()
        if form < 0.35:
            return ast.InPeriod(subject.node, self.period(), self.chance(0.3))
        if form < 0.5:
            low, high = sorted((self.near_day(days), self.near_day(days)))
            return ast.Between(subject.node, self.day(low), self.day(high), self.chance(0.3))
        operator = self.rng.choice((*ORDER, *ORDER, *EQUALITY))
        other = self.partner(subject, scope, ("date",)) if self.chance(0.3) else None
        if other is None:
            return self.either_way(operator, subject.node, self.parameter_or(self.day(self.near_day(days))))
        if self.chance(0.3):
            moved = ast.Arithmetic(self.rng.choice(("+", "-")), other.node, self.duration())
            return ast.Comparison(operator, subject.node, moved)
        return ast.Comparison(operator, subject.node, other.node)

    def near_day(self, days: Sequence[date]) -> date:
        day = self.rng.choice(days) if days else self.world.as_of
        return day + timedelta(self.rng.choice((0, 0, 0, 1, -1, 30, -30)))

    def day(self, day: date) -> ast.Operand:
        offset = (day - self.world.as_of).days
        if offset in (-1, 0, 1) and self.chance(0.7):
            return ast.Today(offset)
        if 0 < abs(offset) < 400 and self.chance(0.25):
            weeks = offset % 7 == 0 and self.chance(0.7)
            moved = ast.Duration(abs(offset) // 7, "WEEKS") if weeks else ast.Duration(abs(offset), "DAYS")
            return ast.Arithmetic("+" if offset > 0 else "-", ast.Today(0), moved)
        return ast.Text(day.isoformat()) if self.chance(0.3) else ast.Day(day)

    def period(self) -> ast.Rolling | ast.Calendar:
        if self.chance(0.5):
            unit: Literal["WEEK", "MONTH", "QUARTER", "YEAR"] = self.rng.choice(("WEEK", "MONTH", "QUARTER", "YEAR"))
            return ast.Calendar(self.rng.choice(("THIS", "LAST", "NEXT")), unit)
        duration = self.duration()
        return ast.Rolling(self.rng.choice(("LAST", "LAST", "NEXT")), duration.count, duration.unit)

    def about_text(self, subject: Typed, scope: Scope) -> ast.Condition:
        texts = [value for value in self.samples(subject, scope) if isinstance(value, str)] or ["Acme"]
        form = self.rng.random()
        if form < 0.2:
            listed = tuple(ast.Text(self.rng.choice(texts)) for _ in range(self.rng.randint(1, 3)))
            return ast.In(subject.node, listed, self.chance(0.5))
        if form < 0.6:
            operator: ast.ComparisonOperator = self.rng.choice(("CONTAINS", "STARTS WITH", "ENDS WITH"))
            piece = self.parameter_or(ast.Text(self.piece(self.rng.choice(texts))))
            return ast.Comparison(operator, subject.node, piece, self.chance(0.3))
        equality = self.rng.choice(EQUALITY)
        other = self.partner(subject, scope, ("text",)) if self.chance(0.25) else None
        if other is not None:
            return ast.Comparison(equality, subject.node, other.node)
        return ast.Comparison(equality, subject.node, self.parameter_or(ast.Text(self.rng.choice(texts))))

    def piece(self, text: str) -> str:
        """A part of a text in some letter case; a wildcard of other languages now and then."""
        if self.chance(0.15):
            return self.rng.choice(("%", "_", "\\", "a%", "'", '"', "É", "."))
        start = self.rng.choice((0, 0, self.rng.randrange(len(text))))
        end = self.rng.choice((len(text), min(len(text), start + self.rng.randint(1, 3))))
        return self.rng.choice((str.lower, str.upper, str))(text[start:end])

    def about_choice(self, subject: Typed, scope: Scope) -> ast.Condition:
        values = [value for value in self.samples(subject, scope) if isinstance(value, str)]
        entity, name = subject.field or ("", "")
        known = self.world.choices.get((entity, name)) or (COUNTRIES if name == "country" else CURRENCIES)
        pick = [*values, *values, *known]
        if self.chance(0.3):
            listed = tuple(ast.Text(self.cased(self.rng.choice(pick))) for _ in range(self.rng.randint(1, 3)))
            return ast.In(subject.node, listed, self.chance(0.4))
        constant = self.parameter_or(ast.Text(self.cased(self.rng.choice(pick))))
        if name in ("rating", *ORDERED) and self.chance(0.5):
            return ast.Comparison(self.rng.choice(ORDER), subject.node, constant)
        other = self.partner(subject, scope, ("code",)) if name == "currency" and self.chance(0.2) else None
        if other is not None and other.field is not None and "currency" in other.field[1]:
            return ast.Comparison(self.rng.choice(EQUALITY), subject.node, other.node)
        return ast.Comparison(self.rng.choice(EQUALITY), subject.node, constant)

    def cased(self, text: str) -> str:
        if text.strip(string.ascii_letters):
            return text
        return self.rng.choice((text, text, text.lower(), text.upper()))

    def about_flag(self, subject: Typed, scope: Scope) -> ast.Condition:
        if isinstance(subject.node, ast.Name) and self.chance(0.5):
            return ast.Bare(subject.node)
        other = self.partner(subject, scope, ("flag",)) if self.chance(0.15) else None
        constant = self.parameter_or(ast.Flag(self.chance(0.5)))
        return ast.Comparison(self.rng.choice(EQUALITY), subject.node, other.node if other else constant)

    def about_set(self, subject: Typed, scope: Scope) -> ast.Condition:
        held = [element for value in self.samples(subject, scope) if isinstance(value, frozenset) for element in value]
        pick = [*sorted(held), *sorted(held), "Retail", "retail", "VIP", "x"]
        if self.chance(0.35):
            return ast.Has(subject.node, "ANY", (ast.Text(self.rng.choice(pick)),), False, self.chance(0.3))
        listed = tuple(ast.Text(self.rng.choice(pick)) for _ in range(self.rng.randint(1, 3)))
        quantifier: Literal["ANY", "ALL", "NONE"] = self.rng.choice(("ANY", "ALL", "NONE"))
        return ast.Has(subject.node, quantifier, listed, True, self.chance(0.25))
