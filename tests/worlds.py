"""Random ledgers in the real database, beside the independent evaluator's own reading of the same files."""

import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from app.database import Connection, Database
from app.fields import store
from app.imports import import_ledger
from dsl import CATALOG
from dsl.catalog import Custom, custom_type, with_custom
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.statements import Statement, count_statement, rows_statement
from dsl.typed import Filter
from dsl.types import Kind
from tests.oracle.generate import Case, random_case
from tests.oracle.ledger import write_folder
from tests.oracle.metrics import World
from tests.oracle.random_ledgers import OWN, OWN_CHOICES

TODAY = date(2026, 3, 31)
LEDGERS = int(os.environ.get("DUELIST_LEDGERS", "40"))
FILTERS = int(os.environ.get("DUELIST_FILTERS", "60"))
FIRST_SEED = int(os.environ.get("DUELIST_SEED", "0"))


@dataclass(frozen=True)
class Loaded:
    """One ledger as a company of the database, and as the evaluator sees it."""

    database: Database
    seed: int
    company_id: int
    case: Case
    world: World

    @property
    def question(self) -> Question:
        return Question(self.company_id, self.case.as_of, self.relations)

    @property
    def relations(self) -> Relations:
        """What is kept is of the case's today."""
        if self.case.as_of < self.case.today:
            return Relations.HISTORIC
        return Relations.KEPT if self.case.as_of == self.case.today else Relations.LIVE

    def run(self, statement: Statement) -> list[tuple[Any, ...]]:
        with self.database.transaction(self.company_id, self.case.as_of) as connection:
            return connection.execute(statement.sql.encode(), statement.parameters).fetchall()

    def source_ids(self, filter_: Filter) -> list[str]:
        """In the order the database gives them, so that a double would show."""
        key = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
        return [row[0] for row in self.run(rows_statement(filter_, self.question, key))]

    def count(self, filter_: Filter) -> int:
        return int(self.run(count_statement(filter_, self.question))[0][0])


def load(database: Database, seed: int, *, own: bool = False) -> Loaded:
    """`own`: with fields of the company's own, defined before the import or after it."""
    made = random_case(random.Random(seed), TODAY)
    company = replace(made.company, name=f"{made.company.name} {seed}")
    return load_case(database, replace(made, company=company), seed, own=own)


def load_case(database: Database, case: Case, seed: int = 0, *, own: bool = False) -> Loaded:
    company = case.company
    with database.owner() as connection:
        row = connection.execute(
            "INSERT INTO company (name, country, base_currency, time_zone)"
            " VALUES (%s, %s, %s, %s) RETURNING company_id",
            [company.name, company.country, company.base_currency, company.time_zone],
        ).fetchone()
    assert row is not None
    company_id = int(str(row[0]))
    with tempfile.TemporaryDirectory() as folder, database.transaction(company_id, write=True) as connection:
        write_folder(Path(folder), case.rows)
        imported = _Company(company_id, company.base_currency, company.time_zone, case.today)
        before = OWN_FIELDS[: (seed % 3) * len(OWN_FIELDS) // 2] if own else ()
        _define(connection, company_id, before)
        import_ledger(connection, imported, [Path(folder)])
        _define(connection, company_id, OWN_FIELDS if own else ())
    return Loaded(database, seed, company_id, case, case.own_world() if own else case.world())


def _define(connection: Connection, company_id: int, fields: Sequence[Custom]) -> None:
    for field in fields:
        store(connection, company_id, field, "us")


def _custom(path: str, kind: str) -> Custom:
    entity, _, name = path.split(".")
    choices = OWN_CHOICES.get(path, ())
    type_ = custom_type(Kind(kind), choices, ordered=kind == "choice" and name == "level")
    return Custom(entity, name, type_, name.replace("_", " "))


OWN_FIELDS = [_custom(path, kind) for path, kind in OWN.items()]
OWN_CATALOG = with_custom(CATALOG, OWN_FIELDS)


@dataclass(frozen=True)
class _Company:
    company_id: int
    base_currency: str
    time_zone: str
    today: date
