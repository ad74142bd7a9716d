"""Join the bins of an open Dataset."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.arguments import shown
from aa1xr.dataset.grid import RECORDED_MS, exact_ms
from aa1xr.dataset.spectrogram import COMPRESSIONS, FLOOR_DB, compress, expand, silence

#: Takes an array and `axis`, and leaves that axis out.
Join = Callable[..., npt.NDArray[Any]]


def resample(ds: xr.Dataset, dt_ms: float) -> xr.Dataset:
    """Join bins to wider ones, lazily.

    Counts add up: `spikes`, whatever its attributes, and other variables with the units "count".
    All other variables are averaged, such as `psth`. `spectrogram` is averaged as power: its
    compression is undone and applied again afterwards, unless a function of your own made it. The
    new time axis equals that of `aa1xr.open(dt_ms=dt_ms)`: left edges are multiples of `dt_ms` from
    onset, also before it, and the first and last bins may be incomplete.

    An incomplete bin is NaN. A bin is incomplete if one of the bins that it joins is NaN or not in
    `ds`, as at the end of most stimuli: some of its spikes are outside the old window, and a
    partial count would look like a weak response. So every count and every rate equals that of
    `aa1xr.open` (rates to rounding), or is NaN. If `ds` was opened with `after_ms=dt_ms`, all bins
    within the stimuli are complete.

    Before onset and after `duration_s` there is silence. So an incomplete bin of `spectrogram` is
    NaN only if `ds` starts or ends within the stimulus. From bins of 5 ms, the spectrogram equals
    that of `aa1xr.open` at a multiple of 5 ms to rounding. In general, it is equal if both have the
    same `frame_start_ms` and `frame_stop_ms`. From narrower bins, it averages more frames.

    Parameters
    ----------
    ds
        A Dataset, or a selection of one, with a contiguous time axis.
    dt_ms
        New bin width in ms; a multiple of the current one.

    Returns
    -------
    xarray.Dataset
        The Dataset with fewer bins. Labels and attributes are kept, except `dt_ms` and the
        interval that a frame covers. Lazy if `ds` is chunked; otherwise computed immediately, as
        in xarray.

    Raises
    ------
    ValueError
        If `dt_ms` is not a multiple of the current bin width, the time axis has gaps or coordinates
        other than `time`, or a variable of your own has no units. When it is computed: if values of
        `spectrogram` are below silence, because it was scaled. Resample first, then scale.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5)
    >>> coarse = aa1xr.resample(ds, dt_ms=20)
    >>> ds.sizes["time"], coarse.sizes["time"], coarse.time.values[1].item()
    (434, 109, 0.02)
    >>> totals = [d.spikes.sel(type="flatrip").sum().values for d in (ds, coarse)]
    >>> bool(totals[0] == totals[1])
    True
    """
    schema.require(ds)
    numbers = schema.bin_numbers(ds)
    width = exact_ms("the Dataset's dt_ms", schema.bin_width_ms(ds))
    factor = _factor(width, dt_ms)
    for name, coord in ds.coords.items():
        if name != "time" and "time" in coord.dims:
            raise ValueError(
                f"the coordinate {name!r} lies along time, and there is no one way to widen its "
                f"bins; drop it first: ds.drop_vars({name!r})"
            )
    # Bins of the old width that the first new one lacks; the last one is padded block by block.
    lead = int(numbers[0]) % factor
    first = int(numbers[0]) // factor
    n_bins = -(-(lead + numbers.size) // factor)
    # Integers divided once, so that an edge is the same double as in `open`.
    edge = width * factor / 1000
    edges = (first + np.arange(n_bins)) * edge.numerator / edge.denominator
    new_dt_ms = float(width * factor)
    time = xr.Variable("time", edges, ds["time"].attrs | {"dt_ms": new_dt_ms})

    wide: dict[Any, xr.Variable] = {}
    for name, array in ds.data_vars.items():
        if "time" not in array.dims:
            continue
        if name == "spectrogram":
            wide[name] = _rebin_sound(ds, numbers, factor=factor, width=width)
            continue
        wide[name] = _rebin(
            array.variable,
            lead=lead,
            factor=factor,
            join=np.sum if schema.is_count(str(name), array) else np.mean,
            outside=np.nan,
        )
    out = ds.drop_vars(["time", *wide]).assign_coords(time=time).assign(wide)
    attrs = ds.attrs | ({"dt_ms": new_dt_ms} if "dt_ms" in ds.attrs else {})
    return out[list(ds.data_vars)].assign_attrs(attrs)


def _factor(width: Fraction, dt_ms: float) -> int:
    """How many of the present bins make one."""
    factor = exact_ms("dt_ms", dt_ms) / width
    if factor.denominator != 1 or factor < 1:
        lower = max(1, int(factor)) * width
        near = " or ".join(f"{float(multiple):g}" for multiple in (lower, lower + width))
        raise ValueError(
            f"dt_ms={shown(dt_ms)} is not a multiple of the current bin width of "
            f"{float(width):g} ms, such as {near}; for other widths, open the archive again: "
            f"aa1xr.open(dt_ms={shown(dt_ms)})"
        )
    if factor * width > RECORDED_MS[1]:
        raise ValueError(
            f"dt_ms must be at most {RECORDED_MS[1]}: AA1 was recorded to {RECORDED_MS[1]} ms "
            f"after each onset; got {shown(dt_ms)}"
        )
    return int(factor)


def _rebin_sound(
    ds: xr.Dataset, numbers: npt.NDArray[np.int64], *, factor: int, width: Fraction
) -> xr.Variable:
    """Join bins of the spectrogram, which are `numbers` from onset, by their mean power."""
    sound = ds["spectrogram"].variable
    if factor == 1:
        return sound
    compression = sound.attrs.get("compression", "none")
    arguments.choice("the attribute compression", compression, COMPRESSIONS)
    floor_db = arguments.number(
        "the attribute floor_db", sound.attrs.get("floor_db", FLOOR_DB), "dB"
    )
    join: Join = partial(_mean_power, compression=compression, floor_db=float(floor_db))
    if sound.attrs.get("kind") == "function":
        join = np.mean
    first, stop = int(numbers[0]), int(numbers[-1]) + 1
    lead, trail = first % factor, -stop % factor
    wide = _rebin(
        sound,
        lead=lead,
        factor=factor,
        join=join,
        outside=arguments.number(
            "the attribute silence",
            sound.attrs.get("silence", silence(compression, floor_db)),
            "",
        ),
    )
    # The incomplete bins were filled with silence, which is wrong where the sound was cut.
    position = xr.DataArray(np.arange(wide.sizes["time"]), dims="time")
    for place, missing in ((0, range(first - lead, first)), (-1, range(stop, stop + trail))):
        after_onset = [number for number in missing if number >= 0]
        if after_onset:
            start = float(after_onset[0] * width / 1000)
            # A sound whose end is not known never ends.
            ends = ds["duration_s"].values if "duration_s" in ds.coords else np.inf
            cut = np.asarray(ends > start + 1e-9)
            if "stimulus" not in wide.dims:
                cut = np.asarray(cut.any())
            if cut.any():
                known = ~xr.DataArray(cut, dims=["stimulus"][: cut.ndim])
                wide = xr.DataArray(wide).where(known | (position != position[place])).variable
    attrs = dict(sound.attrs)
    if "dt_ms" in attrs:
        attrs["dt_ms"] = float(width * factor)
    if "frame_stop_ms" in attrs:
        stop_ms = arguments.number("the attribute frame_stop_ms", attrs["frame_stop_ms"])
        attrs["frame_stop_ms"] = stop_ms + float(width * (factor - 1))
    return xr.Variable(sound.dims, wide.data, attrs)


def _rebin(
    variable: xr.Variable, *, lead: int, factor: int, join: Join, outside: float
) -> xr.Variable:
    """Join `factor` bins to one; `lead` bins are missing before the first."""
    if variable.dtype.kind not in "fc":
        variable = variable.astype(np.result_type(variable.dtype, np.float32))
    axis = variable.get_axis_num("time")
    runs = partial(_join, axis=axis, lead=lead, factor=factor, join=join, outside=outside)
    data: Any = variable.data
    if variable.chunks is None:
        data = runs(data)
    else:
        fine, wide = _whole_bins(data.chunks[axis], lead=lead, factor=factor)
        data = data.rechunk({axis: fine}).map_blocks(
            runs,
            chunks=(*data.chunks[:axis], wide, *data.chunks[axis + 1 :]),
            meta=np.empty((0,) * data.ndim, data.dtype),
        )
    return xr.Variable(variable.dims, data, variable.attrs)


def _whole_bins(
    chunks: tuple[int, ...], *, lead: int, factor: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Chunks that end where new bins do, near where they ended; in old bins and in new ones.

    Else a new bin would take from two chunks, and the graph would grow by a task for each bin.
    """
    n_old = sum(chunks)
    ends = (np.cumsum(chunks[:-1]) + lead) // factor
    n_new = -(-(lead + n_old) // factor)
    ends = np.unique([0, *ends, n_new])
    return (
        tuple(np.diff(np.clip(ends * factor - lead, 0, n_old)).tolist()),
        tuple(np.diff(ends).tolist()),
    )


def _join(
    values: npt.NDArray[Any],
    *,
    axis: int,
    lead: int,
    factor: int,
    join: Join,
    outside: float,
    block_id: tuple[int, ...] | None = None,
) -> npt.NDArray[Any]:
    """Join runs of `factor` bins along `axis`."""
    if block_id is not None and block_id[axis] > 0:
        lead = 0
    size = values.shape[axis]
    trail = -(lead + size) % factor
    if lead or trail:
        margins = [(lead, trail) if a == axis else (0, 0) for a in range(values.ndim)]
        values = np.pad(values, margins, constant_values=outside)
    # Said rather than left to NumPy (-1), which cannot tell where another axis is empty.
    n_wide = values.shape[axis] // factor
    shape = (*values.shape[:axis], n_wide, factor, *values.shape[axis + 1 :])
    return np.asarray(join(values.reshape(shape), axis=axis + 1))


def _mean_power(
    values: npt.NDArray[Any], *, axis: int, compression: str, floor_db: float
) -> npt.NDArray[Any]:
    """The mean of the powers that were compressed to `values`, compressed again."""
    lowest = silence(compression, floor_db)
    if (values < lowest - 1e-4).any():
        raise ValueError(
            f"spectrogram has values below {lowest:g}, which is silence, so it is not the power "
            f"with compression={compression!r} that its attributes say, such as after "
            "aa1xr.standardize; resample first, and scale afterwards"
        )
    # In double precision, so that undoing and doing the compression does not add up.
    mean = expand(values.astype(np.float64), compression).mean(axis)
    return compress(mean, compression, floor_db).astype(values.dtype)
