"""Colours of the full-screen faces, by what they mean; none of them is told apart by red and green alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.theme import Theme

if TYPE_CHECKING:
    from textual.app import App


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a theme, as `#rrggbb`."""

    name: str
    dark: bool
    background: str
    surface: str
    """Of popups and of the footer."""
    text: str
    muted: str
    """Labels, units, what is not important now."""
    faint: str
    """Borders, empty parts of bars."""
    accent: str
    """Titles of panels, keys, what is going on."""
    value: str
    """Figures."""
    good: str
    warn: str
    bad: str
    categories: tuple[str, ...]
    """For clusters and cell types, in order; used again from the beginning when they run out."""
    ramp: tuple[str, ...]
    """From low to high; the low end is still visible on the background."""
    diverging: tuple[str, ...]
    """From negative over zero to positive."""

    def category(self, code: int) -> str:
        """Return the colour of a category."""
        return self.categories[code % len(self.categories)]

    def theme(self) -> Theme:
        """Return the theme that the screen library takes the colours of its own parts from."""
        return Theme(
            name=self.name,
            primary=self.accent,
            secondary=self.value,
            accent=self.accent,
            foreground=self.text,
            background=self.background,
            surface=self.surface,
            panel=self.surface,
            success=self.good,
            warning=self.warn,
            error=self.bad,
            dark=self.dark,
            variables={
                "border": self.faint,
                "border-blurred": self.faint,
                "footer-background": self.surface,
                "scrollbar": self.faint,
                "scrollbar-hover": self.muted,
                "scrollbar-active": self.accent,
                "scrollbar-background": self.background,
                "scrollbar-background-hover": self.background,
                "scrollbar-background-active": self.background,
                "input-cursor-background": self.accent,
                "input-cursor-foreground": self.background,
                "input-selection-background": f"{self.accent} 35%",
                "text-muted": self.muted,
            },
        )


# Okabe and Ito (2008) first, then the light and muted schemes of Tol (2021), adapted to the background
_ON_DARK = (
    "#56b4e9", "#e69f00", "#2fb391", "#f0e442", "#d97bb0", "#e8703a", "#5b8def", "#b8b8b8",
    "#99ddff", "#eedd88", "#bbcc33", "#ffaabb", "#aa9be0", "#cc8866", "#66ccaa", "#dddddd",
)  # fmt: skip
_ON_LIGHT = (
    "#0072b2", "#d55e00", "#00805d", "#b58900", "#b0508a", "#8a3b00", "#3656c8", "#6b6b6b",
    "#2a93c8", "#806c00", "#5c7a00", "#c2506b", "#6a54b8", "#9a5a3a", "#2f8f72", "#3d3d3d",
)  # fmt: skip
# cividis (Nunez and others, 2018) without its darkest part, and without its brightest for a light background
_RAMP_ON_DARK = (
    "#3f5a8c", "#4c6488", "#596e84", "#667882", "#758280", "#858c7d", "#969778", "#a8a271", "#bbae67", "#cfba59",
    "#e3c745", "#fbe37a",
)  # fmt: skip
_RAMP_ON_LIGHT = (
    "#d9c04a", "#c6b35a", "#b3a765", "#a09b6d", "#8e8f74", "#7d8477", "#6d7878", "#5d6c78", "#4d6076", "#3b5474",
    "#254771", "#00336b",
)  # fmt: skip
_DIVERGING_ON_DARK = (
    "#4aa8ff", "#4b93d9", "#4c7eb4", "#4b6a90", "#49566d", "#45454d", "#6b573f", "#91693a", "#b87b33", "#de8d2a",
    "#ffa51f",
)  # fmt: skip
_DIVERGING_ON_LIGHT = (
    "#00509e", "#2f6cae", "#5a89be", "#88a7cf", "#b6c6df", "#dcdcdc", "#e6c7a3", "#dea86c", "#cf883a", "#bb6a12",
    "#9c4f00",
)  # fmt: skip

NIGHT = Palette(
    name="night", dark=True, background="#12161c", surface="#1b2129", text="#d5dbe3", muted="#7f8b99",
    faint="#343d49", accent="#7cc4e8", value="#e9edf2", good="#6cc7a1", warn="#e6b450", bad="#f0876a",
    categories=_ON_DARK, ramp=_RAMP_ON_DARK, diverging=_DIVERGING_ON_DARK,
)  # fmt: skip
DAY = Palette(
    name="day", dark=False, background="#fbfaf7", surface="#efede7", text="#2b3038", muted="#6a717b",
    faint="#cfcbc2", accent="#00608f", value="#14181d", good="#0f7355", warn="#946200", bad="#b3401a",
    categories=_ON_LIGHT, ramp=_RAMP_ON_LIGHT, diverging=_DIVERGING_ON_LIGHT,
)  # fmt: skip
CONTRAST = Palette(
    name="contrast", dark=True, background="#000000", surface="#000000", text="#ffffff", muted="#c8c8c8",
    faint="#8a8a8a", accent="#5fd7ff", value="#ffffff", good="#5fffaf", warn="#ffd75f", bad="#ff8f6b",
    categories=_ON_DARK, ramp=_RAMP_ON_DARK, diverging=_DIVERGING_ON_DARK,
)  # fmt: skip

PALETTES = {one.name: one for one in (NIGHT, DAY, CONTRAST)}
"""All themes by name, in the order in which the key goes through them."""


def install_themes(app: App[Any]) -> None:
    """Make the themes known to an application and switch to the first."""
    for palette in PALETTES.values():
        app.register_theme(palette.theme())
    app.theme = NIGHT.name


def next_theme(app: App[Any]) -> Palette:
    """Switch an application to the next theme and return its colours."""
    names = list(PALETTES)
    app.theme = names[(names.index(palette_of(app).name) + 1) % len(names)]
    return palette_of(app)


def palette_of(app: App[Any]) -> Palette:
    """Return the colours of an application's theme."""
    return PALETTES.get(app.theme, NIGHT)
