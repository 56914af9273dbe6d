"""Why and why not: examples by hand, and the independent evaluator over random ledgers and filters."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date

import pytest
from starlette.testclient import TestClient

from app import companies, queries
from app.database import Database
from app.queries import Doubted
from dsl import ast
from dsl.checker import Level
from dsl.parser import parse
from tests.oracle import ledger
from tests.oracle.evaluator import Evaluator, Place, bare_names, is_about_member, matches
from tests.oracle.generate import RandomFilter, random_filter
from tests.oracle.ledger import Customer
from tests.oracle.metrics import TO_MANY, Row
from tests.served import Document, api_of, client_of
from tests.test_imports import make_company
from tests.worlds import FILTERS, FIRST_SEED, LEDGERS, Loaded, load

# Each filter is asked of several customers, node by node.
_LEDGERS = max(1, LEDGERS // 4)


@dataclass(frozen=True)
class _Company(companies.Company):
    """A company whose calendar stands still."""

    day: date = date.min

    @property
    def today(self) -> date:
        return self.day


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + _LEDGERS))
def loaded(request: pytest.FixtureRequest, database: Database) -> Loaded:
    return load(database, request.param)


@pytest.mark.parametrize("level", ["customer", "group"])
def test_every_node_says_what_the_definition_says(loaded: Loaded, level: Level) -> None:
    rng = random.Random(f"why {loaded.seed} {level}")
    for _ in range(max(1, FILTERS // 6)):
        made = random_filter(rng, loaded.world, level, rng.randint(1, 4))
        selected = matches(made.tree, loaded.world, level, made.params)
        for source_id in _asked_about(rng, loaded, level, selected):
            answer = why_of(loaded, made, level, source_id)
            about = f"{source_id}: {made.text} {made.params}"
            assert answer["matches"] is answer["tree"]["holds"] is (source_id in selected), about
            Judge(loaded, level, made.params, about).judge_all(answer["tree"], source_id)


def _asked_about(rng: random.Random, loaded: Loaded, level: Level, selected: set[str]) -> Iterator[str]:
    """One or two that are selected, and one or two that are not."""
    subjects = loaded.world.customers if level == "customer" else loaded.world.groups
    known = {subject.source_id for subject in subjects}
    for part in (known & selected, known - selected):
        yield from rng.sample(sorted(part), min(len(part), 2))


def why_of(loaded: Loaded, made: RandomFilter, level: Level, source_id: str) -> Document:
    case = loaded.case
    company = _Company(
        loaded.company_id, case.company.name, None, case.company.base_currency, case.company.time_zone, day=case.today
    )
    asked = {"filter": made.text, "level": level, "as_of": case.as_of, "params": made.params or None, level: source_id}
    return queries.why(loaded.database, company, Doubted.model_validate(asked))


def source_id_of(row: Row) -> str:
    assert not isinstance(row, ledger.Company)
    return row.source_id


class Judge:
    """Judges each node by its own text, at the rows that the tree says it is about."""

    def __init__(self, loaded: Loaded, level: Level, params: Mapping[str, object], about: str) -> None:
        self.world = loaded.world
        self.level = level
        self.params = params
        self.about = about
        self.evaluator = Evaluator(loaded.world, level, params)
        self.trees: list[ast.Condition] = []  # the evaluator tells them apart by where they lie in memory

    def judge_all(self, tree: Document, source_id: str) -> None:
        subjects = self.world.customers if self.level == "customer" else self.world.groups
        [subject] = [one for one in subjects if one.source_id == source_id]
        place = self.evaluator.place(subject)
        self.judge(tree, place, place)

    def judge(self, node: Document, place: Place, outside: Place) -> None:
        """`outside` is what NOT is about: no row of a bare condition is settled there."""
        tree = self.read(node["text"])
        if place is outside:
            assert node["holds"] is self.evaluator.holds(tree, place), f"{node['text']} in {self.about}"
        at = self.settled(node, place)
        if place is outside and at is not place and node["holds"] and "witness" in node:
            assert Pinned(self, node["witness"]).holds(tree, place), f"{node['witness']} of {node['text']}"
        match node["kind"]:
            case "condition":
                assert node["holds"] is self.literal(tree, at), f"{node} in {self.about}"
                assert ("detail" in node) <= (not node["holds"])
            case "and":
                assert node["holds"] is all(child["holds"] for child in node["children"])
            case "or":
                assert node["holds"] is any(child["holds"] for child in node["children"])
            case "same row":
                assert node["holds"] is all(child["holds"] for child in node["children"])
                assert at is not place or not node["holds"] or "OR" in node["text"], f"{node} in {self.about}"
            case "not":
                assert node["holds"] is not node["children"][0]["holds"]
                at = outside
            case _:
                return self.judge_block(node, tree, place)
        for child in node["children"]:
            self.judge(child, at, outside)
        return None

    def judge_block(self, node: Document, tree: ast.Condition, place: Place) -> None:
        assert isinstance(tree, ast.Block)
        if "customer" not in place.rows and tree.entity != "customer":
            assert not node["holds"]
            return
        where = f"{node} in {self.about}"
        assert node["holds"] is self.evaluator.literal_holds(tree, place), where
        having = {source_id_of(row) for row in self.evaluator._where(tree.entity, tree.condition, place)}
        assert node["count"] == len(having), where
        assert node["of"] == len(self.evaluator._rows(tree.entity, place)), where
        assert {row["source_id"] for row in node.get("witnesses", [])} <= having, where
        assert node["kind"] != "any" or ("witness" in node) is node["holds"], where
        assert node["kind"] != "no" or ("witness" in node) is not node["holds"], where
        shown = node.get("witness") or node.get("counterexample") or node.get("nearest")
        if shown:
            assert (shown["source_id"] in having) is ("witness" in node), where
            row = self.row(shown, place)
            inside = self.evaluator._inside(tree.entity, row, place)
            for child in node["children"]:
                assert child["holds"] is ("witness" in node), where
                self.judge(child, inside, inside)

    def settled(self, node: Document, place: Place) -> Place:
        """With the row that the node shows as the one its bare conditions are about."""
        shown = node.get("witness") or node.get("nearest")
        if shown is None or node["kind"] in ("any", "no", "all"):
            return place
        if self.level == "group" and place.subject == "group":
            member = self.row({**shown, "source_id": shown.get("customer_source_id", shown["source_id"])}, place, True)
            assert isinstance(member, Customer)
            place = self.evaluator._at_customer(member, None)
        if shown["entity"] == "customer":
            return place
        return place.with_row(shown["entity"], self.row(shown, place))

    def row(self, shown: Document, place: Place, member: bool = False) -> Row:
        entity = "customer" if member else shown["entity"]
        [row] = [row for row in self.evaluator._rows(entity, place) if source_id_of(row) == shown["source_id"]]
        return row

    def literal(self, literal: ast.Condition, place: Place) -> bool:
        """What is said of a row that there is none of does not hold."""
        if (bare_names(literal, place.own) & set(TO_MANY)) - set(place.rows):
            return False
        if place.subject == "group" and is_about_member(literal):
            return False
        return self.evaluator.literal_holds(literal, place)

    def read(self, text: str) -> ast.Condition:
        self.trees.append(parse(text))
        return self.trees[-1]


class Pinned(Evaluator):
    """Bare conditions can be about one row only, where they are about its entity."""

    def __init__(self, judge: Judge, row: Document) -> None:
        super().__init__(judge.world, judge.level, judge.params)
        self.ids = {row["entity"]: row["source_id"]}
        if "customer_source_id" in row:
            self.ids["customer"] = row["customer_source_id"]

    def _rows_in_role(self, entity: str, literals: tuple[ast.Condition, ...], place: Place) -> Iterator[Row]:
        rows = super()._rows_in_role(entity, literals, place)
        return (row for row in rows if self.ids.get(entity) in (None, source_id_of(row)))

    def _members_in_role(self, literals: tuple[ast.Condition, ...], place: Place) -> Iterator[Customer]:
        members = super()._members_in_role(literals, place)
        return (row for row in members if self.ids.get("customer", row.source_id) == row.source_id)


# ---------------------------------------------------------------- examples by hand

TODAY = date(2026, 6, 30)
LEDGER = {
    "groups": "source_id,name\nG1,North\nG2,Empty\n",
    "customers": """source_id,name,group,rating,credit_limit,account_owner,portfolios
