"""The laws of language.md section 1, asked of the real database: no evaluator takes part."""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from app.database import Database
from dsl import CATALOG, Analysis, FilterError, analyze, ast, everyone
from dsl.checker import Level
from dsl.formatter import format_filter
from tests.oracle.evaluator import bare_names
from tests.oracle.generate import random_filter
from tests.oracle.metrics import TO_MANY
from tests.oracle.random_filters import Feature
from tests.worlds import FIRST_SEED, Loaded, load

LEDGERS = int(os.environ.get("DUELIST_LAW_LEDGERS", "3"))
FILTERS = int(os.environ.get("DUELIST_LAW_FILTERS", "6"))

WITHOUT: tuple[Feature, ...] = ("parameters",)  # the same name would stand for two values

Law = Callable[..., str]


@dataclass
class Asker:
    """Random filters about one ledger, and whom a filter selects."""

    loaded: Loaded
    level: Level
    rng: random.Random

    def trees(self, depth: int) -> Iterator[ast.Condition]:
        while True:
            yield random_filter(self.rng, self.loaded.world, self.level, depth, without=WITHOUT).tree

    def texts(self, count: int = 1) -> Iterator[list[str]]:
        trees = self.trees(depth=2 if count == 1 else 1)
        return ([f"({format_filter(next(trees))})" for _ in range(count)] for _ in range(FILTERS))

    def analysis(self, text: str) -> Analysis:
        return analyze(text, CATALOG, level=self.level)

    def selected(self, text: str) -> list[str]:
        return self.loaded.source_ids(self.analysis(text).lowered)

    def literals(self, kind: type | tuple[type, ...]) -> Iterator[ast.Condition]:
        """The conditions of one kind that stand outside any block."""
        return (literal for tree in self.trees(depth=1) for literal in literals_of(tree) if isinstance(literal, kind))


def literals_of(tree: ast.Condition) -> Iterator[ast.Condition]:
    match tree:
        case ast.And(items) | ast.Or(items):
            for item in items:
                yield from literals_of(item)
        case ast.Not(inner):
            yield from literals_of(inner)
        case _:
            yield tree


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + LEDGERS))
def loaded(request: pytest.FixtureRequest, database: Database) -> Loaded:
    return load(database, request.param)


@pytest.fixture(params=["customer", "group"])
def asker(request: pytest.FixtureRequest, loaded: Loaded) -> Asker:
    return Asker(loaded, request.param, random.Random(f"laws {loaded.seed} {request.param}"))


# ---------------------------------------------------------------- a filter is a set


def test_each_is_in_a_filter_or_in_its_complement(asker: Asker) -> None:
    all_of_them = asker.loaded.source_ids(everyone(CATALOG, asker.level).lowered)
    for (p,) in asker.texts():
        assert sorted(asker.selected(p) + asker.selected(f"NOT {p}")) == all_of_them, p


def test_no_one_is_selected_twice_and_the_count_is_that_of_the_rows(asker: Asker) -> None:
    for (p,) in asker.texts():
        selected = asker.selected(p)
        assert selected == sorted(set(selected)), p
        assert asker.loaded.count(asker.analysis(p).lowered) == len(selected), p


def test_parentheses_and_canonical_text_change_nothing(asker: Asker) -> None:
    for (p,) in asker.texts():
        analysis = asker.analysis(p)
        assert analysis.lowered == asker.analysis(f"({p})").lowered == asker.analysis(analysis.canonical).lowered, p


# ---------------------------------------------------------------- writing it another way never changes the answer


