"""The database's schema: brought to a revision, and asked whether this release runs on it."""

from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

# Any number: servers that start together migrate one after the other, and the later ones find nothing to do.
MIGRATION_LOCK = 7_406_202


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to the revision. Servers that start together wait for one another (see migrations/env.py).

    A database that a later release has migrated stays as it is.
    """
    if revision != "head" or not is_current(url):
        command.upgrade(_config(url), revision)


def is_current(url: str) -> bool:
    """As `is_usable`; an unreachable database raises psycopg.OperationalError."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        return is_usable(connection)


def is_usable(connection: psycopg.Connection[Any]) -> bool:
    """At the newest revision, or beyond: a release runs on the schema of the next one. Revisions are numbers."""
    found = revision_of(connection)
    return found is not None and (found == newest() or (found.isdecimal() and int(found) > int(newest())))


def revision_of(connection: psycopg.Connection[Any]) -> str | None:
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


@cache
def newest() -> str:
    [head] = ScriptDirectory.from_config(_config()).get_heads()
    return head


def _config(url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.attributes["url"] = url
    return config
