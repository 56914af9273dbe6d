"""The HTTP service: routes to the features, and what holds for every request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from app import pages, problems, queries
from app.auth import Callers
from app.deadlines import Deadlines
from app.kept import Keeper
from app.keys import Uses
from app.observation import fingerprint
from app.observed import Observed
from app.openapi import describing
from app.readiness import Readiness
from app.roles import ServiceDatabase, refuse_unsafe_url
from app.routes.audit_log import audit_log
from app.routes.fields import own_fields
from app.routes.filters import filters
from app.routes.health import health
from app.routes.keys import keys
from app.routes.records import records
from app.routes.workflows import runs, workflows
from app.settings import Settings
from app.turns import Turns
from app.worker import Worker


def create_app(settings: Settings, url: str, *, page_key: str | None = None) -> FastAPI:
    """`page_key` is given to the page when it is opened on this machine."""
    read_url = settings.read_database_url.get_secret_value() if settings.read_database_url else url

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for used in {url, read_url}:
            refuse_unsafe_url(used)
        app.state.database = connect(settings, url)
        app.state.reads = app.state.database if read_url == url else connect(settings, read_url)
        app.state.readiness = Readiness(sorted({url, read_url}))
        app.state.keeper = Keeper(app.state.database)
        uses = Uses(app.state.database)
        # The first call of a company's new day has its metrics brought to that day.
        app.state.callers = Callers(app.state.database, settings, met=app.state.keeper.consider, used=uses.note)
        worker = Worker(app.state.database, settings)
        if settings.worker:
            worker.start()
        yield
        worker.close()
        app.state.keeper.close()
        uses.close()
        app.state.readiness.close()
        app.state.reads.close()
        app.state.database.close()

    app = FastAPI(
        title="Duelist",
        summary="A list of who is due: filters over a receivables ledger.",
        version="1",
        lifespan=lifespan,
        # Measures and logs are our own; FastAPI's log signal has the messages of exceptions, and so values.
        telemetry={"auto_configure": False, "metrics": False, "logs": False},
        redirect_slashes=False,
        # FastAPI's pages load their parts from elsewhere; pages.py has one of our own, and the document.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.settings = settings
    signing_key = settings.signing_key()
    app.state.cursors = queries.Cursors(signing_key)
    app.state.fingerprint = partial(fingerprint, signing_key)
    app.state.page_key = page_key
    most, patience = settings.most_of_company, settings.pool_timeout_seconds
    # Keys, what is kept and the worker have the connections that are left.
    app.state.turns = Turns(max(1, settings.pool_max_size - 2), most, patience)
    # An export holds a connection for as long as its reader likes: the other half is for everything else, and of each
    # company's turns one.
    app.state.exports = Turns(max(1, settings.pool_max_size // 2), max(1, most - 1), patience)
    app.add_middleware(Deadlines, seconds=settings.deadline_seconds)
    app.add_middleware(Observed, signing_key=signing_key)
    problems.install(app)
    app.include_router(filters)
    app.include_router(workflows)
    app.include_router(runs)
    app.include_router(own_fields)
    app.include_router(keys)
    app.include_router(records)
    app.include_router(audit_log)
    app.include_router(health)
    app.include_router(pages.router())
    app.openapi = describing(app)  # type: ignore[method-assign]
    return app


def connect(settings: Settings, url: str) -> ServiceDatabase:
    return ServiceDatabase(
        url,
        min_size=settings.pool_min_size,
        max_size=settings.pool_max_size,
        timeout_seconds=settings.pool_timeout_seconds,
        statement_timeout_ms=settings.statement_timeout_ms,
        record_timeout_ms=settings.record_timeout_ms,
        lock_timeout_ms=settings.lock_timeout_ms,
        largest_cost=settings.largest_cost,
    )
