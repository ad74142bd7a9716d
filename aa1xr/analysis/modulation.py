"""Modulation spectra of spectrograms, and modulation transfer functions of receptive fields."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.delays import bands_with_sound, click_responses, clicks_seen, delays
from aa1xr.analysis.measures import During, bins_during
from aa1xr.analysis.spectrogram_checks import check_bins, check_fit, finite
from aa1xr.typing import Bools, Floats

RelativeTo = Literal["sound", "spectrogram"]
Scale = Literal["linear", "octaves"]

#: Distance of the frequencies that bands are interpolated to.
_STEP_KHZ, _STEP_OCTAVES = 0.05, 1 / 24
#: Steps are equal if they differ by less than this part of a step.
_EQUAL = 1e-4
_WINDOW_MS = 200.0
#: Standard deviations in a window of spectrograms. Windows are one of them apart.
_DEVIATIONS = 6
#: Receptive fields are padded to so many times their length.
_PADDING = 4

_DIMS = ("spectral_modulation", "temporal_modulation")


#: What has modulations.
SUCH_AS = "a spectrogram, receptive fields, or a Dataset of them, from aa1xr.open or aa1xr.strf"


class Bands(NamedTuple):
    """Frequency bands at equal distances, and how they are interpolated from others."""

    weights: Floats  #: [shape: (even band, band)]
    step: float  #: in `units`
    units: str  #: "kHz" or "octave"


def modulation_spectrum(
    data: xr.Dataset | xr.DataArray,
    *,
    scale: Scale | None = None,
    window_ms: float | None = None,
    during: During = "stimulus",
    relative_to: RelativeTo | None = None,
) -> xr.DataArray:
    """Measure the spectral and temporal modulations of spectrograms or receptive fields.

    Both are the squared amplitude of the two-dimensional Fourier transform: of a spectrogram the
    modulation power spectrum (Singh & Theunissen 2003), and of a receptive field the modulation
    transfer function (Woolley et al. 2005).

    Parameters
    ----------
    data
        A spectrogram [shape: (..., freq, time)], or a Dataset with `spectrogram`. For the spectrum
        of the papers, a logarithmic one, such as that of `aa1xr.open(compression="db")`. Or
        receptive fields [shape: (..., freq, lag)], or the Dataset from `aa1xr.strf`, whose weights
        are then per unit of the spectrogram, in the bands that contained sound, as in
        `aa1xr.tuning`.
    scale
        "linear": spectral modulations in cycles/kHz. Bands at unequal steps, such as mel bands,
        are interpolated to steps of 50 Hz. "octaves": in cycles/octave; bands at unequal ratios
        are interpolated to steps of 1/24 octave. None: "octaves" if the ratios of the frequencies
        are equal and their steps are not, otherwise "linear".
    window_ms
        For spectrograms: length of the segments, rounded to an even number of bins. The default is
        200 ms. Temporal modulations are `1000 / window_ms` Hz apart.
    during
        For spectrograms: "stimulus" for the bins while the stimulus plays, or "all" for every bin.
    relative_to
        For receptive fields: whether the modulations are those of the "sound" (the default) or of
        the "spectrogram". A spectrogram has less of the fast modulations than the sound, because a
        frame has a length. "sound" includes this loss: the weights are convolved with the response
        of a frame to a click, as in `aa1xr.tuning`. "spectrogram" is the transform of the weights
        alone. Compare that with modulation spectra of spectrograms, which contain the loss already.

    Returns
    -------
    xarray.DataArray
        [shape: (..., spectral_modulation, temporal_modulation)], lazy if `data` is, with the labels
        of `data`. The temporal modulation in Hz has both signs: **positive is a downward sweep,
        negative an upward sweep**, of the sound in both cases. A receptive field has its power
        at the modulations that drive the neuron. The spectral modulation is not negative,
        because the other half plane is the mirror image; its power is added.

        - Spectrogram: power density, in squared units of the spectrogram per Hz and cycle/kHz. It
          integrates to the variance over all bands, and over the bins with the weights of the
          windows: `spectrum.integrate(["spectral_modulation", "temporal_modulation"])`.
        - Receptive field: energy density, in squared weights times s and kHz. Its square root is
          proportional to the amplitude of the response to a ripple. With
          `relative_to="spectrogram"`, it integrates to the sum of the squared weights times the
          steps of lag and frequency. With "sound", its scale depends on the bin width and on the
          spectrogram: divide by the integral to compare shapes. NaN if the receptive field is.

    Raises
    ------
    ValueError
        If `data` is neither, has one band or one lag, or unequal time steps; if a stimulus is
        shorter than a window; or, when it is computed, if a spectrogram is not finite.

    Notes
    -----
    The mean over bands and bins of each stimulus is subtracted. Segments are multiplied by a
    Gaussian window of +-3 standard deviations, and are about one standard deviation apart; they
    lie within the stimulus. The bands have no window.

    The resolution is that of the spectrogram. A window of the spectrogram of 10 ms removes
    temporal modulations above about 100 Hz, and a band removes modulations finer than its width:
    the centres of the 32 mel bands of `aa1xr.open` are 80 Hz apart at the lowest frequencies and
    1.4 kHz at the highest.

    A receptive field is padded to four times its length. Relative to the sound, the peak is the
    best modulation of `aa1xr.tuning`.

    References
    ----------
    Singh & Theunissen (2003), Journal of the Acoustical Society of America 114, 3394-3411,
    doi:10.1121/1.1624067. Woolley, Fremouw, Hsu & Theunissen (2005), Nature Neuroscience 8,
    1371-1379, doi:10.1038/nn1536.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> level = aa1xr.open(ds.encoding["source"], compression="db").spectrogram
    >>> spectrum = aa1xr.modulation_spectrum(level.sel(freq=slice(250, 8000)))
    >>> spectrum.dims
    ('stimulus', 'spectral_modulation', 'temporal_modulation')
    >>> songs = spectrum.sel(type="conspecific").mean("stimulus")
    >>> slow = songs.sel(temporal_modulation=slice(-30, 30)).integrate(
    ...     ["spectral_modulation", "temporal_modulation"]
    ... )
    >>> bool(slow > 0.5 * songs.integrate(["spectral_modulation", "temporal_modulation"]))
    True
    """
    if scale is not None:
        arguments.choice("scale", scale, ("linear", "octaves"))
    arguments.choice("during", during, ("stimulus", "all"))
    arguments.expect("data", data, xr.Dataset | xr.DataArray, SUCH_AS)  # type: ignore[arg-type]
    field = data
    if isinstance(data, xr.Dataset):
        data = select_field(data)
        field = data["strf" if "strf" in data else "spectrogram"]
    if "lag" in field.dims:
        if window_ms is not None:
            raise ValueError(
                f"window_ms is for spectrograms; got {arguments.shown(window_ms)} for receptive "
                "fields, whose transform is of all lags. Leave it out"
            )
        if relative_to is not None:
            arguments.choice("relative_to", relative_to, ("sound", "spectrogram"))
        spectrum = _of_fields(data, field, scale, relative_to or "sound")
    else:
        if relative_to is not None:
            raise ValueError(
                f"relative_to is for receptive fields; got {arguments.shown(relative_to)} for a "
                "spectrogram. Leave it out"
            )
        spectrum = _of_sounds(field, scale, _WINDOW_MS if window_ms is None else window_ms, during)
    return spectrum.assign_coords(
        {name: c for name, c in field.coords.items() if not {"freq", "lag", "time"} & set(c.dims)}
    )


def select_field(data: xr.Dataset) -> xr.Dataset:
    """The receptive fields of a Dataset with what their units need; or else its spectrogram."""
    if "strf" in data:
        return data[["strf", *({"scale", "deviation"} & set(data))]]
    schema.require(data, "spectrogram")
    return schema.validate(data[["spectrogram"]])


def _of_sounds(sound: Any, scale: Scale | None, window_ms: float, during: During) -> xr.DataArray:
    name = repr(sound.name or "spectrogram")
    schema.check_dims(name, sound, "freq", "time")
    schema.check_dims(name, sound, *sound.dims)
    schema.bin_numbers(sound)
    check_bins(sound)
    dt = schema.bin_width_ms(sound) / 1000
    length = 2 * round(arguments.number("window_ms", window_ms) / 2000 / dt)
    inside = bins_during(sound.rename("sound").to_dataset(), during)
    shortest = int(inside.sum(1).min())
    if not 4 <= length <= shortest:
        raise ValueError(
            f"window_ms must be 4 bins ({4000 * dt:g} ms) to the shortest stimulus "
            f"({shortest} bins, {1000 * shortest * dt:g} ms); got {window_ms:g}"
        )
    each = sound["duration_s"].dims if during == "stimulus" else ()
    playing = xr.DataArray(inside if each else inside[0], dims=(*each, "time"))
    sound, bands = _bands(name, sound, scale)
    heard = xr.DataArray(sound.variable).where(playing, 0).assign_coords(
        {dim: sound[dim].variable for dim in sound.dims if dim in sound.coords}
    )  # fmt: skip
    heard = finite(heard, name=name)
    n_freq = bands.weights.shape[0] + bands.weights.shape[0] % 2
    units = str(sound.attrs.get("units", "1"))
    return _labelled(
        xr.apply_ufunc(
            _power_of_all,
            heard.drop_vars(heard.coords),
            playing,
            kwargs={"bands": bands, "dt": dt, "length": length},
            input_core_dims=[["freq", "time"], ["time"]],
            **_options(n_freq, length),
        ),
        n_freq,
        length,
        bands,
        dt,
        {
            "units": f"{'1' if units == '1' else f'({units})**2'}/(Hz*cycles/{bands.units})",
            "long_name": "modulation power density",
            "window_ms": 1000 * length * dt,
        },
    )


def _of_fields(data: Any, field: Any, scale: Scale | None, relative_to: RelativeTo) -> xr.DataArray:
    name = repr(field.name or "strf")
    schema.check_dims(name, field, "freq", "lag")
    schema.check_dims(name, field, *field.dims)
    if "time" in field.dims:
        raise ValueError(f"{name} must have 'lag' or 'time'; got {field.dims}")
    deviation = xr.ones_like(field["freq"], dtype=float)
    if isinstance(data, xr.Dataset):
        check_fit(data)
        if "scale" in data:
            field = (field / data["scale"].variable).assign_attrs(field.attrs)
        deviation = data.get("deviation", deviation)
    field, bands = _bands(name, field, scale)
    lag, attrs = schema.values_along(field, "lag"), field["lag"].attrs
    if lag.size < 2:
        raise ValueError(f"{name} must have several lags; got one")
    dt = float(lag[1] - lag[0])
    if lag.dtype.kind not in "fiu" or dt <= 0 or not np.allclose(np.diff(lag), dt, rtol=_EQUAL):
        raise ValueError(
            f"the lags of {name} must be in s, ascending in equal steps; got {lag[:3]}"
        )
    found = delays(lag, attrs) if relative_to == "sound" else None
    seen: Floats = np.eye(lag.size)[np.newaxis]
    if found is not None:
        seen = clicks_seen(field["freq"].values, found[1], attrs)
    n_freq, n_lag = _PADDING * bands.weights.shape[0], _PADDING * lag.size
    units = str(field.attrs.get("units", "1"))
    energy = xr.apply_ufunc(
        lambda fields, heard: transfer(
            click_responses(np.where(bands_with_sound(heard)[:, np.newaxis], fields, 0), seen),
            bands,
            dt,
        ),
        xr.DataArray(field.variable),
        deviation.sortby("freq").variable,
        input_core_dims=[["freq", "lag"], ["freq"]],
        **_options(n_freq, n_lag),
    )
    return _labelled(energy, n_freq, n_lag, bands, dt, {
        "units": f"{'' if units == '1' else f'({units})**2*'}s*{bands.units}",
        "long_name": "modulation transfer function, energy density",
    })  # fmt: skip


def _options(n_freq: int, n_time: int) -> dict[str, Any]:
    sizes = dict(zip(_DIMS, (n_freq // 2 + 1, n_time + 1), strict=True))
    return {
        "output_core_dims": [list(_DIMS)],
        "keep_attrs": False,
        "dask": "parallelized",
        "dask_gufunc_kwargs": {"allow_rechunk": True, "output_sizes": sizes},
        "output_dtypes": [np.float64],
    }


def _labelled(
    array: xr.DataArray, n_freq: int, n_time: int, bands: Bands, dt: float, attrs: dict[str, Any]
) -> xr.DataArray:
    spectral, temporal = modulations(n_freq, n_time, bands.step, dt)
    coords = {
        "spectral_modulation": (
            "spectral_modulation",
            spectral,
            {"units": f"cycles/{bands.units}", "long_name": "spectral modulation"},
        ),
        "temporal_modulation": (
            "temporal_modulation",
            temporal,
            {
                "units": "Hz",
                "long_name": "temporal modulation",
                "comment": "positive is a downward sweep of the sound, negative an upward sweep",
            },
        ),
    }
    array.attrs = attrs
    return array.assign_coords(coords).rename("modulation_spectrum")


def _bands(name: str, array: xr.DataArray, scale: Scale | None) -> tuple[xr.DataArray, Bands]:
    """The array with its bands sorted, and the bands at equal steps."""
    freq = schema.values_along(array, "freq")
    if np.size(freq) < 2:
        raise ValueError(f"{name} must have several bands; got one: select with a list or slice")
    if freq.dtype.kind not in "fiu" or not np.isfinite(freq).all() or (freq < 0).any():
        raise ValueError(f"freq must be in Hz, finite and not negative; got {freq[:3]}")
    array = array.sortby("freq")
    freq = array["freq"].values.astype(float)
    if (np.diff(freq) <= 0).any():
        raise ValueError("freq must have each band once; got one twice")
    return array, even_bands(freq, scale)


def even_bands(freq: Floats, scale: Scale | None = None) -> Bands:
    """Bands at equal steps of kHz or octaves, from ascending ones in Hz. [shape: (band,)].

    A sum of overlapping triangular bands, each with its weight, equals the spectrum weighted by
    linear interpolation between the centres, so bands are interpolated linearly.

    Raises
    ------
    ValueError
        If a band at 0 Hz should have octaves.
    """
    octaves = np.log2(freq) if freq[0] > 0 else None
    if scale is None:
        equal = octaves is not None and _equal(octaves) and not _equal(freq)
        scale = "octaves" if equal else "linear"
    if scale == "linear":
        axis, step, units = freq / 1000, _STEP_KHZ, "kHz"
    elif octaves is None:
        raise ValueError(
            "freq must be above 0 Hz for scale='octaves'; got 0 Hz. Leave this band out: "
            ".sel(freq=slice(1, None))"
        )
    else:
        axis, step, units = octaves, _STEP_OCTAVES, "octave"
    if _equal(axis):
        return Bands(np.eye(freq.size), float(axis[-1] - axis[0]) / (freq.size - 1), units)
    even = np.arange(axis[0], axis[-1], step)
    at = 1000 * even if scale == "linear" else 2**even
    weights = np.stack([np.interp(at, freq, band) for band in np.eye(freq.size)], 1)
    return Bands(weights, step, units)


def _equal(axis: Floats) -> bool:
    steps = np.diff(axis)
    return bool(np.allclose(steps, steps.mean(), rtol=_EQUAL, atol=0))


def modulations(n_freq: int, n_time: int, step: float, dt: float) -> tuple[Floats, Floats]:
    """The modulations of a spectrum: spectral from 0, temporal from -1 / (2 dt) to 1 / (2 dt)."""
    temporal = np.arange(-(n_time // 2), n_time // 2 + 1) / (n_time * dt)
    return np.fft.rfftfreq(n_freq, step), temporal


def _power_of_all(sounds: Floats, playing: Bools, *, bands: Bands, **options: Any) -> Floats:
    """Power densities of spectrograms. [shape: (..., freq, time) and (..., time)]."""
    sounds, playing = np.broadcast_arrays(sounds, playing[..., np.newaxis, :])
    flat = zip(
        sounds.reshape(-1, *sounds.shape[-2:]),
        playing[..., 0, :].reshape(-1, sounds.shape[-1]),
        strict=True,
    )
    spectra = [_power(sound[:, bins], bands, **options) for sound, bins in flat]
    return np.stack(spectra).reshape(*sounds.shape[:-2], *spectra[0].shape)


def _power(sound: Floats, bands: Bands, *, dt: float, length: int) -> Floats:
    """Power density of one spectrogram. [shape: (freq, time)].

    Both numbers of samples are even, so the trapezoidal rule gives the sum over the whole plane.
    """
    even = bands.weights @ sound.astype(np.float64)
    n_bands, n_bins = even.shape
    by_time = np.fft.rfft(even - even.mean(), n_bands + n_bands % 2, axis=0)
    deviation = length / _DEVIATIONS
    window = np.exp(-(((np.arange(length) - (length - 1) / 2) / deviation) ** 2) / 2)
    n_segments = 1 + int(np.ceil((n_bins - length) / deviation))
    starts = np.linspace(0, n_bins - length, n_segments).round().astype(int)
    total = np.zeros((by_time.shape[0], length))
    for start in starts:
        segment = np.fft.fft(window * by_time[:, start : start + length], axis=1)
        total += segment.real**2 + segment.imag**2
    density = dt * bands.step / (n_bands * n_segments * (window**2).sum())
    return both_signs(2 * density * total)


def transfer(fields: Floats, bands: Bands, dt: float) -> Floats:
    """Energy density of receptive fields. [shape: (..., freq, lag)].

    A later lag is an earlier sound, so the sign of the temporal modulation is changed.
    """
    even = bands.weights @ fields
    sizes = [_PADDING * size for size in even.shape[-2:]]
    transformed = np.fft.rfft2(even, sizes[::-1], axes=(-1, -2))
    energy = transformed.real**2 + transformed.imag**2
    return both_signs(2 * (dt * bands.step) ** 2 * energy)[..., ::-1]


def both_signs(spectra: Floats) -> Floats:
    """Order temporal modulations from the lowest to the highest, which are the same one."""
    ordered = np.fft.fftshift(spectra, -1)
    return np.concatenate([ordered, ordered[..., :1]], -1)
