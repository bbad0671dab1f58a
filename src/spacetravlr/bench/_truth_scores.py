"""How well the coefficients of an arm agree with the answer key, and its knock-outs with the true ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.bench._demo_scores import spreads
from spacetravlr.bench._edges import edge_recovery
from spacetravlr.bench._ranking import correlation
from spacetravlr.bench._truth_changes import change_scores
from spacetravlr.bench._truth_fitted import propagation_model
from spacetravlr.bench._truth_lists import edge_lists
from spacetravlr.bench._truth_scoped import means, own_units

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.bench._truth_fitted import Estimate
    from spacetravlr.bench._truth_tissues import KnockOut
    from spacetravlr.training import Plan

    Array = NDArray[np.float64]

_LEVEL = 0.05
"""Of p values that say that the place of a cell matters."""


class AnswerKey:
    """The true edges of a tissue in the layout of a plan.

    Parameters
    ----------
    adata
        The simulated tissue.
    plan
        Its modulators and clusters.
    targets
        Those that count; all by default.
    """

    def __init__(self, adata: AnnData, plan: Plan, targets: Sequence[str] | None = None) -> None:
        self.plan = plan
        self.type_of = plan.tissue.cluster_cell_types
        self.types = [self.type_of[label] for label in plan.tissue.clusters.labels]
        wanted = set(plan.inputs.targets if targets is None else targets)
        self.candidates = {target: one.names for target, one in plan.inputs.modulators.items() if target in wanted}
        offered = {(target, name) for target, names in self.candidates.items() for name in names}
        edges = adata.uns["truth"]["edges"]
        found = [pair in offered for pair in zip(edges["target"], edges["modulator"], strict=True)]
        # an edge that the prior network lacks cannot be found by anybody
        self.edges = edges[np.array(found, dtype=bool)]
        self.sd_x, self.sd_y = spreads(plan)
        self.regulated = set(adata.var_names[adata.var["regulated"].to_numpy(dtype=bool)])
        self.apart = _apart(edges, self.candidates, set(self.candidates) - self.regulated)

    def active(self) -> dict[str, dict[str, NDArray[np.int64]]]:
        """Return target -> cluster label -> positions of the true modulators among the candidates."""
        label_of = {name: label for label, name in self.type_of.items()}
        place = {target: {name: at for at, name in enumerate(names)} for target, names in self.candidates.items()}
        found: dict[str, dict[str, list[int]]] = {target: {} for target in self.candidates}
        columns = (self.edges[name] for name in ("target", "modulator", "cell_type"))
        for target, modulator, cell_type in zip(*columns, strict=True):
            found[target].setdefault(label_of[cell_type], []).append(place[target][modulator])
        return {
            target: {label: np.array(sorted(places), dtype=np.int64) for label, places in by_label.items()}
            for target, by_label in found.items()
        }

    def score_edges(self, estimate: Estimate) -> dict[str, float]:
        """Return, by kind of edge, how well the true ones rank and how often their sign is right.

        Edges are ranked by |beta| sd(x) / sd(y) within cell types, times their stability where it is known. For
        `auprc_pooled` other cell types count too.
        """
        found = edge_recovery(
            estimate.betas,
            self.edges,
            candidates=self.candidates,
            cell_types=self.types,
            row_names=self.type_of,
            sd_x=self.sd_x,
            sd_y=self.sd_y,
            stability=estimate.stability,
        )
        out: dict[str, float] = {}
        for kind, one in found.items():
            out |= {f"auprc_{kind}": one.auprc, f"base_{kind}": one.base_rate, f"auroc_{kind}": one.auroc}
            out |= {f"sign_{kind}": one.sign, f"auprc_pooled_{kind}": one.auprc_pooled}
        lists = edge_lists(
            estimate.betas,
            self.edges,
            candidates=self.candidates,
            row_names={label: self.type_of[label] for label in self.plan.tissue.clusters.labels},
            sd_x=self.sd_x,
            sd_y=self.sd_y,
            stability=estimate.stability,
        )
        return out | lists | self._calibration(estimate)

    def _calibration(self, estimate: Estimate) -> dict[str, float]:
        """Return how estimated sizes of true edges relate to the true ones: correlation, and slope of the truth."""
        label_of = {name: label for label, name in self.type_of.items()}
        pairs: dict[str, list[tuple[float, float]]] = {}
        columns = (self.edges[name] for name in ("target", "modulator", "kind", "cell_type", "effect_sd"))
        for target, modulator, kind, cell_type, effect in zip(*columns, strict=True):
            found = self._in_sd(estimate, target, modulator, label_of[cell_type])
            pairs.setdefault(kind, []).append((found, effect))
        out: dict[str, float] = {}
        for kind, values in pairs.items():
            guess, true = np.array(values).T
            size = float(guess @ guess)
            out[f"beta_r_{kind}"] = correlation(guess, true) if np.ptp(guess) > 0.0 else 0.0
            out[f"beta_slope_{kind}"] = float(guess @ true) / size if size > 0.0 else float("nan")
        return out

    def _in_sd(self, estimate: Estimate, target: str, modulator: str, label: str) -> float:
        table = estimate.betas.get(target)
        if table is None or modulator not in table.modulators:
            return 0.0
        c = self.plan.tissue.clusters.labels.index(label)
        value = float(table.values[table.row_labels.index(label), table.modulators.index(modulator)])
        sd_y = float(np.asarray(self.sd_y[target])[c])
        return value * float(np.asarray(self.sd_x[modulator])[c]) / sd_y if sd_y > 0.0 else 0.0

    def score_models(self, estimate: Estimate) -> dict[str, float]:
        """Return R2, and the shares of regulated and unregulated targets with a model, and where space seems to matter.

        Of the unregulated targets those *apart* act on none of their own candidates, directly or through others: the
        rest depend on candidates statistically, the wrong way round, which no regression can tell.
        """
        targets = set(self.candidates)
        free = targets - self.regulated
        regulated = targets & self.regulated
        spatial = {gene for gene, p in estimate.p_space.items() if p <= _LEVEL}
        return {
            "r2_in": estimate.r2_in,
            "r2_out": estimate.r2_out,
            "models_regulated": _share(regulated, estimate.betas),
            "models_free": _share(free, estimate.betas),
            "models_apart": _share(self.apart, estimate.betas),
            "space_regulated": _share(regulated, spatial),
            "space_free": _share(free, spatial),
            "space_apart": _share(self.apart, spatial),
        }


def score_knock_outs(
    estimate: Estimate, plan: Plan, knock_outs: Sequence[KnockOut], steps: Sequence[int], *, spread: Array
) -> dict[str, float]:
    """Simulate knock-outs and compare them with the truth.

    Parameters
    ----------
    estimate
        The coefficients.
    plan
        The tissue.
    knock_outs
        The true answers.
    steps
        Numbers of propagation steps to try.
    spread
        (n_genes,) standard deviation of the true expression.

    Returns
    -------
    Means over the knock-outs of a role, with the number of steps: ``TF_r@2``, ``ligand_auroc@4``, ...; an arm without
    any model predicts no change.
    """
    model = propagation_model(plan, estimate.betas, estimate.profile) if estimate.betas else None
    unit = own_units(plan, spread)
    out: dict[str, float] = {}
    for n in steps:
        by_role: dict[str, list[dict[str, float]]] = {}
        for one in knock_outs:
            predicted = np.zeros_like(one.change)
            if model is not None:
                predicted = model.simulate({one.gene: 0.0}, n_propagation=n).delta * unit
            clamped = [plan.tissue.genes.index(one.gene)]
            found = change_scores(predicted, one.change, sd=spread, clamped=clamped)
            by_role.setdefault(one.role, []).append(found)
        for role, each in by_role.items():
            out |= {f"{role}_{name}@{n}": value for name, value in means(each).items()}
    return out


def _apart(edges: pd.DataFrame, candidates: Mapping[str, Sequence[str]], free: set[str]) -> set[str]:
    """Return the genes of `free` that act on no gene that occurs in their candidates, directly or through others."""
    acts_on: dict[str, set[str]] = {}
    for target, modulator in zip(edges["target"], edges["modulator"], strict=True):
        for gene in _genes_of(modulator):
            acts_on.setdefault(gene, set()).add(target)
    apart = set()
    for gene in free:
        reached: set[str] = set()
        waiting = [gene]
        while waiting:
            new = acts_on.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += sorted(new)
        if not reached & {one for name in candidates[gene] for one in _genes_of(name)}:
            apart.add(gene)
    return apart


def _genes_of(modulator: str) -> list[str]:
    return modulator.replace("#", "$").split("$")


def _share(genes: set[str], chosen: Collection[str]) -> float:
    return sum(gene in chosen for gene in genes) / len(genes) if genes else float("nan")
