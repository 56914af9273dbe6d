"""Who may call what."""

from typing import Annotated

from fastapi import Depends, Request

from app.auth import Caller, known_callers, needs
from app.kept import Keeper


async def _reader(request: Request, caller: Annotated[Caller, Depends(needs("read"))]) -> Caller:
    """The first question of a company's new day has its metrics brought to that day."""
    keeper: Keeper = request.app.state.keeper
    keeper.consider(caller.company)
    return caller


Reader = Annotated[Caller, Depends(_reader)]
Writer = Annotated[Caller, Depends(needs("write"))]
Admin = Annotated[Caller, Depends(needs("admin"))]


def forget_callers(request: Request) -> None:
    """With what their companies had defined. Whoever is being looked up just now still goes into the old ones."""
    request.app.state.callers = known_callers()
