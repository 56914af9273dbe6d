"""One corpus, all stages: each filter of tests/queries with its canonical text, English, warnings, SQL and rows.

`DUELIST_UPDATE=1 pytest tests/test_corpus.py` rewrites what stands below the filters; the difference is to be read.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import cast, get_args

import pytest

from app import companies, sample
from app.companies import Company
from app.database import Database
from app.fields import store
from app.imports import import_ledger
from app.kept import rebuild
from app.planner import refresh_statistics
from dsl import CATALOG, Analysis, analyze, ast, typed
from dsl.catalog import with_custom, with_segments
from dsl.checker import Level
from dsl.compiler import Question
from dsl.explainer import english
from dsl.frames import Relations
from dsl.matching import matching_rows
from dsl.operators import COMPARISONS
from dsl.statements import Statement, count_statement, rows_statement
from dsl.types import Kind
from dsl.warnings import warn

FOLDER = Path(__file__).parent / "queries"
PATHS = sorted(FOLDER.glob("*.query"))
DAY = date(2026, 11, 21)
SHOWN = 10
OF_SAMPLE = with_segments(with_custom(CATALOG, sample.FIELDS), sample.SEGMENTS)


@dataclass(frozen=True)
class Query:
    """The filter of one file, with the lines that stand before it."""

    head: str
    text: str
    level: Level
    as_of: date
    params: Mapping[str, object] | None

    @property
    def analysis(self) -> Analysis:
        return analyze(self.text, OF_SAMPLE, level=self.level, parameters=self.params or {})


def read(path: Path) -> Query:
    head = path.read_text().partition("\n---")[0].rstrip("\n")
    given = dict(re.findall(r"^(level|as-of|params): (.*)\n", head, re.M))
    return Query(
        head,
        re.sub(r"^(level|as-of|params): .*\n", "", head, flags=re.M),
        cast(Level, given.get("level", "customer")),
        date.fromisoformat(given.get("as-of", str(DAY))),
        json.loads(given["params"]) if "params" in given else None,
    )


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    return load_sample(database, tmp_path_factory.mktemp("sample"))


def load_sample(database: Database, folder: Path) -> Company:
    sample.write_sample(folder, DAY)
    company = companies.create(
        database, sample.NAME, currency=sample.BASE_CURRENCY, country=sample.COUNTRY, time_zone=sample.TIME_ZONE
    )
    with database.transaction(company.company_id, write=True) as connection:
        for field in sample.FIELDS:
            store(connection, company.company_id, field, "us")
        import_ledger(connection, company, [folder])
        rebuild(connection, company.company_id, DAY)
    refresh_statistics(database)
    return company


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_stage_of_the_filter_is_as_recorded(database: Database, company: Company, path: Path) -> None:
    query = read(path)
    found = "\n".join([query.head, *sections(query, database, company)]) + "\n"
    if os.environ.get("DUELIST_UPDATE"):
        path.write_text(found)
    assert found == path.read_text()


def sections(query: Query, database: Database, company: Company) -> Iterator[str]:
    question = question_of(query, company.company_id)
    page = page_of(query, question)
    yield from sections_without_rows(query, question)
    members = ["customer"] if query.level == "group" else []
    analysis = query.analysis
    filters = [
        analysis.lowered,
        *(matching_rows(analysis, OF_SAMPLE, name) for name in (*members, "invoice", "payment")),
    ]
    counts = {filter_.root.entity.plural: count_statement(filter_, question) for filter_ in filters}
    with database.transaction(company.company_id, query.as_of) as connection:
        rows = connection.execute(page.sql.encode(), page.parameters).fetchall()
        found = {
            plural: connection.execute(count.sql.encode(), count.parameters).fetchall()[0][0]
            for plural, count in counts.items()
        }
    assert len(rows) == found[analysis.lowered.root.entity.plural]
    yield "--- rows\n" + ", ".join(f"{plural} {count}" for plural, count in found.items())
    if rows:
        yield " ".join([*(str(row[0]) for row in rows[:SHOWN]), *["…"] * (len(rows) > SHOWN)])


def sections_without_rows(query: Query, question: Question) -> Iterator[str]:
    analysis = query.analysis
    yield f"--- canonical\n{analysis.canonical}"
    yield f"--- english\n{english(analysis.lowered, query.as_of)}"
    if warnings := warn(analysis, several_currencies=True, past=query.as_of < DAY):
        yield "\n".join(["--- warnings", *(f"{warning.code}: {warning.message}" for warning in warnings)])
    yield f"--- sql\n{written(page_of(query, question))}"


def question_of(query: Query, company_id: int) -> Question:
    return Question(company_id, query.as_of, Relations.HISTORIC if query.as_of < DAY else Relations.KEPT)


def page_of(query: Query, question: Question) -> Statement:
    root = query.analysis.lowered.root
    always = {name: (root, root.entity.fields[name]) for name in ("source_id", "name")}
    return rows_statement(query.analysis.lowered, question, always | query.analysis.named_fields)


def written(statement: Statement) -> str:
    """The text as it is sent, its parameters below it; which company it is for changes from run to run."""
    sql = re.sub(r" *\n", "\n", re.sub(r"%\((\w+)\)s", r":\1", statement.sql))
    values = {name: value for name, value in statement.parameters.items() if name != "company"}
    return "\n".join([sql, *(f"  :{name} = {shown(value)}" for name, value in values.items())])


def shown(value: object) -> str:
    return repr(value) if isinstance(value, str | list) else str(value)


# ---------------------------------------------------------------- what the corpus is as a whole


@cache
def analyses() -> list[Analysis]:
    return [read(path).analysis for path in PATHS]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_canonical_text_means_the_same(path: Path) -> None:
    query = read(path)
    analysis = query.analysis
    again = analyze(analysis.canonical, OF_SAMPLE, level=query.level, parameters=query.params or {})
    assert (again.tree, again.canonical, again.lowered) == (analysis.tree, analysis.canonical, analysis.lowered)


def test_no_two_filters_read_the_same() -> None:
    sentences = [english(analysis.lowered, DAY) for analysis in analyses()]
    assert len(set(sentences)) == len(sentences)


def test_it_shows_every_form_of_the_language() -> None:
    nodes = [node for analysis in analyses() for node in ast_nodes(analysis.tree)]
    forms = {form for node in nodes for form in forms_of(node)}
    assert not every_form() - forms


def ast_nodes(part: object) -> Iterator[ast.Node]:
    if isinstance(part, tuple):
        for item in part:
            yield from ast_nodes(item)
    elif isinstance(part, ast.Node):
        yield part
        for name in part.__dataclass_fields__:
            yield from ast_nodes(getattr(part, name))


def forms_of(node: ast.Node) -> Iterator[str]:
    """What a node is an example of."""
    yield type(node).__name__
    if getattr(node, "negated", False):
        yield f"NOT {type(node).__name__}"
    match node:
        case ast.Comparison(operator) | ast.Arithmetic(operator):
            yield operator
        case ast.Block(quantifier, _, condition):
            yield quantifier if condition else f"{quantifier} alone"
        case ast.Has(_, quantifier, _, listed):
            yield f"HAS {quantifier}" if listed else "HAS"
        case ast.Aggregate(function):
            yield function
        case ast.Rolling(direction, _, unit):
            yield f"{direction} n {unit}"
        case ast.Calendar(which, unit):
            yield f"{which} {unit}"
        case ast.Today(offset):
            yield f"today {offset:+}"
        case ast.SortKey(descending=True):
            yield "DESC"
        case ast.Duration(_, unit):
            yield f"n {unit}"


def every_form() -> set[str]:
    kinds = {node.__name__ for node in (*get_args(ast.Condition), *get_args(ast.Operand))} - {"Duration"}
    units, calendar = get_args(ast.Unit), ("WEEK", "MONTH", "QUARTER", "YEAR")
    return {
        *kinds,
        *COMPARISONS,
        *("!=", "+", "-", "*", "/", "DESC", "today -1", "today +0", "today +1"),
        *("ANY", "NO", "ALL", "ANY alone", "NO alone", "HAS", "HAS ANY", "HAS ALL", "HAS NONE"),
        *("COUNT", "SUM", "AVG", "MIN", "MAX"),
        *(f"NOT {kind}" for kind in ("Comparison", "Between", "In", "InPeriod", "Has", "Missing")),
        *(f"{direction} n {unit}" for direction in ("LAST", "NEXT") for unit in units),
        *(
            f"{which} {unit}"
            for which in ("THIS", "LAST", "NEXT")
            for unit in calendar
            if (which, unit) != ("NEXT", "YEAR")
        ),
        *(f"n {unit}" for unit in units),
    }


def test_it_shows_every_entity_and_type() -> None:
    named = {
        (node.row.entity.name, node.type.kind)
        for analysis in analyses()
        for node in typed.nodes(analysis.checked.condition)
        if isinstance(node, typed.FieldOf)
    }
    assert {entity for entity, _ in named} == set(CATALOG.entities)
    assert {kind for _, kind in named} == set(Kind)


def test_most_filters_select_some_and_not_all() -> None:
    everyone = {"customers": sample.CUSTOMERS, "groups": sample.GROUPS}
    firsts = [re.search(r"--- rows\n(\w+) (\d+)", path.read_text()) for path in PATHS]
    telling = [found for found in firsts if found and 0 < int(found[2]) < everyone[found[1]]]
    assert len(telling) >= 0.95 * len(PATHS)
