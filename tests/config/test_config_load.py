"""Lookup, precedence, origins and notices of the configuration of a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from spacetravlr.config import RunConfig, full_key, load_config, read_settings
from spacetravlr.errors import ConfigError


@pytest.fixture
def toml(tmp_path):
    def write(text, name="run.toml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refused(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load_config(*args, **kwargs)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


def test_nothing_given_means_defaults(tmp_path, toml, monkeypatch):
    loaded = load_config()
    assert (loaded.config, loaded.path, loaded.notices) == (RunConfig(), None, ())
    assert loaded.config.given() == {}
    # a file in the working directory counts only where the caller asks for the lookup
    toml("[spatial]\nradius = 9", "spaceship_config.toml")
    monkeypatch.chdir(tmp_path)
    assert load_config().path is None
    assert load_config(search=Path()).config.spatial.radius == 9.0


def test_command_line_beats_file_beats_default(toml):
    path = toml("[spatial]\nradius = 300\nspatial_dim = 16\n[training.hybrid]\nmoran_k_neighbors = 3")
    loaded = load_config(path, overrides={"spatial.radius": 5.0, "max_genes": 7, "n_iter": None})
    config = loaded.config
    assert (config.spatial.radius, config.spatial.spatial_dim, config.training.max_genes) == (5.0, 16, 7)
    assert config.training.hybrid.moran_k_neighbors == 3
    assert loaded.path == path and loaded.notices == ()
    assert [loaded.origin(key) for key in ("spatial.radius", "max_genes", "spatial_dim", "kernel", "n_iter")] == [
        "cli", "cli", "toml", "default", "default",
    ]  # fmt: skip
    assert loaded.origin("training.hybrid.moran_k_neighbors") == "toml"
    with pytest.raises(ConfigError, match=r"^unknown setting radios; did you mean \[spatial\].radius\?$"):
        loaded.origin("radios")


def test_an_empty_text_switches_a_setting_of_the_file_off(toml):
    path = toml('[data]\ncondition = "age"')
    assert load_config(path).config.data.condition == "age"
    loaded = load_config(path, overrides={"data.condition": ""})
    assert loaded.config.data.condition is None and loaded.origin("condition") == "cli"


def test_the_configuration_is_left_open_and_can_be_resolved(toml):
    loaded = load_config(toml('[lasso]\nl1_reg = 0.1\nselect = "cv"'), overrides={"lasso.select": "fixed"})
    assert loaded.config.lasso.penalty is None
    assert loaded.config.resolved().lasso.penalty == "sgl"


def test_lookup_prefers_the_first_name_and_survives_broken_files(tmp_path, toml):
    assert load_config(search=tmp_path).path is None
    second = toml("[spatial]\nradius = 2", "SpaceshipConfig.toml")
    assert load_config(search=tmp_path).path == second
    first = toml("[spatial]\nradius = 1", "spaceship_config.toml")
    assert load_config(search=tmp_path).config.spatial.radius == 1.0
    first.write_text("[spatial\n")
    loaded = load_config(search=tmp_path)
    assert loaded.path == second and loaded.config.spatial.radius == 2.0
    (notice,) = loaded.notices
    assert notice.startswith(f"{first} line 1: not valid TOML: ") and notice.endswith("(column 9); the file is ignored")
    second.write_bytes(b"\xff")
    loaded = load_config(search=tmp_path)
    assert loaded.path is None and loaded.config == RunConfig() and len(loaded.notices) == 2
    first.write_text("[spatial]\nradius = 0\n")
    assert refused(search=tmp_path) == f"{first}: [spatial].radius = 0 must be a number > 0"


def test_a_named_file_is_used_instead_of_the_lookup(tmp_path, toml):
    toml("[spatial]\nradius = 1", "spaceship_config.toml")
    path = toml("[spatial]\nspatial_dim = 9")
    loaded = load_config(path, search=tmp_path)
    assert loaded.path == path and loaded.config.spatial.radius == 200.0


def test_a_named_file_that_cannot_be_read_is_an_error(tmp_path, toml, monkeypatch):
    missing = tmp_path / "no.toml"
    assert refused(missing) == f"{missing}: there is no such file"
    assert refused(tmp_path) == f"{tmp_path}: is a directory, not a file"
    binary = toml(b'[data]\nlayer = "\xe9"\n')
    assert refused(binary) == f"{binary} line 2: not UTF-8 text; save the file as UTF-8"
    broken = toml("[data]\nlayer = \n")
    assert refused(broken) == f"{broken} line 2: not valid TOML: Invalid value (column 9)"
    twice = toml("[data]\nlayer = 'a'\nlayer = 'b'")
    assert refused(twice) == f"{twice} line 3: not valid TOML: Cannot overwrite a value (end of file)"
    long = toml(f"a = {'1' * 5000}")
    assert refused(long).startswith(f"{long}: not valid TOML: Exceeds the limit")
    deep = toml("a = " + "[" * 5000)
    assert refused(deep) == f"{deep}: not valid TOML: nested too deeply"
    assert refused(Path(f"{tmp_path}/a\0b")).endswith("cannot be read: embedded null byte")

    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert refused(missing) == f"{missing}: cannot be read: Permission denied"


def test_a_byte_order_mark_is_no_part_of_the_file(toml):
    assert load_config(toml(b"\xef\xbb\xbf[spatial]\nradius = 3")).config.spatial.radius == 3.0


def test_home_directory_expands_in_the_path(tmp_path, toml, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = toml("[spatial]\nradius = 3")
    assert load_config(Path("~/run.toml")).path == path
    assert read_settings(Path("~/run.toml")).values == {"spatial.radius": 3}


def test_bad_values_say_where_they_come_from(toml):
    path = toml("[spatial]\nradius = '200'")
    assert refused(path) == f'{path}: [spatial].radius = "200" must be a number > 0; write it without quotes'
    # also when the command line would have replaced it
    assert refused(path, overrides={"spatial.radius": 3.0}).startswith(f"{path}: ")
    good = toml("[spatial]\nradius = 200")
    assert refused(good, overrides={"radius": -1}) == "command line: [spatial].radius = -1 must be a number > 0"
    assert refused(overrides={"spatial.radios": 1}) == (
        "command line: unknown setting spatial.radios; did you mean [spatial].radius?"
    )
    assert refused(toml("spatial = 3")).endswith(": [spatial] must be a section of keys, not 3")
    assert refused(toml("[training]\nhybrid = 3")).endswith(": [training.hybrid] must be a section of keys, not 3")
    assert refused(toml("[[spatial]]\nradius = 3")).endswith(
        ": [spatial] must be a section of keys, not [{'radius': 3}]"
    )


def test_contradictions_between_file_and_command_line(toml):
    path = toml('[lasso]\nselect = "cv"')
    assert refused(path, overrides={"solver": "fista"}).startswith('[lasso].solver = "fista" has fixed penalties')


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("[lasso]\nl1_regg = 1", "unknown key [lasso].l1_regg in {} is ignored; did you mean [lasso].l1_reg?"),
        ("[lasso]\nL1_REG = 1", "unknown key [lasso].L1_REG in {} is ignored; did you mean [lasso].l1_reg?"),
        ("[spatial]\nl1_reg = 1", "unknown key [spatial].l1_reg in {} is ignored; did you mean [lasso].l1_reg?"),
        ("[grn]\nradios = 1", "unknown key [grn].radios in {} is ignored; did you mean [spatial].radius?"),
        ("[data]\nzzz = 1", "unknown key [data].zzz in {} is ignored"),
        ("radius = 1", "unknown key radius in {} is ignored; did you mean [spatial].radius?"),
        (
            "[training]\nmoran_k_neighbors = 1",
            "unknown key [training].moran_k_neighbors in {} is ignored; "
            "did you mean [training.hybrid].moran_k_neighbors?",
        ),
        (
            "[training.hybrid]\nmoran_k_neighbours = 1",
            "unknown key [training.hybrid].moran_k_neighbours in {} is ignored; "
            "did you mean [training.hybrid].moran_k_neighbors?",
        ),
        ("[spatal]\nradius = 1", "unknown section [spatal] in {} is ignored; did you mean [spatial]?"),
        (
            "[hybrid]\nmoran_k_neighbors = 1",
            "unknown section [hybrid] in {} is ignored; did you mean [training.hybrid]?",
        ),
        ("[preprocess]\nzzz = 1", "unknown section [preprocess] in {} is ignored"),
        (
            "[ligand_field]\nkh = 0.5\nligand_grid_factor = 0.5",
            "unknown section [ligand_field] in {} is ignored; [perturbation].ligand_grid_factor would be known",
        ),
        ("[training]\nextra = {a = 1}", "unknown key [training].extra in {} is ignored; did you mean [grn].extra_lr?"),
        (
            "[grn]\ntop_lr_pairs_by_mean_expression = 3",
            "[grn].top_lr_pairs_by_mean_expression in {} is no longer used and is ignored; use [grn].max_ligands",
        ),
    ],
)
def test_unknown_keys_give_a_notice_and_nothing_else(toml, text, notice):
    path = toml(text)
    loaded = load_config(path)
    assert loaded.notices == (notice.format(path),)
    assert loaded.config == RunConfig() and loaded.config.given() == {}


def test_the_old_name_of_max_ligands(toml):
    path = toml("[grn]\nmax_lr_pairs = 5")
    loaded = load_config(path)
    assert loaded.config.grn.max_ligands == 5
    assert loaded.notices == (f"[grn].max_lr_pairs in {path} is the old name of [grn].max_ligands",)
    assert loaded.origin("max_ligands") == loaded.origin("grn.max_lr_pairs") == "toml"
    assert load_config(path, overrides={"grn.max_ligands": 6}).config.grn.max_ligands == 6
    for text in ("[grn]\nmax_lr_pairs = 5\nmax_ligands = 5", "[grn]\nmax_ligands = 5\nmax_lr_pairs = 5"):
        both = toml(text)
        assert refused(both) == f"{both}: [grn].max_lr_pairs is the old name of [grn].max_ligands; give only one"


def test_implied_settings_are_noticed(toml):
    loaded = load_config(toml("[lasso]\nl1_reg = 0.1"))
    assert len(loaded.notices) == 1 and 'select = "fixed"' in loaded.notices[0]
    assert load_config(overrides={"lasso.group_reg": 0.1}).notices[0].startswith("[lasso].group_reg without")


def test_flags_without_effect_are_noticed(toml):
    path = toml('[lasso]\nselect = "cv"\nn_iter = 3')
    loaded = load_config(path, overrides={"l1_reg": 0.1, "tol": 0.1, "epochs": 3, "radius": 3})
    assert loaded.notices == (
        '[lasso].l1_reg from the command line has no effect: [lasso].select = "cv" chooses the penalties on held-out '
        "cells",
        '[lasso].tol from the command line has no effect: [lasso].solver = "cd" goes to the optimum',
        '[training].epochs from the command line has no effect: [training].mode = "seed" has no CNN',
    )
    assert load_config(overrides={"solver": "fista", "select": "fixed", "tol": 0.1}).notices == ()


def test_keys_of_another_reader_can_be_left_to_it(toml):
    path = toml('run_toml = "a.toml"\nradius = 1\n[perturbation]\nn_propagation = 2')
    sifted = read_settings(path, ignore={"run_toml"})
    assert sifted.values == {"perturbation.n_propagation": 2}
    assert len(sifted.notices) == 1 and "radius" in sifted.notices[0]
    assert len(read_settings(path).notices) == 2
    overlaid = RunConfig(spatial={"radius": 9}).replace(sifted.values)
    assert (overlaid.spatial.radius, overlaid.perturbation.n_propagation) == (9.0, 2)


def test_old_names_count_as_overrides_too():
    loaded = load_config(overrides={"max_lr_pairs": 3})
    assert loaded.config.grn.max_ligands == 3 and full_key("max_lr_pairs") == "grn.max_ligands"
