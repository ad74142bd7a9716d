"""A Dataset to a Zarr store of its own and back, as it is: sliced, changed, with own labels."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from xarray.backends import ZarrStore
from xarray.backends.zarr import ZarrArrayWrapper
from xarray.core import indexing
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.group import AsyncGroup
from zarr.storage import MemoryStore, StorePath

from aa1xr import arguments, schema
from aa1xr.dataset.open import Chunks
from aa1xr.errors import DataNotFoundError, StoreError
from aa1xr.store.layout import (
    CONSOLIDATED,
    METADATA,
    SEAL,
    consolidated,
    is_sealed,
    require_format_3,
    seal,
)
from aa1xr.store.place import Files, is_url, zarr_store
from aa1xr.store.read import Store
from aa1xr.whole import whole

#: A chunk in the file; read whole even for one neuron's response.
_CHUNK = 8 * 2**20

_AGAIN = "remove it and save it again"
#: An attribute of the root until all is written.
_UNFINISHED = "aa1xr_unfinished"


def save(
    ds: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a Dataset, whole or a selection, to a chunked Zarr store.

    Lazy variables are computed block by block. On a local disk the store appears under its name
    only when it is whole; at a URL, what was interrupted is refused by `aa1xr.load`.

    Parameters
    ----------
    ds
        Any Dataset; `aa1xr.load` gives it back.
    path
        Where to, a path or an fsspec URL; nothing may be there yet.
    storage_options
        For a URL: what fsspec needs to reach it.

    Raises
    ------
    FileExistsError
        If something is at `path`. Nothing is ever overwritten.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> aa1xr.save(ds.sel(area="MLd", type="flatrip"), tmp / "mld-ripples.zarr")
    >>> aa1xr.load(tmp / "mld-ripples.zarr").sizes["stimulus"]
    5
    """
    schema.require(ds)
    path = arguments.path("path", path)
    encoding = {name: _encoding(variable) for name, variable in ds.variables.items()}
    # Rechunked also what is lazy without dask, which would else be computed at once.
    chunked = {name: v.variable.chunk(_chunks(v.variable)) for name, v in ds.data_vars.items()}
    ds = ds.drop_encoding().assign(chunked)
    if is_url(path):
        _write(ds, encoding, path, storage_options)
        return
    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole(target) as partial:
        _write(ds, encoding, str(partial), None)


def _write(
    ds: xr.Dataset,
    encoding: dict[Hashable, Any],
    path: str,
    storage_options: Mapping[str, Any] | None,
) -> None:
    """Write all of it; the seal comes last, and says that it is whole."""
    options: dict[str, Any] = {
        "encoding": encoding,
        "zarr_format": 3,
        # Else a chunk that is all NaN is left out, and cannot be told from one that is lost.
        "write_empty_chunks": True,
    }
    # Sealed are the metadata as they must be, not as storage may give them back.
    files: dict[str, Any] = {}
    ds.to_zarr(MemoryStore(files), compute=False, consolidated=False, **options)
    unsealed = ds.assign_attrs({_UNFINISHED: "by aa1xr.save"})
    store = zarr_store(path, storage_options, read_only=False)
    try:
        unsealed.to_zarr(store, mode="w-", consolidated=False, **options)
    except FileExistsError as error:
        raise FileExistsError(f"{path} exists; remove it first, or write elsewhere") from error
    metadata = {name: data.to_bytes() for name, data in files.items() if name.endswith(METADATA)}
    # Zarr passes over the seal there, and so xarray does not write it with another Dataset, as it
    # would an attribute.
    root = seal(consolidated(metadata), part=CONSOLIDATED)
    Files(path, storage_options).write(METADATA, root)


