"""Where one has been and who is there: back and forward, links, the server that goes away and comes back."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

expect = pytest.importorskip("playwright.sync_api", reason="the page needs playwright").expect
GENE = "Sox9"
pytestmark = pytest.mark.xdist_group("viewer page")


def test_back_and_forward_lead_through_the_views(viewer: Any) -> None:
    viewer.open().show_gene(GENE)
    viewer.until(f"location.hash.includes('expr%3A{GENE}')")
    expect(viewer.page).to_have_title(f"{GENE} · tissue · SpaceTravLR")
    viewer.page.locator("main.stage").focus()
    viewer.page.keyboard.press("u")
    viewer.until("location.hash.includes('layout=umap')")
    x, y = np.median(viewer.places(), axis=0)
    viewer.page.keyboard.press("b")
    viewer.draw([(x - 120, y - 120), (x, y), (x + 140, y + 100)])
    viewer.until("location.hash.includes('sel=')")
    chosen = viewer.state()["selected"]
    # how near one looks is no view of its own
    viewer.page.keyboard.press("+")
    viewer.until("location.hash.includes('cam=')")

    viewer.page.go_back()
    viewer.until("__stl.state().selected === 0 && __stl.state().layout === 'umap'")
    viewer.page.go_back()
    viewer.until(f"__stl.state().layout === 'spatial' && __stl.state().a.gene === '{GENE}'")
    viewer.page.go_back()
    viewer.until("__stl.state().a.kind === 'obs' && !__stl.state().busy")
    viewer.page.go_forward()
    viewer.until(f"__stl.state().a.gene === '{GENE}' && !__stl.state().busy")
    viewer.page.go_forward()
    viewer.until("__stl.state().layout === 'umap' && !__stl.state().busy")
    viewer.page.go_forward()
    viewer.until(f"__stl.state().selected === {chosen} && __stl.state().layout === 'umap'")
    assert viewer.state()["a"] == {"kind": "expr", "gene": GENE}

    # the same from the keyboard
    viewer.page.locator("main.stage").focus()
    viewer.page.keyboard.press("Control+z")
    viewer.until("__stl.state().selected === 0")
    viewer.page.keyboard.press("Control+Shift+z")
    viewer.until(f"__stl.state().selected === {chosen}")
    viewer.button("Invert").click()
    viewer.until(f"__stl.state().selected === {390 - chosen} && location.hash.includes('sel=%21')")
    viewer.page.reload()
    viewer.until(f"__stl.state().selected === {390 - chosen}")
    # the views before are there after loading again, too
    viewer.page.locator("main.stage").focus()
    viewer.page.keyboard.press("Control+z")
    viewer.until(f"__stl.state().selected === {chosen}")


def test_a_link_that_is_pasted_into_the_open_page_is_followed(viewer: Any) -> None:
    viewer.open()
    viewer.page.evaluate("location.hash = '#layout=umap&a=expr%3AWt1&a.map=magma&hide=Oligo'")
    viewer.until("__stl.state().layout === 'umap' && __stl.state().a.gene === 'Wt1' && !__stl.state().busy")
    assert viewer.state()["hidden"] == ["Oligo"]
    assert viewer.page.get_by_label("Colour map").input_value() == "magma"
    viewer.page.go_back()
    viewer.until("__stl.state().layout === 'spatial' && __stl.state().a.kind === 'obs'")


def test_an_outline_is_given_up_with_escape(viewer: Any) -> None:
    viewer.open()
    places = viewer.places()
    x, y = np.median(places, axis=0)
    viewer.page.keyboard.press("l")
    mouse = viewer.page.mouse
    mouse.move(*viewer.stage(x - 90, y - 90))
    mouse.down()
    for corner in ((x + 90, y - 90), (x + 90, y + 90)):
        mouse.move(*viewer.stage(*corner), steps=3)
    expect(viewer.page.locator(".outline")).to_have_count(1)
    viewer.page.keyboard.press("Escape")
    expect(viewer.page.locator(".outline")).to_have_count(0)
    mouse.move(*viewer.stage(x - 90, y + 90), steps=3)
    mouse.up()
    viewer.page.wait_for_timeout(150)
    assert viewer.state()["selected"] == 0
    assert viewer.page.locator("main.stage").get_attribute("data-tool") == "lasso"


def test_the_region_of_a_knock_out_stays_visible(viewer: Any, tmp_path: Path) -> None:
    viewer.open()
    x, y = np.median(viewer.places(), axis=0)
    viewer.page.keyboard.press("b")
    viewer.draw([(x - 150, y - 150), (x, y), (x + 150, y + 150)])
    viewer.until("__stl.state().selected > 0")
    chosen = viewer.state()["selected"]
    region = viewer.page.locator(".region polygon:not(.halo)")
    expect(region).to_have_count(0)
    viewer.button("Perturb these").click()
    viewer.perturb()
    expect(region).to_have_count(1)
    corners = [tuple(map(float, pair.split(","))) for pair in region.get_attribute("points").split()]
    assert np.array(corners) == pytest.approx(
        np.array([(x - 150, y - 150), (x + 150, y - 150), (x + 150, y + 150), (x - 150, y + 150)]), abs=1
    )
    _, drawing = viewer.save_pictures(tmp_path)
    assert drawing.read_text().split('class="region"')[1].split("</g>")[0].count("<polygon") == 2
    # and after loading again
    viewer.until("location.hash.includes('sel=') && location.hash.includes('delta')")
    viewer.page.reload()
    viewer.until(f"__stl.state().selected === {chosen} && __stl.state().a.kind === 'delta'")
    expect(region).to_have_count(1)


def test_a_link_to_a_perturbation_of_another_tab_says_what_to_do(viewer: Any, another: Callable[[str], Any]) -> None:
    viewer.open().perturb()
    viewer.until("location.hash.includes('delta')")
    link = viewer.page.url[viewer.page.url.index("#") :]
    stranger = another(viewer.origin).open(link, ready=False)
    expect(stranger.page.locator(".pane-error")).to_contain_text("Run it here to see the change")
    expect(stranger.page.get_by_role("combobox", name="Gene 1 to perturb")).to_have_value(GENE)
    stranger.button("Run perturbation").click()
    stranger.until("__stl.state().a.kind === 'delta' && !__stl.state().busy && __stl.state().jobs.length === 1")
    expect(stranger.page.locator(".pane-error")).to_have_count(0)


class Restarting:
    """A server that can be stopped and started again at the same address."""

    def __init__(self, options: dict[str, Any]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        self.origin = f"http://127.0.0.1:{port}"
        plain = {
            key: [str(one) for one in value] if isinstance(value, tuple) else str(value)
            for key, value in options.items()
        }
        self.command = [sys.executable, "-m", "spacetravlr.viewer", json.dumps({**plain, "port": port})]
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        assert re.search(r"http://\S+", self.process.stdout.readline())

    def stop(self) -> None:
        """End it at once, as a machine that goes to sleep."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=30)


