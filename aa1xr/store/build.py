"""Archive -> store: parse once, write once, and give it its name only when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import LocalStore

from aa1xr.archive.compare import Comparison
from aa1xr.archive.files import identity
from aa1xr.archive.read import Archive
from aa1xr.atomic import atomic_write, is_regular
from aa1xr.errors import ArchiveError, StoreError
from aa1xr.printable import one_line, printable
from aa1xr.store.blocks import Block, read_blocks
from aa1xr.store.chunks import CHECKSUM, CHECKSUMS, chunk_keys
from aa1xr.store.layout import (
    ARRAYS,
    DIGESTS,
    FORMAT_VERSION,
    METADATA,
    MOST_LABELS,
    MOST_PRESENTATIONS,
    Digest,
    consolidated,
    create_array,
    find_stranger,
    is_sealed,
    seal,
    source_sha256,
)
from aa1xr.store.location import read_object
from aa1xr.version import VERSION


def build_store(archive: Archive, path: Path, *, key: str, replace: bool = False) -> None:
    """Write the store of `archive`, which has the SHA-256 `key`, to `path`, where nothing is yet.

    It is written beside its name and moved there when it is whole and sealed, so a process
    killed at any instant leaves no store, or all of it. With `replace`, it takes the place of a
    store of the same archive, which may be damaged; StoreError if something else is there.
    ArchiveError if a file of the archive is not right, or it has changed in the meantime.
    """
    if replace:
        _check_is_store(path, key)
    with atomic_write(path, replace=replace) as partial, _bar(archive) as bar:
        _write(archive, read_blocks(archive), partial, key=key, bar=bar)
        # Such as a folder into which an archive is still being extracted.
        if identity(archive.files.path) != key:
            raise ArchiveError(
                f"{one_line(archive.files.path)}: changed while it was read; wait until it is "
                "complete, then open it again"
            )
        if replace:
            _check_is_store(path, key)  # somebody may have put something there in the meantime


def _check_is_store(path: Path, key: str) -> None:
    """Refuse to replace a folder that is not a store of this archive, damaged or not.

    Links are not followed: a link by a name of the layout is removed, and any other is refused.
    """
    if not path.is_dir() or path.is_symlink():
        return
    if (stranger := find_stranger(path)) is not None:
        raise StoreError(
            f"{one_line(path)} holds {printable(stranger)!r}, which is not part of a store, so it "
            "is not replaced: move it elsewhere, or choose another place with data_dir="
        )
    if not is_regular(path / METADATA):
        return
    metadata = read_object(path, METADATA)
    if is_sealed(metadata) and (of := source_sha256(metadata)) != key:
        raise StoreError(
            f"{one_line(path)} is a store of another archive (SHA-256 {printable(of)}; that of "
            f"this archive is {key}), so it is not replaced: move it elsewhere, or choose another "
            "place with data_dir="
        )


def _write(archive: Archive, blocks: Iterable[Block], path: Path, *, key: str, bar: Any) -> None:
    sounds = archive.sounds()
    group = zarr.create_group(store=LocalStore(path), zarr_format=3)
    digests: dict[str, str] = {}

    def put(name: str, values: npt.NDArray[Any]) -> None:
        create_array(group.store, ARRAYS[name], values.shape, name=name)[...] = values
        digests[name] = Digest().update(values.astype(ARRAYS[name].dtype, copy=False)).hex()

    put("name", np.array([sound.name for sound in sounds]))
    put("type", np.array([sound.type for sound in sounds]))
    put("n_samples", np.array([sound.samples.size for sound in sounds]))
    put("waveform", np.concatenate([sound.samples for sound in sounds]))

    comparison = Comparison(archive.cell_ids, archive.sound_names, archive.simulation)
    cells = iter(archive.cell_ids)
    n_trials, file_number, row_size = [], [], []
    spikes = _Flat(group, "spike_time")
    for block in blocks:
        _check_size(archive, int(block.n_trials.max()))
        n_trials.append(block.n_trials)
        file_number.append(block.file_number)
        row_size.append(block.row_size)
        spikes.append(block.spike_time)
        for responses in block.by_neuron():
            comparison.add(next(cells), *responses)
        bar.update(len(block.n_trials))
    digests["spike_time"] = spikes.close()

    trials = np.concatenate(n_trials)
    rows = np.zeros((*trials.shape, trials.max()), np.int32)
    rows[np.arange(trials.max()) < trials[..., np.newaxis]] = np.concatenate(row_size)
    put("row_size", rows)
    put("n_trials", trials)
    put("file_number", np.concatenate(file_number))
    put("n_spikes", rows.sum((1, 2), dtype=np.int64))
    put("neuron", np.array([cell for _, cell in archive.cell_ids]))
    put("area", np.array([area for area, _ in archive.cell_ids]))

    group.attrs.update(
        {
            "format_version": FORMAT_VERSION,
            "aa1xr_version": VERSION,
            "source": archive.files.path.name,
            "source_sha256": key,
            "sample_rate": sounds[0].sample_rate,
            "simulation": archive.simulation,
            DIGESTS: digests,
            CHECKSUMS: {name: _checksums(path, name, group) for name in digests},
            **comparison.result().as_attrs(),
        }
    )
    metadata = {
        file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob(METADATA)
    }
    (path / METADATA).write_bytes(seal(consolidated(metadata)))


def _checksums(path: Path, name: str, group: zarr.Group) -> str:
    """The checksums of the chunks of an array, which are their last bytes."""
    array = cast("zarr.Array[Any]", group[name])
    found = []
    for key in chunk_keys(array):
        with (path / name / key).open("rb") as file:
            file.seek(-CHECKSUM, os.SEEK_END)
            found.append(file.read().hex())
    return "".join(found)


def _check_size(archive: Archive, trials: int) -> None:
    """Refuse an archive that is small only because hardly any neuron was presented its stimuli."""
    sizes = len(archive.cell_ids), len(archive.sound_names), trials
    if max(sizes[:2]) > MOST_LABELS:
        raise ArchiveError(
            f"{archive.files.path}: {sizes[0]} cells and {sizes[1]} sounds; expected at most "
            f"{MOST_LABELS} of each"
        )
    if prod(sizes) > MOST_PRESENTATIONS:
        raise ArchiveError(
            f"{one_line(archive.files.path)}: {sizes[0]} cells, {sizes[1]} sounds and up to "
            f"{trials} presentations make {prod(sizes)} places; expected at most "
            f"{MOST_PRESENTATIONS}"
        )


def _bar(archive: Archive) -> Any:
    from tqdm import tqdm  # imported where it is shown: a warm open has no use for it

    return tqdm(
        total=len(archive.cell_ids),
        desc=f"building the store of {one_line(archive.files.path.name)}",
        unit="cell",
        delay=1,
        disable=None,  # not where standard error is no terminal
    )


class _Flat:
    """A flat array of the layout, written chunk by chunk as its values arrive."""

    def __init__(self, group: zarr.Group, name: str) -> None:
        self._array = create_array(group.store, ARRAYS[name], (0,), name=name)
        self._chunk = ARRAYS[name].chunks[0]
        self._waiting: list[npt.NDArray[Any]] = []
        self._n_waiting = 0
        self._digest = Digest()

    def append(self, values: npt.NDArray[Any]) -> None:
        self._waiting.append(values)
        self._n_waiting += values.size
        if self._n_waiting >= 16 * self._chunk:
            self._flush(self._n_waiting // self._chunk * self._chunk)

    def close(self) -> str:
        """Write the rest, and give the digest of all."""
        self._flush(self._n_waiting)
        return self._digest.hex()

    def _flush(self, n: int) -> None:
        if n == 0:
            return
        values = np.concatenate(self._waiting)
        start = self._array.shape[0]
        self._array.resize((start + n,))
        self._array[start:] = values[:n]
        self._digest.update(values[:n])
        self._waiting, self._n_waiting = [values[n:]], values.size - n
