"""Each fault is a block: it holds inside, and at its end what was taken away is back."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from random import Random

import psutil
import psycopg

from tests.chaos import ledgers
from tests.chaos.load import Load, burst
from tests.chaos.world import World, soon

Fault = Callable[[Load, Random], AbstractContextManager[None]]

_ALL_AT_ONCE = 40
_MOST_BYTES = 1024 * 1024  # as much as its shared memory needs
_START_SECONDS = 30.0


# What an import may say then. PostgreSQL stops where it cannot write its log.
_REASONS = (
    "duelist: The disk of the database is full",
    "duelist: The database cannot be reached",
    "duelist: the database refused: could not",
)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


@contextmanager
def killed(load: Load, _: Random) -> Iterator[None]:
    """PostgreSQL as a whole, as by a power cut."""
    _signal(load.world.postgres(), signal.SIGKILL)
    yield
    load.world.start_postgres()


@contextmanager
def first_process_killed(load: Load, _: Random) -> Iterator[None]:
    """The others end when they see it."""
    _signal(load.world.postgres()[:1], signal.SIGKILL)
    yield
    load.world.start_postgres()


@contextmanager
def backend_killed(load: Load, rng: Random) -> Iterator[None]:
    """PostgreSQL ends all others too, and starts anew by itself."""
    pids = [pid for (pid,) in load.world.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'duelist'")]
    if pids:
        with suppress(psutil.NoSuchProcess):
            _signal([psutil.Process(rng.choice(pids))], signal.SIGKILL)
    yield
    soon(load.world.is_postgres_there, _START_SECONDS)


@contextmanager
def restarted(load: Load, _: Random) -> Iterator[None]:
    load.world.stop_postgres()
    yield
    load.world.start_postgres()


@contextmanager
def frozen(load: Load, _: Random) -> Iterator[None]:
    stopped = load.world.postgres()
    _signal(stopped, signal.SIGSTOP)
    yield
    _signal(stopped, signal.SIGCONT)


@contextmanager
def silent(load: Load, _: Random) -> Iterator[None]:
    """The network loses everything."""
    with load.world.proxy.behaving("silent"):
        yield


@contextmanager
def slow(load: Load, _: Random) -> Iterator[None]:
    with load.world.proxy.behaving("slow"):
        yield


@contextmanager
def cutting(load: Load, _: Random) -> Iterator[None]:
    """Connections break in the middle of an answer."""
    with load.world.proxy.behaving("cutting"):
        yield


@contextmanager
def gone(load: Load, _: Random) -> Iterator[None]:
    with load.world.proxy.gone():
        yield


@contextmanager
def exhausted(load: Load, _: Random) -> Iterator[None]:
    """Everybody waits for a lock, and more ask than there are connections."""
    with psycopg.connect(load.world.owner_url) as connection:
        connection.execute("LOCK TABLE invoice")
        answers = burst(load.world, _ALL_AT_ONCE)
        load.answers += answers
        if all(answer.status == 200 for answer in answers):
            load.flaws.append("whoever found no connection was answered")
        yield


@contextmanager
def disk_full(load: Load, rng: Random) -> Iterator[None]:
    """An import then fails, and says why; PostgreSQL may fall over that, and is started again."""
    world, firm, version = load.world, rng.choice(load.world.firms), rng.choice(ledgers.VERSIONS)
    # The error of a file that may not grow is another one than that of a full disk: only an import is to meet it.
    with nullcontext() if world.is_small else load.paused(), _without_room(world):
        failed = load.run_import(firm, version)
        if failed.exit_code != 2 or not any(reason in failed.said for reason in _REASONS):
            load.flaws.append(f"an import without room ended with {failed.exit_code}: {failed.said}")
        yield
    if not soon(world.is_postgres_there, 5):
        world.start_postgres()
    done = load.run_import(firm, version)
    if done.exit_code != 0:
        load.flaws.append(f"an import with room again ended with {done.exit_code}: {done.said}")


@contextmanager
def _without_room(world: World) -> Iterator[None]:
    """The small disk is filled; where there is none, PostgreSQL may not write beyond the first bytes of a file."""
    if world.is_small:
        ballast = world.data / "ballast"
        with ballast.open("wb") as file:
            _fill_up(file.fileno())
        yield
        ballast.unlink()
        return
    # At the beginning of a segment of its log it can be started.
    world.ask("SELECT pg_switch_wal()")
    world.stop_postgres()
    usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_BYTES, most))
    try:
        world.start_postgres()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))
    try:
        yield
    finally:
        world.start_postgres()


def _fill_up(file: int) -> None:
    size, piece = 0, 64 * 1024 * 1024
    while piece >= 4096:
        try:
            os.posix_fallocate(file, size, piece)
            size += piece
        except OSError:
            piece //= 2


@contextmanager
def terminated(load: Load, _: Random) -> Iterator[None]:
    """Told to stop, the service ends what it has begun."""
    load.world.leave_service(signal.SIGTERM)
    if load.world.service.exitcode != 0:
        load.flaws.append(f"told to stop, the service left with {load.world.service.exitcode}")
    yield
    load.world.start_service()


@contextmanager
def terminated_in_silence(load: Load, _: Random) -> Iterator[None]:
    """Told to stop while the database does not answer."""
    with load.world.proxy.behaving("silent"):
        time.sleep(0.5)
        start = time.monotonic()
        load.world.leave_service(signal.SIGTERM)
        if load.world.service.exitcode is None:
            load.flaws.append(f"told to stop, the service was there after {time.monotonic() - start:.0f} s")
            load.world.service.kill()
    yield
    load.world.start_service()


@contextmanager
def service_killed(load: Load, _: Random) -> Iterator[None]:
    load.world.leave_service(signal.SIGKILL)
    yield
    load.world.start_service()


OF_DATABASE: Mapping[str, Fault] = {
    "killed": killed,
    "first-process-killed": first_process_killed,
    "backend-killed": backend_killed,
    "restarted": restarted,
    "frozen": frozen,
    "silent": silent,
    "slow": slow,
    "cutting": cutting,
    "gone": gone,
    "exhausted": exhausted,
    "disk-full": disk_full,
}
OF_SERVICE: Mapping[str, Fault] = {
    "terminated": terminated,
    "terminated-in-silence": terminated_in_silence,
    "service-killed": service_killed,
}
FAULTS: Mapping[str, Fault] = {**OF_DATABASE, **OF_SERVICE}
