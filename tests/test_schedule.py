"""Runs by themselves, once only, and the webhook that tells of them."""

import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from app import auth
from app.companies import Company
from app.database import Database, DatabaseAway
from app.settings import Settings
from app.worker import Worker, work
from app.workflows import Limits, Run, Workflow, deliver_next, run_next, webhooks
from app.workflows.asked import Schedule
from app.workflows.runs import Fixing
from app.workflows.webhooks import FIRST_PAUSE_SECONDS, MOST_ATTEMPTS
from tests.served import Api, Document, client_of, company_with
from tests.test_http import problem

LIMITS = Limits(Decimal(2), 60_000, 1e9)
LEDGER = {"customers": "source_id,rating\nA,D\nB,A\n"}
EVERY_DAY = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "08:00", "until": "10:00"}


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data"), webhook_private=True) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service as it is unless its network is said to be private."""
    with client_of(database_url, tmp_path_factory.mktemp("guarded")) as client:
        yield client


@pytest.fixture
def company(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Company:
    return company_with(database, request.node.name, tmp_path, LEDGER)


@pytest.fixture
def api(client: TestClient, database: Database, company: Company) -> Api:
    return Api(client, auth.create_key(database, company, "admin"))


def create(api: Api, **edited: object) -> Document:
    response = api.post("/v1/workflows", **{"name": "Chase", "filter": "customer.rating = 'D'", **edited})
    assert response.status_code == 201, response.text
    found: Document = response.json()
    return found


def due(made: Document, minutes: int = 5) -> datetime:
    return datetime.fromisoformat(made["next_run_at"]) + timedelta(minutes=minutes)


def runs_of(api: Api, made: Document) -> list[Document]:
    found: list[Document] = api.get(f"/v1/workflows/{made['id']}/runs").json()["runs"]
    return found


# ---------------------------------------------------------------- when


def test_windows_open_by_the_companys_clock() -> None:
    schedule = Schedule.model_validate({"days": ["sun", "mon"], "from": "08:30", "until": "09:00"})
    berlin = ZoneInfo("Europe/Berlin")
    # The night of 29 March 2026 is an hour shorter in Berlin.
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    first = schedule.next_after(before, "Europe/Berlin")
    assert first == datetime(2026, 3, 29, 8, 30, tzinfo=berlin) == datetime(2026, 3, 29, 6, 30, tzinfo=UTC)
    assert schedule.next_after(first, "Europe/Berlin") == datetime(2026, 3, 30, 8, 30, tzinfo=berlin)
    assert schedule.next_after(datetime(2026, 3, 30, 8, tzinfo=UTC), "Europe/Berlin").date().isoformat() == "2026-04-05"
    assert schedule.is_open(first, "Europe/Berlin")
    assert not schedule.is_open(first + timedelta(minutes=30), "Europe/Berlin")
    assert not schedule.is_open(first - timedelta(seconds=1), "Europe/Berlin")


def test_what_is_due_runs_once_and_is_arranged_anew(api: Api, database: Database, company: Company) -> None:
    made = create(api, schedule=EVERY_DAY)
    assert not run_next(database, company, LIMITS, due(made, -1))
    assert run_next(database, company, LIMITS, due(made))
    assert not run_next(database, company, LIMITS, due(made))
    [run] = runs_of(api, made)
    assert (run["status"], run["started_by"], run["counts"]["customers"]) == ("ready", "schedule", 1)
    following = datetime.fromisoformat(api.get(f"/v1/workflows/{made['id']}").json()["next_run_at"])
    assert following - datetime.fromisoformat(made["next_run_at"]) in (timedelta(hours=h) for h in (23, 24, 25))
    assert run_next(database, company, LIMITS, following)
    assert len(runs_of(api, made)) == 2


def test_what_waits_for_a_lock_stays_due(api: Api, database: Database, database_url: str, company: Company) -> None:
    """A migration is no reason to write to nobody on that day."""
    made = create(api, schedule=EVERY_DAY)
    with psycopg.connect(database_url) as migrating:
        migrating.execute("LOCK TABLE customer")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            run_next(database, company, Limits(Decimal(2), 300, 1e9), due(made))
    assert runs_of(api, made) == []
    assert run_next(database, company, LIMITS, due(made))
    [run] = runs_of(api, made)
    assert run["status"] == "ready"


def test_several_workers_run_it_once(api: Api, database_url: str, company: Company) -> None:
    made = [create(api, name=f"Chase {n}", schedule=EVERY_DAY) for n in range(4)]

    def worker(_: int) -> int:
        done = 0
        with closing(Database(database_url, max_size=1)) as own:
            while run_next(own, company, LIMITS, due(made[-1])):
                done += 1
        return done

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(worker, range(6)))
    assert [len(runs_of(api, one)) for one in made] == [1, 1, 1, 1]


