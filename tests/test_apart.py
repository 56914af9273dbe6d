"""Companies kept apart where one of the two locks is taken away, and on one connection that they share by turns."""

import os
import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from app import companies, sample
from app.companies import Company
from app.database import Connection, Database, DatabaseAway
from app.fields import store
from app.imports import import_ledger
from app.planner import refresh_statistics
from app.roles import ServiceDatabase
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.matching import matching_rows
from dsl.setwise import select_set
from dsl.statements import Statement, render, rows_statement
from tests.collisions import collide
from tests.served import as_service
from tests.test_corpus import DAY, OF_SAMPLE, PATHS, Query, read

SEED = int(os.environ.get("DUELIST_SEED", "0"))
EVERY_WAY = "DUELIST_EVERY_WAY" in os.environ
ALTERNATIONS = int(os.environ.get("DUELIST_ALTERNATIONS", "2000"))

Answer = list[tuple[object, ...]]


@pytest.fixture(scope="module")
def both(database: Database, tmp_path_factory: pytest.TempPathFactory) -> tuple[Company, Company]:
    """Two ledgers of the same ids, inside and outside, that differ in everything else."""
    made = []
    for number in range(2):
        folder = tmp_path_factory.mktemp("sample")
        sample.write_sample(folder, DAY - timedelta(days=20 * number))
        company = companies.create(database, f"{number}", currency="EUR", country="DE", time_zone="UTC")
        with database.transaction(company.company_id, write=True) as connection:
            for field in sample.FIELDS:
                store(connection, company.company_id, field, "test")
            import_ledger(connection, company, [folder])
        collide(database, company.company_id, DAY)
        made.append(company)
    refresh_statistics(database)
    return made[0], made[1]


# ---------------------------------------------------------------- without the condition of the compiler


@dataclass(frozen=True)
class Asked:
    """A filter of the corpus about one set of relations."""

    query: Query
    relations: Relations
    as_of: date

    def statements(self, company: Company) -> Iterator[Statement]:
        """Its customers (or groups) and the invoices it is about, and the same by the second translation."""
        question = Question(company.company_id, self.as_of, self.relations)
        analysis = self.query.analysis
        for filter_ in (analysis.lowered, matching_rows(analysis, OF_SAMPLE, "invoice")):
            key = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
            yield rows_statement(filter_, question, key)
        yield render(
            select_set(
                analysis.checked,
                company=company.company_id,
                as_of=self.as_of,
                metrics_suffix=self.relations.value,
                historic=self.relations is Relations.HISTORIC,
            )
        )


def every_way(path: Path) -> list[Asked]:
    query = read(path)
    past = min(query.as_of, DAY - timedelta(days=30))
    ways = [Asked(query, Relations.HISTORIC, past)]
    if query.as_of >= DAY:
        ways += [Asked(query, relations, query.as_of) for relations in (Relations.LIVE, Relations.KEPT)]
    return ways


def some_ways(path: Path) -> list[Asked]:
    """The kept relations always, of the others by turns: those of all days are slow."""
    *others, last = every_way(path)
    turn = PATHS.index(path) % 3
    return every_way(path) if EVERY_WAY or not others else [last, *others[turn : turn + 1]]


def open_to_all(statement: Statement) -> Statement:
    """The hook: the statement without any of its conditions on the company."""
    bare, times = re.subn(r"\w+\.company_id = %\(company\w*\)s(::BIGINT)?", "true", statement.sql)
    assert times, statement.sql
    assert "company_id" not in bare.replace("app.company_id", ""), bare
    return replace(statement, sql=bare)


def answer(connection: Connection, statement: Statement) -> Answer:
    return sorted(connection.execute(statement.sql.encode(), statement.parameters).fetchall(), key=str)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_row_level_security_is_enough(database: Database, both: tuple[Company, Company], path: Path) -> None:
    """Not a row, not a sum and not a rate of the other company, whose ids are all the same."""
    own, _ = both
    for asked in some_ways(path):
        with database.transaction(own.company_id, asked.as_of) as connection:
            for statement in asked.statements(own):
                assert answer(connection, open_to_all(statement)) == answer(connection, statement), asked.relations


def test_without_it_the_other_company_shows(database: Database, both: tuple[Company, Company]) -> None:
    """That the hook opens what is closed: as the owner, here a superuser, nearly every filter goes wrong."""
    own, _ = both
    asked = [one for path in PATHS[::15] for one in every_way(path)]
    wrong = [one for one in asked if is_wrong(database, own, one)]
    assert {one.relations for one in wrong} == set(Relations)
    assert len(wrong) > 0.9 * len(asked)


