"""The companies whose ledgers are kept here, each with its own rows, base currency and calendar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, LiteralString
from zoneinfo import ZoneInfo, available_timezones

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from app import audit_log
from app.database import Connection, Database
from app.vocabulary import catalog_of
from dsl import CATALOG, Catalog
from dsl.codes import COUNTRIES, CURRENCIES
from dsl.diagnostics import did_you_mean

LONGEST_NAME = 200


class BadCompany(ValueError):
    """A company that cannot be made, or is not known; the message says why."""


@dataclass(frozen=True, slots=True)
class Company:
    company_id: int
    name: str
    country: str | None
    base_currency: str
    time_zone: str
    catalog: Catalog = CATALOG  # with what the company has defined itself

    @property
    def today(self) -> date:
        return datetime.now(ZoneInfo(self.time_zone)).date()


def create(database: Database, name: str, *, currency: str, country: str | None, time_zone: str) -> Company:
    currency, country = currency.upper(), country.upper() if country else None
    _check_name(name)
    _check("currency", currency, CURRENCIES)
    _check("time zone", time_zone, available_timezones())
    if country:
        _check("country", country, COUNTRIES)
    taken = BadCompany(f"there is a company '{name}' already")
    try:
        with database.owner() as connection:
            # A distributed database has no unique names of its own.
            if connection.execute("SELECT FROM company WHERE name = %s", [name]).fetchone() is not None:
                raise taken
            made = _companies(connection, _INSERT, [name, country, currency, time_zone])[0]
            opened = sql.SQL("SET LOCAL app.company_id = {}").format(sql.Literal(str(made.company_id)))
            connection.execute(opened)
            audit_log.note(connection, made.company_id, audit_log.COMMAND_LINE, "company created", name)
            return made
    except psycopg.errors.UniqueViolation as error:
        raise taken from error


def listed(database: Database) -> list[Company]:
    """All companies, the oldest first, without what they have defined themselves."""
    with database.owner() as connection:
        return _companies(connection, f"SELECT {_COLUMNS} FROM company ORDER BY company_id")


def everyone(database: Database) -> Iterator[Company]:
    """All companies, the oldest first: what may be known of them without being their owner."""
    with database.transaction(_NOBODY) as connection:
        ids = connection.execute("SELECT company_ids()").fetchall()
    for (company_id,) in ids:
        with database.transaction(int(str(company_id))) as connection:
            found = _companies(connection, f"SELECT {_COLUMNS} FROM company")
        yield from found  # none where it has gone meanwhile


def chosen(database: Database, name: str | None) -> Company:
    """The company of that name; without a name the only one there is."""
    with database.transaction(_chosen(database, name).company_id) as connection:
        return of_key(connection)


def _chosen(database: Database, name: str | None) -> Company:
    known = listed(database)
    if not known:
        raise BadCompany("there is no company yet; make one with: duelist company create NAME --currency EUR")
    if name is None and len(known) == 1:
        return known[0]
    names = ", ".join(f"'{company.name}'" for company in known)
    if name is None:
        raise BadCompany(f"there are several companies, choose one with --company: {names}")
    for company in known:
        if company.name == name:
            return company
    raise BadCompany(f"there is no company '{name}'; there are: {names}")


def of_key(connection: Connection) -> Company:
    """The company of a transaction, which sees no other, with what it has defined."""
    [company] = _companies(connection, f"SELECT {_COLUMNS} FROM company")
    return replace(company, catalog=catalog_of(connection))


_NOBODY = 0  # a company that is not there
_COLUMNS = "company_id, name, country, base_currency, time_zone"
_INSERT: LiteralString = f"""
    INSERT INTO company (name, country, base_currency, time_zone) VALUES (%s, %s, %s, %s) RETURNING {_COLUMNS}
"""


def _companies(connection: Connection, statement: LiteralString, parameters: Sequence[Any] = ()) -> list[Company]:
    return connection.cursor(row_factory=class_row(Company)).execute(statement, parameters).fetchall()


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise BadCompany(f"a company's name has 1 to {LONGEST_NAME} printable characters")


def _check(what: str, value: str, known: set[str] | frozenset[str]) -> None:
    if value not in known:
        guesses = did_you_mean(value, known)
        raise BadCompany(f"'{value}' is no {what}" + (f"; did you mean {' or '.join(guesses)}?" if guesses else ""))
