"""What a running service tells of itself: log lines, measures, traces, and whether it is ready. Never a value."""

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from app import lists, logs, migrate, readiness, tracing
from app.companies import Company
from app.database import Database
from app.migrate import MIGRATION_LOCK
from app.observation import fingerprint
from app.settings import CHECKOUT
from app.worker import Worker
from dsl.statements import Statement
from tests.served import Api, Document, api_of, client_of, company_with

FILTER = "customer.name = 'Confidential' AND customer.credit_limit > 98765.43"
LEDGER = {"customers": "source_id,name,currency,created_on\nC1,Confidential,EUR,2026-01-01\n"}
PHASES = {"parse", "check", "compile", "sql", "pool_wait"}


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    return company_with(database, "one", tmp_path_factory.mktemp("ledger"), LEDGER)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def client(database_url: str, data: Path) -> Iterator[TestClient]:
    with client_of(database_url, data) as client:
        yield client


@pytest.fixture(scope="module")
def api(client: TestClient, database: Database, company: Company) -> Api:
    return api_of(client, database, company)


# ---------------------------------------------------------------- logs


def line_of(api: Api, path: str, **asked: object) -> Document:
    with capture_logs() as lines:
        api.post(path, **asked)
    [line] = [line for line in lines if line["event"] == "request"]
    return dict(line)


def test_a_line_says_who_asked_what_and_how_long_each_phase_took(api: Api, company: Company) -> None:
    line = line_of(api, "/v1/preview", filter=FILTER)
    assert line["company"] == company.company_id
    assert line["key"] == api.headers["Authorization"].split("_")[2]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/preview", 200)
    assert line["phases_ms"].keys() == PHASES
    assert 0 < sum(line["phases_ms"].values()) <= line["ms"]


def test_a_filter_is_told_by_its_hash(api: Api, data: Path) -> None:
    same = [line_of(api, "/v1/preview", filter=text)["filter"] for text in (FILTER, FILTER.replace(" AND", "  and"))]
    other = line_of(api, "/v1/preview", filter="customer.name = 'Other'")["filter"]
    assert same[0] == same[1] != other
    canonical = api.answer("/v1/format", filter=FILTER)["canonical"]
    assert same[0] == fingerprint((data / "cursor_secret").read_bytes(), canonical)
    assert same[0] != fingerprint(b"another deployment", canonical)


def test_an_export_is_told_when_its_last_row_left(api: Api) -> None:
    line = line_of(api, "/v1/preview.csv", filter=FILTER)
    assert {"sql", "pool_wait", "compile"} <= line["phases_ms"].keys()


def test_each_request_has_measures_of_its_own(api: Api) -> None:
    with capture_logs() as lines, ThreadPoolExecutor(4) as callers:
        list(callers.map(lambda n: api.post("/v1/english", filter=f"customer.strike = {n}"), range(8)))
    of_requests = [line for line in lines if line["event"] == "request"]
    assert len({line["filter"] for line in of_requests}) == 8
    assert all(line["phases_ms"]["parse"] <= line["ms"] for line in of_requests)


def test_nobody_known_has_no_company(client: TestClient) -> None:
    line = line_of(Api(client, "duelist_1_0123456789ab_" + "x" * 43), "/v1/preview", filter=FILTER)
    assert line["status"] == 401
    assert not {"company", "key", "filter"} & line.keys()


@pytest.fixture
def written() -> Iterator[Callable[[], str]]:
    """What the real handler writes."""
    root = logging.getLogger()
    kept, root.handlers = root.handlers, []
    logs.set_up_logging("info")
    [handler] = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    yield stream.getvalue
    root.handlers = kept
    structlog.reset_defaults()


BROKEN = Statement("SELECT 'Confidential'::text || sum(no_such_column)", {})


def test_a_fault_is_told_with_its_places_and_without_values(
    api: Api, monkeypatch: pytest.MonkeyPatch, written: Any
) -> None:
    monkeypatch.setattr(lists, "count_statement", lambda *_, **__: BROKEN)
    response = api.post("/v1/preview", filter=FILTER)
    assert response.status_code == 500
    text = written()
    [fault] = [json.loads(line) for line in text.splitlines() if '"fault"' in line]
    assert (fault["error"], fault["sqlstate"]) == ("UndefinedColumn", "42703")
    assert fault["request_id"] == response.headers["X-Request-Id"]
    assert any(place.startswith("app/lists.py:") for place in fault["at"])
    assert "Confidential" not in text
    assert "98765.43" not in text


