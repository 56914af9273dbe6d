"""The tree as JSON: back again it is the same tree, and what is no tree is refused with its place."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from dsl import ast
from dsl.formatter import format_filter
from dsl.parser import Limits, parse
from dsl.tree_json import TreeError, from_json, to_json
from tests.trees import BOUNDLESS, conditions

RATING = {"kind": "name", "entity": "customer", "field": "rating"}
ONE = {"kind": "number", "value": "1"}
RATED = {"kind": "bare", "operand": RATING}


def whole(filter_: object) -> dict[str, Any]:
    return {"version": 1, "filter": filter_}


def compared(**parts: object) -> dict[str, Any]:
    return whole({"kind": "comparison", "operator": "=", "left": RATING, "right": ONE, **parts})


@settings(max_examples=300, deadline=None)
@given(conditions)
def test_text_to_json_to_text(tree: ast.Condition) -> None:
    text = format_filter(tree)
    written = json.dumps(to_json(parse(text, BOUNDLESS)))
    assert from_json(json.loads(written), BOUNDLESS) == tree
    assert format_filter(from_json(json.loads(written), BOUNDLESS)) == text


def test_shape() -> None:
    text = "customer.rating NOT IN ('C', 'D') AND ANY invoice (balance > 10k AND due_date IN LAST 30 DAYS)"
    assert to_json(parse(f"{text} AND 2026-01-31 = today")) == {
        "version": 1,
        "filter": {
            "kind": "and",
            "conditions": [
                {
                    "kind": "in",
                    "operand": {"kind": "name", "entity": "customer", "field": "rating"},
                    "values": [{"kind": "text", "value": "C"}, {"kind": "text", "value": "D"}],
                    "negated": True,
                },
                {
                    "kind": "block",
                    "quantifier": "ANY",
                    "entity": "invoice",
                    "condition": {
                        "kind": "and",
                        "conditions": [
                            {
                                "kind": "comparison",
                                "operator": ">",
                                "left": {"kind": "name", "entity": None, "field": "balance"},
                                "right": {"kind": "number", "value": "10000"},
                            },
                            {
                                "kind": "in_period",
                                "operand": {"kind": "name", "entity": None, "field": "due_date"},
                                "period": {"kind": "rolling", "direction": "LAST", "count": 30, "unit": "DAYS"},
                            },
                        ],
                    },
                },
                {
                    "kind": "comparison",
                    "operator": "=",
                    "left": {"kind": "day", "value": "2026-01-31"},
                    "right": {"kind": "today", "offset": 0},
                },
            ],
        },
    }  # fmt: skip


def test_what_has_a_default_may_be_left_out_or_said() -> None:
    assert from_json(compared(negated=False)) == from_json(compared())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be an object"),
        ([], "must be an object"),
        ({}, "needs filter, version"),
        ({"version": 1}, "needs filter"),
        ({**whole(RATED), "extra": 1}, "does not know extra; it has filter, version"),
        ({**whole(RATED), "version": 2}, "version: must be 1"),
        ({**whole(RATED), "version": "1"}, "version: must be 1"),
        ({**whole(RATED), "version": True}, "version: must be 1"),
        ({**whole(RATED), "version": 1.0}, "version: must be 1"),
        (whole(None), "filter.kind: must be one of comparison, between, in, in_period, in_segment, has, missing, bare"),
        (whole("customer.rating"), "filter.kind: must be one of comparison"),
        (whole({}), "filter.kind: must be one of comparison"),
        (whole({"kind": "xor"}), "filter.kind: must be one of comparison"),
        (whole({"kind": ["and"]}), "filter.kind: must be one of comparison"),
        (whole(RATING), "filter.kind: must be one of comparison"),
        (whole({**RATED, "span": [0, 1]}), "filter: does not know span; it has kind, operand"),
        (whole({"kind": "bare"}), "filter: needs operand"),
        (whole({"kind": "bare", "operand": RATED}), "filter.operand.kind: must be one of name, number"),
        (whole({"kind": "and", "conditions": RATED}), "filter.conditions: must be a list"),
        (whole({"kind": "and", "conditions": [RATED, 1]}), "filter.conditions[1].kind: must be one of comparison"),
        (whole({"kind": "and", "conditions": [RATED]}), "filter: is not how customer.rating is written as a tree"),
        (
            whole({"kind": "and", "conditions": [RATED, {"kind": "and", "conditions": [RATED, RATED]}]}),
            "filter: is not how customer.rating AND customer.rating AND customer.rating is written as a tree",
        ),
        (whole({"kind": "and", "conditions": []}), "filter: The filter is empty"),
        (compared(operator="=="), "filter.operator: must be one of =, !="),
        (compared(operator=None), "filter.operator: must be one of =, !="),
        (compared(negated=1), "filter.negated: must be true or false"),
        (compared(negated=True), "filter: '=' cannot stand here."),
        (compared(right={"kind": "number", "value": 1}), "filter.right.value: must be a number written"),
        (compared(right={"kind": "number", "value": "NaN"}), "filter.right.value: must be a number written"),
        (compared(right={"kind": "number", "value": "1e999999999"}), "filter.right.value: must be a number written"),
        (compared(right={"kind": "number", "value": "1" * 30}), "filter.right.value: must be a number written"),
        (compared(right={"kind": "number", "value": "\u0661"}), "filter.right.value: must be a number written"),
        (compared(right={"kind": "day", "value": "2026-02-30"}), "filter.right.value: must be a day written as a text"),
        (compared(right={"kind": "day", "value": "20260131"}), "filter.right.value: must be a day written as a text"),
        (compared(right={"kind": "day", "value": 20260131}), "filter.right.value: must be a day written as a text"),
        (compared(right={"kind": "today", "offset": 2}), "filter.right.offset: is out of range"),
        (compared(right={"kind": "today", "offset": True}), "filter.right.offset: must be a whole number"),
        (compared(right={"kind": "duration", "count": 10**6, "unit": "DAYS"}), "filter.right.count: is out of range"),
        (compared(right={"kind": "text", "value": None}), "filter.right.value: must be a text"),
        (compared(right={"kind": "negative", "operand": ONE}), "filter: is not how customer.rating = -1 is written"),
        (compared(left={**RATING, "entity": "Customer"}), "filter: is not how customer.rating = 1 is"),
        (compared(left={**RATING, "field": "x = 1 OR customer.x"}), "filter: is not how customer.x = 1 OR customer.x"),
        (compared(left={**RATING, "field": "rating) OR (true"}), "filter: ')' cannot stand here."),
        (whole({"kind": "block", "quantifier": "ALL", "entity": "x", "condition": None}), "filter: The filter ends"),
        (whole({"kind": "in", "operand": RATING, "values": []}), "filter: ')' cannot stand here."),
    ],
)  # fmt: skip
def test_refused(value: object, message: str) -> None:
    with pytest.raises(TreeError) as caught:
        from_json(value)
    assert str(caught.value).startswith(message)


def test_too_deep() -> None:
    tree: dict[str, Any] = RATED
    for _ in range(100_000):
        tree = {"kind": "not", "condition": tree}
    with pytest.raises(TreeError, match="is nested too deeply"):
        from_json(whole(tree))


def test_the_limits_of_a_text_hold() -> None:
    three = whole({"kind": "or", "conditions": [RATED, RATED, RATED]})
    with pytest.raises(TreeError, match="The filter has 3 conditions; at most 2 are allowed"):
        from_json(three, Limits(conditions=2))
