"""What the server is started with: wrong commands are refused, and data that are not there can come later."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

PLAIN = "import sys; from spacetravlr.cli.mcp import run; sys.exit(run())"


@pytest.fixture
def place(golden: Path, tmp_path: Path) -> Path:
    """A directory with a run and its network."""
    shutil.copytree(golden / "v1_run", tmp_path / "run")
    (tmp_path / "network").mkdir()
    shutil.copy(golden / "v1_mouse_network.parquet", tmp_path / "network" / "mouse_network.parquet")
    return tmp_path


def flags_of(place: Path) -> list[str]:
    toml = str(place / "run" / "spacetravlr_run_repro.toml")
    return ["--run-toml", toml, "--network-dir", str(place / "network"), "--cluster-annot", "cell_type_int"]


def test_a_run_that_is_not_there_yet_is_opened_when_it_is(stdio_client: Any, place: Path) -> None:
    (place / "run").rename(place / "elsewhere")
    with stdio_client(flags_of(place), place) as client:
        for tool in ("describe_dataset", "show_spatial_viewer"):
            said = client.error(tool)
            assert "nothing is open: --run-toml spacetravlr_run_repro.toml: no such file or directory" in said
            assert "call show_spatial_viewer" in said
            assert str(place) not in said
        assert "nothing is open: --run-toml" in client.error(
            "perturb", targets=[{"gene": "Sox9"}], scope={"type": "all"}
        )
        (place / "elsewhere").rename(place / "run")
        assert client.data("show_spatial_viewer")["dataset"]["run"]["genes"] == 14
        assert client.data("perturb", targets=[{"gene": "Sox9"}], scope={"type": "all"})["genes_changed"]


def test_where_a_sample_is_damaged_another_one_can_be_opened(stdio_client: Any, place: Path) -> None:
    (place / "run" / "broken.h5ad").write_bytes(b"no sample")
    with stdio_client(["--h5ad", str(place / "run" / "broken.h5ad")], place) as client:
        said = client.error("list_genes")
        assert "nothing is open: " in said
        assert "broken.h5ad" in said
        assert "it may open: " in client.error("show_spatial_viewer", adata_path="/etc/hostname")
        found = client.data("show_spatial_viewer", run_toml=".", cluster_annot="cell_type_int")
        assert found["dataset"]["run"]["genes"] == 14
        assert client.data("list_genes", limit=1)["total"] > 14
        # what could not be opened is not in the way of what is
        assert client.data("show_spatial_viewer")["dataset"]["title"] == "tissue"


def test_one_client_opening_something_opens_nothing_for_others(
    http_started: Callable[..., Any], new_client: Any, place: Path
) -> None:
    (place / "run" / "broken.h5ad").write_bytes(b"no sample")
    server = http_started("--h5ad", str(place / "run" / "broken.h5ad"), XDG_CACHE_HOME=str(place / "cache"))
    with new_client(server) as one, new_client(server) as other:
        one.data("show_spatial_viewer", adata_path="tissue.h5ad", layer="X", cluster_annot="cell_type_int")
        assert "nothing is open: " in other.error("describe_dataset")
        assert one.data("describe_dataset")["layer"] == "X"


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--http", "--run-toml", "nowhere"], 1, "Error: --run-toml nowhere: no such file or directory\n"),
        (["--http", "--port", "0", "--data-root", "nowhere"], 1, "Error: --data-root nowhere: no such directory\n"),
        (["--data-root", "nowhere"], 1, "Error: --data-root nowhere: no such directory\n"),
        (["--http", "--port", "70000"], 2, "Error: --port 70000: ports go from 0 to 65535\n"),
        (["--port", "1"], 2, "Error: --port goes together with --http\n"),
        (["--workers", "0"], 2, "Error: --workers must be at least 1, not 0\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_is_refused_in_one_line(
    flags: list[str], code: int, said: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    from spacetravlr.cli.mcp import run

    monkeypatch.chdir(tmp_path)
    assert run(flags) == code
    assert capsys.readouterr().err == said


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_who_types_a_wrong_path_is_told_at_once(tmp_path: Path) -> None:
    import pty

    keyboard, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", PLAIN, "--run-toml", "nowhere"],
            cwd=tmp_path, stdin=terminal, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert (done.returncode, done.stderr) == (1, "Error: --run-toml nowhere: no such file or directory\n")
