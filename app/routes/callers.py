"""Who may call what, and when it is their company's turn."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from app.auth import Caller, Callers, needs
from app.turns import Turns

# For what is answered without the database.
Known = Annotated[Caller, Depends(needs("read"))]


async def _reader(request: Request, caller: Known) -> AsyncIterator[Caller]:
    async with _turns(request).turn(caller.company.company_id):
        yield caller


async def _writer(request: Request, caller: Annotated[Caller, Depends(needs("write"))]) -> AsyncIterator[Caller]:
    async with _turns(request).turn(caller.company.company_id):
        yield caller


async def _admin(request: Request, caller: Annotated[Caller, Depends(needs("admin"))]) -> AsyncIterator[Caller]:
    async with _turns(request).turn(caller.company.company_id):
        yield caller


async def _exporter(request: Request, caller: Known) -> AsyncIterator[Caller]:
    exports: Turns = request.app.state.exports
    company_id = caller.company.company_id
    async with exports.turn(company_id), _turns(request).turn(company_id):
        yield caller


def _turns(request: Request) -> Turns:
    turns: Turns = request.app.state.turns
    return turns


# Each has its turn until the answer is sent.
Reader = Annotated[Caller, Depends(_reader)]
Writer = Annotated[Caller, Depends(_writer)]
Admin = Annotated[Caller, Depends(_admin)]
Exporter = Annotated[Caller, Depends(_exporter)]


def forget_callers(request: Request) -> None:
    """With what their companies had defined."""
    callers: Callers = request.app.state.callers
    callers.forget()
