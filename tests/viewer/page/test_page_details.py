"""Small things that are easily lost: fast typing, the second view's size, samples, drawings of the lens, borders."""

from __future__ import annotations

import csv
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


def test_enter_takes_what_was_typed_and_not_what_was_listed_before(viewer: Any, api: httpx.Client) -> None:
    viewer.open()
    viewer.page.keyboard.press("/")
    viewer.page.keyboard.type(GENE.lower())
    viewer.page.keyboard.press("Enter")
    viewer.until(f"__stl.state().a.gene === '{GENE}' && !__stl.state().busy")
    assert viewer.state()["b"] is None

    # arrows keep the chosen gene in view
    viewer.page.keyboard.press("/")
    options = viewer.page.locator("[data-section=colour] [role=option]")
    options.nth(20).wait_for(state="attached")
    for _ in range(20):
        viewer.page.keyboard.press("ArrowDown")
    chosen = viewer.page.locator("[data-section=colour] [role=option][aria-selected=true]")
    expect(chosen).to_have_count(1)
    expect(chosen).to_have_attribute("id", re.compile("-20$"))
    list_box = viewer.page.locator("[data-section=colour] [role=listbox]").bounding_box()
    bottom = list_box["y"] + list_box["height"] + 1
    option = "document.querySelector('[data-section=colour] [aria-selected=true]').getBoundingClientRect()"
    viewer.until(f"{option}.bottom <= {bottom} && {option}.top >= {list_box['y']}")

    # other searches offer only genes of their kind
    for kind, button, box in (("models", "Beta", "Target gene"), ("ligands", "Received", "Ligand")):
        known = api.get("/genes", params={"among": kind, "limit": 40}).json()["genes"]
        viewer.button(button).click()
        viewer.page.get_by_role("combobox", name=box, exact=True).focus()
        options = viewer.page.locator("[data-section=colour] [role=option] span")
        expect(options).to_have_text([one["name"] for one in known])


def test_the_views_fit_also_after_an_outline_was_drawn(viewer: Any) -> None:
    viewer.open()
    places = viewer.places()
    x, y = np.median(places, axis=0)
    viewer.page.keyboard.press("b")
    viewer.draw([(x - 100, y - 100), (x, y), (x + 100, y + 100)])
    viewer.until("__stl.state().selected > 0")
    viewer.page.keyboard.press("v")
    viewer.page.keyboard.press("c")
    width = viewer.page.locator("main.stage").bounding_box()["width"] / 2
    viewer.until(f"__stl.screenOf({int(places[:, 0].argmax())})[0] < {width}")
    assert viewer.places()[:, 0].min() > 0


def test_a_view_says_which_perturbation_it_shows_and_bars_leave_the_target_out(viewer: Any) -> None:
    viewer.open().perturb()
    title = viewer.state()["jobs"][-1]["title"]
    expect(viewer.page.locator(".head .unit")).to_contain_text(title)
    rows = viewer.page.locator("[data-section=result] tbody tr")
    target = rows.filter(has=viewer.page.get_by_role("button", name=GENE, exact=True))
    expect(target).to_contain_text("perturbed")
    longest = "(all) => Math.max(...all.map((one) => parseFloat(one.style.width)))"
    assert rows.locator(".bar b").evaluate_all(longest) == pytest.approx(50)


def test_the_grid_of_arrows_is_as_fine_as_asked(viewer: Any) -> None:
    viewer.open().perturb()
    viewer.unfold("Transition field")
    viewer.page.get_by_label("Neighbours", exact=True).fill("40")
    viewer.page.get_by_label("Grid points").fill("10")
    viewer.button("Compute arrows").click()
    viewer.until("__stl.state().arrows > 0")
    assert viewer.state()["arrows"] <= 100


