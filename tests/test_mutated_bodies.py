"""Bodies that were right once, and then bytes, tokens or structures of them were changed: none of them is our fault.

DUELIST_TRIALS asks for more (20000 take a minute and a half), DUELIST_SEED for others.
"""

import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app import auth, workflows
from app.database import Database
from tests.direct import JSON, Answer, Direct, Headers, direct
from tests.served import company_with

TRIALS = int(os.environ.get("DUELIST_TRIALS", "2500"))
SEED = int(os.environ.get("DUELIST_SEED", "20260122"))

FILTERS = (
    "invoice.balance > 1000 AND invoice.days_overdue > 30",
    "ANY invoice (balance > 1_000.50 EUR AND NOT (status = 'void')) AND NO payment (date IN LAST 30 DAYS)",
    "COUNT(invoice WHERE is_overdue) >= 3 OR SUM(invoice.balance WHERE status = 'void') > 20% * customer.balance_total",
    "FIRST(invoice.days_overdue WHERE is_open BY due_date, balance DESC) BETWEEN 17 AND 24",
    "customer.portfolios HAS ANY ('Retail', 'Enterprise') AND customer.rating IN ($r)",
    "group.balance_overdue / $n > invoice.balance * 2 AND customer.name CONTAINS 'a''b'",
    "invoice.due_date + 30 DAYS > today AND payment.date IN THIS QUARTER",
    "customer.credit_limit IS MISSING AND customer IN SEGMENT 'Late'",
)
PARAMS = {"r": ["A", "D"], "n": 2}
EDITED = {
    "name": "Late",
    "level": "customer",
    "filter": FILTERS[0],
    "respect_pauses": True,
    "active": True,
    "growth_factor": 3,
    "schedule": {"days": ["mon", "fri"], "from": "08:00", "until": "09:30"},
}
IN_PARTS = {
    "name": "Parts",
    "parts": {"invoices": {"filter": "balance > 1000", "on": True}, "customers": "rating = 'D'"},
}
LEDGER = {
    "customers": """source_id,name,group,country,rating,portfolios
C1,One,G1,DE,A,Retail
C2,Two,G1,FR,D,
C3,a'b,,DE,,x|y
""",
    "invoices": """source_id,customer_id,issue_date,due_date,amount,currency
I1,C1,2025-10-01,2025-10-31,2500,EUR
I2,C2,2025-11-01,2025-12-01,1200.50,EUR
I3,C3,2025-12-01,2026-01-15,90,USD
""",
    "payments": "source_id,customer_id,date,amount\nP1,C1,2026-01-05,700\nP2,C3,2026-01-20,10\n",
    "fx_rates": "currency,date,rate\nUSD,2025-01-01,0.9\n",
}
PAGE = {"as_of": "2026-01-31", "limit": 5, "cursor": None, "count_to": 100}

Body = dict[str, Any]


def asked(filter: str) -> Body:
    params = {name: value for name, value in PARAMS.items() if f"${name}" in filter}
    return {"filter": filter, "level": "customer", "params": params, "match_all": False}


def seeds(filter: str, cursor: str) -> list[tuple[str, str, Body]]:
    """A right body for each call that takes one."""
    dated = {**asked(filter), "as_of": "2026-01-31", "respect_pauses": True}
    page = {**dated, "limit": 5, "cursor": cursor, "count_to": 100}
    of_filters: list[tuple[str, Body]] = [
        ("preview", page),
        ("preview/invoices", page),
        ("preview/payments", page),
        ("preview/credit-notes", page),
        ("preview.csv", {**dated, "rows": "invoices"}),
        ("preview.ndjson", {**dated, "rows": "customers"}),
        ("why", {**dated, "customer": "C1"}),
        ("compile", dated),
        ("english", dated),
        ("format", asked(filter)),
        ("check", dated),
        ("complete", {"text": filter, "cursor": 12, "level": "group"}),
        ("funnel", dated),
        ("aging", dated),
        ("forecast", {**dated, "as_of": None, "days": 3, "limit": 5}),
    ]
    stored: list[tuple[str, str, Body]] = [
        ("POST", "workflows", EDITED),
        ("POST", "workflows", IN_PARTS),
        ("PUT", "workflows/1", EDITED | {"filter": filter}),
        ("POST", "workflows/1/diff", {"filter": filter, "respect_pauses": False, "limit": 5, "as_of": "2026-01-31"}),
        ("POST", "workflows/1/preview", PAGE),
        ("POST", "workflows/1/preview/invoices", PAGE),
        ("POST", "workflows/1/preview.csv", {"as_of": "2026-01-31", "rows": "payments"}),
        ("POST", "workflows/1/funnel", {"as_of": "2026-01-31"}),
        ("POST", "workflows/1/forecast", {"as_of": None, "days": 2, "limit": 5}),
        ("POST", "workflows/1/runs", {"as_of": None, "confirm": True}),
        ("PUT", "segments/Late", {"filter": filter, "dry_run": False}),
        ("PUT", "webhook", {"url": "http://127.0.0.1:9/duelist"}),
        (
            "PUT",
            "fields/customer/tier",
            {"type": "choice", "label": "Tier", "choices": ["low", "high"], "ordered": True},
        ),
    ]
    return [("POST", f"/v1/{path}", body) for path, body in of_filters] + [
        (method, f"/v1/{path}", body) for method, path, body in stored
    ]


