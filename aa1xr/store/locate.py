"""Find the store of a source, building it if need be: the data directory and its lock."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr.abc.store

from aa1xr import arguments
from aa1xr.archive.files import ARCHIVE, identity, open_files
from aa1xr.archive.read import Archive
from aa1xr.errors import DataNotFoundError
from aa1xr.store.build import build_store
from aa1xr.store.layout import FORMAT_VERSION, METADATA
from aa1xr.store.place import is_path, resolve
from aa1xr.store.read import Store

logger = logging.getLogger("aa1xr")


def find_data_dir(path: str | os.PathLike[str] | None = None) -> Path:
    """The data directory: `path`, else $AA1XR_DATA_DIR, else the user's cache directory.

    It is not created here.
    """
    if path is None:
        path = os.environ.get("AA1XR_DATA_DIR") or None
    if path is None:
        from platformdirs import user_cache_path

        path = user_cache_path("aa1xr")
    folder = Path(arguments.path("data_dir", path)).expanduser()
    if folder.is_file():
        raise NotADirectoryError(
            f"data_dir={str(folder)!r} is a file; expected a folder for stores"
        )
    return folder


def find_store(
    source: str | os.PathLike[str] | zarr.abc.store.Store | Store | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    rebuild: bool = False,
) -> Store:
    """The store of `source`, which is built in `data_dir` if it is not there yet.

    Parameters
    ----------
    source
        A zip, an extracted folder, a store (path, URL or `zarr.abc.store.Store`), or None: what is
        in `data_dir`.
    data_dir
        As `find_data_dir` takes it; not looked for where `source` is a store.
    rebuild
        Build it also if it is there, in its place.

    Raises
    ------
    DataNotFoundError
        If nothing is there.
    ValueError
        If `source` is None and there are several stores to choose from, or it is a store and is to
        be rebuilt.
    """
    if source is None:
        source = _in_data_dir(find_data_dir(data_dir))
    if isinstance(source, Store):
        return source
    place = resolve("source", source)
    path = Path(place) if is_path(place) else None
    if path is None or (path / METADATA).is_file() or (path.is_dir() and path.suffix == ".zarr"):
        if rebuild:
            raise ValueError(
                f"rebuild=True, but {source} is a store; what it was built of is needed: "
                'aa1xr.open("path/to/crcns-aa1.zip", rebuild=True)'
            )
        return Store(place, storage_options)
    built = ensure_store(path, data_dir=find_data_dir(data_dir), rebuild=rebuild)
    return Store(str(built))


def ensure_data(
    data_dir: Path,
    *,
    username: str | None = None,
    password: str | None = None,
    accept_terms: bool = False,
) -> None:
    """Download the archive into `data_dir`, unless it or a store of it is there and good.

    Takes what `aa1xr.open` takes of these. Only what is missing or damaged is fetched.

    Raises
    ------
    DownloadError
        If the archive cannot be had.
    """
    archive = data_dir / ARCHIVE
    stores = _stores(data_dir)
    # A store of the archive's SHA-256 was built of these very bytes, so they have been verified.
    if _built(identity(archive), data_dir) if archive.exists() else stores:
        return

    from aa1xr.archive.download import download  # a warm open has no use for requests

    download(
        archive,
        username=username,
        password=password,
        accept_terms=accept_terms,
    )
    if stores and not _built(identity(archive), data_dir):
        logger.warning(
            "%s is by its SHA-256 another file than %s was built of; a new store is built beside",
            archive,
            ", ".join(store.name for store in stores),
        )


def ensure_store(source: Path, *, data_dir: Path, rebuild: bool = False) -> Path:
    """The path of the store of the archive at `source`, built now if it was not yet.

    The name of a store is made of the archive's content and the store's format, so a changed
    archive or a new format is built anew and what was there before stays.

    Raises
    ------
    OSError
        If it cannot be written to `data_dir`; the message says what to do.
    """
    key = identity(source)
    if not rebuild and (built := _built(key, data_dir)):
        return built
    with open_files(source) as files:
        archive = Archive(files)
        kind = "aa1" if archive.simulation is None else "simulated"
        path = _store_path(kind, key, data_dir)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            build_store(archive, path, key=key, replace=rebuild)
        except OSError as error:
            if isinstance(error, FileExistsError) and path.exists():
                return path  # another process has built it
            if isinstance(error, DataNotFoundError) or error.errno is None:
                raise
            raise OSError(
                error.errno,
                f"{error.strerror}; the store of {source.name} cannot be written to {data_dir}. "
                "Make room, or get the right to write there, or choose another place with "
                "data_dir= or $AA1XR_DATA_DIR",
                error.filename,
            ) from error
    return path


def _built(key: str, data_dir: Path) -> Path | None:
    """The store of the archive with this SHA-256, if it was built."""
    paths = (_store_path(kind, key, data_dir) for kind in ("aa1", "simulated"))
    return next((path for path in paths if path.exists()), None)


def _store_path(kind: str, key: str, data_dir: Path) -> Path:
    return data_dir / f"{kind}-{key[:16]}-v{FORMAT_VERSION}.zarr"


def _stores(data_dir: Path) -> list[Path]:
    # Stores of simulated archives have another prefix: they never stand in for AA1.
    return sorted(data_dir.glob(f"aa1-*-v{FORMAT_VERSION}.zarr"))


def _in_data_dir(data_dir: Path) -> Path:
    if (archive := data_dir / ARCHIVE).exists():
        return archive
    stores = _stores(data_dir)
    if not stores:
        raise DataNotFoundError(
            f"there is no AA1 data in {data_dir}. Three ways on:\n"
            "  1. download it with a CRCNS account (https://crcns.org/register, free): "
            "aa1xr.open(download=True), or `aa1xr download` on the command line;\n"
            '  2. say where it is: aa1xr.open("path/to/crcns-aa1.zip"), or a folder or store, '
            "or set $AA1XR_DATA_DIR;\n"
            "  3. try the package on simulated cells: aa1xr.open_sample()."
        )
    if len(stores) > 1:
        names = "".join(f"\n  {store}" for store in stores)
        raise ValueError(f"there are several stores in {data_dir}; pass one as `source`:{names}")
    return stores[0]
