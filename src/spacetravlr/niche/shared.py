"""Per-cell coefficients of many targets from the shared encoder: one small head for each target.

In cell i the prediction is the regression's plus

    h(i) + sum_m a_m (x_im - mean x_m) delta_m(i),    delta_m = <w_m, phi_i>,   h = <v, psi_i>

The columns are centred, so that what the neighbourhood does to the level of the target goes into the intercept and does
not pose as a change of coefficients. Coefficients are ``a_m (1 + delta_m)``, cut to the range of the output
activation, and the intercept makes up for the means: ``beta_0 = b + h - sum_m a_m mean x_m delta_m``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.niche._heads import Head, HeadFitter
from spacetravlr.niche._stack import ClusterTargets, stack_targets
from spacetravlr.niche.device import reproducible, resolve_device
from spacetravlr.niche.encoder import ALL, NicheEncoder, learn_encoder
from spacetravlr.niche.record import NicheRecord
from spacetravlr.threads import one_blas_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.niche.device import DeviceName

RANGES = {"sigmoidx2": (0.0, 2.0), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "identity": (-np.inf, np.inf)}
"""To what the factors are cut, by output activation."""

_SAMPLE = 96


@dataclass(frozen=True)
class SharedFit:
    """Heads of the targets of a cluster; coefficients are made from them when they are asked for.

    Attributes
    ----------
    data, table, encoder
        What they were fitted to.
    heads, records
        One for each target.
    bounds
        Range of the factors.
    """

    data: ClusterTargets
    table: NDArray[np.floating]
    encoder: NicheEncoder
    heads: tuple[Head, ...]
    records: tuple[NicheRecord, ...]
    bounds: tuple[float, float]

    def without_columns(self) -> SharedFit:
        """Return the same with the means of the columns in their place: all that coefficients are made of.

        What is fitted may so be kept for many targets at little cost.
        """
        means = np.asarray(self.data.columns, dtype=np.float64).mean(axis=0, keepdims=True)
        return replace(self, data=replace(self.data, columns=means))

    def betas(self, target: int) -> NDArray[np.float32]:
        """Return the coefficients of a target in the cells of the cluster, (n_c, p + 1), intercept first."""
        with one_blas_thread():
            return self._betas(target)

    def _betas(self, target: int) -> NDArray[np.float32]:
        head, data = self.heads[target], self.data
        anchors = np.asarray(data.anchors[target], dtype=np.float64)
        out = np.tile(np.concatenate([[data.intercepts[target]], anchors]), (len(self.table), 1))
        if head.v is None:
            return out.astype(np.float32)
        psi, sd = self.encoder.standardise(self.table), float(data.responses[:, target].std())
        out[:, 0] += sd * (psi @ head.v)
        if head.W is not None:
            phi = psi @ self.encoder.transforms[ALL]
            factor = np.clip(1.0 + (phi @ head.W.T).astype(np.float64), *self.bounds)
            changed = anchors[head.active] * factor
            means = np.asarray(data.columns[:, data.column_of[target][head.active]], dtype=np.float64).mean(axis=0)
            out[:, 0] -= (changed - anchors[head.active]) @ means
            out[:, 1 + head.active] = changed
        return out.astype(np.float32)


def sample_targets(data: ClusterTargets, *, seed: int, cluster: int, at_most: int = _SAMPLE) -> list[int]:
    """Draw the targets that the encoder of a cluster is learned from, of those with a coefficient."""
    usable = np.flatnonzero([np.any(anchors) for anchors in data.anchors])
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(cluster, 0))))
    return sorted(rng.permutation(usable)[:at_most].tolist())


def train_encoder(
    table: NDArray[np.floating],
    data: ClusterTargets,
    folds: NDArray[np.integer],
    *,
    size: int,
    rounds: int,
    seed: int,
    cluster: int,
    device: DeviceName = "auto",
) -> NicheEncoder:
    """Learn the encoder of a cluster from a sample of its targets; see `learn_encoder`.

    Parameters
    ----------
    table
        (n_c, k) rows of `niche_table` for the cells of the cluster.
    data
        Targets of the cluster; at most 96 are used.
    folds
        (n_c,) fold of every cell, from spatial blocks.
    size, rounds
        As for `learn_encoder`.
    seed, cluster
        Decide the sample.
    device
        Where to compute.
    """
    chosen = data.take(sample_targets(data, seed=seed, cluster=cluster))
    place = resolve_device(device)
    stacks = partial(stack_targets, chosen, device=place, width=table.shape[1])
    with reproducible():
        return learn_encoder(table, stacks, folds, size=size, rounds=rounds, device=place)


def fit_heads(
    encoder: NicheEncoder,
    table: NDArray[np.floating],
    data: ClusterTargets,
    folds: NDArray[np.integer],
    *,
    cluster: int,
    activation: str = "sigmoidx2",
    min_cells: int = 60,
    margin: float = 0.0,
    device: DeviceName = "auto",
) -> SharedFit:
    """Fit the heads of some targets of a cluster; each target by itself, so blocks of targets may be done in turn.

    Every fold of regions is held out once. Three models compete for each target: the regression, one whose intercept
    depends on the neighbourhood, and one whose coefficients do so as well, each at the ridge with the smallest held-out
    error. A richer one is taken only if its error is smaller by more than half a standard error over the folds.

    Parameters
    ----------
    encoder, table
        The encoder of the cluster, and the rows of `niche_table` for its cells.
    data
        The targets.
    folds
        (n_c,) the folds that the encoder was learned with.
    cluster
        For the records.
    activation
        Decides the range of the factors.
    min_cells
        Clusters with fewer cells keep the regression.
    margin
        Held-out R2 by which a richer model must win besides.
    device
        Where to compute.

    Returns
    -------
    Heads and records.

    Notes
    -----
    Cost per target: 2,000 p n_c d multiplications for p coefficients that are not zero, in batches of targets.
    """
    heads = [Head(np.flatnonzero(anchors), None, None) for anchors in data.anchors]
    n_cells, bounds = len(table), RANGES[activation]
    reason = _why_not(folds, min_cells)
    rest = reason or "all coefficients are zero or the target is constant"
    records = [_record(data, t, cluster, n_cells, rest) for t in range(len(data))]
    if reason is None:
        place = resolve_device(device)
        with reproducible():
            fitter = HeadFitter(encoder, table, folds, bounds=bounds, margin=margin, device=place)
            for stack in stack_targets(data, device=place, width=table.shape[1]):
                for t, head, facts in fitter.fit(stack):
                    heads[t] = head
                    records[t] = _record(data, t, cluster, n_cells, **facts)
    return SharedFit(data, table, encoder, tuple(heads), tuple(records), bounds)


def _why_not(folds: NDArray[np.integer], min_cells: int) -> str | None:
    if len(folds) < min_cells:
        return f"{len(folds)} cells, fewer than {min_cells}"
    return "fewer than 3 folds" if len(np.unique(folds)) < 3 else None


def _record(
    data: ClusterTargets, t: int, cluster: int, n_cells: int, reason: str, **facts: float | bool
) -> NicheRecord:
    known: dict[str, float | bool] = {"kept": False, "modulated": False, **facts}
    return NicheRecord(gene=data.genes[t], cluster=cluster, n_cells=n_cells, reason=reason, **known)  # type: ignore[arg-type]
