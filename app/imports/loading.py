"""From staged rows to the tables, set by set."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import sqlalchemy as sa
from psycopg.rows import class_row

from app import kept
from app.database import Connection
from app.imports.checks import Parameters
from app.imports.columns import FILES, Column, File
from app.imports.report import FileReport
from app.imports.staging import Staged
from app.models import metadata


def load(connection: Connection, staged: Mapping[str, Staged], parameters: Parameters) -> dict[str, FileReport]:
    """Writes what is not bad. The caller defers the foreign keys: a row that moves to another customer takes those
    that refer to it along."""
    # A group and its parent refer to each other: the groups are there first, and are filled in after the customers.
    created = _create_groups(connection, parameters)
    reports = {name: _upsert(connection, staged[name], parameters) for name in _BEFORE_ALLOCATIONS if name in staged}
    if any(report.updated for report in reports.values()):
        for statement in _FOLLOW:
            connection.execute(statement, parameters)
    if created or "groups" in staged:
        reports["groups"] = _fill_groups(connection, staged.get("groups"), created, parameters)
    if "allocations" in staged:
        reports["allocations"] = _allocations(connection, staged["allocations"], parameters)
    reports |= {name: _upsert(connection, staged[name], parameters) for name in _AFTER if name in staged}
    return {name: reports[name] for name in FILES if name in reports}


_BEFORE_ALLOCATIONS = ("customers", "contacts", "invoices", "payments", "credit_notes")
_AFTER = ("journals", "activities", "promises", "fx_rates")


class _Rows(NamedTuple):
    """Those of a file that are not bad, and those of them that are stored already."""

    good: int
    known: int


def _count(connection: Connection, statement: str, parameters: Parameters) -> _Rows:
    [rows] = connection.cursor(row_factory=class_row(_Rows)).execute(statement, parameters)
    return rows


def _report(read: int, rows: _Rows, inserted: int, updated: int) -> FileReport:
    return FileReport(read, inserted, updated, unchanged=rows.known - updated, skipped=read - rows.good)


# ---------------------------------------------------------------- rows with a key


def _upsert(connection: Connection, staged: Staged, parameters: Parameters) -> FileReport:
    file = staged.source.file
    rows = _count(connection, _count_statement(file), parameters)
    if file.name == "customers":
        kept.touch_groups(connection, _LEFT_GROUPS, parameters)
    elif "customer_id" in metadata.tables[file.table].columns:
        kept.touch(connection, _left_customers(file), parameters)
    written = _write(connection, file, _upsert_statement(file, staged.present), parameters)
    new = rows.good - rows.known
    return _report(staged.read, rows, inserted=new, updated=written - new)


def _write(connection: Connection, file: File, statement: str, parameters: Parameters) -> int:
    """Whoever a row is of has metrics to be worked out again."""
    if file.name == "fx_rates":
        written = connection.execute(statement.encode(), parameters).rowcount
        if written:
            kept.touch_foreign(connection, parameters)
        return written
    of_customer = "stored.id AS customer_id" if file.name == "customers" else "stored.customer_id"
    touching = kept.touching(f"{statement} RETURNING {of_customer}")
    [(count,)] = connection.execute(touching.encode(), parameters).fetchall()
    return int(str(count))


# The groups that customers of the file may leave, and the customers from whom its documents move to others.
_LEFT_GROUPS = """
    SELECT old.group_id
    FROM staged_customers s JOIN customer old ON old.company_id = %(company)s AND old.source_id = s.source_id
    LEFT JOIN customer_group g ON g.company_id = %(company)s AND g.id = old.group_id
    WHERE NOT s.bad AND g.source_id IS DISTINCT FROM s."group"
