"""Read a store by its URL, checking all that is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import zarr
import zarr.abc.store
from dask.base import tokenize
from zarr.core.group import AsyncGroup
from zarr.storage import MemoryStore, StorePath

from aa1xr.errors import DataNotFoundError, StoreError
from aa1xr.schema import fixed_width
from aa1xr.store.layout import (
    ARRAYS,
    DIGESTS,
    FORMAT_VERSION,
    METADATA,
    SEAL,
    Digest,
    create_array,
    is_sealed,
    require_format_3,
    seal,
)
from aa1xr.store.place import Files, is_url, read_bytes, zarr_store
from aa1xr.whole import discard, is_leftover, whole

#: Bytes in a chunk of what is added: a few stimuli, which can be read without the others.
_ADDED = 2**20

_ONLY_STORES = (
    "At URLs only stores are read: if it is an archive, download it, and open the copy on this "
    "machine; aa1xr.copy_store puts its store at a URL."
)
_REBUILD = (
    "Build it again from the archive: aa1xr.open(archive, rebuild=True), or `aa1xr build "
    "--rebuild`. If it was copied: remove it and copy again. `aa1xr verify` checks all of a store."
)


@dataclass(frozen=True, eq=False)
class Labels:
    """What there is in a store, but for the spikes and the sounds themselves."""

    neuron: npt.NDArray[Any]
    area: npt.NDArray[Any]
    name: npt.NDArray[Any]
    type: npt.NDArray[Any]
    n_samples: npt.NDArray[np.int64]
    n_trials: int  #: the most presentations any sound had
    sample_rate: int


class Store:
    """A store at a path or URL; nothing is read before it is asked for.

    It pickles as its URL, so that a worker elsewhere reads the store for itself; the tasks of one
    worker share what it has read.

    Raises
    ------
    DataNotFoundError
        On first use, if there is none.
    StoreError
        If it is damaged, foreign or of another format: no damaged byte ever becomes data.
    """

    def __init__(
        self,
        url: str,
        storage_options: Mapping[str, Any] | None = None,
        *,
        sealed_as: str | None = None,
    ) -> None:
        self.url = url
        self.storage_options = dict(storage_options or {})
        #: The seal of what was read; a pickle takes it along, so that no worker mixes two stores.
        self._sealed_as = sealed_as
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._chunks: dict[tuple[str, int], npt.NDArray[Any]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        if self._sealed_as is None:
            return Store, (self.url, self.storage_options)
        return _shared, (self.url, self.storage_options, self._sealed_as)

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    def get(self, key: str) -> bytes | None:
        """The bytes of one file of the store, or None."""
        try:
            if not is_url(self.url):
                return read_bytes(Path(self.url) / key)
            return self.files.read(key)
        except (FileNotFoundError, NotADirectoryError):
            return None

    @cached_property
    def files(self) -> Files:
        """Its files."""
        return Files(self.url, self.storage_options)

    @cached_property
    def _zarr(self) -> zarr.abc.store.Store:
        return zarr_store(self.url, self.storage_options, read_only=True)

    @cached_property
    def _group(self) -> zarr.Group:
        metadata = self.get(METADATA)
        if metadata is None:
            raise DataNotFoundError(
                f"{self.url}: no store there (it has no {METADATA}). Check the name. "
                f"{_ONLY_STORES if is_url(self.url) else _REBUILD}"
            )
        if not is_sealed(metadata):
            raise StoreError(
                f"{self.url}: damaged or unfinished, or no store of aa1xr: the checksum of its "
                f"{METADATA} does not match. If aa1xr.save wrote it, aa1xr.load opens it; else: "
                f"{_REBUILD}"
            )
        document = json.loads(metadata)
        attributes = document["attributes"]
        if (found := attributes.get("format_version")) != FORMAT_VERSION:
            raise StoreError(
                f"{self.url}: of store format {found}; this aa1xr reads format {FORMAT_VERSION}. "
                f"{_REBUILD}"
            )
        if self._sealed_as not in {None, attributes[SEAL]}:
            raise StoreError(
                f"{self.url}: another store than when the Dataset was opened. Open it again."
            )
        self._sealed_as = attributes[SEAL]
        try:
            # Of the bytes that were checked: what is read a second time may be something else.
            return zarr.Group(AsyncGroup.from_dict(StorePath(self._zarr), document))
        except Exception as error:  # zarr raises what it likes about metadata
            raise StoreError(
                f"{self.url}: its {METADATA} does not say what is in it ({error}). {_REBUILD}"
            ) from error

    @property
    def attrs(self) -> dict[str, Any]:
        """Where the store came from."""
        return dict(self._group.attrs)

    def read(self, name: str, selection: Any = ...) -> npt.NDArray[Any]:
        """The values of an array of the store, all or a basic selection of them."""
        return self._checked(self._array(name), selection)

    def rows(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Some neurons of an array that is chunked by neurons alone.

        Its chunks are kept: they are small, and each block of neurons needs one or two.
        """
        size = self._array(name).chunks[0]
        first, after = start // size, -(-stop // size)
        for number in range(first, after):
            if (name, number) not in self._chunks:
                part = slice(number * size, (number + 1) * size)
                self._chunks[name, number] = self.read(name, part)
        chunks = [self._chunks[name, number] for number in range(first, after)]
        return np.concatenate(chunks)[start - first * size : stop - first * size]

    def _array(self, name: str) -> zarr.Array[Any]:
        # Kept, since looking one up in a group takes as long as reading a small one.
        if name not in self._arrays:
            array = cast("zarr.Array[Any]", self._group[name])
            require_format_3(self.url, array)
            self._arrays[name] = array
        return self._arrays[name]

    def read_added(self, path: str, selection: Any = ...) -> npt.NDArray[Any] | None:
        """The values of an array that `add` put there, all or some, or None."""
        for _ in range(4):
            # A rebuild takes it away; so it may go, and come again, while it is read.
            with suppress(StoreError):
                return self._read_added(path, selection)
        return self._read_added(path, selection)

    def _read_added(self, path: str, selection: Any) -> npt.NDArray[Any] | None:
        try:
            metadata = self.get(f"{path}/{METADATA}")
        except PermissionError:  # S3's "not there" for those who may not list
            metadata = None
        if metadata is None:
            return None
        if not is_sealed(metadata):
            raise StoreError(f"{self.url}: {path}/{METADATA} is damaged. {_REBUILD}")
        array = zarr.Array.from_dict(StorePath(self._zarr, path), json.loads(metadata))
        return self._checked(array, selection)

    def add(
        self,
        path: str,
        values: npt.NDArray[np.float32],
        *,
        dims: tuple[str, ...],
        attrs: Mapping[str, Any],
    ) -> None:
        """Keep an array that was derived from the store beside what it was built with.

        A reader finds all of it or none, and several processes that add the same do no harm.
        """
        if is_url(self.url):
            for key, data in _files(values, dims=dims, attrs=attrs):
                self.files.write(f"{path}/{key}", data)
            return
        target = Path(self.url) / path
        if not (target / METADATA).exists():
            discard(target)  # what is left of a damaged one
        with suppress(FileExistsError), whole(target) as partial:
            for key, data in _files(values, dims=dims, attrs=attrs):
                (partial / key).parent.mkdir(parents=True, exist_ok=True)
                (partial / key).write_bytes(data)

    def added(self) -> list[str]:
        """The paths of what `add` put there."""
        files = [name.split("/") for name in self.files.names()]
        names = {file[0] for file in files if file[1:] == [METADATA]}
        return sorted(name for name in names.difference(ARRAYS) if not is_leftover(name))

    def check(self) -> list[str]:
        """Read all of it, in small parts, and so prove every checksum.

        Returns
        -------
        list of str
            The names of all arrays.

        Raises
        ------
        StoreError
            If any of it is damaged, gone or in the wrong place.
        """
        for name in ARRAYS:
            array = self._array(name)
            step = 16 * array.chunks[0]
            digest = Digest()
            for start in range(0, array.shape[0], step):
                digest.update(self.read(name, slice(start, start + step)))
            if digest.hex() != self.attrs[DIGESTS][name]:
                raise StoreError(
                    f"{self.url}: {name} is not what was built, though no chunk of it is damaged: "
                    f"files were exchanged. {_REBUILD}"
                )
        added = self.added()
        for path in added:
            self.read_added(path)
        return [*ARRAYS, *added]

    def _checked(self, array: zarr.Array[Any], selection: Any = ...) -> npt.NDArray[Any]:
        try:
            return np.asarray(array[selection])
        except OSError:
            raise  # a disk or network that fails is not a damaged store
        except StoreError as error:
            raise StoreError(f"{error}. {_REBUILD}") from error
        except Exception as error:  # the codecs raise what they like about damaged bytes
            raise StoreError(
                f"{self.url}: {array.path} is damaged ({error}). {_REBUILD}"
            ) from error

    @cached_property
    def first_spike(self) -> npt.NDArray[np.int64]:
        """Where each neuron's spikes begin in `spike_time`. [shape: (n_neurons + 1,)]."""
        return np.concatenate([[0], np.cumsum(self.read("n_spikes"))])

    @cached_property
    def labels(self) -> Labels:
        """The labels; all of them are in memory afterwards."""
        strings = ("neuron", "area", "name", "type")
        names = [*strings, "n_samples"]
        if is_url(self.url):
            _ = self._group
            with ThreadPoolExecutor() as pool:  # on object storage, one wait and not five
                *texts, n_samples = pool.map(self.read, names)
        else:
            *texts, n_samples = map(self.read, names)
        return Labels(
            **dict(zip(strings, map(fixed_width, texts), strict=True)),
            n_samples=n_samples,
            n_trials=self._array("row_size").shape[2],
            sample_rate=int(self.attrs["sample_rate"]),
        )


