"""Writing a prepared file: as anndata writes it, and if the disk is full one line and no file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest

from spacetravlr.preparation import write_ready

_CHILD = """
import resource, sys
from pathlib import Path
import anndata, numpy as np
from spacetravlr.errors import RunDirectoryError
from spacetravlr.preparation import write_ready
adata = anndata.AnnData(np.random.default_rng(0).normal(size=(500, 1000)), layers={"a": np.ones((500, 1000))})
adata.uns["more"] = {"a": np.ones(10), "b": {"c": "text"}}
for most in (3_000_000, 300_000, 20_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, 3_000_000))
    try:
        write_ready(adata, Path(sys.argv[1]))
    except RunDirectoryError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit there")
def test_one_line_and_no_file(tmp_path: Path):
    target = tmp_path / "ready.h5ad"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CHILD, target], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 3 * f"cannot write {target}: File too large\n"
    assert list(tmp_path.iterdir()) == []


def tree(path: Path) -> dict[str, tuple[object, ...]]:
    """Everything in an HDF5 file: attributes, and of data the type, the filter and the bytes."""
    found = {}

    def visit(name: str, node: h5py.Group | h5py.Dataset) -> None:
        attributes = {key: str(value) for key, value in node.attrs.items()}
        data = (str(node.dtype), node.compression, np.asarray(node[()]).tolist()) if hasattr(node, "dtype") else ()
        found[name] = (attributes, *map(str, data))

    with h5py.File(path) as handle:
        visit("/", handle)
        handle.visititems(visit)
    return found


def test_a_file_is_what_anndata_writes(ready: anndata.AnnData, tmp_path: Path):
    copy = ready.copy()
    copy.obs["text"] = ["a", "b"] * (copy.n_obs // 2) + ["c"]
    write_ready(copy, tmp_path / "mine.h5ad")
    ready_again = ready.copy()
    ready_again.obs["text"] = ["a", "b"] * (copy.n_obs // 2) + ["c"]
    ready_again.write_h5ad(tmp_path / "theirs.h5ad", compression="lzf")
    assert tree(tmp_path / "mine.h5ad") == tree(tmp_path / "theirs.h5ad")
