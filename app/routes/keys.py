"""Calls about keys. A key is shown in the answer that makes it, and never again."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app import keys as feature
from app.keys import Making, Rotating
from app.routes.callers import Admin, forget_callers
from app.routes.exact import ExactRoute, answer

keys = APIRouter(prefix="/v1/keys", route_class=ExactRoute, tags=["keys"])

_UNKEPT = {"Cache-Control": "no-store"}


def _prefix(written: Annotated[str, Path(alias="prefix")]) -> str:
    """What cannot be one is answered as one that is not there."""
    if not feature.PREFIX.fullmatch(written):
        raise feature.unknown()
    return written


Prefix = Annotated[str, Depends(_prefix)]


@keys.get("")
def list_keys(caller: Admin, request: Request) -> Response:
    """All keys of the company, also those that ended: what each may do, who made it, and when it was last used."""
    return answer({"keys": feature.listed(request.app.state.database, caller.company)})


@keys.post("", status_code=HTTPStatus.CREATED)
def make_key(caller: Admin, making: Making, request: Request) -> Response:
    """A new key of any scope."""
    made = feature.make(request.app.state.database, caller.company, making, caller.name)
    return answer(made, HTTPStatus.CREATED, **_UNKEPT)


@keys.post("/{prefix}/rotate", status_code=HTTPStatus.CREATED)
def rotate_key(caller: Admin, prefix: Prefix, rotating: Rotating, request: Request) -> Response:
    """A successor of the same scope, name and length of life; the former key works on for the overlap."""
    made = feature.rotate(request.app.state.database, caller.company, prefix, rotating, caller.name)
    forget_callers(request)
    return answer(made, HTTPStatus.CREATED, **_UNKEPT)


@keys.delete("/{prefix}", status_code=HTTPStatus.NO_CONTENT)
def revoke_key(caller: Admin, prefix: Prefix, request: Request, confirm: bool = False) -> Response:
    """Ends a key within a second. `confirm`: also when it is the company's last one of scope admin."""
    feature.revoke(request.app.state.database, caller.company, prefix, caller.name, confirmed=confirm)
    forget_callers(request)
    return Response(status_code=HTTPStatus.NO_CONTENT)
