"""Gaussian and gammatone spectrograms, against other code, and functions of the user's."""

import numpy as np
import pytest
from scipy.signal import ShortTimeFFT, gammatone, lfilter

from aa1xr.dataset.spectrogram_kinds import (
    Gammatone,
    _probe,
    fingerprint,
    gammatone_decay,
    make_transform,
    same_fingerprint,
)

RATE = 32000


def noise(n=8000):
    return np.random.default_rng(0).normal(0, 0.1, n).astype(np.float32)


def make(kind, hop=160, rate=RATE, **options):
    return make_transform(kind, rate, hop, options)


def tone(frequency, n=16000):
    return np.sin(2 * np.pi * frequency * np.arange(n) / RATE)


# Gaussian


def lab_power(sound, rate=RATE, bandwidth=120.0):
    """Frames of 1 ms by SciPy, of the window that the laboratory publishes: 6 deviations."""
    n = int(rate * 6 / (2 * np.pi * bandwidth)) | 1
    t = np.arange(n) - n // 2
    window = np.exp(-(t**2) / (2 * (n / 6) ** 2))
    n_fft = {255: 256, 127: 128, 611: 625}[n]
    stft = ShortTimeFFT(window, rate // 1000, rate, mfft=n_fft)
    power = stft.spectrogram(sound, p0=0, p1=-(-sound.size * 1000 // rate))
    inside = (stft.f >= 250) & (stft.f <= 8000)
    return stft.f[inside], power[inside] * (2 / window.sum()) ** 2


@pytest.mark.parametrize("dt_ms", [1, 5, 20])
@pytest.mark.parametrize(("rate", "bandwidth"), [(32000, 120), (16000, 120), (32000, 50)])
def test_gaussian__is_that_of_scipy(dt_ms, rate, bandwidth):
    sound = noise(9600)
    freq, power = lab_power(sound, rate, bandwidth)
    got = make("gaussian", dt_ms * rate // 1000, rate, bandwidth=bandwidth)
    np.testing.assert_array_equal(got.centres(), freq)
    level = 10 * np.log10(np.maximum(power, 1e-8).reshape(len(freq), -1, dt_ms).mean(2))
    np.testing.assert_allclose(got(sound), level, atol=1e-3)
    plain = make("gaussian", dt_ms * rate // 1000, rate, bandwidth=bandwidth, compression="cubic")
    np.testing.assert_allclose(plain(sound) ** 3, 10 ** (level / 10), rtol=1e-3, atol=1e-8)


def test_gaussian__causal_frames_end_with_the_bin():
    centred, causal = (make("gaussian", 32, frames=frames) for frames in ("centred", "causal"))
    assert (centred.attrs["frame_start_ms"], causal.attrs["frame_stop_ms"]) == (-127 / 32, 1)
    # The window is 255 samples, so its middle is 96 samples before the bin of 32 begins.
    np.testing.assert_allclose(causal(noise())[:, 3:], centred(noise())[:, :-3], atol=1e-4)
    later = noise()
    later[4000:] = 0.5
    np.testing.assert_array_equal(causal(later)[:, :125], causal(noise())[:, :125])


@pytest.mark.parametrize(("kind", "hop"), [("gaussian", 32), ("gaussian", 160), ("gammatone", 160)])
def test_tone__is_in_its_band_at_its_level(kind, hop):
    for compression, full, half in (("db", 0, -6.02), ("none", 1, 0.25)):
        made = make(kind, hop, compression=compression)
        for band in (3, 17, 30):
            sound = tone(made.centres()[band])
            for level, gain in ((full, 1), (half, 0.5)):
                steady = made(gain * sound)[:, 20:-20]
                assert (steady.argmax(0) == band).all()
                np.testing.assert_allclose(steady[band], level, atol=0.03)


@pytest.mark.parametrize("floor_db", [-80, -40])
@pytest.mark.parametrize("kind", ["gaussian", "gammatone"])
def test_floor__is_silence(kind, floor_db):
    made = make(kind, compression="db", floor_db=floor_db)
    assert made.silence == made.attrs["silence"] == made.attrs["floor_db"] == floor_db
    assert (made(np.zeros(800, np.float32)) == floor_db).all()
    assert made(noise() / 100).min() == floor_db


@pytest.mark.parametrize("frames", ["centred", "causal"])
@pytest.mark.parametrize("hop", [32, 160, 640])
def test_gaussian__frames_cover_what_the_attributes_say(hop, frames):
    made = make("gaussian", hop, frames=frames, compression="none")
    start, stop = (round(32 * made.attrs[f"frame_{end}_ms"]) for end in ("start", "stop"))
    for place in (4000, 4001, 4031, 4159, 4161):
        sound = np.zeros(8000, np.float32)
        sound[place] = 0.5
        shown = made(sound).sum(0)
        left = np.arange(shown.size) * hop
        covered = (left + start <= place) & (place < left + stop)
        np.testing.assert_array_equal(shown > 0, covered)


# Gammatone


def analytic(frequency, n=6000):
    """The impulse response of a gammatone filter, of which a sine of amplitude 1 has power 1."""
    t = np.arange(n) / RATE
    erb = 24.7 * (4.37 * frequency / 1000 + 1)
    envelope = t**3 * np.exp(-2 * np.pi * 1.019 * erb * t)
    return 2 * envelope / envelope.sum() * np.exp(2j * np.pi * frequency * t)


@pytest.mark.parametrize(("hop", "most"), [(32, 0.1), (160, 0.03)])
def test_gammatone__is_the_convolution_with_its_impulse_response(hop, most):
    # Four poles begin two samples before the sampled t^3: a fraction of the shortest bin.
    made = Gammatone(RATE, hop, 6, 250.0, 8000.0, "none", -80.0)
    sound = noise()
    for frequency, got in zip(made.centres(), made(sound), strict=True):
        power = np.abs(np.convolve(sound, analytic(frequency))[: sound.size]) ** 2
        expected = power.reshape(-1, hop).mean(1)
        assert np.abs(got - expected).max() < most * expected.max()
        np.testing.assert_allclose(got.mean(), expected.mean(), rtol=3e-3)


def test_gammatone__has_the_power_of_scipys_filters():
    made = Gammatone(RATE, 8000, 6, 250.0, 8000.0, "none", -80.0)
    sound = noise(32000)
    for frequency, got in zip(made.centres(), made(sound), strict=True):
        filtered = lfilter(*gammatone(frequency, "iir", fs=RATE), sound)
        # The mean power of a real sine is half of that of its envelope.
        expected = 2 * (filtered**2).reshape(-1, 8000).mean(1)
        np.testing.assert_allclose(got, expected, rtol=0.02)


def test_gammatone__centres_are_equally_far_apart_in_erb():
    centres = Gammatone(RATE, 160, 32, 250.0, 8000.0, "none", -80.0).centres()
    np.testing.assert_allclose(centres[[0, -1]], [250, 8000])
    np.testing.assert_allclose(np.diff(21.4 * np.log10(1 + 0.00437 * centres), 2), 0, atol=1e-9)


def test_gammatone__hears_a_click_from_its_bin_on_after_the_delay_of_the_filter():
    made = Gammatone(RATE, 8, 6, 250.0, 8000.0, "none", -80.0)
    sound = np.zeros(16000, np.float32)
    sound[4000] = 1
    power = made(sound)
    assert (power[:, :500] == 0).all()
    assert (power[:, 500] > 0).all()
    peak = (power.argmax(1) * 8 + 4 - 4000) / RATE
    # The four poles begin two samples early: 0.06 ms.
    np.testing.assert_allclose(peak, 3 / (2 * np.pi * gammatone_decay(made.centres())), atol=3e-4)


@pytest.mark.parametrize("kind", ["gaussian", "gammatone"])
@pytest.mark.parametrize("n", [1, 159, 160, 161, 5000])
def test_shape__is_that_of_the_bins_that_have_begun(kind, n):
    made = make(kind)
    assert made(noise(n)).shape == (made.n_bands, -(-n // 160))
    assert made(noise(n)).dtype == np.float32


@pytest.mark.parametrize("kind", ["gaussian", "gammatone"])
def test_wide_bins__are_the_mean_power_of_narrow_ones(kind):
    fine, wide = (make(kind, hop, compression="db")(noise()) for hop in (32, 160))
    power = (10 ** (fine / 10)).reshape(len(fine), -1, 5).mean(2)
    np.testing.assert_allclose(wide, 10 * np.log10(power), atol=1e-3)


def test_key__differs_where_a_parameter_does():
    made = [
        make("mel"),
        make("gaussian"),
        make("gaussian", frames="causal"),
        make("gaussian", bandwidth=100),
        make("gaussian", floor_db=-90),
        make("gaussian", 320),
        make("gammatone"),
        make("gammatone", n_bands=16),
        make("gammatone", compression="db"),
    ]
    assert len({each.key for each in made}) == len(made)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("MEL", {}, "kind='MEL'; expected one of 'mel', 'gaussian', 'gammatone'"),
        ("function", {}, "kind='function'; expected one of"),
        (None, {}, "kind=None"),
        ("mel", {"n_bands": 8}, "n_bands is not an option of kind='mel', which has n_mels"),
        ("gaussian", {"n_mels": 8}, "n_mels is not an option of kind='gaussian'"),
        ("gammatone", {"frames": "centred"}, "frames is not an option of kind='gammatone'"),
        ("gaussian", {"frames": "left"}, "frames='left'"),
        ("gaussian", {"bandwidth": 0}, "bandwidth must be between 6 and 4000 Hz"),
        ("gaussian", {"bandwidth": 5000}, "an eighth of the sample rate; got 5000"),
        ("gaussian", {"fmin": 3001, "fmax": 3002}, "must have a frequency in it; got none"),
        ("gaussian", {"fmax": 16001}, "half the sample rate"),
        ("gammatone", {"fmin": 8000}, "0 <= fmin < fmax"),
        ("gammatone", {"n_bands": 1}, "n_bands"),
        ("gammatone", {"n_bands": 10**6}, "n_bands"),
        ("gammatone", {"compression": "log"}, "compression='log'"),
        ("gammatone", {"floor_db": -60}, "floor_db is for compression='db'"),
        ("gaussian", {"floor_db": 3}, "floor_db must be at least -200 and below 0 dB; got 3"),
        ("gaussian", {"floor_db": float("nan")}, "floor_db"),
        (np.abs, {"fmin": 3}, "fmin is not an option of a function, which has freq"),
    ],
)
def test_make_transform__refuses(kind, options, message):
    with pytest.raises(ValueError, match=message):
        make(kind, **options)


# Functions


def energy(samples, sample_rate, *, gain=1.0):
    """Two bands: the energy of each bin of 5 ms, and that of differences."""
    hop = sample_rate // 200
    both = np.stack([samples, np.diff(samples, prepend=0)])
    both = np.pad(both, ((0, 0), (0, -samples.size % hop)))
    return gain * (both**2).reshape(2, -1, hop).mean(2)


def test_function__gets_samples_and_rate():
    seen = []

    def spy(samples, rate):
        seen.append((samples.dtype, rate))
        samples[:] = 0  # its own copy
        return energy(samples, rate)

    made = make(spy, freq=[100, 200])
    sound = noise()
    made(sound)
    assert sound.any()
    assert set(seen) == {(np.dtype(np.float32), RATE)}
    np.testing.assert_array_equal(
        make(energy, freq=[100, 200])(noise()), energy(noise(), RATE).astype(np.float32)
    )


def bad(change):
    return lambda samples, rate: change(energy(samples, rate))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (bad(lambda e: e[:, 1:]), r"must return an array of shape \(freq, 100\) for 16000 samples"),
        (bad(lambda e: e.T), r"got shape \(100, 2\)"),
        (bad(lambda e: e[0]), r"got shape \(100,\)"),
        (bad(lambda e: e[np.newaxis]), r"got shape \(1, 2, 100\)"),
        (bad(lambda e: e[:0]), r"got shape \(0, 100\)"),
        (bad(lambda e: e * np.nan), "with finite values; got nan in band 0, bin 0"),
        (bad(lambda e: -e / np.where(e > e.mean(), 1, 0)), "finite"),
        (bad(lambda e: e * 1j), "got values of type complex128"),
        (bad(lambda e: e.astype(str)), "got values of type <U32"),
        (bad(lambda e: None), "got values of type object"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_function__refuses_what_is_no_spectrogram(function, message):
    with pytest.raises(ValueError, match=message):
        make(function, freq=[100, 200])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "freq must be the frequencies of the 2 bands that energy returns, in Hz; got None"),
        ({"freq": [1]}, "freq must be 2 ascending frequencies"),
        ({"freq": [2, 1]}, "freq must be 2 ascending frequencies"),
        ({"freq": [1, 1]}, "freq must be 2 ascending frequencies"),
        ({"freq": [-1, 1]}, "freq must be 2 ascending frequencies"),
        ({"freq": [1, np.inf]}, "freq must be 2 ascending frequencies"),
        ({"freq": ["a", "b"]}, "freq must be 2 ascending frequencies"),
        ({"freq": [1, 2], "silence": np.nan}, "silence"),
        ({"freq": [1, 2], "frame_ms": (1,)}, r"frame_ms must be two numbers, \(start, stop\)"),
        ({"freq": [1, 2], "frame_ms": (5, 0)}, r"frame_ms must be \(start, stop\) in ms"),
        ({"freq": [1, 2], "frame_ms": (0, 0.005)}, r"at least 0\.5 ms long"),
    ],
)
def test_function__refuses_options(options, message):
    with pytest.raises(ValueError, match=message):
        make(energy, **options)


def test_function__bands_are_the_same_for_each_sound():
    made = make(lambda s, r: energy(s, r)[: 1 + (s.size > 9000)], freq=[100, 200], silence=0)
    with pytest.raises(ValueError, match=r"the bands that it has for other sounds; got \(1, 50\)"):
        made(noise())


def test_function__silence():
    assert make(bad(lambda e: e - 3), freq=[1, 2]).silence == -3
    with pytest.raises(ValueError, match=r"since that of .* varies from 0 to 1; got None"):
        make(bad(lambda e: e + np.array([[0], [1]])), freq=[1, 2])
    with (
        np.errstate(divide="ignore"),
        pytest.raises(ValueError, match="Silence has no logarithm"),
    ):
        make(bad(np.log), freq=[1, 2])
    made = make(bad(lambda e: e + np.array([[0], [1]])), freq=[1, 2], silence=7)
    assert made.silence == made.attrs["silence"] == 7


@pytest.mark.parametrize(
    "change",
    [
        lambda e: 1.01 * e,
        np.sqrt,
        lambda e: e + 0.01,
        lambda e: np.roll(e, 1, 1),
        lambda e: e[::-1],
        lambda e: np.maximum(e, e.max() / 100),
        lambda e: np.repeat(e, 2, 0),
    ],
)
def test_fingerprint__differs_where_the_function_does(change):
    one = energy(_probe(RATE, 160), RATE)
    assert same_fingerprint(fingerprint(one), fingerprint(one * (1 + 1e-6)))
    assert not same_fingerprint(fingerprint(one), fingerprint(change(one)))
    assert not same_fingerprint(fingerprint(one), "nonsense")


def test_fingerprint__of_kinds_differ():
    prints = [
        make(_as_function(make(kind, **options)), freq=np.arange(1, n + 1)).attrs["fingerprint"]
        for kind, options, n in [
            ("gaussian", {}, 63), ("gaussian", {"frames": "causal"}, 63),
            ("gaussian", {"floor_db": -60}, 63), ("gaussian", {"bandwidth": 121}, 63),
            ("mel", {}, 32), ("mel", {"window_ms": 11}, 32), ("mel", {"fmax": 15900}, 32),
            ("gammatone", {}, 32), ("gammatone", {"fmin": 255}, 32),
        ]
    ]  # fmt: skip
    same = [[same_fingerprint(one, other) for one in prints] for other in prints]
    np.testing.assert_array_equal(same, np.eye(len(prints), dtype=bool))


def _as_function(transform):
    return lambda samples, rate: transform(samples)
