"""The metrics: views of them as of the day in app.as_of, and tables that keep those of a company's current day.

The same definition makes three sets of views: `_live` over the tables as they stand, `_as_of` over what had happened by
an earlier day, and `_touched`, which is `_live` for the few customers and groups whose kept rows are to be written
again. What the kept rows hold does not depend on the day except where a document crosses an edge (a due date, a
bucket, a window): ages are kept as the dates they count from.
"""

import importlib
from dataclasses import dataclass, replace

from alembic import op

revision = "0004"
down_revision = "0002"

_views = importlib.import_module("migrations.versions.0002_views")
AS_OF, PAID = _views.AS_OF, _views.PAID
converted, counted, known = _views.converted, _views.counted, _views.known
rates, rounded, same_company = _views.rates, _views.rounded, _views.same_company

# ---------------------------------------------------------------- tables
# Without foreign keys to customers and groups: the rows are written from theirs, and checking each would cost more
# than working it out.

TABLES = {
    "metrics_day": """
        company_id bigint NOT NULL,
        as_of date NOT NULL,
        CONSTRAINT pk_metrics_day PRIMARY KEY (company_id),
        CONSTRAINT fk_metrics_day_company FOREIGN KEY (company_id) REFERENCES company (company_id)
    """,
    "touched_customer": """
        company_id bigint NOT NULL,
        customer_id bigint NOT NULL,
        CONSTRAINT pk_touched_customer PRIMARY KEY (company_id, customer_id)
    """,
    "touched_group": """
        company_id bigint NOT NULL,
        group_id bigint NOT NULL,
        CONSTRAINT pk_touched_group PRIMARY KEY (company_id, group_id)
    """,
    "customer_metrics": """
        company_id bigint NOT NULL,
        customer_id bigint NOT NULL,
        average_days_late numeric,
        average_days_to_pay numeric,
        credit_limit_utilisation numeric,
        balance_due bigint,
        balance_overdue bigint,
        balance_overdue_1_30 bigint,
        balance_overdue_31_45 bigint,
        balance_overdue_31_60 bigint,
        balance_overdue_46_60 bigint,
        balance_overdue_61_90 bigint,
        balance_overdue_91_over bigint,
        balance_total bigint,
        largest_open_balance bigint,
        amount_invoiced_12m bigint,
        overpayments bigint,
        prepayments bigint,
        total_unallocated bigint,
        base_balance_due bigint,
        base_balance_overdue bigint,
        base_balance_total bigint,
        base_open bigint,
        base_invoiced_365_days bigint,
        invoices_count bigint NOT NULL,
        open_invoices bigint NOT NULL,
        open_invoices_due bigint NOT NULL,
        open_invoices_overdue bigint NOT NULL,
        overdue_due_days bigint NOT NULL,
        settled_invoices bigint NOT NULL,
        settled_days_to_pay bigint NOT NULL,
        overdue_since date,
        last_company_action_date date,
        last_company_communication_date date,
        last_company_manual_communication_date date,
        last_customer_action_date date,
        last_customer_communication_date date,
        last_action_date date,
        last_payment_date date,
        contact_details_available boolean NOT NULL,
        email_available boolean NOT NULL,
        phone_available boolean NOT NULL,
        is_group_parent boolean NOT NULL,
        country text,
        group_parent text,
        CONSTRAINT pk_customer_metrics PRIMARY KEY (company_id, customer_id)
    """,
    "group_metrics": """
        company_id bigint NOT NULL,
        group_id bigint NOT NULL,
        credit_limit_utilisation numeric,
        balance_due bigint,
        balance_overdue bigint,
        balance_total bigint,
        open_invoices_due bigint NOT NULL,
        open_invoices_overdue bigint NOT NULL,
        members_count bigint NOT NULL,
        overdue_since date,
        parent text,
        CONSTRAINT pk_group_metrics PRIMARY KEY (company_id, group_id)
    """,
    "company_metrics": """
        company_id bigint NOT NULL,
        average_days_to_pay numeric,
        dso numeric,
        CONSTRAINT pk_company_metrics PRIMARY KEY (company_id),
        CONSTRAINT fk_company_metrics_company FOREIGN KEY (company_id) REFERENCES company (company_id)
    """,
}

