"""The whole line from text to an explicit typed tree, with every error found on the way."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from dsl import typed
from dsl.ast import Condition
from dsl.catalog import Catalog, Field
from dsl.checker import Level, check
from dsl.diagnostics import Diagnostic, FilterError
from dsl.formatter import format_filter
from dsl.lowering import lower
from dsl.parser import DEFAULT_LIMITS, Limits, parse_pieces
from dsl.phases import phase
from dsl.typed import FieldOf, Filter, Role, Row
from dsl.values import Parameters


@dataclass(frozen=True, eq=False)
class Analysis:
    """A filter that is accepted. `checked` still has its bare conditions, `lowered` has every EXISTS explicit.

    One is kept for each filter, so that what is worked out of it can be kept by it.
    """

    text: str
    catalog: Catalog
    tree: Condition | None
    checked: Filter
    lowered: Filter

    @cached_property
    def canonical(self) -> str:
        return format_filter(self.tree) if self.tree else ""

    @cached_property
    def named_fields(self) -> dict[str, tuple[Row, Field]]:
        """The fields of the customer or group at hand (and what is one beside it) that the filter names.

        Keyed as a page shows them: `rating` for the row itself, `group.name` for what stands beside it.
        """
        root = self.checked.root
        found: dict[str, tuple[Row, Field]] = {}
        for node in typed.nodes(self.checked.condition):
            if isinstance(node, FieldOf) and node.row.role is Role.AT_HAND:
                prefix = "" if node.row == root else f"{node.row.entity.name}."
                found.setdefault(f"{prefix}{node.field.name}", (node.row, node.field))
        return found


def analyze(
    text: str,
    catalog: Catalog,
    *,
    level: Level = "customer",
    parameters: Parameters | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Analysis:
    """Raises `FilterError` with everything that is wrong, in the order of the text."""
    if parameters:
        return _analyze(text, catalog, level, parameters, limits)
    return _kept(text, catalog, level, parameters is None, limits)


@lru_cache(maxsize=2_000)
def _kept(text: str, catalog: Catalog, level: Level, unbound: bool, limits: Limits) -> Analysis:
    """The same filters are asked again and again."""
    return _analyze(text, catalog, level, None if unbound else {}, limits)


def _analyze(text: str, catalog: Catalog, level: Level, parameters: Parameters | None, limits: Limits) -> Analysis:
    with phase("parse"):
        trees, problems = parse_pieces(text, limits)
    with phase("check"):
        return _checked(text, catalog, level, parameters, limits, trees, problems)


def _checked(
    text: str,
    catalog: Catalog,
    level: Level,
    parameters: Parameters | None,
    limits: Limits,
    trees: list[Condition],
    problems: list[Diagnostic],
) -> Analysis:
    checked = None
    for tree in trees:
        # Around a syntax error parameters may be out of sight, so theirs are no errors then.
        checked, found = check(tree, catalog, level=level, parameters=None if problems else parameters, limits=limits)
        problems = [*problems, *found]
    if problems or checked is None:
        raise FilterError(text, problems)
    return Analysis(text, catalog, trees[0], checked, lower(checked))


def everyone(catalog: Catalog, level: Level = "customer") -> Analysis:
    """The empty filter, for a caller that says so explicitly."""
    filter_ = Filter(Row(catalog.entities[level], Role.AT_HAND), typed.TRUE)
    return Analysis("", catalog, None, filter_, filter_)
