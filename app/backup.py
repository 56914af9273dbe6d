"""Backups: a file with PostgreSQL's own dump and what must be found again once it is restored.

The file is a zip of `ledger.dump`, for pg_restore, and `manifest.json`: the rows of each table, and whom a filter on
each field of the catalog selects, of every company. All of it is of one moment, whatever is imported meanwhile.
"""

import hashlib
import os
import secrets
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import BaseModel, ConfigDict, ValidationError

from app import companies, embedded
from app.database import ROLE, Database
from app.migrate import migrate, newest, revisions
from app.planner import refresh_statistics
from dsl import Catalog, analyze
from dsl.compiler import Question
from dsl.frames import Relations
from dsl.statements import rows_statement

DUMP, MANIFEST = "ledger.dump", "manifest.json"
_CHUNK = 1 << 20

# What is being done, and how much of it is done (0 to 1).
Progress = Callable[[str, float], None]


class BackupRefused(Exception):
    """Nothing was written or restored; the message says why."""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Contents(_Kept):
    rows: int
    digest: str


class Answers(_Kept):
    """Of a company: by filter, a digest of the source ids that it selects."""

    company_id: int
    name: str
    digests: dict[str, str]


class Manifest(_Kept):
    product: str
    revision: str
    postgresql: int
    made_at: datetime
    as_of: date
    tables: dict[str, Contents]
    answers: list[Answers]
    dump_bytes: int
    dump_sha256: str


# ---------------------------------------------------------------- writing


def back_up(url: str, path: Path, tell: Progress) -> Manifest:
    """Whoever reads `path` finds the former file or the whole new one."""
    with _moment(url) as (connection, snapshot), _written(path) as file, zipfile.ZipFile(file, "w") as archive:
        _check_sees_all(connection)
        tell("dumping", 0)
        as_of = datetime.now(UTC).date()
        tables = contents(connection)
        size, digest = _dump(url, connection, snapshot, archive, tell)
        with closing(Database(url)) as database:
            answered = answers(database, as_of, tell, snapshot=snapshot)
        manifest = Manifest(
            product=version("duelist"),
            revision=_revision(connection),
            postgresql=_major(connection),
            made_at=datetime.now(UTC),
            as_of=as_of,
            tables=tables,
            answers=answered,
            dump_bytes=size,
            dump_sha256=digest,
        )
        archive.writestr(MANIFEST, manifest.model_dump_json(indent=1))
    return manifest


