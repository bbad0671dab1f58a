"""Batches, and the file of `--config` that may hold one."""

from __future__ import annotations

import os
import shlex
import signal
import time
from pathlib import Path

import anndata
import numpy as np
import pyarrow.feather as feather
import pytest

from spacetravlr.cli import perturb
from spacetravlr.perturbation import Effect, PropagationModel
from spacetravlr.run import Run

OUTS = 'out_dir = "out"\n'


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[str]]:
    code = perturb.run([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err.splitlines()


@pytest.fixture
def opened(trained) -> Run:
    return Run.open(trained.directory)


@pytest.fixture
def genes(opened: Run) -> tuple[str, ...]:
    return opened.model().modulators[:3]


def names(genes: tuple[str, ...]) -> str:
    return ", ".join(f'"{gene}"' for gene in genes)


def simulated(path: Path) -> np.ndarray:
    table = feather.read_table(path)
    return np.column_stack([table[name] for name in table.column_names[1:]])


def test_a_batch(cli, trained, opened: Run, genes: tuple[str, ...], tmp_path: Path):
    batch = tmp_path / "batch.toml"
    batch.write_text(f'genes = [{names(genes)}]\ndesired_expr = [0, "x2", 1.5]\nn_propagation = 2\n{OUTS}')
    done = cli(
        "spacetravlr-perturb", "--run-toml", trained.toml, "--batch-toml", batch, "--batch-parallelism", 2,
        "--n-propagation", 7,
    )  # fmt: skip
    assert (done.code, done.out) == (0, "")
    lines = [line for line in done.err.splitlines() if not line.startswith(("warning: the dose", "note: "))]
    paths = [tmp_path / "out" / f"{gene}_perturb_expr.feather" for gene in genes]
    # in the order in which they are done
    assert sorted(line.partition(" ")[2] for line in lines[:3]) == sorted(f"Wrote {path}" for path in paths)
    assert [line.split()[0] for line in lines[:3]] == ["[1/3]", "[2/3]", "[3/3]"]
    assert lines[3].startswith("3 of 3 jobs done in ")
    assert lines[4:] == [f"next: spacetravlr-perturb screen --run-toml {shlex.quote(str(trained.toml))}"]
    for path, gene, dose in zip(paths, genes, (0.0, "x2", 1.5), strict=True):
        np.testing.assert_array_equal(simulated(path), opened.perturb({gene: dose}, n_propagation=2).simulated)


def test_a_joint_batch_in_a_config_file_given_by_its_name(
    capsys, trained, opened: Run, genes: tuple[str, ...], tmp_path: Path
):
    config = tmp_path / "all.toml"
    config.write_text(
        f'run_repro = "{trained.toml}"\ngenes = [{names(genes)}]\njoint = true\nout = "sub/joint.h5ad"\n'
        "beta_scale_factor = 2.0\n[perturbation]\nn_propagation = 3\n"
    )
    code, lines = run(capsys, config, "--verbose")
    assert code == 0, lines
    path = tmp_path / "sub/joint.h5ad"
    wrote = next(line for line in lines if line.startswith("[1/1] Wrote"))
    assert wrote.startswith(f"[1/1] Wrote {path} (gene {'+'.join(genes)}, desired_expr 0, 0, 0, n_propagation 3, ")
    assert lines[0].startswith("load: ")
    expected = opened.perturb(dict.fromkeys(genes, 0.0), n_propagation=3, beta_scale_factor=2.0)
    np.testing.assert_array_equal(anndata.read_h5ad(path).layers["simulated"], expected.simulated)


def test_a_failing_job_stops_no_other_one(capsys, trained, genes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    original = Effect.write

    def write(self: Effect, path: Path) -> Path:
        if self.targets[0].gene == genes[0]:
            raise OSError("the disk is on fire")
        return original(self, path)

    monkeypatch.setattr(Effect, "write", write)
    (tmp_path / "batch.toml").write_text(f"genes = [{names(genes)}]\n{OUTS}")
    code, lines = run(capsys, "--run-toml", trained.toml, "--batch-toml", tmp_path / "batch.toml")
    assert code == 1
    assert f"failed: {genes[0]}: the disk is on fire" in lines
    assert lines[-2].startswith("2 of 3 jobs done in ")
    assert lines[-1] == "Error: 1 of 3 jobs failed; the others are written"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{gene}_perturb_expr.feather" for gene in genes[1:]
    )


def test_ctrl_c_finishes_the_jobs_at_work(capsys, trained, genes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    original = Effect.write

    def write(self: Effect, path: Path) -> Path:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        return original(self, path)

    monkeypatch.setattr(Effect, "write", write)
    (tmp_path / "batch.toml").write_text(f"genes = [{names(genes)}]\n{OUTS}")
    before = signal.getsignal(signal.SIGTERM)
    code, lines = run(
        capsys, "--run-toml", trained.toml, "--batch-toml", tmp_path / "batch.toml", "--batch-parallelism", 1
    )  # fmt: skip
    assert signal.getsignal(signal.SIGTERM) == before
    assert code == 143
    assert lines[0] == "finishing the simulations at work; press Ctrl-C again to stop at once"
    assert lines[-1] == "stopped: 2 jobs are left; the same command does all jobs again"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{genes[0]}_perturb_expr.feather"]


def test_cells_of_a_batch_and_of_the_run(capsys, trained, genes, tmp_path: Path):
    config = tmp_path / "config.toml"
    text = f'run_toml = "{trained.toml}"\ngenes = [{names(genes[:2])}]\n{OUTS}'
    # the path counts from the file, although the run is elsewhere
    stored = '[perturbation]\ncells_csv = "cells.csv"\ncells_csv_column = "left"\n'
    (tmp_path / "cells.csv").write_text("left,right\ncell1,cell2\n")

    def knocked_out() -> list[list[int]]:
        code, lines = run(capsys, "-c", config)
        assert code == 0, lines
        tables = [feather.read_table(tmp_path / "out" / f"{gene}_perturb_expr.feather")[gene] for gene in genes[:2]]
        return [np.flatnonzero(table.to_numpy() == 0).tolist() for table in tables]

    config.write_text(text + stored)
    assert knocked_out() == [[1], [1]]
    config.write_text(f'{text}cells_csv_columns = ["right", ""]\n{stored}')
    assert knocked_out() == [[2], list(range(150))]


def test_settings_of_the_config_file_and_of_flags(capsys, trained, opened: Run, genes, tmp_path: Path):
    config, out = tmp_path / "config.toml", tmp_path / "ko.feather"
    config.write_text(
        f'spacetravlr_run_repro = "{trained.directory}"\nbeta_cap = 0.05\n[perturbation]\nn_propagation = 1\n'
        'profile = "v1"\n[spatial]\nradius = 90.0\nradios = 1\n[cellchat]\nx = 1\n'
    )
    given = ["--gene", genes[0], "--out", out]
    code, lines = run(capsys, "--perturb-toml", config, *given)
    assert code == 0, lines
    assert lines[0] == f"warning: unknown key [spatial].radios in {config} is ignored; did you mean [spatial].radius?"
    expected = opened.perturb({genes[0]: 0.0}, n_propagation=1, profile="v1", radius=90.0, beta_cap=0.05)
    np.testing.assert_array_equal(simulated(out), expected.simulated)
    assert run(capsys, config, *given, "--n-propagation", 2, "--profile", "default")[0] == 0
    expected = opened.perturb({genes[0]: 0.0}, n_propagation=2, profile="default", radius=90.0, beta_cap=0.05)
    np.testing.assert_array_equal(simulated(out), expected.simulated)


def test_the_flag_for_the_run_wins(capsys, trained, genes, tmp_path: Path):
    (tmp_path / "config.toml").write_text('run_toml = "gone.toml"\n')
    given = ["--config", tmp_path / "config.toml", "--gene", genes[0], "--out", tmp_path / "ko.feather"]
    code, lines = run(capsys, *given)
    assert code == 1
    assert f"no such run directory or run TOML: {tmp_path / 'gone.toml'}" in lines[0]
    assert run(capsys, *given, "--run-toml", trained.toml)[0] == 0


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if the models are loaded."""

    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("the models were loaded")

    monkeypatch.setattr(PropagationModel, "__init__", loaded)
    monkeypatch.setattr(Run, "betabase", property(loaded))


GOOD = f'gene = "Tcf3"\n{OUTS}'


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--out", "k.feather"], "--out: not in batch mode"),
        (["--gene", "Tcf3"], "--gene: not in batch mode"),
        (["--desired-expr", "1"], "--desired-expr: not in batch mode"),
        (["--cells-csv", "c.csv"], "--cells-csv: not in batch mode"),
        (["--cells-csv-column", "a"], "--cells-csv-column: not in batch mode"),
        (["--cell-type", "B cell", "--region", "r.csv"], "--cell-type, --region: not in batch mode"),
        (["--where", "x > 1", "--top", "3"], "--top, --where: not in batch mode"),
        (["--negative-control", "9"], "--negative-control: not in batch mode"),
        (["--batch-toml", "gone.toml"], "cannot read gone.toml"),
        (
            ["--config", "batch.toml"],
            "--batch-toml batch.toml and the batch keys of batch.toml (gene, out_dir) exclude",
        ),
        (["--n-propagation", "99"], "[perturbation].n_propagation = 99"),
        (["--h5ad", "gone.h5ad"], "no such file: gone.h5ad"),
    ],
)
@pytest.mark.usefixtures("unloaded")
def test_flags_that_batch_mode_refuses(
    capsys, trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], words: str
):
    monkeypatch.chdir(tmp_path)
    Path("batch.toml").write_text(GOOD)
    code, lines = run(capsys, "--run-toml", trained.toml, "--batch-toml", "batch.toml", *flags)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("Error: ")
    assert words in lines[0]
    assert not Path("out").exists()


@pytest.mark.usefixtures("unloaded")
def test_a_batch_without_a_run_and_with_no_workers(capsys, trained, tmp_path: Path):
    (tmp_path / "batch.toml").write_text(GOOD)
    code, lines = run(capsys, "--batch-toml", tmp_path / "batch.toml")
    assert code == 1
    assert lines == [
        "Error: batch mode needs a run: give --run-toml FILE, or run_toml in the file of --config"
    ]  # fmt: skip
    given = ["--run-toml", trained.toml, "--batch-toml", tmp_path / "batch.toml", "--batch-parallelism", 0]
    assert run(capsys, *given) == (
        2,
        ["Error: --batch-parallelism must be a whole number of at least 1, not 0"],
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"genez = 1\n{GOOD}", "b.toml: unknown key 'genez'; did you mean gene?"),
        (f"{GOOD}[pertubation]\nx = 1", "unknown section [pertubation]"),
        (f"profile = 'v1'\n{GOOD}", "unknown key 'profile'; did you mean [perturbation].profile?"),
        (f"run_toml = 'x'\n{GOOD}", "run_toml is no key of a batch; it belongs into the file of --config"),
        (f"{GOOD}[perturbation]\nn_propagation = 2", "[perturbation] is no key of a batch"),
        ("gene = ", "b.toml is not TOML"),
        (OUTS, "gene or genes is missing"),
        ('gene = "Tcf3"', "out or out_dir is missing"),
        (f'{GOOD}genes = ["Tcf3"]', "gene and genes exclude each other"),
        (f'gene = "Nope"\n{OUTS}', "gene names what is not among the 40 measured genes: 'Nope'"),
        (f"{GOOD}desired_expr = [1, 2]", "desired_expr has 2 values for 1 genes"),
        (f"{GOOD}desired_expr = -1", "desired_expr must be finite and not negative"),
        (f"{GOOD}n_propagation = 40", "n_propagation must be a whole number from 0 to 32"),
        (f"{GOOD}parallelism = 0", "parallelism must be a whole number of at least 1"),
        (f"{GOOD}radius = 0", "radius must be a finite number above 0"),
        (f'{GOOD}cells_csv_column = "a"', "cells_csv_column names columns of no table"),
        (f'{GOOD}cells_csv = "c.csv"', "cells_csv needs cells_csv_column"),
        (f'{GOOD}cells_csv = "c.csv"\ncells_csv_column = "lft"', "has no column 'lft'; its header is: left, none"),
        (f'{GOOD}cells_csv = "c.csv"\ncells_csv_column = "none"', "column 'none' of"),
        (f'{GOOD}cells_obs_file = "gone.txt"', "gone.txt"),
        ('gene = "Tcf3"\nout = "k.csv"', "the name must end in .feather or .h5ad"),
        ('gene = "Tcf3"\nout = "c.csv/k.feather"', "c.csv is a file, not a directory"),
        ('genes = ["Tcf3", "Tcf3"]\nout_dir = "out"', "would both write"),
    ],
)
@pytest.mark.usefixtures("unloaded")
def test_batches_that_are_refused_before_anything_is_done(capsys, trained, tmp_path: Path, text: str, words: str):
    (tmp_path / "c.csv").write_text("left,none\ncell1,\n")
    (tmp_path / "b.toml").write_text(text)
    code, lines = run(capsys, "--run-toml", trained.toml, "--batch-toml", tmp_path / "b.toml")
    assert code == (2 if "must end in" in words or "both write" in words else 1)
    assert len(lines) == 1
    assert words in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.toml", "c.csv"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stray = 1", "config.toml: unknown key 'stray'"),
        ("run_tml = 'x'", "unknown key 'run_tml'; did you mean run_toml?"),
        ("profile = 'v1'", "unknown key 'profile'; did you mean [perturbation].profile?"),
        ("[spatail]\nradius = 3", "unknown section [spatail]; did you mean [spatial]?"),
        ("n_propagation = 2", "n_propagation belongs to a batch, but there is no gene or genes"),
        ("out_dir = 'x'\nparallelism = 2", "out_dir, parallelism belongs to a batch"),
        ("run_toml = 'a'\nrun_repro = 'b'", "run_toml and run_repro are names for the same: give one"),
        ("run_toml = 3", "run_toml must be the path of a run TOML, not 3"),
        ("spatial = 3", "[spatial] must be a section of keys, not 3"),
        ("[spatial]\nradius = -3", "config.toml: [spatial].radius = -3"),
        ("beta_cap = 'big'", 'config.toml: [perturbation].beta_cap = "big" must be a number'),
        ("[execution]\noutput_dir = 'x'", "[execution].output_dir would name another run"),
        ("= 1", "config.toml is not TOML"),
    ],
)
@pytest.mark.usefixtures("unloaded")
def test_config_files_that_are_refused(capsys, trained, tmp_path: Path, text: str, words: str):
    (tmp_path / "config.toml").write_text(text)
    given = ["--config", tmp_path / "config.toml", "--gene", "Tcf3", "--out", tmp_path / "ko.feather"]
    code, lines = run(capsys, "--run-toml", trained.toml, *given)
    assert (code, len(lines)) == (1, 1)
    assert words in lines[0]
    assert not (tmp_path / "ko.feather").exists()


def test_files_that_are_no_text_and_configs_without_a_run(capsys, tmp_path: Path):
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert "is not text in UTF-8" in run(capsys, tmp_path / "binary.toml")[1][0]
    (tmp_path / "empty.toml").write_text("")
    code, lines = run(capsys, tmp_path / "empty.toml", "--gene", "A", "--out", tmp_path / "a.feather")
    assert code == 2
    assert f"--run-toml is missing, and {tmp_path / 'empty.toml'} has no run_toml" in lines[0]
