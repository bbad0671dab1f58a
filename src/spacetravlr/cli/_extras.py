"""The optional parts of this package, and how to install them."""

from __future__ import annotations

PACKAGE = "spacetravlr-py"
EXTRAS = {
    "pp": "prepare",
    "cnn": "the niche network, and solving on a graphics processor",
    "cluster": "training on several machines",
    "tui": "the dashboard",
    "viewer": "the viewer in a browser",
    "mcp": "the server for assistants",
}
"""What each of them is for."""


def install(extra: str) -> str:
    """Return the command that installs an optional part."""
    return f"python -m pip install '{PACKAGE}[{extra}]'"
