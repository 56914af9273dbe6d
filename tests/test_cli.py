"""The command line: what it prints, where, and its exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any, NamedTuple

import httpx2
import pytest

from app import cli, companies, embedded
from app.companies import Company
from app.costs import WIDE
from app.database import Database
from app.serving import load_sample
from dsl import CATALOG
from tests.importing import start_command
from tests.served import api_of, as_service, client_of

FILTER = "invoice.balance > 1000 AND customer.rating = 'D'"
WRONG = "invoice.balanc > 1000 AND custmer.rating = 'D'"
PATIENCE_SECONDS = 60


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Answer]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """A command whose output is no terminal."""

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["duelist", *arguments])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfdbinary.readouterr()
        code = stopped.value.code
        return Answer(code if isinstance(code, int) else int(bool(code)), out.decode(), err.decode())

    return run


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for one fails."""
    monkeypatch.setenv("DUELIST_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")


@pytest.fixture
def chosen_database(database_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", database_url)
    monkeypatch.setenv("DUELIST_DATA_DIR", str(data_dir))


@pytest.fixture(scope="module")
def sample(database: Database) -> Company:
    return load_sample(database)


# ---------------------------------------------------------------- the language, without a database


@pytest.mark.usefixtures("no_database")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("format", "invoice.balance > 1000 AND customer.rating = 'D'\n"),
        ("english", "Customers with one invoice whose balance is over 1,000, and whose rating is 'D'.\n"),
        ("compile", "FROM customer AS customer_1"),
        ("check", "the filter is right\n"),
    ],
)
def test_a_filter_is_read_without_a_database(run: Run, command: str, said: str) -> None:
    answer = run(command, "invoice.balance>1000 and customer.rating='d'".replace("'d'", "'D'"))
    assert answer.code == 0
    assert said in answer.out
    assert answer.err == ""


@pytest.mark.usefixtures("no_database")
@pytest.mark.parametrize(("command", "code"), [("format", 2), ("english", 2), ("compile", 2), ("check", 1)])
def test_a_wrong_filter_is_drawn_with_all_its_errors(run: Run, command: str, code: int) -> None:
    answer = run(command, WRONG)
    assert answer.code == code
    assert "^^^^^^^^^^^^^^" in answer.err
    assert "fix: Did you mean balance?" in answer.err
    assert "error[unknown-entity]" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.usefixtures("no_database")
@pytest.mark.parametrize(
    "text", ["", "(", "\udcff", "a\0b", "(" * 5_000, "NOT " * 2_000 + "customer.chasing_paused", "$"]
)
def test_no_filter_shows_a_traceback(run: Run, text: str) -> None:
    answer = run("english", text)
    assert answer.code == 2
    assert answer.err
    assert "Traceback" not in answer.err


@pytest.mark.usefixtures("no_database")
def test_a_day_and_parameters_are_given(run: Run) -> None:
    said = run("english", "invoice.due_date IN LAST 2 DAYS AND customer.rating IN ($r)", "--as-of", "2026-03-01",
               "--param", "r=A", "--param", "$r=B").out  # fmt: skip
    assert "28 February" in said
    assert "'A'" in said
    assert "'B'" in said
    for day in ("yesterday", "2026-02-30"):
        wrong = run("english", "customer.rating = 'A'", "--as-of", day)
        assert wrong.code == 2
        assert wrong.err.startswith("duelist: as_of: ")
        assert "alue error" not in wrong.err
    assert run("english", "customer.rating = 'A'", "--param", "r").code == 2
    assert run("english", "customer.rating = 'A'", "--param", "r=A").code == 2
    assert run("english", "customer.rating = 'A'", "--level", "company").code == 2


