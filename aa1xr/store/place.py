"""Where a store is: a path or a URL, and what goes wrong on the way to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import zarr.abc.store
from fsspec.asyn import sync
from fsspec.core import url_to_fs
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from aa1xr.errors import StoreError
from aa1xr.store.layout import METADATA

#: Of botocore, which else waits a minute for an answer, five times; and since s3fs has it do so 25
#: times, storage that does not answer was an error after two hours.
_PATIENCE = {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 2}}

#: Seconds for one object, or a batch of them, all that is asked again included. A client that sends
#: an object first waits for leave to do so (100 Continue), and aiohttp waits for that without end.
_LONGEST = 300

#: Files whose absence tells a reader something: metadata, of either format.
_METADATA = {METADATA, ".zgroup", ".zarray", ".zattrs", ".zmetadata"}


def is_url(path: str) -> bool:
    """Whether `path` is a URL rather than a path of this machine."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://|[a-z0-9]+::", path) is not None


@contextmanager
def as_os_error(url: str) -> Iterator[None]:
    """Make an error of what reaches object storage one of the system, as on a disk, with its URL.

    botocore and aiohttp have exceptions of their own, which could pass for those of damage, and
    the system's, such as PermissionError, do not say of what.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError):
            raise OSError(f"{url}: {error}") from error
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"{url}: no answer in time") from error
        if url in str(error):
            raise
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
        raise kind(f"{url}: {error}") from error


class _Remote(FsspecStore):
    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        with as_os_error(f"{self.path}/{key}"):
            async with asyncio.timeout(_LONGEST):
                return await super().get(key, prototype, byte_range)

    async def set(self, key: str, value: Buffer, byte_range: tuple[int, int] | None = None) -> None:
        with as_os_error(f"{self.path}/{key}"):
            async with asyncio.timeout(_LONGEST):
                await super().set(key, value, byte_range)

    async def exists(self, key: str) -> bool:
        with as_os_error(f"{self.path}/{key}"):
            return await super().exists(key)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        with as_os_error(f"{self.path}/{prefix}"):
            async for key in super().list_dir(prefix):
                yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        with as_os_error(f"{self.path}/{prefix}"):
            async for key in super().list_prefix(prefix):
                yield key


class _Whole(WrapperStore[zarr.abc.store.Store]):
    """A store of which no chunk may be missing: zarr would make up its values."""

    def __init__(self, store: zarr.abc.store.Store, path: str) -> None:
        super().__init__(store)
        self._path = path

    def _with_store(self, store: zarr.abc.store.Store) -> _Whole:
        return type(self)(store, self._path)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        found = await super().get(key, prototype, byte_range)
        file = key.rpartition("/")[2]
        if found is None and file not in _METADATA:
            raise StoreError(f"{self._path}: a part of {key.partition('/c/')[0]} is gone ({key})")
        return found


def zarr_store(
    path: str, storage_options: Mapping[str, Any] | None, *, read_only: bool
) -> zarr.abc.store.Store:
    """The zarr store at a path or URL.

    URLs are fsspec's, S3's too: with `max_concurrency` below, s3fs needs as many requests as
    obstore, and users write the same `storage_options` for every kind of URL.
    """
    store: zarr.abc.store.Store = (
        _Remote.from_url(path, storage_options=_options(path, storage_options), read_only=read_only)
        if is_url(path)
        else LocalStore(path, read_only=read_only)
    )
    return _Whole(store, path) if read_only else store


class Files:
    """The files of a path or URL by their names there, through fsspec.

    Every call ends in time, and an error is one of the system that names the place.
    """

    def __init__(self, path: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self.path = path
        url = path if is_url(path) else Path(path).absolute().as_uri()
        with as_os_error(path):
            self.fs, root = url_to_fs(url, **_options(path, storage_options))
        self.root = root.rstrip("/")

    def names(self) -> list[str]:
        """All of them, as they are now; none where nothing is."""
        self.fs.invalidate_cache()
        try:
            found = self._call("find", self.root)
        except FileNotFoundError:
            return []
        return sorted(path.removeprefix(f"{self.root}/") for path in found)

    def read(self, name: str) -> bytes:
        """The bytes of one."""
        return cast("bytes", self._call("cat_file", f"{self.root}/{name}"))

    def write(self, name: str, data: bytes) -> None:
        """Write one."""
        self._call("pipe_file", f"{self.root}/{name}", data)

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """The bytes of several, asked for at once."""
        found = self._call("cat", [f"{self.root}/{name}" for name in names])
        return {path.removeprefix(f"{self.root}/"): data for path, data in found.items()}

    def write_all(self, data: Mapping[str, bytes]) -> None:
        """Write several at once."""
        self._call("pipe", {f"{self.root}/{name}": content for name, content in data.items()})

    def _call(self, method: str, *args: Any) -> Any:
        with as_os_error(self.path):
            if not self.fs.async_impl:
                return getattr(self.fs, method)(*args)
            return sync(self.fs.loop, getattr(self.fs, f"_{method}"), *args, timeout=_LONGEST)


def _options(url: str, storage_options: Mapping[str, Any] | None) -> dict[str, Any]:
    options = dict(storage_options or {})
    if url.startswith("s3://"):
        # Else s3fs asks for the size of each object before it reads it, in order to read large
        # ones in parallel parts; those of a store are small, and it doubled the requests.
        options.setdefault("max_concurrency", 1)
        # A copy, since botocore changes what it is given, and these are by what a client is kept.
        options["config_kwargs"] = deepcopy(_PATIENCE | options.get("config_kwargs", {}))
    if url.startswith("file:"):
        options.setdefault("auto_mkdir", True)
    return options


def read_bytes(path: Path) -> bytes:
    """The bytes of a file of this machine."""
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            f"{error.strerror}; ask its owner for the right to read it, or keep a store of your "
            "own in another place, with data_dir= or $AA1XR_DATA_DIR",
            str(path),
        ) from error
