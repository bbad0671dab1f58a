"""Version 2: facts, columns, sessions."""

from __future__ import annotations

import gzip
import json
import shutil
import struct

import numpy as np
import pytest
import zstandard

from spacetravlr.betas import Betas
from spacetravlr.run import GeneScores
from spacetravlr.run._scores import write_record
from spacetravlr.viewer import _hub

TAB = {"X-Session": "00112233445566778899aabbccddeeff"}
KINDS = {0: "<f4", 1: "<f2", 2: "<u1", 3: "<u2", 4: "<u4"}


def read(content, offset=0):
    """Return header fields and values of a block, written from the description of the format."""
    magic, version, kind, flags, n, ncomp, low, high, unmatched = struct.unpack_from("<4sHBBQIffI", content, offset)
    assert (magic, version) == (b"STLC", 1)
    values = np.frombuffer(content, KINDS[kind], n * ncomp, offset + 32).reshape(n, ncomp)
    end = offset + 32 + values.nbytes
    return {"kind": kind, "flags": flags, "low": low, "high": high, "unmatched": unmatched, "end": end}, values


def test_meta_names_what_can_be_shown(client):
    meta = client.get("/api/v2/meta").json()
    assert (meta["n_obs"], meta["n_vars"], meta["layer"]) == (390, 60, "imputed_count")
    assert [one["name"] for one in meta["embeddings"]] == ["spatial", "umap"]
    columns = {one["name"]: one for one in meta["obs"]}
    assert columns["cell_type"]["categories"] == ["Astro", "Neuron L2/3", "Oligo"]
    assert sum(columns["cell_type"]["counts"]) == 390
    # the clusters are names, also where they are stored as numbers
    assert columns["cell_type_int"]["categories"] == ["0", "1", "2"]
    assert meta["run"] == {"name": "run", "genes": 14, "row_label": "cell", "n_propagation": 4, "partial": False}
    assert meta["perturb"]["state"] == "ready"
    assert meta["unit"]["radius"] == 200.0
    assert "/" not in json.dumps(meta).replace("L2/3", "")


def test_genes_are_found_in_any_letter_case(client, sample):
    found = client.get("/api/v2/genes?prefix=LAM&limit=2&offset=1").json()
    every = [gene for gene in sample["genes"] if gene.startswith("Lam")]
    assert found["total"] == len(every)
    assert [one["name"] for one in found["genes"]] == every[1:3]
    inside = [one["name"] for one in client.get("/api/v2/genes?contains=r1&limit=100").json()["genes"]]
    assert set(inside) == {gene for gene in sample["genes"] if "r1" in gene.lower()}
    models = {one["name"] for one in client.get("/api/v2/genes?limit=100").json()["genes"] if one["has_model"]}
    assert "Agt" in models
    assert len(models) == 14
    assert client.get("/api/v2/genes?limit=-1").status_code == 400


def test_columns_of_a_gene_carry_their_rows(client):
    found = client.get("/api/v2/genes/Agtr1a/columns").json()
    by_name = {one["name"]: one for one in found["columns"]}
    assert by_name["Lhx2"]["kind"] == "tf"
    assert by_name["Cd86$Cd28"]["kind"] == "ligand-receptor"
    assert by_name["Cd86#Znf382"]["kind"] == "ligand-tf"
    rows = by_name["Lhx2"]["per_row"]
    assert [one["row"] for one in rows] == ["0", "1", "2"]
    assert by_name["Lhx2"]["max_abs"] == max(abs(one["value"]) for one in rows)
    assert "per_row" not in client.get("/api/v2/genes/Agt/columns").json()["columns"][0]
    assert client.get("/api/v2/genes/NoSuchGene/columns").json()["code"] == "not_found"


@pytest.mark.parametrize("dtype", ["f32", "f16", "u8"])
def test_expression_in_every_precision(client, sample, dtype):
    want = sample["expression"][:, sample["genes"].index("Esr2")].astype(float)
    head, values = read(client.get(f"/api/v2/columns/expr/Esr2?dtype={dtype}").content)
    assert head["low"] == pytest.approx(want.min(), rel=1e-6)
    assert head["high"] == pytest.approx(want.max(), rel=1e-6)
    got = values[:, 0].astype(float)
    if dtype == "u8":
        assert (got <= 254).all()
        got = head["low"] + got / 254 * (head["high"] - head["low"])
        np.testing.assert_allclose(got, want, atol=(want.max() - want.min()) / 254 * 0.5001)
    else:
        np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == "f32" else 1e-3)


