"""Warnings: when they come and when not, that what they say is so, and that their corrections can be applied."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date

import pytest

from dsl import CATALOG, Diagnostic, FilterError, analyze, ast, everyone
from dsl.checker import Level
from dsl.formatter import format_filter
from dsl.warnings import warn
from tests.oracle.evaluator import matches
from tests.oracle.generate import random_case, random_filter
from tests.oracle.metrics import World
from tests.oracle.random_filters import Feature

DAY = date(2026, 11, 21)
FILTERS = 400
TESTS = 500
WORLDS = 6
CERTAIN = ("contradiction", "never-true", "always-true")
WITHOUT: tuple[Feature, ...] = ("parameters",)  # the same name would stand for two values


def warnings(text: str, level: Level = "customer") -> list[Diagnostic]:
    return warn(analyze(text, CATALOG, level=level))


def codes(text: str, level: Level = "customer") -> list[str]:
    return [warning.code for warning in warnings(text, level)]


# ---------------------------------------------------------------- by hand


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("contradiction", "invoice.balance > 10 AND invoice.balance < 5"),
        ("contradiction", "invoice.balance > 5 AND invoice.balance < 5.0"),
        ("contradiction", "invoice.balance >= 5 AND invoice.is_open AND invoice.balance < 5"),
        ("contradiction", "ANY invoice (balance > 10 AND balance < 5)"),
        ("contradiction", "customer.rating = 'D' OR invoice.status = 'open' AND invoice.status = 'paid'"),
        ("contradiction", "customer.rating = 'A' AND customer.rating IN ('B', 'C')"),
        ("contradiction", "customer.rating = 'A' AND customer.rating != 'A'"),
        ("contradiction", "customer.rating IN ('A', 'B') AND customer.rating NOT IN ('B', 'A')"),
        ("contradiction", "customer.name = 'a' AND customer.name = 'A'"),
        ("contradiction", "customer.chasing_paused AND NOT customer.chasing_paused"),
        ("contradiction", "customer.chasing_paused = true AND customer.chasing_paused = false"),
        ("contradiction", "invoice.due_date BETWEEN 2026-01-01 AND 2026-01-31 AND invoice.due_date > 2026-02-01"),
        ("contradiction", "customer.strike IN (1, 2) AND customer.strike > 2 AND true"),
        ("contradiction", "customer.credit_limit IS MISSING AND customer.credit_limit > 100"),
        ("contradiction", "customer.credit_limit IS MISSING AND customer.credit_limit IS NOT MISSING"),
        ("always-true", "customer.rating = 'D' OR customer.rating != 'D'"),
        ("always-true", "customer.chasing_paused OR NOT customer.chasing_paused"),
        ("always-true", "ANY invoice (due_date > 2026-01-01 OR NOT due_date > 2026-01-01)"),
        ("always-true", "customer.name IS NOT MISSING"),
        ("always-true", "COUNT(invoice WHERE is_open) >= 0"),
        ("always-true", "customer.open_invoices > -1"),
        ("never-true", "invoice.balance IS MISSING"),
        ("never-true", "COUNT(invoice) < 0"),
        ("never-true", "COUNT(invoice) = -1"),
        ("constant", "today > 2026-01-01 AND customer.rating = 'D'"),
        ("constant", "1 < 2"),
        ("some-differs", "invoice.status != 'paid'"),
        ("some-differs", "invoice.status NOT IN ('paid', 'void')"),
        ("some-differs", "invoice.reference not contains 'x'"),
        ("some-differs", "payment.date NOT IN LAST 30 DAYS AND payment.amount > 5"),
        ("separate-rows", "ANY invoice (balance > 5) AND ANY invoice (is_overdue)"),
        ("separate-rows", "ANY invoice (balance > 5) AND invoice.is_overdue"),
        ("separate-rows", "COUNT(invoice WHERE is_overdue) >= 1 AND invoice.balance > 5"),
        ("separate-rows", "COUNT(invoice WHERE is_overdue) != 0 AND ANY invoice (balance > 5)"),
        ("only-negatives", "NO invoice (is_open)"),
        ("only-negatives", "NOT invoice.is_open AND customer.country != 'DE'"),
        ("only-negatives", "NOT customer.rating = 'D' OR customer.tags NOT HAS 'x'"),
        ("only-negatives", "customer.tags HAS NONE ('x', 'y')"),
    ],
)
def test_it_warns(code: str, text: str) -> None:
    assert code in codes(text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("contradiction", "invoice.balance > 5 AND invoice.balance < 10"),
        ("contradiction", "invoice.balance >= 5 AND invoice.balance <= 5"),
        ("contradiction", "invoice.balance > 10 OR invoice.balance < 5"),
        ("contradiction", "invoice.balance > 10 AND payment.amount < 5"),
        ("contradiction", "invoice.balance > 10 AND customer.balance_total < 5"),
        ("contradiction", "ANY invoice (balance > 10) AND ANY invoice (balance < 5)"),
        ("contradiction", "invoice.balance > 10 AND ANY invoice (balance < 5)"),
        ("contradiction", "customer.tags HAS 'a' AND customer.tags HAS 'b'"),
        ("contradiction", "customer.rating = 'd' AND customer.rating = 'D'"),
        ("contradiction", "customer.rating >= 'C' AND customer.rating <= 'B'"),
        ("contradiction", "customer.strike != 5 AND customer.strike != 6"),
        ("contradiction", "customer.strike IS MISSING AND customer.strike != 6"),
        ("contradiction", "invoice.balance > 10 EUR AND invoice.balance < 5"),
        ("always-true", "invoice.status = 'paid' OR invoice.status != 'paid'"),
        ("always-true", "invoice.balance IS NOT MISSING"),
        ("always-true", "group.open_invoices_due >= 0"),
        ("always-true", "COUNT(invoice) >= 1"),
        ("always-true", "customer.strike >= 0"),
        ("always-true", "customer.rating = 'D' OR customer.rating != 'C'"),
        ("never-true", "group.balance_overdue IS MISSING"),
        ("never-true", "customer.rating IS MISSING"),
        ("never-true", "NOT COUNT(invoice) > 5"),
        ("constant", "customer.strike > 2 - 1"),
        ("some-differs", "customer.rating != 'D'"),
        ("some-differs", "ANY invoice (status != 'paid')"),
        ("some-differs", "invoice.is_open = false"),
        ("some-differs", "invoice.is_open != true"),
        ("separate-rows", "invoice.balance > 5 AND invoice.is_overdue"),
        ("separate-rows", "ANY invoice (balance > 5) OR ANY invoice (is_overdue)"),
        ("separate-rows", "ANY invoice (balance > 5) AND NO invoice (is_overdue)"),
        ("separate-rows", "ANY invoice (balance > 5) AND ANY payment (amount > 5)"),
        ("separate-rows", "ANY invoice AND ANY invoice (is_overdue)"),
        ("separate-rows", "COUNT(invoice WHERE is_overdue) = 0 AND invoice.balance > 5"),
        ("separate-rows", "COUNT(invoice WHERE is_overdue) >= 3 AND invoice.balance > 5"),
        ("only-negatives", "invoice.status != 'paid'"),
        ("only-negatives", "NOT NOT customer.rating = 'D'"),
        ("only-negatives", "NOT NO invoice (is_open)"),
        ("only-negatives", "NO invoice (is_open) AND customer.country = 'DE'"),
        ("only-negatives", "customer.tags NOT HAS NONE ('x', 'y')"),
        ("only-negatives", "customer.chasing_paused = false"),
    ],
)
def test_it_does_not_warn(code: str, text: str) -> None:
    assert code not in codes(text)


def test_a_group_of_no_members_makes_a_count_uncertain() -> None:
    assert "always-true" in codes("COUNT(customer) >= 0", "group")
    assert "always-true" not in codes("COUNT(invoice) >= 0", "group")
    assert "contradiction" in codes("customer.rating = 'A' AND customer.rating = 'B'", "group")


@pytest.mark.parametrize(
    ("text", "several", "warned"),
    [
        ("invoice.balance > 1000", True, True),
        ("customer.balance_overdue BETWEEN 5 AND 10", True, True),
        ("payment.amount IN (5, 10)", True, True),
        ("invoice.balance > 1000", False, False),
        ("invoice.balance > 1000 EUR", True, False),
        ("invoice.balance > 0", True, False),
        ("invoice.balance > 50% * customer.balance_total", True, False),
        ("group.balance_overdue > 1000", True, False),
        ("customer.strike > 1000", True, False),
    ],
)
def test_money_across_currencies(text: str, several: bool, warned: bool) -> None:
    found = [warning.code for warning in warn(analyze(text, CATALOG), several_currencies=several)]
    assert ("any-currency" in found) is warned


def test_a_past_day_rests_on_current_balances() -> None:
    analysis = analyze("customer.balance_overdue > 5 EUR", CATALOG)
    assert [warning.code for warning in warn(analysis, past=True)] == ["current-balances"]
    assert not warn(analysis)


def test_everyone_is_no_warning() -> None:
    assert not warn(everyone(CATALOG), several_currencies=True)


@pytest.mark.parametrize(
    ("text", "corrected"),
    [
        (
            "invoice.status = 'open' AND invoice.status = 'paid'",
            "ANY invoice (status = 'open') AND ANY invoice (status = 'paid')",
        ),
        (
            "INVOICE.balance>10 and (group.name = 'D' or customer.strike = 9) and invoice.balance<5",
            "ANY invoice (balance > 10) AND (group.name = 'D' OR customer.strike = 9) AND ANY invoice (balance < 5)",
        ),
        (
            "NOT (invoice.balance > 10 AND invoice.balance < 5)",
            "NOT (ANY invoice (balance > 10) AND ANY invoice (balance < 5))",
        ),
        ("invoice.reference != 'invoice.balance != 5'", "NO invoice (reference = 'invoice.balance != 5')"),
        ("invoice.reference not  in ('NOT x')", "NO invoice (reference IN ('NOT x'))"),
        ("payment.date NOT BETWEEN today AND tomorrow", "NO payment (date BETWEEN today AND tomorrow)"),
        ("payment.tags NOT HAS 'x' OR customer.strike = 1", "NO payment (tags HAS 'x') OR customer.strike = 1"),
    ],
)
def test_corrections(text: str, corrected: str) -> None:
    [fix] = [fix for warning in warnings(text) for fix in warning.fixes]
    assert fix.apply(text) == corrected
    assert analyze(corrected, CATALOG).canonical == corrected


# ---------------------------------------------------------------- at random


@pytest.mark.parametrize("level", ["customer", "group"])
def test_no_check_fails_and_every_correction_is_a_filter(level: Level) -> None:
    rng = random.Random(f"warnings {level}")
    world = random_case(rng, DAY).world()
    corrected = 0
    for _ in range(FILTERS):
        made = random_filter(rng, world, level, rng.randint(0, 4))
        analysis = analyze(made.text, CATALOG, level=level, parameters=made.params)
        for warning in warn(analysis, several_currencies=True, past=True):
            assert 0 <= warning.span.start <= warning.span.end <= len(made.text)
            for fix in warning.fixes:
                corrected += 1
                try:
                    again = analyze(fix.apply(made.text), CATALOG, level=level, parameters=made.params)
                except FilterError as error:
                    pytest.fail(f"{made.text}\n{fix.apply(made.text)}\n{error}")
                assert again.canonical != analysis.canonical
    assert corrected > FILTERS / 20


@pytest.mark.parametrize("level", ["customer", "group"])
def test_what_is_called_impossible_or_certain_is(level: Level) -> None:
    """Pairs of tests on one field, with values that occur in the ledger or lie beside them."""
    rng = random.Random(f"certain {level}")
    worlds = [random_case(random.Random(seed), DAY).world() for seed in range(WORLDS)]
    by_field: dict[ast.Node, list[ast.Condition]] = defaultdict(list)
    for _ in range(TESTS):
        tree = random_filter(rng, rng.choice(worlds), level, 0, without=WITHOUT).tree
        by_field[subject(tree)].append(tree)
    said: dict[str, int] = defaultdict(int)
    for tree in pairs(by_field):
        try:
            analysis = analyze(format_filter(tree), CATALOG, level=level)
        except FilterError:  # NOT beside a positive condition
            continue
        for warning in warn(analysis):
            for node in outside_blocks(analysis.tree):
                if warning.code in CERTAIN and node.span == warning.span:
                    said[warning.code] += 1
                    for world in worlds:
                        expected = everybody(world, level) if warning.code == "always-true" else set()
                        assert matches(node, world, level) == expected, f"{warning.code}: {format_filter(node)}"
    assert said["contradiction"] > 50
    assert said["always-true"] > 0


def subject(tree: ast.Condition) -> ast.Node:
    match tree:
        case ast.Comparison(_, left):
            return left
        case ast.Between(operand) | ast.In(operand) | ast.InPeriod(operand) | ast.Has(operand) | ast.Missing(operand):
            return operand
        case ast.Bare(operand):
            return operand
        case _:
            return tree


def pairs(by_field: dict[ast.Node, list[ast.Condition]]) -> Iterator[ast.Condition]:
    for tests in by_field.values():
        for one, other in itertools.combinations_with_replacement(tests[:5], 2):
            yield ast.And((one, other))
            yield ast.Or((one, other))
        for one, other in itertools.product(tests[:5], repeat=2):
            yield ast.Or((one, ast.Not(other)))
            yield ast.And((one, ast.Not(other)))


def outside_blocks(tree: ast.Condition | None) -> Iterator[ast.Condition]:
    if tree is not None:
        yield tree
    match tree:
        case ast.And(items) | ast.Or(items):
            for item in items:
                yield from outside_blocks(item)
        case ast.Not(inner):
            yield from outside_blocks(inner)


def everybody(world: World, level: Level) -> set[str]:
    return {each.source_id for each in (world.customers if level == "customer" else world.groups)}
