"""What the environment may choose, and what stands when it chooses nothing."""

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from app import cli, settings
from app.settings import Settings, misspelled, refusals


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DUELIST_")]:
        monkeypatch.delenv(name)


def test_nothing_has_to_be_chosen() -> None:
    chosen = Settings()
    assert (chosen.database_url, chosen.host, chosen.port) == (None, "127.0.0.1", 8000)


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_PORT", "9000")
    monkeypatch.setenv("DUELIST_DATA_DIR", "/srv/duelist")
    assert Settings().port == 9000
    assert Settings().data_dir == Path("/srv/duelist")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_a_postgres_url_is_read(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", f"{scheme}://ann:secret@db:5433/ledger")
    url = Settings().database_url
    assert url
    assert url.get_secret_value() == "postgresql://ann:secret@db:5433/ledger"


@pytest.mark.parametrize("url", ["mysql://db/ledger", "db:5432/ledger"])
def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", url)
    with pytest.raises(ValidationError, match="must begin with postgresql://"):
        Settings()


def test_so_is_the_url_of_a_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().read_database_url is None
    monkeypatch.setenv("DUELIST_READ_DATABASE_URL", "postgres://ann:secret@replica/ledger")
    url = Settings().read_database_url
    assert url
    assert url.get_secret_value() == "postgresql://ann:secret@replica/ledger"


def test_an_empty_url_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files write it when the variable is not set."""
    monkeypatch.setenv("DUELIST_DATABASE_URL", "")
    assert Settings().database_url is None


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_DATABASE_URL", "postgresql://ann:secret@db/ledger")
    monkeypatch.setenv("DUELIST_CURSOR_SECRET", "secret")
    assert "secret@" not in repr(Settings())
    assert "'secret'" not in repr(Settings())


def test_the_data_lie_beside_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "reachable_by_all", lambda _folder: True)
    assert Settings().data_dir == settings.CHECKOUT / ".duelist"


def test_without_a_checkout_they_lie_with_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "reachable_by_all", lambda _folder: True)
    monkeypatch.setattr(settings, "CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().data_dir == tmp_path / ".local" / "share" / "duelist"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another account")
def test_root_under_a_closed_home_keeps_the_data_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "reachable_by_all", lambda _folder: False)
    assert Settings().data_dir.parent == Path("/var/tmp")
    assert Settings().data_dir == Settings().data_dir


def test_the_signing_key_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path / "data")
    key = chosen.signing_key()
    assert len(key) == 64
    assert Settings(data_dir=tmp_path / "data").signing_key() == key
    assert (tmp_path / "data" / "cursor_secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["cursor_secret"]


def test_a_chosen_signing_key_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_CURSOR_SECRET", "shared by all servers")
    assert Settings(data_dir=tmp_path).signing_key() == b"shared by all servers"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [
        {"company_connections": 11},
        {"company_connections": 0},
        {"deadline_seconds": 1},
        {"lock_timeout_ms": -1},
        {"record_timeout_ms": -1},
        {"largest_cost": 0},
    ],
)
def test_limits_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


@pytest.mark.parametrize(("processors", "most"), [(None, 2), (2, 2), (4, 3), (6, 5), (64, 5)])
def test_a_company_leaves_a_processor_to_the_others(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, most: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    assert Settings().most_of_company == most


def test_a_company_has_half_of_the_pool_at_most() -> None:
    assert Settings(pool_min_size=1, pool_max_size=1).most_of_company == 1
    assert Settings(company_connections=7).most_of_company == 7


WRONG = {
    "DATABASE_URL": "mysql://ann:secret@db/ledger",
    "READ_DATABASE_URL": "secret",
    "HOST": "",
    "PORT": "70000",
    "POOL_MIN_SIZE": "-1",
    "POOL_MAX_SIZE": "0",
    "POOL_TIMEOUT_SECONDS": "0",
    "STATEMENT_TIMEOUT_MS": "soon",
    "EXPORT_TIMEOUT_MS": "-1",
    "OWNER_DATABASE_URL": "secret",
    "RECORD_TIMEOUT_MS": "-1",
    "LOCK_TIMEOUT_MS": "soon",
    "BODY_TIMEOUT_SECONDS": "0",
    "DEADLINE_SECONDS": "0",
    "COMPANY_CONNECTIONS": "0",
    "LARGEST_COST": "0",
    "KEY_REQUESTS_PER_MINUTE": "-1",
    "COMPANY_REQUESTS_PER_MINUTE": "-1",
    "WRONG_KEYS_PER_MINUTE": "many",
    "GROWTH_FACTOR": "0.5",
    "KEEP_RUNS_DAYS": "0",
    "WORKER": "perhaps",
    "WEBHOOK_PRIVATE": "perhaps",
    "LOG_LEVEL": "loud",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"DUELIST_{name}", WRONG[name])
    with pytest.raises(ValidationError) as wrong:
        Settings()
    [said] = refusals(wrong.value)
    assert said.startswith(f"DUELIST_{name}: ")
    assert len(said) > len(f"DUELIST_{name}: must")
    assert "secret" not in said


def test_every_setting_that_can_be_wrong_is_tried() -> None:
    anything = {"DATA_DIR", "CURSOR_SECRET"}
    assert {name.upper() for name in Settings.model_fields} - anything == set(WRONG)


def test_settings_that_do_not_fit_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUELIST_POOL_MIN_SIZE", "11")
    with pytest.raises(ValidationError) as wrong:
        Settings()
    assert list(refusals(wrong.value)) == ["DUELIST_POOL_MIN_SIZE must not be larger than DUELIST_POOL_MAX_SIZE"]


def test_a_command_says_which_variable_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUELIST_PORT", "many")
    monkeypatch.setattr("sys.argv", ["duelist", "doctor"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "DUELIST_PORT: " in capsys.readouterr().err


def test_misspelled_variables_are_named() -> None:
    environment = {"DUELIST_PROT": "1", "duelist_port": "1", "DUELIST_SEED": "1", "DUELIST_QQQ": "1", "PROT": "1"}
    assert misspelled(environment) == [
        "DUELIST_PROT is no setting; did you mean DUELIST_PORT?",
        "DUELIST_QQQ is no setting",
    ]


def test_the_table_of_settings_is_that_of_the_code() -> None:
    page = (settings.CHECKOUT / "docs" / "operations.md").read_text()
    table = dict(re.findall(r"^\| `(DUELIST_\w+)` \| .* \| (.*) \|$", page, re.MULTILINE))
    assert table == {settings.variable(name): field.description for name, field in Settings.model_fields.items()}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | str) and not isinstance(field.default, bool):
            assert f"| `{settings.variable(name)}` | `{field.default}` |" in page
