"""The catalog for programs: every entity and field a filter can name, and the operators each type takes."""

from typing import Any

from app.companies import Company
from dsl.catalog import Catalog, Entity, Field
from dsl.operators import written_for
from dsl.types import Kind, Type

Document = dict[str, Any]


def described(catalog: Catalog) -> Document:
    return {"entities": [_entity(entity) for entity in catalog.entities.values()], "operators": _operators()}


def company_of(company: Company) -> Document:
    return {
        "name": company.name,
        "country": company.country,
        "base_currency": company.base_currency,
        "time_zone": company.time_zone,
        "today": company.today,
    }


def _entity(entity: Entity) -> Document:
    return {
        "name": entity.name,
        "plural": entity.plural,
        "help": entity.help,
        "fields": [_field(field) for field in entity.fields.values()],
    }


def _field(field: Field) -> Document:
    return {
        "name": field.name,
        "label": field.label,
        "type": field.type.kind,
        "choices": list(field.type.choices),
        "operators": written_for(field.type),
        "help": field.help,
        "example": field.example,
    }


def _operators() -> list[Document]:
    """In the order in which the first type that takes it has it."""
    types: dict[str, list[str]] = {}
    for kind in Kind:
        for symbol in written_for(Type(kind)):
            types.setdefault(symbol, []).append(kind)
    return [{"symbol": symbol, "types": kinds} for symbol, kinds in types.items()]
