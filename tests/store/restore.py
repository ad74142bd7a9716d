"""Store -> archive: the way back, which shows that a store loses nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aa1xr.archive.parse import Sound
from aa1xr.archive.read import SIMULATION, Cell, Recording
from aa1xr.archive.write import make_sound, write_archive
from aa1xr.errors import ArchiveError
from aa1xr.store.read import Store


def restore_archive(store: Store, path: str | os.PathLike[str]) -> Path:
    """Write the raw archive that `store` was built from to `path`, a .zip or a folder.

    The stim and spike files are the bytes that CRCNS serves, and so are the wav files, whose
    names hold their MD5.

    Raises
    ------
    ArchiveError
        If a wav file had another header than those of AA1, which the store does not keep.
    """
    simulation = store.attrs["simulation"]
    extra = {} if simulation is None else {SIMULATION: json.dumps(simulation).encode()}
    return write_archive(path, _sounds(store), _cells(store), extra=extra)


def _sounds(store: Store) -> Iterator[Sound]:
    labels = store.labels
    waves = np.split(store.read("waveform"), np.cumsum(labels.n_samples)[:-1])
    for type_, name, wave in zip(labels.type, labels.name, waves, strict=True):
        if make_sound(type_, wave, labels.sample_rate).name.upper() != name.upper():
            raise ArchiveError(
                f"all_stims/{type_}/{name}: had more in its header than a store keeps; expected "
                "the plain 44 bytes of AA1, so the archive cannot be restored from its store"
            )
        yield Sound(type_, name, labels.sample_rate, wave)


def _cells(store: Store) -> Iterator[Cell]:
    labels = store.labels
    for n, (cell, area) in enumerate(zip(labels.neuron, labels.area, strict=True)):
        n_trials, number = store.read("n_trials", n), store.read("file_number", n)
        counts = store.read("row_size", n)
        times = store.read("spike_time", slice(*store.first_spike[n : n + 2].tolist()))
        rows = np.split(times, np.cumsum(counts.sum(1))[:-1])
        yield Cell(
            cell,
            area,
            [
                Recording(
                    int(number[s]), labels.type[s], labels.name[s], rows[s], counts[s, :trials]
                )
                for s, trials in enumerate(n_trials)
                if trials
            ],
        )
