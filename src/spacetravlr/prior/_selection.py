"""From a network and settings to the modulators of one target after another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from spacetravlr.errors import ConfigError, InputError, nearest
from spacetravlr.prior._index import NetworkIndex, PairList
from spacetravlr.prior._table import PAIR_SIGNS
from spacetravlr.prior.modulators import Modulators
from spacetravlr.prior.priors import TfPriors

LIGANDS_PER_TF = 5
"""Ligand-TF pairs kept for one TF."""

PlanKey = tuple[float, int | None, tuple[float, ...]]
"""What a `SignalPlan` depends on: cut-off, cap, mean of each ligand."""


@dataclass(frozen=True)
class LigandChoice:
    """The ligand-receptor pairs of a target and their ligands."""

    pairs: PairList
    ligands: frozenset[str]


class SignalPlan:
    """Ligand-receptor and ligand-TF pairs under one cut-off and one cap.

    Nearly all targets are no ligand and no receptor: they share one list of pairs and one list of ligands per TF, which
    are made here and handed out again. Other targets cost one pass over the pairs.

    Parameters
    ----------
    index
        The network.
    cutoff
        Ligand-TF weights must be strictly above it.
    cap
        Number of ligands to keep by mean expression, or None for all.
    means
        Mean expression of each entry of ``index.ligands``; only looked at if there is a cap.
    """

    def __init__(self, index: NetworkIndex, *, cutoff: float, cap: int | None, means: tuple[float, ...]) -> None:
        self._index = index
        self._cutoff = cutoff
        self._cap = cap
        self._ranked: list[str] = []
        if cap is not None:
            mean_of = dict(zip(index.ligands, means, strict=True))
            self._ranked = sorted(index.ligands, key=lambda ligand: (-mean_of[ligand], ligand))
        self._common = self._without(frozenset())
        self._candidates: dict[str, list[str]] = {}
        self._strongest: dict[str, tuple[str, ...]] = {}

    def choose(self, target: str) -> LigandChoice:
        """Return the pairs whose ligand and receptor are not the target, capped.

        With a cap the ligands are ranked after the pairs of the target are gone, and the pairs come sorted by name.
        """
        own = self._index.pairs_of.get(target)
        return self._without(own) if own else self._common

    def ligands_of_tf(self, tf: str, choice: LigandChoice) -> tuple[str, ...]:
        """Return at most five chosen ligands that act on a TF, strongest first."""
        if choice is not self._common:
            return self._top(tf, choice)
        if tf not in self._strongest:
            self._strongest[tf] = self._top(tf, choice)
        return self._strongest[tf]

    def _top(self, tf: str, choice: LigandChoice) -> tuple[str, ...]:
        if tf not in self._candidates:
            self._candidates[tf] = self._index.candidates(tf, self._cutoff)
        allowed = (ligand for ligand in self._candidates[tf] if ligand in choice.ligands)
        return tuple(islice(allowed, LIGANDS_PER_TF))

    def _without(self, dropped: frozenset[int]) -> LigandChoice:
        ligand_of = self._index.pairs.ligands
        order: Iterable[int] = range(len(ligand_of)) if self._cap is None else self._index.by_name
        kept = [position for position in order if position not in dropped]
        remaining = {ligand_of[position] for position in kept}
        if self._cap is not None:
            remaining = set(islice((ligand for ligand in self._ranked if ligand in remaining), self._cap))
            kept = [position for position in kept if ligand_of[position] in remaining]
        return LigandChoice(self._index.pairs.take(kept), frozenset(remaining))


@dataclass(frozen=True)
class Selector:
    """The modulators of any target under fixed settings."""

    index: NetworkIndex
    plan: SignalPlan
    measured: frozenset[str] | None
    """Genes of the sample; None if the network was not restricted to any."""
    use_tf: bool
    use_lr: bool
    use_tfl: bool
    extra_pairs: tuple[tuple[str, str], ...]
    extra_genes: tuple[str, ...]
    tf_priors: TfPriors | None

    def of(self, target: str) -> Modulators:
        """Return the modulators of a target, by the rules of `PriorNetwork.modulators`."""
        if self.measured is not None and target not in self.measured:
            guess = nearest(target, self.measured)
            raise InputError(
                f"{target}: is not a measured gene" + (f"; did you mean {guess}?" if guess else "; see var_names")
            )
        regulators = self.index.regulators.get(target, ())
        choice = self.plan.choose(target)
        tfl = self._tfl(regulators, choice) if self.use_tfl else []
        pairs = self._with_extra_pairs(target, choice.pairs) if self.use_lr else PairList((), (), ())
        masks: dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}
        if not self.use_tf:
            regulators = ()
        elif self.tf_priors is not None and self.tf_priors.regulators(target):
            regulators = self.tf_priors.regulators(target)
            masks = self.tf_priors.masks(target)
            tfl = [(ligand, tf) for ligand, tf in tfl if tf in regulators]
        return Modulators(
            target=target,
            regulators=regulators,
            lr_pairs=pairs.names,
            ligands=pairs.ligands,
            receptors=pairs.receptors,
            tfl_pairs=tuple([f"{ligand}#{tf}" for ligand, tf in tfl]),
            tfl_ligands=tuple([ligand for ligand, _ in tfl]),
            tfl_regulators=tuple([tf for _, tf in tfl]),
            extras=self._extras(target, regulators, pairs, tfl),
            masks=masks,
        )

    def _tfl(self, regulators: tuple[str, ...], choice: LigandChoice) -> list[tuple[str, str]]:
        return [(ligand, tf) for tf in regulators for ligand in self.plan.ligands_of_tf(tf, choice)]

    def _with_extra_pairs(self, target: str, pairs: PairList) -> PairList:
        if not self.extra_pairs:
            return pairs
        there = set(pairs.names)
        added = [
            (ligand, receptor)
            for ligand, receptor in self.extra_pairs
            if target not in (ligand, receptor) and f"{ligand}${receptor}" not in there
        ]
        return PairList(
            names=pairs.names + tuple(f"{ligand}${receptor}" for ligand, receptor in added),
            ligands=pairs.ligands + tuple(ligand for ligand, _ in added),
            receptors=pairs.receptors + tuple(receptor for _, receptor in added),
        )

    def _extras(
        self, target: str, regulators: tuple[str, ...], pairs: PairList, tfl: list[tuple[str, str]]
    ) -> tuple[str, ...]:
        if not self.extra_genes:
            return ()
        taken = {target, *regulators, *pairs.ligands, *pairs.receptors, *(gene for pair in tfl for gene in pair)}
        return tuple(gene for gene in self.extra_genes if gene not in taken)


def plan_key(
    index: NetworkIndex, *, cutoff: float, max_ligands: int | None, gene_means: Mapping[str, float] | None
) -> PlanKey:
    """Return what a `SignalPlan` depends on, checked and comparable.

    Returns
    -------
    The cut-off, the cap (None for no cap) and the mean of each ligand (0 where it is missing or not a number; empty
    without a cap).

    Raises
    ------
    ConfigError
        The cut-off is not a number or the cap is negative.
    """
    if math.isnan(cutoff):
        raise ConfigError("[grn].tf_ligand_cutoff is not a number")
    if not max_ligands:
        return cutoff, None, ()
    if max_ligands < 0:
        raise ConfigError(f"[grn].max_ligands = {max_ligands}: use a positive number, or 0 for no cap")
    means = gene_means or {}
    found = (float(means.get(ligand, 0.0)) for ligand in index.ligands)
    return cutoff, max_ligands, tuple([0.0 if math.isnan(mean) else mean for mean in found])


def usable(genes: Iterable[str], measured: frozenset[str] | None) -> tuple[str, ...]:
    """Return the genes that are measured and may be part of a column name, each once, in order."""
    return tuple(
        gene
        for gene in dict.fromkeys(genes)
        if (measured is None or gene in measured) and not any(sign in gene for sign in PAIR_SIGNS)
    )
