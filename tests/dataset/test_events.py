"""Events, held against the lists that an archive was made of."""

import importlib.util

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from aa1xr.archive.read import Cell
from aa1xr.archive.write import make_sound, write_archive
from aa1xr.dataset.events import as_events
from tests.small_archives import archives, fewer, open_temporary, recording


def by_presentation(events):
    """{(neuron, stimulus, trial): [microseconds]} of a Dataset of events, in plain loops."""
    out, at = {}, 0
    labels = [events[dim].values.tolist() for dim in ("neuron", "stimulus", "trial")]
    for n, s, r in np.ndindex(events.row_size.shape):
        size = int(events.row_size[n, s, r])
        key = (labels[0][n], labels[1][s], labels[2][r])
        out[key] = events.spike_time.values[at : at + size].tolist()
        at += size
    assert at == events.sizes["spike"]
    return out


def test_events__ascend_in_each_presentation_whatever_the_file_says(tmp_path):
    trials = [[3000, -1, 3000, 7], [], [2, 1]]
    sound = make_sound("flatrip", np.arange(320, dtype=np.int16), 32000)
    cell = Cell("a1_1", "MLd", [recording(1, sound, trials)])
    path = write_archive(tmp_path / "x.zip", [sound], [cell])
    found = by_presentation(aa1xr.events(path, data_dir=tmp_path))
    assert list(found.values()) == [[-1, 7, 3000, 3000], [], [1, 2]]


@fewer
@given(archives(), st.data())
def test_events__are_those_of_the_archive(made, data):
    with open_temporary(made) as ds:
        keys = zip(ds.type.values, ds.name.values, strict=True)
        expected = {
            (cell, stimulus, r): trial
            for stimulus, key in zip(ds.stimulus.values, keys, strict=True)
            for cell, heard in made.trials.items()
            for r, trial in enumerate(heard.get(key, []))
        }
        # Any selection, in any order.
        picks = {
            dim: data.draw(st.lists(st.integers(0, ds.sizes[dim] - 1), min_size=1, unique=True))
            for dim in ("neuron", "stimulus", "trial")
        }
        for picked in (ds, ds.isel(picks)):
            events = aa1xr.events(picked)
            found = by_presentation(events)
            assert found == {key: expected.get(key, []) for key in found}
            xr.testing.assert_equal(events.n_trials, picked.n_trials.compute())
            assert picked is not ds or expected.keys() <= found.keys()


def test_events__of_a_path_and_of_a_dataset_are_the_same(sample_archive, sample_store, ds):
    events = aa1xr.events(ds)
    xr.testing.assert_identical(events, aa1xr.events(sample_archive))
    xr.testing.assert_identical(events, aa1xr.events(sample_store))
    assert events.spike_time.dtype == np.int32
    assert int(events.spike_time.min()) < -1_000_000  # before the onset
    assert int((events.spike_time > 3_000_000).sum()) > 0  # and after the sound


def test_events__repeats(ds):
    once = aa1xr.events(ds.isel(neuron=[3], stimulus=[2], trial=[1]))
    again = aa1xr.events(ds.isel(neuron=[3, 3], stimulus=[2], trial=[1, 1, 1]))
    np.testing.assert_array_equal(again.spike_time, np.tile(once.spike_time, 6))


def test_events__of_one_element_keep_three_axes(ds):
    events = aa1xr.events(ds.isel(neuron=2, stimulus=4, trial=1))
    assert events.row_size.shape == (1, 1, 1)
    assert aa1xr.sel(events, area="Field_L").sizes["neuron"] == 1
    np.testing.assert_array_equal(
        events.spike_time, aa1xr.events(ds.isel(neuron=[2], stimulus=[4], trial=[1])).spike_time
    )


def test_events__labels_are_those_of_the_dataset(ds):
    labelled = ds.assign_coords(depth_um=("neuron", range(12))).isel(neuron=slice(3, 6))
    assert aa1xr.events(labelled).sel(depth_um=4).neuron.item() == labelled.neuron.values[1]


def test_events__survive_what_keeps_labels(ds):
    songs = aa1xr.drop_missing(ds.sel(type="conspecific"))
    events = aa1xr.events(aa1xr.resample(songs, dt_ms=10)[["n_trials"]])
    xr.testing.assert_identical(events.spike_time, aa1xr.events(songs).spike_time)


def test_events__silent_is_told_from_missing(ds):
    events = aa1xr.events(ds)
    heard = aa1xr.presented(events)
    xr.testing.assert_equal(heard, aa1xr.presented(ds).compute())
    counts = events.row_size.where(heard).to_series().dropna()
    assert counts.size == 1775
    assert (counts == 0).any()


