import warnings

import dask
import numpy as np
import pytest
import xarray as xr

import aa1xr
from aa1xr.errors import UndefinedWarning
from tests.analysis.small_datasets import refuse
from tests.analysis.test_tuning import FREQ, LAG, bump, fields

PLANE = ["spectral_modulation", "temporal_modulation"]
DT = 0.005
LINEAR, OCTAVES = np.arange(250, 8250, 50.0), 250 * 2 ** (np.arange(120) / 24)


def sounds(values, freq, *, duration_s=None, units="dB"):
    """Spectrograms [shape: (stimulus, freq, time)] on bins of 5 ms."""
    values = np.asarray(values, float)
    n = len(values)
    return xr.DataArray(
        values,
        {
            "stimulus": [f"s{k}" for k in range(n)],
            "type": ("stimulus", ["ripple"] * n),
            "duration_s": ("stimulus", duration_s or [values.shape[2] * DT] * n),
            "freq": freq,
            "time": ("time", np.arange(values.shape[2]) * DT, {"dt_ms": 1000 * DT}),
        },
        ("stimulus", "freq", "time"),
        attrs={"units": units},
    )


def ripple(freq, temporal, spectral, *, per="kHz", n_bins=400, amplitude=3.0):
    place = freq / 1000 if per == "kHz" else np.log2(freq / freq[0])
    phase = temporal * np.arange(n_bins) * DT + spectral * place[:, np.newaxis]
    return 40 + amplitude * np.cos(2 * np.pi * phase + 1)


def peak(spectrum):
    """Spectral and temporal modulation of the maximum."""
    best = spectrum.stack(at=PLANE).idxmax("at").item()
    return tuple(float(value) for value in best)


@pytest.mark.parametrize("temporal", [-40, -5, 20, 65])
@pytest.mark.parametrize(
    ("freq", "per", "spectral"),
    [(LINEAR, "kHz", 0.5), (LINEAR, "kHz", 2), (OCTAVES, "octave", 1), (OCTAVES, "octave", 4)],
)
def test_modulation_spectrum__of_a_ripple(freq, per, spectral, temporal):
    # Its crests fall in frequency if both modulations have one sign: a downward sweep.
    got = aa1xr.modulation_spectrum(sounds([ripple(freq, temporal, spectral, per=per)], freq))
    assert got.spectral_modulation.attrs["units"] == f"cycles/{per}"
    np.testing.assert_allclose(peak(got[0]), (spectral, temporal), atol=1e-9)
    np.testing.assert_allclose(got.integrate(PLANE), 3.0**2 / 2, rtol=1e-3)
    width = got.temporal_modulation.values
    near = got.sel(temporal_modulation=width[np.abs(width - temporal) < 14])
    np.testing.assert_allclose(near.integrate(PLANE), 3.0**2 / 2, rtol=0.02)


