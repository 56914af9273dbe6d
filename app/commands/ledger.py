"""Commands about a company's ledger: its files, the fields it defines, what is kept of it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app import companies, fields, kept, printing
from app.audit_log import COMMAND_LINE, IMPORT_REFUSED, note_alone
from app.companies import Company
from app.imports import ImportRefused, Report, import_ledger
from app.planner import refresh_statistics
from app.problems import Problem
from app.settings import Settings
from app.terminal import NO, WRONG, OfCompany, TableOrJson, opened, pair_of, write_json

commands = typer.Typer()
company_app = typer.Typer(help="The companies whose ledgers are kept.", no_args_is_help=True)
metrics_app = typer.Typer(help="The metrics kept of customers, groups and companies.", no_args_is_help=True)
field_app = typer.Typer(help="The fields that a company defines itself.", no_args_is_help=True)
commands.add_typer(company_app, name="company")
commands.add_typer(field_app, name="field")
commands.add_typer(metrics_app, name="metrics")

Entity = Annotated[str, typer.Argument(metavar="ENTITY", help="customer, invoice or payment")]


@commands.command("import")
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
            with (
                printing.progress() as told,
                database.transaction(into.company_id, write=True, timeout_ms=0) as connection,
            ):
                report = import_ledger(
                    connection, into, paths, skip_bad_rows=skip_bad_rows, dry_run=dry_run, rename=renamed, progress=told
                )
        except ImportRefused as refused:
            report = Report({}, problems=refused.problems, problem_count=refused.total)
            if not dry_run:
                about = {"bad_rows": refused.total}
                note_alone(database, into.company_id, COMMAND_LINE, IMPORT_REFUSED, "", **about)
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
            fields.define(database, companies.chosen(database, company), entity, name, definition, COMMAND_LINE)
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
        fields.remove(database, companies.chosen(database, company), entity, name, COMMAND_LINE)
    printing.say(f"{entity}.custom.{name} can no longer be used in filters")


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
        with printing.progress() as told, database.transaction(of.company_id, write=True, timeout_ms=0) as connection:
            told("working out the metrics", 0)
            customers = kept.rebuild(connection, of.company_id, of.today)
            told("working out the metrics", 1)
        refresh_statistics(database)
    printing.note(f"the metrics of {customers:,} customers of '{of.name}' are kept as of {of.today}")
