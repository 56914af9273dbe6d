"""How alembic reaches the database: a connection or URL it was handed, else the one the settings choose."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import context

from app.database import database_url
from app.migrate import MIGRATION_LOCK
from app.models import metadata
from app.settings import Settings


@contextmanager
def _connection() -> Iterator[sa.Connection]:
    given = context.config.attributes.get("connection")
    if isinstance(given, sa.Connection):
        yield given
    elif isinstance(given, sa.Engine):
        with given.connect() as connection:
            yield connection
    else:
        with _url() as url, _connect(url) as connection:
            yield connection


@contextmanager
def _url() -> Iterator[str]:
    if url := context.config.attributes.get("url"):
        yield url
    else:
        with database_url(Settings()) as chosen:
            yield chosen


@contextmanager
def _connect(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1), poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def _migrate(connection: sa.Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_server_default=True)
    with context.begin_transaction():
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        context.run_migrations()


with _connection() as open_connection:
    _migrate(open_connection)
