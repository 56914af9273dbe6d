"""The views: every metric, as of the day in the setting app.as_of.

There are two sets of relations with the same columns. For the company's today (and later) metrics and the status of
promises are worked out from the tables as they stand; for an earlier day, from views of what had happened by then.
"""

from dataclasses import dataclass

from alembic import op

revision = "0002"
down_revision = "0001"

# A sub-select, because it is worked out once in a statement and a bare current_setting() once for every row.
AS_OF = "(SELECT current_setting('app.as_of')::date AS day)"


@dataclass(frozen=True)
class Relations:
    """What a set of views reads, and how the names of its metrics end."""

    invoice: str
    payment: str
    credit_note: str
    journal: str
    activity: str
    suffix: str


CURRENT = Relations("invoice", "payment", "credit_note", "journal", "activity", suffix="")
HISTORIC = Relations(
    "invoice_as_of", "payment_as_of", "credit_note_as_of", "journal_as_of", "activity_as_of", suffix="_as_of"
)


def views() -> dict[str, str]:
    """All of them, each after those it reads."""
    return {
        "fx_latest": FX_LATEST,
        "invoice_as_of": INVOICE_AS_OF,
        "payment_as_of": PAYMENT_AS_OF,
        "credit_note_as_of": CREDIT_NOTE_AS_OF,
        "journal_as_of": JOURNAL_AS_OF,
        "activity_as_of": ACTIVITY_AS_OF,
        "promise_current": promise("payment", made="true"),
        "promise_as_of": promise("payment_as_of", made=f"(p.made_on <= {AS_OF} OR p.made_on IS NULL)"),
        **metrics(CURRENT),
        **metrics(HISTORIC),
    }


def metrics(relations: Relations) -> dict[str, str]:
    return {
        f"customer_metrics{relations.suffix}": customer_metrics(relations),
        f"group_metrics{relations.suffix}": group_metrics(relations),
        f"company_metrics{relations.suffix}": company_metrics(relations),
    }


def upgrade() -> None:
    for name, query in views().items():
        op.execute(f"CREATE VIEW {name} WITH (security_invoker = true) AS {query}")
        op.execute(f"GRANT SELECT ON {name} TO duelist_app")


def downgrade() -> None:
    for name in reversed(views()):
        op.execute(f"DROP VIEW {name}")


def same_company(joined: str, to: str) -> str:
    """Said twice: PostgreSQL 16 and later use up the plain form to hand a constant company on to the joined query.

    They still need the other to see that it has one row at most, and may be left out.
    """
    return f"{joined}.company_id = {to}.company_id AND {joined}.company_id = {to}.company_id + 0"


# ---------------------------------------------------------------- exact numbers


def rounded(dividend: str, divisor: str) -> str:
    """The quotient as a whole number, half away from zero. `/` would round before, and so twice."""
    return f"div(2.0 * ({dividend}) + sign({dividend}) * abs({divisor}), 2.0 * nullif({divisor}, 0))"


def quotient(dividend: str, divisor: str) -> str:
    """The quotient with four decimals."""
    return f"{rounded(f'1e4 * ({dividend})', divisor)} * 0.0001"


def mean(value: str, where: str) -> str:
    return quotient(f"sum({value}) FILTER (WHERE {where})", f"count({value}) FILTER (WHERE {where})")


# ---------------------------------------------------------------- currencies
# Money is in ten-thousandths, so a converted amount is a whole number as well. A document without a rate counts as
# NaN until the outermost select: unlike NULL it takes every sum and maximum it enters with it, so none is partial.

# The base currency is always worth 1, whatever rates are given for it: its row is the latest.
FX_LATEST = f"""
    SELECT DISTINCT ON (r.company_id, r.currency) r.company_id AS company_id, r.currency AS currency, r.rate AS rate
    FROM (
        SELECT f.company_id, f.currency, f.rate, f.date
        FROM fx_rate f
        WHERE f.date <= {AS_OF}
        UNION ALL
        SELECT co.company_id, co.base_currency, 1, 'infinity'
        FROM company co
    ) r
    ORDER BY r.company_id, r.currency, r.date DESC
"""


def rates(currency: str) -> str:
    """The rates of document d's own and the wanted currency."""
    return f"""
        LEFT JOIN fx_latest own ON {same_company("own", "d")} AND own.currency = d.currency
        LEFT JOIN fx_latest wanted ON {same_company("wanted", "d")} AND wanted.currency = {currency}"""


