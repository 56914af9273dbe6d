"""Commands for whoever runs the service."""

import runpy
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from app import audit_log, companies, doctor, printing, roles
from app.backup import back_up, restore, verify
from app.database import database_url
from app.distribute import By, NoCitus, distribute, statements
from app.migrate import is_current, migrate
from app.serving import serve as serve_it
from app.settings import Settings
from app.terminal import NO, OfCompany, TableOrJson, opened, stop, write_json

BackupFile = Annotated[Path, typer.Argument(metavar="FILE")]

commands = typer.Typer()
role_app = typer.Typer(help="The role that the service logs in as.", no_args_is_help=True)
commands.add_typer(role_app, name="role")

# The benchmark reads its own options, and needs packages that the other commands do without.
_HANDED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@commands.command()
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


@commands.command("migrate")
def migrate_database() -> None:
    """Bring the database's schema to the newest revision."""
    with database_url(Settings()) as url:
        was_current = is_current(url)
        migrate(url)
    printing.say("the database was at the newest revision" if was_current else "the database is migrated")


@commands.command("backup")
def back_up_database(
    file: BackupFile,
    check: Annotated[
        bool, typer.Option("--verify", help="write nothing: restore FILE into a database beside, compare, and drop it")
    ] = False,
) -> None:
    """Write everything to a file, while the service runs."""
    with database_url(Settings()) as url:
        if check:
            with printing.progress() as told:
                differing = verify(url, file, told)
            return _restored(differing, f"{file} restores to what it was made of")
        if not is_current(url):
            stop("the database is not migrated; run: duelist migrate")
        with printing.progress() as told:
            manifest = back_up(url, file, told)
    rows = sum(table.rows for table in manifest.tables.values())
    return printing.say(f"{rows:,} rows of {len(manifest.answers)} companies are in {file}")


@commands.command("restore")
def restore_database(
    file: BackupFile,
    into: Annotated[str | None, typer.Option(metavar="URL", help="another database than the chosen one")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace what is in the database")] = False,
) -> None:
    """Bring back what a backup holds, and compare: every table, and whom a filter on each field selects."""
    settings = Settings()
    if into:
        settings = Settings.model_validate(settings.model_dump() | {"database_url": SecretStr(into)})
    with database_url(settings) as url, printing.progress() as told:
        differing = restore(url, file, told, force=force)
    _restored(differing, f"{file} is restored")


def _restored(differing: list[str], well: str) -> None:
    for line in differing:
        printing.note(line)
    if differing:
        printing.note(f"duelist: not as it was backed up: {len(differing):,} of what was compared")
        raise typer.Exit(NO)
    printing.say(well)


@commands.command("doctor")
def look_at_everything(format: TableOrJson = "table") -> None:
    """Check settings, database, protection, indexes and clocks; what is wrong is named with what mends it."""
    found = list(doctor.examine(Settings()))
    if format == "json":
        write_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            print(f"{finding.verdict:4}  {finding.check}: {finding.message}")
            if finding.mend:
                print(f"      mend it: {finding.mend}")
    raise typer.Exit(NO if any(finding.verdict == "fail" for finding in found) else 0)


@commands.command("log")
def show_log(
    company: OfCompany = None,
    limit: Annotated[int, typer.Option(help="entries shown", min=1, max=100_000)] = 50,
    format: TableOrJson = "table",
) -> None:
    """Show who changed and ran what, the newest first."""
    with opened(Settings()) as database:
        found = audit_log.listed(database, companies.chosen(database, company).company_id, limit)
    if format == "json":
        write_json({"entries": found})
    elif found:
        printing.table([{**entry, "detail": _in_words(entry["detail"])} for entry in found])
    else:
        printing.note("nothing is noted yet")


def _in_words(detail: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in detail.items())


@role_app.command("create")
def create_role(name: Annotated[str | None, typer.Argument(help=f"{roles.SERVICE} when absent")] = None) -> None:
    """Make or mend the role that the service logs in as, and print the settings to use."""
    settings = Settings()
    given = roles.named_role(settings) if name is None else None
    role, password = given or (name or roles.SERVICE, roles.new_password())
    with database_url(settings) as owner_url:
        if not is_current(owner_url):
            stop("the database is not migrated; run: duelist migrate")
        url = roles.make_role(owner_url, role, password)
    if given:
        return printing.say(f"DUELIST_DATABASE_URL may be used: '{role}' sees one company at a time")
    if not (settings.owner_database_url or settings.database_url):
        return printing.say(f"the embedded database has the role '{role}'; serve uses {roles.SERVICE} by itself")
    print(f"DUELIST_DATABASE_URL={url}\nDUELIST_OWNER_DATABASE_URL={owner_url}")
    return printing.note("the first is for the service, the second for commands; the password is not shown again")


@commands.command("distribute")
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


@commands.command("bench", context_settings=_HANDED_ON, add_help_option=False)
def measure(context: typer.Context) -> None:
    """Measure the speed of everything, in ratios. `duelist bench --help` lists the options."""
    sys.argv[1:] = context.args
    try:
        runpy.run_module("app.bench", run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as missing:
        stop(f"the benchmark needs {missing.name}; install it with: pip install 'duelist[bench]'")
