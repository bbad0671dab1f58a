"""Every target regressed on its TFs in one bootstrap sample of cells, all targets from shared moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spacetravlr.networks._bayes import Floats, bayesian_ridge

Ints = NDArray[np.int64]
_TARGETS_AT_ONCE = 2048
_GRAM_ENTRIES_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Group:
    """Targets that have about the same number of TFs."""

    targets: Ints
    """(m,), columns of the expression."""
    n_tfs: Ints
    """(m,), how many TFs each has."""
    tfs: Ints
    """(m, k), rows of the TF Gram matrix; behind the TFs of a target the number of all TFs."""
    pairs: Ints
    """(m, k), positions among all (TF, target) pairs; behind those of a target the number of all pairs."""

    def blocks(self, size: int) -> Iterator[Group]:
        """Yield parts of at most `size` targets."""
        for start in range(0, len(self.targets), size):
            at = slice(start, start + size)
            yield Group(self.targets[at], self.n_tfs[at], self.tfs[at], self.pairs[at])


@dataclass(frozen=True)
class Design:
    """Which columns explain which."""

    genes: tuple[str, ...]
    """Names of the columns that are read."""
    tf_columns: Ints
    """(T,), columns of the distinct TFs."""
    groups: tuple[Group, ...]
    pair_tf: Ints
    """(P,), column of the TF of each pair."""
    pair_target: Ints
    """(P,), column of the target of each pair."""

    @property
    def n_pairs(self) -> int:
        """Number of (TF, target) pairs."""
        return len(self.pair_tf)


def make_design(regulators: dict[str, Sequence[str]]) -> Design:
    """Arrange targets and their TFs.

    Parameters
    ----------
    regulators
        Target -> its TFs, each once, never itself; targets without any are no entry.
    """
    column: dict[str, int] = {}
    for target, tfs in regulators.items():
        for gene in (target, *tfs):
            column.setdefault(gene, len(column))
    pair_target = np.array([column[target] for target, tfs in regulators.items() for _ in tfs], dtype=np.int64)
    pair_tf = np.array([column[tf] for tfs in regulators.values() for tf in tfs], dtype=np.int64)
    tf_columns, at_tf = np.unique(pair_tf, return_inverse=True)
    sizes = np.array([len(tfs) for tfs in regulators.values()], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    of_target = pair_target[starts]
    widths = _widths(sizes)
    at_tf, at_pair = np.append(at_tf, len(tf_columns)), np.arange(len(pair_tf) + 1)
    groups = []
    for width in np.unique(widths):
        mine = widths == width
        places = np.arange(width)
        pairs = np.where(places < sizes[mine][:, None], starts[mine][:, None] + places, len(pair_tf))
        groups.append(Group(of_target[mine], sizes[mine], at_tf[pairs], at_pair[pairs]))
    return Design(tuple(column), tf_columns, tuple(groups), pair_tf, pair_target)


def _widths(sizes: Ints) -> Ints:
    """Return the widths that targets are padded to, so that there are few groups: 1, 2, 3, 4, 6, 8, 12, 16, 24, ..."""
    steps = np.unique([base << power for power in range(40) for base in (1, 3)])
    return np.asarray(steps[np.searchsorted(steps, sizes)], dtype=np.int64)


def standardised(values: Floats) -> Floats:
    """Return columns with mean 0 and standard deviation 1; constant ones are 0."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    # a constant column of large values has a spread of rounding errors
    flat = spread <= 1e-12 * np.abs(values).max(axis=0, initial=0.0)
    centred[:, flat] = 0.0
    return np.asarray(centred / np.where(flat, 1.0, spread), dtype=np.float64)


def fit_bag(values: Floats, design: Design, feature_share: float, rng: np.random.Generator) -> Floats:
    """Regress all targets on a share of their TFs in one bootstrap sample.

    Parameters
    ----------
    values
        (n_cells, n_genes), standardised columns in the order of the design.
    design
        Which columns explain which.
    feature_share
        Share of a target's TFs that are seen, rounded up.
    rng
        Source of the sample.

    Returns
    -------
    (n_pairs,), coefficients; NaN for TFs that were not seen.
    """
    n = len(values)
    weights = np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float64)
    mean = weights @ values / n
    tfs = values[:, design.tf_columns]
    weighted = tfs * weights[:, None]
    tf_mean = mean[design.tf_columns]
    gram = weighted.T @ tfs - n * np.outer(tf_mean, tf_mean)
    # one more TF that is always zero fills up short rows: its coefficient is zero and changes no other
    gram = np.pad(gram, ((0, 1), (0, 1)))
    coefs = np.full(design.n_pairs + 1, np.nan)
    for group in design.groups:
        width = _seen(group.n_tfs, feature_share).max()
        for block in group.blocks(max(1, min(_TARGETS_AT_ONCE, _GRAM_ENTRIES_AT_ONCE // int(width) ** 2))):
            drawn = np.where(np.arange(block.tfs.shape[1]) < block.n_tfs[:, None], rng.random(block.tfs.shape), 2.0)
            chosen = np.argsort(drawn, axis=1, kind="stable")[:, :width]
            hidden = np.arange(width) >= _seen(block.n_tfs, feature_share)[:, None]
            at = np.where(hidden, len(gram) - 1, np.take_along_axis(block.tfs, chosen, axis=1))
            own, own_mean = values[:, block.targets], mean[block.targets]
            cross = np.pad(weighted.T @ own - n * np.outer(tf_mean, own_mean), ((0, 1), (0, 0)))
            total = weights @ own**2 - n * own_mean**2
            found = bayesian_ridge(
                gram[at[:, :, None], at[:, None, :]],
                np.take_along_axis(cross.T, at, axis=1),
                np.maximum(total, 0.0),
                n,
            )
            pairs = np.where(hidden, design.n_pairs, np.take_along_axis(block.pairs, chosen, axis=1))
            coefs[pairs] = found
    return coefs[:-1]


def _seen(n_tfs: Ints, feature_share: float) -> Ints:
    """Return how many TFs of each target a sample sees: the share of them, rounded up."""
    return np.asarray(np.maximum(1, np.ceil(feature_share * n_tfs - 1e-9)), dtype=np.int64)
