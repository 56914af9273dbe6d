"""What the quick judge asks: random filters and known traps, each with what the independent evaluator says of it."""

import random
from collections.abc import Iterator, Mapping

from dsl import CATALOG, analyze
from dsl.checker import Level
from tests.judge import Asked
from tests.oracle.evaluator import matches
from tests.oracle.evaluator import matching_rows as expected_rows
from tests.oracle.generate import random_filter
from tests.worlds import Loaded


def asked_of(loaded: Loaded, filters: int) -> Iterator[Asked]:
    """Random filters at both levels; those known to be hard are in `TRAPS`."""
    for level in LEVELS:
        rng = random.Random(f"judge {loaded.seed} {level}")
        made = (random_filter(rng, loaded.world, level, rng.randint(1, 4)) for _ in range(filters))
        for text, params in [*((one.text, one.params) for one in made), *((text, {}) for text in TRAPS[level])]:
            yield expected(loaded, text, level, params)


def expected(loaded: Loaded, text: str, level: Level, params: Mapping[str, object]) -> Asked:
    tree = analyze(text, CATALOG, level=level, parameters=params).tree
    paused = analyze(PAUSED[level], CATALOG, level=level).tree
    assert tree is not None
    assert paused is not None
    return Asked(
        loaded.company_id,
        loaded.case.as_of,
        loaded.relations.name,
        text,
        level,
        params,
        sorted(selected := matches(tree, loaded.world, level, params)),
        sorted(selected & matches(paused, loaded.world, level)),
        {entity: sorted(expected_rows(tree, loaded.world, entity, level, params)) for entity in ("invoice", "payment")},
    )


LEVELS: tuple[Level, ...] = ("customer", "group")
PAUSED = {"customer": "customer.chasing_paused OR group.chasing_paused", "group": "group.chasing_paused"}
TRAPS: dict[Level, tuple[str, ...]] = {"customer": (), "group": ()}
