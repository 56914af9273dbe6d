"""What must be true when all is over: nothing is half, nothing is there twice, nothing that was promised is lost."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from app import kept
from app.audit_log import IMPORTED
from app.database import Database
from app.settings import Settings
from app.worker import work
from tests.chaos import ledgers
from tests.chaos.load import Load, Told
from tests.chaos.world import Firm, World

# So long after an acknowledgement a fault may still keep it from being written down.
WRITING_SECONDS = 3.0

Span = tuple[float, float]


def broken(load: Load, faulty: Sequence[Span]) -> Iterator[str]:
    """`faulty`: when something was wrong. The load has ended, and all faults too."""
    world = load.world
    _deliver_the_rest(world)
    yield from load.flaws
    for firm in world.firms:
        told = load.told[firm.mark]
        for flaw in (
            *world.half_imports(firm),
            *_of_metrics(world, firm),
            *_of_imports(world, firm, told),
            *_of_runs(world, firm, told),
            *_of_changes(world, firm, told),
            *_of_deliveries(world, firm, faulty),
        ):
            yield f"{firm.mark}: {flaw}"


def _deliver_the_rest(world: World) -> None:
    """Now, rather than after the pauses between attempts."""
    world.receiver.is_well = True
    world.ask("UPDATE delivery SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL")
    with closing(Database(world.owner_url)) as database:
        while work(database, Settings(data_dir=world.folder, webhook_private=True)):
            pass


# ---------------------------------------------------------------- imports


def _of_metrics(world: World, firm: Firm) -> Iterator[str]:
    with (
        closing(Database(world.owner_url)) as database,
        database.transaction(firm.company.company_id, timeout_ms=0) as connection,
    ):
        verdict = kept.verify(connection, firm.company.company_id)
    if not verdict.is_well:
        yield f"what is kept of the metrics differs: {verdict.differing}"


def _of_imports(world: World, firm: Firm, told: Told) -> Iterator[str]:
    for done in told.imports:
        if done.exit_code not in (0, 2, -9) or "Traceback" in done.said or "fault of ours" in done.said:
            yield f"an import ended with {done.exit_code}: {done.said}"
    known = sum(done.exit_code == 0 for done in told.imports)
    noted = len(_audited(world, firm, IMPORTED)) - len(ledgers.VERSIONS) - 1  # those at the beginning
    if not known <= noted <= len(told.imports):
        yield f"{noted} imports are noted of {len(told.imports)}, {known} of which are known to have been done"


# ---------------------------------------------------------------- runs


def _of_runs(world: World, firm: Firm, told: Told) -> Iterator[str]:
    of_company = {"company": firm.company.company_id}
    runs = world.ask(
        "SELECT id, workflow_id, idempotency_key, counts, refusal IS NOT NULL FROM run WHERE company_id = %(company)s",
        **of_company,
    )
    rows: dict[int, Counter[str]] = defaultdict(Counter)
    for run_id, kind, is_held_back, number in world.ask(
        "SELECT run_id, kind, is_held_back, count(*) FROM run_row WHERE company_id = %(company)s GROUP BY 1, 2, 3",
        **of_company,
    ):
        rows[run_id][f"held back {kind}" if is_held_back else kind] += number
    for run_id, _, _, counts, is_refused in runs:
        counted: dict[str, Any] = {kind: number for kind, number in counts.items() if kind != "held_back"}
        if not is_refused and +Counter(counted) != rows[run_id]:
            yield f"run {run_id} counts {counted} and has {dict(rows[run_id])}"
        if not is_refused and {kind: counted.get(kind) for kind in ledgers.sizes(0)} not in _SIZES:
            yield f"run {run_id} is of half an import: {counted}"
        if is_refused:
            yield f"run {run_id} was refused"
    by_workflow = {
        kind: [run for run in runs if run[1] == workflow_id] for kind, workflow_id in firm.workflow_ids.items()
    }
    yield from _of_keyed(by_workflow["keyed"], told)
    free = {run_id for run_id, *_ in by_workflow["free"]}
    if not set(told.free) <= free or len(free) > told.free_asked:
        yield f"{len(free)} runs without a key, {told.free_asked} were asked for and {len(told.free)} promised"
    if len(by_workflow["scheduled"]) != firm.due:
        yield f"{len(by_workflow['scheduled'])} scheduled runs, {firm.due} were due"
    noted = Counter(_audited(world, firm, "run started") + _audited(world, firm, "run refused"))
    if noted != Counter(str(run_id) for run_id, *_ in runs):
        yield f"the runs {sorted(str(run_id) for run_id, *_ in runs)} are noted as {sorted(noted.elements())}"


_SIZES = [ledgers.sizes(version) for version in ledgers.VERSIONS]


def _of_keyed(runs: Sequence[tuple[Any, ...]], told: Told) -> Iterator[str]:
    by_key: dict[str, list[int]] = defaultdict(list)
    for run_id, _, key, *_ in runs:
        by_key[str(key).removeprefix("key ")].append(run_id)
    for key, promised in told.keyed.items():
        made = by_key.pop(key, [])
        if len(made) > 1 or (promised is not None and made != [promised]):
            yield f"under the Idempotency-Key {key} there are the runs {made}, promised was {promised}"
    if by_key:
        yield f"runs that nobody asked for: {dict(by_key)}"


# ---------------------------------------------------------------- changes and deliveries


def _of_changes(world: World, firm: Firm, told: Told) -> Iterator[str]:
    of_company = {"company": firm.company.company_id}
    keys = world.ask("SELECT prefix FROM api_key WHERE company_id = %(company)s", **of_company)
    made = world.ask("SELECT id FROM workflow WHERE company_id = %(company)s", **of_company)
    for action, there, promised in (
        ("key created", [prefix for (prefix,) in keys], told.keys),
        ("workflow created", [str(number) for (number,) in made], list(map(str, told.workflows))),
    ):
        if not set(promised) <= set(there):
            yield f"promised and not there, of '{action}': {set(promised) - set(there)}"
        if sorted(there) != sorted(_audited(world, firm, action)):
            yield f"'{action}' is noted of {sorted(_audited(world, firm, action))}, and there is {sorted(there)}"


def _of_deliveries(world: World, firm: Firm, faulty: Sequence[Span]) -> Iterator[str]:
    runs = {run_id for (run_id,) in world.ask("SELECT id FROM run WHERE company_id = %(c)s", c=firm.company.company_id)}
    open_ones = world.ask(
        "SELECT run_id, answer FROM delivery WHERE company_id = %(c)s AND delivered_at IS NULL",
        c=firm.company.company_id,
    )
    if open_ones:
        yield f"not delivered: {open_ones}"
    acknowledged: dict[int, list[float]] = defaultdict(list)
    for told in world.receiver.told:
        if told.mark == firm.mark and told.is_acknowledged:
            acknowledged[told.run_id].append(told.at)
    if set(acknowledged) != runs:
        yield f"told of the runs {sorted(acknowledged)}, and there are {sorted(runs)}"
    for run_id, moments in acknowledged.items():
        for moment in moments[:-1]:
            if not any(begin < moment + WRITING_SECONDS and moment < end for begin, end in faulty):
                yield f"told again of run {run_id}, though its acknowledgement could be written down"


def told_twice(load: Load) -> int:
    """How often a run was told again whose acknowledgement was lost with a fault."""
    seen = Counter((told.mark, told.run_id) for told in load.world.receiver.told if told.is_acknowledged)
    return sum(number - 1 for number in seen.values())


def _audited(world: World, firm: Firm, action: str) -> list[str]:
    found = world.ask(
        "SELECT subject FROM audit_entry WHERE company_id = %(company)s AND action = %(action)s",
        company=firm.company.company_id,
        action=action,
    )
    return [subject for (subject,) in found]
