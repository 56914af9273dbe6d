"""The kept metrics: tables that hold, for each company's current day, what the live views would work out.

Whatever writes to a ledger touches the customers it concerns and then calls `refresh`, in the same transaction; a new
day touches only those with a document that crosses an edge. Questions about the kept day read the tables, any other the
views: the answers are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Protocol

import psycopg
import structlog
from psycopg import sql

from app.background import Background
from app.database import Connection, Database, DatabaseAway
from app.models import metadata
from dsl.frames import Relations

_log = structlog.get_logger("duelist")

KEPT = ("customer_metrics", "group_metrics", "company_metrics")

# Of more than these whole tables are joined: statistics are older than the rows, and row by row it would take minutes.
_FEW = 1_000

# Beyond this share of the customers it is quicker to work out the metrics of all than those of each.
_MOST = 0.07


class _Company(Protocol):
    @property
    def company_id(self) -> int: ...
    @property
    def today(self) -> date: ...


def lock(connection: Connection, company_id: int) -> None:
    """One transaction at a time changes a company's ledger or what is kept of it."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"ledger {company_id}"])


def kept_day(connection: Connection, company_id: int) -> date | None:
    """The day of the kept metrics, which are then exactly those of the views; None where nothing is kept."""
    row = connection.execute("SELECT as_of FROM metrics_day WHERE company_id = %s", [company_id]).fetchone()
    return row[0] if row and isinstance(row[0], date) else None


def relations(connection: Connection, company: _Company, as_of: date) -> Relations:
    """Where the answer to a question about a day is found, as this transaction sees it."""
    today = company.today
    if as_of < today:
        return Relations.HISTORIC
    kept = as_of == today and kept_day(connection, company.company_id) == today
    return Relations.KEPT if kept else Relations.LIVE


# ---------------------------------------------------------------- touching


def touching(writing: str) -> str:
    """A statement that writes rows and returns their customer_id, made to touch them; it answers the number of rows."""
    return f"""
        WITH written AS ({writing}),
        touched AS (
            INSERT INTO touched_customer SELECT DISTINCT %(company)s::bigint, customer_id FROM written
            ON CONFLICT DO NOTHING
        )
        SELECT count(*) FROM written
    """


def touch(connection: Connection, customers: str, parameters: Mapping[str, object]) -> None:
    """The customers that a query returns."""
    touched = f"INSERT INTO touched_customer SELECT DISTINCT %(company)s::bigint, id FROM ({customers}) touched (id)"
    connection.execute(f"{touched} ON CONFLICT DO NOTHING".encode(), parameters)


def touch_groups(connection: Connection, groups: str, parameters: Mapping[str, object]) -> None:
    touched = f"INSERT INTO touched_group SELECT DISTINCT %(company)s::bigint, id FROM ({groups}) touched (id)"
    connection.execute(f"{touched} WHERE id IS NOT NULL ON CONFLICT DO NOTHING".encode(), parameters)


def touch_foreign(connection: Connection, parameters: Mapping[str, object]) -> None:
    """Whoever has a document that a rate of exchange could count for."""
    touch(connection, _FOREIGN, parameters)


_FOREIGN = " UNION ALL ".join(
    f"""
    SELECT d.customer_id FROM {table} d
    JOIN customer c ON c.company_id = d.company_id AND c.id = d.customer_id
    JOIN company co ON co.company_id = d.company_id
    WHERE d.company_id = %(company)s AND (d.currency <> co.base_currency OR c.currency <> co.base_currency)
    """
    for table in ("invoice", "payment", "credit_note", "journal")
)

# An open invoice becomes overdue and goes from bucket to bucket so many days after it was due.
_EDGES = (1, 31, 46, 61, 91)

# What counts from the first day may not from the second, or the other way round.
_CROSSING = f"""
    SELECT customer_id FROM invoice
    WHERE company_id = %(company)s AND balance <> 0
        AND ({" OR ".join(f"due_date > %(kept)s - {edge} AND due_date <= %(day)s - {edge}" for edge in _EDGES)})
    UNION ALL
    SELECT customer_id FROM invoice
    WHERE company_id = %(company)s AND (
        issue_date > %(kept)s AND issue_date <= %(day)s
        OR issue_date > %(kept)s - 365 AND issue_date <= %(day)s - 365
        OR issue_date > (%(kept)s - interval '12 months')::date
            AND issue_date <= (%(day)s - interval '12 months')::date)
"""

_NEW_RATES = "SELECT FROM fx_rate WHERE company_id = %(company)s AND date > %(kept)s AND date <= %(day)s LIMIT 1"


