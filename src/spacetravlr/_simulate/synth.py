"""Recipe synth-v1: a log-linear tissue on a grid, rich in modulators, for measuring the speed of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate import answers
from spacetravlr._simulate.build import assemble, network_table, starter_edges
from spacetravlr._simulate.checks import require, size_rules
from spacetravlr._simulate.fields import Array, standardised
from spacetravlr._simulate.layout import type_names
from spacetravlr._simulate.panel import Panel, choose_panel, quotas
from spacetravlr._simulate.received import gaussian_mean
from spacetravlr._simulate.streams import Stream, generator
from spacetravlr._simulate.terms import Indices, Term, Terms
from spacetravlr._simulate.wiring import Edge, extend_pairs

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

VERSION = "synth-v1"

_ROLE_SHARES = (0.40, 0.25, 0.25)
_PITCH = 20.0
_PAIRS_PER_GENE = 1.25
_TFS_PER_GENE = 8
_LIGANDS_PER_TF = 5
_WEIGHT_TF, _WEIGHT_LR, _WEIGHT_FIELD, _NOISE = 0.6, 0.4, 0.2, 0.3


@dataclass(frozen=True)
class SynthNetwork:
    """The network of the recipe: what acts, and the prior rows that hold it.

    Attributes
    ----------
    order
        Gene indices; regulation only goes from earlier to later ones.
    terms
        Acting terms.
    weights
        (n_terms, n_genes) weight in the log-mean, 0 where there is no edge.
    prior
        Rows of the prior network.
    """

    order: Indices
    terms: Terms
    weights: Array
    prior: tuple[Edge, ...]


def build_synth(
    n_cells: int, n_genes: int, seed: int, *, n_types: int, radius: float, jitter: float, communication: bool
) -> AnnData:
    """Build a tissue by recipe synth-v1; see `spacetravlr.datasets.synth_v1`."""
    from threadpoolctl import threadpool_limits

    require(
        *size_rules(n_cells, n_genes, n_types, seed),
        (0.0 < radius < np.inf, "radius", radius, "a positive number"),
        (0.0 <= jitter < np.inf, "jitter", jitter, "0 or more"),
    )
    panel = choose_panel(starter_edges(), quotas(n_genes, _ROLE_SHARES), generator(seed, Stream.PANEL))
    xy = grid(n_cells, jitter, generator(seed, Stream.LAYOUT))
    codes = domains(xy, n_types, generator(seed, Stream.TYPES))
    network = wire_synth(panel, generator(seed, Stream.WIRING), communication=communication)
    with threadpool_limits(1):
        value, values = _express(network, xy, codes, radius, generator(seed, Stream.EXPRESSION))
        columns = _columns(network, xy, value, radius)
    edges = _edges(network, panel, columns=columns, value=value, values=values, codes=codes)
    rng = generator(seed, Stream.COUNTS)
    size = rng.lognormal(-0.045, 0.3, n_cells)
    counts = rng.poisson(value * size[:, None]).astype(np.float32)
    adata = assemble(
        log_normalised(counts),
        {"imputed_count": value.astype(np.float32), "counts": counts},
        xy=xy,
        codes=codes,
        labels=type_names(n_types),
        panel=panel,
    )
    adata.uns["network"] = network_table(network.prior)
    adata.uns["truth"] = {
        "version": VERSION,
        "seed": seed,
        "parameters": {
            "n_cells": n_cells,
            "n_genes": n_genes,
            "n_types": n_types,
            "radius": radius,
            "jitter": jitter,
            "communication": communication,
        },
        "edges": edges,
        "knock_outs": {},
    }
    return adata


def grid(n_cells: int, jitter: float, rng: np.random.Generator) -> Array:
    """Return (n_cells, 2) positions on a near-square grid of 20 um, each moved by N(0, jitter)."""
    across = int(np.ceil(np.sqrt(n_cells)))
    number = np.arange(n_cells)
    return np.column_stack([number % across, number // across]) * _PITCH + jitter * rng.standard_normal((n_cells, 2))


def domains(xy: Array, n_types: int, rng: np.random.Generator, *, draws: int = 50) -> Indices:
    """Return (n_cells,) codes of the nearest of some cells drawn as centres; of several draws the most even one."""
    best, best_size = np.zeros(len(xy), dtype=np.int64), -1
    for _ in range(draws):
        # cells as centres: each is nearest to itself, so that no domain is empty
        centres = xy[rng.choice(len(xy), n_types, replace=False)]
        codes = ((xy[:, None, :] - centres) ** 2).sum(axis=2).argmin(axis=1)
        size = int(np.bincount(codes, minlength=n_types).min())
        if size > best_size:
            best, best_size = codes, size
    return best


def wire_synth(panel: Panel, rng: np.random.Generator, *, communication: bool) -> SynthNetwork:
    """Draw the network: 8 TFs per gene, 1.25 pairs per gene, 5 ligands per TF.

    An edge acts if it goes forward in a random order of the genes (so cycles are cut). A gene of the later half also
    has one acting pair, both partners of the earlier half.
    """
    n_genes = len(panel.genes)
    order = rng.permutation(n_genes)
    rank = np.argsort(order)
    tfs, ligands, receptors = (panel.indices(role) for role in ("TF", "ligand", "receptor"))
    position = {gene: index for index, gene in enumerate(panel.genes)}
    known = [(position[ligand], position[receptor]) for ligand, receptor in panel.pairs]
    wanted = min(round(_PAIRS_PER_GENE * n_genes), len(ligands) * len(receptors))
    pairs = extend_pairs(known, ligands, receptors, wanted, rng)
    rows = [(ligand, receptor, "lr", 1.0) for ligand, receptor in pairs]
    rows += [
        (int(ligand), int(tf), "nichenet", float(rng.uniform(0.25, 1.0)))
        for tf in tfs
        for ligand in rng.permutation(ligands)[:_LIGANDS_PER_TF]
    ]
    early = [pair for pair in pairs if max(rank[list(pair)]) < n_genes // 2]
    used: dict[Term, list[tuple[int, float]]] = {}
    for target in range(n_genes):
        candidates = rng.permutation(tfs[tfs != target])[:_TFS_PER_GENE]
        rows += [(int(tf), target, "grn", 1.0) for tf in candidates]
        parents = candidates[rank[candidates] < rank[target]]
        for tf in parents:
            sign = 1.0 if rng.random() < 0.8 else -1.0
            used.setdefault((0, int(tf), -1, -1), []).append((target, sign * _WEIGHT_TF / np.sqrt(len(parents))))
        if communication and early and rank[target] >= n_genes // 2:
            pair = early[rng.integers(len(early))]
            used.setdefault((1, -1, *pair), []).append((target, _WEIGHT_LR))
    weights = np.zeros((len(used), n_genes))
    for term, targets in enumerate(used.values()):
        for target, weight in targets:
            weights[term, target] = weight
    names = panel.genes
    prior = tuple(
        (names[rows[at][0]], names[rows[at][1]], rows[at][2], rows[at][3]) for at in rng.permutation(len(rows))
    )
    return SynthNetwork(order, Terms.of(used), weights, prior)


def _express(
    network: SynthNetwork, xy: Array, codes: Indices, radius: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return expression (n_cells, n_genes) and the values of the terms (n_cells, n_terms)."""
    n_cells, n_genes = len(xy), len(network.order)
    base = rng.normal(0.5, 0.4, n_genes) + 0.5 * rng.standard_normal((int(codes.max()) + 1, n_genes))
    field = standardised(_bumps(xy, rng)[:, None])
    log_mean = base[codes] + _WEIGHT_FIELD * field + _NOISE * rng.standard_normal((n_cells, n_genes))
    terms = network.terms
    values = np.zeros((n_cells, len(terms)))
    pairs = np.flatnonzero(terms.kind == 1)
    for step, gene in enumerate(network.order):
        if step == n_genes // 2 and len(pairs):
            received = gaussian_mean(xy, radius).apply(np.exp(log_mean[:, terms.ligand[pairs]]))
            values[:, pairs] = standardised(received) * standardised(log_mean[:, terms.receptor[pairs]])
        acting = np.flatnonzero(network.weights[:, gene])
        log_mean[:, gene] += values[:, acting] @ network.weights[acting, gene]
        # on the log scale: a chain of exponentials would leave the range of numbers
        values[:, np.flatnonzero(terms.tf == gene)] = standardised(log_mean[:, [gene]])
    return np.exp(log_mean), values


