"""What is heard, decoded from the wav file of the player."""

import io
import sys
import wave

import numpy as np
import pytest

import aa1xr

pytest.importorskip("IPython", reason="needs IPython")
from IPython.display import Audio

LEVEL = 2**13
CELL, SONG = "sim0000_3_A", "conspecific-03"


def decode(audio):
    """The sample rate, and the samples of each channel."""
    assert isinstance(audio, Audio)
    assert 'src="data:audio/wav;base64,' in audio._repr_html_()
    with wave.open(io.BytesIO(audio.data)) as file:
        assert file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), samples.reshape(-1, file.getnchannels()).T


def test_listen__stimulus_alone_is_as_recorded(ds):
    whole = aa1xr.sounds(ds, dtype="int16").waveform
    for label in ("conspecific-00", "flatrip-04"):
        rate, channels = decode(ds.aa1.listen(label))
        assert rate == 32_000
        n_bins = -(-int(ds.n_samples.sel(stimulus=label)) // 160)
        expected = whole.sel(stimulus=label)[: n_bins * 160]
        np.testing.assert_array_equal(channels, [expected])


WINDOWS = {
    "of the stimulus": ({}, lambda ds: ds),
    "around it": ({"before_ms": 300, "after_ms": 400}, lambda ds: ds),
    "a part": ({}, lambda ds: ds.sel(time=slice(0.3, 0.9))),
    "wide bins": ({"dt_ms": 50, "before_ms": 110}, lambda ds: ds),
    "beyond the recording": ({"before_ms": 2000, "after_ms": 4000}, lambda ds: ds),
}


@pytest.mark.parametrize("chunks", [{}, None])
@pytest.mark.parametrize("name", WINDOWS)
def test_listen__clicks_are_the_spikes(sample_archive, trains, name, chunks):
    options, select = WINDOWS[name]
    ds = select(aa1xr.open_sample(chunks=chunks, **options))
    dt, after = ds.time.attrs["dt_ms"] * 1000, options.get("after_ms", 0) * 1000
    begin = round(ds.time.values[0] * 1e6)
    sound = aa1xr.sounds(ds, dtype="int16").waveform.sel(stimulus=SONG)
    end = -(-(sound.n_samples.item() / 0.032 + after) // dt) * dt
    end = min(end, round(ds.time.values[-1] * 1e6) + dt)
    for trial in (0, 7):
        _, (left, right) = decode(aa1xr.listen(ds, SONG, neuron=CELL, trial=trial))
        assert left.size == (end - begin) * 32 // 1000
        np.testing.assert_array_equal(left, sound[: left.size])
        times = trains[CELL, SONG, trial].astype(int)
        times = times[(times >= begin) & (times < end)]
        assert times.size >= 5
        starts = (times - begin) * 32 // 1000
        np.testing.assert_array_equal(np.flatnonzero(right == LEVEL), np.unique(starts))
        # A click lasts 1 ms and falls; elsewhere there is nothing.
        since = np.arange(right.size)[:, None] - starts
        sounding = ((since >= 0) & (since < 32)).any(1)
        np.testing.assert_array_equal(right > 0, sounding)
        assert (np.diff(right)[sounding[1:] & (right[1:] < LEVEL)] < 0).all()
        counts = ds.spikes.sel(neuron=CELL, stimulus=SONG, trial=trial)
        assert times.size == counts.sum()


def test_listen__of_what_is_selected(ds):
    """None is what there is one of, and the first trial."""
    expected = aa1xr.listen(ds, SONG, neuron=CELL, trial=0).data
    one = ds.sel(neuron=CELL)
    assert one.aa1.listen(SONG).data == expected
    assert ds.sel(neuron=[CELL], stimulus=[SONG]).aa1.listen().data == expected
    assert one.sel(stimulus=SONG, trial=0).aa1.listen().data == expected
    # By number, in any selection, and of a Dataset in memory.
    some = aa1xr.take_trials(one, [5, 2]).compute()
    third = aa1xr.listen(ds, SONG, neuron=CELL, trial=2).data
    assert third != expected
    assert some.aa1.listen(SONG, trial=2).data == third
    assert some.aa1.listen(SONG).data == aa1xr.listen(ds, SONG, neuron=CELL, trial=5).data
    # Changed variables change nothing; without bins, the stimulus is all there is.
    assert (one * 0).aa1.listen(SONG).data == expected
    bare = aa1xr.events(ds).aa1.listen(SONG)
    n_samples = int(ds.n_samples.sel(stimulus=SONG))
    assert decode(bare)[1].shape == (1, n_samples)
    alone = decode(ds.aa1.listen(SONG))[1]
    np.testing.assert_array_equal(decode(bare)[1], alone[:, :n_samples])


REFUSED = {
    "several stimuli": ((None, {}), "one stimulus is played, and the data has 15; name one"),
    "a misspelt stimulus": (("conspecific0", {}), "did you mean 'conspecific-0"),
    "a list of stimuli": (([SONG, "flatrip-00"], {}), "is 2 of them; expected one name"),
    "a misspelt neuron": ((SONG, {"neuron": "sim0000_3_C"}), "did you mean 'sim0000_3_"),
    "several neurons": ((SONG, {"neuron": [CELL, "sim0000_1_A"]}), "is 2 of them; expected one"),
    "a neuron that was never presented it": (
        (SONG, {"neuron": "sim0000_2_A"}),
        "neuron sim0000_2_A must have been presented conspecific-03.*it never was",
    ),
    "a trial that the neuron does not have": (
        (SONG, {"neuron": "sim0000_1_A", "trial": 12}),
        "must have been presented conspecific-03 in the trial; its trials are 0 to 9",
    ),
    "a trial that is not there": ((SONG, {"neuron": CELL, "trial": 99}), "no trial is 99"),
    "a trial of no neuron": ((SONG, {"trial": 0}), "trial=0 is of the spikes of one neuron"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_listen__refuses(ds, what):
    (stimulus, options), says = REFUSED[what]
    with pytest.raises((ValueError, KeyError), match=says):
        ds.aa1.listen(stimulus, **options)


def test_listen__refuses_what_is_not_there(ds, monkeypatch):
    late = ds.sel(time=slice(2.1, None))
    with pytest.raises(ValueError, match=r"time must begin in the window of conspecific-03"):
        late.aa1.listen(SONG)
    with pytest.raises(ValueError, match="nothing is selected along 'stimulus'"):
        ds.isel(stimulus=[]).aa1.listen()
    with pytest.raises(ValueError, match="must have the coordinate 'neuron'"):
        ds.drop_vars("neuron").aa1.listen(SONG, neuron=CELL)
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(ModuleNotFoundError, match="the extra listen of aa1xr"):
        ds.aa1.listen(SONG)
