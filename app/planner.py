"""What PostgreSQL's planner has to know about the tables."""

from psycopg import sql

from app.database import Database
from app.models import metadata


def refresh_statistics(database: Database) -> None:
    """After an import, rather than when autovacuum comes round: until then plans may be a hundred times too slow."""
    tables = sql.SQL(", ").join(map(sql.Identifier, sorted(metadata.tables)))
    with database.owner() as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute(sql.SQL("ANALYZE {}").format(tables))