def _files(
    values: npt.NDArray[np.float32], *, dims: tuple[str, ...], attrs: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    """The files of an array, its metadata last: without them it is not there."""
    files: dict[str, Any] = {}
    rows = max(1, _ADDED * len(values) // max(1, values.nbytes))
    array = create_array(
        MemoryStore(files),
        values.shape,
        dtype=values.dtype.name,
        chunks=(rows, *values.shape[1:]),
        fill_value=float("nan"),
        dims=dims,
        attrs=attrs,
    )
    metadata = files.pop(METADATA).to_bytes()
    for start in range(0, len(values), rows):
        array[start : start + rows] = values[start : start + rows]
        for key in list(files):
            yield key, files.pop(key).to_bytes()
    yield METADATA, seal(metadata)


#: Stores that came out of pickles, by what was in those.
_SHARED: dict[str, Store] = {}


def _shared(url: str, storage_options: Mapping[str, Any], seal: str) -> Store:
    """The store of a pickle: one for all the tasks of this process."""
    key = tokenize(url, storage_options, seal)
    store = _SHARED.get(key)
    if store is None:
        if len(_SHARED) >= 16:  # more than anybody works with at once
            _SHARED.clear()
        # Of threads that come at once, the first decides, and all share the one store.
        store = _SHARED.setdefault(key, Store(url, storage_options, sealed_as=seal))
    return store
