"""`python -m app.bench`, which `python3 dev.py bench` and `duelist bench` hand over to."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import orjson

from app.bench import growth, http, importing, memory, neighbours, queries, randomly, text
from app.bench.ledger import Place, Size, placed
from app.bench.progress import Told, bars
from app.bench.table import say
from app.database import database_url
from app.settings import Settings

DEFAULT, QUICK = Size(300_000, 3_000_000, 2_000_000), Size(3_000, 30_000, 20_000)


class Run:
    """What the parts share: where the ledger is, which is made when first asked for, and how much to measure."""

    def __init__(self, options: argparse.Namespace, server_url: str, told: Told, closing: ExitStack) -> None:
        self.server_url, self.told, self.quick = server_url, told, bool(options.quick)
        self.size, self.rounds, self._fresh, self._closing = _size(options), _rounds(options), options.fresh, closing

    @cached_property
    def place(self) -> Place:
        return self._closing.enter_context(placed(self.server_url, self.size, self.told, keep=not self._fresh))


def _queries(run: Run) -> object:
    figures = queries.measure(run.place, run.rounds, run.told)
    queries.report(figures)
    return [figure.row() for figure in figures]


def _random(run: Run) -> object:
    figures = randomly.measure(run.place, 20 if run.quick else 200, min(run.rounds, 3), run.told)
    randomly.report(figures)
    return figures


def _text(run: Run) -> object:
    rows = text.measure(run.rounds)
    text.report(rows)
    return rows


def _http(run: Run) -> object:
    rows = http.measure(run.place, 50 if run.quick else 300, min(run.rounds, 3))
    http.report(rows)
    return rows


def _neighbours(run: Run) -> object:
    rows = neighbours.measure(run.place, 50 if run.quick else 300, min(run.rounds, 3), run.told)
    neighbours.report(rows)
    return rows


def _import(run: Run) -> object:
    size = Size(run.size.customers // 10, run.size.invoices // 10, run.size.payments // 10)
    rows = importing.measure(run.server_url, size, min(run.rounds, 3), run.told)
    importing.report(rows, size)
    return rows


def _memory(run: Run) -> object:
    rows = memory.measure(run.place)
    memory.report(rows)
    return rows


def _growth(run: Run) -> object:
    scale = growth.QUICK if run.quick else growth.FULL
    tables = growth.measure(run.server_url, run.place, run.size, scale, run.rounds, run.told)
    growth.report(tables)
    return tables


PARTS: Mapping[str, Callable[[Run], object]] = {
    "queries": _queries,
    "random": _random,
    "text": _text,
    "http": _http,
    "neighbours": _neighbours,
    "import": _import,
    "memory": _memory,
    "growth": _growth,
}


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    wanted = options.only or [part for part in PARTS if part != "growth" or options.growth]
    with _running(options) as run:
        say([f"{run.size}; medians of {run.rounds} alternating rounds"])
        found = {part: PARTS[part](run) for part in wanted}
    if options.json:
        options.json.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


@contextmanager
def _running(options: argparse.Namespace) -> Iterator[Run]:
    with database_url(Settings()) as url, bars() as told, ExitStack() as closing:
        yield Run(options, url, told, closing)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="duelist bench", description="Ratios, measured side by side in one run.")
    parser.add_argument("--customers", type=int, metavar="N", help=f"{DEFAULT.customers:,} when absent")
    parser.add_argument("--invoices", type=int, metavar="N", help="ten times the customers when absent")
    parser.add_argument("--payments", type=int, metavar="N", help="two thirds of the invoices when absent")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be given again")
    parser.add_argument("--growth", action="store_true", help="also how the cost grows with what there is")
    parser.add_argument("--quick", action="store_true", help="a small ledger and few rounds: does it run?")
    parser.add_argument("--rounds", type=int, metavar="N", help="7 when absent")
    parser.add_argument("--fresh", action="store_true", help="make the ledger anew, though an earlier run left it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    return parser.parse_args(arguments)


def _size(options: argparse.Namespace) -> Size:
    customers = options.customers or (QUICK if options.quick else DEFAULT).customers
    invoices = options.invoices or customers * 10
    return Size(customers, invoices, options.payments or invoices * 2 // 3)


def _rounds(options: argparse.Namespace) -> int:
    return int(options.rounds or (3 if options.quick else 7))


if __name__ == "__main__":
    main()
