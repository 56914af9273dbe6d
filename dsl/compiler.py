"""Typed tree to SQLAlchemy. `company_id = :company` on every relation; no JOIN to a to-many entity, ever."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, assert_never

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, array, distinct_on

from dsl import typed
from dsl.catalog import Age, Entity, Field, Sources
from dsl.constants import day_of, number_of
from dsl.frames import Frame, Relations, columns_of, metrics, related, relation
from dsl.operators import EQUAL, HAS_NONE, LESS, LESS_OR_EQUAL, MORE, MORE_OR_EQUAL, Operator
from dsl.quantities import SCALE, Quantity, aligned, calculated, exact, half_up, literal, nearest, product
from dsl.typed import Filter, Operand, Predicate, Row
from dsl.types import QUANTITIES, Kind, Type

Sql = sa.ColumnElement[Any]
Test = sa.ColumnElement[bool]
Fields = Mapping[str, tuple[Row, Field]]


_Tested = typed.Compare | typed.Range | typed.OneOf | typed.Absent


@dataclass(frozen=True, slots=True)
class Question:
    """For whom and for which day a statement is compiled, and the relations that hold it.

    Without a company it is a sweep over all: rows come with their company, counts one for each.
    """

    company: int | None
    as_of: date
    relations: Relations


# sa.false() would take all that it is ANDed with out of the statement, the company too.
_NEVER = sa.literal_column("false", sa.Boolean)


@dataclass(frozen=True, slots=True)
class Order:
    """Rows in the order of a field's values; those where it is missing come last, and among equals source_id decides.

    Texts go by their letters whatever the case, choices that have an order by it, money by its number.
    """

    row: Row
    field: Field
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """The last row that was seen. With an order also the value it goes by, as text; None where that is missing."""

    source_id: str
    value: str | None = None


def select_rows(
    filter_: Filter,
    question: Question,
    fields: Fields,
    *,
    order: Order | None = None,
    after: Seen | None = None,
    limit: int | None = None,
) -> sa.Select[Any]:
    """With an order, its value as text is the last column."""
    compiler = _Compiler(question, _measured_beside([*_fields_of(filter_), *fields.values()]))
    root = compiler.open_root(filter_.root)
    condition = compiler.predicate(filter_.condition)
    columns: list[Sql] = [compiler.field(row, found).label(name) for name, (row, found) in fields.items()]
    if question.company is None:
        columns = [root.column("company_id"), *columns]
    key = sa.collate(root.column("source_id"), "C")
    value = None if order is None else _ordering(compiler.field(order.row, order.field), order.field.type)
    conditions = [condition] if after is None else [condition, _comes_after(after, key, value, order)]
    if order is None or value is None:
        rows = root.select(*columns, where=conditions).order_by(key)
    else:
        columns.append(sa.cast(value, sa.Text).label("ordered_by"))
        directed = value.desc() if order.descending else value.asc()
        rows = root.select(*columns, where=conditions).order_by(directed.nulls_last(), key)
    return rows if limit is None else rows.limit(sa.bindparam("limit", limit, sa.BigInteger))


def _ordering(value: Sql, kind: Type) -> Sql:
    if kind.ordered:
        return sa.func.array_position(sa.literal(list(kind.choices), ARRAY(sa.Text)), value)
    if kind.kind in _TEXTS:
        return sa.collate(sa.func.lower(sa.collate(value, "default")), "C")
    return sa.cast(value, sa.Integer) if kind.kind is Kind.FLAG else value


def _comes_after(seen: Seen, key: Sql, value: Sql | None, order: Order | None) -> Test:
    beyond = key > sa.bindparam("after", seen.source_id, sa.Text)
    if order is None or value is None:
        return beyond
    if seen.value is None:
        return sa.and_(value.is_(None), beyond)
    last = sa.cast(sa.bindparam("after_value", seen.value, sa.Text), _type_of_order(order.field.type))
    further = value < last if order.descending else value > last
    return sa.or_(further, sa.and_(value == last, beyond), value.is_(None))


_TEXTS = frozenset({Kind.TEXT, Kind.CHOICE, Kind.CODE})


def _type_of_order(kind: Type) -> type[sa.types.TypeEngine[Any]]:
    if kind.kind is Kind.DATE:
        return sa.Date
    return sa.Text if kind.kind in _TEXTS and not kind.ordered else sa.Numeric


def select_count(filter_: Filter, question: Question, *, limited: bool = False) -> sa.Select[Any]:
    """`limited`: no further than the parameter `limit`, which is quick however many there are."""
    compiler = _Compiler(question, _measured_beside(_fields_of(filter_)))
    if limited:
        root = compiler.open_root(filter_.root)
        found = root.select(sa.literal_column("1"), where=[compiler.predicate(filter_.condition)])
        first = found.limit(sa.bindparam("limit", 0, sa.BigInteger)).subquery("found")
        return sa.select(sa.func.count()).select_from(first)
    if (groups := compiler.groups_of(filter_)) is not None:
        return sa.select(sa.func.count()).select_from(groups.subquery("groups"))
    if (anchor := _anchor(filter_)) is not None:
        # A foreign key says that each of these rows has an owner: they tell how many owners there are.
        exists, others = anchor
        root = compiler.open(exists.row)
        number = sa.func.count(compiler.owner_key(root).distinct())
        conditions = [compiler.predicate(exists.condition), *map(compiler.predicate, others)]
    else:
        alone = filter_.root.owner is None
        root = compiler.open_root(filter_.root, measured=alone and _reads_of(filter_) == {"metrics"})
        number = sa.func.count()
        conditions = [compiler.predicate(filter_.condition)]
    if question.company is None:
        company = root.column("company_id")
        return root.select(company, number, where=conditions).group_by(company)
    return root.select(number, where=conditions)


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked of rows: which meet `first` and the most of `then`, these tests, and these operands' values.

    Among equals those with the most (or the least) of `extreme` come first.
    """

    first: Predicate = typed.TRUE
    then: tuple[Predicate, ...] = ()
    extreme: tuple[Operand, Literal["most", "least"]] | None = None
    tests: tuple[Predicate, ...] = ()
    operands: tuple[Operand, ...] = ()


