"""The machines of a cluster, played by schemas: what each answers from its part adds up to the answer of the whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest
from psycopg import sql

from app import companies, sample
from app.database import Connection, Database
from app.distribute import By, key_of
from app.imports import import_ledger
from app.models import metadata
from app.planner import refresh_statistics
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.statements import rows_statement
from tests.collisions import collide
from tests.test_corpus import DAY, PATHS, Query, read

SHARDS = 3


@dataclass(frozen=True)
class Cluster:
    database: Database
    company_ids: list[int]

    @contextmanager
    def machine(self, schema: str, as_of: date) -> Iterator[Connection]:
        with self.database.owner() as connection:
            connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute(sql.SQL("SET LOCAL app.as_of = {}").format(sql.Literal(as_of.isoformat())))
            yield connection

    def answer(self, schema: str, query: Query) -> list[tuple[int, str]]:
        """What one machine selects of every company."""
        filter_ = query.analysis.lowered
        key = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
        relations = Relations.HISTORIC if query.as_of < DAY else Relations.KEPT
        found = []
        with self.machine(schema, query.as_of) as connection:
            for company_id in self.company_ids:
                statement = rows_statement(filter_, Question(company_id, query.as_of, relations), key)
                rows = connection.execute(statement.sql.encode(), statement.parameters)
                found += [(company_id, str(row[0])) for row in rows]
        return sorted(found)

    def answers(self, by: By, query: Query) -> list[tuple[int, str]]:
        """What all machines select."""
        return sorted(row for shard in range(SHARDS) for row in self.answer(f"{by}_{shard}", query))


@pytest.fixture(scope="module")
def cluster(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    company_ids = []
    for number in range(SHARDS):
        folder = tmp_path_factory.mktemp("sample")
        sample.write_sample(folder, DAY - timedelta(days=20 * number))
        made = companies.create(database, f"{number}", currency="EUR", country="DE", time_zone="UTC")
        with database.transaction(made.company_id, write=True) as connection:
            import_ledger(connection, made, [folder])
        collide(database, made.company_id, DAY)
        company_ids.append(made.company_id)
    refresh_statistics(database)
    with database.owner() as connection:
        for by in ("company", "customer"):
            for shard in range(SHARDS):
                _make_machine(connection, by, shard)
    return Cluster(database, company_ids)


def _make_machine(connection: Connection, by: By, shard: int) -> None:
    schema = sql.Identifier(f"{by}_{shard}")
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    connection.execute("SET LOCAL search_path = public")
    views = connection.execute(
        "SELECT relname, pg_get_viewdef(oid) FROM pg_class"
        " WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace ORDER BY oid"
    ).fetchall()
    for table in metadata.sorted_tables:
        key = key_of(table, by)
        part = sql.SQL("WHERE {} % {} = {}").format(sql.Identifier(key), SHARDS, shard) if key else sql.SQL("")
        copy = sql.SQL("CREATE TABLE {0}.{1} (LIKE {1} INCLUDING INDEXES); INSERT INTO {0}.{1} SELECT * FROM {1} {2};")
        connection.execute(copy.format(schema, sql.Identifier(table.name), part), prepare=False)
        connection.execute(sql.SQL("ANALYZE {}.{}").format(schema, sql.Identifier(table.name)))
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(schema))
    for name, query in views:
        connection.execute(sql.SQL("CREATE VIEW {} AS ").format(sql.Identifier(str(name))) + sql.SQL(str(query)))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_companies_apart(cluster: Cluster, path: Path) -> None:
    query = read(path)
    assert cluster.answers("company", query) == cluster.answer("public", query)


# A group's members lie on several machines: what is said of groups needs them all in one place.
OF_CUSTOMERS = [path for path in PATHS if read(path).level == "customer"]


@pytest.mark.parametrize("path", OF_CUSTOMERS, ids=lambda path: path.stem)
def test_customers_apart(cluster: Cluster, path: Path) -> None:
    query = read(path)
    assert cluster.answers("customer", query) == cluster.answer("public", query)


def test_most_answers_are_telling(cluster: Cluster) -> None:
    found = [cluster.answer("public", read(path)) for path in PATHS]
    telling = [rows for rows in found if len({company_id for company_id, _ in rows}) == SHARDS]
    assert len(telling) >= 0.85 * len(PATHS)
