"""Indexes on tables that have rows: made while they are read and written, outside of a transaction.

A migration that calls this does nothing else: what is done stays done when it fails later, and is passed over when it
runs again.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

from migrations.waiting import BRIEFLY, PATIENTLY

_INVALID = sa.text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)")


def create_indexes(indexes: Mapping[str, str]) -> None:
    """From names to what follows ON. An attempt that was cut short has left an index that is written and never read."""
    with _outside_of_a_transaction():
        for index, on in indexes.items():
            if not op.get_context().as_sql and op.get_bind().scalar(_INVALID, {"index": index}):
                op.execute(f"DROP INDEX CONCURRENTLY {index}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {on}")


def drop_indexes(indexes: Iterable[str]) -> None:
    with _outside_of_a_transaction():
        for index in indexes:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")


@contextmanager
def _outside_of_a_transaction() -> Iterator[None]:
    with op.get_context().autocommit_block():
        for setting in PATIENTLY:
            op.execute(setting)
        try:
            yield
        finally:
            for setting in BRIEFLY:
                op.execute(setting)
