"""Waveforms: held against the wav files, and resampled against soxr."""

import pickle
import wave
import zipfile

import numpy as np
import pytest
import soxr

import aa1xr


def wav_files(path):
    """The samples of each wav file in a zip, by name."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".wav"):
                with archive.open(name) as file, wave.open(file) as sound:
                    samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
                yield name.rpartition("/")[2], samples


@pytest.fixture
def ds(sample_store):
    return aa1xr.open(sample_store)


def check_against_files(sounds, path):
    files = dict(wav_files(path))
    assert set(files) == set(sounds.name.values)
    for name, waveform in zip(sounds.name.values, sounds.waveform.values, strict=True):
        samples = files[name]
        playing = np.flatnonzero(sounds.time.values >= 0)[: samples.size]
        np.testing.assert_array_equal(waveform[playing], samples / np.float32(2**15))
        assert not np.delete(waveform, playing).any()


@pytest.mark.parametrize("chunks", [{}, None])
@pytest.mark.parametrize("window", [{}, {"before_ms": 12, "after_ms": 40}])
def test_sounds__equal_the_wav_files(sample_archive, tmp_path, chunks, window):
    ds = aa1xr.open(sample_archive, data_dir=tmp_path, chunks=chunks, **window)
    sounds = aa1xr.sounds(ds)
    assert (sounds.waveform.chunks is None) == (chunks is None)
    assert sounds.waveform.dtype == np.float32
    assert sounds.sizes["sample"] == ds.sizes["time"] * 160
    np.testing.assert_array_equal(sounds.time[::160], ds.time)
    check_against_files(sounds, sample_archive)
    np.testing.assert_array_equal(aa1xr.sounds(ds, dtype="int16").waveform, sounds.waveform * 2**15)


def test_sounds__of_the_real_archive(real_archive, data_dir):
    sounds = aa1xr.sounds(real_archive, data_dir=data_dir)
    assert sounds.sizes == {"stimulus": 30, "sample": 80160}
    check_against_files(sounds, real_archive)


@pytest.mark.parametrize(
    "select",
    [
        lambda ds: ds.isel(stimulus=[7, 0, 7]),
        lambda ds: ds.isel(time=slice(20, 90), stimulus=slice(2, None)),
        lambda ds: ds.sel(stimulus="flatrip-03", area="MLd"),
        lambda ds: ds.mean(("neuron", "time"), keep_attrs=True),
        lambda ds: ds.assign_coords(tutor=("stimulus", ds.stimulus.values)).load(),
    ],
)
def test_sounds__of_a_selection(ds, select):
    picked, whole = select(ds), aa1xr.sounds(ds)
    sounds = aa1xr.sounds(picked)
    expected = whole.waveform.sel(stimulus=picked.stimulus.values)
    if "time" in picked.dims:
        start, stop = picked.time.values[[0, -1]] + [0, 0.005]
        expected = expected.isel(sample=(whole.time >= start) & (whole.time < stop))
    n = expected.sizes["sample"]
    assert n - sounds.sizes["sample"] in range(160)  # without bins, the axis ends with a sound
    np.testing.assert_array_equal(sounds.waveform, expected[..., : sounds.sizes["sample"]])
    for name, label in picked.coords.items():
        if "stimulus" in label.dims:
            assert sounds[name].variable.identical(label.variable)


@pytest.mark.parametrize("chunks", [{}, None])
def test_sounds__lazy(sample_store, monkeypatch, chunks):
    def fail(_, name, *args):
        raise AssertionError(f"{name} was read")

    ds = aa1xr.open(sample_store, chunks=chunks)
    monkeypatch.setattr("aa1xr.store.read.Store.read", fail)
    sounds = aa1xr.sounds(ds).sel(type="conspecific", time=slice(0, 0.5))
    assert sounds.sizes["sample"] == 16001
    assert pickle.loads(pickle.dumps(sounds)).sizes == sounds.sizes
    with pytest.raises(AssertionError, match="waveform was read"):
        sounds.compute()


@pytest.mark.parametrize("rate", [16_000, 44_000])
def test_sounds__resampled(ds, rate):
    """Each sound by itself, as soxr does it, on the bins of the Dataset."""
    recorded, sounds = aa1xr.sounds(ds), aa1xr.sounds(ds, sample_rate=rate)
    assert sounds.sizes["sample"] == ds.sizes["time"] * rate // 200
    np.testing.assert_array_equal(sounds.time[:: rate // 200], ds.time)
    assert set(sounds.sample_rate.values) == {rate}
    for one, other in zip(recorded.waveform, sounds.waveform, strict=True):
        n, n_new = int(one.n_samples), int(other.n_samples)
        assert n_new == -(-n * rate // 32_000)
        expected = soxr.resample(one.values[:n], 32_000, rate)
        n_both = min(n_new, expected.size)
        np.testing.assert_array_equal(other[:n_both], expected[:n_both])
        assert not other[n_new:].any()


def test_sounds__of_wider_bins(ds):
    joined = aa1xr.resample(ds, 20)
    assert aa1xr.sounds(joined).sizes["sample"] == joined.sizes["time"] * 640
    # 32 samples of the recording in 1 ms are 44.1 at 44.1 kHz, and 441 in 10 ms.
    assert aa1xr.sounds(aa1xr.resample(ds, 10), sample_rate=44_100).sizes["sample"] % 441 == 0
    with pytest.raises(ValueError, match="nearest rates that have are 44000 or 44200 Hz"):
        aa1xr.sounds(ds, sample_rate=44_100)


def test_sounds__of_waveforms_are_refused(ds, tmp_path):
    """Those of the store would take their place."""
    quiet = aa1xr.sounds(ds) / 2
    for use in (aa1xr.sounds, lambda ds: aa1xr.to_wav(ds, tmp_path), aa1xr.listen):
        with pytest.raises(ValueError, match="has a waveform already"):
            use(quiet.isel(stimulus=[0]))
