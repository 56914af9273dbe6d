"""A made-up ledger of a given size, written by the database itself and the same every time but for its day.

It is as lopsided as real ones: few customers have most of the invoices, about 9 % of these are open, mostly young ones.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from app import companies, kept
from app.bench.progress import Told
from app.companies import Company
from app.database import Connection, Database
from app.migrate import migrate, newest

NAME = "Benchmark"
DATABASE = "duelist_bench"
ROWS_PER_STEP = 200_000
STATEMENT_TIMEOUT_MS = 600_000


@dataclass(frozen=True, slots=True)
class Size:
    customers: int
    invoices: int
    payments: int

    def __str__(self) -> str:
        return f"{self.customers:,} customers, {self.invoices:,} invoices, {self.payments:,} payments"

    @property
    def groups(self) -> int:
        return self.customers // 60 + 1


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger and where it is."""

    url: str
    database: Database
    company: Company


@contextmanager
def placed(server_url: str, size: Size, told: Told, *, keep: bool = True) -> Iterator[Place]:
    """A database with a ledger of that size: the one an earlier run left, or else a new one."""
    name = f"{DATABASE}_{size.customers}"
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server_url, autocommit=True) as server:
        if not (keep and _marker(server, name) and _is_good(url, _marker(server, name), size)):
            _make(server, name, url, size, told)
    with closing(Database(url, statement_timeout_ms=STATEMENT_TIMEOUT_MS)) as database:
        yield Place(url, database, companies.chosen(database, NAME))


@contextmanager
def empty(server_url: str, name: str) -> Iterator[tuple[str, Database]]:
    """A migrated database that is dropped again."""
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server_url, autocommit=True) as server:
        _recreate(server, name)
        migrate(url)
        with closing(Database(url, statement_timeout_ms=STATEMENT_TIMEOUT_MS)) as database:
            yield url, database
        _drop(server, name)


def _marker(server: psycopg.Connection, name: str) -> str | None:
    """What the database says it holds; it says so when it is complete."""
    found = server.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
    ).fetchone()
    return found[0] if found else None


def _described(size: Size, company: Company) -> str:
    """Ledgers are of a day: another day needs another one."""
    return json.dumps({**asdict(size), "day": company.today.isoformat(), "schema": [newest()]})


def _is_good(url: str, marker: str | None, size: Size) -> bool:
    with closing(Database(url)) as database:
        return any(_described(size, company) == marker for company in companies.listed(database))


def _make(server: psycopg.Connection, name: str, url: str, size: Size, told: Told) -> None:
    _recreate(server, name)
    migrate(url)
    with closing(Database(url, statement_timeout_ms=0)) as database:
        company = new_company(database, NAME)
        generate(database, company, size, told)
        vacuum(url)
        told("metrics", 0)
        keep_metrics(database, company)
        told("metrics", 1)
    vacuum(url)
    comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
    server.execute(comment.format(sql.Identifier(name), sql.Literal(_described(size, company))))


