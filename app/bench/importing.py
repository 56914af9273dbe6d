"""Import of CSV files, beside COPY of the same rows into the same tables, and what keeping the metrics takes of it."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from psycopg import sql

from app import kept
from app.bench.ledger import Size, empty, generate, new_company
from app.bench.progress import Told
from app.bench.table import Row, say, show
from app.companies import Company
from app.database import Connection, Database
from app.imports import import_ledger

# Parents before their children; the parent of a group is a customer.
TABLES = (
    "customer_group",
    "customer",
    "contact",
    "invoice",
    "payment",
    "credit_note",
    "activity",
    "promise",
    "fx_rate",
)


def measure(server_url: str, size: Size, rounds: int, told: Told) -> list[Row]:
    with TemporaryDirectory() as name, empty(server_url, "duelist_bench_import") as (_, database):
        folder = Path(name)
        made = new_company(database, "Made")
        generate(database, made, size, told)
        write_files(database, made, folder)
        held = _held(database, made)
        taken = []
        for number in range(rounds):
            taken.append(_round(database, folder, held, number))
            told("importing", (number + 1) / rounds)
    return [_row(taken)]


class _Taken(NamedTuple):
    """Rows, and seconds."""

    rows: int
    imported: float
    refreshed: float
    copied: float


def _round(database: Database, folder: Path, held: Mapping[str, "_Held"], number: int) -> _Taken:
    ours, bare = new_company(database, f"Imported {number}"), new_company(database, f"Copied {number}")
    (rows, imported), copied = _import(database, ours, folder), _copy(database, bare, held)
    return _Taken(rows, imported, _refresh(database, ours), copied)


def _row(taken: Iterable[_Taken]) -> Row:
    rows, imported, refreshed, copied = map(median, zip(*taken, strict=True))
    return {
        "rows": rows,
        "import rows/s": rows / imported,
        "COPY rows/s": rows / copied,
        "import / COPY": imported / copied,
        "import s": imported,
        "metrics s": refreshed,
        "metrics / import": refreshed / imported,
    }


def report(rows: list[Row], size: Size) -> None:
    show(f"Import of {size}", rows)
    say([f"import takes {float(str(row['import / COPY'])):.2f}x a bare COPY of the same rows" for row in rows])


# ---------------------------------------------------------------- ours


def _import(database: Database, company: Company, folder: Path) -> tuple[int, float]:
    start = time.perf_counter()
    with database.transaction(company.company_id, write=True, timeout_ms=0) as connection:
        report = import_ledger(connection, company, [folder])
    return sum(file.read for file in report.files.values()), time.perf_counter() - start


def _refresh(database: Database, company: Company) -> float:
    """All metrics once more, as after an import into an empty ledger."""
    with database.transaction(company.company_id, write=True, timeout_ms=0) as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        kept.lock(connection, company.company_id)
        kept.forget(connection, company.company_id)
        for table in kept.KEPT:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        start = time.perf_counter()
        kept.refresh(connection, company.company_id, company.today)
        return time.perf_counter() - start


def _documents(table: str, columns: str) -> str:
    return f"SELECT d.source_id, c.source_id AS customer_id, {columns} FROM {table} d" \
        " JOIN customer c ON c.company_id = d.company_id AND c.id = d.customer_id ORDER BY d.id"  # fmt: skip


def _money(name: str) -> str:
    return f"round(d.{name} / 10000.0, 4) AS {name}"


def _flag(name: str) -> str:
    return f"d.{name}::text AS {name}"


def _set(name: str) -> str:
    return f"array_to_string(d.{name}, '|') AS {name}"


_FILES: Mapping[str, str] = {
    "groups": f"""
        SELECT d.source_id, d.name, c.source_id AS parent, {_money("credit_limit")}, {_set("tags")}
        FROM customer_group d
        LEFT JOIN customer c ON c.company_id = d.company_id AND c.id = d.parent_customer_id ORDER BY d.id""",
    "customers": f"""
        SELECT d.source_id, d.name, d.reference, g.source_id AS group, d.country, d.currency,
            {_money("credit_limit")}, d.rating, d.strike, d.account_owner, {_flag("chasing_paused")},
            d.chasing_paused_until, {_flag("allow_surcharges")}, d.payment_method, {_set("portfolios")},
            {_set("tags")}, d.created_on
        FROM customer d LEFT JOIN customer_group g ON g.company_id = d.company_id AND g.id = d.group_id
        ORDER BY d.id""",
    "contacts": _documents("contact", "d.name, d.email, d.phone, d.source"),
    "invoices": _documents(
        "invoice",
        f"d.issue_date, {_money('amount')}, d.due_date, {_money('balance')}, d.currency, d.status, d.settled_on,"
        f" d.expected_payment_date, d.reference, d.purchase_order, {_flag('chasing_paused')},"
        f" {_flag('bulk_payment_in_progress')}, {_set('tags')}",
    ),
    "payments": _documents(
        "payment",
        f"d.date, {_money('amount')}, round(d.amount_remaining / 10000.0, 4) AS unallocated, d.currency, d.status,"
        " d.kind, d.source, d.reference",
    ),
    "credit_notes": _documents(
        "credit_note",
        f"d.issue_date, {_money('amount')}, round(d.amount_remaining / 10000.0, 4) AS remaining, d.currency, d.status,"
        " d.reference",
    ),
    "activities": f"""
        SELECT d.source_id, c.source_id AS customer_id, d.date AS at, d.by, d.kind, {_flag("is_manual")}, d.subject,
            i.source_id AS invoice_id
        FROM activity d JOIN customer c ON c.company_id = d.company_id AND c.id = d.customer_id
        LEFT JOIN invoice i ON i.company_id = d.company_id AND i.customer_id = d.invoice_customer_id
            AND i.id = d.invoice_id
        ORDER BY d.id""",
    "promises": _documents("promise", f"d.due_date, {_money('amount')}, d.made_on, d.status, d.currency"),
    "fx_rates": "SELECT currency, date, rate FROM fx_rate d",
}


def write_files(database: Database, company: Company, folder: Path) -> None:
    """As an ERP would give them."""
    with database.transaction(company.company_id, timeout_ms=0) as connection:
        for name, query in _FILES.items():
            with (
                (folder / f"{name}.csv").open("wb") as file,
                connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)".encode()) as lines,
            ):
                for line in lines:
                    file.write(line)


# ---------------------------------------------------------------- bare


class _Held(NamedTuple):
    """Rows of a table without their company."""

    columns: list[str]
    rows: bytes


def _held(database: Database, company: Company) -> dict[str, _Held]:
    with database.transaction(company.company_id) as connection:
        held = {}
        for table in TABLES:
            columns = [
                str(name)
                for (name,) in connection.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                    " AND NOT attisdropped AND attname <> 'company_id' ORDER BY attnum",
                    [table],
                )
            ]
            query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv)").format(
                _names(columns), sql.Identifier(table)
            )
            with connection.cursor().copy(query) as lines:
                held[table] = _Held(columns, b"".join(map(bytes, lines)))
    return held


def _copy(database: Database, company: Company, held: Mapping[str, _Held]) -> float:
    """The company of the rows is a default of the column meanwhile, so that they are copied as they are held."""
    with database.owner() as connection:
        connection.execute("SELECT set_config('app.company_id', %s, true)", [str(company.company_id)])
        connection.execute("SET CONSTRAINTS ALL DEFERRED")
        _set_default(connection, held, company.company_id)
        start = time.perf_counter()
        for table, (columns, rows) in held.items():
            query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table), _names(columns))
            with connection.cursor().copy(query) as copy:
                copy.write(rows)
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        taken = time.perf_counter() - start
        _set_default(connection, held, None)
    return taken


def _set_default(connection: Connection, tables: Iterable[str], company_id: int | None) -> None:
    for table in tables:
        change = sql.SQL("ALTER TABLE {} ALTER company_id SET DEFAULT {}")
        connection.execute(change.format(sql.Identifier(table), sql.Literal(company_id)))


def _names(columns: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
