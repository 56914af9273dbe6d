"""A filter tree as text, the way people write: letter case, quotes, spare brackets and word variants as they come."""

import random
from decimal import Decimal
from typing import assert_never

from dsl import ast

SUMS, PRODUCTS, FACTORS = 1, 2, 3
OR, AND, NOT, ATOM = 1, 2, 3, 4


def write(tree: ast.Condition, rng: random.Random) -> tuple[str, set[str]]:
    """The text, and the parameters it names."""
    writer = Writer(rng)
    return writer.condition(tree, OR), writer.parameters


class Writer:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.parameters: set[str] = set()
        self.odd_case = rng.random() < 0.3

    def word(self, *variants: str) -> str:
        word = self.rng.choice(variants)
        return self.rng.choice((word, word.lower(), word.title())) if self.odd_case else word

    def _maybe_bracketed(self, text: str, chance: float) -> str:
        return f"({text})" if self.rng.random() < chance else text

    # ---------------------------------------------------------------- conditions

    def condition(self, node: ast.Condition, outer: int) -> str:
        text, binds = self._condition(node)
        return f"({text})" if binds < outer else self._maybe_bracketed(text, 0.06)

    def _condition(self, node: ast.Condition) -> tuple[str, int]:
        match node:
            case ast.Or(conditions):
                return f" {self.word('OR')} ".join(self.condition(each, AND) for each in conditions), OR
            case ast.And(conditions):
                return f" {self.word('AND')} ".join(self.condition(each, NOT) for each in conditions), AND
            case ast.Not(condition):
                return f"{self.word('NOT')} {self.condition(condition, NOT)}", NOT
            case _:
                return self._atom(node), ATOM

    def _atom(self, node: ast.Condition) -> str:
        match node:
            case ast.Bare(operand):
                return self.operand(operand)
            case ast.Block():
                return self._block(node)
            case ast.Comparison(operator, left, right, negated):
                symbol = self._negatable(negated, operator) if operator[0].isalpha() else operator
                return f"{self.operand(left)} {symbol} {self.operand(right)}"
            case ast.Between(operand, low, high, negated):
                ends = f"{self.operand(low)} {self.word('AND')} {self.operand(high)}"
                return f"{self.operand(operand)} {self._negatable(negated, 'BETWEEN')} {ends}"
            case ast.In(operand, values, negated):
                return f"{self.operand(operand)} {self._negatable(negated, 'IN')} {self._list(values)}"
            case ast.InPeriod(operand, period, negated):
                return f"{self.operand(operand)} {self._negatable(negated, 'IN')} {self._period(period)}"
            case ast.InSegment(segment, negated):
                named = f"{self.word('SEGMENT')} {self.operand(ast.Text(segment))}"
                return f"customer {self._negatable(negated, 'IN')} {named}"
            case ast.Has():
                return self._has(node)
            case ast.Missing(operand, negated):
                asked = f"{self.word('IS')} {self.word('NOT')} " if negated else f"{self.word('IS')} "
                return f"{self.operand(operand)} {asked}{self.word('MISSING', 'MISSING', 'NULL', 'EMPTY')}"
            case ast.Not() | ast.And() | ast.Or():
                raise ValueError("not an atom")
            case _:
                assert_never(node)

    def _negatable(self, negated: bool, operator: str) -> str:
        words = " ".join(self.word(word) for word in operator.split())
        return f"{self.word('NOT')} {words}" if negated else words

    def _block(self, block: ast.Block) -> str:
        quantifier = self.word("NO", "NONE") if block.quantifier == "NO" else self.word(block.quantifier)
        body = "" if block.condition is None else f" ({self.condition(block.condition, OR)})"
        return f"{quantifier} {block.entity}{body}"

    def _has(self, node: ast.Has) -> str:
        has = f"{self.operand(node.operand)} {self._negatable(node.negated, 'HAS')}"
        if not node.listed:
            return f"{has} {self.operand(node.values[0])}"
        return f"{has} {self.word(node.quantifier)} {self._list(node.values)}"

    def _list(self, values: tuple[ast.Operand, ...]) -> str:
        return f"({', '.join(self.operand(value) for value in values)})"

    def _period(self, period: ast.Rolling | ast.Calendar) -> str:
        if isinstance(period, ast.Calendar):
            return f"{self.word(period.which)} {self.word(period.unit)}"
        return f"{self.word(period.direction)} {period.count} {self.word(period.unit)}"

    # ---------------------------------------------------------------- operands

    def operand(self, node: ast.Operand, outer: int = SUMS) -> str:
        text, binds = self._operand(node)
        return f"({text})" if binds < outer else self._maybe_bracketed(text, 0.04 if binds < FACTORS else 0)

    def _operand(self, node: ast.Operand) -> tuple[str, int]:
        if isinstance(node, ast.Arithmetic):
            binds = SUMS if node.operator in "+-" else PRODUCTS
            return f"{self.operand(node.left, binds)} {node.operator} {self.operand(node.right, binds + 1)}", binds
        if isinstance(node, ast.Negative):
            return f"-{self.operand(node.operand, FACTORS)}", PRODUCTS
        return self._leaf(node), FACTORS

    def _leaf(self, node: ast.Operand) -> str:
        match node:
            case ast.Name(entity, name):
                return f"{entity}.{name}" if entity else name
            case ast.Number(value):
                return self._number(value)
            case ast.Percent(value):
                return f"{value:f}%"
            case ast.Money(value, currency):
                return f"{value:f} {currency}"
            case ast.Text(text):
                return self._quoted(text)
            case ast.Day(day):
                return day.isoformat()
            case ast.Today(offset):
                return self.word(("YESTERDAY", "TODAY", "TOMORROW")[offset + 1].lower())
            case ast.Duration(count, unit):
                return f"{count} {self.word(unit, unit.lower())}"
            case ast.Flag(flag):
                return self.word(str(flag).lower())
            case ast.Parameter(name):
                self.parameters.add(name)
                return f"${name}"
            case ast.Aggregate(function, entity, field, where):
                return f"{self.word(function)}({f'{entity}.{field}' if field else entity}{self._where(where)})"
            case ast.First(entity, field, where, by):
                keys = ", ".join(self._key(key) for key in by)
                return f"{self.word('FIRST')}({entity}.{field}{self._where(where)} {self.word('BY')} {keys})"
            case ast.Arithmetic() | ast.Negative():
                raise ValueError("not a leaf")
            case _:
                assert_never(node)

    def _where(self, condition: ast.Condition | None) -> str:
        return "" if condition is None else f" {self.word('WHERE')} {self.condition(condition, OR)}"

    def _key(self, key: ast.SortKey) -> str:
        return f"{self.operand(key.key)} {self.word('DESC')}" if key.descending else self.operand(key.key)

    def _number(self, value: Decimal) -> str:
        if value and value % 1000 == 0 and self.rng.random() < 0.3:
            return f"{value / 1000:f}k"
        if value >= 1000 and self.rng.random() < 0.3:
            return f"{value:,f}".replace(",", "_")
        return f"{value:f}"

    def _quoted(self, text: str) -> str:
        quote = self.rng.choice("'''\"")
        return quote + text.replace(quote, quote * 2) + quote
