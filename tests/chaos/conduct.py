"""One fault after the other under load, and what came of it."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import quantiles

from tests.chaos.asking import Answer
from tests.chaos.faults import FAULTS, OF_SERVICE
from tests.chaos.invariants import Span, broken, told_twice
from tests.chaos.load import Load
from tests.chaos.world import DEADLINE_SECONDS, LEAVING_SECONDS, POOL_SECONDS, STATEMENT_SECONDS, World, soon

CALLERS = 4


@dataclass(frozen=True)
class Bounds:
    """In seconds: how late an answer may be after its deadline, when the first is given once the database is back, how
    long a look whether the service lives may take, and how long connections take to be clean.

    0.1 s are promised of a look; one waits besides until service and looker have a processor, which the load has too.
    """

    late: float = 1.0
    recovery: float = 2.0
    start: float = 10.0
    live: float = 0.15
    clean: float = 5.0


@dataclass
class Happened:
    """`back`: when the fault was over; `recovery`: until an answer came."""

    fault: str
    began: float
    back: float
    recovery: float
    flaws: list[str] = field(default_factory=list)

    @property
    def span(self) -> Span:
        return self.began, self.back + self.recovery


@dataclass
class Outcome:
    happened: Sequence[Happened]
    load: Load
    flaws: Sequence[str]

    @property
    def told_twice(self) -> int:
        return told_twice(self.load)


def conduct(
    world: World,
    faults: Sequence[str],
    bounds: Bounds,
    *,
    seconds: tuple[float, float] = (0.5, 5.0),
    pause: float = 0.03,
) -> Outcome:
    """Each fault for some seconds, longer than a deadline now and then."""
    rng = Random(world.seed)
    load = Load(world, CALLERS, pause)
    happened = []
    with load.running():
        soon(lambda: len(load.answers) > 10, 10)
        for fault in faults:
            happened.append(_befall(load, fault, rng, bounds, rng.uniform(*seconds)))
    flaws = [f"{one.fault}: {flaw}" for one in happened for flaw in one.flaws]
    flaws += broken(load, [one.span for one in happened])
    flaws += _bad_answers(load.answers, happened, bounds)
    flaws += _of_living(load.live, happened, bounds)
    flaws += _of_log(world)
    return Outcome(happened, load, flaws)


def _befall(load: Load, fault: str, rng: Random, bounds: Bounds, seconds: float) -> Happened:
    world = load.world
    if fault != "disk-full":
        world.make_due()
    began = time.monotonic()
    with FAULTS[fault](load, rng):
        time.sleep(seconds)
    back = time.monotonic()
    found = Happened(fault, began, back, world.answers())
    allowed = bounds.start if fault in OF_SERVICE else bounds.recovery
    if found.recovery > allowed:
        found.flaws.append(f"the first answer came after {found.recovery:.1f} s")
    with load.paused():
        if not soon(lambda: not world.ask(_LEFT), bounds.clean):
            found.flaws.append(f"connections are left: {world.ask(_LEFT)}")
        found.flaws += [f"{firm.mark}: {flaw}" for firm in world.firms for flaw in world.half_imports(firm)]
    return found


# The worker goes on: each of its transactions takes a moment.
_LEFT = """
    SELECT application_name, usename, state, wait_event, query,
        ARRAY(SELECT locktype || ' ' || mode FROM pg_locks AS l WHERE l.pid = a.pid) AS locks
    FROM pg_stat_activity AS a
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND xact_start < clock_timestamp() - interval '3 seconds'
"""


def _bad_answers(answers: Sequence[Answer], happened: Sequence[Happened], bounds: Bounds) -> Iterator[str]:
    """Good, or a refusal that says when to ask again. Only of a service that went away is nothing heard."""
    service_away = [one.span for one in happened if one.fault in OF_SERVICE]
    faulty = [one.span for one in happened]
    for answer in answers:
        took = answer.ended - answer.began
        text = f"{answer.what} {answer.how} {answer.status} {answer.body[:300]!r}"
        started = bounds.start if _meets(answer, service_away) else 0.0  # whoever asks meanwhile waits in line
        if answer.how == "hung" or took > _deadline(answer.what) + bounds.late + started:
            yield f"too late, after {took:.1f} s: {text}"
        elif answer.how == "answered" and answer.status not in (200, 201) and not answer.is_refusal:
            yield f"a bad answer: {text}"
        elif answer.how == "refused" and not _meets(answer, service_away):
            yield f"nobody there: {text}"
        elif answer.how == "cut":
            streamed = answer.what == "export" and answer.status == 200 and _meets(answer, faulty)
            if not streamed and not _meets(answer, service_away):
                yield f"cut off: {text}"
    for one in happened:
        if one.fault == "terminated":
            yield from _not_ended(answers, one)


def _deadline(what: str) -> float:
    """What may take longer counts from when it had its turn and its connection."""
    return 2 * POOL_SECONDS + STATEMENT_SECONDS if what in ("export", "run", "free run") else DEADLINE_SECONDS


_ACCEPTED_SECONDS = 0.5  # whoever asked so long before is being answered, not waiting to be accepted


def _not_ended(answers: Sequence[Answer], told: Happened) -> Iterator[str]:
    """What was begun before the service was told to stop is ended, in the time that there is."""
    for answer in answers:
        was_begun = answer.began + _ACCEPTED_SECONDS < told.began < answer.ended
        in_time = answer.began + _deadline(answer.what) < told.began + LEAVING_SECONDS
        if was_begun and in_time and answer.how != "answered":
            yield f"not ended by a service that was told to stop: {answer.what} {answer.how}"


def _meets(answer: Answer, spans: Sequence[Span]) -> bool:
    return any(begin <= answer.ended and answer.began <= end for begin, end in spans)


def _of_living(live: Sequence[Answer], happened: Sequence[Happened], bounds: Bounds) -> Iterator[str]:
    service_away = [one.span for one in happened if one.fault in OF_SERVICE]
    for look in live:
        if not _meets(look, service_away) and (look.status != 200 or look.ended - look.began > bounds.live):
            yield f"/live {look.how} {look.status} after {look.ended - look.began:.2f} s"


def _of_log(world: World) -> Iterator[str]:
    for line in log_of(world):
        if line.get("event") in ("fault", "a fault of the worker", "run failed"):
            yield f"a fault in the log: {line}"


def log_of(world: World) -> Iterator[Mapping[str, object]]:
    for line in world.log.read_text(errors="replace").splitlines():
        if line.startswith("{") and line.endswith("}"):
            yield json.loads(line)


# ---------------------------------------------------------------- told


def report(outcome: Outcome) -> Iterator[str]:
    load = outcome.load
    yield f"{'fault':<24}{'lasted':>7}{'back after':>12}{'/live':>8}{'slowest':>9}  answers"
    for one in outcome.happened:
        during = [answer for answer in load.answers if _meets(answer, [one.span])]
        live = max((look.ended - look.began for look in load.live if _meets(look, [one.span])), default=0.0)
        slowest = max((answer.ended - answer.began for answer in during), default=0.0)
        kinds = Counter(str(answer.status or answer.how) for answer in during)
        told = ", ".join(f"{number} x {kind}" for kind, number in sorted(kinds.items()))
        lasted = one.back - one.began
        yield f"{one.fault:<24}{lasted:>5.1f} s{one.recovery:>10.2f} s{live * 1000:>5.0f} ms{slowest:>7.1f} s  {told}"
    starting = [one.span for one in outcome.happened if one.fault in OF_SERVICE]
    looks = [look for look in load.live if look.how == "answered" and not _meets(look, starting)]
    waited = [1000 * (look.ended - look.began) for look in looks]
    times = {line["request_id"]: line["ms"] for line in log_of(load.world) if line.get("route") == "/live"}
    own = [float(str(times[look.what])) for look in looks if look.what in times]
    imports = Counter(done.exit_code for told in load.told.values() for done in told.imports)
    yield f"/live, but for starts, waited for: {_spread(waited)}; the service's own time: {_spread(own)}"
    yield f"answers: {len(load.answers)}; imports by exit code: {dict(imports)}"
    yield f"webhooks: {len(load.world.receiver.told)} sent, {outcome.told_twice} again because their end was lost"


def _spread(milliseconds: Sequence[float]) -> str:
    if len(milliseconds) < 2:
        return "too few"
    return f"median {quantiles(milliseconds, n=2)[0]:.1f} ms, worst {max(milliseconds):.0f} ms of {len(milliseconds)}"
