"""Small random ledgers full of traps, as import rows.

Days lie on the edges of every bucket, rates round half-way, every optional cell is missing now and then, and texts look
like wildcards, quotes and numbers.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from tests.oracle.ledger import Company, Ledger, Rows
from tests.oracle.metrics import CHOICES, World, add_months

Record = dict[str, str]

TODAY = date(2026, 3, 31)
EDGES = (
    0,
    1,
    2,
    29,
    30,
    31,
    44,
    45,
    46,
    59,
    60,
    61,
    89,
    90,
    91,
    92,
    181,
    363,
    364,
    365,
    366,
    -1,
    -2,
    -7,
    -30,
    -31,
    -60,
)
TEXTS = (
    *("O'Neil & Sons", 'Say "hi"', "100% Pure", "100 Pure", "a_b", "axb", "back\\slash", "Émile", "émile", "ÉMILE"),
    *(
        "Acme",
        "ACME",
        "acme GmbH",
        "Straße",
        "日本商事",
        "NULL",
        "true",
        "comma, inc",
        "2026-01-31",
        "%",
        "_",
        "x|y",
        "12",
    ),
)
OWNERS = ("Kim", "kim", "KIM", "Lee", "O'Neil", "Éva", "50%")
ELEMENTS = ("Retail", "retail", "RETAIL", "VIP", "Émile", "émile", "a b", "O'N", "50%", "_")
AMOUNTS = ("0", "0.0001", "0.0003", "1.0001", "10", "33.3333", "50", "99.9999", "100", "100.5", "250", "1000", "2500")
RATES = ("0.5", "0.25", "0.125", "1.5", "2", "0.3333", "1.693649", "0.00625", "149.5")
EMAILS = (
    *(
        "a@b.co",
        "A.B+c@C-D.example",
        "x@y",
        "plain",
        ".a@b.co",
        "a.@b.co",
        "a..b@c.de",
        "a@-b.co",
        "a b@c.de",
        "a@b..co",
    ),
    *("o'neil@example.com", "a@b.c-", "é@b.co", "a@b@c.de", "@b.co"),
)
PHONES = ("+49 30 1", "0", "n/a")


@dataclass(frozen=True)
class Case:
    """A random ledger, the day it is today for its company, and the day the question is asked for."""

    company: Company
    rows: Rows
    today: date
    as_of: date

    def world(self, as_of: date | None = None) -> World:
        return World(Ledger(self.company, self.rows), as_of or self.as_of, self.today)

    def own_world(self) -> World:
        """With the company's own fields as they are defined."""
        return World(Ledger(self.company, self.rows), self.as_of, self.today, OWN, OWN_CHOICES)


def random_case(rng: random.Random, today: date = TODAY) -> Case:
    """The as-of day is today, or a day before or after it; month ends and leap days are likely."""
    company = Company(
        name=rng.choice(("Acme", "O'Neil & Co")),
        base_currency=rng.choice(("EUR", "EUR", "USD", "CHF")),
        country=rng.choice(("DE", "US", None)),
        time_zone=rng.choice(("Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC")),
    )
    as_of = random_day(rng, today)
    rows = random_ledger(rng, company, as_of, today)
    _add_own(random.Random(rng.getrandbits(32)), rows, as_of)
    return Case(company, rows, today, as_of)


# Fields of a company's own: one of each type and more, of the same name with another type elsewhere.
_TYPES = ("text", "number", "count", "percent", "money", "date", "flag", "set")
_FILES = {"customer": "customers", "invoice": "invoices", "payment": "payments"}
OWN = {
    **{f"{entity}.custom.a_{kind}": kind for entity in _FILES for kind in _TYPES},
    "customer.custom.level": "choice",
    "invoice.custom.level": "choice",
    "payment.custom.level": "money",
    "customer.custom.mood": "choice",
    "payment.custom.mood": "choice",
    "invoice.custom.mood": "flag",
    "customer.custom.in": "number",
}
OWN_CHOICES = {
    "customer.custom.level": ("low", "Middle", "high up", "Élite"),
    "invoice.custom.level": ("9", "10", "low"),
    "customer.custom.mood": ("O'K", "50%", "émile"),
    "payment.custom.mood": ("good", "bad"),
}