def plain(values, freq, even, length, *, dt=DT):
    """By sums over all samples, without a Fourier transform: density, and what it integrates to."""
    sound = np.stack([np.interp(even, freq, column) for column in values.T], 1)
    sound -= sound.mean()
    n_even, n_bins = sound.shape
    at = np.arange(length) - (length - 1) / 2
    window = np.exp(-0.5 * (at * 6 / length) ** 2)
    n_segments = int(np.ceil((n_bins - length) / (length / 6))) + 1
    starts = [round(k * (n_bins - length) / (n_segments - 1)) for k in range(n_segments)]
    n_freq = n_even + n_even % 2
    khz, seconds = np.arange(n_even) * 0.05, np.arange(length) * dt
    spectral = np.arange(n_freq // 2 + 1) / (n_freq * 0.05)
    temporal = np.arange(-length // 2, length // 2 + 1) / (length * dt)
    along_freq = np.exp(-2j * np.pi * np.outer(spectral, khz))
    along_time = np.exp(-2j * np.pi * np.outer(seconds, temporal))
    power, weight = np.zeros((spectral.size, temporal.size)), np.zeros(n_bins)
    for start in starts:
        part = sound[:, start : start + length] * window
        power += np.abs(along_freq @ part @ along_time) ** 2
        weight[start : start + length] += window**2
    density = 2 * power * dt * 0.05 / (n_even * weight.sum())
    return density, ((sound**2).mean(0) * weight).sum() / weight.sum()


MEL = 700 * (np.geomspace(1.1, 7, 20) - 1)


@pytest.mark.parametrize(
    ("freq", "even"),
    [(LINEAR[:79], LINEAR[:79]), (MEL, np.arange(MEL[0], MEL[-1], 50))],
    ids=["linear", "mel"],
)
@pytest.mark.parametrize("window_ms", [100, 190])
def test_modulation_spectrum__is_what_sums_give(freq, even, window_ms):
    values = np.random.default_rng(0).standard_normal((freq.size, 90))
    got = aa1xr.modulation_spectrum(sounds([values], freq), window_ms=window_ms)
    density, variance = plain(values, freq, even, round(window_ms / 5))
    np.testing.assert_allclose(got[0], density, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got.integrate(PLANE), variance)
    assert got.attrs["units"] == "(dB)**2/(Hz*cycles/kHz)"


def test_modulation_spectrum__integrates_to_the_variance():
    # Of a stationary sound; the windows cover its ends less.
    values = np.random.default_rng(1).standard_normal((3, 64, 4000))
    got = aa1xr.modulation_spectrum(sounds(values, np.arange(1, 65) * 100.0))
    np.testing.assert_allclose(got.integrate(PLANE), values.var((1, 2)), rtol=0.01)
    assert abs(float(got.max() / got.mean()) - 1) < 1  # white


def test_modulation_spectrum__counts_the_bins_while_the_stimulus_plays():
    values = np.random.default_rng(2).standard_normal((2, 30, 200))
    freq = np.arange(1, 31) * 100.0
    whole = aa1xr.modulation_spectrum(sounds(values[:, :, :120], freq))
    values[:, :, 120:] = [[[1e6]], [[np.nan]]]
    longer = sounds(values, freq, duration_s=[0.6, 0.6])
    xr.testing.assert_allclose(aa1xr.modulation_spectrum(longer), whole)
    np.testing.assert_allclose(
        aa1xr.modulation_spectrum(longer.isel(stimulus=1)), whole.isel(stimulus=1)
    )
    louder = aa1xr.modulation_spectrum(longer.isel(stimulus=[0]), during="all")
    assert float(louder.max()) > 1e6 * float(whole.max())


def test_modulation_spectrum__of_mel_bands_on_both_scales(sample_archive):
    ds = aa1xr.open_sample()
    sound = ds.spectrogram.sel(type="flatrip", freq=slice(250, 8000)).compute()
    linear, octaves = (aa1xr.modulation_spectrum(sound, scale=s) for s in ("linear", "octaves"))
    xr.testing.assert_identical(linear, aa1xr.modulation_spectrum(sound))
    assert float(linear.spectral_modulation.max()) == 10
    assert abs(float(octaves.spectral_modulation.max()) - 12) < 1e-9
    for spectrum, at in (
        (linear, np.arange(sound.freq[0], sound.freq[-1], 50)),
        (octaves, 2 ** np.arange(*np.log2(sound.freq.values[[0, -1]]), 1 / 24)),
    ):
        even = sound.interp(freq=at).where(sound.time < sound.duration_s)
        ratio = spectrum.integrate(PLANE) / even.var(["freq", "time"])
        assert np.abs(ratio - 1).max() < 0.2  # the windows cover the ends less


def test_modulation_spectrum__is_lazy_and_keeps_labels(sample_archive):
    ds = aa1xr.open_sample()
    with dask.config.set(scheduler=refuse):
        got = aa1xr.modulation_spectrum(ds)
    assert got.chunks is not None
    assert got.dims == ("stimulus", *PLANE)
    assert got.type.sel(stimulus="flatrip-00") == "flatrip"
    assert "freq" not in got.coords
    assert "time" not in got.coords
    computed = got.compute()
    xr.testing.assert_allclose(computed, aa1xr.modulation_spectrum(ds.compute()))
    one = ds.spectrogram.sel(stimulus="flatrip-00")
    xr.testing.assert_allclose(
        ds.isel(freq=slice(None, None, -1)).aa1.modulation_spectrum()[-5:], computed[-5:]
    )
    xr.testing.assert_allclose(one.aa1.modulation_spectrum(), computed.sel(stimulus="flatrip-00"))


# receptive fields


@pytest.mark.filterwarnings("ignore::aa1xr.errors.UndefinedWarning")
def test_modulation_spectrum__of_fields_has_the_best_modulations_of_tuning(tmp_path):
    fit = aa1xr.simulate_archive(
        tmp_path / "a", n_neurons=6, n_songs=0, n_ripples=1, n_trials=1
    )  # fmt: skip
    tuned = aa1xr.tuning(fit)
    got = aa1xr.modulation_spectrum(fit)
    assert tuned.best_temporal_modulation.max() > 0
    for neuron in fit.neuron.values:
        spectral, temporal = peak(got.sel(neuron=neuron))
        assert spectral == tuned.best_spectral_modulation.sel(neuron=neuron)
        assert abs(temporal) == tuned.best_temporal_modulation.sel(neuron=neuron)
    assert got.area.sel(neuron=neuron) == fit.area.sel(neuron=neuron)


@pytest.mark.parametrize("sweep", [-1, 1])
def test_modulation_spectrum__of_a_field_is_its_response_to_ripples(sweep):
    # A field that is a ripple, under a window so that the peak is smooth.
    freq = np.linspace(500, 8500, 81)
    phase = 25 * LAG + sweep * 0.75 * freq[:, np.newaxis] / 1000
    field = bump(freq, LAG, at=4500, width=1500, delay=0.045) * np.cos(2 * np.pi * phase)
    ds = fields([field], freq)
    ds.lag.attrs = {}  # without the response of a frame to a click, which a filter has not
    got = aa1xr.modulation_spectrum(ds)[0]
    responses = {}
    for temporal in (-25, 25):
        sound = ripple(freq, temporal, 0.75, n_bins=200) - 40
        rate = sum(np.convolve(one, weights) for one, weights in zip(sound, field, strict=True))
        responses[temporal] = np.ptp(rate[40:180])
    spectral, temporal = peak(got)
    assert abs(spectral - 0.75) < 0.1
    assert abs(abs(temporal) - 25) < 4
    assert temporal * max(responses, key=responses.get) > 0
    both = got.interp(spectral_modulation=0.75, temporal_modulation=[-25, 25])
    np.testing.assert_allclose(
        float(both[1] / both[0]), (responses[25] / responses[-25]) ** 2, rtol=0.05
    )


def test_modulation_spectrum__of_a_field_integrates_to_its_energy():
    ds = fields([bump(FREQ, LAG), np.full((FREQ.size, LAG.size), np.nan)], FREQ)
    ds["strf"].attrs["units"] = "count/s"
    ds.lag.attrs = {}
    got = aa1xr.modulation_spectrum(ds.strf)
    energy = (ds.strf[0] ** 2).sum() * DT * (FREQ[1] - FREQ[0]) / 1000
    np.testing.assert_allclose(got[0].integrate(PLANE), energy)
    assert got[1].isnull().all()
    assert got.attrs["units"] == "(count/s)**2*s*kHz"


def test_modulation_spectrum__of_a_fit_is_per_unit_in_bands_with_sound():
    field = bump(FREQ, LAG, at=2000)
    deviation = np.where(FREQ > 7000, 1e-4, 1.0)
    noisy = np.where(FREQ[:, np.newaxis] > 7000, 50, field)
    ds = fields([noisy * 4], FREQ).assign(
        scale=("freq", np.full(FREQ.size, 4.0)), deviation=("freq", deviation)
    )
    clean = aa1xr.modulation_spectrum(
        fields([np.where(FREQ[:, np.newaxis] > 7000, 0, field)], FREQ)
    )
    xr.testing.assert_allclose(aa1xr.modulation_spectrum(ds), clean)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedWarning)
        tuned = aa1xr.tuning(ds)
    spectral, temporal = peak(clean[0])
    assert spectral == tuned.best_spectral_modulation
    assert abs(temporal) == tuned.best_temporal_modulation


# what is refused

SOUND = sounds(np.random.default_rng(0).standard_normal((2, 6, 100)), np.arange(1, 7) * 500.0)
FIELD = fields(np.ones((1, 6, 10)), np.arange(1, 7) * 500.0).strf


def hole(array):
    array = array.copy(deep=True)
    array[1, 2, 3] = np.nan
    return array


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: aa1xr.modulation_spectrum(hole(SOUND)), ValueError,
         "must be finite; got nan at stimulus 's1', freq 1500 Hz, time 0.015 s"),
        (lambda: aa1xr.modulation_spectrum(SOUND.isel(freq=[0])), ValueError, "several bands"),
        (lambda: aa1xr.modulation_spectrum(SOUND.isel(freq=0)), ValueError, "expected freq and"),
        (lambda: aa1xr.modulation_spectrum(SOUND.isel(time=[0, 1, 3])), ValueError, "adjacent bi"),
        (lambda: aa1xr.modulation_spectrum(SOUND.drop_vars("duration_s")), ValueError,
         "duration_s.*during='all'"),
        (lambda: aa1xr.modulation_spectrum(SOUND, window_ms=600), ValueError,
         r"shortest stimulus \(100 bins, 500 ms\); got 600"),
        (lambda: aa1xr.modulation_spectrum(SOUND, window_ms=8), ValueError, "window_ms must be 4"),
        (lambda: aa1xr.modulation_spectrum(SOUND, window_ms="9"), ValueError,
         "window_ms must be a finite number of ms; got '9'"),
        (lambda: aa1xr.modulation_spectrum(SOUND, scale="mel"), ValueError, "scale='mel'"),
        (lambda: aa1xr.modulation_spectrum(SOUND, during="song"), ValueError, "during='song'"),
        (lambda: aa1xr.modulation_spectrum(
            SOUND.assign_coords(freq=SOUND.freq - 500), scale="octaves"), ValueError,
         "above 0 Hz for scale='octaves'"),
        (lambda: aa1xr.modulation_spectrum(SOUND.assign_coords(freq=list("abcdef"))), ValueError,
         "freq must be in Hz"),
        (lambda: aa1xr.modulation_spectrum(SOUND.assign_coords(freq=[1, 1, 2, 3, 4, 5])),
         ValueError, "each band once"),
        (lambda: aa1xr.modulation_spectrum(SOUND.drop_vars("freq")), ValueError, "'freq'"),
        (lambda: aa1xr.modulation_spectrum(FIELD.isel(lag=[0, 1, 3])), ValueError, "equal steps"),
        (lambda: aa1xr.modulation_spectrum(FIELD.isel(lag=[0])), ValueError, "several lags"),
        (lambda: aa1xr.modulation_spectrum(FIELD.isel(freq=[0])), ValueError, "several bands"),
        (lambda: aa1xr.modulation_spectrum(FIELD, window_ms=50), ValueError, "for spectrograms"),
        (lambda: aa1xr.modulation_spectrum(FIELD.values), TypeError, "data is ndarray; expected a"),
        (lambda: aa1xr.modulation_spectrum(xr.Dataset()), ValueError, "no variable 'spectrogram'"),
    ],
)  # fmt: skip
def test_modulation_spectrum__refuses(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_modulation_spectrum__relative_to_the_spectrogram(ds):
    """Of the weights alone, whatever a frame covers; linear bands are taken as they are."""
    heard = aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, "gaussian"))
    songs = heard.sel(type="conspecific", area="MLd").isel(neuron=slice(2))
    names = songs.stimulus.values
    fit = aa1xr.strf(songs, train=names[:4], validation=names[4:6], lags_ms=40).compute()
    field = fit.strf
    energy = (field**2).sum(["freq", "lag"], skipna=False) * 0.005 * 0.125
    of_spectrogram = aa1xr.modulation_spectrum(field, relative_to="spectrogram")
    xr.testing.assert_allclose(of_spectrogram.integrate(PLANE), energy, check_dim_order=False)
    of_sound = aa1xr.modulation_spectrum(field)
    fast = {"temporal_modulation": slice(60, None)}
    shares = [part.sel(fast).sum() / part.sum() for part in (of_sound, of_spectrogram)]
    assert float(shares[0]) < float(shares[1])  # a frame loses fast modulations
    with pytest.raises(ValueError, match="relative_to is for receptive fields"):
        aa1xr.modulation_spectrum(ds.spectrogram, relative_to="sound")
