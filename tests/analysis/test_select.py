import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import aa1xr


def test_presented__by_loops(ds):
    got = aa1xr.presented(ds)
    assert got.dims == ("neuron", "stimulus", "trial")
    assert got.dtype == bool
    mask, n_trials = got.values, ds.n_trials.values
    for n, s, r in np.ndindex(mask.shape):
        assert mask[n, s, r] == (r < n_trials[n, s])


def test_presented__is_where_spikes_are(ds):
    some = ds.isel(neuron=slice(None, None, 3), trial=[11, 2])
    there = some.spikes.isel(time=0).notnull()
    np.testing.assert_array_equal(aa1xr.presented(some), there)
    one = some.isel(neuron=1, trial=1)
    np.testing.assert_array_equal(aa1xr.presented(one), there[1, :, 1])


def test_presented__needs_trials_and_their_numbers(ds):
    with pytest.raises(ValueError, match="no variable 'n_trials'"):
        aa1xr.presented(ds[["psth"]])
    with pytest.raises(ValueError, match="'trial'"):
        aa1xr.presented(ds.drop_vars("trial"))


def test_drop_missing__of_songs_leaves_who_heard_them(ds):
    songs = ds.sel(type="conspecific")
    got = aa1xr.drop_missing(songs)
    assert got.sizes["neuron"] == 11
    assert "sim0000_2_A" not in got.neuron
    xr.testing.assert_identical(got, songs.sel(neuron=got.neuron.values))
    assert got.sel(area="MLd").sizes["neuron"] == 5


def test_drop_missing__of_a_neuron_leaves_what_it_heard(ds):
    for neuron in ("sim0000_2_A", ["sim0000_2_A"]):
        got = aa1xr.drop_missing(ds.sel(neuron=neuron))
        assert set(got.type.values) == {"flatrip"}
        assert got.sizes["stimulus"] == 5


def test_drop_missing__regards_the_trials_left(ds):
    late = aa1xr.drop_missing(ds.isel(trial=slice(10, None)))
    assert late.neuron.values.tolist() == ["sim0000_1_B"]
    alone = aa1xr.drop_missing(ds.isel(trial=12))
    assert alone.neuron.values.tolist() == ["sim0000_1_B"]
    assert aa1xr.drop_missing(ds.drop_dims("trial")).sizes["neuron"] == 12


def test_drop_missing__reads_only_how_often(ds):
    computed = []

    def scheduler(graph, keys, **kwargs):
        computed.append(keys)
        return dask.get(graph, keys, **kwargs)

    with dask.config.set(scheduler=scheduler):
        got = aa1xr.drop_missing(ds.sel(type="conspecific"))
    assert len(computed) == 1
    assert all(got[name].chunks is not None for name in got.data_vars)


def test_drop_missing__nothing_left(ds):
    with pytest.raises(ValueError, match="nothing is left"):
        aa1xr.drop_missing(ds.sel(neuron="sim0000_2_A", type="conspecific"))


@given(hnp.arrays(int, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.integers(0, 1)))
def test_drop_missing__by_loops_until_stable(n_trials):
    assume(n_trials.any())
    ds = xr.Dataset({"n_trials": (("neuron", "stimulus"), n_trials)})
    neurons, stimuli = list(range(n_trials.shape[0])), list(range(n_trials.shape[1]))
    while True:
        before = len(neurons), len(stimuli)
        neurons = [n for n in neurons if any(n_trials[n, s] for s in stimuli)]
        stimuli = [s for s in stimuli if any(n_trials[n, s] for n in neurons)]
        if before == (len(neurons), len(stimuli)):
            break
    xr.testing.assert_identical(aa1xr.drop_missing(ds), ds.isel(neuron=neurons, stimulus=stimuli))


def test_simultaneous__by_loops(ds):
    pairs = aa1xr.simultaneous(ds)
    ids = ds.neuron.values.tolist()
    expected = {(a, b) for a in ids for b in ids if a[:-2] == b[:-2] and a[-1] + b[-1] == "AB"}
    assert set(zip(pairs.A.values, pairs.B.values, strict=True)) == expected
    assert pairs.sizes == {"pair": 6}
    for a, animal, seq in zip(
        *(pairs[name].values for name in ("A", "animal_id", "cell_seq")), strict=True
    ):
        assert a == f"{animal}_{seq}_A"


def test_simultaneous__sides_are_held_against_each_other(ds):
    pairs = aa1xr.simultaneous(ds)
    ripples = ds.spikes.sel(type="flatrip").isel(trial=slice(10))
    a, b = ripples.sel(neuron=pairs.A), ripples.sel(neuron=pairs.B)
    product = (a * b).sum(["trial", "time"])
    assert product.dims == ("pair", "stimulus")
    counts = ripples.compute()
    for k in range(6):
        one, other = (counts.sel(neuron=pairs[rig].values[k]).values for rig in "AB")
        np.testing.assert_allclose(product[k], np.nansum(one * other, axis=(1, 2)))


def test_simultaneous__refuses_neurons_that_are_there_twice(ds):
    other = ds.assign_coords(neuron=[f"{name}x" for name in ds.neuron.values])
    with pytest.raises(ValueError, match="have the same animal, cell_seq and rig"):
        aa1xr.simultaneous(xr.concat([ds, other], "neuron", data_vars="minimal"))


def test_simultaneous__of_a_selection(ds):
    assert aa1xr.simultaneous(ds.sel(animal_id="sim0001")).A.values.tolist() == ["sim0001_1_A"]
    none = aa1xr.simultaneous(ds.sel(area="MLd"))
    assert none.sizes == {"pair": 0}
    assert ds.sel(neuron=none.A).sizes["pair"] == 0
    with pytest.raises(ValueError, match="'neuron'"):
        aa1xr.simultaneous(ds.isel(neuron=0))


def test_select__on_the_real_archive(real_archive):
    ds = aa1xr.open(real_archive)
    assert aa1xr.drop_missing(ds.sel(type="conspecific")).sizes["neuron"] == 96
    assert aa1xr.drop_missing(ds).sizes == ds.sizes
    pairs = aa1xr.simultaneous(ds)
    assert pairs.sizes["pair"] > 0
    assert {a.removesuffix("_A") for a in pairs.A.values} == {
        b.removesuffix("_B") for b in pairs.B.values
    }
