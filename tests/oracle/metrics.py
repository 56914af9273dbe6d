"""Every field of catalog.md, by its definition, on one day.

A `World` is a ledger as it stood on `as_of` (catalog.md, "History is respected"). Each field is one function under
`@field(entity, type)`; the table of types is what those decorators collected.
"""

import re
from calendar import monthrange
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from tests.oracle.ledger import (
    Activity,
    Allocation,
    Company,
    Contact,
    CreditNote,
    Customer,
    Group,
    Invoice,
    Journal,
    Ledger,
    Payment,
    Promise,
)

Value = Decimal | int | date | str | bool | frozenset[str]
Document = Invoice | Payment | CreditNote | Contact | Activity | Promise
Row = Company | Group | Customer | Document

TO_MANY = ("invoice", "payment", "credit_note", "contact", "activity", "promise")
ENTITIES = ("customer", "group", "company", *TO_MANY)

# The values a choice can have (catalog.md); `rating` alone is ordered.
METHODS = ("none", "card", "direct_debit")
CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("customer", "auto_payment_method"): METHODS,
    ("customer", "payment_method"): METHODS,
    ("customer", "payment_method_status"): ("active", "inactive"),
    ("customer", "rating"): ("A", "B", "C", "D"),
    ("invoice", "status"): ("open", "partially_paid", "paid", "disputed", "instalments", "closed", "void"),
    ("invoice", "aging"): ("not_due", "1-30", "31-60", "61-90", "91+"),
    ("payment", "status"): ("pending", "paid", "failed", "void"),
    ("credit_note", "status"): ("applied", "unapplied", "voided", "refunded"),
    ("activity", "by"): ("company", "customer"),
    ("activity", "kind"): (
        *("email", "sms", "letter", "call", "reply", "payment", "note", "promise", "visit", "handover", "other"),
    ),
    ("promise", "status"): ("draft", "active", "kept", "broken", "cancelled"),
}

# language.md 2: the types money, percent, number, days, count, date, text, choice, code, flag, set.
TYPES: dict[str, dict[str, str]] = {entity: {} for entity in ENTITIES}
MESSAGES = ("email", "sms", "letter", "call")

Definition = Callable[["World", Any], Value | None]
AnyDefinition = TypeVar("AnyDefinition", bound=Callable[..., Value | None])
_DEFINITIONS: dict[tuple[str, str], Definition] = {}


class NoRate(Exception):
    """A conversion needs a rate that no day on or before as_of has; what needs it is missing as a whole."""


def field(entity: str, kind: str, name: str | None = None) -> Callable[[AnyDefinition], AnyDefinition]:
    """Enter a definition in the table; it is named after the function, without `entity__`."""

    def collect(definition: AnyDefinition) -> AnyDefinition:
        key = name or definition.__name__.removeprefix(f"{entity}__")
        TYPES[entity][key] = kind
        _DEFINITIONS[entity, key] = definition
        return definition

    return collect


def stored(entity: str, kind: str, *names: str, column: str | None = None) -> None:
    """Fields that are a column of the row."""
    for name in names:
        TYPES[entity][name] = kind
        _DEFINITIONS[entity, name] = _column(column or name)


def _column(name: str) -> Definition:
    def read(_: "World", row: Row) -> Value | None:
        value: Value | None = getattr(row, name)
        return None if value == frozenset() else value  # a set without an element is missing

    return read


# ------------------------------------------------------------------ arithmetic of days and amounts


def half_up(value: Fraction) -> Decimal:
    """To four decimals, halves away from zero (catalog.md, "Settled details")."""
    size = abs(value) * 10_000 + Fraction(1, 2)
    units = size.numerator // size.denominator
    return Decimal(-units if value < 0 else units).scaleb(-4)


def mean(values: Sequence[Decimal | int]) -> Decimal | None:
    if not values:
        return None
    return half_up(sum((Fraction(value) for value in values), Fraction(0)) / len(values))


