"""AST to canonical text: keywords in capitals, one space between tokens, minimal parentheses.

`parse(format_filter(tree)) == tree` for every tree the parser makes.
"""

from collections.abc import Sequence
from typing import assert_never

from dsl import ast
from dsl.literals import plain, quoted

# How tightly a form binds; a form inside a tighter one needs parentheses.
_OR, _AND, _NOT, _SUM, _PRODUCT, _SIGN, _ATOM = range(7)


def format_filter(tree: ast.Condition) -> str:
    return _condition(tree, _OR)


def _condition(node: ast.Condition, around: int) -> str:
    match node:
        case ast.Or(conditions):
            return _bracketed(" OR ".join(_condition(item, _AND) for item in conditions), _OR, around)
        case ast.And(conditions):
            return _bracketed(" AND ".join(_condition(item, _NOT) for item in conditions), _AND, around)
        case ast.Not(condition):
            return f"NOT {_condition(condition, _NOT)}"
        case ast.Block(quantifier, entity, body):
            return f"{quantifier} {entity}" + ("" if body is None else f" ({_condition(body, _OR)})")
        case ast.Comparison(operator, left, right, negated):
            return f"{format_operand(left)} {_not(negated)}{operator} {format_operand(right)}"
        case ast.Between(operand, low, high, negated):
            ends = f"{format_operand(low)} AND {format_operand(high)}"
            return f"{format_operand(operand)} {_not(negated)}BETWEEN {ends}"
        case ast.In(operand, values, negated):
            return f"{format_operand(operand)} {_not(negated)}IN {_list(values)}"
        case ast.InPeriod(operand, period, negated):
            return f"{format_operand(operand)} {_not(negated)}IN {format_period(period)}"
        case ast.InSegment(segment, negated):
            return f"customer {_not(negated)}IN SEGMENT {quoted(segment)}"
        case ast.Has(operand, _, (value,), False, negated):
            return f"{format_operand(operand)} {_not(negated)}HAS {format_operand(value)}"
        case ast.Has(operand, quantifier, values, _, negated):
            return f"{format_operand(operand)} {_not(negated)}HAS {quantifier} {_list(values)}"
        case ast.Missing(operand, negated):
            return f"{format_operand(operand)} IS {_not(negated)}MISSING"
        case ast.Bare(operand):
            return format_operand(operand)
        case _:
            assert_never(node)


def format_operand(node: ast.Operand, around: int = _SUM) -> str:
    match node:
        case ast.Name(None, field):
            return field
        case ast.Name(entity, field):
            return f"{entity}.{field}"
        case ast.Number(value):
            return plain(value)
        case ast.Percent(value):
            return f"{plain(value)}%"
        case ast.Money(amount, currency):
            return f"{plain(amount)} {currency}"
        case ast.Text(value):
            return quoted(value)
        case ast.Day(value):
            return value.isoformat()
        case ast.Today(offset):
            return ("yesterday", "today", "tomorrow")[offset + 1]
        case ast.Duration(count, unit):
            return f"{count} {unit}"
        case ast.Flag(value):
            return "true" if value else "false"
        case ast.Parameter(name):
            return f"${name}"
        case ast.Aggregate(function, entity, field, where):
            return f"{function}({_path(entity, field)}{_where(where)})"
        case ast.First(entity, field, where, by):
            keys = ", ".join(format_operand(key.key) + (" DESC" if key.descending else "") for key in by)
            return f"FIRST({_path(entity, field)}{_where(where)} BY {keys})"
        case ast.Arithmetic(operator, left, right):
            level = _PRODUCT if operator in "*/" else _SUM
            text = f"{format_operand(left, level)} {operator} {format_operand(right, level + 1)}"
            return _bracketed(text, level, around)
        case ast.Negative(operand):
            return f"-{format_operand(operand, _SIGN)}"
        case _:
            assert_never(node)


def format_period(period: ast.Rolling | ast.Calendar) -> str:
    if isinstance(period, ast.Rolling):
        return f"{period.direction} {period.count} {period.unit}"
    return f"{period.which} {period.unit}"


def _bracketed(text: str, level: int, around: int) -> str:
    return f"({text})" if level < around else text


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _list(values: Sequence[ast.Operand]) -> str:
    return f"({', '.join(map(format_operand, values))})"


def _path(entity: str, field: str | None) -> str:
    return entity if field is None else f"{entity}.{field}"


def _where(condition: ast.Condition | None) -> str:
    return "" if condition is None else f" WHERE {_condition(condition, _OR)}"
