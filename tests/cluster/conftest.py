"""A small tissue, a scheduler in this process, and hooks into worker processes, shared by the tests of clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.cluster import ClusterExecutor
from spacetravlr.events import Event, Notice, RunFinished, silent
from spacetravlr.run import Run
from spacetravlr.training import train


def files(directory: Path) -> dict[str, bytes]:
    """Everything that must not depend on who trained: coefficients, markers, logs of targets, stability."""
    kept = (
        p
        for p in directory.rglob("*")
        if (p.suffix in {".feather", ".orphan", ".log"} or p.parent.name == "scores") and p.name != "run.log"
    )
    return {str(p.relative_to(directory)): p.read_bytes() for p in kept}


def single(found: dict[str, bytes], *, but: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The files of single targets, without the tables of all, and without some targets."""
    tables = ("scores.feather", "path.feather")
    return {name: c for name, c in found.items() if name not in tables and not any(gene in name for gene in but)}


def left_overs(directory: Path) -> list[str]:
    """Claims, heartbeats and temporary files, of which a run that has ended leaves none."""
    return [p.name for p in directory.rglob("*") if p.name.startswith(".") or p.suffix == ".lock"]


@dataclass
class Trained:
    """A run, with what its listener was told."""

    path: Path
    events: list[Event]
    run: Run | None

    @property
    def files(self) -> dict[str, bytes]:
        return files(self.path)

    @property
    def single(self) -> dict[str, bytes]:
        return single(self.files)

    @property
    def left_overs(self) -> list[str]:
        return left_overs(self.path)

    def genes(self, *kinds: type[Any]) -> list[str]:
        """The targets that events of some kinds are about, as often as there are events."""
        return sorted(event.gene for event in self.events if isinstance(event, kinds))

    def notices(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Notice)]

    @property
    def finished(self) -> RunFinished:
        last = self.events[-1]
        assert isinstance(last, RunFinished)
        return last


TFS = ("Tf1", "Tf2", "Tf3")
GENES = (*TFS, "Lig1", "Rec1", "T1", "T2", "T3", "T4", "T5", "T6", "Noise", "Lonely")


@pytest.fixture(scope="session")
def cluster_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    targets = [gene for gene in GENES if gene.startswith(("T", "N")) and gene not in TFS]
    rows = [(tf, target, "grn", 1.0, None) for target in targets for tf in TFS]
    rows += [("Lig1", "Rec1", "lr", 1.0, "Secreted Signaling"), ("Lig1", "Tf1", "nichenet", 0.9, None)]
    folder = tmp_path_factory.mktemp("network")
    columns = ["source", "target", "edge_type", "weight", "signaling"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "mouse_network.parquet")
    return folder


@pytest.fixture(scope="session")
def cluster_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 cells of two types; T1 to T6 follow the TFs."""
    rng = np.random.default_rng(11)
    n = 160
    E = {gene: np.exp(rng.normal(0, 0.5, n)) for gene in GENES}
    for k in range(1, 7):
        E[f"T{k}"] = 1.0 + 0.3 * k * E[TFS[k % 3]] + 0.2 * rng.normal(size=n)
    values = np.column_stack([E[gene] for gene in GENES])
    adata = anndata.AnnData(
        X=values,
        obs=pd.DataFrame({"cell_type": np.repeat(["a", "b"], [90, 70])}, index=[f"c{i}" for i in range(n)]),
        var=pd.DataFrame(index=list(GENES)),
        obsm={"spatial": rng.uniform(0, 1000, (n, 2))},
    )
    adata.layers["imputed_count"] = values
    path = tmp_path_factory.mktemp("sample") / "tissue.h5ad"
    adata.write_h5ad(path)
    return path


Go = Callable[..., Trained]


@pytest.fixture(scope="session")
def threads_but(on_threads: dict[str, bytes]) -> Callable[..., dict[str, bytes]]:
    """What threads write for single targets, but for some."""
    return lambda *genes: single(on_threads, but=genes)


@pytest.fixture
def go(cluster_sample: Path, cluster_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """Train the small tissue in blocks of three targets, and remember what was told."""
    from spacetravlr.training import trainer

    monkeypatch.setattr(trainer, "BLOCK", 3)

    def train_it(*, out: Path = tmp_path / "run", heard: Callable[[Event], None] = silent, **options: Any) -> Trained:
        trained = Trained(out, [], None)

        def listen(event: Event) -> None:
            trained.events.append(event)
            heard(event)

        common = {"network_data_dir": str(cluster_network), "n_bootstraps": 4, "executor": ClusterExecutor()}
        trained.run = train(cluster_sample, out, listener=listen, **(common | options))
        return trained

    return train_it


@pytest.fixture(scope="session")
def on_threads(
    cluster_sample: Path, cluster_network: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """What threads of this process write."""
    from spacetravlr.training import trainer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "BLOCK", 3)
        out = tmp_path_factory.mktemp("threads") / "run"
        train(cluster_sample, out, network_data_dir=str(cluster_network), n_bootstraps=4)
    return files(out)


@pytest.fixture
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two workers, all of them in this process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address
