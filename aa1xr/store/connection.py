"""A Zarr hierarchy at a place, opened by each process for itself and when it is needed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakSet

import dask.threaded
import zarr
from dask.base import tokenize
from zarr.abc.store import Store as ZarrStore

from aa1xr.errors import StoreError
from aa1xr.store.location import Location, describe, is_path, read_object, zarr_store
from aa1xr.store.storage import Storage, open_storage
from aa1xr.version import VERSION

#: What belongs to one process: an event loop, clients of object storage that run in it, and locks.
_OF_PROCESS = ("storage", "zarr_store", "group", "kept")


class OtherVersionError(RuntimeError):
    """A process with another version of aa1xr opened the data."""


class Connection:
    """A Zarr hierarchy; nothing is read before it is needed.

    It pickles as its place, so that a worker elsewhere reads the data for itself; the tasks of one
    worker share what it has read. The identity and the version of aa1xr travel along: a worker
    refuses other data, and another version, instead of mixing them.
    """

    def __init__(
        self,
        place: Location,
        storage_options: Mapping[str, Any] | None = None,
        *,
        identity: str | None = None,
    ) -> None:
        self.place = place
        self.storage_options = dict(storage_options or {})
        #: Differs for different data; None before they are opened.
        self.identity = identity
        #: The aa1xr that opened it; a pickle takes it along.
        self.opened_by = VERSION
        #: What else a pickle takes along: of which writing of the data it is.
        self.writing: tuple[Any, ...] = ()
        self._arrays: dict[str, zarr.Array[Any]] = {}
        _CONNECTIONS.add(self)

    @property
    def url(self) -> str:
        """The place, for messages."""
        return describe(self.place)

    @property
    def source(self) -> str:
        """The place, to open it again: a path as it is, a URL without secrets."""
        return str(self.place) if is_path(self.place) else self.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _shared, (
            type(self),
            self.place,
            self.storage_options,
            self.identity,
            self.opened_by,
            self.writing,
        )

    def __dask_tokenize__(self) -> Any:
        _ = self.root  # the identity is known afterwards
        return type(self).__name__, self.url, self.identity

    @cached_property
    def storage(self) -> Storage:
        """Its objects."""
        return open_storage(self.place, self.storage_options)

    @cached_property
    def zarr_store(self) -> ZarrStore:
        """Its objects for zarr, which may not make up missing chunks."""
        return zarr_store(self.place, self.storage_options, read_only=True)

    @cached_property
    def root(self) -> dict[str, Any]:
        """The metadata of its root, checked."""
        raise NotImplementedError

    def make_array(self, name: str) -> zarr.Array[Any]:
        """An array of it, of metadata that were checked."""
        raise NotImplementedError

    def get(self, key: str) -> bytes | None:
        """The bytes of one object, or None if it is not there."""
        self._require_same_version()
        try:
            if is_path(self.place):
                return read_object(Path(self.place), key)
            return self.storage.read(key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError as error:
            raise StoreError(f"{self.url}: {key} must be a file; got a folder") from error

    def array(self, name: str) -> zarr.Array[Any]:
        """An array of it."""
        self._require_same_version()
        # Kept, since making one takes as long as reading a small one.
        if name not in self._arrays:
            self._arrays[name] = self.make_array(name)
        return self._arrays[name]

    def _require_same_version(self) -> None:
        # Not when it is unpickled: dask dismisses a worker that fails there, and the client waits
        # for the next one without end.
        if self.opened_by != VERSION:
            raise OtherVersionError(
                f"{self.url} was opened by aa1xr {self.opened_by}, and this process, which should "
                f"compute from it, has aa1xr {VERSION}: results of both would be mixed. Install "
                f"aa1xr {self.opened_by} where dask's scheduler and workers run, and start them "
                "again."
            )

    def recognize(self, identity: str, what: str) -> None:
        """Note which data are there, or raise StoreError if others were there before."""
        if self.identity not in {None, identity}:
            raise StoreError(f"{self.url}: another {what} than when it was opened. Open it again.")
        self.identity = identity

    def _forget(self) -> list[Any]:
        """Forget what belongs to one process, and return it."""
        arrays, self._arrays = self._arrays, {}
        return [arrays, *(self.__dict__.pop(name, None) for name in _OF_PROCESS)]


_CONNECTIONS: WeakSet[Connection] = WeakSet()
#: Held in a forked process, since clients complain when they are collected before they are closed.
_OF_PARENT: list[Any] = []


def _forget_all() -> None:
    """In a forked process: no thread of its parent runs there, and waiting for one has no end."""
    _OF_PARENT.extend(connection._forget() for connection in list(_CONNECTIONS))  # noqa: SLF001
    # dask would wait for its own, too.
    dask.threaded.default_pool = None
    dask.threaded.pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)

#: Connections that came out of pickles, by what was in those.
_SHARED: dict[str, Connection] = {}


def _shared(
    kind: type[Connection],
    place: Location,
    storage_options: Mapping[str, Any],
    identity: str | None,
    opened_by: str,
    writing: tuple[Any, ...] = (),
) -> Connection:
    """The connection of a pickle: one for all the tasks of this process."""
    key = tokenize(kind.__name__, str(place), storage_options, identity, opened_by, writing)
    connection = _SHARED.get(key)
    if connection is None:
        new = kind(place, storage_options, identity=identity)
        new.opened_by, new.writing = opened_by, writing
        if identity is None:
            return new
        if len(_SHARED) >= 16:  # more than anybody works with at once
            _SHARED.clear()
        # When threads come at once, the first decides, and all share one connection.
        connection = _SHARED.setdefault(key, new)
    return connection


def parse(metadata: bytes) -> dict[str, Any]:
    """What a zarr.json says; nothing if it is anything else, such as a web page."""
    try:
        document = json.loads(metadata)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
