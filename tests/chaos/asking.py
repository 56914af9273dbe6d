"""One question to the service, and what came of it."""

import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Literal, NamedTuple

Ended = Literal["answered", "cut", "refused", "hung"]

HUNG_SECONDS = 20.0
_IN_LINE = (429, 503, 504)


class Answer(NamedTuple):
    """`cut`: the connection broke before the end of the answer. `refused`: there was none."""

    began: float
    ended: float
    what: str
    how: Ended
    status: int = 0
    retry_after: str | None = None
    body: bytes = b""

    @property
    def is_refusal(self) -> bool:
        return self.how == "answered" and self.status in _IN_LINE and self.retry_after is not None


def ask(
    port: int,
    what: str,
    method: str,
    path: str,
    asked: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = HUNG_SECONDS,
) -> Answer:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    body = None if asked is None else json.dumps(asked)
    of_body = {} if asked is None else {"Content-Type": "application/json"}

    def ended(how: Ended, **more: Any) -> Answer:
        return Answer(began, time.monotonic(), what, how, **more)

    with closing(connection):
        status = 0
        try:
            connection.connect()
        except OSError:
            return ended("refused")
        try:
            connection.request(method, path, body, {**of_body, **(headers or {})})
            response = connection.getresponse()
            status = response.status
            content = response.read()
            retry = response.getheader("Retry-After")
            return ended("answered", status=status, retry_after=retry, body=content)
        except TimeoutError:
            return ended("hung", status=status)
        except (OSError, http.client.HTTPException):
            return ended("cut", status=status)
