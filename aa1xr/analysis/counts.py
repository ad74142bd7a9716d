"""Spike counts of each trial in a time window, exact at any bin width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis import measures
from aa1xr.analysis.smooth import kernel_sum
from aa1xr.dataset.binning import count, count_between
from aa1xr.dataset.events import AXES, positions_in_store, store_of
from aa1xr.dataset.grid import RECORDED_MS, Grid, exact_ms
from aa1xr.store.read import Store
from aa1xr.typing import Bools, Floats, Positions

Microseconds = npt.NDArray[np.int64]

#: Counts of trials in one block, for a Dataset that has no blocks of `spikes`.
_BLOCK = 2**20


def spike_counts(ds: xr.Dataset, *, start: float = 0.0, stop: float | None = None) -> xr.DataArray:
    """Count the spikes of each trial in a window of time.

    A spike at time t counts if start <= t < stop. Counts are exact at any bin width: if the window
    does not start and end on edges of bins, or extends beyond the bins, the function counts the
    spikes in the store, which has their times in microseconds.

    Do not use `ds.spikes.sum("time")` instead: the sum over a missing trial is 0.

    Parameters
    ----------
    ds
        A Dataset with `spikes` [shape: (neuron, stimulus, trial, time)], or a selection of one
        that still refers to its store.
    start, stop
        The window in seconds from stimulus onset, between -2 s and 4 s, the time that was
        recorded. `stop=None` is the end of each stimulus: n_samples / sample_rate.

    Returns
    -------
    xarray.DataArray
        Number of spikes [shape: (neuron, stimulus, trial)]. NaN for missing trials, and for
        trials in which `spikes` is NaN throughout. Lazy if `ds` is.

    Raises
    ------
    ValueError
        If the window is empty or was not recorded, or if the counts need the store and the Dataset
        does not refer to one. When the counts are computed: if they need the store, and `spikes`
        was changed or is NaN in some bins of the window. If `spikes` was smoothed with
        `match="deepSTRF"`.

    Notes
    -----
    The function compares counts from the store with `spikes`, bin by bin. So it never returns
    counts of the archive for a Dataset whose `spikes` were changed or shuffled.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> driven = aa1xr.spike_counts(ds)
    >>> rate = (driven / ds.duration_s).mean("trial")
    >>> spontaneous = aa1xr.spike_counts(ds, start=-1, stop=0)
    >>> driven.dims, bool(driven.mean() > spontaneous.mean())
    (('neuron', 'stimulus', 'trial'), True)
    """
    schema.require(ds)
    window = _make_window(ds, start, stop)
    has_spikes = "spikes" in ds
    if has_spikes and (total := kernel_sum(ds["spikes"])) != 1:
        raise ValueError(
            f"'spikes' must be counts; a kernel of sum {total:g} smoothed them. Count first, in "
            "the Dataset as it was opened"
        )
    if has_spikes and window.covered:
        return _label(ds, _sum_bins(ds, window), start, stop)
    try:
        store = store_of(ds)
        positions = positions_in_store(ds, store)
    except ValueError as error:
        if has_spikes and window.bins is not None:
            return _label(ds, _sum_bins(ds, window), start, stop)
        width = f" of {schema.bin_width_ms(ds):g} ms" if "time" in ds.coords else ""
        raise ValueError(
            f"the counts from {_show(start, stop)} need the times of the spikes: the window does "
            f"not lie on the edges of bins{width} in the Dataset, and they cannot be read: {error}"
            ". Or choose start and stop on edges of bins that the Dataset has."
        ) from error
    return _label(ds, _count_events(ds, store, positions, window), start, stop)


@dataclass(frozen=True, eq=False)
class _Window:
    """start <= t < stop in microseconds, which are rounded up: spike times are whole ones."""

    start: Microseconds  #: [shape: (stimulus,)]
    stop: Microseconds  #: [shape: (stimulus,)]
    bins: Bools | None  #: [shape: (stimulus, time)], if it lies on edges of bins
    covered: bool  #: whether every Dataset has all of these bins, if nobody took them out


def _make_window(ds: xr.Dataset, start: float, stop: float | None) -> _Window:
    first, last = (ms / 1000 for ms in RECORDED_MS)
    limits = {"start": start} | ({} if stop is None else {"stop": stop})
    for name, value in limits.items():
        if not first <= arguments.number(name, value, "s") <= last:
            raise ValueError(
                f"{name}={value} must be between {first:g} and {last:g} s from onset: AA1 was "
                "recorded from 2 s before each onset to 4 s after it"
            )
    ends = _sound_ends(ds)
    begin = np.full(ends.size, math.ceil(_exact(start)))
    end = ends if stop is None else np.full(ends.size, math.ceil(_exact(stop)))
    if (end <= begin).any():
        shortest = "" if stop is not None else f", {ends.min() / 1e6:g} s after onset"
        raise ValueError(
            f"start={start} must be before "
            f"{'the end of each stimulus' if stop is None else f'stop={stop}'}{shortest}"
        )
    if "spikes" not in ds or "time" not in ds["spikes"].dims:
        return _Window(begin, end, None, covered=False)
    edges = _edges(ds)
    on_edges = np.isin(begin, edges[:-1]).all() and np.isin(end, edges[1:]).all()
    if not on_edges:
        return _Window(begin, end, None, covered=False)
    bins = (edges[:-1] >= begin[:, np.newaxis]) & (edges[1:] <= end[:, np.newaxis])
    return _Window(begin, end, bins, covered=bool((_complete(edges, ends) | ~bins).all()))


def _exact(seconds: float) -> Fraction:
    """Microseconds, of a number of seconds as it is written: 0.1 is one tenth."""
    return exact_ms("seconds", seconds) * 10**6


def _sound_ends(ds: xr.Dataset) -> Microseconds:
    """The end of each stimulus in whole microseconds, rounded up. [shape: (stimulus,)]."""
    if {"n_samples", "sample_rate"} <= set(ds.coords):
        samples, rate = (np.atleast_1d(ds[n].values) for n in ("n_samples", "sample_rate"))
        exact = [Fraction(int(n)) * 10**6 / int(r) for n, r in zip(samples, rate, strict=True)]
    elif "duration_s" in ds.coords:
        exact = [_exact(float(duration)) for duration in np.atleast_1d(ds["duration_s"].values)]
    else:
        raise ValueError(
            "the Dataset must have the coordinates 'n_samples' and 'sample_rate', or 'duration_s', "
            "which say where each stimulus ends; they were dropped"
        )
    return np.array([math.ceil(end) for end in exact], np.int64)


def _edges(ds: xr.Dataset) -> Microseconds:
    """The edges of the bins in whole microseconds, rounded up. [shape: (time + 1,)]."""
    width = exact_ms("the Dataset's dt_ms", schema.bin_width_ms(ds)) * 1000
    numbers = schema.bin_numbers(ds)
    edges = [math.ceil(int(k) * width) for k in (*numbers, numbers[-1] + 1)]
    return np.array(edges, np.int64)


def _complete(edges: Microseconds, ends: Microseconds) -> Bools:
    """Bins that are NaN only where somebody took them out. [shape: (stimulus, time)].

    The bin with the end of the stimulus, those after it, and a first one before onset may be
    incomplete after aa1xr.resample.
    """
    complete = edges[1:] <= ends[:, np.newaxis]
    complete[:, 0] &= edges[0] >= 0
    return complete


def _sum_bins(ds: xr.Dataset, window: _Window) -> xr.DataArray:
    """Add up `spikes` over the bins of the window."""
    counts = measures.spikes(ds)
    summed: xr.DataArray = xr.apply_ufunc(
        _sum,
        counts,
        kwargs={"wanted": window.bins},
        input_core_dims=[counts.dims[1:]],
        output_core_dims=[AXES[1:]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return summed


def _sum(counts: Floats, *, wanted: Bools) -> Floats:
    """Spikes of each trial. [shape: (..., stimulus, trial, time) -> (..., stimulus, trial)]."""
    missing = np.isnan(counts)
    presented = np.asarray(~missing.all(-1))
    wanted = wanted[:, np.newaxis]
    _refuse_gaps(missing & wanted, presented)
    total = np.where(wanted & ~missing, counts, 0).sum(-1, dtype=np.float64)
    return np.where(presented, total, np.nan)


def _refuse_gaps(gaps: Bools, presented: Bools) -> None:
    if (gaps.any(-1) & presented).any():
        raise ValueError(
            "'spikes' is NaN in some bins of the window, in trials that were presented, so their "
            "spikes cannot be counted; choose a window without these bins"
        )


def _count_events(
    ds: xr.Dataset, store: Store, positions: tuple[Positions, Positions, Positions], window: _Window
) -> xr.DataArray:
    """Count in the store, and compare with `spikes` where the Dataset has it."""
    neurons, stimuli, trials = positions
    where = xr.DataArray(neurons, dims="neuron")
    arrays = [where]
    options: dict[str, Any] = {"start": window.start, "stop": window.stop}
    if "spikes" in ds:
        counts = measures.spikes(ds)
        arrays = [where.chunk(neuron=counts.chunksizes["neuron"]), counts]
        options["grid"], options["bins"] = _grid(ds, store)
        edges = _edges(ds)
        options["wanted"] = (
            _complete(edges, _sound_ends(ds))
            & (edges[1:] > window.start[:, np.newaxis])
            & (edges[:-1] < window.stop[:, np.newaxis])
        )
    else:
        size = max(1, _BLOCK // max(1, stimuli.size * trials.size))
        arrays = [where.chunk(neuron=size)]
    counted: xr.DataArray = xr.apply_ufunc(
        _count,
        *arrays,
        kwargs={"store": store, "stimuli": stimuli, "trials": trials, **options},
        input_core_dims=[array.dims[1:] for array in arrays],
        output_core_dims=[AXES[1:]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"stimulus": stimuli.size, "trial": trials.size}},
    )
    return counted


def _grid(ds: xr.Dataset, store: Store) -> tuple[Grid, Positions]:
    """The bins of `ds` over all that was recorded, and which of them `ds` has."""
    rate = store.labels.sample_rate
    hop = exact_ms("the Dataset's dt_ms", schema.bin_width_ms(ds)) * rate / 1000
    if hop.denominator != 1:
        raise ValueError(
            f"the bins of the Dataset, {schema.bin_width_ms(ds):g} ms, are not a whole number of "
            f"samples of {rate} Hz, so the store cannot be counted in them"
        )
    numbers = schema.bin_numbers(ds)
    n_before = max(0, -int(numbers[0]))
    n_time = n_before + int(numbers[-1]) + 1
    n_bins = np.full(store.labels.name.size, n_time)
    grid = Grid(rate, int(hop), n_before, n_time, first=0, n_bins=n_bins, n_sound=n_bins)
    return grid, numbers + n_before


def _count(
    neurons: Positions,
    counts: Floats | None = None,
    *,
    store: Store,
    stimuli: Positions,
    trials: Positions,
    start: Microseconds,
    stop: Microseconds,
    grid: Grid | None = None,
    bins: Positions | None = None,
    wanted: Bools | None = None,
) -> Floats:
    """Spikes of each trial of a block of neurons. [shape: (neuron, stimulus, trial)]."""
    total = count_between(store, neurons, stimuli, trials, start=start, stop=stop)
    if counts is None or grid is None or bins is None or wanted is None:
        return total
    missing = np.isnan(counts)
    presented = np.asarray(~missing.all(-1))
    expected = count(store, grid, neurons, stimuli, trials, bins)
    if ((expected != counts) & ~missing).any():
        raise ValueError(
            "'spikes' is not what the store has for these neurons, stimuli and trials: it was "
            "changed or reordered, so the store cannot say how many spikes are in a part of a bin. "
            "Choose start and stop on edges of bins that the Dataset has, or count before you "
            "change 'spikes'"
        )
    _refuse_gaps(missing & wanted[:, np.newaxis], presented)
    return np.where(presented, total, np.nan)


def _label(ds: xr.Dataset, counted: xr.DataArray, start: float, stop: float | None) -> xr.DataArray:
    """With the labels of `ds`, without the dimensions that it has not, lazy if it is."""
    lazy = ds["spikes"].chunks is not None if "spikes" in ds else bool(ds.chunks)
    counted = counted if lazy else counted.compute()
    counted = counted.isel({dim: 0 for dim in AXES if dim in ds.coords and dim not in ds.dims})
    coords: dict[Any, Any] = {
        n: c for n, c in ds.coords.items() if set(c.dims) <= set(counted.dims)
    }
    if "trial" in counted.dims and "spikes" not in ds and "trial" not in coords:
        coords["trial"] = np.arange(counted.sizes["trial"])
    out = xr.DataArray(counted.data, coords, counted.dims, "spike_counts")
    return out.assign_attrs(
        units=schema.VARIABLES["spikes"].units,
        long_name="spike count of a trial",
        comment=f"from {_show(start, stop)}; NaN where there was no such trial",
    )


def _show(start: float, stop: float | None) -> str:
    return f"{start:g} s to {'the end of the stimulus' if stop is None else f'{stop:g} s'}"
