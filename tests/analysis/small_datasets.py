"""Small Datasets of any shape, made of counts, and how to read one in plain loops."""

import numpy as np
import xarray as xr
from hypothesis import strategies as st

DT = 0.005


def dataset(counts, n_bins, *, n_before=0):
    """`spikes` [neuron, stimulus, trial, time] of sounds of so many bins, after some silence."""
    n, s, r, t = counts.shape
    time = (np.arange(t) - n_before) * 5 / 1000
    return xr.Dataset(
        {"spikes": (("neuron", "stimulus", "trial", "time"), counts.astype(np.float32))},
        {
            "neuron": [f"b{k}_1_A" for k in range(n)],
            "area": ("neuron", ["MLd", "Field_L"] * (n // 2) + ["MLd"] * (n % 2)),
            "stimulus": [f"flatrip-{k:02d}" for k in range(s)],
            "duration_s": ("stimulus", np.array(n_bins) * 5 / 1000),
            "trial": np.arange(r),
            "time": ("time", time, {"dt_ms": 5.0}),
        },
    )


def as_prediction(ds, values):
    """A prediction for the neurons, stimuli and bins of `ds`, with bare labels."""
    coords = {name: ds[name].variable for name in ("neuron", "stimulus", "time")}
    attrs = {"units": "spikes/s"}
    return xr.DataArray(values, coords, ("neuron", "stimulus", "time"), attrs=attrs)


@st.composite
def ragged_datasets(draw):
    """Counts with missing pairs, unequal trials and durations, silent trials, a window before."""
    n, s, r = (draw(st.integers(1, most)) for most in (3, 3, 5))
    n_bins = draw(st.lists(st.integers(1, 12), min_size=s, max_size=s))
    n_before = draw(st.integers(0, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate = draw(st.sampled_from([0.05, 0.5, 3]))
    counts = rng.poisson(rate, (n, s, r, n_before + max(n_bins))).astype(float)
    counts += (rng.random(counts.shape) < 0.3) * (np.arange(counts.shape[-1]) % 3)
    n_trials = rng.integers(0, r + 1, (n, s))
    for i, j in np.ndindex(n, s):
        counts[i, j, n_trials[i, j] :] = np.nan
        counts[i, j, :, n_before + n_bins[j] :] = np.nan
    return dataset(counts, n_bins, n_before=n_before)


def trials(ds, neuron, stimulus, where):
    """The counts of each presentation in those bins."""
    rows = ds.spikes.values[neuron, stimulus]
    return [row[where] for row in rows.astype(float) if not np.isnan(row[where]).any()]


def weighted(values, weights):
    """Average of numbers by weights; NaN of none."""
    total = sum(weights)
    return sum(v * w for v, w in zip(values, weights, strict=True)) / total if total else np.nan


def refuse(*_, **__):
    raise AssertionError("something was computed")
