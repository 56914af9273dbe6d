"""The views' numbers against examples worked out by hand, most of them on an edge of a definition in the catalog.

Money is in ten-thousandths, as in the tables.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, cast

import pytest
from psycopg import sql

from app.database import Connection, Database
from dsl import CATALOG
from dsl.catalog import Field
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.statements import rows_statement
from dsl.typed import TRUE, Filter, Role
from dsl.typed import Row as TypedRow
from dsl.types import TEXT

TODAY = date(2026, 6, 30)
EARLIER = date(2026, 1, 1)
MONEY: dict[str, object] = {"amount": 100, "currency": "EUR"}

DEFAULTS: dict[str, dict[str, object]] = {
    "customer": {"name": "C", "currency": "EUR"},
    "customer_group": {},
    "contact": {},
    "invoice": {**MONEY, "issue_date": EARLIER, "balance": 100, "status": "open"},
    "payment": {**MONEY, "date": EARLIER, "amount_remaining": 0, "status": "paid", "kind": "payment"},
    "credit_note": {**MONEY, "issue_date": EARLIER, "amount_remaining": 0, "status": "unapplied"},
    "journal": {**MONEY, "date": EARLIER, "balance": 100},
    "activity": {"at": TODAY, "date": TODAY, "by": "company", "kind": "email"},
    "promise": {**MONEY, "due_date": TODAY, "status": "active"},
}
Plan = dict[str, Any]

ID = Field("id", TEXT, "", "", lambda at: at.row("id"))
METRICS = {
    "customer_metrics": ("customer", Relations.LIVE),
    "customer_metrics_as_of": ("customer", Relations.HISTORIC),
    "group_metrics": ("group", Relations.LIVE),
    "company_metrics": ("company", Relations.LIVE),
}

WITHOUT_CUSTOMER = {"customer", "customer_group"}

_numbers = count(1)


class Ledger:
    """A company of its own with one customer, to which documents are added."""

    def __init__(self, database: Database) -> None:
        self._database = database
        company: dict[str, object] = {
            "name": f"company {next(_numbers)}",
            "base_currency": "EUR",
            "country": "DE",
            "time_zone": "UTC",
        }
        with database.owner() as connection:
            self.company = insert(connection, "company", company, "company_id")
        self.customer = self.add("customer")

    def add(self, table: str, **columns: object) -> int:
        owner = {} if table in WITHOUT_CUSTOMER else {"customer_id": self.customer}
        return self._insert(table, {"source_id": str(next(_numbers)), **owner, **DEFAULTS[table], **columns})

    def allocate(self, invoice: int, amount: int, day: date, **source: int) -> None:
        customers = {"customer_id": self.customer, "source_customer_id": self.customer}
        self._insert(
            "allocation", {**customers, "invoice_id": invoice, "ordinal": 1, "amount": amount, "date": day, **source}
        )

    def rate(self, currency: str, rate: str, day: date = EARLIER) -> None:
        self._insert("fx_rate", {"currency": currency, "date": day, "rate": Decimal(rate)}, "company_id")

    def change(self, table: str, **columns: object) -> None:
        """All rows of the table."""
        settings = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in columns.items()
        )
        with self._database.transaction(self.company, write=True) as connection:
            connection.execute(sql.SQL("UPDATE {} SET {}").format(sql.Identifier(table), settings))

    def get(self, column: str, as_of: date = TODAY, relation: str = "customer_metrics", **where: object) -> object:
        return self.row([column], as_of, relation, **where)[column]

    def row(
        self, columns: Iterable[str], as_of: date = TODAY, relation: str = "customer_metrics", **where: object
    ) -> dict[str, object]:
        """The one row of the relation; of the metrics, the fields of the first customer, the group or the company."""
        if relation in METRICS:
            customer = where.get("customer_id", self.customer)
            return self._fields(columns, as_of, *METRICS[relation], customer)
        conditions = [
            sql.SQL("{} = {}").format(sql.Identifier(key), sql.Literal(value)) for key, value in where.items()
        ]
        question = sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.Identifier(relation),
            sql.SQL(" AND ").join([sql.SQL("true"), *conditions]),
        )
        with self._database.transaction(self.company, as_of) as connection:
            (row,) = connection.execute(question).fetchall()
        return dict(zip(columns, row, strict=True))

    def _fields(
        self, names: Iterable[str], as_of: date, entity: str, relations: Relations, customer: object
    ) -> dict[str, object]:
        level = "group" if entity == "group" else "customer"
        root = TypedRow(CATALOG.entities[level], Role.AT_HAND)
        row = root if entity == level else TypedRow(CATALOG.entities[entity], Role.AT_HAND, owner=root)
        fields = {"id": (root, ID), **{name: (row, row.entity.fields[name]) for name in names}}
        statement = rows_statement(Filter(root, TRUE), Question(self.company, as_of, relations), fields)
        with self._database.transaction(self.company, as_of) as connection:
            rows = connection.execute(statement.sql.encode(), statement.parameters).fetchall()
        values = next(values for key, *values in rows if level == "group" or key == customer)
        return dict(zip(names, values, strict=True))

    def _insert(self, table: str, columns: dict[str, object], key: str = "id") -> int:
        with self._database.transaction(self.company, write=True) as connection:
            return insert(connection, table, {"company_id": self.company, **columns}, key)


def insert(connection: Connection, table: str, columns: dict[str, object], key: str) -> int:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(map(sql.Literal, columns.values())),
        sql.Identifier(key),
    )
    (row,) = connection.execute(statement).fetchall()
    assert isinstance(row[0], int)
    return row[0]


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


def days(number: int) -> timedelta:
    return timedelta(days=number)


def test_a_customer_without_anything(ledger: Ledger) -> None:
    zeros = [
        *("balance_due", "balance_overdue", "balance_overdue_1_30", "balance_overdue_91_over", "balance_total"),
        *("invoices_count", "open_invoices", "open_invoices_due", "open_invoices_overdue"),
        *("overpayments", "prepayments", "total_unallocated", "amount_invoiced_12m"),
    ]
    missing = [
        *("average_days_late", "average_days_to_pay", "average_days_overdue", "max_days_overdue"),
        *("largest_open_balance", "credit_limit_utilisation", "days_since_created", "group_parent"),
        *("last_action_date", "last_payment_date", "last_company_action_date", "last_customer_action_date"),
    ]
    no = ["contact_details_available", "email_available", "phone_available", "chasing_paused", "is_group_parent"]
    expected = dict.fromkeys(zeros, 0) | dict.fromkeys(missing, None) | dict.fromkeys(no, False)
    assert ledger.row(expected) == expected
    assert ledger.row(expected, relation="customer_metrics_as_of") == expected


# ---------------------------------------------------------------- open balances


@pytest.mark.parametrize(
    ("overdue", "buckets"),
    [
        (None, {"due"}),
        (0, {"due"}),
        (1, {"overdue", "overdue_1_30"}),
        (30, {"overdue", "overdue_1_30"}),
        (31, {"overdue", "overdue_31_45", "overdue_31_60"}),
        (45, {"overdue", "overdue_31_45", "overdue_31_60"}),
        (46, {"overdue", "overdue_46_60", "overdue_31_60"}),
        (60, {"overdue", "overdue_46_60", "overdue_31_60"}),
        (61, {"overdue", "overdue_61_90"}),
        (90, {"overdue", "overdue_61_90"}),
        (91, {"overdue", "overdue_91_over"}),
        (5000, {"overdue", "overdue_91_over"}),
    ],
)
def test_an_invoice_is_in_its_bucket_only(ledger: Ledger, overdue: int | None, buckets: set[str]) -> None:
    ledger.add("invoice", due_date=None if overdue is None else TODAY - days(overdue), balance=7)
    names = {
        *("due", "overdue", "overdue_1_30", "overdue_31_45", "overdue_31_60"),
        *("overdue_46_60", "overdue_61_90", "overdue_91_over"),
    }
    expected = {f"balance_{name}": 7 if name in buckets else 0 for name in names} | {
        "open_invoices": 1,
        "open_invoices_due": int(buckets == {"due"}),
        "open_invoices_overdue": int(buckets != {"due"}),
        "max_days_overdue": overdue or None,
    }
    assert ledger.row(expected) == expected


def test_only_open_invoices_have_a_balance(ledger: Ledger) -> None:
    for status in ("open", "partially_paid", "paid", "disputed", "instalments", "closed", "void"):
        ledger.add("invoice", status=status, balance=10)
    ledger.add("invoice", balance=-3)
    ledger.add("invoice", balance=0)
    expected = {"balance_due": 47, "open_invoices": 6, "invoices_count": 8, "largest_open_balance": 10}
    assert ledger.row(expected) == expected


def test_the_largest_balance_may_be_negative(ledger: Ledger) -> None:
    ledger.add("invoice", balance=-3)
    ledger.add("invoice", balance=-8)
    assert ledger.get("largest_open_balance") == -3


def test_sums_grow_beyond_bigint(ledger: Ledger) -> None:
    most = 9_000_000_000_000_000_000
    ledger.add("invoice", balance=most)
    ledger.add("invoice", balance=most)
    ledger.change("customer", credit_limit=most)
    assert ledger.get("balance_total") == 2 * most
    assert ledger.get("credit_limit_utilisation") == 200


def test_the_total_balance(ledger: Ledger) -> None:
    ledger.add("invoice", balance=1000)
    for status in ("applied", "unapplied", "voided", "refunded"):
        ledger.add("credit_note", amount_remaining=10, status=status)
    for status in ("pending", "paid", "failed", "void"):
        for kind in ("payment", "prepayment", "overpayment"):
            ledger.add("payment", amount_remaining=1, status=status, kind=kind)
    ledger.add("journal", amount=900, balance=-200)
    expected = {"balance_total": 1000 - 20 - 3 - 200, "prepayments": 1, "overpayments": 2, "total_unallocated": 3}
    assert ledger.row(expected) == expected


@pytest.mark.parametrize(
    ("balance", "limit", "expected"),
    [
        (1, 3, "33.3333"),
        (2, 3, "66.6667"),
        (-2, 3, "-66.6667"),
        (2, -3, "-66.6667"),
        (1, 1_600_000, "0.0001"),  # 0.0000625
        (1, 2_000_000, "0.0001"),  # 0.00005, half up
        (-1, 2_000_000, "-0.0001"),
        (1, 2_000_001, "0"),
        (1, 0, None),
        (1, None, None),
    ],
)
def test_the_use_of_the_credit_limit(ledger: Ledger, balance: int, limit: int | None, expected: str | None) -> None:
    ledger.add("invoice", balance=balance)
    ledger.change("customer", credit_limit=limit)
    assert ledger.get("credit_limit_utilisation") == (expected and Decimal(expected))


# ---------------------------------------------------------------- averages


def test_average_days(ledger: Ledger) -> None:
    """Early payment counts as negative; void and closed invoices are not settled ones."""
    paid = {"balance": 0, "status": "paid", "issue_date": date(2026, 2, 1)}
    ledger.add("invoice", **paid, due_date=date(2026, 3, 1), settled_on=date(2026, 2, 28))
    ledger.add("invoice", **paid, due_date=date(2026, 3, 1), settled_on=date(2026, 3, 5))
    ledger.add("invoice", **paid, due_date=None, settled_on=date(2026, 2, 2))
    for status in ("void", "closed"):
        ledger.add("invoice", status=status, due_date=EARLIER, settled_on=TODAY)
    expected = {"average_days_late": Decimal("1.5"), "average_days_to_pay": Decimal("20")}  # (27 + 32 + 1) / 3
    assert ledger.row(expected) == expected


@pytest.mark.parametrize(("late", "expected"), [(1, "0.0313"), (-1, "-0.0313")])
def test_averages_are_rounded_half_away_from_zero(ledger: Ledger, late: int, expected: str) -> None:
    """One day over 32 invoices is 0.03125."""
    for number in range(32):
        settled_on = TODAY + days(late if number == 0 else 0)
        ledger.add("invoice", status="paid", balance=0, due_date=TODAY, settled_on=settled_on)
    assert ledger.get("average_days_late") == Decimal(expected)


def test_average_days_overdue(ledger: Ledger) -> None:
    for overdue in (1, 1, 3, 0, -20):
        ledger.add("invoice", due_date=TODAY - days(overdue))
    assert ledger.get("average_days_overdue") == Decimal("1.6667")


# ---------------------------------------------------------------- currencies


@pytest.mark.parametrize(
    ("amount", "own", "wanted", "expected"),
    [
        (1, "1.2", "0.8", 2),  # 1.5
        (-1, "1.2", "0.8", -2),
        (3, "1.2", "0.8", 5),  # 4.5
        (1, "1", "3", 0),
        (2, "1", "3", 1),
        (-2, "1", "3", -1),
        (10_000, "0.33333", "1", 3333),
        (1, "9" * 30, "2" + "0" * 30, 0),  # just under a half
        (-1, "9" * 30, "2" + "0" * 30, 0),
        (9_000_000_000_000_000_000, "1000", "0.001", 9_000_000_000_000_000_000_000_000),
    ],
)
def test_a_conversion_is_exact_and_rounded_once(
    ledger: Ledger, amount: int, own: str, wanted: str, expected: int
) -> None:
    ledger.rate("GBP", own)
    ledger.rate("USD", wanted)
    ledger.change("customer", currency="USD")
    ledger.add("invoice", currency="GBP", balance=amount)
    assert ledger.get("balance_due") == expected


def test_sums_add_rounded_documents(ledger: Ledger) -> None:
    """And leave those in the customer's own currency as they are."""
    ledger.rate("GBP", "1.5")
    for _ in range(2):
        ledger.add("invoice", currency="GBP", balance=1)
        ledger.add("payment", currency="GBP", amount_remaining=1)
    ledger.add("credit_note", currency="GBP", amount_remaining=-1)
    ledger.add("journal", currency="GBP", balance=1)
    ledger.add("invoice", balance=10)
    expected = {"balance_due": 14, "overpayments": 4, "balance_total": 14 - 4 + 2 + 2, "largest_open_balance": 10}
    assert ledger.row(expected) == expected


