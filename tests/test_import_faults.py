"""Imports that are killed, cut off or run at once: the ledger is as before or as after, never between."""

import gzip
import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count, permutations
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from app import companies, kept
from app.companies import Company
from app.database import Connection, Database, DatabaseAway
from app.imports import ImportRefused, Report, import_ledger, reading
from app.imports.columns import FILES
from app.imports.reading import discover
from app.imports.report import Problems
from app.models import metadata
from tests.collisions import _ids
from tests.importing import start
from tests.test_imports import BAD_CELLS, GOOD, ROWS, as_csv, as_ndjson, make_company, places, row_versions

SEED = int(os.environ.get("DUELIST_SEED", "0"))
KILLS = int(os.environ.get("DUELIST_TRIALS", "15"))
CUTS = int(os.environ.get("DUELIST_TRIALS", "30"))

CUSTOMERS = 30
numbers = count(1)


def ledger_of(rng: random.Random, *, extra: int) -> dict[str, str]:
    """Of the same customers each time, with other values; `extra` rows are new, and some move to others."""
    customers = [f"C{number}" for number in range(CUSTOMERS + extra)]
    groups = [f"G{number}" for number in range(5)]
    invoices = [f"I{number}" for number in range(4 * CUSTOMERS + extra)]
    payments = [f"P{number}" for number in range(2 * CUSTOMERS + extra)]

    def day() -> str:
        return f"2026-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}"

    def document(name: str, of: str) -> dict[str, str]:
        return {"source_id": name, "customer_id": rng.choice(customers), of: day(), "amount": str(rng.randint(1, 99))}

    rows: dict[str, list[dict[str, str]]] = {
        "groups": [{"source_id": name, "parent": rng.choice(customers)} for name in groups],
        "customers": [
            {"source_id": name, "group": rng.choice(groups), "strike": str(rng.randint(0, 9)), "custom.plan": day()}
            for name in customers
        ],
        "contacts": [{"source_id": f"K{name}", "customer_id": name, "phone": day()} for name in customers],
        "invoices": [document(name, "issue_date") for name in invoices],
        "payments": [document(name, "date") for name in payments],
        "credit_notes": [document(f"N{number}", "issue_date") for number in range(10 + extra)],
        "allocations": [
            {"payment_id": rng.choice(payments), "invoice_id": rng.choice(invoices), "amount": "3", "date": day()}
            for _ in range(20)
        ],
        "activities": [
            ROWS["activities"] | {"source_id": f"A{number}", "customer_id": rng.choice(customers), "at": day()}
            for number in range(20)
        ],
        "fx_rates": [{"currency": "USD", "date": "2026-01-01", "rate": str(rng.randint(1, 9))}],
    }
    return {name: as_csv(*found) for name, found in rows.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A ledger, and what it becomes."""
    return written(tmp_path_factory, SEED, extra=0), written(tmp_path_factory, SEED + 1, extra=5)


def written(tmp_path_factory: pytest.TempPathFactory, seed: int, *, extra: int) -> Path:
    path = tmp_path_factory.mktemp("files")
    for name, text in ledger_of(random.Random(seed), extra=extra).items():
        (path / f"{name}.csv").write_text(text)
    return path


def new_company(database: Database, *folders: Path) -> Company:
    made = companies.create(database, f"F{next(numbers)}", currency="EUR", country=None, time_zone="UTC")
    for path in folders:
        run(database, made, path)
    return made


def run(database: Database, company: Company, path: Path) -> Report:
    with database.transaction(company.company_id, write=True) as connection:
        return import_ledger(connection, company, [path])


# ---------------------------------------------------------------- what a ledger says

Facts = dict[str, Counter[str]]

TENANT_TABLES = [name for name in metadata.tables if name not in ("company", "api_key", "audit_entry")]
# Which ids a company's rows get is not the import's promise: each is shown by the source id of its row.
SHOWN = {
    name: {
        **{column: target for column, target in _ids(name).items() if column != "id"},
        **({"customer_id": "customer"} if name in ("customer_metrics", "touched_customer") else {}),
        **({"group_id": "customer_group"} if name in ("group_metrics", "touched_group") else {}),
    }
    for name in TENANT_TABLES
}


def facts(database: Database, company: Company) -> Facts:
    with database.transaction(company.company_id) as connection:
        return facts_in(connection)


def facts_in(connection: Connection, tables: Sequence[str] = TENANT_TABLES) -> Facts:
    """Every row of the tables of the company, of all its tables kept metrics too, in one snapshot."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for name in tables:
        found: Any = connection.execute(f"SELECT to_jsonb(t) - 'company_id' FROM {name} t".encode()).fetchall()
        rows[name] = [row for (row,) in found]
    named = {name: {row["id"]: row.get("source_id") for row in found if "id" in row} for name, found in rows.items()}
    return {name: Counter(fact(row, SHOWN[name], named) for row in found) for name, found in rows.items()}


def fact(row: Mapping[str, Any], shown: Mapping[str, str], named: Mapping[str, Mapping[int, Any]]) -> str:
    values = {name: named[shown[name]].get(value, value) if name in shown else value for name, value in row.items()}
    return str(sorted((name, value) for name, value in values.items() if name != "id"))


@pytest.fixture(scope="module")
def before_and_after(database: Database, files: tuple[Path, Path]) -> tuple[Facts, Facts]:
    company = new_company(database, files[0])
    before = facts(database, company)
    run(database, company, files[1])
    after = facts(database, company)
    assert all(before[name] != after[name] for name in FILES_CHANGED)
    return before, after


FILES_CHANGED = (
    *("customer", "customer_group", "contact", "invoice", "payment"),
    *("allocation", "fx_rate", "customer_metrics"),
)


# ---------------------------------------------------------------- killed


def test_a_process_that_is_killed_at_any_moment(
    database: Database, database_url: str, files: tuple[Path, Path], before_and_after: tuple[Facts, Facts]
) -> None:
    before, after = before_and_after
    rng = random.Random(SEED)
    company, took = timed(database, database_url, files)
    assert facts(database, company) == after
    company = new_company(database, files[0])
    seen = Counter[str]()
    for _ in range(KILLS):
        process = start(database_url, company.name, files[1])
        process.join(rng.uniform(0, took))
        process.kill()
        process.join()
        assert process.exitcode in (0, -9)
        wait_for_the_lock(database, company)
        found = facts(database, company)
        assert found in (before, after)
        seen["after" if found == after else "before"] += 1
        if found == after:
            company = new_company(database, files[0])
    assert seen["before"] > KILLS / 4
    run(database, company, files[1])
    assert facts(database, company) == after


def timed(database: Database, url: str, files: tuple[Path, Path]) -> tuple[Company, float]:
    """How long it takes when nobody kills it, the second time."""
    for _ in range(2):
        company = new_company(database, files[0])
        began = time.monotonic()
        process = start(url, company.name, files[1])
        process.join()
        took = time.monotonic() - began
        assert process.exitcode == 0
    return company, took


def wait_for_the_lock(database: Database, company: Company) -> None:
    """It goes with the backend, which the server ends when it finds nobody at the other end."""
    with database.transaction(company.company_id, write=True, timeout_ms=30_000) as connection:
        kept.lock(connection, company.company_id)


class Cut:
    """A connection whose backend is terminated before its nth statement."""

    def __init__(self, connection: Connection, url: str, nth: int) -> None:
        self.connection = connection
        self.url = url
        self.left = nth
        self.seen = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def execute(self, *arguments: Any, **options: Any) -> Any:
        self._step()
        return self.connection.execute(*arguments, **options)

    def cursor(self, **options: Any) -> Any:
        self._step()
        return self.connection.cursor(**options)

    def _step(self) -> None:
        self.seen += 1
        if self.seen == self.left:
            with psycopg.connect(self.url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [self.connection.info.backend_pid])


def test_a_backend_that_is_terminated_before_any_statement(
    database: Database, database_url: str, files: tuple[Path, Path], before_and_after: tuple[Facts, Facts]
) -> None:
    before, after = before_and_after
    company = new_company(database, files[0])

    def cut(nth: int) -> int:
        with database.transaction(company.company_id, write=True) as connection:
            cutting: Any = Cut(connection, database_url, nth)
            import_ledger(cutting, company, [files[1]])
            connection.rollback()
        return int(cutting.seen)

    statements = cut(0)
    assert facts(database, company) == before
    for nth in sorted(random.Random(SEED).sample(range(1, statements + 1), CUTS)):
        with pytest.raises(DatabaseAway):
            cut(nth)
        assert facts(database, company) == before, nth
    run(database, company, files[1])
    assert facts(database, company) == after


# ---------------------------------------------------------------- twice, and at once


def test_the_same_files_again_touch_no_row(database: Database, files: tuple[Path, Path], tmp_path: Path) -> None:
    """Counted by the server, and seen by the versions of the rows; the same in other forms of files too."""
    company = make_company(database)
    company.run(files[0])
    before = row_versions(company)
    for file in files[0].iterdir():
        (tmp_path / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes().replace(b"\n", b"\r\n")))
    for again in (files[0], tmp_path):
        with database.transaction(company.company_id, write=True) as connection:
            earlier = connection.execute(WRITTEN).fetchall()  # of transactions that the server has not yet counted
            import_ledger(connection, company, [again])
            assert connection.execute(WRITTEN).fetchall() == earlier
    assert row_versions(company) == before


