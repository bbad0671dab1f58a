"""Version 1: what is open, and how that changes."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import ExitStack

import h5py
import numpy as np
import pandas as pd
import pytest

from spacetravlr.viewer import ViewerOptions, _hub
from spacetravlr.viewer._open import OpenRequest
from spacetravlr.viewer._problem import ProblemError

GETS = (
    "spatial", "umap", "clusters", "cell_type/codes", "genes", "genes/full", "gene/expression?gene=Agt",
    "betadata/genes", "betadata/columns?gene=Agt", "betadata/values?gene=Agt&column=beta0",
)  # fmt: skip
POSTS = {
    "meta/label_clusters": {"labels": {}},
    "betadata/top": {"gene": "Agt"},
    "betadata/collect_interactions": {},
    "betadata/pair_lr": {"cell_a": 0, "cell_b": 1},
    "network/cell-context": {"cell_index": 0, "focus_gene": "Agt"},
    "cluster/mean_expression": {"genes": ["Agt"]},
    "perturb/preview": {"gene": "Agt"},
    "perturb/summary": {"gene": "Agt"},
    "perturb/export_feather": {"gene": "Agt"},
    "perturb/umap-field": {"gene": "Agt"},
    "perturb/splash_network": {"gene_a": "Agt", "gene_b": "Hlf"},
    "perturb/reference_similarity": {"gene": "Agt", "reference": {"type": "all"}},
    "perturb/neighbor_sanity": {"gene": "Agt", "cell_index": 0},
    "umap/signature_field": {"genes": ["Agt"]},
    "spatial/received_ligand": {"genes": ["Agt"]},
}


@pytest.fixture
def fresh(make_client):
    return make_client(run=False)


def wait_until(answer, key, value):
    for _ in range(300):
        meta = answer()
        if meta.get(key) == value:
            return meta
        time.sleep(0.05)
    raise AssertionError(meta)


def test_without_data_everything_that_needs_some_says_503(fresh):
    for route in GETS:
        assert fresh.get(f"/api/{route}").status_code == 503, route
    for route, body in POSTS.items():
        answer = fresh.post(f"/api/{route}", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8"), route
    meta = fresh.get("/api/meta").json()
    assert meta["dataset_ready"] is False
    assert (meta["n_obs"], meta["layer"], meta["cluster_annot"]) == (0, "imputed_count", "cell_type")
    assert fresh.post("/api/cancel").json()["ok"]
    assert fresh.get("/api/perturb/splash_progress").json() == {"active": False, "permille": 0}


def test_opening_a_sample_alone_then_its_run(fresh):
    opened = fresh.post("/api/session/configure", json={"adata_path": " 'run/tissue.h5ad' "}).json()
    assert opened["message"] == "dataset loaded"
    assert opened["meta"]["dataset_ready"]
    # the usual column: its texts are numbered in sorted order
    assert opened["meta"]["cluster_annot"] == "cell_type"
    assert sorted(set(np.frombuffer(fresh.get("/api/clusters").content, "<u4").tolist())) == [0, 1, 2]
    assert opened["meta"]["betadata_dir"] == ""
    assert fresh.get("/api/betadata/genes").json() == []
    assert fresh.get("/api/betadata/columns?gene=Agt").status_code == 400
    assert fresh.post("/api/perturb/preview", json={"gene": "Agt"}).status_code == 503
    run = {"adata_path": "", "run_toml": "run/spacetravlr_run_repro.toml", "cluster_annot": "cell_type_int"}
    assert fresh.post("/api/session/configure", json=run).json()["message"] == "dataset loaded"
    meta = wait_until(lambda: fresh.get("/api/meta").json(), "perturb_ready", value=True)
    assert meta["adata_path"] == "run/tissue.h5ad"
    assert meta["betadata_dir"] == "run"
    again = fresh.post("/api/session/configure", json=run).json()
    assert again["message"] == "dataset unchanged (already loaded)"
    # what meta says can be sent back
    echo = {name: meta[name] for name in ("adata_path", "layer", "cluster_annot", "run_toml")}
    assert fresh.post("/api/session/configure", json=echo).status_code == 200
    assert fresh.post("/api/perturb/preview", json={"gene": "Agt"}).status_code in (200, 503)


@pytest.mark.parametrize(
    "body",
    [
        {"adata_path": "", "run_toml": ""},
        {"adata_path": "run/nothing.h5ad"},
        {"adata_path": "run"},
        {"adata_path": "run/Agt_betadata.feather"},
        {"adata_path": "run/tissue.h5ad", "cluster_annot": "nothing"},
        {"adata_path": "", "run_toml": "run/tissue.h5ad"},
        {"adata_path": "a\0b"},
        {"adata_path": "x" * 4000},
    ],
)
def test_what_cannot_be_opened_changes_nothing(fresh, body):
    fresh.post("/api/session/configure", json={"adata_path": "run/tissue.h5ad"})
    before = fresh.get("/api/meta").json()
    answer = fresh.post("/api/session/configure", json=body)
    assert answer.status_code == 400
    assert "\n" not in answer.text
    assert fresh.get("/api/meta").json() == before


def test_a_layer_that_is_not_there_is_reported(fresh):
    fresh.post("/api/session/configure", json={"adata_path": "run/tissue.h5ad", "layer": "nothing"})
    assert fresh.get("/api/meta").json()["layer"] == "X"
    assert any("'nothing'" in notice for notice in fresh.get("/api/v2/meta").json()["notices"])


def test_a_damaged_run_can_be_tried_again(fresh, data_root):
    copy = data_root / "damaged"
    shutil.copytree(data_root / "run", copy)
    broken = copy / "Agt_betadata.feather"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:500])
    run = {"adata_path": "", "run_toml": "damaged/spacetravlr_run_repro.toml", "cluster_annot": "cell_type_int"}
    fresh.post("/api/session/configure", json=run)
    meta = wait_until(lambda: fresh.get("/api/meta").json(), "perturb_loading", value=False)
    assert "Agt" in meta["perturb_error"]
    assert str(data_root) not in meta["perturb_error"]
    refused = fresh.post("/api/perturb/preview", json={"gene": "Esr2"})
    assert refused.status_code == 503
    assert "Agt" in refused.text
    broken.write_bytes(whole)
    again = fresh.post("/api/session/configure", json=run).json()
    assert again["message"] in ("retrying perturbation runtime load (same dataset)", "dataset loaded")
    wait_until(lambda: fresh.get("/api/meta").json(), "perturb_ready", value=True)


def test_a_cancelled_load_can_be_started_again(fresh):
    run = {"adata_path": "", "run_toml": "run/spacetravlr_run_repro.toml", "cluster_annot": "cell_type_int"}
    fresh.post("/api/session/configure", json=run)
    fresh.post("/api/cancel")
    meta = fresh.get("/api/meta").json()
    if not meta["perturb_ready"]:
        assert not meta["perturb_loading"]
        assert "perturb_error" not in meta
        assert fresh.post("/api/perturb/preview", json={"gene": "Agt"}).status_code == 503
    fresh.post("/api/session/configure", json=run)
    wait_until(lambda: fresh.get("/api/meta").json(), "perturb_ready", value=True)


def test_naming_clusters_replaces_cell_types(fresh):
    body = {"adata_path": "run/tissue.h5ad", "cluster_annot": "cell_type_int"}
    fresh.post("/api/session/configure", json=body)
    before = fresh.get("/api/v2/meta").json()["dataset"]
    named = fresh.post("/api/meta/label_clusters", json={"labels": {"0": "A <b>", "2": "A <b>", "77": "nobody"}}).json()
    assert named == {"ok": True, "categories": ["A <b>", "Cluster 1", "A <b>"], "n_clusters": 3}
    meta = fresh.get("/api/meta").json()
    assert meta["cell_type_column"] == "annotated_type"
    codes = np.frombuffer(fresh.get("/api/cell_type/codes").content, "<u2")
    np.testing.assert_array_equal(codes, np.frombuffer(fresh.get("/api/clusters").content, "<u4"))
    # what was cached under the old names is not found any more
    assert fresh.get("/api/v2/meta").json()["dataset"] != before
    assert fresh.post("/api/meta/label_clusters", json={"labels": {"0": 3}}).status_code == 422


def test_naming_clusters_of_huge_ids_takes_no_room_for_the_ids_between(fresh, data_root):
    path = data_root / "huge.h5ad"
    shutil.copy(data_root / "run" / "tissue.h5ad", path)
    with h5py.File(path, "a") as file:
        ids = np.where(file["obs/cell_type_int"][:] == 1, 4_000_000_000, file["obs/cell_type_int"][:].astype(np.int64))
        ids[:5] = -1
        del file["obs/cell_type_int"]
        file["obs/cell_type_int"] = ids
    assert fresh.post(
        "/api/session/configure", json={"adata_path": path.name, "cluster_annot": "cell_type_int"}
    ).is_success
    named = fresh.post("/api/meta/label_clusters", json={"labels": {"4000000000": "far"}}).json()
    assert named["categories"] == ["Cluster 0", "Cluster 2", "far"]
    codes = np.frombuffer(fresh.get("/api/cell_type/codes").content, "<u2")
    want = np.select([ids < 0, ids == 0, ids == 2], [65_535, 0, 1], 2)
    np.testing.assert_array_equal(codes, want)
    path.unlink()


def damaged(path, name, *, size=2000):
    """Overwrite the middle of what a part of a file has stored."""
    with h5py.File(path) as file:
        part = file[name]
        at = part.id.get_chunk_info(0).byte_offset if part.chunks else part.id.get_offset()
        length = part.id.get_chunk_info(0).size if part.chunks else part.id.get_storage_size()
    with path.open("r+b") as stream:
        stream.seek(at + length // 3)
        stream.write(b"\xff" * min(size, length // 3))


def test_a_damaged_part_is_no_server_error(fresh, data_root):
    path = data_root / "part.h5ad"
    body = {"adata_path": path.name, "cluster_annot": "cell_type_int"}

    def take(part, **how):
        """Open a sample in which one part is compressed, and damaged or exchanged."""
        path.unlink(missing_ok=True)
        shutil.copy(data_root / "run" / "tissue.h5ad", path)
        with h5py.File(path, "a") as file:
            values, attributes = file[part][()], dict(file[part].attrs)
            del file[part]
            file.create_dataset(part, **(how or {"data": values, "compression": "gzip"}))
            file[part].attrs.update(attributes)
        if not how:
            damaged(path, part)
        return fresh.post("/api/session/configure", json=body)

    assert take("obsm/X_umap").status_code == 200
    assert "umap_obsm_key" not in fresh.get("/api/meta").json()
    assert [one["name"] for one in fresh.get("/api/v2/meta").json()["embeddings"]] == ["spatial"]
    assert fresh.get("/api/umap").status_code == 404
    assert take("layers/imputed_count").status_code == 200
    assert (fresh.get("/api/gene/expression?gene=Agt").status_code, fresh.get("/api/meta").status_code) == (404, 200)
    assert "cannot be read" in fresh.get("/api/v2/columns/expr/Agt").json()["message"]
    before = fresh.get("/api/v2/meta").json()["dataset"]
    for part, how in (
        ("obsm/spatial", {}),
        ("obs/cell_type_int", {}),
        ("obs/cell_type_int", {"data": np.zeros((390, 2))}),
        ("obs/cell_type_int", {"data": np.zeros(100, dtype=np.int64)}),
        ("obs/cell_type_int", {"data": 3}),
        ("var/_index", {"shape": (10**11,), "dtype": "S8", "chunks": (1000,)}),
    ):
        answer = take(part, **how)
        assert answer.status_code == 400, (part, answer.text)
        assert "internal" not in answer.text
    assert fresh.get("/api/v2/meta").json()["dataset"] == before
    path.unlink()


def test_only_a_few_wait_while_data_are_opened(monkeypatch):
    go, begun = threading.Event(), threading.Semaphore(0)

    def slow(*_):
        begun.release()
        go.wait(30)
        raise ProblemError(400, "enough")

    monkeypatch.setattr(_hub, "open_dataset", slow)
    hub = _hub.Hub(ViewerOptions())
    codes = []

    def ask():
        try:
            hub.open(OpenRequest())
        except ProblemError as error:
            codes.append(error.code)

    most = _hub.MOST_OPENING + _hub.MOST_WAITING
    threads = [threading.Thread(target=ask) for _ in range(most + 5)]
    for one in threads:
        one.start()
    for _ in range(_hub.MOST_OPENING):
        assert begun.acquire(timeout=30)
    for _ in range(600):
        if len(codes) == 5:
            break
        time.sleep(0.05)
    assert codes == ["busy"] * 5
    go.set()
    for one in threads:
        one.join(30)
    assert codes == ["busy"] * 5 + ["bad_request"] * most
    hub.close()


def test_heavy_requests_wait_for_each_other_and_the_light_ones_do_not(make_client):
    client = make_client()
    gate = client.app.state.hub.heavy
    ligand = {"source": "adata", "genes": ["Agt"]}
    collect = {"filter": "cluster", "cluster_id": 0}
    heavy = {"spatial/received_ligand": ligand, "betadata/collect_interactions": collect, "v2/interactions": {}}
    with ExitStack() as inside:
        for _ in range(_hub.MOST_HEAVY):
            inside.enter_context(gate.passed())
        before = [gate._asked.acquire(blocking=False) for _ in range(4 * _hub.MOST_HEAVY)]
        assert all(before)
        for path, body in heavy.items():
            assert client.post(f"/api/{path}", json=body).status_code == 503
        assert client.get("/api/gene/expression?gene=Agt").status_code == 200
        for _ in before:
            gate._asked.release()
    for path, body in heavy.items():
        assert client.post(f"/api/{path}", json=body).status_code == 200


def test_equal_names_of_clusters_are_one_group(make_client):
    client = make_client()
    client.post("/api/meta/label_clusters", json={"labels": {"0": "both", "2": "both"}})
    codes = np.frombuffer(client.get("/api/clusters").content, "<u4")
    body = {"filter": "cell_type", "cell_type": "both", "gene_subset": ["Agtr1a"], "aggregate": "sum"}
    named = client.post("/api/betadata/collect_interactions", json=body).json()["interactions"]
    parts = [
        {
            one["interaction"]: one["beta"]
            for one in client.post(
                "/api/betadata/collect_interactions",
                json={"filter": "cluster", "cluster_id": cluster, "gene_subset": ["Agtr1a"], "aggregate": "sum"},
            ).json()["interactions"]
        }
        for cluster in (0, 2)
    ]
    for one in named:
        want = sum(part.get(one["interaction"], 0.0) for part in parts)
        assert one["beta"] == pytest.approx(want, rel=1e-9)
    # both are used where a field is limited by names
    field = {"gene": "Esr2", "limit_clusters": True, "highlight_cell_types": ["both"], "include_cell_vectors": True}
    found = client.post("/api/perturb/umap-field", json={**field, "n_neighbors": 20}).json()
    moved = np.array(found["cell_u"]) != 0
    assert moved[codes == 0].any()
    assert moved[codes == 2].any()
    assert not moved[codes == 1].any()


def test_data_that_have_changed_are_opened_again(fresh, data_root):
    copy = data_root / "retrained"
    shutil.copytree(data_root / "run", copy)
    run = {"adata_path": "", "run_toml": "retrained/spacetravlr_run_repro.toml", "cluster_annot": "cell_type_int"}
    fresh.post("/api/session/configure", json=run)
    wait_until(lambda: fresh.get("/api/meta").json(), "perturb_ready", value=True)
    body = {"gene": "Esr2", "n_propagation": 2}
    before = fresh.post("/api/perturb/summary", json=body).json()
    column = fresh.get("/api/v2/columns/beta/Cd86?column=intercept")
    table = pd.read_feather(copy / "Cd86_betadata.feather")
    numbers = table.columns.drop("Cluster")
    table[numbers] = 2 * table[numbers]
    table.to_feather(copy / "Cd86_betadata.feather")
    # the old tag is not good any more, and neither is the old model after opening again
    again = fresh.get("/api/v2/columns/beta/Cd86?column=intercept", headers={"If-None-Match": column.headers["etag"]})
    assert again.status_code == 200
    np.testing.assert_allclose(
        np.frombuffer(again.content[32:], "<f4"), 2 * np.frombuffer(column.content[32:], "<f4"), rtol=1e-6
    )
    assert fresh.post("/api/session/configure", json=run).json()["message"] == "dataset loaded"
    wait_until(lambda: fresh.get("/api/meta").json(), "perturb_ready", value=True)
    after = fresh.post("/api/perturb/summary", json=body).json()
    size = {one["gene"]: one["max_abs_delta"] for one in before["top_affected_genes"]}
    larger = {one["gene"]: one["max_abs_delta"] for one in after["top_affected_genes"]}
    assert larger["Cd86"] > 1.5 * size["Cd86"]
    shutil.rmtree(copy)


def test_loading_counts_the_coefficient_files(run_options, data_root):
    from spacetravlr.run import Run
    from spacetravlr.viewer._runtime import Runtime

    runtime = Runtime(Run.open(run_options["run_toml"]), n_obs=390, n_genes=60)
    seen = []
    real = runtime._step
    runtime._step = lambda generation, permille, label: (
        seen.append((permille, label)),
        real(generation, permille, label),
    )[1]
    runtime.start()
    runtime.join(60)
    assert runtime.state == "ready"
    marks = [permille for permille, _ in seen]
    assert marks == sorted(marks)
    assert (820, "Reading coefficients: 14 of 14 targets") in seen
    # what is loaded for a generation that nobody waits for any more is thrown away
    other = Runtime(Run.open(run_options["run_toml"]), n_obs=390, n_genes=60)
    other.start()
    other.cancel()
    other.join(60)
    assert other.model is None or other.state == "ready"
    assert other.state in ("none", "ready")
    other.start()
    other.join(60)
    assert other.state == "ready"


def test_a_run_about_other_cells_is_no_model_of_these(run_options):
    from spacetravlr.run import Run
    from spacetravlr.viewer._runtime import Runtime

    runtime = Runtime(Run.open(run_options["run_toml"]), n_obs=391, n_genes=60)
    runtime.start()
    runtime.join(60)
    assert runtime.state == "failed"
    assert "391" in runtime.message


def test_a_model_that_does_not_fit_says_how_much_it_needs(run_options, monkeypatch):
    from spacetravlr.run import Run
    from spacetravlr.viewer import _runtime

    monkeypatch.setattr(_runtime, "available_memory", lambda: 1000)
    runtime = _runtime.Runtime(Run.open(run_options["run_toml"]), n_obs=390, n_genes=60)
    runtime.start()
    runtime.join(60)
    assert runtime.state == "failed"
    assert runtime.message.endswith("of memory, and 1 kB are left")
