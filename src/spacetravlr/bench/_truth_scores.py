"""How well the coefficients of an arm agree with the answer key, and its knock-outs with the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.bench._demo_scores import spreads
from spacetravlr.bench._edges import edge_recovery
from spacetravlr.bench._knockouts import knockout_recovery
from spacetravlr.bench._ranking import correlation
from spacetravlr.bench._truth_fitted import propagation_model

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.bench._truth_fitted import Estimate
    from spacetravlr.bench._truth_tissues import KnockOut
    from spacetravlr.training import Plan

    Array = NDArray[np.float64]


class AnswerKey:
    """The true edges of a tissue in the layout of a plan.

    Parameters
    ----------
    adata
        The simulated tissue.
    plan
        Its modulators and clusters.
    """

    def __init__(self, adata: AnnData, plan: Plan) -> None:
        self.plan = plan
        self.type_of = plan.tissue.cluster_cell_types
        self.types = [self.type_of[label] for label in plan.tissue.clusters.labels]
        self.candidates = {target: one.names for target, one in plan.inputs.modulators.items()}
        offered = {(target, name) for target, names in self.candidates.items() for name in names}
        edges = adata.uns["truth"]["edges"]
        found = [pair in offered for pair in zip(edges["target"], edges["modulator"], strict=True)]
        # an edge that the prior network lacks cannot be found by anybody
        self.edges = edges[np.array(found, dtype=bool)]
        self.sd_x, self.sd_y = spreads(plan)
        self.regulated = set(adata.var_names[adata.var["regulated"].to_numpy(dtype=bool)])

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

        Edges are ranked by |beta| sd(x) / sd(y) within cell types, times their stability where it is known.
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
            out |= {f"sign_{kind}": one.sign}
        return out | self._calibration(estimate)

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
        """Return R2, and the share of regulated and of unregulated targets that got a model."""
        targets = set(self.candidates)
        free = targets - self.regulated
        regulated = targets & self.regulated
        return {
            "r2_in": estimate.r2_in,
            "r2_out": estimate.r2_out,
            "models_regulated": _share(regulated, estimate.betas),
            "models_free": _share(free, estimate.betas),
        }


def score_knock_outs(
    estimate: Estimate, plan: Plan, knock_outs: Sequence[KnockOut], steps: Sequence[int], *, spread: Array
) -> dict[int, dict[str, float]]:
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
    Number of steps -> means over the knock-outs of a role, ``TF_r``, ``ligand_auroc``, ...; an arm without any model
    predicts no change.
    """
    model = propagation_model(plan, estimate.betas) if estimate.betas else None
    # predictions and truths each in standard deviations of their own: counts have other units than expression
    own = plan.tissue.columns(plan.tissue.genes).std(axis=0)
    unit = np.where(own > 0.0, spread / np.where(own > 0.0, own, 1.0), 0.0)
    out: dict[int, dict[str, float]] = {}
    for n in steps:
        by_role: dict[str, list[dict[str, float]]] = {}
        for one in knock_outs:
            predicted = np.zeros_like(one.change)
            if model is not None:
                predicted = model.simulate({one.gene: 0.0}, n_propagation=n).delta * unit
            clamped = [plan.tissue.genes.index(one.gene)]
            found = knockout_recovery(predicted, one.change, sd=spread, clamped=clamped)
            values = {name: float(getattr(found, name)) for name in ("r", "sign", "auroc", "size", "within_gene_r")}
            by_role.setdefault(one.role, []).append(values)
        out[n] = {
            f"{role}_{name}": _mean([one[name] for one in found])
            for role, found in by_role.items()
            for name in found[0]
        }
    return out


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _share(genes: set[str], betas: Mapping[str, Any]) -> float:
    return sum(gene in betas for gene in genes) / len(genes) if genes else float("nan")
