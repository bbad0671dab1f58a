"""The measured genes of a simulated tissue: real mouse symbols, each with one role."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from spacetravlr._simulate import symbols

if TYPE_CHECKING:
    import pandas as pd

Role = Literal["TF", "ligand", "receptor", "target"]
ROLES: tuple[Role, ...] = get_args(Role)
Pair = tuple[str, str]


@dataclass(frozen=True)
class Panel:
    """Genes with their roles, and what the starter network knows about them.

    Attributes
    ----------
    genes
        Symbols, sorted.
    roles
        One for each gene.
    pairs
        (ligand, receptor) of the starter network, in random order.
    regulons
        (TF, gene) of the starter network, in random order.
    """

    genes: tuple[str, ...]
    roles: tuple[Role, ...]
    pairs: tuple[Pair, ...]
    regulons: tuple[Pair, ...]

    def indices(self, role: Role) -> NDArray[np.int64]:
        """Return the positions of the genes of one role."""
        return np.array([index for index, found in enumerate(self.roles) if found == role], dtype=np.int64)


def quotas(n_genes: int, shares: tuple[float, float, float]) -> dict[Role, int]:
    """Split a panel into roles: at least 3 TFs, 2 ligands and 2 receptors, the rest targets."""
    least = (3, 2, 2)
    counts = [max(low, round(share * n_genes)) for low, share in zip(least, shares, strict=True)]
    return dict(zip(ROLES, (*counts, n_genes - sum(counts)), strict=True))


def choose_panel(edges: pd.DataFrame, quota: dict[Role, int], rng: np.random.Generator) -> Panel:
    """Choose genes for every role, connected ones of the starter network first.

    Ligands and receptors are taken pair by pair, targets by preference for those of the chosen TFs. What the starter
    network cannot fill comes from lists of well-known genes, then from names of predicted genes.

    Parameters
    ----------
    edges
        Starter network: source, target, edge_type.
    quota
        Number of genes of every role.
    rng
        Source of the randomness.

    Returns
    -------
    The panel, with ``sum(quota.values())`` genes.
    """
    pairs, regulons = _shuffled(edges, "lr", rng), _shuffled(edges, "grn", rng)
    tf_pool = _unique(tf for tf, _ in regulons)
    signals = set(chain.from_iterable(pairs))
    ligands, receptors = _paired(pairs, quota["ligand"], quota["receptor"], barred=set(tf_pool))
    tfs = [name for name in tf_pool if name not in signals][: quota["TF"]]
    taken = {*tfs, *ligands, *receptors}
    _fill(ligands, quota["ligand"], symbols.LIGANDS, taken)
    _fill(receptors, quota["receptor"], symbols.RECEPTORS, taken)
    _fill(tfs, quota["TF"], symbols.TRANSCRIPTION_FACTORS, taken)
    known = set(tfs)
    barred = signals | set(tf_pool)
    near = [gene for tf, gene in regulons if tf in known and gene not in barred]
    far = [gene for _, gene in regulons if gene not in barred]
    targets: list[str] = []
    _fill(targets, quota["target"], _unique(chain(near, far, symbols.OTHERS)), taken)
    role_of: dict[str, Role] = {}
    for role, names in zip(ROLES, (tfs, ligands, receptors, targets), strict=True):
        role_of.update(dict.fromkeys(names, role))
    genes = tuple(sorted(role_of))
    return Panel(
        genes,
        tuple(role_of[gene] for gene in genes),
        tuple((a, b) for a, b in pairs if role_of.get(a) == "ligand" and role_of.get(b) == "receptor"),
        tuple((a, b) for a, b in regulons if role_of.get(a) == "TF" and b in role_of and a != b),
    )


def _shuffled(edges: pd.DataFrame, edge_type: str, rng: np.random.Generator) -> list[Pair]:
    rows = edges[edges["edge_type"].astype(str) == edge_type]
    # sorted first, so that the order of the rows in the file has no say
    found = sorted({(str(source), str(target)) for source, target in zip(rows["source"], rows["target"], strict=True)})
    return [found[position] for position in rng.permutation(len(found))]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _paired(pairs: list[Pair], n_ligands: int, n_receptors: int, *, barred: set[str]) -> tuple[list[str], list[str]]:
    ligands: dict[str, None] = {}
    receptors: dict[str, None] = {}
    for ligand, receptor in pairs:
        clash = ligand == receptor or ligand in receptors or receptor in ligands or {ligand, receptor} & barred
        fits = (ligand in ligands or len(ligands) < n_ligands) and (
            receptor in receptors or len(receptors) < n_receptors
        )
        if fits and not clash:
            ligands[ligand] = None
            receptors[receptor] = None
    return list(ligands), list(receptors)


def _fill(names: list[str], wanted: int, spare: Iterable[str], taken: set[str]) -> None:
    for name in chain((name for name in spare if name not in taken), symbols.predicted_genes(taken)):
        if len(names) >= wanted:
            return
        names.append(name)
        taken.add(name)
