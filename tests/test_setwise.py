"""The second translation against the evaluator and the compiler: no two of the three share code."""

import os
import random
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app.companies import Company
from app.database import Database
from dsl import CATALOG, Analysis, analyze, everyone
from dsl.checker import Level
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.setwise import select_set
from dsl.statements import Statement, render, rows_statement
from dsl.typed import Filter
from tests.oracle.evaluator import matches
from tests.oracle.generate import random_filter
from tests.test_corpus import DAY, PATHS, load_sample, read
from tests.test_imports import make_company
from tests.worlds import FIRST_SEED, Loaded, load

LEDGERS = int(os.environ.get("DUELIST_LEDGERS", "10"))
FILTERS = int(os.environ.get("DUELIST_FILTERS", "40"))


def ids_statement(filter_: Filter, question: Question) -> Statement:
    assert question.company is not None
    return render(
        select_set(
            filter_,
            company=question.company,
            as_of=question.as_of,
            metrics_suffix=question.relations.value,
            historic=question.relations is Relations.HISTORIC,
        )
    )


def run(database: Database, question: Question, statement: Statement) -> list[tuple[Any, ...]]:
    assert question.company is not None
    with database.transaction(question.company, question.as_of) as connection:
        return connection.execute(statement.sql.encode(), statement.parameters).fetchall()


def setwise(database: Database, question: Question, filter_: Filter) -> list[str]:
    """Source ids, by which the evaluator knows them; whoever is selected twice shows twice."""
    statement = ids_statement(filter_, question)
    named = f"SELECT source_id FROM ({statement.sql}) AS found JOIN {filter_.root.entity.relation} USING (id)"
    return sorted(row[0] for row in run(database, question, Statement(named, statement.parameters)))


def compiled(database: Database, question: Question, filter_: Filter) -> list[str]:
    key = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
    return sorted(row[0] for row in run(database, question, rows_statement(filter_, question, key)))


# ---------------------------------------------------------------- random ledgers, random filters


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + LEDGERS))
def loaded(request: pytest.FixtureRequest, database: Database) -> Loaded:
    return load(database, request.param)


