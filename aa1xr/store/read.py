"""Read a store by its URL, checking all that is read."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import zarr
import zarr.abc.store
from zarr.storage import FsspecStore, LocalStore, MemoryStore

from aa1xr.errors import DataNotFoundError, StoreError
from aa1xr.schema import fixed_width
from aa1xr.store.layout import FORMAT_VERSION, METADATA, create_array, is_sealed, seal

_REBUILD = "Remove it and open the archive again to rebuild it."


def is_url(path: str) -> bool:
    """Whether `path` is a URL rather than a path of this machine."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://|[a-z0-9]+::", path) is not None


def zarr_store(
    path: str, storage_options: Mapping[str, Any] | None, *, read_only: bool
) -> zarr.abc.store.Store:
    """The zarr store at a path or URL; URLs are fsspec's, whichever others zarr itself takes."""
    if is_url(path):
        return FsspecStore.from_url(
            path, storage_options=dict(storage_options or {}), read_only=read_only
        )
    return LocalStore(path, read_only=read_only)


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

    It pickles as its URL alone, so that a worker elsewhere reads the store for itself.

    Raises
    ------
    DataNotFoundError
        On first use, if there is none.
    StoreError
        If it is damaged, foreign or of another format: no damaged byte ever becomes data.
    """

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.storage_options = dict(storage_options or {})
        self._arrays: dict[str, zarr.Array[Any]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.url, self.storage_options)

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    def get(self, key: str) -> bytes | None:
        """The bytes of one file of the store, or None."""
        try:
            if not is_url(self.url):
                return (Path(self.url) / key).read_bytes()
            import fsspec

            with fsspec.open(f"{self.url.rstrip('/')}/{key}", **self.storage_options) as file:
                return cast("bytes", file.read())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _put(self, key: str, data: bytes) -> None:
        """Write one file of the store, whole or not at all."""
        if is_url(self.url):
            import fsspec

            path = f"{self.url.rstrip('/')}/{key}"
            with fsspec.open(path, "wb", **self.storage_options) as file:
                file.write(data)
            return
        target = Path(self.url) / key
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
        try:
            part.write_bytes(data)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    @cached_property
    def _zarr(self) -> zarr.abc.store.Store:
        return zarr_store(self.url, self.storage_options, read_only=True)

    @cached_property
    def _group(self) -> zarr.Group:
        metadata = self.get(METADATA)
        if metadata is None:
            raise DataNotFoundError(
                f"{self.url}: no store there (it has no {METADATA}). If it was one: {_REBUILD}"
            )
        if not is_sealed(metadata):
            raise StoreError(
                f"{self.url}: damaged or unfinished, or no store of aa1xr: the checksum of its "
                f"{METADATA} does not match. {_REBUILD}"
            )
        if (found := json.loads(metadata)["attributes"].get("format_version")) != FORMAT_VERSION:
            raise StoreError(
                f"{self.url}: of store format {found}; this aa1xr reads format {FORMAT_VERSION}. "
                f"{_REBUILD}"
            )
        return zarr.open_group(self._zarr, mode="r", zarr_format=3, use_consolidated=True)

    @property
    def attrs(self) -> dict[str, Any]:
        """Where the store came from."""
        return dict(self._group.attrs)

    def read(self, name: str, selection: Any = ...) -> npt.NDArray[Any]:
        """The values of an array of the store, all or a basic selection of them."""
        return self._checked(self._array(name), selection)

    def _array(self, name: str) -> zarr.Array[Any]:
        # Kept, since looking one up in a group takes as long as reading a small one.
        if name not in self._arrays:
            self._arrays[name] = cast("zarr.Array[Any]", self._group[name])
        return self._arrays[name]

    def read_added(self, path: str) -> npt.NDArray[Any] | None:
        """The values of an array that `add` put there, or None."""
        metadata = self.get(f"{path}/{METADATA}")
        if metadata is None:
            return None
        if not is_sealed(metadata):
            raise StoreError(f"{self.url}: {path}/{METADATA} is damaged. {_REBUILD}")
        return self._checked(zarr.open_array(self._zarr, path=path, mode="r", zarr_format=3))

    def add(
        self,
        path: str,
        values: npt.NDArray[np.float32],
        *,
        dims: tuple[str, ...],
        attrs: Mapping[str, Any],
    ) -> None:
        """Keep an array that was derived from the store beside what it was built with.

        Its metadata come last, so a reader finds all of it or none, and two processes that add
        the same at once do no harm.
        """
        files: dict[str, Any] = {}
        create_array(
            MemoryStore(files),
            values.shape,
            dtype=values.dtype.name,
            chunks=values.shape,
            fill_value=float("nan"),
            dims=dims,
            attrs=attrs,
        )[...] = values
        metadata = files.pop(METADATA).to_bytes()
        for key, data in files.items():
            self._put(f"{path}/{key}", data.to_bytes())
        self._put(f"{path}/{METADATA}", seal(metadata))

    def _checked(self, array: zarr.Array[Any], selection: Any = ...) -> npt.NDArray[Any]:
        try:
            values = np.asarray(array[selection])
            # zarr gives the fill value for a chunk that is not there. Chunks are only counted
            # when one is seen, since that asks for a listing.
            fill = array.fill_value
            seen = np.isnan(values) if values.dtype.kind == "f" else values == fill
            lost = bool(seen.any()) and array.nchunks_initialized < array.nchunks
        except OSError:
            raise  # a disk or network that fails is not a damaged store
        except Exception as error:  # the codecs raise what they like about damaged bytes
            raise StoreError(
                f"{self.url}: {array.path} is damaged ({error}). {_REBUILD}"
            ) from error
        if lost:
            raise StoreError(f"{self.url}: a part of {array.path} is gone. {_REBUILD}")
        return values

    @cached_property
    def first_spike(self) -> npt.NDArray[np.int64]:
        """Where each neuron's spikes begin in `spike_time`. [shape: (n_neurons + 1,)]."""
        return np.concatenate([[0], np.cumsum(self.read("n_spikes"))])

    @cached_property
    def labels(self) -> Labels:
        """The labels; all of them are in memory afterwards."""
        names = ("neuron", "area", "name", "type")
        strings = {name: fixed_width(self.read(name)) for name in names}
        return Labels(
            **strings,
            n_samples=self.read("n_samples"),
            n_trials=self._array("row_size").shape[2],
            sample_rate=int(self.attrs["sample_rate"]),
        )
