"""Makes every EXISTS explicit: binds the bare conditions of one AND to one row (language.md, section 1, rule 3).

For a formula F in which row r occurs bare: EXISTS r (F) OR F[conditions on r := false]. An AND is first split into the
parts that share a row, an OR into its alternatives, so the second half mostly folds away.
"""

from dataclasses import replace
from typing import cast

from dsl.typed import (
    FALSE,
    Aggregated,
    And,
    Block,
    Exists,
    Filter,
    FirstOf,
    Node,
    Not,
    Or,
    Predicate,
    Row,
    bare_rows,
    both,
    either,
    rebuilt,
)


def lower(checked: Filter) -> Filter:
    return Filter(checked.root, bind(checked.condition, checked.root))


def bind(condition: Predicate, owner: Row) -> Predicate:
    """The same condition with every bare row of `owner` (and their rows in turn) under its quantifier."""
    return bind_rows(closed(condition, owner), owner)


def bind_rows(condition: Predicate, owner: Row) -> Predicate:
    return _bind(condition, owner, frozenset())


def closed(condition: Predicate, owner: Row) -> Predicate:
    """NOT is opaque: what it negates is a filter of its own. So is the body of a block, which may be over customers."""
    match condition:
        case Not(inner, span):
            return Not(bind(inner, owner), span)
        case And(items, span):
            return And(tuple(closed(item, owner) for item in items), span)
        case Or(items, span):
            return Or(tuple(closed(item, owner) for item in items), span)
        case Block(_, row, inner):
            return replace(condition, condition=bind(inner, row))
        case _ if owner.owner is None and owner.entity.name == "customer":
            return condition
        case _:
            return cast(Predicate, rebuilt(condition, _with_bound_where))


def _with_bound_where(node: Node) -> Node:
    """What an aggregate over customers counts, at level group, is a filter over customers too."""
    return replace(node, where=bind(node.where, node.row)) if isinstance(node, Aggregated | FirstOf) else node


def _bind(condition: Predicate, owner: Row, bound: frozenset[Row]) -> Predicate:
    open_rows = _rows(condition, owner, bound)
    if not open_rows:
        return condition
    match condition:
        case And(items):
            parts = _sharing_rows(items, owner, bound)
            if len(parts) > 1:
                return both([_bind(both(list(part)), owner, bound) for part in parts])
        case Or(items):
            parts = _by_rows(items, owner, bound)
            if len(parts) > 1:
                return either([_bind(either(list(part)), owner, bound) for part in parts])
    row = min(open_rows, key=lambda row: row.entity.name)
    # Inside, the row is at hand, and its own rows (a member's invoices) are bound in their turn.
    inside = _bind(_bind(condition, owner, bound | {row}), row, frozenset())
    return either([Exists(row, inside), _bind(_without(condition, row), owner, bound)])


def _rows(condition: Predicate, owner: Row, bound: frozenset[Row]) -> frozenset[Row]:
    return frozenset(row for row in bare_rows(condition) - bound if row.owner == owner)


def _sharing_rows(items: tuple[Predicate, ...], owner: Row, bound: frozenset[Row]) -> list[list[Predicate]]:
    """The conjuncts in groups such that no two groups speak of one row."""
    groups: list[tuple[frozenset[Row], list[int]]] = []
    for place, item in enumerate(items):
        rows = _rows(item, owner, bound)
        joined = [group for group in groups if group[0] & rows]
        places = [place, *(member for _, members in joined for member in members)]
        groups = [group for group in groups if not group[0] & rows]
        groups.append((rows.union(*(group[0] for group in joined)), places))
    return [[items[place] for place in sorted(places)] for places in sorted((sorted(p) for _, p in groups))]


def _by_rows(items: tuple[Predicate, ...], owner: Row, bound: frozenset[Row]) -> list[list[Predicate]]:
    """The alternatives in groups about the same rows: one EXISTS with an OR inside beats an OR of EXISTS."""
    groups: dict[frozenset[Row], list[Predicate]] = {}
    for item in items:
        groups.setdefault(_rows(item, owner, bound), []).append(item)
    return list(groups.values())


def _without(condition: Predicate, row: Row) -> Predicate:
    """The condition for someone who has no such row."""
    match condition:
        case And(items):
            return both([_without(item, row) for item in items])
        case Or(items):
            return either([_without(item, row) for item in items])
        case _:
            return FALSE if row in bare_rows(condition) else condition
