"""The HTTP interface over the sample ledger: every call's shape, pages, exports, and whatever a client may send."""

import csv
import json
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from app import companies, lists, queries
from app.companies import Company
from app.database import Database
from app.pages import STATIC
from app.queries import answers
from app.serving import load_sample
from dsl.statements import Statement
from tests.served import Api, Document, api_of, client_of, company_with

FILTER = "invoice.balance > 1000 AND invoice.days_overdue > 30"
OF_GROUPS = "invoice.balance > 100"
ERROR_KEYS = {"code", "message", "start", "end", "line", "column", "hint", "expected", "fixes"}

# Texts that a spreadsheet would take for formulas, and ids that are hard to put into an address.
TRAPS = {
    "customers": """source_id,name,country,credit_limit,portfolios
a/b,=1+1,DE,-5,x|y
a'b,+49 30,,,
"ä ö?#",-7,,1.2345,
..,@SUM(A1),,,-a
"say ""hi"", you",tab,,,
plain,[bold]Plain[/bold],DE,900000000000000,
""",
    "invoices": """source_id,customer_id,issue_date,due_date,amount,reference
i1,a/b,2026-01-01,2026-01-31,0.1,=cmd
i2,a/b,2026-01-01,,-10,
""",
}


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data"), page_key="the key") as client:
        yield client


@pytest.fixture(scope="module")
def sample(database: Database) -> Company:
    return load_sample(database)


@pytest.fixture(scope="module")
def api(client: TestClient, database: Database, sample: Company) -> Api:
    return api_of(client, database, sample)