def test_a_worker_that_dies_in_the_middle_leaves_the_run_to_another(
    api: Api, database: Database, database_url: str, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(api, schedule=EVERY_DAY)
    set_hook(api, "http://127.0.0.1:1/nobody")
    honest = Fixing.fixed

    def dying(fixing: Fixing, *about: Any, **more: Any) -> Run:
        run = honest(fixing, *about, **more)
        cut_off_transactions(database_url)
        return run

    with monkeypatch.context() as dies:
        dies.setattr(Fixing, "fixed", dying)
        with pytest.raises(DatabaseAway):
            run_next(database, company, LIMITS, due(made))
    assert runs_of(api, made) == []
    assert not deliver_next(database, company, private=True)
    assert run_next(database, company, LIMITS, due(made))
    [run] = runs_of(api, made)
    assert run["status"] == "ready"
    assert deliver_next(database, company, private=True)
    assert not run_next(database, company, LIMITS, due(made))


def cut_off_transactions(url: str) -> None:
    """Whoever is between two statements loses its connection, as when the process is killed."""
    with psycopg.connect(url, autocommit=True) as other:
        [(gone,)] = other.execute(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'idle in transaction'"
        )
    assert gone == 1


def test_a_worker_that_was_overtaken_leaves_it_due(
    api: Api, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(fixing: Fixing, *_: Any, **__: Any) -> Run:
        fixing.connection.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")
        raise AssertionError

    made = create(api, schedule=EVERY_DAY)
    with monkeypatch.context() as first:
        first.setattr(Fixing, "fixed", overtaken)
        assert run_next(database, company, LIMITS, due(made)), "there may be more to do"
    assert runs_of(api, made) == []
    assert run_next(database, company, LIMITS, due(made))
    assert [run["status"] for run in runs_of(api, made)] == ["ready"]


@pytest.mark.parametrize("edited", [{"schedule": None}, {"schedule": EVERY_DAY, "active": False}])
def test_without_a_schedule_nothing_runs(api: Api, database: Database, company: Company, edited: Document) -> None:
    made = create(api, **edited)
    assert made["next_run_at"] is None
    assert not run_next(database, company, LIMITS, datetime.now(UTC) + timedelta(days=30))


def test_one_that_is_removed_runs_no_more(api: Api, database: Database, company: Company) -> None:
    made = create(api, schedule=EVERY_DAY)
    headers = {**api.headers, "If-Match": '"1"'}
    assert api.client.delete(f"/v1/workflows/{made['id']}", headers=headers).status_code == 204
    assert not run_next(database, company, LIMITS, due(made))


def test_a_refused_run_is_recorded_with_its_reason(api: Api, database: Database, company: Company) -> None:
    made = create(api, schedule=EVERY_DAY)
    assert run_next(database, company, LIMITS, due(made, 121)), "the window has closed"
    [refused] = runs_of(api, made)
    assert (refused["status"], refused["counts"]) == ("refused", {})
    assert refused["refusal"]["type"] == "urn:duelist:problem:missed-window"
    assert api.get(f"/v1/workflows/{made['id']}").json()["next_run_at"] > made["next_run_at"]


def test_a_refused_run_is_no_audience_to_compare_with(api: Api, database: Database, company: Company) -> None:
    made = create(api, filter="customer.source_id IS NOT MISSING", growth_factor=1, schedule=EVERY_DAY)
    url = f"/v1/workflows/{made['id']}/runs"
    first = api.post(url).json()
    assert run_next(database, company, LIMITS, due(made, 121))
    again = api.post(url)
    assert again.status_code == 201, again.text
    assert api.get(f"/v1/runs/{again.json()['id']}/compare").json()["with"] == first["id"]


def test_a_broken_filter_does_not_stop_the_others(api: Api, database: Database, company: Company) -> None:
    broken, sound = create(api, name="Broken", schedule=EVERY_DAY), create(api, name="Sound", schedule=EVERY_DAY)
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute(
            "UPDATE workflow_version SET filter = 'customer.gone > 1' WHERE workflow_id = %s", [broken["id"]]
        )
    while run_next(database, company, LIMITS, due(sound)):
        pass
    [refused], [ready] = runs_of(api, broken), runs_of(api, sound)
    assert (refused["refusal"]["type"], ready["status"]) == ("urn:duelist:problem:bad-filter", "ready")


def test_a_fault_does_not_stop_the_others(
    api: Api, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [create(api, name=name, schedule=EVERY_DAY) for name in ("Faulty", "Sound")]
    honest = Fixing.fixed

    def faulty(fixing: Fixing, workflow: Workflow, *limits: Limits, confirmed: bool) -> Run:
        if workflow.name == "Faulty":
            raise KeyError("a fault of ours")
        return honest(fixing, workflow, *limits, confirmed=confirmed)

    monkeypatch.setattr(Fixing, "fixed", faulty)
    with capture_logs() as logs:
        while run_next(database, company, LIMITS, due(made[1])):
            pass
    assert [(line["error"], "exc_info" in line) for line in logs if line["event"] == "run failed"] == [
        ("KeyError", False)
    ], "what an exception says may be a customer's data"
    [refused], [ready] = (runs_of(api, one) for one in made)
    assert (refused["refusal"]["type"], ready["status"]) == ("urn:duelist:problem:internal", "ready")
    problem(api.get(f"/v1/runs/{ready['id']}/compare?with={refused['id']}"), 422, "not-comparable")


def test_no_key_of_a_caller_is_one_of_the_schedule(api: Api, database: Database, company: Company) -> None:
    made = create(api, schedule=EVERY_DAY)
    key = f"schedule {made['id']} {datetime.fromisoformat(made['next_run_at']).astimezone(UTC).isoformat()}"
    headers = {**api.headers, "Idempotency-Key": key}
    assert api.client.post(f"/v1/workflows/{made['id']}/runs", json={}, headers=headers).status_code == 201
    assert run_next(database, company, LIMITS, due(made))
    assert [run["status"] for run in runs_of(api, made)] == ["ready", "ready"]


# ---------------------------------------------------------------- who is told


@dataclass
class Receiver:
    """Another system: what it got, and how it answers."""

    url: str
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((dict(self.headers), body))
            self.send_response(found.answers.pop(0) if found.answers else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def set_hook(api: Api, url: str) -> str:
    response = api.client.put("/v1/webhook", json={"url": url}, headers=api.headers)
    assert response.status_code == 200, response.text
    return str(response.json()["secret"])


def test_a_run_is_told_of_once_and_signed(api: Api, database: Database, company: Company) -> None:
    made = create(api)
    with receiver() as other:
        secret = set_hook(api, other.url)
        assert "secret" not in api.get("/v1/webhook").json()
        run = api.post(f"/v1/workflows/{made['id']}/runs").json()
        assert deliver_next(database, company, private=True)
        assert not deliver_next(database, company, private=True)
    [(headers, body)] = other.got
    assert json.loads(body) == {"event": "run", "run": run}
    assert headers["Duelist-Run"] == str(run["id"])
    assert headers["Duelist-Signature"] == f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"


def test_what_fails_is_tried_again_later(api: Api, database: Database, company: Company) -> None:
    made = create(api)
    with receiver() as other:
        set_hook(api, other.url)
        other.answers = [500, 302]
        api.post(f"/v1/workflows/{made['id']}/runs")
        waits = []
        while deliver_next(database, company, private=True):
            with database.transaction(company.company_id, write=True) as connection:
                rows = connection.execute(
                    "SELECT extract(epoch FROM next_attempt_at - now())::float, answer FROM delivery"
                ).fetchall()
                waits += rows
                connection.execute("UPDATE delivery SET next_attempt_at = next_attempt_at - interval '1 day'")
    assert len(other.got) == 3
    assert len({headers["Duelist-Run"] for headers, _ in other.got}) == 1
    assert [answer for _, answer in waits] == ["500", "302", "204"]
    assert [wait and round(float(str(wait)) / FIRST_PAUSE_SECONDS) for wait, _ in waits] == [1, 2, None]


def test_in_the_end_it_is_given_up(api: Api, database: Database, company: Company) -> None:
    made = create(api)
    set_hook(api, "http://127.0.0.1:1/nobody")
    api.post(f"/v1/workflows/{made['id']}/runs")
    attempts = 0
    while deliver_next(database, company, private=True):
        attempts += 1
        with database.transaction(company.company_id, write=True) as connection:
            connection.execute("UPDATE delivery SET next_attempt_at = next_attempt_at - interval '1 day'")
    assert attempts == MOST_ATTEMPTS
    with database.transaction(company.company_id) as connection:
        assert connection.execute("SELECT answer, delivered_at FROM delivery").fetchall() == [("ConnectError", None)]


def test_what_a_worker_sent_before_it_died_is_sent_again_as_the_same(
    api: Api, database: Database, database_url: str, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver can tell, by the run, that it has seen it."""
    made = create(api)
    honest = webhooks._sent

    def dying(*about: Any, **more: Any) -> str:
        said = honest(*about, **more)
        cut_off_transactions(database_url)
        return said

    with receiver() as other:
        set_hook(api, other.url)
        api.post(f"/v1/workflows/{made['id']}/runs")
        with monkeypatch.context() as dies:
            dies.setattr(webhooks, "_sent", dying)
            with pytest.raises(DatabaseAway):
                deliver_next(database, company, private=True)
        assert deliver_next(database, company, private=True)
        assert not deliver_next(database, company, private=True)
    [(first, body), (second, again)] = other.got
    assert body == again
    assert first["Duelist-Run"] == second["Duelist-Run"]
    assert first["Duelist-Signature"] == second["Duelist-Signature"]


def test_two_workers_tell_once(api: Api, database_url: str, company: Company) -> None:
    made = create(api)
    with receiver() as other:
        set_hook(api, other.url)
        for number in range(3):
            api.post(f"/v1/workflows/{made['id']}/runs", as_of=f"2026-01-0{number + 1}")

        def worker(_: int) -> None:
            with closing(Database(database_url, max_size=1)) as own:
                while deliver_next(own, company, private=True):
                    pass

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(worker, range(4)))
    assert len(other.got) == len({headers["Duelist-Run"] for headers, _ in other.got}) == 3


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/x", "https://localhost/x", "https://10.0.0.1/", "https://[::1]/", "https://169.254.169.254/",
     "https://[::ffff:127.0.0.1]/", "http://8.8.8.8/", "ftp://8.8.8.8/", "https://", "x", "https://a@8.8.8.8/",
     "https://8.8.8.8:99999/"],
)  # fmt: skip
def test_no_webhook_leads_into_the_network_of_the_service(guarded: TestClient, api: Api, url: str) -> None:
    problem(guarded.put("/v1/webhook", json={"url": url}, headers=api.headers), 422, "bad-address")
    problem(api.get("/v1/webhook"), 404, "no-webhook")


def test_a_webhook_is_removed(api: Api, database: Database, company: Company) -> None:
    set_hook(api, "http://127.0.0.1:1/")
    assert api.client.delete("/v1/webhook", headers=api.headers).status_code == 204
    problem(api.client.delete("/v1/webhook", headers=api.headers), 404, "no-webhook")
    api.post(f"/v1/workflows/{create(api)['id']}/runs")
    assert not deliver_next(database, company, private=True)


# ---------------------------------------------------------------- the worker


def test_a_worker_does_what_is_due(api: Api, database: Database, company: Company, tmp_path: Path) -> None:
    made = create(api, schedule=EVERY_DAY)
    opened = datetime.now(UTC) - timedelta(minutes=1)
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE workflow SET next_run_at = %s", [opened])
    settings = Settings(data_dir=tmp_path)
    worker = Worker(database, settings)
    worker.start()
    worker.close()
    assert len(runs_of(api, made)) == 1
    assert work(database, settings) == 0
