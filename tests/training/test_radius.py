"""The radius is learned where it can be, and where it cannot, that is what is said."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pytest

import spacetravlr as stl
from spacetravlr.datasets import simulated_tissue, write_network
from spacetravlr.errors import ConfigError, InputError
from spacetravlr.training.radius import RadiusStudy, suggest_radius


@pytest.mark.parametrize(("true", "excluded"), [(50.0, 400.0), (200.0, 25.0)])
def test_the_radius_of_a_simulated_tissue_is_found(true: float, excluded: float, tmp_path: Path) -> None:
    adata = simulated_tissue(2000, 150, seed=0, radius=true, knock_outs=(), false_prior=0.3)
    write_network(adata, tmp_path)
    study = stl.tl.suggest_radius(adata, network_data_dir=str(tmp_path))
    assert study.recommended == study.best == true
    assert excluded not in study.plausible and true in study.plausible
    assert study.ligands_help and not study.flat and not study.rising
    assert f"best with a radius of {true:g}" in study.words
    table = study.table().set_index("radius")
    assert table.index.tolist() == [25.0, 50.0, 100.0, 200.0, 400.0]
    assert table.loc[true, "behind"] == 0.0 and (table["behind"] >= 0.0).all()
    assert np.allclose(table["r2"] - study.r2_without.mean(), table["gain"])
    record = json.loads(json.dumps(study.to_json()))
    assert record["recommended"] == true and len(record["radii"]) == 5 and len(record["targets"]) == 30


def test_the_same_regions_judge_all_radii(tissue_data: anndata.AnnData, network_dir: Path) -> None:
    """A radius gives the same figures whatever it is compared with, as long as the largest is the same."""
    options = {"network_data_dir": str(network_dir), "targets": 3}
    both = suggest_radius(tissue_data, (200.0, 100.0), **options)
    again = suggest_radius(tissue_data, (200.0,), **options)
    assert both.radii == (100.0, 200.0) and both.targets == again.targets
    assert np.array_equal(both.r2[1], again.r2[0])
    assert np.array_equal(both.r2_without, again.r2_without)


def test_ligands_that_do_nothing_are_no_evidence(tissue_data: anndata.AnnData, network_dir: Path) -> None:
    data = tissue_data.copy()
    rng = np.random.default_rng(5)
    data.layers["imputed_count"] = rng.random(data.shape)
    study = suggest_radius(data, (50.0, 100.0, 300.0), network_data_dir=str(network_dir), radius=120.0)
    assert not study.ligands_help and study.recommended == study.configured == 120.0
    assert "no evidence" in study.words and "Keep 120" in study.words


def _study(r2: list[list[float]], without: float = 0.0) -> RadiusStudy:
    values = np.array(r2)
    radii = tuple(50.0 * 2**k for k in range(len(values)))
    n = values.shape[1]
    return RadiusStudy(radii, tuple("abcd"[:n]), values, np.full(n, without), (1.0,) * len(radii), 77.0)


def test_words_follow_from_the_curve() -> None:
    flat = _study([[0.3, 0.1, 0.2, 0.4], [0.31, 0.1, 0.19, 0.4], [0.3, 0.12, 0.2, 0.39]])
    assert flat.flat and flat.recommended == 77.0 and "flat" in flat.words
    rising = _study([[0.1, 0.1, 0.1, 0.12], [0.2, 0.21, 0.2, 0.2], [0.3, 0.31, 0.3, 0.33]])
    assert rising.rising and rising.recommended == 77.0 and "trends over the whole tissue" in rising.words
    falling = _study([[0.3, 0.31, 0.3, 0.33], [0.2, 0.21, 0.2, 0.2], [0.1, 0.1, 0.1, 0.12]])
    assert falling.recommended == 50.0 and "try smaller ones" in falling.words
    peak = _study([[0.2, 0.21, 0.2, 0.2], [0.3, 0.31, 0.3, 0.33], [0.1, 0.1, 0.1, 0.12]])
    assert peak.recommended == 100.0 and peak.plausible == (100.0,) and "clearly worse" in peak.words
    one = _study([[0.3]])
    assert one.flat and one.recommended == 77.0
    assert "\n" not in "".join(s.words for s in (flat, rising, falling, peak, one))


def test_what_cannot_be_compared_is_refused(tissue_data: anndata.AnnData, network_dir: Path) -> None:
    options = {"network_data_dir": str(network_dir)}
    for radii in ((), (0.0, 5.0), (float("nan"),), (-3.0,)):
        with pytest.raises(ConfigError, match="radii"):
            suggest_radius(tissue_data, radii, **options)
    with pytest.raises(ConfigError, match="targets = 0"):
        suggest_radius(tissue_data, targets=0, **options)
    alone = {"use_lr_modulators": False, "use_tfl_modulators": False}
    with pytest.raises(InputError, match="no radius to learn"):
        suggest_radius(tissue_data, **options, **alone)


def test_the_command_shows_a_table_and_writes_json(h5ad: Path, network_dir: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from spacetravlr.cli.main import app

    out = tmp_path / "radius.json"
    common = ["radius", "--h5ad", str(h5ad), "--network-data-dir", str(network_dir), "--radii", "100,200"]
    shown = CliRunner().invoke(app, [*common, "--targets", "3", "--json-out", str(out)])
    assert shown.exit_code == 0, shown.output
    assert "held-out R2" in shown.output and "recommended: --radius" in shown.output
    record = json.loads(out.read_text(encoding="utf-8"))
    assert [row["radius"] for row in record["radii"]] == [100.0, 200.0]
    as_json = CliRunner().invoke(app, [*common, "--json"])
    assert json.loads(as_json.stdout.strip().splitlines()[-1])["schema"] == 1
    wrong = CliRunner().invoke(app, [*common[:-1], "1,x"])
    assert wrong.exit_code == 2 and "no list of numbers" in wrong.output
