"""Begin, continue, or refuse with the differences shown."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from spacetravlr.config import RunConfig, load_config
from spacetravlr.errors import RunDirectoryError, SettingsChangedError
from spacetravlr.run import settings as settings_module
from spacetravlr.run.directory import RunDirectory
from spacetravlr.run.manifest import InputData, Manifest
from spacetravlr.run.settings import Difference

SAMPLE = InputData(path="/data/a.h5ad", n_cells=10, n_genes=4, names_sha256="aa")


def config(**values: object) -> RunConfig:
    return RunConfig.from_flat({key.replace("__", "."): value for key, value in values.items()})


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_new_directory_gets_its_configuration_first_with_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "genes.txt").write_text("Pax5\n")
    (tmp_path / "a.h5ad").touch()
    wanted = config(
        data__adata_path="a.h5ad",
        execution__output_dir="deep/run",
        perturbation__cells_csv="genes.txt",
        lasso__l1_reg=0.01,
    )
    directory = RunDirectory.create("deep/run", wanted, config_dir=tmp_path / "conf")
    assert directory.notices == ()
    assert names(directory.path) == {"spacetravlr_run_repro.toml"}
    monkeypatch.chdir("/")
    stored = RunDirectory.open(tmp_path / "deep" / "run").config
    assert stored.data.adata_path == str(tmp_path / "a.h5ad")
    assert stored.execution.output_dir == str(tmp_path / "deep" / "run")
    assert stored.perturbation.cells_csv == str(tmp_path / "conf" / "genes.txt")
    assert stored.lasso.select == "fixed"


def test_the_same_settings_continue_and_the_record_stays_as_it_was(tmp_path: Path) -> None:
    first = RunDirectory.create(tmp_path / "run", config(spatial__radius=150.0))
    text = first.files.toml.read_bytes()
    again = RunDirectory.create(
        tmp_path / "run", config(spatial__radius=150.0, execution__n_parallel=7, training__genes=["A"])
    )
    assert again.notices == ()
    assert again.files.toml.read_bytes() == text


@pytest.mark.parametrize(
    ("stored", "wanted", "shown"),
    [
        ({"lasso__l1_reg": 1e-05}, {"lasso__l1_reg": 0.01}, ["[lasso].l1_reg: 1e-05 -> 0.01"]),
        ({}, {"lasso__select": "fixed"}, ["[lasso].select: cv -> fixed"]),
        (
            {"spatial__radius": 100.0, "grn__max_ligands": 5},
            {"spatial__radius": 200.0},
            ["[spatial].radius: 100.0 -> 200.0", "[grn].max_ligands: 5 -> unset"],
        ),
        ({}, {"grn__use_tf_modulators": False}, ["[grn].use_tf_modulators: true -> false"]),
    ],
)
def test_changed_settings_are_refused_with_the_differences(
    tmp_path: Path, stored: dict[str, object], wanted: dict[str, object], shown: list[str]
) -> None:
    directory = RunDirectory.create(tmp_path / "run", config(**stored))
    before = directory.files.toml.read_bytes()
    with pytest.raises(SettingsChangedError) as caught:
        RunDirectory.create(tmp_path / "run", config(**wanted))
    message = str(caught.value)
    assert all(text in message for text in shown)
    assert "use another --output-dir, or remove that directory" in message
    assert "\n" not in message
    assert directory.files.toml.read_bytes() == before


def test_another_sample_is_refused_and_a_moved_one_is_not(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "run", config(), sample=SAMPLE)
    directory.begin(Manifest(input=SAMPLE))
    directory.close()
    moved = InputData(path="/elsewhere/b.h5ad", size=1, mtime=5.0, n_cells=10, n_genes=4, names_sha256="aa")
    RunDirectory.create(tmp_path / "run", config(), sample=moved)
    other = InputData(path="/data/a.h5ad", n_cells=11, n_genes=4, names_sha256="bb")
    with pytest.raises(SettingsChangedError, match="number of cells: 10 -> 11; cell and gene names"):
        RunDirectory.create(tmp_path / "run", config(), sample=other)


def test_without_a_manifest_the_files_are_compared(tmp_path: Path) -> None:
    one, two = tmp_path / "one.h5ad", tmp_path / "two.h5ad"
    one.write_text("1")
    two.write_text("2")
    RunDirectory.create(tmp_path / "run", config(data__adata_path=str(one)))
    sample = InputData.describe(two, cells=["c"], genes=["g"])
    with pytest.raises(SettingsChangedError, match=r"\[data\].adata_path: .*one.h5ad -> .*two.h5ad"):
        RunDirectory.create(tmp_path / "run", config(data__adata_path=str(two)), sample=sample)
    one.unlink()
    one.symlink_to(two)
    RunDirectory.create(tmp_path / "run", config(data__adata_path=str(two)), sample=sample)
    one.unlink()
    RunDirectory.create(tmp_path / "run", config(data__adata_path=str(two)), sample=sample)


def test_settings_of_perturbation_stay_as_stored_and_the_user_hears_of_it(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path / "run", config())
    again = RunDirectory.create(tmp_path / "run", config(perturbation__n_propagation=4))
    assert len(again.notices) == 1
    assert "[perturbation].n_propagation: 2 -> 4" in again.notices[0]


def test_a_directory_with_other_things_is_allowed_with_a_notice(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    directory = RunDirectory.create(tmp_path, config())
    assert "thesis.tex" in directory.notices[0]
    assert (tmp_path / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("name", ["Pax5_betadata.feather", "Pax5.orphan"])
def test_results_of_unknown_settings_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(RunDirectoryError, match=r"results of 1 genes but no spacetravlr_run_repro\.toml"):
        RunDirectory.create(tmp_path, config())
    assert names(tmp_path) == {name}


def test_processes_that_begin_together_agree_on_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Barrier(6)
    look = settings_module._look_around

    def look_together(root: Path) -> tuple[str, ...]:
        gate.wait()
        return look(root)

    monkeypatch.setattr(settings_module, "_look_around", look_together)
    outcomes: list[object] = []

    def begin(radius: float) -> None:
        try:
            outcomes.append(RunDirectory.create(tmp_path / "run", config(spatial__radius=radius)).config.spatial.radius)
        except SettingsChangedError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=begin, args=(radius,)) for radius in (100.0, 200.0) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [outcome for outcome in outcomes if isinstance(outcome, float)]
    assert len(set(good)) == 1
    assert len(good) == 3
    assert names(tmp_path / "run") == {"spacetravlr_run_repro.toml"}


V1_TOML = """
[data]
adata_path = "tissue.h5ad"
[spatial]
radius = 200.0
[lasso]
l1_reg = 0.001
group_reg = 0.001
n_iter = 100
[training]
mode = "seed"
"""


def test_the_directory_of_the_compiled_edition_is_compared_by_the_keys_it_has(tmp_path: Path) -> None:
    (tmp_path / "spacetravlr_run_repro.toml").write_text(V1_TOML)
    (tmp_path / "Pax5_betadata.feather").touch()
    same = config(lasso__l1_reg=0.001, lasso__group_reg=0.001, lasso__n_iter=100)
    directory = RunDirectory.create(tmp_path, same.replace({"lasso.solver": "fista"}))
    assert directory.notices == ()
    # a setting that it does not know cannot differ, but the user hears that the solver is another one
    ours = RunDirectory.create(tmp_path, same.replace({"spatial.kernel": "truncated", "lasso.n_iter": 7}))
    assert "early-stopped solver" in ours.notices[0]
    with pytest.raises(SettingsChangedError, match=r"\(\[lasso\].l1_reg: 0.001 -> 0.002\)"):
        RunDirectory.create(tmp_path, same.replace({"lasso.l1_reg": 0.002}))
    with pytest.raises(SettingsChangedError, match=r"\(\[lasso\].n_iter: 100 -> 7\)"):
        RunDirectory.create(tmp_path, same.replace({"lasso.n_iter": 7, "lasso.solver": "fista"}))


def test_the_golden_run_accepts_its_own_settings(shared: Path, tmp_path: Path) -> None:
    text = (shared / "golden/v1/run/spacetravlr_run_repro.toml").read_text()
    (tmp_path / "spacetravlr_run_repro.toml").write_text(text)
    (tmp_path / "a.toml").write_text(text)
    loaded = load_config(tmp_path / "a.toml", overrides={"lasso.solver": "fista"})
    RunDirectory.create(tmp_path, loaded.config, config_dir=tmp_path)
    with pytest.raises(SettingsChangedError, match=r"\[grn\].max_ligands: 6 -> 7"):
        RunDirectory.create(tmp_path, loaded.config.replace({"grn.max_ligands": 7}))


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="does not exist"):
        RunDirectory.open(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="is a file"):
        RunDirectory.open(tmp_path / "file")
    with pytest.raises(RunDirectoryError, match="not a run directory"):
        RunDirectory.open(tmp_path)
    with pytest.raises(RunDirectoryError, match="a file is in the way"):
        RunDirectory.create(tmp_path / "file", config())
    (tmp_path / "spacetravlr_run_repro.toml").write_text("[lasso\n")
    with pytest.raises(RunDirectoryError, match=r"spacetravlr_run_repro\.toml"):
        RunDirectory.open(tmp_path)
    (tmp_path / "spacetravlr_run_repro.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RunDirectoryError, match="cannot read"):
        RunDirectory.create(tmp_path, config())


def test_differences_are_shown_as_in_the_file() -> None:
    assert str(Difference("[a].b", None, True)) == "[a].b: unset -> true"
    assert str(Difference("[a].b", ["x"], 1e-5)) == "[a].b: ['x'] -> 1e-05"
