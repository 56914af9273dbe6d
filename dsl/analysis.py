"""The whole line from text to an explicit typed tree, with every error found on the way."""

from dataclasses import dataclass

from dsl.ast import Condition
from dsl.catalog import Catalog
from dsl.checker import Level, Parameters, check_all
from dsl.diagnostics import FilterError
from dsl.formatter import format_filter
from dsl.lowering import lower
from dsl.parser import DEFAULT_LIMITS, Limits, parse_pieces
from dsl.typed import Filter


@dataclass(frozen=True, slots=True)
class Analysis:
    """A filter that is accepted. `checked` still has its bare conditions, `lowered` has every EXISTS explicit."""

    text: str
    tree: Condition
    checked: Filter
    lowered: Filter

    @property
    def canonical(self) -> str:
        return format_filter(self.tree)


def analyze(
    text: str,
    catalog: Catalog,
    *,
    level: Level = "customer",
    parameters: Parameters | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Analysis:
    """Raises `FilterError` with everything that is wrong, in the order of the text."""
    trees, problems = parse_pieces(text, limits)
    checked = None
    for tree in trees:
        # Around a syntax error parameters may be out of sight, so theirs are no errors then.
        checked, found = check_all(tree, catalog, level=level, parameters=None if problems else parameters, limits=limits)
        problems = [*problems, *found]
    if problems or checked is None:
        raise FilterError(text, problems)
    return Analysis(text, trees[0], checked, lower(checked))
