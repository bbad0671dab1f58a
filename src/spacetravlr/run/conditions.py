"""`ConditionRuns`: the runs of a condition split, by condition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from spacetravlr.errors import InputError, RunDirectoryError, did_you_mean, listing
from spacetravlr.run.paths import RunPaths, condition_directories
from spacetravlr.run.run import Run
from spacetravlr.run.settings import read_config
from spacetravlr.run.split import read_index

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from spacetravlr.perturbation import Effect, Targets
    from spacetravlr.run.status import RunStatus


class UnknownConditionError(InputError, KeyError):
    """A split has no run of this name."""

    __str__ = Exception.__str__


class ConditionRuns(Mapping[str, Run]):
    """The runs of a condition split by condition: `runs["WT"].perturb({"Foxo1": 0.0})`.

    Get one with `open`, or from a training with `condition`. Every run is one of its own, with its own cells; only
    those that have begun are here.

    Parameters
    ----------
    path
        The parent directory.
    column
        The obs column that was split by; None if it is not recorded.
    runs
        By condition.
    skipped
        Conditions that are not trained, with the reason.
    waiting
        Conditions that will be trained, and have not begun.

    Attributes
    ----------
    path, column, skipped, waiting
        As given.

    Examples
    --------
    >>> two = adata.copy()
    >>> two.obs["genotype"] = np.where(np.arange(300) % 2, "KO", "WT")
    >>> runs = stl.tl.train(
    ...     two, "by_genotype", ["Adm", "Agr2"], condition="genotype", network_data_dir="network", n_bootstraps=0
    ... )
    >>> list(runs)
    ['KO', 'WT']
    >>> {label: effect.delta.shape for label, effect in runs.perturb({"Pax6": 0.0}).items()}
    {'KO': (150, 60), 'WT': (150, 60)}
    """

    def __init__(
        self,
        path: Path,
        *,
        column: str | None,
        runs: Mapping[str, Run],
        skipped: Mapping[str, str] | None = None,
        waiting: Iterable[str] = (),
    ) -> None:
        self.path = path
        self.column = column
        self.skipped = dict(skipped or {})
        self.waiting = tuple(waiting)
        self._runs = dict(runs)

    @classmethod
    def open(cls, path: str | Path, *, adata: AnnData | str | Path | None = None) -> Self:
        """Open a condition split of this or of the compiled edition.

        Parameters
        ----------
        path
            The parent directory, or the TOML in it.
        adata
            The whole sample, if it has moved.

        Raises
        ------
        RunDirectoryError
            If it is none, or none of its runs has begun.
        """
        given = Path(path).expanduser().absolute()
        root = given.parent if given.is_file() else given
        if not root.is_dir():
            raise RunDirectoryError(f"no such run directory: {root}")
        places = condition_directories(root)
        if not places:
            raise RunDirectoryError(f"{root} holds no condition split: there is no directory in {root / 'conditions'}")
        runs = {label: Run.open(place, adata=adata) for label, place in places.items() if RunPaths(place).toml.exists()}
        if not runs:
            raise RunDirectoryError(f"none of the runs in {root / 'conditions'} has begun")
        index = read_index(root)
        toml = RunPaths(root).toml
        return cls(
            root,
            column=read_config(toml)[0].data.condition if toml.exists() else index[0] if index else None,
            runs=runs,
            skipped={} if index is None else {one.label: one.skipped for one in index[1] if one.skipped is not None},
            waiting=[label for label in places if label not in runs],
        )

    def __getitem__(self, label: str) -> Run:
        """Return the run of a condition.

        Raises
        ------
        UnknownConditionError
            If there is none; it is an `InputError` and a `KeyError`.
        """
        if label in self._runs:
            return self._runs[label]
        if label in self.skipped:
            raise UnknownConditionError(f"the condition {label!r} is not trained: {self.skipped[label]}")
        if label in self.waiting:
            raise UnknownConditionError(f"the run of the condition {label!r} has not begun: continue {self.path}")
        hint = did_you_mean(str(label), self._runs, f". Conditions: {listing(self._runs)}")
        raise UnknownConditionError(f"{self.path} has no run of the condition {label!r}{hint}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        parts = [f"{label!r}: {len(run.genes)} genes" for label, run in self.items()]
        parts += [f"{label!r}: skipped" for label in self.skipped]
        return f"ConditionRuns({str(self.path)!r}, by {self.column!r}: {', '.join(parts)})"

    def status(self) -> dict[str, RunStatus]:
        """Return how far each run has come, see `Run.status`."""
        return {label: run.status() for label, run in self.items()}

    def scores(self) -> pd.DataFrame:
        """Return the scores of all runs as one table: column `condition`, then those of `Run.scores`."""
        import pandas as pd

        tables = []
        for label, run in self.items():
            table = run.scores()
            table.insert(0, "condition", label)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def perturb(self, targets: Targets, **settings: Any) -> dict[str, Effect]:
        """Simulate the same perturbation in every condition.

        Parameters
        ----------
        targets, settings
            As for `Run.perturb`.

        Returns
        -------
        The effect in each condition, on the cells of that condition.

        Raises
        ------
        InputError, ConfigError
            As `Run.perturb`.
        """
        return {label: run.perturb(targets, **settings) for label, run in self.items()}
