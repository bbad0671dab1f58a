"""How far the training of the open run has come."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from spacetravlr.viewer._answers import json_answer
from spacetravlr.viewer._deps import ChosenOf
from spacetravlr.viewer._problem import ProblemError, plain_message

router = APIRouter(prefix="/api/v2", tags=["data"])
_MOST_REASONS = 20


@router.get("/run")
def run(request: Request, data: ChosenOf) -> Response:
    """Say how many targets of the run are done, at work, without a model, or failed."""
    if data.run is None:
        raise ProblemError(404, "no run is open", code="no_run")
    status = data.run.status()
    reasons = list(status.failed.items())[:_MOST_REASONS]
    return json_answer(
        request,
        {
            "name": data.run.path.name,
            "state": status.state,
            "planned": None if status.planned is None else len(status.planned),
            "done": len(status.done),
            "orphan": len(status.orphan),
            "at_work": sum(not lock.gone for lock in status.locked),
            "failed": len(status.failed),
            "reasons": {gene: plain_message(why) for gene, why in reasons},
            "remaining": None if status.remaining is None else len(status.remaining),
        },
    )
