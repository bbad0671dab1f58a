"""A small tissue with a known relation or two and its network, and runs that several files of tests look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from spacetravlr.events import Event, GeneWritten, Notice
from spacetravlr.run import Run

GENES = ("Tf1", "Tf2", "Tf3", "Lig1", "Lig2", "Rec1", "Rec2", "T1", "T2", "T3", "T4", "Noise", "Lonely")


@pytest.fixture(scope="session")
def network() -> pd.DataFrame:
    grn = [(tf, target) for target in ("T1", "T2", "T3", "T4", "Noise") for tf in ("Tf1", "Tf2", "Tf3")]
    rows = [(tf, target, "grn", 1.0, None) for tf, target in grn]
    rows += [("Lig1", "Rec1", "lr", 1.0, "Secreted Signaling"), ("Lig2", "Rec2", "lr", 1.0, "Cell-Cell Contact")]
    rows += [("Lig1", "Tf1", "nichenet", 0.9, None), ("Lig2", "Tf2", "nichenet", 0.8, None)]
    return pd.DataFrame(rows, columns=["source", "target", "edge_type", "weight", "signaling"])


@pytest.fixture(scope="session")
def network_dir(network: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    network.to_parquet(folder / "mouse_network.parquet")
    return folder


@pytest.fixture(scope="session")
def tissue_data() -> anndata.AnnData:
    """260 cells of three types: T1 follows Tf1, T2 follows Lig1 x Rec1, T3 is Tf2 minus Tf3 in type 1 only."""
    rng = np.random.default_rng(7)
    n = 260
    xy = rng.uniform(0, 1000, (n, 2))
    cluster = np.repeat([0, 1, 2], [120, 110, 30])
    E = {gene: np.exp(rng.normal(0, 0.5, n)) for gene in GENES}
    d2 = ((xy[:, None] - xy[None]) ** 2).sum(axis=-1)
    received = np.exp(-d2 / (2 * 200.0**2)) @ E["Lig1"] / n
    E["T1"] = 1.0 + 0.8 * E["Tf1"] + 0.2 * rng.normal(size=n)
    E["T2"] = 1.0 + 20.0 * received * E["Rec1"] + 0.2 * rng.normal(size=n)
    E["T3"] = 2.0 + np.where(cluster == 1, 0.9 * E["Tf2"] - 0.7 * E["Tf3"], 0.0) + 0.2 * rng.normal(size=n)
    E["T4"] = 0.5 + 0.5 * E["Tf2"] + 0.3 * rng.normal(size=n)
    values = np.column_stack([E[gene] for gene in GENES])
    adata = anndata.AnnData(
        X=values,
        obs=pd.DataFrame(
            {"cell_type_int": cluster, "cell_type": np.array(["a", "b", "c"])[cluster]},
            index=[f"c{i}" for i in range(n)],
        ),
        var=pd.DataFrame(index=list(GENES)),
        obsm={"spatial": xy},
    )
    adata.layers["imputed_count"] = values
    return adata


@pytest.fixture(scope="session")
def h5ad(tissue_data: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "tissue.h5ad"
    tissue_data.write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def varied(tissue_data: anndata.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tissue, but what Tf2 does to T4 grows from left to right."""
    adata = tissue_data.copy()
    E = pd.DataFrame(adata.X, columns=adata.var_names)
    x = adata.obsm["spatial"][:, 0] / 1000
    noise = np.random.default_rng(11).normal(size=len(E))
    E["T4"] = 3.0 + x * (2.0 + 4.0 * (E["Tf2"] - E["Tf2"].mean())) + 0.15 * noise
    adata.X = adata.layers["imputed_count"] = np.maximum(E.to_numpy(), 0.0)
    path = tmp_path_factory.mktemp("varied") / "tissue.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def settings(network_dir: Path) -> dict[str, Any]:
    """Settings of the runs with networks."""
    return {
        "n_parallel": 1,
        "n_bootstraps": 2,
        "random_seed": 1,
        "diagnostics": False,
        "genes": ["T1", "T2", "T3", "T4", "Noise", "Lonely"],
        "network_data_dir": str(network_dir),
    }


