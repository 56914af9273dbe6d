"""Backups: what is restored is what was there, and what is not is named or refused."""

import hashlib
import json
import stat
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from app import backup, cli, embedded, fields, workflows
from app.backup import BackupRefused, Manifest, back_up, contents, filters, restore
from app.companies import Company
from app.database import Database
from app.imports import import_ledger
from app.migrate import is_current
from app.planner import refresh_statistics
from app.sample import write_sample
from dsl import CATALOG, analyze
from tests.conftest import _named, _new_database
from tests.served import company_with
from tests.test_imports import GOOD, ROWS, as_csv
from tests.test_migrations import INVALID, schema


def silent(_doing: str, _share: float) -> None:
    pass


@pytest.fixture(scope="module")
def live(server_url: str, template: str) -> Iterator[str]:
    """Two companies, one with a ledger in which every filter on a field of its own finds something to tell apart."""
    with _new_database(server_url, template) as name:
        yield _named(server_url, name)


@pytest.fixture(scope="module")
def companies(live: str, tmp_path_factory: pytest.TempPathFactory) -> list[Company]:
    database = Database(live)
    made = [company_with(database, name, tmp_path_factory.mktemp("ledger"), GOOD) for name in ("One", "Tw'o")]
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, made[0].today)
    fields.define(database, made[0], "customer", "plan", fields.Definition(type="text"), "test")
    with database.transaction(made[0].company_id, write=True) as connection:
        import_ledger(connection, made[0], [folder])
    workflows.define_segment(database, made[0], "D", workflows.Segment(filter="customer.rating = 'D'"), "test")
    refresh_statistics(database)
    database.close()
    return made


@pytest.fixture(scope="module")
def saved(live: str, companies: list[Company], tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    path = tmp_path_factory.mktemp("backup") / "ledger.backup"
    back_up(live, path, silent)
    return path


@pytest.fixture
def empty(server_url: str) -> Iterator[str]:
    with _new_database(server_url) as name:
        yield _named(server_url, name)


def tables(url: str) -> dict[str, backup.Contents]:
    with psycopg.connect(url) as connection:
        return contents(connection)


def manifest_of(path: Path) -> Manifest:
    with zipfile.ZipFile(path) as archive:
        return Manifest.model_validate_json(archive.read("manifest.json"))


# ---------------------------------------------------------------- there and back


def test_what_is_restored_elsewhere_is_what_was_there(live: str, saved: Path, empty: str) -> None:
    before = tables(live)
    assert restore(empty, saved, silent) == []
    assert tables(empty) == before
    # Views are printed with other names where none matters.
    assert [line for line in schema(empty) if not line.startswith("view ")] == [
        line for line in schema(live) if not line.startswith("view ")
    ]
    assert is_current(empty)
    database = Database(empty)
    with database.owner() as connection:
        connection.execute("INSERT INTO company (name, base_currency, time_zone) VALUES ('Three', 'EUR', 'UTC')")
        assert connection.execute(INVALID).fetchall() == []
    database.close()


def test_the_file_is_its_owners_and_says_what_is_in_it(saved: Path, companies: list[Company]) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    found = manifest_of(saved)
    assert found.tables["customer"].rows > 300
    assert [(one.company_id, one.name) for one in found.answers] == [
        (company.company_id, company.name) for company in companies
    ]
    digests = found.answers[0].digests
    assert "customer.custom.plan IS MISSING" in digests
    assert set(filters(CATALOG)) <= set(digests)
    assert sum(not selected.startswith("0 ") for selected in digests.values()) > 0.4 * len(digests)
    assert list(saved.parent.iterdir()) == [saved]


def test_each_field_has_a_filter() -> None:
    for text in filters(CATALOG):
        analyze(text, CATALOG)
    assert len(filters(CATALOG)) == sum(len(entity.fields) for entity in CATALOG.entities.values())


def test_a_backup_is_of_one_moment(live: str, companies: list[Company], empty: str, tmp_path: Path) -> None:
    """An import that ends while it is written is in none of it."""
    before = tables(live)
    row = as_csv(ROWS["customers"] | {"source_id": "later"})
    (tmp_path / "customers.csv").write_text(row)
    imported = threading.Event()

    def import_meanwhile(_doing: str, _share: float) -> None:
        """With the first sign of the dump, which is before it is begun."""
        if not imported.is_set():
            database = Database(live)
            with database.transaction(companies[1].company_id, write=True) as connection:
                import_ledger(connection, companies[1], [tmp_path / "customers.csv"])
            database.close()
            imported.set()

    back_up(live, tmp_path / "ledger.backup", import_meanwhile)
    assert tables(live) != before
    assert restore(empty, tmp_path / "ledger.backup", silent) == []
    assert tables(empty) == before


# ---------------------------------------------------------------- what is not as it was


def changed(path: Path, into: Path, dump: Callable[[bytes], bytes] = bytes, **manifest: object) -> Path:
    """A sound archive with other contents."""
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(into, "w") as after:
        after.writestr("ledger.dump", dump(before.read("ledger.dump")))
        after.writestr("manifest.json", json.dumps(json.loads(before.read("manifest.json")) | manifest))
    return into


def test_what_differs_is_named(saved: Path, empty: str, tmp_path: Path) -> None:
    found = manifest_of(saved).model_dump(mode="json")
    contact = found["tables"]["contact"]
    fewer = found["tables"] | {"contact": contact | {"rows": contact["rows"] - 1}, "gone": contact}
    file = changed(saved, tmp_path / "tables", tables=fewer)
    assert restore(empty, file, silent) == ["table contact differs", "table gone is missing"]
    first, second = found["answers"]
    filter_ = "invoice.balance > 1000"
    other = [first | {"digests": first["digests"] | {filter_: "3 x"}}, second | {"name": "Other"}]
    file = changed(saved, tmp_path / "answers", answers=other)
    assert restore(empty, file, silent, force=True) == [
        "company (2, 'Other') is missing",
        'company (2, "Tw\'o") was not there',
        f"the answer of 'One' to {filter_} differs",
    ]


def test_a_table_that_is_restored_without_its_protection_is_named(
    saved: Path, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    restoring = backup._restore

    def without(url: str, *arguments: object, **options: object) -> None:
        restoring(url, *arguments, **options)  # type: ignore[arg-type]
        with psycopg.connect(url) as connection:
            connection.execute("ALTER TABLE contact NO FORCE ROW LEVEL SECURITY")
            connection.execute("DROP POLICY same_company ON invoice")

    monkeypatch.setattr(backup, "_restore", without)
    assert restore(empty, saved, silent) == [f"table {table} is not protected" for table in ("contact", "invoice")]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.9999])
