"""Each bug of `bugs` is switched on by itself, and the quick judge must find it; without any it must find nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module

import pytest

from app.database import Database
from tests import judge
from tests.bugs import BEFORE, BUGS, ENGLISH, Bug, case_of_traps
from tests.judge import Asked, path_of, replaced
from tests.questions import expected
from tests.worlds import TODAY, load_case

MIGRATIONS = ("migrations.versions.0002_views", "migrations.versions.0004_metrics")

Questions = Mapping[Bug, Asked]


@pytest.fixture(scope="module")
def questions(database: Database) -> Questions:
    """Bugs of the views are asked of the views: what is kept of the metrics was worked out before."""
    loaded = load_case(database, case_of_traps())
    cases = {as_of: case_of_traps(as_of) for as_of in (BEFORE, TODAY)}
    worlds = {as_of: replace(loaded, case=case, world=case.world()) for as_of, case in cases.items()}
    asked = {bug: expected(worlds[bug.as_of], bug.told_by, bug.level, {}) for bug in BUGS}
    live = {bug: bug.module in MIGRATIONS and bug.as_of == TODAY for bug in BUGS}
    return {
        bug: replace(one, relations="LIVE" if live[bug] else one.relations, english=ENGLISH.get(bug.told_by))
        for bug, one in asked.items()
    }


def test_without_a_bug_nothing_is_found(database: Database, questions: Questions) -> None:
    for one in {(one.text, one.as_of, one.relations): one for one in questions.values()}.values():
        assert not list(judge.differences(database, one))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_bug_is_found(database: Database, questions: Questions, bug: Bug) -> None:
    with switched_on(database, bug):
        assert any(import_module("tests.judge").differences(database, questions[bug]))


@contextmanager
def switched_on(database: Database, bug: Bug) -> Iterator[None]:
    source = path_of(bug.module).read_text()
    assert source.count(bug.right) == 1
    right = views()
    new = ["migrations"] if bug.module in MIGRATIONS else ["dsl", "tests"]
    with replaced(bug.module, source.replace(bug.right, bug.wrong), *new):
        wrong = views()
        changed = [view for view in right if right[view] != wrong[view]]
        define(database, {view: wrong[view] for view in changed})
        try:
            yield
        finally:
            define(database, {view: right[view] for view in changed})


def views() -> dict[str, str]:
    return {view: query for module in MIGRATIONS for view, query in import_module(module).views().items()}


def define(database: Database, definitions: Mapping[str, str]) -> None:
    with database.owner() as connection:
        for view, query in definitions.items():
            connection.execute(f"CREATE OR REPLACE VIEW {view} WITH (security_invoker = true) AS {query}".encode())
