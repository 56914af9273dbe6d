"""Text to tree: every form of the language, exact spans, and no text that does more than raise a `FilterError`."""

import random
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl import FilterError, ast, parser
from dsl.ast import (
    Aggregate,
    And,
    Arithmetic,
    Bare,
    Between,
    Block,
    Calendar,
    Comparison,
    Day,
    Duration,
    First,
    Flag,
    Has,
    In,
    InPeriod,
    Missing,
    Money,
    Name,
    Negative,
    Not,
    Number,
    Or,
    Parameter,
    Percent,
    Rolling,
    SortKey,
    Text,
    Today,
)  # fmt: skip
from dsl.diagnostics import Diagnostic, Span
from dsl.parser import Limits, parse, parse_pieces, walk

X, Y = Name("a", "x"), Name("a", "y")
ONE, TWO = Number(Decimal(1)), Number(Decimal(2))
P, Q, R = Bare(X), Bare(Y), Bare(Name("b", "z"))
IS_OPEN = Bare(Name(None, "is_open"))
WITH_FORM = [
    # comparisons
    ("a.x = 1", Comparison("=", X, ONE)),
    ("a.x != 1", Comparison("!=", X, ONE)),
    ("a.x < 1", Comparison("<", X, ONE)),
    ("a.x <= 1", Comparison("<=", X, ONE)),
    ("a.x > 1", Comparison(">", X, ONE)),
    ("a.x >= 1", Comparison(">=", X, ONE)),
    ("a.x CONTAINS 'k'", Comparison("CONTAINS", X, Text("k"))),
    ("a.x NOT CONTAINS 'k'", Comparison("CONTAINS", X, Text("k"), negated=True)),
    ("a.x STARTS WITH 'k'", Comparison("STARTS WITH", X, Text("k"))),
    ("a.x NOT STARTS WITH 'k'", Comparison("STARTS WITH", X, Text("k"), negated=True)),
    ("a.x ENDS WITH 'k'", Comparison("ENDS WITH", X, Text("k"))),
    ("a.x NOT ENDS WITH 'k'", Comparison("ENDS WITH", X, Text("k"), negated=True)),
    ("a.x BETWEEN 1 AND 2", Between(X, ONE, TWO)),
    ("a.x NOT BETWEEN 1 AND a.y", Between(X, ONE, Y, negated=True)),
    ("a.x IN (1)", In(X, (ONE,))),
    ("a.x NOT IN (1, 'k')", In(X, (ONE, Text("k")), negated=True)),
    ("a.x IS MISSING", Missing(X)),
    ("a.x IS NOT NULL", Missing(X, negated=True)),
    ("a.x IS EMPTY", Missing(X)),
    ("a.x", P),
    ("true", Bare(Flag(True))),
    # sets
    ("a.x HAS 'k'", Has(X, "ANY", (Text("k"),), listed=False)),
    ("a.x NOT HAS 'k'", Has(X, "ANY", (Text("k"),), listed=False, negated=True)),
    ("a.x HAS ANY ('k')", Has(X, "ANY", (Text("k"),))),
    ("a.x HAS ALL ('k', 'l')", Has(X, "ALL", (Text("k"), Text("l")))),
    ("a.x HAS NONE ('k')", Has(X, "NONE", (Text("k"),))),
    ("a.x HAS NO ('k')", Has(X, "NONE", (Text("k"),))),
    # periods
    *(
        (f"a.x IN {which} {unit}", InPeriod(X, Calendar(which, unit)))
        for which in ("THIS", "LAST", "NEXT")
        for unit in ("WEEK", "MONTH", "QUARTER", "YEAR")
    ),
    *(
        (f"a.x IN {direction} 30 {unit}", InPeriod(X, Rolling(direction, 30, unit)))
        for direction in ("LAST", "NEXT")
        for unit in ("DAYS", "WEEKS", "MONTHS", "YEARS")
    ),
    ("a.x IN LAST 1 DAY", InPeriod(X, Rolling("LAST", 1, "DAYS"))),
    ("a.x NOT IN THIS YEAR", InPeriod(X, Calendar("THIS", "YEAR"), negated=True)),
    # literals
    ("a.x = 'O''Neil'", Comparison("=", X, Text("O'Neil"))),
    ('a.x = "say ""hi"""', Comparison("=", X, Text('say "hi"'))),
    ("a.x = ''", Comparison("=", X, Text(""))),
    ("a.x = 1_000", Comparison("=", X, Number(Decimal(1000)))),
    ("a.x = 10k", Comparison("=", X, Number(Decimal(10_000)))),
    ("a.x = 2.5", Comparison("=", X, Number(Decimal("2.5")))),
    ("a.x = -3", Comparison("=", X, Number(Decimal(-3)))),
    ("a.x = 80%", Comparison("=", X, Percent(Decimal(80)))),
    ("a.x = -0.5 %", Comparison("=", X, Percent(Decimal("-0.5")))),
    ("a.x = 1000 EUR", Comparison("=", X, Money(Decimal(1000), "EUR"))),
    ("a.x = -1 usd", Comparison("=", X, Money(Decimal(-1), "USD"))),
    ("a.x = 2026-01-31", Comparison("=", X, Day(date(2026, 1, 31)))),
    ("a.x = yesterday", Comparison("=", X, Today(-1))),
    ("a.x = today", Comparison("=", X, Today(0))),
    ("a.x = tomorrow", Comparison("=", X, Today(1))),
    ("a.x = false", Comparison("=", X, Flag(False))),
    ("a.x = $limit", Comparison("=", X, Parameter("limit"))),
    # arithmetic
    ("a.x = today - 2 weeks", Comparison("=", X, Arithmetic("-", Today(0), Duration(2, "WEEKS")))),
    ("a.x - a.y = 1", Comparison("=", Arithmetic("-", X, Y), ONE)),
    ("a.x = 1 - 2 - 1", Comparison("=", X, Arithmetic("-", Arithmetic("-", ONE, TWO), ONE))),
    ("a.x = 1 - (2 - 1)", Comparison("=", X, Arithmetic("-", ONE, Arithmetic("-", TWO, ONE)))),
    ("a.x = 1 + 2 * 1", Comparison("=", X, Arithmetic("+", ONE, Arithmetic("*", TWO, ONE)))),
    ("a.x = (1 + 2) / 1", Comparison("=", X, Arithmetic("/", Arithmetic("+", ONE, TWO), ONE))),
    ("a.x = -a.y", Comparison("=", X, Negative(Y))),
    ("(a.x) = ((1))", Comparison("=", X, ONE)),
    # logic
    ("NOT a.x", Not(P)),
    ("a.x AND a.y AND b.z", And((P, Q, R))),
    ("a.x OR a.y AND b.z", Or((P, And((Q, R))))),
    ("(a.x OR a.y) AND b.z", And((Or((P, Q)), R))),
    ("a.x AND (a.y AND b.z)", And((P, Q, R))),
    ("NOT a.x AND a.y", And((Not(P), Q))),
    ("NOT a.x BETWEEN 1 AND 2 AND a.y", And((Not(Between(X, ONE, TWO)), Q))),
    # blocks
    ("ANY invoice", Block("ANY", "invoice", None)),
    ("NO invoice", Block("NO", "invoice", None)),
    ("NONE invoice", Block("NO", "invoice", None)),
    ("ANY invoice (is_open)", Block("ANY", "invoice", IS_OPEN)),
    ("NO invoice (is_open)", Block("NO", "invoice", IS_OPEN)),
    ("ALL invoice (is_open)", Block("ALL", "invoice", IS_OPEN)),
    ("ANY customer (ANY invoice (is_open))", Block("ANY", "customer", Block("ANY", "invoice", IS_OPEN))),
    # aggregates
    ("COUNT(invoice) = 1", Comparison("=", Aggregate("COUNT", "invoice", None, None), ONE)),
    ("COUNT(invoice WHERE is_open) = 1", Comparison("=", Aggregate("COUNT", "invoice", None, IS_OPEN), ONE)),
    *(
        (f"{word}(invoice.x WHERE is_open) = 1", Comparison("=", Aggregate(word, "invoice", "x", IS_OPEN), ONE))
        for word in ("SUM", "AVG", "MIN", "MAX")
    ),
    ("SUM (invoice.x) = 1", Comparison("=", Aggregate("SUM", "invoice", "x", None), ONE)),
    (
        "FIRST(invoice.x WHERE is_open BY due_date, invoice.y DESC) = 1",
        Comparison(
            "=",
            First(
                "invoice",
                "x",
                IS_OPEN,
                (SortKey(Name(None, "due_date"), False), SortKey(Name("invoice", "y"), True)),
            ),
            ONE,
        ),
    ),
    (
        "FIRST(invoice.x BY y ASC) = 1",
        Comparison("=", First("invoice", "x", None, (SortKey(Name(None, "y"), False),)), ONE),
    ),
    # custom fields
    ("customer.custom.plan", Bare(Name("customer", "custom.plan"))),
    ("ANY invoice (custom.plan)", Block("ANY", "invoice", Bare(Name(None, "custom.plan")))),
    ("SUM(invoice.custom.fee) = 1", Comparison("=", Aggregate("SUM", "invoice", "custom.fee", None), ONE)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), WITH_FORM)