POLICY = """
CREATE POLICY same_company ON {table}
    USING (company_id = current_setting('app.company_id')::bigint)
    WITH CHECK (company_id = current_setting('app.company_id')::bigint)
"""


def upgrade() -> None:
    for table, columns in TABLES.items():
        op.execute(f"CREATE TABLE {table} ({columns})")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(POLICY.format(table=table))
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO duelist_app")
    for view, query in views().items():
        op.execute(f"CREATE VIEW {view} WITH (security_invoker = true) AS {query}")
        op.execute(f"GRANT SELECT ON {view} TO duelist_app")


def downgrade() -> None:
    for view in reversed(views()):
        op.execute(f"DROP VIEW {view}")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")


# ---------------------------------------------------------------- what a set of views reads


@dataclass(frozen=True)
class Relations:
    """`metrics` is the relation of the customers' metrics that those of groups and the company add up.

    `one_by_one` sums are worked out for each customer by its key, which no statistics can talk PostgreSQL out of; the
    others for all at once.
    """

    suffix: str
    customer: str
    group: str
    contact: str
    invoice: str
    payment: str
    credit_note: str
    journal: str
    activity: str
    metrics: str
    one_by_one: bool = False


LIVE = Relations(
    "_live", "customer", "customer_group", "contact", "invoice", "payment", "credit_note", "journal", "activity",
    metrics="customer_metrics_live",
)  # fmt: skip
AS_OF_DAY = Relations(
    "_as_of", "customer", "customer_group", "contact", "invoice_as_of", "payment_as_of", "credit_note_as_of",
    "journal_as_of", "activity_as_of", metrics="customer_metrics_as_of",
)  # fmt: skip


def touched(table: str, by: str) -> str:
    return f"""(
        SELECT d.* FROM touched_{by} t JOIN {table} d ON d.company_id = t.company_id AND d.id = t.{by}_id)"""


TOUCHED = replace(
    LIVE, suffix="_touched", customer=touched("customer", "customer"), group=touched("customer_group", "group"),
    metrics="customer_metrics", one_by_one=True,
)  # fmt: skip


def views() -> dict[str, str]:
    """All of them, each after those it reads."""
    return {
        f"{level}_metrics{relations.suffix}": query(relations)
        for relations in (LIVE, AS_OF_DAY, TOUCHED)
        for level, query in (("customer", customer_metrics), ("group", group_metrics), ("company", company_metrics))
    }


# ---------------------------------------------------------------- the catalog's words, about a document d

OPEN = "d.balance <> 0 AND d.status NOT IN ('void', 'closed')"
OVERDUE = f"d.due_date < {AS_OF}"
NOT_OVERDUE = f"({OVERDUE}) IS NOT TRUE"
DAYS_OVERDUE = f"{AS_OF} - d.due_date"
SETTLED = "d.status NOT IN ('void', 'closed')"  # and there is a day of it, without which no difference of days is
NOT_VOID = "d.status <> 'void'"
CREDIT_COUNTS = "d.status NOT IN ('voided', 'refunded')"
BY_COMPANY = "d.by = 'company'"
BY_CUSTOMER = "d.by = 'customer'"
MESSAGE = f"{BY_COMPANY} AND d.kind IN ('email', 'sms', 'letter', 'call')"

# The day before the period begins.
TWELVE_MONTHS = f"({AS_OF} - interval '12 months')::date"

# No due date is earlier.
FIRST_DAY = "DATE '1900-01-01'"


def overdue_between(first: int, last: int) -> str:
    return f"{DAYS_OVERDUE} BETWEEN {first} AND {last}"


# ---------------------------------------------------------------- sums


def quotient(dividend: str, divisor: str) -> str:
    """The quotient with four decimals."""
    return f"{rounded(f'1e4 * ({dividend})', divisor)} * 0.0001"


def mean(value: str, where: str) -> str:
    return quotient(f"sum({value}) FILTER (WHERE {where})", f"count({value}) FILTER (WHERE {where})")


def in_account_currency(money: str) -> str:
    return str(converted(money, "c.currency"))


def in_base_currency(money: str) -> str:
    """The base currency is worth 1."""
    exact = rounded(f"{money} * coalesce(own.rate, 'NaN')", "1")
    return f"CASE WHEN d.currency = co.base_currency THEN {money} ELSE {exact} END"


