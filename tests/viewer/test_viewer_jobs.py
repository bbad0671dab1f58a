"""Jobs: progress and cancelling of each by itself, results, memory."""

from __future__ import annotations

import json
import shutil
import threading
import time

import h5py
import numpy as np
import pandas as pd
import pytest

from spacetravlr.perturbation import SimulationCancelledError
from spacetravlr.viewer import _jobs, _simulate
from spacetravlr.viewer._jobs import MOST_OPEN, JobBook
from spacetravlr.viewer._problem import ProblemError

TAB = {"X-Session": "a" * 32}
OTHER = {"X-Session": "b" * 32}


def submit(client, *, tab=TAB, **changes):
    body = {"kind": "perturb", "targets": [{"gene": "Esr2", "dose": 0}], **changes}
    return client.post("/api/v2/jobs", json=body, headers=tab)


def wait(client, identifier, tab=TAB):
    for _ in range(1200):
        job = client.get(f"/api/v2/jobs/{identifier}", headers=tab).json()
        if job["state"] in ("done", "cancelled", "failed"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


@pytest.fixture(scope="module")
def done(client):
    """A knock-out in one cluster, simulated."""
    made = submit(client, scope={"type": "cluster", "ids": [1]}, n_propagation=3)
    assert made.status_code == 202
    job = wait(client, made.json()["id"])
    assert job["state"] == "done", job
    return job["id"]


def get(client, path, **kwargs):
    return client.get(f"/api/v2/jobs/{path}", headers=TAB, **kwargs)


def test_result_of_a_knock_out(client, done):
    found = get(client, f"{done}/result").json()
    assert found["targets"] == [{"gene": "Esr2", "dose": "KO"}]
    assert found["scope"] == {"type": "cluster", "ids": [1]}
    assert found["n_cells_perturbed"] == 124
    assert len(found["steps"]) == found["n_propagation"] == 3
    body = {"gene": "Esr2", "scope": {"type": "cluster", "cluster_id": 1}, "n_propagation": 3}
    want = client.post("/api/perturb/summary", json=body).json()
    assert [one["gene"] for one in found["top"]] == [one["gene"] for one in want["top_affected_genes"]]
    for one, other in zip(found["top"], want["top_affected_genes"], strict=True):
        assert one["mean_delta"] == pytest.approx(other["mean_delta"])
        assert one["direction"] == ("up" if one["mean_delta"] > 0 else "down")


def test_a_title_names_the_cells(client):
    types = client.get("/api/v2/meta").json()["obs"]
    types = next(one for one in types if one["name"] == "cell_type")["categories"]
    chosen = client.post("/api/v2/selections", json={"indices": [3, 4]}, headers=TAB).json()["id"]
    for scope, where in (
        ({"type": "all"}, ""),
        ({"type": "cell_type", "names": types[:1]}, f" in {types[0]}"),
        ({"type": "cluster", "ids": [1]}, " in cluster 1"),
        ({"type": "cluster", "ids": [0, 1]}, " in clusters 0, 1"),
        ({"type": "selection", "id": chosen}, " in 2 selected cells"),
    ):
        made = submit(client, scope=scope, n_propagation=1).json()["id"]
        assert wait(client, made)["title"] == f"Esr2 KO{where}"
    if len(", ".join(types)) > 40:
        made = submit(client, scope={"type": "cell_type", "names": types}, n_propagation=1).json()["id"]
        assert wait(client, made)["title"] == "Esr2 KO in 390 cells"


def test_change_of_any_gene_is_a_column(client, done):
    answer = client.get(f"/api/v2/columns/delta/Esr2?job={done}", headers=TAB)
    delta = np.frombuffer(answer.content[32:], "<f4")
    body = {"gene": "Esr2", "scope": {"type": "cluster", "cluster_id": 1}, "n_propagation": 3}
    np.testing.assert_allclose(
        delta, np.frombuffer(client.post("/api/perturb/preview", json=body).content, "<f4"), rtol=1e-6
    )
    assert client.get(f"/api/v2/columns/delta/Nope?job={done}", headers=TAB).status_code == 404
    # the results of a tab are its own, also those that are still kept encoded
    assert client.get(f"/api/v2/columns/delta/Esr2?job={done}", headers=OTHER).status_code == 404
    tagged = {**OTHER, "If-None-Match": answer.headers["etag"]}
    assert client.get(f"/api/v2/columns/delta/Esr2?job={done}", headers=tagged).status_code == 404


def test_top_genes_by_group(client, done, hub):
    effect = hub.jobs.get("a" * 32, done).result
    want = effect.top(5, by="cell_type")
    found = get(client, f"{done}/top?by=cell_type&n=5").json()["groups"]
    for group in found:
        own = want[want["cell_type"] == group["label"]]
        assert [one["gene"] for one in group["genes"]] == own["gene"].tolist()
        np.testing.assert_allclose([one["mean_abs_delta"] for one in group["genes"]], own["mean_abs_delta"], rtol=1e-9)
    rings = get(client, f"{done}/top?by=ring&n=3").json()["groups"]
    assert rings[0]["label"] == "perturbed"
    whole = get(client, f"{done}/top?by=all&n=3&include_targets=true").json()["groups"]
    assert whole[0]["genes"][0]["gene"] == "Esr2"
    inside = get(client, f"{done}/top?by=cell_type&scope_only=true").json()["groups"]
    assert sum(group["n_cells"] for group in inside) == 124
    assert get(client, f"{done}/top?by=nothing").status_code == 400


def test_rings_hold_every_cell_once(client, done):
    found = get(client, f"{done}/rings?gene=Cd86").json()
    assert sum(one["n_cells"] for one in found["rings"]) == 390
    assert found["rings"][0]["to"] == 0.0
    assert all(one["to"] == other["from"] for one, other in zip(found["rings"][1:], found["rings"][2:], strict=False))
    assert get(client, f"{done}/rings?gene=Nope").status_code == 404


def test_exported_files(client, done, tmp_path):
    feather = tmp_path / "x.feather"
    answer = get(client, f"{done}/export?form=feather")
    assert answer.headers["content-disposition"].endswith('.feather"')
    feather.write_bytes(answer.content)
    frame = pd.read_feather(feather)
    assert frame.shape == (390, 61)
    store = tmp_path / "x.h5ad"
    store.write_bytes(get(client, f"{done}/export?form=h5ad").content)
    with h5py.File(store) as file:
        np.testing.assert_allclose(file["layers/simulated"][:], frame.iloc[:, 1:].to_numpy(), rtol=1e-6)
    text = get(client, f"{done}/export?form=csv").text
    assert text.splitlines()[0].startswith("gene,cell_type,")
    assert get(client, f"{done}/export?form=exe").status_code == 400
    # links carry no headers
    assert client.get(f"/api/v2/jobs/{done}/export?form=csv&session={TAB['X-Session']}").text == text
    assert client.get(f"/api/v2/jobs/{done}/export?form=csv").status_code == 404


def test_two_perturbations_compared(client, done):
    other = submit(client, targets=[{"gene": "Esr2", "dose": "x2"}], n_propagation=3).json()["id"]
    wait(client, other)
    same = client.get(f"/api/v2/compare?job_a={done}&job_b={done}", headers=TAB).json()
    assert same["r"] == pytest.approx(1.0)
    opposite = client.get(f"/api/v2/compare?job_a={done}&job_b={other}", headers=TAB).json()
    assert opposite["r"] < 0
    assert client.get(f"/api/v2/compare?job_a={done}&job_b=nothing", headers=TAB).status_code == 404


@pytest.mark.parametrize(("dose", "label"), [("0", "KO"), ("x2", "x2"), ("q95", "q95"), ("+1", "+1"), (1.5, "1.5")])
def test_doses_in_every_form(client, dose, label):
    identifier = submit(client, targets=[{"gene": "Esr2", "dose": dose}], n_propagation=0).json()["id"]
    assert wait(client, identifier)["title"].startswith(f"Esr2 {label}")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"targets": []}, 400), ({"targets": [{"gene": "Nope"}]}, 404), ({"targets": [{"gene": "Esr2", "dose": -1}]}, 400),
        ({"targets": [{"gene": "Esr2", "dose": "much"}]}, 400), ({"n_propagation": 33}, 400), ({"kind": "magic"}, 400),
        ({"targets": [{"gene": "Esr2", "dose": [1, 2]}]}, 400), ({"targets": [{"gene": "Esr2", "dose": True}]}, 400),
        ({"targets": [{"gene": "Esr2", "dose": 0}, {"gene": "Agt"}, {"gene": "Esr2", "dose": 2}]}, 400),
    ],
)  # fmt: skip
def test_jobs_that_make_no_sense_are_refused_at_once(client, changes, status):
    answer = submit(client, **changes)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message"}


