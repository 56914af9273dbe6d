"""What is found out about a request while it is answered, for its line in the log."""

import hmac
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Observation:
    """`key` is the prefix of the caller's key. The filter is here only to be hashed."""

    company: int | None = None
    key: str | None = None
    filter: str | None = None


_current: ContextVar[Observation | None] = ContextVar("observation", default=None)


def observe() -> Observation:
    """Begins a request: the tasks and threads that answer it share what is returned."""
    observation = Observation()
    _current.set(observation)
    return observation


def observed() -> Observation:
    """Of the request at hand; one that nobody reads where there is none."""
    return _current.get() or Observation()


def fingerprint(key: bytes, filter: str) -> str:
    """The same for the same canonical text under one key, and not to be found by guessing without it."""
    return hmac.digest(key, b"filter\0" + filter.encode("utf-8", "surrogatepass"), "sha256")[:8].hex()
