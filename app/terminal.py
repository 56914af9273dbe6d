"""What the commands share: options, the database, and how answers are written."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Annotated, Literal, NoReturn

import orjson
import typer

from app import printing
from app.database import Database, database_url
from app.migrate import is_current, migrate
from app.roles import ServiceDatabase, refuse_unsafe_url, service_url
from app.settings import Settings

NO, WRONG = 1, 2

Filter = Annotated[str, typer.Argument(metavar="FILTER", help="for example: invoice.balance > 1000")]
Level = Annotated[Literal["customer", "group"], typer.Option(help="what the filter describes")]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="the company's today when absent")]
AsOfWithout = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="today when absent: the company's, without one in UTC")
]
Params = Annotated[
    list[str] | None, typer.Option("--param", metavar="K=V", help="value of $k; given again it becomes a list")
]
Everyone = Annotated[bool, typer.Option("--match-all", help="an empty filter selects everyone")]
OfCompany = Annotated[str | None, typer.Option("--company", metavar="NAME", help="needed where there are several")]
ForCompany = Annotated[
    str | None, typer.Option("--company", metavar="NAME", help="answer for its ledger; without it no database is asked")
]
TextOrJson = Annotated[Literal["text", "json"], typer.Option("--format", help="json: the body of the HTTP answer")]
TextOrJsonFor = Annotated[
    Literal["text", "json"], typer.Option("--format", help="json: with --company the body of the HTTP answer")
]
TableOrJson = Annotated[Literal["table", "json"], typer.Option("--format")]


@contextmanager
def opened(settings: Settings, *, as_service: bool = False) -> Iterator[Database]:
    """As its owner, or as the service. The embedded database is ours to migrate; another one only when told."""
    with database_url(settings) as url:
        if not is_current(url):
            if settings.database_url or settings.owner_database_url:
                stop("the database is not migrated; run: duelist migrate")
            migrate(url)
        if as_service:
            refuse_unsafe_url(used := service_url(settings, url))
        kind = ServiceDatabase if as_service else Database
        with closing(kind(used if as_service else url, largest_cost=settings.largest_cost)) as database:
            yield database


def params_of(given: Sequence[str] | None) -> dict[str, str | list[str]] | None:
    found: dict[str, list[str]] = {}
    for name, value in (pair_of(text, "--param") for text in given or []):
        found.setdefault(name.removeprefix("$"), []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()} or None


def pair_of(text: str, option: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise typer.BadParameter(f"'{text}' is not of the form name=value", param_hint=option)
    return name, value


def write_json(document: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(document, default=str, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def stop(message: str) -> NoReturn:
    printing.note(f"duelist: {message}")
    raise SystemExit(WRONG)
