"""Commands about keys."""

from typing import Annotated, Any

import typer

from app import audit_log, companies, keys, printing
from app.problems import Problem
from app.settings import Settings
from app.terminal import OfCompany, TableOrJson, opened, write_json

commands = typer.Typer()
key_app = typer.Typer(help="Keys for the HTTP interface.", no_args_is_help=True)
commands.add_typer(key_app, name="key")

Prefix = Annotated[str, typer.Argument(metavar="PREFIX", help="the third part of a key: duelist_1_PREFIX_…")]


@key_app.command("create")
def create_key(
    company: OfCompany = None,
    scope: Annotated[keys.Scope, typer.Option(help="what it allows")] = "read",
    name: Annotated[str | None, typer.Option(help="what it is for")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="90d|DATE", help="after so long, or with that day; never when absent")
    ] = None,
) -> None:
    """Make a key. It is shown once."""
    making = keys.Making.model_validate({"scope": scope, "name": name, "expires": expires})
    with opened(Settings()) as database:
        _show(keys.make(database, companies.chosen(database, company), making, audit_log.COMMAND_LINE))


@key_app.command("list")
def list_keys(company: OfCompany = None, format: TableOrJson = "table") -> None:
    """Show all keys, also those that ended, and when each was last used. The keys themselves are not kept."""
    with opened(Settings()) as database:
        found = keys.listed(database, companies.chosen(database, company))
    if format == "json":
        write_json({"keys": found})
    else:
        printing.table([{name: _cell(value) for name, value in key.items()} for key in found])


@key_app.command("rotate")
def rotate_key(
    prefix: Prefix,
    overlap: Annotated[str, typer.Option(metavar="24h", help="how long the former key still works")] = "24h",
    company: OfCompany = None,
) -> None:
    """Make the successor of a key: of the same scope, name and length of life. It is shown once."""
    rotating = keys.Rotating.model_validate({"overlap": overlap})
    with opened(Settings()) as database:
        _show(keys.rotate(database, companies.chosen(database, company), prefix, rotating, audit_log.COMMAND_LINE))
    printing.note(f"the former key ends in {overlap}")


@key_app.command("revoke")
def revoke_key(prefix: Prefix, company: OfCompany = None) -> None:
    """End a key, within a second."""
    with opened(Settings()) as database:
        of = companies.chosen(database, company)
        try:
            keys.revoke(database, of, prefix, audit_log.COMMAND_LINE, confirmed=False)
        except Problem as refused:
            if refused.code != "last-admin-key":
                raise
            keys.revoke(database, of, prefix, audit_log.COMMAND_LINE, confirmed=True)
            printing.note(f"'{of.name}' has no lasting admin key any more; make one: duelist key create --scope admin")
    printing.say(f"the key {prefix} is revoked")


def _show(made: dict[str, Any]) -> None:
    print(made["key"])
    printing.note("keep it: it cannot be shown again")


def _cell(value: object) -> str:
    return "" if value is None else str(value)