def test_the_latest_rate_by_the_day_counts(ledger: Ledger) -> None:
    for day, rate in (("2026-03-01", "2"), ("2026-04-01", "3"), ("2026-05-01", "4")):
        ledger.rate("GBP", rate, date.fromisoformat(day))
    ledger.rate("EUR", "7")  # the base currency is worth 1
    ledger.add("invoice", currency="GBP", balance=10)
    assert ledger.get("balance_due", date(2026, 3, 31)) == 20
    assert ledger.get("balance_due", date(2026, 4, 1)) == 30
    assert ledger.get("balance_due", date(2027, 1, 1)) == 40
    assert ledger.get("rate", relation="fx_latest", currency="EUR") == 1


def test_without_a_rate_the_whole_metric_is_missing(ledger: Ledger) -> None:
    """But only those that need it."""
    ledger.rate("GBP", "2", TODAY)
    ledger.add("invoice", currency="GBP", due_date=EARLIER)
    ledger.add("invoice", due_date=TODAY)
    ledger.change("customer", credit_limit=100)
    expected = {"balance_overdue": None, "balance_overdue_91_over": None, "balance_total": None} | {
        "largest_open_balance": None,
        "credit_limit_utilisation": None,
        "balance_due": 100,
        "balance_overdue_1_30": 0,
        "open_invoices_overdue": 1,
    }
    assert ledger.row(expected, TODAY - days(1)) == expected
    assert ledger.get("balance_overdue") == 200