def is_wrong(database: Database, own: Company, asked: Asked) -> bool:
    found = []
    for alter in (lambda statement: statement, open_to_all):
        with database.owner() as connection:
            connection.execute(sql.SQL("SET LOCAL app.as_of = {}").format(str(asked.as_of)))
            try:
                found.append([answer(connection, alter(one)) for one in asked.statements(own)])
            except psycopg.errors.CardinalityViolation:  # a rate, which there is one of in a company
                return True
    return found[0] != found[1]


# ---------------------------------------------------------------- by turns on one connection


class Turns:
    """What one turn may do to the connection that the next one is given."""

    def __init__(self, service: Database, killer: Connection) -> None:
        self.service = service
        self.killer = killer

    def reads(self, company: int) -> None:
        with self.service.transaction(company) as connection:
            look(connection, company)

    def reads_a_day(self, company: int) -> None:
        with self.service.transaction(company, DAY, timeout_ms=9_000) as connection:
            look(connection, company, as_of=str(DAY), timeout="9s")

    def writes(self, company: int) -> None:
        with self.service.transaction(company, write=True) as connection:
            look(connection, company, isolation="read committed")
            connection.execute("UPDATE customer SET strike = strike")
            touched = connection.execute("SELECT DISTINCT company_id FROM touched_customer").fetchall()
            assert touched in ([], [(company,)])

    def errs(self, company: int) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            self.looks_and_asks(company, "SELECT 1 / 0")

    def takes_too_long(self, company: int) -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            self.looks_and_asks(company, "SET LOCAL statement_timeout = 5; SELECT pg_sleep(10)")

    def is_cancelled(self, company: int) -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            self.looks_and_asks(company, "SELECT pg_sleep(10)", self.cancel)

    def is_killed(self, company: int) -> None:
        with pytest.raises(DatabaseAway):
            self.looks_and_asks(company, "SELECT pg_sleep(10)", self.kill)

    def cancel(self, connection: Connection) -> None:
        """Not before there is something to cancel."""
        asleep = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        while self.killer.execute(asleep, [connection.info.backend_pid]).fetchone() is None:
            pass
        connection.cancel_safe()

    def kill(self, connection: Connection) -> None:
        self.killer.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])

    def looks_and_asks(
        self, company: int, question: LiteralString, meanwhile: Callable[[Connection], None] | None = None
    ) -> None:
        with self.service.transaction(company, DAY, write=True) as connection:
            look(connection, company, as_of=str(DAY), isolation="read committed")
            connection.execute("DELETE FROM contact")
            with ThreadPoolExecutor() as beside:
                if meanwhile:
                    beside.submit(meanwhile, connection)
                connection.execute(question, prepare=False)

    def is_killed_at_rest(self, company: int) -> None:
        """The next turn finds its connection dead."""
        with self.service.transaction(company) as connection:
            pid = connection.info.backend_pid
        self.killer.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def look(
    connection: Connection,
    company: int,
    *,
    as_of: str = "",
    timeout: str | None = None,
    isolation: str = "repeatable read",
) -> None:
    """The settings are as of a connection that nobody has used, and all rows are the company's own."""
    limit = timeout or ("15s" if as_of else "5s")
    assert connection.execute(SETTINGS).fetchall() == [(str(company), as_of, limit, isolation, "duelist_app")]
    found = connection.execute(ROWS_BY_COMPANY).fetchall()
    assert found == [(company, EXPECTED[company])]


SETTINGS: LiteralString = """
    SELECT current_setting('app.company_id'), coalesce(current_setting('app.as_of', true), ''),
        current_setting('statement_timeout'), current_setting('transaction_isolation'), current_user
"""
ROWS_BY_COMPANY: LiteralString = """
    SELECT company_id, (count(*), max(created_on), (SELECT count(*) FROM contact))::text
    FROM customer GROUP BY company_id
"""
EXPECTED: dict[int, object] = {}

# How often: mostly they just read.
WEIGHTS: dict[Callable[[Turns, int], None], int] = {
    Turns.reads: 50,
    Turns.reads_a_day: 15,
    Turns.writes: 4,
    Turns.errs: 10,
    Turns.takes_too_long: 6,
    Turns.is_cancelled: 5,
    Turns.is_killed: 3,
    Turns.is_killed_at_rest: 2,
}


def test_nothing_is_carried_over(database: Database, database_url: str, both: tuple[Company, Company]) -> None:
    rng = random.Random(SEED)
    for company in both:
        with database.transaction(company.company_id) as connection:
            [(_, found)] = connection.execute(ROWS_BY_COMPANY).fetchall()
        EXPECTED[company.company_id] = found
    assert len(set(EXPECTED.values())) == 2
    with (
        psycopg.connect(database_url, autocommit=True) as killer,
        closing(ServiceDatabase(as_service(database_url), max_size=1)) as service,
    ):
        turns = Turns(service, killer)
        for number in range(ALTERNATIONS):
            [turn] = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
            turn(turns, both[number % 2].company_id)
            if number % 10 == 0:
                turns.reads(both[(number + 1) % 2].company_id)
