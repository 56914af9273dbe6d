"""What a deployment may choose, each by an environment variable DUELIST_..."""

import getpass
import hashlib
import os
import secrets
import sys
import tempfile
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.embedded import reachable_by_all

CHECKOUT = Path(__file__).resolve().parents[1]


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
    model_config = SettingsConfigDict(env_prefix="DUELIST_", frozen=True)

    database_url: SecretStr | None = Field(None, description="a PostgreSQL to use in place of the embedded one")
    owner_database_url: SecretStr | None = Field(
        None, description="the same database as the role that owns its tables, for all that is above companies"
    )
    read_database_url: SecretStr | None = Field(None, description="a replica of it, for everything that only reads")
    data_dir: Path = Field(default_factory=default_data_dir, description="embedded database and secrets")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    pool_min_size: int = Field(2, ge=0)
    pool_max_size: int = Field(10, ge=1)
    pool_timeout_seconds: float = Field(5.0, gt=0, description="how long a request waits for a connection")
    statement_timeout_ms: int = Field(15_000, ge=0, description="0 is no limit")
    export_timeout_ms: int = Field(300_000, ge=0, description="the same for a whole answer, streamed")
    cursor_secret: SecretStr | None = Field(None, description="signs page cursors; equal on all servers of one service")
    growth_factor: Decimal = Field(
        Decimal(2), ge=1, description="a run whose audience is so many times larger or smaller must be confirmed"
    )
    worker: bool = Field(True, description="whether the service runs what is scheduled and tells of runs, itself")
    webhook_private: bool = Field(False, description="allow webhooks to plain HTTP and into private networks")
    log_level: str = "info"

    @field_validator("database_url", "owner_database_url", "read_database_url")
    @classmethod
    def _a_postgres_url(cls, url: SecretStr | None) -> SecretStr | None:
        """All ways in which tools write the address of a PostgreSQL, made the one that psycopg reads."""
        if url is None or not url.get_secret_value():
            return None
        scheme, separator, rest = url.get_secret_value().partition("://")
        if not separator or scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
            raise ValueError("must begin with postgresql://")
        return SecretStr(f"postgresql://{rest}")

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
