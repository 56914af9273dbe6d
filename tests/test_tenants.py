"""Row-level security, the second lock: whatever a statement asks for, one company never sees another's rows."""

from datetime import date

import psycopg
import pytest
from psycopg import sql

from app.database import Connection, Database
from app.kept import refresh

TODAY = date(2026, 6, 30)

# A row in each table, the same ids in both companies.
ROWS = """
    INSERT INTO api_key (company_id, prefix, salt, hash, scope) VALUES ({company}, 'p', '', '', 'read');
    INSERT INTO customer_group (company_id, id, source_id) VALUES ({company}, 1, 'g');
    INSERT INTO customer (company_id, id, source_id, group_id, name, currency)
        VALUES ({company}, 1, 'c', 1, 'C', 'EUR');
    INSERT INTO contact (company_id, customer_id, source_id) VALUES ({company}, 1, 'k');
    INSERT INTO invoice (company_id, customer_id, id, source_id, issue_date, amount, balance, currency, status)
        VALUES ({company}, 1, 1, 'i', '2026-01-01', 1, 1, 'EUR', 'open');
    INSERT INTO payment (company_id, customer_id, id, source_id, date, amount, amount_remaining, currency, status, kind)
        VALUES ({company}, 1, 1, 'p', '2026-01-01', 1, 1, 'EUR', 'paid', 'payment');
    INSERT INTO credit_note (company_id, customer_id, source_id, issue_date, amount, amount_remaining, currency, status)
        VALUES ({company}, 1, 'n', '2026-01-01', 1, 1, 'EUR', 'unapplied');
    INSERT INTO journal (company_id, customer_id, source_id, date, amount, balance, currency)
        VALUES ({company}, 1, 'j', '2026-01-01', 1, 1, 'EUR');
    INSERT INTO activity (company_id, customer_id, source_id, at, date, by, kind)
        VALUES ({company}, 1, 'a', '2026-01-01', '2026-01-01', 'company', 'email');
    INSERT INTO promise (company_id, customer_id, source_id, due_date, amount, status, currency)
        VALUES ({company}, 1, 'm', '2026-01-01', 1, 'active', 'EUR');
    INSERT INTO allocation (company_id, customer_id, invoice_id, source_customer_id, payment_id, ordinal, amount, date)
        VALUES ({company}, 1, 1, 1, 1, 1, 1, '2026-01-01');
    INSERT INTO fx_rate (company_id, currency, date, rate) VALUES ({company}, 'USD', '2026-01-01', 1);
    INSERT INTO custom_field (company_id, entity, name, type, label) VALUES ({company}, 'customer', 'x', 'text', 'x');
    INSERT INTO segment (company_id, name, filter, version, catalog_version, changed_by)
        VALUES ({company}, 's', 'customer.strike = 1', 1, 1, 'us');
    INSERT INTO workflow (company_id, id, name, version) VALUES ({company}, 1, 'w', 1);
    INSERT INTO workflow_version (company_id, workflow_id, version, name, level, filter, respect_pauses, is_active,
        catalog_version, changed_by)
        VALUES ({company}, 1, 1, 'w', 'customer', 'customer.strike = 1', true, true, 1, 'us');
    INSERT INTO run (company_id, id, workflow_id, workflow_version, as_of, level, filter, english, segments,
        respect_pauses, counts, request, started_by)
        VALUES ({company}, 1, 1, 1, '2026-01-01', 'customer', 'x', 'x', '{{}}', true, '{{}}', '{{}}', 'us');
    INSERT INTO run_row (company_id, run_id, kind, source_id, is_held_back)
        VALUES ({company}, 1, 'customers', 'c', false);
    INSERT INTO webhook (company_id, url, secret, changed_by) VALUES ({company}, 'https://x', 'x', 'us');
    INSERT INTO delivery (company_id, run_id) VALUES ({company}, 1);
    INSERT INTO audit_entry (company_id, who, action, subject, detail) VALUES ({company}, 'us', 'x', 'x', '{{}}');
    INSERT INTO counter (company_id, counted, last) VALUES ({company}, 'run', 1);
"""


