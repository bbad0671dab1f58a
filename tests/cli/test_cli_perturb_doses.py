"""What is perturbed and how much: every form of a dose, several genes at once, and the tables that follow."""

from __future__ import annotations

import shlex
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.feather as feather
import pytest

from spacetravlr.cli import perturb
from spacetravlr.cli._perturb_tables import control_text, screen_text, text_table, top_text
from spacetravlr.perturbation import negative_control
from spacetravlr.run import Run


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, list[str]]:
    code = perturb.run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


@pytest.fixture
def opened(trained) -> Run:
    return Run.open(trained.directory)


@pytest.mark.parametrize("dose", ["0", "1.5", "x0.5", "q95", "+0.25", "-0.25"])
def test_every_form_of_a_dose(capsys, trained, opened: Run, tmp_path: Path, dose: str):
    gene, out = opened.model().modulators[0], tmp_path / "out.feather"
    code, _, lines = run(capsys, "--run-toml", trained.toml, "--gene", gene, "--desired-expr", dose, "--out", out)
    assert code == 0, lines
    before = opened.tissue().columns([gene])[:, 0]
    expected = {
        "0": np.zeros(150),
        "1.5": np.full(150, 1.5),
        "x0.5": before * 0.5,
        "q95": np.full(150, np.quantile(before, 0.95)),
        "+0.25": before + 0.25,
        "-0.25": np.maximum(before - 0.25, 0.0),
    }
    table = feather.read_table(out)
    np.testing.assert_allclose(table[gene].to_numpy(), expected[dose], rtol=1e-12)
    effect = opened.perturb({gene: dose})
    np.testing.assert_array_equal(np.column_stack([table[name] for name in effect.genes]), effect.simulated)


@pytest.mark.parametrize(
    "flags",
    [
        ["--gene", "{0},{1}", "--desired-expr", "0,x2"],
        ["--gene", "{0}", "--gene", " {1} ", "--desired-expr", "0", "--desired-expr", "x2"],
        ["--gene", "{0},,{1}", "--desired-expr", "0", "--desired-expr", "x2"],
    ],
)
def test_several_genes_are_perturbed_together(capsys, trained, opened: Run, tmp_path: Path, flags: list[str]):
    genes, out = opened.model().modulators[:2], tmp_path / "joint.h5ad"
    code, _, lines = run(
        capsys, "--run-toml", trained.directory, *(flag.format(*genes) for flag in flags), "--out", out
    )  # fmt: skip
    assert code == 0, lines
    effect = anndata.read_h5ad(out)
    assert list(effect.uns["perturbation"]["genes"]) == list(genes)
    expected = opened.perturb({genes[0]: 0.0, genes[1]: "x2"})
    np.testing.assert_array_equal(effect.layers["simulated"], expected.simulated)
    np.testing.assert_array_equal(effect.layers["delta"], expected.delta)


def test_one_dose_for_all_genes(capsys, trained, opened: Run, tmp_path: Path):
    genes, out = opened.model().modulators[:3], tmp_path / "all.feather"
    given = ["--gene", ",".join(genes), "--desired-expr", "q50", "--n-propagation", 0, "--beta-scale-factor", 3]
    assert run(capsys, "--run-toml", trained.toml, *given, "--out", out)[0] == 0
    table = feather.read_table(out)
    for gene in genes:
        assert len(np.unique(table[gene].to_numpy())) == 1


def test_the_factor_of_derivatives(capsys, trained, opened: Run, tmp_path: Path):
    ligand = sorted({name for betas in opened.betabase.values() for name in (*betas.ligands, *betas.tfl_ligands)})[0]
    out = tmp_path / "scaled.feather"
    given = ["--gene", ligand, "--beta-scale-factor", 5, "--out", out]
    assert run(capsys, "--run-toml", trained.toml, *given)[0] == 0
    expected = opened.perturb({ligand: 0.0}, beta_scale_factor=5.0)
    table = feather.read_table(out)
    np.testing.assert_array_equal(np.column_stack([table[name] for name in expected.genes]), expected.simulated)
    assert not np.array_equal(expected.simulated, opened.perturb({ligand: 0.0}).simulated)


def test_the_top_genes_and_the_negative_control(capsys, trained, opened: Run, tmp_path: Path):
    gene, out = opened.model().modulators[0], tmp_path / "ko.feather"
    code, printed, lines = run(
        capsys, "--run-toml", trained.toml, "--gene", gene, "--out", out, "--top", 1, "--negative-control", 5
    )  # fmt: skip
    assert code == 0, lines
    table = pd.read_feather(tmp_path / "ko_control.feather")
    assert lines[0].startswith(f"Wrote {out} (")
    assert lines[-2] == f"Wrote {tmp_path / 'ko_control.feather'} ({len(table)} p values)"
    assert lines[-1] == f"next: spacetravlr-perturb screen --run-toml {shlex.quote(str(trained.toml))}"
    expected = negative_control(opened.model(profile="default"), {gene: 0.0}, n_shuffles=5, n_random=5)
    pd.testing.assert_frame_equal(table, expected)
    effect = opened.perturb({gene: 0.0})
    assert printed == f"{top_text(effect, 1)}\n{control_text(table, 1)}\n"
    strongest = effect.top(1, by="cell_type")
    assert len(strongest) == 2
    for row in strongest.itertuples():
        assert any(line.split()[-5:-3] == [row.gene, f"{row.mean_delta:#.3g}"] for line in printed.splitlines())


