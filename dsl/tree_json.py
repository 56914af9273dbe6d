"""The tree of a filter as versioned JSON and back; text -> JSON -> text is the identity.

An object is one node: `kind` is the node's name, the other keys are its fields; a field that has its default is left
out. Numbers are strings, so that they stay exact, and days are ISO.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import MISSING, Field, fields
from datetime import date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from dsl import ast
from dsl.diagnostics import FilterError
from dsl.formatter import format_filter
from dsl.literals import plain
from dsl.parser import DEFAULT_LIMITS, MOST_DIGITS, Limits, parse

VERSION = 1

Json = dict[str, Any]


class TreeError(ValueError):
    """JSON that is no tree of a filter. `path` leads to the place: `filter.conditions[1].operator`."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = message
        super().__init__(f"{path}: {message}" if path else message)


def to_json(tree: ast.Condition) -> Json:
    return {"version": VERSION, "filter": _written(tree)}


def from_json(value: object, limits: Limits = DEFAULT_LIMITS) -> ast.Condition:
    """Raises `TreeError`. What it returns is a tree that the parser makes of some text, and within the limits."""
    whole = _object(value, "", {"version", "filter"}, set())
    # True and 1.0 equal 1 too.
    if whole["version"] != VERSION or type(whole["version"]) is not int:
        raise TreeError("version", f"must be {VERSION}")
    tree = cast(ast.Condition, _node(whole["filter"], get_args(ast.Condition), "filter", limits.depth))
    try:
        parsed = parse(format_filter(tree), limits)
    except FilterError as error:
        raise TreeError("filter", error.diagnostics[0].message) from error
    if parsed != tree:
        raise TreeError("filter", f"is not how {format_filter(parsed)} is written as a tree")
    return tree


# ---------------------------------------------------------------- writing


def _written(value: object) -> object:
    match value:
        case ast.Node():
            parts = {
                part.name: getattr(value, part.name) for part in _PARTS[type(value)] if not _is_default(value, part)
            }
            return {"kind": _KIND_OF[type(value)], **{name: _written(part) for name, part in parts.items()}}
        case tuple():
            return [_written(item) for item in value]
        case Decimal():
            return plain(value)
        case date():
            return value.isoformat()
        case _:
            return value


def _is_default(node: ast.Node, part: "Field[Any]") -> bool:
    return bool(part.default is not MISSING and getattr(node, part.name) == part.default)


# ---------------------------------------------------------------- reading

_NODE_TYPES = (*get_args(ast.Condition), *get_args(ast.Operand), ast.SortKey, ast.Rolling, ast.Calendar)
_KIND_OF = {node: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.__name__).lower() for node in _NODE_TYPES}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_PARTS = {node: [part for part in fields(node) if not part.name.endswith("span")] for node in _NODE_TYPES}
_HINTS = {node: get_type_hints(node) for node in _NODE_TYPES}


def _value(value: object, hint: Any, path: str, room: int) -> object:
    allowed = get_args(hint) or (hint,)
    if get_origin(hint) is Literal:
        return _one_of(value, allowed, path)
    if get_origin(hint) is tuple:
        return tuple(_value(item, allowed[0], f"{path}[{n}]", room) for n, item in enumerate(_list(value, path)))
    if value is None and NoneType in allowed:
        return None
    if issubclass(allowed[0], ast.Node):
        return _node(value, allowed, path, room)
    return _plain_value(value, allowed[0], path)


def _node(value: object, allowed: Sequence[type], path: str, room: int) -> ast.Node:
    """`room` is how many levels may still follow."""
    if room == 0:
        raise TreeError(path, "is nested too deeply")
    kinds = {kind: node for node, kind in _KIND_OF.items() if node in allowed}
    kind = _one_of(value.get("kind") if isinstance(value, dict) else None, tuple(kinds), f"{path}.kind")
    node = kinds[kind]
    needed = {part.name for part in _PARTS[node] if part.default is MISSING}
    found = _object(value, path, needed | {"kind"}, {part.name for part in _PARTS[node]})
    hints = _HINTS[node]
    parts = {
        name: _value(part, hints[name], f"{path}.{name}", room - 1) for name, part in found.items() if name != "kind"
    }
    return cast(ast.Node, node(**parts))


def _object(value: object, path: str, needed: Set[str], known: Set[str]) -> Json:
    if not isinstance(value, dict):
        raise TreeError(path, "must be an object")
    if unknown := sorted(map(str, value.keys() - needed - known)):
        raise TreeError(path, f"does not know {', '.join(unknown)}; it has {', '.join(sorted(needed | known))}")
    if lacking := sorted(needed - value.keys()):
        raise TreeError(path, f"needs {', '.join(lacking)}")
    return value


def _list(value: object, path: str) -> list[object]:
    if not isinstance(value, list):
        raise TreeError(path, "must be a list")
    return value


def _one_of(value: object, allowed: Sequence[str], path: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise TreeError(path, f"must be one of {', '.join(allowed)}")
    return value


def _plain_value(value: object, kind: type, path: str) -> object:
    if kind is Decimal:
        return _number(value, path)
    if kind is date:
        return _day(value, path)
    # True is an int.
    if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
        raise TreeError(path, f"must be {_SAID[kind]}")
    if kind is int and value not in _WHOLE[path.rpartition(".")[2]]:
        raise TreeError(path, "is out of range")
    return value


_SAID = {str: "a text", bool: "true or false", int: "a whole number"}
_WHOLE = {"offset": range(-1, 2), "count": range(100_001)}


def _number(value: object, path: str) -> Decimal:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value) or len(value) > MOST_DIGITS + 1:
        raise TreeError(path, f"must be a number written as a text, such as '1000.50', of at most {MOST_DIGITS} digits")
    return Decimal(value)


def _day(value: object, path: str) -> date:
    try:
        day = datetime.strptime(str(value), "%Y-%m-%d").date()
    except ValueError:
        day = None
    if day is None or day.isoformat() != value:
        raise TreeError(path, "must be a day written as a text, such as '2026-01-31'")
    return day
