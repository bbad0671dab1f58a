"""Readers of raw samples: h5ad, and the folders that instruments and their pipelines leave."""

from __future__ import annotations

from spacetravlr.preparation.readers._read import read_raw, recognise

__all__ = ["read_raw", "recognise"]
