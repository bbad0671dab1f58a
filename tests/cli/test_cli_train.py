"""Training from the command line: output, log, resume, refusals and exit codes, with real processes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import spacetravlr.training
from spacetravlr.cli import main
from spacetravlr.events import GeneFailed, GeneWritten, RunFinished, RunStarted
from spacetravlr.run import Run

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x9b]")


def test_a_run_tells_what_it_does(trained):
    ended = trained.ended
    assert ended.code == 0
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert lines[0] == "note: default settings, with --h5ad, --output-dir, --max-ligands, --parallel"
    assert any(line.startswith("note: clusters from obs['cell_type']: 2 clusters") for line in lines)
    assert any(line.startswith("warning: using the small starter network") for line in lines)
    stages = [line for line in lines if re.match(r"\[\d+\.\d s\] ", line)]
    names = [line.split("] ")[1].split(":")[0] for line in stages]
    assert names == ["sample", "prior network", "expression", "received ligands"]
    start = lines.index(f"training 40 genes, on 150 cells in 2 clusters, into {trained.directory}")
    genes = lines[start + 1 : start + 41]
    assert [line.split("]")[0] for line in genes] == [f"[{i}/40" for i in range(1, 41)]
    written = [line for line in genes if " R2=" in line]
    pattern = r"\[\d+/40\] \S+ R2=0\.\d\d out=0\.\d\d n_mod=\d+ kept=\d+ t=\d+\.\d\ds rate=\S+ eta=\S+"
    assert len(written) >= 5
    assert all(re.fullmatch(pattern, line) for line in written)
    assert all(re.search(r"\] \S+ orphan: ", line) for line in genes if line not in written)


def test_the_last_words_lead_to_a_perturbation(trained):
    *_, counts, scores, where, following = trained.ended.out.splitlines()
    run = Run.open(trained.directory)
    assert re.fullmatch(rf"complete after \S+: {len(run.genes)} genes written, {len(run.orphans)} orphan", counts)
    assert re.fullmatch(r"median R2: 0\.\d\d in sample, 0\.\d\d held out", scores)
    assert str(trained.directory) in where
    found = re.fullmatch(
        r"next: spacetravlr-perturb --run-toml '(.*)' --gene (\S+) --desired-expr 0 --out ko.feather", following
    )
    assert found is not None
    assert found[1] == str(trained.toml)
    assert any(found[2] in run.betas(gene).tfs for gene in run.genes)


def test_plain_output_has_no_control_codes(trained):
    assert CONTROL.findall(trained.ended.out.replace("\n", "")) == []
    assert trained.ended.out.endswith("ko.feather\n")


def test_the_log_of_the_run_has_the_same_lines(trained):
    logged = (trained.directory / "log" / "run.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in logged] == trained.ended.out.splitlines()


def test_the_record_of_the_run_has_the_flags(trained):
    config = Run.open(trained.directory).config
    assert config.grn.max_ligands == 30
    assert config.execution.n_parallel == 1
    assert config.data.adata_path == str(trained.sample)


@pytest.fixture
def copy(trained, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(trained.directory, tmp_path / "copy"))


def test_a_run_that_exists_is_continued(trained, copy: Path, capsys):
    run = Run.open(copy)
    gone = run.genes[:3]
    kept = run.directory.files.betadata(run.genes[5])
    before = kept.stat().st_mtime_ns
    for gene in gone:
        run.directory.files.betadata(gene).unlink()
    arguments = ["--h5ad", trained.sample, "--output-dir", copy, "--max-ligands", 30, "--parallel", 1]
    assert main.run([*map(str, arguments)]) == 0
    out = capsys.readouterr().out
    assert "training 40 genes, 37 of them done before" in out
    assert "3 genes written, 37 skipped (done already)" in out
    assert [line.split()[1] for line in out.splitlines() if " R2=" in line] == list(gone)
    assert kept.stat().st_mtime_ns == before
    assert run.genes == Run.open(trained.directory).genes


def test_joining_continues_with_the_settings_of_the_run(copy: Path, capsys):
    run = Run.open(copy)
    run.directory.files.betadata(run.genes[0]).unlink()
    assert main.run(["--join-output-dir", str(copy), "--radius", "5", "--plain"]) == 0
    out = capsys.readouterr().out
    assert "note: --radius ignored: a run that is joined keeps its settings" in out
    assert "1 gene written, 39 skipped (done already)" in out


def test_changed_settings_are_refused_with_the_difference(trained, copy: Path, capsys):
    arguments = ["--h5ad", trained.sample, "--output-dir", copy, "--max-ligands", 30, "--radius", 150]
    assert main.run([*map(str, arguments)]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("Error: ")
    assert "[spatial].radius: 200.0 -> 150.0" in err


def test_a_run_without_one_model_ends_with_3(sample: Path, tmp_path: Path, capsys):
    out = tmp_path / "none"
    arguments = ["--h5ad", sample, "--output-dir", out, "--genes", "Pax5,Foxo1", "--score-threshold", 2]
    assert main.run([*map(str, arguments), "--parallel", "1"]) == 3
    told = capsys.readouterr()
    assert "failed after" in told.out
    assert "0 genes written, 2 orphan" in told.out
    assert told.err.startswith("Error: no gene was written to ")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--condition", "cell_tpye"], "obs has no column 'cell_tpye'; did you mean 'cell_type'?"),
        (["--sample", "cell_tpye"], "obs has no column 'cell_tpye'; did you mean 'cell_type'?"),
        (["--layer", "imputed_cuont"], "did you mean 'imputed_count'?"),
        (["--cluster-annot", "cel_type"], "cell_type"),
        (["--genes", "Nothing"], "no target gene is left"),
        (["--l1-reg", "0.1", "--penalty", "enet"], "cannot be combined"),
        (["--max-genes", "0"], "command line: [training].max_genes = 0"),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(sample, tmp_path, capsys, flags: list[str], words: str):
    out = tmp_path / "run"
    assert main.run(["--h5ad", str(sample), "--output-dir", str(out), *flags]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert not out.exists()


def test_a_missing_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main.run(["--h5ad", "missing.h5ad"]) == 1
    assert capsys.readouterr().err == f"Error: no such file: {tmp_path / 'missing.h5ad'}\n"


def test_the_default_directory_is_named_after_the_sample(sample, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(sample.parent))
    assert main.run(["--h5ad", "~/small.h5ad", "--max-genes", "1", "--genes", "Foxo1", "--solver", "fista"]) in (0, 3)
    assert (tmp_path / "small_spacetravlr" / "run_manifest.json").exists()
    manifest = json.loads((tmp_path / "small_spacetravlr" / "run_manifest.json").read_text())
    assert manifest["input"]["path"] == str(sample)
    assert "--solver" in capsys.readouterr().out


def some_failures(*_: Any, listener: Any, **__: Any) -> Run:
    """Stands for a training in which one of two genes fails."""
    listener(RunStarted(str(some_failures.out), 150, 40, 2, 2, 0))  # type: ignore[attr-defined]
    listener(GeneWritten("Foxo1", 3, 2, 0.5, 0.4, 0.1))
    listener(GeneFailed("Pax5", "FloatingPointError: overflow"))
    listener(RunFinished("partial", 1, 0, 1, 0, 1.0, 0.5, 0.4))
    return Run.open(some_failures.out)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--fail-on-gene-error"], 1)])
def test_a_gene_that_fails(copy: Path, monkeypatch: pytest.MonkeyPatch, capsys, flags: list[str], code: int):
    some_failures.out = copy  # type: ignore[attr-defined]
    monkeypatch.setattr(spacetravlr.training, "train", some_failures)
    assert main.run(["--h5ad", "s.h5ad", *flags]) == code
    told = capsys.readouterr()
    assert "[2/2] Pax5 failed: FloatingPointError: overflow\n" in told.out
    assert "failed, tried again by the next run: Pax5 (FloatingPointError: overflow)\n" in told.out
    assert told.err == ("Error: 1 gene(s) could not be trained: Pax5\n" if code else "")


def test_an_internal_error_leaves_its_traceback_in_the_log_directory(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    def broken(*_: Any, listener: Any, **__: Any) -> Run:
        listener(RunStarted(str(copy), 150, 40, 2, 2, 0))
        raise KeyError("a slip of ours")

    monkeypatch.setattr(spacetravlr.training, "train", broken)
    assert main.run(["--h5ad", "s.h5ad"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Error: internal error (KeyError: 'a slip of ours'); please report it with the traceback in ")
    assert "in broken" in next((copy / "log").glob("spacetravlr-error-*.txt")).read_text()


def test_an_account_that_cannot_be_recorded_does_not_stop_the_run(copy: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    log = copy / "log" / "run.log"
    log.unlink()
    log.mkdir()
    some_failures.out = copy  # type: ignore[attr-defined]
    monkeypatch.setattr(spacetravlr.training, "train", some_failures)
    assert main.run(["--h5ad", "s.h5ad"]) == 0
    out = capsys.readouterr().out
    assert out.count("the account of this run is not recorded any further") == 1
    assert "[1/2] Foxo1 R2=0.50" in out


def test_what_the_package_logs_becomes_a_line(copy: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    import logging

    def logging_one(*arguments: Any, **keywords: Any) -> Run:
        logging.getLogger("spacetravlr").warning("the heartbeat %s", "skips")
        return some_failures(*arguments, **keywords)

    some_failures.out = copy  # type: ignore[attr-defined]
    monkeypatch.setattr(spacetravlr.training, "train", logging_one)
    main.run(["--h5ad", "s.h5ad"])
    told = capsys.readouterr()
    assert "warning: the heartbeat skips\n" in told.out
    assert told.err == ""
