"""Removing runs because of their age. Of each workflow stays what a comparison needs: every run that is not old, the
newest with an audience, and the one before each of these. So does a run that somebody has yet to be told of.
"""

from datetime import datetime
from typing import LiteralString

from app import audit_log, metrics
from app.companies import Company
from app.database import Connection, Database

_OLD: LiteralString = """
    SELECT id, started_at FROM (
        SELECT id, started_at, refusal, lead(started_at) OVER runs AS next_at, lead(id, 2) OVER runs AS next_but_one
        FROM run WHERE company_id = %(company)s
        WINDOW runs AS (PARTITION BY workflow_id, refusal IS NULL ORDER BY id)
    ) AS aged
    WHERE started_at < %(before)s AND (refusal IS NOT NULL OR next_at < %(before)s AND next_but_one IS NOT NULL)
        AND NOT EXISTS (
            SELECT FROM delivery AS d
            WHERE d.company_id = %(company)s AND d.run_id = aged.id AND d.next_attempt_at IS NOT NULL)
    ORDER BY id
"""


def old_runs(database: Database, company: Company, before: datetime) -> list[tuple[int, datetime]]:
    """The number of each run that may go, and when it was started."""
    with database.transaction(company.company_id) as connection:
        return _old_runs(connection, company, before)


def _old_runs(connection: Connection, company: Company, before: datetime) -> list[tuple[int, datetime]]:
    about = {"company": company.company_id, "before": before}
    return connection.execute(_OLD, about).fetchall()  # type: ignore[return-value]


def purge(database: Database, company: Company, run_id: int, who: str, *, timeout_ms: int) -> bool:
    """One run with all its rows, in one transaction; False where another was quicker."""
    about = {"company": company.company_id, "run": run_id}
    with database.transaction(company.company_id, write=True, timeout_ms=timeout_ms) as connection:
        locked = "SELECT FROM run WHERE company_id = %(company)s AND id = %(run)s FOR UPDATE SKIP LOCKED"
        if connection.execute(locked, about).fetchone() is None:
            return False
        connection.execute("DELETE FROM run_row WHERE company_id = %(company)s AND run_id = %(run)s", about)
        connection.execute("DELETE FROM delivery WHERE company_id = %(company)s AND run_id = %(run)s", about)
        connection.execute("DELETE FROM run WHERE company_id = %(company)s AND id = %(run)s", about)
        audit_log.note(connection, company.company_id, who, "run purged", run_id)
    metrics.PURGED.inc()
    return True