def test_fields_of_a_perturbation(client, done):
    body = {
        "kind": "field",
        "job": done,
        "embedding": "umap",
        "n_neighbors": 20,
        "grid_size": 12,
        "limit_types": ["Neuron L2/3"],
    }
    made = client.post("/api/v2/jobs", json=body, headers=TAB)
    job = wait(client, made.json()["id"])
    assert job["state"] == "done", job
    answer = get(client, f"{job['id']}/field")
    facts = json.loads(answer.headers["x-field"])
    assert max(facts["nx"], facts["ny"]) == 12
    size = 32 + facts["nx"] * facts["ny"] * 8
    arrows = np.frombuffer(answer.content[size + 32 : size + size], "<f4").reshape(-1, 2)
    assert np.abs(arrows).max() == pytest.approx(0.85, rel=1e-5)
    assert (arrows != 0).any(axis=1).sum() == facts["n_nonzero"]
    for change, status in (
        ({"job": job["id"]}, 409),
        ({"embedding": "none"}, 404),
        ({"limit_types": ["Nobody"]}, 400),
        ({"job": "x"}, 404),
    ):
        assert client.post("/api/v2/jobs", json={**body, **change}, headers=TAB).status_code == status
    assert get(client, f"{done}/field").status_code == 409


def test_events_end_with_the_state(client, done):
    lines = get(client, f"{done}/events").text.splitlines()
    assert lines[:2] == ["event: end", 'data: {"state": "done", "message": null}']


