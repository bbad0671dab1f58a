"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data and figures that are not part of the project."""
    folder = Path(os.environ.get("SPACETRAVLR_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip("the folder of reference data is not here")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Small reference figures that ship with the tests."""
    return Path(__file__).resolve().parent / "golden"
