"""Figures as SVG: what is saved is what matplotlib makes of them by itself."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from spacetravlr.report import svg


def drawn(*, layout: str = "constrained"):
    figure = svg.figure_of(4.0, 2.5)
    figure.set_layout_engine(layout)
    ax = figure.subplots()
    ax.plot([0.0, 1.0, 2.0], [1.0, 40_000.0, 3.0], label="a long name of a curve")
    ax.set(xlabel="across", ylabel="up")
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0))
    svg.dress(ax)
    return figure


def test_axes_are_placed_as_matplotlib_places_them_when_it_saves(monkeypatch):
    here = {layout: svg.to_svg(drawn(layout=layout), "one", "") for layout in ("constrained", "compressed")}
    monkeypatch.setattr(svg, "_lay_out", lambda figure: None)
    assert here == {layout: svg.to_svg(drawn(layout=layout), "one", "") for layout in here}
    # and that it places them at all
    assert svg.to_svg(drawn(layout="none"), "one", "") != here["constrained"]


def test_a_figure_is_drawn_once(monkeypatch):
    figure = drawn()
    times = []
    real = type(figure).draw
    monkeypatch.setattr(type(figure), "draw", lambda self, renderer: times.append(1) or real(self, renderer))
    ET.fromstring(svg.to_svg(figure, "one", 'a "label" & more'))
    assert times == [1]
