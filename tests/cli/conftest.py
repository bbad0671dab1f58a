"""A small tissue of genes of the starter network, a run trained on it, and processes to run commands in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.prior import PriorNetwork

PROGRAMS = {
    "spacetravlr": "main",
    "spacetravlr-perturb": "perturb",
    "spatial_viewer": "spatial_viewer",
    "spacetravlr-mcp": "mcp",
}


_CHILD = """
import fcntl, os, signal, sys, termios
# Ctrl-C works even if whoever runs the tests ignores it
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in filter(None, os.environ.get("IGNORED", "").split(",")):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
for name in filter(None, os.environ.get("WITHOUT", "").split(",")):
    sys.modules[name] = None
if os.isatty(0) and os.getsid(0) == os.getpid():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from spacetravlr.cli.{module} import run
sys.exit(run())
"""


def command(program: str, *arguments: object) -> list[str]:
    """A command line that runs a program as its entry point does, installed or not."""
    return [sys.executable, "-c", _CHILD.format(module=PROGRAMS[program]), *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    """One thread, no colours, the starter network, and no settings of whoever runs the tests."""
    drop = ("SPACETRAVLR_DATA_DIR", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    return {**kept, **threads, "TERM": "xterm", "COLUMNS": "100", **more}


@pytest.fixture(scope="session")
def spawn() -> Callable[..., subprocess.Popen[Any]]:
    """Start a program: arguments, keywords of Popen, and `more` for its environment."""

    def begin(program: str, *arguments: object, more: dict[str, str], **keywords: Any) -> subprocess.Popen[Any]:
        return subprocess.Popen(command(program, *arguments), env=environment(**more), **keywords)

    return begin


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run a program to its end in a process of its own."""

    def run(program: str, *arguments: object, cwd: Path | None = None, **more: str) -> Ended:
        done = subprocess.run(
            command(program, *arguments),
            cwd=cwd,
            env=environment(**more),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


def tissue(n_cells: int, n_genes: int) -> anndata.AnnData:
    """Genes of the starter network; those that none of their TFs depends on follow two of their TFs."""
    edges = PriorNetwork.starter("mouse").edges
    grn = edges[edges.edge_type == "grn"]
    first = [*grn.target[: 3 * n_genes : 3], *grn.source, *edges.source[edges.edge_type == "lr"]]
    genes = sorted([*dict.fromkeys([*first, *edges.source, *edges.target])][:n_genes])
    tfs = {gene: [tf for tf in dict.fromkeys(grn.source[grn.target == gene]) if tf in genes] for gene in genes}
    rng = np.random.default_rng(5)
    values = {gene: np.exp(rng.normal(0.5, 0.5, n_cells)) for gene in genes}
    own = {gene: value.copy() for gene, value in values.items()}
    for gene, sources in tfs.items():
        if sources:
            values[gene] = 0.3 * own[gene] + sum(own[tf] for tf in sources[:2])
    X = np.column_stack([values[gene] for gene in genes])
    half = n_cells // 2
    obs = pd.DataFrame(
        {"cell_type": np.repeat(["B cell", "fibroblast"], [half, n_cells - half])},
        index=[f"cell{number}" for number in range(n_cells)],
    )
    xy = rng.uniform(0, 800, (n_cells, 2))
    adata = anndata.AnnData(X=X, obs=obs, var=pd.DataFrame(index=genes), obsm={"spatial": xy})
    adata.layers["imputed_count"] = X
    return adata


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 cells, 40 genes: trained in a second."""
    path = tmp_path_factory.mktemp("sample") / "small.h5ad"
    tissue(150, 40).write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def long_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough genes for several blocks, so that a run can be stopped between them."""
    path = tmp_path_factory.mktemp("sample") / "long.h5ad"
    tissue(150, 330).write_h5ad(path)
    return path


@dataclass(frozen=True)
class Trained:
    directory: Path
    ended: Ended
    sample: Path

    @property
    def toml(self) -> Path:
        return self.directory / "spacetravlr_run_repro.toml"


@pytest.fixture(scope="session")
def trained(cli: Cli, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run; tests must leave it as it is."""
    place = tmp_path_factory.mktemp("runs")
    ended = cli(
        "spacetravlr", "--h5ad", sample, "--output-dir", "my run", "--parallel", 1, "--max-ligands", 30, cwd=place
    )
    return Trained(place / "my run", ended, sample)


@pytest.fixture(scope="session")
def locks() -> Callable[[Path], list[str]]:
    """Tell the claims and heartbeats that are in a run directory."""

    def find(directory: Path) -> list[str]:
        return [path.name for path in directory.iterdir() if path.suffix == ".lock" or path.name[:10] == ".heartbeat"]

    return find
