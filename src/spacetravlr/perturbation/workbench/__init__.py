"""What a person does with one loaded model at a screen or a prompt: look at genes, choose, queue, read, export."""

from __future__ import annotations

from spacetravlr.perturbation.workbench.bench import NO_LABEL, Preview, Workbench
from spacetravlr.perturbation.workbench.draft import Draft, Pick
from spacetravlr.perturbation.workbench.export import EXPORT_SUFFIXES, check_export, default_export, write_export
from spacetravlr.perturbation.workbench.queue import JobQueue, QueuedJob, let_go, simulate_request
from spacetravlr.perturbation.workbench.request import Request
from spacetravlr.perturbation.workbench.scope import Scope, Table
from spacetravlr.perturbation.workbench.summary import Change, Summary, summarize

__all__ = [
    "EXPORT_SUFFIXES",
    "NO_LABEL",
    "Change",
    "Draft",
    "JobQueue",
    "Pick",
    "Preview",
    "QueuedJob",
    "Request",
    "Scope",
    "Summary",
    "Table",
    "Workbench",
    "check_export",
    "default_export",
    "let_go",
    "simulate_request",
    "summarize",
    "write_export",
]
