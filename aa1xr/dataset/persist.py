"""A Dataset to a Zarr store of its own and back, as it is: sliced, changed, with own labels."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import xarray as xr
import zarr
import zarr.abc.store
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore, StorePath

from aa1xr import arguments, schema
from aa1xr.atomic import atomic_write
from aa1xr.dataset.open import Chunks, divide
from aa1xr.dataset.saved import UNFINISHED, Saved, SavedStore
from aa1xr.errors import DataNotFoundError, StoreError
from aa1xr.store.chunks import chunk_keys
from aa1xr.store.layout import CONSOLIDATED, METADATA, consolidated, seal
from aa1xr.store.location import LARGEST_METADATA, Location, describe, is_path, resolve, zarr_store
from aa1xr.store.storage import Storage, missing, open_storage

#: A chunk in the file; read whole even for one neuron's response.
_CHUNK = 8 * 2**20

#: Bytes; the labels of 10,000 neurons have a few million.
_LARGEST_COORDINATES = 2**28

#: Beside the seal, another one for each call of `save`.
_IDENTITY = "aa1xr_id"


def save(
    ds: xr.Dataset,
    path: str | os.PathLike[str] | zarr.abc.store.Store,
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a Dataset, or a selection of one, to a chunked Zarr store.

    Lazy variables are computed block by block. Writing is atomic on a local disk; elsewhere,
    `aa1xr.load` refuses a Dataset whose writing was interrupted. xarray's `to_zarr` can append to
    the Dataset (`append_dim=`), and write other variables beside it (`mode="a"`).

    Parameters
    ----------
    ds
        `aa1xr.load` returns an identical Dataset.
    path
        A path, an fsspec URL, or a `zarr.abc.store.Store` (obstore's, or that of an Icechunk
        session, which you commit). Nothing may exist there.
    storage_options
        The options that fsspec needs for a URL.

    Raises
    ------
    FileExistsError
        If `path` exists. Nothing is ever overwritten.
    ValueError
        If xarray would read a variable as something else: because of its name, its type, or an
        attribute that xarray interprets, such as `scale_factor`, `_FillValue` or `coordinates`.
    OSError
        If it cannot be written, or workers of a dask cluster wrote to a disk that this process
        does not see.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> aa1xr.save(ds.sel(area="MLd", type="flatrip"), tmp / "mld-ripples.zarr")
    >>> aa1xr.load(tmp / "mld-ripples.zarr").sizes["stimulus"]
    5
    """
    schema.require(ds)
    arguments.options("storage_options", storage_options)
    place = resolve("path", path)
    _check_names(ds)
    encoding = {name: _encoding(variable) for name, variable in ds.variables.items()}
    coords = {
        n: _blocks(c.variable)
        for n, c in ds.coords.items()
        if c.chunks is not None or not c.dtype.isnative
    }
    ds = ds.drop_encoding().assign_coords(coords)
    # Rechunked also what is lazy without dask, which would otherwise be computed at once.
    ds = ds.assign({name: _blocks(v.variable) for name, v in ds.data_vars.items()})
    if not is_path(place):
        _write(ds, encoding, place, storage_options)
        return
    target = Path(place)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as partial:
        _write(ds, encoding, str(partial), None)


def _check_names(ds: xr.Dataset) -> None:
    """Refuse names that cannot be those of folders in a store."""
    for name in {*ds.variables, *ds.dims}:
        text = name if isinstance(name, str) else ""
        if (
            not text.strip()
            or text in {".", "..", METADATA}
            or re.search(r"[/\\\x00\ud800-\udfff]", text)
        ):
            raise ValueError(
                "ds: names of variables and dimensions must be text that can name a folder, "
                f"without / and \\; got {arguments.shown(name)}. Rename it: ds.rename(...)"
            )


