"""What a deployment may choose, each by an environment variable DUELIST_..."""

import getpass
import hashlib
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.embedded import reachable_by_all
from dsl.diagnostics import did_you_mean

LogLevel = Literal["debug", "info", "warning", "error"]

CHECKOUT = Path(__file__).resolve().parents[1]
PREFIX = "DUELIST_"


def default_data_dir() -> Path:
    """`.duelist` in the checkout, or the user's own place when there is none.

    Where that will not do, a folder in /var/tmp that belongs to user and checkout: it may not be writable, and the
    embedded PostgreSQL, which runs as another account when root starts it, has to get into it.
    """
    of_checkout = (CHECKOUT / "dev.py").exists()
    folder = CHECKOUT / ".duelist" if of_checkout else Path.home() / ".local" / "share" / "duelist"
    if _usable(folder):
        return folder
    place = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]
    return Path("/var/tmp") / f"duelist-{getpass.getuser()}-{place}"


def _usable(folder: Path) -> bool:
    nearest = next(parent for parent in folder.parents if parent.exists())
    as_root = sys.platform != "win32" and os.geteuid() == 0
    return os.access(nearest, os.W_OK) and (not as_root or reachable_by_all(nearest))


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    database_url: SecretStr | None = Field(None, description="a PostgreSQL to use in place of the embedded one")
    owner_database_url: SecretStr | None = Field(
        None, description="the same database as the role that owns its tables, for all that is above companies"
    )
    read_database_url: SecretStr | None = Field(None, description="a replica of it, for everything that only reads")
    data_dir: Path = Field(default_factory=default_data_dir, description="embedded database and secrets")
    host: str = Field("127.0.0.1", min_length=1, description="where it serves; 0.0.0.0 for everyone")
    port: int = Field(8000, ge=0, le=65535, description="0 takes a free one")
    pool_min_size: int = Field(2, ge=0, description="connections that are kept open")
    pool_max_size: int = Field(10, ge=1, description="connections at most, of each process")
    pool_timeout_seconds: float = Field(5.0, gt=0, description="how long a request waits for a connection")
    company_connections: int | None = Field(
        None,
        ge=1,
        description="how many requests of one company are answered at once; when absent one less than there are"
        " processors, at least two and at most half of the pool",
    )
    statement_timeout_ms: int = Field(15_000, ge=0, description="for a statement of a filter; 0 is no limit")
    export_timeout_ms: int = Field(300_000, ge=0, description="the same for exports, forecasts and runs")
    record_timeout_ms: int = Field(5_000, ge=0, description="the same for keys, workflows and single records")
    lock_timeout_ms: int = Field(3_000, ge=0, description="how long a short change waits for another one")
    deadline_seconds: float = Field(
        30.0, gt=0, description="for a request as a whole; that of an export, forecast or run is the longer of the two"
    )
    largest_cost: float = Field(
        20_000_000, gt=0, description="a wide filter that the planner estimates dearer is refused"
    )
    body_timeout_seconds: float = Field(10.0, gt=0, description="how long a request may take to arrive")
    cursor_secret: SecretStr | None = Field(None, description="signs page cursors; equal on all servers of one service")
    growth_factor: Decimal = Field(
        Decimal(2), ge=1, description="a run whose audience is so many times larger or smaller must be confirmed"
    )
    keep_runs_days: int | None = Field(
        None, ge=1, description="older runs are removed; all are kept when absent: they say why somebody was written to"
    )
    worker: bool = Field(True, description="whether the service runs what is scheduled and tells of runs, itself")
    webhook_private: bool = Field(False, description="allow webhooks to plain HTTP and into private networks")
    key_requests_per_minute: int = Field(6_000, ge=0, description="of each key, by each process; 0 is no limit")
    company_requests_per_minute: int = Field(12_000, ge=0, description="the same of all keys of a company together")
    wrong_keys_per_minute: int = Field(60, ge=0, description="the same of each address from which wrong keys come")
    log_level: LogLevel = Field("info", description="debug also shows faults of commands")

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_small_letters(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level

    @model_validator(mode="after")
    def _a_pool_that_can_be(self) -> Self:
        if self.pool_min_size > self.pool_max_size:
            raise ValueError("DUELIST_POOL_MIN_SIZE must not be larger than DUELIST_POOL_MAX_SIZE")
        return self

    @field_validator("database_url", "owner_database_url", "read_database_url")
    @classmethod
    def _a_postgres_url(cls, url: SecretStr | None) -> SecretStr | None:
        """All ways in which tools write the address of a PostgreSQL, made the one that psycopg reads."""
        if url is None or not url.get_secret_value():
            return None
        scheme, separator, rest = url.get_secret_value().partition("://")
        if not separator or scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
            raise ValueError("must begin with postgresql://")
        if not _is_readable(f"postgresql://{rest}"):
            raise ValueError("cannot be read; in a password, write % : / @ ? # as %25 %3A %2F %40 %3F %23")
        return SecretStr(f"postgresql://{rest}")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        """A time-out beyond the one around it would never be seen."""
        if self.company_connections is not None and self.company_connections > self.pool_max_size:
            raise ValueError("company_connections is more than pool_max_size")
        if self.deadline_seconds < self.pool_timeout_seconds:
            raise ValueError("deadline_seconds is less than pool_timeout_seconds")
        return self

    @property
    def most_of_company(self) -> int:
        """What each asks may keep a processor of the database busy, and one is left to the other companies."""
        most = max(2, (os.cpu_count() or 1) - 1)
        return self.company_connections or max(1, min(most, self.pool_max_size // 2))

    def signing_key(self) -> bytes:
        """The key of page cursors: the chosen one, or one made once and kept where only we can read it."""
        if self.cursor_secret:
            return self.cursor_secret.get_secret_value().encode()
        kept = self.data_dir / "cursor_secret"
        if not kept.exists():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            _write_once(kept, secrets.token_hex(32))
        return kept.read_bytes()

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    def run_key(self) -> str | None:
        """The key made for `duelist serve`, kept so that a later start can show it again."""
        kept = self.data_dir / "run_key"
        return kept.read_text().strip() if kept.exists() else None

    def keep_run_key(self, key: str) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        kept = self.data_dir / "run_key"
        kept.unlink(missing_ok=True)
        _write_once(kept, key)


# Read by the tests, dev.py and compose.yaml: no setting of the service, and no misspelling of one.
_OTHERS = {
    "DUELIST_DATABASE_PASSWORD",
    "DUELIST_FILTERS",
    "DUELIST_LAW_FILTERS",
    "DUELIST_LAW_LEDGERS",
    "DUELIST_LEDGERS",
    "DUELIST_SEED",
    "DUELIST_TEST_DB",
    "DUELIST_TRIALS",
    "DUELIST_UPDATE",
}


def misspelled(environment: Mapping[str, str]) -> list[str]:
    """A warning of each DUELIST_ variable that says nothing to the service."""
    known = {name.upper() for name in Settings.model_fields}
    others = {PREFIX + name for name in known} | _OTHERS
    unknown = (name for name in sorted(environment) if name.upper().startswith(PREFIX) and name.upper() not in others)
    return [_unknown(name, known) for name in unknown]


def _unknown(name: str, known: set[str]) -> str:
    guesses = [f"{PREFIX}{guess}" for guess in did_you_mean(name.upper().removeprefix(PREFIX), known)]
    return f"{name} is no setting" + (f"; did you mean {' or '.join(guesses)}?" if guesses else "")


def variable(field: str) -> str:
    return f"{PREFIX}{field}".upper()


def refusals(wrong: ValidationError) -> Iterator[str]:
    """What is wrong with the environment, by the name of the variable; its value is not repeated."""
    for found in wrong.errors():
        message = found["msg"].removeprefix("Value error, ")
        yield f"{variable(str(found['loc'][0]))}: {message}" if found["loc"] else message


def _is_readable(url: str) -> bool:
    """What is said of an address that is not, in errors and logs, repeats parts of the password."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False
    return "@" not in str(parts.get("host", "")) and re.fullmatch("[0-9,]*", str(parts.get("port", ""))) is not None


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _write_once(path: Path, secret: str) -> None:
    """Write a file of mode 600; of several processes that start together, the first one's secret stays."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:
        draft.write(secret)
        draft.flush()
        try:
            os.link(draft.name, path)
        except FileExistsError:
            return
