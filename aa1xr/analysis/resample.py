"""Wider bins of a Dataset that is already open."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import schema
from aa1xr.dataset.grid import exact_ms


def resample(ds: xr.Dataset, *, dt_ms: float) -> xr.Dataset:
    """Join bins to wider ones, lazily.

    Counts add up: `spikes`, whatever its attributes, and other variables with the units "spikes".
    Everything else averages: `psth` and `spectrogram`, and variables with other units. The time
    axis is the one of `aa1xr.open(dt_ms=dt_ms)`: left edges that are multiples
    of `dt_ms` from onset, also before it, with incomplete bins at its ends.

    An incomplete bin is missing: where some of the bins that it joins are NaN or not there, as
    at the end of most sounds, so is it. The spikes that fall between the end of the old window and
    the end of the new are not in `ds`, and a count without them would pass for a weak response. So
    every count is the one that `open` gives, and every rate too, to rounding, or else NaN; open
    with `after_ms=dt_ms` and none is missing within the sounds. Only `spectrogram` averages over
    those frames of an incomplete bin that there are. This mean of compressed frames is smoother
    than the spectrogram that `open` computes at this bin width; both are in use.

    Parameters
    ----------
    ds
        A Dataset, or a selection of one, with an unbroken time axis.
    dt_ms
        New bin width in ms; a whole multiple of the present one.

    Returns
    -------
    xarray.Dataset
        The same with fewer bins, labels and attributes kept (`dt_ms` is the new one). Lazy where
        `ds` is chunked; without dask it is computed at once, as anywhere in xarray.

    Raises
    ------
    ValueError
        If `dt_ms` is not a multiple of the bin width of `ds`, bins were taken out of the time
        axis, it has coordinates besides `time`, or a variable of your own has no units.

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
        wide[name] = _rebin(
            array.variable,
            lead=lead,
            factor=factor,
            average=not schema.is_count(str(name), array),
            # Beyond its ends the spectrogram has nothing to add; for all else it is unknown.
            outside=0.0 if name == "spectrogram" else np.nan,
        )
        if name == "spectrogram" and factor > 1:
            comment = f"mean of {factor} frames, {float(width):g} ms apart; aa1xr.resample"
            wide[name].attrs["comment"] = comment
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
            f"dt_ms={dt_ms} is no whole multiple of the present bins of {float(width):g} ms, such "
            f"as {near}; for other widths, open the archive again: aa1xr.open(dt_ms={dt_ms})"
        )
    return int(factor)


def _rebin(
    variable: xr.Variable, *, lead: int, factor: int, average: bool, outside: float
) -> xr.Variable:
    """Join `factor` bins to one; `lead` bins are missing before the first."""
    if variable.dtype.kind not in "fc":
        variable = variable.astype(np.result_type(variable.dtype, np.float32))
    axis = variable.get_axis_num("time")
    join = partial(_join, axis=axis, lead=lead, factor=factor, average=average, outside=outside)
    data: Any = variable.data
    if variable.chunks is None:
        data = join(data)
    else:
        fine, wide = _whole_bins(data.chunks[axis], lead=lead, factor=factor)
        data = data.rechunk({axis: fine}).map_blocks(
            join,
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
    average: bool,
    outside: float,
    block_id: tuple[int, ...] | None = None,
) -> npt.NDArray[Any]:
    """Add or average over runs of `factor` bins along `axis`."""
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
    joined = values.reshape(shape).sum(axis + 1)
    if average:
        there = np.pad(np.ones(size, values.dtype), (lead, trail)).reshape(-1, factor).sum(1)
        joined /= there.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    return np.asarray(joined)
