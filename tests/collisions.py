"""Ledgers whose ids are the same as those of others: a statement that forgets a company then finds another's rows."""

from datetime import date

import sqlalchemy as sa
from psycopg import sql

from app.database import Connection, Database
from app.kept import KEPT, rebuild
from app.models import metadata

_FIRST = 10**12  # beyond all ids that a sequence has given, so that no row meets another on its way


def collide(database: Database, company_id: int, day: date) -> None:
    """Every table's ids of the company count from the same number as everyone's; its metrics are kept as of the day."""
    with database.owner() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")  # foreign keys are not looked at
        firsts = _first_ids(connection, company_id)
        for table in metadata.sorted_tables:
            if table.name not in KEPT and (columns := _ids(table.name)):
                moved = sql.SQL(", ").join(
                    sql.SQL("{0} = {0} - {1} + {2}").format(sql.Identifier(column), firsts[target], _FIRST)
                    for column, target in columns.items()
                )
                update = sql.SQL("UPDATE {} SET {} WHERE company_id = %s").format(sql.Identifier(table.name), moved)
                connection.execute(update, [company_id])
    with database.transaction(company_id, write=True) as connection:
        rebuild(connection, company_id, day)


def _ids(table: str) -> dict[str, str]:
    """The columns that hold an id, each with the table that the id is of."""
    columns = metadata.tables[table].columns
    own = {"id": table} if "id" in columns and isinstance(columns["id"].type, sa.BigInteger) else {}
    referring = {
        name: "customer" if element.column.name == "customer_id" else element.column.table.name
        for constraint in metadata.tables[table].foreign_key_constraints
        for name, element in zip(constraint.column_keys, constraint.elements, strict=True)
        if element.column.name in ("id", "customer_id")
    }
    return {**own, **referring}


def _first_ids(connection: Connection, company_id: int) -> dict[str, int]:
    return {table: _first_id(connection, table, company_id) for table in metadata.tables if "id" in _ids(table)}


def _first_id(connection: Connection, table: str, company_id: int) -> int:
    question = sql.SQL("SELECT coalesce(min(id), 0) FROM {} WHERE company_id = %s").format(sql.Identifier(table))
    [(first,)] = connection.execute(question, [company_id]).fetchall()
    return int(str(first))
