"""The true network of a simulated tissue, and the partly wrong prior network given to the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr._simulate.fields import Array
from spacetravlr._simulate.panel import Pair, Panel
from spacetravlr._simulate.terms import Indices, Term, Terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRUE_TFS = 2
_TRUE_PAIRS = 3
_TRUE_TFL = 2
_ROWS_PER_TF = 5
"""The model takes at most the five heaviest ligands of a TF, so a true one must never be the sixth."""

Edge = tuple[str, str, str, float]
"""(source, target, edge_type, weight) of the prior network."""


@dataclass(frozen=True)
class Wiring:
    """Who regulates whom.

    Attributes
    ----------
    regulated
        (n_genes,) whether a gene has true regulators.
    terms
        Distinct regulating terms.
    strength
        (n_types, n_terms, n_genes) relative strength with its sign, 0 where an edge is absent or inactive in a type.
    prior
        Rows of the prior network, true and false, in random order.
    """

    regulated: NDArray[np.bool_]
    terms: Terms
    strength: Array
    prior: tuple[Edge, ...]


def n_false(n_true: int, false_prior: float) -> int:
    """Return how many false edges make a share of `false_prior` beside `n_true` true ones."""
    return round(n_true * false_prior / (1.0 - false_prior))


def wire(panel: Panel, *, n_types: int, false_prior: float, rng: np.random.Generator) -> Wiring:
    """Draw a network.

    Every pure target and half of the TFs, ligands and receptors are regulated: by 2 TFs, 3 ligand-receptor pairs and 2
    ligand-TF pairs (of the same TFs). Feedback loops arise freely. An edge is active in 80 % of the types, with a
    strength drawn for each type, and negative with a chance of 30 %.

    Parameters
    ----------
    panel
        Genes, roles, known edges (which are preferred).
    n_types
        Number of cell types.
    false_prior
        Share of the prior edges of a regulated gene, of the pairs and of the ligand-TF rows that are false;
        unregulated genes have only false ones.
    rng
        Source of the randomness.

    Returns
    -------
    The network.
    """
    regulated = _choose_regulated(panel, rng)
    pairs, n_true = _choose_pairs(panel, false_prior, rng)
    partners: dict[int, set[int]] = {}
    for ligand, receptor in pairs:
        partners.setdefault(ligand, set()).add(receptor)
    boosts = _choose_boosts(panel, sorted(partners), false_prior, rng)
    rows: list[tuple[int, int, str, float]] = [(ligand, receptor, "lr", 1.0) for ligand, receptor in pairs]
    rows += [(ligand, tf, "nichenet", weight) for tf, found in boosts.items() for ligand, weight, _ in found]
    used: dict[Term, list[int]] = {}
    for target in range(len(panel.genes)):
        candidates = _tf_candidates(panel, target, regulated, rng)
        count = _TRUE_TFS + n_false(_TRUE_TFS, false_prior)
        rows += [(int(tf), target, "grn", 1.0) for tf in candidates[:count]]
        if not regulated[target]:
            continue
        tfs = candidates[:_TRUE_TFS]
        open_pairs = [pair for pair in pairs[:n_true] if target not in pair]
        chosen = rng.permutation(len(open_pairs))[:_TRUE_PAIRS]
        terms: list[Term] = [(0, int(tf), -1, -1) for tf in tfs]
        terms += [(1, -1, *open_pairs[position]) for position in chosen]
        terms += _tfl_terms(target, tfs, boosts, partners, rng)
        for term in terms:
            used.setdefault(term, []).append(target)
    return Wiring(regulated, *_strengths(used, len(panel.genes), n_types, rng), _prior_rows(panel, rows, rng))


def without_kinds(wiring: Wiring, kinds: Sequence[int]) -> Wiring:
    """Return the network without the effects of some kinds of terms; the prior network stays as it is."""
    strength = wiring.strength.copy()
    strength[:, np.isin(wiring.terms.kind, kinds)] = 0.0
    return replace(wiring, strength=strength, regulated=(strength != 0.0).any(axis=(0, 1)))


def forget(wiring: Wiring, genes: Sequence[str], share: float, rng: np.random.Generator) -> Wiring:
    """Return the network with a share of the true edges missing from the prior network.

    Parameters
    ----------
    wiring
        The network.
    genes
        Names by index.
    share
        Part of the true rows that is left out, 0 to 1.
    rng
        Source of the randomness.
    """
    acting = (wiring.strength != 0.0).any(axis=0)
    true: set[tuple[str, str, str]] = set()
    terms = wiring.terms
    for row, (kind, tf, ligand, receptor) in enumerate(
        zip(terms.kind, terms.tf, terms.ligand, terms.receptor, strict=True)
    ):
        targets = np.flatnonzero(acting[row]).tolist()
        if kind == 0:
            true.update((genes[tf], genes[target], "grn") for target in targets)
        elif len(targets):
            true.add((genes[ligand], genes[receptor], "lr") if kind == 1 else (genes[ligand], genes[tf], "nichenet"))
    ordered = sorted(true)
    lost = {ordered[place] for place in rng.permutation(len(ordered))[: round(share * len(ordered))]}
    return replace(wiring, prior=tuple(edge for edge in wiring.prior if edge[:3] not in lost))


def _choose_regulated(panel: Panel, rng: np.random.Generator) -> NDArray[np.bool_]:
    regulated = np.zeros(len(panel.genes), dtype=bool)
    regulated[panel.indices("target")] = True
    for group in (panel.indices("TF"), panel.indices("ligand"), panel.indices("receptor")):
        regulated[rng.permutation(group)[: len(group) // 2]] = True
    return regulated


def _choose_pairs(panel: Panel, false_prior: float, rng: np.random.Generator) -> tuple[list[tuple[int, int]], int]:
    """Return the ligand-receptor pairs, the true ones first, and how many are true."""
    ligands, receptors = panel.indices("ligand"), panel.indices("receptor")
    n_true = max(1, round(0.45 * len(ligands)))
    wanted = min(n_true + n_false(n_true, false_prior), len(ligands) * len(receptors))
    pairs = extend_pairs(_as_indices(panel, panel.pairs), ligands, receptors, wanted, rng)
    order = rng.permutation(len(pairs))
    return [pairs[position] for position in order], min(n_true, len(pairs))


def _as_indices(panel: Panel, pairs: tuple[Pair, ...]) -> list[tuple[int, int]]:
    position = {gene: index for index, gene in enumerate(panel.genes)}
    return [(position[source], position[target]) for source, target in pairs]


def extend_pairs(
    known: list[tuple[int, int]], ligands: Indices, receptors: Indices, wanted: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Return `wanted` distinct pairs: known ones first (new genes before repeated ones), then invented ones.

    Invented pairs go through the ligands in turn, so that every ligand gets about as many.
    """
    seen: set[int] = set()
    fresh: list[tuple[int, int]] = []
    for pair in known:
        if not seen.issuperset(pair):
            fresh.append(pair)
            seen.update(pair)
    chosen = dict.fromkeys(list(dict.fromkeys([*fresh, *known]))[:wanted])
    turns = [rng.permutation(receptors) for _ in ligands]
    for turn in range(len(receptors)):
        for position in rng.permutation(len(ligands)):
            if len(chosen) >= wanted:
                return list(chosen)
            chosen.setdefault((int(ligands[position]), int(turns[position][turn])))
    return list(chosen)


