"""Small things that are easily lost: fast typing, the second view's size, samples, drawings of the lens, borders."""

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
    assert drawing.split('stroke-width="2"')[1].split("</g>")[0].count("<path") == linked
    assert drawing.count("<circle") == 1


@pytest.mark.parametrize("viewer", [{"viewport": {"width": 900, "height": 640}}], indirect=True)
def test_in_a_small_window_one_side_makes_room_for_the_other(viewer: Any) -> None:
    viewer.open()
    viewer.button("Panels on the right").click()
    expect(viewer.page.locator(".side.left")).to_have_count(0)
    assert viewer.page.locator("main.stage").bounding_box()["width"] > 500
    viewer.page.keyboard.press("/")
    expect(viewer.page.locator("#gene-search")).to_be_focused()
    expect(viewer.page.locator(".side.right")).to_have_count(0)


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
