"""What all tools share: the viewer, how to wait for it, and how to follow its jobs."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
from anyio import CancelScope, get_cancelled_exc_class
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.exceptions import ToolError

from spacetravlr.mcp._api import Api, ApiError, Switched, part
from spacetravlr.mcp._local import LocalViewer
from spacetravlr.mcp._progress import Progress

_PAUSE = 0.1
_LONGEST_PAUSE = 0.5
_NEARLY = 0.99


CURRENT: ContextVar[Api | None] = ContextVar("the session of the viewer", default=None)
"""The client of the session that is being answered; None where there is only one."""
_OPEN = "call show_spatial_viewer with run_toml or adata_path"


class Desk:
    """The viewer that tools ask.

    Parameters
    ----------
    api
        Its interface, for whoever is the only one to ask.
    local
        The viewer itself, if it is in this process.
    """

    def __init__(self, api: Api, local: LocalViewer | None) -> None:
        self._api = api
        self.local = local

    @property
    def api(self) -> Api:
        """The interface of the viewer, in the session that is being answered."""
        return CURRENT.get() or self._api

    async def ready(self, progress: Progress) -> None:
        """Wait until the viewer answers.

        Raises
        ------
        ToolError
            If it could not be started, with the reason.
        """
        local = self.local
        if local is not None:
            local.start()
            while not local.settled.is_set():
                await progress.tell(0.0, local.doing)
                await anyio.sleep(_PAUSE)
            if local.failure is not None:
                raise ToolError(f"the viewer could not be started: {local.failure}; start this server again")
        async with self.api.steady:
            return  # nothing else is to be shown just now

    async def begun(self, progress: Progress) -> None:
        """Wait until the viewer answers; where nothing is open, what it was started with is tried once more.

        Raises
        ------
        ToolError
            As `ready`.
        """
        await self.ready(progress)
        if self.local is not None and self.local.unopened is not None and await self._shown() is None:
            self.local.again()
            await self.ready(progress)

    async def meta(self, progress: Progress) -> dict[str, Any]:
        """Return the facts about the open data.

        Raises
        ------
        ToolError
            If none are open, with what to do.
        """
        await self.ready(progress)
        try:
            found: dict[str, Any] = await self.api.get("/meta")
        except ApiError as error:
            if error.code != "no_dataset":
                raise
            unopened = self.local and self.local.unopened
            if unopened:
                raise ToolError(
                    f"nothing is open: {unopened}. Once that is mended, call show_spatial_viewer without arguments; to "
                    f"open something else, {_OPEN}"
                ) from error
            if "not open any more" in error.message:
                raise ToolError(f"{error.message}: {_OPEN}") from error
            raise ToolError(
                f"nothing is open: {_OPEN}, or start the server with --run-toml, --h5ad or --demo"
            ) from error
        return found

    async def switch(self, dataset: str, *, call: str) -> dict[str, Any]:
        """Show data that are open to the session, and return the facts about them; a call that is cancelled does not.

        Parameters
        ----------
        dataset
            Their id.
        call
            Id of the call that wants it.

        Raises
        ------
        ApiError
            If they are not open any more.
        """
        # whatever is asked meanwhile is answered about the one or the other
        async with self.api.steady:
            before = await self._shown()
            await anyio.lowlevel.checkpoint()
            try:
                with CancelScope(shield=True):
                    await self.api.post("/open", {"dataset": dataset})
                found: dict[str, Any] = await self.api.get("/meta")
            except get_cancelled_exc_class():
                with CancelScope(shield=True):
                    await self._back(before)
                raise
            self.api.switched = Switched(call, before, dataset)
        return found

    async def undo(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on; one that cancels a call whose answer was on its way already takes back what it has shown.

        The client has not seen that answer, and goes on from where it was.
        """
        last, given_up = self.api.switched, ctx.method == "notifications/cancelled"
        if last is not None and given_up and str((ctx.params or {}).get("requestId")) == last.call:
            async with self.api.steady:
                if self.api.switched is last and await self._shown() == last.after:
                    await self._back(last.before)
                self.api.switched = None
        return await call_next(ctx)

    async def _back(self, before: str | None) -> None:
        with suppress(ApiError):
            if before is None:
                await self.api.leave()
            else:
                await self.api.post("/open", {"dataset": before})

    async def _shown(self) -> str | None:
        try:
            return str((await self.api.get("/meta"))["dataset"])
        except ApiError as error:
            if error.code != "no_dataset":
                raise
            return None

    async def model(self, progress: Progress) -> dict[str, Any]:
        """Wait until perturbations can be simulated, and return the facts about the open data.

        Raises
        ------
        ToolError
            If there is no run, or its model cannot be loaded.
        """
        while True:
            meta = await self.meta(progress)
            state = meta["perturb"]
            if state["state"] == "ready":
                return meta
            if state["state"] == "loading":
                await progress.tell(0.0, f"loading the model: {state['label']}")
                await anyio.sleep(_LONGEST_PAUSE)
                continue
            if state["state"] == "failed":
                raise ToolError(f"the model cannot be loaded: {state['message']}")
            raise ToolError(
                "there is no model to simulate with: open a trained run (run_toml of show_spatial_viewer, or start "
                "the server with --run-toml)"
            )

    async def job(self, progress: Progress, body: dict[str, Any]) -> dict[str, Any]:
        """Run a job to its end and return its facts; if the call ends before it in whatever way, the job is cancelled.

        Raises
        ------
        ToolError
            If it is refused, fails, or is cancelled by somebody else.
        """
        # between the request and its answer a job has no name by which it could be cancelled
        with CancelScope(shield=True):
            identifier = str((await self.api.post("/jobs", body))["id"])
        try:
            facts = await self._followed(progress, identifier)
        except BaseException:
            # cancelled, or nobody is there any more to hear of it
            with CancelScope(shield=True), suppress(ApiError):
                await self.api.delete(f"/jobs/{part(identifier)}")
            raise
        if facts["state"] != "done":
            raise ToolError(f"the {body['kind']} job is {facts['state']}: {facts['message'] or 'no reason given'}")
        return facts

    async def _followed(self, progress: Progress, identifier: str) -> dict[str, Any]:
        pause = _PAUSE / 2
        while True:
            facts: dict[str, Any] = await self.api.get(f"/jobs/{part(identifier)}")
            ended = facts["state"] not in ("queued", "running")
            # the whole is told once, at the end
            await progress.tell(min(float(facts["progress"]), 1.0 if ended else _NEARLY), str(facts["step"]))
            if ended:
                return facts
            await anyio.sleep(pause)
            pause = min(1.3 * pause, _LONGEST_PAUSE)


def unit(meta: dict[str, Any]) -> str:
    """Return the unit of expression and its changes."""
    return f"expression units of layer {meta['layer']}"


def categories(meta: dict[str, Any], column: str | None) -> list[str]:
    """Return the names of a categorical column of obs, empty if there is none."""
    for one in meta["obs"]:
        if one["name"] == column and one["kind"] == "categorical":
            return [str(name) for name in one["categories"]]
    return []
