"""An import folder as plain rows (interface.md, "Import files"): columns, derivations, nothing else.

A cell that is empty, or a column that is absent, is missing; what is missing is derived where the page says so.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

Cells = Mapping[str, str]
Rows = Mapping[str, Sequence[Cells]]

FILES = (
    "groups",
    "customers",
    "contacts",
    "invoices",
    "payments",
    "allocations",
    "credit_notes",
    "journals",
    "activities",
    "promises",
    "fx_rates",
)


@dataclass(frozen=True, slots=True)
class Company:
    name: str
    base_currency: str
    country: str | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class Group:
    source_id: str
    name: str | None = None
    parent: str | None = None
    chasing_paused: bool = False
    credit_limit: Decimal | None = None
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Customer:
    source_id: str
    name: str
    reference: str | None
    group: str | None
    country: str | None
    currency: str
    credit_limit: Decimal | None
    rating: str | None
    strike: int | None
    account_owner: str | None
    chasing_paused: bool
    chasing_paused_until: date | None
    allow_surcharges: bool
    auto_payment_method: str | None
    payment_method: str | None
    payment_method_status: str | None
    portfolios: frozenset[str]
    tags: frozenset[str]
    created_on: date | None
    custom: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contact:
    source_id: str
    customer_id: str
    name: str | None
    email: str | None
    phone: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Invoice:
    source_id: str
    customer_id: str
    issue_date: date
    amount: Decimal
    due_date: date | None
    balance: Decimal
    currency: str
    status: str
    settled_on: date | None
    expected_payment_date: date | None
    reference: str | None
    purchase_order: str | None
    chasing_paused: bool
    bulk_payment_in_progress: bool
    tags: frozenset[str]
    custom: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Payment:
    source_id: str
    customer_id: str
    date: date
    amount: Decimal
    remaining: Decimal
    currency: str
    status: str
    kind: str
    source: str | None
    reference: str | None
    tags: frozenset[str]
    custom: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CreditNote:
    source_id: str
    customer_id: str
    issue_date: date
    amount: Decimal
    remaining: Decimal
    currency: str
    status: str
    reference: str | None
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Allocation:
    """A part of a payment or of a credit note, set against an invoice on a day."""

    payment_id: str | None
    credit_note_id: str | None
    invoice_id: str
    amount: Decimal
    date: date


@dataclass(frozen=True, slots=True)
class Journal:
    source_id: str
    customer_id: str
    date: date
    amount: Decimal
    balance: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Activity:
    source_id: str
    customer_id: str
    date: date
    by: str
    kind: str
    is_manual: bool
    subject: str | None
    invoice_id: str | None


@dataclass(frozen=True, slots=True)
class Promise:
    source_id: str
    customer_id: str
    due_date: date
    amount: Decimal
    made_on: date | None
    status: str
    currency: str


@dataclass(frozen=True, slots=True)
class Rate:
    """Units of the base currency for one unit of `currency`, from `date` on."""

    currency: str
    date: date
    rate: Fraction


# ------------------------------------------------------------------ cells


def text(row: Cells, column: str) -> str | None:
    return row.get(column) or None


def required(row: Cells, column: str) -> str:
    value = text(row, column)
    if value is None:
        raise ValueError(f"{column} is required: {dict(row)}")
    return value


def day(row: Cells, column: str) -> date | None:
    value = text(row, column)
    return None if value is None else date.fromisoformat(value)


def required_day(row: Cells, column: str) -> date:
    return date.fromisoformat(required(row, column))


def amount(row: Cells, column: str) -> Decimal | None:
    value = text(row, column)
    return None if value is None else Decimal(value)


def flag(row: Cells, column: str) -> bool:
    """catalog.md, "Settled details": an empty flag is false."""
    value = (text(row, column) or "false").lower()
    return {"true": True, "false": False}[value]


def elements(row: Cells, column: str) -> frozenset[str]:
    return frozenset(element for element in row.get(column, "").split("|") if element)


def custom(row: Cells) -> dict[str, str]:
    return {column: value for column, value in row.items() if column.startswith("custom.") and value}


def local_day(at: str, zone: ZoneInfo) -> date:
    """The calendar day in the company's time zone; a time without an offset is the company's own."""
    moment = datetime.fromisoformat(at)
    return moment.date() if moment.tzinfo is None else moment.astimezone(zone).date()


# ------------------------------------------------------------------ the ledger


@dataclass
class Ledger:
    company: Company
    rows: Rows
    groups: dict[str, Group] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    contacts: list[Contact] = field(default_factory=list)
    invoices: dict[str, Invoice] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    credit_notes: dict[str, CreditNote] = field(default_factory=dict)
    allocations: list[Allocation] = field(default_factory=list)
    journals: list[Journal] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._read_customers()
        self._read_groups()
        self._read_allocations()
        self._read_documents()
        self._read_the_rest()

    def _file(self, name: str) -> Sequence[Cells]:
        return self.rows.get(name, ())

    def _read_customers(self) -> None:
        for row in self._file("customers"):
            source_id = required(row, "source_id")
            strike = text(row, "strike")
            self.customers[source_id] = Customer(
                source_id=source_id,
                name=text(row, "name") or source_id,
                reference=text(row, "reference"),
                group=text(row, "group"),
                country=text(row, "country"),
                currency=text(row, "currency") or self.company.base_currency,
                credit_limit=amount(row, "credit_limit"),
                rating=text(row, "rating"),
                strike=None if strike is None else int(strike),
                account_owner=text(row, "account_owner"),
                chasing_paused=flag(row, "chasing_paused"),
                chasing_paused_until=day(row, "chasing_paused_until"),
                allow_surcharges=flag(row, "allow_surcharges"),
                auto_payment_method=text(row, "auto_payment_method"),
                payment_method=text(row, "payment_method"),
                payment_method_status=text(row, "payment_method_status"),
                portfolios=elements(row, "portfolios"),
                tags=elements(row, "tags"),
                created_on=day(row, "created_on"),
                custom=custom(row),
            )

    def _read_groups(self) -> None:
        for row in self._file("groups"):
            source_id = required(row, "source_id")
            self.groups[source_id] = Group(
                source_id=source_id,
                name=text(row, "name"),
                parent=text(row, "parent"),
                chasing_paused=flag(row, "chasing_paused"),
                credit_limit=amount(row, "credit_limit"),
                tags=elements(row, "tags"),
            )
        for customer in self.customers.values():
            if customer.group is not None:  # a group named but not defined is created
                self.groups.setdefault(customer.group, Group(customer.group))

    def _read_allocations(self) -> None:
        payment_days = {row["source_id"]: required_day(row, "date") for row in self._file("payments")}
        credit_days = {row["source_id"]: required_day(row, "issue_date") for row in self._file("credit_notes")}
        for row in self._file("allocations"):
            payment, credit_note = text(row, "payment_id"), text(row, "credit_note_id")
            own_day = payment_days[payment] if payment is not None else credit_days[required(row, "credit_note_id")]
            self.allocations.append(
                Allocation(
                    payment_id=payment,
                    credit_note_id=credit_note,
                    invoice_id=required(row, "invoice_id"),
                    amount=Decimal(required(row, "amount")),
                    date=day(row, "date") or own_day,
                )
            )

    def _read_documents(self) -> None:
        of_invoice: dict[str, list[Allocation]] = defaultdict(list)
        of_payment: dict[str, list[Allocation]] = defaultdict(list)
        of_credit_note: dict[str, list[Allocation]] = defaultdict(list)
        for allocation in self.allocations:
            of_invoice[allocation.invoice_id].append(allocation)
            if allocation.payment_id is not None:
                of_payment[allocation.payment_id].append(allocation)
            if allocation.credit_note_id is not None:
                of_credit_note[allocation.credit_note_id].append(allocation)
        for row in self._file("invoices"):
            self.invoices[row["source_id"]] = self._invoice(row, of_invoice[row["source_id"]])
        for row in self._file("payments"):
            self.payments[row["source_id"]] = self._payment(row, of_payment[row["source_id"]])
        for row in self._file("credit_notes"):
            self.credit_notes[row["source_id"]] = self._credit_note(row, of_credit_note[row["source_id"]])

    def _currency(self, row: Cells) -> str:
        return text(row, "currency") or self.customers[required(row, "customer_id")].currency

    def _invoice(self, row: Cells, allocations: Sequence[Allocation]) -> Invoice:
        whole = Decimal(required(row, "amount"))
        balance = amount(row, "balance")
        if balance is None:
            balance = whole - sum(allocation.amount for allocation in allocations)
        status = text(row, "status")
        if status is None:
            status = "paid" if balance == 0 else "open" if balance == whole else "partially_paid"
        settled_on = day(row, "settled_on")
        if settled_on is None and balance == 0:
            settled_on = max((allocation.date for allocation in allocations if allocation.amount != 0), default=None)
        return Invoice(
            source_id=required(row, "source_id"),
            customer_id=required(row, "customer_id"),
            issue_date=required_day(row, "issue_date"),
            amount=whole,
            due_date=day(row, "due_date"),
            balance=balance,
            currency=self._currency(row),
            status=status,
            settled_on=settled_on,
            expected_payment_date=day(row, "expected_payment_date"),
            reference=text(row, "reference"),
            purchase_order=text(row, "purchase_order"),
            chasing_paused=flag(row, "chasing_paused"),
            bulk_payment_in_progress=flag(row, "bulk_payment_in_progress"),
            tags=elements(row, "tags"),
            custom=custom(row),
        )

    def _payment(self, row: Cells, allocations: Sequence[Allocation]) -> Payment:
        whole = Decimal(required(row, "amount"))
        remaining = amount(row, "unallocated")
        if remaining is None:
            allocated = sum(allocation.amount for allocation in allocations)
            remaining = whole - allocated if allocations else Decimal(0)
        return Payment(
            source_id=required(row, "source_id"),
            customer_id=required(row, "customer_id"),
            date=required_day(row, "date"),
            amount=whole,
            remaining=remaining,
            currency=self._currency(row),
            status=text(row, "status") or "paid",
            kind=text(row, "kind") or "payment",
            source=text(row, "source"),
            reference=text(row, "reference"),
            tags=elements(row, "tags"),
            custom=custom(row),
        )

    def _credit_note(self, row: Cells, allocations: Sequence[Allocation]) -> CreditNote:
        whole = Decimal(required(row, "amount"))
        remaining = amount(row, "remaining")
        if remaining is None:
            remaining = whole - sum(allocation.amount for allocation in allocations)
        return CreditNote(
            source_id=required(row, "source_id"),
            customer_id=required(row, "customer_id"),
            issue_date=required_day(row, "issue_date"),
            amount=whole,
            remaining=remaining,
            currency=self._currency(row),
            status=text(row, "status") or ("applied" if remaining == 0 else "unapplied"),
            reference=text(row, "reference"),
            tags=elements(row, "tags"),
        )

    def _read_the_rest(self) -> None:
        zone = ZoneInfo(self.company.time_zone)
        self.contacts = [self._contact(row) for row in self._file("contacts")]
        self.journals = [self._journal(row) for row in self._file("journals")]
        self.activities = [self._activity(row, zone) for row in self._file("activities")]
        self.promises = [self._promise(row) for row in self._file("promises")]
        self.rates = [
            Rate(required(row, "currency"), required_day(row, "date"), Fraction(required(row, "rate")))
            for row in self._file("fx_rates")
        ]

    def _contact(self, row: Cells) -> Contact:
        return Contact(
            source_id=required(row, "source_id"),
            customer_id=required(row, "customer_id"),
            name=text(row, "name"),
            email=text(row, "email"),
            phone=text(row, "phone"),
            source=text(row, "source"),
        )

    def _journal(self, row: Cells) -> Journal:
        whole = Decimal(required(row, "amount"))
        balance = amount(row, "balance")
        return Journal(
            source_id=required(row, "source_id"),
            customer_id=required(row, "customer_id"),
            date=required_day(row, "date"),
            amount=whole,
            balance=whole if balance is None else balance,
            currency=self._currency(row),
        )

    def _activity(self, row: Cells, zone: ZoneInfo) -> Activity:
        return Activity(
            source_id=required(row, "source_id"),
            customer_id=required(row, "customer_id"),
            date=local_day(required(row, "at"), zone),
            by=required(row, "by"),
            kind=required(row, "kind"),
            is_manual=flag(row, "is_manual"),
            subject=text(row, "subject"),
            invoice_id=text(row, "invoice_id"),
        )

    def _promise(self, row: Cells) -> Promise:
        return Promise(
            source_id=required(row, "source_id"),
            customer_id=required(row, "customer_id"),
            due_date=required_day(row, "due_date"),
            amount=Decimal(required(row, "amount")),
            made_on=day(row, "made_on"),
            status=text(row, "status") or "active",
            currency=self._currency(row),
        )


# ------------------------------------------------------------------ folders


def read_folder(folder: Path) -> dict[str, list[dict[str, str]]]:
    rows = {}
    for name in FILES:
        plain, packed = folder / f"{name}.csv", folder / f"{name}.csv.gz"
        if plain.exists():
            rows[name] = _records(plain.read_text(encoding="utf-8-sig"))
        elif packed.exists():
            rows[name] = _records(gzip.decompress(packed.read_bytes()).decode("utf-8-sig"))
    return rows


def _records(content: str) -> list[dict[str, str]]:
    return [dict(record) for record in csv.DictReader(content.splitlines(keepends=True))]


def write_folder(folder: Path, rows: Rows) -> None:
    """The rows as an import folder; a file that has no rows is not written."""
    for name, records in rows.items():
        if records:
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                columns = list(dict.fromkeys(column for record in records for column in record))
                writer = csv.DictWriter(file, columns, restval="")
                writer.writeheader()
                writer.writerows(records)


def load(company: Company, folder: Path) -> Ledger:
    return Ledger(company, read_folder(folder))
