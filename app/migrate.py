"""The database's schema: brought to a revision, and asked whether it is at the newest."""

from functools import cache
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.errands import Watched


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade to the revision. Servers that start together wait for one another (see migrations/env.py)."""
    command.upgrade(_config(url), revision)


def is_current(url: str) -> bool:
    """Whether the database stands at the newest revision; an unreachable one raises psycopg.OperationalError."""
    with Watched.connect(url, connect_timeout=2) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
            return False
        return {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")} == newest()


@cache
def newest() -> set[str]:
    return set(ScriptDirectory.from_config(_config()).get_heads())


def _config(url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.attributes["url"] = url
    return config
