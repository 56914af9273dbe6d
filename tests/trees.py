"""Random trees: every form of the language, whether or not it makes sense to the catalog."""

from typing import Any, get_args

from hypothesis import strategies as st

from dsl import ast
from dsl.parser import Limits

BOUNDLESS = Limits(characters=10**6, conditions=10**6, depth=10**6, scopes=10**6, values=10**6, nesting=10**6)

# Beside the likely names, ones that are keywords where a keyword can stand.
FIELDS = st.sampled_from(("balance", "due_date", "_x1", "by", "date", "kind", "status", "android", "last", "custom.in"))
AFTER_DOT = st.one_of(FIELDS, st.sampled_from(("not", "any", "missing", "today", "true", "custom.and")))
ENTITIES = st.sampled_from(("customer", "invoice", "count", "in", "this"))
AFTER_KEYWORD = st.one_of(ENTITIES, st.sampled_from(("any", "not", "where")))
COUNTS = st.integers(1, 200)
UNITS = st.sampled_from(get_args(ast.Unit))
# Plus 0, as the parser makes no negative zero.
DECIMALS = st.decimals(-(10**15), 10**15, places=4).map(lambda value: value + 0)

names = st.one_of(st.builds(ast.Name, st.none(), FIELDS), st.builds(ast.Name, ENTITIES, AFTER_DOT))
literals = st.one_of(
    st.builds(ast.Number, DECIMALS),
    st.builds(ast.Percent, DECIMALS),
    st.builds(ast.Money, DECIMALS, st.sampled_from(("EUR", "USD", "ALL", "TRY"))),
    st.builds(ast.Text, st.text(max_size=8)),
    st.builds(ast.Day, st.dates()),
    st.builds(ast.Today, st.integers(-1, 1)),
    st.builds(ast.Duration, COUNTS, UNITS),
    st.builds(ast.Flag, st.booleans()),
    st.builds(ast.Parameter, st.sampled_from(("x", "Any", "due_by"))),
)
periods = st.one_of(
    st.builds(ast.Rolling, st.sampled_from(("LAST", "NEXT")), COUNTS, UNITS),
    st.builds(
        ast.Calendar,
        st.sampled_from(("THIS", "LAST", "NEXT")),
        st.sampled_from(("WEEK", "MONTH", "QUARTER", "YEAR")),
    ),
)
sort_keys = st.builds(ast.SortKey, st.one_of(names, st.builds(ast.Name, AFTER_KEYWORD, AFTER_DOT)), st.booleans())


def few(items: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, min_size=least, max_size=3).map(tuple)


def several(kind: type[ast.And] | type[ast.Or]) -> st.SearchStrategy[Any]:
    """AND and OR are never nested in themselves."""
    return st.builds(kind, few(conditions.filter(lambda item: not isinstance(item, kind)), least=2))


def negative() -> st.SearchStrategy[ast.Negative]:
    """A minus before a number belongs to the number, and two of them are none."""
    signed = (ast.Number, ast.Percent, ast.Money, ast.Negative)
    return st.builds(ast.Negative, operands.filter(lambda item: not isinstance(item, signed)))


def has() -> st.SearchStrategy[ast.Has]:
    one = st.builds(ast.Has, operands, st.just("ANY"), st.tuples(operands), st.just(False), st.booleans())
    return one | st.builds(
        ast.Has, operands, st.sampled_from(("ANY", "ALL", "NONE")), few(operands), st.just(True), st.booleans()
    )


def blocks() -> st.SearchStrategy[ast.Block]:
    return st.one_of(
        st.builds(ast.Block, st.sampled_from(("ANY", "NO")), AFTER_KEYWORD, st.none() | conditions),
        st.builds(ast.Block, st.just("ALL"), AFTER_KEYWORD, conditions),
    )


operands: st.SearchStrategy[Any] = st.deferred(
    lambda: st.one_of(
        names,
        literals,
        st.builds(ast.Arithmetic, st.sampled_from("+-*/"), operands, operands),
        negative(),
        st.builds(ast.Aggregate, st.just("COUNT"), AFTER_KEYWORD, st.none(), st.none() | conditions),
        st.builds(
            ast.Aggregate,
            st.sampled_from(("SUM", "AVG", "MIN", "MAX")),
            AFTER_KEYWORD,
            AFTER_DOT,
            st.none() | conditions,
        ),
        st.builds(ast.First, AFTER_KEYWORD, AFTER_DOT, st.none() | conditions, few(sort_keys)),
    )
)
conditions: st.SearchStrategy[Any] = st.deferred(
    lambda: st.one_of(
        st.builds(ast.Comparison, st.sampled_from(("=", "!=", "<", "<=", ">", ">=")), operands, operands),
        st.builds(
            ast.Comparison,
            st.sampled_from(("CONTAINS", "STARTS WITH", "ENDS WITH")),
            operands,
            operands,
            st.booleans(),
        ),
        st.builds(ast.Between, operands, operands, operands, st.booleans()),
        st.builds(ast.In, operands, few(operands), st.booleans()),
        st.builds(ast.InPeriod, operands, periods, st.booleans()),
        st.builds(ast.InSegment, st.text(max_size=8), st.booleans()),
        has(),
        st.builds(ast.Missing, operands, st.booleans()),
        st.builds(ast.Bare, operands),
        blocks(),
        st.builds(ast.Not, conditions),
        several(ast.And),
        several(ast.Or),
    )
)
