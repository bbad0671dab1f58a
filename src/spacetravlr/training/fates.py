"""Who has which target: this process, another one, or nobody any more because it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from spacetravlr.errors import listing
from spacetravlr.events import Event, GeneClaimed, GeneSkipped, Notice

if TYPE_CHECKING:
    from spacetravlr.run import RunDirectory

Fate = Literal["ours", "done", "locked", "elsewhere"]
"""`locked`: another process holds it; `elsewhere`: another process held it, and has finished it."""


class Fates:
    """Remembers what is known about targets, and tells what is news.

    Parameters
    ----------
    directory
        The run.
    tell
        Receives the events.
    """

    def __init__(self, directory: RunDirectory, tell: Callable[[Event], None]) -> None:
        self._directory = directory
        self._tell = tell
        self._lock = threading.Lock()
        self._known: dict[str, Fate] = {}
        self._holders: list[str] = []
        self.changes = 0
        """How often there was news."""

    def look(self, gene: str, *, claimed: bool) -> Fate:
        """Find out who has a target, and tell it if it is news.

        Parameters
        ----------
        gene
            The target.
        claimed
            This process has just taken it.
        """
        before = self._known.get(gene)
        fate: Fate
        if claimed:
            fate = "ours"
        elif self._directory.done(gene):
            fate = "elsewhere" if before == "locked" else before or "done"
        else:
            fate = "locked"
        with self._lock:
            self._known[gene] = fate
            self.changes += fate != before
        if fate == "ours":
            self._tell(GeneClaimed(gene))
        elif fate != before:
            self._tell(GeneSkipped(gene, fate))
        return fate

    @property
    def skipped(self) -> int:
        """Number of targets that were left to others or done already."""
        with self._lock:
            return sum(fate != "ours" for fate in self._known.values())

    def tell_holders(self, *, for_ever: bool) -> None:
        """Say which processes are waited for, when they are not the same as before.

        Parameters
        ----------
        for_ever
            Claims of other hosts are never taken over, so a person must do something if one has died.
        """
        with self._lock:
            waiting = {gene for gene, fate in self._known.items() if fate == "locked"}
        locks = [lock for lock in self._directory.locked() if lock.gene in waiting]
        holders = sorted({f"{lock.host or 'unknown host'}/{lock.pid or 'unknown pid'}" for lock in locks})
        if holders and holders != self._holders:
            hint = "; if it has ended, delete its .lock files: [execution].stale_lock_secs is 0" if for_ever else ""
            genes = f"{len(locks)} gene" if len(locks) == 1 else f"{len(locks)} genes"
            self._tell(Notice(f"waiting for {genes} held by {listing(holders, 5)}{hint}"))
        self._holders = holders
