"""A condition split and pieces of tissue, driven from the command line."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import anndata
import numpy as np
import pytest

from spacetravlr.cli import main, perturb
from spacetravlr.run import ConditionRuns, Run

FLAGS = ("--max-ligands", 20, "--parallel", 1, "--n-bootstraps", 4)
N = 150


def results(directory: Path) -> dict[str, bytes]:
    kept = (p for p in directory.rglob("*") if p.suffix in {".feather", ".orphan", ".log"} and p.name != "run.log")
    return {str(p.relative_to(directory)): p.read_bytes() for p in kept}


def arguments(*words: object) -> list[str]:
    return [str(word) for word in words]


@pytest.fixture(scope="module")
def split_sample(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    adata = anndata.read_h5ad(sample)
    labels = np.where(np.arange(N) % 2 == 0, "WT", "KO x").astype(object)
    labels[:3] = "rare"
    adata.obs["genotype"] = labels
    adata.obs["slide"] = np.where(np.arange(N) % 3 == 0, "s1", "s2")
    path = tmp_path_factory.mktemp("split") / "split.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def ended(cli, split_sample: Path, tmp_path_factory: pytest.TempPathFactory):
    place = tmp_path_factory.mktemp("runs") / "run"
    told = cli(
        *("spacetravlr", "--h5ad", split_sample, "--output-dir", place, *FLAGS),
        *("--condition", "genotype", "--sample", "slide"),
    )
    return place, told


@pytest.fixture
def copy(ended, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ended[0], tmp_path / "copy"))


def test_the_story_of_a_split(ended) -> None:
    place, told = ended
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert "note: split by obs['genotype']: KO x (74 cells), WT (73 cells), rare (3 cells)" in lines
    assert "warning: condition 'rare' (3 cells) is not trained: held-out scores need 30 cells" in lines
    assert any(line.startswith("note: samples from obs['slide']: s1 (50 cells), s2 (100 cells);") for line in lines)
    assert f"condition KO x (1 of 2): 74 cells, into {place}/conditions/KO_x" in lines
    assert f"condition WT (2 of 2): 73 cells, into {place}/conditions/WT" in lines
    assert [line.partition("]")[0] for line in lines if line.startswith("[40/40")] == ["[40/40"] * 2
    assert len([line for line in lines if re.match(r"complete after \S+: \d+ genes written", line)]) == 2
    assert re.fullmatch(r"split by genotype: KO x complete \(\d+ genes\), WT complete .*, rare skipped", lines[-3])
    assert lines[-2] == (
        f"results in {place}/conditions, a run for each condition; spacetravlr_run_summary.html in {place} leads to them"
    )
    assert lines[-1].startswith("next: spacetravlr-perturb --run-toml ")
    for name in ("KO_x", "WT"):
        log = (place / "conditions" / name / "log" / "run.log").read_text()
        assert "note: split by obs['genotype']" in log
        assert log.count("training 40 genes") == 1
        assert log.count("complete after") == 1


def test_the_status_of_a_split(ended, capsys: pytest.CaptureFixture[str]) -> None:
    place = ended[0]
    assert main.run(["status", str(place)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"run       {place}, split into 2 conditions"
    assert re.fullmatch(r"  KO x  complete     40/40, \d+ orphan", lines[1])
    assert re.fullmatch(r"  WT    complete     40/40, \d+ orphan", lines[2])
    assert lines[3:] == [
        "  rare  skipped      held-out scores need 30 cells",
        "  all   complete     80/80",
        f"next      spacetravlr run-summary {place}",
    ]
    assert main.run(["status", str(place), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["state"], list(found["conditions"]), list(found["skipped"])) == ("complete", ["KO x", "WT"], ["rare"])
    assert main.run(["status", str(place / "conditions" / "WT")]) == 0
    assert "[##############################] 40/40 (100%)" in capsys.readouterr().out


def test_a_condition_that_has_not_begun_waits(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (copy / "conditions" / "WT").rglob("*"):
        if path.is_file() and path.name != "condition_label.txt":
            path.unlink()
    assert main.run(["status", str(copy)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "  WT    waiting      0"
    assert lines[4:] == ["  all   interrupted  40", f"go on     spacetravlr --join-output-dir {copy}"]


def test_a_knock_out_in_one_condition(cli, ended, split_sample: Path, tmp_path: Path) -> None:
    place = ended[0]
    run = Run.open(place / "conditions" / "WT")
    gene = run.genes[0]
    told = cli(
        *("spacetravlr-perturb", "--run-toml", run.toml, "--gene", gene, "--desired-expr", 0),
        *("--out", tmp_path / "ko.h5ad"),
    )
    assert told.code == 0
    assert "(73 cells" in told.err
    effect = anndata.read_h5ad(tmp_path / "ko.h5ad")
    assert set(effect.obs["genotype"]) == {"WT"}
    np.testing.assert_array_equal(effect.layers["simulated"], run.perturb({gene: 0.0}).simulated)


def test_batch_screen_and_lists_of_cells_are_those_of_the_condition(ended, tmp_path: Path, capsys) -> None:
    toml = ended[0] / "conditions" / "WT" / "spacetravlr_run_repro.toml"
    run = Run.open(toml)
    listened = list(run.model().modulators)[:2]
    (tmp_path / "batch.toml").write_text(f'genes = {json.dumps(listened)}\ndesired_expr = 0.0\nout_dir = "batch"\n')
    assert perturb.run(arguments("--run-toml", toml, "--batch-toml", tmp_path / "batch.toml")) == 0
    written = sorted((tmp_path / "batch").rglob("*.feather"))
    assert written
    import pyarrow.feather

    for path in written:
        table = pyarrow.feather.read_table(path)
        if "CellID" in table.column_names:
            assert table.column("CellID").to_pylist() == list(run.tissue().cells)
    screened = ("screen", "--run-toml", toml, "--genes", listened[0], "--out-dir", tmp_path / "screen")
    assert perturb.run(arguments(*screened)) == 0
    assert (tmp_path / "screen" / "screen_summary.feather").exists()
    assert perturb.run(arguments("make-cells-csv", "--run-toml", toml, "--out", tmp_path / "cells.csv")) == 0
    listed = [
        name for line in (tmp_path / "cells.csv").read_text().splitlines()[1:] for name in line.split(",") if name
    ]
    assert sorted(listed) == sorted(run.tissue().cells)


def test_the_parent_is_no_run(ended, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ended[0]
    mine = tmp_path / "mine.toml"
    shutil.copy(place / "spacetravlr_run_repro.toml", mine)
    for named in (place, place / "spacetravlr_run_repro.toml", mine):
        asked = arguments("--run-toml", named, "--gene", "Foxo1", "--out", tmp_path / "x.feather")
        assert perturb.run(asked) == 1
        assert capsys.readouterr().err == (
            f"Error: {place} holds the runs of a condition split; open one of {place}/conditions/KO_x ('KO x'), "
            f"{place}/conditions/WT ('WT')\n"
        )


def test_lists_of_cells_of_the_whole_sample(ended, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml = ended[0] / "conditions" / "WT" / "spacetravlr_run_repro.toml"
    run = Run.open(toml)
    gene, own = run.model().modulators[0], set(run.tissue().cells)
    chosen = [f"cell{i}" for i in range(0, N, 4)] + ["cell5", "cell7"]
    (tmp_path / "cells.csv").write_text("\n".join(["mine", *chosen]))
    mine = sum(name in own for name in chosen)
    assert 0 < mine < len(chosen)
    listed = ("--cells-csv", tmp_path / "cells.csv", "--cells-csv-column", "mine")
    out = tmp_path / "ko.h5ad"
    assert perturb.run(arguments("--run-toml", toml, "--gene", gene, *listed, "--out", out, "--desired-expr", 0)) == 0
    told = f"column 'mine': {len(chosen) - mine} of {len(chosen)} cells are in other conditions than this run"
    assert capsys.readouterr().err.count(told) == 1
    effect = anndata.read_h5ad(out)
    found = effect.obs_names[np.asarray(effect[:, gene].layers["simulated"]).ravel() == 0]
    assert sorted(found) == sorted(own & set(chosen))
    batch = tmp_path / "batch.toml"
    batch.write_text(f'gene = "{gene}"\ncells_csv = "cells.csv"\ncells_csv_column = "mine"\nout = "one.feather"\n')
    assert perturb.run(arguments("--run-toml", toml, "--batch-toml", batch)) == 0
    assert told in capsys.readouterr().err
    (tmp_path / "subset.txt").write_text("\n".join(chosen))
    (tmp_path / "more.toml").write_text('[data]\nperturb_obs_subset_file = "subset.txt"\n')
    flags = arguments("--run-toml", toml, "--config", tmp_path / "more.toml", "--gene", gene, "--out", out)
    assert perturb.run(flags) == 0
    assert f"subset.txt: {len(chosen) - mine} of {len(chosen)} cells are in other" in capsys.readouterr().err
    assert set(anndata.read_h5ad(out).obs_names) == own & set(chosen)


def test_a_region_on_several_pieces_is_told(ended, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toml = ended[0] / "conditions" / "WT" / "spacetravlr_run_repro.toml"
    gene = Run.open(toml).model().modulators[0]
    (tmp_path / "all.csv").write_text("x,y\n-1,-1\n801,-1\n801,801\n-1,801\n")
    flags = arguments("--run-toml", toml, "--gene", gene, "--out", tmp_path / "x.feather")
    region = arguments("--region", tmp_path / "all.csv")
    slides = Run.open(toml).tissue().obs["slide"].value_counts()
    told = f"note: the region holds cells of 2 samples: s1 ({slides['s1']}), s2 ({slides['s2']}); to keep to one, add"
    assert perturb.run([*flags, *region]) == 0
    assert told in capsys.readouterr().err
    assert perturb.run([*flags, *region, "--where", "slide == 's1'"]) == 0
    assert "the region holds" not in capsys.readouterr().err


def test_a_split_that_was_killed_goes_on(spawn, cli, ended, copy: Path, tmp_path: Path) -> None:
    """Killed in the second condition; who joins the parent trains what is missing."""
    expected = results(ended[0])
    shutil.rmtree(copy / "conditions")
    (copy / "run_conditions.json").unlink()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = spawn("spacetravlr", "--join-output-dir", copy, more={}, **pipes)
    for line in running.stdout:
        if line.startswith("training 40 genes, on 73 cells"):
            running.send_signal(signal.SIGKILL)
            break
    running.communicate()
    told = cli("spacetravlr", "--join-output-dir", copy)
    assert (told.code, told.err) == (0, "")
    assert results(copy) == expected
    assert {label: status.state for label, status in ConditionRuns.open(copy).status().items()} == {
        "KO x": "complete",
        "WT": "complete",
    }
    assert not [p for p in copy.rglob(".*") if p.is_file()]


def test_two_processes_share_a_split(spawn, split_sample: Path, ended, tmp_path: Path) -> None:
    flags = ("--h5ad", split_sample, "--output-dir", tmp_path / "run", *FLAGS)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    columns = ("--condition", "genotype", "--sample", "slide")
    both = [spawn("spacetravlr", *flags, *columns, more={}, **pipes) for _ in range(2)]
    told = [one.communicate(timeout=120) for one in both]
    assert [(one.returncode, err) for one, (_, err) in zip(both, told, strict=True)] == [(0, "")] * 2
    assert results(tmp_path / "run") == results(ended[0])
    assert not [p for p in tmp_path.rglob(".*") if p.is_file()]


def test_ctrl_c_ends_the_condition_at_work_and_begins_no_other(spawn, split_sample: Path, tmp_path: Path) -> None:
    # blocks of a second or so, and several of them
    flags = ("--h5ad", split_sample, "--output-dir", tmp_path / "run", *FLAGS[:4], "--n-bootstraps", 2000)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = spawn("spacetravlr", *flags, "--condition", "genotype", more={}, **pipes)
    for line in running.stdout:
        if line.startswith("training 40 genes"):
            running.send_signal(signal.SIGINT)
            break
    out, err = running.communicate(timeout=120)
    assert (running.returncode, err) == (0, "")
    assert "condition WT" not in out
    assert re.search(
        r"^split by genotype: KO x \w+ \(\d+ genes?\), rare skipped, WT not begun$", out, flags=re.MULTILINE
    )
    assert out.endswith(f"to go on: spacetravlr --join-output-dir {tmp_path / 'run'}\n")


def test_joining_again_with_the_same_column_is_fine_and_with_another_is_not(copy: Path, capsys) -> None:
    assert (
        main.run(arguments("--join-output-dir", copy, "--condition", "Genotype", "--sample", "slide", "--plain")) == 0
    )
    assert "nothing left to do" in capsys.readouterr().out
    for flag, stored in (("--condition", "genotype"), ("--sample", "slide")):
        assert main.run(arguments("--join-output-dir", copy, flag, "cell_type")) == 2
        told = capsys.readouterr().err
        assert f"{flag} cell_type differs from the run in {copy}, where it is {stored}: leave it out to join" in told


def test_joining_one_condition_trains_that_one_only(copy: Path, ended, capsys) -> None:
    for name in ("WT", "KO_x"):
        for path in (copy / "conditions" / name).glob("*_betadata.feather"):
            path.unlink()
    # the copy is another directory than the one it was trained in
    assert main.run(arguments("--join-output-dir", copy / "conditions" / "WT", "--plain")) == 0
    assert "on 73 cells" in capsys.readouterr().out
    toml = copy / "conditions" / "WT" / "spacetravlr_run_repro.toml"
    toml.write_text(toml.read_text().replace(str(ended[0]), str(copy.parent / "gone")))
    assert main.run(arguments("--join-output-dir", toml.parent, "--dry-run")) == 0
    told = capsys.readouterr().out
    assert "; 73 cells in " in told
    assert "conditions, one after the other" not in told
    expected = {name: content for name, content in results(ended[0]).items() if name.startswith("conditions/WT/")}
    found = {name: content for name, content in results(copy).items() if name.startswith("conditions/WT/")}
    assert found == expected
    assert not list((copy / "conditions" / "KO_x").glob("*_betadata.feather"))


def test_a_run_without_a_split_cannot_be_joined_with_one(trained, capsys) -> None:
    assert main.run(arguments("--join-output-dir", trained.directory, "--condition", "cell_type")) == 2
    assert "where it is unset: leave it out to join" in capsys.readouterr().err


def test_one_condition_without_a_model_ends_with_3(split_sample: Path, tmp_path: Path, capsys) -> None:
    adata = anndata.read_h5ad(split_sample)
    gene = Run.open(_run_of_one_gene(split_sample, tmp_path / "first", capsys)).genes[0]
    wild = np.flatnonzero(adata.obs["genotype"] == "WT")
    column = list(adata.var_names).index(gene)
    adata.layers["imputed_count"][wild, column] = np.random.default_rng(3).permutation(
        adata.layers["imputed_count"][wild, column]
    )
    path = tmp_path / "half.h5ad"
    adata.write_h5ad(path)
    flags = arguments("--h5ad", path, "--output-dir", tmp_path / "run", *FLAGS, "--genes", gene)
    assert main.run([*flags, "--condition", "genotype", "--plain"]) == 3
    told = capsys.readouterr()
    assert told.err == ""
    assert re.search(r"split by genotype: KO x complete \(1 gene\), WT failed \(0 genes\), rare skipped", told.out)
    assert "warning: condition 'WT' has no model: no gene was written to" in told.out


def _run_of_one_gene(sample: Path, out: Path, capsys) -> Path:
    """A run on the KO cells only, to learn which gene has a model there."""
    flags = arguments("--h5ad", sample, "--output-dir", out, *FLAGS, "--condition", "genotype", "--plain")
    assert main.run(flags) == 0
    capsys.readouterr()
    return out / "conditions" / "KO_x"


def test_a_dry_run_of_a_split(split_sample: Path, tmp_path: Path, capsys) -> None:
    flags = arguments("--h5ad", split_sample, "--output-dir", tmp_path / "run", *FLAGS, "--condition", "genotype")
    assert main.run([*flags, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"^targets +40.*; 147 cells in 2 clusters; 2 conditions, one after the other$", told, re.MULTILINE)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--condition", "genotpe"], "obs has no column 'genotpe'; did you mean 'genotype'?"),
        (["--sample", "slid"], "obs has no column 'slid'; did you mean 'slide'?"),
        (["--condition", "genotype", "--write-minimal-repro-h5ad"], "cannot be combined with [data].condition"),
        (["--condition", "slide", "--layer", "nothing"], "layer 'nothing' is not in the file"),
        (["--condition", "number"], "no group of obs['number'] can be trained: "),
    ],
)
def test_what_cannot_be_split_is_refused_and_leaves_nothing(split_sample, tmp_path, capsys, flags, words: str) -> None:
    adata = anndata.read_h5ad(split_sample)
    adata.obs["number"] = np.linspace(0, 1, N)
    adata.write_h5ad(tmp_path / "x.h5ad")
    out = tmp_path / "run"
    assert main.run(arguments("--h5ad", tmp_path / "x.h5ad", "--output-dir", out, *flags)) == 1
    told = capsys.readouterr().err
    assert words in told
    assert told.startswith("Error: ")
    assert told.count("\n") == 1
    assert not out.exists()


def test_an_empty_text_switches_a_split_of_the_configuration_off(split_sample, tmp_path, capsys) -> None:
    toml = tmp_path / "settings.toml"
    toml.write_text('[data]\ncondition = "genotype"\n')
    flags = arguments("--h5ad", split_sample, "--config", toml, "--output-dir", tmp_path / "run", *FLAGS)
    assert main.run([*flags, "--condition", "", "--plain"]) == 0
    assert not (tmp_path / "run" / "conditions").exists()
    assert Run.open(tmp_path / "run").tissue().n_cells == N