"""


def _left_customers(file: File) -> str:
    return f"""
        SELECT old.customer_id
        FROM {file.staging} s JOIN {file.table} old ON {_same_key(file)}
        JOIN customer c ON c.company_id = %(company)s AND c.source_id = s.customer_id
        WHERE NOT s.bad AND old.customer_id <> c.id
    """


def _count_statement(file: File) -> str:
    return f"""
        SELECT count(*) AS good, count(old.company_id) AS known
        FROM {file.staging} s LEFT JOIN {file.table} old ON {_same_key(file)}
        WHERE NOT s.bad
    """


def _upsert_statement(file: File, present: frozenset[str]) -> str:
    """Writes only rows that differ from what is stored."""
    values = {
        target: _value(file, column, target, column.name in present)
        for column in file.columns
        for target in column.gives
    }
    if file.derived_columns:
        values["derived"] = _names_of_derived(file, present)
    if file.custom:
        # An empty cell takes the field away; fields that the file does not have stay.
        values["custom"] = "jsonb_strip_nulls(coalesce(old.custom, '{}') || s.custom)"
    changing = [name for name in values if name not in file.key]
    joins = "".join(
        f" LEFT JOIN {table} ON {table}.company_id = %(company)s AND {table}.source_id = s.{column.name}"
        for column in file.columns
        if column.refers
        for table in [FILES[column.refers].table]
    )
    return f"""
        INSERT INTO {file.table} AS stored (company_id, {", ".join(values)})
        SELECT %(company)s, {", ".join(values.values())}
        FROM {file.staging} s LEFT JOIN {file.table} old ON {_same_key(file)} {joins}
        WHERE NOT s.bad
        ON CONFLICT (company_id, {", ".join(file.key)}) DO UPDATE
        SET {", ".join(f"{name} = EXCLUDED.{name}" for name in changing)}
        WHERE {" OR ".join(f"stored.{name} IS DISTINCT FROM EXCLUDED.{name}" for name in changing)}
    """


def _same_key(file: File) -> str:
    return " AND ".join(["old.company_id = %(company)s", *(f"old.{name} = s.{name}" for name in file.key)])


def _value(file: File, column: Column, target: str, is_present: bool) -> str:
    """What the file states; a column that the file does not have leaves what is stored."""
    stated = column.gives[target] if is_present else f"old.{target}"
    if column.derived:
        return f"CASE WHEN {_is_derived(column, target, is_present)} THEN {column.derived} ELSE {stated} END"
    default = metadata.tables[file.table].columns[target].server_default
    return f"coalesce({stated}, '{default.arg}')" if isinstance(default, sa.DefaultClause) else stated


def _is_derived(column: Column, target: str, is_present: bool) -> str:
    if is_present:
        return f"s.{column.name} IS NULL"
    return f"(old.company_id IS NULL OR '{target}' = ANY (old.derived))"


def _names_of_derived(file: File, present: frozenset[str]) -> str:
    names = (
        f"CASE WHEN {_is_derived(column, column.derived_into, column.name in present)} THEN '{column.derived_into}' END"
        for column in file.columns
        if column.derived_into
    )
    return f"array_remove(ARRAY[{', '.join(names)}], NULL)"


# ---------------------------------------------------------------- groups


def _create_groups(connection: Connection, parameters: Parameters) -> set[str]:
    """Those the file defines, and those that a customer names."""
    rows = connection.execute(
        """
        INSERT INTO customer_group (company_id, source_id)
        SELECT %(company)s, source_id FROM staged_groups WHERE NOT bad
        UNION
        SELECT %(company)s, "group" FROM staged_customers WHERE NOT bad AND "group" IS NOT NULL
        ON CONFLICT (company_id, source_id) DO NOTHING
        RETURNING source_id
        """,
        parameters,
    )
    return _source_ids(rows)


def _fill_groups(
    connection: Connection, staged: Staged | None, created: set[str], parameters: Parameters
) -> FileReport:
    if staged is None:
        _touch_groups(connection, created, parameters)
        return FileReport(inserted=len(created))
    stated = _source_ids(connection.execute("SELECT source_id FROM staged_groups WHERE NOT bad"))
    statement = f"{_upsert_statement(FILES['groups'], staged.present)} RETURNING stored.source_id"
    touched = _source_ids(connection.execute(statement, parameters))
    _touch_groups(connection, created | touched, parameters)
    rows = _Rows(len(stated), len(stated - created))
    return _report(staged.read, rows, inserted=len(created), updated=len(touched - created))


def _touch_groups(connection: Connection, groups: set[str], parameters: Parameters) -> None:
    named = "company_id = %(company)s AND source_id = ANY (%(groups)s)"
    of_groups = {**parameters, "groups": list(groups)}
    kept.touch_groups(connection, f"SELECT id FROM customer_group WHERE {named}", of_groups)
    members = f"(SELECT id FROM customer_group WHERE {named})"
    kept.touch(
        connection, f"SELECT id FROM customer WHERE company_id = %(company)s AND group_id IN {members}", of_groups
    )


def _source_ids(rows: Iterable[tuple[object, ...]]) -> set[str]:
    return {str(source_id) for (source_id,) in rows}


# ---------------------------------------------------------------- what follows its invoice, payment or credit note

_FOLLOW = tuple(
    f"""
    UPDATE {table} t SET {into} = moved.customer_id FROM {of} moved
    WHERE t.company_id = %(company)s AND moved.company_id = %(company)s AND moved.id = t.{of}_id
      AND t.{into} <> moved.customer_id
    """
    for table, into, of in (
        ("allocation", "customer_id", "invoice"),
        ("allocation", "source_customer_id", "payment"),
        ("allocation", "source_customer_id", "credit_note"),
        ("activity", "invoice_customer_id", "invoice"),
    )
)

# ---------------------------------------------------------------- allocations

# Bad rows are counted too: corrected later, they take their place among the allocations of their pair.
_PLACED = """
    CREATE TEMPORARY TABLE placed ON COMMIT DROP AS
    SELECT s.bad, s.amount, s.date AS stated, coalesce(s.date, payment.date, credit_note.issue_date) AS date,
        invoice.customer_id, invoice.id AS invoice_id,
        coalesce(payment.customer_id, credit_note.customer_id) AS source_customer_id,
        payment.id AS payment_id, credit_note.id AS credit_note_id,
        row_number() OVER (PARTITION BY s.payment_id, s.credit_note_id, s.invoice_id, s.date ORDER BY s.line) AS ordinal
    FROM staged_allocations s
    LEFT JOIN invoice ON invoice.company_id = %(company)s AND invoice.source_id = s.invoice_id
    LEFT JOIN payment ON payment.company_id = %(company)s AND payment.source_id = s.payment_id
    LEFT JOIN credit_note ON credit_note.company_id = %(company)s AND credit_note.source_id = s.credit_note_id
