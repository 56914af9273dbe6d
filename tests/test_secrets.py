"""Nothing secret in logs, errors, answers or dumps; and nothing secret is compared in a time that tells of it."""

import ast
import io
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import structlog
from psycopg import sql
from pydantic import ValidationError
from starlette.testclient import TestClient

from app import auth, cli, companies, lists, workflows
from app.companies import Company
from app.database import Database
from app.logs import set_up_logging
from app.models import metadata
from app.settings import Settings
from tests.served import Api, client_of, company_with
from tests.test_architecture import ROOT

PASSWORD = "hunter2-of-the-database"
CURSOR_SECRET = "that-signs-the-cursors"
LEDGER = {"customers": "source_id,name,rating\n" + "".join(f"C{number},One,D\n" for number in range(9))}
FILTER = {"filter": "customer.rating = 'D'"}


def with_password(url: str) -> str:
    """The same database for whoever trusts without one."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    return parts._replace(netloc=f"{name}:{password or PASSWORD}@{place}").geturl()


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """What any logger says, down to debug, as the service writes it."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogger("duelist").level
    set_up_logging("debug")
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(root.handlers[0].formatter)
    # The caller's own log of what it asks is not the service's.
    handler.addFilter(lambda record: record.name != "httpx2" or "http://127.0.0.1/" not in record.getMessage())
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG)
    try:
        yield written
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        logging.getLogger("duelist").setLevel(before[2])
        structlog.reset_defaults()


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    return with_password(database_url)


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    return company_with(database, "One", tmp_path_factory.mktemp("ledger"), LEDGER)


class Said:
    """Everything that was said, and the secrets that were made."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.secrets = [PASSWORD, CURSOR_SECRET]

    def take(self, what: str, said: object) -> None:
        self.texts[f"{len(self.texts)} {what}"] = str(said)

    def answer(self, response: Any) -> Any:
        said = f"{response.status_code} {response.headers} {response.text}"
        self.take(f"{response.request.method} {response.request.url.path}", said)
        return response

    def key(self, key: str) -> str:
        self.secrets.append(key.split("_", 3)[3])
        return key

    def leaks(self) -> dict[str, str]:
        found = {what: secret for what, text in self.texts.items() for secret in self.secrets if secret in text}
        return {what: f"{secret[:8]}…" for what, secret in found.items()}


def settled(said: Said, url: str, tmp_path: Path) -> None:
    """Settings and their errors."""
    settings = Settings(data_dir=tmp_path, database_url=url, read_database_url=url, cursor_secret=CURSOR_SECRET)
    said.take("repr of settings", repr(settings))
    said.take("str of settings", settings)
    said.take("settings as JSON", settings.model_dump_json())
    for wrong in (
        f"mysql://ann:{PASSWORD}@db/x",
        f"postgresql://ann:{PASSWORD}%zz@db/x",
        f"postgresql://ann:{PASSWORD}@[db/x",
        f"postgresql://ann:x@{PASSWORD}@db/x",
        f"postgresql://ann:{PASSWORD}/x@db/x",
    ):
        with pytest.raises(ValidationError) as refused:
            Settings(database_url=wrong)
        said.take("error of settings", "".join(traceback.format_exception(refused.value)))


def served(said: Said, client: TestClient, database: Database, company: Company) -> Api:
    """Calls that are answered and calls that are refused."""
    admin = Api(client, said.key(auth.create_key(database, company, "admin")))
    made = admin.post("/v1/keys", scope="admin", name="a name").json()
    said.key(made["key"])
    said.key(admin.post(f"/v1/keys/{made['prefix']}/rotate").json()["key"])
    hook = client.put("/v1/webhook", json={"url": "http://127.0.0.1:1/"}, headers=admin.headers).json()
    said.secrets.append(hook["secret"])

    for path in (
        "/v1/keys",
        "/v1/webhook",
        "/v1/catalog",
        "/metrics",
        "/live",
        "/ready",
        "/openapi.json",
        "/docs",
        "/",
    ):
        said.answer(admin.get(path))
    page = said.answer(admin.post("/v1/preview", **FILTER, limit=2)).json()
    said.answer(admin.post("/v1/preview", **FILTER, limit=2, cursor=page["next_cursor"]))
    said.answer(admin.post("/v1/preview", **FILTER, cursor="x"))
    said.answer(admin.post("/v1/preview", filter="customer.ratin = 1"))
    said.answer(admin.post("/v1/preview.csv", **FILTER))
    said.answer(admin.post("/v1/workflows", name="one", **FILTER))
    said.answer(admin.post("/v1/workflows/1/runs"))
    workflows.deliver_next(database, company, private=True)

    # Keys where they do not belong.
    for key in (made["key"], admin.headers["Authorization"].split()[1]):
        said.answer(admin.post(f"/v1/keys/{key}/rotate"))
        said.answer(client.delete(f"/v1/keys/{key}", headers=admin.headers))
        said.answer(admin.get(f"/v1/customers/{key}"))
        said.answer(admin.get(f"/v1/nothing/{key}?key={key}"))
        said.answer(admin.post("/v1/keys", scope=key))
        said.answer(admin.post("/v1/keys", scope="read", expires=key))
        said.answer(admin.post("/v1/preview", **FILTER, cursor=key, limit=key))
        said.answer(admin.send("/v1/preview", f'{{"filter": "{key}'.encode()))
        said.answer(client.get("/v1/catalog", headers={"Authorization": key}))
        said.answer(client.get("/v1/catalog", headers={"Authorization": f"Bearer {key}x"}))
        said.answer(client.get("/v1/catalog", headers={**admin.headers, "X-Request-Id": key}))
    said.answer(client.delete(f"/v1/keys/{made['prefix']}", headers=admin.headers))
    said.answer(Api(client, made["key"]).get("/v1/catalog"))
    return admin


def failing(said: Said, client: TestClient, admin: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults of ours and of the database."""
    for fault in (psycopg.ProgrammingError("a fault"), psycopg.OperationalError("away"), ValueError("a fault")):

        def broken(*_: object, fault: Exception = fault, **__: object) -> None:
            raise fault

        with monkeypatch.context() as patch:
            patch.setattr(lists, "count_statement", broken)
            assert said.answer(admin.post("/v1/preview", **FILTER)).status_code >= 500
            said.take("the fault itself", "".join(traceback.format_exception(fault)))
    assert client.get("/live").status_code == 200


