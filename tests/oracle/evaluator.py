"""What a filter means: the brute-force definition of language.md section 1, rule by rule.

A filter is rewritten as an OR of ANDs with every NOT, block and aggregate opaque (rule 3); each AND is tried with every
row of each to-many entity that occurs bare in it. At level `group` it is tried with every member first (rule 8).
"""

import itertools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, assert_never

from dsl import ast
from tests.oracle.ledger import Customer, Group, Invoice, Payment
from tests.oracle.metrics import TO_MANY, NoRate, Row, World, add_months, half_up

Level = Literal["customer", "group"]
Scalar = Fraction | date | str | bool | frozenset[str]
Alternative = tuple[ast.Condition, ...]

NUMBERS = ("number", "count", "days")
CONSTANTS = (
    ast.Number | ast.Percent | ast.Money | ast.Text | ast.Day | ast.Today | ast.Duration | ast.Flag | ast.Parameter
)
LITERAL_KINDS: dict[type[ast.Operand], str] = {
    ast.Number: "number",
    ast.Percent: "percent",
    ast.Money: "money",
    ast.Text: "text",
    ast.Day: "date",
    ast.Today: "date",
    ast.Duration: "duration",
    ast.Flag: "flag",
    ast.Parameter: "parameter",
}
ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(
    tree: ast.Condition, world: World, level: Level = "customer", params: Mapping[str, object] | None = None
) -> set[str]:
    """The source ids of the customers (at level group: of the groups) that the filter describes."""
    evaluator = Evaluator(world, level, params)
    subjects: Sequence[Customer | Group] = world.customers if level == "customer" else world.groups
    return {subject.source_id for subject in subjects if evaluator.holds(tree, evaluator.place(subject))}


def matching_rows(
    tree: ast.Condition,
    world: World,
    entity: str,
    level: Level = "customer",
    params: Mapping[str, object] | None = None,
) -> set[str]:
    """The rows that play a part in the answer (language.md 3, "Matching rows"), by source id."""
    evaluator = Evaluator(world, level, params)
    subjects: Sequence[Customer | Group] = world.customers if level == "customer" else world.groups
    places = [evaluator.place(subject) for subject in subjects]
    return {
        row.source_id
        for place in places
        if evaluator.holds(tree, place)
        for row in evaluator.roles(tree, place, entity)
        if hasattr(row, "source_id")
    }


@dataclass(frozen=True, slots=True)
class Place:
    """What names mean at one point of a filter.

    `subject` is what the logic is about there: a group, a customer, or (inside a block) one row. `own` is the entity a
    name without entity belongs to. `rows` are the rows at hand; a customer without a group has None for it.
    """

    subject: Literal["group", "customer", "row"]
    own: str | None
    rows: Mapping[str, Row | None]

    def with_row(self, entity: str, row: Row) -> "Place":
        return Place(self.subject, self.own, {**self.rows, entity: row})


def alternatives(tree: ast.Condition) -> list[Alternative]:
    """Rule 3: the filter as an OR of ANDs of opaque literals."""
    match tree:
        case ast.Or(conditions):
            return [alternative for condition in conditions for alternative in alternatives(condition)]
        case ast.And(conditions):
            products = itertools.product(*(alternatives(condition) for condition in conditions))
            return [tuple(itertools.chain.from_iterable(product)) for product in products]
        case _:
            return [(tree,)]


def operands(condition: ast.Condition) -> tuple[ast.Operand, ...]:
    """The operands of one comparison; a NOT and a block are opaque and have none."""
    match condition:
        case ast.Comparison(_, left, right):
            return (left, right)
        case ast.Between(operand, low, high):
            return (operand, low, high)
        case ast.In(operand, values) | ast.Has(operand, _, values):
            return (operand, *values)
        case ast.InPeriod(operand) | ast.Missing(operand) | ast.Bare(operand):
            return (operand,)
        case _:
            return ()


