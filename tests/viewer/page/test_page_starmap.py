"""A real tissue as a biologist looks at it: STARmap of the visual cortex, its run, and everything the page can do."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the page needs playwright").expect
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("viewer page")]

PROGRAMS = Path(sys.executable).parent
CELLS = 1207
LIGAND, OTHER = "Ptn", "Tac1"


@pytest.fixture(scope="module")
def trained_on_starmap(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The sample, its network, and a run on it."""
    sample = shared / "data" / "mouse_starmap_visual_cortex.h5ad"
    network = shared / "data" / "network"
    if not sample.is_file():
        pytest.skip("the tissue is not among the reference data here")
    run = tmp_path_factory.mktemp("starmap") / "run"
    command = [PROGRAMS / "spacetravlr", "--plain", "--h5ad", sample, "--output-dir", run]
    command += ["--network-dir", network, "--tf-ligand-cutoff", "0.05"]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    return sample, network, run


@pytest.fixture(scope="module")
def address(trained_on_starmap: tuple[Path, Path, Path], bundle: Path, tmp_path_factory: Any) -> Iterator[str]:
    """`spatial_viewer` on that run, its model loaded."""
    sample, network, run = trained_on_starmap
    command = [PROGRAMS / "spatial_viewer", "--h5ad", sample, "--run-toml", run / "spacetravlr_run_repro.toml"]
    command += ["--network-dir", network, "--port", "0", "--perturb-cache-dir", tmp_path_factory.mktemp("cache")]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    url = re.search(r"http://\S+", server.stdout.readline())
    assert url
    origin = url.group(0).rstrip("/")
    for _ in range(600):
        if httpx.get(f"{origin}/api/v2/meta").json()["perturb"]["state"] == "ready":
            break
        time.sleep(0.1)
    yield origin
    server.terminate()
    server.communicate(timeout=30)


@pytest.fixture
def api(address: str) -> Iterator[httpx.Client]:
    """The data of that server, asked directly."""
    with httpx.Client(base_url=f"{address}/api/v2", timeout=30.0) as client:
        yield client


def look(viewer: Any, name: str) -> None:
    """Keep a picture of the page, if somebody wants to see it."""
    if folder := os.environ.get("SPACETRAVLR_SCREENSHOTS"):
        viewer.page.wait_for_timeout(300)
        viewer.page.screenshot(path=Path(folder) / f"starmap_{name}.png")


def result_of(viewer: Any, api: httpx.Client, job: str) -> dict[str, Any]:
    """What the server says of a finished perturbation."""
    api.headers["X-Session"] = viewer.page.evaluate("sessionStorage.getItem('stl.session')")
    found: dict[str, Any] = api.get(f"/jobs/{job}/result").raise_for_status().json()
    return found


def middle(viewer: Any, reach: float) -> list[tuple[float, float]]:
    """A box around the middle of the tissue, two corners."""
    x, y = np.median(viewer.places(), axis=0)
    return [(x - reach, y - reach), (x + reach, y + reach)]


def test_colours(viewer: Any, api: httpx.Client) -> None:
    viewer.open()
    assert viewer.state()["n"] == CELLS
    assert viewer.state()["a"] == {"kind": "obs", "name": "cell_type"}
    look(viewer, "open")
    viewer.show_gene("Ptn")
    values = viewer.column("expr/Ptn", dtype="f32")
    ends = [float(text) for text in viewer.page.locator(".ends span:not(.mid)").all_inner_texts()]
    assert ends == pytest.approx([values.min(), values.max()], rel=0.01, abs=1e-3)
    cell = int(values.argmax())
    viewer.page.mouse.move(*viewer.cell(cell))
    viewer.until(f"__stl.state().hovered === {cell}")
    expect(viewer.page.locator(".tip-row b")).not_to_contain_text("≈")
    look(viewer, "gene")

    # a coefficient: one value in each cluster, gray where it is zero
    viewer.button("Beta", "colour").click()
    viewer.choose("Target gene", "Hpcal4")
    viewer.page.locator("[data-section=colour] .rows.pick button").first.click()
    viewer.until("__stl.state().a.kind === 'beta' && !__stl.state().busy")
    spec = viewer.state()["a"]
    betas = viewer.column(f"beta/{spec['gene']}", column=spec["column"], dtype="f32")
    clusters = viewer.column("obs/cell_type_int")
    assert all(len(np.unique(betas[clusters == one])) == 1 for one in np.unique(clusters))
    assert len(np.unique(betas)) > 1
    look(viewer, "beta")
    expect(viewer.page.get_by_label("Stretch colours within each cluster")).to_have_count(0)

    viewer.button("Received", "colour").click()
    viewer.choose("Ligand", LIGAND)
    viewer.until("__stl.state().a.kind === 'received' && !__stl.state().busy")
    look(viewer, "received")
    viewer.button("Label", "colour").click()
    for name in ("cell_type_int", "cell_type"):
        viewer.page.locator("[data-section=colour] .rows.pick button").filter(
            has=viewer.page.get_by_text(name, exact=True)
        ).click()
        viewer.until(f"__stl.state().a.name === '{name}' && !__stl.state().busy")
    assert len(api.get("/meta").json()["embeddings"]) >= 2


