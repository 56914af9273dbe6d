"""Completion offers what may stand at the cursor: each offer leads on to a filter that is accepted."""

import os
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl import CATALOG, FilterError, analyze
from dsl.catalog import Custom, custom_type, with_custom
from dsl.checker import Level
from dsl.completer import Completion, Item, complete
from dsl.parser import open_pieces
from dsl.types import MONEY, Kind
from tests.test_parser import HOSTILE, mutated
from tests.worlds import OWN_CATALOG

FUNCTIONS = ["COUNT(", "SUM(", "AVG(", "MIN(", "MAX(", "FIRST("]
LOGIC = ["AND", "OR"]
COMPARISONS = ["=", "!=", "<", "<=", ">", ">="]
ASKED = ["IS MISSING", "IS NOT MISSING"]
LISTED = ["IN (", "NOT IN ("]


def at(marked: str, level: Level = "customer") -> Completion:
    """`|` marks the cursor."""
    cursor = marked.index("|")
    return complete(marked.replace("|", ""), cursor, CATALOG, level)


def offered(marked: str, level: Level = "customer") -> list[str]:
    return [item.insert for item in at(marked, level).items]


def inserted(marked: str, place: int = 0) -> str:
    found, text = at(marked), marked.replace("|", "")
    return text[: found.start] + found.items[place].insert + text[found.end :]


@pytest.mark.parametrize(
    ("marked", "items"),
    [
        (
            "|",
            [
                *("customer.", "group.", "company.", "invoice.", "payment.", "credit_note.", "contact.", "activity."),
                *("promise.", *FUNCTIONS, "ANY", "NO", "ALL", "NOT"),
            ],
        ),
        ("customer.rating |", [*COMPARISONS, *LISTED, *ASKED]),
        ("customer.country |", ["=", "!=", *LISTED, *ASKED]),
        ("customer.tags |", ["HAS ANY (", "HAS ALL (", "HAS NONE (", *ASKED]),
        ("customer.balance_total |", [*COMPARISONS, "BETWEEN", "NOT BETWEEN", *LISTED, *ASKED]),
        ("customer.chasing_paused |", ["=", "!=", *ASKED, *LOGIC]),
        ("COUNT(invoice) |", [*COMPARISONS, "BETWEEN", "NOT BETWEEN", *LISTED, *ASKED]),
        ("customer.balance_total NOT |", ["BETWEEN", "IN ("]),
        ("customer.name STARTS |", ["WITH"]),
        ("customer.rating IS |", ["MISSING", "NOT MISSING"]),
        ("customer.rating IS NOT |", ["MISSING"]),
        ("customer.tags HAS ANY |", ["("]),
        ("customer.last_payment_date IN |", ["LAST", "NEXT", "THIS"]),
        ("customer.last_payment_date IN THIS |", ["WEEK", "MONTH", "QUARTER", "YEAR"]),
        ("customer.last_payment_date IN LAST 30 |", ["DAYS", "WEEKS", "MONTHS", "YEARS"]),
        ("customer.rating IN (|", ["'A'", "'B'", "'C'", "'D'"]),
        ("customer.rating IN ('A', |", ["'A'", "'B'", "'C'", "'D'"]),
        ("customer.rating IN ('A' |", [")", ","]),
        ("customer.rating = 'A' |", LOGIC),
        ("(customer.rating = 'A' |", [*LOGIC, ")"]),
        ("(customer.rating = 'A') |", LOGIC),
        ("NOT (customer.chasing_paused) |", ["=", "!=", *ASKED, *LOGIC]),
        ("customer.balance_total BETWEEN 1 |", ["AND"]),
        ("customer.balance_total BETWEEN 1 AND 2 |", LOGIC),
        ("ANY |", ["invoice", "payment", "credit_note", "contact", "activity", "promise"]),
        ("ALL invoice |", ["("]),
        ("ANY invoice |", [*LOGIC, "("]),
        ("ANY invoice (balance > 1) |", LOGIC),
        ("COUNT(|", ["invoice", "payment", "credit_note", "contact", "activity", "promise"]),
        ("SUM(|", ["invoice.", "payment.", "credit_note.", "activity.", "promise."]),
        ("AVG(payment.|", ["amount", "amount_remaining", "days_since_paid"]),
        ("MAX(payment.|", ["amount", "amount_remaining", "date", "days_since_paid"]),
        ("COUNT(invoice |", [")", "WHERE"]),
        ("FIRST(invoice.balance |", ["WHERE", "BY"]),
        ("FIRST(invoice.balance WHERE is_open |", ["=", "!=", *ASKED, *LOGIC, "BY"]),
        ("FIRST(invoice.balance BY due_date |", ["DESC", ")", ","]),
        ("FIRST(invoice.balance BY due_date DESC |", [")", ","]),
        ("customer.nothing |", []),
        ("nothing.|", []),
        ("customer.rating = = |", []),
        ("customer.rating = 'A'|", LOGIC),
    ],
)
def test_all_that_is_offered(marked: str, items: list[str]) -> None:
    assert offered(marked) == items


