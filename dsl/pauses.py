"""Whose chasing is paused, as a part of a filter: the customer's own flag or its group's, at level group the group's.

An invoice is paused by its own flag too. Whatever is selected falls into two parts: what a workflow targets, and what
it holds back.
"""

from enum import StrEnum

from dsl.catalog import Catalog
from dsl.typed import FieldOf, Filter, Holds, Not, Predicate, Role, Row, both, either


class Pauses(StrEnum):
    """What becomes of those whose chasing is paused."""

    IGNORED = "ignored"
    HELD_BACK = "held back"
    ALONE = "alone"


def with_pauses(selected: Filter, catalog: Catalog, pauses: Pauses) -> Filter:
    match pauses:
        case Pauses.IGNORED:
            return selected
        case Pauses.HELD_BACK:
            return Filter(selected.root, both([selected.condition, Not(paused(selected.root, catalog))]))
        case Pauses.ALONE:
            return Filter(selected.root, both([selected.condition, paused(selected.root, catalog)]))


def paused(row: Row, catalog: Catalog) -> Predicate:
    """Of a customer, a group, or a row that belongs to a customer."""
    if row.entity.name == "group":
        return _flag(row)
    if row.entity.name == "customer":
        if row.owner is not None:
            return paused(row.owner, catalog)
        return either([_flag(row), _flag(Row(catalog.entities["group"], Role.AT_HAND, owner=row))])
    assert row.owner is not None
    of_owner = paused(row.owner, catalog)
    return either([_flag(row), of_owner]) if "chasing_paused" in row.entity.fields else of_owner


def _flag(row: Row) -> Predicate:
    return Holds(FieldOf(row, row.entity.fields["chasing_paused"]))
