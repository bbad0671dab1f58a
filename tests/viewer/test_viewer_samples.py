"""Several pieces of tissue in one file: no cell of one has to do with those of another."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def sampled(make_client: Callable[..., TestClient], sampled_options: dict[str, Any]) -> TestClient:
    """A client of a server with such a run."""
    return make_client(**sampled_options)


def test_meta_names_the_samples_and_their_column(sampled: TestClient, client: TestClient) -> None:
    facts = sampled.get("/api/v2/meta").json()
    types = next(one for one in facts["obs"] if one["name"] == "cell_type")["categories"]
    assert facts["sample_column"] == "cell_type"
    assert facts["samples"] == types
    plain = client.get("/api/v2/meta").json()
    assert (plain["sample_column"], plain["samples"]) == (None, [])


def test_samples_that_are_numbers_are_sent_as_names(
    make_client: Callable[..., TestClient], sampled_options: dict[str, Any], tmp_path: Path
) -> None:
    toml = tmp_path / "run" / "spacetravlr_run_repro.toml"
    shutil.copytree(sampled_options["run_toml"].parent, toml.parent)
    toml.write_text(toml.read_text().replace('sample = "cell_type"', 'sample = "slice"'))
    slices = np.arange(390) % 3 + 5
    with h5py.File(toml.parent / "tissue.h5ad", "r+") as file:
        file["obs"].create_dataset("slice", data=slices).attrs.update(
            {"encoding-type": "array", "encoding-version": "0.2.0"}
        )
        file["obs"].attrs["column-order"] = [*file["obs"].attrs["column-order"], "slice"]
    client = make_client(**{**sampled_options, "run_toml": toml, "data_roots": (tmp_path,)})
    facts = client.get("/api/v2/meta").json()
    assert facts["samples"] == ["5", "6", "7"]
    column = next(one for one in facts["obs"] if one["name"] == "slice")
    assert (column["kind"], column["categories"], column["counts"]) == ("categorical", ["5", "6", "7"], [130] * 3)
    raw = client.get("/api/v2/columns/obs/slice").content
    np.testing.assert_array_equal(np.frombuffer(raw, np.uint8, 390, 32), slices - 5)


@pytest.mark.parametrize("how", [{"mode": "knn", "neighbours": 5}, {"mode": "radius", "radius": 300.0}])
def test_neighbours_are_those_of_the_same_sample(sampled: TestClient, how: dict[str, Any]) -> None:
    raw = sampled.get("/api/v2/columns/obs/cell_type").content
    codes = np.frombuffer(raw, np.uint8, 390, 32)
    xy = np.frombuffer(sampled.get("/api/v2/columns/obsm/spatial?dtype=f32").content, np.float32, offset=32)
    xy = xy.reshape(390, -1)[:, :2].astype(float)
    for cell in (0, 17, 200):
        body = {"cell": cell, "gene": "Sox9", "direction": "sending", **how}
        found = sampled.post("/api/v2/cell-context", json=body).json()["neighbours"]
        distance = np.where(codes == codes[cell], np.hypot(*(xy - xy[cell]).T), np.inf)
        distance[cell] = np.inf
        nearest = np.argsort(distance, kind="stable")
        wanted = nearest[:5] if how["mode"] == "knn" else nearest[distance[nearest] <= 300]
        assert {one["index"] for one in found} == set(wanted[np.isfinite(distance[wanted])].tolist())


def test_genes_can_be_asked_for_by_what_they_are(client: TestClient) -> None:
    names = {}
    for among in ("all", "models", "ligands", "tf_ligands"):
        answer = client.get("/api/v2/genes", params={"among": among, "limit": 10_000}).json()
        names[among] = [one["name"] for one in answer["genes"]]
        assert answer["total"] == len(names[among])
    assert set(names["models"]) == set(client.get("/api/betadata/genes").json())
    model = client.get("/api/meta").json()["spatial_model"]
    assert set(model["received_ligand_columns_sample"]) == set(names["ligands"])
    assert client.get("/api/v2/columns/received/" + names["tf_ligands"][0], params={"matrix": "tfl"}).status_code == 200
    assert client.get("/api/v2/genes", params={"among": "others"}).status_code == 400
