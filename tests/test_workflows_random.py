"""Workflows against the independent evaluator: whom a run records, what an edit changes, what each condition does."""

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import get_args

import pytest

from app import queries, workflows
from app.asked import Kind, Level
from app.companies import Company, of_key
from app.database import Database
from app.lists import ENTITIES
from app.workflows import Edited, Limits, Proposed, Starting
from dsl import ast
from dsl.analysis import analyze
from dsl.formatter import format_filter
from dsl.parser import parse
from dsl.parts import PARTS, Part, joined, split
from tests.oracle.evaluator import Evaluator, Place, bare_names, is_about_member, matches, operands
from tests.oracle.evaluator import matching_rows as expected_rows
from tests.oracle.generate import random_filter
from tests.oracle.ledger import CreditNote, Customer, Group, Invoice, Payment
from tests.oracle.metrics import TO_MANY, NoRate, World
from tests.oracle.random_filters import Scope, _Maker, is_refused
from tests.worlds import FIRST_SEED, OWN_CATALOG, TODAY, Loaded, load

LEDGERS = int(os.environ.get("DUELIST_LEDGERS", "8"))
FILTERS = int(os.environ.get("DUELIST_FILTERS", "8"))
LEVELS: tuple[Level, ...] = get_args(Level)
LIMITS = Limits(Decimal(2), 60_000, 1e9)
ALL = 10_000


@dataclass(frozen=True)
class Judged:
    """A ledger in the database, and what the evaluator reads of it."""

    loaded: Loaded
    company: Company

    @property
    def database(self) -> Database:
        return self.loaded.database

    @property
    def world(self) -> World:
        return self.loaded.world

    def filter(self, rng: random.Random, level: Level) -> ast.Condition:
        return random_filter(rng, self.world, level, rng.randint(1, 4), without=["parameters"]).tree

    def subjects(self, level: Level) -> Mapping[str, Customer | Group]:
        found: list[Customer | Group] = [*(self.world.customers if level == "customer" else self.world.groups)]
        return {subject.source_id: subject for subject in found}

    # ------------------------------------------------------------ pauses, as the pages have them

    def is_paused(self, kind: Kind, source_id: str, level: Level) -> bool:
        row = self.world.row(ENTITIES[kind], source_id)
        if isinstance(row, Group):
            return row.chasing_paused
        owner = row.customer_id if isinstance(row, Invoice | Payment | CreditNote) else source_id
        customer = self.world.row("customer", owner)
        assert isinstance(customer, Customer)
        group = self.world.group_of(customer)
        by_group = group is not None and group.chasing_paused
        if level == "group":
            by_customer = by_group
        else:
            until = customer.chasing_paused_until
            holds = until is None or until >= self.world.as_of
            by_customer = by_group or (customer.chasing_paused and holds)
        return by_customer or (isinstance(row, Invoice) and row.chasing_paused)

    def audience(self, tree: ast.Condition, level: Level, *, respect_pauses: bool) -> set[str]:
        kind: Kind = "groups" if level == "group" else "customers"
        found = matches(tree, self.world, level)
        return {one for one in found if not (respect_pauses and self.is_paused(kind, one, level))}

    def overdue(self, source_ids: set[str], level: Level) -> tuple[Decimal, int]:
        """In the base currency, and of how many it is not known."""
        known, unrated = Decimal(0), 0
        for source_id in source_ids:
            subject = self.subjects(level)[source_id]
            customers = [subject] if isinstance(subject, Customer) else self.world.members(subject)
            try:
                known += self.world.balances(customers, self.world.is_overdue, self.world.company.base_currency)
            except NoRate:
                unrated += 1
        return known, unrated


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + LEDGERS))
def judged(request: pytest.FixtureRequest, database: Database) -> Iterator[Judged]:
    loaded = load(database, request.param, own=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Company, "today", TODAY)
        with database.transaction(loaded.company_id) as connection:
            company = of_key(connection)
        yield Judged(loaded, company)


def store(judged: Judged, tree: ast.Condition, level: Level, *, respect_pauses: bool) -> int:
    edited = Edited(name=f"W {random.random()}", level=level, filter=format_filter(tree), respect_pauses=respect_pauses)
    return workflows.create(judged.database, judged.company, edited, "test").id


# ---------------------------------------------------------------- runs


