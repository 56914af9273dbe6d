"""The fields that a company defines: what may be one, which values fit, and who sees it."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import count
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import companies, fields
from app.auth import BELIEVED_SECONDS
from app.companies import Company
from app.database import Database
from app.fields import Definition
from app.imports import ImportRefused, import_ledger
from app.problems import Problem
from app.vocabulary import catalog_of
from dsl import CATALOG
from dsl.catalog import CUSTOMIZED, Custom, with_custom
from dsl.types import FLAG, MONEY, TEXT
from tests.served import Api, Document, api_of, client_of
from tests.test_cli import Run, chosen_database, data_dir, run
from tests.test_imports import folder

__all__ = ["chosen_database", "data_dir", "run"]  # fixtures

_numbers = count(1)


@pytest.fixture
def company(database: Database) -> Company:
    return companies.create(database, f"Own {next(_numbers)}", currency="EUR", country="DE", time_zone="UTC")


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest.fixture
def api(client: TestClient, database: Database, company: Company) -> Api:
    return api_of(client, database, company, "admin")


def load(database: Database, company: Company, files: Mapping[str, str], **options: Any) -> None:
    with folder(files) as path, database.transaction(company.company_id, write=True) as connection:
        import_ledger(connection, company, [path], **options)


def customers(database: Database, company: Company, *cells: str, column: str = "x") -> None:
    rows = "".join(f'C{number},"{cell}"\n' for number, cell in enumerate(cells, 1))
    load(database, company, {"customers": f"source_id,custom.{column}\n{rows}"})


def stored(database: Database, company: Company, column: str = "x") -> list[object]:
    with database.transaction(company.company_id) as connection:
        rows = connection.execute("SELECT custom ->> %s FROM customer ORDER BY source_id", [column])
        return [value for (value,) in rows]


def put(api: Api, field: str, **definition: object) -> Any:
    return api.client.put(f"/v1/fields/{field}", json=definition, headers=api.headers)


def delete(api: Api, field: str) -> Any:
    return api.client.delete(f"/v1/fields/{field}", headers=api.headers)


def found(api: Api, filter: str) -> list[str]:
    return [row["source_id"] for row in api.answer("/v1/preview", filter=filter)["customers"]]


def codes(response: Any, status: int = 422) -> list[str]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [error["code"] for error in response.json()["errors"]]


# ---------------------------------------------------------------- the catalog of a company


def test_equal_definitions_make_one_catalog() -> None:
    one, two = (Custom("customer", name, TEXT, name) for name in ("one", "two"))
    assert with_custom(CATALOG, [one, two]) is with_custom(CATALOG, [two, Custom("customer", "one", TEXT, "one")])
    assert with_custom(CATALOG, [one]) is not with_custom(CATALOG, [two])
    assert with_custom(CATALOG, []) is CATALOG


def test_only_the_entities_with_own_fields_differ() -> None:
    own = with_custom(CATALOG, [Custom("invoice", "fee", MONEY, "fee")])
    same = {name for name, entity in own.entities.items() if entity is CATALOG.entities[name]}
    assert set(own.entities) - same == {"invoice"}
    assert list(own.entities["invoice"].fields)[-1] == "custom.fee"
    assert not [name for entity in CATALOG.entities.values() for name in entity.fields if "custom." in name]


def test_the_fields_of_a_company_are_read_in_its_transaction_whoever_asks(database: Database, company: Company) -> None:
    other = companies.create(database, f"Own {next(_numbers)}", currency="EUR", country="DE", time_zone="UTC")
    fields.define(database, company, "customer", "x", Definition(type="money"), "us")
    with database.transaction(other.company_id) as connection:
        assert catalog_of(connection) is CATALOG
        connection.execute("SET LOCAL ROLE NONE")  # row-level security does not bind the owner
        assert catalog_of(connection) is CATALOG
    with database.transaction(company.company_id) as connection:
        assert catalog_of(connection) is companies.chosen(database, company.name).catalog is not CATALOG


# ---------------------------------------------------------------- from definition to answer

EVERY_TYPE: dict[str, tuple[Document, str, str, str, object, str]] = {
    # definition, cells of C1 to C3, what is stored and shown of C1, a filter that holds for C1 alone
    "text": ({"type": "text"}, "Née", "x", "Née", "Née", "= 'Née'"),
    "choice": (
        {"type": "choice", "choices": ["Low", "High"], "ordered": True}, "high", "LOW", "High", "High", "> 'low'"),
    "number": ({"type": "number"}, "+07.50", "-1", "7.5", "7.5", "BETWEEN 7.4 AND 7.6"),
    "count": ({"type": "count"}, "007", "0", "7", 7, ">= 1"),
    "percent": ({"type": "percent"}, "80 %", "5.50", "80", "80", "> 50%"),
    "money": ({"type": "money"}, "1000.5", "-0", "1000.50", "1000.50", "> 1000 EUR"),
    "date": ({"type": "date"}, "2026-02-28", "2026-03-01", "2026-02-28", "2026-02-28", "< 2026-03-01"),
    "flag": ({"type": "flag"}, "YES", "0", "true", True, "= true"),
    "set": ({"type": "set"}, "b | a|b|", "|", "b|a", ["b", "a"], "HAS 'a'"),
}  # fmt: skip


@pytest.mark.parametrize("before", [True, False], ids=["defined before", "defined after"])
@pytest.mark.parametrize("kind", EVERY_TYPE)
def test_every_type(database: Database, company: Company, api: Api, kind: str, before: bool) -> None:
    definition, first, second, spelled, shown, test = EVERY_TYPE[kind]
    if before:
        assert put(api, "customer/x", **definition).status_code == 200
    customers(database, company, first, second, "")
    assert put(api, "customer/x", **definition).status_code == 200
    values = stored(database, company)
    assert (values[0], values[2]) == (spelled, None)
    answer = api.answer("/v1/preview", filter=f"customer.custom.x {test}")
    assert [(row["source_id"], row["custom.x"]) for row in answer["customers"]] == [("C1", shown)]
    assert found(api, f"NOT customer.custom.x {test}") == ["C2", "C3"]
    missing = {"flag": [], "set": ["C2", "C3"]}.get(kind, ["C3"])
    assert found(api, "customer.custom.x IS MISSING") == missing
    assert api.client.get("/v1/customers/C1", headers=api.headers).json()["custom"] == {"x": spelled}
    customers(database, company, first, second, "")
    assert stored(database, company) == values  # the same file changes nothing


def test_it_is_in_everything_that_is_said(database: Database, company: Company, api: Api) -> None:
    customers(database, company, "Basic", "Premium")
    filter = "customer.custom.x IN ('Basic')"
    assert codes(api.post("/v1/preview", filter=filter)) == ["unknown-field"]
    definition = {"type": "choice", "choices": ["Basic", "Premium"], "label": "contract"}
    assert (
        put(api, "customer/x", **definition).json()
        == {"entity": "customer", "name": "x", "ordered": False} | definition
    )
    assert found(api, filter) == ["C1"]  # at once, though the caller was known before
    compiled = api.answer("/v1/compile", filter=filter)
    assert compiled["english"] == "Customers whose \"contract\" is 'Basic'."
    assert compiled["fields"] == ["customer.custom.x"]
    assert compiled["canonical"] == filter
    [error] = api.answer("/v1/check", filter="customer.custom.x = 'Basik'")["errors"]
    assert error["fixes"][0]["text"] == "'Basic'"
    offered = api.answer("/v1/complete", text="customer.custom.", cursor=16)
    assert [(item["insert"], item["label"]) for item in offered["items"]] == [("x", "contract")]
    listed = {entity["name"]: entity["fields"] for entity in api.get("/v1/catalog").json()["entities"]}
    assert [field["choices"] for field in listed["customer"] if field["name"] == "custom.x"] == [["Basic", "Premium"]]
    assert api.post("/v1/preview.csv", filter=filter).text == "source_id,name,custom.x\r\nC1,C1,Basic\r\n"
    assert json.loads(api.post("/v1/preview.ndjson", filter=filter).text)["custom.x"] == "Basic"
    assert delete(api, "customer/x").status_code == 204
    assert codes(api.post("/v1/preview", filter=filter)) == ["unknown-field"]
    assert stored(database, company) == ["Basic", "Premium"]


def test_money_is_in_the_currency_of_its_document(database: Database, company: Company, api: Api) -> None:
    files = {
        "customers": "source_id,currency,custom.fee\nC1,USD,10\nC2,,10\n",
        "invoices": "source_id,customer_id,issue_date,amount,currency,custom.fee\n"
        "I1,C1,2026-01-01,1,EUR,10\nI2,C2,2026-01-01,1,USD,10\n",
        "payments": "source_id,customer_id,date,amount,custom.fee\nP1,C1,2026-01-01,1,10\n",
        "fx_rates": "currency,date,rate\nUSD,2026-01-01,0.5\n",
    }
    load(database, company, files)
    for entity in CUSTOMIZED:
        assert put(api, f"{entity}/fee", type="money").status_code == 200
    assert found(api, "customer.custom.fee = 10 EUR") == ["C2"]
    assert found(api, "SUM(invoice.custom.fee) = 20") == ["C1"]
    assert found(api, "invoice.custom.fee = 5 EUR") == ["C2"]
    assert found(api, "payment.custom.fee = 10 USD") == ["C1"]
    row = api.answer("/v1/preview/invoices", filter="invoice.custom.fee = 10 AND customer.currency = 'USD'")[
        "invoices"
    ][0]
    assert (row["custom.fee"], row["currency"]) == ("10.00", "EUR")


def test_the_past_has_the_current_values(database: Database, company: Company, api: Api) -> None:
    invoices = "source_id,customer_id,issue_date,amount,custom.x\nI1,C1,2020-01-01,1,4\nI2,C1,2025-01-01,1,5\n"
    load(database, company, {"customers": "source_id\nC1\n", "invoices": invoices})
    assert put(api, "invoice/x", type="count").status_code == 200
    for value, number in ((4, 1), (5, 0)):
        answer = api.answer("/v1/preview", filter=f"invoice.custom.x = {value}", as_of="2021-01-01")
        assert answer["counts"]["customers"] == number


# ---------------------------------------------------------------- values that do not fit

BAD = [
    ({"type": "choice", "choices": ["Basic"]}, "Basik", "bad-choice"),
    ({"type": "number"}, "1,5", "bad-number"),
    ({"type": "number"}, "NaN", "bad-number"),
    ({"type": "number"}, "1e5", "bad-number"),
    ({"type": "number"}, "1" * 16, "number-out-of-range"),
    ({"type": "number"}, "0.00000000001", "too-many-decimals"),
    ({"type": "count"}, "1.0", "bad-number"),
    ({"type": "count"}, "-1", "bad-number"),
    ({"type": "percent"}, "%", "bad-number"),
    ({"type": "money"}, "1.00001", "too-many-decimals"),
    ({"type": "money"}, "900000000000000.0001", "number-out-of-range"),
    ({"type": "money"}, "1 EUR", "bad-number"),
    ({"type": "date"}, "2026-02-29", "bad-date"),
    ({"type": "date"}, "infinity", "bad-date"),
    ({"type": "date"}, "1899-12-31", "date-out-of-range"),
    ({"type": "flag"}, "maybe", "bad-flag"),
    ({"type": "set"}, "x" * 201, "too-long"),
]


@pytest.mark.parametrize(("definition", "cell", "code"), BAD)
def test_a_value_that_does_not_fit_is_refused_first_or_last(
    database: Database, company: Company, api: Api, definition: Document, cell: str, code: str
) -> None:
    customers(database, company, cell)
    response = put(api, "customer/x", **definition)
    assert codes(response) == [code]
    assert response.json()["type"].endswith(":values-do-not-fit")
    assert response.json()["errors"][0]["source_id"] == "C1"
    assert api.get("/v1/fields").json() == {"fields": []}
    customers(database, company, "")
    assert put(api, "customer/x", **definition).status_code == 200
    with pytest.raises(ImportRefused) as refused:
        customers(database, company, cell)
    assert [(bad.line, bad.column, bad.code) for bad in refused.value.problems] == [(2, "custom.x", code)]
    assert stored(database, company) == [None]


def test_the_first_values_that_do_not_fit_are_named_and_all_are_counted(
    database: Database, company: Company, api: Api
) -> None:
    customers(database, company, "yes", *["maybe"] * 1_234)
    response = put(api, "customer/x", type="flag")
    assert len(codes(response)) == 10
    assert response.json()["detail"].startswith("1,234 customers have values that flag does not fit: 'C10': 'maybe' is")
    assert [error["source_id"] for error in response.json()["errors"]][:2] == ["C10", "C100"]
    assert stored(database, company)[0] == "yes"  # as it was


def test_a_type_may_change_where_the_values_fit(database: Database, company: Company, api: Api) -> None:
    customers(database, company, "1.50", "2")
    for kind, status in (("text", 200), ("number", 200), ("count", 422), ("money", 200), ("date", 422)):
        assert put(api, "customer/x", type=kind).status_code == status
    assert stored(database, company) == ["1.50", "2.00"]
    assert [field["type"] for field in api.get("/v1/fields").json()["fields"]] == ["money"]


def test_other_columns_stay_as_they_are(database: Database, company: Company, api: Api) -> None:
    put(api, "customer/x", type="number")
    load(database, company, {"customers": "source_id,custom.x,custom.y\nC1,01.0,01.0\n"})
    assert (stored(database, company), stored(database, company, "y")) == (["1"], ["01.0"])


def test_a_set_may_be_a_list_in_json(database: Database, company: Company, api: Api) -> None:
    line = '{"source_id": "C1", "custom.x": ["b", "a"]}\n'
    with pytest.raises(ImportRefused):
        load(database, company, {"customers.ndjson": line})
    put(api, "customer/x", type="set")
    load(database, company, {"customers.ndjson": line})
    assert stored(database, company) == ["b|a"]


# ---------------------------------------------------------------- what cannot be defined


@pytest.mark.parametrize(
    ("field", "definition", "said"),
    [
        ("group/x", {"type": "text"}, "customer, invoice, payment"),
        ("customer/X", {"type": "text"}, "a-z"),
        ("customer/1x", {"type": "text"}, "a-z"),
        ("customer/x.y", {"type": "text"}, "a-z"),
        ("customer/" + "x" * 64, {"type": "text"}, "63"),
        ("customer/%C3%BC", {"type": "text"}, "a-z"),
        ("customer/x'", {"type": "text"}, "a-z"),
        ("customer/x%00", {"type": "text"}, "a-z"),
        ("customer/x", {"type": "text", "label": ""}, "label"),
        ("customer/x", {"type": "text", "label": 'the "x"'}, "quotation mark"),
        ("customer/x", {"type": "text", "label": "x\ny"}, "printable"),
        ("customer/x", {"type": "text", "label": "\x07"}, "printable"),
        ("customer/x", {"type": "text", "choices": ["a"]}, "only a choice"),
        ("customer/x", {"type": "flag", "ordered": True}, "only a choice"),
        ("customer/x", {"type": "choice"}, "1 to 200"),
        ("customer/x", {"type": "choice", "choices": ["a", "A"]}, "letter case"),
        ("customer/x", {"type": "choice", "choices": ["a", ""]}, "1 to 200 printable"),
        ("customer/x", {"type": "choice", "choices": [" a"]}, "no space around"),
        ("customer/x", {"type": "choice", "choices": [f"{n}" for n in range(201)]}, "1 to 200"),
    ],
)
def test_what_cannot_be_a_field(api: Api, field: str, definition: Document, said: str) -> None:
    response = api.client.put(
        f"/v1/fields/{field}",
        content=json.dumps(definition),
        headers={**api.headers, "Content-Type": "application/json"},
    )
    assert codes(response) == ["bad-field"]
    assert said in response.json()["detail"]
    assert api.get("/v1/fields").json() == {"fields": []}


@pytest.mark.parametrize(
    "body", [{}, {"type": "days"}, {"type": "text", "more": 1}, {"type": "choice", "choices": "ab"}, {"type": 1}]
)
def test_what_is_no_definition(api: Api, body: Document) -> None:
    assert set(codes(put(api, "customer/x", **body))) == {"bad-request"}


def test_two_fields_do_not_have_one_label(api: Api) -> None:
    assert put(api, "customer/one", type="text", label="Plan").status_code == 200
    assert codes(put(api, "customer/plan", type="text")) == ["label-taken"]
    assert put(api, "invoice/plan", type="text").status_code == 200
    assert put(api, "customer/one", type="text", label="plan").status_code == 200


def test_there_are_so_many_fields_and_no_more(
    database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fields, "MOST_FIELDS", 3)
    for name in ("a", "b", "c", "a"):
        fields.define(database, company, "customer", name, Definition(type="text"), "us")
    with pytest.raises(Problem, match="3 fields of customer"):
        fields.define(database, company, "customer", "d", Definition(type="text"), "us")
    fields.define(database, company, "customer", "a", Definition(type="flag"), "us")
    fields.define(database, company, "invoice", "d", Definition(type="text"), "us")


def test_only_an_admin_defines_and_removes(client: TestClient, database: Database, company: Company) -> None:
    for scope in ("read", "write"):
        api = api_of(client, database, company, scope)
        assert codes(put(api, "customer/x", type="text"), HTTPStatus.FORBIDDEN) == ["wrong-scope"]
        assert codes(delete(api, "customer/x"), HTTPStatus.FORBIDDEN) == ["wrong-scope"]
        assert api.get("/v1/fields").json() == {"fields": []}
    assert client.put("/v1/fields/customer/x", json={"type": "text"}).status_code == 401


@pytest.mark.parametrize("field", ["customer/x", "group/x", "customer/X%00", "ü/%C3%BC"])
def test_what_is_not_there_cannot_be_removed(api: Api, field: str) -> None:
    assert codes(delete(api, field), HTTPStatus.NOT_FOUND) == ["unknown-field"]


# ---------------------------------------------------------------- two companies, two at a time


def test_companies_have_fields_of_the_same_name(client: TestClient, database: Database) -> None:
    one, two = (
        companies.create(database, f"Own {next(_numbers)}", currency="EUR", country="DE", time_zone="UTC")
        for _ in range(2)
    )
    customers(database, one, "10", "9")
    customers(database, two, "10", "x")
    first, second = (api_of(client, database, company, "admin") for company in (one, two))
    assert put(first, "customer/x", type="number").status_code == 200
    assert codes(second.post("/v1/preview", filter="customer.custom.x > 9")) == ["unknown-field"]
    assert put(second, "customer/x", type="text").status_code == 200
    assert found(first, "customer.custom.x > 9") == ["C1"]
    assert codes(second.post("/v1/preview", filter="customer.custom.x > 9")) == ["wrong-operator"]
    assert found(second, "customer.custom.x CONTAINS 'x'") == ["C2"]
    assert codes(first.post("/v1/preview", filter="customer.custom.x CONTAINS 'x'"))
    assert delete(second, "customer/x").status_code == 204
    assert found(first, "customer.custom.x > 9") == ["C1"]


def test_another_process_learns_within_a_second(api: Api, database: Database, company: Company) -> None:
    customers(database, company, "a")
    assert codes(api.post("/v1/preview", filter="customer.custom.x = 'a'")) == ["unknown-field"]
    fields.define(database, company, "customer", "x", Definition(type="text"), "us")  # not through this service
    time.sleep(BELIEVED_SECONDS)
    assert found(api, "customer.custom.x = 'a'") == ["C1"]


def test_a_definition_waits_for_an_import(database: Database, company: Company) -> None:
    failed: list[Problem] = []

    def define() -> None:
        try:
            fields.define(database, company, "customer", "x", Definition(type="number"), "us")
        except Problem as problem:
            failed.append(problem)

    with (
        folder({"customers": "source_id,custom.x\nC1,abc\n"}) as path,
        database.transaction(company.company_id, write=True) as connection,
    ):
        import_ledger(connection, company, [path])
        waiting = threading.Thread(target=define)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join()
    assert [problem.code for problem in failed] == ["values-do-not-fit"]


def test_an_import_waits_for_a_definition(database: Database, company: Company) -> None:
    refused: list[ImportRefused] = []

    def load_it() -> None:
        try:
            customers(database, company, "abc")
        except ImportRefused as refusal:
            refused.append(refusal)

    with database.transaction(company.company_id, write=True) as connection:
        fields.store(connection, company.company_id, Custom("customer", "x", FLAG, "x"), "us")
        waiting = threading.Thread(target=load_it)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join()
    assert [bad.code for bad in refused[0].problems] == ["bad-flag"]
    assert stored(database, company) == []


def test_the_same_definition_again_writes_nothing(database: Database, company: Company) -> None:
    def define() -> None:
        fields.define(database, company, "customer", "x", Definition(type="choice", choices=["a"]), "us")

    def version() -> list[tuple[object, ...]]:
        with database.transaction(company.company_id) as connection:
            return connection.execute("SELECT xmin::text FROM custom_field").fetchall()

    define()
    before = version()
    define()
    assert version() == before


# ---------------------------------------------------------------- the command line


@pytest.mark.usefixtures("chosen_database")
def test_the_command_line(run: Run, database: Database, company: Company) -> None:
    of = ("--company", company.name)
    customers(database, company, "Basic", "Premium")
    assert "no field is defined yet" in run("field", "list", *of).err
    refused = run("field", "define", "customer", "x", "--type", "flag", *of)
    assert refused.code == 1
    assert "'C1': 'Basic' is neither yes nor no" in refused.err
    assert run("field", "define", "group", "x", "--type", "flag", *of).code == 2
    choices = ("--choice", "Basic", "--choice", "Premium", "--ordered", "--label", "contract")
    assert run("field", "define", "customer", "x", "--type", "choice", *choices, *of).code == 0
    listed = json.loads(run("field", "list", *of, "--format", "json").out)
    assert listed == [
        {"entity": "customer", "name": "x", "type": "choice", "label": "contract", "choices": ["Basic", "Premium"],
         "ordered": True}
    ]  # fmt: skip
    assert "Basic, Premium (ordered)" in run("field", "list", *of).out
    assert "custom.x" in run("catalog", "customer", *of).out
    assert "custom.x" not in run("catalog", "customer").out
    preview = run("preview", "customer.custom.x > 'Basic'", *of)
    assert (preview.code, "C2" in preview.out) == (0, True)
    assert "a field of your own" in run("audit", "customer.custom.x > 'Basic'", *of).err
    assert "whose \"contract\" is after 'Basic'." in run("english", "customer.custom.x > 'Basic'", *of).out
    assert "duelist field define customer x" in run("english", "customer.custom.x > 'Basic'").err
    assert run("field", "remove", "customer", "x", *of).code == 0
    unknown = run("field", "remove", "customer", "x", *of)
    assert unknown.code == 2
    assert "no field of your own" in unknown.err
