"""The life of a key: made, shown once, used, replaced, expired, revoked; and how often it may ask."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from app import auth, cli, companies, keys
from app.companies import Company
from app.database import Database
from app.problems import Problem
from app.rates import Rate
from tests.served import Api, Document, client_of

NAMES = (f"company {number}" for number in range(1_000))
FILTER = {"filter": "customer.rating = 'D'"}
PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest.fixture
def company(database: Database) -> Company:
    return companies.create(database, next(NAMES), currency="EUR", country=None, time_zone="Pacific/Kiritimati")


@pytest.fixture
def admin(client: TestClient, database: Database, company: Company) -> Api:
    return Api(client, auth.create_key(database, company, "admin"))


def prefix_of(key: str) -> str:
    return key.split("_")[2]


def code(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    found: str = response.json()["errors"][0]["code"]
    return found


def listed(api: Api) -> dict[str, Document]:
    return {key["prefix"]: key for key in api.get("/v1/keys").json()["keys"]}


def revoke(api: Api, prefix: str, query: str = "") -> Any:
    return api.client.delete(f"/v1/keys/{prefix}{query}", headers=api.headers)


def stored(database: Database, company: Company, prefix: str, column: str) -> Any:
    with database.transaction(company.company_id) as connection:
        question = f"SELECT {column} FROM api_key WHERE prefix = %s".encode()
        return connection.execute(question, [prefix]).fetchall()[0][0]


# ---------------------------------------------------------------- making


def test_a_key_is_shown_once(admin: Api, client: TestClient) -> None:
    response = admin.post("/v1/keys", scope="read", name="the ERP", expires="90d")
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    made = response.json()
    key = made.pop("key")
    assert list(made) == [
        "prefix", "scope", "name", "made_by", "created_at", "expires_at", "revoked_at", "last_used_at", "replaced_by",
        "status",
    ]  # fmt: skip
    assert Api(client, key).post("/v1/preview", **FILTER).status_code == 200
    assert listed(admin)[prefix_of(key)] | {"last_used_at": None} == made
    assert (made["scope"], made["name"], made["status"]) == ("read", "the ERP", "valid")
    assert made["made_by"] == f"key {prefix_of(admin.headers['Authorization'])}"
    life = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert abs(life - timedelta(days=90)) < timedelta(minutes=1)
    assert key.split("_", 3)[3] not in admin.get("/v1/keys").text


def test_its_last_day_is_that_of_the_company(admin: Api, company: Company) -> None:
    today = company.today
    made = admin.post("/v1/keys", scope="read", expires=today.isoformat()).json()
    end = datetime.fromisoformat(made["expires_at"]).astimezone(ZoneInfo(company.time_zone))
    assert end.date() == today
    assert end + timedelta(seconds=1) > datetime.combine(
        today + timedelta(days=1), datetime.min.time(), ZoneInfo(company.time_zone)
    )


@pytest.mark.parametrize(
    "body",
    [{}, {"scope": "all"}, {"scope": "read", "name": ""}, {"scope": "read", "name": "a\nb"},
     {"scope": "read", "name": "x" * 101}, {"scope": "read", "expires": "0d"}, {"scope": "read", "expires": "3651d"},
     {"scope": "read", "expires": "999999d"}, {"scope": "read", "expires": "90"}, {"scope": "read", "expires": 90},
     {"scope": "read", "expires": "2020-01-01"}, {"scope": "read", "expires": "2026-02-30"},
     {"scope": "read", "expires": "9999-12-31"}, {"scope": "read", "expires": "-1d"}],
)  # fmt: skip
def test_a_wrong_key_is_not_made(admin: Api, body: Document) -> None:
    before = listed(admin)
    assert code(admin.post("/v1/keys", **body), 422) in ("bad-request", "bad-expiry")
    assert listed(admin).keys() == before.keys()


# ---------------------------------------------------------------- ending


def ends(database: Database, key: str, column: str) -> None:
    with database.transaction(int(key.split("_")[1]), write=True) as connection:
        connection.execute(f"UPDATE api_key SET {column} = now() WHERE prefix = %s".encode(), [prefix_of(key)])


def test_an_ended_key_is_answered_as_one_that_never_was(
    client: TestClient, database: Database, company: Company
) -> None:
    """That it expired is told to whoever has proved to hold it."""
    expired, revoked = (auth.create_key(database, company, "read") for _ in range(2))
    ends(database, expired, "expires_at")
    ends(database, revoked, "revoked_at")
    unknown = f"duelist_{company.company_id}_{'0' * 12}_{'x' * 43}"
    answers = {
        key: Api(client, key).get("/v1/catalog")
        for key in (unknown, revoked, *(f"{ended[:-43]}{'x' * 43}" for ended in (expired, revoked)))
    }
    assert {answer.status_code for answer in answers.values()} == {401}
    assert len({answer.content for answer in answers.values()}) == 1
    answer = Api(client, expired).get("/v1/catalog")
    assert code(answer, 401) == "key-expired"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_ends_at_its_moment(
    client: TestClient, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it would be believed for longer."""
    monkeypatch.setattr(auth, "BELIEVED_SECONDS", 10 * PATIENCE_SECONDS)
    key = auth.create_key(database, company, "read")
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE api_key SET expires_at = now() + interval '1.5 s'")
    assert Api(client, key).get("/v1/catalog").status_code == 200
    refused = eventually(lambda: found if (found := Api(client, key).get("/v1/catalog")).status_code != 200 else None)
    assert code(refused, 401) == "key-expired"


