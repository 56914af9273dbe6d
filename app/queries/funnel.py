"""The funnel: what each condition of a filter does by itself, and one after the other."""

from collections.abc import Iterator
from typing import Any

from app.asked import Asking, Dated, ask
from app.companies import Company
from app.costs import slow_named
from app.database import Connection, Database
from app.kept import relations
from dsl import Analysis, analyze
from dsl.ast import And, Condition, Parameter
from dsl.compiler import Question
from dsl.explainer import english
from dsl.formatter import format_filter
from dsl.known import known
from dsl.lowering import lower
from dsl.parser import walk
from dsl.pauses import Pauses, with_pauses
from dsl.statements import count_statement
from dsl.typed import TRUE, Filter

Document = dict[str, Any]


def funnel(database: Database, company: Company, asked: Dated) -> Document:
    """`alone`: how many meet the condition; `left`: how many meet it and all before it; `through_missing`: how many
    meet it only because a value is missing."""
    asking = ask(asked, company, answered=True)
    with slow_named(database, asking), database.transaction(company.company_id, asking.as_of) as connection:
        question = asking.question(relations(connection, company, asking.as_of))
        counted = _Counting(connection, question, asking)
        return {
            "as_of": asking.as_of,
            "level": asked.level,
            "canonical": asking.analysis.canonical,
            "everyone": counted.number(_everyone(asking.analysis)),
            "conditions": [counted.step(asked, *step) for step in _steps(asking.analysis.tree)],
            "count": counted.number(asking.analysis.lowered),
        }


class _Counting:
    def __init__(self, connection: Connection, question: Question, asking: Asking) -> None:
        self._connection = connection
        self._question = question
        self._asking = asking

    def step(self, asked: Dated, condition: Condition, so_far: Condition) -> Document:
        alone, left = (self._analyzed(asked, tree) for tree in (condition, so_far))
        number = self.number(alone.lowered)
        return {
            "text": alone.canonical,
            "english": english(alone.lowered, self._asking.as_of),
            "alone": number,
            "left": self.number(left.lowered),
            "through_missing": number - self.number(lower(known(alone.checked))),
        }

    def number(self, selected: Filter) -> int:
        pauses = Pauses.HELD_BACK if self._asking.respect_pauses else Pauses.IGNORED
        statement = count_statement(with_pauses(selected, self._asking.company.catalog, pauses), self._question)
        [(number,)] = self._connection.execute(statement.sql.encode(), statement.parameters).fetchall()
        return int(str(number))

    def _analyzed(self, asked: Dated, tree: Condition) -> Analysis:
        """A part of a filter that was accepted; it may name fewer of the parameters."""
        named = {node.name for node, _ in walk(tree) if isinstance(node, Parameter)}
        parameters = {name: value for name, value in (asked.params or {}).items() if name in named}
        return analyze(format_filter(tree), self._asking.company.catalog, level=asked.level, parameters=parameters)


def _steps(tree: Condition | None) -> Iterator[tuple[Condition, Condition]]:
    conditions = tree.conditions if isinstance(tree, And) else () if tree is None else (tree,)
    for number, condition in enumerate(conditions, 1):
        yield condition, And(conditions[:number]) if number > 1 else condition


def _everyone(analysis: Analysis) -> Filter:
    return Filter(analysis.lowered.root, TRUE)
