import numpy as np
import pytest
import xarray as xr

import aa1xr


def fields(values, freq, *, dt=0.005):
    values = np.asarray(values, float)
    return xr.Dataset(
        {"strf": (("neuron", "freq", "lag"), values)},
        {
            "neuron": [f"b{k}_1_A" for k in range(len(values))],
            "area": ("neuron", ["MLd"] * len(values)),
            "freq": freq,
            "lag": np.arange(values.shape[2]) * dt,
        },
    )


def test_tuning__of_a_gaussian_bump():
    freq, lag = np.linspace(200, 8000, 40), np.arange(20) * 0.005
    bump = np.exp(-(((freq[:, np.newaxis] - 3000) / 800) ** 2) / 2 - ((lag - 0.02) / 0.01) ** 2 / 2)
    got = aa1xr.tuning(fields([bump, -bump, np.full_like(bump, np.nan)], freq))
    assert got.best_frequency.values[0] == 3000
    assert got.latency.values[0] == 0.02
    # At half the peak a Gaussian is 2.355 sigma wide.
    assert abs(got.bandwidth.values[0] - 2.355 * 800) < 100
    assert got.best_temporal_modulation.values[0] == 0
    for name in got:
        assert np.isnan(got[name].values[1:]).all()
    assert got.sel(area="MLd").sizes["neuron"] == 3


@pytest.mark.parametrize("sweep", [-1, 1])
def test_tuning__of_a_ripple(sweep):
    freq, lag = np.linspace(500, 8500, 81), np.arange(40) * 0.005
    phase = 25 * lag + sweep * 0.75 * freq[:, np.newaxis] / 1000
    got = aa1xr.tuning(fields([np.cos(2 * np.pi * phase)], freq))
    assert abs(got.best_temporal_modulation.item() - 25) < 1.3
    assert abs(got.best_spectral_modulation.item() - 0.75) < 0.04


def test_tuning__bands_are_placed_on_a_linear_axis():
    # One cycle a kHz, on bands that are the wider the higher they are.
    freq, lag = np.geomspace(500, 8000, 120), np.arange(20) * 0.005
    ripple = np.cos(2 * np.pi * freq[:, np.newaxis] / 1000) * np.exp(-lag / 0.02)
    got = aa1xr.tuning(fields([ripple], freq))
    assert abs(got.best_spectral_modulation.item() - 1) < 0.05


def test_tuning__is_lazy(lazily):
    ds = fields(np.random.default_rng(0).standard_normal((4, 8, 10)), np.arange(1, 9) * 500.0)
    with lazily():
        got = aa1xr.tuning(ds.chunk(neuron=2))
    assert got.latency.chunks == ((2, 2),)
    xr.testing.assert_equal(got.compute(), aa1xr.tuning(ds))


def test_tuning__refuses():
    with pytest.raises(ValueError, match="no variable 'strf'"):
        aa1xr.tuning(xr.Dataset())
