import pickle

import numpy as np
import pytest

import aa1xr
from aa1xr.export.stimuli import Stimuli


@pytest.mark.parametrize("name", ["psth", "spikes"])
def test_stimuli__are_those_of_the_dataset(ds, name):
    stimuli = Stimuli(ds, name)
    assert len(stimuli) == ds.sizes["stimulus"]
    for number, label in enumerate(ds.stimulus.values):
        one = ds.sel(stimulus=label)
        n_bins = int(np.ceil(one.n_samples.item() / 160))
        spectrogram, responses, _ = stimuli.read(number)
        np.testing.assert_array_equal(spectrogram, one.spectrogram[:, :n_bins])
        np.testing.assert_array_equal(responses, one[name][..., :n_bins])
        assert np.isnan(one[name][..., n_bins:]).all()


def test_stimuli__end_where_the_recording_does(sample_archive):
    ds = aa1xr.open(sample_archive, dt_ms=20, after_ms=4000)
    assert ds.time[-1] > 6
    for number in (0, 14):
        spectrogram, responses, _ = Stimuli(ds, "psth").read(number)
        assert responses.shape[-1] == spectrogram.shape[-1] == 200


def test_stimuli__say_what_silence_is(sample_archive):
    ds = aa1xr.open(sample_archive, compression="db")
    shortest, longest = int(ds.n_samples.values.argmin()), int(ds.n_samples.values.argmax())
    for number in (shortest, longest):
        assert (Stimuli(ds, "psth").read(number)[2] == -80).all()
    louder = ds.assign(spectrogram=ds.spectrogram + ds.freq)
    np.testing.assert_allclose(Stimuli(louder, "psth").read(shortest)[2], ds.freq - 80, rtol=1e-6)
    masked = ds.assign(spectrogram=ds.spectrogram.where(ds.psth.notnull().any("neuron")))
    assert (Stimuli(masked, "psth").read(shortest)[2] == -80).all()


def test_stimuli__whole_bins_only_after_resampling(ds):
    coarse = aa1xr.resample(ds.sel(type="conspecific"), dt_ms=20)
    for number in range(10):
        _, responses, _ = Stimuli(coarse, "psth").read(number)
        heard = ~np.isnan(responses).all(1)
        assert np.isfinite(responses[heard]).all()


def test_stimuli__read_one_and_no_other(sample_archive, monkeypatch):
    from aa1xr.dataset import lazy

    asked = []

    def spy(store, grid, neurons, stimuli, trials, bins, *, total=False):
        asked.append(stimuli.tolist())
        return original(store, grid, neurons, stimuli, trials, bins, total=total)

    original = lazy.count
    monkeypatch.setattr(lazy, "count", spy)
    for chunks in ({}, None):
        stimuli = Stimuli(aa1xr.open_sample(chunks=chunks), "psth")
        assert asked == []
        stimuli.read(4)
        assert asked == [[4]]
        asked.clear()
        assert len(pickle.dumps(stimuli)) < 100_000


@pytest.mark.parametrize("rate", [None, 16_000])
@pytest.mark.parametrize("window", [{}, {"before_ms": 12, "after_ms": 40}, {"dt_ms": 20}])
def test_stimuli__waveforms_have_the_window_of_the_responses(sample_archive, window, rate):
    ds = aa1xr.open_sample(**window)
    stimuli = Stimuli(ds.drop_vars("spectrogram"), "psth", waveform=True, sample_rate=rate)
    assert stimuli.sample_rate == (rate or 32_000)
    hop = int(stimuli.sample_rate * ds.time.attrs["dt_ms"] / 1000)
    sounds = aa1xr.sounds(ds, sample_rate=rate).waveform
    for number in (0, int(ds.n_samples.values.argmax()), 14):
        waveform, responses = stimuli.read_waveform(number)
        np.testing.assert_array_equal(responses, Stimuli(ds, "psth").read(number)[1])
        assert waveform.shape == (responses.shape[1] * hop,)
        assert waveform.dtype == np.float32
        whole = sounds[number].values
        np.testing.assert_array_equal(waveform, whole[: waveform.size])
        assert not whole[waveform.size :].any()


