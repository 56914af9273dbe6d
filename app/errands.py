"""What a request has done in the database: until when, and whether anybody still waits for it.

The thread that waits for PostgreSQL sees to both itself. So whoever cancels a statement is who sent it, and no
cancellation can reach the next user of the connection: it is known to have arrived before the wait goes on, and a
connection on which it did not arrive is closed.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

import psycopg
from psycopg.abc import PQGen

TICK_SECONDS = 0.1  # how often a wait is looked after
CANCEL_SECONDS = 0.5  # after that the server is taken for frozen or out of reach
ANSWER_SECONDS = 2.0  # the same for what takes it no time: to begin, to give up

_RV = TypeVar("_RV")


class Ended(Exception):
    """Nobody waits for the answer any more, or it would come too late."""


@dataclass(slots=True)
class Errand:
    """`until` is on the monotonic clock."""

    until: float
    is_over: bool = False

    def extend(self, seconds: float) -> None:
        """Some questions may take longer than others: a request may take as long as the longest that it asks."""
        self.until = max(self.until, monotonic() + seconds)


# Of the request that is being answered; threads that work for it inherit it.
ERRAND: ContextVar[Errand | None] = ContextVar("errand", default=None)


class Watched(psycopg.Connection[tuple[object, ...]]):
    """A connection whose waits end with the errand, and with a server that is silent for `answers_within` seconds."""

    errand: Errand | None = None
    answers_within: float = ANSWER_SECONDS

    def wait(self, gen: PQGen[_RV], interval: float = TICK_SECONDS, timeout: float | None = None) -> _RV:
        if self.errand and self.errand.is_over:
            raise Ended
        return super().wait(self._watched(gen), interval, timeout)

    def _watched(self, gen: PQGen[_RV]) -> PQGen[_RV]:
        silent_from = monotonic() + self.answers_within
        is_cancelled = False
        try:
            state = next(gen)
            while True:
                ready = yield state
                now = monotonic()
                if not is_cancelled and self.errand and self.errand.is_over:
                    self._cancel()
                    is_cancelled, silent_from = True, now + CANCEL_SECONDS
                elif now > silent_from and not ready:
                    self._give_up()
                state = gen.send(ready)
        except StopIteration as done:
            found: _RV = done.value
            return found

    def _cancel(self) -> None:
        try:
            self.cancel_safe(timeout=CANCEL_SECONDS)
        except psycopg.Error:
            self._give_up()

    def _give_up(self) -> None:
        self.pgconn.finish()
        raise psycopg.OperationalError("the server does not answer")
