"""The conditions of a filter's parts as rows of a form: field, operator and values, where it is as simple as that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dsl import ast
from dsl.checker import Level
from dsl.formatter import format_filter, format_operand
from dsl.parts import ENTITIES, PARTS, Part, conjuncts, joined, split


@dataclass(frozen=True, slots=True)
class Condition:
    """`text` is all of it. `field`, the operator as the catalog writes it and the values' texts are there for a plain
    test of a field only."""

    text: str
    field: str | None = None
    operator: str | None = None
    values: tuple[str, ...] = ()


def conditions(tree: ast.Condition, level: Level = "customer") -> dict[Part, list[Condition]] | None:
    """None for a filter that cannot be told apart."""
    parts = split(tree)
    if parts is None:
        return None
    return {part: [_condition(item, part, level) for item in conjuncts(condition)] for part, condition in parts.items()}


def filter_of(parts: Mapping[Part, Iterable[ast.Condition]]) -> ast.Condition | None:
    """Of the conditions of each part; None without any. Raises `Misplaced`."""
    given = {part: tuple(item for one in parts.get(part, ()) for item in conjuncts(one)) for part in PARTS}
    made = {part: ast.And(items) if len(items) > 1 else items[0] for part, items in given.items() if items}
    return joined(made) if made else None


def _condition(node: ast.Condition, part: Part, level: Level) -> Condition:
    text, entity = format_filter(node), ENTITIES[part]
    match node:
        case ast.Comparison(operator, ast.Name() as name, right, negated) if _is_plain(right):
            return _test(text, name, entity, _not(negated, operator), (right,))
        case ast.Between(ast.Name() as name, low, high, negated) if _is_plain(low) and _is_plain(high):
            return _test(text, name, entity, _not(negated, "BETWEEN"), (low, high))
        case ast.In(ast.Name() as name, values, negated) if all(map(_is_plain, values)):
            return _test(text, name, entity, _not(negated, "IN"), values)
        case ast.Has(ast.Name() as name, quantifier, values, _, False) if all(map(_is_plain, values)):
            return _test(text, name, entity, f"HAS {quantifier}", values)
        case ast.InPeriod(ast.Name() as name, ast.Rolling(direction, count, unit), negated):
            return Condition(text, _path(name, entity), _not(negated, f"IN {direction}"), (f"{count} {unit}",))
        case ast.InPeriod(ast.Name() as name, ast.Calendar(which, unit), negated):
            return Condition(text, _path(name, entity), _not(negated, f"IN {which}"), (unit,))
        case ast.Missing(ast.Name() as name, negated):
            return _test(text, name, entity, f"IS {'NOT ' if negated else ''}MISSING", ())
        case ast.Bare(ast.Name() as name):
            return _test(text, name, entity, "=", (ast.Flag(True),))
        case ast.Not(ast.Bare(ast.Name() as name)) if _is_one(name, part, level):
            return _test(text, name, entity, "!=", (ast.Flag(True),))
        case _:
            return Condition(text)


def _is_one(name: ast.Name, part: Part, level: Level) -> bool:
    """Whether it is of a row that there is one of: said of any other, NOT says that there is none."""
    if part in ("invoices", "payments") and name.entity in (None, ENTITIES[part]):
        return True
    return name.entity in ("group", "company", *(("customer",) if level == "customer" else ()))


def _test(text: str, name: ast.Name, entity: str, operator: str, values: tuple[ast.Operand, ...]) -> Condition:
    return Condition(text, _path(name, entity), operator, tuple(map(format_operand, values)))


def _path(name: ast.Name, entity: str) -> str:
    return f"{name.entity or entity}.{name.field}"


def _not(negated: bool, operator: str) -> str:
    return f"NOT {operator}" if negated else operator


def _is_plain(operand: ast.Operand) -> bool:
    """Whether it is one value: a literal, or a day so and so long from today."""
    match operand:
        case ast.Number() | ast.Percent() | ast.Money() | ast.Text() | ast.Day() | ast.Today() | ast.Flag():
            return True
        case ast.Arithmetic("+" | "-", ast.Today(), ast.Duration()):
            return True
        case _:
            return False
