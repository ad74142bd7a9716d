"""Spectrograms of one's choice, on the bins of a Dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import indexing

from aa1xr import arguments, schema
from aa1xr.dataset import lazy
from aa1xr.dataset.events import open_all, positions_along, store_of
from aa1xr.dataset.grid import Grid
from aa1xr.dataset.options import SpectrogramOptions
from aa1xr.dataset.sounds import samples_in_bin, sounds_of
from aa1xr.dataset.spectrogram import Transform, as_floats
from aa1xr.dataset.spectrogram_kinds import make_transform
from aa1xr.typing import Floats

#: What `schema` says of `freq` is about mel bands.
_FREQ_ATTRS = {"units": "Hz", "long_name": "centre frequency of the band"}

#: Full scale is 1; a sound that was amplified may exceed it.
_LOUDEST = 100

Kind = Literal["mel", "gaussian", "gammatone"] | Callable[[Floats, int], Any]


def spectrogram(
    ds: xr.Dataset,
    kind: Kind = "mel",
    *,
    sounds: xr.Dataset | xr.DataArray | None = None,
    n_mels: int | None = None,
    n_bands: int | None = None,
    window_ms: float | None = None,
    bandwidth: float | None = None,
    fmin: float | None = None,
    fmax: float | None = None,
    compression: str | None = None,
    floor_db: float | None = None,
    frames: str | None = None,
    freq: Sequence[float] | npt.NDArray[Any] | None = None,
    silence: float | None = None,
    frame_ms: tuple[float, float] | None = None,
) -> xr.DataArray:
    """Compute a spectrogram of the stimuli on the bins of a Dataset.

    `aa1xr.with_spectrogram(ds, spectrogram)` puts the result in the place of `ds.spectrogram`.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one. Its stimuli and bins are used.
    kind
        - "mel": as in `aa1xr.open`. Options, with their defaults: n_mels=32, window_ms=10, fmin=0,
          fmax (half the sample rate), compression="cubic", frames="centred";
        - "gaussian": frequencies on a linear axis under a Gaussian window, in dB, as the laboratory
          that recorded AA1 computes it. Options: bandwidth=120, fmin=250, fmax=8000,
          compression="db", floor_db=-80, frames="centred";
        - "gammatone": the power of the envelope after gammatone filters, whose centres are equally
          far apart on the ERB-rate scale. It is causal. Options: n_bands=32, fmin=250, fmax=8000,
          compression="cubic", floor_db=-80;
        - a function `f(samples, sample_rate)` that returns the spectrogram of one stimulus [shape:
          (freq, n_bins)]. `samples` are float32 in [-1, 1] from the onset to the end of the
          stimulus, and n_bins = ceil(n_samples / (dt * sample_rate)): one column for each bin that
          has begun. Options: freq, silence, frame_ms.
    sounds
        Waveforms of your own: what `aa1xr.sounds` returns, or its `waveform` [shape: (stimulus,
        sample)], filtered or scaled or at another sample rate, from the onset to the end of each
        stimulus. None: the stimuli as recorded.
    n_mels, n_bands
        Number of bands.
    window_ms
        Length of the Hann window in ms.
    bandwidth
        In Hz: the standard deviation of the Gaussian window in time is 1 / (2 pi bandwidth), and
        its length is 6 standard deviations.
    fmin, fmax
        Range in Hz.
    compression
        Function of the power, as in `aa1xr.open`: "cubic", "log1p", "none", or "db".
    floor_db
        The lowest level of compression="db", relative to a full-scale sine. It is also the level of
        silence. It is -80 for mel spectrograms.
    frames
        "centred" or "causal", as in `aa1xr.open`.
    freq
        Of a function: frequencies of its bands in Hz, ascending.
    silence
        Of a function: the value that stands for silence. None: the value that it returns for zeros,
        which must be the same in all bands and bins.
    frame_ms
        Of a function: (start, stop) in ms from the left edge of a bin, of the sound that a value
        depends on. Without it, `aa1xr.tuning` has no latencies.

    Returns
    -------
    xarray.DataArray
        `spectrogram` [shape: (stimulus, freq, time)], lazy, with the value of silence where no
        stimulus plays. Spectrograms of the stimuli as recorded are cached in the store, except
        those of functions. The attributes define the spectrogram, by the names of the options
        above. `aa1xr.predict` compares them, so a model is not applied to another spectrogram.

        A function is defined by its results for a probe (a sweep, silence and a click), in the
        attribute `fingerprint`. So the definition survives a new session, and changes when the
        function or its parameters do.

    Raises
    ------
    ValueError
        If an option is out of range or not one of this kind; if waveforms of your own are not
        finite, do not cover a stimulus, or have a sample rate at which a bin is not a whole number
        of samples; or if a function returns another shape or values that are not finite. The
        probe is checked immediately, and each stimulus when it is computed.

    See Also
    --------
    aa1xr.sounds : the waveforms.
    aa1xr.with_spectrogram : a Dataset with another spectrogram.

    Notes
    -----
    A bin has the mean power of its frames, before compression. Frames of "mel" are at most 5 ms and
    half a window apart, frames of "gaussian" at most 1 ms and one standard deviation. "gammatone"
    has the power of every sample.

    "gaussian" at 1 ms has the frames of strfPy and soundsig of that laboratory (120 Hz, 250 to 8000
    Hz). They subtract the largest level of all stimuli, and set the floor to 80 dB below it. Here
    the reference is a full-scale sine, so that the level of a stimulus does not depend on the other
    stimuli. With floor_db = (largest level) - 80, both are equal but for a constant.

    Frames of "gammatone" (`frame_start_ms` and `frame_stop_ms`) are those of the output of the
    filters. The filters themselves delay the sound: the envelope of a click has its peak after
    3 / (2 pi b), where b = 1.019 ERB is the bandwidth: 9 ms at 250 Hz, 0.5 ms at 8 kHz.
    `aa1xr.tuning` includes the filters in the latency, which is therefore counted from the sound.

    References
    ----------
    Glasberg & Moore (1990), Hearing Research 47, 103-138 (ERB); Hohmann (2002), Acta Acustica 88,
    433-442 (gammatone filters); Singh & Theunissen (2003), JASA 114, 3394-3411, and strfPy,
    https://github.com/theunissenlab/strfPy (Gaussian window).

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="conspecific")
    >>> level = aa1xr.spectrogram(ds, "gaussian")
    >>> level.dims, level.attrs["units"], level.freq.values[[0, -1]].tolist()
    (('stimulus', 'freq', 'time'), 'dB', [250.0, 8000.0])

    The amplitude of each bin, in a single band:

    >>> def amplitude(samples, sample_rate):
    ...     samples = np.pad(samples, (0, -samples.size % 160))
    ...     return abs(samples).reshape(1, -1, 160).mean(2)
    >>> own = aa1xr.spectrogram(ds, amplitude, freq=[1000], frame_ms=(0, 5))
    >>> aa1xr.with_spectrogram(ds, own).sizes["freq"]
    1
    """
    options = {
        "n_mels": n_mels,
        "n_bands": n_bands,
        "window_ms": window_ms,
        "bandwidth": bandwidth,
        "fmin": fmin,
        "fmax": fmax,
        "compression": compression,
        "floor_db": floor_db,
        "frames": frames,
        "freq": freq,
        "silence": silence,
        "frame_ms": frame_ms,
    }
    schema.require(ds)
    schema.require_coords(ds, "stimulus", "time")
    numbers = schema.bin_numbers(ds)
    extra: dict[str, Any] = {}
    if sounds is None:
        store = store_of(ds)
        rate = store.labels.sample_rate
        hop = samples_in_bin(ds, rate, rate)
        transform = make_transform(kind, rate, hop, options)
        if callable(kind):
            # Over whole stimuli, whatever the times of `ds`.
            whole = sounds_of(ds.drop_dims("time"), store)
            values = _of_waveforms(whole["waveform"], rate, transform, numbers)
        else:
            n_sound = -(-store.n_samples // hop)
            grid = Grid(rate, hop, -int(numbers[0]), numbers.size, 0, n_sound, n_sound)
            positions = positions_along(ds, open_all(store), "stimulus")
            shape = (n_sound.size, transform.n_bands, numbers.size)
            array: Any = lazy.Spectrogram(store, shape, grid, transform)  # type: ignore[arg-type]
            values = xr.Variable(
                schema.VARIABLES["spectrogram"].dims, indexing.LazilyIndexedArray(array)
            ).isel(stimulus=positions if ds["stimulus"].ndim else int(positions[0]))
            if any(variable.chunks for variable in ds.variables.values()):
                values = values.chunk()
    else:
        waveform = _waveform(sounds, ds)
        schema.require_coords(ds, "sample_rate")
        rate, recorded = (_one_rate(each) for each in (waveform, ds))
        hop = samples_in_bin(ds, rate, recorded)
        transform = make_transform(kind, rate, hop, options)
        values = _of_waveforms(waveform, rate, transform, numbers)
        extra = {"waveforms": "custom"} | ({"sample_rate": rate} if rate != recorded else {})
    values.attrs = schema.VARIABLES["spectrogram"].attrs | transform.attrs | extra
    dims = ds["stimulus"].dims
    coords = {
        n: c.variable
        for n, c in ds.coords.items()
        if n != "freq" and (c.ndim == 0 or c.dims == dims)
    }
    coords["time"] = ds["time"].variable
    of_mel = transform.attrs.get("kind") is None
    attrs = schema.COORDINATES["freq"].attrs if of_mel else _FREQ_ATTRS
    coords["freq"] = xr.Variable("freq", transform.centres(), attrs)
    return xr.DataArray(values, coords, name="spectrogram")


def _waveform(sounds: Any, ds: xr.Dataset) -> xr.DataArray:
    """The waveforms of the stimuli of `ds`."""
    if isinstance(sounds, xr.Dataset):
        schema.require(sounds, "waveform", name="sounds", of="aa1xr.sounds")
        sounds = sounds["waveform"]
    arguments.expect("sounds", sounds, xr.DataArray, "what aa1xr.sounds gives, or its waveform")
    waveform: xr.DataArray = sounds
    schema.check_dims("waveform", waveform, "sample", allowed=("stimulus", "sample"))
    for name in ("stimulus", "time", "sample_rate", "n_samples"):
        if name not in waveform.coords:
            raise ValueError(
                f"sounds must have the coordinate {name!r}, as aa1xr.sounds gives it; xarray keeps "
                "it in arithmetic, and aa1xr.sounds(ds).waveform.copy(data=...) takes other values"
            )
    if waveform.dtype.kind != "f" and waveform.dtype != np.int16:
        raise ValueError(f"sounds must be floats in [-1, 1] or int16; got {waveform.dtype}")
    there = np.atleast_1d(waveform["stimulus"].values).tolist()
    wanted = ds["stimulus"].values
    for label in np.atleast_1d(wanted).tolist():
        if there.count(label) != 1:
            raise ValueError(
                f"sounds must have each stimulus of the Dataset once; got {label!r} "
                f"{there.count(label)} times"
            )
    if "stimulus" not in waveform.dims:
        waveform = waveform.expand_dims("stimulus")
    picked = [there.index(each) for each in np.atleast_1d(wanted).tolist()]
    _check_same_stimuli(ds, waveform, picked)
    return waveform.isel(stimulus=picked if wanted.ndim else picked[0])


def _check_same_stimuli(ds: xr.Dataset, waveform: xr.DataArray, picked: list[int]) -> None:
    """Refuse other stimuli by the same labels: another archive may have a conspecific-00 too."""
    for name in ("name", "duration_s"):
        if name in ds.coords and name in waveform.coords:
            here, theirs = np.atleast_1d(ds[name].values), np.atleast_1d(waveform[name].values)
            if (here.astype(str) != theirs[picked].astype(str)).any():
                raise ValueError(
                    "sounds must be of the stimuli of the Dataset; got others by these labels: "
                    f"their {name} differs"
                )


def _one_rate(data: xr.Dataset | xr.DataArray) -> int:
    rates = np.unique(data["sample_rate"].values)
    if rates.size != 1:
        raise ValueError(f"the stimuli must have one sample rate; got {rates.tolist()} Hz")
    return arguments.check_integer("sample_rate", rates[0].item(), 1, 10**6)


def _of_waveforms(
    waveform: xr.DataArray, rate: int, transform: Transform, numbers: npt.NDArray[np.int64]
) -> xr.Variable:
    """The spectrogram of each waveform on bins, by a task of dask for each."""
    seconds = waveform["time"].values
    first = round(seconds[0] * rate)
    expected = (np.arange(seconds.size) + first) / rate
    if not np.allclose(seconds, expected, rtol=0, atol=0.01 / rate):
        raise ValueError(
            f"time of the waveforms must ascend in steps of 1/{rate} s, their sample_rate, with a "
            "sample at 0"
        )
    n_samples = waveform["n_samples"].variable.compute()
    if "duration_s" in waveform.coords:
        expected = np.ceil(waveform["duration_s"].values * rate - 1e-6)
        if (n_samples.values != expected).any():
            raise ValueError(
                "n_samples of the waveforms must be duration_s times sample_rate, rounded up; got "
                f"{n_samples.values.ravel()[:3].tolist()}, expected "
                f"{np.ravel(expected)[:3].tolist()}"
            )
    if first > 0 or int(n_samples.max()) > first + seconds.size:
        raise ValueError(
            "sounds must cover each stimulus from its onset to its end; got "
            f"{seconds[0]:g} to {seconds[-1]:g} s, and the longest stimulus ends at "
            f"{int(n_samples.max()) / rate:g} s. Select times in the spectrogram instead"
        )
    chunks = {"stimulus": 1, "sample": -1}
    chunked = waveform.variable.chunk({dim: chunks[str(dim)] for dim in waveform.dims})
    # dask cannot chunk labels that are objects, as those of a file are.
    labels = waveform["stimulus"].variable
    labels = labels.copy(data=schema.fixed_width(labels.values))
    found: xr.Variable = xr.apply_ufunc(
        _on_bins,
        chunked,
        n_samples,
        labels,
        kwargs={
            "onset": -first,
            "transform": transform,
            "first_bin": int(numbers[0]),
            "n_time": numbers.size,
        },
        input_core_dims=[["sample"], [], []],
        output_core_dims=[["freq", "time"]],
        vectorize=True,
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={
            "output_sizes": {"freq": transform.n_bands, "time": numbers.size},
        },
    )
    return found


def _on_bins(
    samples: npt.NDArray[Any],
    n_samples: int,
    label: str,
    *,
    onset: int,
    transform: Transform,
    first_bin: int,
    n_time: int,
) -> npt.NDArray[np.float32]:
    """The spectrogram of one waveform on the axis. [shape: (sample,) -> (freq, time)]."""
    sound = samples[onset : onset + int(n_samples)]
    sound = as_floats(sound) if sound.dtype == np.int16 else sound.astype(np.float32)
    if (loudest := np.abs(sound).max(initial=0)) > _LOUDEST:
        raise ValueError(
            f"the waveform of {str(label)!r} must be in [-1, 1], or int16; got {loudest:g}. Divide "
            "samples as recorded by 2**15"
        )
    if (wrong := ~np.isfinite(sound)).any():
        raise ValueError(
            f"the waveform of {str(label)!r} must be finite; got {sound[wrong][0]} at sample "
            f"{int(wrong.argmax())}"
        )
    try:
        values = transform(sound)
    except ValueError as error:
        raise ValueError(f"stimulus {str(label)!r}: {error}") from error
    out = np.full((transform.n_bands, n_time), transform.silence, np.float32)
    start, stop = max(0, first_bin), min(values.shape[1], first_bin + n_time)
    if start < stop:
        out[:, start - first_bin : stop - first_bin] = values[:, start:stop]
    return out


def with_spectrogram(ds: xr.Dataset, spectrogram: xr.DataArray) -> xr.Dataset:
    """Return a Dataset with another spectrogram.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`, or a selection of one.
    spectrogram
        What `aa1xr.spectrogram` returns, or another variable with the stimuli and bins of `ds`
        [shape: (stimulus, freq, time)]. It may have other bands.

    Returns
    -------
    xarray.Dataset
        `ds` with `spectrogram` and its `freq`. The attributes of the Dataset that describe the mel
        spectrogram (`n_mels`, `window_ms`, ...) are those of the new one, or left out if it is of
        another kind: its own attributes define it.

    Raises
    ------
    ValueError
        If the stimuli or bins differ, `freq` is not ascending frequencies in Hz, or `ds` has other
        variables along `freq`.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> heard = aa1xr.with_spectrogram(ds, aa1xr.spectrogram(ds, "gammatone", n_bands=24))
    >>> heard.sizes["freq"], heard.spectrogram.attrs["kind"]
    (24, 'gammatone')
    """
    schema.require(ds)
    schema.require_coords(ds, "stimulus", "time")
    name = "spectrogram"
    arguments.expect(name, spectrogram, xr.DataArray, "what aa1xr.spectrogram gives")
    dims = tuple(dim for dim in schema.VARIABLES[name].dims if dim in ("freq", *ds.dims))
    schema.check_dims(f"{name!r}", spectrogram, *dims, allowed=dims)
    if spectrogram.dtype.kind != "f":
        raise ValueError(f"spectrogram must be floats; got {spectrogram.dtype}")
    for dim in ("stimulus", "time", "freq"):
        schema.values_along(spectrogram, dim)
    freq = spectrogram["freq"].values
    if freq.dtype.kind not in "fiu" or not (freq >= 0).all() or (np.diff(freq) <= 0).any():
        raise ValueError(f"freq must be ascending frequencies in Hz; got {arguments.shown(freq)}")
    if not np.array_equal(spectrogram["time"].values, ds["time"].values) or not np.isclose(
        spectrogram.attrs.get("dt_ms", schema.bin_width_ms(ds)), schema.bin_width_ms(ds)
    ):
        raise ValueError(
            "the spectrogram must have the bins of the Dataset; got others. Make it from the same "
            "Dataset: aa1xr.spectrogram(ds, ...)"
        )
    wanted, there = ds["stimulus"].values, spectrogram["stimulus"].values
    if not np.array_equal(wanted, there):
        missing = sorted(set(np.atleast_1d(wanted)) - set(np.atleast_1d(there)))
        if missing or wanted.ndim == 0 or np.unique(there).size < there.size:
            raise ValueError(
                "the spectrogram must have each stimulus of the Dataset once"
                + (f"; {str(missing[0])!r} is missing" if missing else "")
            )
        spectrogram = spectrogram.sel(stimulus=wanted)
    # Two archives may both have a conspecific-00.
    both = "name" in ds.coords and "name" in spectrogram.coords
    if both and not np.array_equal(ds["name"].values, spectrogram["name"].values):
        raise ValueError("the spectrogram is of other sounds (name) than the Dataset has")
    along = [str(n) for n, v in ds.variables.items() if "freq" in v.dims]
    if others := [n for n in along if n not in (name, "freq")]:
        raise ValueError(
            f"the Dataset has other variables along freq, whose bands change; drop them first: "
            f"ds.drop_vars({others})"
        )
    out = ds.drop_vars([n for n in (name, "freq") if n in ds.variables])
    axis = xr.Variable("freq", freq.astype(np.float64), spectrogram["freq"].attrs or _FREQ_ATTRS)
    out = out.assign_coords(freq=axis).assign({name: spectrogram.transpose(*dims).variable})
    out = out[[n if n != name else name for n in ds.data_vars] + ([] if name in ds else [name])]
    options = {n: spectrogram.attrs.get(n) for n in SpectrogramOptions._fields}
    is_mel = "kind" not in spectrogram.attrs and None not in options.values()
    out.attrs = {n: v for n, v in ds.attrs.items() if n not in options} | (
        options if is_mel else {}
    )
    return out