def total(values: Iterable[Decimal]) -> Decimal:
    return sum(values, Decimal(0))


def add_months(day: date, months: int) -> date:
    """31 March less one month is 28 or 29 February (language.md 2)."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def latest(days: Iterable[date | None]) -> date | None:
    return max((day for day in days if day is not None), default=None)


# ------------------------------------------------------------------ the world on one day


@dataclass
class _Missing:
    """Kept in the cache for a value that has no rate."""


_NO_RATE = _Missing()


class World:
    def __init__(
        self,
        ledger: Ledger,
        as_of: date,
        today: date,
        custom: Mapping[str, str] | None = None,
        custom_choices: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """`custom` gives the company's own fields their types: `{"customer.custom.plan": "text"}`."""
        self.ledger = ledger
        self.company = ledger.company
        self.as_of = as_of
        self.past = as_of < today
        self.segments: dict[str, Any] = {}  # trees by name
        self.types = {entity: dict(fields) for entity, fields in TYPES.items()}
        self.choices = dict(CHOICES)
        for path, kind in (custom or {}).items():
            entity, _, name = path.partition(".")
            self.types[entity][name] = kind
            if kind == "choice":
                self.choices[entity, name] = (custom_choices or {})[path]
        self._cache: dict[tuple[str, str, str], Value | _Missing | None] = {}
        self._read_rates()
        self._read_history()
        self._index()

    def _read_rates(self) -> None:
        """The latest rate dated on or before as_of; the base currency is 1."""
        days: dict[str, date] = {}
        self._rate: dict[str, Fraction] = {}
        for rate in self.ledger.rates:
            if rate.date <= self.as_of and rate.date >= days.get(rate.currency, date.min):
                days[rate.currency] = rate.date
                self._rate[rate.currency] = rate.rate
        self._rate[self.company.base_currency] = Fraction(1)

    # -- history

    def _read_history(self) -> None:
        ledger = self.ledger
        self.customers = list(ledger.customers.values())
        self.groups = list(ledger.groups.values())
        self._later = _allocated_after(ledger.allocations, self.as_of) if self.past else {}
        self.invoices = [self._invoice_then(row) for row in ledger.invoices.values() if self._exists(row.issue_date)]
        self.payments = [
            replace(row, remaining=row.remaining + self._later.get(("payment", row.source_id), Decimal(0)))
            for row in ledger.payments.values()
            if self._exists(row.date)
        ]
        self.credit_notes = [
            replace(row, remaining=row.remaining + self._later.get(("credit_note", row.source_id), Decimal(0)))
            for row in ledger.credit_notes.values()
            if self._exists(row.issue_date)
        ]
        self.journals = [row for row in ledger.journals if self._exists(row.date)]
        self.activities = [row for row in ledger.activities if self._exists(row.date)]
        self.promises = [row for row in ledger.promises if row.made_on is None or self._exists(row.made_on)]

    def _exists(self, day: date) -> bool:
        return not self.past or day <= self.as_of

    def _invoice_then(self, invoice: Invoice) -> Invoice:
        if not self.past:
            return invoice
        balance = invoice.balance + self._later.get(("invoice", invoice.source_id), Decimal(0))
        status = invoice.status
        if balance != invoice.balance:
            status = "open" if balance == invoice.amount else "partially_paid"
        settled = invoice.settled_on
        if settled is not None and settled > self.as_of:
            settled = None
        return replace(invoice, balance=balance, status=status, settled_on=settled)

    # -- rows

    def _index(self) -> None:
        self._rows: dict[tuple[str, str], list[Document]] = defaultdict(list)
        self._journals: dict[str, list[Journal]] = defaultdict(list)
        self._members: dict[str, list[Customer]] = defaultdict(list)
        documents: dict[str, Sequence[Document]] = {
            "invoice": self.invoices,
            "payment": self.payments,
            "credit_note": self.credit_notes,
            "contact": self.ledger.contacts,
            "activity": self.activities,
            "promise": self.promises,
        }
        self._by_id: dict[tuple[str, str], Row] = {}
        for entity, rows in documents.items():
            for row in rows:
                self._rows[entity, row.customer_id].append(row)
                self._by_id[entity, row.source_id] = row
        self._by_id |= {("customer", row.source_id): row for row in self.customers}
        self._by_id |= {("group", row.source_id): row for row in self.groups}
        for journal in self.journals:
            self._journals[journal.customer_id].append(journal)
        for customer in self.customers:
            if customer.group is not None:
                self._members[customer.group].append(customer)
        self._messages: dict[str, list[date]] = defaultdict(list)
        for activity in self.activities:
            if activity.invoice_id is not None and activity.by == "company" and activity.kind in MESSAGES:
                self._messages[activity.invoice_id].append(activity.date)

    def rows(self, entity: str, customer: Customer) -> list[Document]:
        return self._rows[entity, customer.source_id]

    def members(self, group: Group) -> list[Customer]:
        return self._members[group.source_id]

    def group_of(self, customer: Customer) -> Group | None:
        return None if customer.group is None else self.ledger.groups[customer.group]

    def row(self, entity: str, source_id: str) -> Row:
        return self.company if entity == "company" else self._by_id[entity, source_id]

    # -- values

    def value(self, entity: str, row: Row | str | None, name: str) -> Value | None:
        """The field's value, None where it is missing. A row that is missing itself has no value at all."""
        try:
            return self.exact(entity, row, name)
        except NoRate:
            return None

    def exact(self, entity: str, row: Row | str | None, name: str) -> Value | None:
        """The same, but raising `NoRate` where the value is missing because a rate is."""
        if row is None:
            return None
        if isinstance(row, str):
            row = self.row(entity, row)
        key = (entity, "" if isinstance(row, Company) else row.source_id, name)
        if key not in self._cache:
            self._cache[key] = self._work_out(entity, row, name)
        value = self._cache[key]
        if isinstance(value, _Missing):
            raise NoRate
        return value

    def _work_out(self, entity: str, row: Row, name: str) -> Value | _Missing | None:
        if name.startswith("custom."):
            return _custom(row, name, self.types[entity][name])
        try:
            return _DEFINITIONS[entity, name](self, row)
        except NoRate:
            return _NO_RATE

    def currency(self, entity: str, row: Row) -> str:
        """The currency of a row's own money."""
        return (
            self.company.base_currency if isinstance(row, Group | Company) else str(self.value(entity, row, "currency"))
        )

    def convert(self, amount: Decimal, source: str, target: str) -> Decimal:
        if source == target:
            return amount
        if source not in self._rate or target not in self._rate:
            raise NoRate
        return half_up(Fraction(amount) * self._rate[source] / self._rate[target])

    # -- the open items of one customer

    def customer_invoices(self, customer: Customer) -> list[Invoice]:
        return [row for row in self.rows("invoice", customer) if isinstance(row, Invoice)]

    def customer_payments(self, customer: Customer) -> list[Payment]:
        return [row for row in self.rows("payment", customer) if isinstance(row, Payment)]

    def customer_activities(self, customer: Customer) -> list[Activity]:
        return [row for row in self.rows("activity", customer) if isinstance(row, Activity)]

    def customer_contacts(self, customer: Customer) -> list[Contact]:
        return [row for row in self.rows("contact", customer) if isinstance(row, Contact)]

    def customer_credit_notes(self, customer: Customer) -> list[CreditNote]:
        return [row for row in self.rows("credit_note", customer) if isinstance(row, CreditNote)]

    def customer_journals(self, customer: Customer) -> list[Journal]:
        return self._journals[customer.source_id]

    def is_open(self, invoice: Invoice) -> bool:
        return invoice.balance != 0 and invoice.status not in ("void", "closed")

    def is_overdue(self, invoice: Invoice) -> bool:
        return self.is_open(invoice) and invoice.due_date is not None and invoice.due_date < self.as_of

    def is_due(self, invoice: Invoice) -> bool:
        """Not yet overdue; an open invoice with no due date is not yet due."""
        return self.is_open(invoice) and not self.is_overdue(invoice)

    def days_overdue(self, invoice: Invoice) -> int | None:
        if not self.is_open(invoice) or invoice.due_date is None:
            return None
        return (self.as_of - invoice.due_date).days

    def is_settled(self, invoice: Invoice) -> bool:
        return invoice.settled_on is not None and invoice.status not in ("void", "closed")

    def open_balances(self, customers: Iterable[Customer], currency: str | None = None) -> Decimal:
        return self.balances(customers, self.is_open, currency)

    def balances(
        self, customers: Iterable[Customer], chosen: Callable[[Invoice], bool], currency: str | None = None
    ) -> Decimal:
        """Sums add the rounded converted documents; without a currency, in each customer's own."""
        return total(
            self.convert(invoice.balance, invoice.currency, currency or customer.currency)
            for customer in customers
            for invoice in self.customer_invoices(customer)
            if chosen(invoice)
        )

    def unallocated(self, customer: Customer, currency: str, *, prepayments: bool, overpayments: bool) -> Decimal:
        return total(
            self.convert(payment.remaining, payment.currency, currency)
            for payment in self.customer_payments(customer)
            if payment.status == "paid" and (prepayments if payment.kind == "prepayment" else overpayments)
        )

    def balance_total(self, customer: Customer, currency: str) -> Decimal:
        credits = total(
            self.convert(note.remaining, note.currency, currency)
            for note in self.customer_credit_notes(customer)
            if note.status not in ("voided", "refunded")
        )
        journals = total(
            self.convert(journal.balance, journal.currency, currency) for journal in self.customer_journals(customer)
        )
        payments = self.unallocated(customer, currency, prepayments=True, overpayments=True)
        return self.open_balances([customer], currency) - credits - payments + journals

    def amounts(self, customers: Iterable[Customer], first: date, currency: str | None = None) -> Decimal:
        """Amounts of the invoices issued from `first` to as_of, void ones left out."""
        return total(
            self.convert(invoice.amount, invoice.currency, currency or customer.currency)
            for customer in customers
            for invoice in self.customer_invoices(customer)
            if invoice.status != "void" and first <= invoice.issue_date <= self.as_of
        )

    def days_to_pay(self, customers: Iterable[Customer]) -> Decimal | None:
        return mean(
            [
                (invoice.settled_on - invoice.issue_date).days
                for customer in customers
                for invoice in self.customer_invoices(customer)
                if self.is_settled(invoice) and invoice.settled_on is not None
            ]
        )

    def all_days_overdue(self, customers: Iterable[Customer]) -> list[int]:
        return [
            days
            for customer in customers
            for invoice in self.customer_invoices(customer)
            if self.is_overdue(invoice) and (days := self.days_overdue(invoice)) is not None
        ]

    def count(self, customers: Iterable[Customer], chosen: Callable[[Invoice], bool]) -> int:
        return sum(chosen(invoice) for customer in customers for invoice in self.customer_invoices(customer))

    def last_activity(self, customer: Customer, chosen: Callable[[Activity], bool]) -> date | None:
        return latest(activity.date for activity in self.customer_activities(customer) if chosen(activity))

    def last_message(self, invoice: Invoice) -> date | None:
        return latest(self._messages[invoice.source_id])

    def days_since(self, day: date | None) -> int | None:
        return None if day is None else (self.as_of - day).days