def test_tables_are_aligned_and_say_what_is_missing():
    assert text_table(["gene", "cells", "p"], [("A", 1200, 0.5), ("Foxo1", 3, None)]) == (
        "gene   cells      p\nA      1,200  0.500\nFoxo1      3      -"
    )
    assert text_table(["a", "b"], [(float("nan"), "x\ny"), (150.0, "z")]) == "  a  b\n  -  x y\n150  z"
    assert control_text(pd.DataFrame({"gene": []}), 3).startswith("no other gene changes")


def test_labels_are_sorted_as_people_count_and_rounding_is_no_change():
    class Effect:
        def top(self, n: int, *, by: str | None = None) -> pd.DataFrame:
            rows = [(label, "A", -1e-17, 0.5, 1.0, 1.0) for label in ("10", "2", "T10", "t2", "1")]
            rows += [("2", "B", 0.25, 0.25, 1.0, 1.25), ("2", "C", 2e-16, 3e-16, 1.0, 1.0)]
            columns = ["cell_type", "gene", "mean_delta", "mean_abs_delta", "baseline_mean", "simulated_mean"]
            return pd.DataFrame(rows, columns=columns)

    lines = [line.split() for line in top_text(Effect(), 3).splitlines()]
    assert [line[0] for line in lines[1:]] == ["1", "2", "2", "10", "t2", "T10"]
    assert lines[2:4] == [["2", "A", "0.00", "0.500", "1.00", "1.00"], ["2", "B", "0.250", "0.250", "1.00", "1.25"]]
    controls = pd.DataFrame(
        [("A", label, "shuffled", 0.5, 0.25) for label in ("10", "9")] + [("B", "9", "shuffled", 1e-16, 1.0)],
        columns=["gene", "cell_type", "control", "mean_abs_delta", "p_value"],
    )
    assert control_text(controls, 2).splitlines()[1:] == [
        "9          A        0.500       0.250",
        "10         A        0.500       0.250",
    ]


def test_tables_without_a_file(capsys, trained, opened: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    # in a pipe too: nobody is asked for anything
    monkeypatch.setattr("sys.stdin", None)
    gene = opened.model().modulators[0]
    before = sorted(trained.directory.rglob("*"))
    code, printed, lines = run(capsys, "--run-toml", trained.toml, "--gene", gene, "--top", 2)
    assert (code, printed) == (0, f"{top_text(opened.perturb({gene: 0.0}), 2)}\n")
    assert lines == ["nothing was written; --out FILE.feather keeps the simulated expression"]
    code, printed, lines = run(capsys, "--run-toml", trained.toml, "--gene", gene, "--negative-control", 2)
    assert code == 0
    assert printed.splitlines()[0].split()[:4] == ["cell", "type", "gene", "|change|"]
    assert not any(line.startswith("Wrote") for line in lines)
    assert list(tmp_path.iterdir()) == []
    assert sorted(trained.directory.rglob("*")) == before


def test_a_screen_names_the_cell_type_where_most_happens():
    columns = ["gene", "n_cells", "mean_abs_change", "mean_abs_change_B cell", "mean_abs_change_T", "top_genes"]
    rows = [("A", 5, 0.1, 0.05, 0.2, "X;Y;Z"), ("B", 5, 0.0, 0.0, 0.0, ""), ("C", 5, 0.3, 0.4, 0.1, "X")]
    text = screen_text(pd.DataFrame(rows, columns=columns), 2, n_top=2)
    assert text == (
        "gene  cells  |change|  most in  genes that follow\n"
        "C         5     0.300  B cell   X\n"
        "A         5     0.100  T        X Y"
    )
    assert screen_text(pd.DataFrame(rows, columns=columns), 3).endswith("B         5      0.00  -")


def test_nothing_follows_a_gene_that_no_model_listens_to(capsys, trained, opened: Run, tmp_path: Path):
    idle = next(name for name in opened.tissue().genes if name not in opened.model().modulators)
    out = tmp_path / "ko.feather"
    given = ["--gene", idle, "--out", out, "--top", 3, "--negative-control", 2]
    code, printed, _ = run(capsys, "--run-toml", trained.toml, *given)
    assert code == 0
    assert printed == "no other gene changes\nno other gene changes, so there is nothing to compare\n"
    assert pd.read_feather(tmp_path / "ko_control.feather").empty
