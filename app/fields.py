"""The fields that a company defines itself. Values are text until their field is defined; then each reads as a value of
its type, or the definition is refused: so no question meets a value that it cannot read."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Literal

from psycopg import sql
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Described

from app import audit_log, kept
from app.companies import Company
from app.database import Connection, Database
from app.problems import Problem, error
from app.values import BadCell, own, reader, shown
from app.vocabulary import fields_of
from dsl import CATALOG
from dsl.catalog import Custom, custom_type
from dsl.types import Kind

Document = dict[str, Any]
TypeName = Literal["text", "choice", "number", "count", "percent", "money", "date", "flag", "set"]

MOST_FIELDS = 100
_MOST_NAMED = 10
_AT_ONCE = 5_000


class Definition(BaseModel):
    """What a field is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    type: TypeName
    label: str | None = Described(None, description="what it is called in sentences; the name when absent")
    choices: list[str] = Described([], description="the values of a choice")
    ordered: bool = Described(False, description="the values of a choice are in order, the least first")


def listed(database: Database, company: Company) -> list[Document]:
    with database.transaction(company.company_id) as connection:
        return [_document(field) for field in fields_of(connection)]


def define(database: Database, company: Company, entity: str, name: str, definition: Definition, who: str) -> Document:
    """Makes the field, or makes it what the definition says; all values that are there must fit."""
    field = _field(entity, name, definition)
    with database.transaction(company.company_id, write=True, timeout_ms=0) as connection:
        store(connection, company.company_id, field, who)
    return _document(field)


def remove(database: Database, company: Company, entity: str, name: str, who: str) -> None:
    """The values stay, as text."""
    with database.transaction(company.company_id, write=True, timeout_ms=0) as connection:
        kept.lock(connection, company.company_id)
        if not any((field.entity, field.name) == (entity, name) for field in fields_of(connection)):
            detail = f"There is no field of your own {shown(f'{entity}.{name}')}."
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-field", detail)
        connection.execute(_REMOVE, [company.company_id, entity, name])
        audit_log.note(connection, company.company_id, who, "field removed", f"{entity}.{name}")


_REMOVE = "DELETE FROM custom_field WHERE company_id = %s AND entity = %s AND name = %s"


def store(connection: Connection, company_id: int, field: Custom, who: str) -> None:
    """In the transaction that the connection is in. Imports wait, or are waited for."""
    kept.lock(connection, company_id)
    known = fields_of(connection)
    if field in known:
        return
    _check_beside(field, [other for other in known if (other.entity, other.name) != (field.entity, field.name)])
    _fit_values(connection, company_id, field)
    type = field.type
    parameters = [company_id, field.entity, field.name, type.kind.value, field.label, list(type.choices), type.ordered]
    connection.execute(_STORE, parameters)
    audit_log.note(connection, company_id, who, "field defined", f"{field.entity}.{field.name}", type=type.kind.value)


_STORE = """
    INSERT INTO custom_field (company_id, entity, name, type, label, choices, is_ordered)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (company_id, entity, name) DO UPDATE
    SET (type, label, choices, is_ordered) = (EXCLUDED.type, EXCLUDED.label, EXCLUDED.choices, EXCLUDED.is_ordered)
"""


def _document(field: Custom) -> Document:
    return {
        "entity": field.entity,
        "name": field.name,
        "type": field.type.kind.value,
        "label": field.label,
        "choices": list(field.type.choices),
        "ordered": field.type.ordered,
    }


# ---------------------------------------------------------------- what may be defined


def _field(entity: str, name: str, definition: Definition) -> Custom:
    type = custom_type(Kind(definition.type), definition.choices, ordered=definition.ordered)
    label = name.replace("_", " ").strip() or name if definition.label is None else definition.label
    try:
        return Custom(entity, name, type, label)
    except ValueError as wrong:
        raise _refused("bad-field", f"This cannot be a field: {wrong}.") from wrong


def _check_beside(field: Custom, others: list[Custom]) -> None:
    beside = [other for other in others if other.entity == field.entity]
    if len(beside) >= MOST_FIELDS:
        raise _refused("too-many-fields", f"There are {MOST_FIELDS} fields of {field.entity} already, the most.")
    for other in beside:
        if other.label.casefold() == field.label.casefold():
            detail = f'{other.entity}.{other.name} has the label "{other.label}" already; give this field another.'
            raise _refused("label-taken", detail)


def _refused(code: str, detail: str, errors: list[Document] | None = None) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, code, detail, errors=errors or [])


# ---------------------------------------------------------------- the values that are there


def _fit_values(connection: Connection, company_id: int, field: Custom) -> None:
    """Brings them to the one spelling of the type."""
    read = reader(own(field.type), required=False)
    spelled: dict[str, object] = {}
    faults: list[Document] = []
    count = 0
    for source_id, value in _values(connection, company_id, field):
        try:
            if (spelling := read(value)) != value:
                spelled[value] = spelling
        except BadCell as fault:
            count += 1
            if count <= _MOST_NAMED:
                message = f"{shown(source_id)}: {fault.message}"
                faults.append(error(fault.code, message, source_id=source_id))
    if faults:
        raise _refused("values-do-not-fit", _do_not_fit(field, faults, count), faults)
    if spelled:
        parameters = {"company": company_id, "name": field.name, "old": list(spelled), "new": list(spelled.values())}
        connection.execute(sql.SQL(_SPELL).format(_table(field)), parameters)


def _do_not_fit(field: Custom, faults: list[Document], count: int) -> str:
    entity = CATALOG.entities[field.entity]
    of = f"one {entity.name} has a value" if count == 1 else f"{count:,} {entity.plural} have values"
    named = "; ".join(str(fault["message"]) for fault in faults)
    return f"{of[0].upper()}{of[1:]} that {field.type} does not fit: {named}{'; …' if count > len(faults) else '.'}"


def _values(connection: Connection, company_id: int, field: Custom) -> Iterator[tuple[str, str]]:
    with connection.cursor(name="values") as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(sql.SQL(_VALUES).format(_table(field)), {"company": company_id, "name": field.name})
        for source_id, value in cursor:
            yield str(source_id), str(value)


def _table(field: Custom) -> sql.Identifier:
    return sql.Identifier(CATALOG.entities[field.entity].relation)


_VALUES = """
    SELECT source_id, custom ->> %(name)s FROM {}
    WHERE company_id = %(company)s AND custom ? %(name)s
    ORDER BY source_id
"""

_SPELL = """
    UPDATE {} AS row SET custom = jsonb_strip_nulls(custom || jsonb_build_object(%(name)s::text, spelled.new))
    FROM unnest(%(old)s::text[], %(new)s::text[]) AS spelled (old, new)
    WHERE row.company_id = %(company)s AND row.custom ->> %(name)s = spelled.old
"""
