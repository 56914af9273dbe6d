"""What is done behind the answers, one thing after the other, in a thread of its own."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread

import structlog

from app.logs import faults

_log = structlog.get_logger("duelist")

LEAVING_SECONDS = 2.0


class Background:
    def __init__(self, name: str) -> None:
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._closed = Event()
        # Not one of a pool: these are waited for at the end of the process, however long their database is silent.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, task: Callable[[], None]) -> None:
        self._tasks.put(task)

    def close(self) -> None:
        """What has not begun is left undone, and so is what takes longer than a moment: it ends with the process."""
        self._closed.set()
        self._tasks.put(lambda: None)
        self._thread.join(LEAVING_SECONDS)

    def _run(self) -> None:
        while not self._closed.is_set():
            task = self._tasks.get()
            if self._closed.is_set():
                return
            try:
                task()
            except Exception as fault:  # whatever it is, the next may be well
                _log.error("a fault in the background", **faults(fault))
