"""Where something is wrong in a filter, what is wrong, and how to mend it.

One `Diagnostic` serves the caret in the terminal, the problem document of the API and the underline in the page.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open range of character offsets into the filter text."""

    start: int
    end: int

    def to(self, other: "Span") -> "Span":
        return Span(min(self.start, other.start), max(self.end, other.end))


NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Fix:
    """A correction that can be applied as it is: replace `span` by `text`."""

    title: str
    span: Span
    text: str

    def apply(self, source: str) -> str:
        return source[: self.span.start] + self.text + source[self.span.end :]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning. `code` is stable; `message` is in the analyst's words."""

    code: str
    message: str
    span: Span
    hint: str | None = None
    expected: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()


class FilterError(Exception):
    """A filter that cannot be accepted, with everything that is wrong with it."""

    def __init__(self, text: str, diagnostics: Iterable[Diagnostic]) -> None:
        self.text = text
        self.diagnostics = tuple(sorted(diagnostics, key=lambda d: d.span))
        super().__init__("; ".join(d.message for d in self.diagnostics))


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Both count from 1, as editors do."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def did_you_mean(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    by_folded = {name.casefold(): name for name in known}
    return [by_folded[match] for match in get_close_matches(word.casefold(), by_folded, n=limit, cutoff=0.6)]


def draw(text: str, diagnostic: Diagnostic, label: str = "error") -> str:
    """The caret picture: the line, the culprit underlined, the hint and the fixes."""
    line, column = line_and_column(text, diagnostic.span.start)
    source = text.split("\n")[line - 1] if text else ""
    width = max(1, min(diagnostic.span.end - diagnostic.span.start, len(source) - column + 1))
    gutter = " " * len(str(line))
    rows = [
        f"{label}[{diagnostic.code}]: {diagnostic.message}",
        f"{gutter}--> line {line}, column {column}",
        f"{line} | {source.translate(_VISIBLE)}",
        f"{gutter} | {' ' * (column - 1)}{'^' * width}",
    ]
    if diagnostic.hint:
        rows.append(f"{gutter} = {diagnostic.hint}")
    rows += [f"{gutter} = fix: {_drawn_fix(text, fix)}" for fix in diagnostic.fixes]
    return "\n".join(rows)


def _drawn_fix(text: str, fix: Fix) -> str:
    """Of a filter of several lines, the one that changes."""
    line, _ = line_and_column(text, fix.span.start)
    mended = fix.apply(text).split("\n")[line - 1]
    return f"{fix.title}{'' if fix.title.endswith('?') else ':'} {mended.translate(_VISIBLE)}"


# A tab would move the caret; control characters would reach the terminal.
_VISIBLE = dict.fromkeys((*range(32), 127), " ")
