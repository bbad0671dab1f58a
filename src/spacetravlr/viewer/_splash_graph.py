"""A path from one gene to another through the derivatives of the models, and what surrounds it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.run import Run

MOST_HOPS = 16
Weights = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Drawing:
    """A part of the network."""

    path: list[str] | None
    nodes: list[str]
    links: list[tuple[str, str]]


def mean_derivatives(
    run: Run,
    rows: NDArray[np.int64] | None,
    *,
    received: Callable[[str], NDArray[np.float64]],
    step: Callable[[float], None],
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Return means over some cells of the derivative of each target by each modulator gene.

    Parameters
    ----------
    run
        With its coefficients.
    rows
        The cells; None for all.
    received
        Returns what every cell receives of a ligand.
    step
        Told the share that is done; may raise to stop.

    Returns
    -------
    (modulator, target) to mean derivative, and to the mean coefficient where the modulator is a plain one.
    """
    betas, tissue = run.betabase, run.tissue()
    cells = np.arange(tissue.n_cells) if rows is None else rows
    genes = [gene for gene in betas.modulator_genes if gene in tissue.gene_index]
    expression = tissue.columns(genes)[cells]
    columns: dict[str, NDArray[np.float64]] = {}
    wanted = sorted({*betas.ligands, *betas.tfl_ligands} & set(genes))
    for place, ligand in enumerate(wanted):
        step(0.5 * place / max(len(wanted), 1))
        columns[ligand] = received(ligand)[cells]
    lr = [ligand for ligand in betas.ligands if ligand in columns]
    tfl = [ligand for ligand in betas.tfl_ligands if ligand in columns]
    every = {target: own[cells] for target, own in betas.rows_for(tissue.row_keys, np.asarray(tissue.cells)).items()}
    rules = run.config.perturbation
    frames = betas.splash(
        *(_stack(columns, lr, len(cells)), _stack(columns, tfl, len(cells)), expression),
        genes=genes,
        rows=every,
        ligands=lr,
        tfl_ligands=tfl,
        scale=rules.beta_scale_factor,
        cap=rules.beta_cap,
    )
    weights, plain = {}, {}
    for place, (target, frame) in enumerate(frames):
        step(0.5 + 0.5 * place / max(len(betas), 1))
        for name, value in frame.mean(axis=0).items():
            weights[str(name).removeprefix("beta_"), target] = float(value)
        table = betas[target]
        own = every[target]
        known = own >= 0
        for at, name in enumerate(table.modulators):
            if name in table.tfs:
                values = np.asarray(table.values[:, at], dtype=np.float64)
                plain[name, target] = float(np.where(known, values[own], 0.0).mean())
    return weights, plain


def draw(weights: Weights, source: str, sink: str, *, hops: int, most: int) -> Drawing:
    """Return the shortest directed path and what surrounds it.

    Parameters
    ----------
    weights
        Derivatives by (modulator, target).
    source, sink
        Where the path begins and ends.
    hops
        How far around the path (around both ends without one), whatever the direction.
    most
        Genes shown; those of the path always are, of the others first the near ones, then those with strong links.

    Returns
    -------
    The part, genes sorted by name and links by size. Of several shortest paths the one whose genes come first by name.
    """
    largest = max((abs(value) for value in weights.values()), default=0.0)
    threshold = max(1e-5 * largest, 1e-12)
    kept = {link: value for link, value in weights.items() if abs(value) > threshold and link[0] != link[1]}
    path = _path(kept, source, sink)
    core = path or [source, sink]
    around = _around(kept, core, hops, most)
    nodes = sorted({*core, *around})
    links = [link for link in kept if link[0] in nodes and link[1] in nodes]
    links.sort(key=lambda link: (-abs(kept[link]), link))
    return Drawing(path, nodes, links)


def _path(kept: Weights, source: str, sink: str) -> list[str] | None:
    onward: dict[str, list[str]] = {}
    for start, end in sorted(kept):
        onward.setdefault(start, []).append(end)
    before: dict[str, str | None] = {source: None}
    waiting = deque([(source, 0)])
    while waiting:
        gene, hops = waiting.popleft()
        if gene == sink:
            path: list[str] = []
            at: str | None = gene
            while at is not None:
                path.append(at)
                at = before[at]
            return path[::-1]
        for following in onward.get(gene, []) if hops < MOST_HOPS else []:
            if following not in before:
                before[following] = gene
                waiting.append((following, hops + 1))
    return None


def _around(kept: Weights, core: Iterable[str], hops: int, most: int) -> list[str]:
    links: dict[str, dict[str, float]] = {}
    for (start, end), value in kept.items():
        for one, other in ((start, end), (end, start)):
            near = links.setdefault(one, {})
            near[other] = max(near.get(other, 0.0), abs(value))
    chosen = dict.fromkeys(core)
    edge = list(chosen)
    for _ in range(hops):
        found: dict[str, float] = {}
        for gene in edge:
            for other, size in links.get(gene, {}).items():
                if other not in chosen:
                    found[other] = max(found.get(other, 0.0), size)
        edge = sorted(found, key=lambda gene: (-found[gene], gene))[: max(0, most - len(chosen))]
        chosen.update(dict.fromkeys(edge))
    return list(chosen)


def _stack(columns: Mapping[str, NDArray[np.float64]], names: list[str], n_cells: int) -> Any:
    return np.stack([columns[name] for name in names], axis=1) if names else np.empty((n_cells, 0))