def total(money: str, where: str = "true") -> str:
    """Amounts that add nothing are left out before they are converted, where they need no rate."""
    counts = f"({money} <> 0 OR d.currency <> c.currency)"
    return f"sum({in_account_currency(money)}) FILTER (WHERE {counts} AND {where})"


def base_total(money: str, where: str = "true") -> str:
    counts = f"({money} <> 0 OR d.currency <> co.base_currency)"
    return f"sum({in_base_currency(money)}) FILTER (WHERE {counts} AND {where})"


def documents(relation: str) -> str:
    """Documents d with what converts them: joins to one row at most, which PostgreSQL leaves out where it may."""
    return f"""{relation} d
        LEFT JOIN customer c ON c.company_id = d.company_id AND c.id = d.customer_id
        LEFT JOIN company co ON co.company_id = d.company_id {rates("c.currency")}"""


def summary(relations: Relations, alias: str, source: str, columns: str, where: str = "true") -> str:
    """One row for each customer that has documents, joined to it.

    To one row at most and LEFT, so that PostgreSQL leaves out a summary of which a query reads no column.
    """
    if relations.one_by_one:
        latest = source.replace("fx_latest", "latest")
        return f"""
    LEFT JOIN LATERAL (
        SELECT {columns}
        FROM {latest}
        WHERE d.company_id = customer.company_id AND d.customer_id = customer.id AND {where}
    ) {alias} ON true"""
    return f"""
    LEFT JOIN (
        SELECT d.company_id, d.customer_id, {columns}
        FROM {source}
        WHERE {where}
        GROUP BY d.company_id, d.customer_id
    ) {alias} ON {same_company(alias, "customer")} AND {alias}.customer_id = customer.id"""


# Of open invoices only, which are few.
OPEN_INVOICES = f"""
            {total("d.balance")} AS balance,
            {total("d.balance", NOT_OVERDUE)} AS due,
            {total("d.balance", OVERDUE)} AS overdue,
            {total("d.balance", overdue_between(1, 30))} AS overdue_1_30,
            {total("d.balance", overdue_between(31, 45))} AS overdue_31_45,
            {total("d.balance", overdue_between(31, 60))} AS overdue_31_60,
            {total("d.balance", overdue_between(46, 60))} AS overdue_46_60,
            {total("d.balance", overdue_between(61, 90))} AS overdue_61_90,
            {total("d.balance", f"{DAYS_OVERDUE} >= 91")} AS overdue_91_over,
            max({in_account_currency("d.balance")}) AS largest,
            {base_total("d.balance")} AS base_open,
            {base_total("d.balance", NOT_OVERDUE)} AS base_due,
            {base_total("d.balance", OVERDUE)} AS base_overdue,
            count(*) AS number,
            count(*) FILTER (WHERE {NOT_OVERDUE}) AS due_number,
            count(*) FILTER (WHERE {OVERDUE}) AS overdue_number,
            min(d.due_date) FILTER (WHERE {OVERDUE}) AS overdue_since,
            sum(d.due_date - {FIRST_DAY}) FILTER (WHERE {OVERDUE}) AS overdue_due_days"""

INVOICES = f"""
            {total("d.amount", f"{NOT_VOID} AND d.issue_date > {TWELVE_MONTHS} AND d.issue_date <= {AS_OF}")}
                AS invoiced_12_months,
            {base_total("d.amount", f"{NOT_VOID} AND d.issue_date > {AS_OF} - 365 AND d.issue_date <= {AS_OF}")}
                AS base_invoiced_365_days,
            count(*) FILTER (WHERE {NOT_VOID}) AS number,
            count(d.settled_on) FILTER (WHERE {SETTLED}) AS settled,
            sum(d.settled_on - d.issue_date) FILTER (WHERE {SETTLED}) AS days_to_pay,
            {mean("d.settled_on - d.due_date", SETTLED)} AS average_days_late"""

