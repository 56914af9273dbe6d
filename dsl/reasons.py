"""Why: from an accepted filter to the tree of what is to be asked of one customer or group, and how each part reads.

The tree follows the text, with the binding made visible: bare conditions that describe one row stand under a `OneRow`.
A `Place` is a row that the answer settles on: the root, the row that bare conditions are bound to, a row of a block.
Tests are asked of the innermost place they speak of; nothing here asks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, cast

from dsl import ast, typed
from dsl.analysis import Analysis
from dsl.explainer import english_condition
from dsl.formatter import format_filter
from dsl.lowering import bind, bind_rows, closed
from dsl.operators import EQUAL
from dsl.typed import Filter, Operand, Predicate, Role, Row, bare_rows, both, either
from dsl.types import QUANTITIES, TEXT, Kind


@dataclass(eq=False, slots=True)
class Place:
    """`stands_for` is the row variable as the filter has it, `row` the same at hand, and so its owners."""

    row: Row
    stands_for: Row
    around: "Place | None" = None
    bare: bool = False
    tests: dict[Predicate, Predicate] = field(default_factory=dict)

    @property
    def line(self) -> tuple["Place", ...]:
        """From the outermost to this one."""
        return (*(self.around.line if self.around else ()), self)

    def about(self, condition: Predicate) -> Predicate:
        """The same condition of the rows at hand."""
        rows = {place.stands_for: place.row for place in self.line}
        return cast(Predicate, typed.with_rows(condition, rows))


Places = Mapping[Row, Place]


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    english: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A test of `place`; its row variables are those of the filter, which tells one test of a place from another."""

    said: Said
    place: Place
    test: Predicate


@dataclass(frozen=True, slots=True)
class Joined:
    said: Said
    kind: Literal["and", "or"]
    items: "tuple[Reason, ...]"


@dataclass(frozen=True, slots=True)
class Opposite:
    said: Said
    item: "Reason"


@dataclass(frozen=True, slots=True)
class OfRows:
    """A block: `condition` is about the row at `place`."""

    said: Said
    quantifier: Literal["ANY", "NO", "ALL"]
    place: Place
    condition: Predicate
    item: "Reason | None"


@dataclass(frozen=True, slots=True)
class OneRow:
    """`item` holds of one row."""

    said: Said
    place: Place
    item: "Reason"
    condition: Predicate
    places: Places

    def sought(self, known: Callable[[Place, Predicate], bool]) -> tuple[Predicate, tuple[Predicate, ...]]:
        """What the row has to meet, and the parts of it: of these the nearest row meets the most.

        `known` tells of the tests of rows that are settled and not those that this one belongs to.
        """
        parts = self.condition.conditions if isinstance(self.condition, typed.And) else ()
        whole, *asked = (self._about_row(part, known) for part in (self.condition, *parts))
        return whole, tuple(asked)

    def _about_row(self, condition: Predicate, known: Callable[[Place, Predicate], bool]) -> Predicate:
        return _bound(self.place.about(self._settled(condition, known)), self.place.row)

    def _settled(self, condition: Predicate, known: Callable[[Place, Predicate], bool]) -> Predicate:
        match condition:
            case typed.And(items):
                return both([self._settled(item, known) for item in items])
            case typed.Or(items):
                return either([self._settled(item, known) for item in items])
            case _:
                place = _innermost(condition, self.places)
                return condition if place in self.place.line else typed.Constant(known(place, condition))


Reason = Leaf | Joined | Opposite | OfRows | OneRow


def nearest_by(condition: Predicate) -> tuple[Operand, Literal["most", "least"]] | None:
    """Of rows that all miss a lone comparison with what no row decides, which misses the least."""
    match condition:
        case typed.Compare(operator, typed.FieldOf() | typed.Converted() as left, right, False):
            which = _NEARER.get(operator.symbol) if typed.is_constant(right) and left.type.kind in _ON_A_LINE else None
            return (left, which) if which else None
        case _:
            return None


_NEARER: Mapping[str, Literal["most", "least"]] = {">": "most", ">=": "most", "<": "least", "<=": "least"}
_ON_A_LINE = QUANTITIES | {Kind.DATE}


def reasons(analysis: Analysis, as_of: date) -> tuple[Place, Reason]:
    """The place of the root, and the tree."""
    root = analysis.checked.root
    place = Place(root, root)
    everyone = Leaf(Said("", f"any {root.entity.english}"), place, typed.TRUE)
    if analysis.tree is None:
        place.tests[typed.TRUE] = typed.TRUE
        return place, everyone
    outermost = _Around(root, {root: place}, {root: place})
    return place, _Reading(as_of).condition(analysis.tree, analysis.checked.condition, outermost)


def pinned(place: Place, source_id: str) -> Filter:
    """The row of a place that has this id: for the root."""
    return Filter(place.row, _has_id(place.row, source_id))


def rows_at(place: Place, owner_id: str) -> Filter:
    """The rows that a place may have, where the one that they belong to is known."""
    assert place.row.owner is not None
    return Filter(place.row, _has_id(place.row.owner, owner_id))


def _has_id(row: Row, source_id: str) -> Predicate:
    named = typed.FieldOf(row, row.entity.fields["source_id"])
    return typed.Compare(EQUAL, named, typed.Value(TEXT, source_id))


