"""`duelist import` as a process of its own, for tests that kill it."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from app import cli

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])  # what takes long is done once


def start(url: str, company: str, folder: Path) -> ForkServerProcess:
    process = _context.Process(target=_run, args=(url, company, str(folder)))
    process.start()
    return process


def _run(url: str, company: str, folder: str) -> None:
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    os.environ["DUELIST_DATABASE_URL"] = url
    sys.argv = ["duelist", "import", folder, "--company", company]
    cli.main()