PAYMENTS = f"""
            {total("d.amount_remaining", PAID)} AS remaining,
            {total("d.amount_remaining", f"{PAID} AND d.kind = 'prepayment'")} AS prepaid,
            {total("d.amount_remaining", f"{PAID} AND d.kind <> 'prepayment'")} AS overpaid,
            {base_total("d.amount_remaining", PAID)} AS base_remaining,
            max(d.date) FILTER (WHERE {PAID}) AS latest"""

CREDIT_NOTES = f"""
            {total("d.amount_remaining", CREDIT_COUNTS)} AS remaining,
            {base_total("d.amount_remaining", CREDIT_COUNTS)} AS base_remaining"""

JOURNALS = f"""
            {total("d.balance")} AS balance,
            {base_total("d.balance")} AS base_balance"""

CONTACTS = """
            count(*) > 0 AS available,
            bool_or(d.email_valid) AS email,
            bool_or(d.phone IS NOT NULL) AS phone"""

ACTIVITIES = f"""
            max(d.date) FILTER (WHERE {BY_COMPANY}) AS by_company,
            max(d.date) FILTER (WHERE {MESSAGE}) AS message,
            max(d.date) FILTER (WHERE {MESSAGE} AND d.is_manual) AS manual_message,
            max(d.date) FILTER (WHERE {BY_CUSTOMER}) AS by_customer,
            max(d.date) FILTER (WHERE {BY_CUSTOMER} AND d.kind IN ('reply', 'call')) AS answer"""

# ---------------------------------------------------------------- metrics


def balance_total(prefix: str, invoices: str) -> str:
    return f"""(
            coalesce(o.{invoices}, 0) - coalesce(n.{prefix}remaining, 0) - coalesce(p.{prefix}remaining, 0)
            + coalesce(j.{prefix}balance, 0)
        )"""


def customer_metrics(relations: Relations) -> str:
    balance = balance_total("", "balance")
    # Once, and not for each customer.
    latest = "WITH latest AS MATERIALIZED (SELECT * FROM fx_latest)" if relations.one_by_one else ""
    return f"""
    {latest}
    SELECT
        customer.company_id AS company_id,
        customer.id AS customer_id,
        i.average_days_late AS average_days_late,
        {quotient("i.days_to_pay", "i.settled")} AS average_days_to_pay,
        {known(quotient(f"100 * {balance}", "customer.credit_limit"))} AS credit_limit_utilisation,
        {counted("o.due")} AS balance_due,
        {counted("o.overdue")} AS balance_overdue,
        {counted("o.overdue_1_30")} AS balance_overdue_1_30,
        {counted("o.overdue_31_45")} AS balance_overdue_31_45,
        {counted("o.overdue_31_60")} AS balance_overdue_31_60,
        {counted("o.overdue_46_60")} AS balance_overdue_46_60,
        {counted("o.overdue_61_90")} AS balance_overdue_61_90,
        {counted("o.overdue_91_over")} AS balance_overdue_91_over,
        {known(balance)} AS balance_total,
        {known("o.largest")} AS largest_open_balance,
        {counted("i.invoiced_12_months")} AS amount_invoiced_12m,
        {counted("p.overpaid")} AS overpayments,
        {counted("p.prepaid")} AS prepayments,
        {counted("p.remaining")} AS total_unallocated,
        {counted("o.base_due")} AS base_balance_due,
        {counted("o.base_overdue")} AS base_balance_overdue,
        {known(balance_total("base_", "base_open"))} AS base_balance_total,
        {counted("o.base_open")} AS base_open,
        {counted("i.base_invoiced_365_days")} AS base_invoiced_365_days,
        coalesce(i.number, 0) AS invoices_count,
        coalesce(o.number, 0) AS open_invoices,
        coalesce(o.due_number, 0) AS open_invoices_due,
        coalesce(o.overdue_number, 0) AS open_invoices_overdue,
        coalesce(o.overdue_due_days, 0) AS overdue_due_days,
        coalesce(i.settled, 0) AS settled_invoices,
        coalesce(i.days_to_pay, 0) AS settled_days_to_pay,
        o.overdue_since AS overdue_since,
        a.by_company AS last_company_action_date,
        a.message AS last_company_communication_date,
        a.manual_message AS last_company_manual_communication_date,
        greatest(a.by_customer, p.latest) AS last_customer_action_date,
        a.answer AS last_customer_communication_date,
        greatest(a.by_company, a.by_customer, p.latest) AS last_action_date,
        p.latest AS last_payment_date,
        coalesce(k.available, false) AS contact_details_available,
        coalesce(k.email, false) AS email_available,
        coalesce(k.phone, false) AS phone_available,
        coalesce(customer_group.parent_customer_id = customer.id, false) AS is_group_parent,
        coalesce(customer.country, company.country) AS country,
        parent.name AS group_parent
    FROM {relations.customer} customer
    LEFT JOIN company ON company.company_id = customer.company_id
    LEFT JOIN customer_group
        ON customer_group.company_id = customer.company_id AND customer_group.id = customer.group_id
    LEFT JOIN customer parent
        ON parent.company_id = customer_group.company_id AND parent.id = customer_group.parent_customer_id
    {summary(relations, "o", documents(relations.invoice), OPEN_INVOICES, OPEN)}
    {summary(relations, "i", documents(relations.invoice), INVOICES)}
    {summary(relations, "p", documents(relations.payment), PAYMENTS)}
    {summary(relations, "n", documents(relations.credit_note), CREDIT_NOTES)}
    {summary(relations, "j", documents(relations.journal), JOURNALS)}
    {summary(relations, "k", f"{relations.contact} d", CONTACTS)}
    {summary(relations, "a", f"{relations.activity} d", ACTIVITIES)}
"""