def _add_own(rng: random.Random, rows: dict[str, list[Record]], as_of: date) -> None:
    for path, kind in OWN.items():
        entity, _, column = path.partition(".")
        if rng.random() < 0.95:  # a file may lack the column
            for record in rows.get(_FILES[entity], ()):
                record[column] = _own_cell(rng, kind, as_of, OWN_CHOICES.get(path, ())) if rng.random() < 0.75 else ""


def _own_cell(rng: random.Random, kind: str, as_of: date, choices: Sequence[str]) -> str:
    """Also as no product would write it: zeros that mean nothing, a plus, a capital."""
    match kind:
        case "choice":
            return rng.choice(choices)
        case "number":
            return rng.choice(("0", "-0", "-1.5", "+2", "2.50", "007", "33.3333", "0.0000000001", "123456789012345.5"))
        case "count":
            return rng.choice(("0", "1", "2", "+3", "012", "999999999999999"))
        case "percent":
            return rng.choice(("0", "5", "-2.5", "50.00", "50%", "100", "33.3333"))
        case "money":
            return rng.choice((*AMOUNTS, "-100", "+5", "1.50", "899999999999999.9999"))
        case "date":
            return str(as_of - timedelta(rng.choice(EDGES)))
        case "flag":
            return rng.choice(("true", "TRUE", "false", "False"))
        case "set":
            return rng.choice(("|", "|x|", "Retail|Retail", "|".join(rng.sample(ELEMENTS, 3)), rng.choice(ELEMENTS)))
        case _:
            return rng.choice(TEXTS)


def random_day(rng: random.Random, today: date) -> date:
    month_end = today.replace(day=1) - timedelta(1)
    past = [
        *(today - timedelta(days) for days in (1, 7, 30, 45, 91, 365)),
        *(month_end, add_months(month_end, -1), leap_day(today, -1), add_months(leap_day(today, -1), 12)),
    ]
    future = [
        *(today + timedelta(days) for days in (1, 7, 30, 91, 365)),
        *(add_months(month_end, 2), leap_day(today, 1)),
    ]
    return rng.choice([today] * 8 + past + future)


def leap_day(day: date, direction: int) -> date:
    year = day.year + direction
    while year % 4 != 0 or (year % 100 == 0 and year % 400 != 0):
        year += direction
    return date(year, 2, 29)


def random_ledger(rng: random.Random, company: Company, as_of: date, today: date = TODAY) -> dict[str, list[Record]]:
    return _Maker(rng, company, as_of, today).ledger()


