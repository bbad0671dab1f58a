"""One simulation as it was asked for; nothing in it changes any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr.perturbation.doses import Dose
from spacetravlr.perturbation.targets import Target

if TYPE_CHECKING:
    from spacetravlr.perturbation.workbench.scope import Scope


@dataclass(frozen=True, eq=False)
class Item:
    """One gene of a request: what is done to it, and where."""

    gene: str
    dose: Dose
    scope: Scope
    rows: NDArray[np.int64] | None
    """The cells of the scope; None for all."""


@dataclass(frozen=True, eq=False)
class Request:
    """Genes that are perturbed together, and the number of steps."""

    items: tuple[Item, ...]
    n_propagation: int

    @property
    def targets(self) -> tuple[Target, ...]:
        """The same for `PropagationModel.simulate`."""
        return tuple(Target(item.gene, item.dose, item.rows) for item in self.items)

    @property
    def genes(self) -> str:
        """The genes with their doses."""
        return " + ".join(f"{item.gene} {item.dose.label}" for item in self.items)

    @property
    def where(self) -> str:
        """The cells; of each gene if they differ."""
        texts = list(dict.fromkeys(item.scope.text for item in self.items))
        if len(texts) == 1:
            return texts[0]
        return "; ".join(f"{item.gene}: {item.scope.text}" for item in self.items)

    @property
    def steps(self) -> str:
        """The number of steps, in words."""
        return f"{self.n_propagation} step" + ("s" if self.n_propagation != 1 else "")

    @property
    def text(self) -> str:
        """All of it on one line."""
        return f"{self.genes} · {self.where} · {self.steps}"
