"""Whether the service is well."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from app import metrics, problems
from app.deadlines import AT_ONCE
from app.problems import Problem
from app.readiness import Readiness, State
from app.routes.exact import answer

health = APIRouter(tags=["health"])

_NOT_READY: Mapping[State, str] = {
    "database-away": "The database does not answer.",
    "not-migrated": "The database is not migrated; run: duelist migrate",
    "migrating": "The database is being migrated.",
}


@health.get(AT_ONCE)
async def live() -> Response:
    """The process answers."""
    return answer({"status": "live"})


@health.get("/ready")
async def ready(request: Request) -> Response:
    """The database answers and is migrated, and so does the replica where there is one."""
    readiness: Readiness = request.app.state.readiness
    state = await readiness.state()
    if state != "ready":
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, state, _NOT_READY[state], headers=problems.RETRY_SECONDS)
    return answer({"status": "ready"})


@health.get("/metrics", response_class=PlainTextResponse)
async def collected(request: Request) -> Response:
    """Counters and times for Prometheus."""
    state = request.app.state
    for pool, database in {"reads": state.reads, "main": state.database}.items():
        for name, number in database.connections().items():
            metrics.POOL.labels(pool, name).set(number)
    return metrics.response()
