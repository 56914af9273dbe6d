"""What HTTP costs: CPU of the server's process and time for a preview, beside a bare loop over the same statements."""

import http.client
import os
import pickle
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import orjson
import psutil

from app import auth
from app.bench.ledger import Place
from app.bench.questions import QUESTIONS
from app.bench.recorded import Recorded, recorded
from app.bench.table import Row, say, show
from app.roles import make_role

# Answered in little time, so that what is around the statements shows.
NAMES = ("same row, tiny", "text on a row, tiny", "text, tiny")
WARM = 20
SERVICE = "duelist_bench_service"


def measure(place: Place, requests: int, rounds: int) -> list[Row]:
    filters = [question.filter for question in QUESTIONS if question.name in NAMES]
    key = auth.create_key(place.database, place.company, "read")
    recordings = [recorded(place, text) for text in filters]
    with served(make_role(place.url, SERVICE, secrets.token_hex(16))) as (server, port):
        bodies = [orjson.dumps({"filter": text}) for text in filters]
        ours = [_asked(server, port, key, bodies, requests) for _ in range(rounds)]
        bare = [_bare(place.url, recordings, requests) for _ in range(rounds)]
    return [_row(name, taken) for name, taken in (("HTTP", ours), ("bare loop", bare))]


@dataclass(frozen=True, slots=True)
class Taken:
    """By one request."""

    cpu_ms: float
    wall_ms: float


def _row(name: str, taken: Sequence[Taken]) -> Row:
    cpu, wall = (
        statistics.median(values) for values in zip(*((each.cpu_ms, each.wall_ms) for each in taken), strict=True)
    )
    return {"": name, "requests a CPU second": 1000 / cpu, "CPU ms": cpu, "ms": wall}


def report(rows: list[Row]) -> None:
    show("Preview: a request over HTTP, and the same statements in a loop", rows)
    over_http, bare = ({name: float(str(value)) for name, value in row.items() if name} for row in rows)
    say((
        f"CPU of the server: {over_http['CPU ms'] / bare['CPU ms']:.2f}x the bare loop's",
        f"HTTP adds {over_http['ms'] - bare['ms']:.2f} ms",
    ))  # fmt: skip


# ---------------------------------------------------------------- over HTTP


@contextmanager
def served(url: str) -> Iterator[tuple[psutil.Process, int]]:
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "DUELIST_DATABASE_URL": url,
            "DUELIST_DATA_DIR": folder,
            "DUELIST_LOG_LEVEL": "error",
            "DUELIST_KEY_REQUESTS_PER_MINUTE": "0",
            "DUELIST_COMPANY_REQUESTS_PER_MINUTE": "0",
        }
        command = [sys.executable, "-m", "app.bench.server"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            yield psutil.Process(server.pid), int(server.stdout.readline())
            server.terminate()


def _asked(server: psutil.Process, port: int, key: str, bodies: Sequence[bytes], requests: int) -> Taken:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    walls = []
    for number in range(-WARM, requests):
        if number == 0:
            before = _cpu_seconds(server)
        start = time.perf_counter()
        connection.request("POST", "/v1/preview", bodies[number % len(bodies)], headers)
        answer = connection.getresponse()
        body = answer.read()
        walls.append(time.perf_counter() - start)
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"the server answered {answer.status}: {body[:500]!r}")
    cpu = _cpu_seconds(server) - before
    connection.close()
    return Taken(cpu / requests * 1000, statistics.median(walls[WARM:]) * 1000)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


# ---------------------------------------------------------------- bare


def _bare(url: str, recordings: Sequence[Recorded], requests: int) -> Taken:
    command = [sys.executable, "-m", "app.bench.bare", str(requests)]
    done = subprocess.run(command, input=pickle.dumps((url, recordings)), stdout=subprocess.PIPE, check=True)
    return Taken(**orjson.loads(done.stdout))
