"""Keys: who gets in, with what, and as whom."""

import time
from collections.abc import Iterator

import pytest
from fastapi import Depends
from starlette.testclient import TestClient

from app import auth, companies
from app.auth import Caller, Scope, caller_of, create_key, needs
from app.companies import Company
from app.database import Database
from tests.served import client_of

FILTER = {"filter": "customer.name = 'x'"}


@pytest.fixture(scope="module")
def company(database: Database) -> Company:
    return companies.create(database, "one", currency="EUR", country=None, time_zone="UTC")


@pytest.fixture(scope="module")
def other(database: Database) -> Company:
    return companies.create(database, "other", currency="USD", country="US", time_zone="America/New_York")


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data")) as client:
        yield client


def test_a_key_names_its_company_and_scope(database: Database, company: Company, other: Company) -> None:
    for owner in (company, other):
        for scope in auth.SCOPES:
            assert caller_of(database, create_key(database, owner, scope)) == Caller(owner, scope)


def test_no_key_is_stored(database: Database, company: Company) -> None:
    key = create_key(database, company, "read")
    secret = key.split("_", 3)[3].encode()
    with database.transaction(company.company_id) as connection:
        rows = connection.execute("SELECT prefix, salt, hash FROM api_key").fetchall()
    assert all(secret not in bytes(str(row), "utf-8") for row in rows)
    assert len({row[1] for row in rows}) == len(rows), "each key has a salt of its own"


def wrong_keys(key: str, other: Company) -> list[str]:
    start, company_id, prefix, secret = key.split("_", 3)
    turned = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    return [
        "",
        "x",
        key[:-1],
        f"{key}A",
        key.upper(),
        f"{start}_{company_id}_{prefix}_{turned}",
        f"{start}_{company_id}_{'0' * 12}_{secret}",
        f"{start}_{other.company_id}_{prefix}_{secret}",
        f"{start}_0{company_id}_{prefix}_{secret}",
        f"{start}_-1_{prefix}_{secret}",
        f"{start}_999999999999999999_{prefix}_{secret}",
        f"{start}_{'9' * 40}_{prefix}_{secret}",
        f"{start}_{company_id}; DROP TABLE api_key_{prefix}_{secret}",
        f"{key}\0",
        f"{key}\u0661",
    ]


def test_every_other_key_is_refused(database: Database, company: Company, other: Company) -> None:
    for wrong in wrong_keys(create_key(database, company, "admin"), other):
        assert caller_of(database, wrong) is None, wrong


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic ZHVlbGlzdDp4", "Bearer duelist_1_abc", "Bearer \xff\xfe", "duelist"],
)
def test_without_a_key_there_is_no_answer(client: TestClient, header: str | None) -> None:
    headers = {} if header is None else {b"Authorization": header.encode("latin-1")}
    for response in (
        client.post("/v1/preview", json=FILTER, headers=headers),
        client.get("/v1/catalog", headers=headers),
    ):
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json()["errors"][0]["code"] == "bad-key"


def test_every_call_of_v1_needs_a_key(client: TestClient) -> None:
    calls = [
        (method, path)
        for path, methods in client.get("/openapi.json").json()["paths"].items()
        if path.startswith("/v1/")
        for method in methods
    ]
    assert len(calls) > 15
    for method, path in calls:
        body = {**FILTER, "text": "", "cursor": 0} if path.endswith("complete") else FILTER
        response = client.request(method, path, json=body if method in ("post", "put") else None)
        assert response.status_code == 401, path


@pytest.mark.parametrize("scope", auth.SCOPES)
def test_a_scope_allows_what_is_below_it(
    client: TestClient, database: Database, company: Company, scope: Scope
) -> None:
    app = client.app
    for needed in auth.SCOPES:

        def answer(_caller: Caller = Depends(needs(needed))) -> str:  # noqa: B008 - how FastAPI asks for it
            return "in"

        app.add_api_route(f"/{scope}/{needed}", answer, methods=["GET"])  # type: ignore[attr-defined]
    headers = {"Authorization": f"Bearer {create_key(database, company, scope)}"}
    statuses = [client.get(f"/{scope}/{needed}", headers=headers).status_code for needed in auth.SCOPES]
    allowed = auth.SCOPES.index(scope) + 1
    assert statuses == [200] * allowed + [403] * (len(auth.SCOPES) - allowed)


def test_a_key_taken_away_is_refused(client: TestClient, database: Database, company: Company) -> None:
    key = create_key(database, company, "read")
    headers = {"Authorization": f"Bearer {key}"}
    assert client.post("/v1/preview", json=FILTER, headers=headers).status_code == 200
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("DELETE FROM api_key WHERE prefix = %s", [key.split("_")[2]])
    time.sleep(0.6)  # within a second
    assert client.post("/v1/preview", json=FILTER, headers=headers).status_code == 401


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "x" * 201])
def test_a_company_needs_a_name(database: Database, name: str) -> None:
    with pytest.raises(companies.BadCompany, match="printable"):
        companies.create(database, name, currency="EUR", country=None, time_zone="UTC")


@pytest.mark.parametrize(
    ("currency", "country", "zone", "said"),
    [
        ("EURO", "DE", "UTC", "'EURO' is no currency; did you mean EUR"),
        ("EUR", "XX", "UTC", "'XX' is no country"),
        ("EUR", "DE", "Europe/Berln", "'Europe/Berln' is no time zone; did you mean Europe/Berlin"),
        ("EUR", "DE", "../../etc/passwd", "is no time zone"),
    ],
)
def test_a_company_is_checked(database: Database, currency: str, country: str, zone: str, said: str) -> None:
    with pytest.raises(companies.BadCompany, match=said):
        companies.create(database, "new", currency=currency, country=country, time_zone=zone)


def test_two_companies_do_not_share_a_name(database: Database, company: Company) -> None:
    with pytest.raises(companies.BadCompany, match="already"):
        companies.create(database, company.name, currency="EUR", country=None, time_zone="UTC")


def test_a_company_is_chosen_by_name(database: Database, company: Company, other: Company) -> None:
    assert [companies.chosen(database, name) for name in ("one", "other")] == [company, other]
    with pytest.raises(companies.BadCompany, match="choose one with --company: 'one', 'other'"):
        companies.chosen(database, None)
    with pytest.raises(companies.BadCompany, match="no company 'three'; there are: 'one', 'other'"):
        companies.chosen(database, "three")


def test_a_company_keeps_its_own_calendar() -> None:
    """Between the two there are 25 hours."""
    zones = ["Pacific/Kiritimati", "Pacific/Pago_Pago"]
    days = [Company(1, "x", None, "EUR", zone).today for zone in zones]
    assert (days[0] - days[1]).days in (1, 2)