def _allocated_after(allocations: Iterable[Allocation], day: date) -> dict[tuple[str, str], Decimal]:
    later: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for allocation in allocations:
        if allocation.date > day:
            later["invoice", allocation.invoice_id] += allocation.amount
            if allocation.payment_id is not None:
                later["payment", allocation.payment_id] += allocation.amount
            if allocation.credit_note_id is not None:
                later["credit_note", allocation.credit_note_id] += allocation.amount
    return later


def _custom(row: Row, name: str, kind: str) -> Value | None:
    cell = row.custom.get(name) if isinstance(row, Customer | Invoice | Payment) else None
    if kind == "flag":
        return cell is not None and cell.lower() == "true"
    if cell is None:
        return None
    if kind in ("text", "choice", "code"):
        return cell
    if kind == "set":
        return frozenset(element for element in cell.split("|") if element) or None
    return date.fromisoformat(cell) if kind == "date" else Decimal(cell.removesuffix("%"))


def utilisation(balance: Decimal, limit: Decimal) -> Decimal:
    return half_up(100 * Fraction(balance) / Fraction(limit))


# ------------------------------------------------------------------ customer

stored("customer", "text", "account_owner", "name", "reference", "source_id")
stored("customer", "flag", "allow_surcharges")
stored("customer", "choice", "auto_payment_method", "payment_method", "payment_method_status", "rating")
stored("customer", "money", "credit_limit")
stored("customer", "code", "currency")
stored("customer", "set", "portfolios", "tags")
stored("customer", "count", "strike")