WRITTEN: LiteralString = """
    SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables
    WHERE schemaname = 'public' AND relname <> 'audit_entry' ORDER BY relname
"""


def test_imports_at_once_are_as_one_after_the_other_and_readers_see_no_half(
    database: Database, files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    others = [files[1], written(tmp_path_factory, SEED + 2, extra=9)]
    company = new_company(database, files[0])
    allowed = [facts(database, company)]
    ends = []
    for order in permutations(others):
        alone = new_company(database, files[0])
        for path in order:
            run(database, alone, path)
            allowed.append(facts(database, alone))
        ends.append(allowed[-1])
    assert ends[0] != ends[1]

    seen: list[Facts] = []
    faults: list[BaseException] = []
    done = threading.Event()

    def guarded(do: Any, *arguments: Any) -> None:
        try:
            do(*arguments)
        except BaseException as fault:
            faults.append(fault)

    def read() -> None:
        while not done.is_set():
            seen.append(facts(database, company))

    reader = threading.Thread(target=guarded, args=[read])
    writers = [threading.Thread(target=guarded, args=[run, database, company, path]) for path in others]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join(120)
    done.set()
    reader.join(120)
    assert faults == []
    assert facts(database, company) in ends
    assert len(seen) > 2
    assert all(found in allowed for found in seen)


def test_companies_do_not_wait_for_one_another(database: Database, files: tuple[Path, Path]) -> None:
    one, other = new_company(database), new_company(database)
    finished = threading.Event()

    def run_other() -> None:
        run(database, other, files[0])
        finished.set()

    with database.transaction(one.company_id, write=True) as connection:
        import_ledger(connection, one, [files[0]])
        threading.Thread(target=run_other, daemon=True).start()
        assert finished.wait(60)
    assert facts(database, other) == facts(database, one)


# ---------------------------------------------------------------- bad rows and files


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "ndjson", "ndjson.gz"])
def test_all_bad_rows_are_named_at_once(database: Database, tmp_path: Path, suffix: str) -> None:
    """Each with its file, line, column and code, though nothing else in the files is right."""
    company = make_company(database)
    company.load(GOOD)
    before = row_versions(company)
    expected = []
    for name, good in ROWS.items():
        bad = [(column, value, code) for file, column, value, code in BAD_CELLS if file == name]
        rows = [good | own_key(name, line) | {column: value} for line, (column, value, _) in enumerate(bad, 2)]
        columns = sorted({column for row in rows for column in row})
        filled = [good | own_key(name, 1), *rows]
        text = as_csv(*({column: row.get(column, "") for column in columns} for row in rows))
        if suffix.startswith("ndjson"):
            text = as_ndjson(*filled)
        content = text.encode("utf-8", "surrogateescape")
        if rows:
            file = f"{name}.{suffix}"
            (tmp_path / file).write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
            expected += [(file, line, column, code) for line, (column, _, code) in enumerate(bad, 2)]
    with pytest.raises(ImportRefused) as refused:
        company.run(tmp_path)
    assert len({(column, code) for _, _, column, code in expected}) > 24
    assert Counter(places(problem) for problem in refused.value.problems) == Counter(expected)
    assert row_versions(company) == before


