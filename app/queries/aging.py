"""What the selected customers owe, by how late it is, in the company's base currency."""

from typing import Any

from app.asked import Dated, ask
from app.cells import money
from app.companies import Company
from app.database import Database
from app.kept import relations
from app.lists import list_of
from dsl import CATALOG
from dsl.frames import Relations
from dsl.pauses import Pauses
from dsl.statements import rows_statement

Document = dict[str, Any]

# Each ends the day before the next begins; the first is of what is not overdue.
_BUCKETS = (("not due", None), ("1-30", 1), ("31-45", 31), ("46-60", 46), ("61-90", 61), ("91+", 91))


def aging(database: Database, company: Company, asked: Dated) -> Document:
    """`unrated`: so many invoices are left out of a sum, for want of a rate."""
    asking = ask(asked, company, answered=True)
    selected = list_of(asking.analysis, "customers", Pauses.HELD_BACK if asked.respect_pauses else Pauses.IGNORED)
    key = {"source_id": selected.fields["source_id"]}
    with database.transaction(company.company_id, asking.as_of) as connection:
        question = asking.question(relations(connection, company, asking.as_of))
        statement = rows_statement(selected.filter, question, key)
        of_past = question.relations is Relations.HISTORIC
        parameters = {**statement.parameters, "aging_day": asking.as_of, "base": company.base_currency}
        summed = _summed(statement.sql, of_past=of_past)
        rows: list[tuple[Any, ...]] = connection.execute(summed.encode(), parameters).fetchall()
    found = {bucket: rest for bucket, *rest in rows}
    return {
        "as_of": asking.as_of,
        "currency": company.base_currency,
        "buckets": [_bucket(name, found.get(name, [0, 0, 0])) for name, _ in _BUCKETS],
    }


def _bucket(name: str, sums: list[Any]) -> Document:
    amount, invoices, unrated = map(int, sums)
    return {"bucket": name, "balance": money(amount), "invoices": invoices, "unrated": unrated}


def _summed(selected: str, *, of_past: bool) -> str:
    """Of open invoices; each is converted by itself and rounded half up, as the metrics of customers are."""
    invoice = CATALOG.entities["invoice"]
    named = " ".join(
        f"WHEN %(aging_day)s::date - i.due_date >= {first} THEN '{name}'" for name, first in reversed(_BUCKETS) if first
    )
    return f"""
        WITH selected AS MATERIALIZED ({selected})
        SELECT bucket, coalesce(sum(amount), 0), count(*), count(*) FILTER (WHERE amount IS NULL)
        FROM (
            SELECT CASE {named} ELSE '{_BUCKETS[0][0]}' END AS bucket,
                CASE WHEN i.currency = %(base)s THEN i.balance
                    ELSE sign(i.balance) * div(2.0 * abs(i.balance) * fx.rate + 1, 2) END AS amount
            FROM selected
            JOIN customer AS c ON c.company_id = %(company)s AND c.source_id = selected.source_id
            JOIN {invoice.historic if of_past else invoice.relation} AS i
                ON i.company_id = %(company)s AND i.customer_id = c.id
            LEFT JOIN (
                SELECT DISTINCT ON (currency) currency, rate FROM fx_rate
                WHERE company_id = %(company)s AND date <= %(aging_day)s ORDER BY currency, date DESC
            ) AS fx ON fx.currency = i.currency
            WHERE i.balance <> 0 AND i.status NOT IN ('void', 'closed')
        ) AS open_invoices
        GROUP BY bucket
    """
