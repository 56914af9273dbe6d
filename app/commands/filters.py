"""Commands about filters: whom they select, what they mean, whether they are right."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from app import audit_log, companies, printing, queries
from app.asked import analysis_of
from app.audit import audit
from app.audit_log import COMMAND_LINE
from app.companies import Company
from app.observation import fingerprint
from app.settings import Settings
from app.sweep import sweep
from app.terminal import (
    NO,
    AsOf,
    AsOfWithout,
    Everyone,
    Filter,
    ForCompany,
    Level,
    OfCompany,
    Params,
    TableOrJson,
    TextOrJson,
    TextOrJsonFor,
    opened,
    params_of,
    write_json,
)
from dsl.diagnostics import did_you_mean

commands = typer.Typer()
NOBODY = Company(0, "", None, "EUR", "UTC")  # what a filter means does not depend on whose ledger it is


@commands.command()
def preview(
    filter: Filter,
    level: Level = "customer",
    as_of: AsOf = None,
    param: Params = None,
    rows: Annotated[queries.Kind | None, typer.Option(help="which rows of the answer")] = None,
    limit: Annotated[int | None, typer.Option(help="rows of a page, at most 500; 50 when absent")] = None,
    match_all: Everyone = False,
    company: OfCompany = None,
    format: Annotated[Literal["table", "json", "csv", "ndjson"], typer.Option()] = "table",
) -> None:
    """Show whom a filter selects."""
    asked = {"filter": filter, "level": level, "as_of": as_of, "params": params_of(param), "match_all": match_all}
    if format in ("csv", "ndjson"):
        if limit is not None:
            raise typer.BadParameter("csv and ndjson are the whole answer", param_hint="--limit")
        _export(queries.Exporting.model_validate({**asked, "rows": rows}), company, format)
    else:
        paged = queries.Paged.model_validate(asked | ({} if limit is None else {"limit": limit}))
        _preview(paged, company, rows, as_json=format == "json")


def _preview(asked: queries.Paged, name: str | None, rows: queries.Kind | None, *, as_json: bool) -> None:
    own: queries.Kind = "groups" if asked.level == "group" else "customers"
    settings = Settings()
    with opened(settings) as database:
        company, cursors = companies.chosen(database, name), queries.Cursors(settings.signing_key())
        if rows in (None, "customers", "groups"):
            answer = queries.preview(database, cursors, company, asked)
            kind = rows or own
            if kind not in answer["counts"]:
                raise typer.BadParameter("there are rows of groups at level group only", param_hint="--rows")
            count = answer["counts"][kind]
        else:
            answer = queries.rows_of(database, cursors, company, asked, rows)
            kind, count = rows, answer["count"]
    if as_json:
        write_json(answer)
    else:
        printing.draw_documents(asked.filter, answer.get("warnings", []), "warning")
        printing.previewed(answer, kind)
    raise typer.Exit(0 if count else NO)


def _export(asked: queries.Exporting, name: str | None, format: queries.Format) -> None:
    settings = Settings()
    found = 0
    with opened(settings) as database:
        company = companies.chosen(database, name)
        exported = queries.export(database, company, asked, format, timeout_ms=settings.export_timeout_ms)
        filter = fingerprint(settings.signing_key(), analysis_of(asked, company.catalog).canonical)
        about = {"filter": filter, "format": format}
        noted = audit_log.exported(exported, database, company.company_id, COMMAND_LINE, asked.kind, **about)
        with closing(noted) as chunks:
            for chunk in chunks:
                found += 1
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    raise typer.Exit(0 if found > (format == "csv") else NO)  # the names of the columns are no row


@commands.command("compile")
def compile_filter(
    filter: Filter,
    level: Level = "customer",
    as_of: AsOfWithout = None,
    param: Params = None,
    match_all: Everyone = False,
    company: ForCompany = None,
    format: TextOrJsonFor = "text",
) -> None:
    """Show the SQL of a filter."""
    found = queries.compiled(_dated(filter, level, as_of, param, match_all), _company(company))
    if format == "json":
        return write_json(found)
    printing.say(f"{found['english']}\n\n{found['sql']}\n")
    printing.table([{"parameter": name, "value": str(value)} for name, value in found["params"].items()])
    return None


@commands.command()
def english(
    filter: Filter,
    level: Level = "customer",
    as_of: AsOfWithout = None,
    param: Params = None,
    match_all: Everyone = False,
    company: ForCompany = None,
    format: TextOrJsonFor = "text",
) -> None:
    """Say what a filter means."""
    found = queries.english_of(_dated(filter, level, as_of, param, match_all), _company(company))
    if format == "json":
        write_json(found)
    else:
        printing.say(found["english"])


@commands.command("format")
def format_filter(
    filter: Filter,
    level: Level = "customer",
    param: Params = None,
    company: ForCompany = None,
    format: TextOrJson = "text",
) -> None:
    """Write a filter in canonical text."""
    found = queries.formatted(_dated(filter, level, None, param, match_all=False), _company(company))
    if format == "json":
        write_json(found)
    else:
        print(found["canonical"])


@commands.command()
def check(
    filter: Filter,
    level: Level = "customer",
    as_of: AsOfWithout = None,
    param: Params = None,
    match_all: Everyone = False,
    company: ForCompany = None,
    format: TextOrJsonFor = "text",
) -> None:
    """Say everything that is wrong with a filter, and what to beware of."""
    of, ledger = _company_and_ledger(company)
    found = queries.checked(_dated(filter, level, as_of, param, match_all), of, lambda: ledger)
    if format == "json":
        write_json(found)
    else:
        printing.draw_documents(filter, found["errors"])
        printing.draw_documents(filter, found["warnings"], "warning")
        printing.say("the filter is right" if found["ok"] else "the filter is wrong")
    raise typer.Exit(0 if found["ok"] else NO)


@commands.command("audit")
def audit_filter(
    filter: Filter,
    level: Level = "customer",
    as_of: AsOf = None,
    param: Params = None,
    match_all: Everyone = False,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Ask a second engine, DuckDB, for the same answer, and compare."""
    with opened(Settings()) as database:
        of = companies.chosen(database, company)
        found = audit(database, of, _dated(filter, level, as_of, param, match_all))
    if format == "json":
        write_json(asdict(found) | {"equal": found.is_equal})
    else:
        differing = {"PostgreSQL": found.only_postgresql, "DuckDB": found.only_duckdb}
        printing.table([{"only": engine, "source_id": one} for engine, ids in differing.items() for one in ids])
        verdict = "the same as DuckDB" if found.is_equal else "DuckDB disagrees"
        printing.say(f"PostgreSQL selects {found.selected:,} {level}s as of {found.as_of}: {verdict}")
    raise typer.Exit(0 if found.is_equal else NO)


