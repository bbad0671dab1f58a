"""`doctor`, `peek` and `init`: what they find, and what they advise."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import anndata
import numpy as np
import pytest

from spacetravlr.cli import _doctor_data, _doctor_machine, _doctor_packages, main
from spacetravlr.config import RunConfig


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # numba's own variables stay: it refuses to compile once they change
    for name in ("SPACETRAVLR_DATA_DIR", "HDF5_USE_FILE_LOCKING", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    code = main.run(["doctor", "--json", *arguments])
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is (code == 0)
    checks: dict[str, list[dict[str, str]]] = {}
    for check in found["checks"]:
        checks.setdefault(check["name"], []).append(check)
        assert check["status"] == "ok" or check["fix"] or "does without" in check["found"], check
    return code, checks


def problems(checks: dict[str, list[dict[str, str]]]) -> list[str]:
    return [name for name, some in checks.items() if any(check["status"] == "problem" for check in some)]


def test_a_machine_in_order(capsys):
    code, checks = doctor(capsys)
    assert (code, problems(checks)) == (0, [])
    for name in ("python", "spacetravlr", "packages", "[pp]", "threads", "BLAS", "networks", "writing", "file locks"):
        assert name in checks
    assert list(Path.cwd().iterdir()) == []


def test_the_text_says_the_same(capsys):
    assert main.run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["everything is in order", "next: spacetravlr demo"]
    assert any(line.startswith("ok      threads") for line in lines)
    assert any(line.startswith("                    -> ") for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "check", "fix"),
    [
        ("OMP_NUM_THREADS", "4096", "threads", "unset OMP_NUM_THREADS"),
        ("SPACETRAVLR_DATA_DIR", "absent", "networks", "unset SPACETRAVLR_DATA_DIR"),
    ],
)
def test_settings_of_the_environment_that_do_harm(capsys, monkeypatch, name, value, check, fix):
    monkeypatch.setenv(name, value)
    code, checks = doctor(capsys)
    assert (code, problems(checks)) == (1, [check])
    assert any(fix in one["fix"] for one in checks[check])


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("NUMBA_NUM_THREADS", "many", _doctor_machine.processors),
        ("NUMBA_NUM_THREADS", "4096", _doctor_machine.processors),
        ("NUMBA_DISABLE_JIT", "1", _doctor_data.compiled),
    ],
)
def test_settings_of_numba_that_do_harm(monkeypatch, name, value, check):
    with monkeypatch.context() as patched:
        patched.setenv(name, value)
        [found] = list(check())
    assert (found.status, found.fix.startswith(f"unset {name}")) == ("problem", True)


def test_a_network_file_that_is_none(capsys, monkeypatch, tmp_path):
    (tmp_path / "mouse_network.parquet").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    monkeypatch.setenv("SPACETRAVLR_DATA_DIR", str(tmp_path))
    _, checks = doctor(capsys)
    assert problems(checks) == ["networks"]
    assert "LFS" in checks["networks"][0]["found"]


def test_a_directory_that_cannot_be_written(capsys, monkeypatch):
    monkeypatch.chdir("/proc")
    code, checks = doctor(capsys)
    assert code == 1
    assert set(problems(checks)) == {"writing", "file locks"}


def test_packages_that_are_old_absent_or_broken(capsys, monkeypatch):
    monkeypatch.setattr(
        _doctor_packages,
        "requirements",
        lambda: {
            "": {"numpy": "99.0", "no-such-package": "1"},
            "pp": {"scanpy": "1.10"},
            "tui": {"no-such-thing": "1"},
        },
    )
    monkeypatch.setitem(sys.modules, "scanpy", None)
    code, checks = doctor(capsys)
    assert code == 1
    assert problems(checks) == ["packages", "[pp]"]
    assert [one["found"].split()[-3:] for one in checks["packages"][:1]] == [["older", "than", "99.0"]]
    assert checks["packages"][1]["found"] == "no-such-package is not installed"
    assert "cannot be imported" in checks["[pp]"][0]["found"]
    assert checks["[tui]"][0]["status"] == "note"


def test_what_the_package_says_it_needs():
    wanted = _doctor_packages.requirements()
    assert {"numpy", "anndata", "typer"} <= set(wanted[""])
    assert wanted["pp"]["scanpy"] == "1.10"


def test_a_check_that_breaks_does_not_end_the_others(capsys, monkeypatch):
    def broken() -> float:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(_doctor_machine, "available_cores", broken)
    code, checks = doctor(capsys)
    assert code == 1
    assert problems(checks) == ["processors"]
    assert "networks" in checks


@pytest.fixture
def pixels(sample: Path, tmp_path: Path) -> Path:
    """Without the layer, in pixels of 0.1 um."""
    adata = anndata.read_h5ad(sample)
    adata.X = np.round(adata.X)
    for name in [name for name in adata.layers if name]:  # under None is X, from anndata 0.13 on
        del adata.layers[name]
    adata.obsm["spatial"] = adata.obsm["spatial"] * 10
    path = tmp_path / "pixels.h5ad"
    adata.write_h5ad(path)
    return path


def test_a_sample_that_is_not_ready(capsys, pixels):
    code, checks = doctor(capsys, str(pixels))
    assert code == 1
    assert problems(checks) == ["sample", "units"]
    assert "spacetravlr prepare" in checks["sample"][1]["fix"]
    code, checks = doctor(capsys, str(pixels), "--um-per-unit", "0.1")
    assert problems(checks) == ["sample"]
    assert "--um-per-unit 0.1" in checks["sample"][1]["fix"]


def test_a_length_that_is_none(capsys, pixels):
    for command in ("doctor", "peek"):
        assert main.run([command, str(pixels), "--um-per-unit", "0"]) == 1
        out, err = capsys.readouterr()
        assert (out, err) == ("", "Error: um_per_unit = 0 is not allowed: a positive number is needed\n")


def test_a_sample_that_is_ready(capsys, sample):
    code, checks = doctor(capsys, str(sample))
    assert code == 0
    assert "cells within the radius of 200 units" in checks["units"][0]["found"]


def test_no_sample(capsys):
    _, checks = doctor(capsys, "absent.h5ad")
    assert problems(checks) == ["sample"]


def test_peek(capsys, pixels, sample):
    assert main.run(["peek", str(pixels)]) == 0
    out = capsys.readouterr().out
    assert "150 cells x 40 genes" in out
    assert "cell_type: 2 categories: B cell (75), fibroblast (75)" in out
    assert "X         dense float64; whole numbers (counts)" in out
    assert "holds 0" in out
    assert "missing   layers['imputed_count']" in out
    assert "the starter network" in out
    assert "--um-per-unit NUMBER" in out
    assert main.run(["peek", str(pixels), "--um-per-unit", "0.1", "--radius", "100"]) == 0
    out = capsys.readouterr().out
    assert "cells within the radius of 100 um" in out
    assert out.splitlines()[-1].endswith("--um-per-unit 0.1")
    assert main.run(["peek", str(sample)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"next      spacetravlr --h5ad {sample} --output-dir my_run"


def test_peek_at_positions_in_obs(capsys, pixels):
    adata = anndata.read_h5ad(pixels)
    adata.obs["x"], adata.obs["y"] = adata.obsm.pop("spatial").T
    adata.write_h5ad(pixels)
    assert main.run(["peek", str(pixels)]) == 0
    out = capsys.readouterr().out
    assert "positions are in obs['x'] and obs['y'], and prepare reads them there" in out
    assert "no positions, no signals" not in out
    assert "--um-per-unit NUMBER" in out


@pytest.mark.parametrize(("argument", "words"), [("absent.h5ad", "no such file"), (".", "is a folder")])
def test_peek_at_nothing(capsys, argument, words):
    assert main.run(["peek", argument]) == 1
    assert words in capsys.readouterr().err


def test_a_configuration_for_a_file(capsys, sample):
    assert main.run(["init", str(sample)]) == 0
    out, err = capsys.readouterr()
    assert err == "next, once this is in spaceship_config.toml: spacetravlr --output-dir my_run\n"
    assert out.startswith("# For small.h5ad: 150 cells x 40 genes.\n")
    config = RunConfig.from_toml(out)
    assert config.data.adata_path == str(sample)
    assert config.data.cluster_annot == "cell_type"
    assert config.data.spatial_species == "mouse"
    assert config.spatial.radius == 200.0
    assert "radius" in tomllib.loads(out)["spatial"]


def test_a_configuration_in_units_of_the_coordinates(capsys, pixels):
    adata = anndata.read_h5ad(pixels)
    adata.uns["spatial"] = {"slide": {"scalefactors": {"microns_per_pixel": 0.1}}}
    adata.write_h5ad(pixels)
    assert main.run(["init", str(pixels)]) == 0
    out, err = capsys.readouterr()
    config = RunConfig.from_toml(out)
    assert (config.spatial.radius, config.spatial.contact_distance) == (2000.0, 500.0)
    assert "the file lacks layers['imputed_count']; first: spacetravlr prepare" in err