in,Inside,G1,D,5000,Kim,Retail|VIP
low,Low,G1,B,,,
two,Two,,D,1000,Lee,
none,None,,D,,,
""",
    "invoices": """source_id,customer_id,issue_date,due_date,amount,currency
a1,in,2026-01-01,2026-02-01,1500,EUR
a2,in,2026-01-01,2026-07-31,20,EUR
b1,low,2026-01-01,2026-06-20,960,EUR
b0,low,2026-01-01,2026-06-29,5,EUR
c1,two,2026-06-01,2026-07-01,2000,EUR
c2,two,2026-01-01,2026-02-01,50,EUR
""",
    "payments": """source_id,customer_id,date,amount
p1,in,2026-06-20,600
p0,low,2026-03-01,10
p2,low,2026-03-01,100
""",
}


@pytest.fixture(scope="module")
def company(database: Database) -> _Company:
    made = make_company(database)
    replace(made, today=TODAY).load(LEDGER)
    return _Company(made.company_id, "By hand", None, "EUR", "Europe/Berlin", day=TODAY)


@dataclass(frozen=True)
class Explain:
    database: Database
    company: _Company

    def __call__(self, filter: str, source_id: str, level: Level = "customer", **more: object) -> Document:
        asked = {"filter": filter, "level": level, level: source_id, **more}
        answer = queries.why(self.database, self.company, Doubted.model_validate(asked))
        assert answer["matches"] is answer["tree"]["holds"]
        tree: Document = answer["tree"]
        return tree


@pytest.fixture
def explain(database: Database, company: _Company) -> Explain:
    return Explain(database, company)


def briefly(node: Document) -> str:
    """A tree in one line: marks, kinds of the inner nodes, and the rows that are shown."""
    rows = [f"{role}={node[role]['source_id']}" for role in ("witness", "nearest", "counterexample") if role in node]
    children = f"({', '.join(map(briefly, node['children']))})" if node["children"] else ""
    return " ".join(["+" if node["holds"] else "-", node["kind"], *rows]) + children


SEED = "invoice.balance > 1000 AND payment.amount > 500 AND customer.rating = 'D'"


@pytest.mark.parametrize(
    ("filter", "source_id", "expected"),
    [
        (SEED, "in", "+ and(+ condition witness=a1, + condition witness=p1, + condition)"),
        (SEED, "low", "- and(- condition nearest=b1, - condition nearest=p2, - condition)"),
        (SEED, "none", "- and(- condition, - condition, + condition)"),
        # Two invoices that only together are both: the nearest is the first of them.
        (
            "invoice.balance > 1000 AND invoice.days_overdue > 30",
            "two",
            "- same row nearest=c1(+ condition witness=c1, - condition nearest=c1)",
        ),
        (
            "ANY invoice (balance > 1000) AND ANY invoice (days_overdue > 30)",
            "two",
            "+ and(+ any witness=c1(+ condition), + any witness=c2(+ condition))",
        ),
        (
            "invoice.balance > 1000 AND payment.amount > 5 AND invoice.is_overdue",
            "in",
            "+ and(+ same row witness=a1(+ condition witness=a1, + condition witness=a1), + condition witness=p1)",
        ),
        (
            "(invoice.balance > 1000 OR customer.rating = 'D') AND invoice.days_overdue > 30",
            "two",
            "+ same row witness=c2(+ or(- condition nearest=c2, + condition), + condition witness=c2)",
        ),
        (
            "(invoice.balance > 1000 OR payment.amount > 99) AND invoice.days_overdue < 5 AND payment.date < today",
            "low",
            "+ same row witness=b0(+ same row witness=p2(+ or(- condition nearest=b0, + condition witness=p2),"
            " + condition witness=p2), + condition witness=b0)",
        ),
        ("NOT invoice.balance > 1000", "in", "- not(+ condition witness=a1)"),
        ("NOT invoice.balance > 1000", "low", "+ not(- condition nearest=b1)"),
        ("NO payment (date IN LAST 30 DAYS)", "in", "- no witness=p1(+ condition)"),
        ("NO payment (date IN LAST 30 DAYS)", "low", "+ no"),
        ("ALL invoice (balance > 1000)", "in", "- all counterexample=a2(- condition)"),
        ("ALL invoice (balance > 1)", "in", "+ all"),
        ("ALL invoice (is_open)", "none", "- all"),
        ("ANY invoice (balance > 1000)", "low", "- any nearest=b1(- condition)"),
        ("invoice.balance > 1000 OR customer.rating = 'D'", "none", "+ or(- condition, + condition)"),
    ],
)
def test_the_tree_shows_which_row_decides(explain: Explain, filter: str, source_id: str, expected: str) -> None:
    assert briefly(explain(filter, source_id)) == expected


@pytest.mark.parametrize(
    ("filter", "source_id", "expected"),
    [
        ("customer.rating = 'B' AND invoice.balance > 1000", "G1",
         "- same row nearest=in(- condition nearest=in, + condition witness=a1)"),
        ("customer.rating = 'B' AND invoice.balance > 900", "G1",
         "+ same row witness=low(+ condition witness=low, + condition witness=b1)"),
        ("customer.rating = 'B' AND group.members_count > 1", "G1", "+ and(+ condition witness=low, + condition)"),
        ("NOT customer.rating = 'B'", "G1", "- not(+ condition witness=low)"),
        ("NO invoice (balance > 1000)", "G1", "+ same row witness=low(+ no)"),
        ("ALL customer (invoice.balance > 950)", "G1", "+ all"),
        ("ANY customer (invoice.balance > 950 AND rating = 'D')", "G1",
         "+ any witness=in(+ and(+ condition witness=a1, + condition))"),
        ("COUNT(customer WHERE invoice.balance > 1000) = 1", "G1", "+ condition"),
        ("invoice.balance > 10", "G2", "- condition"),
        ("NO invoice (balance > 10)", "G2", "- same row(- no)"),
    ],
)  # fmt: skip
def test_a_group_is_explained_by_its_members(explain: Explain, filter: str, source_id: str, expected: str) -> None:
    assert briefly(explain(filter, source_id, "group")) == expected


VALUES = [
    ("invoice.balance > 1000", "low", "960.00", None, "40.00", "balance 960.00, needs more than 1,000.00"),
    ("invoice.balance >= 960.01", "low", "960.00", None, "0.01", "balance 960.00, needs at least 960.01"),
    ("invoice.balance < 20", "in", "20.00", None, "0.00", "balance 20.00, needs less than 20.00"),
    ("COUNT(invoice WHERE is_overdue) >= 3", "low", 2, None, 1,
     "number of invoices (that are overdue): 2, needs at least 3"),
    ("SUM(invoice.balance) > 90% * 2000", "in", "1520.00", "1800.00", "280.00",
     "total balance of invoices: 1,520.00, needs more than 1,800.00"),
    ("AVG(invoice.balance) IS NOT MISSING", "none", None, None, None,
     "average balance of invoices: missing, needs known"),
    ("FIRST(invoice.days_overdue BY due_date) BETWEEN 200 AND 300", "in", 149, None, 51,
     "number of days overdue of the first invoice (by due date): 149, needs between 200 and 300"),
    ("customer.credit_limit > 10", "low", None, None, None, "credit limit missing, needs more than 10.00"),
    ("customer.account_owner = 'Kim'", "two", "Lee", None, None, "account owner 'Lee', needs 'Kim'"),
    ("customer.account_owner != 'Lee'", "two", "Lee", None, None, "account owner 'Lee', needs not 'Lee'"),
    ("customer.account_owner IS MISSING", "in", "Kim", None, None, "account owner 'Kim', needs missing"),
    ("customer.credit_limit_utilisation > 80%", "in", "30.4", None, "49.6",
     "credit limit utilisation 30.4%, needs more than 80%"),
    ("customer.balance_total / 3 < 100", "two", "683.333333", None, "583.333333",
     "its balance total divided by 3: 683.333333, needs less than 100.00"),
    ("invoice.due_date < 2026-06-01", "low", "2026-06-20", None, 19, "due date 2026-06-20, needs before 2026-06-01"),
    ("invoice.due_date > today + 2 weeks", "low", "2026-06-29", "2026-07-14", 15,
     "due date 2026-06-29, needs after 2026-07-14"),
    ("payment.date IN LAST 30 DAYS", "low", "2026-03-01", ["2026-06-01", "2026-06-30"], 92,
     "date 2026-03-01, needs in 2026-06-01 to 2026-06-30"),
    ("customer.portfolios HAS ANY ('Enterprise')", "in", ["Retail", "VIP"], None, None,
     "portfolios 'Retail', 'VIP', needs ones that include any of 'Enterprise'"),
    ("customer.portfolios HAS 'x'", "low", [], None, None, "portfolios empty, needs ones that include any of 'x'"),
    ("customer.name CONTAINS 'xx'", "in", "Inside", None, None, "name 'Inside', needs one that contains 'xx'"),
    ("customer.rating IN ('A', 'B')", "in", "D", None, None, "rating 'D', needs one of 'A', 'B'"),
    ("customer.rating < 'B'", "in", "D", None, None, "rating 'D', needs before 'B'"),
    ("customer.chasing_paused", "in", False, None, None, "customer chasing paused no, needs yes"),
]  # fmt: skip


@pytest.mark.parametrize(("filter", "source_id", "actual", "compared_with", "short_by", "detail"), VALUES)
def test_what_fails_says_by_how_much(
    explain: Explain, filter: str, source_id: str, actual: object, compared_with: object, short_by: object, detail: str
) -> None:
    node = explain(filter, source_id)
    assert not node["holds"]
    assert node["actual"] == actual
    assert (node.get("compared_with"), node.get("short_by"), node["detail"]) == (compared_with, short_by, detail)


def test_a_node_reads_as_it_is_written(explain: Explain) -> None:
    node = explain(
        "(invoice.balance>1k and  NOT customer.rating='D') or ANY payment(amount < $most)", "in", params={"most": 700}
    )
    both, block = node["children"]
    assert [child["text"] for child in (both, *both["children"], block)] == [
        "invoice.balance > 1000 AND NOT customer.rating = 'D'", "invoice.balance > 1000", "NOT customer.rating = 'D'",
        "ANY payment (amount < $most)",
    ]  # fmt: skip
    assert [child["english"] for child in both["children"]] == [
        "with one invoice whose balance is over 1,000", "whose rating is not 'D' (or missing)"
    ]  # fmt: skip
    assert block["witness"] == {
        "entity": "payment", "source_id": "p1", "amount": "600.00", "currency": "EUR", "date": "2026-06-20"
    }  # fmt: skip
    assert (block["count"], block["of"], block["children"][0]["actual"]) == (1, 1, "600.00")


def test_a_past_day_has_its_own_answer(explain: Explain) -> None:
    assert briefly(explain("invoice.is_overdue", "in")) == "+ condition witness=a1"
    assert briefly(explain("invoice.is_overdue", "in", as_of="2026-02-01")) == "- condition nearest=a1"


def test_everyone_needs_no_reason(explain: Explain) -> None:
    assert explain("", "in", match_all=True)["holds"]


def test_the_longest_filter_is_explained(explain: Explain) -> None:
    filter = " OR ".join(f"invoice.balance = {number}" for number in range(100))
    node = explain(f"({filter}) AND (customer.rating = 'A' OR {' OR '.join(['invoice.amount = 1'] * 99)})", "in")
    assert not node["holds"]


# ---------------------------------------------------------------- HTTP and the command line


@pytest.fixture(scope="module")
def client(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client_of(database_url, tmp_path_factory.mktemp("data")) as client:
        yield client


def test_http(client: TestClient, database: Database, company: _Company) -> None:
    api = api_of(client, database, company)
    found = api.answer("/v1/why", filter=SEED, customer="low", as_of=TODAY.isoformat())
    assert list(found) == ["as_of", "level", "customer", "canonical", "english", "matches", "tree"]
    assert found["matches"] is False
    assert {"text", "english", "holds", "children"} <= found["tree"].keys()
    assert api.answer("/v1/why", filter=SEED, group="G1", level="group")["group"] == "G1"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"customer": "nobody"}, 404, "unknown-id"),
        ({"customer": "of another"}, 404, "unknown-id"),
        ({"customer": "\0"}, 404, "unknown-id"),
        ({"customer": "\ud800"}, 422, "bad-json"),
        ({"group": "in", "level": "group"}, 404, "unknown-id"),
        ({"group": "G1"}, 422, "bad-request"),
        ({"customer": "in", "level": "group"}, 422, "bad-request"),
        ({"customer": "in", "group": "G1"}, 422, "bad-request"),
        ({}, 422, "bad-request"),
        ({"customer": "in", "more": 1}, 422, "bad-request"),
        ({"customer": "in", "filter": "custmer.rating = 'D'"}, 422, "bad-filter"),
        ({"customer": "in", "filter": "customer.rating = $r"}, 422, "bad-filter"),
    ],
)
def test_what_cannot_be_explained(
    client: TestClient, database: Database, company: _Company, asked: Document, status: int, code: str
) -> None:
    make_company(database).load({"customers": "source_id\nof another\n"})
    response = api_of(client, database, company).send("/v1/why", json.dumps({"filter": SEED, **asked}).encode())
    problem = response.json()
    assert (response.status_code, problem["type"]) == (status, f"urn:duelist:problem:{code}")
    if status == 404 and "customer" in asked:
        assert problem["detail"] == api_of(client, database, company).get("/v1/customers/nobody").json()["detail"]


def test_a_wrong_name_of_the_id_is_told(client: TestClient, database: Database, company: _Company) -> None:
    told = api_of(client, database, company).post("/v1/why", filter=SEED, group="G1").json()["detail"]
    assert told == "At level customer the request names the customer to explain: 'customer', not 'group'."


def test_a_key_is_needed(client: TestClient) -> None:
    assert client.post("/v1/why", json={"filter": SEED, "customer": "in"}).status_code == 401
