"""How the cost grows: with the ledger, the conditions of a filter, the companies beside it and those who ask at once.

The slope is that of cost over size, both as logarithms: 1 where they grow alike, 0 where the size does not matter.
"""

import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count

from app.bench.asking import Answering, asked_in, ours, run
from app.bench.ledger import (
    STATEMENT_TIMEOUT_MS,
    Place,
    Size,
    empty,
    generate,
    keep_metrics,
    new_company,
    placed,
    vacuum,
)
from app.bench.measuring import medians, plotted, slope
from app.bench.progress import Told
from app.bench.questions import QUESTIONS
from app.bench.table import Row, show_markdown
from app.bench.text import compile_ours
from app.database import Database

NAMES = ("same row", "same row, tiny", "two blocks", "money", "NO payment, huge", "count of rows", "level group")
SIZE_OF_A_COMPANY = Size(100, 1_000, 600)


@dataclass(frozen=True, slots=True)
class Scale:
    """The sizes to compare, the smallest first; `requests` of each client."""

    customers: Sequence[int]
    conditions: Sequence[int]
    companies: Sequence[int]
    clients: Sequence[int]
    requests: int


FULL = Scale((10_000, 30_000, 100_000), (1, 3, 10, 30, 100), (1, 10, 100, 1_000), (1, 2, 4, 8, 16, 32), 200)
QUICK = Scale((300, 1_000), (1, 10), (1, 3), (1, 4), 10)

Tables = Mapping[str, list[Row]]


def measure(server_url: str, largest: Place, size: Size, scale: Scale, rounds: int, told: Told) -> Tables:
    return {
        "ledger size": _ledgers(server_url, largest, size, scale.customers, rounds, told),
        "conditions": _conditions(largest, scale.conditions, rounds),
        "companies": _companies(server_url, scale.companies, rounds, told),
        "concurrent clients": _clients(largest, scale.clients, scale.requests, told),
    }


def report(tables: Tables) -> None:
    for title, rows in tables.items():
        show_markdown(f"Growth with {title}", rows)


# ---------------------------------------------------------------- with the ledger


def _ledgers(
    server_url: str, largest: Place, size: Size, customers: Sequence[int], rounds: int, told: Told
) -> list[Row]:
    """Milliseconds of count and first page by question, a column for each size, and the slope over all of them."""
    taken: dict[int, Mapping[str, float]] = {}
    for number in customers:
        smaller = Size(number, number * 10, number * 20 // 3)
        with placed(server_url, smaller, told) as place:
            taken[number] = _asked(place, rounds)
    taken[size.customers] = _asked(largest, rounds)
    return [
        {
            "filter": name,
            **{f"{number:,} customers": times[name] for number, times in taken.items()},
            "slope": slope({number: times[name] for number, times in taken.items()}),
            "plot": plotted([times[name] for times in taken.values()]),
        }
        for name in taken[size.customers]
    ]


def _asked(place: Place, rounds: int) -> Mapping[str, float]:
    with asked_in(place) as connection:
        calls = {}
        for question in (question for question in QUESTIONS if question.name in NAMES):
            answering = ours(connection, place, question.filter, question.level)
            calls[f"{question.name}: count ms"] = partial(run, connection, answering.count)
            calls[f"{question.name}: page ms"] = partial(run, connection, answering.page)
        return medians(calls, rounds)


# ---------------------------------------------------------------- with the conditions


def _conditions(place: Place, numbers: Sequence[int], rounds: int) -> list[Row]:
    rows = [_conditioned(place, number, rounds) for number in numbers]
    return [*rows, *_slopes(rows, "conditions")]


def _conditioned(place: Place, number: int, rounds: int) -> Row:
    fresh = count(1)
    with asked_in(place) as connection:
        answering = ours(connection, place, _with_conditions(number, 0))
        times = medians({
            "text to SQL, CPU ms": partial(_compile_fresh, number, fresh),
        }, rounds, time.process_time) | medians({
            "count ms": partial(run, connection, answering.count),
            "page ms": partial(run, connection, answering.page),
        }, rounds)  # fmt: skip
    return {"conditions": number, **times}


def _compile_fresh(number: int, fresh: Iterator[int]) -> object:
    return compile_ours(_with_conditions(number, next(fresh)))


_FORMS = (
    "customer.balance_overdue <> {0}", "invoice.balance > {0}", "invoice.amount <> {0}", "customer.strike <> {1}",
    "invoice.days_overdue <> {0}",
)  # fmt: skip


def _with_conditions(number: int, first: int) -> str:
    """Of which each is another, all of them about the customer or one invoice."""
    forms = (_FORMS[n % len(_FORMS)].replace("<>", "!=") for n in range(number))
    return " AND ".join(form.format(first + n, n % 10) for n, form in enumerate(forms))


# ---------------------------------------------------------------- with the companies


def _companies(server_url: str, numbers: Sequence[int], rounds: int, told: Told) -> list[Row]:
    """What one company pays for the others in the same tables."""
    rows = []
    with empty(server_url, "duelist_bench_companies") as (url, database):
        first = new_company(database, "Company 1")
        made = 0
        for number in numbers:
            while made < number:
                company = first if made == 0 else new_company(database, f"Company {made + 1}")
                generate(database, company, SIZE_OF_A_COMPANY, lambda _what, _share: None)
                keep_metrics(database, company)
                made += 1
                told("companies", made / numbers[-1])
            vacuum(url)
            taken = _asked(Place(url, database, first), rounds)
            rows.append({"companies": number, **taken})
    return [*rows, *_slopes(rows, "companies")]


# ---------------------------------------------------------------- with those who ask at once


def _clients(place: Place, numbers: Sequence[int], requests: int, told: Told) -> list[Row]:
    rows = []
    question = next(question for question in QUESTIONS if question.name == "same row, tiny")
    with asked_in(place) as connection:
        answering = ours(connection, place, question.filter)
    for number in numbers:
        with closing(Database(place.url, max_size=number, statement_timeout_ms=STATEMENT_TIMEOUT_MS)) as database:
            rows.append(_at_once(Place(place.url, database, place.company), answering, number, requests))
        told("clients", number / numbers[-1])
    return [*rows, *_slopes(rows, "clients")]


def _at_once(place: Place, answering: Answering, clients: int, requests: int) -> Row:
    walls: list[float] = []

    def ask() -> None:
        for _ in range(requests):
            start = time.perf_counter()
            with asked_in(place) as connection:
                run(connection, answering.page)
            walls.append(time.perf_counter() - start)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - start
    return {"clients": clients, "pages a second": len(walls) / taken, "page ms": statistics.median(walls) * 1000}


def _slopes(rows: Sequence[Row], by: str) -> list[Row]:
    """And as bars."""
    columns = {name: [float(str(row[name])) for row in rows] for name in rows[0]}
    sizes = columns.pop(by)
    return [
        {by: "slope", **{name: slope(dict(zip(sizes, costs, strict=True))) for name, costs in columns.items()}},
        {by: "plot", **{name: plotted(costs) for name, costs in columns.items()}},
    ]