def test_a_drawing_holds_the_lines_and_the_ring_of_the_lens(viewer: Any, tmp_path: Path) -> None:
    viewer.open()
    viewer.page.keyboard.press("i")
    viewer.choose("Target gene of the lens", GENE)
    viewer.page.mouse.click(*viewer.cell(20))
    viewer.until("__stl.state().neighbours === 24")
    viewer.page.get_by_label("Save the picture").click()
    with viewer.page.expect_download() as download:
        viewer.button("Drawing (SVG)").click()
    drawing = Path(download.value.path()).read_text()
    linked = viewer.page.locator("[data-section=lens] details.group").count()
    assert linked > 0
    # each over a rim in the colour of the page, as on the screen
    lines = re.findall(
        r'<path [^>]*stroke="(#\w+)" stroke-width="(\d+)"', drawing.split('class="lens"')[1].split("</g>")[0]
    )
    paper = re.search(r'<rect width="100%" height="100%" fill="(#\w+)"', drawing)
    assert paper
    assert lines[::2] == [(paper[1], "4")] * linked
    assert len(lines[1::2]) == linked
    assert {width for _, width in lines[1::2]} == {"2"}
    assert re.findall(r'<circle [^>]*stroke="(#\w+)" stroke-width="([\d.]+)"', drawing)[0] == (paper[1], "4")
    assert drawing.count("<circle") == 2


@pytest.mark.parametrize("viewer", [{"viewport": {"width": 900, "height": 640}}], indirect=True)
def test_in_a_small_window_one_side_makes_room_for_the_other(viewer: Any) -> None:
    viewer.open()
    viewer.button("Panels on the right").click()
    expect(viewer.page.locator(".side.left")).to_have_count(0)
    assert viewer.page.locator("main.stage").bounding_box()["width"] > 500
    viewer.page.keyboard.press("/")
    expect(viewer.page.locator("#gene-search")).to_be_focused()
    expect(viewer.page.locator(".side.right")).to_have_count(0)


def test_no_cell_lies_below_the_tools(viewer: Any) -> None:
    viewer.open()
    tools = viewer.page.locator(".toolbar").bounding_box()
    assert viewer.stage(viewer.places()[:, 0].max(), 0)[0] < tools["x"]


