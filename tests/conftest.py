"""A real PostgreSQL for the tests (the one chosen, else a container, else embedded); a fresh database a module."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import docker
import psycopg
import pytest
from psycopg import sql
from testcontainers.community.postgres import PostgresContainer

from app import embedded
from app.database import Database
from app.migrate import migrate
from app.roles import make_role
from app.settings import Settings
from tests.served import SERVICE

IMAGE = "postgres:17"

# Roles belong to the whole server: test processes that share one make their templates one after the other.
TEMPLATE_LOCK = 7_406_203


def pytest_report_header() -> str:
    return f"database: {_kind()} (DUELIST_TEST_DB=url|docker|embedded chooses)"


@cache
def _kind() -> str:
    chosen = os.environ.get("DUELIST_TEST_DB")
    if chosen:
        if chosen not in _SERVERS:
            raise pytest.UsageError(f"DUELIST_TEST_DB is '{chosen}', and may be {', '.join(_SERVERS)}")
        return chosen
    if os.environ.get("DUELIST_DATABASE_URL"):
        return "url"
    return "docker" if _docker_answers() else "embedded"


def _docker_answers() -> bool:
    try:
        return bool(docker.from_env(timeout=2).ping())
    except (docker.errors.DockerException, OSError):
        return False


@contextmanager
def _of_url() -> Iterator[str]:
    url = Settings().database_url
    if url is None:
        raise pytest.UsageError("DUELIST_TEST_DB=url needs DUELIST_DATABASE_URL")
    yield url.get_secret_value()


@contextmanager
def _in_docker() -> Iterator[str]:
    with PostgresContainer(IMAGE, driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def _embedded() -> Iterator[str]:
    # Not tmp_path: started by root, the server runs as an account that may not enter pytest's folders.
    with (
        tempfile.TemporaryDirectory(prefix="duelist-test-") as folder,
        embedded.running(Path(folder), durable=False) as url,
    ):
        yield url


_SERVERS = {"url": _of_url, "docker": _in_docker, "embedded": _embedded}


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A server where databases may be made; each process of pytest-xdist has its own, unless it was given a URL."""
    with _SERVERS[_kind()]() as url:
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a migrated, empty database, to be copied."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        with _new_database(server_url) as name:
            migrate(_named(server_url, name))
            make_role(_named(server_url, name), SERVICE, SERVICE)
            connection.execute("SELECT pg_advisory_unlock(%s)", [TEMPLATE_LOCK])
            yield name


@pytest.fixture(scope="module")
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A fresh, migrated database for the module."""
    with _new_database(server_url, template) as name:
        yield _named(server_url, name)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


_numbers = count(1)


@contextmanager
def _new_database(server_url: str, template: str = "template1") -> Iterator[str]:
    name = f"duelist_test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))
    yield name
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _named(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()
