"""The original Python package as an arm: trained in its own environment, scored like the others."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.bench._host import thread_environment
from spacetravlr.bench._process import run_program
from spacetravlr.bench._truth_fitted import Estimate
from spacetravlr.errors import InputError, UsageError

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.training import Plan

    Array = NDArray[np.float64]

VARIABLE = "SPACETRAVLR_ORIGINAL_PYTHON"
SETUP = (
    "the arm 'original' needs the original package in an environment of its own: run "
    "`sh benchmarks/reference/setup.sh DIRECTORY` of this project's repository once (2 GB), then give "
    f"--original-python DIRECTORY/bin/python, or set {VARIABLE} to it"
)
TARGETS = 40
"""How many targets it trains unless told otherwise: it takes about two seconds for each."""

_DRIVER = Path(__file__).with_name("original") / "driver.py"
_TIMEOUT = 4 * 3600.0


def original_python(given: Path | None) -> Path | None:
    """Return the Python of the environment with the original package, or None if nobody said where it is.

    Parameters
    ----------
    given
        As the user gave it; otherwise the environment variable counts.

    Raises
    ------
    UsageError
        If it is not a file.
    """
    said = given if given is not None else os.environ.get(VARIABLE)
    if not said:
        return None
    path = Path(said).expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"there is no Python at {path}; {SETUP}")
    return path


def some_targets(targets: Sequence[str], count: int) -> tuple[str, ...]:
    """Return targets at even distances in the list; all of them for a count of 0."""
    if not 0 < count < len(targets):
        return tuple(targets)
    return tuple(targets[(2 * number + 1) * len(targets) // (2 * count)] for number in range(count))


def fit_original(
    adata: AnnData, plan: Plan, point: Mapping[str, Any], *, folder: Path, network: Path, targets: Sequence[str]
) -> tuple[Estimate, dict[str, Any]]:
    """Train with the original package as it comes: 1,500 steps of its group lasso, no network.

    It gets the tissue, its places and types and the edges of the prior network. Targets whose fit has an R2 below 0.15
    in a cluster have no coefficients there; that is its own rule.

    Parameters
    ----------
    adata, plan
        The tissue.
    point
        ``original_python``, that of the environment it is installed in, and ``threads``.
    folder
        For the files that go to and fro.
    network
        The edges, a parquet file.
    targets
        What is trained.

    Returns
    -------
    The coefficients, and facts for the record: versions, seconds per target, number of targets.

    Raises
    ------
    InputError
        If it fails.
    """
    python, threads = point["original_python"], int(point["threads"])
    files = [folder / "tissue.h5ad", network, folder / "job.json", folder / "original.json"]
    _bare(adata).write_h5ad(files[0])
    spatial = plan.config.spatial
    job = {
        "targets": list(targets),
        "settings": {"its own": {"penalties": {}}},
        "radius": spatial.radius,
        "contact_distance": spatial.contact_distance,
        "spatial_dim": 8,
        "tf_ligand_cutoff": plan.config.grn.tf_ligand_cutoff,
        "coefficients": True,
    }
    files[2].write_text(json.dumps(job), encoding="utf-8")
    argv = [python, str(_DRIVER), *map(str, files)]
    done = run_program(argv, env=thread_environment(threads), timeout=_TIMEOUT)
    if done.returncode or not files[3].exists():
        raise InputError(f"the original package failed in {python}: {done.problem}")
    found = json.loads(files[3].read_text(encoding="utf-8"))
    records = found["settings"]["its own"]["targets"]
    facts = {
        "n_targets": len(records),
        "versions": found["versions"],
        "seconds_per_target": float(np.median([one["seconds"] for one in records])),
    }
    return _estimate(plan, records), facts


def _bare(adata: AnnData) -> AnnData:
    """Return what the package reads, in forms that older versions of anndata know."""
    from anndata import AnnData

    values = np.asarray(adata.layers["imputed_count"], dtype=np.float64)
    bare = AnnData(values.copy(), adata.obs[["cell_type", "cell_type_int"]].copy(), adata.var[[]].copy())
    bare.layers["imputed_count"] = values.copy()
    bare.obsm["spatial"] = np.asarray(adata.obsm["spatial"]).copy()
    return bare


def _estimate(plan: Plan, records: Sequence[dict[str, Any]]) -> Estimate:
    labels = plan.tissue.clusters.labels
    coefficients: dict[str, Array] = {}
    intercepts: dict[str, Array] = {}
    r2 = np.full((len(records), len(labels)), np.nan)
    for number, one in enumerate(records):
        names = plan.inputs.modulators[one["target"]].names
        place = {name: column for column, name in enumerate(names)}
        values, first = np.zeros((len(labels), len(names))), np.zeros(len(labels))
        for row, label in enumerate(labels):
            r2[number, row] = one["r2"].get(label, np.nan)
            found = one["values"].get(label)
            if found is None:
                continue
            first[row] = found[0]
            for name, value in zip(one["names"], found[1:], strict=True):
                if name in place:
                    values[row, place[name]] = value
        if values.any():
            coefficients[one["target"]], intercepts[one["target"]] = values, first
    nothing = np.full((1, 1), np.nan)
    return replace(Estimate.of(plan, coefficients, intercepts, r2_in=r2, r2_out=nothing), profile="python")
