"""What no sample can be made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spacetravlr.errors import InputError, listing


def refuse_empty(shape: tuple[int, int], path: Path | None = None) -> None:
    """Refuse a sample without cells or genes."""
    if 0 in shape:
        where = f"{path}: " if path else ""
        raise InputError(f"{where}the sample is empty: {shape[0]} cells x {shape[1]} genes")


def refuse_repeats(kind: str, names: tuple[str, ...]) -> None:
    """Refuse names that occur twice; `kind` is gene or cell."""
    if len(set(names)) == len(names):
        return
    unique, counts = np.unique(np.asarray(names, dtype=np.str_), return_counts=True)
    repeated = [str(name) for name in unique[counts > 1]]
    fix = "var_names_make_unique()" if kind == "gene" else "obs_names_make_unique()"
    raise InputError(f"{len(repeated)} {kind} name(s) occur more than once: {listing(repeated, 5)}; use adata.{fix}")
