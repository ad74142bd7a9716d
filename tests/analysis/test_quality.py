import warnings

import numpy as np
import pytest
from hypothesis import given

import aa1xr
from aa1xr.analysis.quality import MEASURES
from tests.analysis.scores_by_loops import averaged, ceiling, concatenated
from tests.analysis.small_datasets import DT, dataset, ragged_datasets, trials, weighted
from tests.analysis.splits_by_loops import trial_correlation

#: What is undefined is said by a warning, which has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore::aa1xr.UndefinedWarning")


def by_loops(ds, neuron, stimuli):
    """Every measure, as its definition reads."""
    time, duration = ds.time.values, ds.duration_s.values
    plays = {s: (time >= 0) & (time < duration[s]) for s in stimuli}
    heard = {s: trials(ds, neuron, s, plays[s]) for s in stimuli}
    before = {s: trials(ds, neuron, s, plays[s] | (time < 0)) for s in stimuli}
    heard = {s: rows for s, rows in heard.items() if rows}
    n_bins = {s: int(plays[s].sum()) for s in heard}
    n_before = int((time < 0).sum())
    twice = [s for s in heard if len(heard[s]) >= 2 and n_bins[s] >= 2]

    def average(values, over):
        return weighted([values[s] for s in over], [n_bins[s] for s in over])

    rate = {s: [row.sum() / (n_bins[s] * DT) for row in heard[s]] for s in heard}
    out = dict.fromkeys(MEASURES.keys() - {"latency"}, np.nan)  # test_latency.py
    out["rate_driven"] = average({s: np.mean(rate[s]) for s in heard}, heard)
    if n_before:
        still = {s: [row[:n_before].sum() / (n_before * DT) for row in before[s]] for s in heard}
        out["rate_spontaneous"] = average({s: np.mean(still[s]) for s in heard}, heard)
        more = {s: np.subtract(rate[s], still[s]) for s in heard}
        spread = average({s: np.var(more[s], ddof=1) for s in twice}, twice)
        if spread > 0:
            out["rate_z"] = average({s: np.mean(more[s]) for s in twice}, twice) / spread**0.5

    signal, noise, mean = {}, {}, {}
    for s in twice:
        n = len(heard[s])
        total = np.mean([np.var(row / DT, ddof=1) for row in heard[s]])
        mean[s] = np.var(np.mean(heard[s], axis=0) / DT, ddof=1)
        signal[s] = (n * mean[s] - total) / (n - 1)
        noise[s] = total - signal[s]
    out["signal_power"] = average(signal, twice)
    out["noise_power"] = average(noise, twice)
    if out["noise_power"] > 1e-9:
        out["snr"] = out["signal_power"] / out["noise_power"]
    rows = [heard[s] for s in twice]
    for suffix, way in (("", concatenated), ("_within", averaged)):
        of_nothing = [(row[0], each) for row, each in zip(rows, rows, strict=True)]
        c, power = way(of_nothing)
        if power > 1e-9:
            out["ccmax_closed" + suffix] = (power / c[1, 1]) ** 0.5
        out["ccmax" + suffix] = ceiling(of_nothing, way) ** 0.5
    out["ttrc"] = trial_correlation(rows)
    spikes = {s: [row.sum() for row in heard[s]] for s in twice}
    if twice and (expected := average({s: np.mean(spikes[s]) for s in twice}, twice)) > 0:
        out["fano"] = average({s: np.var(spikes[s], ddof=1) for s in twice}, twice) / expected
    return out


def assert_as_by_loops(ds):
    whole, each = aa1xr.quality(ds).compute(), aa1xr.quality(ds, by="stimulus").compute()
    for n in range(ds.sizes["neuron"]):
        for got, stimuli in [
            (whole.isel(neuron=n), range(ds.sizes["stimulus"])),
            *((each.isel(neuron=n, stimulus=s), [s]) for s in range(ds.sizes["stimulus"])),
        ]:
            expected = by_loops(ds, n, stimuli)
            for name, value in expected.items():
                np.testing.assert_allclose(
                    got[name], value, rtol=1e-7, atol=1e-9, err_msg=f"{name} {n} {stimuli}"
                )


@given(ragged_datasets())
def test_quality__of_ragged_data_by_loops(ds):
    assert_as_by_loops(ds)


def test_quality__of_the_sample_by_loops(sample_archive):
    ds = aa1xr.open_sample(before_ms=500).isel(stimulus=[0, 1, 11], trial=slice(12))
    assert_as_by_loops(ds.sel(neuron=["sim0000_1_B", "sim0000_2_A"]))
    # 11 trials have 462 splits.
    few = ds.sel(neuron=["sim0000_1_A"]).isel(stimulus=[2], trial=slice(11))
    expected = by_loops(few, 0, [0])
    np.testing.assert_allclose(aa1xr.quality(few).ccmax, [expected["ccmax"]], rtol=1e-9)