def leaves(operand: ast.Operand) -> Iterator[ast.Operand]:
    match operand:
        case ast.Arithmetic(_, left, right):
            yield from leaves(left)
            yield from leaves(right)
        case ast.Negative(inner):
            yield from leaves(inner)
        case _:
            yield operand


def bare_names(literal: ast.Condition, own: str | None) -> set[str]:
    """The entities a literal names outside blocks and aggregates."""
    if isinstance(literal, ast.InSegment):
        return {"customer"}
    named = (leaf for operand in operands(literal) for leaf in leaves(operand) if isinstance(leaf, ast.Name))
    return {name.entity or own or "" for name in named}


def scoped_entities(literal: ast.Condition) -> set[str]:
    """The entities a literal opens a scope of its own over: blocks and aggregates."""
    if isinstance(literal, ast.Block):
        return {literal.entity}
    found = (leaf for operand in operands(literal) for leaf in leaves(operand))
    return {leaf.entity for leaf in found if isinstance(leaf, ast.Aggregate | ast.First)}


def is_about_member(literal: ast.Condition) -> bool:
    """Rule 8: at level group, whatever is a customer's or of a customer's rows belongs to one member."""
    return bool(bare_names(literal, None) & {"customer", *TO_MANY} or scoped_entities(literal) & set(TO_MANY))


def is_constant(operand: ast.Operand) -> bool:
    return all(isinstance(leaf, CONSTANTS) for leaf in leaves(operand))


