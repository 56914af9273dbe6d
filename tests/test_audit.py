"""A second engine's opinion: DuckDB selects the same rows, by the same statement."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from app import audit, cli, companies, sample
from app.audit import NotAudited, Verdict, compare
from app.companies import Company
from app.database import Database
from app.imports import import_ledger
from app.kept import rebuild
from app.planner import refresh_statistics
from dsl import CATALOG, analyze
from dsl.catalog import CUSTOM
from dsl.checker import Level
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.typed import Filter
from tests.oracle.generate import random_filter
from tests.test_corpus import DAY, PATHS, read
from tests.worlds import FILTERS, FIRST_SEED, LEDGERS, Loaded, load

Audited = Callable[[Filter, Question], Verdict]


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The sample, of the day of the corpus."""
    folder = tmp_path_factory.mktemp("sample")
    sample.write_sample(folder, DAY)
    company = companies.create(database, "Sample", currency="EUR", country="DE", time_zone="Europe/Berlin")
    with database.transaction(company.company_id, write=True) as connection:
        import_ledger(connection, company, [folder])
        rebuild(connection, company.company_id, DAY)
    refresh_statistics(database)
    return company


@pytest.fixture(scope="module")
def audited(database: Database) -> Audited:
    def audited(filter_: Filter, question: Question) -> Verdict:
        assert question.company is not None
        with database.transaction(question.company, question.as_of) as connection:
            return compare(connection, filter_, question)

    return audited


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_corpus(company: Company, audited: Audited, path: Path) -> None:
    query = read(path)
    relations = Relations.HISTORIC if query.as_of < DAY else Relations.KEPT
    question = Question(company.company_id, query.as_of, relations)
    if CUSTOM in query.text:
        with pytest.raises(NotAudited, match="a field of your own"):
            audited(query.analysis.lowered, question)
        return
    verdict = audited(query.analysis.lowered, question)
    assert verdict.is_equal, verdict


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + LEDGERS // 3))
def loaded(request: pytest.FixtureRequest, database: Database) -> Loaded:
    return load(database, request.param)


@pytest.mark.parametrize("level", ["customer", "group"])
def test_random_filters(loaded: Loaded, audited: Audited, level: Level) -> None:
    rng = random.Random(f"audit {loaded.seed} {level}")
    for _ in range(FILTERS // 2):
        made = random_filter(rng, loaded.world, level, rng.randint(1, 4))
        filter_ = analyze(made.text, CATALOG, level=level, parameters=made.params).lowered
        verdict = audited(filter_, loaded.question)
        assert verdict.is_equal, f"{made.text} {made.params} {verdict}"


def test_a_difference_is_found(company: Company, audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question(company.company_id, DAY, Relations.KEPT)
    filter_ = analyze("customer.source_id STARTS WITH 'C00'", CATALOG).lowered
    everyone = audited(filter_, question).selected
    monkeypatch.setattr(audit, "_MACROS", ("starts_with(x, y) AS x = 'c0009'",))
    verdict = audited(filter_, question)
    assert not verdict.is_equal
    assert (len(verdict.only_postgresql), verdict.only_duckdb) == (everyone - 1, [])
    monkeypatch.setattr(audit, "_MACROS", ("starts_with(x, y) AS true",))
    assert "C0100" in audited(filter_, question).only_duckdb


def test_what_duckdb_cannot_compute_is_refused(company: Company, audited: Audited) -> None:
    question = Question(company.company_id, DAY, Relations.KEPT)
    product = " * ".join(["customer.open_invoices"] * 3 + ["123456789012345.6789"] * 2)
    with pytest.raises(NotAudited, match="DuckDB"):
        audited(analyze(f"{product} > 1", CATALOG).lowered, question)


def test_floating_point_is_refused(company: Company, audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_MACROS", ("exact(x) AS x::DOUBLE",))
    question = Question(company.company_id, DAY, Relations.KEPT)
    with pytest.raises(NotAudited, match="floating point"):
        audited(analyze("customer.balance_total * 2 > 1", CATALOG).lowered, question)


# ---------------------------------------------------------------- numbers


def test_numbers_are_as_postgresql_has_them(database: Database) -> None:
    rng = random.Random("numbers")
    with database.owner() as connection, duckdb.connect() as duck:
        for macro in audit._MACROS:
            duck.execute(f"CREATE MACRO {macro}")
        for _ in range(300):
            x, y = (Decimal(rng.randint(-(10**9), 10**9)).scaleb(-rng.randint(0, 6)) for _ in range(2))
            y = y or Decimal(1)
            question = f"SELECT sign({x}), div({x}, {y}), div(2 * abs({x}) + abs({y}), 2 * abs({y}))"
            [theirs] = connection.execute(question.encode()).fetchall()
            assert duck.execute(question).fetchall() == [theirs], question


# ---------------------------------------------------------------- the command


def test_the_command(company: Company, database_url: str) -> None:
    run, given = CliRunner(), ["--company", company.name, "--as-of", str(DAY), "--format", "json"]
    environment = {"DUELIST_DATABASE_URL": database_url}
    answer = run.invoke(cli.app, ["audit", "customer.balance_overdue > 1000", *given], env=environment)
    found = json.loads(answer.stdout)
    assert (answer.exit_code, found["equal"], found["as_of"]) == (0, True, str(DAY))
    assert found["selected"] > 10
    said = run.invoke(cli.app, ["audit", "invoice.balance > 1", *given[:4]], env=environment).stdout
    assert "the same as DuckDB" in said


def test_the_command_lists_what_differs(company: Company, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_MACROS", ("starts_with(x, y) AS false",))
    asked = ["audit", "customer.source_id STARTS WITH 'C000'", "--company", company.name, "--as-of", str(DAY)]
    answer = CliRunner().invoke(cli.app, asked, env={"DUELIST_DATABASE_URL": database_url})
    assert answer.exit_code == 1
    assert "PostgreSQL  C0009" in answer.stdout
    assert "DuckDB disagrees" in answer.stdout
