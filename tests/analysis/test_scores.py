import warnings

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from aa1xr.analysis.scores import SCORES
from tests.analysis.scores_by_loops import averaged, ceiling, concatenated, correlation, psth
from tests.analysis.small_datasets import (
    DT,
    as_prediction,
    dataset,
    ragged_datasets,
    trials,
)

#: Warnings that scores of ragged data give; what they say is tested apart.
ignore_undefined = pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")


def heard(prediction, ds, neuron, during):
    """Prediction and rows of counts of each stimulus, where there are both."""
    out = []
    time = ds.time.values
    for s in range(ds.sizes["stimulus"]):
        p = prediction.values[neuron, s].astype(float)
        there = ~np.isnan(p) & ~np.isnan(ds.spikes.values[neuron, s]).all(0)
        if during == "stimulus":
            there &= (time > -1e-9) & (time < ds.duration_s.values[s] - 1e-9)
        if there.any():
            out.append((p[there], trials(ds, neuron, s, there)))
    return out


def by_loops(pairs):
    """Every score, as its definition reads."""
    out = {"bits_per_spike": bits_per_spike(pairs)}
    for suffix, way in (("", concatenated), ("_within", averaged)):
        c, _ = way(pairs)
        out["cc_raw" + suffix] = correlation(c)
        n_free = sum(len(p) for p, _ in pairs) - (1 if way is concatenated else len(pairs))
        residual = sum(((psth(rows) - p) ** 2).sum() for p, rows in pairs)
        total = fve_total(pairs, way)
        out["fve" + suffix] = 1 - residual / total if total > 1e-9 and n_free else np.nan
        twice = [(p, rows) for p, rows in pairs if len(p) >= 2 and len(rows) >= 2]
        c, signal = way(twice)
        known = signal > 1e-6
        out["spe" + suffix] = (2 * c[0, 1] - c[0, 0]) / signal if known else np.nan
        defined = known and c[0, 0] > 1e-9
        out["cc_norm" + suffix] = c[0, 1] / (c[0, 0] * signal) ** 0.5 if defined else np.nan
        out["cc_norm_half" + suffix] = correlation(c) / ceiling(twice, way) ** 0.5
    (c, _), (_, signal) = concatenated(pairs), averaged(twice)
    defined = signal > 1e-6 and c[0, 0] > 1e-9
    out["cc_norm_deepstrf"] = c[0, 1] / (c[0, 0] * signal) ** 0.5 if defined else np.nan
    return out


def fve_total(pairs, way):
    y = [psth(rows) for _, rows in pairs]
    y = [np.concatenate(y)] if way is concatenated and y else y
    return sum(((each - each.mean()) ** 2).sum() for each in y)


def bits_per_spike(pairs):
    counts = np.array([k for _, rows in pairs for row in rows for k in row])
    means = np.array([m * DT for p, rows in pairs for _ in rows for m in p])
    if counts.sum() == 0 or (means < 0).any():
        return np.nan
    gain = scipy.stats.poisson.logpmf(counts, np.maximum(means, 0.1 * DT)).sum()
    gain -= scipy.stats.poisson.logpmf(counts, counts.mean()).sum()
    return gain / np.log(2) / counts.sum()


def assert_as_by_loops(prediction, ds, during="stimulus"):
    got = aa1xr.score(ds, prediction, during=during).compute()
    for n in range(ds.sizes["neuron"]):
        for name, value in by_loops(heard(prediction, ds, n, during)).items():
            np.testing.assert_allclose(
                got[name][n], value, rtol=1e-6, atol=1e-8, err_msg=f"{name} {n}"
            )


