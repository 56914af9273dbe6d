"""Wrong filters and the exact text an analyst reads: `errors/*.txt`, rewritten with DUELIST_UPDATE=1.

A file holds the filter, a line of dashes and the picture of every error, with what was expected. Before the filter
there may be a line `params: {…}` with the values of its parameters and a line `level: group`.
"""

import ast
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from dsl import Diagnostic, FilterError, analyze
from dsl.catalog import with_segments
from dsl.checker import Level
from dsl.diagnostics import draw
from tests.test_corpus import OF_SAMPLE
from tests.test_parser import mutated

# Beside the sample's segments some that are wrong.
WRONG_SEGMENTS = {
    "Round": "customer IN SEGMENT 'About'",
    "About": "customer.strike = 1 AND customer IN SEGMENT 'Round'",
    "Broken": "customer.gone = 1",
}
VOCABULARY = with_segments(OF_SAMPLE, {**OF_SAMPLE.segments, **WRONG_SEGMENTS})

FOLDER = Path(__file__).with_name("errors")
FILES = sorted(FOLDER.glob("*.txt"))
RULE = "\n---\n"


@dataclass(frozen=True)
class Case:
    header: tuple[str, ...]
    filter: str
    parameters: dict[str, object] | None
    level: Level

    @classmethod
    def read(cls, path: Path) -> "Case":
        lines = path.read_text(encoding="utf-8").partition(RULE)[0].split("\n")
        count = sum(line.startswith(("params: ", "level: ")) for line in lines[:2])
        header = dict(line.split(": ", 1) for line in lines[:count])
        parameters = json.loads(header["params"]) if "params" in header else None
        level = cast(Level, header.get("level", "customer"))
        return cls(tuple(lines[:count]), "\n".join(lines[count:]), parameters, level)

    def problems(self) -> tuple[Diagnostic, ...]:
        try:
            analyze(self.filter, VOCABULARY, level=self.level, parameters=self.parameters)
        except FilterError as error:
            return error.diagnostics
        return ()

    def written(self) -> str:
        pictures = "\n\n".join(pictured(self.filter, problem) for problem in self.problems())
        return "\n".join([*self.header, self.filter]) + RULE + pictures + "\n"


def pictured(text: str, problem: Diagnostic) -> str:
    """As it is drawn, and below it what could stand there instead, which only programs are told."""
    expected = f"\nexpected: {' | '.join(problem.expected)}" if problem.expected else ""
    return draw(text, problem) + expected


each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@each_file
def test_the_text_of_the_errors(path: Path) -> None:
    written = Case.read(path).written()
    if os.environ.get("DUELIST_UPDATE"):
        path.write_text(written, encoding="utf-8")
    assert written == path.read_text(encoding="utf-8")


@each_file
def test_the_filter_is_wrong(path: Path) -> None:
    assert Case.read(path).problems()


@each_file
def test_every_fix_removes_its_error_and_makes_no_other(path: Path) -> None:
    case = Case.read(path)
    before = Counter((problem.code, problem.message) for problem in case.problems())
    for problem in case.problems():
        for fix in problem.fixes:
            mended = replace(case, filter=fix.apply(case.filter))
            after = Counter((left.code, left.message) for left in mended.problems())
            assert after <= before - Counter([(problem.code, problem.message)]), mended.filter


def test_segments_are_nested_no_deeper_than_can_be_read() -> None:
    nested = {f"Level {deep}": f"customer IN SEGMENT 'Level {deep + 1}'" for deep in range(1, 5)}
    vocabulary = with_segments(OF_SAMPLE, nested | {"Level 5": "customer.strike = 1"})
    analyze("customer IN SEGMENT 'Level 2'", vocabulary)
    with pytest.raises(FilterError) as refused:
        analyze(text := "customer.rating = 'D' AND customer IN SEGMENT 'Level 1'", vocabulary)
    [problem] = refused.value.diagnostics
    assert (problem.code, problem.message) == ("too-large", "Segments can be nested 4 times at most.")
    assert text[problem.span.start : problem.span.end] == "'Level 1'"


def test_a_parameter_has_no_more_values_than_a_list() -> None:
    with pytest.raises(FilterError) as refused:
        analyze("customer.name IN ($names)", OF_SAMPLE, parameters={"names": ["x"] * 1_001})
    assert [problem.code for problem in refused.value.diagnostics] == ["too-large"]


def test_a_flag_that_may_be_missing_is_flipped_with_the_missing() -> None:
    with pytest.raises(FilterError) as refused:
        analyze(text := "invoice.balance > 1 AND NOT (invoice.is_open OR group.chasing_paused)", OF_SAMPLE)
    [problem] = refused.value.diagnostics
    assert problem.fixes[0].apply(text) == (
        "invoice.balance > 1 AND invoice.is_open = false AND group.chasing_paused != true"
    )


def test_every_code_has_a_file() -> None:
    shown = {problem.code for path in FILES for problem in Case.read(path).problems()}
    assert set(codes()) <= shown


def codes() -> Iterator[str]:
    """The codes of errors in the source: what a diagnostic is made with, or reported as. Warnings are no errors."""
    sources = [path for path in (FOLDER.parents[1] / "dsl").glob("*.py") if path.stem != "warnings"]
    for node in (node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("Diagnostic", "report", "stop"):
                yield str(node.args[0].value)


def test_no_mutated_filter_brings_the_checker_down() -> None:
    chance = random.Random(11)
    names = ("invoice.balance", "customer.tags", "payment.date", "customer.rating", "group.chasing_paused", "balance")
    for _ in range(2_000):
        text = mutated(chance)
        for name in ("a.x", "a.y", "b.z"):
            text = text.replace(name, chance.choice(names))
        case = Case((), text, None, chance.choice(("customer", "group")))
        for problem in case.problems():
            assert draw(text, problem)
