"""A filter in parts, by hand: which text parts make, and which parts a text has."""

import pytest

from dsl.formatter import format_filter
from dsl.parser import parse
from dsl.parts import PARTS, Misplaced, Part, joined, split

Parts = dict[Part, str]


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"customers": "rating = 'D'"}, "customer.rating = 'D'"),
        ({"groups": "credit_limit > 5"}, "group.credit_limit > 5"),
        ({"invoices": "balance > 1 AND is_open"}, "invoice.balance > 1 AND invoice.is_open"),
        (
            {"payments": "amount > 5", "invoices": "balance > 1", "groups": "name = 'G'", "customers": "rating = 'D'"},
            "customer.rating = 'D' AND group.name = 'G' AND invoice.balance > 1 AND payment.amount > 5",
        ),
        # What is more than plain tests of a row needs the block.
        ({"invoices": "balance > 1 OR is_open"}, "ANY invoice (balance > 1 OR is_open)"),
        ({"invoices": "NOT is_open"}, "ANY invoice (NOT is_open)"),
        ({"invoices": "is_open AND customer.rating = 'D'"}, "ANY invoice (is_open AND customer.rating = 'D')"),
        ({"invoices": "balance > 1 AND ANY payment"}, "ANY invoice (balance > 1 AND ANY payment)"),
        ({"payments": "amount > 5 OR amount < 1"}, "ANY payment (amount > 5 OR amount < 1)"),
        # Said of the customer, so not in a block.
        ({"customers": "rating = 'D' OR strike > 2"}, "customer.rating = 'D' OR customer.strike > 2"),
        ({"customers": "ANY invoice (balance > 1)"}, "ANY invoice (balance > 1)"),
        ({"customers": "COUNT(invoice) > 2"}, "COUNT(invoice) > 2"),
        # Names inside blocks, aggregates and lists keep their own entity.
        ({"customers": "rating IN ('C', 'D')"}, "customer.rating IN ('C', 'D')"),
        (
            {"customers": "balance_total > SUM(invoice.balance WHERE is_open)"},
            "customer.balance_total > SUM(invoice.balance WHERE is_open)",
        ),
        ({"invoices": "balance - amount > 1"}, "invoice.balance - invoice.amount > 1"),
        # Another part speaks of such rows, and of rows of its own.
        (
            {"customers": "NOT invoice.balance > 2", "invoices": "balance > 1"},
            "NOT invoice.balance > 2 AND ANY invoice (balance > 1)",
        ),
        ({"customers": "NOT payment.amount > 2", "invoices": "is_open"}, "NOT payment.amount > 2 AND invoice.is_open"),
    ],
)  # fmt: skip
def test_parts_make_a_text(parts: Parts, text: str) -> None:
    assert format_filter(joined({part: parse(said) for part, said in parts.items()})) == text


def test_without_a_part_there_is_no_filter() -> None:
    with pytest.raises(ValueError, match="there is no part"):
        joined({})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"customers": "rating = 'D' AND invoice.balance > 1"},
            "What is said of invoices among the conditions on customers belongs to a part of its own.",
        ),
        (
            {"groups": "payment.amount > 1 OR payment.amount < 0"},
            "What is said of payments among the conditions on groups belongs to a part of its own.",
        ),
    ],
)
def test_a_condition_in_the_wrong_part_is_refused(parts: Parts, message: str) -> None:
    with pytest.raises(Misplaced) as refused:
        joined({part: parse(said) for part, said in parts.items()})
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "payment.amount > 5 AND invoice.balance > 1 AND group.name = 'G'"
            " AND customer.rating = 'D' AND invoice.is_open",
            {
                "customers": "customer.rating = 'D'",
                "groups": "group.name = 'G'",
                "invoices": "invoice.balance > 1 AND invoice.is_open",
                "payments": "payment.amount > 5",
            },
        ),
        ("invoice.balance > customer.credit_limit", {"invoices": "invoice.balance > customer.credit_limit"}),
        ("invoice.balance > 1 OR invoice.is_open", {"invoices": "invoice.balance > 1 OR invoice.is_open"}),
        ("group.name = 'G' OR customer.rating = 'D'", {"customers": "group.name = 'G' OR customer.rating = 'D'"}),
        ("NOT invoice.is_open", {"customers": "NOT invoice.is_open"}),
        ("contact.email_valid", {"customers": "contact.email_valid"}),
        ("COUNT(invoice) > 1", {"customers": "COUNT(invoice) > 1"}),
        # The one block over invoices is the part about them.
        ("ANY invoice (balance > 1 OR is_open)", {"invoices": "balance > 1 OR is_open"}),
        ("ANY payment (amount > 5)", {"payments": "amount > 5"}),
        (
            "customer.rating = 'D' AND ANY invoice (balance > 1)",
            {"customers": "customer.rating = 'D'", "invoices": "balance > 1"},
        ),
        # Not where there are more, or there is no condition, or it says something else, or rows are bare beside it.
        (
            "ANY invoice (balance > 1) AND ANY invoice (is_open)",
            {"customers": "ANY invoice (balance > 1) AND ANY invoice (is_open)"},
        ),
        ("ANY invoice", {"customers": "ANY invoice"}),
        ("NO invoice (is_open)", {"customers": "NO invoice (is_open)"}),
        ("ALL payment (amount > 5)", {"customers": "ALL payment (amount > 5)"}),
        (
            "ANY invoice (is_open) AND invoice.balance > 1",
            {"customers": "ANY invoice (is_open)", "invoices": "invoice.balance > 1"},
        ),
        # What cannot be told apart.
        ("invoice.balance > 1 OR payment.amount > 5", None),
        ("invoice.balance > 1 OR customer.rating = 'D'", None),
        ("invoice.balance > payment.amount", None),
        ("invoice.balance > 1 OR ANY invoice (is_open)", None),
        ("invoice.balance > contact.source_id", None),
        ("invoice.balance > 1 AND (invoice.is_open OR NOT invoice.is_overdue)", None),
    ],
)
def test_a_text_has_parts(text: str, parts: Parts | None) -> None:
    found = split(parse(text))
    said = None if found is None else {part: format_filter(condition) for part, condition in found.items()}
    assert said == parts
    assert found is None or [*found] == [part for part in PARTS if part in found]
