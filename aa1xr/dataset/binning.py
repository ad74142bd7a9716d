"""Events -> counts, for exactly the neurons, stimuli, trials and bins that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from aa1xr.dataset.grid import Grid
from aa1xr.store.read import Store
from aa1xr.typing import Positions

#: Spikes that are counted at once: what is made of them on the way stays in the processor's cache.
_PIECE = 2**16


def count(
    store: Store,
    grid: Grid,
    neurons: Positions,
    stimuli: Positions,
    trials: Positions | None,
    bins: Positions,
    *,
    total: bool = False,
) -> npt.NDArray[np.float32]:
    """Count spikes. [shape: (neurons, stimuli, trials, bins), or without trials for their total].

    Positions increase on each axis; `trials=None` means all, and `total` adds them up without
    ever making their axis. NaN where the bin is outside the stimulus' window or was not recorded
    from edge to edge and, of single trials, where there was none; a sum over none is zero.
    """
    n_rows = 1 if trials is None or total else trials.size
    counts = np.zeros((neurons.size, stimuli.size, n_rows, bins.size), np.float32)
    # Neighbours lie together in the store: each run of them is one read.
    for run in runs(neurons):
        times, sizes = read_spikes(store, neurons[run], stimuli, trials)
        per_row = (sizes.sum(2) if n_rows == 1 else sizes).ravel()
        rows_of_counts = counts[run].reshape(per_row.size, bins.size)
        for rows, spikes in _pieces(per_row):
            _add(grid, times[spikes], per_row[rows], bins, rows_of_counts[rows])
    first, after = grid.bounds_of_data(stimuli, bins)
    counts[..., :first] = np.nan
    for s, end in enumerate(after.tolist()):
        counts[:, s, :, end:] = np.nan
    if trials is None or total:
        return counts[:, :, 0]
    counts[presentations(store, neurons, stimuli)[:, :, np.newaxis] <= trials] = np.nan
    return counts


def count_between(
    store: Store,
    neurons: Positions,
    stimuli: Positions,
    trials: Positions,
    *,
    start: npt.NDArray[np.int64],
    stop: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Count the spikes with start <= t < stop in each trial. [shape: (neurons, stimuli, trials)].

    Positions are in any order; `start` and `stop` in microseconds from onset [shape: (stimuli,)].
    NaN where there was no such trial.
    """
    counts = np.zeros((neurons.size, stimuli.size, trials.size))
    for run in runs(neurons):
        times, sizes = read_spikes(store, neurons[run], stimuli, trials)
        for rows, spikes in _pieces(sizes.ravel()):
            per_row = sizes.ravel()[rows]
            stimulus = np.arange(sizes.size)[rows] // trials.size % stimuli.size
            row = np.repeat(np.arange(per_row.size), per_row)
            first, last = start[stimulus][row], stop[stimulus][row]
            inside = (times[spikes] >= first) & (times[spikes] < last)
            counts[run].reshape(-1)[rows] = np.bincount(row[inside], minlength=per_row.size)
    counts[presentations(store, neurons, stimuli)[:, :, np.newaxis] <= trials] = np.nan
    return counts


def presentations(store: Store, neurons: Positions, stimuli: Positions) -> npt.NDArray[np.int32]:
    """How often each stimulus was presented. [shape: (neurons, stimuli)]."""
    n_trials = np.empty((neurons.size, stimuli.size), np.int32)
    for run in runs(neurons):
        n_trials[run] = store.rows("n_trials", *_span(neurons[run])).take(stimuli, 1)
    return n_trials


def read_spikes(
    store: Store, neurons: Positions, stimuli: Positions, trials: Positions | None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The spikes of consecutive neurons, in microseconds, and how many each trial has.

    `stimuli` and `trials` may be in any order, which is then that of the spikes.
    """
    row_size = store.rows("row_size", *_span(neurons)).astype(np.int64)
    first = store.first_spike
    start, stop = int(first[neurons[0]]), int(first[neurons[-1] + 1])

    # The wanted rows (trials) in the order of the output, and where their spikes lie.
    row_end = row_size.cumsum().reshape(row_size.shape)
    sizes, ends = (rows.take(stimuli, 1) for rows in (row_size, row_end))
    if trials is not None:
        sizes, ends = sizes.take(trials, 2), ends.take(trials, 2)
    if sizes.sum() == 0:
        return np.zeros(0, np.int32), sizes
    # Only the stretch that holds them: one stimulus of one neuron is a small part of it.
    lowest, highest = int((ends - sizes).min()), int(ends.max())
    times = store.read("spike_time", slice(start + lowest, min(start + highest, stop)))
    starts, n = (ends - sizes).ravel() - lowest, sizes.ravel()
    if not np.array_equal(starts, n.cumsum() - n):  # else they lie there as they are wanted
        times = times[spans(starts, n)]
    return times, sizes


def _pieces(per_row: npt.NDArray[np.int64]) -> Iterator[tuple[slice, slice]]:
    """Stretches of rows that have about `_PIECE` spikes together, and where those lie."""
    ends = per_row.cumsum()
    row = spike = 0
    while row < per_row.size:
        after = int(np.searchsorted(ends, spike + _PIECE)) + 1
        end = int(ends[min(after, per_row.size) - 1])
        yield slice(row, after), slice(spike, end)
        row, spike = after, end


def _add(
    grid: Grid,
    times: npt.NDArray[np.int32],
    per_row: npt.NDArray[np.int64],
    bins: Positions,
    counts: npt.NDArray[np.float32],
) -> None:
    """Add each spike to its row and bin. `per_row` says how many of `times` each row has."""
    position = grid.bins(times)
    place = np.repeat(np.arange(per_row.size) * bins.size, per_row)
    first, last = int(bins[0]), int(bins[-1])
    inside = (position >= first) & (position <= last)
    if not inside.all():
        position, place = position[inside], place[inside]
    position -= first
    if bins.size != last - first + 1:
        # Some bins between the first and the last are not wanted.
        number = np.full(last - first + 1, -1)
        number[bins - first] = np.arange(bins.size)
        position = number[position]
        wanted = position >= 0
        position, place = position[wanted], place[wanted]
    place += position
    # In place, by the events alone: np.bincount would make eight bytes for every bin.
    np.add.at(counts.reshape(-1), place, np.float32(1))


def _span(run: Positions) -> tuple[int, int]:
    return int(run[0]), int(run[-1]) + 1


def runs(indices: Positions) -> list[slice]:
    """Slices of `indices` in which each is one more than the last."""
    if indices.size == 1:  # which is quicker, and asked for most
        return [slice(0, 1)]
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    edges = [0, *breaks.tolist(), indices.size] if indices.size else []
    return [slice(a, b) for a, b in pairwise(edges)]


def spans(starts: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The integers from each start on, `size` many, one span after another."""
    before = np.concatenate([[0], sizes.cumsum()[:-1]])
    return np.repeat(starts - before, sizes) + np.arange(sizes.sum())
