"""The command line. Exit codes: 0, 1 (the answer is no, or the data has errors), 2 (the request is wrong)."""

import os
import runpy
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import psycopg
import typer
from pydantic import ValidationError

from app import auth, companies, fields, kept, printing, queries
from app.audit import NotAudited, audit
from app.companies import BadCompany, Company
from app.database import DatabaseAway, database_url
from app.distribute import By, NoCitus, distribute, statements
from app.embedded import EmbeddedError
from app.imports import ImportRefused, Report, import_ledger
from app.migrate import is_current, migrate
from app.planner import refresh_statistics
from app.problems import Problem, as_problem
from app.serving import PortTaken
from app.serving import serve as serve_it
from app.settings import Settings
from app.sweep import SweepRefused, sweep
from app.terminal import (
    NO,
    WRONG,
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
    pair_of,
    params_of,
    stop,
    write_json,
)
from app.workflow_commands import add_workflow_commands
from dsl import FilterError
from dsl.diagnostics import did_you_mean

app = typer.Typer(
    help="A list of who is due: filters over a receivables ledger.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
company_app = typer.Typer(help="The companies whose ledgers are kept.", no_args_is_help=True)
metrics_app = typer.Typer(help="The metrics kept of customers, groups and companies.", no_args_is_help=True)
field_app = typer.Typer(help="The fields that a company defines itself.", no_args_is_help=True)
key_app = typer.Typer(help="Keys for the HTTP interface.", no_args_is_help=True)
add_workflow_commands(app)
app.add_typer(company_app, name="company")
app.add_typer(field_app, name="field")
app.add_typer(key_app, name="key")
app.add_typer(metrics_app, name="metrics")

Entity = Annotated[str, typer.Argument(metavar="ENTITY", help="customer, invoice or payment")]
NOBODY = Company(0, "", None, "EUR", "UTC")  # what a filter means does not depend on whose ledger it is

# The benchmark reads its own options, and needs packages that the other commands do without.
_HANDED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

# ---------------------------------------------------------------- filters


@app.command()
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
        with closing(exported) as chunks:
            for chunk in chunks:
                found += 1
                sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    raise typer.Exit(0 if found > (format == "csv") else NO)  # the names of the columns are no row


@app.command("compile")
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


@app.command()
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


@app.command("format")
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


@app.command()
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
    found = queries.checked(_dated(filter, level, as_of, param, match_all), *_company_and_ledger(company))
    if format == "json":
        write_json(found)
    else:
        printing.draw_documents(filter, found["errors"])
        printing.draw_documents(filter, found["warnings"], "warning")
        printing.say("the filter is right" if found["ok"] else "the filter is wrong")
    raise typer.Exit(0 if found["ok"] else NO)


@app.command("audit")
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


@app.command("sweep")
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


@app.command()
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


@app.command()
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


# ---------------------------------------------------------------- the ledger


@app.command("import")
def import_files(
    paths: Annotated[list[Path], typer.Argument(metavar="DIR_OR_FILES")],
    company: OfCompany = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check everything, write nothing")] = False,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="import the rest")] = False,
    map: Annotated[list[str] | None, typer.Option("--map", metavar="OLD=NEW", help="a column's name here")] = None,
    format: TableOrJson = "table",
) -> None:
    """Import files of a ledger: all of them, or nothing."""
    renamed = dict(pair_of(text, "--map") for text in map or [])
    with opened(Settings()) as database:
        into = companies.chosen(database, company)
        try:
            with printing.progress() as told, database.transaction(into.company_id, write=True) as connection:
                report = import_ledger(
                    connection, into, paths, skip_bad_rows=skip_bad_rows, dry_run=dry_run, rename=renamed, progress=told
                )
        except ImportRefused as refused:
            report = Report({}, problems=refused.problems, problem_count=refused.total)
            _imported(report, format)
            printing.note("nothing was imported")
            raise typer.Exit(WRONG if refused.wrong_request else NO) from None
        if not dry_run:
            refresh_statistics(database)
    _imported(report, format)
    printing.note("a dry run: nothing was written" if dry_run else f"imported into '{into.name}'")
    raise typer.Exit(NO if report.problem_count else 0)


def _imported(report: Report, format: str) -> None:
    if format == "json":
        write_json(report)
    else:
        printing.imported(report)
        printing.bad_rows(report.problems, report.problem_count)


@company_app.command("create")
def create_company(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    currency: Annotated[str, typer.Option(help="the base currency (ISO 4217)")],
    country: Annotated[str | None, typer.Option(help="where it is at home (ISO 3166-1 alpha-2)")] = None,
    time_zone: Annotated[str, typer.Option(help="whose calendar it keeps, such as Europe/Berlin")] = "UTC",
) -> None:
    """Make a company."""
    with opened(Settings()) as database:
        made = companies.create(database, name, currency=currency, country=country, time_zone=time_zone)
    printing.say(f"made company '{made.name}'; import its ledger with: duelist import DIR --company '{made.name}'")


@company_app.command("list")
def list_companies(format: TableOrJson = "table") -> None:
    """List the companies."""
    with opened(Settings()) as database:
        rows = [_company_line(known) for known in companies.listed(database)]
    if format == "json":
        write_json(rows)
    elif rows:
        printing.table(rows)
    else:
        printing.note("there is no company yet; make one with: duelist company create NAME --currency EUR")


def _company_line(company: Company) -> dict[str, Any]:
    return {name: getattr(company, name) for name in ("company_id", "name", "country", "base_currency", "time_zone")}


@field_app.command("define")
def define_field(
    entity: Entity,
    name: Annotated[str, typer.Argument(metavar="NAME", help="that of the column custom.NAME")],
    type: Annotated[fields.TypeName, typer.Option(help="of its values")],
    label: Annotated[str | None, typer.Option(help="what it is called in sentences; the name when absent")] = None,
    choice: Annotated[
        list[str] | None, typer.Option("--choice", metavar="VALUE", help="of a choice; repeat it")
    ] = None,
    ordered: Annotated[bool, typer.Option("--ordered", help="the choices are in order, the least first")] = False,
    company: OfCompany = None,
) -> None:
    """Define a field, or change it; the values that are there must fit."""
    definition = fields.Definition(type=type, label=label, choices=choice or [], ordered=ordered)
    with opened(Settings()) as database:
        try:
            fields.define(database, companies.chosen(database, company), entity, name, definition)
        except Problem as problem:
            printing.note(f"duelist: {problem.detail}")
            raise typer.Exit(NO if problem.code == "values-do-not-fit" else WRONG) from None
    printing.say(f"{entity}.custom.{name} can be used in filters")


@field_app.command("list")
def list_fields(company: OfCompany = None, format: TableOrJson = "table") -> None:
    """List the fields that are defined."""
    with opened(Settings()) as database:
        defined = fields.listed(database, companies.chosen(database, company))
    if format == "json":
        write_json(defined)
    elif defined:
        printing.table([_field_line(field) for field in defined])
    else:
        printing.note("no field is defined yet; define one with: duelist field define customer NAME --type text")


def _field_line(field: dict[str, Any]) -> dict[str, str]:
    values = ", ".join(field["choices"]) + (" (ordered)" if field["ordered"] else "")
    named = f"{field['entity']}.custom.{field['name']}"
    return {"field": named, "type": field["type"], "label": field["label"], "values": values}


@field_app.command("remove")
def remove_field(
    entity: Entity, name: Annotated[str, typer.Argument(metavar="NAME")], company: OfCompany = None
) -> None:
    """Take a field away; its values stay, as text."""
    with opened(Settings()) as database:
        fields.remove(database, companies.chosen(database, company), entity, name)
    printing.say(f"{entity}.custom.{name} can no longer be used in filters")


@key_app.command("create")
def create_key(
    company: OfCompany = None, scope: Annotated[auth.Scope, typer.Option(help="what it allows")] = "read"
) -> None:
    """Make a key. It is shown once."""
    with opened(Settings()) as database:
        print(auth.create_key(database, companies.chosen(database, company), scope))
    printing.note("keep it: it cannot be shown again")


@metrics_app.command("verify")
def verify_metrics(company: OfCompany = None, format: TableOrJson = "table") -> None:
    """Compare what is kept with what the ledger says, row for row."""
    with opened(Settings()) as database:
        of = companies.chosen(database, company)
        with database.transaction(of.company_id, timeout_ms=0) as connection:
            found = kept.verify(connection, of.company_id)
    if format == "json":
        write_json(asdict(found))
    elif found.day is None:
        printing.note(f"nothing is kept of '{of.name}': its questions read the ledger itself; duelist metrics rebuild")
    else:
        printing.table([{"kept": table, "rows that differ": str(rows)} for table, rows in found.differing.items()])
        printing.note(
            f"of '{of.name}', as of {found.day}" + ("" if found.is_well else "; mend it: duelist metrics rebuild")
        )
    raise typer.Exit(0 if found.is_well else NO)


@metrics_app.command("rebuild")
def rebuild_metrics(company: OfCompany = None) -> None:
    """Work out everything that is kept anew."""
    with opened(Settings()) as database:
        of = companies.chosen(database, company)
        with printing.progress() as told, database.transaction(of.company_id, write=True) as connection:
            told("working out the metrics", 0)
            customers = kept.rebuild(connection, of.company_id, of.today)
            told("working out the metrics", 1)
        refresh_statistics(database)
    printing.note(f"the metrics of {customers:,} customers of '{of.name}' are kept as of {of.today}")


# ---------------------------------------------------------------- the service


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="127.0.0.1 when absent")] = None,
    port: Annotated[int | None, typer.Option(help="8000 when absent")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="load a made-up ledger when there is none")] = False,
) -> None:
    """Serve the HTTP interface and the page."""
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = Settings.model_validate(Settings().model_dump() | chosen)
    with suppress(KeyboardInterrupt):
        serve_it(settings, with_sample=sample, say=printing.say, progress=printing.progress)


