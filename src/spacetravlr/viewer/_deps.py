"""What routes are given: the hub, the session, the data."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from spacetravlr.viewer._dataset import Dataset
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._problem import ProblemError

_SESSION = re.compile(r"[0-9A-Fa-f]{16,64}\Z")


async def the_hub(request: Request) -> Hub:
    """Return the state of the server."""
    hub: Hub = request.app.state.hub
    return hub


HubOf = Annotated[Hub, Depends(the_hub)]


async def the_session(
    x_session: Annotated[str | None, Header(max_length=64)] = None,
    session: Annotated[str | None, Query(max_length=64)] = None,
) -> str:
    """Return the session that a request belongs to: by the header, or in the address (links carry no headers).

    Raises
    ------
    ProblemError
        400 if its name is none.
    """
    name = x_session or session or ""
    if name and not _SESSION.match(name):
        raise ProblemError(400, "a session (X-Session) is 16 to 64 hexadecimal digits")
    return name.lower()


SessionOf = Annotated[str, Depends(the_session)]


async def open_data(hub: HubOf) -> Dataset:
    """Return the data that clients of version 1 share.

    Raises
    ------
    ProblemError
        503 if there are none.
    """
    return hub.dataset()


DataOf = Annotated[Dataset, Depends(open_data)]


async def chosen_data(
    hub: HubOf, session: SessionOf, dataset: Annotated[str | None, Query(max_length=64)] = None
) -> Dataset:
    """Return the data that a request of version 2 is about.

    Raises
    ------
    ProblemError
        404 if they are not open any more, 503 if there are none.
    """
    return hub.dataset(session, dataset)


ChosenOf = Annotated[Dataset, Depends(chosen_data)]