def test_form(text: str, tree: ast.Condition) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize(("text", "tree"), [form for form in WITH_FORM if "$" not in form[0]])
def test_letter_case_means_nothing_outside_quotes(text: str, tree: ast.Condition) -> None:
    parts = re.split(r"""('.*'|".*")""", text)
    assert parse("".join(part if place % 2 else part.upper() for place, part in enumerate(parts))) == tree
    assert parse("".join(part if place % 2 else part.lower() for place, part in enumerate(parts))) == tree


def test_letter_case_of_a_parameter_counts() -> None:
    assert parse("a.x = $Limit") == Comparison("=", X, Parameter("Limit"))


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    "name",
    ["android", "orders", "notes", "inside", "isolated", "hash", "any_of", "allowed", "nonesuch", "nobody", "bystander",
     "todays", "trueish", "first_day", "counted", "sum1", "missing_since", "nullable", "lasting", "dayspring"],
)  # fmt: skip
def test_a_name_may_begin_like_a_keyword(name: str) -> None:
    assert parse(f"{name} = 1") == Comparison("=", Name(None, name), ONE)
    assert parse(f"a.{name} = 1 AND {name}") == And((Comparison("=", Name("a", name), ONE), Bare(Name(None, name))))


@pytest.mark.parametrize(
    "name",
    ["by", "date", "kind", "status", "last", "next", "this", "count", "sum", "min", "first", "desc", "asc", "where",
     "in", "is", "has", "with", "days", "quarter"],
)  # fmt: skip
def test_a_keyword_is_a_name_where_no_keyword_can_stand(name: str) -> None:
    block = Block("ANY", "activity", Comparison("=", Name(None, name), Text("x")))
    assert parse(f"ANY activity ({name} = 'x')") == block
    assert parse(f"FIRST(activity.{name} WHERE {name} BY {name}, {name} DESC) = 1") == Comparison(
        "=",
        First(
            "activity",
            name,
            Bare(Name(None, name)),
            (SortKey(Name(None, name), False), SortKey(Name(None, name), True)),
        ),
        ONE,
    )