def test_groups_and_outlines(viewer: Any, tmp_path: Path) -> None:
    viewer.open()
    codes = viewer.column("obs/cell_type")
    label = viewer.page.locator(".rows.types label span").first.inner_text()
    viewer.page.get_by_role("checkbox", name=re.compile(f"^{re.escape(label)}")).uncheck()
    assert viewer.page.evaluate("__stl.flagCounts()")["3"] == np.sum(codes == 0)
    look(viewer, "unticked")
    viewer.button("All", "types").click()
    viewer.page.keyboard.press("b")
    viewer.draw(middle(viewer, 120))
    viewer.until("__stl.state().selected > 0")
    boxed = viewer.state()["selected"]
    viewer.page.keyboard.press("l")
    (_, y0), (x1, y1) = middle(viewer, 60)
    viewer.draw([(x1 - 20, y0), (x1 + 160, y0 + 30), (x1 + 120, y1 + 90), (x1 - 40, y1)], key="Shift")
    viewer.until(f"__stl.state().selected > {boxed}")
    chosen = viewer.page.evaluate("__stl.selectedIndices()")
    look(viewer, "selection")
    with viewer.page.expect_download() as download:
        viewer.button("Save CSV").click()
    download.value.save_as(tmp_path / "cells.csv")
    with (tmp_path / "cells.csv").open(newline="") as text:
        assert [int(row["index"]) for row in csv.DictReader(text)] == chosen


def test_lens(viewer: Any) -> None:
    viewer.open()
    viewer.page.keyboard.press("i")
    viewer.choose("Target gene of the lens", "Hpcal4")
    x, y = np.median(viewer.places(), axis=0)
    nearest = int(np.linalg.norm(viewer.places() - (x, y), axis=1).argmin())
    viewer.page.mouse.click(*viewer.cell(nearest))
    viewer.until("__stl.state().neighbours === 24")
    expect(viewer.page.locator("[data-section=lens] details.group").first).to_be_visible()
    viewer.button("Zoom to these cells").click()
    look(viewer, "lens")


def test_knock_out_of_a_type(viewer: Any, api: httpx.Client, tmp_path: Path) -> None:
    viewer.open()
    viewer.choose("Gene 1 to perturb", LIGAND)
    viewer.page.get_by_role("group", name="Cells to perturb").get_by_role("button", name="Types").click()
    ticks = viewer.page.get_by_role("group", name="Groups to perturb").get_by_role("checkbox")
    assert ticks.count() == 16
    expect(viewer.button("Run perturbation")).to_be_disabled()
    expect(viewer.page.locator("[data-section=perturb]")).to_contain_text("Tick at least one group of cells.")
    ticks.first.check()
    viewer.page.get_by_label("Propagation steps").fill("3")
    viewer.button("Run perturbation").click()
    viewer.until("__stl.state().a.kind === 'delta' && !__stl.state().busy", seconds=60)
    expect(viewer.page.locator(".statusbar [role=status]")).to_contain_text("done")
    job = viewer.state()["a"]["job"]
    result = result_of(viewer, api, job)
    assert result["n_cells_perturbed"] == np.sum(viewer.column("obs/cell_type") == 0)
    assert result["n_propagation"] == 3
    shown = viewer.page.locator("[data-section=result] tbody th").all_inner_texts()
    assert shown[:10] == [row["gene"] for row in result["top"][:10]]
    assert viewer.state()["a"]["gene"] != LIGAND
    look(viewer, "knock_out")
    viewer.button("By type", "result").click()
    expect(viewer.page.locator("[data-section=result] details.group")).to_have_count(16)
    look(viewer, "knock_out_types")
    viewer.button("Distance", "result").click()
    rings = api.get(f"/jobs/{job}/rings", params={"gene": viewer.state()["a"]["gene"]}).json()["rings"]
    expect(viewer.page.locator("[data-section=result] tbody tr")).to_have_count(sum(r["n_cells"] > 0 for r in rings))
    look(viewer, "knock_out_rings")
    viewer.page.get_by_text("Save the change").click()
    with viewer.page.expect_download() as download:
        viewer.page.get_by_role("button", name="table by type (CSV)").click()
    assert LIGAND in Path(download.value.path()).read_text()

    # figures of it
    picture, drawing = viewer.save_pictures(tmp_path)
    if folder := os.environ.get("SPACETRAVLR_SCREENSHOTS"):
        for file in (picture, drawing):
            shutil.copy(file, Path(folder) / f"starmap_saved{file.suffix}")
    ElementTree.parse(drawing)
    assert drawing.read_text().count("h0") == CELLS

    # the same view from its address
    viewer.until("location.hash.includes('delta')")
    again = viewer.page.url[viewer.page.url.index("#") :]
    before = viewer.state()
    viewer.page.reload()
    viewer.until(f"__stl.state().a?.kind === 'delta' && __stl.state().range.hi === {before['range']['hi']}")
    assert {key: viewer.state()[key] for key in ("a", "range", "layout")} == {
        key: before[key] for key in ("a", "range", "layout")
    }
    assert viewer.page.url.endswith(again)


