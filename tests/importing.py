"""Commands as processes of their own, for tests that kill them."""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from app import cli

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])  # what takes long is done once


def start(url: str, company: str, folder: Path) -> ForkServerProcess:
    """`duelist import`."""
    return start_command(["import", str(folder), "--company", company], {"DUELIST_DATABASE_URL": url})


def start_command(
    arguments: Sequence[str], environment: Mapping[str, str | None], output: Path = Path(os.devnull)
) -> ForkServerProcess:
    """`duelist …`, without the variables that are None; what it says is added to a file."""
    process = _context.Process(target=_run, args=(list(arguments), dict(environment), str(output)))
    process.start()
    return process


def _run(arguments: list[str], environment: dict[str, str | None], output: str) -> None:
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    for name, value in environment.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    sys.argv = ["duelist", *arguments]
    cli.main()
