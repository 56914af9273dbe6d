"""What else is asked of a filter than its page: counts, sweeps, orders, the nearest row. All as recorded in SQL.

`statements.sql` holds the filters too, each in a heading; `DUELIST_UPDATE=1` rewrites what stands below them.
"""

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import cast

from dsl import Analysis, analyze, typed
from dsl.checker import Level
from dsl.compiler import Order, Probe, Question, Seen
from dsl.frames import Relations
from dsl.reasons import nearest_by
from dsl.statements import Statement, count_statement, probing_statement, rows_statement
from tests.test_corpus import OF_SAMPLE, written

PATH = Path(__file__).with_name("statements.sql")
DAY = date(2026, 11, 21)
TODAY = Question(7, DAY, Relations.KEPT)
OF_ALL = Question(None, DAY, Relations.LIVE)
BEFORE = Question(None, DAY, Relations.HISTORIC)


def test_every_statement_is_as_recorded() -> None:
    found = "\n".join(line for heading in headings() for line in (heading, *statements(heading), ""))
    if os.environ.get("DUELIST_UPDATE"):
        PATH.write_text(found)
    assert PATH.read_text() == found


def headings() -> list[str]:
    return [line for line in PATH.read_text().splitlines() if line.startswith("---- ")]


def statements(heading: str) -> Iterator[str]:
    """A heading: the level, what is asked, and the filter."""
    said, _, text = heading.removeprefix("---- ").partition(": ")
    level, *asked = said.split(", ")
    analysis = analyze(text, OF_SAMPLE, level=cast(Level, level))
    return (f"-- {name}\n{written(ASKED[name](analysis))}" for name in asked)


def of_all(analysis: Analysis) -> Statement:
    root = analysis.lowered.root
    return rows_statement(analysis.lowered, BEFORE, {"source_id": (root, root.entity.fields["source_id"])})


def upwards(analysis: Analysis) -> Statement:
    """By the first field that the filter names."""
    fields = analysis.named_fields
    return rows_statement(analysis.lowered, TODAY, fields, order=Order(*next(iter(fields.values()))), limit=5)


def downwards(analysis: Analysis) -> Statement:
    """After a row, by the last field."""
    fields = analysis.named_fields
    order = Order(*list(fields.values())[-1], descending=True)
    return rows_statement(analysis.lowered, TODAY, fields, order=order, after=Seen("C1", "0"))


def after_missing(analysis: Analysis) -> Statement:
    fields = analysis.named_fields
    return rows_statement(analysis.lowered, TODAY, {}, order=Order(*next(iter(fields.values()))), after=Seen("C1"))


def nearest(analysis: Analysis) -> Statement:
    condition = analysis.lowered.condition
    parts = condition.conditions if isinstance(condition, typed.And) else (condition,)
    operands = [operand for part in parts for operand in typed.children(part) if isinstance(operand, typed.Operand)]
    probe = Probe(parts[0], parts[1:], next(filter(None, map(nearest_by, parts)), None), parts[-1:], tuple(operands))
    return probing_statement(analysis.lowered, TODAY, {}, probe, limit=1)


ASKED: dict[str, Callable[[Analysis], Statement]] = {
    "count": lambda analysis: count_statement(analysis.lowered, TODAY),
    "some": lambda analysis: count_statement(analysis.lowered, TODAY, limit=9),
    "counts": lambda analysis: count_statement(analysis.lowered, OF_ALL),
    "of all": of_all,
    "upwards": upwards,
    "downwards": downwards,
    "after missing": after_missing,
    "nearest": nearest,
}
