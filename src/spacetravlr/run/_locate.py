"""Find the directory, the configuration and the sample of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spacetravlr.errors import InputError, RunDirectoryError, listing, nearest
from spacetravlr.run.paths import CONDITION_LABEL, REPRO_TOML, condition_directories, condition_label, scan
from spacetravlr.run.settings import read_config

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.tissue import Tissue


def locate(path: str | Path) -> tuple[Path, Path, RunConfig]:
    """Find a run from its directory or its TOML file.

    A directory is the run itself. For a TOML it is, of these, the first that holds results: the directory of the
    TOML if the file is the record that a run leaves (so a run that was moved or copied stays whole), and
    `[execution].output_dir` relative to the TOML; otherwise it is the directory of the TOML.

    Parameters
    ----------
    path
        Directory or TOML file; `~` is expanded.

    Returns
    -------
    Run directory, TOML file, and what the file says.

    Raises
    ------
    RunDirectoryError
        If there is no run.
    """
    given = Path(path).expanduser().absolute()
    if given.is_dir():
        return given, given / REPRO_TOML, _config_of(given)
    if not given.exists():
        close = nearest(given.name, [entry.name for entry in given.parent.iterdir()]) if given.parent.is_dir() else None
        hint = f"; did you mean {given.parent / close}?" if close else ""
        raise RunDirectoryError(f"no such run directory or run TOML: {given}{hint}")
    config, own = read_config(given)[0], given.parent
    configured = (own / Path(config.execution.output_dir).expanduser()).resolve()
    preferred = (own, configured) if given.name == REPRO_TOML else (configured, own)
    root = next((place for place in preferred if _has_results(place)), None)
    if root is None:
        for place in dict.fromkeys(preferred):
            _refuse_split(place)
    return root or own, given, config


def find_sample(config: RunConfig, toml: Path) -> Path:
    """Find the h5ad that a run was trained on.

    Parameters
    ----------
    config
        Configuration of the run.
    toml
        The file it came from.

    Returns
    -------
    `[data].adata_path`: relative to the working directory, else to the directory of the TOML.

    Raises
    ------
    InputError
        If it is not named or nowhere; the message lists what was tried.
    """
    return find_file(config.data.adata_path, "[data].adata_path", toml)


def find_file(value: str, label: str, toml: Path) -> Path:
    """Find a file that a run's configuration names; as `find_sample`."""
    if not value:
        raise InputError(f"{label} is empty in {toml}: name the file there, or pass it when opening the run")
    named = Path(value).expanduser()
    tried = list(dict.fromkeys((named.absolute(), (toml.parent / named).absolute())))
    for place in tried:
        if place.is_file():
            return place
    raise InputError(
        f"{label} of {toml} is not found; tried {listing(map(str, tried))}. Pass the file when opening the run"
    )


def own_cells(tissue: Tissue, directory: Path, column: str | None) -> Tissue:
    """Return the cells that a run is about: all, or those of its condition.

    Parameters
    ----------
    tissue
        The whole sample.
    directory
        The run directory.
    column
        Its `[data].condition`.

    Raises
    ------
    InputError
        If its condition is not recorded, or no cell has it.
    """
    if column is None:
        return tissue
    label = condition_label(directory)
    if label is None:
        raise InputError(
            f"{directory} is one part of a split by obs[{column!r}], but has no {CONDITION_LABEL} to tell which one: "
            "write its value there"
        )
    return tissue.only(column, label)


def same_samples(tissue: Tissue, column: str | None) -> Tissue:
    """Return a tissue, or refuse it if its pieces are not those of the run.

    Raises
    ------
    InputError
        If so: signals would pass where they did not in training, or the other way round.
    """
    own = None if tissue.samples is None else tissue.samples.column
    if own != column:
        raise InputError(f"the tissue has the pieces of sample_key={own!r}, and the run those of {column!r}")
    return tissue


def _config_of(directory: Path) -> RunConfig:
    if not _has_results(directory):
        _refuse_split(directory)
    return read_config(directory / REPRO_TOML)[0]


def _has_results(directory: Path) -> bool:
    return directory.is_dir() and bool(scan(directory).finished)


def _refuse_split(directory: Path) -> None:
    parts = condition_directories(directory)
    if parts:
        shown = listing(f"{place} ({label!r})" for label, place in parts.items())
        raise RunDirectoryError(f"{directory} holds the runs of a condition split; open one of {shown}")
