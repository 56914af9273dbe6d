"""Literals and parameter values: what a value may become beside what it is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from dsl import ast, typed
from dsl.catalog import Catalog
from dsl.constants import number_of
from dsl.diagnostics import Diagnostic, Fix, Span, did_you_mean
from dsl.formatter import format_operand
from dsl.literals import plain, quoted
from dsl.parser import MOST_DIGITS, Limits
from dsl.typed import Operand, Unbound, Value
from dsl.types import DATE, FLAG, MONEY, NUMBER, NUMERIC, PERCENT, QUANTITIES, TEXT, Kind, Type

Parameters = Mapping[str, object]

CENTURIES = (date(1900, 1, 1), date(2200, 12, 31))


@dataclass(frozen=True, slots=True)
class Brought:
    """One value of a list that a parameter brought."""

    name: str
    value: object
    span: Span


@dataclass(frozen=True, slots=True)
class Given:
    """A parameter's value, before it is known what it is compared with."""

    value: object
    type: Type = TEXT


@dataclass(frozen=True, slots=True)
class Untyped:
    name: str
    type: Type = TEXT


Source = ast.Operand | Brought
Found = Operand | Given | Untyped


class Stop(Exception):
    """The operand or condition is wrong and has been reported; its neighbours are checked all the same."""


