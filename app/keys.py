"""Keys: `duelist_<company id>_<prefix>_<secret>`. The company in a key lets it be looked up under the row-level
security of that company; only a salted hash is stored, so a key is shown once. None is ever deleted."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal, LiteralString, NamedTuple, cast, get_args
from zoneinfo import ZoneInfo

import psycopg
import structlog
from psycopg.rows import class_row, dict_row
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from app import audit_log
from app.background import Background
from app.companies import Company
from app.database import Connection, Database, DatabaseAway
from app.problems import Problem

_log = structlog.get_logger("duelist")

Document = dict[str, Any]
Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

LONGEST_NAME = 100
LONGEST_LIFE = timedelta(days=3650)

PREFIX = re.compile("[0-9a-f]{12}", re.ASCII)
_KEY = re.compile(rf"duelist_([1-9][0-9]{{0,17}})_({PREFIX.pattern})_([A-Za-z0-9_-]{{43}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Written:
    """A key as it is sent."""

    company_id: int
    prefix: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        return f"duelist_{self.company_id}_{self.prefix}_{self.secret}"


def read(key: str) -> Written | None:
    """None for what cannot be a key: it need not be looked up."""
    parts = _KEY.fullmatch(key)
    return Written(int(parts[1]), parts[2], parts[3]) if parts else None


# ---------------------------------------------------------------- proving


@dataclass(frozen=True, slots=True)
class Held:
    """A key whose holder knows its secret. `is_idle`: its last use was noted more than a minute ago."""

    scope: Scope
    seconds_left: float | None
    is_idle: bool


class _Stored(NamedTuple):
    salt: bytes
    hash: bytes
    scope: str
    is_revoked: bool
    seconds_left: float | None
    is_idle: bool


_NEVER = _Stored(b"", bytes(hashlib.sha256().digest_size), "", True, None, False)
_IDLE: LiteralString = "coalesce(last_used_at < now() - interval '1 minute', true)"
_QUESTION: LiteralString = f"""
    SELECT salt, hash, scope, revoked_at IS NOT NULL AS is_revoked,
        extract(epoch FROM expires_at - now())::float8 AS seconds_left, {_IDLE} AS is_idle
    FROM api_key WHERE company_id = %s AND prefix = %s
"""


def proven(connection: Connection, key: Written) -> Held | None:
    """None for a key that was never given out, or was revoked. An expired one is told from them by its secret alone."""
    cursor = connection.cursor(row_factory=class_row(_Stored))
    stored = cursor.execute(_QUESTION, [key.company_id, key.prefix]).fetchone() or _NEVER
    # Compared also where there is nothing to compare with, so that the time tells nothing about prefixes.
    is_right = hmac.compare_digest(stored.hash, _hash(stored.salt, key.secret))
    if not is_right or stored.is_revoked:
        return None
    return Held(cast(Scope, stored.scope), stored.seconds_left, stored.is_idle)


def _hash(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()


class Uses:
    """Notes when a key was last used: behind the answers, and about once a minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._background = Background("uses")
        self._waiting: set[tuple[int, str]] = set()

    def note(self, company_id: int, prefix: str) -> None:
        if (company_id, prefix) not in self._waiting:
            self._waiting.add((company_id, prefix))
            self._background.submit(partial(self._write, company_id, prefix))

    def close(self) -> None:
        self._background.close()

    def _write(self, company_id: int, prefix: str) -> None:
        statement: LiteralString = f"""
            UPDATE api_key SET last_used_at = now() WHERE company_id = %s AND prefix = %s AND {_IDLE}
        """
        try:
            with self._database.transaction(company_id, write=True) as connection:
                connection.execute(statement, [company_id, prefix])
        except (DatabaseAway, psycopg.Error) as error:
            _log.warning("use of a key not noted", company=company_id, error=type(error).__name__)
        finally:
            self._waiting.discard((company_id, prefix))


