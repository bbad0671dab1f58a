"""The plan that a worker computes with: read from the files of the run, or sent to it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError
from spacetravlr.events import silent
from spacetravlr.run import condition_label, own_cells
from spacetravlr.tissue import Tissue
from spacetravlr.tissue.matrix import ExpressionMatrix
from spacetravlr.training import plan_training
from spacetravlr.training.request import open_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.training import Plan


def is_readable(settings: RunConfig) -> bool:
    """Return whether everything that a plan is read from is there."""
    named = (settings.data.adata_path, settings.grn.network_data_dir, settings.grn.tf_priors_feather)
    if settings.data.condition is not None and condition_label(Path(settings.execution.output_dir)) is None:
        # which cells they are is written in the run directory
        return False
    return bool(settings.data.adata_path) and all(Path(path).exists() for path in named if path)


def read_plan(settings: RunConfig) -> Plan:
    """Make the plan of a run from its recorded settings.

    Raises
    ------
    InputError
        If the sample or the network cannot be used.
    """
    with _quiet():
        tissue = open_sample(settings.data.adata_path, settings, silent)
        return plan_training(own_cells(tissue, Path(settings.execution.output_dir), settings.data.condition), settings)


def digest(plan: Plan) -> str:
    """Return a SHA-256 of what a plan trains on: sample, targets, modulators, held-out regions."""
    inputs = plan.inputs
    total = sha256(repr((inputs.fingerprint, inputs.targets, sorted(inputs.ligand_radii.items()))).encode())
    for target in inputs.targets:
        one = inputs.modulators[target]
        total.update(repr((target, one.names)).encode() + one.groups.tobytes())
        for label in sorted(one.masks):
            total.update(label.encode() + one.masks[label].tobytes())
    for array in (plan.blocks, plan.folds):
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


def portable(plan: Plan) -> Plan:
    """Return a plan that can be sent to another process: without the open file behind the sample.

    Its tissue knows cells, genes, clusters and positions; the expression that training reads is in `Plan.inputs`.
    """
    tissue = plan.tissue
    shape = (tissue.n_cells, tissue.n_genes)
    there = Tissue(
        genes=tissue.genes,
        obs=tissue.obs,
        xy=tissue.xy,
        matrix_of=partial(_Absent, shape=shape, _stored=None),
        layer=tissue.layer,
        cluster_key=tissue.clusters.column,
        sample_key=None if tissue.samples is None else tissue.samples.column,
        path=tissue.path,
    )
    return replace(plan, tissue=there)


@dataclass(frozen=True)
class _Absent(ExpressionMatrix):
    """A layer that stayed where the sample is."""

    def columns(self, indices: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float64]:  # noqa: ARG002
        raise InputError(f"layer {self.name!r} was not sent to this process")


@contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing: the process that runs the training has said it all."""
    log = logging.getLogger("spacetravlr")
    log.addFilter(_nothing)
    try:
        yield
    finally:
        log.removeFilter(_nothing)


def _nothing(record: logging.LogRecord) -> bool:  # noqa: ARG001 - the signature of a filter
    return False
