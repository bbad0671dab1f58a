"""`spacetravlr prepare`: a raw sample becomes one that can be trained on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.cli._prepare_flags import chosen_options
from spacetravlr.cli._reporter import Reporter

if TYPE_CHECKING:
    from anndata import AnnData

_ARGUMENTS = ("layer", "cluster_key", "sample", "species", "network_data_dir", "um_per_unit")
_RADIUS = 200.0


def run_prepare(raw: str, given: dict[str, Any]) -> int:
    """Prepare a sample as the flags ask, and return the exit code.

    Parameters
    ----------
    raw
        Path of the raw sample.
    given
        Value of every flag by its name, None for those that were not given.

    Raises
    ------
    SpaceTravLRError
        If something is wrong with flags, sample or network.
    """
    options = chosen_options(given)
    radius = _RADIUS if given["radius"] is None else given["radius"]
    ready = Path(given["output"]) if given["output"] is not None else Path(ready_name(raw))
    from spacetravlr.preparation import prepare_file

    reporter = Reporter(plain=False)
    how = {name: given[name] for name in _ARGUMENTS if given[name] is not None}
    try:
        with reporter.hearing_logs():
            adata = prepare_file(raw, ready, options, listener=reporter, radius=radius, **how)
    finally:
        reporter.close()
    for line in account(adata):
        reporter.say(line)
    more = f" --sample {shlex.quote(given['sample'])}" if given["sample"] else ""
    more += f" --radius {radius:g}" if given["radius"] is not None else ""
    reporter.say(f"next: spacetravlr --h5ad {shlex.quote(str(ready))} --output-dir my_run{more}")
    return 0


def ready_name(raw: str) -> str:
    """Return the name of the file to write, in the current directory."""
    name = Path(raw).expanduser().absolute()
    stem = name.stem if name.suffix.lower() in {".h5ad", ".h5", ".hdf5", ".zarr"} else name.name
    if stem in {"outs", "filtered_feature_bc_matrix"}:
        stem = name.parent.name
    return f"{stem}_ready.h5ad"


def account(adata: AnnData) -> list[str]:
    """Return what was removed and what is there, as lines for people."""
    from spacetravlr.preparation.quality import Removed
    from spacetravlr.tissue.units import RECORD

    return Removed.of_frame(adata.uns[RECORD]["removed"]).lines(adata.n_obs, adata.n_vars)
