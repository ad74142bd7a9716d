"""Counts of trials, held against loops over the times themselves."""

from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from tests.analysis.small_datasets import dataset
from tests.small_archives import RATE, archives, fewer, open_temporary


def by_loops(made, ds, start, stop):
    """What the counts must be; start and stop in microseconds, None for the end of the sound."""
    expected = np.full([ds.sizes[d] for d in ("neuron", "stimulus", "trial")], np.nan)
    lengths = {(s.type, s.name): s.samples.size for s in made.sounds}
    for n, cell in enumerate(ds.neuron.values):
        for s, key in enumerate(zip(ds.type.values, ds.name.values, strict=True)):
            end = Fraction(lengths[key] * 10**6, RATE) if stop is None else stop
            for r, trial in enumerate(made.trials[cell].get(key, [])):
                expected[n, s, r] = sum(start <= t < end for t in trial)
    return expected


@fewer
@given(
    archives(),
    st.sampled_from([1, 5, 3.125]),
    st.sampled_from([0, 0.0001]),
    st.one_of(st.none(), st.integers(1, 60_000)),
    st.sampled_from([{}, {"chunks": None}, {"before_ms": 7, "after_ms": 11}]),
)
def test_spike_counts__by_loops(made, dt_ms, start, stop, options):
    with open_temporary(made, dt_ms=dt_ms, **options) as ds:
        if stop is None and any(s.samples.size <= 4 for s in made.sounds):
            start = 0
        begin = Fraction(str(start)) * 10**6
        if stop is not None and stop <= begin:
            return
        got = aa1xr.spike_counts(ds, start=start, stop=stop and stop / 10**6)
        np.testing.assert_array_equal(got, by_loops(made, ds, begin, stop))


def test_spike_counts__of_any_order(ds):
    order = {"neuron": [7, 1, 2], "stimulus": [9, 3], "trial": [12, 0, 4]}
    for window in ({"start": -0.01}, {"stop": 1}):
        expected = aa1xr.spike_counts(ds, **window).isel(order)
        np.testing.assert_array_equal(aa1xr.spike_counts(ds.isel(order), **window), expected)


def test_spike_counts__a_sum_counts_trials_that_were_not_there(ds):
    counts = aa1xr.spike_counts(ds).compute()
    there = aa1xr.presented(ds)
    assert (counts.notnull() == there).all()
    assert counts.mean() > 1.2 * ds.spikes.sum("time").mean()


@pytest.mark.parametrize(
    "options", [{"dt_ms": 1}, {"dt_ms": 20}, {"chunks": None}, {"before_ms": 999, "after_ms": 500}]
)
@pytest.mark.parametrize(
    "window",
    [
        {},
        {"start": -0.5, "stop": 0},
        {"start": 0.0013, "stop": 1.00007},
        {"stop": 0.5},
        {"stop": 3},
    ],
)
def test_spike_counts__does_not_depend_on_the_bins(ds, options, window):
    expected = aa1xr.spike_counts(ds, **window)
    other = aa1xr.open_sample(**options)
    np.testing.assert_array_equal(aa1xr.spike_counts(other, **window), expected)
    wide = aa1xr.resample(other, dt_ms=other.attrs["dt_ms"] * 3)
    np.testing.assert_array_equal(aa1xr.spike_counts(wide, **window), expected)


def test_spike_counts__of_one(ds):
    whole = aa1xr.spike_counts(ds)
    one = ds.isel(neuron=2, trial=3)
    xr.testing.assert_identical(
        aa1xr.spike_counts(one).compute(), whole.isel(neuron=2, trial=3).compute()
    )
    alone = ds.isel(neuron=2, trial=3, stimulus=1)
    assert aa1xr.spike_counts(alone).values.item() == whole[2, 1, 3].values.item()


def test_spike_counts__without_spikes_in_the_dataset(ds):
    got = aa1xr.spike_counts(ds[["psth"]].isel(neuron=[5, 2]))
    np.testing.assert_array_equal(got, aa1xr.spike_counts(ds.isel(neuron=[5, 2])))
    np.testing.assert_array_equal(got.trial, ds.trial)


def test_spike_counts__trials_masked_by_the_user_are_missing(ds):
    masked = ds.assign(spikes=ds.spikes.where(ds.trial % 2 == 0))
    for window in ({}, {"stop": 0.5}):
        got = aa1xr.spike_counts(masked, **window)
        expected = aa1xr.spike_counts(ds, **window)
        xr.testing.assert_equal(got.compute(), expected.where(ds.trial % 2 == 0).compute())


