"""The catalog against the page that defines it: every field is there, and can be read, asked and completed."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.models import metadata
from dsl import CATALOG, analyze
from dsl.catalog import Entity, Field, Sources
from dsl.frames import Relations, columns_of, related
from dsl.operators import written_for
from dsl.types import Kind
from tests.worlds import OWN_CATALOG

# The names as `catalog.md` lists them. The first group of customer and of group are the workflow builder's filters.
BUILDER = {
    "customer": """
        account_owner allow_surcharges auto_payment_method average_days_late balance_due balance_overdue
        balance_overdue_1_30 balance_overdue_31_45 balance_overdue_31_60 balance_overdue_46_60 balance_overdue_61_90
        balance_overdue_91_over balance_total contact_details_available country credit_limit credit_limit_utilisation
        chasing_paused currency days_since_created group_parent is_group_parent invoices_count name portfolios reference
        source_id last_company_action_date last_company_communication_date last_company_manual_communication_date
        last_customer_action_date last_customer_communication_date last_action_date last_payment_date max_days_overdue
        email_available rating open_invoices open_invoices_due open_invoices_overdue overpayments payment_method
        payment_method_status phone_available prepayments strike total_unallocated
    """,
    "group": """
        balance_due balance_overdue balance_total chasing_paused credit_limit credit_limit_utilisation max_days_overdue
        open_invoices_due open_invoices_overdue tags
    """,
}
OURS = {
    "customer": "average_days_to_pay average_days_overdue amount_invoiced_12m largest_open_balance tags",
    "group": "name source_id members_count parent",
    "company": "name country base_currency average_days_to_pay dso",
    "invoice": """
        amount balance status issue_date due_date settled_on expected_payment_date days_overdue days_until_due days_late
        days_issued aging is_open is_overdue chasing_paused bulk_payment_in_progress paid_percent currency reference
        purchase_order source_id tags last_company_communication_date
    """,
    "payment": """
        amount amount_remaining date days_since_paid status is_prepayment is_overpayment source currency reference
        source_id tags
    """,
    "credit_note": """
        amount amount_remaining is_assigned currency issue_date days_issued reference source_id status tags
    """,
    "contact": "name email phone source source_id email_valid",
    "activity": "date by kind is_manual subject days_ago invoice_reference",
    "promise": "amount made_on due_date status days_overdue currency source_id",
}
CHOICES = {
    "customer.auto_payment_method": "none card direct_debit",
    "customer.payment_method": "none card direct_debit",
    "customer.payment_method_status": "active inactive",
    "customer.rating": "A B C D",
    "invoice.status": "open partially_paid paid disputed instalments closed void",
    "invoice.aging": "not_due 1-30 31-60 61-90 91+",
    "payment.status": "pending paid failed void",
    "credit_note.status": "applied unapplied voided refunded",
    "activity.by": "company customer",
    "activity.kind": "email sms letter call reply payment note promise visit handover other",
    "promise.status": "draft active kept broken cancelled",
}
# Those of the workflow builder that say more, or less, than the name does.
LABELS = {
    "balance_due": "balance due (not yet overdue)",
    "balance_overdue_1_30": "balance overdue 1-30",
    "balance_overdue_31_45": "balance overdue 31-45",
    "balance_overdue_31_60": "balance overdue 31-60",
    "balance_overdue_46_60": "balance overdue 46-60",
    "balance_overdue_61_90": "balance overdue 61-90",
    "balance_overdue_91_over": "balance overdue 91 and over",
    "chasing_paused": "customer chasing paused",
    "credit_limit_utilisation": "credit limit utilisation %",
    "days_since_created": "customer days source created",
    "group_parent": "customer group parent",
    "invoices_count": "customer invoices count",
    "name": "customer name",
    "portfolios": "customer portfolios",
    "reference": "customer reference",
    "source_id": "customer source ID",
    "last_company_action_date": "date of company last action",
    "last_company_communication_date": "date of company last communication",
    "last_company_manual_communication_date": "date of company last manual communication",
    "last_customer_action_date": "date of customer last action",
    "last_customer_communication_date": "date of customer last communication",
    "last_action_date": "date of last action (both)",
    "last_payment_date": "date of last payment received",
    "max_days_overdue": "days overdue - most overdue invoice",
    "open_invoices_due": "open invoices due (not yet overdue)",
    "total_unallocated": "total amount unallocated",
    "amount_invoiced_12m": "invoiced in the last 12 months",
    "largest_open_balance": "largest open invoice balance",
}
FIELDS = [(entity, field) for entity in CATALOG.entities.values() for field in entity.fields.values()]
each_entity = pytest.mark.parametrize("entity", CATALOG.entities.values(), ids=lambda entity: entity.name)
each_field = pytest.mark.parametrize(
    ("entity", "field"), FIELDS, ids=[f"{entity.name}.{field.name}" for entity, field in FIELDS]
)


@each_entity
def test_the_fields_are_those_of_the_page(entity: Entity) -> None:
    assert set(entity.fields) == set(f"{BUILDER.get(entity.name, '')} {OURS[entity.name]}".split())


def test_every_filter_of_the_workflow_builder_is_there() -> None:
    for name, filters in BUILDER.items():
        assert not set(filters.split()) - set(CATALOG.entities[name].fields)


def test_no_entity_is_left_out() -> None:
    assert set(CATALOG.entities) == set(OURS)
    assert set(CATALOG.to_one) == {"customer", "group", "company"}


def test_labels_are_those_of_the_page() -> None:
    fields = CATALOG.entities["customer"].fields
    assert {name: fields[name].label for name in LABELS} == LABELS
    group = CATALOG.entities["group"].fields
    assert all(group[name].label == LABELS[name] for name in ("credit_limit_utilisation", "max_days_overdue"))


@each_entity
def test_labels_are_unique(entity: Entity) -> None:
    labels = [field.label.casefold() for field in entity.fields.values()]
    assert len(labels) == len(set(labels))


@each_field
def test_a_field_says_what_it_is(entity: Entity, field: Field) -> None:
    assert entity.fields[field.name] is field
    assert field.label == field.label.strip() != ""
    assert field.help == field.help.strip() != ""
    assert bool(field.clause) == (field.type.kind is Kind.FLAG)


@each_field
def test_a_type_has_its_values(entity: Entity, field: Field) -> None:
    assert isinstance(field.type.kind, Kind)
    assert bool(field.type.choices) == (field.type.kind in (Kind.CHOICE, Kind.CODE))
    assert bool(field.type.what) == (field.type.kind is Kind.CODE)
    if field.type.kind is Kind.CHOICE:
        assert " ".join(field.type.choices) == CHOICES[f"{entity.name}.{field.name}"]
    assert field.type.ordered == (f"{entity.name}.{field.name}" == "customer.rating")


@each_field
def test_a_field_can_be_asked_about(entity: Entity, field: Field) -> None:
    assert written_for(field.type)
    for example in filter(None, (field.example, "IS NOT MISSING")):
        assert analyze(f"{entity.name}.{field.name} {example}", CATALOG).checked


def test_custom_fields_are_told_apart_by_their_prefix() -> None:
    assert not [field.name for _, field in FIELDS if "." in field.name]


@each_field
def test_what_is_required_is_never_missing_in_the_database(entity: Entity, field: Field) -> None:
    """Of fields that are one column. Sums of money may lack a rate, and an empty set is missing."""
    read = columns_of(field)
    table = metadata.tables[entity.metrics or "" if read.metrics else entity.relation.removesuffix("_current")]
    is_sum = field.type.kind is Kind.MONEY and read.metrics
    if read.row | read.metrics == {field.name} and not is_sum and field.type.kind is not Kind.SET:
        assert field.required == (not table.c[field.name].nullable)


def test_each_field_is_as_recorded() -> None:
    """What it is in SQL, and what else is known of it. `DUELIST_UPDATE=1` rewrites the file; read the difference."""
    path = Path(__file__).with_name("fields.sql")
    found = "\n".join(
        line
        for entity in OWN_CATALOG.entities.values()
        for line in (_read_from(entity), *(line for field in entity.fields.values() for line in _lines_of(field)))
    )
    if os.environ.get("DUELIST_UPDATE"):
        path.write_text(found + "\n")
    assert path.read_text() == found + "\n"


def _read_from(entity: Entity) -> str:
    relations = " or ".join(dict.fromkeys((entity.relation, entity.historic)))
    return f"\n-- {entity.name}: {relations}, metrics: {entity.metrics}, money of: {entity.currency}\n"


def _lines_of(field: Field) -> list[str]:
    known = {"required": field.required, "example": field.example, "phrase": field.phrase}
    at = Sources(_column, _metric, _column(":as_of"), related(Relations.LIVE), _column(":company"))
    forms = {"is": field.sql, "tested as": field.tested, "given if": field.given}
    return [
        "; ".join([f"-- {field.name}: {field.type}", *(f"{name}: {value}" for name, value in known.items() if value)]),
        *(f"  {name} {_written(form(at))}" for name, form in forms.items() if form is not None),
    ]


def _column(name: str) -> sa.ColumnElement[Any]:
    return sa.literal_column(name)


def _metric(name: str) -> sa.ColumnElement[Any]:
    return sa.literal_column(f"metrics.{name}")


def _written(sql: sa.ColumnElement[Any]) -> str:
    compiled = sql.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
    return re.sub(r"\s+", " ", str(compiled))