def test_a_customer_in_a_currency_without_a_rate(ledger: Ledger) -> None:
    ledger.change("customer", currency="USD")
    ledger.add("invoice", currency="USD", balance=5)
    assert ledger.get("balance_due") == 5
    ledger.add("invoice", currency="EUR", balance=5)
    assert ledger.get("balance_due") is None


# ---------------------------------------------------------------- periods


@pytest.mark.parametrize(
    ("as_of", "issued", "counts"),
    [
        ("2026-03-31", "2025-03-31", False),
        ("2026-03-31", "2025-04-01", True),
        ("2026-03-31", "2026-03-31", True),
        ("2026-03-31", "2026-04-01", False),
        ("2024-02-29", "2023-02-28", False),
        ("2024-02-29", "2023-03-01", True),
        ("2025-02-28", "2024-02-28", False),
        ("2025-02-28", "2024-02-29", True),
    ],
)
def test_invoiced_in_twelve_months(ledger: Ledger, as_of: str, issued: str, counts: bool) -> None:
    ledger.add("invoice", issue_date=issued, amount=7)
    ledger.add("invoice", issue_date=issued, amount=9, status="void")
    assert ledger.get("amount_invoiced_12m", date.fromisoformat(as_of)) == 7 * counts


def test_days_sales_outstanding(ledger: Ledger) -> None:
    """All open balances over what was invoiced on 365 days, today the last of them."""
    assert ledger.get("dso", relation="company_metrics") is None
    ledger.rate("GBP", "2")
    ledger.add("invoice", issue_date=TODAY - days(365), amount=1000, balance=100)
    ledger.add("invoice", issue_date=TODAY - days(364), amount=200, balance=0, status="paid", settled_on=TODAY)
    ledger.add("invoice", issue_date=TODAY, currency="GBP", amount=50, balance=50)
    ledger.add("invoice", issue_date=TODAY, amount=50, balance=50, status="void")
    assert ledger.get("dso", relation="company_metrics") == Decimal("243.3333")  # 365 x (100 + 100) / (200 + 100)
    assert ledger.get("average_days_to_pay", relation="company_metrics") == 364


