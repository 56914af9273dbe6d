"""Texts that would be a command elsewhere stay texts: wherever one may be put, it comes back as it was, or is refused,
and nothing else in the database has changed. What is made of them is safe to log and to open in a spreadsheet."""

import csv
import io
import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from app import auth, companies, fields
from app.cells import Shown
from app.companies import Company
from app.database import Database
from app.imports import ImportRefused, import_ledger
from app.logs import set_up_logging
from dsl import CATALOG
from dsl.literals import quoted
from tests.direct import JSON, Answer, Direct, direct

PAYLOADS = (
    "'; DROP TABLE customer; --",
    "' OR '1'='1",
    "x' UNION SELECT secret FROM webhook --",
    '"; DROP TABLE customer; --',
    "$$; DROP TABLE customer; $$",
    "$1",
    "\\'; SELECT pg_sleep(9); --",
    "\\",
    "%s",
    "%(company)s",
    "%",
    "%%",
    ":company",
    "{}",
    "{0.__class__}",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "|| true",
    "`id`",
    "$(id)",
    "\u02bc OR 1=1",
    "\uff07 OR 1=1",
    "\u2019; --",
    "_",
    "a%b_c",
    "!",
    "!%",
    "!_!",
    ".*",
    "^(a+)+$",
    "[a-z]",
    "null",
    "NULL",
    "true",
    "0x31",
    "1; 2",
    "E'\\x41'",
    "U&'\\0041'",
    "/* x */",
    '{"status": 200}',
    "[bold red]x[/]",
)
# What no stored text can have, or no name may.
UNSTORABLE = ("a\0b", "\ud800", "x\r\nSet-Cookie: a=b", "a\nb", "\x1b[31m")


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Every payload is the id, the name, the reference and a value of its own of a customer."""
    folder = tmp_path_factory.mktemp("files")
    with (folder / "customers.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["source_id", "name", "reference", "portfolios", "custom.note"])
        table.writerows([payload, payload, payload, payload.replace("|", "/"), payload] for payload in PAYLOADS)
        table.writerow(["C1", "plain", "", "", ""])
    (folder / "invoices.csv").write_text("source_id,customer_id,issue_date,amount\nI1,C1,2026-01-01,-12.50\n")
    made = companies.create(database, PAYLOADS[0], currency="EUR", country="DE", time_zone="UTC")
    with database.transaction(made.company_id, write=True) as connection:
        fields.store(connection, made.company_id, note("customer"), "test")
        import_ledger(connection, made, [folder])
    assert made.name == PAYLOADS[0]
    return companies.chosen(database, PAYLOADS[0])


def note(entity: str) -> Any:
    return fields._field(entity, "note", fields.Definition(type="text"))


@pytest.fixture(scope="module")
def service(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Direct]:
    with direct(database_url, tmp_path_factory.mktemp("data"), webhook_private=True) as service:
        yield service


@pytest.fixture(scope="module")
def key(database: Database, company: Company) -> str:
    return auth.create_key(database, company, "admin")


def shape_of(database: Database, company: Company) -> dict[str, object]:
    """The columns of every table, and how many rows of a ledger there are."""
    with database.owner() as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1, 2"
        ).fetchall()
    with database.transaction(company.company_id) as connection:
        counts = connection.execute("SELECT (SELECT count(*) FROM customer), (SELECT count(*) FROM invoice)").fetchone()
    return {"columns": columns, "counts": counts}


@pytest.fixture(scope="module", autouse=True)
def _nothing_else_has_changed(database: Database, company: Company) -> Iterator[None]:
    shape = shape_of(database, company)
    yield
    assert shape_of(database, company) == shape


def asked(service: Direct, key: str, path: str, method: str = "POST", **body: object) -> Answer:
    return service.ask(key, method, path, json.dumps(body).encode())


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [row["name"] for row in answer.document["customers"]]


FIELDS = ("source_id", "name", "reference", "custom.note")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_literal_selects_who_is_called_so_and_nobody_else(service: Direct, key: str, payload: str) -> None:
    is_so = " AND ".join(f"customer.{field} = {quoted(payload)}" for field in FIELDS)
    assert names(asked(service, key, "/v1/preview", filter=is_so)) == [payload]
    by_value = " AND ".join(f"customer.{field} IN ($x)" for field in FIELDS)
    assert names(asked(service, key, "/v1/preview", filter=by_value, params={"x": [payload]})) == [payload]
    holding = sorted(other for other in PAYLOADS if payload.casefold() in other.casefold())
    found = names(asked(service, key, "/v1/preview", filter="customer.name CONTAINS $x", params={"x": payload}))
    assert sorted(found) == holding, "a wildcard of LIKE is a letter here"
    ends = "customer.name STARTS WITH $x AND customer.name ENDS WITH $x"
    assert set(names(asked(service, key, "/v1/preview", filter=ends, params={"x": payload}))) <= set(holding)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_name_of_anything_is_refused_or_no_other(service: Direct, key: str, payload: str) -> None:
    for body in (
        {"filter": f"customer.{payload} = 1"},
        {"filter": f"{payload}.name = 1"},
        {"filter": f"FIRST(invoice.balance BY {payload}) > 1"},
        {"filter": f"customer IN SEGMENT {quoted(payload)}"},
        {"filter": "customer.name = $x", "params": {"x": "a", payload: "b"}},
        {"filter": "customer.name != ''", "cursor": payload},
        {"filter": "customer.name != ''", "level": payload},
        {"filter": "customer.name != ''", "as_of": payload},
        {"filter": "customer.name != ''", payload: 1},
    ):
        assert asked(service, key, "/v1/preview", **body).status == 422, body
    assert service.ask(f"duelist_1_{quote(payload)}_x", "GET", "/v1/catalog").status == 401


@pytest.mark.parametrize("payload", PAYLOADS)
def test_an_address_names_a_record_and_nothing_else(service: Direct, key: str, payload: str) -> None:
    found = service.ask(key, "GET", f"/v1/customers/{quote(payload, safe='')}")
    assert found.document["name"] == found.document["reference"] == payload
    for path in ("/v1/runs?before=", "/v1/overlap?as_of=", "/v1/workflows/"):
        assert service.ask(key, "GET", path + quote(payload, safe="")).status in (404, 405, 422)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_is_stored_under_a_name_has_that_name(service: Direct, key: str, payload: str) -> None:
    path = f"/v1/segments/{quote(payload, safe='')}"
    assert asked(service, key, path, "PUT", filter=f"customer.name = {quoted(payload)}").status == 200
    assert service.ask(key, "GET", path).document["name"] == payload
    assert names(asked(service, key, "/v1/preview", filter=f"customer IN SEGMENT {quoted(payload)}")) == [payload]
    assert service.ask(key, "DELETE", path).status == 204
    made = asked(service, key, "/v1/workflows", name=payload, filter=f"customer.name = {quoted(payload)}")
    assert made.document["name"] == payload
    run_path = f"{made.headers['location']}/runs"
    run = service.ask(key, "POST", run_path, b"{}", (*JSON, (b"idempotency-key", payload.encode("utf-8"))))
    assert run.document["workflow"]["name"] == payload
    rows = service.ask(key, "GET", f"{run.headers['location']}/customers").document
    assert [row["name"] for row in rows["customers"]] == [payload]
    hook = f"http://127.0.0.1:9/{payload}"
    if asked(service, key, "/v1/webhook", "PUT", url=hook).status == 200:
        assert service.ask(key, "GET", "/v1/webhook").document["url"] == hook
    labelled = asked(service, key, "/v1/fields/customer/tier", "PUT", type="choice", label=payload, choices=[payload])
    if labelled.status == 200:
        assert [labelled.document["label"], labelled.document["choices"]] == [payload, [payload]]
        assert service.ask(key, "DELETE", "/v1/fields/customer/tier").status == 204


@pytest.mark.parametrize("payload", UNSTORABLE)
def test_what_cannot_be_stored_is_refused(service: Direct, key: str, payload: str) -> None:
    in_address = quote(payload, safe="", errors="surrogatepass")
    for method, path, body in (
        ("PUT", f"/v1/segments/{in_address}", {"filter": "customer.strike = 1"}),
        ("POST", "/v1/workflows", {"name": payload, "filter": "customer.strike = 1"}),
        ("PUT", "/v1/webhook", {"url": f"http://127.0.0.1:9/{payload}"}),
        ("PUT", "/v1/fields/customer/tier", {"type": "text", "label": payload}),
        ("PUT", "/v1/fields/customer/tier", {"type": "choice", "choices": [payload]}),
        ("PUT", f"/v1/fields/customer/{in_address}", {"type": "text"}),
    ):
        answer = asked(service, key, path, method, **body)
        assert answer.status in (404, 422), (method, path, answer.body)
    for path in ("customers", "workflows", "runs", "segments"):
        assert service.ask(key, "GET", f"/v1/{path}/{in_address}").status in (404, 422)
    for path in (f"/v1/overlap?after={in_address}", f"/v1/runs/1/customers?after={in_address}"):
        assert service.ask(key, "GET", path).status in (200, 404, 422)


@pytest.mark.parametrize("payload", [*PAYLOADS, *UNSTORABLE])
def test_no_company_is_called_what_nobody_can_print(database: Database, payload: str) -> None:
    try:
        made = companies.create(database, f"A {payload}", currency="EUR", country=None, time_zone="UTC")
    except companies.BadCompany:
        assert not payload.isprintable()
    else:
        assert companies.chosen(database, f"A {payload}").company_id == made.company_id


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if "/" not in payload])
def test_a_file_and_its_columns_are_not_what_they_are_called(
    database: Database, company: Company, tmp_path: Path, payload: str
) -> None:
    named = tmp_path / f"{payload}.csv"
    named.write_text("source_id\nX1\n")
    columns = tmp_path / "customers.csv"
    with columns.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["source_id", payload], ["X1", "x"]])
    for path in (named, columns):
        with (
            pytest.raises(ImportRefused),
            database.transaction(company.company_id, write=True) as connection,
        ):
            import_ledger(connection, company, [path])


def test_a_line_of_the_log_is_one_object_of_json(service: Direct, key: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever is sent; and none of it stands there."""
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.getLogger("duelist").level
    set_up_logging("info")
    try:
        for payload in ("forged\\n{}", 'forged","status":200}', "forged\x1b[31m", "forged\r\n{}", *PAYLOADS):
            asked(service, key, f"/v1/customers/{quote(payload)}", "GET")
            asked(service, key, f"/v1/{quote(payload, safe='')}", "GET")
            asked(service, key, "/v1/check", filter=f"customer.{payload}")
            service.ask(
                key, "GET", "/live", b"", ((b"x-request-id", payload.encode()), (b"user-agent", payload.encode()))
            )
    finally:
        structlog.configure(**before)
        logging.root.handlers[:] = handlers
        logging.getLogger("duelist").setLevel(level)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert len(lines) == 4 * (len(PAYLOADS) + 4)
    assert {line["event"] for line in lines} == {"request"}
    assert {line["route"] for line in lines} == {"/v1/customers/{source_id:path}", "none", "/v1/check", "/live"}
    assert "forged" not in str(lines)
    assert "DROP TABLE" not in str(lines)


