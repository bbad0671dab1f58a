"""A training that is made up: the same events as a real one, on a tissue that does not exist; no file is touched."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from spacetravlr.events import (
    ClusterFitted,
    Event,
    GeneClaimed,
    GeneFailed,
    GeneOrphan,
    GeneSkipped,
    GeneWritten,
    Listener,
    Notice,
    RunFinished,
    RunStarted,
    StageFinished,
    StageStarted,
)
from spacetravlr.tui.dashboard_state import Dashboard
from spacetravlr.tui.train_sample import Picture

_SYMBOLS = (
    "Foxo1", "Pax5", "Irf4", "Bcl6", "Prdm1", "Cd74", "Cd79a", "Cd83", "Aicda", "Ccl21a", "Cxcl13", "Cxcr5", "Ccr7",
    "Il7r", "Tcf7", "Lef1", "Gata3", "Foxp3", "Tbx21", "Eomes", "Nfkb1", "Rel", "Relb", "Stat1", "Stat3", "Myc",
    "Egr1", "Fos", "Jun", "Klf2", "S1pr1", "Ms4a1",
)  # fmt: skip
_TYPES = (
    ("B follicle", 0.28), ("T zone", 0.24), ("germinal centre", 0.14), ("marginal zone", 0.10), ("red pulp", 0.10),
    ("stroma", 0.06), ("macrophage", 0.05), ("plasma cell", 0.03),
)  # fmt: skip
_STAGES = (
    ("sample", 0.7, "18,432 cells, 2,911 genes"),
    ("prior network", 0.6, "17,384 edges, starter network"),
    ("expression", 0.9, "imputed_count, 2,911 columns"),
    ("received ligands", 1.8, "318 ligands, method gridded"),
)
_N_CELLS = 18_432
_BLOCK = 16
_MOST, _DEFAULT = 2000, 320

Ended = Literal["complete", "partial", "stopped"]


@dataclass(frozen=True, slots=True)
class _Plan:
    genes: tuple[str, ...]
    scores: dict[str, tuple[float, float]]
    fates: dict[str, str]


@dataclass
class Demo:
    """A made-up training.

    The fate of a gene and its scores follow from the seed alone: about one in twenty has been done before, one in
    twenty is an orphan, one in fifty fails.

    Parameters
    ----------
    n_genes
        Targets, at most 2,000.
    workers
        Threads.
    seed
        Of everything.
    speed
        How many times faster than a minute or so it goes.
    """

    n_genes: int = _DEFAULT
    workers: int = 4
    seed: int = 0
    speed: float = 1.0
    stop: threading.Event = field(default_factory=threading.Event)
    """Set: no new block is begun."""
    abandon: threading.Event = field(default_factory=threading.Event)
    """Set: the blocks at work are given up."""

    def __post_init__(self) -> None:
        self.n_genes = min(max(1, self.n_genes), _MOST)
        self._telling = threading.Lock()

    def leave(self) -> None:
        """End it at once."""
        self.stop.set()
        self.abandon.set()

    @property
    def genes(self) -> tuple[str, ...]:
        """The targets."""
        rounds = -(-self.n_genes // len(_SYMBOLS))
        names = [name if not turn else f"{name}-{turn + 1}" for turn in range(rounds) for name in _SYMBOLS]
        return tuple(names[: self.n_genes])

    def picture(self) -> Picture:
        """Return the cells."""
        return demo_picture(self.seed)

    def introduce(self, dashboard: Dashboard) -> None:
        """Tell what a real run tells through its files."""
        picture = self.picture()
        sizes = np.bincount(picture.codes, minlength=len(picture.labels))
        dashboard.set_clusters(dict(zip(picture.labels, sizes.tolist(), strict=True)), picture.names)
        dashboard.set_targets(self.genes)

    def run(self, tell: Listener) -> None:
        """Tell the events of the run as time goes by, until its end.

        Parameters
        ----------
        tell
            Receives them, one at a time, on several threads.
        """
        began = time.monotonic()
        tell(Notice("a demonstration: nothing is read and nothing is written"))
        for name, seconds, detail in _STAGES:
            tell(StageStarted(name))
            if self._wait(seconds):
                return
            tell(StageFinished(name, seconds, detail))
        plan = self._plan()
        before = sum(fate == "skipped" for fate in plan.fates.values())
        tell(RunStarted("demo (nothing is written)", _N_CELLS, 2911, len(plan.genes), len(_TYPES), before))
        blocks = iter([plan.genes[at : at + _BLOCK] for at in range(0, len(plan.genes), _BLOCK)])
        counts = {"written": 0, "orphan": 0, "failed": 0, "skipped": 0}
        r2: list[tuple[float, float]] = []
        with ThreadPoolExecutor(self.workers, thread_name_prefix="demo") as pool:
            work = [pool.submit(self._work, blocks, plan, counts, r2, tell) for _ in range(self.workers)]
            for one in work:
                one.result()
        ended: Ended = (
            "stopped" if self.stop.is_set() or self.abandon.is_set() else "partial" if counts["failed"] else "complete"
        )
        r2_in, r2_out = (float(np.median([one[side] for one in r2])) if r2 else math.nan for side in (0, 1))
        seconds = time.monotonic() - began
        tell(RunFinished(ended, **counts, seconds=seconds, median_r2_in=r2_in, median_r2_out=r2_out))

    def _work(
        self,
        blocks: Iterator[Sequence[str]],
        plan: _Plan,
        counts: dict[str, int],
        r2: list[tuple[float, float]],
        tell: Listener,
    ) -> None:
        rng = np.random.default_rng([self.seed, threading.get_ident() % 2**32])
        while not self.stop.is_set():
            with self._telling:
                block = next(blocks, None)
                if block is None:
                    return
                mine = [gene for gene in block if plan.fates[gene] != "skipped"]
                for gene in block:
                    skipped = plan.fates[gene] == "skipped"
                    counts["skipped"] += skipped
                    tell(GeneSkipped(gene, "done") if skipped else GeneClaimed(gene))
            if self._wait(rng.uniform(6.0, 14.0)):
                return
            for gene in mine:
                with self._telling:
                    for event in self._end_of(gene, plan):
                        tell(event)
                    kind = plan.fates[gene]
                    counts[kind] += 1
                    if kind == "written":
                        r2.append(plan.scores[gene])
                if self._wait(0.08):
                    return

    def _end_of(self, gene: str, plan: _Plan) -> Iterator[Event]:
        rng = np.random.default_rng([self.seed, *gene.encode()])
        r2_in, r2_out = plan.scores[gene]
        n_modulators = int(rng.integers(20, 140))
        if plan.fates[gene] == "failed":
            yield GeneFailed(gene, "LinAlgError: the design of cluster stroma is singular")
            return
        if plan.fates[gene] == "orphan":
            yield GeneOrphan(gene, "no score reaches [training].score_threshold = 0.1")
            return
        spread = rng.normal(0.0, 0.12, len(_TYPES))
        for (label, share), shift in zip(_TYPES, spread - spread.mean(), strict=True):
            yield ClusterFitted(gene, label, round(share * _N_CELLS), r2_in + shift, r2_out + shift)
        seconds = float(rng.uniform(0.3, 0.9))
        yield GeneWritten(gene, n_modulators, int(rng.integers(3, n_modulators)), r2_in, r2_out, seconds)

    def _plan(self) -> _Plan:
        genes = self.genes
        rng = np.random.default_rng([self.seed, 1])
        r2_in = rng.beta(2.4, 2.6, len(genes)) * 0.9 + 0.06
        r2_out = r2_in - rng.gamma(2.0, 0.035, len(genes))
        fates = rng.choice(
            ["written", "skipped", "orphan", "failed"], size=len(genes), p=[0.87, 0.055, 0.055, 0.02]
        ).tolist()
        scores = {gene: (float(a), float(b)) for gene, a, b in zip(genes, r2_in, r2_out, strict=True)}
        return _Plan(genes, scores, dict(zip(genes, fates, strict=True)))

    def _wait(self, seconds: float) -> bool:
        return self.abandon.wait(seconds / self.speed)


def demo_picture(seed: int) -> Picture:
    """Return a made-up lymph node: follicles with germinal centres in a T zone, pulp, stroma."""
    rng = np.random.default_rng([seed, 2])
    angle, reach = rng.uniform(0, 2 * np.pi, _N_CELLS), np.sqrt(rng.uniform(0, 1, _N_CELLS))
    xy = np.column_stack([1.35 * reach * np.cos(angle), reach * np.sin(angle)])
    centres = np.column_stack([1.0 * np.cos(np.arange(7) * 2 * np.pi / 7), 0.66 * np.sin(np.arange(7) * 2 * np.pi / 7)])
    far = np.linalg.norm(xy[:, None, :] - centres[None], axis=2).min(axis=1)
    codes = np.select([far < 0.11, far < 0.23, far < 0.28, reach > 0.93, reach > 0.84], [2, 0, 3, 5, 4], default=1)
    lone = rng.uniform(size=_N_CELLS)
    codes = np.where(lone < 0.05, 6, np.where(lone < 0.08, 7, codes)).astype(np.int64)
    return Picture(xy * 1000.0, codes, tuple(label for label, _ in _TYPES), {})


class DemoFiles:
    """Stands in for the files of a run."""

    def __init__(self, picture: Picture) -> None:
        self.picture: Picture | None = picture
        self.trouble = ""

    def start(self) -> None:
        """Do nothing: there is nothing to read."""

    def stop(self) -> None:
        """Do nothing."""
