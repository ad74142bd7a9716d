import warnings

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.errors import UndefinedWarning
from aa1xr.simulation import MEL
from tests.analysis.click_archive import write_clicks


def fields(values, freq, *, dt=0.005, **coords):
    """Fields whose frames cover what those of aa1xr.open do at 5 ms."""
    values = np.asarray(values, float)
    frames = {"dt_ms": 1000 * dt, "frame_start_ms": -5.0, "frame_stop_ms": 5.0, "window_ms": 10.0}
    return xr.Dataset(
        {"strf": (("neuron", "freq", "lag"), values)},
        {
            "neuron": [f"b{k}_1_A" for k in range(len(values))],
            "area": ("neuron", ["MLd"] * len(values)),
            "freq": freq,
            "lag": ("lag", np.arange(values.shape[2]) * dt, frames),
        }
        | coords,
    )


def bump(freq, lag, *, at=3000, width=800, delay=0.02):
    profile = np.exp(-(((freq[:, np.newaxis] - at) / width) ** 2) / 2)
    return profile * np.exp(-(((lag - delay) / 0.01) ** 2) / 2)


FREQ, LAG = np.linspace(200, 8000, 40), np.arange(20) * 0.005


def test_tuning__of_a_gaussian_bump():
    field = bump(FREQ, LAG)
    got = aa1xr.tuning(fields([field, -field, np.full_like(field, np.nan)], FREQ))
    assert got.best_frequency.values[0] == 3000
    # Lag 20 ms is frames centred 20 ms before the left edge of a bin of 5 ms.
    np.testing.assert_allclose(got.latency.values[0], 0.0225, atol=1e-4)
    np.testing.assert_allclose(got.latency_min.values[0], 0.015, atol=1e-4)
    np.testing.assert_allclose(got.latency_max.values[0], 0.030, atol=1e-4)
    # At half the peak a Gaussian is 2.355 sigma wide.
    assert abs(got.bandwidth.values[0] - 2.355 * 800) < 20
    assert got.bandwidth_min.values[0] == got.bandwidth.values[0]
    assert got.best_temporal_modulation.values[0] == 0
    for name in got:
        assert np.isnan(got[name].values[1:]).all()
    assert got.sel(area="MLd").sizes["neuron"] == 3


@pytest.mark.parametrize(
    ("dt_ms", "frames"),
    [(1, "causal"), (2, "centred"), (5, "causal"), (5, "centred"), (10, "centred")],
)
def test_tuning__latency_of_cells_that_answer_clicks(clicks, dt_ms, frames):
    n_mels = 8 if dt_ms < 5 else 32  # narrow bins have many lags, and take time
    ds = aa1xr.open(clicks, data_dir=clicks.parent, dt_ms=dt_ms, frames=frames, n_mels=n_mels)
    sounds = ds.stimulus.values
    fit = aa1xr.strf(ds, train=sounds[:4], validation=sounds[4:], lags_ms=60).compute()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedWarning)  # clicks have all frequencies
        got = aa1xr.tuning(fit)
    true = np.array(DELAYS_MS) / 1000
    assert np.abs(got.latency.values - true).max() <= dt_ms / 2000
    assert (got.latency_min.values <= true).all()
    assert (got.latency_max.values >= true).all()
    width = (dt_ms + fit.lag.attrs["frame_stop_ms"] - fit.lag.attrs["frame_start_ms"]) / 1000
    np.testing.assert_allclose((got.latency_max - got.latency_min).values[2:], width)


DELAYS_MS = (8, 12, 20, 45)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    return write_clicks(tmp_path_factory.mktemp("clicks") / "a.zip", DELAYS_MS)


def test_tuning__latency_is_nan_at_the_first_and_the_last_lag():
    falling, rising = np.exp(-LAG / 0.01), np.exp(LAG / 0.01)
    shape = bump(FREQ, LAG)[:, 4:5]
    with pytest.warns(UndefinedWarning) as said:
        got = aa1xr.tuning(fields([shape * falling, shape * rising], FREQ))
    assert got.latency.isnull().all()
    assert got.latency_min.values[0] == 0
    np.testing.assert_allclose(got.latency_max.values[0], 0.010, atol=0.0025)
    np.testing.assert_allclose(got.latency_min.values[1], 0.095 - 0.005, atol=0.0025)
    assert np.isnan(got.latency_max.values[1])
    messages = [str(each.message) for each in said]
    assert any(
        "1 neuron ('b0_1_A') latency is undefined (NaN): the STRF peaks at its first lag" in m
        for m in messages
    )
    assert any(
        "('b1_1_A') latency is undefined (NaN): the STRF peaks at its last" in m for m in messages
    )


