"""A Dataset to a Zarr store of its own and back, as it is: sliced, changed, with own labels."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from aa1xr import arguments, schema
from aa1xr.dataset.labels import index_labels
from aa1xr.dataset.open import Chunks
from aa1xr.errors import DataNotFoundError, StoreError
from aa1xr.store.layout import METADATA, SEAL, quiet_consolidation, require_format_3
from aa1xr.store.read import is_url, zarr_store
from aa1xr.whole import whole

#: A chunk in the file; read whole even for one neuron's response.
_CHUNK = 8 * 2**20


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
        Any Dataset; `aa1xr.load` gives it back with its label index.
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
    options: dict[str, Any] = {
        "mode": "w-",
        "encoding": encoding,
        "zarr_format": 3,
        "consolidated": True,
        # Else a chunk that is all NaN is left out, and cannot be told from one that is lost.
        "write_empty_chunks": True,
    }
    with quiet_consolidation():
        if is_url(path):
            ds.to_zarr(zarr_store(path, storage_options, read_only=False), **options)
            return
        target = Path(path).expanduser()
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as partial:
            ds.to_zarr(partial, **options)


def load(
    path: str | os.PathLike[str],
    *,
    chunks: Chunks = {},  # noqa: B006 - read only; xarray's own way
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open what `save` (or xarray's own `to_zarr`) wrote, with its label index.

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
        local = Path(path).expanduser()
        path = str(local)
        if not local.exists():
            raise DataNotFoundError(f"{path}: no such store; expected what aa1xr.save wrote")
        if not (local / METADATA).is_file():
            raise StoreError(
                f"{path}: no Zarr store (it has no {METADATA}); aa1xr.open opens an archive"
            )
    store = zarr_store(path, storage_options, read_only=True)
    try:
        group = zarr.open_group(store, mode="r", zarr_format=3)
        arrays = list(group.arrays())
    except FileNotFoundError:
        raise DataNotFoundError(
            f"{path}: no such store of Zarr format 3; expected what aa1xr.save wrote"
        ) from None
    except OSError:
        raise  # a network that fails is not a damaged store
    except Exception as error:  # zarr raises what it likes about metadata
        raise StoreError(
            f"{path}: its {METADATA} does not say what is in it ({error}); save it again"
        ) from error
    if SEAL in group.attrs:
        raise StoreError(f"{path}: a store, and no saved Dataset; aa1xr.open opens it")
    for name, array in arrays:
        require_format_3(path, array)
        if (found := array.nchunks_initialized) < array.nchunks:
            raise StoreError(
                f"{path}: {name} has {found} of its {array.nchunks} chunks; the store is "
                "damaged, save it again"
            )
    consolidated = group.metadata.consolidated_metadata is not None
    ds = xr.open_zarr(store, chunks=chunks, consolidated=consolidated, zarr_format=3)
    # Labels are for the process that selects by them, not for the workers of a cluster.
    coords = {name: coord.compute(scheduler="synchronous") for name, coord in ds.coords.items()}
    strings = {
        name: coord.copy(data=schema.fixed_width(coord.values))
        for name, coord in coords.items()
        if coord.dtype.kind == "T"
    }
    return index_labels(ds.assign_coords(coords | strings))


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
