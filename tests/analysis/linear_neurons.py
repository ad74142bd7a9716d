"""Small Datasets of sounds and the responses of linear neurons, ragged, and design matrices."""

import numpy as np
import xarray as xr

DT = 0.005


def linear_neurons(
    *, n_neurons=4, n_bins=(60, 45, 52, 40, 48), n_freq=3, n_lags=4, noise=0.5, seed=0
):
    """`spectrogram`, `psth` and the fields; neuron 1 did not hear the first sound."""
    rng = np.random.default_rng(seed)
    n_time = max(n_bins) + 3
    sound = rng.gamma(2, 1, (len(n_bins), n_freq, n_time)) * np.arange(1, n_freq + 1)[:, np.newaxis]
    for row, n in zip(sound, n_bins, strict=True):
        row[:, n:] = 0
    fields = rng.standard_normal((n_neurons, n_freq, n_lags))
    rate = np.full((n_neurons, len(n_bins), n_time), np.nan)
    for s, n in enumerate(n_bins):
        x = design(sound[s], n_lags)[:n]
        drive = x @ fields.reshape(n_neurons, -1).T
        rate[:, s, :n] = (3 + drive + noise * rng.standard_normal(drive.shape)).T
    if n_neurons > 1:
        rate[1, 0] = np.nan
    ds = xr.Dataset(
        {
            "psth": (("neuron", "stimulus", "time"), rate),
            "spectrogram": (("stimulus", "freq", "time"), sound, {"silence": 0.0}),
        },
        {
            "neuron": [f"b{k}_1_A" for k in range(n_neurons)],
            "area": ("neuron", ["MLd", "Field_L"] * (n_neurons // 2) + ["MLd"] * (n_neurons % 2)),
            "stimulus": [f"flatrip-{k:02d}" for k in range(len(n_bins))],
            "duration_s": ("stimulus", DT * np.array(n_bins)),
            "freq": 500.0 * np.arange(1, n_freq + 1),
            "time": ("time", np.arange(n_time) * 5 / 1000, {"dt_ms": 5.0}),
        },
    )
    return ds, fields


def design(sound, n_lags):
    """The lagged spectrogram. [shape: (time, freq * lag)]."""
    n_freq, n_time = sound.shape
    out = np.zeros((n_time, n_freq, n_lags))
    for t in range(n_time):
        for lag in range(min(n_lags, t + 1)):
            out[t, :, lag] = sound[:, t - lag]
    return out.reshape(n_time, -1)


def rows(ds, neuron, stimuli, n_lags):
    """Design matrix and response of all bins of a neuron, over the stimuli that it heard."""
    x, y = [], []
    for stimulus in stimuli:
        rate = ds.psth.sel(stimulus=stimulus).values[neuron]
        there = ~np.isnan(rate)
        x.append(design(ds.spectrogram.sel(stimulus=stimulus).values, n_lags)[there])
        y.append(rate[there])
    return np.concatenate(x), np.concatenate(y)
