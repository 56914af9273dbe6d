"""Whether the service may be sent requests: the database answers and its schema is one that this release runs on.

The answer is a second old at most, and costs the service no connection of its pool. A database that neither answers nor
refuses is looked at by one thread of our own, however often is asked.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock, Thread
from typing import Literal

import psycopg

from app.migrate import MIGRATION_LOCK, is_usable

State = Literal["ready", "database-away", "not-migrated", "migrating"]

FRESH_SECONDS = 1.0
DEADLINE_SECONDS = 2.0

# A machine that went away without a word is noticed in seconds.
_CONNECT = {
    "autocommit": True,
    "connect_timeout": 2,
    "application_name": "duelist readiness",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}

_MIGRATING = """
    SELECT EXISTS (
        SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = %s AND objsubid = 1
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


class Readiness:
    """Of the database that is written to and, where there is one, of its replica."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._connections: dict[str, psycopg.Connection | None] = dict.fromkeys(urls)
        self._lock = Lock()
        self._look: Future[State] | None = None
        self._looked_at = 0.0

    async def state(self) -> State:
        try:
            look = asyncio.wrap_future(self._current())
            return await asyncio.wait_for(asyncio.shield(look), DEADLINE_SECONDS)
        except TimeoutError:
            return "database-away"

    def close(self) -> None:
        with self._lock:
            if self._look is None or self._look.done():  # else it is stuck, and ends with the process
                for connection in self._connections.values():
                    if connection is not None:
                        connection.close()

    def _current(self) -> Future[State]:
        with self._lock:
            stale = time.monotonic() - self._looked_at > FRESH_SECONDS
            if self._look is None or (self._look.done() and stale):
                self._look, self._looked_at = Future(), time.monotonic()
                Thread(target=self._answer, args=(self._look,), name="readiness", daemon=True).start()
            return self._look

    def _answer(self, look: Future[State]) -> None:
        try:
            states = [self._state_of(url) for url in self._connections]
            look.set_result(next((state for state in states if state != "ready"), "ready"))
        except psycopg.Error:
            look.set_result("database-away")
        except BaseException as fault:
            look.set_exception(fault)

    def _state_of(self, url: str) -> State:
        connection = self._connections[url]
        if connection is None or connection.closed:
            connection = self._connections[url] = psycopg.connect(url, **_CONNECT)  # type: ignore[arg-type]
        try:
            if connection.execute(_MIGRATING, [MIGRATION_LOCK]).fetchone() == (True,):
                return "migrating"
            return "ready" if is_usable(connection) else "not-migrated"
        except psycopg.Error:
            with suppress(psycopg.Error):
                connection.close()
            raise
