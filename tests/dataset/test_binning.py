"""Counts against plain loops, on ragged archives and arbitrary selections."""

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aa1xr
from aa1xr.archive.write import make_sound
from aa1xr.dataset import binning
from tests.small_archives import RATE, SmallArchive, archives, fewer


def opened(made, hop=160, **options):
    # Not tmp_path: hypothesis runs many examples in one test.
    with tempfile.TemporaryDirectory() as folder:
        path = made.write(Path(folder) / "a.zip")
        ds = aa1xr.open(path, dt_ms=1000 * hop / RATE, data_dir=folder, **options)
        yield ds


@fewer
@given(
    made=archives(),
    hop=st.sampled_from([1, 16, 32, 100, 160, 5000]),
    before=st.sampled_from([0, 100, 640]),
    after=st.sampled_from([0, 1, 640]),
    chunks=st.sampled_from([None, {}, {"neuron": 1, "stimulus": 2, "time": 400}]),
    piece=st.sampled_from([1, 3, binning._PIECE]),
)
def test_count__equals_loops(made, hop, before, after, chunks, piece):
    window = {"before_ms": before / 32, "after_ms": after / 32}
    with mock.patch.object(binning, "_PIECE", piece):
        check_counts(made, hop, before, after, opened(made, hop, chunks=chunks, **window))


def check_counts(made, hop, before, after, datasets):
    for ds in datasets:
        expected = made.counts(ds, hop=hop, before=before, after=after)
        np.testing.assert_array_equal(ds.spikes.values, expected)
        presented = ~np.isnan(expected)
        heard = presented.any(-1)
        assert (ds.n_trials.values == heard.sum(-1)).all()
        # Exactly the mean over trials, though it never makes them.
        trials = np.maximum(heard.sum(-1), 1)[:, :, None].astype(np.float32)
        counts = np.nansum(expected, 2, dtype=np.float32)
        psth = counts / trials / np.float32(hop / RATE)
        psth[~presented.any(2)] = np.nan
        np.testing.assert_array_equal(ds.psth.values, psth)
        mean = ds.spikes.mean("trial") / (hop / RATE)
        np.testing.assert_array_equal(ds.psth.values, mean.values)
        np.testing.assert_array_equal(aa1xr.psth(ds).values, mean.values)


@pytest.mark.parametrize("hop", [2500, 7 * 32, 160 * 40, 4 * RATE])
def test_count__of_what_was_not_recorded_is_nan(hop):
    """Spikes in every part of the window and outside it; a bin partly outside has no count."""
    sound = make_sound("flatrip", np.ones(1000, np.int16), RATE)
    edges = np.array([-2_000_000, -1_995_000, 0, 3_996_999, 4_000_000, 4_030_000])
    spikes = np.sort(np.concatenate([edges - 1, edges, edges + 1])).tolist()
    made = SmallArchive([sound], {"a_1": "MLd"}, {"a_1": {("flatrip", sound.name): [spikes, []]}})
    check_counts(made, hop, 2 * RATE, 4 * RATE, opened(made, hop, before_ms=2000, after_ms=4000))


def test_count__reads_only_what_is_asked_for(ds, monkeypatch):
    read = []
    original = aa1xr.store.read.Store.read

    def spy(self, name, selection=...):
        values = original(self, name, selection)
        read.append((name, values.size))
        return values

    monkeypatch.setattr(aa1xr.store.read.Store, "read", spy)
    lazy = aa1xr.open_sample(chunks=None)
    assert not [name for name, _ in read if name in ("spike_time", "row_size", "waveform")]
    one = lazy.spikes.sel(neuron="sim0000_1_B", stimulus="flatrip-01").isel(trial=[0, 3])
    total = one.sum().item()
    (events,) = [size for name, size in read if name == "spike_time"]
    # The stretch from trial 0 to 3 of this one pair, with what is outside the window; the store
    # holds some 150,000 events.
    assert 0 < total <= events < 1000
    assert one.shape == (2, 434)


def test_count__through_dask_is_of_the_selection_alone(ds, monkeypatch):
    asked = []
    original = aa1xr.dataset.lazy.count

    def spy(store, grid, *indices, total=False):
        asked.append([part.size for part in indices if part is not None])
        return original(store, grid, *indices, total=total)

    monkeypatch.setattr(aa1xr.dataset.lazy, "count", spy)
    ds.psth.sel(area="MLd", type="conspecific").mean("neuron").compute()
    ds.spikes.sel(neuron="sim0000_1_B", stimulus="flatrip-01").compute()
    aa1xr.sel(ds.spikes, animal_id="sim0000", rig="A", trial=slice(0, 1)).compute()
    ds.spikes.isel(neuron=[7], time=slice(50)).compute()
    # Of a list, dask passes on only the slices beside it; the neurons are picked afterwards.
    assert asked == [[6, 10, 434], [1, 1, 15, 434], [5, 15, 2, 434], [12, 15, 15, 50]]