@pytest.fixture
def slow(monkeypatch):
    """Simulations that wait between their steps until they are let go."""
    gates: dict[str, threading.Event] = {}
    real = _simulate.simulate

    def simulate(model, targets, *, at, cancelled, **options):
        gate = gates.setdefault(targets[0].gene, threading.Event())
        for step in range(200):
            at(step / 200, f"step {step}")
            if cancelled():
                raise SimulationCancelledError("cancelled")
            if gate.wait(0.05):
                break
        return real(model, targets, at=at, cancelled=cancelled, **options)

    from spacetravlr.viewer import _v1_run, _v2_jobs

    monkeypatch.setattr(_v2_jobs, "simulate", simulate)
    monkeypatch.setattr(_v1_run, "simulate", simulate)
    yield gates
    for gate in gates.values():
        gate.set()


def _until(client, identifier, holds):
    """A job of the other tab, as soon as something holds of it."""
    for _ in range(400):
        job = client.get(f"/api/v2/jobs/{identifier}", headers=OTHER).json()
        if holds(job):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def test_cancelling_one_job_does_not_touch_the_other(client, slow):
    a = submit(client, targets=[{"gene": "Agt"}]).json()["id"]
    b = submit(client, targets=[{"gene": "Hlf"}], tab=OTHER).json()["id"]
    before = _until(client, b, lambda job: job["state"] == "running" and len(slow) == 2)
    assert client.delete(f"/api/v2/jobs/{a}", headers=TAB).json()["ok"]
    assert wait(client, a)["state"] == "cancelled"
    after = _until(client, b, lambda job: job["progress"] > before["progress"])
    assert after["state"] == "running"
    # a new job does not revive the cancelled one, nor end the one at work
    c = submit(client, targets=[{"gene": "Btc"}]).json()["id"]
    slow["Hlf"].set()
    assert wait(client, b, OTHER)["state"] == "done"
    assert client.get(f"/api/v2/jobs/{a}", headers=TAB).json()["state"] == "cancelled"
    assert client.get(f"/api/v2/jobs/{a}/result", headers=TAB).status_code == 409
    client.delete(f"/api/v2/jobs/{c}", headers=TAB)
    assert wait(client, c)["state"] == "cancelled"


