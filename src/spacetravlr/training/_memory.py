"""How much memory a training takes: a formula of the sizes of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spacetravlr.regression import MIN_CELLS, choose_gram, gram_bytes
from spacetravlr.training import descent, readme_solver
from spacetravlr.training._writer import AHEAD
from spacetravlr.training.diagnostics import SHIFTS

PROGRAM = 330e6
"""Python with the libraries and compiled kernels of a training, bytes (measured)."""
_EDGE = 220.0
"""Bytes that a row of a network file takes when it is read (measured)."""
_READ_AT_ONCE = 1024
_DRAWN = 0.64
"""Share of the cells that a draw with replacement contains."""
_ROUNDS = 12
"""Arrays of (targets, modulators) that the README's solver keeps."""


@dataclass(frozen=True)
class Sizes:
    """What memory depends on."""

    cells: Sequence[int]
    """Per cluster."""
    columns: int
    """P: distinct modulator columns of the run."""
    width: int
    """p: most modulators of a target."""
    genes: int
    """Genes that are read."""
    response_genes: int
    """Targets that are read from a layer of their own."""
    itemsize: int
    """Bytes of a value of the expression."""
    ligands: int
    edges: int
    """Rows of the network file, for all genes."""
    block: int
    """Targets fitted together."""
    workers: int
    n_folds: int
    """0 without held-out regions."""
    n_draws: int
    """Bootstraps; 0 without."""
    single: bool
    """The Gram matrices of the bootstraps are float32."""
    readme: bool
    """The README's solver."""
    tested: bool = False
    """Each target is also fitted without each fold."""
    diagnosed: bool = False
    """Each target is also fitted to ligands received elsewhere."""

    @property
    def n_cells(self) -> int:
        """All cells."""
        return sum(self.cells)


def memory(sizes: Sizes) -> dict[str, float]:
    """Return the bytes that each part of a training takes at its peak.

    Parameters
    ----------
    sizes
        The run.

    Notes
    -----
    With n cells in C clusters (n_c each), G genes of b bytes, L ligands, P columns, at most p modulators a target, T
    targets a block, F folds, B bootstraps and w workers:

    - 220 bytes for a row of the network file; expression ``n G b``; received ligands ``8 n L``; designs ``8 n P``;
    - Gram matrices ``(8 + 4 F) P^2`` for each cluster that has them (``8 P^2`` with the README's solver, whose designs
      without a fold take ``8 n P (F - 1)`` more), the largest clusters first, within `GRAM_BUDGET`; for each of the
      two shifts of ligands received elsewhere designs and ``4 F P^2`` more;
    - bootstraps ``4 B P^2`` for each of these clusters (8 without a ridge), within `DRAW_BUDGET`;
    - blocks ``w (24 n T + 8 C (1 + F) T P + 8 C F T p + 32 C T p)`` (C + 1 clusters in the second term with ligands
      received elsewhere), ``32 C T p`` for each of the `AHEAD` that are being written, and the draw at work, ``20 *
      0.64 max(n_c) P``, w of them where draws are not kept; without any, ``8 w n_c P`` for the largest cluster that is
      fitted without each fold and has no Gram matrix;
    - set-up, more than what it leaves: reading ``n G b + 12 n min(G, 1024)``, or the design of the largest cluster
      twice more and three matrices of ``8 P^2``, four with ligands received elsewhere. It is over before the bootstraps
      and blocks begin, so only the larger of the two counts.
    """
    P, largest = sizes.columns, max(sizes.cells)
    lasting = {
        "program": PROGRAM,
        "prior network": _EDGE * sizes.edges,
        "expression": float(sizes.n_cells * (sizes.genes + sizes.response_genes) * sizes.itemsize),
        "received ligands": 8.0 * sizes.n_cells * sizes.ligands,
        "designs": 8.0 * sizes.n_cells * P,
        "Gram matrices": _grams(sizes),
    }
    if sizes.diagnosed:
        folds = 4.0 * sizes.n_folds * sum(with_grams(sizes)) * P**2
        lasting["ligands received elsewhere"] = len(SHIFTS) * (lasting["designs"] + folds)
    reading = lasting["expression"] + 12.0 * sizes.n_cells * min(sizes.genes, _READ_AT_ONCE)
    building = 16.0 * largest * P + (32.0 if sizes.diagnosed else 24.0) * P**2
    at_work = {"bootstraps": _draws(sizes), "blocks at work": _blocks(sizes)}
    before = lasting["designs"] + lasting["Gram matrices"] + sum(at_work.values())
    set_up = max(0.0, reading - before, building - sum(at_work.values()))
    return {**lasting, **at_work, "set-up": set_up}


