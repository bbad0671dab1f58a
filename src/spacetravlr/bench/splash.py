"""Derivatives of 50 targets by up to 423 modulator genes: the compiled loop, and the tables that users get.

The loop runs on one thread and is compared with filling the memory of the result once, on one thread too; it is larger
than any cache, and the loop writes into the same. The tables are made on all threads and dropped one by one.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from spacetravlr.bench._session import Session
from spacetravlr.bench._text import megabytes, power, seconds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CELLS = (1_000, 10_000, 50_000, 100_000)
_MEMORY = 1 << 30
"""Bytes that results are written to in turn: many times the largest cache."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--cells", type=int, nargs="+", help="numbers of cells (1000 10000 50000 100000)")


def run(session: Session) -> None:
    """Measure each number of cells."""
    options = session.options
    session.dataset = {"recipe": "mock: 468 genes, 50 targets, 13 clusters, 423 modulator genes", "seed": 42}
    for cells in options.cells or ((500,) if options.quick else _CELLS):
        point = {"cells": cells}
        found = session.measure(point)
        if found is None:
            continue
        walls = found.pop("walls")
        result = session.record(point, walls, **found)
        session.say(
            f"  {cells:>7,} cells  {found['targets']} targets  loop {seconds(result['median_s']):>8} = "
            f"{found['writes']:.1f} x filling {megabytes(found['output_mb'])}  "
            f"tables {seconds(found['tables_s']):>8}  {megabytes(found['peak_rss_mb']):>8}  "
            f"error {power(found['error'])}"
        )


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Measure one number of cells.

    Returns
    -------
    ``walls`` of the loop over all targets; ``output_mb``, the size of what it writes; ``write_s`` of filling as much,
    and ``writes``, the ratio of the two; ``tables_s`` of the public tables, to which ``peak_rss_mb`` belongs;
    ``prepare_s`` of laying out the inputs; ``error`` against a plain evaluation of one target.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    from spacetravlr.bench._host import peak_memory_mb
    from spacetravlr.bench._mock import mock_tissue
    from spacetravlr.bench._timing import summary, timed
    from spacetravlr.betas import SplashInputs, SplashPlan, SplashTask, run_splash, splash_batches

    tissue, repeats = mock_tissue(point["cells"]), point["repeats"]
    received = tissue.expression[:, : len(tissue.ligands)] * np.float32(0.5)
    names: dict[str, Any] = {"genes": tissue.genes, "ligands": tissue.ligands}

    def prepare() -> SplashInputs:
        return SplashInputs.prepare(received, received, tissue.expression, **names)

    def tables() -> None:
        for _ in tissue.betas.splash(received, received, tissue.expression, rows=rows, **names):
            pass

    inputs = prepare()
    rows = tissue.betas.rows_for((tissue.labels,), np.arange(point["cells"]).astype(str))
    prepare_s, tables_s = (summary(timed(work, repeats))["median_s"] for work in (prepare, tables))
    peak = peak_memory_mb()
    plans = {target: SplashPlan.build(table, inputs) for target, table in tissue.betas.items()}
    sizes = [len(plan.genes) for plan in plans.values()]
    outputs = _memory(sizes, point["cells"])
    tasks = [
        SplashTask(plan, tissue.betas[target].values, rows[target], out)
        for (target, plan), out in zip(plans.items(), outputs, strict=True)
    ]

    def loop() -> None:
        for batch in splash_batches(sizes, point["cells"]):
            run_splash(tasks[batch], inputs=inputs)

    def write() -> None:
        for out in outputs:
            out.fill(1.0)

    with threadpool_limits(1, user_api="blas"):  # what the package's own threads go by
        walls = timed(loop, repeats)
    write_s = summary(timed(write, repeats))["median_s"]
    return {
        "walls": walls,
        "targets": len(plans),
        "modulator_genes": len(tissue.betas.modulator_genes),
        "output_mb": sum(out.nbytes for out in outputs) / 1024**2,
        "write_s": write_s,
        "writes": summary(walls)["median_s"] / write_s,
        "tables_s": tables_s,
        "prepare_s": prepare_s,
        "peak_rss_mb": peak,
        "error": _error(tissue, received),
    }


def _memory(rows: list[int], cells: int) -> list[NDArray[np.float64]]:
    """Return one array of (rows, cells) for each target, in turn from a memory of limited size."""
    import numpy as np

    sizes = [n * cells for n in rows]
    memory = np.zeros(max(*sizes, min(sum(sizes), _MEMORY // 8)))
    outputs, start = [], 0
    for n, size in zip(rows, sizes, strict=True):
        start = start if start + size <= len(memory) else 0
        outputs.append(memory[start : start + size].reshape(n, cells))
        start += size
    return outputs


def _error(tissue: Any, received: Any) -> float:
    """Return the largest difference from the formulas, written down one term at a time, in the first 200 cells."""
    import numpy as np

    cells = slice(0, 200)
    betas = next(iter(tissue.betas.values()))
    at = {gene: column for column, gene in enumerate(tissue.genes)}
    X = tissue.expression[cells].astype(np.float64)
    R = received[cells].astype(np.float64)
    rows = betas.rows_for((tissue.labels[cells],), np.arange(len(X)).astype(str))
    expected = {gene: np.zeros(len(X)) for gene in betas.modulator_genes}
    for name, beta in zip(betas.modulators, betas.values[rows].T, strict=True):
        if "$" in name:
            ligand, receptor = name.split("$")
            expected[receptor] += beta * R[:, at[ligand]] * (X[:, at[receptor]] > 0)
            expected[ligand] += beta * X[:, at[receptor]]
        elif "#" in name:
            ligand, regulator = name.split("#")
            expected[ligand] += beta * X[:, at[regulator]]
            expected[regulator] += beta * R[:, at[ligand]]
        else:
            expected[name] += beta
    given = {"genes": tissue.genes, "ligands": tissue.ligands, "rows": rows}
    frame = betas.splash(received[cells], received[cells], tissue.expression[cells], **given)
    largest = max(np.abs(column).max() for column in expected.values())
    return float(max(np.abs(frame[f"beta_{gene}"] - column).max() for gene, column in expected.items()) / largest)
