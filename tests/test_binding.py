"""Rule 3 as a property, without a database: the lowered tree against the definition, on small random rows.

The definition: every NOT, block and aggregate is one opaque literal, the filter an OR of ANDs; one of these must hold,
with one single row for all its bare conditions on an entity. A bare member is such a row too, and has rows of its own.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, cast

import pytest

from dsl import typed
from dsl.catalog import Entity, Field
from dsl.explainer import english
from dsl.lowering import lower
from dsl.operators import EQUAL, MORE
from dsl.typed import And, Block, Compare, FieldOf, Filter, Holds, Not, Or, Predicate, Role, Row, Value
from dsl.types import COUNT, FLAG

TO_MANY = ("invoice", "payment", "promise")
FLAGS = ("f", "g", "h")
FORMULAS = 1_000
LEDGERS = 4


def entity(name: str) -> Entity:
    fields = {
        flag: Field(flag, FLAG, flag, flag, lambda at: at.row(""), clause=f"that is {flag}", noun=flag)
        for flag in FLAGS
    }
    return Entity(name, name, name, name, name, "none", fields)


ENTITIES = {name: entity(name) for name in ("group", "customer", *TO_MANY)}


@dataclass(frozen=True)
class Record:
    """A row with its flags and, by entity, the rows that belong to it."""

    flags: Mapping[str, bool]
    rows: Mapping[str, tuple["Record", ...]]


Rows = Mapping[Row, Record]


# ---------------------------------------------------------------- what a literal says


def is_true(node: Predicate, at: Rows) -> bool:
    """A tree in which every row it speaks of is at hand or under a quantifier."""
    match node:
        case typed.Constant(value):
            return value
        case And(items):
            return all(is_true(item, at) for item in items)
        case Or(items):
            return any(is_true(item, at) for item in items)
        case Not(inner):
            return not is_true(inner, at)
        case typed.Exists(row, inner) | Block("ANY", row, inner):
            return any(is_true(inner, bound) for bound in each(row, at))
        case Block("NO", row, inner):
            return not any(is_true(inner, bound) for bound in each(row, at))
        case Block(_, row, inner):
            return bool(list(each(row, at))) and all(is_true(inner, bound) for bound in each(row, at))
        case Compare(_, typed.Aggregated(row=row, where=inner), Value(_, least)):
            return sum(is_true(inner, bound) for bound in each(row, at)) > cast(Decimal, least)
        case _:
            return holds(node, at)


def holds(node: Predicate, at: Rows) -> bool:
    match node:
        case Holds(operand):
            return flag(operand, at)
        case Compare(_, FieldOf() as left, FieldOf() as right, negated):
            return (flag(left, at) == flag(right, at)) is not negated
        case _:
            raise TypeError(node)


def flag(operand: FieldOf, at: Rows) -> bool:
    return at[operand.row].flags[operand.field.name]


def each(row: Row, at: Rows) -> Iterator[Rows]:
    assert row.owner is not None
    return ({**at, row: record} for record in at[row.owner].rows[row.entity.name])


# ---------------------------------------------------------------- the definition


def is_meant(node: Predicate, owner: Row, at: Rows) -> bool:
    """The formula as it is written, about the row `owner`."""
    return any(is_met(literals, owner, at) for literals in alternatives(node))


def alternatives(node: Predicate) -> list[tuple[Predicate, ...]]:
    match node:
        case Or(items):
            return [literals for item in items for literals in alternatives(item)]
        case And(items):
            return [tuple(itertools.chain(*parts)) for parts in itertools.product(*map(alternatives, items))]
        case _:
            return [(node,)]


def is_met(literals: tuple[Predicate, ...], owner: Row, at: Rows) -> bool:
    """Each literal holds, with one record for all those that speak of the same bare row of the owner."""
    about = {literal: [row for row in bare(literal) if row.owner == owner] for literal in literals}
    alone = [literal for literal in literals if not about[literal]]
    spoken_of = {row for rows in about.values() for row in rows}
    return all(is_literally_true(literal, owner, at) for literal in alone) and all(
        any(is_met(tuple(each for each in literals if row in about[each]), row, bound) for bound in each(row, at))
        for row in spoken_of
    )


def bare(literal: Predicate) -> frozenset[Row]:
    return frozenset() if isinstance(literal, Not) else typed.bare_rows(literal)


def is_literally_true(literal: Predicate, owner: Row, at: Rows) -> bool:
    match literal:
        case Not(inner):
            return not is_meant(inner, owner, at)
        case Block(quantifier, row, inner):
            found = [is_meant(inner, row, bound) for bound in each(row, at)]
            return {"ANY": any(found), "NO": not any(found), "ALL": bool(found) and all(found)}[quantifier]
        case Compare(_, typed.Aggregated(row=row, where=inner), Value(_, least)):
            return sum(is_meant(inner, row, bound) for bound in each(row, at)) > cast(Decimal, least)
        case _:
            return holds(literal, at)


# ---------------------------------------------------------------- formulas and ledgers at random


class Maker:
    def __init__(self, rng: random.Random, level: Literal["customer", "group"]) -> None:
        self.rng = rng
        self.numbers = itertools.count(1)
        self.root = Row(ENTITIES[level], Role.AT_HAND)

    def filter(self, depth: int) -> Filter:
        return Filter(self.root, self.formula(self.root, depth))

    def formula(self, owner: Row, depth: int) -> Predicate:
        kind = self.rng.random()
        if depth == 0 or kind < 0.1:
            return self.literal(owner, depth)
        if kind < 0.2:
            return Not(self.formula(owner, depth - 1))
        items = tuple(self.formula(owner, depth - 1) for _ in range(self.rng.choice((2, 2, 3))))
        return And(items) if kind < 0.6 else Or(items)

    def literal(self, owner: Row, depth: int) -> Predicate:
        kind = self.rng.random()
        if kind < 0.15 and owner.entity.name not in TO_MANY:
            return self.block(owner, max(depth, 1))
        rows = self.at_hand(owner)
        row = self.rng.choice(rows)
        if kind < 0.35:
            # One comparison speaks of one bare row at most, its owners aside.
            other = self.rng.choice([each for each in (row, row.owner, self.root) if each])
            return Compare(EQUAL, self.field(row), self.field(other), self.rng.random() < 0.5)
        return Holds(self.field(row))

    def at_hand(self, owner: Row) -> list[Row]:
        """The rows that a condition about `owner` may speak of: itself, those above it, and bare ones."""
        match owner.entity.name:
            case "group":
                member = Row(ENTITIES["customer"], Role.BARE, owner=owner)
                return [owner, member, member, *self.documents(member)]
            case "customer":
                return [*self.above(owner), *self.documents(owner)]
            case _:
                return [owner, *self.above(owner)]

    def above(self, row: Row) -> list[Row]:
        return [row, *(self.above(row.owner) if row.owner else [])]

    def documents(self, customer: Row) -> list[Row]:
        return [Row(ENTITIES[name], Role.BARE, owner=customer) for name in TO_MANY]

    def field(self, row: Row) -> FieldOf:
        return FieldOf(row, row.entity.fields[self.rng.choice(FLAGS)])

    def block(self, owner: Row, depth: int) -> Predicate:
        """Also one about a bare member's documents, or about all members."""
        if owner.entity.name == "group" and self.rng.random() < 0.5:
            owner = Row(ENTITIES["customer"], Role.BARE, owner=owner)
        name = "customer" if owner.entity.name == "group" else self.rng.choice(TO_MANY)
        row = Row(ENTITIES[name], Role.BOUND, next(self.numbers), owner)
        inner = self.formula(row, depth - 1)
        if self.rng.random() < 0.3:
            counted = typed.Aggregated(COUNT, "COUNT", row, None, inner)
            return Compare(MORE, counted, Value(COUNT, Decimal(self.rng.choice((0, 0, 1)))))
        return Block(self.rng.choice(("ANY", "NO", "ALL")), row, inner)

    # -- rows

    def record(self, name: str) -> Record:
        below = {"group": ("customer",), "customer": TO_MANY}.get(name, ())
        rows = {each: tuple(self.record(each) for _ in range(self.rng.choice((0, 1, 2, 2, 3)))) for each in below}
        return Record({flag: self.rng.random() < 0.5 for flag in FLAGS}, rows)


