"""Importing without a search for garbage, and with one again afterwards."""

from __future__ import annotations

import gc
import sys
from types import ModuleType

import pytest

from spacetravlr.cli._imports import uncollected


@pytest.fixture(autouse=True)
def _thawed():
    yield
    gc.unfreeze()


def test_garbage_is_searched_for_again_after_an_import_that_fails():
    assert gc.isenabled()
    with pytest.raises(ImportError), uncollected():
        assert not gc.isenabled()
        raise ImportError("no such module")
    assert gc.isenabled()


def test_what_was_imported_is_left_out_of_later_searches(monkeypatch):
    frozen = gc.get_freeze_count()
    with uncollected():
        pass
    assert gc.get_freeze_count() == frozen
    with uncollected():
        monkeypatch.setitem(sys.modules, "imported_just_now", ModuleType("imported_just_now"))
    assert gc.get_freeze_count() > frozen


def test_who_searches_for_garbage_in_another_way_is_left_alone():
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
