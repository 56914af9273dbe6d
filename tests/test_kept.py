"""What is kept of the metrics is what the live views say, row for row, whatever is imported and however days go by."""

import random
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app import kept
from app.database import Connection, Database
from app.kept import KEPT, Keeper, Verdict, kept_day, rebuild, refresh, relations, verify
from app.planner import refresh_statistics
from dsl.frames import Relations
from tests.chaos.world import soon
from tests.oracle.ledger import write_folder
from tests.oracle.random_ledgers import random_ledger
from tests.test_imports import Company, make_company
from tests.worlds import TODAY, load

BY_SOURCE_ID = "SELECT {} FROM customer_metrics JOIN customer ON id = customer_id ORDER BY source_id"
WELL = dict.fromkeys(KEPT, 0)
ROUNDS = 12


def company_on(database: Database, day: date) -> Company:
    return Company(database, make_company(database).company_id, "EUR", "Europe/Berlin", day)


@pytest.fixture
def company(database: Database) -> Company:
    return company_on(database, TODAY)


def day_kept(company: Company) -> date | None:
    with company.database.transaction(company.company_id) as connection:
        return kept_day(connection, company.company_id)


def is_kept(company: Company, day: date) -> None:
    with company.database.transaction(company.company_id) as connection:
        assert verify(connection, company.company_id) == Verdict(day, WELL)


