"""Errors against closed forms, and against the scatter over cells of known truth."""

import numpy as np
import pytest
import xarray as xr

import aa1xr
from tests.analysis.small_datasets import DT, dataset


def part(result, statistic):
    return result.sel(statistic=statistic).values


def covered(result, truth):
    return np.mean((part(result, "low") <= truth) & (part(result, "high") >= truth))


def cells(*, n_cells=100, n_trials=8, gain=10.0):
    """Poisson cells that share a rate; the SNR and the mean rate that they have."""
    rng = np.random.default_rng(3)
    rate = (20 + gain * rng.standard_normal((3, 120))).clip(0)
    mean = np.broadcast_to(rate[:, np.newaxis] * DT, (n_cells, 3, n_trials, 120))
    snr = np.mean(np.var(rate * DT, axis=1, ddof=1)) / (rate.mean() * DT)
    return dataset(rng.poisson(mean), [120] * 3), snr, rate.mean()


def snr_of(ds):
    return aa1xr.quality(ds, max_splits=1).snr  # which needs no splits


def rate_of(ds):
    return aa1xr.quality(ds, max_splits=1).rate_driven


def test_jackknife__of_a_mean_is_the_standard_error():
    values = np.random.default_rng(0).standard_normal((4, 9))
    counts = xr.DataArray(values, {"trial": np.arange(9)}, ("neuron", "trial"))
    got = aa1xr.jackknife(lambda c: c.mean("trial"), counts, over="trial")
    np.testing.assert_allclose(part(got, "standard_error"), values.std(1, ddof=1) / 3)
    np.testing.assert_allclose(part(got, "bias"), 0, atol=1e-12)
    t = 2.306004135
    np.testing.assert_allclose(
        part(got, "high"), values.mean(1) + t * part(got, "standard_error"), rtol=1e-6
    )


def test_jackknife__of_means_over_pairs_does_not_count_them_twice():
    """The mean product of two different values of a pure noise: variance 2 / (n * (n - 1))."""
    n = 6
    values = np.random.default_rng(1).standard_normal((4000, n))
    noise = xr.DataArray(values, {"trial": np.arange(n)}, ("neuron", "trial"))

    def product(x):
        k = x.sizes["trial"]
        return (x.sum("trial") ** 2 - (x**2).sum("trial")) / (k * (k - 1))

    got = aa1xr.jackknife(product, noise, over="trial")
    found = np.mean(part(got, "standard_error") ** 2)
    # The plain jackknife gives 2 * (n - 1) / (n - 2) = 2.5 times the variance; what is above 1 here
    # comes from keeping each variance above the least that it can be.
    assert 1 <= found / (2 / (n * (n - 1))) < 1.7


def test_jackknife__over_trials_covers_the_true_snr():
    ds, snr, rate = cells()
    names = ["snr", "rate_driven"]
    got = aa1xr.jackknife(lambda ds: aa1xr.quality(ds, max_splits=1)[names], ds, over="trial")
    assert 0.9 < covered(got.snr, snr) <= 0.99
    assert 0.85 < part(got.snr, "standard_error").mean() / part(got.snr, "estimate").std() < 1.15
    assert covered(got.rate_driven, rate) > 0.9
    assert got.snr.attrs["units"] == "1"


def test_trials_with_replacement__are_refused_since_they_inflate_the_snr():
    ds, snr, _ = cells(n_cells=20)
    drawn = ds.isel(trial=np.random.default_rng(0).integers(0, 8, 8))
    for measure in (
        lambda: aa1xr.quality(drawn),
        lambda: aa1xr.score(drawn, 20 + 0 * ds.spikes.mean("trial")),
        lambda: aa1xr.coherence(drawn, ds.spikes.mean("trial"), window_ms=100),
    ):
        with pytest.raises(ValueError, match=r"trial \d occurs \d times: trials drawn with"):
            measure()
    hidden = drawn.assign_coords(trial=np.arange(8))
    assert aa1xr.quality(hidden).snr.mean() > 2 * snr  # what they would have given
    with pytest.raises(ValueError, match=r"use aa1xr.jackknife"):
        aa1xr.bootstrap(aa1xr.quality, ds, over="trial")