def test_a_waiting_job_is_cancelled_at_once(client, slow):
    first = [submit(client, targets=[{"gene": gene}]).json()["id"] for gene in ("Agt", "Hlf")]
    waiting = submit(client, targets=[{"gene": "Btc"}]).json()["id"]
    client.delete(f"/api/v2/jobs/{waiting}", headers=TAB)
    assert client.get(f"/api/v2/jobs/{waiting}", headers=TAB).json()["state"] == "cancelled"
    assert "Btc" not in slow
    for identifier in first:
        client.delete(f"/api/v2/jobs/{identifier}", headers=TAB)
        wait(client, identifier)


def test_jobs_of_version_1_are_cancelled_by_themselves(client, slow):
    own = submit(client, targets=[{"gene": "Hlf"}]).json()["id"]
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(client.post("/api/perturb/preview", json={"gene": "Agt", "desired_expr": 3.25}))
    )
    thread.start()
    for _ in range(100):
        if "Agt" in slow:
            break
        time.sleep(0.05)
    assert client.get("/api/meta").json()["perturb_loading"]
    client.post("/api/cancel")
    thread.join(20)
    assert answers[0].status_code == 408
    assert client.get(f"/api/v2/jobs/{own}", headers=TAB).json()["state"] == "running"
    slow["Hlf"].set()
    assert wait(client, own)["state"] == "done"
    # it can be asked for again
    slow["Agt"].set()
    assert client.post("/api/perturb/preview", json={"gene": "Agt", "desired_expr": 3.25}).status_code == 200


def test_a_failure_is_no_cancellation(client, monkeypatch):
    from spacetravlr.viewer import _v1_run

    def broken(*_, **__):
        raise RuntimeError("/data/secret is broken")

    monkeypatch.setattr(_v1_run, "simulate", broken)
    answer = client.post("/api/perturb/preview", json={"gene": "Agt", "desired_expr": 3.5})
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_what_does_not_fit_into_memory_is_refused_with_numbers(client, monkeypatch):
    monkeypatch.setattr(_simulate, "available_memory", lambda: 1000)
    answer = submit(client)
    assert answer.status_code == 507
    assert "of memory, and 1 kB are left" in answer.json()["message"]
    assert client.post("/api/perturb/preview", json={"gene": "Agt", "desired_expr": 3.75}).status_code == 507


def test_a_session_has_a_limited_number_of_jobs(client, slow):
    made = [submit(client, targets=[{"gene": "Agt"}], tab={"X-Session": "c" * 16}) for _ in range(MOST_OPEN + 1)]
    assert [one.status_code for one in made] == [202] * MOST_OPEN + [503]
    assert made[-1].json()["code"] == "too_many_jobs"
    # somebody else is not kept out by that
    mine = submit(client, targets=[{"gene": "Hlf"}])
    assert mine.status_code == 202
    for one in made[:-1]:
        client.delete(f"/api/v2/jobs/{one.json()['id']}", headers={"X-Session": "c" * 16})
    slow.setdefault("Hlf", threading.Event()).set()
    assert wait(client, mine.json()["id"])["state"] == "done"


def test_forgotten_jobs_are_gone(client):
    made = submit(client, n_propagation=0).json()["id"]
    wait(client, made)
    assert client.get(f"/api/v2/jobs/{made}", headers=OTHER).status_code == 404
    assert client.delete(f"/api/v2/jobs/{made}", headers=OTHER).status_code == 404
    assert client.delete(f"/api/v2/jobs/{made}", headers=TAB).json()["message"] == "forgotten"
    assert client.get(f"/api/v2/jobs/{made}", headers=TAB).json()["code"] == "no_such_job"
    assert made not in [one["id"] for one in client.get("/api/v2/jobs", headers=TAB).json()]


def test_results_are_forgotten_when_they_take_too_much():
    book = JobBook(1)
    book.memory = 250

    def work(_):
        return "result", 100

    jobs = []
    for _ in range(4):
        jobs.append(book.submit("s", "perturb", work, title="x", dataset="d", request={}))
        assert jobs[-1].over.wait(10)
    assert [job.id for job in book.list("s")] == [jobs[3].id, jobs[2].id]
    with pytest.raises(ProblemError, match="no such job"):
        book.get("s", jobs[0].id)
    book.close()