@dataclass
class ValueChecker:
    """Collects what is wrong; `used` are the parameters met so far, with their types."""

    catalog: Catalog
    parameters: Parameters | None
    limits: Limits
    problems: list[Diagnostic] = field(default_factory=list)
    used: dict[str, Type] = field(default_factory=dict)

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str | None = None,
        expected: Sequence[str] = (),
        fixes: Sequence[Fix] = (),
    ) -> None:
        self.problems.append(Diagnostic(code, message, span, hint, tuple(expected), tuple(fixes)))

    def stop(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str | None = None,
        expected: Sequence[str] = (),
        fixes: Sequence[Fix] = (),
    ) -> Stop:
        self.report(code, message, span, hint=hint, expected=expected, fixes=fixes)
        return Stop()

    def _common_type(self, operands: Sequence[Found], nodes: Sequence[Source]) -> Type:
        """That of the first field or calculation; literals and parameters adapt to it."""
        decided = [operand for operand in operands if not adapts(operand)]
        if not decided:
            decided = [operand for operand in operands if not isinstance(operand, Untyped | Given)]
            if not decided:
                raise self.stop(
                    "untyped-parameter",
                    "Nothing here says what type this parameter has.",
                    nodes[0].span.to(nodes[-1].span),
                    hint="Compare it with a field.",
                )
            decided.sort(key=lambda operand: operand.type.kind in (Kind.NUMBER, Kind.TEXT))
        kinds = [operand.type for operand in decided]
        return next((kind for kind in kinds if kind.kind is Kind.MONEY), kinds[0])

    def _coerce(self, operand: Found, target: Type, node: Source) -> Operand:
        """The operand as `target`, where a literal may become what it is compared with."""
        match operand:
            case Untyped(name):
                self._remember(name, target, node.span)
                return Unbound(target, name)
            case Given(value):
                if isinstance(node, ast.Parameter):
                    self._remember(node.name, target, node.span)
                return self._given(value, target, node)
            case Value(Type(kind=Kind.TEXT), str() as text) if target.kind in (Kind.CHOICE, Kind.CODE):
                return Value(target, self._chosen(text, target, node))
            case Value(Type(kind=Kind.TEXT), str() as text) if target.kind is Kind.DATE:
                return Value(DATE, self._date(text, node))
            case Value(Type(kind=Kind.PERCENT), Decimal() as points) if target.kind in NUMERIC:
                return Value(NUMBER, points / 100)
            case Value(Type(kind=Kind.NUMBER), Decimal() as value) if target.kind is Kind.PERCENT:
                self._in_points(Fraction(value), node)
                return Value(PERCENT, value)
            case Value(Type(kind=Kind.NUMBER), value) if target.kind in QUANTITIES:
                return Value(target, value)
            case typed.Arithmetic(Type(kind=Kind.NUMBER)) if target is MONEY and typed.is_constant(operand):
                return replace(operand, type=target)
            case typed.Arithmetic(Type(kind=Kind.NUMBER)) if target is PERCENT and typed.is_constant(operand):
                self._in_points(number_of(operand), node)
                return replace(operand, type=target)
            case typed.Arithmetic(Type(kind=Kind.PERCENT), operator) if typed.is_constant(operand):
                if target.kind in NUMERIC or (target is MONEY and operator == "*"):  # 90% * 2000 is 1,800
                    return typed.Factor(operand, target if target is MONEY else NUMBER)
                if target is PERCENT:
                    return operand
            case _ if _comparable(operand.type, target):
                return operand
        raise self._mismatch(operand, target, node)

    def _mismatch(self, operand: Found, target: Type, node: Source) -> Stop:
        hint, fixes = None, list[Fix]()
        match operand:
            case Value(Type(kind=Kind.TEXT), str() as text) if (
                target.kind in QUANTITIES and exact_number(text) is not None
            ):
                fixes = [Fix("Leave the quotes out", node.span, text)]
            case Value(Type(kind=Kind.NUMBER | Kind.DATE)) if target.kind is Kind.TEXT and isinstance(
                node, ast.Number | ast.Day
            ):
                fixes = [Fix("Put it in quotes", node.span, quoted(format_operand(node)))]
            case Value(Type(kind=Kind.FLAG)):
                hint = "true and false go with flags only."
            case _ if target.kind is Kind.DATE:
                hint = "A date is written 2026-01-31, or today - 2 weeks."
            case _ if target.choices:
                hint = f"Values are {some(target.choices)}."
        return self.stop(
            "type-mismatch",
            f"{with_article(operand.type)} cannot be compared with {with_article(target).lower()}.",
            node.span,
            hint=hint,
            fixes=fixes,
        )

    def _storable(self, text: str, node: ast.Text) -> str:
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise self.stop("bad-text", "This text has a character that no stored text can have.", node.span)
        return text

    def _in_range(self, day: date, span: Span) -> date:
        if not CENTURIES[0] <= day <= CENTURIES[1]:
            raise self.stop("date-out-of-range", f"Dates go from {CENTURIES[0]} to {CENTURIES[1]}.", span)
        return day

    def _date(self, text: str, node: Source) -> date:
        try:
            day = date.fromisoformat(text) if len(text) == 10 else None
        except ValueError:
            day = None
        if day is None:
            raise self.stop(
                "bad-date",
                f"{shortened(text)} is not a date.",
                node.span,
                hint="Dates are written year-month-day: 2026-01-31.",
            )
        return self._in_range(day, node.span)

    def _chosen(self, text: str, target: Type, node: Source) -> str:
        by_folded = {known.casefold(): known for known in target.choices}
        if (found := by_folded.get(text.casefold())) is not None:
            return found
        raise self.stop(
            "unknown-value",
            f"{shortened(text)} is not a known {target}.",
            node.span,
            expected=target.choices if len(target.choices) < 20 else (),
            hint=f"Values are {some(target.choices)}.",
            fixes=[
                Fix(f"Did you mean {guess}?", node.span, quoted(guess)) for guess in did_you_mean(text, target.choices)
            ],
        )

    def _currency(self, code: str, node: ast.Money) -> str:
        known = self.catalog.entities["customer"].fields["currency"].type.choices
        if code in known:
            return code
        raise self.stop(
            "unknown-currency",
            f"{code} is not a currency.",
            node.span,
            hint="For example EUR, GBP or USD.",
            fixes=[
                Fix(f"Did you mean {guess}?", node.span, f"{plain(node.amount)} {guess}")
                for guess in did_you_mean(code, known)
            ],
        )

    def _in_points(self, value: Fraction | None, node: Source) -> None:
        """A bare value over 0 and up to 1 may be meant as a share or as percent points."""
        if value is None or not 0 < value <= 1:
            return
        number = Decimal(value.numerator) / Decimal(value.denominator)
        small, large = f"{plain(number)}%", f"{plain(number * 100)}%"
        written = not isinstance(node, Brought | ast.Parameter) and Fraction(number) == value
        raise self.stop(
            "ambiguous-percent",
            f"Does {plain(number)} mean {large} or {small}?",
            node.span,
            fixes=[Fix(f"Write {text}", node.span, text) for text in (large, small)] if written else [],
            hint="Percentages are written in percent points.",
        )

    def _remember(self, name: str, kind: Type, span: Span) -> None:
        known = self.used.get(name)
        if self.parameters is None and known is not None and known.kind is not kind.kind:
            raise self.stop(
                "type-mismatch",
                f"${name} is used as {with_article(known).lower()} and as {with_article(kind).lower()}.",
                span,
                hint="Use two parameters.",
            )
        self.used[name] = kind

    def _given(self, value: object, target: Type, node: Source) -> Operand:
        """The value of a parameter, as JSON or the command line brought it."""
        if target.kind in QUANTITIES:
            number = exact_number(value)
            if number is None:
                raise self._bad_parameter(value, target, node)
            if target is PERCENT:
                self._in_points(Fraction(number), node)
            return Value(target, number)
        if target.kind is Kind.FLAG:
            flag = value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
            if flag is None:
                raise self._bad_parameter(value, target, node)
            return Value(FLAG, flag)
        if not isinstance(value, str):
            raise self._bad_parameter(value, target, node)
        if target.kind is Kind.DATE:
            return Value(DATE, self._date(value, node))
        if target.choices:
            return Value(target, self._chosen(value, target, node))
        return Value(target, self._storable(value, ast.Text(value, span=node.span)))

    def _bad_parameter(self, value: object, target: Type, node: Source) -> Stop:
        return self.stop("bad-parameter", f"{shortened(str(value))} is not {with_article(target).lower()}.", node.span)


