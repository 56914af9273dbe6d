"""Every route and every kind of caller; and what is refused before a connection is taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from psycopg_pool import ConnectionPool
from starlette.testclient import TestClient

from app import auth, companies, keys
from app.auth import SCOPES, Scope, needed
from app.companies import Company
from app.database import Database
from app.kept import Keeper
from app.main import create_app
from app.settings import Settings
from tests.served import Api, client_of, company_with

# Anybody may ask these.
PUBLIC = {
    ("GET", "/openapi.json"), ("HEAD", "/openapi.json"), ("GET", "/live"), ("GET", "/ready"), ("GET", "/metrics"),
    ("GET", "/"), ("GET", "/docs"), ("", "/static"),
}  # fmt: skip

Route = tuple[str, str]


@dataclass(frozen=True)
class Call:
    """A call that its scope allows; `own` and `other` are answered to the company itself and to another one."""

    scope: Scope
    own: tuple[int, ...] | int
    other: int
    body: object = None
    query: str = ""


FILTER = {"filter": "customer.rating = 'D'"}
READ = Call("read", 200, 200, FILTER)
OF_WORKFLOW = Call("read", 200, 404, {})

# Where each scope asks in turn, `own` has the answers in their order. What takes away comes last.
ROUTES: dict[Route, Call] = {
    ("POST", "/v1/preview"): READ,
    ("POST", "/v1/preview/invoices"): READ,
    ("POST", "/v1/preview/payments"): READ,
    ("POST", "/v1/preview/credit-notes"): READ,
    ("POST", "/v1/preview.csv"): READ,
    ("POST", "/v1/preview.ndjson"): READ,
    ("POST", "/v1/why"): Call("read", 200, 404, {**FILTER, "customer": "C1"}),
    ("POST", "/v1/compile"): READ,
    ("POST", "/v1/english"): READ,
    ("POST", "/v1/format"): READ,
    ("POST", "/v1/check"): READ,
    ("POST", "/v1/complete"): Call("read", 200, 200, {"text": "", "cursor": 0}),
    ("POST", "/v1/funnel"): READ,
    ("POST", "/v1/aging"): READ,
    ("POST", "/v1/parts"): READ,
    ("GET", "/v1/company"): Call("read", 200, 200),
    ("POST", "/v1/forecast"): Call("read", 200, 200, {**FILTER, "days": 1}),
    ("GET", "/v1/catalog"): Call("read", 200, 200),
    ("GET", "/v1/overlap"): Call("read", 200, 200),
    ("GET", "/v1/customers/{source_id:path}"): Call("read", 200, 404),
    ("GET", "/v1/groups/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/invoices/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/payments/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/credit-notes/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/credit_notes/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/contacts/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/activities/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/promises/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/journals/{source_id:path}"): Call("read", 404, 404),
    ("GET", "/v1/workflows"): Call("read", 200, 200),
    ("POST", "/v1/workflows"): Call("write", (201, 409), 201, {**FILTER, "name": "another"}),
    ("GET", "/v1/workflows/{id}"): Call("read", 200, 404),
    ("GET", "/v1/workflows/{id}/versions"): Call("read", 200, 404),
    ("POST", "/v1/workflows/{id}/diff"): OF_WORKFLOW,
    ("POST", "/v1/workflows/{id}/preview"): OF_WORKFLOW,
    ("POST", "/v1/workflows/{id}/preview/{rows}"): OF_WORKFLOW,
    ("POST", "/v1/workflows/{id}/preview.{form}"): OF_WORKFLOW,
    ("POST", "/v1/workflows/{id}/funnel"): OF_WORKFLOW,
    ("POST", "/v1/workflows/{id}/forecast"): Call("read", 200, 404, {"days": 1}),
    ("POST", "/v1/workflows/{id}/runs"): Call("write", 201, 404, {}),
    ("GET", "/v1/workflows/{id}/runs"): Call("read", 200, 404),
    ("GET", "/v1/runs"): Call("read", 200, 200),
    ("GET", "/v1/runs/{id}"): Call("read", 200, 404),
    ("GET", "/v1/runs/{id}/compare"): Call("read", 200, 404),
    ("GET", "/v1/runs/{id}/{kind}"): Call("read", 200, 404),
    ("GET", "/v1/runs/{id}/{kind}.{form}"): Call("read", 200, 404),
    ("GET", "/v1/segments"): Call("read", 200, 200),
    ("PUT", "/v1/segments/{name:path}"): Call("write", 200, 200, {**FILTER, "dry_run": True}),
    ("GET", "/v1/segments/{name:path}"): Call("read", 200, 404),
    ("GET", "/v1/fields"): Call("read", 200, 200),
    ("PUT", "/v1/fields/{entity}/{name}"): Call("admin", 200, 200, {"type": "text"}),
    ("GET", "/v1/webhook"): Call("admin", 200, 404),
    ("PUT", "/v1/webhook"): Call("admin", 200, 200, {"url": "http://127.0.0.1:1/"}),
    ("GET", "/v1/audit-log"): Call("admin", 200, 200),
    ("GET", "/v1/keys"): Call("admin", 200, 200),
    ("POST", "/v1/keys"): Call("admin", 201, 201, {"scope": "read"}),
    ("POST", "/v1/keys/{prefix}/rotate"): Call("admin", 201, 404, {}),
    ("DELETE", "/v1/keys/{prefix}"): Call("admin", 204, 404),
    ("DELETE", "/v1/webhook"): Call("admin", 204, 204),
    ("DELETE", "/v1/fields/{entity}/{name}"): Call("admin", 204, 204),
    ("PUT", "/v1/workflows/{id}"): Call("write", (200, 409), 404, {**FILTER, "name": "changed"}),
    ("DELETE", "/v1/workflows/{id}"): Call("write", (409, 409), 404),
    ("DELETE", "/v1/segments/{name:path}"): Call("write", (204, 404), 404),
}


def scopes_of(app: FastAPI) -> dict[Route, Scope | None]:
    """What each route of an app needs by its own dependencies; None where anybody may call it."""
    found: dict[Route, Scope | None] = {}
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route.original_route, "dependant", None)
        needs = needed(dependant) if dependant else None
        for method in sorted(getattr(route.original_route, "methods", None) or [""]):
            found[method, str(route.path)] = needs.scope if needs else None
    return found


EXPECTED = {route: call.scope for route, call in ROUTES.items()} | dict.fromkeys(PUBLIC)


def test_every_route_has_the_scope_of_the_table(tmp_path: Path) -> None:
    """A new route has to be put into the table, with its scope."""
    app = create_app(Settings(data_dir=tmp_path), "postgresql://nobody@127.0.0.1:1/nothing")
    assert scopes_of(app) == EXPECTED
    app.add_api_route("/v1/new", lambda: None, methods=["POST"])
    assert scopes_of(app).items() - EXPECTED.items() == {(("POST", "/v1/new"), None)}


# ---------------------------------------------------------------- the matrix

LEDGER = {"customers": "source_id,name,rating\nC1,One,D\n"}


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data"), webhook_private=True) as client:
        yield client


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    return company_with(database, "Own", tmp_path_factory.mktemp("own"), LEDGER)


@pytest.fixture(scope="module")
def other(database: Database) -> Company:
    return companies.create(database, "Other", currency="EUR", country=None, time_zone="UTC")


def ended_keys(database: Database, company: Company) -> dict[str, str]:
    """An admin key that has expired, and one that was revoked."""
    found = {name: auth.create_key(database, company, "admin") for name in ("expires", "revoked")}
    with database.transaction(company.company_id, write=True) as connection:
        for name, key in found.items():
            statement = f"UPDATE api_key SET {name}_at = now() WHERE company_id = %s AND prefix = %s"
            connection.execute(statement.encode(), [company.company_id, key.split("_")[2]])
    return found


def places(api: Api, database: Database, company: Company) -> dict[str, str]:
    """What stands for the names in the paths: things of the company."""
    api.post("/v1/workflows", name="zero", **FILTER)  # each company counts its own: the number of "one" is ours alone
    workflow = api.post("/v1/workflows", name="one", **FILTER).json()["id"]
    run = api.post(f"/v1/workflows/{workflow}/runs").json()["id"]
    api.post(f"/v1/workflows/{workflow}/runs")
    api.client.put("/v1/segments/S", json=FILTER, headers=api.headers).raise_for_status()
    api.client.put("/v1/webhook", json={"url": "http://127.0.0.1:1/"}, headers=api.headers).raise_for_status()
    spare = auth.create_key(database, company, "read").split("_")[2]
    return {
        "/workflows/{id}": f"/workflows/{workflow}",
        "/runs/{id}/compare": f"/runs/{run}/compare?with={run}",
        "/runs/{id}": f"/runs/{run}",
        "{source_id:path}": "C1",
        "{name:path}": "S",
        "{prefix}": spare,
        "{rows}": "invoices",
        "{kind}": "customers",
        "{form}": "csv",
        "{entity}": "customer",
        "{name}": "plan",
    }


def asked(client: TestClient, route: Route, address: str, call: Call, key: str | None) -> int:
    headers = {"If-Match": '"1"'} if "workflows" in route[1] else {}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    status: int = client.request(route[0], address, json=call.body, headers=headers).status_code
    return status


def test_every_route_lets_in_whom_it_should(
    client: TestClient, database: Database, company: Company, other: Company
) -> None:
    """Nobody without a key that is valid and of its scope; another company finds nothing of this one."""
    of_scope = {scope: auth.create_key(database, company, scope) for scope in SCOPES}
    strangers = {"none": None, "wrong": "duelist_1_abc", **ended_keys(database, company)}
    stranger = auth.create_key(database, other, "admin")
    named = places(Api(client, of_scope["admin"]), database, company)
    wrong: dict[tuple[str, str, str], tuple[int, int]] = {}
    for route, call in ROUTES.items():
        address = route[1]
        for name, thing in named.items():
            address = address.replace(name, thing)
        own = iter(call.own) if isinstance(call.own, tuple) else iter([call.own] * 3)
        least = SCOPES.index(call.scope)
        expected = [(name, key, 401) for name, key in strangers.items()]
        expected += [(scope, of_scope[scope], 403) for scope in SCOPES[:least]]
        expected += [("other", stranger, call.other)]
        expected += [(scope, of_scope[scope], next(own)) for scope in SCOPES[least:]]
        for who, key, status in expected:
            found = asked(client, route, address, call, key)
            if found != status:
                wrong[*route, who] = found, status
    assert wrong == {}


# ---------------------------------------------------------------- refused without a connection


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The connections that are taken from any pool from now on."""
    names: list[str] = []
    taking = ConnectionPool.getconn

    def counted(self: Any, timeout: float | None = None) -> Any:
        names.append(self.name)
        return taking(self, timeout)

    monkeypatch.setattr(ConnectionPool, "getconn", counted)
    return names


