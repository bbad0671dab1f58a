"""Writing a configuration and reading it again."""

from __future__ import annotations

import logging
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from spacetravlr.config import SECTIONS, RunConfig, settings
from spacetravlr.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
HUGE = 2**70


def values_of(setting):
    """Return a strategy of allowed values of one setting, from its type in words."""
    fraction = "to 1" in setting.type or "< 1" in setting.type or "<= 1" in setting.type
    low = {"number > 0": 5e-324, "number": -1e308, "number > 0 and <= 1": 5e-324}.get(setting.type, 0.0)
    if setting.key == "cluster.scheduler":
        return st.sampled_from(["local", "tcp://host:8786"])
    match setting.kind:
        case "choice":
            return st.sampled_from(setting.choices)
        case "flag":
            return st.booleans()
        case "integer":
            bounds = [int(word) for word in re.findall(r"\d+", setting.type)]
            return st.integers(bounds[0], bounds[1] if len(bounds) > 1 else HUGE)
        case "number":
            return st.floats(low, 1.0 if fraction else 1e308, exclude_max=fraction, allow_nan=False)
        case "list":
            return st.lists(TEXT, max_size=3)
        case _:
            return TEXT.filter(bool)


@st.composite
def configurations(draw):
    chosen = draw(st.lists(st.sampled_from(settings()), unique=True, max_size=25))
    return RunConfig.from_flat({setting.key: draw(values_of(setting)) for setting in chosen})


@effort(max_examples=25, deadline=None)
@given(configurations())
def test_the_template_gives_the_same_configuration(config):
    text = config.to_toml(comments=True)
    again = RunConfig.from_toml(text)
    assert again == config
    given_penalties = {"lasso.l1_reg", "lasso.group_reg"} & config.given().keys()
    if config.lasso.select is None:
        assert {"lasso.l1_reg", "lasso.group_reg"} & again.given().keys() == given_penalties
    assert again.to_toml(comments=True) == text


@effort(max_examples=25, deadline=None)
@given(configurations())
def test_the_record_of_a_run_gives_the_resolved_configuration(config):
    try:
        resolved = config.resolved()
    except ConfigError:
        assume(False)
    text = config.to_toml()
    again = RunConfig.from_toml(text)
    assert again == again.resolved() == resolved
    assert again.result_settings() == config.result_settings()
    assert again.to_toml() == text
    expected = {key: value for key, value in resolved.flat().items() if value is not None}
    assert again.given() == expected


def test_the_record_has_every_section_select_and_no_unset_key():
    tables = tomllib.loads(RunConfig().to_toml())
    assert set(tables) == {name for name in SECTIONS if "." not in name}
    assert tables["training"]["hybrid"]["moran_k_neighbors"] == 8
    assert tables["lasso"]["select"] == "cv" and tables["training"]["score_on"] == "held_out"
    assert "cluster_annot" not in tables["data"]
    assert "#" not in RunConfig().to_toml()


def test_the_template_explains_every_key_and_changes_nothing():
    text = RunConfig().to_toml(comments=True)
    assert RunConfig.from_toml(text).resolved() == RunConfig().resolved()
    assert RunConfig.from_toml(text).implied() == ()
    flowing = " ".join(line.lstrip("# ") for line in text.splitlines())
    for setting in settings():
        assert setting.description in flowing
        assert re.search(rf"^(# )?{setting.name} = ", text, flags=re.MULTILINE)
        # only the penalties that would choose fixed, the threshold that depends on the response, and what is unset, are commented out
        hidden = f"\n# {setting.name} = " in text
        assert hidden == (setting.default is None or setting.name in {"l1_reg", "group_reg", "score_threshold"})
    assert max(map(len, text.splitlines())) <= 120