@pytest.mark.parametrize(
    ("marked", "there", "absent"),
    [
        ("customer.|", ["rating", "balance_total"], ["due_date"]),
        ("customer.rating = |", ["'D'", "customer."], ["invoice.", "SUM(", "NOT", "AND", "true"]),
        ("customer.chasing_paused = |", ["true", "false"], ["'A'", "today"]),
        ("customer.last_payment_date > |", ["today", "today - 30 DAYS", "MAX("], ["30 DAYS", "WEEK", "SUM(", "true"]),
        ("customer.last_payment_date > today - |", ["30 DAYS"], ["today - 30 DAYS"]),
        ("customer.last_payment_date IN LAST |", ["30 DAYS", "12 MONTHS", "QUARTER"], ["today"]),
        ("customer.balance_total > |", ["1000", "invoice.", "SUM("], ["COUNT(", "contact.", "80%"]),
        ("customer.balance_total > customer.|", ["credit_limit"], ["rating", "name", "credit_limit_utilisation"]),
        ("customer.balance_total > 90% * customer.|", ["credit_limit"], ["rating", "name"]),
        ("customer.balance_total > SUM(invoice.|", ["balance"], ["days_overdue", "due_date"]),
        ("customer.balance_total BETWEEN SUM(invoice.|", ["balance"], ["days_overdue", "due_date"]),
        ("customer.balance_total > FIRST(invoice.|", ["balance"], ["days_overdue", "due_date"]),
        ("customer.balance_total BETWEEN customer.|", ["credit_limit"], ["rating"]),
        ("customer.balance_total > (|", ["1000", "customer."], ["NOT", "ANY", "AND"]),
        ("invoice.balance > |", ["invoice.", "customer."], ["payment."]),
        ("customer.credit_limit_utilisation > |", ["80%"], ["1000"]),
        ("ANY invoice (|", ["balance", "customer.", "NOT", "ANY"], ["payment.", "invoice."]),
        ("ANY invoice (balance > |", ["amount", "1000"], ["due_date", "payment."]),
        ("ANY invoice (ANY payment (ANY credit_note (|", ["amount", "NOT"], ["ANY", "COUNT("]),
        ("COUNT(invoice WHERE |", ["is_overdue", "balance", "customer."], ["payment."]),
        ("FIRST(invoice.balance BY |", ["due_date"], ["tags", "DESC", ")"]),
        ("FIRST(invoice.balance BY invoice.|", ["due_date"], ["tags"]),
        ("FIRST(invoice.balance BY payment.|", [], ["date"]),
        ("customer.rating = 'A' AND |", ["customer.", "NOT", "ANY"], []),
        ("NOT |", ["customer.", "ANY"], ["NOT", "AND"]),
    ],
)
def test_offered_or_not(marked: str, there: list[str], absent: list[str]) -> None:
    found = offered(marked)
    assert not set(there) - set(found)
    assert not set(absent) & set(found)


def test_at_level_group_customers_are_many() -> None:
    assert "customer" in offered("ANY |", "group")
    assert "customer" not in offered("ANY |")
    assert {"balance_total", "invoice.", "group."} <= set(offered("NO customer (|", "group"))


def test_a_custom_field_is_completed_in_its_parts() -> None:
    plan = Custom("customer", "plan", custom_type(Kind.CHOICE, ("Basic", "O'K")), "contract")
    own = with_custom(CATALOG, [plan, Custom("invoice", "fee", MONEY, "fee")])

    def inserts(text: str) -> list[str]:
        return [item.insert for item in complete(text, len(text), own).items]

    assert "custom.plan" in inserts("customer.")
    assert inserts("customer.custom.") == ["plan"]
    assert inserts("ANY invoice (custom.") == ["fee"]
    assert inserts("SUM(invoice.custom.") == ["fee"]
    assert inserts("contra") == ["customer.custom.plan"]
    assert {"IN (", "IS MISSING"} <= set(inserts("customer.custom.plan "))
    assert inserts("customer.custom.plan = ")[:2] == ["'Basic'", "'O''K'"]
    assert "fee" not in inserts("SUM(payment.custom.")


