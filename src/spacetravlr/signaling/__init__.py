"""Received ligands: what the cells of a tissue get of what the others express."""

from __future__ import annotations

from spacetravlr.signaling._field import SignalField
from spacetravlr.signaling._fields import FieldOptions, SignalFields
from spacetravlr.signaling._plan import MethodName
from spacetravlr.signaling._weights import KernelName

__all__ = [
    "FieldOptions",
    "KernelName",
    "MethodName",
    "SignalField",
    "SignalFields",
]