def test_tuning__latency_is_nan_where_the_frames_are_not_known():
    ds = fields([bump(FREQ, LAG)], FREQ)
    ds.lag.attrs = {}
    with pytest.warns(UndefinedWarning, match="do not say what of the sound a frame covers"):
        got = aa1xr.tuning(ds)
    assert got[["latency", "latency_min", "latency_max"]].to_dataarray().isnull().all()
    assert got.best_frequency.item() == 3000


@pytest.mark.parametrize("at", [14000, 300])
def test_tuning__bandwidth_that_is_cut_is_nan_beside_a_lower_bound(at):
    freq = MEL.centres()
    field = bump(freq, LAG, at=at, width=2000 if at > 1000 else 400)
    with pytest.warns(UndefinedWarning, match="bandwidth is undefined"):
        got = aa1xr.tuning(fields([field], freq))
    assert np.isnan(got.bandwidth.item())
    half_width = 1.1774 * (2000 if at > 1000 else 400)
    edge = freq[-1] - at if at > 1000 else at - freq[0]
    assert abs(got.bandwidth_min.item() - (half_width + edge)) < 150


def test_tuning__is_of_weights_for_one_unit_in_bands_with_sound():
    # The same field in the units of a fit: scaled bands, of which some hold next to no sound.
    field = bump(FREQ, LAG)
    deviation = np.where(FREQ > 7000, 1e-4, np.geomspace(0.05, 1, FREQ.size))
    scale = np.maximum(deviation, 0.01)
    field[FREQ > 7000] = 50 * field.max()  # noise of an estimate where there is no sound
    ds = fields([field * scale[:, np.newaxis]], FREQ)
    ds = ds.assign(scale=("freq", scale), deviation=("freq", deviation))
    got = aa1xr.tuning(ds)
    assert got.best_frequency.item() == 3000
    assert abs(got.bandwidth.item() - 2.355 * 800) < 20
    assert got.best_spectral_modulation.item() == 0
    # A band without sound ends the bandwidth, as the last band does.
    wide = bump(FREQ, LAG, at=6500)
    ds = ds.assign(strf=(ds.strf.dims, wide[np.newaxis] * scale[:, np.newaxis]))
    with pytest.warns(UndefinedWarning, match="bandwidth is undefined"):
        assert np.isnan(aa1xr.tuning(ds).bandwidth.item())


def test_tuning__of_simulated_cells_is_that_of_their_true_fields(tmp_path):
    truth = aa1xr.simulate_archive(
        tmp_path / "a.zip", n_neurons=4, n_songs=0, n_ripples=7, n_trials=60, seed=3
    )
    ds = aa1xr.open(tmp_path / "a.zip", data_dir=tmp_path)
    train, validation, _ = aa1xr.split(ds, test=1, validation=2)
    fit = aa1xr.strf(ds, train=train, validation=validation).compute()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedWarning)
        true, got = aa1xr.tuning(truth), aa1xr.tuning(fit)
    use = (fit.cc_validation > 0.3).values
    assert use.sum() >= 3
    band = np.searchsorted(ds.freq, true.best_frequency) - np.searchsorted(
        ds.freq, got.best_frequency
    )
    assert np.abs(band[use]).max() <= 1
    assert np.nanmax(np.abs(got.latency - true.latency).values[use]) < 0.0025


@pytest.mark.filterwarnings("ignore::aa1xr.errors.UndefinedWarning")  # the last lag
@pytest.mark.parametrize("sweep", [-1, 1])
def test_tuning__of_a_ripple(sweep):
    freq, lag = np.linspace(500, 8500, 81), np.arange(40) * 0.005
    phase = 25 * lag + sweep * 0.75 * freq[:, np.newaxis] / 1000
    got = aa1xr.tuning(fields([np.cos(2 * np.pi * phase + 1)], freq))
    assert abs(got.best_temporal_modulation.item() - 25) < 1.3
    assert abs(got.best_spectral_modulation.item() - 0.75) < 0.04


@pytest.mark.filterwarnings("ignore::aa1xr.errors.UndefinedWarning")  # the bandwidth
def test_tuning__bands_are_placed_on_a_linear_axis():
    # One cycle a kHz, on bands that are the wider the higher they are.
    freq = np.geomspace(500, 8000, 120)
    ripple = np.cos(2 * np.pi * freq[:, np.newaxis] / 1000) * np.exp(-LAG / 0.02)
    got = aa1xr.tuning(fields([ripple], freq))
    assert abs(got.best_spectral_modulation.item() - 1) < 0.05