def test_sales_outstanding_are_unknown_with_an_open_amount_that_is(ledger: Ledger) -> None:
    ledger.add("invoice", currency="USD", issue_date=date(2024, 1, 1))
    ledger.add("invoice", issue_date=TODAY)
    assert ledger.get("dso", relation="company_metrics") is None


@pytest.mark.parametrize(
    ("flag", "until", "paused"),
    [(True, None, True), (True, TODAY, True), (True, TODAY - days(1), False), (False, TODAY, False)],
)
def test_a_pause_holds_on_its_last_day(ledger: Ledger, flag: bool, until: date | None, paused: bool) -> None:
    ledger.change("customer", chasing_paused=flag, chasing_paused_until=until)
    assert ledger.get("chasing_paused") is paused


def test_days_since_created(ledger: Ledger) -> None:
    ledger.change("customer", created_on=TODAY - days(3))
    assert ledger.get("days_since_created") == 3


# ---------------------------------------------------------------- contacts and activities


def test_contacts(ledger: Ledger) -> None:
    ledger.add("contact")
    expected = {"contact_details_available": True, "email_available": False, "phone_available": False}
    assert ledger.row(expected) == expected
    ledger.add("contact", email_valid=True)
    ledger.add("contact", phone="1")
    assert ledger.row(expected) == dict.fromkeys(expected, True)


