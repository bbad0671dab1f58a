"""A run of the compiled edition, opened by the viewer."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from json import dumps
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from spacetravlr.viewer import ViewerOptions, create_app
from spacetravlr.viewer._hub import Hub

BASE = "http://127.0.0.1:8080"


@pytest.fixture(scope="session")
def data_root(golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a run, and the networks beside it."""
    root = tmp_path_factory.mktemp("viewer")
    shutil.copytree(golden / "v1_run", root / "run")
    (root / "network").mkdir()
    shutil.copy(golden / "v1_mouse_network.parquet", root / "network" / "mouse_network.parquet")
    return root


@pytest.fixture(scope="session")
def run_options(data_root: Path) -> dict[str, Any]:
    """Settings of a server that shows that run."""
    return {
        "run_toml": data_root / "run" / "spacetravlr_run_repro.toml",
        "network_dir": data_root / "network",
        "layer": "imputed_count",
        "cluster_annot": "cell_type_int",
        "data_roots": (data_root,),
        "cache_dir": data_root / "cache",
    }


@pytest.fixture(scope="session")
def sampled_options(
    data_root: Path, run_options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Settings of a server whose run is about several pieces of tissue (here the cells of each type are one)."""
    root = tmp_path_factory.mktemp("sampled")
    for part in ("run", "network"):
        shutil.copytree(data_root / part, root / part)
    toml = root / "run" / "spacetravlr_run_repro.toml"
    toml.write_text(toml.read_text().replace("[data]\n", '[data]\nsample = "cell_type"\n', 1))
    return {**run_options, "run_toml": toml, "network_dir": root / "network", "data_roots": (root,)}


@pytest.fixture(scope="session")
def sample(data_root: Path) -> dict[str, Any]:
    """What is in the sample of the run."""
    import h5py

    with h5py.File(data_root / "run" / "tissue.h5ad") as file:
        genes = [name.decode() for name in file["var/_index"][:]]
        return {
            "genes": genes,
            "expression": file["layers/imputed_count"][:],
            "xy": file["obsm/spatial"][:],
            "clusters": file["obs/cell_type_int"][:],
            "types": file["obs/cell_type/codes"][:],
        }


@pytest.fixture(scope="session")
def make_client(run_options: dict[str, Any]) -> Iterator[Callable[..., TestClient]]:
    """Return clients of servers; with `run=True` the run is open and its model is loaded."""
    hubs: list[Hub] = []

    def make(*, run: bool = True, base: str = BASE, **changes: Any) -> TestClient:
        plain = {name: value for name, value in run_options.items() if name in ("data_roots", "cache_dir")}
        options = ViewerOptions(**({**run_options, **changes} if run else {**plain, **changes}))
        hub = Hub(options)
        hubs.append(hub)
        hub.begin()
        data = hub.current()
        if data is not None and data.runtime is not None:
            data.runtime.join(60)
            assert data.runtime.state == "ready", data.runtime.message
        return TestClient(create_app(options, hub=hub), base_url=base, raise_server_exceptions=False)

    yield make
    for hub in hubs:
        hub.close()


@pytest.fixture(scope="session")
def client(make_client: Callable[..., TestClient]) -> TestClient:
    """A client of a server that shows the run; tests that change what is open make their own."""
    return make_client()


@pytest.fixture(scope="session")
def hub(client: TestClient) -> Hub:
    """The state of that server."""
    return client.app.state.hub  # type: ignore[attr-defined, no-any-return]


class Server:
    """A server in a process of its own."""

    def __init__(self, options: dict[str, Any]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        plain = {name: _plain(value) for name, value in {**options, "port": self.port}.items()}
        command = [sys.executable, "-m", "spacetravlr.viewer", dumps(plain)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=60.0)
        assert self.process.stdout is not None
        self.greeting = self.process.stdout.readline().strip()

    def wait_for_model(self) -> None:
        """Return when perturbations can be simulated."""
        for _ in range(600):
            if self.client.get("/api/meta").json()["perturb_ready"]:
                return
            time.sleep(0.1)
        raise AssertionError(self.client.get("/api/meta").text)

    def close(self) -> None:
        """Stop it."""
        self.client.close()
        self.process.terminate()
        self.process.communicate(timeout=30)


@pytest.fixture(scope="session")
def server(run_options: dict[str, Any]) -> Iterator[Server]:
    """A running server that shows the run, model loaded."""
    running = Server(run_options)
    try:
        running.wait_for_model()
        yield running
    finally:
        running.close()


@pytest.fixture
def start_server() -> Callable[[dict[str, Any]], Server]:
    """Starts a server in a process of its own; the test closes it."""
    return Server


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [str(one) for one in value]
    return str(value) if isinstance(value, Path) else value