def test_each_commented_line_of_the_template_can_be_used():
    lines = RunConfig().to_toml(comments=True).splitlines()
    candidates = [i for i, line in enumerate(lines) if re.match(r"# [a-z0-9_]+ = ", line)]
    assert len(candidates) == 3 + sum(setting.default is None for setting in settings())
    for i in candidates:
        edited = [*lines[:i], lines[i].removeprefix("# "), *lines[i + 1 :]]
        name = lines[i].split()[1]
        given_ = RunConfig.from_toml("\n".join(edited)).given()
        key = next(setting.key for setting in settings() if setting.name == name)
        assert given_[key] is not None


def test_the_template_shows_what_was_given():
    config = RunConfig(lasso={"l1_reg": 0.5}, data={"condition": "age"})
    text = config.to_toml(comments=True)
    assert "\nl1_reg = 0.5\n" in text and '\ncondition = "age"\n' in text and "\n# group_reg = 1e-05\n" in text
    assert RunConfig.from_toml(text).resolved() == config.resolved()
    chosen = RunConfig(lasso={"select": "cv"}).to_toml(comments=True)
    assert "\ngroup_reg = 1e-05\n" in chosen


COMPILED_EDITION = """
[data]
adata_path = "tissue.h5ad"
layer = "imputed_count"
cluster_annot = "cell_type_int"
[spatial]
radius = 200.0
spatial_dim = 32
contact_distance = 50.0
weighted_ligand_scale_factor = 1.0
[grn]
network_data_dir = "../network"
tf_ligand_cutoff = 0.05
max_ligands = 6
use_tf_modulators = true
use_lr_modulators = true
use_tfl_modulators = true
extra_modulators = []
extra_lr = []
[cnn]
adam_beta_1 = 0.9
adam_beta_2 = 0.999
adam_epsilon = 0.00001
spatial_feature_radius = 100.0
output_activation = "sigmoidx2"
[lasso]
l1_reg = 0.001
group_reg = 0.001
n_iter = 100
tol = 0.0001
[training]
seed_only = true
mode = "seed"
epochs = 10
learning_rate = 0.001
score_threshold = -1000000000.0
[training.hybrid]
min_cells_per_cluster_for_cnn = 80
max_modulators_soft_for_cnn = 256
moran_k_neighbors = 8
moran_permutations = 99
moran_p_value_max = 0.05
moran_p_value_max_when_over_modulator_cap = 0.01
require_all_clusters_lasso_converged = true
hybrid_modulator_spatial_weight = 1.0
hybrid_cnn_permissiveness = 0.5
[execution]
n_parallel = 1
output_dir = ""
write_minimal_repro_h5ad = false
stale_lock_secs = 0
[perturbation]
beta_scale_factor = 1.0
n_propagation = 4
[model_export]
save_cnn_weights = false
compressed_npz = true
output_subdir = "CNN_weights"
"""


def test_a_file_of_the_compiled_edition_is_read_without_a_word(caplog):
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        config = RunConfig.from_toml(COMPILED_EDITION)
    assert caplog.records == []
    tables = tomllib.loads(COMPILED_EDITION)
    hybrid = tables["training"].pop("hybrid")
    assert config.given() == {
        f"{section}.{name}": value
        for section, table in {**tables, "training.hybrid": hybrid}.items()
        for name, value in table.items()
    }
    assert config.resolved().lasso.select == "fixed"
    assert config.implied() == (
        '[lasso].l1_reg and [lasso].group_reg without [lasso].select means fixed penalties, select = "fixed"; '
        'set [lasso].select = "cv" to have them chosen on held-out cells',
    )


