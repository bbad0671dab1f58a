"""Which radius the data speak for: held-out R2 of a sample of targets at several radii."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spacetravlr.errors import ConfigError, InputError
from spacetravlr.events import Listener
from spacetravlr.training.api import log_notice
from spacetravlr.training.held_out import held_out_skill
from spacetravlr.training.inputs import read_inputs
from spacetravlr.training.plan import Plan, hold_out, make_plan
from spacetravlr.training.request import load_network, open_sample, settle
from spacetravlr.training.response import decide_response

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray

    from spacetravlr.config import RunConfig
    from spacetravlr.prior import PriorNetwork
    from spacetravlr.tissue import Tissue

RADII = (25.0, 50.0, 100.0, 200.0, 400.0)
TARGETS = 30
SURE = 2.0
"""Standard errors that a difference must have to count as one."""


@dataclass(frozen=True)
class RadiusStudy:
    """Held-out R2 by radius; R radii, T targets."""

    radii: tuple[float, ...]
    """Ascending, coordinate units."""
    targets: tuple[str, ...]
    r2: NDArray[np.float64]
    """(R, T), held-out R2 over all clusters together."""
    r2_without: NDArray[np.float64]
    """(T,), the same without ligands."""
    seconds: tuple[float, ...]
    """What each radius took."""
    configured: float
    """`[spatial].radius`."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """(R,), over targets."""
        return np.asarray(self.r2.mean(axis=1))

    @property
    def best(self) -> float:
        """The radius of the largest mean."""
        return self.radii[self._at]

    @property
    def behind(self) -> NDArray[np.float64]:
        """(R, 2), by how much each radius is worse than the best, and the standard error over targets of that."""
        return np.array([_difference(self.r2[self._at], own) for own in self.r2])

    @property
    def gain(self) -> NDArray[np.float64]:
        """(R, 2), what ligands add to a model without them, and its standard error over targets."""
        return np.array([_difference(own, self.r2_without) for own in self.r2])

    @property
    def plausible(self) -> tuple[float, ...]:
        """The radii that are not clearly worse than the best."""
        behind = self.behind
        return tuple(r for r, (loss, se) in zip(self.radii, behind, strict=True) if loss <= SURE * se)

    @property
    def ligands_help(self) -> bool:
        """Whether ligands add anything at the best radius."""
        gain, se = self.gain[self._at]
        return bool(gain > SURE * se)

    @property
    def flat(self) -> bool:
        """Whether the data do not tell radii apart."""
        return len(self.plausible) == len(self.radii)

    @property
    def rising(self) -> bool:
        """Whether the largest radius is the best: a trend over the whole tissue does that too."""
        return len(self.radii) > 1 and self._at == len(self.radii) - 1

    @property
    def recommended(self) -> float:
        """The best radius if there is evidence for one, else the configured one."""
        return self.best if self.ligands_help and not self.flat and not self.rising else self.configured

    @property
    def words(self) -> str:
        """What follows, in plain words."""
        n, best = len(self.targets), f"{self.best:g}"
        keep = f"Keep {self.configured:g}, or try more --targets; too large costs more than too small"
        if not self.ligands_help:
            return (
                f"ligands add nothing that can be measured to the prediction of these {n} targets, at any radius: no "
                f"evidence for one. {keep}"
            )
        if self.flat:
            return f"the curve is flat: {n} targets do not tell these radii apart, so it is no evidence for one. {keep}"
        if self.rising:
            return (
                f"the largest radius, {best}, predicts best. A reach is seen only where larger radii are worse again: "
                "try larger ones; if it goes on rising, ligands stand in for trends over the whole tissue, and that is "
                f"no evidence for a reach. Until then keep {self.configured:g}"
            )
        others = [f"{r:g}" for r in self.plausible if r != self.best]
        unclear = f"; {', '.join(others)} cannot be excluded" if others else "; all others are clearly worse"
        edge = f". {best} is the smallest of the list: try smaller ones too" if self._at == 0 else ""
        return f"regions that were held out are predicted best with a radius of {best}{unclear}{edge}"

    def table(self) -> pd.DataFrame:
        """Return a row per radius: radius, r2, behind, behind_se, gain, gain_se, seconds, plausible."""
        import pandas as pd

        behind, gain = self.behind, self.gain
        return pd.DataFrame(
            {
                "radius": self.radii,
                "r2": self.mean,
                "behind": behind[:, 0],
                "behind_se": behind[:, 1],
                "gain": gain[:, 0],
                "gain_se": gain[:, 1],
                "seconds": self.seconds,
                "plausible": [radius in self.plausible for radius in self.radii],
            }
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "schema": 1,
            "recommended": self.recommended,
            "best": self.best,
            "plausible": list(self.plausible),
            "configured": self.configured,
            "flat": self.flat,
            "rising": self.rising,
            "ligands_help": self.ligands_help,
            "words": self.words,
            "radii": self.table().to_dict(orient="records"),
            "targets": {
                target: {"r2": self.r2[:, t].tolist(), "r2_without_ligands": float(self.r2_without[t])}
                for t, target in enumerate(self.targets)
            },
        }

    @property
    def _at(self) -> int:
        return int(np.argmax(self.mean))


def suggest_radius(
    adata: AnnData | str | Path,
    radii: Sequence[float] = RADII,
    *,
    targets: int = TARGETS,
    config: RunConfig | str | Path | None = None,
    listener: Listener | None = None,
    **overrides: object,
) -> RadiusStudy:
    """Find the radius at which regions that were held out are predicted best.

    The received ligands of all radii are compared on the same held-out regions, whose size suits the largest one, and
    with a model without ligands. Contact-dependent ligands keep `[spatial].contact_distance`. Where the curve is flat,
    or ligands add nothing, the data do not speak for a radius, and the study says so.

    Parameters
    ----------
    adata, config, listener, overrides
        As for `train`.
    radii
        To compare, coordinate units.
    targets
        How many targets to look at. They are drawn from those that the network gives ligands, from the half of them
        that is expressed most.

    Raises
    ------
    ConfigError
        If a radius or the number of targets is not positive, or a setting is not allowed.
    InputError
        If the sample or the network cannot be used, or no target has ligands.

    Notes
    -----
    For each radius the received ligands, Gram matrices and the cross-validation of the targets: the cost of a training
    of that many targets without bootstraps.

    Examples
    --------
    >>> study = stl.tl.suggest_radius(adata, radii=(50, 100, 200), targets=5, network_data_dir="network")
    >>> study.recommended
    200.0
    """
    told = log_notice if listener is None else listener
    wanted = _checked(radii, targets)
    settings = settle(config, None, dict(overrides), told)
    tissue = open_sample(adata, settings, told)
    settings = decide_response(settings, tissue, told)
    network = load_network(tissue, settings, told)
    chosen = _sample(tissue, settings, network, targets)
    settings = settings.replace({"training.genes": list(chosen), "training.max_genes": None}).resolved()
    inputs = read_inputs(tissue, settings, network, told)
    # the same regions for all, as large as the largest radius asks for
    regions = settings.replace({"spatial.radius": wanted[-1], "training.held_out": True}).resolved()
    blocks, folds = hold_out(tissue, regions)

    def plan_with(radius: float, **without: object) -> Plan:
        own = settings.replace({"spatial.radius": radius, **without}).resolved()
        reaches = network.ligand_radii(radius, own.spatial.contact_distance)
        given = replace(inputs, ligand_radii={ligand: r for ligand, r in reaches.items() if r != radius})
        if without:
            given = read_inputs(tissue, own, network, lambda _: None)
        return replace(make_plan(tissue, own, given, told), blocks=blocks, folds=folds)

    r2, seconds = [], []
    for radius in wanted:
        began = time.perf_counter()
        r2.append(held_out_skill(plan_with(radius), chosen).pooled)
        seconds.append(time.perf_counter() - began)
    alone = {"grn.use_lr_modulators": False, "grn.use_tfl_modulators": False}
    plain = held_out_skill(plan_with(wanted[0], **alone), chosen).pooled if settings.grn.use_tf_modulators else None
    found = np.array(r2)
    known = np.isfinite(found).all(axis=0)
    if not known.any():
        raise InputError("no target could be scored: there are too few cells in every cluster and region")
    # without a TF nothing is predicted but the mean, which has R2 0
    without = np.zeros(len(chosen)) if plain is None else np.nan_to_num(plain)
    kept = tuple(chosen[at] for at in np.flatnonzero(known))
    return RadiusStudy(wanted, kept, found[:, known], without[known], tuple(seconds), settings.spatial.radius)


def _checked(radii: Sequence[float], targets: int) -> tuple[float, ...]:
    wanted = tuple(sorted({float(radius) for radius in radii}))
    if not wanted or not all(0.0 < radius < np.inf for radius in wanted):
        raise ConfigError(f"radii = {list(radii)} is not allowed: positive numbers are needed")
    if targets < 1:
        raise ConfigError(f"targets = {targets} is not allowed: at least 1 is needed")
    return wanted


def _sample(tissue: Tissue, settings: RunConfig, network: PriorNetwork, count: int) -> tuple[str, ...]:
    """Return some of the targets that have ligands, in the order of the sample."""
    from spacetravlr.training.inputs import choose_targets, select_modulators

    everything = choose_targets(tissue, settings, lambda _: None)
    modulators = select_modulators(tissue, settings, network, everything)
    able = [gene for gene in everything if modulators[gene].lr_pairs or modulators[gene].tfl_pairs]
    if not able:
        raise InputError("no target has a ligand among its modulators: there is no radius to learn")
    means = tissue.gene_means(able)
    able.sort(key=lambda gene: -means[gene])
    upper = able[: max(count, (len(able) + 1) // 2)]
    rng = np.random.default_rng(np.random.SeedSequence(settings.execution.random_seed, spawn_key=(4,)))
    drawn = {upper[at] for at in rng.permutation(len(upper))[:count]}
    return tuple(gene for gene in everything if gene in drawn)


def _difference(better: NDArray[np.float64], worse: NDArray[np.float64]) -> tuple[float, float]:
    apart = better - worse
    spread = float(apart.std(ddof=1)) / np.sqrt(len(apart)) if len(apart) > 1 else np.inf
    return float(apart.mean()), float(spread) if apart.any() or len(apart) > 1 else 0.0
