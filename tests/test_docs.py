"""The documentation against the product: the catalog page is made from the catalog; filters shown are accepted."""

import os
import re
from pathlib import Path

import pytest

from dsl import CATALOG, FilterError, analyze
from dsl.catalog import Entity, Field
from dsl.operators import written_for
from dsl.types import Kind
from tests.test_corpus import OF_SAMPLE

DOCS = Path(__file__).parent.parent / "docs"


def catalog_page() -> str:
    parts = [
        "# The catalog",
        "Every entity and field a filter can name. Generated from `dsl/catalog.py` by"
        " `DUELIST_UPDATE=1 python3 dev.py test tests/test_docs.py`.",
        *(_entity(entity) for entity in CATALOG.entities.values()),
    ]
    return "\n\n".join(parts) + "\n"


def _entity(entity: Entity) -> str:
    rows = [f"| `{field.name}` | {field.label} | {_type(field)} | {field.help} |" for field in entity.fields.values()]
    header = ["| field | label | type | what it is |", "|---|---|---|---|"]
    return "\n".join([f"## {entity.name}", "", entity.help, "", *header, *rows])


def _type(field: Field) -> str:
    kind = field.type
    if kind.kind is Kind.CHOICE:
        return f"choice: {', '.join(kind.choices)}" + (" (ordered)" if kind.ordered else "")
    return str(kind)


def test_the_catalog_page_is_up_to_date() -> None:
    page = DOCS / "catalog.md"
    if os.environ.get("DUELIST_UPDATE"):
        page.write_text(catalog_page())
    assert page.read_text() == catalog_page()


FILTERS = [
    line
    for block in re.findall(r"```\n(.*?)```", (DOCS / "language.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("text", FILTERS)
def test_every_filter_of_the_language_page_is_accepted(text: str) -> None:
    try:
        analyze(text, OF_SAMPLE)
    except FilterError as wrong:
        pytest.fail(f"{text}: {wrong}")


def test_examples_of_the_catalog_are_accepted() -> None:
    for entity in CATALOG.entities.values():
        for field in entity.fields.values():
            assert field.type.kind is Kind.FLAG or written_for(field.type)
            if field.example:
                analyze(f"{entity.name}.{field.name} {field.example}", CATALOG)


def test_whatever_the_threat_model_names_exists() -> None:
    page = re.sub(r"<!--.*?-->", "", (DOCS.parent / "SECURITY.md").read_text(), flags=re.DOTALL)
    named = set(re.findall(r"`((?:app|dsl|tests|migrations)/[\w/.]*)`", page))
    assert len(named) > 30
    assert not {name for name in named if not (DOCS.parent / name).exists()}
    assert [f"API{number}" for number in range(1, 11)] == re.findall(r"\*\*(API\d+) ", page)
