"""Before you believe: what the files of this run say about whether one edge or one knock-out can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import listing
from spacetravlr.report.firmness import STABLE
from spacetravlr.report.words import score
from spacetravlr.tissue import MEASURED, is_imputed
from spacetravlr.words import count

if TYPE_CHECKING:
    from spacetravlr.report.facts import Facts
    from spacetravlr.report.recovery import Kind

NEEDS_PLACES = 0.05
"""`p_space` up to which a gene is said to need the places of the cells."""
EXACT: Mapping[str, float] = {"TF sign": 0.90, "ligand sign": 0.77, "TF first": 0.98, "LR first": 0.68}
COUNTED: Mapping[str, float] = {"TF sign": 0.78, "ligand sign": 0.61, "TF first": 0.80, "LR first": 0.11}
"""Of the defaults in the simulated tissues of `bench truth`, whose expression is known or only counted: share of right
signs in knock-outs, and of true edges among those that rank first."""
_NOISE = (
    "Counts of a single cell are mostly noise, which nothing can predict: judged by them, 0.03 may be a good model."
)
_UNTOLD = "the files of the run do not tell"
_FEW = 3
_KINDS: Mapping[Kind, str] = {"TF": "TF", "LR": "ligand-receptor", "TFL": "ligand-TF"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One question: a figure, and what it means."""

    figure: str
    """Empty if it is not known."""
    unit: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """The coefficients of one kind."""

    kind: str
    n_edges: int
    n_stable: int
    n_alike: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What stands in the block.

    Attributes
    ----------
    nothing
        Why there is nothing to believe; empty if there is a model.
    models, edges, places, knock_out
        The answers.
    rows
        Coefficients by kind; empty if it is not known which are stable.
    elsewhere
        What simulated tissues have taught.
    """

    nothing: str
    models: Answer
    edges: Answer
    rows: tuple[EdgeRow, ...]
    places: Answer
    knock_out: Answer
    elsewhere: str


def before_you_believe(facts: Facts) -> Belief:
    """Return the answers that a run gives to who wants to believe it.

    Parameters
    ----------
    facts
        Of the run; what is not known is said in a line.
    """
    return Belief(
        nothing=_nothing(facts),
        models=_models(facts),
        edges=_edges(facts),
        rows=_rows(facts),
        places=_places(facts),
        knock_out=_knock_out(facts),
        elsewhere=_elsewhere(facts),
    )


def _nothing(facts: Facts) -> str:
    genes = facts.genes
    if genes.count("model"):
        return ""
    if facts.progress.status.remaining or not genes.names:
        return "No gene has a model yet, so there is nothing to believe."
    return "No gene has a model: no knock-out in this run changes any other gene, and there is nothing to believe."


def _models(facts: Facts) -> Answer:
    genes = facts.genes
    known = genes.modelled & np.isfinite(genes.r2_out)
    if not known.any():
        reason = "penalties were fixed, and nothing was held out" if _fixed(facts) else _UNTOLD
        return Answer("", "", (f"Not known: {reason}. R² in sample says nothing: it is best where noise is fitted.",))
    n_skill, n_models = int((genes.r2_out[known] > 0.0).sum()), genes.count("model")
    level = facts.run.config.training.model_level
    trend = f", and in them more than a smooth trend does (p_model ≤ {level:g})" if _tested(facts) else ""
    lines = [f"Their models predict regions of tissue that were held out{trend}."]
    if n_skill < n_models:
        lines.append(f"The other {count(n_models - n_skill, 'model')} are not known to predict anything.")
    unit = f"genes are predicted; median R² held out {score(genes.median('r2_out'))}"
    return Answer(f"{n_skill:,} of {len(genes.names):,}", unit, (*lines, _judged_by(facts)))


def _tested(facts: Facts) -> bool:
    training = facts.run.config.training
    asked = training.model_level is not None and training.model_level < 1.0 and training.score_on != "in_sample"
    return asked and bool(facts.genes.scores["p_model"].notna().any())


def _judged_by(facts: Facts) -> str:
    data = facts.run.config.data
    layer = data.own_response or data.layer or "X"
    if _exact(facts):
        return f"R² is measured against layer {layer}, the expression of a simulated tissue."
    if is_imputed(layer):
        return (
            f"R² is measured against layer {layer}, which is imputed: cells that were averaged share what was counted "
            "in them, so R² is too good."
        )
    return f"R² is measured against layer {layer}, which is not imputed. {_NOISE}"


def _exact(facts: Facts) -> bool:
    """Return whether it is a simulated tissue whose expression is known, not only counts of it."""
    tissue = facts.sample.tissue
    return tissue is not None and tissue.simulated and not tissue.has_layer(MEASURED)


def _edges(facts: Facts) -> Answer:
    drawn, firm = facts.run.config.lasso.n_bootstraps, facts.firmness
    if not firm.n_files:
        reason = (
            'regions are drawn again only with [lasso].select = "cv"'
            if _fixed(facts)
            else "[lasso].n_bootstraps is 0"
            if not drawn
            else _UNTOLD
        )
        return Answer("", "", (f"Not known: {reason}. A coefficient may be chance, and nothing here tells.",))
    n_models = facts.genes.count("model")
    part = f" Known of {firm.n_files:,} of {n_models:,} models." if firm.n_files < n_models else ""
    lines = (
        f"{count(drawn, 'time')} regions of the tissue were drawn again and the models fitted again. A coefficient is "
        f"stable if at least {needed(drawn)} of these fits gave its sign. Every cluster counts by itself.{part}",
        "Stable does not mean true: what varies together is confused in every draw.",
    )
    unit = "coefficients are stable in sign"
    return Answer(f"{sum(firm.n_stable.values()):,} of {sum(firm.n_edges.values()):,}", unit, lines)


def _rows(facts: Facts) -> tuple[EdgeRow, ...]:
    firm = facts.firmness
    if not firm.n_files:
        return ()
    return tuple(
        EdgeRow(word, firm.n_edges[one], firm.n_stable[one], firm.n_alike[one]) for one, word in _KINDS.items()
    )


def needed(drawn: int) -> int:
    """Return in how many of some bootstraps the sign must be the same for a coefficient to be stable."""
    return math.ceil(STABLE * drawn - 1e-9)


def _places(facts: Facts) -> Answer:
    genes = facts.genes
    asked = genes.modelled & np.isfinite(genes.p_space)
    n_asked, need = int(asked.sum()), int((genes.p_space[asked] <= NEEDS_PLACES).sum())
    if not n_asked:
        return Answer("", "", (_no_places(facts), *_groups(facts)))
    lines = [
        "A gene needs the places of its cells if ligands received there predict it better than those received "
        f"elsewhere in the cluster (p_space ≤ {NEEDS_PLACES:g})."
    ]
    if need < n_asked:
        lines.append("Where it does not, what looks like signalling may be the receptor alone.")
    names = {name for name, one in zip(genes.names, asked, strict=True) if one}
    own = genes.scores[genes.scores["gene"].isin(names)]
    alone = own.groupby("gene")["r2_tf_only"].mean().dropna()
    if len(alone):
        with_them = float(np.median(genes.r2_out[asked]))
        lines.append(f"Median R² held out of these genes: {score(with_them)}, without ligands {score(alone.median())}.")
    return Answer(f"{need:,} of {n_asked:,}", "genes with ligands need their places", (*lines, *_groups(facts)))


def _no_places(facts: Facts) -> str:
    config, firm = facts.run.config, facts.firmness
    grn = config.grn
    if not (grn.use_lr_modulators or grn.use_tfl_modulators or grn.extra_lr or grn.extra_lr_file):
        return "The run was trained without ligands, so nothing in it depends on places."
    if firm.n_files and not firm.n_edges["LR"] + firm.n_edges["TFL"]:
        return "No model has a ligand, so nothing in this run depends on places."
    if _fixed(facts):
        return 'Not known: places are compared only with [lasso].select = "cv".'
    if not config.training.diagnostics:
        return "Not known: training was told not to compare (--no-diagnostics)."
    known = facts.genes.scores["r2_shuffled"].notna().any()
    return f"Not known: {'too few regions were held out to compare' if known else _UNTOLD}."


def _groups(facts: Facts) -> tuple[str, ...]:
    one = facts.firmness.alike
    if one is None:
        return ()
    cluster = facts.sample.cluster_names([one.cluster])[one.cluster]
    return (
        "In groups: modulators that vary alike in a cluster (correlation above 0.9), such as pairs that share a "
        "receptor, cannot be told apart. Read a group as one edge, of which it is open who acts. For example "
        f"{listing(one.members, _FEW)} in the model of {one.target}, cluster {cluster}.",
    )


def _knock_out(facts: Facts) -> Answer:
    found, gene = facts.firmness.knock_out, facts.knocked
    if found is not None:
        kind = "" if found.role == "TF" else ", a ligand, since no TF has any,"
        first, n = listing(found.targets, _FEW), len(found.targets)
        what = (
            f"{found.gene}{kind} has a stable coefficient in the model of {first} (R² held out {score(found.r2)})."
            if n == 1
            else f"{found.gene}{kind} has stable coefficients in the models of {n:,} genes (median R² held out "
            f"{score(found.r2)}), the largest in {first}."
        )
        return Answer(found.gene, "", (what,))
    if gene is None:
        return Answer("", "", ("No file of coefficients can be read, so nothing can be knocked out.",))
    untold = facts.firmness.n_files == 0
    reason = "which coefficients are stable is not known" if untold else "none is stable in a model that predicts"
    return Answer(gene, "", (f"{gene} has a large coefficient in one of the best models, but {reason}.",))


def _elsewhere(facts: Facts) -> str:
    exact = _exact(facts)
    known = EXACT if exact else COUNTED
    return (
        f"In simulated tissues {'whose expression is known exactly' if exact else 'of which only counts are known'}, "
        f"{_percent(known['TF sign'])} of the changes after the knock-out of a TF had the right sign, and "
        f"{_percent(known['ligand sign'])} after that of a ligand (a coin has 50 %); of the TF edges that rank first "
        f"{_percent(known['TF first'])} were true, of the ligand-receptor edges {_percent(known['LR first'])}."
    )


def _fixed(facts: Facts) -> bool:
    lasso = facts.run.config.lasso
    return lasso.select == "fixed" or lasso.solver == "fista"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
