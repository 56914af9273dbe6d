"""One record as it is stored. What it refers to is named by source id, as in the import files."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from app import models
from app.cells import money
from app.companies import Company
from app.database import Database
from dsl.statements import render

RECORDS: Mapping[str, sa.Table] = {
    "customers": models.customer,
    "groups": models.customer_group,
    "invoices": models.invoice,
    "payments": models.payment,
    "credit_notes": models.credit_note,
    "contacts": models.contact,
    "activities": models.activity,
    "promises": models.promise,
    "journals": models.journal,
}

_INTERNAL = {"company_id", "id", "invoice_customer_id"}
_MONEY = {"amount", "amount_remaining", "balance", "credit_limit"}
_NAMES = {"group_id": "group", "parent_customer_id": "parent"}


def record(database: Database, company: Company, kind: str, source_id: str) -> dict[str, Any] | None:
    if "\0" in source_id:
        return None
    table = RECORDS[kind]
    key = [table.c.company_id == company.company_id, table.c.source_id == source_id]
    statement = render(sa.select(*_columns(table)).where(*key))
    with database.transaction(company.company_id) as connection:
        cursor = connection.execute(statement.sql.encode(), statement.parameters)
        row = cursor.fetchone()
        names = [column.name for column in cursor.description or ()]
    return {name: _cell(name, value) for name, value in zip(names, row, strict=True)} if row else None


def _columns(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    referring = {constraint.column_keys[-1]: constraint for constraint in table.foreign_key_constraints}
    return [
        (_referred(table, referring[name]) if name in referring else column).label(_NAMES.get(name, name))
        for name, column in table.c.items()
        if name not in _INTERNAL
    ]


def _referred(table: sa.Table, constraint: sa.ForeignKeyConstraint) -> sa.ColumnElement[Any]:
    """The source id of the row that a foreign key refers to."""
    target = constraint.referred_table.alias()
    pairs = (
        (element.column.name, own) for own, element in zip(constraint.column_keys, constraint.elements, strict=True)
    )
    same = [target.c[theirs] == table.c[own] for theirs, own in pairs]
    return sa.select(target.c.source_id).where(*same).scalar_subquery()


def _cell(name: str, value: Any) -> Any:
    return money(value) if name in _MONEY and value is not None else value
