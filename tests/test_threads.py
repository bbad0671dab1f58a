"""One thread for BLAS, whichever library brings it and whenever that is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager

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


def test_every_thread_of_a_program_can_hold_and_give_back():
    found = _in_a_fresh_interpreter("""
import threading
from spacetravlr.threads import one_blas_thread
found, inside, leave = [], threading.Event(), threading.Event()
with one_blas_thread():
    pass
def hold():
    with one_blas_thread():
        inside.set()
        found.append(threads())
        leave.wait()
    found.append(threads())
thread = threading.Thread(target=hold)
thread.start()
inside.wait()
with one_blas_thread():
    leave.set()
    thread.join()
found.append(threads())
with threadpoolctl.threadpool_limits(1, user_api="blas"):
    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
found.append(threads())
print(json.dumps(found))
""")
    assert [set(one.values()) for one in found] == [{1}, {1}, {2}, {1}, {1}, {2}]


def test_a_library_that_a_thread_loads_is_held_too():
    within, after = _in_a_fresh_interpreter("""
import threading
from spacetravlr.threads import for_each_block, one_blas_thread
found = []
def load(block):
    if block == 0:
        import scipy.linalg
        with one_blas_thread():
            found.append(threads())
for_each_block(load, 2)
print(json.dumps([*found, threads()]))
""")
    assert len(within) > 1
    assert set(within.values()) == {1}
    assert set(after.values()) == {2}


def test_simulations_at_once_leave_the_threads_of_others_alone():
    held, after = _in_a_fresh_interpreter("""
import threading
from spacetravlr.perturbation._pool import run_all
from spacetravlr.threads import one_blas_thread
found, inside, leave = [], threading.Event(), threading.Event()
def other():
    with one_blas_thread():
        inside.set()
        leave.wait()
        found.append(threads())
thread = threading.Thread(target=other)
def work(item, stopped):
    if item == 0:
        thread.start()
    inside.wait()
run_all(work, [0, 1], workers=2)
leave.set()
thread.join()
print(json.dumps([*found, threads()]))
""")
    assert set(held.values()) == {1}
    assert set(after.values()) == {2}


def test_simulations_at_once_share_the_threads(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from spacetravlr import threads
    from spacetravlr.perturbation._pool import run_all

    @contextmanager
    def held():
        yield 6

    asked = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers, **more):
            asked.append(workers)
            super().__init__(workers, **more)

    monkeypatch.setattr(threads, "one_blas_thread", held)
    monkeypatch.setattr("spacetravlr.perturbation._pool.one_blas_thread", held)
    monkeypatch.setattr(threads, "ThreadPoolExecutor", Pool)

    def work(item, stopped):
        # blocks within blocks keep to the share too
        for_each_block(lambda block: for_each_block(lambda inner: None, 9) if block == 0 else None, 7)

    run_all(work, [0, 1, 2], workers=3)
    assert asked == [2] * 6
    for_each_block(lambda block: None, 7)
    assert asked[6:] == [6]


def test_a_number_of_each_thread_is_set_in_each_thread(monkeypatch):
    import threading

    from spacetravlr import threads

    class OpenMp:
        """A library whose number of threads is that of whoever asks."""

        filepath = "libopenmp"
        own = threading.local()

        @property
        def num_threads(self):
            return getattr(self.own, "value", 4)

        def set_num_threads(self, value):
            self.own.value = value

    library, seen = OpenMp(), []
    monkeypatch.setattr(threads, "_blas", lambda: [library])
    for_each_block(lambda block: seen.append(library.num_threads), 12)
    assert seen == [1] * 12
    assert library.num_threads == 4
    # somebody has held it in this thread before, and a worker has the usual number
    library.set_num_threads(1)
    with one_blas_thread():
        worker = threading.Thread(target=threads.begin_worker)
        worker.start()
        worker.join()
    assert library.num_threads == 1


@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_block_is_done_once(count):
    done = np.zeros(count)

    def work(block: int) -> None:
        with one_blas_thread():
            done[block] += 1

    for_each_block(work, count)
    assert done.tolist() == [1] * count