def converted(money: str, currency: str) -> str:
    exact = rounded(f"{money} * coalesce(own.rate, 'NaN')", "coalesce(wanted.rate, 'NaN')")
    return f"CASE WHEN d.currency = {currency} THEN {money} ELSE {exact} END"


def known(money: str) -> str:
    return f"nullif({money}, 'NaN')"


def counted(money: str) -> str:
    return known(f"coalesce({money}, 0)")


# ---------------------------------------------------------------- the catalog's words, about a document d

OPEN = "d.balance <> 0 AND d.status NOT IN ('void', 'closed')"
OVERDUE = f"{OPEN} AND d.due_date < {AS_OF}"
DUE = f"{OPEN} AND (d.due_date < {AS_OF}) IS NOT TRUE"
DAYS_OVERDUE = f"{AS_OF} - d.due_date"
SETTLED = "d.status NOT IN ('void', 'closed')"  # and there is a day of it, without which no difference of days is
NOT_VOID = "d.status <> 'void'"
PAID = "d.status = 'paid'"
CREDIT_COUNTS = "d.status NOT IN ('voided', 'refunded')"
BY_COMPANY = "d.by = 'company'"
BY_CUSTOMER = "d.by = 'customer'"
MESSAGE = f"{BY_COMPANY} AND d.kind IN ('email', 'sms', 'letter', 'call')"

# The day before the period begins.
TWELVE_MONTHS = f"({AS_OF} - interval '12 months')::date"


def overdue_between(first: int, last: int) -> str:
    return f"{OPEN} AND {DAYS_OVERDUE} BETWEEN {first} AND {last}"


# ---------------------------------------------------------------- what had happened by a day


def later_allocations(alias: str, customer: str, document: str) -> str:
    """What was set against a document after the day, and so was still open on it."""
    return f"""
    LEFT JOIN (
        SELECT a.company_id, a.{customer} AS customer_id, a.{document}_id AS id, sum(a.amount) AS amount
        FROM allocation a
        WHERE a.{document}_id IS NOT NULL AND a.date > {AS_OF}
        GROUP BY a.company_id, a.{customer}, a.{document}_id
    ) later ON {same_company("later", alias)} AND later.customer_id = {alias}.customer_id AND later.id = {alias}.id"""


INVOICE_AS_OF = f"""
    SELECT
        i.company_id AS company_id,
        i.id AS id,
        i.source_id AS source_id,
        i.customer_id AS customer_id,
        i.issue_date AS issue_date,
        i.amount AS amount,
        i.due_date AS due_date,
        i.balance + coalesce(later.amount, 0) AS balance,
        i.currency AS currency,
        CASE
            WHEN coalesce(later.amount, 0) = 0 THEN i.status
            WHEN i.balance + later.amount = i.amount THEN 'open'
            ELSE 'partially_paid'
        END AS status,
        CASE WHEN i.settled_on <= {AS_OF} THEN i.settled_on END AS settled_on,
        i.expected_payment_date AS expected_payment_date,
        i.reference AS reference,
        i.purchase_order AS purchase_order,
        i.chasing_paused AS chasing_paused,
        i.bulk_payment_in_progress AS bulk_payment_in_progress,
        i.tags AS tags,
        i.custom AS custom,
        i.derived AS derived
    FROM invoice i {later_allocations("i", "customer_id", "invoice")}
    WHERE i.issue_date <= {AS_OF}
"""

PAYMENT_AS_OF = f"""
    SELECT
        p.company_id AS company_id,
        p.id AS id,
        p.source_id AS source_id,
        p.customer_id AS customer_id,
        p.date AS date,
        p.amount AS amount,
        p.amount_remaining + coalesce(later.amount, 0) AS amount_remaining,
        p.currency AS currency,
        p.status AS status,
        p.kind AS kind,
        p.source AS source,
        p.reference AS reference,
        p.tags AS tags,
        p.custom AS custom,
        p.derived AS derived
    FROM payment p {later_allocations("p", "source_customer_id", "payment")}
    WHERE p.date <= {AS_OF}
"""

