"""Filters that differ in meaning never read the same."""

import os
import random
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from dsl import CATALOG, FilterError, analyze, ast, everyone, typed
from dsl.catalog import Custom, with_custom
from dsl.checker import Level
from dsl.explainer import english, english_operand
from dsl.formatter import format_filter
from dsl.types import FLAG, Kind
from tests.oracle.evaluator import matches
from tests.oracle.generate import random_case, random_filter
from tests.oracle.metrics import TO_MANY, World
from tests.worlds import OWN_CATALOG

DAY = date(2026, 11, 21)
FILTERS = 1_200
WORLDS = 8


def said(text: str, level: Level = "customer", params: dict[str, object] | None = None, day: date = DAY) -> str:
    return english(analyze(text, CATALOG, level=level, parameters=params).lowered, day)


# ---------------------------------------------------------------- by hand


def test_the_sentence_of_a_workflow() -> None:
    text = "ANY invoice (balance > 1000 AND days_overdue > 30) AND NO payment (date IN LAST 30 DAYS)"
    assert said(text) == (
        "Customers with one invoice whose balance is over 1,000 and that is more than 30 days overdue, and with no "
        "payment that is dated in the last 30 days (23 October to 21 November 2026)."
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("invoice.due_date < today - 2 weeks", "is before 2 weeks before today (7 November 2026)"),
        ("invoice.due_date < today - 2 weeks - 1 day", "1 day before (2 weeks before today) (6 November 2026)"),
        ("invoice.due_date = tomorrow", "is tomorrow (22 November 2026)"),
        ("invoice.days_overdue > 1", "one invoice that is more than 1 day overdue"),
        ("COUNT(invoice WHERE is_overdue) > 1", "Customers whose number of invoices (that are overdue) is more than 1"),
        ("NOT invoice.is_overdue", "with no invoice that is overdue"),
        ("customer.days_since_created < 90", "Customers that were created less than 90 days ago"),
        ("NOT customer.chasing_paused", "whose chasing is not paused"),
        ("group.chasing_paused", "whose group's chasing is paused"),
        ("NOT group.chasing_paused", "whose group's chasing is not paused (or missing)"),
        ("ANY invoice (NOT customer.allow_surcharges)", "for whose customer surcharges are not allowed"),
        ("customer.rating != 'D'", "whose rating is not 'D' (or missing)"),
        ("customer.name != 'X'", "whose name is not 'X'."),
        ("customer.tags HAS 'x'", "whose tags include 'x'"),
        ("payment.date IN LAST 1 DAY", "in the last 1 day (21 November 2026)"),
        ("payment.date IN NEXT YEAR", "in the following year (1 January to 31 December 2027)"),
        ("payment.date IN LAST 1 YEAR", "in the last 1 year (22 November 2025 to 21 November 2026)"),
        ("customer.balance_total > 20% * customer.credit_limit", "is over 20% of their credit limit"),
        ("invoice.balance > 1234.50 EUR", "whose balance in EUR is over 1,234.5 EUR"),
        ("ANY invoice (is_open AND ANY payment)", "(that is open, and whose customer is one with one payment)"),
        ("customer.strike > $least", "whose strike is more than $least"),
    ],
)
def test_how_it_reads(text: str, part: str) -> None:
    assert part in said(text)


def test_everyone() -> None:
    assert english(everyone(CATALOG).lowered, DAY) == "All customers."
    assert english(everyone(CATALOG, "group").lowered, DAY) == "All groups."