def own_key(name: str, line: int) -> dict[str, str]:
    """So that no row is the double of another."""
    return {"date": f"2026-01-{line:02}"} if FILES[name].key != ("source_id",) else {"source_id": f"{name}{line}"}


FILE_FAULTS: list[tuple[str, bytes, int | None, str]] = [
    ("customers.csv", b"", 1, "missing-column"),
    ("customers.csv", b"\xef\xbb\xbf", 1, "missing-column"),
    ("customers.csv", b"\n\n\n", 1, "missing-column"),
    ("customers.csv", b"\0\0\0\0", 1, "bad-encoding"),
    ("customers.csv", b'source_id\n"C1', 2, "bad-quoting"),
    ("customers.csv", b'source_id\n"C1"x\n', 2, "bad-quoting"),
    ("customers.csv", b"source_id,name\nC1," + b"x" * 140_000 + b"\n", 2, "bad-quoting"),
    ("customers.csv", b"source_id,name\nC1," + b"x" * 10_000_000 + b"\n", 2, "too-long"),
    ("customers.csv", b"source_id\rC1\r\rC2,x\r\n", 4, "wrong-length"),
    ("customers.ndjson", b'{"source_id": "C1", "name": "' + b"x" * 10_000_000 + b'"}\n', 1, "too-long"),
    ("customers.ndjson", b'{"source_id": "\\ud800"}\n', 1, "bad-encoding"),
    ("customers.ndjson", b'{"source_id": "\\u0000"}\n', 1, "nul-byte"),
    ("customers.ndjson", b'{"source_id": "C1"}{"source_id": "C2"}\n', 1, "bad-json"),
    ("customers.csv.gz", b"", 1, "missing-column"),
    ("customers.csv.gz", b"\x1f\x8b", None, "bad-gzip"),
    ("customers.csv.gz", gzip.compress(b"source_id\nC1\n") + b"rubbish", None, "bad-gzip"),
    ("customers.csv.gz", gzip.compress(b"source_id\nC1\n")[:-4], None, "bad-gzip"),
    ("customers.csv.gz", gzip.compress(gzip.compress(b"source_id\nC1\n", mtime=0)), 1, "unknown-column"),
    ("customers.csv.gz", gzip.compress(b"\0" * 20_000_000), 1, "bad-encoding"),
]


