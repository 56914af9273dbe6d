"""Who calls: whose key a request has, whether that allows it, and whether it is one too many."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from cachetools import TLRUCache, TTLCache
from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from app import keys
from app.companies import Company, of_key
from app.database import Database
from app.keys import SCOPES as SCOPES
from app.keys import Scope as Scope
from app.keys import create_key as create_key
from app.observation import observed
from app.problems import Problem
from app.rates import Rate
from app.settings import Settings

BELIEVED_SECONDS = 0.5
_REMEMBERED_SECONDS = 3600
_MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    company: Company
    scope: Scope
    name: str  # what the changes it makes are signed with


@dataclass(frozen=True, slots=True)
class _Found:
    """`until`: how long it may be believed, by the monotonic clock."""

    caller: Caller
    until: float
    is_idle: bool


def caller_of(database: Database, key: str) -> Caller | None:
    """Who holds the key; None for one that is not, or no longer, valid."""
    written = keys.read(key)
    try:
        return _look_up(database, written).caller if written else None
    except Problem:
        return None


def _look_up(database: Database, key: keys.Written) -> _Found:
    with database.transaction(key.company_id) as connection:
        seen_at = time.monotonic()  # no later than what the transaction sees
        held = keys.proven(connection, key)
        if held is None:
            raise _bad_key()
        if held.seconds_left is not None and held.seconds_left <= 0:
            raise _refused("key-expired", "This key has expired; ask for a new one.")
        caller = Caller(of_key(connection), held.scope, f"key {key.prefix}")
    until = seen_at + min(BELIEVED_SECONDS, held.seconds_left or BELIEVED_SECONDS)
    return _Found(caller, until, held.is_idle)


def _bad_key() -> Problem:
    return _refused("bad-key", "Send a valid key: 'Authorization: Bearer duelist_…'.")


def _refused(code: str, detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, code, detail, headers={"WWW-Authenticate": "Bearer"})


class Callers:
    """Whom a key was found to belong to, believed for a moment: a key that is revoked ends within a second.

    `met` is told of the company of a caller that was looked up, `used` of its key where a use is to be noted.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        met: Callable[[Company], None],
        used: Callable[[int, str], None],
    ) -> None:
        self._database = database
        self._met = met
        self._used = used
        self._of_key = Rate(settings.key_requests_per_minute)
        self._of_company = Rate(settings.company_requests_per_minute)
        self._wrong = Rate(settings.wrong_keys_per_minute)
        # Whoever guesses keys must not keep out those behind the same address whose keys have been right.
        self._proven: TTLCache[bytes, None] = TTLCache(_MOST_KEYS, _REMEMBERED_SECONDS)
        self.forget()

    def forget(self) -> None:
        """Whoever is being looked up just now still goes into the old ones."""
        self._believed: TLRUCache[bytes, _Found] = TLRUCache(
            _MOST_KEYS, lambda _key, found, _now: found.until, timer=time.monotonic
        )

    async def admit(self, key: str | None, address: str) -> Caller:
        """The holder of the key, unless it has asked too often."""
        written = keys.read(key) if key else None
        if written is None:
            raise _bad_key()
        caller = await self._known(written, address)
        of_key, of_company = (caller.company.company_id, written.prefix), caller.company.company_id
        _refuse_haste("This key", self._of_key.wait(of_key))
        _refuse_haste("The company", self._of_company.wait(of_company))
        self._of_key.take(of_key)
        self._of_company.take(of_company)
        return caller

    async def _known(self, key: keys.Written, address: str) -> Caller:
        digest = hashlib.sha256(key.text.encode()).digest()
        believed = self._believed
        found = believed.get(digest)
        if found is None:
            found = believed[digest] = await self._looked_up(key, digest, address)
            self._met(found.caller.company)
            if found.is_idle:
                self._used(key.company_id, key.prefix)
        return found.caller

    async def _looked_up(self, key: keys.Written, digest: bytes, address: str) -> _Found:
        if digest not in self._proven:
            _refuse_haste("Your address, with wrong keys,", self._wrong.wait(address))
        try:
            found = await run_in_threadpool(_look_up, self._database, key)
        except Problem:
            self._proven.pop(digest, None)
            self._wrong.take(address)
            raise
        self._proven[digest] = None
        return found


def _refuse_haste(who: str, seconds: int) -> None:
    if seconds:
        detail = f"{who} has asked too often; ask again in {seconds} seconds."
        headers = {"Retry-After": str(seconds)}
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers)


# ---------------------------------------------------------------- what a call needs

_bearer = HTTPBearer(auto_error=False, description="A key, as `duelist key create` shows it")


@dataclass(frozen=True, slots=True)
class Needs:
    """A dependency: the caller, when its key has at least this scope."""

    scope: Scope

    async def __call__(
        self, request: Request, _shown: HTTPAuthorizationCredentials | None = Depends(_bearer)
    ) -> Caller:
        return await self.caller(request)

    async def caller(self, request: Request) -> Caller:
        """Asked before the body is read, and again as a dependency: it is one request all the same."""
        found: Caller | None = getattr(request.state, "caller", None)
        if found is None:
            callers: Callers = request.app.state.callers
            bearer = await _bearer(request)
            address = request.client.host if request.client else ""
            found = request.state.caller = await callers.admit(bearer.credentials if bearer else None, address)
        observation = observed()
        observation.company, observation.key = found.company.company_id, found.name.removeprefix("key ")
        if SCOPES.index(found.scope) < SCOPES.index(self.scope):
            raise Problem(HTTPStatus.FORBIDDEN, "wrong-scope", f"This needs a key of scope {self.scope}.")
        return found


def needs(scope: Scope) -> Needs:
    return Needs(scope)


def needed(dependant: Dependant) -> Needs | None:
    """What a route needs of its caller, None where anybody may call it."""
    if isinstance(dependant.call, Needs):
        return dependant.call
    return next(filter(None, map(needed, dependant.dependencies)), None)
