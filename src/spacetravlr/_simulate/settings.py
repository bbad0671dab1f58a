"""What decides a simulated tissue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from spacetravlr._simulate.calibrate import NUISANCE, SHARES, Shares
from spacetravlr._simulate.checks import require, size_rules
from spacetravlr._simulate.measure import DEPTH, DEPTH_SD, Measurement
from spacetravlr._simulate.position import PositionPattern
from spacetravlr._simulate.received import Kernel


@dataclass(frozen=True)
class Settings:
    """What decides a simulated tissue; checked when it is made.

    Attributes
    ----------
    n_cells, n_genes, n_types
        Size.
    seed
        Non-negative.
    radius
        Reach of the ligands, micrometres: standard deviation of a Gaussian, or the exponential matched to it.
    false_prior
        Share of the prior network that is false.
    kernel
        Shape of the ligands' decay.
    position_effect
        How much the coefficients depend on the position, 0 to 1.
    position_pattern
        On what.
    tf_share, lr_share, tfl_share
        Parts of the variance of a regulated gene's input that the three kinds of terms explain.
    nuisance
        Part of the variance that smooth fields shared by all genes explain.
    missing_prior
        Share of the true edges that the prior network lacks.
    tf_correlation, ligand_correlation
        Part of what TFs (ligands) do on their own that all of them do together.
    depth, depth_sd
        Mean number of counts of a cell per gene, and the standard deviation of its logarithm over the cells.
    dropout
        Share of the entries that lose their counts whatever the expression.
    measurement
        What stands for the expression in the layer that is trained on.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    n_cells: int
    n_genes: int
    n_types: int
    seed: int
    radius: float
    false_prior: float
    kernel: Kernel
    position_effect: float = 0.0
    position_pattern: PositionPattern = "density"
    tf_share: float = SHARES[0]
    lr_share: float = SHARES[1]
    tfl_share: float = SHARES[2]
    nuisance: float = NUISANCE
    missing_prior: float = 0.0
    tf_correlation: float = 0.0
    ligand_correlation: float = 0.0
    depth: float = DEPTH
    depth_sd: float = DEPTH_SD
    dropout: float = 0.0
    measurement: Measurement = "exact"

    def __post_init__(self) -> None:
        patterns, ways = get_args(PositionPattern), get_args(Measurement)
        together = (("tf", self.tf_correlation), ("ligand", self.ligand_correlation))
        tf, lr, tfl = self.shares
        explained = tf + lr + tfl + self.nuisance
        require(
            *size_rules(self.n_cells, self.n_genes, self.n_types, self.seed),
            (0.0 < self.radius < np.inf, "radius", self.radius, "a positive number"),
            (0.0 <= self.false_prior <= 0.9, "false_prior", self.false_prior, "between 0 and 0.9"),
            (self.kernel in get_args(Kernel), "kernel", self.kernel, " or ".join(get_args(Kernel))),
            (0.0 <= self.position_effect <= 1.0, "position_effect", self.position_effect, "between 0 and 1"),
            (self.position_pattern in patterns, "position_pattern", self.position_pattern, " or ".join(patterns)),
            *((value >= 0.0, f"{name}_share", value, "0 or more") for name, value in self._named_shares()),
            (0.0 <= self.nuisance <= 0.5, "nuisance", self.nuisance, "between 0 and 0.5"),
            (explained <= 0.95, "the shares and nuisance together", explained, "at most 0.95"),
            (0.0 <= self.missing_prior <= 1.0, "missing_prior", self.missing_prior, "between 0 and 1"),
            *((0.0 <= value <= 0.9, f"{name}_correlation", value, "between 0 and 0.9") for name, value in together),
            (0.0 < self.depth < np.inf, "depth", self.depth, "a positive number"),
            (0.0 <= self.depth_sd <= 2.0, "depth_sd", self.depth_sd, "between 0 and 2"),
            (0.0 <= self.dropout <= 0.9, "dropout", self.dropout, "between 0 and 0.9"),
            (self.measurement in ways, "measurement", self.measurement, " or ".join(ways)),
        )

    def _named_shares(self) -> list[tuple[str, float]]:
        return list(zip(("tf", "lr", "tfl"), self.shares, strict=True))

    @property
    def shares(self) -> Shares:
        """The shares in the order of the kinds."""
        return self.tf_share, self.lr_share, self.tfl_share