@pytest.mark.parametrize(("name", "content", "line", "code"), FILE_FAULTS, ids=map(str, range(len(FILE_FAULTS))))
def test_files_that_cannot_be_read_are_refused_by_name(
    database: Database, tmp_path: Path, name: str, content: bytes, line: int | None, code: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportRefused) as refused:
        make_company(database).run(tmp_path)
    found = refused.value.problems[0]
    assert (found.file, found.line, found.code) == (name, line, code)


@pytest.mark.parametrize("name", ["customers.csv", "customers.csv.gz", "customers.ndjson"])
def test_files_without_rows_are_none(database: Database, tmp_path: Path, name: str) -> None:
    content = b"" if "ndjson" in name else b"\xef\xbb\xbfsource_id"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert make_company(database).run(tmp_path).files["customers"].read == 0


def test_an_archive_that_unpacks_without_end_is_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_UNPACKED", 1 << 20)
    empty_lines = gzip.compress(b"source_id\n" + b"\n" * 3_000_000)
    rows = gzip.compress(b"source_id,name\n" + b"".join(b"C%d,%s\n" % (n, b"x" * 400) for n in range(4_000)))
    for content, refused_as in ((empty_lines, "too-large"), (rows, None)):
        (tmp_path / "customers.csv.gz").write_bytes(content)
        company = make_company(database)
        if refused_as is None:
            assert company.run(tmp_path, dry_run=True).files["customers"].read == 4_000
            continue
        with pytest.raises(ImportRefused) as refused:
            company.run(tmp_path)
        assert [problem.code for problem in refused.value.problems] == [refused_as]


@pytest.fixture(params=["folder", "pipe", "socket", "dangling", "loop", "device"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    match request.param:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
        case "dangling":
            path.symlink_to("nowhere")
        case "loop":
            path.symlink_to(path)
        case "device":
            path.symlink_to("/dev/zero")
    return path


def test_what_is_no_file_is_named_and_never_passed_over(database: Database, no_file: Path) -> None:
    """Beside a file that is good: half a ledger is not imported."""
    company = make_company(database)
    (no_file.parent / "groups.csv").write_text("source_id\nG1\n")
    for sources in ([no_file.parent], [no_file.parent / "groups.csv", no_file]):
        with pytest.raises(ImportRefused) as refused:
            company.run(*sources)
        assert [problem.code for problem in refused.value.problems] == ["no-file"]
        assert refused.value.wrong_request
    assert company.rows("SELECT FROM customer_group") == []


def test_a_link_to_a_file_is_followed(database: Database, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("source_id\nC1\n")
    (tmp_path / "customers.csv").symlink_to("elsewhere")
    assert make_company(database).run(tmp_path).files["customers"].inserted == 1


def test_what_may_not_be_read(tmp_path: Path) -> None:
    """Root may read everything, and is somebody else meanwhile."""
    closed = tmp_path / "closed"
    closed.mkdir(0o000)
    problems = Problems()
    mine = os.geteuid()
    try:
        if mine == 0:
            os.seteuid(65534)
        discover([closed], problems)
        discover([closed / "customers.csv"], problems)
    finally:
        os.seteuid(mine)
        closed.chmod(0o700)
    assert {problem.code for problem in problems.first} == {"no-file"}
    assert problems.total >= 2
