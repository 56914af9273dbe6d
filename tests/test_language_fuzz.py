"""The whole line from a text to its SQL, English, JSON and reasons, on texts that are filters, nearly filters or none:
only `FilterError` comes out, it points into the text, and no text takes long.

DUELIST_TRIALS asks for more texts of each kind, DUELIST_SEED for others.
"""

import json
import os
import random
import re
import time
from collections import defaultdict
from datetime import date
from functools import cache

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from dsl import Analysis, FilterError, ast
from dsl.analysis import analyze
from dsl.checker import Level
from dsl.compiler import Question
from dsl.completer import complete
from dsl.diagnostics import Diagnostic, draw
from dsl.explainer import english
from dsl.formatter import format_filter
from dsl.frames import Relations
from dsl.known import known
from dsl.matching import matching_rows
from dsl.parser import Limits, parse
from dsl.parts import split
from dsl.pauses import Pauses, with_pauses
from dsl.reasons import reasons
from dsl.setwise import select_set
from dsl.statements import count_statement, render, rows_statement
from dsl.tree_json import from_json, to_json
from dsl.warnings import warn
from tests.test_corpus import OF_SAMPLE, PATHS, read
from tests.trees import conditions

TRIALS = int(os.environ.get("DUELIST_TRIALS", "60"))
SEED = int(os.environ.get("DUELIST_SEED", "11"))
DAY = date(2026, 6, 30)
LEVELS: tuple[Level, Level] = ("customer", "group")


def run_through(text: str, level: Level = "customer") -> bool:
    """Whether it is a filter."""
    try:
        analysis = analyze(text, OF_SAMPLE, level=level)
    except FilterError as wrong:
        problems = wrong.diagnostics
    else:
        check_accepted(text, analysis, level)
        return True
    assert problems
    for problem in problems:
        check_diagnostic(text, problem)
    return False


def check_accepted(text: str, analysis: Analysis, level: Level) -> None:
    for warning in warn(analysis, several_currencies=True, past=True, rated=("EUR",)):
        check_diagnostic(text, warning)
    check_texts(analysis, level)
    if not re.search(r"\$[a-z_]", text, re.IGNORECASE):
        check_statements(analysis)


def check_diagnostic(text: str, diagnostic: Diagnostic) -> None:
    assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text), diagnostic
    assert draw(text, diagnostic)
    for fix in diagnostic.fixes:
        assert 0 <= fix.span.start <= fix.span.end <= len(text), diagnostic
        assert fix.apply(text) != text, diagnostic


def check_texts(analysis: Analysis, level: Level) -> None:
    assert analysis.tree is not None
    canonical = analysis.canonical
    assert analyze(canonical, OF_SAMPLE, level=level, limits=WIDE).canonical == canonical
    assert english(analysis.lowered, DAY)
    assert format_filter(from_json(json.loads(json.dumps(to_json(analysis.tree))), WIDE)) == canonical
    split(analysis.tree)


WIDE = Limits(characters=40_000)  # canonical text may be longer than what was written


def check_statements(analysis: Analysis) -> None:
    question = Question(1, DAY, Relations.HISTORIC)
    selected = [with_pauses(analysis.lowered, OF_SAMPLE, pauses) for pauses in (Pauses.IGNORED, Pauses.HELD_BACK)]
    selected += [matching_rows(analysis, OF_SAMPLE, entity) for entity in ("invoice", "payment", "credit_note")]
    for filter_ in selected:
        key = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
        for statement in (rows_statement(filter_, question, key), count_statement(filter_, question)):
            assert statement.sql.count("company_id = %(company)s") >= 1
    assert render(select_set(analysis.checked, company=1, as_of=DAY, metrics_suffix="_as_of", historic=True)).sql
    known(analysis.checked)
    reasons(analysis, DAY)


# ---------------------------------------------------------------- texts that are filters, and nearly


@cache
def right() -> list[tuple[str, Level]]:
    return [(query.text, query.level) for query in map(read, PATHS)]


@cache
def words() -> dict[str, list[str]]:
    """All words of the corpus and of the catalog, and odd ones, by what they look like."""
    said = {word for text, _ in right() for word in tokens(text)}
    named = {f"{entity.name}.{field}" for entity in OF_SAMPLE.entities.values() for field in entity.fields}
    found: dict[str, list[str]] = defaultdict(list)
    for word in sorted(said | named | set(ODD)):
        found[form(word)].append(word)
    return found


def form(word: str) -> str:
    """A replacement of the same form is often still a filter."""
    return (
        "text" if word[0] in "'\"" else "number" if word[0].isdigit() else "name" if "." in word else word[:1].upper()
    )


ODD = (
    "\0", "\ud800", "\ufeff", "\u202e", "\u00a0", "🙂", "ﬁ", "İ", "'", '"', "''", "$", "$x", "--", ";", "/*", "\\", "%",
    "`",
    "10000-01-01", "0000-00-00", "2026-02-30", "1899-12-31", "2200-12-31", "99999999999999999999", "0." + "0" * 30,
    "1e999", "NaN", "Infinity", "0", "-", "0/0", "1_0", "1__0", "9" * 26, "200 YEARS", "73001 DAYS", "- 200 YEARS",
)  # fmt: skip


def tokens(text: str) -> list[str]:
    return re.findall(r"'(?:[^']|'')*'|\d{4}-\d\d-\d\d|[\w.$]+|[<>!]=|\S", text)


