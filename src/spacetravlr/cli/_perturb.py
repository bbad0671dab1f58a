"""One perturbation from the command line: cheap checks first, then the load, then the steps."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._format import one_line
from spacetravlr.errors import InputError, RunDirectoryError, UsageError, nearest

if TYPE_CHECKING:
    from spacetravlr.config import RunConfig
    from spacetravlr.run import Run
    from spacetravlr.tissue import Tissue

_SUFFIXES = (".feather", ".h5ad")
_EXAMPLE = "spacetravlr-perturb --run-toml my_run/spacetravlr_run_repro.toml --gene Foxo1 --out ko.feather"


@dataclass(frozen=True, slots=True)
class _Job:
    """What the flags ask for."""

    run_toml: str
    gene: str
    value: float
    out: Path


def run_perturbation(given: Mapping[str, Any]) -> int:
    """Simulate as the flags ask, write the result, and return the exit code.

    Parameters
    ----------
    given
        Value of every flag by its name, None for those that were not given.

    Raises
    ------
    SpaceTravLRError
        If something is wrong with flags, run, sample or files.
    """
    job = _check_flags(given)
    told = _say if given["verbose"] else _ignore
    began = time.perf_counter()
    with _shown_logs():
        # only now, so that a slip in the flags is reported without waiting for numpy and its friends
        from spacetravlr.run import Run

        run = Run.open(job.run_toml, adata=given["h5ad"])
        config = _with_flags(run.config, given)
        if not run.directory.scan().done:
            raise InputError(f"there are no models in {run.path}: train first, for example with {_training(run)}")
        tissue = run.tissue()
        _check_gene(job.gene, tissue)
        cells = cells_to_perturb(given, config, run.toml, tissue)
        _say_range(job, tissue, told)
        profile = config.perturbation.profile
        run.model(profile=profile)
        told(f"load: {time.perf_counter() - began:.2f} s")
        effect = run.perturb(
            {job.gene: job.value},
            cells=cells,
            n_propagation=config.perturbation.n_propagation,
            profile=profile,
            progress=_timer(told),
        )
        for note in effect.notes:
            _say(f"note: {note}")
        writing = time.perf_counter()
        effect.write(job.out)
    ended = time.perf_counter()
    told(f"write: {ended - writing:.2f} s")
    told(f"total: {ended - began:.2f} s")
    shape = f"{len(effect.cells)} cells × {len(effect.genes)} genes"
    _say(f"Wrote {job.out} ({shape}, n_propagation={effect.n_propagation})")
    return 0


def cells_to_perturb(given: Mapping[str, Any], config: RunConfig, toml: Path, tissue: Tissue) -> tuple[str, ...] | None:
    """Return the names of the cells that a table restricts the perturbation to; None for all cells.

    Parameters
    ----------
    given
        Values of the flags.
    config
        The run's settings, for what the flags leave open; a relative path there counts from the file.
    toml
        The file of the run's settings.
    tissue
        The sample.

    Raises
    ------
    UsageError
        If a table or a column is named without the other.
    InputError
        If the table cannot be read, or does not fit the sample.
    """
    from spacetravlr.perturbation import read_cells_csv

    stored = config.perturbation
    column = stored.cells_csv_column if given["cells_csv_column"] is None else given["cells_csv_column"]
    if given["cells_csv"] is not None:
        path = Path(given["cells_csv"]).expanduser()
    elif stored.cells_csv is not None:
        path = toml.parent / Path(stored.cells_csv).expanduser()
    elif given["cells_csv_column"] is not None:
        raise UsageError("--cells-csv-column names a column of no table: give --cells-csv FILE too")
    else:
        return None
    if not column:
        if given["cells_csv"] is None:
            _say(f"note: {toml} names a table of cells but no column: all cells are perturbed")
            return None
        raise UsageError("--cells-csv needs --cells-csv-column NAME: which of its columns lists the cells to perturb")
    # names, not rows: the model may hold a part of the sample
    return tuple(tissue.cells[row] for row in read_cells_csv(path, column, tissue.cells))


def _check_flags(given: Mapping[str, Any]) -> _Job:
    if given["out"] is None:
        raise UsageError(
            "give --out FILE; the interactive mode of the compiled edition is not part of this version. For example: "
            f"{_EXAMPLE}"
        )
    for name in ("run_toml", "gene"):
        if given[name] is None:
            raise UsageError(f"--{name.replace('_', '-')} is missing. For example: {_EXAMPLE}")
    out = Path(given["out"]).expanduser()
    if out.suffix not in _SUFFIXES:
        raise UsageError(f"--out {out}: the name must end in {' or '.join(_SUFFIXES)}")
    _check_place(out)
    value = given["desired_expr"] or 0.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"--desired-expr must be a number of at least 0, not {value:g}")
    return _Job(given["run_toml"], given["gene"], value, out)


def _check_place(out: Path) -> None:
    """Refuse what cannot be written before anything is computed; missing directories are made when writing."""
    if out.is_dir():
        raise UsageError(f"--out {out} is a directory; give the name of a file")
    place = next(above for above in out.absolute().parents if above.exists())
    if not place.is_dir():
        raise RunDirectoryError(f"cannot write {out}: {place} is a file, not a directory")
    if not os.access(place, os.W_OK):
        raise RunDirectoryError(f"cannot write {out}: permission denied in {place}")


def _with_flags(config: RunConfig, given: Mapping[str, Any]) -> RunConfig:
    flags = {f"perturbation.{name}": given[name] for name in ("n_propagation", "profile") if given[name] is not None}
    return config.replace(flags) if flags else config


def _training(run: Run) -> str:
    return f"spacetravlr --join-output-dir {run.path}"


def _check_gene(gene: str, tissue: Tissue) -> None:
    if gene not in tissue.gene_index:
        close = nearest(gene, tissue.genes)
        hint = f"; did you mean {close}?" if close else ""
        raise InputError(f"gene {gene!r} is not among the {tissue.n_genes} measured genes{hint}")


def _say_range(job: _Job, tissue: Tissue, told: Callable[[str], None]) -> None:
    """Tell the observed range of the gene, as a warning if the dose is outside; a knock-out never is."""
    import numpy as np

    values = tissue.columns([job.gene])[:, 0]
    low, middle, high, top = (float(np.quantile(values, q)) for q in (0.0, 0.5, 0.99, 1.0))
    observed = f"observed expression of {job.gene}: min {low:.4g}, median {middle:.4g}, p99 {high:.4g}, max {top:.4g}"
    if job.value > top or 0 < job.value < low:
        _say(f"warning: --desired-expr {job.value:g} is outside what the models have seen; {observed}")
    else:
        told(observed)


def _timer(told: Callable[[str], None]) -> Callable[[int, int], None]:
    last = time.perf_counter()

    def after(step: int, steps: int) -> None:
        nonlocal last
        now = time.perf_counter()
        if step:
            told(f"step {step}/{steps}: {now - last:.3f} s")
        last = now

    return after


def _say(text: str) -> None:
    sys.stderr.write(f"{one_line(text)}\n")
    sys.stderr.flush()


def _ignore(text: str) -> None:
    """Say nothing."""


@contextmanager
def _shown_logs() -> Iterator[None]:
    """Show what the package logs as warnings of one line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    logger = logging.getLogger("spacetravlr")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
