"""Who may import whom. The source is read, never run."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("app", "dsl", "migrations")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# What the language may not know: the service, the web, a connection, the environment.
FOREIGN_TO_DSL = {
    "alembic",
    "app",
    "fastapi",
    "os",
    "psycopg",
    "psycopg_pool",
    "pydantic",
    "pydantic_settings",
    "starlette",
}

_CHECKED = {"dsl.typed", "dsl.catalog", "dsl.types", "dsl.operators", "dsl.diagnostics"}

# A module of dsl, and all of ours that it may import.
MAY_SEE = {
    "dsl.diagnostics": set[str](),
    "dsl.ast": {"dsl.diagnostics"},
    "dsl.compiler": {*_CHECKED, "dsl.constants", "dsl.frames", "dsl.quantities"},
    "dsl.explainer": {*_CHECKED, "dsl.constants", "dsl.literals"},
    "dsl.calendar": set[str](),
    "dsl.constants": {"dsl.typed", "dsl.types", "dsl.calendar"},
    "dsl.frames": {"dsl.typed", "dsl.catalog"},
    "dsl.quantities": set[str](),
    "dsl.literals": set[str](),
    "dsl.reasons": {*_CHECKED, "dsl.analysis", "dsl.ast", "dsl.explainer", "dsl.formatter", "dsl.lowering"},
    "dsl.shapes": {"dsl.typed", "dsl.types", "dsl.quantities", "dsl.operators"},
    # Nothing of the compiler, which it is to prove right.
    "dsl.setwise": {*_CHECKED, "dsl.bare_rows", "dsl.days", "dsl.ledger", "dsl.ratios"},
    "dsl.bare_rows": {"dsl.typed"},
    "dsl.days": {"dsl.typed"},
    "dsl.ledger": {"dsl.catalog"},
    "dsl.ratios": set[str](),
}

FEATURES = {"queries", "workflows", "runs", "imports", "pages", "auth", "fields"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in SOURCES}


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules a file names in its imports; `from dsl import ast` names `dsl.ast`."""
    tree = ast.parse(path.read_text())
    return frozenset(name for node in ast.walk(tree) for name in imported_by(node, path))


def imported_by(node: ast.AST, path: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        source = absolute(node, path)
        for alias in node.names:
            inner = f"{source}.{alias.name}"
            yield inner if inner in MODULES else source


def absolute(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = path.relative_to(ROOT).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.partition(".")[0] in ROOMS}


def named(module: str) -> list[Path]:
    """The file of a module, or of all its parts when it has grown to a folder."""
    return [path for path in SOURCES if f"{module_name(path)}.".startswith(f"{module}.")]


def feature(module: str) -> str | None:
    room, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    return name if room == "app" and name in FEATURES else None


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_import_hides_in_a_function(path: Path) -> None:
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    hidden = [
        f"line {inner.lineno}, in {function.name}"
        for function in functions
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert not hidden


def test_no_module_imports_itself_through_others() -> None:
    graph = {module_name(path): ours(path) & MODULES for path in SOURCES}
    assert not [" > ".join(cycle) for cycle in cycles(graph)]


def cycles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    done: set[str] = set()

    def walk(module: str, trail: list[str]) -> Iterator[list[str]]:
        if module in trail:
            yield [*trail[trail.index(module) :], module]
        elif module not in done:
            for imported in sorted(graph[module]):
                yield from walk(imported, [*trail, module])
            done.add(module)

    for module in graph:
        yield from walk(module, [])


@pytest.mark.parametrize("path", named("dsl"), ids=module_name)
def test_the_language_knows_nothing_of_the_service(path: Path) -> None:
    assert not {name for name in imports(path) if name.partition(".")[0] in FOREIGN_TO_DSL}


@pytest.mark.parametrize("module", MAY_SEE)
def test_a_pass_sees_only_what_it_works_on(module: str) -> None:
    for path in named(module):
        seen = {name for name in ours(path) if not f"{name}.".startswith(f"{module}.")}
        assert seen <= MAY_SEE[module], module_name(path)


def test_the_parser_knows_no_field() -> None:
    assert not [path for path in named("dsl.parser") if "dsl.catalog" in ours(path)]


def test_only_the_parser_knows_lark() -> None:
    knowing = {module_name(path) for path in SOURCES for name in imports(path) if name.partition(".")[0] == "lark"}
    assert knowing <= {module_name(path) for path in named("dsl.parser")}


@pytest.mark.parametrize("path", [path for path in SOURCES if feature(module_name(path))], ids=module_name)
def test_a_feature_imports_no_other(path: Path) -> None:
    others = {name for name in ours(path) if feature(name) not in (None, feature(module_name(path)))}
    assert not others
