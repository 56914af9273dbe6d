"""Segments: filters inside others, judged by the evaluator; their definition, cycles, and what a change touches."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.companies import Company
from app.database import Database
from dsl import CATALOG, FilterError, analyze
from dsl.catalog import with_segments
from dsl.checker import Level
from dsl.completer import complete
from dsl.explainer import english
from dsl.matching import matching_rows
from dsl.parser import parse
from dsl.tree_json import from_json, to_json
from tests.oracle.evaluator import matches
from tests.oracle.evaluator import matching_rows as expected_rows
from tests.oracle.generate import random_filter
from tests.oracle.metrics import World
from tests.served import Api, Document, api_of, client_of, company_with
from tests.test_http import problem
from tests.test_setwise import LEDGERS, setwise
from tests.worlds import FIRST_SEED, Loaded, load

# Of {} stands a random filter; a and b are random segments, c is built on both.
FORMS: dict[Level, tuple[str, ...]] = {
    "customer": (
        "customer IN SEGMENT 'a'",
        "customer NOT IN SEGMENT 'c'",
        "NOT customer IN SEGMENT 'b'",
        "customer IN SEGMENT 'c' AND ({})",
        "customer IN SEGMENT 'a' OR NOT customer IN SEGMENT 'c' AND ({})",
        "customer IN SEGMENT 'a' AND invoice.is_open",
        "ANY invoice (customer IN SEGMENT 'a' OR is_open)",
        "NO payment (customer NOT IN SEGMENT 'b')",
        "COUNT(invoice WHERE customer IN SEGMENT 'c' AND is_open) >= 1",
    ),
    "group": (
        "customer IN SEGMENT 'a'",
        "customer NOT IN SEGMENT 'c'",
        "NOT customer IN SEGMENT 'b'",
        "customer IN SEGMENT 'a' AND invoice.is_open",
        "(customer IN SEGMENT 'a' OR customer.rating = 'A') AND customer NOT IN SEGMENT 'b'",
        "ALL customer (customer IN SEGMENT 'c')",
        "NO customer (customer IN SEGMENT 'a' AND invoice.is_open)",
        "COUNT(customer WHERE customer NOT IN SEGMENT 'a') >= 1",
        "SUM(customer.balance_overdue WHERE customer IN SEGMENT 'a') > 0",
    ),
}
# Small enough that several fit into the limits of one filter.
MOST_OF_A_SEGMENT = 120


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + LEDGERS))
def loaded(request: pytest.FixtureRequest, database: Database) -> Loaded:
    return load(database, request.param)


def random_segment(rng: random.Random, world: World) -> str:
    while True:
        made = random_filter(rng, world, "customer")
        if not made.params and len(made.text) < MOST_OF_A_SEGMENT and made.text.strip():
            return made.text


@pytest.mark.parametrize("level", FORMS)
def test_the_members_are_those_of_the_segment(loaded: Loaded, level: Level) -> None:
    rng = random.Random(f"{loaded.seed} {level}")
    judged = 0
    for form in FORMS[level]:
        segments = {
            "a": random_segment(rng, loaded.world),
            "b": random_segment(rng, loaded.world),
            "c": f"customer IN SEGMENT 'a' AND customer NOT IN SEGMENT 'b' OR {random_segment(rng, loaded.world)}",
        }
        text = form.format(random_segment(rng, loaded.world))
        try:
            analysis = analyze(text, with_segments(CATALOG, segments), level=level, parameters={})
        except FilterError:
            continue  # too large together, or ambiguous beside one another
        loaded.world.segments = {name: parse(segment) for name, segment in segments.items()}
        assert analysis.tree is not None
        expected = sorted(matches(analysis.tree, loaded.world, level))
        assert loaded.source_ids(analysis.lowered) == expected, (text, segments)
        assert loaded.count(analysis.lowered) == len(expected)
        assert setwise(loaded.database, loaded.question, analysis.checked) == expected
        for entity in ("invoice", "payment"):
            rows = loaded.source_ids(matching_rows(analysis, analysis.catalog, entity))
            assert rows == sorted(expected_rows(analysis.tree, loaded.world, entity, level))
        judged += 1
    assert judged > len(FORMS[level]) / 2


# ---------------------------------------------------------------- as text


BAD = with_segments(CATALOG, {"High risk": "customer.rating = 'D'", "O'K": "customer.strike > 3"})


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("customer in segment 'High risk'", "customer IN SEGMENT 'High risk'"),
        ('CUSTOMER not in Segment "O\'K"', "customer NOT IN SEGMENT 'O''K'"),
        ("not customer in segment 'O''K' or customer.strike = 1",
         "NOT customer IN SEGMENT 'O''K' OR customer.strike = 1"),
    ],
)  # fmt: skip
def test_canonical_text_and_json(text: str, canonical: str) -> None:
    tree = analyze(text, BAD).tree
    assert tree is not None
    assert analyze(text, BAD).canonical == canonical
    assert parse(canonical) == tree
    assert from_json(to_json(tree)) == tree


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ("customer IN SEGMENT 'High risk'", "customer", "Customers that are in the segment 'High risk'."),
        ("customer NOT IN SEGMENT 'High risk'", "customer", "Customers that are not in the segment 'High risk'."),
        ("NOT customer IN SEGMENT 'O''K'", "group", "Groups with no customer (that is in the segment 'O''K')."),
        ("ANY invoice (customer IN SEGMENT 'High risk' AND is_open)", "customer",
         "Customers with one invoice (whose customer is in the segment 'High risk', and that is open)."),
    ],
)  # fmt: skip
def test_english(text: str, level: Level, said: str, loaded: Loaded) -> None:
    assert english(analyze(text, BAD, level=level).lowered, loaded.case.as_of) == said


@pytest.mark.parametrize(
    ("text", "code", "fix"),
    [
        ("customer IN SEGMENT 'High rsk'", "unknown-segment", "'High risk'"),
        ("customer IN SEGMENT 'zzzzzzzz'", "unknown-segment", None),
        ("invoice IN SEGMENT 'High risk'", "not-a-customer", "customer"),
        ("customer.rating IN SEGMENT 'High risk'", "not-a-customer", "customer"),
    ],
)
def test_errors(text: str, code: str, fix: str | None) -> None:
    with pytest.raises(FilterError) as wrong:
        analyze(text, BAD)
    [found] = wrong.value.diagnostics
    assert found.code == code
    assert [one.text for one in found.fixes] == ([] if fix is None else [fix])
    for one in found.fixes:
        assert analyze(one.apply(text), BAD)


def test_segment_is_a_name_elsewhere() -> None:
    """A word is a keyword only where a keyword can stand."""
    assert parse("segment.in > 1")


@pytest.mark.parametrize(
    ("segments", "code"),
    [
        ({"a": "customer IN SEGMENT 'a'"}, "segment-cycle"),
        ({"a": "customer IN SEGMENT 'b'", "b": "NO invoice (customer IN SEGMENT 'a')"}, "segment-cycle"),
        ({"a": "customer.gone = 1"}, "broken-segment"),
        ({"a": "customer IN SEGMENT 'b'"}, "broken-segment"),
        ({"a": " AND ".join(["customer IN SEGMENT 'b'"] * 150),
          "b": "customer.strike = 1 OR customer.strike = 2"}, "too-large"),
        ({"a": "customer IN SEGMENT 'b' AND customer IN SEGMENT 'c'",
          "b": " AND ".join(f"ANY invoice (balance > {n})" for n in range(5)),
          "c": " AND ".join(f"ANY payment (amount > {n})" for n in range(5))}, "too-large"),
        ({str(n): f"customer IN SEGMENT '{n + 1}'" for n in range(9)}
         | {"9": "customer.strike = 1", "a": "customer IN SEGMENT '0'"}, "too-large"),
    ],
)  # fmt: skip
def test_no_cycles_and_nothing_without_bounds(segments: dict[str, str], code: str) -> None:
    with pytest.raises(FilterError) as wrong:
        analyze("customer IN SEGMENT 'a'", with_segments(CATALOG, segments))
    assert [found.code for found in wrong.value.diagnostics] == [code]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("customer ", ["IN SEGMENT", "NOT IN SEGMENT"]),
        ("customer NOT ", ["IN SEGMENT"]),
        ("customer.strike = 1 OR customer IN ", ["SEGMENT"]),
        ("customer IN SEGMENT ", ["'High risk'", "'O''K'"]),
        ("NO invoice (customer IN SEGMENT 'hi", ["'High risk'"]),
    ],
)
def test_completion(text: str, offered: list[str]) -> None:
    found = complete(text, len(text), BAD)
    items = [item.insert for item in found.items]
    assert [insert for insert in items if insert in offered] == offered
    for insert in offered if "'" in offered[0] else ():
        whole = text[: found.start] + insert + (")" if "(" in text else "")
        assert analyze(whole, BAD)


# ---------------------------------------------------------------- over HTTP


LEDGER = {"customers": "source_id,rating,strike\nA,D,1\nB,D,\nC,A,5\n"}


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data")) as client:
        yield client


@pytest.fixture
def company(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> Company:
    return company_with(database, request.node.name, tmp_path, LEDGER)


@pytest.fixture
def api(client: TestClient, database: Database, company: Company) -> Api:
    return api_of(client, database, company, "write")


def define(api: Api, name: str, filter: str, version: int | None = None, **more: object) -> Document:
    headers = {**api.headers, **({} if version is None else {"If-Match": f'"{version}"'})}
    response = api.client.put(f"/v1/segments/{name}", json={"filter": filter, **more}, headers=headers)
    assert response.status_code == 200, response.text
    found: Document = response.json()
    return found


def put(api: Api, name: str, filter: str) -> Any:
    return api.client.put(f"/v1/segments/{name}", json={"filter": filter}, headers=api.headers)


def selected(api: Api, filter: str) -> list[str]:
    return [row["source_id"] for row in api.answer("/v1/preview", filter=filter)["customers"]]


def test_a_segment_is_used_at_once(api: Api) -> None:
    made = define(api, "High risk", "customer.rating='D'")
    assert (made["filter"], made["version"]) == ("customer.rating = 'D'", 1)
    assert selected(api, "customer IN SEGMENT 'High risk' AND customer.strike = 1") == ["A"]
    assert define(api, "High risk", "customer.strike > 3", 1)["version"] == 2
    assert selected(api, "customer IN SEGMENT 'High risk'") == ["C"]
    assert api.get("/v1/segments/High risk").json()["filter"] == "customer.strike > 3"


@pytest.mark.parametrize("filter", ["customer IN SEGMENT 'a'", "customer NOT IN SEGMENT 'a' OR customer.strike = 1"])
def test_why_tells_who_is_in_a_segment(api: Api, filter: str) -> None:
    define(api, "a", "customer.rating = 'D'")
    for customer in "ABC":
        found = api.answer("/v1/why", filter=filter, customer=customer)
        assert found["matches"] is found["tree"]["holds"] is (customer in selected(api, filter))
        leaf = (found["tree"]["children"] or [found["tree"]])[0]
        assert leaf["holds"] is ((customer in "AB") is ("NOT" not in filter))


def test_a_change_says_what_it_touches(api: Api) -> None:
    define(api, "a", "customer.rating = 'D'")
    define(api, "b", "customer IN SEGMENT 'a' AND customer.strike > 0")
    made = api.post("/v1/workflows", name="Chase", filter="customer IN SEGMENT 'b'").json()
    api.post("/v1/workflows", name="Other", filter="customer.rating = 'A'")
    touches = {"workflows": [{"id": made["id"], "name": "Chase"}], "segments": ["b"]}
    asked = define(api, "a", "customer.rating = 'A'", dry_run=True)
    assert (asked["touches"], asked["version"]) == (touches, 1)
    assert api.get("/v1/segments/a").json()["filter"] == "customer.rating = 'D'", "nothing was changed"
    assert define(api, "a", "customer.rating = 'C'")["touches"] == touches
    assert [one["touches"] for one in api.get("/v1/segments").json()["segments"]] == [
        touches, {"workflows": touches["workflows"], "segments": []}
    ]  # fmt: skip


def test_a_run_keeps_what_its_segments_were(api: Api) -> None:
    define(api, "a", "customer.rating = 'D'")
    define(api, "b", "customer IN SEGMENT 'a'")
    made = api.post("/v1/workflows", name="Chase", filter="customer IN SEGMENT 'b'").json()
    run = api.post(f"/v1/workflows/{made['id']}/runs").json()
    assert run["segments"] == {"a": "customer.rating = 'D'", "b": "customer IN SEGMENT 'a'"}
    assert run["counts"]["customers"] == 2


def test_what_is_built_on_stays_right(api: Api) -> None:
    define(api, "a", "customer.rating = 'D'")
    define(api, "b", "customer IN SEGMENT 'a'")
    problem(put(api, "a", "customer IN SEGMENT 'b'"), 422, "bad-filter")
    problem(put(api, "a", "customer IN SEGMENT 'a'"), 422, "bad-filter")
    problem(put(api, "a", "customer.x = 1"), 422, "bad-filter")
    api.post("/v1/workflows", name="Chase", filter=" AND ".join(["customer IN SEGMENT 'a'"] * 60))
    wide = " OR ".join(f"customer.strike = {n}" for n in range(10))
    problem(put(api, "a", wide), 409, "breaks-others")
    problem(api.client.delete("/v1/segments/a", headers=api.headers), 409, "segment-in-use")
    assert api.client.delete("/v1/segments/b", headers=api.headers).status_code == 204
    problem(api.client.delete("/v1/segments/b", headers=api.headers), 404, "unknown-id")
    problem(api.get("/v1/segments/b"), 404, "unknown-id")
    problem(api.post("/v1/preview", filter="customer IN SEGMENT 'b'"), 422, "bad-filter")


def test_an_edit_of_an_older_version_is_a_conflict(api: Api) -> None:
    define(api, "a", "customer.rating = 'D'")
    define(api, "a", "customer.rating = 'C'", 1)
    headers = {**api.headers, "If-Match": '"1"'}
    stale = api.client.put("/v1/segments/a", json={"filter": "customer.rating = 'A'"}, headers=headers)
    assert problem(stale, 409, "stale-version")[0]["current_version"] == 2


def test_segments_are_a_companys_own(api: Api, client: TestClient, database: Database, tmp_path: Path) -> None:
    define(api, "a", "customer.rating = 'D'")
    folder = tmp_path / "other"
    folder.mkdir()
    other = api_of(client, database, company_with(database, "another company", folder, LEDGER), "write")
    problem(other.get("/v1/segments/a"), 404, "unknown-id")
    problem(other.post("/v1/preview", filter="customer IN SEGMENT 'a'"), 422, "bad-filter")
    define(other, "a", "customer.rating = 'A'")
    assert selected(other, "customer IN SEGMENT 'a'") == ["C"]
    assert selected(api, "customer IN SEGMENT 'a'") == ["A", "B"]