def commanded(
    said: Said, url: str, company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """What commands print, but for the key that `create` and `rotate` are to print."""
    monkeypatch.setenv("DUELIST_DATABASE_URL", url)
    monkeypatch.setenv("DUELIST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DUELIST_CURSOR_SECRET", CURSOR_SECRET)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["duelist", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit):
            cli.main()
        out, err = capsys.readouterr()
        said.take(f"the errors of duelist {' '.join(arguments[:2])}", err)
        return str(out)

    key = said.key(run("key", "create", "--company", company.name).strip())
    said.key(run("key", "rotate", key.split("_")[2], "--company", company.name).strip())
    commands: tuple[tuple[str, ...], ...] = (
        ("key", "list"),
        ("key", "list", "--format", "json"),
        ("key", "revoke", key),
        ("key", "rotate", key),
        ("key", "revoke", key.split("_")[2]),
        ("webhook", "show"),
        ("runs", "list"),
        ("preview", FILTER["filter"]),
        ("preview", "customer.ratin = 1"),
        ("company", "list"),
    )
    for arguments in commands:
        company_of = () if arguments[0] == "company" else ("--company", company.name)
        said.take(f"duelist {' '.join(arguments[:2])}", run(*arguments, *company_of))
    for wrong in (f"postgresql://nobody:{PASSWORD}@127.0.0.1:1/nothing", f"postgresql://ann:{PASSWORD}%zz@db/x"):
        monkeypatch.setenv("DUELIST_DATABASE_URL", wrong)
        said.take("duelist without a database", run("key", "list"))


def test_nothing_secret_is_said(
    url: str,
    database: Database,
    company: Company,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = Said()
    with everything_logged() as logs:
        settled(said, url, tmp_path)
        with client_of(url, tmp_path, cursor_secret=CURSOR_SECRET, webhook_private=True) as client:
            admin = served(said, client, database, company)
            failing(said, client, admin, monkeypatch)
        away = f"postgresql://nobody:{PASSWORD}@127.0.0.1:1/nothing"
        with client_of(away, tmp_path, pool_min_size=1, pool_timeout_seconds=0.2) as client:
            for response in (Api(client, admin.headers["Authorization"][7:]).get("/v1/catalog"), client.get("/ready")):
                assert said.answer(response).status_code == 503
            time.sleep(0.1)
        commanded(said, url, company, tmp_path, monkeypatch, capsys)
        said.take("logs", logs.getvalue())
    assert '"route"' in logs.getvalue()
    assert "psycopg.pool" in logs.getvalue()
    assert len(said.secrets) == 8
    assert said.leaks() == {}


def test_a_dump_has_no_key(database_url: str, database: Database) -> None:
    """Whoever reads all tables learns no key; webhook secrets have to be there, in their own column alone."""
    of = companies.create(database, "Dumped", currency="EUR", country=None, time_zone="UTC")
    secrets = [auth.create_key(database, of, scope).split("_", 3)[3] for scope in auth.SCOPES]
    hook = workflows.set_hook(database, of, workflows.Hook(url="http://127.0.0.1:1/"), "us", private=True)["secret"]
    dumped: dict[str, str] = {}
    with psycopg.connect(database_url) as connection:
        connection.execute(sql.SQL("SET app.company_id = {}").format(str(of.company_id)))
        for table in metadata.tables:
            rows = connection.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table))).fetchall()
            dumped[table] = "\n".join(str(row) for (row,) in rows)
    assert all(prefix in dumped["api_key"] for prefix in ("read", "write", "admin"))
    for text in dumped.values():
        assert not any(secret in text or secret.encode().hex() in text for secret in secrets)
    assert [table for table, text in dumped.items() if hook in text] == ["webhook"]


# ---------------------------------------------------------------- constant time

SECRETIVE = ("app/auth.py", "app/keys.py", "app/queries/cursors.py", "app/workflows/webhooks.py")
SECRET_NAMES = ("hash", "digest", "signature", "secret", "salt")


def compared_openly(source: str) -> list[str]:
    """Comparisons that end at the first difference, of what must not be found out byte by byte."""
    comparisons = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Compare))
    return [
        ast.unparse(node)
        for node in comparisons
        if any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(name in ast.unparse(node).lower() for name in SECRET_NAMES)
    ]


@pytest.mark.parametrize("path", SECRETIVE)
def test_secrets_are_compared_in_constant_time(path: str) -> None:
    assert compared_openly((ROOT / path).read_text()) == []


def test_what_an_open_comparison_looks_like() -> None:
    assert (
        len(compared_openly("if stored.hash == _hash(salt, secret) or a != signature[:16] or name == 'x': pass")) == 2
    )


@pytest.mark.parametrize("path", ["app/keys.py", "app/queries/cursors.py"])
def test_where_something_is_proved_it_is_compared_so(path: str) -> None:
    called = [node for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Call)]
    assert any(ast.unparse(call.func) == "hmac.compare_digest" for call in called)
