"""Random filters beside SQL put together from handwritten conditions: none may be much slower.

Conditions are on customer fields or in blocks of their own, which AND, OR and NOT can put together in any way.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from app.bench.asking import asked_in, given_to_all, ours, run
from app.bench.ledger import Place
from app.bench.measuring import medians
from app.bench.progress import Told
from app.bench.queries import Differs
from app.bench.questions import METRICS, OPEN, OVERDUE, PAUSED
from app.bench.table import Row, say, show
from dsl.statements import Statement

SEED = 20_261_122
MOST = 3.0


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a filter, and the same of customer c with its metrics m in SQL.."""

    text: str
    sql: str
    values: Mapping[str, object] = field(default_factory=dict)


def _block(quantifier: str, entity: str, text: str, relation: str, sql: str, **values: object) -> Condition:
    alias = relation.split()[1]
    exists = f"EXISTS (SELECT 1 FROM {relation} WHERE {alias}.company_id = %(company)s" \
        f" AND {alias}.customer_id = c.id AND {sql})"  # fmt: skip
    return Condition(f"{quantifier} {entity} ({text})", exists if quantifier == "ANY" else f"NOT {exists}", values)


CONDITIONS = (
    Condition("customer.balance_overdue > 20000", "m.balance_overdue > %(overdue)s", {"overdue": 200_000_000}),
    Condition("customer.balance_total > 5000", "m.balance_total > %(total)s", {"total": 50_000_000}),
    Condition("customer.max_days_overdue > 200", "m.overdue_since < %(as_of)s - 200"),
    Condition("customer.open_invoices_overdue >= 3", "m.open_invoices_overdue >= 3"),
    Condition("customer.average_days_late > 15", "m.average_days_late > 15"),
    Condition("customer.credit_limit_utilisation > 80%", "m.credit_limit_utilisation > 80"),
    Condition("customer.last_payment_date < today - 90 days", "m.last_payment_date < %(as_of)s - 90"),
    Condition("customer.country = 'FR'", "m.country = %(country)s", {"country": "FR"}),
    Condition("customer.email_available", "m.email_available"),
    Condition("customer.chasing_paused", PAUSED),
    Condition("customer.rating IN ('C', 'D')", "c.rating = ANY(%(ratings)s)", {"ratings": ["C", "D"]}),
    Condition("customer.account_owner = 'Kim'", "c.account_owner = %(owner)s", {"owner": "Kim"}),
    Condition("customer.name CONTAINS 'steel'", "c.name ILIKE %(part)s", {"part": "%steel%"}),
    Condition("customer.tags HAS 'legal'", "c.tags @> %(tags)s", {"tags": ["legal"]}),
    Condition(
        "group.balance_overdue > 100000",
        "c.group_id IN (SELECT gm.group_id FROM group_metrics gm"
        " WHERE gm.company_id = %(company)s AND gm.balance_overdue > %(grouped)s)",
        {"grouped": 1_000_000_000},
    ),
    _block("ANY", "invoice", "balance > 5000 AND days_overdue > 30", "invoice i",
        f"i.balance > %(late)s AND {OPEN} AND i.due_date < %(as_of)s - 30", late=50_000_000),
    _block("ANY", "invoice", "status = 'disputed'", "invoice i", "i.status = 'disputed'"),
    _block("ANY", "invoice", "amount > 40000", "invoice i", "i.amount > %(amount)s", amount=400_000_000),
    _block("NO", "invoice", "is_overdue", "invoice i", OVERDUE),
    _block("NO", "payment", "date IN LAST 60 DAYS", "payment p", "p.date BETWEEN %(as_of)s - 59 AND %(as_of)s"),
    _block("ANY", "payment", "amount > 10000 AND source = 'card'", "payment p",
        "p.amount > %(paid)s AND p.source = %(source)s", paid=100_000_000, source="card"),
    _block("ANY", "credit_note", "amount_remaining > 100", "credit_note n", "n.amount_remaining > %(credit)s",
        credit=1_000_000),
    _block("NO", "contact", "email_valid", "contact k", "k.email_valid"),
    _block("ANY", "activity", "kind = 'call' AND days_ago < 30", "activity a",
        "a.kind = %(kind)s AND a.date > %(as_of)s - 30", kind="call"),
    Condition(
        "COUNT(invoice WHERE is_overdue) >= 2",
        f"c.id IN (SELECT i.customer_id FROM invoice i WHERE i.company_id = %(company)s AND {OVERDUE}"
        " GROUP BY i.customer_id HAVING count(*) >= 2)",
    ),
)  # fmt: skip


