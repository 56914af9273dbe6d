"""Typed tree to SQLAlchemy. `company_id = :company` on every relation; no JOIN to a to-many entity, ever.

Numbers are compared exactly: every quantity is a numerator over a denominator, and money a whole number of
ten-thousandths, so that nothing is divided or rounded on the way to a comparison.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import lcm
from typing import Any, assert_never

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from dsl import typed
from dsl.calendar import day_of
from dsl.catalog import Entity, Field, Sources
from dsl.operators import EQUAL, LESS_OR_EQUAL, MORE_OR_EQUAL, Operator
from dsl.typed import Filter, Operand, Predicate, Row
from dsl.types import QUANTITIES, Kind

Sql = sa.ColumnElement[Any]
Test = sa.ColumnElement[bool]

SCALE = 10_000  # money is kept in ten-thousandths of the unit


@dataclass(frozen=True, slots=True)
class Question:
    """For whom and for which day a statement is compiled; `historic` reads the relations of a day before today."""

    company: int
    as_of: date
    historic: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text for psycopg with its named parameters."""

    sql: str
    parameters: Mapping[str, Any]


def render(statement: sa.Select[Any]) -> Statement:
    compiled = statement.compile(dialect=_DIALECT)
    return Statement(str(compiled), dict(compiled.params))


_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


def select_rows(
    filter_: Filter,
    question: Question,
    fields: Mapping[str, tuple[Row, Field]],
    *,
    after: str | None = None,
    limit: int | None = None,
) -> sa.Select[Any]:
    """The rows that meet the filter, each with `fields`, in the order of source_id; `after` is the last one seen."""
    compiler = _Compiler(question)
    root = compiler.open_root(filter_.root)
    condition = compiler.predicate(filter_.condition)
    columns = [compiler.field(row, found).label(name) for name, (row, found) in fields.items()]
    key = sa.collate(root.column("source_id"), "C")
    conditions = [condition] if after is None else [condition, key > sa.bindparam("after", after, sa.Text)]
    return root.select(*columns, where=conditions).order_by(key).limit(limit)


def select_count(filter_: Filter, question: Question) -> sa.Select[Any]:
    compiler = _Compiler(question)
    root = compiler.open_root(filter_.root)
    return root.select(sa.func.count(), where=[compiler.predicate(filter_.condition)])


# ---------------------------------------------------------------- relations


@cache
def _relation(entity: Entity, historic: bool) -> sa.TableClause:
    names = {"company_id", "id", "source_id", "currency", "customer_id", "group_id", *_used_columns(entity)["row"]}
    return sa.table(entity.historic if historic else entity.relation, *map(sa.column, sorted(names)))


@cache
def _metrics(entity: Entity, historic: bool) -> sa.TableClause:
    name = f"{entity.metrics}_as_of" if historic else str(entity.metrics)
    return sa.table(name, *map(sa.column, ("company_id", f"{entity.name}_id", *sorted(_used_columns(entity)["metrics"]))))


@cache
def _used_columns(entity: Entity) -> Mapping[str, set[str]]:
    """Which columns the entity's fields read: found by asking each of them."""
    used: dict[str, set[str]] = {"row": set(), "metrics": set()}

    def ask(kind: str) -> Callable[[str], Sql]:
        def column(name: str) -> Sql:
            used[kind].add(name)
            return sa.column(name)

        return column

    for line in entity.fields.values():
        line.sql(Sources(ask("row"), ask("metrics"), sa.column("as_of"), _related(historic=False), sa.column("company")))
    return used


def _related(historic: bool) -> Callable[[str], sa.FromClause]:
    return _RELATED_AS_OF.__getitem__ if historic else _RELATED.__getitem__


_ABOUT_INVOICES = ("company_id", "invoice_customer_id", "invoice_id", "date", "by", "kind")
# A reference is profile data: it is the current one whatever the day.
_INVOICE = sa.table("invoice", *map(sa.column, ("company_id", "customer_id", "id", "reference")))
_RELATED = {"activity": sa.table("activity", *map(sa.column, _ABOUT_INVOICES)), "invoice": _INVOICE}
_RELATED_AS_OF = {"activity": sa.table("activity_as_of", *map(sa.column, _ABOUT_INVOICES)), "invoice": _INVOICE}


