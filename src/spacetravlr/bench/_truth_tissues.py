"""The family of tissues with a known answer on which arms are compared, and the knock-outs that are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

ROLES = {"TF": "TF", "ligand": "LR"}
"""Role of the genes that are knocked out -> the kind of edge through which they act."""

FEW_ARMS = ("default", "readme", "correlation", "tf-only", "oracle")
"""What is compared in tissues beside the main ones."""


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
    arms
        What is compared in it unless arms are asked for; None is the whole list.
    """

    name: str
    summary: str
    radius: float = 200.0
    options: Mapping[str, Any] = field(default_factory=dict)
    arms: Sequence[str] | None = FEW_ARMS

    @property
    def counted(self) -> bool:
        """Whether only counts are known: modulators come from them, the response is normalised alone."""
        return bool(self.options.get("measurement", "exact") != "exact")

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that suit this tissue."""
        return {"radius": self.radius} | ({"response_layer": "normalized_count"} if self.counted else {})

    def make(self, seed: int, *, n_cells: int, n_genes: int) -> AnnData:
        """Simulate it, without knock-outs."""
        from spacetravlr.datasets import simulated_tissue

        options = {"false_prior": 0.7, **self.options}
        return simulated_tissue(n_cells, n_genes, seed=seed, radius=self.radius, knock_outs=(), **options)


_NOTHING = {"tf_share": 0.0, "lr_share": 0.0, "tfl_share": 0.0}
_TOGETHER = {"tf_correlation": 0.5, "ligand_correlation": 0.5}
_KNN = {"measurement": "knn"}

MEMBERS = {
    one.name: one
    for one in (
        Member("r200", "ligands reach 200 um, 70 % of the prior network is false", arms=None),
        Member("r50", "ligands reach 50 um, 70 % of the prior network is false", radius=50.0, arms=None),
        Member("prior0", "nothing in the prior network is false", options={"false_prior": 0.0}),
        Member("prior40", "40 % of the prior network is false", options={"false_prior": 0.4}),
        Member("prior80", "80 % of the prior network is false", options={"false_prior": 0.8}),
        Member("missing", "40 % of the true edges are missing from the prior network", options={"missing_prior": 0.4}),
        Member("missing80", "80 % of the true edges are missing", options={"missing_prior": 0.8}),
        Member("correlated", "TFs vary together (0.5), and so do ligands", options=_TOGETHER),
        Member("position", "the strength of an edge depends on the place", options={"position_effect": 0.8}),
        Member("raw", "only counts are known, 3 per gene and cell, not imputed", options={"measurement": "counts"}),
        Member("counts", "only counts are known, imputed as means over 25 similar cells", options=_KNN),
        Member("diffusion", "only counts are known, imputed by diffusion", options={"measurement": "diffusion"}),
        Member("dropout", "counts of which 40 % more are lost, imputed as means", options={**_KNN, "dropout": 0.4}),
        Member("null", "nothing regulates anything", options={**_NOTHING, "nuisance": 0.0}),
        Member("nuisance", "nothing regulates anything, genes share smooth fields", options=_NOTHING),
    )
}
DEFAULT_MEMBERS = ("r200", "r50", "prior80", "missing", "correlated", "counts", "null", "nuisance")


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
        something, ordered by the sum of their effects: strong and weak ones. Where nothing regulates anything any gene
        of the role will do.
    """
    from spacetravlr.datasets import knock_out_truth

    chosen = []
    for role in ROLES:
        ranked = regulators_of(adata, role)
        at = np.unique(np.linspace(0, len(ranked) - 1, min(per_role, len(ranked))).round().astype(int))
        chosen += [KnockOut(ranked[place], role, knock_out_truth(adata, ranked[place])) for place in at]
    return chosen


def regulators_of(adata: AnnData, role: str) -> list[str]:
    """Return the genes of a role that regulate something through its kind of edge, the strongest first.

    All genes of the role, if nothing regulates anything.
    """
    edges = adata.uns["truth"]["edges"]
    if edges.empty:
        return list(adata.var_names[adata.var["role"] == role])
    own = edges[edges["kind"] == ROLES[role]]
    gene = own["modulator"].str.split("$", regex=False).str[0]
    total = own["effect_sd"].abs().groupby(gene.to_numpy()).sum().sort_index()
    return list(total.sort_values(ascending=False, kind="stable").index)
