"""The page for everybody: keys, contrast, names of controls; and for nobody else: names as text, the token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the page needs playwright").expect
pytestmark = pytest.mark.xdist_group("viewer page")

CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      const parts = parse(colour);
      if (colour.startsWith('rgb') && (parts.length < 4 || parts[3] === 1)) return parts;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll('#app *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.checkVisibility() || node.closest(':disabled, [hidden], option')) continue;
    const style = getComputedStyle(node);
    if (Number(style.opacity) < 1) continue;
    const [a, b] = [light(parse(style.color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([node.textContent.trim().slice(0, 40), node.className, ratio]);
  }
  return poor;
}"""

BORDERS = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (node = node.parentElement; node; node = node.parentElement) {
      const parts = parse(getComputedStyle(node).backgroundColor);
      if (parts.length === 3) return parts;
    }
    return [255, 255, 255];
  };
  const boxes = 'input[type=text], input[type=search], input[type=number], select, .small, .chip, .segments';
  return [...document.querySelectorAll(boxes)]
    .filter((node) => node.checkVisibility() && !node.disabled)
    .map((node) => {
      const [a, b] = [light(parse(getComputedStyle(node).borderTopColor)), light(behind(node))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.outerHTML.slice(0, 80)];
    });
}"""

NAMELESS = """() => [...document.querySelectorAll('button, input, select, summary, a[href], [role=combobox]')]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length || node.title))
  .map((node) => node.outerHTML.slice(0, 160))"""


def test_keys_work_and_stay_silent_while_typing(viewer: Any) -> None:
    viewer.open()
    viewer.page.keyboard.press("?")
    viewer.page.get_by_role("dialog").wait_for()
    viewer.page.keyboard.press("Escape")
    expect(viewer.page.get_by_role("dialog")).to_have_count(0)
    for key, tool in (("b", "box"), ("l", "lasso"), ("v", "pan")):
        viewer.page.keyboard.press(key)
        assert viewer.page.locator("main.stage").get_attribute("data-tool") == tool
    viewer.page.keyboard.press("u")
    viewer.until("__stl.state().layout === 'umap'")
    viewer.page.keyboard.press("s")
    viewer.until("__stl.state().layout === 'spatial'")
    middle = viewer.state()["camera"]["x"]
    viewer.page.locator("main.stage").focus()
    viewer.page.keyboard.press("ArrowRight")
    assert viewer.state()["camera"]["x"] > middle
    viewer.page.keyboard.press("f")
    viewer.page.keyboard.press("Enter")
    viewer.until("__stl.state().pinned >= 0")
    viewer.page.keyboard.press("Escape")
    assert viewer.state()["pinned"] == -1
    theme = "document.documentElement.dataset.theme"
    before = viewer.page.evaluate(theme)
    viewer.page.keyboard.press("t")
    assert viewer.page.evaluate(theme) != before
    viewer.page.keyboard.press("p")
    expect(viewer.page.locator("#perturb-gene")).to_be_focused()
    viewer.page.keyboard.type("u")
    assert viewer.state()["layout"] == "spatial"


def test_single_keys_can_be_kept_to_the_map(viewer: Any) -> None:
    viewer.open()
    help_button = viewer.button("Keyboard and help")
    help_button.focus()
    viewer.page.keyboard.press("Enter")
    viewer.page.get_by_role("dialog").wait_for()
    for _ in range(6):
        viewer.page.keyboard.press("Tab")
        assert viewer.page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    viewer.page.get_by_label("Single keys work everywhere").uncheck()
    viewer.page.keyboard.press("Escape")
    expect(help_button).to_be_focused()
    stage = viewer.page.locator("main.stage")
    viewer.page.keyboard.press("b")
    assert stage.get_attribute("data-tool") == "pan"
    stage.focus()
    viewer.page.keyboard.press("b")
    assert stage.get_attribute("data-tool") == "box"
    viewer.page.reload()
    viewer.until("__stl.state().status === 'ready'")
    viewer.page.keyboard.press("l")
    assert stage.get_attribute("data-tool") == "pan"


def test_cells_are_selected_and_menus_left_without_a_pointer(viewer: Any) -> None:
    viewer.open()
    viewer.page.locator("main.stage").focus()
    for _ in range(4):
        viewer.page.keyboard.press("+")
    box = viewer.page.locator("main.stage").bounding_box()
    seen = [(0 <= x <= box["width"]) and (0 <= y <= box["height"]) for x, y in viewer.places()]
    viewer.button("all cells in view").focus()
    viewer.page.keyboard.press("Enter")
    viewer.until(f"__stl.state().selected === {sum(seen)}")
    assert 0 < sum(seen) < 390
    expect(viewer.page.locator(".statusbar [role=status]")).to_have_text(f"{sum(seen)} cells selected")

    menu = viewer.page.get_by_label("Save the picture")
    menu.focus()
    viewer.page.keyboard.press("Enter")
    viewer.page.keyboard.press("Tab")
    expect(viewer.button("Picture (PNG)")).to_be_focused()
    viewer.page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    expect(viewer.button("Picture (PNG)")).to_be_hidden()

    # the map is one stop
    viewer.page.locator("main.stage").focus()
    viewer.page.keyboard.press("Tab")
    expect(viewer.button("Pan")).to_be_focused()


def test_a_number_out_of_bounds_is_refused_in_words(viewer: Any) -> None:
    viewer.open()
    steps = viewer.page.get_by_label("Propagation steps")
    before = steps.input_value()
    steps.fill("99")
    steps.press("Tab")
    expect(viewer.page.get_by_role("status").filter(has_text="Propagation steps")).to_contain_text("from 1 to 32")
    assert steps.input_value() == before


def test_names_in_the_data_are_only_text(viewer: Any) -> None:
    evil = '<img src=x onerror="document.title=1">&amp;'

    def change(route: Any) -> None:
        facts = route.fetch().json()
        facts["title"] = evil
        for one in facts["obs"]:
            if one["name"] == "cell_type":
                one["categories"][0] = evil
        route.fulfill(json=facts)

    viewer.page.route("**/api/v2/meta", change)
    viewer.open()
    assert evil in viewer.page.locator(".rows.types").inner_text()
    assert viewer.page.locator("h1 span").inner_text() == evil
    assert viewer.page.locator("img").count() == 0


def test_the_token_is_used_once_and_leaves_the_address(
    another: Callable[[str], Any], serve: Callable[[dict[str, Any]], str], run_options: dict[str, Any]
) -> None:
    greeting = serve({**run_options, "token": "a-secret-of-this-test"})
    origin, _, fragment = greeting.partition("/#")
    viewer = another(origin).open(f"#{fragment}")
    assert "secret" not in viewer.page.url
    assert viewer.state()["n"] == 390
    assert viewer.errors == []
    stranger = another(origin).open(ready=False)
    expect(stranger.page.get_by_role("alert")).to_be_visible()


def test_texts_are_legible_and_controls_have_names(viewer: Any) -> None:
    viewer.open().perturb()
    for title in ("Display", "Data", "Transition field", "Interaction lens", "Strongest coefficients"):
        viewer.unfold(title)
    viewer.page.mouse.click(*viewer.cell(3))
    viewer.page.get_by_text("Let go").wait_for()
    assert viewer.page.evaluate(NAMELESS) == []
    themes = set()
    for _ in range(2):
        themes.add(viewer.page.evaluate("document.documentElement.dataset.theme"))
        viewer.until("document.getAnimations().length === 0")
        assert viewer.page.evaluate(CONTRAST) == []
        borders = viewer.page.evaluate(BORDERS)
        assert len(borders) > 10
        assert [one for one in borders if one[0] < 3] == []
        viewer.page.locator("main.stage").focus()
        viewer.page.keyboard.press("t")
    assert themes == {"light", "dark"}
