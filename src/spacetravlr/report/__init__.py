"""The HTML record of a run: one file that opens without a network, made of what is on disk."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacetravlr.report.build import REPORT_FILE, Wanted, report_html, write_report, write_reports
    from spacetravlr.report.origins import read_origins, record_origins
    from spacetravlr.report.suggest import worth_perturbing

__all__ = [
    "REPORT_FILE",
    "Wanted",
    "read_origins",
    "record_origins",
    "report_html",
    "worth_perturbing",
    "write_report",
    "write_reports",
]

_HOME = {
    "REPORT_FILE": "build",
    "Wanted": "build",
    "read_origins": "origins",
    "record_origins": "origins",
    "report_html": "build",
    "worth_perturbing": "suggest",
    "write_report": "build",
    "write_reports": "build",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the command line is quick to start."""
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
