"""Pages in the order of a field, against all rows put in order; and what a selection owes by age, worked out again."""

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args

import orjson
import pytest

from app import queries
from app.asked import Level, Ordering
from app.companies import Company, of_key
from app.database import Database
from app.kept import rebuild
from app.problems import Problem
from app.queries import Cursors, Dated, Exporting, Paged
from dsl.catalog import Field
from dsl.formatter import format_filter
from dsl.types import NUMERIC, Kind
from tests.oracle.evaluator import matches, matching_rows
from tests.oracle.generate import random_filter
from tests.oracle.ledger import Customer, Invoice
from tests.oracle.metrics import NoRate, World
from tests.worlds import FIRST_SEED, TODAY, load

LEDGERS = int(os.environ.get("DUELIST_LEDGERS", "3"))
FIELDS = int(os.environ.get("DUELIST_FIELDS", "12"))
FILTERS = int(os.environ.get("DUELIST_FILTERS", "10"))
LEVELS: tuple[Level, ...] = get_args(Level)
CURSORS = Cursors(b"key")


@dataclass(frozen=True)
class Judged:
    seed: int
    database: Database
    company: Company
    world: World


@pytest.fixture(scope="module", params=range(FIRST_SEED, FIRST_SEED + LEDGERS))
def judged(request: pytest.FixtureRequest, database: Database) -> Iterator[Judged]:
    loaded = load(database, request.param, own=True)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Company, "today", TODAY)
        with database.transaction(loaded.company_id) as connection:
            company = of_key(connection)
        with database.transaction(loaded.company_id, write=True) as connection:
            rebuild(connection, loaded.company_id, TODAY)
        yield Judged(loaded.seed, database, company, loaded.world)


def rows(judged: Judged, entity: str, name: str, order: Ordering | None, limit: int) -> list[dict[str, Any]]:
    """Of everybody, page by page."""
    everyone = f"{entity}.{name} IS MISSING OR {entity}.{name} IS NOT MISSING"
    asked = Paged(filter=everyone, order=order, limit=limit)
    found: list[dict[str, Any]] = []
    while True:
        if entity == "customer":
            page, kind = queries.preview(judged.database, CURSORS, judged.company, asked), "customers"
        else:
            page, kind = queries.rows_of(judged.database, CURSORS, judged.company, asked, "invoices"), "invoices"
        found += page[kind]
        if page["next_cursor"] is None:
            return found
        asked = asked.model_copy(update={"cursor": page["next_cursor"]})


def key(field: Field, value: Any) -> Any:
    if field.type.ordered:
        return field.type.choices.index(value)
    if field.type.kind in NUMERIC | {Kind.MONEY, Kind.PERCENT}:
        return Decimal(value)
    return value.lower() if isinstance(value, str) else value


@pytest.mark.parametrize("entity", ["customer", "invoice"])
def test_pages_are_in_the_order_of_a_field(judged: Judged, entity: str) -> None:
    rng = random.Random(f"{judged.seed} {entity} order")
    fields = [field for field in judged.company.catalog.entities[entity].fields.values() if field.type.kind != Kind.SET]
    for field in rng.sample(fields, FIELDS):
        plain = rows(judged, entity, field.name, None, 500)
        known = [row for row in plain if row[field.name] is not None]
        missing = [row for row in plain if row[field.name] is None]
        for descending in (False, True):
            # Missing ones last; what is alike stays in the order of source ids, also where the order is turned.
            wanted = sorted(known, key=lambda row: key(field, row[field.name]), reverse=descending)
            order = Ordering(field=field.name, descending=descending)
            assert rows(judged, entity, field.name, order, rng.randint(2, 9)) == wanted + missing, field.name


@pytest.mark.parametrize("entity", ["customer", "invoice"])
def test_a_whole_answer_is_in_the_same_order(judged: Judged, entity: str) -> None:
    rng = random.Random(f"{judged.seed} {entity} export")
    fields = [field for field in judged.company.catalog.entities[entity].fields.values() if field.type.kind != Kind.SET]
    for field in rng.sample(fields, 4):
        order = Ordering(field=field.name, descending=rng.random() < 0.5)
        everyone = f"{entity}.{field.name} IS MISSING OR {entity}.{field.name} IS NOT MISSING"
        asked = Exporting(filter=everyone, order=order, rows="customers" if entity == "customer" else "invoices")
        sent = b"".join(queries.export(judged.database, judged.company, asked, "ndjson", timeout_ms=60_000))
        assert [orjson.loads(line) for line in sent.splitlines()] == rows(judged, entity, field.name, order, 500)


def test_a_field_that_no_row_shows_gives_no_order(judged: Judged) -> None:
    asked = Paged(filter="customer.rating = 'D'", order=Ordering(field="tags"))
    with pytest.raises(Problem, match=r"cannot be ordered by 'tags'; there are source_id, name, rating\."):
        queries.preview(judged.database, CURSORS, judged.company, asked)


def test_a_cursor_belongs_to_its_order(judged: Judged) -> None:
    asked = Paged(filter="customer.name IS NOT MISSING", limit=1, order=Ordering(field="name"))
    cursor = queries.preview(judged.database, CURSORS, judged.company, asked)["next_cursor"]
    assert cursor
    turned = asked.model_copy(update={"cursor": cursor, "order": Ordering(field="name", descending=True)})
    with pytest.raises(Problem, match="does not belong"):
        queries.preview(judged.database, CURSORS, judged.company, turned)


# ---------------------------------------------------------------- by age

EDGES = {
    "not due": (0, 0),
    "1-30": (1, 30),
    "31-45": (31, 45),
    "46-60": (46, 60),
    "61-90": (61, 90),
    "91+": (91, 99_999),
}


def bucket(world: World, invoice: Invoice) -> str:
    late = max(world.days_overdue(invoice) or 0, 0)
    return next(name for name, (first, last) in EDGES.items() if first <= late <= last)


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_selection_owes_by_age(judged: Judged, level: Level) -> None:
    rng, world = random.Random(f"{judged.seed} {level} aging"), judged.world
    base = world.company.base_currency
    for _ in range(FILTERS):
        tree = random_filter(rng, world, level, rng.randint(1, 3), without=["parameters"]).tree
        asked = Dated(filter=format_filter(tree), level=level, as_of=world.as_of)
        selected = matches(tree, world, level) if level == "customer" else matching_rows(tree, world, "customer", level)
        owed = dict.fromkeys(EDGES, Decimal(0))
        invoices: Counter[str] = Counter()
        unrated: Counter[str] = Counter()
        for customer in (world.row("customer", source_id) for source_id in selected):
            assert isinstance(customer, Customer)
            for invoice in filter(world.is_open, world.customer_invoices(customer)):
                name = bucket(world, invoice)
                invoices[name] += 1
                try:
                    owed[name] += world.convert(invoice.balance, invoice.currency, base)
                except NoRate:
                    unrated[name] += 1
        found = queries.aging(judged.database, judged.company, asked)
        assert found["currency"] == base
        told = [(one["bucket"], Decimal(one["balance"]), one["invoices"], one["unrated"]) for one in found["buckets"]]
        assert told == [(name, owed[name], invoices[name], unrated[name]) for name in EDGES], format_filter(tree)