CREDIT_NOTE_AS_OF = f"""
    SELECT
        n.company_id AS company_id,
        n.id AS id,
        n.source_id AS source_id,
        n.customer_id AS customer_id,
        n.issue_date AS issue_date,
        n.amount AS amount,
        n.amount_remaining + coalesce(later.amount, 0) AS amount_remaining,
        n.currency AS currency,
        n.status AS status,
        n.reference AS reference,
        n.tags AS tags,
        n.derived AS derived
    FROM credit_note n {later_allocations("n", "source_customer_id", "credit_note")}
    WHERE n.issue_date <= {AS_OF}
"""

JOURNAL_AS_OF = f"""
    SELECT
        j.company_id AS company_id,
        j.id AS id,
        j.source_id AS source_id,
        j.customer_id AS customer_id,
        j.date AS date,
        j.amount AS amount,
        j.balance AS balance,
        j.currency AS currency,
        j.reference AS reference,
        j.derived AS derived
    FROM journal j
    WHERE j.date <= {AS_OF}
"""

ACTIVITY_AS_OF = f"""
    SELECT
        a.company_id AS company_id,
        a.id AS id,
        a.source_id AS source_id,
        a.customer_id AS customer_id,
        a.at AS at,
        a.date AS date,
        a.by AS by,
        a.kind AS kind,
        a.is_manual AS is_manual,
        a.subject AS subject,
        a.invoice_customer_id AS invoice_customer_id,
        a.invoice_id AS invoice_id,
        a.derived AS derived
    FROM activity a
    WHERE a.date <= {AS_OF}
"""


def promise(payment: str, *, made: str) -> str:
    """Promises with their status by definition: broken when the day has passed without the money."""
    return f"""
    SELECT
        p.company_id AS company_id,
        p.id AS id,
        p.source_id AS source_id,
        p.customer_id AS customer_id,
        p.due_date AS due_date,
        p.amount AS amount,
        p.made_on AS made_on,
        CASE
            WHEN passed.id IS NOT NULL AND {counted("passed.paid")} < p.amount THEN 'broken'
            ELSE p.status
        END AS status,
        p.currency AS currency,
        p.derived AS derived
    FROM promise p
    LEFT JOIN (
        SELECT p.company_id, p.customer_id, p.id, sum({converted("d.amount", "p.currency")}) AS paid
        FROM promise p
        LEFT JOIN {payment} d ON d.company_id = p.company_id AND d.customer_id = p.customer_id AND {PAID}
            AND d.date <= p.due_date AND (d.date >= p.made_on OR p.made_on IS NULL)
        {rates("p.currency")}
        WHERE p.status = 'active' AND p.due_date < {AS_OF}
        GROUP BY p.company_id, p.customer_id, p.id
    ) passed ON {same_company("passed", "p")} AND passed.customer_id = p.customer_id AND passed.id = p.id
    WHERE {made}
"""


# ---------------------------------------------------------------- metrics


