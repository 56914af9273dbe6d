"""Segments: named filters that others are built on. A change leaves right what was right, and says what it touches."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app import audit_log
from app.asked import Level
from app.companies import Company
from app.database import Connection, Database
from app.problems import Problem, diagnosed, error
from app.vocabulary import catalog_of, segments_of
from app.workflows.stored import all_of
from dsl import Analysis, Catalog, FilterError, analyze, ast
from dsl.catalog import VERSION, with_segments
from dsl.explainer import english
from dsl.literals import quoted
from dsl.parser import parse, walk

Document = dict[str, Any]

LONGEST_NAME = 200
MOST_SEGMENTS = 500


class Segment(BaseModel):
    """Who is in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    filter: str = Field(examples=["customer.rating = 'D' AND customer.balance_overdue > 1000"])
    dry_run: bool = Field(False, description="only say what the change would touch")


def define(
    database: Database, company: Company, name: str, segment: Segment, who: str, version: int | None = None
) -> Document:
    """Makes the segment, or makes it what the filter says; `version`: the one that was edited, if it is told."""
    _check_name(name)
    known = {**company.catalog.segments, name: segment.filter}
    _analyzed(segment.filter, with_segments(company.catalog, known), name)  # what is wrong needs no transaction
    with database.transaction(company.company_id, write=True) as connection:
        _one_at_a_time(connection, company)
        stored = _version(connection, company, name)
        if version is not None and version != stored:
            raise _stale(stored, version)
        before = catalog_of(connection)
        if stored is None and len(before.segments) >= MOST_SEGMENTS:
            detail = f"There are {MOST_SEGMENTS} segments already, the most."
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "too-many-segments", detail)
        after = with_segments(before, {**before.segments, name: segment.filter})
        analysis = _analyzed(segment.filter, after, name)
        touched = _touched(connection, company, name, before)
        _refuse_breakage(touched, before, after)
        if not segment.dry_run:
            _store(connection, company, name, analysis.canonical, who)
            action = "segment changed" if stored else "segment created"
            audit_log.note(connection, company.company_id, who, action, name, version=(stored or 0) + 1)
        return _document(name, analysis, company, (stored or 0) + (not segment.dry_run), touched)


def listed(database: Database, company: Company) -> list[Document]:
    with database.transaction(company.company_id) as connection:
        return [_read(connection, company, name) for name in sorted(segments_of(connection))]


def read(database: Database, company: Company, name: str) -> Document:
    with database.transaction(company.company_id) as connection:
        return _read(connection, company, name)


def remove(database: Database, company: Company, name: str, who: str) -> None:
    """Refused while something is built on it."""
    with database.transaction(company.company_id, write=True) as connection:
        _one_at_a_time(connection, company)
        if _version(connection, company, name) is None:
            raise _unknown()
        touched = _touched(connection, company, name, catalog_of(connection))
        if touched:
            detail = f"The segment {quoted(name)} is used by {', '.join(str(use) for use in touched)}."
            raise Problem(HTTPStatus.CONFLICT, "segment-in-use", detail)
        connection.execute("DELETE FROM segment WHERE company_id = %s AND name = %s", [company.company_id, name])
        audit_log.note(connection, company.company_id, who, "segment removed", name)


def used_in(analysis: Analysis) -> dict[str, str]:
    """The segments that a filter is built on, those of segments too, with their filters."""
    found: dict[str, str] = {}
    waiting = [] if analysis.tree is None else list(_named(analysis.tree))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = analysis.catalog.segments[name]
            waiting += _named(parse(found[name]))
    return dict(sorted(found.items()))


# ---------------------------------------------------------------- what a change touches


class _Use:
    """A workflow or a segment that is built on a segment."""

    def __init__(self, kind: str, id: object, name: str, filter: str, level: Level) -> None:
        self.kind, self.id, self.name, self.filter, self.level = kind, id, name, filter, level

    def __str__(self) -> str:
        return f"the {self.kind} {quoted(self.name)}"

    def is_right(self, catalog: Catalog) -> bool:
        try:
            analyze(self.filter, catalog, level=self.level, parameters={})
        except FilterError:
            return False
        return True


def _touched(connection: Connection, company: Company, name: str, catalog: Catalog) -> list[_Use]:
    """Also by way of other segments."""
    uses = [_Use("segment", other, other, text, "customer") for other, text in sorted(catalog.segments.items())]
    uses += [_Use("workflow", flow.id, flow.name, flow.filter, flow.level) for flow in all_of(connection, company)]
    return [use for use in uses if (use.kind, use.name) != ("segment", name) and name in _builds_on(use, catalog)]


