"""Version 2: cells, selections, contexts, interactions."""

from __future__ import annotations

import numpy as np
import pytest

TAB = {"X-Session": "00112233445566778899aabbccddeeff"}


def test_one_cell(client, sample):
    found = client.get("/api/v2/cells/17").json()
    assert found["name"] == "cell_17"
    assert found["cluster"] == str(sample["clusters"][17])
    assert found["xy"] == pytest.approx(sample["xy"][17].tolist())
    assert found["obs"]["cell_type"] == found["cell_type"]
    for index in ("390", "-1", "x"):
        assert client.get(f"/api/v2/cells/{index}").status_code in (400, 404)


def test_values_of_some_cells(client, sample):
    found = client.post("/api/v2/cells", json={"indices": [5, 3, 5], "genes": ["Esr2", "Agt"]}).json()
    assert found["names"] == ["cell_5", "cell_3", "cell_5"]
    places = [sample["genes"].index(gene) for gene in ("Esr2", "Agt")]
    np.testing.assert_allclose(found["values"], sample["expression"][[5, 3, 5]][:, places], rtol=1e-6)
    for body in (
        {"indices": [390], "genes": ["Agt"]},
        {"indices": list(range(201)), "genes": ["Agt"]},
        {"indices": [0], "genes": []},
    ):
        assert client.post("/api/v2/cells", json=body).status_code == 400
    assert client.post("/api/v2/cells", json={"indices": [0], "genes": ["Nope"]}).status_code == 404


def test_selections_by_every_description(client, sample):
    mask = (sample["xy"] > 100).all(axis=1)
    bits = np.packbits(mask, bitorder="little").tobytes()
    head = {**TAB, "Content-Type": "application/octet-stream"}
    made = client.post("/api/v2/selections", content=bits, headers=head).json()
    assert made["n"] == mask.sum()
    assert client.get(f"/api/v2/selections/{made['id']}", headers=TAB).content == bits
    summary = client.get(f"/api/v2/selections/{made['id']}/summary", headers=TAB).json()
    assert summary["n"] == sum(one["n"] for one in summary["by_type"]) == mask.sum()
    rows = client.post("/api/v2/selections", json={"indices": np.flatnonzero(mask).tolist()}, headers=TAB).json()
    corners = [[100.0001, 100.0001], [1000, 100.0001], [1000, 1000], [100.0001, 1000]]
    drawn = client.post("/api/v2/selections", json={"polygon": corners, "embedding": "spatial"}, headers=TAB).json()
    for other in (rows, drawn):
        assert other["n"] == mask.sum()
        assert client.get(f"/api/v2/selections/{other['id']}", headers=TAB).content == bits
    named = client.post("/api/v2/selections", json={"obs": "cell_type", "categories": ["Oligo"]}, headers=TAB).json()
    assert named["n"] == (sample["types"] == 2).sum()
    # another tab does not have it
    assert client.get(f"/api/v2/selections/{made['id']}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"indices": [390]},
        {"indices": [0], "obs": "cell_type", "categories": ["Oligo"]},
        {"obs": "cell_type"},
        {"obs": "cell_type", "categories": ["Nobody"]},
        {"obs": "nothing", "categories": ["x"]},
        {"polygon": [[0, 0], [1, 1]]},
        {"polygon": [[0, 0], [1, 1], [0, 0]]},
    ],
)
def test_selections_that_are_none(client, body):
    answer = client.post("/api/v2/selections", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}


def test_bitmaps_of_another_length_are_refused(client):
    head = {"Content-Type": "application/octet-stream"}
    assert client.post("/api/v2/selections", content=b"\xff" * 48, headers=head).status_code == 400
    as_json = {"Content-Type": "application/json"}
    assert client.post("/api/v2/selections", content=b"not json", headers=as_json).status_code == 400


def context(client, **changes):
    body = {"cell": 17, "gene": "Agtr1a", "neighbours": 6, **changes}
    return client.post("/api/v2/cell-context", json=body)


