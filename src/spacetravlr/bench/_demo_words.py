"""The demo's tables and sentences, the same on the terminal and in the report."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacetravlr.bench._text import decimal, table

_EDGES = {"TF": "TF -> gene", "LR": "ligand-receptor -> gene", "TFL": "ligand-TF -> gene"}
_WIDTH = 96
Numbers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts with sentences that say how to read it."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return it for the terminal."""
        return [*table(self.headers, self.rows), *(f"  {note}" for note in self.notes)]


def edge_table(edges: Numbers) -> Table:
    """Return how well the edges were found."""
    rows = tuple(
        (
            _EDGES[kind],
            f"{one['n_true']:,}",
            f"{one['n_candidates']:,}",
            decimal(one["auprc"]),
            decimal(one["auprc_shuffled"]),
            decimal(one["base_rate"]),
            f"{100 * one['sign']:.0f} %",
        )
        for kind, one in edges.items()
    )
    return Table(
        ("edges", "true", "offered", "AUPRC", "shuffled", "chance", "right sign"),
        rows,
        (
            "AUPRC: 1 = every true edge is ranked before every false one; chance = a random ranking.",
            "shuffled: the same after the cells were moved to random places. What the ligands add by",
            "where they are is the difference; the rest of a ligand's score is its receptor or TF.",
            "right sign: of all true edges; one that was not found counts as wrong.",
        ),
    )


def knock_out_table(knock_outs: Numbers) -> Table:
    """Return how well the knock-outs were predicted."""
    rows = []
    for gene, one in knock_outs.items():
        for label, score in ((f"{gene} ({one['role']})", one), ("  shuffled", one["shuffled"])):
            rows.append(
                (
                    label,
                    f"{score['n_affected']} of {score['n_genes']}" if score is one else "",
                    f"{100 * score['sign']:.0f} %",
                    decimal(score["r"]),
                    decimal(score["auroc"]),
                    decimal(score["size"]),
                )
            )
    return Table(
        ("knocked out", "genes affected", "right sign", "r", "AUROC", "size"),
        tuple(rows),
        (
            "right sign: of the changes above 0.1 sd (a coin: 50 %). r: predicted with true change",
            "(knowing nothing: 0). AUROC: are the affected genes those predicted to change (a coin: 0.5).",
            "size: predicted over true change, root mean square (right: 1).",
        ),
    )


def weak_points(numbers: Numbers) -> tuple[str, ...]:
    """Return what a reader should not conclude from this."""
    lr, tfl, training = numbers["edges"]["LR"], numbers["edges"]["TFL"], numbers["training"]
    steps = next(iter(numbers["knock_outs"].values()))["n_propagation"]
    return (
        "Ligands are hard: neighbours receive nearly the same of them, so that a ligand is easily taken for its "
        f"receptor. Of the AUPRC of {decimal(lr['auprc'])}, {decimal(lr['auprc_shuffled'])} is there without any "
        "positions.",
        f"Ligand-TF edges are the weakest: AUPRC {decimal(tfl['auprc'])}, {decimal(tfl['auprc_shuffled'])} without "
        f"positions, {decimal(tfl['base_rate'])} by chance. Do not rest a conclusion on one of them.",
        f"A model is no proof of regulation: {training['unregulated']} of the genes are regulated by nothing, and "
        f"{training['unregulated_written']} of these got a model all the same, since genes share what varies in space.",
        f"A knock-out is carried through {steps} steps, and each adds up the errors of wrong edges.",
        "These are simulated data with exact expression. Counts, imputation and a network of another tissue make "
        "everything worse.",
    )


def file_list(knock_outs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return names and meanings of the files of a demo."""
    return (
        ("report.html", "this comparison with pictures; opens without a network"),
        ("demo.json", "all numbers"),
        ("tissue.h5ad", 'the tissue; the answer key is in uns["truth"]'),
        ("network/mouse_network.parquet", "the network that the model was given"),
        ("spaceship_config.toml", "the settings"),
        ("run/", "coefficients, stability and log of every gene"),
        *((f"ko_{gene}.feather", f"expression without {gene}, cells x genes") for gene in knock_outs),
        ("run_shuffled/", "the run on shuffled cells, for comparison"),
    )


def next_steps(out: Path, gene: str) -> tuple[str, ...]:
    """Return commands to go on with."""
    python = f"import spacetravlr as stl; print(stl.Run.open({str(out / 'run')!r}).perturb({{{gene!r}: 0.0}}).top(10))"
    toml = shlex.quote(str(out / "run" / "spacetravlr_run_repro.toml"))
    return (
        f"spacetravlr-perturb --run-toml {toml} --gene {gene} --out {gene}.feather --top 10",
        f'python -c "{python}"',
        "spacetravlr demo --seed 1 --out another_demo",
        "spacetravlr --h5ad my_sample.h5ad --output-dir my_run",
    )


def summary_lines(numbers: Numbers, out: Path, files: Sequence[tuple[str, str]], steps: Sequence[str]) -> list[str]:
    """Return what is said at the end."""
    training = numbers["training"]
    width = max(len(name) for name, _ in files)
    return [
        "",
        f"{training['written']} of {training['targets']} genes got a model; the others could not be predicted in "
        "cells that were held out.",
        f"Median R2 {decimal(training['r2_in_median'])} in the cells a model was fitted to, "
        f"{decimal(training['r2_out_median'])} in held-out blocks of tissue.",
        "",
        "Were the true edges found?",
        *edge_table(numbers["edges"]).lines(),
        "",
        "Were the knock-outs predicted?",
        *knock_out_table(numbers["knock_outs"]).lines(),
        "",
        "What is weak",
        *(line for point in weak_points(numbers) for line in _wrapped(point)),
        "",
        f"Files in {out}",
        *(f"  {name:<{width}}  {what}" for name, what in files),
        "",
        "Next",
        *(f"  {step}" for step in steps),
    ]


def _wrapped(point: str) -> list[str]:
    return textwrap.wrap(point, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