def test_last_dates(ledger: Ledger) -> None:
    def act(ago: int, by: str, kind: str, is_manual: bool = False) -> None:
        ledger.add("activity", date=TODAY - days(ago), by=by, kind=kind, is_manual=is_manual)

    act(1, "company", "note")
    act(2, "company", "letter")
    act(3, "company", "sms", is_manual=True)
    act(4, "customer", "promise")
    act(5, "customer", "call")
    ledger.add("payment", date=TODAY, status="pending")
    ledger.add("payment", date=TODAY - days(6))
    expected = {
        "last_company_action_date": 1,
        "last_company_communication_date": 2,
        "last_company_manual_communication_date": 3,
        "last_customer_action_date": 4,
        "last_customer_communication_date": 5,
        "last_action_date": 1,
        "last_payment_date": 6,
    }
    assert ledger.row(expected) == {name: TODAY - days(ago) for name, ago in expected.items()}
    ledger.add("payment", date=TODAY)
    assert ledger.get("last_customer_action_date") == TODAY
    assert ledger.get("last_action_date") == TODAY


# ---------------------------------------------------------------- groups


def test_a_group_adds_up_its_members_in_the_base_currency(ledger: Ledger) -> None:
    """Straight: 1 USD cent is 1.5, so 2; by way of the member's currency it would be 3 pounds' cents and so 1."""
    ledger.rate("USD", "1.5")
    ledger.rate("GBP", "0.4")
    group = ledger.add("customer_group", credit_limit=8)
    ledger.change("customer", group_id=group, currency="GBP")
    other = ledger.add("customer", group_id=group)
    ledger.add("invoice", currency="USD", balance=1, due_date=TODAY - days(9))
    ledger.add("invoice", customer_id=other, balance=3)
    ledger.add("payment", customer_id=other, amount_remaining=1)
    ledger.add("credit_note", amount_remaining=1)
    ledger.add("journal", balance=-1)
    ledger.add("invoice", customer_id=ledger.add("customer"), balance=1000)
    expected = {
        "balance_overdue": 2,
        "balance_due": 3,
        "balance_total": 5 - 1 - 1 - 1,
        "credit_limit_utilisation": 25,
        "max_days_overdue": 9,
        "open_invoices_due": 1,
        "open_invoices_overdue": 1,
        "members_count": 2,
        "parent": None,
    }
    assert ledger.row(expected, relation="group_metrics") == expected
    assert ledger.get("balance_overdue") == 4  # 3.75


