"""From the relations of one source to its edges: complexes split, symbols translated, useless ones left out."""

from __future__ import annotations

import re
from typing import Literal

import pandas as pd

from spacetravlr.networks._ledger import Ledger
from spacetravlr.networks._orthologs import expand
from spacetravlr.networks._relations import JOIN
from spacetravlr.prior import PAIR_SIGNS

Complexes = Literal["split", "average", "drop"]
_SIGNS = "[" + re.escape("".join(PAIR_SIGNS)) + "]"
_ENDS = ("source", "target")


def named(frame: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """Leave out relations with an end that has no name, and strip the names of the others."""
    known = frame["source"].notna() & frame["target"].notna()
    ledger.lose("a name is missing", int((~known).sum()))
    frame = frame[known].copy()
    for end in _ENDS:
        frame[end] = frame[end].astype(str).str.strip()
    full = (frame["source"] != "") & (frame["target"] != "")
    ledger.lose("a name is missing", int((~full).sum()))
    return frame[full].reset_index(drop=True)


def strong(frame: pd.DataFrame, min_weight: float | None, ledger: Ledger) -> pd.DataFrame:
    """Leave out relations whose own weight, whatever its sign, is below a limit."""
    if min_weight is None:
        return frame
    weak = frame["weight"].abs() < min_weight
    ledger.lose(f"weight below {min_weight:g}", int(weak.sum()))
    return frame[~weak].reset_index(drop=True)


def without_complexes(frame: pd.DataFrame, rule: Complexes, ledger: Ledger) -> pd.DataFrame:
    """Turn relations between complexes into relations between genes.

    With `split` every subunit of the one end is related to every subunit of the other, each with full weight. With
    `average` the same pairs share the weight of one, so that a complex counts as much as a simple pair. With `drop`
    such relations are left out.
    """
    compound = frame["source"].str.contains(JOIN, regex=False) | frame["target"].str.contains(JOIN, regex=False)
    if not compound.any():
        return frame
    if rule == "drop":
        ledger.lose("an end is a complex", int(compound.sum()))
        return frame[~compound].reset_index(drop=True)
    subunits = {end: frame[end].str.split(JOIN, regex=False) for end in _ENDS}
    if rule == "average":
        frame = frame.assign(share=frame["share"] / (subunits["source"].map(len) * subunits["target"].map(len)))
    before = len(frame)
    frame = expand(frame, "source", subunits["source"])
    frame = expand(frame, "target", frame["target"].str.split(JOIN, regex=False))
    ledger.make("pairs of subunits of complexes", len(frame) - before)
    return frame


def translated(frame: pd.DataFrame, orthologs: dict[str, tuple[str, ...]], ledger: Ledger) -> pd.DataFrame:
    """Replace every symbol by its orthologs; relations without one at an end are left out."""
    for end in _ENDS:
        known = frame[end].isin(orthologs.keys())
        ledger.lose("a gene has no ortholog", int((~known).sum()))
        frame = frame[known].reset_index(drop=True)
        choices = frame[end].map(orthologs)
        single = choices.map(len) > 0
        ledger.lose("a gene has several orthologs", int((~single).sum()))
        frame, choices = frame[single], choices[single]
        before = len(frame)
        frame = expand(frame, end, choices) if len(frame) else frame
        ledger.make("further orthologs", len(frame) - before)
    return frame


def usable(frame: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """Leave out what no network can hold or use: TFs of themselves, symbols with `$` or `#`."""
    itself = (frame["edge_type"] != "lr") & (frame["source"] == frame["target"])
    ledger.lose("a gene acts on itself", int(itself.sum()))
    frame = frame[~itself]
    odd = frame["source"].str.contains(_SIGNS) | frame["target"].str.contains(_SIGNS)
    ledger.lose(f"a symbol contains {' or '.join(PAIR_SIGNS)}", int(odd.sum()))
    return frame[~odd].reset_index(drop=True)


def distinct(frame: pd.DataFrame, ledger: Ledger) -> pd.DataFrame:
    """Keep each edge once, where it first occurs, with the largest weight and share it has anywhere."""
    keys = ["edge_type", "source", "target"]
    repeated = frame.duplicated(keys)
    if not repeated.any():
        return frame
    ledger.lose("the same edge again", int(repeated.sum()))
    best = frame.groupby(keys, sort=False, observed=True).agg(weight=("weight", "max"), share=("share", "max"))
    first = frame[~repeated]
    index = pd.MultiIndex.from_frame(first[keys])
    best = best.reindex(index)
    return first.assign(weight=best["weight"].to_numpy(), share=best["share"].to_numpy()).reset_index(drop=True)
