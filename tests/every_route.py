"""What a company may ask of the service: calls over every route, as one caller after the other would send them."""

import json
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

FILTER = "customer.balance_overdue > 0 AND invoice.balance > 100"
RECORDS = {
    "customers": "C0009",
    "groups": "G01",
    "invoices": "I00001",
    "payments": "P00001",
    "credit-notes": "N0001",
    "credit_notes": "N0001",
    "contacts": "K0001",
    "activities": "A00001",
    "promises": "V001",
    "journals": "J001",
}

# The same for everyone who may read it: what the whole service has done, without a word of companies.
EXEMPT = {("GET", "/metrics")}


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    as_sent: bytes = field(default=b"", compare=False)

    def json(self) -> Any:
        return json.loads(self.as_sent)


Calls = Generator[Call, Answer, None]

# What is of the moment or made by chance.
_OF_THE_MOMENT = re.compile(
    r'"(changed_at|started_at|created_at|expires_at|revoked_at|last_used_at|at|secret|key|prefix|made_by|replaced_by|'
    r'who|subject|id|next)":("[^"]*"|null)'
)

_NONCE = re.compile("""(?<=nonce-)[^';]+|(?<=nonce" content=")[^"]+""")


def send(client: TestClient, key: str, call: Call) -> Answer:
    headers = {"Authorization": f"Bearer {key}", **call.headers}
    response = client.request(call.method, call.path, json=call.body, headers=headers)
    told = {name: value for name, value in response.headers.items() if name != "x-request-id"}
    kept = sorted((name, _NONCE.sub("", value)) for name, value in told.items())
    body = _NONCE.sub("", _OF_THE_MOMENT.sub(r'"\1":""', response.text)).encode()
    return Answer(response.status_code, tuple(kept), body, response.content)


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """All that is called by companies; pages are the same for everyone."""
    paths: Mapping[str, Mapping[str, object]] = app.openapi()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods} - EXEMPT


def answered(client: TestClient) -> set[tuple[str, str]]:
    """The routes that have answered a call with what it asked for."""
    pattern = re.compile(r'duelist_requests_total\{method="(\w+)",route="([^"]+)",status="2..".* [1-9]')
    found = pattern.findall(client.get("/metrics").text)
    return {(method, path.replace(":path}", "}")) for method, path in found}


def pages() -> Calls:
    for path in ("/", "/docs", "/openapi.json", "/static/page.js", "/live", "/ready"):
        yield Call("GET", path)


def about_filters() -> Calls:
    asked = {"filter": FILTER}
    for path in ("preview", "preview/invoices", "preview/payments", "preview/credit-notes"):
        first = yield Call("POST", f"/v1/{path}", {**asked, "limit": 5})
        yield Call("POST", f"/v1/{path}", {**asked, "limit": 5, "cursor": first.json()["next_cursor"]})
    for path in ("preview.csv", "preview.ndjson", "compile", "english", "check", "funnel", "aging"):
        yield Call("POST", f"/v1/{path}", asked)
    for level in ("customer", "group"):
        yield Call("POST", "/v1/preview", {"filter": "group.balance_overdue > 0", "level": level, "limit": 3})
        yield Call(
            "POST", "/v1/preview", {"filter": "customer.open_invoices >= 0", "level": level, "as_of": "2026-06-30"}
        )
    yield Call("POST", "/v1/preview", {"filter": "customer.balance > 1000 USD", "limit": 3})
    yield Call("POST", "/v1/preview", {"filter": "customer IN SEGMENT 'High risk'", "limit": 3})
    yield Call("POST", "/v1/preview", {"filter": "customer.custom.plan = 'Premium'"})
    yield Call("POST", "/v1/preview.csv", {"filter": "customer.custom.plan >= 'Premium'", "rows": "invoices"})
    yield Call("POST", "/v1/format", asked)
    yield Call("POST", "/v1/complete", {"text": "customer.custom.", "cursor": 16})
    yield Call("POST", "/v1/forecast", {**asked, "days": 2})
    yield Call("POST", "/v1/why", {**asked, "customer": "C0009"})
    yield Call("POST", "/v1/why", {"filter": "group.balance_overdue > 0", "level": "group", "group": "G01"})
    yield Call("GET", "/v1/catalog")
    yield Call("GET", "/v1/company")
    yield Call("POST", "/v1/parts", {"filter": FILTER})
    yield Call("POST", "/v1/preview", {"filter": "invoice.balanc > 1"})


