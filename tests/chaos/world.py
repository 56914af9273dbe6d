"""What goes wrong: a PostgreSQL of our own, the network before it, the service, two companies and a receiver."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, LiteralString
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg

from app import auth, companies, embedded, workflows
from app.companies import Company
from app.database import Database
from app.imports import import_ledger
from app.migrate import migrate
from app.roles import make_role
from app.workflows import Edited, Hook
from tests.chaos import ledgers
from tests.chaos.proxy import Proxy
from tests.chaos.receiver import Receiver, receiving
from tests.importing import start_command
from tests.served import SERVICE
from tests.test_import_faults import Facts, facts_in

DEADLINE_SECONDS = 4.0
POOL_SECONDS = 1.5
STATEMENT_SECONDS = 6.0  # so that a server which was frozen for less does not blame the filter
LEAVING_SECONDS = 5.0  # how long the service lets requests end

# Shorter than usual, so that they are met.
SETTINGS = {
    "DUELIST_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
    "DUELIST_EXPORT_TIMEOUT_MS": f"{1000 * STATEMENT_SECONDS:.0f}",
    "DUELIST_STATEMENT_TIMEOUT_MS": f"{1000 * STATEMENT_SECONDS:.0f}",
    "DUELIST_POOL_TIMEOUT_SECONDS": str(POOL_SECONDS),
    "DUELIST_KEY_REQUESTS_PER_MINUTE": "0",
    "DUELIST_COMPANY_REQUESTS_PER_MINUTE": "0",
    "DUELIST_WEBHOOK_PRIVATE": "true",
}

LEDGER_TABLES = (
    *("customer_group", "customer", "contact", "invoice", "payment", "credit_note", "allocation"),
    *("journal", "activity", "promise", "fx_rate"),
)

ALL_DAY = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "until": "23:59"}


@dataclass
class Firm:
    """`workflow_ids` by how their runs are started. `possible`: the versions of the ledger of which one is there;
    several, when nobody was told how an import ended. `due`: how often the scheduled workflow was."""

    company: Company
    mark: str
    key: str
    workflow_ids: Mapping[str, int]
    folders: Mapping[int, Path]
    states: Mapping[int, Facts]
    possible: set[int]
    due: int = 0
    importing: Lock = field(default_factory=Lock)


class World:
    def __init__(self, folder: Path, data: Path, seed: int, *, is_small: bool) -> None:
        """`data` is where PostgreSQL lives; `is_small`: on a disk that can be filled."""
        self.folder, self.data, self.is_small, self.seed = folder, data, is_small, seed
        self.firms: list[Firm] = []
        self.receiver: Receiver
        self.service: ForkServerProcess
        self.port = _free_port()
        self.log = folder / "service.log"
        self._postgres = ExitStack()
        self.start_postgres()
        self._proxy: Proxy | None = None

    @property
    def proxy(self) -> Proxy:
        assert self._proxy is not None
        return self._proxy

    # ------------------------------------------------------------ PostgreSQL

    def start_postgres(self) -> None:
        """Or again, whatever has become of the last one."""
        self._postgres.close()
        self.owner_url = self._postgres.enter_context(embedded.running(self.data))

    def stop_postgres(self) -> None:
        self._postgres.close()

    def postgres(self) -> list[psutil.Process]:
        """Its processes, the first one first."""
        first = psutil.Process(int((self.data / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
        return [first, *first.children(recursive=True)]

    def is_postgres_there(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.owner_url, connect_timeout=2).close()
            return True
        return False

    def ask(self, question: LiteralString, **parameters: object) -> list[tuple[Any, ...]]:
        """As the owner, past the proxy, beyond all companies."""
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            cursor = connection.execute(question, parameters)
            return cursor.fetchall() if cursor.description else []

    def through_proxy(self, user: str) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.proxy.port}/{embedded.DATABASE}"

    # ------------------------------------------------------------ the service

    def start_service(self) -> None:
        environment = {
            **SETTINGS,
            "DUELIST_DATABASE_URL": self.through_proxy(SERVICE),
            "DUELIST_OWNER_DATABASE_URL": self.owner_url,
            "DUELIST_DATA_DIR": str(self.folder / "secrets"),
            "DUELIST_PORT": str(self.port),
        }
        self.service = start_command(["serve"], environment, self.log)

    def leave_service(self, number: signal.Signals) -> int | None:
        """Its exit code."""
        assert self.service.pid is not None
        os.kill(self.service.pid, number)
        self.service.join(4 * LEAVING_SECONDS)
        return self.service.exitcode

    def answers(self, seconds: float = 60.0) -> float:
        """How long it takes until a question is answered."""
        start = time.monotonic()
        body = json.dumps({"filter": ledgers.FILTER})
        headers = {"Authorization": f"Bearer {self.firms[0].key}", "Content-Type": "application/json"}
        while time.monotonic() < start + seconds:
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2 * DEADLINE_SECONDS)
                with closing(connection):
                    connection.request("POST", "/v1/preview", body, headers)
                    if connection.getresponse().status == 200:
                        break
            time.sleep(0.02)
        return time.monotonic() - start

    # ------------------------------------------------------------ imports and schedules

    def make_due(self) -> None:
        """The scheduled workflows, where they are not due already."""
        for firm in self.firms:
            about = {"company": firm.company.company_id, "id": firm.workflow_ids["scheduled"]}
            firm.due += len(self.ask(_MAKE_DUE, **about))

    def start_import(self, firm: Firm, version: int, output: Path) -> ForkServerProcess:
        arguments = ["import", str(firm.folders[version]), "--company", firm.company.name]
        return start_command(arguments, {"DUELIST_DATABASE_URL": self.through_proxy(embedded.SUPERUSER)}, output)

    def half_imports(self, firm: Firm) -> Iterator[str]:
        """While nothing is imported: the ledger is one of the versions that it may be."""
        with closing(Database(self.owner_url)) as database:
            found = _state(database, firm.company)
        versions = [version for version, state in firm.states.items() if state == found]
        if not versions:
            differing = {name: len(rows - firm.states[0][name]) for name, rows in found.items()}
            yield f"the ledger is neither version; rows that differ from the first: {differing}"
        elif versions[0] not in firm.possible:
            yield f"the ledger is version {versions[0]}, and could only be {firm.possible}"


_MAKE_DUE: LiteralString = """
    UPDATE workflow SET next_run_at = now()
    WHERE company_id = %(company)s AND id = %(id)s AND next_run_at > now() + interval '1 minute' RETURNING id
