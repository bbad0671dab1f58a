"""The two ways to make coefficients by cell: heads on a shared encoder, or a network for each target."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spacetravlr.device import choose_device
from spacetravlr.niche import NicheInputs, NicheOptions
from spacetravlr.training.encoders import Encoders, cluster_targets, is_large_enough, obtain_encoders
from spacetravlr.training.refined import Anchors, Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.niche import ClusterTask, NetworkFit, NicheEncoder
    from spacetravlr.training.fits import BlockSolver
    from spacetravlr.training.plan import Plan

Parts = dict[int, Part]


class Refiner(Protocol):
    """Makes coefficients by cell from coefficients by cluster."""

    whole_blocks: bool
    """Whether the rounding depends on which targets are refined together."""

    def prepare(self) -> None:
        """Make what all targets share, once; otherwise it is made when it is first needed."""

    def refine(self, anchors: Sequence[Anchors]) -> list[Parts]:
        """Return the networks of some targets, by cluster code."""

    def save(self, path: Path, models: Mapping[int, Any], modulators: Sequence[str], *, compressed: bool) -> None:
        """Write the models of the parts of a target, by cluster code, to a weight file."""


def make_refiner(plan: Plan, base: BlockSolver, root: Path | None) -> Refiner:
    """Return what `[cnn].encoder` names.

    Parameters
    ----------
    plan
        The shared part.
    base
        Fits the regression of the targets that a shared encoder is learned from.
    root
        Run directory; None if it cannot be reached.
    """
    return PerGeneRefiner(plan) if plan.config.cnn.encoder == "per_gene" else SharedRefiner(plan, base, root)


class SharedRefiner:
    """Heads on the encoders of the run."""

    whole_blocks = True

    def __init__(self, plan: Plan, base: BlockSolver, root: Path | None) -> None:
        self.plan = plan
        self.options = NicheOptions.from_config(plan.config)
        self.device = choose_device(plan.config.execution.device).kind
        self._base, self._root = base, root
        self._preparing, self._device_turn = threading.Lock(), _turn_of(self.device)

    @cached_property
    def _encoders(self) -> Encoders:
        return obtain_encoders(self.plan, self._base, self._root, options=self.options, device=self.device)

    def prepare(self) -> None:
        """Read or learn the encoders."""
        with self._preparing:
            _ = self._encoders

    def refine(self, anchors: Sequence[Anchors]) -> list[Parts]:
        """Fit the heads of some targets, cluster by cluster."""
        self.prepare()
        out: list[Parts] = [{} for _ in anchors]
        for code in range(len(self.plan.rows)):
            if any(one.kept[code] for one in anchors):
                self._refine_cluster(list(anchors), code, out)
        return out

    def _refine_cluster(self, anchors: list[Anchors], code: int, out: list[Parts]) -> None:
        from spacetravlr.niche import fit_heads

        plan, options, rows = self.plan, self.options, self.plan.rows[code]
        data, members = cluster_targets(plan, anchors, code)
        with self._device_turn:
            fit = fit_heads(
                self._encoder(code),
                self._encoders.table[rows],
                data,
                plan.folds[rows],
                cluster=code,
                activation=options.output_activation,
                min_cells=options.min_cells,
                margin=options.margin,
                device=self.device,
            ).without_columns()
        for number, (member, record) in enumerate(zip(members, fit.records, strict=True)):
            make = partial(fit.betas, number) if record.kept else None
            out[member][code] = Part(record, make, (fit, number) if record.kept else None)

    def save(self, path: Path, models: Mapping[int, Any], modulators: Sequence[str], *, compressed: bool) -> None:
        """Write the heads of a target."""
        from spacetravlr.niche import save_heads

        save_heads(path, models, modulators=modulators, compressed=compressed)

    def _encoder(self, code: int) -> NicheEncoder:
        """Return the encoder of a cluster; of one that is too small an empty one, of which no head is made."""
        from spacetravlr.niche import NicheEncoder

        if is_large_enough(self.plan, code, self.options):
            return self._encoders.of_cluster[code]
        k = self._encoders.table.shape[1]
        return NicheEncoder(np.zeros(k), np.ones(k), {})


class PerGeneRefiner:
    """The network of the README for each target and cluster."""

    whole_blocks = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.options = NicheOptions.from_config(plan.config)
        self.device = choose_device(plan.config.execution.device).kind
        self._preparing, self._device_turn = threading.Lock(), _turn_of(self.device)

    @cached_property
    def inputs(self) -> NicheInputs:
        """Maps and counts, the same for all targets."""
        tissue, config = self.plan.tissue, self.plan.config
        return NicheInputs.build(
            tissue.xy,
            tissue.clusters.codes,
            n_clusters=len(tissue.clusters.labels),
            side=config.spatial.spatial_dim,
            radius=config.cnn.spatial_feature_radius,
            style=config.cnn.map_style,
            samples=None if tissue.samples is None else tissue.samples.codes,
        )

    def prepare(self) -> None:
        """Count neighbours and lay the grid of the maps."""
        with self._preparing:
            _ = self.inputs

    def refine(self, anchors: Sequence[Anchors]) -> list[Parts]:
        """Train the networks of some targets, one by one."""
        self.prepare()
        out: list[Parts] = [{} for _ in anchors]
        for code in range(len(self.plan.rows)):
            members = [number for number, one in enumerate(anchors) if one.kept[code]]
            if members:
                design = self.plan.design(code)
                for number in members:
                    out[number][code] = self._part(anchors[number], code, design)
        return out

    def save(self, path: Path, models: Mapping[int, Any], modulators: Sequence[str], *, compressed: bool) -> None:
        """Write the networks of a target."""
        from spacetravlr.niche import save_weights

        save_weights(path, models, modulators=modulators, inputs=self.inputs, compressed=compressed)

    def _part(self, anchors: Anchors, code: int, design: NDArray[np.float64]) -> Part:
        from spacetravlr.niche import ClusterTask, fit_network

        plan, rows = self.plan, self.plan.rows[code]
        task = ClusterTask(
            gene=anchors.target,
            cluster=code,
            cells=rows,
            X=design[:, plan.inputs.catalogue.positions(anchors.modulators)],
            y=plan.responses([anchors.target], code)[:, 0],
            anchors=anchors.coef[code],
            intercept=float(anchors.intercept[code]),
            folds=plan.folds[rows],
        )
        with self._device_turn:
            fit = fit_network(
                self.inputs, task, options=self.options, seed=plan.config.execution.random_seed, device=self.device
            )
        if not fit.record.kept:
            return Part(fit.record, None)
        saved = fit.network if plan.config.model_export.save_cnn_weights else None
        return Part(fit.record, _compact(fit, task), saved)


def _turn_of(device: str) -> AbstractContextManager[object]:
    """Return what lets the threads of this process use a device one after the other; the CPU has room for all."""
    return nullcontext() if device == "cpu" else threading.Lock()


def _compact(fit: NetworkFit, task: ClusterTask) -> Callable[[], NDArray[np.float32]]:
    """Keep only the coefficients that can differ from zero: a block of targets is in memory until it is written."""
    active = np.concatenate([[0], 1 + np.flatnonzero(task.anchors)])
    values, shape = fit.betas[:, active].copy(), fit.betas.shape

    def whole() -> NDArray[np.float32]:
        out = np.zeros(shape, dtype=np.float32)
        out[:, active] = values
        return out

    return whole
