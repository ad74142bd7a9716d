"""Where data are: a path of this machine, a URL, or a zarr store that the user made."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard
from urllib.parse import unquote_to_bytes

import fsspec
from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest, RangeByteRequest, Store
from zarr.storage import FsspecStore, LocalStore

from aa1xr import arguments
from aa1xr.arguments import shown
from aa1xr.errors import StoreError
from aa1xr.printable import message, one_line, without_secrets
from aa1xr.store.layout import METADATA
from aa1xr.store.wrapper import Wrapper

#: An absolute path, a URL that fsspec reads, or a zarr store.
Location: TypeAlias = str | Store

#: For botocore, whose defaults wait a minute for each of five attempts; s3fs raises that to 25.
_PATIENCE = {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 2}}

#: Seconds for one object, or a batch of objects, retries included. Before it uploads an object a
#: client waits for permission (100 Continue), and aiohttp waits for that without a limit.
LONGEST = 300

#: Files whose absence tells a reader something: metadata, of either format.
_METADATA = {METADATA, ".zgroup", ".zarray", ".zattrs", ".zmetadata"}

_WINDOWS = os.name == "nt"

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]+"


def resolve(name: str, value: Any) -> Location:
    """The place that an argument names, or ValueError if it would become another one in silence.

    Paths become absolute, since another process may have another working directory. A URL that
    lost a slash, and a variable or `~` that cannot be expanded, would be folders in it.

    >>> resolve("path", "file:///data/my%20store.zarr")
    '/data/my store.zarr'
    >>> resolve("path", "s3://bucket/aa1.zarr")
    's3://bucket/aa1.zarr'
    """
    if type(value) is LocalStore and not value.root.is_absolute():
        return LocalStore(value.root.absolute(), read_only=value.read_only)
    if isinstance(value, Store):
        return value
    text = arguments.path(name, value)
    if not text or "\0" in text:
        raise ValueError(f"{name} must be a path or URL; got {shown(text)}")
    if (path := path_of_file_url(name, text)) is not None:
        return str(Path(path).absolute())
    before, chained, last = text.rpartition("::")
    if not is_url(text):
        return str(Path(_expanded(name, text)).absolute())
    if chained and (path := path_of_file_url(name, last)) is not None:
        return f"{before}::file://{path}"
    if chained and last and not is_url(last):  # of an archive on this machine
        return f"{before}::{Path(_expanded(name, last)).absolute()}"
    return text


def resolve_path(name: str, value: Any) -> Path:
    """The absolute path that an argument names, or ValueError if it is not of this machine."""
    place = resolve(name, value)
    if not is_path(place):
        raise ValueError(f"{name} must be a path of this machine; got {describe(place)}")
    return Path(place)


def is_url(place: Location) -> TypeGuard[str]:
    """Whether a place is a URL. A path may have colons in it, too."""
    if not isinstance(place, str):
        return False
    if re.match(f"{_SCHEME}://", place):
        return True
    first, chained, _ = place.partition("::")
    return bool(chained) and _known(first)


def is_path(place: Location) -> TypeGuard[str]:
    """Whether a place is a path of this machine."""
    return isinstance(place, str) and not is_url(place)


def describe(place: Location) -> str:
    """A place for a message, without secrets: path, URL, or what the zarr store says of itself."""
    return one_line(place if is_path(place) else without_secrets(str(place)))


def _known(protocol: str) -> bool:
    return protocol in fsspec.available_protocols() or protocol in fsspec.registry


def path_of_file_url(name: str, text: str) -> str | None:
    """The path in a URL of a local file, or None if it is something else."""
    match = re.match(r"(?:file|local):(?:(//[^/]*)|(?!//))(?=/)", text, re.IGNORECASE)
    if match is None:
        if re.match(r"(?:file|local)://", text, re.IGNORECASE):
            raise ValueError(
                f"{name} must be an absolute path in a file URL, file:///folder/name; got "
                f"{shown(text)}"
            )
        return None
    if match[1] not in {None, "//", "//localhost"}:
        raise ValueError(
            f"{name} must be a file of this machine, file:///folder/name; got {shown(text)}, which "
            f"names the machine {match[1][2:]!r}"
        )
    encoded = text[match.end() :]
    if _WINDOWS:
        from urllib.request import url2pathname

        return url2pathname(encoded)
    # As bytes, since names of files need not be UTF-8.
    return os.fsdecode(unquote_to_bytes(os.fsencode(encoded)))


def _expanded(name: str, text: str) -> str:
    """A path with its `~` expanded."""
    scheme = re.match(f"({_SCHEME}):/", text)
    if scheme and _known(scheme[1]) and not Path(text).exists():
        raise ValueError(
            f"{name} must be a path or URL; got {shown(text)}, which has one slash after its "
            "colon, as a URL has that went through pathlib.Path. Pass URLs as strings"
        )
    variable, separator = r"\$\w+|\$\{\w+\}", "/"
    if _WINDOWS:
        variable, separator = rf"{variable}|%\w+%", r"[/\\]"
    if re.match(variable, text) and not Path(re.split(separator, text)[0]).exists():
        raise ValueError(
            f"{name} must be a path or URL; got {shown(text)}, in which the variable is not "
            "expanded. Use os.path.expandvars"
        )
    expanded = os.path.expanduser(text)  # noqa: PTH111 - pathlib refuses '~x' if x is no user
    if re.match(f"~({separator}|$)", expanded):
        raise ValueError(
            f"{name} must be a path or URL; got {shown(text)}, and the home directory is not "
            "known. Set $HOME, or give an absolute path"
        )
    return expanded


@contextmanager
def as_os_error(place: str) -> Iterator[None]:
    """Make an error of what reaches object storage one of the system, as on a disk, with its place.

    botocore, aiohttp, obstore and Icechunk have exceptions of their own, which could pass for those
    of damage, and the system's, such as PermissionError, do not name the object. They may have
    the whole URL in them, with its secrets: then they are not shown as a cause.
    """
    place = describe(place)
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        said = message(error)
        cause = error if without_secrets(str(error)) == str(error) else None
        if not isinstance(error, OSError):
            raise OSError(f"{place}: {said}") from cause
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"{place}: no answer in time") from cause
        if place in str(error) and cause is not None:
            raise
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")
        raise kind(f"{place}: {said}") from cause


class _Named(Wrapper):
    """A zarr store whose errors are the system's and name the place, and which always answers.

    Objects at URLs are read up to the size that they may have.
    """

    def __init__(self, store: Store, place: str, *, at_url: bool) -> None:
        super().__init__(store)
        self._place = place
        self._at_url = at_url

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        whole = byte_range is None and self._at_url
        if whole:
            byte_range = RangeByteRequest(0, largest(key) + 1)
        with as_os_error(f"{self._place}/{key}"):
            async with asyncio.timeout(LONGEST):
                found = await super().get(key, prototype, byte_range)
        if whole and found is not None:
            check_size(self._place, key, len(found))
        return found

    async def set(self, key: str, value: Buffer) -> None:
        with as_os_error(f"{self._place}/{key}"):
            async with asyncio.timeout(LONGEST):
                await super().set(key, value)

    async def is_empty(self, prefix: str) -> bool:
        with as_os_error(f"{self._place}/{prefix}"):
            return await super().is_empty(prefix)

    async def exists(self, key: str) -> bool:
        with as_os_error(f"{self._place}/{key}"):
            return await super().exists(key)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        with as_os_error(f"{self._place}/{prefix}"):
            async for key in super().list_dir(prefix):
                yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        with as_os_error(f"{self._place}/{prefix}"):
            async for key in super().list_prefix(prefix):
                yield key


class _Complete(Wrapper):
    """A zarr store in which no chunk may be missing: zarr would make up its values."""

    def __init__(self, store: Store, place: str) -> None:
        super().__init__(store)
        self._place = place

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        found = await super().get(key, prototype, byte_range)
        if found is None and key.rpartition("/")[2] not in _METADATA:
            raise StoreError(f"{self._place}: a part of {key.partition('/c/')[0]} is gone ({key})")
        return found


class _RegularFiles(Wrapper):
    """A zarr store on a disk, of which regular files alone are read (see `read_object`)."""

    def __init__(self, store: Store, root: Path) -> None:
        super().__init__(store)
        self._root = root

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        try:
            most = None
            if isinstance(byte_range, RangeByteRequest) and byte_range.start == 0:
                most = byte_range.end
            elif byte_range is not None:  # of a shard, which is too large to be read for a part
                await asyncio.to_thread(os.close, open_object(self._root, key))
                return await super().get(key, prototype, byte_range)
            data = await asyncio.to_thread(read_object, self._root, key, most)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        return prototype.buffer.from_bytes(data)


def zarr_store(
    place: Location,
    storage_options: Mapping[str, Any] | None = None,
    *,
    read_only: bool,
    complete: bool = True,
) -> Store:
    """The zarr store at a place; in a `complete` one that is read, a missing chunk is an error.

    URLs are fsspec's, S3's too: with `max_concurrency` below, s3fs needs as many requests as
    obstore, and users write the same `storage_options` for every kind of URL.
    """
    store: Store
    if not isinstance(place, str):
        store = _Named(place, describe(place), at_url=False)
    elif is_url(place):
        options = options_for(place, storage_options)
        with as_os_error(place):
            remote = FsspecStore.from_url(place, storage_options=options, read_only=read_only)
        store = _Named(remote, describe(place), at_url=True)
    else:
        store = LocalStore(place, read_only=read_only)
        store = _RegularFiles(store, Path(place)) if read_only else store
    return _Complete(store, describe(place)) if read_only and complete else store


def options_for(url: str, storage_options: Mapping[str, Any] | None) -> dict[str, Any]:
    """`storage_options` of a URL, with what makes s3fs quick and lets it give up."""
    options = dict(storage_options or {})
    # Another package may have registered itself for S3, and knows none of these.
    if url.startswith("s3://") and _is_s3fs("s3"):
        # By default s3fs asks for the size of each object before it reads it, in order to read
        # large ones in parallel parts. Objects of a store are small, and it doubles the requests.
        options.setdefault("max_concurrency", 1)
        # A copy, since botocore changes what it is given, and these are by what a client is kept.
        options["config_kwargs"] = deepcopy(_PATIENCE | options.get("config_kwargs", {}))
    return options


def _is_s3fs(protocol: str) -> bool:
    kind = fsspec.get_filesystem_class(protocol)
    return any(base.__module__.partition(".")[0] == "s3fs" for base in kind.__mro__)


#: Bytes of the largest object that is read at once; those of aa1xr have 8 MiB and less.
_LARGEST = 2**30
#: And of the largest zarr.json. A reader makes some fifty times as many bytes of it.
LARGEST_METADATA = 2**23
#: A link is an error, and a pipe that nobody writes to does not wait.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


def largest(name: str) -> int:
    """Bytes that an object may have."""
    return LARGEST_METADATA if name.rpartition("/")[2] in _METADATA else _LARGEST


def check_size(place: str, name: str, size: int) -> None:
    """Refuse an object that is larger than any that aa1xr writes."""
    if size > (most := largest(name)):
        raise StoreError(f"{place}/{name}: must have at most {most} bytes; got {size} or more")


def read_object(root: Path, name: str, most: int | None = None) -> bytes:
    """The bytes of an object of a store on a disk, or the first of them.

    StoreError if it is not a regular file, or larger than any object is. A link would make a file
    from elsewhere part of the store, and of its copies; a pipe or device would never end.
    """
    path = root / name
    try:
        with open(open_object(root, name), "rb") as file:
            return file.read() if most is None else file.read(most)
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            f"{error.strerror}; ask its owner for the right to read it, or keep a store of your "
            "own in another place, with data_dir= or $AA1XR_DATA_DIR",
            str(path),
        ) from error


def open_object(root: Path, name: str) -> int:
    """A file descriptor of an object; raises as `read_object`."""
    path = root / name
    parts = list(path.parents)[: name.count("/")]
    for part in [path, *parts] if _WINDOWS else parts:  # Windows has no O_NOFOLLOW
        if part.is_symlink():
            raise StoreError(_not_regular(part, "a link"))
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # ENXIO: a socket
            raise StoreError(_not_regular(path, "a link or socket")) from error
        if _WINDOWS and path.is_dir():  # which Windows does not open
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from error
        raise
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(_not_regular(path, "a pipe or device"))
        check_size(describe(str(root)), name, status.st_size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _not_regular(path: Path, what: str) -> str:
    return (
        f"{one_line(path)}: every part of a store must be a file itself; got {what}. Copy the "
        "store with its files in their places, for instance by aa1xr.copy_store where it came "
        "from"
    )
