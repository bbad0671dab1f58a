"""How a sample is prepared: every parameter with its default and what it means."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from inspect import cleandoc
from typing import Any, Literal, get_args

from spacetravlr.errors import ConfigError

Imputation = Literal["diffusion", "knn"]


def _of(default: Any, text: str, *, least: float | None = None) -> Any:
    return field(default=default, metadata={"help": text, "least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """Parameters of the preparation; the names are those of the `[preprocess]` section of later editions.

    Raises
    ------
    ConfigError
        If a value is out of range.

    Examples
    --------
    >>> stl.pp.PrepareOptions(min_counts=20, imputation="knn").least_genes(500)
    10
    >>> stl.pp.PrepareOptions(magic_t=-1)
    Traceback (most recent call last):
    ...
    spacetravlr.errors.ConfigError: magic_t = -1 is not allowed: a number of at least 0 is needed
    """

    min_genes: int | None = _of(
        None, "Fewest genes detected in a cell that stays; unset is 100, at most 2 % of those measured.", least=0
    )
    min_counts: int = _of(0, "Fewest counts of a cell that stays.", least=0)
    max_mito: float | None = _of(None, "Largest share of mitochondrial counts of a cell that stays, percent.", least=0)
    min_cells: int = _of(3, "Fewest cells in which a gene that stays is detected; of the network, 1.", least=0)
    normalize_target_sum: float = _of(10000.0, "Sum of every cell after normalisation.", least=1e-9)
    n_top_hvg: int = _of(2000, "Variable genes to keep, beside all genes of the network; 0 keeps every gene.", least=0)
    n_pca_components: int = _of(50, "Principal components.", least=1)
    n_neighbors: int = _of(15, "Neighbours of a cell in expression.", least=2)
    umap: bool = _of(default=True, text="Compute a UMAP, which arrows and plots need.")
    min_dist: float = _of(0.5, "UMAP: least distance of points.", least=0)
    spread: float = _of(0.5, "UMAP: scale of distances.", least=1e-3)
    umap_learning_rate: float = _of(1.0, "UMAP: step size.", least=1e-9)
    n_epochs: int | None = _of(None, "UMAP: epochs; unset is 500 for up to 10,000 cells, else 200.", least=1)
    leiden_resolution: float = _of(1.0, "Leiden: more is more clusters.", least=0)
    leiden_max_iter: int = _of(100, "Leiden: most iterations.", least=1)
    imputation: Imputation = field(
        default="diffusion",
        metadata={
            "help": "diffusion: MAGIC's operator; knn: mean over a cell and its neighbours in expression.",
            "least": None,
        },
    )
    magic_t: int = _of(2, "Steps of the diffusion; 0 lets the data decide.", least=0)
    random_seed: int = _of(42, "Seed of every random number.", least=0)

    def __post_init__(self) -> None:
        for one in fields(self):
            value, least = getattr(self, one.name), one.metadata["least"]
            if value is None or least is None:
                continue
            if not isinstance(value, int | float) or not math.isfinite(value) or value < least:
                raise ConfigError(f"{one.name} = {value!r} is not allowed: a number of at least {least:g} is needed")
        if self.imputation not in get_args(Imputation):
            raise ConfigError(
                f"imputation = {self.imputation!r} is unknown: use one of {', '.join(get_args(Imputation))}"
            )
        if self.min_dist > self.spread:
            raise ConfigError(
                f"min_dist = {self.min_dist:g} is larger than spread = {self.spread:g}: UMAP forbids that"
            )

    def least_genes(self, n_genes: int) -> int:
        """Return the fewest genes a cell must have, for a sample in which so many are measured.

        Parameters
        ----------
        n_genes
            How many.
        """
        return self.min_genes if self.min_genes is not None else min(100, math.ceil(0.02 * n_genes))


# from Python 3.13 on the compiler takes the indentation away, before it does not
PrepareOptions.__doc__ = cleandoc(PrepareOptions.__doc__ or "").replace(
    "Raises\n",
    "Parameters\n----------\n"
    + "".join(f"{one.name}\n    {one.metadata['help']}\n" for one in fields(PrepareOptions))
    + "\nRaises\n",
    1,
)