@pytest.mark.parametrize(
    "texts",
    [
        ("invoice.balance > 5 AND invoice.is_overdue", "ANY invoice (balance > 5) AND ANY invoice (is_overdue)"),
        ("NOT invoice.status = 'open'", "invoice.status != 'open'"),
        ("ANY invoice (is_open)", "ALL invoice (is_open)", "NO invoice (is_open)", "NOT ALL invoice (is_open)"),
        ("ALL invoice (is_open)", "ANY invoice AND NO invoice (is_open)", "NO invoice (is_open = false)"),
        ("payment.date > today", "payment.date > 2026-11-21", "payment.date > yesterday"),
        ("payment.date IN LAST 30 DAYS", "payment.date >= today - 29 days", "payment.date IN LAST 1 MONTH"),
        ("payment.date IN LAST MONTH", "payment.date IN LAST 1 MONTH", "payment.date IN THIS MONTH"),
        ("customer.strike IN (1, 234)", "customer.strike IN (1234)", "customer.strike IN (1.234)"),
        (
            "ANY invoice (is_open OR is_overdue AND chasing_paused)",
            "ANY invoice ((is_open OR is_overdue) AND chasing_paused)",
            "ANY invoice (is_open) OR ANY invoice (is_overdue AND chasing_paused)",
        ),
        (
            "customer.rating = 'D' OR customer.strike = 1 AND customer.chasing_paused",
            "(customer.rating = 'D' OR customer.strike = 1) AND customer.chasing_paused",
        ),
        ("customer.strike = 1 OR NO promise AND ANY contact", "(customer.strike = 1 OR NO promise) AND ANY contact"),
        ("NOT (customer.strike = 1 AND customer.rating = 'D')", "NOT customer.strike = 1 AND customer.rating = 'D'"),
        ("ANY invoice (balance > customer.credit_limit)", "ANY invoice (balance > group.credit_limit)"),
        ("ANY invoice (customer.chasing_paused)", "ANY invoice (chasing_paused)", "ANY invoice (group.chasing_paused)"),
        ("group.chasing_paused = false", "group.chasing_paused != true", "group.chasing_paused != false"),
        ("COUNT(invoice) = 0", "customer.invoices_count = 0", "COUNT(invoice WHERE is_open) = 0"),
        ("SUM(invoice.balance) > 9", "customer.balance_total > 9", "MAX(invoice.balance) > 9"),
        (
            "FIRST(invoice.balance WHERE is_open BY due_date) > 9",
            "FIRST(invoice.balance WHERE is_open BY due_date DESC) > 9",
            "FIRST(invoice.balance BY is_open, due_date) > 9",
        ),
        ("customer.strike * (customer.strike - 2) > 9", "customer.strike * customer.strike - 2 > 9"),
        ("customer.strike - customer.strike - 1 > 0", "customer.strike - (customer.strike - 1) > 0"),
        ("invoice.balance > 5", "invoice.balance > 5 EUR", "invoice.balance > 5 USD"),
        ("customer.tags HAS ALL ('a', 'b')", "customer.tags HAS ANY ('a', 'b')", "customer.tags HAS ANY ('a'', ''b')"),
        (
            "customer.name = 'x' AND customer.rating = 'D'",
            "customer.name = 'x'' and whose rating is ''D'",
            "customer.name = 'x'', and whose rating is ''D'",
        ),
        ("customer.name = '$x'", "customer.name = $x"),
        ("customer.name = 'its name'", "customer.name = customer.name"),
        ("customer.account_owner = 'A'", "customer.account_owner = 'a'", "customer.account_owner = 'A '"),
        ("customer.chasing_paused", "customer.chasing_paused = false", "invoice.chasing_paused"),
    ],
)  # fmt: skip
def test_near_misses_differ(texts: tuple[str, ...]) -> None:
    sentences = [said(text) for text in texts]
    assert len(set(sentences)) == len(sentences), "\n".join(sentences)


def test_a_member_and_the_customer_at_hand_are_told_apart() -> None:
    group, member = said("group.chasing_paused", "group"), said("customer.chasing_paused", "group")
    assert (group, member) == ("Groups whose chasing is paused.", "Groups with one customer whose chasing is paused.")
    both = said("ANY customer (chasing_paused AND group.chasing_paused)", "group")
    assert both == "Groups with one customer whose chasing is paused and whose group's chasing is paused."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("customer.custom.level >= 'middle'", "whose \"level\" is 'Middle' or after."),
        ("customer.custom.a_flag", 'Customers that are marked "a flag".'),
        ("NOT customer.custom.a_flag", 'Customers that are not marked "a flag".'),
        ("ANY invoice (NOT customer.custom.a_flag)", 'with one invoice whose customer is not marked "a flag".'),
        ("invoice.custom.mood AND invoice.custom.a_money > 5", 'that is marked "mood" and whose "a money" is over 5.'),
        ("SUM(invoice.custom.a_money) > 5", 'whose total "a money" of invoices is over 5.'),
        ("customer.custom.a_set HAS 'x'", "whose \"a set\" include 'x'."),
        ("customer.custom.a_text != 'x'", "whose \"a text\" is not 'x' (or missing)."),
        ("customer.custom.a_date IN LAST 1 DAY", 'whose "a date" is in the last 1 day (21 November 2026).'),
    ],
)
def test_fields_of_the_companys_own_stand_in_quotation_marks(text: str, sentence: str) -> None:
    assert sentence in english(analyze(text, OWN_CATALOG).lowered, DAY)


