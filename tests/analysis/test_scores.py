import dask
import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from aa1xr.analysis import scores
from aa1xr.analysis.pairs import tell
from aa1xr.analysis.scores import SCORES
from tests.analysis.made import DT, dataset, ragged, refuse, trials, weighted
from tests.analysis.splits import split_ceiling


def as_prediction(ds, values):
    coords = {name: ds[name].variable for name in ("neuron", "stimulus", "time")}
    return xr.DataArray(values, coords, ("neuron", "stimulus", "time"))


def heard(prediction, ds, neuron):
    """Prediction and rows of counts of each stimulus, where there are both."""
    out = []
    for s in range(ds.sizes["stimulus"]):
        p = prediction.values[neuron, s].astype(float)
        there = ~np.isnan(p) & ~np.isnan(ds.spikes.values[neuron, s]).all(0)
        if there.any():
            out.append((p[there], trials(ds, neuron, s, there)))
    return out


def psth(rows):
    return np.mean(rows, axis=0) / DT


def by_loops(pairs):
    """Every score, as its definition reads."""
    out = {"bits_per_spike": bits_per_spike(pairs)}
    long = [(p, rows) for p, rows in pairs if len(p) >= 2]
    out["cc_raw"] = correlation(long)
    total = sum(((psth(rows) - psth(rows).mean()) ** 2).sum() for _, rows in pairs)
    residual = sum(((psth(rows) - p) ** 2).sum() for p, rows in pairs)
    out["fve"] = 1 - residual / total if total > 1e-9 else np.nan

    twice = [(p, rows) for p, rows in long if len(rows) >= 2]
    weights = [len(p) for p, _ in twice]
    signal = weighted([signal_power(rows) for _, rows in twice], weights)
    explained = weighted(
        [np.var(psth(rows), ddof=1) - np.var(psth(rows) - p, ddof=1) for p, rows in twice], weights
    )
    known = signal > 1e-6
    out["spe"] = explained / signal if known else np.nan
    out["cc_norm"] = np.nan
    if known and (c := moments(twice))[0, 0] > 1e-9:
        out["cc_norm"] = c[0, 1] / (c[0, 0] * signal) ** 0.5
    ceiling = split_ceiling([rows for _, rows in twice]) ** 0.5
    out["cc_norm_half"] = correlation(twice) / ceiling
    return out


def moments(pairs):
    """[[var(p), cov(p, y)], [cov(p, y), var(y)]]."""
    c = [np.cov(p, psth(rows)) for p, rows in pairs]
    return weighted(c, [len(p) for p, _ in pairs])


def correlation(pairs):
    c = moments(pairs) if pairs else np.zeros((2, 2))
    return c[0, 1] / (c[0, 0] * c[1, 1]) ** 0.5 if min(c[0, 0], c[1, 1]) > 1e-9 else np.nan


def signal_power(rows):
    n, power = len(rows), np.mean([np.var(row / DT, ddof=1) for row in rows])
    return (n * np.var(psth(rows), ddof=1) - power) / (n - 1)


def bits_per_spike(pairs):
    counts = np.array([k for _, rows in pairs for row in rows for k in row])
    means = np.array([m * DT for p, rows in pairs for _ in rows for m in p])
    if counts.sum() == 0 or (means < 0).any():
        return np.nan
    gain = scipy.stats.poisson.logpmf(counts, means).sum()
    gain -= scipy.stats.poisson.logpmf(counts, counts.mean()).sum()
    return gain / np.log(2) / counts.sum()


def assert_as_by_loops(prediction, ds):
    got = aa1xr.score(prediction, ds).compute()
    for n in range(ds.sizes["neuron"]):
        for name, value in by_loops(heard(prediction, ds, n)).items():
            np.testing.assert_allclose(
                got[name][n], value, rtol=1e-6, atol=1e-8, err_msg=f"{name} {n}"
            )


@given(ragged(), st.sampled_from(["any", "constant", "gaps", "negative"]), st.integers(0, 99))
def test_score__of_ragged_data_by_loops(ds, kind, seed):
    rng = np.random.default_rng(seed)
    values = 40 * rng.gamma(1, size=[ds.sizes[d] for d in ("neuron", "stimulus", "time")])
    if kind == "constant":
        values[...] = 7.3
    elif kind == "gaps":
        values[rng.random(values.shape) < 0.2] = np.nan
    elif kind == "negative":
        values -= 1
    assert_as_by_loops(as_prediction(ds, values), ds)


