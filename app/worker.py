"""What happens by itself: scheduled runs, and telling of runs. Any number of workers may do it at once."""

import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import psycopg
import structlog

from app import companies, metrics, workflows
from app.audit_log import RETENTION
from app.companies import Company
from app.database import Database, DatabaseAway
from app.imports_seen import ImportsSeen
from app.logs import faults
from app.settings import Settings

_log = structlog.get_logger("duelist")

POLL_SECONDS = 5.0
PURGE_SECONDS = 3600.0
LEAVING_SECONDS = 5.0


def limits_of(settings: Settings) -> workflows.Limits:
    return workflows.Limits(settings.growth_factor, settings.export_timeout_ms, settings.largest_cost)


def work(database: Database, settings: Settings) -> int:
    """Everything that is due now, of every company; how much it was."""
    return sum(_work_for(database, company, settings) for company in companies.everyone(database))


def purge_old_runs(database: Database, settings: Settings) -> int:
    """Of every company, where there is a limit to their age; how many there were."""
    if settings.keep_runs_days is None:
        return 0
    before = datetime.now(UTC) - timedelta(days=settings.keep_runs_days)
    return sum(
        workflows.purge(database, company, run_id, RETENTION, timeout_ms=settings.export_timeout_ms)
        for company in companies.everyone(database)
        for run_id, _ in workflows.old_runs(database, company, before)
    )


def _work_for(database: Database, company: Company, settings: Settings) -> int:
    """What goes wrong for one company is no matter of the others."""
    done = 0
    try:
        while workflows.run_next(database, company, limits_of(settings)):
            done += 1
        while workflows.deliver_next(database, company, private=settings.webhook_private):
            done += 1
    except psycopg.Error as error:
        _log.warning("work failed", company=company.company_id, **faults(error))
    return done


class Worker:
    """Works until it is closed."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._imports = ImportsSeen()
        self._purge_at = 0.0
        self._closed = Event()
        self._thread = Thread(target=self.run, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """What takes longer than a moment is left undone: its transaction ends with the process."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(LEAVING_SECONDS)

    def run(self) -> None:
        while not self._closed.is_set():
            outcome = "failed"
            try:
                self._round()
                outcome = "done"
            except DatabaseAway:
                _log.warning("the database is away")
            except Exception as fault:  # whatever it is, the next round may be well
                _log.error("a fault of the worker", **faults(fault))
            metrics.ROUNDS.labels(outcome).inc()
            self._closed.wait(POLL_SECONDS)

    def _round(self) -> None:
        work(self._database, self._settings)
        self._imports.look(self._database)
        if time.monotonic() >= self._purge_at:
            purge_old_runs(self._database, self._settings)
            self._purge_at = time.monotonic() + PURGE_SECONDS
