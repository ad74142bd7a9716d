"""Latencies of cells of known latency, and of cells that do not respond."""

import numpy as np
import pytest
import scipy.stats
import xarray as xr

import aa1xr
from aa1xr.analysis.latency import _rare_count
from aa1xr.errors import UndefinedWarning

LATENCY = 0.012


def poisson(rng, rate, start, stop):
    return rng.uniform(start, stop, rng.poisson(rate * (stop - start)))


def responding(rng, *, spontaneous=3.0, driven=40.0, until=1.0):
    return np.r_[poisson(rng, spontaneous, -2, 1), poisson(rng, driven, LATENCY, until)]


def bursting(rng, *, size=5, rate=1.0):
    """Bursts at 3 ms, at any time, whether a sound plays or not."""
    first = poisson(rng, rate, -2, 1)
    return (first[:, np.newaxis] + 0.003 * np.arange(size)).ravel()


def binned(cell, *, dt_ms, n_cells, n_stimuli=4, n_trials=10, seed=0):
    """A Dataset of the same spikes at any bin width; sounds of 1 s."""
    rng = np.random.default_rng(seed)
    edges = np.arange(round(-2000 / dt_ms), round(1000 / dt_ms) + 1) * dt_ms / 1000
    shape = (n_cells, n_stimuli, n_trials)
    counts = np.empty((*shape, edges.size - 1), np.float32)
    for at in np.ndindex(shape):
        counts[at] = np.histogram(cell(rng), edges)[0]
    return xr.Dataset(
        {"spikes": (("neuron", "stimulus", "trial", "time"), counts)},
        {
            "neuron": [f"b{k}_1_A" for k in range(n_cells)],
            "stimulus": [f"flatrip-{k:02d}" for k in range(n_stimuli)],
            "duration_s": ("stimulus", np.ones(n_stimuli)),
            "trial": np.arange(n_trials),
            "time": ("time", edges[:-1], {"dt_ms": float(dt_ms)}),
        },
    )


@pytest.mark.parametrize("dt_ms", [0.5, 1, 5, 10])
def test_latency__is_that_of_the_cell_at_every_bin_width(dt_ms):
    ds = binned(responding, dt_ms=dt_ms, n_cells=8)
    pooled = aa1xr.quality(ds, max_splits=1).latency.compute()
    assert (abs(pooled - LATENCY) < 0.004).all()
    each = aa1xr.quality(ds, by="stimulus", max_splits=1).latency.values
    found = each[~np.isnan(each)]
    assert found.size > 0.7 * each.size
    assert abs(np.median(found) - LATENCY) < 0.0025
    assert np.mean(abs(found - LATENCY) < 0.006) > 0.75
    assert found.max() < 0.03  # and not the first chance to find one, hundreds of ms later


@pytest.mark.parametrize("dt_ms", [0.5, 5])
def test_latency__of_bursts_without_a_response_is_nan(dt_ms):
    ds = binned(bursting, dt_ms=dt_ms, n_cells=8, n_stimuli=6)
    assert aa1xr.quality(ds, max_splits=1).latency.isnull().all()
    assert aa1xr.quality(ds, by="stimulus", max_splits=1).latency.isnull().all()


def test_latency__of_a_weak_response_is_right_or_nan():
    def weak(rng):
        return responding(rng, spontaneous=0.4, driven=8)

    each = aa1xr.quality(
        binned(weak, dt_ms=1, n_cells=8), by="stimulus", max_splits=1
    ).latency.values
    found = each[~np.isnan(each)]
    assert found.size < 0.5 * each.size
    assert (abs(found - LATENCY) < 0.02).all()


def test_latency__of_a_short_response():
    def transient(rng):
        return responding(rng, driven=150, until=0.03)

    each = aa1xr.quality(
        binned(transient, dt_ms=1, n_cells=4), by="stimulus", max_splits=1
    ).latency.values
    assert (abs(each - LATENCY) < 0.006).all()


def test_latency__is_undefined_in_wide_bins():
    ds = binned(responding, dt_ms=20, n_cells=2)
    with pytest.warns(UndefinedWarning, match="more than 10 ms"):
        assert aa1xr.quality(ds, max_splits=1).latency.isnull().all()


def test_latency__of_few_bins_before_onset_is_nan():
    ds = binned(responding, dt_ms=5, n_cells=2)
    short = ds.sel(time=slice(-0.01, None))
    assert aa1xr.quality(short, by="stimulus", max_splits=1).latency.isnull().all()


def test_rare_count__is_that_of_scipy():
    n_trials, h, n = (
        np.array([10, 10, 3, 0]),
        np.array([0.0, 7, 2, 0]),
        np.array([200.0, 90, 20, 0]),
    )
    bound = np.array([1e-4, 1e-5, 1e-9, 1e-3])
    got = _rare_count(n_trials, h, n, bound)
    for k, least in enumerate(got):
        tail = [
            scipy.stats.betabinom.sf(i - 1, n_trials[k], h[k] + 1, n[k] - h[k] + 1)
            for i in range(n_trials[k] + 2)
        ]
        assert least == next(i for i, p in enumerate(tail) if p < bound[k])
