"""Perturbations, arrows, the lens and the data in the browser, and what is said when something is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the page needs playwright").expect
GENE = "Sox9"
pytestmark = pytest.mark.xdist_group("viewer page")


def test_perturbs_a_selection_and_shows_what_changes(viewer: Any, api: httpx.Client) -> None:
    viewer.open()
    places = viewer.places()
    x, y = np.median(places, axis=0)
    viewer.page.keyboard.press("b")
    viewer.draw([(x - 150, y - 150), (x + 150, y + 150)])
    viewer.until("__stl.state().selected > 0")
    chosen = viewer.state()["selected"]
    viewer.page.keyboard.press("v")
    viewer.button("Perturb these").click()
    viewer.perturb()
    job = viewer.state()["jobs"][-1]
    assert job["state"] == "done"
    api.headers["X-Session"] = viewer.page.evaluate("sessionStorage.getItem('stl.session')")
    result = api.get(f"/jobs/{job['id']}/result").json()
    assert result["n_cells_perturbed"] == chosen
    expect(viewer.page.locator("[data-section=result]")).to_contain_text(f"{chosen} cells perturbed")
    top = viewer.page.locator("[data-section=result] tbody th").all_inner_texts()
    assert top[:5] == [row["gene"] for row in result["top"][:5]]
    readout = viewer.state()["a"]["gene"]
    values = viewer.column(f"delta/{readout}", dtype="f32", job=job["id"])
    bound = np.abs(values).max()
    assert viewer.state()["range"]["hi"] == pytest.approx(bound, rel=1e-5)

    viewer.button("By type", "result").click()
    groups = viewer.page.locator("[data-section=result] details.group")
    of_types = api.get(f"/jobs/{job['id']}/top?by=cell_type&n=6").json()["groups"]
    expect(groups).to_have_count(len(of_types))
    place, first = next((at, one) for at, one in enumerate(of_types) if one["genes"])
    if groups.nth(place).get_attribute("open") is None:
        groups.nth(place).locator("summary").click()
    expect(groups.nth(place).locator("thead th").last).to_have_text("mean |Δ| ▾")
    shown_size = groups.nth(place).locator("tbody td").last.inner_text().replace("−", "-")
    assert float(shown_size) == pytest.approx(first["genes"][-1]["mean_abs_delta"], rel=0.06)
    viewer.button("Distance", "result").click()
    rings = api.get(f"/jobs/{job['id']}/rings", params={"gene": readout}).json()["rings"]
    counts = viewer.page.locator("[data-section=result] tbody td:last-child")
    expect(counts).to_have_text([f"{ring['n_cells']:,}" for ring in rings if ring["n_cells"]])
    viewer.page.get_by_text("Save the change").click()
    with viewer.page.expect_download() as download:
        viewer.page.get_by_role("button", name="table by type (CSV)").click()
    assert download.value.suggested_filename.endswith(".csv")
    assert readout in Path(download.value.path()).read_text()


def test_arrows_are_drawn_over_the_umap(viewer: Any) -> None:
    viewer.open().perturb()
    viewer.unfold("Transition field")
    viewer.page.get_by_label("Neighbours", exact=True).fill("40")
    viewer.button("Compute arrows").click()
    viewer.until("__stl.state().arrows > 0")
    viewer.page.keyboard.press("u")
    viewer.until("__stl.state().layout === 'umap'")
    before = viewer.page.locator("main.stage canvas").screenshot()
    viewer.button("Hide arrows").click()
    viewer.until("__stl.state().arrows === 0")
    assert viewer.page.locator("main.stage canvas").screenshot() != before


def test_cancels_a_running_perturbation(viewer: Any) -> None:
    viewer.open()
    job = {"id": "slow", "kind": "perturb", "state": "running", "progress": 0.4, "step": "step 2 of 4", "message": None}
    job |= {"title": "slow one", "created": 0, "seconds": 1.0}
    held: list[Any] = []

    def answer(route: Any) -> None:
        if route.request.method == "DELETE":
            job["state"] = "cancelled"
            route.fulfill(status=200, json={})
            held.pop().fulfill(
                status=200, content_type="text/event-stream", body='event: end\ndata: {"state":"cancelled"}\n\n'
            )
        elif "/events" in route.request.url:
            held.append(route)
        else:
            route.fulfill(status=202 if route.request.method == "POST" else 200, json=job)

    viewer.page.route(re.compile(r"/api/v2/jobs(/slow.*|\?.*)?$"), answer)
    viewer.choose("Gene 1 to perturb", GENE)
    viewer.button("Run perturbation").click()
    progress = viewer.page.get_by_role("progressbar", name="Progress of slow one")
    progress.wait_for()
    assert progress.get_attribute("value") == "0.4"
    expect(viewer.page.locator(".statusbar .live")).to_contain_text("step 2 of 4 40 %")
    viewer.button("Cancel slow one").click()
    expect(viewer.page.locator("[data-job=slow]")).to_have_attribute("data-state", "cancelled")
    assert viewer.state()["a"]["kind"] == "obs"


def test_lens_shows_the_neighbours_of_a_clicked_cell(viewer: Any) -> None:
    viewer.open()
    viewer.page.keyboard.press("i")
    viewer.choose("Target gene of the lens", GENE)
    viewer.page.mouse.click(*viewer.cell(20))
    viewer.until("__stl.state().neighbours === 24")
    assert viewer.page.evaluate("__stl.flagCounts()")["0"] == 25
    expect(viewer.page.locator("[data-section=lens] .fact")).to_contain_text("of 24")
    viewer.page.get_by_label("How many").fill("7")
    viewer.page.get_by_label("How many").press("Enter")
    viewer.until("__stl.state().neighbours === 7")
    viewer.button("Let the cell go").click()
    viewer.until("__stl.state().neighbours === 0")


def test_says_what_is_wrong_and_goes_on(viewer: Any) -> None:
    viewer.open("#a=expr:NoSuchGene", ready=False)
    error = viewer.page.locator(".pane-error")
    expect(error).to_contain_text("NoSuchGene")
    # the cells are there, without a colour that would say something
    viewer.until("__stl.bytes('a').length === 390")
    assert set(viewer.page.evaluate("__stl.bytes('a')")) == {255}
    viewer.show_gene(GENE)
    expect(error).to_have_count(0)
    viewer.page.route("**/api/v2/columns/**", lambda route: route.abort())
    viewer.page.evaluate("__stl.show({kind: 'expr', gene: 'Wt1'})")
    expect(error).to_contain_text("does not answer")
    assert len(viewer.errors) == 2
    viewer.errors.clear()


def test_a_server_that_fails_is_reported_with_a_way_out(viewer: Any) -> None:
    viewer.page.route(
        "**/api/v2/meta", lambda route: route.fulfill(status=500, json={"code": "x", "message": "the disk is on fire"})
    )
    viewer.open(ready=False)
    expect(viewer.page.get_by_role("alert")).to_contain_text("the disk is on fire")
    viewer.page.unroute("**/api/v2/meta")
    viewer.button("Try again").click()
    viewer.until("__stl.state().status === 'ready'")
    assert len(viewer.errors) == 1
    viewer.errors.clear()


def test_opens_a_sample_from_the_servers_folders(
    another: Callable[[str], Any], serve: Callable[[dict[str, Any]], str], run_options: dict[str, Any]
) -> None:
    url = serve({"data_roots": run_options["data_roots"], "cache_dir": run_options["cache_dir"]})
    viewer = another(url).open(ready=False)
    viewer.page.get_by_role("heading", name="Nothing is open").wait_for()
    files = viewer.page.get_by_label("Sample (.h5ad)")
    name = files.locator("option", has_text=re.compile(r"^(run/)?tissue\.h5ad")).inner_text()
    files.select_option(label=name)
    viewer.page.get_by_label("Cluster column").fill("cell_type_int")
    folder = viewer.page.get_by_label("Network folder")
    folder.fill("/etc")
    viewer.button("Open").click()
    viewer.page.get_by_text("network_dir: no such file in the data roots of this server").wait_for()
    folder.fill("network")
    viewer.button("Open").click()
    viewer.until("__stl.state().status === 'ready' && !__stl.state().busy")
    assert viewer.state()["n"] == 390
    assert viewer.foreign == []
