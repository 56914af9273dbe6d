"""A read replica: everything that only reads goes there, keys and what is written to the primary."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from app import readiness
from app.companies import listed
from app.database import Database
from app.serving import load_sample
from tests.served import Api, api_of, client_of

FILTER = "customer.source_id = 'C0009'"
NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module")
def replica_url(server_url: str, database_url: str) -> Iterator[str]:
    """A copy that can be told from the primary, and knows no key."""
    with closing(Database(database_url)) as primary:
        load_sample(primary)
    primary_name = urlsplit(database_url).path.removeprefix("/")
    names = {"copy": sql.Identifier(f"{primary_name}_replica"), "primary": sql.Identifier(primary_name)}
    url = urlsplit(server_url)._replace(path=f"/{primary_name}_replica").geturl()
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {copy} TEMPLATE {primary}").format(**names))
        with psycopg.connect(url) as copy:
            copy.execute("UPDATE customer SET name = 'as the replica has it'")
        yield url
        server.execute(sql.SQL("DROP DATABASE {copy} WITH (FORCE)").format(**names))


@pytest.fixture(scope="module")
def api(
    replica_url: str, database_url: str, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    with client_of(database_url, tmp_path_factory.mktemp("data"), read_database_url=replica_url) as client:
        yield api_of(client, database, listed(database)[0])


def test_answers_come_from_the_replica(api: Api) -> None:
    [customer] = api.answer("/v1/preview", filter=FILTER)["customers"]
    assert customer["name"] == "as the replica has it"
    assert api.get("/v1/customers/C0009").json()["name"] == "as the replica has it"
    assert "as the replica has it" in api.post("/v1/preview.csv", filter=FILTER).text
    invoices = api.answer("/v1/preview/invoices", filter=FILTER)["invoices"]
    assert {invoice["customer_name"] for invoice in invoices} == {"as the replica has it"}


def test_a_check_reads_the_replica(api: Api, replica_url: str) -> None:
    rates = "customer.balance_overdue > 1 USD"
    assert not api.answer("/v1/check", filter=rates)["warnings"]
    with psycopg.connect(replica_url) as copy:
        copy.execute("DELETE FROM fx_rate")
    assert api.answer("/v1/check", filter=rates)["warnings"]


def test_it_is_ready_when_both_are(api: Api, database_url: str, tmp_path: Path) -> None:
    assert api.get("/ready").status_code == 200
    with client_of(database_url, tmp_path, read_database_url=NOBODY) as client:
        assert client.get("/ready").json()["errors"][0]["code"] == "database-away"


def test_a_replica_that_is_behind_a_migration_is_not_ready(
    api: Api, replica_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "FRESH_SECONDS", -1)
    with psycopg.connect(replica_url) as copy:
        copy.execute("UPDATE alembic_version SET version_num = '0001'")
    assert api.get("/ready").json()["errors"][0]["code"] == "not-migrated"