@pytest.fixture(scope="module")
def traps(client: TestClient, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Api:
    return api_of(client, database, company_with(database, "Traps", tmp_path_factory.mktemp("traps"), TRAPS))


def problem(response: Any, status: int, code: str | None = None) -> list[Document]:
    """Whether it is a problem as RFC 9457 has them; its errors."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert {"type", "title", "status", "detail", "errors"} <= found.keys()
    assert found["status"] == status
    assert all(error.keys() >= ERROR_KEYS for error in found["errors"])
    if code:
        assert found["type"].endswith(f":{code}")
    errors: list[Document] = found["errors"]
    return errors


# ---------------------------------------------------------------- shapes


def test_preview(api: Api, sample: Company) -> None:
    found = api.answer("/v1/preview", filter=f"{FILTER.lower()} and customer.balance_overdue > 0", limit=3)
    assert list(found) == [
        "as_of", "level", "canonical", "english", "warnings", "counts", "customers", "next_cursor"
    ]  # fmt: skip
    assert found["as_of"] == sample.today.isoformat()
    assert found["level"] == "customer"
    assert found["canonical"] == f"{FILTER} AND customer.balance_overdue > 0"
    assert found["english"].startswith("Customers with one invoice")
    assert list(found["counts"]) == ["customers", "invoices", "payments"]
    assert found["counts"]["customers"] > 3
    assert [list(row) for row in found["customers"]] == [["source_id", "name", "currency", "balance_overdue"]] * 3
    assert all(isinstance(row["balance_overdue"], str) for row in found["customers"])


def test_preview_of_groups(api: Api) -> None:
    found = api.answer("/v1/preview", filter=f"{OF_GROUPS} AND group.members_count > 1", level="group", limit=2)
    assert list(found["counts"]) == ["groups", "customers", "invoices", "payments"]
    assert [list(row) for row in found["groups"]] == [["source_id", "name", "members_count"]] * 2
    assert [list(row) for row in found["customers"]] == [["source_id", "name"]] * 2
    assert all(type(row["members_count"]) is int for row in found["groups"])


ROWS = {
    "invoices": {
        "source_id", "customer_source_id", "customer_name", "reference", "issue_date", "due_date", "amount", "balance",
        "currency", "status", "days_overdue",
    },
    "payments": {
        "source_id", "customer_source_id", "customer_name", "reference", "date", "amount", "currency", "status",
    },
    "credit_notes": {
        "source_id", "customer_source_id", "customer_name", "reference", "issue_date", "amount", "currency", "status",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", ROWS)
def test_rows(api: Api, kind: str) -> None:
    found = api.answer(f"/v1/preview/{kind.replace('_', '-')}", filter=FILTER, limit=2)
    assert found["count"] > 2
    assert len(found[kind]) == 2
    assert all(row.keys() >= ROWS[kind] for row in found[kind])


def test_rows_show_what_the_filter_names(api: Api) -> None:
    found = api.answer("/v1/preview/invoices", filter="invoice.is_open AND invoice.tags IS MISSING", limit=1)
    [row] = found["invoices"]
    assert row["is_open"] is True
    assert row["tags"] == []


def test_counts_are_those_of_the_rows(api: Api) -> None:
    counts = api.answer("/v1/preview", filter=FILTER)["counts"]
    for kind in ("invoices", "payments"):
        assert api.answer(f"/v1/preview/{kind}", filter=FILTER)["count"] == counts[kind]


@pytest.mark.parametrize(("days", "relation"), [(-1, "_as_of"), (0, ""), (1, "_live")])
def test_the_sql_is_of_the_day_that_is_asked_about(api: Api, sample: Company, days: int, relation: str) -> None:
    day = str(sample.today + timedelta(days=days))
    found = api.answer("/v1/compile", filter="customer.balance_overdue > 0", as_of=day)
    assert f"customer_metrics{relation} AS" in found["sql"]


@pytest.mark.parametrize("filter", ["invoice.balance > 0", "customer.open_invoices > 0", "COUNT(payment) >= 1"])
@pytest.mark.parametrize("level", ["customer", "group"])
def test_counts_go_as_far_as_they_are_asked_to(api: Api, filter: str, level: str) -> None:
    exact = api.answer("/v1/preview", filter=filter, level=level)["counts"]
    assert "capped" not in api.answer("/v1/preview", filter=filter, level=level)
    for most in (1, exact["customers"] - 1, exact["customers"], exact["customers"] + 1):
        answer = api.answer("/v1/preview", filter=filter, level=level, count_to=most)
        assert answer["counts"] == {kind: min(count, most) for kind, count in exact.items()}
        assert answer["capped"] == [kind for kind, count in exact.items() if count > most]
    rows = api.answer("/v1/preview/invoices", filter=filter, level=level, count_to=1)
    assert [rows["count"], rows["capped"]] == [1, ["invoices"]]


def test_compile(api: Api) -> None:
    found = api.answer("/v1/compile", filter="invoice.balance>0.1 and customer.rating='D'")
    assert list(found) == ["canonical", "english", "ast", "sql", "params", "entities", "fields"]
    assert found["canonical"] == "invoice.balance > 0.1 AND customer.rating = 'D'"
    assert found["entities"] == ["customer", "invoice"]
    assert found["fields"] == ["customer.rating", "invoice.balance"]
    assert found["params"]["parameter_1"] == 1000
    assert found["sql"].count("company_id = %(company)s") == 2


def test_check(api: Api) -> None:
    assert api.answer("/v1/check", filter="customer.rating = 'D'") == {"ok": True, "errors": [], "warnings": []}
    found = api.answer("/v1/check", filter="\ncustmer.x=1 AND invoice.balanc > 1")
    assert found["ok"] is False
    codes = {error["code"]: error for error in found["errors"]}
    assert set(codes) == {"unknown-entity", "unknown-field"}
    error = codes["unknown-field"]
    assert error.keys() == ERROR_KEYS
    assert (error["line"], error["column"], error["start"]) == (2, 17, 17)
    assert {"title": "Did you mean balance?", "start": 25, "end": 31, "text": "balance"} in error["fixes"]
    warned = api.answer("/v1/check", filter="invoice.balance > 10 AND invoice.balance < 5")
    assert warned["ok"] is True
    assert all(warning.keys() == ERROR_KEYS for warning in warned["warnings"])
    assert "contradiction" in {warning["code"] for warning in warned["warnings"]}


def test_a_filter_of_characters_beyond_the_first_plane_is_placed_by_characters(api: Api) -> None:
    [error] = api.answer("/v1/check", filter="customer.name = '😀' AND customer.nam = 'x'")["errors"]
    assert error["start"] == len("customer.name = '😀' AND ")


def test_english_and_format(api: Api) -> None:
    assert api.answer("/v1/format", filter="customer.rating='d'") == {"canonical": "customer.rating = 'd'"}
    found = api.answer("/v1/english", filter="invoice.due_date IN LAST 2 DAYS", as_of="2026-03-01")
    assert found["as_of"] == "2026-03-01"
    assert "28 February" in found["english"]


def test_complete(api: Api) -> None:
    found = api.answer("/v1/complete", text="invoice.bal", cursor=11)
    assert (found["start"], found["end"]) == (8, 11)
    assert [set(item) for item in found["items"]] == [{"insert", "label", "kind", "help"}] * len(found["items"])
    assert "balance" in {item["insert"] for item in found["items"]}
    assert api.answer("/v1/complete", text="", cursor=99, level="group")["items"]


def test_catalog(api: Api) -> None:
    found = api.get("/v1/catalog").json()
    entities = {entity["name"]: entity for entity in found["entities"]}
    assert {"customer", "group", "company", "invoice", "payment", "credit_note"} <= set(entities)
    fields = {field["name"]: field for field in entities["customer"]["fields"]}
    keys = ["name", "label", "type", "choices", "operators", "help", "example"]
    assert all(list(field) == keys for entity in entities.values() for field in entity["fields"])
    assert fields["rating"]["choices"] == ["A", "B", "C", "D"]
    assert "IS MISSING" in fields["rating"]["operators"]
    operators = {operator["symbol"]: operator["types"] for operator in found["operators"]}
    assert operators["HAS ANY"] == ["set"]
    listed = {symbol for entity in entities.values() for field in entity["fields"] for symbol in field["operators"]}
    assert listed <= set(operators)


def test_openapi_names_every_call(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for call in ("preview", "preview/invoices", "preview/payments", "preview/credit-notes", "preview.csv",
                 "preview.ndjson", "compile", "check", "complete", "english", "format"):  # fmt: skip
        assert "requestBody" in paths[f"/v1/{call}"]["post"], call
    assert {"/v1/catalog", "/v1/customers/{source_id}", "/live", "/ready", "/metrics"} <= set(paths)


# ---------------------------------------------------------------- meaning of a request


def test_the_empty_filter_has_to_be_meant(api: Api) -> None:
    [error] = problem(api.post("/v1/preview", filter=" "), 422, "bad-filter")
    assert error["code"] == "empty-filter"
    for level in ("customer", "group"):
        found = api.answer("/v1/preview", filter="", match_all=True, level=level, limit=500)
        assert found["canonical"] == ""
        assert found["counts"][f"{level}s"] == len(found[f"{level}s"])


def test_parameters(api: Api) -> None:
    by_value = api.answer("/v1/preview", filter="customer.rating IN ('C', 'D') AND customer.balance_total > 0.1")
    asked = {"filter": "customer.rating IN ($ratings) AND customer.balance_total > $least"}
    for least in (0.1, "0.1"):
        found = api.answer("/v1/preview", **asked, params={"ratings": ["C", "D"], "least": least})
        assert found["customers"] == by_value["customers"]
    codes = {error["code"] for error in problem(api.post("/v1/preview", **asked), 422, "bad-filter")}
    assert codes == {"missing-parameter"}
    assert api.answer("/v1/check", **asked)["ok"], "a check needs no values"


def test_numbers_arrive_as_they_are_written(api: Api) -> None:
    body = b'{"filter": "invoice.balance = $x", "params": {"x": 123456789012.3456}}'
    assert 1234567890123456 in api.send("/v1/compile", body).json()["params"].values()


def test_the_day_is_chosen(api: Api) -> None:
    today = api.answer("/v1/preview", filter="invoice.is_overdue")
    past = api.answer("/v1/preview", filter="invoice.is_overdue", as_of="2026-01-31")
    assert past["as_of"] == "2026-01-31"
    assert past["counts"] != today["counts"]
    assert "invoice_as_of" in api.answer("/v1/compile", filter="invoice.is_overdue", as_of="2026-01-31")["sql"]
    assert "invoice_as_of" not in api.answer("/v1/compile", filter="invoice.is_overdue")["sql"]


def test_another_company_is_not_there(api: Api, traps: Api) -> None:
    assert api.answer("/v1/preview", filter="customer.source_id = 'plain'")["counts"]["customers"] == 0
    assert traps.answer("/v1/preview", filter="customer.source_id = 'plain'")["counts"]["customers"] == 1
    problem(api.get("/v1/customers/plain"), 404, "unknown-id")
    assert traps.answer("/v1/preview", filter="", match_all=True)["counts"]["customers"] == 6


def test_money_has_two_to_four_decimals(traps: Api) -> None:
    found = traps.answer("/v1/preview", filter="customer.credit_limit IS NOT MISSING", limit=500)
    limits = {row["source_id"]: row["credit_limit"] for row in found["customers"]}
    assert limits == {"a/b": "-5.00", "ä ö?#": "1.2345", "plain": "900000000000000.00"}


# ---------------------------------------------------------------- pages and whole answers


def walked(api: Api, path: str, kind: str, **asked: object) -> list[Document]:
    return [row for page in api.pages(path, **asked) for row in page[kind]]


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_pages_have_every_customer_once(api: Api, limit: int) -> None:
    asked = {"filter": "customer.rating = 'D' AND invoice.is_open", "limit": limit}
    ids = [row["source_id"] for row in walked(api, "/v1/preview", "customers", **asked)]
    assert ids == sorted(set(ids))
    assert len(ids) == api.answer("/v1/preview", **asked)["counts"]["customers"] > 7


@pytest.mark.parametrize("kind", ["groups", "customers"])
def test_pages_have_every_group_and_member_once(api: Api, kind: str) -> None:
    asked: dict[str, object] = {"filter": OF_GROUPS, "level": "group", "limit": 6}
    ids = [row["source_id"] for row in walked(api, "/v1/preview", kind, **asked)]
    assert ids == sorted(set(ids))
    assert len(ids) == api.answer("/v1/preview", **asked)["counts"][kind] > 6


@pytest.mark.parametrize("level", ["customer", "group"])
@pytest.mark.parametrize("kind", ROWS)
def test_pages_and_exports_are_the_same_rows(api: Api, kind: str, level: str) -> None:
    path = f"/v1/preview/{kind.replace('_', '-')}"
    rows = walked(api, path, kind, filter=OF_GROUPS, level=level, limit=100)
    assert (
        len({row["source_id"] for row in rows}) == len(rows) == api.answer(path, filter=OF_GROUPS, level=level)["count"]
    )
    assert exported(api, rows=kind, level=level, filter=OF_GROUPS) == rows


@pytest.mark.parametrize("level", ["customer", "group"])
def test_exports_are_of_the_level_s_rows(api: Api, level: str) -> None:
    asked: dict[str, object] = {"filter": OF_GROUPS, "level": level}
    rows = walked(api, "/v1/preview", f"{level}s", **asked)
    assert exported(api, **asked) == exported(api, **asked, rows=f"{level}s") == rows


def exported(api: Api, **asked: object) -> list[Document]:
    """The rows of the NDJSON, which are also those of the CSV."""
    lines = [json.loads(line) for line in api.post("/v1/preview.ndjson", **asked).text.splitlines()]
    table = list(csv.DictReader(api.post("/v1/preview.csv", **asked).text.splitlines()))
    assert table == [{name: as_cell(value) for name, value in row.items()} for row in lines]
    return lines


def as_cell(value: object) -> str:
    if isinstance(value, list):
        return "|".join(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_an_empty_answer_exports_the_names_of_the_columns(api: Api) -> None:
    assert api.post("/v1/preview.csv", filter="customer.name = 'nobody'").text == "source_id,name\r\n"
    assert api.post("/v1/preview.ndjson", filter="customer.name = 'nobody'").text == ""


def test_a_spreadsheet_takes_no_cell_for_a_formula(traps: Api, database: Database) -> None:
    company = companies.chosen(database, "Traps")
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE customer SET name = E'\\ttab' WHERE source_id LIKE 'say%'")
    asked = {"filter": "customer.portfolios HAS 'nothing' OR customer.credit_limit < 5 OR customer.name != ''"}
    table = list(csv.DictReader(traps.post("/v1/preview.csv", **asked).text.splitlines()))
    cells = {row["source_id"]: row for row in table}
    names = [cells[key]["name"] for key in ("a/b", "a'b", "ä ö?#", "..", 'say "hi", you')]
    assert names == ["'=1+1", "'+49 30", "'-7", "'@SUM(A1)", "'\ttab"]
    assert cells["a/b"]["credit_limit"] == "-5.00", "a number stays one"
    assert cells[".."]["portfolios"] == "'-a"


def test_an_id_is_guarded_in_csv_only(client: TestClient, database: Database, tmp_path: Path) -> None:
    ids = ["-C3", "@C4", "=C5", "+C6", "C-1", "1/2", "a_b.c:d e", "Ä 1"]
    files = {"customers": "source_id\n" + "".join(f"{key}\n" for key in ids)}
    api = api_of(client, database, company_with(database, "Ids", tmp_path, files))
    asked = {"filter": "customer.source_id != ''"}
    exact = [json.loads(line)["source_id"] for line in api.post("/v1/preview.ndjson", **asked).text.splitlines()]
    assert sorted(exact) == sorted(ids)
    guarded = [row["source_id"] for row in csv.DictReader(api.post("/v1/preview.csv", **asked).text.splitlines())]
    assert guarded == [f"'{key}" if key[0] in "=+-@" else key for key in exact]


@pytest.mark.parametrize(
    "asked", [{"as_of": "yesterday"}, {"as_of": "2026-02-30"}, {"as_of": 1}, {"params": {"a\nb": 1}}]
)
def test_a_wrong_field_is_told_in_our_words(api: Api, asked: Document) -> None:
    [error] = problem(api.post("/v1/check", filter=FILTER, **asked), 422, "bad-request")
    assert "alue error" not in error["message"]


def test_groups_are_exported_at_their_level_only(api: Api) -> None:
    problem(api.post("/v1/preview.csv", filter=FILTER, rows="groups"), 422, "bad-request")


def test_an_abandoned_export_gives_its_connection_back(database_url: str, sample: Company) -> None:
    database = Database(database_url, max_size=1, timeout_seconds=2)
    asked = queries.Exporting.model_validate({"filter": OF_GROUPS, "rows": "invoices"})
    for _ in range(3):
        chunks = queries.export(database, sample, asked, "ndjson", timeout_ms=10_000)
        next(chunks)
        chunks.close()
    database.close()


# ---------------------------------------------------------------- cursors

ASKED: dict[str, object] = {"filter": "invoice.balance > $x", "limit": 2, "params": {"x": 10}, "as_of": "2026-06-30"}


@pytest.fixture(scope="module")
def cursor(api: Api) -> str:
    return str(api.answer("/v1/preview", **ASKED)["next_cursor"])


def test_a_cursor_belongs_to_the_meaning_of_the_filter(api: Api, cursor: str) -> None:
    with_it = ASKED | {"cursor": cursor, "filter": "  invoice.balance>$x", "limit": 5}
    assert len(api.answer("/v1/preview", **with_it)["customers"]) == 5


@pytest.mark.parametrize(
    "other",
    [{"filter": "invoice.balance >= $x"}, {"params": {"x": 11}}, {"params": {"x": "10"}}, {"level": "group"},
     {"as_of": "2026-06-29"}],
)  # fmt: skip
def test_a_cursor_of_another_question_is_refused(api: Api, cursor: str, other: Document) -> None:
    problem(api.post("/v1/preview", **(ASKED | other), cursor=cursor), 422, "bad-cursor")


def test_a_cursor_of_other_rows_or_another_company_is_refused(api: Api, traps: Api, cursor: str) -> None:
    problem(api.post("/v1/preview/invoices", **ASKED, cursor=cursor), 422, "bad-cursor")
    problem(traps.post("/v1/preview", **ASKED, cursor=cursor), 422, "bad-cursor")


def test_a_forged_cursor_is_refused(api: Api, cursor: str) -> None:
    forged = ["", "=", "x", "é", "A" * 10_000, cursor[:-4], cursor + "AAAA", cursor[::-1]]
    # The last character has bits that stand for nothing.
    forged += [
        cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(0, len(cursor) - 1, 3)
    ]
    for text in forged:
        problem(api.post("/v1/preview", **ASKED, cursor=text), 422, "bad-cursor")


def test_the_pages_of_an_answer_are_of_one_day(api: Api, sample: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"filter": "invoice.is_open", "limit": 5}
    first = api.answer("/v1/preview", **asked)
    tomorrow = date.fromordinal(sample.today.toordinal() + 1)
    monkeypatch.setattr(Company, "today", property(lambda _company: tomorrow))
    second = api.answer("/v1/preview", **asked, cursor=first["next_cursor"])
    assert second["as_of"] == first["as_of"]
    assert api.answer("/v1/preview", **asked)["as_of"] == tomorrow.isoformat()


# ---------------------------------------------------------------- records


@pytest.mark.parametrize("kind", queries.RECORDS)
def test_a_record_as_it_is_stored(api: Api, database: Database, sample: Company, kind: str) -> None:
    table = queries.RECORDS[kind].name
    with database.transaction(sample.company_id) as connection:
        [(source_id,)] = connection.execute(f"SELECT min(source_id) FROM {table}".encode())
    found = api.get(f"/v1/{kind}/{source_id}").json()
    assert found["source_id"] == source_id
    assert not {"id", "company_id"} & found.keys()
    problem(api.get(f"/v1/{kind}/nobody"), 404, "unknown-id")


def test_a_record_names_others_by_source_id(api: Api) -> None:
    invoice = api.get("/v1/invoices/I00001").json()
    customer = api.get(f"/v1/customers/{invoice['customer_id']}").json()
    assert customer["source_id"] == invoice["customer_id"]
    assert invoice["amount"].count(".") == 1
    assert "group" in customer
    group = api.get("/v1/groups/G01").json()
    assert api.get(f"/v1/customers/{group['parent']}").json()["group"] == "G01"


@pytest.mark.parametrize(
    ("address", "source_id"),
    [("a/b", "a/b"), ("a%2Fb", "a/b"), ("%C3%A4%20%C3%B6%3F%23", "ä ö?#"),
     ("say%20%22hi%22,%20you", 'say "hi", you')],
)  # fmt: skip
def test_a_source_id_may_be_anything(traps: Api, address: str, source_id: str) -> None:
    assert traps.get(f"/v1/customers/{address}").json()["source_id"] == source_id


@pytest.mark.parametrize("address", ["", "%00", "a%00b", "%FF", "%ED%A0%80", "x" * 5_000, "'%3B--", "a/b/"])
def test_an_unknown_source_id_is_not_found(traps: Api, address: str) -> None:
    problem(traps.get(f"/v1/customers/{address}"), 404)


# ---------------------------------------------------------------- what a client may send


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"null", 422),
        (b"[]", 422),
        (b"7", 422),
        (b'"x"', 422),
        (b"{}", 422),
        (b'{"filter": null}', 422),
        (b'{"filter": 7}', 422),
        (b'{"filter": ["x"]}', 422),
        (b'{"filter": "x", "other": 1}', 422),
        (b'{"filter": "x", "\\ud800": 1}', 422),
        (b'{"filter": "\\ud800"}', 422),
        (b'{"filter": "customer.name = \'\\ud800\'"}', 422),
        (b'{"filter": "customer.name = \'\\u0000\'"}', 422),
        (b'{"filter": "customer.name = $x", "params": {"x": "\\u0000"}}', 422),
        (b'{"filter": "customer.name = $x", "params": {"x": "\\udfff"}}', 422),
        (b'{"filter": "customer.name = $x", "params": {"x": null}}', 422),
        (b'{"filter": "customer.name = $x", "params": {"x": {"y": 1}}}', 422),
        (b'{"filter": "customer.name = $x", "params": ["x"]}', 422),
        (b'{"filter": "invoice.balance > $x", "params": {"x": NaN}}', 422),
        (b'{"filter": "invoice.balance > $x", "params": {"x": -Infinity}}', 422),
        (b'{"filter": "invoice.balance > $x", "params": {"x": 1e999999999}}', 422),
        (b'{"filter": "invoice.balance > $x", "params": {"x": 1e-999999999}}', 422),
        (b'{"filter": "invoice.balance > $x", "params": {"x": 1e99999999999999999999}}', 422),
        (b'{"filter": "customer.name = $x", "params": {"x": 1e999999999}}', 422),
        (b'{"filter": "invoice.balance > $x", "params": {"x": ' + b"9" * 10_000 + b"}}", 422),
        (b'{"filter": "invoice.balance > $x", "params": {"x": true}}', 422),
        (b'{"filter": "invoice.balance > ' + b"9" * 5_000 + b'"}', 422),
        (b'{"filter": "' + b"(" * 9_000 + b'"}', 422),
        (b'{"filter": "' + b"NOT " * 2_400 + b'customer.chasing_paused"}', 422),
        (b'{"filter": "' + b"invoice.balance > 1 AND " * 300 + b'invoice.balance > 1"}', 422),
        (b'{"filter": "' + b"x" * 900_000 + b'"}', 422),
        (b'{"filter": "customer.name = $x", "params": {"\\ud800": "y"}}', 422),
        (b'{"filter": "customer.name = $x", "params": {"x": ["\\ud800"]}}', 422),
        (b'{"filter": "x", "level": "\\ud800"}', 422),
        (b'{"filter": "x", "cursor": "\\ud800"}', 422),
        (b'{"filter": "x", "as_of": "\\ud800"}', 422),
        (b'{"filter": "x", "limit": 0}', 422),
        (b'{"filter": "x", "limit": 501}', 422),
        (b'{"filter": "x", "limit": 1.5}', 422),
        (b'{"filter": "x", "limit": "5"}', 422),
        (b'{"filter": "x", "limit": true}', 422),
        (b'{"filter": "x", "limit": 1e400}', 422),
        (b'{"filter": "x", "as_of": "yesterday"}', 422),
        (b'{"filter": "x", "as_of": "2026-02-30"}', 422),
        (b'{"filter": "x", "as_of": "1899-12-31"}', 422),
        (b'{"filter": "x", "as_of": "2201-01-01"}', 422),
        (b'{"filter": "x", "as_of": 20000}', 422),
        (b'{"filter": "x", "as_of": "2026-01-01T00:00:00"}', 422),
        (b'{"filter": "x", "level": "company"}', 422),
        (b'{"filter": "x", "match_all": 1}', 422),
        (b'{"filter": "x", "cursor": 1}', 422),
        (b"[" * 100_000, 422),
        (b'{"a":' * 100_000, 422),
        (b'{"filter": "\xff"}', 422),
        (b"\xef\xbb\xbf{}", 422),
        ('{"filter": "x"}'.encode("utf-16"), 422),
        (b'{"filter": "' + b"x" * 1_000_000 + b'"}', 413),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, bytes) else str(value),
)
def test_a_wrong_body_is_told(api: Api, body: bytes, status: int) -> None:
    problem(api.send("/v1/preview", body), status)


def test_a_wrong_field_is_pointed_at(api: Api) -> None:
    errors = problem(api.post("/v1/preview", filter="x", limit=0, other=1), 422, "bad-request")
    assert {error["pointer"] for error in errors} == {"/limit", "/other"}


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/xml", "multipart/form-data", "json", "\xff"])
def test_only_json_is_read(api: Api, kind: str | None) -> None:
    headers = {name.encode(): value.encode() for name, value in api.headers.items()}
    if kind is not None:
        headers[b"Content-Type"] = kind.encode("latin-1")
    body = b'{"filter": "customer.rating IS MISSING"}'
    problem(api.client.post("/v1/preview", content=body, headers=headers), 415, "not-json")


def test_json_may_name_its_encoding(api: Api) -> None:
    body = b'{"filter": "customer.name = \'x\'"}'
    assert api.send("/v1/preview", body, "application/json; charset=utf-8").status_code == 200


def test_a_large_body_is_refused_also_without_its_length(api: Api) -> None:
    def chunks() -> Iterator[bytes]:
        yield from (b" " * 100_000 for _ in range(20))

    headers = api.headers | {"Content-Type": "application/json"}
    problem(api.client.post("/v1/preview", content=chunks(), headers=headers), 413)


@pytest.mark.parametrize("path", ["/v1/preview", "/v1/preview.csv", "/v1/compile"])
def test_a_wrong_method_is_told(api: Api, path: str) -> None:
    problem(api.get(path), 405)


def test_an_unknown_address_is_told(api: Api) -> None:
    for path in ("/v1", "/v1/nothing", "/v1/preview/", "/v1/ledgers/x", "/static/../../app/main.py", "/static/none"):
        problem(api.get(path), 404)


FILTERS = (
    FILTER,
    "ANY invoice (balance > 1000 AND days_overdue > 30) AND NO payment (date IN LAST 30 DAYS)",
    "COUNT(invoice WHERE is_overdue) >= 3 OR SUM(invoice.balance WHERE status = 'void') > 20% * customer.balance_total",
    "FIRST(invoice.days_overdue WHERE is_open BY due_date, balance DESC) BETWEEN 17 AND 24",
    "customer.portfolios HAS ANY ('Retail', 'Enterprise') AND NOT customer.chasing_paused",
    "customer.rating IN ($r) OR group.balance_overdue / $n > invoice.balance * invoice.amount",
    "invoice.due_date + 99999 DAYS > customer.last_payment_date - 100000 YEARS",
)
SPICE = ("\0", "\ud800", "9" * 50, "1e99", "'", '"', "(", ")", "NOT ", "$", "%", "%s", "%(x)s", "--", "\n", "\u202e",
         "🙂", " AND ", " OR ", "0/0", "invoice.", "customer.", "-", "NULL", "{}", "[]", ",", ":")  # fmt: skip
PATHS = ("preview", "preview/invoices", "preview/payments", "preview/credit-notes", "preview.csv", "preview.ndjson",
         "compile", "check", "english", "format", "complete")  # fmt: skip


def mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(0, 4)):
        at, to = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        match rng.randint(0, 3):
            case 0:
                text = text[:at] + rng.choice(SPICE) + text[at:]
            case 1:
                text = text[:at] + text[to:]
            case 2:
                text = text[:at] + text[at:to] * 2 + text[to:]
            case _:
                text = text[:at] + rng.choice(FILTERS) + text[at:]
    return text


@pytest.mark.parametrize("seed", range(10))
def test_no_request_is_our_fault(api: Api, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        path = rng.choice(PATHS)
        field, extra = ("text", {"cursor": rng.randint(0, 80)}) if path == "complete" else ("filter", {})
        asked = {
            field: mutated(rng.choice(FILTERS), rng),
            **extra,
            **rng.choice(({}, {}, {"params": {"r": ["A", "D"], "n": rng.choice((0, 0.5, "x", 10**30))}})),
            **rng.choice(({}, {}, {"level": "group"}, {"as_of": "2026-02-29"}, {"as_of": "2025-12-31"})),
        }
        body = json.dumps(asked).encode()
        if rng.random() < 0.3:
            at = rng.randint(0, len(body))
            body = body[:at] + rng.randbytes(rng.randint(0, 3)) + body[at + rng.randint(0, 3) :]
        response = api.send(f"/v1/{path}", body)
        assert response.status_code < 500, (path, body, response.text)
        if response.status_code != 200:
            problem(response, response.status_code)


# ---------------------------------------------------------------- the service


def test_health(client: TestClient) -> None:
    assert client.get("/live").json() == {"status": "live"}
    assert client.get("/ready").json() == {"status": "ready"}


def test_a_database_that_is_away(database: Database, sample: Company, tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    with client_of(url, tmp_path, pool_min_size=0, pool_timeout_seconds=0.2) as client:
        api = api_of(client, database, sample)
        for response in (api.post("/v1/preview", filter=FILTER), client.get("/ready")):
            problem(response, 503, "database-away")
            assert int(response.headers["Retry-After"]) > 0
        assert client.get("/live").status_code == 200


def test_a_database_that_is_not_migrated(server_url: str, tmp_path: Path) -> None:
    with client_of(server_url, tmp_path, pool_min_size=0) as client:
        problem(client.get("/ready"), 503, "not-migrated")


def test_a_currency_without_rate_is_warned_of(api: Api) -> None:
    """Nobody is selected then, which must not read as nobody owing that much."""
    codes = [warning["code"] for warning in api.answer("/v1/preview", filter="invoice.balance > 1 JPY")["warnings"]]
    assert codes == ["no-rate"]
    assert api.answer("/v1/preview", filter="invoice.balance > 1 GBP")["warnings"] == []


SLOW = Statement("SELECT pg_sleep(20)", {})


def test_a_slow_answer_is_cut(
    database_url: str, database: Database, sample: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "count_statement", lambda *_, **__: SLOW)
    with client_of(database_url, tmp_path, statement_timeout_ms=100) as client:
        problem(api_of(client, database, sample).post("/v1/preview", filter=FILTER), 422, "too-slow")


def test_a_slow_export_is_cut_before_it_is_answered(
    database_url: str, database: Database, sample: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "rows_statement", lambda *_, **__: SLOW)
    with client_of(database_url, tmp_path, export_timeout_ms=100) as client:
        api = api_of(client, database, sample)
        for path in ("/v1/preview.csv", "/v1/preview.ndjson"):
            problem(api.post(path, filter=FILTER), 422, "too-slow")


def test_a_value_out_of_range(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    overflow = Statement("SELECT 4611686018427387904 * 4611686018427387904", {})
    monkeypatch.setattr(lists, "count_statement", lambda *_, **__: overflow)
    problem(api.post("/v1/preview", filter=FILTER), 422, "out-of-range")


def test_a_fault_of_ours_tells_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Statement:
        raise psycopg.ProgrammingError("SELECT secret")

    monkeypatch.setattr(lists, "count_statement", broken)
    response = api.post("/v1/preview", filter=FILTER)
    problem(response, 500, "internal")
    assert "secret" not in response.text
    assert response.headers["X-Request-Id"] in response.json()["detail"]


def test_a_request_has_an_id(client: TestClient) -> None:
    assert client.get("/live", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    made = {client.get("/live", headers={"X-Request-Id": bad}).headers["X-Request-Id"] for bad in ("", "a b", "x" * 65)}
    assert len(made) == 3
    assert not made & {"", "a b"}


def test_the_log_has_neither_filters_nor_keys(api: Api) -> None:
    with capture_logs() as logs:
        api.post("/v1/preview", filter="customer.name = 'Confidential'")
        api.get("/v1/customers/Confidential")
    assert [(line["route"], line["status"]) for line in logs] == [
        ("/v1/preview", 200),
        ("/v1/customers/{source_id:path}", 404),
    ]
    assert all(line.keys() >= {"request_id", "ms"} for line in logs)
    assert "Confidential" not in str(logs)
    assert api.headers["Authorization"] not in str(logs)


def test_metrics_count_routes(api: Api) -> None:
    api.answer("/v1/format", filter="customer.rating = 'D'")
    for path in ("/a", "/b", "/v1/customers/Confidential"):
        api.get(path)
    text = api.client.get("/metrics").text
    assert 'duelist_requests_total{method="POST",route="/v1/format",status="200"}' in text
    assert 'route="none",status="404"' in text
    assert "Confidential" not in text


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_the_page_has_the_key_on_this_machine(client: TestClient, address: str) -> None:
    assert 'content="the key"' in client.get(f"{address}/").text


@pytest.mark.parametrize(
    ("address", "headers"),
    [("http://duelist.example", {}), ("http://127.0.0.1.example", {}), ("http://10.0.0.1", {}),
     ("http://127.0.0.1", {"X-Forwarded-For": "1.2.3.4"}), ("http://127.0.0.1", {"Forwarded": "for=1.2.3.4"})],
)  # fmt: skip
def test_nobody_else_gets_it(client: TestClient, address: str, headers: dict[str, str]) -> None:
    page = client.get(f"{address}/", headers=headers)
    assert page.status_code == 200
    assert "the key" not in page.text


def test_the_page_asks_nothing_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in page.text
    for name in re.findall(r'(?:src|href)="(/static/[^"]*)"', page.text):
        file = client.get(name)
        assert file.status_code == 200
        assert file.headers["Content-Encoding"] == "gzip"
        assert "immutable" in file.headers["Cache-Control"]
        assert client.get(name, headers={"If-None-Match": file.headers["ETag"]}).status_code == 304
        plain = client.get(name, headers={"Accept-Encoding": "identity"})
        assert plain.content == file.content == (STATIC / name.split("/")[2].split("?")[0]).read_bytes()


@pytest.mark.parametrize("digest", ["", "?", "?0123456789abcdef"])
def test_what_is_not_named_by_its_digest_is_not_kept(client: TestClient, digest: str) -> None:
    file = client.get(f"/static/page.js{digest}")
    assert file.headers["Cache-Control"] == "no-cache"
    assert file.headers["Vary"] == "Accept-Encoding"


def test_the_style_of_the_editor_is_let_in_once(client: TestClient) -> None:
    nonces = [re.findall(r'duelist-nonce" content="([^"]+)"', client.get("/").text)[0] for _ in range(2)]
    assert nonces[0] != nonces[1]
    policy = client.get("/").headers["Content-Security-Policy"]
    assert re.search(r"style-src 'self' 'nonce-[\w-]{16,}'", policy)
    assert "script-src 'self';" in policy


def test_the_calls_are_listed(client: TestClient) -> None:
    page = client.get("/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "POST /v1/preview.csv" in page.text
    assert "<code>match_all</code>" in page.text
    assert "customer | group" in page.text
    assert "{{" not in page.text


def test_a_company_without_a_ledger_is_answered(client: TestClient, database: Database) -> None:
    empty = companies.create(database, "Empty", currency="EUR", country=None, time_zone="UTC")
    found = api_of(client, database, empty).answer("/v1/preview", filter=FILTER)
    assert found["counts"] == {"customers": 0, "invoices": 0, "payments": 0}
    assert found["next_cursor"] is None