def test_score__of_the_sample_by_loops(sample_archive):
    ds = aa1xr.open_sample().isel(stimulus=[0, 1, 11], trial=slice(8))
    ds = ds.sel(neuron=["sim0000_1_B", "sim0000_1_A", "sim0000_2_A"])
    rate = ds.psth.compute().rolling(time=5, center=True, min_periods=1).mean() + 1
    assert_as_by_loops(rate, ds)


def test_score__estimates_known_correlations():
    rng = np.random.default_rng(2)
    true = 15 + 10 * rng.standard_normal((5, 400)).clip(-1.4)
    mean = np.broadcast_to(true[:, np.newaxis] * DT, (50, 5, 8, 400))
    ds = dataset(rng.poisson(mean), [400] * 5)
    wrong = true + 8 * rng.standard_normal(true.shape)
    for rate in (true, wrong):
        prediction = as_prediction(ds, np.broadcast_to(rate, (50, *rate.shape)))
        got = aa1xr.score(prediction, ds).compute()
        signal = np.mean(np.var(true, axis=1, ddof=1))
        noise = true.mean() / DT
        products = np.mean([np.cov(t, r) for t, r in zip(true, rate, strict=True)], 0)
        r = products[0, 1] / (products[0, 0] * products[1, 1]) ** 0.5
        ceiling = (signal / (signal + noise / 8)) ** 0.5
        # Over 50 cells of 5 * 400 bins: about three standard errors.
        assert abs(got.cc_norm.mean() - r) < 0.025
        assert abs(got.cc_norm_half.mean() - r) < 0.025
        assert abs(got.cc_raw.mean() - r * ceiling) < 0.01
        spe = (2 * products[0, 1] - products[1, 1]) / products[0, 0]
        assert abs(got.spe.mean() - spe) < 0.05
        if rate is true:
            gain = np.mean(true * np.log2(true / true.mean())) / true.mean()
            assert abs(got.bits_per_spike.mean() - gain) < 0.02


def test_score__of_the_psth_itself(sample_archive):
    ds = aa1xr.open_sample()
    got = aa1xr.score(ds.psth, ds).compute()
    np.testing.assert_allclose(got.cc_raw, 1, rtol=1e-9)
    np.testing.assert_allclose(got.fve, 1, rtol=1e-6)
    measures = aa1xr.quality(ds).compute()
    np.testing.assert_allclose(got.cc_norm, 1 / measures.ccmax_closed, rtol=1e-6)
    np.testing.assert_allclose(got.cc_norm_half, 1 / measures.ccmax, rtol=1e-6)


def test_score__is_lazy_and_keeps_labels(sample_archive):
    ds = aa1xr.open_sample()
    with dask.config.set(scheduler=refuse):
        got = aa1xr.score(ds.psth, ds)
        spectra = aa1xr.coherence(ds.psth, ds)
    assert set(got.data_vars) == set(SCORES)
    for result in (got, spectra):
        assert all(array.chunks is not None for array in result.values())
        assert aa1xr.sel(result, area="MLd", animal_id="sim0000").sizes["neuron"] == 5
        assert len(result.__dask_graph__()) < 100


def test_score__aligns_by_labels_in_any_order(sample_archive):
    ds = aa1xr.open_sample()
    rate = (ds.psth + 1).compute()
    songs = ds.sel(type="conspecific", area="MLd")
    expected = aa1xr.score(rate.sel(type="conspecific", area="MLd"), songs).compute()
    bare = as_prediction(ds, rate.values)
    for prediction in (
        rate,
        rate.transpose("time", "neuron", "stimulus"),
        rate.isel(neuron=slice(None, None, -1), stimulus=slice(None, None, -1)),
        bare,
        bare.isel(stimulus=[4, 2, 3, 1, 0, 9, 8, 7, 6, 5, 12]).chunk(time=100, neuron=5),
    ):
        got = aa1xr.score(prediction, songs).compute()
        xr.testing.assert_allclose(got, expected)
    # What only one of them has is left out.
    held_out = aa1xr.score(rate.sel(area="MLd", type="conspecific"), ds).compute()
    xr.testing.assert_allclose(held_out, expected)
    one = aa1xr.score(rate.sel(neuron="sim0000_1_A", type="conspecific"), ds).compute()
    xr.testing.assert_allclose(one, expected.sel(neuron=["sim0000_1_A"]))
    one = aa1xr.score(rate, songs.sel(neuron="sim0000_1_A")).compute()
    np.testing.assert_allclose(one.cc_norm, expected.cc_norm.sel(neuron=["sim0000_1_A"]))


