"""The import: what it refuses and by which name, what it stores and works out, and that it is all or nothing."""

import gzip
import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from app.database import Database
from app.imports import BadRow, FileReport, ImportRefused, Report, import_ledger
from app.imports.columns import FILES
from app.models import metadata

REAL = Path(__file__).parents[2] / "shared" / "data"

needs_real_ledgers = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real ledgers are not at {REAL}")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Company:
    """One company of the test database, and what a test does with it."""

    database: Database
    company_id: int
    base_currency: str
    time_zone: str
    today: date = date(2026, 6, 30)

    def run(self, *sources: Path, **options: Any) -> Report:
        with self.database.transaction(self.company_id, write=True) as connection:
            return import_ledger(connection, self, sources, **options)

    def load(self, files: Mapping[str, str], **options: Any) -> Report:
        with folder(files) as path:
            return self.run(path, **options)

    def refusals(self, files: Mapping[str, str], **options: Any) -> list[tuple[str, int | None, str | None, str]]:
        with pytest.raises(ImportRefused) as refused:
            self.load(files, **options)
        return [places(problem) for problem in refused.value.problems]

    def rows(self, query: str) -> Rows:
        with self.database.transaction(self.company_id) as connection:
            return connection.execute(query).fetchall()

    def contents(self) -> dict[str, Rows]:
        """Everything stored, row versions left out."""
        with self.database.transaction(self.company_id) as connection:
            return {
                table.name: sorted(connection.execute(f"SELECT t::text FROM {table.name} t".encode()).fetchall())
                for table in metadata.sorted_tables
            }


def places(problem: BadRow) -> tuple[str, int | None, str | None, str]:
    return problem.file, problem.line, problem.column, problem.code


@contextmanager
def folder(files: Mapping[str, str]) -> Iterator[Path]:
    """Files by name; csv when the name has no suffix."""
    with TemporaryDirectory() as path:
        for name, text in files.items():
            file = Path(path) / (name if "." in name else f"{name}.csv")
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
        yield Path(path)


numbers = count(1)


@pytest.fixture
def company(database: Database) -> Company:
    return make_company(database)


@pytest.fixture(scope="module")
def settled(database: Database) -> Company:
    """It has the rows of GOOD, which no test changes."""
    company = make_company(database)
    company.load(GOOD)
    return company


def make_company(database: Database, base: str = "EUR", zone: str = "Europe/Berlin") -> Company:
    with database.owner() as connection:
        [(company_id,)] = connection.execute(
            "INSERT INTO company (name, base_currency, time_zone) VALUES (%s, %s, %s) RETURNING company_id",
            [f"Company {next(numbers)}", base, zone],
        )
    assert isinstance(company_id, int)
    return Company(database, company_id, base, zone)


GOOD = {
    "groups": "source_id,parent\nG1,C1\n",
    "customers": "source_id,group,strike\nC1,G1,3\nC2,,\n",
    "invoices": "source_id,customer_id,issue_date,amount\nI1,C1,2026-01-01,100\nI2,C2,2026-01-02,50.5\n",
    "payments": "source_id,customer_id,date,amount\nP1,C1,2026-02-01,60\n",
    "credit_notes": "source_id,customer_id,issue_date,amount\nN1,C1,2026-02-02,40\n",
    "allocations": "payment_id,credit_note_id,invoice_id,amount\nP1,,I1,60\n,N1,I1,40\n",
}


# ---------------------------------------------------------------- bad rows, each by its name

BAD_CELLS = [
    ("customers", "source_id", "", "missing-value"),
    ("customers", "source_id", "x" * 201, "too-long"),
    ("customers", "name", "x" * 501, "too-long"),
    ("customers", "name", "a\0b", "nul-byte"),
    ("customers", "name", "caf\udce9", "bad-encoding"),
    ("customers", "country", "UK", "bad-country"),
    ("customers", "currency", "EURO", "bad-currency"),
    ("customers", "currency", "XXX", "bad-currency"),
    ("customers", "credit_limit", "1,000.00", "bad-number"),
    ("customers", "credit_limit", "1e3", "bad-number"),
    ("customers", "credit_limit", "NaN", "bad-number"),
    ("customers", "credit_limit", "Infinity", "bad-number"),
    ("customers", "credit_limit", "-", "bad-number"),
    ("customers", "credit_limit", "1.", "bad-number"),
    ("customers", "credit_limit", "١٢", "bad-number"),
    ("customers", "credit_limit", "0.00001", "too-many-decimals"),
    ("customers", "credit_limit", "900000000000000.0001", "number-out-of-range"),
    ("customers", "credit_limit", "-900000000000000.0001", "number-out-of-range"),
    ("customers", "credit_limit", "9" * 5_000, "number-out-of-range"),
    ("customers", "rating", "E", "bad-choice"),
    ("customers", "strike", "11", "number-out-of-range"),
    ("customers", "strike", "-1", "number-out-of-range"),
    ("customers", "strike", "1.5", "bad-number"),
    ("customers", "chasing_paused", "maybe", "bad-flag"),
    ("customers", "chasing_paused_until", "31.01.2026", "bad-date"),
    ("customers", "chasing_paused_until", "2026-02-30", "bad-date"),
    ("customers", "chasing_paused_until", "20260131", "bad-date"),
    ("customers", "chasing_paused_until", "1899-12-31", "date-out-of-range"),
    ("customers", "chasing_paused_until", "2201-01-01", "date-out-of-range"),
    ("customers", "tags", "good|" + "x" * 201, "too-long"),
    ("customers", "custom.plan", "x" * 10_001, "too-long"),
    ("invoices", "customer_id", "C9", "unknown-customer"),
    ("invoices", "amount", "", "missing-value"),
    ("invoices", "status", "opened", "bad-choice"),
    ("invoices", "currency", "USD", "no-rate"),
    ("groups", "parent", "C9", "unknown-customer"),
    ("contacts", "customer_id", "C9", "unknown-customer"),
    ("payments", "kind", "refund", "bad-choice"),
    ("payments", "currency", "GBP", "no-rate"),
    ("credit_notes", "currency", "GBP", "no-rate"),
    ("journals", "currency", "GBP", "no-rate"),
    ("promises", "currency", "GBP", "no-rate"),
    ("allocations", "payment_id", "P9", "unknown-payment"),
    ("allocations", "payment_id", "", "both-or-neither"),
    ("allocations", "invoice_id", "I9", "unknown-invoice"),
    ("activities", "at", "2026-01-01 25:00", "bad-timestamp"),
    ("activities", "at", "yesterday", "bad-timestamp"),
    ("activities", "at", "2026-W01-1", "bad-timestamp"),
    ("activities", "at", "0001-01-01T00:00+14:00", "bad-timestamp"),
    ("activities", "at", "1899-12-31T22:59:59Z", "date-out-of-range"),
    ("activities", "at", "2200-12-31T23:00:00Z", "date-out-of-range"),
    ("activities", "by", "us", "bad-choice"),
    ("activities", "invoice_id", "I9", "unknown-invoice"),
    ("fx_rates", "rate", "0", "number-out-of-range"),
    ("fx_rates", "rate", "-1.5", "number-out-of-range"),
    ("fx_rates", "rate", "1e-3", "bad-number"),
    ("fx_rates", "rate", "0." + "1" * 19, "too-many-decimals"),
    ("fx_rates", "rate", "1" * 13, "number-out-of-range"),
    ("fx_rates", "currency", "", "missing-value"),
]

