"""A second translation of a checked filter, set by set, that shares nothing with the compiler: what both select alike
is selected right.

A filter about a row is worked out in one SELECT over the rows of its entity. What is asked of other rows is grouped by
whom they belong to and joined: a block is the owners it holds for, an aggregate a value for each owner, and the bare
conditions on an entity are the distinct combinations of truth values that its rows show, of which an owner may choose
one, or none. A NOT and a condition of a block are filters of their own.
"""

import operator
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, assert_never

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from dsl import operators, typed
from dsl.bare_rows import by_bare_row, gathered
from dsl.catalog import Field, Sources
from dsl.days import DAYS, MONTHS, constant_day
from dsl.ledger import Ledger
from dsl.operators import Operator
from dsl.ratios import Ordering, Ratio, Sql, calculated, compared, exact, rounded, whole
from dsl.typed import Currency, FieldOf, Operand, Predicate, Role, Row
from dsl.types import QUANTITIES, Kind, Type

# sa.false() would take all that it is ANDed with out of the statement, the company too.
_NEVER = sa.literal_column("false", sa.Boolean)


def select_set(
    filter: typed.Filter, *, company: int, as_of: date, metrics_suffix: str, historic: bool
) -> sa.Select[tuple[int]]:
    """The ids of the customers (or groups) in the filter, each once.

    `filter` is the checked one, before lowering, with all values in it. `historic` reads the relations of a day before
    the company's today, `metrics_suffix` ends the names of the metrics that hold for the day.
    """
    return _Sets(Ledger(company, as_of, metrics_suffix, historic)).ids(filter.root, filter.condition)


# ---------------------------------------------------------------- sets


class _Sets:
    """The sets made so far of the rows of one company on one day; one that is asked for again is the same one."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.made: dict[object, sa.CTE] = {}

    def kept(self, what: object, select: Callable[[], sa.Select[Any]]) -> sa.CTE:
        if what not in self.made:
            self.made[what] = select().cte()
        return self.made[what]

    @property
    def rates(self) -> sa.CTE:
        return self.kept("rates", self.ledger.rates)

    def ids(self, row: Row, condition: Predicate) -> sa.Select[tuple[int]]:
        """The rows for which a filter about them holds, for some choice of their bare rows."""
        condition = gathered(condition, row)
        rows = _Rows(self, row, [condition])
        return rows.select(rows.key(row).label("id"), where=rows.holds(condition)).distinct()

    def choices(self, row: Row, conditions: Sequence[Predicate]) -> sa.CTE:
        """Which of the conditions hold together on one bare row, by its owner.

        A row on which none holds is no better a choice than no row.
        """

        def select() -> sa.Select[Any]:
            parts = [gathered(condition, row) for condition in conditions]
            rows = _Rows(self, row, parts)
            truths = [rows.holds(part) for part in parts]
            named = [truth.label(f"holds_{place}") for place, truth in enumerate(truths)]
            return rows.select(rows.owner_key.label("id"), *named, where=sa.or_(*truths)).distinct()

        return self.kept((row, tuple(conditions)), select)

    def owners(self, block: typed.Block) -> sa.CTE:
        """Those for whom some row, or with ALL every row of those there are, meets the block's condition."""

        def select() -> sa.Select[Any]:
            rows = _Rows(self, block.row)
            held, owner = rows.closed(block.condition), rows.owner_key
            if block.quantifier == "ALL":
                return rows.select(owner.label("id")).group_by(owner).having(sa.func.bool_and(held))
            return rows.select(owner.label("id"), where=held).distinct()

        return self.kept((block.quantifier == "ALL", block.row, block.condition), select)

    def reductions(self, node: typed.Aggregated) -> sa.CTE:
        def select() -> sa.Select[Any]:
            rows = _Rows(self, node.row)
            owner, value = rows.owner_key, rows.reduced(node)
            grouped = rows.select(owner.label("id"), value.label("value"), where=rows.closed(node.where))
            return grouped.group_by(owner)

        return self.kept(node, select)

    def firsts(self, node: typed.FirstOf) -> sa.CTE:
        """Rows without the key come last, ties are broken by source id."""

        def select() -> sa.Select[Any]:
            rows = _Rows(self, node.row)
            keys = [(rows.sort_key(operand), descending) for operand, descending in node.keys]
            order = [(key.desc() if descending else key.asc()).nulls_last() for key, descending in keys]
            owner, value = rows.owner_key, rows.single(node.operand)
            chosen = rows.select(owner.label("id"), value.label("value"), where=rows.closed(node.where))
            by_source_id = sa.collate(rows.start.c.source_id, "C")
            return chosen.ext(distinct_on(owner)).order_by(owner, *order, by_source_id)

        return self.kept(node, select)