# ---------------------------------------------------------------- structures


class Raw(str):
    """JSON as it is to be sent, also what no encoder would write."""


ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 501, 10**18, 2**63, -(2**63) - 1, 10**30, "", " ", "5", "x", [], {}, [[]], [None],
    {"": ""}, "10000-01-01", "0000-00-00", "2026-02-30", "2026-13-01", "1899-12-31", "2201-01-01", "9999-12-31",
    "2026-01-31T00:00:00Z", "\0", "a\0b", "\ud800", "x\udfff", "\ufeff", "\u202e", "🙂", "'", '"', "$", "%s", "x" * 300,
    "..", "NaN", "24:00", "8:5", "٣", "-0", "customer", "group", "mon",
    Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e999"), Raw("1e-999"), Raw("1E400000000"), Raw("9" * 5_000),
    Raw("0." + "1" * 3_000), Raw("-0.0"), Raw("01"), Raw("+1"), Raw("1."), Raw("0x1"), Raw("'x'"), Raw("undefined"),
    Raw('"\\ud83d"'), Raw('"\\u0000"'), Raw('"\\x00"'), Raw('"\t"'), Raw("[" * 2_000), Raw("[" * 900 + "]" * 900),
)  # fmt: skip
HUGE: tuple[Any, ...] = ("x" * 100_000, "(" * 100_000, Raw("[" * 100_000), Raw('{"a":' * 100_000), ["x"] * 20_000)
SPICE = (
    "\0", "\ud800", "9" * 50, "1e99", "'", '"', "(", ")", "NOT ", "$", "%", "%s", "%(x)s", "--", "\n", "\u202e", "🙂",
    " AND ", " OR ", "0/0", "invoice.", "customer.", "-", "NULL", "{}", "[]", ",", ":", " = ", " IN (", " BETWEEN ",
    "ANY ", "COUNT(invoice WHERE ", "today", "10000-01-01", "0000-00-00", " EUR", " DAYS", " IS MISSING", "/ 0",
    "999999999999999999999 * 99999999999999999999", "+ 200 YEARS",
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def spoiled(body: Body, chance: random.Random) -> Body:
    """A copy with one value or name changed."""
    if not body:
        return {"x": chance.choice(ODD)}
    copy = deepcopy(body)
    *outer, last = chance.choice([*places(copy)])
    around: Any = copy
    for step in outer:
        around = around[step]
    match chance.randrange(10):
        case 0:
            del around[last]
        case 1 if isinstance(last, str):
            around[chance.choice((last.upper(), f"{last}s", "", "\ud800", "a\0", "x" * 200, "__proto__"))] = around.pop(
                last
            )
        case 2:
            around[last] = [around[last]]
        case 3:
            around[last] = {"x": around[last]}
        case 4 if chance.random() < 0.05:
            around[last] = chance.choice(HUGE)
        case 5 | 6 | 7 if isinstance(around[last], str):
            around[last] = sprinkled(around[last], chance)
        case 8 if isinstance(around, dict):
            around[chance.choice(("other", "limit", "params", "filter", "level"))] = chance.choice(ODD)
        case _:
            around[last] = chance.choice(ODD)
    return copy


def sprinkled(text: str, chance: random.Random) -> str:
    """Tokens and letters put in, left out, doubled or turned."""
    for _ in range(chance.randint(1, 3)):
        at, to = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
        match chance.randrange(5):
            case 0 | 1:
                text = text[:at] + chance.choice(SPICE) + text[at:]
            case 2:
                text = text[:at] + text[min(to, at + 12) :]
            case 3:
                text = text[:at] + text[at:to] * 2 + text[to:]
            case _ if text:
                at = min(at, len(text) - 1)
                text = text[:at] + chr((ord(text[at]) ^ 1 << chance.randrange(7)) & 0x7F) + text[at + 1 :]
    return text


def written(value: Any) -> str:
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


# ---------------------------------------------------------------- bytes


def doubled(body: bytes, chance: random.Random) -> bytes:
    """A name that stands twice."""
    return b'{"filter": ' + chance.choice((b"1", b'"x"', b"null")) + b", " + body[1:]


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    lambda body, chance: body[: chance.randint(0, len(body))],
    lambda body, chance: body + chance.choice((b"}", b"\0", b" {}", b",", b"\xff")),
    lambda body, _: b"\xef\xbb\xbf" + body,
    lambda body, _: body.decode("utf-8", "replace").encode("utf-16"),
    lambda body, _: body.decode("utf-8", "replace").encode("utf-32-be"),
    lambda body, _: body.replace(b'"', b"'"),
    lambda body, chance: body.replace(b"e", chance.choice((b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f", b"\xc0\x80")), 1),
    lambda body, _: b"[" + body + b"]",
    doubled,
)


def flipped(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        if changed:
            at = chance.randrange(len(changed))
            changed[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
    return bytes(changed)


TYPES: tuple[Headers, ...] = (
    (),
    ((b"content-type", b"text/plain"),),
    ((b"content-type", b"application/json; charset=utf-16"),),
    ((b"content-type", b"multipart/form-data; boundary=x"),),
    ((b"content-type", b"\xff\xfe"),),
    ((b"content-type", b"application/json"), (b"content-type", b"text/plain")),
    (*JSON, (b"if-match", b'"1"')),
    (*JSON, (b"if-match", b"*")),
    (*JSON, (b"if-match", b'"999999999999999999"'), (b"idempotency-key", b"\xff" * 200)),
    (*JSON, (b"idempotency-key", b"k")),
    (*JSON, (b"content-length", b"-1")),
)


def mutated(body: Body, chance: random.Random) -> bytes:
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        body = spoiled(body, chance)
    sent = written(body).encode("utf-8", "surrogatepass")
    match chance.randrange(8):
        case 0:
            return chance.choice(BYTES)(sent, chance)
        case 1:
            return flipped(sent, chance)
        case _:
            return sent


# ---------------------------------------------------------------- none is our fault

CODE = re.compile(r"urn:duelist:problem:([a-z-]+)")
REQUEST_ID = re.compile(r"[0-9a-f]{32}")
TRACE = re.compile(rb"Traceback|File \"|\.py\b|psycopg|sqlalchemy|SELECT .*company_id = [0-9]|pydantic|duelist_app")


def known_codes() -> set[str]:
    """The codes of problems in the source, and those that HTTP names."""
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(auth.__file__).parent.rglob("*.py"))
    named = set(re.findall(r'(?:Problem|_refused)\(\s*(?:HTTPStatus\.\w+, )?"([a-z-]+)"', sources))
    return {*named, "not-found", "method-not-allowed"}


def fault(answer: Answer, codes: set[str]) -> str | None:
    """What is wrong with an answer."""
    if answer.status >= 500:
        return "a fault of ours"
    if not REQUEST_ID.fullmatch(answer.headers.get("x-request-id", "")):
        return "no request id"
    if answer.status >= 400:
        if answer.headers.get("content-type") != "application/problem+json":
            return "no problem"
        problem = answer.document
        found = CODE.fullmatch(problem["type"])
        if not found or found[1] not in codes or problem["status"] != answer.status or not problem["detail"]:
            return "an unknown problem"
        if TRACE.search(answer.body):
            return "it tells of our inside"
    elif answer.headers.get("content-type") == "application/json":
        json.loads(answer.body)
    return None


@pytest.fixture(scope="module")
def service(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Direct]:
    settings = {"webhook_private": True, "statement_timeout_ms": 5_000}
    with direct(database_url, tmp_path_factory.mktemp("data"), **settings) as service:
        yield service


@pytest.fixture(scope="module")
def key(database: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    company = company_with(database, "Mutated", tmp_path_factory.mktemp("files"), LEDGER)
    key = auth.create_key(database, company, "admin")
    workflows.define_segment(database, company, "Late", workflows.Segment(filter="customer.balance_overdue > 0"), "x")
    return key


def bodies(service: Direct, key: str) -> list[tuple[str, str, Body]]:
    """With the cursor of a page, and a workflow that is there."""
    first = sent(service, key, "POST", "/v1/preview", {**asked(FILTERS[0]), "as_of": "2026-01-31", "limit": 1})
    return [seed for filter in FILTERS for seed in seeds(filter, first.document["next_cursor"])]


def sent(service: Direct, key: str, method: str, path: str, body: Body, headers: Headers = JSON) -> Answer:
    return service.ask(key, method, path, json.dumps(body).encode(), headers)


def test_most_seeds_are_right_before_they_are_mutated(service: Direct, key: str) -> None:
    """Else what is mutated would not come far."""
    sent(service, key, "POST", "/v1/workflows", {"name": "First", "filter": "invoice.balance > 1"})
    statuses = Counter(
        sent(service, key, method, path, {**body, "cursor": None} if "count_to" in body else body).status
        for method, path, body in bodies(service, key)[::5]
    )
    assert statuses[200] > sum(statuses.values()) * 3 / 4, statuses


def test_no_mutated_body_is_our_fault(service: Direct, key: str) -> None:
    chance = random.Random(SEED)
    codes = known_codes()
    right = bodies(service, key)
    statuses: Counter[int] = Counter()
    for number in range(TRIALS):
        method, path, body = chance.choice(right)
        changed = mutated(body, chance)
        headers = chance.choice(TYPES) if chance.random() < 0.1 else JSON
        answer = service.ask(key, method, path, changed, headers)
        wrong = fault(answer, codes)
        assert wrong is None, (wrong, number, method, path, headers, changed[:2_000], answer.body[:1_000])
        statuses[answer.status] += 1
    assert min(statuses[200], statuses[422]) > TRIALS / 20, statuses


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"filter": "customer.rating IN ($r)", "params": {"r": ["\\ud800"]}}', "half of a surrogate pair"),
        (b'{"filter": "customer.rating IN ($r)", "params": {"r": "\\udfff\\ud83d"}}', "half of a surrogate pair"),
        (b'{"filter": "customer.strike = 1", "filter": "customer.strike = 2"}', "a name stands twice"),
    ],
)
def test_a_text_that_is_none_and_a_doubled_name_are_refused(
    service: Direct, key: str, text: bytes, reason: str
) -> None:
    answer = service.ask(key, "POST", "/v1/preview", text)
    assert answer.status == 422
    assert reason in answer.document["detail"]


def test_an_escaped_pair_is_one_letter(service: Direct, key: str) -> None:
    answer = service.ask(key, "POST", "/v1/format", b'{"filter": "customer.name = \'\\ud83d\\ude42\'"}')
    assert answer.document["canonical"] == "customer.name = '🙂'"


def test_a_funnel_takes_parameters_that_not_every_condition_names(service: Direct, key: str) -> None:
    filter = "customer.rating IN ($r) AND invoice.balance > $n"
    answer = sent(service, key, "POST", "/v1/funnel", {"filter": filter, "params": {"r": ["A"], "n": 1}})
    assert answer.status == 200, answer.body
    assert len(answer.document["conditions"]) == 2


def test_a_workflow_is_not_stored_in_a_text_that_is_too_long_to_be_read(service: Direct, key: str) -> None:
    """Canonical text has spaces that were not written."""
    filter = "customer.rating IN (" + ",".join(["'A'"] * 999) + ") AND invoice.balance IN (" + "1," * 990 + "1)"
    filter += " AND customer.name != '" + "x" * (9_900 - len(filter)) + "'"
    for method, path, body in (("POST", "/v1/workflows", {"name": "Long"}), ("PUT", "/v1/segments/Long", {})):
        answer = sent(service, key, method, path, {**body, "filter": filter})
        assert [answer.status, answer.document["errors"][0]["code"]] == [422, "too-large"]
