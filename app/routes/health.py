"""Whether the service is well."""

from http import HTTPStatus

import psycopg
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from app import problems
from app.metrics import Metrics
from app.migrate import is_current
from app.problems import Problem
from app.routes.exact import answer

health = APIRouter(tags=["health"])


@health.get("/live")
async def live() -> Response:
    """The process answers."""
    return answer({"status": "live"})


@health.get("/ready")
def ready(request: Request) -> Response:
    """The database answers and is migrated, and so does the replica where there is one."""
    state = request.app.state
    try:
        migrated = all(is_current(url) for url in {state.url, state.read_url})
    except psycopg.OperationalError:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "database-away", "The database does not answer.",
            headers=problems.RETRY_SECONDS) from None  # fmt: skip
    if not migrated:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "not-migrated", "The database is not migrated; run: duelist migrate",
            headers=problems.RETRY_SECONDS)  # fmt: skip
    return answer({"status": "ready"})


@health.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Counters and times for Prometheus."""
    collected: Metrics = request.app.state.metrics
    return collected.response()