def whole_sum(column: str) -> str:
    """Missing where one of its parts is."""
    return f"CASE WHEN count({column}) = count(*) THEN coalesce(sum({column}), 0) END"


def group_metrics(relations: Relations) -> str:
    def of_members(column: str) -> str:
        return f"CASE WHEN m.number IS NULL THEN 0 ELSE m.{column} END"

    one = "c.company_id = customer_group.company_id AND c.group_id = customer_group.id"
    of_group = one if relations.one_by_one else "c.group_id IS NOT NULL"
    return f"""
    SELECT
        customer_group.company_id AS company_id,
        customer_group.id AS group_id,
        {quotient(f"100 * ({of_members('balance_total')})", "customer_group.credit_limit")}
            AS credit_limit_utilisation,
        {of_members("balance_due")} AS balance_due,
        {of_members("balance_overdue")} AS balance_overdue,
        {of_members("balance_total")} AS balance_total,
        coalesce(m.open_invoices_due, 0) AS open_invoices_due,
        coalesce(m.open_invoices_overdue, 0) AS open_invoices_overdue,
        coalesce(m.number, 0) AS members_count,
        m.overdue_since AS overdue_since,
        parent.name AS parent
    FROM {relations.group} customer_group
    LEFT JOIN customer parent
        ON parent.company_id = customer_group.company_id AND parent.id = customer_group.parent_customer_id
    LEFT JOIN {"LATERAL" if relations.one_by_one else ""} (
        SELECT c.company_id, c.group_id, count(*) AS number,
            {whole_sum("k.base_balance_due")} AS balance_due,
            {whole_sum("k.base_balance_overdue")} AS balance_overdue,
            {whole_sum("k.base_balance_total")} AS balance_total,
            sum(k.open_invoices_due) AS open_invoices_due,
            sum(k.open_invoices_overdue) AS open_invoices_overdue,
            min(k.overdue_since) AS overdue_since
        FROM customer c
        LEFT JOIN {relations.metrics} k ON {same_company("k", "c")} AND k.customer_id = c.id
        WHERE {of_group}
        GROUP BY c.company_id, c.group_id
    ) m ON {same_company("m", "customer_group")} AND m.group_id = customer_group.id
"""


def company_metrics(relations: Relations) -> str:
    return f"""
    SELECT
        company.company_id AS company_id,
        {quotient("k.days_to_pay", "k.settled")} AS average_days_to_pay,
        {quotient("365 * k.open", "k.invoiced")} AS dso
    FROM company
    LEFT JOIN (
        SELECT k.company_id,
            sum(k.settled_days_to_pay) AS days_to_pay,
            sum(k.settled_invoices) AS settled,
            {whole_sum("k.base_open")} AS open,
            {whole_sum("k.base_invoiced_365_days")} AS invoiced
        FROM {relations.metrics} k
        GROUP BY k.company_id
    ) k ON {same_company("k", "company")}
"""
