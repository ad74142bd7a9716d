"""Held against pynapple itself."""

import numpy as np
import pytest

import aa1xr

nap = pytest.importorskip("pynapple")


def test_to_pynapple__perievents_are_the_trains(ds, trains):
    sites = aa1xr.to_pynapple(ds)
    seen = set()
    for units, trials in sites.values():
        for unit, neuron in units["neuron"].items():
            for stimulus in ds.stimulus.values:
                heard = trials[(trials["stimulus"] == stimulus) & trials[neuron]]
                if len(heard) == 0:
                    continue
                onsets = nap.Ts(heard["onset"].values)
                raster = nap.compute_perievent(units[unit], onsets, window=(-2, 4))
                for number, trial in enumerate(heard["trial"]):
                    key = neuron, str(stimulus), int(trial)
                    np.testing.assert_allclose(raster[number].t * 1e6, trains[key], atol=1e-3)
                    seen.add(key)
    assert seen == trains.keys()


def test_to_pynapple__counts_are_the_spikes(ds):
    # A pynapple user's own binning, on one cell and sound.
    one = ds.sel(neuron=["sim0000_1_B"], stimulus=["flatrip-01"])
    ((units, trials),) = aa1xr.to_pynapple(one).values()
    for number, onset in enumerate(trials["onset"]):
        sound = nap.IntervalSet(onset, onset + 2)
        counts = units[0].count(0.005, ep=sound).values
        expected = one.spikes.values[0, 0, number, :400]
        # Its bins are found in floating point, so a spike at an edge may fall on either side.
        assert counts.sum() == expected.sum()
        assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= 1


def test_to_pynapple__cells_of_one_site_only_are_together(ds):
    sites = aa1xr.to_pynapple(ds)
    assert list(sites) == [f"sim0000_{n}" for n in range(1, 6)] + ["sim0001_1"]
    assert {len(units) for units, _ in sites.values()} == {2}
    units, trials = sites["sim0000_1"]
    assert units["area"].to_list() == ["Field_L", "MLd"]
    assert units["rig"].to_list() == ["B", "A"]
    assert set(trials["type"]) == {"conspecific", "flatrip"}
    # The cell on rig B has half as many presentations again.
    assert trials["sim0000_1_B"].sum() == len(trials) == 225
    assert trials["sim0000_1_A"].sum() == 150


def test_to_pynapple__of_the_real_archive(real_archive):
    sites = aa1xr.to_pynapple(aa1xr.open(real_archive))
    assert len(sites) == 65
    assert sorted(len(units) for units, _ in sites.values()) == [1] * 32 + [2] * 33
    assert sum(len(units[k]) for units, _ in sites.values() for k in units) == 710_298
    for units, trials in sites.values():
        assert all(trials[neuron].all() for neuron in units["neuron"])
