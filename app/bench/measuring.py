"""Times taken in turn, so that whatever slows the machine down slows all that is compared."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Call = Callable[[], object]
Clock = Callable[[], float]

# A sample lasts at least this long: what is quicker is called several times.
SAMPLE_SECONDS = 0.01
MOST_CALLS = 50


def medians(calls: Mapping[str, Call], rounds: int, clock: Clock = time.perf_counter) -> dict[str, float]:
    """Milliseconds of each call, after one that does not count; whoever begins a round ends the next."""
    numbers = {name: _calls_a_sample(call, clock) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    order = list(calls)
    for _ in range(rounds):
        for name in order:
            samples[name].append(_sample(calls[name], numbers[name], clock))
        order.reverse()
    return {name: statistics.median(taken) * 1000 for name, taken in samples.items()}


def seconds(call: Call, clock: Clock = time.perf_counter) -> float:
    return _sample(call, 1, clock)


def slope(points: Mapping[float, float]) -> float:
    """Of the line through the logarithms: 1 where the cost grows with the size, 0 where it does not grow."""
    sizes, costs = ([_log(value) for value in values] for values in (points, points.values()))
    return statistics.linear_regression(sizes, costs).slope


def plotted(costs: Sequence[float]) -> str:
    """A bar for each, one step higher for twice the smallest, two steps for four times."""
    least = min(map(_log, costs))
    steps = (round((_log(cost) - least) / math.log(2)) for cost in costs)
    return "".join(_BARS[min(step, len(_BARS) - 1)] for step in steps)


_BARS = "▁▂▃▄▅▆▇█"


def _log(value: float) -> float:
    return math.log(max(value, 1e-9))


def _calls_a_sample(call: Call, clock: Clock) -> int:
    """The first call of all is slower than the others, which matters where they are quick."""
    if _sample(call, 1, clock) > SAMPLE_SECONDS:
        return 1
    return max(1, min(MOST_CALLS, int(SAMPLE_SECONDS / max(_sample(call, 1, clock), 1e-6))))


def _sample(call: Call, number: int, clock: Clock) -> float:
    start = clock()
    for _ in range(number):
        call()
    return (clock() - start) / number
