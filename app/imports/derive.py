"""Values that no file stated, worked out from the rows as they are now; only where they differ from what is stored."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from psycopg.rows import class_row

from app import kept
from app.database import Connection
from app.imports.checks import Parameters
from app.imports.columns import FILES, File
from app.imports.staging import Staged

_CURRENCY = "CASE WHEN 'currency' = ANY (d.derived) THEN customer.currency ELSE d.currency END AS currency"
_CUSTOMER = "JOIN customer ON customer.company_id = d.company_id AND customer.id = d.customer_id"

_ALLOCATION = """
    SELECT d.customer_id, d.id, coalesce(payment.date, credit_note.issue_date) AS date
    FROM allocation d
    LEFT JOIN payment ON payment.company_id = d.company_id
        AND payment.customer_id = d.source_customer_id AND payment.id = d.payment_id
    LEFT JOIN credit_note ON credit_note.company_id = d.company_id
        AND credit_note.customer_id = d.source_customer_id AND credit_note.id = d.credit_note_id
    WHERE d.company_id = %(company)s AND 'date' = ANY (d.derived)
"""

_INVOICE = f"""
    SELECT d.customer_id, d.id, d.currency, d.balance,
        CASE WHEN 'status' <> ALL (d.derived) THEN d.status
             WHEN d.balance = 0 THEN 'paid'
             WHEN d.balance = d.amount THEN 'open'
             ELSE 'partially_paid' END AS status,
        CASE WHEN 'settled_on' <> ALL (d.derived) THEN d.settled_on
             WHEN d.balance = 0 THEN d.last_allocated_on END AS settled_on
    FROM (
        SELECT d.customer_id, d.id, d.derived, d.amount, d.status, d.settled_on, allocated.last_allocated_on,
            {_CURRENCY},
            CASE WHEN 'balance' = ANY (d.derived) THEN d.amount - coalesce(allocated.amount, 0)
                 ELSE d.balance END AS balance
        FROM invoice d {_CUSTOMER}
        LEFT JOIN (
            SELECT customer_id, invoice_id, sum(amount) AS amount,
                max(date) FILTER (WHERE amount <> 0) AS last_allocated_on
            FROM allocation WHERE company_id = %(company)s GROUP BY customer_id, invoice_id
        ) allocated ON allocated.customer_id = d.customer_id AND allocated.invoice_id = d.id
        WHERE d.company_id = %(company)s AND d.derived <> '{{}}'
    ) d
"""

_PAYMENT = f"""
    SELECT d.customer_id, d.id, {_CURRENCY},
        CASE WHEN 'amount_remaining' = ANY (d.derived) THEN coalesce(d.amount - allocated.amount, 0)
             ELSE d.amount_remaining END AS amount_remaining
    FROM payment d {_CUSTOMER}
    LEFT JOIN (
        SELECT source_customer_id, payment_id, sum(amount) AS amount
        FROM allocation WHERE company_id = %(company)s AND payment_id IS NOT NULL
        GROUP BY source_customer_id, payment_id
    ) allocated ON allocated.source_customer_id = d.customer_id AND allocated.payment_id = d.id
    WHERE d.company_id = %(company)s AND d.derived <> '{{}}'
"""

_CREDIT_NOTE = f"""
    SELECT d.customer_id, d.id, d.currency, d.amount_remaining,
        CASE WHEN 'status' <> ALL (d.derived) THEN d.status
             WHEN d.amount_remaining = 0 THEN 'applied'
             ELSE 'unapplied' END AS status
    FROM (
        SELECT d.customer_id, d.id, d.derived, d.status, {_CURRENCY},
            CASE WHEN 'amount_remaining' = ANY (d.derived) THEN d.amount - coalesce(allocated.amount, 0)
                 ELSE d.amount_remaining END AS amount_remaining
        FROM credit_note d {_CUSTOMER}
        LEFT JOIN (
            SELECT source_customer_id, credit_note_id, sum(amount) AS amount
            FROM allocation WHERE company_id = %(company)s AND credit_note_id IS NOT NULL
            GROUP BY source_customer_id, credit_note_id
        ) allocated ON allocated.source_customer_id = d.customer_id AND allocated.credit_note_id = d.id
        WHERE d.company_id = %(company)s AND d.derived <> '{{}}'
    ) d
"""


def _only_currency(table: str) -> str:
    return f"""
    SELECT d.customer_id, d.id, {_CURRENCY}
    FROM {table} d {_CUSTOMER}
    WHERE d.company_id = %(company)s AND 'currency' = ANY (d.derived)
"""


# Dates of allocations first: an invoice is settled on one of them.
_DERIVATIONS = (
    ("allocations", _ALLOCATION, ("date",)),
    ("invoices", _INVOICE, ("currency", "balance", "status", "settled_on")),
    ("payments", _PAYMENT, ("currency", "amount_remaining")),
    ("credit_notes", _CREDIT_NOTE, ("currency", "amount_remaining", "status")),
    ("journals", _only_currency("journal"), ("currency",)),
    ("promises", _only_currency("promise"), ("currency",)),
)


def derive(connection: Connection, parameters: Parameters) -> Counter[str]:
    """How many rows of each kind were changed by it."""
    changed: Counter[str] = Counter()
    for name, now, columns in _DERIVATIONS:
        assignments = ", ".join(f"{column} = now.{column}" for column in columns)
        differs = " OR ".join(f"t.{column} IS DISTINCT FROM now.{column}" for column in columns)
        update = f"""
            UPDATE {FILES[name].table} t SET {assignments} FROM ({now}) now
            WHERE t.company_id = %(company)s AND t.customer_id = now.customer_id AND t.id = now.id AND ({differs})
            RETURNING t.customer_id
        """
        [(count,)] = connection.execute(kept.touching(update).encode(), parameters).fetchall()
        changed[name] = int(str(count))
    return +changed


class _Derived(NamedTuple):
    name: str
    rows: int


def count_derived(connection: Connection, staged: Mapping[str, Staged], parameters: Parameters) -> Counter[str]:
    """By column of the files (`invoices.balance`), in how many of their rows the value was worked out."""
    counts: Counter[str] = Counter()
    cursor = connection.cursor(row_factory=class_row(_Derived))
    for name in staged:
        file = FILES[name]
        for derived in cursor.execute(_count_statement(file), parameters) if file.derived_columns else ():
            counts[f"{name}.{file.derived_columns[derived.name]}"] = derived.rows
    for derived in cursor.execute(_COUNT_UNDATED):
        counts[derived.name] = derived.rows
    return +counts


_COUNT_UNDATED = (
    "SELECT 'allocations.date' AS name, count(*) AS rows FROM staged_allocations WHERE NOT bad AND date IS NULL"
)


def _count_statement(file: File) -> str:
    return f"""
        SELECT derived.name, count(*) AS rows
        FROM {file.staging} s
        JOIN {file.table} t ON t.company_id = %(company)s AND t.source_id = s.source_id
        CROSS JOIN LATERAL unnest(t.derived) derived (name)
        WHERE NOT s.bad GROUP BY derived.name
    """