def _check_is_read_as_it_is(ds: xr.Dataset, files: dict[str, Any]) -> None:
    """Refuse a Dataset whose attributes would make another one of it when it is read.

    xarray has its own use for some of them, such as `scale_factor`, `_FillValue`, `dtype`,
    `coordinates`, and `units` of times.
    """
    try:
        store = SavedStore(Saved(MemoryStore(files)))
        found = xr.open_dataset(store, chunks=None, create_default_indexes=False)
    except StoreError as error:
        raise ValueError(f"ds: what is written could not be read again: {error}") from error
    for name, variable in ds.variables.items():
        other = found.variables.get(name)
        if other is None or (name in ds.coords) != (name in found.coords):
            raise ValueError(
                f"ds: {arguments.shown(name)} would be read as another variable or coordinate; "
                "rename it, or an attribute 'coordinates' that names it"
            )
        attrs = sorted(map(str, variable.attrs.keys() ^ other.attrs.keys()))
        if attrs or variable.dims != other.dims or _kind(variable) != _kind(other):
            raise ValueError(
                f"ds[{arguments.shown(name)}] would be read as other values: xarray has its own "
                f"use for its attributes {attrs}, or for its type {variable.dtype}. Rename the "
                "attributes, or convert it (astype)"
            )


def _kind(variable: xr.Variable) -> str:
    kind = variable.dtype.kind
    return "U" if kind in "OT" else kind


def _write(
    ds: xr.Dataset,
    encoding: dict[Hashable, Any],
    place: Location,
    storage_options: Mapping[str, Any] | None,
) -> None:
    """Write all of it; the seal comes last, and says that it is complete."""
    options: dict[str, Any] = {
        "encoding": encoding,
        "zarr_format": 3,
        # By default a chunk that is all NaN is left out, as if it were missing.
        "write_empty_chunks": True,
    }
    # Sealed are the metadata as they must be, not as storage may give them back.
    files: dict[str, Any] = {}
    ds.to_zarr(MemoryStore(files), compute=False, consolidated=False, **options)
    _check_is_read_as_it_is(ds, files)
    metadata = {name: data.to_bytes() for name, data in files.items() if name.endswith(METADATA)}
    unsealed = ds.assign_attrs({UNFINISHED: "by aa1xr.save"})
    store = zarr_store(place, storage_options, read_only=False)
    if store.read_only:
        raise PermissionError(f"{describe(place)} is read-only; open it so that it can be written")
    try:
        unsealed.to_zarr(store, mode="w-", consolidated=False, **options)
    except FileExistsError as error:
        raise FileExistsError(
            f"{describe(place)} exists; remove it first, or write elsewhere"
        ) from error
    storage = open_storage(place, storage_options)
    for name, variable in ds.variables.items():
        if variable.dtype.kind == "U" and variable.dtype.itemsize:
            key = f"{name}/{METADATA}"
            document = _fixed_width(json.loads(metadata[key]), variable.dtype)
            metadata[key] = json.dumps(document).encode()
            storage.write_all({key: metadata[key]})
            # zarr.open_array takes no such configuration of an array that is there.
            opened: Any = zarr.AsyncArray(
                metadata=cast("Any", document),
                store_path=StorePath(store, str(name)),
                config={"write_empty_chunks": True},
            )
            array = zarr.Array(opened)
            array[...] = variable.values
    _require_chunks(storage, metadata)
    sealed = _sealed(metadata)
    if len(sealed) > LARGEST_METADATA:
        raise ValueError(
            f"{describe(place)}: the metadata must have at most {LARGEST_METADATA} bytes; got "
            f"{len(sealed)}. The Dataset has too many variables: save parts of it"
        )
    storage.write_all({METADATA: sealed})


