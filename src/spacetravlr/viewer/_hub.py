"""What all requests share: the data that are open, the jobs and selections of sessions, and the data roots."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from threading import Lock

from spacetravlr.errors import SpaceTravLRError
from spacetravlr.perturbation import Effect
from spacetravlr.perturbation.transition import TransitionField
from spacetravlr.viewer._dataset import Dataset, dataset_id
from spacetravlr.viewer._gate import Gate
from spacetravlr.viewer._jobs import JobBook
from spacetravlr.viewer._memory import ByteCache
from spacetravlr.viewer._obs import Labels
from spacetravlr.viewer._open import OpenRequest, network_of, open_dataset, sample_of
from spacetravlr.viewer._options import MEGABYTE, ViewerOptions
from spacetravlr.viewer._problem import ProblemError
from spacetravlr.viewer._roots import DataRoots
from spacetravlr.viewer._selections import Selections

SHARED = ""
"""The session of clients that name none."""
_MOST_OPEN = 4
MOST_OPENING, MOST_WAITING = 2, 8
"""Requests that open data at once, and that may wait to do so."""
MOST_HEAVY = 4
"""Requests at once that read or compute much without being jobs; four times as many may wait."""
_MOST_SESSIONS = 1000


class Hub:
    """The state of one server; nothing is held locked while something is computed or read.

    Parameters
    ----------
    options
        Of the server.
    """

    def __init__(self, options: ViewerOptions) -> None:
        self.options = options
        self.roots = data_roots(options)
        self.jobs = JobBook(options.workers)
        self.selections = Selections()
        self.encoded: ByteCache[tuple[bytes, str]] = ByteCache(options.column_memory_mb * MEGABYTE)
        self.effects: ByteCache[Effect] = ByteCache(options.grn_memory_mb * MEGABYTE)
        self.fields: ByteCache[TransitionField] = ByteCache(options.grid_memory_mb * MEGABYTE)
        self._open: OrderedDict[str, Dataset] = OrderedDict()
        self._current: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()
        self.heavy = Gate(MOST_HEAVY, 4 * MOST_HEAVY, busy="too much is asked for at once")
        self._opening = Gate(MOST_OPENING, MOST_WAITING, busy="other data are being opened")

    def dataset(self, session: str = SHARED, identifier: str | None = None) -> Dataset:
        """Return the dataset of an id, else the last one that the session has opened, else that of all.

        Raises
        ------
        ProblemError
            404 if it is not open any more, 503 if none is open, or those of the session are not any more.
        """
        with self._lock:
            wanted = identifier or self._current.get(session) or self._current.get(SHARED)
            if wanted is not None and wanted in self._open:
                self._open.move_to_end(wanted)
                return self._open[wanted]
        closed = "these data are not open any more: open them again"
        if identifier:
            raise ProblemError(404, closed, code="no_such_dataset")
        if wanted is not None:
            # those of all are others: who asks about a sample must not be answered about another one
            raise ProblemError(503, closed, code="no_dataset")
        raise ProblemError(503, "No dataset loaded: open one under Dataset paths", code="no_dataset")

    def current(self, session: str = SHARED) -> Dataset | None:
        """Return the dataset of a session, or None."""
        try:
            return self.dataset(session)
        except ProblemError:
            return None

    def open(self, request: OpenRequest, *, session: str = SHARED) -> Dataset:
        """Open data, make them those of the session, and begin to load the model.

        Raises
        ------
        ProblemError
            400 if that is not possible, 503 if too many want the same; nothing has changed then.
        """
        with self._opening.passed():
            made = open_dataset(request, self.options, self.roots.holds)
        with self._lock:
            known = self._open.get(made.id)
        if known is not None and known.inputs == made.inputs:
            made.close()
            made = known
        self.show(made, session=session)
        if made.runtime is not None:
            made.runtime.start()
        return made

    def show(self, dataset: Dataset, *, session: str = SHARED) -> None:
        """Make a dataset that of a session."""
        dropped: list[Dataset] = []
        with self._lock:
            self._open[dataset.id] = dataset
            self._open.move_to_end(dataset.id)
            self._current[session] = dataset.id
            self._current.move_to_end(session)
            while len(self._current) > _MOST_SESSIONS:
                del self._current[next(name for name in self._current if name not in (SHARED, session))]
            shared = self._current.get(SHARED)
            for identifier in list(self._open):
                if len(self._open) <= _MOST_OPEN:
                    break
                if identifier not in (dataset.id, shared):
                    dropped.append(self._open.pop(identifier))
            kept = {id(one.expression) for one in self._open.values()}
        for one in dropped:
            if id(one.expression) not in kept:
                one.close()
            self._forget(one)

    def _forget(self, gone: Dataset) -> None:
        """Let go of what was computed about data that are not open any more: it holds the expression of all cells."""
        with self._lock:
            ids, samples = frozenset(self._open), {one.file.path for one in self._open.values()}
        for cache in (self.effects, self.fields):
            cache.drop(lambda key: isinstance(key, tuple) and key[0] not in ids)
        if gone.file.path not in samples:
            self.jobs.forget_sample(str(gone.file.path))

    def rename(self, dataset: Dataset, annotation: Labels, *, session: str = SHARED) -> Dataset:
        """Give the clusters of a dataset other names; what is cached about the old names is not found any more."""
        named = replace(
            dataset, annotation=annotation, id=dataset_id(dataset.id, annotation.categories, len(annotation.codes))
        )
        self.show(named, session=session)
        return named

    def begin(self) -> None:
        """Open what the server was started with.

        Raises
        ------
        ProblemError
            If that is not possible.
        """
        options = self.options
        if options.h5ad is None and options.run_toml is None:
            return
        self.open(
            OpenRequest(
                h5ad=None if options.h5ad is None else options.h5ad.resolve(),
                run_toml=None if options.run_toml is None else options.run_toml.resolve(),
                layer=options.layer,
                cluster_annot=options.cluster_annot,
                network_dir=None if options.network_dir is None else options.network_dir.resolve(),
            )
        )

    def close(self) -> None:
        """Stop all work."""
        self.jobs.close()
        with self._lock:
            datasets = list(self._open.values())
            self._open.clear()
            self._current.clear()
        for dataset in datasets:
            dataset.close()


def data_roots(options: ViewerOptions) -> DataRoots:
    """Return the directories whose files may be opened.

    Those named; else the directories of the files given, with the directories that the TOML of the run names; else
    the working directory.
    """
    given = [path for path in (options.h5ad, options.run_toml) if path is not None]
    extra = [path for path in (options.network_dir,) if path is not None]
    extra += given
    own: list[Path] = [path if path.is_dir() else path.resolve().parent for path in given]
    if options.run_toml is not None:
        from spacetravlr.run import Run

        try:
            run = Run.open(options.run_toml)
        except (SpaceTravLRError, OSError):
            run = None  # said when it is opened
        if run is not None:
            sample, network = sample_of(run), network_of(run)
            own.append(run.path)
            if sample is not None:
                own.append(sample.parent)
                extra.append(sample)
            if network is not None:
                extra.append(network)
            extra.append(run.path)
    return DataRoots(options.data_roots or own or (Path.cwd(),), extra=extra)
