"""What is asked in the benchmark: filters, each beside the best SQL that a person would write for it.

In that SQL `c` is a customer, `m` its kept metrics, `i` an invoice, `g` a group, `gm` its kept metrics. Money is in
ten-thousandths. It is written so that DuckDB reads it as well, and quick on both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

OPEN = "i.balance <> 0 AND i.status NOT IN ('void', 'closed')"
OVERDUE = f"{OPEN} AND i.due_date < %(as_of)s"
OVERDUE_SHOWN = f"{OPEN} AND coalesce(i.due_date < %(as_of)s, false)"
PAUSED = "(c.chasing_paused AND coalesce(c.chasing_paused_until >= %(as_of)s, true))"
GROUP_METRICS = " JOIN group_metrics gm ON gm.company_id = %(company)s AND gm.group_id = {}"
METRICS = " JOIN customer_metrics m ON m.company_id = %(company)s AND m.customer_id = c.id"

LATEST = "SELECT f.rate FROM fx_latest f WHERE f.company_id = %(company)s AND f.currency ="


def converted(money: str) -> str:
    """In the currency of customer c."""
    return f"CASE WHEN i.currency = c.currency THEN {money} ELSE" \
        f" round({money} * ({LATEST} i.currency) / ({LATEST} c.currency)) END"  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """`where` is about customer c (at level group, about group g) and what `join` adds to it.

    `invoices` is about invoice i, its customer c and what `invoices_join` adds: which of them the filter is about.
    Where there is a quicker way to count than over `where`, it is `count`.
    """

    name: str
    filter: str
    where: str
    invoices: str
    count: str | None = None
    shown: str = ""
    shown_invoices: str = ""
    join: str = ""
    invoices_join: str = ""
    level: Literal["customer", "group"] = "customer"
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def count_sql(self) -> str:
        return self.count or f"SELECT count(*) FROM {self._rows}"

    @property
    def page_sql(self) -> str:
        alias = "c" if self.level == "customer" else "g"
        shown = f", {self.shown}" if self.shown else ""
        return f'SELECT {alias}.source_id, {alias}.name{shown} FROM {self._rows} ' \
            f'ORDER BY {alias}.source_id COLLATE "C" LIMIT %(limit)s'  # fmt: skip

    @property
    def invoices_sql(self) -> str:
        shown = f", {self.shown_invoices}" if self.shown_invoices else ""
        return f"""
            SELECT i.source_id, c.source_id, c.name, i.reference, i.issue_date, i.due_date, i.amount, i.balance,
                i.currency, i.status, CASE WHEN {OPEN} THEN %(as_of)s - i.due_date END{shown}
            FROM invoice i JOIN customer c ON c.company_id = %(company)s AND c.id = i.customer_id {self.invoices_join}
            WHERE i.company_id = %(company)s AND ({self.invoices})
            ORDER BY i.source_id COLLATE "C" LIMIT %(limit)s"""

    @property
    def _rows(self) -> str:
        relation = "customer c" if self.level == "customer" else "customer_group g"
        return f"{relation} {self.join} WHERE {relation[-1]}.company_id = %(company)s AND ({self.where})"


def _exists(relation: str, condition: str) -> str:
    alias = relation.split()[1]
    return f"EXISTS (SELECT 1 FROM {relation} WHERE {alias}.company_id = %(company)s" \
        f" AND {alias}.customer_id = c.id AND {condition})"  # fmt: skip


def _among(relation: str, condition: str) -> str:
    """Customers c by a set: quicker than one by one where there are many."""
    alias = relation.split()[1]
    return (
        f"c.id IN (SELECT {alias}.customer_id FROM {relation} WHERE {alias}.company_id = %(company)s AND {condition})"
    )


def _of_documents(name: str, filter: str, relation: str, condition: str, invoices: str, **more: object) -> Question:
    """Customers with one such document: a foreign key says that each has a customer, so the documents tell how many."""
    alias = relation.split()[1]
    count = f"SELECT count(DISTINCT {alias}.customer_id) FROM {relation}" \
        f" WHERE {alias}.company_id = %(company)s AND {condition}"  # fmt: skip
    parts = {"where": _exists(relation, condition), "count": count, "invoices": invoices, **more}
    return Question(name=name, filter=filter, **parts)  # type: ignore[arg-type]


def _of_invoices(name: str, filter: str, condition: str, **more: object) -> Question:
    return _of_documents(name, filter, "invoice i", condition, condition, **more)


def _of_metrics(name: str, filter: str, condition: str, **more: object) -> Question:
    """Kept metrics tell how many; the invoices shown are the open ones of these customers."""
    count = f"SELECT count(*) FROM customer_metrics m WHERE m.company_id = %(company)s AND {condition}"
    parts = {
        "where": condition, "count": count, "join": METRICS, "invoices": f"{OPEN} AND {condition}",
        "invoices_join": METRICS, **more,
    }  # fmt: skip
    return Question(name=name, filter=filter, **parts)  # type: ignore[arg-type]


def _of_customers(name: str, filter: str, condition: str, **more: object) -> Question:
    parts = {"where": condition, "invoices": f"{OPEN} AND {condition}", **more}
    return Question(name=name, filter=filter, **parts)  # type: ignore[arg-type]


# ---------------------------------------------------------------- on one row

_LATE = f"i.balance > %(balance)s AND {OPEN} AND i.due_date < %(as_of)s - 30"
_RECENTLY_PAID = "p.date BETWEEN %(as_of)s - 29 AND %(as_of)s"
_DISPUTED = "i.status = 'disputed'"
_LARGE = "i.balance > %(balance)s"

ROWS = (
    _of_invoices(
        "same row", "invoice.balance > 5000 AND invoice.days_overdue > 30", _LATE, values={"balance": 50_000_000}
    ),
    _of_invoices(
        "same row, tiny", "invoice.balance > 49000 AND invoice.days_overdue > 300",
        f"i.balance > %(balance)s AND {OPEN} AND i.due_date < %(as_of)s - 300", values={"balance": 490_000_000},
    ),
    Question(
        name="two blocks",
        filter="ANY invoice (balance > 5000 AND days_overdue > 30) AND NO payment (date IN LAST 30 DAYS)",
        where=f"{_exists('invoice i', _LATE)} AND NOT {_exists('payment p', _RECENTLY_PAID)}",
        count=f"SELECT count(DISTINCT i.customer_id) FROM invoice i WHERE i.company_id = %(company)s AND {_LATE}"
        f" AND NOT EXISTS (SELECT 1 FROM payment p WHERE p.company_id = %(company)s"
        f" AND p.customer_id = i.customer_id AND {_RECENTLY_PAID})",
        invoices=f"{_LATE} AND NOT {_exists('payment p', _RECENTLY_PAID)}",
        values={"balance": 50_000_000},
    ),
    _of_invoices(
        "date in a period", "invoice.due_date IN NEXT 7 DAYS AND invoice.is_open",
        f"i.due_date BETWEEN %(as_of)s AND %(as_of)s + 6 AND {OPEN}", shown_invoices=f"{OPEN}",
    ),
    _of_invoices("choice", "invoice.status = 'disputed'", _DISPUTED),
    _of_invoices("set on a row", "invoice.tags HAS 'legal'", "i.tags @> %(tags)s",
        shown_invoices="nullif(i.tags, %(none)s)", values={"tags": ["legal"], "none": []}),
    _of_invoices("text on a row, tiny", "invoice.reference = 'INV-000000007'", "i.reference = %(reference)s",
        values={"reference": "INV-000000007"}),
    _of_invoices("text begins", "invoice.reference STARTS WITH 'inv-00000'", "i.reference ILIKE %(begins)s",
        values={"begins": "inv-00000%"}),
    _of_invoices(
        "percent on a row", "invoice.paid_percent BETWEEN 40% AND 60%",
        "round(100.0 * (i.amount - i.balance) / nullif(i.amount, 0), 4) BETWEEN 40 AND 60",
        shown_invoices="round(100.0 * (i.amount - i.balance) / nullif(i.amount, 0), 4)",
    ),
    _of_documents(
        "credit notes", "credit_note.amount_remaining > 1000", "credit_note n", "n.amount_remaining > %(remaining)s",
        f"{OPEN} AND {_among('credit_note n', 'n.amount_remaining > %(remaining)s')}", values={"remaining": 10_000_000},
    ),
    _of_documents(
        "payments", "payment.amount > 20000 AND payment.source = 'cheque'", "payment p",
        "p.amount > %(amount)s AND p.source = %(source)s",
        f"{OPEN} AND {_among('payment p', 'p.amount > %(amount)s AND p.source = %(source)s')}",
        values={"amount": 200_000_000, "source": "cheque"},
    ),
    _of_documents(
        "contacts", "contact.email ENDS WITH '@example.org'", "contact k", "k.email ILIKE %(ends)s",
        f"{OPEN} AND {_among('contact k', 'k.email ILIKE %(ends)s')}", values={"ends": "%@example.org"},
    ),
    _of_documents(
        "activities", "activity.kind = 'call' AND activity.days_ago < 14", "activity a",
        "a.kind = 'call' AND a.date > %(as_of)s - 14",
        f"""{OPEN} AND {_among('activity a', "a.kind = 'call' AND a.date > %(as_of)s - 14")}""",
    ),
    _of_documents(
        "promises", "promise.status = 'broken'", "promise_current w", "w.status = 'broken'",
        f"""{OPEN} AND {_among('promise_current w', "w.status = 'broken'")}""",
    ),
)  # fmt: skip

# ---------------------------------------------------------------- on the customer

CUSTOMERS = (
    _of_metrics("money", "customer.balance_overdue > 50000", "m.balance_overdue > %(money)s",
        shown="c.currency, m.balance_overdue", values={"money": 500_000_000}),
    _of_metrics("money, huge", "customer.balance_total > 0", "m.balance_total > 0",
        shown="c.currency, m.balance_total"),
    _of_metrics("days", "customer.max_days_overdue > 365", "m.overdue_since < %(as_of)s - 365",
        shown="%(as_of)s - m.overdue_since"),
    _of_metrics("number", "customer.average_days_late > 20", "m.average_days_late > 20", shown="m.average_days_late"),
    _of_metrics("percent", "customer.credit_limit_utilisation > 100%", "m.credit_limit_utilisation > 100",
        shown="m.credit_limit_utilisation"),
    _of_metrics("count", "customer.open_invoices_overdue >= 10", "m.open_invoices_overdue >= 10",
        shown="m.open_invoices_overdue"),
    _of_metrics("date", "customer.last_payment_date < today - 180 days", "m.last_payment_date < %(as_of)s - 180",
        shown="m.last_payment_date"),
    _of_metrics("code, huge", "customer.country = 'DE'", "m.country = 'DE'", shown="m.country"),
    _of_metrics("flag", "NOT customer.email_available AND customer.balance_overdue > 0",
        "NOT m.email_available AND m.balance_overdue > 0", shown="c.currency, m.email_available, m.balance_overdue"),
    _of_customers(
        "flag of the customer", "NOT customer.chasing_paused AND customer.balance_overdue > 50000",
        f"NOT {PAUSED} AND m.balance_overdue > %(money)s", join=METRICS, invoices_join=METRICS,
        shown=f"c.currency, {PAUSED}, m.balance_overdue", values={"money": 500_000_000},
    ),
    _of_customers("text contains", "customer.name CONTAINS 'falcon steel'", "c.name ILIKE %(contains)s",
        values={"contains": "%falcon steel%"}),
    _of_customers("text, tiny", "customer.source_id = 'C00000042'", "c.source_id = %(id)s", values={"id": "C00000042"}),
    _of_customers("ordered choice", "customer.rating >= 'C'", "c.rating IN ('C', 'D')", shown="c.rating"),
    _of_customers("code in a list", "customer.currency IN ('USD', 'GBP')", "c.currency = ANY(%(currencies)s)",
        shown="c.currency", values={"currencies": ["USD", "GBP"]}),
    _of_customers("set", "customer.portfolios HAS ANY ('Export', 'Public')", "c.portfolios && %(portfolios)s",
        shown="nullif(c.portfolios, %(none)s)", values={"portfolios": ["Export", "Public"], "none": []}),
)  # fmt: skip

# ---------------------------------------------------------------- negations, aggregates, groups, many conditions

_IN_A_YEAR = "p.date BETWEEN %(as_of)s - 364 AND %(as_of)s"
_COUNTED = f"SELECT i.customer_id FROM invoice i WHERE i.company_id = %(company)s AND {OVERDUE} " \
    "GROUP BY i.customer_id HAVING count(*) >= 3"  # fmt: skip
_SUM = f"""
    SELECT i.customer_id FROM invoice i JOIN customer c ON c.company_id = %(company)s AND c.id = i.customer_id
    WHERE i.company_id = %(company)s AND {_DISPUTED} GROUP BY i.customer_id HAVING sum({converted("i.balance")})"""
_SHARE = f"""
    c.id IN (
        SELECT i.customer_id
        FROM invoice i JOIN customer c ON c.company_id = %(company)s AND c.id = i.customer_id {METRICS}
        WHERE i.company_id = %(company)s AND {_DISPUTED}
        GROUP BY i.customer_id, m.balance_total HAVING sum({converted("i.balance")}) * 5 > m.balance_total)
    OR m.balance_total < 0 AND NOT {_exists("invoice i", _DISPUTED)}"""
_OLDEST = f"""
    SELECT d.customer_id FROM (
        SELECT DISTINCT ON (i.customer_id) i.customer_id, i.due_date FROM invoice i
        WHERE i.company_id = %(company)s AND {OPEN}
        ORDER BY i.customer_id, i.due_date NULLS LAST, i.source_id COLLATE "C") d
    WHERE d.due_date < %(as_of)s - 90"""
_RICH_GROUP = (
    "SELECT gm.group_id FROM group_metrics gm WHERE gm.company_id = %(company)s AND gm.balance_overdue > %(money)s"
)

TWENTY = (
    "invoice.balance > 100 AND invoice.balance < 40000 AND invoice.days_overdue > 10 AND invoice.days_overdue < 700"
    " AND invoice.status IN ('open', 'partially_paid') AND invoice.amount > 200 AND invoice.chasing_paused = false"
    " AND invoice.currency = 'EUR' AND invoice.issue_date < today AND payment.amount > 100 AND payment.status = 'paid'"
    " AND payment.date IN LAST 365 DAYS AND customer.rating IN ('A', 'B', 'C') AND customer.balance_overdue > 1000"
    " AND customer.currency = 'EUR' AND NOT customer.chasing_paused AND customer.open_invoices > 2"
    " AND customer.invoices_count > 5 AND customer.email_available AND customer.days_since_created > 100"
)
_TWENTY_INVOICE = f"""
    i.balance > 1000000 AND i.balance < 400000000 AND {OPEN} AND i.due_date < %(as_of)s - 10
    AND i.due_date > %(as_of)s - 700 AND i.status IN ('open', 'partially_paid') AND i.amount > 2000000
    AND NOT i.chasing_paused AND i.currency = 'EUR' AND i.issue_date < %(as_of)s"""
_TWENTY_PAYMENT = f"p.amount > 1000000 AND p.status = 'paid' AND {_IN_A_YEAR}"
_TWENTY_CUSTOMER = f"""
    c.rating IN ('A', 'B', 'C') AND m.balance_overdue > 10000000 AND c.currency = 'EUR' AND NOT {PAUSED}
    AND m.open_invoices > 2 AND m.invoices_count > 5 AND m.email_available AND c.created_on < %(as_of)s - 100"""

COMBINED = (
    _of_customers("NO payment, huge", "NO payment (date IN LAST 365 DAYS)", f"NOT {_exists('payment p', _IN_A_YEAR)}"),
    _of_customers("NOT on a row, huge", "NOT invoice.status = 'disputed'", f"NOT {_exists('invoice i', _DISPUTED)}"),
    _of_customers(
        "ALL", "ALL payment (amount > 500)",
        f"{_exists('payment p', 'true')} AND NOT {_exists('payment p', '(p.amount > %(amount)s) IS NOT TRUE')}",
        count="SELECT count(*) FROM (SELECT p.customer_id FROM payment p WHERE p.company_id = %(company)s"
        " GROUP BY p.customer_id HAVING min(p.amount) > %(amount)s) d",
        values={"amount": 5_000_000},
    ),
    _of_customers(
        "count of rows", "COUNT(invoice WHERE is_overdue) >= 3", f"c.id IN ({_COUNTED})",
        shown_invoices=OVERDUE_SHOWN,
        count=f"SELECT count(*) FROM ({_COUNTED}) d",
    ),
    _of_customers(
        "sum of rows", "SUM(invoice.balance WHERE status = 'disputed') > 20000", f"c.id IN ({_SUM} > %(sum)s)",
        count=f"SELECT count(*) FROM ({_SUM} > %(sum)s) d", values={"sum": 200_000_000},
    ),
    _of_customers(
        "sum against a metric", "SUM(invoice.balance WHERE status = 'disputed') > 20% * customer.balance_total",
        _SHARE, join=METRICS, shown="c.currency, m.balance_total",
        invoices=f"{OPEN} AND ({_SHARE})", invoices_join=METRICS,
    ),
    _of_customers(
        "first of an order", "FIRST(invoice.days_overdue WHERE is_open BY due_date) > 90", f"c.id IN ({_OLDEST})",
        shown_invoices=OPEN,
        count=f"SELECT count(*) FROM ({_OLDEST}) d",
    ),
    _of_customers(
        "OR", "invoice.balance > 45000 OR customer.rating = 'D'",
        f"c.rating = 'D' OR {_among('invoice i', _LARGE)}", shown="c.rating",
        invoices=f"{_LARGE} OR c.rating = 'D' AND {OPEN} AND NOT {_exists('invoice i', _LARGE)}",
        values={"balance": 450_000_000},
    ),
    Question(
        name="20 conditions", filter=TWENTY,
        where=f"{_TWENTY_CUSTOMER} AND {_exists('invoice i', _TWENTY_INVOICE)}"
        f" AND {_exists('payment p', _TWENTY_PAYMENT)}",
        join=METRICS, invoices_join=METRICS,
        invoices=f"{_TWENTY_INVOICE} AND {_TWENTY_CUSTOMER} AND {_exists('payment p', _TWENTY_PAYMENT)}",
        shown=f"c.currency, c.rating, m.balance_overdue, {PAUSED}, m.open_invoices, m.invoices_count,"
        " m.email_available, %(as_of)s - c.created_on", shown_invoices="i.chasing_paused",
    ),
    _of_customers(
        "group metrics", "group.balance_overdue > 100000", "gm.balance_overdue > %(money)s",
        count=f"SELECT count(*) FROM customer c WHERE c.company_id = %(company)s AND c.group_id IN ({_RICH_GROUP})",
        join=GROUP_METRICS.format("c.group_id"), shown="c.currency, gm.balance_overdue",
        invoices=f"{OPEN} AND c.group_id IN ({_RICH_GROUP})",
        values={"money": 1_000_000_000},
    ),
    Question(
        name="level group", level="group", filter="group.balance_overdue > 100000", join=GROUP_METRICS.format("g.id"),
        where="gm.balance_overdue > %(money)s", shown="gm.balance_overdue",
        count=f"SELECT count(*) FROM ({_RICH_GROUP}) d",
        invoices=f"{OPEN} AND c.group_id IN ({_RICH_GROUP})", values={"money": 1_000_000_000},
    ),
    Question(
        name="level group, a member", level="group", filter="ANY customer (rating = 'D' AND balance_overdue > 20000)",
        where="g.id IN (SELECT c.group_id FROM customer c" + METRICS +
        " WHERE c.company_id = %(company)s AND c.rating = 'D' AND m.balance_overdue > %(money)s)",
        invoices=f"{OPEN} AND c.group_id IS NOT NULL AND c.rating = 'D' AND m.balance_overdue > %(money)s",
        invoices_join=METRICS, values={"money": 200_000_000},
    ),
)  # fmt: skip

QUESTIONS = (*ROWS, *CUSTOMERS, *COMBINED)
