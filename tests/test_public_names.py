"""The names people script against, and what importing costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import spacetravlr as stl

HEAVY = ("pandas", "anndata", "numba", "torch", "scipy", "matplotlib", "scanpy", "sklearn", "pyarrow", "h5py")


def test_every_public_name_exists() -> None:
    for name in stl.__all__:
        assert getattr(stl, name) is not None
    assert set(stl.__all__) <= set(dir(stl))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Tisue"):
        _ = stl.Tisue


def test_the_contract_of_signatures() -> None:
    import inspect

    def names(function: object) -> list[str]:
        return list(inspect.signature(function).parameters)

    assert names(stl.Tissue.from_anndata)[:3] == ["adata", "layer", "cluster_key"]
    assert names(stl.tl.train)[:4] == ["adata", "out", "genes", "config"]
    assert names(stl.SignalField)[:2] == ["xy", "radius"]
    assert {"kernel", "method", "tol", "cutoff"} <= set(names(stl.SignalField))
    assert {"group_reg", "l1_reg", "ridge", "solver", "standardize"} <= set(names(stl.SparseGroupLasso))
    assert {"blocks", "penalty", "rule", "n_bootstraps"} <= set(names(stl.SparseGroupLassoCV))
    assert names(stl.datasets.simulated_tissue)[:4] == ["n_cells", "n_genes", "n_types", "seed"]
    assert names(stl.PropagationModel)[:4] == ["expression", "genes", "xy", "betas"]
    assert {"radii", "cluster_labels", "kernel", "cutoff", "thresholds", "profile"} <= set(names(stl.PropagationModel))
    assert {"n_propagation", "cells"} <= set(names(stl.Run.perturb))
    assert names(stl.PriorNetwork.load)[:2] == ["species", "data_dir"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, spacetravlr; print([m for m in {HEAVY!r} + ('numpy',) if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
