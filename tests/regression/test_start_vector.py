"""The fixed normal sequence against printed values, a published keystream and the normal distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from spacetravlr.regression.start_vector import _chacha8, start_vector

TAIL = 3.654152885361009


def test_it_gives_the_printed_numbers():
    printed = [0.6999607946268154, -0.14406163542784764, 0.30288628024558556, -1.374513899829971, 1.200341661914451]
    assert start_vector(5).tolist() == printed


@pytest.mark.parametrize(("n", "total"), [(377, 360.2736899615477), (3000, 2975.836520788383)])
def test_sums_of_squares(n, total):
    assert math.fsum((start_vector(n) ** 2).tolist()) == pytest.approx(total, rel=2e-15)


def test_the_cipher_gives_the_published_keystream_of_the_zero_key():
    published = "3e00ef2f895f40d67f5bb8e81f09a5a12c840ec3ce9a7f3b181be188ef711a1e"
    assert _chacha8([0] * 8, 0, 2)[0].tobytes().hex().startswith(published)


def test_blocks_do_not_depend_on_how_many_are_asked_for():
    key = list(range(8))
    crossing = 2**32 - 1
    together = _chacha8(key, crossing, 3)
    apart = [_chacha8(key, crossing + k, 1)[0] for k in range(3)]
    np.testing.assert_array_equal(together, apart)
    assert len({row.tobytes() for row in apart}) == 3


def test_shorter_vectors_are_prefixes_and_read_only():
    longest = start_vector(5000)
    for n in (0, 1, 1024, 1025, 4097):
        np.testing.assert_array_equal(start_vector(n), longest[:n])
    with pytest.raises(ValueError, match="read-only"):
        longest[0] = 1.0


def test_numbers_are_standard_normal_tail_included():
    numbers = start_vector(2**17)
    assert stats.kstest(numbers, "norm").pvalue > 0.01
    beyond = np.abs(numbers[np.abs(numbers) > TAIL])
    expected = 2**17 * 2 * stats.norm.sf(TAIL)
    assert abs(beyond.size - expected) < 3 * math.sqrt(expected)
    assert stats.kstest(stats.norm.sf(beyond) / stats.norm.sf(TAIL), "uniform").pvalue > 0.01
    assert {-1.0, 1.0} == set(np.sign(numbers[np.abs(numbers) > TAIL]))