def test_the_parent_of_a_group(ledger: Ledger) -> None:
    group = ledger.add("customer_group", parent_customer_id=ledger.customer)
    ledger.change("customer", name="Top", group_id=group)
    member = ledger.add("customer", group_id=group)
    assert ledger.get("parent", relation="group_metrics") == "Top"
    assert ledger.get("members_count", relation="group_metrics") == 2
    assert [ledger.get("group_parent"), ledger.get("is_group_parent")] == ["Top", True]
    assert ledger.get("group_parent", customer_id=member) == "Top"
    assert ledger.get("is_group_parent", customer_id=member) is False


def test_an_empty_group(ledger: Ledger) -> None:
    ledger.add("customer_group", credit_limit=10)
    expected = {"balance_total": 0, "members_count": 0, "max_days_overdue": None, "credit_limit_utilisation": 0}
    assert ledger.row(expected, relation="group_metrics") == expected


def test_the_country_is_else_that_of_the_company(ledger: Ledger) -> None:
    assert ledger.get("country") == "DE"
    ledger.change("customer", country="FR")
    assert ledger.get("country") == "FR"


# ---------------------------------------------------------------- history


@pytest.fixture
def paid_in_parts(ledger: Ledger) -> Ledger:
    """100 of 1 February, due on 1 March: 40 paid on 10 March, 30 credited on 20 March, the rest paid on 5 April."""
    ledger.add("invoice", issue_date="2026-02-01", due_date="2026-03-01", balance=0, status="paid")
    ledger.change("invoice", settled_on="2026-04-05")
    invoice = ledger.get("id", relation="invoice")
    assert isinstance(invoice, int)
    payment = ledger.add("payment", date="2026-03-10", amount=75, amount_remaining=5)
    credit = ledger.add("credit_note", issue_date="2026-03-15", amount=30, status="applied")
    ledger.allocate(invoice, 40, date(2026, 3, 10), payment_id=payment)
    ledger.allocate(invoice, 30, date(2026, 3, 20), credit_note_id=credit)
    ledger.allocate(invoice, 30, date(2026, 4, 5), payment_id=payment)
    return ledger


