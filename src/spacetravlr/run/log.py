"""The text log of a target, version 1: the format of the compiled edition plus one block it skips."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

FORMAT_LINE = "format\tspacetravlr_training_log\tv1"
SUMMARY_COLUMNS = (
    "cluster_id",
    "n_cells",
    "n_modulators",
    "lasso_r2",
    "lasso_train_mse",
    "lasso_fista_iters",
    "lasso_converged",
    "cnn_epochs_ran",
    "cnn_mse_first",
    "cnn_mse_last",
)
MSE_COLUMNS = ("cluster_id", "epoch", "train_mse")
HELD_OUT_COLUMNS = ("cluster_id", "lasso_r2_raw", "r2_out", "lambda")
ALIKE_COLUMNS = ("cluster_id", "n_alike", "alike")
NICHE_COLUMNS = ("cluster_id", "refined", "r2_lasso_niche", "r2_niche", "reason")
GATE_KEYS = (
    "gate_use_cnn",
    "gate_reason",
    "gate_min_cells_per_cluster",
    "gate_n_modulators",
    "gate_n_lr_pairs",
    "gate_n_tfl_pairs",
    "gate_modulator_spatial_fraction",
    "gate_mean_lasso_r2",
    "gate_all_lasso_converged",
    "gate_moran_i",
    "gate_moran_p_value",
    "gate_moran_permutations",
    "gate_forced_allowlist",
    "gate_blocked_skip_list",
    "gate_mean_target_expression",
    "gate_rank_score",
)
_GATE_DECIMALS = {
    "gate_modulator_spatial_fraction": 6,
    "gate_mean_lasso_r2": 6,
    "gate_moran_i": 8,
    "gate_moran_p_value": 8,
    "gate_mean_target_expression": 8,
    "gate_rank_score": 6,
}

SHOWN_ALIKE = 8
"""Members of a group of modulators that a log names; the ligand-receptor pairs of a target may all be in one."""

GateValue = bool | int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLog:  # noqa: PLW1641 - the dataclass makes the hash
    """How one target was fitted in one cluster."""

    cluster: str
    """Row label of the coefficient table."""
    n_cells: int
    n_modulators: int
    """Columns of the design."""
    r2_in: float
    """R2 in sample, before any zeroing."""
    train_mse: float
    """Mean squared residual in sample, squared expression units."""
    n_iter: int
    converged: bool
    kept: bool = True
    """False where the score was below the threshold: the coefficients are written as zeros, and so is `lasso_r2`."""
    r2_out: float = math.nan
    """Held-out R2 over spatial blocks; NaN = not computed."""
    penalty: float = math.nan
    """The penalty (lambda) that was used; NaN = not told."""
    alike: tuple[tuple[str, ...], ...] = ()
    """Groups of modulators that cannot be told apart in this cluster, of each the first `SHOWN_ALIKE`."""
    n_alike: tuple[int, ...] = ()
    """Size of each of them."""
    cnn_mse: tuple[float, ...] = ()
    """Mean squared error of the network before each epoch, empty without one."""
    refined: bool | None = None
    """Whether the coefficients are those of a niche network; None where none was tried."""
    r2_lasso_niche: float = math.nan
    """R2 of the regression on the regions held out from the network; NaN = not computed."""
    r2_niche: float = math.nan
    """R2 of the network on the same regions."""
    niche_reason: str = ""
    """Why the network stands or does not."""

    def __eq__(self, other: object) -> bool:
        """Compare all figures; two that were not computed (`math.nan`) are equal."""
        if not isinstance(other, ClusterLog):
            return NotImplemented
        # as tuples: what Python 3.13 makes for a dataclass holds that a NaN differs from itself
        mine, theirs = (tuple(getattr(one, it.name) for it in fields(ClusterLog)) for one in (self, other))
        return mine == theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneLog:
    """The log of one target."""

    gene: str
    clusters: tuple[ClusterLog, ...]
    seed_only: bool = True
    """The coefficients are per cluster."""
    cnn_epochs_config: int = 0
    learning_rate: float = 0.001
    lasso_n_iter_max: int = 0
    lasso_tol: float = 0.0
    gate: Mapping[str, GateValue] = field(default_factory=dict)
    """Facts of the decision for or against a network (keys `GATE_KEYS`); empty if none was taken."""


def format_log(log: GeneLog) -> str:
    """Return the text of a log.

    Parameters
    ----------
    log
        What is known about the training of a target.

    Returns
    -------
    Tab-separated lines. The blocks `# held_out`, `# alike` (modulators that cannot be told apart) and, where a niche
    network was tried, `# niche` come last and begin with a comment, so that programs that know the format of the
    compiled edition read past them.
    """
    head = {
        "gene": _word(log.gene),
        "seed_only": _truth(log.seed_only),
        "per_cell_cnn_export": _truth(not log.seed_only),
        "cnn_epochs_config": str(log.cnn_epochs_config),
        "learning_rate": _shortest(log.learning_rate),
        "lasso_n_iter_max": str(log.lasso_n_iter_max),
        "lasso_tol": _shortest(log.lasso_tol),
    }
    lines = [FORMAT_LINE, *(f"{key}\t{value}" for key, value in head.items()), ""]
    if log.gate:
        lines += ["# hybrid_cnn_gate: decision and diagnostics"]
        lines += [f"{key}\t{_gate_text(key, log.gate.get(key))}" for key in GATE_KEYS]
        lines += [""]
    lines += [f"# summary: {', '.join(SUMMARY_COLUMNS)}", "\t".join(SUMMARY_COLUMNS)]
    lines += [_summary_row(entry) for entry in log.clusters]
    lines += ["", f"# cnn_mse_by_epoch: {', '.join(MSE_COLUMNS)}", "\t".join(MSE_COLUMNS)]
    for entry in log.clusters:
        lines += [f"{_label(entry.cluster)}\t{epoch}\t{_real(mse)}" for epoch, mse in enumerate(entry.cnn_mse)]
    lines += ["", f"# held_out: {', '.join(HELD_OUT_COLUMNS)}", "\t".join(HELD_OUT_COLUMNS)]
    lines += [
        "\t".join((_label(entry.cluster), _known(entry.r2_in), _known(entry.r2_out), _significant(entry.penalty)))
        for entry in log.clusters
    ]
    alike = [
        "\t".join((_label(entry.cluster), str(size), " ".join(_word(name) for name in names)))
        for entry in log.clusters
        for names, size in zip(entry.alike, entry.n_alike, strict=True)
    ]
    if alike:
        lines += ["", f"# alike: {', '.join(ALIKE_COLUMNS)}", "\t".join(ALIKE_COLUMNS), *alike]
    tried = [entry for entry in log.clusters if entry.refined is not None]
    if tried:
        lines += ["", f"# niche: {', '.join(NICHE_COLUMNS)}", "\t".join(NICHE_COLUMNS)]
        lines += [_niche_row(entry) for entry in tried]
    return "\n".join(lines) + "\n"


def _niche_row(entry: ClusterLog) -> str:
    figures = _known(entry.r2_lasso_niche), _known(entry.r2_niche)
    return "\t".join((_label(entry.cluster), _truth(entry.refined), *figures, _word(entry.niche_reason) or "NA"))


def _summary_row(entry: ClusterLog) -> str:
    mse = entry.cnn_mse
    scored = entry.kept and math.isfinite(entry.r2_in)
    return "\t".join(
        (
            _label(entry.cluster),
            str(entry.n_cells),
            str(entry.n_modulators),
            _real(entry.r2_in if scored else 0.0),
            _real(entry.train_mse),
            str(entry.n_iter),
            _truth(entry.converged),
            str(len(mse)),
            _real(mse[0]) if mse else "NA",
            _real(mse[-1]) if mse else "NA",
        )
    )


def _gate_text(key: str, value: GateValue) -> str:
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return _truth(value)
    if isinstance(value, float):
        return f"{value:.{_GATE_DECIMALS.get(key, 6)}f}"
    return _word(str(value))


def _word(text: str) -> str:
    return " ".join(text.replace("\t", " ").splitlines())


def _label(text: str) -> str:
    # a line that begins with # would end the block
    word = _word(text)
    return f" {word}" if word.startswith("#") else word


def _truth(value: object) -> str:
    return "true" if value else "false"


def _real(value: float) -> str:
    return f"{value:.6f}" if math.isfinite(value) else ("NaN" if math.isnan(value) else "inf" if value > 0 else "-inf")


def _known(value: float) -> str:
    return "NA" if math.isnan(value) else _real(value)


def _significant(value: float) -> str:
    return "NA" if math.isnan(value) else f"{value:.6g}"


def _shortest(value: float) -> str:
    """Return the shortest text that gives the number back, without an exponent, as the compiled edition writes it."""
    text = repr(float(value))
    if "e" not in text:
        return text.removesuffix(".0")
    digits, _, exponent = text.partition("e")
    places = len(digits.partition(".")[2]) - int(exponent)
    return f"{value:.{max(places, 0)}f}"