def test_a_file_that_was_cut_short_is_refused(saved: Path, empty: str, tmp_path: Path, kept: float) -> None:
    whole = saved.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: int(kept * len(whole))])
    refused(empty, tmp_path / "cut", "is no backup, or has been cut short")


def test_a_file_in_which_a_byte_differs_is_refused(saved: Path, empty: str, tmp_path: Path) -> None:
    whole = bytearray(saved.read_bytes())
    for place in (len(whole) // 2, whole.rindex(b"dump_sha256")):
        whole[place] ^= 1
        (tmp_path / "altered").write_bytes(whole)
        refused(empty, tmp_path / "altered", "is damaged")
        whole[place] ^= 1


def test_a_dump_that_is_another_one_is_refused(saved: Path, empty: str, tmp_path: Path) -> None:
    refused(
        empty, changed(saved, tmp_path / "other", lambda dump: dump[:-1]), "its dump is not the one that was written"
    )


@pytest.mark.parametrize("member", ["ledger.dump", "manifest.json"])
def test_a_file_that_unpacks_to_more_than_it_is_is_refused(
    saved: Path, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    """Before anything of it is unpacked."""
    with zipfile.ZipFile(tmp_path / "bomb", "w") as bomb, zipfile.ZipFile(saved) as sound:
        for name in sound.namelist():
            packed = zipfile.ZIP_DEFLATED if name == member else zipfile.ZIP_STORED
            bomb.writestr(name, bytes(10**6) if name == member else sound.read(name), packed)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    refused(empty, tmp_path / "bomb", "something in it is compressed")


def test_a_dump_that_fails_on_the_way_leaves_nothing(saved: Path, empty: str, tmp_path: Path) -> None:
    """Cut short, and the digest made to fit it: pg_restore finds out half way."""
    half: list[bytes] = []

    def cut(dump: bytes) -> bytes:
        half.append(dump[: len(dump) // 2])
        return half[0]

    changed(saved, tmp_path / "first", cut)
    digest = hashlib.sha256(half[0]).hexdigest()
    refused(empty, changed(saved, tmp_path / "half", cut, dump_sha256=digest), "pg_restore failed")


def test_what_cannot_be_restored_here_is_refused(saved: Path, empty: str, tmp_path: Path) -> None:
    refused(empty, changed(saved, tmp_path / "newer", revision="9999"), "written by a newer Duelist")
    refused(empty, changed(saved, tmp_path / "major", postgresql=99), "the backup is of PostgreSQL 99")
    refused(empty, tmp_path / "nowhere", "cannot be read: No such file")


def refused(url: str, path: Path, message: str) -> None:
    with pytest.raises(BackupRefused, match=message):
        restore(url, path, silent)
    assert tables(url) == {}


def test_a_database_that_is_not_empty_is_left_alone(live: str, saved: Path) -> None:
    before = tables(live)
    with pytest.raises(BackupRefused, match="the database is not empty"):
        restore(live, saved, silent)
    assert tables(live) == before


def test_a_place_that_cannot_be_written(live: str, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="cannot be written: No such file"):
        back_up(live, tmp_path / "nowhere" / "x", silent)


def test_a_backup_that_fails_leaves_the_former_one(
    live: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.backup"
    path.write_bytes(saved.read_bytes())
    monkeypatch.setattr(embedded, "client_programs", lambda _name: [(Path("/bin/false"), 99)])
    with pytest.raises(BackupRefused, match="pg_dump failed"):
        back_up(live, path, silent)
    monkeypatch.setattr(embedded, "client_programs", lambda _name: [(Path("/bin/false"), 12)])
    with pytest.raises(BackupRefused, match="there is no pg_dump of PostgreSQL"):
        back_up(live, path, silent)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == saved.read_bytes()


def test_a_role_that_sees_one_company_cannot_back_up(live: str, tmp_path: Path) -> None:
    url = urlsplit(live)
    as_role = url._replace(query=f"{url.query}&options=-crole%3Dduelist_app").geturl()
    with pytest.raises(BackupRefused, match="sees one company at a time"):
        back_up(as_role, tmp_path / "x", silent)


# ---------------------------------------------------------------- the commands


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(url: str, *arguments: object) -> tuple[int, str]:
        monkeypatch.setenv("DUELIST_DATABASE_URL", url)
        monkeypatch.setattr(sys, "argv", ["duelist", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capfd.readouterr()
        return int(str(stopped.value.code or 0)), (printed.out + printed.err).strip()

    return run


def test_the_commands(
    live: str, companies: list[Company], empty: str, tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    """The live database is damaged, and brought back from the file."""
    file = tmp_path / "ledger.backup"
    before = tables(live)
    code, said = run(live, "backup", file)
    assert (code, said) == (0, f"{sum(table.rows for table in before.values()):,} rows of 2 companies are in {file}")
    with psycopg.connect(live, autocommit=True) as connection:
        connection.execute("SELECT set_config('app.company_id', %s, false)", [str(companies[0].company_id)])
        connection.execute("DELETE FROM contact")
        connection.execute("DROP VIEW group_metrics_as_of")
        assert run(live, "restore", file)[0] == 2
        assert run(live, "restore", file, "--force") == (0, f"{file} is restored")
        assert tables(live) == before
        assert run(empty, "backup", file) == (2, "duelist: the database is not migrated; run: duelist migrate")
        databases = connection.execute("SELECT datname FROM pg_database").fetchall()
        assert run(live, "backup", "--verify", file) == (0, f"{file} restores to what it was made of")
        assert connection.execute("SELECT datname FROM pg_database").fetchall() == databases
    found = manifest_of(file).model_dump(mode="json")["tables"]
    worse = changed(file, tmp_path / "worse", tables=found | {"contact": {"rows": 0, "digest": "0"}})
    code, said = run(live, "restore", worse, "--into", empty)
    assert (code, said) == (1, "table contact differs\nduelist: not as it was backed up: 1 of what was compared")
