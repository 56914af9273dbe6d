"""NOT beside a positive condition on the same kind of row: where it stands, and both corrections (rule 4)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, cast

from dsl import ast, typed
from dsl.catalog import Catalog, Entity
from dsl.typed import Predicate, Row, bare_rows

_FLIPPED: dict[ast.ComparisonOperator, ast.ComparisonOperator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def positive_rows(condition: Predicate) -> frozenset[Row]:
    """The bare rows of which a condition says something outside any NOT."""
    match condition:
        case typed.Not():
            return frozenset()
        case typed.And(items) | typed.Or(items):
            return frozenset[Row]().union(*map(positive_rows, items))
        case _:
            return bare_rows(condition)


def negations(node: ast.Condition, condition: Predicate) -> Iterator[tuple[ast.Not, frozenset[Row]]]:
    """Each NOT that can stand in one AND with the condition's neighbours, with the bare rows it speaks of."""
    match node, condition:
        case ast.Not(), typed.Not(inner):
            yield node, bare_rows(inner)
        case (ast.And(nodes), typed.And(items)) | (ast.Or(nodes), typed.Or(items)):
            for child, item in zip(nodes, items, strict=True):
                yield from negations(child, item)


def opposite(condition: ast.Condition, entity: Entity, catalog: Catalog) -> ast.Condition | None:
    """The complement about the same row, written in the operators; what is said of other kinds of rows is said of none.

    None where there is no such writing.
    """
    about = _entities(condition)
    match condition:
        case ast.Not(inner):
            return inner
        case _ if len(about) == 1 and _is_many(other := min(about), entity, catalog):
            return ast.Block("NO", other, stripped(condition, other))
        case ast.And(items):
            return _all_opposite(_together(items, entity, catalog), ast.Or, entity, catalog)
        case ast.Or(items):
            return _all_opposite(items, ast.And, entity, catalog)
        case _:
            return _flipped(condition, entity, catalog)


def none_at_all(condition: ast.Condition, entity: Entity) -> ast.Condition | None:
    """The complement with what is said of the entity put into a block of its own."""
    if entity.name == "customer" or _entities(condition) == {entity.name}:
        inner = condition.condition if isinstance(condition, ast.Not) else condition
        quantifier: Literal["ANY", "NO"] = "ANY" if isinstance(condition, ast.Not) else "NO"
        return ast.Block(quantifier, entity.name, stripped(inner, entity.name))
    boxed = _boxed(condition, entity.name)
    return ast.Not(boxed) if boxed else None


def _boxed(condition: ast.Condition, entity: str) -> ast.Condition | None:
    """The condition with its parts about the entity in ANY blocks; None where one row would fall into two blocks."""
    about = _entities(condition)
    if entity not in about:
        return condition
    if about == {entity}:
        return ast.Block("ANY", entity, stripped(condition, entity))
    match condition:
        case ast.Not(inner):
            boxed = _boxed(inner, entity)
            return ast.Not(boxed) if boxed else None
        case ast.Or(items):
            parts = [_boxed(item, entity) for item in items]
            return None if None in parts else ast.Or(tuple(part for part in parts if part))
        case ast.And(items):
            own = tuple(item for item in items if _entities(item) == {entity})
            rest = tuple(item for item in items if _entities(item) != {entity})
            if any(entity in _entities(item) for item in rest):
                return None
            return ast.And((ast.Block("ANY", entity, stripped(_joined(own), entity)), *rest))
        case _:
            return None


def _together(items: Sequence[ast.Condition], entity: Entity, catalog: Catalog) -> list[ast.Condition]:
    """Of one AND, what speaks wholly of another kind of row speaks of one such row: it is negated as a whole."""
    groups: dict[str, list[ast.Condition]] = {}
    others: list[ast.Condition] = []
    for item in items:
        about = _entities(item)
        if len(about) == 1 and _is_many(min(about), entity, catalog):
            groups.setdefault(min(about), []).append(item)
        else:
            others.append(item)
    return [*others, *(_joined(tuple(group)) for group in groups.values())]


def _joined(items: tuple[ast.Condition, ...]) -> ast.Condition:
    return items[0] if len(items) == 1 else ast.And(items)


def _is_many(name: str, entity: Entity, catalog: Catalog) -> bool:
    return name != entity.name and name not in catalog.to_one


def _all_opposite(
    items: Sequence[ast.Condition], joined: type[ast.And] | type[ast.Or], entity: Entity, catalog: Catalog
) -> ast.Condition | None:
    mixed = [item for item in items if sum(_is_many(name, entity, catalog) for name in _entities(item)) > 0]
    if joined is ast.Or and any(len(_entities(item)) > 1 for item in mixed):
        return None
    opposites = [opposite(item, entity, catalog) for item in items]
    return None if None in opposites else joined(tuple(item for item in opposites if item))


def _entities(condition: ast.Condition) -> set[str]:
    return {name.entity or "" for name in _names(condition)}


def _names(node: object) -> Iterator[ast.Name]:
    """The fields that a condition names; a block or an aggregate is about the customer at hand."""
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, ast.Block | ast.Aggregate | ast.First):
        yield ast.Name("customer", "")
    elif isinstance(node, ast.Node):
        for name in node.__dataclass_fields__:
            yield from _names(getattr(node, name))
    elif isinstance(node, tuple):
        for item in node:
            yield from _names(item)


def stripped(condition: ast.Condition, entity: str) -> ast.Condition:
    """The condition as it is written inside a block about the entity."""
    return cast(ast.Condition, _without_prefix(condition, entity))


def _without_prefix(node: object, entity: str) -> object:
    if isinstance(node, ast.Name):
        return replace(node, entity=None) if node.entity == entity else node
    if isinstance(node, tuple):
        return tuple(_without_prefix(item, entity) for item in node)
    if isinstance(node, ast.Node):
        changed = {name: _without_prefix(getattr(node, name), entity) for name in node.__dataclass_fields__}
        return type(node)(**changed)  # type: ignore[arg-type]
    return node


def _flipped(condition: ast.Condition, entity: Entity, catalog: Catalog) -> ast.Condition | None:
    match condition:
        case ast.Bare(operand) if _may_be_missing(operand, catalog):
            return ast.Comparison("!=", operand, ast.Flag(True))
        case ast.Bare(operand):
            return ast.Comparison("=", operand, ast.Flag(False))
        case ast.Comparison(operator="=" | "!="):
            return replace(condition, operator="!=" if condition.operator == "=" else "=")
        case ast.Comparison(operator, left, right) if operator in _FLIPPED:
            flipped = replace(condition, operator=_FLIPPED[operator])
            unknown = [ast.Missing(side) for side in (left, right) if _may_be_missing(side, catalog)]
            return ast.Or((flipped, *unknown)) if unknown else flipped
        case ast.Comparison() | ast.Between() | ast.In() | ast.InPeriod() | ast.InSegment() | ast.Has() | ast.Missing():
            return replace(condition, negated=not condition.negated)
        case ast.Block("ANY"):
            return replace(condition, quantifier="NO")
        case ast.Block("NO"):
            return replace(condition, quantifier="ANY")
        case _:
            # A block is about the customer at hand; at level group its NOT would speak of all members again.
            return None if entity.name == "customer" else ast.Not(condition)


def _may_be_missing(operand: ast.Operand, catalog: Catalog) -> bool:
    """A customer may have no group, whose fields are all missing then."""
    fields = [(name.entity, catalog.field(name.entity, name.field)) for name in _names(operand)]
    return not all(field and field.required and entity != "group" for entity, field in fields)
