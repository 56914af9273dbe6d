"""NOT beside a positive condition on the same kind of row: where it stands, and both corrections (rule 4)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never, cast

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
    """The exact complement about the same row, written in the operators; None where there is no such writing."""
    if entity.name == "customer" and (other := _only_entity(condition)) not in (None, "customer"):
        return _block("NO", str(other), stripped(condition, str(other)))
    return _opposite(condition, catalog)


def inside_block(condition: ast.Condition, entity: Entity, catalog: Catalog) -> ast.Condition | None:
    """NO entity (condition), or None if the condition speaks of other kinds of rows too."""
    only = _only_entity(condition)
    if only == entity.name:
        return _block("NO", only, stripped(condition, only))
    if entity.name == "customer" and only in catalog.entities:
        return _block("NO", "customer", _block("ANY", str(only), stripped(condition, str(only))))
    return None


def _block(quantifier: str, entity: str, condition: ast.Condition) -> ast.Condition:
    return ast.Block("NO" if quantifier == "NO" else "ANY", entity, condition)


def _only_entity(condition: ast.Condition) -> str | None:
    found = {name.entity for name in _names(condition)}
    return found.pop() if len(found) == 1 else None


def _names(node: object) -> Iterator[ast.Name]:
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, ast.Block | ast.Aggregate | ast.First):
        yield ast.Name(f"{node.entity} rows", "")
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


def _opposite(condition: ast.Condition, catalog: Catalog) -> ast.Condition | None:
    match condition:
        case ast.Not(inner):
            return inner
        case ast.And(items):
            return _all_opposite(items, ast.Or, catalog)
        case ast.Or(items):
            return _all_opposite(items, ast.And, catalog)
        case ast.Bare(operand):
            return ast.Comparison("=", operand, ast.Flag(False))
        case ast.Comparison(operator="=" | "!="):
            return replace(condition, operator="!=" if condition.operator == "=" else "=")
        case ast.Comparison(operator, left, right) if operator in _FLIPPED:
            flipped = replace(condition, operator=_FLIPPED[operator])
            unknown = [ast.Missing(side) for side in (left, right) if _may_be_missing(side, catalog)]
            return ast.Or((flipped, *unknown)) if unknown else flipped
        case ast.Comparison() | ast.Between() | ast.In() | ast.InPeriod() | ast.Has() | ast.Missing():
            return replace(condition, negated=not condition.negated)
        case ast.Block(quantifier):
            swapped: dict[str, ast.Condition] = {
                "ANY": replace(condition, quantifier="NO"),
                "NO": replace(condition, quantifier="ANY"),
            }
            return swapped.get(quantifier)
        case _:
            assert_never(condition)


def _all_opposite(
    items: Sequence[ast.Condition], joined: type[ast.And] | type[ast.Or], catalog: Catalog
) -> ast.Condition | None:
    opposites = [_opposite(item, catalog) for item in items]
    return None if None in opposites else joined(tuple(item for item in opposites if item))


def _may_be_missing(operand: ast.Operand, catalog: Catalog) -> bool:
    """A customer may have no group, whose fields are all missing then."""
    fields = [(name.entity, catalog.field(name.entity, name.field)) for name in _names(operand)]
    return not all(field and field.required and entity != "group" for entity, field in fields)
