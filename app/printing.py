"""Tables and notes for people at a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from app.imports import BadRow, Report
from app.imports import Progress as Told
from app.queries import Kind
from dsl.diagnostics import Diagnostic, Fix, Span, draw

Document = Mapping[str, Any]

_out = Console(highlight=False)
_notes = Console(stderr=True, highlight=False)
_wide = Console(width=1_000_000, highlight=False)  # for files and programs, which have no edge


def say(text: str) -> None:
    _out.print(printable(text), soft_wrap=True)


def note(text: str) -> None:
    _notes.print(printable(text), soft_wrap=True)


def printable(value: object) -> Text:
    """A name in the ledger must neither be read as markup nor steer the terminal."""
    return Text("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in str(value)))


def draw_all(text: str, diagnostics: Sequence[Diagnostic], label: str = "error") -> None:
    note("\n\n".join(draw(text, diagnostic, label) for diagnostic in diagnostics))


def draw_documents(text: str, documents: Sequence[Document], label: str = "error") -> None:
    """The same of what an answer says in JSON."""
    if documents:
        draw_all(text, list(map(_diagnostic, documents)), label)


def _diagnostic(document: Document) -> Diagnostic:
    fixes = tuple(Fix(fix["title"], Span(fix["start"], fix["end"]), fix["text"]) for fix in document["fixes"])
    span = Span(document["start"], document["end"])
    return Diagnostic(document["code"], document["message"], span, document["hint"], fixes=fixes)


def table(rows: Sequence[Document], *, numbers: Sequence[str] = ()) -> None:
    if not rows:
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        drawn.add_column(printable(name), justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(printable(_shown(value)) for value in row.values()))
    (_out if _out.file.isatty() else _wide).print(drawn)


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(value)
        case _:
            return str(value)


def previewed(answer: Document, kind: Kind) -> None:
    """A page of a preview: what was understood, how many there are, and the rows."""
    if "english" in answer:
        say(f"{answer['english']}\n")
    table(answer[kind], numbers=_numeric(answer[kind]))
    counts = answer.get("counts") or {kind: answer["count"]}
    total = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    more = f"; shown: the first {len(answer[kind])}" if answer["next_cursor"] else ""
    say(f"\n{total} as of {answer['as_of']}{more}")


def explained(answer: Document) -> None:
    """A ticked tree: each condition, what was compared, and the row that decides it."""
    tree = answer["tree"]
    drawn = Tree(_reason(tree))
    _branch(drawn, tree)
    say(f"{answer['english']}\n")
    (_out if _out.file.isatty() else _wide).print(drawn)
    verdict = "is selected" if answer["matches"] else "is not selected"
    say(f"\n{answer['level']} {answer[answer['level']]} {verdict} as of {answer['as_of']}")


def _branch(drawn: Tree, node: Document) -> None:
    for child in node["children"]:
        _branch(drawn.add(_reason(child)), child)


def _reason(node: Document) -> Text:
    mark = Text("\N{CHECK MARK} ", "green") if node["holds"] else Text("\N{BALLOT X} ", "red")
    said = mark + printable(_AS_ONE.get(node["kind"], "") + (node["text"] or "everyone"))
    told = [_value_of(node), *(_row_of(role, node) for role in _ROWS_SHOWN)]
    return said + printable("".join(f"\n  {text}" for text in told if text))


def _value_of(node: Document) -> str:
    if "detail" in node:
        short = f" (short by {node['short_by']})" if "short_by" in node else ""
        return f"{node['detail']}{short}"
    if "count" in node:
        return f"{node['count']:,} of {_rows(node['of'])}"
    return f"actual: {_shown(node['actual'])}" if "actual" in node else ""


def _row_of(role: str, node: Document) -> str:
    """The row in one line; a block that holds by several names the first."""
    if role not in node:
        return ""
    row = node[role]
    entity = row["entity"].replace("_", " ")
    fields = (f"{name} {_shown(value)}" for name, value in row.items() if name not in ("entity", "source_id"))
    return ", ".join((f"{role}: {entity} {row['source_id']}", *fields))


_ROWS_SHOWN = ("witness", "nearest", "counterexample")
_AS_ONE = {"same row": "one row: ", "and": "all of: ", "or": "any of: "}


def _numeric(rows: Sequence[Document]) -> list[str]:
    return [name for name in rows[0] if not name.endswith("source_id") and _all_numbers(rows, name)] if rows else []


def _all_numbers(rows: Sequence[Document], name: str) -> bool:
    values = [str(row[name]) for row in rows if row[name] is not None]
    return bool(values) and all(value.lstrip("-").replace(".", "", 1).isdecimal() for value in values)


@contextmanager
def progress() -> Iterator[Told]:
    """A bar for each file that is read."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=_notes, transient=True) as bars:
        tasks = {}

        def told(file: str, share: float) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(file, total=1.0)
            bars.update(tasks[file], completed=share)

        yield told


def imported(report: Report) -> None:
    names = ("read", "inserted", "updated", "unchanged", "skipped")
    rows = [{"file": file, **{name: getattr(found, name) for name in names}} for file, found in report.files.items()]
    table(rows, numbers=names)
    for column, count in sorted(report.derived.items()):
        say(f"derived {column} in {_rows(count)}")
    for column, count in sorted(report.recalculated.items()):
        say(f"recalculated {column} in {_rows(count)}")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def bad_rows(problems: Sequence[BadRow], total: int) -> None:
    for problem in problems:
        note(str(problem))
    if total > len(problems):
        note(f"… and {total - len(problems):,} more")