class Evaluator:
    def __init__(self, world: World, level: Level, params: Mapping[str, object] | None = None) -> None:
        self.world = world
        self.level = level
        self.params = params or {}
        # Worked out once per node; a node is alive as long as the tree that is being evaluated.
        self._alternatives: dict[int, list[Alternative]] = {}
        self._bare: dict[int, set[str]] = {}
        self._kinds: dict[int, str] = {}

    # ---------------------------------------------------------------- places

    def place(self, subject: Customer | Group) -> Place:
        if isinstance(subject, Group):
            return Place("group", None, {"group": subject, "company": self.world.company})
        return self._at_customer(subject, None)

    def _at_customer(self, customer: Customer, own: str | None) -> Place:
        group = self.world.group_of(customer)
        return Place("customer", own, {"customer": customer, "group": group, "company": self.world.company})

    def _members(self, place: Place) -> list[Customer]:
        group = place.rows["group"]
        assert isinstance(group, Group)
        return self.world.members(group)

    def _rows(self, entity: str, place: Place) -> Sequence[Row]:
        if entity == "customer":
            return self._members(place)
        customer = place.rows["customer"]
        assert isinstance(customer, Customer)
        return self.world.rows(entity, customer)

    def _inside(self, entity: str, row: Row, place: Place) -> Place:
        """Rule 5: inside a block names belong to the block's row, or to the customer at hand."""
        if isinstance(row, Customer):
            return self._at_customer(row, "customer")
        at_hand = {key: place.rows[key] for key in ("customer", "group", "company")}
        return Place("row", entity, {**at_hand, entity: row})

    # ---------------------------------------------------------------- rule 3, rule 8

    def holds(self, tree: ast.Condition, place: Place) -> bool:
        if place.subject == "row":
            return self._row_holds(tree, place)
        return any(self._alternative_holds(literals, place) for literals in self._alternatives_of(tree))

    def _alternatives_of(self, tree: ast.Condition) -> list[Alternative]:
        if id(tree) not in self._alternatives:
            self._alternatives[id(tree)] = alternatives(tree)
        return self._alternatives[id(tree)]

    def _row_holds(self, tree: ast.Condition, place: Place) -> bool:
        """Inside a block AND, OR and NOT are about the row."""
        match tree:
            case ast.And(conditions):
                return all(self._row_holds(condition, place) for condition in conditions)
            case ast.Or(conditions):
                return any(self._row_holds(condition, place) for condition in conditions)
            case _:
                return self.literal_holds(tree, place)

    def _alternative_holds(self, literals: Alternative, place: Place) -> bool:
        if place.subject == "group":
            return any(True for _ in self._members_in_role(literals, place)) or self._group_alone_holds(literals, place)
        return self._customer_holds(literals, place)

    def _group_alone_holds(self, literals: Alternative, place: Place) -> bool:
        """An AND without any condition on a member."""
        return not any(map(is_about_member, literals)) and all(self.literal_holds(each, place) for each in literals)

    def _members_in_role(self, literals: Alternative, place: Place) -> Iterator[Customer]:
        """The members that can be the one member this AND is about; none if it is about none."""
        about_member = tuple(literal for literal in literals if is_about_member(literal))
        about_group = (literal for literal in literals if not is_about_member(literal))
        if about_member and all(self.literal_holds(literal, place) for literal in about_group):
            for member in self._members(place):
                if self._customer_holds(about_member, self._at_customer(member, None)):
                    yield member

    def _customer_holds(self, literals: Alternative, place: Place) -> bool:
        """Every literal holds, and for each to-many entity one single row satisfies all its bare conditions."""
        of_customer = (literal for literal in literals if not self._to_many(literal, place))
        if not all(self.literal_holds(literal, place) for literal in of_customer):
            return False
        entities = {entity for literal in literals for entity in self._to_many(literal, place)}
        return all(any(True for _ in self._rows_in_role(entity, literals, place)) for entity in entities)

    def _rows_in_role(self, entity: str, literals: Alternative, place: Place) -> Iterator[Row]:
        bare = [literal for literal in literals if entity in self._to_many(literal, place)]
        for row in self._rows(entity, place):
            bound = place.with_row(entity, row)
            if all(self.literal_holds(literal, bound) for literal in bare):
                yield row

    def _to_many(self, literal: ast.Condition, place: Place) -> set[str]:
        if id(literal) not in self._bare:
            named = bare_names(literal, place.own) & set(TO_MANY)
            if len(named) > 1:
                raise ValueError(f"one comparison mixes two bare to-many entities: {literal}")
            self._bare[id(literal)] = named
        return self._bare[id(literal)]

    # ---------------------------------------------------------------- matching rows

    def roles(self, tree: ast.Condition, place: Place, entity: str) -> list[Row]:
        """language.md 3: rows that play a part in an alternative that holds; with neither, the usual ones."""
        holding = [each for each in self._alternatives_of(tree) if self._alternative_holds(each, place)]
        if place.subject == "group":
            return self._group_roles(holding, place, entity)
        parts = [part for literals in holding for part in self._parts(literals, place, entity)]
        return list(itertools.chain(*parts)) if parts else self._usual_rows(entity, place)

    def _parts(self, literals: Alternative, place: Place, entity: str) -> Iterator[list[Row]]:
        """What one alternative says of the entity: its bare conditions, and each positive ANY block."""
        if any(entity in self._to_many(literal, place) for literal in literals):
            yield list(self._rows_in_role(entity, literals, place))
        for literal in literals:
            if isinstance(literal, ast.Block) and literal.quantifier == "ANY" and literal.entity == entity:
                yield list(self._where(entity, literal.condition, place))

    def _usual_rows(self, entity: str, place: Place) -> list[Row]:
        """The customer's open invoices, its payments of the last 90 days, its credit notes with something left."""
        first, last = self.world.as_of - timedelta(89), self.world.as_of
        rows = self._rows(entity, place)
        if entity == "credit_note":
            return [row for row in rows if not self.world.value(entity, row, "is_assigned")]
        if entity == "payment":
            return [row for row in rows if isinstance(row, Payment) and first <= row.date <= last]
        return [row for row in rows if isinstance(row, Invoice) and self.world.is_open(row)]

    def _group_roles(self, holding: Sequence[Alternative], place: Place, entity: str) -> list[Row]:
        """At level group: the members in the role, and these members' rows in theirs."""
        members = self._customers_in_role(holding, place)
        if entity == "customer":
            return list(members)
        parts = [
            part
            for literals in holding
            for member in self._members_in_role(literals, place)
            for part in self._parts(
                tuple(literal for literal in literals if is_about_member(literal)),
                self._at_customer(member, None),
                entity,
            )
        ]
        if parts:
            return list(itertools.chain(*parts))
        return [row for member in members for row in self._usual_rows(entity, self._at_customer(member, None))]

    def _customers_in_role(self, holding: Sequence[Alternative], place: Place) -> list[Customer]:
        """Members that bare conditions or a positive ANY customer block are about; with neither, all of them."""
        found = [
            member.source_id
            for literals in holding
            for role in (self._members_in_role(literals, place), *self._parts(literals, place, "customer"))
            for member in role
            if isinstance(member, Customer)
        ]
        members = self._members(place)
        return [member for member in members if member.source_id in found] if found else members

    # ---------------------------------------------------------------- literals

    def literal_holds(self, literal: ast.Condition, place: Place) -> bool:
        match literal:
            case ast.Not(condition):  # rule 4: the complement of the set
                return not self.holds(condition, place)
            case ast.Block():
                return self._block_holds(literal, place)
            case ast.Comparison("!=", left, right):  # rule 7: negative operators are exact complements
                return not self._compare("=", left, right, place)
            case ast.Comparison("CONTAINS" | "STARTS WITH" | "ENDS WITH", negated=negated):
                return self._text_holds(literal, place) is not negated
            case ast.Comparison(symbol, left, right):
                return self._compare(symbol, left, right, place)
            case ast.Between(operand, low, high, negated):
                inside = self._compare(">=", operand, low, place) and self._compare("<=", operand, high, place)
                return inside is not negated
            case ast.In(operand, values, negated):
                return any(self._compare("=", operand, value, place) for value in values) is not negated
            case ast.InPeriod(operand, period, negated):
                return self._in_period(operand, period, place) is not negated
            case ast.Has():
                return self._has(literal, place) is not literal.negated
            case ast.InSegment(segment, negated):
                customer = place.rows["customer"]
                members = matches(self.world.segments[segment], self.world)
                return (isinstance(customer, Customer) and customer.source_id in members) is not negated
            case ast.Missing(operand, negated):
                return (self.value(operand, place) is None) is not negated
            case ast.Bare(operand):
                return self._value(operand, place) is True
            case ast.And() | ast.Or():
                return self._row_holds(literal, place)
            case _:
                assert_never(literal)

    def _block_holds(self, block: ast.Block, place: Place) -> bool:
        rows = self._rows(block.entity, place)
        having = list(self._where(block.entity, block.condition, place))
        if block.quantifier == "ALL":
            return bool(rows) and len(having) == len(rows)
        return bool(having) is (block.quantifier == "ANY")

    def _where(self, entity: str, condition: ast.Condition | None, place: Place) -> Iterator[Row]:
        for row in self._rows(entity, place):
            if condition is None or self.holds(condition, self._inside(entity, row, place)):
                yield row

    def _text_holds(self, comparison: ast.Comparison, place: Place) -> bool:
        """No character is a wildcard; letter case is ignored (language.md 2)."""
        whole, part = self._value(comparison.left, place), self._as(comparison.right, place, "text")
        if not isinstance(whole, str) or not isinstance(part, str):
            return False
        whole, part = (text.lower().replace("\u03c2", "\u03c3") for text in (whole, part))
        if comparison.operator == "CONTAINS":
            return part in whole
        return whole.startswith(part) if comparison.operator == "STARTS WITH" else whole.endswith(part)

    def _has(self, condition: ast.Has, place: Place) -> bool:
        elements = self._value(condition.operand, place)
        assert elements is None or isinstance(elements, frozenset)
        wanted = {self._as(value, place, "text") for value in condition.values}
        held = wanted & (elements or frozenset())
        if condition.quantifier == "ALL":
            return held == wanted
        return bool(held) is (condition.quantifier == "ANY")

    def _in_period(self, operand: ast.Operand, period: ast.Rolling | ast.Calendar, place: Place) -> bool:
        day = self._as(operand, place, "date")
        first, last = period_days(period, self.world.as_of)
        return isinstance(day, date) and first <= day <= last

    # ---------------------------------------------------------------- comparing

    def _compare(self, symbol: str, left: ast.Operand, right: ast.Operand, place: Place) -> bool:
        """A positive comparison with a missing value is false (rule 7)."""
        kind = self._common_kind(left, right, place)
        currency = self._currency(place, left, right) if kind == "money" else None
        first, second = self._as(left, place, kind, currency), self._as(right, place, kind, currency)
        if first is None or second is None:
            return False
        if kind in ("percent", "money"):
            first, second = self._percent_scales(left, first, right, second, place)
        if kind == "choice":
            first, second = self._choice_rank(first, second, left, right, place)
        return ORDERINGS[symbol](first, second)

    def _common_kind(self, left: ast.Operand, right: ast.Operand, place: Place) -> str:
        kinds = {self._kind(left, place), self._kind(right, place)}
        for kind in ("date", "choice", "money", "percent", "number", "flag", "text"):
            if kind in kinds:
                return kind
        raise ValueError(f"nothing to compare: {left} {right}")

    def _percent_scales(
        self, left: ast.Operand, first: Scalar, right: ast.Operand, second: Scalar, place: Place
    ) -> tuple[Scalar, Scalar]:
        """Percent with percent, and a percent value with a bare number, in points; with anything else `50%` is 0.5.

        So for `90% * 2000` beside money: 1,800.
        """
        assert isinstance(first, Fraction)
        assert isinstance(second, Fraction)
        left_percent, right_percent = (self._kind(each, place) == "percent" for each in (left, right))
        if left_percent and not right_percent and not (is_constant(right) and not is_constant(left)):
            first /= 100
        if right_percent and not left_percent and not (is_constant(left) and not is_constant(right)):
            second /= 100
        return first, second

    def _choice_rank(
        self, first: Scalar, second: Scalar, left: ast.Operand, right: ast.Operand, place: Place
    ) -> tuple[Scalar, Scalar]:
        """Letter case is ignored; ordered choices compare by their order (a code has none and compares as text)."""
        choices = self._choices(left, place) or self._choices(right, place)
        folded = [choice.lower() for choice in choices]
        first, second = str(first).lower(), str(second).lower()
        if first in folded and second in folded:
            return Fraction(folded.index(first)), Fraction(folded.index(second))
        return first, second

    def _choices(self, operand: ast.Operand, place: Place) -> tuple[str, ...]:
        match operand:
            case ast.Name(entity, name):
                return self.world.choices.get((entity or place.own or "", name), ())
            case ast.First(entity, name) | ast.Aggregate(_, entity, str(name)):
                return self.world.choices.get((entity, name), ())
            case _:
                return ()

    # ---------------------------------------------------------------- kinds

    def _kind(self, operand: ast.Operand, place: Place) -> str:
        """money, percent, number (also days and counts), date, duration, text, choice (also codes), flag, set."""
        if id(operand) not in self._kinds:
            self._kinds[id(operand)] = self._find_kind(operand, place)
        return self._kinds[id(operand)]

    def _find_kind(self, operand: ast.Operand, place: Place) -> str:
        match operand:
            case ast.Name(entity, name):
                return self._field_kind(entity or place.own or "", name)
            case ast.Aggregate("COUNT"):
                return "number"
            case ast.Aggregate(_, entity, str(name)) | ast.First(entity, name):
                return self._field_kind(entity, name)
            case ast.Arithmetic():
                return self._arithmetic_kind(operand, place)
            case ast.Negative(inner):
                return self._kind(inner, place)
            case _:
                return LITERAL_KINDS[type(operand)]

    def _field_kind(self, entity: str, name: str) -> str:
        kind = self.world.types[entity][name]
        return {"count": "number", "days": "number", "code": "choice"}.get(kind, kind)

    def _arithmetic_kind(self, node: ast.Arithmetic, place: Place) -> str:
        kinds = (self._kind(node.left, place), self._kind(node.right, place))
        if kinds[1] == "duration":
            return "date"
        if "date" in kinds:
            return "date" if kinds[1] == "number" else "number"
        if "money" in kinds:
            return "number" if kinds == ("money", "money") and node.operator == "/" else "money"
        if kinds == ("percent", "percent") and node.operator != "/":
            return "percent"
        return "percent" if self._keeps_points(node, kinds) else "number"

    def _keeps_points(self, node: ast.Arithmetic, kinds: tuple[str, str]) -> bool:
        """A percentage and a bare number: 2 * 40% is 80%, 50% / 2 is 25%, and 10 more or less are percent points."""
        if kinds == ("percent", "number"):
            return is_constant(node.right)
        return kinds == ("number", "percent") and node.operator != "/" and is_constant(node.left)

    # ---------------------------------------------------------------- money

    def _money_owners(self, operand: ast.Operand, place: Place) -> Iterator[str]:
        """Whose money an operand adds up: an entity's own, `rows` or `members` for an aggregate, or `1 EUR`."""
        match operand:
            case ast.Money(_, currency):
                yield f"literal {currency}"
            case ast.Name(entity) if self._kind(operand, place) == "money":
                yield entity or place.own or ""
            case ast.Aggregate(entity=entity) | ast.First(entity=entity) if self._kind(operand, place) == "money":
                yield "members" if entity == "customer" else "rows"
            case ast.Arithmetic(_, left, right) if self._kind(operand, place) == "money":
                yield from self._money_owners(left, place)
                yield from self._money_owners(right, place)
            case ast.Negative(inner):
                yield from self._money_owners(inner, place)
            case _:
                return

    def _currency(self, place: Place, *sides: ast.Operand) -> str | None:
        """The currency that money which meets is converted to; None when all of it is of one row.

        A literal's currency, else the customer's; at level group the base currency where only the group's and all
        members' money takes part.
        """
        owners = {owner for side in sides for owner in self._money_owners(side, place)}
        for owner in sorted(owners):
            if owner.startswith("literal "):
                return owner.removeprefix("literal ")
        if len(owners) <= 1:
            return None
        customer = place.rows.get("customer")
        if self.level == "group" and owners <= {"group", "members"}:
            return self.world.company.base_currency
        assert isinstance(customer, Customer)
        return customer.currency

    def _converted(self, amount: Scalar | None, source: str, target: str | None) -> Fraction | None:
        if amount is None:
            return None
        assert isinstance(amount, Fraction)
        if target is None or target == source:
            return amount
        try:
            return Fraction(self.world.convert(to_decimal(amount), source, target))
        except NoRate:
            return None

    # ---------------------------------------------------------------- values

    def value(self, operand: ast.Operand, place: Place) -> Scalar | None:
        """The value of an operand that stands alone."""
        return self._value(operand, place, self._currency(place, operand))

    def _as(self, operand: ast.Operand, place: Place, kind: str, currency: str | None = None) -> Scalar | None:
        """The operand's value; a parameter or a quoted date is read as the kind it is compared with."""
        match operand:
            case ast.Parameter(name):
                return typed_parameter(self.params[name], kind)
            case ast.Text(value) if kind == "date":
                return date.fromisoformat(value)
            case _:
                return self._value(operand, place, currency)

    def _value(self, operand: ast.Operand, place: Place, currency: str | None = None) -> Scalar | None:
        match operand:
            case ast.Name(entity, name):
                return self._field(entity or place.own or "", name, place, currency)
            case ast.Number(points) | ast.Percent(points) | ast.Money(points):
                return Fraction(points)
            case ast.Text(text):
                return text
            case ast.Flag(flag):
                return flag
            case ast.Day(day):
                return day
            case ast.Today(offset):
                return self.world.as_of + timedelta(offset)
            case ast.Aggregate():
                return self._aggregate(operand, place, currency)
            case ast.First():
                return self._first(operand, place, currency)
            case ast.Negative(inner):
                value = self._value(inner, place, currency)
                return -value if isinstance(value, Fraction) else None
            case ast.Arithmetic():
                return self._arithmetic(operand, place, currency)
            case ast.Parameter() | ast.Duration():
                raise ValueError(f"{operand} has no value of its own")
            case _:
                assert_never(operand)

    def _field(self, entity: str, name: str, place: Place, currency: str | None) -> Scalar | None:
        row = place.rows[entity]
        value = scalar(self.world.value(entity, row, name))
        if currency is None or row is None or self._field_kind(entity, name) != "money":
            return value
        return self._converted(value, self.world.currency(entity, row), currency)

    def _arithmetic(self, node: ast.Arithmetic, place: Place, currency: str | None) -> Scalar | None:
        """Exact; on a missing value, and divided by zero, missing (rule 7)."""
        kinds = (self._kind(node.left, place), self._kind(node.right, place))
        if kinds == ("money", "money") and node.operator == "/":
            currency = self._currency(place, node.left, node.right)
        if kinds[1] == "duration":
            return self._moved_day(node, place)
        if kinds == ("date", "number"):
            return self._day_later(node, place)
        kind = "date" if "date" in kinds else "number"
        left, right = self._as(node.left, place, kind, currency), self._as(node.right, place, kind, currency)
        if left is None or right is None:
            return None
        if isinstance(left, date) and isinstance(right, date):
            return Fraction((left - right).days)
        assert isinstance(left, Fraction)
        assert isinstance(right, Fraction)
        if self._keeps_points(node, kinds):
            return calculate(node.operator, left, right)
        return calculate(node.operator, *scaled_percents(node.operator, left, right, kinds))

    def _day_later(self, node: ast.Arithmetic, place: Place) -> date | None:
        """A date and a number of days."""
        day, days = self._as(node.left, place, "date"), self._as(node.right, place, "number")
        if day is None or days is None:
            return None
        assert isinstance(day, date)
        assert isinstance(days, Fraction)
        return day + timedelta(int(days if node.operator == "+" else -days))

    def _moved_day(self, node: ast.Arithmetic, place: Place) -> date | None:
        day = self._as(node.left, place, "date")
        if day is None:
            return None
        assert isinstance(day, date)
        assert isinstance(node.right, ast.Duration)
        return move(day, node.right.count if node.operator == "+" else -node.right.count, node.right.unit)

    # ---------------------------------------------------------------- aggregates (rule 6)

    def _aggregate(self, node: ast.Aggregate, place: Place, currency: str | None) -> Scalar | None:
        rows = list(self._where(node.entity, node.where, place))
        if node.function == "COUNT":
            return Fraction(len(rows))
        assert node.field is not None
        try:
            values = [self._summand(node.entity, row, node.field, place) for row in rows]
        except NoRate:
            return None
        reduced = reduce_values(node.function, [value for value in values if value is not None])
        if currency is None or self._kind(node, place) != "money":
            return reduced
        return self._converted(reduced, self._aggregate_currency(node.entity, place), currency)

    def _aggregate_currency(self, entity: str, place: Place) -> str:
        """The customer's; over the members of a group the base currency."""
        customer = place.rows.get("customer")
        if entity == "customer":
            return self.world.company.base_currency
        assert isinstance(customer, Customer)
        return customer.currency

    def _summand(self, entity: str, row: Row, name: str, place: Place) -> Scalar | None:
        value = self.world.exact(entity, row, name)
        if value is None or self._field_kind(entity, name) != "money":
            return scalar(value)
        assert isinstance(value, Decimal)
        target = self._aggregate_currency(entity, place)
        return Fraction(self.world.convert(value, self.world.currency(entity, row), target))

    def _first(self, node: ast.First, place: Place, currency: str | None) -> Scalar | None:
        """Rows without the key come last; ties are broken by `source_id` as text."""
        rows = sorted(self._where(node.entity, node.where, place), key=lambda row: getattr(row, "source_id", ""))
        for key in reversed(node.by):
            keyed = [(self._summand_or_missing(node.entity, row, key.key.field, place), row) for row in rows]
            present: list[tuple[Any, Row]] = [pair for pair in keyed if pair[0] is not None]
            present.sort(key=lambda pair: pair[0], reverse=key.descending)
            rows = [row for _, row in present] + [row for value, row in keyed if value is None]
        if not rows:
            return None
        value = self._summand_or_missing(node.entity, rows[0], node.field, place)
        if currency is None or self._kind(node, place) != "money":
            return value
        return self._converted(value, self._aggregate_currency(node.entity, place), currency)

    def _summand_or_missing(self, entity: str, row: Row, name: str, place: Place) -> Scalar | None:
        try:
            return self._summand(entity, row, name, place)
        except NoRate:
            return None


