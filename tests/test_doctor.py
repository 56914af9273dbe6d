"""`duelist doctor`: each thing that it looks at is broken in a real database, named, and mended as it says."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import orjson
import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from app import cli, doctor
from app.companies import Company
from app.database import Database
from app.doctor import Finding
from app.migrate import newest
from app.planner import refresh_statistics
from app.settings import Settings
from tests.served import SERVICE, as_service, company_with

LEDGER = {"customers": "source_id,name,currency\nC1,One,EUR\n"}
SCHEMA = ["row-level security", "views", "audit log", "indexes", "statistics", "kept metrics", "companies"]


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    made = company_with(database, "one", tmp_path_factory.mktemp("ledger"), LEDGER)
    refresh_statistics(database)
    return made


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DUELIST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def examined(database_url: str, company: Company, tmp_path: Path) -> Callable[[], dict[str, Finding]]:
    assert company
    settings = Settings.model_validate({"database_url": database_url, "data_dir": tmp_path})
    return lambda: {finding.check: finding for finding in doctor.examine(settings)}


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


Examined = Callable[[], dict[str, Finding]]


def test_a_sound_installation_has_no_faults(examined: Examined) -> None:
    """But for the login role: that of the tests is the server's own."""
    found = examined()
    assert [finding for finding in found.values() if finding.verdict != "ok"] == [found["role"]]
    assert set(SCHEMA) | {"settings", "time zones", "disk", "version", "clock", "schema"} <= found.keys()


BREAKS = {
    "dropped index": ("indexes", "fail", "DROP INDEX ix_invoice_balance", "ix_invoice_balance is missing"),
    "dropped key": ("indexes", "fail", "ALTER TABLE touched_group DROP CONSTRAINT pk_touched_group",
                    "pk_touched_group is missing"),
    "dropped unique": ("indexes", "fail", "ALTER TABLE run DROP CONSTRAINT uq_run_company_id_idempotency_key",
                       "uq_run_company_id_idempotency_key is missing"),
    "row security off": ("row-level security", "fail", "ALTER TABLE invoice DISABLE ROW LEVEL SECURITY",
                         "invoice is not protected"),
    "not forced": ("row-level security", "fail", "ALTER TABLE audit_entry NO FORCE ROW LEVEL SECURITY",
                   "audit_entry is not protected"),
    "no policy": ("row-level security", "fail", "DROP POLICY same_company ON payment", "payment is not protected"),
    "another policy": ("row-level security", "fail", "CREATE POLICY wide ON run USING (true)", "run is not protected"),
    "owner's view": ("views", "fail", "ALTER VIEW invoice_as_of SET (security_invoker = false)",
                     "invoice_as_of asks as its owner"),
    "log to be changed": ("audit log", "fail", "GRANT DELETE ON audit_entry TO duelist_app", "may DELETE it"),
    "old metrics": ("kept metrics", "warn", "UPDATE metrics_day SET as_of = '2026-01-01'",
                    "those of 'one' are of 2026-01-01"),
    "no metrics": ("kept metrics", "warn", "DELETE FROM metrics_day", "those of 'one' are not kept"),
    "lost time zone": ("companies", "fail", "UPDATE company SET time_zone = 'Mars/Olympus'", "Mars/Olympus"),
    "older schema": ("schema", "fail", "UPDATE alembic_version SET version_num = '0001'", "is at 0001, not"),
    "newer schema": ("schema", "warn", "UPDATE alembic_version SET version_num = '9999'", "newer"),
}  # fmt: skip


ALONE = ["no metrics", "older schema", "newer schema"]


@pytest.mark.parametrize("names", [[name for name in BREAKS if name not in ALONE], *([name] for name in ALONE)])
def test_what_is_broken_is_named(
    server_url: str, database_url: str, company: Company, tmp_path: Path, names: list[str]
) -> None:
    """In a copy of the database, which is thrown away."""
    assert company
    with copied(server_url, database_url) as url:
        with psycopg.connect(url) as connection:
            for name in names:
                connection.execute(BREAKS[name][2].encode())
        settings = Settings.model_validate({"database_url": url, "data_dir": tmp_path})
        found = {finding.check: finding for finding in doctor.examine(settings)}
    for name in names:
        check, verdict, _, said = BREAKS[name]
        assert found[check].verdict == verdict
        assert said in found[check].message
        assert found[check].mend
    wrong = {finding.check for finding in found.values() if finding.verdict != "ok"}
    assert wrong == {"role", *(BREAKS[name][0] for name in names)}


@contextmanager
def copied(server_url: str, database_url: str) -> Iterator[str]:
    original = urlsplit(database_url).path.removeprefix("/")
    names = {"copy": sql.Identifier(f"{original}_sick"), "original": sql.Identifier(original)}
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [original])
        server.execute(sql.SQL("CREATE DATABASE {copy} TEMPLATE {original} STRATEGY FILE_COPY").format(**names))
        yield urlsplit(server_url)._replace(path=f"/{original}_sick").geturl()
        server.execute(sql.SQL("DROP DATABASE {copy} WITH (FORCE)").format(**names))


