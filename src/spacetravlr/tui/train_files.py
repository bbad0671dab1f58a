"""What the files of a run tell beside its events: the plan, other processes, the cells; in a thread of its own."""

from __future__ import annotations

import math
import os
import platform
import threading
import time
from typing import TYPE_CHECKING

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.tui.dashboard_facts import manifest_facts, run_facts
from spacetravlr.tui.dashboard_view import Other, Outside
from spacetravlr.tui.train_results import cluster_events, result_events
from spacetravlr.tui.train_sample import Picture, read_picture

if TYPE_CHECKING:
    from spacetravlr.run import RunDirectory, RunProgress
    from spacetravlr.tui.dashboard_state import Dashboard

_SECONDS = 2.0
_SHARE = 0.05
"""Share of the time that is spent on looking at the files at most."""
_LONGEST = 15.0
_AT_ONCE = 500
"""Targets whose scores are read in one look."""


class Files:
    """Looks at the run directory again and again.

    Parameters
    ----------
    dashboard
        Told what is found.
    """

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self.picture: Picture | None = None
        """The cells of the run that is shown, when they have been read."""
        self.trouble = ""
        """Why there is no picture."""
        self._stopped = threading.Event()
        self._shown = ""
        self._pause = 0.2
        self._thread = threading.Thread(target=self._go_on, name="files", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether the end was asked for."""
        return self._stopped.is_set()

    def look(self) -> None:
        """Look once."""
        from spacetravlr.run import RunDirectory, read_progress

        if not self.dashboard.out:
            return
        directory = RunDirectory(self.dashboard.out)
        if self._shown != self.dashboard.out:
            self.get_to_know(directory)
        began = time.monotonic()
        self.dashboard.set_outside(outside_of(read_progress(directory), own=(platform.node(), os.getpid())))
        self._learn(directory)
        self._rest(time.monotonic() - began)

    def get_to_know(self, directory: RunDirectory) -> None:
        """Read what stays as it is: settings, targets, clusters, cells."""
        self._shown, self.picture, self.trouble = str(directory.path), None, ""
        manifest = directory.manifest
        if manifest is not None:
            self.dashboard.set_targets(manifest.targets)
            self.dashboard.set_clusters(manifest.clusters)
            self.dashboard.set_facts(run_facts(directory.config, out=str(directory.path)))
            self.dashboard.set_facts(manifest_facts(manifest))
        try:
            picture = read_picture(directory)
        except SpaceTravLRError as error:
            self.trouble = str(error)
            return
        sizes = dict.fromkeys(picture.labels, 0)
        if manifest is not None:
            sizes.update(manifest.clusters)
        self.dashboard.set_clusters(sizes, picture.names)
        self.picture = picture

    def _learn(self, directory: RunDirectory) -> None:
        """Read the scores of targets that were finished before, or by others."""
        for gene in self.dashboard.unknown(_AT_ONCE):
            # one without a model has scores, but no place among the best and the worst
            orphan = directory.orphan_reason(gene) is not None
            for event in cluster_events(directory, gene) if orphan else result_events(directory, gene):
                self.dashboard.know(event)

    def _go_on(self) -> None:
        while not self._stopped.wait(self._pause):
            try:
                self.look()
            except (SpaceTravLRError, OSError) as error:
                # files come and go while others work on them; what is shown stays until the next look
                self.trouble = str(error)

    def _rest(self, seconds: float) -> None:
        """Choose the pause before the next look by what this one has taken."""
        self._pause = min(max(_SECONDS, seconds / _SHARE), _LONGEST)


def outside_of(progress: RunProgress, *, own: tuple[str, int] | None = None, now: float | None = None) -> Outside:
    """Return what the files tell about all processes.

    Parameters
    ----------
    progress
        The run.
    own
        Host and process that are left out of the others.
    now
        Seconds since 1970; by default those of this host.
    """
    clock = time.time() if now is None else now
    status = progress.status
    others = [one for one in progress.workers if own is None or (one.host, one.pid) != own]
    return Outside(
        state=status.state,
        others=tuple(
            Other(
                host=one.host or "unknown host",
                pid=one.pid,
                n_genes=len(one.genes),
                first=next(iter(one.genes), ""),
                seconds=math.nan if one.since is None else max(0.0, clock - one.since),
                gone=one.gone,
            )
            for one in others
        ),
        rate=math.nan if progress.rate is None else progress.rate,
        eta=math.nan if progress.eta is None else progress.eta,
        held=frozenset(gene for one in others for gene in one.genes),
        n_bytes=progress.n_bytes,
        last=math.nan if progress.last is None else max(0.0, clock - progress.last),
    )
