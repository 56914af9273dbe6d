"""The commands about workflows, runs and segments: one story told in order, and what is refused."""

import json
from pathlib import Path

import pytest

from app.companies import Company
from app.database import Database
from tests.served import company_with
from tests.test_cli import Run, data_dir, run
from tests.test_workflows import LEDGER

__all__ = ["data_dir", "run"]

OF = ("--company", "Told")


@pytest.fixture(scope="module")
def told(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("ledger")
    company_with(database, "Beside", tmp_path_factory.mktemp("beside"), {"customers": "source_id\nX\n"})
    return company_with(database, "Told", folder, LEDGER)


@pytest.fixture(autouse=True)
def _here(database_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch, told: Company) -> None:
    assert told
    monkeypatch.setenv("DUELIST_DATABASE_URL", database_url)
    monkeypatch.setenv("DUELIST_DATA_DIR", str(data_dir))


def test_a_workflow_from_its_making_to_its_end(run: Run) -> None:
    parts = ("--invoices", "balance > 1000", "--payments", "amount > 500")
    made = run("workflow", "create", "Chase", *parts, *OF)
    assert (made.code, made.err) == (0, "")
    assert "invoice.balance > 1000 AND payment.amount > 500\n" in made.out

    shown = run("workflow", "preview", "Chase", *OF)
    assert "A          Alpha" in shown.out
    assert "held back by a pause: 2 customers, 3 invoices, 2 payments\n" in shown.out

    first = run("run", "Chase", "--key", "k", "--format", "json", *OF)
    assert json.loads(first.out)["counts"]["customers"] == 1
    again = run("run", "Chase", "--key", "k", *OF)
    assert "which this key has made before" in again.err

    diff = run("workflow", "diff", "Chase", "--filter", "customer.rating = 'D'", *OF)
    assert "entered: 2 customers, 10.00 overdue" in diff.out
    changed = run("workflow", "change", "Chase", "--filter", "customer.rating = 'D'", "--name", "Bad ones", *OF)
    assert "Bad ones (number " in changed.out
    assert "version 2" in changed.out
    refused = run("run", "Bad ones", *OF)
    assert (refused.code, "went from 1 to 3" in refused.err) == (2, True)
    second = json.loads(run("run", "Bad ones", "--confirm", "--format", "json", *OF).out)
    assert "entered: 2\n" in run("runs", "compare", str(second["id"]), *OF).out
    assert "source_id,name" in run("runs", "export", str(second["id"]), *OF).out
    assert '"source_id":"A"' in run("runs", "export", str(second["id"]), "--format", "ndjson", *OF).out
    assert len(json.loads(run("runs", "list", "--format", "json", *OF).out)["runs"]) == 2
    assert "Bad ones, as of" in run("runs", "show", str(second["id"]), *OF).out
    held_back = run("runs", "show", str(second["id"]), "--rows", "customers", "--held-back", *OF)
    assert [line.split()[0] for line in held_back.out.splitlines()] == ["source_id", "P", "Q"]

    versions = run("workflow", "versions", "Bad ones", *OF)
    assert versions.out.count("command line") == 2
    assert run("workflow", "remove", "Bad ones", *OF).code == 0
    assert run("workflow", "show", "Bad ones", *OF).code == 2
    assert "duelist workflow create" in run("workflow", "list", *OF).err


def test_segments_and_what_is_asked_of_filters(run: Run) -> None:
    assert "used by nothing" in run("segment", "define", "Bad", "customer.rating = 'D'", *OF).out
    assert run("workflow", "create", "Of a segment", "--filter", "customer IN SEGMENT 'Bad'", *OF).code == 0
    assert "'Of a segment'" in run("segment", "show", "Bad", *OF).out
    assert run("segment", "remove", "Bad", *OF).code == 2
    assert "Bad" in run("segment", "list", *OF).out
    funnel = run("funnel", "customer IN SEGMENT 'Bad' AND customer.strike IS MISSING", *OF)
    assert "5 of 7 customers" in funnel.out
    forecast = json.loads(run("forecast", "invoice.is_overdue", "--days", "2", "--format", "json", *OF).out)
    assert [day["count"] for day in forecast["days"]] == [6, 6]
    assert "in none: " in run("overlap", *OF).out


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("workflow", "create", "X", "--filter", "customer.rating ="), "The filter ends too early"),
        (("workflow", "create", "X"), "either a filter or parts"),
        (("workflow", "create", "X", "--filter", "customer.strike = 1", "--days", "noday"), "schedule"),
        (("workflow", "show", "nothing"), "There is no such workflow."),
        (("run", "nothing"), "There is no such workflow."),
        (("runs", "show", "999999"), "There is no such run."),
        (("webhook", "set", "http://127.0.0.1/"), "cannot be used"),
        (("webhook", "show"), "no webhook"),
        (("segment", "define", "S", "customer IN SEGMENT 'S'"), "would be in itself"),
        (("segment", "show", "nothing"), "There is no such segment."),
    ],
)
def test_what_is_wrong_is_told(run: Run, command: tuple[str, ...], said: str) -> None:
    answer = run(*command, *OF)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert "fault of ours" not in answer.err
