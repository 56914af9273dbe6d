"""The database's schema: brought to a revision, and asked whether this release runs on it."""

import random
import time
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from app.errands import Watched

PATIENCE_SECONDS = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


# Any number: servers that start together migrate one after the other, and the later ones find nothing to do.
MIGRATION_LOCK = 7_406_202


class TablesLocked(Exception):
    """Someone has been in the way of a migration for too long."""


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to the revision. Servers that start together wait for one another (see migrations/env.py).

    A database that a later release has migrated stays as it is.
    """
    if revision != "head" or not is_current(url):
        upgrade(config_of(url), revision)


def upgrade(config: Config, revision: str, *, patience: float = PATIENCE_SECONDS) -> None:
    """A migration that does not get its locks at once gives way to those who stand behind it, and comes back later;
    those before it are done."""
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        try:
            return command.upgrade(config, revision)
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
                raise
            if time.monotonic() + pause > deadline:
                raise TablesLocked(
                    f"other sessions have kept a table locked for {patience:.0f} seconds that a migration changes"
                    " (pg_stat_activity shows them); what was done before it stays, run it again when they are gone"
                ) from error
        time.sleep(pause * random.uniform(0.5, 1))
        pause = min(2 * pause, _LONGEST_PAUSE)


def is_current(url: str) -> bool:
    """As `is_usable`; an unreachable database raises psycopg.OperationalError."""
    with Watched.connect(url, connect_timeout=2) as connection:
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
    [head] = ScriptDirectory.from_config(config_of()).get_heads()
    return head


@cache
def revisions() -> set[str]:
    """All that there are, up to the newest."""
    return {script.revision for script in ScriptDirectory.from_config(config_of()).walk_revisions()}


def config_of(url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.attributes["url"] = url
    return config
