"""One thread for BLAS, whichever library brings it and whenever that is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from spacetravlr.threads import for_each_block, one_blas_thread

TOLD = """
import json, numpy, threadpoolctl
def threads():
    return {lib["filepath"]: lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"}
"""


def _in_a_fresh_interpreter(code: str) -> list[dict[str, int]]:
    """What the code prints, on two threads of BLAS."""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", TOLD + code], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_library_loaded_later_is_held_too_and_all_are_given_back():
    before, first, second, after = _in_a_fresh_interpreter("""
from spacetravlr.threads import one_blas_thread
found = [threads()]
with one_blas_thread():
    found.append(threads())
    import scipy.linalg
    with one_blas_thread():
        found.append(threads())
found.append(threads())
print(json.dumps(found))
""")
    assert len(second) > len(first) == len(before)
    assert set(before.values()) == {2}
    assert set(first.values()) == set(second.values()) == {1}
    assert after == dict.fromkeys(second, 2)


def test_preparing_holds_the_library_of_scipy_however_late_it_comes():
    (inside,) = _in_a_fresh_interpreter("""
from spacetravlr.threads import one_blas_thread
with one_blas_thread():
    pass
from spacetravlr.preparation.graph import quiet, scanpy
with quiet():
    scanpy()
    print(json.dumps([threads()]))
""")
    assert len(inside) > 1
    assert set(inside.values()) == {1}


@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_block_is_done_once(count):
    done = np.zeros(count)

    def work(block: int) -> None:
        with one_blas_thread():
            done[block] += 1

    for_each_block(work, count)
    assert done.tolist() == [1] * count
