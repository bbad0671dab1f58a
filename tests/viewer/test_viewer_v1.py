"""Version 1, route by route: what recorded requests do not cover, against the files read by other means."""

from __future__ import annotations

import io
import itertools

import h5py
import numpy as np
import pandas as pd
import pyarrow.feather
import pytest


@pytest.fixture(scope="module")
def sample(data_root):
    with h5py.File(data_root / "run" / "tissue.h5ad") as file:
        genes = [name.decode() for name in file["var/_index"][:]]
        return {
            "expression": pd.DataFrame(file["layers/imputed_count"][:], columns=genes),
            "umap": file["obsm/X_umap"][:],
            "xy": file["obsm/spatial"][:],
            "clusters": file["obs/cell_type_int"][:],
        }


def table(data_root, gene):
    return pd.read_feather(data_root / "run" / f"{gene}_betadata.feather")


def test_umap_has_two_numbers_a_cell(client, sample):
    got = np.frombuffer(client.get("/api/umap").content, "<f4").reshape(-1, 2)
    np.testing.assert_allclose(got, sample["umap"], rtol=1e-6)


def test_expression_is_the_column_of_the_layer(client, sample):
    got = np.frombuffer(client.get("/api/gene/expression?gene=Esr2").content, "<f4")
    np.testing.assert_array_equal(got, sample["expression"]["Esr2"].to_numpy(np.float32))


def test_genes_are_cut_by_prefix_in_file_order_and_letter_case_counts(client, sample):
    every = list(sample["expression"].columns)
    assert client.get("/api/genes?prefix=Lam").json() == [gene for gene in every if gene.startswith("Lam")]
    assert client.get("/api/genes?prefix=lam").json() == []
    assert client.get("/api/genes?limit=0").json() == []
    assert client.get("/api/genes?limit=many").status_code == 400


def test_betadata_genes_are_the_files(client, data_root):
    files = sorted(
        path.name.removesuffix("_betadata.feather") for path in (data_root / "run").glob("*_betadata.feather")
    )
    assert client.get("/api/betadata/genes").json() == files


def test_betadata_values_follow_the_clusters(client, data_root, sample):
    answer = client.get("/api/betadata/values", params={"gene": "Agtr1a", "column": "beta_Lhx2"})
    rows = table(data_root, "Agtr1a").astype({"Cluster": str}).set_index("Cluster")["beta_Lhx2"]
    want = rows.loc[sample["clusters"].astype(str)].to_numpy()
    np.testing.assert_allclose(np.frombuffer(answer.content, "<f4"), want, rtol=1e-6)
    assert answer.headers["x-unmatched-cells"] == "0"


def test_betadata_errors(client):
    assert client.get("/api/betadata/values?gene=Agtr1a").status_code == 400
    assert client.get("/api/betadata/values?gene=Nope&column=beta0").status_code == 404
    assert client.get("/api/betadata/columns").status_code == 400
    assert client.post("/api/betadata/top", json={"gene": "Agtr1a", "indices": [0] * 250_001}).status_code == 400
    assert client.post("/api/betadata/top", json={"indices": [0]}).status_code == 422


@pytest.mark.parametrize("word", ["mean", "min", "max", "sum", "positive", "negative", "MEAN"])
def test_aggregates_are_those_of_single_cells(client, data_root, sample, word):
    body = {"aggregate": word, "filter": "celltype", "cell_type": "Oligo", "gene_subset": ["Agt", "Agtr1a", "Nope"]}
    found = client.post("/api/betadata/collect_interactions", json=body).json()
    assert not found["capped"]
    assert found["n_total"] == found["n_reported"] == len(found["interactions"])
    types = client.get("/api/meta").json()["cell_type_categories"]
    codes = np.frombuffer(client.get("/api/cell_type/codes").content, "<u2")
    cells = np.flatnonzero(codes == types.index("Oligo"))
    want = {}
    for gene in ("Agt", "Agtr1a"):
        for column in client.get("/api/betadata/columns", params={"gene": gene}).json():
            if column == "beta0":
                continue
            raw = client.get("/api/betadata/values", params={"gene": gene, "column": column}).content
            values = np.frombuffer(raw, "<f4").astype(float)[cells]
            chosen = {"positive": values[values > 0], "negative": values[values < 0]}.get(word, values)
            if len(chosen):
                reduce = {"min": np.min, "max": np.max, "sum": np.sum}.get(word, np.mean)
                want[gene, column] = reduce(chosen)
    want = {key: value for key, value in want.items() if value != 0}
    got = {(one["gene"], one["interaction"]): one["beta"] for one in found["interactions"]}
    assert got.keys() == want.keys()
    for key, value in want.items():
        assert got[key] == pytest.approx(value, rel=1e-5, abs=1e-7)
    sizes = [abs(one["beta"]) for one in found["interactions"]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    "body",
    [
        {"filter": "ring"},
        {"filter": "cell_type"},
        {"filter": "cell_type", "cell_type": "Nobody"},
        {"filter": "cluster"},
        {"filter": "cluster", "cluster_id": 99},
        {"filter": "cluster", "cluster_id": 0, "gene_subset": []},
    ],
)
def test_collect_refuses_groups_that_are_none(client, body):
    assert client.post("/api/betadata/collect_interactions", json=body).status_code == 400


