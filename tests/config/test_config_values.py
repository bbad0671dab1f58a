"""Defaults, types, ranges and the wording of refusals."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

from spacetravlr.config import SECTIONS, LassoSettings, RunConfig, describe, full_key, settings
from spacetravlr.errors import ConfigError

# the code defaults of the compiled edition, written down independently of the models
V1_DEFAULTS = {
    "data": {
        "adata_path": "",
        "layer": "imputed_count",
        "condition": None,
        "perturb_obs_subset_file": None,
    },
    "spatial": {
        "radius": 200.0,
        "spatial_dim": 32,
        "contact_distance": 50.0,
        "weighted_ligand_scale_factor": 1.0,
    },
    "grn": {
        "network_data_dir": None,
        "tf_priors_feather": None,
        "tf_ligand_cutoff": 0.2,
        "max_ligands": None,
        "use_tf_modulators": True,
        "use_lr_modulators": True,
        "use_tfl_modulators": True,
        "extra_modulators": [],
        "extra_lr": [],
        "extra_modulators_file": None,
        "extra_lr_file": None,
    },
    "cnn": {
        "adam_beta_1": 0.9,
        "adam_beta_2": 0.999,
        "adam_epsilon": 1e-5,
        "weight_decay": None,
        "grad_clip_norm": None,
        "spatial_feature_radius": 100.0,
        "output_activation": "sigmoidx2",
    },
    "lasso": {"l1_reg": 1e-5, "group_reg": 1e-5, "n_iter": 500, "tol": 1e-4},
    "training": {
        "seed_only": True,
        "mode": "seed",
        "epochs": 10,
        "learning_rate": 1e-3,
        "score_threshold": 0.1,
        "genes": None,
        "max_genes": None,
    },
    "training.hybrid": {
        "min_cells_per_cluster_for_cnn": 80,
        "max_modulators_soft_for_cnn": 256,
        "moran_k_neighbors": 8,
        "moran_permutations": 99,
        "moran_p_value_max": 0.05,
        "moran_p_value_max_when_over_modulator_cap": 0.01,
        "require_all_clusters_lasso_converged": True,
        "min_mean_lasso_r2_for_cnn": None,
        "min_mean_target_expression_for_cnn": None,
        "hybrid_modulator_spatial_weight": 1.0,
        "cnn_force_genes_file": None,
        "cnn_skip_genes_file": None,
        "hybrid_cnn_top_k": None,
        "hybrid_cnn_permissiveness": 0.5,
    },
    "execution": {"n_parallel": 0, "output_dir": "", "write_minimal_repro_h5ad": False},
    "model_export": {"save_cnn_weights": False, "compressed_npz": True, "output_subdir": "CNN_weights"},
    "perturbation": {
        "ligand_grid_factor": None,
        "beta_scale_factor": 1.0,
        "beta_cap": None,
        "cells_csv": None,
        "cells_csv_column": None,
    },
}
OUR_DEFAULTS = {
    "data": {
        "sample": None,
        "spatial_species": None,
        "response_layer": None,
        "response_use": "score",
        "cluster_annot": None,
    },
    "spatial": {"kernel": "gaussian", "signal_tol": 1e-6},
    "grn": {"network_base_url": None},
    "cnn": {
        "encoder": "shared",
        "map_style": "readme",
        "lr_schedule": "cosine",
        "cosine_lr_min_ratio": 0.01,
        "lr_warmup_epochs": 0,
        "cnn_minibatch_size": 128,
        "cnn_inference_batch_size": 512,
        "cnn_early_stop_patience": 8,
        "cnn_early_stop_min_epochs": 12,
        "cnn_vs_lasso_arbitration_margin": 0.0,
        "min_cells_for_cnn": 60,
        "encoder_size": 12,
        "encoder_rounds": 1,
    },
    "lasso": {
        "solver": "cd",
        "select": None,
        "penalty": None,
        "rule": "1se",
        "ridge": 0.0,
        "n_folds": 5,
        "n_bootstraps": 20,
        "beta_export": None,
    },
    "training": {"score_on": None, "held_out": False, "diagnostics": True, "model_level": None},
    "execution": {"stale_lock_secs": 120, "random_seed": 42, "device": "auto"},
    "cluster": {
        "scheduler": None,
        "workers": 0,
        "threads_per_worker": 1,
        "queue": None,
        "cores": 1,
        "memory": None,
        "walltime": None,
        "account": None,
        "directives": [],
        "prologue": [],
        "interface": None,
        "local_directory": None,
    },
    "perturbation": {"profile": "default", "n_propagation": 2, "min_bound": None, "max_bound": None},
}


def test_the_defaults_are_those_of_the_compiled_edition_and_ours():
    expected = {
        f"{section}.{name}": value
        for table in (V1_DEFAULTS, OUR_DEFAULTS)
        for section, keys in table.items()
        for name, value in keys.items()
    }
    assert RunConfig().flat() == expected


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("spatial.radius", "200", '[spatial].radius = "200" must be a number > 0; write it without quotes'),
        ("spatial.radius", "wide", '[spatial].radius = "wide" must be a number > 0'),
        ("spatial.radius", 0, "[spatial].radius = 0 must be a number > 0"),
        ("spatial.radius", True, "[spatial].radius = true must be a number > 0"),
        ("spatial.radius", float("nan"), "[spatial].radius = nan must be a number > 0"),
        ("spatial.radius", float("inf"), "[spatial].radius = inf must be a number > 0"),
        ("spatial.radius", None, "[spatial].radius = none must be a number > 0"),
        ("spatial.radius", [1, 2], "[spatial].radius = [1, 2] must be a number > 0"),
        ("spatial.contact_distance", -1.5, "[spatial].contact_distance = -1.5 must be a number > 0"),
        ("spatial.spatial_dim", 7, "[spatial].spatial_dim = 7 must be a whole number >= 8"),
        (
            "spatial.kernel",
            "Gaussian",
            '[spatial].kernel = "Gaussian" must be one of gaussian, truncated; did you mean "gaussian"?',
        ),
        ("spatial.kernel", 3, "[spatial].kernel = 3 must be one of gaussian, truncated"),
        ("spatial.signal_tol", 1.0, "[spatial].signal_tol = 1.0 must be a number >= 0 and < 1"),
        ("grn.tf_ligand_cutoff", float("-inf"), "[grn].tf_ligand_cutoff = -inf must be a number"),
        ("grn.max_ligands", -1, "[grn].max_ligands = -1 must be a whole number >= 0"),
        ("grn.max_ligands", False, "[grn].max_ligands = false must be a whole number >= 0"),
        ("grn.use_tf_modulators", 1, "[grn].use_tf_modulators = 1 must be true or false"),
        (
            "grn.use_tf_modulators",
            "true",
            '[grn].use_tf_modulators = "true" must be true or false; write it without quotes',
        ),
        ("grn.extra_lr", "A$B", '[grn].extra_lr = "A$B" must be a list of texts; write it between [ and ]'),
        ("grn.extra_lr", ["A$B", 3], "[grn].extra_lr contains 3 but must be a list of texts"),
        ("lasso.n_iter", 10.0, "[lasso].n_iter = 10.0 must be a whole number >= 1"),
        ("lasso.n_iter", "10", '[lasso].n_iter = "10" must be a whole number >= 1; write it without quotes'),
        ("lasso.n_iter", "1.5", '[lasso].n_iter = "1.5" must be a whole number >= 1'),
        ("lasso.tol", 0.0, "[lasso].tol = 0.0 must be a number > 0"),
        ("lasso.l1_reg", -1e-9, "[lasso].l1_reg = -1e-09 must be a number >= 0"),
        ("lasso.n_folds", 21, "[lasso].n_folds = 21 must be a whole number 2 to 20"),
        ("lasso.penalty", "ridge", '[lasso].penalty = "ridge" must be one of enet, lasso, sgl'),
        ("training.mode", "seeds", '[training].mode = "seeds" must be one of seed, full, hybrid; did you mean "seed"?'),
        ("training.max_genes", 0, "[training].max_genes = 0 must be a whole number >= 1"),
        ("training.hybrid.moran_p_value_max", 1.5, "[training.hybrid].moran_p_value_max = 1.5 must be a number 0 to 1"),
        ("execution.n_parallel", -1, "[execution].n_parallel = -1 must be a whole number >= 0"),
        ("execution.random_seed", -1, "[execution].random_seed = -1 must be a whole number >= 0"),
        ("perturbation.n_propagation", 33, "[perturbation].n_propagation = 33 must be a whole number 0 to 32"),
        ("perturbation.beta_cap", float("inf"), "[perturbation].beta_cap = inf must be a number >= 0"),
        ("model_export.output_subdir", "", '[model_export].output_subdir = "" must be text, not empty'),
        ("data.adata_path", 5, "[data].adata_path = 5 must be a path"),
        ("data.layer", 5, "[data].layer = 5 must be text"),
        ("data.spatial_species", "rat", '[data].spatial_species = "rat" must be one of mouse, human'),
    ],
)
def test_a_bad_value_is_refused_in_one_line(key, value, message):
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_flat({key: value})
    assert str(caught.value) == message
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_flat({key: value}, where="run.toml")
    assert str(caught.value) == f"run.toml: {message}"


def test_every_numeric_bound_of_the_type_text_is_the_one_enforced():
    for setting in settings():
        if setting.kind not in {"number", "integer"}:
            continue
        step = 1 if setting.kind == "integer" else 1e-9
        words = setting.type.removeprefix("whole ").removeprefix("number").split()
        low, high = None, None
        if len(words) == 3:
            low, high = (">=", words[0]), ("<=", words[2])
        else:
            pairs = [tuple(words[i : i + 2]) for i in range(0, len(words), 3)]
            low = next((pair for pair in pairs if pair[0].startswith(">")), None)
            high = next((pair for pair in pairs if pair[0].startswith("<")), None)
        convert = int if setting.kind == "integer" else float
        for bound, outwards in ((low, -step), (high, step)):
            if bound is None:
                continue
            edge = convert(bound[1])
            inside, outside = (edge, edge + outwards) if "=" in bound[0] else (edge - outwards, edge)
            RunConfig.from_flat({setting.key: inside})
            with pytest.raises(ConfigError, match="must be"):
                RunConfig.from_flat({setting.key: outside})
        if low is None:
            RunConfig.from_flat({setting.key: convert(-1_000_000)})


def test_long_values_are_cut_and_other_mistakes_are_counted():
    with pytest.raises(ConfigError) as caught:
        RunConfig(spatial={"kernel": "g" * 200 + "\nx", "radius": -1, "spatial_dim": 0})
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 140
    assert text.startswith("[spatial].radius = -1 must be") and text.endswith("(and 2 more wrong settings)")
    with pytest.raises(ConfigError, match=r"\(and 1 more wrong setting\)$"):
        RunConfig(spatial={"radius": -1, "spatial_dim": 0})
    with pytest.raises(ConfigError, match=r"g\.\.\. must be one of"):
        RunConfig(spatial={"kernel": "g" * 200 + "\nx"})
    with pytest.raises(ConfigError, match=r'\["a", "a", "a", "a", "a", "a", "a", "a", \.\.\.\] must be a number'):
        RunConfig(spatial={"radius": ["a"] * 9})


def test_a_whole_number_too_large_for_a_float_is_refused():
    with pytest.raises(ConfigError, match=r"^\[spatial\].radius = a whole number of 16610 bits must be a number > 0$"):
        RunConfig(spatial={"radius": 10**5000})


def test_whole_numbers_are_fine_as_numbers():
    assert RunConfig(spatial={"radius": 300}).spatial.radius == 300.0
    assert isinstance(RunConfig(spatial={"radius": 300}).spatial.radius, float)


def test_numpy_scalars_and_paths_of_notebooks_are_accepted():
    config = RunConfig.from_flat(
        {
            "spatial.radius": np.float32(2.5),
            "lasso.n_iter": np.int64(7),
            "grn.use_tf_modulators": np.bool_(False),
            "data.adata_path": Path("tissue.h5ad"),
            "grn.network_data_dir": Path("net"),
        }
    )
    assert config.spatial.radius == 2.5
    assert config.lasso.n_iter == 7
    assert config.grn.use_tf_modulators is False
    assert (config.data.adata_path, config.grn.network_data_dir) == ("tissue.h5ad", "net")


def test_blank_means_unset_and_zero_ligands_means_all():
    blank = {
        "data.condition": "",
        "data.sample": "  ",
        "data.spatial_species": "",
        "data.cluster_annot": "",
        "lasso.select": "",
        "lasso.penalty": "",
        "training.score_on": "",
        "grn.network_data_dir": "",
        "grn.max_ligands": 0,
    }
    flat = RunConfig.from_flat(blank).flat()
    assert {key: flat[key] for key in blank} == dict.fromkeys(blank)
    assert RunConfig(data={"layer": ""}).data.layer == RunConfig(data={"layer": "X"}).data.layer == "X"


@pytest.mark.parametrize("word", ["minimal", "seed-only", "seed"])
def test_old_names_of_the_seed_mode(word):
    assert RunConfig(training={"mode": word}).training.mode == "seed"


def test_the_command_line_spelling_of_the_activation():
    assert RunConfig(cnn={"output_activation": "sigmoid-x2"}).cnn.output_activation == "sigmoidx2"


def test_home_directory_expands_in_paths_only(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    values = {setting.key: "~/f" for setting in settings() if setting.kind == "path"}
    flat = RunConfig.from_flat(values | {"data.layer": "~/f"}).flat()
    assert {flat[key] for key in values} == {"/home/ada/f"}
    assert flat["data.layer"] == "~/f"
    assert RunConfig(data={"adata_path": "~"}).data.adata_path == "/home/ada"
    assert RunConfig(data={"adata_path": "~bob/f"}).data.adata_path == "~bob/f"
    assert set(values) == {
        "data.adata_path", "data.perturb_obs_subset_file", "grn.network_data_dir", "grn.tf_priors_feather",
        "grn.extra_modulators_file", "grn.extra_lr_file", "training.hybrid.cnn_force_genes_file",
        "training.hybrid.cnn_skip_genes_file", "execution.output_dir", "perturbation.cells_csv",
    }  # fmt: skip


def test_unknown_settings_of_the_constructor_are_refused():
    with pytest.raises(ConfigError, match=r"^unknown setting \[lasso\].l1_regg; did you mean \[lasso\].l1_reg\?$"):
        RunConfig(lasso={"l1_regg": 1})
    with pytest.raises(ConfigError, match=r"^unknown setting radius; did you mean \[spatial\].radius\?$"):
        RunConfig(radius=300)
    with pytest.raises(ConfigError, match=r"^\[spatial\] must be a section of keys, not 3$"):
        RunConfig(spatial=3)
    with pytest.raises(ConfigError, match=r"^\[training.hybrid\] must be a section of keys, not \"x\"$"):
        RunConfig(training={"hybrid": "x"})


def test_a_configuration_is_immutable_comparable_and_copies():
    config = RunConfig(lasso=LassoSettings(l1_reg=0.1), training={"hybrid": {"moran_k_neighbors": 3}})
    with pytest.raises(ValueError, match="frozen"):
        config.lasso.l1_reg = 2.0
    with pytest.raises(ValueError, match="frozen"):
        config.lasso = LassoSettings()
    for twin in (copy.deepcopy(config), copy.copy(config)):
        assert twin == config and hash(twin) == hash(config)
        assert twin.given() == config.given() == {"lasso.l1_reg": 0.1, "training.hybrid.moran_k_neighbors": 3}
    assert config != RunConfig()
    assert RunConfig(lasso={"l1_reg": 1e-5}) == RunConfig()


def test_replace_keeps_what_was_given_and_checks_the_rest():
    config = RunConfig(lasso={"l1_reg": 0.1, "select": "cv"}, data={"condition": "age"})
    other = config.replace({"radius": 3, "lasso.select": None, "training.hybrid.moran_k_neighbors": 4})
    assert other.given() == {
        "data.condition": "age",
        "spatial.radius": 3.0,
        "lasso.l1_reg": 0.1,
        "lasso.select": None,
        "training.hybrid.moran_k_neighbors": 4,
    }
    assert other.resolved().lasso.select == "fixed"
    assert config.spatial.radius == 200.0
    with pytest.raises(ConfigError, match=r"must be a number > 0"):
        config.replace({"radius": 0})
    with pytest.raises(ConfigError, match=r"^unknown setting lasso.radis; did you mean \[spatial\].radius\?$"):
        config.replace({"lasso.radis": 1})


def test_full_key_understands_bare_and_old_names():
    assert full_key("radius") == full_key("spatial.radius") == "spatial.radius"
    assert full_key("moran_k_neighbors") == "training.hybrid.moran_k_neighbors"
    assert full_key("max_lr_pairs") == full_key("grn.max_lr_pairs") == "grn.max_ligands"
    with pytest.raises(ConfigError, match=r"^unknown setting qqqqq$"):
        full_key("qqqqq")


def test_bare_names_are_unique():
    names = [setting.name for setting in settings()]
    assert len(names) == len(set(names)) == len({setting.key for setting in settings()})


def test_every_setting_is_described_in_one_line_with_a_valid_example():
    for setting in settings():
        assert setting.section in SECTIONS and setting.key == f"{setting.section}.{setting.name}"
        assert 10 < len(setting.description) <= 160, setting.key
        assert setting.description.endswith(".") and "\n" not in setting.description, setting.key
        assert setting.type and setting.example is not None, setting.key
        assert setting.optional or setting.default is not None, setting.key
        config = RunConfig.from_flat({setting.key: setting.example})
        expected = list(setting.example) if isinstance(setting.example, tuple) else setting.example
        assert config.flat()[setting.key] == expected


def test_describe_has_what_help_needs():
    radius = describe("radius")
    assert (radius.label, radius.kind, radius.default, radius.type, radius.optional) == (
        "[spatial].radius",
        "number",
        200.0,
        "number > 0",
        False,
    )
    select = describe("lasso.select")
    assert (select.kind, select.choices, select.default, select.optional) == ("choice", ("cv", "fixed"), None, True)
    assert describe("extra_lr").kind == "list" and describe("seed_only").kind == "flag"
    assert describe("adata_path").kind == "path" and describe("layer").kind == "text"
    assert describe("max_genes").type == "whole number >= 1" and describe("max_genes").choices == ()
