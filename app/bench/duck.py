"""The same ledger in DuckDB, in memory: asked the same SQL."""

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from psycopg import sql

from app.bench.asking import Rows, asked_in, names_in, with_dollars
from app.bench.ledger import Place
from app.bench.progress import Told
from app.database import Connection
from dsl.statements import Statement

# The last two are views in PostgreSQL, and tables here.
RELATIONS = (
    "customer", "customer_group", "contact", "invoice", "payment", "credit_note", "activity", "customer_metrics",
    "group_metrics", "promise_current", "fx_latest",
)  # fmt: skip

_TYPES = {
    "timestamp with time zone": None,
    "jsonb": None,
    "numeric": "DOUBLE",
    "text": "VARCHAR",
    "text[]": "VARCHAR[]",
}


def loaded(place: Place, told: Told) -> duckdb.DuckDBPyConnection:
    duck = duckdb.connect()
    with TemporaryDirectory() as folder, asked_in(place) as connection:
        for number, relation in enumerate(RELATIONS, 1):
            _load(connection, duck, relation, Path(folder) / f"{relation}.csv")
            told("DuckDB", number / len(RELATIONS))
    return duck


def run(duck: duckdb.DuckDBPyConnection, statement: Statement) -> Rows:
    given = {name: statement.parameters[name] for name in names_in(statement.sql)}
    return duck.execute(with_dollars(statement.sql), given).fetchall()


def _load(connection: Connection, duck: duckdb.DuckDBPyConnection, relation: str, file: Path) -> None:
    columns = _columns(connection, relation)
    wanted = sql.SQL(", ").join(_value(name, type) for name, type in columns.items())
    copy = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv)").format(wanted, sql.Identifier(relation))
    with file.open("wb") as out, connection.cursor().copy(copy) as rows:
        for block in rows:
            out.write(block)
    read = "read_csv($file, header = false, auto_detect = false, columns = $types)"
    duck.execute(f"CREATE TABLE {relation} AS SELECT * FROM {read}", {"file": str(file), "types": columns})


def _columns(connection: Connection, relation: str) -> dict[str, str]:
    """Those that DuckDB is given, with their types there."""
    found = connection.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [relation],
    )
    types = {str(name): _TYPES.get(str(type), str(type).upper()) for name, type in found}
    return {name: type for name, type in types.items() if type}


def _value(name: str, type: str) -> sql.Composable:
    value = sql.Identifier(name)
    return sql.SQL("'[' || array_to_string({}, ',') || ']'").format(value) if type.endswith("[]") else value