@field("customer", "number")
def average_days_late(world: World, customer: Customer) -> Decimal | None:
    return mean(
        [
            (invoice.settled_on - invoice.due_date).days
            for invoice in world.customer_invoices(customer)
            if world.is_settled(invoice) and invoice.settled_on is not None and invoice.due_date is not None
        ]
    )


@field("customer", "money")
def balance_due(world: World, customer: Customer) -> Decimal:
    return world.balances([customer], world.is_due)


@field("customer", "money")
def balance_overdue(world: World, customer: Customer) -> Decimal:
    return world.balances([customer], world.is_overdue)


def _bucket(first: int, last: int | None) -> Callable[[World, Customer], Decimal]:
    def aged(world: World, customer: Customer) -> Decimal:
        def chosen(invoice: Invoice) -> bool:
            days = world.days_overdue(invoice)
            return days is not None and days >= first and (last is None or days <= last)

        return world.balances([customer], chosen)

    return aged


for _first, _last in ((1, 30), (31, 45), (31, 60), (46, 60), (61, 90), (91, None)):
    field("customer", "money", f"balance_overdue_{_first}_{_last or 'over'}")(_bucket(_first, _last))


@field("customer", "money")
def balance_total(world: World, customer: Customer) -> Decimal:
    return world.balance_total(customer, customer.currency)