def mutated(chance: random.Random) -> tuple[str, Level]:
    text, level = chance.choice(right())
    found = tokens(text)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(7):
            case 0:
                found.insert(at, chance.choice(chance.choice([*words().values()])))
            case 1 | 2 | 3 if at < len(found):
                found[at] = chance.choice(words()[form(found[at])])
            case 4:
                del found[at : at + chance.randint(1, 3)]
            case 5:
                found[at:at] = found[at : at + chance.randint(1, 8)]
            case _:
                other = tokens(chance.choice(right())[0])
                start = chance.randrange(len(other))
                found[at:at] = other[start : start + chance.randint(1, 10)]
    return " ".join(found), level if chance.random() < 0.9 else chance.choice(LEVELS)


def test_a_mutated_filter_is_read_or_refused() -> None:
    chance = random.Random(SEED)
    accepted = sum(run_through(*mutated(chance)) for _ in range(3 * TRIALS))
    assert accepted > TRIALS / 5, "most were stopped at once"


def test_any_letters_are_read_or_refused() -> None:
    """Letters of a filter changed, rather than words."""
    chance = random.Random(SEED)
    for _ in range(TRIALS):
        text, level = chance.choice(right())
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice((*ODD, *"()<>=!.,'\"aZ09 \n\t")) + text[at + chance.randint(0, 2) :]
        run_through(text, level)
        assert complete(text, chance.randrange(len(text) + 1), OF_SAMPLE, level).items is not None


# ---------------------------------------------------------------- of the grammar

NAMES = ("balance", "due_date", "date", "kind", "status", "last", "by", "_x1", "android")
FIELDS = st.sampled_from(
    [f"{entity.name}.{field}" for entity in OF_SAMPLE.entities.values() for field in entity.fields]
)


@seed(SEED)
@settings(max_examples=TRIALS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(conditions, st.lists(FIELDS, min_size=4, max_size=4), st.sampled_from(LEVELS))
def test_whatever_the_grammar_allows_is_read_or_refused(tree: ast.Condition, fields: list[str], level: Level) -> None:
    """With fields that there are in place of its own names, so that some of it comes through the checker."""
    text = format_filter(tree)
    run_through(text, level)
    pattern = re.compile(rf"\b(?:(?:customer|invoice)\.)?(?:{'|'.join(NAMES)})\b(?!\.|'|\()")
    numbered = iter(range(10**6))
    run_through(pattern.sub(lambda _: fields[next(numbered) % len(fields)], text), level)


@seed(SEED)
@settings(max_examples=TRIALS, deadline=None, database=None)
@given(st.text(max_size=60), st.sampled_from(LEVELS))
def test_any_text_is_read_or_refused(text: str, level: Level) -> None:
    run_through(text, level)
    run_through(f"customer.name = {text}", level)
    run_through("customer.name = '" + text.replace("'", "''") + "'", level)


# ---------------------------------------------------------------- long ones

LONG = {
    "brackets": "(" * 20_000,
    "brackets within the limit": "(" * 9_999,
    "pairs": "(" * 4_000 + "customer.strike = 1" + ")" * 4_000,
    "closing": ")" * 9_999,
    "not": "NOT " * 2_400 + "customer.chasing_paused",
    "or": "customer.strike = 1" + " OR customer.strike = 1" * 5_000,
    "or within the limit": "customer.strike = 1" + " OR customer.strike = 1" * 430,
    "two hundred": " OR ".join(f"invoice.balance > {number}" for number in range(200)),
    "two hundred mixed": " AND ".join(["(customer.strike = 1 OR invoice.balance > 1)"] * 100),
    "not of many": "NOT (" + " OR ".join(["(invoice.balance > 1 AND invoice.amount > 2)"] * 99) + ")",
    "wrong names": " AND ".join(f"customer.balnce_{number} = 1" for number in range(199)),
    "minus": "invoice.balance > " + "-" * 9_900 + "1",
    "plus": "invoice.balance > " + "1+" * 4_900 + "1",
    "times": "invoice.balance > " + "9*" * 4_900 + "1",
    "a list": "customer.rating IN (" + "'A'," * 2_400 + "'A')",
    "a list of fields": "invoice.balance IN (" + "balance," * 900 + "1)",
    "a thousand parameters": "customer.name IN (" + ",".join(f"$x{number}" for number in range(1_000)) + ")",
    "sort keys": "FIRST(invoice.balance BY " + "balance," * 1_200 + "balance) > 1",
    "blocks": "ANY invoice (" * 700 + "balance > 1" + ")" * 700,
    "open blocks": "ANY invoice (" * 750,
    "open counts": "COUNT(invoice WHERE " * 450,
    "quotes": "'" * 9_999,
    "double quotes": '"' * 9_999,
    "digits": "9" * 9_999,
    "underscores": "9_" * 4_999,
    "points": "x." * 4_999 + "x",
    "a long name": "customer." + "x" * 9_900 + " = 1",
    "a long choice": "customer.rating = '" + "x" * 9_900 + "'",
    "a long segment": "customer IN SEGMENT '" + "x" * 9_900 + "'",
    "words": "x " * 4_999,
    "between": "customer.strike BETWEEN " * 400,
    "and": "and " * 2_490,
    "spaces": " " * 9_999,
    "spans": "invoice.due_date > today " + "+ 200 YEARS" * 25,
    "lines": "\n" * 9_900 + "customer.strike = 1 AND x",
    "errors": "customer.strike = ! " * 490,
}


@pytest.mark.parametrize("case", LONG)
def test_no_text_takes_long(case: str) -> None:
    """Most take hundredths of a second; a minute of quadratic work must not hide here."""
    began = time.process_time()
    run_through(LONG[case])
    complete(LONG[case], len(LONG[case]), OF_SAMPLE)
    assert time.process_time() - began < 10


def test_parts_of_the_limits_are_told_as_such() -> None:
    for case in ("brackets", "not", "or", "or within the limit", "plus", "a list", "blocks"):
        with pytest.raises(FilterError) as refused:
            parse(LONG[case])
        assert {problem.code for problem in refused.value.diagnostics} == {"too-large"}, case