@pytest.mark.parametrize("name", ["and", "or", "not", "any", "all", "no", "missing", "today", "true", "between"])
def test_every_word_is_a_name_after_a_dot(name: str) -> None:
    assert parse(f"a.{name} = 1") == Comparison("=", Name("a", name), ONE)


@pytest.mark.parametrize("text", ["a.x=1AND a.y", "a.x = 1ANDa.y", "a.x = 1ORa.y", "NOTa.x = 1 2", "a.x IN(1)AND(a.y"])
def test_words_need_an_end(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)


def test_brackets_and_symbols_need_no_space() -> None:
    assert parse("a.x>=1 AND(a.y)OR NOT(b.z)") == Or((And((Comparison(">=", X, ONE), Q)), Not(R)))


# ---------------------------------------------------------------- spans


def spans(text: str) -> list[str]:
    return [text[node.span.start : node.span.end] for node, _ in walk(parse(text))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.x = 1", {"a.x = 1", "a.x", "1"}),
        ("  a . x\n =  -1  ", {"a . x\n =  -1", "a . x", "-1"}),
        ("(a.x) = (1 + 2)", {"(a.x) = (1 + 2)", "(a.x)", "(1 + 2)", "1", "2"}),
        ("NOT a.x AND a.y", {"NOT a.x AND a.y", "NOT a.x", "a.x", "a.y"}),
        ("(a.x OR a.y)", {"(a.x OR a.y)", "a.x", "a.y"}),
        ("ANY b (x HAS ANY ('k'))", {"ANY b (x HAS ANY ('k'))", "x HAS ANY ('k')", "x", "'k'"}),
        ("a.x IN LAST 3 DAYS", {"a.x IN LAST 3 DAYS", "a.x", "LAST 3 DAYS"}),
        ("COUNT(b WHERE x) > 80 %", {"COUNT(b WHERE x) > 80 %", "COUNT(b WHERE x)", "x", "80 %"}),
        ("FIRST(b.x BY y DESC) = 'k'", {"FIRST(b.x BY y DESC) = 'k'", "FIRST(b.x BY y DESC)", "y DESC", "y", "'k'"}),
    ],
)
def test_spans(text: str, said: set[str]) -> None:
    assert set(spans(text)) == said


