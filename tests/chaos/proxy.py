"""A network between the service and PostgreSQL that can be made bad."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from threading import Event, Thread
from typing import Literal

Manner = Literal["well", "silent", "slow", "cutting", "cancelling late"]

_PIECE = 64 * 1024
_LONGEST_DELAY = 0.3
_LONGEST_LIFE = 20_000  # bytes of a connection that is to be cut
_LATE = 0.4
_CANCEL_REQUEST = bytes.fromhex("0000001004d2162e")  # how the packet begins


class Proxy:
    """From a free port to a Unix socket. Silent: whatever is sent is lost; cutting: connections break in mid-stream.

    `cancellations`: how many have been handed on.
    """

    def __init__(self, target: str, seed: int) -> None:
        self._target = target
        self._rng = Random(seed)
        self._manner: Manner = "well"
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._listener: asyncio.Server | None = None
        self.port = 0
        self.cancellations = 0
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._do(self._listen)

    @contextmanager
    def behaving(self, manner: Manner) -> Iterator[None]:
        self._manner = manner
        try:
            yield
        finally:
            self._manner = "well"
            self._do(self._break_links, lambda link: link.has_lost)

    @contextmanager
    def gone(self) -> Iterator[None]:
        """Nobody listens, and what was open is reset."""
        self._do(self._stop_listening)
        self._do(self._break_links, lambda _: True)
        try:
            yield
        finally:
            self._do(self._listen)

    def close(self) -> None:
        self._do(self._stop_listening)
        self._do(self._break_links, lambda _: True)
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _do(self, work: Callable[..., object], *arguments: object) -> None:
        """In the proxy's own thread, until it is done."""
        done = Event()

        async def doing() -> None:
            try:
                found = work(*arguments)
                if asyncio.iscoroutine(found):
                    await found
            finally:
                done.set()

        asyncio.run_coroutine_threadsafe(doing(), self._loop)
        done.wait()

    async def _end(self) -> None:
        """Of what was broken, everything has noticed."""
        while self._links:
            await asyncio.sleep(0.01)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    def _stop_listening(self) -> None:
        if self._listener:
            self._listener.close()

    def _break_links(self, which: Callable[["_Link"], bool]) -> None:
        for link in filter(which, list(self._links)):
            link.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        try:
            if self._manner == "silent":
                link.has_lost = True
                await link.broken.wait()
            server_reader, link.server = await asyncio.open_unix_connection(self._target)
            left = self._rng.randint(0, _LONGEST_LIFE)
            await asyncio.gather(
                self._carry(link, reader, link.server, left), self._carry(link, server_reader, writer, left)
            )
        except OSError:
            pass
        finally:
            link.abort()
            self._links.discard(link)

    async def _carry(
        self, link: "_Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int
    ) -> None:
        while data := await reader.read(_PIECE):
            if self._manner == "slow":
                await asyncio.sleep(self._rng.uniform(0, _LONGEST_DELAY))
            if self._manner == "silent":
                link.has_lost = True
                continue
            if is_cancellation := data.startswith(_CANCEL_REQUEST):
                await asyncio.sleep(_LATE if self._manner == "cancelling late" else 0)
            if self._manner == "cutting":
                data, left = data[:left], left - len(data)
            writer.write(data)
            await writer.drain()
            self.cancellations += is_cancellation
            if left < 0:
                break
        link.abort()


class _Link:
    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.has_lost = False
        self.broken = asyncio.Event()

    def abort(self) -> None:
        self.broken.set()
        for end in (self.client, self.server):
            if end is not None:
                with suppress(OSError):
                    end.transport.abort()
