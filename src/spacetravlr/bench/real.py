"""Real samples: how well regions that were held out are predicted, by this package and by simpler ways.

All arms share regions, targets and modulators, and all are judged by the same measured expression, which no imputation
has touched. R2 is over all clusters together, within clusters: 0 is the mean of the cluster in the other regions.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacetravlr.bench._real_arms import ARMS
from spacetravlr.bench._session import Session
from spacetravlr.bench._text import decimal, seconds, table
from spacetravlr.errors import InputError

_TARGETS = 300


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="samples, .h5ad")
    parser.add_argument(
        "--network-data-dir", "--network-dir", dest="network_dir", type=Path, help="directory of the network file"
    )
    parser.add_argument("--tf-ligand-cutoff", type=float, help="weight a ligand-TF pair must exceed")
    parser.add_argument("--radius", type=float, help="of the ligands, coordinate units")
    parser.add_argument(
        "--targets", type=int, metavar="N", help=f"targets, evenly from all with modulators ({_TARGETS})"
    )
    parser.add_argument("--plot-dir", type=Path, metavar="DIR", help="where charts are written, as PNG")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="where the tables are written, as Markdown")


def run(session: Session) -> None:
    """Measure every arm in every file; tell, draw, write."""
    options = session.options
    count = options.targets or (30 if options.quick else _TARGETS)
    settings = {
        "network_data_dir": options.network_dir and str(options.network_dir.expanduser().absolute()),
        "tf_ligand_cutoff": options.tf_ligand_cutoff,
        "radius": options.radius,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    for path in options.files:
        if not path.expanduser().is_file():
            raise InputError(f"no such file: {path}")
    session.dataset = {
        "files": [path.name for path in options.files],
        "targets": count,
        **{name: value for name, value in given.items() if name != "network_data_dir"},
    }
    documents = []
    for path in options.files:
        found = session.measure({"file": str(path.expanduser().absolute()), "targets": count, "settings": given})
        if found is None:
            continue
        for arm in found["arms"]:
            session.record({"file": path.name, "arm": arm["arm"]}, [arm["seconds"]], **_figures(arm))
        facts = {key: found[key] for key in ("n_cells", "n_clusters", "n_targets", "judged")}
        session.dataset.setdefault("samples", {})[path.name] = facts
        session.say(
            f"\n{path.name}: {found['n_cells']:,} cells, {found['n_clusters']} clusters, {found['n_targets']} targets, "
            f"judged by layer {found['judged']!r}"
        )
        for line in table(_HEADERS, _rows(found["arms"])):
            session.say(line)
        documents.append((path.name, found))
    if options.plot_dir is not None and documents:
        from spacetravlr.bench._real_charts import draw_real

        session.say(f"  drawn: {draw_real(options.plot_dir.expanduser(), documents)}")
    if options.markdown is not None and documents:
        from spacetravlr.atomic import write_text

        write_text(options.markdown.expanduser(), markdown(documents))
        session.say(f"  written: {options.markdown}")


_HEADERS = ("arm", "mean R2", "median", "R2 > 0.02", "default better by", "+-", "in share", "time")


def _rows(arms: Sequence[dict[str, Any]]) -> list[list[str]]:
    rows = []
    for arm in arms:
        first = arm["arm"] == "default"
        rows.append(
            [
                arm["arm"],
                decimal(arm["mean"], 4),
                decimal(arm["median"], 4),
                f"{arm['share_above']:.0%}",
                "-" if first else decimal(arm["behind"], 4),
                "-" if first else decimal(arm["behind_se"], 4),
                "-" if first else f"{arm['share_behind']:.0%}",
                seconds(arm["seconds"]),
            ]
        )
    return rows


def _figures(arm: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in arm.items() if key not in {"arm", "seconds", "r2"}}


def markdown(documents: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Return the tables of all files."""
    lines: list[str] = []
    for name, found in documents:
        lines += [
            f"### {name}",
            "",
            f"{found['n_cells']:,} cells, {found['n_clusters']} clusters, {found['n_targets']} targets; held-out R2 of "
            f"layer `{found['judged']}` in regions that were held out.",
            "",
            "| " + " | ".join(_HEADERS) + " |",
            "|" + "---|" * len(_HEADERS),
            *("| " + " | ".join(row) + " |" for row in _rows(found["arms"])),
            "",
            *(f"- **{arm['arm']}**: {ARMS[arm['arm']].summary}" for arm in found["arms"]),
            "",
        ]
    return "\n".join(lines)


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Measure every arm in one file.

    Parameters
    ----------
    point
        ``file, targets, settings``.

    Returns
    -------
    Facts of the sample, and ``arms``: for each its figures and the held-out R2 of every target.
    """
    import time

    import numpy as np

    from spacetravlr.bench._real_arms import Sample

    sample = Sample(point["file"], point["settings"], point["targets"])
    found: dict[str, Any] = {}
    spent = {}
    for name, arm in ARMS.items():
        began = time.perf_counter()
        found[name] = arm.measure(sample)
        spent[name] = time.perf_counter() - began
    known = np.all([np.isfinite(r2) for r2 in found.values()], axis=0)
    default = found["default"][known]
    arms = []
    for name, values in found.items():
        r2 = values[known]
        apart = default - r2
        arms.append(
            {
                "arm": name,
                "seconds": spent[name],
                "mean": float(r2.mean()),
                "median": float(np.median(r2)),
                "quartiles": np.quantile(r2, [0.25, 0.75]).tolist(),
                "share_above": float((r2 > 0.02).mean()),
                "behind": float(apart.mean()),
                "behind_se": float(apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else float("nan"),
                "share_behind": float((apart > 0.0).mean()),
                "r2": r2.tolist(),
            }
        )
    return {
        "arms": arms,
        "n_cells": sample.plan.tissue.n_cells,
        "n_clusters": len(sample.plan.rows),
        "n_targets": int(known.sum()),
        "judged": sample.plan.config.data.own_response or sample.plan.config.data.layer,
    }