def test_a_label_is_left_as_it_is() -> None:
    named = with_custom(CATALOG, [Custom("customer", "flag", FLAG, "that is what was meant")])
    denied = english(analyze("NOT customer.custom.flag", named).lowered, DAY)
    assert denied == 'Customers that are not marked "that is what was meant".'
    assert said("customer.name IN ('{}', 'is {}')") == "Customers whose name is one of '{}', 'is {}'."


def test_every_field_can_be_read() -> None:
    for entity in CATALOG.entities.values():
        nouns = [field.noun for field in entity.fields.values()]
        assert len(set(nouns) - {""}) == len(nouns), entity.name
        for field in entity.fields.values():
            assert bool(field.clause) is (field.type is FLAG), f"{entity.name}.{field.name}"
            assert re.match(r"that (is|was) |whose |for which |$", field.clause), field.clause
            assert len(re.findall(r"\b(is|are|was)\b", field.clause)) == (field.type is FLAG), field.clause
            assert not field.phrase or re.match(r"that (is|was) .*\{\}", field.phrase), field.phrase


# ---------------------------------------------------------------- at random


@dataclass(frozen=True)
class Asked:
    tree: ast.Condition
    params: dict[str, object]


@pytest.mark.parametrize("level", ["customer", "group"])
def test_random_filters_that_read_the_same_mean_the_same(level: Level) -> None:
    """Beside each random filter stands one that differs from it in a single place."""
    rng = random.Random(f"english {level}")
    world = random_case(rng, DAY).own_world()
    read: dict[str, dict[Hashable, Asked]] = defaultdict(dict)
    for made in (random_filter(rng, world, level, rng.randint(0, 4)) for _ in range(FILTERS // 2)):
        for tree in (made.tree, *(mutated(made.tree, rng) for _ in range(3))):
            try:
                analysis = analyze(format_filter(tree), OWN_CATALOG, level=level, parameters=made.params)
            except FilterError:
                continue
            sentence = english(analysis.lowered, DAY)
            read[sentence].setdefault(normal(analysis.lowered.condition), Asked(tree, made.params))
    assert len(read) > FILTERS
    worlds = [random_case(random.Random(seed), DAY).own_world() for seed in range(WORLDS)]
    for sentence, meanings in read.items():
        first, *others = meanings.values()
        for other in others:
            assert answers(first, worlds, level) == answers(other, worlds, level), (
                f"{sentence}\n{format_filter(first.tree)}\n{format_filter(other.tree)}"
            )


def answers(asked: Asked, worlds: list[World], level: Level) -> list[set[str]]:
    return [matches(asked.tree, world, level, asked.params) for world in worlds]


def normal(node: Any) -> Hashable:
    """A lowered tree without what does not matter: the order and repetition of what AND and OR join, row numbers."""
    match node:
        case typed.And(items) | typed.Or(items):
            return type(node).__name__, frozenset(map(normal, items))
        case typed.Row(entity, role, _, owner):
            return entity.name, role, normal(owner)
        case tuple():
            return tuple(map(normal, node))
        case _ if is_dataclass(node) and isinstance(node, get_args(typed.Node)):
            return type(node).__name__, *(
                normal(getattr(node, part.name)) for part in fields(node) if part.name != "span"
            )
        case _:
            return cast(Hashable, node)


def mutated(tree: ast.Condition, rng: random.Random) -> ast.Condition:
    """The tree with one node changed to something that looks much like it."""
    nodes = list(ast_nodes(tree))
    for node in rng.sample(nodes, len(nodes)):
        if (other := changed(node, rng)) is not None:
            return cast(ast.Condition, put(tree, node, other))
    return ast.Not(tree)


def ast_nodes(part: object) -> Iterator[ast.Node]:
    if isinstance(part, tuple):
        for item in part:
            yield from ast_nodes(item)
    elif isinstance(part, ast.Node):
        yield part
        for name in part.__dataclass_fields__:
            yield from ast_nodes(getattr(part, name))


def put(part: object, old: ast.Node, new: ast.Node) -> object:
    if part is old:
        return new
    if isinstance(part, tuple):
        return tuple(put(item, old, new) for item in part)
    if isinstance(part, ast.Node):
        return replace(
            part, **{name: cast(Any, put(getattr(part, name), old, new)) for name in part.__dataclass_fields__}
        )
    return part


def changed(node: ast.Node, rng: random.Random) -> ast.Node | None:
    """Something else in the node's place; None where nothing near it makes sense."""
    choices: list[Callable[[], ast.Node | None]] = [lambda: _slightly_changed(node, rng)]
    if isinstance(node, get_args(ast.Condition)):
        condition = cast(ast.Condition, node)
        choices += [lambda: ast.Not(condition), lambda: _in_a_block(condition, rng)]
    return rng.choice(choices)()


def _slightly_changed(node: ast.Node, rng: random.Random) -> ast.Node | None:
    match node:
        case ast.And(items):
            return rng.choice((ast.Or(items), items[0], ast.And((ast.Or(items[:2]), *items[1:]))))
        case ast.Or((*items, ast.And((first, *rest)))):
            return ast.And((ast.Or((*items, first)), *rest))
        case ast.Or(items):
            return rng.choice((ast.And(items), items[-1]))
        case ast.Not(condition):
            return condition
        case ast.Comparison(operator) if operator in ("=", "!=", "<", "<=", ">", ">="):
            return replace(node, operator=rng.choice(("=", "!=", "<", "<=", ">", ">=")))
        case ast.Comparison() | ast.Between() | ast.In() | ast.InPeriod() | ast.Missing():
            return replace(node, negated=not node.negated)
        case ast.Has():
            return replace(node, quantifier=rng.choice(("ANY", "ALL", "NONE")), listed=True)
        case ast.Block():
            return replace(node, quantifier=rng.choice(("ANY", "NO", "ALL")))
        case ast.Bare(operand):
            return ast.Comparison(rng.choice(("=", "!=")), operand, ast.Flag(rng.random() < 0.5))
        case ast.Aggregate(field=str()):
            return replace(node, function=rng.choice(("SUM", "AVG", "MIN", "MAX")))
        case ast.SortKey():
            return replace(node, descending=not node.descending)
        case ast.Calendar():
            return replace(node, which=rng.choice(("LAST", "THIS", "NEXT")))
        case ast.Rolling(_, count) | ast.Duration(count):
            return replace(node, count=count + 1)
        case ast.Number(value) | ast.Percent(value):
            return type(node)(value + rng.choice((Decimal(1), Decimal("0.1"), -2 * value)))
        case ast.Text(value):
            return ast.Text(value + rng.choice(("', and whose rating is 'D", " and ", "'", '", "')))
        case ast.Today(offset):
            return ast.Today((offset + 2) % 3 - 1)
        case ast.Arithmetic(operator) if operator in "+-":
            return replace(node, operator="-" if operator == "+" else "+")
        case ast.Name(str() as entity, field):
            others = [other.name for other in OWN_CATALOG.entities.values() if field in other.fields]
            return ast.Name(rng.choice(others), field) if entity else None
        case _:
            return None


def _in_a_block(condition: ast.Condition, rng: random.Random) -> ast.Condition | None:
    """A bare condition put into a block of its own."""
    entities = [node.entity for node in ast_nodes(condition) if isinstance(node, ast.Name) and node.entity in TO_MANY]
    if not entities:
        return None
    return ast.Block(rng.choice(("ANY", "NO", "ALL")), str(rng.choice(entities)), condition)


def test_what_is_compared_reads_as_a_noun() -> None:
    compared = analyze("customer.balance_due + customer.prepayments > 1 AND customer.strike > 2", CATALOG).lowered
    sums, strike = (next(iter(typed.children(test))) for test in typed.children(compared.condition))
    assert english_operand(cast(typed.Operand, strike), compared.root, DAY) == "strike"
    assert english_operand(cast(typed.Operand, sums), compared.root, DAY) == (
        "its balance due (not yet overdue) plus its amount of prepayments"
    )


FIELDS = [
    f"{entity.name}.{field.name}{test}"
    for entity in CATALOG.entities.values()
    for field in entity.fields.values()
    for test in {Kind.DAYS: (" = 3", " IS MISSING"), Kind.FLAG: ("",)}.get(field.type.kind, (" IS MISSING",))
]


def test_each_field_reads_as_recorded() -> None:
    """`DUELIST_UPDATE=1` rewrites the file; the difference is to be read."""
    path = Path(__file__).with_name("fields.txt")
    found = "".join(f"{text}: {said(text)}\n{said(f'NOT {text}')}\n" for text in FIELDS)
    if os.environ.get("DUELIST_UPDATE"):
        path.write_text(found)
    assert path.read_text() == found