# ---------------------------------------------------------------- the SELECT over the rows of one variable


class _Rows:
    """The rows of one variable, with whom they belong to and what is known of other rows joined as it is asked for.

    `conditions` are those that are to hold together for one choice of the bare rows they speak of. But for these
    choices nothing that is joined has two rows for one.
    """

    def __init__(self, sets: _Sets, row: Row, conditions: Sequence[Predicate] = ()) -> None:
        self.sets, self.ledger, self.row = sets, sets.ledger, row
        self.start = self.ledger.relation(row.entity)
        self.source: sa.FromClause = self.start
        self.joined: dict[object, sa.FromClause] = {row: self.start}
        self.chosen: dict[Predicate, Sql] = {}
        for bare, spoken in by_bare_row(row, conditions).items():
            choices = self.beside(sets.choices(bare, spoken), row)
            truths = [sa.func.coalesce(choices.c[f"holds_{place}"], sa.false()) for place in range(len(spoken))]
            self.chosen |= dict(zip(spoken, truths, strict=True))

    def select(self, *columns: Sql, where: Sql | None = None) -> sa.Select[Any]:
        """When everything has been joined that the columns and the condition need."""
        ours = sa.select(*columns).select_from(self.source).where(self.start.c.company_id == self.ledger.company)
        return ours if where is None else ours.where(where)

    # ------------------------------------------------------------ joins

    def join(self, what: object, make: Callable[[], tuple[sa.FromClause, Sql]]) -> sa.FromClause:
        if what not in self.joined:
            relation, on = make()
            self.source = self.source.outerjoin(relation, on)
            self.joined[what] = relation
        return self.joined[what]

    def table(self, row: Row) -> sa.FromClause:
        """The relation of this row, of one it belongs to, or of a group or company beside one of these."""

        def relation() -> tuple[sa.FromClause, Sql]:
            table = self.ledger.relation(row.entity)
            ours = table.c.company_id == self.ledger.company
            return table, ours if row.entity.name == "company" else sa.and_(ours, table.c.id == self.key(row))

        return self.join(row, relation)

    def metrics(self, row: Row) -> sa.FromClause:
        def relation() -> tuple[sa.FromClause, Sql]:
            table = self.ledger.metrics(row.entity)
            ours = table.c.company_id == self.ledger.company
            if row.entity.name == "company":
                return table, ours
            return table, sa.and_(ours, table.c[f"{row.entity.name}_id"] == self.key(row))

        return self.join(("metrics", row), relation)

    def key(self, row: Row) -> Sql:
        """The id of this row or of one it belongs to, or of the group beside it: as the row below refers to it."""
        if row == self.row:
            return self.start.c.id
        below = self.row
        while row not in (below.owner, _beside(below, row)):
            assert below.owner is not None
            below = below.owner
        return self.table(below).c[f"{row.entity.name}_id"]

    @property
    def owner_key(self) -> Sql:
        assert self.row.owner is not None
        return self.key(self.row.owner)

    def beside(self, found: sa.CTE, owner: Row | None) -> sa.FromClause:
        """What was found for the row itself, or for one that it belongs to."""
        assert owner is not None
        return self.join((found, owner), lambda: (found, found.c.id == self.key(owner)))

    def rate(self, currency: Currency) -> Ratio:
        def rates() -> tuple[sa.FromClause, Sql]:
            table = self.sets.rates.alias()
            return table, table.c.currency == self.currency(currency)

        return whole(self.join(currency, rates).c.rate)

    def currency(self, currency: Currency) -> Sql:
        if currency.row is not None:
            return self.table(currency.row).c.currency
        return self.ledger.base_currency if currency.code is None else sa.bindparam(None, currency.code, sa.Text)

    # ------------------------------------------------------------ predicates

    def holds(self, condition: Predicate) -> Sql:
        """Never NULL."""
        if condition in self.chosen:
            return self.chosen[condition]
        match condition:
            case typed.Constant(value):
                return sa.true() if value else _NEVER
            case typed.And(conditions):
                return sa.and_(*map(self.holds, conditions))
            case typed.Or(conditions):
                return sa.or_(*map(self.holds, conditions))
            case typed.Not(inner):
                return self.closed(inner).is_not(sa.true())
            case typed.Block(quantifier, row):
                member = self.beside(self.sets.owners(condition), row.owner).c.id
                return member.is_(None) if quantifier == "NO" else member.is_not(None)
            case typed.Compare(negated=negated):
                return _two_valued(self.compared(condition.operator, condition.left, condition.right), negated)
            case typed.Range(_, operand, low, high, negated):
                above = self.compared(operators.MORE_OR_EQUAL, operand, low)
                below = self.compared(operators.LESS_OR_EQUAL, operand, high)
                return _two_valued(sa.and_(above, below), negated)
            case typed.OneOf(negated=negated):
                return _two_valued(self.one_of(condition), negated)
            case typed.Absent(_, operand, negated):
                return _two_valued(self.missing(operand), negated)
            case typed.Holds(operand):
                return _two_valued(self.plain(operand))
            case typed.InSegment(row, _, members, _, negated):
                ids = self.sets.kept(members, lambda: self.sets.ids(members.root, members.condition))
                member = self.beside(ids, row).c.id
                return member.is_(None) if negated else member.is_not(None)
            case typed.Exists():
                raise TypeError("a filter is translated set by set before it is lowered")
            case _:
                assert_never(condition)

    def closed(self, condition: Predicate) -> Sql:
        """A filter of its own about the row: its bare rows are chosen for it alone."""
        if not by_bare_row(self.row, [condition]):
            return self.holds(condition)
        ids = self.sets.kept((self.row, condition), lambda: self.sets.ids(self.row, condition))
        return self.beside(ids, self.row).c.id.is_not(None)

    def compared(self, by: Operator, left: Operand, right: Operand) -> Sql:
        if left.type.kind in QUANTITIES:
            return compared(_ORDERINGS[by], self.ratio(left), self.ratio(right))
        one, other = self.plain(left), self.plain(right)
        if by in _SEARCHES:
            return _SEARCHES[by](_folded(one), _folded(other))
        if by is not operators.EQUAL and left.type.ordered:
            one, other = _rank(one, left.type), _rank(other, left.type)
        test: Sql = _ORDERINGS[by](one, other)
        return test

    def one_of(self, test: typed.OneOf) -> Sql:
        if test.operand.type.kind in QUANTITIES:
            number = self.ratio(test.operand)
            return sa.or_(*(compared(operator.eq, number, self.ratio(value)) for value in test.values))
        values = sa.bindparam(None, [_text(value) for value in test.values], ARRAY(sa.Text))
        return _MEMBERSHIPS[test.operator](self.plain(test.operand), values)

    def missing(self, operand: Operand) -> Sql:
        return self.ratio(operand).missing if operand.type.kind in QUANTITIES else self.plain(operand).is_(None)

    # ------------------------------------------------------------ operands that are no quantity

    def plain(self, operand: Operand) -> Sql:
        if isinstance(day := constant_day(operand, self.ledger.day), date):
            return sa.bindparam(None, day, sa.Date)
        match operand:
            case typed.Value(type, value):
                return sa.bindparam(None, value, sa.Boolean() if type.kind is Kind.FLAG else sa.Text())
            case FieldOf(row, found):
                return self.field(row, found)
            case typed.Shifted(start, count, unit):
                if unit in MONTHS:
                    months = sa.bindparam(None, count * MONTHS[unit], sa.Integer)
                    return sa.cast(self.plain(start) + sa.func.make_interval(0, months), sa.Date)
                return self.plain(start) + sa.bindparam(None, count * DAYS[unit], sa.Integer)
            case typed.ShiftedBy(start, days, back):
                near = _whole_days(self.ratio(days).numerator, typed.is_constant(days))
                return self.plain(start) - near if back else self.plain(start) + near
            case typed.Aggregated():
                return self.beside(self.sets.reductions(operand), operand.row.owner).c.value
            case typed.FirstOf():
                return self.beside(self.sets.firsts(operand), operand.row.owner).c.value
            case _:
                raise TypeError(operand)

    def field(self, row: Row, found: Field) -> Sql:
        return found.sql(self.sources(row))

    def sources(self, row: Row) -> Sources:
        table, metrics, ledger = self.table, self.metrics, self.ledger
        return Sources(
            lambda name: table(row).c[name],
            lambda name: metrics(row).c[name],
            ledger.as_of,
            ledger.related,
            ledger.company,
        )

    # ------------------------------------------------------------ quantities

    def ratio(self, operand: Operand) -> Ratio:
        match operand:
            case typed.Value(_, Decimal() as value):
                return Ratio(exact(value))
            case FieldOf(row, found):
                number = whole(self.field(row, found))
                return calculated("*", number, _TEN_THOUSANDTH) if found.type.kind is Kind.MONEY else number
            case typed.Converted(inner, source, target):
                return self.converted(self.ratio(inner), source, target)
            case typed.Factor(inner):
                return calculated("*", self.ratio(inner), _HUNDREDTH)
            case typed.Arithmetic(_, symbol, left, right):
                return calculated(symbol, self.ratio(left), self.ratio(right))
            case typed.DaysBetween(later, earlier):
                return whole(self.plain(later) - self.plain(earlier))
            case typed.Aggregated(function=function):
                reduced = self.beside(self.sets.reductions(operand), operand.row.owner).c
                if function in ("COUNT", "SUM"):
                    return Ratio(sa.case((reduced.id.is_(None), exact(0)), else_=reduced.value))
                return Ratio(reduced.value)
            case typed.FirstOf():
                return Ratio(self.beside(self.sets.firsts(operand), operand.row.owner).c.value)
            case _:
                raise TypeError(operand)

    def converted(self, amount: Ratio, source: Currency, target: Currency) -> Ratio:
        """At the latest rates, rounded once; missing without them."""
        exchanged = calculated("/", calculated("*", amount, self.rate(source)), self.rate(target))
        same = self.currency(source) == self.currency(target)
        return Ratio(sa.case((same, amount.numerator), else_=rounded(exchanged).numerator))

    # ------------------------------------------------------------ of many rows

    def single(self, operand: Operand) -> Sql:
        """The value of a field, converted or not, as one column."""
        return self.ratio(operand).numerator if operand.type.kind in QUANTITIES else self.plain(operand)

    def sort_key(self, operand: Operand) -> Sql:
        value = self.single(operand)
        if operand.type.ordered:
            return _rank(value, operand.type)
        return sa.collate(value, "C") if operand.type.kind in (Kind.TEXT, Kind.CHOICE, Kind.CODE) else value

    def reduced(self, node: typed.Aggregated) -> Sql:
        """Missing as a whole where an amount there is cannot be converted."""
        if node.operand is None:
            return sa.cast(sa.func.count(), sa.Numeric)
        value = self.single(node.operand)
        result: Sql
        match node.function:
            case "COUNT" | "SUM":
                result = sa.func.coalesce(sa.func.sum(value), exact(0))
            case "AVG":
                count = sa.func.nullif(sa.func.count(value), 0)
                result = rounded(calculated("/", Ratio(sa.func.sum(value)), whole(count))).numerator
            case "MIN":
                result = sa.func.min(value)
            case "MAX":
                result = sa.func.max(value)
            case _:
                assert_never(node.function)
        operand = node.operand.operand if isinstance(node.operand, typed.Converted) else node.operand
        return sa.case((sa.func.count().filter(self.is_told(operand)) == sa.func.count(value), result))

    def is_told(self, operand: Operand) -> Sql:
        """Whether there is something of a row to be reduced; what is missing then lacks a rate."""
        if isinstance(operand, FieldOf) and operand.field.given is not None:
            return operand.field.given(self.sources(operand.row))
        return self.single(operand).is_not(None)


