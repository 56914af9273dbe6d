"""The import of a ledger: files are read, checked, loaded and completed, all of it or nothing."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from zoneinfo import ZoneInfo

import psycopg

from app import audit_log, kept
from app.database import Connection
from app.imports.checks import Parameters, check
from app.imports.columns import CUSTOM_PREFIX, File
from app.imports.derive import count_derived, derive
from app.imports.loading import load
from app.imports.reading import Renaming, Source, Unreadable, discover
from app.imports.report import BadRow, FileReport, ImportRefused, Problems, Report
from app.imports.staging import Progress, Staged, create_tables, drop_tables, stage
from app.values import own
from app.vocabulary import fields_of
from dsl.catalog import Custom

__all__ = ["BadRow", "Company", "FileReport", "ImportRefused", "Progress", "Report", "import_ledger"]

# The address of a contact is valid by this, and by having no dot doubled or at an end of its local part.
_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = rf"^{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})+$"


class Company(Protocol):
    @property
    def company_id(self) -> int: ...
    @property
    def base_currency(self) -> str: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def today(self) -> date: ...


def import_ledger(
    connection: Connection,
    company: Company,
    sources: Iterable[Path],
    *,
    skip_bad_rows: bool = False,
    dry_run: bool = False,
    who: str = audit_log.COMMAND_LINE,
    rename: Mapping[str, str] = MappingProxyType({}),
    progress: Progress | None = None,
) -> Report:
    """Imports files, or folders of them, in the transaction that the connection is in.

    Raises `ImportRefused`, with nothing written, when a row is bad; `skip_bad_rows` leaves those rows out, and the
    report names them. `rename` says what a column of the files is called here; some file must have it. `dry_run`
    writes nothing.
    """
    tell, start = progress or _tell_no_one, time.perf_counter()
    problems = Problems()
    found = discover(list(sources), problems)
    if problems.total:
        raise ImportRefused(problems)
    parameters = {
        "company": company.company_id,
        "base": company.base_currency,
        "zone": company.time_zone,
        "email": EMAIL,
    }
    with connection.transaction(force_rollback=dry_run):
        connection.execute("SET LOCAL statement_timeout = 0")
        # Whole tables are joined, whose statistics are older than their rows: row by row it would take minutes.
        connection.execute("SET LOCAL enable_nestloop = off")
        kept.lock(connection, company.company_id)
        create_tables(connection)
        defined = fields_of(connection)
        found = {name: replace(source, file=_with_own(source.file, defined)) for name, source in found.items()}
        staged = _stage(connection, found, ZoneInfo(company.time_zone), Renaming(rename), problems, tell)
        check(connection, staged, parameters, problems)
        if problems.total and not skip_bad_rows:
            raise ImportRefused(problems)
        connection.execute("SET CONSTRAINTS ALL DEFERRED")
        files = load(connection, staged, parameters)
        tell("storing", 0.5)
        recalculated = _derive(connection, parameters, problems)
        tell("storing", 0.75)
        _check_foreign_keys(connection)
        derived = count_derived(connection, staged, parameters)
        connection.execute("SET LOCAL enable_nestloop = DEFAULT")
        drop_tables(connection)
        kept.refresh(connection, company.company_id, company.today)
        report = Report(files, derived, recalculated, problems.in_order(), problems.total)
        _note(connection, company, who, report, time.perf_counter() - start)
        tell("storing", 1)
    return report


def _note(connection: Connection, company: Company, who: str, report: Report, seconds: float) -> None:
    rows = {name: {"read": file.read, "written": file.inserted + file.updated} for name, file in report.files.items()}
    about = {"rows": rows, "bad_rows": report.problem_count, "seconds": round(seconds, 3)}
    audit_log.note(connection, company.company_id, who, audit_log.IMPORTED, ", ".join(rows), **about)


def _with_own(file: File, defined: Iterable[Custom]) -> File:
    return replace(
        file, own={f"{CUSTOM_PREFIX}{field.name}": own(field.type) for field in defined if field.entity == file.table}
    )


def _tell_no_one(_doing: str, _share: float) -> None:
    pass


def _check_foreign_keys(connection: Connection) -> None:
    """With plans for the tables as they are now: a connection keeps those it made when the tables were small, and by
    them each row would be sought among all rows of the company."""
    connection.execute("DISCARD PLANS")
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _stage(
    connection: Connection,
    found: Mapping[str, Source],
    zone: ZoneInfo,
    rename: Renaming,
    problems: Problems,
    tell: Progress,
) -> dict[str, Staged]:
    """All files are read before one that cannot be read refuses the import, so that all faults are named at once."""
    staged = {}
    knows_columns = True
    for name, source in found.items():
        try:
            staged[name] = stage(connection, source, zone, rename, problems, tell)
        except Unreadable as unreadable:
            problems.add(*unreadable.faults)
            knows_columns &= all(fault.column is not None for fault in unreadable.faults)
        except OSError as error:
            problems.add(source.fault(None, None, "no-file", f"the file cannot be read: {error.strerror}"))
            knows_columns = False
    if knows_columns and rename.unmet:
        refused = Problems()  # these first: each row may have a fault because of them
        refused.add(*rename.faults(found.values()), *problems.first, more=problems.total - len(problems.first))
        raise ImportRefused(refused)
    if len(staged) < len(found):
        raise ImportRefused(problems)
    return staged


def _derive(connection: Connection, parameters: Parameters, problems: Problems) -> Counter[str]:
    try:
        return derive(connection, parameters)
    except psycopg.errors.NumericValueOutOfRange as error:
        message = "the allocations of one document add up to more than can be stored"
        problems.add(BadRow("allocations", None, "amount", "number-out-of-range", message))
        raise ImportRefused(problems) from error
