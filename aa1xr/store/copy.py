"""Copy a store, for example to object storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr.abc.store

from aa1xr import arguments
from aa1xr.atomic import atomic_write
from aa1xr.errors import StoreError
from aa1xr.messages import logger
from aa1xr.store.layout import METADATA
from aa1xr.store.locate import find_store
from aa1xr.store.location import is_path, resolve
from aa1xr.store.read import Store
from aa1xr.store.storage import Storage, open_storage

#: Files that are under way at once; those of a store have a quarter of a MiB at most.
_BATCH = 64


def copy_store(
    source: str | os.PathLike[str] | zarr.abc.store.Store | None,
    target: str | os.PathLike[str] | zarr.abc.store.Store,
    *,
    source_options: Mapping[str, Any] | None = None,
    target_options: Mapping[str, Any] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> None:
    """Copy a store, for example to the object storage that a cluster reads.

    The function first verifies all checksums of the source. It reads every file back from the
    target and compares it. It writes the metadata of the root last, so an interrupted copy does not
    open, and the same call completes it. The source does not need to support listing, because its
    metadata name every file.

    AA1 may not be redistributed: copies of it belong in private buckets.

    Parameters
    ----------
    source
        A store (path, URL or `zarr.abc.store.Store`), or an archive, whose store is built first.
        Cached spectrograms are copied if the storage supports listing.
    target
        A path, an fsspec URL such as "s3://bucket/aa1.zarr", or a `zarr.abc.store.Store`
        (obstore's, or that of an Icechunk session, which you commit).
    source_options, target_options
        For a URL: passed to fsspec (`storage_options` of `aa1xr.open`).
    data_dir
        As in `aa1xr.open`.

    Raises
    ------
    FileExistsError
        If anything else is at `target`. Nothing is ever overwritten.
    StoreError
        If the source is damaged, or the target does not return what was written.
    PermissionError
        If the target may not be listed, because something may be there.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> aa1xr.copy_store(ds.encoding["source"], tmp / "copy.zarr")
    >>> aa1xr.open(tmp / "copy.zarr").identical(ds)
    True
    """
    arguments.options("source_options", source_options)
    arguments.options("target_options", target_options)
    target = resolve("target", target)
    origin = find_store(source, data_dir=data_dir, storage_options=source_options)
    origin.check_built()
    names = origin.names(added=_good(origin))
    if is_path(target):
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            _copy(origin.storage, open_storage(str(partial)), names)
        return
    there = open_storage(target, target_options)
    _refuse_others(there, names)
    _copy(origin.storage, there, names)


def _good(origin: Store) -> list[str]:
    """What was added to a store, as far as the storage lists it and it can be read."""
    good = []
    for path in origin.added() or []:
        try:
            if origin.check_added(path):
                good.append(path)
        except (OSError, StoreError) as error:
            logger.warning("left out, since it can be computed again: %s", error)
    return good


def _refuse_others(there: Storage, names: list[str]) -> None:
    """Let nothing be at the target but a part of what will be written there."""
    try:
        there.read(METADATA)
    except FileNotFoundError:
        found = there.listing()
    except PermissionError:
        found = None
    else:
        raise FileExistsError(f"{there.place} exists; remove it first, or copy elsewhere")
    if found is None:
        raise PermissionError(
            f"{there.place}: the target may not be listed, so nobody knows whether something is "
            "there already, which a copy would overwrite. Get the right to list it (on S3: "
            "s3:ListBucket), or copy elsewhere"
        )
    if others := sorted(found.keys() - set(names)):
        raise FileExistsError(
            f"{there.place} holds {len(others)} files of something else, {others[0]} among them; "
            "remove them first, or copy elsewhere"
        )


def _copy(files: Storage, there: Storage, names: list[str]) -> None:
    """Copy objects, comparing what arrived; the root's metadata last, which make it a store."""
    # Metadata of arrays first: some stores take no chunk of an array that they do not know.
    arrays = [name for name in names if name.endswith(f"/{METADATA}")]
    chunks = [name for name in names if not name.endswith(METADATA)]
    parts = [
        part[start : start + _BATCH]
        for part in (arrays, chunks)
        for start in range(0, len(part), _BATCH)
    ]
    for part in [*parts, [METADATA]]:
        data = files.read_all(part)
        there.write_all(data)
        arrived = there.read_all(part)
        for name, content in data.items():
            if arrived[name] != content:
                raise StoreError(f"{there.place}/{name}: not what was written there; copy again")
