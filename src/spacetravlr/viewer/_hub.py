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
        self._aside: OrderedDict[str, Dataset] = OrderedDict()
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
            aside = self._aside.get(session)
            if identifier and aside is not None and aside.id == identifier:
                return aside
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
        made = self.show(self._opened(request), session=session)
        if made.runtime is not None:
            made.runtime.start()
        return made

    def set_aside(self, request: OpenRequest, *, session: str) -> Dataset:
        """Open data for a session, which is not shown them before it asks for them by their id (see `show_known`).

        Raises
        ------
        ProblemError
            As `open`.
        """
        made = self._opened(request)
        with self._lock:
            dropped = [self._aside.pop(session)] if session in self._aside else []
            self._aside[session] = made
            while len(self._aside) > _MOST_OPEN:
                dropped.append(self._aside.popitem(last=False)[1])
        self._let_go(dropped)
        return made

    def show_known(self, identifier: str, *, session: str) -> Dataset:
        """Make data that are open, or were set aside for the session, those of the session, and load their model.

        Raises
        ------
        ProblemError
            404 if there are none of that id.
        """
        made = self.show(self.dataset(session, identifier), session=session)
        if made.runtime is not None:
            made.runtime.start()
        return made

    def _opened(self, request: OpenRequest) -> Dataset:
        """Return data, the ones that are open if they are the same: whoever opens them shares them."""
        with self._opening.passed():
            made = open_dataset(request, self.options, self.roots.holds)
        with self._lock:
            known = self._open.get(made.id)
        if known is None or not _same(known, made):
            return made
        made.close()
        return known

    def show(self, dataset: Dataset, *, session: str = SHARED) -> Dataset:
        """Make a dataset that of a session; returns the one shown, which is the other if the same was opened twice."""
        dropped: list[Dataset] = []
        with self._lock:
            known = self._open.get(dataset.id)
            if known is not None and known is not dataset and _same(known, dataset):
                # two have opened the same at once: its model is loaded once
                dropped.append(dataset)
                dataset = known
            self._open[dataset.id] = dataset
            self._open.move_to_end(dataset.id)
            aside = self._aside.pop(session, None)
            if aside is not None and aside is not dataset and aside not in dropped:
                dropped.append(aside)
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
        self._let_go(dropped)
        return dataset

    def leave(self, session: str) -> None:
        """Forget a session: its jobs are cancelled, their results dropped, and data that only it looks at are closed.

        Raises
        ------
        ProblemError
            400 for the session of all who name none.
        """
        if session == SHARED:
            raise ProblemError(400, "name the session that ends (X-Session)")
        self.jobs.forget_session(session)
        self.selections.forget(session)
        dropped: list[Dataset] = []
        with self._lock:
            own, aside = self._current.pop(session, None), self._aside.pop(session, None)
            dropped += [] if aside is None else [aside]
            if own is not None and own in self._open and own not in self._current.values():
                dropped.append(self._open.pop(own))
        self._let_go(dropped)

    def _let_go(self, dropped: list[Dataset]) -> None:
        """Close data that nobody is shown any more, and forget what was computed about them."""
        with self._lock:
            kept = {id(one.expression) for one in (*self._open.values(), *self._aside.values())}
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
        return self.show(named, session=session)

    def renew(self, options: ViewerOptions) -> None:
        """Take other settings for what to begin with, and for where files may be opened."""
        self.options = options
        self.roots = data_roots(options)

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
            datasets = [*self._open.values(), *self._aside.values()]
            self._open.clear()
            self._aside.clear()
            self._current.clear()
        for dataset in datasets:
            dataset.close()


def _same(one: Dataset, other: Dataset) -> bool:
    """Say whether two datasets of one id show the same, whatever they were asked for by."""
    return (one.network_dir, one.notices) == (other.network_dir, other.notices)


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