@pytest.mark.parametrize("level", ["customer", "group"])
def test_lowered_filters_mean_what_the_definition_says(level: Literal["customer", "group"]) -> None:
    maker = Maker(random.Random(f"binding {level}"), level)
    answers = {True: 0, False: 0}
    for _ in range(FORMULAS):
        filter_ = maker.filter(maker.rng.randint(1, 3))
        lowered = lower(filter_)
        assert not typed.bare_rows(filter_.condition) or lowered != filter_
        for _ in range(LEDGERS):
            at = {maker.root: maker.record(level)}
            expected = is_meant(filter_.condition, maker.root, at)
            assert is_true(lowered.condition, at) is expected, f"{said(filter_)}\n{said(lowered)}\n{at[maker.root]}"
            answers[expected] += 1
    assert min(answers.values()) > FORMULAS * LEDGERS / 5


def said(filter_: Filter) -> str:
    return english(filter_, date(2026, 11, 21))


def test_two_conditions_on_one_row_are_not_met_by_two_rows() -> None:
    maker = Maker(random.Random(), "customer")
    invoice = maker.documents(maker.root)[0]
    f, g = (Holds(FieldOf(invoice, invoice.entity.fields[name])) for name in "fg")
    rows = tuple(Record({"f": which, "g": not which, "h": False}, {}) for which in (True, False))
    at = {maker.root: Record({}, {"invoice": rows})}
    assert not is_true(lower(Filter(maker.root, And((f, g)))).condition, at)
    assert is_true(lower(Filter(maker.root, Or((f, g)))).condition, at)
    assert lower(Filter(maker.root, And((f, g)))).condition == typed.Exists(invoice, And((f, g)))


def test_lowering_grows_a_filter_by_no_more_than_twice_for_each_kind_of_row() -> None:
    """At worst each row halves a formula into with and without it. An OR of ANDs would have thousands of parts."""
    maker = Maker(random.Random("size"), "customer")
    rows = maker.documents(maker.root)
    for _ in range(200):
        chosen = [Holds(maker.field(maker.rng.choice([*rows, maker.root]))) for _ in range(20)]
        maker.rng.shuffle(chosen)
        clauses = And(tuple(Or((one, other)) for one, other in zip(chosen[::2], chosen[1::2], strict=True)))
        size = sum(1 for _ in typed.nodes(lower(Filter(maker.root, clauses)).condition))
        assert size <= 2 ** len(rows) * sum(1 for _ in typed.nodes(clauses)) + 10