def simulate(rate, n_trials, n_neurons):
    """Poisson cells of one known rate [stimulus, time]."""
    shape = (n_neurons, len(rate), n_trials, rate.shape[1])
    mean = np.broadcast_to(rate[:, np.newaxis] * DT, shape)
    return dataset(np.random.default_rng(7).poisson(mean), [rate.shape[1]] * len(rate))


@pytest.mark.parametrize("n_trials", [10, 15])
def test_quality__estimates_known_powers(n_trials):
    rng = np.random.default_rng(3)
    rate = 20 * rng.gamma(1, size=(6, 300))
    got = aa1xr.quality(simulate(rate, n_trials, 60), max_splits=200).compute()
    signal = np.mean(np.var(rate, axis=1, ddof=1))
    # Of a Poisson count of mean m the variance is m.
    noise = rate.mean() / DT
    ceiling = (signal / (signal + noise / n_trials)) ** 0.5
    # Over 60 cells of 6 * 300 bins: about three standard errors.
    assert abs(got.signal_power.mean() / signal - 1) < 0.03
    assert abs(got.noise_power.mean() / noise - 1) < 0.01
    assert abs(got.snr.mean() / (signal / noise) - 1) < 0.03
    assert abs(got.ccmax.mean() - ceiling) < 0.01
    assert abs(got.ccmax_closed.mean() - ceiling) < 0.01
    assert abs(got.ttrc.mean() - signal / (signal + noise)) < 0.005
    assert abs(got.fano.mean() - 1) < 0.06
    assert abs(got.rate_driven.mean() / rate.mean() - 1) < 0.01


def test_quality__knows_the_spontaneous_rate():
    rng = np.random.default_rng(5)
    rate = np.full((4, 200), 2.0)
    rate[:, 103:] = 80
    counts = rng.poisson(np.broadcast_to(rate[np.newaxis, :, np.newaxis] * DT, (9, 4, 10, 200)))
    got = aa1xr.quality(dataset(counts, [100] * 4, n_before=100)).compute()
    assert abs(got.rate_spontaneous.mean() - 2) < 0.2
    assert (got.rate_z > 3).all()


def test_quality__is_of_the_sound_whatever_the_window(sample_archive):
    plain = aa1xr.quality(aa1xr.open_sample()).compute()
    wide = aa1xr.quality(aa1xr.open_sample(before_ms=1000, after_ms=500)).compute()
    pre_onset = ["rate_spontaneous", "rate_z", "latency"]
    # Products of matrices of other widths are added up in another order.
    np.testing.assert_allclose(
        plain.drop_vars(pre_onset).to_dataarray(),
        wide.drop_vars(pre_onset).to_dataarray(),
        rtol=1e-12,
    )
    assert plain[pre_onset].to_dataarray().isnull().all()
    assert wide.rate_spontaneous.notnull().all()


def test_quality__of_one_neuron_and_of_some_trials(sample_archive):
    ds = aa1xr.open_sample()
    whole = aa1xr.quality(ds).compute()
    one = aa1xr.quality(ds.sel(neuron="sim0000_3_A")).compute()
    assert one.snr.dims == ()
    assert one.neuron.item() == "sim0000_3_A"
    np.testing.assert_array_equal(one.to_dataarray(), whole.sel(neuron=one.neuron).to_dataarray())
    pair = aa1xr.quality(ds.sel(neuron="sim0000_3_A", stimulus="flatrip-02"), by="stimulus")
    each = aa1xr.quality(ds, by="stimulus").sel(neuron="sim0000_3_A", stimulus="flatrip-02")
    np.testing.assert_allclose(pair.to_dataarray(), each.to_dataarray(), rtol=1e-12)
    # Trials in another order, and with gaps.
    shuffled = ds.isel(trial=[3, 11, 0, 7, 1, 2, 9, 4, 14, 5, 6, 8, 10, 12, 13])
    again = aa1xr.quality(shuffled).compute()
    np.testing.assert_allclose(again.to_dataarray(), whole.to_dataarray(), rtol=1e-9)


def test_quality__of_one_trial_tells_of_rates_alone(sample_archive):
    got = aa1xr.quality(aa1xr.open_sample().isel(trial=0)).compute()
    assert got.rate_driven.notnull().all()
    unknown = got[["snr", "signal_power", "ccmax", "ccmax_closed", "ttrc", "fano"]]
    assert unknown.to_dataarray().isnull().all()


