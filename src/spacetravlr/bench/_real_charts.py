"""The chart of the benchmark on real samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spacetravlr.bench._png import save_png

_FIRST, _OTHERS = "#D55E00", "#0072B2"


def draw_real(folder: Path, documents: Sequence[tuple[str, dict[str, Any]]]) -> Path:
    """Draw the held-out R2 of all targets, an arm below the other, a panel per file.

    Parameters
    ----------
    folder
        Made if it is not there.
    documents
        Names of files, and what `measure` returned for them.

    Returns
    -------
    The file, ``real.png``.

    Raises
    ------
    RunDirectoryError
        If it cannot be written.
    """
    from spacetravlr.atomic import make_directory
    from spacetravlr.pl.canvas import new_figure

    make_directory(folder)
    arms = [arm["arm"] for arm in documents[0][1]["arms"]]
    figure = new_figure(5.2 * len(documents), 0.5 * len(arms) + 1.5)
    panels = np.atleast_1d(figure.subplots(1, len(documents), sharey=True))
    for axes, (name, found) in zip(panels, documents, strict=True):
        values = [np.array(arm["r2"]) for arm in found["arms"]]
        shown = np.quantile(np.concatenate(values), [0.02, 0.98])
        for row, (arm, r2) in enumerate(zip(found["arms"], values, strict=True)):
            colour = _FIRST if arm["arm"] == "default" else _OTHERS
            jitter = np.random.default_rng(row).uniform(-0.16, 0.16, len(r2))
            axes.scatter(np.clip(r2, *shown), row + jitter, s=5, alpha=0.3, linewidths=0, color=colour)
            low, high = arm["quartiles"]
            axes.plot([low, high], [row, row], color="black", linewidth=2.2, zorder=3)
            axes.plot(arm["mean"], row, marker="D", color=colour, markeredgecolor="black", markersize=6, zorder=4)
            axes.annotate(
                f"{arm['mean']:.3f}", (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8
            )
        axes.axvline(0.0, color="0.7", linewidth=0.8, zorder=0)
        axes.set_yticks(range(len(arms)), arms)
        axes.set_title(f"{Path(name).stem}\n{found['n_targets']} targets, {found['n_cells']:,} cells", fontsize=9)
        axes.set_xlabel(
            f"held-out R2 of {found['judged']}\n(point: a target; line: quartiles; diamond: mean)", fontsize=8
        )
    panels[0].invert_yaxis()
    return save_png(figure, folder / "real.png")
