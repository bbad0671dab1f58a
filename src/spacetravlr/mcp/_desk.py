"""What all tools share: the viewer, how to wait for it, and how to follow its jobs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
from anyio import CancelScope
from mcp.server.mcpserver.exceptions import ToolError

from spacetravlr.mcp._api import Api, ApiError, part
from spacetravlr.mcp._local import LocalViewer
from spacetravlr.mcp._progress import Progress

_PAUSE = 0.1
_LONGEST_PAUSE = 0.5
_NEARLY = 0.99


@dataclass(frozen=True, slots=True)
class Desk:
    """The viewer that tools ask.

    Attributes
    ----------
    api
        Its interface.
    local
        The viewer itself, if it is in this process.
    """

    api: Api
    local: LocalViewer | None

    async def ready(self, progress: Progress) -> None:
        """Wait until the viewer answers.

        Raises
        ------
        ToolError
            If it could not be started, with the reason.
        """
        local = self.local
        if local is None:
            return
        local.start()
        while not local.settled.is_set():
            await progress.tell(0.0, local.doing)
            await anyio.sleep(_PAUSE)
        if local.failure is not None:
            raise ToolError(f"nothing is open: {local.failure}")

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
            raise ToolError(
                "nothing is open: call show_spatial_viewer with run_toml or adata_path, or start the server with "
                "--run-toml, --h5ad or --demo"
            ) from error
        return found

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