@dataclass(frozen=True, slots=True)
class _Around:
    """Where a part of the filter stands: what NOT is about there, and the rows that are settled, then and now."""

    subject: Row
    outside_not: Places
    places: Places

    def settling(self, place: Place) -> "_Around":
        return replace(self, places={**self.places, place.stands_for: place})

    def open_rows(self, node: Predicate) -> frozenset[Row]:
        """The bare rows that are next to be settled."""
        bare = bare_rows(closed(node, self.subject))
        return frozenset(row for row in bare if row not in self.places and row.owner in self.places)


@dataclass(frozen=True, slots=True)
class _Reading:
    as_of: date

    def condition(self, tree: ast.Condition, node: Predicate, around: _Around) -> Reason:
        match tree, node:
            case ast.And(parts), typed.And(items):
                return self.all_of(parts, items, around)
            case ast.Or(parts), typed.Or(items):
                alternatives = zip(parts, items, strict=True)
                asked = tuple(self.condition(part, item, around) for part, item in alternatives)
                return Joined(self.said(tree, node, around), "or", asked)
            case ast.Not(part), typed.Not(item):
                outside = replace(around, places=around.outside_not)
                return Opposite(self.said(tree, node, outside), self.condition(part, item, outside))
            case _ if rows := around.open_rows(node):
                return self.one_row(tree, node, around, rows)
            case ast.Block(), typed.Block():
                return self.block(tree, node, around)
            case _:
                return self.leaf(tree, node, around)

    def all_of(self, parts: tuple[ast.Condition, ...], items: tuple[Predicate, ...], around: _Around) -> Reason:
        """What shares a row stands together; where that is everything, the AND itself is about one row."""
        tree, node = ast.And(parts), typed.And(items)
        groups = _sharing([around.open_rows(item) for item in items])
        if len(groups) == 1 and (rows := around.open_rows(node)):
            return self.one_row(tree, node, around, rows)
        asked = tuple(self.together(parts, items, group, around) for group in groups)
        return Joined(self.said(tree, node, around), "and", asked)

    def together(
        self, parts: tuple[ast.Condition, ...], items: tuple[Predicate, ...], group: list[int], around: _Around
    ) -> Reason:
        if len(group) == 1:
            return self.condition(parts[group[0]], items[group[0]], around)
        return self.all_of(tuple(parts[at] for at in group), tuple(items[at] for at in group), around)

    def one_row(self, tree: ast.Condition, node: Predicate, around: _Around, rows: frozenset[Row]) -> OneRow:
        row = min(rows, key=lambda row: row.entity.name)
        place = self.place(row, around, bare=True)
        inside = around.settling(place)
        item = self.condition(tree, node, inside)
        return OneRow(self.said(tree, node, around), place, item, closed(node, around.subject), inside.places)

    def block(self, tree: ast.Block, node: typed.Block, around: _Around) -> OfRows:
        place = self.place(node.row, around)
        places = {outer.stands_for: outer for outer in place.line}
        inside = _Around(node.row, places, places)
        item = self.condition(tree.condition, node.condition, inside) if tree.condition else None
        condition = place.about(bind(node.condition, node.row))
        return OfRows(self.said(tree, node, around), node.quantifier, place, condition, item)

    def place(self, row: Row, around: _Around, *, bare: bool = False) -> Place:
        assert row.owner is not None
        owner = around.places[row.owner]
        return Place(Row(row.entity, Role.AT_HAND, owner=owner.row), row, owner, bare)

    def leaf(self, tree: ast.Condition, node: Predicate, around: _Around) -> Leaf:
        test = closed(node, around.subject)
        place = _innermost(test, around.places)
        place.tests[test] = place.about(test)
        return Leaf(self.said(tree, node, around), place, test)

    def said(self, tree: ast.Condition, node: Predicate, around: _Around) -> Said:
        """Of the row that was settled last, or that the condition is about."""
        condition = closed(node, around.subject)
        place = _innermost(condition, around.places)
        rows = {row: known.row for row, known in around.places.items()}
        about = _bound(cast(Predicate, typed.with_rows(condition, rows)), place.row)
        return Said(format_filter(tree), english_condition(about, place.row, self.as_of, several=False))


def _bound(condition: Predicate, row: Row) -> Predicate:
    """With quantifiers for the bare rows that are not settled: rows of this one, and other rows of its owner."""
    of_row = bind_rows(condition, row)
    return bind_rows(of_row, row.owner) if row.owner else of_row


def _innermost(condition: Predicate, places: Places) -> Place:
    """The place nearest to the rows that a condition speaks of; the first where it speaks of none."""
    spoken = [place for row, place in places.items() if row in condition.free]
    return max(spoken or list(places.values())[:1], key=lambda place: len(place.line))


def _sharing(rows: Sequence[frozenset[Row]]) -> list[list[int]]:
    """The numbers of those that share a row, directly or through others, together; in the order of the first."""
    groups: list[tuple[frozenset[Row], list[int]]] = []
    for place, own in enumerate(rows):
        joined = [group for group in groups if group[0] & own]
        members = sorted([place, *(member for _, known in joined for member in known)])
        groups = [group for group in groups if not group[0] & own]
        groups.append((own.union(*(group[0] for group in joined)), members))
    return sorted(members for _, members in groups)