def _choose_boosts(
    panel: Panel, ligands: list[int], false_prior: float, rng: np.random.Generator
) -> dict[int, list[tuple[int, float, bool]]]:
    """Return for every TF its ligands: (ligand, weight, may be true), at most five above the usual cut-off 0.2."""
    n_true = min(_TRUE_TFL, len(ligands))
    n_wrong = min(n_false(n_true, false_prior), _ROWS_PER_TF - n_true)
    boosts: dict[int, list[tuple[int, float, bool]]] = {}
    for tf in panel.indices("TF"):
        chosen = rng.permutation(np.array(ligands, dtype=np.int64))[: n_true + n_wrong + 2]
        weights = rng.uniform(0.25, 1.0, len(chosen))
        weights[n_true + n_wrong :] *= 0.15
        boosts[int(tf)] = [
            (int(ligand), float(weight), number < n_true)
            for number, (ligand, weight) in enumerate(zip(chosen, weights, strict=True))
        ]
    return boosts


def _tf_candidates(panel: Panel, target: int, regulated: NDArray[np.bool_], rng: np.random.Generator) -> Indices:
    """Return the TFs in the order in which they are taken: the first ones are true, the next ones false."""
    position = {gene: index for index, gene in enumerate(panel.genes)}
    known = [position[tf] for tf, gene in panel.regulons if gene == panel.genes[target]]
    order = dict.fromkeys([*known, *rng.permutation(panel.indices("TF")).tolist()])
    order.pop(target, None)
    found = np.array(list(order), dtype=np.int64)
    if panel.roles[target] == "target":
        return found
    # a regulator that is itself regulated has one driver from outside, so that feedback is not all there is to it
    driver = int(np.argmin(regulated[found]))
    return np.concatenate([found[[driver]], np.delete(found, driver)])


def _tfl_terms(
    target: int,
    tfs: Indices,
    boosts: dict[int, list[tuple[int, float, bool]]],
    partners: dict[int, set[int]],
    rng: np.random.Generator,
) -> list[Term]:
    # a ligand counts for the model only if one of its pairs is left when those of the target itself are removed
    options = [
        (2, int(tf), ligand, -1)
        for tf in tfs
        for ligand, _, may_be_true in boosts[int(tf)]
        if may_be_true and ligand != target and partners[ligand] - {target}
    ]
    return [options[position] for position in rng.permutation(len(options))[:_TRUE_TFL]]


def _strengths(
    used: dict[Term, list[int]], n_genes: int, n_types: int, rng: np.random.Generator
) -> tuple[Terms, Array]:
    strength = np.zeros((n_types, len(used), n_genes))
    for row, targets in enumerate(used.values()):
        sign = np.where(rng.random(len(targets)) < 0.3, -1.0, 1.0)
        active = rng.random((n_types, len(targets))) < 0.8
        active[rng.integers(n_types, size=len(targets)), np.arange(len(targets))] = True
        strength[:, row, targets] = sign * active * rng.uniform(0.5, 1.5, active.shape)
    return Terms.of(used), strength


def _prior_rows(panel: Panel, rows: list[tuple[int, int, str, float]], rng: np.random.Generator) -> tuple[Edge, ...]:
    # a random order, for the position of a row must not tell whether it is true
    shuffled = (rows[position] for position in rng.permutation(len(rows)))
    return tuple((panel.genes[source], panel.genes[target], kind, weight) for source, target, kind, weight in shuffled)
