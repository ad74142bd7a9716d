import math
import shutil
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from scipy.signal import get_window

import aa1xr
from aa1xr import StoreError
from aa1xr.archive.write import make_sound
from aa1xr.dataset import spectrogram
from aa1xr.dataset.spectrogram import Mel
from aa1xr.store.read import Store
from tests.small_archives import SmallArchive

RATE = 32000
#: Bins in ms at which one definition must hold.
WIDTHS = (1, 2, 2.5, 3, 5, 7, 10, 15, 20, 40)


def hann(n):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def frame_starts(hop, n_fft, frames="centred"):
    """The definition: where the frames of a bin begin, in samples from its left edge."""
    coarse = math.ceil(hop / 160)  # parts of at most 5 ms
    n = coarse * math.ceil(Fraction(hop, coarse) / (n_fft // 2))  # and of at most half a window
    edges = [math.floor(Fraction(hop * part, n)) for part in range(n + 1)]
    if frames == "causal":
        return edges[:-1], [edge - n_fft for edge in edges[1:]]
    return edges[:-1], [edge - n_fft // 2 for edge in edges[:-1]]


def plain_power(samples, hop, n_fft, n_mels, fmin, fmax, frames="centred"):
    """The definition, written out: the mean power of the Hann-windowed frames of each bin.

    In HTK mel triangles, with nothing in frames whose part begins after the sound.
    [shape: (n_mels, bins, frames of a bin)].
    """
    sound = np.concatenate([np.zeros(n_fft), samples / 32768, np.zeros(2 * n_fft + hop)])
    n = np.arange(n_fft)
    kernel = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), n) / n_fft)
    mel = np.linspace(2595 * np.log10(1 + fmin / 700), 2595 * np.log10(1 + fmax / 700), n_mels + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.arange(n_fft // 2 + 1) * RATE / n_fft
    bands = np.zeros((n_mels, frequency.size))
    for m, (low, centre, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        up, down = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
        bands[m] = np.maximum(0, np.minimum(up, down))
    parts, starts = frame_starts(hop, n_fft, frames)
    power = np.zeros((n_mels, -(-samples.size // hop), len(parts)))
    for k in range(power.shape[1]):
        for j, (part, start) in enumerate(zip(parts, starts, strict=True)):
            if k * hop + part < samples.size:
                first = n_fft + k * hop + start
                power[:, k, j] = bands @ (
                    np.abs(kernel @ (hann(n_fft) * sound[first : first + n_fft])) ** 2
                )
    return power, edges[1:-1]


def compressed(power, compression, n_fft):
    if compression == "db":
        reference = (hann(n_fft).sum() / 2) ** 2
        return 10 * np.log10(np.maximum(power / reference, 1e-8).mean(2))
    compress = {"cubic": np.cbrt, "log1p": np.log1p, "none": lambda x: x}
    return compress[compression](power.mean(2))


def opened(folder, sounds, **options):
    """The spectrograms of sounds, in their order. [dims: (stimulus, freq, time)]."""
    made = [make_sound("flatrip", np.asarray(sound, np.int16), RATE) for sound in sounds]
    heard = {("flatrip", sound.name): [[0]] for sound in made}
    path = folder / "sounds.zip"
    if not path.exists():
        SmallArchive(made, {"a_1": "MLd"}, {"a_1": heard}).write(path)
    ds = aa1xr.open(path, data_dir=folder, **options)
    names = ds.name.values.tolist()
    return ds.spectrogram.isel(stimulus=[names.index(sound.name) for sound in made]).compute()


def clicks(samples, n=16000):
    """Sounds of half a second with one click each, whose last samples differ."""
    out = np.zeros((len(samples), n), np.int16)
    out[np.arange(len(samples)), samples] = 20000
    return out


@pytest.mark.parametrize(
    ("dt_ms", "options"),
    [
        *((dt_ms, {}) for dt_ms in WIDTHS),
        (1, {"frames": "causal"}),
        (7, {"frames": "causal"}),
        (20, {"frames": "causal", "window_ms": 40}),
        (10, {"window_ms": 4, "n_mels": 8, "fmin": 1000}),
        (163 / 32, {"window_ms": 129 / 32, "n_mels": 8, "fmin": 1000, "compression": "none"}),
        (5, {"n_mels": 16, "window_ms": 20, "fmin": 250, "fmax": 8000, "compression": "log1p"}),
        (5, {"compression": "none"}),
        (5, {"compression": "db"}),
        (20, {"compression": "db"}),
    ],
)
def test_spectrogram__equals_the_definition(tmp_path, dt_ms, options):
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 3000, 3333).round(), rng.normal(0, 500, 2400).round()]
    got = opened(tmp_path, sounds, dt_ms=dt_ms, **options)
    n_fft = int(32 * options.get("window_ms", 10))
    compression = options.get("compression", "cubic")
    for sound, values in zip(sounds, got.values, strict=True):
        power, centres = plain_power(
            sound,
            int(32 * dt_ms),
            n_fft,
            options.get("n_mels", 32),
            options.get("fmin", 0),
            options.get("fmax", 16000),
            options.get("frames", "centred"),
        )
        expected = compressed(power, compression, n_fft)
        n = expected.shape[1]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(values[:, :n], expected, rtol=1e-4, atol=1e-5 * scale)
        assert (values[:, n:] == (-80 if compression == "db" else 0)).all()
        np.testing.assert_allclose(got.freq, centres)


@pytest.mark.parametrize("dt_ms", [10, 20, 40])
def test_spectrogram__a_click_is_heard_wherever_in_a_bin_it_is(tmp_path, dt_ms):
    hop = 32 * dt_ms
    places = 8000 // hop * hop + np.arange(8) * hop // 8 + 1
    # Frames of 10 ms that are 5 ms apart weigh a click by the sum of their squared Hann windows.
    got = opened(tmp_path, clicks(places), dt_ms=dt_ms, compression="none").sum(("freq", "time"))
    weight = [
        sum(hann(320)[(place + 160 * k) % 160 + 160 * k] ** 2 for k in (0, 1)) for place in places
    ]
    np.testing.assert_allclose(got / got.max(), weight / np.max(weight), rtol=1e-3)
    # Four frames in a window, and it does not matter where the click is.
    got = opened(tmp_path, clicks(places), dt_ms=dt_ms, compression="none", window_ms=20)
    total = got.sum(("freq", "time"))
    np.testing.assert_allclose(total, total.mean(), rtol=0.01)


@pytest.mark.parametrize("frames", ["centred", "causal"])
@pytest.mark.parametrize("window_ms", [10, 20])
@pytest.mark.parametrize("dt_ms", [1, 5, 7, 20])
def test_spectrogram__frames_cover_what_the_attributes_say(tmp_path, dt_ms, window_ms, frames):
    places = np.array([8000, 8001, 8017, 8159, 8160, 8161, 8333, 8640])
    got = opened(
        tmp_path,
        clicks(places),
        dt_ms=dt_ms,
        window_ms=window_ms,
        frames=frames,
        compression="none",
    )
    assert got.attrs["frames"] == frames
    start, stop = (round(32 * got.attrs[f"frame_{end}_ms"]) for end in ("start", "stop"))
    assert (frames == "causal") <= (stop == 32 * dt_ms)
    for place, sound in zip(places, got.sum("freq").values, strict=True):
        left = np.arange(sound.size) * 32 * dt_ms
        # The first sample of a Hann window has no weight.
        covered = (left + start < place) & (place < left + stop)
        np.testing.assert_array_equal(sound > 0, covered)


def test_spectrogram__level_does_not_depend_on_the_bin(tmp_path):
    tone = 10000 * np.sin(2 * np.pi * 4000 * np.arange(32000) / RATE)
    noise = np.random.default_rng(0).normal(0, 3000, 32000)
    levels = []
    for dt_ms in WIDTHS:
        got = opened(tmp_path, [tone, noise], dt_ms=dt_ms, compression="none")
        # Without the frames at the ends, which have a part of their window outside.
        levels.append(got.sum("freq").sel(time=slice(0.1, 0.8)).mean("time").values)
    np.testing.assert_allclose(levels, [levels[4]] * len(levels), rtol=0.02)
    np.testing.assert_allclose(np.array(levels)[:, 0], levels[4][0], rtol=1e-4)


def test_spectrogram__of_scipy_and_librosa(tmp_path, librosa_mel):
    """Frames of 5 ms bins by two other libraries, and four of them for a bin of 20 ms."""
    from scipy.signal import ShortTimeFFT

    sound = np.random.default_rng(1).normal(0, 3000, 16000).round()
    bands = librosa_mel(sr=RATE, n_fft=320, n_mels=32, htk=True, norm=None)
    # Slice p is centred on sample p * 160.
    stft = ShortTimeFFT(hann(320), 160, RATE)
    power = bands @ stft.spectrogram(sound / 2**15, p0=0, p1=100)
    fine = opened(tmp_path, [sound], compression="none").values[0]
    np.testing.assert_allclose(fine, power, rtol=1e-4)
    wide = opened(tmp_path, [sound], compression="none", dt_ms=20).values[0]
    np.testing.assert_allclose(wide, power.reshape(32, 25, 4).mean(2), rtol=1e-4)


def test_spectrogram__is_kept_by_parameter_set(own_store, monkeypatch):
    first = aa1xr.open(own_store).spectrogram.values
    aa1xr.open(own_store, before_ms=100).spectrogram.compute()  # the same frames, shifted
    assert len(list(own_store.glob("spectrogram-*"))) == 1
    aa1xr.open(own_store, n_mels=16).spectrogram.compute()
    assert len(list(own_store.glob("spectrogram-*"))) == 2

    def never(*args):
        raise AssertionError("computed again")

    monkeypatch.setattr(aa1xr.dataset.spectrogram.Mel, "__call__", never)
    np.testing.assert_array_equal(aa1xr.open(own_store).spectrogram.values, first)


def test_spectrogram__of_another_definition_is_computed_again(own_store, monkeypatch):
    aa1xr.open(own_store).spectrogram.compute()
    monkeypatch.setattr(aa1xr.dataset.spectrogram, "_DEFINITION", -1)
    aa1xr.open(own_store).spectrogram.compute()
    assert len(list(own_store.glob("spectrogram-*"))) == 2


def test_spectrogram__a_damaged_cache_is_computed_again(own_store, caplog):
    right = aa1xr.open(own_store).spectrogram.compute()
    (kept,) = own_store.glob("spectrogram-*")
    for file in [path for path in kept.rglob("*") if path.is_file()]:
        good = file.read_bytes()
        file.write_bytes(good[: len(good) // 2] + b"\0" + good[len(good) // 2 + 1 :])
        spectrogram._MEMORY.clear()
        caplog.clear()
        xr.testing.assert_identical(aa1xr.open(own_store).spectrogram.compute(), right)
        assert "damaged" in caplog.text
        assert "It is a cache: remove this folder of the store" in caplog.text
        with pytest.raises(StoreError, match="It is a cache"):
            Store(str(own_store)).check()
        file.write_bytes(good)


@pytest.fixture
def librosa_mel():
    """librosa's filters, which warn of empty bands, and whose import warns without ipywidgets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from librosa.filters import mel

        yield mel


def test_bands__are_librosas_to_the_bit_and_the_window_scipys(librosa_mel):
    n_sets = 0
    for rate in (32000, 44100, 24414):
        for n_fft in (64, 320, 321, 1024):
            for n_mels in (1, 8, 32):
                for fmin, fmax in ((0.0, rate / 2), (250.0, 8000.0), (100.3, 12000.7)):
                    mel = Mel(rate, 160, n_fft, n_mels, fmin, fmax, "cubic")
                    expected = librosa_mel(
                        sr=rate,
                        n_fft=n_fft,
                        n_mels=n_mels,
                        fmin=fmin,
                        fmax=fmax,
                        htk=True,
                        norm=None,
                    )
                    assert mel.bands().dtype == expected.dtype
                    np.testing.assert_array_equal(mel.bands(), expected)
                    np.testing.assert_array_equal(
                        mel.window(), get_window("hann", n_fft).astype(np.float32)
                    )
                    empty = np.flatnonzero(expected.max(1) == 0).tolist()
                    assert mel.empty_bands() == empty
                    n_sets += 1
    assert n_sets == 108


def test_spectrogram__imports_nothing_slow(own_store):
    code = f"import aa1xr, sys; aa1xr.open({str(own_store)!r}).spectrogram.compute()\n"
    code += "assert not {'librosa', 'numba', 'scipy.signal'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    assert list(own_store.glob("spectrogram-*"))


def test_spectrogram__decibels(tmp_path):
    n = np.arange(16000)
    tones = [32767 * gain * np.sin(2 * np.pi * 5000 * n / RATE) for gain in (1, 0.5, 1e-5)]
    got = opened(tmp_path, tones, compression="db")
    steady = got.sel(time=slice(0.1, 0.4))
    # The Hann window spreads a tone over three frequencies, of 1, 1/4 and 1/4 of its power.
    loudest = steady.max("freq").values
    np.testing.assert_allclose(loudest[0], loudest[0, 0], atol=1e-3)
    assert -1 < loudest[0, 0] < 1.77
    np.testing.assert_allclose(loudest[1], loudest[0] - 20 * np.log10(2), atol=1e-3)
    assert (steady[2] == -80).all()
    # The level of a tone does not depend on the window.
    long = opened(tmp_path, tones, compression="db", window_ms=40).sel(time=slice(0.1, 0.4))
    np.testing.assert_allclose(long.max("freq")[0], loudest[0, 0], atol=1)


def test_spectrogram__silence_is_its_attribute(sample_archive):
    for compression, silence in (("cubic", 0), ("log1p", 0), ("none", 0), ("db", -80)):
        ds = aa1xr.open(sample_archive, dt_ms=20, before_ms=100, compression=compression)
        sound = ds.spectrogram
        assert sound.attrs["silence"] == silence
        assert (sound.sel(time=slice(None, -0.001)) == silence).all()
        over = ds.time >= ds.duration_s
        assert (sound.where(over, silence) == silence).all()
        assert sound.attrs["units"] == ("dB" if compression == "db" else "1")
        assert sound.dtype == np.float32


def test_spectrogram__attributes_define_it(sample_archive):
    options = {"n_mels": 16, "window_ms": 20, "fmin": 250, "fmax": 8000, "compression": "db"}
    ds = aa1xr.open(sample_archive, dt_ms=10, frames="causal", **options)
    expected = options | {"dt_ms": 10, "frames": "causal", "frame_start_ms": -15}
    expected |= {"frame_stop_ms": 10, "silence": -80, "units": "dB"}
    assert expected.items() <= ds.spectrogram.attrs.items()
    assert aa1xr.open(sample_archive).spectrogram.attrs["fmax"] == 16000
    intervals = {
        (dt_ms, frames): (attrs["frame_start_ms"], attrs["frame_stop_ms"])
        for dt_ms in (1, 5, 20)
        for frames in ("centred", "causal")
        for attrs in [aa1xr.open_sample(dt_ms=dt_ms, frames=frames).spectrogram.attrs]
    }
    assert intervals == {
        (1, "centred"): (-5, 5), (1, "causal"): (-9, 1),
        (5, "centred"): (-5, 5), (5, "causal"): (-5, 5),
        (20, "centred"): (-5, 20), (20, "causal"): (-5, 20),
    }  # fmt: skip


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

    def fail(self, *args, **kwargs):
        raise error

    monkeypatch.setattr(Store, "read_added", fail)
    ds = aa1xr.open(own_store, dt_ms=20)
    for _ in range(3):
        np.testing.assert_array_equal(ds.spectrogram.values, right)
    assert len(counted) == 2