@pytest.mark.parametrize("viewer", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_nothing_in_the_bar_of_a_phone_lies_on_anything_else(viewer: Any) -> None:
    viewer.open()
    parts = viewer.page.locator(".topbar > *").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect()).filter((box) => box.width).map((b) => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(parts) > 6
    for at, (x0, y0, x1, y1) in enumerate(parts):
        assert x0 >= 0 and x1 <= 390 and y0 >= 4
        for a0, b0, a1, b1 in parts[at + 1 :]:
            assert a0 >= x1 - 0.5 or a1 <= x0 + 0.5 or b0 >= y1 - 0.5 or b1 <= y0 + 0.5
    assert viewer.page.locator("h1 span").evaluate("(one) => one.scrollWidth <= one.clientWidth + 1")


def test_samples_lie_side_by_side_and_nothing_else_of_them_changes(
    another: Callable[[str], Any],
    serve: Callable[[dict[str, Any]], str],
    sampled_options: dict[str, Any],
    tmp_path: Path,
) -> None:
    viewer = another(serve(sampled_options)).open()
    facts = httpx.get(f"{viewer.origin}/api/v2/meta").json()
    codes = viewer.column(f"obs/{facts['sample_column']}")
    raw = httpx.get(f"{viewer.origin}/api/v2/columns/obsm/spatial", params={"dtype": "f32"}).content
    xy = np.frombuffer(raw, np.float32, 2 * 390, 32).reshape(390, 2)
    places = viewer.places()
    boxes = [
        (places[codes == code].min(axis=0), places[codes == code].max(axis=0)) for code in range(len(facts["samples"]))
    ]
    for at, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[at + 1 :]:
            assert (low > other_high).any() or (other_low > high).any()
    scales = []
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        drawn = np.linalg.norm(places[own] - places[own[0]], axis=1)
        true = np.linalg.norm(xy[own] - xy[own[0]], axis=1)
        scales += (drawn[1:] / true[1:]).tolist()
    assert np.ptp(scales) < 1e-3 * np.mean(scales)
    length = float(viewer.page.locator(".scale span").inner_text().split()[0].replace(",", ""))
    bar = viewer.page.locator(".scale i").bounding_box()["width"]
    assert bar / length == pytest.approx(np.mean(scales), rel=0.02)

    names = viewer.page.locator(".piece-name")
    expect(names).to_have_text(facts["samples"])
    for code, name in enumerate(names.all()):
        box, (low, high) = name.bounding_box(), boxes[code]
        middle = viewer.stage(*((low + high) / 2))[0]
        assert box["x"] + box["width"] / 2 == pytest.approx(middle, abs=2)
        assert box["y"] + box["height"] <= viewer.stage(*low)[1] + 2

    # an outline takes what is seen inside it; the table has the coordinates of the file
    low, high = boxes[1]
    viewer.page.keyboard.press("b")
    viewer.draw([tuple(low - 4), tuple((low + high) / 2), tuple(high + 4)])
    viewer.until(f"__stl.state().selected === {np.sum(codes == 1)}")
    with viewer.page.expect_download() as download:
        viewer.button("Save CSV").click()
    with Path(download.value.path()).open(newline="") as text:
        rows = list(csv.DictReader(text))
    found = np.array([[float(row["spatial_1"]), float(row["spatial_2"])] for row in rows])
    np.testing.assert_allclose(found, xy[codes == 1], rtol=1e-6)
    _, drawing = viewer.save_pictures(tmp_path)
    for name in facts["samples"]:
        assert f">{name}</text></g>" in drawing.read_text() or f">{name}</text><text" in drawing.read_text()
    assert viewer.errors == []


def test_one_sample_at_a_time(
    another: Callable[[str], Any], serve: Callable[[dict[str, Any]], str], sampled_options: dict[str, Any]
) -> None:
    viewer = another(serve(sampled_options)).open()
    facts = httpx.get(f"{viewer.origin}/api/v2/meta").json()
    column = next(one for one in facts["obs"] if one["name"] == facts["sample_column"])
    label = max(zip(column["counts"], column["categories"], strict=True))[1]
    codes = viewer.column(f"obs/{facts['sample_column']}")
    own = np.flatnonzero(codes == column["categories"].index(label))
    viewer.page.get_by_label("Sample", exact=True).select_option(label)
    viewer.until("Object.keys(__stl.flagCounts()).length === 2")
    assert viewer.page.evaluate("__stl.flagCounts()") == {"0": len(own), "6": 390 - len(own)}
    expect(viewer.page.locator(".statusbar")).to_contain_text(f"{len(own)} of 390 cells")
    kinds = viewer.column("obs/cell_type")[own]
    counts = [str(np.sum(kinds == code)) for code in range(viewer.page.locator(".rows.types li").count())]
    expect(viewer.page.locator(".rows.types small")).to_have_text(counts)
    places = viewer.places()
    x0, y0 = places.min(axis=0) - 20
    x1, y1 = places.max(axis=0) + 20
    box = viewer.page.locator("main.stage").bounding_box()
    corners = [(max(x0, 2), max(y0, 2)), (min(x1, box["width"] - 90), min(y1, box["height"] - 2))]
    viewer.page.keyboard.press("b")
    viewer.draw([corners[0], ((x0 + x1) / 2, (y0 + y1) / 2), corners[1]])
    viewer.until("__stl.state().selected > 0")
    assert set(viewer.page.evaluate("__stl.selectedIndices()")) <= set(own.tolist())
    viewer.until("location.hash.includes('sample=') && location.hash.includes('sel=')")
    again = viewer.twin(viewer.page.url[viewer.page.url.index("#") :])
    again.until(f"__stl.state().selected === {viewer.state()['selected']}")
    assert viewer.errors == []