"""


def _state(database: Database, company: Company) -> Facts:
    with database.transaction(company.company_id) as connection:
        return facts_in(connection, LEDGER_TABLES)


@contextmanager
def made(seed: int, *, small_disk: bool = True) -> Iterator[World]:
    """A world in which everything is well."""
    with (
        TemporaryDirectory(prefix="duelist-") as files,
        TemporaryDirectory(prefix="duelist-") as data,
        _small_disk(Path(data), wanted=small_disk) as is_small,
        ExitStack() as ending,
    ):
        world = World(Path(files), Path(data), seed, is_small=is_small)
        ending.callback(world.stop_postgres)
        migrate(world.owner_url)
        make_role(world.owner_url, SERVICE, SERVICE)
        # Room for two segments of the log is all that there is.
        world.ask("ALTER SYSTEM SET max_wal_size = '64MB'")
        world.ask("SELECT pg_reload_conf()")
        socket_folder = parse_qs(urlsplit(world.owner_url).query)["host"][0]
        world._proxy = Proxy(f"{socket_folder}/.s.PGSQL.{embedded.PORT}", seed)
        ending.callback(world.proxy.close)
        world.receiver = ending.enter_context(receiving(seed))
        with closing(Database(world.owner_url)) as database:
            world.firms += [_founded(world, database, mark) for mark in ("ALPHA", "BRAVO")]
        world.start_service()
        ending.callback(lambda: world.service.kill())
        world.answers()
        yield world


def _founded(world: World, database: Database, mark: str) -> Firm:
    company = companies.create(database, mark, currency="EUR", country="DE", time_zone="UTC")
    folders = {version: ledgers.write(world.folder, mark, version) for version in ledgers.VERSIONS}
    states: dict[int, Facts] = {}
    for version in (*ledgers.VERSIONS, 0):
        with database.transaction(company.company_id, write=True) as connection:
            import_ledger(connection, company, [folders[version]])
        found = _state(database, company)
        assert states.setdefault(version, found) == found
    made = {kind: _workflow(database, company, kind) for kind in ("keyed", "free", "scheduled")}
    workflows.set_hook(database, company, Hook(url=world.receiver.url(mark)), "test", private=True)
    key = auth.create_key(database, company, "admin")
    return Firm(company, mark, key, made, folders, states, {0})


def _workflow(database: Database, company: Company, kind: str) -> int:
    edited = {
        "name": f"{company.name} {kind}",
        "filter": ledgers.FILTER,
        "growth_factor": 1_000_000,
        "schedule": ALL_DAY if kind == "scheduled" else None,
    }
    return workflows.create(database, company, Edited.model_validate(edited), "test").id


@contextmanager
def _small_disk(folder: Path, *, wanted: bool) -> Iterator[bool]:
    """Only root may make one; whether it is there."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m,mode=0755", "tmpfs", str(folder)]
    with suppress(FileNotFoundError):
        if wanted and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            try:
                yield True
            finally:
                subprocess.run(["umount", "--lazy", str(folder)], check=True)
            return
    yield False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def soon(holds: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < until:
        time.sleep(0.05)
    return found
