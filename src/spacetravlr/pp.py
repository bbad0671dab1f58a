"""Preprocessing: from a raw file to a sample that can be trained on."""

from __future__ import annotations

from spacetravlr.preparation import PrepareOptions, prepare, read_raw

__all__ = ["PrepareOptions", "prepare", "read_raw"]
