"""Transactions: one company, one day, one moment; and a server that goes away and comes back."""

import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app import embedded
from app.database import Connection, Database, DatabaseAway


def ask(connection: Connection, question: str) -> object:
    row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def test_a_transaction_carries_company_and_day(database: Database) -> None:
    with database.transaction(5, date(2026, 11, 21)) as connection:
        assert ask(connection, "SELECT current_setting('app.company_id')") == "5"
        assert ask(connection, "SELECT current_setting('app.as_of')") == "2026-11-21"
        assert ask(connection, "SELECT current_user") == "duelist_app"
        assert ask(connection, "SHOW transaction_isolation") == "repeatable read"
        assert ask(connection, "SHOW jit") == "off"


def test_nothing_of_it_is_left_for_the_next(database: Database) -> None:
    with database.transaction(5, date(2026, 11, 21), timeout_ms=77) as connection:
        assert ask(connection, "SHOW statement_timeout") == "77ms"
    with database.owner() as connection:
        assert not ask(connection, "SELECT current_setting('app.company_id', true)")
        assert ask(connection, "SHOW statement_timeout") == "15s"
        assert ask(connection, "SELECT current_user = session_user") is True


def test_reading_does_not_write(database: Database) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), database.transaction(5) as connection:
        connection.execute("CREATE TABLE t ()")


def test_only_what_succeeded_is_written(database: Database) -> None:
    with database.owner() as connection:
        connection.execute("CREATE TABLE note (n int); GRANT ALL ON note TO duelist_app")
    with pytest.raises(psycopg.errors.DivisionByZero), database.transaction(5, write=True) as connection:
        connection.execute("INSERT INTO note VALUES (1 / 0)")
    with database.transaction(5, write=True) as connection:
        connection.execute("INSERT INTO note VALUES (2)")
    with database.transaction(5) as connection:
        assert connection.execute("SELECT n FROM note").fetchall() == [(2,)]


def test_only_numbers_and_days_reach_the_settings(database: Database) -> None:
    injected: Any = "5'; DROP TABLE x; --"
    with pytest.raises(ValueError, match="invalid literal"), database.transaction(injected):
        pass


def test_many_transactions_use_few_connections(database: Database) -> None:
    pids = set()
    for _ in range(30):
        with database.transaction(5, date(2026, 11, 21)) as connection:
            pids.add(connection.info.backend_pid)
    assert len(pids) <= 2


def test_a_statement_out_of_time_is_not_a_database_away(database: Database) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled), database.transaction(5, timeout_ms=20) as connection:
        connection.execute("SELECT pg_sleep(5)")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="duelist-") as folder:
        yield Path(folder)


def test_a_server_that_goes_away_and_comes_back(folder: Path) -> None:
    with embedded.running(folder, durable=False) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE ROLE duelist_app")
        database = Database(url, timeout_seconds=0.5)
        with database.transaction(5) as reading:
            assert ask(reading, "SELECT 1") == 1
    started = time.monotonic()
    with pytest.raises(DatabaseAway), database.transaction(5):
        pass
    assert time.monotonic() - started < 3
    for _ in range(2):  # the second time its pooled connection has died unseen
        with embedded.running(folder, durable=False), database.transaction(5) as reading:
            assert ask(reading, "SELECT 1") == 1
    database.close()


def test_a_connection_lost_under_way_is_a_database_away(database: Database) -> None:
    with pytest.raises(DatabaseAway), database.owner() as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    with database.owner() as connection:
        assert ask(connection, "SELECT 1") == 1
