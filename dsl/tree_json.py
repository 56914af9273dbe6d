"""The tree of a filter as versioned JSON and back; text -> JSON -> text is the identity.

An object is one node: `kind` is the node's name, the other keys are its fields; a field that has its default is left
out. Numbers are strings, so that they stay exact, and days are ISO.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from datetime import date
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from dsl import ast
from dsl.diagnostics import FilterError
from dsl.formatter import format_filter, plain
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
    whole = _object(value, "", {"version", "filter"})
    # True equals 1.
    if whole["version"] != VERSION or isinstance(whole["version"], bool):
        raise TreeError("version", f"must be {VERSION}")
    tree = cast(ast.Condition, _node(whole["filter"], ast.Condition, "filter", limits.depth))
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
            parts = {part.name: getattr(value, part.name) for part in _parts(type(value)) if not _is_default(value, part)}
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
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


@cache
def _parts(node: type[ast.Node]) -> tuple["Field[Any]", ...]:
    return tuple(part for part in fields(node) if not part.name.endswith("span"))


@cache
def _hints(node: type[ast.Node]) -> Mapping[str, Any]:
    return get_type_hints(node)


def _object(value: object, path: str, keys: set[str], optional: set[str] = frozenset()) -> Json:  # type: ignore[assignment]
    if not isinstance(value, dict):
        raise TreeError(path, "must be an object")
    if unknown := sorted(map(str, value.keys() - keys - optional)):
        raise TreeError(path, f"does not know {', '.join(unknown)}; it has {', '.join(sorted(keys | optional))}")
    if lacking := sorted(keys - value.keys()):
        raise TreeError(path, f"needs {', '.join(lacking)}")
    return value
