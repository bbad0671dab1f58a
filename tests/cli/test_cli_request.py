"""Flags win over the file, the file over the defaults; a run that is joined keeps its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from spacetravlr.cli._request import Request, make_request
from spacetravlr.cli._train_flags import TRAIN_FLAGS
from spacetravlr.errors import ConfigError, RunDirectoryError, UsageError


def request_of(**given: Any) -> Request:
    every: Mapping[str, Any] = {flag.name: None for flag in TRAIN_FLAGS}
    assert given.keys() <= every.keys()
    return make_request({**every, **given})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def test_every_setting_among_the_flags_reaches_the_configuration(here: Path):
    values = {
        "layer": "X", "cluster_annot": "kind", "species": "human", "genes": "Pax5, Foxo1", "max_genes": 7,
        "write_minimal_repro_h5ad": True, "save_cnn_weights": True, "training_mode": "seed", "solver": "cd",
        "select": "fixed", "penalty": "sgl", "l1_reg": 0.1, "group_reg": 0.2, "n_iter": 9, "tol": 0.3,
        "n_bootstraps": 4, "score_on": "held_out", "score_threshold": 0.4, "held_out": True, "epochs": 2, "lr": 0.5,
        "cnn_output_activation": "tanh", "radius": 11.0, "contact_distance": 12.0, "kernel": "truncated",
        "signal_tol": 0.01, "weighted_ligand_scale_factor": 2.0, "tf_prior": "tf.feather", "max_ligands": 5,
        "extra_modulators": "A,B", "extra_lr": "L$R,M$S", "parallel": 3, "seed": 8, "device": "cpu",
    }  # fmt: skip
    request = request_of(h5ad="s.h5ad", output_dir="out", **values)
    flat = request.config.flat()
    expected = {flag.key: values[flag.name] for flag in TRAIN_FLAGS if flag.name in values}
    expected |= {
        "training.genes": ["Pax5", "Foxo1"],
        "grn.extra_modulators": ["A", "B"],
        "grn.extra_lr": ["L$R", "M$S"],
        "grn.tf_priors_feather": str(here / "tf.feather"),
    }
    assert {key: flat[key] for key in expected} == expected
    assert request.sample == str(here / "s.h5ad")
    assert flat["execution.output_dir"] == str(here / "out")


def test_the_order_of_precedence(here: Path):
    (here / "own.toml").write_text('[spatial]\nradius = 300\nkernel = "truncated"\n[data]\nadata_path = "t.h5ad"\n')
    config = request_of(config="own.toml", radius=50.0).config
    assert (config.spatial.radius, config.spatial.kernel, config.spatial.contact_distance) == (50.0, "truncated", 50.0)


@pytest.mark.parametrize("name", ["spaceship_config.toml", "SpaceshipConfig.toml"])
def test_a_configuration_in_the_current_directory_is_found(here: Path, name: str):
    (here / name).write_text('[data]\nadata_path = "t.h5ad"\nlayr = "X"\n')
    request = request_of(max_genes=3)
    assert request.sample == str(here / "t.h5ad")
    assert request.notices[0] == f"settings from {here / name}, with --max-genes"
    assert any("did you mean [data].layer?" in notice for notice in request.notices)


def test_a_named_configuration_wins_over_the_one_found(here: Path):
    (here / "spaceship_config.toml").write_text("[spatial]\nradius = 1\n")
    (here / "own.toml").write_text("[spatial]\nradius = 2\n")
    assert request_of(config="own.toml", h5ad="s.h5ad").config.spatial.radius == 2


def test_a_broken_configuration(here: Path):
    (here / "spaceship_config.toml").write_text("[spatial\n")
    notices = request_of(h5ad="s.h5ad").notices
    assert any("spaceship_config.toml line 1" in notice and "is ignored" in notice for notice in notices)
    with pytest.raises(ConfigError, match="line 1: not valid TOML"):
        request_of(h5ad="s.h5ad", config="spaceship_config.toml")
    with pytest.raises(ConfigError, match="no such file"):
        request_of(h5ad="s.h5ad", config="missing.toml")


def test_a_sample_named_in_a_file_counts_from_that_file(here: Path, tmp_path: Path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "t.h5ad").touch()
    (there / "own.toml").write_text('[data]\nadata_path = "t.h5ad"\n[execution]\noutput_dir = "run"\n')
    request = request_of(config=str(there / "own.toml"))
    assert request.sample == str(there / "t.h5ad")
    assert request.config.execution.output_dir == str(here / "run")


def test_the_home_directory_is_understood(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(here))
    (here / "own.toml").touch()
    request = request_of(h5ad="~/s.h5ad", output_dir="~/run", config="~/own.toml")
    assert (request.sample, request.config.execution.output_dir) == (str(here / "s.h5ad"), str(here / "run"))


def test_the_old_name_of_max_ligands(here: Path):
    request = request_of(h5ad="s.h5ad", max_lr_pairs=12)
    assert request.config.grn.max_ligands == 12
    assert "--max-lr-pairs is the old name of --max-ligands" in request.notices
    assert request_of(h5ad="s.h5ad", max_lr_pairs=12, max_ligands=12).config.grn.max_ligands == 12


def test_what_one_flag_implies_is_told():
    notices = request_of(h5ad="s.h5ad", l1_reg=0.01, epochs=3).notices
    assert any('select = "fixed"' in notice for notice in notices)
    assert any("[training].epochs from the command line has no effect" in notice for notice in notices)


def test_a_value_that_is_not_allowed():
    with pytest.raises(ConfigError, match=r"command line: \[training\].max_genes = 0 must be a whole number >= 1"):
        request_of(h5ad="s.h5ad", max_genes=0)
    with pytest.raises(ConfigError, match="not a ligand-receptor pair"):
        request_of(h5ad="s.h5ad", extra_lr="Ccl19")


def test_joining_takes_the_settings_of_the_run(trained):
    request = request_of(join_output_dir=str(trained.directory), parallel=2, plain=True)
    assert request.out == str(trained.directory)
    assert request.sample == str(trained.sample)
    assert request.config.grn.max_ligands == 30
    assert request.config.execution.n_parallel == 2
    assert request.notices == (f"settings of the run in {trained.directory}",)


def test_joining_heeds_only_a_few_flags(trained):
    request = request_of(
        join_output_dir=str(trained.directory), h5ad="elsewhere.h5ad", radius=3.0, genes="Pax5", max_ligands=30
    )
    assert request.sample.endswith("/elsewhere.h5ad")
    assert request.config.spatial.radius == 200
    assert request.notices[1:] == ("--genes, --radius ignored: a run that is joined keeps its settings",)


@pytest.mark.parametrize("cap", [{"max_ligands": 31}, {"max_ligands": 0}, {"max_lr_pairs": 2}])
def test_joining_with_another_cap_is_refused(trained, cap: dict[str, int]):
    with pytest.raises(UsageError, match=r"--max-ligands \d+ differs from the run in .*, where it is 30"):
        request_of(join_output_dir=str(trained.directory), **cap)


def test_joining_nothing(here: Path):
    with pytest.raises(RunDirectoryError, match="does not exist"):
        request_of(join_output_dir="missing")
    with pytest.raises(RunDirectoryError, match="no spacetravlr_run_repro.toml"):
        request_of(join_output_dir=str(here))
