"""Which invoices, payments, … of a matching customer a filter is about (language.md, section 3, Matching rows).

A row plays a part in an alternative that holds: it meets all of that alternative's bare conditions on its entity, or
one of its positive ANY blocks. Only where no row plays a part, the customer's open invoices and recent payments count.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import cast

from dsl import typed
from dsl.analysis import Analysis
from dsl.catalog import Catalog, Entity
from dsl.lowering import bind_rows, closed
from dsl.operators import EQUAL, IN_PERIOD
from dsl.typed import And, Block, Filter, Holds, Or, Predicate, Role, Row, bare_rows, both, either
from dsl.types import FLAG

RECENT_DAYS = 90


@lru_cache(maxsize=4_000)
def matching_rows(analysis: Analysis, catalog: Catalog, entity: str) -> Filter:
    """A filter over the rows of `entity`; at level group also over customers, the members the filter is about."""
    roles = _Roles(analysis, catalog.entities[entity], catalog)
    return Filter(roles.row, roles.condition())


class _Roles:
    def __init__(self, analysis: Analysis, entity: Entity, catalog: Catalog) -> None:
        self.analysis = analysis
        root = analysis.checked.root
        self.member: Row | None = None
        if root.entity.name == "group":
            self.member = Row(catalog.entities["customer"], Role.AT_HAND, owner=root)
        self.customer = self.member or root
        self.of_members = self.member is not None and entity.name == "customer"
        self.row = self.member if self.of_members and self.member else Row(entity, Role.AT_HAND, owner=self.customer)
        any_member = Row(self.customer.entity, Role.BARE, owner=root)
        self.bare = any_member if self.of_members else Row(entity, Role.BARE, owner=self.customer)
        formula = closed(analysis.checked.condition, root)
        # Every member condition is about the member that owns the row; its own bare conditions stay to be pinned.
        pinned = {any_member: self.member} if self.member and not self.of_members else {}
        self.formula = _outside_not(formula, pinned)
        self.catalog = catalog

    def condition(self) -> Predicate:
        playing = self.playing()
        if _always_mentions(self.formula, self.mentions):
            return playing
        holds = self.analysis.lowered.condition
        if self.of_members:
            return either([playing, both([holds, self.nobody_plays(playing)])])
        fallback = both([self.by_default(), holds, self.member_matches(), self.nobody_plays(playing)])
        return either([playing, fallback])

    def mentions(self, literal: Predicate) -> bool:
        return self.bare in bare_rows(literal) or self.is_block(literal)

    def is_block(self, literal: Predicate) -> bool:
        return isinstance(literal, Block) and literal.quantifier == "ANY" and literal.row.entity is self.row.entity

    def playing(self) -> Predicate:
        """In both parts the alternative as a whole holds; its other bare rows are bound as ever."""
        pin = {self.bare: self.row}
        bare = _bare_part(self.formula, _outside_not(self.formula, pin), self.bare)
        block = _block_part(self.formula, self.is_block, self.row)
        owner = self.analysis.checked.root if self.of_members else self.customer
        parts = [bind_rows(bare, self.customer), bind_rows(block, owner)]
        return either([_without_witnessed(part, self.row) for part in parts])

    def nobody_plays(self, playing: Predicate) -> Predicate:
        """No other row of the customer (of the group, at level group) plays a part."""
        if playing == typed.FALSE:
            return typed.TRUE
        root = self.analysis.checked.root
        if self.of_members:
            other = Row(self.row.entity, Role.BOUND, -1, root)
            return Block("NO", other, _about(playing, {self.row: other}))
        owner = Row(self.customer.entity, Role.BOUND, -1, root) if self.member else self.customer
        other = Row(self.row.entity, Role.BOUND, -2, owner)
        about = _about(playing, {self.row: other, self.customer: owner})
        none = Block("NO", other, about)
        return Block("NO", owner, Block("ANY", other, about)) if self.member else none

    def member_matches(self) -> Predicate:
        """At level group: the rows shown by default are those of the members that the filter is about."""
        if self.member is None:
            return typed.TRUE
        return _Roles(self.analysis, self.member.entity, self.catalog).condition()

    def by_default(self) -> Predicate:
        fields = self.row.entity.fields
        match self.row.entity.name:
            case "invoice":
                return Holds(typed.FieldOf(self.row, fields["is_open"]))
            case "payment":
                first = typed.Shifted(typed.OnDay(0), 1 - RECENT_DAYS, "DAYS")
                return typed.Range(IN_PERIOD, typed.FieldOf(self.row, fields["date"]), first, typed.OnDay(0))
            case "credit_note":
                assigned = typed.FieldOf(self.row, fields["is_assigned"])
                return typed.Compare(EQUAL, assigned, typed.Value(FLAG, False))
            case _:
                return typed.TRUE


def _without_witnessed(condition: Predicate, row: Row) -> Predicate:
    """Without the ANY blocks that the row itself is known to meet."""
    match condition:
        case Or(items):
            return either([_without_witnessed(item, row) for item in items])
        case And(items):
            return both([item for item in items if not _is_witness(row, item, items)])
        case _:
            return condition


def _is_witness(row: Row, block: Predicate, known: Sequence[Predicate]) -> bool:
    match block:
        case typed.Exists(inner, body) | Block("ANY", inner, body):
            if inner.entity is not row.entity or inner.owner != row.owner:
                return False
            met = _about(body, {inner: row})
            return all(part in known for part in (met.conditions if isinstance(met, And) else (met,)))
        case _:
            return False


def _about(condition: Predicate, rows: Mapping[Row, Row]) -> Predicate:
    return cast(Predicate, typed.with_rows(condition, rows))


def _outside_not(condition: Predicate, rows: Mapping[Row, Row]) -> Predicate:
    """What NOT negates is closed: the rows it speaks of are its own."""
    match condition:
        case typed.Not():
            return condition
        case And(items):
            return And(tuple(_outside_not(item, rows) for item in items))
        case Or(items):
            return Or(tuple(_outside_not(item, rows) for item in items))
        case _:
            return _about(condition, rows) if rows else condition


def _bare_part(condition: Predicate, pinned: Predicate, bare: Row) -> Predicate:
    """The condition holds of the pinned row, by an alternative with a bare condition on such a row."""
    match condition, pinned:
        case And(items), And(pins):
            parts = [_bare_part(item, pin, bare) for item, pin in zip(items, pins, strict=True)]
            return both([either(parts), *pins])
        case Or(items), Or(pins):
            return either([_bare_part(item, pin, bare) for item, pin in zip(items, pins, strict=True)])
        case typed.Not(), _:
            return typed.FALSE
        case _:
            return pinned if bare in bare_rows(condition) else typed.FALSE


def _block_part(condition: Predicate, is_block: Callable[[Predicate], bool], row: Row) -> Predicate:
    """The condition holds by an alternative with an ANY block that the row satisfies."""
    match condition:
        case And(items):
            parts = [_block_part(item, is_block, row) for item in items]
            return both([either(parts), *items])
        case Or(items):
            return either([_block_part(item, is_block, row) for item in items])
        case Block(_, inner, body) if is_block(condition):
            return _about(body, {inner: row})
        case _:
            return typed.FALSE


def _always_mentions(condition: Predicate, mentions: Callable[[Predicate], bool]) -> bool:
    match condition:
        case And(items):
            return any(_always_mentions(item, mentions) for item in items)
        case Or(items):
            return all(_always_mentions(item, mentions) for item in items)
        case typed.Not():
            return False
        case _:
            return mentions(condition)
