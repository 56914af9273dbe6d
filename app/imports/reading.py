"""From files on disk to records: what is there, line by line, before anyone asks what it means."""

import csv
import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from app.imports.columns import CUSTOM_PREFIX, FILES, File
from app.imports.report import BadRow, Problems
from app.values import OWN_SET, SET, shown
from dsl.diagnostics import did_you_mean

SUFFIXES = (".csv", ".ndjson", ".csv.gz", ".ndjson.gz")

# A line without end is no ledger: memory stays flat.
LONGEST_LINE = 1 << 20

# Nor is an archive that is so many times larger than it looks, beyond what any may be.
MOST_UNPACKED, MOST_TIMES = 1 << 28, 200

# The byte order marks, FF FE and FE FF, as bytes that are not UTF-8 are read.
_MARKS_OF_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")


class Unreadable(Exception):
    """The file as a whole cannot be taken."""

    def __init__(self, *faults: BadRow) -> None:
        self.faults = faults


class Record(NamedTuple):
    """One row. Where `faults` are, the row is bad as it stands; a row that cannot be told apart has no cells."""

    line: int
    cells: Mapping[str, str]
    faults: tuple[BadRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A file on disk and what it holds."""

    path: Path
    file: File

    def fault(self, line: int | None, column: str | None, code: str, message: str) -> BadRow:
        return BadRow(self.path.name, line, column, code, message)


class Renaming:
    """What columns of the files are called here; `unmet` are those that no file has had so far."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self.unmet = set(names)

    def __call__(self, name: str) -> str:
        self.unmet.discard(name)
        return self._names.get(name, name)

    def faults(self, sources: Iterable[Source]) -> list[BadRow]:
        files = ", ".join(source.path.name for source in sources)
        return [
            BadRow(
                files, None, name, "unknown-rename", f"no column {shown(name)} is there to be renamed to {shown(new)}"
            )
            for name, new in self._names.items()
            if name in self.unmet
        ]


def discover(paths: Iterable[Path], problems: Problems) -> dict[str, Source]:
    """The files to import, by name, in the order in which they depend on each other."""
    found: dict[str, Source] = {}
    for path in chain.from_iterable(_candidates(path, problems) for path in paths):
        name = _name(path)
        if not os.path.isfile(path):
            why = f"{path} is no file that can be read" if os.path.lexists(path) else f"there is no file {path}"
            problems.add(BadRow(path.name, None, None, "no-file", why))
        elif name is None:
            problems.add(BadRow(path.name, None, None, "unknown-file", _unknown_file(path)))
        elif name in found:
            twice = f"{name} are given twice: {found[name].path} and {path}"
            problems.add(BadRow(path.name, None, None, "duplicate-file", twice))
        else:
            found[name] = Source(path, FILES[name])
    if not found and not problems.total:
        problems.add(BadRow(", ".join(map(str, paths)), None, None, "no-file", f"no import file; {_KNOWN_FILES}"))
    return {name: found[name] for name in FILES if name in found}


_KNOWN_FILES = f"known are {', '.join(FILES)} as {', '.join(SUFFIXES)}"


def _candidates(path: Path, problems: Problems) -> list[Path]:
    """Of a folder, only what looks like data: a licence may lie beside it. What looks so and is no file is named: to
    pass over it would be to import half a ledger."""
    if not os.path.isdir(path):
        return [path]
    try:
        children = sorted(child for child in path.iterdir() if child.name.lower().endswith(SUFFIXES))
        missing = "" if children else f"there is no import file in {path}; {_KNOWN_FILES}"
    except OSError as error:
        children, missing = [], f"{path} cannot be read: {error.strerror}"
    if missing:
        problems.add(BadRow(path.name, None, None, "no-file", missing))
    return children


def _name(path: Path) -> str | None:
    stem, _, suffix = path.name.partition(".")
    return stem if stem in FILES and f".{suffix.lower()}" in SUFFIXES else None


def _unknown_file(path: Path) -> str:
    meant = did_you_mean(path.name.partition(".")[0], FILES, limit=1)
    hint = f"did you mean {meant[0]}? " if meant else ""
    return f"this is no import file; {hint}{_KNOWN_FILES}"


@contextmanager
def opened(source: Source) -> Iterator[tuple[TextIOWrapper, BufferedReader]]:
    """The text of the file, and the file beneath it, whose position tells how far one is.

    A byte that is not UTF-8 becomes a lone surrogate, so that it is reported in its row and cell.
    """
    # In JSON only a line feed ends a line; csv must see the line ends as they are.
    newline = "\n" if _is_json(source) else ""
    with (
        source.path.open("rb") as beneath,
        _unpacked(source, beneath) as content,
        TextIOWrapper(content, "utf-8-sig", errors="surrogateescape", newline=newline) as text,
    ):
        yield text, beneath


def _unpacked(source: Source, beneath: BufferedReader) -> gzip.GzipFile | BufferedReader:
    return gzip.GzipFile(fileobj=beneath) if source.path.name.lower().endswith(".gz") else beneath


def records(source: Source, text: TextIOWrapper, rename: Renaming) -> Iterator[Record]:
    read = _json_records if _is_json(source) else _csv_records
    try:
        yield from read(source, _lines(source, text), rename)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Unreadable(source.fault(None, None, "bad-gzip", f"the compressed file is damaged: {error}")) from error


def _is_json(source: Source) -> bool:
    return ".ndjson" in source.path.name.lower()


def _lines(source: Source, text: TextIOWrapper) -> Iterator[str]:
    number = unpacked = 0
    most = max(MOST_UNPACKED, MOST_TIMES * source.path.stat().st_size)
    while line := text.readline(LONGEST_LINE):
        number += 1
        unpacked += len(line)
        if unpacked > most:
            message = f"more than {most:,} characters come out of this archive: unpack it to import it all the same"
            raise Unreadable(source.fault(number, None, "too-large", message))
        if number == 1 and (line.startswith(_MARKS_OF_UTF_16) or "\0" in line[:2]):
            raise Unreadable(source.fault(1, None, "bad-encoding", "the file is UTF-16, not UTF-8: save it as UTF-8"))
        if len(line) == LONGEST_LINE:
            message = f"the line has {LONGEST_LINE:,} characters or more"
            raise Unreadable(source.fault(number, None, "too-long", message))
        yield line


# ---------------------------------------------------------------- csv


def _csv_records(source: Source, lines: Iterator[str], rename: Renaming) -> Iterator[Record]:
    first = next(lines, "")
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    header = _header(source, reader, rename)
    while True:
        line = reader.line_num + 1  # a quoted cell may go over several lines: the row is where it begins
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Record(line, {}, (_bad_quoting(source, line, reader.line_num, error),))
            continue
        if cells is None:
            return
        if len(cells) == len(header):
            yield Record(line, dict(zip(header, cells, strict=True)))
        elif cells:
            message = f"the row has {len(cells)} cells, the header has {len(header)}"
            yield Record(line, {}, (source.fault(line, None, "wrong-length", message),))


def _header(source: Source, reader: Iterator[list[str]], rename: Renaming) -> list[str]:
    try:
        cells = next(reader, [])
    except csv.Error as error:
        raise Unreadable(source.fault(1, None, "bad-quoting", f"the header cannot be read: {error}")) from error
    names = [rename(name) for name in (cell.strip() for cell in cells)]
    faults = [
        *(_unknown_column(source, 1, name) for name in names if not is_known(source.file, name)),
        *(
            source.fault(1, name, "duplicate-column", f"the column {shown(name)} is there twice")
            for position, name in enumerate(names)
            if name in names[:position]
        ),
        *(
            source.fault(1, column.name, "missing-column", f"the column '{column.name}' is required")
            for column in source.file.columns
            if column.required and column.name not in names
        ),
    ]
    if faults:
        raise Unreadable(*faults)
    return names


def _bad_quoting(source: Source, first: int, last: int, error: csv.Error) -> BadRow:
    """A quotation mark that is never closed swallows the rows after it: then nothing more of the file is trusted."""
    fault = source.fault(first, None, "bad-quoting", f"the quotation marks do not pair: {error}")
    if last > first:
        raise Unreadable(fault)
    return fault


# ---------------------------------------------------------------- ndjson


def _json_records(source: Source, lines: Iterator[str], rename: Renaming) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            values = json.loads(
                line, parse_float=str, parse_int=str, parse_constant=_no_constant, object_pairs_hook=_object
            )
            if not isinstance(values, dict):
                raise ValueError("the line is something else")
            values = _object([(rename(name), value) for name, value in values.items()])
        except (ValueError, RecursionError) as error:
            yield Record(number, {}, (source.fault(number, None, "bad-json", f"this is not a JSON object: {error}"),))
            continue
        yield _json_record(source, number, values)


def _json_record(source: Source, line: int, values: dict[str, object]) -> Record:
    cells: dict[str, str] = {}
    faults: list[BadRow] = []
    for name, value in values.items():
        text = _cell(value, is_list_column=name in _LIST_COLUMNS or source.file.own.get(name) is OWN_SET)
        if not is_known(source.file, name):
            faults.append(_unknown_column(source, line, name))
        elif text is None:
            faults.append(source.fault(line, name, "bad-json", f"{shown(json.dumps(value))} cannot be a value here"))
        else:
            cells[name] = text
    return Record(line, cells, tuple(faults))


_LIST_COLUMNS = {column.name for file in FILES.values() for column in file.columns if column.kind is SET}


def _cell(value: object, *, is_list_column: bool) -> str | None:
    """The value as it would stand in a csv cell; numbers have kept their digits as text."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return str(value)
        case list() if is_list_column and all(isinstance(element, str) and "|" not in element for element in value):
            return "|".join(value)
        case _:
            return None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key is there twice")
    return values


def _no_constant(name: str) -> str:
    raise ValueError(f"{name} is no number of JSON")


# ---------------------------------------------------------------- names of columns


def is_known(file: File, name: str) -> bool:
    if name.startswith(CUSTOM_PREFIX):
        custom = name.removeprefix(CUSTOM_PREFIX)
        return file.custom and custom.isascii() and custom.isidentifier() and len(custom) <= 63
    return any(column.name == name for column in file.columns)


def _unknown_column(source: Source, line: int, name: str) -> BadRow:
    known = [column.name for column in source.file.columns]
    meant = did_you_mean(name, known, limit=1)
    hint = f"did you mean '{meant[0]}'? " if meant else ""
    custom = f", {CUSTOM_PREFIX}NAME" if source.file.custom else ""
    message = f"{shown(name)} is no column of {source.file.name}; {hint}known are {', '.join(known)}{custom}"
    return source.fault(line, name, "unknown-column", message)
