"""What a company has defined for its filters: read in its own transaction, wherever a filter or a file is."""

from psycopg.rows import kwargs_row, tuple_row

from app.database import Connection
from dsl import CATALOG, Catalog
from dsl.catalog import Custom, custom_type, with_custom, with_segments
from dsl.types import Kind


def catalog_of(connection: Connection) -> Catalog:
    return with_segments(with_custom(CATALOG, fields_of(connection)), segments_of(connection))


def segments_of(connection: Connection) -> dict[str, str]:
    """Their filters by name."""
    return dict(connection.cursor(row_factory=tuple_row).execute(_SEGMENTS).fetchall())


_SEGMENTS = "SELECT name, filter FROM segment WHERE company_id = current_setting('app.company_id')::bigint"


def fields_of(connection: Connection) -> list[Custom]:
    """By entity and name."""
    return connection.cursor(row_factory=kwargs_row(_custom)).execute(_FIELDS).fetchall()


# Also a role that row-level security does not bind sees the fields of one company.
_FIELDS = """
    SELECT entity, name, type, label, choices, is_ordered FROM custom_field
    WHERE company_id = current_setting('app.company_id')::bigint
    ORDER BY entity COLLATE "C", name COLLATE "C"
"""


def _custom(entity: str, name: str, type: str, label: str, choices: list[str], is_ordered: bool) -> Custom:
    return Custom(entity, name, custom_type(Kind(type), choices, ordered=is_ordered), label)
