"""Keys: `duelist_<company id>_<prefix>_<secret>`. The company in a key lets it be looked up under the row-level
security of that company; only a salted hash is stored, so a key is shown once."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, NamedTuple, cast, get_args

from cachetools import TTLCache
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from psycopg.rows import class_row
from starlette.concurrency import run_in_threadpool

from app import audit_log
from app.companies import Company, of_key
from app.database import Connection, Database
from app.observation import observed
from app.problems import Problem

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_KEY = re.compile(r"duelist_([1-9][0-9]{0,17})_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Caller:
    company: Company
    scope: Scope
    name: str  # what the changes it makes are signed with


class _Stored(NamedTuple):
    salt: bytes
    hash: bytes
    scope: str


Callers = TTLCache[bytes, Caller]

_NEVER = _Stored(b"", bytes(hashlib.sha256().digest_size), "")


def create_key(database: Database, company: Company, scope: Scope) -> str:
    prefix, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_bytes(16)
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute(
            "INSERT INTO api_key (company_id, prefix, salt, hash, scope) VALUES (%s, %s, %s, %s, %s)",
            [company.company_id, prefix, salt, _hash(salt, secret), scope],
        )
        audit_log.note(connection, company.company_id, audit_log.COMMAND_LINE, "key created", prefix, scope=scope)
    return f"duelist_{company.company_id}_{prefix}_{secret}"


def caller_of(database: Database, key: str) -> Caller | None:
    """Who holds the key; None for one that was never given out."""
    parts = _KEY.fullmatch(key)
    if parts is None:
        return None
    company_id, prefix, secret = int(parts[1]), parts[2], parts[3]
    with database.transaction(company_id) as connection:
        stored = _stored(connection, company_id, prefix)
        # Compared also where there is nothing to compare with, so that the time tells nothing about prefixes.
        known = hmac.compare_digest(stored.hash, _hash(stored.salt, secret))
        return Caller(of_key(connection), cast(Scope, stored.scope), f"key {prefix}") if known else None


def _stored(connection: Connection, company_id: int, prefix: str) -> _Stored:
    question = "SELECT salt, hash, scope FROM api_key WHERE company_id = %s AND prefix = %s"
    cursor = connection.cursor(row_factory=class_row(_Stored))
    return cursor.execute(question, [company_id, prefix]).fetchone() or _NEVER


def _hash(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()


_bearer = HTTPBearer(auto_error=False, description="A key, as `duelist key create` shows it")


def known_callers() -> Callers:
    """Whom a key was found to belong to, believed for a moment: a key that is withdrawn ends within a second."""
    return TTLCache(maxsize=10_000, ttl=0.5)


async def _known(request: Request, key: str) -> Caller | None:
    known: Callers = request.app.state.callers
    digest = hashlib.sha256(key.encode()).digest()
    found = known.get(digest)
    if found is None:
        found = await run_in_threadpool(caller_of, request.app.state.database, key)
        if found is not None:
            known[digest] = found
    return found


def needs(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, when its key has at least this scope."""

    async def caller(request: Request, bearer: HTTPAuthorizationCredentials | None = Depends(_bearer)) -> Caller:
        found = await _known(request, bearer.credentials) if bearer else None
        if found is None or bearer is None:
            detail = "Send a valid key: 'Authorization: Bearer duelist_…'."
            raise Problem(HTTPStatus.UNAUTHORIZED, "bad-key", detail, headers={"WWW-Authenticate": "Bearer"})
        observation = observed()
        observation.company, observation.key = found.company.company_id, bearer.credentials.split("_")[2]
        if SCOPES.index(found.scope) < SCOPES.index(scope):
            raise Problem(HTTPStatus.FORBIDDEN, "wrong-scope", f"This needs a key of scope {scope}.")
        return found

    return caller
