"""No accepted filter runs away: deadlines, clients that leave, turns, and what costs too much is named."""

import http.client
import json
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread, Timer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import uvicorn

from app import auth, companies, costs, embedded, errands, lists
from app.companies import Company
from app.database import Connection, Database, DatabaseAway
from app.errands import ERRAND, Ended, Errand
from app.main import create_app
from app.migrate import migrate
from app.queries import answers
from app.roles import make_role
from app.settings import Settings
from dsl import CATALOG, analyze
from dsl.statements import Statement, count_statement, rows_statement
from tests.chaos.proxy import Proxy
from tests.served import SERVICE, api_of, as_service, client_of

SEED = int(os.environ.get("DUELIST_SEED", "1"))

# Longer than any test, so whatever is answered sooner was ended.
SLOW = Statement("SELECT pg_sleep(60)", {})
FILTER = "customer.rating = 'D'"

# Half a second is what is promised; the machine may be busy.
GONE_SECONDS = 3.0


@pytest.fixture(scope="module")
def firms(database: Database) -> list[Company]:
    return [
        companies.create(database, name, currency="EUR", country="DE", time_zone="UTC") for name in ("Heavy", "Light")
    ]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting takes for ever, of the rows of a filter that names a rating."""

    def slowed(usual: Callable[..., Statement]) -> Callable[..., Statement]:
        def statement(*given: Any, **more: Any) -> Statement:
            found = usual(*given, **more)
            return SLOW if "rating" in found.sql else found

        return statement

    monkeypatch.setattr(lists, "count_statement", slowed(count_statement))
    monkeypatch.setattr(answers, "rows_statement", slowed(rows_statement))


# ---------------------------------------------------------------- a served service, over sockets


@contextmanager
def served(url: str, folder: Path, **settings: object) -> Iterator[int]:
    """Its port. A real server, for only a socket can be hung up."""
    app = create_app(Settings.model_validate({"data_dir": folder, "worker": False, **settings}), as_service(url))
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=2))
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def asked(port: int, key: str, path: str = "/v1/preview", filter: str = FILTER) -> http.client.HTTPConnection:
    """A request that was sent and not yet answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps({"filter": filter}), headers)
    return connection


def answered(connection: http.client.HTTPConnection) -> tuple[int, Mapping[str, str], Any]:
    with connection.getresponse() as response:
        return response.status, dict(response.getheaders()), json.loads(response.read() or b"null")


def states(url: str) -> list[str]:
    """What the service's connections do."""
    with psycopg.connect(url, autocommit=True) as watching:
        found = watching.execute(
            "SELECT CASE wait_event WHEN 'PgSleep' THEN 'sleeping' ELSE state END FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'duelist'"
        ).fetchall()
    return [str(state) for (state,) in found]