def random_condition(chance: random.Random, depth: int = 2) -> Condition:
    """A tree of two or three parts at each node."""
    if depth == 0 or chance.random() < 0.2:
        return chance.choice(CONDITIONS)
    parts = [random_condition(chance, depth - 1) for _ in range(chance.choice((2, 2, 3)))]
    joined = _joined(parts, chance.choice((" AND ", " AND ", " OR ")))
    return _negated(joined) if chance.random() < 0.15 else joined


def _joined(parts: Sequence[Condition], word: str) -> Condition:
    values = {name: value for part in parts for name, value in part.values.items()}
    return Condition(
        word.join(f"({part.text})" for part in parts), word.join(f"({part.sql})" for part in parts), values
    )


def _negated(part: Condition) -> Condition:
    return Condition(f"NOT ({part.text})", f"(({part.sql}) IS NOT TRUE)", part.values)


def _handwritten(place: Place, condition: Condition) -> dict[str, Statement]:
    given = {**condition.values, **given_to_all(place)}
    rows = f"FROM customer c{METRICS} WHERE c.company_id = %(company)s AND ({condition.sql})"
    page = f'SELECT c.source_id {rows} ORDER BY c.source_id COLLATE "C" LIMIT %(limit)s'
    return {"count": Statement(f"SELECT count(*) {rows}", given), "page": Statement(page, given)}


def measure(place: Place, number: int, rounds: int, told: Told) -> list[Row]:
    chance = random.Random(SEED)
    with asked_in(place) as connection:
        figures = []
        for done in range(1, number + 1):
            condition = random_condition(chance)
            by_hand, compiled = _handwritten(place, condition), ours(connection, place, condition.text)
            ask: Callable[[Statement], list[tuple[object, ...]]] = partial(run, connection)
            _same(condition, ask, compiled.statements(), by_hand)
            times = medians({
                "ours": partial(ask, compiled.count), "by hand": partial(ask, by_hand["count"]),
                "ours page": partial(ask, compiled.page), "by hand page": partial(ask, by_hand["page"]),
            }, rounds)  # fmt: skip
            figures.append(_row(condition, times))
            told("random filters", done / number)
    return figures


def _same(
    condition: Condition,
    ask: Callable[[Statement], list[tuple[object, ...]]],
    compiled: Mapping[str, Statement],
    by_hand: Mapping[str, Statement],
) -> None:
    for part in by_hand:
        if [row[0] for row in ask(compiled[part])] != [row[0] for row in ask(by_hand[part])]:
            raise Differs(f"the {part} of {condition.text}")


def _row(condition: Condition, times: Mapping[str, float]) -> Row:
    return {
        "ratio": times["ours"] / times["by hand"],
        "page ratio": times["ours page"] / times["by hand page"],
        "count ms": times["ours"],
        "page ms": times["ours page"],
        "filter": condition.text,
    }


def report(figures: list[Row]) -> None:
    worst = sorted(figures, key=_worse, reverse=True)
    show("Random filters: the slowest beside SQL of handwritten conditions", worst[:10])
    within = sum(_worse(figure) <= MOST for figure in figures)
    say([f"never over {MOST:g}x: {within} of {len(figures)} random filters; the most is {_worse(worst[0]):.2f}x"])


def _worse(figure: Row) -> float:
    return max(float(str(figure["ratio"])), float(str(figure["page ratio"])))