@field("customer", "flag")
def contact_details_available(world: World, customer: Customer) -> bool:
    return bool(world.customer_contacts(customer))


@field("customer", "code")
def country(world: World, customer: Customer) -> str | None:
    return customer.country or world.company.country


@field("customer", "percent")
def credit_limit_utilisation(world: World, customer: Customer) -> Decimal | None:
    return utilisation(balance_total(world, customer), customer.credit_limit) if customer.credit_limit else None


@field("customer", "flag")
def chasing_paused(world: World, customer: Customer) -> bool:
    until = customer.chasing_paused_until
    return customer.chasing_paused and (until is None or until >= world.as_of)


@field("customer", "days")
def days_since_created(world: World, customer: Customer) -> int | None:
    return world.days_since(customer.created_on)


def parent_name(world: World, group: Group | None) -> str | None:
    return None if group is None or group.parent is None else world.ledger.customers[group.parent].name


@field("customer", "text")
def group_parent(world: World, customer: Customer) -> str | None:
    return parent_name(world, world.group_of(customer))


@field("customer", "flag")
def is_group_parent(world: World, customer: Customer) -> bool:
    group = world.group_of(customer)
    return group is not None and group.parent == customer.source_id


@field("customer", "count")
def invoices_count(world: World, customer: Customer) -> int:
    return world.count([customer], lambda invoice: invoice.status != "void")


