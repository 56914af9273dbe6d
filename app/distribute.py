"""Distributes the tables over the machines of a Citus cluster, by company, or those of one giant company by customer.

Which constraints stand in the way, and in what order tables follow one another, is read from the models.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import AddConstraint, DropConstraint

from app.database import Connection, Database
from app.models import metadata

By = Literal["company", "customer"]

SHARDS = 32

MISSING = """\
this PostgreSQL has no citus extension, so its tables stay on this machine. To distribute them:
  1. install Citus on every machine, of one version (https://docs.citusdata.com, or the image citusdata/citus)
  2. set shared_preload_libraries = 'citus' and restart
  3. in this database and in one of the same name on each worker: CREATE EXTENSION citus
  4. here: SELECT citus_set_coordinator_host('this machine'), then SELECT citus_add_node('a worker', 5432) for each
  5. duelist migrate, duelist distribute
docs/scaling.md has the steps, and says when a bigger machine or a read replica is the better answer"""


class NoCitus(Exception):
    """The database cannot be distributed."""


def distribute(database: Database, by: By) -> None:
    with database.owner() as connection:
        _need_citus(connection)
        connection.execute("SET LOCAL statement_timeout = 0")
        for statement in statements(by):
            connection.execute(statement.encode())


def _need_citus(connection: Connection) -> None:
    if connection.execute("SELECT FROM pg_extension WHERE extname = 'citus'").fetchone() is None:
        raise NoCitus(MISSING)


def statements(by: By, shards: int = SHARDS) -> list[str]:
    keys = {table: key for table in metadata.sorted_tables if (key := key_of(table, by))}
    in_the_way = [found for table in metadata.sorted_tables for found in _in_the_way(table, keys)]
    return [
        *(_sql(DropConstraint(constraint)) for constraint in in_the_way),
        *_placed(keys, shards),
        *(_sql(AddConstraint(constraint)) for constraint in in_the_way if _is_possible(constraint, keys)),
        # Settings of a role are those it logs in with: a role that is only SET has none.
        "ALTER ROLE CURRENT_USER SET citus.propagate_set_commands = 'local'",
    ]


def key_of(table: sa.Table, by: By) -> str | None:
    """The column that decides where a row lies; a table without one is copied to every machine."""
    if by == "company":
        return "company_id"
    if table.name == "customer":
        return "id"
    return "customer_id" if "customer_id" in table.columns else None


def _placed(keys: Mapping[sa.Table, str], shards: int) -> Iterator[str]:
    """Parents before children."""
    first = next(iter(keys)).name
    for table in metadata.sorted_tables:
        if table not in keys:
            yield f"SELECT create_reference_table('{table.name}')"
        elif table.name == first:
            yield f"SELECT create_distributed_table('{first}', '{keys[table]}', shard_count := {shards})"
        else:
            yield f"SELECT create_distributed_table('{table.name}', '{keys[table]}', colocate_with => '{first}')"


# ---------------------------------------------------------------- constraints


def _in_the_way(table: sa.Table, keys: Mapping[sa.Table, str]) -> list[sa.Constraint]:
    """What the cluster cannot hold to, and what would close a circle while the tables are placed one by one."""
    found = [
        constraint for constraint in table.constraints if _is_circular(constraint) or not _is_possible(constraint, keys)
    ]
    return sorted(found, key=lambda constraint: str(constraint.name))


def _is_circular(constraint: sa.Constraint) -> bool:
    return isinstance(constraint, sa.ForeignKeyConstraint) and constraint.use_alter


def _is_possible(constraint: sa.Constraint, keys: Mapping[sa.Table, str]) -> bool:
    match constraint:
        case sa.UniqueConstraint():
            return keys.get(constraint.table) in (None, *constraint.columns.keys())
        case sa.ForeignKeyConstraint(referred_table=referred) if referred in keys:
            pairs = [
                (own, element.column.name)
                for own, element in zip(constraint.column_keys, constraint.elements, strict=True)
            ]
            return (keys.get(constraint.table), keys[referred]) in pairs
        case _:
            return True


def _sql(element: sa.schema.ExecutableDDLElement) -> str:
    return " ".join(str(element.compile(dialect=_DIALECT)).split())


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