# -------------------------------------------------------------------- values


def scalar(value: object) -> Scalar | None:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | Decimal):
        return Fraction(value)
    assert isinstance(value, date | str | frozenset)
    return value


def to_decimal(amount: Fraction) -> Decimal:
    """Amounts have at most four decimals."""
    return Decimal((amount * 10_000).numerator).scaleb(-4)


def calculate(symbol: str, left: Fraction, right: Fraction) -> Fraction | None:
    if symbol == "/":
        return None if right == 0 else left / right
    return {"+": left + right, "-": left - right, "*": left * right}[symbol]


def scaled_percents(symbol: str, left: Fraction, right: Fraction, kinds: tuple[str, str]) -> tuple[Fraction, Fraction]:
    """A percent used with something that is not one is worth its points / 100; `50% * 50%` is 25%."""
    both = kinds == ("percent", "percent")
    if kinds[0] == "percent" and (not both or symbol == "*"):
        left /= 100
    if kinds[1] == "percent" and not both:
        right /= 100
    return left, right


def reduce_values(function: str, values: Sequence[Any]) -> Scalar | None:
    """SUM of nothing is 0, the others of nothing are missing; an average is rounded once."""
    if function == "SUM":
        return sum(values, Fraction(0))
    if not values:
        return None
    if function == "AVG":
        return Fraction(half_up(sum(values, Fraction(0)) / len(values)))
    least_or_most: Scalar = min(values) if function == "MIN" else max(values)
    return least_or_most


