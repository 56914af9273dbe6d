"""What can be said about a filter without asking the ledger."""

from collections.abc import Callable, Iterator
from typing import Any

from app.asked import Asked, Asking, Completing, Dated, analysis_of, ask
from app.companies import Company
from app.lists import listed
from app.problems import diagnosed
from app.queries.answers import Ledger, warnings_of
from dsl import FilterError, typed
from dsl.completer import complete
from dsl.explainer import english
from dsl.frames import Relations
from dsl.statements import rows_statement
from dsl.tree_json import to_json

Document = dict[str, Any]


def checked(asked: Dated, company: Company, ledger: Callable[[], Ledger]) -> Document:
    """The ledger is only asked where a warning rests on it."""
    try:
        asking = ask(asked, company)
    except FilterError as wrong:
        errors = [diagnosed(wrong.text, diagnostic) for diagnostic in wrong.diagnostics]
        return {"ok": False, "errors": errors, "warnings": []}
    warnings = warnings_of(asking, Ledger())
    if warnings != warnings_of(asking, Ledger.worst(company)):
        warnings = warnings_of(asking, ledger())
    return {"ok": True, "errors": [], "warnings": warnings}


def compiled(asked: Dated, company: Company) -> Document:
    """The SQL is that of the whole answer, where the metrics of the company's current day are kept."""
    asking = ask(asked, company)
    analysis = asking.analysis
    selected = listed(asking, "groups" if asked.level == "group" else "customers")
    question = asking.question(_relations(asking))
    statement = rows_statement(selected.filter, question, selected.fields)
    return {
        "canonical": analysis.canonical,
        "english": english(analysis.lowered, asking.as_of),
        "ast": to_json(analysis.tree) if analysis.tree else None,
        "sql": statement.sql,
        "params": statement.parameters,
        "entities": sorted(set(_entities(analysis.checked.condition))),
        "fields": sorted(set(_fields(analysis.checked.condition))),
    }


def _relations(asking: Asking) -> Relations:
    if asking.is_past:
        return Relations.HISTORIC
    return Relations.KEPT if asking.as_of == asking.company.today else Relations.LIVE


def _entities(condition: typed.Predicate) -> Iterator[str]:
    for node in typed.nodes(condition):
        if isinstance(node, typed.FieldOf | typed.Block | typed.Aggregated | typed.FirstOf):
            yield node.row.entity.name


def _fields(condition: typed.Predicate) -> Iterator[str]:
    for node in typed.nodes(condition):
        if isinstance(node, typed.FieldOf):
            yield f"{node.row.entity.name}.{node.field.name}"


def english_of(asked: Dated, company: Company) -> Document:
    asking = ask(asked, company)
    return {"as_of": asking.as_of, "english": english(asking.analysis.lowered, asking.as_of)}


def formatted(asked: Asked, company: Company) -> Document:
    return {"canonical": analysis_of(asked, company.catalog).canonical}


def completed(asked: Completing, company: Company) -> Document:
    found = complete(asked.text, min(asked.cursor, len(asked.text)), company.catalog, asked.level)
    items = [{"insert": i.insert, "label": i.label, "kind": i.kind, "help": i.help} for i in found.items]
    return {"start": found.start, "end": found.end, "items": items}
