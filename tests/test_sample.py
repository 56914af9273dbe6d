"""The sample ledger: the same every time, importable on any day, and with every value that a field may have."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import pytest

from app import sample
from app.database import Database
from app.imports import import_ledger
from app.imports.columns import FILES
from app.models import metadata
from tests.test_imports import make_company

DAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    sample.write_sample(folder, DAY)
    return folder


def rows_of(database: Database, company_id: int, query: str) -> list[tuple[object, ...]]:
    with database.transaction(company_id, as_of=DAY) as connection:
        return connection.execute(query).fetchall()
