"""What a run records of each row: the name it is shown by, the column of run_row it is in, and its field."""

from collections.abc import Iterable, Mapping
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
# What no bigint holds, as a sum of the largest amounts may be, is in a column beside.
_BEYOND = {"balance": "balance_beyond", "balance_overdue": "balance_overdue_beyond"}


def stored(columns: Iterable[str]) -> Mapping[str, str]:
    """The columns of run_row that are written, each with its SQL over the selected columns of the same names."""
    written = {}
    for column in columns:
        written[column] = column
        if column in _BEYOND:
            fits = f"{column} BETWEEN {-(2**63)} AND {2**63 - 1}"
            written[column] = f"CASE WHEN {fits} THEN {column}::bigint END"
            written[_BEYOND[column]] = f"CASE WHEN NOT {fits} THEN {column} END"
    return written


def stated(row: str, column: str) -> str:
    """The SQL of what is recorded in a column."""
    return f"coalesce({row}.{column}, {row}.{_BEYOND[column]})" if column in _BEYOND else f"{row}.{column}"


def shown(kind: Kind, *, held_back: bool = False) -> Shown:
    """`held_back`: a last column that says whether the row was."""
    fields = {name: _field(kind, recorded.path) for name, recorded in RECORDED[kind].items()}
    return Shown({**fields, "held_back": _field("customers", "chasing_paused")} if held_back else fields)


def _field(kind: Kind, path: str) -> Field:
    entity, _, name = path.rpartition(".")
    return CATALOG.entities[entity or ENTITIES[kind]].fields[name]