@field("customer", "date")
def last_company_action_date(world: World, customer: Customer) -> date | None:
    return world.last_activity(customer, lambda activity: activity.by == "company")


def _is_message(activity: Activity) -> bool:
    return activity.by == "company" and activity.kind in MESSAGES


@field("customer", "date")
def last_company_communication_date(world: World, customer: Customer) -> date | None:
    return world.last_activity(customer, _is_message)


@field("customer", "date")
def last_company_manual_communication_date(world: World, customer: Customer) -> date | None:
    return world.last_activity(customer, lambda activity: _is_message(activity) and activity.is_manual)


@field("customer", "date")
def last_payment_date(world: World, customer: Customer) -> date | None:
    return latest(payment.date for payment in world.customer_payments(customer) if payment.status == "paid")


@field("customer", "date")
def last_customer_action_date(world: World, customer: Customer) -> date | None:
    action = world.last_activity(customer, lambda activity: activity.by == "customer")
    return latest([action, last_payment_date(world, customer)])


@field("customer", "date")
def last_customer_communication_date(world: World, customer: Customer) -> date | None:
    return world.last_activity(
        customer, lambda activity: activity.by == "customer" and activity.kind in ("reply", "call")
    )


@field("customer", "date")
def last_action_date(world: World, customer: Customer) -> date | None:
    return latest([last_company_action_date(world, customer), last_customer_action_date(world, customer)])


@field("customer", "days")
def max_days_overdue(world: World, customer: Customer) -> int | None:
    return max(world.all_days_overdue([customer]), default=None)


# The local part without a leading, trailing or double dot; two or more labels.
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"{_LOCAL}(?:\.{_LOCAL})*@{_LABEL}(?:\.{_LABEL})+")


def is_email(address: str | None) -> bool:
    return address is not None and _EMAIL.fullmatch(address) is not None


@field("customer", "flag")
def email_available(world: World, customer: Customer) -> bool:
    return any(is_email(contact.email) for contact in world.customer_contacts(customer))


@field("customer", "flag")
def phone_available(world: World, customer: Customer) -> bool:
    return any(contact.phone is not None for contact in world.customer_contacts(customer))


@field("customer", "count")
def open_invoices(world: World, customer: Customer) -> int:
    return world.count([customer], world.is_open)


@field("customer", "count")
def open_invoices_due(world: World, customer: Customer) -> int:
    return world.count([customer], world.is_due)


@field("customer", "count")
def open_invoices_overdue(world: World, customer: Customer) -> int:
    return world.count([customer], world.is_overdue)


@field("customer", "money")
def overpayments(world: World, customer: Customer) -> Decimal:
    return world.unallocated(customer, customer.currency, prepayments=False, overpayments=True)


@field("customer", "money")
def prepayments(world: World, customer: Customer) -> Decimal:
    return world.unallocated(customer, customer.currency, prepayments=True, overpayments=False)


@field("customer", "money")
def total_unallocated(world: World, customer: Customer) -> Decimal:
    return prepayments(world, customer) + overpayments(world, customer)


@field("customer", "number")
def average_days_to_pay(world: World, customer: Customer) -> Decimal | None:
    return world.days_to_pay([customer])


@field("customer", "number")
def average_days_overdue(world: World, customer: Customer) -> Decimal | None:
    return mean(world.all_days_overdue([customer]))


@field("customer", "money")
def amount_invoiced_12m(world: World, customer: Customer) -> Decimal:
    return world.amounts([customer], add_months(world.as_of, -12) + timedelta(1))


