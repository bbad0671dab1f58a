"""The map in the browser: colours, groups, outlines, two views, the address, pictures."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the page needs playwright").expect
GENE = "Sox9"
pytestmark = pytest.mark.xdist_group("viewer page")


def inside(corners: list[tuple[float, float]], places: np.ndarray) -> np.ndarray:
    """Even-odd rule, cell by cell."""
    found = np.zeros(len(places), dtype=bool)
    x, y = places.T
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y0 != y1:
            found ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return found


def test_opens_with_the_cells_in_the_colours_of_the_legend(viewer: Any, api: httpx.Client) -> None:
    viewer.open()
    assert viewer.state()["a"] == {"kind": "obs", "name": "cell_type"}
    codes = viewer.column("obs/cell_type")
    swatches = viewer.page.locator(".rows.types .swatch").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).backgroundColor.match(/\\d+/g).map(Number))"
    )
    places = viewer.places()
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(len(places))
    lonely = np.argsort(-gaps.min(axis=1))[:30]
    for cell in lonely.tolist():
        assert viewer.page.evaluate("(i) => __stl.pixel(i).slice(0, 3)", cell) == swatches[codes[cell]]
    counts = viewer.page.locator(".rows.types small").all_inner_texts()
    assert [int(text) for text in counts] == np.bincount(codes).tolist()


def test_colours_by_a_gene_found_with_the_keyboard(viewer: Any, api: httpx.Client) -> None:
    viewer.open().show_gene(GENE)
    values = viewer.column(f"expr/{GENE}", dtype="f32")
    assert viewer.page.locator(".head h2").inner_text() == GENE
    ends = [float(text) for text in viewer.page.locator(".ends span:not(.mid)").all_inner_texts()]
    assert ends == pytest.approx([values.min(), values.max()], rel=0.01, abs=1e-3)
    expected = np.round((values[:390] - values.min()) / np.ptp(values) * 254)
    assert np.abs(np.array(viewer.page.evaluate("__stl.bytes('a')")) - expected).max() <= 1

    cell = int(values.argmax())
    viewer.page.mouse.move(*viewer.cell(cell))
    viewer.until(f"__stl.state().hovered === {cell}")
    value = viewer.page.locator(".tip-row b")
    expect(value).not_to_contain_text("≈")
    assert float(value.inner_text()) == pytest.approx(float(values[cell]), rel=0.006)


def test_colour_range_can_be_clipped(viewer: Any) -> None:
    viewer.open().show_gene(GENE)
    whole = viewer.state()["range"]
    viewer.page.get_by_label("Clip").select_option("0.95")
    clipped = viewer.state()["range"]
    assert clipped["lo"] == whole["lo"]
    assert clipped["hi"] < whole["hi"]
    viewer.page.get_by_label("Upper end of the colours").focus()
    viewer.page.keyboard.press("ArrowLeft")
    assert viewer.state()["range"]["hi"] < clipped["hi"]
    viewer.page.get_by_label("Colour map").select_option("cividis")
    viewer.page.get_by_label("Clip").select_option("1")
    assert viewer.state()["range"] == whole


def test_coefficients_and_annotations_are_shown(viewer: Any, api: httpx.Client) -> None:
    viewer.open()
    target = api.get("/genes", params={"limit": 100}).json()["genes"]
    gene = next(one["name"] for one in target if one["has_model"])
    columns = api.get(f"/genes/{gene}/columns").json()["columns"]
    strongest = max((c for c in columns if c["kind"] != "intercept"), key=lambda c: c["max_abs"])
    viewer.button("Beta").click()
    viewer.choose("Target gene", gene)
    viewer.page.locator("[data-section=colour] .rows.pick button").first.click()
    viewer.until("__stl.state().a.kind === 'beta' && !__stl.state().busy")
    assert viewer.state()["a"] == {"kind": "beta", "gene": gene, "column": strongest["name"]}
    shown = viewer.state()["range"]
    assert shown["lo"] == -shown["hi"]
    viewer.button("Label").click()
    viewer.page.get_by_role("button", name=re.compile("^cell_type_int")).click()
    viewer.until("__stl.state().a.name === 'cell_type_int' && !__stl.state().busy")


def test_unticked_types_step_back_and_cannot_be_pointed_at(viewer: Any, api: httpx.Client) -> None:
    viewer.open()
    codes = viewer.column("obs/cell_type")
    labels = next(o for o in api.get("/meta").json()["obs"] if o["name"] == "cell_type")["categories"]
    viewer.page.get_by_role("checkbox", name=re.compile(f"^{re.escape(labels[0])}")).uncheck()
    assert viewer.page.evaluate("__stl.flagCounts()")["3"] == np.sum(codes == 0)
    cell = int(np.flatnonzero(codes == 0)[0])
    viewer.page.mouse.move(*viewer.cell(cell))
    viewer.page.wait_for_timeout(150)
    assert viewer.state()["hovered"] != cell
    viewer.button("All", "types").click()
    assert viewer.page.evaluate("__stl.flagCounts()") == {"0": len(codes)}


def test_lasso_selects_adds_and_takes_and_the_table_names_the_cells(
    viewer: Any, api: httpx.Client, tmp_path: Path
) -> None:
    viewer.open().show_gene(GENE)
    places = viewer.places()
    x, y = np.median(places, axis=0)
    first = [(x - 160, y - 120), (x + 60, y - 160), (x + 110, y + 90), (x - 20, y + 20), (x - 140, y + 130)]
    second = [(x + 20, y - 40), (x + 220, y - 40), (x + 220, y + 120), (x + 20, y + 120)]
    third = [(x - 60, y - 60), (x + 60, y - 60), (x + 60, y + 60), (x - 60, y + 60)]
    viewer.page.keyboard.press("l")
    expected = inside(first, places)
    assert 10 < expected.sum() < len(places) - 10
    for corners, key, combine in (
        (first, None, lambda old, new: new),
        (second, "Shift", np.logical_or),
        (third, "Alt", lambda old, new: old & ~new),
    ):
        viewer.draw(corners, key=key)
        expected = combine(expected, inside(corners, places))
        viewer.until(f"__stl.state().selected === {expected.sum()}")
        assert viewer.page.evaluate("__stl.selectedIndices()") == np.flatnonzero(expected).tolist()

    with viewer.page.expect_download() as download:
        viewer.button("Save CSV").click()
    file = tmp_path / "selection.csv"
    download.value.save_as(file)
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    values = viewer.column(f"expr/{GENE}", dtype="f32")
    assert [int(row["index"]) for row in rows] == np.flatnonzero(expected).tolist()
    assert [float(row[GENE]) for row in rows] == pytest.approx(values[expected].tolist(), rel=1e-6)
    assert all(row["cell_type"] for row in rows)
    assert rows[0]["cell"] == api.get(f"/cells/{rows[0]['index']}").json()["name"]
    viewer.page.keyboard.press("v")
    viewer.page.keyboard.press("Escape")
    assert viewer.state()["selected"] == 0


def test_two_views_share_camera_and_pointer(viewer: Any) -> None:
    viewer.open().show_gene(GENE)
    viewer.page.keyboard.press("c")
    viewer.page.keyboard.press("/")
    expect(viewer.page.locator("#gene-search")).to_be_focused()
    viewer.page.keyboard.type("wt1")
    viewer.page.get_by_role("option", name="Wt1").first.wait_for()
    viewer.page.keyboard.press("Enter")
    viewer.until("__stl.state().b && __stl.state().b.gene === 'Wt1' && !__stl.state().busy")
    assert viewer.state()["a"]["gene"] == GENE
    viewer.page.mouse.move(*viewer.cell(5))
    viewer.until("__stl.state().hovered >= 0")
    assert viewer.page.locator(".tip-row span").all_inner_texts() == [f"A: {GENE}", "B: Wt1"]
    assert viewer.page.locator(".ring.hover").count() == 2
    zoom = viewer.state()["camera"]["zoom"]
    viewer.page.mouse.wheel(0, -300)
    viewer.until(f"__stl.state().camera.zoom > {zoom}")


def test_the_address_brings_the_same_view_back(viewer: Any) -> None:
    viewer.open().show_gene(GENE)
    viewer.page.keyboard.press("u")
    viewer.until("__stl.state().layout === 'umap'")
    x, y = np.median(viewer.places(), axis=0)
    viewer.page.keyboard.press("b")
    viewer.draw([(x - 120, y - 120), (x + 140, y + 100)])
    viewer.until("__stl.state().selected > 0")
    viewer.page.get_by_label("Colour map").select_option("magma")
    viewer.button("Zoom in").click()
    viewer.page.locator(".rows.types input").first.uncheck()
    viewer.until("['layout=umap', 'map=magma', 'cam=', 'hide=', 'sel='].every((part) => location.hash.includes(part))")
    before, link = viewer.state(), viewer.page.url
    again = viewer.twin(link[link.index("#") :])
    again.until("__stl.state().selected > 0")
    after = again.state()
    for key in ("layout", "a", "selected", "hidden", "range"):
        assert after[key] == before[key], key
    assert after["camera"]["zoom"] == pytest.approx(before["camera"]["zoom"], abs=0.01)
    assert again.page.get_by_label("Colour map").input_value() == "magma"
    assert again.errors == []


@pytest.mark.parametrize("viewer", [{"viewport": {"width": 900, "height": 640}}], indirect=True)
def test_fits_a_small_window(viewer: Any) -> None:
    viewer.open()
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= 900
    assert viewer.page.locator("main.stage").bounding_box()["width"] > 500
    viewer.button("Panels on the right").click()
    viewer.page.locator(".side.right").wait_for()
    assert viewer.page.evaluate("document.documentElement.scrollWidth") <= 900


def test_saves_the_picture(viewer: Any, tmp_path: Path) -> None:
    viewer.open()
    viewer.save_pictures(tmp_path)
    drawing = (tmp_path / "tissue_cell_type_spatial.svg").read_text()
    assert drawing.count("h0") == 390