@pytest.mark.filterwarnings("ignore::aa1xr.UnitsWarning")  # predictions of any size
@ignore_undefined
@given(
    ragged_datasets(),
    st.sampled_from(["any", "constant", "gaps", "negative"]),
    st.sampled_from(["stimulus", "all"]),
    st.integers(0, 99),
)
def test_score__of_ragged_data_by_loops(ds, kind, during, seed):
    rng = np.random.default_rng(seed)
    values = 40 * rng.gamma(1, size=[ds.sizes[d] for d in ("neuron", "stimulus", "time")])
    if kind == "constant":
        values[...] = 7.3
    elif kind == "gaps":
        values[rng.random(values.shape) < 0.2] = np.nan
    elif kind == "negative":
        values -= 1
    assert_as_by_loops(as_prediction(ds, values), ds, during)


def test_score__of_the_sample_by_loops(sample_archive):
    ds = aa1xr.open_sample().isel(stimulus=[0, 11], trial=slice(12), time=slice(30))
    ds = ds.sel(neuron=["sim0000_1_B", "sim0000_1_A"])
    rate = ds.psth.compute().rolling(time=5, center=True, min_periods=1).mean() + 1
    assert_as_by_loops(rate, ds)


@ignore_undefined
def test_score__estimates_known_correlations():
    rng = np.random.default_rng(2)
    true = 15 + 10 * rng.standard_normal((5, 400)).clip(-1.4)
    mean = np.broadcast_to(true[:, np.newaxis] * DT, (50, 5, 8, 400))
    ds = dataset(rng.poisson(mean), [400] * 5)
    wrong = true + 8 * rng.standard_normal(true.shape)
    for rate in (true, wrong):
        prediction = as_prediction(ds, np.broadcast_to(rate, (50, *rate.shape)))
        got = aa1xr.score(ds, prediction).compute()
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


@pytest.fixture(scope="module")
def ds(sample_archive):
    """Neurons of the sample that respond, so that every score is defined."""
    ds = aa1xr.open_sample(before_ms=1000, after_ms=500).compute()
    return ds.drop_sel(neuron=["sim0000_2_B", "sim0000_2_A"])


def test_score__of_the_psth_itself_is_bounded_by_the_noise_ceilings(ds):
    got = aa1xr.score(ds, ds.psth).compute()
    np.testing.assert_allclose(got.cc_raw, 1, rtol=1e-9)
    np.testing.assert_allclose(got.fve, 1, rtol=1e-6)
    np.testing.assert_allclose(got.cc_raw_within, 1, rtol=1e-9)


@pytest.mark.parametrize("trial", [slice(None), slice(10), slice(1, None, 2)])
def test_score__noise_corrected_is_raw_over_the_noise_ceiling(ds, trial):
    """Whether all trials are common or not, exactly."""
    ds = ds.isel(trial=trial)
    got = aa1xr.score(ds, aa1xr.smooth(aa1xr.psth(ds), window_ms=40)).compute()
    measures = aa1xr.quality(ds).compute()
    for suffix in ("", "_within"):
        raw = got["cc_raw" + suffix]
        closed, half = measures["ccmax_closed" + suffix], measures["ccmax" + suffix]
        np.testing.assert_allclose(got["cc_norm" + suffix], raw / closed, rtol=1e-12)
        np.testing.assert_allclose(got["cc_norm_half" + suffix], raw / half, rtol=1e-12)


def test_score__of_one_stimulus_is_the_same_in_all_conventions(ds):
    one = ds.sel(stimulus=["flatrip-00"]).isel(trial=slice(10))
    got = aa1xr.score(one, aa1xr.smooth(one.psth, window_ms=40)).compute()
    for name in ("cc_raw", "cc_norm", "cc_norm_half", "fve", "spe"):
        np.testing.assert_allclose(got[name], got[name + "_within"], rtol=1e-10)
    for name in ("cc_norm", "cc_norm_half"):
        np.testing.assert_allclose(got[name], got[name + "_deepstrf"], rtol=1e-10)


