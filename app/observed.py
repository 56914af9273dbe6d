"""Middleware: every answer has the id of its request, a line of JSON in the log, and its part in the metrics.

The route is named, never the address: source ids, filters and keys stay out of both.
"""

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import metrics
from app.observation import Observation, fingerprint, observe
from dsl.phases import measured

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_log = structlog.get_logger("duelist")


class Observed:
    """Every answer carries the id of its request, the caller's own where it sent a usable one.

    `signing_key` hashes filters, so that nobody without it can find one by guessing.
    """

    def __init__(self, app: ASGIApp, signing_key: bytes) -> None:
        self._app = app
        self._signing_key = signing_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope["request_id"] = request_id
        status, start, observation = 500, time.perf_counter(), observe()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        with measured() as phases:
            try:
                await self._app(scope, receive, send_noted)
            finally:
                seconds = time.perf_counter() - start
                route = getattr(scope.get("route"), "path", "none")
                method = _method(scope)
                metrics.note_request(method, route, status, seconds, phases)
                _log.info(
                    "request",
                    request_id=request_id,
                    method=method,
                    route=route,
                    status=status,
                    ms=_ms(seconds),
                    **self._about(observation),
                    **({"phases_ms": {phase: _ms(spent) for phase, spent in phases.items()}} if phases else {}),
                )

    def _about(self, observation: Observation) -> dict[str, object]:
        filter = observation.filter
        found = {
            "company": observation.company,
            "key": observation.key,
            "filter": None if filter is None else fingerprint(self._signing_key, filter),
        }
        return {name: value for name, value in found.items() if value is not None}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _method(scope: Scope) -> str:
    """A made-up method must not make a counter of its own."""
    method = str(scope["method"])
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
