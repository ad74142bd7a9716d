"""Waveforms of the stimuli, as recorded or resampled, on the time axis of a Dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr.abc.store
from xarray.core import indexing

from aa1xr import arguments, schema
from aa1xr.dataset.events import open_all, open_with_store, positions_along, provenance
from aa1xr.dataset.lazy import LazyArray
from aa1xr.dataset.spectrogram import as_floats
from aa1xr.store.read import Store
from aa1xr.typing import Floats, Positions

#: The range of rates that `sample_rate=` takes, in Hz.
_SAMPLE_RATES = (1000, 384_000)
#: A dask block has stimuli of about this many samples: those of AA1 are one block of 10 MB, since
#: each block decodes chunks of the store that others need too.
_BLOCK = 2**22


@dataclass(frozen=True, eq=False)
class Waveforms(LazyArray):
    """Waveforms in [-1, 1], 0 where no stimulus plays. [shape: (stimulus, sample)]."""

    sample_rate: int  #: Hz
    first: int  #: number of the first sample on the axis; sample 0 is at stimulus onset

    def compute(self, *indices: Positions) -> npt.NDArray[Any]:
        """Read the stimuli from the first to the last one, and take what is asked for."""
        stimuli, samples = indices
        ends = self.store.n_samples.cumsum()
        starts = ends - self.store.n_samples
        begin = starts[stimuli[0]]
        stored = self.store.read("waveform", slice(begin, ends[stimuli[-1]]))
        out = np.zeros((stimuli.size, samples.size), self.dtype)
        numbers = samples + self.first
        for row, stimulus in zip(out, stimuli, strict=True):
            sound = self._convert(stored[starts[stimulus] - begin : ends[stimulus] - begin])
            playing = slice(*np.searchsorted(numbers, (0, sound.size)))
            row[playing] = sound[numbers[playing]]
        return out

    def _convert(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[Any]:
        return resample_sound(as_floats(samples), self.store.labels.sample_rate, self.sample_rate)


class Samples(Waveforms):
    """Waveforms as recorded, 0 where no stimulus plays. [shape: (stimulus, sample)]."""

    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.int16)

    def _convert(self, samples: npt.NDArray[np.int16]) -> npt.NDArray[Any]:
        return samples


def sounds(
    source: str | os.PathLike[str] | zarr.abc.store.Store | xr.Dataset | None = None,
    *,
    sample_rate: int | None = None,
    dtype: Literal["float32", "int16"] = "float32",
    data_dir: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the waveforms of the stimuli, for a whole store or the selection of a Dataset.

    Parameters
    ----------
    source
        A Dataset from `aa1xr.open`, or a selection of one: the waveforms of its stimuli, in their
        order, on its time axis. Or a source as in `aa1xr.open`, for all stimuli.
    sample_rate
        In Hz: resample to this rate with librosa. Each bin of the Dataset must be a whole number of
        samples. None: 32 kHz, as recorded.
    dtype
        "float32" for values in [-1, 1], where 1 is full scale; or "int16", the samples as recorded.
    data_dir
        As in `aa1xr.open`. Not for a Dataset, which refers to its store.
    storage_options
        For a URL: passed to fsspec. A lazy Dataset has them already.

    Returns
    -------
    xarray.Dataset
        `waveform` (stimulus, sample), lazy, and 0 before and after each stimulus. Its coordinates
        are

        - `time` (sample): in s from stimulus onset. It has an index:
          `sounds.sel(time=slice(0, 0.5))` works;
        - the labels of the stimuli in `source`. `sample_rate` and `n_samples` are those of these
          waveforms.

        If `source` is a Dataset with a time axis of T bins, there are T * hop samples, where `hop`
        is the number of samples in a bin: bin k is samples k * hop to (k + 1) * hop. Otherwise the
        axis ends with the longest stimulus.

    Raises
    ------
    ValueError
        If a bin is not a whole number of samples at `sample_rate`; the message names rates that
        fit. Also if the Dataset has no stimuli, or its bins are not adjacent.

    Notes
    -----
    "Full scale" is that of the wav files. The archive does not say which sound pressure it is; it
    says that songs were played at a mean peak level of 75 dB SPL, and ripples at 81 dB SPL.

    Resampling is by a linear-phase filter (soxr, high quality), so it does not delay the sound, but
    rings before an onset. It can exceed full scale slightly.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> songs = aa1xr.sounds(ds.sel(type="conspecific"))
    >>> songs.waveform.dims, songs.waveform.dtype
    (('stimulus', 'sample'), dtype('float32'))
    >>> songs.sizes["sample"] == ds.sizes["time"] * 160
    True
    """
    arguments.choice("dtype", dtype, ("float32", "int16"))
    ds, store = open_with_store(source, data_dir=data_dir, storage_options=storage_options)
    return sounds_of(ds, store, sample_rate, dtype)


