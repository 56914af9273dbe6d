"""Commands about keys."""

from typing import Annotated

import typer

from app import auth, companies, printing
from app.settings import Settings
from app.terminal import OfCompany, opened

commands = typer.Typer()
key_app = typer.Typer(help="Keys for the HTTP interface.", no_args_is_help=True)
commands.add_typer(key_app, name="key")


@key_app.command("create")
def create_key(
    company: OfCompany = None, scope: Annotated[auth.Scope, typer.Option(help="what it allows")] = "read"
) -> None:
    """Make a key. It is shown once."""
    with opened(Settings()) as database:
        print(auth.create_key(database, companies.chosen(database, company), scope))
    printing.note("keep it: it cannot be shown again")
