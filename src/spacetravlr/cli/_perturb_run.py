"""The run that is perturbed: opened with the settings of files and flags, and checked before anything heavy happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.atomic import check_directory
from spacetravlr.errors import InputError, UsageError, did_you_mean, listing

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from spacetravlr.cli._perturb_config import ConfigFile
    from spacetravlr.cli._perturb_voice import Voice
    from spacetravlr.run import Run

_FLAGS = ("n_propagation", "profile", "beta_scale_factor")


@dataclass(frozen=True)
class Sample:
    """The cells that are loaded for perturbations, in the order of the model."""

    rows: NDArray[np.int64]
    """Their rows in the sample."""
    genes: tuple[str, ...]
    cells: tuple[str, ...]
    obs: pd.DataFrame
    xy: NDArray[np.float64]
    labels: NDArray[np.str_]
    """Cluster label of each cell."""


def open_run(run_toml: str | Path, given: Mapping[str, Any], *, voice: Voice, config: ConfigFile | None = None) -> Run:
    """Open a trained run.

    Parameters
    ----------
    run_toml
        Its TOML file or directory.
    given
        Values of the flags; they win over the file of `--config`, which wins over the run.
    voice
        Told about ignored keys.
    config
        The file of `--config`.

    Raises
    ------
    RunDirectoryError, ConfigError
        If there is no run, or a setting is not allowed.
    InputError
        If nothing is trained.
    """
    from spacetravlr.run import Run
    from spacetravlr.run.loading import require_models

    run = Run.open(run_toml, adata=given["h5ad"])
    values: dict[str, object] = {}
    if config is not None:
        values, notices = config.settings()
        for notice in notices:
            voice.warn(notice)
    values |= {f"perturbation.{name}": given[name] for name in _FLAGS if given.get(name) is not None}
    if values:
        run = Run(run.directory, toml=run.toml, config=run.config.replace(values), adata=given["h5ad"])
    require_models(run)
    return run


def read_sample(run: Run) -> Sample:
    """Read names, table, positions and labels of the cells that `[data].perturb_obs_subset_file` names, else of all.

    Raises
    ------
    InputError
        If the sample or the file cannot be read.
    """
    import numpy as np

    from spacetravlr.perturbation import read_cell_list

    tissue = run.tissue()
    subset = run.config.absolute(run.toml.parent).data.perturb_obs_subset_file
    if subset is None:
        every = np.arange(tissue.n_cells)
        return Sample(every, tissue.genes, tissue.cells, tissue.obs, tissue.xy, tissue.row_keys[0])
    rows = read_cell_list(subset, tissue.cells, left_out=tissue.left_out)
    cells = tuple(tissue.cells[row] for row in rows)
    return Sample(rows, tissue.genes, cells, tissue.obs.iloc[rows], tissue.xy[rows], tissue.row_keys[0][rows])


def check_genes(genes: Sequence[str], measured: Sequence[str]) -> None:
    """Refuse genes that are not measured.

    Raises
    ------
    InputError
        If there are any.
    """
    known = set(measured)
    unknown = [gene for gene in genes if gene not in known]
    if unknown:
        hint = did_you_mean(unknown[0], measured)
        verb = "gene {} is" if len(unknown) == 1 else "genes {} are"
        raise InputError(
            f"{verb.format(listing(map(repr, unknown), 5))} not among the {len(known)} measured genes{hint}"
        )


def check_file(path: Path, flag: str) -> None:
    """Refuse a file that cannot be written before anything is computed; missing directories are made when writing.

    Raises
    ------
    UsageError
        If it is a directory.
    RunDirectoryError
        If it cannot be written.
    """
    if path.is_dir():
        raise UsageError(f"{flag} {path} is a directory; give the name of a file")
    check_directory(path.absolute().parent, path)


def at_least_one(given: Mapping[str, Any], *names: str) -> None:
    """Refuse flags for numbers of things that are below 1.

    Raises
    ------
    UsageError
        If there are any.
    """
    for name in names:
        if given[name] is not None and given[name] < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be a whole number of at least 1, not {given[name]}")