@pytest.mark.parametrize(
    ("as_of", "invoice", "payment", "credit", "overdue", "total"),
    [
        ("2026-02-01", (100, "open", None), None, None, 0, 100),
        ("2026-03-09", (100, "open", None), None, None, 100, 100),
        ("2026-03-10", (60, "partially_paid", None), 35, None, 60, 25),
        ("2026-03-19", (60, "partially_paid", None), 35, 30, 60, -5),
        ("2026-03-20", (30, "partially_paid", None), 35, 0, 30, -5),
        ("2026-04-04", (30, "partially_paid", None), 35, 0, 30, -5),
        ("2026-04-05", (0, "paid", date(2026, 4, 5)), 5, 0, 0, -5),
    ],
)
def test_the_balance_on_a_day(
    paid_in_parts: Ledger,
    as_of: str,
    invoice: tuple[int, str, date | None],
    payment: int | None,
    credit: int | None,
    overdue: int,
    total: int,
) -> None:
    day = date.fromisoformat(as_of)

    def then(column: str, relation: str) -> object:
        return paid_in_parts.get(column, day, f"{relation}_as_of")

    columns = ("balance", "status", "settled_on")
    assert paid_in_parts.row(columns, day, "invoice_as_of") == dict(zip(columns, invoice, strict=True))
    assert payment is None or then("amount_remaining", "payment") == payment
    assert credit is None or then("amount_remaining", "credit_note") == credit
    assert then("balance_overdue", "customer_metrics") == overdue
    assert then("balance_total", "customer_metrics") == total
    assert paid_in_parts.get("balance_total", day) == -5  # as it stands now


def test_the_average_of_a_day(paid_in_parts: Ledger) -> None:
    assert paid_in_parts.get("average_days_late", date(2026, 4, 4), "customer_metrics_as_of") is None
    assert paid_in_parts.get("average_days_late", date(2026, 4, 5), "customer_metrics_as_of") == 35
    assert paid_in_parts.get("average_days_late", date(2026, 4, 4)) == 35


def test_a_status_stays_where_the_balance_does(ledger: Ledger) -> None:
    """Even where allocations were made and taken back later."""
    invoice = ledger.add("invoice", status="disputed")
    payment = ledger.add("payment", date=TODAY)
    ledger.allocate(invoice, 5, TODAY, payment_id=payment)
    ledger.allocate(invoice, -5, TODAY, payment_id=payment)
    assert ledger.get("status", TODAY - days(1), "invoice_as_of") == "disputed"


@pytest.mark.parametrize(
    ("table", "dated"),
    [
        ("invoice", "issue_date"),
        ("payment", "date"),
        ("credit_note", "issue_date"),
        ("journal", "date"),
        ("activity", "date"),
        ("promise", "made_on"),
    ],
)
def test_what_came_later_does_not_exist_yet(database: Database, ledger: Ledger, table: str, dated: str) -> None:
    ledger.add(table, **{dated: TODAY})

    def rows(as_of: date, relation: str) -> int:
        with database.transaction(ledger.company, as_of) as connection:
            return connection.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(relation))).rowcount

    assert rows(TODAY, f"{table}_as_of") == 1
    assert rows(TODAY - days(1), f"{table}_as_of") == 0
    assert rows(TODAY - days(1), "promise_current" if table == "promise" else table) == 1


def test_a_promise_without_a_day_was_always_there(ledger: Ledger) -> None:
    ledger.add("promise", made_on=None)
    assert ledger.get("amount", TODAY - days(1000), "promise_as_of") == 100


# ---------------------------------------------------------------- promises


@pytest.mark.parametrize("relation", ["promise_current", "promise_as_of"])
@pytest.mark.parametrize(
    ("promise", "payment", "as_of", "status"),
    [
        ({}, {"amount": 99}, 0, "active"),
        ({}, {"amount": 99}, 1, "broken"),
        ({}, {"amount": 100}, 1, "active"),
        ({}, {"amount": 100, "status": "pending"}, 1, "broken"),
        ({}, {"amount": 100, "date": TODAY + days(1)}, 1, "broken"),
        ({}, {"amount": 100, "date": TODAY - days(9)}, 1, "active"),
        ({}, {"amount": 100, "date": TODAY - days(10)}, 1, "broken"),
        ({"made_on": None}, {"amount": 100, "date": TODAY - days(1000)}, 1, "active"),
        ({"status": "kept"}, {"amount": 1}, 1, "kept"),
        ({"status": "draft"}, {"amount": 1}, 1, "draft"),
        ({"amount": 0}, {"amount": 100, "status": "void"}, 1, "active"),
        ({"currency": "USD"}, {"amount": 199}, 1, "active"),  # 99.5 dollars
        ({"currency": "USD"}, {"amount": 198}, 1, "broken"),
        ({"currency": "GBP"}, {"amount": 1}, 1, "active"),  # nobody can tell
    ],
)
def test_a_promise_is_broken_the_day_after(
    ledger: Ledger,
    promise: dict[str, object],
    payment: dict[str, object],
    as_of: int,
    status: str,
    relation: str,
) -> None:
    ledger.rate("USD", "2")
    ledger.add("promise", **{"made_on": TODAY - days(9)} | promise)
    ledger.add("payment", **{"date": TODAY} | payment)
    assert ledger.get("status", TODAY + days(as_of), relation) == status


