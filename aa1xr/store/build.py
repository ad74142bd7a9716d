"""Archive -> store: parse once, write once, and give it its name only when it is whole."""

from __future__ import annotations

import shutil
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import LocalStore

from aa1xr.archive.read import Archive
from aa1xr.store.layout import (
    ARRAYS,
    FORMAT_VERSION,
    METADATA,
    create,
    quiet_consolidation,
    seal,
)


def build_store(archive: Archive, path: Path, *, identity: str, progress: bool = True) -> None:
    """Write the store of `archive` to `path`, where nothing is yet.

    It is written beside its name and moved there when it is whole and sealed, so a process
    killed at any instant leaves no store, or all of it. The caller holds the lock; what an
    earlier, killed build left beside the name is removed.

    Parameters
    ----------
    identity
        The archive's SHA-256, recorded as provenance.
    progress
        Show a bar on a terminal if it takes longer than a second.
    """
    for leftover in path.parent.glob(f".{path.name}.*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        _write(archive, partial, identity=identity, progress=progress)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(archive: Archive, path: Path, *, identity: str, progress: bool) -> None:
    sounds = archive.sounds()
    group = zarr.create_group(store=LocalStore(path), zarr_format=3)
    group.attrs.update(
        {
            "format_version": FORMAT_VERSION,
            "aa1xr_version": version("aa1xr"),
            "source": archive.files.path.name,
            "source_sha256": identity,
            "sample_rate": sounds[0].sample_rate,
            "simulation": archive.simulation,
        }
    )
    _put(group, "name", np.array([sound.name for sound in sounds]))
    _put(group, "type", np.array([sound.type for sound in sounds]))
    _put(group, "n_samples", np.array([sound.samples.size for sound in sounds]))
    _put(group, "waveform", np.concatenate([sound.samples for sound in sounds]))

    stimuli = {(sound.type, sound.name): s for s, sound in enumerate(sounds)}
    neurons = len(archive.cell_ids)
    counts: list[dict[int, npt.NDArray[np.int32]]] = []
    n_trials = np.zeros((neurons, len(sounds)), np.int32)
    file_number = np.zeros((neurons, len(sounds)), np.int32)
    spikes = _Flat(group, "spike_time")
    for n, cell in enumerate(_progress(archive, progress)):
        rows: dict[int, npt.NDArray[np.int32]] = {}
        # In the order of the stimulus axis, which is not that of the file numbers.
        for s, recording in sorted(
            ((stimuli[r.type, r.sound], r) for r in cell.recordings), key=lambda pair: pair[0]
        ):
            rows[s] = recording.counts
            n_trials[n, s] = recording.counts.size
            file_number[n, s] = recording.number
            spikes.append(recording.times)
        counts.append(rows)
    spikes.close()

    row_size = np.zeros((*n_trials.shape, n_trials.max()), np.int32)
    for n, rows in enumerate(counts):
        for s, sizes in rows.items():
            row_size[n, s, : sizes.size] = sizes
    _put(group, "row_size", row_size)
    _put(group, "n_trials", n_trials)
    _put(group, "file_number", file_number)
    _put(group, "n_spikes", row_size.sum((1, 2), dtype=np.int64))
    _put(group, "neuron", np.array([cell for _, cell in archive.cell_ids]))
    _put(group, "area", np.array([area for area, _ in archive.cell_ids]))

    with quiet_consolidation():
        zarr.consolidate_metadata(group.store, zarr_format=3)
    root = path / METADATA
    root.write_bytes(seal(root.read_bytes()))


def _progress(archive: Archive, progress: bool) -> Any:
    from tqdm import tqdm  # imported where it is shown: a warm open has no use for it

    cells: Any = archive.cells()
    # disable=None: not where standard error is no terminal.
    return tqdm(
        cells,
        total=len(archive.cell_ids),
        desc=f"building the store of {archive.files.path.name}",
        unit="cell",
        delay=1,
        disable=None if progress else True,
    )


def _put(group: zarr.Group, name: str, values: npt.NDArray[Any]) -> None:
    create(group, name, values.shape)[...] = values


class _Flat:
    """A flat array of the layout, written chunk by chunk as its values arrive."""

    def __init__(self, group: zarr.Group, name: str) -> None:
        self._array = create(group, name, (0,))
        self._chunk = ARRAYS[name].chunks[0]
        self._waiting: list[npt.NDArray[Any]] = []
        self._n_waiting = 0

    def append(self, values: npt.NDArray[Any]) -> None:
        self._waiting.append(values)
        self._n_waiting += values.size
        if self._n_waiting >= 16 * self._chunk:
            self._flush(self._n_waiting // self._chunk * self._chunk)

    def close(self) -> None:
        self._flush(self._n_waiting)

    def _flush(self, n: int) -> None:
        if n == 0:
            return
        values = np.concatenate(self._waiting)
        start = self._array.shape[0]
        self._array.resize((start + n,))
        self._array[start:] = values[:n]
        self._waiting, self._n_waiting = [values[n:]], values.size - n
