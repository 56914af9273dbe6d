"""Telling another system that a run is there: signed, tried again with growing pauses, once for each run.

A receiver checks `Duelist-Signature`, and takes a run that it has seen (`Duelist-Run`) for done: when an answer is lost
on its way, the same is sent again.
"""

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
from pydantic import BaseModel, ConfigDict, Field

from app import audit_log, metrics
from app.companies import Company
from app.database import Connection, Database
from app.problems import Problem
from app.workflows.audiences import run_of

Document = dict[str, Any]

FIRST_PAUSE_SECONDS = 30
LONGEST_PAUSE_SECONDS = 6 * 3600
MOST_ATTEMPTS = 15  # over about two days
TIMEOUT_SECONDS = 10.0
_DELIVERY_MS = 60_000  # the transaction is idle while the receiver takes its time


class Hook(BaseModel):
    """Where runs are told to."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    url: str = Field(max_length=2_000, examples=["https://erp.example.com/duelist"])


def hook_of(database: Database, company: Company) -> Document:
    with database.transaction(company.company_id) as connection:
        rows = connection.execute(
            "SELECT url, changed_at, changed_by FROM webhook WHERE company_id = %s", [company.company_id]
        ).fetchall()
    if not rows:
        raise _no_hook()
    [(url, changed_at, changed_by)] = rows
    return {"url": url, "changed_at": changed_at, "changed_by": changed_by}


def set_hook(database: Database, company: Company, hook: Hook, who: str, *, private: bool) -> Document:
    """With the secret that signs what is sent: it is shown this once, and is another one after each change."""
    _check_address(hook.url, private=private)
    secret = secrets.token_urlsafe(32)
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute(
            "INSERT INTO webhook (company_id, url, secret, changed_by) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (company_id) DO UPDATE SET url = excluded.url, secret = excluded.secret,"
            " changed_by = excluded.changed_by, changed_at = now()",
            [company.company_id, hook.url, secret, who],
        )
        audit_log.note(connection, company.company_id, who, "webhook set", urlsplit(hook.url).hostname)
    return {"url": hook.url, "secret": secret}


def remove_hook(database: Database, company: Company, who: str) -> None:
    with database.transaction(company.company_id, write=True) as connection:
        removed = connection.execute("DELETE FROM webhook WHERE company_id = %s", [company.company_id])
        if not removed.rowcount:
            raise _no_hook()
        audit_log.note(connection, company.company_id, who, "webhook removed", "webhook")


def _no_hook() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "no-webhook", "The company has no webhook.")


# ---------------------------------------------------------------- sending


def queue(connection: Connection, company: Company, run_id: int) -> None:
    """In the transaction of the run: what is told of is there, and what is there is told of."""
    connection.execute(
        "INSERT INTO delivery (company_id, run_id) SELECT company_id, %(run)s FROM webhook"
        " WHERE company_id = %(company)s",
        {"run": run_id, "company": company.company_id},
    )


@dataclass(frozen=True, slots=True)
class _Due:
    run_id: int
    attempts: int
    url: str
    secret: str


def deliver_next(database: Database, company: Company, *, private: bool) -> bool:
    """Tries one delivery that is due; whether there was one. Its row is locked meanwhile, so nobody else tries it."""
    with database.transaction(company.company_id, write=True, timeout_ms=_DELIVERY_MS) as connection:
        due = _next_due(connection, company)
        if due is None:
            return False
        body = orjson.dumps({"event": "run", "run": run_of(connection, company, due.run_id).document()})
        said = _sent(due, body, private=private)
        delivered = said.startswith("2")
        metrics.WEBHOOKS.labels("delivered" if delivered else "failed").inc()
        pause = None if delivered or due.attempts + 1 >= MOST_ATTEMPTS else _pause(due.attempts)
        connection.execute(
            "UPDATE delivery SET attempts = attempts + 1, answer = %(said)s,"
            " delivered_at = CASE WHEN %(delivered)s THEN now() END,"
            " next_attempt_at = now() + %(pause)s * interval '1 second'"
            " WHERE company_id = %(company)s AND run_id = %(run)s",
            {"said": said, "delivered": delivered, "pause": pause, "company": company.company_id, "run": due.run_id},
        )
        return True


def _next_due(connection: Connection, company: Company) -> _Due | None:
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT d.run_id, d.attempts, w.url, w.secret FROM delivery AS d"
        " JOIN webhook AS w ON w.company_id = d.company_id"
        " WHERE d.company_id = %s AND d.next_attempt_at <= now()"
        " ORDER BY d.next_attempt_at LIMIT 1 FOR UPDATE OF d SKIP LOCKED",
        [company.company_id],
    ).fetchall()
    return _Due(*rows[0]) if rows else None


def _pause(attempts: int) -> int:
    return int(min(FIRST_PAUSE_SECONDS * 2**attempts, LONGEST_PAUSE_SECONDS))


def _sent(due: _Due, body: bytes, *, private: bool) -> str:
    """The status that was answered, or what went wrong; redirects are not followed."""
    headers = {
        "Content-Type": "application/json",
        "Duelist-Run": str(due.run_id),
        "Duelist-Signature": f"sha256={hmac.digest(due.secret.encode(), body, 'sha256').hex()}",
    }
    try:
        _check_address(due.url, private=private)
        answered = httpx2.post(due.url, content=body, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)
    except Problem as refused:
        return refused.detail
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return type(error).__name__
    return str(answered.status_code)


def _check_address(url: str, *, private: bool) -> None:
    """A webhook must not be a way into the network that the service stands in."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not url.isprintable() or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
        if parts.username is not None:
            raise ValueError
    except ValueError:
        raise _bad_address("It is no address of a web server, such as https://erp.example.com/duelist.") from None
    if private:
        return
    if parts.scheme != "https":
        raise _bad_address("It has to begin with https://.")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _bad_address("Its name is not known.") from None
    if not all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_global for address in found):
        raise _bad_address("It is inside a private network.")


def _bad_address(reason: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-address", f"The webhook's address cannot be used. {reason}")
