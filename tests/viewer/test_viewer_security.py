"""Who may ask what, and what never leaves the data roots."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest
from starlette.testclient import TestClient

from spacetravlr.viewer import ViewerOptions, create_app
from spacetravlr.viewer._hub import Hub
from spacetravlr.viewer._problem import plain_message
from spacetravlr.viewer.server import checked

CONFIGURE = "/api/session/configure"


@pytest.fixture
def fresh(make_client):
    return make_client(run=False)


@pytest.fixture
def secret(tmp_path, data_root):
    """A directory beside the data roots, with the same kinds of files."""
    folder = tmp_path / "secret"
    shutil.copytree(data_root / "run", folder)
    (folder / "passwords.toml").write_text("user = hunter2\n")
    return folder


@pytest.mark.parametrize("gene", ["../run/Agt", "/etc/passwd", "..%2frun%2fAgt", "Agt\0", "x" * 4000, "A/../Agt", ""])
def test_genes_never_become_paths(client, gene):
    assert client.get("/api/betadata/columns", params={"gene": gene}).status_code == 404
    assert client.get("/api/betadata/values", params={"gene": gene, "column": "beta0"}).status_code == 404
    assert client.post("/api/betadata/top", json={"gene": gene, "indices": [0]}).status_code == 404
    subset = {"aggregate": "mean", "filter": "cluster", "cluster_id": 0, "gene_subset": [gene]}
    assert client.post("/api/betadata/collect_interactions", json=subset).json()["n_total"] == 0
    pair = client.post("/api/betadata/pair_lr", json={"cell_a": 0, "cell_b": 1, "gene_subset": [gene]}).json()
    assert pair["n_genes_scanned"] == 0
    if gene:
        for kind in ("expr", "beta", "obs", "obsm", "received", "delta"):
            path = "".join(f"%{byte:02x}" for byte in gene.encode())[:2000]
            assert client.get(f"/api/v2/columns/{kind}/{path}").status_code in (400, 404)


def test_a_betadata_link_that_leads_out_is_no_table(make_client, data_root, secret):
    copy = data_root / "linked"
    shutil.copytree(data_root / "run", copy)
    (copy / "Agt_betadata.feather").unlink()
    (copy / "Agt_betadata.feather").symlink_to(secret / "Agt_betadata.feather")
    client = make_client(run=False)
    body = {"adata_path": "", "run_toml": "linked/spacetravlr_run_repro.toml", "cluster_annot": "cell_type_int"}
    assert client.post(CONFIGURE, json=body).status_code == 200
    assert client.get("/api/betadata/columns?gene=Hlf").status_code == 200
    assert client.get("/api/betadata/columns?gene=Agt").status_code == 404
    # nor does the model compute with it, which would tell what is in it
    runtime = client.app.state.hub.current().runtime
    runtime.join(60)
    assert runtime.state == "ready", runtime.message
    assert "Agt" not in runtime.run.betabase
    assert "Hlf" in runtime.run.betabase
    shutil.rmtree(copy)


def test_a_network_that_leads_out_is_not_read(make_client, data_root, secret):
    folder = data_root / "linked network"
    folder.mkdir()
    shutil.copy(data_root / "network" / "mouse_network.parquet", secret)
    (folder / "mouse_network.parquet").symlink_to(secret / "mouse_network.parquet")
    client = make_client(run=False)
    body = {"adata_path": "run/tissue.h5ad", "network_dir": folder.name, "cluster_annot": "cell_type_int"}
    assert client.post(CONFIGURE, json=body).status_code == 200
    assert "network_dir" not in client.get("/api/meta").json()
    notices = client.get("/api/v2/meta").json()["notices"]
    assert any("outside the data roots" in notice for notice in notices)
    shutil.rmtree(folder)


def test_nothing_outside_the_roots_is_opened_or_told_about(fresh, secret, data_root):
    texts = set()
    (data_root / "way out").symlink_to(secret, target_is_directory=True)
    names = (
        str(secret / "tissue.h5ad"),
        str(secret / "nothing.h5ad"),
        "../secret/tissue.h5ad",
        "way out/tissue.h5ad",
        "/etc/passwd",
        f"file://{secret}/tissue.h5ad",
        "~root/.bashrc",
    )
    for name in names:
        answer = fresh.post(CONFIGURE, json={"adata_path": name})
        assert answer.status_code == 400
        texts.add(answer.text)
        assert fresh.post(CONFIGURE, json={"adata_path": "", "run_toml": name}).status_code == 400
        network = {"adata_path": "run/tissue.h5ad", "network_dir": name}
        assert fresh.post(CONFIGURE, json=network).status_code == 400
    # what is there and what is not is answered alike
    assert len(texts) == 1
    listed = json.dumps(fresh.get("/api/v2/data").json())
    assert "way out" not in listed
    assert "secret" not in listed
    (data_root / "way out").unlink()


def test_a_toml_is_never_quoted(fresh, data_root, secret):
    (data_root / "passwords.toml").write_text("user = hunter2\n[data]\nlayer = 3\n")
    (data_root / "settings.toml").write_text('[data]\nlayer = ["hunter2"]\nhunter2 = 1\n')
    for name in ("passwords.toml", "settings.toml"):
        answer = fresh.post(CONFIGURE, json={"adata_path": "", "run_toml": name})
        assert answer.status_code == 400
        assert "hunter2" not in answer.text
    # a sample that a TOML leads to has to lie in the roots too
    text = (data_root / "run" / "spacetravlr_run_repro.toml").read_text()
    (data_root / "run" / "elsewhere.toml").write_text(text.replace('"tissue.h5ad"', f'"{secret}/tissue.h5ad"'))
    answer = fresh.post(CONFIGURE, json={"adata_path": "", "run_toml": "run/elsewhere.toml"})
    assert answer.status_code == 400
    assert "outside" in answer.text
    (data_root / "run" / "output.toml").write_text(
        text.replace('output_dir = ""', f'output_dir = "{secret}"').replace('"tissue.h5ad"', '"run/tissue.h5ad"')
    )
    answer = fresh.post(CONFIGURE, json={"adata_path": "run/tissue.h5ad", "run_toml": "run/output.toml"})
    assert answer.status_code == 400
    for name in ("passwords.toml", "settings.toml", "run/elsewhere.toml", "run/output.toml"):
        (data_root / name).unlink()


@pytest.mark.parametrize("kind", ["external", "soft", "storage", "virtual"])
def test_files_that_lead_to_other_files_are_not_opened(fresh, data_root, kind):
    path = data_root / f"{kind}.h5ad"
    shutil.copy(data_root / "run" / "tissue.h5ad", path)
    with h5py.File(path, "r+") as file:
        if kind == "external":
            del file["layers/imputed_count"]
            file["layers/imputed_count"] = h5py.ExternalLink("/etc/other.h5", "/X")
        elif kind == "soft":
            file["obsm/other"] = h5py.SoftLink("/obsm/spatial")
        elif kind == "storage":
            del file["layers/imputed_count"]
            file["layers"].create_dataset(
                "imputed_count", (390, 60), "f4", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)]
            )
        else:
            del file["layers/imputed_count"]
            layout = h5py.VirtualLayout((390, 60), "f4")
            layout[:] = h5py.VirtualSource("/etc/other.h5", "X", (390, 60))
            file["layers"].create_virtual_dataset("imputed_count", layout)
    answer = fresh.post(CONFIGURE, json={"adata_path": path.name, "cluster_annot": "cell_type_int"})
    assert answer.status_code == 400
    assert "other.h5" not in answer.text
    assert "/etc" not in answer.text
    path.unlink()


def test_unknown_hosts_are_refused(client):
    names = ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "192.168.1.7:8080")
    odd = ("[::1].evil", "[::1", "localhost:80:evil", "127.0.0.1:80@evil", "localhost/evil", "localhost:x")
    for host in (*names, *odd):
        assert client.get("/api/meta", headers={"Host": host}).status_code == 421
        assert client.get("/", headers={"Host": host}).status_code == 421
    for host in ("127.0.0.1", "localhost:9999", "[::1]:8080", "LOCALHOST"):
        assert client.get("/api/meta", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1.evil"])
def test_pages_from_elsewhere_are_refused(client, origin):
    assert client.post("/api/cancel", headers={"Origin": origin}).status_code == 403
    assert client.get("/api/meta", headers={"Origin": origin}).status_code == 403
    answer = client.post("/api/v2/jobs", headers={"Origin": origin}, json={})
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"
    assert "access-control-allow-origin" not in answer.headers


def test_own_page_is_allowed_and_cross_site_is_told_apart(client):
    assert client.post("/api/cancel", headers={"Origin": "http://127.0.0.1:8080"}).status_code == 200
    assert client.get("/api/meta", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get("/api/meta", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    # a link to the page itself may be followed from anywhere
    assert client.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_other_addresses_and_cors_make_a_token():
    assert checked(ViewerOptions()).token is None
    for options in (ViewerOptions(bind="0.0.0.0"), ViewerOptions(allow_cors=True), ViewerOptions(bind="::")):
        token = checked(options).token
        assert token is not None
        assert len(token) >= 32
        assert token not in repr(checked(options))


@pytest.fixture
def guarded(make_client):
    return make_client(run=False, bind="0.0.0.0", token="a-long-secret", base="http://10.1.2.3:8080")


def test_a_token_is_needed_for_everything_but_the_page(guarded):
    assert guarded.get("/").status_code == 200
    for answer in (guarded.get("/api/meta"), guarded.get("/api/v2/data"), guarded.post("/api/cancel")):
        assert answer.status_code == 401
    for shown in ("Bearer wrong", "Bearer ", "Basic a-long-secret", "a-long-secret"):
        assert guarded.get("/api/meta", headers={"Authorization": shown}).status_code == 401
    assert guarded.get("/api/meta", headers={"Authorization": "Bearer a-long-secret"}).status_code == 200
    assert guarded.get("/api/meta?token=a-long-secret").status_code == 401
    # an address may be the host there, a name that was not allowed may not
    assert guarded.get("/api/meta", headers={"Host": "rebound.example"}).status_code == 421


def test_login_gives_a_cookie_that_scripts_cannot_read(guarded):
    assert guarded.post("/api/v2/login", json={"token": "wrong"}).status_code == 401
    assert guarded.get("/api/meta").status_code == 401
    answer = guarded.post("/api/v2/login", json={"token": "a-long-secret"})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert guarded.get("/api/meta").status_code == 200
    assert guarded.post("/api/cancel", headers={"Origin": "http://evil.example"}).status_code == 403


def test_two_viewers_on_one_host_do_not_take_each_others_cookie(make_client):
    jar = {}
    for port, token in ((8080, "the-secret-of-one"), (8081, "the-secret-of-the-other")):
        address = f"http://127.0.0.1:{port}"
        client = make_client(run=False, allow_cors=True, token=token, base=address)
        answer = client.post("/api/v2/login", json={"token": token})
        name, _, kept = answer.headers["set-cookie"].partition(";")[0].partition("=")
        jar[name] = kept
        # a browser has one jar for both, and in it what other programs on this machine have left
        cookies = "; ".join(['theme={"dark": 1}', *(f"{one}={value}" for one, value in jar.items()), "=; x"])
        client.cookies.clear()
        assert client.get("/api/v2/data", headers={"Cookie": cookies}).status_code == 200
        assert client.get("/api/v2/data", headers={"Cookie": f"{name}=wrong"}).status_code == 401
    assert len(jar) == 2


def test_cors_is_for_those_who_have_the_token(make_client):
    client = make_client(run=False, allow_cors=True, token="a-long-secret")
    preflight = client.options("/api/meta", headers={"Origin": "null", "Access-Control-Request-Method": "GET"})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in preflight.headers
    assert client.get("/api/meta", headers={"Origin": "null"}).status_code == 401
    good = {"Origin": "https://host.example", "Authorization": "Bearer a-long-secret"}
    answer = client.get("/api/meta", headers=good)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    # the cookie of another page does not count
    client.post("/api/v2/login", json={"token": "a-long-secret"})
    assert client.post("/api/cancel", headers={"Origin": "https://host.example"}).status_code == 401
    # the page itself is no part of that
    assert "access-control-allow-origin" not in client.get("/", headers={"Origin": "null"}).headers


def test_bodies_have_a_limit(client):
    large = json.dumps({"gene": "Agt", "indices": [0] * 1_000_000}).encode()
    head = {"Content-Type": "application/json"}
    assert len(large) > 2_097_152
    assert client.post("/api/betadata/top", content=large, headers=head).status_code == 413
    # also where the length is not told beforehand
    assert (
        client.post("/api/betadata/top", content=iter([large[:1_500_000], large[1_500_000:]]), headers=head).status_code
        == 413
    )
    assert client.post("/api/v2/columns", content=large, headers=head).json()["code"] == "too_large"
    bitmap = {"Content-Type": "application/octet-stream"}
    # no more of a bitmap is taken in than the open sample can need
    assert client.post("/api/v2/selections", content=bytes(2_000_000), headers=bitmap).status_code == 400
    assert client.post("/api/v2/selections", content=bytes(3_000_000), headers=bitmap).status_code == 413
    parts = iter([bytes(1_500_000)] * 3)
    assert client.post("/api/v2/selections", content=parts, headers=bitmap).json()["code"] == "too_large"
    assert client.post("/api/v2/selections", content=large, headers=head).status_code == 413


def test_bodies_are_json(client):
    body = json.dumps({"gene": "Esr2"})
    for media in ("text/plain", "application/x-www-form-urlencoded"):
        assert client.post("/api/perturb/summary", content=body, headers={"Content-Type": media}).status_code == 415
    assert client.post("/api/perturb/summary", content=body).status_code == 415
    good = client.post("/api/perturb/summary", content=body, headers={"Content-Type": "application/vnd.x+json"})
    assert good.status_code == 200
    for media in ("text/plain", "application/x-www-form-urlencoded", ""):
        kind = {"Content-Type": media} if media else {}
        answer = client.post("/api/v2/selections", content=b'{"indices": [1]}', headers=kind)
        assert (answer.status_code, answer.json()["code"]) == (415, "not_json")
    head = {"Content-Type": "application/json"}
    for text, status in (
        ("{", 400),
        ("[" * 100_000, 400),
        ("3", 422),
        ('{"gene": 3}', 422),
        ('{"gene": "A", "desired_expr": NaN}', 422),
    ):
        assert client.post("/api/perturb/summary", content=text, headers=head).status_code == status


def test_headers_of_every_answer(client):
    for path in ("/", "/api/meta", "/api/v2/nothing", "/api/gene/expression"):
        head = client.get(path).headers
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in head["content-security-policy"]
        assert "frame-ancestors 'none'" in head["content-security-policy"]
        assert head["x-content-type-options"] == "nosniff"


def test_api_never_becomes_the_page(client):
    for path in ("/api", "/api/", "/api/nothing", "/api/v2", "/api/v2/nothing", "/api/meta/"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "<html" not in answer.text
    assert client.get("/api/cancel").status_code == 405
    assert client.get("/api/cancel").content == b""
    assert client.delete("/api/v2/meta").json()["code"] == "method_not_allowed"


def test_page_files_stay_in_their_directory(tmp_path, data_root):
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<title>ours</title>")
    (page / "assets" / "a.js").write_text("1")
    (tmp_path / "outside.txt").write_text("hunter2")
    (page / "link.txt").symlink_to(tmp_path / "outside.txt")
    options = ViewerOptions(static_dir=page, data_roots=(data_root,))
    with TestClient(create_app(options, hub=Hub(options)), base_url="http://127.0.0.1") as client:
        for path in ("/../outside.txt", "/%2e%2e/outside.txt", "/link.txt", "/a%00b", "/any/view"):
            answer = client.get(path)
            assert "hunter2" not in answer.text
            assert answer.text == "<title>ours</title>"
        assert client.get("/assets/a.js").text == "1"
        assert "immutable" in client.get("/assets/a.js").headers["cache-control"]
        assert client.head("/assets/a.js").content == b""
        assert client.post("/").status_code == 405


def test_page_files_are_compressed_and_not_sent_twice(tmp_path, data_root):
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<title>ours</title>" + "<p>text</p>" * 100)
    script = "const a = 1;\n" * 500
    (page / "assets" / "a.js").write_text(script)
    options = ViewerOptions(static_dir=page, data_roots=(data_root,))
    with TestClient(create_app(options, hub=Hub(options)), base_url="http://127.0.0.1") as client:
        for path, lasting in (("/", "no-cache"), ("/assets/a.js", "public, max-age=31536000, immutable")):
            tags = set()
            for encoding in ("identity", "gzip", "zstd"):
                taken = {"Accept-Encoding": encoding}
                with client.stream("GET", path, headers=taken) as answer:
                    raw = b"".join(answer.iter_raw())
                assert answer.headers.get("content-encoding", "identity") == encoding
                assert (answer.headers["cache-control"], answer.headers["vary"]) == (lasting, "Accept-Encoding")
                assert int(answer.headers["content-length"]) == len(raw)
                tag = answer.headers["etag"]
                tags.add(tag)
                again = client.get(path, headers={**taken, "If-None-Match": tag})
                assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
                assert again.headers["cache-control"] == lasting
            assert len(tags) == 3
        assert client.get("/assets/a.js").text == script
        assert client.get("/assets/a.js").headers["content-type"].startswith("text/javascript")
        (page / "index.html").write_text("<title>newer</title>")
        assert client.get("/", headers={"If-None-Match": ", ".join(tags)}).text == "<title>newer</title>"


def test_without_a_bundle_the_page_says_how_to_build_it(make_client, monkeypatch):
    from spacetravlr.viewer import app

    monkeypatch.setattr(app, "bundle", lambda _: None)
    text = make_client(run=False).get("/").text
    assert "make web" in text


def test_grids_cannot_explode(client):
    body = {"source": "adata", "genes": ["Agt"], "radius": 1e-6, "grid_factor": 1e-6, "use_grid": True}
    own = client.post("/api/spatial/received_ligand", json=body)
    assert own.status_code == 200
    # nobody but the cell itself is that near
    expression = np.frombuffer(client.get("/api/gene/expression?gene=Agt").content, "<f4")
    np.testing.assert_allclose(np.frombuffer(own.content, "<f4"), expression / 390, rtol=1e-4)
    for scale in (1e9, 1e300):
        field = {"gene": "Esr2", "n_neighbors": 5, "grid_scale": scale}
        found = client.post("/api/perturb/umap-field", json=field).json()
        assert found["nx"] * found["ny"] <= 100_000
        found = client.post("/api/umap/signature_field", json={"genes": ["Agt"], "grid_scale": scale}).json()
        assert found["nx"] * found["ny"] <= 100_000
    assert client.post("/api/v2/jobs", json={"kind": "field", "job": "x", "grid_size": 10_000}).status_code == 400


def test_lengths_beyond_all_measure_are_no_server_errors(client):
    ligand = {"source": "adata", "genes": ["Agt"]}
    for name in ("radius", "scale_factor", "grid_factor"):
        for value in (5e-324, 1e-300, 1e300, 1.7e308):
            answer = client.post("/api/spatial/received_ligand", json={**ligand, name: value})
            assert (answer.status_code, name in answer.text) == (400, True)
    for radius, n in ((1e308, 389), (1.7e308, 389), (5e-324, 0)):
        first = {"cell_index": 0, "focus_gene": "Agt", "neighbor_mode": "radius", "radius": radius}
        assert client.post("/api/network/cell-context", json=first).json()["neighbors_in_query"] == n
        second = {"cell": 0, "gene": "Agt", "mode": "radius", "radius": radius}
        assert client.post("/api/v2/cell-context", json=second).json()["n_in_query"] == n


def test_errors_tell_no_path_and_no_trace(client, monkeypatch, data_root):
    from spacetravlr.viewer import _v1_data

    def broken(*_):
        raise RuntimeError(f"{data_root}/secret.h5ad is broken")

    monkeypatch.setattr(_v1_data, "umap_of", broken)
    answer = client.get("/api/umap")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert str(data_root) not in answer.text


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("/data/secret/run/x.h5ad: damaged", "x.h5ad: damaged"),
        ("cannot read '/a/b/c.toml' (line 3)", "cannot read 'c.toml' (line 3)"),
        ("L/R pairs of ~/x/y and Il6/Il6r", "L/R pairs of y and Il6/Il6r"),
        ("two\nlines", "two lines"),
        ("C:\\data\\x.h5ad is open", "x.h5ad is open"),
    ],
)
def test_messages_lose_their_paths(text, want):
    assert plain_message(text) == want
    assert len(plain_message("x" * 10_000)) < 1000


def test_read_only_servers_show_one_thing(make_client, data_root):
    client = make_client(read_only=True)
    assert client.post(CONFIGURE, json={"adata_path": "run/tissue.h5ad"}).status_code == 403
    assert client.post("/api/meta/label_clusters", json={"labels": {}}).status_code == 403
    files = client.get("/api/v2/data").json()["roots"][0]["files"]
    assert client.post("/api/v2/open", json={"h5ad_id": files[0]["id"]}).json()["code"] == "read_only"
    assert client.post("/api/perturb/preview", json={"gene": "Agt"}).status_code == 200


def test_columns_on_the_disk_are_private(tmp_path, monkeypatch):
    from spacetravlr.viewer._options import default_cache_dir

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert default_cache_dir() == tmp_path / "own" / "spacetravlr" / "viewer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir().is_relative_to(tmp_path)


def test_names_with_markup_stay_text(make_client, data_root):
    path = data_root / "markup.h5ad"
    shutil.copy(data_root / "run" / "tissue.h5ad", path)
    name = "<img src=x onerror=alert(1)>"
    with h5py.File(path, "r+") as file:
        names = file["var/_index"][:]
        names[0] = name
        file["var/_index"][...] = names
    client = make_client(run=False)
    client.post(CONFIGURE, json={"adata_path": path.name})
    answer = client.get("/api/v2/genes", params={"prefix": "<img"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["genes"][0]["name"] == name
    missing = client.get("/api/gene/expression", params={"gene": "<script>"})
    assert missing.headers["content-type"].startswith("text/plain")
    path.unlink()
