"""Derivatives against the original package, toy values, and a literal oracle."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.betas import Betabase, Betas, SplashInputs, SplashPlan, SplashTask, run_splash, splash, splash_batches
from spacetravlr.errors import ConfigError, InputError

TOY = Betas(
    "T",
    "cluster",
    ("0", "1"),
    np.zeros(2),
    ("A", "B", "C$D", "C#A"),
    np.array([[0.5, -0.3, 0.2, 0.1], [0.8, 0.1, -0.1, 0.4]]),
)
GENES = ["A", "B", "C", "D"]


def slow_splash(
    betas: Betas,
    received: dict[str, np.ndarray],
    received_tfl: dict[str, np.ndarray],
    expression: dict[str, np.ndarray],
    *,
    rows: np.ndarray,
    scale: float = 1.0,
    cap: float | None = None,
    min_expression: float = 1e-9,
) -> pd.DataFrame:
    """Term by term, cell by cell, straight from the table of contributions."""
    out = {f"beta_{gene}": np.zeros(len(rows)) for gene in betas.modulator_genes}
    for cell, row in enumerate(rows):
        if row < 0:
            continue

        def level(gene: str, cell: int = cell) -> float:
            value = expression[gene][cell]
            return float(value) if value > min_expression else 0.0

        for name, beta in zip(betas.modulators, betas.values[row].tolist(), strict=True):
            if "$" in name:
                ligand, receptor = name.split("$")
                if ligand in received and receptor in expression:
                    if level(receptor) > 0:
                        out[f"beta_{receptor}"][cell] += scale * beta * received[ligand][cell]
                    out[f"beta_{ligand}"][cell] += scale * beta * level(receptor)
            elif "#" in name:
                ligand, regulator = name.split("#")
                if ligand in received_tfl and regulator in expression:
                    out[f"beta_{ligand}"][cell] += scale * beta * level(regulator)
                    out[f"beta_{regulator}"][cell] += scale * beta * received_tfl[ligand][cell]
            else:
                out[f"beta_{name}"][cell] += beta
    frame = pd.DataFrame(out, columns=sorted(out))
    return frame if cap is None else frame.clip(-cap, cap)


def test_toy_with_two_cells() -> None:
    gex = [[1.5, 0.8, 3, 2], [0, 1.2, 1, 0]]
    frame = TOY.splash([[3.0], [1.0]], [[2.0], [0.5]], gex, GENES, ligands=["C"])
    assert frame.columns.tolist() == ["beta_A", "beta_B", "beta_C", "beta_D"]
    expected = [[0.7, -0.3, 0.55, 0.6], [1.0, 0.1, 0.0, 0.0]]
    np.testing.assert_allclose(frame, expected, rtol=0, atol=1e-15)
    capped = TOY.splash([[3.0], [1.0]], [[2.0], [0.5]], gex, GENES, ligands=["C"], scale=2.0, cap=0.5)
    assert capped["beta_A"].tolist() == [0.5, 0.5]


def test_toy_with_four_cells_and_keys() -> None:
    gex = [[1.5, 0.8, 3, 2], [1, 0.5, 2, 1], [0, 1.2, 1, 0], [0.5, 0.3, 0.8, 0.5]]
    rows = TOY.rows_for(np.array(["0", "0", "1", "1"]), np.array(list("wxyz")))
    frame = TOY.splash(
        *(np.array([[3, 2, 1, 0.5]]).T, np.array([[2, 1, 0.5, 0.3]]).T, gex, GENES), ligands=["C"], rows=rows
    )
    np.testing.assert_allclose(frame["beta_A"], [0.7, 0.6, 1.0, 0.92], rtol=0, atol=1e-15)
    np.testing.assert_allclose(frame["beta_C"], [0.55, 0.3, 0.0, 0.15], rtol=0, atol=1e-15)
    np.testing.assert_allclose(frame["beta_D"], [0.6, 0.4, 0.0, -0.05], rtol=0, atol=1e-15)


@pytest.mark.parametrize("gene", range(5))
def test_the_original_package(golden: Path, gene: int) -> None:
    with np.load(golden / "splash.npz") as figures:
        data = {name: figures[name] for name in figures.files}
    names = data[f"beta_cols_{gene}"].tolist()
    assert names[0] == "beta0"
    values = data[f"betas_{gene}"]
    betas = Betas(
        target=str(data["genes"][gene]),
        by="cell",
        row_labels=tuple(f"cell_{number}" for number in range(200)),
        intercept=values[:, 0],
        modulators=tuple(name.removeprefix("beta_") for name in names[1:]),
        values=values[:, 1:],
    )
    received = pd.DataFrame(data["rw_ligands"], columns=data["ligands"], index=betas.row_labels)
    received_tfl = pd.DataFrame(data["rw_ligands_tfl"], columns=data["ligands"], index=betas.row_labels)
    gex = pd.DataFrame(data["gex"], columns=data["var_names"], index=betas.row_labels)
    for scale, cap, field in ((1.0, None, "out"), (0.7, 0.15, "out_scale0p7_cap0p15")):
        frame = betas.splash(received, received_tfl, gex, scale=scale, cap=cap)
        assert frame.columns.tolist() == data[f"out_cols_{gene}"].tolist()
        assert frame.index.equals(gex.index)
        np.testing.assert_allclose(frame, data[f"{field}_{gene}"], rtol=0, atol=1e-12)


symbols = st.sampled_from(list("ABCDEF"))
modulators = st.lists(
    symbols | st.tuples(symbols, st.sampled_from("$#"), symbols).map("".join), min_size=1, max_size=12, unique=True
)


@settings(max_examples=25, deadline=None)
@given(
    names=modulators,
    known_genes=st.lists(symbols, unique=True),
    known_ligands=st.lists(symbols, unique=True),
    known_tfl_ligands=st.lists(symbols, unique=True),
    n_cells=st.sampled_from([1, 7, 8, 127, 128, 129, 300, 600]),
    by_cell=st.booleans(),
    scale=st.sampled_from([1.0, 0.7, -2.5, 0.0, 100.0]),
    cap=st.sampled_from([None, 0.0, 0.3, np.inf]),
    single=st.booleans(),
    form=st.sampled_from(["c", "fortran", "single", "frame", "read-only"]),
    seed=st.integers(0, 5),
)
def test_a_literal_oracle(
    names: list[str],
    known_genes: list[str],
    known_ligands: list[str],
    known_tfl_ligands: list[str],
    n_cells: int,
    by_cell: bool,
    scale: float,
    cap: float | None,
    single: bool,
    form: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    n_rows = n_cells if by_cell else 3
    values = rng.normal(size=(n_rows, len(names))).astype(np.float32 if single else np.float64)
    labels = tuple(map(str, range(n_rows)))
    betas = Betas("T", "cell" if by_cell else "cluster", labels, np.zeros(n_rows), tuple(names), values)
    rows = np.arange(n_cells) if by_cell else rng.integers(-1, 3, n_cells)

    def draw(columns: list[str]) -> np.ndarray:
        matrix = rng.lognormal(size=(n_cells, len(columns)))
        matrix[rng.random(matrix.shape) < 0.3] = 1e-9  # up to the threshold: not expressed
        return matrix.astype(np.float32) if form == "single" else matrix

    matrices = [draw(columns) for columns in (known_ligands, known_tfl_ligands, known_genes)]
    dicts = [
        dict(zip(columns, matrix.astype(np.float64).T, strict=True))
        for columns, matrix in zip((known_ligands, known_tfl_ligands, known_genes), matrices, strict=True)
    ]
    if form == "fortran":
        matrices = [np.asfortranarray(matrix) for matrix in matrices]
    if form == "read-only":
        for matrix in matrices:
            matrix.flags.writeable = False
    given_names: dict[str, object] = {"ligands": known_ligands, "tfl_ligands": known_tfl_ligands, "genes": known_genes}
    inputs: list[object] = list(matrices)
    if form == "frame":
        inputs = [
            pd.DataFrame(matrix, columns=columns)
            for columns, matrix in zip((known_ligands, known_tfl_ligands, known_genes), matrices, strict=True)
        ]
        given_names = {}
    frame = splash(betas, *inputs, rows=None if by_cell else rows, scale=scale, cap=cap, **given_names)  # type: ignore[arg-type]
    expected = slow_splash(betas, *dicts, rows=rows, scale=scale, cap=cap)
    assert frame.columns.tolist() == expected.columns.tolist()
    size = 1 + abs(scale)
    np.testing.assert_allclose(frame, expected, rtol=1e-13, atol=1e-13 * size * 100)


def random_case(n_cells: int = 300) -> tuple[list[Betas], np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(4)
    genes = [f"g{number:02d}" for number in range(40)]
    tables = []
    for number in range(4):
        names = dict.fromkeys(rng.choice(genes, 8).tolist())
        names |= dict.fromkeys(f"{rng.choice(genes)}{mark}{rng.choice(genes)}" for mark in "$#" for _ in range(20))
        values = rng.normal(size=(3, len(names)))
        tables.append(Betas(f"T{number}", "cluster", ("0", "1", "2"), np.zeros(3), tuple(names), values))
    return tables, rng.lognormal(size=(n_cells, 40)), rng.integers(-1, 3, n_cells), genes


@pytest.mark.parametrize("n_cells", [300, 1300])
def test_a_whole_base_gives_the_same_bits(n_cells: int) -> None:
    tables, levels, rows, genes = random_case(n_cells)
    base = Betabase(tables)
    received = levels[:, ::-1].copy()
    frames = dict(
        base.splash(received, received, levels, genes, ligands=genes, rows=dict.fromkeys(base, rows), scale=1.5, cap=2)
    )
    assert list(frames) == list(base)
    for target, betas in base.items():
        alone = betas.splash(received, received, levels, genes, ligands=genes, rows=rows, scale=1.5, cap=2)
        pd.testing.assert_frame_equal(frames[target], alone, check_exact=True)
    columns = dict(zip(genes, received.T, strict=True))
    slow = slow_splash(
        tables[0], columns, columns, dict(zip(genes, levels.T, strict=True)), rows=rows, scale=1.5, cap=2
    )
    np.testing.assert_allclose(frames["T0"], slow, rtol=1e-12, atol=1e-12)


def test_a_plan_writes_into_a_given_matrix() -> None:
    tables, levels, rows, genes = random_case()
    inputs = SplashInputs.prepare(levels, levels, levels, genes=genes, ligands=genes)
    plan = SplashPlan.build(tables[0], inputs)
    out = np.full((len(plan.genes), len(rows)), np.nan)
    run_splash([SplashTask(plan, tables[0].values, rows, out)], inputs=inputs)
    frame = tables[0].splash(levels, levels, levels, genes, ligands=genes, rows=rows)
    assert np.array_equal(out.T, frame.to_numpy())
    assert plan.dropped == ()
    assert (out[:, rows < 0] == 0).all()


def test_many_rows_are_read_in_place() -> None:
    tables, levels, _, genes = random_case(700)
    columns = dict(zip(genes, levels.T, strict=True))
    rng = np.random.default_rng(5)
    for dtype in (np.float64, np.float32):
        values = rng.normal(size=(700, len(tables[0].modulators))).astype(dtype)
        labels = tuple(map(str, range(700)))
        own = Betas("T", "cell", labels, np.zeros(700), tables[0].modulators, values)
        rows = np.where(rng.random(700) < 0.1, -1, rng.permutation(700))
        frame = own.splash(levels, levels, levels, genes, ligands=genes, rows=rows, scale=0.7, cap=3.0)
        slow = slow_splash(own, columns, columns, columns, rows=rows, scale=0.7, cap=3.0)
        np.testing.assert_allclose(frame, slow, rtol=1e-12, atol=1e-12)
        few = Betas("T", "cell", labels[:300], np.zeros(300), tables[0].modulators, values[:300])
        same = np.where(rows < 300, rows, -1)
        expected = own.splash(levels, levels, levels, genes, ligands=genes, rows=same, scale=0.7)
        laid_out = few.splash(levels, levels, levels, genes, ligands=genes, rows=same, scale=0.7)
        pd.testing.assert_frame_equal(laid_out, expected, check_exact=True)


def test_results_are_not_copied_into_tables_and_come_in_batches() -> None:
    tables, levels, rows, genes = random_case()
    frame = tables[0].splash(levels, levels, levels, genes, ligands=genes, rows=rows)
    block = frame._mgr.blocks[0].values
    assert len(frame._mgr.blocks) == 1
    assert block.flags.c_contiguous
    assert np.shares_memory(frame.to_numpy(), block)
    assert [(one.start, one.stop) for one in splash_batches([3] * 20, 10)] == [(0, 8), (8, 16), (16, 20)]
    assert [(one.start, one.stop) for one in splash_batches([340] * 5, 100_000)] == [(0, 3), (3, 5)]
    assert [(one.start, one.stop) for one in splash_batches([340] * 2, 10**6)] == [(0, 1), (1, 2)]
    assert list(splash_batches([], 10)) == []


def test_unnamed_pairs_are_left_out_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    gex = [[1.5, 0.8, 3.0], [0.0, 1.2, 1.0]]
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        frame = TOY.splash([[3.0], [1.0]], None, gex, GENES[:3], ligands=["C"])
        assert frame.to_numpy().tolist() == [[0.5, -0.3, 0.0, 0.0], [0.8, 0.1, 0.0, 0.0]]
        assert [record.getMessage() for record in caplog.records] == [
            "splash of T: 2 pair(s) left out, because a gene of theirs is not among the columns given: C$D, C#A"
        ]
        caplog.clear()
        base = Betabase([TOY])
        list(base.splash(None, None, gex, GENES[:3], rows={"T": [0, 1]}))
    assert [record.getMessage()[:16] for record in caplog.records] == ["splash of 1 targ"]


def test_tables_without_some_roles() -> None:
    only_tfs = Betas("T", "cluster", ("0",), np.zeros(1), ("A", "B"), np.array([[1.0, -2.0]]))
    frame = only_tfs.splash(None, None, np.zeros((3, 0)), rows=[0, -1, 0])
    assert frame.to_numpy().tolist() == [[1.0, -2.0], [0.0, 0.0], [1.0, -2.0]]
    none = Betas("T", "cluster", ("0",), np.ones(1), (), np.zeros((1, 0)))
    assert none.splash(None, None, np.ones((2, 1)), ["A"], rows=[0, 0]).shape == (2, 0)
    assert none.splash(None, None, np.ones((0, 1)), ["A"], rows=np.zeros(0, int)).shape == (0, 0)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"cap": -1.0}, ConfigError, "cap is -1.0"),
        ({"cap": np.nan}, ConfigError, "cap is nan"),
        ({"scale": np.inf}, ConfigError, "scale is inf"),
        ({"min_expression": -1.0}, ConfigError, "min_expression is -1.0"),
        ({"rows": [0, 2]}, InputError, "rows must lie between -1 and 1"),
        ({"rows": [0, -2]}, InputError, "rows must lie between -1 and 1"),
        ({"rows": [0]}, InputError, "2 row numbers"),
        ({"rows": [0.0, 1.0]}, InputError, "2 row numbers"),
        ({"genes": ["A", "B"]}, InputError, "expression has 4 columns and 2 names"),
        ({"genes": None}, InputError, "expression has 4 columns and no names"),
        ({"genes": ["A", "B", "C", "C"]}, InputError, "column of expression is named twice"),
        ({"ligands": ["C", "D"]}, InputError, "received has 1 columns and 2 names"),
        ({"received": [3.0, 1.0]}, InputError, "received has 1 dimension"),
        ({"received": [[3.0]]}, InputError, "expression of 2 cells, but received of 1"),
        ({"received_tfl": [[3.0]] * 3}, InputError, "expression of 2 cells, but received_tfl of 3"),
    ],
)
def test_impossible_input(changes: dict[str, object], error: type[Exception], message: str) -> None:
    arguments: dict[str, object] = {
        "received": [[3.0], [1.0]],
        "received_tfl": [[2.0], [0.5]],
        "expression": [[1.5, 0.8, 3, 2], [0, 1.2, 1, 0]],
        "genes": GENES,
        "ligands": ["C"],
    }
    with pytest.raises(error, match=message):
        TOY.splash(**{**arguments, **changes})  # type: ignore[arg-type]


def test_rows_are_asked_for() -> None:
    with pytest.raises(InputError, match=r"2 rows of betas for 3 cells; give rows=betas\.rows_for"):
        TOY.splash([[1.0]] * 3, None, np.ones((3, 4)), GENES, ligands=["C"])