def test_quality__says_why_a_measure_is_undefined_and_for_which_neurons():
    counts = np.zeros((4, 2, 4, 10))  # the third neuron never fires
    counts[0, :, 0, 3] = 1
    counts[1, 0, 1:] = counts[1, 1] = np.nan
    counts[3] = np.nan  # no data, about which there is nothing to say
    got = aa1xr.quality(dataset(counts, [10, 10]))
    with pytest.warns(aa1xr.UndefinedWarning) as caught:
        got.compute()
    assert all(each.filename == __file__ for each in caught)
    said = {str(each.message) for each in caught}
    assert all(message.startswith("aa1xr.quality: ") for message in said)
    assert "b3_1_A" not in "".join(said)
    # The same in every block of neurons, so that it is shown once.
    (message,) = [each for each in said if "no bins before onset" in each]
    assert message.endswith("open the data with before_ms=2000")
    assert "b0_1_A" not in message
    for reason, neurons in (
        ("halves of the trials are not positively correlated", ("b0", "b2")),
        ("no stimulus has two trials", ("b1",)),
        ("there are no spikes", ("b2",)),
    ):
        (message,) = [each for each in said if reason in each]
        named = ", ".join(f"'{n}_1_A'" for n in neurons)
        assert f"{len(neurons)} neuron{'s' * (len(neurons) > 1)} ({named})" in message


def test_quality__speaks_of_what_is_computed_alone(sample_archive):
    ds = aa1xr.open_sample().sel(neuron=["sim0000_1_A"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aa1xr.quality(ds)[["snr", "ccmax"]].compute()
        with pytest.raises(aa1xr.UndefinedWarning, match="no bins before onset"):
            aa1xr.quality(ds).latency.compute()


def test_with_quality__selects(sample_archive):
    ds = aa1xr.open_sample(before_ms=500)
    with_labels = aa1xr.with_quality(ds)
    measures = aa1xr.quality(ds).compute()
    chosen = with_labels.query(neuron="snr >= 0.05 and area == 'MLd'")
    expected = measures.sel(area="MLd").neuron[(measures.sel(area="MLd").snr >= 0.05).values]
    assert set(chosen.neuron.values) == set(expected.values)
    assert with_labels.snr.attrs["comment"] == "Sahani & Linden (2003)"
    assert with_labels.spikes.chunks is not None
    # Again, over other stimuli: the labels are replaced.
    songs = aa1xr.with_quality(with_labels.sel(type="conspecific"))
    assert not np.allclose(songs.snr, with_labels.snr, equal_nan=True)


def test_with_quality__nan_is_in_no_range(sample_archive):
    ds = aa1xr.with_quality(aa1xr.open_sample())
    silent = ds.neuron.values[np.isnan(ds.ccmax.values)]
    assert silent.tolist() == ["sim0000_2_B"]
    for some in (slice(-np.inf, np.inf), slice(0, None), slice(None, 1)):
        assert aa1xr.sel(ds, ccmax=some).sizes["neuron"] == 11
    assert ds.query(neuron="0 <= ccmax <= 1").sizes["neuron"] == 11


@pytest.fixture(scope="module")
def real(real_archive):
    return aa1xr.open(real_archive, dt_ms=5, before_ms=2000)


def test_quality__of_the_real_archive_has_known_reliability(real):
    cell = real.sel(neuron=["gg0304_10_B"])
    assert abs(float(aa1xr.quality(cell).snr[0]) - 0.055) < 5e-4
    # deepSTRF averages CCmax itself over stimuli, leaving out those that have none.
    each = aa1xr.quality(cell, by="stimulus").ccmax.values[0]
    n_bins = np.ceil(real.duration_s.values / DT)
    has = ~np.isnan(each)
    assert abs(np.average(each[has], weights=n_bins[has]) - 0.552) < 1e-3
    songs = aa1xr.quality(real.sel(type="conspecific")).ccmax.compute()
    for area, expected in (("Field_L", 0.66), ("MLd", 0.69)):
        assert abs(float(songs.sel(area=area).median()) - expected) < 0.005


def test_quality__of_the_real_archive_has_known_rates_and_latencies(real):
    songs, ripples = (
        aa1xr.quality(real.sel(type=type_), max_splits=1)[["rate_driven"]].compute()
        for type_ in ("conspecific", "flatrip")
    )
    whole = aa1xr.quality(real, max_splits=1)[["rate_spontaneous", "latency"]].compute()
    for area, still, song, ripple in (("Field_L", 2.15, 9.4, 10.9), ("MLd", 0.41, 8.4, 10.3)):
        assert abs(float(whole.rate_spontaneous.sel(area=area).mean()) - still) < 0.005
        assert abs(float(songs.rate_driven.sel(area=area).mean()) - song) < 0.05
        assert abs(float(ripples.rate_driven.sel(area=area).mean()) - ripple) < 0.05
    mld, field_l = (whole.latency.sel(area=area) for area in ("MLd", "Field_L"))
    assert 0.008 < mld.median() < 0.015 < field_l.median() < 0.022
    assert mld.mean() < field_l.mean()
    assert whole.latency.min() > 0.004
    assert aa1xr.quality(real.sel(neuron=["pipu1018_11_B"])).ccmax.notnull().all()