@app.command("migrate")
def migrate_database() -> None:
    """Bring the database's schema to the newest revision."""
    with database_url(Settings()) as url:
        was_current = is_current(url)
        migrate(url)
    printing.say("the database was at the newest revision" if was_current else "the database is migrated")


@app.command("distribute")
def distribute_tables(
    by: Annotated[By, typer.Option(help="customer: for one company that fills a machine by itself")] = "company",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the statements, run nothing")] = False,
) -> None:
    """Distribute the tables over the machines of a Citus cluster."""
    if dry_run:
        return print(*(f"{statement};" for statement in statements(by)), sep="\n")
    try:
        with opened(Settings()) as database:
            distribute(database, by)
    except NoCitus as missing:
        printing.note(f"duelist: {missing}")
        raise typer.Exit(NO) from None
    printing.say(f"the tables are distributed by {by}")
    return None


@app.command("bench", context_settings=_HANDED_ON, add_help_option=False)
def measure(context: typer.Context) -> None:
    """Measure the speed of everything, in ratios. `duelist bench --help` lists the options."""
    sys.argv[1:] = context.args
    try:
        runpy.run_module("app.bench", run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as missing:
        stop(f"the benchmark needs {missing.name}; install it with: pip install 'duelist[bench]'")


# ---------------------------------------------------------------- what the commands share


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


def main() -> None:
    try:
        app(prog_name="duelist")
    except FilterError as wrong:
        printing.draw_all(wrong.text, wrong.diagnostics)
        raise SystemExit(WRONG) from None
    except ValidationError as wrong:
        said = ((".".join(map(str, found["loc"])), found["msg"]) for found in wrong.errors())
        stop("; ".join(f"{place}: {message.removeprefix('Value error, ')}" for place, message in said))
    except (BadCompany, EmbeddedError, NotAudited, PortTaken, SweepRefused) as wrong:
        stop(str(wrong))
    except BrokenPipeError:
        # Whoever read our output has seen enough; what Python flushes at its end must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except (Problem, DatabaseAway, psycopg.Error, RecursionError) as failure:
        problem = as_problem(failure)
        stop(problem.detail if problem else f"the database refused: {failure}")
    except Exception as fault:
        if os.environ.get("DUELIST_LOG_LEVEL") == "debug":
            raise
        stop(f"a fault of ours, please report it: {type(fault).__name__}: {fault} (DUELIST_LOG_LEVEL=debug shows more)")
