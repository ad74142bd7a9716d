"""The objects at a place by their names: read, written and listed, whatever the place is."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from fsspec.asyn import sync as fsspec_sync
from fsspec.core import url_to_fs
from zarr.abc.store import Store
from zarr.buffer import default_buffer_prototype
from zarr.core.sync import sync as zarr_sync  # zarr has no other way to ask a store and wait

from aa1xr.store import location
from aa1xr.store.location import Location

#: What fsspec says of an object that changes when it is replaced; each kind of storage has some.
_CHANGES = ("mtime", "modified", "LastModified", "last_modified", "created", "ETag", "etag")

#: Objects that are under way at once.
_AT_ONCE = 64

T = TypeVar("T")


class Storage(Protocol):
    """The objects at a place. Every error is one of the system, and names the place."""

    place: str

    def listing(self) -> dict[str, str] | None:
        """The names of all objects, each with a text that changes when the object is replaced.

        None where the storage may not be listed; an empty text where the storage has no such text.
        A storage may also list too little and not say so, as web servers do: do not conclude from
        it that an object is not there.
        """

    def read(self, name: str) -> bytes:
        """The bytes of one object, or FileNotFoundError."""

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """The bytes of several objects."""

    def write_all(self, data: Mapping[str, bytes]) -> None:
        """Write several objects."""


def missing(storage: Storage, names: Iterable[str]) -> list[str]:
    """The names of objects that are not there; each that is not listed is asked for."""
    listed = storage.listing() or {}
    found = []
    for name in names:
        if name not in listed:
            try:
                storage.read(name)
            except FileNotFoundError:
                found.append(name)
    return found


def open_storage(place: Location, storage_options: Mapping[str, Any] | None = None) -> Storage:
    """The objects at a place."""
    if not isinstance(place, str):
        return _InZarrStore(place)
    return _OnDisk(place) if location.is_path(place) else _AtUrl(place, storage_options)


class _OnDisk:
    """A folder. Its names are taken as they are: fsspec would expand `[` and `*` in them.

    Its objects are regular files: a link in it would give what lies elsewhere, such as a key of
    the user's, for data of the store, and a pipe would be waited for.
    """

    def __init__(self, place: str) -> None:
        self.place = location.describe(place)
        self._root = Path(place)

    def listing(self) -> dict[str, str]:
        found = {}
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder, name)
                try:
                    status = path.lstat()
                except FileNotFoundError:  # another process has just removed it
                    continue
                if not stat.S_ISREG(status.st_mode):
                    continue
                key = path.relative_to(self._root).as_posix()
                found[key] = f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
        return found

    def read(self, name: str) -> bytes:
        return location.read_object(self._root, name)

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        return {name: self.read(name) for name in names}

    def write_all(self, data: Mapping[str, bytes]) -> None:
        for name, content in data.items():
            path = self._root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


class _AtUrl:
    """Object storage and web servers, through fsspec."""

    def __init__(self, place: str, storage_options: Mapping[str, Any] | None) -> None:
        self.place = location.describe(place)
        with location.as_os_error(place):
            self.fs, root = url_to_fs(place, **location.options_for(place, storage_options))
        self.root = root.rstrip("/")

    def listing(self) -> dict[str, str] | None:
        self.fs.invalidate_cache()
        try:
            found = self._call("find", self.root, detail=True)
        except FileNotFoundError:
            return {}
        except PermissionError:
            return None
        return {
            path.removeprefix(f"{self.root}/"): " ".join(
                f"{info[key]}" for key in _CHANGES if info.get(key) is not None
            )
            for path, info in found.items()
            if path.startswith(f"{self.root}/")
        }

    def read(self, name: str) -> bytes:
        return self.read_all([name])[name]

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        # One by one: of several, fsspec expands names with `[` or `*` in them as patterns.
        cat = self._method("cat_file")
        found = self._each(
            {n: partial(cat, n, start=0, end=location.largest(n) + 1) for n in names}
        )
        for name, data in found.items():
            location.check_size(self.place, name, len(data))
        return found

    def write_all(self, data: Mapping[str, bytes]) -> None:
        pipe = self._method("pipe_file")
        self._each({name: partial(pipe, name, content) for name, content in data.items()})

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        with location.as_os_error(self.place):
            if not self.fs.async_impl:
                return getattr(self.fs, method)(*args, **kwargs)
            call = getattr(self.fs, f"_{method}")
            return fsspec_sync(self.fs.loop, call, *args, timeout=location.LONGEST, **kwargs)

    def _method(self, method: str) -> Callable[..., Any]:
        """A method of fsspec, for the name of an object in place of its path."""
        call = getattr(self.fs, f"_{method}" if self.fs.async_impl else method)
        return lambda name, *args, **kwargs: call(f"{self.root}/{name}", *args, **kwargs)

    def _each(self, calls: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
        """Return the result of each call by its name. Async file systems run them concurrently."""
        with location.as_os_error(self.place):
            if not self.fs.async_impl:
                return {name: call() for name, call in calls.items()}
            result: dict[str, Any] = fsspec_sync(
                self.fs.loop, _gather, calls, timeout=location.LONGEST
            )
            return result


class _InZarrStore:
    """A zarr store that the user made: obstore's, Icechunk's, or any other."""

    def __init__(self, store: Store) -> None:
        self.place = location.describe(store)
        self._store = store

    def listing(self) -> dict[str, str] | None:
        if not self._store.supports_listing:
            return None

        async def names() -> dict[str, str]:
            return {name: "" async for name in self._store.list_prefix("")}

        return self._wait(names())

    def read(self, name: str) -> bytes:
        return self.read_all([name])[name]

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        prototype = default_buffer_prototype()
        found = self._wait(_gather({n: partial(self._store.get, n, prototype) for n in names}))
        out = {}
        for name, data in found.items():
            if data is None:
                raise FileNotFoundError(f"{self.place}/{name}: there is no such object")
            out[name] = data.to_bytes()
        return out

    def write_all(self, data: Mapping[str, bytes]) -> None:
        make = default_buffer_prototype().buffer.from_bytes
        calls = {n: partial(self._store.set, n, make(content)) for n, content in data.items()}
        self._wait(_gather(calls))

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        with location.as_os_error(self.place):
            return zarr_sync(coroutine, timeout=location.LONGEST)


async def _gather(calls: Mapping[str, Callable[[], Coroutine[Any, Any, T]]]) -> dict[str, T]:
    """The result of each call by its name; so many are under way at once."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> tuple[str, T]:
        async with limit:
            return name, await calls[name]()

    return dict(await asyncio.gather(*(one(name) for name in calls)))