@field("customer", "money")
def largest_open_balance(world: World, customer: Customer) -> Decimal | None:
    return max(
        (
            world.convert(invoice.balance, invoice.currency, customer.currency)
            for invoice in world.customer_invoices(customer)
            if world.is_open(invoice)
        ),
        default=None,
    )


# ------------------------------------------------------------------ group

stored("group", "flag", "chasing_paused")
stored("group", "money", "credit_limit")
stored("group", "set", "tags")
stored("group", "text", "name", "source_id")


@field("group", "money")
def group__balance_due(world: World, group: Group) -> Decimal:
    return world.balances(world.members(group), world.is_due, world.company.base_currency)


@field("group", "money")
def group__balance_overdue(world: World, group: Group) -> Decimal:
    return world.balances(world.members(group), world.is_overdue, world.company.base_currency)


@field("group", "money")
def group__balance_total(world: World, group: Group) -> Decimal:
    return total(world.balance_total(member, world.company.base_currency) for member in world.members(group))


@field("group", "percent")
def group__credit_limit_utilisation(world: World, group: Group) -> Decimal | None:
    return utilisation(group__balance_total(world, group), group.credit_limit) if group.credit_limit else None


@field("group", "days")
def group__max_days_overdue(world: World, group: Group) -> int | None:
    return max(world.all_days_overdue(world.members(group)), default=None)


@field("group", "count")
def group__open_invoices_due(world: World, group: Group) -> int:
    return world.count(world.members(group), world.is_due)


@field("group", "count")
def group__open_invoices_overdue(world: World, group: Group) -> int:
    return world.count(world.members(group), world.is_overdue)


@field("group", "count")
def group__members_count(world: World, group: Group) -> int:
    return len(world.members(group))


@field("group", "text")
def group__parent(world: World, group: Group) -> str | None:
    return parent_name(world, group)


# ------------------------------------------------------------------ company

stored("company", "text", "name")
stored("company", "code", "country", "base_currency")


@field("company", "number")
def company__average_days_to_pay(world: World, _: Company) -> Decimal | None:
    return world.days_to_pay(world.customers)


@field("company", "number")
def company__dso(world: World, company: Company) -> Decimal | None:
    """100 x open balances / amount invoiced in the last 365 days x 3.65."""
    invoiced = world.amounts(world.customers, world.as_of - timedelta(364), company.base_currency)
    if invoiced == 0:
        return None
    return half_up(365 * Fraction(world.open_balances(world.customers, company.base_currency)) / Fraction(invoiced))


# ------------------------------------------------------------------ invoice

stored("invoice", "money", "amount", "balance")
stored("invoice", "choice", "status")
stored("invoice", "date", "issue_date", "due_date", "settled_on", "expected_payment_date")
stored("invoice", "flag", "chasing_paused", "bulk_payment_in_progress")
stored("invoice", "code", "currency")
stored("invoice", "text", "reference", "purchase_order", "source_id")
stored("invoice", "set", "tags")


@field("invoice", "days")
def invoice__days_overdue(world: World, invoice: Invoice) -> int | None:
    return world.days_overdue(invoice)


@field("invoice", "days")
def invoice__days_until_due(world: World, invoice: Invoice) -> int | None:
    days = world.days_overdue(invoice)
    return None if days is None else -days


@field("invoice", "days")
def invoice__days_late(world: World, invoice: Invoice) -> int | None:
    if not world.is_settled(invoice) or invoice.settled_on is None or invoice.due_date is None:
        return None
    return (invoice.settled_on - invoice.due_date).days


@field("invoice", "days")
def invoice__days_issued(world: World, invoice: Invoice) -> int | None:
    return world.days_since(invoice.issue_date)


@field("invoice", "choice")
def invoice__aging(world: World, invoice: Invoice) -> str | None:
    if not world.is_open(invoice):
        return None
    days = world.days_overdue(invoice)
    if days is None or days <= 0:
        return "not_due"
    return "1-30" if days <= 30 else "31-60" if days <= 60 else "61-90" if days <= 90 else "91+"


