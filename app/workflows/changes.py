"""What an edit of a workflow would change: who enters, who leaves, and the overdue money of both."""

from typing import Any

from app.companies import Company
from app.database import Connection, Database
from app.kept import relations
from app.lists import Listed, page_of
from app.workflows.asked import Proposed
from app.workflows.filters import analyzed, text_of
from app.workflows.stored import Workflow, current
from app.workflows.totals import total_of, within, without
from dsl import Analysis, FilterError
from dsl.compiler import Question
from dsl.explainer import english
from dsl.pauses import Pauses, with_pauses
from dsl.typed import FALSE, Filter

Document = dict[str, Any]

SHOWN = ("source_id", "name", "currency", "balance_overdue")


def diff(database: Database, company: Company, workflow_id: int, proposed: Proposed) -> Document:
    """Between the stored version and the edited one, as of one day."""
    as_of = proposed.as_of or company.today
    with database.transaction(company.company_id, as_of) as connection:
        workflow = current(connection, company, workflow_id)
        question = Question(company.company_id, as_of, relations(connection, company, as_of))
        edited = workflow.filter
        if proposed.filter is not None or proposed.parts is not None:
            edited = text_of(proposed.filter, proposed.parts, company, workflow.level)
        new = analyzed(edited, company, workflow.level)
        before = _stored(workflow, company, new)
        kept = proposed.respect_pauses is None
        after = audience(new, respect_pauses=workflow.respect_pauses if kept else proposed.respect_pauses is True)
        return {
            "as_of": as_of,
            "level": workflow.level,
            "version": workflow.version,
            "canonical": new.canonical,
            "english": english(new.lowered, as_of),
            "before": total_of(connection, question, before).document(),
            "after": total_of(connection, question, after).document(),
            "entered": _shown(connection, question, without(after, before), proposed.limit),
            "left": _shown(connection, question, without(before, after), proposed.limit),
            "stayed": total_of(connection, question, within(before, after)).document(),
        }


def _stored(workflow: Workflow, company: Company, new: Analysis) -> Filter:
    """A stored filter whose field has gone targets nobody: an edit that mends it brings everyone in."""
    try:
        stored = analyzed(workflow.filter, company, workflow.level)
    except FilterError:
        return Filter(new.lowered.root, FALSE)
    return audience(stored, respect_pauses=workflow.respect_pauses)


def audience(analysis: Analysis, *, respect_pauses: bool) -> Filter:
    """The customers, or at level group the groups, that are targeted."""
    pauses = Pauses.HELD_BACK if respect_pauses else Pauses.IGNORED
    return with_pauses(analysis.lowered, analysis.catalog, pauses)


def _shown(connection: Connection, question: Question, selected: Filter, limit: int) -> Document:
    """The total, and the first rows."""
    fields = selected.root.entity.fields
    shown = Listed(selected, {name: (selected.root, fields[name]) for name in SHOWN if name in fields})
    page = page_of(connection, question, shown, limit=limit)
    return {**total_of(connection, question, selected).document(), selected.root.entity.plural: page.rows}
