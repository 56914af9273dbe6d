"""From records to temporary tables: every row whose cells can be told apart, the bad ones marked."""

import json
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import NamedTuple

from app.database import Connection
from app.imports.columns import CUSTOM_PREFIX, FILES
from app.imports.reading import Record, Renaming, Source, opened, records
from app.imports.report import Problems
from app.values import PROSE, BadCell, Parse, reader

# What is being done, mostly the name of a file, and how much of it is done (0 to 1).
Progress = Callable[[str, float], None]
ROWS_PER_STEP = 5_000


class Staged(NamedTuple):
    """What came of one file: its rows, and the columns it has."""

    source: Source
    read: int
    present: frozenset[str]


def create_tables(connection: Connection) -> None:
    """One for each kind of file, given or not, so that every statement after this finds them."""
    for file in FILES.values():
        columns = "".join(f', "{column.name}" {column.kind.sql}' for column in file.columns)
        custom = ", custom jsonb" if file.custom else ""
        connection.execute(
            f"CREATE TEMPORARY TABLE {file.staging} (line bigint, bad boolean{columns}{custom}) ON COMMIT DROP"
        )


def drop_tables(connection: Connection) -> None:
    """Before the end of the transaction, in which there may be another import."""
    connection.execute(f"DROP TABLE {', '.join(file.staging for file in FILES.values())}")


def stage(
    connection: Connection,
    source: Source,
    zone: tzinfo,
    rename: Renaming,
    problems: Problems,
    tell: Progress,
) -> Staged:
    """Copies the file into its table. Raises `Unreadable` where the file as a whole is wrong."""
    row = _Row(source, zone, problems)
    names = ", ".join(f'"{name}"' for name in row.columns)
    size = max(1, source.path.stat().st_size)
    present: set[str] = set()
    read = 0
    with (
        connection.transaction(),  # a savepoint: the other files are still read where this one is not readable
        opened(source) as (text, beneath),
        connection.cursor() as cursor,
        cursor.copy(f"COPY {source.file.staging} ({names}) FROM STDIN") as copy,
    ):
        for record in records(source, text, rename):
            read += 1
            problems.add(*record.faults)
            if record.cells or not record.faults:
                present.update(record.cells)
                copy.write_row(row.of(record))
            if read % ROWS_PER_STEP == 0:
                tell(source.path.name, beneath.tell() / size)
    tell(source.path.name, 1)
    connection.execute(f"ANALYZE {source.file.staging}")
    return Staged(source, read, frozenset(present))


class _Row:
    """From the records of one file to rows of its table."""

    def __init__(self, source: Source, zone: tzinfo, problems: Problems) -> None:
        self._source = source
        self._problems = problems
        self._read = {
            column.name: reader(column.kind, required=column.required, zone=zone) for column in source.file.columns
        }
        self._read_custom = reader(PROSE, required=False)
        self._read_own = {name: reader(kind, required=False) for name, kind in source.file.own.items()}

    @property
    def columns(self) -> list[str]:
        return ["line", "bad", *self._read, *(["custom"] if self._source.file.custom else [])]

    def of(self, record: Record) -> list[object]:
        get = record.cells.get
        try:
            values = [read(get(name, "")) for name, read in self._read.items()]
            custom = self._custom(record.cells)
        except BadCell:
            return self._faulty(record)
        return [record.line, bool(record.faults), *values, *custom]

    def _custom(self, cells: Mapping[str, str]) -> list[str]:
        if not self._source.file.custom:
            return []
        named = {
            name.removeprefix(CUSTOM_PREFIX): self._read_own.get(name, self._read_custom)(cell)
            for name, cell in cells.items()
            if name.startswith(CUSTOM_PREFIX)
        }
        return [json.dumps(named)]

    def _faulty(self, record: Record) -> list[object]:
        """Only a row in which something is wrong is gone through cell by cell, to name every fault in it."""
        for name in record.cells:
            if name.startswith(CUSTOM_PREFIX):
                self._value(record, name, self._read_own.get(name, self._read_custom))
        values = [self._value(record, name, read) for name, read in self._read.items()]
        return [record.line, True, *values, *(["{}"] if self._source.file.custom else [])]

    def _value(self, record: Record, name: str, read: Parse) -> object:
        try:
            return read(record.cells.get(name, ""))
        except BadCell as fault:
            self._problems.add(self._source.fault(record.line, name, fault.code, fault.message))
            return None
