"""The bootstrap: what it offers, and when it sets up anew."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dev


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A checkout of its own, where the slow steps only write down that they were taken."""
    taken: list[str] = []
    (tmp_path / ".venv").mkdir()
    for name in ("pyproject.toml", "requirements.lock", "dev.py", ".venv/python"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(dev, "PYTHON", tmp_path / ".venv" / "python")
    monkeypatch.setattr(dev, "STAMP", tmp_path / ".venv" / "stamp")
    monkeypatch.setattr(dev, "make_environment", lambda: taken.append("environment"))
    monkeypatch.setattr(dev, "install", lambda: taken.append("packages"))
    return taken


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(dev.ROOT / "dev.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["help"]])
def test_help_names_every_verb_and_shows_examples(arguments: list[str]) -> None:
    answer = call(*arguments)
    assert answer.returncode == 0
    assert all(f"\n  {verb}" in answer.stdout for verb in dev.VERBS)
    assert "python3 dev.py run --port 9000" in answer.stdout


def test_an_unknown_verb_is_told_the_known_ones() -> None:
    answer = call("tset")
    assert answer.returncode == 1
    assert "there is no verb 'tset'; there are run, test, lint" in answer.stderr


def test_the_standard_library_is_enough() -> None:
    tree = ast.parse(Path(dev.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_the_first_call_makes_everything_and_the_second_nothing(steps: list[str]) -> None:
    dev.set_up()
    assert steps == ["environment", "packages"]
    dev.set_up()
    assert steps == ["environment", "packages"]


def test_a_new_lock_only_installs(steps: list[str]) -> None:
    dev.set_up()
    dev.LOCK.write_text("newer")
    dev.set_up()
    assert steps == ["environment", "packages", "packages"]


def test_another_place_or_python_needs_another_environment(steps: list[str]) -> None:
    dev.set_up()
    dev.STAMP.write_text("3.11.0 /elsewhere\n" + dev.fingerprint()[1])
    dev.set_up()
    assert steps == ["environment", "packages"] * 2


def test_an_interrupted_set_up_begins_again(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dev, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dev.set_up()
    dev.set_up()
    assert steps == ["environment", "environment", "packages"]


def test_pip_goes_on_where_uv_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def only_pip(command: list[str]) -> bool:
        commands.append(command)
        return not command[0].endswith("uv")

    monkeypatch.setattr(dev, "succeeds", only_pip)
    dev.install()
    assert [command for command in commands if "--require-hashes" in command][-1][1:3] == ["-m", "pip"]


def test_without_ensurepip_the_pip_outside_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Debian without python3-venv."""
    monkeypatch.setattr(dev, "has", lambda module: module == "pip")
    assert dev.pip_command() == [sys.executable, "-m", "pip", "--python", str(dev.PYTHON)]
    monkeypatch.setattr(dev, "has", lambda _module: False)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        dev.pip_command()


def test_the_lock_names_no_address() -> None:
    assert dev.addresses_in(dev.LOCK.read_text()) == []
    assert dev.addresses_in("pytest @ https://index.example/pytest.whl") == ["https://index.example/pytest.whl"]