def sounds_of(
    ds: xr.Dataset, store: Store, sample_rate: int | None = None, dtype: str = "float32"
) -> xr.Dataset:
    """As `sounds`, for a Dataset (which may be events) whose store is open already."""
    refuse_waveforms(ds)
    everything = open_all(store)
    recorded: int = store.labels.sample_rate
    rate = recorded if sample_rate is None else sample_rate
    arguments.check_integer("sample_rate", rate, *_SAMPLE_RATES)
    if dtype == "int16" and rate != recorded:
        raise ValueError(
            f"dtype='int16' is for the samples as recorded, at {recorded} Hz; got sample_rate="
            f"{rate}. Resampled waveforms are float32: leave out dtype"
        )
    n_samples = -(-store.n_samples * rate // recorded)
    first, n_axis = 0, int(n_samples.max())
    if "time" in ds.coords and ds["time"].dims == ("time",):
        bins, hop = schema.bin_numbers(ds), samples_in_bin(ds, rate, recorded)
        first, n_axis = int(bins[0]) * hop, bins.size * hop
    make = Samples if dtype == "int16" else Waveforms
    array = make(store, (n_samples.size, n_axis), int(rate), first)
    waveform = xr.Variable(
        ("stimulus", "sample"),
        indexing.LazilyIndexedArray(array),
        {
            "units": "1",
            "long_name": "waveform",
            "comment": "as recorded" if dtype == "int16" else "1 is full scale",
        },
    )
    positions = positions_along(ds, everything, "stimulus")
    # One selected stimulus stays one.
    waveform = waveform.isel(stimulus=positions if ds["stimulus"].ndim else int(positions[0]))
    if any(variable.chunks for variable in ds.variables.values()):
        waveform = waveform.chunk({dim: max(1, _BLOCK // n_axis) for dim in ds["stimulus"].dims})
    coords = {
        name: c.variable.compute()
        for name, c in ds.coords.items()
        if c.dims == ds["stimulus"].dims and (c.ndim or name in schema.labels("stimulus"))
    }
    of_rate = {"sample_rate": np.full(n_samples.size, rate), "n_samples": n_samples}
    for name, values in of_rate.items():
        picked = values[positions] if ds["stimulus"].ndim else values[positions[0]]
        attrs = coords[name].attrs if name in coords else schema.COORDINATES[name].attrs
        coords[name] = xr.Variable(ds["stimulus"].dims, picked, attrs)
    seconds = (np.arange(n_axis) + first) / rate
    coords["time"] = xr.Variable(
        "sample", seconds, {"units": "s", "long_name": "time from stimulus onset"}
    )
    return xr.Dataset({"waveform": waveform}, coords, provenance(ds)).set_xindex("time")


def refuse_waveforms(ds: xr.Dataset) -> None:
    """Refuse a Dataset of waveforms, where those of the store would silently take their place."""
    if set(ds.data_vars) == {"waveform"}:
        raise ValueError(
            "the Dataset has a waveform already, and that of the store would take its place; give "
            "the Dataset of aa1xr.open that it was made from"
        )


def samples_in_bin(ds: xr.Dataset | xr.DataArray, rate: int, recorded: int) -> int:
    """The number of samples in each bin of `ds` at a sample rate.

    Raises
    ------
    ValueError
        If it is not a whole number.
    """
    width = schema.bin_width_ms(ds)
    # Bins are whole samples of the recording, which floats of ms may not be.
    bin_s = Fraction(round(width * recorded / 1000), recorded)
    hop = bin_s * rate
    if hop.denominator != 1:
        step = bin_s.denominator  # rate * numerator / denominator is whole for its multiples alone
        lower = rate // step * step
        near = " or ".join(f"{fits}" for fits in (lower, lower + step) if fits)
        raise ValueError(
            f"sample_rate={rate} Hz has no whole number of samples in a bin of {width:g} ms; the "
            f"nearest rates that have are {near} Hz"
        )
    return int(hop)


def resample_sound(sound: Floats, rate: int, new_rate: int) -> Floats:
    """A waveform at another sample rate. [shape: (ceil(n_samples * new_rate / rate),)]."""
    if rate == new_rate:
        return sound
    import librosa

    resampled: Floats = librosa.resample(sound, orig_sr=rate, target_sr=new_rate)
    return resampled
