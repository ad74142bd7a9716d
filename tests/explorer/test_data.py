"""What a page shows is what the functions of the package give."""

from concurrent.futures import wait
from dataclasses import replace

import numpy as np
import pytest

import aa1xr
from aa1xr.explorer import data as module
from aa1xr.explorer.data import Data
from aa1xr.explorer.state import first_state

NEURON, SONG = "sim0000_3_A", "conspecific-03"


@pytest.fixture(scope="module")
def data(sample_store):
    data = Data(aa1xr.open(sample_store))
    yield data
    data.close()


@pytest.fixture(scope="module")
def state(data):
    return replace(first_state(data.choices), neurons=(NEURON,), stimulus=SONG)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"dt_ms": 2.0, "smooth_ms": 21.0},
        {"dt_ms": 20.0, "before_ms": 0, "after_ms": 2000, "trials": (3, 6)},
        {"neurons": ("sim0000_2_B", NEURON), "trials": (0, 0), "smooth_ms": 101.0},
    ],
)
def test_population__is_what_the_lines_of_python_give(data, state, change):
    state = replace(state, **change)
    names = {"aa1xr": aa1xr}
    exec(state.to_python(data.source), names)
    edges, rate = data.population(state)
    rows = [data.choices.neurons.index(name) for name in state.neurons]
    np.testing.assert_array_equal(edges, names["rate"].time)
    np.testing.assert_allclose(rate[rows], names["rate"].values, rtol=1e-5)
    for name, row in zip(state.neurons, rows, strict=True):
        response = data.response(state, name)
        inside = ~np.isnan(rate[row])
        np.testing.assert_array_equal(response.rate, rate[row, inside])


@pytest.mark.parametrize("trials", [None, (2, 5)])
@pytest.mark.parametrize("block", [128, 5])
def test_response__has_the_spikes_of_the_trials(sample_store, state, trials, block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    data = Data(aa1xr.open(sample_store))
    state = replace(state, trials=trials)
    response = data.response(state, NEURON)
    ds = aa1xr.open(sample_store).sel(neuron=[NEURON], stimulus=[SONG])
    own = aa1xr.to_pandas(ds if trials is None else ds.isel(trial=slice(2, 6)))
    edges = response.edges
    end = edges[-1] + state.dt_ms / 1000
    seconds = own["time_s"].to_numpy()
    inside = (seconds >= edges[0]) & (seconds < end)
    np.testing.assert_allclose(response.spike_times, seconds[inside])
    np.testing.assert_array_equal(response.trials[response.spike_rows], own["trial"][inside])
    total = response.rate.sum() * state.dt_ms / 1000 * response.trials.size
    assert round(total) == response.spike_times.size
    data.close()


def test_response__never_presented(data, state):
    assert data.response(replace(state, stimulus="conspecific-00"), "sim0000_2_A") is None
    assert data.response(replace(state, trials=(12, 14)), NEURON) is None


def test_sound__is_the_spectrogram_and_the_range_of_the_waveform(data, state, sample_store):
    sound = data.sound(state)
    ds = aa1xr.open(
        sample_store, dt_ms=2, before_ms=250, after_ms=250, compression="db", chunks=None
    ).sel(stimulus=SONG)
    end = float(ds.duration_s) + 0.25
    np.testing.assert_array_equal(sound.level, ds.spectrogram.sel(time=ds.time < end).values)
    wave = aa1xr.sounds(ds).waveform.values
    assert sound.high.max() == wave.max()
    assert sound.low.min() == wave.min()
    assert sound.times[0] == pytest.approx(-0.249)
    assert sound.times[-1] < end


def test_tables__have_labels_and_measures(sample_store):
    ds = aa1xr.open(sample_store).isel(neuron=[3, 1])
    data = Data(ds.assign_coords(depth=("neuron", [7, 8])))
    table = data.neurons()
    assert table["neuron"].tolist() == ds.neuron.values.tolist()
    assert table["depth"].tolist() == [7, 8]
    wide = aa1xr.open(sample_store, before_ms=500).isel(neuron=[3, 1])
    with pytest.warns(aa1xr.UndefinedWarning):
        measures = aa1xr.quality(wide).compute()
    for name in module.SHOWN:
        np.testing.assert_array_equal(table[name], measures[name])
    assert table["trials"].tolist() == ds.n_trials.sum("stimulus").values.tolist()
    stimuli = data.stimuli()
    assert stimuli["neurons"].tolist() == (ds.n_trials > 0).sum("neuron").values.tolist()
    order = data.order("rate_driven")
    assert (np.diff(table["rate_driven"].to_numpy()[order]) <= 0).all()
    data.close()


def test_field__is_fitted_without_the_stimulus(data, state, sample_store):
    while not isinstance(field := data.field(state, NEURON), module.Field):
        wait([field])
    ds = aa1xr.open(sample_store).sel(type="conspecific")
    (fold,) = [fold for fold in aa1xr.split(ds, n_folds=5) if SONG in fold.test]
    fit = aa1xr.strf(ds, train=fold.train, validation=fold.validation, refit=True)
    one = fit.sel(neuron=NEURON).compute()
    np.testing.assert_allclose(field.weights, one.strf.transpose("freq", "lag"))
    rate = aa1xr.predict(ds.sel(stimulus=[SONG]), one).isel(stimulus=0)
    np.testing.assert_allclose(field.rate, rate.values)
    best = aa1xr.tuning(fit.compute()).best_frequency.sel(neuron=NEURON)
    assert field.tuning["best_frequency"] == float(best)
    assert 0.8 < field.cc_norm <= 1.1
    assert "not presented enough" in data.field(state, "sim0000_2_A")


def test_field__needs_enough_stimuli(data, state):
    state = replace(state, stimulus="flatrip-00")
    wait([data.field(state, NEURON)])
    assert data.field(state, NEURON) == "no STRF: it needs 10 stimuli of the type flatrip"


def test_wav__is_what_listen_plays(data, state, sample_store):
    pytest.importorskip("IPython")
    ds = aa1xr.open(sample_store, before_ms=250, after_ms=250)
    wav, start = data.wav(replace(state, trials=(4, 7)), spikes=True)
    assert wav == aa1xr.listen(ds, SONG, neuron=NEURON, trial=4).data
    assert start == -0.25
    assert data.wav(state, spikes=False)[0] == aa1xr.listen(ds, SONG).data
    unheard = replace(state, neurons=("sim0000_2_A",))
    assert data.wav(unheard, spikes=True)[0] == aa1xr.listen(ds, SONG).data


def test_results__are_kept_with_a_bound(data, state):
    for before in range(3 * module._KEPT):
        data.population(replace(state, before_ms=before * 5))
    kinds = [kind for kind, _ in data._results]
    assert kinds.count("population") == kinds.count("ds") == module._KEPT
    again = data.population(state)
    assert data.population(state) is again
