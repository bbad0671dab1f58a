"""Extra viewer: the requests of a page, from the list of genes to what came of a knock-out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PROGRAM = str(Path(sys.executable).parent / "spatial_viewer")
CELLS = 300


def fetched(address: str, body: dict[str, Any] | None = None) -> bytes:
    """Answer of a GET, or of a POST if there is a body; another status than success is an error."""
    wanted = urllib.request.Request(
        address,
        json.dumps(body).encode() if body else None,
        {"Content-Type": "application/json", "X-Session": "0" * 32},
    )
    with urllib.request.urlopen(wanted, timeout=60) as answer:
        whole: bytes = answer.read()
    return whole


def look(at: str) -> None:
    """Do what the page does."""
    genes = json.loads(fetched(f"{at}/genes"))["genes"]
    gene = next(gene["name"] for gene in genes if gene["has_model"])
    values = np.frombuffer(fetched(f"{at}/columns/expr/{gene}"), dtype=np.float32, offset=32)
    assert values.shape == (CELLS,)
    assert values.std() > 0
    columns = json.loads(fetched(f"{at}/genes/{gene}/columns"))["columns"]
    tf = next(column["name"] for column in columns if column["kind"] == "tf")
    until(f"{at}/meta", lambda meta: meta["perturb"]["state"] == "ready")
    job = json.loads(fetched(f"{at}/jobs", {"kind": "perturb", "targets": [{"gene": tf}]}))["id"]
    until(f"{at}/jobs/{job}", lambda job: job["state"] == "done")
    assert json.loads(fetched(f"{at}/jobs/{job}/result"))["genes_changed"] > 0


def until(address: str, holds: Callable[[Any], bool]) -> None:
    """Ask again until an answer is as it should be."""
    end = time.monotonic() + 120
    while not holds(answer := json.loads(fetched(address))):
        assert time.monotonic() < end, answer
        time.sleep(0.2)


with subprocess.Popen([PROGRAM, "--run-toml", "trained", "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
    try:
        assert server.stdout is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
            line = server.stdout.readline()
            assert line, said
            said += line
        look(f"{found[0]}/api/v2")
    finally:
        server.terminate()
