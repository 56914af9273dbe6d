"""SQL text and parameters for psycopg, kept by shape: alike filters are asked over and over, for every company."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from dsl.catalog import Field
from dsl.compiler import Fields, Order, Probe, Question, Seen, select_count, select_probed, select_rows
from dsl.phases import phase
from dsl.shapes import shaped
from dsl.typed import Filter, Row


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text for psycopg with its named parameters."""

    sql: str
    parameters: Mapping[str, Any]


def render(statement: sa.Select[Any]) -> Statement:
    compiled = statement.compile(dialect=_DIALECT)
    return Statement(str(compiled), dict(compiled.params))


_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


def rows_statement(
    filter_: Filter,
    question: Question,
    fields: Fields,
    *,
    order: Order | None = None,
    after: Seen | None = None,
    limit: int | None = None,
) -> Statement:
    """The rows that meet the filter, each with `fields`, in the order of source_id or as `select_rows` has it."""
    columns = tuple((name, row, found) for name, (row, found) in fields.items())
    with phase("compile"):
        shape, values = shaped(filter_)
        first = None if after is None else Seen("", None if after.value is None else "")
        kept = _kept_rows(shape, _of_any_company(question), columns, order, first, limit is not None)
        last = {} if after is None else {"after": after.source_id, "after_value": after.value}
        return _asked_by(question, kept, values, **last, limit=limit)


def count_statement(filter_: Filter, question: Question, *, limit: int | None = None) -> Statement:
    """How many rows meet the filter; with a limit counting stops there."""
    with phase("compile"):
        shape, values = shaped(filter_)
        kept = _kept_count(shape, _of_any_company(question), limit is not None)
        return _asked_by(question, kept, values, limit=limit)


def probing_statement(filter_: Filter, question: Question, fields: Fields, probe: Probe, *, limit: int) -> Statement:
    """As `select_probed` has it. It is about one row more often than not, and not kept."""
    with phase("compile"):
        found = render(select_probed(filter_, _of_any_company(question), fields, probe))
        return _asked_by(question, found, {}, limit=limit)


def _asked_by(question: Question, kept: Statement, values: Mapping[str, Any], **page: object) -> Statement:
    given = {name: value for name, value in page.items() if value is not None}
    company = {} if question.company is None else {"company": question.company}
    return Statement(kept.sql, {**kept.parameters, **company, **values, **given})


def _of_any_company(question: Question) -> Question:
    return question if question.company is None else replace(question, company=0)


# What is kept has neither the company in it nor the values that fields are compared with.
_KEPT = 2_000


@lru_cache(maxsize=_KEPT)
def _kept_rows(
    filter_: Filter,
    question: Question,
    columns: tuple[tuple[str, Row, Field], ...],
    order: Order | None,
    after: Seen | None,
    limited: bool,
) -> Statement:
    fields = {name: (row, found) for name, row, found in columns}
    most = 0 if limited else None
    return render(select_rows(filter_, question, fields, order=order, after=after, limit=most))


@lru_cache(maxsize=_KEPT)
def _kept_count(filter_: Filter, question: Question, limited: bool) -> Statement:
    return render(select_count(filter_, question, limited=limited))
