"""What a niche network made of the coefficients of a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.betas import Betas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.niche import Gate, NicheRecord
    from spacetravlr.run import ClusterLog, GeneLog
    from spacetravlr.run.log import GateValue
    from spacetravlr.tissue import Tissue


@dataclass(frozen=True)
class Anchors:
    """The coefficients that a network starts from; C clusters, p modulators.

    Attributes
    ----------
    target
        The gene.
    modulators
        (p,) names, in the order of the design.
    coef
        (C, p), original units.
    intercept
        (C,), expression units.
    kept
        (C,), clusters whose coefficients are written; no network is made for the others.
    """

    target: str
    modulators: tuple[str, ...]
    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    kept: NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """A target in one cluster.

    Attributes
    ----------
    record
        How the network did.
    coefficients
        Makes the coefficients of the cells, (n_c, p + 1), intercept first; None where those of the cluster stand.
    model
        What can be written to a weight file; None if it is not wanted.
    """

    record: NicheRecord
    coefficients: Callable[[], NDArray[np.float32]] | None
    model: Any = None


@dataclass(frozen=True)
class Refined:
    """What became of a target after its regression.

    Attributes
    ----------
    parts
        By cluster code, where a network was tried; empty if the target keeps its coefficients by cluster.
    gate
        The facts of the decision for or against networks; empty if none was taken.
    """

    parts: Mapping[int, Part] = field(default_factory=dict)
    gate: Mapping[str, GateValue] = field(default_factory=dict)

    @classmethod
    def undone(cls, gate: Gate | None) -> Refined | None:
        """Return that of a target without networks."""
        return None if gate is None else cls(gate=dict(gate.facts))

    @property
    def by_cell(self) -> bool:
        """Whether coefficients are written by cell."""
        return bool(self.parts)

    def spread(self, betas: Betas, tissue: Tissue) -> Betas:
        """Return the table by cell.

        Parameters
        ----------
        betas
            By cluster, a row for each code, all modulators of the design.
        tissue
            The sample.

        Returns
        -------
        A row per cell in file order, float32. In clusters without a network that stands it holds the coefficients of
        the cluster.

        Notes
        -----
        Memory: 4 n_cells (p + 1) bytes, and the same again for the largest cluster.
        """
        codes = tissue.clusters.codes
        intercept = betas.intercept.astype(np.float32)[codes].astype(np.float64)
        values = betas.values.astype(np.float32)[codes]
        for code, part in self.parts.items():
            if part.coefficients is not None:
                rows, found = np.flatnonzero(codes == code), part.coefficients()
                intercept[rows], values[rows] = found[:, 0], found[:, 1:]
        return Betas(betas.target, "cell", tissue.cells, intercept, betas.modulators, values)

    def columns(self, n_clusters: int) -> dict[str, list[bool | float | None]]:
        """Return the columns of the score table, a value per cluster; None where no network was tried."""
        tried = [self.parts.get(code) for code in range(n_clusters)]
        return {
            "refined": [None if part is None else part.record.kept for part in tried],
            "r2_niche_out": [None if part is None else part.record.r2_cnn_out for part in tried],
        }

    def told(self, log: GeneLog) -> GeneLog:
        """Return a log that tells of the decision and of the networks."""
        entries = tuple(_with_part(entry, self.parts.get(code)) for code, entry in enumerate(log.clusters))
        return replace(log, clusters=entries, seed_only=not self.by_cell, gate=dict(self.gate) or log.gate)


def unrefined(n_clusters: int) -> dict[str, Sequence[None]]:
    """Return the columns of `Refined.columns` for a target without networks."""
    return {"refined": [None] * n_clusters, "r2_niche_out": [None] * n_clusters}


def _with_part(entry: ClusterLog, part: Part | None) -> ClusterLog:
    if part is None:
        return entry
    record = part.record
    return replace(
        entry,
        cnn_mse=record.mse,
        refined=record.kept,
        r2_lasso_niche=record.r2_lasso_out,
        r2_niche=record.r2_cnn_out,
        niche_reason=record.reason,
    )