def soon(holds: Callable[[], bool], seconds: float = GONE_SECONDS) -> float:
    """How long it took."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds
        time.sleep(0.01)
    return time.monotonic() - start


def sleeping(url: str) -> int:
    return states(url).count("sleeping")


def clean(url: str) -> bool:
    return set(states(url)) <= {"idle"}


# ---------------------------------------------------------------- clients that leave


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("path", ["/v1/preview", "/v1/preview.csv"])
def test_a_client_that_leaves_takes_its_query_along(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path, path: str
) -> None:
    key = auth.create_key(database, firms[0], "read")
    with served(database_url, tmp_path) as port:
        client = asked(port, key, path)
        soon(lambda: sleeping(database_url) == 1)
        client.close()
        print(f"gone after {soon(lambda: sleeping(database_url) == 0):.2f} s")
        soon(lambda: clean(database_url))
        status, _, _ = answered(asked(port, key, filter="customer.country = 'DE'"))
        assert status == 200


@pytest.mark.usefixtures("slow")
def test_exports_leave_a_turn_to_the_company_s_other_requests(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path
) -> None:
    key = auth.create_key(database, firms[0], "read")
    quick = "customer.country = 'DE'"
    with served(database_url, tmp_path, company_connections=2, pool_timeout_seconds=1) as port:
        first = asked(port, key, "/v1/preview.csv")
        soon(lambda: sleeping(database_url) == 1)
        status, headers, problem = answered(asked(port, key, "/v1/preview.ndjson"))
        assert (status, problem["errors"][0]["code"]) == (429, "busy")
        assert int(headers["retry-after"]) > 0
        assert answered(asked(port, key, filter=quick))[0] == 200
        first.close()
        soon(lambda: clean(database_url))
        assert asked(port, key, "/v1/preview.csv", quick).getresponse().status == 200


@pytest.mark.usefixtures("slow")
def test_whoever_leaves_the_line_is_forgotten(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path
) -> None:
    """In line for a turn, and in line for a connection."""
    key = auth.create_key(database, firms[0], "read")
    with served(database_url, tmp_path, pool_max_size=3, company_connections=1, pool_timeout_seconds=20) as port:
        first = asked(port, key)
        soon(lambda: sleeping(database_url) == 1)
        for _ in range(3):
            asked(port, key).close()
        first.close()
        soon(lambda: clean(database_url))
        assert sleeping(database_url) == 0
        status, _, _ = answered(asked(port, key, filter="customer.country = 'DE'"))
        assert status == 200


def test_waiting_for_a_connection_ends_with_the_errand(database_url: str) -> None:
    database = Database(database_url, max_size=1, timeout_seconds=30)
    errand = Errand(time.monotonic() + 60)
    with database.transaction(5), ThreadPoolExecutor() as threads:

        def wait() -> None:
            ERRAND.set(errand)
            with pytest.raises(Ended), database.transaction(5):
                pass

        waiting = threads.submit(wait)
        time.sleep(0.1)
        errand.is_over = True
        waiting.result(GONE_SECONDS)
    database.close()


def test_nothing_more_is_sent_once_it_is_over(database_url: str) -> None:
    """Between two statements there is nothing to cancel."""
    database = Database(database_url, max_size=1)
    errand = Errand(time.monotonic() + 60)
    token = ERRAND.set(errand)
    try:
        with suppress(Ended), database.transaction(5) as connection:
            connection.execute("SELECT 1")
            errand.is_over = True
            with pytest.raises(Ended):
                connection.execute("SELECT 2")
    finally:
        ERRAND.reset(token)
    with database.transaction(5) as connection:
        assert connection.execute("SELECT 3").fetchone() == (3,)
    database.close()


# ---------------------------------------------------------------- deadlines


@pytest.mark.usefixtures("slow")
def test_a_deadline_is_kept(database_url: str, database: Database, firms: list[Company], tmp_path: Path) -> None:
    key = auth.create_key(database, firms[0], "read")
    short = {"deadline_seconds": 0.5, "pool_timeout_seconds": 0.4, "export_timeout_ms": 700}
    with served(database_url, tmp_path, **short) as port:
        start = time.monotonic()
        status, headers, body = answered(asked(port, key))
        assert (status, body["errors"][0]["code"], headers["retry-after"]) == (504, "deadline", "2")
        assert time.monotonic() - start < 5
        soon(lambda: clean(database_url))


@pytest.mark.usefixtures("slow")
def test_what_a_service_that_stops_cannot_end_is_told_so(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path
) -> None:
    key = auth.create_key(database, firms[0], "read")
    with served(database_url, tmp_path) as port:
        waiting = asked(port, key)
        soon(lambda: sleeping(database_url) == 1)
    status, headers, body = answered(waiting)
    assert (status, body["errors"][0]["code"], headers["retry-after"]) == (503, "stopping", "2")
    soon(lambda: clean(database_url))


def test_a_request_that_is_sent_too_slowly(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path
) -> None:
    key = auth.create_key(database, firms[0], "read")
    with (
        served(database_url, tmp_path, deadline_seconds=0.5, pool_timeout_seconds=0.4) as port,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.sendall(b"POST /v1/format HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        client.sendall(f"Authorization: Bearer {key}\r\nContent-Length: 10\r\n\r\n{{".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_stream_that_has_begun_is_cut_off(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client can tell: the last chunk is missing."""

    def endless(*_: object, **__: object) -> Iterator[bytes]:
        with database.transaction(firms[0].company_id, timeout_ms=1_000) as connection:
            yield b"first\n"
            connection.execute("SET LOCAL statement_timeout = 0; SELECT pg_sleep(60)")

    monkeypatch.setattr("app.queries.export", endless)
    key = auth.create_key(database, firms[0], "read")
    with served(database_url, tmp_path, deadline_seconds=0.5, pool_timeout_seconds=0.4) as port:
        response = asked(port, key, "/v1/preview.csv").getresponse()
        assert response.status == 200
        with pytest.raises(http.client.IncompleteRead) as cut:
            response.read()
        assert cut.value.partial == b"first\n"
        soon(lambda: clean(database_url))