def test_pair_lr_lists_pairs_of_both_cells_by_size(client, data_root, sample):
    found = client.post("/api/betadata/pair_lr", json={"cell_a": 0.0, "cell_b": 5, "top_n": 200}).json()
    assert found["betadata_row_id"] == "CellID"
    assert found["n_genes_scanned"] == 14
    frame = table(data_root, "Agtr1a").astype({"Cluster": str}).set_index("Cluster")
    own = [one for one in found["rows"] if one["target_gene"] == "Agtr1a"]
    assert {one["interaction"] for one in own} <= {name for name in frame.columns if "$" in name}
    for one in own:
        for cell, side in ((0, "beta_cell_a"), (5, "beta_cell_b")):
            assert one[side] == pytest.approx(frame.loc[str(sample["clusters"][cell]), one["interaction"]])
        assert one["score"] == max(abs(one["beta_cell_a"]), abs(one["beta_cell_b"]))
    scores = [one["score"] for one in found["rows"]]
    assert scores == sorted(scores, reverse=True)
    for cells in ((0, 390), (-1, 3)):
        body = {"cell_a": cells[0], "cell_b": cells[1]}
        assert client.post("/api/betadata/pair_lr", json=body).status_code == 400
    assert client.post("/api/betadata/pair_lr", json={"cell_a": 0, "cell_b": 1, "gene_subset": []}).status_code == 400


def test_mean_expression_errors(client):
    for genes in ([], ["Agt"] * 201, ["NoSuchGene"]):
        assert client.post("/api/cluster/mean_expression", json={"genes": genes}).status_code == 400


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"gene": " "}, 400),
        ({"gene": "NoSuchGene"}, 404),
        ({"desired_expr": -1.0}, 400),
        ({"desired_expr": "high"}, 422),
        ({"scope": {"type": "indices", "indices": []}}, 400),
        ({"scope": {"type": "indices", "indices": [390]}}, 400),
        ({"scope": {"type": "cell_type", "category": 3}}, 400),
        ({"scope": {"type": "cell_type_name", "name": "Nobody"}}, 400),
        ({"scope": {"type": "cluster", "cluster_id": 7}}, 400),
        ({"scope": {"type": "cluster", "cluster_id": "1"}}, 422),
    ],
)
@pytest.mark.parametrize("route", ["preview", "summary", "umap-field", "export_feather"])
def test_perturbations_refuse_what_makes_no_sense(client, route, change, status):
    body = {"gene": "Esr2", "desired_expr": 0.0, "scope": {"type": "all"}, **change}
    assert client.post(f"/api/perturb/{route}", json=body).status_code == status


def test_scopes_by_code_name_and_rows_mean_the_same(client):
    codes = np.frombuffer(client.get("/api/cell_type/codes").content, "<u2")
    name = client.get("/api/meta").json()["cell_type_categories"][2]
    scopes = (
        {"type": "cell_type", "category": 2},
        {"type": "cell_type_name", "name": name},
        {"type": "indices", "indices": [*np.flatnonzero(codes == 2).tolist(), int(np.flatnonzero(codes == 2)[0])]},
    )
    answers = [
        np.frombuffer(client.post("/api/perturb/preview", json={"gene": "Esr2", "scope": scope}).content, "<f4")
        for scope in scopes
    ]
    for one, other in itertools.pairwise(answers):
        np.testing.assert_array_equal(one, other)
    # within the scope the gene is silent, and elsewhere it is not touched, except by what follows
    assert (answers[0][codes == 2] < 0).any()


def test_number_of_steps_is_clamped(client):
    def changed(steps):
        body = {"gene": "Esr2", "n_propagation": steps}
        return client.post("/api/perturb/summary", json=body).json()["top_affected_genes"]

    assert changed(0) == changed(-5) == changed(1)
    assert changed(99) == changed(32)


