"""Who changed and ran what, in one row each, written with the change itself. Nobody can change or remove a row.

`detail` has names, numbers, versions and fingerprints, never what stands in a ledger or in a filter.
"""

from collections.abc import Generator
from contextlib import closing
from datetime import datetime
from itertools import chain
from typing import Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from app.database import Connection, Database

Document = dict[str, Any]

COMMAND_LINE = "command line"
RETENTION = "retention"
IMPORTED = "ledger imported"
IMPORT_REFUSED = "import refused"


def note(connection: Connection, company_id: int, who: str, action: str, subject: object, **detail: object) -> None:
    """In the transaction of what is noted: neither is there without the other."""
    connection.execute(
        "INSERT INTO audit_entry (company_id, who, action, subject, detail) VALUES (%s, %s, %s, %s, %s)",
        [company_id, who, action, str(subject), Jsonb(detail)],
    )


def note_alone(database: Database, company_id: int, who: str, action: str, subject: object, **detail: object) -> None:
    """For what changes nothing: an answer that leaves, a run that was refused."""
    with database.transaction(company_id, write=True) as connection:
        note(connection, company_id, who, action, subject, **detail)


def exported(
    chunks: Generator[bytes, None, None], database: Database, company_id: int, who: str, subject: str, **detail: object
) -> Generator[bytes, None, None]:
    """Nothing leaves before it is noted; what is refused or fails at its beginning leaves nothing."""
    with closing(chunks):
        first = next(chunks, b"")
        note_alone(database, company_id, who, "exported", subject, **detail)
        yield from chain([first] if first else [], chunks)


def listed(database: Database, company_id: int, limit: int, before: UUID | None = None) -> list[Document]:
    """The newest first; `before` is the id of the last one seen."""
    with database.transaction(company_id) as connection:
        about = {"company": company_id, "before": before, "limit": limit}
        return [_document(*row) for row in connection.execute(_LISTED, about).fetchall()]


_LISTED: LiteralString = """
    SELECT id, at, who, action, subject, detail FROM audit_entry
    WHERE company_id = %(company)s AND (%(before)s::uuid IS NULL
        OR (at, id) < (SELECT at, id FROM audit_entry WHERE company_id = %(company)s AND id = %(before)s))
    ORDER BY at DESC, id DESC LIMIT %(limit)s
"""


def _document(id: Any, at: Any, who: Any, action: Any, subject: Any, detail: Any) -> Document:
    moment: datetime = at
    return {"id": str(id), "at": moment.isoformat(), "who": who, "action": action, "subject": subject, "detail": detail}
