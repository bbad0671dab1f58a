"""The gate of hybrid mode: which targets get a network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacetravlr.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacetravlr.config import HybridSettings

_SMALLEST_P = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class GateInputs:
    """What the gate knows of a target after its regression.

    Attributes
    ----------
    gene
        The target.
    n_cells, r2, converged
        One value for each fitted cluster; R2 before anything was set to zero.
    n_regulators, n_lr_pairs, n_tfl_pairs
        Numbers of modulators; extra genes are not counted.
    moran_i, moran_p
        Of the residuals of all cells.
    mean_expression
        Of the target; None if it is not known.
    """

    gene: str
    n_cells: NDArray[np.integer]
    r2: NDArray[np.floating]
    converged: NDArray[np.bool_]
    n_regulators: int
    n_lr_pairs: int
    n_tfl_pairs: int
    moran_i: float
    moran_p: float
    mean_expression: float | None = None

    @property
    def n_modulators(self) -> int:
        """TFs and pairs together."""
        return self.n_regulators + self.n_lr_pairs + self.n_tfl_pairs

    @property
    def smallest_cluster(self) -> int:
        """Cells of the smallest fitted cluster, 0 without one."""
        return int(np.min(self.n_cells)) if len(self.n_cells) else 0

    @property
    def mean_r2(self) -> float:
        """Unweighted mean over clusters, 0 without one."""
        return float(np.mean(self.r2)) if len(self.r2) else 0.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits in force, after the permissiveness was applied."""

    p_max: float
    p_strict: float
    r2_min: float

    @classmethod
    def of(cls, hybrid: HybridSettings, score_threshold: float) -> Thresholds:
        """Apply `hybrid_cnn_permissiveness` t: p-values times 0.3 + 1.4 t, R2 times 1.4 - 0.8 t."""
        t = min(max(hybrid.hybrid_cnn_permissiveness, 0.0), 1.0)
        looser, lower = 0.3 + 1.4 * t, 1.4 - 0.8 * t
        base = score_threshold if hybrid.min_mean_lasso_r2_for_cnn is None else hybrid.min_mean_lasso_r2_for_cnn
        return cls(
            p_max=_probability(hybrid.moran_p_value_max * looser),
            p_strict=_probability(hybrid.moran_p_value_max_when_over_modulator_cap * looser),
            r2_min=max(0.0, base * lower),
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """The decision on a target.

    Attributes
    ----------
    gene, use_cnn, reason
        What was decided, and why.
    rank_score
        By which targets compete if only some get a network.
    facts
        The block of the log: keys as in the file (`gate_use_cnn`, ...), in its order.
    """

    gene: str
    use_cnn: bool
    reason: str
    rank_score: float
    facts: Mapping[str, bool | int | float | str | None]


def decide(
    target: GateInputs,
    hybrid: HybridSettings,
    *,
    score_threshold: float,
    forced: frozenset[str] = frozenset(),
    skipped: frozenset[str] = frozenset(),
) -> Gate:
    """Decide whether a target gets a network; the first rule that applies wins.

    Parameters
    ----------
    target
        What is known of it.
    hybrid
        `[training.hybrid]`.
    score_threshold
        `[training].score_threshold`, the base of the limit on R2 unless that is set.
    forced, skipped
        Targets that always, or never, get one; never wins.

    Returns
    -------
    The decision with its log block.
    """
    limits = Thresholds.of(hybrid, score_threshold)
    skip, force = target.gene in skipped, target.gene in forced
    if skip:
        use, reason = False, "blocked_by_skip_list"
    elif force:
        use, reason = True, "forced_by_allowlist"
    else:
        use, reason = _rules(target, hybrid, limits)
    moran_i, moran_p = (0.0, 1.0) if skip else (target.moran_i, target.moran_p)
    spatial = (target.n_lr_pairs + target.n_tfl_pairs) / target.n_modulators if target.n_modulators else 0.0
    rank = -math.log(max(moran_p, 1e-300)) + hybrid.hybrid_modulator_spatial_weight * spatial + target.mean_r2
    facts: dict[str, bool | int | float | str | None] = {
        "gate_use_cnn": use,
        "gate_reason": reason,
        "gate_min_cells_per_cluster": target.smallest_cluster,
        "gate_n_modulators": target.n_modulators,
        "gate_n_lr_pairs": target.n_lr_pairs,
        "gate_n_tfl_pairs": target.n_tfl_pairs,
        "gate_modulator_spatial_fraction": spatial,
        "gate_mean_lasso_r2": target.mean_r2,
        "gate_all_lasso_converged": bool(np.all(target.converged)),
        "gate_moran_i": moran_i,
        "gate_moran_p_value": moran_p,
        "gate_moran_permutations": hybrid.moran_permutations,
        "gate_forced_allowlist": force,
        "gate_blocked_skip_list": skip,
        "gate_mean_target_expression": target.mean_expression,
        "gate_rank_score": rank,
    }
    return Gate(target.gene, use, reason, rank, facts)


def _rules(target: GateInputs, hybrid: HybridSettings, limits: Thresholds) -> tuple[bool, str]:
    smallest, p = target.smallest_cluster, target.moran_p
    if smallest < hybrid.min_cells_per_cluster_for_cnn:
        return False, f"min_cells_per_cluster {smallest} < {hybrid.min_cells_per_cluster_for_cnn}"
    if hybrid.require_all_clusters_lasso_converged and not np.all(target.converged):
        return False, "lasso_not_converged_all_clusters"
    if target.mean_r2 < limits.r2_min:
        return False, f"mean_lasso_r2 {target.mean_r2:.4f} < {limits.r2_min:.4f} (gate)"
    least, mean = hybrid.min_mean_target_expression_for_cnn, target.mean_expression
    if least is not None and mean is not None and mean < least:
        return False, f"mean_target_expr {mean:.4f} < {least:.4f}"
    cap = hybrid.max_modulators_soft_for_cnn
    if target.n_modulators > cap:
        if p > limits.p_strict:
            reason = (
                f"n_modulators {target.n_modulators} > cap {cap} and moran_p {p:.4f} > strict {limits.p_strict:.4f}"
            )
            return False, reason
        return True, f"moran_ok_strict_mod_cap p={p:.4f} I={target.moran_i:.6f}"
    if p > limits.p_max:
        return False, f"moran_p {p:.4f} > {limits.p_max:.4f} (I={target.moran_i:.6f})"
    return True, f"moran_ok p={p:.4f} I={target.moran_i:.6f}"


def top_ranked(gates: Iterable[Gate], k: int | None) -> list[str]:
    """Return the accepted targets, at most k of the highest rank; ties by the order given.

    Parameters
    ----------
    gates
        Decisions.
    k
        `hybrid_cnn_top_k`; None takes all.
    """
    accepted = [gate for gate in gates if gate.use_cnn]
    if k is None:
        return [gate.gene for gate in accepted]
    order = sorted(range(len(accepted)), key=lambda at: -accepted[at].rank_score)
    chosen = set(order[:k])
    return [gate.gene for at, gate in enumerate(accepted) if at in chosen]


def read_gene_set(path: str | Path | None) -> frozenset[str]:
    """Read names of targets from a file.

    Parameters
    ----------
    path
        One name on a line, or several separated by commas; lines that begin with # are comments. None is no file.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if path is None:
        return frozenset()
    file = Path(path).expanduser()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the list of genes {file}: {error}") from error
    names = (name.strip() for line in lines if not line.lstrip().startswith("#") for name in line.split(","))
    return frozenset(name for name in names if name)


def _probability(value: float) -> float:
    return min(max(value, _SMALLEST_P), 1.0)