@pytest.mark.parametrize("level", ["customer", "group"])
def test_it_selects_what_the_evaluator_and_the_compiler_select(loaded: Loaded, level: Level) -> None:
    rng = random.Random(f"{loaded.seed} {level} setwise")
    for _ in range(FILTERS // 2):
        made = random_filter(rng, loaded.world, level, rng.randint(1, 5))
        analysis = analyze(made.text, CATALOG, level=level, parameters=made.params)
        expected = sorted(matches(made.tree, loaded.world, level, made.params))
        for question in questions(loaded):
            shown = f"{made.text} {made.params} on {question.relations.name}"
            assert setwise(loaded.database, question, analysis.checked) == expected, shown
            assert compiled(loaded.database, question, analysis.lowered) == expected, shown


def questions(loaded: Loaded) -> list[Question]:
    """The live metrics hold for the company's today too."""
    asked = loaded.question
    live = Question(asked.company, asked.as_of, Relations.LIVE)
    return [asked, live] if asked.relations is Relations.KEPT else [asked]


def test_everyone_is_everyone_once(loaded: Loaded) -> None:
    found = setwise(loaded.database, loaded.question, everyone(CATALOG).checked)
    assert found == sorted(customer.source_id for customer in loaded.world.ledger.customers.values())


# ---------------------------------------------------------------- the corpus


@pytest.fixture(scope="module")
def sample(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    return load_sample(database, tmp_path_factory.mktemp("sample"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_selects_what_the_compiler_selects(database: Database, sample: Company, path: Path) -> None:
    query = read(path)
    relations = [Relations.HISTORIC] if query.as_of < DAY else [Relations.KEPT, Relations.LIVE]
    for each in relations:
        question = Question(sample.company_id, query.as_of, each)
        expected = compiled(database, question, query.analysis.lowered)
        assert setwise(database, question, query.analysis.checked) == expected


# ---------------------------------------------------------------- what neither may leave to chance


FILES = {
    "groups": "source_id\nG\nH\nE\n",
    "customers": "source_id,group,rating,credit_limit\nA,G,A,100\nB,G,D,100\nC,H,D,\nD,,D,\n",
    "invoices": (
        "source_id,customer_id,issue_date,due_date,amount,currency\n"
        "b1,B,2026-01-01,2026-02-01,2000,EUR\nb2,B,2026-01-01,,100,EUR\nc1,C,2026-01-01,2026-02-01,100,EUR\n"
    ),
    "credit_notes": (
        "source_id,customer_id,issue_date,amount,currency\n"
        "a3,A,2026-01-01,0.0001,USD\na4,A,2026-01-01,0.0001,USD\nb3,B,2026-01-01,-0.0003,USD\n"
        "c3,C,2026-01-01,1,EUR\nc4,C,2026-01-01,1,JPY\n"
    ),
    "fx_rates": "currency,date,rate\nUSD,2026-01-01,0.3\nUSD,2026-01-02,0.5\nUSD,2190-01-01,9\nJPY,2190-01-01,1\n",
    "payments": "source_id,customer_id,date,amount\nc2,C,2026-01-05,7\n",
}
"""B has two invoices and no payment, C one of each, A and D nothing; D is in no group, E has no members."""


@pytest.fixture(scope="module")
def few(database: Database) -> Question:
    company = make_company(database)
    company.load(FILES)
    return Question(company.company_id, company.today, Relations.LIVE)


@pytest.mark.parametrize(
    ("level", "filter", "found"),
    [
        ("customer", "ALL invoice (balance > 100)", ""),
        ("customer", "ALL invoice (balance >= 100)", "B C"),
        ("customer", "NO invoice (balance > 100)", "A C D"),
        ("customer", "invoice.balance >= 100 AND payment.amount > 0 OR customer.rating = 'A'", "A C"),
        ("customer", "(invoice.balance > 1000 OR payment.amount > 0) AND invoice.due_date IS MISSING", ""),
        ("customer", "invoice.balance = 100 OR payment.amount > 0 OR invoice.due_date IS MISSING", "B C"),
        ("customer", "invoice.balance > customer.credit_limit", "B"),
        ("customer", "invoice.balance < AVG(invoice.balance)", "B"),
        ("customer", "invoice.due_date NOT IN NEXT 7 DAYS AND invoice.balance = 100", "B C"),
        ("customer", "customer.credit_limit NOT IN (100, 200)", "C D"),
        ("customer", "group.source_id != 'G'", "C D"),
        ("customer", "NOT (invoice.balance = 100 AND payment.amount > 0)", "A B D"),
        ("customer", "1 / COUNT(invoice) IS MISSING", "A D"),
        ("customer", "SUM(invoice.balance) / COUNT(invoice) = 1050", "B"),
        ("customer", "SUM(invoice.balance) / 3 * 3 = 2100", "B"),
        ("customer", "FIRST(invoice.balance BY due_date DESC) = 2000", "B"),
        ("customer", "SUM(credit_note.amount) = 0.0002", "A"),  # 0.00005 + 0.00005, each rounded up
        ("customer", "credit_note.amount = -0.0002 EUR", "B"),  # half away from zero
        ("customer", "credit_note.amount > 0.9 EUR", "C"),
        ("customer", "SUM(credit_note.amount) IS MISSING", "C"),  # JPY has no rate yet
        ("customer", "SUM(credit_note.amount WHERE currency = 'EUR') = 0", "A B D"),
        ("customer", "AVG(invoice.balance) / 3 = 350", "B"),
        ("customer", "today + 9000000 < today", ""),
        ("group", "customer.rating = 'A' AND invoice.balance > 0", ""),
        ("group", "customer.rating = 'D' AND NO payment", "G"),
        ("group", "NOT invoice.balance > 0", "E"),
        ("group", "ANY customer (NOT invoice.balance > 0)", "G"),
        ("group", "ALL customer (invoice.balance >= 100 AND payment.amount > 0)", "H"),
        ("group", "COUNT(customer WHERE invoice.balance > 0 OR rating = 'A') = 2", "G"),
        ("group", "NO customer OR invoice.balance > 1000", "E G"),
        ("group", "COUNT(invoice) > COUNT(customer)", ""),
    ],
)
def test_by_hand(database: Database, few: Question, level: Level, filter: str, found: str) -> None:
    analysis = analyze(filter, CATALOG, level=level)
    assert " ".join(setwise(database, few, analysis.checked)) == found
    assert " ".join(compiled(database, few, analysis.lowered)) == found


@pytest.mark.parametrize("relations", [Relations.LIVE, Relations.HISTORIC])
def test_no_relation_is_read_without_its_company(relations: Relations) -> None:
    for path in PATHS:
        query = read(path)
        sql = ids_statement(query.analysis.checked, Question(1, query.as_of, relations)).sql
        read_as = {alias or name for name, alias in RELATION.findall(sql) if not name.startswith("anon_")}
        assert not {name for name in read_as if f"{name}.company_id = %(company)s" not in sql}, path.stem


RELATION = re.compile(r"(?:FROM|JOIN) (\w+)(?: AS (\w+))?")


# ---------------------------------------------------------------- what it refuses


def test_it_takes_no_unbound_parameter_and_no_lowered_filter() -> None:
    question = Question(1, date(2026, 1, 1), Relations.KEPT)
    unbound: Analysis = analyze("customer.strike > $n", CATALOG)
    lowered = analyze("invoice.balance > 0", CATALOG).lowered
    for filter_ in (unbound.checked, lowered):
        with pytest.raises(TypeError):
            ids_statement(filter_, question)
