"""Find the store of a source, building it if need be: the data directory and its lock."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zarr.abc.store

from aa1xr.archive.contents import ORIGINS, Contents, origin
from aa1xr.archive.files import ARCHIVE, find_zips, identity, open_files
from aa1xr.archive.read import Archive
from aa1xr.errors import DataNotFoundError, DownloadError, OwnerWarning, StoreError
from aa1xr.messages import logger, warn
from aa1xr.printable import one_line, printable
from aa1xr.store.build import build_store
from aa1xr.store.layout import DIGESTS, FORMAT_VERSION, METADATA, source_sha256
from aa1xr.store.read import Store
from aa1xr.store.source import find_folder, find_source


def find_data_dir(path: str | os.PathLike[str] | None = None) -> Path:
    """The data directory: `path`, else $AA1XR_DATA_DIR, else the user's cache; not created here."""
    name = "data_dir"
    if path is None and (path := os.environ.get("AA1XR_DATA_DIR") or None):
        name = "$AA1XR_DATA_DIR"
    if path is None:
        return _cache()
    folder = find_folder(name, path)
    if os.path.lexists(folder) and not folder.is_dir():
        raise NotADirectoryError(
            f"{name} must be a folder for stores; got {str(folder)!r}, which is a file or a link "
            "that leads nowhere"
        )
    return folder


def _cache() -> Path:
    from platformdirs import user_cache_path

    # Without $HOME and a passwd entry some releases raise, and others give a path with ~.
    try:
        path = user_cache_path("aa1xr")
    except RuntimeError:
        path = Path("~")
    if not path.is_absolute():
        raise DataNotFoundError(
            "there is no home directory here to keep stores in ($HOME is not set); say where with "
            "data_dir= (--data-dir on the command line) or $AA1XR_DATA_DIR"
        )
    return path


def find_store(
    source: str | os.PathLike[str] | zarr.abc.store.Store | Store | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    rebuild: bool = False,
) -> Store:
    """The store of `source` as `aa1xr.open` takes it, which is built in `data_dir` if need be.

    `data_dir` is not looked for where `source` is a store. ValueError if `source` is None and there
    are several stores to choose from, or it is a store and is to be rebuilt.
    """
    if source is None:
        found = _in_data_dir(find_data_dir(data_dir), rebuild=rebuild)
        _say_owner(Path(str(found.place)))
        return found
    if isinstance(source, Store):
        return source
    place = find_source(source)
    if not isinstance(place, Path) or _is_store(place):
        if rebuild:
            raise ValueError(
                f"rebuild=True, but {one_line(source)} is a store; what it was built of is needed: "
                'aa1xr.open("path/to/crcns-aa1.zip", rebuild=True)'
            )
        return Store(str(place) if isinstance(place, Path) else place, storage_options)
    built = ensure_store(place, data_dir=find_data_dir(data_dir), rebuild=rebuild)
    _say_owner(built)
    return Store(str(built))


def _is_store(path: Path) -> bool:
    return (path / METADATA).is_file() or (path.is_dir() and path.suffix == ".zarr")


def ensure_data(
    data_dir: Path,
    *,
    username: str | None = None,
    password: str | None = None,
    accept_terms: bool = False,
) -> None:
    """Download the archive into `data_dir`, unless it or a store of it is there and good."""
    archive = data_dir / ARCHIVE
    # A store of a part of AA1 is not what a download is for.
    stores = [path for path in _stores(data_dir) if _is_complete(path)]
    # A store of the archive's SHA-256 was built of these very bytes, so they have been verified.
    if _built(identity(archive), data_dir) if archive.exists() else stores:
        return

    from aa1xr.archive.download import download  # a warm open has no use for requests

    with writing(ARCHIVE, data_dir):
        download(archive, username=username, password=password, accept_terms=accept_terms)
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
    """
    key = identity(source)
    if not rebuild and (built := _built(key, data_dir)):
        return built
    with open_files(source) as files:
        archive = Archive(files)
        whose = origin(archive.cell_ids, archive.sound_names, archive.simulation)
        path = _store_path(whose, key, data_dir)
        try:
            with writing(f"the store of {one_line(files.path.name)}", data_dir):
                data_dir.mkdir(parents=True, exist_ok=True)
                build_store(archive, path, key=key, replace=rebuild)
        except FileExistsError:
            if not path.is_dir():
                raise
            # Another process has built it.
    return path


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Let an error of the system say how to choose another data directory."""
    try:
        yield
    except (FileExistsError, DataNotFoundError, DownloadError):
        raise
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(
            error.errno,
            f"{error.strerror}; {what} cannot be written to {one_line(folder)}. Make room, or get "
            "the right to write there, or choose another place with data_dir= (--data-dir on the "
            "command line) or $AA1XR_DATA_DIR",
            error.filename,
        ) from error


def _built(key: str, data_dir: Path) -> Path | None:
    """The store of the archive with this SHA-256, if it was built.

    Its name has a part of the SHA-256, and anybody may have given it: StoreError if its metadata
    say that it is of another archive.
    """
    paths = (_store_path(whose, key, data_dir) for whose in ORIGINS)
    path = next((path for path in paths if path.exists()), None)
    if path is not None:
        metadata = Store(str(path)).get(METADATA)
        found = None if metadata is None else source_sha256(metadata)
        if found not in {None, key}:  # None: damaged, which is said when it is opened
            raise StoreError(
                f"{one_line(path)}: a store of another archive (SHA-256 {printable(found)}) under "
                f"the name of the one of this archive (SHA-256 {key}). Move it elsewhere, or "
                "choose another place with data_dir= (--data-dir on the command line) or "
                "$AA1XR_DATA_DIR"
            )
    return path


