"""Who is told of runs: now and then it is unwell, or what it answers is lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread
from typing import NamedTuple


class Told(NamedTuple):
    """`mark` is that of the company; `is_acknowledged`: the answer was 2xx and left."""

    at: float
    mark: str
    run_id: int
    is_acknowledged: bool


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rng = Random(seed)
        self.is_well = False
        self.told: list[Told] = []

    def url(self, mark: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{mark}"

    def handle_error(self, *_: object) -> None:
        """A sender that was killed while it was answered."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        luck = 1.0 if self.server.is_well else self.server.rng.random()
        if luck < 0.1:
            self._note(is_acknowledged=False)
            return  # the connection ends without an answer
        self._note(is_acknowledged=luck >= 0.2)
        self.send_response(200 if luck >= 0.2 else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _note(self, *, is_acknowledged: bool) -> None:
        mark, run_id = self.path.strip("/"), int(self.headers["Duelist-Run"])
        self.server.told.append(Told(time.monotonic(), mark, run_id, is_acknowledged))

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(seed: int) -> Iterator[Receiver]:
    receiver = Receiver(seed)
    thread = Thread(target=receiver.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        receiver.server_close()