def law(name: str, one: Law, other: Law) -> object:
    return pytest.param(one, other, id=name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        law("AND commutes", lambda p, q: f"{p} AND {q}", lambda p, q: f"{q} AND {p}"),
        law("OR commutes", lambda p, q: f"{p} OR {q}", lambda p, q: f"{q} OR {p}"),
        law("AND associates", lambda p, q, r: f"({p} AND {q}) AND {r}", lambda p, q, r: f"{p} AND ({q} AND {r})"),
        law("OR associates", lambda p, q, r: f"({p} OR {q}) OR {r}", lambda p, q, r: f"{p} OR ({q} OR {r})"),
        law("AND repeats", lambda p: f"{p} AND {p}", lambda p: p),
        law("OR repeats", lambda p: f"{p} OR {p}", lambda p: p),
        law("AND absorbs", lambda p, q: f"{p} AND ({p} OR {q})", lambda p, _: p),
        law("OR absorbs", lambda p, q: f"{p} OR {p} AND {q}", lambda p, _: p),
        law("AND distributes", lambda p, q, r: f"{p} AND ({q} OR {r})", lambda p, q, r: f"{p} AND {q} OR {p} AND {r}"),
        law("OR distributes", lambda p, q, r: f"{p} OR {q} AND {r}", lambda p, q, r: f"({p} OR {q}) AND ({p} OR {r})"),
        law("NOT of NOT", lambda p: f"NOT NOT {p}", lambda p: p),
        law("NOT of OR", lambda p, q: f"NOT ({p} OR {q})", lambda p, q: f"NOT {p} AND NOT {q}"),
        law("NOT of AND", lambda p, q: f"NOT (NOT {p} AND NOT {q})", lambda p, q: f"{p} OR {q}"),
        law("OR of NOT", lambda p, q: f"NOT {p} OR NOT {q}", lambda p, q: f"NOT (NOT NOT {p} AND NOT NOT {q})"),
    ],
)
def test_law(asker: Asker, one: Law, other: Law) -> None:
    asked = 0
    for texts in asker.texts(count=one.__code__.co_argcount):
        try:
            asker.analysis(one(*texts)), asker.analysis(other(*texts))
        except FilterError:  # NOT beside a positive condition, or too many rows
            continue
        assert asker.selected(one(*texts)) == asker.selected(other(*texts)), f"{one(*texts)}\n{other(*texts)}"
        asked += 1
    assert asked


def test_all_is_any_without_a_row_that_is_not_so(asker: Asker) -> None:
    for block, _ in zip(asker.literals(ast.Block), range(FILTERS), strict=False):
        assert isinstance(block, ast.Block)
        entity, p = block.entity, "true" if block.condition is None else format_filter(block.condition)
        assert asker.selected(f"ALL {entity} ({p})") == asker.selected(f"ANY {entity} AND NO {entity} (NOT ({p}))"), p
        assert asker.analysis(f"NONE {entity} ({p})").lowered == asker.analysis(f"NO {entity} ({p})").lowered, p


def test_a_negative_operator_is_not_of_the_positive_one(asker: Asker) -> None:
    """On rows of which there is one; on others it is about some row, and NOT about all of them."""
    many = {*TO_MANY, *(["customer"] if asker.level == "group" else [])}
    tests = (ast.Comparison, ast.Between, ast.In, ast.InPeriod, ast.Has, ast.Missing)
    single = (test for test in asker.literals(tests) if not bare_names(test, None) & many)
    for test, _ in zip(single, range(FILTERS), strict=False):
        negated = opposite(test)
        assert asker.selected(format_filter(negated)) == asker.selected(format_filter(ast.Not(test))), format_filter(
            test
        )


def opposite(test: ast.Condition) -> ast.Condition:
    match test:
        case ast.Comparison("=" | "!=" as operator):
            return replace(test, operator="!=" if operator == "=" else "=")
        case ast.Comparison("CONTAINS" | "STARTS WITH" | "ENDS WITH") | ast.Between() | ast.In() | ast.InPeriod():
            return replace(test, negated=not test.negated)
        case ast.Has() | ast.Missing():
            return replace(test, negated=not test.negated)
        case _:
            return ast.Not(test)


# ---------------------------------------------------------------- companies


def test_another_company_with_the_same_ids_changes_nothing(asker: Asker, database: Database) -> None:
    texts = [p for (p,) in asker.texts()]
    before = [asker.selected(p) for p in texts]
    other = load(database, 1_000_000 + 2 * asker.loaded.seed + (asker.level == "group"))
    assert other.world.ledger.customers.keys() & asker.loaded.world.ledger.customers.keys()
    assert [asker.selected(p) for p in texts] == before
