"""A run that others have begun, as the events that it would tell, read from its files."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.events import ConditionStarted, Event, GeneFailed, GeneOrphan, RunStarted, StageFinished
from spacetravlr.tui.dashboard_view import level_of
from spacetravlr.tui.train_files import Files, outside_of
from spacetravlr.tui.train_results import cluster_events, result_events

if TYPE_CHECKING:
    from spacetravlr.run import Manifest, RunDirectory, RunStatus
    from spacetravlr.tui.dashboard_state import Dashboard

Runs = Callable[[], "tuple[Path, Mapping[str, RunDirectory] | RunDirectory]"]
"""Returns the directory that is watched, and the run in it, or the runs by condition."""

_TAIL = 400_000
"""Bytes of the log that are read at first."""
_LOGGED = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)[+-]\d{4} (.*)")
_STAGE = re.compile(r"\[(\d+\.\d) s\] ([^:]+)(?:: (.*))?$")


class Follower(Files):
    """Follows the run that is at work, or the last one, and tells the dashboard.

    Parameters
    ----------
    dashboard
        Made with `watching`.
    runs
        Finds the runs; the parts of a split appear one after the other.
    """

    def __init__(self, dashboard: Dashboard, runs: Runs) -> None:
        super().__init__(dashboard)
        self._runs = runs
        self._told: set[str] = set()
        self._failed: dict[str, str] = {}
        self._offset = -1

    def look(self) -> None:
        """Look once."""
        from spacetravlr.run import read_progress

        directory = self._choose()
        began = time.monotonic()
        progress = read_progress(directory)
        manifest = directory.manifest
        fresh = self._shown != str(directory.path)
        if fresh:
            self._begin(directory, progress.status, manifest)
            self.get_to_know(directory)
        elif self.dashboard.pace.total != len(progress.status.planned or ()) or self._failed.keys() - {
            *progress.status.failed
        }:
            # planned only now, or tried again: told from the beginning, because no event takes a failure back
            self._begin(directory, progress.status, manifest)
        self.dashboard.set_outside(outside_of(progress))
        self._elapsed(manifest, running=progress.status.state == "running")
        self._read_log(directory.files.run_log)
        seconds = time.monotonic() - began
        self._tell_results(directory, progress.status)
        # reading results once is no reason to wait longer
        self._rest(0.0 if fresh else seconds)

    def _choose(self) -> RunDirectory:
        root, runs = self._runs()
        if not isinstance(runs, Mapping):
            return runs
        from spacetravlr.run import read_status

        states = {label: read_status(run).state for label, run in runs.items()}
        begun = [label for label, state in states.items() if state != "unknown"] or [next(iter(runs))]
        label = next((one for one in begun if states[one] == "running"), begun[-1])
        if self._shown != str(runs[label].path):
            number = list(runs).index(label) + 1
            self.dashboard.apply(ConditionStarted(label, str(root), number, len(runs), 0))
        return runs[label]

    def _begin(self, directory: RunDirectory, status: RunStatus, manifest: Manifest | None) -> None:
        self.dashboard.start_over()
        self._told, self._failed, self._offset = set(), {}, -1
        shape = (0, 0) if manifest is None else (manifest.input.n_cells or 0, manifest.input.n_genes or 0)
        n_clusters = 0 if manifest is None else len(manifest.clusters)
        if manifest is not None:
            self.dashboard.set_clusters(manifest.clusters, None if self.picture is None else self.picture.names)
        n_targets = len(status.planned or ())
        self.dashboard.apply(RunStarted(str(directory.path), *shape, n_targets, n_clusters, 0))

    def _elapsed(self, manifest: Manifest | None, *, running: bool) -> None:
        if manifest is None or not manifest.started:
            return
        seconds = time.time() - _moment(manifest.started)
        if not running and manifest.finished:
            seconds = _moment(manifest.finished) - _moment(manifest.started)
        if math.isfinite(seconds):
            self.dashboard.set_elapsed(max(0.0, seconds), running=running)

    def _tell_results(self, directory: RunDirectory, status: RunStatus) -> None:
        for gene in status.orphan:
            if gene not in self._told:
                for event in cluster_events(directory, gene):
                    self.dashboard.apply(event)
                self._tell(gene, GeneOrphan(gene, directory.orphan_reason(gene) or ""))
        for gene in status.done:
            if self.stopped:
                return
            if gene not in self._told:
                for one in result_events(directory, gene):
                    self._tell(gene, one)
        for gene, reason in status.failed.items():
            if gene not in self._failed:
                self._failed[gene] = reason
                self.dashboard.apply(GeneFailed(gene, reason))

    def _tell(self, gene: str, event: Event) -> None:
        self._told.add(gene)
        self.dashboard.apply(event)

    def _read_log(self, path: Path) -> None:
        try:
            with path.open("rb") as stream:
                if self._offset < 0:
                    end = stream.seek(0, 2)
                    self._offset = max(0, end - _TAIL)
                stream.seek(self._offset)
                found = stream.read()
        except OSError:
            return
        whole = found[: found.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode("utf-8", errors="replace").splitlines():
            parts = _LOGGED.match(line)
            if parts is None:
                continue
            clock, text = parts.groups()
            self.dashboard.log(text, level_of(text), clock)
            step = _STAGE.match(text)
            if step is not None:
                self.dashboard.apply(StageFinished(step[2], float(step[1]), step[3] or ""))


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return math.nan
