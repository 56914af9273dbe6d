"""The most memory that a process takes for a whole answer, for a page, and for an import: each in one of its own."""

import re
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg import sql

from app import companies, queries
from app.bench.importing import write_files
from app.bench.ledger import NAME, Place, new_company
from app.bench.table import Row, show
from app.companies import Company
from app.database import Database
from app.imports import import_ledger

EVERYONE = {"filter": "", "match_all": True}
_A_MEGABYTE = 1 << (20 if sys.platform == "darwin" else 10)  # of what getrusage counts in


def measure(place: Place) -> list[Row]:
    with TemporaryDirectory() as folder:
        write_files(place.database, place.company, Path(folder))
        return [{"task": task, "MB at most": peak(task, place.url, folder)} for task in TASKS]


def report(rows: list[Row]) -> None:
    show("Memory of the process", rows)


def peak(task: str, url: str, folder: str) -> float:
    """In MB."""
    command = [sys.executable, "-m", "app.bench.memory", task, url, folder]
    return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def _nothing(_database: Database, _company: Company, _folder: Path) -> None:
    pass


def _page(database: Database, company: Company, _folder: Path) -> None:
    queries.preview(database, queries.Cursors(b"key"), company, queries.Paged.model_validate(EVERYONE))


def _customers(database: Database, company: Company, _folder: Path) -> None:
    _export(database, company, "customers")


def _invoices(database: Database, company: Company, _folder: Path) -> None:
    _export(database, company, "invoices")


def _export(database: Database, company: Company, rows: queries.Kind) -> None:
    asked = queries.Exporting.model_validate({**EVERYONE, "rows": rows})
    for _ in queries.export(database, company, asked, "csv", timeout_ms=0):
        pass


def _import(database: Database, _company: Company, folder: Path) -> None:
    """The whole ledger, checked as if it were to be written."""
    company = new_company(database, "Imported to measure memory")
    with database.transaction(company.company_id, write=True, timeout_ms=0) as connection:
        import_ledger(connection, company, [folder], dry_run=True)
    with database.owner() as connection:
        connection.execute(sql.SQL("SET LOCAL app.company_id = {}").format(str(company.company_id)))
        for table in ("audit_entry", "company"):
            of_company = sql.SQL("DELETE FROM {} WHERE company_id = %s").format(sql.Identifier(table))
            connection.execute(of_company, [company.company_id])


TASKS: Mapping[str, Callable[[Database, Company, Path], None]] = {
    "nothing": _nothing,
    "a page": _page,
    "export of all customers": _customers,
    "export of all open invoices": _invoices,
    "import of the ledger": _import,
}


def main() -> None:
    task, url, folder = sys.argv[1:]
    database = Database(url, statement_timeout_ms=0)
    TASKS[task](database, companies.chosen(database, NAME), Path(folder))
    database.close()
    print(_most_so_far())


def _most_so_far() -> float:
    """In MB. Linux has getrusage count what the process had before it became this program: its parent's memory."""
    status = Path("/proc/self/status")
    if status.exists():
        [most] = re.findall(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
        return int(most) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _A_MEGABYTE


if __name__ == "__main__":
    main()