def typed_parameter(value: object, kind: str) -> Scalar:
    """The request's value, read as what it is compared with."""
    if kind == "date":
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    if kind == "flag":
        return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
    if kind in ("money", "number", "percent"):
        return Fraction(str(value).removesuffix("%"))
    return str(value)


# -------------------------------------------------------------------- days


def move(day: date, count: int, unit: str) -> date:
    if unit in ("DAYS", "WEEKS"):
        return day + timedelta(count * (7 if unit == "WEEKS" else 1))
    return add_months(day, count * (12 if unit == "YEARS" else 1))


def period_days(period: ast.Rolling | ast.Calendar, as_of: date) -> tuple[date, date]:
    """Both ends belong to the period (language.md 2)."""
    if isinstance(period, ast.Calendar):
        return calendar_days(period, as_of)
    if period.direction == "LAST":
        return move(as_of, -period.count, period.unit) + timedelta(1), as_of
    return as_of, move(as_of, period.count, period.unit) - timedelta(1)


def calendar_days(period: ast.Calendar, as_of: date) -> tuple[date, date]:
    """Weeks begin on Monday."""
    shift = {"LAST": -1, "THIS": 0, "NEXT": 1}[period.which]
    if period.unit == "WEEK":
        monday = as_of - timedelta(as_of.weekday()) + timedelta(7 * shift)
        return monday, monday + timedelta(6)
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[period.unit]
    begun = as_of.replace(day=1, month=(as_of.month - 1) // months * months + 1)
    first = add_months(begun, shift * months)
    return first, add_months(first, months) - timedelta(1)