def test_context_lists_the_strongest_pairs_with_their_coefficients(client, sample):
    found = context(client).json()
    assert found["n_in_query"] == 6
    table = {one["name"]: one for one in client.get("/api/v2/genes/Agtr1a/columns").json()["columns"]}
    for one in found["neighbours"]:
        support = [edge["support"] for edge in one["edges"]]
        assert support == sorted(support, reverse=True)
        for edge in one["edges"]:
            cluster = str(sample["clusters"][one["index"]])
            column = table.get(f"{edge['ligand']}${edge['receptor']}")
            want = None if column is None else next(r["value"] for r in column["per_row"] if r["row"] == cluster)
            assert edge["beta"] == (None if want is None else pytest.approx(want))


def test_context_of_a_receiver_swaps_the_ends(client, sample):
    sending = {one["index"]: one for one in context(client).json()["neighbours"]}
    receiving = {one["index"]: one for one in context(client, direction="receiving").json()["neighbours"]}
    assert sending.keys() == receiving.keys()
    place = {gene: at for at, gene in enumerate(sample["genes"])}
    for index, one in receiving.items():
        for edge in one["edges"]:
            assert edge["ligand_expr"] == pytest.approx(sample["expression"][index, place[edge["ligand"]]], rel=1e-6)
            assert edge["receptor_expr"] == pytest.approx(sample["expression"][17, place[edge["receptor"]]], rel=1e-6)
            if edge["tf"] is not None:
                assert edge["tf_expr"] == pytest.approx(sample["expression"][17, place[edge["tf"]]], rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"cell": 390}, 400), ({"cell": -1}, 400), ({"gene": "Nope"}, 404), ({"mode": "radius"}, 400),
        ({"mode": "radius", "radius": 0}, 400), ({"neighbours": 201}, 400), ({"direction": "both"}, 400),
    ],
)  # fmt: skip
def test_contexts_that_make_no_sense(client, changes, status):
    assert context(client, **changes).status_code == status


def test_context_within_a_radius_counts_the_border(client, sample):
    distance = np.linalg.norm(sample["xy"] - sample["xy"][17], axis=1)
    order = np.argsort(distance, kind="stable")
    radius = float(distance[order[4]])
    found = context(client, mode="radius", radius=radius).json()
    assert [one["index"] for one in found["neighbours"]] == order[1:5].tolist()


def test_interactions_are_those_of_version_1(client):
    body = {
        "genes": ["Agtr1a", "Agt"],
        "scope": {"type": "cell_type", "names": ["Oligo"]},
        "aggregate": "mean_positive",
        "limit": 7,
    }
    found = client.post("/api/v2/interactions", json=body).json()
    old = {"aggregate": "positive", "filter": "cell_type", "cell_type": "Oligo", "gene_subset": ["Agtr1a", "Agt"]}
    want = client.post("/api/betadata/collect_interactions", json=old).json()
    assert found["total"] == want["n_total"]
    assert [one["beta"] for one in found["rows"]] == [one["beta"] for one in want["interactions"][:7]]
    assert [f"beta_{one['modulator']}" for one in found["rows"]] == [
        one["interaction"] for one in want["interactions"][:7]
    ]
    assert client.post("/api/v2/interactions", json={"genes": ["Nope"]}).status_code == 404


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "cell_type", "names": []}, {"type": "cell_type", "names": ["Oligo", "Nobody"]}, {"type": "cluster", "ids": []},
        {"type": "cluster", "ids": [7]}, {"type": "cluster", "ids": ["x"]}, {"type": "sphere"}, {},
    ],
)  # fmt: skip
@pytest.mark.parametrize("route", ["interactions", "jobs"])
def test_scopes_are_never_widened(client, route, scope):
    body = {"genes": ["Agt"], "scope": scope}
    if route == "jobs":
        body = {"kind": "perturb", "targets": [{"gene": "Agt"}], "scope": scope}
    answer = client.post(f"/api/v2/{route}", json=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "message"}


def test_an_empty_selection_is_no_scope(client):
    made = client.post("/api/v2/selections", json={"indices": []}, headers=TAB).json()
    for scope, status in (
        ({"type": "selection", "id": made["id"]}, 400),
        ({"type": "selection", "id": "unknown"}, 404),
    ):
        body = {"kind": "perturb", "targets": [{"gene": "Agt"}], "scope": scope}
        assert client.post("/api/v2/jobs", json=body, headers=TAB).status_code == status
