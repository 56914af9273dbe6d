"""Numbers of workflows and runs: each company counts its own, so a number tells nothing of what others have made."""

from typing import Literal

from psycopg import sql

from app.companies import Company
from app.database import Connection


def next_number(connection: Connection, company: Company, counted: Literal["workflow", "run"]) -> int:
    """Whoever takes the next one waits for the end of the transaction: one that takes long comes before it."""
    statement = sql.SQL("""
        INSERT INTO counter AS c (company_id, counted, last)
        SELECT %(company)s, %(counted)s, coalesce(max(id), 0) + 1 FROM {} WHERE company_id = %(company)s
        ON CONFLICT (company_id, counted) DO UPDATE SET last = greatest(c.last + 1, excluded.last) RETURNING last
    """).format(sql.Identifier(counted))
    about = {"company": company.company_id, "counted": counted}
    [(number,)] = connection.execute(statement, about).fetchall()
    return int(str(number))
