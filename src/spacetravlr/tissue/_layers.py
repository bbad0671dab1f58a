"""The expression layers of a sample, read by gene name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError, did_you_mean, listing
from spacetravlr.tissue.matrix import ExpressionMatrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

MatrixOf = Callable[[str], ExpressionMatrix]


_IMPUTED = ("imput", "magic", "smooth", "denois", "diffus")


def is_imputed(layer: str) -> bool:
    """Say whether a layer is imputed, judging by its name."""
    return any(part in layer.casefold() for part in _IMPUTED)


class Layers:
    """The layers of a sample; each is looked up once, when it is first asked for.

    Parameters
    ----------
    genes
        Names of the columns.
    matrix_of
        Returns a layer by name.
    default
        The layer that is read unless another is named; looked up at once.

    Raises
    ------
    InputError
        If the default layer is missing or unusable.
    """

    def __init__(self, genes: tuple[str, ...], matrix_of: MatrixOf, default: str) -> None:
        self.genes = genes
        self.default = "X" if default in {"", "X"} else default
        self._matrix_of = matrix_of
        self._found: dict[str, ExpressionMatrix] = {}
        self.matrix(self.default)

    def matrix(self, name: str) -> ExpressionMatrix:
        """Return a layer.

        Raises
        ------
        InputError
            If it is missing or unusable.
        """
        if name not in self._found:
            self._found[name] = self._matrix_of(name)
        return self._found[name]

    def has(self, name: str) -> bool:
        """Say whether there is such a layer, and it is usable."""
        try:
            self.matrix(name)
        except InputError:
            return False
        return True

    @cached_property
    def gene_index(self) -> dict[str, int]:
        """Column of every gene."""
        return {gene: column for column, gene in enumerate(self.genes)}

    def columns(self, genes: Sequence[str], layer: str | None = None) -> NDArray[np.float64]:
        """Read the expression of some genes; as `Tissue.columns`."""
        unknown = [gene for gene in genes if gene not in self.gene_index]
        if unknown:
            raise InputError(f"not measured: {listing(unknown, 5)}{did_you_mean(unknown[0], self.genes)}")
        name = self.default if layer is None else layer
        values = self.matrix(name).columns([self.gene_index[gene] for gene in genes])
        finite = np.atleast_1d(np.isfinite(values).all(axis=0))
        if not finite.all():
            bad = [gene for gene, good in zip(genes, finite.tolist(), strict=True) if not good]
            raise InputError(
                f"layer {name!r} holds NaN or infinite values in {len(bad)} gene(s): {listing(bad, 5)}; "
                "impute or remove them"
            )
        return values
