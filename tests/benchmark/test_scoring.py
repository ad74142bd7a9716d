import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from aa1xr.benchmark import score
from tests.analysis.made import dataset, ragged, weighted


def as_prediction(ds, values):
    coords = {name: ds[name].variable for name in ("neuron", "stimulus", "time")}
    return xr.DataArray(values, coords, ("neuron", "stimulus", "time"))


def signal_power(rows):
    rows = np.asarray(rows)
    n = len(rows)
    if n < 2 or rows.shape[1] < 2:
        return np.nan
    return (n * rows.mean(0).var(ddof=1) - rows.var(1, ddof=1).mean()) / (n - 1)


def by_loops(p, counts):
    """Of one neuron. [shape: (stimulus, time) and (stimulus, trial, time)]."""
    stimuli = []
    for rate, trials in zip(p, counts, strict=True):
        presented = ~np.isnan(trials).all(1)
        there = ~np.isnan(trials[presented]).any(0)
        if presented.any() and there.any():
            stimuli.append((rate[there], trials[:, there], presented))
    if not stimuli:
        return [np.nan] * 3
    common = np.all([presented for *_, presented in stimuli], 0)
    predicted = np.concatenate([rate for rate, *_ in stimuli])
    mean = np.concatenate([trials[presented].mean(0) for _, trials, presented in stimuli])
    if predicted.size < 2:
        return [np.nan] * 3
    c = np.cov(predicted, mean)
    twice = [(rate, t[here]) for rate, t, here in stimuli if here.sum() > 1 and len(rate) > 1]
    each = weighted([signal_power(rows) for _, rows in twice], [len(rate) for rate, _ in twice])
    whole = signal_power(np.concatenate([trials[common] for _, trials, _ in stimuli], 1))
    scores = []
    for power in (whole, each, c[1, 1]):
        defined = power > 1e-10 and c[0, 0] > 1e-10
        scores.append(c[0, 1] / (c[0, 0] * power) ** 0.5 if defined else np.nan)
    return scores


@given(ragged(), st.integers(0, 99))
def test_score__of_ragged_data_by_loops(ds, seed):
    rng = np.random.default_rng(seed)
    values = rng.gamma(1, size=[ds.sizes[d] for d in ("neuron", "stimulus", "time")])
    got = score(as_prediction(ds, values), ds).compute()
    for n in range(ds.sizes["neuron"]):
        expected = by_loops(values[n], ds.spikes.values[n].astype(float))
        for name, value in zip(got, expected, strict=True):
            np.testing.assert_allclose(got[name][n], value, rtol=1e-6, err_msg=name)


def test_score__means_of_stimuli_count_in_one_signal_power_only():
    rng = np.random.default_rng(0)
    rate = np.array([2.0, 8.0])[:, np.newaxis] + rng.gamma(1, 1, (2, 400))
    ds = dataset(rng.poisson(rate[np.newaxis, :, np.newaxis], (1, 2, 10, 400)), [400, 400])
    got = score(as_prediction(ds, rate[np.newaxis]), ds).compute()
    assert abs(got.cc_norm.item() - 1) < 0.03
    assert got.cc_norm_by_stimulus.item() > 1.5


def test_score__constant_prediction_is_nan(ds):
    got = score(xr.ones_like(ds.psth), ds).compute()
    assert all(array.isnull().all() for array in got.values())


def test_score__a_prediction_with_gaps_has_none(ds):
    songs = ds.sel(type="conspecific", area="Field_L")
    gap = songs.psth.copy(data=songs.psth.values)
    gap[0, 2, 50] = np.nan
    got = score(gap, songs).compute()
    assert all(array.isnull().values.tolist() == [True, False] for array in got.values())


def test_score__is_that_of_the_peer(ds):
    torch = pytest.importorskip("torch", reason="needs torch and deepSTRF")
    performance = pytest.importorskip("deepSTRF.metrics.performance", reason="needs deepSTRF")
    songs = ds.sel(type="conspecific", area="Field_L")
    # Shifted, with a number in every bin: a gap would leave nothing to compare.
    prediction = as_prediction(songs, np.nan_to_num(np.roll(songs.psth.values, 3, axis=2)))
    got = score(prediction, songs).compute()
    response, rate = (
        torch.tensor(array.transpose("stimulus", "neuron", "trial", "time").values)
        for array in (songs.spikes, prediction.expand_dims("trial"))
    )
    peer = performance.normalized_corrcoef(rate, response, reduction="none").numpy()
    assert not np.isnan(peer).any()
    np.testing.assert_allclose(got.cc_norm_by_stimulus, peer, rtol=1e-4)
