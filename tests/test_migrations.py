"""Migrations of a database in use: nobody waits long, nothing is lost, and the release before still works on the new
schema.

Not covered: what a migration does to values (an UPDATE in it), and values that new code writes and old code has never
seen.
"""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory
from psycopg import sql
from psycopg.rows import scalar_row

from app.database import Database
from app.kept import rebuild, verify
from app.migrate import TablesLocked, config_of, migrate, upgrade
from app.models import metadata
from tests.conftest import _named, _new_database
from tests.importing import start_command
from tests.test_imports import GOOD, ROWS, Company, as_csv, make_company
from tests.test_schema import PROTECTION, TABLES

# The newest migration of the release before, whose statements tests/releases has.
RELEASED = "0007"

SCRIPTS = ScriptDirectory.from_config(config_of())
REVISIONS: list[Script] = list(SCRIPTS.walk_revisions())[::-1]
NAMES = [script.revision for script in REVISIONS]

LOCK_TIMEOUT_SECONDS = 1.0
MARGIN_SECONDS = 2.0


@pytest.fixture
def url(server_url: str, template: str) -> Iterator[str]:
    """A database of the test's own."""
    with _new_database(server_url, template) as name:
        yield _named(server_url, name)


@contextmanager
def opened(url: str) -> Iterator[psycopg.Connection[str]]:
    with psycopg.connect(url, autocommit=True, row_factory=scalar_row) as connection:
        yield connection


def schema(url: str) -> list[str]:
    with opened(url) as connection:
        return connection.execute(TABLES).fetchall() + connection.execute(PROTECTION).fetchall()


# ---------------------------------------------------------------- the SQL


def printed(script: Script, capsys: pytest.CaptureFixture[str]) -> str:
    command.upgrade(config_of(), f"{script.down_revision or 'base'}:{script.revision}", sql=True)
    # The table of revisions is alembic's own.
    return re.sub(r"CREATE TABLE alembic_version .*?;\n", "", capsys.readouterr().out, flags=re.S)


@pytest.mark.parametrize("script", REVISIONS, ids=NAMES)
def test_squawk_finds_nothing(script: Script, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / f"{script.revision}.sql"
    file.write_text(printed(script, capsys))
    found = subprocess.run([squawk(), "--no-error-on-unmatched-pattern", file], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, ""), found.stdout


def squawk() -> Path:
    return Path(sys.executable).with_name("squawk")


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX ix_x ON customer (company_id, name)", "require-concurrent-index-creation"),
        ("ALTER TABLE customer ADD COLUMN x text NOT NULL", "adding-required-field"),
        ("ALTER TABLE customer ALTER COLUMN name TYPE varchar(9)", "changing-column-type"),
        ("ALTER TABLE customer DROP COLUMN name", "ban-drop-column"),
        ("ALTER TABLE customer RENAME COLUMN name TO x", "renaming-column"),
    ],
)
def test_squawk_finds_what_would_block_or_break(statement: str, rule: str, tmp_path: Path) -> None:
    file = tmp_path / "x.sql"
    file.write_text(f"SET lock_timeout = '1s';\nSET statement_timeout = '60s';\nBEGIN;\n{statement};\nCOMMIT;\n")
    assert rule in subprocess.run([squawk(), file], capture_output=True, text=True).stdout


