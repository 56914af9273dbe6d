"""The views of documents as of the day in the setting app.as_of.

There are two sets of relations with the same columns: for the company's today (and later) the tables as they stand,
for an earlier day views of what had happened by then. The status of promises depends on the day in both.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

# A sub-select, because it is worked out once in a statement and a bare current_setting() once for every row.
AS_OF = "(SELECT current_setting('app.as_of')::date AS day)"


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


PAID = "d.status = 'paid'"


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
