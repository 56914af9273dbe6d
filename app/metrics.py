"""What Prometheus collects of this process. Labels are of a fixed few values: no company, no filter, no address."""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

_REGISTRY = CollectorRegistry()

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


def _counter(name: str, said: str, *labels: str) -> Counter:
    return Counter(name, said, labels, registry=_REGISTRY)


def _gauge(name: str, said: str, *labels: str) -> Gauge:
    return Gauge(name, said, labels, registry=_REGISTRY)


def _histogram(name: str, said: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(name, said, labels, registry=_REGISTRY, buckets=buckets)


REQUESTS = _counter("duelist_requests", "Requests answered", "method", "route", "status")
REQUEST_SECONDS = _histogram("duelist_request_seconds", "Time to answer", "route", buckets=_FAST)
PHASE_SECONDS = _histogram(
    "duelist_phase_seconds", "Time of a request in parse, check, compile, sql or pool_wait", "phase", buckets=_FAST
)
POOL = _gauge("duelist_pool_connections", "Connections: size, available, waiting (requests)", "pool", "state")
RUNS = _counter("duelist_runs", "Runs: started, refused or failed", "outcome")
RUN_SECONDS = _histogram("duelist_run_seconds", "Time to fix an audience, or to refuse it", buckets=_SLOW)
ROUNDS = _counter("duelist_worker_rounds", "Rounds of the worker: done or failed", "outcome")
WEBHOOKS = _counter("duelist_webhook_attempts", "Webhooks: delivered or failed", "outcome")
PURGED = _counter("duelist_runs_purged", "Runs removed because of their age")
IMPORTS = _counter("duelist_imports", "Imports seen in the audit log since the start: done or refused", "outcome")
IMPORTED_ROWS = _counter("duelist_imported_rows", "Their rows: read or bad", "kind")
IMPORT_SECONDS = _histogram("duelist_import_seconds", "Their time", buckets=_SLOW)
LAST_IMPORT = _gauge("duelist_last_import_timestamp_seconds", "When a ledger was last imported, of any company")


def note_request(method: str, route: str, status: int, seconds: float, phases: dict[str, float]) -> None:
    REQUESTS.labels(method, route, status).inc()
    REQUEST_SECONDS.labels(route).observe(seconds)
    for phase, spent in phases.items():
        PHASE_SECONDS.labels(phase).observe(spent)


def response() -> Response:
    return Response(generate_latest(_REGISTRY), media_type=CONTENT_TYPE_LATEST)
