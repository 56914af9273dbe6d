"""The command line. Exit codes: 0, 1 (the answer is no, or the data has errors), 2 (the request is wrong)."""

import os
import sys

import psycopg
import typer
from pydantic import ValidationError

from app import printing
from app.audit import NotAudited
from app.backup import BackupRefused
from app.commands import filters, keys, ledger, operating, workflows
from app.companies import BadCompany
from app.database import DatabaseAway, NotOwner
from app.embedded import EmbeddedError
from app.migrate import TablesLocked
from app.problems import Problem, as_problem
from app.roles import UnsafeDatabase
from app.serving import PortTaken
from app.settings import Settings, refusals
from app.sweep import SweepRefused
from app.terminal import WRONG, stop
from app.tracing import NoTracing
from dsl import FilterError

app = typer.Typer(
    help="A list of who is due: filters over a receivables ledger.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for about in (filters, workflows, ledger, keys, operating):
    app.add_typer(about.commands)


def main() -> None:
    try:
        app(prog_name="duelist")
    except FilterError as wrong:
        printing.draw_all(wrong.text, wrong.diagnostics)
        raise SystemExit(WRONG) from None
    except ValidationError as wrong:
        if wrong.title == Settings.__name__:
            stop("; ".join(refusals(wrong)))
        said = ((".".join(map(str, found["loc"])), found["msg"]) for found in wrong.errors())
        stop("; ".join(f"{place}: {message.removeprefix('Value error, ')}" for place, message in said))
    except (
        BackupRefused,
        BadCompany,
        EmbeddedError,
        NoTracing,
        NotAudited,
        NotOwner,
        PortTaken,
        SweepRefused,
        TablesLocked,
        UnsafeDatabase,
    ) as wrong:
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