# ---------------------------------------------------------------- spreadsheets

# Signs with which a spreadsheet begins a formula, also in the wide forms of East Asian keyboards.
FORMULAS = tuple(
    f"{sign}{rest}"
    for sign in ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    for rest in ("1+1", "cmd|'/C calc'!A0")
)
TEXTS = ("a,b", 'say "hi"', "two\nlines", "a;b", "a\tb", "'quoted", " =1+1", "a=1", "1-1", "", "ä🙂", *PAYLOADS)


@pytest.mark.parametrize("text", [*FORMULAS, *TEXTS])
def test_a_cell_of_text_is_itself_or_begins_with_an_apostrophe(text: str) -> None:
    customer = CATALOG.entities["customer"].fields
    shown = Shown({"name": customer["name"], "portfolios": customer["portfolios"]})
    written = shown.csv_header() + shown.csv([{"name": text, "portfolios": [text, "x"]}])
    [row] = csv.DictReader(io.StringIO(written, newline=""))
    guard = "'" if text in FORMULAS else ""
    assert row == {"name": f"{guard}{text}", "portfolios": f"{guard}{text}|x"}


def test_a_negative_amount_stays_a_number(service: Direct, key: str) -> None:
    """A minus before digits runs nothing; with an apostrophe nobody could sum the column."""
    answer = asked(service, key, "/v1/preview.csv", filter="invoice.balance < 0", rows="invoices")
    [row] = csv.DictReader(io.StringIO(answer.body.decode(), newline=""))
    assert [row["amount"], row["balance"]] == ["-12.50", "-12.50"]
    assert Decimal(row["amount"]) == Decimal("-12.5")


def test_a_whole_export_of_payloads_is_read_back(service: Direct, key: str) -> None:
    answer = asked(service, key, "/v1/preview.csv", filter="customer.source_id != 'C1' AND customer.reference != ''")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
    assert sorted(row["name"] for row in rows) == sorted(PAYLOADS)
    assert all(row["source_id"] == row["name"] == row["reference"] for row in rows)
