"""Datasets put together, as the page about it does, and what goes wrong on the way."""

import warnings

import numpy as np
import pytest
import xarray as xr

import aa1xr


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another archive: it has a conspecific-00 too, which is another sound."""
    folder = tmp_path_factory.mktemp("other")
    sizes = {"n_neurons": 4, "n_songs": 3, "n_ripples": 2}
    aa1xr.simulate_archive(folder / "other.zip", seed=1, **sizes)
    return aa1xr.open(folder / "other.zip", data_dir=folder)


def test_two_areas__are_the_whole(ds):
    areas = [ds.sel(area=area) for area in ("MLd", "Field_L")]
    both = xr.concat(areas, "neuron", data_vars="minimal").sel(neuron=ds.neuron.values)
    xr.testing.assert_identical(both.compute(), ds.compute())
    np.testing.assert_array_equal(aa1xr.spike_counts(both), aa1xr.spike_counts(ds))


def test_two_windows__are_the_whole():
    ds = aa1xr.open_sample(before_ms=500)
    parts = [ds.sel(time=slice(None, -0.001)), ds.sel(time=slice(0, None))]
    both = xr.concat(parts, "time", data_vars="minimal")
    xr.testing.assert_identical(both.compute(), ds.compute())
    np.testing.assert_array_equal(aa1xr.quality(both).snr, aa1xr.quality(ds).snr)


def test_two_archives__are_block_diagonal(ds, other):
    parts = []
    for name, each in (("first", ds), ("second", other)):
        cells = [f"{name}/{cell}" for cell in each.neuron.values]
        marked = each.assign_coords(archive=("neuron", [name] * len(cells)))
        parts.append(marked.assign_coords(neuron=cells, stimulus=each.name.values))
    both = xr.concat(
        parts, "neuron", data_vars="minimal", coords="minimal", compat="no_conflicts", join="outer"
    )
    both = both.assign(
        n_trials=both.n_trials.fillna(0).astype(int), spectrogram=both.spectrogram.fillna(0)
    )
    assert both.sizes["neuron"] == 16
    assert both.sizes["stimulus"] == 20
    for name, each in (("first", ds), ("second", other)):
        part = aa1xr.drop_missing(both.sel(archive=name))
        np.testing.assert_array_equal(part.stimulus, np.sort(each.name))
        same = part.sel(stimulus=each.name.values, time=each.time)
        for variable in ("spikes", "psth", "spectrogram", "n_trials"):
            np.testing.assert_array_equal(same[variable], each[variable])
        measures = [aa1xr.quality(d).snr for d in (part, each)]
        np.testing.assert_allclose(*measures, rtol=1e-6)
        np.testing.assert_array_equal(
            aa1xr.spike_counts(same, stop=1), aa1xr.spike_counts(each, stop=1)
        )
    with pytest.raises(ValueError, match="store"):
        aa1xr.spike_counts(both)
    with pytest.raises(ValueError, match="store"):
        aa1xr.events(both)


def test_two_archives__with_equal_stimulus_labels_are_refused(ds, other):
    other = other.assign_coords(neuron=[f"o_{n}_A" for n in range(4)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        joined = xr.concat([ds.drop_vars("spectrogram"), other.drop_vars("spectrogram")], "neuron")
    assert joined["name"].dims == ("neuron", "stimulus")
    with pytest.raises(ValueError, match="one stimulus label means two sounds"):
        aa1xr.quality(joined)


def test_score__of_a_prediction_for_other_sounds(ds, other):
    prediction = other.psth.assign_coords(neuron=ds.neuron.values[:4]).sel(time=ds.time)
    for function in (aa1xr.score, aa1xr.coherence):
        with pytest.raises(ValueError, match="is another sound"):
            function(ds, prediction)
    aa1xr.score(ds, prediction.drop_vars("name"))


def test_strf__of_a_response_to_other_sounds(ds, other):
    response = other.psth.sel(time=ds.time)
    sounds = ds.sel(stimulus=other.stimulus.values[-2:])
    with pytest.raises(ValueError, match="another sound"):
        aa1xr.strf(sounds, train=["flatrip-00"], validation=["flatrip-01"], response=response)
