"""The family of tissues with a known answer on which arms are compared, and the knock-outs that are scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

_COMPONENTS, _SIMILAR = 20, 25

ROLES = {"TF": "TF", "ligand": "LR"}
"""Role of the genes that are knocked out -> the kind of edge through which they act."""


@dataclass(frozen=True, slots=True)
class Member:
    """One kind of tissue.

    Attributes
    ----------
    name, summary
        What it is called, and what is special about it.
    radius
        Reach of the ligands, micrometres.
    options
        Further arguments of `datasets.simulated_tissue`.
    counted
        Whether only counts are known: the modulators are imputed from them, the response is normalised alone.
    """

    name: str
    summary: str
    radius: float = 200.0
    options: Mapping[str, Any] = field(default_factory=dict)
    counted: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that suit this tissue."""
        return {"radius": self.radius} | ({"response_layer": "normalized_count"} if self.counted else {})

    def make(self, seed: int, *, n_cells: int, n_genes: int) -> AnnData:
        """Simulate it, without knock-outs."""
        from spacetravlr.datasets import simulated_tissue

        options = {"false_prior": 0.7, **self.options}
        adata = simulated_tissue(n_cells, n_genes, seed=seed, radius=self.radius, knock_outs=(), **options)
        if self.counted:
            normalized = normalized_counts(np.asarray(adata.layers["counts"], dtype=np.float64))
            adata.layers["normalized_count"] = normalized
            adata.layers["imputed_count"] = neighbour_means(normalized)
        return adata


_NOTHING = {"tf_share": 0.0, "lr_share": 0.0, "tfl_share": 0.0}

MEMBERS = {
    one.name: one
    for one in (
        Member("r200", "ligands reach 200 um, 70 % of the prior network is false"),
        Member("r50", "ligands reach 50 um", radius=50.0),
        Member("prior0", "nothing in the prior network is false", options={"false_prior": 0.0}),
        Member("prior40", "40 % of the prior network is false", options={"false_prior": 0.4}),
        Member("prior80", "80 % of the prior network is false", options={"false_prior": 0.8}),
        Member("missing", "40 % of the true edges are missing from the prior network", options={"missing_prior": 0.4}),
        Member("counts", "only counts are known, modulators are means over 25 similar cells", counted=True),
        Member("null", "nothing regulates anything", options={**_NOTHING, "nuisance": 0.0}),
        Member("nuisance", "nothing regulates anything, genes share smooth fields", options=_NOTHING),
    )
}
DEFAULT_MEMBERS = ("r200", "r50")


def normalized_counts(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n_cells, n_genes) counts as the logarithm of 1 + share of the cell, times the median depth."""
    depth = counts.sum(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = np.log1p(counts / np.maximum(depth, 1.0) * np.median(depth))
    return scaled


def neighbour_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each cell and those most like it in the principal components."""
    from scipy.spatial import cKDTree

    centred = values - values.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    places = left[:, :_COMPONENTS] * sizes[:_COMPONENTS]
    near = cKDTree(places).query(places, min(_SIMILAR, len(places)))[1]
    means: NDArray[np.float64] = values[near].mean(axis=1)
    return means


@dataclass(frozen=True)
class KnockOut:
    """A gene held at 0, and what truly follows: (n_cells, n_genes), expression units."""

    gene: str
    role: str
    change: NDArray[np.float64]


def true_knock_outs(adata: AnnData, per_role: int) -> list[KnockOut]:
    """Return the true answers to some knock-outs of TFs and of ligands.

    Parameters
    ----------
    adata
        A simulated tissue.
    per_role
        How many TFs and how many ligands. They are taken at even distances from the list of all that regulate
        something, ordered by the sum of their effects: strong and weak ones.
    """
    from spacetravlr.datasets import knock_out_truth

    edges = adata.uns["truth"]["edges"]
    if edges.empty:
        return []
    chosen = []
    for role, kind in ROLES.items():
        own = edges[edges["kind"] == kind]
        gene = own["modulator"].str.split("$", regex=False).str[0]
        total = own["effect_sd"].abs().groupby(gene.to_numpy()).sum().sort_index()
        ranked = list(total.sort_values(ascending=False, kind="stable").index)
        at = np.unique(np.linspace(0, len(ranked) - 1, min(per_role, len(ranked))).round().astype(int))
        chosen += [KnockOut(ranked[place], role, knock_out_truth(adata, ranked[place])) for place in at]
    return chosen