def adapts(operand: Found) -> bool:
    """A literal, a parameter or a calculation of bare numbers: it takes the type of the other side."""
    if isinstance(operand, Value | Given | Untyped):
        return True
    return operand.type.kind in (Kind.NUMBER, Kind.PERCENT) and typed.is_constant(operand)


def _comparable(one: Type, other: Type) -> bool:
    return one == other or (one.kind in NUMERIC and other.kind in NUMERIC)


def exact_number(value: object) -> Decimal | None:
    """An exact number from JSON or text; never a float's rounding, never infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    text = str(value).replace("_", "").strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and len(text) <= MOST_DIGITS and abs(number.adjusted()) <= MOST_DIGITS else None


def bracketed(node: ast.Name) -> bool:
    """The span of a bracketed operand covers the brackets, so places inside it are not known."""
    return node.span.end - node.span.start != len(format_operand(node))


def suggestion(name: str, known: Mapping[str, object]) -> str | None:
    guesses = did_you_mean(name, known)
    there = some([f"${one}" for one in sorted(known)])
    return f"Did you mean ${guesses[0]}?" if guesses else f"There is {there}." if known else None


def some(values: Sequence[str]) -> str:
    return ", ".join(values[:12]) + (" …" if len(values) > 12 else "")


def shortened(text: str) -> str:
    return quoted(text if len(text) <= 40 else f"{text[:39]}…")


def with_article(kind: Type) -> str:
    return f"An {kind}" if str(kind)[0] in "aeiou" else f"{'' if kind.kind in _UNCOUNTED else 'A '}{kind}".capitalize()


_UNCOUNTED = {Kind.MONEY, Kind.TEXT, Kind.DAYS}
