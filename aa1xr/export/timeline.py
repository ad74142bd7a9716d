"""A time axis for libraries that need one: AA1 has times from each onset, and no absolute time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr.analysis.trial_checks import presented
from aa1xr.dataset.binning import spans
from aa1xr.dataset.events import as_events
from aa1xr.dataset.grid import RECORDED_MS
from aa1xr.typing import Floats, Ints

#: Microseconds recorded before and after each onset.
_BEFORE, _AFTER = (abs(ms) * 1000 for ms in RECORDED_MS)
#: Between two presentations, so that they do not touch; short, since pynapple divides the spikes of
#: a file by all of its time.
_GAP = 1_000


@dataclass(frozen=True, eq=False)
class Timeline:
    """One neuron, or two recorded simultaneously, and the times of their trials in s."""

    animal_id: str
    cell_seq: int
    neurons: Ints  #: positions in the events
    stimulus: Ints  #: of each presentation, likewise
    trial: Ints
    start: Floats
    onset: Floats
    stop: Floats
    heard: npt.NDArray[np.bool_]  #: [shape: (n_neurons, n_presentations)] whether it has data
    spike_times: list[Floats]  #: of each neuron, ascending


def make_timelines(ds: xr.Dataset) -> tuple[xr.Dataset, list[Timeline]]:
    """Return the events of `ds`, and its sites with their trials one after the other.

    Each site has its own time axis, because only the neurons of one site were recorded
    simultaneously. Trials have the order of their numbers, as in the recording. The stimuli of one
    trial number were presented in random order; here they have the order of `ds`. So only the times
    within a trial are as recorded. A trial lasts 6 s, from 2 s before the onset to 4 s after it
    (longer if a spike is outside), and 1 ms passes until the next. Sites without data are left out.

    Raises
    ------
    ValueError
        If none of the neurons was presented any of the stimuli, or as in `aa1xr.events`.
    """
    events = as_events(ds)
    heard = presented(events).values
    times = events["spike_time"].values.astype(np.int64)
    sizes = events["row_size"].values.astype(np.int64)
    starts = events["row_start"].values
    before = _seconds(max(_BEFORE, -times.min(initial=0)))
    after = _seconds(max(_AFTER, times.max(initial=0)))

    sites = []
    for animal, seq, neurons in _recorded_at_once(events):
        trial, stimulus = np.nonzero(heard[neurons].any(0).T)
        if trial.size == 0:
            continue
        onset = before + np.arange(trial.size) * (before + after + _GAP)
        spike_times = []
        for neuron in neurons:
            n = sizes[neuron, stimulus, trial]
            own = times[spans(starts[neuron, stimulus, trial], n)]
            spike_times.append((own + np.repeat(onset, n)) / 1e6)
        site = Timeline(
            animal,
            seq,
            neurons,
            stimulus,
            trial,
            start=(onset - before) / 1e6,
            onset=onset / 1e6,
            stop=(onset + after) / 1e6,
            heard=heard[neurons][:, stimulus, trial],
            spike_times=spike_times,
        )
        sites.append(site)
    if not sites:
        raise ValueError("none of these neurons was presented any of these sounds")
    return events, sites


def _seconds(microseconds: Any) -> int:
    """Up to whole seconds."""
    return -(-int(microseconds) // 10**6) * 10**6


def _recorded_at_once(events: xr.Dataset) -> Iterator[tuple[str, int, Ints]]:
    """Positions of the neurons of each site: same animal and number, on rigs A and B."""
    sites: dict[tuple[str, int], list[int]] = defaultdict(list)
    labels = zip(events["animal_id"].values, events["cell_seq"].values, strict=True)
    for neuron, (animal, seq) in enumerate(labels):
        sites[str(animal), int(seq)].append(neuron)
    for (animal, seq), neurons in sites.items():
        yield animal, seq, np.array(neurons)