def test_score__refuses_another_time_axis(sample_archive):
    ds, coarse = aa1xr.open_sample(), aa1xr.open_sample(dt_ms=10)
    with pytest.raises(ValueError, match=r"bins of 10 ms, the Dataset of 5 ms; .*dt_ms=10"):
        aa1xr.score(coarse.psth, ds)
    bare = coarse.psth.assign_coords(time=("time", coarse.time.values))
    with pytest.raises(ValueError, match=r"bins of 10 ms"):
        aa1xr.score(bare, ds)
    with pytest.raises(ValueError, match=r"100 bins from 0 to 0.495 s, the Dataset 434 bins"):
        aa1xr.score(ds.psth.isel(time=slice(100)), ds)
    shifted = ds.psth.assign_coords(time=("time", ds.time.values + DT, ds.time.attrs))
    with pytest.raises(ValueError, match="select the same times"):
        aa1xr.score(shifted, ds)
    with pytest.raises(ValueError, match="no time coordinate"):
        aa1xr.score(ds.psth.drop_vars("time"), ds)


def test_score__refuses_what_is_no_prediction(sample_archive):
    ds = aa1xr.open_sample()
    with pytest.raises(ValueError, match=r"expected \('neuron', 'stimulus', 'time'\)"):
        aa1xr.score(ds.spikes, ds)
    with pytest.raises(ValueError, match="for no neuron of the Dataset: it has"):
        aa1xr.score(ds.psth.sel(area="MLd"), ds.sel(area="Field_L"))
    with pytest.raises(ValueError, match="a neuron occurs twice in the prediction"):
        aa1xr.score(ds.psth.isel(neuron=[0, 0, 1]), ds)
    with pytest.raises(ValueError, match="no coordinate 'stimulus'"):
        aa1xr.score(as_prediction(ds, ds.psth.values).drop_vars("stimulus"), ds)
    with pytest.raises(ValueError, match="max_splits=0"):
        aa1xr.score(ds.psth, ds, max_splits=0)


def test_score__says_once_why_it_is_undefined(caplog):
    tell.cache_clear()
    counts = np.random.default_rng(0).poisson(0.5, (4, 2, 4, 30)).astype(float)
    counts[2] = 0
    counts[3, :, 1:] = np.nan
    ds = dataset(counts, [30, 30])
    values = np.random.default_rng(1).gamma(1, size=(4, 2, 30))
    values[0], values[1] = 2, -values[1]
    got = aa1xr.score(as_prediction(ds, values), ds).compute()
    assert got.cc_raw.isnull().values.tolist() == [True, False, True, False]
    assert got.bits_per_spike.isnull().values.tolist() == [False, True, True, False]
    assert got.cc_norm.isnull()[[0, 2, 3]].all()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == len(set(said))
    for reason in ("prediction is constant", "rate is negative", "silent", "one trial"):
        assert any(reason in message for message in said), reason


def test_score__zero_rate_where_there_are_spikes_is_infinitely_wrong():
    ds = dataset(np.ones((1, 1, 2, 4)), [4])
    got = aa1xr.score(as_prediction(ds, np.array([[[0.0, 1, 2, 3]]])), ds).compute()
    assert got.bits_per_spike.values.tolist() == [-np.inf]


@pytest.mark.parametrize("name", SCORES)
def test_single__is_that_of_score(sample_archive, name):
    ds = aa1xr.open_sample()
    got = getattr(scores, name)(ds.psth, ds)
    xr.testing.assert_identical(got.compute(), aa1xr.score(ds.psth, ds)[name].compute())


def test_mean_score__says_how_many_it_left_out(sample_archive):
    ds = aa1xr.open_sample()
    scores = aa1xr.score(ds.psth, ds).compute()
    got = aa1xr.mean_score(scores)
    defined = scores.cc_norm.values[~np.isnan(scores.cc_norm.values)]
    assert got.cc_norm.item() == pytest.approx(defined.mean())
    assert (got.cc_norm.attrs["n"], got.cc_norm.attrs["n_left_out"]) == (11, 1)
    assert got.cc_raw.attrs["n_left_out"] == 0
    assert "n" not in scores.cc_norm.attrs


def test_score__refuses_other_units_and_knows_no_bound(sample_archive):
    ds = aa1xr.open_sample(dt_ms=20).isel(neuron=[0, 1])
    for other in (ds.spikes.mean("trial", keep_attrs=True), aa1xr.normalize(ds.psth)[0]):
        with pytest.raises(ValueError, match=r"in units of '(spikes|1)'; expected spikes/s"):
            aa1xr.score(other, ds)
    diverged = ds.psth.where(ds.time != 0.1, np.inf)
    assert aa1xr.score(diverged, ds).cc_raw.isnull().all()
    assert aa1xr.coherence(diverged, ds).coherence.isnull().all()