def test_a_missing_index_is_made_by_what_it_says(examined: Examined, owner: psycopg.Connection) -> None:
    owner.execute("DROP INDEX ix_customer_metrics_overdue_since")
    owner.execute("ALTER TABLE delivery DROP CONSTRAINT pk_delivery")
    for statement in examined()["indexes"].mend.split("; "):
        owner.execute(statement.encode())
    assert examined()["indexes"].verdict == "ok"


def test_an_index_that_is_not_valid(examined: Examined, owner: psycopg.Connection) -> None:
    """As a CREATE INDEX CONCURRENTLY that was cut leaves it."""
    invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_invoice_open'::regclass"
    owner.execute(invalid.encode())
    found = examined()["indexes"]
    assert (found.verdict, found.message) == ("fail", "ix_invoice_open is not valid")
    owner.execute(found.mend.encode())
    assert examined()["indexes"].verdict == "ok"


def test_tables_that_were_never_analyzed(server_url: str, template: str, tmp_path: Path) -> None:
    with copied(server_url, f"postgresql://x/{template}") as url:
        with psycopg.connect(url) as connection:
            connection.execute("INSERT INTO company (name, base_currency, time_zone) VALUES ('one', 'EUR', 'UTC')")
        settings = Settings.model_validate({"database_url": url, "data_dir": tmp_path})
        [found] = [finding for finding in doctor.examine(settings) if finding.check == "statistics"]
        assert (found.verdict, found.message, found.mend) == ("warn", "company was never analyzed", "ANALYZE company")


def test_the_role_of_the_service(examined: Examined) -> None:
    assert (found := examined()["role"]).verdict == "fail"
    assert "is a superuser" in found.message
    assert found.mend == "duelist role create"


def test_a_role_without_powers(database_url: str, tmp_path: Path) -> None:
    urls = {"database_url": as_service(database_url), "owner_database_url": database_url}
    settings = Settings.model_validate({**urls, "data_dir": tmp_path})
    [found] = [finding for finding in doctor.examine(settings) if finding.check == "role"]
    assert (found.verdict, found.message) == ("ok", f"'{SERVICE}' has no way around row-level security")


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, "ok"), (10, "warn"), (-10, "warn"), (300, "fail"), (-300, "fail")]
)
def test_clocks(examined: Examined, monkeypatch: pytest.MonkeyPatch, seconds: int, verdict: str) -> None:
    monkeypatch.setattr(doctor, "_now", lambda: datetime.now(UTC) + timedelta(seconds=seconds))
    assert examined()["clock"].verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(2**40, "ok"), (2**29, "warn"), (2**20, "fail")])
def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))  # type: ignore[attr-defined]
    assert doctor._disk(Settings(data_dir=tmp_path / "not" / "there")).verdict == verdict


def test_no_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise doctor.ZoneInfoNotFoundError  # type: ignore[attr-defined]

    monkeypatch.setattr(doctor, "ZoneInfo", missing)
    assert (doctor._time_zones().verdict, doctor._time_zones().mend) == ("fail", "pip install tzdata")


@pytest.mark.parametrize(("locale", "verdict"), [("C", "fail"), ("C.UTF-8", "ok")])
def test_letters(server_url: str, locale: str, verdict: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE letters TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE '{locale}'"
        )
        with psycopg.connect(urlsplit(server_url)._replace(path="/letters").geturl()) as there:
            found = doctor._letters(there)
        connection.execute("DROP DATABASE letters WITH (FORCE)")
    assert found.verdict == verdict


def test_an_old_server() -> None:
    old = SimpleNamespace(info=SimpleNamespace(server_version=140_009))
    assert doctor._version(old).verdict == "fail"  # type: ignore[arg-type]


def test_the_command(database_url: str, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert company
    monkeypatch.setenv("DUELIST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DUELIST_DATABASE_URL", database_url)
    monkeypatch.setenv("DUELIST_READ_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("DUELIST_POOL_MAXSIZE", "3")
    ran = CliRunner().invoke(cli.app, ["doctor", "--format", "json"])
    found = {finding["check"]: finding for finding in orjson.loads(ran.stdout)}
    assert ran.exit_code == 1
    assert found["replica"]["verdict"] == "fail"
    assert found["settings"]["message"].startswith("DUELIST_POOL_MAXSIZE is no setting; did you mean DUELIST_POOL_MAX")
    monkeypatch.delenv("DUELIST_READ_DATABASE_URL")
    monkeypatch.setattr(doctor, "_role", lambda *_, **__: Finding("role", "ok", "x"))
    sound = CliRunner().invoke(cli.app, ["doctor"])
    assert sound.exit_code == 0, sound.stdout
    assert f"ok    schema: at {newest()}, the newest" in sound.stdout


def test_a_database_that_is_away(tmp_path: Path) -> None:
    away = Settings.model_validate({"database_url": "postgresql://x@127.0.0.1:1/x", "data_dir": tmp_path})
    found = {finding.check: finding for finding in doctor.examine(away)}
    assert found["database"].verdict == "fail"
    assert found["database"].mend == "see DUELIST_DATABASE_URL"