@pytest.mark.parametrize(
    ("marked", "first", "result"),
    [
        ("inv|", "invoice.", "invoice."),
        ("cust|omer.rating = 'A'", "customer.", "customer..rating = 'A'"),
        ("customer.rat|", "rating", "customer.rating"),
        ("customer.ra|xx = 'A'", "rating", "customer.rating = 'A'"),
        ("customer.rating = 'A' a|", "AND", "customer.rating = 'A' AND"),
        ("invoice.status = 'dis|", "'disputed'", "invoice.status = 'disputed'"),
        ("invoice.status = 'dis|' AND", "'disputed'", "invoice.status = 'disputed' AND"),
        ("invoice.status = 'dis| AND group.name = ''", "'disputed'", "invoice.status = 'disputed' AND group.name = ''"),
        ("invoice.status = dis|", "'disputed'", "invoice.status = 'disputed'"),
        ("customer.currency = \"eu|\"", "'EUR'", "customer.currency = 'EUR'"),
        ("invoice.balance > 1000 us|", "USD", "invoice.balance > 1000 USD"),
        ("balance_tot|", "customer.balance_total", "customer.balance_total"),
        ("most|", "customer.max_days_overdue", "customer.max_days_overdue"),
        ("customer.name st|", "STARTS WITH", "customer.name STARTS WITH"),
    ],
)  # fmt: skip
def test_the_word_under_the_cursor_is_replaced(marked: str, first: str, result: str) -> None:
    assert offered(marked)[0] == first
    assert inserted(marked) == result


def test_what_begins_as_typed_comes_first() -> None:
    found = offered("customer.balance|")
    assert found[0] == "balance_due"
    assert found.index("balance_total") < found.index("largest_open_balance")


def test_an_item_says_what_it_is() -> None:
    (item,) = at("customer.credit_limit_ut|").items
    assert (item.label, item.kind) == ("credit limit utilisation %", "field")
    assert item.help.startswith("100 x balance_total")
    helps = {item.insert: item.help for item in at("customer.last_payment_date |").items}
    assert helps["<"] == "is before …"
    assert helps["NOT IN LAST"] == "is not in …"
    assert helps["IS NOT MISSING"] == "is known"


# ---------------------------------------------------------------- properties

# What one word after another cannot know of the whole filter.
LATER = {"ambiguous-not", "too-large", "reversed-ends", "two-currencies"}


@pytest.mark.parametrize("level", ["customer", "group"])
@pytest.mark.parametrize("seed", range(40))
def test_a_filter_made_of_offers_is_accepted(seed: int, level: Level) -> None:
    chance = random.Random(seed)
    text = ""
    for _ in range(chance.randint(1, 25)):
        text = f"{text}{chance.choice(next_words(text, level))} "
    for _ in range(40):
        if problems(text, level) <= LATER:
            return
        text = f"{text}{ending(next_words(text, level))} "
    pytest.fail(text)


def next_words(text: str, level: Level) -> list[str]:
    spaced = re.sub(r"\. $", ".", text)
    found = complete(spaced, len(spaced), OWN_CATALOG, level)
    assert found.items, text
    return [item.insert for item in found.items]


def ending(words: list[str]) -> str:
    """The word that ends what is open soonest."""
    soonest = (")", "IS MISSING", "MISSING", "BY", "AND", "=", "''", "true", "name", "currency", "source_id")
    return next((word for word in soonest if word in words), words[0])


def problems(text: str, level: Level) -> set[str]:
    try:
        analyze(text, OWN_CATALOG, level=level)
    except FilterError as error:
        return {found.code for found in error.diagnostics}
    return set()


def check_offers(text: str, cursor: int, level: Level) -> None:
    found = complete(text, cursor, CATALOG, level)
    assert 0 <= found.start <= found.end <= len(text)
    for item in found.items:
        assert open_pieces(text[: found.start] + item.insert) is not None, item


@pytest.mark.parametrize("text", ["1 ANY ", "invoice.balance > 1 ALL ", "1 NOT ", "- a.y AND b.z AND 1 any "])
def test_what_may_be_a_currency_is_no_quantifier(text: str) -> None:
    check_offers(text, len(text), "customer")


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(("customer", "group")))
def test_whatever_the_text_an_offer_begins_some_filter(chance: random.Random, level: Level) -> None:
    text = mutated(chance).replace("a.x", chance.choice(("invoice.balance", "customer.tags", "payment.date")))
    check_offers(text, chance.randrange(-1, len(text) + 2), level)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20), st.integers(-5, 30))
def test_any_text_and_cursor(text: str, cursor: int) -> None:
    found = complete(text, cursor, CATALOG)
    assert 0 <= found.start <= found.end <= len(text)


@pytest.mark.parametrize("text", [*HOSTILE, "x" * 20_000], ids=lambda text: repr(text)[:24])
def test_hostile_text(text: str) -> None:
    check_offers(text, len(text), "customer")


RECORDED = Path(__file__).with_name("completions.txt")


def test_what_is_said_of_each_item_is_as_recorded() -> None:
    """`DUELIST_UPDATE=1` rewrites the file; the difference is to be read."""
    found = "\n".join(
        "\n".join([marked, *map(said_of, at(marked).items)])
        for marked in RECORDED.read_text().splitlines()
        if not marked.startswith(" ")
    )
    if os.environ.get("DUELIST_UPDATE"):
        RECORDED.write_text(f"{found}\n")
    assert RECORDED.read_text() == f"{found}\n"


def said_of(item: Item) -> str:
    return f"  {item.kind:<9}{item.insert!r} {item.label}{item.help and f' - {item.help}'}"


def test_none_is_no() -> None:
    assert offered("NONE |") == offered("NO |") != []