def test_other_kinds_of_columns(client, sample):
    head, values = read(client.get("/api/v2/columns/obsm/spatial").content)
    np.testing.assert_allclose(values, sample["xy"], rtol=1e-6)
    head, values = read(client.get("/api/v2/columns/obs/cell_type").content)
    assert (head["kind"], head["flags"]) == (2, 1)
    np.testing.assert_array_equal(values[:, 0], sample["types"])
    head, values = read(client.get("/api/v2/columns/obs/cell_type_int").content)
    assert head["flags"] == 1
    np.testing.assert_array_equal(values[:, 0], sample["clusters"])
    head, values = read(client.get("/api/v2/columns/beta/Agtr1a", params={"column": "Lhx2"}).content)
    raw = client.get("/api/betadata/values", params={"gene": "Agtr1a", "column": "beta_Lhx2"}).content
    np.testing.assert_array_equal(values[:, 0], np.frombuffer(raw, "<f4"))
    assert head["unmatched"] == 0
    head, values = read(client.get("/api/v2/columns/received/Agt").content)
    body = {"source": "model", "genes": ["Agt"]}
    raw = client.post("/api/spatial/received_ligand", json=body).content
    np.testing.assert_allclose(values[:, 0], np.frombuffer(raw, "<f4"), rtol=1e-6)
    # the same ligand, as it reaches receptors and as it reaches TFs
    assert client.get("/api/v2/columns/received/Cd86?matrix=tfl").status_code == 200
    assert client.get("/api/v2/columns/expr/Esr2?layer=X").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "expr/NoSuchGene", "expr/Esr2?layer=nothing", "obs/nothing", "obsm/nothing", "beta/NoSuchGene?column=x",
        "received/Spi1", "delta/Esr2", "delta/Esr2?job=0123456789abcdef",
    ],
)  # fmt: skip
def test_columns_that_do_not_exist(client, path):
    answer = client.get(f"/api/v2/columns/{path}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"code", "message"}


@pytest.mark.parametrize(
    "path", ["nothing/Esr2", "expr/Esr2?dtype=f64", "beta/Agtr1a?column=nothing", "received/Agt?matrix=x"]
)
def test_columns_that_make_no_sense(client, path):
    assert client.get(f"/api/v2/columns/{path}").status_code == 400


def test_several_columns_in_one_answer(client):
    wanted = [
        {"kind": "obsm", "name": "spatial"},
        {"kind": "obs", "name": "cell_type"},
        {"kind": "expr", "name": "Esr2"},
    ]
    content = client.post("/api/v2/columns", json={"columns": wanted, "dtype": "f32"}).content
    offset, shapes = 0, []
    for one in wanted:
        head, values = read(content, offset)
        single = client.get(f"/api/v2/columns/{one['kind']}/{one['name']}").content
        np.testing.assert_array_equal(values, read(single)[1])
        shapes.append(values.shape)
        offset = -(-head["end"] // 8) * 8
    assert offset == len(content)
    assert shapes == [(390, 2), (390, 1), (390, 1)]
    assert client.post("/api/v2/columns", json={"columns": []}).status_code == 400
    assert client.post("/api/v2/columns", json={"columns": wanted * 20}).status_code == 400
    missing = {"columns": [*wanted, {"kind": "expr", "name": "NoSuchGene"}]}
    assert client.post("/api/v2/columns", json=missing).status_code == 404


def test_answers_are_compressed_and_not_sent_twice(client):
    dataset = client.get("/api/v2/meta").json()["dataset"]
    path = f"/api/v2/columns/obs/cell_type?dataset={dataset}"
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    tags = {plain.headers["etag"]}
    for encoding, unpack in (
        ("zstd", lambda raw: zstandard.ZstdDecompressor().decompress(raw)),
        ("gzip", gzip.decompress),
    ):
        with client.stream("GET", path, headers={"Accept-Encoding": encoding}) as answer:
            raw = b"".join(answer.iter_raw())
            assert answer.headers["content-encoding"] == encoding
            assert "immutable" in answer.headers["cache-control"]
            tags.add(answer.headers["etag"])
        assert len(raw) < len(plain.content)
        assert unpack(raw) == plain.content
    assert len(tags) == 3
    again = client.get(path, headers={"Accept-Encoding": "identity", "If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    refused = client.get(path, headers={"Accept-Encoding": "gzip;q=0, zstd;q=0"})
    assert "content-encoding" not in refused.headers


def test_an_address_that_does_not_name_the_data_is_asked_for_again(client):
    answer = client.get("/api/v2/columns/obs/cell_type")
    assert answer.headers["cache-control"] == "private, no-cache"
    again = client.get("/api/v2/columns/obs/cell_type", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])


def test_coefficients_are_asked_for_again(client):
    answer = client.get("/api/v2/columns/beta/Agtr1a?column=Lhx2")
    assert "no-cache" in answer.headers["cache-control"]
    assert (
        client.get(
            "/api/v2/columns/beta/Agtr1a?column=Lhx2", headers={"If-None-Match": answer.headers["etag"]}
        ).status_code
        == 304
    )


def test_expression_by_type(client, sample):
    found = client.get("/api/v2/expression-by-type?genes=Esr2,Agt&by=cell_type").json()
    own = sample["expression"][sample["types"] == 2][:, sample["genes"].index("Agt")].astype(float)
    group = next(one for one in found["groups"] if one["label"] == "Oligo")
    assert group["n"] == len(own)
    assert group["mean"][1] == pytest.approx(own.mean())
    assert group["fraction"][1] == pytest.approx((own > 0).mean())
    for query, status in (("genes=", 400), ("genes=Nope", 404), ("genes=Agt&by=nothing", 400)):
        assert client.get(f"/api/v2/expression-by-type?{query}").status_code == status


def test_sessions_are_hexadecimal(client):
    for name in ("short", "x" * 32, "0" * 65):
        assert client.get("/api/v2/meta", headers={"X-Session": name}).status_code == 400
        assert client.get("/api/v2/meta", params={"session": name}).status_code == 400
    assert client.get("/api/v2/meta?dataset=unknown").json()["code"] == "no_such_dataset"


def test_a_tab_opens_what_it_likes(make_client):
    client = make_client()
    shared = client.get("/api/v2/meta").json()["dataset"]
    listing = client.get("/api/v2/data").json()
    files = {one["kind"]: one for root in listing["roots"] for one in root["files"] if one["name"].startswith("run")}
    assert files["h5ad"]["name"] == "run/tissue.h5ad"
    opened = client.post(
        "/api/v2/open", json={"h5ad_id": files["h5ad"]["id"], "layer": "X", "cluster_column": "cell_type"}, headers=TAB
    )
    own = opened.json()["dataset"]
    assert own != shared
    assert client.get("/api/v2/meta", headers=TAB).json()["dataset"] == own
    assert client.get("/api/v2/meta", headers=TAB).json()["run"] is None
    assert client.get("/api/v2/meta").json()["dataset"] == shared
    assert client.get(f"/api/v2/meta?dataset={own}").json()["layer"] == "X"
    for body, status in (({}, 400), ({"h5ad_id": "unknown"}, 404), ({"h5ad_id": files["run"]["id"]}, 404)):
        assert client.post("/api/v2/open", json=body, headers=TAB).status_code == status
    again = client.post(
        "/api/v2/open", json={"run_id": files["run"]["id"], "cluster_column": "cell_type_int"}, headers=TAB
    )
    assert again.status_code == 200
    assert client.get("/api/v2/meta", headers=TAB).json()["run"]["genes"] == 14


def test_tabs_beyond_number_take_nothing_from_others(make_client, data_root, monkeypatch):
    monkeypatch.setattr(_hub, "_MOST_SESSIONS", 3)
    client = make_client()
    shared = client.get("/api/v2/meta").json()["dataset"]
    body = {"adata_path": "run/tissue.h5ad", "cluster_column": "cell_type_int"}
    for tab in range(6):
        head = {"X-Session": f"{tab:032x}"}
        assert client.post("/api/v2/open", json=body, headers=head).status_code == 200
    assert client.get("/api/v2/meta").json()["dataset"] == shared
    assert client.get("/api/meta").json()["dataset_ready"]
    # a tab whose data had to make room is told so, and never shown those of others in their place
    assert client.post("/api/v2/open", json={**body, "layer": "X"}, headers=TAB).status_code == 200
    for at in range(4):
        shutil.copy(data_root / "run" / "tissue.h5ad", data_root / f"room{at}.h5ad")
        other = {**body, "adata_path": f"room{at}.h5ad"}
        assert client.post("/api/v2/open", json=other, headers={"X-Session": "e" * 32}).status_code == 200
        (data_root / f"room{at}.h5ad").unlink()
    gone = client.get("/api/v2/meta", headers=TAB)
    assert (gone.status_code, gone.json()["code"]) == (503, "no_dataset")
    assert "open them again" in gone.json()["message"]
    assert client.get("/api/v2/meta").json()["dataset"] == shared


def test_a_run_is_opened_by_its_path_with_its_own_layer_and_clusters(make_client, data_root):
    client = make_client(run=False)
    for path in ("run", "run/spacetravlr_run_repro.toml", str(data_root / "run"), " 'run' "):
        assert client.post("/api/v2/open", json={"run_toml": path}, headers=TAB).status_code == 200
        meta = client.get("/api/v2/meta", headers=TAB).json()
        assert (meta["layer"], meta["cluster_column"]) == ("imputed_count", "cell_type_int")
        assert not [notice for notice in meta["notices"] if "was trained on" in notice]
    # for this tab only
    assert client.get("/api/v2/meta").status_code == 503
    for body, said in (
        ({"run_toml": "/etc/passwd"}, "no such file in the data roots"),
        ({"run_toml": "../" * 9 + "etc/passwd"}, "no such file in the data roots"),
        ({"adata_path": "/etc/hostname"}, "no such file in the data roots"),
        ({"adata_path": "run"}, "no file"),
        ({"adata_path": "run/tissue.h5ad", "network_dir": "/etc"}, "no such file in the data roots"),
        ({"adata_path": "a\0b"}, "no such file in the data roots"),
        ({"adata_path": " ", "run_toml": ""}, "name a sample"),
        ({"adata_path": "run/tissue.h5ad", "cluster_column": "nothing"}, "obs has no column 'nothing'. Columns: "),
    ):
        answer = client.post("/api/v2/open", json=body, headers=TAB)
        assert (answer.status_code, said in answer.json()["message"]) == (400, True), answer.text
    assert client.get("/api/v2/meta", headers=TAB).json()["cluster_column"] == "cell_type_int"


def test_scores_and_stability_come_with_the_columns(make_client, data_root):
    copy = data_root / "scored"
    shutil.copytree(data_root / "run", copy)
    column = ["0", "1", "2"]
    clusters = {
        "cluster": column,
        "r2_in": [0.5, 0.25, None],
        "r2_out": [0.4, 0.1, -0.1],
        "p_space": [0.01, 0.01, 0.01],
    }
    write_record(copy, GeneScores(gene="Agtr1a", clusters=clusters))
    trusted = np.array([[0.9, 0.2], [0.8, 0.1], [0.7, 0.4]])
    (copy / "stability").mkdir()
    Betas("Agtr1a", "cluster", tuple(column), np.zeros(3), ("Lhx2", "Cd86$Cd28"), trusted).write(
        copy / "stability" / "Agtr1a.feather"
    )
    client = make_client(run_toml=copy / "spacetravlr_run_repro.toml")
    found = client.get("/api/v2/genes/Agtr1a/columns").json()
    assert found["scores"][0]["r2_in"] == 0.5
    assert found["scores"][2]["r2_in"] is None
    assert found["scores"][1]["p_space"] == 0.01
    rows = {one["name"]: one.get("per_row") for one in found["columns"]}
    assert [one["stability"] for one in rows["Lhx2"]] == [0.9, 0.8, 0.7]
    assert [one["stability"] for one in rows["Spi1"]] == [None] * 3
    body = {"genes": ["Agtr1a"], "scope": {"type": "cluster", "ids": ["2"]}, "limit": 100}
    stable = {
        one["modulator"]: one["stability"] for one in client.post("/api/v2/interactions", json=body).json()["rows"]
    }
    assert stable["Lhx2"] == pytest.approx(0.7)
    assert stable["Spi1"] is None
    assert client.get("/api/v2/genes/Agt/columns").json()["scores"] == []
    # a file that cannot be read is as good as none
    (copy / "stability" / "Agtr1a.feather").write_bytes(b"hello")
    (copy / "scores" / "Agtr1a.json").write_text("{")
    again = client.get("/api/v2/genes/Agtr1a/columns").json()
    assert again["scores"] == []
    assert again["columns"][1]["per_row"][0]["stability"] is None
    shutil.rmtree(copy)
