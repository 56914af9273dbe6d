"""`duelist serve`: the database is started and migrated, the sample loaded, a key made, and then it serves."""

import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
import uvicorn
from fastapi import FastAPI

from app import auth, companies, fields, sample, workflows
from app.companies import Company
from app.database import Database, database_url
from app.imports import Progress, import_ledger
from app.logs import set_up_logging
from app.main import create_app
from app.migrate import is_current, migrate
from app.planner import refresh_statistics
from app.receiving import Bounded
from app.roles import ServiceDatabase, UnsafeDatabase, refuse_unsafe_url, service_url
from app.settings import Settings, misspelled
from app.tracing import set_up_tracing

Say = Callable[[str], None]
Bars = Callable[[], AbstractContextManager[Progress]]

_log = structlog.get_logger("duelist")

BACKLOG = 1024
LEAVING_SECONDS = 5
EXAMPLE = "invoice.balance > 1000 AND invoice.days_overdue > 30"


class PortTaken(OSError):
    """The address cannot be served; the message says why."""


def serve(settings: Settings, *, with_sample: bool, say: Say, progress: Bars) -> None:
    # Told to stop by a service manager, everything is closed as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    set_up_logging(settings.log_level)
    for warning in misspelled(os.environ):
        _log.warning("unknown setting", warning=warning)
    set_up_tracing()
    with closing(_listening(settings)) as listener:
        host, port = listener.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        with database_url(settings, own=True) as owner_url:
            url = prepared_url(settings, owner_url)
            with closing(ServiceDatabase(url)) as database:
                if with_sample and _wants_sample(database):
                    say("loading the sample ledger")
                    with closing(Database(owner_url)) as owned, progress() as told:
                        load_sample(owned, told)
                key = _key(settings, database, with_sample=with_sample, say=say)
            app = create_app(settings, url, page_key=key if settings.is_private else None)
            say(_greeting(address, key))
            answer_requests(app, listener)


def answer_requests(app: FastAPI, listener: socket.socket) -> None:
    """Until the process is told to stop."""
    server = web_server(app)
    signal.signal(signal.SIGTERM, server.handle_exit)  # an exit while its loop is made would break that
    # What is there for good need not be looked through for garbage: that took 0.13 s, and every answer waited.
    gc.freeze()
    server.run(sockets=[listener])


def web_server(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Bounded,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=LEAVING_SECONDS,
        )
    )


def _listening(settings: Settings) -> socket.socket:
    """Taken before anything is started: a port in use is told at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "another program serves there; choose another --port" if taken else str(error)
        raise PortTaken(f"{settings.host} port {settings.port} cannot be served: {reason}") from error


def prepared_url(settings: Settings, owner_url: str) -> str:
    """The database as the service uses it: migrated, and safe to use."""
    if not is_current(owner_url):
        if settings.database_url and not settings.owner_database_url:
            raise UnsafeDatabase("the database is not migrated; run: duelist migrate, with DUELIST_OWNER_DATABASE_URL")
        migrate(owner_url)
    url = service_url(settings, owner_url)
    refuse_unsafe_url(url)
    return url


def _key(settings: Settings, database: Database, *, with_sample: bool, say: Say) -> str | None:
    """The key to be shown, if there is one to show."""
    oldest = next(companies.everyone(database), None)
    if oldest is None:
        say("there is no company yet; make one with: duelist company create NAME --currency EUR")
        return None
    return _run_key(settings, database, oldest) if settings.is_private or with_sample else None


def _wants_sample(database: Database) -> bool:
    """Also where an earlier start was stopped before the sample was in."""
    match list(islice(companies.everyone(database), 2)):
        case []:
            return True
        case [Company(name=sample.NAME) as company]:
            with database.transaction(company.company_id) as connection:
                return connection.execute("SELECT FROM customer LIMIT 1").fetchone() is None
        case _:
            return False


def load_sample(database: Database, progress: Progress | None = None) -> Company:
    known = [company for company in companies.listed(database) if company.name == sample.NAME]
    company = known[0] if known else companies.create(
        database, sample.NAME, currency=sample.BASE_CURRENCY, country=sample.COUNTRY, time_zone=sample.TIME_ZONE
    )  # fmt: skip
    with (
        TemporaryDirectory() as folder,
        database.transaction(company.company_id, write=True, timeout_ms=0) as connection,
    ):
        for field in sample.FIELDS:
            fields.store(connection, company.company_id, field, sample.WHO)
        sample.write_sample(Path(folder), company.today)
        import_ledger(connection, company, [Path(folder)], who=sample.WHO, progress=progress)
    for name, filter in sample.SEGMENTS.items():
        workflows.define_segment(database, company, name, workflows.Segment(filter=filter), sample.WHO)
    refresh_statistics(database)
    return companies.chosen(database, company.name)


def _run_key(settings: Settings, database: Database, company: Company) -> str:
    """The key of earlier starts, unless it is of another database."""
    kept = settings.run_key()
    if kept and auth.caller_of(database, kept):
        return kept
    key = auth.create_key(database, company, "admin", "duelist serve")
    settings.keep_run_key(key)
    return key


def _greeting(address: str, key: str | None) -> str:
    lines = [f"\nDuelist serves {address}  (Ctrl-C stops it)"]
    if key:
        lines += [
            f"key      {key}",
            f"example  curl -s {address}/v1/preview -H 'Authorization: Bearer {key}' \\",
            f"              -H 'Content-Type: application/json' -d '{{\"filter\": \"{EXAMPLE}\"}}'",
        ]
    else:
        lines.append("make a key with: duelist key create --scope read")
    return "\n".join(lines)
