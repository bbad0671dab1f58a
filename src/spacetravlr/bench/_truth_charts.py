"""The charts of the truth benchmark, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacetravlr.bench._truth_tissues import MEMBERS
from spacetravlr.config import N_PROPAGATION

_PANELS = {
    "auprc_TF": "TF edges found\n(area under precision-recall)",
    "auprc_LR": "ligand-receptor edges found\n(area under precision-recall)",
    f"TF_r@{N_PROPAGATION}": "knock-out of a TF\n(correlation with the truth)",
    f"ligand_r@{N_PROPAGATION}": "knock-out of a ligand\n(correlation with the truth)",
}
_HIGHLIGHT, _PLAIN, _CEILING = "#D55E00", "#0072B2", "#777777"
_DPI = 130


def draw_truth(folder: Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Draw mean and spread of the main metrics, one file for every kind of tissue.

    Parameters
    ----------
    folder
        Made if it is not there.
    rows
        As `summarise` returns them.

    Returns
    -------
    The files, ``truth_{tissue}.png``.

    Raises
    ------
    RunDirectoryError
        If a file cannot be written.
    """
    from matplotlib.figure import Figure

    from spacetravlr.atomic import make_directory, replacing

    make_directory(folder)
    written = []
    for tissue in dict.fromkeys(row["tissue"] for row in rows):
        own = [row for row in rows if row["tissue"] == tissue]
        figure = Figure(figsize=(3.1 * len(_PANELS), 1.6 + 0.28 * len(own)), layout="constrained", facecolor="white")
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        for panel, (metric, title) in zip(panels, _PANELS.items(), strict=True):
            _draw(panel, own, metric)
            panel.set_title(title, fontsize=9)
        panels[0].set_yticks(range(len(own)), [row["arm"] for row in own])
        panels[0].invert_yaxis()
        figure.suptitle(f"{tissue}: {MEMBERS[tissue].summary} ({own[0]['n']} tissues)", fontsize=10)
        path = folder / f"truth_{tissue}.png"
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})
        written.append(path)
    return written


def _draw(panel: Any, rows: Sequence[Mapping[str, Any]], metric: str) -> None:
    for place, row in enumerate(rows):
        if metric not in row["mean"]:
            continue
        colour = _HIGHLIGHT if row["arm"] == "default" else _CEILING if row["arm"] == "oracle" else _PLAIN
        panel.errorbar(row["mean"][metric], place, xerr=row["sd"][metric], fmt="o", color=colour, capsize=3)
    panel.set_xlim(-0.02, 1.02)
    panel.grid(axis="x", alpha=0.3)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