@dataclass(slots=True)
class _Frame:
    """A row variable while its SELECT is written: the relation, and the to-one relations its fields turned out to need."""

    row: Row
    question: Question
    company: Sql
    table: sa.FromClause
    joins: dict[object, tuple[sa.FromClause, Test, bool]] = field(default_factory=dict)
    optional: bool = False  # a customer may have no group

    def column(self, name: str) -> Sql:
        return self.table.c[name]

    def metric(self, name: str) -> Sql:
        def join() -> tuple[sa.FromClause, Test, bool]:
            metrics = _metrics(self.row.entity, self.question.historic).alias()
            conditions = [metrics.c.company_id == self.company]
            if self.row.entity.name != "company":
                conditions.append(metrics.c[f"{self.row.entity.name}_id"] == self.column("id"))
            return metrics, sa.and_(*conditions), self.optional

        return self.join(("metrics", self.row), join).c[name]

    def join(self, key: object, make: Callable[[], tuple[sa.FromClause, Test, bool]]) -> sa.FromClause:
        if key not in self.joins:
            self.joins[key] = make()
        return self.joins[key][0]

    def select(self, *columns: Sql, where: list[Test]) -> sa.Select[Any]:
        source: sa.FromClause = self.table
        for relation, on, outer in self.joins.values():
            source = source.join(relation, on, isouter=outer)
        # Left to itself SQLAlchemy correlates with the next SELECT only and lists tables of those further out again.
        own = [self.table, *(relation for relation, _, _ in self.joins.values())]
        rows = sa.select(*columns).select_from(source).correlate_except(*own)
        return rows.where(self.table.c.company_id == self.company, *where)


# ---------------------------------------------------------------- quantities


@dataclass(frozen=True, slots=True)
class _Quantity:
    """numerator / denominator. A denominator that is SQL is positive or NULL; `literal` is the value where it is known."""

    numerator: Sql
    denominator: int | Sql = 1
    literal: Fraction | None = None


def _literal(value: Fraction) -> _Quantity:
    return _Quantity(_number(Decimal(value.numerator)), value.denominator, value)


def _number(value: Decimal) -> Sql:
    """Whole numbers bind as bigint, so that an index on a bigint column serves."""
    if value == value.to_integral_value() and abs(value) < 2**63:
        return sa.bindparam(None, int(value), sa.BigInteger)
    return sa.bindparam(None, value, sa.Numeric)


def _over(quantity: _Quantity, denominator: int) -> Sql:
    """The numerator of the same quantity over another (larger) denominator."""
    if quantity.literal is not None:
        scaled = quantity.literal * denominator
        return _number(Decimal(scaled.numerator))
    assert isinstance(quantity.denominator, int)
    factor = denominator // quantity.denominator
    return quantity.numerator if factor == 1 else _exact(quantity.numerator) * sa.literal(factor, sa.Numeric)


def _exact(value: Sql) -> Sql:
    """As numeric, whose sums and products neither overflow nor round."""
    return sa.cast(value, sa.Numeric)


def _aligned(left: _Quantity, right: _Quantity) -> tuple[Sql, Sql, int | Sql]:
    """Two numerators over one denominator."""
    if isinstance(left.denominator, int) and isinstance(right.denominator, int):
        common = lcm(left.denominator, right.denominator)
        return _over(left, common), _over(right, common), common
    return (
        _exact(left.numerator) * right.denominator,
        _exact(right.numerator) * left.denominator,
        _product(left.denominator, right.denominator),
    )


def _product(left: int | Sql, right: int | Sql) -> int | Sql:
    if isinstance(left, int) and isinstance(right, int):
        return left * right
    return _exact(left) * right if not isinstance(left, int) else _exact(sa.cast(right, sa.Numeric)) * left