@contextmanager
def _moment(url: str) -> Iterator[tuple[psycopg.Connection, str]]:
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        [(snapshot,)] = connection.execute("SELECT pg_export_snapshot()")
        yield connection, snapshot


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """For its owner only: it holds everything, and what signs webhooks."""
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    except OSError as error:
        raise BackupRefused(f"{path} cannot be written: {error.strerror}") from error
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    _sync_folder(path.absolute().parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _dump(
    url: str, connection: psycopg.Connection, snapshot: str, archive: zipfile.ZipFile, tell: Progress
) -> tuple[int, str]:
    """Its size, and the digest of it."""
    [(expected,)] = connection.execute("SELECT pg_database_size(current_database())")
    options = ["--format=custom", f"--snapshot={snapshot}", "--lock-wait-timeout=60s"]
    digest, size = hashlib.sha256(), 0
    with (
        _running("pg_dump", _major(connection), url, options, stdout=subprocess.PIPE) as process,
        archive.open(DUMP, "w", force_zip64=True) as member,
    ):
        assert process.stdout
        while chunk := process.stdout.read(_CHUNK):
            member.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            tell("dumping", min(size / expected, 0.99))
    tell("dumping", 1)
    return size, digest.hexdigest()


# ---------------------------------------------------------------- what must be found again


def contents(connection: psycopg.Connection) -> dict[str, Contents]:
    """How many rows each table has, and a digest of them in any order."""
    connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL TimeZone = 'UTC'")
    return {str(table): _contents(connection, str(table)) for (table,) in connection.execute(_TABLES).fetchall()}


def _contents(connection: psycopg.Connection, table: str) -> Contents:
    question = sql.SQL("SELECT count(*), coalesce(sum({}), 0)::text FROM {} t").format(
        sql.SQL("('x' || left(encode(sha256(convert_to(t::text, 'UTF8')), 'hex'), 15))::bit(60)::bigint"),
        sql.Identifier("public", table),
    )
    [(rows, digest)] = connection.execute(question)
    return Contents(rows=rows, digest=digest)


# Without those of an extension.
_OWN = """
    FROM pg_class c WHERE relnamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
"""
_TABLES = f"SELECT relname {_OWN} AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1".encode()
_UNPROTECTED = f"""
    SELECT relname {_OWN} AND relkind = 'r' AND relname <> 'alembic_version'
        AND NOT (relrowsecurity AND (relforcerowsecurity OR relname = 'company')
            AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))
    ORDER BY 1
""".encode()


def answers(database: Database, as_of: date, tell: Progress, *, snapshot: str | None = None) -> list[Answers]:
    """Read from the tables as they stand, so that they are the same on a later day."""
    known = companies.listed(database)
    found = []
    for number, company in enumerate(known):
        tell("asking every company", number / len(known))
        with database.transaction(company.company_id, as_of, timeout_ms=0) as connection:
            if snapshot:
                connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
            question = Question(company.company_id, as_of, Relations.LIVE)
            catalog = companies.of_key(connection).catalog
            digests = {text: _selected(connection, question, catalog, text) for text in filters(catalog)}
        found.append(Answers(company_id=company.company_id, name=company.name, digests=digests))
    tell("asking every company", 1)
    return found


def filters(catalog: Catalog) -> list[str]:
    """One on each field that there is."""
    return [
        f"{entity.name}.{name} {field.example or 'IS MISSING'}"
        for entity in catalog.entities.values()
        for name, field in entity.fields.items()
    ]


def _selected(connection: Any, question: Question, catalog: Catalog, text: str) -> str:
    filter_ = analyze(text, catalog).lowered
    source_id = {"source_id": (filter_.root, filter_.root.entity.fields["source_id"])}
    statement = rows_statement(filter_, question, source_id)
    rows = connection.execute(statement.sql.encode(), statement.parameters).fetchall()
    digest = hashlib.sha256("\n".join(str(row[0]) for row in rows).encode()).hexdigest()
    return f"{len(rows)} {digest[:16]}"


# ---------------------------------------------------------------- restoring


def restore(url: str, path: Path, tell: Progress, *, force: bool = False) -> list[str]:
    """All of the file in one transaction, or nothing; then a line for each thing that is not as it was.

    Raises `BackupRefused` with nothing changed. `force` replaces what is in the database.
    """
    with _opened(path) as archive:
        manifest = _checked(archive, path, tell)
        with psycopg.connect(url, autocommit=True) as connection:
            _check_target(connection, manifest, force=force)
            connection.execute(_ROLE)
        _restore(url, archive, manifest, tell, force=force)
    return _differences(url, manifest, tell)


def verify(url: str, path: Path, tell: Progress) -> list[str]:
    """Restores into a database beside, which is dropped again."""
    scratch = f"duelist_verify_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(scratch)))
        try:
            return restore(urlsplit(url)._replace(path=f"/{scratch}").geturl(), path, tell)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(scratch)))


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise BackupRefused(f"{path} is no backup, or has been cut short: {error}") from error
    except OSError as error:
        raise BackupRefused(f"{path} cannot be read: {error.strerror}") from error
    with archive:
        # As it was written. So nothing in it is larger than the file, whatever it says of itself.
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise BackupRefused(f"{path} is no backup: something in it is compressed")
        yield archive


