"""A filter as rows of a form: told apart and put together again it means the same, and nothing is dropped."""

import os
import random
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args

import pytest

from app.asked import Level
from app.companies import Company
from app.problems import Problem
from app.queries import InParts, in_parts
from dsl import analyze, ast
from dsl.conditions import Condition, conditions, filter_of
from dsl.formatter import format_filter
from dsl.parser import parse
from dsl.parts import ENTITIES, PARTS, Part
from tests.oracle.evaluator import matches
from tests.oracle.generate import random_case, random_filter
from tests.test_corpus import OF_SAMPLE, PATHS, read
from tests.worlds import FIRST_SEED, OWN_CATALOG

LEDGERS = int(os.environ.get("DUELIST_LEDGERS", "8"))
FILTERS = int(os.environ.get("DUELIST_FILTERS", "20"))
LEVELS: tuple[Level, ...] = get_args(Level)


def put_together(
    tree: ast.Condition, level: Level = "customer", written: Callable[[Condition], str] = attrgetter("text")
) -> ast.Condition | None:
    """As a form does it: only texts go there and back. None for a filter that cannot be told apart."""
    told = conditions(tree, level)
    if told is None:
        return None
    return filter_of({part: [parse(written(one)) for one in told[part]] for part in told})


def touched(line: Condition) -> str:
    """Of a line whose value was changed, and changed back."""
    return line.text if line.field is None else text_of(line)


def text_of(line: Condition) -> str:
    """As a form writes a line that somebody changed."""
    assert line.field is not None
    assert line.operator is not None
    match line.operator.split():
        case [*_, "MISSING"]:
            right = ""
        case [*_, "BETWEEN"]:
            right = " AND ".join(line.values)
        case ["IN"] | ["NOT", "IN"] | ["HAS", _]:
            right = f"({', '.join(line.values)})"
        case _:
            [right] = line.values
    return f"{line.field} {line.operator} {right}".strip()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nothing_of_the_corpus_is_dropped(path: Path) -> None:
    query = read(path)
    tree = query.analysis.tree
    again = put_together(tree) if tree else None
    if tree is None or again is None:
        return
    assert words(tree) == words(again), format_filter(again)
    analyze(format_filter(again), OF_SAMPLE, level=query.level, parameters=query.params or {})


def words(tree: ast.Condition) -> Counter[str]:
    """Without those of an ANY block over invoices or payments, which may come and go, and the entities before names."""
    text = re.sub(r"\b(invoice|payment)\.", "", format_filter(tree))
    counted = Counter(re.findall(r"'(?:[^']|'')*'|[^\s()]+", text))
    return Counter({word: n for word, n in counted.items() if word not in ("ANY", "invoice", "payment", "AND")})


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + LEDGERS))
def test_a_filter_means_the_same_by_way_of_its_conditions(seed: int, level: Level) -> None:
    rng = random.Random(f"{seed} {level} conditions")
    world = random_case(rng, date(2026, 3, 31)).own_world()
    for _ in range(FILTERS):
        tree = random_filter(rng, world, level, rng.randint(1, 4), without=["parameters"]).tree
        for written in (attrgetter("text"), touched):
            again = put_together(tree, level, written)
            if again is None:
                break
            shown = f"{format_filter(tree)} as {format_filter(again)}"
            assert analyze(format_filter(again), OWN_CATALOG, level=level, parameters={}).tree == again, shown
            assert matches(again, world, level) == matches(tree, world, level), shown


def test_a_line_says_what_its_text_says() -> None:
    seen = set()
    for path in PATHS:
        tree = read(path).analysis.tree
        told = conditions(tree) if tree else None
        for part, lines in (told or {}).items():
            entity = ENTITIES[part]
            for line in lines:
                if line.field is None:
                    assert (line.operator, line.values) == (None, ())
                    continue
                seen.add(line.operator)
                flag = line.text.removeprefix("NOT ")
                if flag in (line.field, line.field.partition(".")[2]):  # a flag that stands alone
                    assert (line.operator, line.values) == ("=" if flag == line.text else "!=", ("true",))
                else:
                    assert lowered(parse(text_of(line)), entity) == lowered(parse(line.text), entity), line.text
    assert seen >= {"=", "!=", ">", "BETWEEN", "IN", "CONTAINS", "IN LAST", "IN THIS", "HAS ANY", "IS MISSING"}