#: Stores of which this process has said whose they are.
_SAID: set[Path] = set()


def _say_owner(path: Path) -> None:
    """Warn, once in a process, of a store in the data directory that belongs to another user.

    Whoever owns a store can change its values and their checksums alike.
    """
    if path in _SAID or not hasattr(os, "getuid"):
        return
    try:
        found = (path.lstat(), path.stat(), (path / METADATA).lstat())
    except OSError:  # what is missing is said when it is opened
        return
    owner = next((s.st_uid for s in found if s.st_uid not in {0, os.geteuid()}), None)
    if owner is None:
        return
    warn(
        f"{one_line(path)} belongs to {_user(owner)}, who can change it so that no checksum "
        "tells. In a data directory that a group shares this is usual: if you trust them, ignore "
        "OwnerWarning (warnings.filterwarnings). Otherwise build a store of your own from the "
        "archive, with data_dir= (--data-dir on the command line) or $AA1XR_DATA_DIR",
        OwnerWarning,
    )
    _SAID.add(path)


def _user(uid: int) -> str:
    import pwd

    try:
        return f"user {printable(pwd.getpwuid(uid).pw_name)} ({uid})"
    except KeyError:
        return f"user {uid}"


def _store_path(whose: str, key: str, data_dir: Path) -> Path:
    return data_dir / f"{whose}-{key[:16]}-v{FORMAT_VERSION}.zarr"


def _stores(data_dir: Path, whose: str = "aa1") -> list[Path]:
    # Stores of simulated archives, and of others' recordings, never stand in for AA1.
    return sorted(data_dir.glob(f"{whose}-*-v{FORMAT_VERSION}.zarr"))


def _is_complete(path: Path) -> bool:
    try:
        return Contents.of_attrs(Store(str(path)).attrs).is_complete
    except (StoreError, OSError):
        return False


def _in_data_dir(data_dir: Path, *, rebuild: bool) -> Store:
    """The store of AA1 in the data directory: of the archive there, or the complete one."""
    archive = _archive_in(data_dir)
    stores = _stores(data_dir)
    if archive is None and rebuild:
        raise ValueError(
            f"rebuild=True, but there is no archive in {one_line(data_dir)}; what a store was "
            'built of is needed: aa1xr.open("path/to/crcns-aa1.zip", rebuild=True)'
        )
    if archive is not None:
        built = ensure_store(archive, data_dir=data_dir, rebuild=rebuild)
        others = [path for path in stores if path != built]
        # Contents are compared only where there is something to choose.
        if rebuild or not others or _is_complete(built) or built not in _stores(data_dir):
            return Store(str(built))
        complete = list(filter(_is_complete, others))
        if not complete:
            return Store(str(built))
        logger.warning("%s is not complete; %s is opened instead", archive, complete[0])
        return _choose(complete)
    if not stores:
        raise DataNotFoundError(_nothing_in(data_dir))
    return _choose(stores if len(stores) == 1 else list(filter(_is_complete, stores)) or stores)


def _choose(stores: list[Path]) -> Store:
    """The one store; of several, any if they hold the same."""
    first = Store(str(stores[0]))
    if len(stores) == 1 or all(_is_same(first, Store(str(path))) for path in stores[1:]):
        return first
    names = "".join(f"\n  {one_line(store)}" for store in stores)
    raise ValueError(
        f"there are several stores in {one_line(stores[0].parent)}; pass one as `source`:{names}"
    )


def _is_same(store: Store, other: Store) -> bool:
    try:
        return bool(store.attrs[DIGESTS] == other.attrs[DIGESTS])
    except (StoreError, OSError):
        return False


def _archive_in(data_dir: Path) -> Path | None:
    """The archive in the data directory, also as browsers name and unpack it."""
    if (archive := data_dir / ARCHIVE).exists():
        return archive
    if not data_dir.is_dir():
        return None
    if _is_extracted(data_dir):
        return data_dir
    stem = ARCHIVE.removesuffix(".zip")
    found = [path for path in find_zips(data_dir) if path.name.lower().startswith(stem)] or [
        folder
        for folder in sorted(data_dir.glob(f"{stem}*/"))
        if _is_extracted(folder) or any(map(_is_extracted, folder.glob("*/")))
    ]
    if len(found) > 1 and len({identity(path) for path in found}) > 1:
        if _stores(data_dir):
            return None
        names = "".join(f"\n  {one_line(path)}" for path in found)
        raise ValueError(
            f"there are several archives in {one_line(data_dir)}; pass one as `source`:{names}"
        )
    return found[0] if found else None


def _is_extracted(folder: Path) -> bool:
    return (folder / "all_stims").is_dir()


def _nothing_in(data_dir: Path) -> str:
    text = (
        f"there is no AA1 data in {one_line(data_dir)}. Three ways on:\n"
        "  1. download it with a CRCNS account (https://crcns.org/register, free): "
        "aa1xr.open(download=True), or `aa1xr download` on the command line;\n"
        '  2. say where it is: aa1xr.open("path/to/crcns-aa1.zip"), or a folder or store, '
        "or set $AA1XR_DATA_DIR;\n"
        "  3. try the package on simulated neurons: aa1xr.open_sample()."
    )
    others = "".join(f"\n  {one_line(store)}" for store in _stores(data_dir, "other"))
    if others:
        text += f"\nStores of other recordings are there; pass one as `source`:{others}"
    return text
