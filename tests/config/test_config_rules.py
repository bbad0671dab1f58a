"""What settings imply, which contradict each other, and which can change a result."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacetravlr.config import RunConfig, describe, load_config
from spacetravlr.config import settings as all_settings
from spacetravlr.errors import ConfigError


def decided(**lasso):
    config = RunConfig(lasso=lasso).resolved()
    return config.lasso.select, config.lasso.penalty, config.training.score_on


def test_the_default_is_cross_validated_elastic_net_scored_out_of_sample():
    assert decided() == ("cv", "enet", "held_out")
    assert RunConfig().implied() == ()
    assert RunConfig().resolved().training.held_out is False


@pytest.mark.parametrize(
    "given_", [{"l1_reg": 0.01}, {"group_reg": 0.01}, {"l1_reg": 1e-5}, {"solver": "fista"}, {"select": "fixed"}]
)
def test_fixed_penalties(given_):
    assert decided(**given_) == ("fixed", "sgl", "in_sample")


def test_cross_validation_by_name_wins_over_given_penalties():
    assert decided(l1_reg=0.01, group_reg=0.02, select="cv") == ("cv", "enet", "held_out")
    assert decided(select="cv", penalty="sgl") == ("cv", "sgl", "held_out")
    assert decided(penalty="lasso") == ("cv", "lasso", "held_out")


def test_ridge_alone_does_not_mean_fixed():
    assert decided(ridge=0.3)[0] == "cv"


def reference(lasso):
    """The rules of the design, case by case: (select, penalty), or None for a contradiction."""
    fixed = lasso.get("select") == "fixed"
    cv = lasso.get("select") == "cv"
    if "select" not in lasso:
        fixed = lasso.get("solver") == "fista" or "l1_reg" in lasso or "group_reg" in lasso
        cv = not fixed
    if cv and lasso.get("solver") == "fista":
        return None
    if fixed and lasso.get("penalty", "sgl") != "sgl":
        return None
    return ("cv", lasso.get("penalty", "enet")) if cv else ("fixed", "sgl")


def test_all_combinations_follow_the_rules():
    seen = set()
    for solver, select, penalty, l1, group in itertools.product(
        (None, "cd", "fista"), (None, "cv", "fixed"), (None, "enet", "lasso", "sgl"), (None, 0.5), (None, 0.5)
    ):
        words = {"solver": solver, "select": select, "penalty": penalty, "l1_reg": l1, "group_reg": group}
        lasso = {name: value for name, value in words.items() if value is not None}
        expected = reference(lasso)
        config = RunConfig(lasso=lasso)
        if expected is None:
            for call in (config.resolved, config.implied, config.to_toml, config.result_settings):
                with pytest.raises(ConfigError, match=r"cannot be combined with"):
                    call()
        else:
            resolved = config.resolved()
            assert (resolved.lasso.select, resolved.lasso.penalty) == expected
            assert resolved.resolved() == resolved
            # a written file never leaves the choice open
            assert RunConfig.from_toml(config.to_toml()).resolved() == resolved
            assert f'select = "{expected[0]}"' in config.to_toml()
        seen.add(expected)
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("lasso", "message"),
    [
        (
            {"solver": "fista", "select": "cv"},
            '[lasso].solver = "fista" has fixed penalties and cannot be combined with [lasso].select = "cv": '
            'use select = "fixed", or solver = "cd"',
        ),
        (
            {"select": "fixed", "penalty": "enet"},
            '[lasso].penalty = "enet" cannot be combined with [lasso].select = "fixed": '
            'use penalty = "sgl", or select = "cv"',
        ),
        (
            {"l1_reg": 1, "group_reg": 1, "penalty": "lasso"},
            '[lasso].penalty = "lasso" cannot be combined with [lasso].l1_reg and [lasso].group_reg, '
            'which means select = "fixed": use penalty = "sgl", or select = "cv"',
        ),
        (
            {"solver": "fista", "penalty": "enet"},
            '[lasso].penalty = "enet" cannot be combined with [lasso].solver = "fista", which means '
            'select = "fixed": use penalty = "sgl"',
        ),
        (
            {"select": "fixed", "beta_export": "mean"},
            '[lasso].beta_export = "mean" needs bootstraps, which only [lasso].select = "cv" has',
        ),
        (
            {"n_bootstraps": 0, "beta_export": "mean"},
            '[lasso].beta_export = "mean" needs [lasso].n_bootstraps of at least 1',
        ),
    ],
)
def test_contradictions_of_the_regression(lasso, message):
    with pytest.raises(ConfigError) as caught:
        RunConfig(lasso=lasso).resolved()
    assert str(caught.value) == message


def test_other_contradictions():
    off = {"use_tf_modulators": False, "use_lr_modulators": False, "use_tfl_modulators": False}
    with pytest.raises(ConfigError, match=r"^\[grn\] switches off all modulators: set one of use_tf_modulators"):
        RunConfig(grn=off).resolved()
    RunConfig(grn=off | {"extra_modulators": ["Pax5"]}).resolved()
    RunConfig(grn=off | {"extra_modulators_file": "genes.txt"}).resolved()
    with pytest.raises(ConfigError, match=r"^\[execution\].write_minimal_repro_h5ad cannot be combined with"):
        RunConfig(execution={"write_minimal_repro_h5ad": True}, data={"condition": "age"}).resolved()
    with pytest.raises(
        ConfigError, match=r"^\[perturbation\].min_bound = 2.0 is above \[perturbation\].max_bound = 1.0$"
    ):
        RunConfig(perturbation={"min_bound": 2, "max_bound": 1}).resolved()
    RunConfig(perturbation={"min_bound": 1, "max_bound": 1}).resolved()


def test_held_out_scores_with_fixed_penalties_are_computed():
    config = RunConfig(lasso={"select": "fixed", "l1_reg": 1}, training={"score_on": "held_out"})
    assert config.resolved().training.held_out is True
    assert config.implied() == ('[training].score_on = "held_out" means [training].held_out = true',)
    assert RunConfig(training={"score_on": "in_sample"}).resolved().training.score_on == "in_sample"


def test_notices_of_implied_settings():
    assert RunConfig(lasso={"l1_reg": 0.1}).implied() == (
        '[lasso].l1_reg without [lasso].select means fixed penalties, select = "fixed"; '
        'set [lasso].select = "cv" to have them chosen on held-out cells',
    )
    assert RunConfig(lasso={"solver": "fista"}).implied() == (
        '[lasso].solver = "fista" without [lasso].select means fixed penalties, select = "fixed"',
    )
    assert RunConfig(lasso={"solver": "fista", "select": "fixed"}).implied() == ()


def test_tiny_penalties_with_a_converged_solver_warn():
    tiny = (
        "[lasso].l1_reg + group_reg = 2e-05 overfits with a converged solver (penalties act on standardised columns): "
        'use [lasso].select = "cv", or solver = "fista" for the README\'s early stop'
    )
    assert RunConfig(lasso={"select": "fixed"}).implied() == (tiny,)
    assert RunConfig(lasso={"select": "fixed", "l1_reg": 5e-4, "group_reg": 5e-4}).implied() == ()
    assert RunConfig(lasso={"select": "fixed", "l1_reg": 5e-4, "group_reg": 4e-4}).implied() != ()
    assert RunConfig(lasso={"select": "cv"}).implied() == ()


def test_a_switch_that_switches_nothing_is_pointed_out():
    (notice,) = RunConfig(training={"seed_only": False}).implied()
    assert notice.startswith("[training].seed_only = false has no effect")
    assert '"full"' in notice
    for training in ({"seed_only": True}, {"seed_only": False, "mode": "full"}, {"seed_only": False, "mode": "hybrid"}):
        assert RunConfig(training=training).implied() == ()


def test_an_explicit_grid_factor_is_pointed_out():
    assert RunConfig(perturbation={"ligand_grid_factor": 0.5}).implied() == (
        "[perturbation].ligand_grid_factor = 0.5 means a grid of 0.5 radii for received ligands, in training too; "
        "unset it to meet [spatial].signal_tol",
    )
    assert "means the exact sum" in RunConfig(perturbation={"ligand_grid_factor": 0}).implied()[0]


NEVER = {
    "data.adata_path", "grn.network_data_dir", "grn.network_base_url", "data.spatial_species", "data.perturb_obs_subset_file", "training.seed_only", "training.genes", "training.max_genes",
    "execution.n_parallel", "execution.output_dir", "execution.stale_lock_secs", "execution.device",
    "execution.write_minimal_repro_h5ad", "model_export.save_cnn_weights", "model_export.compressed_npz",
    "model_export.output_subdir", "perturbation.profile", "perturbation.n_propagation",
    "perturbation.beta_scale_factor", "perturbation.beta_cap", "perturbation.min_bound", "perturbation.max_bound",
    "perturbation.cells_csv", "perturbation.cells_csv_column",
} | {setting.key for setting in all_settings() if setting.section == "cluster"}  # fmt: skip
CNN = {setting.key for setting in all_settings() if setting.section == "cnn"} | {
    "training.epochs", "training.learning_rate", "spatial.spatial_dim",
}  # fmt: skip
ENCODER = {"cnn.encoder_size", "cnn.encoder_rounds"}
NETWORK = CNN - ENCODER - {
    "cnn.encoder", "cnn.output_activation", "cnn.cnn_vs_lasso_arbitration_margin", "cnn.min_cells_for_cnn",
}  # fmt: skip
HYBRID = {setting.key for setting in all_settings() if setting.section == "training.hybrid"}
FISTA = {"lasso.n_iter", "lasso.tol"}
FIXED = {"lasso.l1_reg", "lasso.group_reg", "lasso.ridge", "training.held_out"}
RESPONSE = {"data.response_use"}
BOOT = {"lasso.rule", "lasso.n_bootstraps", "lasso.beta_export", "training.diagnostics", "training.model_level"}
EVERY = {setting.key for setting in all_settings()}


@pytest.mark.parametrize(
    ("values", "left_out"),
    [
        ({}, FISTA | FIXED | CNN | HYBRID),
        ({"mode": "full"}, FISTA | FIXED | HYBRID | NETWORK),
        ({"mode": "full", "encoder": "per_gene"}, FISTA | FIXED | HYBRID | ENCODER),
        ({"mode": "hybrid"}, FISTA | FIXED | NETWORK),
        ({"select": "fixed"}, FISTA | BOOT | CNN | HYBRID | RESPONSE | {"lasso.n_folds", "execution.random_seed"}),
        ({"select": "fixed", "held_out": True}, FISTA | BOOT | CNN | HYBRID | RESPONSE),
        ({"select": "fixed", "score_on": "held_out"}, FISTA | BOOT | CNN | HYBRID),
        ({"select": "fixed", "mode": "full"}, FISTA | BOOT | HYBRID | NETWORK | RESPONSE),
        ({"solver": "fista"}, BOOT | CNN | HYBRID | RESPONSE | {"lasso.n_folds", "execution.random_seed"}),
        ({"response_layer": "same"}, FISTA | FIXED | CNN | HYBRID | RESPONSE),
        ({"response_layer": "imputed_count"}, FISTA | FIXED | CNN | HYBRID | RESPONSE),
        (
            {"response_layer": "counts", "select": "fixed"},
            FISTA | BOOT | CNN | HYBRID | RESPONSE
            | {"lasso.n_folds", "execution.random_seed", "data.response_layer"},
        ),
        ({"ligand_grid_factor": 0.5, "mode": "hybrid"}, FISTA | FIXED | NETWORK | {"spatial.signal_tol"}),
        ({"use_tf_modulators": False, "mode": "hybrid"}, FISTA | FIXED | NETWORK | {"grn.tf_priors_feather"}),
        ({"use_lr_modulators": False, "mode": "hybrid"}, FISTA | FIXED | NETWORK | {"grn.extra_lr", "grn.extra_lr_file"}),
        ({"use_tfl_modulators": False, "mode": "hybrid"}, FISTA | FIXED | NETWORK | {"grn.tf_ligand_cutoff"}),
        (
            {"use_tfl_modulators": False, "use_lr_modulators": False, "mode": "hybrid"},
            FISTA | FIXED | NETWORK | {
                "grn.tf_ligand_cutoff", "grn.extra_lr", "grn.extra_lr_file", "grn.max_ligands", "spatial.radius",
                "spatial.contact_distance", "spatial.weighted_ligand_scale_factor", "spatial.kernel",
                "spatial.signal_tol", "perturbation.ligand_grid_factor",
            },
        ),
    ],
)  # fmt: skip
def test_result_settings_leave_out_what_has_no_effect(values, left_out):
    config = RunConfig.from_flat(values)
    result = config.result_settings()
    assert set(result) == EVERY - NEVER - left_out
    flat = config.resolved().flat()
    assert all(result[key] == flat[key] for key in result)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_result_settings_are_blind_to_what_they_leave_out_and_survive_json(data):
    base = RunConfig.from_flat(
        {
            "training.mode": data.draw(st.sampled_from(["seed", "full", "hybrid"])),
            "lasso.select": data.draw(st.sampled_from(["cv", "fixed"])),
            "data.condition": data.draw(st.sampled_from(["", "age"])),
        }
    )
    result = base.result_settings()
    assert json.loads(json.dumps(result)) == result
    other = {"number": 0.125, "integer": 8, "text": "t", "path": "p", "list": ["g"]}
    wants_company = {"execution.write_minimal_repro_h5ad", "lasso.beta_export", "cluster.scheduler"}
    free = sorted(EVERY - set(result) - wants_company)
    changes = {}
    for key in data.draw(st.lists(st.sampled_from(free), unique=True)):
        setting = describe(key)
        value = other.get(setting.kind, not setting.default if setting.kind == "flag" else setting.choices[-1:])
        changes[key] = value[0] if setting.kind == "choice" else value
    assert base.replace(changes).result_settings() == result
    change = {"spatial.radius": 77.0, "data.layer": "raw", "lasso.penalty": "sgl"}
    assert base.replace(change).result_settings() != result


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (
            {"scheduler": "slurn"},
            r"^\[cluster\].scheduler = \"slurn\" must be local, slurm, or an address such as tcp://host:8786; "
            r"did you mean \"slurm\"\?$",
        ),
        ({"scheduler": "host:8786"}, r"must be local, slurm, or an address such as tcp://host:8786$"),
        ({"scheduler": "slurm", "memory": "4GB"}, r"^\[cluster\].scheduler = \"slurm\" needs \[cluster\].workers \(--"),
        (
            {"scheduler": "slurm", "workers": 2},
            r"^\[cluster\].scheduler = \"slurm\" needs \[cluster\].memory: of each job",
        ),
        (
            {"scheduler": "slurm", "workers": 2, "memory": "4GB", "cores": 2, "threads_per_worker": 3},
            r"^\[cluster\].cores = 2 is less than \[cluster\].threads_per_worker = 3: a job must have room",
        ),
    ],
)
def test_clusters_that_nobody_could_start_are_refused(cluster, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig(cluster=cluster).resolved()


@pytest.mark.parametrize("scheduler", ["local", "tcp://10.0.0.1:8786", "tls://host:1", ""])
def test_a_scheduler_needs_nothing_but_its_name(scheduler):
    config = RunConfig(cluster={"scheduler": scheduler}).resolved()
    assert config.cluster.scheduler == (scheduler or None)
    assert config.result_settings() == RunConfig().result_settings()


@pytest.mark.parametrize(
    ("scheduler", "idle"),
    [
        (None, {"workers", "threads_per_worker", "local_directory", "queue"}),
        ("local", {"queue", "n_parallel"}),
        ("tcp://host:1", {"workers", "threads_per_worker", "local_directory", "queue", "n_parallel"}),
        ("slurm", {"n_parallel"}),
    ],
)
def test_flags_of_another_scheduler_are_pointed_out(scheduler, idle):
    asked = {"workers": 2, "threads_per_worker": 1, "local_directory": "/s", "queue": "q", "n_parallel": 2}
    loaded = load_config(overrides=asked | {"memory": "1GB", "scheduler": scheduler})
    found = {name for name in asked for notice in loaded.notices if f"].{name} from the command line has no" in notice}
    assert found == idle


@pytest.mark.parametrize(
    ("values", "export"),
    [
        ({}, "mean"),
        ({"penalty": "lasso"}, "mean"),
        ({"beta_export": "fit"}, "fit"),
        ({"n_bootstraps": 0}, "fit"),
        ({"select": "fixed"}, "fit"),
        ({"solver": "fista"}, "fit"),
        ({"l1_reg": 1e-3}, "fit"),
    ],
)
def test_coefficients_are_means_over_the_bootstraps_where_there_are_any(values, export):
    assert RunConfig.from_flat(values).resolved().lasso.beta_export == export


def test_models_are_tested_where_a_held_out_score_above_zero_decides():
    def level(**values):
        return RunConfig.from_flat(values).resolved().training.model_level

    assert level() == 0.05
    assert level(model_level=0.2) == 0.2
    assert level(score_threshold=0.3) == 0.05
    assert level(score_threshold=0.0) == level(score_threshold=-1.0) == 1.0
    assert level(score_threshold=0.0, model_level=0.01) == 0.01
    assert level(select="fixed") == level(solver="fista") == level(score_on="in_sample") == 1.0
    for values in ({"select": "fixed"}, {"score_on": "in_sample"}):
        assert "training.model_level" not in RunConfig.from_flat(values).result_settings()