@field("invoice", "flag")
def invoice__is_open(world: World, invoice: Invoice) -> bool:
    return world.is_open(invoice)


@field("invoice", "flag")
def invoice__is_overdue(world: World, invoice: Invoice) -> bool:
    return world.is_overdue(invoice)


@field("invoice", "percent")
def invoice__paid_percent(_: World, invoice: Invoice) -> Decimal | None:
    if invoice.amount == 0:
        return None
    return half_up(100 * Fraction(invoice.amount - invoice.balance) / Fraction(invoice.amount))


@field("invoice", "date")
def invoice__last_company_communication_date(world: World, invoice: Invoice) -> date | None:
    return world.last_message(invoice)


# ------------------------------------------------------------------ payment

stored("payment", "money", "amount")
stored("payment", "money", "amount_remaining", column="remaining")
stored("payment", "date", "date")
stored("payment", "choice", "status")
stored("payment", "code", "currency")
stored("payment", "text", "source", "reference", "source_id")
stored("payment", "set", "tags")


@field("payment", "days")
def payment__days_since_paid(world: World, payment: Payment) -> int | None:
    return world.days_since(payment.date)


@field("payment", "flag")
def payment__is_prepayment(_: World, payment: Payment) -> bool:
    return payment.kind == "prepayment"


@field("payment", "flag")
def payment__is_overpayment(_: World, payment: Payment) -> bool:
    return payment.kind == "overpayment"


# ------------------------------------------------------------------ credit note

stored("credit_note", "money", "amount")
stored("credit_note", "money", "amount_remaining", column="remaining")
stored("credit_note", "code", "currency")
stored("credit_note", "date", "issue_date")
stored("credit_note", "text", "reference", "source_id")
stored("credit_note", "choice", "status")
stored("credit_note", "set", "tags")


@field("credit_note", "flag")
def credit_note__is_assigned(_: World, note: CreditNote) -> bool:
    return note.remaining == 0


@field("credit_note", "days")
def credit_note__days_issued(world: World, note: CreditNote) -> int | None:
    return world.days_since(note.issue_date)


# ------------------------------------------------------------------ contact, activity, promise

stored("contact", "text", "name", "email", "phone", "source", "source_id")


@field("contact", "flag")
def contact__email_valid(_: World, contact: Contact) -> bool:
    return is_email(contact.email)


stored("activity", "date", "date")
stored("activity", "choice", "by", "kind")
stored("activity", "flag", "is_manual")
stored("activity", "text", "subject")


@field("activity", "days")
def activity__days_ago(world: World, activity: Activity) -> int | None:
    return world.days_since(activity.date)


@field("activity", "text")
def activity__invoice_reference(world: World, activity: Activity) -> str | None:
    return None if activity.invoice_id is None else world.ledger.invoices[activity.invoice_id].reference


stored("promise", "money", "amount")
stored("promise", "date", "made_on", "due_date")
stored("promise", "code", "currency")
stored("promise", "text", "source_id")


@field("promise", "choice")
def promise__status(world: World, promise: Promise) -> str:
    return "broken" if is_broken(world, promise) else promise.status


def is_broken(world: World, promise: Promise) -> bool:
    """Active, its day gone by, and the money paid from `made_on` to `due_date` less than promised."""
    if promise.status != "active" or promise.due_date >= world.as_of:
        return False
    try:
        paid = total(
            world.convert(payment.amount, payment.currency, promise.currency)
            for payment in world.customer_payments(world.ledger.customers[promise.customer_id])
            if payment.status == "paid" and (promise.made_on or date.min) <= payment.date <= promise.due_date
        )
    except NoRate:
        return False
    return paid < promise.amount


@field("promise", "days")
def promise__days_overdue(world: World, promise: Promise) -> int | None:
    return world.days_since(promise.due_date) if promise__status(world, promise) in ("active", "broken") else None
