"""Recorded requests of the compiled edition's viewer, sent again: the same answers, up to named differences."""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.feather
import pytest

RECORDED = Path(__file__).resolve().parents[1] / "golden" / "v1_api.jsonl.gz"
REQUESTS = [json.loads(line) for line in gzip.decompress(RECORDED.read_bytes()).splitlines()]
# texts for people, paths (ours are relative to the data root), and states that pass
LOOSE = {
    "message", "perturb_progress_label", "perturb_progress_percent", "perturb_progress_permille", "adata_path",
    "betadata_dir", "network_dir", "run_toml", "grn_foyer_cache", "received_ligand_columns_sample",
}  # fmt: skip
TYPES = {"/api/clusters": "<u4", "/api/cell_type/codes": "<u2"}


def _name(request: dict) -> str:
    return f"{request['method']} {request['path']} {json.dumps(request['body'])[:60] if request['body'] else ''}"


@pytest.mark.parametrize("recorded", REQUESTS, ids=_name)
def test_answer_is_that_of_the_earlier_server(client, recorded):
    content = None
    if recorded["raw"] is not None:
        content = recorded["raw"].encode()
    elif recorded["body"] is not None:
        content = json.dumps(recorded["body"]).encode()
    head = {"Content-Type": "application/json"} if content is not None else {}
    answer = client.request(recorded["method"], recorded["path"], content=content, headers=head)
    if recorded["path"] == "/api/meta/":
        # the earlier server answered unknown paths with its page
        assert answer.status_code == 404
        return
    assert answer.status_code == recorded["status"], answer.text
    if recorded["status"] >= 300:
        return
    if "json" in recorded:
        assert answer.headers["content-type"] == "application/json"
        _compare(recorded["json"], answer.json(), recorded["path"])
    elif "base64" in recorded:
        kind = TYPES.get(recorded["path"], "<f4")
        want = np.frombuffer(base64.b64decode(recorded["base64"]), kind).astype(float)
        got = np.frombuffer(answer.content, kind).astype(float)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())
    else:
        table = pyarrow.feather.read_table(io.BytesIO(answer.content))
        assert table.column_names == recorded["feather"]["columns"]
        assert table.num_rows == recorded["feather"]["rows"]
        total = sum(float(np.asarray(table.column(at)).sum()) for at in range(1, table.num_columns))
        assert math.isclose(total, recorded["feather"]["sum"], rel_tol=1e-6)


def test_replay_program_finds_no_difference(server, shared):
    program, record = shared / "tools" / "replay_api.py", shared / "golden" / "v1" / "api.jsonl"
    done = subprocess.run(
        [sys.executable, str(program), server.url, str(record)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert f"{len(REQUESTS)} passed, 0 failed" in done.stdout


def _compare(want, got, at):
    if isinstance(want, dict):
        for key in want.keys() - LOOSE:
            assert key in got, f"{at}.{key}"
            _compare(want[key], got[key], f"{at}.{key}")
    elif isinstance(want, list) and want and all(isinstance(x, int | float) for x in want):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4 * np.abs(want).max() + 1e-12, err_msg=at)
    elif isinstance(want, list):
        assert len(got) == len(want), at
        for place, (one, other) in enumerate(zip(want, got, strict=True)):
            _compare(one, other, f"{at}[{place}]")
    elif isinstance(want, float):
        assert math.isclose(got, want, rel_tol=1e-3, abs_tol=1e-6), at
    else:
        assert got == want, at
