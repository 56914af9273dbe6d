"""Faults for some minutes: `python3 dev.py chaos`."""

import argparse
import logging
import sys
import time
from collections import Counter
from random import Random

from tests.chaos.conduct import Bounds, conduct, report
from tests.chaos.faults import FAULTS
from tests.chaos.world import made


def main() -> int:
    asked = _arguments()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # that the server is away is known
    until = time.monotonic() + 60 * asked.minutes
    failed, number = 0, 0
    while number == 0 or time.monotonic() < until:
        seed = asked.seed + number
        names = list(asked.only or FAULTS)
        Random(seed).shuffle(names)
        print(f"seed {seed}", flush=True)
        with made(seed, small_disk=not asked.no_small_disk) as world:
            outcome = conduct(world, names, Bounds())
            print("\n".join(report(outcome)))
            for flaw, times in Counter(outcome.flaws).items():
                print(f"FLAW {flaw}" + (f" ({times} times)" if times > 1 else ""), flush=True)
            if outcome.flaws:
                print(f"look again with: python3 dev.py chaos --seed {seed}", flush=True)
        failed += bool(outcome.flaws)
        number += 1
    print(f"{number} rounds, {failed} with flaws")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides the order and length of the faults, and the load")
    parser.add_argument("--minutes", type=float, default=0.0, help="rounds of all faults, one at least")
    parser.add_argument("--only", choices=FAULTS, action="append", help="this fault; it may be repeated")
    parser.add_argument("--no-small-disk", action="store_true", help="limit the size of files in place of the disk")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
