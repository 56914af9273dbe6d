"""The tables of a cluster: the statements, by the models alone; on a Citus, where there is one, their effect."""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from app import cli
from app.database import Database
from app.distribute import MISSING, By, NoCitus, distribute, statements
from app.migrate import migrate
from app.models import metadata
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.statements import count_statement
from tests.test_corpus import DAY, PATHS, read

CITUS_URL = os.environ.get("CITUS_URL")


def placed(by: By) -> dict[str, str]:
    """Every table in the order in which it is placed, with the statement that does it."""
    found = (re.match(r"SELECT create_\w+_table\('(\w+)'", statement) for statement in statements(by))
    return {match[1]: match.string for match in found if match}


@pytest.mark.parametrize("by", ["company", "customer"])
def test_every_table_is_placed_parents_first(by: By) -> None:
    order = list(placed(by))
    assert sorted(order) == sorted(metadata.tables)
    for table in metadata.tables.values():
        for constraint in table.foreign_key_constraints:
            if not constraint.use_alter:
                assert order.index(constraint.referred_table.name) < order.index(table.name)


def test_by_company_all_lie_with_their_company() -> None:
    first, *others = placed("company").values()
    assert first == "SELECT create_distributed_table('company', 'company_id', shard_count := 32)"
    assert all(other.endswith(", 'company_id', colocate_with => 'company')") for other in others)


def test_by_customer_all_lie_with_their_customer_or_everywhere() -> None:
    found = placed("customer")
    everywhere = {table for table, statement in found.items() if "reference" in statement}
    assert everywhere == {
        "api_key", "audit_entry", "company", "company_metrics", "counter", "custom_field", "customer_group", "delivery",
        "fx_rate",
        "group_metrics", "metrics_day", "run", "run_row", "segment", "touched_group", "webhook",
        "workflow", "workflow_version",
    }  # fmt: skip
    assert "('customer', 'id'," in found["customer"]
    for table in found.keys() - everywhere - {"customer"}:
        assert f"('{table}', 'customer_id'," in found[table]
        assert "customer_id" in metadata.tables[table].columns


def test_what_stands_in_the_way_is_dropped_before() -> None:
    by_company = statements("company")
    assert by_company[:2] == [
        "ALTER TABLE company DROP CONSTRAINT uq_company_name",
        "ALTER TABLE customer_group DROP CONSTRAINT fk_customer_group_parent_customer",
    ]
    # The circle is closed again where both ends of it lie together.
    assert [statement for statement in by_company if " ADD " in statement] == [
        "ALTER TABLE customer_group ADD CONSTRAINT fk_customer_group_parent_customer"
        " FOREIGN KEY(company_id, parent_customer_id) REFERENCES customer (company_id, id) DEFERRABLE"
    ]
    assert not [statement for statement in statements("customer") if " ADD " in statement]
    assert by_company[-1].endswith("SET citus.propagate_set_commands = 'local'")


@pytest.mark.parametrize("by", ["company", "customer"])
def test_an_ordinary_postgresql_takes_what_is_not_of_citus(database: Database, by: By) -> None:
    """The names are those of the migrated tables."""
    with database.owner() as connection:
        for statement in statements(by):
            if statement.startswith("ALTER"):
                connection.execute(statement.encode())
        connection.rollback()


def test_without_citus_it_says_what_is_missing(database: Database, database_url: str) -> None:
    with pytest.raises(NoCitus):
        distribute(database, "company")
    answer = CliRunner().invoke(cli.app, ["distribute"], env={"DUELIST_DATABASE_URL": database_url})
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.removeprefix("duelist: ") == f"{MISSING}\n"


def test_a_dry_run_asks_no_database() -> None:
    unreachable = {"DUELIST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    answer = CliRunner().invoke(cli.app, ["distribute", "--by", "customer", "--dry-run"], env=unreachable)
    assert (answer.exit_code, answer.stdout.splitlines()) == (0, [f"{line};" for line in statements("customer")])


# ---------------------------------------------------------------- on a cluster


@pytest.fixture(scope="module")
def citus() -> Iterator[Database]:
    """An empty database with the citus extension, whose tables are made and distributed here."""
    if not CITUS_URL:
        pytest.skip("CITUS_URL names no Citus to try it on")
    migrate(CITUS_URL)
    with closing(Database(CITUS_URL)) as database:
        with psycopg.connect(CITUS_URL) as connection:
            [(distributed,)] = connection.execute("SELECT count(*) FROM pg_dist_partition").fetchall()
        if not distributed:
            distribute(database, "company")
    with closing(Database(CITUS_URL)) as database:  # the role's settings are those of its next login
        yield database


@pytest.mark.parametrize("path", PATHS if CITUS_URL else PATHS[:1], ids=lambda path: path.stem)
def test_a_company_is_answered_by_one_machine(citus: Database, path: Path) -> None:
    query = read(path)
    relations = Relations.HISTORIC if query.as_of < DAY else Relations.KEPT
    statement = count_statement(query.analysis.lowered, Question(1, query.as_of, relations))
    with citus.transaction(1, query.as_of) as connection:
        plan = connection.execute(f"EXPLAIN {statement.sql}".encode(), statement.parameters).fetchall()
    lines = [str(line).strip() for (line,) in plan]
    assert "Task Count: 1" in lines
    assert not [line for line in lines if "Distributed Subplan" in line]
