"""What may be added, subtracted, multiplied and divided, and the type that comes of it."""

from collections.abc import Sequence
from decimal import Decimal

from dsl import ast, typed
from dsl.diagnostics import Span
from dsl.money import in_one_currency, named_currencies
from dsl.typed import Operand, Value
from dsl.types import DATE, DAYS, MONEY, NUMBER, NUMERIC, PERCENT, QUANTITIES, TEXT, Kind, Type
from dsl.values import Found, Given, Stop, Untyped, ValueChecker, adapts, with_article


class ArithmeticChecker(ValueChecker):
    def _number_side(self, operand: Found, node: ast.Operand) -> Operand:
        return self._coerce(operand, NUMBER, node) if isinstance(operand, Untyped | Given) else operand

    def _sum(self, node: ast.Arithmetic, left: Found, right: Found) -> Operand:
        if Kind.DATE in (_kind(left), _kind(right)):
            return self._date_sum(node, left, right)
        if adapts(left) and adapts(right):
            left, right = self._number_side(left, node.left), self._number_side(right, node.right)
        kinds = {_kind(left), _kind(right)}
        if Kind.MONEY in kinds or Kind.PERCENT in kinds:
            target = MONEY if Kind.MONEY in kinds else PERCENT
            if kinds == {Kind.MONEY, Kind.PERCENT}:
                raise self._no_arithmetic(node, left, right)
            sides = [self._coerce(left, target, node.left), self._coerce(right, target, node.right)]
            if target is MONEY:
                sides = self._one_currency(sides, node.span)
            return typed.Arithmetic(target, node.operator, sides[0], sides[1])
        left, right = self._number_side(left, node.left), self._number_side(right, node.right)
        if left.type.kind not in NUMERIC or right.type.kind not in NUMERIC:
            raise self._no_arithmetic(node, left, right)
        kind = left.type if left.type == right.type else NUMBER
        return typed.Arithmetic(kind, node.operator, left, right)

    def _date_sum(self, node: ast.Arithmetic, left: Found, right: Found) -> Operand:
        if node.operator == "-" and (_kind(right) is Kind.DATE or _is_text(right)):
            return typed.DaysBetween(self._coerce(left, DATE, node.left), self._coerce(right, DATE, node.right))
        if _kind(left) is not Kind.DATE or _kind(right) is Kind.DATE:
            raise self._no_arithmetic(node, left, right)
        days = self._coerce(right, DAYS, node.right)
        whole = days.type.kind in (Kind.DAYS, Kind.COUNT)
        if isinstance(days, Value) and isinstance(days.value, Decimal) and days.value != days.value.to_integral_value():
            whole = False
        if not whole:
            raise self.stop(
                "type-mismatch",
                "Only whole days can be added to a date.",
                node.right.span,
                hint="For example invoice.due_date + 30, or today - 2 weeks.",
            )
        return typed.ShiftedBy(self._coerce(left, DATE, node.left), days, node.operator == "-")

    def _product(self, node: ast.Arithmetic, left: Operand, right: Operand) -> Operand:
        kinds = (left.type.kind, right.type.kind)
        if any(kind not in QUANTITIES for kind in kinds) or kinds == (Kind.MONEY, Kind.MONEY):
            raise self._no_arithmetic(node, left, right)
        if _scaled_percent(left, right) or _scaled_percent(right, left):
            return typed.Arithmetic(PERCENT, "*", left, right)
        if kinds[0] is Kind.PERCENT:
            return typed.Arithmetic(_plain_type(right.type), "*", typed.Factor(left), right)
        if kinds[1] is Kind.PERCENT:
            return typed.Arithmetic(_plain_type(left.type), "*", left, typed.Factor(right))
        return typed.Arithmetic(MONEY if Kind.MONEY in kinds else NUMBER, "*", left, right)

    def _quotient(self, node: ast.Arithmetic, left: Operand, right: Operand) -> Operand:
        kinds = (left.type.kind, right.type.kind)
        if any(kind not in QUANTITIES for kind in kinds) or (kinds[1] is Kind.MONEY and kinds[0] is not Kind.MONEY):
            raise self._no_arithmetic(node, left, right)
        if kinds == (Kind.MONEY, Kind.MONEY):
            left, right = self._one_currency([left, right], node.span)
            return typed.Arithmetic(NUMBER, "/", left, right)
        if kinds == (Kind.PERCENT, Kind.PERCENT):
            return typed.Arithmetic(NUMBER, "/", left, right)
        if kinds[1] is Kind.PERCENT:
            return typed.Arithmetic(_plain_type(left.type), "/", left, typed.Factor(right))
        if kinds[0] is Kind.PERCENT and not _scaled_percent(left, right):
            raise self._no_arithmetic(node, left, right)
        return typed.Arithmetic(left.type if kinds[0] in (Kind.MONEY, Kind.PERCENT) else NUMBER, "/", left, right)

    def _no_arithmetic(self, node: ast.Arithmetic, left: Found, right: Found) -> Stop:
        what = {"+": "added to", "-": "subtracted with", "*": "multiplied by", "/": "divided by"}[node.operator]
        return self.stop("type-mismatch", f"{_said(left)} cannot be {what} {_said(right).lower()}.", node.span)

    def _one_currency(self, operands: Sequence[Operand], span: Span) -> list[Operand]:
        named = named_currencies(operands)
        if len(named) > 1:
            raise self.stop(
                "two-currencies",
                f"One comparison names {' and '.join(named)}.",
                span,
                hint="Name one currency; everything else is converted to it.",
            )
        return in_one_currency(operands)


def _kind(operand: Found) -> Kind | None:
    return None if isinstance(operand, Given | Untyped) else operand.type.kind


def _scaled_percent(percent: Operand, by: Operand) -> bool:
    """A percentage times or over a bare number is a percentage: 2 * 40% is 80%."""
    return percent.type.kind is Kind.PERCENT and by.type.kind is Kind.NUMBER and typed.is_constant(by)


def _is_text(operand: Found) -> bool:
    return isinstance(operand, Value) and operand.type is TEXT


def _plain_type(kind: Type) -> Type:
    """The type of a part of something: part of a count is a number."""
    return kind if kind.kind in (Kind.MONEY, Kind.PERCENT) else NUMBER


def _said(operand: Found) -> str:
    return "A parameter" if isinstance(operand, Given | Untyped) else with_article(operand.type)
