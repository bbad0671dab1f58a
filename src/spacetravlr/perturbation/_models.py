"""Betadata tables as numbered features: which modulators there are, and which ones each model uses."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spacetravlr.betas import Betas, Streamed
from spacetravlr.errors import InputError, listing
from spacetravlr.perturbation._features import Features, IntArray
from spacetravlr.perturbation.profiles import Profile

logger = logging.getLogger("spacetravlr")

_KINDS = {"": 0, "$": 1, "#": 2}


@dataclass(frozen=True, eq=False)
class Model:
    """One target's table with its columns numbered.

    Attributes
    ----------
    gene
        Index of the target.
    features
        ``(n_used,)`` position in `Features` of each used column.
    values
        ``(n_rows, n_used)`` coefficients, or where they are.
    table
        Where row labels and the kind of rows come from.
    """

    gene: int
    features: IntArray
    values: NDArray[Any] | Streamed
    table: Betas


class _Numbering:
    """Modulator names seen so far, each parsed once; a name that cannot be used has the number -1."""

    def __init__(self, genes: Sequence[str], profile: Profile) -> None:
        self.places = {gene: place for place, gene in enumerate(genes)}
        self.follows_gene_0 = profile.missing == "gene_0"
        self.numbers: dict[str, int] = {}
        self.keys: list[tuple[int, int, int]] = []
        self.ligands: dict[str, set[int]] = {"$": set(), "#": set()}
        self.missing: dict[str, str] = {}

    def number(self, name: str, target: str) -> int:
        known = self.numbers.get(name)
        if known is None:
            known = self.numbers[name] = self._parse(name, target)
        return known

    def _parse(self, name: str, target: str) -> int:
        mark = "$" if "$" in name else "#" if "#" in name else ""
        parts = name.split(mark, 1) if mark else [name]
        places = [self.places.get(gene, -1) for gene in parts]
        if mark and places[0] >= 0:
            self.ligands[mark].add(places[0])
        for gene, place in zip(parts, places, strict=True):
            if place < 0:
                self.missing.setdefault(gene, target)
        if min(places) < 0 and (mark or not self.follows_gene_0):
            return -1
        if not mark and places[0] < 0:
            # an identity of its own: with a cap its terms must not be summed with those of gene 0
            places = [len(self.places) + len(self.keys)]
        self.keys.append((_KINDS[mark], places[0], places[-1]))
        return len(self.keys) - 1


def number_models(
    tables: Iterable[Betas], genes: Sequence[str], profile: Profile
) -> tuple[tuple[Model, ...], Features]:
    """Return all tables with their modulators numbered, without what has no effect.

    Dropped are tables of targets that are not measured, modulators with a gene that is not measured (unless the
    profile says otherwise), and columns of tables by cluster that are zero everywhere. Each kind of loss gets one
    warning.

    Parameters
    ----------
    tables
        The coefficients of each target.
    genes
        ``(n_genes,)`` measured genes.
    profile
        The rules.

    Returns
    -------
    The models in the order of the tables, and the features they share.

    Raises
    ------
    InputError
        If a target has two tables, a table has no rows, a coefficient is not finite, or (where the profile says so) a
        modulator gene is not measured.
    """
    numbering = _Numbering(genes, profile)
    unmeasured: list[str] = []
    drafts: list[Model] = []
    seen: set[str] = set()
    for table in tables:
        if table.target in seen:
            raise InputError(f"{table.target} has two tables of coefficients: give one per target")
        seen.add(table.target)
        numbers = np.array([numbering.number(name, table.target) for name in table.modulators], dtype=np.int64)
        if table.target in numbering.places:
            drafts.append(_draft(table, numbers, numbering.places[table.target], profile))
        else:
            unmeasured.append(table.target)
    _report(unmeasured, numbering.missing, profile)
    return _renumber(drafts, numbering, len(genes))


def _draft(table: Betas, numbers: IntArray, gene: int, profile: Profile) -> Model:
    if not table.row_labels:
        raise InputError(f"the coefficients of {table.target} have no rows")
    # what stays in its file was checked when it was read, and is each time
    if not table.is_streamed and not np.isfinite(table.values).all():
        raise InputError(f"the coefficients of {table.target} are not all finite")
    used = numbers >= 0
    if table.by == "cluster":
        used &= (table.values != 0).any(axis=0)
    # per-cell tables are large: they are copied only if columns go, and keep their own precision
    values: Any = table.values
    if not used.all():
        values = values.take_columns(np.flatnonzero(used)) if isinstance(values, Streamed) else values[:, used]
    if profile.dtype == "float32":
        values = values.astype(np.float32, copy=False)
    if table.by == "cluster":
        values = values.astype(np.float64)
    return Model(gene, numbers[used], values, table)


def _report(unmeasured: list[str], missing: dict[str, str], profile: Profile) -> None:
    if unmeasured:
        logger.warning(
            "coefficients of %d genes that are not measured are not used: %s",
            *(len(unmeasured), listing(sorted(unmeasured), 8)),
        )
    if not missing:
        return
    some = listing((f"{gene} (of {target})" for gene, target in sorted(missing.items())), 8)
    if profile.missing == "error":
        raise InputError(f"modulator genes that are not measured: {some}")
    action = "their modulators are dropped"
    if profile.missing == "gene_0":
        action = "as TFs they follow the first gene, their pairs are dropped"
    logger.warning("%d modulator genes are not measured, %s: %s", len(missing), action, some)


def _renumber(drafts: list[Model], numbering: _Numbering, n_genes: int) -> tuple[tuple[Model, ...], Features]:
    """Sort the features that are in use and translate the numbers."""
    keys = np.array(numbering.keys, dtype=np.int64).reshape(-1, 3)
    in_use = np.zeros(len(keys), dtype=bool)
    for draft in drafts:
        in_use[draft.features] = True
    kept = np.flatnonzero(in_use)
    kept = kept[np.lexsort(keys[kept].T[::-1])]
    place = np.full(len(keys), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    kind, one, other = keys[kept].T
    features = Features(
        n_genes=n_genes,
        tf=one[kind == 0],
        lr_ligand=one[kind == 1],
        lr_receptor=other[kind == 1],
        tfl_ligand=one[kind == 2],
        tfl_regulator=other[kind == 2],
        lr_ligands=np.array(sorted(numbering.ligands["$"]), dtype=np.int64),
        tfl_ligands=np.array(sorted(numbering.ligands["#"]), dtype=np.int64),
        named=np.unique(keys[:, 1:][keys[:, 1:] < n_genes]),
    )
    return tuple(Model(draft.gene, place[draft.features], draft.values, draft.table) for draft in drafts), features
