"""Sessions: data that are opened and not shown yet, data that several open, and what goes when a session ends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from spacetravlr.viewer._jobs import JobBook
from spacetravlr.viewer._open import OpenRequest
from spacetravlr.viewer._problem import ProblemError

TAB, OTHER = {"X-Session": "a" * 32}, {"X-Session": "b" * 32}
PLAIN = {"adata_path": "run/tissue.h5ad", "layer": "X", "cluster_column": "cell_type"}


def opened(client, tab, **body):
    answer = client.post("/api/v2/open", json=body, headers=tab)
    assert answer.status_code == 200, answer.text
    return answer.json()["dataset"]


def shown(client, tab):
    return client.get("/api/v2/meta", headers=tab).json()["dataset"]


def test_data_that_are_set_aside_are_shown_when_they_are_asked_for(make_client):
    client = make_client()
    shared = shown(client, TAB)
    made = opened(client, TAB, **PLAIN, show=False)
    assert (shown(client, TAB), shown(client, OTHER)) == (shared, shared)
    # whoever has opened them can look at them by their id
    assert client.get("/api/v2/meta", params={"dataset": made}, headers=TAB).json()["layer"] == "X"
    assert client.get("/api/v2/meta", params={"dataset": made}, headers=OTHER).status_code == 404
    assert client.post("/api/v2/open", json={"dataset": made}, headers=OTHER).status_code == 404
    assert opened(client, TAB, dataset=made) == made == shown(client, TAB)
    assert shown(client, OTHER) == shared
    assert opened(client, TAB, dataset=shared) == shared == shown(client, TAB)
    assert client.post("/api/v2/open", json={"dataset": "unknown"}, headers=TAB).json()["code"] == "no_such_dataset"


def test_a_model_of_data_that_are_not_shown_is_not_loaded(make_client):
    client = make_client(run=False)
    run = {"run_toml": "run", "cluster_column": "cell_type_int"}
    made = opened(client, TAB, **run, show=False)
    states = [client.get("/api/v2/meta", params={"dataset": made}, headers=TAB).json()["perturb"]["state"]]
    assert opened(client, TAB, dataset=made) == made
    states.append(client.get("/api/v2/meta", headers=TAB).json()["perturb"]["state"])
    assert states[0] == "none"
    assert states[1] in ("loading", "ready")


def test_what_is_set_aside_is_bounded(make_client):
    client = make_client(run=False)
    made = [opened(client, {"X-Session": f"{at:032x}"}, **PLAIN, show=False) for at in range(6)]
    got = [
        client.get("/api/v2/meta", params={"dataset": one}, headers={"X-Session": f"{at:032x}"}).status_code
        for at, one in enumerate(made)
    ]
    assert got == [404] * 2 + [200] * 4


def test_data_that_several_open_at_once_are_loaded_once(make_client, data_root):
    hub = make_client(run=False).app.state.hub
    toml = data_root / "run" / "spacetravlr_run_repro.toml"
    # asked for in different words
    ways = (
        OpenRequest(run_toml=toml, cluster_annot="cell_type_int"),
        OpenRequest(run_toml=data_root / "run", cluster_annot="cell_type_int"),
        OpenRequest(run_toml=toml, cluster_annot="cell_type_int", layer="imputed_count"),
    )
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda at: hub.open(ways[at], session=f"{at:032x}"), range(3)))
    assert len({id(one) for one in made}) == 1
    assert all(hub.dataset(f"{at:032x}") is made[0] for at in range(3))
    made[0].runtime.join(60)
    assert hub.open(ways[1]) is made[0]
    assert made[0].runtime.state == "ready"


def test_a_session_that_ends_takes_its_own_along(make_client):
    client = make_client()
    shared = shown(client, TAB)
    own = opened(client, TAB, **PLAIN)
    aside = opened(client, TAB, **{**PLAIN, "cluster_column": "cell_type_int"}, show=False)
    picked = client.post("/api/v2/selections", json={"indices": [1]}, headers=TAB).json()["id"]
    assert client.delete("/api/v2/session", headers=TAB).json() == {"ok": True}
    for dataset in (own, aside):
        assert client.get("/api/v2/meta", params={"dataset": dataset}, headers=TAB).status_code == 404
    assert client.get(f"/api/v2/selections/{picked}/summary", headers=TAB).status_code == 404
    assert shown(client, TAB) == shared
    # what others look at stays
    assert opened(client, TAB, **PLAIN) == opened(client, OTHER, **PLAIN)
    assert client.delete("/api/v2/session", headers=TAB).status_code == 200
    assert shown(client, OTHER) == own
    assert client.delete("/api/v2/session").status_code == 400
    assert client.delete("/api/v2/session", headers={"X-Session": "c" * 32}).status_code == 200


def test_jobs_of_a_session_that_ends_are_stopped_and_forgotten():
    book = JobBook(1)
    begun, stopped = threading.Event(), threading.Event()

    def work(job):
        begun.set()
        try:
            while True:
                job.check()
                time.sleep(0.01)
        finally:
            stopped.set()

    mine = [book.submit("s", "perturb", work, title="x", dataset="d", request={}) for _ in range(3)]
    other = book.submit("t", "perturb", lambda _: ("result", 1), title="x", dataset="d", request={})
    assert begun.wait(10)
    book.forget_session("s")
    assert stopped.wait(10)
    assert book.list("s") == []
    with pytest.raises(ProblemError, match="no such job"):
        book.get("s", mine[0].id)
    assert other.over.wait(10)
    assert book.list("t") == [other]
    assert [job.result for job in mine] == [None] * 3
    book.close()


def test_results_of_who_keeps_most_make_room_first():
    book = JobBook(1)
    book.memory = 450

    def made(session):
        job = book.submit(session, "perturb", lambda _: ("result", 100), title="x", dataset="d", request={})
        assert job.over.wait(10)
        return job

    mine = made("modest")
    many = [made("greedy") for _ in range(8)]
    assert book.list("modest") == [mine]
    assert book.list("greedy") == many[:-4:-1]
    # one result more, and still the other one gives way
    assert [made("modest") in book.list("modest"), mine in book.list("modest")] == [True, True]
    assert book.list("greedy") == many[:-3:-1]
    book.close()