def select_probed(filter_: Filter, question: Question, fields: Fields, probe: Probe) -> sa.Select[Any]:
    """How many rows of the filter meet `first` and how many there are; then the row itself, the tests and the values.

    Those that meet `first` come first, then those that meet the most, then the extreme ones, then by source_id.
    """
    compiler = _OfFewRows(question)
    root = compiler.open_root(filter_.root)
    condition, first = compiler.predicate(filter_.condition), compiler.whether(probe.first)
    met = [sa.cast(compiler.whether(one), sa.Integer) for one in probe.then]
    key = sa.collate(root.column("source_id"), "C")
    columns: list[Sql] = [sa.func.count().filter(first).over(), sa.func.count().over(), root.column("source_id")]
    columns += [compiler.field(row, found) for row, found in fields.values()]
    columns += [*map(compiler.whether, probe.tests), *(part for one in probe.operands for part in compiler.value(one))]
    named = [column.label(f"column_{place}") for place, column in enumerate(columns)]
    most: list[Sql] = [sum(met[1:], met[0]).desc()] if met else []
    order: list[Sql] = [first.desc(), *most, *compiler.nearness(probe), key]
    rows = root.select(*named, where=[condition]).order_by(*order)
    return rows.limit(sa.bindparam("limit", 0, sa.BigInteger))


@dataclass(frozen=True, slots=True)
class _Scope:
    """One SELECT while it is written: its own row, and all that are at hand in it."""

    own: Frame
    frames: dict[Row, Frame]


@dataclass(frozen=True, slots=True)
class _Groups:
    """The ids of the owners for whom a test of their rows holds; `of_others`: for whom it does not."""

    owner: Row
    keys: sa.Select[Any]
    of_others: bool


