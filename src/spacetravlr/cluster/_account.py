"""What the workers did, as the listener of the run is told: every target once, whoever was lost on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.atomic import make_directory, write_bytes
from spacetravlr.betas import Betas
from spacetravlr.events import (
    ClusterFitted,
    Event,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    Listener,
)
from spacetravlr.run import read_log
from spacetravlr.training.fates import Fates
from spacetravlr.training.fits import mean_known
from spacetravlr.training.trainer import Tally

if TYPE_CHECKING:
    from spacetravlr.cluster._messages import Block, Report
    from spacetravlr.run import RunDirectory


class Account:
    """Counts and passes on the events of a run whose blocks are trained elsewhere.

    If a worker is lost, another one makes a new attempt at its block, which tells part of the story again; what was
    told before is left out.

    Parameters
    ----------
    directory
        The run directory.
    listener
        Receives every event, one at a time.
    """

    def __init__(self, directory: RunDirectory, listener: Listener) -> None:
        self.tally = Tally()
        self.fates = Fates(directory, self.tell)
        self._directory = directory
        self._listener = listener
        self._claimed: set[str] = set()
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        """Count an event of this process and pass it on."""
        with self._lock:
            if self._is_news(event):
                self._listener(event)

    def hear(self, event: Event) -> None:
        """Take an event of a worker into account."""
        match event:
            case GeneClaimed():
                self.look(event.gene, claimed=True)
            case GeneSkipped():
                # a worker sees a moment; who has the targets it leaves alone is found out when its block is back
                pass
            case _:
                self.tell(event)

    def look(self, gene: str, *, claimed: bool) -> bool:
        """Find out who has a target; return whether another process holds it."""
        if claimed:
            self._claimed.add(gene)
        fate = self.fates.look(gene, claimed=claimed)
        self.tally.skipped = self.fates.skipped
        return fate == "locked"

    def todo(self, block: Block) -> list[str]:
        """Return the targets of a block that have not ended here."""
        return [gene for gene in block if gene not in self._ended]

    def close(self, block: Block) -> None:
        """Tell of the targets of a block that have not ended with it.

        They are done or held elsewhere, or a worker that was lost has finished them without being able to say so.
        """
        for gene in self.todo(block):
            if gene in self._claimed and self._directory.done(gene):
                for event in recovered(self._directory, gene):
                    self.tell(event)
            else:
                self.look(gene, claimed=False)

    def lose(self, block: Block, reason: str) -> None:
        """Tell that the targets of a block cannot be trained, but for those that others have or hold.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        others = {lock.gene for lock in self._directory.locked() if not lock.gone} - self._claimed
        self.close(tuple(gene for gene in block if gene in others or self._directory.done(gene)))
        lost = [gene for gene in self.todo(block) if gene not in others and not self._directory.done(gene)]
        for gene in lost:
            self.tell(GeneFailed(gene, reason))
        if lost:
            self._directory.record_failures(dict.fromkeys(lost, reason))

    def deliver(self, report: Report) -> None:
        """Write the files of a report, and tell of each target when its file is complete.

        Raises
        ------
        RunDirectoryError
            If the file system refuses.
        """
        ends = [event for event in report.events if isinstance(event, GeneWritten | GeneOrphan)]
        last = {event.gene: [path.name for path in self._directory.files.finished(event.gene)] for event in ends}
        for name in report.files.keys() - {name for names in last.values() for name in names}:
            self._write(name, report.files)
        for event in report.events:
            if isinstance(event, GeneWritten | GeneOrphan):
                for name in report.files.keys() & last[event.gene]:
                    self._write(name, report.files)
            # the claim was made and told of here
            if not isinstance(event, GeneClaimed):
                self.hear(event)
        failed = {event.gene: event.reason for event in report.events if isinstance(event, GeneFailed)}
        if failed:
            self._directory.record_failures(failed)

    def _write(self, name: str, files: Mapping[str, bytes]) -> None:
        path = self._directory.path / name
        make_directory(path.parent)
        write_bytes(path, files[name])

    def _is_news(self, event: Event) -> bool:
        tally = self.tally
        if not isinstance(event, GeneWritten | GeneOrphan | GeneFailed):
            return True
        if event.gene in self._ended:
            return False
        self._ended.add(event.gene)
        match event:
            case GeneWritten():
                tally.written += 1
                tally.r2_in.append(event.r2_in)
                tally.r2_out.append(event.r2_out)
            case GeneOrphan():
                tally.orphan += 1
            case GeneFailed():
                tally.failures[event.gene] = event.reason
        return True


def recovered(directory: RunDirectory, gene: str) -> Iterator[Event]:
    """Yield what was to be told of a finished target, from its files; how long it took is not known any more."""
    path = directory.files.log(gene)
    log = read_log(path) if path.exists() else None
    clusters = () if log is None else log.clusters
    for entry in clusters:
        yield ClusterFitted(gene, entry.cluster, entry.n_cells, entry.r2_in, entry.r2_out)
    reason = directory.orphan_reason(gene)
    if reason is not None:
        yield GeneOrphan(gene, reason)
        return
    betas = Betas.read(directory.files.betadata(gene))
    r2_in = mean_known(np.array([entry.r2_in for entry in clusters]))
    r2_out = mean_known(np.array([entry.r2_out for entry in clusters]))
    n_modulators = max((entry.n_modulators for entry in clusters), default=len(betas.modulators))
    n_kept = int(np.any(betas.values != 0.0, axis=0).sum())
    yield GeneWritten(gene, n_modulators, n_kept, r2_in, r2_out, float("nan"))
