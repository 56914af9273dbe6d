"""The role that the service logs in as: one that could do more is refused, with the command that mends it."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from starlette.testclient import TestClient
from typer.testing import CliRunner, Result

from app import cli, companies, embedded
from app.database import Database, NotOwner
from app.main import create_app
from app.migrate import migrate
from app.roles import SERVICE, ServiceDatabase, UnsafeDatabase, make_role, refuse_unsafe_url
from app.serving import prepared_url
from app.settings import Settings
from app.worker import work
from tests.served import as_service

ROLE = "duelist_test_doubtful"


@pytest.fixture
def doubtful(database_url: str) -> Iterator[str]:
    """A role as it should be, to be spoiled."""
    yield make_role(database_url, ROLE, ROLE)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(ROLE)))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(ROLE)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(ROLE)))
        connection.execute("DROP ROLE IF EXISTS duelist_test_other")


def change(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_role_that_is_made_may_serve(doubtful: str, tmp_path: Path) -> None:
    refuse_unsafe_url(doubtful)
    with closing(ServiceDatabase(doubtful)) as service:
        assert work(service, Settings(data_dir=tmp_path)) == 0
        with pytest.raises(UnsafeDatabase), service.owner():
            pass


SPOILED: dict[str, str] = {
    f"ALTER ROLE {ROLE} SUPERUSER": "is a superuser",
    f"ALTER ROLE {ROLE} BYPASSRLS": "bypasses row-level security",
    f"ALTER ROLE {ROLE} CREATEROLE": "makes roles",
    f"ALTER ROLE {ROLE} REPLICATION": "replicates the whole server",
    f"GRANT pg_read_server_files TO {ROLE}": "acts with the rights of the server",
    f"ALTER VIEW invoice_as_of OWNER TO {ROLE}": "owns invoice_as_of",
    f"ALTER TABLE fx_rate OWNER TO {ROLE}": "owns fx_rate",
    f"ALTER FUNCTION company_ids OWNER TO {ROLE}": "owns company_ids",
    f"ALTER SCHEMA public OWNER TO {ROLE}": "owns the schema public",
    f"CREATE ROLE duelist_test_other BYPASSRLS; GRANT duelist_test_other TO {ROLE}": "may act as duelist_test_other",
    f"CREATE ROLE duelist_test_other; ALTER TABLE fx_rate OWNER TO duelist_test_other;"
    f" GRANT duelist_test_other TO {ROLE}": "owns fx_rate through duelist_test_other",
    f"REVOKE duelist_app FROM {ROLE}": "may not act as duelist_app",
}


@pytest.mark.parametrize("spoiling", SPOILED)
def test_a_role_that_could_do_more_is_refused(database_url: str, doubtful: str, spoiling: str) -> None:
    with closing(ServiceDatabase(doubtful, timeout_seconds=0.2)) as service:
        change(database_url, spoiling)
        try:
            with pytest.raises(UnsafeDatabase, match=SPOILED[spoiling]) as refused:
                refuse_unsafe_url(doubtful)
            assert "duelist role create" in str(refused.value)
            assert not serves(service)
        finally:
            change(database_url, "ALTER SCHEMA public OWNER TO pg_database_owner")
            with suppress(psycopg.errors.UndefinedObject):
                change(database_url, "REASSIGN OWNED BY duelist_test_other TO CURRENT_USER")


def serves(service: Database) -> bool:
    """The pool refuses too: a database may have been away when the service started."""
    with suppress(Exception), service.transaction(0):
        return True
    return False


def test_the_mending_mends(database_url: str, doubtful: str) -> None:
    change(database_url, f"ALTER ROLE {ROLE} SUPERUSER CREATEDB BYPASSRLS", f"REVOKE duelist_app FROM {ROLE}")
    make_role(database_url, ROLE)
    refuse_unsafe_url(doubtful)


UNPROTECTED: dict[str, str] = {
    "ALTER TABLE invoice DISABLE ROW LEVEL SECURITY": "ALTER TABLE invoice ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL",
    "ALTER TABLE invoice NO FORCE ROW LEVEL SECURITY": "ALTER TABLE invoice ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL",
    "ALTER VIEW invoice_as_of RESET (security_invoker)": "ALTER VIEW invoice_as_of SET (security_invoker = true)",
    "CREATE TABLE further (company_id bigint)": "ALTER TABLE further ENABLE ROW LEVEL SECURITY",
    "CREATE MATERIALIZED VIEW further AS SELECT 1 AS company_id": "DROP MATERIALIZED VIEW further",
}


@pytest.mark.parametrize("opening", UNPROTECTED)
def test_a_table_that_is_open_is_refused(database_url: str, opening: str) -> None:
    """The message has the statement that closes it."""
    change(database_url, opening)
    with pytest.raises(UnsafeDatabase) as refused:
        refuse_unsafe_url(as_service(database_url))
    _, _, mending = str(refused.value).partition("as the owner: ")
    assert mending.startswith(UNPROTECTED[opening])
    change(database_url, mending)
    refuse_unsafe_url(as_service(database_url))
    change(database_url, "DROP TABLE IF EXISTS further")


@pytest.mark.parametrize("used", ["database", "replica"])
def test_such_a_service_does_not_start(database_url: str, tmp_path: Path, used: str) -> None:
    urls = {"database": as_service(database_url), "replica": as_service(database_url)} | {used: database_url}
    settings = Settings.model_validate({"data_dir": tmp_path, "worker": False, "read_database_url": urls["replica"]})
    app = create_app(settings, urls["database"])
    with pytest.raises(UnsafeDatabase, match="superuser"), TestClient(app):
        pass


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command, with these settings."""

    def run(*arguments: str, **settings: str) -> Result:
        for name in ("DATABASE_URL", "OWNER_DATABASE_URL", "READ_DATABASE_URL"):
            monkeypatch.delenv(f"DUELIST_{name}", raising=False)
        environment = {"DUELIST_DATA_DIR": str(tmp_path)}
        environment |= {f"DUELIST_{name.upper()}": value for name, value in settings.items()}
        return CliRunner().invoke(cli.app, arguments, env=environment)

    return run


