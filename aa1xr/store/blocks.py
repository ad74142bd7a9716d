"""The responses of an archive in blocks of neurons, so that few are in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aa1xr.archive.read import Archive

#: Neurons parsed at a time: about half a MiB of spikes.
_NEURONS = 16


@dataclass(frozen=True, eq=False)
class Block:
    """The responses of some neurons, in the order of the layout."""

    n_trials: npt.NDArray[np.int32]  #: [shape: (neurons, stimuli)]
    file_number: npt.NDArray[np.int32]  #: [shape: (neurons, stimuli)]
    row_size: npt.NDArray[np.int32]  #: spikes in each trial that was presented
    spike_time: npt.NDArray[np.int32]

    def by_neuron(self) -> Iterator[tuple[npt.NDArray[np.int32], ...]]:
        """`n_trials`, `file_number`, `row_size` and `spike_time` of one neuron after another."""
        rows = np.cumsum(self.n_trials.sum(1))
        ends = np.concatenate([[0], np.cumsum(self.row_size)])[rows]
        row_size = np.split(self.row_size, rows[:-1])
        spike_time = np.split(self.spike_time, ends[:-1])
        yield from zip(self.n_trials, self.file_number, row_size, spike_time, strict=True)


def read_block(archive: Archive) -> Block:
    """Parse the responses of all neurons of an archive, or a part of one."""
    stimuli = {sound: s for s, sound in enumerate(archive.sound_names)}
    shape = len(archive.cell_ids), len(stimuli)
    n_trials, file_number = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    sizes, times = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for n, cell in enumerate(archive.cells()):
        # In the order of the stimulus axis, which is not that of the file numbers.
        heard = {
            stimuli[recording.type, recording.sound]: recording for recording in cell.recordings
        }
        for s, recording in sorted(heard.items()):
            n_trials[n, s] = recording.counts.size
            file_number[n, s] = recording.number
            sizes.append(recording.counts)
            times.append(recording.times)
    return Block(n_trials, file_number, np.concatenate(sizes), np.concatenate(times))


def read_blocks(archive: Archive) -> Iterator[Block]:
    """Parse all responses, in order; one block is in memory at a time."""
    for n in range(0, len(archive.cell_ids), _NEURONS):
        yield read_block(archive.part(slice(n, n + _NEURONS)))
