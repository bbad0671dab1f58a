"""What happens when a device fails: the CPU takes over, it is told once per block, and in the end for good."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from spacetravlr.device import MOST_FAILURES, Accelerator


def failing(message: str = "out of memory"):
    def work() -> str:
        raise RuntimeError(message)

    return work


def cpu() -> str:
    return "cpu"


def device() -> str:
    return "device"


def test_work_goes_to_the_device_and_on_failure_to_the_cpu():
    accelerator = Accelerator("cpu", name="cuda (Card)")
    assert accelerator.attempt(device, cpu) == "device"
    assert accelerator.take_notices() == []
    assert accelerator.attempt(failing("CUDA out of memory.\nTry less."), cpu) == "cpu"
    assert accelerator.take_notices() == ["cuda (Card) failed (CUDA out of memory): this part is computed on the CPU"]
    assert accelerator.take_notices() == []
    assert accelerator.attempt(device, cpu) == "device"


def test_the_rest_of_a_block_stays_on_the_cpu_and_is_told_once():
    accelerator = Accelerator("cpu", name="card")
    with accelerator.block("the block A .. B"):
        assert accelerator.attempt(device, cpu) == "device"
        assert accelerator.attempt(failing(), cpu) == "cpu"
        assert accelerator.attempt(device, cpu) == "cpu"
        assert accelerator.attempt(failing(), cpu) == "cpu"
    assert accelerator.take_notices() == ["card failed (out of memory): the block A .. B is computed on the CPU"]
    assert not accelerator.is_given_up
    with accelerator.block("the block C .. D"):
        assert accelerator.attempt(device, cpu) == "device"


def test_a_device_that_keeps_failing_is_not_tried_again():
    accelerator, tried = Accelerator("cpu", name="card"), []

    def work() -> str:
        tried.append(1)
        raise RuntimeError("driver")

    for number in range(MOST_FAILURES + 3):
        with accelerator.block(f"block {number}"):
            assert accelerator.attempt(work, cpu) == "cpu"
    assert len(tried) == MOST_FAILURES
    assert accelerator.is_given_up
    told = accelerator.take_notices()
    assert len(told) == MOST_FAILURES
    assert [text.endswith(f"everything after it, because this was failure number {MOST_FAILURES}") for text in told] == [
        False, False, True,
    ]  # fmt: skip
    assert accelerator.attempt(device, cpu) == "cpu"


def test_blocks_of_other_threads_are_not_affected():
    accelerator, seen = Accelerator("cpu"), []

    def other() -> None:
        with accelerator.block("other"):
            seen.append(accelerator.attempt(device, cpu))

    with accelerator.block("own"):
        accelerator.attempt(failing(), cpu)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert accelerator.attempt(device, cpu) == "cpu"
    assert seen == ["device"]


def test_errors_of_the_cpu_and_of_other_kinds_are_not_hidden():
    accelerator = Accelerator("cpu")
    with pytest.raises(RuntimeError, match="wrong"):
        accelerator.attempt(failing(), failing("wrong"))

    def typo() -> str:
        raise TypeError("typo")

    with pytest.raises(TypeError, match="typo"):
        accelerator.attempt(typo, cpu)


def test_arrays_are_kept_on_the_device_as_long_as_they_live():
    torch = pytest.importorskip("torch")
    accelerator = Accelerator("cpu")
    array = np.arange(6.0).reshape(2, 3)[:, ::-1]
    there = accelerator.kept(array)
    assert accelerator.kept(array) is there
    assert there.dtype == torch.float64
    assert np.array_equal(there.numpy(), array)
    assert accelerator.kept(np.ones(2), "float32").dtype == torch.float32
    gc.collect()
    assert len(accelerator._kept) == 1
    accelerator.attempt(failing(), cpu)
    assert accelerator._kept == {}
    del array
    gc.collect()
    again = np.arange(3.0)
    assert np.array_equal(accelerator.kept(again).numpy(), again)


def test_small_products_do_not_pay():
    accelerator = Accelerator("cpu", worth=1e6)
    assert not accelerator.pays(1e5)
    assert accelerator.pays(1e6)
