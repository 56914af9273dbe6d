"""Every emitted statement, read by a parser that knows nothing of the compiler: no relation without its company."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from dsl import CATALOG, Analysis, analyze, everyone
from dsl.checker import Level
from dsl.compiler import Order, Question, Seen
from dsl.frames import Relations
from dsl.matching import matching_rows
from dsl.statements import Statement, count_statement, rows_statement
from tests.oracle.generate import random_case, random_filter
from tests.oracle.metrics import TO_MANY
from tests.test_corpus import OF_SAMPLE, PATHS, read
from tests.worlds import OWN_CATALOG

DAY = date(2026, 11, 21)
FILTERS = 60
TODAY, BEFORE = Question(7, DAY, Relations.KEPT), Question(7, DAY, Relations.HISTORIC)

TO_MANY_RELATIONS = {
    name for entity in TO_MANY for name in (CATALOG.entities[entity].relation, CATALOG.entities[entity].historic)
}
# The clock, chance, and settings that the database would have to look up by itself.
UNSETTLED = re.compile(r"\b(now|current_\w+|localtime\w*|clock_timestamp|random|setseed|nextval)\b", re.I)


# ---------------------------------------------------------------- the lint


@cache
def parsed(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, dialect="postgres")


def faults(sql: str) -> list[str]:
    found = [f"reads {word}" for word in UNSETTLED.findall(sql)]
    for select in parsed(sql).find_all(exp.Select):
        found += faults_of(select)
    return found


def faults_of(select: exp.Select) -> Iterator[str]:
    start, joins = select.args.get("from_"), select.args.get("joins") or []
    if select.args.get("with_"):
        yield "has a WITH"
    tied = set(ties(select, joins))
    for source in [*([start.this] if start else []), *(join.this for join in joins)]:
        if isinstance(source, exp.Subquery) and source.this.args.get("from_"):
            continue  # read on its own
        if not isinstance(source, exp.Table):
            yield f"reads from {source.sql()}"
        elif source.alias_or_name not in tied:
            yield f"{source.alias_or_name} is not tied to the company"
    around = select.parent_select
    near = {*aliases(select), *(aliases(around) if around else ())}
    for column in select.find_all(exp.Column):
        if column.parent_select is select and column.table and column.table not in near:
            yield f"refers to {column.table} across two levels"
    for join in joins:
        if not join.args.get("on") or join.kind == "CROSS":
            yield f"joins {join.this.alias_or_name} without a condition"
        if join.this.name in TO_MANY_RELATIONS:
            yield f"joins {join.this.name}, of which there are many"


def aliases(select: exp.Select) -> set[str]:
    start = select.args.get("from_")
    sources = [*([start.this] if start else []), *(join.this for join in select.args.get("joins") or [])]
    return {source.alias_or_name for source in sources}


def ties(select: exp.Select, joins: list[exp.Join]) -> Iterator[str]:
    """The aliases whose company_id must equal the parameter: by a term that stands alone, not under OR or NOT."""
    where = select.args.get("where")
    for condition in [*([where.this] if where else []), *(join.args["on"] for join in joins if join.args.get("on"))]:
        for term in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            match term:
                case exp.EQ(this=exp.Column(name="company_id") as column, expression=value) if is_company(value):
                    yield column.table


def is_company(value: exp.Expression) -> bool:
    value = value.this if isinstance(value, exp.Cast) else value
    return isinstance(value, exp.Placeholder) and value.name == "company"


def literals(sql: str) -> set[str]:
    return {literal.sql() for literal in parsed(sql).find_all(exp.Literal)}


@cache
def literals_of_the_catalog() -> set[str]:
    """Those in the definitions of the fields, as in `status NOT IN ('void', 'closed')`."""
    asked = [
        (f"{entity.name}.{name} IS MISSING", catalog)
        for catalog in (OF_SAMPLE, OWN_CATALOG)
        for entity in catalog.entities.values()
        for name in entity.fields
    ]
    statements = (
        count_statement(analyze(text, catalog).lowered, question)
        for text, catalog in asked
        for question in (TODAY, BEFORE)
    )
    of_sums = {"'NaN'"}  # what an amount without a rate counts as
    of_letter_case = {"'\u03c2'", "'\u03c3'"}  # a final sigma, and any other
    of_fields = {literal for statement in statements for literal in literals(statement.sql)}
    return of_sums | of_letter_case | of_fields


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("SELECT 1 FROM customer AS c", "c is not tied to the company"),
        ("SELECT 1 FROM customer AS c WHERE c.company_id = 7", "c is not tied to the company"),
        ("SELECT 1 FROM customer AS c WHERE c.company_id = %(other)s", "c is not tied to the company"),
        ("SELECT 1 FROM customer AS c WHERE c.company_id = %(company)s OR c.id = 1", "c is not tied to the company"),
        ("SELECT 1 FROM customer AS c WHERE NOT c.company_id = %(company)s", "c is not tied to the company"),
        (
            "SELECT 1 FROM customer AS c JOIN customer_group AS g ON g.id = c.group_id"
            " WHERE c.company_id = %(company)s",
            "g is not tied to the company",
        ),
        (
            "SELECT 1 FROM customer AS c WHERE c.company_id = %(company)s::bigint"
            " AND EXISTS (SELECT 1 FROM invoice AS i WHERE i.company_id = c.company_id AND i.customer_id = c.id)",
            "i is not tied to the company",
        ),
        (
            "SELECT 1 FROM customer AS c WHERE c.company_id = %(company)s"
            " AND c.id IN (SELECT i.customer_id FROM invoice AS i GROUP BY 1 HAVING i.company_id = %(company)s)",
            "i is not tied to the company",
        ),
        (
            "SELECT 1 FROM customer AS c, company AS o WHERE c.company_id = %(company)s AND o.company_id = %(company)s",
            "joins o without a condition",
        ),
        (
            "SELECT 1 FROM customer AS c CROSS JOIN company AS o"
            " WHERE c.company_id = %(company)s AND o.company_id = %(company)s",
            "joins o without a condition",
        ),
        (
            "SELECT 1 FROM customer AS c JOIN invoice AS i ON i.company_id = %(company)s AND i.customer_id = c.id"
            " WHERE c.company_id = %(company)s",
            "joins invoice, of which there are many",
        ),
        (
            "SELECT 1 FROM customer AS c WHERE c.company_id = %(company)s AND EXISTS (SELECT 1 FROM invoice AS i"
            " WHERE i.company_id = %(company)s AND i.customer_id = c.id AND EXISTS (SELECT 1 FROM payment AS p"
            " WHERE p.company_id = %(company)s AND p.customer_id = c.id))",
            "refers to c across two levels",
        ),
        ("SELECT 1 FROM (SELECT 1) AS x", "reads from (SELECT 1) AS x"),
        ("SELECT now()", "reads now"),
        ("SELECT CURRENT_DATE", "reads CURRENT_DATE"),
        ("SELECT current_setting('app.as_of')", "reads current_setting"),
    ],
)
def test_the_lint_finds(sql: str, fault: str) -> None:
    assert fault in faults(sql)


# ---------------------------------------------------------------- what is emitted


def statements(analysis: Analysis, question: Question) -> Iterator[Statement]:
    """The count, the page and the matching rows."""
    yield count_statement(analysis.lowered, question)
    yield rows_statement(analysis.lowered, question, analysis.named_fields, after=Seen("C1"), limit=50)
    for row, field in [*analysis.named_fields.values()][:1]:
        order, last = Order(row, field), Seen("C1", "0")
        yield rows_statement(analysis.lowered, question, analysis.named_fields, order=order, after=last, limit=50)
    for entity in ("invoice", "payment"):
        yield count_statement(matching_rows(analysis, analysis.catalog, entity), question)


def check(analysis: Analysis, question: Question) -> None:
    for statement in statements(analysis, question):
        assert not faults(statement.sql), f"{analysis.text}\n{statement.sql}"
        assert literals(statement.sql) <= literals_of_the_catalog(), f"{analysis.text}\n{statement.sql}"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_corpus(path: Path) -> None:
    query = read(path)
    check(query.analysis, replace(BEFORE if query.as_of < DAY else TODAY, as_of=query.as_of))


@pytest.mark.parametrize("level", ["customer", "group"])
def test_random_filters(level: Level) -> None:
    rng = random.Random(f"lint {level}")
    world = random_case(rng, DAY).own_world()
    for number in range(FILTERS):
        made = random_filter(rng, world, level, rng.randint(1, 4))
        check(analyze(made.text, OWN_CATALOG, level=level, parameters=made.params), BEFORE if number % 2 else TODAY)


@pytest.mark.parametrize("level", ["customer", "group"])
@pytest.mark.parametrize("question", [TODAY, BEFORE])
def test_everyone(level: Level, question: Question) -> None:
    check(everyone(CATALOG, level), question)
