"""The modulators of one target: what may explain its expression, in the order of the design columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spacetravlr.errors import InputError

GROUPS = ("tf", "lr", "tfl", "extra")
"""Names of the modulator families; the position is the number used in `Modulators.groups`."""


@dataclass(frozen=True, eq=False)
class Modulators:
    """Everything that may regulate one target, by family.

    Raises
    ------
    InputError
        The target is one of its own modulators.
    """

    target: str
    """The gene to be explained."""
    regulators: tuple[str, ...] = ()
    """TFs, in the order of the network file (or of the priors file)."""
    lr_pairs: tuple[str, ...] = ()
    """Ligand-receptor pairs ``L$R``: those of the network first, then the extra ones."""
    ligands: tuple[str, ...] = ()
    """Ligand of each entry of `lr_pairs`."""
    receptors: tuple[str, ...] = ()
    """Receptor of each entry of `lr_pairs`."""
    tfl_pairs: tuple[str, ...] = ()
    """Ligand-TF pairs ``L#TF``, at most five per TF."""
    tfl_ligands: tuple[str, ...] = ()
    """Ligand of each entry of `tfl_pairs`."""
    tfl_regulators: tuple[str, ...] = ()
    """TF of each entry of `tfl_pairs`."""
    extras: tuple[str, ...] = ()
    """Genes asked for by the user that play no other role here."""
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Cell type label -> which regulators are allowed there, (n_regulators,). A type that is absent allows all."""

    def __post_init__(self) -> None:
        for role in ("regulators", "ligands", "receptors", "tfl_ligands", "tfl_regulators", "extras"):
            if self.target in getattr(self, role):
                raise InputError(f"{self.target}: is among its own modulators ({role}); remove it from that list")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Design columns in order: regulators, ligand-receptor pairs, ligand-TF pairs, extras."""
        return self.regulators + self.lr_pairs + self.tfl_pairs + self.extras

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """Family of each design column, (n_modulators,): 0 TF, 1 ligand-receptor, 2 ligand-TF, 3 extra."""
        sizes = [len(self.regulators), len(self.lr_pairs), len(self.tfl_pairs), len(self.extras)]
        groups = np.repeat(np.arange(len(GROUPS), dtype=np.int64), sizes)
        groups.flags.writeable = False
        return groups

    def __len__(self) -> int:
        return len(self.regulators) + len(self.lr_pairs) + len(self.tfl_pairs) + len(self.extras)
