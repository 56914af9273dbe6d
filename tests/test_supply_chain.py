"""What is installed, how the image is built and how it runs; read from the files, for there may be no Docker here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import dev

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
RUNS = [part.strip() for line in re.findall(r"^RUN (.*)", DOCKERFILE, re.M) for part in line.split("&&")]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


# ---------------------------------------------------------------- the lock


def unhashed(lock: str) -> list[str]:
    """Entries that are not one version with the hashes of its files."""
    entries = re.findall(r"^\S.*\n(?:\s.*\n)*", re.sub(r"^#.*\n", "", lock, flags=re.M), re.M)
    pinned = re.compile(r"[\w.\[\]-]+==\S+( ; .*?)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+")
    return [entry for entry in entries if not pinned.match(entry)]


def test_every_package_is_one_version_with_hashes() -> None:
    assert unhashed(dev.LOCK.read_text()) == []


@pytest.mark.parametrize("entry", ["lark==1.3.1\n", "lark>=1.3 \\\n    --hash=sha256:" + "0" * 64 + "\n"])
def test_an_entry_without_hash_or_version_would_show(entry: str) -> None:
    assert unhashed(entry) == [entry]


def test_whatever_is_installed_is_held_to_the_hashes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[list[str]] = []

    def only_noted(command: list[str]) -> bool:
        commands.append(command)
        return True

    monkeypatch.setattr(dev, "succeeds", only_noted)
    monkeypatch.setattr(dev, "VENV", tmp_path)
    monkeypatch.setattr(dev, "LOCK", lock := tmp_path / "requirements.lock")
    lock.write_text(
        "lark==1.3.1 \\\n    --hash=sha256:00\nuv==0.13.9 \\\n    --hash=sha256:11\n    # via duelist\nyarl==2 \n"
    )
    dev.install()
    assert (tmp_path / "uv.lock").read_text() == "uv==0.13.9 \\\n    --hash=sha256:11\n    # via duelist\n"
    assert len(commands) == 3
    assert all(
        "--require-hashes" in command or {"--no-deps", "--no-build-isolation"} <= {*command} for command in commands
    )


def test_what_a_change_has_to_pass_installs_only_by_dev() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands
    ours, of_the_system = commands[-2:], "\n".join(commands[:-2])
    assert all(re.fullmatch(r"python3 dev\.py \w+", command) for command in ours)
    assert re.findall(r"\binstall\b.*", of_the_system) == [
        "install -qq -y --no-install-recommends chromium >/dev/null; } ||"
    ], "the browser alone comes from the system's packages"
    assert not re.search(r"\b(pip|uv|npm|curl|wget)\b", of_the_system)


# ---------------------------------------------------------------- the image


def test_the_image_installs_nothing_without_a_hash() -> None:
    installs = [run for run in RUNS if re.search(r"\b(install|add|sync|get)\b", run)]
    assert installs
    for run in installs:
        of_lock = "--require-hashes" in run and re.search(r"(requirements|installer)\.lock", run)
        of_ourselves = run.endswith(" .") and "--no-deps" in run and "--require-build-hashes" in run
        assert of_lock or of_ourselves, run


def test_the_image_contains_only_what_is_named() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert {line for line in ignored if line.startswith("!")} == {
        f"!{name}" for name in ("pyproject.toml", "requirements.lock", "app", "dsl", "migrations")
    }
    assert not re.findall(r"^(ADD|COPY \.)", DOCKERFILE, re.M)


def test_the_image_does_not_run_as_root() -> None:
    last = DOCKERFILE.rpartition("FROM ")[2]
    uid = re.search(r"useradd .*--uid (\d+)", last)
    assert uid
    assert int(uid[1]) > 0
    assert re.findall(r"^USER (\S+)", last, re.M) == ["duelist"]
    assert last.index("USER duelist") < last.index("ENTRYPOINT")


# ---------------------------------------------------------------- how it runs


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_and_writes_only_to_its_volume(name: str) -> None:
    service = SERVICES.get(SERVICES[name].get("extends", ""), {}) | SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "network_mode", "devices"} & service.keys()
    assert all(re.match(r"\w+:/", volume) for volume in service.get("volumes", []))  # named, no folder of the machine
    assert service.get("user", "duelist") != "root"


def test_nothing_is_reachable_from_other_machines() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