def lowered(condition: ast.Condition, entity: str) -> object:
    """Inside a block names may go without their entity."""
    of_rows = entity in ("invoice", "payment")
    whole = ast.Block("ANY", entity, condition) if of_rows else condition
    return analyze(format_filter(whole), OF_SAMPLE, parameters={}).lowered.condition


def test_the_seed_filter_is_three_lines() -> None:
    told = conditions(parse("invoice.balance > 1000 AND payment.amount > 500 AND customer.rating = 'D'"))
    assert told == {
        "customers": [Condition("customer.rating = 'D'", "customer.rating", "=", ("'D'",))],
        "invoices": [Condition("invoice.balance > 1000", "invoice.balance", ">", ("1000",))],
        "payments": [Condition("payment.amount > 500", "payment.amount", ">", ("500",))],
    }


@pytest.mark.parametrize(
    "text",
    ["COUNT(invoice WHERE is_open) > 2", "NO payment (date IN LAST 30 DAYS)", "NOT invoice.is_open",
     "customer.balance_total > 90% * customer.credit_limit", "customer.rating = 'A' OR customer.rating = 'D'",
     "customer.name = $name", "NOT customer.tags HAS 'vip'"],
)  # fmt: skip
def test_what_a_form_cannot_show_is_read(text: str) -> None:
    [line] = (conditions(parse(text)) or {})["customers"]
    assert line == Condition(format_filter(parse(text)))


@pytest.mark.parametrize("part", PARTS)
def test_a_flag_that_is_not_so_is_a_line(part: Part) -> None:
    flag = {"customers": "customer.chasing_paused", "groups": "group.chasing_paused",
            "invoices": "is_open", "payments": "is_assigned"}[part]  # fmt: skip
    of_rows = part in ("invoices", "payments")
    text = f"ANY {ENTITIES[part]} (NOT {flag})" if of_rows else f"NOT {flag}"
    path = flag if "." in flag else f"{ENTITIES[part]}.{flag}"
    assert conditions(parse(text)) == {part: [Condition(f"NOT {flag}", path, "!=", ("true",))]}


def test_of_members_not_says_that_there_is_none() -> None:
    text = "NOT customer.chasing_paused"
    assert conditions(parse(text), "group") == {"customers": [Condition(text)]}


def test_an_or_across_customers_and_their_rows_is_read_as_a_whole() -> None:
    assert conditions(parse("customer.rating = 'D' OR invoice.balance > 1000")) is None


def test_no_lines_are_no_filter() -> None:
    assert filter_of({}) is None
    assert filter_of({part: [] for part in PARTS}) is None


# ---------------------------------------------------------------- as it is asked for

COMPANY = Company(1, "Acme", "DE", "EUR", "Europe/Berlin")


def test_conditions_are_put_together() -> None:
    parts: dict[Part, list[str]] = {
        "invoices": ["balance > 1000", "is_open OR status = 'disputed'"],
        "customers": ["rating = 'D'"],
        "payments": [],
    }
    made = in_parts(InParts(parts=parts), COMPANY)["filter"]
    assert made == "customer.rating = 'D' AND ANY invoice (balance > 1000 AND (is_open OR status = 'disputed'))"
    assert in_parts(InParts(parts={}), COMPANY) == {"filter": ""}
    assert in_parts(InParts(filter=" "), COMPANY) == {"filter": "", "whole": False, "parts": {}}


def test_a_condition_cannot_change_what_is_beside_it() -> None:
    parts: dict[Part, list[str]] = {"customers": ["rating = 'A'", "rating = 'B') OR (rating = 'C'"]}
    with pytest.raises(Problem) as refused:
        in_parts(InParts(parts=parts), COMPANY)
    assert {(error["part"], error["condition"]) for error in refused.value.errors} == {("customers", 1)}


def test_a_condition_on_rows_belongs_to_its_part() -> None:
    with pytest.raises(Problem, match="belongs to a part of its own"):
        in_parts(InParts(parts={"customers": ["invoice.balance > 1000"]}), COMPANY)


@pytest.mark.parametrize("asked", [{}, {"filter": "", "parts": {}}])
def test_one_of_both_is_asked_for(asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either a filter or parts"):
        InParts(**asked)
