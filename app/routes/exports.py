"""Whole answers, sent as they are read."""

from collections.abc import AsyncIterator, Generator
from itertools import chain
from typing import Any

from anyio import CancelScope
from fastapi import Request
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import Response, StreamingResponse

from app.asked import Exporting, analysis_of
from app.audit_log import exported
from app.auth import Caller

CSV = "text/csv; charset=utf-8; header=present"
NDJSON = "application/x-ndjson"


class Csv(Response):
    """What the OpenAPI document says that a call answers with."""

    media_type = CSV


class Ndjson(Response):
    media_type = NDJSON


OR_NDJSON: dict[int | str, dict[str, Any]] = {200: {"content": {NDJSON: {"schema": {"type": "string"}}}}}


def noted_export(
    request: Request,
    caller: Caller,
    chunks: Generator[bytes, None, None],
    asked: Exporting,
    form: str,
    **about: object,
) -> Generator[bytes, None, None]:
    """Who took which rows out is in the audit log; of the filter its fingerprint."""
    state, company = request.app.state, caller.company
    filter = state.fingerprint(analysis_of(asked, company.catalog).canonical)
    about = {"filter": filter, "format": form, **about}
    return exported(chunks, state.database, company.company_id, caller.name, asked.kind, **about)


def streamed(chunks: Generator[bytes, None, None], media_type: str) -> Response:
    """The first rows are there before the answer begins, so that what is wrong still has its own status."""
    return StreamingResponse(_sent(next(chunks, b""), chunks), media_type=media_type)


async def _sent(first: bytes, chunks: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    """A caller that goes away ends the export and frees its connection at once."""
    try:
        async for chunk in iterate_in_threadpool(chain([first], chunks)):
            yield chunk
    finally:
        with CancelScope(shield=True):
            await run_in_threadpool(chunks.close)