def load(
    path: str | os.PathLike[str],
    *,
    chunks: Chunks = {},  # noqa: B006 - read only; xarray's own way
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open what `save` (or xarray's own `to_zarr`) wrote.

    Parameters
    ----------
    path
        A path or an fsspec URL.
    chunks
        As in `xarray.open_dataset`.
    storage_options
        For a URL: what fsspec needs to reach it.

    Raises
    ------
    DataNotFoundError
        If nothing is there.
    StoreError
        If it is no saved Dataset, was not finished, or is damaged: here as far as labels and
        shapes go, and where values are read, for these.

    Examples
    --------
    >>> aa1xr.save(aa1xr.open_sample().isel(trial=[0, 1]), tmp / "two-trials.zarr")
    >>> aa1xr.load(tmp / "two-trials.zarr").sel(area="MLd").sizes["trial"]
    2
    """
    path = arguments.path("path", path)
    if not is_url(path):
        path = str(Path(path).expanduser())
        if not Path(path).exists():
            raise DataNotFoundError(f"{path}: no such store; expected what aa1xr.save wrote")
    group = _open(path, storage_options)
    with _as_store_error(path):
        arrays = dict(group.arrays())
        if not arrays and group.metadata.consolidated_metadata is None:
            # What is left of a `save` that was cut off before it had said that it is unfinished.
            raise StoreError(f"{path}: there is no variable in it; {_AGAIN}")
        for name, array in arrays.items():
            require_format_3(path, array)
            if (found := array.nchunks_initialized) < array.nchunks:
                raise StoreError(
                    f"{path}: {name} has {found} of its {array.nchunks} chunks; {_AGAIN}"
                )
        ds = xr.open_dataset(_Saved(group, path), chunks=chunks)
        # Labels are for the process that selects by them, not for the workers of a cluster.
        coords = ds.coords.to_dataset().compute(scheduler="synchronous").coords
    strings = {
        name: coord.copy(data=schema.fixed_width(coord.values))
        for name, coord in coords.items()
        if coord.dtype.kind == "T"
    }
    return ds.assign_coords(coords).assign_coords(strings)


def _open(path: str, storage_options: Mapping[str, Any] | None) -> zarr.Group:
    """The group at a place, of metadata that were checked if `save` sealed them."""
    metadata = Store(path, storage_options).get(METADATA)
    if metadata is None:
        missing = DataNotFoundError if is_url(path) else StoreError
        raise missing(
            f"{path}: no Zarr store of format 3 (it has no {METADATA}). If aa1xr.save wrote it, "
            "remove it and save it again; an archive is opened by aa1xr.open"
        )
    with _as_store_error(path):
        document = json.loads(metadata)
        if _UNFINISHED in document["attributes"]:
            raise StoreError(f"{path}: it was not saved to the end; {_AGAIN}")
        if SEAL in document["attributes"]:
            raise StoreError(f"{path}: a store, and no saved Dataset; aa1xr.open opens it")
        if SEAL in document.get(CONSOLIDATED, {}) and not is_sealed(metadata, part=CONSOLIDATED):
            raise StoreError(f"{path}: {METADATA} is damaged; {_AGAIN}")
        store = zarr_store(path, storage_options, read_only=True)
        return zarr.Group(AsyncGroup.from_dict(StorePath(store), document))


@contextmanager
def _as_store_error(path: str) -> Iterator[None]:
    """Say of what it is, if zarr cannot make sense of what it reads."""
    try:
        yield
    except (OSError, StoreError):
        raise  # a disk or network that fails is not a damaged store
    except Exception as error:  # the codecs raise what they like about damaged bytes
        raise StoreError(f"{path}: damaged ({error}); {_AGAIN}") from error


class _Saved(ZarrStore):
    """Variables that say where they are from if they cannot be read."""

    def __init__(self, group: zarr.Group, path: str) -> None:
        super().__init__(group, mode="r")
        self._path = path

    def open_store_variable(self, name: str) -> xr.Variable:
        variable: xr.Variable = super().open_store_variable(name)  # type: ignore[no-untyped-call]
        data = indexing.LazilyIndexedArray(_Part(self.members[name], self._path))
        return xr.Variable(variable.dims, data, variable.attrs, variable.encoding)


class _Part(ZarrArrayWrapper):
    def __init__(self, array: Any, path: str) -> None:
        super().__init__(array)  # type: ignore[no-untyped-call]
        self._path = path

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        with _as_store_error(self._path):
            return super().__getitem__(key)  # type: ignore[no-untyped-call]


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    encoding: dict[str, Any] = {"compressors": [ZstdCodec(level=5), Crc32cCodec()]}
    if chunks := _chunks(variable):
        encoding["chunks"] = tuple(chunks.values())
    if variable.dtype.kind == "U":
        encoding["dtype"] = np.dtypes.StringDType()
    return encoding


def _chunks(variable: xr.Variable) -> dict[Hashable, int]:
    """Whole along every axis but the first, and there as many as make a good chunk."""
    sizes = {dim: max(1, size) for dim, size in variable.sizes.items()}
    if sizes:
        first, *rest = sizes
        per_row = variable.dtype.itemsize * int(np.prod([sizes[dim] for dim in rest]))
        sizes[first] = max(1, min(sizes[first], _CHUNK // per_row))
    return sizes