def test_stimuli__waveforms_of_a_part(ds):
    some = ds.isel(stimulus=[7, 0], time=slice(100, 180))
    stimuli = Stimuli(some, "psth", waveform=True)
    whole = Stimuli(ds, "psth", waveform=True)
    for number, stimulus in enumerate((7, 0)):
        part, _ = stimuli.read_waveform(number)
        np.testing.assert_array_equal(part, whole.read_waveform(stimulus)[0][16_000:28_800])


@pytest.mark.parametrize("chunks", [{}, None])
def test_stimuli__read_one_waveform_and_no_other(sample_archive, monkeypatch, chunks):
    from aa1xr.dataset.sounds import Waveforms

    asked = []

    def spy(self, *indices):
        asked.append(indices[0].tolist())
        return original(self, *indices)

    original = Waveforms.compute
    monkeypatch.setattr(Waveforms, "compute", spy)
    stimuli = Stimuli(aa1xr.open_sample(chunks=chunks), "psth", waveform=True)
    assert asked == []
    stimuli.read_waveform(4)
    assert asked == [[4]]
    assert len(pickle.dumps(stimuli)) < 100_000


def test_stimuli__refuses_other_rates(ds):
    with pytest.raises(ValueError, match="nearest rates that have are 44000 or 44200 Hz"):
        Stimuli(ds, "psth", waveform=True, sample_rate=44_100)
    with pytest.raises(ValueError, match="sample_rate=16000 is for waveforms"):
        Stimuli(ds, "psth", sample_rate=16_000)
    with pytest.raises(ValueError, match="not one of adjacent bins"):
        Stimuli(ds.isel(time=[0, 1, 5]), "psth", waveform=True)


def test_stimuli__of_one_neuron(ds):
    spectrogram, responses, _ = Stimuli(ds.isel(neuron=0), "spikes").read(0)
    assert responses.shape == (15, spectrogram.shape[1])


def test_stimuli__refuses_what_has_no_data(ds):
    unheard = ds.sel(neuron=["sim0000_2_A"])
    with pytest.raises(ValueError, match=r"presented conspecific-00, .*drop_missing"):
        Stimuli(unheard, "psth")
    assert len(Stimuli(aa1xr.drop_missing(unheard), "psth")) == 5
    with pytest.raises(ValueError, match="expected stimulus and time"):
        Stimuli(ds, "n_trials")
    with pytest.raises(ValueError, match="no variable 'rate'"):
        Stimuli(ds, "rate")
    with pytest.raises(ValueError, match='data_vars="minimal"'):
        Stimuli(ds.assign(spectrogram=ds.spectrogram.expand_dims(neuron=ds.neuron)), "psth")


def test_stimuli__trials_held_out_are_not_in_the_rates(ds):
    for selected in (ds.isel(trial=slice(0, 6)), ds.isel(trial=3)):
        with pytest.raises(ValueError, match="more presentations than the Dataset has trials"):
            Stimuli(selected, "psth")
        rates = aa1xr.psth(selected)
        held = Stimuli(selected.assign(psth=rates), "psth")
        _, responses, _ = held.read(11)
        np.testing.assert_array_equal(responses, rates.isel(stimulus=11, time=slice(400)))
        Stimuli(selected, "spikes")
    Stimuli(ds[["psth", "spectrogram", "n_trials"]], "psth")
    Stimuli(ds.isel(trial=[*range(14, -1, -1)]), "psth")


def test_stimuli__silence_of_a_scaled_spectrogram_that_never_ends(ds):
    """It is not the level that silence had before."""
    sound, _ = aa1xr.standardize(ds.spectrogram, over=("stimulus", "time"))
    begun = ds.assign(spectrogram=sound).sel(time=slice(0, 1))
    assert np.isnan(Stimuli(begun, "psth").read(0)[2]).all()
