"""Nothing that an import takes breaks a read later: whatever its columns allow is stored, and every route answers."""

import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from app import companies, kept
from app.asked import Dated
from app.audit import NotAudited, audit
from app.companies import Company
from app.database import Database
from app.imports import import_ledger
from app.imports.columns import FILES, Column
from app.planner import refresh_statistics
from app.queries import RECORDS
from app.values import COUNTRY, CURRENCY, DAY, FLAG, KEY, MOMENT, MONEY, PROSE, RATE, SET, STRIKE, TEXT
from dsl import CATALOG
from dsl.codes import COUNTRIES, CURRENCIES
from tests.served import UNLIMITED, Api, api_of, client_of
from tests.test_imports import ROWS, as_ndjson
from tests.test_limits import served

SEED = int(os.environ.get("DUELIST_SEED", "0"))

ODD = (
    *(
        "x",
        "'",
        '"',
        "a,b;c",
        "\\",
        "%(company)s",
        "{}",
        "$1",
        "--",
        "NULL",
        "NaN",
        "=1+1",
        "<b>&amp;",
        "../..",
        "a/b?c#d",
    ),
    *("\u05e9\u05dc\u05d5\u05dd", "\u202eabc", "e\u0301\u0301", "\U0001f9d1\u200d\U0001f680", "a\u200bb", "a\ufeffb"),
    *("a\x01\x1b[31m\x7fb", "a\x85b", "a\nb\tc", "\ufffe\uffff", "\U0010ffff", "\u0130\u0131\u017f\u212a"),
    *("\u00df\ufb01", "a\u2028b"),
)
# As they are, for a path may be made of them.
BARE = (
    ".",
    "..",
    "../..",
    "/",
    "//",
    "/a/",
    "a/../b",
    "%",
    "%2F",
    "%00",
    "?",
    "#",
    "+",
    "a b",
    "0",
    "null",
    ":path",
    "x.csv",
)
ROWS_OF_A_FILE = len(ODD) + len(BARE) + 4

MONIES = ("900000000000000", "-900000000000000", "899999999999999.9999", "0", "-0.0001", "0.0001", "1")
DAYS = ("1900-01-01", "2200-12-31", "2000-02-29", "1999-12-31", "2026-01-31")
MOMENTS = ("1900-01-02", "2200-12-30T23:59:59.999999", "2000-02-29T12:00:00+14:00", "2026-03-29T02:30:00")
RATES = ("999999999999.999999999999999999", "0.000000000000000001", "1", "0.9")


