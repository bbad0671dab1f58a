"""The simulated slide: cells, clusters, expression, and targets half of which depend on their modulators.

A target with signal depends, in every cluster, on 2 to 4 of its TFs and on 2 to 4 ligand-receptor pairs drawn for that
cluster, with half of its variance within the cluster; the rest is noise. All other genes do not depend on anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spacetravlr.bench._slide_shape import SlideNetwork, SlideShape, wire_slide

if TYPE_CHECKING:
    from anndata import AnnData

    Single = NDArray[np.float32]
    Indices = NDArray[np.int64]

RADIUS = 200.0
"""Reach of the ligands, micrometres: the default of the training."""
_WAVES = 24
_WAVELENGTH = 1200.0
_EFFECTS = (2, 4)
_EXPLAINED = 0.5
_SPREAD = 0.25


def write_slide(folder: Path, shape: SlideShape, *, seed: int) -> str:
    """Write ``slide.h5ad`` and ``network/mouse_network.parquet`` into a directory.

    Parameters
    ----------
    folder
        Made if it is not there.
    shape
        The sizes.
    seed
        The same seed gives the same files.

    Returns
    -------
    The fingerprint of the data, as of `spacetravlr.datasets.content_hash`.
    """
    from spacetravlr.atomic import make_directory, replacing
    from spacetravlr.datasets import content_hash, write_network

    adata = make_slide(shape, seed=seed)
    make_directory(folder)
    with replacing(folder / "slide.h5ad") as temporary:
        adata.write_h5ad(temporary)
    write_network(adata, folder / "network")
    return content_hash(adata)


def make_slide(shape: SlideShape, *, seed: int) -> AnnData:
    """Simulate a slide.

    Returns
    -------
    AnnData with the expression, float32, as ``X``; ``obs["cell_type"]``, ``obsm["spatial"]`` in micrometres,
    ``var["signal"]`` (whether the gene depends on its modulators) and ``uns["network"]``.

    Notes
    -----
    Memory: the expression, and one cluster's share of the targets with signal; nothing of size cells x modulators x
    genes. About 10 s for the full slide.
    """
    import pandas as pd
    from anndata import AnnData

    from spacetravlr.threads import one_blas_thread

    layout, wiring, levels, responses = (
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,))) for stream in range(4)
    )
    # products on one thread: the same bits whatever the machine
    with one_blas_thread():
        xy = _positions(shape, layout)
        codes = _clusters(shape, xy, layout)
        network = wire_slide(shape, wiring)
        expression = _express(shape, network, xy, codes, levels)
        _respond(shape, network, xy, codes, expression=expression, rng=responses)
    width = len(str(len(shape.cluster_sizes) - 1))
    labels = [f"type_{number:0{width}d}" for number in range(len(shape.cluster_sizes))]
    signal = np.zeros(shape.n_genes, dtype=np.bool_)
    signal[network.signal] = True
    return AnnData(
        X=expression,
        obs=pd.DataFrame(
            {"cell_type": pd.Categorical.from_codes(codes, categories=pd.Index(labels))},
            index=[f"cell_{number:05d}" for number in range(shape.n_cells)],
        ),
        var=pd.DataFrame({"signal": signal}, index=list(network.genes)),
        obsm={"spatial": xy},
        uns={"network": network.table(wiring)},
    )


def _positions(shape: SlideShape, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (n_cells, 2): places in an ellipse, denser here and sparser there."""
    half = np.array(shape.extent) / 2.0
    inside = rng.uniform(-1.0, 1.0, (8 * shape.n_cells, 2))
    inside = (inside[(inside**2).sum(axis=1) < 1.0] + 1.0) * half
    density = np.exp(0.5 * _fields(inside, 1, rng)[:, 0].astype(np.float64))
    chosen = rng.choice(len(inside), shape.n_cells, replace=False, p=density / density.sum())
    return np.ascontiguousarray(inside[chosen])


def _clusters(shape: SlideShape, xy: NDArray[np.float64], rng: np.random.Generator) -> Indices:
    """Return (n_cells,) codes: every cluster prefers some regions, and all of them mix."""
    n = len(shape.cluster_sizes)
    liking = _fields(xy, n, rng) + rng.standard_normal((shape.n_cells, n), dtype=np.float32)
    codes = np.full(shape.n_cells, int(np.argmax(shape.cluster_sizes)), dtype=np.int64)
    left = np.arange(shape.n_cells)
    # the small ones choose first; what is left is the largest
    for code in np.argsort(shape.cluster_sizes)[:-1]:
        order = np.argsort(-liking[left, code], kind="stable")
        size = shape.cluster_sizes[code]
        codes[left[order[:size]]] = code
        left = left[np.sort(order[size:])]
    return codes


