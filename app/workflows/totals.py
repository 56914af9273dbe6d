"""How many rows a filter selects, and the overdue money of theirs in the company's base currency."""

from dataclasses import dataclass
from typing import Any

from app.cells import money
from app.database import Connection
from dsl.compiler import Question
from dsl.statements import rows_statement
from dsl.typed import Filter, Not, both

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Total:
    """`unrated`: of so many the overdue money cannot be converted, for want of a rate."""

    count: int
    overdue: int
    unrated: int

    def document(self) -> Document:
        return {"count": self.count, "overdue": money(self.overdue), "unrated": self.unrated}


def total_of(connection: Connection, question: Question, selected: Filter) -> Total:
    """Of customers or groups."""
    root = selected.root
    statement = rows_statement(selected, question, {"source_id": (root, root.entity.fields["source_id"])})
    summed = f"""
        SELECT count(*), coalesce(sum(m.overdue), 0)::numeric(38, 0), count(*) FILTER (WHERE m.overdue IS NULL)
        FROM ({statement.sql}) AS selected LEFT JOIN ({_overdue(root.entity.name, question)}) AS m USING (source_id)
    """
    [(count, overdue, unrated)] = connection.execute(summed.encode(), statement.parameters).fetchall()
    return Total(int(str(count)), int(str(overdue)), int(str(unrated)))


def _overdue(entity: str, question: Question) -> str:
    """What each owes that is overdue, in the base currency, by source id."""
    relation, column = {
        "customer": ("customer", "base_balance_overdue"),
        "group": ("customer_group", "balance_overdue"),
    }[entity]
    return f"""
        SELECT r.source_id, m.{column} AS overdue FROM {relation} AS r
        JOIN {entity}_metrics{question.relations.value} AS m
            ON m.company_id = r.company_id AND m.{entity}_id = r.id
        WHERE r.company_id = %(company)s AND m.company_id = %(company)s
    """


def overdue_of_all(connection: Connection, question: Question) -> dict[str, int | None]:
    """Of the customers for whom it is not 0."""
    of_each = _overdue("customer", question)
    statement = f"SELECT source_id, overdue FROM ({of_each}) AS m WHERE overdue IS DISTINCT FROM 0"
    rows: list[tuple[Any, ...]] = connection.execute(statement.encode(), {"company": question.company}).fetchall()
    return {str(source_id): None if overdue is None else int(overdue) for source_id, overdue in rows}


def without(one: Filter, other: Filter) -> Filter:
    """What one selects and the other does not."""
    return Filter(one.root, both([one.condition, Not(other.condition)]))


def within(one: Filter, other: Filter) -> Filter:
    return Filter(one.root, both([one.condition, other.condition]))
