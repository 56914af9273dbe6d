"""The sample ledger: the same every time, importable on any day, with every value that a field may have."""

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import companies, sample
from app.companies import Company
from app.database import Database
from app.imports import Report, import_ledger
from app.imports.columns import FILES
from app.models import metadata

DAY = date(2026, 11, 21)


def load(database: Database, folder: Path, name: str) -> tuple[Company, Report]:
    company = companies.create(
        database, name, currency=sample.BASE_CURRENCY, country=sample.COUNTRY, time_zone=sample.TIME_ZONE
    )
    with database.transaction(company.company_id, write=True) as connection:
        return company, import_ledger(connection, company, [folder])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    sample.write_sample(folder, DAY)
    return folder


@pytest.fixture(scope="module")
def loaded(database: Database, folder: Path) -> tuple[Company, Report]:
    return load(database, folder, sample.NAME)


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_is_the_same_every_time(folder: Path, tmp_path: Path) -> None:
    sample.write_sample(tmp_path, DAY)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2027, 1, 1), date(2031, 7, 15)])
def test_it_is_importable_on_any_day(database: Database, tmp_path: Path, day: date) -> None:
    sample.write_sample(tmp_path, day)
    load(database, tmp_path, f"{sample.NAME} {day}")
    for name, column in (("invoices", "issue_date"), ("payments", "date"), ("activities", "at"), ("fx_rates", "date")):
        latest = max(row[column] for row in rows(tmp_path, name))[:10]
        assert str(day - timedelta(7)) < latest <= str(day), name
    assert str(day) < max(row["due_date"] for row in rows(tmp_path, "invoices"))


def test_it_has_the_size_it_says(loaded: tuple[Company, Report]) -> None:
    inserted = {name: file.inserted for name, file in loaded[1].files.items()}
    assert inserted.keys() == FILES.keys()
    assert (inserted["customers"], inserted["groups"], inserted["invoices"]) == (300, 25, 3_000)
    assert 1_800 <= inserted["payments"] <= 2_200


def test_it_is_lopsided(folder: Path) -> None:
    invoices = Counter(row["customer_id"] for row in rows(folder, "invoices"))
    top = sum(count for _, count in invoices.most_common(30))
    assert top > 0.4 * 3_000
    assert 0 < 300 - len(invoices) < 60
    names = [row["name"] for row in rows(folder, "customers")]
    assert len(set(names)) == len(names)


def occurrences() -> Iterator[Any]:
    """For each column of the tables, the conditions for each of which there must be a row."""
    for file in FILES.values():
        table = metadata.tables[file.table]
        for check in sorted(table.constraints, key=lambda constraint: str(constraint.name)):
            if isinstance(check, sa.CheckConstraint) and "'" in str(check.sqltext):
                name = str(check.sqltext).split()[0]
                for value in str(check.sqltext).split("'")[1::2]:
                    yield pytest.param(table.name, f"{name} = '{value}'", id=f"{table.name}.{name}={value}")
        for column in table.columns:
            if column.name == "derived":
                continue
            conditions = []
            if isinstance(column.type, sa.Boolean):
                conditions = [column.name, f"NOT {column.name}"]
            elif isinstance(column.type, sa.ARRAY):
                conditions = [f"{column.name} = '{{}}'", f"{column.name} <> '{{}}'"]
            elif column.nullable:
                conditions = [f"{column.name} IS NOT NULL", f"{column.name} IS NULL"]
            for condition in conditions:
                yield pytest.param(table.name, condition, id=f"{table.name} {condition}")
    for until in ("IS NULL", f"< '{DAY}'", f"= '{DAY}'", f"> '{DAY}'"):
        condition = f"chasing_paused AND chasing_paused_until {until}"
        yield pytest.param("customer", condition, id=f"customer {condition}")


@pytest.mark.parametrize(("table", "condition"), list(occurrences()))
def test_every_value_occurs(database: Database, loaded: tuple[Company, Report], table: str, condition: str) -> None:
    with database.transaction(loaded[0].company_id) as connection:
        assert connection.execute(f"SELECT FROM {table} WHERE {condition} LIMIT 1").rowcount


@pytest.mark.parametrize("currency", ["EUR", "GBP", "USD"])
def test_three_currencies(database: Database, loaded: tuple[Company, Report], currency: str) -> None:
    with database.transaction(loaded[0].company_id) as connection:
        for table in ("customer", "invoice", "payment", "credit_note", "journal", "promise"):
            assert connection.execute(f"SELECT FROM {table} WHERE currency = '{currency}' LIMIT 1").rowcount, table
