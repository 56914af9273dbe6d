"""The compiled SQL against the independent evaluator: customers, groups, matching rows and every metric."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from app.database import Database
from dsl import CATALOG, analyze, everyone
from dsl.catalog import Entity, Field
from dsl.checker import Level
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.matching import matching_rows
from dsl.statements import rows_statement
from dsl.typed import TRUE, Filter, Role, Row
from dsl.types import TEXT, Kind
from tests.oracle.evaluator import matches
from tests.oracle.evaluator import matching_rows as expected_rows
from tests.oracle.generate import random_filter
from tests.test_imports import make_company
from tests.test_setwise import setwise
from tests.worlds import FILTERS, FIRST_SEED, LEDGERS, OWN_CATALOG, Loaded, load


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + LEDGERS))
def loaded(request: pytest.FixtureRequest, database: Database) -> Loaded:
    return load(database, request.param, own=True)


# Not every entity's source id can be filtered by; the rows must be told apart all the same.
SOURCE_ID = Field("source_id", TEXT, "", "", lambda at: at.row("source_id"))


@pytest.mark.parametrize("entity", OWN_CATALOG.entities.values(), ids=lambda entity: entity.name)
def test_every_field_has_the_value_of_its_definition(loaded: Loaded, entity: Entity) -> None:
    root, row = _rows(entity)
    fields = {"": (root, SOURCE_ID), **{name: (row, field) for name, field in entity.fields.items()}}
    for source_id, *values in loaded.run(rows_statement(Filter(root, TRUE), loaded.question, fields)):
        subject = loaded.world.ledger.company if entity.name == "company" else str(source_id)
        for field, value in zip(entity.fields.values(), values, strict=True):
            expected = _expected(loaded.world.value(entity.name, subject, field.name))
            assert _value(value, field.type.kind) == expected, f"{entity.name}.{field.name} of {source_id}"


@pytest.mark.parametrize("level", ["customer", "group"])
def test_filters_select_what_the_definition_says(loaded: Loaded, level: Level) -> None:
    rng = random.Random(f"{loaded.seed} {level}")
    for _ in range(FILTERS // 2):
        made = random_filter(rng, loaded.world, level, rng.randint(1, 4))
        analysis = analyze(made.text, OWN_CATALOG, level=level, parameters=made.params)
        assert analysis.tree == made.tree
        expected = sorted(matches(made.tree, loaded.world, level, made.params))
        assert loaded.source_ids(analysis.lowered) == expected, f"{made.text} {made.params}"
        assert loaded.count(analysis.lowered) == len(expected)
        entities = ["invoice", "payment", *(["customer"] if level == "group" else [])]
        for entity in entities:
            rows = loaded.source_ids(matching_rows(analysis, OWN_CATALOG, entity))
            wanted = sorted(expected_rows(made.tree, loaded.world, entity, level, made.params))
            assert rows == wanted, f"{entity} rows of {made.text} {made.params}"


# What the generator does not write.
PERCENTAGES = (
    "customer.credit_limit_utilisation > 2 * 20%",
    "customer.credit_limit_utilisation * 2 > 60",
    "customer.credit_limit_utilisation / 2 > 15",
    "customer.credit_limit_utilisation < 60% / 2",
    "customer.credit_limit_utilisation - 10 > 20",
    "AVG(invoice.paid_percent) / 2 > 5",
    "50% / 2 * COUNT(invoice) < 1",
    "customer.balance_overdue / customer.balance_total > 50% / 2",
    "customer.balance_overdue > 50% * 2000",
    "SUM(invoice.balance WHERE is_open) < 2 * 40%",
    "COUNT(invoice) >= 50% * 4",
)


DAYS = (
    "invoice.due_date + customer.strike < today",
    "invoice.issue_date + invoice.days_issued = today",
    "invoice.due_date - COUNT(payment) <= invoice.issue_date",
    "payment.date + 30 > today - (2026-02-01 - 2026-01-01)",
    "FIRST(invoice.is_overdue BY due_date) = true AND customer.balance_due < 50% * customer.balance_total",
)


# What a group's members come to, asked of a row that is further in: of this group's members, not of everyone's.
FURTHER_IN = (
    "invoice.is_open AND (invoice.is_overdue OR COUNT(customer) = group.members_count)",
    "contact.email_valid AND (contact.phone = '0' OR MAX(customer.balance_total) < 2500 JPY)",
    "ANY invoice (is_open AND SUM(customer.open_invoices) = COUNT(customer) + 1)",
    "NO payment (amount > 0 AND COUNT(customer) > group.members_count)",
    "ANY customer (ANY invoice (is_open AND COUNT(customer WHERE strike IS MISSING) = group.members_count))",
)

# Where a member's metric lacks a rate its group's total is not known, rather than the sum of the others.
UNRATED = (
    "SUM(customer.balance_total) IS MISSING",
    "SUM(customer.balance_overdue) <= 500",
    "AVG(customer.largest_open_balance) <= 500",
    "MAX(customer.credit_limit_utilisation) IS MISSING",
)


@pytest.mark.parametrize("filters", [FURTHER_IN, UNRATED], ids=["asked further in", "without a rate"])
def test_what_a_group_comes_to(loaded: Loaded, filters: Sequence[str]) -> None:
    """Both translations select the groups that the evaluator does."""
    for text in filters:
        analysis = analyze(text, CATALOG, level="group")
        assert analysis.tree is not None
        expected = sorted(matches(analysis.tree, loaded.world, level="group"))
        assert loaded.source_ids(analysis.lowered) == expected, text
        assert setwise(loaded.database, loaded.question, analysis.checked) == expected, text


# What is said of a customer's group alone, which some have not.
OF_THE_GROUP = (
    "group.balance_overdue > 100",
    "NOT group.balance_overdue > 100",
    "group.balance_overdue BETWEEN 0 AND 500 USD",
    "NOT group.balance_overdue BETWEEN 0 AND 500 USD",
    "group.name IS MISSING",
    "group.name IS NOT MISSING",
    "NOT group.name IN ('x', 'y')",
    "group.chasing_paused OR customer.strike = 1",
    "NOT group.chasing_paused",
    "group.chasing_paused = false",
    "group.tags HAS NONE ('retail')",
    "NOT group.tags HAS NONE ('retail')",
    "group.tags HAS ANY ('retail')",
    "NOT group.tags HAS ALL ('retail', 'b2b')",
    "group.balance_overdue < group.balance_total",
    "ANY invoice (is_open AND group.members_count > 1)",
    "NO invoice (group.members_count > 1 OR NOT group.chasing_paused)",
    "COUNT(invoice WHERE group.members_count > 1) = 0",
)


@pytest.mark.parametrize("text", [*PERCENTAGES, *DAYS, *OF_THE_GROUP])
def test_what_the_generator_does_not_write(loaded: Loaded, text: str) -> None:
    analysis = analyze(text, CATALOG)
    assert analysis.tree is not None
    assert loaded.source_ids(analysis.lowered) == sorted(matches(analysis.tree, loaded.world))


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("customer.source_id CONTAINS 'ä-'", ["Ä-1"]),
        ("customer.source_id STARTS WITH 'Ä'", ["Ä-1"]),
        ("customer.source_id ENDS WITH '-É'", ["b-é"]),
        ("customer.source_id NOT CONTAINS 'Ä'", ["b-é"]),
        ("customer.source_id = 'ä-1'", []),
        ("customer.name CONTAINS 'οδος'", ["b-é"]),
        ("customer.name CONTAINS 'οδοσ'", ["b-é"]),
        ("customer.name CONTAINS 'Οδ'", ["b-é"]),
        ("customer.name ENDS WITH 'δοσ'", ["b-é"]),
        ("customer.name NOT STARTS WITH 'Οδός'", ["b-é", "Ä-1"]),
    ],
)
def test_texts_are_searched_without_regard_to_case(database: Database, filter: str, found: list[str]) -> None:
    """In ids too, which have a collation of their own, and of a letter with two small forms."""
    company = make_company(database)
    company.load({"customers": "source_id,name\nÄ-1,x\nb-é,ΟΔΟΣ\n"})
    analysis = analyze(filter, CATALOG)
    root = (selected := analysis.lowered).root
    question = Question(company.company_id, company.today, Relations.KEPT)
    statement = rows_statement(selected, question, {"source_id": (root, root.entity.fields["source_id"])})
    with database.transaction(company.company_id, company.today) as connection:
        rows = connection.execute(statement.sql.encode(), statement.parameters).fetchall()
    assert rows == [(source_id,) for source_id in found]
    assert setwise(database, question, analysis.checked) == found


def test_everyone_is_every_customer_once(loaded: Loaded) -> None:
    expected = sorted(customer.source_id for customer in loaded.world.ledger.customers.values())
    assert loaded.source_ids(everyone(CATALOG).lowered) == expected


def _rows(entity: Entity) -> tuple[Row, Row]:
    """The row to select and the row to read: the company's fields are read beside each customer."""
    customer = Row(CATALOG.entities["customer"], Role.AT_HAND)
    if entity.name == "company":
        return customer, Row(entity, Role.AT_HAND, owner=customer)
    row = Row(entity, Role.AT_HAND, owner=None if entity.name in ("customer", "group") else customer)
    return row, row


def _value(value: Any, kind: Kind) -> Any:
    """As the evaluator gives it: money in units, sets without order, an empty set missing."""
    if value is None:
        return None
    if kind is Kind.MONEY:
        return Decimal(value) / 10_000
    return frozenset(value) if kind is Kind.SET else value


def _expected(value: Any) -> Any:
    return None if value == frozenset() else value