def _bumps(xy: Array, rng: np.random.Generator) -> Array:
    low, high = xy.min(axis=0), xy.max(axis=0)
    centres = rng.uniform(low, high, (3, 2))
    width = float((high - low).max()) * rng.uniform(0.15, 0.35, 3)
    heights = rng.uniform(0.5, 1.5, 3)
    total = np.zeros(len(xy))
    for centre, sd, height in zip(centres, width, heights, strict=True):
        total += height * np.exp(((xy - centre) ** 2).sum(axis=1) / (-2.0 * sd**2))
    return total


def log_normalised(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log(1 + counts scaled to the median depth), (n_cells, n_genes)."""
    depth = counts.sum(axis=1, dtype=np.float64)
    scale = np.median(depth) / np.maximum(depth, 1.0)
    logged: NDArray[np.float32] = np.log1p(counts * scale[:, None]).astype(np.float32)
    return logged


def _edges(
    network: SynthNetwork, panel: Panel, *, columns: Array, value: Array, values: Array, codes: Indices
) -> pd.DataFrame:
    n_types = int(codes.max()) + 1
    cells_of = [np.flatnonzero(codes == code) for code in range(n_types)]
    weights = np.repeat(network.weights[None], n_types, axis=0)
    return answers.edge_table(
        network.terms,
        panel.genes,
        type_names(n_types),
        # the slope of exp(u) is the expression itself
        answers.edge_effects(values, columns, weights, value, cells_of),
        sd_columns=answers.spread_in_types(columns, cells_of),
        sd_genes=answers.spread_in_types(value, cells_of),
    )


def _columns(network: SynthNetwork, xy: Array, value: Array, radius: float) -> Array:
    ligands = np.unique(network.terms.ligand[network.terms.ligand >= 0])
    received = np.zeros_like(value)
    received[:, ligands] = gaussian_mean(xy, radius).apply(value[:, ligands])
    return answers.modulator_columns(network.terms, value, received)
