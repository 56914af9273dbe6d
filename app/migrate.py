"""The database's schema: brought to a revision, and asked whether it is at the newest."""

import random
import time
from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

PATIENCE_SECONDS = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class TablesLocked(Exception):
    """Someone has been in the way of a migration for too long."""

from app.errands import Watched


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to the revision. Servers that start together wait for one another (see migrations/env.py)."""
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
    """Whether the database stands at the newest revision; an unreachable one raises psycopg.OperationalError."""
    with Watched.connect(url, connect_timeout=2) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return False
        return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")} == newest()


@cache
def newest() -> set[str]:
    return set(ScriptDirectory.from_config(config_of()).get_heads())


@cache
def revisions() -> set[str]:
    """All that there are, up to the newest."""
    return {script.revision for script in ScriptDirectory.from_config(config_of()).walk_revisions()}


def config_of(url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.attributes["url"] = url
    return config