def _builds_on(use: _Use, catalog: Catalog) -> set[str]:
    found: set[str] = set()
    waiting = [use.filter]
    while waiting:
        for name in set(_named_in(waiting.pop())) - found:
            found.add(name)
            waiting += [catalog.segments[name]] if name in catalog.segments else []
    return found


def _named_in(text: str) -> Iterator[str]:
    try:
        yield from _named(parse(text))
    except FilterError:
        return


def _named(tree: ast.Condition) -> Iterator[str]:
    return (node.segment for node, _ in walk(tree) if isinstance(node, ast.InSegment))


def _refuse_breakage(touched: list[_Use], before: Catalog, after: Catalog) -> None:
    broken = [use for use in touched if use.is_right(before) and not use.is_right(after)]
    if broken:
        detail = f"With this filter {', '.join(map(str, broken))} would be wrong or too large."
        raise Problem(HTTPStatus.CONFLICT, "breaks-others", detail)


# ---------------------------------------------------------------- reading and writing


def _read(connection: Connection, company: Company, name: str) -> Document:
    version, catalog = _version(connection, company, name), company.catalog
    text = segments_of(connection).get(name)
    if version is None or text is None:
        raise _unknown()
    touched = _touched(connection, company, name, catalog)
    try:
        return _document(name, _analyzed(text, catalog, name), company, version, touched)
    except FilterError as wrong:
        problems = [diagnosed(wrong.text, found) for found in wrong.diagnostics]
        broken = {"filter": text, "english": None, "problems": problems}
        return {"name": name, "version": version, **broken, **_uses(touched)}


def _analyzed(text: str, catalog: Catalog, name: str) -> Analysis:
    """Raises `FilterError` also for a filter that would have the segment in itself."""
    analysis = analyze(text, catalog, parameters={})
    analyze(analysis.canonical, catalog, parameters={})  # as it is stored, which may be longer
    analyze(f"customer IN SEGMENT {quoted(name)}", with_segments(catalog, {**catalog.segments, name: text}))
    return analysis


def _document(name: str, analysis: Analysis, company: Company, version: int, touched: list[_Use]) -> Document:
    return {
        "name": name,
        "version": version,
        "filter": analysis.canonical,
        "english": english(analysis.lowered, company.today),
        "problems": [],
        **_uses(touched),
    }


def _uses(touched: list[_Use]) -> Document:
    workflows = [{"id": use.id, "name": use.name} for use in touched if use.kind == "workflow"]
    return {"touches": {"workflows": workflows, "segments": [use.name for use in touched if use.kind == "segment"]}}


def _version(connection: Connection, company: Company, name: str) -> int | None:
    row = connection.execute(
        "SELECT version FROM segment WHERE company_id = %s AND name = %s", [company.company_id, name]
    ).fetchone()
    return int(str(row[0])) if row else None


def _store(connection: Connection, company: Company, name: str, text: str, who: str) -> None:
    connection.execute(
        "INSERT INTO segment (company_id, name, filter, version, catalog_version, changed_by)"
        " VALUES (%s, %s, %s, 1, %s, %s) ON CONFLICT (company_id, name) DO UPDATE SET filter = excluded.filter,"
        " version = segment.version + 1, catalog_version = excluded.catalog_version, changed_at = now(),"
        " changed_by = excluded.changed_by",
        [company.company_id, name, text, VERSION, who],
    )


def _one_at_a_time(connection: Connection, company: Company) -> None:
    """Two changes at once could each be right and together make a cycle."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"segments {company.company_id}"])


def _check_name(name: str) -> None:
    # An address that is no UTF-8 arrives with the sign that stands for what could not be read.
    if not name.strip() or not name.isprintable() or "\ufffd" in name or len(name) > LONGEST_NAME:
        detail = f"A segment's name has 1 to {LONGEST_NAME} printable characters."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-name", detail)


def _stale(now: int | None, version: int) -> Problem:
    detail = f"The segment has changed: version {version} was edited, its current version is {now or 'none'}."
    errors = [error("stale-version", detail, current_version=now)]
    return Problem(HTTPStatus.CONFLICT, "stale-version", detail, errors=errors)


def _unknown() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-id", "There is no such segment.")