def test_a_promise_without_any_payment_is_broken(ledger: Ledger) -> None:
    ledger.add("promise")
    assert ledger.get("status", TODAY + days(1), "promise_current") == "broken"


# ---------------------------------------------------------------- the two sets, and what a query touches


def columns_of(connection: Connection, relation: str) -> list[object]:
    listed = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"
    return [name for (name,) in connection.execute(listed, [relation])]


@pytest.mark.parametrize(
    ("current", "historic"),
    [
        *[(name, f"{name}_as_of") for name in ("invoice", "payment", "credit_note", "journal", "activity")],
        *[("promise", "promise_current"), ("promise", "promise_as_of")],
        *[
            (f"{level}_metrics{suffix}", f"{level}_metrics_as_of")
            for level in ("customer", "group", "company")
            for suffix in ("", "_live", "_touched")
        ],
    ],
)
def test_both_sets_have_the_same_columns(database: Database, current: str, historic: str) -> None:
    with database.owner() as connection:
        assert columns_of(connection, current) == columns_of(connection, historic)


@pytest.mark.parametrize(
    ("column", "tables"),
    [
        ("balance_overdue", {"customer", "invoice", "company", "fx_rate"}),
        ("open_invoices", {"customer", "invoice"}),
        ("last_payment_date", {"customer", "payment"}),
        ("email_available", {"customer", "contact"}),
        ("last_company_action_date", {"customer", "activity"}),
    ],
)
@pytest.mark.parametrize("suffix", ["_live", "_as_of"])
def test_a_metric_reads_only_what_it_needs(
    database: Database, ledger: Ledger, column: str, tables: set[str], suffix: str
) -> None:
    scans = scans_of(database, f"SELECT {column} FROM customer_metrics{suffix} WHERE company_id = {ledger.company}")
    history = {"allocation"} if suffix == "_as_of" and "invoice" in tables else set()
    assert {table for table, _ in scans} == tables | history
    assert [scan for scan in scans if f"company_id = {ledger.company}" not in scan[1]] == []


def test_a_single_customer_is_found_by_its_key(database: Database) -> None:
    for relation in ("customer_metrics_live", "customer_metrics_as_of"):
        scans = scans_of(database, f"SELECT * FROM {relation} WHERE company_id = 123 AND customer_id = 456")
        documents = {"invoice", "payment", "credit_note", "journal", "contact", "activity", "allocation"}
        assert [scan for scan in scans if scan[0] in documents and "customer_id = 456" not in scan[1]] == []


def scans_of(database: Database, question: str) -> list[tuple[str, str]]:
    """The tables that a statement reads, each with the conditions it is read by; without the help of row security."""
    with database.owner() as connection:
        connection.execute("SET LOCAL app.as_of = '2026-06-30'")
        (row,) = connection.execute(f"EXPLAIN (FORMAT json) {question}".encode()).fetchall()
    (explained,) = cast("list[dict[str, Plan]]", row[0])
    return [
        (str(node["Relation Name"]), conditions(node)) for node in nodes(explained["Plan"]) if "Relation Name" in node
    ]


def conditions(node: Plan) -> str:
    return " ".join(str(value) for key, value in node.items() if key.endswith(("Cond", "Filter")))


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)
