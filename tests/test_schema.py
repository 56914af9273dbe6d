"""The migrations: what they make is what the models say, keeps the rules of a distributed database, and goes away."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from psycopg import sql
from psycopg.rows import scalar_row

from app.migrate import migrate
from app.models import metadata

ALEMBIC_INI = Path(__file__).parents[1] / "alembic.ini"

Connection = psycopg.Connection[str]

# What tables consist of, a line each; no definition names the schema, as it is in the search path.
TABLES = """
    SELECT format('%s column %s: %s %s %s %s null=%s default=%s', c.relname,
                  row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname, a.atttypid::regtype,
                  nullif(a.attcollation, 0)::regcollation, a.attidentity, NOT a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = current_schema::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
    UNION ALL SELECT format('%s %s: %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint
    WHERE connamespace = current_schema::regnamespace AND contype <> 'n'
        AND conrelid <> 'public.alembic_version'::regclass
    UNION ALL SELECT format('%s %s: %s', tablename, indexname, replace(indexdef, current_schema || '.', ''))
    FROM pg_indexes WHERE schemaname = current_schema AND tablename <> 'alembic_version'
    ORDER BY 1
"""

PROTECTION = """
    SELECT format('%s rls=%s forced=%s grants=%s options=%s', relname, relrowsecurity, relforcerowsecurity,
                  ARRAY(SELECT a::text FROM unnest(relacl) a ORDER BY 1), reloptions)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname <> 'alembic_version' AND relkind <> 'i'
    UNION ALL SELECT format('policy %s', p) FROM pg_policies p
    UNION ALL SELECT format('view %s', v) FROM pg_views v WHERE schemaname = 'public'
    ORDER BY 1
"""

# Besides company, alembic_version is the one table that is not a company's.
LINT = r"""
    WITH t AS (
        SELECT c.oid, c.relname, a.attnum AS cid
        FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'company_id'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
    ),
    v AS (SELECT * FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v')
    SELECT relname || ': no company_id bigint NOT NULL' FROM t WHERE NOT EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = t.cid AND a.atttypid = 'int8'::regtype
            AND a.attnotnull AND a.attgenerated = '')
    UNION ALL SELECT 'unique index not led by company_id: ' || i.indexrelid::regclass
    FROM t JOIN pg_index i ON i.indrelid = t.oid AND i.indisunique WHERE i.indkey[0] IS DISTINCT FROM t.cid
    UNION ALL SELECT 'index not led by company_id: ' || i.indexrelid::regclass
    FROM t JOIN pg_index i ON i.indrelid = t.oid AND NOT i.indisunique JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree' WHERE i.indkey[0] IS DISTINCT FROM t.cid
    UNION ALL SELECT 'foreign key not led by company_id on both sides: ' || k.conname
    FROM t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' JOIN t r ON r.oid = k.confrelid
    WHERE k.conkey[1] IS DISTINCT FROM t.cid OR k.confkey[1] IS DISTINCT FROM r.cid
    UNION ALL SELECT 'SET NULL/SET DEFAULT action: ' || k.conname
    FROM t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
    WHERE k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('n', 'd', 'c')
    UNION ALL SELECT 'auto-named foreign key: ' || k.conname
    FROM t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f' WHERE k.conname LIKE t.relname || '\_%\_fkey%'
    UNION ALL SELECT 'trigger: ' || g.tgname FROM t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
    UNION ALL SELECT 'int/smallint sequence default: ' || t.relname || '.' || a.attname
    FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0
            AND a.atttypid IN ('int4'::regtype, 'int2'::regtype)
        LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
    WHERE a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
    UNION ALL SELECT 'materialized view: ' || relname
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'm'
    UNION ALL SELECT 'view without security_invoker: ' || relname
    FROM v WHERE NOT coalesce(v.reloptions @> '{security_invoker=true}', false)
    UNION ALL SELECT 'view depends on more session state than app.as_of: ' || relname
    FROM v WHERE replace(pg_get_viewdef(v.oid), 'current_setting(''app.as_of''::text)', '')
        ~* 'current_setting|current_date|current_user|now\('
    UNION ALL SELECT 'view has no company_id column: ' || relname
    FROM v WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = v.oid AND attname = 'company_id')
    UNION ALL SELECT 'policy with subquery: ' || p.polname
    FROM pg_policy p WHERE pg_get_expr(p.polqual, p.polrelid) ~* '\mselect\M'
    ORDER BY 1
"""

UNPROTECTED = """
    SELECT c.relname FROM pg_class c
    LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}'
        AND pg_get_expr(p.polqual, p.polrelid)
            = '(company_id = (current_setting(''app.company_id''::text))::bigint)'
        AND pg_get_expr(p.polwithcheck, p.polrelid) = pg_get_expr(p.polqual, p.polrelid)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND p.oid IS NOT NULL)
"""

FURTHER_POLICIES = """
    SELECT format('%s on %s for %s', polname, polrelid::regclass,
        CASE polroles WHEN ARRAY[c.relowner] THEN 'its owner' ELSE polroles::regrole[]::text END)
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE polname <> 'same_company'
"""

FUNCTIONS = """
    SELECT format('%s RETURNS %s, %s', oid::regprocedure, pg_get_function_result(oid), array_to_string(proconfig, ' '))
    FROM pg_proc WHERE prosecdef AND pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
"""

GRANTS = """
    SELECT format('%s: %s', relname, string_agg(privilege_type, ' ' ORDER BY privilege_type))
    FROM pg_class c, aclexplode(c.relacl) a
    WHERE relnamespace = 'public'::regnamespace AND a.grantee <> c.relowner
        AND a.grantee IN (0, 'duelist_app'::regrole) GROUP BY relname, a.grantee