@pytest.mark.usefixtures("slow")
def test_it_lives_while_everything_waits(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path
) -> None:
    keys = [auth.create_key(database, firm, "read") for firm in firms]
    with served(database_url, tmp_path, company_connections=5, pool_timeout_seconds=10) as port:
        waiting = [asked(port, keys[number % 2]) for number in range(60)]
        soon(lambda: sleeping(database_url) == 8)  # two of ten are kept for others
        taken = []
        for _ in range(20):
            start = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/live")
            assert connection.getresponse().status == 200
            taken.append(time.monotonic() - start)
        assert sleeping(database_url) == 8
        print(f"/live after {max(taken) * 1000:.0f} ms")
        assert max(taken) < 1
        for client in waiting:
            client.close()
        soon(lambda: clean(database_url))


# ---------------------------------------------------------------- turns


@pytest.mark.usefixtures("slow")
def test_a_heavy_company_leaves_room(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path
) -> None:
    """Its neighbour is answered while all of its own requests still wait; whoever stood in line too long is told."""
    heavy, light = (auth.create_key(database, firm, "read") for firm in firms)
    with served(database_url, tmp_path, company_connections=5, pool_timeout_seconds=3) as port:
        waiting = [asked(port, heavy) for _ in range(30)]
        soon(lambda: sleeping(database_url) == 5)
        for _ in range(20):
            status, _, _ = answered(asked(port, light, filter="customer.country = 'DE'"))
            assert status == 200
            assert sleeping(database_url) == 5
        status, _, body = answered(asked(port, heavy, "/v1/compile"))
        assert status == 200  # needs no connection
        status, headers, body = answered(asked(port, heavy))
        assert (status, body["errors"][0]["code"], headers["retry-after"]) == (429, "busy", "2")
        for client in waiting:
            client.close()
        soon(lambda: clean(database_url))


# ---------------------------------------------------------------- time-outs of each kind


def test_each_kind_has_its_time(database: Database) -> None:
    def limits(connection: Connection) -> tuple[str, ...]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return tuple(str((connection.execute(f"SHOW {name}".encode()).fetchone() or [""])[0]) for name in names)

    day = Company(1, "", None, "EUR", "UTC").today
    with database.transaction(5) as connection:
        assert limits(connection) == ("5s", "3s", "15s")
    with database.transaction(5, day) as connection:
        assert limits(connection) == ("15s", "3s", "15s")
    with database.transaction(5, day, timeout_ms=300_000) as connection:
        assert limits(connection) == ("5min", "270s", "5min")
    with database.transaction(5, write=True, timeout_ms=0) as connection:
        assert limits(connection) == ("0", "0", "10min")


def test_whoever_waits_for_a_lock_is_told(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url, lock_timeout_ms=50)
    with client_of(database_url, tmp_path, lock_timeout_ms=50) as client:
        company = companies.create(database, "Locked", currency="EUR", country="DE", time_zone="UTC")
        api = api_of(client, database, company, "admin")
        with database.owner() as connection:
            connection.execute("LOCK TABLE segment")
            response = client.put("/v1/segments/x", json={"filter": FILTER}, headers=api.headers)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (503, "locked")
    assert response.headers["Retry-After"] == "2"
    database.close()


