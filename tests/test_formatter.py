"""Canonical text: one for each tree, read back as the same tree, without a bracket too many."""

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings

from dsl import FilterError, ast
from dsl.formatter import format_filter, format_operand, format_period
from dsl.parser import parse, walk
from tests.trees import BOUNDLESS, conditions


def parsed(text: str) -> ast.Condition:
    return parse(text, BOUNDLESS)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("invoice.balance>1000", "invoice.balance > 1000"),
        ("  customer . rating\n=\t'D' ", "customer.rating = 'D'"),
        ("INVOICE.Balance > 1", "invoice.balance > 1"),
        ("a.b = 1 and not c.d = 2 or e.f = 3", "a.b = 1 AND NOT c.d = 2 OR e.f = 3"),
        ("(a.b = 1)", "a.b = 1"),
        ("((a.b = 1) AND ((c.d = 2)))", "a.b = 1 AND c.d = 2"),
        ("(a.b = 1 OR c.d = 2) AND e.f = 3", "(a.b = 1 OR c.d = 2) AND e.f = 3"),
        ("(a.b = 1 AND c.d = 2) OR e.f = 3", "a.b = 1 AND c.d = 2 OR e.f = 3"),
        ("(a.b = 1 AND c.d = 2) AND e.f = 3", "a.b = 1 AND c.d = 2 AND e.f = 3"),
        ("NOT (a.b = 1 AND c.d = 2)", "NOT (a.b = 1 AND c.d = 2)"),
        ("NOT (NOT a.b = 1)", "NOT NOT a.b = 1"),
        ("none invoice (x = 1)", "NO invoice (x = 1)"),
        ("any invoice", "ANY invoice"),
        ("a.b is null", "a.b IS MISSING"),
        ("a.b is not empty", "a.b IS NOT MISSING"),
        ('a.b = "O\'Neil ""x"""', "a.b = 'O''Neil \"x\"'"),
        ("a.b = 1_000_000.500", "a.b = 1000000.5"),
        ("a.b = 2.5K", "a.b = 2500"),
        ("a.b = 80 %", "a.b = 80%"),
        ("a.b = 1000 eur", "a.b = 1000 EUR"),
        ("a.b = - 3", "a.b = -3"),
        ("a.b = --3", "a.b = 3"),
        ("a.b = -0", "a.b = 0"),
        ("a.b = -(c.d)", "a.b = -c.d"),
        ("a.b = -(c.d + 1)", "a.b = -(c.d + 1)"),
        ("a.b = (1 + 2) + 3", "a.b = 1 + 2 + 3"),
        ("a.b = 1 + (2 + 3)", "a.b = 1 + (2 + 3)"),
        ("a.b = (1 * 2) + 3", "a.b = 1 * 2 + 3"),
        ("a.b = 1 * (2 + 3)", "a.b = 1 * (2 + 3)"),
        ("a.b > TODAY - 1 week", "a.b > today - 1 WEEKS"),
        ("a.b in last 1 day", "a.b IN LAST 1 DAYS"),
        ("a.b in this Quarters", "a.b IN THIS QUARTER"),
        ("a.tags has 'x'", "a.tags HAS 'x'"),
        ("a.tags has any('x')", "a.tags HAS ANY ('x')"),
        ("a.tags has no ('x','y')", "a.tags HAS NONE ('x', 'y')"),
        ("sum(invoice.balance where is_open) > 1", "SUM(invoice.balance WHERE is_open) > 1"),
        ("first(invoice.x by due_date asc, y desc) = 1", "FIRST(invoice.x BY due_date, y DESC) = 1"),
    ],
)
def test_canonical(written: str, canonical: str) -> None:
    assert format_filter(parsed(written)) == canonical
    assert format_filter(parsed(canonical)) == canonical


@settings(max_examples=400, deadline=None)
@given(conditions)
def test_reads_back_as_the_same_tree(tree: ast.Condition) -> None:
    text = format_filter(tree)
    again = parsed(text)
    assert again == tree
    assert format_filter(again) == text
    assert parsed(in_other_letters(text)) == tree


def in_other_letters(text: str) -> str:
    """Letter case and white space mean nothing outside quotes and parameters."""
    parts = re.split(r"('(?:[^']|'')*'|\$\w+)", text)
    parts[::2] = [part.swapcase().replace(" ", " \t\r\n\u00a0") for part in parts[::2]]
    return "".join(parts)


@settings(max_examples=150, deadline=None)
@given(conditions)
def test_no_bracket_can_go(tree: ast.Condition) -> None:
    text = format_filter(tree)
    for start, end in brackets(text):
        shorter = f"{text[:start]} {text[start + 1 : end]} {text[end + 1 :]}"
        with suppress(FilterError):
            assert parsed(shorter) != tree, shorter


def brackets(text: str) -> Iterator[tuple[int, int]]:
    opened: list[int] = []
    for found in re.finditer(r"'(?:[^']|'')*'|[()]", text):
        if found.group() == "(":
            opened.append(found.start())
        elif found.group() == ")":
            yield opened.pop(), found.start()


@settings(max_examples=150, deadline=None)
@given(conditions)
def test_the_span_of_a_node_is_its_text(tree: ast.Condition) -> None:
    text = format_filter(tree)
    for node, _ in walk(parsed(text)):
        said = text[node.span.start : node.span.end]
        assert said in (written(node), f"({written(node)})")


def written(node: ast.Node) -> str:
    if isinstance(node, ast.Rolling | ast.Calendar):
        return format_period(node)
    if isinstance(node, ast.SortKey):
        return format_operand(node.key) + (" DESC" if node.descending else "")
    if isinstance(node, ast.Operand):
        return format_operand(node)
    assert isinstance(node, ast.Condition)
    return format_filter(node)
