"""Who changed and ran what."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.asked import LARGEST_PAGE
from app.audit_log import listed
from app.routes.callers import Admin
from app.routes.exact import answer

audit_log = APIRouter(prefix="/v1/audit-log", tags=["audit log"])


@audit_log.get("")
def list_entries(
    caller: Admin,
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    before: UUID | None = None,
) -> Response:
    """The newest first; `before` is the `next` of the page before."""
    found = listed(request.app.state.reads, caller.company.company_id, limit + 1, before)
    more = len(found) > limit
    return answer({"entries": found[:limit], "next": found[limit - 1]["id"] if more else None})