JSON = {"Content-Type": "application/json"}
LARGE = b'{"filter": "' + b"x" * 1_000_000 + b'"}'
RIGHT = b'{"filter": "customer.rating = \'D\'"}'
WRONG_FILTER = b'{"filter": "customer.ratin = 1"}'
EDITED = b'{"name": "x", "filter": "customer.ratin = 1"}'

Refused = tuple[str, str, bytes, dict[str, str], int]

# Of a caller without a key, or with what cannot be one: whatever is sent, the key is what is asked for.
KEYLESS: list[Refused] = [
    ("POST", "/v1/preview", RIGHT, JSON, 401),
    ("POST", "/v1/preview", b"{", JSON, 401),
    ("POST", "/v1/preview", LARGE, JSON, 401),
    ("POST", "/v1/preview", RIGHT, {"Content-Type": "text/plain"}, 401),
    ("POST", "/v1/preview", b'{"filter": 7}', JSON, 401),
    ("PUT", "/v1/workflows/x", b"{", JSON, 401),
    ("GET", "/v1/runs?limit=0", b"", {}, 401),
    ("GET", "/v1/customers/%00", b"", {}, 401),
]

# Of one whose key is known.
KNOWN: list[Refused] = [
    *(
        ("POST", f"/v1/{path}", body, headers, status)
        for path in (
            "preview",
            "preview/invoices",
            "preview.csv",
            "why",
            "compile",
            "funnel",
            "aging",
            "forecast",
            "check",
        )
        for body, headers, status in (
            (b"{", JSON, 422),
            (b"[" * 100_000, JSON, 422),
            (b"\xff", JSON, 422),
            (LARGE, JSON, 413),
            (RIGHT, {"Content-Type": "text/plain"}, 415),
            (RIGHT, {}, 415),
            (b'{"filter": 7}', JSON, 422),
            (b'{"filter": "x", "as_of": "2026-02-30"}', JSON, 422),
            (b'{"filter": "x", "other": 1}', JSON, 422),
        )
    ),
    *(
        ("POST", f"/v1/{path}", WRONG_FILTER, JSON, 422)
        for path in ("preview", "preview/payments", "preview.csv", "preview.ndjson", "compile", "funnel", "forecast")
    ),
    ("POST", "/v1/why", b'{"filter": "customer.ratin = 1", "customer": "C1"}', JSON, 422),
    ("POST", "/v1/why", RIGHT, JSON, 422),
    # Checked, they are answered: the answer is that they are wrong, or right whatever the ledger.
    ("POST", "/v1/check", WRONG_FILTER, JSON, 200),
    ("POST", "/v1/check", RIGHT, JSON, 200),
    ("POST", "/v1/check", b'{"filter": "customer.balance_overdue > 1 EUR"}', JSON, 200),
    ("POST", "/v1/preview", b'{"filter": "customer.rating = \'D\'", "cursor": "x"}', JSON, 422),
    ("POST", "/v1/preview", b'{"filter": "customer.rating = \'D\'", "cursor": "\xc3\xa9"}', JSON, 422),
    ("POST", "/v1/preview/invoices", b'{"filter": "customer.rating = \'D\'", "cursor": "QUFB"}', JSON, 422),
    ("POST", "/v1/preview", b'{"filter": "customer.rating = $x"}', JSON, 422),
    ("POST", "/v1/forecast", b'{"filter": "customer.rating = \'D\'", "as_of": "2020-01-01"}', JSON, 422),
    ("POST", "/v1/workflows", EDITED, JSON, 422),
    ("POST", "/v1/workflows", b'{"name": "x"}', JSON, 422),
    ("PUT", "/v1/workflows/7", EDITED, {**JSON, "If-Match": '"1"'}, 422),
    ("PUT", "/v1/workflows/7", EDITED, JSON, 428),
    ("PUT", "/v1/workflows/7", EDITED, {**JSON, "If-Match": "one"}, 422),
    ("PUT", "/v1/workflows/x", EDITED, JSON, 404),
    ("DELETE", "/v1/workflows/7", b"", {}, 428),
    ("DELETE", "/v1/workflows/7", b"", {"If-Match": '"x"'}, 422),
    ("GET", "/v1/workflows/-1", b"", {}, 404),
    ("GET", f"/v1/workflows/{2**63}", b"", {}, 404),
    ("GET", "/v1/workflows/7/runs?before=x", b"", {}, 404),
    ("GET", "/v1/runs?limit=0", b"", {}, 422),
    ("GET", "/v1/runs/x/customers", b"", {}, 404),
    ("GET", "/v1/runs/1/people", b"", {}, 422),
    ("GET", "/v1/runs/1/customers?after=a%00b", b"", {}, 422),
    ("GET", "/v1/runs/1/compare?with=x", b"", {}, 404),
    ("GET", "/v1/overlap?as_of=yesterday", b"", {}, 422),
    ("PUT", "/v1/segments/S", WRONG_FILTER, JSON, 422),
    ("PUT", "/v1/segments/S", RIGHT, {**JSON, "If-Match": "one"}, 422),
    ("PUT", "/v1/segments/%0A", RIGHT, JSON, 422),
    ("PUT", "/v1/fields/customer/No!", b'{"type": "text"}', JSON, 422),
    ("PUT", "/v1/fields/customer/n", b'{"type": "list"}', JSON, 422),
    ("PUT", "/v1/webhook", b'{"url": "ftp://x"}', JSON, 422),
    ("POST", "/v1/keys", b'{"scope": "all"}', JSON, 422),
    ("POST", "/v1/keys", b'{"scope": "read", "expires": "0d"}', JSON, 422),
    ("POST", "/v1/keys", b'{"scope": "read", "expires": "2020-01-01"}', JSON, 422),
    ("POST", "/v1/keys/x/rotate", b"{}", JSON, 404),
    ("POST", "/v1/keys/0123456789ab/rotate", b'{"overlap": 7}', JSON, 422),
    ("DELETE", "/v1/keys/0123456789AB", b"", {}, 404),
    ("DELETE", "/v1/keys/0123456789ab?confirm=perhaps", b"", {}, 422),
    ("GET", "/v1/customers/%00", b"", {}, 404),
    ("GET", "/v1/nothing", b"", {}, 404),
    ("GET", "/v1/preview", b"", {}, 405),
]


