"""Logs: one JSON object a line on standard error, also for what the libraries have to say; no value of a ledger.

Of a fault its types and places are told. Its message is not: PostgreSQL's and pydantic's repeat what was sent.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from traceback import extract_tb
from types import TracebackType

import structlog

ROOT = Path(__file__).resolve().parents[1]


def faults(error: BaseException) -> dict[str, object]:
    """The exception and what it came of: of each its type, PostgreSQL's code, and where it went through."""
    chain = list(_chain(error))
    found: dict[str, object] = {"error": " < ".join(type(link).__name__ for link in chain)}
    codes = [code for link in chain if isinstance(code := getattr(link, "sqlstate", None), str)]
    if codes:
        found["sqlstate"] = codes[0]
    return {**found, "at": _places(chain[-1].__traceback__)}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _places(traceback: TracebackType | None) -> list[str]:
    """Those of ours, and the innermost."""
    places = [(_of_ours(place.filename), place) for place in extract_tb(traceback)]
    return [
        f"{ours or '/'.join(Path(place.filename).parts[-2:])}:{place.lineno} {place.name}"
        for ours, place in places
        if ours or place is places[-1][1]
    ]


def _of_ours(file: str) -> str | None:
    path = Path(file)
    found = path.relative_to(ROOT) if path.is_relative_to(ROOT) else None
    return str(found) if found and found.parts[0] in ("app", "dsl", "migrations") else None


def _without_values(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """In the place of a traceback, which ends with the message."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    return {**event, **faults(error)} if isinstance(error, BaseException) else event


class _ToldAlready(logging.Filter):
    """The server tells of each fault again, which problems.py has told of with the request's id."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Exception in ASGI application")


def set_up_logging(level: str) -> None:
    chain: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    handler = logging.StreamHandler()
    handler.addFilter(_ToldAlready())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_values,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=chain,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("duelist").setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *chain,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