def test_jackknife__counts_the_trials_and_stimuli_that_a_neuron_has():
    ds, _, _ = cells(n_cells=2)
    fewer = ds.copy(deep=True)
    fewer.spikes[1, :, 5:] = np.nan
    got = aa1xr.jackknife(snr_of, fewer, over="trial")
    for neuron, n in ((0, 8), (1, 5)):
        alone = ds.isel(neuron=[neuron], trial=slice(n))
        expected = aa1xr.jackknife(snr_of, alone, over="trial")
        np.testing.assert_allclose(got.isel(neuron=[neuron]).values, expected.values)
    fewer.spikes[1, 0, 3:] = np.nan
    with pytest.raises(ValueError, match="numbers of trials must be equal"):
        aa1xr.jackknife(snr_of, fewer, over="trial")
    fewer = ds.copy(deep=True)
    fewer.spikes[1, 2] = np.nan
    got = aa1xr.jackknife(rate_of, fewer, over="stimulus")
    alone = ds.isel(neuron=[1], stimulus=[0, 1])
    expected = aa1xr.jackknife(rate_of, alone, over="stimulus")
    np.testing.assert_allclose(got.isel(neuron=[1]).values, expected.values)


def test_errors_over_stimuli__cover_the_snr_of_all_such_stimuli():
    rng = np.random.default_rng(2)
    n_cells, n_stimuli = 100, 12
    gain = rng.uniform(2, 12, (n_cells, n_stimuli, 1))
    rate = (30 + gain * rng.standard_normal((n_cells, n_stimuli, 80))).clip(0)
    counts = rng.poisson(np.repeat(rate[:, :, np.newaxis] * DT, 4, 2))
    ds = dataset(counts, [80] * n_stimuli).compute()
    snr = (12**3 - 2**3) / 3 / 10 * DT**2 / (30 * DT)
    for errors in (aa1xr.jackknife, aa1xr.bootstrap):
        options = {} if errors is aa1xr.jackknife else {"n": 60}
        got = errors(snr_of, ds, over="stimulus", **options)
        assert 0.88 < covered(got, snr) <= 0.99
        ratio = part(got, "standard_error").mean() / part(got, "estimate").std()
        assert 0.85 < ratio < 1.15


def test_bootstrap__over_neurons_of_a_mean_and_a_median():
    rng = np.random.default_rng(4)
    means, errors = [], []
    for seed in range(20):
        values = rng.normal(5, 2, 20)
        snr = xr.DataArray(values, {"neuron": [f"b{k}" for k in range(20)]}, ("neuron",))
        got = aa1xr.bootstrap(lambda x: x.mean(), snr, over="neuron", n=60, seed=seed)
        means.append(covered(got, 5))
        errors.append(part(got, "standard_error") / (values.std(ddof=1) / 20**0.5))
    assert 0.88 < np.mean(means) <= 1
    assert abs(np.mean(errors) - 1) < 0.05
    again = [aa1xr.bootstrap(np.median, snr, over="neuron", n=50, seed=7) for _ in range(2)]
    xr.testing.assert_identical(*again)


@pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")
def test_uncertainty__takes_predictions_and_responses_alike(sample_archive):
    ds = aa1xr.open_sample().sel(type="flatrip").isel(neuron=slice(3)).compute()
    prediction = aa1xr.smooth(ds.psth)
    for errors in (aa1xr.jackknife, aa1xr.bootstrap):
        options = {} if errors is aa1xr.jackknife else {"n": 5}
        got = errors(aa1xr.score, ds, prediction, over="stimulus", **options)
        assert (part(got.cc_raw, "standard_error") > 0).all()
        assert got.cc_raw.dims == ("statistic", "neuron")
        np.testing.assert_array_equal(
            part(got.cc_raw, "estimate"), aa1xr.score(ds, prediction).cc_raw
        )


def test_uncertainty__refuses_what_it_cannot_take(sample_archive):
    ds = aa1xr.open_sample()
    with pytest.raises(ValueError, match="must not have the dimension 'neuron'"):
        aa1xr.jackknife(aa1xr.quality, ds, over="neuron")
    with pytest.raises(ValueError, match="same labels along 'stimulus'"):
        aa1xr.jackknife(aa1xr.score, ds, ds.psth[:, :3], over="stimulus")
    with pytest.raises(ValueError, match="at least two along 'trial'"):
        aa1xr.jackknife(aa1xr.quality, ds.isel(trial=[0]), over="trial")
    with pytest.raises(TypeError, match="must return a Dataset"):
        aa1xr.bootstrap(lambda ds: "x", ds, over="neuron")
    with pytest.raises(ValueError, match="level=95"):
        aa1xr.jackknife(aa1xr.quality, ds, over="trial", level=95)