def test_a_fault_of_ours_is_told_once(api: Api, monkeypatch: pytest.MonkeyPatch, written: Any) -> None:
    def broken(*_: object, **__: object) -> Statement:
        raise KeyError("Confidential")

    monkeypatch.setattr(lists, "count_statement", broken)
    assert api.post("/v1/preview", filter=FILTER).status_code == 500
    error = KeyError("Confidential")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=error)
    logging.getLogger("a library").error("it failed", exc_info=error)
    text = written()
    faults = [json.loads(line) for line in text.splitlines() if "KeyError" in line]
    assert [fault["event"] for fault in faults] == ["fault", "it failed"]
    assert "Confidential" not in text


# ---------------------------------------------------------------- measures


def collected(client: TestClient) -> dict[str, float]:
    lines = (line for line in client.get("/metrics").text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_phases_routes_and_pools_are_measured(api: Api) -> None:
    before = collected(api.client)
    api.answer("/v1/preview", filter="customer.name = 'Confidential' OR customer.strike = 3")
    after = collected(api.client)
    for phase in PHASES:
        name = f'duelist_phase_seconds_count{{phase="{phase}"}}'
        assert after[name] == before.get(name, 0) + 1
    route = 'duelist_request_seconds_count{route="/v1/preview"}'
    assert after[route] == before[route] + 1
    for state in ("size", "available", "waiting"):
        assert f'duelist_pool_connections{{pool="main",state="{state}"}}' in after
    assert after['duelist_pool_connections{pool="main",state="size"}'] >= 1


def test_runs_and_webhooks_and_rounds_are_counted(client: TestClient, database: Database, company: Company) -> None:
    api = api_of(client, database, company, "admin")
    before = collected(client)
    number = api.post("/v1/workflows", name="w", filter=FILTER).json()["id"]
    headers = {**api.headers, "Idempotency-Key": "once"}
    for _ in range(2):
        assert client.post(f"/v1/workflows/{number}/runs", json={}, headers=headers).status_code < 300
    edited = {"name": "w", "filter": FILTER, "active": False}
    client.put(f"/v1/workflows/{number}", json=edited, headers={**api.headers, "If-Match": '"1"'})
    assert api.post(f"/v1/workflows/{number}/runs").status_code == 409
    settings = client.app.state.settings  # type: ignore[attr-defined]
    Worker(database, settings)._round()
    after = collected(client)

    def more(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert more('duelist_runs_total{outcome="started"}') == 1
    assert more('duelist_runs_total{outcome="refused"}') == 1
    assert more("duelist_run_seconds_count") == 2
    assert after["duelist_last_import_timestamp_seconds"] > time.time() - 3600


def test_the_tables_of_metrics_and_log_fields_are_those_of_the_code(api: Api) -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(duelist_\w+)`", page, re.MULTILINE))
    types = re.findall(r"^# TYPE (\w+) (\w+)$", api.client.get("/metrics").text, re.MULTILINE)
    assert documented == {name for name, _ in types if not name.endswith("_created")}
    for field in line_of(api, "/v1/preview", filter=FILTER).keys() - {"event", "log_level"}:
        assert f"`{field}`" in page


def test_no_label_grows_with_what_is_asked(api: Api, company: Company) -> None:
    api.post("/v1/preview", filter=FILTER)
    text = api.client.get("/metrics").text
    for value in ("Confidential", "98765.43", f'"{company.name}"', f'"{company.company_id}"'):
        assert value not in text


# ---------------------------------------------------------------- traces

TRACED = """
import sys
from pathlib import Path
from opentelemetry import trace
from app import lists
from app.database import Database
from app.companies import chosen
from app.tracing import set_up_tracing
from dsl.statements import Statement
from tests.served import api_of, client_of

set_up_tracing()
url, folder = sys.argv[1:]
with client_of(url, Path(folder)) as client:
    api = api_of(client, Database(url), chosen(Database(url), "one"))
    api.answer("/v1/preview", filter=%r, params={"p": "2026-03-17"})
    assert api.get("/v1/customers/Confidential?x=Confidential").status_code == 404
    lists.count_statement = lambda *_, **__: Statement("SELECT 1 / length(%%(v)s)", {"v": ""})
    assert api.post("/v1/preview", filter="customer.strike = 1").status_code == 422
trace.get_tracer_provider().shutdown()
"""
TRACED_FILTER = FILTER + " AND customer.last_payment_date < $p AND customer.strike IN (76543, 76544)"


class Sink:
    """Takes spans as a collector does."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def test_requests_and_statements_are_traced_without_values(database_url: str, company: Company, tmp_path: Path) -> None:
    assert company.name == "one"
    sink = Sink()
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_EXPORTER_OTLP_COMPRESSION": "none"}
    command = [sys.executable, "-c", TRACED % TRACED_FILTER, database_url, str(tmp_path)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    spans = sink.spans()
    sink.server.shutdown()
    [request] = [span for span in spans if span.name == "POST /v1/preview"][:1]
    statements = [span for span in spans if span.name == "SQL" and span.trace_id == request.trace_id]
    texts = [a.value.string_value for span in statements for a in span.attributes if a.key == "db.query.text"]
    assert any("FROM customer" in text and "%(" in text for text in texts)
    assert [span for span in spans if span.status.code == 2 and span.name == "SQL"]
    told = str(sink.requests)
    assert "http.route" in told
    for value in ("Confidential", "98765.43", "2026-03-17", "2026, 3, 17", "76543"):
        assert value not in told, value


def test_traces_that_cannot_be_made_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "IS_INSTALLED", False)
    monkeypatch.delenv(tracing.ENDPOINT, raising=False)
    tracing.set_up_tracing()
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:1")
    with pytest.raises(tracing.NoTracing, match=r"duelist\[otel\]"):
        tracing.set_up_tracing()


# ---------------------------------------------------------------- ready


def state_of(client: TestClient) -> str:
    response = client.get("/ready")
    if response.status_code == 200:
        return "ready"
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    return str(response.json()["errors"][0]["code"])


@pytest.fixture
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FRESH_SECONDS", -1.0)


@pytest.mark.usefixtures("asked_anew")
def test_not_ready_while_it_is_migrated(client: TestClient, database_url: str, server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        assert state_of(client) == "ready"  # of another database of the server
    with psycopg.connect(database_url) as migrating:
        migrating.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        assert state_of(client) == "migrating"
    assert state_of(client) == "ready"


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize(
    ("revision", "state"), [("0001", "not-migrated"), ("9999", "ready"), ("someone else's", "not-migrated")]
)
def test_ready_on_the_schema_of_this_release_or_a_later_one(
    client: TestClient, database_url: str, revision: str, state: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [revision])
        try:
            assert state_of(client) == state
        finally:
            connection.execute("UPDATE alembic_version SET version_num = %s", [migrate.newest()])


def test_a_later_release_s_schema_is_left_alone(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        migrate.migrate(database_url)
        assert migrate.revision_of(connection) == "9999"
        connection.execute("UPDATE alembic_version SET version_num = %s", [migrate.newest()])


def test_the_database_is_not_asked_each_time(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []

    def look(connection: object) -> bool:
        looks.append(connection)
        return True

    monkeypatch.setattr(readiness, "is_usable", look)
    monkeypatch.setattr(readiness, "FRESH_SECONDS", -1.0)
    state_of(client)
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 60.0)
    for _ in range(20):
        assert state_of(client) == "ready"
    assert len(looks) == 1


def test_a_database_that_does_not_answer_never_hangs_it(
    client: TestClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "DEADLINE_SECONDS", 0.2)
    monkeypatch.setattr(readiness, "FRESH_SECONDS", -1.0)
    assert state_of(client) == "ready"
    with psycopg.connect(database_url) as blocking:
        blocking.execute("LOCK alembic_version IN ACCESS EXCLUSIVE MODE")
        threads = threading.active_count()
        start = time.monotonic()
        assert [state_of(client) for _ in range(8)] == ["database-away"] * 8
        assert time.monotonic() - start < 20
        assert threading.active_count() <= threads + 1  # the next look waits for the first
        assert client.get("/live").status_code == 200
    deadline = time.monotonic() + 20
    while state_of(client) != "ready":
        assert time.monotonic() < deadline