def of_records() -> Calls:
    for kind, source_id in RECORDS.items():
        yield Call("GET", f"/v1/{kind}/{source_id}")
    yield Call("GET", "/v1/customers/nobody")


def about_workflows(number: int) -> Calls:
    """Made, asked in all ways, run twice, and removed."""
    edited = {"name": f"Chase {number}", "filter": FILTER}
    made = (yield Call("POST", "/v1/workflows", edited)).json()
    at = f"/v1/workflows/{made['id']}"
    yield Call("POST", "/v1/workflows", edited)
    for path in ("", "/versions", "/runs"):
        yield Call("GET", at + path)
    yield Call("GET", "/v1/workflows")
    yield Call("GET", "/v1/overlap")
    yield Call("POST", f"{at}/diff", {"filter": "invoice.balance > 5000", "limit": 3})
    for path in ("/preview", "/preview/invoices"):
        yield Call("POST", at + path, {"limit": 3})
    for path in ("/preview.csv", "/funnel"):
        yield Call("POST", at + path, {})
    yield Call("POST", f"{at}/forecast", {"days": 1})
    once = {"Idempotency-Key": f"once {number}"}
    first = (yield Call("POST", f"{at}/runs", {}, once)).json()
    yield Call("POST", f"{at}/runs", {}, once)
    changed = {"name": f"Chase {number}", "filter": "invoice.balance > 5000"}
    yield Call("PUT", at, changed, {"If-Match": '"1"'})
    yield Call("PUT", at, changed, {"If-Match": '"1"'})
    second = (yield Call("POST", f"{at}/runs", {"confirm": True})).json()
    yield Call("GET", "/v1/runs?limit=2")
    for path in ("", "/customers?limit=2", "/invoices.csv", f"/compare?with={first['id']}&limit=2"):
        yield Call("GET", f"/v1/runs/{second['id']}{path}")
    yield Call("DELETE", at, headers={"If-Match": '"2"'})
    yield Call("GET", at)


def about_definitions(number: int) -> Calls:
    """Segments, fields and who is told, changed and changed back."""
    segment = f"/v1/segments/New {number}"
    yield Call("PUT", segment, {"filter": "customer.rating = 'D'"})
    yield Call("GET", segment)
    yield Call("GET", "/v1/segments")
    yield Call("DELETE", segment)
    yield Call("PUT", "/v1/fields/customer/shade", {"type": "text"})
    yield Call("GET", "/v1/fields")
    yield Call("DELETE", "/v1/fields/customer/shade")
    yield Call("PUT", "/v1/webhook", {"url": "http://127.0.0.1:9/told"})
    yield Call("GET", "/v1/webhook")
    yield Call("DELETE", "/v1/webhook")


def about_keys() -> Calls:
    made = (yield Call("POST", "/v1/keys", {"scope": "read", "name": "a key"})).json()
    successor = (yield Call("POST", f"/v1/keys/{made['prefix']}/rotate", {"overlap": "1h"})).json()
    yield Call("GET", "/v1/keys")
    yield Call("DELETE", f"/v1/keys/{successor['prefix']}")
    yield Call("GET", "/v1/audit-log?limit=5")


def anonymous(call: Call) -> Call:
    """The prefix of a key is made by chance."""
    return replace(call, path=re.sub("/keys/[0-9a-f]{12}", "/keys/PREFIX", call.path))


def a_round(number: int) -> Calls:
    yield from pages()
    yield from about_filters()
    yield from of_records()
    yield from about_workflows(number)
    yield from about_definitions(number)
    yield from about_keys()
