"""Workflows over HTTP: stored in every version, verified, run and compared."""

import csv
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.companies import Company
from app.database import Database
from app.lists import list_of
from app.workflows import runs
from app.workflows.filters import analyzed
from tests.served import Api, Document, api_of, client_of, company_with
from tests.test_http import problem

# A has both, B only the invoice, C only the payment, D neither; P is as A but paused, Q by its group.
LEDGER = {
    "groups": "source_id,name,chasing_paused\ng1,Quiet,true\ng2,Loud,\n",
    "customers": """source_id,name,group,rating,chasing_paused,chasing_paused_until
A,Alpha,g2,D,,
B,Beta,,A,,
C,Gamma,,,,
D,Delta,,D,,
P,Pi,,D,true,
Q,Quu,g1,D,,
R,Rho,,D,true,2020-01-01
""",
    "invoices": """source_id,customer_id,issue_date,due_date,amount,chasing_paused
A1,A,2026-01-01,2026-01-31,1500,
A2,A,2026-01-01,2026-01-31,2000,true
A3,A,2026-01-01,2026-01-31,900,
B1,B,2026-01-01,2026-01-31,1500,
C1,C,2026-01-01,2026-01-31,1000,
D1,D,2026-01-01,2026-01-31,10,
P1,P,2026-01-01,2026-01-31,1500,
Q1,Q,2026-01-01,2026-01-31,1500,
""",
    "payments": """source_id,customer_id,date,amount
pA,A,2026-02-01,600
pC,C,2026-02-01,600
pD,D,2026-02-01,500
pP,P,2026-02-01,501
pQ,Q,2026-02-01,501
""",
}
HELP_PAGE = "invoice.balance > 1000 AND payment.amount > 500"


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest.fixture
def company(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Company:
    folder = tmp_path / "ledger"
    folder.mkdir()
    return company_with(database, f"of {request.node.name}"[:100], folder, LEDGER)


@pytest.fixture
def api(client: TestClient, database: Database, company: Company) -> Api:
    return api_of(client, database, company, "write")


def create(api: Api, **edited: object) -> Document:
    response = api.post("/v1/workflows", **{"name": "Chase", **edited})
    assert response.status_code == 201, response.text
    found: Document = response.json()
    assert response.headers["etag"] == f'"{found["version"]}"'
    assert response.headers["location"] == f"/v1/workflows/{found['id']}"
    return found


def put(api: Api, number: int, version: int, **edited: object) -> Any:
    headers = {**api.headers, "If-Match": f'"{version}"'}
    return api.client.put(f"/v1/workflows/{number}", json={"name": "Chase", **edited}, headers=headers)


def run(api: Api, number: int, key: str | None = None, **starting: object) -> Any:
    headers = {**api.headers, **({"Idempotency-Key": key} if key else {})}
    return api.client.post(f"/v1/workflows/{number}/runs", json=starting, headers=headers)


def ids(rows: list[Document]) -> list[str]:
    return [row["source_id"] for row in rows]


# ---------------------------------------------------------------- stored


def test_the_example_of_the_help_page(api: Api) -> None:
    parts = {"invoices": "balance > 1000", "payments": {"filter": "payment.amount > 500", "on": True}}
    made = create(api, parts=parts, respect_pauses=False)
    assert made["filter"] == HELP_PAGE
    found = api.answer(f"/v1/workflows/{made['id']}/preview")
    assert ids(found["customers"]) == ["A", "P", "Q"], "B, C and D lack one or both"
    assert ids(api.answer(f"/v1/workflows/{made['id']}/preview/invoices")["invoices"]) == ["A1", "A2", "P1", "Q1"]
    assert ids(api.answer(f"/v1/workflows/{made['id']}/preview/payments")["payments"]) == ["pA", "pP", "pQ"]
    assert api.answer(f"/v1/workflows/{made['id']}/preview/credit-notes")["count"] == 0


def test_either_form_is_read_from_the_other(api: Api) -> None:
    text = f"customer.rating = 'D' AND {HELP_PAGE}"
    parts = {
        "customers": {"filter": "customer.rating = 'D'", "on": True},
        "invoices": {"filter": "invoice.balance > 1000", "on": True},
        "payments": {"filter": "payment.amount > 500", "on": True},
    }
    of_text = create(api, filter=text)
    assert of_text["parts"] == parts
    of_parts = create(api, name="Parts", parts=parts)
    assert of_parts["filter"] == text
    assert of_parts["english"] == of_text["english"]


def test_a_part_that_is_switched_off_is_kept_and_does_not_count(api: Api) -> None:
    off = {"filter": "payment.amount > 500", "on": False}
    made = create(api, parts={"invoices": "balance > 1000", "payments": off, "customers": ""})
    assert made["filter"] == "invoice.balance > 1000"
    assert made["parts"]["payments"] == off
    problem(api.post("/v1/workflows", name="None", parts={"payments": off}), 422, "bad-parts")


def test_not_in_a_part_is_about_the_row(api: Api) -> None:
    made = create(api, parts={"invoices": "balance > 1000 AND NOT chasing_paused"}, respect_pauses=False)
    assert made["filter"] == "ANY invoice (balance > 1000 AND NOT chasing_paused)"
    assert ids(api.answer(f"/v1/workflows/{made['id']}/preview/invoices")["invoices"]) == ["A1", "B1", "P1", "Q1"]


def test_what_two_parts_say_of_invoices_is_of_two_invoices(api: Api) -> None:
    parts = {"customers": "NOT invoice.balance > 2000", "invoices": "balance > 1000"}
    made = create(api, parts=parts)
    assert made["filter"] == "NOT invoice.balance > 2000 AND ANY invoice (balance > 1000)"
    text = create(api, name="Text", filter=made["filter"])
    assert {part: one["filter"] for part, one in text["parts"].items()} == parts
    assert create(api, name="Parts", parts=text["parts"])["filter"] == made["filter"]


@pytest.mark.parametrize(
    ("edited", "status", "code"),
    [
        ({"filter": "invoice.balanse > 1"}, 422, "bad-filter"),
        ({"parts": {"invoices": "balanse > 1"}}, 422, "bad-filter"),
        ({"parts": {"invoices": "balance >"}}, 422, "bad-filter"),
        ({"parts": {"customers": "invoice.balance > 1"}}, 422, "bad-parts"),
        ({"parts": {"contacts": "name = 'x'"}}, 422, "bad-request"),
        ({"filter": "customer.rating = $rating"}, 422, "bad-filter"),
        ({"filter": ""}, 422, "bad-filter"),
        ({}, 422, "bad-request"),
        ({"filter": HELP_PAGE, "parts": {}}, 422, "bad-request"),
        ({"filter": HELP_PAGE, "name": " "}, 422, "bad-request"),
        ({"filter": HELP_PAGE, "name": "\ud800"}, 422, None),
        ({"filter": HELP_PAGE, "growth_factor": 0.5}, 422, "bad-request"),
        ({"filter": HELP_PAGE, "schedule": {"days": ["mon"], "from": "10:00", "until": "09:00"}}, 422, "bad-request"),
        ({"filter": HELP_PAGE, "schedule": {"days": ["mon"], "from": "10:00", "until": "10:00"}}, 422, "bad-request"),
        ({"filter": HELP_PAGE, "schedule": {"days": [], "from": "10:00", "until": "11:00"}}, 422, "bad-request"),
        ({"filter": HELP_PAGE, "schedule": {"days": ["mon"], "from": "25:00", "until": "26:00"}}, 422, "bad-request"),
        ({"filter": HELP_PAGE, "colour": "red"}, 422, "bad-request"),
    ],
)
def test_what_is_wrong_is_refused(api: Api, edited: Document, status: int, code: str | None) -> None:
    body = json.dumps({"name": "Chase", **edited}).encode()
    problem(api.send("/v1/workflows", body), status, code)
    assert api.get("/v1/workflows").json() == {"workflows": []}


def test_every_version_is_kept(api: Api) -> None:
    made = create(api, filter=HELP_PAGE)
    changed = put(api, made["id"], 1, filter="customer.rating = 'D'", name="Renamed")
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    versions = api.get(f"/v1/workflows/{made['id']}/versions").json()["versions"]
    assert [(one["version"], one["name"], one["filter"]) for one in versions] == [
        (2, "Renamed", "customer.rating = 'D'"),
        (1, "Chase", HELP_PAGE),
    ]
    assert all(one["changed_by"].startswith("key ") and one["changed_at"] for one in versions)


def test_an_edit_of_an_older_version_is_a_conflict(api: Api) -> None:
    made = create(api, filter=HELP_PAGE)
    assert put(api, made["id"], 1, filter="customer.rating = 'D'").status_code == 200
    stale = put(api, made["id"], 1, filter="customer.rating = 'C'")
    assert problem(stale, 409, "stale-version")[0]["current_version"] == 2
    assert stale.headers["etag"] == '"2"'
    url, etag = f"/v1/workflows/{made['id']}", {"If-Match": '"1"'}
    problem(api.client.delete(url, headers={**api.headers, **etag}), 409, "stale-version")
    problem(api.client.delete(url, headers=api.headers), 428, "no-version")
    problem(api.client.delete(url, headers={**api.headers, "If-Match": "*"}), 422, "bad-version")
    assert api.get(url).json()["filter"] == "customer.rating = 'D'"


def test_of_edits_at_once_one_is_taken(api: Api) -> None:
    made = create(api, filter=HELP_PAGE)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: put(api, made["id"], 1, filter=f"customer.strike = {n}"), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


def test_names_are_unique_and_free_again(api: Api) -> None:
    made = create(api, filter=HELP_PAGE)
    problem(api.post("/v1/workflows", name="Chase", filter=HELP_PAGE), 409, "name-taken")
    other = create(api, name="Other", filter=HELP_PAGE)
    problem(put(api, other["id"], 1, filter=HELP_PAGE), 409, "name-taken")
    headers = {**api.headers, "If-Match": '"1"'}
    assert api.client.delete(f"/v1/workflows/{made['id']}", headers=headers).status_code == 204
    assert put(api, other["id"], 1, filter=HELP_PAGE).status_code == 200
    problem(api.get(f"/v1/workflows/{made['id']}"), 404, "unknown-id")


CALLS = ("", "/versions", "/runs")


def test_those_of_another_company_are_as_those_of_none(
    api: Api, client: TestClient, database: Database, tmp_path: Path
) -> None:
    made = create(api, filter=HELP_PAGE)
    ran = run(api, made["id"]).json()
    foreign = api_of(client, database, company_with(database, f"Foreign {made['id']}", tmp_path, LEDGER), "write")
    for there, nowhere in ((made["id"], 10**9), (made["id"], 10**40), (made["id"], "x")):
        for call in CALLS:
            mine, none = (foreign.get(f"/v1/workflows/{number}{call}") for number in (there, nowhere))
            assert (mine.status_code, none.status_code) == (404, 404)
            if nowhere == 10**9:
                assert mine.json() == none.json()
        for call in ("/runs", "/diff", "/preview", "/funnel", "/forecast", "/preview/invoices", "/preview.csv"):
            mine, none = (foreign.post(f"/v1/workflows/{number}{call}") for number in (there, nowhere))
            assert (mine.status_code, none.status_code) == (404, 404), call
    for call in ("", "/compare", "/customers", "/customers.csv"):
        mine, none = (foreign.get(f"/v1/runs/{number}{call}") for number in (ran["id"], 10**9))
        assert mine.status_code == 404
        assert mine.json() == none.json()
    problem(put(foreign, made["id"], 1, filter=HELP_PAGE), 404, "unknown-id")


def test_a_field_that_has_gone_is_told(api: Api, database: Database, company: Company) -> None:
    made = create(api, filter=HELP_PAGE)
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE workflow_version SET filter = 'customer.gone > 1'")
    found = api.get(f"/v1/workflows/{made['id']}").json()
    assert found["english"] is None
    assert [wrong["code"] for wrong in found["problems"]] == ["unknown-field"]
    problem(run(api, made["id"]), 422, "bad-filter")
    assert api.get("/v1/overlap").json()["broken"] == [made["id"]]
    mended = api.answer(f"/v1/workflows/{made['id']}/diff", filter=HELP_PAGE)
    assert (mended["before"]["count"], ids(mended["entered"]["customers"])) == (0, ["A"])


def test_a_removal_is_a_version_too(api: Api) -> None:
    made = create(api, filter=HELP_PAGE)
    headers = {**api.headers, "If-Match": '"1"'}
    assert api.client.delete(f"/v1/workflows/{made['id']}", headers=headers).status_code == 204
    last, first = api.get(f"/v1/workflows/{made['id']}/versions").json()["versions"]
    assert (last["version"], last["active"], first["active"]) == (2, False, True)
    assert last["changed_by"].startswith("key ")


def test_reading_and_writing_need_their_scopes(client: TestClient, database: Database, company: Company) -> None:
    reader = api_of(client, database, company)
    problem(reader.post("/v1/workflows", name="x", filter=HELP_PAGE), 403, "wrong-scope")
    problem(client.get("/v1/workflows"), 401)
    assert reader.get("/v1/workflows").status_code == 200


# ---------------------------------------------------------------- pauses


def test_pauses_are_respected_and_told(api: Api) -> None:
    made = create(api, filter=HELP_PAGE)
    found = api.answer(f"/v1/workflows/{made['id']}/preview")
    assert ids(found["customers"]) == ["A"]
    assert found["counts"] == {"customers": 1, "invoices": 1, "payments": 1}
    assert found["held_back"]["counts"] == {"customers": 2, "invoices": 3, "payments": 2}
    assert ids(found["held_back"]["customers"]) == ["P", "Q"], "by its own flag, and by its group's"
    assert ids(api.answer(f"/v1/workflows/{made['id']}/preview/invoices")["invoices"]) == ["A1"], "A2 is paused itself"


def test_why_says_who_is_held_back(api: Api) -> None:
    for customer, matches, held_back in (
        ("A", True, False),
        ("P", False, True),
        ("Q", False, True),
        ("B", False, False),
    ):
        found = api.answer("/v1/why", filter=HELP_PAGE, customer=customer, respect_pauses=True)
        assert (found["matches"], found["held_back"]) == (matches, held_back)
        assert found["tree"]["holds"] is (matches or held_back)
        assert "held_back" not in api.answer("/v1/why", filter=HELP_PAGE, customer=customer)


def test_a_pause_that_has_run_out_counts_no_more(api: Api) -> None:
    found = api.answer("/v1/preview", filter="customer.rating = 'D'", respect_pauses=True)
    assert ids(found["customers"]) == ["A", "D", "R"]
    before = api.answer("/v1/preview", filter="customer.rating = 'D'", respect_pauses=True, as_of="2020-01-01")
    assert ids(before["customers"]) == ["A", "D"], "R's pause still holds on its last day"


def test_at_level_group_the_groups_flag_counts(api: Api) -> None:
    made = create(api, filter="invoice.balance > 1000", level="group")
    found = api.answer(f"/v1/workflows/{made['id']}/preview")
    assert (ids(found["groups"]), ids(found["customers"])) == (["g2"], ["A"])
    assert (ids(found["held_back"]["groups"]), ids(found["held_back"]["customers"])) == (["g1"], ["Q"])


# ---------------------------------------------------------------- runs


def test_a_run_fixes_its_audience(api: Api, database: Database, company: Company) -> None:
    made = create(api, filter=HELP_PAGE)
    response = run(api, made["id"])
    assert response.status_code == 201
    ran = response.json()
    assert ran["workflow"] == {"id": made["id"], "version": 1, "name": "Chase"}
    assert (ran["status"], ran["filter"], ran["as_of"]) == ("ready", HELP_PAGE, company.today.isoformat())
    held_back = {"customers": 2, "invoices": 3, "payments": 2, "credit_notes": 0}
    assert ran["counts"] == {
        "customers": 1, "invoices": 1, "payments": 1, "credit_notes": 0, "held_back": held_back
    }  # fmt: skip
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE invoice SET balance = 0")
    assert put(api, made["id"], 1, filter="customer.rating = 'D'").status_code == 200
    assert api.get(f"/v1/runs/{ran['id']}").json() == ran
    invoices = api.get(f"/v1/runs/{ran['id']}/invoices").json()
    assert invoices == {
        "count": 1,
        "invoices": [{
            "source_id": "A1", "customer_source_id": "A", "customer_name": "Alpha", "currency": "EUR",
            "amount": "1500.00", "balance": "1500.00", "due_date": "2026-01-31",
        }],
        "next": None,
    }  # fmt: skip
    [customer] = api.get(f"/v1/runs/{ran['id']}/customers").json()["customers"]
    assert (customer["source_id"], customer["balance_overdue"]) == ("A", "4400.00")
    assert ids(api.get(f"/v1/runs/{ran['id']}/customers?held_back=true").json()["customers"]) == ["P", "Q"]


def test_a_run_is_exported(api: Api) -> None:
    ran = run(api, create(api, filter=HELP_PAGE)["id"]).json()
    rows = list(csv.DictReader(api.get(f"/v1/runs/{ran['id']}/customers.csv").text.splitlines()))
    assert [(row["source_id"], row["held_back"]) for row in rows] == [("A", "false"), ("P", "true"), ("Q", "true")]
    lines = api.get(f"/v1/runs/{ran['id']}/invoices.ndjson").text.splitlines()
    assert [json.loads(line)["source_id"] for line in lines] == ["A1", "A2", "P1", "Q1"]


def test_rows_of_a_run_come_in_pages(api: Api) -> None:
    ran = run(api, create(api, filter="customer.name IS NOT MISSING", respect_pauses=False)["id"]).json()
    seen, after = [], ""
    while after is not None:
        page = api.get(f"/v1/runs/{ran['id']}/customers?limit=2&after={after}").json()
        seen += ids(page["customers"])
        after = page["next"]
    assert seen == ["A", "B", "C", "D", "P", "Q", "R"]


def test_the_same_call_under_a_key_is_one_run(api: Api) -> None:
    made = create(api, filter=HELP_PAGE)
    first, again = run(api, made["id"], "k1"), run(api, made["id"], "k1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    problem(run(api, made["id"], "k1", confirm=True), 422, "idempotency-key-reused")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: run(api, made["id"], "k2"), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(api.get(f"/v1/workflows/{made['id']}/runs").json()["runs"]) == 2


@pytest.mark.parametrize("key", [None, "k1"])
def test_a_run_that_another_change_came_in_the_way_of_is_tried_again(
    api: Api, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(api, filter=HELP_PAGE)
    usual, left = runs.Fixing._count, 2

    def overtaken(fixing: runs.Fixing, *about: Any) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            fixing.connection.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")
        usual(fixing, *about)

    monkeypatch.setattr(runs.Fixing, "_count", overtaken)
    assert run(api, made["id"], key).status_code == 201
    assert left == -1
    assert len(api.get(f"/v1/workflows/{made['id']}/runs").json()["runs"]) == 1
    left = 100
    refused = run(api, made["id"], key and "k2")
    problem(refused, 503, "locked")
    assert refused.headers["Retry-After"]
    assert len(api.get(f"/v1/workflows/{made['id']}/runs").json()["runs"]) == 1


def test_entered_left_stayed(api: Api, database: Database, company: Company) -> None:
    made = create(api, filter="invoice.balance > 1000", respect_pauses=False)
    first = run(api, made["id"]).json()
    problem(api.get(f"/v1/runs/{first['id']}/compare"), 404, "no-run-before")
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE invoice SET balance = 0 WHERE source_id = 'B1'")
        connection.execute("UPDATE invoice SET balance = 11000000 WHERE source_id = 'D1'")
    second = run(api, made["id"]).json()
    found = api.get(f"/v1/runs/{second['id']}/compare").json()
    assert found["with"] == first["id"]
    assert {change: ids(found[change]["members"]) for change in ("entered", "left", "stayed")} == {
        "entered": ["D"], "left": ["B"], "stayed": ["A", "P", "Q"]
    }  # fmt: skip
    assert found["left"]["members"][0]["balance_overdue"] == "1500.00"
    back = api.get(f"/v1/runs/{first['id']}/compare?with={second['id']}").json()
    assert ids(back["entered"]["members"]) == ["B"]


def test_those_held_back_are_in_neither_audience(api: Api, database: Database, company: Company) -> None:
    made = create(api, filter="invoice.balance > 1000")
    assert run(api, made["id"]).json()["counts"]["customers"] == 2
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE customer SET chasing_paused = (source_id = 'B') WHERE source_id IN ('B', 'P')")
    found = api.get(f"/v1/runs/{run(api, made['id']).json()['id']}/compare").json()
    assert {change: ids(found[change]["members"]) for change in ("entered", "left", "stayed")} == {
        "entered": ["P"], "left": ["B"], "stayed": ["A"]
    }  # fmt: skip


def test_those_who_stayed_are_shown_as_they_are_now(api: Api) -> None:
    made = create(api, filter="customer.source_id IN ('A', 'B', 'C')")
    early, late = (run(api, made["id"], as_of=day).json()["id"] for day in ("2026-01-15", "2026-03-01"))
    found = api.get(f"/v1/runs/{late}/compare?with={early}&limit=2").json()["stayed"]
    assert (found["count"], found["next"]) == (3, "B")
    assert [row["balance_overdue"] for row in found["members"]] == ["4400.00", "1500.00"]
    last = api.get(f"/v1/runs/{late}/compare?with={early}&limit=1&after=B").json()["stayed"]
    assert (ids(last["members"]), last["next"]) == (["C"], None)


def test_of_those_who_stayed_no_figure_of_before_is_shown_for_one_that_is_missing_now(
    api: Api, database: Database, company: Company
) -> None:
    made = create(api, filter="customer.source_id = 'B'")
    assert run(api, made["id"]).status_code == 201
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE invoice SET currency = 'XTS' WHERE source_id = 'B1'")
    later = run(api, made["id"], as_of="2100-01-01").json()
    [stayed] = api.get(f"/v1/runs/{later['id']}/compare").json()["stayed"]["members"]
    assert stayed["balance_overdue"] is None


def test_a_leap_of_the_audience_must_be_confirmed(api: Api) -> None:
    made = create(api, filter="customer.source_id = 'A'")
    assert run(api, made["id"]).status_code == 201
    wider = "customer.source_id IN ('A', 'B', 'C')"
    assert put(api, made["id"], 1, filter=wider).status_code == 200
    refused = problem(run(api, made["id"]), 409, "audience-changed")
    assert (refused[0]["before"], refused[0]["now"]) == (1, 3)
    assert len(api.get(f"/v1/workflows/{made['id']}/runs").json()["runs"]) == 1, "nothing of a refused run stays"
    assert run(api, made["id"], confirm=True).status_code == 201
    assert put(api, made["id"], 2, filter="customer.source_id = 'A'").status_code == 200
    problem(run(api, made["id"]), 409, "audience-changed")
    edited = {"filter": "customer.source_id = 'A'", "growth_factor": 3}
    assert put(api, made["id"], 3, **edited).status_code == 200
    assert run(api, made["id"]).status_code == 201


def test_from_nobody_to_two_is_no_leap(api: Api) -> None:
    made = create(api, filter="customer.source_id = 'nobody'")
    assert run(api, made["id"]).json()["counts"]["customers"] == 0
    assert put(api, made["id"], 1, filter="customer.source_id IN ('A', 'B')").status_code == 200
    assert run(api, made["id"]).status_code == 201


def test_between_levels_customers_are_counted(api: Api, database: Database, company: Company) -> None:
    """One group of four customers is as many as four customers."""
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute(
            "UPDATE customer SET group_id = (SELECT id FROM customer_group WHERE source_id = 'g2')"
            " WHERE source_id IN ('B', 'C', 'D')"
        )
    made = create(api, filter="group.name = 'Loud'", level="group")
    assert run(api, made["id"]).json()["counts"]["groups"] == 1
    assert put(api, made["id"], 1, filter="customer.source_id IN ('A', 'B', 'C', 'D')").status_code == 200
    second = run(api, made["id"])
    assert second.status_code == 201, second.text
    problem(api.get(f"/v1/runs/{second.json()['id']}/compare"), 422, "not-comparable")


def test_a_doubtful_compile_lets_no_audience_leave(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create(api, filter="customer.rating = 'D'", respect_pauses=False)
    everyone = create(api, name="Everyone", filter="customer.name IS NOT MISSING", respect_pauses=False)
    honest = list_of

    def wrong(_analysis: Any, kind: Any, pauses: Any) -> Any:
        return honest(analyzed(everyone["filter"], analysis_company, "customer"), kind, pauses)

    analysis_company = Company(0, "", None, "EUR", "UTC")
    monkeypatch.setattr(runs, "list_of", wrong)
    [error] = problem(run(api, made["id"]), 409, "doubtful-compile")
    assert error["source_ids"] == ["B", "C"]
    assert api.get("/v1/runs").json() == {"runs": []}


def test_a_workflow_that_is_switched_off_does_not_run(api: Api) -> None:
    problem(run(api, create(api, filter=HELP_PAGE, active=False)["id"]), 409, "not-active")


def test_a_run_of_a_day_before(api: Api) -> None:
    made = create(api, filter="invoice.is_overdue", respect_pauses=False)
    ran = run(api, made["id"], as_of="2026-01-31").json()
    assert (ran["as_of"], ran["counts"]["customers"]) == ("2026-01-31", 0)
    assert run(api, made["id"], as_of="2026-02-01", confirm=True).json()["counts"]["customers"] == 6


# ---------------------------------------------------------------- before saving, beside one another, ahead


def test_diff_before_saving(api: Api) -> None:
    made = create(api, filter=HELP_PAGE, respect_pauses=False)
    found = api.answer(f"/v1/workflows/{made['id']}/diff", filter="customer.rating = 'D'")
    assert (ids(found["entered"]["customers"]), found["entered"]["overdue"]) == (["D", "R"], "10.00")
    assert (found["left"]["count"], found["stayed"]["count"]) == (0, 3)
    assert found["stayed"]["overdue"] == "7400.00"
    paused = api.answer(f"/v1/workflows/{made['id']}/diff", respect_pauses=True)
    assert ids(paused["left"]["customers"]) == ["P", "Q"]
    assert api.get(f"/v1/workflows/{made['id']}").json()["version"] == 1, "nothing was saved"
    problem(api.post(f"/v1/workflows/{made['id']}/diff", filter="customer.x = 1"), 422, "bad-filter")


def test_overlap_and_gaps(api: Api) -> None:
    big = create(api, name="Big", filter="invoice.balance > 1000")
    bad = create(api, name="Bad", filter="customer.rating = 'D'")
    create(api, name="Off", filter="customer.source_id = 'C'", active=False)
    found = api.get("/v1/overlap").json()
    assert found["workflows"] == [
        {"id": big["id"], "name": "Big", "customers": 2},
        {"id": bad["id"], "name": "Bad", "customers": 3},
    ]
    assert found["overlapping"]["customers"] == [
        {"source_id": "A", "name": "Alpha", "workflows": [big["id"], bad["id"]]}
    ]
    gaps = found["gaps"]
    assert (gaps["untargeted"], gaps["customers"]) == ("1000.00", 1), "C; P and Q are selected, though held back"
    assert gaps["largest"] == [{"source_id": "C", "balance_overdue": "1000.00"}]
    assert gaps["overdue"] == "9910.00"


def test_the_largest_gap_comes_first(api: Api) -> None:
    create(api, filter="customer.source_id = 'A'")
    gaps = api.get("/v1/overlap?limit=3").json()["gaps"]
    assert [one["source_id"] for one in gaps["largest"]] == ["B", "P", "Q"]
    assert (gaps["customers"], gaps["untargeted"]) == (5, "5510.00")


def test_overlapping_customers_come_in_pages(api: Api) -> None:
    for name in ("One", "Two"):
        create(api, name=name, filter="customer.source_id IN ('A', 'B', 'C')")
    first = api.get("/v1/overlap?limit=2").json()["overlapping"]
    assert (ids(first["customers"]), first["next"]) == (["A", "B"], "B")
    second = api.get("/v1/overlap?limit=2&after=B").json()["overlapping"]
    assert (ids(second["customers"]), second["next"]) == (["C"], None)


def test_a_forecast_names_as_many_as_are_asked_for(api: Api, company: Company) -> None:
    crossing = (company.today - date(2026, 1, 31)).days
    found = api.answer("/v1/forecast", filter=f"invoice.days_overdue > {crossing}", days=1, limit=2)
    [day] = found["days"]
    assert (found["count"], day["entered"]) == (0, {"count": 6, "source_ids": ["A", "B"]})


def test_funnel(api: Api) -> None:
    text = "customer.rating != 'A' AND invoice.balance > 900 AND invoice.chasing_paused = true"
    found = api.answer("/v1/funnel", filter=text)
    assert (found["everyone"], found["count"]) == (7, 1)
    assert [(step["text"], step["alone"], step["left"], step["through_missing"]) for step in found["conditions"]] == [
        ("customer.rating != 'A'", 6, 6, 1),
        ("invoice.balance > 900", 5, 4, 0),
        ("invoice.chasing_paused = true", 1, 1, 0),
    ]


@pytest.mark.parametrize(
    ("condition", "alone", "through_missing"),
    [
        ("customer.rating != 'A'", 6, 1),
        ("NOT customer.rating = 'A'", 6, 1),
        ("NOT (customer.rating = 'A' OR customer.strike > 3)", 6, 6),
        ("customer.rating IS MISSING", 1, 0),
        ("NOT invoice.amount = customer.credit_limit", 7, 6),  # R has no invoice: none of its limits matters
        ("NO invoice (amount = customer.credit_limit)", 7, 6),
        ("ALL invoice (settled_on != 2026-01-01)", 6, 6),
        ("NOT group.chasing_paused", 6, 5),
        ("customer.tags HAS NONE ('vip')", 7, 7),
    ],
)
def test_who_meets_a_condition_for_want_of_a_value(api: Api, condition: str, alone: int, through_missing: int) -> None:
    [step] = api.answer("/v1/funnel", filter=condition)["conditions"]
    assert (step["alone"], step["through_missing"]) == (alone, through_missing)


def test_money_without_a_rate_is_missing(api: Api, database: Database, company: Company) -> None:
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE invoice SET currency = 'XTS' WHERE source_id = 'B1'")
    [step] = api.answer("/v1/funnel", filter="customer.balance_overdue != 5", as_of="2026-02-02")["conditions"]
    assert (step["alone"], step["through_missing"]) == (7, 1)
    create(api, filter="customer.source_id = 'A'")
    gaps = api.get("/v1/overlap?as_of=2026-02-02").json()["gaps"]
    assert (gaps["customers"], gaps["unrated"], gaps["untargeted"]) == (5, 1, "4010.00")


def test_forecast_is_what_each_day_says(api: Api) -> None:
    for question in ("invoice.is_overdue AND customer.rating = 'D'", "NO invoice (days_overdue > 304)"):
        found = api.answer("/v1/forecast", filter=question, days=40)
        assert len(found["days"]) == 40
        before = set(ids(api.answer("/v1/preview", filter=question)["customers"]))
        for one in found["days"]:
            now = set(ids(api.answer("/v1/preview", filter=question, as_of=one["as_of"])["customers"]))
            assert one["count"] == len(now)
            assert one["entered"]["source_ids"] == sorted(now - before)
            assert one["left"]["source_ids"] == sorted(before - now)
            before = now
    problem(api.post("/v1/forecast", filter=HELP_PAGE, days=61), 422, "bad-request")
    problem(api.post("/v1/forecast", filter=HELP_PAGE, as_of="2026-01-01"), 422, "past-forecast")