def _fields(xy: NDArray[np.float64], count: int, rng: np.random.Generator) -> Single:
    """Return (len(xy), count) smooth functions of the place, mean 0, sd 1: sums of plane waves."""
    waves = rng.standard_normal((2, _WAVES)) * (2.0 * np.pi / _WAVELENGTH)
    basis = np.cos(xy @ waves + rng.uniform(0.0, 2.0 * np.pi, _WAVES)).astype(np.float32)
    return _standardised(basis @ rng.standard_normal((_WAVES, count), dtype=np.float32))


def _express(
    shape: SlideShape, network: SlideNetwork, xy: NDArray[np.float64], codes: Indices, rng: np.random.Generator
) -> Single:
    """Return (n_cells, n_genes): ligands, receptors and TFs log-normal, all others still noise around a mean."""
    n_clusters = len(shape.cluster_sizes)
    acting = np.concatenate([network.ligands, network.receptors, network.tfs])
    mean = rng.uniform(1.0, 4.0, (n_clusters, shape.n_genes)).astype(np.float32)
    out = rng.standard_normal((shape.n_cells, shape.n_genes), dtype=np.float32)
    out *= _SPREAD
    out += 1.0
    out *= mean[codes]
    level = rng.normal(0.0, 0.5, len(acting)) + rng.normal(0.0, 0.3, (n_clusters, len(acting)))
    log = level.astype(np.float32)[codes]
    log += 0.08 * _fields(xy, len(acting), rng)
    log += 0.4 * rng.standard_normal(log.shape, dtype=np.float32)
    out[:, acting] = np.exp(log)
    return np.maximum(out, 0.0, out=out)


def _respond(
    shape: SlideShape,
    network: SlideNetwork,
    xy: NDArray[np.float64],
    codes: Indices,
    *,
    expression: Single,
    rng: np.random.Generator,
) -> None:
    """Replace half of the variance of the genes with signal, in every cluster, by what their modulators explain."""
    from spacetravlr.signaling import SignalField

    received = SignalField(xy, RADIUS).apply(expression[:, network.ligands].astype(np.float64))
    for code in range(len(shape.cluster_sizes)):
        cells = np.flatnonzero(codes == code)
        pairs = received[np.ix_(cells, network.pairs[:, 0])].astype(np.float32)
        pairs *= expression[np.ix_(cells, network.receptors[network.pairs[:, 1]])]
        columns = _standardised(np.hstack([expression[np.ix_(cells, network.tfs)], pairs]))
        explained = _standardised(columns @ _effects(shape, network, rng))
        own = expression[np.ix_(cells, network.signal)]
        mean, sd = own.mean(axis=0), own.std(axis=0)
        explained *= np.sqrt(_EXPLAINED) * sd
        own = mean + np.sqrt(1.0 - _EXPLAINED) * (own - mean) + explained
        expression[np.ix_(cells, network.signal)] = np.maximum(own, 0.0)


def _effects(shape: SlideShape, network: SlideNetwork, rng: np.random.Generator) -> Single:
    """Return (n_tfs + n_pairs, n_signal) weights of standardised columns in one cluster."""
    n_targets = len(network.signal)
    out = np.zeros((shape.n_tfs + shape.n_pairs, n_targets), dtype=np.float32)
    least, most = _EFFECTS
    own = network.regulators[network.signal]
    for start, candidates in ((0, own), (shape.n_tfs, np.tile(np.arange(shape.n_pairs), (n_targets, 1)))):
        order = np.argsort(rng.random(candidates.shape), axis=1)[:, :most]
        chosen = np.take_along_axis(candidates, order, axis=1)
        weight = rng.uniform(0.5, 1.5, chosen.shape) * rng.choice([-1.0, 1.0], chosen.shape)
        weight[np.arange(most) >= rng.integers(least, most + 1, n_targets)[:, None]] = 0.0
        np.put_along_axis(out[start:].T, chosen, weight.astype(np.float32), axis=1)
    return out


def _standardised(values: Single) -> Single:
    """Return columns of mean 0 and sd 1; constant ones become 0."""
    centred = values - values.mean(axis=0)
    sd = centred.std(axis=0)
    return np.asarray(centred / np.where(sd > 0.0, sd, np.float32(1.0)), dtype=np.float32)