"""

_SAME_ALLOCATION = """
    stored.company_id = %(company)s AND stored.customer_id = placed.customer_id
    AND stored.invoice_id = placed.invoice_id AND stored.ordinal = placed.ordinal
    AND stored.payment_id IS NOT DISTINCT FROM placed.payment_id
    AND stored.credit_note_id IS NOT DISTINCT FROM placed.credit_note_id
    AND CASE WHEN 'date' <> ALL (stored.derived) THEN stored.date END IS NOT DISTINCT FROM placed.stated
"""

_COUNT_ALLOCATIONS = f"""
    SELECT count(*) AS good, count(stored.id) AS known
    FROM placed LEFT JOIN allocation stored ON {_SAME_ALLOCATION} WHERE NOT placed.bad
"""

_UPDATE_ALLOCATIONS = f"""
    UPDATE allocation stored SET amount = placed.amount FROM placed
    WHERE {_SAME_ALLOCATION} AND NOT placed.bad AND stored.amount <> placed.amount
"""

_INSERT_ALLOCATIONS = f"""
    INSERT INTO allocation
        (company_id, customer_id, invoice_id, source_customer_id, payment_id, credit_note_id, ordinal, amount, date,
        derived)
    SELECT %(company)s, customer_id, invoice_id, source_customer_id, payment_id, credit_note_id, ordinal, amount, date,
        CASE WHEN stated IS NULL THEN ARRAY['date'] ELSE '{{}}' END
    FROM placed
    WHERE NOT bad AND NOT EXISTS (SELECT FROM allocation stored WHERE {_SAME_ALLOCATION})
"""


def _allocations(connection: Connection, staged: Staged, parameters: Parameters) -> FileReport:
    connection.execute(_PLACED, parameters)
    connection.execute("ANALYZE placed")
    rows = _count(connection, _COUNT_ALLOCATIONS, parameters)
    updated = connection.execute(_UPDATE_ALLOCATIONS, parameters).rowcount
    inserted = connection.execute(_INSERT_ALLOCATIONS, parameters).rowcount
    connection.execute("DROP TABLE placed")
    return _report(staged.read, rows, inserted, updated)
