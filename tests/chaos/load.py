"""Callers of every kind at once, and imports; what each was told is kept."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from threading import Condition, Event, Thread
from typing import Any, NamedTuple

import psycopg
from psycopg_pool import PoolTimeout

from app.database import DatabaseAway
from tests.chaos import ledgers
from tests.chaos.asking import Answer, ask
from tests.chaos.living import looking
from tests.chaos.world import Firm, World

Document = dict[str, Any]

IMPORT_SECONDS = 90.0


class Import(NamedTuple):
    began: float
    ended: float
    mark: str
    version: int
    exit_code: int | None
    said: str


@dataclass
class Told:
    """What a company's callers know of what they have made: by `Idempotency-Key` the run's id, None when not known."""

    keyed: dict[str, int | None] = field(default_factory=dict)
    free: list[int] = field(default_factory=list)
    free_asked: int = 0
    workflows: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)


class Load:
    def __init__(self, world: World, callers: int, pause: float) -> None:
        """`pause`, in seconds, of each caller after each answer; imports pause ten times as long."""
        self.world = world
        self.answers: list[Answer] = []
        self.live: list[Answer] = []
        self.flaws: list[str] = []
        self.told = {firm.mark: Told() for firm in world.firms}
        self._open, self._stopped = Event(), Event()
        self._changing, self._busy = Condition(), 0
        self._names, self._outputs = count(1), count(1)
        rngs = [Random(world.seed * 1_000 + number) for number in range(callers + 1)]
        work = [(_Caller(self, rng).act, pause) for rng in rngs[1:]] + [(self._import_of(rngs[0]), 10 * pause)]
        self._threads = [Thread(target=self._repeat, args=one, daemon=True) for one in work]

    @contextmanager
    def running(self) -> Iterator[None]:
        self._open.set()
        for thread in self._threads:
            thread.start()
        try:
            with looking(self.world.port, self.world.folder / "living", self.live):
                yield
        finally:
            self._stopped.set()
            self._open.set()
            for thread in self._threads:
                thread.join()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """All that was asked has been answered."""
        self._open.clear()
        with self._changing:
            self._changing.wait_for(lambda: not self._busy, IMPORT_SECONDS)
        try:
            yield
        finally:
            self._open.set()

    def _repeat(self, act: Callable[[], None], pause: float) -> None:
        while not self._stopped.is_set():
            self._open.wait()
            with self._changing:
                self._busy += 1
            try:
                act()
            except Exception as fault:
                self.flaws.append(f"a fault of the test: {fault!r}")
            finally:
                with self._changing:
                    self._busy -= 1
                    self._changing.notify_all()
            self._stopped.wait(pause)

    # ------------------------------------------------------------ imports

    def _import_of(self, rng: Random) -> Callable[[], None]:
        def act() -> None:
            firm, version = rng.choice(self.world.firms), rng.choice(ledgers.VERSIONS)
            self.run_import(firm, version, killed_after=rng.uniform(0, 1) if rng.random() < 0.3 else None)

        return act

    def run_import(self, firm: Firm, version: int, *, killed_after: float | None = None) -> Import:
        """Each ends before the next one of the company begins: so it is known which versions may be there."""
        with firm.importing:
            with suppress(DatabaseAway, PoolTimeout, psycopg.OperationalError):  # then the next import looks
                self.flaws += [f"{firm.mark}: {flaw}" for flaw in self.world.half_imports(firm)]
            output = self.world.folder / f"import-{next(self._outputs)}"
            output.touch()
            began = time.monotonic()
            process = self.world.start_import(firm, version, output)
            process.join(IMPORT_SECONDS if killed_after is None else killed_after)
            if process.is_alive() and killed_after is None:
                self.flaws.append(f"an import hangs: {output.read_text()}")
            process.kill()  # nothing, where it has ended
            process.join()
            done = Import(began, time.monotonic(), firm.mark, version, process.exitcode, output.read_text())
            firm.possible = {version} if done.exit_code == 0 else firm.possible | {version}
            self.told[firm.mark].imports.append(done)
            return done

    def next_name(self) -> str:
        return f"chaos-{next(self._names)}"


class _Caller:
    """Asks one thing after the other. What it started under a key it starts again until it knows of the run."""

    def __init__(self, load: Load, rng: Random) -> None:
        self._load, self._rng = load, rng
        self._pending: dict[str, str] = {}
        self._acts = (
            *(self._preview, self._rows, self._export, self._why) * 2,
            *(self._run, self._run) * 2,
            *(self._run_freely, self._make_workflow, self._make_key, self._list_runs),
        )

    def act(self) -> None:
        self._rng.choice(self._acts)(self._rng.choice(self._load.world.firms))

    def _preview(self, firm: Firm) -> None:
        if found := self._document(firm, "preview", "POST", "/v1/preview", filter=ledgers.FILTER, limit=3):
            self._whole(firm, "preview", found["counts"])

    def _rows(self, firm: Firm) -> None:
        found = self._document(firm, "rows", "POST", "/v1/preview/invoices", filter=ledgers.FILTER, limit=500)
        if found and len(found["invoices"]) not in (0, ledgers.sizes(0)["invoices"]):
            self._flaw(firm, f"a page of {len(found['invoices'])} rows")

    def _export(self, firm: Firm) -> None:
        asked = {"filter": ledgers.FILTER, "rows": "invoices"}
        answer = self._ask(firm, "export", "POST", "/v1/preview.ndjson", asked)
        if answer.status == 200 and answer.how == "answered":
            rows = answer.body.count(b"\n")
            if rows not in (0, ledgers.sizes(0)["invoices"]):
                self._flaw(firm, f"an export of {rows} rows")

    def _why(self, firm: Firm) -> None:
        self._document(firm, "why", "POST", "/v1/why", filter=ledgers.FILTER, customer=f"{firm.mark}-C1")

    def _list_runs(self, firm: Firm) -> None:
        for run in (self._document(firm, "runs", "GET", "/v1/runs") or {"runs": []})["runs"]:
            self._whole(firm, "run", run["counts"])

    def _run(self, firm: Firm) -> None:
        told, key = self._load.told[firm.mark], self._pending.pop(firm.mark, None) or self._load.next_name()
        told.keyed.setdefault(key, None)
        headers = {"Idempotency-Key": key}
        path = f"/v1/workflows/{firm.workflow_ids['keyed']}/runs"
        answer = self._ask(firm, "run", "POST", path, {"confirm": True}, headers)
        if answer.status in (200, 201) and answer.how == "answered":
            run = json.loads(answer.body)
            if told.keyed[key] not in (None, run["id"]):
                self._flaw(firm, f"the runs {told.keyed[key]} and {run['id']} under one key")
            told.keyed[key] = run["id"]
        if told.keyed[key] is None or self._rng.random() < 0.3:
            self._pending[firm.mark] = key

    def _run_freely(self, firm: Firm) -> None:
        told = self._load.told[firm.mark]
        told.free_asked += 1
        path = f"/v1/workflows/{firm.workflow_ids['free']}/runs"
        if found := self._document(firm, "free run", "POST", path, confirm=True):
            told.free.append(found["id"])

    def _make_workflow(self, firm: Firm) -> None:
        edited = {"name": f"{firm.mark} {self._load.next_name()}", "filter": "customer.rating = 'A'"}
        if found := self._document(firm, "workflow", "POST", "/v1/workflows", **edited):
            self._load.told[firm.mark].workflows.append(found["id"])

    def _make_key(self, firm: Firm) -> None:
        if found := self._document(firm, "key", "POST", "/v1/keys", scope="read", name=f"{firm.mark} key"):
            self._load.told[firm.mark].keys.append(found["prefix"])

    # ------------------------------------------------------------ asking

    def _document(self, firm: Firm, what: str, method: str, path: str, **asked: object) -> Document | None:
        answer = self._ask(firm, what, method, path, asked if method == "POST" else None)
        if answer.how != "answered" or answer.status not in (200, 201):
            return None
        found: Document = json.loads(answer.body)
        return found

    def _ask(
        self,
        firm: Firm,
        what: str,
        method: str,
        path: str,
        asked: Mapping[str, object] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        own = {"Authorization": f"Bearer {firm.key}", **(headers or {})}
        answer = ask(self._load.world.port, what, method, path, asked, own)
        for other in self._load.world.firms:
            if other is not firm and other.mark.encode() in answer.body:
                self._flaw(firm, f"{other.mark} in the answer to {what}")
        self._load.answers.append(answer)
        return answer

    def _whole(self, firm: Firm, what: str, counts: Mapping[str, int]) -> None:
        found = {kind: counts.get(kind) for kind in ledgers.sizes(0)}
        if found not in [ledgers.sizes(version) for version in ledgers.VERSIONS]:
            self._flaw(firm, f"half an import in a {what}: {found}")

    def _flaw(self, firm: Firm, text: str) -> None:
        self._load.flaws.append(f"{firm.mark}: {text}")


def burst(world: World, number: int) -> list[Answer]:
    """Many questions at once, of both companies."""
    answers: list[Answer] = []

    def one(firm: Firm) -> None:
        key = {"Authorization": f"Bearer {firm.key}"}
        answers.append(ask(world.port, "burst", "POST", "/v1/preview", {"filter": ledgers.FILTER}, key))

    threads = [Thread(target=one, args=[world.firms[n % len(world.firms)]], daemon=True) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        with suppress(RuntimeError):
            thread.join()
    return answers
