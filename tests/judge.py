"""A quick judge of the language: fixed filters about ledgers full of traps, and what the independent evaluator says.

What is asked (see `questions`) is plain data, so that it can be put to a changed copy of the product: see `replaced`.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import sqlalchemy as sa

from app.database import Database
from dsl import CATALOG, Analysis, analyze
from dsl.checker import Level
from dsl.compiler import Question, Seen
from dsl.explainer import english
from dsl.formatter import format_filter
from dsl.frames import Relations
from dsl.matching import matching_rows
from dsl.parts import joined, split
from dsl.pauses import Pauses, with_pauses
from dsl.setwise import select_set
from dsl.statements import Statement, count_statement, render, rows_statement
from dsl.typed import Filter

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Asked:
    """One filter about one ledger, and what the evaluator says of it."""

    company_id: int
    as_of: date
    relations: str
    text: str
    level: Level
    params: Mapping[str, object]
    selected: list[str]
    paused: list[str]
    rows: Mapping[str, list[str]]
    english: str | None = None


# ---------------------------------------------------------------- judging


def differences(database: Database, asked: Asked) -> Iterator[str]:
    """Where what is selected is not what the evaluator says, and what else is wrong with how it is selected."""
    analysis = analyze(asked.text, CATALOG, level=asked.level, parameters=asked.params)
    if asked.english is not None and (said := english(analysis.lowered, asked.as_of)) != asked.english:
        yield f"reads: {said}"
    with database.transaction(asked.company_id, asked.as_of) as connection:
        for statement, wanted in _statements(asked, analysis):
            for alias in untied(statement.sql):
                yield f"{alias} is not tied to the company: {asked.text}"
            found = connection.execute(statement.sql.encode(), statement.parameters).fetchall()
            if [row[0] for row in found] != wanted:
                yield f"{found} for {wanted}: {asked.text} {asked.params}\n{statement.sql}"


def _statements(asked: Asked, analysis: Analysis) -> Iterator[tuple[Statement, list[Any]]]:
    """Each with what it must find."""
    question = Question(asked.company_id, asked.as_of, Relations[asked.relations])
    filter_ = analysis.lowered
    yield _ids(filter_, question), asked.selected
    yield count_statement(filter_, question), [len(asked.selected)]
    yield _set_by_set(analysis.checked, question), asked.selected
    if asked.selected:
        middle = len(asked.selected) // 2
        yield _ids(filter_, question, after=asked.selected[middle]), asked.selected[middle + 1 :]
    for entity, rows in asked.rows.items():
        yield _ids(matching_rows(analysis, CATALOG, entity), question), rows
    yield _ids(with_pauses(filter_, CATALOG, Pauses.ALONE), question), asked.paused
    unpaused = sorted({*asked.selected} - {*asked.paused})
    yield _ids(with_pauses(filter_, CATALOG, Pauses.HELD_BACK), question), unpaused
    if analysis.tree is not None and asked.level == "customer" and (parts := split(analysis.tree)):
        again = analyze(format_filter(joined(parts)), CATALOG, parameters=asked.params)
        yield _ids(again.lowered, question), asked.selected


def _ids(filter_: Filter, question: Question, after: str | None = None) -> Statement:
    key = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
    return rows_statement(filter_, question, key, after=None if after is None else Seen(after))


def _set_by_set(checked: Filter, question: Question) -> Statement:
    assert question.company is not None
    is_past = question.relations is Relations.HISTORIC
    suffix = question.relations.value
    ids = select_set(checked, company=question.company, as_of=question.as_of, metrics_suffix=suffix, historic=is_past)
    entity = checked.root.entity
    named = sa.table(entity.relation, *map(sa.column, ("company_id", "id", "source_id")))
    chosen = sa.select(named.c.source_id).where(
        named.c.company_id == sa.bindparam("company", question.company), named.c.id.in_(ids)
    )
    return render(chosen.order_by(sa.collate(named.c.source_id, "C")))


def untied(sql: str) -> set[str]:
    """The aliases that are read without their company; row-level security would hide it."""
    read = {alias or name for name, alias in _RELATION.findall(sql)}
    return {alias for alias in read if not alias.startswith("anon_") and f"{alias}.company_id = %(company)s" not in sql}


_RELATION = re.compile(r"(?:FROM|JOIN) (\w+)(?: AS (\w+))?")


# ---------------------------------------------------------------- a changed copy of the product


@dataclass(frozen=True)
class _Changed(MetaPathFinder, Loader):
    """Imports one module from other source text than that of its file."""

    name: str
    code: CodeType

    def find_spec(self, fullname: str, _path: object, _target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, origin=self.code.co_filename) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.code.co_filename
        exec(self.code, module.__dict__)


@contextmanager
def replaced(module: str, source: str, *packages: str) -> Iterator[None]:
    """Imports within the block find new copies of these packages, in which one module has other source."""

    def is_new(name: str) -> bool:
        return name.partition(".")[0] in packages

    finder = _Changed(module, compile(source, str(path_of(module)), "exec"))
    kept = {name: sys.modules.pop(name) for name in [*sys.modules] if is_new(name)}
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [*sys.modules]:
            if is_new(name):
                del sys.modules[name]
        sys.modules.update(kept)


def path_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"
