"""What one company does is nothing to another: not a byte of its answers, whoever else has come, grown or gone."""

import csv
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from starlette.testclient import TestClient

from app import auth, companies, sample
from app.companies import Company
from app.database import Database
from app.fields import store
from app.imports import import_ledger
from app.models import metadata
from app.planner import refresh_statistics
from app.workflows import Segment, define_segment
from tests.collisions import collide
from tests.every_route import RECORDS, Answer, Call, Calls, a_round, anonymous, answered, routes, send
from tests.served import Api, api_of, client_of

REQUESTS = int(os.environ.get("DUELIST_REQUESTS", "600"))
REFERRING = {"source_id", "customer_id", "invoice_id", "payment_id", "credit_note_id", "group", "parent"}


def new_company(database: Database, name: str, folder: Path) -> Company:
    company = companies.create(database, name, currency="EUR", country="DE", time_zone="Europe/Berlin")
    with database.transaction(company.company_id, write=True) as connection:
        for field in sample.FIELDS:
            store(connection, company.company_id, field, "test")
    import_again(database, company, folder)
    for segment, filter_ in sample.SEGMENTS.items():
        define_segment(database, company, segment, Segment(filter=filter_), "us")
    return companies.chosen(database, name)


def import_again(database: Database, company: Company, folder: Path) -> None:
    with database.transaction(company.company_id, write=True) as connection:
        import_ledger(connection, company, [folder])


@dataclass(frozen=True)
class World:
    """A database with the company, and a service over it."""

    url: str
    database: Database
    client: TestClient
    key: str


@dataclass(frozen=True)
class Worlds:
    """In the first the company is alone; the second is a copy where others do as they please."""

    alone: World
    beside: World
    folder: Path

    def ask(self, script: Callable[[], Calls], at_most: int) -> int:
        """The same calls to both; how many there were. Each world goes on from its own answers."""
        number, scripts = 0, (script(), script())
        calls = [next(each) for each in scripts]
        while number < at_most:
            assert anonymous(calls[0]) == anonymous(calls[1])
            both = zip((self.alone, self.beside), calls, strict=True)
            answers = [send(world.client, world.key, call) for world, call in both]
            assert answers[0] == answers[1], (number, calls[0], *(answer.body for answer in answers))
            assert answers[0].status < 500, calls[0]
            number += 1
            try:
                calls = [each.send(answer) for each, answer in zip(scripts, answers, strict=True)]
            except StopIteration:
                break
        return number


