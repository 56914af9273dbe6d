"""A service over a database of the tests, and callers of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.testclient import TestClient

from app import auth, companies
from app.companies import Company
from app.database import Database
from app.imports import import_ledger
from app.main import create_app
from app.settings import Settings

Document = dict[str, Any]

UNLIMITED = {"key_requests_per_minute": 0, "company_requests_per_minute": 0, "wrong_keys_per_minute": 0}
SERVICE = "duelist_test_service"  # its name, and its password


@contextmanager
def client_of(url: str, folder: Path, *, page_key: str | None = None, **settings: object) -> Iterator[TestClient]:
    """The service logs in as a role without powers, whoever owns the database of the URL."""
    chosen = {
        name: as_service(str(value)) if name == "read_database_url" else value for name, value in settings.items()
    }
    app = create_app(
        Settings.model_validate({"data_dir": folder, "worker": False, **UNLIMITED, **chosen}),
        as_service(url),
        page_key=page_key,
    )
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def as_service(url: str) -> str:
    """The same database with the role that the fixtures have made."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{SERVICE}:{SERVICE}@{parts.netloc.rpartition('@')[2]}").geturl()


class Api:
    """A caller with a key."""

    def __init__(self, client: TestClient, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"}

    def send(self, path: str, body: bytes, content_type: str | None = "application/json") -> Any:
        headers = self.headers | ({"Content-Type": content_type} if content_type else {})
        return self.client.post(path, content=body, headers=headers)

    def post(self, path: str, **asked: object) -> Any:
        return self.client.post(path, json=asked, headers=self.headers)

    def get(self, path: str) -> Any:
        return self.client.get(path, headers=self.headers)

    def answer(self, path: str, **asked: object) -> Document:
        response = self.post(path, **asked)
        assert response.status_code == 200, response.text
        found: Document = response.json()
        return found

    def pages(self, path: str, **asked: object) -> Iterator[Document]:
        page = self.answer(path, **asked)
        yield page
        while page["next_cursor"]:
            page = self.answer(path, **asked, cursor=page["next_cursor"])
            yield page


def api_of(client: TestClient, database: Database, company: Company, scope: auth.Scope = "read") -> Api:
    return Api(client, auth.create_key(database, company, scope))


def company_with(database: Database, name: str, folder: Path, files: Mapping[str, str]) -> Company:
    """A company with a ledger of these import files."""
    company = companies.create(database, name, currency="EUR", country="DE", time_zone="Europe/Berlin")
    for file, text in files.items():
        (folder / f"{file}.csv").write_text(text, encoding="utf-8")
    with database.transaction(company.company_id, write=True) as connection:
        import_ledger(connection, company, [folder])
    return company
