import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given

import aa1xr
from aa1xr.analysis.coherence import COHERENCE
from aa1xr.errors import UndefinedWarning
from tests.analysis.small_datasets import DT, as_prediction, dataset, ragged_datasets, trials

NAMES = ("", "_max", "_psth", "_psth_max")


def hann(length):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, length + 1) / (length + 1))


def spectra(values, length):
    """Of each segment of a row, with a Hann window, about its mean."""
    starts = range(0, len(values) - length + 1, max(1, length // 2))
    parts = [values[k : k + length] for k in starts]
    return [np.fft.rfft((part - part.mean()) * hann(length))[1:] for part in parts]


def segments(prediction, ds, neuron, length):
    """P conj(Y), PP, RR, YY and the mean of R conj(R') of each segment, one after the other."""
    out = []
    plays = (ds.time.values >= 0) & (ds.time.values < ds.duration_s.values[:, np.newaxis] - 1e-9)
    for s in range(ds.sizes["stimulus"]):
        there = plays[s] & ~np.isnan(ds.spikes.values[neuron, s]).all(0)
        rows = trials(ds, neuron, s, there) if there.any() else []
        if len(rows) < 2 or len(rows[0]) < length:
            continue
        of_trials = [spectra(row, length) for row in rows]
        for k, p in enumerate(spectra(prediction.values[neuron, s][there], length)):
            r = [spectrum[k] for spectrum in of_trials]
            y = np.mean(r, 0)
            cross = [(a * b.conj()).real for a, b in combinations(r, 2)]
            out.append(
                [
                    p * y.conj(),
                    abs(p) ** 2,
                    np.mean(np.abs(r) ** 2, 0),
                    abs(y) ** 2,
                    np.mean(cross, 0),
                ]
            )
    return np.array(out)


def quantities(parts, length):
    """The coherences, and the bits of each in units of the distance between frequencies."""
    cross, p, r, y, shared = parts.sum(0)
    both = abs(cross) ** 2
    width = np.ones(length // 2)
    width[-1] = 1 if length % 2 else 0.5
    coherences = np.real([both / (p * r), shared / r, both / (p * y), shared / y])
    return np.array([[*row, (-np.log2(1 - row) * width).sum()] for row in coherences])


def jackknife(parts, length):
    n = len(parts)
    every = quantities(parts, length)
    without = np.array([quantities(np.delete(parts, k, 0), length) for k in range(n)])
    w = hann(length)
    half = length // 2
    overlap = sum(w[half + k] * w[k] for k in range(length - half)) / sum(w**2)
    scale = 1 + 2 * overlap**2
    mean = without.mean(0)
    error = np.sqrt(scale * (n - 1) / n * ((without - mean) ** 2).sum(0))
    return every - scale * (n - 1) * (mean - every), error


def compare(got, prediction, ds, neuron, length):
    parts = segments(prediction, ds, neuron, length)
    if len(parts) < 3:
        return 0
    with np.errstate(all="ignore"):
        estimate, error = jackknife(parts, length)
    for k, name in enumerate(NAMES):
        for suffix, values in (("", estimate[k]), ("_se", error[k])):
            found = got[f"coherence{name}{suffix}"][neuron].values
            known = np.isfinite(values[:-1]) & np.isfinite(found) & (abs(values[:-1]) < 1e4)
            np.testing.assert_allclose(found[known], values[:-1][known], rtol=1e-6, atol=1e-8)
            bits = got[f"information{name}{suffix}"][neuron].item()
            if np.isfinite(bits) and known.all() and abs(values[-1]) < 100:
                assert bits == pytest.approx(values[-1] / (length * DT), rel=1e-6, abs=1e-6)
    return len(parts)


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
@given(ragged_datasets())
def test_coherence__of_ragged_data_by_loops(ds):
    if ds.duration_s.max() < 4 * DT:
        return
    shape = [ds.sizes[d] for d in ("neuron", "stimulus", "time")]
    prediction = as_prediction(ds, np.random.default_rng(0).gamma(1, size=shape))
    got = aa1xr.coherence(ds, prediction, window_ms=20).compute()
    for n in range(ds.sizes["neuron"]):
        compare(got, prediction, ds, n, 4)


@pytest.mark.parametrize("window_ms", [100, 105])
def test_coherence__of_the_sample_by_loops(sample_archive, window_ms):
    ds = aa1xr.open_sample().isel(stimulus=[0, 11], trial=slice(4)).sel(neuron=["sim0000_1_B"])
    rng = np.random.default_rng(1)
    prediction = (ds.psth + 5 * rng.standard_normal(ds.psth.shape)).compute()
    got = aa1xr.coherence(ds, prediction, window_ms=window_ms).compute()
    length = round(window_ms / 5)
    assert compare(got, prediction, ds, 0, length) > 50
    np.testing.assert_allclose(got.frequency, np.arange(1, length // 2 + 1) * 1000 / window_ms)
    assert set(got.data_vars) == set(COHERENCE)


def gaussian(*, n_cells, n_stimuli, n_trials, signal, error, seed=0, n_bins=400):
    """Signals of one spectrum (low pass), trials with white noise of power 1, and predictions.

    Returns the Dataset, the prediction, and the information by its closed form, the integral of
    -log2(1 - coherence) over frequency.
    """
    rng = np.random.default_rng(seed)
    innovation = signal * rng.standard_normal((n_cells, n_stimuli, n_bins + 100))
    rate = np.zeros_like(innovation)
    for t in range(1, n_bins + 100):
        rate[..., t] = 0.8 * rate[..., t - 1] + innovation[..., t]
    rate = rate[..., 100:]
    noise = rng.standard_normal((n_cells, n_stimuli, n_trials, n_bins))
    ds = dataset(rate[:, :, np.newaxis] + noise, [n_bins] * n_stimuli)
    prediction = as_prediction(ds, rate + error * rng.standard_normal(rate.shape))
    low, high = 1 / (51 * DT) / 2, 1 / DT / 2  # segments of 255 ms
    f = low + (high - low) * (np.arange(10_000) + 0.5) / 10_000
    power = signal**2 / abs(1 - 0.8 * np.exp(-2j * np.pi * f * DT)) ** 2
    shared = power / (power + error**2)

    def bits(squared):
        return np.mean(-np.log2(1 - squared)) * (high - low)

    n = n_trials
    return (
        ds,
        prediction,
        {
            "": bits(shared * power / (power + 1)),
            "_max": bits(power / (power + 1)),
            "_psth": bits(shared * power / (power + 1 / n)),
            "_psth_max": bits(power / (power + 1 / n)),
        },
    )


@pytest.mark.parametrize(
    ("n_stimuli", "n_trials", "signal"), [(3, 10, 0.2), (3, 2, 0.5), (12, 10, 0.5), (12, 10, 0.2)]
)
def test_information__of_gaussian_signals_is_the_closed_form(n_stimuli, n_trials, signal):
    ds, prediction, truth = gaussian(
        n_cells=80, n_stimuli=n_stimuli, n_trials=n_trials, signal=signal, error=1
    )
    got = aa1xr.coherence(ds, prediction, window_ms=255).compute()
    for name, true in truth.items():
        values, error = got[f"information{name}"], got[f"information{name}_se"]
        message = f"{name}: {values.mean():.3f} instead of {true:.3f}"
        assert abs(values.mean() - true) < 4 * values.std() / math.sqrt(80) + 0.01 * true, message
        # The standard errors are those of the scatter over cells.
        assert 0.75 < error.mean() / values.std() < 1.35, name
        assert ((abs(values - true) < 1.96 * error).mean()) > 0.82, name


def test_information__beside_other_ways_to_remove_the_bias():
    """The uncorrected sum, and the limit of significance of Hsu, Borst & Theunissen (2004).

    Three stimuli, 10 trials: uncorrected, the information about the PSTH is too large by half; up
    to the first frequency whose band reaches 0 it is too small, for little of it is significant.
    """
    ds, prediction, truth = gaussian(n_cells=60, n_stimuli=3, n_trials=10, signal=0.2, error=1)
    got = aa1xr.coherence(ds, prediction, window_ms=255).compute()
    true = truth["_psth"]
    raw, limited, exact = [], [], []
    for cell in range(60):
        parts = segments(prediction, ds, cell, 51)
        squared = quantities(parts, 51)[2, :-1]
        bits = -np.log2(1 - squared) / (51 * DT)
        band = 1.96 * got.coherence_psth_se[cell].values
        below = np.flatnonzero(got.coherence_psth[cell].values < band)
        raw.append(bits.sum())
        limited.append(bits[: below[0] if below.size else None].sum())
        # For Gaussian signals -ln(1 - coherence) is 1 / (K - 1) too large; overlap takes 5 % of K.
        exact.append(bits.sum() - bits.size / (0.947 * len(parts) - 1) / math.log(2) / (51 * DT))
    jackknifed = float(got.information_psth.mean())
    assert np.mean(raw) > 1.4 * true
    assert abs(np.mean(exact) - true) < 0.08 * true
    assert abs(jackknifed - true) < 0.08 * true
    assert abs(np.mean(limited) - true) > 2 * abs(jackknifed - true)


@pytest.mark.parametrize("dt_ms", [1, 5])
def test_information__of_white_noise_as_a_prediction_is_zero(sample_archive, dt_ms):
    ds = aa1xr.open_sample(dt_ms=dt_ms).isel(stimulus=slice(0, 3))
    rng = np.random.default_rng(0)
    noise = ds.psth.copy(data=rng.standard_normal(ds.psth.shape))
    got = aa1xr.coherence(ds, noise).compute().dropna("neuron")
    assert got.sizes["neuron"] == 11  # one was presented no song
    for name in ("information", "information_psth"):
        assert (abs(got[name]) < 3 * got[name + "_se"]).all()
        assert abs(got[name].mean()) < 2 * np.sqrt((got[name + "_se"] ** 2).mean() / 10)


def test_information_max__does_not_depend_on_the_number_of_trials():
    ds, prediction, truth = gaussian(n_cells=40, n_stimuli=8, n_trials=12, signal=0.3, error=1)
    found = {}
    for n in (2, 5, 12):
        got = aa1xr.coherence(ds.isel(trial=slice(n)), prediction, window_ms=255).compute()
        found[n] = {name: float(got[f"information{name}"].mean()) for name in NAMES}
        for name in ("", "_max"):
            assert abs(found[n][name] / truth[name] - 1) < 0.06, (n, name)
    assert found[12]["_psth_max"] > 2 * found[2]["_psth_max"]  # that of the PSTH does


def test_information__of_held_out_trials_is_below_its_maximum(sample_archive):
    ds = aa1xr.open_sample()
    even, odd = (ds.isel(trial=slice(first, None, 2)) for first in (0, 1))
    got = aa1xr.coherence(odd, aa1xr.smooth(aa1xr.psth(even))).compute()
    for name in ("", "_psth"):
        most, error = got[f"information{name}_max"], got[f"information{name}_max_se"]
        assert (got[f"information{name}"] < most + 2 * error).all()


def test_coherence__of_the_psth_itself_and_of_nothing(sample_archive):
    ds = aa1xr.open_sample()
    got = aa1xr.coherence(ds, ds.psth).compute()
    np.testing.assert_allclose(got.coherence_psth, 1)
    assert np.isposinf(got.information_psth).all()
    with pytest.warns(UndefinedWarning, match="does not vary"):
        flat = aa1xr.coherence(ds, 0 * ds.psth).compute()
    assert flat.coherence.isnull().all()
    assert flat.information.isnull().all()
    np.testing.assert_array_equal(flat.coherence_max, got.coherence_max)


def test_coherence__counts_the_stimulus_whatever_the_window(sample_archive):
    # The window begins in the middle of a segment.
    plain, wide = aa1xr.open_sample(), aa1xr.open_sample(before_ms=1045, after_ms=1000)
    got = [aa1xr.coherence(ds, aa1xr.smooth(ds.psth)).compute() for ds in (plain, wide)]
    np.testing.assert_allclose(got[0].coherence_max, got[1].coherence_max)
    every = aa1xr.coherence(wide, aa1xr.smooth(wide.psth), during="all").compute()
    assert not np.allclose(every.coherence_max, got[1].coherence_max)


def test_coherence__is_undefined_for_fewer_than_three_segments():
    ds = dataset(np.random.default_rng(0).poisson(1.0, (2, 1, 4, 60)), [60])
    prediction = as_prediction(ds, np.random.default_rng(1).random((2, 1, 60)))
    with pytest.warns(UndefinedWarning, match="fewer than three windows"):
        got = aa1xr.coherence(ds, prediction, window_ms=200).compute()
    assert got.to_dataarray().isnull().all()


@pytest.mark.parametrize("window_ms", [5, 1e6])
def test_coherence__refuses_a_window_that_does_not_fit(sample_archive, window_ms):
    ds = aa1xr.open_sample()
    with pytest.raises(ValueError, match="expected 2 to 434"):
        aa1xr.coherence(ds, ds.psth, window_ms=window_ms)


def test_coherence__refuses_gaps_in_time(sample_archive):
    ds = aa1xr.open_sample().isel(time=[*range(100), *range(150, 300)])
    with pytest.raises(ValueError, match="not one of adjacent bins"):
        aa1xr.coherence(ds, ds.psth)
