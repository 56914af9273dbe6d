"""What an import did, and what it found wrong."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.imports.columns import FILES

# A file with the wrong separator has as many bad rows as rows: no one reads more than these.
MOST_PROBLEMS = 1_000


@dataclass(frozen=True, slots=True)
class BadRow:
    """One fault. `line` is the line in the file as an editor shows it; a fault of the whole file may have none."""

    file: str
    line: int | None
    column: str | None
    code: str
    message: str

    def __str__(self) -> str:
        place = [self.file, *([f"line {self.line}"] if self.line else []), *([self.column] if self.column else [])]
        return f"{', '.join(place)}: {self.message} [{self.code}]"


# The import as it was asked for is wrong, whatever the rows are.
_OF_THE_REQUEST = {"no-file", "unknown-file", "duplicate-file", "unknown-rename"}


class Problems:
    """The first faults, and how many there are in all."""

    def __init__(self) -> None:
        self.first: list[BadRow] = []
        self.total = 0
        self.wrong_request = False

    def add(self, *faults: BadRow, more: int = 0) -> None:
        """`more` are only counted."""
        self.total += len(faults) + more
        self.wrong_request |= any(fault.code in _OF_THE_REQUEST for fault in faults)
        self.first += faults[: max(0, MOST_PROBLEMS - len(self.first))]

    def in_order(self) -> tuple[BadRow, ...]:
        """Causes before consequences: a bad customer comes before its invoices."""
        return tuple(sorted(self.first, key=_place))


def _place(fault: BadRow) -> tuple[int, int]:
    name = fault.file.partition(".")[0]
    return list(FILES).index(name) if name in FILES else -1, fault.line or 0


@dataclass(frozen=True, slots=True)
class FileReport:
    """Rows of one kind: those of the file, and for groups also the ones that customers name and no file defines."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """`derived` counts, by column (`invoices.balance`), the rows of the files whose value was worked out, not stated.
    `recalculated` counts the stored rows whose worked-out values this import changed."""

    files: Mapping[str, FileReport]
    derived: Counter[str] = field(default_factory=Counter)
    recalculated: Counter[str] = field(default_factory=Counter)
    problems: tuple[BadRow, ...] = ()
    problem_count: int = 0


class ImportRefused(Exception):
    """Nothing was imported; `problems` are the first faults, `total` says how many there are.

    `wrong_request`: there is no such file, or no such column to rename."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems.in_order()
        self.total = problems.total
        self.wrong_request = problems.wrong_request
        super().__init__("\n".join(map(str, self.problems)))
