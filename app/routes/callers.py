"""Who may call what."""

from typing import Annotated

from fastapi import Depends, Request

from app.auth import Caller, needs
from app.kept import Keeper


async def _reader(request: Request, caller: Annotated[Caller, Depends(needs("read"))]) -> Caller:
    """The first question of a company's new day has its metrics brought to that day."""
    keeper: Keeper = request.app.state.keeper
    keeper.consider(caller.company)
    return caller


Reader = Annotated[Caller, Depends(_reader)]
Writer = Annotated[Caller, Depends(needs("write"))]
Admin = Annotated[Caller, Depends(needs("admin"))]
