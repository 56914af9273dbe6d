"""The role that the service logs in as. It owns nothing and sees one company at a time, whatever the service asks for;
a service whose role could do more does not start."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString
from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from app.database import ROLE, Connection, Database
from app.settings import Settings

SERVICE = "duelist_service"


class UnsafeDatabase(Exception):
    """The service must not use the database like this; the message says why, and what mends it."""


class ServiceDatabase(Database):
    """What the service uses: each of its connections is looked at before it is used."""

    def _configure(self, connection: Connection) -> None:
        refuse_unsafe(connection)
        super()._configure(connection)

    @contextmanager
    def owner(self) -> Iterator[Connection]:
        raise UnsafeDatabase("the service does nothing above companies")


def service_url(settings: Settings, owner_url: str) -> str:
    """The embedded database trusts whoever reaches it, so there the role has no password and is made when missing."""
    if settings.database_url:
        return settings.database_url.get_secret_value()
    if settings.owner_database_url:
        raise UnsafeDatabase(
            "DUELIST_DATABASE_URL is missing: the database as a role that owns nothing; duelist role create makes one"
        )
    return make_role(owner_url, SERVICE)


def refuse_unsafe_url(url: str) -> None:
    """A database that is away is looked at when it is back, by the pool."""
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError:
        return
    with connection:
        refuse_unsafe(connection)


def refuse_unsafe(connection: Connection) -> None:
    role = login_role(connection)
    if powers := powers_of(connection, role):
        raise UnsafeDatabase(
            f"the service may not log in as '{role}', which {powers}: companies would be kept apart by"
            " nothing but its own care. Make a role for it with: duelist role create (it needs the URL of the tables'"
            " owner, as DUELIST_OWNER_DATABASE_URL or DUELIST_DATABASE_URL, and prints the settings to use)"
        )
    if not _one(connection, _MAY_BECOME, role):
        raise UnsafeDatabase(f"the role '{role}' may not act as {ROLE}; run: duelist migrate; duelist role create")
    if mending := [str(statement) for (statement,) in connection.execute(_UNPROTECTED)]:
        raise UnsafeDatabase(
            "row-level security does not hold for everything in the database; run duelist migrate, and if that does"
            f" not mend it, as the owner: {' '.join(mending)}"
        )


def login_role(connection: Connection) -> str:
    return str(_one(connection, "SELECT session_user"))


def powers_of(connection: Connection, role: str) -> str:
    """What the role could do beyond one company's rows; nothing, for the service's."""
    powers = [str(power) for (power,) in connection.execute(_POWERS, {"role": role})]
    return " and ".join(powers[:2]) + (f" (and {len(powers) - 2} more)" if len(powers) > 2 else "")


def make_role(owner_url: str, name: str, password: str | None = None) -> str:
    """Make or mend a role without powers; the URL of the same database with this role."""
    with psycopg.connect(owner_url) as connection:
        # Roles belong to the whole server, so this may meet another database's.
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('duelist role', 0))")
        if _one(connection, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", name):
            _mend(connection, name)
        else:
            words = sql.SQL(" ").join(sql.SQL(word) for word in _ATTRIBUTES)
            connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), words))
        if not _one(connection, _MAY_BECOME, name):
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(ROLE), sql.Identifier(name)))
        if password is not None:
            hashed = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(hashed)))
        if _one(connection, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"):
            connection.execute(
                sql.SQL("ALTER ROLE {} SET citus.propagate_set_commands = 'local'").format(sql.Identifier(name))
            )
        if powers := powers_of(connection, name):
            raise UnsafeDatabase(f"the role '{name}' {powers}; take that away, or choose another name")
    return _with_login(owner_url, name, password)


def named_role(settings: Settings) -> tuple[str, str] | None:
    """Name and password of the role that the service's URL has, where the owner has a URL of its own."""
    if not (settings.database_url and settings.owner_database_url):
        return None
    found = psycopg.conninfo.conninfo_to_dict(settings.database_url.get_secret_value())
    name, password = found.get("user"), found.get("password")
    return (str(name), str(password)) if name and password else None