@pytest.fixture(scope="module")
def companies(database: Database) -> tuple[int, int]:
    one, two = (make_company(database, name) for name in ("one", "two"))
    return one, two


def make_company(database: Database, name: str) -> int:
    insert = "INSERT INTO company (name, base_currency, time_zone) VALUES (%s, 'EUR', 'UTC') RETURNING company_id"
    with database.owner() as connection:
        (company,) = connection.execute(insert, [name]).fetchone() or ()
    with database.transaction(int(str(company)), write=True) as connection:
        connection.execute(sql.SQL(ROWS).format(company=company), prepare=False)
        refresh(connection, int(str(company)), TODAY)
        connection.execute(sql.SQL(TOUCHED).format(company=company), prepare=False)
    return int(str(company))


# These are empty between transactions.
TOUCHED = """
    INSERT INTO touched_customer SELECT company_id, id FROM customer WHERE company_id = {company};
    INSERT INTO touched_group SELECT company_id, id FROM customer_group WHERE company_id = {company};
"""


@pytest.fixture(scope="module")
def relations(database: Database) -> list[str]:
    """Every table and view there is."""
    listed = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
    with database.owner() as connection:
        return sorted({str(name) for (name,) in connection.execute(listed)} - {"alembic_version"})


def companies_in(connection: Connection, relation: str) -> set[object]:
    question = sql.SQL("SELECT company_id FROM {}").format(sql.Identifier(relation))
    return {company for (company,) in connection.execute(question)}


def test_a_company_sees_its_own_rows_everywhere(
    database: Database, companies: tuple[int, int], relations: list[str]
) -> None:
    for company in companies:
        with database.transaction(company, TODAY) as connection:
            seen = {relation: companies_in(connection, relation) for relation in relations}
        assert seen == {relation: {company} for relation in relations}


def test_asking_for_another_company_finds_nothing(
    database: Database, companies: tuple[int, int], relations: list[str]
) -> None:
    own, other = companies
    with database.transaction(own, TODAY) as connection:
        for relation in relations:
            question = sql.SQL("SELECT FROM {} WHERE company_id = {}").format(sql.Identifier(relation), other)
            assert connection.execute(question).fetchall() == [], relation


def test_nothing_is_written_for_another_company(database: Database, companies: tuple[int, int]) -> None:
    own, other = companies
    insert = "INSERT INTO customer_group (company_id, source_id) VALUES (%s, 'new')"
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction(own, write=True) as connection:
        connection.execute(insert, [other])
    with database.transaction(own, write=True) as connection:
        assert connection.execute("UPDATE customer SET name = 'X' WHERE company_id = %s", [other]).rowcount == 0
        assert connection.execute("DELETE FROM contact WHERE company_id = %s", [other]).rowcount == 0


def test_companies_are_made_above_them(database: Database, companies: tuple[int, int]) -> None:
    with database.owner() as connection:
        assert companies_in(connection, "company") == set(companies)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        database.transaction(companies[0], write=True) as connection,
    ):
        connection.execute("UPDATE company SET name = 'X'")


def test_without_a_company_nothing_is_answered(database_url: str, relations: list[str]) -> None:
    """Not even emptily, whether the setting was never made or ended with an earlier transaction."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE duelist_app")
        refuses_all(connection, relations, psycopg.errors.UndefinedObject)
        connection.execute("BEGIN; SET LOCAL app.company_id = '1'; SET LOCAL app.as_of = '2026-06-30'; COMMIT")
        refuses_all(connection, relations, psycopg.errors.InvalidTextRepresentation)


def refuses_all(connection: Connection, relations: list[str], error: type[psycopg.Error]) -> None:
    for relation in relations:
        with pytest.raises(error):
            companies_in(connection, relation)


def test_metrics_without_a_day_are_not_answered(database: Database, companies: tuple[int, int]) -> None:
    with pytest.raises(psycopg.Error), database.transaction(companies[0]) as connection:
        connection.execute("SELECT balance_overdue FROM customer_metrics_live")