@dataclass(frozen=True)
class Level:
    """Whose documents are added up, and in which currency; c and co are a document's customer and company."""

    table: str
    id: str
    owner: str  # the id, as a document has it
    currency: str

    def summary(self, alias: str, source: str, columns: str) -> str:
        """One row for each row of the table that has documents, joined to it.

        To one row at most and LEFT, so that PostgreSQL leaves out a summary of which a query reads no column.
        """
        return f"""
    LEFT JOIN (
        SELECT d.company_id, {self.owner} AS owner, {columns}
        FROM {source}
        WHERE {self.owner} IS NOT NULL
        GROUP BY d.company_id, {self.owner}
    ) {alias} ON {same_company(alias, self.table)} AND {alias}.owner = {self.table}.{self.id}"""

    def documents(self, relation: str) -> str:
        """Documents d with what converts them: again joins that PostgreSQL can leave out."""
        return f"""{relation} d
        LEFT JOIN customer c ON c.company_id = d.company_id AND c.id = d.customer_id
        LEFT JOIN company co ON co.company_id = d.company_id {rates(self.currency)}"""

    def total(self, money: str, where: str) -> str:
        return f"sum({converted(money, self.currency)}) FILTER (WHERE {where})"

    def invoices(self, relations: Relations) -> str:
        balance = converted("d.balance", self.currency)
        return self.summary(
            "i",
            self.documents(relations.invoice),
            f"""
            {self.total("d.balance", OPEN)} AS balance,
            {self.total("d.balance", DUE)} AS due,
            {self.total("d.balance", OVERDUE)} AS overdue,
            {self.total("d.balance", overdue_between(1, 30))} AS overdue_1_30,
            {self.total("d.balance", overdue_between(31, 45))} AS overdue_31_45,
            {self.total("d.balance", overdue_between(31, 60))} AS overdue_31_60,
            {self.total("d.balance", overdue_between(46, 60))} AS overdue_46_60,
            {self.total("d.balance", overdue_between(61, 90))} AS overdue_61_90,
            {self.total("d.balance", f"{OVERDUE} AND {DAYS_OVERDUE} >= 91")} AS overdue_91_over,
            max({balance}) FILTER (WHERE {OPEN}) AS largest,
            {self.total("d.amount", f"{NOT_VOID} AND d.issue_date > {TWELVE_MONTHS} AND d.issue_date <= {AS_OF}")}
                AS invoiced_12_months,
            {self.total("d.amount", f"{NOT_VOID} AND d.issue_date > {AS_OF} - 365 AND d.issue_date <= {AS_OF}")}
                AS invoiced_365_days,
            count(*) FILTER (WHERE {NOT_VOID}) AS number,
            count(*) FILTER (WHERE {OPEN}) AS open_number,
            count(*) FILTER (WHERE {DUE}) AS due_number,
            count(*) FILTER (WHERE {OVERDUE}) AS overdue_number,
            max({DAYS_OVERDUE}) FILTER (WHERE {OVERDUE}) AS days_overdue,
            {mean(DAYS_OVERDUE, OVERDUE)} AS average_days_overdue,
            {mean("d.settled_on - d.due_date", SETTLED)} AS average_days_late,
            {mean("d.settled_on - d.issue_date", SETTLED)} AS average_days_to_pay""",
        )

    def payments(self, relations: Relations) -> str:
        return self.summary(
            "p",
            self.documents(relations.payment),
            f"""
            {self.total("d.amount_remaining", PAID)} AS remaining,
            {self.total("d.amount_remaining", f"{PAID} AND d.kind = 'prepayment'")} AS prepaid,
            {self.total("d.amount_remaining", f"{PAID} AND d.kind <> 'prepayment'")} AS overpaid,
            max(d.date) FILTER (WHERE {PAID}) AS latest""",
        )

    def credit_notes(self, relations: Relations) -> str:
        return self.summary(
            "n",
            self.documents(relations.credit_note),
            f"{self.total('d.amount_remaining', CREDIT_COUNTS)} AS remaining",
        )

    def journals(self, relations: Relations) -> str:
        return self.summary("j", self.documents(relations.journal), f"{self.total('d.balance', 'true')} AS balance")


CUSTOMER = Level("customer", id="id", owner="d.customer_id", currency="c.currency")
GROUP = Level("customer_group", id="id", owner="c.group_id", currency="co.base_currency")
COMPANY = Level("company", id="company_id", owner="d.company_id", currency="co.base_currency")

BALANCE_TOTAL = """(
            coalesce(i.balance, 0) - coalesce(n.remaining, 0) - coalesce(p.remaining, 0) + coalesce(j.balance, 0)
        )"""


def utilisation(limit: str) -> str:
    return known(quotient(f"100 * {BALANCE_TOTAL}", limit))


