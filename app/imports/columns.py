"""The import files and their columns: the one table that reading, checking and loading go by.

In the SQL of this table, `s` is the staged row, `old` the stored row of the same key, and a reference joins the table
it names (`customer`, `customer_group`, `invoice`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.values import (
    COUNTRY,
    CURRENCY,
    DAY,
    FLAG,
    KEY,
    MOMENT,
    MONEY,
    PROSE,
    RATE,
    SET,
    STRIKE,
    TEXT,
    Kind,
    choice,
)

CUSTOM_PREFIX = "custom."


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file. `gives` are the columns of the table it fills, each with its SQL.

    `derived` is the SQL of the value where no cell states it; `derive` settles what depends on other rows.
    """

    name: str
    kind: Kind
    required: bool
    gives: Mapping[str, str]
    derived: str | None = None
    refers: str | None = None

    @property
    def derived_into(self) -> str | None:
        return next(iter(self.gives)) if self.derived else None


@dataclass(frozen=True, slots=True)
class File:
    """`own` are the columns of the fields that the company has defined; other custom columns are kept as they are."""

    name: str
    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("source_id",)
    custom: bool = False
    own: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def staging(self) -> str:
        return f"staged_{self.name}"

    @property
    def derived_columns(self) -> dict[str, str]:
        """From the names in the table to the ones in the file."""
        return {column.derived_into: column.name for column in self.columns if column.derived_into}


def _column(
    name: str, kind: Kind = TEXT, *, required: bool = False, into: str | None = None, derived: str | None = None
) -> Column:
    return Column(name, kind, required, {into or name: f"s.{name}"}, derived)


def _required(name: str, kind: Kind) -> Column:
    return _column(name, kind, required=True)


def _reference(name: str, refers: str, gives: Mapping[str, str], *, required: bool = False) -> Column:
    return Column(name, KEY, required, gives, refers=refers)


ID = _required("source_id", KEY)
CUSTOMER = _reference("customer_id", "customers", {"customer_id": "customer.id"}, required=True)
CURRENCY_OF_CUSTOMER = _column("currency", CURRENCY, derived="customer.currency")
REFERENCE = _column("reference")
TAGS = _column("tags", SET)
CHASING_PAUSED = _column("chasing_paused", FLAG)
CREDIT_LIMIT = _column("credit_limit", MONEY)

_PAYMENT_METHODS = choice("none card direct_debit")

_FILES = (
    File(
        "groups",
        "customer_group",
        (
            ID,
            _column("name"),
            _reference("parent", "customers", {"parent_customer_id": "customer.id"}),
            CHASING_PAUSED,
            CREDIT_LIMIT,
            TAGS,
        ),
    ),
    File(
        "customers",
        "customer",
        (
            ID,
            _column("name", derived="s.source_id"),
            REFERENCE,
            _reference("group", "groups", {"group_id": "customer_group.id"}),
            _column("country", COUNTRY),
            _column("currency", CURRENCY, derived="%(base)s"),
            CREDIT_LIMIT,
            _column("rating", choice("A B C D")),
            _column("strike", STRIKE),
            _column("account_owner"),
            CHASING_PAUSED,
            _column("chasing_paused_until", DAY),
            _column("allow_surcharges", FLAG),
            _column("auto_payment_method", _PAYMENT_METHODS),
            _column("payment_method", _PAYMENT_METHODS),
            _column("payment_method_status", choice("active inactive")),
            _column("portfolios", SET),
            TAGS,
            _column("created_on", DAY),
        ),
        custom=True,
    ),
    File(
        "contacts",
        "contact",
        (
            ID,
            CUSTOMER,
            _column("name"),
            Column("email", TEXT, False, {"email": "s.email", "email_valid": "s.email ~ %(email)s"}),
            _column("phone"),
            _column("source"),
        ),
    ),
    File(
        "invoices",
        "invoice",
        (
            ID,
            CUSTOMER,
            _required("issue_date", DAY),
            _required("amount", MONEY),
            _column("due_date", DAY),
            _column("balance", MONEY, derived="coalesce(old.balance, s.amount)"),
            CURRENCY_OF_CUSTOMER,
            _column(
                "status",
                choice("open partially_paid paid disputed instalments closed void", partial="partially_paid"),
                derived="coalesce(old.status, 'open')",
            ),
            _column("settled_on", DAY, derived="old.settled_on"),
            _column("expected_payment_date", DAY),
            REFERENCE,
            _column("purchase_order"),
            CHASING_PAUSED,
            _column("bulk_payment_in_progress", FLAG),
            TAGS,
        ),
        custom=True,
    ),
    File(
        "payments",
        "payment",
        (
            ID,
            CUSTOMER,
            _required("date", DAY),
            _required("amount", MONEY),
            _column("unallocated", MONEY, into="amount_remaining", derived="coalesce(old.amount_remaining, 0)"),
            CURRENCY_OF_CUSTOMER,
            _column("status", choice("pending paid failed void"), derived="'paid'"),
            _column("kind", choice("payment prepayment overpayment"), derived="'payment'"),
            _column("source"),
            REFERENCE,
            TAGS,
        ),
        custom=True,
    ),
    File(
        "credit_notes",
        "credit_note",
        (
            ID,
            CUSTOMER,
            _required("issue_date", DAY),
            _required("amount", MONEY),
            _column("remaining", MONEY, into="amount_remaining", derived="coalesce(old.amount_remaining, s.amount)"),
            CURRENCY_OF_CUSTOMER,
            _column("status", choice("applied unapplied voided refunded"), derived="coalesce(old.status, 'unapplied')"),
            REFERENCE,
            TAGS,
        ),
    ),
    # Loaded by a statement of its own: the key of an allocation is its place among those of its pair.
    File(
        "allocations",
        "allocation",
        (
            _reference("payment_id", "payments", {}),
            _reference("credit_note_id", "credit_notes", {}),
            _reference("invoice_id", "invoices", {}, required=True),
            _required("amount", MONEY),
            _column("date", DAY),
        ),
        key=(),
    ),
    File(
        "journals",
        "journal",
        (
            ID,
            CUSTOMER,
            _required("date", DAY),
            _required("amount", MONEY),
            _column("balance", MONEY, derived="s.amount"),
            CURRENCY_OF_CUSTOMER,
            REFERENCE,
        ),
    ),
    File(
        "activities",
        "activity",
        (
            ID,
            CUSTOMER,
            Column("at", MOMENT, True, {"at": "s.at", "date": "(s.at AT TIME ZONE %(zone)s)::date"}),
            _required("by", choice("company customer")),
            _required("kind", choice("email sms letter call reply payment note promise visit handover other")),
            _column("is_manual", FLAG),
            _column("subject", PROSE),
            _reference(
                "invoice_id", "invoices", {"invoice_customer_id": "invoice.customer_id", "invoice_id": "invoice.id"}
            ),
        ),
    ),
    File(
        "promises",
        "promise",
        (
            ID,
            CUSTOMER,
            _required("due_date", DAY),
            _required("amount", MONEY),
            _column("made_on", DAY),
            _column("status", choice("draft active kept broken cancelled"), derived="'active'"),
            CURRENCY_OF_CUSTOMER,
        ),
    ),
    File(
        "fx_rates",
        "fx_rate",
        (_required("currency", CURRENCY), _required("date", DAY), _required("rate", RATE)),
        key=("currency", "date"),
    ),
)

FILES = {file.name: file for file in _FILES}