def test_progress_and_cancel(viewer: Any, api: httpx.Client) -> None:
    viewer.open()
    viewer.choose("Gene 1 to perturb", LIGAND)
    viewer.page.get_by_label("Propagation steps").fill("32")
    # what others compute meanwhile keeps this one waiting, so that there is time to change one's mind
    for gene in ("Nts", "Epha4", "Apoe", "Igf1"):
        wanted = {"kind": "perturb", "targets": [{"gene": gene, "dose": 0}], "scope": {"type": "all"}}
        api.post("/jobs", json={**wanted, "n_propagation": 32}, headers={"X-Session": "a" * 32}).raise_for_status()
    viewer.button("Run perturbation").click()
    viewer.page.get_by_role("progressbar", name=re.compile("Progress of")).wait_for()
    viewer.page.get_by_role("button", name=re.compile("^Cancel")).click()
    viewer.until("['cancelled', 'done'].includes(__stl.state().jobs[0].state)", seconds=60)
    assert viewer.state()["jobs"][0]["state"] == "cancelled"
    expect(viewer.page.locator(".statusbar [role=status]")).to_contain_text("cancelled")
    assert viewer.state()["a"]["kind"] == "obs"
    look(viewer, "cancelled")


def test_arrows_and_two_perturbations(viewer: Any, api: httpx.Client) -> None:
    viewer.open().perturb(LIGAND)
    first = viewer.state()["a"]["job"]
    viewer.unfold("Transition field")
    viewer.button("Compute arrows").click()
    viewer.until("__stl.state().arrows > 0", seconds=60)
    viewer.page.keyboard.press("u")
    viewer.until("__stl.state().layout === 'umap' && !__stl.state().busy")
    look(viewer, "arrows")
    viewer.button("Hide arrows").click()
    viewer.page.keyboard.press("s")
    viewer.page.keyboard.press("c")
    viewer.choose("Gene 1 to perturb", OTHER)
    viewer.button("Run perturbation").click()
    viewer.until(f"__stl.state().b?.kind === 'delta' && __stl.state().b.job !== '{first}' && !__stl.state().busy")
    second = viewer.state()["b"]["job"]
    assert viewer.state()["a"]["job"] == first
    rows = viewer.page.locator("[data-section=compare] tbody tr")
    expect(rows).to_have_count(20)
    result_of(viewer, api, second)
    look(viewer, "compare")
    viewer.page.mouse.move(*viewer.cell(600))
    viewer.until("__stl.state().hovered >= 0")
    expect(viewer.page.locator(".tip-row")).to_have_count(2)


def test_data_panel(viewer: Any, trained_on_starmap: tuple[Path, Path, Path]) -> None:
    viewer.open()
    viewer.unfold("Data")
    panel = viewer.page.locator("[data-section=dataset]")
    expect(panel).to_contain_text("1,207")
    expect(panel).to_contain_text("mouse")
    models = len(list(trained_on_starmap[2].glob("*_betadata.feather")))
    expect(panel).to_contain_text(f"{models:,} genes")
    panel.get_by_text("Open other data").click()
    expect(panel.get_by_label("Sample (.h5ad)").locator("option", has_text="starmap")).to_have_count(1)
    look(viewer, "data")