@pytest.mark.usefixtures("no_database")
def test_the_catalog(run: Run) -> None:
    assert "balance_overdue" in run("catalog").out
    listed = run("catalog", "invoices")
    assert "days_overdue" in listed.out
    assert "credit_limit" not in listed.out
    assert json.loads(run("catalog", "invoice", "--format", "json").out)["entities"][0]["name"] == "invoice"
    wrong = run("catalog", "invoce")
    assert wrong.code == 2
    assert "did you mean invoice?" in wrong.err


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["preview"], ["preview", FILTER, "--rows", "contacts"], ["--nothing"]]
)
def test_a_wrong_command_is_told(run: Run, arguments: list[str]) -> None:
    answer = run(*arguments)
    assert answer.code == 2
    assert "Error" in answer.err


@pytest.mark.usefixtures("no_database")
@pytest.mark.parametrize(
    "arguments",
    [
        ["preview", FILTER],
        ["company", "list"],
        ["key", "create"],
        ["import", "."],
        ["migrate"],
        ["serve", "--port", "0"],
    ],
)
def test_a_database_that_is_away_is_told(
    run: Run, arguments: list[str], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUELIST_DATA_DIR", str(data_dir))
    answer = run(*arguments)
    assert answer.code == 2
    assert "database" in answer.err
    assert "Traceback" not in answer.err


def test_a_wrong_setting_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", "mysql://db/x")
    answer = run("company", "list")
    assert answer.code == 2
    assert "must begin with postgresql://" in answer.err
    assert "alue error" not in answer.err


def test_a_database_that_is_not_migrated_is_told(run: Run, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", server_url)
    answer = run("company", "list")
    assert answer.code == 2
    assert "duelist migrate" in answer.err


# ---------------------------------------------------------------- a preview

previewed = pytest.mark.usefixtures("chosen_database", "sample")


@previewed
def test_a_preview_is_a_table(run: Run) -> None:
    answer = run("preview", FILTER, "--limit", "2")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith("Customers with one invoice")
    assert lines[2].split() == ["source_id", "name", "rating"]
    assert re.search(r"\d+ customers, \d+ invoices, \d+ payments as of \d{4}-\d\d-\d\d; shown: the first 2$", lines[-1])
    assert "warning[any-currency]" in answer.err


@previewed
def test_why_is_a_ticked_tree(run: Run, database: Database, sample: Company) -> None:
    with database.transaction(sample.company_id) as connection:
        rows = connection.execute("SELECT rating = 'D', min(source_id) FROM customer GROUP BY 1").fetchall()
    ids = {bool(rated): str(source_id) for rated, source_id in rows}
    inside, outside = (run("why", "customer.rating = 'D'", ids[rated]) for rated in (True, False))
    assert (inside.code, outside.code) == (0, 1)
    assert inside.out.splitlines()[2:4] == ["✓ customer.rating = 'D'", "  actual: D"]
    assert outside.out.splitlines()[2] == "✗ customer.rating = 'D'"
    assert ", needs 'D'" in outside.out
    assert f"customer {ids[False]} is not selected as of {sample.today}" in outside.out
    body = json.loads(run("why", "customer.rating = 'D'", ids[True], "--format", "json").out)
    assert (body["matches"], body["tree"]["actual"]) == (True, "D")


@previewed
def test_why_of_nobody_and_of_a_wrong_filter_is_a_wrong_request(run: Run) -> None:
    assert run("why", FILTER, "nobody").code == 2
    assert run("why", WRONG, "C1").code == 2
    assert run("why", FILTER, "nobody", "--level", "group").code == 2


@previewed
def test_a_filter_that_costs_too_much_is_drawn(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_LARGEST_COST", "0.01")
    dear = "SUM(invoice.amount) > customer.balance_overdue"
    cheap = [f"customer.open_invoices > {number}" for number in range(WIDE)]
    answer = run("preview", "\n AND ".join([*cheap, dear]))
    assert answer.code == 2
    assert "error[too-costly]: " in answer.err
    assert f" AND {dear}\n" in answer.err
    assert f" {'^' * len(dear)}\n" in answer.err


@previewed
def test_nobody_is_a_no(run: Run) -> None:
    for form in ("table", "json", "csv", "ndjson"):
        assert run("preview", "customer.name = 'nobody'", "--format", form).code == 1
    assert run("preview", "customer.name = 'nobody'", "--rows", "invoices").code == 1
    assert run("preview", WRONG).code == 2
    assert run("preview", "").code == 2
    assert run("preview", "", "--match-all").code == 0


@previewed
@pytest.mark.parametrize(
    ("path", "options", "asked"),
    [
        ("/v1/preview", [], {}),
        ("/v1/preview", ["--limit", "3", "--as-of", "2026-06-30"], {"limit": 3, "as_of": "2026-06-30"}),
        ("/v1/preview", ["--level", "group"], {"level": "group"}),
        ("/v1/preview/invoices", ["--rows", "invoices"], {}),
        ("/v1/preview/credit-notes", ["--rows", "credit_notes", "--limit", "2"], {"limit": 2}),
        ("/v1/preview.csv", ["--rows", "payments"], {"rows": "payments"}),
        ("/v1/preview.ndjson", [], {}),
    ],
)
def test_a_program_gets_the_body_of_the_http_answer(
    run: Run,
    database: Database,
    database_url: str,
    data_dir: Path,
    sample: Company,
    path: str,
    options: list[str],
    asked: dict[str, Any],
) -> None:
    form = path.partition(".")[2] or "json"
    with client_of(database_url, data_dir) as client:
        body = api_of(client, database, sample).post(path, filter=FILTER, **asked).text
    printed = run("preview", FILTER, "--format", form, *options).out
    assert printed == (f"{body}\n" if form == "json" else body)


@previewed
@pytest.mark.parametrize("command", ["compile", "english", "format", "check"])
def test_so_for_the_language(
    run: Run, database: Database, database_url: str, data_dir: Path, sample: Company, command: str
) -> None:
    asked: dict[str, str] = {} if command == "format" else {"as_of": "2026-06-30"}
    options = [] if command == "format" else ["--as-of", "2026-06-30"]
    text = "customer.rating = 'D'"
    with client_of(database_url, data_dir) as client:
        body = api_of(client, database, sample).answer(f"/v1/{command}", filter=text, **asked)
    printed = json.loads(run(command, text, *options, "--format", "json").out)
    if command == "compile":
        body["params"]["company"] = 0  # whose ledger it is does not matter without one
    assert printed == body


@previewed
@pytest.mark.parametrize("command", ["compile", "english", "check"])
def test_exactly_so_for_a_company(
    run: Run, database: Database, database_url: str, data_dir: Path, sample: Company, command: str
) -> None:
    """The warning of `check` rests on the ledger."""
    with client_of(database_url, data_dir) as client:
        body = api_of(client, database, sample).post(f"/v1/{command}", filter=FILTER).text
    assert run(command, FILTER, "--company", sample.name, "--format", "json").out == f"{body}\n"
    assert command != "check" or "any-currency" in body
    assert run(command, FILTER, "--company", "Nobody's").code == 2


@pytest.mark.usefixtures("no_database")
def test_a_table_for_a_file_has_its_full_width(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = run("catalog", "invoice").out.splitlines()
    assert max(map(len, lines)) > 100
    assert len(lines) == 2 + len(CATALOG.entities["invoice"].fields)


@previewed
def test_a_name_does_not_steer_the_terminal(run: Run, database: Database, sample: Company) -> None:
    with database.transaction(sample.company_id, write=True) as connection:
        connection.execute("UPDATE customer SET reference = E'[red]x\\033[2J' WHERE source_id = 'C0001'")
    printed = run("preview", "customer.source_id = 'C0001' AND customer.reference != ''").out
    assert "[red]x\N{REPLACEMENT CHARACTER}[2J" in printed


# ---------------------------------------------------------------- companies, keys, imports


@pytest.mark.usefixtures("chosen_database")
def test_companies_keys_and_imports(run: Run, database: Database, sample: Company, tmp_path: Path) -> None:
    assert run("company", "create", "Second", "--currency", "EUR", "--time-zone", "Nowhere").code == 2
    made = run("company", "create", "Second", "--currency", "eur", "--country", "de", "--time-zone", "Europe/Berlin")
    assert made.code == 0
    listed = json.loads(run("company", "list", "--format", "json").out)
    assert [(known["name"], known["base_currency"]) for known in listed] == [(sample.name, "EUR"), ("Second", "EUR")]
    several = run("preview", FILTER)
    assert several.code == 2
    assert "'Nordwind Trading', 'Second'" in several.err
    assert run("preview", FILTER, "--company", "Third").code == 2
    assert run("preview", FILTER, "--company", "Second").code == 1

    key = run("key", "create", "--company", "Second", "--scope", "write")
    assert re.fullmatch(r"duelist_\d+_[0-9a-f]{12}_\S{43}\n", key.out)
    assert run("key", "create", "--company", "Second", "--scope", "all").code == 2

    (tmp_path / "customers.csv").write_text("source_id,title,rating\nc1,One,A\nc2,Two,D\n")
    (tmp_path / "invoices.csv").write_text("source_id,customer_id,issue_date,amount\ni1,c2,2026-01-01,10\n")
    unknown = run("import", str(tmp_path), "--company", "Second")
    assert unknown.code == 1
    assert "customers.csv" in unknown.err
    assert "title" in unknown.err
    to_second = ["--company", "Second", "--map", "title=name"]
    assert "nothing was written" in run("import", str(tmp_path), *to_second, "--dry-run").err
    assert run("preview", "", "--match-all", "--company", "Second").code == 1
    done = run("import", str(tmp_path), *to_second)
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()[:2]] == [
        ["file", "read", "inserted", "updated", "unchanged", "skipped"], ["customers", "2", "2", "0", "0", "0"]
    ]  # fmt: skip
    assert "derived invoices.balance in 1 row" in done.out
    with database.owner() as connection:
        estimated = connection.execute("SELECT reltuples FROM pg_class WHERE relname = 'company'").fetchone()
    assert estimated == (2.0,), "the planner has been told"
    assert "Two" in run("preview", "invoice.balance = 10", "--company", "Second").out
    report = json.loads(run("import", str(tmp_path), *to_second, "--format", "json").out)
    assert report["files"]["customers"]["unchanged"] == 2

    (tmp_path / "invoices.csv").write_text(
        "source_id,customer_id,issue_date,amount\ni2,c1,2026-01-01,NaN\ni3,c1,2026-01-01,7\n"
    )
    bad = run("import", str(tmp_path), *to_second)
    assert bad.code == 1
    assert "invoices.csv, line 2, amount" in bad.err
    assert "nothing was imported" in bad.err
    assert run("preview", "invoice.amount = 7", "--company", "Second").code == 1
    assert run("import", str(tmp_path), *to_second, "--skip-bad-rows").code == 1
    assert run("preview", "invoice.amount = 7", "--company", "Second").code == 0
    nowhere = run("import", str(tmp_path / "nothing"), "--company", "Second")
    assert nowhere.code == 2
    assert "Traceback" not in nowhere.err
    not_there = run("import", str(tmp_path), *to_second, "--map", "zz=name")
    assert not_there.code == 2
    assert "'zz'" in not_there.err
    with database.owner() as connection:
        connection.execute("DELETE FROM api_key WHERE company_id = %s", [listed[1]["company_id"]])


@pytest.mark.usefixtures("chosen_database")
def test_without_a_company_it_says_how_to_make_one(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(companies, "listed", lambda _database: [])
    for arguments in (["import", str(tmp_path)], ["preview", FILTER], ["key", "create"]):
        answer = run(*arguments)
        assert answer.code == 2
        assert "duelist company create" in answer.err


# ---------------------------------------------------------------- serving, as a program of its own

DUELIST = [sys.executable, "-c", "from app.cli import main; main()"]
Process = subprocess.Popen[str]


@contextmanager
def serving(url: str, data_dir: Path, *options: str) -> Iterator[tuple[Process, str]]:
    """The program, and what it said until it served."""
    environment = {**os.environ, **served_there(url, data_dir)}
    command = [*DUELIST, "serve", "--port", "0", *options]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        said = ""
        while "example" not in said and "make one" not in said and "make a key" not in said:
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            said += line
        try:
            yield process, said
        finally:
            process.kill()


def served_there(url: str, data_dir: Path) -> dict[str, str]:
    urls = {"DUELIST_DATABASE_URL": as_service(url), "DUELIST_OWNER_DATABASE_URL": url}
    return {**urls, "DUELIST_DATA_DIR": str(data_dir)}


def ended(process: Process, by: signal.Signals) -> tuple[int, str]:
    process.send_signal(by)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, err


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[0]


def test_it_serves_and_stops_cleanly(database_url: str, data_dir: Path, tmp_path: Path) -> None:
    """The key is the same after a restart, and the sample is loaded once."""
    with serving(database_url, data_dir, "--sample") as (process, said):
        address, key = found(r"http://127\.0\.0\.1:\d+", said), found(r"duelist_\S{40,}", said)
        assert (data_dir / "run_key").read_text() == key
        assert (data_dir / "run_key").stat().st_mode & 0o777 == 0o600
        answers_as_it_should(address, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}, key)
        assert refused_at(address.rpartition(":")[2], database_url, data_dir)
        code, err = ended(process, signal.SIGINT)
    assert code == 0, err
    assert "Traceback" not in err
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert "/v1/preview" in {line.get("route") for line in lines}
    assert key not in err
    output = tmp_path / "again"
    restarted = start_command(["serve", "--port", "0", "--sample"], served_there(database_url, data_dir), output)
    while restarted.is_alive() and not (output.exists() and "example" in output.read_text()):
        time.sleep(0.02)
    restarted.terminate()
    restarted.join(PATIENCE_SECONDS)
    again = output.read_text()
    assert restarted.exitcode == 0, again
    assert "loading" not in again
    assert found(r"duelist_\S{40,}", again) == key
    assert "Traceback" not in again


def answers_as_it_should(address: str, headers: dict[str, str], key: str) -> None:
    """What only a real server shows."""
    assert httpx2.post(f"{address}/v1/preview", json={"filter": FILTER}, headers=headers).status_code == 200
    assert httpx2.post(f"{address}/v1/preview", content=b" " * 2_000_000, headers=headers).status_code == 413
    assert key in httpx2.get(f"{address}/").text
    escaped = httpx2.get(f"{address}/v1/customers/a%252Fb%00%FF", headers=headers)
    assert escaped.json()["errors"][0]["code"] == "unknown-id"


def refused_at(port: str, url: str, data_dir: Path) -> bool:
    environment = {"DUELIST_DATABASE_URL": url, "DUELIST_DATA_DIR": str(data_dir)}
    code, said = another("serve", "--port", port, environment=environment)
    return code == 2 and "another program serves there" in said


def another(*arguments: str, environment: Mapping[str, str | None]) -> tuple[int | None, str]:
    """A command that ends by itself."""
    with NamedTemporaryFile("r") as output:
        process = start_command(arguments, environment, Path(output.name))
        process.join(PATIENCE_SECONDS)
        return process.exitcode, output.read()


def test_a_second_server_does_not_take_the_data_folder_of_the_first() -> None:
    """It would lose its database when the first one stops; a command may look on meanwhile."""
    with TemporaryDirectory(prefix="duelist-test-") as folder, embedded.running(Path(folder), durable=False):
        environment = {"DUELIST_DATABASE_URL": None, "DUELIST_DATA_DIR": folder}
        code, said = another("serve", "--port", "0", environment=environment)
        looked = another("company", "list", environment=environment)
    assert code == 2
    assert f"in use by process {os.getpid()}" in said
    assert looked[0] in (0, 1), looked


def test_a_reader_that_has_seen_enough_is_no_error(database_url: str, data_dir: Path, sample: Company) -> None:
    environment = {**os.environ, "DUELIST_DATABASE_URL": database_url, "DUELIST_DATA_DIR": str(data_dir)}
    command = [
        *DUELIST,
        "preview",
        "customer.name != ''",
        "--format",
        "csv",
        "--rows",
        "invoices",
        "--company",
        sample.name,
    ]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("source_id,")
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""
        assert process.wait(PATIENCE_SECONDS) in (0, 1)
