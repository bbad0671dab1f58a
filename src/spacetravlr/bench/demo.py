"""`spacetravlr demo`: simulate a tissue, train, knock out, and compare everything with the known answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacetravlr.errors import InputError, NothingWrittenError, RunDirectoryError, SettingsChangedError
from spacetravlr.events import Listener

if TYPE_CHECKING:
    from anndata import AnnData

    from spacetravlr.bench._demo_scores import KnockOut
    from spacetravlr.bench._demo_tissue import DemoInput
    from spacetravlr.run import Run

Say = Callable[[str], None]
_SHUFFLE_KEY = 1


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Where the demo's results are.

    Attributes
    ----------
    out
        The directory.
    report, record
        ``report.html``, and ``demo.json`` with all numbers.
    run
        The training directory.
    effects
        Knocked-out gene -> simulated expression (feather).
    numbers
        What ``demo.json`` holds.
    """

    out: Path
    report: Path
    record: Path
    run: Path
    effects: dict[str, Path]
    numbers: dict[str, Any]


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    n_cells: int = 2000,
    n_genes: int = 200,
    say: Say,
    listener: Listener | None = None,
) -> DemoResult:
    """Simulate a tissue, train on it, knock out a TF and a ligand, and compare with the truth.

    A directory that holds the demo of the same tissue is continued: what was trained is kept, the rest is made again,
    with the same numbers. Half a minute for the default size, longer the first time (compiling).

    Parameters
    ----------
    out
        Where everything is written; made if it is not there.
    seed, n_cells, n_genes
        The tissue.
    say
        Called with each line for the reader.
    listener
        Receives the events of both trainings.

    Returns
    -------
    The files and all numbers.

    Raises
    ------
    RunDirectoryError
        If the directory holds another demo or something else, or cannot be written.
    InputError
        If a size is out of range.
    NothingWrittenError
        If the tissue is too small to learn from.
    """
    from spacetravlr.bench._demo_scores import choose_knock_outs, knock_out
    from spacetravlr.bench._demo_tissue import prepare_input

    clock = _Clock()
    out = out.expanduser().absolute()
    say(f"A tissue with a known answer: {n_cells:,} cells, {n_genes} genes, seed {seed}")
    given = prepare_input(out, seed=seed, n_cells=n_cells, n_genes=n_genes)
    say(f"  {'found' if given.continued else 'simulated'} in {clock.lap('tissue'):.1f} s")
    run = _train(given.tissue, out / "run", given, listener)
    say(f"  {'training continued' if given.continued else 'trained'} in {clock.lap('training'):.1f} s")
    null = _train(_shuffled(given.adata, seed), out / "run_shuffled", given, listener)
    say(f"  the same with the cells shuffled, to compare with, in {clock.lap('training_shuffled'):.1f} s")
    chosen = choose_knock_outs(given.adata)
    effects = [knock_out(run, given.adata, gene, role) for gene, role in chosen.items()]
    nulls = [knock_out(null, given.adata, gene, role) for gene, role in chosen.items()]
    say(f"  knocked out {' and '.join(chosen)} in {clock.lap('knock_outs'):.1f} s")
    numbers = _numbers(given.adata, run, null, effects, nulls)
    clock.lap("comparison")
    return _write(out, given.adata, numbers, effects, clock=clock, say=say)


class _Clock:
    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> float:
        now = time.perf_counter()
        self.times[name], self._last = now - self._last, now
        return self.times[name]


def _train(sample: Any, out: Path, given: DemoInput, listener: Listener | None) -> Run:
    from spacetravlr.tl import train

    try:
        return train(sample, out=out, config=given.config, listener=listener)
    except SettingsChangedError as error:
        raise RunDirectoryError(
            f"{out} was trained with other settings, perhaps by another version of this program: name another "
            "directory with --out, or remove this one"
        ) from error
    except (NothingWrittenError, InputError) as error:
        # the sample is our own: what is wrong with it can only be its size
        raise NothingWrittenError(
            f"nothing can be learned from {given.adata.n_obs} cells: use more of them (--cells), and another directory "
            "with --out"
        ) from error


def _shuffled(adata: AnnData, seed: int) -> AnnData:
    """Return the tissue with its cells at each other's places."""
    import numpy as np

    copy = adata.copy()
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SHUFFLE_KEY,)))
    copy.obsm["spatial"] = np.asarray(adata.obsm["spatial"])[rng.permutation(adata.n_obs)]
    return copy


def _numbers(adata: AnnData, run: Run, null: Run, effects: list[KnockOut], nulls: list[KnockOut]) -> dict[str, Any]:
    from spacetravlr.bench._demo_scores import knock_out_facts, score_edges, training_facts
    from spacetravlr.bench._host import versions
    from spacetravlr.datasets import content_hash

    truth = adata.uns["truth"]
    edges, chance = score_edges(run, adata), score_edges(null, adata)
    return {
        "schema": "spacetravlr-demo/1",
        "tissue": {
            "n_cells": adata.n_obs,
            "n_genes": adata.n_vars,
            "n_types": int(truth["parameters"]["n_types"]),
            "seed": int(truth["seed"]),
            "false_prior": float(truth["parameters"]["false_prior"]),
            "sha256": content_hash(adata),
        },
        "training": training_facts(run, adata),
        "training_shuffled": training_facts(null, adata),
        "edges": {kind: {**asdict(one), "auprc_shuffled": chance[kind].auprc} for kind, one in edges.items()},
        "knock_outs": {
            one.gene: {**knock_out_facts(one), "shuffled": asdict(other.recovery)}
            for one, other in zip(effects, nulls, strict=True)
        },
        "versions": versions(),
    }


def _write(
    out: Path, adata: AnnData, numbers: dict[str, Any], effects: list[KnockOut], *, clock: _Clock, say: Say
) -> DemoResult:
    from spacetravlr.atomic import write_text
    from spacetravlr.bench import _demo_words as words
    from spacetravlr.bench._demo_report import report_html
    from spacetravlr.bench._text import to_json

    written = {one.gene: one.effect.write(out / f"ko_{one.gene}.feather") for one in effects}
    files, steps = words.file_list(list(written)), words.next_steps(out, effects[0].gene)
    report, record = out / "report.html", out / "demo.json"
    write_text(report, report_html(numbers, adata, effects, files=files, steps=steps))
    clock.lap("report")
    numbers["timings"] = {name: round(value, 3) for name, value in clock.times.items()}
    write_text(record, to_json(numbers))
    for line in words.summary_lines(numbers, out, files, steps):
        say(line)
    return DemoResult(out, report, record, out / "run", written, numbers)
