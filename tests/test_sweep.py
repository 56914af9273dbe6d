"""A sweep over all companies against each company's own answer, and its statements against the rules they obey."""

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import sql
from sqlglot import exp
from typer.testing import CliRunner

from app import cli
from app.database import Connection, Database
from app.planner import refresh_statistics
from app.queries import Dated
from app.sweep import SweepRefused, counted, see_everything, source_ids, sweep
from dsl import CATALOG, Analysis, analyze, everyone
from dsl.checker import Level
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.statements import count_statement, rows_statement
from dsl.typed import Filter
from tests.collisions import collide
from tests.oracle.generate import random_case, random_filter
from tests.test_corpus import PATHS, read
from tests.test_sql_lint import parsed
from tests.worlds import FILTERS, FIRST_SEED, TODAY, Loaded, load

COMPANIES = 5
DAYS = {Relations.LIVE: TODAY, Relations.HISTORIC: TODAY - timedelta(days=45)}


@pytest.fixture(scope="module")
def ledgers(database: Database) -> list[Loaded]:
    loaded = [load(database, seed) for seed in range(FIRST_SEED, FIRST_SEED + COMPANIES)]
    for ledger in loaded:
        collide(database, ledger.company_id, ledger.case.today)
    refresh_statistics(database)
    return loaded


@pytest.fixture(scope="module", params=DAYS, ids=lambda relations: relations.name.lower())
def question(request: pytest.FixtureRequest) -> Question:
    return Question(None, DAYS[request.param], request.param)


@pytest.fixture(scope="module")
def everything(database: Database, ledgers: list[Loaded], question: Question) -> Iterator[Connection]:  # noqa: ARG001
    with database.owner() as connection:
        see_everything(connection, question.as_of)
        yield connection


def of_each(ledgers: list[Loaded], filter_: Filter, question: Question) -> dict[int, list[str]]:
    """What every company is answered by itself, where there is anything."""
    found = {}
    key = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
    for ledger in ledgers:
        own = Question(ledger.company_id, question.as_of, question.relations)
        statement = rows_statement(filter_, own, key)
        with ledger.database.transaction(ledger.company_id, question.as_of) as connection:
            if rows := connection.execute(statement.sql.encode(), statement.parameters).fetchall():
                found[ledger.company_id] = [str(row[0]) for row in rows]
    return found


def test_ids_are_in_several_companies(everything: Connection) -> None:
    for table in ("customer", "customer_group", "invoice", "payment"):
        shared = sql.SQL("SELECT max(companies) FROM (SELECT count(*) companies FROM {} GROUP BY id) ids")
        [(companies,)] = everything.execute(shared.format(sql.Identifier(table))).fetchall()
        assert int(str(companies)) > 1, table


@pytest.mark.parametrize("level", ["customer", "group"])
def test_a_sweep_is_what_each_company_is_answered(
    ledgers: list[Loaded], everything: Connection, question: Question, level: Level
) -> None:
    rng = random.Random(f"sweep {question.relations} {level}")
    telling = 0
    for number in range(FILTERS):
        made = random_filter(rng, ledgers[number % len(ledgers)].world, level, rng.randint(1, 4))
        filter_ = analyze(made.text, CATALOG, level=level, parameters=made.params).lowered
        expected = of_each(ledgers, filter_, question)
        assert source_ids(everything, filter_, question) == expected, f"{made.text} {made.params}"
        counts = {company: len(ids) for company, ids in expected.items()}
        assert counted(everything, filter_, question) == counts, f"{made.text} {made.params}"
        telling += len({len(ids) for ids in expected.values()}) > 1
    assert telling > FILTERS / 10


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_corpus(ledgers: list[Loaded], everything: Connection, question: Question, path: Path) -> None:
    filter_ = read(path).analysis.lowered
    assert source_ids(everything, filter_, question) == of_each(ledgers, filter_, question)


def test_the_whole_of_it(database: Database, ledgers: list[Loaded]) -> None:
    asked = Dated(filter="", match_all=True, as_of=TODAY)
    swept = sweep(database, asked, with_rows=True)
    assert swept.source_ids is not None
    assert swept.as_of == TODAY
    assert swept.counts == {ledger.case.company.name: len(ledger.world.ledger.customers) for ledger in ledgers}
    assert {name: len(ids) for name, ids in swept.source_ids.items()} == swept.counts
    assert sweep(database, asked).source_ids is None


def test_a_role_that_sees_one_company_is_refused(database: Database) -> None:
    with database.owner() as connection:
        connection.execute("SET LOCAL ROLE duelist_app")
        with pytest.raises(SweepRefused, match="BYPASSRLS"):
            see_everything(connection, TODAY)


def test_the_command(ledgers: list[Loaded], database_url: str) -> None:
    run, environment = CliRunner(), {"DUELIST_DATABASE_URL": database_url}
    asked = ["sweep", "", "--match-all", "--as-of", str(TODAY), "--format"]
    counts = {ledger.case.company.name: len(ledger.world.ledger.customers) for ledger in ledgers}
    answer = run.invoke(cli.app, [*asked, "json"], env=environment)
    assert answer.exit_code == 0
    assert {line["company"]: line["count"] for line in json.loads(answer.stdout)["companies"]} == counts
    header, *lines = run.invoke(cli.app, [*asked, "csv", "--rows"], env=environment).stdout.splitlines()
    assert (header, len(lines)) == ("company,source_id", sum(counts.values()))
    total = f"{sum(counts.values())} customers of {COMPANIES} companies as of {TODAY}"
    assert total in run.invoke(cli.app, [*asked, "table"], env=environment).stdout
    nobody = run.invoke(cli.app, ["sweep", "customer.name = 'nobody'", "--as-of", str(TODAY)], env=environment)
    assert nobody.exit_code == 1


