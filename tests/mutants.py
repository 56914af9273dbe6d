"""Mutation testing of `dsl/`: `python3 dev.py mutants [--sample N] [--seed N] [MODULE …]`.

mutmut makes the mutants. Each runs in a process of its own, forked from one that has all packages but none of our
modules, and is put first to what is recorded of the corpus, then to the quick judge on a database that was filled
once, then to the tests of its module. So the mutants that stand outside any function are tried too, which mutmut's
own runner leaves out, and no mutant waits for a database.
"""

import argparse
import difflib
import gc
import math
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import hypothesis
import libcst as cst
import libcst.matchers as m
import pytest
from _pytest.fixtures import SubRequest
from mutmut.mutation.file_mutation import Mutation, create_mutations

from app.database import Database
from app.migrate import migrate
from tests import conftest, test_corpus, test_why, test_workflows_random
from tests.judge import ROOT, Asked, replaced
from tests.questions import asked_of
from tests.worlds import load

PRELOADED = (test_corpus, test_why, test_workflows_random)  # with the packages that tests need
SEEDS = (0, 1, 2, 5)
FILTERS = 4
EXAMPLES = 60
CPU_SECONDS = 120  # for each kind of test; unchanged none takes a quarter of it

# The tests that know most of a module, quickest first.
TESTS = {
    "__init__": ("test_architecture",),
    "analysis": ("test_formatter", "test_fields", "test_segments", "test_setwise"),
    "arithmetic": ("test_errors", "test_warnings", "test_setwise"),
    "ast": ("test_tree_json", "test_parser", "test_formatter"),
    "bare_rows": ("test_setwise",),
    "calendar": ("test_days",),
    "catalog": ("test_docs", "test_catalog", "test_english", "test_completer", "test_fields", "test_segments"),
    "checker": ("test_errors", "test_warnings", "test_english", "test_segments"),
    "codes": ("test_docs",),
    "compiler": ("test_sql_lint", "test_order", "test_why", "test_setwise", "test_sweep", "test_metrics"),
    "conditions": ("test_conditions",),
    "completer": ("test_completer",),
    "days": ("test_days", "test_setwise"),
    "diagnostics": ("test_errors", "test_parser"),
    "constants": ("test_days",),
    "explainer": ("test_english", "test_warnings"),
    "formatter": ("test_formatter", "test_parser"),
    "frames": ("test_sql_lint", "test_order", "test_sweep"),
    "known": ("test_known", "test_workflows_random"),
    "ledger": ("test_setwise", "test_metrics"),
    "literals": ("test_formatter",),
    "lowering": ("test_binding",),
    "matching": ("test_binding", "test_workflows_random"),
    "money": ("test_warnings", "test_setwise"),
    "negation": ("test_errors", "test_english"),
    "operators": ("test_catalog", "test_english", "test_completer"),
    "parser": ("test_parser", "test_formatter", "test_completer"),
    "parts": ("test_parts",),
    "pauses": ("test_known", "test_workflows"),
    "phases": ("test_observed",),
    "quantities": ("test_shapes", "test_setwise"),
    "ratios": ("test_setwise",),
    "reasons": ("test_why",),
    "setwise": ("test_setwise",),
    "shapes": ("test_shapes", "test_sql_lint", "test_setwise"),
    "statements": ("test_order", "test_why", "test_sweep"),
    "tree_json": ("test_tree_json",),
    "typed": ("test_binding", "test_warnings", "test_english"),
    "types": ("test_docs", "test_catalog", "test_completer", "test_fields"),
    "values": ("test_errors", "test_warnings", "test_completer"),
    "warnings": ("test_warnings",),
}

# Tests of a record that need no database; they raise.
RECORDED = (
    ("test_statements", "test_every_statement_is_as_recorded"),
    ("test_catalog", "test_each_field_is_as_recorded"),
    ("test_docs", "test_the_catalog_page_is_up_to_date"),
    ("test_english", "test_each_field_reads_as_recorded"),
)

# Modules that decide nothing about which rows are selected, or only by what they read or refuse.
OF_TEXT = {
    "completer",
    "diagnostics",
    "explainer",
    "formatter",
    "literals",
    "negation",
    "parser",
    "tree_json",
    "warnings",
}


@dataclass(frozen=True)
class Mutant:
    module: str
    number: int
    source: str
    diff: str

    @property
    def name(self) -> str:
        return f"{self.module} {self.number}"


# ---------------------------------------------------------------- mutants


@cache
def mutations_of(module: str) -> tuple[cst.Module, list[Mutation]]:
    path = ROOT / "dsl" / f"{module}.py"
    tree, mutations, _, _ = create_mutations(str(path), path.read_text())
    return tree, [mutation for mutation in mutations if not _is_for_types_only(mutation)]


def _is_for_types_only(mutation: Mutation) -> bool:
    """`cast(None, value)` is `value` still, and what `assert_never` is given never comes."""
    return m.matches(mutation.original_node, m.Call(func=m.Name("cast") | m.Name("assert_never")))


def mutant(module: str, number: int) -> Mutant:
    tree, mutations = mutations_of(module)
    mutation = mutations[number]
    changed = tree.deep_replace(mutation.original_node, mutation.mutated_node)
    assert isinstance(changed, cst.Module)
    before, after = tree.code.splitlines(), changed.code.splitlines()
    lines = [*difflib.unified_diff(before, after, n=0, lineterm="")][2:]
    return Mutant(module, number, changed.code, "\n".join(lines))


def sample(modules: Sequence[str], size: int | None, seed: int) -> list[tuple[str, int]]:
    """Each mutant as likely as any other, in an order of chance, so that a part of the sample is one too."""
    every = [(module, number) for module in modules for number in range(len(mutations_of(module)[1]))]
    return random.Random(seed).sample(every, len(every) if size is None else min(size, len(every)))