def test_what_failed_is_forgotten_too_however_many_sessions_there_are(monkeypatch):
    monkeypatch.setattr(_jobs, "MOST_KEPT_IN_ALL", 5)
    book = JobBook(1)

    def work(_):
        raise ProblemError(400, "no")

    jobs = []
    for session in range(12):
        jobs.append(book.submit(str(session), "perturb", work, title="x", dataset="d", request={}))
        assert jobs[-1].over.wait(10)
    assert [len(book.list(str(session))) for session in range(12)] == [0] * 7 + [1] * 5
    book.close()


def test_results_belong_to_the_cells_of_their_sample(make_client, data_root):
    twin = data_root / "twin.h5ad"
    with h5py.File(data_root / "run" / "tissue.h5ad") as source, h5py.File(twin, "w") as target:
        for name in source:
            source.copy(name, target)
        target.attrs.update(source.attrs)
        # as many cells, by the same names, and other ones
        target["obs/cell_type/codes"][:] = source["obs/cell_type/codes"][:][::-1]
    client = make_client()
    made = wait(client, submit(client, n_propagation=0).json()["id"])["id"]
    field = {"kind": "field", "job": made, "n_neighbors": 5, "grid_size": 8}
    asked = [f"jobs/{made}/top", f"jobs/{made}/rings?gene=Hlf", f"columns/delta/Hlf?job={made}"]
    assert [client.get(f"/api/v2/{path}", headers=TAB).status_code for path in asked] == [200] * 3
    files = client.get("/api/v2/data").json()["roots"][0]["files"]
    other = next(one["id"] for one in files if one["name"] == "twin.h5ad")
    opened = client.post("/api/v2/open", json={"h5ad_id": other, "cluster_column": "cell_type_int"}, headers=TAB)
    assert opened.status_code == 200
    answers = [client.get(f"/api/v2/{path}", headers=TAB) for path in asked]
    answers.append(client.post("/api/v2/jobs", json=field, headers=TAB))
    block = {"columns": [{"kind": "delta", "name": "Hlf", "job": made}]}
    answers.append(client.post("/api/v2/columns", json=block, headers=TAB))
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(409, "wrong_job")] * 5
    # a page is told of the jobs about what it shows
    shown, there = opened.json()["dataset"], client.get("/api/v2/meta").json()["dataset"]
    assert client.get("/api/v2/jobs", params={"dataset": shown}, headers=TAB).json() == []
    for params in ({"dataset": there}, {}):
        assert [one["id"] for one in client.get("/api/v2/jobs", params=params, headers=TAB).json()] == [made]
    assert client.get("/api/v2/jobs?dataset=unknown", headers=TAB).status_code == 404
    twin.unlink()


def test_what_was_computed_goes_with_the_data(make_client, data_root):
    client = make_client()
    hub = client.app.state.hub
    submit(client, n_propagation=0)
    made = wait(client, client.get("/api/v2/jobs", headers=TAB).json()[0]["id"])["id"]
    field = {"gene": "Esr2", "n_neighbors": 5, "n_propagation": 1}
    assert client.post("/api/perturb/umap-field", json=field).status_code == 200
    assert (len(hub.effects), len(hub.fields)) == (1, 1)
    copies = [data_root / f"copy{at}.h5ad" for at in range(5)]
    for at, path in enumerate(copies):
        shutil.copy(data_root / "run" / "tissue.h5ad", path)
        # the one that all see, then those of tabs
        body = {"adata_path": path.name, "cluster_annot": "cell_type_int"}
        if at == 0:
            assert client.post("/api/session/configure", json=body).status_code == 200
        else:
            mine = {"adata_path": path.name, "cluster_column": "cell_type_int"}
            assert client.post("/api/v2/open", json=mine, headers=OTHER).status_code == 200
        known = [one["id"] for one in client.get("/api/v2/jobs", headers=TAB).json()]
        assert known == ([made] if at < 3 else [])
    assert (len(hub.effects), len(hub.fields)) == (0, 0)
    for path in copies:
        path.unlink()


def test_closing_cancels_what_is_at_work():
    book = JobBook(1)
    begun = threading.Event()

    def work(job):
        begun.set()
        while True:
            job.check()
            time.sleep(0.01)

    first = book.submit("s", "perturb", work, title="x", dataset="d", request={})
    second = book.submit("s", "perturb", work, title="x", dataset="d", request={})
    assert begun.wait(10)
    book.close()
    assert (first.state, second.state) == ("cancelled", "cancelled")