def test_a_stuck_client_holds_no_lock(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.database._SHORTEST_IDLE_MS", 100)
    database = Database(database_url, statement_timeout_ms=100)
    with suppress(DatabaseAway), database.transaction(5, write=True) as stuck:
        stuck.execute("SELECT pg_advisory_xact_lock(42)")
        with psycopg.connect(database_url) as other:
            other.execute("SET lock_timeout = '5s'")
            other.execute("SELECT pg_advisory_xact_lock(42)")
    database.close()


# ---------------------------------------------------------------- cost

CHEAP = " AND ".join(f"customer.open_invoices > {number}" for number in range(costs.WIDE))
DEAR = "SUM(invoice.amount) > customer.balance_overdue"


def test_a_wide_dear_filter_is_refused_and_its_condition_named(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path
) -> None:
    filter = f"{CHEAP}\nAND {DEAR}"
    with client_of(database_url, tmp_path, largest_cost=0.01) as client:
        api = api_of(client, database, firms[0])
        for path in ("/v1/preview", "/v1/preview.csv", "/v1/preview/invoices"):
            response = api.post(path, filter=filter)
            assert response.status_code == 422
            [error] = response.json()["errors"]
            assert (error["code"], error["line"], error["column"]) == ("too-costly", 2, 5)
            assert filter[error["start"] : error["end"]] == DEAR
        assert api.post("/v1/preview", filter=DEAR).status_code == 200  # narrow
    with client_of(database_url, tmp_path) as client:
        assert api_of(client, database, firms[0]).post("/v1/preview", filter=filter).status_code == 200


@pytest.mark.usefixtures("slow")
def test_of_a_slow_filter_the_dearest_condition_is_named(
    database_url: str, database: Database, firms: list[Company], tmp_path: Path
) -> None:
    filter = f"{FILTER} AND {DEAR}"
    with client_of(database_url, tmp_path, statement_timeout_ms=50, export_timeout_ms=50) as client:
        api = api_of(client, database, firms[0])
        for path in ("/v1/preview", "/v1/preview.ndjson"):
            response = api.post(path, filter=filter)
            [error] = response.json()["errors"]
            assert (response.status_code, error["code"]) == (422, "too-slow")
            assert filter[error["start"] : error["end"]] == DEAR


def test_what_makes_a_filter_wide() -> None:
    def width(text: str) -> int:
        return costs.width(analyze(text, CATALOG).checked)

    assert width(FILTER) == 1
    assert width(CHEAP) == costs.WIDE
    assert width("ANY invoice (balance > 1 AND is_overdue)") > 2
    assert width(DEAR) > 1


# ---------------------------------------------------------------- a server that is away


@pytest.fixture(scope="module")
def fragile() -> Iterator[tuple[str, int]]:
    """A server of our own, and its first process."""
    with (
        tempfile.TemporaryDirectory(prefix="duelist-") as folder,
        embedded.running(Path(folder), durable=False) as url,
    ):
        migrate(url)
        make_role(url, SERVICE, SERVICE)
        yield url, int((Path(folder) / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def processes(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").fetchall()
        return [pid for (pid,) in found]


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_frozen_server(fragile: tuple[str, int], tmp_path: Path) -> None:
    """Answers come by the deadline, and again as soon as the server is back."""
    url, postmaster = fragile
    database = Database(url)
    firm = companies.create(database, "Frozen", currency="EUR", country="DE", time_zone="UTC")
    key = auth.create_key(database, firm, "read")
    database.close()
    with served(url, tmp_path, deadline_seconds=3, pool_timeout_seconds=1, export_timeout_ms=3_000) as port:
        assert answered(asked(port, key))[0] == 200
        with frozen([postmaster, *processes(url)]):
            start = time.monotonic()
            waiting = [asked(port, key, path) for path in ("/v1/preview", "/v1/preview.csv") * 8]
            for client in waiting:
                status, headers, _ = answered(client)
                assert status in (429, 503, 504)
                assert headers["retry-after"]
            assert time.monotonic() - start < 3 + GONE_SECONDS
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/live")
            assert answered(connection)[0] == 200
            connection.request("GET", "/ready")
            assert answered(connection)[0] == 503
        taken = soon(lambda: answered(asked(port, key))[0] == 200, 2 + GONE_SECONDS)
        print(f"answers again after {taken:.2f} s")


def test_a_cancellation_never_hits_the_next(fragile: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes late, when what it was meant for has ended by itself: the next one on the connection is not hit."""
    monkeypatch.setattr(errands, "CANCEL_SECONDS", 30)
    [folder] = parse_qs(urlsplit(fragile[0]).query)["host"]
    with closing(Proxy(f"{folder}/.s.PGSQL.{embedded.PORT}", SEED)) as proxy:
        url = f"postgresql://{embedded.SUPERUSER}@127.0.0.1:{proxy.port}/{embedded.DATABASE}"
        with closing(Database(url, max_size=1)) as database, proxy.behaving("cancelling late"):

            def slept(seconds: float, errand: Errand | None = None) -> int:
                ERRAND.set(errand)
                with database.transaction(5, write=True) as connection:
                    if errand:
                        Timer(0.01, partial(setattr, errand, "is_over", True)).start()
                    connection.execute("SELECT pg_sleep(%s)", [seconds])
                    return connection.info.backend_pid

            with ThreadPoolExecutor(1) as threads:
                doomed = threads.submit(slept, 0.3, Errand(time.monotonic() + 60)).result()
                assert threads.submit(slept, 0.8).result() == doomed, "they used one connection"
            assert proxy.cancellations == 1


def test_a_statement_under_way_when_the_server_freezes(fragile: tuple[str, int]) -> None:
    """The cancellation cannot arrive: the connection is given up, and the next one is another."""
    url, postmaster = fragile
    database = Database(url)
    errand = Errand(time.monotonic() + 60)
    begun, pids = Event(), list[int]()

    def work() -> None:
        ERRAND.set(errand)
        with database.transaction(5) as connection:
            pids.append(connection.info.backend_pid)
            begun.set()
            connection.execute("SELECT pg_sleep(4)")

    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(work)
        begun.wait()
        with frozen([postmaster, *pids]):
            errand.is_over = True
            with pytest.raises((Ended, DatabaseAway)):
                working.result(GONE_SECONDS)
    with database.transaction(5) as connection:
        assert connection.info.backend_pid not in pids
    database.close()
