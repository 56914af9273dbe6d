"""Middleware: a request ends when its client goes away, and is answered by its deadline whatever it waits for."""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from time import monotonic

from anyio import CancelScope
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import problems
from app.errands import ERRAND, Errand
from app.problems import Problem

AT_ONCE = "/live"  # it waits for nothing: in tasks it would, for the steps of all other requests between its own

# Of requests that were answered without them: until their threads wake, something has to hold on to them.
_left_behind: set[asyncio.Task[None]] = set()


class Deadlines:
    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == AT_ONCE:
            return await self._app(scope, receive, send)
        exchange = _Exchange(receive, send)
        errand = Errand(monotonic() + self._seconds)
        token = ERRAND.set(errand)
        answering = asyncio.create_task(exchange.answer(self._app, scope))  # it inherits the errand
        ERRAND.reset(token)
        watching = asyncio.create_task(exchange.watch())
        try:
            while not (answering.done() or watching.done() or errand.until <= monotonic()):
                wait = max(0.0, min(errand.until - monotonic(), _LONGEST_WAIT))
                await asyncio.wait((answering, watching), timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                return answering.result()
            await exchange.refuse()
        except asyncio.CancelledError:  # by the server, which was told to stop and has waited for long enough
            await exchange.refuse(_STOPPING)
        finally:
            watching.cancel()
            if not answering.done():
                errand.is_over = True
                exchange.leave()
                _left_behind.add(answering)
                answering.add_done_callback(_forget)


_LONGEST_WAIT = 3_600.0  # for those without a deadline; then it is looked again


def _forget(task: asyncio.Task[None]) -> None:
    _left_behind.discard(task)
    with suppress(asyncio.CancelledError):
        task.exception()  # answered already: nobody is to be told


class _Exchange:
    """What the client sends and gets. When the request has been read, waiting for its end is the middleware's."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._first: Message | None = None
        self._is_read, self._is_gone = asyncio.Event(), asyncio.Event()
        self._has_started = self._has_left = False
        self._scope = CancelScope()

    async def answer(self, app: ASGIApp, scope: Scope) -> None:
        with self._scope:
            self._first = await self._read()  # here, for a route that needs no body does not ask for it
            await app(scope, self.receive, self.send)

    async def watch(self) -> None:
        """Until the client has gone."""
        await self._is_read.wait()
        while not self._is_gone.is_set():
            await self._read()

    async def _read(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._is_gone.set()
        if not message.get("more_body"):
            self._is_read.set()
        return message

    async def receive(self) -> Message:
        if self._first is not None:
            message, self._first = self._first, None
            return message
        if not self._is_read.is_set():
            return await self._read()
        await self._is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self._has_left:
            self._has_started = True
            await self._send(message)

    async def refuse(self, problem: Problem | None = None) -> None:
        """An answer that has begun cannot be taken back: it stays without its end, and the server cuts it off."""
        has_started, self._has_left = self._has_started, True
        if self._is_gone.is_set() and not has_started:  # told to nobody but those who count
            await self._send({"type": "http.response.start", "status": _GONE, "headers": []})
        elif not has_started:
            response = problems.respond(problem or (_TOO_LATE if self._is_read.is_set() else _TOO_SLOW))
            await response({"type": "http"}, self._receive, self._send)

    def leave(self) -> None:
        self._has_left = True
        self._scope.cancel()


_GONE = 499  # what proxies note of a client that left

_TOO_LATE = Problem(
    HTTPStatus.GATEWAY_TIMEOUT, "deadline", "There was no answer in time; try again in a moment.",
    headers=problems.RETRY_SECONDS,
)  # fmt: skip
_STOPPING = Problem(
    HTTPStatus.SERVICE_UNAVAILABLE, "stopping", "The service is being stopped; try again in a moment.",
    headers=problems.RETRY_SECONDS,
)  # fmt: skip
_TOO_SLOW = Problem(
    HTTPStatus.REQUEST_TIMEOUT, "slow-request", "The request was not sent in time.", headers={"Connection": "close"}
)
