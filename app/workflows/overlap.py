"""How the active workflows lie over the ledger: customers that two of them target, and overdue money that none does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from app.cells import money
from app.companies import Company
from app.database import Connection, Database
from app.kept import relations
from app.lists import list_of, run
from app.workflows.filters import analyzed
from app.workflows.stored import Workflow, all_of
from app.workflows.totals import overdue_of_all
from dsl import Analysis, FilterError
from dsl.compiler import Question
from dsl.pauses import Pauses
from dsl.statements import rows_statement

Document = dict[str, Any]


@dataclass(slots=True)
class _Standing:
    """Of one customer: its name, and the workflows that target it."""

    name: str
    targeted_by: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Audiences:
    """Who stands where; `selected` also has those whom a workflow selects and holds back."""

    standing: dict[str, _Standing] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)

    def add(self, workflow: Workflow, targeted: Mapping[str, str], held_back: Mapping[str, str]) -> None:
        for source_id, name in targeted.items():
            self.standing.setdefault(source_id, _Standing(name)).targeted_by.append(workflow.id)
        self.selected.update(targeted, held_back)


def overlap(
    database: Database, company: Company, *, as_of: date | None, after: str | None, limit: int, timeout_ms: int
) -> Document:
    """At level group a workflow targets the members that its filter is about. `after`: the last source id seen."""
    day = as_of or company.today
    audiences = _Audiences()
    workflows, broken = [], []
    with database.transaction(company.company_id, day, timeout_ms=timeout_ms) as connection:
        question = Question(company.company_id, day, relations(connection, company, day))
        for workflow in filter(lambda workflow: workflow.is_active, all_of(connection, company)):
            if (analysis := _read(workflow, company)) is None:
                broken.append(workflow.id)
            else:
                targeted = _customers(connection, question, analysis, _taken(workflow))
                held_back = _customers(connection, question, analysis, Pauses.ALONE) if workflow.respect_pauses else {}
                audiences.add(workflow, targeted, held_back)
                workflows.append({"id": workflow.id, "name": workflow.name, "customers": len(targeted)})
        overdue = overdue_of_all(connection, question)
    return {
        "as_of": day,
        "workflows": workflows,
        "broken": broken,
        "overlapping": _overlapping(audiences.standing, after, limit),
        "gaps": _gaps(overdue, audiences.selected, limit),
    }


def _overlapping(standing: Mapping[str, _Standing], after: str | None, limit: int) -> Document:
    twice = sorted(source_id for source_id, one in standing.items() if len(one.targeted_by) > 1)
    page = [source_id for source_id in twice if after is None or source_id > after][: limit + 1]
    shown = [(source_id, standing[source_id]) for source_id in page[:limit]]
    return {
        "count": len(twice),
        "customers": [{"source_id": id, "name": one.name, "workflows": one.targeted_by} for id, one in shown],
        "next": page[limit - 1] if len(page) > limit else None,
    }


def _read(workflow: Workflow, company: Company) -> Analysis | None:
    """A stored filter whose field has gone targets nobody."""
    try:
        return analyzed(workflow.filter, company, workflow.level)
    except FilterError:
        return None


def _taken(workflow: Workflow) -> Pauses:
    return Pauses.HELD_BACK if workflow.respect_pauses else Pauses.IGNORED


def _customers(connection: Connection, question: Question, analysis: Analysis, pauses: Pauses) -> dict[str, str]:
    """Source id and name."""
    selected = list_of(analysis, "customers", pauses).filter
    fields = {name: (selected.root, selected.root.entity.fields[name]) for name in ("source_id", "name")}
    return dict(run(connection, rows_statement(selected, question, fields)))


def _gaps(overdue: Mapping[str, int | None], selected: set[str], limit: int) -> Document:
    """Overdue money of customers that no active workflow selects; those who owe the most first."""
    left = {source_id: owed for source_id, owed in overdue.items() if source_id not in selected}
    known = sorted(((one, owed) for one, owed in left.items() if owed is not None), key=_largest_first)
    return {
        "overdue": money(sum(owed for owed in overdue.values() if owed is not None)),
        "untargeted": money(sum(owed for _, owed in known)),
        "customers": len(left),
        "unrated": len(left) - len(known),
        "largest": [{"source_id": one, "balance_overdue": money(owed)} for one, owed in known[:limit]],
    }


def _largest_first(owing: tuple[str, int]) -> tuple[int, str]:
    return -owing[1], owing[0]
