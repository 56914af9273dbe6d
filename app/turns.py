"""Whose turn it is: no company's requests take all connections, and those that wait hold no thread."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from weakref import WeakValueDictionary

from anyio import Semaphore, WouldBlock, fail_after

from app import problems
from app.problems import Problem


class Turns:
    """At most `of_all` requests at once, `of_one` of them of one company, each for at most `seconds` in line."""

    def __init__(self, of_all: int, of_one: int, seconds: float) -> None:
        self._of_one, self._seconds = of_one, seconds
        self._all = Semaphore(of_all)
        self._companies = WeakValueDictionary[int, Semaphore]()  # as long as a request of the company is there

    @asynccontextmanager
    async def turn(self, company_id: int) -> AsyncIterator[None]:
        own = self._companies.get(company_id) or self._companies.setdefault(company_id, Semaphore(self._of_one))
        await self._in_line(own, _BUSY)
        try:
            await self._in_line(self._all, _FULL)
            try:
                yield
            finally:
                self._all.release()
        finally:
            own.release()

    async def _in_line(self, semaphore: Semaphore, refusal: Problem) -> None:
        try:
            semaphore.acquire_nowait()  # nobody is overtaken: what is given back goes to who waits
        except WouldBlock:
            try:
                with fail_after(self._seconds):
                    await semaphore.acquire()
            except TimeoutError:
                raise refusal from None


_BUSY = Problem(
    HTTPStatus.TOO_MANY_REQUESTS, "busy", "Too many requests of this company are running; try again in a moment.",
    headers=problems.RETRY_SECONDS,
)  # fmt: skip
_FULL = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE, "database-busy", "Every connection is in use; try again in a moment.",
    headers=problems.RETRY_SECONDS,
)  # fmt: skip