def test_the_command_prints_what_to_use(database_url: str, doubtful: str, run: Callable[..., Result]) -> None:
    """From the one URL there was before; what it prints may be used as it is."""
    refused = run("serve", "--port", "0", database_url=database_url)
    assert isinstance(refused.exception, UnsafeDatabase)
    made = run("role", "create", ROLE, database_url=database_url)
    assert made.exit_code == 0, made.output
    printed = dict(line.split("=", 1) for line in made.stdout.splitlines())
    assert printed["DUELIST_OWNER_DATABASE_URL"] == database_url
    refuse_unsafe_url(printed["DUELIST_DATABASE_URL"])
    assert printed["DUELIST_DATABASE_URL"] != doubtful
    hashed = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    with psycopg.connect(database_url) as connection:
        [(kept,)] = connection.execute(hashed, [ROLE]).fetchall()
    assert kept.startswith("SCRAM-SHA-256$")


def test_the_command_makes_what_the_settings_name(database_url: str, doubtful: str, run: Callable[..., Result]) -> None:
    """As in a compose file, where the password is known before the role is there."""
    change(database_url, f"ALTER ROLE {ROLE} BYPASSRLS")
    made = run("role", "create", database_url=doubtful, owner_database_url=database_url)
    assert (made.exit_code, ROLE in made.stdout) == (0, True)
    refuse_unsafe_url(doubtful)
    assert ROLE + ":" not in made.output


def test_commands_above_companies_need_the_owner(database_url: str, run: Callable[..., Result]) -> None:
    alone = as_service(database_url)
    for arguments in (["company", "list"], ["company", "create", "New", "--currency", "EUR"]):
        refused = run(*arguments, database_url=alone)
        assert isinstance(refused.exception, NotOwner)
        assert "DUELIST_OWNER_DATABASE_URL" in str(refused.exception)
        assert run(*arguments, database_url=alone, owner_database_url=database_url).exit_code in (0, 1)


def test_without_the_url_of_the_service_it_says_how(database_url: str, run: Callable[..., Result]) -> None:
    refused = run("serve", "--port", "0", owner_database_url=database_url)
    assert "duelist role create" in str(refused.exception)


def test_the_embedded_database_of_an_earlier_version(tmp_path: Path) -> None:
    """It has no such role: it is made when the service starts, and has no password."""
    with TemporaryDirectory(prefix="duelist-test-") as folder, embedded.running(Path(folder), durable=False) as url:
        migrate(url, "0007")
        change(url, "INSERT INTO company (name, base_currency, time_zone) VALUES ('Old', 'EUR', 'UTC')")
        for _ in range(2):
            used = prepared_url(Settings(database_url=None, owner_database_url=None, data_dir=tmp_path), url)
        assert urlsplit(used).netloc == f"{SERVICE}@"
        with closing(ServiceDatabase(used)) as service:
            assert [company.name for company in companies.everyone(service)] == ["Old"]
