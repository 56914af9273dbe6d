"""What a heavy neighbour costs: how long one company waits for a preview while another asks dear ones, beside alone."""

import secrets
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import client
from multiprocessing import get_context

import orjson

from app import auth, companies
from app.bench.http import SERVICE, served
from app.bench.ledger import Place, Size, generate, keep_metrics, new_company, vacuum
from app.bench.progress import Told
from app.bench.questions import QUESTIONS
from app.bench.table import Row, say, show
from app.companies import Company
from app.roles import make_role

HEAVY, LIGHT = "sum against a metric", "same row, tiny"
CLIENTS = 30
NAME, NEIGHBOUR = "Neighbour", Size(3_000, 30_000, 20_000)


def measure(place: Place, requests: int, rounds: int, told: Told) -> list[Row]:
    neighbour = _neighbour(place, told)
    heavy, light = (auth.create_key(place.database, company, "read") for company in (place.company, neighbour))
    with served(make_role(place.url, SERVICE, secrets.token_hex(16))) as (_, port):
        alone, beside = [], []
        for _ in range(rounds):
            alone += _waits(port, light, requests)
            with _besieged(port, heavy):
                beside += _waits(port, light, requests)
    return [_row("alone", alone), _row("beside", beside)]


def _neighbour(place: Place, told: Told) -> Company:
    """The one that an earlier run left, or else a new one."""
    for company in companies.listed(place.database):
        if company.name == NAME:
            return company
    company = new_company(place.database, NAME)
    generate(place.database, company, NEIGHBOUR, told)
    keep_metrics(place.database, company)
    vacuum(place.url)
    return company


def report(rows: list[Row]) -> None:
    show(f"Previews of one company, beside {CLIENTS} clients of another", rows)
    alone, beside = (float(str(row["p95 ms"])) for row in rows)
    say([f"p95 beside: {beside / alone:.2f}x of alone"])


def _row(name: str, waits: list[float]) -> Row:
    cuts = statistics.quantiles(waits, n=20)
    return {"": name, "median ms": cuts[9] * 1000, "p95 ms": cuts[18] * 1000}


@contextmanager
def _besieged(port: int, key: str) -> Iterator[None]:
    """Clients that ask dear previews one after the other, whatever the answer is: in a process of their own, so that
    who measures does not wait for them."""
    siege = get_context("spawn").Process(target=_besiege, args=(port, key), daemon=True)
    siege.start()
    time.sleep(3)
    try:
        yield
    finally:
        siege.terminate()
        siege.join()


def _besiege(port: int, key: str) -> None:
    def ask_for_ever(_: int) -> None:
        while True:
            _asked(port, key, HEAVY)

    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(ask_for_ever, range(CLIENTS)))


def _waits(port: int, key: str, requests: int) -> list[float]:
    for _ in range(20):
        _asked(port, key, LIGHT)
    waits = []
    for _ in range(requests):
        start = time.perf_counter()
        status = _asked(port, key, LIGHT)
        waits.append(time.perf_counter() - start)
        if status != client.OK:
            raise RuntimeError(f"the server answered {status}")
    return waits


def _asked(port: int, key: str, name: str) -> int:
    [filter] = [question.filter for question in QUESTIONS if question.name == name]
    connection = client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/preview", orjson.dumps({"filter": filter}), headers)
    with connection.getresponse() as response:
        response.read()
        return response.status
