"""How alembic reaches the database: a connection or URL it was handed, else the one the settings choose."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import context

from app.database import database_url
from app.migrate import MIGRATION_LOCK
from app.models import metadata
from app.settings import Settings
from migrations.waiting import BRIEFLY

_POLL_SECONDS = 0.05


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


@contextmanager
def _turn(connection: sa.Connection) -> Iterator[None]:
    """Asked for again and again: who waits for it in the database is waited for by CREATE INDEX CONCURRENTLY."""
    while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(MIGRATION_LOCK))):
        connection.rollback()
        time.sleep(_POLL_SECONDS)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(sa.select(sa.func.pg_advisory_unlock(MIGRATION_LOCK)))
        connection.commit()


def _migrate(connection: sa.Connection) -> None:
    """Each migration in a transaction of its own, so that none holds its locks while the next one waits for others."""
    context.configure(
        connection=connection, target_metadata=metadata, compare_server_default=True, transaction_per_migration=True
    )
    with _turn(connection):
        for setting in BRIEFLY:
            connection.execute(sa.text(setting))
        connection.commit()
        with context.begin_transaction():
            context.run_migrations()


def _print() -> None:
    context.configure(dialect_name="postgresql", transaction_per_migration=True)
    for setting in BRIEFLY:
        context.execute(setting)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _print()
else:
    with _connection() as open_connection:
        _migrate(open_connection)