def test_spike_counts__of_changed_spikes(ds):
    # The usual control: trials in another order, under the same labels.
    shuffled = ds.assign(spikes=ds.spikes.isel(trial=slice(None, None, -1)).variable)
    thinned = ds.assign(spikes=ds.spikes.clip(max=1))
    late = ds.assign(spikes=ds.spikes.shift(time=3, fill_value=0).where(ds.spikes.notnull()))
    for changed in (shuffled, thinned, late, ds.assign(spikes=ds.spikes * 2.0)):
        with pytest.raises(ValueError, match="changed or reordered"):
            aa1xr.spike_counts(changed, stop=0.5001).compute()
        with pytest.raises(ValueError, match="changed or reordered"):
            aa1xr.spike_counts(changed).compute()
        got = aa1xr.spike_counts(changed, stop=0.5)
        bins = changed.spikes.isel(time=slice(100)).sum("time", min_count=1, dtype=float)
        np.testing.assert_array_equal(got, bins)


def test_spike_counts__bins_that_were_taken_out(ds):
    gap = ds.assign(spikes=ds.spikes.where(ds.time >= 0.05))
    for window in ({}, {"stop": 0.5}, {"start": 0.0011}):
        with pytest.raises(ValueError, match="NaN in some bins of the window"):
            aa1xr.spike_counts(gap, **window).compute()
    assert aa1xr.spike_counts(gap, start=0.0500).sum() == aa1xr.spike_counts(ds, start=0.05).sum()
    cut = ds.sel(time=slice(0, 0.5))
    np.testing.assert_array_equal(aa1xr.spike_counts(cut), aa1xr.spike_counts(ds))


def test_spike_counts__without_a_store(ds):
    songs = ds.isel(stimulus=[0, 3]).compute()
    songs.encoding.pop("source")
    songs.attrs = {}  # a process that has open_temporary the store knows it by its checksum
    np.testing.assert_array_equal(
        aa1xr.spike_counts(songs, stop=1), aa1xr.spike_counts(ds.isel(stimulus=[0, 3]), stop=1)
    )
    for window in ({}, {"start": 0.001}, {"start": -0.5}):
        with pytest.raises(ValueError, match="does not know its store"):
            aa1xr.spike_counts(songs, **window)
    with pytest.raises(ValueError, match="NaN in some bins"):
        aa1xr.spike_counts(songs, stop=2.1)  # the other song is shorter


def test_spike_counts__of_a_dataset_made_by_hand():
    counts = np.ones((1, 2, 2, 10))
    counts[0, 1, 1] = np.nan
    counts[0, 1, 0, 6:] = np.nan
    got = aa1xr.spike_counts(dataset(counts, [10, 6]))
    np.testing.assert_array_equal(got, [[[10, 10], [6, np.nan]]])


def test_spike_counts__of_another_archive(tmp_path):
    sizes = {"n_neurons": 2, "n_songs": 1, "n_ripples": 1, "n_trials": 3}
    for seed in (0, 1):
        aa1xr.simulate_archive(tmp_path / f"{seed}.zip", **sizes, seed=seed)
    one, other = (aa1xr.open(tmp_path / f"{n}.zip", data_dir=tmp_path) for n in (0, 1))
    other = other.compute()
    other.encoding["source"] = one.encoding["source"]
    other.attrs.pop("source_sha256")
    with pytest.raises(ValueError, match="not of this store"):
        aa1xr.spike_counts(other)
    with pytest.raises(ValueError, match="not of this store"):
        aa1xr.events(other)


def test_spike_counts__refuses_windows_that_were_not_recorded(ds):
    with pytest.raises(ValueError, match=r"stop=4\.5 must be between -2 and 4 s"):
        aa1xr.spike_counts(ds, stop=4.5)
    with pytest.raises(ValueError, match=r"start=1\.9 must be before the end of each stimulus"):
        aa1xr.spike_counts(ds, start=1.9)


def test_spike_counts__needs_the_ends_of_sounds(ds):
    with pytest.raises(ValueError, match="'n_samples'"):
        aa1xr.spike_counts(ds.drop_vars(["n_samples", "duration_s"]))
