"""Looks whether the service lives, from a process of its own: the load's threads must not count as the service's time.

Times are those of the monotonic clock, which the processes of a machine share.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.chaos.asking import Answer, ask

_PAUSE = 0.05


@contextmanager
def looking(port: int, noted: Path, found: list[Answer]) -> Iterator[None]:
    """Adds to `found` how each look ended, when all are over; `what` is the id of its request."""
    with noted.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "tests.chaos.living", str(port)], stdout=output)
        try:
            yield
        finally:
            process.kill()
            process.wait()
    # The last line may lack its end.
    found += [Answer(*json.loads(line)) for line in noted.read_text().splitlines(keepends=True) if line.endswith("\n")]


def main() -> None:
    port = int(sys.argv[1])
    for number in count():
        named = f"live-{number}"
        look = ask(port, named, "GET", "/live", headers={"X-Request-Id": named}, seconds=10)
        print(json.dumps([look.began, look.ended, look.what, look.how, look.status]), flush=True)
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
