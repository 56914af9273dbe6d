"""A second opinion: the same question asked of DuckDB, over a copy of everything that its statement reads.

Both engines answer from one snapshot. DuckDB computes exactly or not at all: what does not fit its 38 digits, or would
be done in floating point, is refused.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg
from sqlalchemy.sql import visitors

from app.companies import Company
from app.database import Connection, Database
from app.kept import relations
from app.queries import Dated, ask
from dsl import typed
from dsl.catalog import CUSTOM
from dsl.compiler import Fields, Question, select_rows
from dsl.statements import rows_statement
from dsl.typed import Filter


class NotAudited(Exception):
    """DuckDB cannot answer the question; the message says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many rows PostgreSQL selects, and the source ids that only one of the engines does."""

    as_of: date
    selected: int
    only_postgresql: list[str]
    only_duckdb: list[str]

    @property
    def is_equal(self) -> bool:
        return not self.only_postgresql and not self.only_duckdb


def _refuse_own_fields(filter_: Filter) -> None:
    for node in typed.nodes(filter_.condition):
        if isinstance(node, typed.FieldOf) and node.field.name.startswith(CUSTOM):
            raise NotAudited(f"DuckDB has no copy of {node.row.entity.name}.{node.field.name}, a field of your own")


def audit(database: Database, company: Company, asked: Dated) -> Verdict:
    asking = ask(asked, company, answered=True)
    with database.transaction(company.company_id, asking.as_of, timeout_ms=0) as connection:
        question = asking.question(relations(connection, company, asking.as_of))
        return compare(connection, asking.analysis.lowered, question)


def compare(connection: Connection, filter_: Filter, question: Question) -> Verdict:
    """In a transaction of the question's company and day."""
    _refuse_own_fields(filter_)
    source_id: Fields = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
    statement = rows_statement(filter_, question, source_id)
    first = [str(row[0]) for row in connection.execute(statement.sql.encode(), statement.parameters)]
    second = [str(row[0]) for row in _asked_of_duckdb(connection, select_rows(filter_, question, source_id), question)]
    return Verdict(question.as_of, len(first), _without(first, second), _without(second, first))


def _without(ids: list[str], others: list[str]) -> list[str]:
    return sorted((Counter(ids) - Counter(others)).elements())


def _asked_of_duckdb(connection: Connection, statement: sa.Select[Any], question: Question) -> list[tuple[Any, ...]]:
    try:
        try:
            return _answered(connection, statement, question)
        except duckdb.InternalException:  # a fault of DuckDB 2.0.0, in the pass that makes such plans quick
            return _answered(connection, statement, question, without="deliminator")
    except duckdb.Error as error:
        raise NotAudited(f"DuckDB cannot answer this: {str(error).partition(chr(10))[0]}") from error


def _answered(
    connection: Connection, statement: sa.Select[Any], question: Question, *, without: str = ""
) -> list[tuple[Any, ...]]:
    text, parameters = _translated(statement)
    with duckdb.connect(config={"enable_external_access": "false"}) as duck:
        duck.execute(f"SET disabled_optimizers = '{without}'")
        duck.execute("SET integer_division = true")  # as in PostgreSQL
        duck.execute("SET python_enable_replacements = false")  # a relation is never one of our variables
        for macro in _MACROS:
            duck.execute(f"CREATE MACRO {macro}")
        for name in sorted(_relations(statement)):
            _copy(connection, duck, name, question)
        _refuse_floating_point(duck, text, parameters)
        return duck.execute(text, parameters).fetchall()


def _refuse_floating_point(duck: duckdb.DuckDBPyConnection, text: str, parameters: Mapping[str, object]) -> None:
    for _, plan in duck.execute(f"EXPLAIN (FORMAT json) {text}", parameters).fetchall():
        if re.search(r"\b(DOUBLE|FLOAT)\b", plan):
            raise NotAudited("DuckDB would compute this in floating point, which proves nothing")


# ---------------------------------------------------------------- the statement, as DuckDB writes it

# PostgreSQL's numeric has as many digits as it needs. Here a number keeps the digits after its point, and whole numbers
# are divided as 128-bit ones: both fail where they do not suffice.
_MACROS = (
    "exact(x) AS x + CAST(0 AS DECIMAL(38, 0))",
    "places(x) AS coalesce(TRY_CAST(regexp_extract(typeof(x), ',(\\d+)', 1) AS INTEGER), 0)",
    "shifted(x, places) AS CAST(x * CAST(rpad('1', places + 1, '0') AS HUGEINT) AS HUGEINT)",
    # As lambdas, because what stands in a macro twice is worked out twice: whole sub-queries, one in another.
    "finest(v) AS greatest(places(v.x), places(v.y))",
    "quotient(v) AS exact(shifted(v.x, finest(v)) // shifted(v.y, finest(v)))",
    "div(x, y) AS list_transform([{'x': x, 'y': y}], lambda v: quotient(v))[1]",
    "sign(x) AS list_transform([x], lambda v: CAST(v > 0 AS INTEGER) - CAST(v < 0 AS INTEGER))[1]",
    # A whole amount that is missing counts as this in a sum, as NaN does in PostgreSQL.
    "not_known() AS CAST(rpad('1', 31, '0') AS DECIMAL(38, 0))",
    "known(x) AS list_transform([x], lambda v: CASE WHEN abs(v) < not_known() * 0.001 THEN v"
    " WHEN v < not_known() - not_known() * 0.001 THEN error('too large an amount') END)[1]",
    "make_interval(years, months) AS to_months(12 * years + months)",
)

