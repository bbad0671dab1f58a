"""The tables of the page on truth, made from the record of the benchmark: nothing on that page is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacetravlr.bench._truth_arms import ARMS
from spacetravlr.bench._truth_goals import GOALS, goal_table
from spacetravlr.bench._truth_table import (
    COLUMNS,
    TRUST,
    Rows,
    Texts,
    chance,
    family_table,
    knock_out_table,
    main_table,
    markdown,
    ring_table,
    summarise,
)
from spacetravlr.bench._truth_tissues import MEMBERS
from spacetravlr.config import N_PROPAGATION
from spacetravlr.errors import InputError

MAIN = ("r200", "r50")
"""Kinds of tissue with tables of their own."""

_FALSE = {
    "models_free": "genes with a model",
    "models_apart": "of those apart",
    "space_free": "genes for which space matters",
    "space_apart": "of those apart (space)",
    "false_TF": "TF candidates above 0.1",
    "false_LR": "LR candidates above 0.1",
    "false_TFL": "TFL candidates above 0.1",
    f"TF_false@{N_PROPAGATION}": "TF knock-out: genes above 0.1",
    f"ligand_false@{N_PROPAGATION}": "ligand knock-out: genes above 0.1",
}
_ABSENT = "*Not measured in this record.*\n"


def read_record(path: Path) -> dict[str, Any]:
    """Read what `spacetravlr bench truth --json-out` wrote.

    Raises
    ------
    InputError
        If it is not such a file.
    """
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    if document.get("benchmark") != "truth":
        raise InputError(f"{path} is not a record of `spacetravlr bench truth`")
    return document


def page_parts(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the parts of the page in Markdown, by name.

    Parameters
    ----------
    document
        The record.

    Returns
    -------
    ``facts``, ``tissues``, ``arms``, ``family``, ``false``; for every kind of tissue in `MAIN` ``{name}_arms``,
    ``{name}_trust``, ``{name}_knock_outs`` and ``{name}_distance``; and for every one in `GOALS` ``{name}_goals``. What
    was not measured says so.
    """
    rows = summarise(document["summary"])
    tissues = list(dict.fromkeys(row["tissue"] for row in rows))
    parts = {
        "facts": _facts(document, rows),
        "tissues": markdown(
            (["tissue", "what is special"], [[name, MEMBERS[name].summary] for name in tissues]), left=2
        ),
        "arms": markdown((["arm", "what it is"], [[name, ARMS[name].summary] for name in _arms_of(rows)]), left=2),
        "family": _table(family_table(rows)),
        "false": _table(_false_positives(rows), left=2),
    }
    for name in MAIN:
        own = [row for row in rows if row["tissue"] == name]
        parts |= {
            f"{name}_arms": _table(main_table(own)) + (f"\nEdges: {chance(own)}.\n" if own else ""),
            f"{name}_trust": _table(main_table(own, TRUST)),
            f"{name}_knock_outs": _table(knock_out_table(own), left=2),
            f"{name}_distance": _table(ring_table(own)),
        }
    for name in GOALS:
        parts[f"{name}_goals"] = _table(goal_table([row for row in rows if row["tissue"] == name], name))
    return parts


def original_parts(document: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the parts ``original`` and ``original_knock_outs``, from a record with that arm if there is one."""
    if document is None:
        return {"original": _ABSENT, "original_knock_outs": ""}
    rows = summarise(document["summary"])
    dataset = document["dataset"]
    version = dataset.get("versions_of_original", {}).get("spacetravlr", "of unknown version")
    about = f"spacetravlr {version}: {dataset.get('original', 'not measured')}. {_facts(document, rows)}"
    text, knock_outs = about, ""
    for tissue in dict.fromkeys(row["tissue"] for row in rows):
        own = [row for row in rows if row["tissue"] == tissue]
        for columns in (COLUMNS, TRUST):
            headers, body = main_table(own, columns)
            text += "\n" + markdown(([f"arm ({tissue})", *headers[1:]], body))
        theirs = [row for row in own if row["arm"] == "original" and f"TF_r@{N_PROPAGATION}" in row["mean"]]
        if theirs:
            knock_outs += "\n" + _table(knock_out_table(own, [row["arm"] for row in own]), left=2)
    without = "It was trained on some of the targets, so there are no knock-outs of it in this record.\n"
    return {"original": text, "original_knock_outs": knock_outs or without}


def write_page(folder: Path, parts: Mapping[str, str]) -> list[Path]:
    """Write every part as ``truth_{name}.inc``.

    Parameters
    ----------
    folder
        Made if it is not there.
    parts
        From `page_parts`.

    Returns
    -------
    The files.

    Raises
    ------
    RunDirectoryError
        If a file cannot be written.
    """
    from spacetravlr.atomic import make_directory, write_text

    make_directory(folder)
    written = []
    for name, text in parts.items():
        path = folder / f"truth_{name}.inc"
        write_text(path, text)
        written.append(path)
    return written


def _facts(document: Mapping[str, Any], rows: Rows) -> str:
    dataset, host = document["dataset"], document["host"]
    counts = sorted({row["n"] for row in rows})
    number = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}" if counts else "no"
    return (
        f"Recorded on {document['created_utc'][:10]}: {number} tissue{'' if number == '1' else 's'} of each kind with "
        f"{dataset['n_cells']:,} cells and {dataset['n_genes']} genes, in each {dataset['knock_outs']} TFs and "
        f"{dataset['knock_outs']} ligands knocked out; {host['usable_cores']} cores ({host['cpu']}), "
        f"{document['threads']['count']} thread{'' if document['threads']['count'] == 1 else 's'}, "
        f"spacetravlr-py {document['versions']['spacetravlr-py']}.\n"
    )


def _false_positives(rows: Rows) -> Texts:
    silent = [row for row in rows if row["tissue"] in ("null", "nuisance")]
    headers, body = main_table(silent, _FALSE)
    return ["tissue", *headers], [[row["tissue"], *cells] for row, cells in zip(silent, body, strict=True)]


def _arms_of(rows: Rows) -> list[str]:
    found = {row["arm"] for row in rows}
    return [name for name in ARMS if name in found]


def _table(texts: Texts, *, left: int = 1) -> str:
    return markdown(texts, left=left) if texts[1] else _ABSENT