@pytest.mark.parametrize("authorization", [None, "Basic x", "Bearer duelist_1_abc", "Bearer x"])
def test_without_a_key_no_connection_is_taken(client: TestClient, taken: list[str], authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    for method, address, body, others, status in KEYLESS:
        response = client.request(method, address, content=body, headers={**others, **headers})
        assert (response.status_code, taken) == (status, []), (method, address, body[:60])
        assert response.json()["errors"][0]["code"] == "bad-key"


def test_what_is_refused_takes_no_connection(
    client: TestClient, database: Database, company: Company, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "BELIEVED_SECONDS", 60.0)  # else the key is looked up anew now and then
    monkeypatch.setattr(keys.Uses, "_write", lambda *_: None)  # what is done behind the answers
    monkeypatch.setattr(Keeper, "_bring", lambda *_: None)
    api = Api(client, auth.create_key(database, company, "admin"))
    assert api.post("/v1/preview", **FILTER).status_code == 200
    assert taken
    taken.clear()
    for method, address, body, headers, status in KNOWN:
        response = client.request(method, address, content=body, headers={**api.headers, **headers})
        found = response.status_code, len(taken)
        assert found == (status, 0), (method, address, body[:60], response.text[:300])


def test_a_key_comes_before_what_is_sent(client: TestClient, database: Database, company: Company) -> None:
    """Also one that has to be looked up, and a scope."""
    wrong = f"duelist_{company.company_id}_{'0' * 12}_{'x' * 43}"
    reader = auth.create_key(database, company, "read")
    for body, headers in ((b"{", JSON), (LARGE, JSON), (b"{}", {"Content-Type": "text/plain"}), (b"{}", JSON)):
        for key, status in ((wrong, 401), (reader, 403)):
            sent = {**headers, "Authorization": f"Bearer {key}"}
            assert client.post("/v1/workflows", content=body, headers=sent).status_code == status
