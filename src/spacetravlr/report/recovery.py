"""How many of the known edges of a simulated tissue a run has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spacetravlr.errors import SpaceTravLRError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from spacetravlr.run import Run

Kind = Literal["TF", "LR", "TFL"]
KINDS: dict[Kind, str] = {"TF": "TF → gene", "LR": "ligand–receptor → gene", "TFL": "ligand–TF → gene"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Recovery:
    """The edges of one kind, in the models that there are.

    Attributes
    ----------
    n_true
        Known edges of the targets that have a model, counted in every cell type.
    n_found
        Those of them with a coefficient.
    n_written
        Coefficients other than zero.
    n_right_sign
        Found edges whose coefficient has the sign of the known effect.
    precision
        Share of known edges among the strongest coefficients: (n_written,), from the strongest to the weakest.
    """

    n_true: int
    n_found: int
    n_written: int
    n_right_sign: int
    precision: NDArray[np.float64]


def recovery(run: Run, truth: pd.DataFrame, names: Mapping[str, str]) -> dict[Kind, Recovery]:
    """Compare the coefficients of a run with the known edges.

    Parameters
    ----------
    run
        The run, finished or not.
    truth
        Rows target, modulator, cell_type, effect.
    names
        Row label of the coefficients -> cell type of the truth, where they differ.

    Returns
    -------
    By kind of edge, for those that are known or found; every cell type of a target counts by itself.
    """
    known: dict[str, dict[tuple[str, str], float]] = {}
    columns = (truth[name] for name in ("target", "modulator", "cell_type", "effect"))
    for target, modulator, label, effect in zip(*columns, strict=True):
        if effect != 0.0:
            known.setdefault(str(target), {})[str(modulator), str(label)] = float(effect)
    found: dict[Kind, list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {kind: [] for kind in KINDS}
    n_true = dict.fromkeys(KINDS, 0)
    for gene in run.genes:
        try:
            betas = run.betas(gene)
        except SpaceTravLRError:
            # it is being replaced, or damaged: the rest can still be told
            continue
        edges = known.get(gene, {})
        for modulator, _ in edges:
            n_true[kind_of(modulator)] += 1
        values = np.asarray(betas.values, dtype=np.float64)
        labels = np.array([names.get(label, label) for label in betas.row_labels], dtype=object)
        columns_of = {modulator: column for column, modulator in enumerate(betas.modulators)}
        effects = np.zeros_like(values)
        for (modulator, label), effect in edges.items():
            if modulator in columns_of:
                effects[labels == label, columns_of[modulator]] = effect
        kinds = np.array([kind_of(modulator) for modulator in betas.modulators], dtype=object)
        for kind, parts in found.items():
            value, effect = values[:, kinds == kind], effects[:, kinds == kind]
            written = value != 0.0
            parts.append((np.abs(value[written]), (np.sign(effect) * np.sign(value))[written]))
    joined = {kind: _joined(parts) for kind, parts in found.items()}
    return {kind: _summary(n_true[kind], *joined[kind]) for kind in KINDS if n_true[kind] or len(joined[kind][0])}


def _joined(
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    sizes, signs = zip(*parts, strict=True) if parts else ((), ())
    return np.concatenate([np.zeros(0), *sizes]), np.concatenate([np.zeros(0), *signs])


def _summary(n_true: int, size: NDArray[np.float64], sign: NDArray[np.float64]) -> Recovery:
    hit = sign[np.argsort(-size, kind="stable")] != 0.0
    return Recovery(
        n_true=n_true,
        n_found=int(hit.sum()),
        n_written=len(size),
        n_right_sign=int((sign > 0.0).sum()),
        precision=np.cumsum(hit) / np.arange(1, len(hit) + 1),
    )


def kind_of(modulator: str) -> Kind:
    """Return the kind of the edges of a modulator."""
    return "LR" if "$" in modulator else "TFL" if "#" in modulator else "TF"
