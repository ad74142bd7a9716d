"""d' and responsiveness of cells of known truth, and against scipy."""

import numpy as np
import pytest
import scipy.stats

import aa1xr
from aa1xr.errors import UndefinedWarning
from tests.analysis.small_datasets import DT, dataset


def two_sets(counts, n_before=0):
    """The first half of the stimuli is of type a, the others of type b."""
    n = counts.shape[1]
    ds = dataset(counts, [counts.shape[3] - n_before] * n, n_before=n_before)
    return ds.assign_coords(type=("stimulus", ["a"] * (n // 2) + ["b"] * (n - n // 2)))


def test_dprime__of_poisson_cells_is_the_true_one():
    rng = np.random.default_rng(0)
    seconds, a, b = 0.5, 30.0, 20.0
    rates = np.repeat([a, b], 3)[np.newaxis, :, np.newaxis, np.newaxis]
    counts = rng.poisson(rates * DT, (300, 6, 20, 100))
    ds = two_sets(counts)
    got = aa1xr.dprime(ds.isel(stimulus=slice(3)), ds.isel(stimulus=slice(3, 6)))
    true = 2 * (a - b) / np.sqrt((a + b) / seconds)
    assert abs(got.mean() / true - 1) < 0.03
    # Delta method: each mean has variance rate / seconds / n, and d' = 2 * difference / root.
    n = 60
    assert abs(got.std() / np.sqrt(4 / n + true**2 / (4 * n)) - 1) < 0.15


def test_dprime__is_the_formula_and_is_antisymmetric(sample_archive):
    ds = aa1xr.open_sample()
    songs, ripples = ds.sel(type="conspecific"), ds.sel(type="flatrip")
    lazy = aa1xr.dprime(songs, ripples)
    assert lazy.chunks is not None
    got = lazy.compute()
    rates = aa1xr.spike_counts(ds).compute() / ds.duration_s
    for n, neuron in enumerate(ds.neuron.values):
        values = [
            rates.sel(neuron=neuron, type=t).values.ravel() for t in ("conspecific", "flatrip")
        ]
        a, b = (v[~np.isnan(v)] for v in values)
        if not a.size:
            assert np.isnan(got[n])
            continue
        expected = 2 * (a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) + b.var(ddof=1))
        assert got[n].item() == pytest.approx(expected)
    np.testing.assert_allclose(aa1xr.dprime(ripples, songs), -got)
    assert got.area.values.tolist() == ds.area.values.tolist()
    assert "type" not in got.coords


def test_dprime__in_a_window_and_of_single_stimuli(sample_archive):
    ds = aa1xr.open_sample()
    got = aa1xr.dprime(ds.isel(stimulus=10), ds.isel(stimulus=11), start=0.1, stop=0.6)
    a, b = (
        aa1xr.spike_counts(ds.isel(stimulus=k), start=0.1, stop=0.6).compute() / 0.5
        for k in (10, 11)
    )
    spread = np.sqrt(a.var("trial", ddof=1) + b.var("trial", ddof=1))
    np.testing.assert_allclose(got, 2 * (a.mean("trial") - b.mean("trial")) / spread)


def test_dprime__is_nan_where_it_is_not_defined():
    counts = np.zeros((3, 2, 2, 10))
    counts[0, 0, :, :2] = 1  # the same in both trials: nothing varies
    counts[1, 0, 1] = np.nan  # one presentation
    counts[2, 0, 0, :4] = 1
    ds = two_sets(counts)
    got = aa1xr.dprime(ds.isel(stimulus=[0]), ds.isel(stimulus=[1]))
    assert np.isnan(got.values).tolist() == [True, True, False]


def test_dprime__refuses_other_neurons(sample_archive):
    ds = aa1xr.open_sample()
    with pytest.raises(ValueError, match="same neurons in the same order"):
        aa1xr.dprime(ds.sel(area="MLd"), ds.sel(area="Field_L"))


def test_responsiveness__is_scipy_on_counts_of_the_events(sample_archive):
    ds = aa1xr.open_sample()
    got = aa1xr.responsiveness(ds, window_s=1.0)
    wide = aa1xr.open_sample(dt_ms=5, before_ms=1000)
    after = wide.spikes.sel(time=slice(0, 0.9999)).sum("time", min_count=1)
    before = wide.spikes.sel(time=slice(-1, -0.0001)).sum("time", min_count=1)
    p = []
    for n in range(ds.sizes["neuron"]):
        difference = (after - before)[n].values.ravel().astype(float)
        difference = difference[~np.isnan(difference)]
        assert got.rate_change[n].item() == pytest.approx(difference.mean(), rel=1e-6)
        assert got.n_presentations[n].item() == difference.size
        p.append(scipy.stats.wilcoxon(difference).pvalue)
    np.testing.assert_allclose(got.p_value, p)
    order = np.argsort(p)[::-1]
    ranked = np.array(p)[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum.accumulate(ranked).clip(max=1)
    np.testing.assert_allclose(got.q_value, adjusted)


@pytest.mark.parametrize("burst", [1, 6])
def test_responsiveness__of_cells_that_do_not_respond(burst):
    rng = np.random.default_rng(1)
    counts = burst * rng.poisson(0.02 / burst, (400, 4, 10, 120))
    got = aa1xr.responsiveness(two_sets(counts, n_before=60))
    assert got.attrs["window_s"] == pytest.approx(0.3)
    assert 0.02 < (got.p_value < 0.05).mean() < 0.08
    assert (got.q_value < 0.05).sum() == 0


def test_responsiveness__finds_the_cells_that_do():
    rng = np.random.default_rng(2)
    rate = np.full((100, 1, 1, 120), 10 * DT)
    rate[:30, ..., 60:] *= 2
    rate[30:40, ..., 60:] /= 4
    got = aa1xr.responsiveness(two_sets(rng.poisson(rate, (100, 4, 20, 120)), n_before=60))
    found = (got.q_value < 0.05).values
    assert found[:40].mean() > 0.9
    assert found[40:].sum() <= 6
    assert (got.rate_change[:30] > 0).all()
    assert (got.rate_change[30:40] < 0).all()


def test_responsiveness__without_presentations_or_spikes(sample_archive):
    songs = aa1xr.open_sample().sel(type="conspecific")
    with pytest.warns(UndefinedWarning, match="1 neuron .'sim0000_2_A'."):
        got = aa1xr.responsiveness(songs)
    assert got.q_value.isnull().sum() == 1
    silent = aa1xr.responsiveness(two_sets(np.zeros((2, 2, 3, 20)), n_before=10))
    assert (silent.p_value == 1).all()


def test_responsiveness__refuses_what_was_not_recorded(sample_archive):
    with pytest.raises(ValueError, match="window_s=3 must be greater than 0 and at most 2 s"):
        aa1xr.responsiveness(aa1xr.open_sample(), window_s=3)
