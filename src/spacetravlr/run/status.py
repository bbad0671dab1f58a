"""How far a run has come, read from its files only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from spacetravlr.run._heartbeat import anybody_alive
from spacetravlr.run._lockfile import LockInfo
from spacetravlr.run.directory import RunDirectory
from spacetravlr.run.manifest import Manifest

State = Literal["running", "interrupted", "complete", "partial", "stopped", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """Targets of a run by what has become of them."""

    state: State
    """`interrupted`: it did not end, and nobody is at work; `unknown`: there is no manifest and no claim."""
    planned: tuple[str, ...] | None
    """All targets in var order; None if no manifest tells."""
    done: tuple[str, ...]
    """Targets with coefficients: planned ones in var order, then others by name."""
    orphan: tuple[str, ...]
    locked: tuple[LockInfo, ...]
    """Claims on targets that are not finished, with host, pid and since; the next claim takes those of the `gone`."""
    failed: Mapping[str, str]
    """Targets that could not be trained, with the reason; the next run tries them again."""

    @property
    def remaining(self) -> tuple[str, ...] | None:
        """Planned targets that are neither done nor orphans; None if the plan is unknown."""
        if self.planned is None:
            return None
        finished = {*self.done, *self.orphan}
        return tuple(gene for gene in self.planned if gene not in finished)


def read_status(directory: RunDirectory) -> RunStatus:
    """Read the status of a run: one listing of the directory, its claims, and its manifest.

    Parameters
    ----------
    directory
        The run.

    Raises
    ------
    RunDirectoryError
        If the directory cannot be read.
    """
    alive, locked = anybody_alive(directory.path), directory.locked()
    # results after claims: a target that is finished in between must not look as if nobody had begun it
    manifest, found = directory.manifest, directory.scan()
    planned = manifest.targets if manifest is not None and manifest.targets else None
    # a claim on a target that is finished is one that is about to be given back, or that a killed process left
    locked = tuple(lock for lock in locked if lock.gene not in found.finished)
    return RunStatus(
        state=_state(manifest, locked, alive=alive, left=len(set(planned or ()) - found.finished)),
        planned=planned,
        done=in_order(found.done, planned),
        orphan=in_order(found.orphan, planned),
        locked=locked,
        failed={} if manifest is None else {g: why for g, why in manifest.failures.items() if g not in found.finished},
    )


def in_order(genes: frozenset[str], planned: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return genes in the order of the plan; those that are not in it come last, by name."""
    first = [gene for gene in planned or () if gene in genes]
    return (*first, *sorted(genes.difference(first)))


def _state(manifest: Manifest | None, locked: tuple[LockInfo, ...], *, alive: bool, left: int) -> State:
    # claims of other editions have no heartbeat: while they are there, somebody may be at work
    if alive or any(not lock.gone and not lock.beats for lock in locked):
        return "running"
    if manifest is None:
        return "interrupted" if locked else "unknown"
    if manifest.status != "running":
        return manifest.status
    # the last process may have been killed between its last target and its account
    return "interrupted" if left or not manifest.targets else "complete"
