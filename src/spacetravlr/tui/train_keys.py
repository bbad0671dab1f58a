"""The keys of the training dashboard, as they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from spacetravlr.tui._help import Keys

Role = Literal["train", "watch", "demo"]
"""Whether a screen belongs to a training, watches one, or pretends."""

_LOOK: Keys = (
    ("l", "log"),
    ("/", "find gene"),
    ("m", "map"),
    ("r", "rank"),
    ("t", "theme"),
)
FOOT: Mapping[Role, Keys] = {
    "train": (("q", "finish & stop"), ("Q", "stop now"), ("?", "help"), *_LOOK),
    "watch": (("q", "close"), ("?", "help"), *_LOOK),
    "demo": (("q", "close"), ("?", "help"), *_LOOK),
}
"""Keys at the foot of the screen, the most important first."""
_ENDINGS: Mapping[Role, Keys] = {
    "train": (
        ("q", "finish the blocks at work, then stop"),
        ("Q", "stop now; the blocks at work are lost"),
        ("Ctrl-C", "as q; pressed again, as Q"),
    ),
    "watch": (("q, Ctrl-C", "close this screen; the run goes on"),),
    "demo": (("q, Ctrl-C", "end the demonstration"),),
}
HELP: Mapping[Role, Mapping[str, Keys]] = {
    role: {
        "ending": keys,
        "looking": (
            ("l", "the whole log; / searches in it"),
            ("/", "find a gene: its fate, R2 by cluster"),
            ("m", "tissue by cluster or by the fit of a gene"),
            ("r", "rank by R2 held out (out) or in sample (in)"),
            ("t", "next theme: night, day, contrast"),
            ("tab", "next page, where the terminal is small"),
            ("?", "this page"),
        ),
    }
    for role, keys in _ENDINGS.items()
}
"""Keys on the page of help."""
NOTES = (
    "A run that was stopped goes on by the same command.",
    "✓ done   ✗ failed   ○ orphan: no model   ↷ skipped: done before",
    "⇄ other processes   ▸ at work   R2 out: in regions held out",
)