@dataclass
class _Compiler:
    question: Question
    measured: frozenset[Row] = frozenset()  # rows beside another of which only metrics are read
    scopes: list[_Scope] = field(default_factory=list)

    def __post_init__(self) -> None:
        company = self.question.company
        self.company: Sql | None = None if company is None else sa.bindparam("company", company, sa.BigInteger)
        self.as_of: Sql = sa.bindparam("as_of", self.question.as_of, sa.Date)

    @contextmanager
    def opened(self, row: Row) -> Iterator[Frame]:
        """A SELECT over the row's relation, inside the one that is being written."""
        yield self.open(row)
        self.scopes.pop()

    def open(self, row: Row, *, measured: bool = False) -> Frame:
        table = metrics(row.entity, self.question.relations).alias() if measured else self._table(row.entity)
        around = self.scopes[-1].own.table.c.company_id if self.scopes else None
        company = around if self.company is None else self.company
        inner = table.c.company_id if self.company is None else self.company
        frame = Frame(row, self.question.relations, table, company, inner, measured=measured)
        self.scopes.append(_Scope(frame, {row: frame}))
        return frame

    def open_root(self, row: Row, *, measured: bool = False) -> Frame:
        """The outermost SELECT; a document brings its customer with it, a member its group."""
        frame = self.open(row, measured=measured)
        inner = frame
        while (owner := inner.row.owner) is not None:
            inner = self.joined_owner(inner, owner)
            self.scopes[-1].frames[owner] = inner
        return frame

    def _table(self, entity: Entity) -> sa.FromClause:
        return relation(entity, self.question.relations).alias()

    def frame(self, row: Row, levels: int = 2) -> Frame:
        """The frame of a row: of this SELECT or the one around it, where it can be (`levels` 1: of this one).

        What is at hand beside a row joins that row's SELECT. What belongs to a SELECT further out is joined again if
        it is the owner of a row nearer by: a distributed database refuses references across two levels.
        """
        near = self.scopes[: -levels - 1 : -1]
        for scope in near:
            if row in scope.frames:
                return scope.frames[row]
        for scope in near:
            for known, frame in list(scope.frames.items()):
                owner = known.owner
                if owner and row in _line(owner) and owner not in scope.frames and not _is_beside(known):
                    scope.frames[owner] = self.joined_owner(frame, owner)
                    return self.frame(row, levels)
        if row.owner is not None and _is_beside(row):
            beside = self.frame(row.owner, levels)
            scope = next(scope for scope in self.scopes[::-1] if beside in scope.frames.values())
            scope.frames[row] = self._joined(row, beside)
            return scope.frames[row]
        return next(scope.frames[row] for scope in self.scopes[::-1] if row in scope.frames)

    def _joined(self, row: Row, owner: Frame) -> Frame:
        measured = row in self.measured
        table = metrics(row.entity, self.question.relations).alias() if measured else self._table(row.entity)
        optional = row.entity.name == "group"
        company = owner.inner_company
        frame = Frame(row, self.question.relations, table, company, company, owner.joins, optional, measured)
        link = frame.column("id") == owner.column("group_id") if optional else sa.true()
        on = sa.and_(table.c.company_id == company, link)
        owner.join(row, lambda: (table, on, optional))
        return frame

    def field(self, row: Row, found: Field) -> Sql:
        return found.sql(self.sources(row))

    def sources(self, row: Row) -> Sources:
        frame = self.frame(row)
        others = related(self.question.relations)
        return Sources(frame.column, frame.metric, self.as_of, others, frame.inner_company)

    # ------------------------------------------------------------ predicates

    def predicate(self, node: Predicate) -> Test:
        match node:
            case typed.Constant(value):
                return sa.true() if value else _NEVER
            case typed.And(items):
                return sa.and_(*map(self.predicate, items))
            case typed.Or(items):
                return sa.or_(*map(self.predicate, items))
            case typed.Not(typed.Exists() | typed.Block() as inner):
                return ~self.predicate(inner)  # never missing
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
                found = self._of_group(node)
                return self.tested(operand) if found is None else found
            case typed.InSegment():
                return self.in_segment(node)
            case typed.Compare() | typed.Range() | typed.OneOf() | typed.Absent():
                for found in (self._grouped(node), self._of_group(node)):
                    if found is not None:
                        return found
                return self.test(node)
            case _:
                assert_never(node)

    def in_segment(self, node: typed.InSegment) -> Test:
        """The ids of the members are a question of their own."""
        inner = _Compiler(self.question, _measured_beside(_fields_of(node.explicit)))
        members = inner.open_root(node.explicit.root)
        of_any = self.company is None
        columns = [*([members.column("company_id")] if of_any else []), members.column("id")]
        ids = members.select(*columns, where=[inner.predicate(node.explicit.condition)])
        key = self.frame(node.row).column("id")
        found = sa.tuple_(self.scopes[-1].own.column("company_id"), key) if of_any else key
        return found.not_in(ids) if node.negated else found.in_(ids)

    def exists(self, row: Row, condition: Predicate) -> sa.Exists:
        with self.opened(row) as frame:
            conditions = [self.link(frame), self.predicate(condition)]
        return frame.select(sa.literal_column("1"), where=conditions).exists()

    def link(self, frame: Frame) -> Test:
        """To the SELECT around, in which alone the owner is sought: the frame's own is another row of that kind."""
        assert frame.row.owner is not None
        inside = self.scopes.pop()
        key = self.key(frame.row.owner, levels=1)
        self.scopes.append(inside)
        return self.owner_key(frame) == key

    def key(self, owner: Row, levels: int = 2) -> Sql:
        """The id of a row as this SELECT has it: its own, or that of whoever its row belongs to."""
        here = self.scopes[-1]
        if owner not in here.frames and here.own.row.owner == owner:
            return self.owner_key(here.own)
        return self.frame(owner, levels).column("id")

    def owner_key(self, frame: Frame) -> Sql:
        return frame.column("group_id" if frame.row.entity.name == "customer" else "customer_id")

    def test(self, node: _Tested) -> Test:
        positive = self._positive(node)
        return positive.is_not(sa.true()) if node.negated else positive

    def _positive(self, node: _Tested) -> Test:
        match node:
            case typed.Compare(operator, left, right):
                return self.compare(operator, left, right)
            case typed.Range(_, operand, low, high):
                return sa.and_(self.compare(MORE_OR_EQUAL, operand, low), self.compare(LESS_OR_EQUAL, operand, high))
            case typed.OneOf(operator, operand, values):
                return self.one_of(operator, operand, values)
            case typed.Absent(_, operand):
                return self.absent(operand)
            case _:
                assert_never(node)

    def compare(self, operator: Operator, left: Operand, right: Operand) -> Test:
        assert operator.sql is not None
        if (by_date := self._by_date(operator, left, right)) is not None:
            return by_date
        if left.type.kind in QUANTITIES:
            one, other, _ = aligned(self.quantity(left), self.quantity(right))
            return operator.sql(one, other)
        if left.type.ordered and operator is not EQUAL:
            return self._ranked(operator, left, right)
        return operator.sql(self.plain(left), self.plain(right))

    def _by_date(self, operator: Operator, left: Operand, right: Operand) -> Test | None:
        """An age against a number, as its date against the day so long ago: that is what an index can serve."""
        match left, right:
            case (typed.FieldOf(row, Field(age=Age() as age)), number):
                pass
            case (number, typed.FieldOf(row, Field(age=Age() as age))) if operator in _MIRRORED:
                operator = _MIRRORED[operator]
            case _:
                return None
        days = self._days(number)
        if days is None:
            return None
        at = self.sources(row)
        test = operator if age.ahead else _MIRRORED[operator]
        assert test.sql is not None
        by_date = test.sql(age.date(at), self.as_of + days if age.ahead else self.as_of - days)
        return by_date if age.where is None else sa.and_(age.where(at), by_date)

    def _days(self, operand: Operand) -> Sql | None:
        """A whole number that no row decides, no farther than any two days are apart."""
        if (number := number_of(operand, self.question.as_of)) is not None:
            whole = max(Fraction(-_LONGEST_AGE), min(Fraction(_LONGEST_AGE), number))
            return sa.literal(int(whole), sa.Integer) if whole.denominator == 1 else None
        match operand:
            case typed.Unbound(name=name, denominator=1):
                parameter = sa.bindparam(f"parameter_{name}", None, sa.BigInteger)
                return sa.cast(sa.func.least(sa.func.greatest(parameter, -_LONGEST_AGE), _LONGEST_AGE), sa.Integer)
            case _:
                return None

    def _ranked(self, operator: Operator, left: Operand, right: Operand) -> Test:
        """Choices in their order: against a known one, as the list of those that are meant."""
        assert operator.sql is not None
        choices = left.type.choices
        match left, right:
            case operand, typed.Value(_, str() as value):
                test = operator.sql
            case typed.Value(_, str() as value), operand if operator in _MIRRORED:
                mirrored = _MIRRORED[operator].sql
                assert mirrored is not None
                test = mirrored
            case _:
                return operator.sql(self._rank(left), self._rank(right))
        place = choices.index(value)
        meant = [choice for number, choice in enumerate(choices) if test(number, place)]
        return self.plain(operand) == sa.any_(sa.bindparam(None, meant, ARRAY(sa.Text)))

    def _rank(self, operand: Operand) -> Sql:
        order = sa.bindparam(None, list(operand.type.choices), ARRAY(sa.Text))
        return sa.func.array_position(order, self.plain(operand))

    def one_of(self, operator: Operator, operand: Operand, values: tuple[Operand, ...]) -> Test:
        assert operator.sql is not None
        if operand.type.kind not in QUANTITIES:
            match values:
                case (typed.Unbound(name=name, many=True),):
                    return operator.sql(self.tested(operand), sa.bindparam(f"parameter_{name}", None, ARRAY(sa.Text)))
            texts = [value.value for value in values if isinstance(value, typed.Value)]
            if len(texts) == len(values):
                return operator.sql(self.tested(operand), sa.bindparam(None, texts, ARRAY(sa.Text)))
            return operator.sql(self.tested(operand), sa.cast(array(map(self.plain, values)), ARRAY(sa.Text)))
        return sa.or_(*(self.compare(EQUAL, operand, value) for value in values)) if self._mixed(operand, values) else \
            operator.sql(*self._numbers(operand, values))  # fmt: skip

    def _mixed(self, operand: Operand, values: tuple[Operand, ...]) -> bool:
        """Whether a list of numbers cannot be one array over the operand's denominator."""
        quantity = self.quantity(operand)
        literals = [number_of(value, self.question.as_of) for value in values]
        return not isinstance(quantity.denominator, int) or any(
            value is None or (value * quantity.denominator).denominator != 1 for value in literals
        )

    def _numbers(self, operand: Operand, values: tuple[Operand, ...]) -> tuple[Sql, Sql]:
        quantity = self.quantity(operand)
        assert isinstance(quantity.denominator, int)
        scaled = [
            Decimal(int((number_of(value, self.question.as_of) or Fraction()) * quantity.denominator))
            for value in values
        ]
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
                return self._scalar(node)
            case typed.FirstOf():
                return self._first(node)
            case _:
                raise TypeError(node)

    def tested(self, node: Operand) -> Sql:
        """A flag or set that is only asked whether it holds: what is false and what is missing need not be told."""
        match node:
            case typed.FieldOf(row, Field(tested=tested)) if tested is not None:
                return tested(self.sources(row))
            case _:
                return self.plain(node)

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

    def quantity(self, node: Operand) -> Quantity:
        if (known := number_of(node, self.question.as_of)) is not None:
            return literal(known)
        match node:
            case typed.FieldOf(row, found):
                return Quantity(self.field(row, found), SCALE if found.type.kind is Kind.MONEY else 1)
            case typed.Unbound(name=name, denominator=None):
                return Quantity(sa.bindparam(f"parameter_{name}", None, sa.Numeric), 1)
            case typed.Unbound(name=name, denominator=int(denominator)):
                return Quantity(sa.bindparam(f"parameter_{name}", None, sa.BigInteger), denominator)
            case typed.Factor(inner):
                found_quantity = self.quantity(inner)
                return Quantity(found_quantity.numerator, product(found_quantity.denominator, 100))
            case typed.Arithmetic(_, operator, left, right):
                return calculated(operator, self.quantity(left), self.quantity(right))
            case typed.DaysBetween(later, earlier):
                return Quantity(self.plain(later) - self.plain(earlier))
            case typed.Converted():
                return self._converted(node)
            case typed.Aggregated():
                scale = self._scale(node)
                return Quantity(self._scalar(node), scale)
            case typed.FirstOf(operand=operand):
                scale = SCALE if operand.type.kind is Kind.MONEY else 1
                return Quantity(self._first(node), scale)
            case _:
                raise TypeError(node)

    # ------------------------------------------------------------ currencies

    def _converted(self, node: typed.Converted) -> Quantity:
        """At the latest rates on or before the as-of day, half up to ten-thousandths; without a rate it is missing."""
        amount = exact(self.quantity(node.operand).numerator)
        source, target = self._code(node.source), self._code(node.target)
        size = sa.func.abs(amount) * self._rate(node.source, source)
        converted = sa.func.sign(amount) * nearest(size, self._rate(node.target, target))
        return Quantity(sa.case((source == target, amount), else_=converted), SCALE)

    def _code(self, currency: typed.Currency) -> Sql:
        if currency.code:
            return sa.bindparam(None, currency.code, sa.Text)
        if currency.row:
            return self.frame(currency.row, levels=1).column("currency")  # a rate is looked up one SELECT further in
        return self._base(self.scopes[-1].own.inner_company)

    def _base(self, company_id: Sql) -> Sql:
        company = sa.table("company", sa.column("company_id"), sa.column("base_currency")).alias()
        base = sa.select(company.c.base_currency).where(company.c.company_id == company_id)
        return base.correlate_except(company).scalar_subquery()

    def _rate(self, currency: typed.Currency, code: Sql) -> Sql:
        rates = sa.table("fx_latest", sa.column("company_id"), sa.column("currency"), sa.column("rate")).alias()
        if self.company is None and currency == typed.BASE:
            code = self._base(rates.c.company_id)
        tied = rates.c.company_id == self.scopes[-1].own.inner_company
        latest = sa.select(rates.c.rate).where(tied, rates.c.currency == code)
        return latest.correlate_except(rates).scalar_subquery()

    # ------------------------------------------------------------ aggregates

    def _scalar(self, node: typed.Aggregated) -> Sql:
        with self.opened(node.row) as frame:
            conditions = [self.link(frame), self.predicate(node.where)]
            value = self.reduced(node).numerator
        return frame.select(value, where=conditions).scalar_subquery()

    def _scale(self, node: typed.Aggregated) -> int:
        if node.function == "AVG":
            return SCALE
        return SCALE if node.type.kind is Kind.MONEY else 1

    def reduced(self, node: typed.Aggregated) -> Quantity:
        """The aggregate over the SELECT it stands in. Rows that cannot be converted make it missing as a whole."""
        if node.operand is None:
            return Quantity(sa.func.count())
        if node.type.kind is Kind.DATE:
            value = self.plain(node.operand)
            return Quantity(sa.func.max(value) if node.function == "MAX" else sa.func.min(value))
        quantity = self.quantity(node.operand)
        assert isinstance(quantity.denominator, int)
        value, scale = quantity.numerator, self._scale(node)
        result: Sql
        match node.function:
            case "SUM" if isinstance(node.operand, typed.Converted):
                # Unlike NULL, NaN takes the sum it enters with it.
                amount = sa.case((self.is_given(node.operand.operand), sa.func.coalesce(value, _NAN)))
                return Quantity(sa.func.nullif(sa.func.coalesce(sa.func.sum(amount), 0), _NAN), scale)
            case "SUM":
                result = sa.func.coalesce(sa.func.sum(exact(value)), 0)
            case "AVG":
                total = sa.func.sum(exact(value)) * sa.literal(SCALE // quantity.denominator, sa.Numeric)
                result = half_up(total, exact(sa.func.nullif(sa.func.count(value), 0)))
            case "MIN":
                result = sa.func.min(value)
            case _:
                result = sa.func.max(value)
        operand = node.operand.operand if isinstance(node.operand, typed.Converted) else node.operand
        given = sa.func.count().filter(self.is_given(operand))
        return Quantity(
            sa.case((given == sa.func.count(value), result)) if _needs_rate(node.operand) else result, scale
        )

    def is_given(self, operand: Operand) -> Test:
        """Whether there is something to tell of a row: where its value is missing all the same, it lacks a rate."""
        match operand:
            case typed.FieldOf(row, Field(given=given)) if given is not None:
                return given(self.sources(row))
            case _:
                return self.quantity(operand).numerator.is_not(None)

    def _first(self, node: typed.FirstOf) -> Sql:
        with self.opened(node.row) as frame:
            conditions = [self.link(frame), self.predicate(node.where)]
            first, order = self.first_value(node), self._order(node, frame)
        return frame.select(first.numerator, where=conditions).order_by(*order).limit(1).scalar_subquery()

    def _order(self, node: typed.FirstOf, frame: Frame) -> list[Sql]:
        keys = [(self._sort_key(operand), descending) for operand, descending in node.keys]
        ordered = [(key.desc() if descending else key.asc()).nulls_last() for key, descending in keys]
        return [*ordered, sa.collate(frame.column("source_id"), "C")]

    def _sort_key(self, operand: Operand) -> Sql:
        if operand.type.kind in QUANTITIES:
            return self.quantity(operand).numerator
        if operand.type.ordered:
            return self._rank(operand)
        value = self.plain(operand)
        return sa.collate(value, "C") if operand.type.kind in (Kind.TEXT, Kind.CHOICE, Kind.CODE) else value

    # ------------------------------------------------------------ grouped semi-joins

    def groups_of(self, filter_: Filter) -> sa.Select[Any] | None:
        """The ids of the customers or groups of a filter that is but one test of an aggregate, or one ALL."""
        root, condition = filter_.root, filter_.condition
        if root.owner is not None or self.question.company is None:
            return None
        match condition:
            case typed.Compare() | typed.Range():
                grouped = self._groups(condition)
            case typed.Block("ALL", row, inner) if row.owner == root and inner.free <= {row, root}:
                grouped = None if _reads_of(filter_) else self._every(row, inner)
            case _:
                return None
        return None if grouped is None or grouped.of_others or grouped.owner != root else grouped.keys

    def _every(self, row: Row, condition: Predicate) -> "_Groups":
        with self.opened(row) as frame:
            holds = sa.func.bool_and(self.predicate(condition).is_(sa.true()))
        key = self.owner_key(frame)
        assert row.owner is not None
        return _Groups(row.owner, frame.select(key, where=[key.is_not(None)]).group_by(key).having(holds), False)

    def _grouped(self, node: _Tested) -> Test | None:
        """A test of one aggregate against constants, as `id IN (SELECT … GROUP BY … HAVING …)`."""
        grouped = self._groups(node)
        if grouped is None:
            return None
        around = self.scopes[-1]
        key = self.key(grouped.owner)
        found = key if self.company is not None else sa.tuple_(around.own.column("company_id"), key)
        return found.not_in(grouped.keys) if grouped.of_others else found.in_(grouped.keys)

    def _groups(self, node: _Tested) -> "_Groups | None":
        """None where the aggregate's rows depend on more than their own owner. Owners without any row are not in the
        grouped answer: where the test holds for them, it is the owners for whom it fails.
        """
        aggregate = _lone_aggregate(node)
        if aggregate is None or aggregate.row.owner is None:
            return None
        if isinstance(aggregate, typed.FirstOf) and self.company is None:
            return None  # a sweep has no relation but those tied to the one around it
        owner = aggregate.row.owner
        inside = _rows_read(aggregate)
        if not inside <= {aggregate.row, owner}:
            return None
        holds_for_none = _holds_for_none(node, aggregate, self.question.as_of)
        inner = _Compiler(self.question)
        inner.company, inner.as_of = self.company, self.as_of
        with inner.opened(aggregate.row) as frame:
            if owner in inside:
                inner.scopes[-1].frames[owner] = inner.joined_owner(frame, owner)
            key = self.owner_key(frame)
            keys = [frame.column("company_id"), key] if self.company is None else [key]
            where = [inner.predicate(aggregate.where), key.is_not(None)]
            if isinstance(aggregate, typed.FirstOf):
                first, order = inner.first_value(aggregate), inner._order(aggregate, frame)
                named = [column.label(f"key_{place}") for place, column in enumerate(keys)]
                rows = frame.select(*named, first.numerator.label("value"), where=where)
                firsts = rows.ext(distinct_on(*keys)).order_by(*keys, *order).subquery("firsts")
                value = Quantity(firsts.c.value, first.denominator)
                groups, narrow = sa.select(*(firsts.c[column.name] for column in named)), sa.Select.where
            else:
                value = inner.reduced(aggregate)
                groups, narrow = frame.select(*keys, where=where).group_by(*keys), sa.Select.having
        holds = _WithAggregate(self.question, aggregate=aggregate, value=value).test(node)
        return _Groups(owner, narrow(groups, holds.is_not(sa.true()) if holds_for_none else holds), holds_for_none)

    def _of_group(self, node: _Tested | typed.Holds) -> Test | None:
        """A test of nothing but a customer's group, as `group_id IN (SELECT …)`: unlike a join it can stop early."""
        group = _lone_group(node)
        if group is None or group.owner is None or self.company is None:
            return None
        key = self.frame(group.owner).column("group_id")
        inner = _Compiler(self.question)
        inner.company, inner.as_of = self.company, self.as_of
        frame = inner.open(group, measured=group in self.measured)
        test = inner.tested(node.operand) if isinstance(node, typed.Holds) else inner.test(node)
        if not _holds_for_missing(node):
            return key.in_(frame.select(frame.column("id"), where=[test]))
        # It holds for customers without a group as well.
        return key.in_(frame.select(frame.column("id"), where=[test.is_not(sa.true())])).is_not(sa.true())

    def first_value(self, node: typed.FirstOf) -> Quantity:
        if node.operand.type.kind not in QUANTITIES:
            return Quantity(self.plain(node.operand))
        return Quantity(self.quantity(node.operand).numerator, SCALE if node.operand.type.kind is Kind.MONEY else 1)

    def joined_owner(self, frame: Frame, owner: Row) -> Frame:
        """The row's owner in the same SELECT: there is exactly one."""
        table = self._table(owner.entity)
        company = frame.inner_company
        on = sa.and_(table.c.company_id == company, table.c.id == self.owner_key(frame))
        frame.join(owner, lambda: (table, on, False))
        return Frame(owner, self.question.relations, table, company, company, frame.joins)


class _OfFewRows(_Compiler):
    """For few rows an aggregate of each is quicker than the groups of all."""

    def _grouped(self, node: _Tested) -> Test | None:  # noqa: ARG002
        return None

    def nearness(self, probe: Probe) -> list[Sql]:
        if probe.extreme is None:
            return []
        operand, which = probe.extreme
        value = self._sort_key(operand)
        return [(value.desc() if which == "most" else value.asc()).nulls_last()]

    def whether(self, node: Predicate) -> Test:
        return self.predicate(node).is_(sa.true())

    def value(self, node: Operand) -> tuple[Sql, ...]:
        """A quantity is a numerator and a denominator."""
        if node.type.kind not in QUANTITIES:
            return (self.plain(node),)
        quantity = self.quantity(node)
        below = quantity.denominator
        return quantity.numerator, sa.literal(below, sa.Numeric) if isinstance(below, int) else below


@dataclass
class _WithAggregate(_Compiler):
    """Compiles a test in a HAVING, where the aggregate is at hand."""

    aggregate: typed.Aggregated | typed.FirstOf | None = None
    value: Quantity | None = None

    def quantity(self, node: Operand) -> Quantity:
        return self.value if node is self.aggregate and self.value else super().quantity(node)

    def plain(self, node: Operand) -> Sql:
        return self.value.numerator if node is self.aggregate and self.value else super().plain(node)


def _needs_rate(operand: Operand) -> bool:
    return isinstance(operand, typed.Converted) or (
        isinstance(operand, typed.FieldOf) and operand.field.given is not None
    )


def _is_beside(row: Row) -> bool:
    """Whether there is one such row for each owner: not so of documents, and of members of a group."""
    return row.entity.name in ("group", "company")


def _line(row: Row) -> Iterator[Row]:
    """The row, its owner, the owner's owner."""
    yield row
    if row.owner is not None:
        yield from _line(row.owner)


def _anchor(filter_: Filter) -> tuple[typed.Exists | typed.Block, list[Predicate]] | None:
    """One of the filter's documents that can stand for the customer, and the other conditions.

    Only where nothing is asked of the customer but whose documents they are.
    """
    if filter_.root.owner is not None or _reads_of(filter_):
        return None
    condition = filter_.condition
    conditions: list[Predicate] = list(condition.conditions) if isinstance(condition, typed.And) else [condition]
    for place, candidate in enumerate(conditions):
        match candidate:
            case typed.Exists(row) | typed.Block("ANY", row) if row.owner == filter_.root:
                return candidate, conditions[:place] + conditions[place + 1 :]
    return None


def _fields_of(filter_: Filter) -> list[tuple[Row, Field]]:
    return [(node.row, node.field) for node in typed.nodes(filter_.condition) if isinstance(node, typed.FieldOf)]


def _measured_beside(fields: Iterable[tuple[Row, Field]]) -> frozenset[Row]:
    beside = [(row, columns_of(field)) for row, field in fields if row.entity.metrics and _is_beside(row) and row.owner]
    return frozenset(row for row, _ in beside) - {row for row, columns in beside if columns.row}


def _reads_of(filter_: Filter) -> set[str]:
    """What a filter reads of the customer or group itself: columns of the "row", or its "metrics"."""
    found: set[str] = set()
    for node in typed.nodes(filter_.condition):
        match node:
            case typed.FieldOf(row, field) if row == filter_.root:
                read = columns_of(field)
                found |= {name for name, columns in (("row", read.row), ("metrics", read.metrics)) if columns}
            case typed.FieldOf(row) if row.owner == filter_.root and _is_beside(row):
                found.add("row")
            case typed.Converted(_, source, target) if filter_.root in (source.row, target.row):
                found.add("row")
    return found


def _rows_read(aggregate: typed.Aggregated | typed.FirstOf) -> frozenset[Row]:
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


def _lone_group(node: _Tested | typed.Holds) -> Row | None:
    """The group, where a test reads nothing else."""
    read: set[Row | None] = set()
    for part in typed.nodes(node):
        match part:
            case typed.FieldOf(row):
                read.add(row)
            case typed.Converted(_, source, target):
                read |= {currency.row for currency in (source, target) if currency.row}
            case typed.Aggregated() | typed.FirstOf():
                return None
    group = read.pop() if len(read) == 1 else None
    return group if group is not None and group.entity.name == "group" else None


def _holds_for_missing(node: _Tested | typed.Holds) -> bool:
    match node:
        case typed.Holds():
            return False
        case typed.Absent():
            return not node.negated
        case typed.OneOf(operator):
            return (operator is HAS_NONE) is not node.negated
        case _:
            return node.negated


def _operands(node: _Tested) -> tuple[Operand, ...]:
    match node:
        case typed.Compare(_, left, right):
            return left, right
        case typed.Range(_, operand, low, high):
            return operand, low, high
        case typed.OneOf(_, operand, values):
            return operand, *values
        case typed.Absent(_, operand):
            return (operand,)


def _lone_aggregate(node: _Tested) -> typed.Aggregated | typed.FirstOf | None:
    operands = _operands(node)
    found = [operand for operand in operands if isinstance(operand, typed.Aggregated | typed.FirstOf)]
    rest = [operand for operand in operands if not isinstance(operand, typed.Aggregated | typed.FirstOf)]
    alone = len(found) == 1 and all(map(typed.is_constant, rest)) and not isinstance(node, typed.OneOf)
    return found[0] if alone else None


def _holds_for_none(node: _Tested, aggregate: typed.Aggregated | typed.FirstOf, as_of: date) -> bool:
    """Whether the test holds where the aggregate has no row: COUNT and SUM are 0 then, the others missing."""
    counts = isinstance(aggregate, typed.Aggregated) and aggregate.function in ("COUNT", "SUM")
    empty = Fraction(0) if counts else None

    def known(operand: Operand) -> Fraction | None:
        return empty if operand is aggregate else number_of(operand, as_of)

    match node:
        case typed.Compare(operator, left, right):
            one, other = known(left), known(right)
            known_sides = one is not None and other is not None
            positive = known_sides and operator.sql is not None and bool(operator.sql(one, other))
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


_MIRRORED = {
    EQUAL: EQUAL,
    LESS: MORE,
    MORE: LESS,
    LESS_OR_EQUAL: MORE_OR_EQUAL,
    MORE_OR_EQUAL: LESS_OR_EQUAL,
}

_NAN = sa.literal_column("'NaN'::numeric", sa.Numeric)
_LONGEST_AGE = 120_000  # days; from the first day there is to the last is less
_MOST_DAYS = 73_000  # 200 years; a date moved further is missing, for no calendar has it
