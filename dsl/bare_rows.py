"""Which bare rows the parts of a formula are about, for the translation set by set."""

from collections.abc import Iterator, Sequence

from dsl import typed
from dsl.typed import FieldOf, Predicate, Role, Row


def by_bare_row(owner: Row, conditions: Sequence[Predicate]) -> dict[Row, list[Predicate]]:
    """The largest parts of conditions that are about one bare row of the owner, and what belongs to that row."""
    found: dict[Row, dict[Predicate, None]] = {}
    for condition in conditions:
        for bare, part in _parts(condition, owner):
            found.setdefault(bare, {})[part] = None
    return {bare: list(parts) for bare, parts in found.items()}


def _parts(condition: Predicate, owner: Row) -> Iterator[tuple[Row, Predicate]]:
    about = _about(condition, owner)
    if len(about) == 1 and (bare := next(iter(about))) is not None:
        yield bare, condition
    elif isinstance(condition, typed.And | typed.Or):
        for part in condition.conditions:
            yield from _parts(part, owner)


def gathered(condition: Predicate, owner: Row) -> Predicate:
    """The same, with what is about one bare row side by side: it is one question of that row."""
    if not isinstance(condition, typed.And | typed.Or):
        return condition
    groups: dict[frozenset[Row | None], list[Predicate]] = {}
    for part in condition.conditions:
        groups.setdefault(_about(part, owner), []).append(gathered(part, owner))
    whole = type(condition)
    return whole(tuple(whole(tuple(parts)) for parts in groups.values())) if len(groups) > 1 else condition


def _about(condition: Predicate, owner: Row) -> frozenset[Row | None]:
    """The bare rows of the owner that a condition is about; None among them where a part is about none."""
    if isinstance(condition, typed.And | typed.Or):
        return frozenset[Row | None]().union(*(_about(part, owner) for part in condition.conditions))
    spoken_of = (row for spoken in _spoken_of(condition) for row in _upwards(spoken))
    return frozenset(row for row in spoken_of if row.role is Role.BARE and row.owner == owner) or _NONE


def _spoken_of(node: typed.Node) -> Iterator[Row]:
    """The rows that a condition is about. A NOT is closed; a block or an aggregate is about whom its rows belong to."""
    match node:
        case typed.Not():
            return
        case FieldOf(row) | typed.InSegment(row):
            yield row
        case typed.Block(row=row) | typed.Aggregated(row=row) | typed.FirstOf(row=row):
            yield from _upwards(row.owner)
        case typed.Converted(operand, source, target):
            yield from (currency.row for currency in (source, target) if currency.row)
            yield from _spoken_of(operand)
        case _:
            for child in typed.children(node):
                yield from _spoken_of(child)


def _upwards(row: Row | None) -> Iterator[Row]:
    while row is not None:
        yield row
        row = row.owner


_NONE = frozenset[Row | None]({None})