def test_a_key_is_revoked_within_a_second_everywhere(
    database_url: str, tmp_path: Path, database: Database, company: Company, admin: Api
) -> None:
    """Another server has believed it until just now."""
    key = auth.create_key(database, company, "read")
    with client_of(database_url, tmp_path) as elsewhere:
        here, there = Api(admin.client, key), Api(elsewhere, key)
        for api in (here, there):
            assert api.get("/v1/catalog").status_code == 200
        assert revoke(admin, prefix_of(key)).status_code == 204
        revoked_at = time.monotonic()
        assert code(here.get("/v1/catalog"), 401) == "bad-key", "where it was revoked it ends at once"
        asked_at = time.monotonic()
        while there.get("/v1/catalog").status_code == 200:
            assert asked_at < revoked_at + 1
            asked_at = time.monotonic()
    assert revoke(admin, prefix_of(key)).status_code == 204, "again"
    assert listed(admin)[prefix_of(key)]["status"] == "revoked"


def test_what_is_believed_was_seen_a_moment_ago(
    client: TestClient, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that took long is believed no longer for it."""
    key = auth.create_key(database, company, "read")
    look = companies.of_key

    def slowly(connection: Any) -> Company:
        time.sleep(auth.BELIEVED_SECONDS)
        return look(connection)

    monkeypatch.setattr(auth, "of_key", slowly)
    assert Api(client, key).get("/v1/catalog").status_code == 200
    ends(database, key, "revoked_at")
    assert Api(client, key).get("/v1/catalog").status_code == 401


def test_the_last_admin_key_is_not_revoked_by_accident(admin: Api, client: TestClient) -> None:
    own = prefix_of(admin.headers["Authorization"])
    for second in (admin.post("/v1/keys", scope="write").json(), admin.post("/v1/keys", scope="admin").json()):
        assert revoke(admin, second["prefix"]).status_code == 204
    assert code(revoke(admin, own), 409) == "last-admin-key"
    successor = Api(client, admin.post(f"/v1/keys/{own}/rotate").json()["key"])
    lasting = prefix_of(successor.headers["Authorization"])
    assert code(revoke(admin, lasting), 409) == "last-admin-key", "the former one ends soon"
    assert revoke(successor, own).status_code == 204
    assert revoke(successor, lasting, "?confirm=true").status_code == 204
    assert code(successor.get("/v1/keys"), 401) == "bad-key"


# ---------------------------------------------------------------- rotating


def test_a_key_is_replaced_with_an_overlap(admin: Api, client: TestClient, database: Database) -> None:
    former = admin.post("/v1/keys", scope="write", name="the ERP", expires="30d").json()
    response = admin.post(f"/v1/keys/{former['prefix']}/rotate", overlap="2h")
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    made = response.json()
    assert (made["scope"], made["name"]) == ("write", "the ERP")
    ending = listed(admin)[former["prefix"]]
    assert (ending["status"], ending["replaced_by"]) == ("valid", made["prefix"])
    now = datetime.now(UTC)
    for key, left in ((ending, timedelta(hours=2)), (made, timedelta(days=30))):
        assert abs(datetime.fromisoformat(key["expires_at"]) - now - left) < timedelta(minutes=1)
    assert {Api(client, key["key"]).get("/v1/catalog").status_code for key in (former, made)} == {200}
    assert code(admin.post(f"/v1/keys/{former['prefix']}/rotate"), 409) == "already-rotated"
    ends(database, former["key"], "expires_at")
    assert code(admin.post(f"/v1/keys/{former['prefix']}/rotate"), 409) == "key-not-valid"


def test_without_an_overlap_the_former_key_ends_at_once(admin: Api, client: TestClient) -> None:
    former = admin.post("/v1/keys", scope="read").json()
    assert Api(client, former["key"]).get("/v1/catalog").status_code == 200
    made = admin.post(f"/v1/keys/{former['prefix']}/rotate", overlap="0h").json()
    assert made["expires_at"] is None
    assert Api(client, former["key"]).get("/v1/catalog").status_code == 401
    assert Api(client, made["key"]).get("/v1/catalog").status_code == 200


def test_an_overlap_does_not_lengthen_a_life(admin: Api) -> None:
    former = admin.post("/v1/keys", scope="read", expires="1h").json()
    admin.post(f"/v1/keys/{former['prefix']}/rotate", overlap="7d")
    assert listed(admin)[former["prefix"]]["expires_at"] == former["expires_at"]


@pytest.mark.parametrize("overlap", ["", "1", "1w", "-1h", 1, None, "4000d"])
def test_a_wrong_overlap_is_told(admin: Api, overlap: object) -> None:
    own = prefix_of(admin.headers["Authorization"])
    assert code(admin.post(f"/v1/keys/{own}/rotate", overlap=overlap), 422) == "bad-request"


# ---------------------------------------------------------------- used


def eventually(found: Callable[[], Any]) -> Any:
    """What is done behind an answer is there soon."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while not (value := found()):
        assert time.monotonic() < patience
        time.sleep(0.02)
    return value


def test_the_last_use_is_noted_about_once_a_minute(
    client: TestClient, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    write = keys.Uses._write

    def counted(self: keys.Uses, company_id: int, prefix: str) -> None:
        noted.append(prefix)
        write(self, company_id, prefix)

    monkeypatch.setattr(keys.Uses, "_write", counted)
    monkeypatch.setattr(auth, "BELIEVED_SECONDS", 0.0)  # looked up each time
    key = auth.create_key(database, company, "read")
    prefix, api = prefix_of(key), Api(client, key)
    assert api.get("/v1/catalog").status_code == 200
    first = eventually(lambda: stored(database, company, prefix, "last_used_at"))
    for _ in range(3):
        assert api.get("/v1/catalog").status_code == 200
    assert (noted, stored(database, company, prefix, "last_used_at")) == ([prefix], first)
    with database.transaction(company.company_id, write=True) as connection:
        connection.execute("UPDATE api_key SET last_used_at = now() - interval '61 s'")
    assert api.get("/v1/catalog").status_code == 200
    assert eventually(lambda: stored(database, company, prefix, "last_used_at") > first)


def test_an_answer_does_not_wait_for_its_note(
    client: TestClient, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written when it may be."""
    answered = Event()
    noted: list[bool] = []
    monkeypatch.setattr(keys.Uses, "_write", lambda *_: noted.append(answered.wait(PATIENCE_SECONDS)))
    assert Api(client, auth.create_key(database, company, "read")).get("/v1/catalog").status_code == 200
    answered.set()
    assert eventually(lambda: noted) == [True]


# ---------------------------------------------------------------- how often


def test_a_rate_is_exact() -> None:
    """Whoever waits as long as is said is let in, and a moment earlier nobody is."""
    now = 5_000_000_001
    rate = Rate(8, clock=lambda: now)
    for _ in range(8):
        assert rate.wait("a") == 0
        rate.take("a")
    assert rate.wait("a") == 8, "7.5 seconds, rounded up"
    assert rate.wait("b") == 0
    now += 7_499_999_999
    assert rate.wait("a") == 1
    now += 1
    assert rate.wait("a") == 0
    rate.take("a")
    assert rate.wait("a") == 8
    now += 60_000_000_000
    assert rate.wait("a") == 0
    unlimited = Rate(0, clock=lambda: now)
    for _ in range(1_000):
        unlimited.take("a")
    assert unlimited.wait("a") == 0


def hasty(response: Any) -> bool:
    if response.status_code != 429:
        return False
    assert code(response, 429) == "too-many-requests"
    assert 0 < int(response.headers["Retry-After"]) <= 60
    return True


def test_one_key_and_one_company_do_not_slow_others(database_url: str, tmp_path: Path, database: Database) -> None:
    one, two = (
        companies.create(database, next(NAMES), currency="EUR", country=None, time_zone="UTC") for _ in range(2)
    )
    with client_of(database_url, tmp_path, key_requests_per_minute=3, company_requests_per_minute=5) as client:
        first, second = (Api(client, auth.create_key(database, one, "read")) for _ in range(2))
        of_other = Api(client, auth.create_key(database, two, "read"))
        assert [hasty(first.get("/v1/catalog")) for _ in range(4)] == [False, False, False, True]
        assert [hasty(second.get("/v1/catalog")) for _ in range(3)] == [False, False, True], "five of the company"
        assert [hasty(of_other.post("/v1/preview", filter=7)) for _ in range(4)] == [False, False, False, True]
        assert client.get("/live").status_code == 200


def test_retry_after_is_kept(database_url: str, tmp_path: Path, database: Database, company: Company) -> None:
    with client_of(database_url, tmp_path, key_requests_per_minute=60) as client:
        api = Api(client, auth.create_key(database, company, "read"))
        refused = next(response for _ in range(200) if hasty(response := api.get("/v1/catalog")))
        assert refused.headers["Retry-After"] == "1"
        time.sleep(1)
        assert api.get("/v1/catalog").status_code == 200


def test_whoever_guesses_is_held_up_and_nobody_else(
    database_url: str, tmp_path: Path, database: Database, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong keys stop reaching the database; a key from the same address that has been right still does."""
    looked_up: list[str] = []
    look = keys.proven

    def counted(connection: Any, key: keys.Written) -> keys.Held | None:
        looked_up.append(key.prefix)
        return look(connection, key)

    monkeypatch.setattr(keys, "proven", counted)
    right = auth.create_key(database, company, "read")
    wrong = f"{right[:-43]}{'x' * 43}"
    with client_of(database_url, tmp_path, wrong_keys_per_minute=3) as client:
        assert Api(client, right).get("/v1/catalog").status_code == 200
        for _ in range(5):
            assert Api(client, "duelist_1_abc").get("/v1/catalog").status_code == 401, "is no guess"
        assert [Api(client, wrong).get("/v1/catalog").status_code for _ in range(4)] == [401] * 3 + [429]
        assert len(looked_up) == 4
        client.app.state.callers.forget()  # type: ignore[attr-defined]
        assert Api(client, right).get("/v1/catalog").status_code == 200
        assert hasty(Api(client, auth.create_key(database, company, "read")).get("/v1/catalog"))
        ends(database, right, "revoked_at")
        client.app.state.callers.forget()  # type: ignore[attr-defined]
        assert [Api(client, right).get("/v1/catalog").status_code for _ in range(2)] == [401, 429]


def test_a_database_that_is_away_is_no_wrong_key(tmp_path: Path, database: Database, company: Company) -> None:
    key = auth.create_key(database, company, "read")
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    with client_of(url, tmp_path, pool_min_size=0, pool_timeout_seconds=0.05, wrong_keys_per_minute=1) as client:
        assert [Api(client, key).get("/v1/catalog").status_code for _ in range(3)] == [503] * 3


# ---------------------------------------------------------------- commands


@pytest.fixture
def duelist(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("DUELIST_DATABASE_URL", database_url)
    monkeypatch.setenv("DUELIST_DATA_DIR", str(tmp_path))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["duelist", "key", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def test_the_commands(
    duelist: Callable[..., tuple[int, str, str]], client: TestClient, database: Database, company: Company
) -> None:
    of = ("--company", company.name)
    status, key, said = duelist("create", *of, "--scope", "admin", "--name", "mine", "--expires", "90d")
    assert (status, said) == (0, "keep it: it cannot be shown again\n")
    api, prefix = Api(client, key.strip()), prefix_of(key)
    assert listed(api)[prefix]["name"] == "mine"
    eventually(lambda: stored(database, company, prefix, "last_used_at"))

    status, out, _ = duelist("list", *of, "--format", "json")
    assert (status, json.loads(out)) == (0, api.get("/v1/keys").json())
    status, out, _ = duelist("list", *of)
    assert (status, prefix in out, key.strip() in out) == (0, True, False)

    status, successor, said = duelist("rotate", prefix, *of, "--overlap", "30m")
    assert (status, "ends in 30m" in said) == (0, True)
    assert listed(api)[prefix]["replaced_by"] == prefix_of(successor)

    status, out, said = duelist("revoke", prefix_of(successor), *of)
    assert (status, out) == (0, f"the key {prefix_of(successor)} is revoked\n")
    assert "no lasting admin key any more" in said

    for wrong in (
        ("create", *of, "--expires", "soon"),
        ("create", *of, "--name", ""),
        ("rotate", "0123456789ab", *of),
        ("rotate", prefix, *of),
        ("revoke", "x", *of),
    ):
        status, out, said = duelist(*wrong)
        assert (status, out) == (2, ""), wrong
        assert said.startswith("duelist: "), said


# ---------------------------------------------------------------- two at once


def test_two_admin_keys_revoked_at_once_are_not_both(database: Database, company: Company) -> None:
    """Neither is the last one while the other is there."""
    for _ in range(5):
        two = [prefix_of(auth.create_key(database, company, "admin")) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda prefix: revoked(database, company, prefix), two))
        assert sorted(done) == ["last-admin-key", "revoked"]
        keys.revoke(database, company, two[done.index("last-admin-key")], "us", confirmed=True)


def revoked(database: Database, company: Company, prefix: str) -> str:
    try:
        keys.revoke(database, company, prefix, "us", confirmed=False)
    except Problem as refused:
        return refused.code
    return "revoked"