@pytest.mark.parametrize("share", [0, 1], ids=["all at once", "one by one"])
@pytest.mark.parametrize("seed", range(4))
def test_it_stays_equal_over_imports_and_days(
    database: Database, seed: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_MOST", share)
    first = load(database, 10 * seed + share)
    rng = random.Random(seed)
    day, rows = first.case.today, first.case.rows
    for _ in range(ROUNDS):
        day += timedelta(days=rng.choice([0, 0, 1, 1, 2, 16, 31, 365]))
        on = Company(database, first.company_id, first.case.company.base_currency, first.case.company.time_zone, day)
        if rng.random() < 0.6:
            other = random_ledger(rng, first.case.company, day, day)
            filled = [name for name in rows if rows[name]]
            names = rng.sample(filled, rng.randint(1, 4))
            part = {name: mixed(rng, rows[name], other.get(name, [])) for name in names}
            with tempfile.TemporaryDirectory() as folder:
                write_folder(Path(folder), part)
                on.run(Path(folder), skip_bad_rows=True)
        else:
            with database.transaction(on.company_id, write=True) as connection:
                kept.lock(connection, on.company_id)
                refresh(connection, on.company_id, day)
        is_kept(on, day)


def mixed(
    rng: random.Random, rows: Sequence[Mapping[str, str]], others: Sequence[Mapping[str, str]]
) -> list[Mapping[str, str]]:
    """A part of the rows, a third of them with the values that their namesakes have in another ledger."""
    chosen = rng.sample(rows, rng.randint(min(1, len(rows)), len(rows)))
    namesakes = {row["source_id"]: row for row in others if "source_id" in row}
    return [namesakes.get(row.get("source_id", ""), row) if rng.random() < 0.5 else row for row in chosen]


@pytest.mark.parametrize("edge", [0, 1, 29, 30, 31, 44, 45, 46, 59, 60, 61, 89, 90, 91, 364, 365, 366])
def test_a_new_day_writes_those_again_who_cross_an_edge(company: Company, edge: int) -> None:
    """Each edge alone, a day before and after: nobody else is touched."""
    due = TODAY - timedelta(days=edge)
    invoices = f"source_id,customer_id,issue_date,due_date,amount\nI1,C1,{due},{due},100\nI2,C2,2025-12-01,,100\n"
    company.load({"customers": "source_id\nC1\nC2\nC3\n", "invoices": invoices})
    for days in range(1, 4):
        day = TODAY + timedelta(days=days)
        with company.database.transaction(company.company_id, write=True) as connection:
            assert refresh(connection, company.company_id, day) <= 1
        is_kept(company, day)


# After a leap day twelve months and 365 days do not begin on the same day.
@pytest.mark.parametrize("age", [364, 365, 366, 367])
def test_a_new_day_writes_those_again_who_leave_a_window(database: Database, age: int) -> None:
    first = date(2028, 3, 30)
    company = company_on(database, first)
    issued = date(2028, 3, 31) - timedelta(days=age)
    row = f"I1,C1,{issued},{issued},100,0,2027-05-05"
    invoices = f"source_id,customer_id,issue_date,due_date,amount,balance,settled_on\n{row}\n"
    company.load({"customers": "source_id\nC1\nC2\n", "invoices": invoices})
    for days in range(1, 4):
        with company.database.transaction(company.company_id, write=True) as connection:
            refresh(connection, company.company_id, first + timedelta(days=days))
        is_kept(company, first + timedelta(days=days))


def test_a_group_and_its_members_know_of_each_other(company: Company) -> None:
    customers = "source_id,name,group\nC1,Top,G1\nC2,Member,G1\nC3,Other,G2\n"
    company.load({"groups": "source_id,parent,credit_limit\nG1,C1,10\n", "customers": customers})
    is_kept(company, TODAY)
    company.load({"customers": "source_id,name\nC1,Renamed\n"})
    is_kept(company, TODAY)
    company.load({"groups": "source_id,parent,credit_limit\nG2,C3,0\nG3,C2,5\n"})
    is_kept(company, TODAY)
    company.load({"customers": "source_id,group\nC2,G3\n"})
    is_kept(company, TODAY)
    company.load({"customers": "source_id,group\nC2,\n"})
    is_kept(company, TODAY)
    assert company.rows(BY_SOURCE_ID.format("group_parent")) == [
        ("Renamed",),
        (None,),
        ("Other",),
    ]


def test_a_document_that_moves_concerns_both_customers(company: Company) -> None:
    invoices = "source_id,customer_id,issue_date,amount\nI1,C1,2026-01-01,100\n"
    company.load({"customers": "source_id\nC1\nC2\n", "invoices": invoices})
    company.load({"invoices": invoices.replace("C1", "C2")})
    is_kept(company, TODAY)
    assert company.rows(BY_SOURCE_ID.format("open_invoices")) == [(0,), (1,)]


def test_a_rate_that_begins_to_hold_is_a_change_of_day(company: Company) -> None:
    tomorrow = TODAY + timedelta(days=1)
    files = {
        "customers": "source_id,currency\nC1,EUR\nC2,EUR\nC3,USD\n",
        "invoices": "source_id,customer_id,issue_date,amount,currency\nI1,C1,2026-01-01,100,USD\n",
        "fx_rates": f"currency,date,rate\nUSD,2026-01-01,0.5\nUSD,{tomorrow},2\n",
    }
    company.load(files)
    is_kept(company, TODAY)
    with company.database.transaction(company.company_id, write=True) as connection:
        refresh(connection, company.company_id, tomorrow)
    is_kept(company, tomorrow)
    assert company.rows(BY_SOURCE_ID.format("balance_total"))[0] == (2_000_000,)
    replace(company, today=tomorrow).load({"fx_rates": f"currency,date,rate\nUSD,{tomorrow},4\n"})
    is_kept(company, tomorrow)
    assert company.rows(BY_SOURCE_ID.format("balance_total"))[0] == (4_000_000,)


def test_an_import_that_changes_nothing_touches_nobody(company: Company) -> None:
    files = {
        "customers": "source_id\nC1\n",
        "invoices": "source_id,customer_id,issue_date,amount\nI1,C1,2026-01-01,1\n",
    }
    company.load(files)
    with company.database.transaction(company.company_id, write=True) as connection:
        assert refresh(connection, company.company_id, TODAY) == 0
    before = company.rows("SELECT xmin::text FROM customer_metrics")
    company.load(files)
    assert company.rows("SELECT xmin::text FROM customer_metrics") == before


def test_where_a_sum_is_too_large_nothing_is_kept_and_the_views_answer(company: Company) -> None:
    large = "900000000000000"
    rows = "".join(f"I{n},C1,2026-01-01,{large}\n" for n in range(2))
    company.load({"customers": "source_id\nC1\n", "invoices": f"source_id,customer_id,issue_date,amount\n{rows}"})
    with company.database.transaction(company.company_id, TODAY) as connection:
        assert kept_day(connection, company.company_id) is None
        assert relations(connection, company, TODAY) is Relations.LIVE
        [(total,)] = connection.execute("SELECT balance_total FROM customer_metrics_live")
    assert total == 2 * Decimal(large) * 10_000
    company.load({"invoices": "source_id,customer_id,issue_date,amount\nI0,C1,2026-01-01,1\n"})
    is_kept(company, TODAY)


def test_which_relations_answer_for_a_day(company: Company) -> None:
    company.load({"customers": "source_id\nC1\n"})
    day = timedelta(days=1)

    def found(connection: Connection, as_of: date) -> Relations:
        return relations(connection, company, as_of)

    with company.database.transaction(company.company_id) as connection:
        assert [found(connection, TODAY + day * step) for step in (-1, 0, 1)] == [
            Relations.HISTORIC,
            Relations.KEPT,
            Relations.LIVE,
        ]
    tomorrow = replace(company, today=TODAY + day)
    with company.database.transaction(company.company_id) as connection:
        assert relations(connection, tomorrow, TODAY + day) is Relations.LIVE


def test_a_wrong_row_is_found_and_mended(company: Company) -> None:
    company.load({"customers": "source_id\nC1\nC2\n"})
    with company.database.transaction(company.company_id, write=True) as connection:
        connection.execute(
            "UPDATE customer_metrics SET open_invoices = 7 WHERE customer_id = (SELECT min(id) FROM customer)"
        )
        found = verify(connection, company.company_id)
        assert found.differing == {"customer_metrics": 2, "group_metrics": 0, "company_metrics": 0}
        assert not found.is_well
        assert rebuild(connection, company.company_id, TODAY) == 2
    is_kept(company, TODAY)


def test_who_was_taken_away_by_hand_is_no_longer_counted(company: Company) -> None:
    company.load({"customers": "source_id,group\nC1,G1\nC2,G2\n"})
    with company.database.transaction(company.company_id, write=True) as connection:
        connection.execute(
            "DELETE FROM customer WHERE source_id = 'C1'; DELETE FROM customer_group WHERE source_id = 'G1'"
        )
        assert verify(connection, company.company_id).differing["customer_metrics"] == 1
        rebuild(connection, company.company_id, TODAY)
        for table in ("customer_metrics", "group_metrics"):
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchall() == [(1,)]
    is_kept(company, TODAY)


def test_groups_are_not_each_looked_for_among_all_customers(company: Company) -> None:
    """At the first import all that is known of the tables is of another company, a small one."""
    customers = 1_500
    company_on(company.database, TODAY).load({"customers": "source_id,group\nC1,G1\n"})
    refresh_statistics(company.database)
    folder = "source_id,group\n" + "".join(f"C{n},G{n // 3}\n" for n in range(customers))
    company.load({"customers": folder})
    with company.database.transaction(company.company_id, write=True) as connection:
        kept.forget(connection, company.company_id)
        before = read_of_metrics(connection)
        rebuild(connection, company.company_id, TODAY)
        assert read_of_metrics(connection) - before < 20 * customers
    is_kept(company, TODAY)


def read_of_metrics(connection: Connection) -> int:
    """Rows, by this transaction."""
    question = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'customer_metrics'"
    [(rows,)] = connection.execute(question).fetchall()
    return int(str(rows))


def test_the_keeper_brings_a_company_to_its_new_day(company: Company) -> None:
    company.load({"customers": "source_id\nC1\n"})
    tomorrow = replace(company, today=TODAY + timedelta(days=1))
    with closing(Keeper(company.database)) as keeper:
        keeper.consider(tomorrow)
        keeper.consider(tomorrow)
        assert soon(lambda: day_kept(company) == tomorrow.today, 30)
    is_kept(company, TODAY + timedelta(days=1))


def test_a_keeper_that_cannot_go_on_does_not_keep_the_service(company: Company) -> None:
    """It waits for whoever changes the ledger, for as long as that takes."""
    company.load({"customers": "source_id\nC1\n"})
    keeper = Keeper(company.database)
    with company.database.transaction(company.company_id, write=True) as connection:
        kept.lock(connection, company.company_id)
        keeper.consider(replace(company, today=TODAY + timedelta(days=1)))
        assert soon(lambda: waits_for_a_lock(connection), 30)
        leaving = threading.Thread(target=keeper.close, daemon=True)
        leaving.start()
        leaving.join(30)
        assert not leaving.is_alive()
        assert waits_for_a_lock(connection)
        assert [thread.daemon for thread in threading.enumerate() if thread.name == "keeper"] == [True]
    assert soon(lambda: day_kept(company) == TODAY + timedelta(days=1), 30)


def waits_for_a_lock(connection: Connection) -> bool:
    question = """
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
    """
    return bool(connection.execute(question).fetchall())
