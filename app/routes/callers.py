"""Who may call what."""

from typing import Annotated

from fastapi import Depends, Request

from app.auth import Caller, Callers, needs

Reader = Annotated[Caller, Depends(needs("read"))]
Writer = Annotated[Caller, Depends(needs("write"))]
Admin = Annotated[Caller, Depends(needs("admin"))]


def forget_callers(request: Request) -> None:
    """With what their companies had defined."""
    callers: Callers = request.app.state.callers
    callers.forget()
