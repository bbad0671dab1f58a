"""The shared encoders of a run: learned once, from a sample of its targets, and kept in the run directory."""

from __future__ import annotations

import copy
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from spacetravlr.atomic import create_bytes, make_directory
from spacetravlr.errors import RunDirectoryError
from spacetravlr.niche import niche_table
from spacetravlr.training.descent import CoordinateDescent
from spacetravlr.training.fits import exported, kept_clusters, orphan_reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.niche import ClusterTargets, NicheEncoder, NicheOptions
    from spacetravlr.niche.device import DeviceName
    from spacetravlr.training.fits import BlockSolver, TargetFit
    from spacetravlr.training.plan import Plan
    from spacetravlr.training.refined import Anchors

ENCODERS = Path("niche") / "encoder.npz"
"""Where they lie in a run directory."""
SAMPLE = 128
"""Targets that the encoders are learned from, at most; those without a coefficient in a cluster do not help it."""

_LOG = logging.getLogger("spacetravlr")


@dataclass(frozen=True)
class Encoders:
    """What the heads of all targets of a run share.

    Attributes
    ----------
    table
        (n_cells, k) description of the neighbourhoods.
    of_cluster
        The encoders, by cluster code; clusters that are too small have none.
    """

    table: NDArray[np.float32]
    of_cluster: dict[int, NicheEncoder]

    def to_bytes(self) -> bytes:
        """Return the npz file."""
        arrays: dict[str, NDArray[Any]] = {
            "table": self.table,
            "cluster_ids": np.array(sorted(self.of_cluster), dtype=np.uint32),
        }
        for code in sorted(self.of_cluster):
            arrays |= {f"c{code:04d}_{name}": values for name, values in self.of_cluster[code].arrays().items()}
        stream = io.BytesIO()
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        return stream.getvalue()

    @classmethod
    def read(cls, path: Path, n_cells: int) -> Self | None:
        """Read the npz file; None if there is none.

        Raises
        ------
        RunDirectoryError
            If it is damaged, or of another sample.
        """
        from spacetravlr.niche import NicheEncoder
        from spacetravlr.niche.weights import UNREADABLE

        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                found = {}
                for code in file["cluster_ids"].tolist():
                    prefix = f"c{code:04d}_"
                    parts = {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)}
                    found[int(code)] = NicheEncoder.from_arrays(parts)
                table = file["table"]
            if len(table) != n_cells:
                raise ValueError(f"it is of {len(table)} cells, the sample has {n_cells}")
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            raise RunDirectoryError(f"{path} cannot be used ({error}); remove it to learn the encoder again") from error
        return cls(table, found)


def obtain_encoders(
    plan: Plan, base: BlockSolver, root: Path | None, *, options: NicheOptions, device: DeviceName
) -> Encoders:
    """Return the encoders of a run: those in its directory, or else new ones, which are put there.

    Of several processes that learn them at the same time the first one to end decides for all.

    Parameters
    ----------
    plan
        The shared part.
    base
        Fits the sample of targets; without bootstraps.
    root
        Run directory; None if it cannot be reached: what is learned depends on plan and seed alone.
    options, device
        How to learn, and where.

    Raises
    ------
    RunDirectoryError
        If the file is damaged, or the file system refuses.
    """
    path = None if root is None else root / ENCODERS
    known = None if path is None else Encoders.read(path, plan.tissue.n_cells)
    if known is not None:
        return known
    made = _learn(plan, base, options, device)
    if path is not None:
        make_directory(path.parent)
        if not create_bytes(path, made.to_bytes()):
            return Encoders.read(path, plan.tissue.n_cells) or made
    return made


def _learn(plan: Plan, base: BlockSolver, options: NicheOptions, device: DeviceName) -> Encoders:
    from spacetravlr.niche import train_encoder

    tissue, config = plan.tissue, plan.config
    table = niche_table(
        tissue.xy,
        tissue.clusters.codes,
        n_clusters=len(tissue.clusters.labels),
        radius=config.spatial.radius,
        received=plan.received,
        samples=None if tissue.samples is None else tissue.samples.codes,
    )
    sample = _sample_anchors(plan, base)
    found: dict[int, NicheEncoder] = {}
    for code, rows in enumerate(plan.rows):
        if not is_large_enough(plan, code, options):
            continue
        data, _ = cluster_targets(plan, sample, code)
        found[code] = train_encoder(
            table[rows],
            data,
            plan.folds[rows],
            size=options.encoder_size,
            rounds=options.encoder_rounds,
            seed=config.execution.random_seed,
            cluster=code,
            device=device,
        )
    return Encoders(table, found)


def is_large_enough(plan: Plan, code: int, options: NicheOptions) -> bool:
    """Return whether a cluster has the cells and the held-out regions that an encoder needs."""
    rows = plan.rows[code]
    return len(rows) >= options.min_cells and len(np.unique(plan.folds[rows])) >= 3


def cluster_targets(plan: Plan, anchors: list[Anchors], code: int) -> tuple[ClusterTargets, list[int]]:
    """Return the targets that have coefficients in a cluster, laid out for it, and which of the given they are."""
    from spacetravlr.niche import ClusterTargets

    members = [number for number, one in enumerate(anchors) if one.kept[code]]
    some = [anchors[number] for number in members]
    genes = tuple(one.target for one in some)
    data = ClusterTargets(
        genes=genes,
        columns=plan.design(code),
        column_of=tuple(plan.inputs.catalogue.positions(one.modulators) for one in some),
        anchors=tuple(one.coef[code] for one in some),
        intercepts=np.array([one.intercept[code] for one in some]),
        responses=plan.responses(genes, code),
    )
    return data, members


def anchors_of(fit: TargetFit | None, plan: Plan) -> Anchors | None:
    """Return what a network would start from; None for a target that gets no model."""
    from spacetravlr.training.refined import Anchors

    if fit is None:
        return None
    kept = kept_clusters(fit, plan.config)
    if orphan_reason(fit, kept, plan.config) is not None:
        return None
    coef, intercept = exported(fit, plan.config)
    coef = np.nan_to_num(coef, posinf=0.0, neginf=0.0)
    return Anchors(fit.modulators.target, fit.modulators.names, coef, intercept, kept)


def _sample_anchors(plan: Plan, base: BlockSolver) -> list[Anchors]:
    """Fit the regression of a sample of targets, which depends on the targets and the seed alone."""
    usable = [target for target in plan.inputs.targets if plan.inputs.modulators[target].names]
    rng = np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(plan.config.execution.random_seed, spawn_key=(6,)))
    )
    chosen = [usable[number] for number in sorted(rng.permutation(len(usable))[:SAMPLE].tolist())]
    quick = copy.copy(base)
    if isinstance(quick, CoordinateDescent):
        # the spread of the coefficients, and what the ligands contribute, are of no interest here
        quick.draws, quick.diagnostics = None, None
    found: list[Anchors] = []
    for fit in quick.fit(chosen, [True] * len(chosen)) if chosen else []:
        one = anchors_of(fit, plan)
        if one is not None:
            found.append(one)
    return found