def test_score__means_that_differ_between_stimuli_are_signal_but_not_within():
    rng = np.random.default_rng(0)
    rate = np.array([2.0, 8.0])[:, np.newaxis] + rng.gamma(1, 1, (2, 400))
    ds = dataset(rng.poisson(rate[np.newaxis, :, np.newaxis], (1, 2, 10, 400)), [400, 400])
    got = aa1xr.score(ds, as_prediction(ds, rate[np.newaxis] / DT)).compute()
    assert abs(got.cc_norm.item() - 1) < 0.03
    assert abs(got.cc_norm_within.item() - 1) < 0.05
    assert got.cc_raw.item() > got.cc_raw_within.item() + 0.1
    assert got.cc_norm_deepstrf.item() > 1.5  # one mean above, many below the root


def test_score__order_of_trials_does_not_matter(ds):
    rate = aa1xr.smooth(ds.psth, window_ms=40)
    order = np.random.default_rng(0).permutation(ds.sizes["trial"])
    got, expected = (
        aa1xr.score(each, rate).drop_vars(["bits_per_spike", "cc_norm_half_deepstrf"]).compute()
        for each in (ds.isel(trial=order), ds)
    )
    xr.testing.assert_allclose(got, expected, rtol=1e-9)


def test_score__counts_the_stimulus_whatever_window_is_open(ds):
    rate = aa1xr.smooth(ds.psth, window_ms=40)
    expected = aa1xr.score(ds, rate).compute()
    for window in (slice(0, None), slice(-0.5, None), slice(None, float(ds.duration_s.max()))):
        got = aa1xr.score(ds.sel(time=window), rate.sel(time=window)).compute()
        xr.testing.assert_allclose(got, expected, rtol=1e-12)
    every = aa1xr.score(ds, rate, during="all").compute()
    assert (abs(every.cc_norm - expected.cc_norm) > 1e-3).any()
    with pytest.raises(ValueError, match=r"during='sound'; expected one of 'stimulus', 'all'"):
        aa1xr.score(ds, rate, during="sound")
    with pytest.raises(ValueError, match=r"'duration_s'.*during='all'"):
        aa1xr.score(ds.drop_vars("duration_s"), rate)
    xr.testing.assert_allclose(
        aa1xr.score(ds.drop_vars("duration_s"), rate, during="all").compute(),
        every.drop_vars("duration_s", errors="ignore"),
    )


@pytest.mark.filterwarnings("ignore::aa1xr.UnitsWarning")  # predictions of any size
def test_score__constant_predictions_are_nan_exactly(ds):
    rates = np.linspace(0.1, 20.3, ds.sizes["neuron"])[:, np.newaxis, np.newaxis]
    constant = ds.psth * 0 + rates
    with pytest.warns(aa1xr.UndefinedWarning, match="the prediction is constant"):
        got = aa1xr.score(ds, constant).compute()
    for name in SCORES:
        if name.startswith("cc_"):
            assert got[name].isnull().all(), name


def test_score__is_of_what_prediction_and_data_have_in_common(sample_archive):
    ds = aa1xr.open_sample(dt_ms=20)
    rate = (ds.psth + 1).compute()
    songs = ds.sel(type="conspecific", area="MLd")
    expected = aa1xr.score(songs, rate.sel(type="conspecific", area="MLd")).compute()
    bare = as_prediction(ds, rate.values).isel(stimulus=[4, 2, 3, 1, 0, 9, 8, 7, 6, 5, 12])
    xr.testing.assert_allclose(aa1xr.score(songs, bare.chunk(time=99)).compute(), expected)
    held_out = aa1xr.score(ds, rate.sel(area="MLd", type="conspecific")).compute()
    xr.testing.assert_allclose(held_out, expected)
    one = aa1xr.score(songs.sel(neuron="sim0000_1_A"), rate).compute()
    np.testing.assert_allclose(one.cc_norm, expected.cc_norm.sel(neuron=["sim0000_1_A"]))