def test_exported_file_holds_the_summed_change(client, sample):
    body = {"gene": "Esr2", "desired_expr": 0.0, "scope": {"type": "all"}}
    answer = client.post("/api/perturb/export_feather", json=body)
    assert answer.headers["content-disposition"] == 'attachment; filename="Esr2_perturb_simulated_expr.feather"'
    frame = pyarrow.feather.read_feather(io.BytesIO(answer.content))
    summary = client.post("/api/perturb/summary", json=body).json()
    for one in summary["top_affected_genes"]:
        delta = frame[one["gene"]].to_numpy() - sample["expression"][one["gene"]].to_numpy(float)
        assert delta.mean() == pytest.approx(one["mean_delta"], rel=1e-6, abs=1e-12)
        assert np.abs(delta).max() == pytest.approx(one["max_abs_delta"], rel=1e-6)
    assert summary["n_positive"] + summary["n_negative"] + summary["n_zero"] == 390


def test_splash_network_finds_a_path_and_keeps_it(client):
    answer = client.post("/api/perturb/splash_network", json={"gene_a": "Lhx2", "gene_b": "Agtr1a"})
    found = answer.json()
    assert answer.status_code == 200
    assert found["path"] == ["Lhx2", "Agtr1a"]
    assert found["path_found"]
    assert found["n_cells_used"] == 390
    ids = [node["id"] for node in found["nodes"]]
    assert ids == sorted(ids)
    assert len(ids) <= found["max_nodes"] == 24
    roles = {node["id"]: node["role"] for node in found["nodes"]}
    assert roles["Lhx2"] == "source"
    assert roles["Agtr1a"] == "sink"
    link = next(one for one in found["links"] if (one["source"], one["target"]) == ("Lhx2", "Agtr1a"))
    # no pair contains Lhx2 there: the derivative is the coefficient
    assert link["abs_weight"] == abs(link["weight"])
    sizes = [one["abs_weight"] for one in found["links"]]
    assert sizes == sorted(sizes, reverse=True)


def test_splash_network_without_a_path_says_so(client):
    found = client.post("/api/perturb/splash_network", json={"gene_a": "Zbtb17", "gene_b": "Dsc3"}).json()
    if found["path_found"]:
        assert found["path"][0] == "Zbtb17"
        assert found["path"][-1] == "Dsc3"
    nothing = client.post("/api/perturb/splash_network", json={"gene_a": "Col1a1", "gene_b": "Dsc3"}).json()
    assert nothing["path"] is None
    assert "Col1a1" in nothing["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"gene_a": "", "gene_b": "Agt"}, 400),
        ({"gene_a": "Agt", "gene_b": "Agt"}, 400),
        ({"gene_a": "Agt", "gene_b": "Spi1"}, 400),
        ({"gene_a": "NoSuchGene", "gene_b": "Agt"}, 404),
        ({"gene_a": "Agt"}, 422),
    ],
)
def test_splash_network_errors(client, body, status):
    assert client.post("/api/perturb/splash_network", json=body).status_code == status


def test_splash_progress_is_idle(client):
    assert client.get("/api/perturb/splash_progress").json() == {"active": False, "permille": 0}


def test_neighbours_of_a_perturbed_cell(client, sample):
    body = {"gene": "Agt", "desired_expr": 6.0, "cell_index": 17, "neighbor_radius": 60.0}
    found = client.post("/api/perturb/neighbor_sanity", json=body).json()
    distance = np.linalg.norm(sample["xy"] - sample["xy"][17], axis=1)
    near = (distance <= 60.0) & (np.arange(390) != 17)
    assert found["n_neighbors_within_radius"] == near.sum()
    assert found["n_remote"] == 390 - 1 - near.sum()
    assert found["n_far"] == (distance > 120.0).sum()
    assert found["cluster_id_at_cell"] == sample["clusters"][17]
    assert found["ligand_gene_in_lr_model"] is True
    assert found["sender_abs_delta_perturbed_gene"] == pytest.approx(6.0 - sample["expression"]["Agt"][17], rel=1e-5)
    assert found["neighbors_mean_l1_delta"] > found["far_gt_2r_mean_l1_delta"]
    assert set(found["neighbor_sample"]) == set(np.flatnonzero(near).tolist()[:100]) or near.sum() > 100


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"cell_index": 390}, 400),
        ({"require_cluster_id": 99}, 400),
        ({"gene": "Nope"}, 404),
        ({"desired_expr": -1}, 400),
    ],
)
def test_neighbour_errors(client, change, status):
    body = {"gene": "Agt", "cell_index": 17, **change}
    assert client.post("/api/perturb/neighbor_sanity", json=body).status_code == status


