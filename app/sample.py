"""A made-up ledger to try things on: the same every time, its dates relative to a given day.

It is as lopsided as real ones: few customers have most of the invoices, most pay about in time and some never do.
Every value that a field may have occurs. What an import derives (balances, most statuses) is left to the import.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import count, cycle, islice, product
from pathlib import Path
from random import Random

from dsl.catalog import Custom, custom_type
from dsl.types import TEXT, Kind

NAME = "Nordwind Trading"
WHO = "sample"  # made it
BASE_CURRENCY = "EUR"
COUNTRY = "DE"
TIME_ZONE = "Europe/Berlin"

CUSTOMERS = 300
GROUPS = 25
INVOICES = 3_000
DAYS_OF_HISTORY = 730

# Days of the month on which most customers pay what is due.
PAYMENT_RUNS = (1, 15)

Row = dict[str, str]
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Payer:
    """How a kind of customer pays, in days after the due date; `share` of 100 customers are like this."""

    ratings: str
    share: int
    delay: int
    spread: int
    pays: float


PAYERS = (
    Payer("AAB", 45, delay=-2, spread=5, pays=1.0),
    Payer("BBC", 33, delay=14, spread=12, pays=0.97),
    Payer("CCD", 16, delay=50, spread=30, pays=0.9),
    Payer("D", 6, delay=120, spread=60, pays=0.25),
)

OWNERS = ("Kim Larsen", "Ada Brandt", "Jonas Vogel", "Priya Nair", "Tom O'Hara")
PORTFOLIOS = ("Retail", "Enterprise", "Public", "Export")
TAGS = ("key-account", "watch", "seasonal", "legal", "new")
SECTORS = ("Food", "Building", "Health", "Shipping", "Media")
PLANS = ("Basic", "Premium", "Partner")

SEGMENTS = {"High risk": "customer.rating = 'D' AND customer.balance_overdue > 0"}
FIELDS = (
    Custom("customer", "plan", custom_type(Kind.CHOICE, PLANS, ordered=True), "plan"),
    Custom("customer", "sector", custom_type(Kind.CHOICE, SECTORS), "sector"),
    Custom("invoice", "project", TEXT, "project"),
)

FIRST = (
    "Alder Amber Aurora Baltic Beacon Birch Bright Cedar Clover Coral Delta Ember Falcon Fjord Forest Garnet Glacier "
    "Golden Granite Harbour Hazel Heron Highland Iris Juniper Lake Lantern Linden Maple Meadow Mill Morning North Oak "
    "Orchard Osprey Pine Polar Quarry Raven River Rowan Sable Silver Spruce Stone Summit Swan Tidal Willow"
)
TRADES = (
    "Bakery Builders Ceramics Chemicals Clinics Coffee Dairy Drinks Energy Engineering Fashion Films Foods Freight "
    "Furniture Gardens Glass Hotels Instruments Interiors Labs Lighting Logistics Machines Media Metals Motors "
    "Outdoor Paper Pharma Plastics Press Seafood Shipping Software Sports Steel Supplies Textiles Timber Tools Toys"
)
# Country, currency, legal form, dialling code and weight.
HOMES = (
    ("DE", "EUR", "GmbH", "+49 30 23125", 40),
    ("AT", "EUR", "GmbH", "+43 1 55512", 8),
    ("FR", "EUR", "SARL", "+33 1 9900", 10),
    ("NL", "EUR", "B.V.", "+31 20 555", 10),
    ("GB", "GBP", "Ltd", "+44 20 7946", 18),
    ("US", "USD", "Inc.", "+1 212 555", 12),
    ("", "EUR", "KG", "+49 40 66969", 2),
)
PEOPLE = ("Anna Berg", "Luca Conti", "Marta Ruiz", "Omar Haddad", "Sofie Holm", "Wei Chen", "Nora Walsh", "Emil Kraus")


def write_sample(folder: Path, day: date) -> None:
    """The import files, as csv."""
    for name, rows in _Ledger(day).files().items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


@dataclass(slots=True)
class _Customer:
    id: str
    name: str
    currency: str
    phone: str
    payer: Payer
    weight: float
    size: float
    has_payment_runs: bool


@dataclass(slots=True)
class _Invoice:
    id: str
    customer: _Customer
    currency: str
    issued: date
    due: date | None
    amount: Decimal
    credited: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    settled: date | None = None

    @property
    def balance(self) -> Decimal:
        return self.amount - self.credited - self.paid


class _Ledger:
    """One random stream runs through all of it, so the order of the steps is part of the result."""

    def __init__(self, day: date) -> None:
        self._day = day
        self._random = Random(20)
        self._rows: dict[str, list[Row]] = defaultdict(list)
        self._customers: list[_Customer] = []
        self._invoices: list[_Invoice] = []
        self._payment_numbers = count(1)

    def files(self) -> dict[str, list[Row]]:
        self._add_customers()
        self._add_groups()
        self._add_contacts()
        self._add_invoices()
        self._add_credit_notes()
        self._add_payments()
        self._add_other_payments()
        self._write_invoices()
        self._add_journals()
        self._add_activities()
        self._add_promises()
        self._add_rates()
        return dict(self._rows)

    # ------------------------------------------------------------ chance

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _ago(self, days: int) -> date:
        return self._day - timedelta(days)

    def _some(self, values: Iterable[str], most: int) -> str:
        return "|".join(self._random.sample(list(values), self._random.randint(0, most)))

    def _maybe(self, probability: float, value: object) -> str:
        return str(value) if self._chance(probability) else ""

    def _cents(self, value: float) -> Decimal:
        return Decimal(str(value)).quantize(CENT)

    # ------------------------------------------------------------ who

    def _add_customers(self) -> None:
        names = self._random.sample(list(product(FIRST.split(), TRADES.split())), CUSTOMERS)
        for number, (first, trade) in enumerate(names, 1):
            country, currency, form, phone, _ = self._random.choices(HOMES, [home[-1] for home in HOMES])[0]
            payer = self._random.choices(PAYERS, [payer.share for payer in PAYERS])[0]
            customer = _Customer(
                id=f"C{number:04}",
                name=f"{first} {trade} {form}",
                currency=currency,
                phone=phone,
                payer=payer,
                # Every 25th has no invoices.
                weight=0 if number % 25 == 0 else min(self._random.paretovariate(0.9), 60),
                size=self._random.lognormvariate(6.3, 0.8),
                has_payment_runs=self._chance(0.8),
            )
            self._customers.append(customer)
            self._rows["customers"].append(self._customer_row(number, customer, country))

    def _customer_row(self, number: int, customer: _Customer, country: str) -> Row:
        trusted = customer.payer.pays == 1.0
        method = self._random.choice(("none", "card", "direct_debit"))
        return {
            "source_id": customer.id,
            "name": customer.name,
            "reference": self._maybe(0.97, 70_000 + number),
            "group": "",
            "country": country,
            "currency": customer.currency if customer.currency != BASE_CURRENCY else self._maybe(0.5, BASE_CURRENCY),
            "credit_limit": self._maybe(0.7, round(customer.size * self._random.randint(2, 20), -2)),
            "rating": self._maybe(0.92, self._random.choice(customer.payer.ratings)),
            "strike": self._maybe(0.8, 0 if trusted else self._random.randint(0, 10)),
            "account_owner": self._maybe(0.88, self._random.choice(OWNERS)),
            **self._pause(number),
            "allow_surcharges": self._random.choice(("true", "false", "")),
            "auto_payment_method": self._maybe(0.8, method),
            "payment_method": self._maybe(0.9, method),
            "payment_method_status": "" if method == "none" else self._random.choice(("active", "active", "inactive")),
            "portfolios": self._some(PORTFOLIOS, 2),
            "tags": self._some(TAGS, 3),
            "created_on": self._maybe(0.95, self._ago(DAYS_OF_HISTORY + self._random.randint(0, 2_500))),
            "custom.plan": self._maybe(0.7, self._random.choice(PLANS)),
            "custom.sector": self._maybe(0.6, self._random.choice(SECTORS)),
        }

    def _pause(self, number: int) -> Row:
        """Of 12 customers one is paused: without an end, still, for the last day, or until some time ago."""
        ends = ("", self._day + timedelta(21), self._day, self._ago(1), self._ago(40))
        paused = number % 12 == 0
        return {
            "chasing_paused": "yes" if paused else "",
            "chasing_paused_until": str(ends[number // 12 % len(ends)]) if paused else "",
        }

    def _add_groups(self) -> None:
        """The first groups are large; two of five customers are in one."""
        free = self._random.sample(range(CUSTOMERS), CUSTOMERS)
        rows = self._rows["customers"]
        for number in range(1, GROUPS + 1):
            members = [rows[free.pop()] for _ in range(max(2, 24 // number))]
            for member in members:
                member["group"] = f"G{number:02}"
            name = members[0]["name"].rsplit(" ", 2)[0]
            self._rows["groups"].append(
                {
                    "source_id": f"G{number:02}",
                    "name": "" if number == GROUPS else f"{name} Group",
                    "parent": "" if number % 8 == 0 else members[0]["source_id"],
                    "chasing_paused": "true" if number % 9 == 0 else "",
                    "credit_limit": self._maybe(0.6, self._random.randint(5, 80) * 1_000),
                    "tags": self._some(TAGS, 2),
                }
            )

    def _add_contacts(self) -> None:
        numbers = count(1)
        for customer in self._customers:
            for person in self._random.sample(PEOPLE, self._random.choice((0, 1, 1, 1, 2, 3))):
                number = next(numbers)
                domain = "".join(customer.name.lower().split()[:2])
                email = f"{person.lower().replace(' ', '.')}@{domain}.example"
                self._rows["contacts"].append(
                    {
                        "source_id": f"K{number:04}",
                        "customer_id": customer.id,
                        "name": self._maybe(0.97, person),
                        "email": self._random.choices((email, "", "n/a", f"office@{domain}"), (85, 9, 3, 3))[0],
                        "phone": self._maybe(0.7, f"{customer.phone} {number:03}"),
                        "source": self._random.choice(("ERP", "ERP", "import", "portal", "")),
                    }
                )

    # ------------------------------------------------------------ invoices, credit notes, payments

    def _add_invoices(self) -> None:
        weights = [customer.weight for customer in self._customers]
        issued = sorted(self._ago(self._random.randint(0, DAYS_OF_HISTORY)) for _ in range(INVOICES))
        for number, on in enumerate(issued, 1):
            customer = self._random.choices(self._customers, weights)[0]
            terms = self._random.choice((14, 30, 30, 30, 45, 60))
            self._invoices.append(
                _Invoice(
                    id=f"I{number:05}",
                    customer=customer,
                    currency="USD" if self._chance(0.02) else customer.currency,
                    issued=on,
                    due=None if self._chance(0.02) else on + timedelta(terms),
                    amount=self._cents(customer.size * self._random.lognormvariate(0, 0.7)),
                )
            )

    def _add_credit_notes(self) -> None:
        statuses = cycle(("", "", "", "", "", "voided", "refunded"))
        for number, invoice in enumerate(self._random.sample(self._invoices, 150), 1):
            on = min(self._day, invoice.issued + timedelta(self._random.randint(1, 25)))
            amount = (invoice.amount * self._random.choice((10, 25, 50, 100)) / 100).quantize(CENT)
            status = next(statuses)
            self._rows["credit_notes"].append(
                {
                    "source_id": f"N{number:04}",
                    "customer_id": invoice.customer.id,
                    "issue_date": str(on),
                    "amount": str(amount),
                    "currency": invoice.currency,
                    "status": status,
                    "reference": self._maybe(0.95, f"CN-{number:04}"),
                    "tags": self._some(("goodwill", "return", "price"), 1),
                }
            )
            if not status and self._chance(0.75):
                part = amount if self._chance(0.8) else (amount / 2).quantize(CENT)
                invoice.credited += part
                invoice.settled = on if invoice.balance == 0 else None
                self._allocate("credit_note_id", f"N{number:04}", invoice, part, "")

    def _add_payments(self) -> None:
        """What a customer pays on one day in one currency is one payment."""
        together: dict[tuple[date, str, str], list[tuple[_Invoice, Decimal]]] = defaultdict(list)
        for invoice in self._invoices:
            for on, amount in self._instalments(invoice):
                together[on, invoice.customer.id, invoice.currency].append((invoice, amount))
        for (on, customer, currency), parts in sorted(together.items(), key=lambda item: item[0]):
            extra = self._cents(self._random.uniform(1, 80)) if self._chance(0.03) else Decimal(0)
            payment = self._add_payment(
                customer,
                currency,
                on,
                sum((amount for _, amount in parts), extra),
                kind="overpayment" if extra else "",
            )
            for invoice, amount in parts:
                invoice.paid += amount
                invoice.settled = on if invoice.balance == 0 else None
                self._allocate("payment_id", payment, invoice, amount, self._maybe(0.3, on))

    def _instalments(self, invoice: _Invoice) -> Iterator[tuple[date, Decimal]]:
        payer = invoice.customer.payer
        if invoice.balance <= 0 or not self._chance(payer.pays * 0.94):
            return
        due = invoice.due or invoice.issued + timedelta(30)
        on = self._payday(invoice, due + timedelta(int(self._random.gauss(payer.delay, payer.spread))))
        first = (invoice.balance * 40 / 100).quantize(CENT) if self._chance(0.08) else invoice.balance
        for amount, later in ((first, 0), (invoice.balance - first, 30)):
            day = self._payday(invoice, on + timedelta(later)) if later else on
            if amount and day <= self._day:
                yield day, amount

    def _payday(self, invoice: _Invoice, wanted: date) -> date:
        day = max(wanted, invoice.issued + timedelta(1))
        while invoice.customer.has_payment_runs and day.day not in PAYMENT_RUNS:
            day += timedelta(1)
        return day

    def _add_other_payments(self) -> None:
        """Those that pay no invoice: money in advance, and money that did not come."""
        for number, customer in enumerate(self._random.sample(self._customers, 90), 1):
            on = self._ago(self._random.randint(0, 200))
            amount = self._cents(customer.size * self._random.uniform(0.1, 2))
            if number % 2:
                self._add_payment(
                    customer.id, customer.currency, on, amount, kind="prepayment", unallocated=str(amount)
                )
            else:
                status = ("failed", "pending", "void")[number // 2 % 3]
                self._add_payment(customer.id, customer.currency, on, amount, status=status)

    def _add_payment(self, customer: str, currency: str, on: date, amount: Decimal, **cells: str) -> str:
        number = next(self._payment_numbers)
        row = {
            "source_id": f"P{number:05}",
            "customer_id": customer,
            "date": str(on),
            "amount": str(amount),
            "unallocated": "",
            "currency": currency,
            "status": "",
            "kind": "",
            "source": self._random.choice(("bank", "bank", "bank", "card", "direct debit", "portal", "")),
            "reference": self._maybe(0.8, f"TX-{number:05}"),
            "tags": self._some(("split", "manual"), 1),
        }
        self._rows["payments"].append(row | cells)
        return row["source_id"]

    def _allocate(self, source: str, source_id: str, invoice: _Invoice, amount: Decimal, on: str) -> None:
        cells = {"payment_id": "", "credit_note_id": "", "invoice_id": invoice.id, "amount": str(amount), "date": on}
        self._rows["allocations"].append(cells | {source: source_id})

    def _write_invoices(self) -> None:
        """Only now is it known which are unpaid and so may be disputed, in instalments, closed or void."""
        special = cycle(("disputed", "instalments", "closed", "void"))
        for number, invoice in enumerate(self._invoices, 1):
            untouched = invoice.balance == invoice.amount
            status = next(special) if untouched and self._chance(0.15) else ""
            expected = self._day + timedelta(self._random.randint(-10, 30))
            self._rows["invoices"].append(
                {
                    "source_id": invoice.id,
                    "customer_id": invoice.customer.id,
                    "issue_date": str(invoice.issued),
                    "due_date": str(invoice.due or ""),
                    "amount": str(invoice.amount),
                    "currency": invoice.currency,
                    "status": status,
                    "expected_payment_date": self._maybe(0.2, expected) if invoice.balance else "",
                    "reference": self._maybe(0.99, f"INV-{invoice.issued.year}-{number:05}"),
                    "purchase_order": self._maybe(0.4, f"PO-{self._random.randint(1_000, 9_999)}"),
                    "chasing_paused": self._maybe(0.05, "true"),
                    "bulk_payment_in_progress": self._maybe(0.02, "true"),
                    "tags": self._some(("export", "project", "service"), 1),
                    "custom.project": self._maybe(0.3, self._random.choice(("Atlas", "Borealis", "Comet"))),
                }
            )

    def _add_journals(self) -> None:
        for number, customer in enumerate(self._random.sample(self._customers, 45), 1):
            amount = self._cents(self._random.uniform(-150, 150))
            self._rows["journals"].append(
                {
                    "source_id": f"J{number:03}",
                    "customer_id": customer.id,
                    "date": str(self._ago(self._random.randint(0, 400))),
                    "amount": str(amount),
                    "balance": "0.00" if number % 3 == 0 else "",
                    "currency": customer.currency,
                    "reference": self._random.choice(("Rounding", "Opening balance", "Bank charge", "")),
                }
            )

    # ------------------------------------------------------------ what was said

    def _add_activities(self) -> None:
        for invoice in self._invoices:
            for days, kind, is_manual in _REMINDERS:
                on = (invoice.due or invoice.issued + timedelta(30)) + timedelta(days)
                if on <= min(self._day, invoice.settled or self._day) and self._chance(0.35):
                    self._add_activity(invoice.customer, on, "company", kind, is_manual, "Payment reminder", invoice.id)
                    if self._chance(0.3):
                        kind = self._random.choice(("reply", "reply", "call"))
                        self._add_activity(
                            invoice.customer, on, "customer", kind, True, "About your invoice", invoice.id
                        )
        others = (("company", kind) for kind in ("note", "visit", "handover", "other", "payment", "promise", "sms"))
        theirs = (("customer", kind) for kind in ("payment", "promise", "note", "reply", "call"))
        for by, kind in islice(cycle((*others, *theirs)), 240):
            customer = self._random.choice(self._customers)
            on = self._ago(self._random.randint(0, 500))
            self._add_activity(customer, on, by, kind, self._chance(0.5), self._maybe(0.7, kind.capitalize()), "")

    def _add_activity(
        self, customer: _Customer, on: date, by: str, kind: str, is_manual: bool, subject: str, invoice: str
    ) -> None:
        rows = self._rows["activities"]
        offset = self._random.choice(("", "Z", "+02:00"))
        rows.append(
            {
                "source_id": f"A{len(rows) + 1:05}",
                "customer_id": customer.id,
                "at": f"{on}T{self._random.randint(8, 17):02}:{self._random.randint(0, 59):02}:00{offset}",
                "by": by,
                "kind": kind,
                "is_manual": str(is_manual).lower(),
                "subject": subject,
                "invoice_id": invoice,
            }
        )

    def _add_promises(self) -> None:
        """Active ones of the past are broken where the money did not come."""
        unpaid = [invoice for invoice in self._invoices if invoice.balance and invoice.issued < self._ago(45)]
        statuses = cycle(("active", "active", "active", "kept", "broken", "cancelled", "draft"))
        for number, invoice in enumerate(self._random.sample(unpaid, 110), 1):
            made = self._ago(self._random.randint(0, 40))
            self._rows["promises"].append(
                {
                    "source_id": f"V{number:03}",
                    "customer_id": invoice.customer.id,
                    "due_date": str(made + timedelta(self._random.randint(2, 30))),
                    "amount": str(invoice.balance),
                    "made_on": self._maybe(0.95, made),
                    "status": next(statuses),
                    "currency": invoice.currency,
                }
            )

    def _add_rates(self) -> None:
        """From before the first invoice on, once a week."""
        rates = {"GBP": 1.165, "USD": 0.905}
        for days in range(DAYS_OF_HISTORY + 30, -1, -7):
            for currency, rate in rates.items():
                rates[currency] = rate * self._random.uniform(0.993, 1.007)
                cells = {"currency": currency, "date": str(self._ago(days)), "rate": f"{rates[currency]:.6f}"}
                self._rows["fx_rates"].append(cells)


# Days after the due date, how, and whether by a person.
_REMINDERS = ((-3, "email", False), (3, "email", False), (14, "sms", False), (30, "call", True), (45, "letter", True))
