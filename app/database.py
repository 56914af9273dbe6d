"""Connections: one pool, and transactions that belong to one company and one as-of day."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from math import inf
from time import monotonic
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from app import embedded
from app.errands import ANSWER_SECONDS, ERRAND, Ended, Watched
from app.settings import Settings
from app.timed import TimedCursor, TimedServerCursor
from dsl.phases import phase

Connection = psycopg.Connection[tuple[object, ...]]

ROLE = "duelist_app"

# Of PostgreSQL's error classes: the connection broke, there is no room for one, the server is going down or coming up.
_AWAY_CLASSES = ("08", "53", "57P", "25P03")

# How often one who waits for a connection asks again, which has the pool try the server anew.
_SLICE_SECONDS = 0.25

# How long a transaction may be idle between two statements, for it holds locks: with what takes long, longer.
_SHORTEST_IDLE_MS, _LONGEST_IDLE_MS = 15_000, 600_000

# A commit that is not told of by then has an unknown end. It also keeps a service that was told to stop.
_COMMIT_SECONDS = 10.0

# A peer that is gone without a word, as after a power cut, is noticed by the kernel.
_PEERS = {
    "connect_timeout": 2,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class NotOwner(Exception):
    """The login role may not do what is above companies."""


class DatabaseAway(Exception):
    """The database cannot be reached just now; the same call may work in a moment."""


class DatabaseFull(DatabaseAway):
    """It has no room left; it works again when there is."""


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
        record_timeout_ms: int = 5_000,
        lock_timeout_ms: int = 3_000,
        largest_cost: float = 20_000_000,
    ) -> None:
        self.largest_cost = largest_cost
        self.statement_timeout_ms = statement_timeout_ms
        self._record_timeout_ms = record_timeout_ms
        self._lock_timeout_ms = lock_timeout_ms
        self._timeout_seconds = timeout_seconds
        self._pool: ConnectionPool[Watched] = ConnectionPool(
            url,
            connection_class=Watched,
            kwargs={
                "autocommit": True,
                "application_name": "duelist",
                "cursor_factory": TimedCursor,
                **_PEERS,
            },
            configure=self._configure,
            min_size=min_size,
            max_size=max_size,
            name="duelist",
            timeout=timeout_seconds,
            reconnect_timeout=0,  # whoever waits tries anew, rather than wait for a long back-off
            open=True,
        )

    def _configure(self, connection: Connection) -> None:
        connection.server_cursor_factory = TimedServerCursor
        _send(
            connection,
            sql.SQL(
                "SET jit = off; SET work_mem = '32MB'; SET TimeZone = 'UTC'; SET client_min_messages = warning;"
                " SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; SET lock_timeout = {};"
                " SET ROLE {}"
            ).format(
                self.statement_timeout_ms,
                _idle_ms(self.statement_timeout_ms),
                self._lock_timeout_ms,
                sql.Identifier(ROLE),
            ),
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

        All that it reads is of one moment, unless it writes and does not ask for such a `snapshot`. Without a day it is
        about single records: these take no time, so they are given little.
        """
        usual = self.statement_timeout_ms if as_of else self._record_timeout_ms
        limit = usual if timeout_ms is None else timeout_ms
        begin = _BEGIN_READ if not write else _BEGIN_SNAPSHOT if snapshot else _BEGIN_WRITE
        opening = [begin, _local("app.company_id", str(int(company_id)))]
        if as_of:
            opening.append(_local("app.as_of", as_of.isoformat()))
        if limit != self.statement_timeout_ms:
            opening.append(_local("statement_timeout", str(limit)))
        if timeout_ms is not None:
            _extend_errand(timeout_ms)
            # Shorter, so that whoever waits for a lock is told of it, and not that the filter was too slow.
            opening.append(_local("lock_timeout", str(timeout_ms * 9 // 10)))
            opening.append(_local("idle_in_transaction_session_timeout", str(_idle_ms(timeout_ms))))
        with self._begun(sql.SQL("; ").join(opening), _patience(limit, write=write)) as connection:
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

    def connections(self) -> dict[str, int]:
        """How many there are, how many are free, and how many requests wait for one."""
        found = self._pool.get_stats()
        return {state: found.get(name, 0) for state, name in _STATES.items()}

    @contextmanager
    def _begun(self, opening: sql.Composed, patience: tuple[float, float] = (inf, inf)) -> Iterator[Connection]:
        errand = ERRAND.get()
        with _away_named():
            connection = self._begin(opening)
            try:
                with connection:  # commits, or rolls back; a pooled connection stays open
                    connection.errand = errand
                    connection.answers_within, end_within = patience
                    try:
                        yield connection
                    except psycopg.errors.QueryCanceled as cancelled:
                        raise (Ended() if errand and errand.is_over else cancelled) from cancelled
                    finally:
                        # What was written is not cut short at its very end.
                        connection.errand, connection.answers_within = None, end_within
            finally:
                self._pool.putconn(connection)

    def _begin(self, opening: sql.Composed) -> Watched:
        """Connections may have died in the pool when their server was restarted: then the next one is tried."""
        until = monotonic() + self._timeout_seconds
        while True:
            with phase("pool_wait"):
                connection = self._waited_for(until)
            try:
                connection.answers_within = ANSWER_SECONDS
                _send(connection, opening)
                return connection
            except BaseException as failure:
                has_died = isinstance(failure, psycopg.OperationalError) and connection.closed
                self._pool.putconn(connection)
                if not has_died or monotonic() >= until:
                    raise

    def _waited_for(self, until: float) -> Watched:
        errand = ERRAND.get()
        while True:
            if errand and errand.is_over:
                raise Ended
            left = until - monotonic()
            try:
                return self._pool.getconn(timeout=max(0.001, min(left, _SLICE_SECONDS)))
            except PoolTimeout:
                if left <= _SLICE_SECONDS:
                    raise


def _patience(timeout_ms: int, *, write: bool) -> tuple[float, float]:
    """How long a silent server is waited for, in a statement and at the end. What writes may give itself more time."""
    if not timeout_ms:
        return inf, inf
    return (inf, _COMMIT_SECONDS) if write else (timeout_ms / 1000 + ANSWER_SECONDS, ANSWER_SECONDS)


def _idle_ms(timeout_ms: int) -> int:
    return max(timeout_ms, _SHORTEST_IDLE_MS) if timeout_ms else _LONGEST_IDLE_MS


def _extend_errand(timeout_ms: int) -> None:
    """What is given more time than others, gives it to the request that asks for it; 0 is no limit."""
    if errand := ERRAND.get():
        errand.extend(timeout_ms / 1000 if timeout_ms else inf)


_STATES = {"size": "pool_size", "available": "pool_available", "waiting": "requests_waiting"}

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
    except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout) as error:
        if error.sqlstate is None or error.sqlstate.startswith(_AWAY_CLASSES):
            kind = DatabaseFull if isinstance(error, psycopg.errors.DiskFull) else DatabaseAway
            raise kind(str(error)) from error
        raise