# ---------------------------------------------------------------- the lint


def faults(statement: str) -> list[str]:
    return [fault for select in parsed(statement).find_all(exp.Select) for fault in faults_of(select)]


def faults_of(select: exp.Select) -> Iterator[str]:
    """Each company is that of another relation at hand, or compared in a tuple."""
    own, around = aliases(select), aliases(parent_of(select))
    tied = set(reached(ties(select), around))
    if not around or compared(select, [*around, *aliases(parent_of(parent_of(select)))]):
        tied |= set(reached(ties(select), own[:1]))
    yield from (f"{alias} is not tied to a company" for alias in own if alias not in tied)
    yield from (f"refers to {column.table}" for column in columns(select) if column.table not in (*own, *around))
    if any(placeholder.name == "company" for placeholder in select.find_all(exp.Placeholder)):
        yield "names a company"


def columns(select: exp.Select) -> Iterator[exp.Column]:
    return (column for column in select.find_all(exp.Column) if column.parent_select is select and column.table)


def parent_of(select: exp.Select | None) -> exp.Select | None:
    return select.parent_select if select else None


def aliases(select: exp.Select | None) -> list[str]:
    """The first one is what the SELECT is from."""
    start = select and select.args.get("from_")
    joins = (select and select.args.get("joins")) or []
    return [source.alias_or_name for source in [*([start.this] if start else []), *(join.this for join in joins)]]


def ties(select: exp.Select) -> list[tuple[str, str]]:
    """Pairs of relations whose companies must be equal, by a term that stands alone."""
    where = select.args.get("where")
    joins = select.args.get("joins") or []
    conditions = [*([where.this] if where else []), *(join.args["on"] for join in joins if join.args.get("on"))]
    terms = [term for found in conditions for term in (found.flatten() if isinstance(found, exp.And) else [found])]
    return [
        (term.this.table, term.expression.table)
        for term in terms
        if isinstance(term, exp.EQ) and is_company(term.this) and is_company(term.expression)
    ]


def is_company(value: exp.Expression) -> bool:
    return isinstance(value, exp.Column) and value.name == "company_id"


def reached(pairs: list[tuple[str, str]], start: list[str]) -> list[str]:
    found = list(start)
    for alias in found:
        for one, other in pairs:
            if alias in (one, other):
                found += [end for end in (one, other) if end not in found]
    return found


def compared(select: exp.Select, around: list[str]) -> bool:
    """`(c.company_id, c.id) IN (SELECT x.company_id, x.customer_id …)`, grouped by both if at all."""
    subject = select.find_ancestor(exp.In)
    group = select.args.get("group")
    return (
        subject is not None
        and subject.args.get("query") is not None
        and select in (subject.args["query"], subject.args["query"].this)
        and isinstance(subject.this, exp.Tuple)
        and is_company(subject.this.expressions[0])
        and subject.this.expressions[0].table in around
        and is_company(select.expressions[0])
        and (group is None or is_company(group.expressions[0]))
    )


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SELECT 1 FROM customer c JOIN customer_group g ON g.id = c.group_id", "g is not tied to a company"),
        ("SELECT 1 FROM customer c WHERE EXISTS (SELECT 1 FROM invoice i WHERE i.customer_id = c.id)",
         "i is not tied to a company"),
        ("SELECT 1 FROM customer c WHERE EXISTS (SELECT 1 FROM invoice i WHERE i.company_id = c.company_id OR true)",
         "i is not tied to a company"),
        ("SELECT 1 FROM customer c WHERE c.id IN (SELECT i.customer_id FROM invoice i GROUP BY i.customer_id)",
         "i is not tied to a company"),
        ("SELECT 1 FROM customer c WHERE (c.company_id, c.id) IN"
         " (SELECT i.company_id, i.customer_id FROM invoice i GROUP BY i.customer_id)", "i is not tied to a company"),
        ("SELECT 1 FROM customer c WHERE c.company_id = %(company)s", "names a company"),
        ("SELECT 1 FROM customer c WHERE EXISTS (SELECT 1 FROM invoice i WHERE i.company_id = c.company_id AND EXISTS"
         " (SELECT 1 FROM payment p WHERE p.company_id = i.company_id AND p.customer_id = c.id))", "refers to c"),
    ],
)  # fmt: skip
def test_the_lint_finds(statement: str, fault: str) -> None:
    assert fault in faults(statement)


def check(analysis: Analysis, question: Question) -> None:
    for statement in (
        count_statement(analysis.lowered, question),
        rows_statement(analysis.lowered, question, analysis.named_fields),
    ):
        assert not faults(statement.sql), f"{analysis.text}\n{statement.sql}"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_statements_of_the_corpus(question: Question, path: Path) -> None:
    check(read(path).analysis, question)


@pytest.mark.parametrize("level", ["customer", "group"])
def test_statements_of_random_filters(question: Question, level: Level) -> None:
    rng = random.Random(f"swept {level}")
    world = random_case(rng, TODAY).world()
    check(everyone(CATALOG, level), question)
    for _ in range(FILTERS):
        made = random_filter(rng, world, level, rng.randint(1, 4))
        check(analyze(made.text, CATALOG, level=level, parameters=made.params), question)
