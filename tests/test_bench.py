"""The benchmark runs, and all it compares has the same answers. Timings are no tests."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import orjson
import pytest

from app.bench import __main__ as bench
from app.bench import duck, memory, queries
from app.bench.asking import asked_in
from app.bench.ledger import Place, Size, placed
from app.bench.questions import QUESTIONS, Question
from app.database import Connection

SIZE = Size(400, 4_000, 2_666)  # as the command works out what it is not told


def untold(_what: str, _share: float) -> None:
    pass


@pytest.fixture(scope="module")
def place(server_url: str) -> Iterator[Place]:
    with placed(server_url, SIZE, untold) as place:
        yield place


@pytest.fixture(scope="module")
def rival(place: Place) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duck.loaded(place, untold)) as rival:
        yield rival


@pytest.fixture(scope="module")
def connection(place: Place) -> Iterator[Connection]:
    with asked_in(place) as connection:
        yield connection


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_ours_handwritten_and_duckdb_answer_alike(
    place: Place, rival: duckdb.DuckDBPyConnection, connection: Connection, question: Question
) -> None:
    assert queries.same_answer(connection, rival, question, queries.asked(connection, place, question)) >= 0


def test_a_ledger_of_an_earlier_run_is_kept(server_url: str, place: Place) -> None:
    with placed(server_url, SIZE, fail) as found:
        assert found.company == place.company


def fail(what: str, _share: float) -> None:
    raise AssertionError(f"made {what} again")


@pytest.mark.parametrize("part", bench.PARTS)
def test_each_part_runs(part: str, server_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", server_url)
    figures = tmp_path / "figures.json"
    arguments = ["--quick", "--customers", str(SIZE.customers), "--rounds", "1", "--only", part, "--json", str(figures)]
    bench.main(arguments)
    assert orjson.loads(figures.read_bytes())[part]


def test_the_memory_of_a_task_is_its_own(place: Place, tmp_path: Path) -> None:
    ballast = bytearray(b"x") * (400 << 20)  # of the process that starts it
    assert memory.peak("nothing", place.url, str(tmp_path)) < len(ballast) >> 20


def test_the_command_hands_over() -> None:
    command = [sys.executable, "-c", "from app.cli import main; main()", "bench", "--help"]
    assert "--growth" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