@pytest.fixture(scope="module")
def worlds(server_url: str, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    folder = tmp_path_factory.mktemp("sample")
    with closing(Database(database_url)) as database:
        sample.write_sample(folder, date.today())
        company = new_company(database, "Ours", folder)
        collide(database, company.company_id, company.today)
        key = auth.create_key(database, company, "admin")
        refresh_statistics(database)
    name = urlsplit(database_url).path.removeprefix("/")
    names = {"copy": sql.Identifier(f"{name}_beside"), "one": sql.Identifier(name)}
    beside_url = urlsplit(server_url)._replace(path=f"/{name}_beside").geturl()
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {copy} TEMPLATE {one} STRATEGY FILE_COPY").format(**names))
        with ExitStack() as open_:
            made = []
            for url in (database_url, beside_url):
                data = tmp_path_factory.mktemp("data")
                client = open_.enter_context(
                    client_of(url, data, cursor_secret="x", page_key="k", webhook_private=True)
                )
                made.append(World(url, open_.enter_context(closing(Database(url))), client, key))
            yield Worlds(made[0], made[1], folder)
        server.execute(sql.SQL("DROP DATABASE {copy} WITH (FORCE)").format(**names))


class Other:
    """The company beside."""

    def __init__(self, worlds: Worlds, folder: Path) -> None:
        self.world, self.ledger, self.folder = worlds.beside, worlds.folder, folder
        self.company: Company | None = None

    def comes(self) -> None:
        """With the ids of ours, inside and outside, and workflows, runs, segments and fields of the same names."""
        company = new_company(self.world.database, "Theirs", self.ledger)
        self.company = company
        collide(self.world.database, company.company_id, company.today)
        api = api_of(self.world.client, self.world.database, company, "admin")
        for number in range(1, 4):
            made = api.post("/v1/workflows", name=f"Chase {number}", filter="customer.open_invoices >= 0")
            for _ in range(3):
                started = api.client.post(
                    f"/v1/workflows/{made.json()['id']}/runs",
                    json={"confirm": True},
                    headers={**api.headers, "Idempotency-Key": f"once {number} {_}"},
                )
                assert started.status_code == 201
        refresh_statistics(self.world.database)

    def triples(self) -> None:
        assert self.company
        for copy in ("-b", "-c"):
            for path in self.ledger.glob("*.csv"):
                rename(path, self.folder / path.name, copy)
            import_again(self.world.database, self.company, self.folder)
        refresh_statistics(self.world.database)

    def imports(self) -> None:
        """Other rows under the same ids."""
        assert self.company
        sample.write_sample(self.folder, date.today() - timedelta(days=45))
        import_again(self.world.database, self.company, self.folder)

    def goes(self) -> None:
        assert self.company
        with self.world.database.owner() as connection:
            connection.execute("SET LOCAL session_replication_role = replica")
            for table in metadata.sorted_tables:
                connection.execute(
                    sql.SQL("DELETE FROM {} WHERE company_id = %s").format(sql.Identifier(table.name)),
                    [self.company.company_id],
                )


def rename(path: Path, target: Path, ending: str) -> None:
    with path.open(encoding="utf-8") as read, target.open("w", encoding="utf-8") as written:
        rows = csv.DictReader(read)
        writer = csv.DictWriter(written, rows.fieldnames or ())
        writer.writeheader()
        for row in rows:
            named = {name: value + ending for name, value in row.items() if value and name in REFERRING}
            writer.writerow({**row, **named})


def test_others_change_no_answer(worlds: Worlds, tmp_path: Path) -> None:
    other = Other(worlds, tmp_path)
    events = [lambda: None, other.comes, other.triples, other.imports, other.goes]
    sent = 0
    for turn, event in enumerate(events, 1):
        event()
        part, rounds = REQUESTS * turn // len(events), 0
        while sent < part:
            rounds += 1
            number = 1_000 * turn + rounds
            sent += worlds.ask(lambda number=number: a_round(number), part - sent)  # type: ignore[misc]
        if turn == 1:
            assert sent >= len(routes(worlds.alone.client.app)), "one whole round at least"  # type: ignore[arg-type]
    assert sent == REQUESTS
    found = answered(worlds.beside.client)
    assert routes(worlds.beside.client.app) - found == set()  # type: ignore[arg-type]


# ---------------------------------------------------------------- ids of others, and of none


@pytest.fixture(scope="module")
def neighbours(worlds: Worlds) -> tuple[Api, Api]:
    """Of the copy: a company without a row of its own, and one that has everything."""
    world = worlds.beside
    empty = companies.create(world.database, "Empty", currency="EUR", country="DE", time_zone="Europe/Berlin")
    full = new_company(world.database, "Full", worlds.folder)
    api, other = (api_of(world.client, world.database, company, "admin") for company in (empty, full))
    for number in range(3):
        made = other.post("/v1/workflows", name=f"W{number}", filter="customer.open_invoices >= 0").json()["id"]
        headers = {**other.headers, "Idempotency-Key": f"theirs-{number}"}
        assert other.client.post(f"/v1/workflows/{made}/runs", json={}, headers=headers).status_code == 201
    own = api.post("/v1/workflows", name="Mine", filter="customer.open_invoices >= 0").json()["id"]
    assert api.post(f"/v1/workflows/{own}/runs").status_code == 201
    return api, other


def of_ids(theirs: str, nobodys: str, *calls: Call) -> list[tuple[Call, Call]]:
    """Each call with the id of another, and with an id of nobody."""
    return [tuple(with_id(call, one) for one in (theirs, nobodys)) for call in calls]  # type: ignore[misc]


def with_id(call: Call, one: str) -> Call:
    def put(value: object) -> object:
        match value:
            case str():
                return value.replace("ID", one)
            case dict():
                return {name: put(inner) for name, inner in value.items()}
            case _:
                return value

    headers = {name: value.replace("ID", one) for name, value in call.headers.items()}
    return Call(call.method, call.path.replace("ID", one), put(call.body), headers)


EDITED = {"name": "Edited", "filter": "customer.open_invoices >= 1"}
VERSION = {"If-Match": '"1"'}
OF_NUMBERS = of_ids(
    "2",
    "9",
    *(Call("GET", f"/v1/workflows/ID{path}") for path in ("", "/versions", "/runs", "/runs?before=1")),
    *(
        Call("POST", f"/v1/workflows/ID{path}", {})
        for path in ("/diff", "/preview", "/preview/invoices", "/preview.csv")
    ),
    *(Call("POST", f"/v1/workflows/ID{path}", {}) for path in ("/funnel", "/forecast", "/runs")),
    Call("PUT", "/v1/workflows/ID", EDITED, VERSION),
    Call("PUT", "/v1/workflows/ID", EDITED, {"If-Match": '"7"'}),
    Call("DELETE", "/v1/workflows/ID", headers=VERSION),
    Call("GET", "/v1/runs?before=ID"),
    *(
        Call("GET", f"/v1/runs/ID{path}")
        for path in ("", "/customers", "/customers.csv", "/compare", "/compare?with=1")
    ),
    Call("GET", "/v1/runs/1/compare?with=ID"),
)
OF_SEGMENTS = of_ids(
    "High risk",
    "Near risk",
    Call("GET", "/v1/segments/ID"),
    Call("PUT", "/v1/segments/ID", {"filter": "customer.open_invoices >= 0"}, VERSION),
    Call("PUT", "/v1/segments/ID", {"filter": "customer.open_invoices >= 0", "dry_run": True}),
    Call("DELETE", "/v1/segments/ID"),
    Call("POST", "/v1/preview", {"filter": "customer IN SEGMENT 'ID'"}),
    Call("POST", "/v1/check", {"filter": "customer IN SEGMENT 'ID'"}),
)
OF_FIELDS = of_ids(
    "plan",
    "clan",
    Call("DELETE", "/v1/fields/customer/ID"),
    Call("POST", "/v1/preview", {"filter": "customer.custom.ID = 'Premium'"}),
    Call("POST", "/v1/check", {"filter": "customer.custom.ID = 'Premium'"}),
    Call("POST", "/v1/complete", {"text": "customer.custom.", "cursor": 16}),
)
OF_RECORDS = [
    pair for kind, one in RECORDS.items() for pair in of_ids(one, "X" + one[1:], Call("GET", f"/v1/{kind}/ID"))
]
OF_CUSTOMERS = of_ids(
    "C0009",
    "X0009",
    Call("POST", "/v1/why", {"filter": "customer.open_invoices >= 0", "customer": "ID"}),
    Call("POST", "/v1/preview", {"filter": "customer.source_id = 'ID'"}),
    Call("GET", "/v1/runs/1/customers?after=ID"),
    Call("GET", "/v1/overlap?after=ID"),
)
OF_GROUPS = of_ids(
    "G01", "X01", Call("POST", "/v1/why", {"filter": "group.balance_overdue > 0", "level": "group", "group": "ID"})
)
PAIRS = OF_NUMBERS + OF_SEGMENTS + OF_FIELDS + OF_RECORDS + OF_CUSTOMERS + OF_GROUPS


@pytest.mark.parametrize(
    ("theirs", "nobodys"), PAIRS, ids=[f"{call.method} {call.path} {call.body}"[:80] for call, _ in PAIRS]
)
def test_an_id_of_others_is_an_id_of_none(neighbours: tuple[Api, Api], theirs: Call, nobodys: Call) -> None:
    api, _ = neighbours
    answers = [without_ids(send(api.client, key_of(api), call)) for call in (theirs, nobodys)]
    assert answers[0] == answers[1]
    assert answers[0].status < 500


def without_ids(answer: Answer) -> Answer:
    """The id itself may come back, in what is echoed of the question."""
    body = re.sub(rb"(High|Near) risk|\b[cp]lan\b|[CGX]\d+", b"ID", answer.body)
    return Answer(answer.status, tuple(pair for pair in answer.headers if pair[0] != "content-length"), body)


def key_of(api: Api) -> str:
    return api.headers["Authorization"].removeprefix("Bearer ")


def test_they_are_ids_of_others(neighbours: tuple[Api, Api]) -> None:
    """Which is why it matters: the other company is answered about them."""
    _, other = neighbours
    reading = [one for one, _ in PAIRS if one.method == "GET" or one.path in ("/v1/why", "/v1/preview", "/v1/check")]
    for call in (one for one in reading if not one.path.endswith("compare")):  # that is of an earlier run
        assert send(other.client, key_of(other), call).status == 200, call


def test_so_is_a_key_for_runs(neighbours: tuple[Api, Api]) -> None:
    """Another's Idempotency-Key is as free as any."""
    api, _ = neighbours
    asked = ({**api.headers, "Idempotency-Key": key} for key in ("theirs-1", "nobodys"))
    made = [api.client.post("/v1/workflows/1/runs", json={}, headers=headers) for headers in asked]
    assert [one.status_code for one in made] == [201, 201]
    assert made[1].json()["id"] == made[0].json()["id"] + 1


def test_so_is_a_cursor(neighbours: tuple[Api, Api]) -> None:
    api, other = neighbours
    asked = {"filter": "customer.open_invoices >= 0", "limit": 5}
    cursor = other.answer("/v1/preview", **asked)["next_cursor"]
    refused = [api.post("/v1/preview", **asked, cursor=one) for one in (cursor, cursor[::-1])]
    assert refused[0].status_code == 422
    assert refused[0].content == refused[1].content


def test_so_is_a_key_to_come_in(neighbours: tuple[Api, Api]) -> None:
    """A part of another's key is worth as much as none of it."""
    api, other = neighbours
    _, company, prefix, secret = key_of(other).split("_", 3)
    _, own, _, _ = key_of(api).split("_", 3)
    guessed = [
        f"duelist_{company}_{prefix}_{'x' * 43}",
        f"duelist_{company}_{'0' * 12}_{secret}",
        f"duelist_{own}_{prefix}_{secret}",
        f"duelist_99999_{prefix}_{secret}",
    ]
    answers = [send(api.client, key, Call("GET", "/v1/catalog")) for key in guessed]
    assert answers[0].status == 401
    assert len(set(answers)) == 1
