"""The filter of a workflow as text and in parts: either form read from the other."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from app.asked import Level
from app.companies import Company
from app.problems import Problem, diagnosed
from app.workflows.asked import PartOf
from dsl import Analysis, FilterError, analyze
from dsl.ast import Condition
from dsl.formatter import format_filter
from dsl.parser import parse
from dsl.parts import Misplaced, Part, joined, split

Document = dict[str, Any]


def analyzed(text: str, company: Company, level: Level) -> Analysis:
    """To be answered without any parameters. Raises `FilterError`."""
    return analyze(text, company.catalog, level=level, parameters={})


def text_of(filter: str | None, parts: Mapping[Part, PartOf] | None, company: Company, level: Level) -> str:
    """Canonical. Raises `FilterError`, or `Problem` for parts that do not make a filter."""
    text = filter if filter is not None else _joined(parts or {})
    canonical = analyzed(text, company, level).canonical
    analyzed(canonical, company, level)  # it may be longer than what was written, and too long to be read again
    return canonical


def _joined(parts: Mapping[Part, PartOf]) -> str:
    # What is switched off must be right too.
    read = {part: _read(part, given.filter) for part, given in parts.items() if given.filter.strip()}
    on = {part: tree for part, tree in read.items() if parts[part].on}
    if not on:
        raise _bad_parts("No part is switched on: nothing says whom the workflow targets.")
    try:
        return format_filter(joined(on))
    except Misplaced as misplaced:
        raise _bad_parts(str(misplaced)) from misplaced


def _read(part: Part, text: str) -> Condition:
    try:
        return parse(text)
    except FilterError as wrong:
        errors = [diagnosed(wrong.text, found) | {"part": part} for found in wrong.diagnostics]
        detail = f"The part about {part} is wrong."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-filter", detail, errors=errors) from wrong


def _bad_parts(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-parts", detail)


def written(parts: Mapping[Part, PartOf] | None) -> Document | None:
    """As they are stored: each in canonical text."""
    if parts is None:
        return None
    return {part: {"filter": _canonical(part, given.filter), "on": given.on} for part, given in parts.items()}


def _canonical(part: Part, text: str) -> str:
    return format_filter(_read(part, text)) if text.strip() else ""


def parts_of(text: str) -> Document | None:
    """None for a filter that cannot be told apart."""
    try:
        found = split(parse(text))
    except FilterError:
        return None
    if found is None:
        return None
    return {part: {"filter": format_filter(tree), "on": True} for part, tree in found.items()}
