"""The page of a run by the rules of WCAG 2.2, level AA: axe-core finds nothing against it."""

from __future__ import annotations

import pytest

from spacetravlr.report import REPORT_FILE, Wanted
from spacetravlr.report.facts import gather
from spacetravlr.report.page import render_run


@pytest.fixture(scope="module")
def page_file(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("access") / REPORT_FILE
    path.write_text(render_run(gather(trained.run.path, Wanted())))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 320])
def test_nothing_is_held_against_it(visit, page_file, inaccessible, scheme, width):
    page, _ = visit(page_file, color_scheme=scheme, viewport={"width": width, "height": 800})
    for part in page.locator("details:not([open]) > summary").all()[::-1]:
        part.click()
    found = inaccessible(page)
    assert not found, "\n".join(found)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