def _calculated(operator: str, left: _Quantity, right: _Quantity) -> _Quantity:
    match operator:
        case "+" | "-":
            one, other, denominator = _aligned(left, right)
            one, other = _exact(one), _exact(other)
            return _Quantity(one + other if operator == "+" else one - other, denominator)
        case "*":
            return _Quantity(_exact(left.numerator) * right.numerator, _product(left.denominator, right.denominator))
        case _:
            divisor = _exact(right.numerator) * left.denominator
            dividend = _exact(left.numerator) * right.denominator
            return _Quantity(dividend * sa.func.sign(divisor), sa.func.nullif(sa.func.abs(divisor), 0))


def _constant(operand: Operand) -> Fraction | None:
    """The value of a calculation of literals; None where rows decide, or where it divides by zero."""
    match operand:
        case typed.Value(_, Decimal() as value):
            return Fraction(value)
        case typed.Factor(inner):
            points = _constant(inner)
            return None if points is None else points / 100
        case typed.Arithmetic(_, operator, left, right):
            one, other = _constant(left), _constant(right)
            if one is None or other is None or (operator == "/" and other == 0):
                return None
            return {"+": one.__add__, "-": one.__sub__, "*": one.__mul__, "/": one.__truediv__}[operator](other)
        case _:
            return None


def _half_up(dividend: Sql, divisor: Sql) -> Sql:
    """dividend / divisor (positive) as a whole number, half away from zero: whole-number division is exact."""
    return sa.func.sign(dividend) * sa.func.div(2 * sa.func.abs(dividend) + divisor, 2 * divisor)


# ---------------------------------------------------------------- the pass


