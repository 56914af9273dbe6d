"""Connections: one pool, and transactions that belong to one company and one as-of day."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from app import embedded
from app.settings import Settings

Connection = psycopg.Connection[tuple[object, ...]]

ROLE = "duelist_app"

# Of PostgreSQL's error classes: the connection broke, there is no room for one, the server is going down or coming up.
_AWAY_CLASSES = ("08", "53", "57P")


class NotOwner(Exception):
    """The login role may not do what is above companies."""


class DatabaseAway(Exception):
    """The database cannot be reached just now; the same call may work in a moment."""


@contextmanager
def database_url(settings: Settings, *, own: bool = False) -> Iterator[str]:
    """As its owner, the database that was chosen, else the embedded one: of a server that runs, or for the block.

    With `own` it is started or refused, and stops at once at the end; without, it stays while other commands use it.
    """
    if chosen := settings.owner_database_url or settings.database_url:
        yield chosen.get_secret_value()
        return
    serve = embedded.running if own else embedded.shared
    with serve(settings.data_dir) as url:
        yield url


class Database:
    """A pool of connections that act as the role without rights beyond its company's rows."""

    def __init__(
        self,
        url: str,
        *,
        min_size: int = 0,
        max_size: int = 10,
        timeout_seconds: float = 5.0,
        statement_timeout_ms: int = 15_000,
    ) -> None:
        self._statement_timeout_ms = statement_timeout_ms
        self._pool = ConnectionPool(
            url,
            kwargs={"autocommit": True, "connect_timeout": 5, "application_name": "duelist"},
            configure=self._configure,
            min_size=min_size,
            max_size=max_size,
            name="duelist",
            timeout=timeout_seconds,
            reconnect_timeout=timeout_seconds,  # then the next request tries anew, rather than wait for a long back-off
            open=True,
        )

    def _configure(self, connection: Connection) -> None:
        _send(
            connection,
            sql.SQL(
                "SET jit = off; SET work_mem = '32MB'; SET TimeZone = 'UTC'; SET client_min_messages = warning;"
                " SET statement_timeout = {}; SET ROLE {}"
            ).format(self._statement_timeout_ms, sql.Identifier(ROLE)),
        )

    @contextmanager
    def transaction(
        self,
        company_id: int,
        as_of: date | None = None,
        *,
        write: bool = False,
        snapshot: bool = False,
        timeout_ms: int | None = None,
    ) -> Iterator[Connection]:
        """One transaction that sees one company only, as of one day.

        All that it reads is of one moment, unless it writes and does not ask for such a `snapshot`.
        """
        begin = _BEGIN_READ if not write else _BEGIN_SNAPSHOT if snapshot else _BEGIN_WRITE
        opening = [begin, _local("app.company_id", str(int(company_id)))]
        if as_of:
            opening.append(_local("app.as_of", as_of.isoformat()))
        if timeout_ms is not None:
            opening.append(_local("statement_timeout", str(timeout_ms)))
        with self._begun(sql.SQL("; ").join(opening)) as connection:
            yield connection

    @contextmanager
    def owner(self) -> Iterator[Connection]:
        """One transaction as the login role, which owns the tables: for what is above companies."""
        try:
            with self._begun(sql.Composed([_BEGIN_WRITE, sql.SQL("; SET LOCAL ROLE NONE")])) as connection:
                yield connection
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as refused:
            raise NotOwner(
                "this is above companies and needs the role that owns the tables: set DUELIST_OWNER_DATABASE_URL"
                f" (the database said: {refused.diag.message_primary})"
            ) from refused

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def _begun(self, opening: sql.Composed) -> Iterator[Connection]:
        with _away_named():
            connection = self._begin(opening)
            try:
                with connection:  # commits, or rolls back; a pooled connection stays open
                    yield connection
            finally:
                self._pool.putconn(connection)

    def _begin(self, opening: sql.Composed) -> Connection:
        """A connection may have died in the pool when its server was restarted: then try once more on living ones."""
        try:
            return self._try_to_begin(opening)
        except PoolTimeout:
            raise
        except psycopg.OperationalError:
            self._pool.check()
            return self._try_to_begin(opening)

    def _try_to_begin(self, opening: sql.Composed) -> Connection:
        connection = self._pool.getconn()
        try:
            _send(connection, opening)
        except BaseException:
            self._pool.putconn(connection)
            raise
        return connection


_BEGIN_READ = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
_BEGIN_WRITE = sql.SQL("BEGIN")
_BEGIN_SNAPSHOT = sql.SQL("BEGIN ISOLATION LEVEL REPEATABLE READ")


def _local(setting: LiteralString, value: str) -> sql.Composed:
    """A literal SET LOCAL: unlike set_config, it also reaches the workers of a distributed database."""
    return sql.SQL("SET LOCAL {} = {}").format(sql.SQL(setting), sql.Literal(value))


def _send(connection: Connection, statements: sql.Composed) -> None:
    """Several statements in one round trip, which cannot be prepared."""
    connection.execute(statements, prepare=False)


@contextmanager
def _away_named() -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        if error.sqlstate is None or error.sqlstate.startswith(_AWAY_CLASSES):
            raise DatabaseAway(str(error)) from error
        raise