def customer_metrics(relations: Relations) -> str:
    contacts = """
            count(*) > 0 AS available,
            bool_or(d.email_valid) AS email,
            bool_or(d.phone IS NOT NULL) AS phone"""
    activities = f"""
            max(d.date) FILTER (WHERE {BY_COMPANY}) AS by_company,
            max(d.date) FILTER (WHERE {MESSAGE}) AS message,
            max(d.date) FILTER (WHERE {MESSAGE} AND d.is_manual) AS manual_message,
            max(d.date) FILTER (WHERE {BY_CUSTOMER}) AS by_customer,
            max(d.date) FILTER (WHERE {BY_CUSTOMER} AND d.kind IN ('reply', 'call')) AS answer"""
    return f"""
    SELECT
        customer.company_id AS company_id,
        customer.id AS customer_id,
        i.average_days_late AS average_days_late,
        {counted("i.due")} AS balance_due,
        {counted("i.overdue")} AS balance_overdue,
        {counted("i.overdue_1_30")} AS balance_overdue_1_30,
        {counted("i.overdue_31_45")} AS balance_overdue_31_45,
        {counted("i.overdue_31_60")} AS balance_overdue_31_60,
        {counted("i.overdue_46_60")} AS balance_overdue_46_60,
        {counted("i.overdue_61_90")} AS balance_overdue_61_90,
        {counted("i.overdue_91_over")} AS balance_overdue_91_over,
        {known(BALANCE_TOTAL)} AS balance_total,
        coalesce(k.available, false) AS contact_details_available,
        coalesce(customer.country, company.country) AS country,
        {utilisation("customer.credit_limit")} AS credit_limit_utilisation,
        customer.chasing_paused AND coalesce(customer.chasing_paused_until >= {AS_OF}, true) AS chasing_paused,
        {AS_OF} - customer.created_on AS days_since_created,
        parent.name AS group_parent,
        coalesce(customer_group.parent_customer_id = customer.id, false) AS is_group_parent,
        coalesce(i.number, 0) AS invoices_count,
        a.by_company AS last_company_action_date,
        a.message AS last_company_communication_date,
        a.manual_message AS last_company_manual_communication_date,
        greatest(a.by_customer, p.latest) AS last_customer_action_date,
        a.answer AS last_customer_communication_date,
        greatest(a.by_company, a.by_customer, p.latest) AS last_action_date,
        p.latest AS last_payment_date,
        i.days_overdue AS max_days_overdue,
        coalesce(k.email, false) AS email_available,
        coalesce(i.open_number, 0) AS open_invoices,
        coalesce(i.due_number, 0) AS open_invoices_due,
        coalesce(i.overdue_number, 0) AS open_invoices_overdue,
        {counted("p.overpaid")} AS overpayments,
        coalesce(k.phone, false) AS phone_available,
        {counted("p.prepaid")} AS prepayments,
        {counted("p.remaining")} AS total_unallocated,
        i.average_days_to_pay AS average_days_to_pay,
        i.average_days_overdue AS average_days_overdue,
        {counted("i.invoiced_12_months")} AS amount_invoiced_12m,
        {known("i.largest")} AS largest_open_balance
    FROM customer
    LEFT JOIN company ON company.company_id = customer.company_id
    LEFT JOIN customer_group
        ON customer_group.company_id = customer.company_id AND customer_group.id = customer.group_id
    LEFT JOIN customer parent
        ON parent.company_id = customer_group.company_id AND parent.id = customer_group.parent_customer_id
    {CUSTOMER.invoices(relations)}
    {CUSTOMER.payments(relations)}
    {CUSTOMER.credit_notes(relations)}
    {CUSTOMER.journals(relations)}
    {CUSTOMER.summary("k", "contact d", contacts)}
    {CUSTOMER.summary("a", f"{relations.activity} d", activities)}
"""


def group_metrics(relations: Relations) -> str:
    return f"""
    SELECT
        customer_group.company_id AS company_id,
        customer_group.id AS group_id,
        {counted("i.due")} AS balance_due,
        {counted("i.overdue")} AS balance_overdue,
        {known(BALANCE_TOTAL)} AS balance_total,
        {utilisation("customer_group.credit_limit")} AS credit_limit_utilisation,
        i.days_overdue AS max_days_overdue,
        coalesce(i.due_number, 0) AS open_invoices_due,
        coalesce(i.overdue_number, 0) AS open_invoices_overdue,
        coalesce(m.number, 0) AS members_count,
        parent.name AS parent
    FROM customer_group
    LEFT JOIN customer parent
        ON parent.company_id = customer_group.company_id AND parent.id = customer_group.parent_customer_id
    {GROUP.invoices(relations)}
    {GROUP.payments(relations)}
    {GROUP.credit_notes(relations)}
    {GROUP.journals(relations)}
    LEFT JOIN (
        SELECT c.company_id, c.group_id, count(*) AS number
        FROM customer c
        GROUP BY c.company_id, c.group_id
    ) m ON m.company_id = customer_group.company_id AND m.group_id = customer_group.id
"""


def company_metrics(relations: Relations) -> str:
    return f"""
    SELECT
        company.company_id AS company_id,
        i.average_days_to_pay AS average_days_to_pay,
        {known(quotient("365 * coalesce(i.balance, 0)", "i.invoiced_365_days"))} AS dso
    FROM company
    {COMPANY.invoices(relations)}
"""