@pytest.fixture(scope="session")
def seed(varied: Path, settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the tissue whose relation varies, without networks."""
    from spacetravlr.training import train

    return train(varied, tmp_path_factory.mktemp("seed") / "run", **settings)


@pytest.fixture(scope="session")
def full(varied: Path, settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same with networks."""
    from spacetravlr.training import train

    return train(varied, tmp_path_factory.mktemp("full") / "run", mode="full", save_cnn_weights=True, **settings)


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """What a run with networks has written of its targets."""

    def read(directory: Path) -> dict[str, bytes]:
        kept = (
            path
            for path in directory.rglob("*")
            if path.suffix in {".feather", ".orphan", ".log", ".npz", ".json"}
            and path.name not in {"run.log", "run_manifest.json"}
            and not path.name.startswith(".")
        )
        return {str(path.relative_to(directory)): path.read_bytes() for path in kept}

    return read


class Told(list[Event]):
    """Events, and what to do when one of a kind arrives."""

    def __init__(self, react: Callable[[Event], None] | None = None) -> None:
        super().__init__()
        self._react = react

    def __call__(self, event: Event) -> None:
        self.append(event)
        if self._react is not None:
            self._react(event)

    def notices(self) -> list[str]:
        return [event.message for event in self if isinstance(event, Notice) and "waiting" in event.message]


class Steady:
    """One small run, what comes of it if nothing happens, and how to begin it again."""

    n_targets = 36
    block = 4
    settings: Mapping[str, Any] = {"random_seed": 1, "n_parallel": 1, "n_bootstraps": 2, "stale_lock_secs": 120}
    tables = ("scores.feather", "path.feather")
    """Made of what is finished whenever a process concludes; what they hold in between is a part of the whole."""
    Told = Told

    def __init__(self, sample: dict[str, str]) -> None:
        self.sample = sample
        self.undisturbed: dict[str, bytes] = {}
        self.path = Path()

    def in_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make blocks small, so that there are several."""
        from spacetravlr.training import trainer

        monkeypatch.setattr(trainer, "BLOCK", self.block)

    def train(self, out: Path, **more: object) -> Run:
        """Train in this process."""
        from spacetravlr.training import train

        return train(self.sample["h5ad"], out, network_data_dir=self.sample["network"], **{**self.settings, **more})

    def results(self, directory: Path, *, tables: bool = True) -> dict[str, bytes]:
        """What must not depend on how a run came about, and what a reader may look at at any time."""
        found = {}
        for path in directory.rglob("*"):
            wanted = path.suffix in {".feather", ".orphan", ".log"} or path.parent.name == "scores"
            if wanted and path.name[0] != "." and path.name != "run.log" and (tables or path.name not in self.tables):
                found[str(path.relative_to(directory))] = path.read_bytes()
        return found

    def finished(self, directory: Path) -> list[str]:
        """Names of the files that say that a target is done."""
        names = [path.name for path in directory.iterdir()] if directory.exists() else []
        return [name for name in names if name.endswith(("_betadata.feather", ".orphan")) and name[0] != "."]

    def everything_in(self, directory: Path) -> set[str]:
        """Names of all files below a directory."""
        return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def _steady_sample(folder: Path) -> dict[str, str]:
    """150 cells in two clusters, 36 targets of three TFs and a pair, some of them without a model."""
    rng = np.random.default_rng(3)
    n = 150
    tfs, targets = [f"Tf{i}" for i in range(4)], [f"T{i}" for i in range(Steady.n_targets - 4)]
    genes = [*tfs, "Lig", "Rec", *targets]
    E = pd.DataFrame(np.exp(rng.normal(0.0, 0.5, (n, len(genes)))), columns=genes)
    for number, gene in enumerate(targets):
        if number % 5:
            E[gene] = 0.3 * E[gene] + E[tfs[number % 4]]
    obs = pd.DataFrame({"cell_type": np.repeat(["a", "b"], [80, 70])}, index=[f"c{i}" for i in range(n)])
    adata = anndata.AnnData(X=E.to_numpy(), obs=obs, var=pd.DataFrame(index=genes))
    adata.obsm["spatial"] = rng.uniform(0, 1000, (n, 2))
    adata.layers["imputed_count"] = adata.X
    adata.write_h5ad(folder / "tissue.h5ad")
    rows = [(tf, target, "grn", 1.0) for target in [*targets, *tfs] for tf in tfs if tf != target]
    rows += [("Lig", "Rec", "lr", 1.0), ("Lig", "Tf0", "nichenet", 0.9)]
    network = pd.DataFrame(rows, columns=["source", "target", "edge_type", "weight"])
    network.to_parquet(folder / "mouse_network.parquet")
    return {"h5ad": str(folder / "tissue.h5ad"), "network": str(folder)}


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Steady:
    """A run that other tests disturb, undisturbed."""
    bench = Steady(_steady_sample(tmp_path_factory.mktemp("steady")))
    with pytest.MonkeyPatch.context() as monkeypatch:
        bench.in_blocks(monkeypatch)
        run = bench.train(tmp_path_factory.mktemp("undisturbed") / "run")
    found = bench.undisturbed = bench.results(run.path)
    bench.path = run.path
    assert len(run.genes) > 15
    assert len(run.orphans) > 5
    for gene in run.genes:
        assert f"stability/{gene}.feather" in found
    for gene in (*run.genes, *run.orphans):
        assert f"scores/{gene}.json" in found
    assert found.keys() >= set(bench.tables)
    return bench


@pytest.fixture
def begun(steady: Steady, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was stopped when the first targets had coefficients; the last ones are free."""
    from spacetravlr.training import StopRequest

    steady.in_blocks(monkeypatch)
    stop = StopRequest()
    written = Told(lambda e: stop.finish.set() if isinstance(e, GeneWritten) else None)
    steady.train(tmp_path / "run", stop=stop, listener=written)
    assert len(steady.finished(tmp_path / "run")) in range(steady.block, steady.n_targets)
    return tmp_path / "run"