@pytest.fixture
def restarting(run_options: dict[str, Any], bundle: Path) -> Any:
    """Such a server, which shows the run."""
    server = Restarting({**run_options, "static_dir": bundle})
    yield server
    server.stop()


def test_a_server_that_stops_in_the_middle_of_a_job(another: Callable[[str], Any], restarting: Restarting) -> None:
    viewer = another(restarting.origin).open()
    viewer.until("document.querySelector('#perturb-gene') !== null")
    # a job that never ends, as far as the page can see: what it is told of it comes from the real server otherwise
    job = {"id": "slow", "kind": "perturb", "state": "running", "progress": 0.4, "step": "step 2 of 4", "message": None}
    job |= {"title": "slow one", "created": 0, "seconds": 1.0}
    viewer.page.route(re.compile(r"/api/v2/jobs(\?.*)?$"), lambda route: route.fulfill(status=202, json=job))
    viewer.page.route(re.compile(r"/api/v2/jobs/slow(\?.*)?$"), lambda route: route.fulfill(json=job))
    held: list[Any] = []
    viewer.page.route(re.compile(r"/api/v2/jobs/slow/events"), lambda route: held.append(route))
    viewer.choose("Gene 1 to perturb", GENE)
    viewer.button("Run perturbation").click()
    viewer.page.get_by_role("progressbar", name="Progress of slow one").wait_for()
    restarting.stop()
    held.pop().abort()
    banner = viewer.page.get_by_role("alert").filter(has_text="The server does not answer")
    expect(banner).to_be_visible()
    expect(viewer.page.locator("[data-job=slow]")).to_have_attribute("data-state", "running")
    viewer.page.evaluate("__stl.show({kind: 'expr', gene: 'Wt1'})")
    expect(viewer.page.locator(".pane-error")).to_contain_text("does not answer")

    viewer.page.unroute_all()
    restarting.start()
    expect(banner).to_have_count(0)
    expect(viewer.page.locator("[data-job=slow]")).to_have_attribute("data-state", "failed")
    expect(viewer.page.locator("[data-job=slow]")).to_contain_text("run it once more")
    # what could not be loaded is there now
    viewer.until("__stl.state().a.gene === 'Wt1' && !__stl.state().busy")
    expect(viewer.page.locator(".pane-error")).to_have_count(0)
    viewer.until("document.querySelector('#perturb-gene') !== null", seconds=60)
    viewer.perturb()
