"""In which order the genes of a network can be computed, and which of them must be solved together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate.terms import Indices, Terms


@dataclass(frozen=True)
class Stage:
    """Genes that are computed together once all earlier stages are known.

    Attributes
    ----------
    genes
        Gene indices, sorted.
    terms
        Terms that regulate them.
    ligands
        Those of the genes that are ligands of some term.
    loop
        Whether the genes regulate each other, so that they need a steady state.
    """

    genes: Indices
    terms: Indices
    ligands: Indices
    loop: bool


def arcs(terms: Terms, regulates: NDArray[np.bool_]) -> Indices:
    """Return the distinct (regulator, target) gene pairs, (n, 2), of (n_terms, n_genes) edges."""
    term, target = np.nonzero(regulates)
    inputs = terms.inputs[term]
    pairs = np.concatenate([np.column_stack([inputs[:, side], target]) for side in (0, 1)])
    return np.unique(pairs[pairs[:, 0] >= 0], axis=0).astype(np.int64)


def make_stages(terms: Terms, regulates: NDArray[np.bool_]) -> tuple[Stage, ...]:
    """Order the regulated genes: feedback loops are one stage each, all else is as parallel as it can be.

    Parameters
    ----------
    terms
        The regulating terms.
    regulates
        (n_terms, n_genes), whether a term regulates a gene in any cell type.

    Returns
    -------
    Stages in an order in which every regulator comes before, or together with, its targets.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_genes = regulates.shape[1]
    edges = arcs(terms, regulates)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n_genes, n_genes))
    _, component = connected_components(graph, directed=True, connection="strong")
    depth = _depths(edges, component)
    size = np.bincount(component)
    regulated = regulates.any(axis=0)
    stages = []
    for level in range(int(depth.max(initial=0)) + 1):
        here = regulated & (depth == level)
        single = np.flatnonzero(here & (size[component] == 1))
        if len(single):
            stages.append(_stage(single, terms, regulates, loop=False))
        stages += [
            _stage(np.flatnonzero(here & (component == loop)), terms, regulates, loop=True)
            for loop in np.unique(component[here & (size[component] > 1)])
        ]
    return tuple(stages)


def _stage(genes: Indices, terms: Terms, regulates: NDArray[np.bool_], *, loop: bool) -> Stage:
    return Stage(genes, np.flatnonzero(regulates[:, genes].any(axis=1)), np.intersect1d(genes, terms.ligand), loop)


def _depths(edges: Indices, component: NDArray[np.int32]) -> Indices:
    """Return the longest path to every gene through the graph whose nodes are the components."""
    depth = np.zeros(len(component), dtype=np.int64)
    source, target = component[edges[:, 0]], component[edges[:, 1]]
    between = source != target
    source, target = source[between], target[between]
    # without cycles left, a longest path is settled after as many rounds as it has steps
    while True:
        deeper = depth.copy()
        np.maximum.at(deeper, target, depth[source] + 1)
        if np.array_equal(deeper, depth):
            return depth[component]
        depth = deeper


def downstream(edges: Indices, gene: int, n_genes: int) -> NDArray[np.bool_]:
    """Return (n_genes,) which genes a gene reaches along (n, 2) arcs, itself included."""
    reached = np.zeros(n_genes, dtype=bool)
    reached[gene] = True
    while True:
        wider = reached.copy()
        wider[edges[reached[edges[:, 0]], 1]] = True
        if np.array_equal(wider, reached):
            return reached
        reached = wider


def regulates_itself(edges: Indices, gene: int, reached: NDArray[np.bool_]) -> bool:
    """Return whether one of the genes that a gene reaches, (n_genes,), acts on it along (n, 2) arcs."""
    return bool(reached[edges[edges[:, 1] == gene, 0]].any())