# A good row of each file, beside those of GOOD.
ROWS: dict[str, dict[str, str]] = {
    "groups": {"source_id": "G5"},
    "customers": {"source_id": "C5"},
    "contacts": {"source_id": "K5", "customer_id": "C1"},
    "invoices": {"source_id": "I5", "customer_id": "C1", "issue_date": "2026-01-01", "amount": "10"},
    "payments": {"source_id": "P5", "customer_id": "C1", "date": "2026-01-01", "amount": "10"},
    "allocations": {"payment_id": "P1", "credit_note_id": "", "invoice_id": "I1", "amount": "10"},
    "credit_notes": {"source_id": "N5", "customer_id": "C1", "issue_date": "2026-01-01", "amount": "10"},
    "journals": {"source_id": "J5", "customer_id": "C1", "date": "2026-01-01", "amount": "10"},
    "activities": {"source_id": "A5", "customer_id": "C1", "at": "2026-01-01", "by": "company", "kind": "note"},
    "promises": {"source_id": "V5", "customer_id": "C1", "due_date": "2026-01-01", "amount": "10"},
    "fx_rates": {"currency": "NOK", "date": "2026-01-01", "rate": "0.09"},
}


def as_csv(*rows: Mapping[str, str]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    quoted = [[f'"{row.get(column, "")}"' for column in columns] for row in rows]
    return "".join(f"{','.join(cells)}\n" for cells in [columns, *quoted])


def as_ndjson(*rows: Mapping[str, object]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


@pytest.mark.parametrize(("file", "column", "value", "code"), BAD_CELLS)
def test_bad_cell_in_csv(settled: Company, file: str, column: str, value: str, code: str) -> None:
    before = settled.contents()
    row = as_csv(ROWS[file] | {column: value})
    assert settled.refusals({file: row}) == [(f"{file}.csv", 2, column, code)]
    assert settled.contents() == before


@pytest.mark.parametrize(("file", "column", "value", "code"), BAD_CELLS)
def test_bad_cell_in_ndjson(settled: Company, file: str, column: str, value: str, code: str) -> None:
    """A byte that is no UTF-8 comes as a lone surrogate, which JSON can write with an escape."""
    row = ROWS[file] | {column: value}
    assert settled.refusals({f"{file}.ndjson": f"\n{as_ndjson(row)}"}) == [(f"{file}.ndjson", 2, column, code)]


BAD_LINES = [
    ('{"source_id": "C5"', None, "bad-json"),
    ('["C5"]', None, "bad-json"),
    ('{"source_id": "C5", "source_id": "C6"}', None, "bad-json"),
    ('{"source_id": "C5", "credit_limit": NaN}', None, "bad-json"),
    ("[" * 100_000, None, "bad-json"),
    ('{"source_id": "C5", "name": {"first": "Ada"}}', "name", "bad-json"),
    ('{"source_id": "C5", "name": ["Ada"]}', "name", "bad-json"),
    ('{"source_id": "C5", "tags": [true]}', "tags", "bad-json"),
    ('{"source_id": "C5", "tags": ["a|b"]}', "tags", "bad-json"),
    ('{"source_id": "C5", "nmae": "Ada"}', "nmae", "unknown-column"),
    ('{"source_id": "C5", "credit_limit": 1e400}', "credit_limit", "bad-number"),
    ('{"source_id": "C5", "credit_limit": 12345678901234567890}', "credit_limit", "number-out-of-range"),
    ('{"name": "Ada"}', "source_id", "missing-value"),
    ("{}", "source_id", "missing-value"),
]


@pytest.mark.parametrize(("line", "column", "code"), BAD_LINES)
def test_bad_json(company: Company, line: str, column: str | None, code: str) -> None:
    text = f'{{"source_id": "C4"}}\n{line}\n'
    assert company.refusals({"customers.ndjson": text}) == [("customers.ndjson", 2, column, code)]


BAD_TEXTS = [
    ("", 1, "source_id", "missing-column"),
    ("name\nAda\n", 1, "source_id", "missing-column"),
    ("source_id,nmae\nC5,Ada\n", 1, "nmae", "unknown-column"),
    ("source_id,custom.a b\nC5,Ada\n", 1, "custom.a b", "unknown-column"),
    ("source_id,name,name\nC5,Ada,Bea\n", 1, "name", "duplicate-column"),
    ('source_id,"na"me"\nC5,Ada\n', 1, None, "bad-quoting"),
    ("source_id,name\nC5,Ada,Bea\n", 2, None, "wrong-length"),
    ("source_id,name\nC4,Ada\nC5\n", 3, None, "wrong-length"),
    ('source_id,name\nC4,"Ada"x\nC5,Bea\n', 2, None, "bad-quoting"),
    ('source_id,name\nC4,"Ada\nC5,Bea\nC6,Cid\n', 2, None, "bad-quoting"),
    (f"source_id,name\nC4,{'x' * 200_000}\n", 2, None, "bad-quoting"),
    (f"source_id,name\nC4,{'x' * 2_000_000}\n", 2, None, "too-long"),
    ("source_id\nC5\n\nC5\n", 4, "source_id", "duplicate"),
]


@pytest.mark.parametrize(("text", "line", "column", "code"), BAD_TEXTS)
def test_bad_csv(company: Company, text: str, line: int, column: str | None, code: str) -> None:
    assert company.refusals({"customers": text}) == [("customers.csv", line, column, code)]


def test_there_are_at_least_24_kinds_of_bad_row() -> None:
    kinds = {case[-1] for case in (*BAD_CELLS, *BAD_LINES, *BAD_TEXTS)}
    assert len(kinds) >= 24, kinds


def test_the_other_files_are_read_all_the_same(company: Company) -> None:
    files = {"groups": "source_id,nmae\n", "customers": "source_id,strike\nC1,x\n", "contacts": "source_id\n"}
    assert company.refusals(files) == [
        ("groups.csv", 1, "nmae", "unknown-column"),
        ("customers.csv", 2, "strike", "bad-number"),
        ("contacts.csv", 1, "customer_id", "missing-column"),
    ]


def test_a_fault_of_the_whole_file_is_not_skipped(company: Company) -> None:
    """Rows that a quotation mark has swallowed would be lost without a word."""
    text = 'source_id,name\nC4,"Ada\nC5,Bea\n'
    assert company.refusals({"customers": text}, skip_bad_rows=True) == [("customers.csv", 2, None, "bad-quoting")]


@pytest.mark.parametrize(
    ("names", "file", "code"),
    [
        (["customer.csv"], "customer.csv", "unknown-file"),
        (["customers.csv", "costs.ndjson"], "costs.ndjson", "unknown-file"),
        (["customers.csv", "customers.ndjson"], "customers.ndjson", "duplicate-file"),
    ],
)
def test_bad_file_names(company: Company, names: list[str], file: str, code: str) -> None:
    assert company.refusals(dict.fromkeys(names, "")) == [(file, None, None, code)]


def test_sources_that_are_not_there(company: Company, tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "customers.csv"):
        with pytest.raises(ImportRefused) as refused:
            company.run(source)
        assert [problem.code for problem in refused.value.problems] == ["no-file"]


@pytest.mark.skipif(sys.platform != "linux", reason="a file that opens and fails to be read is found on Linux only")
def test_a_file_that_fails_to_be_read(company: Company, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").symlink_to("/proc/self/mem")
    with pytest.raises(ImportRefused) as refused:
        company.run(tmp_path)
    assert [problem.code for problem in refused.value.problems] == ["no-file"]


def test_a_damaged_archive(company: Company, tmp_path: Path) -> None:
    whole = gzip.compress(b"source_id\n" + b"".join(b"C%d\n" % number for number in range(10_000)))
    for damaged in (whole[:-20], b"no gzip at all"):
        (tmp_path / "customers.csv.gz").write_bytes(damaged)
        with pytest.raises(ImportRefused) as refused:
            company.run(tmp_path)
        assert [problem.code for problem in refused.value.problems] == ["bad-gzip"]


def test_messages_say_what_is_allowed(company: Company) -> None:
    files = {
        "customers": "source_id,rating,payment_method\nC1,Z,\nC2,,direct_debt\n",
        "invoices": f"source_id,customer_id,issue_date,amount\nI1,C1,01/02/2026,1\nI2,C2,2026-01-01,{'9' * 60}\n",
    }
    with pytest.raises(ImportRefused) as refused:
        company.load(files)
    assert [problem.message for problem in refused.value.problems] == [
        "'Z' is not one of A, B, C, D",
        "'direct_debt' is not one of none, card, direct_debit; did you mean 'direct_debit'?",
        "'01/02/2026' is not a date such as 2026-01-31",
        "there is no customer 'C1': line 2 of customers.csv is a bad row",
        f"'{'9' * 40}…' is over 900 trillion",
        "there is no customer 'C2': line 3 of customers.csv is a bad row",
    ]
    with pytest.raises(ImportRefused, match=r"invoices.csv, line 1, isue_date: .*did you mean 'issue_date'"):
        company.load({"invoices": "source_id,customer_id,isue_date,amount\n"})


def test_every_fault_of_a_row_is_named(company: Company) -> None:
    text = "source_id,rating,strike,custom.plan\nC1,Z,x,\0\n"
    assert company.refusals({"customers": text}) == [
        ("customers.csv", 2, "custom.plan", "nul-byte"),
        ("customers.csv", 2, "rating", "bad-choice"),
        ("customers.csv", 2, "strike", "bad-number"),
    ]


def test_both_payment_and_credit_note(company: Company) -> None:
    text = "payment_id,credit_note_id,invoice_id,amount\nP1,N1,I1,1\n"
    place = ("allocations.csv", 2, "payment_id", "both-or-neither")
    assert company.refusals(GOOD | {"allocations": text}) == [place]


def test_duplicates_name_the_first_line(company: Company) -> None:
    files = {
        "customers": "source_id\nC1\nC2\nC1\n C1 \n",
        "fx_rates": "currency,date,rate\nUSD,2026-01-01,1\nUSD,2026-01-02,1\nusd,2026-01-01,2\n",
    }
    with pytest.raises(ImportRefused) as refused:
        company.load(files)
    assert [(problem.line, problem.code, problem.message) for problem in refused.value.problems] == [
        (4, "duplicate", "'C1' is on line 2 already"),
        (5, "duplicate", "'C1' is on line 2 already"),
        (4, "duplicate", "'USD 2026-01-01' is on line 2 already"),
    ]


def test_lines_are_those_of_an_editor(company: Company) -> None:
    text = '\ufeffsource_id;name;strike\r\nC1;"Two\r\nlines; one cell";1\r\n\r\nC2;Ada;99\r\n'
    assert company.refusals({"customers": text}) == [("customers.csv", 5, "strike", "number-out-of-range")]


def test_the_first_thousand_problems_and_how_many_there_are(company: Company) -> None:
    rows = "".join(f"C{number},x\n" for number in range(1_500))
    for text in (f"source_id,strike\n{rows}", f"source_id\n{'C1' + chr(10)}" + "C1\n" * 1_500):
        with pytest.raises(ImportRefused) as refused:
            company.load({"customers": text})
        assert (len(refused.value.problems), refused.value.total) == (1_000, 1_500)


# ---------------------------------------------------------------- all, nothing, or all but the bad rows


def test_one_bad_row_changes_nothing(company: Company) -> None:
    company.load(GOOD)
    before = company.contents()
    later = {"customers": "source_id\nC7\n", "payments": GOOD["payments"].replace("60", "6O")}
    assert company.refusals(later) == [("payments.csv", 2, "amount", "bad-number")]
    assert company.contents() == before


def test_nothing_is_left_of_a_refusal_within_a_larger_transaction(company: Company) -> None:
    with (
        folder({"customers": "source_id,strike\nC1,\nC2,x\n"}) as path,
        company.database.transaction(company.company_id, write=True) as connection,
    ):
        for _ in range(2):
            with pytest.raises(ImportRefused):
                import_ledger(connection, company, [path])
        report = import_ledger(connection, company, [path], skip_bad_rows=True)
    assert report.files["customers"] == FileReport(read=2, inserted=1, skipped=1)
    assert company.rows("SELECT source_id FROM customer") == [("C1",)]


def test_skipped_rows_take_what_hangs_on_them_along(company: Company) -> None:
    files = GOOD | {"customers": "source_id,group,strike\nC1,G1,77\nC2,,\n"}
    report = company.load(files, skip_bad_rows=True)
    assert [places(problem) for problem in report.problems] == [
        ("groups.csv", 2, "parent", "unknown-customer"),
        ("customers.csv", 2, "strike", "number-out-of-range"),
        ("invoices.csv", 2, "customer_id", "unknown-customer"),
        ("payments.csv", 2, "customer_id", "unknown-customer"),
        ("credit_notes.csv", 2, "customer_id", "unknown-customer"),
        ("allocations.csv", 2, "payment_id", "unknown-payment"),
        ("allocations.csv", 2, "invoice_id", "unknown-invoice"),
        ("allocations.csv", 3, "credit_note_id", "unknown-credit-note"),
        ("allocations.csv", 3, "invoice_id", "unknown-invoice"),
    ]
    assert report.files["invoices"] == FileReport(read=2, inserted=1, skipped=1)
    assert company.rows("SELECT source_id FROM customer UNION SELECT source_id FROM invoice ORDER BY 1") == [
        ("C2",),
        ("I2",),
    ]


def test_a_skipped_row_of_a_known_customer_leaves_what_is_stored(company: Company) -> None:
    company.load(GOOD)
    later = {
        "customers": "source_id,strike\nC1,77\n",
        "invoices": "source_id,customer_id,issue_date,amount\nI3,C1,2026-01-01,1\n",
    }
    report = company.load(later, skip_bad_rows=True)
    assert report.problem_count == 1
    assert company.rows("SELECT strike FROM customer WHERE source_id = 'C1'") == [(3,)]
    assert company.rows("SELECT source_id FROM invoice ORDER BY 1") == [("I1",), ("I2",), ("I3",)]


def test_a_dry_run_reports_and_stores_nothing(company: Company) -> None:
    before = company.contents()
    report = company.load(GOOD, dry_run=True)
    assert report.files["invoices"].inserted == 2
    assert company.contents() == before


def test_companies_do_not_meet(company: Company, database: Database) -> None:
    other = make_company(database, base="USD")
    company.load(GOOD)
    before = company.contents()
    other.load(GOOD | {"customers": "source_id,name\nC1,Other\nC2,\n"})
    assert company.contents() == before
    assert other.rows("SELECT name, currency FROM customer ORDER BY 1") == [("C2", "USD"), ("Other", "USD")]
    assert other.refusals({"contacts": "source_id,customer_id\nK1,C3\n"})


WAITING = """
    SELECT FROM pg_locks JOIN pg_database d ON d.oid = database AND d.datname = current_database()
    WHERE locktype = 'advisory' AND NOT granted
"""


def test_two_imports_at_once_run_one_after_the_other(company: Company) -> None:
    """The second one refers to what the first one has not yet committed when it begins."""
    with (
        folder({"customers": "source_id\nC1\n"}) as first,
        folder({"contacts": "source_id,customer_id\nK1,C1\n"}) as path,
        company.database.transaction(company.company_id, write=True) as connection,
    ):
        import_ledger(connection, company, [first])
        reports: list[Report] = []
        second = threading.Thread(target=lambda: reports.append(company.run(path)))
        second.start()
        while second.is_alive() and not company.rows(WAITING):
            time.sleep(0.01)
        assert not reports
        connection.commit()
        second.join(60)
    [report] = reports
    assert report.files == {"contacts": FileReport(read=1, inserted=1)}


def written(report: Report) -> dict[str, int]:
    counts = {name: file.inserted + file.updated for name, file in report.files.items()}
    return {name: rows for name, rows in counts.items() if rows} | dict(report.recalculated)


# ---------------------------------------------------------------- again, and changed


def row_versions(company: Company) -> dict[str, Rows]:
    tables = [table.name for table in metadata.sorted_tables if table.name not in ("company", "api_key", "audit_entry")]
    return {name: sorted(company.rows(f"SELECT xmin::text, ctid::text FROM {name}")) for name in tables}


def test_the_same_files_again_write_nothing(company: Company) -> None:
    files = GOOD | {"fx_rates": as_csv(ROWS["fx_rates"]), "activities": as_csv(ROWS["activities"])}
    first = company.load(files)
    before = row_versions(company)
    second = company.load(files)
    assert written(second) == {}
    assert {name: file.unchanged for name, file in second.files.items()} == {
        name: file.inserted for name, file in first.files.items()
    }
    assert row_versions(company) == before


def test_a_large_import_after_a_small_one_looks_each_row_up_once(company: Company) -> None:
    """The plans of the small one would go through all customers for each invoice."""

    def ledger(prefix: str, size: int) -> dict[str, str]:
        ids = [f"{prefix}{number}" for number in range(size)]
        invoices = [ROWS["invoices"] | {"source_id": id, "customer_id": id} for id in ids]
        return {"customers": as_csv(*({"source_id": id, "group": "G1"} for id in ids)), "invoices": as_csv(*invoices)}

    with (
        folder(ledger("S", 20)) as small,
        folder(ledger("L", 2_000)) as large,
        company.database.transaction(company.company_id, write=True) as connection,
    ):
        import_ledger(connection, company, [small])
        import_ledger(connection, company, [large])
        looked_up = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'customer'"
        [(rows,)] = connection.execute(looked_up)
    assert isinstance(rows, int)
    assert rows < 30 * 2_000


def test_only_changed_rows_are_updated(company: Company) -> None:
    company.load(GOOD)
    text = GOOD["invoices"].replace("50.5", "51")
    report = company.load({"invoices": text})
    assert report.files == {"invoices": FileReport(read=2, updated=1, unchanged=1)}
    assert company.rows("SELECT amount, balance FROM invoice WHERE source_id = 'I2'") == [(510_000, 510_000)]


def test_absent_columns_stay_and_empty_cells_go(company: Company) -> None:
    company.load(
        {"customers": "source_id,name,rating,tags,chasing_paused,custom.plan,custom.seats\nC1,Ada,A,x|y,yes,Basic,3\n"}
    )
    query = "SELECT name, rating, tags, chasing_paused, custom FROM customer"
    company.load({"customers": "source_id,strike\nC1,1\n"})
    assert company.rows(query) == [("Ada", "A", ["x", "y"], True, {"plan": "Basic", "seats": "3"})]
    company.load({"customers": "source_id,name,rating,tags,chasing_paused,custom.plan\nC1,,,,,\n"})
    assert company.rows(query) == [("C1", None, [], False, {"seats": "3"})]


def test_a_value_no_longer_stated_is_derived_again(company: Company) -> None:
    company.load(GOOD)
    head = "source_id,customer_id,issue_date,amount"
    query = "SELECT balance, status, settled_on, derived FROM invoice WHERE source_id = 'I1'"
    company.load({"invoices": f"{head},balance,status,settled_on\nI1,C1,2026-01-01,100,99,disputed,2026-03-03\n"})
    assert company.rows(query) == [(990_000, "disputed", date(2026, 3, 3), ["currency"])]
    company.load({"invoices": f"{head},balance,status,settled_on\nI1,C1,2026-01-01,100,,,\n"})
    derived = ["balance", "currency", "status", "settled_on"]
    assert company.rows(query) == [(0, "paid", date(2026, 2, 2), derived)]


def test_rows_that_move_take_their_allocations_and_activities_along(company: Company) -> None:
    files = GOOD | {"activities": as_csv(ROWS["activities"] | {"invoice_id": "I1"})}
    company.load(files)
    moved = {name: GOOD[name].replace("1,C1", "1,C2") for name in ("invoices", "payments", "credit_notes")}
    report = company.load(moved)
    assert report.files["invoices"].updated == 1
    assert company.rows("""
        SELECT DISTINCT c.source_id, s.source_id, v.source_id, a.source_customer_id = a.customer_id
        FROM allocation a JOIN customer c ON c.id = a.customer_id
        JOIN activity y ON y.invoice_id = a.invoice_id
        JOIN customer s ON s.id = y.invoice_customer_id JOIN customer v ON v.id = y.customer_id
    """) == [("C2", "C2", "C1", True)]
    assert written(company.load(files | moved)) == {}


def test_groups_and_customers_refer_to_each_other(company: Company) -> None:
    files = {
        "groups": "source_id,name,parent\nG1,First,C2\nG2,,C1\n",
        "customers": "source_id,group\nC1,G1\nC2,G1\nC3,G9\n",
    }
    report = company.load(files)
    assert report.files["groups"] == FileReport(read=2, inserted=3)
    query = """
        SELECT g.source_id, g.name, p.source_id, array_agg(c.source_id ORDER BY c.source_id)
        FROM customer_group g LEFT JOIN customer p ON p.id = g.parent_customer_id
        LEFT JOIN customer c ON c.group_id = g.id GROUP BY 1, 2, 3 ORDER BY 1
    """
    assert company.rows(query) == [
        ("G1", "First", "C2", ["C1", "C2"]),
        ("G2", None, "C1", [None]),
        ("G9", None, None, ["C3"]),
    ]
    files["groups"] = "source_id,name,parent\nG1,First,C7\nG2,,C1\n"
    files["customers"] += "C7,\n"
    assert company.load(files).files["groups"] == FileReport(read=2, updated=1, unchanged=1)


# ---------------------------------------------------------------- what is worked out


def test_derived_values(company: Company) -> None:
    report = company.load(
        {
            "customers": "source_id,name,currency\nC1,Ada,usd\nC2,,\n",
            "fx_rates": "currency,date,rate\nUSD,2026-01-01,.9\n",
            "invoices": (
                "source_id,customer_id,issue_date,amount,balance,status\n"
                "I1,C1,2026-01-01,100,,\nI2,C1,2026-01-01,100,,\nI3,C2,2026-01-01,100,,\nI4,C2,2026-01-01,100,0,\n"
                "I5,C2,2026-01-01,-20,,void\n"
            ),
            "payments": (
                "source_id,customer_id,date,amount,unallocated\n"
                "P1,C1,2026-02-01,150,\nP2,C1,2026-02-02,9,\nP3,C2,2026-02-03,9,4\n"
            ),
            "credit_notes": "source_id,customer_id,issue_date,amount\nN1,C2,2026-02-05,30\nN2,C2,2026-02-06,7\n",
            "allocations": (
                "payment_id,credit_note_id,invoice_id,amount,date\n"
                "P1,,I1,100,2026-03-01\nP1,,I2,40,\n,N1,I2,30,\nP3,,I4,5,\nP1,,I1,0,2026-04-01\n"
            ),
            "journals": "source_id,customer_id,date,amount\nJ1,C1,2026-01-01,-3.5\n",
            "promises": "source_id,customer_id,due_date,amount\nV1,C1,2026-01-01,8\n",
        }
    )
    assert company.rows("SELECT source_id, name, currency FROM customer ORDER BY 1") == [
        ("C1", "Ada", "USD"),
        ("C2", "C2", "EUR"),
    ]
    assert company.rows("SELECT source_id, currency, balance / 10000, status, settled_on FROM invoice ORDER BY 1") == [
        ("I1", "USD", 0, "paid", date(2026, 3, 1)),
        ("I2", "USD", 30, "partially_paid", None),
        ("I3", "EUR", 100, "open", None),
        ("I4", "EUR", 0, "paid", date(2026, 2, 3)),
        ("I5", "EUR", -20, "void", None),
    ]
    assert company.rows("SELECT source_id, amount_remaining / 10000, status, kind FROM payment ORDER BY 1") == [
        ("P1", 10, "paid", "payment"),
        ("P2", 0, "paid", "payment"),
        ("P3", 4, "paid", "payment"),
    ]
    assert company.rows("SELECT source_id, amount_remaining / 10000, status FROM credit_note ORDER BY 1") == [
        ("N1", 0, "applied"),
        ("N2", 7, "unapplied"),
    ]
    assert company.rows("SELECT date, derived FROM allocation ORDER BY 1") == [
        (date(2026, 2, 1), ["date"]),
        (date(2026, 2, 3), ["date"]),
        (date(2026, 2, 5), ["date"]),
        (date(2026, 3, 1), []),
        (date(2026, 4, 1), []),
    ]
    assert company.rows("SELECT balance, currency FROM journal") == [(-35_000, "USD")]
    assert company.rows("SELECT status, currency, made_on FROM promise") == [("active", "USD", None)]
    assert {name: report.derived[name] for name in ("invoices.balance", "invoices.status", "payments.unallocated")} == {
        "invoices.balance": 4,
        "invoices.status": 4,
        "payments.unallocated": 2,
    }
    assert (report.derived["customers.name"], report.derived["allocations.date"]) == (1, 3)


def test_later_allocations_settle_what_was_derived(company: Company) -> None:
    company.load({name: text for name, text in GOOD.items() if name != "allocations"})
    stated = "source_id,customer_id,issue_date,amount,balance\nI9,C1,2026-01-01,100,100\n"
    company.load({"invoices": stated})
    query = "SELECT source_id, balance / 10000, status, settled_on FROM invoice WHERE source_id <> 'I2' ORDER BY 1"
    assert company.rows(query) == [("I1", 100, "open", None), ("I9", 100, "open", None)]
    report = company.load({"allocations": GOOD["allocations"] + "P1,,I9,10\n"})
    assert report.recalculated == {"invoices": 1, "payments": 1, "credit_notes": 1}
    assert company.rows(query) == [("I1", 0, "paid", date(2026, 2, 2)), ("I9", 100, "open", None)]
    assert company.rows("SELECT amount_remaining FROM payment") == [(-100_000,)]


def test_a_new_date_or_currency_reaches_what_follows_it(company: Company) -> None:
    company.load(GOOD)
    company.load(
        {
            "payments": GOOD["payments"].replace("2026-02-01", "2026-05-05"),
            "customers": "source_id,currency\nC1,NOK\n",
            "fx_rates": as_csv(ROWS["fx_rates"]),
        }
    )
    assert company.rows("SELECT settled_on, currency FROM invoice WHERE source_id = 'I1'") == [
        (date(2026, 5, 5), "NOK")
    ]


def test_a_currency_needs_a_rate_for_documents_already_there(company: Company) -> None:
    company.load(GOOD)
    place = ("customers.csv", 2, "currency", "no-rate")
    assert company.refusals({"customers": "source_id,currency\nC1,USD\n"}) == [place]
    company.load({"customers": "source_id,currency\nC3,USD\n"})  # it has no documents
    assert company.refusals({"journals": as_csv(ROWS["journals"] | {"customer_id": "C3"})}) == [
        ("journals.csv", 2, "currency", "no-rate")
    ]
    stated = ROWS["invoices"] | {"customer_id": "C3"}
    company.load({"invoices": as_csv(stated | {"currency": "EUR"})})
    company.load({"invoices": as_csv(stated)})  # it keeps its own
    company.load({"fx_rates": "currency,date,rate\nUSD,2026-01-01,0.9\n"})
    company.load({"customers": "source_id,currency\nC1,USD\n"})


def test_an_allocation_is_the_nth_of_its_pair_and_date(company: Company) -> None:
    rows = "payment_id,invoice_id,amount,date\n{}"
    company.load(GOOD | {"allocations": rows.format("P1,I1,1,\nP1,I1,2,\nP1,I1,3,2026-02-01\n")})
    report = company.load({"allocations": rows.format("P1,I1,3,2026-02-01\nP1,I1,1,\nP1,I1,20,\nP1,I1,4,\n")})
    assert report.files["allocations"] == FileReport(read=4, inserted=1, updated=1, unchanged=2)
    assert company.rows("SELECT amount / 10000, ordinal FROM allocation ORDER BY 1") == [
        (1, 1),
        (3, 1),
        (4, 3),
        (20, 2),
    ]


def test_a_total_that_cannot_be_stored(company: Company) -> None:
    """Each amount may be stored, their sum may not."""
    most = "900000000000000"
    files = GOOD | {"allocations": f"payment_id,invoice_id,amount\nP1,I1,-{most}\nP1,I1,-{most}\n"}
    for options in ({}, {"skip_bad_rows": True}):
        assert company.refusals(files, **options) == [("allocations", None, "amount", "number-out-of-range")]


@pytest.mark.parametrize(
    ("email", "valid"),
    [
        ("ada@example.com", True),
        ("a.b+c!#$%&'*/=?^_`{|}~-@x-1.example.com", True),
        ("ada@example", False),
        ("ada@-x.com", False),
        ("ada@x_y.com", False),
        (".ada@example.com", False),
        ("ada.@example.com", False),
        ("a..b@example.com", False),
        ("ada@example..com", False),
        ("ada@example.com.", False),
        ("ada@exa mple.com", False),
        ("ädä@example.com", False),
        (f"ada@{'x' * 63}.com", True),
        (f"ada@{'x' * 64}.com", False),
        ("ada@example.com\n@b", False),
        ("n/a", False),
        ("", False),
    ],
)
def test_valid_addresses(company: Company, email: str, valid: bool) -> None:
    company.load({"customers": "source_id\nC1\n", "contacts": as_csv(ROWS["contacts"] | {"email": email})})
    assert company.rows("SELECT email_valid FROM contact") == [(valid,)]
    company.load({"contacts": as_csv(ROWS["contacts"])})
    assert company.rows("SELECT email_valid FROM contact") == [(valid,)]


@pytest.mark.parametrize(
    ("at", "day", "utc"),
    [
        ("2026-01-31", "2026-01-31", "2026-01-30 23:00"),
        ("2026-01-31T23:30", "2026-01-31", "2026-01-31 22:30"),
        ("2026-01-31T23:30:00Z", "2026-02-01", "2026-01-31 23:30"),
        ("2026-07-01 00:30:00+03:00", "2026-06-30", "2026-06-30 21:30"),
    ],
)
def test_activities_happen_on_the_companys_day(company: Company, at: str, day: str, utc: str) -> None:
    company.load({"customers": "source_id\nC1\n", "activities": as_csv(ROWS["activities"] | {"at": at})})
    query = "SELECT date::text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM activity"
    assert company.rows(query) == [(day, utc)]


# ---------------------------------------------------------------- forms of files


def test_csv_ndjson_and_archives_say_the_same(company: Company, tmp_path: Path) -> None:
    row = {
        "source_id": "007",
        "name": "Åsa, “Ö” & Söhne",
        "credit_limit": "0.1",
        "tags": "b|a||b| c ",
        "strike": "4",
        "chasing_paused": "YES",
        "rating": "b",
        "country": "de",
        "auto_payment_method": "Direct Debit",
        "custom.plan": "ünder",
    }
    values = row | {"credit_limit": 0.1, "tags": ["b", "a", "", " b", "c"], "strike": 4, "chasing_paused": True}
    company.load({"customers": as_csv(row)})
    query = """
        SELECT source_id, name, credit_limit, tags, strike, chasing_paused, rating, country, auto_payment_method, custom
        FROM customer
    """
    [stored] = company.rows(query)
    assert stored == (
        "007", "Åsa, “Ö” & Söhne", 1_000, ["b", "a", "c"], 4, True, "B", "DE", "direct_debit", {"plan": "ünder"}
    )  # fmt: skip
    assert written(company.load({"customers.ndjson": as_ndjson(values)})) == {}
    (tmp_path / "customers.CSV.gz").write_bytes(gzip.compress(as_csv(row).encode()))
    assert written(company.run(tmp_path / "customers.CSV.gz")) == {}


def test_numbers_in_json_are_exact(company: Company) -> None:
    line = '{"source_id": "C1", "credit_limit": 123456789012345.6789}\n'
    company.load({"customers.ndjson": line + '{"source_id": 2, "credit_limit": null}\n'})
    query = "SELECT source_id, credit_limit FROM customer ORDER BY 1 DESC"
    assert company.rows(query) == [("C1", 1_234_567_890_123_456_789), ("2", None)]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("1", 10_000),
        ("-0.5", -5_000),
        ("+.25", 2_500),
        ("007.10000000", 71_000),
        ("-0", 0),
        (" 900000000000000 ", 9 * 10**18),
    ],
)
def test_numbers(company: Company, text: str, stored: int) -> None:
    company.load({"customers": f"source_id,credit_limit\nC1,{text}\n"})
    assert company.rows("SELECT credit_limit FROM customer") == [(stored,)]


@pytest.mark.parametrize("status", ["partially_paid", "Partially Paid", "PARTIALLY-PAID", "partial"])
def test_spellings_of_a_choice(company: Company, status: str) -> None:
    company.load(GOOD)
    company.load({"invoices": as_csv(ROWS["invoices"] | {"status": status})})
    assert company.rows("SELECT status FROM invoice WHERE source_id = 'I5'") == [("partially_paid",)]


def test_other_files_in_the_folder_do_not_matter(company: Company) -> None:
    report = company.load({"customers": "source_id\nC1\n", "LICENSE.txt": "MIT", "README.md": "#", "notes.xlsx": ""})
    assert report.files == {"customers": FileReport(read=1, inserted=1)}


def test_renamed_columns(company: Company) -> None:
    rename = {"Kundennummer": "source_id", "Ort": "custom.city"}
    company.load({"customers": "Kundennummer,Ort\nC1,Kiel\n"}, rename=rename)
    company.load({"customers.ndjson": '{"Kundennummer": "C2", "Ort": "Bonn"}\n'}, rename=rename)
    query = "SELECT source_id, custom ->> 'city' FROM customer ORDER BY 1"
    assert company.rows(query) == [("C1", "Kiel"), ("C2", "Bonn")]
    twice = [("customers.ndjson", 1, None, "bad-json")]
    both = {"customers.ndjson": '{"Kundennummer": "C2", "source_id": "C3", "Ort": ""}\n'}
    assert company.refusals(both, rename=rename) == twice


def test_a_renamed_column_must_be_there(company: Company) -> None:
    for files in ({"customers": "source_id\nC1\n"}, {"customers.ndjson": '{"source_id": "C1"}\n'}):
        [fault] = company.refusals(files, rename={"zz": "name", "source_id": "source_id"}, skip_bad_rows=True)
        assert fault[2:] == ("zz", "unknown-rename")
    faults = company.refusals({"customers": "source_id,title\nC1,One\n"}, rename={"titel": "name"})
    assert {fault[2:] for fault in faults} == {("titel", "unknown-rename"), ("title", "unknown-column")}
    many = {"customers.ndjson": '{"source_id": "C1", "title": ""}\n' * 2_000}
    assert "unknown-rename" in {fault[3] for fault in company.refusals(many, rename={"titel": "name"})}
    company.load({"groups": "source_id\nG1\n", "customers": "source_id,title\nC1,One\n"}, rename={"title": "name"})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("customers.csv", "source_id,name\r\nC1,Müller\r\n"), ("customers.ndjson", '{"source_id": "C1"}\n')],
)
def test_a_file_that_is_utf_16(company: Company, tmp_path: Path, name: str, text: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(text.encode(encoding))
    with pytest.raises(ImportRefused) as refused:
        company.run(tmp_path)
    assert [places(problem) for problem in refused.value.problems] == [(name, 1, None, "bad-encoding")]
    assert "UTF-16" in refused.value.problems[0].message


def test_progress_is_told(company: Company) -> None:
    told: list[tuple[str, float]] = []
    rows = "".join(f"C{number}\n" for number in range(20_000))
    company.load({"customers": f"source_id\n{rows}"}, progress=lambda file, part: told.append((file, part)))
    reading = [part for what, part in told if what == "customers.csv"]
    assert len(reading) > 3
    assert 0 < reading[0] < reading[-1] == 1
    assert told == sorted(told)
    assert told[-1] == ("storing", 1)


# ---------------------------------------------------------------- the table of columns


def test_the_columns_fill_the_tables() -> None:
    """Each column of a table is filled by one of the file, except keys and what the import itself writes."""
    own = {"company_id", "id", "derived", "custom", "ordinal", "customer_id", "source_customer_id"}
    for file in FILES.values():
        table = {column.name for column in metadata.tables[file.table].columns}
        filled = {name for column in file.columns for name in column.gives}
        if file.name == "allocations":
            filled = {column.name for column in file.columns}
        assert table - own == filled - own
        assert file.custom == ("custom" in table)


def test_choices_are_those_of_the_tables() -> None:
    for file in FILES.values():
        checks = {
            str(check.name).removeprefix(f"ck_{file.table}_"): str(check.sqltext)
            for check in metadata.tables[file.table].constraints
            if isinstance(check, sa.CheckConstraint)
        }
        choices = {column.name: column.kind for column in file.columns if checks.get(column.name, "").count("'")}
        assert {name for name, check in checks.items() if "'" in check} == set(choices)
        for name, kind in choices.items():
            for value in checks[name].split("'")[1::2]:
                assert kind.parse(value.upper()) == value


# ---------------------------------------------------------------- real ledgers


@needs_real_ledgers
@pytest.mark.parametrize(
    ("name", "base", "zone", "read"),
    [
        ("xero", "CAD", "America/Toronto", {"customers": 18, "invoices": 116, "payments": 103}),
        ("fines", "EUR", "Europe/Rome", {"customers": 8_710, "invoices": 8_710, "payments": 3_320}),
    ],
)
def test_real_ledgers(database: Database, name: str, base: str, zone: str, read: Mapping[str, int]) -> None:
    company = make_company(database, base, zone)
    report = company.run(REAL / name)
    assert report.problem_count == 0
    assert {file: report.files[file].inserted for file in read} == read
    assert written(company.run(REAL / name)) == {}


# ---------------------------------------------------------------- whatever is in the cells

cents = st.integers(-5, 5).map(lambda amount: str(Decimal(amount) / 4))
days = st.integers(1, 9).map(lambda day: f"2026-01-0{day}")


def documents(prefix: str, day: str) -> st.SearchStrategy[list[dict[str, str]]]:
    row = st.fixed_dictionaries({day: days, "amount": cents})
    numbered = st.lists(row, min_size=1, max_size=3)
    return numbered.map(
        lambda rows: [{"source_id": f"{prefix}{n}", "customer_id": "C1"} | row for n, row in enumerate(rows)]
    )


ledgers = st.fixed_dictionaries({
    "invoices": documents("I", "issue_date"),
    "payments": documents("P", "date"),
    "allocations": st.lists(
        st.fixed_dictionaries({
            "payment_id": st.integers(0, 2).map("P{}".format),
            "invoice_id": st.integers(0, 2).map("I{}".format),
            "amount": cents,
            "date": st.one_of(st.just(""), days),
        }),
        min_size=1,
        max_size=6,
    ),
})  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(ledger=ledgers)
def test_balances_are_what_plain_arithmetic_says(database: Database, ledger: dict[str, list[dict[str, str]]]) -> None:
    invoices, payments = ledger["invoices"], ledger["payments"]
    known = {row["source_id"] for row in (*invoices, *payments)}
    allocations = [row for row in ledger["allocations"] if {row["payment_id"], row["invoice_id"]} <= known]
    paid_on = {row["source_id"]: row["date"] for row in payments}
    company = make_company(database)
    company.load(
        {"customers": "source_id\nC1\n"} | {name: as_csv(*rows) for name, rows in ledger.items()}, skip_bad_rows=True
    )

    def expected(invoice: dict[str, str]) -> tuple[str, Decimal, str, str | None]:
        mine = [row for row in allocations if row["invoice_id"] == invoice["source_id"]]
        amount = Decimal(invoice["amount"])
        balance = amount - sum(Decimal(row["amount"]) for row in mine)
        status = "paid" if balance == 0 else "open" if balance == amount else "partially_paid"
        dates = [row["date"] or paid_on[row["payment_id"]] for row in mine if Decimal(row["amount"])]
        return invoice["source_id"], balance, status, max(dates, default=None) if balance == 0 else None

    stored = company.rows("SELECT source_id, balance / 10000.0, status, settled_on::text FROM invoice ORDER BY 1")
    assert stored == [expected(invoice) for invoice in invoices]


cells = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(exclude_categories=[]), max_size=3),
    st.decimals(allow_nan=True).map(str),
    st.integers(-(10**20), 10**20).map(str),
    st.dates().map(str),
    st.datetimes(timezones=st.one_of(st.none(), st.timezones())).map(str),
    st.sampled_from(["C1", "I1", "EUR", "usd", "true", "A", "open", "paid", "a|b", "2026-01-01", "1.5", "", "email"]),
)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_nothing_out_of_range_is_ever_stored(settled: Company, name: str, data: st.DataObject) -> None:
    columns = [column.name for column in FILES[name].columns]
    row = st.dictionaries(st.sampled_from(columns), cells).map(lambda changed: ROWS[name] | changed)
    rows = data.draw(st.lists(row, min_size=1, max_size=20))
    with (
        folder({f"{name}.ndjson": as_ndjson(*rows)}) as path,
        settled.database.transaction(settled.company_id, write=True) as connection,
    ):
        report = import_ledger(connection, settled, [path], skip_bad_rows=True)
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in {FILES[name].table: metadata.tables[FILES[name].table] for name in FILES}.values():
            conditions = " AND ".join(map(in_range, table.columns))
            assert connection.execute(f"SELECT FROM {table.name} WHERE NOT ({conditions})".encode()).fetchall() == []
        connection.rollback()
    file = report.files[name]
    assert file.read == len(rows) == file.inserted + file.updated + file.unchanged + file.skipped
    assert bool(file.skipped) == bool(report.problems)


def in_range(column: sa.Column[Any]) -> str:
    match column.type:
        case sa.BigInteger():
            return f"{column.name} BETWEEN -9000000000000000000 AND 9000000000000000000"
        case sa.Date():
            return f"{column.name} BETWEEN '1900-01-01' AND '2200-12-31'"
        case sa.Numeric():
            return f"{column.name} > 0 AND {column.name} < 1e12"
        case sa.Text():
            return f"length({column.name}) BETWEEN 1 AND 10000 AND {column.name} = btrim({column.name})"
        case _:
            return "true"


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=200), ending=st.sampled_from(["csv", "ndjson", "csv.gz"]))
def test_no_file_is_more_than_refused(database: Database, content: bytes, ending: str) -> None:
    company = make_company(database)
    with TemporaryDirectory() as path:
        file = Path(path) / f"customers.{ending}"
        file.write_bytes(b"source_id,name\n" + content if ending == "csv" else content)
        with suppress(ImportRefused):
            company.run(file, skip_bad_rows=True)
