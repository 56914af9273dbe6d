"""What a run records of each row: the name it is shown by, the column of run_row it is in, and its field."""

from collections.abc import Mapping
from typing import NamedTuple

from app.asked import Kind
from app.cells import Shown
from app.lists import ENTITIES
from dsl import CATALOG
from dsl.catalog import Field


class Recorded(NamedTuple):
    column: str
    path: str


_DOCUMENT = {
    "source_id": Recorded("source_id", "source_id"),
    "customer_source_id": Recorded("customer_source_id", "customer.source_id"),
    "customer_name": Recorded("name", "customer.name"),
    "currency": Recorded("currency", "currency"),
    "amount": Recorded("amount", "amount"),
}
_MEMBER = {
    "source_id": Recorded("source_id", "source_id"),
    "name": Recorded("name", "name"),
    "balance_total": Recorded("balance", "balance_total"),
    "balance_overdue": Recorded("balance_overdue", "balance_overdue"),
}
RECORDED: Mapping[Kind, Mapping[str, Recorded]] = {
    "groups": _MEMBER,
    "customers": {**_MEMBER, "currency": Recorded("currency", "currency")},
    "invoices": {
        **_DOCUMENT,
        "balance": Recorded("balance", "balance"),
        "due_date": Recorded("date", "due_date"),
    },
    "payments": {
        **_DOCUMENT,
        "amount_remaining": Recorded("balance", "amount_remaining"),
        "date": Recorded("date", "date"),
    },
    "credit_notes": {
        **_DOCUMENT,
        "amount_remaining": Recorded("balance", "amount_remaining"),
        "issue_date": Recorded("date", "issue_date"),
    },
}
MONEY = {"amount", "balance", "balance_overdue"}


def shown(kind: Kind, *, held_back: bool = False) -> Shown:
    """`held_back`: a last column that says whether the row was."""
    fields = {name: _field(kind, recorded.path) for name, recorded in RECORDED[kind].items()}
    return Shown({**fields, "held_back": _field("customers", "chasing_paused")} if held_back else fields)


def _field(kind: Kind, path: str) -> Field:
    entity, _, name = path.rpartition(".")
    return CATALOG.entities[entity or ENTITIES[kind]].fields[name]
