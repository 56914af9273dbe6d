"""What is wrong with an installation, and the command that mends it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, LiteralString
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from app import companies
from app.companies import Company
from app.database import ROLE, Database, database_url
from app.embedded import OLDEST_MAJOR, EmbeddedError
from app.kept import kept_day
from app.migrate import is_usable, newest, revision_of
from app.models import metadata
from app.roles import login_role, powers_of
from app.settings import Settings, misspelled

Verdict = Literal["ok", "warn", "fail"]
Connection = psycopg.Connection[Any]

LITTLE_DISK, NO_DISK = 2**30, 100 * 2**20
LATE_SECONDS, WRONG_SECONDS = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`mend` is what to do about it."""

    check: str
    verdict: Verdict
    message: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    yield from _of_the_environment()
    yield _time_zones()
    yield _disk(settings)
    try:
        with database_url(settings) as url:
            yield from _of_the_database(settings, url)
    except (psycopg.OperationalError, EmbeddedError) as away:
        yield Finding("database", "fail", f"it cannot be reached: {away}".strip(), "see DUELIST_DATABASE_URL")
    if settings.read_database_url:
        yield _replica(settings.read_database_url.get_secret_value())


# ---------------------------------------------------------------- this machine


def _of_the_environment() -> Iterator[Finding]:
    warnings = misspelled(os.environ)
    for warning in warnings:
        yield Finding("settings", "warn", warning, "docs/operations.md has all settings")
    if not warnings:
        yield Finding("settings", "ok", "every DUELIST_ variable is known and valid")


def _time_zones() -> Finding:
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        return Finding("time zones", "fail", "there are no time zone data", "pip install tzdata")
    return Finding("time zones", "ok", "there are time zone data")


def _disk(settings: Settings) -> Finding:
    folder = next(place for place in (settings.data_dir, *settings.data_dir.parents) if place.exists())
    free = shutil.disk_usage(folder).free
    verdict: Verdict = "fail" if free < NO_DISK else "warn" if free < LITTLE_DISK else "ok"
    mend = "" if verdict == "ok" else f"make room, or move {settings.data_dir} with DUELIST_DATA_DIR"
    return Finding("disk", verdict, f"{free / 2**30:,.1f} GiB are free in {folder}", mend)


# ---------------------------------------------------------------- the database


def _of_the_database(settings: Settings, url: str) -> Iterator[Finding]:
    with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
        yield _version(connection)
        yield _clock(connection)
        yield _letters(connection)
        yield _role(settings)
        migrated = _migrated(connection)
        yield migrated
        if migrated.verdict == "fail":
            return  # there is nothing else to look at
        yield _all("row-level security", "every table shows a company its own rows only", _unprotected(connection))
        yield _all("views", "every view asks as its caller", _of_their_owner(connection))
        yield _all("audit log", "the service can only add to it", _changeable_log(connection))
        yield _all("indexes", "all are there and valid", _indexes(connection))
        yield _all("statistics", "every table with rows has them", _unknown_tables(connection), "warn")
    database = Database(url, max_size=1)
    try:
        yield _all("kept metrics", "they are those of each company's today", _old_metrics(database), "warn")
        yield _all("companies", "every time zone is known", _lost_companies(database))
    finally:
        database.close()


def _all(check: str, well: str, faults: Iterator[tuple[str, str]], verdict: Verdict = "fail") -> Finding:
    """One finding of all faults of a kind, each with what mends it."""
    found = list(faults)
    if not found:
        return Finding(check, "ok", well)
    return Finding(check, verdict, "; ".join(what for what, _ in found), "; ".join(dict.fromkeys(m for _, m in found)))


def _version(connection: Connection) -> Finding:
    major = connection.info.server_version // 10_000
    if major < OLDEST_MAJOR:
        return Finding("version", "fail", f"PostgreSQL {major} is too old", f"upgrade to {OLDEST_MAJOR} or newer")
    return Finding("version", "ok", f"PostgreSQL {major}")


def _clock(connection: Connection) -> Finding:
    before = _now()
    [(theirs,)] = connection.execute("SELECT clock_timestamp()").fetchall()
    after = _now()
    apart = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    verdict: Verdict = "fail" if apart > WRONG_SECONDS else "warn" if apart > LATE_SECONDS else "ok"
    mend = "" if verdict == "ok" else "synchronize both clocks, with NTP"
    return Finding("clock", verdict, f"the database's clock is {apart:,.1f} seconds from this machine's", mend)


def _letters(connection: Connection) -> Finding:
    """A database of the locale C knows no small form of Ä, one of tr_TR another of I."""
    [(are_known,)] = connection.execute("SELECT lower('ÄЖI') = 'äжi'").fetchall()
    if are_known:
        return Finding("letters", "ok", "searches ignore letter case")
    what = "letter case counts in searches, but for plain English letters: so the locale of the database has it"
    return Finding("letters", "fail", what, "make one with LOCALE 'C.UTF-8', then duelist restore --into")


def _now() -> datetime:
    return datetime.now(UTC)


def _role(settings: Settings) -> Finding:
    """That of the service, and not that of the commands."""
    if settings.database_url is None:
        return Finding("role", "ok", "the service makes its own in the embedded database")
    with psycopg.connect(settings.database_url.get_secret_value(), connect_timeout=5, autocommit=True) as connection:
        name = login_role(connection)
        powers = powers_of(connection, name)
    if powers:
        return Finding(
            "role", "fail", f"the service would not log in as '{name}', which {powers}", "duelist role create"
        )
    return Finding("role", "ok", f"'{name}' has no way around row-level security")


