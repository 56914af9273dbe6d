"""Commands for whoever runs the service."""

import runpy
import sys
from contextlib import suppress
from typing import Annotated

import typer

from app import printing, roles
from app.database import database_url
from app.distribute import By, NoCitus, distribute, statements
from app.migrate import is_current, migrate
from app.serving import serve as serve_it
from app.settings import Settings
from app.terminal import NO, opened, stop

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
