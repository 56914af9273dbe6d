"""Imports run as commands, in processes of their own: what they did is read from the audit log, and counted here."""

from datetime import datetime
from typing import Any, LiteralString

from app import companies, metrics
from app.audit_log import IMPORT_REFUSED, IMPORTED
from app.database import Database

_NEW: LiteralString = """
    SELECT at, action, detail FROM audit_entry
    WHERE company_id = %(company)s AND action = ANY (%(actions)s) AND at > %(after)s ORDER BY at
"""
_LAST: LiteralString = """
    SELECT coalesce(max(at), 'epoch'), max(at) FILTER (WHERE action = %(imported)s)
    FROM audit_entry WHERE company_id = %(company)s
"""


class ImportsSeen:
    """Counts what is new since the first look; of what was before only the last moment is told."""

    def __init__(self) -> None:
        self._after: dict[int, datetime] = {}
        self._last = 0.0

    def look(self, database: Database) -> None:
        for company in companies.everyone(database):
            self._look(database, company.company_id)

    def _look(self, database: Database, company_id: int) -> None:
        about = {"company": company_id, "actions": [IMPORTED, IMPORT_REFUSED], "imported": IMPORTED}
        with database.transaction(company_id) as connection:
            if company_id not in self._after:
                rows: list[Any] = connection.execute(_LAST, about).fetchall()
                [(self._after[company_id], at)] = rows
                self._imported_at(at)
            found: list[Any] = connection.execute(_NEW, {**about, "after": self._after[company_id]}).fetchall()
        for at, action, detail in found:
            self._after[company_id] = at
            metrics.IMPORTS.labels("done" if action == IMPORTED else "refused").inc()
            metrics.IMPORTED_ROWS.labels("bad").inc(detail["bad_rows"])
            if action == IMPORTED:
                self._imported_at(at)
                metrics.IMPORTED_ROWS.labels("read").inc(sum(file["read"] for file in detail["rows"].values()))
                metrics.IMPORT_SECONDS.observe(detail["seconds"])

    def _imported_at(self, at: Any) -> None:
        if at is not None and at.timestamp() > self._last:
            self._last = at.timestamp()
            metrics.LAST_IMPORT.set(self._last)
