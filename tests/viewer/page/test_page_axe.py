"""The page by the rules of WCAG 2.2, level AA, in every state: axe-core finds nothing against it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the page needs playwright").expect
pytestmark = pytest.mark.xdist_group("viewer page")

Look = Callable[[Any], list[str]]
PANELS = ("Display", "Data", "Transition field", "Interaction lens", "Strongest coefficients")


def in_both_themes(viewer: Any, inaccessible: Look) -> list[str]:
    """What is wrong in light and in dark."""
    found = []
    for wanted in ("light", "dark"):
        if viewer.page.evaluate("document.documentElement.dataset.theme") != wanted:
            viewer.page.get_by_role("button", name=f"{wanted.capitalize()} colours").click()
        viewer.until("document.getAnimations().length === 0")
        found += [f"{wanted}: {one}" for one in inaccessible(viewer.page)]
    return found


def listing(found: list[str]) -> str:
    """One fault a line."""
    return "\n".join(dict.fromkeys(found))


def test_as_it_opens_and_with_panels_closed(viewer: Any, inaccessible: Look) -> None:
    viewer.open()
    found = in_both_themes(viewer, inaccessible)
    viewer.page.get_by_label("Save the picture").click()
    found += inaccessible(viewer.page)
    viewer.page.get_by_label("Save the picture").click()
    for head in viewer.page.locator(".section-head[aria-expanded=true]").all()[::-1]:
        head.click()
    found += inaccessible(viewer.page)
    for side in ("left", "right"):
        viewer.button(f"Panels on the {side}").click()
    found += inaccessible(viewer.page)
    assert not found, listing(found)


def test_with_a_result_and_everything_open(viewer: Any, inaccessible: Look) -> None:
    viewer.open().perturb()
    for title in PANELS:
        viewer.unfold(title)
    viewer.page.mouse.click(*viewer.cell(3))
    viewer.page.get_by_text("Let go").wait_for()
    viewer.page.get_by_label("Show whom a clicked cell signals to").check()
    viewer.choose("Target gene of the lens", "Sox9")
    viewer.until("__stl.state().neighbours > 0")
    viewer.page.get_by_text("Save the change").click()
    found = in_both_themes(viewer, inaccessible)
    for part in ("By type", "Distance", "Notes"):
        viewer.page.get_by_role("group", name="Part of the effect").get_by_role("button", name=re.compile(part)).click()
        expect(viewer.page.locator("[data-section=result]")).not_to_contain_text("Reading")
        found += inaccessible(viewer.page)
    assert not found, listing(found)


def test_every_source_of_colour_and_a_selection(viewer: Any, inaccessible: Look) -> None:
    viewer.open()
    viewer.page.keyboard.press("b")
    viewer.draw([(150, 150), (500, 600)])
    viewer.until("__stl.state().selected > 0")
    viewer.page.keyboard.press("v")
    viewer.show_gene("Sox9")
    found = []
    for source in ("Gene", "Beta", "Received", "Label", "Change"):
        viewer.button(source, "colour").click()
        found += inaccessible(viewer.page)
    viewer.button("Gene", "colour").click()
    viewer.page.get_by_text("Mean by").click()
    viewer.page.locator("#gene-search").fill("a")
    viewer.page.get_by_role("option").first.wait_for()
    viewer.page.mouse.move(*viewer.cell(5))
    viewer.page.locator(".tooltip").wait_for()
    found += inaccessible(viewer.page)
    assert not found, listing(found)


def test_two_views_and_two_perturbations(viewer: Any, inaccessible: Look) -> None:
    viewer.open().perturb()
    viewer.page.locator("main.stage").focus()
    viewer.page.keyboard.press("c")
    viewer.perturb("Wt1")
    viewer.until("__stl.state().b?.kind === 'delta' && !__stl.state().busy")
    viewer.page.locator("[data-section=compare] tbody").wait_for()
    found = in_both_themes(viewer, inaccessible)
    assert not found, listing(found)


def test_the_help(viewer: Any, inaccessible: Look) -> None:
    viewer.open()
    viewer.button("Keyboard and help").click()
    viewer.page.get_by_role("dialog").wait_for()
    found = inaccessible(viewer.page)
    viewer.page.keyboard.press("Escape")
    viewer.page.keyboard.press("t")
    viewer.button("Keyboard and help").click()
    found += inaccessible(viewer.page)
    assert not found, listing(found)


def test_errors(viewer: Any, inaccessible: Look) -> None:
    broken = {"status": 500, "json": {"code": "x", "message": "the disk is on fire"}}
    viewer.page.route("**/api/v2/meta", lambda route: route.fulfill(**broken))
    viewer.open(ready=False)
    viewer.page.get_by_role("alert").wait_for()
    found = in_both_themes(viewer, inaccessible)
    viewer.page.unroute("**/api/v2/meta")
    viewer.open("#a=expr:NoSuchGene", ready=False)
    viewer.page.reload()
    viewer.page.locator(".pane-error").wait_for()
    viewer.page.route(re.compile(r"/api/v2/jobs(\?.*)?$"), lambda route: route.fulfill(**broken))
    viewer.choose("Gene 1 to perturb", "Sox9")
    viewer.button("Run perturbation").click()
    viewer.page.locator(".toast").wait_for()
    found += in_both_themes(viewer, inaccessible)
    viewer.errors.clear()
    assert not found, listing(found)


def test_before_anything_is_open(
    another: Callable[[str], Any],
    serve: Callable[[dict[str, Any]], str],
    run_options: dict[str, Any],
    inaccessible: Look,
) -> None:
    url = serve({"data_roots": run_options["data_roots"], "cache_dir": run_options["cache_dir"]})
    viewer = another(url).open(ready=False)
    viewer.page.get_by_role("heading", name="Nothing is open").wait_for()
    found = in_both_themes(viewer, inaccessible)
    assert not found, listing(found)


OUTSIDE = """() => {
  const wide = document.documentElement.clientWidth;
  const scrolls = (node) => node && (/auto|scroll|hidden|clip/.test(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  return [...document.querySelectorAll('button, input, select, summary, h1, h2, h3, p, td')]
    .filter((node) => node.checkVisibility() && !node.closest('.heard'))
    .filter((node) => node.getBoundingClientRect().right > wide + 1 && !scrolls(node.parentElement))
    .map((node) => node.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("viewer", [{"viewport": {"width": 320, "height": 640}}], indirect=True)
def test_in_a_window_320_pixels_wide(viewer: Any, inaccessible: Look) -> None:
    viewer.open()
    found = in_both_themes(viewer, inaccessible)
    assert viewer.page.evaluate("document.documentElement.scrollWidth") == 320
    assert viewer.page.evaluate(OUTSIDE) == []
    viewer.button("Panels on the right").click()
    viewer.perturb()
    found += inaccessible(viewer.page)
    assert viewer.page.evaluate("document.documentElement.scrollWidth") == 320
    assert viewer.page.evaluate(OUTSIDE) == []
    viewer.page.locator("main.stage").focus()
    viewer.page.keyboard.press("?")
    found += inaccessible(viewer.page)
    assert not found, listing(found)


def test_with_letters_of_twice_the_size(viewer: Any, inaccessible: Look) -> None:
    sizes = {"fontSizes": {"standard": 32, "fixed": 26}}
    viewer.page.context.new_cdp_session(viewer.page).send("Page.setFontSizes", sizes)
    viewer.open()
    assert viewer.page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") == 26
    viewer.button("Panels on the right").click()
    viewer.perturb()
    found = inaccessible(viewer.page)
    assert viewer.page.evaluate("document.documentElement.scrollWidth") == 1360
    assert viewer.page.evaluate(OUTSIDE) == []
    assert not found, listing(found)
