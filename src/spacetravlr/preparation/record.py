"""What a preparation has done, kept in the file, so that nothing is done twice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from spacetravlr.events import Listener, StageFinished, StageStarted
from spacetravlr.preparation.quality import Removed
from spacetravlr.tissue.units import RECORD, Scale

if TYPE_CHECKING:
    from anndata import AnnData

SCHEMA = 1


class Record:
    """The steps that were done, with the parameters of each.

    Parameters
    ----------
    stored
        Entry of uns of an earlier preparation, if there was one.
    """

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        known = stored if stored is not None else {}
        self.steps = {str(name): str(text) for name, text in known.get("steps", {}).items()}
        self.removed = Removed.of_frame(known["removed"]) if "removed" in known else Removed()
        self.facts = {str(name): value for name, value in known.items() if name not in {"steps", "removed"}}
        self.n_steps = 0
        """Steps that this preparation has; 0 if it is not known."""
        self._begun = 0
        self._ran: set[str] = set()

    def step(
        self,
        name: str,
        parameters: Mapping[str, object],
        action: Callable[[], str],
        *,
        there: bool,
        after: tuple[str, ...] = (),
        told: Listener,
        patience: str = "",
    ) -> None:
        """Do a step, unless it was done with these parameters, is there, and nothing it builds on has changed.

        Parameters
        ----------
        name
            Name of the step, for people too.
        parameters
            Everything that its result depends on beside the steps before; ready for JSON.
        action
            Does it and returns what to tell.
        there
            Whether what the step makes is in the sample: somebody may have removed it since.
        after
            The steps it builds on.
        told
            Receives the events.
        patience
            Why it may take long.
        """
        self._begun += 1
        text = json.dumps(dict(parameters), sort_keys=True)
        if there and self.steps.get(name) == text and not self._ran.intersection(after):
            told(StageFinished(name, 0.0, "done before"))
            return
        place = f"step {self._begun} of {self.n_steps}" if self.n_steps else ""
        told(StageStarted(name, "; ".join(filter(None, (place, patience)))))
        began = time.perf_counter()
        detail = action()
        self.steps[name] = text
        self._ran.add(name)
        told(StageFinished(name, time.perf_counter() - began, detail))

    def outdated(self, name: str, *, after: tuple[str, ...]) -> bool:
        """Say whether a step that is not wanted now was done before on what has changed since; forget it then."""
        if name not in self.steps or not self._ran.intersection(after):
            return False
        del self.steps[name]
        return True

    def write(self, adata: AnnData, scale: Scale | None) -> None:
        """Put the record into uns."""
        if "units" in self._ran:
            self.facts["unit"] = "unknown" if scale is None else "um"
            self.facts.pop("um_per_unit", None)
            if scale is not None:
                self.facts["um_per_unit"] = scale.um_per_unit
        adata.uns[RECORD] = {
            **self.facts,
            "schema": SCHEMA,
            "version": self.facts.get("version", "") if not self._ran else _version(),
            "steps": dict(self.steps),
            "removed": self.removed.frame(),
        }


def _version() -> str:
    try:
        return metadata.version("spacetravlr-py")
    except metadata.PackageNotFoundError:
        return ""


def content_digest(adata: AnnData, matrix: Any) -> str:
    """Return a SHA-256 of names and values of a sample, about 0.5 GB/s."""
    stored = sparse.csr_matrix(matrix)
    total = sha256("\0".join([*map(str, adata.obs_names), "", *map(str, adata.var_names)]).encode())
    for part in (stored.indptr.astype(np.int64), stored.indices.astype(np.int32), stored.data.astype(np.float32)):
        total.update(np.ascontiguousarray(part).tobytes())
    return total.hexdigest()
