"""The analyst's page in a browser: what a person does there, and what they see.

Every page is watched: none asks anything of another origin, breaks the Content-Security-Policy or throws.
"""

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

import dev
from app import auth
from app.companies import Company
from app.database import Database
from app.planner import refresh_statistics
from tests.browser import Opened, free_port, is_accessible, launched, new_context, serving
from tests.served import company_with

SEED = "invoice.balance > 1000 AND payment.amount > 500 AND customer.rating = 'D'"
HACK = "<img src=x onerror=window.hacked=1>"
MANY = 120
TEN_THOUSAND = 10_050

Open = Callable[..., Opened]


def ledger() -> dict[str, str]:
    """Of 120 customers one in four is rated D. Of those with big invoices and payments, C004 is paused."""
    customers = ["source_id,name,rating,chasing_paused,group,country"]
    invoices = ["source_id,customer_id,issue_date,due_date,amount,reference"]
    payments = ["source_id,customer_id,date,amount,unallocated"]
    for number in range(1, MANY + 1):
        name = {4: "Paused Ltd", 8: HACK, 12: '"><script>window.hacked=1</script>'}.get(number, f"Customer {number}")
        row = [f"C{number:03}", name, "ABCD"[number % 4 - 1], str(number == 4).lower(), f"G{number % 5}", "DE"]
        customers.append(",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row))
        amount = 2000 + number if number <= 16 else 900
        invoices.append(f"I{number:03},C{number:03},2026-01-01,2026-02-{number % 28 + 1:02},{amount},{HACK}")
        payments.append(f"P{number:03},C{number:03},2026-03-01,{600 if number <= 16 else 100},0")
    return {"customers": "\n".join(customers), "invoices": "\n".join(invoices), "payments": "\n".join(payments)}


# ---------------------------------------------------------------- what is served


@pytest.fixture(scope="module")
def company(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Company:
    company = company_with(database, "Paper & Co", tmp_path_factory.mktemp("ledger"), ledger())
    refresh_statistics(database)
    return company


@pytest.fixture(scope="module")
def key(database: Database, company: Company) -> str:
    return auth.create_key(database, company, "admin")


@pytest.fixture(scope="module")
def reading_key(database: Database, company: Company) -> str:
    return auth.create_key(database, company, "read")


@pytest.fixture(scope="module")
def many_key(database: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    customers = "\n".join(["source_id", *(f"M{number:05}" for number in range(TEN_THOUSAND))])
    company = company_with(database, "Many & Co", tmp_path_factory.mktemp("many"), {"customers": customers})
    refresh_statistics(database)
    return auth.create_key(database, company, "read")


@pytest.fixture(scope="module")
def address(database_url: str, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(database_url, tmp_path_factory.mktemp("served"), key, free_port()) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Whoever opens the page a second time has the script already."""
    context = new_context(browser)
    yield context
    context.close()


@pytest.fixture
def opened(browser: Browser, context: BrowserContext, address: str) -> Iterator[Open]:
    """A page of its own; with options, of a browser that was never here."""
    with ExitStack() as stack:

        def open_(**options: Any) -> Opened:
            if options:
                own = stack.enter_context(closing(new_context(browser, **options)))
            made = Opened(own if options else context, address)
            stack.callback(made.close)
            return made

        yield open_


def counts(page: Page, customers: int, invoices: int, payments: int) -> None:
    for number, kind in ((customers, "customer"), (invoices, "invoice"), (payments, "payment")):
        shown = re.compile(rf"^{number} {kind}s?$")
        # Looked for with each frame; an expectation looks again only after half a second, and later still.
        page.locator(".summary:not(.stale) .count").filter(has_text=shown).wait_for()


def editor(page: Page) -> str:
    lines: list[str] = page.locator(".cm-line").all_inner_texts()
    return "\n".join(lines)


def write(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Filter as text").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.keyboard.press("Escape")


def pick(page: Page, field: str) -> None:
    page.keyboard.type(field)
    expect(page.locator('[role=option][aria-selected="true"]')).to_contain_text(field.capitalize())
    page.keyboard.press("Enter")


# ---------------------------------------------------------------- the bundle


def test_the_bundle_is_built_from_these_sources() -> None:
    assert dev.BUILT_FROM.read_text() == dev.page_digests(), "run: python3 dev.py web"


def test_the_lock_names_no_address() -> None:
    assert dev.addresses_in(re.sub(r'"url": "[^"]*"', "", (dev.WEB / "package-lock.json").read_text())) == []


def test_the_sources_write_no_markup() -> None:
    for path in (dev.WEB / "src").rglob("*.ts*"):
        text = path.read_text()
        assert "://" not in text, path
        assert not re.search(r"innerHTML|dangerously|document\.write|insertAdjacent|eval\(", text), path


def test_the_page_is_light(browser: Browser, address: str) -> None:
    context = browser.new_context()
    sizes = []
    page = context.new_page()
    page.on("response", lambda response: sizes.append(response.request.sizes()["responseBodySize"]))
    page.goto(address)
    expect(page.locator(".funnel-bars canvas")).to_be_visible()
    context.close()
    assert 100_000 < sum(sizes) < 400_000


# ---------------------------------------------------------------- the filter as text


def test_the_seed_filter_is_written_with_completion(opened: Open) -> None:
    page = opened().go(all="true")
    counts(page, MANY, MANY, 0)
    page.get_by_role("textbox", name="Filter as text").click()
    for typed, chosen in (("inv", "invoice."), ("bala", "balance")):
        page.keyboard.type(typed)
        expect(page.locator(".cm-tooltip-autocomplete li[aria-selected]")).to_have_text(re.compile(f"^{chosen}"))
        page.wait_for_timeout(100)  # the list takes no key in its first moment
        page.keyboard.press("Enter")
    page.keyboard.type("> 1000 AND payment.amount > 500 AND customer.rating = ")
    page.keyboard.press("Control+Space")
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("'D'")
    page.keyboard.press("Escape")
    page.keyboard.type("'D'")
    counts(page, 4, 4, 4)
    assert editor(page).split() == SEED.split()
    expect(page.locator(".sentence")).to_have_text(
        "Customers with one invoice whose balance is over 1,000, and with one payment whose amount is over 500,"
        " and whose rating is 'D'."
    )


def test_a_typo_is_mended_by_its_fix(opened: Open) -> None:
    page = opened().go(filter="invoice.balanc > 1000")
    expect(page.locator(".cm-lintRange-error")).to_have_text("invoice.balanc")
    page.get_by_role("button", name="Did you mean balance?").click()
    counts(page, 16, 16, 0)
    assert editor(page) == "invoice.balance > 1000"
    expect(page.locator(".cm-lintRange-error")).to_have_count(0)


def test_what_may_come_next_is_offered_by_itself(opened: Open) -> None:
    page = opened().go(all="true")
    page.get_by_role("textbox", name="Filter as text").click()
    for typed, offered in (("customer.", "rating"), ("rating = ", "'D'")):
        page.keyboard.type(typed)
        expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text(offered)
        page.keyboard.press("Escape")
    page.keyboard.type("'D' ")
    counts(page, 30, 30, 0)
    expect(page.locator(".cm-tooltip-autocomplete")).to_have_count(0)


def test_what_was_typed_while_completions_were_under_way_is_completed(opened: Open) -> None:
    page = opened().go(all="true")
    held: list[Route] = []
    page.route(
        "**/v1/complete",
        lambda route: (held.append if route.request.post_data_json["text"].endswith("rating ") else Route.continue_)(
            route
        ),
    )
    page.get_by_role("textbox", name="Filter as text").click()
    page.keyboard.type("customer.rating ")
    for _ in range(1500):
        if held:
            break
        page.wait_for_timeout(20)
    page.keyboard.type("= ")
    held[0].continue_()
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("'D'")


def test_places_count_characters(opened: Open) -> None:
    page = opened().go(filter="customer.name != '😀😀' AND invoice.balanc > 1000")
    expect(page.locator(".cm-lintRange-error")).to_have_text("invoice.balanc")
    page.get_by_role("button", name="Did you mean balance?").click()
    counts(page, 16, 16, 0)


def test_a_key_formats_and_what_is_selected_is_typed_over(opened: Open) -> None:
    page = opened().go(filter="customer.rating='D'   and invoice.balance>1000")
    page.get_by_role("textbox", name="Filter as text").click()
    page.keyboard.press("Shift+Alt+F")
    expect(page.locator(".cm-content")).to_have_text("customer.rating = 'D' AND invoice.balance > 1000")
    write(page, "invoice.balanc > 2010")
    expect(page.locator(".cm-lintRange-error")).to_have_count(1)
    page.keyboard.press("Control+a")
    page.keyboard.type("invoice.balance > 2010")
    expect(page.locator(".cm-content")).to_have_text("invoice.balance > 2010")


NOTING_CANCELLED = """() => {
    const [ask, cancelled] = [window.fetch, []];
    window.cancelled = cancelled;
    window.fetch = (path, options) => {
        let isOver = false;
        options?.signal?.addEventListener('abort', () => isOver || cancelled.push(path));
        return ask(path, options).finally(() => (isOver = true));
    };
}"""


def test_the_old_answer_stays_until_the_new_one_is_there(opened: Open) -> None:
    page = opened().go(filter=SEED)
    counts(page, 4, 4, 4)
    held: list[Route] = []
    page.evaluate(NOTING_CANCELLED)
    page.route("**/v1/preview", lambda route: route.continue_() if held else held.append(route))
    write(page, "customer.rating = 'A'")
    expect(page.locator(".summary.stale")).to_contain_text("rating is 'D'")
    expect(page.locator(".summary.stale .count").first).to_have_text("4 customers")
    while not held:
        page.wait_for_timeout(20)
    assert page.evaluate("window.cancelled") == []
    write(page, "customer.rating = 'B'")
    expect(page.locator(".sentence")).to_have_text("Customers whose rating is 'B'.")
    assert page.evaluate("window.cancelled") == ["/v1/preview"]


# ---------------------------------------------------------------- the builder


def test_the_builder_and_the_text_are_in_step(opened: Open) -> None:
    page = opened().go(filter=SEED)
    line = page.get_by_role("group", name="Invoice condition 1")
    expect(line.get_by_role("combobox", name="field")).to_have_value("Balance")
    line.get_by_role("textbox", name="balance: value").fill("2,010")
    expect(page.locator(".cm-content")).to_contain_text("invoice.balance > 2010")
    counts(page, 2, 2, 2)

    page.get_by_role("button", name="Add customer condition").click()
    pick(page, "rating")
    added = page.get_by_role("group", name="Customer condition 2")
    added.get_by_label("operator").select_option("IN")
    for rating in ("A", "D"):
        added.get_by_role("checkbox", name=rating).check(force=True)
    expect(page.locator(".cm-content")).to_contain_text("customer.rating IN ('A', 'D')")

    page.get_by_role("switch", name="Target specific payments").uncheck()
    expect(page.locator(".cm-content")).not_to_contain_text("payment")
    page.get_by_role("switch", name="Target specific payments").check()
    expect(page.locator(".cm-content")).to_contain_text("payment.amount > 500")

    write(page, "customer.last_payment_date < today - 2 MONTHS AND invoice.balance BETWEEN 10 EUR AND 3000 EUR")
    first = page.get_by_role("group", name="Customer condition 1")
    expect(first.get_by_role("combobox", name="field")).to_have_value("Date of last payment received")
    expect(first.get_by_label("how many")).to_have_value("2")
    line = page.get_by_role("group", name="Invoice condition 1")
    expect(line.get_by_label("currency").first).to_have_value("EUR")
    expect(page.get_by_role("switch", name="Target specific payments")).not_to_be_checked()
    first.get_by_role("button", name="Remove").click()
    expect(page.locator(".cm-content")).to_have_text("invoice.balance BETWEEN 10 EUR AND 3000 EUR")


def test_what_the_builder_cannot_show_is_never_dropped(opened: Open) -> None:
    page = opened().go(filter="COUNT(invoice WHERE is_open) >= 1 AND customer.balance_total > 2 * 100")
    expect(page.locator(".line.reading code")).to_have_text(
        ["COUNT(invoice WHERE is_open) >= 1", "customer.balance_total > 2 * 100"]
    )
    page.get_by_role("switch", name="Target specific invoices").check()
    pick(page, "status")
    page.get_by_role("group", name="Invoice condition 1").get_by_label("value").select_option("open")
    expect(page.locator(".cm-content")).to_have_text(
        "COUNT(invoice WHERE is_open) >= 1 AND customer.balance_total > 2 * 100 AND invoice.status = 'open'"
    )
    write(page, "invoice.balance > 1000 OR customer.rating = 'D'")
    expect(page.locator(".line.reading code")).to_have_text(["invoice.balance > 1000 OR customer.rating = 'D'"])
    page.get_by_role("button", name="Edit as text").click()
    expect(page.get_by_role("textbox", name="Filter as text")).to_be_focused()


def test_a_line_that_is_being_filled_in_stays(opened: Open) -> None:
    page = opened().go(filter=SEED)
    counts(page, 4, 4, 4)
    page.get_by_role("button", name="Add customer condition").click()
    write(page, "customer.rating = 'A'")
    expect(page.locator(".sentence")).to_have_text("Customers whose rating is 'A'.")
    expect(page.get_by_role("group", name="Customer condition 1").get_by_label("value")).to_have_value("A")
    added = page.get_by_role("group", name="Customer condition 2")
    added.get_by_role("combobox", name="field").click()
    pick(page, "customer name")
    added.get_by_label("value").fill("Customer 1")
    expect(page.locator(".cm-content")).to_have_text("customer.rating = 'A' AND customer.name = 'Customer 1'")


def test_a_flag_that_is_not_so_is_edited(opened: Open) -> None:
    page = opened().go(filter="NOT customer.chasing_paused AND invoice.is_open = false")
    line = page.get_by_role("group", name="Customer condition 1")
    expect(line.get_by_role("combobox", name="field")).to_have_value("Customer chasing paused")
    expect(line.get_by_label("operator")).to_have_value("!=")
    expect(line.get_by_label("value")).to_have_value("true")
    line.get_by_label("operator").select_option("is")
    expect(page.locator(".cm-content")).to_contain_text("customer.chasing_paused = true AND invoice.is_open = false")
    counts(page, 0, 0, 0)
    page.get_by_role("group", name="Invoice condition 1").get_by_label("value").select_option("yes")
    expect(page.locator(".cm-content")).to_contain_text("invoice.is_open = true")
    counts(page, 1, 1, 0)
    write(page, "NOT invoice.is_open")
    expect(page.locator(".line.reading code")).to_have_text("NOT invoice.is_open")


# ---------------------------------------------------------------- the answer


def test_who_opens_the_page_waits_for_all_at_once(opened: Open) -> None:
    opening = opened()
    held: list[Route] = []
    opening.page.route("**/v1/check", lambda route: held.append(route))
    with opening.page.expect_response("**/v1/preview"), opening.page.expect_response("**/v1/catalog"):
        opening.go(filter=SEED)
    for route in held:
        route.continue_()
    counts(opening.page, 4, 4, 4)


def test_the_answer_waits_for_no_editor_and_no_chart(opened: Open) -> None:
    opening = opened(locale="en-GB")  # nothing is kept from an earlier visit
    held: list[Route] = []
    opening.page.route(re.compile("page-(TextFace|Chart)-"), lambda route: held.append(route))
    page = opening.go(filter=SEED)
    counts(page, 4, 4, 4)
    expect(page.locator(".results tbody tr")).to_have_count(4)
    expect(page.get_by_role("group", name="Invoice condition 1")).to_be_visible()
    expect(page.locator(".editor")).to_be_empty()
    for _ in range(1500):
        if len(held) == 2:
            break
        page.wait_for_timeout(20)
    for route in held:
        route.continue_()
    expect(page.get_by_role("textbox", name="Filter as text")).to_be_visible()
    expect(page.locator(".figures canvas")).to_have_count(2)


WATCHING = """() => {
    window.changed = 0;
    const watched = new MutationObserver((changes) => (window.changed += changes.length));
    for (const place of document.querySelectorAll('.builder, .summary, .figures, .results'))
        watched.observe(place, {subtree: true, childList: true, characterData: true, attributes: true});
}"""


def type_without_a_pause(page: Page, text: str) -> None:
    """Of a page whose clock is ours; it stands still afterwards."""
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 5)
    for key in text:
        page.evaluate("(key) => document.execCommand('insertText', false, key)", key)
        page.clock.run_for(40)


def test_typing_at_ten_thousand_matches_moves_nothing(opened: Open, many_key: str) -> None:
    """What a keystroke costs the page is no matter of how many match: it touches the editor alone."""
    opening = opened(key=many_key)
    opening.page.clock.install()
    page = opening.go(all="true")
    expect(page.locator(".summary .count").first).to_have_text("10,000+ customers")
    rows = page.locator(".results tbody tr")
    expect(rows).to_have_count(50)
    expect(page.locator(".funnel tbody tr td")).to_have_text(f"{TEN_THOUSAND:,}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/v1/")[2]))
    page.get_by_role("textbox", name="Filter as text").click()
    page.evaluate(WATCHING)
    typed = "customer.source_id CONTAINS '77'"
    type_without_a_pause(page, typed)
    expect(page.locator(".summary.stale")).to_be_visible()
    assert [path for path in asked if path != "complete"] == []
    assert 0 < page.evaluate("window.changed") < len(typed)
    page.clock.resume()
    expect(page.locator(".sentence")).to_have_text("Customers whose source ID contains '77'.")
    expect(page.locator(".summary:not(.stale)")).to_be_visible()
    expect(rows).to_have_count(50)
    expect(page.locator(".funnel tbody tr")).to_have_count(2)
    expect(page.get_by_role("group", name="Customer condition 1")).to_be_visible()
    once = ["check", "preview", "aging", "funnel", "parts"]
    assert sorted(path for path in asked if path != "complete") == sorted(once)


def test_more_than_ten_thousand_are_counted_on_demand(opened: Open, many_key: str) -> None:
    page = opened(key=many_key).go(all="true")
    page.get_by_role("button", name="10,000+").click()
    expect(page.locator(".summary .count").first).to_have_text(f"{TEN_THOUSAND:,} customers")
    expect(page.get_by_role("tab", name="Customers")).to_contain_text(f"{TEN_THOUSAND:,}")
    expect(page.locator(".table-foot")).to_contain_text(f"50 of {TEN_THOUSAND:,}")
    expect(page.get_by_role("button", name="10,000+")).to_have_count(0)


def test_heads_of_columns_are_two_lines_at_most(opened: Open) -> None:
    page = opened().go(filter="customer.max_days_overdue > 0 AND customer.last_payment_date IS NOT MISSING")
    expect(page.locator(".results thead th")).to_have_count(7)
    lines = "[...document.querySelectorAll('.results th .head')].map((head) => Math.round(head.offsetHeight / 15.625))"
    assert 1 <= max(page.evaluate(lines)) <= 2
    expect(page.get_by_role("columnheader", name="Days overdue - most overdue invoice")).to_be_visible()


def test_three_tabs_in_pages_and_in_order(opened: Open) -> None:
    page = opened().go(all="true")
    rows = page.locator(".results tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(100)
    page.get_by_role("button", name="Balance overdue").click()
    expect(rows.first).to_contain_text("2,016.00 EUR")
    expect(page.get_by_role("columnheader", name="Balance overdue")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("tab", name=re.compile("Invoices")).click()
    expect(rows.first).to_contain_text("I001")
    expect(rows.first.locator("td.number-cell").first).to_contain_text("EUR")
    write(page, SEED)
    counts(page, 4, 4, 4)
    page.get_by_role("tab", name=re.compile("Payments")).click()
    expect(rows).to_have_count(4)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name=re.compile("Customers"))).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tab", name=re.compile("Customers"))).to_be_focused()


def test_the_answer_is_downloaded(opened: Open) -> None:
    page = opened().go(filter=SEED)
    counts(page, 4, 4, 4)
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download CSV").click()
    assert downloaded.value.suggested_filename.startswith("customers-")
    rows = list(csv.DictReader(Path(downloaded.value.path()).read_text(encoding="utf-8").splitlines()))
    assert [row["source_id"] for row in rows] == ["C004", "C008", "C012", "C016"]
    assert rows[0]["balance_overdue"] == "2004.00"
    page.get_by_role("button", name="Balance overdue").click()
    expect(page.locator(".results tbody tr").first).to_contain_text("C016")
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Download CSV").click()
    rows = list(csv.DictReader(Path(downloaded.value.path()).read_text(encoding="utf-8").splitlines()))
    assert [row["source_id"] for row in rows] == ["C016", "C012", "C008", "C004"]


def test_at_level_group_a_group_tells_why(opened: Open) -> None:
    page = opened().go(filter="group.balance_overdue > 1", level="group")
    page.get_by_role("button", name="Why G0").click()
    expect(page.get_by_role("dialog")).to_contain_text("Matches the filter")
    page.keyboard.press("Escape")
    for tab, first in (("Customers", "C001"), ("Invoices", "I001")):
        page.get_by_role("tab", name=re.compile(tab)).click()
        expect(page.locator(".results tbody tr").first).to_contain_text(first)
        expect(page.locator(".results tr.opens")).to_have_count(0)
        expect(page.locator(".table-foot")).to_contain_text("open one in the tab Groups to see why")


def test_why_with_its_witness(opened: Open) -> None:
    page = opened().go(filter=SEED)
    page.get_by_role("button", name="Why Paused Ltd").click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("Matches the filter")
    expect(panel.get_by_role("img", name="holds", exact=True)).to_have_count(4)
    expect(panel).to_contain_text("I004")
    expect(panel).to_contain_text("2,004.00 EUR")
    is_accessible(page)
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(page.get_by_role("button", name="Why Paused Ltd")).to_be_focused()


def test_the_figures_are_there_as_text(opened: Open) -> None:
    page = opened().go(filter=SEED)
    expect(page.locator(".funnel tbody tr td")).to_have_text(["120", "16", "16", "4"])
    page.get_by_text("As a table").click()
    expect(page.locator(".as-table tbody tr").last).to_contain_text("8,040.00")


def test_the_address_keeps_what_is_asked(opened: Open) -> None:
    page = opened().go(filter=SEED)
    counts(page, 4, 4, 4)
    page.get_by_role("button", name="Groups", exact=True).click()
    expect(page.get_by_role("tab", name=re.compile("Groups"))).to_be_visible()
    page.get_by_label("As of").fill("2026-01-15")
    page.get_by_role("tab", name=re.compile("Payments")).click()
    expect(page.locator(".as-of")).to_have_text("as of 15 Jan 2026")
    page.reload()
    expect(page.locator(".as-of")).to_have_text("as of 15 Jan 2026")
    expect(page.get_by_role("tab", name=re.compile("Payments"))).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Back to today").click()
    expect(page.locator(".as-of")).not_to_have_text("as of 15 Jan 2026")


def test_names_stay_text(opened: Open) -> None:
    page = opened().go(filter=SEED)
    expect(page.locator(".results tbody")).to_contain_text(HACK)
    expect(page.locator(".results tbody")).to_contain_text('"><script>window.hacked=1</script>')
    page.get_by_role("button", name=f"Why {HACK}").click()
    expect(page.get_by_role("heading", name=HACK)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("tab", name=re.compile("Invoices")).click()
    expect(page.locator(".results tbody tr").first).to_contain_text(HACK)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0


# ---------------------------------------------------------------- workflows


def test_a_workflow_is_saved_changed_and_run(opened: Open, address: str, key: str) -> None:
    page = opened().go(filter=SEED)
    page.get_by_role("button", name="Save as workflow…").click()
    page.get_by_label("Name").fill("Big ones")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Big ones")).to_be_visible()
    held_back = page.get_by_role("region", name="Held back")
    expect(held_back).to_contain_text("Paused Ltd")
    is_accessible(page)

    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("heading", name=re.compile("Run"))).to_be_visible()
    expect(page.get_by_text("Paused Ltd")).to_be_visible()
    expect(page.get_by_text("There is no run of this workflow before it.")).to_be_visible()

    page.get_by_role("link", name="Big ones").click()
    page.get_by_role("link", name="Edit the filter").click()
    write(page, "invoice.balance > 2010 AND payment.amount > 500 AND customer.rating IN ('C', 'D')")
    page.get_by_role("button", name="Review and save…").click()
    changes = page.get_by_role("region", name="What the edit changes")
    expect(changes.locator(".entered")).to_contain_text("+2")
    expect(changes.locator(".left strong")).to_have_text(re.compile("^.1$"))
    is_accessible(page)

    # Somebody else is quicker.
    headers = {"Authorization": f"Bearer {key}", "If-Match": '"1"'}
    workflow = page.request.get(f"{address}/v1/workflows", headers=headers).json()["workflows"][0]
    changed = {"name": "Big ones", "filter": SEED.replace("1000", "2001")}
    assert page.request.put(f"{address}/v1/workflows/{workflow['id']}", data=changed, headers=headers).ok
    page.get_by_role("button", name="Save as version 2").click()
    page.get_by_role("link", name="go on with your filter").click()
    page.get_by_role("button", name="Review and save…").click()
    page.get_by_role("button", name="Save as version 3").click()
    expect(page.locator(".versions li")).to_have_count(3)

    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text("2 entered")).to_be_visible()
    expect(page.get_by_text("1 left")).to_be_visible()
    page.get_by_role("link", name="Overlap").click()
    expect(page.get_by_text("overdue that no workflow targets")).to_be_visible()
    is_accessible(page)


def test_an_audience_that_grew_is_run_when_it_is_confirmed(opened: Open, address: str, key: str) -> None:
    opening = opened()
    headers = {"Authorization": f"Bearer {key}"}
    one = {"name": "Growing", "filter": "customer.name = 'Customer 1'"}
    made = opening.page.request.post(f"{address}/v1/workflows", data=one, headers=headers).json()
    opening.page.request.post(f"{address}/v1/workflows/{made['id']}/runs", data={}, headers=headers)
    more = {"name": "Growing", "filter": "customer.rating = 'A'"}
    put = opening.page.request.put(
        f"{address}/v1/workflows/{made['id']}", data=more, headers={**headers, "If-Match": '"1"'}
    )
    assert put.ok
    page = opening.go(f"workflows/{made['id']}")
    page.get_by_role("button", name="Run now").click()
    page.get_by_role("button", name="Run it all the same").click()
    expect(page.get_by_text("29 entered")).to_be_visible()


def stored(opening: Opened, key: str, **said: object) -> str:
    """Where its page is."""
    headers = {"Authorization": f"Bearer {key}"}
    made = opening.page.request.post(f"{opening.address}/v1/workflows", data=said, headers=headers)
    assert made.ok, made.text()
    return f"workflows/{made.json()['id']}"


def test_a_schedule_is_set_changed_and_stopped(opened: Open, key: str) -> None:
    opening = opened()
    page = opening.go(stored(opening, key, name="On Mondays", filter=SEED))
    schedule = page.get_by_role("region", name="Schedule")
    expect(schedule).to_contain_text("It runs only when somebody runs it.")
    schedule.get_by_role("button", name="Set a schedule").click()
    save = schedule.get_by_role("button", name="Save schedule")
    expect(save).to_be_disabled()
    for day in ("Thursday", "Monday"):
        schedule.get_by_role("checkbox", name=day).check(force=True)
    schedule.get_by_label("until").fill("07:30")
    expect(schedule).to_contain_text("The window opens before it closes")
    expect(save).to_be_disabled()
    schedule.get_by_label("until").fill("09:30")
    is_accessible(page)
    save.click()
    expect(schedule).to_contain_text(
        "Mondays and Thursdays between 08:00 and 09:30, by the clock of Europe/Berlin. Next on"
    )
    expect(page.locator(".versions li").first).to_contain_text("mon, thu")
    schedule.get_by_role("button", name="Change").click()
    expect(schedule.get_by_role("checkbox", name="Monday")).to_be_checked()
    schedule.get_by_role("checkbox", name="Monday").uncheck(force=True)
    save.click()
    expect(schedule.get_by_text(re.compile("^Thursdays between"))).to_be_visible()
    page.get_by_role("switch", name="Active").uncheck()
    expect(schedule).to_contain_text("Not as long as it is switched off.")
    expect(page.get_by_role("button", name="Run now")).to_be_disabled()
    schedule.get_by_role("button", name="Stop it").click()
    expect(schedule).to_contain_text("It runs only when somebody runs it.")


def test_a_workflow_is_removed_once_one_knows_what_ends(opened: Open, key: str) -> None:
    opening = opened()
    schedule = {"days": ["fri"], "from": "08:00", "until": "09:00"}
    path = stored(opening, key, name="Not for long", filter=SEED, schedule=schedule)
    page = opening.go(path)
    page.get_by_role("button", name="Remove…").click()
    dialog = page.get_by_role("dialog", name="Remove “Not for long”?")
    expect(dialog).to_contain_text("its schedule: Fridays between 08:00 and 09:00")
    expect(dialog).to_contain_text("Its runs and 1 version are kept")
    is_accessible(page)
    dialog.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("heading", name="Not for long")).to_be_visible()
    page.get_by_role("button", name="Remove…").click()
    dialog.get_by_role("button", name="Remove the workflow").click()
    expect(page.get_by_role("heading", name="Workflows")).to_be_visible()
    expect(page.get_by_text("Not for long")).to_have_count(0)
    page.goto(f"{opening.address}/#/{path}")
    expect(page.get_by_role("alert")).to_have_text("There is no such workflow.")


def test_a_switch_keeps_the_parts_that_are_off(opened: Open, key: str) -> None:
    parts = {"customers": {"filter": "rating = 'D'", "on": True}, "invoices": {"filter": "balance > 1", "on": False}}
    opening = opened()
    path = stored(opening, key, name="In parts", parts=parts)
    page = opening.go(path)
    page.get_by_role("switch", name="Hold back").uncheck()
    expect(page.locator(".versions li")).to_have_count(2)
    headers = {"Authorization": f"Bearer {key}"}
    now = page.request.get(f"{opening.address}/v1/{path}", headers=headers).json()
    assert now["respect_pauses"] is False
    assert now["parts"] == parts


def test_a_key_that_may_only_read_is_offered_no_changes(opened: Open, key: str, reading_key: str) -> None:
    opening = opened(key=reading_key)
    path = stored(opening, key, name="To be read", filter=SEED)
    page = opening.go(filter=SEED)
    counts(page, 4, 4, 4)
    expect(page.locator(".save-bar")).to_contain_text("Saving needs a key of scope write")
    expect(page.locator(".save-bar button")).to_have_count(0)
    opening.go(path)
    expect(page.get_by_text("needs a key of scope write")).to_be_visible()
    expect(page.get_by_role("heading", name="Held back")).to_be_visible()
    for name in ("Run now", "Remove…", "Set a schedule"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    for switch in page.get_by_role("switch").all():
        expect(switch).to_be_disabled()
    page.get_by_role("link", name="Open the filter").click()
    expect(page.locator(".save-bar")).to_contain_text("Looking at To be read")
    opening.go("workflows")
    expect(page.get_by_role("link", name="To be read")).to_be_visible()
    expect(page.get_by_role("link", name="New from a filter")).to_have_count(0)


# ---------------------------------------------------------------- for everybody, everywhere


def test_the_keyboard_is_enough(opened: Open) -> None:
    page = opened().go(all="true")
    counts(page, MANY, MANY, 0)

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if name in page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText ?? ''"):
                ringed = "document.activeElement.closest('.cm-editor') ?? document.activeElement"
                assert page.evaluate(f"getComputedStyle({ringed}).outlineStyle") != "none", name
                return
        raise AssertionError(f"no way to {name}")

    tab_to("Add customer condition")
    page.keyboard.press("Enter")
    pick(page, "rating")
    tab_to("rating: value")
    page.keyboard.press("D")
    expect(page.locator(".cm-content")).to_have_text("customer.rating = 'D'")
    counts(page, 30, 30, 0)
    tab_to("Filter as text")
    page.keyboard.press("Control+End")
    page.keyboard.type(" AND invoice.balance > 1000")
    page.keyboard.press("Escape")
    counts(page, 4, 4, 0)
    tab_to("Customers")
    tab_to("Why Paused Ltd")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Matches the filter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_for_axe(opened: Open, scheme: str) -> None:
    page = opened(color_scheme=scheme).go(filter=SEED)
    expect(page.locator(".funnel tbody tr")).to_have_count(4)
    is_accessible(page)
    write(page, "invoice.balanc > 1000")
    expect(page.get_by_role("button", name="Did you mean balance?")).to_be_visible()
    page.get_by_role("combobox", name="Customer condition 1: field").click()
    expect(page.get_by_role("option").first).to_be_visible()
    is_accessible(page)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(15, 17, 20)") == (scheme == "dark")


def test_the_colours_are_chosen_and_kept(opened: Open) -> None:
    page = opened(color_scheme="light").go(filter=SEED)
    page.get_by_role("button", name="Switch to dark colours").click()
    page.reload()
    expect(page.get_by_role("button", name="Switch to light colours")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 17, 20)"


@pytest.mark.parametrize("path", ["", "workflows", "overlap"])
def test_a_narrow_screen_shows_everything(opened: Open, path: str) -> None:
    page = opened(viewport={"width": 360, "height": 800}).go(path, **({"filter": SEED} if not path else {}))
    expect(page.locator("main")).to_be_visible()
    if not path:
        counts(page, 4, 4, 4)
        page.get_by_role("button", name="Text", exact=True).click()
        expect(page.get_by_role("textbox", name="Filter as text")).to_be_visible()
        expect(page.get_by_role("group", name="Customer condition 1")).not_to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


# ---------------------------------------------------------------- away


def test_a_server_that_comes_back_is_asked_again(
    context: BrowserContext, database_url: str, key: str, tmp_path: Path
) -> None:
    port = free_port()
    with serving(database_url, tmp_path, key, port) as address:
        opened = Opened(context, address)
        page = opened.go(filter=SEED)
        counts(page, 4, 4, 4)
    write(page, "customer.rating = 'A'")
    expect(page.get_by_text("The server does not answer; trying again…")).to_be_visible()
    expect(page.locator(".summary.stale")).to_contain_text("4 customers")
    with serving(database_url, tmp_path, key, port):
        expect(page.locator(".sentence")).to_have_text("Customers whose rating is 'A'.")
        expect(page.get_by_text("The server does not answer")).to_have_count(0)
        opened.close()


def test_a_database_that_is_away_is_told(opened: Open) -> None:
    page = opened().go(filter=SEED)
    counts(page, 4, 4, 4)
    gone = {"status": 503, "json": {"detail": "gone"}}
    page.route("**/v1/check", lambda route: route.fulfill(**gone))
    page.route("**/ready", lambda route: route.fulfill(**gone))
    write(page, "customer.rating = 'A'")
    expect(page.get_by_text("The database is away; trying again…")).to_be_visible()
    page.unroute("**/v1/check")
    page.unroute("**/ready")
    expect(page.locator(".sentence")).to_have_text("Customers whose rating is 'A'.")


def test_who_is_too_quick_waits(opened: Open) -> None:
    page = opened().go(filter=SEED)
    counts(page, 4, 4, 4)
    once = [True]

    def busy(route: Route) -> None:
        if once and once.pop():
            route.fulfill(status=429, headers={"Retry-After": "1"}, json={})
        else:
            route.continue_()

    page.route("**/v1/preview", busy)
    write(page, "customer.rating = 'A'")
    expect(page.locator(".sentence")).to_have_text("Customers whose rating is 'A'.")
    assert once == []


def test_a_wrong_filter_that_was_never_right_is_told(opened: Open) -> None:
    opening = opened()
    opening.page.clock.install()
    page = opening.go(filter="invoice.balanc > 1000")
    expect(page.get_by_text("The answer is here once the text is right.")).to_be_visible()
    expect(page.get_by_text("follows once the text is right")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/v1/")[2]))
    page.get_by_role("textbox", name="Filter as text").press("Control+End")
    type_without_a_pause(page, " AND customer.rating = 'D'")
    assert "check" not in asked
    page.clock.resume()
    page.get_by_role("button", name="Did you mean balance?").click()
    counts(page, 4, 4, 0)


def test_without_a_key_one_is_asked_for(context: BrowserContext, database_url: str, key: str, tmp_path: Path) -> None:
    with serving(database_url, tmp_path, None, free_port()) as address:
        opened = Opened(context, address)
        page = opened.go(filter=SEED)
        page.get_by_label("This page needs a key").fill(key)
        page.get_by_role("button", name="Use this key").click()
        counts(page, 4, 4, 4)
        assert key not in page.evaluate("JSON.stringify(localStorage)")
        opened.close()
