"""Cursors that measure what PostgreSQL takes, and make a span of each statement where traces are collected.

A span has the statement's text, where values are named only, and the code of an error, not its message.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from opentelemetry import trace

from dsl.phases import phase

_tracer = trace.get_tracer("duelist")

_MOST_TEXT = 4_000


@contextmanager
def _sql(query: object) -> Iterator[None]:
    with (
        phase("sql"),
        _tracer.start_as_current_span(
            "SQL", kind=trace.SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        ) as span,
    ):
        if span.is_recording():
            span.set_attribute("db.system.name", "postgresql")
            span.set_attribute("db.query.text", _text(query))
        try:
            yield
        except psycopg.Error as error:
            span.set_attribute("error.type", error.sqlstate or type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise


def _text(query: object) -> str:
    """What is composed has literals in it, as SET has to."""
    text = query.decode() if isinstance(query, bytes) else query if isinstance(query, str) else "SET"
    return " ".join(text.split())[:_MOST_TEXT]


class TimedCursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, *arguments: Any, **options: Any) -> "TimedCursor":
        with _sql(query):
            super().execute(query, *arguments, **options)
        return self


class TimedServerCursor(psycopg.ServerCursor[Any]):
    def execute(self, query: Any, *arguments: Any, **options: Any) -> "TimedServerCursor":
        with _sql(query):
            super().execute(query, *arguments, **options)
        return self

    def fetchmany(self, size: int = 0) -> list[Any]:
        with phase("sql"):
            return super().fetchmany(size)