@pytest.mark.parametrize("script", REVISIONS, ids=NAMES)
def test_indexes_on_tables_with_rows_are_all_that_their_migration_makes(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    """Outside of a transaction a migration that is cut short is half done: all of it must bear being done again."""
    statements = [text.strip() for text in re.sub(r"--.*\n", "", printed(script, capsys)).split(";\n")]
    own = [text for text in statements if not re.match(r"(SET |BEGIN|COMMIT|\w+ \w* ?alembic_version)", text)]
    alone = [text for text in own if "CONCURRENTLY" in text]
    assert alone in ([], [text for text in own if text])
    assert all("IF NOT EXISTS" in text for text in alone)
    if alone:
        set_before = [text for text in statements[: statements.index(alone[0])] if text.startswith("SET ")]
        assert set_before[-2:] == ["SET lock_timeout = 0", "SET statement_timeout = 0"], "a large one takes its time"


# ---------------------------------------------------------------- there and back


def test_each_step_down_and_up_again_is_equal_and_keeps_the_rows(url: str) -> None:
    company = filled(Database(url))
    before = ledger(company)
    seen = {NAMES[-1]: schema(url)}
    for script in REVISIONS[:0:-1]:
        assert isinstance(script.down_revision, str)
        command.downgrade(config_of(url), script.down_revision)
        seen[script.down_revision] = schema(url)
    assert len({tuple(schema) for schema in seen.values()}) == len(REVISIONS)
    for name in NAMES[1:]:
        migrate(url, name)
        assert schema(url) == seen[name], name
    assert ledger(company) == before
    with company.database.transaction(company.company_id, write=True) as connection:
        rebuild(connection, company.company_id, company.today)
        assert verify(connection, company.company_id).is_well
    company.database.close()


def filled(database: Database) -> Company:
    company = make_company(database)
    company.load(GOOD | {name: as_csv(ROWS[name]) for name in ("contacts", "activities", "promises", "fx_rates")})
    return company


def ledger(company: Company) -> dict[str, list[tuple[object, ...]]]:
    """The tables of the first migration."""
    names = [file for file in metadata.tables if "metrics" not in file and file in FIRST_TABLES]
    return {name: sorted(company.rows(f"SELECT t::text FROM {name} t")) for name in names}


FIRST_TABLES = {*REVISIONS[0].module.TENANT_TABLES, "company"}


# ---------------------------------------------------------------- in use


@dataclass
class Traffic:
    """Readers and writers of a company, as the service's role, one request after the other until they are stopped."""

    url: str
    company_id: int
    waits: list[float] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    numbers: Iterator[int] = field(default_factory=lambda: count(100))

    @contextmanager
    def flowing(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask, args=[ask]) for ask in (self._read, self._read, self._write)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()

    def _ask(self, ask: Callable[[psycopg.Connection[str]], object]) -> None:
        with opened(self.url) as connection:
            connection.execute("SET ROLE duelist_app; SET statement_timeout = '20s'")
            connection.execute(f"SET app.company_id = {self.company_id}".encode())
            while not self.stopping.is_set():
                began = time.monotonic()
                try:
                    ask(connection)
                except psycopg.Error as fault:
                    self.faults.append(fault)
                    return
                self.waits.append(time.monotonic() - began)
                time.sleep(0.002)

    def _read(self, connection: psycopg.Connection[str]) -> None:
        with connection.transaction():
            for table in ("invoice", "payment", "activity"):
                question = sql.SQL("SELECT count(*) FROM customer c JOIN {} USING (company_id)")
                connection.execute(question.format(sql.Identifier(table)))

    def _write(self, connection: psycopg.Connection[str]) -> None:
        number = next(self.numbers)
        with connection.transaction():
            connection.execute(
                "INSERT INTO customer (company_id, source_id, name, currency) VALUES (%s, %s, 'W', 'EUR')",
                [self.company_id, f"W{number}"],
            )
            connection.execute(
                """
                INSERT INTO invoice (company_id, customer_id, source_id, issue_date, amount, balance, currency, status)
                SELECT company_id, id, source_id, '2026-01-01', 1, 1, 'EUR', 'open' FROM customer WHERE source_id = %s
                """,
                [f"W{number}"],
            )
            connection.execute("UPDATE customer SET strike = 1 WHERE source_id = %s", [f"W{number}"])


def test_nobody_fails_or_waits_long_while_it_is_migrated_from_any_revision(url: str) -> None:
    company = filled(Database(url))
    company.database.close()
    for start in NAMES[:-1]:
        command.downgrade(config_of(url), start)
        traffic = Traffic(url, company.company_id, numbers=count(10_000 * NAMES.index(start)))
        with traffic.flowing():
            time.sleep(0.1)
            migrate(url)
            time.sleep(0.1)
        assert traffic.faults == []
        assert len(traffic.waits) > 10
        assert max(traffic.waits) < LOCK_TIMEOUT_SECONDS + MARGIN_SECONDS
    with opened(url) as connection:
        assert connection.execute(INVALID).fetchall() == []


INVALID: LiteralString = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"

PROBE = """
from alembic import op
revision, down_revision = "probe", "{head}"
def upgrade() -> None:
    op.execute("ALTER TABLE customer ADD COLUMN probe text")
def downgrade() -> None:
    op.execute("ALTER TABLE customer DROP COLUMN probe")
"""


@pytest.fixture
def probing(url: str, tmp_path: Path) -> Callable[[float], None]:
    """A migration that needs a table to itself, beyond those that there are."""
    (tmp_path / "probe.py").write_text(PROBE.format(head=NAMES[-1]))
    config = config_of(url)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{SCRIPTS.versions}\n{tmp_path}")
    return lambda patience: upgrade(config, "probe", patience=patience)


def test_it_gives_way_to_a_long_reader_and_comes_back(url: str, probing: Callable[[float], None]) -> None:
    company = filled(Database(url))
    company.database.close()
    traffic = Traffic(url, company.company_id)
    with opened(url) as long_reader, traffic.flowing():
        long_reader.execute("BEGIN; SELECT FROM customer LIMIT 1")
        leaving = threading.Timer(5, lambda: long_reader.execute("COMMIT"))
        leaving.start()
        began = time.monotonic()
        probing(60)
        took = time.monotonic() - began
    assert traffic.faults == []
    assert took > 4
    assert max(traffic.waits) < LOCK_TIMEOUT_SECONDS + MARGIN_SECONDS
    with opened(url) as connection:
        assert "probe" in str(connection.execute(TABLES).fetchall())


def test_in_the_end_it_says_that_the_tables_are_locked(url: str, probing: Callable[[float], None]) -> None:
    with opened(url) as long_reader:
        long_reader.execute("BEGIN; SELECT FROM customer LIMIT 1")
        with pytest.raises(TablesLocked, match="kept a table locked for 1 second"):
            probing(1)


def test_an_index_that_was_cut_short_is_made_again(url: str) -> None:
    complete = schema(url)
    command.downgrade(config_of(url), "0004")
    with opened(url) as long_writer, opened(url) as connection:
        long_writer.execute("BEGIN; UPDATE invoice SET amount = amount")
        connection.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("CREATE INDEX CONCURRENTLY ix_invoice_reference ON invoice (company_id, reference)")
        assert connection.execute(INVALID).fetchall() == ["ix_invoice_reference"]
        long_writer.execute("ROLLBACK")
        migrate(url)
        assert connection.execute(INVALID).fetchall() == []
    assert schema(url) == complete


def test_two_that_migrate_at_once_do_not_lock_each_other_out(url: str, tmp_path: Path) -> None:
    command.downgrade(config_of(url), "0004")
    both = [start_command(["migrate"], {"DUELIST_DATABASE_URL": url}, tmp_path / "said") for _ in range(2)]
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0], (tmp_path / "said").read_text()
    with opened(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [NAMES[-1]]


# ---------------------------------------------------------------- the release before

# What its statements rely on, a line each; of an added column only what they would notice.
RELIED_ON = """
    SELECT format('%s column %s %s null=%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                  NOT a.attnotnull) AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname <> 'alembic_version'
    UNION ALL SELECT format('%s default of %s: %s%s', c.relname, a.attname, a.attidentity,
                            pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
        AND (d.oid IS NOT NULL OR a.attidentity <> '')
    UNION ALL SELECT format('%s unique %s', indrelid::regclass, pg_get_indexdef(indexrelid)) FROM pg_index
    WHERE indisunique AND indrelid::regclass::text <> 'alembic_version'
        AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT format('%s granted %s', table_name, privilege_type) FROM information_schema.role_table_grants
    WHERE table_schema = 'public' AND grantee = 'duelist_app'
    UNION ALL SELECT format('%s policy %s %s %s %s %s', tablename, policyname, permissive, cmd, qual, with_check)
    FROM pg_policies
    UNION ALL SELECT format('%s protected %s %s', relname, relrowsecurity, relforcerowsecurity)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    UNION ALL SELECT format('%s reads %s', viewname, definition) FROM pg_views WHERE schemaname = 'public'
    ORDER BY 1
"""

# What could refuse a row that the release before would write.
REFUSING = """
    SELECT format('%s: %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'x')
    UNION ALL SELECT format('%s: unique %s', indrelid::regclass, pg_get_indexdef(indexrelid)) FROM pg_index
    WHERE indisunique AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT format('%s: needs %s', c.relname, a.attname)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND d.oid IS NULL AND a.attidentity = ''
    UNION ALL SELECT format('%s: trigger %s', tgrelid::regclass, tgname) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT format('%s: policy %s %s', tablename, policyname, qual) FROM pg_policies
    ORDER BY 1
"""


@dataclass(frozen=True)
class Reliance:
    relied_on: set[str]
    refusing: set[str]
    tables: set[str]

    def broken_by(self, later: "Reliance") -> set[str]:
        refusing = {line for line in later.refusing - self.refusing if line.partition(":")[0] in self.tables}
        return (self.relied_on - later.relied_on) | refusing


def reliance(connection: psycopg.Connection[str]) -> Reliance:
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    found = (set(connection.execute(question).fetchall()) for question in (RELIED_ON, REFUSING, tables))
    return Reliance(*found)


# What a release before it does not feel: it lists and makes companies as their owner, whom the new policy lets.
UNFELT = {"0008": {"company protected t f", "company: policy above_companies true"}}


def test_later_migrations_only_add(url: str) -> None:
    later = NAMES[NAMES.index(RELEASED) :]
    with opened(url) as connection:
        command.downgrade(config_of(url), RELEASED)
        seen = [reliance(connection)]
        for name in later[1:]:
            migrate(url, name)
            seen.append(reliance(connection))
    for name, (before, after) in zip(later[1:], pairwise(seen), strict=True):
        assert before.broken_by(after) == UNFELT.get(name, set()), name


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE contact DROP COLUMN phone CASCADE",
        "ALTER TABLE contact RENAME COLUMN phone TO telephone",
        "ALTER TABLE contact ALTER COLUMN phone SET NOT NULL",
        "ALTER TABLE contact ALTER COLUMN email_valid DROP DEFAULT",
        "ALTER TABLE contact ALTER COLUMN email_valid DROP NOT NULL",
        "ALTER TABLE api_key ALTER COLUMN scope TYPE varchar(20)",
        "ALTER TABLE contact ADD COLUMN fax text NOT NULL",
        "ALTER TABLE contact ADD CONSTRAINT ck_contact_phone CHECK (phone <> '')",
        "ALTER TABLE contact RENAME TO person",
        "CREATE UNIQUE INDEX uq_contact_email ON contact (company_id, email)",
        "DROP INDEX uq_workflow_company_id_name",
        "DROP TABLE touched_group CASCADE",
        "DROP VIEW group_metrics_as_of",
        "CREATE OR REPLACE VIEW fx_latest AS SELECT company_id, currency, 2 * rate AS rate FROM fx_rate",
        "REVOKE DELETE ON contact FROM duelist_app",
        "ALTER TABLE contact NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY same_company ON contact",
        "CREATE POLICY second ON contact AS RESTRICTIVE USING (false)",
    ],
)
def test_what_breaks_the_release_before_is_found(connection: psycopg.Connection[str], statement: str) -> None:
    assert changed(connection, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE contact ADD COLUMN fax text",
        "ALTER TABLE contact ADD COLUMN is_main boolean NOT NULL DEFAULT false",
        "CREATE INDEX ix_contact_email ON contact (company_id, email)",
        "CREATE TABLE note (company_id bigint NOT NULL, text text NOT NULL, CHECK (text <> ''))",
        "CREATE VIEW phones AS SELECT phone FROM contact",
    ],
)
def test_what_only_adds_is_none(connection: psycopg.Connection[str], statement: str) -> None:
    assert not changed(connection, statement)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[str]]:
    with opened(database_url) as connection:
        yield connection


def changed(connection: psycopg.Connection[str], statement: str) -> set[str]:
    with connection.transaction(force_rollback=True):
        before = reliance(connection)
        connection.execute(statement.encode())
        return before.broken_by(reliance(connection))


def test_the_statements_of_the_release_before_run(url: str) -> None:
    """What it writes is frozen in a file; what it reads is each column that it had, by name."""
    with opened(url) as connection:
        command.downgrade(config_of(url), RELEASED)
        columns = connection.execute("""
            SELECT format('SELECT %s FROM %I', string_agg(quote_ident(column_name), ', '), table_name)
            FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
            GROUP BY table_name
        """).fetchall()
        migrate(url)
        connection.execute(
            "INSERT INTO company (company_id, name, base_currency, time_zone) VALUES (1, 'A', 'EUR', 'UTC')"
        )
        connection.execute("SET ROLE duelist_app; SET app.company_id = 1; SET app.as_of = '2026-01-01'")
        connection.execute((Path(__file__).parent / "releases" / f"{RELEASED}.sql").read_bytes())
        assert len(columns) > 40
        for question in columns:
            connection.execute(question.encode())