@dataclass
class _Compiler:
    question: Question
    frames: dict[Row, _Frame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.company: Sql = sa.bindparam("company", self.question.company, sa.BigInteger)
        self.as_of: Sql = sa.bindparam("as_of", self.question.as_of, sa.Date)

    def open(self, row: Row) -> _Frame:
        """A SELECT over the row's relation begins."""
        frame = self.frames[row] = _Frame(row, self.question, self.company, self._table(row.entity))
        return frame

    def open_root(self, row: Row) -> _Frame:
        """The outermost SELECT; a document brings its customer with it, a member its group."""
        frame = self.open(row)
        inner = frame
        while (owner := inner.row.owner) is not None:
            inner = self.joined_owner(inner, owner)
            self.frames[owner] = inner
        return frame

    def _table(self, entity: Entity) -> sa.FromClause:
        return _relation(entity, self.question.historic).alias()

    def frame(self, row: Row) -> _Frame:
        """The frame of a row; one that is at hand joins the SELECT of the row it belongs to."""
        if row not in self.frames:
            assert row.owner is not None
            self.frames[row] = self._joined(row, self.frame(row.owner))
        return self.frames[row]

    def _joined(self, row: Row, owner: _Frame) -> _Frame:
        table = self._table(row.entity)
        optional = row.entity.name == "group"
        frame = _Frame(row, self.question, self.company, table, owner.joins, optional)
        links = {
            "customer": lambda: table.c.id == owner.column("customer_id"),
            "group": lambda: table.c.id == owner.column("group_id"),
            "company": sa.true,
        }
        on = sa.and_(table.c.company_id == self.company, links[row.entity.name]())
        owner.join(row, lambda: (table, on, optional))
        return frame

    def field(self, row: Row, found: Field) -> Sql:
        frame = self.frame(row)
        related = _related(self.question.historic)
        return found.sql(Sources(frame.column, frame.metric, self.as_of, related, self.company))

    # ------------------------------------------------------------ predicates

    def predicate(self, node: Predicate) -> Test:
        match node:
            case typed.Constant(value):
                return sa.true() if value else sa.false()
            case typed.And(items):
                return sa.and_(*map(self.predicate, items))
            case typed.Or(items):
                return sa.or_(*map(self.predicate, items))
            case typed.Not(inner):
                return self.predicate(inner).is_not(sa.true())
            case typed.Exists(row, inner):
                return self.exists(row, inner)
            case typed.Block("ANY", row, inner):
                return self.exists(row, inner)
            case typed.Block("NO", row, inner):
                return ~self.exists(row, inner)
            case typed.Block(_, row, inner):
                return sa.and_(self.exists(row, typed.TRUE), ~self.exists(row, typed.Not(inner)))
            case typed.Holds(operand):
                return self.plain(operand)
            case typed.Compare() | typed.Range() | typed.OneOf() | typed.Absent():
                grouped = self._grouped(node)
                return self.test(node) if grouped is None else grouped
            case _:
                assert_never(node)

    def exists(self, row: Row, condition: Predicate) -> sa.Exists:
        frame = self.open(row)
        conditions = [self.link(frame), self.predicate(condition)]
        return frame.select(sa.literal_column("1"), where=conditions).exists()

    def link(self, frame: _Frame) -> Test:
        assert frame.row.owner is not None
        return self.owner_key(frame) == self.frame(frame.row.owner).column("id")

    def owner_key(self, frame: _Frame) -> Sql:
        return frame.column("group_id" if frame.row.entity.name == "customer" else "customer_id")

    def test(self, node: typed.Compare | typed.Range | typed.OneOf | typed.Absent) -> Test:
        positive = self._positive(node)
        return positive.is_not(sa.true()) if node.negated else positive

    def _positive(self, node: typed.Compare | typed.Range | typed.OneOf | typed.Absent) -> Test:
        match node:
            case typed.Compare(operator, left, right):
                return self.compare(operator, left, right)
            case typed.Range(_, operand, low, high):
                return sa.and_(
                    self.compare(MORE_OR_EQUAL, operand, low), self.compare(LESS_OR_EQUAL, operand, high)
                )
            case typed.OneOf(operator, operand, values):
                return self.one_of(operator, operand, values)
            case typed.Absent(_, operand):
                return self.absent(operand)
            case _:
                assert_never(node)

    def compare(self, operator: Operator, left: Operand, right: Operand) -> Test:
        assert operator.sql is not None
        if left.type.kind in QUANTITIES:
            one, other, _ = _aligned(self.quantity(left), self.quantity(right))
            return operator.sql(one, other)
        if left.type.ordered and operator is not EQUAL:
            return operator.sql(self._rank(left), self._rank(right))
        return operator.sql(self.plain(left), self.plain(right))

    def _rank(self, operand: Operand) -> Sql:
        order = sa.bindparam(None, list(operand.type.choices), ARRAY(sa.Text))
        return sa.func.array_position(order, self.plain(operand))

    def one_of(self, operator: Operator, operand: Operand, values: tuple[Operand, ...]) -> Test:
        assert operator.sql is not None
        if operand.type.kind not in QUANTITIES:
            texts = [value.value for value in values if isinstance(value, typed.Value)]
            if len(texts) == len(values):
                return operator.sql(self.plain(operand), sa.bindparam(None, texts, ARRAY(sa.Text)))
            return operator.sql(self.plain(operand), sa.cast(sa.dialects.postgresql.array(map(self.plain, values)), ARRAY(sa.Text)))
        return sa.or_(*(self.compare(EQUAL, operand, value) for value in values)) if self._mixed(operand, values) else \
            operator.sql(*self._numbers(operand, values))  # fmt: skip

    def _mixed(self, operand: Operand, values: tuple[Operand, ...]) -> bool:
        """Whether a list of numbers cannot be one array over the operand's denominator."""
        quantity = self.quantity(operand)
        literals = [_constant(value) for value in values]
        return not isinstance(quantity.denominator, int) or any(
            value is None or (value * quantity.denominator).denominator != 1 for value in literals
        )

    def _numbers(self, operand: Operand, values: tuple[Operand, ...]) -> tuple[Sql, Sql]:
        quantity = self.quantity(operand)
        assert isinstance(quantity.denominator, int)
        scaled = [Decimal(int((_constant(value) or Fraction()) * quantity.denominator)) for value in values]
        kind: sa.types.TypeEngine[Any] = sa.BigInteger() if all(abs(v) < 2**63 for v in scaled) else sa.Numeric()
        numbers = list(map(int, scaled)) if isinstance(kind, sa.BigInteger) else scaled
        return quantity.numerator, sa.bindparam(None, numbers, ARRAY(kind))

    def absent(self, operand: Operand) -> Test:
        if operand.type.kind not in QUANTITIES:
            return self.plain(operand).is_(None)
        quantity = self.quantity(operand)
        tests = [quantity.numerator.is_(None)]
        if not isinstance(quantity.denominator, int):
            tests.append(quantity.denominator.is_(None))
        return sa.or_(*tests)

    # ------------------------------------------------------------ operands

    def plain(self, node: Operand) -> Sql:
        """An operand that is no quantity."""
        match node:
            case typed.Value(type, value):
                return sa.bindparam(None, value, _sql_type(type.kind))
            case typed.Unbound(type, name):
                return sa.bindparam(f"parameter_{name}", None, _sql_type(type.kind))
            case typed.OnDay() | typed.PeriodEnd():
                return self._day(day_of(node, self.question.as_of))
            case typed.Shifted() | typed.ShiftedBy():
                return self._shifted(node)
            case typed.FieldOf(row, found):
                return self.field(row, found)
            case typed.Aggregated():
                return self._scalar(node, lambda frame: self.reduced(node, frame).numerator)
            case typed.FirstOf():
                return self._first(node, self.plain)
            case _:
                raise TypeError(node)

    def _day(self, day: date) -> Sql:
        return sa.bindparam(None, day, sa.Date)

    def _shifted(self, node: typed.Shifted | typed.ShiftedBy) -> Sql:
        if typed.is_constant(node):
            return self._day(day_of(node, self.question.as_of))
        start = self.plain(node.operand)
        if isinstance(node, typed.ShiftedBy):
            days = self.quantity(node.days).numerator
            near = sa.case((days.between(-_MOST_DAYS, _MOST_DAYS), sa.cast(days, sa.Integer)))
            return start - near if node.back else start + near
        if node.unit in ("DAYS", "WEEKS"):
            return start + sa.literal(node.count * (7 if node.unit == "WEEKS" else 1), sa.Integer)
        months = node.count * (12 if node.unit == "YEARS" else 1)
        return sa.cast(start + sa.func.make_interval(0, sa.literal(months, sa.Integer)), sa.Date)

    def quantity(self, node: Operand) -> _Quantity:
        if (known := _constant(node)) is not None:
            return _literal(known)
        match node:
            case typed.FieldOf(row, found):
                return _Quantity(self.field(row, found), SCALE if found.type.kind is Kind.MONEY else 1)
            case typed.Unbound(type, name):
                return _Quantity(sa.bindparam(f"parameter_{name}", None, sa.Numeric), 1)
            case typed.Factor(inner):
                found_quantity = self.quantity(inner)
                return _Quantity(found_quantity.numerator, _product(found_quantity.denominator, 100))
            case typed.Arithmetic(_, operator, left, right):
                return _calculated(operator, self.quantity(left), self.quantity(right))
            case typed.DaysBetween(later, earlier):
                return _Quantity(self.plain(later) - self.plain(earlier))
            case typed.Converted():
                return self._converted(node)
            case typed.Aggregated():
                scale = self._scale(node)
                return _Quantity(self._scalar(node, lambda frame: self.reduced(node, frame).numerator), scale)
            case typed.FirstOf(operand=operand):
                scale = SCALE if operand.type.kind is Kind.MONEY else 1
                return _Quantity(self._first(node, lambda inner: self.quantity(inner).numerator), scale)
            case _:
                raise TypeError(node)

    # ------------------------------------------------------------ currencies

    def _converted(self, node: typed.Converted) -> _Quantity:
        """At the latest rates on or before the as-of day, half up to ten-thousandths; without a rate it is missing."""
        amount = self.quantity(node.operand).numerator
        source, target = self._code(node.source), self._code(node.target)
        dividend, divisor = _exact(amount) * self._rate(source), self._rate(target)
        return _Quantity(sa.case((source == target, _exact(amount)), else_=_half_up(dividend, divisor)), SCALE)

    def _code(self, currency: typed.Currency) -> Sql:
        if currency.code:
            return sa.bindparam(None, currency.code, sa.Text)
        if currency.row:
            return self.frame(currency.row).column("currency")
        company = sa.table("company", sa.column("company_id"), sa.column("base_currency")).alias()
        return sa.select(company.c.base_currency).where(company.c.company_id == self.company).scalar_subquery()

    def _rate(self, code: Sql) -> Sql:
        rates = sa.table("fx_latest", sa.column("company_id"), sa.column("currency"), sa.column("rate")).alias()
        latest = sa.select(rates.c.rate).where(rates.c.company_id == self.company, rates.c.currency == code)
        return latest.correlate_except(rates).scalar_subquery()

    # ------------------------------------------------------------ aggregates

    def _scalar(self, node: typed.Aggregated, value: Callable[[_Frame], Sql]) -> Sql:
        frame = self.open(node.row)
        conditions = [self.link(frame), self.predicate(node.where)]
        return frame.select(value(frame), where=conditions).scalar_subquery()

    def _scale(self, node: typed.Aggregated) -> int:
        if node.function == "AVG":
            return SCALE
        return SCALE if node.type.kind is Kind.MONEY else 1

    def reduced(self, node: typed.Aggregated, frame: _Frame) -> _Quantity:
        """The aggregate over the rows of its frame. Rows that cannot be converted make it missing as a whole."""
        if node.operand is None:
            return _Quantity(sa.func.count())
        if node.type.kind is Kind.DATE:
            value = self.plain(node.operand)
            return _Quantity(sa.func.max(value) if node.function == "MAX" else sa.func.min(value))
        quantity = self.quantity(node.operand)
        assert isinstance(quantity.denominator, int)
        value, scale = quantity.numerator, self._scale(node)
        result: Sql
        match node.function:
            case "SUM":
                result = sa.func.coalesce(sa.func.sum(_exact(value)), 0)
            case "AVG":
                total = sa.func.sum(_exact(value)) * sa.literal(SCALE // quantity.denominator, sa.Numeric)
                result = _half_up(total, _exact(sa.func.nullif(sa.func.count(value), 0)))
            case "MIN":
                result = sa.func.min(value)
            case _:
                result = sa.func.max(value)
        if isinstance(node.operand, typed.Converted):
            given = self.quantity(node.operand.operand).numerator
            result = sa.case((sa.func.count(given) == sa.func.count(value), result))
        return _Quantity(result, scale)

    def _first(self, node: typed.FirstOf, value: Callable[[Operand], Sql]) -> Sql:
        frame = self.open(node.row)
        conditions = [self.link(frame), self.predicate(node.where)]
        keys = [self._sort_key(operand) for operand, _ in node.keys]
        order = [
            (key.desc() if descending else key.asc()).nulls_last()
            for key, (_, descending) in zip(keys, node.keys, strict=True)
        ]
        rows = frame.select(value(node.operand), where=conditions)
        return rows.order_by(*order, sa.collate(frame.column("source_id"), "C")).limit(1).scalar_subquery()

    def _sort_key(self, operand: Operand) -> Sql:
        if operand.type.kind in QUANTITIES:
            return self.quantity(operand).numerator
        if operand.type.ordered:
            return self._rank(operand)
        value = self.plain(operand)
        return sa.collate(value, "C") if operand.type.kind in (Kind.TEXT, Kind.CHOICE, Kind.CODE) else value

    # ------------------------------------------------------------ grouped semi-joins

    def _grouped(self, node: typed.Compare | typed.Range | typed.OneOf | typed.Absent) -> Test | None:
        """A test of one aggregate against constants, as `id IN (SELECT … GROUP BY … HAVING …)`.

        None where the aggregate's rows depend on more than their own owner. Owners without any row are not in the
        grouped answer: where the test holds for them, the owners for whom it fails are excluded instead.
        """
        aggregate = _lone_aggregate(node)
        if aggregate is None or aggregate.row.owner is None:
            return None
        owner = aggregate.row.owner
        inside = _rows_read(aggregate)
        if not inside <= {aggregate.row, owner}:
            return None
        holds_for_none = _holds_for_none(node, aggregate)
        outer = self.frame(owner)
        inner = _Compiler(self.question)
        inner.company, inner.as_of = self.company, self.as_of
        frame = inner.open(aggregate.row)
        if owner in inside:
            inner.frames[owner] = inner.joined_owner(frame, owner)
        where = inner.predicate(aggregate.where)
        value = inner.reduced(aggregate, frame)
        having = _WithAggregate(self.question, {}, aggregate, value).test(node)
        key = self.owner_key(frame)
        groups = frame.select(key, where=[where, key.is_not(None)]).group_by(key)
        if holds_for_none:
            return outer.column("id").not_in(groups.having(having.is_not(sa.true())))
        return outer.column("id").in_(groups.having(having))

    def joined_owner(self, frame: _Frame, owner: Row) -> _Frame:
        """The row's owner in the same SELECT: there is exactly one."""
        table = self._table(owner.entity)
        on = sa.and_(table.c.company_id == self.company, table.c.id == self.owner_key(frame))
        frame.join(owner, lambda: (table, on, False))
        return _Frame(owner, self.question, self.company, table, frame.joins)


@dataclass
class _WithAggregate(_Compiler):
    """Compiles a test in a HAVING, where the aggregate is at hand."""

    aggregate: typed.Aggregated | None = None
    value: _Quantity | None = None

    def quantity(self, node: Operand) -> _Quantity:
        return self.value if node is self.aggregate and self.value else super().quantity(node)

    def plain(self, node: Operand) -> Sql:
        return self.value.numerator if node is self.aggregate and self.value else super().plain(node)


def _rows_read(aggregate: typed.Aggregated) -> frozenset[Row]:
    """The rows that the aggregate's SELECT must have at hand, those of its own blocks aside."""
    read: set[Row | None] = set()
    bound: set[Row | None] = set()
    for part in typed.children(aggregate):
        for node in typed.nodes(part):
            match node:
                case typed.FieldOf(row):
                    read.add(row)
                case typed.Converted(_, source, target):
                    read |= {source.row, target.row}
                case typed.Block(row=row) | typed.Exists(row=row) | typed.Aggregated(row=row) | typed.FirstOf(row=row):
                    read.add(row.owner)
                    bound.add(row)
    return frozenset(row for row in read - bound if row)


def _operands(node: typed.Compare | typed.Range | typed.OneOf | typed.Absent) -> tuple[Operand, ...]:
    match node:
        case typed.Compare(_, left, right):
            return left, right
        case typed.Range(_, operand, low, high):
            return operand, low, high
        case typed.OneOf(_, operand, values):
            return operand, *values
        case typed.Absent(_, operand):
            return (operand,)


def _lone_aggregate(node: typed.Compare | typed.Range | typed.OneOf | typed.Absent) -> typed.Aggregated | None:
    operands = _operands(node)
    found = [operand for operand in operands if isinstance(operand, typed.Aggregated)]
    rest = [operand for operand in operands if not isinstance(operand, typed.Aggregated)]
    alone = len(found) == 1 and all(map(typed.is_constant, rest)) and not isinstance(node, typed.OneOf)
    return found[0] if alone else None


def _holds_for_none(node: typed.Compare | typed.Range | typed.OneOf | typed.Absent, aggregate: typed.Aggregated) -> bool:
    """Whether the test holds where the aggregate has no row: COUNT and SUM are 0 then, the others missing."""
    empty = Fraction(0) if aggregate.function in ("COUNT", "SUM") else None

    def known(operand: Operand) -> Fraction | None:
        return empty if operand is aggregate else _constant(operand)

    match node:
        case typed.Compare(operator, left, right):
            one, other = known(left), known(right)
            positive = one is not None and other is not None and operator.sql is not None and bool(operator.sql(one, other))
        case typed.Range(_, operand, low, high):
            value, first, last = known(operand), known(low), known(high)
            positive = value is not None and first is not None and last is not None and first <= value <= last
        case typed.Absent():
            positive = empty is None
        case _:
            positive = False
    return positive is not node.negated


def _sql_type(kind: Kind) -> sa.types.TypeEngine[Any]:
    return sa.Date() if kind is Kind.DATE else sa.Boolean() if kind is Kind.FLAG else sa.Text()


_MOST_DAYS = 100_000
