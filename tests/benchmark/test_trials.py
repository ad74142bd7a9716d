import dataclasses
import itertools
import math

import numpy as np
import pytest

import aa1xr
from aa1xr.benchmark import mean_of_trials, measured_mean_of_trials
from aa1xr.benchmark.protocols import PROTOCOLS


def powers(trials):
    """Signal and noise power of (trial, time), from pairs of different trials."""
    n = len(trials)
    covariance = np.cov(trials)
    signal = (covariance.sum() - np.trace(covariance)) / (n * (n - 1))
    return signal, np.trace(covariance) / n - signal


def test_mean_of_trials__is_the_formula_of_powers(ds, protocol):
    """Against pairs of trials of the concatenated test stimuli, in NumPy."""
    numbers = (1, 5, 10, math.inf)
    found = mean_of_trials(ds, protocol, numbers)
    prepared = protocol.prepare(ds).compute()
    for k, split in enumerate(protocol.splits(prepared)):
        for neuron in ("sim0000_1_B", "sim0000_1_A"):
            trials = prepared.spikes.sel(neuron=neuron, stimulus=split.test)
            # The bins while a stimulus plays, one stimulus after the other.
            plays = prepared.time < prepared.duration_s.sel(stimulus=split.test)
            flat = trials.transpose("trial", "stimulus", "time").values
            flat = flat[:, plays.transpose("stimulus", "time").values]
            flat = flat[~np.isnan(flat).all(1)]
            signal, noise = powers(flat)
            ceiling = np.sqrt(signal / flat.mean(0).var(ddof=1))
            for n, result in zip(numbers, found, strict=True):
                of = result.isel(split=k, seed=0, stimulus_type=0).sel(neuron=neuron)
                expected = 1 / np.sqrt(1 + noise / (n * signal))
                np.testing.assert_allclose(of.cc_norm, expected, rtol=1e-5)
                np.testing.assert_allclose(of.cc_raw, expected * ceiling, rtol=1e-5)


def test_mean_of_trials__is_what_simulated_trials_give():
    """The formula itself: many trials with known signal and noise, predicted from others."""
    rng = np.random.default_rng(0)
    signal = np.sin(np.linspace(0, 60, 200_000)) * np.sqrt(2)  # power 1
    for noise, n in ((4.0, 1), (4.0, 5), (1.0, 10)):
        draws = signal + np.sqrt(noise) * rng.standard_normal((n + 10, signal.size))
        prediction, rest = draws[:n].mean(0), draws[n:]
        power, _ = powers(rest)
        covariance = np.cov(prediction, rest.mean(0))
        measured = covariance[0, 1] / np.sqrt(covariance[0, 0] * power)
        assert measured == pytest.approx(1 / np.sqrt(1 + noise / n), abs=0.01)


def test_measured_mean_of_trials__comes_near_the_formula(ds, protocol):
    neurons = ds.sel(neuron=["sim0000_1_B", "sim0000_1_A"])
    for n in (1, 5):
        measured = measured_mean_of_trials(neurons, protocol, n, seeds=range(6))
        (formula,) = mean_of_trials(neurons, protocol, [n])
        assert measured.cc_norm.dims == formula.cc_norm.dims
        np.testing.assert_allclose(
            measured.cc_norm.mean(["split", "seed"]),
            formula.cc_norm.mean(["split", "seed"]),
            atol=0.05,
        )
        assert measured.cc_raw.isnull().all()
        assert measured.attrs["model"] == f"mean of {n} other trial{'s' * (n > 1)} (measured)"


def test_mean_of_trials__counts_trials_of_each_type(ds):
    """With as many trials as there are, the mean has the noise ceiling of the PSTH."""
    both = dataclasses.replace(
        PROTOCOLS["cv10"], name="both", n_splits=1, types=("conspecific", "flatrip")
    )
    results = mean_of_trials(ds, both, [10, 15])
    prepared = both.prepare(ds)
    test = prepared.sel(stimulus=both.splits(prepared)[0].test)
    compared = 0
    for type_, (n, found) in itertools.product(both.types, zip((10, 15), results, strict=True)):
        of_type = aa1xr.sel(test, type=type_)
        there = (of_type.n_trials == n).all("stimulus").values
        with pytest.warns(aa1xr.UnitsWarning, match="a kernel of sum 2"):
            ceiling = aa1xr.quality(of_type)["ccmax_closed"].values[there]
        got = found.cc_norm.sel(stimulus_type=type_)[0, 0].values[there]
        np.testing.assert_allclose(got, ceiling, rtol=1e-5)
        compared += there.sum()
    assert compared >= 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ds, p: mean_of_trials(ds, p, [0]), "n must be above 0 trials; got 0"),
        (lambda ds, p: measured_mean_of_trials(ds, p, 9), "n .*two trials of each must be left"),
        (
            lambda ds, p: measured_mean_of_trials(aa1xr.take_trials(ds, slice(2)), p, 1),
            "must have at least three trials; one has 2",
        ),
        (lambda ds, p: measured_mean_of_trials(ds, p, 1, seeds=[-1]), "seeds=-1"),
    ],
)
def test_mean_of_trials__refuses(call, message, ds, protocol):
    with pytest.raises(ValueError, match=message):
        call(ds, protocol)