# ---------------------------------------------------------------- what is asked


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _clean_name(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise PydanticCustomError("bad_name", f"a name has 1 to {LONGEST_NAME} printable characters")
    return name


_SPAN = re.compile("([0-9]{1,6})([mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _span(written: object) -> object:
    parts = _SPAN.fullmatch(written) if isinstance(written, str) else None
    span = timedelta(**{_UNITS[parts[2]]: int(parts[1])}) if parts else None
    if span is None or span > LONGEST_LIFE:
        raise PydanticCustomError("bad_span", f"a span is written 30m, 24h or 90d, and has up to {LONGEST_LIFE.days}d")
    return span


def _end(written: object) -> object:
    if not isinstance(written, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", written, re.ASCII):
        return _span(written)
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise PydanticCustomError("bad_day", "the calendar has no such day") from None


Span = Annotated[timedelta, BeforeValidator(_span), WithJsonSchema({"type": "string"})]
End = Annotated[timedelta | date, BeforeValidator(_end), WithJsonSchema({"type": "string"})]


class Making(_Body):
    """A new key."""

    scope: Scope
    name: Annotated[str, AfterValidator(_clean_name)] | None = Field(None, description="what it is for")
    expires: End | None = Field(
        None, description="90d, or the last day on which it works; never when absent", examples=["90d"]
    )


class Rotating(_Body):
    """A key's successor."""

    overlap: Span = Field(timedelta(hours=24), description="how long the former key still works: 24h when absent")


def _moment(end: timedelta | date, company: Company) -> datetime:
    """A day ends by the company's own clock."""
    now = datetime.now(UTC)
    zone = ZoneInfo(company.time_zone)
    moment = now + end if isinstance(end, timedelta) else datetime.combine(end, time.max, zone)
    if not now < moment <= now + LONGEST_LIFE:
        detail = f"A key ends later than now, and within {LONGEST_LIFE.days} days."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-expiry", detail)
    return moment


# ---------------------------------------------------------------- making, rotating, revoking


def create_key(database: Database, company: Company, scope: Scope, name: str | None = None) -> str:
    """The key itself, of one that does not expire."""
    return str(make(database, company, Making(scope=scope, name=name), audit_log.COMMAND_LINE)["key"])


def make(database: Database, company: Company, making: Making, who: str) -> Document:
    """The key as it is listed and, this once, the key itself."""
    expires_at = None if making.expires is None else _moment(making.expires, company)
    with database.transaction(company.company_id, write=True) as connection:
        return _insert(connection, company, making.scope, making.name, expires_at, who)


def listed(database: Database, company: Company) -> list[Document]:
    """All that there ever were, the oldest first."""
    with database.transaction(company.company_id) as connection:
        return _keys(connection, f"{_LISTED} ORDER BY created_at, prefix", company)


def rotate(database: Database, company: Company, prefix: str, rotating: Rotating, who: str) -> Document:
    """A new key of the same scope and name, made to live as long; the former one ends after the overlap."""
    with database.transaction(company.company_id, write=True) as connection:
        former = _locked(connection, company, prefix)
        if former["status"] != "valid":
            detail = f"The key {prefix} is {former['status']}; make a new one instead."
            raise Problem(HTTPStatus.CONFLICT, "key-not-valid", detail)
        if former["replaced_by"]:
            detail = f"The key {prefix} has been replaced by {former['replaced_by']} already; rotate that one."
            raise Problem(HTTPStatus.CONFLICT, "already-rotated", detail)
        life = former["expires_at"] and former["expires_at"] - former["created_at"]
        expires_at = life and datetime.now(UTC) + life
        made = _insert(connection, company, former["scope"], former["name"], expires_at, who)
        connection.execute(
            "UPDATE api_key SET replaced_by = %s, expires_at = least(expires_at, now() + %s)"
            " WHERE company_id = %s AND prefix = %s",
            [made["prefix"], rotating.overlap, company.company_id, prefix],
        )
        audit_log.note(connection, company.company_id, who, "key rotated", prefix, replaced_by=made["prefix"])
    return made


def revoke(database: Database, company: Company, prefix: str, who: str, *, confirmed: bool) -> None:
    """At once and for ever. The last admin key is only revoked if that is confirmed: no call could make another."""
    with database.transaction(company.company_id, write=True) as connection:
        # All of them are locked, so that two cannot each be revoked for not being the last.
        admins = _keys(connection, f"{_LISTED} AND scope = 'admin' ORDER BY prefix FOR UPDATE", company)
        lasting = {key["prefix"] for key in admins if key["status"] == "valid" and not key["replaced_by"]}
        _locked(connection, company, prefix)
        if lasting == {prefix} and not confirmed:
            detail = "This is the last admin key of the company: without one, only the command line can make keys."
            raise Problem(HTTPStatus.CONFLICT, "last-admin-key", f"{detail} Confirm it if it is meant.")
        connection.execute(
            "UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE company_id = %s AND prefix = %s",
            [company.company_id, prefix],
        )
        audit_log.note(connection, company.company_id, who, "key revoked", prefix)


def _insert(
    connection: Connection, company: Company, scope: Scope, name: str | None, expires_at: datetime | None, who: str
) -> Document:
    key = Written(company.company_id, secrets.token_hex(6), secrets.token_urlsafe(32))
    salt = secrets.token_bytes(16)
    connection.execute(
        "INSERT INTO api_key (company_id, prefix, salt, hash, scope, name, made_by, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [key.company_id, key.prefix, salt, _hash(salt, key.secret), scope, name, who, expires_at],
    )
    audit_log.note(connection, company.company_id, who, "key created", key.prefix, scope=scope)
    [made] = _keys(connection, f"{_LISTED} AND prefix = %(prefix)s", company, prefix=key.prefix)
    return {"key": key.text, **made}


_LISTED: LiteralString = """
    SELECT prefix, scope, name, made_by, created_at, expires_at, revoked_at, last_used_at, replaced_by,
        CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'valid'
        END AS status
    FROM api_key WHERE company_id = %(company)s
"""


def _keys(connection: Connection, statement: LiteralString, company: Company, **parameters: object) -> list[Document]:
    cursor = connection.cursor(row_factory=dict_row)
    return cursor.execute(statement, {"company": company.company_id, **parameters}).fetchall()


def _locked(connection: Connection, company: Company, prefix: str) -> Mapping[str, Any]:
    found = _keys(connection, f"{_LISTED} AND prefix = %(prefix)s FOR UPDATE", company, prefix=prefix)
    if not found:
        raise unknown()
    return found[0]


def unknown() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-id", "There is no such key.")
