"""Coefficients by cell that stay in their files, against the same ones in memory."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from spacetravlr.betas import Betabase, Betas, Streamed, betadata_file_name, splash
from spacetravlr.errors import InputError
from spacetravlr.perturbation import PropagationModel, Target

N = 70
GENES = tuple(f"G{k:02d}" for k in range(12))
TARGETS = [Target("G01", 0.0), Target("G05", 3.0, list(range(20)))]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    rng = np.random.default_rng(3)
    cells = tuple(f"cell{k}" for k in range(N))
    expression = np.where(rng.random((N, len(GENES))) < 0.2, 0.0, rng.exponential(1.0, (N, len(GENES))))
    types = np.array(["a", "b"])[rng.integers(0, 2, N)]
    folder = tmp_path_factory.mktemp("run")
    for place, target in enumerate(GENES[::2]):
        pairs = [f"{a}{mark}{b}" for mark in "$#" for a in GENES[:3] for b in rng.choice(GENES, 2, replace=False)]
        names = tuple(dict.fromkeys([*rng.choice(GENES, 4, replace=False).tolist(), *pairs]))
        by_cell = place % 3 != 0
        rows = cells[:-5] if by_cell else ("a", "b")
        values = rng.normal(0, 0.2, (len(rows), len(names)))
        one = Betas(target, "cell" if by_cell else "cluster", rows, rng.normal(size=len(rows)), names, values)
        one.write(folder / betadata_file_name(target))
    return expression, rng.uniform(0, 9, (N, 2)), types, cells, folder


def model(parts, keep: float, **options) -> PropagationModel:
    expression, xy, types, cells, folder = parts
    base = Betabase.load(folder, keep=keep)
    settings = {"radii": 3.0, "cluster_labels": types, "cell_names": cells, **options}
    return PropagationModel(expression, GENES, xy, base, **settings)


def test_what_is_left_in_files(parts, tmp_path):
    folder = parts[-1]
    whole, none = Betabase.load(folder), Betabase.load(folder, keep=0)
    some = Betabase.load(folder, keep=20_000)
    by_cell = [target for target, table in whole.items() if table.by == "cell"]
    assert not any(table.is_streamed for table in whole.values())
    assert [target for target, table in none.items() if table.is_streamed] == by_cell
    assert 0 < sum(table.is_streamed for table in some.values()) < len(by_cell)
    for target, table in none.items():
        other = whole[target]
        assert table.values.shape == other.values.shape
        assert table.row_labels == other.row_labels
        assert np.array_equal(table.to_frame().to_numpy(), other.to_frame().to_numpy())
        assert table.is_orphan == other.is_orphan
        assert np.array_equal(table.nonzero().values, other.nonzero().values)
        assert not table.nonzero().is_streamed
        table.write(tmp_path / "again_betadata.feather")
        assert (tmp_path / "again_betadata.feather").read_bytes() == (folder / betadata_file_name(target)).read_bytes()


def test_derivatives_of_a_table_in_a_file(parts):
    expression, folder = parts[0], parts[-1]
    rows = np.arange(N - 5)
    levels = expression[: N - 5]
    whole, none = Betabase.load(folder)["G02"], Betabase.load(folder, keep=0)["G02"]
    found, expected = (
        splash(one, levels, levels, levels, GENES, ligands=GENES, rows=rows).to_numpy() for one in (none, whole)
    )
    assert none.is_streamed
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("cap", [None, 0.1])
@pytest.mark.parametrize("memory", [256e6, 1000.0])
@pytest.mark.parametrize("profile", ["default", "v1"])
def test_the_same_simulation(parts, cap, memory, profile):
    found, expected = (
        model(parts, keep, beta_cap=cap, memory=memory, profile=profile).simulate(TARGETS) for keep in (0.0, 2e9)
    )
    np.testing.assert_allclose(found.delta, expected.delta, rtol=0, atol=1e-13)
    assert np.abs(expected.delta[:, GENES.index("G02")]).max() > 0.01
    partly = model(parts, 20_000, beta_cap=cap, memory=memory, profile=profile).simulate(TARGETS)
    np.testing.assert_allclose(partly.delta, expected.delta, rtol=0, atol=1e-13)


def test_dropped_columns(parts):
    expression, xy, types, cells, folder = parts
    base = Betabase.load(folder, keep=0)
    options = {"radii": 3.0, "cluster_labels": types, "cell_names": cells}
    fewer = PropagationModel(expression[:, :-1], GENES[:-1], xy, base, **options).simulate(TARGETS)
    eager = [
        replace(table, values=np.asarray(table.values), intercept=np.asarray(table.intercept))
        for table in base.values()
    ]
    expected = PropagationModel(expression[:, :-1], GENES[:-1], xy, eager, **options).simulate(TARGETS)
    np.testing.assert_allclose(fewer.delta, expected.delta, rtol=0, atol=1e-13)


def test_a_file_that_changes(parts, tmp_path):
    folder = parts[-1]
    path = tmp_path / "G02_betadata.feather"
    path.write_bytes((folder / path.name).read_bytes())
    table = Betabase.load(tmp_path, keep=0)["G02"]
    assert isinstance(table.values, Streamed)
    assert len(table.values) == N - 5
    assert np.array_equal(table.values[3:5], np.asarray(table.values)[3:5])
    Betas("G02", "cell", ("cell0",), np.zeros(1), ("G00",), np.ones((1, 1))).write(path)
    with pytest.raises(InputError, match=r"G02_betadata\.feather: it has changed since it was opened"):
        table.values.read()
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        table.values.read()


MEMORY = """
import sys
import numpy as np
from spacetravlr.bench._host import peak_memory_mb
from spacetravlr.betas import Betabase, Betas, betadata_file_name
from spacetravlr.perturbation import PropagationModel

folder, n, targets = sys.argv[1], 8000, 60
genes = [f"G{k:03d}" for k in range(120)]
cells = tuple(f"c{k}" for k in range(n))
rng = np.random.default_rng(1)
values = rng.normal(0, 0.01, (n, 100))
for target in genes[:targets]:
    Betas(target, "cell", cells, np.zeros(n), tuple(genes[20:]), values).write(f"{folder}/{betadata_file_name(target)}")
base = Betabase.load(folder, keep=0, workers=1)
model = PropagationModel(
    rng.exponential(1.0, (n, 120)), genes, rng.uniform(0, 99, (n, 2)), base,
    radii=9.0, cluster_labels=np.repeat("a", n), cell_names=cells, memory=4e6,
)
before = peak_memory_mb()
model.simulate({"G050": 0.0}, n_propagation=1)
print(before, peak_memory_mb(), targets * values.nbytes / 2**20)
"""


def test_memory_holds_a_few_tables_only(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True, timeout=120
    )
    before, peak, tables = map(float, done.stdout.split())
    assert tables > 360
    assert peak < before + tables / 2
