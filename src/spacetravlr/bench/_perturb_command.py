"""A knock-out by the command as a user types it: from the start of the program to the file it leaves."""

from __future__ import annotations

from pathlib import Path

from spacetravlr.bench._commands import command_of
from spacetravlr.bench._mock import MockTissue
from spacetravlr.bench._session import Session, cost

WHOLE = "whole command"


def time_command(session: Session, tissue: MockTissue, gene: str, *, steps: int) -> None:
    """Time `spacetravlr-perturb --run-toml RUN --gene GENE --out FILE`: reading, what is received, simulating, writing.

    Parameters
    ----------
    session
        The benchmark.
    tissue
        What is written as a sample and a run.
    gene
        Knocked out in all cells.
    steps
        Of the propagation.
    """
    point = {"cells": len(tissue.xy), "variant": WHOLE}
    run, out = write_run(tissue, session.scratch / "whole"), session.scratch / "knock_out.feather"
    what = ["--gene", gene, "--n-propagation", str(steps), "--out", str(out)]
    walls, peaks = [], []
    for repeat in range(0 if session.options.quick else -1, session.repeats):
        done = session.program([*command_of("spacetravlr-perturb"), "--run-toml", str(run), *what])
        if done.returncode:
            session.fail(point, done)
            return
        if repeat >= 0:
            walls.append(done.wall_s)
            peaks.append(done.peak_rss_mb or float("nan"))
    result = session.record(point, walls, peak_rss_mb=max(peaks), file_mb=out.stat().st_size / 1e6)
    session.say(f"  {point['cells']:>9,} cells  {WHOLE}  {cost(result)}  a file of {result['file_mb']:.0f} MB")


def write_run(tissue: MockTissue, folder: Path) -> Path:
    """Write a sample and a finished run of it; return the run directory."""
    import anndata
    import pandas as pd

    from spacetravlr.config import RunConfig
    from spacetravlr.run import RunDirectory

    folder.mkdir(parents=True)
    names = [f"cell{number}" for number in range(len(tissue.xy))]
    adata = anndata.AnnData(
        obs=pd.DataFrame({"cell_type": tissue.labels}, index=names),
        var=pd.DataFrame(index=list(tissue.genes)),
        obsm={"spatial": tissue.xy},
        layers={"imputed_count": tissue.expression},
    )
    adata.write_h5ad(folder / "sample.h5ad")
    settings = {"data.adata_path": str(folder / "sample.h5ad"), "data.cluster_annot": "cell_type"}
    directory = RunDirectory.create(folder / "run", RunConfig.from_flat(settings))
    for table in tissue.betas.values():
        directory.write_betas(table)
    return directory.path