def test_the_entity_of_a_block_has_a_span() -> None:
    text = "a.x AND  NO  Invoice (y)"
    (block,) = (node for node, _ in walk(parse(text)) if isinstance(node, Block))
    assert text[block.entity_span.start : block.entity_span.end] == "Invoice"


# ---------------------------------------------------------------- errors


def problems(text: str, limits: Limits = parser.DEFAULT_LIMITS) -> list[Diagnostic]:
    return parse_pieces(text, limits)[1]


def test_every_error_is_found() -> None:
    text = "a.x = = 1 AND a.y = NULL AND b.z > 2026-02-30 OR a.x IN LAST 0 DAYS OR a.y ! 3"
    found = sorted(problems(text), key=lambda problem: problem.span)
    assert [(problem.code, text[problem.span.start : problem.span.end]) for problem in found] == [
        ("syntax", "="),
        ("null-comparison", "= NULL"),
        ("bad-date", "2026-02-30"),
        ("bad-period", "0"),
        ("syntax", "!"),
    ]


def test_what_is_well_formed_is_read_around_an_error() -> None:
    trees, found = parse_pieces("a.x AND a.y = = 1 AND b.z")
    assert trees == [P, R]
    assert [trees[1].span, found[0].span] == [Span(22, 25), Span(14, 15)]


@pytest.mark.parametrize(
    ("limits", "text", "over"),
    [
        (Limits(characters=10), "a.x = 1111", "a.x = 11111"),
        (Limits(conditions=2), "a.x AND a.y", "a.x AND a.y OR b.z"),
        (Limits(depth=4), "NOT NOT a.x", "NOT NOT NOT a.x"),
        (Limits(scopes=1), "ANY b AND a.x", "ANY b AND COUNT(b) = 1"),
        (Limits(values=2), "a.x IN (1, 2)", "a.x IN (1, 2, 3)"),
        (Limits(values=2), "a.x HAS ANY ('1', '2')", "a.x HAS ANY ('1', '2', '3')"),
    ],
)
def test_limits(limits: Limits, text: str, over: str) -> None:
    assert not problems(text, limits)
    assert [found.code for found in problems(over, limits)] == ["too-large"]
    with pytest.raises(FilterError):
        parse(over, limits)


def test_the_limits_of_the_language() -> None:
    assert Limits(10_000, 200, 32, 8, 1_000, 2) == parser.DEFAULT_LIMITS


# ---------------------------------------------------------------- hostile texts