def new_password() -> str:
    return secrets.token_urlsafe(24)


# What the role has to be. Only what differs is altered: of some of it, only a superuser may speak.
_ATTRIBUTES: dict[LiteralString, LiteralString] = {
    "LOGIN": "rolcanlogin",
    "INHERIT": "rolinherit",
    "NOSUPERUSER": "NOT rolsuper",
    "NOBYPASSRLS": "NOT rolbypassrls",
    "NOCREATEROLE": "NOT rolcreaterole",
    "NOCREATEDB": "NOT rolcreatedb",
    "NOREPLICATION": "NOT rolreplication",
}

_MAY_BECOME: LiteralString = f"""
    SELECT coalesce((SELECT pg_has_role(%s, oid, 'MEMBER') FROM pg_roles WHERE rolname = '{ROLE}'), false)
"""

# Of the role, and of every role that it may act as. Its own come first.
_POWERS: LiteralString = """
    SELECT what FROM (
        SELECT rolname, concat('may act as ' || nullif(rolname, %(role)s) || ', which ', what)
        FROM pg_roles, LATERAL (VALUES
            ('is a superuser', rolsuper),
            ('bypasses row-level security', rolbypassrls),
            ('makes roles', rolcreaterole),
            ('replicates the whole server', rolreplication),
            ('acts with the rights of the server', rolname IN
                ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
        ) AS power (what, has)
        WHERE has AND pg_has_role(%(role)s, pg_roles.oid, 'MEMBER')
        UNION ALL
        SELECT rolname, concat('owns ', owned, ' through ' || nullif(rolname, %(role)s))
        FROM pg_roles, LATERAL (
            SELECT 'the database ' || datname FROM pg_database
            WHERE datdba = pg_roles.oid AND datname = current_database()
            UNION ALL SELECT 'the schema ' || nspname FROM pg_namespace
            WHERE nspowner = pg_roles.oid AND pg_namespace.oid = ours.schema
            UNION ALL SELECT relname FROM pg_class WHERE relowner = pg_roles.oid AND relnamespace = ours.schema
            UNION ALL SELECT proname FROM pg_proc WHERE proowner = pg_roles.oid AND pronamespace = ours.schema
        ) AS ownership (owned)
        WHERE pg_has_role(%(role)s, pg_roles.oid, 'MEMBER')
    ) AS found (rolname, what)
    ORDER BY rolname <> %(role)s, rolname, what
""".replace("ours.schema", "(SELECT relnamespace FROM pg_class WHERE pg_class.oid = to_regclass('company'))")

_UNPROTECTED: LiteralString = """
    SELECT CASE relkind
        WHEN 'v' THEN format('ALTER VIEW %I SET (security_invoker = true);', relname)
        WHEN 'm' THEN format('DROP MATERIALIZED VIEW %I;', relname)
        ELSE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;', relname)
    END
    FROM pg_class AS c
    WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('company'))
        AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'company_id')
        AND CASE relkind
            WHEN 'v' THEN NOT coalesce(reloptions @> '{security_invoker=true}', false)
            WHEN 'm' THEN true
            ELSE relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)
        END
    ORDER BY relname
"""


def _mend(connection: Connection, name: str) -> None:
    columns = sql.SQL(", ").join(sql.SQL(test) for test in _ATTRIBUTES.values())
    [row] = connection.execute(sql.SQL("SELECT {} FROM pg_roles WHERE rolname = %s").format(columns), [name]).fetchall()
    if wrong := [sql.SQL(word) for word, right in zip(_ATTRIBUTES, row, strict=True) if not right]:
        connection.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(name), sql.SQL(" ").join(wrong)))


def _one(connection: Connection, question: LiteralString, *parameters: object) -> object:
    [(found,)] = connection.execute(question, parameters).fetchall()
    return found


def _with_login(url: str, name: str, password: str | None) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    login = quote(name, safe="") + (f":{quote(password, safe='')}" if password is not None else "")
    return parts._replace(netloc=f"{login}@{place}").geturl()
