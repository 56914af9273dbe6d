"""A filter in parts, as a workflow shows them: conditions on customers, groups, invoices and payments.

Each part is a filter over its own entity, whose names may go without their entity. The parts joined make one filter:
a customer is in if it meets its own conditions, has one invoice that meets all of the invoice conditions and one
payment that meets all of the payment conditions.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, cast, get_args

from dsl import ast

Part = Literal["customers", "groups", "invoices", "payments"]
PARTS: tuple[Part, ...] = get_args(Part)

ENTITIES: Mapping[Part, str] = {
    "customers": "customer",
    "groups": "group",
    "invoices": "invoice",
    "payments": "payment",
}
_OF_ROWS: Mapping[str, Part] = {"invoice": "invoices", "payment": "payments"}


class Misplaced(ValueError):
    """A condition in the wrong part; the message says which."""


def joined(parts: Mapping[Part, ast.Condition]) -> ast.Condition:
    """Of at least one part; raises ValueError without any, `Misplaced` for rows in a part about their customer."""
    conditions = [_of_part(part, parts[part], _named_beside(part, parts)) for part in PARTS if part in parts]
    if not conditions:
        raise ValueError("there is no part")
    return _all_of(conditions)


def _named_beside(part: Part, parts: Mapping[Part, ast.Condition]) -> bool:
    """Whether another part speaks of such rows too, and so of rows of its own."""
    others = (name.entity for other in parts if other != part for name in _names(parts[other]))
    return ENTITIES[part] in others


def split(tree: ast.Condition) -> dict[Part, ast.Condition] | None:
    """The parts of a filter; None where it cannot be told apart: an OR across parts, a row compared with another's."""
    found: dict[Part, list[ast.Condition]] = {}
    for condition in conjuncts(tree):
        part = _part_of(condition)
        if part is None:
            return None
        found.setdefault(part, []).append(condition)
    for entity, part in _OF_ROWS.items():
        if part not in found:
            _take_block(found, entity, part)
    return {part: _all_of(found[part]) for part in PARTS if part in found}


def _take_block(found: dict[Part, list[ast.Condition]], entity: str, part: Part) -> None:
    """A single ANY block over invoices is the part about invoices: it stands among what is said of the customer."""
    blocks = [item for item in found.get("customers", []) if _is_any(item, entity)]
    match blocks:
        case [ast.Block(condition=body) as block] if body is not None:
            found[part] = [body]
            found["customers"].remove(block)
            if not found["customers"]:
                del found["customers"]
        case _:
            pass


def _is_any(condition: ast.Condition, entity: str) -> bool:
    return isinstance(condition, ast.Block) and condition.quantifier == "ANY" and condition.entity == entity


def _part_of(condition: ast.Condition) -> Part | None:
    named = {name.entity or "" for name in _names(condition)}
    rows = named & _OF_ROWS.keys()
    if not rows:
        return "groups" if named == {"group"} else "customers"
    if isinstance(condition, ast.Not):
        return "customers"  # no such row at all: that is said of the customer
    entity = min(rows)
    alone = named <= {entity, "customer", "group", "company"}
    return _OF_ROWS[entity] if alone and _is_about(condition, entity) else None


def _is_about(condition: ast.Condition, entity: str) -> bool:
    """Whether each of its tests is one of the same row."""
    match condition:
        case ast.Not() | ast.Block():
            return False
        case ast.And(items) | ast.Or(items):
            return all(_is_about(item, entity) for item in items)
        case _:
            return any(name.entity == entity for name in _names(condition))


def _of_part(part: Part, condition: ast.Condition, named_beside: bool) -> ast.Condition:
    """Conditions that are all plain tests of a row bind to one by themselves; any others need the block."""
    entity = ENTITIES[part]
    qualified: ast.Condition = _qualified(condition, entity)
    if entity not in _OF_ROWS:
        _refuse_rows(part, qualified)
    is_plain = all(_is_plain(item, entity) for item in conjuncts(qualified))
    if entity in _OF_ROWS and (named_beside or not is_plain):
        return ast.Block("ANY", entity, condition)
    return qualified


def _refuse_rows(part: Part, condition: ast.Condition) -> None:
    for item in conjuncts(condition):
        elsewhere = _part_of(item)
        if elsewhere in _OF_ROWS.values():
            raise Misplaced(f"What is said of {elsewhere} among the conditions on {part} belongs to a part of its own.")


def _is_plain(condition: ast.Condition, entity: str) -> bool:
    return not isinstance(condition, ast.Or) and _is_about(condition, entity)


def conjuncts(condition: ast.Condition) -> tuple[ast.Condition, ...]:
    return condition.conditions if isinstance(condition, ast.And) else (condition,)


def _all_of(conditions: list[ast.Condition]) -> ast.Condition:
    items = tuple(item for condition in conditions for item in conjuncts(condition))
    return ast.And(items) if len(items) > 1 else items[0]


# ---------------------------------------------------------------- names outside of blocks and aggregates

_SCOPES = (ast.Block, ast.Aggregate, ast.First)


def _names(node: object) -> Iterator[ast.Name]:
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from _names(item)
    elif is_dataclass(node) and not isinstance(node, _SCOPES):
        for name in _parts_of(cast(Hashable, type(node))):
            yield from _names(getattr(node, name))


def _qualified(node: Any, entity: str) -> Any:
    """With its entity before every name that goes without."""
    if isinstance(node, ast.Name):
        return node if node.entity else replace(node, entity=entity)
    if isinstance(node, tuple):
        return tuple(_qualified(item, entity) for item in node)
    if not is_dataclass(node) or isinstance(node, (*_SCOPES, type)):
        return node
    return replace(
        node, **{name: _qualified(getattr(node, name), entity) for name in _parts_of(cast(Hashable, type(node)))}
    )


@cache
def _parts_of(kind: Hashable) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cast(Any, kind)) if item.compare)
