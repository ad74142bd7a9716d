import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aa1xr.dataset.grid import make_grid
from aa1xr.dataset.options import BinOptions

RATE = 32000


def grid(n_samples=(64000,), **options):
    return make_grid(np.array(n_samples), RATE, BinOptions(**options))


def test_time__is_the_literal():
    time = grid(dt_ms=5).time()
    assert [time[1], time[3], time[7], time[-1]] == [0.005, 0.015, 0.035, 1.995]
    assert grid(dt_ms=0.5).time()[3] == 0.0015


@given(hop=st.integers(1, 400), k=st.integers(0, 1000))
def test_time__is_the_nearest_double_of_the_exact_edge(hop, k):
    time = grid((hop * 1001,), dt_ms=1000 * hop / RATE).time()
    assert time[k] == float(Fraction(k * hop, RATE))


@given(
    microseconds=st.integers(-(2**31), 2**31 - 1),
    hop=st.integers(1, 3200),
    rate=st.sampled_from([32000, 24414, 44100, 8000]),
)
def test_bins__are_the_floor_of_the_exact_quotient(microseconds, hop, rate):
    made = make_grid(np.array([rate]), rate, BinOptions(5 if rate == 32000 else 1000))
    made = replace(made, sample_rate=rate, hop=hop, n_before=0)
    exact = Fraction(microseconds, 10**6) / Fraction(hop, rate)
    assert made.bins(np.array([microseconds], np.int32))[0] == exact.__floor__()


def test_make_grid__window_ends_with_the_bin_of_the_last_sample():
    assert grid((160, 161, 320), dt_ms=5).n_bins.tolist() == [1, 2, 2]


def test_make_grid__widened_window_is_whole_bins():
    made = grid((161,), dt_ms=5, before_ms=12, after_ms=0.1)
    assert made.n_before == 3
    # 161 samples and 3.2 more end in the second bin after onset.
    assert made.n_bins.tolist() == [5]
    assert made.time()[0] == -0.015


@pytest.mark.parametrize("dt_ms", [5, 0.5, 0.03125, np.float64(1), np.int64(2), np.float32(0.5)])
def test_make_grid__takes_any_number(dt_ms):
    assert grid(dt_ms=dt_ms).dt_ms == float(dt_ms)


@pytest.mark.parametrize("dt_ms", [1, 5, 7, 40, 1500, 4000])
@pytest.mark.parametrize(("before_ms", "after_ms"), [(2000, 4000), (1999, 1000), (0, 0)])
def test_bounds_of_data__are_those_of_the_bins_that_were_recorded(dt_ms, before_ms, after_ms):
    lengths = np.array([32000, 52801, 80000])
    if dt_ms > 2500 + before_ms + after_ms:
        pytest.skip("such a bin is wider than the longest window")
    made = make_grid(lengths, RATE, BinOptions(dt_ms, before_ms, after_ms))
    edges = [(k - made.n_before) * Fraction(dt_ms) for k in range(made.n_time + 1)]
    bins = np.arange(made.n_time)
    first, after = made.bounds_of_data(np.arange(3), bins)
    assert edges[-1] >= 2500 + after_ms
    for s, n in enumerate(lengths):
        end = -(-(Fraction(int(n), 32) + after_ms) // dt_ms) * dt_ms
        expected = [a >= -2000 and b <= min(4000, end) for a, b in itertools.pairwise(edges)]
        assert ((bins >= first) & (bins < after[s])).tolist() == expected


def test_make_grid__takes_the_widest_bin():
    assert grid(dt_ms=4000, after_ms=4000).n_time == 2
