"""Why a customer or group is selected by a filter, or is not: every condition, asked of the rows that decide it.

All is read in one transaction. A place is asked once: for the row that meets what is sought there, or comes nearest,
and for everything that the filter says of that row.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, assert_never

from pydantic import Field

from app.asked import Asking, Dated, ask
from app.cells import Shown
from app.companies import Company
from app.database import Connection, Database
from app.kept import relations
from app.problems import Problem
from app.queries.misses import Compared, Value, operands, read
from dsl import catalog, typed
from dsl.compiler import Probe, Question
from dsl.explainer import english
from dsl.pauses import Pauses, with_pauses
from dsl.reasons import Joined, Leaf, OfRows, OneRow, Opposite, Place, Reason, nearest_by, pinned, reasons, rows_at
from dsl.statements import count_statement, probing_statement
from dsl.typed import Filter, Predicate, Row, both

Document = dict[str, Any]

WITNESSES = 3
_ALWAYS = ("name", "amount", "balance", "currency", "due_date", "date")


class Doubted(Dated):
    """One customer, or at level group one group, and a filter."""

    customer: str | None = Field(None, description="its source id; at level customer")
    group: str | None = Field(None, description="its source id; at level group")


def why(database: Database, company: Company, asked: Doubted) -> Document:
    source_id = _source_id(asked)
    asking = ask(asked, company, answered=True)
    root, reason = reasons(asking.analysis, asking.as_of)
    with database.transaction(company.company_id, asking.as_of) as connection:
        question = asking.question(relations(connection, company, asking.as_of))
        answers = _Answers(connection, question)
        if not _is_storable(source_id) or not answers.look(root, pinned(root, source_id), limit=1).rows:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-id", f"There is no such record among the {asked.level}s.")
        matches = answers.is_selected(asking.analysis.lowered, pinned(root, source_id))
        held_back = asking.respect_pauses and matches and answers.is_selected(_paused(asking), pinned(root, source_id))
        tree = answers.document(reason)
    told = {"held_back": held_back} if asking.respect_pauses else {}
    return {**_about(asking, asked.level, source_id), "matches": matches and not held_back, **told, "tree": tree}


def _paused(asking: Asking) -> Filter:
    return with_pauses(asking.analysis.lowered, asking.analysis.catalog, Pauses.ALONE)


def _about(asking: Asking, level: str, source_id: str) -> Document:
    said = english(asking.analysis.lowered, asking.as_of)
    canonical = asking.analysis.canonical
    return {"as_of": asking.as_of, "level": level, level: source_id, "canonical": canonical, "english": said}


def _source_id(asked: Doubted) -> str:
    own, other = (asked.customer, asked.group) if asked.level == "customer" else (asked.group, asked.customer)
    if own is None or other is not None:
        wrong = "group" if asked.level == "customer" else "customer"
        instead = f", not '{wrong}'" if other is not None else ""
        detail = f"At level {asked.level} the request names the {asked.level} to explain: '{asked.level}'{instead}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-request", detail)
    return own


def _is_storable(source_id: str) -> bool:
    return "\0" not in source_id and source_id == source_id.encode("utf-8", "replace").decode()


# ---------------------------------------------------------------- rows that are found


@dataclass(frozen=True, slots=True)
class _Row:
    """A row as it is shown, and what the filter says of it."""

    source_id: str
    document: Document
    holds: dict[Predicate, bool]
    values: dict[Predicate, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class _Found:
    """The first rows of a place, those that meet what is sought before the others."""

    rows: tuple[_Row, ...] = ()
    meeting: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class _Answers:
    connection: Connection
    question: Question
    found: dict[Place, _Found] = field(default_factory=dict)

    # ------------------------------------------------------------ asking

    def is_selected(self, filter_: Filter, one: Filter) -> bool:
        """As a preview selects it."""
        of_one = Filter(filter_.root, both([filter_.condition, one.condition]))
        statement = count_statement(of_one, self.question)
        [(count,)] = self.connection.execute(statement.sql.encode(), statement.parameters).fetchall()
        return bool(count)

    def look(
        self, place: Place, rows: Filter, first: Predicate = typed.TRUE, then: tuple[Predicate, ...] = (), *, limit: int
    ) -> _Found:
        fields = _fields(place)
        asked = tuple(operand for test in place.tests.values() for operand in operands(test))
        probe = Probe(first, then, nearest_by(first), tuple(place.tests.values()), asked)
        statement = probing_statement(rows, self.question, fields, probe, limit=limit)
        lines: list[tuple[Any, ...]] = self.connection.execute(statement.sql.encode(), statement.parameters).fetchall()
        shown = Shown({name: found for name, (_, found) in fields.items()})
        meeting, total = lines[0][:2] if lines else (0, 0)
        self.found[place] = _Found(tuple(_row(place, shown, iter(line[2:])) for line in lines), meeting, total)
        return self.found[place]

    def look_beside(
        self, place: Place, first: Predicate, then: tuple[Predicate, ...] = (), *, limit: int = 1
    ) -> _Found:
        """Rows of the one that the place belongs to; there are none if there is no such owner."""
        assert place.around is not None
        owner = self.row(place.around)
        if owner is None:
            return self.found.setdefault(place, _Found())
        return self.look(place, rows_at(place, owner.source_id), first, then, limit=limit)

    def row(self, place: Place) -> _Row | None:
        rows = self.found[place].rows
        return rows[0] if rows else None

    def has_owner(self, place: Place) -> bool:
        return place.around is not None and self.row(place.around) is not None

    def known(self, place: Place, test: Predicate) -> bool:
        row = self.row(place)
        return row is not None and row.holds[test]

    # ------------------------------------------------------------ answering

    def document(self, reason: Reason) -> Document:
        match reason:
            case Leaf():
                return self.leaf(reason)
            case Joined(_, kind, items):
                asked = list(map(self.document, items))
                holds = (all if kind == "and" else any)(item["holds"] for item in asked)
                return _node(reason, kind, holds, asked)
            case Opposite(_, item):
                inner = self.document(item)
                return _node(reason, "not", not inner["holds"], [inner])
            case OneRow():
                return self.one_row(reason)
            case OfRows():
                return self.of_rows(reason)
            case _:
                assert_never(reason)

    def leaf(self, reason: Leaf) -> Document:
        place, holds = reason.place, self.known(reason.place, reason.test)
        node = _node(reason, "condition", holds)
        if (row := self.row(place)) is None:
            return node | {"detail": f"there is no {place.row.entity.english}"}
        compared = Compared(place.row, place.tests[reason.test], row.values[reason.test], holds, self.question.as_of)
        return node | compared.document() | (_shown(row, holds) if place.bare else {})

    def one_row(self, reason: OneRow) -> Document:
        """A single test and an AND are shown with their row, whatever else is said of one row below it."""
        found = self.look_beside(reason.place, *reason.sought(self.known))
        inner = self.document(reason.item)
        row = _shown(found.rows[0], inner["holds"]) if found.rows else {}
        match _innermost(reason):
            case Leaf():
                is_shown = "witness" in inner or "nearest" in inner
                return inner | {"english": reason.said.english} | ({} if is_shown else row)
            case _ if reason.item is not _innermost(reason) or not isinstance(reason.item, Joined):
                return _node(reason, "same row", inner["holds"], [inner]) | row
            case _:
                return inner | {"kind": "same row", "english": reason.said.english} | row

    def of_rows(self, reason: OfRows) -> Document:
        breaking = reason.quantifier == "ALL"
        sought = typed.Not(reason.condition) if breaking else reason.condition
        found = self.look_beside(reason.place, sought, limit=WITNESSES)
        count = found.total - found.meeting if breaking else found.meeting
        holds = self.has_owner(reason.place) and _block_holds(reason, found)
        row = _deciding(reason, found)
        asked = [self.document(reason.item)] if row and reason.item else []
        node = _node(reason, reason.quantifier.lower(), holds, asked)
        return node | {"count": count, "of": found.total} | row


def _block_holds(reason: OfRows, found: _Found) -> bool:
    match reason.quantifier:
        case "ANY":
            return found.meeting > 0
        case "NO":
            return found.meeting == 0
        case "ALL":
            return found.total > 0 and found.meeting == 0
        case _:
            assert_never(reason.quantifier)


def _deciding(reason: OfRows, found: _Found) -> Document:
    """The row that decides a block: where it is fine that none does, there is nothing to show."""
    shown = [row.document for row in found.rows[: found.meeting]]
    match reason.quantifier:
        case "ALL":
            return {"counterexample": shown[0]} if shown else {}
        case _ if shown:
            return {"witness": shown[0], "witnesses": shown}
        case "ANY" if found.rows:
            return {"nearest": found.rows[0].document}
        case _:
            return {}


def _innermost(reason: Reason) -> Reason:
    return _innermost(reason.item) if isinstance(reason, OneRow) else reason


def _shown(row: _Row, holds: bool) -> Document:
    return {"witness" if holds else "nearest": row.document}


def _node(reason: Reason, kind: str, holds: bool, children: list[Document] | None = None) -> Document:
    said = {"text": reason.said.text, "english": reason.said.english}
    return {**said, "kind": kind, "holds": holds, "children": children or []}


def _row(place: Place, shown: Shown, columns: Iterator[Any]) -> _Row:
    source_id = str(next(columns))
    cells = shown.row([next(columns) for _ in shown.names])
    document = {"entity": place.row.entity.name, "source_id": source_id, **cells}
    holds = {test: bool(next(columns)) for test in place.tests}
    values = {test: read(operands(about), columns) for test, about in place.tests.items()}
    return _Row(source_id, document, holds, values)


def _fields(place: Place) -> dict[str, tuple[Row, catalog.Field]]:
    """What is shown of a row: what tells it apart, and the fields that its tests name."""
    row, known = place.row, place.row.entity.fields
    found = {name: (row, known[name]) for name in _ALWAYS if name in known}
    if row.owner and row.owner.owner:
        found["customer_source_id"] = (row.owner, row.owner.entity.fields["source_id"])
    for node in (node for test in place.tests.values() for node in typed.nodes(test)):
        if isinstance(node, typed.FieldOf) and node.row == row and node.field.name != "source_id":
            found.setdefault(node.field.name, (row, node.field))
    return found
