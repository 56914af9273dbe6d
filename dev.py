#!/usr/bin/env python3
"""Everything a checkout of Duelist needs, from nothing but Python 3.11 or newer.

usage: python3 dev.py VERB [arguments]

{verbs}

The first call makes .venv and installs the locked packages; later ones start at once.

examples:
  python3 dev.py run                    serve the sample ledger on http://127.0.0.1:8000
  python3 dev.py run --port 9000        arguments go on to `duelist serve`
  python3 dev.py test -k embedded -x    arguments go on to pytest
  python3 dev.py chaos --minutes 30     rounds of all faults; --seed N for one that was seen
  DUELIST_TEST_DB=docker python3 dev.py test
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

if sys.platform != "win32":
    import fcntl

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "duelist-stamp"
LOCK = ROOT / "requirements.lock"
WEB = ROOT / "web"
BUILT_FROM = ROOT / "app" / "static" / "built-from.txt"

# Tools that look at the lock from outside run in environments of their own, not in that of the product.
TOOL = [str(BIN / "uv"), "tool", "run", "--from"]
PIP_AUDIT, CYCLONEDX = "pip-audit==2.10.1", "cyclonedx-bom==7.5.0"


def run(arguments: list[str]) -> NoReturn:
    """serve the product over an embedded PostgreSQL with the sample ledger"""
    hand_over([BIN / "duelist", "serve", "--sample", *arguments])


def test(arguments: list[str]) -> NoReturn:
    """run the whole test suite against a real PostgreSQL"""
    hand_over([PYTHON, "-m", "pytest", "-n", "2", *arguments])


def lint(arguments: list[str]) -> NoReturn:
    """check style, format, types and the lock file"""
    refuse(arguments, "lint")
    checks = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--strict"])
    passed = [succeeds([PYTHON, "-m", *check]) for check in checks]
    addresses = addresses_in(LOCK.read_text())
    for address in addresses:
        say(f"{LOCK.name} names an address, which would tie it to one package index: {address}")
    sys.exit(0 if all(passed) and not addresses else 1)


def update(arguments: list[str]) -> NoReturn:
    """lock the newest versions that pyproject.toml allows"""
    refuse(arguments, "update")
    if not shutil.which("uv", path=str(BIN)):
        sys.exit("dev.py: only uv can write the lock, and it could not be installed here")
    compile_lock = ["pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--upgrade"]
    compile_lock += ["--no-emit-package", "duelist"]
    say(f"resolving {LOCK.name}")
    if not succeeds([BIN / "uv", *compile_lock, "--group", "dev", "pyproject.toml", "-o", LOCK.name]):
        sys.exit("dev.py: the lock is unchanged")
    set_up()
    sys.exit(0)


def mutants(arguments: list[str]) -> NoReturn:
    """break dsl/ in small ways, one by one, and see which the tests find"""
    hand_over([PYTHON, "-m", "tests.mutants", *arguments])


def audit(arguments: list[str]) -> NoReturn:
    """ask PyPI whether a locked package has a known vulnerability"""
    refuse(arguments, "audit")
    # A package that cannot be asked about is an error too, so that no answer never looks like a good one.
    hand_over([*TOOL, PIP_AUDIT, "pip-audit", "--strict", "--disable-pip", "--require-hashes", "-r", LOCK.name])


def sbom(arguments: list[str]) -> NoReturn:
    """write sbom.json, the locked packages as CycloneDX"""
    refuse(arguments, "sbom")
    about = ["--pyproject", "pyproject.toml", "--output-reproducible", "-o", "sbom.json"]
    hand_over([*TOOL, CYCLONEDX, "cyclonedx-py", "requirements", LOCK.name, *about])


def bench(arguments: list[str]) -> NoReturn:
    """measure ratios: queries, text to SQL, HTTP, import, memory, growth"""
    hand_over([PYTHON, "-m", "app.bench", *arguments])


def web(arguments: list[str]) -> NoReturn:
    """build the page from web/ into app/static (needs Node 20 or newer; nothing else does)"""
    refuse(arguments, "web")
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("dev.py: only building the page needs Node, and there is no npm here; see https://nodejs.org")
    for step in (["ci"], ["run", "check"], ["run", "build"]):
        say(f"npm {' '.join(step)}")
        if subprocess.run([npm, *step], cwd=WEB, check=False).returncode:
            sys.exit("dev.py: the page was not built; the lines above say why")
    BUILT_FROM.write_text(page_digests())
    sys.exit(0)


def page_digests() -> str:
    """Of all that the bundle is built from, the lock of its packages included, and of the bundle itself."""
    sources = [*WEB.glob("*.*"), *(WEB / "src").rglob("*")]
    return f"sources {digest_of(sources)}\nbundle {digest_of(BUILT_FROM.parent.glob('page*'))}\n"


def digest_of(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def chaos(arguments: list[str]) -> NoReturn:
    """break PostgreSQL, network, disk and service under load, one after the other; --help"""
    hand_over([PYTHON, "-m", "tests.chaos", *arguments])


VERBS: dict[str, Callable[[list[str]], NoReturn]] = {
    verb.__name__: verb for verb in (run, test, lint, update, bench, mutants, audit, sbom, web, chaos)
}


def main(arguments: list[str]) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever starts this may well have an older one
        sys.exit("dev.py: Duelist needs Python 3.11 or newer, this is " + sys.version.split()[0])
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return
    verb, *rest = arguments
    if verb not in VERBS:
        sys.exit(f"dev.py: there is no verb '{verb}'; there are {', '.join(VERBS)}")
    os.chdir(ROOT)
    set_up()
    VERBS[verb](rest)


def usage() -> str:
    verbs = (f"  {name:<8}{verb.__doc__}" for name, verb in VERBS.items())
    return (__doc__ or "").format(verbs="\n".join(verbs)).rstrip()


def set_up() -> None:
    """Bring .venv to what the lock says, unless the stamp of an earlier call says it is there already."""
    if stamped() == fingerprint():
        return
    with one_at_a_time():
        if stamped() == fingerprint():  # a call beside this one has just done it
            return
        if stamped()[:1] != fingerprint()[:1]:
            make_environment()
        install()
        STAMP.write_text("\n".join(fingerprint()))
        say("ready")


def fingerprint() -> list[str]:
    """What the environment was made for (another interpreter or place needs a new one), and what is in it."""
    contents = (ROOT / "pyproject.toml").read_bytes() + LOCK.read_bytes()
    return [f"{sys.version.split()[0]} {ROOT}", hashlib.sha256(contents).hexdigest()]


def stamped() -> list[str]:
    return STAMP.read_text().splitlines() if STAMP.exists() and PYTHON.exists() else []


def make_environment() -> None:
    say("making .venv")
    venv.create(VENV, clear=True, symlinks=os.name != "nt", with_pip=has("ensurepip"))


def install() -> None:
    say("fetching uv, the faster installer")
    uv = [str(BIN / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON)]
    pip = [*pip_command(), "install", "--quiet", "--disable-pip-version-check"]
    alone = VENV / "uv.lock"
    alone.write_text(entry_of("uv", LOCK.read_text()))
    fetched = alone.stat().st_size > 0 and succeeds([*pip, "--require-hashes", "-r", str(alone)])
    if not (fetched and install_with(uv)):
        say("uv cannot do it here, going on with pip (slower)")
        if not install_with(pip):
            sys.exit("dev.py: the packages could not be installed; the lines above say why")


def install_with(installer: list[str]) -> bool:
    say(f"installing the packages of {LOCK.name}")
    if not succeeds([*installer, "--require-hashes", "-r", str(LOCK)]):
        return False
    say("installing duelist itself")
    # The build tool is one of the locked packages, so nothing unlocked is fetched to build with.
    return succeeds([*installer, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])


def pip_command() -> list[str]:
    """The pip of .venv; a Debian without python3-venv has no ensurepip, but perhaps a pip that works from outside."""
    if has("ensurepip"):
        return [str(PYTHON), "-m", "pip"]
    if has("pip"):
        return [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    sys.exit("dev.py: this Python has neither ensurepip nor pip; on Debian or Ubuntu: apt install python3-venv")


def has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """`run` and `test` may be started side by side on a fresh clone: the second waits for the first to install."""
    if sys.platform == "win32":
        yield
        return
    with (ROOT / "dev.py").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def entry_of(package: str, lock: str) -> str:
    """The lines of one package, with its hashes."""
    found = re.search(rf"^{re.escape(package)}==.*\n(?:\s.*\n)*", lock, re.M)
    return found[0] if found else ""


def addresses_in(lock: str) -> list[str]:
    return re.findall(r"\w+://\S+", lock)


def refuse(arguments: list[str], verb: str) -> None:
    if arguments:
        sys.exit(f"dev.py: {verb} takes no arguments, got {' '.join(arguments)}")


def succeeds(command: list[str | Path]) -> bool:
    return subprocess.run([str(part) for part in command], cwd=ROOT, check=False).returncode == 0


def hand_over(command: list[str | Path]) -> NoReturn:
    """Become the command, so that Ctrl-C and signals reach it and nothing else."""
    parts = [str(part) for part in command]
    if os.name == "nt":
        sys.exit(subprocess.run(parts, check=False).returncode)
    os.execv(parts[0], parts)


def say(step: str) -> None:
    print(f"dev.py: {step}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
