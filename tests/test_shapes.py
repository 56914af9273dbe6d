"""The shape of a filter: which values become parameters of the statement, and which stay in it."""

from datetime import date
from typing import Any

import pytest

from dsl import CATALOG, analyze
from dsl.shapes import shaped


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("customer.strike = 3", [3]),
        ("customer.strike != 3", [3]),
        ("3 < customer.strike", [3]),
        ("customer.strike > 2.5", [25_000]),
        ("customer.credit_limit > 1.5", [15_000]),
        ("customer.name = 'X'", ["X"]),
        ("customer.name CONTAINS 'X'", ["X"]),
        ("customer.rating = 'D'", ["D"]),
        ("customer.last_payment_date < 2026-01-31", [date(2026, 1, 31)]),
        ("customer.strike BETWEEN 1 AND 2", [1, 2]),
        ("customer.rating IN ('C', 'D')", [["C", "D"]]),
        ("customer.tags HAS ANY ('x', 'y')", [["x", "y"]]),
        ("customer.strike = 1 AND NOT customer.strike = 2 OR customer.strike = 3", [1, 2, 3]),
        ("invoice.balance > 1 AND ANY payment (amount > 2) AND NO payment (amount > 3)", [10_000, 20_000, 30_000]),
        # A column holds no more than a bigint does.
        ("customer.strike < 9223372036854775807", [2**63 - 1]),
        ("customer.strike < 9223372036854775808", []),
        ("customer.credit_limit < 922337203685477.5807", [2**63 - 1]),
        ("customer.credit_limit < 922337203685477.5808", []),
        # Nor has one more than four decimals.
        ("customer.strike > 2.00005", []),
        ("customer.credit_limit > 1.23456", []),
        # What decides more than a comparison with a field.
        ("customer.rating > 'B'", []),
        ("customer.strike IN (1, 2)", []),
        ("customer.strike + 1 > 3", []),
        ("COUNT(invoice) > 3", []),
        ("customer.last_payment_date IN LAST 30 DAYS", []),
        ("customer.chasing_paused = true", []),
        ("customer.strike > customer.open_invoices", []),
        ("customer.strike IS MISSING", []),
    ],
)
def test_values_become_parameters(text: str, values: list[Any]) -> None:
    shape, found = shaped(analyze(text, CATALOG).lowered)
    assert list(found.values()) == values
    assert list(found) == [f"parameter_{number}" for number in range(1, len(values) + 1)]
    assert (shape == analyze(text, CATALOG).lowered) is not bool(values)


def test_filters_that_differ_in_values_only_have_one_shape() -> None:
    filters = ("invoice.balance > 1 AND customer.rating = 'A'", "invoice.balance > 25 AND customer.rating = 'D'")
    one, other = (shaped(analyze(text, CATALOG).lowered)[0] for text in filters)
    assert one == other
