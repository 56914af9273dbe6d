"""Figures for people at a terminal, and for files."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

Row = Mapping[str, object]
_out = Console(highlight=False)
_wide = Console(width=1_000_000, highlight=False)


def show(title: str, rows: Sequence[Row]) -> None:
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(rows[0]):
        drawn.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*map(shown, row.values()))
    (_out if _out.file.isatty() else _wide).print(drawn, "")


def show_markdown(title: str, rows: Sequence[Row]) -> None:
    lines = [f"### {title}", "", _line(rows[0]), _line("---" for _ in rows[0]), *(_line(row.values()) for row in rows)]
    _wide.print("\n".join(lines), "")


def say(lines: Iterable[str]) -> None:
    for line in lines:
        _wide.print(line)
    _wide.print()


def shown(value: object) -> str:
    match value:
        case float():
            return f"{value:,.3f}" if abs(value) < 1 else f"{value:,.2f}"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case None:
            return "-"
        case _:
            return str(value)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(shown, cells))} |"