def test_from_toml_takes_a_path_or_text(tmp_path, caplog):
    path = tmp_path / "run.toml"
    path.write_text("[spatial]\nradius = 7\nradios = 3\n")
    with caplog.at_level(logging.WARNING, logger="spacetravlr"):
        for source in (path, str(path), path.read_text()):
            assert RunConfig.from_toml(source).spatial.radius == 7.0
    assert [record.message for record in caplog.records] == [
        f"unknown key [spatial].radios in {where} is ignored; did you mean [spatial].radius?"
        for where in (path, path, "TOML text")
    ]
    with pytest.raises(ConfigError, match=r"^TOML text line 1: not valid TOML: "):
        RunConfig.from_toml("radius")
    with pytest.raises(ConfigError, match=r"^TOML text: \[spatial\].radius = -1 must be a number > 0$"):
        RunConfig.from_toml("[spatial]\nradius = -1")
    path.write_text("[spatial]\nradius = -1")
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_toml(str(path))
    assert str(caught.value) == f"{path}: [spatial].radius = -1 must be a number > 0"


def test_absolute_paths_mean_the_same_from_anywhere(tmp_path, monkeypatch):
    here, base = tmp_path / "here", tmp_path / "base"
    for folder in (here, base):
        folder.mkdir()
    (here / "both.h5ad").touch()
    (base / "both.h5ad").touch()
    (base / "net").mkdir()
    (base / "out").mkdir()
    monkeypatch.chdir(here)
    config = RunConfig.from_flat(
        {
            "adata_path": "both.h5ad",
            "network_data_dir": "net",
            "tf_priors_feather": "nowhere.feather",
            "output_dir": "out",
            "cells_csv": "/abs/cells.csv",
            "output_subdir": "weights",
            "l1_reg": 0.1,
        }
    )
    absolute = config.absolute(base)
    assert absolute.data.adata_path == str(here / "both.h5ad")
    assert absolute.grn.network_data_dir == str(base / "net")
    assert absolute.grn.tf_priors_feather == str(here / "nowhere.feather")
    assert absolute.execution.output_dir == str(here / "out")
    assert absolute.perturbation.cells_csv == str(Path("/abs/cells.csv"))
    assert absolute.model_export.output_subdir == "weights"
    assert absolute.given().keys() == config.given().keys()
    assert config.absolute().grn.network_data_dir == str(here / "net")
    assert absolute.absolute() == absolute
    assert RunConfig().absolute() == RunConfig()


def test_a_record_that_knows_no_test_of_models_means_none(tmp_path):
    record = RunConfig(data={"cluster_annot": "cell_type"}).to_toml()
    assert "model_level = 0.05\n" in record
    old = tmp_path / "old.toml"
    known = [line for line in record.splitlines() if "response" not in line and "model_level" not in line]
    old.write_text("\n".join(known), encoding="utf-8")
    assert RunConfig.from_toml(old).resolved().training.model_level == 1.0
    by_hand = tmp_path / "by_hand.toml"
    by_hand.write_text('[lasso]\nselect = "cv"\n', encoding="utf-8")
    assert RunConfig.from_toml(by_hand).resolved().training.model_level == 0.05


def test_a_record_that_knows_no_response_layer_means_the_layer_itself(tmp_path):
    text = RunConfig(lasso={"select": "cv"}, data={"cluster_annot": "cell_type"}).to_toml()
    assert 'response_use = "score"\n' in text
    old = tmp_path / "old.toml"
    old.write_text("\n".join(line for line in text.splitlines() if "response" not in line), encoding="utf-8")
    data = RunConfig.from_toml(old).data
    assert (data.response_layer, data.response_use, data.own_response) == ("same", "fit", None)
    named = tmp_path / "named.toml"
    named.write_text(old.read_text().replace("[data]", '[data]\nresponse_layer = "counts"'), encoding="utf-8")
    data = RunConfig.from_toml(named).data
    assert (data.own_response, data.response_use) == ("counts", "fit")
    by_hand = tmp_path / "hand.toml"
    by_hand.write_text('[data]\ncluster_annot = "cell_type"\n[lasso]\nselect = "cv"\n', encoding="utf-8")
    data = RunConfig.from_toml(by_hand).data
    assert (data.response_layer, data.response_use) == (None, "score")