def _migrated(connection: Connection) -> Finding:
    found = revision_of(connection)
    if not is_usable(connection):
        said = f"the schema is at {found}, not {newest()}" if found else "there is no schema yet"
        return Finding("schema", "fail", said, "duelist migrate")
    if found != newest():
        return Finding("schema", "warn", f"the schema ({found}) is newer than this release ({newest()})", "upgrade")
    return Finding("schema", "ok", f"at {found}, the newest")


_UNPROTECTED: LiteralString = """
    SELECT c.relname FROM pg_class AS c
    LEFT JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}'
        AND pg_get_expr(p.polqual, p.polrelid) = '(company_id = (current_setting(''app.company_id''::text))::bigint)'
        AND pg_get_expr(p.polwithcheck, p.polrelid) = pg_get_expr(p.polqual, p.polrelid)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY (%s)
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND p.oid IS NOT NULL
            AND (SELECT count(*) FROM pg_policy AS other WHERE other.polrelid = c.oid AND other.polpermissive
                AND other.polroles <> ARRAY[c.relowner]) = 1)
    ORDER BY 1
"""


def _unprotected(connection: Connection) -> Iterator[tuple[str, str]]:
    """A second policy would allow more; but the owner's own, for the table of companies."""
    for (table,) in connection.execute(_UNPROTECTED, [list(metadata.tables)]).fetchall():
        yield (
            f"{table} is not protected",
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
            " its policy same_company as in migrations/",
        )


def _of_their_owner(connection: Connection) -> Iterator[tuple[str, str]]:
    views: LiteralString = """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'
            AND NOT coalesce(reloptions @> '{security_invoker=true}', false) ORDER BY 1
    """
    for (view,) in connection.execute(views).fetchall():
        yield f"{view} asks as its owner", f"ALTER VIEW {view} SET (security_invoker = true)"


def _changeable_log(connection: Connection) -> Iterator[tuple[str, str]]:
    for right in ("UPDATE", "DELETE", "TRUNCATE"):
        asked = "SELECT has_table_privilege(%s, 'audit_entry', %s)"
        if connection.execute(asked, [ROLE, right]).fetchone() == (True,):
            yield f"{ROLE} may {right} it", f"REVOKE {right} ON audit_entry FROM {ROLE}"


def _indexes(connection: Connection) -> Iterator[tuple[str, str]]:
    """A cluster has no unique constraints beside the keys: `duelist distribute` drops them."""
    valid = dict(
        connection.execute("""
            SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
            WHERE c.relnamespace = 'public'::regnamespace
        """).fetchall()
    )
    is_cluster = connection.execute("SELECT FROM pg_extension WHERE extname = 'citus'").fetchone() is not None
    for name, made_by in _expected_indexes(unique=not is_cluster):
        if name not in valid:
            yield f"{name} is missing", made_by
        elif not valid[name]:
            yield f"{name} is not valid", f"REINDEX INDEX CONCURRENTLY {name}"


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def _expected_indexes(*, unique: bool) -> Iterator[tuple[str, str]]:
    """Each with the statement that makes it."""
    names = _DIALECT.identifier_preparer
    for table in metadata.sorted_tables:
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(index.name), str(CreateIndex(index).compile(dialect=_DIALECT)).strip()
        for constraint in table.constraints:
            kinds = (sa.PrimaryKeyConstraint, sa.UniqueConstraint) if unique else (sa.PrimaryKeyConstraint,)
            if isinstance(constraint, kinds):
                kind = "PRIMARY KEY" if isinstance(constraint, sa.PrimaryKeyConstraint) else "UNIQUE"
                name, columns = names.format_constraint(constraint), ", ".join(constraint.columns.keys())
                yield str(name), f"ALTER TABLE {table.name} ADD CONSTRAINT {name} {kind} ({columns})"


def _unknown_tables(connection: Connection) -> Iterator[tuple[str, str]]:
    tables: LiteralString = """
        SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND reltuples < 0 AND pg_relation_size(oid) > 0 AND relname = ANY (%s) ORDER BY 1
    """
    for (table,) in connection.execute(tables, [list(metadata.tables)]).fetchall():
        yield f"{table} was never analyzed", f"ANALYZE {table}"


def _old_metrics(database: Database) -> Iterator[tuple[str, str]]:
    """Right all the same: questions read the ledger itself then, which is slower."""
    for company in companies.listed(database):
        with database.transaction(company.company_id) as connection:
            day = kept_day(connection, company.company_id)
            has_customers = connection.execute("SELECT FROM customer LIMIT 1").fetchone() is not None
        if has_customers and day != _today(company):
            kept = f"are of {day}" if day else "are not kept"
            yield f"those of '{company.name}' {kept}", f"duelist metrics rebuild --company '{company.name}'"


def _lost_companies(database: Database) -> Iterator[tuple[str, str]]:
    for company in companies.listed(database):
        if _today(company) is None:
            yield f"'{company.name}' keeps the unknown time zone {company.time_zone}", "pip install --upgrade tzdata"


def _today(company: Company) -> object:
    try:
        return company.today
    except ZoneInfoNotFoundError:
        return None


def _replica(url: str) -> Finding:
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            if not is_usable(connection):
                return Finding("replica", "fail", "its schema is behind", "wait for it, then duelist migrate")
            lag = "SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp()) WHERE pg_is_in_recovery()"
            row = connection.execute(lag).fetchone()
    except psycopg.OperationalError as away:
        return Finding("replica", "fail", f"it cannot be reached: {away}".strip(), "see DUELIST_READ_DATABASE_URL")
    behind = f", last written to {row[0]:,.0f} seconds ago" if row and row[0] is not None else ""
    return Finding("replica", "ok", f"it answers{behind}")