def test_reference_must_hold_cells(client):
    everywhere = {"gene": "Esr2", "scope": {"type": "all"}, "reference": {"type": "cluster", "cluster_id": 1}}
    assert client.post("/api/perturb/reference_similarity", json=everywhere).status_code == 400
    included = {**everywhere, "exclude_perturb_cells_from_reference": False}
    assert client.post("/api/perturb/reference_similarity", json=included).json()["n_reference_cells"] == 124
    assert client.post("/api/perturb/reference_similarity", json={**included, "genes": ["Nope"]}).status_code == 400


def test_received_ligand_of_the_model_and_its_errors(client):
    body = {"source": "runtime", "genes": ["Agt"]}
    got = np.frombuffer(client.post("/api/spatial/received_ligand", json=body).content, "<f4")
    own = {"source": "adata", "genes": ["Agt"], "radius": 200.0, "use_grid": False}
    want = np.frombuffer(client.post("/api/spatial/received_ligand", json=own).content, "<f4")
    np.testing.assert_allclose(got, want, rtol=2e-3)
    for change in ({"genes": ["Spi1"]}, {"genes": []}):
        assert client.post("/api/spatial/received_ligand", json={**body, **change}).status_code == 400
    for change in ({"genes": ["Nope"]}, {"radius": 0}, {"grid_factor": -1.0}, {"aggregate": "median"}):
        assert client.post("/api/spatial/received_ligand", json={**own, **change}).status_code == 400


def test_field_of_cells_that_do_not_change_is_zero(client):
    body = {
        "gene": "Esr2",
        "scope": {"type": "indices", "indices": [0]},
        "quick_ko_sanity": True,
        "include_cell_vectors": True,
    }
    found = client.post("/api/perturb/umap-field", json=body).json()
    others = np.array([found["cell_u"], found["cell_v"]])[:, 1:]
    assert not others.any()
    assert len(found["u"]) == len(found["v"]) == found["nx"] * found["ny"]


def test_fields_need_cell_types_that_exist(client):
    for types in ([], ["Nobody"]):
        body = {"gene": "Esr2", "limit_clusters": True, "highlight_cell_types": types}
        assert client.post("/api/perturb/umap-field", json=body).status_code == 400
    body = {"gene": "Esr2", "limit_clusters": True, "highlight_cell_types": ["Nobody", "Oligo"], "n_neighbors": 20}
    assert client.post("/api/perturb/umap-field", json=body).status_code == 200


def test_signature_can_be_masked_by_a_perturbation(client):
    plain = {"genes": ["Esr2"], "n_knn": 10}
    body = {**plain, "mask_with_perturb_quiver": True, "mask_perturb": {"gene": "Esr2"}, "mask_quick_ko": True}
    masked = client.post("/api/umap/signature_field", json=body).json()
    whole = client.post("/api/umap/signature_field", json=plain).json()
    mask = np.array(masked["u"]) != 0
    assert 0 < mask.sum() < (np.array(whole["u"]) != 0).sum()
    for change in ({"mask_with_perturb_quiver": True}, {"genes": ["Nope"]}):
        assert client.post("/api/umap/signature_field", json={**plain, **change}).status_code == 400


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"cell_index": 390}, 400),
        ({"focus_gene": " "}, 400),
        ({"focus_gene": "Nope"}, 404),
        ({"neighbor_mode": "radius"}, 400),
        ({"neighbor_mode": "radius", "radius": -3.0}, 400),
        ({"cell_index": "first"}, 422),
    ],
)
def test_cell_context_errors(client, change, status):
    body = {"cell_index": 17, "focus_gene": "Agtr1a", **change}
    assert client.post("/api/network/cell-context", json=body).status_code == status


def test_cell_context_of_the_nearest(client, sample):
    found = client.post(
        "/api/network/cell-context", json={"cell_index": 17.0, "focus_gene": "Agtr1a", "neighbor_k": 5}
    ).json()
    distance = np.linalg.norm(sample["xy"] - sample["xy"][17], axis=1)
    order = np.argsort(distance, kind="stable")[1:6]
    assert [one["index"] for one in found["neighbors"]] == order.tolist()
    assert found["neighbor_query"] == "knn"
    for one in found["neighbors"]:
        assert len(one["lr_edges"]) <= 48
        names = [f"{edge['ligand']}${edge['receptor']}" for edge in one["lr_edges"]]
        assert names == sorted(names)
        for edge in one["lr_edges"]:
            assert edge["support_score"] == pytest.approx(np.sqrt(edge["lig_expr_sender"] * edge["rec_expr_neighbor"]))
            assert edge["rec_expr_neighbor"] == pytest.approx(sample["expression"][edge["receptor"]][one["index"]])
