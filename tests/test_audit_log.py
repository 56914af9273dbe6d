"""Who changed and ran what: written with the change, read by those who may, changed by nobody."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app import audit_log, auth, cli, fields, metrics, workflows
from app.companies import Company
from app.database import Database
from app.imports import import_ledger
from app.imports_seen import ImportsSeen
from app.settings import Settings
from app.worker import limits_of, purge_old_runs
from tests.served import Api, Document, api_of, client_of, company_with

FILTER = "customer.name = 'Confidential'"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
LEDGER = {"customers": "source_id,name,currency\nC1,Confidential,EUR\nC2,Other,EUR\n"}


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    return company_with(database, "one", tmp_path_factory.mktemp("ledger"), LEDGER)


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data"), webhook_private=True) as client:
        yield client


@pytest.fixture(scope="module")
def api(client: TestClient, database: Database, company: Company) -> Api:
    return api_of(client, database, company, "admin")


def entries(database: Database, company: Company) -> list[Document]:
    """The oldest first."""
    return audit_log.listed(database, company.company_id, 500)[::-1]


@pytest.fixture
def new(database: Database, company: Company) -> Any:
    """What was noted since the test began, each as action and subject."""
    known = len(entries(database, company))
    return lambda: [(one["action"], one["subject"]) for one in entries(database, company)[known:]]


def send(
    api: Api, method: str, path: str, body: Document | None = None, headers: Mapping[str, str] = NO_HEADERS
) -> Any:
    response = api.client.request(method, path, json=body, headers={**api.headers, **headers})
    assert response.status_code < 300, response.text
    return response


def workflow(api: Api, name: str, **more: object) -> Any:
    return send(api, "POST", "/v1/workflows", {"name": name, "filter": FILTER, **more}).json()["id"]


# ---------------------------------------------------------------- what is noted


def test_a_company_begins_with_its_entries(database: Database, company: Company) -> None:
    first, second = entries(database, company)[:2]
    assert (first["action"], first["subject"], first["who"]) == ("company created", "one", "command line")
    assert (second["action"], second["subject"]) == ("ledger imported", "customers")
    assert second["detail"]["rows"] == {"customers": {"read": 2, "written": 2}}


def test_changes_of_workflows(api: Api, new: Any) -> None:
    number = workflow(api, "chased")
    send(api, "PUT", f"/v1/workflows/{number}", {"name": "renamed", "filter": FILTER}, headers={"If-Match": '"1"'})
    send(api, "DELETE", f"/v1/workflows/{number}", headers={"If-Match": '"2"'})
    of = str(number)
    assert new() == [("workflow created", of), ("workflow changed", of), ("workflow removed", of)]


def test_changes_of_segments_fields_and_webhooks(api: Api, new: Any) -> None:
    send(api, "PUT", "/v1/segments/s", {"filter": FILTER})
    send(api, "PUT", "/v1/segments/s", {"filter": f"NOT {FILTER}"})
    send(api, "PUT", "/v1/segments/s", {"filter": FILTER, "dry_run": True})
    send(api, "DELETE", "/v1/segments/s")
    send(api, "PUT", "/v1/fields/customer/plan", {"type": "text"})
    send(api, "PUT", "/v1/fields/customer/plan", {"type": "text"})  # changes nothing
    send(api, "DELETE", "/v1/fields/customer/plan")
    send(api, "PUT", "/v1/webhook", {"url": "http://127.0.0.1:1/the-token"})
    send(api, "DELETE", "/v1/webhook")
    assert new() == [
        ("segment created", "s"), ("segment changed", "s"), ("segment removed", "s"),
        ("field defined", "customer.plan"), ("field removed", "customer.plan"),
        ("webhook set", "127.0.0.1"), ("webhook removed", "webhook"),
    ]  # fmt: skip


def test_who_it_was(api: Api, database: Database, company: Company) -> None:
    workflow(api, "signed")
    prefix = api.headers["Authorization"].split("_")[2]
    assert entries(database, company)[-1]["who"] == f"key {prefix}"
    assert "key created" in {entry["action"] for entry in entries(database, company) if entry["subject"] == prefix}


def test_runs_started_refused_and_confirmed(api: Api, database: Database, company: Company, new: Any) -> None:
    number = workflow(api, "running")
    for _ in range(2):  # the same call: one run
        first = send(api, "POST", f"/v1/workflows/{number}/runs", {}, headers={"Idempotency-Key": "k"}).json()["id"]
    everyone = {"name": "running", "filter": "customer.name != ''", "growth_factor": 1}
    send(api, "PUT", f"/v1/workflows/{number}", everyone, headers={"If-Match": '"1"'})
    assert api.post(f"/v1/workflows/{number}/runs").status_code == 409
    third = send(api, "POST", f"/v1/workflows/{number}/runs", {"confirm": True}).json()["id"]
    assert new() == [
        ("workflow created", str(number)), ("run started", str(first)), ("workflow changed", str(number)),
        ("run refused", ""), ("run started", str(third)),
    ]  # fmt: skip
    refused, confirmed = (entry["detail"] for entry in entries(database, company)[-2:])
    assert refused == {"workflow": number, "code": "audience-changed"}
    assert confirmed["confirmed"] is True
    assert api.post("/v1/workflows/999999/runs").status_code == 404
    assert new()[-1] == ("run started", str(third))


def test_who_took_rows_out(api: Api, database: Database, company: Company, new: Any) -> None:
    for _ in range(2):
        assert "Confidential" in api.post("/v1/preview.csv", filter=FILTER).text
    assert api.post("/v1/preview.csv", filter="customer.nam = 1").status_code == 422
    api.post("/v1/preview.ndjson", filter=FILTER, rows="invoices")
    number = workflow(api, "exported")
    run = send(api, "POST", f"/v1/workflows/{number}/runs", {}).json()["id"]
    send(api, "GET", f"/v1/runs/{run}/customers.csv")
    send(api, "POST", f"/v1/workflows/{number}/preview.csv", {})
    exports = [subject for action, subject in new() if action == "exported"]
    assert exports == ["customers", "customers", "invoices", "customers", "customers"]
    noted = [entry["detail"] for entry in entries(database, company) if entry["action"] == "exported"][-5:]
    assert len({one["filter"] for one in noted if "filter" in one}) == 1
    assert [one.get("run") or one.get("workflow") for one in noted] == [None, None, None, run, number]


def test_no_row_leaves_unnoted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise psycopg.errors.InsufficientPrivilege

    monkeypatch.setattr(audit_log, "note", broken)
    response = api.post("/v1/preview.csv", filter=FILTER)
    assert response.status_code == 500
    assert "Confidential" not in response.text


def test_a_change_that_cannot_be_noted_is_not_made(
    database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise psycopg.errors.InsufficientPrivilege

    before = workflows.listed(database, company), fields.listed(database, company)
    monkeypatch.setattr(audit_log, "note", broken)
    edited = workflows.Edited(name="unnoted", filter=FILTER)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        workflows.create(database, company, edited, "us")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        fields.define(database, company, "customer", "x", fields.Definition(type="text"), "us")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        auth.create_key(database, company, "read")
    assert (workflows.listed(database, company), fields.listed(database, company)) == before


def test_nothing_of_the_ledger_or_a_filter_is_in_it(database: Database, company: Company) -> None:
    noted = str(entries(database, company))
    assert "Confidential" not in noted
    assert "the-token" not in noted


# ---------------------------------------------------------------- append-only


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET who = 'nobody'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]
)
def test_the_service_cannot_change_what_is_noted(database: Database, company: Company, statement: str) -> None:
    before = entries(database, company)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        database.transaction(company.company_id, write=True) as connection,
    ):
        connection.execute(statement.encode())
    assert entries(database, company) == before


# ---------------------------------------------------------------- reading


def test_pages_the_newest_first(api: Api, database: Database, company: Company) -> None:
    everything = entries(database, company)[::-1]
    found, before = [], ""
    while True:
        page = api.get(f"/v1/audit-log?limit=7{before}").json()
        found += page["entries"]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert found == everything


def test_only_an_admin_reads_it_and_only_of_its_company(
    client: TestClient, api: Api, database: Database, company: Company, tmp_path: Path
) -> None:
    assert api_of(client, database, company, "write").get("/v1/audit-log").status_code == 403
    other = company_with(database, "two", tmp_path, LEDGER)
    theirs = api_of(client, database, other, "admin").get("/v1/audit-log").json()["entries"]
    assert [entry["action"] for entry in theirs] == ["key created", "ledger imported", "company created"]
    assert api.get("/v1/audit-log?limit=501").status_code == 422


def test_the_command(database_url: str, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", database_url)
    monkeypatch.setenv("DUELIST_DATA_DIR", str(tmp_path))
    run = CliRunner().invoke
    taken = run(cli.app, ["preview", FILTER, "--company", company.name, "--format", "csv"])
    assert taken.exit_code == 0
    bad = tmp_path / "customers.csv"
    bad.write_text("source_id,name,currency\nC1,x,??\n")
    refused = run(cli.app, ["import", str(bad), "--company", company.name])
    assert refused.exit_code == 1
    shown = run(cli.app, ["log", "--company", company.name, "--limit", "2", "--format", "json"])
    assert '"import refused"' in shown.stdout
    assert '"exported"' in shown.stdout
    assert "run started" in run(cli.app, ["log", "--company", company.name]).stdout


def test_imports_are_counted_from_it(database: Database, company: Company, tmp_path: Path) -> None:
    """They run in processes of their own; those of before the first look are not counted."""

    def counted() -> list[float | None]:
        of = metrics._REGISTRY.get_sample_value
        return [of("duelist_imports_total", {"outcome": "done"}), of("duelist_imported_rows_total", {"kind": "read"})]

    seen = ImportsSeen()
    seen.look(database)
    done, rows = (number or 0 for number in counted())
    assert (metrics._REGISTRY.get_sample_value("duelist_last_import_timestamp_seconds") or 0) > time.time() - 3600
    company_with(database, "three", tmp_path, LEDGER)
    seen.look(database)  # a company that is new: its history is not counted either
    with database.transaction(company.company_id, write=True) as connection:
        import_ledger(connection, company, [tmp_path])
    seen.look(database)
    seen.look(database)
    assert counted() == [done + 1, rows + 2]


# ---------------------------------------------------------------- retention

DAYS = 400


def aged(database: Database, company: Company, run: int, days: int) -> None:
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute(
            "UPDATE run SET started_at = %s WHERE company_id = %s AND id = %s",
            [datetime.now(UTC) - timedelta(days=days), company.company_id, run],
        )


def runs_of(database: Database, company: Company, number: int) -> list[int]:
    return [run["id"] for run in workflows.list_runs(database, company, number, 100, None)][::-1]


def run_n(database: Database, company: Company, number: int, ages: list[int]) -> list[int]:
    """A run of each age in days."""
    settings, made = Settings(), []
    for days in ages:
        run, _ = workflows.start(database, company, number, workflows.Starting(), "us", limits_of(settings))
        aged(database, company, run.id, days)
        made.append(run.id)
    return made


@pytest.mark.parametrize(
    ("ages", "kept"),
    [
        ([900, 800, 700, 600, 10], [3, 4]),  # the newest, and the one it is compared with
        ([900, 800, 700], [1, 2]),  # also where all are old
        ([900], [0]),
        ([900, 401, 399, 5], [1, 2, 3]),
        ([300, 200], [0, 1]),
    ],
)
def test_old_runs_go_and_comparisons_stay(
    api: Api, database: Database, company: Company, ages: list[int], kept: list[int]
) -> None:
    number = workflow(api, f"aged {ages}")
    made = run_n(database, company, number, ages)
    newest = f"/v1/runs/{made[-1]}/compare"
    before = api.get(newest).json()
    assert purge_old_runs(database, Settings(keep_runs_days=DAYS)) == len(ages) - len(kept)
    assert runs_of(database, company, number) == [made[at] for at in kept]
    assert api.get(newest).json() == before
    with database.transaction(company.company_id) as connection:
        rows = connection.execute("SELECT DISTINCT run_id FROM run_row WHERE run_id = ANY (%s)", [made]).fetchall()
        assert {run for (run,) in rows} <= {made[at] for at in kept}
    purged = [entry for entry in entries(database, company) if entry["action"] == "run purged"]
    gone = [str(run) for at, run in enumerate(made) if at not in kept]
    assert [(entry["who"], entry["subject"]) for entry in purged if int(entry["subject"]) >= made[0]] == [
        ("retention", run) for run in gone
    ]


def test_all_is_kept_unless_it_is_chosen(api: Api, database: Database, company: Company) -> None:
    number = workflow(api, "for ever")
    made = run_n(database, company, number, [9000, 8000, 7000])
    assert purge_old_runs(database, Settings()) == 0
    assert runs_of(database, company, number) == made


def test_whoever_waits_for_a_run_still_hears_of_it(api: Api, database: Database, company: Company) -> None:
    number = workflow(api, "told of")
    send(api, "PUT", "/v1/webhook", {"url": "http://127.0.0.1:1/nobody"})
    made = run_n(database, company, number, [900, 800, 700, 600])
    send(api, "DELETE", "/v1/webhook")
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute(
            "UPDATE delivery SET next_attempt_at = NULL, delivered_at = now() WHERE run_id <> %s", [made[0]]
        )
    purge_old_runs(database, Settings(keep_runs_days=DAYS))
    assert runs_of(database, company, number) == [made[0], *made[2:]]


def test_refused_runs_go_when_they_are_old(api: Api, database: Database, company: Company) -> None:
    number = workflow(api, "refused")
    made = run_n(database, company, number, [900, 10])
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("""
            INSERT INTO run (company_id, id, workflow_id, workflow_version, as_of, level, filter, english, segments,
                respect_pauses, counts, refusal, request, started_at, started_by)
            SELECT company_id, 1000000 + id, workflow_id, workflow_version, as_of, level, filter, '', segments,
                respect_pauses, '{}', '{"code": "x"}', request, started_at, 'schedule' FROM run WHERE id = ANY (%s)
        """, [made])  # fmt: skip
    purge_old_runs(database, Settings(keep_runs_days=DAYS))
    assert len(runs_of(database, company, number)) == 3


def test_purging_by_hand(
    api: Api, database: Database, database_url: str, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", database_url)
    monkeypatch.setenv("DUELIST_DATA_DIR", str(tmp_path))
    number = workflow(api, "by hand")
    made = run_n(database, company, number, [50, 40, 30])
    run, of = CliRunner().invoke, ["--company", company.name]
    listed = run(cli.app, ["runs", "purge", "--older-than", "35d", "--dry-run", *of])
    assert listed.exit_code == 0
    assert runs_of(database, company, number) == made
    assert run(cli.app, ["runs", "purge", "--older-than", "35", *of]).exit_code == 2
    assert run(cli.app, ["runs", "purge", "--older-than", "35d", *of]).exit_code == 0
    assert runs_of(database, company, number) == made[1:]


def test_other_companies_keep_theirs(api: Api, database: Database, company: Company, tmp_path: Path) -> None:
    other = company_with(database, "four", tmp_path, LEDGER)
    edited = workflows.Edited(name="w", filter=FILTER)
    made = run_n(database, other, workflows.create(database, other, edited, "us").id, [900, 800, 700])
    number = workflow(api, "mine")
    mine = run_n(database, company, number, [900, 800, 700])
    assert not workflows.purge(database, company, max(mine) + 1, "us", timeout_ms=0)
    before = datetime.now(UTC) - timedelta(days=DAYS)
    assert {run for run, _ in workflows.old_runs(database, other, before)} == {made[0]}
    assert mine[0] in {run for run, _ in workflows.old_runs(database, company, before)}