HOSTILE = (
    *("(" * 10_000, "(" * 4_000 + "a.x" + ")" * 4_000, ")" * 10_000, "((((", "ANY b (" * 1_000, "a.x IN (" * 1_000),
    *("COUNT(b WHERE " * 700, "NOT " * 2_500, "NOT " * 2_000 + "a.x", "a.x AND " * 1_200 + "a.x", "a.x OR NOT (" * 800),
    *("-" * 10_000, "a.x = " + "-" * 9_000 + "1", "a.x = " + "-" * 4_000 + "a.y", "a.x = 1" + " + 1" * 2_000),
    *("'" * 9_999, "'" * 10_000, '"' * 9_999, "a.x = 'b", "a.x = '\\'", "'a' 'b'", "= AND " * 1_600, "a b OR " * 1_400),
    *("1" * 10_000, "a.x = " + "9" * 9_000, "a.x = 1." + "0" * 9_000, "a.x = 9" + "_9" * 4_000 + "k"),
    *("a.x IN LAST " + "9" * 9_000 + " DAYS", "a.x = today - " + "9" * 9_000 + " DAYS", "a.x = 0000-01-01"),
    *("\0", "a.x = '\0'", "a.x\0= 1", "\ufeffa.x = 1", "\u202ea.x = 1", "a.x = \ud800", "a.x = '\ud800'"),
    *("a.x\u2003= 1", "a.x = \uff11", "\u0430.x = 1", "a.x = '\U0001f600", "\U0001f600", "a.x = 9999-99-99"),
    *("a.x = 1; DROP TABLE customer; --", "a.x = 1 /* */", "{{7*7}}", "%", "$", "\\", "a.x = $", "a." * 5_000),
    *("a..x", ".x", "a.x.", "a.x BETWEEN 1", "FIRST(b.x)", "IN", "a.x IS"),
)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:24])
def test_hostile_text(text: str) -> None:
    assert isinstance(parse_pieces(text)[1], list)


def test_a_hostile_text_has_a_bounded_number_of_errors() -> None:
    assert len(problems("= AND " * 1_600)) == parser.MOST_ERRORS


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    trees, found = parse_pieces(text)
    assert bool(trees) or bool(found)


# Pieces of filters, and what people bring along from elsewhere.
WORDS = """
    a.x invoice.balance customer.rating balance 1 -3 2.5 10k 80% 'D' '' "q" 2026-01-31 2026-02-30 $p EUR
    ( ) , . = != < <= > >= + - * / == <> && || ! ; ' " % $ # € “ AND OR NOT IN IS HAS BETWEEN CONTAINS STARTS WITH ENDS
    MISSING NULL ANY ALL NO NONE WHERE BY DESC ASC LAST NEXT THIS DAYS WEEK MONTHS QUARTER YEAR today yesterday tomorrow
    SEGMENT true false COUNT( SUM( FIRST( LIKE EXISTS adn ro betwen contians lst dyas
"""
PIECES = [*WORDS.split(), "\0", "\n"]
GRAMMAR = Path(parser.__file__).with_name("grammar.lark").read_text()
# A token that is called like a word of the language may of course be said.
TOKENS = {*re.findall(r"^_?[A-Z]+", GRAMMAR, re.MULTILINE), "LPAR", "RPAR", "COMMA", "DOT"}
SYMBOLS = {
    *(TOKENS - set(re.findall(r"[A-Z]+", WORDS.upper()))),
    *(rule for rule in re.findall(r"(?:^[?]?|-> )([a-z_]{2,})", GRAMMAR, re.MULTILINE) if "_" in rule),
    *("$END", "__", "_star_", "_plus_"),
}


def test_no_text_brings_the_parser_down_or_the_grammar_to_light() -> None:
    chance = random.Random(7)
    leak = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, SYMBOLS))})(?!\w)")
    for _ in range(4_000):
        text = mutated(chance)
        for found in problems(text):
            said = " ".join([found.message, found.hint or "", *found.expected, *(fix.title for fix in found.fixes)])
            assert not leak.search(said), (text, said)
            assert all(fix.apply(text) != text for fix in found.fixes)
            assert 0 <= found.span.start <= found.span.end <= len(text)


def mutated(chance: random.Random) -> str:
    """A right filter with a few words put in, left out, doubled or swapped; or no filter at all."""
    words = re.findall(r"'[^']*'|[\w.$%]+|\S", chance.choice(WITH_FORM)[0] + " AND " + chance.choice(WITH_FORM)[0])
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(words))
        match chance.randrange(4):
            case 0:
                words.insert(place, chance.choice(PIECES))
            case 1:
                words[place] = chance.choice(PIECES)
            case 2:
                words[place : place + 2] = words[place : place + 2][::-1]
            case _:
                del words[place]
                words = words or [chance.choice(PIECES)]
    return chance.choice((" ", " ", "")).join(words)