def _grams(sizes: Sizes) -> float:
    if not sizes.readme:
        return float(sum(with_grams(sizes)) * gram_bytes(sizes.columns, sizes.n_folds))
    chosen = choose_gram(list(sizes.cells), sizes.columns, 0, readme_solver.GRAM_BUDGET)
    total = 8.0 * sum(chosen) * sizes.columns**2
    if sizes.n_folds:
        each = 8.0 * sizes.n_cells * sizes.columns * (sizes.n_folds - 1) + total * sizes.n_folds
        total += min(each, readme_solver.FOLD_BUDGET)
    return total


def with_grams(sizes: Sizes) -> list[bool]:
    """Return for each cluster whether it has Gram matrices; otherwise its rows stand in for them."""
    return choose_gram(list(sizes.cells), sizes.columns, sizes.n_folds, descent.GRAM_BUDGET)


def kept_draws(sizes: Sizes) -> list[bool]:
    """Return for each cluster whether the matrices of its bootstraps are kept for all blocks."""
    each = sizes.n_draws * sizes.columns**2 * (4 if sizes.single else 8)
    left, kept = descent.DRAW_BUDGET, [False] * len(sizes.cells)
    chosen = with_grams(sizes)
    for c in sorted(range(len(kept)), key=lambda c: -sizes.cells[c]):
        kept[c] = chosen[c] and each <= left
        left -= each if kept[c] else 0
    return kept


def descriptions(sizes: Sizes) -> int:
    """Return how often the columns of a cluster are described: as they are, and at other places."""
    return 1 + (len(SHIFTS) if sizes.diagnosed else 0)


def _draws(sizes: Sizes) -> float:
    if sizes.readme or not sizes.n_draws:
        return 0.0
    return float(sum(kept_draws(sizes)) * sizes.n_draws * sizes.columns**2 * (4 if sizes.single else 8))


def _blocks(sizes: Sizes) -> float:
    T, P, p, C = sizes.block, sizes.columns, sizes.width, len(sizes.cells)
    scored = sum(n >= MIN_CELLS for n in sizes.cells)
    responses = 24.0 * sizes.n_cells * T
    if sizes.readme:
        return sizes.workers * (responses + 8.0 * T * P + 8.0 * T * p * (_ROUNDS + C)) + AHEAD * 8.0 * C * T * p
    # of the shifted descriptions one cluster at a time
    moments = 8.0 * (C + sizes.diagnosed) * (1 + sizes.n_folds) * T * P
    fits = 32.0 * C * T * p
    each = responses + moments + 8.0 * scored * sizes.n_folds * T * p + fits
    return sizes.workers * each + AHEAD * fits + _rows_at_work(sizes)


def _rows_at_work(sizes: Sizes) -> float:
    """Return the bytes of copies of designs: of draws, and of the cells that train where there is no Gram matrix."""
    if sizes.n_draws:
        at_once = 1 if all(kept_draws(sizes)) else sizes.workers
        return at_once * 20.0 * _DRAWN * max(sizes.cells) * sizes.columns
    without = [n for n, has in zip(sizes.cells, with_grams(sizes), strict=True) if n >= MIN_CELLS and not has]
    return 8.0 * sizes.workers * max(without, default=0) * sizes.columns if sizes.tested else 0.0