def vacuum(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")


def _recreate(server: psycopg.Connection, name: str) -> None:
    _drop(server, name)
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _drop(server: psycopg.Connection, name: str) -> None:
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def new_company(database: Database, name: str) -> Company:
    return companies.create(database, name, currency="EUR", country="DE", time_zone="UTC")


# ---------------------------------------------------------------- generating


def generate(database: Database, company: Company, size: Size, told: Told) -> None:
    parameters = {"company": company.company_id, "day": company.today, **asdict(size), "groups": size.groups}
    with database.owner() as connection:
        connection.execute("SELECT set_config('app.company_id', %s, true)", [str(company.company_id)])
        connection.execute("SET LOCAL synchronous_commit = off")
        _without_checks(connection)
        for function in _FUNCTIONS:
            connection.execute(function)
        for what, (statement, rows) in _statements(size).items():
            for first in range(1, rows + 1, ROWS_PER_STEP):
                last = min(first + ROWS_PER_STEP - 1, rows)
                connection.execute(statement, {**parameters, "first": first, "last": last})
                told(what, last / rows)


def keep_metrics(database: Database, company: Company) -> None:
    with database.transaction(company.company_id, company.today, write=True) as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        kept.lock(connection, company.company_id)
        kept.refresh(connection, company.company_id, company.today)


def _without_checks(connection: Connection) -> None:
    """The generated rows are known to refer to what is there; only a superuser may leave the checks out."""
    connection.execute(
        "SELECT set_config('session_replication_role', 'replica', true) WHERE current_setting('is_superuser') = 'on'"
    )


# Of a number, always the same chance from 0 to 1; a choice by it; and a customer, some far more often than others.
_FUNCTIONS: tuple[LiteralString, ...] = (
    """CREATE OR REPLACE FUNCTION pg_temp.chance(n bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE
    RETURN ((hashint8extended(n, salt) >> 11) & 1073741823) / 1073741824.0::float8""",
    """CREATE OR REPLACE FUNCTION pg_temp.pick(n bigint, salt bigint, choices text[]) RETURNS text LANGUAGE sql
    IMMUTABLE RETURN choices[1 + floor(pg_temp.chance(n, salt) * array_length(choices, 1))::int]""",
    """CREATE OR REPLACE FUNCTION pg_temp.payer(n bigint, salt bigint, customers bigint) RETURNS bigint LANGUAGE sql
    IMMUTABLE RETURN 1 + (floor(customers * power(pg_temp.chance(n, salt), 2))::bigint * 48271 + 11) % customers""",
    """CREATE OR REPLACE FUNCTION pg_temp.currency(customer bigint) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN pg_temp.chance(customer, 1) < 0.9 THEN 'EUR'
        WHEN pg_temp.chance(customer, 1) < 0.95 THEN 'USD' ELSE 'GBP' END""",
    """CREATE OR REPLACE FUNCTION pg_temp.amount(n bigint, salt bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
    RETURN (2000 + 5000000 * power(pg_temp.chance(n, salt), 6))::bigint * 100""",
)


def _statements(size: Size) -> dict[str, tuple[LiteralString, int]]:
    """Each with the number of rows it makes."""
    return {
        "rates": (_RATES, 1),
        "groups": (_GROUPS, size.groups),
        "customers": (_CUSTOMERS, size.customers),
        "contacts": (_CONTACTS, size.customers),
        "invoices": (_INVOICES, size.invoices),
        "payments": (_PAYMENTS, size.payments),
        "credit notes": (_CREDIT_NOTES, size.invoices // 100),
        "activities": (_ACTIVITIES, size.customers),
        "promises": (_PROMISES, size.customers // 20),
    }


_RATES: LiteralString = """
    INSERT INTO fx_rate (company_id, currency, date, rate)
    SELECT %(company)s, currency, %(day)s - 30 * months, rate + 0.001 * months
    FROM (VALUES ('USD', 0.85), ('GBP', 1.15)) AS known (currency, rate), generate_series(1, 40) AS months
"""
_GROUPS: LiteralString = """
    INSERT INTO customer_group (company_id, id, source_id, name, parent_customer_id, credit_limit, tags)
    SELECT %(company)s, n, 'G' || lpad(n::text, 6, '0'), 'Group ' || n, pg_temp.payer(n, 2, %(customers)s),
        CASE WHEN pg_temp.chance(n, 3) < 0.6 THEN pg_temp.amount(n, 4) * 20 END,
        CASE WHEN pg_temp.chance(n, 5) < 0.2 THEN ARRAY['key-account'] ELSE '{}' END
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_CUSTOMERS: LiteralString = """
    INSERT INTO customer (company_id, id, source_id, name, reference, group_id, country, currency, credit_limit, rating,
        strike, account_owner, chasing_paused, chasing_paused_until, allow_surcharges, payment_method, portfolios, tags,
        created_on)
    SELECT %(company)s, n, 'C' || lpad(n::text, 8, '0'),
        pg_temp.pick(n, 10, '{Alder,Amber,Cedar,Coral,Delta,Falcon,Fjord,Garnet,Hazel,Iris,Linden,Maple,Osprey,Rowan}')
            || ' ' || pg_temp.pick(n, 11, '{Bakery,Builders,Dairy,Energy,Films,Foods,Freight,Labs,Paper,Steel,Tools}')
            || ' ' || n || ' ' || pg_temp.pick(n, 12, '{GmbH,GmbH,Ltd,Inc.,SARL,B.V.}'),
        'R-' || n,
        CASE WHEN pg_temp.chance(n, 13) < 0.1 THEN 1 + floor(pg_temp.chance(n, 14) * %(groups)s)::bigint END,
        CASE WHEN pg_temp.chance(n, 15) < 0.98 THEN pg_temp.pick(n, 16, '{DE,DE,DE,DE,AT,FR,FR,NL,GB,US}') END,
        pg_temp.currency(n),
        CASE WHEN pg_temp.chance(n, 17) < 0.4 THEN pg_temp.amount(n, 18) * 5 END,
        CASE WHEN pg_temp.chance(n, 19) < 0.9 THEN pg_temp.pick(n, 20, '{A,A,A,A,A,B,B,B,C,D}') END,
        CASE WHEN pg_temp.chance(n, 21) < 0.2 THEN floor(pg_temp.chance(n, 22) * 11)::bigint END,
        CASE WHEN pg_temp.chance(n, 23) < 0.9 THEN pg_temp.pick(n, 24, '{Kim,Ada,Jonas,Priya,Tom}') END,
        pg_temp.chance(n, 25) < 0.04,
        CASE WHEN pg_temp.chance(n, 25) < 0.02 THEN %(day)s - 30 + floor(pg_temp.chance(n, 26) * 60)::int END,
        pg_temp.chance(n, 27) < 0.3,
        pg_temp.pick(n, 28, '{none,none,card,direct_debit}'),
        CASE WHEN pg_temp.chance(n, 29) < 0.5
            THEN ARRAY[pg_temp.pick(n, 30, '{Retail,Retail,Retail,Enterprise,Public,Export}')] ELSE '{}' END,
        CASE WHEN pg_temp.chance(n, 31) < 0.1 THEN ARRAY[pg_temp.pick(n, 32, '{watch,legal,new}')] ELSE '{}' END,
        %(day)s - floor(pg_temp.chance(n, 33) * 3000)::int
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_CONTACTS: LiteralString = """
    INSERT INTO contact (company_id, id, source_id, customer_id, name, email, email_valid, phone, source)
    SELECT %(company)s, n, 'K' || lpad(n::text, 8, '0'), 1 + (n * 7919) %% %(customers)s, 'Person ' || n,
        'person' || n || '@' || pg_temp.pick(n, 40, '{example.com,example.net,example.org,nowhere}'),
        pg_temp.chance(n, 40) < 0.75,
        CASE WHEN pg_temp.chance(n, 41) < 0.6 THEN '+49 30 ' || n END, 'erp'
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
    WHERE pg_temp.chance(n, 42) < 0.9
"""
_INVOICES: LiteralString = """
    INSERT INTO invoice (company_id, id, source_id, customer_id, issue_date, amount, due_date, balance, currency,
        status, settled_on, expected_payment_date, reference, purchase_order, chasing_paused, bulk_payment_in_progress,
        tags)
    SELECT %(company)s, n, 'I' || lpad(n::text, 9, '0'), customer, issued, amount, due,
        CASE status WHEN 'paid' THEN 0 WHEN 'void' THEN 0 WHEN 'partially_paid' THEN amount / 2
            WHEN 'closed' THEN amount / 10 ELSE amount END,
        CASE WHEN pg_temp.chance(n, 50) < 0.01 THEN 'USD' ELSE pg_temp.currency(customer) END, status,
        CASE WHEN status = 'paid' THEN least(%(day)s, issued + 5 + floor(pg_temp.chance(n, 51) * 80)::int) END,
        CASE WHEN pg_temp.chance(n, 52) < 0.03 THEN issued + 60 END,
        'INV-' || lpad(n::text, 9, '0'),
        CASE WHEN pg_temp.chance(n, 53) < 0.2 THEN 'PO-' || n END,
        pg_temp.chance(n, 54) < 0.01, pg_temp.chance(n, 55) < 0.005,
        CASE WHEN pg_temp.chance(n, 56) < 0.03 THEN ARRAY[pg_temp.pick(n, 57, '{legal,watch,export}')] ELSE '{}' END
    FROM (
        SELECT *,
            CASE WHEN pg_temp.chance(n, 58)
                    < CASE WHEN issued > %(day)s - 45 THEN 0.7 WHEN issued > %(day)s - 120 THEN 0.4 ELSE 0.04 END
                THEN pg_temp.pick(n, 59,
                    '{open,open,open,open,open,open,open,open,partially_paid,disputed,partially_paid,instalments}')
                WHEN pg_temp.chance(n, 60) < 0.97 THEN 'paid' WHEN pg_temp.chance(n, 60) < 0.99 THEN 'void'
                ELSE 'closed' END AS status,
            CASE WHEN pg_temp.chance(n, 61) < 0.995
                THEN issued + CASE WHEN pg_temp.chance(n, 62) < 0.3 THEN 14 WHEN pg_temp.chance(n, 62) < 0.9 THEN 30
                    ELSE 60 END END AS due
        FROM (
            SELECT n, pg_temp.payer(n, 63, %(customers)s) AS customer, pg_temp.amount(n, 64) AS amount,
                %(day)s - floor(pg_temp.chance(n, 65) * 1095)::int AS issued
            FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made) AS dated
"""
_PAYMENTS: LiteralString = """
    INSERT INTO payment (company_id, id, source_id, customer_id, date, amount, amount_remaining, currency, status, kind,
        source, reference)
    SELECT %(company)s, n, 'P' || lpad(n::text, 9, '0'), customer,
        %(day)s - floor(pg_temp.chance(n, 70) * 1095)::int, amount,
        CASE WHEN pg_temp.chance(n, 71) < 0.03 THEN amount / 4 ELSE 0 END, pg_temp.currency(customer),
        CASE WHEN pg_temp.chance(n, 72) < 0.97 THEN 'paid' ELSE pg_temp.pick(n, 73, '{pending,failed,void}') END,
        CASE WHEN pg_temp.chance(n, 74) < 0.95 THEN 'payment' ELSE pg_temp.pick(n, 75, '{prepayment,overpayment}') END,
        pg_temp.pick(n, 76, '{bank,bank,bank,card,cheque}'), 'PAY-' || n
    FROM (
        SELECT n, pg_temp.payer(n, 77, %(customers)s) AS customer, pg_temp.amount(n, 78) AS amount
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""
_CREDIT_NOTES: LiteralString = """
    INSERT INTO credit_note
        (company_id, id, source_id, customer_id, issue_date, amount, amount_remaining, currency, status, reference)
    SELECT %(company)s, n, 'N' || lpad(n::text, 8, '0'), customer,
        %(day)s - floor(pg_temp.chance(n, 80) * 1095)::int, amount,
        CASE WHEN pg_temp.chance(n, 81) < 0.2 THEN amount ELSE 0 END, pg_temp.currency(customer),
        CASE WHEN pg_temp.chance(n, 81) < 0.2 THEN 'unapplied' ELSE 'applied' END, 'CN-' || n
    FROM (
        SELECT n, pg_temp.payer(n, 82, %(customers)s) AS customer, pg_temp.amount(n, 83) AS amount
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""
# Some are about an invoice, whose customer follows from its number.
_ACTIVITIES: LiteralString = """
    INSERT INTO activity (company_id, id, source_id, customer_id, at, date, by, kind, is_manual, subject,
        invoice_customer_id, invoice_id)
    SELECT %(company)s, n, 'A' || lpad(n::text, 8, '0'),
        CASE WHEN about THEN pg_temp.payer(invoice, 63, %(customers)s) ELSE pg_temp.payer(n, 90, %(customers)s) END,
        day::timestamptz, day, CASE WHEN pg_temp.chance(n, 91) < 0.8 THEN 'company' ELSE 'customer' END,
        CASE WHEN pg_temp.chance(n, 91) < 0.8 THEN pg_temp.pick(n, 92, '{email,email,sms,letter,call,note}')
            ELSE pg_temp.pick(n, 92, '{reply,call}') END,
        pg_temp.chance(n, 93) < 0.3, 'Reminder',
        CASE WHEN about THEN pg_temp.payer(invoice, 63, %(customers)s) END, CASE WHEN about THEN invoice END
    FROM (
        SELECT n, pg_temp.chance(n, 94) < 0.3 AS about,
            1 + floor(pg_temp.chance(n, 95) * %(invoices)s)::bigint AS invoice,
            %(day)s - floor(pg_temp.chance(n, 96) * 400)::int AS day
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""
_PROMISES: LiteralString = """
    INSERT INTO promise (company_id, id, source_id, customer_id, due_date, amount, made_on, status, currency)
    SELECT %(company)s, n, 'W' || lpad(n::text, 8, '0'), customer, made + 14, pg_temp.amount(n, 100), made,
        pg_temp.pick(n, 101, '{active,active,kept,broken,cancelled}'), pg_temp.currency(customer)
    FROM (
        SELECT n, pg_temp.payer(n, 102, %(customers)s) AS customer,
            %(day)s - floor(pg_temp.chance(n, 103) * 200)::int AS made
        FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n) AS made
"""