class _Maker:
    def __init__(self, rng: random.Random, company: Company, as_of: date, today: date) -> None:
        self.rng = rng
        self.as_of = as_of
        self.today = today
        self.base = company.base_currency
        foreign = [code for code in ("EUR", "USD", "GBP", "JPY") if code != self.base]
        self.foreign = rng.sample(foreign, rng.choice((0, 1, 2, 2)))
        self.customers: list[str] = []
        self.groups: list[str] = []

    # -- cells

    def some(self, make: Callable[[], str], chance: float = 0.7) -> str:
        """A cell that is empty now and then."""
        return make() if self.rng.random() < chance else ""

    def one_of(self, values: Sequence[str], chance: float = 0.7) -> str:
        return self.some(lambda: self.rng.choice(values), chance)

    def flag(self) -> str:
        return self.rng.choice(("true", "false", "false", ""))

    def choice(self, entity: str, name: str, chance: float = 0.7) -> str:
        return self.one_of(CHOICES[entity, name], chance)

    def elements(self) -> str:
        return "|".join(self.rng.sample(ELEMENTS, self.rng.choice((0, 0, 1, 2, 3))))

    def amount(self) -> str:
        value = self.rng.choice(AMOUNTS)
        return f"-{value}" if self.rng.random() < 0.08 and Decimal(value) else value

    def day(self) -> date:
        """Around as_of: on a bucket's edge, a month or a year away, at a month's end, sometimes around today."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.6:
            return self.as_of - timedelta(rng.choice(EDGES))
        if kind < 0.75:
            return add_months(self.as_of, rng.choice((-12, -3, -2, -1, 1, 3))) + timedelta(rng.choice((-1, 0, 1)))
        if kind < 0.85:
            first = add_months(self.as_of.replace(day=1), rng.choice((-12, -3, -1, 0, 1)))
            return first - timedelta(rng.choice((0, 1)))
        if kind < 0.9:
            return leap_day(self.as_of, -1) + timedelta(rng.choice((0, 1)))
        return self.today - timedelta(rng.choice((-1, 0, 1, 30)))

    def earlier_day(self, day: date) -> date:
        return day - timedelta(self.rng.choice((0, 1, 14, 30, 30, 45, 365)))

    def currency(self, chance: float = 0.5) -> str:
        return self.one_of((self.base, *self.foreign, *self.foreign), chance)

    # -- files

    def ledger(self) -> dict[str, list[Record]]:
        rows: dict[str, list[Record]] = {
            "customers": self._customers(),
            "groups": self._groups(),
            "fx_rates": self._rates(),
        }
        rows["invoices"] = self._each("I", self._invoice, (0, 1, 2, 2, 3, 5))
        rows["payments"] = self._each("P", self._payment, (0, 0, 1, 2, 3))
        rows["credit_notes"] = self._each("N", self._credit_note, (0, 0, 1, 2))
        rows["allocations"] = self._allocations(rows)
        rows["journals"] = self._each("J", self._journal, (0, 0, 0, 1, 2))
        rows["contacts"] = self._each("K", self._contact, (0, 1, 1, 2))
        rows["activities"] = self._activities(rows["invoices"])
        rows["promises"] = self._each("Q", self._promise, (0, 0, 1, 2))
        self._drop_some(rows)
        return {name: records for name, records in rows.items() if records}

    def _drop_some(self, rows: dict[str, list[Record]]) -> None:
        """Whole optional files, and whole optional columns, are absent now and then."""
        for name in ("groups", "journals", "contacts", "activities", "promises"):
            if self.rng.random() < 0.08:
                rows[name] = []
        for name, records in rows.items():
            for column in OPTIONAL[name]:
                if self.rng.random() < 0.04:
                    for record in records:
                        record.pop(column, None)

    def _each(self, prefix: str, make: Callable[[str], Record], counts: Sequence[int]) -> list[Record]:
        """Rows for each customer. Ids differ in letter case and length, which their order as text depends on."""
        records: list[Record] = []
        for customer in self.customers:
            cells: Record = {}
            for _ in range(self.rng.choice(counts)):
                letter = self.rng.choice((prefix, prefix.lower()))
                cells = self._alike(cells, make(customer))
                records.append({"source_id": f"{letter}{len(records) + 1}", "customer_id": customer} | cells)
        self.rng.shuffle(records)
        return records

    def _alike(self, before: Record, cells: Record) -> Record:
        """Now and then a row shares most cells with the one before it: ties, and pairs that differ in one thing."""
        if not before or self.rng.random() < 0.6:
            return cells
        return {column: value if self.rng.random() < 0.3 else before[column] for column, value in cells.items()}

    def _customers(self) -> list[Record]:
        rng = self.rng
        ids = ["C1", "c1", "Ü_5%", "C10", "C2", "b-3", "O'4", "C7"]
        self.customers = ids[: rng.randint(2, 8)]
        self.groups = ["G1", "g1", "G10", "Ü"][: rng.randint(0, 4)]
        return [{"source_id": source_id} | self._customer() for source_id in self.customers]

    def _customer(self) -> Record:
        rng = self.rng
        return {
            "name": self.one_of(TEXTS, 0.9),
            "reference": self.one_of(TEXTS, 0.6),
            "group": self.one_of(self.groups, 0.7) if self.groups else "",
            "country": self.one_of(("DE", "US", "GB", "FR"), 0.6),
            "currency": self.currency(0.6),
            "credit_limit": self.one_of(("0", "100", "1000", "0.0007", "2500.5"), 0.7),
            "rating": self.choice("customer", "rating", 0.8),
            "strike": self.some(lambda: str(rng.randint(0, 10))),
            "account_owner": self.one_of(OWNERS),
            "chasing_paused": self.flag(),
            "chasing_paused_until": self.some(lambda: str(self.as_of + timedelta(rng.choice((-30, -1, 0, 0, 1)))), 0.6),
            "allow_surcharges": self.flag(),
            "auto_payment_method": self.choice("customer", "auto_payment_method"),
            "payment_method": self.choice("customer", "payment_method"),
            "payment_method_status": self.choice("customer", "payment_method_status"),
            "portfolios": self.elements(),
            "tags": self.elements(),
            "created_on": self.some(lambda: str(self.day())),
        }

    def _groups(self) -> list[Record]:
        """A parent may be in another group or in none; a group may have no members, or be named and not defined."""
        return [
            {
                "source_id": source_id,
                "name": self.one_of(TEXTS),
                "parent": self.one_of(self.customers),
                "chasing_paused": self.flag(),
                "credit_limit": self.one_of(("0", "500", "10000")),
                "tags": self.elements(),
            }
            for source_id in self.groups
            if self.rng.random() < 0.85
        ]

    def _rates(self) -> list[Record]:
        """Every currency has a rate; now and then none of its rates is old enough for as_of."""
        rng = self.rng
        old = [self.as_of - timedelta(days) for days in (0, 1, 31, 400)]
        new = [self.as_of + timedelta(days) for days in (1, 30)]
        records = []
        for currency in self.foreign:
            days = set(rng.sample(new, rng.randint(0, 2)))
            if rng.random() < 0.93 or not days:
                days |= set(rng.sample(old, rng.randint(1, 3)))
            records += [{"currency": currency, "date": str(day), "rate": rng.choice(RATES)} for day in sorted(days)]
        if rng.random() < 0.05:
            records.append({"currency": self.base, "date": str(self.as_of), "rate": "2"})
        rng.shuffle(records)
        return records

    def _invoice(self, _: str) -> Record:
        due = self.some(lambda: str(self.day()), 0.85)
        issued = self.earlier_day(date.fromisoformat(due)) if due and self.rng.random() < 0.7 else self.day()
        amount = self.amount()
        return {
            "issue_date": str(issued),
            "amount": amount,
            "due_date": due,
            "balance": self.some(lambda: self.rng.choice((amount, "0", self.amount())), 0.35),
            "currency": self.currency(),
            "status": self.choice("invoice", "status", 0.4),
            "settled_on": self.some(lambda: str(self.day()), 0.15),
            "expected_payment_date": self.some(lambda: str(self.day()), 0.4),
            "reference": self.one_of(TEXTS),
            "purchase_order": self.one_of(TEXTS, 0.3),
            "chasing_paused": self.flag(),
            "bulk_payment_in_progress": self.flag(),
            "tags": self.elements(),
        }

    def _payment(self, _: str) -> Record:
        amount = self.amount()
        return {
            "date": str(self.day()),
            "amount": amount,
            "unallocated": self.some(lambda: self.rng.choice((amount, "0", self.amount())), 0.4),
            "currency": self.currency(),
            "status": self.choice("payment", "status", 0.5),
            "kind": self.one_of(("payment", "prepayment", "overpayment")),
            "source": self.one_of(("bank", "Bank", "card", "50%")),
            "reference": self.one_of(TEXTS),
            "tags": self.elements(),
        }

    def _credit_note(self, _: str) -> Record:
        amount = self.amount()
        return {
            "issue_date": str(self.day()),
            "amount": amount,
            "remaining": self.some(lambda: self.rng.choice((amount, "0", self.amount())), 0.4),
            "currency": self.currency(),
            "status": self.choice("credit_note", "status", 0.4),
            "reference": self.one_of(TEXTS),
            "tags": self.elements(),
        }

    def _allocations(self, rows: dict[str, list[Record]]) -> list[Record]:
        sources = [("payment_id", row) for row in rows["payments"]] + [
            ("credit_note_id", row) for row in rows["credit_notes"]
        ]
        records = []
        for invoice in rows["invoices"]:
            near = [pair for pair in sources if pair[1]["customer_id"] == invoice["customer_id"]]
            for part in self._parts(Decimal(invoice["amount"])):
                pool = near if self.rng.random() < 0.9 else sources  # a parent may pay for its subsidiary
                if pool:
                    column, source = self.rng.choice(pool)
                    records.append(
                        {"payment_id": "", "credit_note_id": ""}
                        | {column: source["source_id"], "invoice_id": invoice["source_id"], "amount": str(part)}
                        | {"date": self.some(lambda: str(self.day()), 0.6)}
                    )
        self.rng.shuffle(records)
        return records

    def _parts(self, amount: Decimal) -> list[Decimal]:
        """What is paid of an invoice: nothing, all, all in two parts, some, too much, some and taken back."""
        half = (amount / 2).quantize(Decimal("0.01"))
        ten = Decimal(10)
        return list(
            self.rng.choice(
                ((), (), (amount,), (half, amount - half), (half,), (amount + ten,), (half, -half), (ten, Decimal(0)))
            )
        )

    def _journal(self, _: str) -> Record:
        return {
            "date": str(self.day()),
            "amount": self.amount(),
            "balance": self.some(self.amount, 0.5),
            "currency": self.currency(),
            "reference": self.one_of(TEXTS),
        }

    def _contact(self, _: str) -> Record:
        return {
            "name": self.one_of(TEXTS),
            "email": self.one_of(EMAILS),
            "phone": self.one_of(PHONES, 0.5),
            "source": self.one_of(("crm", "CRM", "import")),
        }

    def _activities(self, invoices: list[Record]) -> list[Record]:
        def make(customer: str) -> Record:
            own = [invoice["source_id"] for invoice in invoices if invoice["customer_id"] == customer]
            return {
                "at": f"{self.day()}T{self.rng.choice(('00:30:00', '12:00:00', '23:30:00'))}{self._offset()}",
                "by": self.choice("activity", "by", 1),
                "kind": self.choice("activity", "kind", 1),
                "is_manual": self.flag(),
                "subject": self.one_of(TEXTS),
                "invoice_id": self.one_of(own, 0.7) if own else "",
            }

        return self._each("A", make, (0, 1, 2, 4))

    def _offset(self) -> str:
        """Around midnight the day depends on the time zone."""
        return self.rng.choice(("Z", "+00:00", "+02:00", "-05:00", "+09:00"))

    def _promise(self, _: str) -> Record:
        due = self.day()
        return {
            "due_date": str(due),
            "amount": self.amount(),
            "made_on": self.some(lambda: str(self.earlier_day(due))),
            "status": self.choice("promise", "status", 0.5),
            "currency": self.currency(),
        }


# interface.md, "Import files": the columns that may be absent.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "groups": ("name", "parent", "chasing_paused", "credit_limit", "tags"),
    "customers": (
        *("name", "reference", "group", "country", "currency", "credit_limit", "rating", "strike", "account_owner"),
        *("chasing_paused", "chasing_paused_until", "allow_surcharges", "auto_payment_method", "payment_method"),
        *("payment_method_status", "portfolios", "tags", "created_on"),
    ),
    "contacts": ("name", "email", "phone", "source"),
    "invoices": (
        *("due_date", "balance", "currency", "status", "settled_on", "expected_payment_date", "reference"),
        *("purchase_order", "chasing_paused", "bulk_payment_in_progress", "tags"),
    ),
    "payments": ("unallocated", "currency", "status", "kind", "source", "reference", "tags"),
    "allocations": ("date",),
    "credit_notes": ("remaining", "currency", "status", "reference", "tags"),
    "journals": ("balance", "currency", "reference"),
    "activities": ("is_manual", "subject", "invoice_id"),
    "promises": ("made_on", "status", "currency"),
    "fx_rates": (),
}