def _beside(row: Row, other: Row) -> Row | None:
    """The other, if it is the group of a customer."""
    return other if other.owner == row and other.role is Role.AT_HAND else None


# ---------------------------------------------------------------- small expressions


def _two_valued(test: Sql, negated: bool = False) -> Sql:
    return test.is_not(sa.true()) if negated else sa.func.coalesce(test, sa.false())


def _folded(text: Sql) -> Sql:
    """In small letters by the database's own collation; ids have another. A final sigma is a sigma."""
    small = sa.func.lower(sa.collate(text, "default"))
    return sa.func.replace(small, sa.literal_column("'\u03c2'"), sa.literal_column("'\u03c3'"))


def _rank(value: Sql, type: Type) -> Sql:
    return sa.func.array_position(sa.bindparam(None, list(type.choices), ARRAY(sa.Text)), value)


def _text(operand: Operand) -> str:
    if isinstance(operand, typed.Value) and isinstance(operand.value, str):
        return operand.value
    raise TypeError(operand)


def _whole_days(days: Sql, constant: bool) -> Sql:
    """Those that lead out of the calendar are missing where rows decide them, else its end."""
    most = exact(2_000_000 if constant else 73_000)
    near = sa.func.sign(days) * sa.func.least(sa.func.abs(days), most)
    return sa.cast(near if constant else sa.case((near == days, days)), sa.Integer)


