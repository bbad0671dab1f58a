"""The viewer on a simulated sample: from its start to the first picture, colouring by a gene, and memory.

Measured twice: as a client on the same machine sees the server (from asking to the last byte), and as the page times
itself in a headless Chromium, where drawing, in software on a machine without a GPU, is told apart.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spacetravlr.bench._session import Session
from spacetravlr.bench._text import megabytes, seconds
from spacetravlr.bench._viewer_page import ShownPage, browser, why_not
from spacetravlr.errors import install_command

_CELLS = (100_000, 1_000_000)
_QUICK = (20_000,)
_GENES = 500
_COLOURS = 20
"""Genes that are coloured by, once cold and once warm."""
_PAGE_COLOURS = 10
"""Genes that the page is coloured by."""
_PATIENCE = 600.0
_FIRST = ("/api/v2/meta", "/api/v2/columns/obsm/spatial", "/api/v2/columns/obs/cell_type")
"""What a page asks for before it shows anything."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--cells", type=int, nargs="+", help="numbers of cells (100000 1000000)")
    parser.add_argument("--genes", type=int, default=_GENES, help=f"genes of the sample ({_GENES})")


def run(session: Session) -> None:
    """Measure each number of cells."""
    options = session.options
    session.dataset = {
        "recipe": "sparse counts by row, 60 genes a cell, 12 cell types",
        "seed": 42,
        "genes": options.genes,
    }
    for cells in options.cells or (_QUICK if session.options.quick else _CELLS):
        point = {"cells": cells, "genes": options.genes}
        found = session.measure(point)
        if found is None:
            continue
        result = session.record(point, found.pop("walls"), **found)
        first = f"first picture {seconds(found['first_picture_s'])} (asked for: {seconds(found['first_transfer_s'])})"
        session.say(
            f"  {cells:>9,} cells  listening {seconds(found['listening_s'])}  {first}  "
            f"columns ready {seconds(found['columns_ready_s'])}"
        )
        cold = f"{seconds(result['median_s'])} (before the columns are there {seconds(found['recolour_from_file_s'])})"
        memory = f"{megabytes(found['server_mb'])} ({megabytes(found['start_mb'])} at start)"
        session.say(f"  {'':>9}        by a gene: cold {cold}  warm {seconds(found['recolour_warm_s'])}  {memory}")
        session.say(f"  {'':>9}        {_page_line(found['page'])}")


def _page_line(page: dict[str, Any]) -> str:
    if "not_measured" in page:
        return f"page not measured: {page['not_measured']}"
    first, colour = page["first_picture"], page["recolour"]
    return (
        f"page: first picture {seconds(first['from_start_s'])} after the program's start "
        f"(drawn in software {seconds(first['drawn_from_start_s'])})  "
        f"by a gene: {seconds(colour['handed_s'])}, at most {seconds(colour['handed_max_s'])} "
        f"(drawn in software {seconds(colour['drawn_s'])})"
    )


def measure(point: dict[str, Any]) -> dict[str, Any]:
    """Measure one number of cells.

    Returns
    -------
    ``walls`` of colouring by a gene that was not shown before (8-bit levels); seconds from the start of the program
    until it listens and until the first picture's bytes are there; memory of the server; the same as the page sees it.
    """
    from spacetravlr.bench._viewer_sample import write_sample

    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample.h5ad"
        write_sample(sample, n_cells=point["cells"], n_genes=point["genes"])
        with _server(sample, Path(folder) / "cache") as (client, process, began):
            found: dict[str, Any] = {"listening_s": time.perf_counter() - began, "start_mb": _memory(process.pid)}
            found["first_transfer_s"] = sum(client.get(path) for path in _FIRST)
            found["first_picture_s"] = time.perf_counter() - began
            found["recolour_from_file_s"] = client.get(_gene(point["genes"] - 1))
            _wait_for_columns(client, began)
            found["columns_ready_s"] = time.perf_counter() - began
            genes = range(min(_COLOURS, point["genes"] - 1))
            found["walls"] = [client.get(_gene(gene)) for gene in genes]
            found["recolour_warm_s"] = statistics.median(client.get(_gene(gene)) for gene in genes)
            found["server_mb"] = _memory(process.pid)
        found["page"] = _page(sample, Path(folder), point)
    return found


def _page(sample: Path, folder: Path, point: dict[str, Any]) -> dict[str, Any]:
    """Measure what the page shows; every repeat has a server without a cache and a browser without a memory."""
    missing = why_not()
    if missing:
        return {"not_measured": missing}
    firsts: list[dict[str, float]] = []
    colours: list[dict[str, float]] = []
    genes = [f"Gene{number}" for number in range(min(_PAGE_COLOURS, point["genes"]))]
    with browser() as running:
        for repeat in range(point["repeats"]):
            with _server(sample, folder / f"page{repeat}") as (client, _, began):
                opened = time.perf_counter() - began
                page = ShownPage(running, client.origin)
                first = page.first_picture()
                since = {"from_start_s": first["handed_s"], "drawn_from_start_s": first["drawn_s"]}
                firsts.append(first | {name: opened + wall for name, wall in since.items()})
                _wait_for_columns(client, began)
                colours += [page.recolour(gene) for gene in genes]
                page.close()
    handed = [colour["handed_s"] for colour in colours]
    return {
        "first_picture": _medians(firsts),
        "recolour": {**_medians(colours), "handed_max_s": max(handed), "repeats": len(handed)},
    }


def _medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def _wait_for_columns(client: _Client, began: float) -> None:
    while not json.loads(client.content(_FIRST[0]))["columns_ready"]:
        if time.perf_counter() - began > _PATIENCE:
            raise TimeoutError("the columns are not ready")
        time.sleep(0.05)


class _Client:
    """One connection to the server."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)

    def content(self, path: str) -> bytes:
        """Return an answer."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content[:200]!r}")
        return content

    def get(self, path: str) -> float:
        """Return the seconds until an answer is there."""
        began = time.perf_counter()
        self.content(path)
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def _server(sample: Path, cache: Path) -> Iterator[tuple[_Client, subprocess.Popen[str], float]]:
    settings = {"h5ad": str(sample), "cache_dir": str(cache), "port": 0}
    began = time.perf_counter()
    command = [sys.executable, "-m", "spacetravlr.viewer", json.dumps(settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = "" if process.stdout is None else process.stdout.readline()
        if not line.startswith("viewer:"):
            raise RuntimeError(f"the server does not start; is the extra installed? {install_command('viewer')}")
        client = _Client(int(line.strip().rstrip("/").rpartition(":")[2]))
        try:
            yield client, process, began
        finally:
            client.close()
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _gene(number: int) -> str:
    return f"/api/v2/columns/expr/Gene{number}?dtype=u8"


def _memory(pid: int) -> float | None:
    """Return the resident memory of a process, MB; None where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = [line.split()[1] for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(found[0]) / 1024 if found else None