def _checked(archive: zipfile.ZipFile, path: Path, tell: Progress) -> Manifest:
    """What the file says of itself, once its dump is found to be the one that was written."""
    digest = hashlib.sha256()
    try:
        manifest = Manifest.model_validate_json(archive.read(MANIFEST))
        with archive.open(DUMP) as dump:
            while chunk := dump.read(_CHUNK):
                digest.update(chunk)
                tell("checking the file", dump.tell() / max(1, manifest.dump_bytes))
    except (KeyError, ValidationError, ValueError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise BackupRefused(f"{path} is no backup, or is damaged: {str(error).splitlines()[0]}") from error
    if digest.hexdigest() != manifest.dump_sha256:
        raise BackupRefused(f"{path} is damaged: its dump is not the one that was written")
    if manifest.revision not in revisions():
        raise BackupRefused(
            f"{path} was written by a newer Duelist ({manifest.product}, revision {manifest.revision}): use that one"
        )
    return manifest


def _check_target(connection: psycopg.Connection, manifest: Manifest, *, force: bool) -> None:
    if _major(connection) < manifest.postgresql:
        raise BackupRefused(
            f"the backup is of PostgreSQL {manifest.postgresql}, the database is PostgreSQL {_major(connection)}"
        )
    if not force and connection.execute(f"SELECT {_OWN} LIMIT 1".encode()).fetchone() is not None:
        raise BackupRefused(
            "the database is not empty; choose an empty one with --into URL, or replace all that is in it with --force"
        )


# As in migration 0001. A role belongs to the whole server, and is in no dump.
_ROLE = sql.SQL(
    """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN
            CREATE ROLE {role} NOLOGIN NOBYPASSRLS;
        END IF;
        IF NOT pg_has_role({name}, 'MEMBER') THEN
            GRANT {role} TO CURRENT_USER;
        END IF;
    END $$
    """
).format(name=sql.Literal(ROLE), role=sql.Identifier(ROLE))


def _restore(url: str, archive: zipfile.ZipFile, manifest: Manifest, tell: Progress, *, force: bool) -> None:
    options = ["--no-owner", "--exit-on-error", "--single-transaction", *(["--clean", "--if-exists"] if force else [])]
    with (
        archive.open(DUMP) as dump,
        _running("pg_restore", manifest.postgresql, url, options, stdin=subprocess.PIPE) as process,
    ):
        assert process.stdin
        while process.poll() is None and (chunk := dump.read(_CHUNK)):
            with suppress(BrokenPipeError):  # it has said why, and is gone
                process.stdin.write(chunk)
            tell("restoring", dump.tell() / manifest.dump_bytes)


def _differences(url: str, manifest: Manifest, tell: Progress) -> list[str]:
    with psycopg.connect(url) as connection:
        found = [
            *_differing("table", manifest.tables, contents(connection)),
            *(f"table {table} is not protected" for (table,) in connection.execute(_UNPROTECTED).fetchall()),
        ]
        if _revision(connection) != manifest.revision:
            found.append(f"the revision is {_revision(connection)}, and was {manifest.revision}")
    if found:
        return found
    if manifest.revision != newest():
        migrate(url)
    with closing(Database(url)) as database:
        refresh_statistics(database)
        then = {(one.company_id, one.name): one.digests for one in manifest.answers}
        now = {(one.company_id, one.name): one.digests for one in answers(database, manifest.as_of, tell)}
    return [
        *_differing("company", dict.fromkeys(then), dict.fromkeys(now)),
        *(
            line
            for company in then.keys() & now.keys()
            for line in _differing(f"the answer of '{company[1]}' to", then[company], now[company])
        ),
    ]


def _differing(what: str, then: Mapping[Any, object], now: Mapping[Any, object]) -> list[str]:
    return [
        f"{what} {name} " + ("is missing" if name not in now else "was not there" if name not in then else "differs")
        for name in {**then, **now}
        if name not in now or name not in then or then[name] != now[name]
    ]


# ---------------------------------------------------------------- PostgreSQL and its programs


def _check_sees_all(connection: psycopg.Connection) -> None:
    [(role, sees_all)] = connection.execute(
        "SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    )
    if not sees_all:
        raise BackupRefused(
            f"the role '{role}' sees one company at a time, a backup reads them all; give the command a login role"
            " that is a superuser, or one that owns the tables and has BYPASSRLS"
        )


def _major(connection: psycopg.Connection) -> int:
    return connection.info.server_version // 10_000


def _revision(connection: psycopg.Connection) -> str:
    [(revision,)] = connection.execute("SELECT version_num FROM alembic_version")
    return str(revision)


@contextmanager
def _running(
    name: str, major: int, url: str, options: list[str], *, stdin: int = subprocess.DEVNULL, stdout: int | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Its complaints are ours when it fails. The password goes where no list of processes shows it."""
    parts = conninfo_to_dict(url)
    password = {"PGPASSWORD": str(parts.pop("password"))} if "password" in parts else {}
    target = make_conninfo(**parts)  # type: ignore[arg-type]
    command = [str(_program(name, major)), *options, "--no-password", f"--dbname={target}"]
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=complaints, env=os.environ | password) as process,
    ):
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        if process.stdin:
            with suppress(BrokenPipeError):
                process.stdin.close()
        if process.wait():
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()
            raise BackupRefused(f"{name} failed: {said}")


def _program(name: str, major: int) -> Path:
    """pg_dump has to be as new as the server, pg_restore as the pg_dump that wrote."""
    for path, its_major in embedded.client_programs(name):
        if its_major >= major:
            return path
    raise BackupRefused(f"there is no {name} of PostgreSQL {major} or newer here: install PostgreSQL's client programs")