def _fixed_width(document: dict[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """The metadata of an array of strings as xarray writes it for NumPy's fixed-width strings.

    With these, xarray can append to the array, and write other variables beside it. They are made
    of those of variable-width strings, since zarr 3.1 warns when it makes them itself.
    """
    width = {"name": "fixed_length_utf32", "configuration": {"length_bytes": dtype.itemsize}}
    _, *compressors = document["codecs"]
    little_endian = {"name": "bytes", "configuration": {"endian": "little"}}
    return document | {"data_type": width, "codecs": [little_endian, *compressors]}


def _require_chunks(storage: Storage, metadata: Mapping[str, bytes]) -> None:
    """Refuse to seal what did not arrive where this process reads."""
    for name, data in metadata.items():
        if name == METADATA:
            continue
        path = name.removesuffix(f"/{METADATA}")
        array = zarr.Array.from_dict(StorePath(MemoryStore(), path), json.loads(data))
        keys = [f"{path}/{key}" for key in chunk_keys(array)]
        if absent := missing(storage, keys):
            raise OSError(
                f"{storage.place}: {len(absent)} of the {len(keys)} chunks of {path} did not "
                "arrive. If workers of a dask cluster wrote them, they wrote to a disk or memory "
                "of their own: save to a disk or URL that this process and all workers share, or "
                "compute first (ds.compute())"
            )


def _sealed(metadata: Mapping[str, bytes]) -> bytes:
    """The root's metadata with those of all arrays, sealed."""
    # Zarr passes over the seal there, and so xarray does not write it with another Dataset, as it
    # would an attribute.
    document = json.loads(consolidated(metadata))
    # Two Datasets can have the same metadata and other values.
    document[CONSOLIDATED][_IDENTITY] = uuid.uuid4().hex
    return seal(json.dumps(document).encode(), part=CONSOLIDATED)


def load(
    path: str | os.PathLike[str] | zarr.abc.store.Store,
    *,
    chunks: Chunks = {},  # noqa: B006 - read only; xarray's own way
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open a Dataset that `save` (or xarray's `to_zarr`) wrote.

    A variable that is written again on the disk while the Dataset is open raises StoreError when
    it is computed, in any process. At a URL, only a Dataset that `save` replaced is recognized.

    Parameters
    ----------
    path
        A path, an fsspec URL or a `zarr.abc.store.Store`. Storage that cannot be listed, such as
        most web servers, works for Datasets that `aa1xr.save` wrote.
    chunks
        As in `xarray.open_dataset`.
    storage_options
        For a URL: what fsspec needs to reach it.

    Raises
    ------
    DataNotFoundError
        If nothing is there.
    StoreError
        If it is not a saved Dataset, is incomplete, damaged, larger than its metadata may say, or
        uses shards or other codecs than Zstandard, Blosc and gzip (`xarray.open_zarr` opens
        those). Labels and shapes are checked here, and values when they are read.

    Examples
    --------
    >>> aa1xr.save(aa1xr.open_sample().isel(trial=[0, 1]), tmp / "two-trials.zarr")
    >>> aa1xr.load(tmp / "two-trials.zarr").sel(area="MLd").sizes["trial"]
    2
    """
    arguments.options("storage_options", storage_options)
    place = resolve("path", path)
    if is_path(place) and not Path(place).exists():
        raise DataNotFoundError(f"{describe(place)}: no such store; expected what aa1xr.save wrote")
    saved = Saved(place, storage_options)
    with saved.reading():
        ds = xr.open_dataset(SavedStore(saved), chunks=None, cache=chunks is None)
        _check_size(sum(coord.nbytes for coord in ds.coords.values()))
        # Coordinates are for the process that selects by them, not for the workers of a cluster.
        coords = {name: coord.load() for name, coord in ds.coords.items()}
        texts = {name: coord for name, coord in coords.items() if coord.dtype.kind == "T"}
        _check_size(sum(map(_fixed_bytes, texts.values())))
    strings = {
        name: (coord.dims, schema.fixed_width(coord.values), coord.attrs)
        for name, coord in texts.items()
    }
    ds = ds.assign_coords(strings)
    if chunks is not None:
        divide(ds, chunks)
    return ds


def _check_size(coordinates: int) -> None:
    """Refuse coordinates that take too much memory; of so many bytes."""
    if coordinates > _LARGEST_COORDINATES:
        raise StoreError(
            f"its coordinates must have at most {_LARGEST_COORDINATES} bytes, since they are held "
            f"in memory; got {coordinates}. xarray.open_zarr opens it"
        )


def _fixed_bytes(strings: xr.DataArray) -> int:
    """The bytes of strings of fixed width, which the longest has."""
    return 4 * strings.size * int(np.strings.str_len(strings.values).max(initial=0))


def _blocks(variable: xr.Variable) -> xr.Variable:
    """A variable in the blocks in which it is written; strings in memory: they are labels."""
    if variable.dtype.kind != "U":
        return variable.chunk(_chunks(variable))
    # NumPy misreads strings of the other byte order when it converts them to variable width.
    return variable.compute().astype(variable.dtype.newbyteorder("="))


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