@pytest.mark.parametrize("level", LEVELS)
def test_a_run_records_what_the_evaluator_says(judged: Judged, level: Level) -> None:
    rng = random.Random(f"{judged.loaded.seed} {level} run")
    as_of = judged.world.as_of
    for _ in range(FILTERS // 2):
        tree, respect_pauses = judged.filter(rng, level), rng.random() < 0.75
        number = store(judged, tree, level, respect_pauses=respect_pauses)
        run, _ = workflows.start(judged.database, judged.company, number, Starting(as_of=as_of), "test", LIMITS)
        kinds: list[Kind] = ["customers", "invoices", "payments", "credit_notes"]
        if level == "group":
            kinds = ["groups", *kinds]
        for kind in kinds:
            of_root = ENTITIES[kind] == level
            found = matches(tree, judged.world, level) if of_root else expected_rows(
                tree, judged.world, ENTITIES[kind], level
            )  # fmt: skip
            paused = {one for one in found if respect_pauses and judged.is_paused(kind, one, level)}
            for held_back, wanted in ((False, found - paused), (True, paused)):
                rows = recorded(judged, run.id, kind, held_back=held_back)
                assert rows == sorted(wanted), f"{kind} of {format_filter(tree)}"
                counts = run.counts["held_back"] if held_back else run.counts
                assert counts[kind] == len(wanted)


def recorded(judged: Judged, run: int, kind: Kind, *, held_back: bool) -> list[str]:
    found = workflows.rows_of_run(judged.database, judged.company, run, kind, held_back=held_back, limit=ALL)
    return [row["source_id"] for row in found[kind]]


# ---------------------------------------------------------------- edits


@pytest.mark.parametrize("level", LEVELS)
def test_a_diff_is_the_difference_of_two_answers(judged: Judged, level: Level) -> None:
    rng = random.Random(f"{judged.loaded.seed} {level} diff")
    members = "groups" if level == "group" else "customers"
    for _ in range(FILTERS // 2):
        one, other = judged.filter(rng, level), judged.filter(rng, level)
        respecting = rng.random() < 0.5, rng.random() < 0.5
        number = store(judged, one, level, respect_pauses=respecting[0])
        proposed = Proposed(
            as_of=judged.world.as_of, filter=format_filter(other), respect_pauses=respecting[1], limit=500
        )
        found = workflows.diff(judged.database, judged.company, number, proposed)
        before = judged.audience(one, level, respect_pauses=respecting[0])
        after = judged.audience(other, level, respect_pauses=respecting[1])
        entered, left, stayed = after - before, before - after, before & after
        expected = {"before": before, "after": after, "entered": entered, "left": left, "stayed": stayed}
        for name, wanted in expected.items():
            overdue, unrated = judged.overdue(wanted, level)
            assert (found[name]["count"], found[name]["unrated"]) == (len(wanted), unrated), name
            assert Decimal(found[name]["overdue"]) == overdue
            if name in ("entered", "left"):
                assert [row["source_id"] for row in found[name][members]] == sorted(wanted)


# ---------------------------------------------------------------- the funnel


class Kleene(Evaluator):
    """In three values: what is asked of a missing value is neither true nor false, and neither is its negation."""

    def truth(self, tree: ast.Condition, place: Place) -> bool | None:
        if place.subject == "row":
            return self._of_row(tree, place)
        return some(self._of_alternative(literals, place) for literals in self._alternatives_of(tree))

    def _of_row(self, tree: ast.Condition, place: Place) -> bool | None:
        match tree:
            case ast.And(conditions):
                return every(self._of_row(condition, place) for condition in conditions)
            case ast.Or(conditions):
                return some(self._of_row(condition, place) for condition in conditions)
            case _:
                return self._of_literal(tree, place)

    def _of_alternative(self, literals: tuple[ast.Condition, ...], place: Place) -> bool | None:
        """Each way to choose the rows that the bare conditions are about."""
        return some(
            every(self._of_literal(each, rows) for each in literals) for rows in self._choices_of(literals, place)
        )

    def _choices_of(self, literals: tuple[ast.Condition, ...], place: Place) -> Iterator[Place]:
        places = [place]
        if place.subject == "group" and any(map(is_about_member, literals)):
            places = [self._at_customer(member, None) for member in self._members(place)]
        named = {entity for literal in literals for entity in bare_names(literal, place.own) & set(TO_MANY)}
        for entity in sorted(named):
            places = [at.with_row(entity, row) for at in places for row in self._rows(entity, at)]
        yield from places

    def _of_literal(self, literal: ast.Condition, place: Place) -> bool | None:
        match literal:
            case ast.Not(condition):
                return negated(self.truth(condition, Place(place.subject, place.own, place.rows)))
            case ast.Block("NO", entity, condition):
                return negated(self._of_literal(ast.Block("ANY", entity, condition), place))
            case ast.Block(quantifier, entity, condition):
                rows = self._rows(entity, place)
                truths = [
                    True if condition is None else self.truth(condition, self._inside(entity, row, place))
                    for row in rows
                ]
                return some(truths) if quantifier == "ANY" else every([bool(rows), *truths])
            case ast.And() | ast.Or():
                return self._of_row(literal, place)
            case ast.Missing():
                return self.literal_holds(literal, place)
            case _:
                return None if self._lacks_value(literal, place) else self.literal_holds(literal, place)

    def _lacks_value(self, test: ast.Condition, place: Place) -> bool:
        """A side is missing, also for want of a rate to the currency in which both meet."""
        sides = operands(test)
        currency = None
        if any(self._kind(side, place) == "money" for side in sides):
            currency = self._currency(place, *sides)
        values = (self._value(side, place, currency) for side in sides if not isinstance(side, ast.Text))
        return any(value in (None, frozenset()) for value in values)


Truths = Iterator[bool | None] | list[bool | None]


def some(truths: Truths) -> bool | None:
    found = set(truths)
    return True if True in found else None if None in found else False


def every(truths: Truths) -> bool | None:
    found = set(truths)
    return False if False in found else None if None in found else True


def negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


@pytest.mark.parametrize("level", LEVELS)
def test_the_funnel_counts_what_the_evaluator_counts(judged: Judged, level: Level) -> None:
    rng = random.Random(f"{judged.loaded.seed} {level} funnel")
    for _ in range(FILTERS):
        tree, respect_pauses = judged.filter(rng, level), rng.random() < 0.3
        asked = queries.Dated(
            filter=format_filter(tree), level=level, as_of=judged.world.as_of, respect_pauses=respect_pauses
        )
        found = queries.funnel(judged.database, judged.company, asked)
        conditions = tree.conditions if isinstance(tree, ast.And) else (tree,)
        kleene = Kleene(judged.world, level)
        for number, (step, condition) in enumerate(zip(found["conditions"], conditions, strict=True), 1):
            left = ast.And(conditions[:number]) if number > 1 else condition
            alone = judged.audience(condition, level, respect_pauses=respect_pauses)
            subjects = judged.subjects(level)
            through_missing = {one for one in alone if kleene.truth(condition, kleene.place(subjects[one])) is not True}
            assert step["alone"] == len(alone), step["text"]
            assert step["left"] == len(judged.audience(left, level, respect_pauses=respect_pauses)), step["text"]
            assert step["through_missing"] == len(through_missing), step["text"]
        assert found["everyone"] == len(judged.audience(EVERYONE[level], level, respect_pauses=respect_pauses))


EVERYONE: Mapping[Level, ast.Condition] = {
    "customer": parse("customer.source_id IS NOT MISSING"),
    "group": parse("group.source_id IS NOT MISSING"),
}


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize("level", LEVELS)
def test_a_filter_told_apart_and_joined_again_means_the_same(judged: Judged, level: Level) -> None:
    rng = random.Random(f"{judged.loaded.seed} {level} split")
    for _ in range(4 * FILTERS):
        tree = judged.filter(rng, level)
        parts = split(tree)
        if parts is None:
            continue
        written = {part: parse(format_filter(condition)) for part, condition in parts.items()}
        again = joined(written)
        shown = f"{format_filter(tree)} as {format_filter(again)}"
        assert analyze(format_filter(again), OWN_CATALOG, level=level, parameters={}).tree == again, shown
        assert matches(again, judged.world, level) == matches(tree, judged.world, level), shown


@pytest.mark.parametrize("level", LEVELS)
def test_a_part_is_about_one_row(judged: Judged, level: Level) -> None:
    rng = random.Random(f"{judged.loaded.seed} {level} parts")
    for _ in range(2 * FILTERS):
        parts = random_parts(rng, judged.world, level)
        blocks = {"invoices": "invoice", "payments": "payment"}
        meant = [
            ast.Block("ANY", blocks[part], condition) if part in blocks else condition
            for part, condition in parts.items()
        ]
        wanted = ast.And(tuple(meant)) if len(meant) > 1 else meant[0]
        if is_refused(wanted, level):
            continue
        made = joined({part: parse(format_filter(condition)) for part, condition in parts.items()})
        assert analyze(format_filter(made), OWN_CATALOG, level=level, parameters={}).tree == made
        assert matches(made, judged.world, level) == matches(wanted, judged.world, level), format_filter(made)


def random_parts(rng: random.Random, world: World, level: Level) -> dict[Part, ast.Condition]:
    maker = _Maker(rng, world, level, ["parameters"])
    about_rows = ("customer", "group", "company")
    scopes: dict[Part, Scope] = {
        "customers": Scope(None, about_rows, (), TO_MANY, 1),
        "groups": Scope(None, ("group",), (), (), 2),
        "invoices": Scope("invoice", ("invoice", *about_rows), (), TO_MANY, 1),
        "payments": Scope("payment", ("payment", *about_rows), (), TO_MANY, 1),
    }
    chosen = [part for part in PARTS if rng.random() < 0.6] or ["invoices"]
    return {part: maker.condition(scopes[part], rng.randint(0, 2)) for part in chosen if part in scopes}
