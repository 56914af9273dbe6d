"""Calls for single records."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from app import queries
from app.problems import Problem
from app.routes.callers import Reader
from app.routes.exact import answer

records = APIRouter(prefix="/v1", tags=["records"])


def _add_record_route(kind: str) -> None:
    def record(source_id: str, caller: Reader, request: Request) -> Response:
        found = queries.record(request.app.state.reads, caller.company, kind, source_id)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-id", f"There is no such record among the {kind}.")
        return answer(found)

    # As the previews are named; as its file is, too.
    named = kind.replace("_", "-")
    for name in dict.fromkeys((named, kind)):
        path = f"/{name}/{{source_id:path}}"  # a source id may contain slashes
        about = "One record as it is stored."
        records.add_api_route(
            path, record, methods=["GET"], name=name, description=about, include_in_schema=name == named
        )


for _kind in queries.RECORDS:
    _add_record_route(_kind)