def test_events__lost_store(ds, tmp_path, monkeypatch):
    right = aa1xr.events(ds)
    masked = ds.where(ds.n_trials > 0).compute()
    aa1xr.save(ds, tmp_path / "saved.zarr")
    saved = aa1xr.load(tmp_path / "saved.zarr")
    by_xarray = xr.open_zarr(tmp_path / "saved.zarr")
    # In a process that has open_temporary the same recordings, their SHA-256 tells.
    for lost in (masked, saved, by_xarray):
        xr.testing.assert_identical(aa1xr.events(lost).spike_time, right.spike_time)
    monkeypatch.setattr("aa1xr.store.read._OPENED", {})
    with pytest.raises(ValueError, match=r'does not know its store.*ds\.encoding\["source"\]'):
        aa1xr.events(masked)
    with pytest.raises(ValueError, match="does not know its store"):
        aa1xr.events(saved)
    with pytest.raises(ValueError, match="not a store"):
        aa1xr.events(by_xarray)
    masked.encoding["source"] = ds.encoding["source"]
    xr.testing.assert_identical(aa1xr.events(masked).spike_time, right.spike_time)


WAYS = {
    "itself": lambda ds: ds,
    "selected": lambda ds: ds.isel(neuron=[3, 1]),
    "masked": lambda ds: ds.where(ds.area == "MLd", drop=True),
    "assigned": lambda ds: ds.assign(rate=ds.psth.mean("time"))[["rate", "spikes"]],
    "computed": lambda ds: ds.compute(),
    "events": aa1xr.events,
}


def test_store_of__a_bucket_with_options(sample_store, bucket):
    url = f"s3://{bucket.bucket}/options.zarr"
    aa1xr.copy_store(sample_store, url, target_options=bucket.options)
    few = {"neuron": [3, 1, 7, 9]}
    for way, change in WAYS.items():
        chunks = None if way == "itself" else {}
        here = change(aa1xr.open(sample_store, dt_ms=20, chunks=chunks)[few])
        there = change(
            aa1xr.open(url, dt_ms=20, chunks=chunks, storage_options=bucket.options)[few]
        )
        assert aa1xr.to_pandas(there).equals(aa1xr.to_pandas(here))
        xr.testing.assert_equal(aa1xr.sounds(there), aa1xr.sounds(here))
        if way == "selected" and importlib.util.find_spec("pynapple"):
            assert aa1xr.to_pynapple(there).keys() == aa1xr.to_pynapple(here).keys()


def test_store_of__variables_of_two_stores(ds, tmp_path):
    aa1xr.simulate_archive(tmp_path / "b.zip", n_neurons=2, n_songs=1, n_ripples=1)
    ds = ds.isel(neuron=slice(2), stimulus=slice(2))
    other = aa1xr.open(tmp_path / "b.zip", data_dir=tmp_path)
    mixed = xr.Dataset(
        {"a": ds.n_trials.variable, "b": other.n_trials.variable}, other[["n_trials"]].coords
    )
    with pytest.raises(ValueError, match="the variables are of 2 stores"):
        aa1xr.events(mixed)
    # Which of them it is about is in the attributes.
    events = aa1xr.events(mixed.assign_attrs(source_sha256=other.attrs["source_sha256"]))
    assert events.attrs["source_sha256"] == other.attrs["source_sha256"]


def test_events__another_store(ds, tmp_path):
    aa1xr.simulate_archive(tmp_path / "b.zip", n_neurons=1, n_songs=0, n_ripples=1, n_trials=1)
    other = aa1xr.open(tmp_path / "b.zip", data_dir=tmp_path)
    other = other.compute()
    other.encoding["source"] = ds.encoding["source"]
    with pytest.raises(ValueError, match="source_sha256"):
        aa1xr.events(other)


def test_as_events__refuses_those_selected_afterwards(ds):
    events = aa1xr.events(ds)
    assert as_events(events) is events
    for selected in (
        events.sel(area="MLd"),
        events.isel(neuron=0),
        events.isel(trial=[0]),
        events.isel(neuron=slice(None, None, -1)),
        events.sortby("duration_s"),
        events.transpose(),
    ):
        with pytest.raises(ValueError, match="select the Dataset first, then ask for its events"):
            as_events(selected)


def test_events__read_only_what_is_selected(ds, monkeypatch):
    from aa1xr.store.read import Store

    read = []
    original = Store.read

    def spy(self, name, selection=...):
        values = original(self, name, selection)
        read.append((name, values.size))
        return values

    monkeypatch.setattr(Store, "read", spy)
    events = aa1xr.events(ds.isel(neuron=[5], stimulus=[3]))
    (n_read,) = (size for name, size in read if name == "spike_time")
    assert n_read == events.sizes["spike"]