def _touch_crossing(connection: Connection, company_id: int, kept: date, day: date) -> None:
    parameters = {"company": company_id, "kept": kept, "day": day}
    touch(connection, _CROSSING, parameters)
    if connection.execute(_NEW_RATES, parameters).fetchone() is not None:
        touch_foreign(connection, parameters)


def _touch_everyone(connection: Connection, company_id: int) -> None:
    parameters = {"company": company_id}
    touch(connection, "SELECT id FROM customer WHERE company_id = %(company)s", parameters)
    touch_groups(connection, "SELECT id FROM customer_group WHERE company_id = %(company)s", parameters)


_LED_BY_TOUCHED = """
    SELECT g.id FROM touched_customer t
    JOIN customer_group g ON g.company_id = t.company_id AND g.parent_customer_id = t.customer_id
    WHERE t.company_id = %(company)s
"""
_OF_GROUPS = "SELECT id FROM customer WHERE company_id = %(company)s AND group_id IN ({})"
_GROUPS_OF_TOUCHED = """
    SELECT c.group_id FROM touched_customer t
    JOIN customer c ON c.company_id = t.company_id AND c.id = t.customer_id
    WHERE t.company_id = %(company)s
"""


def _spread(connection: Connection, company_id: int) -> None:
    """A group's parent is named beside each member; a member counts in its group."""
    parameters = {"company": company_id}
    touch_groups(connection, _LED_BY_TOUCHED, parameters)
    touch(connection, _OF_GROUPS.format(_LED_BY_TOUCHED), parameters)
    touch_groups(connection, _GROUPS_OF_TOUCHED, parameters)


# ---------------------------------------------------------------- writing


def refresh(connection: Connection, company_id: int, day: date) -> int:
    """Brings what is kept to the day, in the transaction of whatever was written; the number of customers touched.

    The caller holds the `lock`. Where an amount is too large to be kept nothing is: the views answer then.
    """
    connection.execute(sql.SQL("SET LOCAL app.as_of = {}").format(sql.Literal(day.isoformat())))
    kept = kept_day(connection, company_id)
    if kept is None or kept > day:
        _touch_everyone(connection, company_id)
    elif kept < day:
        _touch_crossing(connection, company_id, kept, day)
    many = _count(connection, company_id, "touched_customer") > _FEW
    if many:
        connection.execute("SET LOCAL enable_nestloop = off")
    _spread(connection, company_id)
    touched = _count(connection, company_id, "touched_customer")
    if kept == day and not touched and not _count(connection, company_id, "touched_group"):
        return 0
    whole_tables = touched > _MOST * _count(connection, company_id, "customer")
    try:
        with connection.transaction():
            _write(connection, company_id, whole_tables=whole_tables, many=many or whole_tables)
            connection.execute(_KEEP_DAY, [company_id, day])
    except psycopg.errors.NumericValueOutOfRange:
        forget(connection, company_id)
    connection.execute("SET LOCAL enable_nestloop = DEFAULT")
    for table in ("touched_customer", "touched_group"):
        connection.execute(sql.SQL("DELETE FROM {} WHERE company_id = %s").format(sql.Identifier(table)), [company_id])
    return touched


_KEEP_DAY = """
    INSERT INTO metrics_day VALUES (%s, %s)
    ON CONFLICT (company_id) DO UPDATE SET as_of = EXCLUDED.as_of WHERE metrics_day.as_of <> EXCLUDED.as_of
"""


def forget(connection: Connection, company_id: int) -> None:
    """Nothing is kept any more, until the next `refresh` works out everything."""
    connection.execute("DELETE FROM metrics_day WHERE company_id = %s", [company_id])


def _count(connection: Connection, company_id: int, table: str) -> int:
    question = sql.SQL("SELECT count(*) FROM {} WHERE company_id = %s").format(sql.Identifier(table))
    [(count,)] = connection.execute(question, [company_id]).fetchall()
    return int(str(count))


def _write(connection: Connection, company_id: int, *, whole_tables: bool, many: bool) -> None:
    if whole_tables:
        connection.execute("SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '128MB'")
        connection.execute(_upsert("customer_metrics", "customer_metrics_live"), [company_id])
        connection.execute("SET LOCAL work_mem = DEFAULT")
    else:
        connection.execute(_upsert("customer_metrics", "customer_metrics_touched"), [company_id])
    # Looked up group by group, where nested loops are off, members would be looked for among all customers each time.
    groups = "group_metrics_whole" if many else "group_metrics_touched"
    connection.execute(_upsert("group_metrics", groups), [company_id])
    connection.execute(_upsert("company_metrics", "company_metrics_touched"), [company_id])


