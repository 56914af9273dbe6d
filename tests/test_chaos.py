"""Each fault once, for a moment, under load: what is answered, and what is there when all is over.

`python3 dev.py chaos` does it for longer, and measures.
"""

import os
from random import Random

from tests.chaos.conduct import Bounds, conduct, report
from tests.chaos.faults import FAULTS
from tests.chaos.world import made

SEED = int(os.environ.get("DUELIST_SEED", "1"))

# The machine may be busy: so it is no promise, except that nothing hangs.
PATIENT = Bounds(late=10, recovery=20, start=40, live=10, clean=20)


def test_every_fault_once() -> None:
    faults = list(FAULTS)
    Random(SEED).shuffle(faults)
    with made(SEED) as world:
        outcome = conduct(world, faults, PATIENT, seconds=(0.2, 0.6), pause=0.15)
        print("\n".join(report(outcome)))
        assert list(outcome.flaws) == []
        assert sum(answer.is_refusal for answer in outcome.load.answers) > len(faults)
        assert all(told.keyed and told.imports for told in outcome.load.told.values())
