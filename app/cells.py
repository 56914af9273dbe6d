"""Values from the database as JSON and CSV show them. Decimals are text, so that no reader rounds them."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from typing import Any

from dsl.catalog import Field
from dsl.quantities import SCALE
from dsl.types import Kind

Cell = str | int | bool | list[str] | None
Row = dict[str, Cell]


def money(value: int | Decimal) -> str:
    """Ten-thousandths as units, with two to four decimals."""
    whole, part = divmod(abs(int(value)), SCALE)
    decimals = f"{part:04}"
    return f"{'-' if value < 0 else ''}{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def decimal(value: Decimal | int) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_SHOWN: Mapping[Kind, Callable[[Any], Cell]] = {
    Kind.MONEY: money,
    Kind.NUMBER: decimal,
    Kind.PERCENT: decimal,
    Kind.COUNT: int,
    Kind.DAYS: int,
    Kind.DATE: lambda day: str(day.isoformat()),
    Kind.FLAG: bool,
    Kind.SET: list,
}


def _text(value: Any) -> Cell:
    return str(value)


class Shown:
    """Rows of a SELECT, in the order of its fields."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self.names = list(fields)
        self._kinds = [field.type.kind for field in fields.values()]
        self._cells = [_SHOWN.get(kind, _text) for kind in self._kinds]

    def row(self, values: Sequence[Any]) -> Row:
        cells = zip(self.names, self._cells, self._kinds, values, strict=True)
        return {
            name: show(value) if value is not None else [] if kind is Kind.SET else None
            for name, show, kind, value in cells
        }

    def csv(self, rows: Iterable[Row]) -> str:
        return _csv([self._csv_cell(*cell) for cell in zip(row.values(), self._kinds, strict=True)] for row in rows)

    def csv_header(self) -> str:
        return _csv([self.names])

    def _csv_cell(self, cell: Cell, kind: Kind) -> Cell:
        match cell:
            case bool():
                return str(cell).lower()
            case list():
                return _harmless("|".join(cell))
            case str() if kind not in _NUMBERS:
                return _harmless(cell)
            case _:
                return cell


def _csv(rows: Iterable[Sequence[Cell]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


_NUMBERS = {Kind.MONEY, Kind.NUMBER, Kind.PERCENT}
# Also in the wide forms of East Asian keyboards, which a spreadsheet there reads as the same.
_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _harmless(text: str) -> str:
    """A spreadsheet would take such a text for a formula."""
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text