_ORDERINGS: dict[Operator, Ordering] = {
    operators.EQUAL: operator.eq,
    operators.LESS: operator.lt,
    operators.LESS_OR_EQUAL: operator.le,
    operators.MORE: operator.gt,
    operators.MORE_OR_EQUAL: operator.ge,
}
_SEARCHES: dict[Operator, Callable[[Sql, Sql], Sql]] = {
    operators.CONTAINS: lambda text, part: sa.func.strpos(text, part) > 0,
    operators.STARTS_WITH: lambda text, part: sa.func.left(text, sa.func.length(part)) == part,
    operators.ENDS_WITH: lambda text, part: sa.func.right(text, sa.func.length(part)) == part,
}
_MEMBERSHIPS: dict[Operator, Callable[[Sql, Sql], Sql]] = {
    operators.IN: lambda text, values: text == sa.any_(values),
    operators.HAS_ANY: lambda elements, values: elements.op("&&")(values),
    operators.HAS_ALL: lambda elements, values: elements.op("@>")(values),
    operators.HAS_NONE: lambda elements, values: elements.op("&&")(values).is_not(sa.true()),
}
_HUNDREDTH, _TEN_THOUSANDTH = Ratio(exact(Decimal("0.01"))), Ratio(exact(Decimal("0.0001")))