@commands.command("sweep")
def sweep_companies(
    filter: Filter,
    level: Level = "customer",
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="today in UTC when absent")] = None,
    param: Params = None,
    match_all: Everyone = False,
    rows: Annotated[bool, typer.Option("--rows", help="the source ids, not only how many")] = False,
    format: Annotated[Literal["table", "json", "csv"], typer.Option()] = "table",
) -> None:
    """Ask a filter of every company at once; the database's login role has to see them all."""
    asked = _dated(filter, level, as_of, param, match_all)
    with opened(Settings()) as database:
        swept = sweep(database, asked, with_rows=rows)
    if format == "json":
        write_json({"as_of": swept.as_of, "level": level, "companies": swept.lines()})
    elif format == "csv":
        sys.stdout.buffer.write(swept.csv().encode())
    else:
        printing.table(swept.lines(), numbers=["count"])
        total = f"{sum(swept.counts.values()):,} {level}s of {len(swept.counts):,} companies"
        printing.say(f"\n{total} as of {swept.as_of}")
    raise typer.Exit(0 if swept.counts else NO)


@commands.command()
def why(
    filter: Filter,
    source_id: Annotated[
        str, typer.Argument(metavar="CUSTOMER_SOURCE_ID", help="at level group the source id of the group")
    ],
    level: Level = "customer",
    as_of: AsOf = None,
    param: Params = None,
    match_all: Everyone = False,
    company: OfCompany = None,
    format: TableOrJson = "table",
) -> None:
    """Say why a customer is selected, or is not: each condition, true or false, and by how much it misses."""
    asked = {"filter": filter, "level": level, "as_of": as_of, "params": params_of(param), "match_all": match_all}
    doubted = queries.Doubted.model_validate(asked | {level: source_id})
    with opened(Settings()) as database:
        answer = queries.why(database, companies.chosen(database, company), doubted)
    if format == "json":
        write_json(answer)
    else:
        printing.explained(answer)
    raise typer.Exit(0 if answer["matches"] else NO)


@commands.command()
def catalog(
    entity: Annotated[str | None, typer.Argument(metavar="[ENTITY]")] = None,
    company: ForCompany = None,
    format: TableOrJson = "table",
) -> None:
    """List what a filter can name."""
    known = _company(company).catalog
    found = queries.described(known)
    if entity is not None:
        named = [line for line in found["entities"] if entity.lower() in (line["name"], line["plural"])]
        if not named:
            meant = did_you_mean(entity, known.entities) or list(known.entities)
            raise typer.BadParameter(f"there is no entity '{entity}'; did you mean {' or '.join(meant)}?")
        found["entities"] = named
    if format == "json":
        return write_json(found)
    for number, described in enumerate(found["entities"]):
        printing.say(f"{'' if number == 0 else chr(10)}{described['name']}: {described['help']}")
        printing.table([_line(described["name"], field) for field in described["fields"]])
    return None


def _line(entity: str, field: dict[str, Any]) -> dict[str, str]:
    choices = field["choices"] if len(field["choices"]) < 20 else []
    example = f"{entity}.{field['name']} {field['example']}" if field["example"] else ""
    parts = (field["help"], " ".join(choices), example and f"for example {example}")
    return {"field": field["name"], "type": str(field["type"]), "": "; ".join(part for part in parts if part)}


def _company(name: str | None) -> Company:
    if name is None:
        return NOBODY
    with opened(Settings()) as database:
        return companies.chosen(database, name)


def _company_and_ledger(name: str | None) -> tuple[Company, queries.Ledger]:
    if name is None:
        return NOBODY, queries.Ledger()
    with opened(Settings()) as database:
        company = companies.chosen(database, name)
        return company, queries.ledger_of(database, company)


def _dated(filter: str, level: str, as_of: str | None, param: Sequence[str] | None, match_all: bool) -> queries.Dated:
    asked = {"filter": filter, "level": level, "as_of": as_of, "params": params_of(param), "match_all": match_all}
    return queries.Dated.model_validate(asked)
