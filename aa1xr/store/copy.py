"""A store elsewhere: on object storage for a cluster, or back on a disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aa1xr import arguments
from aa1xr.errors import StoreError
from aa1xr.store.layout import METADATA
from aa1xr.store.locate import find_store
from aa1xr.store.place import Files, is_url
from aa1xr.whole import is_leftover, whole

#: Files that are under way at once; those of a store have a quarter of a MiB at most.
_BATCH = 64


def copy_store(
    source: str | os.PathLike[str] | None,
    target: str | os.PathLike[str],
    *,
    source_options: Mapping[str, Any] | None = None,
    target_options: Mapping[str, Any] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> None:
    """Copy a store, for instance to the object storage that a cluster reads.

    All checksums of the source are proved first, and every file is read back from the target
    and compared. The root's metadata come last: a copy that was interrupted is no store, and
    the same call completes it.

    AA1 may not be redistributed: copies of it belong in private buckets.

    Parameters
    ----------
    source
        A store (path or URL), or whatever else `aa1xr.open` takes; an archive is built first.
    target
        A path or fsspec URL, for instance "s3://bucket/aa1.zarr".
    source_options, target_options
        For a URL: what fsspec needs to reach it (`storage_options` of `aa1xr.open`).
    data_dir
        As in `aa1xr.open`.

    Raises
    ------
    FileExistsError
        If anything else is at `target`. Nothing is ever overwritten.
    StoreError
        If the source is damaged, or the target does not give back what was written.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> aa1xr.copy_store(ds.encoding["source"], tmp / "copy.zarr")
    >>> aa1xr.open(tmp / "copy.zarr").identical(ds)
    True
    """
    target = arguments.path("target", target)
    origin = find_store(source, data_dir=data_dir, storage_options=source_options)
    origin.check()
    files = origin.files
    names = [name for name in files.names() if not any(map(is_leftover, name.split("/")))]

    if is_url(target):
        there = Files(target, target_options)
        _refuse_others(there, names)
        _copy(files, there, names)
        return
    path = Path(target).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        for folder in {(partial / name).parent for name in names}:
            folder.mkdir(parents=True, exist_ok=True)
        _copy(files, Files(str(partial)), names)


def _refuse_others(there: Files, names: list[str]) -> None:
    """Let nothing be at the target but a part of what will be written there."""
    found = there.names()
    if METADATA in found:
        raise FileExistsError(f"{there.path} exists; remove it first, or copy elsewhere")
    if others := sorted(set(found).difference(names)):
        raise FileExistsError(
            f"{there.path} holds {len(others)} files of something else, {others[0]} among them; "
            "remove them first, or copy elsewhere"
        )


def _copy(files: Files, there: Files, names: list[str]) -> None:
    """Copy files, comparing what arrived; the root's metadata last, which make it a store."""
    rest = [name for name in names if name != METADATA]
    batches = [rest[start : start + _BATCH] for start in range(0, len(rest), _BATCH)]
    for batch in [*batches, [METADATA]]:
        data = files.read_all(batch)
        there.write_all(data)
        arrived = there.read_all(batch)
        for name, content in data.items():
            if arrived[name] != content:
                raise StoreError(f"{there.path}/{name}: not what was written there; copy again")
