"""A raw sample whose answer is known: counts, pixels, cell types as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy import sparse

import spacetravlr as stl
from spacetravlr.events import Event, Notice, StageFinished

UM_PER_PIXEL = 0.25


class Told:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def messages(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Notice)]

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Notice) and event.level == "warning"]

    @property
    def done(self) -> dict[str, str]:
        """The steps; reading and writing a file are none."""
        ended = [event for event in self.events if isinstance(event, StageFinished)]
        return {event.stage: event.detail for event in ended if event.stage not in ("reading", "writing")}

    @property
    def ran(self) -> list[str]:
        return [stage for stage, detail in self.done.items() if detail != "done before"]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture(scope="session")
def tissue() -> anndata.AnnData:
    """250 cells, 60 genes; tests must leave it as it is."""
    return stl.datasets.simulated_tissue(n_cells=250, n_genes=60, n_types=3, seed=1, knock_outs=())


@pytest.fixture(scope="session")
def network(tissue: anndata.AnnData) -> stl.PriorNetwork:
    return stl.PriorNetwork.from_frame(tissue.uns["network"], species="mouse")


def make_raw(tissue: anndata.AnnData) -> anndata.AnnData:
    """What an instrument leaves: counts in X, pixels, an annotation; three poor cells and two genes that are hardly seen."""
    counts = np.asarray(tissue.layers["counts"], dtype=np.float32)
    rare = np.zeros((len(counts), 2), dtype=np.float32)
    rare[:2, 0] = 1.0
    whole = np.hstack([counts, rare])
    whole[:3] = 0.0
    whole[0, 0] = 3.0
    obs = tissue.obs[[]].copy()
    obs["annotation"] = tissue.obs["cell_type"].astype(str).to_numpy()
    raw = anndata.AnnData(sparse.csr_matrix(whole), obs=obs)
    raw.var_names = [*tissue.var_names, "Rare1", "Rare2"]
    raw.obsm["spatial"] = np.asarray(tissue.obsm["spatial"]) / UM_PER_PIXEL
    return raw


@pytest.fixture
def raw(tissue: anndata.AnnData) -> anndata.AnnData:
    return make_raw(tissue)


@pytest.fixture(scope="session")
def ready(tissue: anndata.AnnData, network: stl.PriorNetwork) -> anndata.AnnData:
    """The raw sample, prepared; tests must leave it as it is."""
    return stl.pp.prepare(make_raw(tissue), cluster_key="annotation", um_per_unit=UM_PER_PIXEL, network=network)


@pytest.fixture(scope="session")
def same() -> Callable[[anndata.AnnData, anndata.AnnData], None]:
    """Compare two samples bit for bit."""

    def compare(a: anndata.AnnData, b: anndata.AnnData) -> None:
        assert set(a.layers) == set(b.layers)
        for name in a.layers:
            assert _bytes(a.layers[name]) == _bytes(b.layers[name]), name
        assert _bytes(a.X) == _bytes(b.X)
        assert sorted(a.obsm) == sorted(b.obsm)
        for name in a.obsm:
            assert np.asarray(a.obsm[name]).tobytes() == np.asarray(b.obsm[name]).tobytes(), name
        for name in a.obsp:
            assert _bytes(a.obsp[name]) == _bytes(b.obsp[name]), name
        for mine, other in ((a.obs, b.obs), (a.var, b.var)):
            # a file turns texts into categories; numbers as text are exact
            assert mine.astype(str).equals(other.astype(str))

    return compare


def _bytes(matrix: object) -> bytes:
    if sparse.issparse(matrix):
        csr = sparse.csr_matrix(matrix)
        return csr.indptr.tobytes() + csr.indices.tobytes() + csr.data.tobytes()
    return np.asarray(matrix).tobytes()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path
