"""By hand: the filter that nothing meets through a missing value, and whose chasing is paused; each as it reads."""

from datetime import date

import pytest

from dsl import CATALOG, analyze
from dsl.checker import Level
from dsl.explainer import english
from dsl.known import known
from dsl.lowering import lower
from dsl.matching import matching_rows
from dsl.pauses import Pauses, with_pauses
from dsl.typed import Filter

DAY = date(2026, 3, 31)


def reads(filter_: Filter) -> str:
    return english(filter_, DAY).removesuffix(".")


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        # What a missing value does not meet stays as it is.
        ("customer.rating = 'D'", "customer.rating = 'D'"),
        ("NOT customer.rating != 'D'", "NOT customer.rating != 'D'"),
        ("customer.chasing_paused", "customer.chasing_paused"),
        ("NOT customer.chasing_paused", "NOT customer.chasing_paused"),
        ("customer.strike IS MISSING", "customer.strike IS MISSING"),
        ("NOT customer.strike IS MISSING", "NOT customer.strike IS MISSING"),
        ("NOT customer.tags HAS NONE ('x')", "NOT customer.tags HAS NONE ('x')"),
        ("NO invoice (reference != 'R')", "NO invoice (reference != 'R')"),
        # Never missing.
        ("customer.name != 'X'", "customer.name != 'X'"),
        ("invoice.balance != 5", "invoice.balance != 5"),
        ("COUNT(invoice) != 5", "COUNT(invoice) != 5"),
        ("NOT invoice.is_open", "NOT invoice.is_open"),
        # What it meets is asked to be there.
        ("customer.rating != 'D'", "customer.rating != 'D' AND customer.rating IS NOT MISSING"),
        ("customer.tags HAS NONE ('x')", "customer.tags HAS NONE ('x') AND customer.tags IS NOT MISSING"),
        ("customer.strike NOT IN (1, 2)", "customer.strike NOT IN (1, 2) AND customer.strike IS NOT MISSING"),
        ("customer.strike NOT BETWEEN 1 AND 2", "customer.strike NOT BETWEEN 1 AND 2 AND customer.strike IS NOT NULL"),
        ("customer.balance_total != 5", "customer.balance_total != 5 AND customer.balance_total IS NOT MISSING"),
        ("group.members_count != 5", "group.members_count != 5 AND group.members_count IS NOT MISSING"),
        ("MAX(invoice.balance) != 5", "MAX(invoice.balance) != 5 AND MAX(invoice.balance) IS NOT MISSING"),
        (
            "customer.strike != customer.open_invoices",
            "customer.strike != customer.open_invoices AND customer.strike IS NOT MISSING",
        ),
        ("invoice.reference != 'R'", "invoice.reference != 'R' AND invoice.reference IS NOT MISSING"),
        ("ALL invoice (reference != 'R')", "ALL invoice (reference != 'R' AND reference IS NOT MISSING)"),
        # Below NOT a missing value counts as met.
        ("NOT customer.strike = 1", "NOT (customer.strike = 1 OR customer.strike != 1 AND customer.strike IS MISSING)"),
        (
            "NOT customer.tags HAS ANY ('x')",
            "NOT (customer.tags HAS ANY ('x') OR customer.tags NOT HAS ANY ('x') AND customer.tags IS MISSING)",
        ),
        (
            "NO invoice (reference = 'R')",
            "NO invoice (reference = 'R' OR reference != 'R' AND reference IS MISSING)",
        ),
        ("NOT ANY invoice (NOT reference = 'R')", "NOT ANY invoice (NOT reference = 'R')"),
        ("NOT group.chasing_paused", "NOT (group.chasing_paused OR group.chasing_paused IS MISSING)"),
        (
            "customer.rating = 'D' OR NOT customer.strike = 1",
            "customer.rating = 'D' OR NOT (customer.strike = 1 OR customer.strike != 1 AND customer.strike IS MISSING)",
        ),
        (
            "NOT (customer.rating = 'D' AND customer.strike != 1)",
            "NOT ((customer.rating = 'D' OR customer.rating != 'D' AND customer.rating IS MISSING)"
            " AND customer.strike != 1)",
        ),
    ],
)  # fmt: skip
def test_nothing_is_met_through_a_missing_value(text: str, same_as: str) -> None:
    assert reads(lower(known(analyze(text, CATALOG).checked))) == reads(analyze(same_as, CATALOG).lowered)


# ---------------------------------------------------------------- pauses

OF_CUSTOMER = "(either whose chasing is paused, or whose group's chasing is paused)"
OF_ITS_CUSTOMER = "(either whose customer's chasing is paused, or whose group's chasing is paused)"
OF_INVOICE = f"(either whose chasing is paused, or {OF_ITS_CUSTOMER[8:]}"


@pytest.mark.parametrize(
    ("entity", "level", "paused", "not_paused"),
    [
        ("customer", "customer", f", and {OF_CUSTOMER}", f", and not among those {OF_CUSTOMER}"),
        ("invoice", "customer", f", and {OF_INVOICE}", f", and not among those {OF_INVOICE}"),
        ("payment", "customer", f", and {OF_ITS_CUSTOMER}", f", and not among those {OF_ITS_CUSTOMER}"),
        ("group", "group", " and whose chasing is paused", " and whose chasing is not paused"),
        ("customer", "group", " and whose group's chasing is paused", " and whose group's chasing is not paused"),
        ("invoice", "group", f", and {OF_CUSTOMER}", f", and not among those {OF_CUSTOMER}"),
    ],
)
def test_pauses_part_what_is_selected(entity: str, level: Level, paused: str, not_paused: str) -> None:
    analysis = analyze(f"{level}.source_id = 'X'", CATALOG, level=level)
    selected = analysis.lowered if entity == level else matching_rows(analysis, CATALOG, entity)
    assert reads(with_pauses(selected, CATALOG, Pauses.IGNORED)) == reads(selected)
    assert reads(with_pauses(selected, CATALOG, Pauses.ALONE)).endswith(paused)
    assert reads(with_pauses(selected, CATALOG, Pauses.HELD_BACK)).endswith(not_paused)
