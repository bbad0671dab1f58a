"""The charts of the truth benchmark, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spacetravlr.bench._png import save_png
from spacetravlr.bench._truth_changes import RING_NAMES
from spacetravlr.bench._truth_tissues import MEMBERS
from spacetravlr.config import N_PROPAGATION

Rows = Sequence[Mapping[str, Any]]

_PANELS = {
    "auprc_TF": "TF edges found\n(area under precision-recall)",
    "auprc_LR": "ligand-receptor edges found\n(area under precision-recall)",
    f"TF_r@{N_PROPAGATION}": "knock-out of a TF\n(correlation with the truth)",
    f"ligand_r@{N_PROPAGATION}": "knock-out of a ligand\n(correlation with the truth)",
}
_CHANCE = {"auprc_TF": "base_TF", "auprc_LR": "base_LR"}

# told apart by shape too, and by people who do not see red and green as two colours
_MARKS = {
    "default": ("#D55E00", "D"),
    "readme": ("#0072B2", "o"),
    "original": ("#009E73", "^"),
    "oracle": ("#555555", "s"),
}
_PLAIN = ("#0072B2", "o")
_TITLES = {
    "default": "default",
    "readme": "README settings, 100 steps",
    "original": "original package",
    "oracle": "least squares on the true edges",
}


def draw_truth(folder: Path, rows: Rows) -> list[Path]:
    """Draw the main metrics: arms in every kind of tissue, the family, and errors by distance.

    Parameters
    ----------
    folder
        Made if it is not there.
    rows
        As `summarise` returns them.

    Returns
    -------
    The files: ``truth_{tissue}.png`` where edges or knock-outs were scored, ``truth_family.png`` for more than one kind
    of tissue, ``truth_distance.png`` where a region without a gene was simulated.

    Raises
    ------
    RunDirectoryError
        If a file cannot be written.
    """
    from spacetravlr.atomic import make_directory

    make_directory(folder)
    written = []
    scored = [row for row in rows if any(metric in row["mean"] for metric in _PANELS)]
    tissues = list(dict.fromkeys(row["tissue"] for row in scored))
    for tissue in tissues:
        own = [row for row in scored if row["tissue"] == tissue]
        written.append(save_png(_arms(own), folder / f"truth_{tissue}.png"))
    if len(tissues) > 1:
        written.append(save_png(_family(scored), folder / "truth_family.png"))
    ringed = [row for row in rows if "ligand_ring1_error" in row["mean"] and row["arm"] in _MARKS]
    if ringed:
        written.append(save_png(_distances(ringed), folder / "truth_distance.png"))
    return written


def _figure(width: float, height: float) -> Any:
    from spacetravlr.pl.canvas import new_figure

    return new_figure(width, height, layout="constrained")


def _arms(rows: Rows) -> Any:
    figure = _figure(3.1 * len(_PANELS), 1.7 + 0.28 * len(rows))
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for panel, (metric, title) in zip(panels, _PANELS.items(), strict=True):
        for place, row in enumerate(rows):
            _point(panel, row, metric, place, _MARKS.get(row["arm"], _PLAIN))
        base = rows[0]["mean"].get(_CHANCE.get(metric, ""))
        if base is not None:
            panel.axvline(base, color="#555555", linestyle=":", linewidth=1.2)
            panel.annotate(
                "chance", (base, 1.0), xycoords=("data", "axes fraction"), fontsize=7, ha="center", va="bottom"
            )
        _tidy(panel, title)
    panels[0].set_yticks(range(len(rows)), [row["arm"] for row in rows])
    panels[0].invert_yaxis()
    tissue = rows[0]["tissue"]
    figure.suptitle(f"{tissue}: {MEMBERS[tissue].summary} ({_count(rows[0]['n'])}, mean and sd)", fontsize=10)
    return figure


def _family(rows: Rows) -> Any:
    tissues = list(dict.fromkeys(row["tissue"] for row in rows))
    arms = [arm for arm in _MARKS if any(row["arm"] == arm for row in rows)]
    figure = _figure(3.1 * len(_PANELS), 2.1 + 0.42 * len(tissues))
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for panel, (metric, title) in zip(panels, _PANELS.items(), strict=True):
        for row in rows:
            if row["arm"] in arms:
                # beside each other, so that none hides another
                shift = 0.16 * (arms.index(row["arm"]) - (len(arms) - 1) / 2)
                _point(panel, row, metric, tissues.index(row["tissue"]) + shift, _MARKS[row["arm"]])
        _tidy(panel, title)
    panels[0].set_yticks(range(len(tissues)), tissues)
    panels[0].set_ylim(len(tissues) - 0.5, -0.5)
    _legend(figure, arms)
    return figure


def _distances(rows: Rows) -> Any:
    tissues = list(dict.fromkeys(row["tissue"] for row in rows))[:3]
    figure = _figure(4.2 * len(tissues) + 0.4, 3.9)
    panels = figure.subplots(1, len(tissues), squeeze=False)[0]
    arms = [arm for arm in _MARKS if any(row["arm"] == arm for row in rows)]
    for panel, tissue in zip(panels, tissues, strict=True):
        own = {row["arm"]: row for row in rows if row["tissue"] == tissue}
        numbers = [n for n in range(len(RING_NAMES)) if f"ligand_ring{n}_true" in next(iter(own.values()))["mean"]]
        true = [next(iter(own.values()))["mean"][f"ligand_ring{n}_true"] for n in numbers]
        panel.fill_between(range(len(numbers)), true, color="#DDDDDD", label="size of the true change", linewidth=0)
        for arm in (arm for arm in arms if arm in own):
            colour, marker = _MARKS[arm]
            mean, sd = (
                [own[arm][part].get(f"ligand_ring{n}_error", float("nan")) for n in numbers] for part in ("mean", "sd")
            )
            panel.errorbar(
                range(len(numbers)), mean, yerr=sd, color=colour, marker=marker, capsize=3, label=_TITLES[arm]
            )
        panel.set_xticks(
            range(len(numbers)), [RING_NAMES[n].replace("the cells ", "the cells\n") for n in numbers], fontsize=8
        )
        panel.set_ylim(bottom=0.0)
        _bare(panel)
        panel.grid(axis="y", alpha=0.3)
        panel.set_title(tissue, fontsize=10)
    panels[0].set_ylabel("error of the predicted change\n(root mean square, sd of each gene)", fontsize=9)
    panels[0].legend(frameon=False, fontsize=8)
    apart = " " if len(tissues) > 1 else "\n"
    figure.suptitle(
        f"A ligand is off in a region: error by distance{apart}from it, in reaches r of the ligands", fontsize=10
    )
    return figure


def _point(panel: Any, row: Mapping[str, Any], metric: str, place: float, mark: tuple[str, str]) -> None:
    if metric in row["mean"]:
        colour, marker = mark
        panel.errorbar(
            row["mean"][metric], place, xerr=row["sd"][metric], fmt=marker, color=colour, capsize=3, markersize=5
        )


def _tidy(panel: Any, title: str) -> None:
    panel.set_xlim(-0.02, 1.03)
    panel.grid(axis="x", alpha=0.3)
    panel.set_title(title, fontsize=9, pad=14)
    _bare(panel)


def _bare(panel: Any) -> None:
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _legend(figure: Any, arms: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=_MARKS[arm][0], marker=_MARKS[arm][1], linestyle="none", label=_TITLES[arm])
        for arm in arms
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(arms), frameon=False, fontsize=9)


def _count(n: int) -> str:
    return "1 tissue" if n == 1 else f"{n} tissues"
