"""Calls about the fields that a company defines."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from app import fields
from app.routes.callers import Admin, Reader, forget_callers
from app.routes.exact import ExactRoute, answer

own_fields = APIRouter(prefix="/v1/fields", route_class=ExactRoute, tags=["fields"])


@own_fields.get("")
def list_fields(caller: Reader, request: Request) -> Response:
    """The fields that the company has defined."""
    return answer({"fields": fields.listed(request.app.state.database, caller.company)})


@own_fields.put("/{entity}/{name}")
def define_field(entity: str, name: str, asked: fields.Definition, caller: Admin, request: Request) -> Response:
    """Defines a field, or makes it what is sent; values that do not fit are named, and nothing is changed."""
    document = fields.define(request.app.state.database, caller.company, entity, name, asked, caller.name)
    forget_callers(request)
    return answer(document)


@own_fields.delete("/{entity}/{name}", status_code=HTTPStatus.NO_CONTENT)
def remove_field(entity: str, name: str, caller: Admin, request: Request) -> Response:
    """Takes a field away; its values stay, as text."""
    fields.remove(request.app.state.database, caller.company, entity, name, caller.name)
    forget_callers(request)
    return Response(status_code=HTTPStatus.NO_CONTENT)
