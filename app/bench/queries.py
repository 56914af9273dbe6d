"""Each question as the product compiles it, as a person would write it, and asked of DuckDB."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import duckdb

from app.bench import duck
from app.bench.asking import Rows, asked_in, handwritten, ours, run
from app.bench.ledger import Place
from app.bench.measuring import Call, medians
from app.bench.progress import Told
from app.bench.questions import QUESTIONS, Question
from app.bench.table import Row, say, show
from app.database import Connection
from dsl.statements import Statement

PARTS = ("count", "page", "invoices")
MOST = 1.15


class Differs(AssertionError):
    """Two ways to ask the same do not have the same answer: there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Milliseconds of "ours count", "by hand count", "duckdb count" and so on, and of "floor"."""

    question: Question
    answer: int
    times: Mapping[str, float]

    def ratio(self, part: str, to: str) -> float:
        return self.times[f"ours {part}"] / self.times[f"{to} {part}"]

    def row(self) -> Row:
        return {
            "filter": self.question.name,
            "answer": self.answer,
            **{f"{part} ms": self.times[f"ours {part}"] for part in PARTS},
            **{f"{part} / by hand": self.ratio(part, "by hand") for part in PARTS},
            **{f"{part} / duckdb": self.ratio(part, "duckdb") for part in PARTS},
            "floor ms": self.times["floor"],
        }


def measure(place: Place, rounds: int, told: Told) -> list[Figure]:
    """All answers are compared before anything is timed."""
    rival = duck.loaded(place, told)
    with asked_in(place) as connection:
        ways_of = {question: asked(connection, place, question) for question in QUESTIONS}
        answers = {}
        for number, (question, ways) in enumerate(ways_of.items(), 1):
            answers[question] = same_answer(connection, rival, question, ways)
            told("comparing answers", number / len(ways_of))
        figures = []
        for number, (question, ways) in enumerate(ways_of.items(), 1):
            figures.append(Figure(question, answers[question], medians(_calls(connection, rival, ways), rounds)))
            told("measuring", number / len(ways_of))
    return figures


Ways = Mapping[str, Mapping[str, Statement]]


def asked(connection: Connection, place: Place, question: Question) -> Ways:
    compiled = ours(connection, place, question.filter, question.level)
    return {"ours": compiled.statements(), "by hand": handwritten(place, question).statements()}


def same_answer(connection: Connection, rival: duckdb.DuckDBPyConnection, question: Question, ways: Ways) -> int:
    """How many there are. DuckDB has other types of numbers: of its rows, who they are is compared."""
    for part in PARTS:
        found, by_hand = (run(connection, ways[way][part]) for way in ("ours", "by hand"))
        theirs = duck.run(rival, ways["by hand"][part])
        if found != by_hand:
            raise Differs(_difference(question, part, "by hand", found, by_hand))
        if [row[0] for row in found] != [row[0] for row in theirs]:
            raise Differs(_difference(question, part, "DuckDB", found, theirs))
    [(count,)] = run(connection, ways["ours"]["count"])
    return int(count)


def _difference(question: Question, part: str, whose: str, found: Rows, others: Rows) -> str:
    ours_only, others_only = ([row for row in rows if row not in other][:2] for rows, other in
                              ((found, others), (others, found)))  # fmt: skip
    return f"{question.name}, {part}: ours has {ours_only}, {whose} has {others_only}: {question.filter}"


def _calls(connection: Connection, rival: duckdb.DuckDBPyConnection, ways: Ways) -> dict[str, Call]:
    ours_and_by_hand = {f"{way} {part}": partial(run, connection, ways[way][part]) for way in ways for part in PARTS}
    theirs = {f"duckdb {part}": partial(duck.run, rival, ways["by hand"][part]) for part in PARTS}
    return {**ours_and_by_hand, **theirs, "floor": partial(run, connection, Statement("SELECT 1", {}))}


def report(figures: list[Figure]) -> None:
    show("Queries: milliseconds, and ratios measured in turn (below 1: ours is quicker)", [f.row() for f in figures])
    quick = [f for f in figures if all(f.ratio(part, "by hand") <= MOST for part in ("count", "page"))]
    faster = [f for f in figures if all(f.ratio(part, "duckdb") < 1 for part in ("count", "page"))]
    number = len(figures)
    say((
        f"count and first page at most {MOST}x handwritten: {len(quick)} of {number}; {_worst(figures, 'by hand')}",
        f"faster than DuckDB (count and first page): {len(faster)} of {number}; {_worst(figures, 'duckdb')}",
    ))  # fmt: skip


def _worst(figures: list[Figure], to: str) -> str:
    ratio, part, name = max((f.ratio(part, to), part, f.question.name) for f in figures for part in PARTS)
    return f"the most is {ratio:.2f}x ({name}, {part})"