def texts(longest: int) -> list[str]:
    return [
        *ODD,
        *(character * (longest // len(character)) for character in ("x", "\U0001f600", "e\u0301", "\u202e\u05d0")),
    ]


def pool(column: Column) -> list[str]:
    """What the column allows, at its edges. A choice is not told here what it may be."""
    by_kind: dict[Any, list[str]] = {
        TEXT: texts(500), PROSE: texts(10_000), MONEY: list(MONIES), DAY: list(DAYS), MOMENT: list(MOMENTS),
        FLAG: ["true", "false"], STRIKE: ["0", "10"], SET: ["|".join(texts(200)), "||", "a"], RATE: list(RATES),
        CURRENCY: sorted(CURRENCIES), COUNTRY: sorted(COUNTRIES),
    }  # fmt: skip
    return by_kind.get(column.kind) or sorted(set(column.kind.parse.keywords["spellings"].values()))  # type: ignore[attr-defined]


def key_of(name: str, number: int) -> str:
    """Few, so that references meet, and odd ones; the last ones are as long as they may be."""
    odd = [*(f"{name}{number}{odd}".strip() for number, odd in enumerate(ODD)), *BARE]
    return odd[number] if number < len(odd) else f"{name}{number}".ljust(200, "\U0001f600")


def extreme_row(rng: random.Random, name: str, number: int) -> dict[str, str]:
    row = {}
    for column in FILES[name].columns:
        if column.name == "source_id":
            row["source_id"] = key_of(name, number)
        elif column.refers:
            row[column.name] = key_of(column.refers, rng.randrange(ROWS_OF_A_FILE))
        elif column.required or rng.random() < 0.8:
            assert column.kind is not KEY
            row[column.name] = rng.choice(pool(column))
    if name == "allocations":
        row["payment_id" if number % 2 else "credit_note_id"] = ""
    if FILES[name].custom:
        row["custom.x"] = rng.choice(texts(10_000))
    return row


def extreme_ledger(rng: random.Random) -> dict[str, list[dict[str, str]]]:
    rows = {name: [extreme_row(rng, name, number) for number in range(ROWS_OF_A_FILE)] for name in FILES}
    # Of one document no more may be allocated than a balance can hold.
    for row in rows["allocations"]:
        row["amount"] = rng.choice(("0.0001", "-1", "10"))
    currencies = sorted(CURRENCIES - {"EUR"})
    rows["fx_rates"] = [
        {"currency": code, "date": day, "rate": rng.choice(RATES)} for code in currencies for day in DAYS
    ]
    return rows


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("extreme")
    for name, rows in extreme_ledger(random.Random(SEED)).items():
        (folder / f"{name}.ndjson").write_text(as_ndjson(*rows))
    made = companies.create(database, "Extreme", currency="EUR", country=None, time_zone="Pacific/Apia")
    with database.transaction(made.company_id, write=True) as connection:
        report = import_ledger(connection, made, [folder])
    assert report.problem_count == 0
    assert {name: file.inserted for name, file in report.files.items() if name != "fx_rates"} == {
        name: ROWS_OF_A_FILE for name in FILES if name != "fx_rates"
    }
    refresh_statistics(database)
    return made


@pytest.fixture(scope="module")
def api(
    database: Database, database_url: str, company: Company, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    with client_of(database_url, tmp_path_factory.mktemp("data")) as client:
        yield api_of(client, database, company, "write")


@pytest.mark.parametrize("entity", CATALOG.entities)
def test_every_field_is_asked_and_shown(api: Api, entity: str) -> None:
    """Of today, or of a day before or far ahead: each field of one of them, the next field of the next."""
    days: tuple[dict[str, str], ...] = ({}, {"as_of": "2026-01-31"}, {"as_of": "1900-01-01"}, {"as_of": "2200-12-31"})
    for name, day in zip(CATALOG.entities[entity].fields, cycle(days), strict=False):
        filter_ = f"{entity}.{name} IS MISSING OR NOT {entity}.{name} IS MISSING"
        answered = api.post("/v1/preview", filter=filter_, limit=500, **day)
        assert answered.status_code == 200, f"{filter_} {day}: {answered.text}"


@pytest.mark.parametrize("level", ["customer", "group"])
def test_every_kind_of_row_and_file_is_answered(api: Api, level: str) -> None:
    own = "customers" if level == "customer" else "groups"
    everyone = {"filter": "", "match_all": True, "level": level}
    assert api.answer("/v1/preview", **everyone)["counts"][own] == ROWS_OF_A_FILE
    for kind in ("invoices", "payments", "credit-notes"):
        pages = list(api.pages(f"/v1/preview/{kind}", **everyone, limit=7))
        name = kind.replace("-", "_")
        assert sum(len(page[name]) for page in pages) == pages[0]["count"]
    for rows in (own, "invoices", "payments", "credit_notes"):
        for form in ("csv", "ndjson"):
            assert api.post(f"/v1/preview.{form}", **everyone, rows=rows).status_code == 200, (rows, form)


def test_what_is_kept_is_right(database: Database, company: Company) -> None:
    with database.transaction(company.company_id) as connection:
        assert kept.verify(connection, company.company_id).is_well


def test_rows_are_as_extreme_as_they_may_be() -> None:
    """Each value that a column allows at its edges comes up."""
    rows = extreme_ledger(random.Random(SEED))
    stated = {cell for file in rows.values() for row in file for cell in row.values()}
    assert {*MONIES, *DAYS, *MOMENTS, *RATES, *ODD} - stated == set()
    assert len({row.get("currency") for name in ROWS for row in rows[name]}) > 150


# ---------------------------------------------------------------- records


def in_a_path(source_id: str) -> str:
    """Percent-encoded, the dots too: of `.` and `..` alone a client would make another path."""
    return quote(source_id, safe="").replace(".", "%2E")


def test_every_record_is_found(api: Api, database_url: str, tmp_path: Path) -> None:
    """By a server on a socket: the client of the other tests decodes paths twice."""
    with (
        served(database_url, tmp_path, **UNLIMITED) as port,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}/v1", headers=api.headers) as client,
    ):
        for place, kind in enumerate(RECORDS):
            for number in range(place, ROWS_OF_A_FILE, 5 if place else 1):  # one statement reads them all
                source_id = key_of(kind, number)
                found = client.get(f"/{kind}/{in_a_path(source_id)}")
                assert found.status_code == 200, (kind, source_id, found.text)
                assert found.json()["source_id"] == source_id
            for nobody in ("nobody", "a\0b", " ", "x" * 5_000):
                assert client.get(f"/{kind}/{in_a_path(nobody)}").status_code == 404, nobody


# ---------------------------------------------------------------- what is worked out

FILTERS = (
    "invoice.balance > 0",
    "customer.balance_total < 1000",
    "SUM(invoice.amount) > 5",
    "payment.amount < 0",
    "customer.balance_overdue / 3 > SUM(invoice.balance)",
)
PAST = "2026-01-31"


@pytest.mark.parametrize("filter_", FILTERS)
def test_every_reading_is_answered(api: Api, database: Database, company: Company, filter_: str) -> None:
    for number in range(0, ROWS_OF_A_FILE, 9):
        api.answer("/v1/why", filter=filter_, customer=key_of("customers", number))
    for day in ({}, {"as_of": PAST}):
        for level in ("customer", "group"):
            for path in ("funnel", "aging", "preview/invoices", "preview/payments", "preview/credit-notes"):
                api.answer(f"/v1/{path}", filter=filter_, level=level, **day)
        asked = Dated.model_validate({"filter": filter_, **day})
        with suppress(NotAudited):  # DuckDB computes with 38 digits exactly, or not at all
            assert audit(database, company, asked).is_equal
    for path in ("forecast", "parts", "english", "compile", "format", "check"):
        api.answer(f"/v1/{path}", filter=filter_, **({"days": 1} if path == "forecast" else {}))


@pytest.mark.parametrize(
    ("path", "field"),
    [("", "balance_total"), ("", "balance_overdue"), ("/invoices", "balance"), ("/payments", "amount_remaining"),
     ("/credit-notes", "amount")],
)  # fmt: skip
@pytest.mark.parametrize("descending", [False, True])
def test_pages_in_order_have_each_row_once(api: Api, path: str, field: str, *, descending: bool) -> None:
    for level, day in (("customer", {}), ("group", {}), ("customer", {"as_of": PAST})):
        own = path.strip("/").replace("-", "_") or f"{level}s"
        order = {"field": field, "descending": descending}
        asked = {"filter": "", "match_all": True, "level": level, "usual": True, "order": order, "limit": 9, **day}
        pages = list(api.pages(f"/v1/preview{path}", **asked))
        rows = [row for page in pages for row in page[own]]
        assert len({row["source_id"] for row in rows}) == len(rows) == pages[0].get("count", ROWS_OF_A_FILE)
        known = [Decimal(row[field]) for row in rows if row[field] is not None]
        assert known == sorted(known, reverse=descending)
        assert all(row[field] is None for row in rows[len(known) :])


@pytest.mark.parametrize("level", ["customer", "group"])
def test_runs_record_what_is_shown(api: Api, level: str) -> None:
    """Each checked against the second translation, which reads everything in its own way; balances beyond a bigint."""
    own = "customers" if level == "customer" else "groups"
    made = api.post("/v1/workflows", name=level, filter=f"{level}.source_id IS NOT MISSING", level=level)
    assert made.status_code == 201, made.text
    at = f"/v1/workflows/{made.json()['id']}"
    largest, before = Decimal(0), None
    for day in ({}, {"as_of": PAST}, {"as_of": "1900-01-01"}, {"as_of": "2200-12-31"}):
        run = api.post(f"{at}/runs", confirm=True, **day)
        assert run.status_code == 201, run.text
        everyone = {"filter": "", "match_all": True, "level": level, **day}
        shown = {row["source_id"]: row for row in api.answer("/v1/preview", **everyone, usual=True, limit=500)[own]}
        rows = [json.loads(line) for line in api.get(f"/v1/runs/{run.json()['id']}/{own}.ndjson").content.splitlines()]
        assert len(rows) == ROWS_OF_A_FILE
        for row in rows:
            for name in ("balance_total", "balance_overdue"):
                assert row[name] == shown[row["source_id"]][name], (day, row)
                largest = max(largest, abs(Decimal(row[name] or 0)))
        for kind in run.json()["counts"]:
            if kind != "held_back":
                found = api.get(f"/v1/runs/{run.json()['id']}/{kind}?limit=500").json()
                assert found["count"] == len(found[kind])
        compared = api.get(f"/v1/runs/{run.json()['id']}/compare?with={run.json()['id']}&limit=500").json()
        for member in compared["stayed"]["members"]:
            assert member["balance_overdue"] == shown[member["source_id"]]["balance_overdue"]
        if before:
            since = api.get(f"/v1/runs/{run.json()['id']}/compare?with={before}")
            assert since.status_code == 200, since.text
        before = run.json()["id"]
    assert largest * 10_000 > 2**63
    api.answer(f"{at}/diff", filter=f"{level}.balance_overdue > 0")
    assert api.get("/v1/overlap").status_code == 200


@pytest.mark.parametrize("filter_", FILTERS)
def test_every_filter_runs(api: Api, filter_: str) -> None:
    for level in ("customer", "group"):
        made = api.post("/v1/workflows", name=f"{level} {filter_}", filter=filter_, level=level)
        assert made.status_code == 201, made.text
        for day in ({}, {"as_of": PAST}):
            ran = api.post(f"/v1/workflows/{made.json()['id']}/runs", confirm=True, **day)
            assert ran.status_code == 201, ran.text