# ---------------------------------------------------------------- trying one


@contextmanager
def prepared() -> Iterator[tuple[str, str, list[Asked]]]:
    """A server, the name of a migrated database in it, and the judge's questions about another that is filled."""
    with ExitStack() as stack:
        server = stack.enter_context(conftest._SERVERS[conftest._kind()]())
        template = stack.enter_context(conftest._new_database(server))
        migrate(conftest._named(server, template))
        filled = stack.enter_context(conftest._new_database(server, template))
        database = Database(url := conftest._named(server, filled))
        questions = [asked for seed in SEEDS for asked in asked_of(load(database, seed), FILTERS)]
        database.close()
        os.environ |= {"DUELIST_TEST_DB": "url", "DUELIST_DATABASE_URL": server}
        yield url, template, questions


def killer_of(one: Mutant, url: str, template: str, questions: list[Asked]) -> str:
    """What finds the mutant; nothing if it survives."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        gc.disable()
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            try:
                found = _judged(one, url, template, questions)
            except BaseException as wrong:
                found = f"{type(wrong).__name__}"
        os.write(writing, found.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        found = said.read()
    _, status = os.waitpid(child, 0)
    return found if os.WIFEXITED(status) else "does not end"


def _judged(one: Mutant, url: str, template: str, questions: list[Asked]) -> str:
    with replaced(f"dsl.{one.module}", one.source, "app", "dsl", "tests"), fewer_examples():
        _has_time()
        if is_not_recorded():
            return "recorded"
        _has_time()
        if one.module not in OF_TEXT and is_judged_wrong(url, questions):
            return "judge"
        for name in TESTS.get(one.module, ()):
            path = ROOT / "tests" / f"{name}.py"
            _has_time()
            if pytest.main([*OPTIONS, str(path)], plugins=[_Prepared(template)]):
                return name
    return ""


def _has_time() -> None:
    """What does not end is found by this; what only takes long, since it survives, is not."""
    used = math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_SECONDS, resource.RLIM_INFINITY))


@contextmanager
def fewer_examples() -> Iterator[None]:
    """Of Hypothesis: most mutants that it finds at all it finds at once."""
    made = hypothesis.settings.__init__

    def capped(self: hypothesis.settings, *parents: hypothesis.settings, **given: Any) -> None:
        made(self, *parents, **given | {"max_examples": min(EXAMPLES, given.get("max_examples", EXAMPLES))})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(hypothesis.settings, "__init__", capped)
        yield


def is_judged_wrong(url: str, questions: list[Asked]) -> bool:
    database = Database(url)
    judge = import_module("tests.judge")
    found = any(difference for asked in questions for difference in judge.differences(database, asked))
    database.close()
    return found


def is_not_recorded() -> bool:
    """Whether anything differs from what its file says, but the rows of the corpus."""
    corpus, errors = import_module("tests.test_corpus"), import_module("tests.test_errors")
    for path in errors.FILES:
        if errors.Case.read(path).written() != path.read_text(encoding="utf-8"):
            return True
    for path in corpus.PATHS:
        query = corpus.read(path)
        found = corpus.sections_without_rows(query, corpus.question_of(query, 7))
        if "\n".join([query.head, *found, "--- rows"]) not in path.read_text():
            return True
    for module, test in RECORDED:
        getattr(import_module(f"tests.{module}"), test)()
    return False


OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--hypothesis-seed=0", "--timeout=0")


@dataclass(frozen=True)
class _Prepared:
    """The template is there already."""

    template: str

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[str], request: SubRequest) -> str | None:
        if fixturedef.argname != "template":
            return None
        fixturedef.cached_result = (self.template, fixturedef.cache_key(request), None)
        return self.template


# ---------------------------------------------------------------- all


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="dev.py mutants", description="Mutation testing of dsl/.")
    parser.add_argument("--sample", type=int, help="how many; all without")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="*", help="the numbers of the mutants to try, of one module")
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    asked = parser.parse_args(arguments)
    modules = asked.modules or sorted(path.stem for path in (ROOT / "dsl").glob("*.py"))
    if asked.only:
        order = [(module, number) for module in modules for number in asked.only]
    else:
        order = sample(modules, asked.sample, asked.seed)
    killed, tried = Counter[str](), Counter[str]()
    with prepared() as (url, template, questions):
        os.environ |= {"DUELIST_LEDGERS": "4", "DUELIST_FILTERS": "30"}
        unchanged = Mutant("lowering", -1, (ROOT / "dsl" / "lowering.py").read_text(), "")
        if found := killer_of(unchanged, url, template, questions):
            sys.exit(f"without any change the tests fail: {found}")
        for module, number in order:
            one = mutant(module, number)
            found = killer_of(one, url, template, questions)
            tried[module] += 1
            killed[module] += bool(found)
            total = sum(tried.values())
            print(f"{total}/{len(order)} {one.name}: {found or f'SURVIVED{chr(10)}{one.diff}'}", flush=True)
    for module in sorted(tried):
        print(f"{module:<14}{killed[module]:>5} of {tried[module]:>4}")
    low, high = interval(sum(killed.values()), sum(tried.values()))
    print(
        f"killed {sum(killed.values())} of {sum(tried.values())}: {low:.1%} to {high:.1%} of all, with 95 % confidence"
    )


def interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's."""
    z = 1.96
    rate, spread = hits / of, z * z / of
    middle = (rate + spread / 2) / (1 + spread)
    half = z * math.sqrt(rate * (1 - rate) / of + z * z / (4 * of * of)) / (1 + spread)
    return middle - half, middle + half


if __name__ == "__main__":
    main(sys.argv[1:])