_NAN = "'NaN'::numeric"
_WORDINGS = (("'{}'::text[]", "[]::text[]"), ("/ exact(10000.0000)", "* 0.0001"), (_NAN, "not_known()"))


class _Compiler(PGCompiler_psycopg):
    def visit_cast(self, cast: sa.Cast[Any], **given: Any) -> str:
        if isinstance(cast.type, sa.Numeric):
            return f"exact({self.process(cast.clause, **given)})"
        return str(super().visit_cast(cast, **given))  # type: ignore[no-untyped-call]

    def visit_collate_binary(self, binary: sa.BinaryExpression[Any], _operator: Any, **given: Any) -> str:
        """DuckDB compares byte by byte, as "C" does, and folds case as the database's own collation does."""
        return str(self.process(binary.left, **given))

    def visit_nullif_func(self, function: sa.Function[Any], **given: Any) -> str:
        value, empty = (self.process(clause, **given) for clause in function.clauses)
        return f"known({value})" if empty == _NAN else f"nullif({value}, {empty})"

    def render_bind_cast(self, type_: Any, dbapi_type: Any, sqltext: str) -> str:
        if isinstance(type_, sa.Numeric):
            return sqltext
        return str(super().render_bind_cast(type_, dbapi_type, sqltext))  # type: ignore[no-untyped-call]


class _Dialect(PGDialect_psycopg):
    statement_compiler = _Compiler


_DIALECT = _Dialect()  # type: ignore[no-untyped-call]


def _translated(statement: sa.Select[Any]) -> tuple[str, Mapping[str, object]]:
    compiled = statement.compile(dialect=_DIALECT)
    text = re.sub(r"%\((\w+)\)s", r"$\1", str(compiled))
    for theirs, ours in _WORDINGS:
        text = text.replace(theirs, ours)
    return text, dict(compiled.params)


def _relations(statement: sa.Select[Any]) -> set[str]:
    return {part.name for part in visitors.iterate(statement) if isinstance(part, sa.TableClause)}


# ---------------------------------------------------------------- the rows, copied

_BATCH = 20_000
_TYPES = {"bigint": "BIGINT", "boolean": "BOOLEAN", "date": "DATE", "text": "VARCHAR", "text[]": "VARCHAR[]"}


def _copy(connection: Connection, duck: duckdb.DuckDBPyConnection, relation: str, question: Question) -> None:
    columns = _columns(connection, relation, question)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    made = ", ".join(f'"{name}" {type}' for name, type in columns.items())
    duck.execute(f'CREATE TABLE "{relation}" ({made})')
    unnested = ", ".join(f"unnest(${place}::{type}[])" for place, type in enumerate(columns.values(), 1))
    connection.execute("SET LOCAL cursor_tuple_fraction = 1")  # all rows are wanted, not the first ones soon
    with connection.cursor(name="copied") as cursor:
        cursor.execute(_rows_of(relation, names), [question.company])
        while batch := cursor.fetchmany(_BATCH):
            duck.execute(f'INSERT INTO "{relation}" SELECT {unnested}', list(map(list, zip(*batch, strict=True))))


def _rows_of(relation: str, columns: sql.Composable) -> sql.Composed:
    return sql.SQL("SELECT {} FROM {} WHERE company_id = %s").format(columns, sql.Identifier(relation))


def _columns(connection: Connection, relation: str, question: Question) -> dict[str, str]:
    """With their types in DuckDB; what is neither filtered nor calculated with is left out.

    A number has no more digits after its point than there are, for a product has those of both its factors.
    """
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [relation],
    ).fetchall()
    types = {str(name): str(type) for name, type in rows}
    numbers = [name for name, type in types.items() if type == "numeric"]
    places = sql.SQL(", ").join(
        sql.SQL("coalesce(max(min_scale({})), 0)").format(sql.Identifier(name)) for name in numbers
    )
    [found] = connection.execute(_rows_of(relation, places), [question.company]).fetchall() if numbers else [()]
    exact = {name: f"DECIMAL(38, {most})" for name, most in zip(numbers, found, strict=True)}
    return {name: exact.get(name) or _TYPES[type] for name, type in types.items() if type in {*_TYPES, "numeric"}}