"""

COUNTED = """
    SELECT attrelid::regclass::text FROM pg_attribute WHERE attidentity <> '' AND attrelid > 16384
        AND has_sequence_privilege('duelist_app', pg_get_serial_sequence(attrelid::regclass::text, attname), 'USAGE')
"""

LEFT_OVER = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic_version%'
    UNION ALL SELECT format('%s still needs duelist_app', classid::regclass) FROM pg_shdepend
    WHERE refobjid = 'duelist_app'::regrole AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True, row_factory=scalar_row) as connection:
        yield connection


@pytest.fixture
def alembic(database_url: str) -> Config:
    config = Config(ALEMBIC_INI)
    config.attributes["url"] = database_url
    return config


def ask(connection: Connection, question: LiteralString) -> list[str]:
    return connection.execute(question).fetchall()


def test_alembic_finds_no_difference(alembic: Config) -> None:
    command.check(alembic)


def test_the_tables_are_those_of_the_models(connection: Connection, database_url: str) -> None:
    """To the letter: `alembic check` overlooks check constraints, names and the order of columns."""
    migrated = ask(connection, TABLES)
    connection.execute("CREATE SCHEMA models")
    connection.execute("SET search_path = models")
    engine = sa.create_engine(
        database_url.replace("postgresql:", "postgresql+psycopg:", 1),
        connect_args={"options": "-c search_path=models"},
        poolclass=sa.NullPool,
    )
    metadata.create_all(engine)
    modelled = ask(connection, TABLES)
    connection.execute("DROP SCHEMA models CASCADE")
    assert migrated == modelled


def test_down_leaves_nothing_and_up_brings_it_all_back(connection: Connection, alembic: Config) -> None:
    before = ask(connection, TABLES) + ask(connection, PROTECTION)
    command.downgrade(alembic, "base")
    left_over = ask(connection, LEFT_OVER)
    command.upgrade(alembic, "head")
    assert left_over == []
    assert ask(connection, TABLES) + ask(connection, PROTECTION) == before


def test_it_could_be_distributed_by_company(connection: Connection) -> None:
    assert ask(connection, LINT) == ["unique index not led by company_id: uq_company_name"]


def test_all_is_protected(connection: Connection) -> None:
    """Every table of every schema of ours but `alembic_version`, which says what revision this is."""
    assert ask(connection, UNPROTECTED) == []


def test_no_policy_says_more(connection: Connection) -> None:
    """Policies are alternatives: one more that is wide opens the table."""
    assert ask(connection, FURTHER_POLICIES) == ["above_companies on company for its owner"]


def test_no_function_has_rights_of_its_own(connection: Connection) -> None:
    """But the one that says which companies there are: nothing but numbers, and nothing to be asked for more."""
    assert ask(connection, FUNCTIONS) == ["company_ids() RETURNS SETOF bigint, search_path=pg_catalog, pg_temp"]
    assert ask(connection, "SELECT has_function_privilege('public', 'company_ids()', 'EXECUTE')::text") == ["false"]


def test_the_role_owns_nothing(connection: Connection) -> None:
    owned = "SELECT classid::regclass || ' ' || objid FROM pg_shdepend WHERE refobjid = 'duelist_app'::regrole"
    assert ask(connection, f"{owned} AND deptype = 'o'") == []


def test_what_is_granted(connection: Connection) -> None:
    """Nothing to everybody; to the role rows, and nothing that a policy does not govern, as TRUNCATE."""
    tables = set(metadata.tables) - {"company", "audit_entry"}
    views = set(ask(connection, "SELECT viewname FROM pg_views WHERE schemaname = 'public'"))
    assert set(ask(connection, GRANTS)) == {
        *(f"{table}: DELETE INSERT SELECT UPDATE" for table in tables),
        "audit_entry: INSERT SELECT",
        *(f"{relation}: SELECT" for relation in {"company", "alembic_version", *views}),
        *(f"{table}_id_seq: USAGE" for table in ask(connection, COUNTED)),
    }


def test_the_role_has_no_way_around(connection: Connection) -> None:
    role = (
        "SELECT rolname FROM pg_roles WHERE rolname = 'duelist_app' AND NOT (rolcanlogin OR rolsuper OR rolbypassrls)"
    )
    assert ask(connection, role) == ["duelist_app"]


@pytest.fixture
def owner(server_url: str, template: str) -> Iterator[tuple[str, str]]:  # noqa: ARG001
    """A role without rights, by `template` a member of duelist_app, and the URL of an empty database that it owns."""
    name = f"duelist_owner_{os.getpid()}"
    url = urlsplit(server_url)
    query = f"{url.query}&options=-crole%3D{name}".lstrip("&")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} IN ROLE duelist_app").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
        yield name, url._replace(path=f"/{name}", query=query).geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_the_owner_needs_no_rights_and_has_none(owner: tuple[str, str]) -> None:
    """It lists companies, but has to name one to see its rows."""
    name, url = owner
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT current_user").fetchall() == [(name,)]
        connection.execute("INSERT INTO company (name, base_currency, time_zone) VALUES ('one', 'EUR', 'UTC')")
        ((company,),) = connection.execute("SELECT company_id FROM company").fetchall()
        insert = "INSERT INTO fx_rate (company_id, currency, date, rate) VALUES (%s, 'USD', '2026-01-01', 1)"
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute(insert, [company])
        connection.execute(sql.SQL("SET app.company_id = {}").format(str(company)))
        connection.execute(insert, [company])
        connection.execute("SET app.company_id = '0'")
        assert connection.execute("SELECT FROM fx_rate").fetchall() == []
        connection.execute("SET ROLE duelist_app")
