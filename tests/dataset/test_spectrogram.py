import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr import StoreError
from aa1xr.archive.write import make_sound
from aa1xr.dataset import spectrogram
from aa1xr.store.read import Store
from tests.dataset.conftest import Made


def plain_spectrogram(samples, hop, n_fft, n_mels, fmin, fmax, rate=32000):
    """The definition, written out: power of Hann-windowed frames in HTK mel triangles."""
    sound = np.concatenate([np.zeros(n_fft), samples / 32768, np.zeros(2 * n_fft)])
    n = np.arange(n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / n_fft)
    kernel = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), n) / n_fft)
    mel = np.linspace(2595 * np.log10(1 + fmin / 700), 2595 * np.log10(1 + fmax / 700), n_mels + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.arange(n_fft // 2 + 1) * rate / n_fft
    bands = np.zeros((n_mels, frequency.size))
    for m, (low, centre, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        up, down = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
        bands[m] = np.maximum(0, np.minimum(up, down))
    frames = []
    for k in range(-(-samples.size // hop)):
        start = n_fft + k * hop - n_fft // 2
        power = np.abs(kernel @ (window * sound[start : start + n_fft])) ** 2
        frames.append(bands @ power)
    return np.array(frames).T, edges[1:-1]


@pytest.mark.parametrize(
    ("dt_ms", "options"),
    [
        (5, {}),
        (1, {}),
        (20, {}),  # the window is one bin long then
        (5, {"n_mels": 16, "window_ms": 20, "fmin": 250, "fmax": 8000, "compression": "log1p"}),
        (5, {"compression": "none"}),
    ],
)
def test_spectrogram__equals_the_definition(sample_archive, sample_store, dt_ms, options):
    ds = aa1xr.open(sample_archive, dt_ms=dt_ms, **options)
    waveform = aa1xr.store.read.Store(str(sample_store)).read("waveform")
    ends = np.cumsum(ds.n_samples.values)
    hop = int(32 * dt_ms)
    for s in (1, 12):  # a song and a ripple
        samples = waveform[ends[s - 1] : ends[s]]
        expected, centres = plain_spectrogram(
            samples.astype(float),
            hop,
            max(hop, int(32 * options.get("window_ms", 10))),
            options.get("n_mels", 32),
            options.get("fmin", 0),
            options.get("fmax", 16000),
        )
        compress = {"cubic": np.cbrt, "log1p": np.log1p, "none": lambda x: x}
        expected = compress[options.get("compression", "cubic")](expected)
        got = ds.spectrogram.isel(stimulus=s).values
        n = expected.shape[1]
        np.testing.assert_allclose(got[:, :n], expected, rtol=2e-3, atol=2e-3 * expected.max())
        assert (got[:, n:] == 0).all()
        np.testing.assert_allclose(ds.freq, centres)


def test_spectrogram__follows_the_frequency_of_a_tone(tmp_path):
    tone = (10000 * np.sin(2 * np.pi * 4000 * np.arange(16000) / 32000)).astype(np.int16)
    sound = make_sound("flatrip", tone, 32000)
    made = Made([sound], {"a_1": "MLd"}, {"a_1": {("flatrip", sound.name): [[0]]}})
    path = made.write(tmp_path / "tone.zip")
    ds = aa1xr.open(path, data_dir=tmp_path)
    loudest = ds.spectrogram.isel(stimulus=0).mean("time").idxmax("freq")
    assert abs(float(loudest) - 4000) < 300


def test_spectrogram__is_kept_by_parameter_set(sample_store, tmp_path, monkeypatch):
    store = tmp_path / "copy.zarr"
    shutil.copytree(sample_store, store, ignore=shutil.ignore_patterns("spectrogram-*"))
    first = aa1xr.open(store).spectrogram.values
    aa1xr.open(store, before_ms=100).spectrogram.compute()  # the same frames, shifted
    assert len(list(store.glob("spectrogram-*"))) == 1
    aa1xr.open(store, n_mels=16).spectrogram.compute()
    assert len(list(store.glob("spectrogram-*"))) == 2

    def never(*args):
        raise AssertionError("computed again")

    monkeypatch.setattr(aa1xr.dataset.spectrogram.Mel, "__call__", never)
    np.testing.assert_array_equal(aa1xr.open(store).spectrogram.values, first)


def test_spectrogram__works_where_it_cannot_be_kept(sample_store, tmp_path, monkeypatch, ds):
    store = tmp_path / "copy.zarr"
    shutil.copytree(sample_store, store, ignore=shutil.ignore_patterns("spectrogram-*"))

    # The tests may run as root, whom no file mode stops.
    def read_only(self, path, values, **kwargs):
        raise PermissionError("read-only")

    monkeypatch.setattr(aa1xr.store.read.Store, "add", read_only)
    xr.testing.assert_equal(aa1xr.open(store).spectrogram, ds.spectrogram)
    assert not list(store.glob("spectrogram-*"))


def test_spectrogram__a_damaged_cache_is_computed_again(sample_store, tmp_path, caplog):
    store = tmp_path / "copy.zarr"
    shutil.copytree(sample_store, store, ignore=shutil.ignore_patterns("spectrogram-*"))
    right = aa1xr.open(store).spectrogram.compute()
    (kept,) = store.glob("spectrogram-*")
    for file in [path for path in kept.rglob("*") if path.is_file()]:
        good = file.read_bytes()
        file.write_bytes(good[: len(good) // 2] + b"\0" + good[len(good) // 2 + 1 :])
        spectrogram._MEMORY.clear()
        caplog.clear()
        xr.testing.assert_identical(aa1xr.open(store).spectrogram.compute(), right)
        assert "damaged" in caplog.text
        file.write_bytes(good)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_mels": 0}, "n_mels=0"),
        ({"n_mels": 2.5}, "n_mels=2.5"),
        ({"n_mels": 128}, "empty"),
        ({"n_mels": 32, "fmin": 0, "fmax": 2000}, "empty"),
        ({"fmin": -1}, "fmin"),
        ({"fmin": 8000, "fmax": 8000}, "fmin"),
        ({"fmax": 16001}, "half the sample rate"),
        ({"window_ms": 0.3}, "window_ms"),
        ({"window_ms": 0}, "window_ms"),
        ({"compression": "foo"}, "'cubic', 'log1p', 'none'"),
    ],
)
def test_spectrogram__refuses_parameters_when_opened(sample_archive, options, message):
    with pytest.raises(ValueError, match=message):
        aa1xr.open(sample_archive, **options)


@pytest.mark.parametrize("n_mels", [1, 8, 32, 40])
def test_empty_bands__agree_with_librosa(n_mels):
    from librosa.filters import mel

    from aa1xr.dataset.spectrogram import Mel

    for fmax in (1500.0, 4000.0, 16000.0):
        ours = Mel(32000, 160, 320, n_mels, 0.0, fmax, "cubic").empty_bands()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *a, **k: None)
            bands = mel(sr=32000, n_fft=320, n_mels=n_mels, fmin=0, fmax=fmax, htk=True, norm=None)
        assert ours == np.flatnonzero(bands.max(1) == 0).tolist()


# Computed once


@pytest.fixture
def counted(monkeypatch):
    """How many sounds were computed."""
    sounds = []
    compute = spectrogram._compute

    def count(*args):
        sounds.append(args)
        time.sleep(0.05)
        return compute(*args)

    monkeypatch.setattr(spectrogram, "_compute", count)
    monkeypatch.setattr(spectrogram, "_MEMORY", {})
    return sounds


@pytest.fixture
def own_store(sample_store, tmp_path):
    """A store without a cached spectrogram."""
    ignore = shutil.ignore_patterns("spectrogram-*")
    return shutil.copytree(sample_store, tmp_path / "own.zarr", ignore=ignore)


def refuse(self, *args, **kwargs):
    raise PermissionError("read-only")


@pytest.mark.parametrize("writable", [True, False])
def test_spectrograms__of_threads_that_come_together(own_store, counted, monkeypatch, writable):
    if not writable:
        monkeypatch.setattr(Store, "add", refuse)
    ds = aa1xr.open(own_store, dt_ms=20, chunks=None)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda s: ds.spectrogram.isel(stimulus=[s]).copy().values, range(15)))
    assert len(counted) == 1
    np.testing.assert_array_equal(np.concatenate(found), ds.spectrogram)
    assert bool(list(own_store.glob("spectrogram-*"))) == writable


def test_spectrograms__kept_in_memory_are_nobodys_to_change(own_store, counted, monkeypatch):
    monkeypatch.setattr(Store, "add", refuse)
    first = aa1xr.open(own_store, dt_ms=20, chunks=None).spectrogram.values
    right = first.copy()
    first[:] = -1
    again = aa1xr.open(own_store, dt_ms=20, chunks=None).spectrogram.values
    np.testing.assert_array_equal(again, right)
    again[:] = -1
    np.testing.assert_array_equal(aa1xr.open(own_store, dt_ms=20).spectrogram, right)
    assert len(counted) == 1


def test_spectrograms__memory_is_bounded(own_store, counted, monkeypatch):
    monkeypatch.setattr(Store, "add", refuse)
    size = aa1xr.open(own_store, dt_ms=20).spectrogram.compute().nbytes
    monkeypatch.setattr(spectrogram, "_MEMORY_LIMIT", 2 * size)
    for n_mels in (32, 31, 30, 29):
        _ = aa1xr.open(own_store, dt_ms=20, n_mels=n_mels).spectrogram.values
        assert sum(kept.nbytes for kept in spectrogram._MEMORY.values()) <= 2 * size
    assert len(counted) == 4  # the first was kept
    monkeypatch.setattr(spectrogram, "_MEMORY_LIMIT", 1)
    _ = aa1xr.open(own_store, dt_ms=20, n_mels=28).spectrogram.values
    assert not spectrogram._MEMORY


@pytest.mark.parametrize("error", [PermissionError("403"), OSError("500"), StoreError("damaged")])
def test_spectrograms__computed_if_they_cannot_be_had(own_store, counted, monkeypatch, error):
    right = aa1xr.open(own_store, dt_ms=20).spectrogram.values

    def fail(self, *args):
        raise error

    monkeypatch.setattr(Store, "read_added", fail)
    ds = aa1xr.open(own_store, dt_ms=20)
    for _ in range(3):
        np.testing.assert_array_equal(ds.spectrogram.values, right)
    assert len(counted) == 2


def test_spectrograms__computed_if_the_cached_one_is_damaged(own_store, counted, caplog):
    right = aa1xr.open(own_store, dt_ms=20).spectrogram.values
    (chunk, *_) = own_store.glob("spectrogram-*/c/0/0/0")
    chunk.write_bytes(chunk.read_bytes()[:-1])
    np.testing.assert_array_equal(aa1xr.open(own_store, dt_ms=20).spectrogram.values, right)
    assert "It is a cache: remove this folder of the store" in caplog.text
    with pytest.raises(StoreError, match="It is a cache"):
        Store(str(own_store)).check()
