"""Numbers the default has to reach: where 70 % of the prior network is false, from counts, where nothing acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spacetravlr.bench._text import table
from spacetravlr.config import N_PROPAGATION

Wanted = float | tuple[float, float]
"""A value to reach, or the least and the most that is right."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric and what it should reach at least, or at most, or between what it should lie."""

    metric: str
    title: str
    realistic: Wanted | None
    """None where only the ambitious one is set."""
    ambitious: Wanted
    at_most: bool = False


_SIZE = Goal("ligand_size", "ligand knock-out size", (0.4, 1.2), (0.6, 1.1))
_GAP = Goal("r2_gap", "R2 in sample above held out", None, 0.06, at_most=True)


_LEVEL = 0.05
"""Of both tests: whether there is a model, and whether the place of a cell matters."""


def _false(group: str, whose: str) -> tuple[Goal, Goal]:
    return (
        Goal(f"models_{group}", f"model, {whose}", _LEVEL, _LEVEL, at_most=True),
        Goal(f"space_{group}", f"place matters, {whose}", _LEVEL, _LEVEL, at_most=True),
    )


GOALS: Mapping[str, Sequence[Goal]] = {
    "r200": (
        Goal("auprc_TF", "TF edges", 0.86, 0.92),
        Goal("auprc_LR", "LR edges", 0.26, 0.40),
        Goal("margin_LR", "LR edges, margin over shuffled places", 0.08, 0.15),
        Goal("auprc_TFL", "TFL edges", 0.12, 0.20),
        Goal("sign_TF", "sign of TF edges", 0.97, 0.99),
        Goal("sign_LR", "sign of LR edges", 0.87, 0.95),
        Goal("r2_out", "held-out R2", 0.49, 0.51),
        _GAP,
        Goal("TF_r", "TF knock-out r", 0.80, 0.84),
        Goal("TF_sign", "TF knock-out sign", 0.80, 0.88),
        Goal("TF_auroc", "TF knock-out AUROC", 0.87, 0.93),
        Goal("ligand_r", "ligand knock-out r", 0.37, 0.50),
        Goal("ligand_sign", "ligand knock-out sign", 0.68, 0.78),
        Goal("ligand_auroc", "ligand knock-out AUROC", 0.73, 0.85),
        _SIZE,
        *_false("apart", "genes apart"),
    ),
    "r50": (
        Goal("auprc_TF", "TF edges", 0.88, 0.94),
        Goal("auprc_LR", "LR edges", 0.35, 0.50),
        Goal("margin_LR", "LR edges, margin over shuffled places", 0.18, 0.30),
        Goal("auprc_TFL", "TFL edges", 0.17, 0.25),
        Goal("sign_TF", "sign of TF edges", 0.97, 0.99),
        Goal("sign_LR", "sign of LR edges", 0.87, 0.95),
        Goal("r2_out", "held-out R2", 0.48, 0.50),
        _GAP,
        Goal("ligand_r", "ligand knock-out r", 0.50, 0.65),
        Goal("ligand_sign", "ligand knock-out sign", 0.73, 0.82),
        Goal("ligand_auroc", "ligand knock-out AUROC", 0.78, 0.90),
        _SIZE,
        *_false("apart", "genes apart"),
    ),
    "counts": (
        Goal("TF_r", "TF knock-out r", 0.60, 0.66),
        Goal("ligand_r", "ligand knock-out r", 0.16, 0.25),
    ),
    "null": _false("free", "any gene"),
    "nuisance": _false("free", "any gene"),
}


def goal_lines(rows: Sequence[Mapping[str, Any]], tissue: str) -> list[str]:
    """Return how the default stands to the goals of a kind of tissue, with the best other arm beside it."""
    headers, body = goal_table(rows, tissue)
    return ["", *table(headers, body)] if body else []


def goal_table(rows: Sequence[Mapping[str, Any]], tissue: str) -> tuple[list[str], list[list[str]]]:
    """Return the headings and rows of that table; no rows where there are no goals."""
    headers = ["goal", "default", "realistic", "ambitious", "best other arm", "oracle"]
    by_arm = {row["arm"]: row for row in rows}
    if tissue not in GOALS or "default" not in by_arm:
        return headers, []
    body = []
    for goal in GOALS[tissue]:
        own = value_of(by_arm["default"], goal.metric, by_arm)
        if own is None:
            continue
        others = {
            arm: found
            for arm, row in by_arm.items()
            if arm not in {"default", "oracle"} and (found := value_of(row, goal.metric, by_arm)) is not None
        }
        best = max(others, key=lambda arm: _merit(others[arm], goal), default=None)
        oracle = value_of(by_arm["oracle"], goal.metric, by_arm) if "oracle" in by_arm else None
        body.append(
            [
                goal.title,
                f"{own:.2f}",
                "-"
                if goal.realistic is None
                else f"{_shown(goal.realistic)} {_mark(own, goal.realistic, oracle, goal)}",
                f"{_shown(goal.ambitious)} {_mark(own, goal.ambitious, oracle, goal)}",
                "-" if best is None else f"{others[best]:.2f} {best}",
                "-" if oracle is None else f"{oracle:.2f}",
            ]
        )
    return headers, body


def value_of(row: Mapping[str, Any], metric: str, by_arm: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return a metric of an arm; knock-outs at the default number of steps, margins against the shuffled arm."""
    mean = row["mean"]
    if metric == "margin_LR":
        shuffled = by_arm.get("shuffled")
        if shuffled is None or row["arm"] != "default":
            return None
        return float(mean["auprc_LR"] - shuffled["mean"]["auprc_LR"])
    if metric == "r2_gap":
        return float(mean["r2_in"] - mean["r2_out"]) if {"r2_in", "r2_out"} <= mean.keys() else None
    found = mean.get(metric, mean.get(f"{metric}@{N_PROPAGATION}"))
    return None if found is None else float(found)


def _merit(value: float, goal: Goal) -> float:
    """Return how good a value is, to compare arms: of a size the nearest to the true one is best."""
    if isinstance(goal.ambitious, tuple):
        return -abs(value - 1.0)
    return -value if goal.at_most else value


def _shown(wanted: Wanted) -> str:
    return f"{wanted[0]:.1f} to {wanted[1]:.1f}" if isinstance(wanted, tuple) else f"{wanted:.2f}"


def _mark(own: float, wanted: Wanted, oracle: float | None, goal: Goal) -> str:
    if isinstance(wanted, tuple):
        return "yes" if wanted[0] <= own <= wanted[1] else "no"
    if goal.at_most:
        return "yes" if own <= wanted + 5e-3 else "no"
    # where the truth itself, fitted by the same model, stays below a goal for signs, its value is what counts
    reachable = min(wanted, oracle) if goal.metric == "sign_TF" and oracle is not None else wanted
    return "yes" if own >= reachable - 5e-3 else "no"
