"""The service called as its server calls it, with neither a socket nor a client between: thousands of requests in
seconds, and bodies and headers that no client would send."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from structlog.testing import capture_logs

from app.main import create_app
from app.settings import Settings
from tests.served import UNLIMITED, as_service

Headers = Sequence[tuple[bytes, bytes]]
JSON: Headers = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Direct:
    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self._loop = loop

    def ask(self, key: str | None, method: str, target: str, body: bytes = b"", headers: Headers = JSON) -> Answer:
        path, _, query = target.partition("?")
        known = [(b"authorization", f"Bearer {key}".encode())] if key else []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), *known, *headers],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
        }
        return self._loop.run_until_complete(self._answer(scope, body))

    async def _answer(self, scope: dict[str, Any], body: bytes) -> Answer:
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            # Whoever waits for more, waits for the caller to go away.
            return waiting.pop() if waiting else await asyncio.Future()

        async def send(message: Any) -> None:
            sent.append(message)

        try:
            await self.app(scope, receive, send)
        except Exception:
            # Starlette answers with 500 first, and lets the server have the error too.
            if not sent or sent[0]["status"] < 500:
                raise
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


@contextmanager
def direct(url: str, folder: Path, **settings: object) -> Iterator[Direct]:
    app = create_app(
        Settings.model_validate({"data_dir": folder, "worker": False, **UNLIMITED, **settings}), as_service(url)
    )
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        with capture_logs():  # thousands of lines that nobody reads
            yield Direct(app, runner.get_loop())
        runner.run(lifespan.__aexit__(None, None, None))
