"""What a preview asks of the database, remembered so that it can be asked without all that is around it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from app import queries
from app.bench.ledger import Place
from app.database import Connection, Database


@dataclass(slots=True)
class Recorded:
    """What a preview sent, in its transaction, and what it answered."""

    company: int
    as_of: date
    statements: list[tuple[Any, ...]]
    answer: dict[str, Any]


class _Recording:
    """A connection that remembers what it was asked."""

    def __init__(self, connection: Connection, statements: list[tuple[Any, ...]]) -> None:
        self._connection, self._statements = connection, statements

    def execute(self, query: Any, parameters: Any = None) -> Any:
        text = query if isinstance(query, bytes) else str(query).encode()
        self._statements.append((text, parameters))
        return self._connection.execute(query, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _RecordingDatabase:
    def __init__(self, database: Database, statements: list[tuple[Any, ...]]) -> None:
        self._database, self._statements = database, statements
        self.largest_cost = database.largest_cost

    @contextmanager
    def transaction(self, *asked: Any, **more: Any) -> Iterator[_Recording]:
        with self._database.transaction(*asked, **more) as connection:
            yield _Recording(connection, self._statements)


def recorded(place: Place, text: str) -> Recorded:
    statements: list[tuple[Any, ...]] = []
    cursors = queries.Cursors(b"nothing to keep from anyone")
    recording: Any = _RecordingDatabase(place.database, statements)
    answer = queries.preview(recording, cursors, place.company, queries.Paged(filter=text))
    return Recorded(place.company.company_id, place.company.today, statements, answer)