def test_score__refuses_bins_beside_the_onset(sample_archive):
    ds = aa1xr.open_sample()
    late = ds.assign_coords(time=("time", ds.time.values + 0.002, ds.time.attrs))
    for measure in (lambda: aa1xr.score(late, late.psth), lambda: aa1xr.quality(late)):
        with pytest.raises(ValueError, match=r"shifted by 2 ms, so bins and stimuli do not match"):
            measure()


def undefined():
    """A Dataset and a prediction with a neuron for each of several reasons."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (5, 2, 4, 30)).astype(float)
    counts[2] = 0  # no spikes
    counts[3, :, 1:] = np.nan  # one trial
    counts[4] = np.nan  # no data, about which there is nothing to say
    values = rng.gamma(1, size=(5, 2, 30))
    values[0], values[1] = 2, -values[1]
    ds = dataset(counts, [30, 30])
    return ds, as_prediction(ds, values)


def said(result):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        result.compute()
    assert all(issubclass(each.category, aa1xr.AA1Warning) for each in caught)
    assert all(each.filename == __file__ for each in caught)
    messages = [str(each.message) for each in caught]
    assert len(messages) == len(set(messages))
    return messages


@pytest.mark.filterwarnings("ignore::aa1xr.UnitsWarning")  # predictions of any size
def test_score__says_why_a_score_is_undefined_and_for_which_neurons():
    got = aa1xr.score(*undefined())
    messages = said(got)
    for neurons, reason in (
        ("'b0_1_A'", "the prediction is constant"),
        ("'b1_1_A'", "the predicted rate is negative"),
        ("'b2_1_A'", "the PSTH is constant"),
        ("'b2_1_A'", "there are no spikes"),
        ("'b3_1_A'", "no stimulus has two trials"),
    ):
        (message,) = [m for m in messages if f": {reason}" in m]
        assert message.startswith("aa1xr.score: ")
        assert f"1 neuron ({neurons})" in message
    assert "b4_1_A" not in "".join(messages)
    with pytest.warns(aa1xr.UndefinedWarning):
        got = got.compute()
    assert got.cc_raw.isnull().values.tolist() == [True, False, True, False, True]
    assert got.bits_per_spike.isnull().values.tolist() == [False, True, True, False, True]
    assert got.cc_norm.isnull()[[0, 2, 3, 4]].all()


@pytest.mark.filterwarnings("ignore::aa1xr.UnitsWarning")  # predictions of any size
def test_score__speaks_of_what_is_computed_alone():
    ds, prediction = undefined()
    messages = said(aa1xr.score(ds, prediction).fve)
    assert len([m for m in messages if "counts per bin" not in m]) == 1
    messages = said(aa1xr.score(ds, prediction).bits_per_spike)
    assert not [m for m in messages if "signal" in m or "prediction is constant" in m]
    aa1xr.score(ds.isel(neuron=[1]), prediction).cc_raw.compute()  # an error if it warns


def test_score__bins_without_a_prediction_are_said(ds):
    rate = ds.psth.where(ds.time > 0.1)
    with pytest.warns(aa1xr.UndefinedWarning, match=r"leave out bins for 10 neurons"):
        aa1xr.score(ds, rate).cc_raw.compute()
    some = ds.psth.where(ds.stimulus != "flatrip-00")  # not predicted at all
    aa1xr.score(ds, some).cc_raw.compute()


def test_score__lower_rates_than_min_rate_count_as_it():
    ds = dataset(np.ones((1, 1, 2, 4)), [4])
    prediction = as_prediction(ds, np.array([[[0.0, 200, 400, 600]]]))
    got = aa1xr.score(ds, prediction).bits_per_spike.compute()
    means = np.array([0.1 * DT, 1, 2, 3])
    expected = np.mean(np.log(means) - means + 1) / np.log(2)
    np.testing.assert_allclose(got, [expected])
    got = aa1xr.score(ds, prediction, min_rate=20).bits_per_spike.compute()
    np.testing.assert_allclose(
        got - expected, np.mean([np.log2(200) - 19.9 * DT / np.log(2), 0, 0, 0])
    )
    with pytest.warns(aa1xr.UndefinedWarning, match=r"zero in bins that have spikes; set min_rate"):
        got = aa1xr.score(ds, prediction, min_rate=0).bits_per_spike.compute()
    assert got.isnull().all()
    with pytest.raises(ValueError, match="min_rate must be at least 0 spikes/s; got -1"):
        aa1xr.score(ds, prediction, min_rate=-1)


def test_score__counts_without_units_are_said(ds):
    counts = as_prediction(ds, ds.psth.values * DT).drop_attrs()
    with pytest.warns(aa1xr.UnitsWarning, match="its mean is that of counts per bin"):
        assert (aa1xr.score(ds, counts).fve.compute() < 0.1).all()
    aa1xr.score(ds, counts).cc_norm.compute()  # has no unit
    aa1xr.score(ds, counts / DT).fve.compute()


def test_score__of_labels_as_zarr_reads_them(ds):
    text = ds.assign_coords(neuron=ds.neuron.values.astype(np.dtypes.StringDType()))
    got = aa1xr.score(text, text.psth).compute()
    np.testing.assert_array_equal(got.cc_norm, aa1xr.score(ds, ds.psth).cc_norm)


def test_score__takes_other_names_of_the_unit(sample_archive):
    ds = aa1xr.open_sample(dt_ms=20).isel(neuron=[0, 1])
    for units in ("Hz", "spikes / s", "1/s", "s-1"):
        aa1xr.score(ds, ds.psth.assign_attrs(units=units))


def test_score__a_model_that_diverged_has_no_score(sample_archive):
    ds = aa1xr.open_sample(dt_ms=20).isel(neuron=[0])
    diverged = ds.psth.where(ds.time != 0.1, np.inf)
    with pytest.warns(aa1xr.UndefinedWarning, match="the prediction has infinite values"):
        got = aa1xr.score(ds, diverged).compute()
    assert got.to_dataarray().isnull().all()
    with pytest.warns(aa1xr.UndefinedWarning, match=r"aa1xr\.coherence: undefined \(NaN\) for 1"):
        assert aa1xr.coherence(ds, diverged).coherence.isnull().all()


def test_score__in_published_conventions_of_the_authors_code(ds):
    """calc_CCnorm.m and calc_SPE.m of github.com/OSchoppe/CCnorm, as they read."""
    ds = ds.isel(trial=slice(10), neuron=[0, 5])
    rate = aa1xr.smooth(ds.psth, window_ms=40)
    got = aa1xr.score(ds, rate).compute()
    for n in range(2):
        window = [(ds.time.values >= 0) & (ds.time.values < d) for d in ds.duration_s.values]
        spikes = ds.spikes.values.astype(float)
        r = np.concatenate([spikes[n, s][:, w] for s, w in enumerate(window)], 1) / DT
        p = np.concatenate([rate.values[n, s][w] for s, w in enumerate(window)]).astype(float)
        n_trials, t = r.shape
        y = r.mean(0)
        sp = (np.var(r.sum(0), ddof=1) - np.var(r, axis=1, ddof=1).sum()) / (
            n_trials * (n_trials - 1)
        )
        covariance = ((y - y.mean()) * (p - p.mean())).sum() / t
        cc_norm = covariance / np.sqrt(sp * np.var(p))
        # Variances of theirs are over T but for the signal power, which is over T - 1.
        np.testing.assert_allclose(got.cc_norm[n], cc_norm * np.sqrt(t / (t - 1)), rtol=1e-6)
        spe = (np.var(y, ddof=1) - np.var(y - p, ddof=1)) / sp
        np.testing.assert_allclose(got.spe[n], spe, rtol=1e-6)