def _upsert(table: str, view: str) -> sql.Composed:
    """Only rows that differ are written."""
    key = [sql.Identifier(column.name) for column in metadata.tables[table].primary_key.columns]
    measured = _measured(table)
    return sql.SQL(
        """
        INSERT INTO {table} AS kept ({columns}) SELECT {columns} FROM {view} WHERE company_id = %s
        ON CONFLICT ({key}) DO UPDATE SET ({measured}) = ROW ({fresh})
        WHERE ({stored}) IS DISTINCT FROM ({fresh})
        """
    ).format(
        table=sql.Identifier(table),
        view=sql.Identifier(view),
        key=sql.SQL(", ").join(key),
        columns=sql.SQL(", ").join([*key, *measured]),
        measured=sql.SQL(", ").join(measured),
        fresh=sql.SQL(", ").join(sql.SQL("EXCLUDED.{}").format(column) for column in measured),
        stored=sql.SQL(", ").join(sql.SQL("kept.{}").format(column) for column in measured),
    )


def _measured(table: str) -> list[sql.Identifier]:
    return [sql.Identifier(column.name) for column in metadata.tables[table].columns if not column.primary_key]


# ---------------------------------------------------------------- in production


@dataclass(frozen=True, slots=True)
class Verdict:
    """`differing` rows by table, which are none while all is well; `day` is None where nothing is kept."""

    day: date | None
    differing: dict[str, int]

    @property
    def is_well(self) -> bool:
        return not any(self.differing.values())


def verify(connection: Connection, company_id: int) -> Verdict:
    """Compares what is kept with the live views, row for row, as of the kept day."""
    day = kept_day(connection, company_id)
    if day is None:
        return Verdict(None, {})
    connection.execute(sql.SQL("SET LOCAL app.as_of = {}").format(sql.Literal(day.isoformat())))
    connection.execute("SET LOCAL enable_nestloop = off")  # of whole tables, which statistics may know nothing of
    return Verdict(day, {table: _differing(connection, table, company_id) for table in KEPT})


def _differing(connection: Connection, table: str, company_id: int) -> int:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in metadata.tables[table].columns)
    rows = sql.SQL("SELECT {columns} FROM {relation} WHERE company_id = {company}")
    kept, live = (
        rows.format(columns=columns, relation=sql.Identifier(f"{table}{suffix}"), company=company_id)
        for suffix in ("", "_live")
    )
    question = sql.SQL("SELECT count(*) FROM (({0} EXCEPT {1}) UNION ALL ({1} EXCEPT {0})) differing").format(
        kept, live
    )
    [(count,)] = connection.execute(question).fetchall()
    return int(str(count))


def rebuild(connection: Connection, company_id: int, day: date) -> int:
    """Works out everything anew; the number of customers."""
    connection.execute("SET LOCAL statement_timeout = 0")
    lock(connection, company_id)
    forget(connection, company_id)
    for statement in _OF_NOBODY:
        connection.execute(statement, [company_id])
    return refresh(connection, company_id, day)


# An import removes no customer; who does so by hand rebuilds, and counts of metrics alone are right again.
_OF_NOBODY = tuple(
    f"""
    DELETE FROM {kept} AS m WHERE company_id = %s AND NOT EXISTS (
        SELECT FROM {table} AS t WHERE t.company_id = m.company_id AND t.id = m.{key})
    """.encode()
    for kept, table, key in (
        ("customer_metrics", "customer", "customer_id"),
        ("group_metrics", "customer_group", "group_id"),
    )
)


class Keeper:
    """Brings the metrics of companies that ask to their new day, in the background."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._background = Background("keeper")
        self._brought: dict[int, date] = {}

    def consider(self, company: _Company) -> None:
        """Costs nothing when the company's metrics have been brought to its day before."""
        company_id, today = company.company_id, company.today
        if self._brought.get(company_id) != today:
            self._brought[company_id] = today
            self._background.submit(partial(self._bring, company_id, today))

    def close(self) -> None:
        self._background.close()

    def _bring(self, company_id: int, day: date) -> None:
        try:
            with self._database.transaction(company_id, write=True, timeout_ms=0) as connection:
                if kept_day(connection, company_id) != day:
                    lock(connection, company_id)
                    refresh(connection, company_id, day)
        except (DatabaseAway, psycopg.Error) as error:
            self._brought.pop(company_id, None)  # tried again with the next question
            _log.warning("metrics not kept", company=company_id, error=type(error).__name__)
