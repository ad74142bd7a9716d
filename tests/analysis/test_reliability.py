import math

import numpy as np
import pytest

from aa1xr.analysis.reliability import halves, spearman_brown


@pytest.mark.parametrize(("n", "count"), [(2, 1), (3, 3), (10, 126), (15, 6435)])
def test_halves__are_all_there_are(n, count):
    splits = halves(n, 10_000)
    assert len(splits) == count == math.comb(n, n // 2) // (1 if n % 2 else 2)
    assert (splits.sum(1) == n // 2).all()
    sides = {frozenset([tuple(split), tuple(~split)]) for split in splits}
    assert len(sides) == count


def test_halves__beyond_the_bound_are_always_the_same():
    splits = halves(16, 100)
    assert splits.shape == (100, 16)
    assert (splits.sum(1) == 8).all()
    # Each trial is as often in one half as in the other, about.
    assert (abs(splits.mean(0) - 0.5) < 0.2).all()
    halves.cache_clear()
    np.testing.assert_array_equal(halves(16, 100), splits)


def test_spearman_brown__of_equal_halves():
    r = np.array([0.1, 0.5, 1])
    np.testing.assert_allclose(spearman_brown(r, 5, 5), 2 * r / (1 + r))


def test_spearman_brown__of_unequal_halves_is_exact():
    noise = 3.0
    r = 1 / np.sqrt((1 + noise / 7) * (1 + noise / 8))
    np.testing.assert_allclose(spearman_brown(r, 7, 8), 1 / (1 + noise / 15))
