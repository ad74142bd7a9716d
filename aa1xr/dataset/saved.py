"""Variables of a saved Dataset, read from its place when they are needed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from math import prod
from pathlib import Path
from socket import gethostname
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr
from xarray.backends import BackendArray, ZarrStore
from xarray.backends.zarr import ZarrArrayWrapper
from xarray.core import indexing
from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest, Store
from zarr.storage import StorePath

from aa1xr import messages
from aa1xr.arguments import shown
from aa1xr.dataset.decoding import DECODED, check_decoding
from aa1xr.errors import DataNotFoundError, StoreError
from aa1xr.store.chunks import check_chunks, chunk_counts, chunk_keys
from aa1xr.store.connection import Connection, OtherVersionError, parse
from aa1xr.store.layout import CONSOLIDATED, METADATA, SEAL, is_sealed
from aa1xr.store.location import is_path, zarr_store
from aa1xr.store.storage import missing
from aa1xr.store.wrapper import Wrapper

#: An attribute of the root until everything is written.
UNFINISHED = "aa1xr_unfinished"

#: aa1xr.save writes chunks of 8 MiB.
_MOST_CHUNKS = 10**6
_LARGEST_CHUNK = 2**31
#: Bytes of the strings of a chunk, all together.
_LARGEST_TEXTS = 2**28

WRITTEN_AGAIN = "was written again since it was opened. Open it again"
_DAMAGED = (
    "If this happens again, the data are damaged: save them again under another name, or copy "
    "them again"
)


class Saved(Connection):
    """What `aa1xr.save` or xarray's `to_zarr` wrote.

    `aa1xr.save` seals the metadata and writes every chunk. xarray leaves out chunks that hold
    nothing but the fill value, so that there a missing chunk is not an error.
    """

    #: Whether aa1xr.save wrote it, and nobody has changed the metadata since.
    sealed = False
    #: Whether the root is another than when it was opened, as when xarray wrote a variable beside.
    is_changed = False

    _stamps: Mapping[str, tuple[int, ...] | None] = MappingProxyType({})

    @cached_property
    def root(self) -> dict[str, Any]:
        """The metadata of the root, whose checksum is right, if they have one."""
        if is_path(self.place):
            self._note_stamps()  # before they are read, so that no change is missed
        metadata = self.get(METADATA)
        if metadata is None:
            missing_kind = StoreError if is_path(self.place) else DataNotFoundError
            raise missing_kind(
                f"{self.url}: no Zarr store of format 3 (it has no {METADATA}). Check the name; "
                "aa1xr.open opens an archive, xarray.open_zarr a Zarr store of format 2"
            )
        with self.reading():
            document = parse(metadata)
            if document.get("node_type") != "group":
                raise StoreError(
                    f"{self.url}: its {METADATA} is not that of a Zarr group; it is damaged, or "
                    f"something else came in its place (it begins with {metadata[:40]!r}). "
                    f"{_DAMAGED}"
                )
            attributes = document.get("attributes")
            if not isinstance(attributes, dict):
                attributes = {}
            if UNFINISHED in attributes:
                raise StoreError(
                    f"{self.url}: not saved to the end. If no process is still saving it, remove "
                    "it and save it again"
                )
            if SEAL in attributes:
                raise StoreError(
                    f"{self.url}: a store of recordings, not a saved Dataset; aa1xr.open opens it"
                )
            self.sealed = SEAL in (document.get(CONSOLIDATED) or {})
            if self.sealed and not is_sealed(metadata, part=CONSOLIDATED):
                raise StoreError(f"{self.url}: {METADATA} is damaged. {_DAMAGED}")
            identity = hashlib.sha256(metadata).hexdigest()
            self.is_changed = self.identity not in {None, identity} and not self.sealed
            if not self.is_changed:
                self.recognize(identity, "Dataset")
            return document

    @cached_property
    def group(self) -> zarr.Group:
        """The root, of these metadata: what is read a second time may be something else."""
        document = dict(self.root)
        if not self.zarr_store.supports_consolidated_metadata:
            document.pop(CONSOLIDATED, None)
        with self.reading():
            try:
                return zarr.Group(zarr.AsyncGroup.from_dict(StorePath(self.zarr_store), document))
            except KeyError as error:
                raise StoreError(f"{self.url}: its {METADATA} is damaged. {_DAMAGED}") from error

    def make_array(self, name: str) -> zarr.Array[Any]:
        """An array of it."""
        array = cast("zarr.Array[Any]", self.group[name])
        self._check_array(array)
        limit = _LARGEST_TEXTS if array.dtype.kind in "OT" else _chunk_bytes(array)
        ranged = isinstance(self.place, str)
        try:
            return check_chunks(array, self.zarr_store, limit=limit, ranged=ranged)
        except ValueError as error:
            raise StoreError(f"{self.url}: {error}. xarray.open_zarr opens others") from error

    def _note_stamps(self) -> None:
        """Note what differs once the metadata of an array on this disk are written again."""
        with suppress(OSError), os.scandir(str(self.place)) as entries:
            self._stamps = {entry.name: self._stamp(entry.name) for entry in entries}

    def _stamp(self, name: str) -> tuple[int, ...] | None:
        try:
            status = Path(str(self.place), name, METADATA).stat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns, status.st_ino

    def is_newer(self, name: str) -> bool:
        """Whether a file was written after the Dataset was opened, by the clock of the disk."""
        newest = self.writing[1] if self.writing else None
        return newest is not None and Path(str(self.place), name).stat().st_mtime_ns > newest

    def require_unchanged(self, name: str) -> None:
        """Refuse values that were read of an array, if another came in its place meanwhile.

        What xarray writes beside an array does no harm. At a URL only what `save` wrote can be
        told from another of the same shape.
        """
        if is_path(self.place):
            is_there = Path(self.place, METADATA).exists()
            is_another = self._stamps.get(name) != self._stamp(name)
        else:
            metadata = self.get(METADATA) if self.sealed else b""
            is_there = metadata is not None
            is_another = self.sealed and is_there and self._is_another(name, metadata or b"")
        if not is_there:
            raise DataNotFoundError(
                f"{self.url}: not there any more, or not for {gethostname()}, where it was to be "
                "read. If this is a dask worker: save to a disk or URL that all of them reach"
            )
        if is_another and "root" in self.__dict__:
            raise StoreError(f"{self.url}: {name} {WRITTEN_AGAIN}")

    def _is_another(self, name: str, metadata: bytes) -> bool:
        if hashlib.sha256(metadata).hexdigest() == self.identity:
            return False
        found = parse(metadata).get(CONSOLIDATED) or {}
        # xarray takes the seal away when it writes something beside the array.
        before = self.root[CONSOLIDATED]["metadata"].get(name)
        return SEAL in found or found.get("metadata", {}).get(name) != before

    def _check_array(self, array: zarr.Array[Any]) -> None:
        """Refuse what no reader should try: another format, or too much for any memory."""
        # Metadata of format 3 can list arrays of format 2. Any codec of numcodecs may be in these,
        # and one of them runs what it reads.
        if (version := array.metadata.zarr_format) != 3:
            raise StoreError(
                f"{self.url}: {array.path} is of Zarr format {version}; expected 3, as aa1xr writes"
            )
        codecs = [type(codec).__name__ for codec in array.compressors]
        if self.sealed and codecs != ["ZstdCodec", "Crc32cCodec"]:
            raise StoreError(
                f"{self.url}: {array.path} must be compressed as aa1xr.save does (zstd, crc32c); "
                f"got {codecs}"
            )
        chunks = prod(chunk_counts(array.shape, array.chunks))
        for what, found, most in (
            ("chunks", chunks, _MOST_CHUNKS),
            ("bytes in a chunk", _chunk_bytes(array), _LARGEST_CHUNK),
        ):
            if found > most:
                raise StoreError(
                    f"{self.url}: {array.path} must have at most {most} {what}; got {found}. If it "
                    "is yours, write it with other chunks"
                )

    @cached_property
    def zarr_store(self) -> Store:
        """Its objects for zarr."""
        _ = self.root  # it says whether chunks may be missing
        store = zarr_store(self.place, self.storage_options, read_only=True, complete=self.sealed)
        return _Unchanged(store, self) if is_path(self.place) else store

    def check(self) -> str:
        """Check what can be checked without values; return a text that differs for other data.

        StoreError if it is empty, an array is of another Zarr format, or chunks are missing that
        `aa1xr.save` wrote.
        """
        group, reason = self.group, ""
        arrays: dict[str, Any] = {}
        try:
            arrays = dict(group.arrays())
        except OSError as error:
            if group.metadata.consolidated_metadata is not None:
                raise
            reason = f" ({error})"
        if not arrays and group.metadata.consolidated_metadata is None:
            raise StoreError(
                f"{self.url}: no variable was found{reason}. Either a call that was writing it was "
                "interrupted, or this storage does not list what it holds, and the metadata do not "
                "either: zarr.consolidate_metadata(path), where it was written, makes them do so"
            )
        for array in arrays.values():
            with self.reading():
                self._check_array(array)
        try:
            listed = self.storage.listing() or {}
        except OSError:
            listed = {}
        # A listing without an object that was just read is none; chunks are then missed when
        # they are read.
        if self.sealed and METADATA in listed:
            for name, array in arrays.items():
                keys = [f"{name}/{key}" for key in chunk_keys(array)]
                absent = [key for key in keys if key not in listed]
                if absent and missing(self.storage, absent[:1]):
                    raise StoreError(
                        f"{self.url}: {name} has {len(keys) - len(absent)} of its {len(keys)} "
                        f"chunks; {absent[0]} is missing. {_DAMAGED}"
                    )
        token = self._token_of(listed)
        newest = None
        if is_path(self.place):
            newest = max((int(stamp.split()[1]) for stamp in listed.values()), default=None)
        self.writing = token, newest
        return token

    def _token_of(self, listed: Mapping[str, str]) -> str:
        if METADATA in listed and all(listed.values()):
            text = repr(sorted(listed.items()))
            return f"{self.identity}-{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"
        # What xarray wrote has nothing in its metadata that changes with the values.
        return f"{self.identity}" if self.sealed else f"{self.identity}-{uuid.uuid4().hex}"

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Name the place, if zarr cannot make sense of what it reads."""
        try:
            yield
        except (OSError, OtherVersionError):
            raise  # a disk or network that fails is not a damaged store
        except StoreError as error:
            if self.url in str(error):
                raise
            raise StoreError(f"{self.url}: {error}") from error
        except ValueError as error:
            if "conflicting sizes" not in str(error):
                raise StoreError(f"{self.url}: damaged ({error}). {_DAMAGED}") from error
            raise StoreError(
                f"{self.url}: {error}. If something was appended to it, a variable or coordinate "
                "was not: append Datasets with the same variables and coordinates"
            ) from error
        except Exception as error:  # the codecs raise what they like about damaged bytes
            raise StoreError(f"{self.url}: damaged ({error}). {_DAMAGED}") from error


def _is_text(values: npt.NDArray[np.str_]) -> bool:
    """Whether all characters are ones; NumPy reads any, and Python fails later."""
    codes = np.ascontiguousarray(values).view(np.dtype("u4").newbyteorder(values.dtype.byteorder))
    return bool(codes.max(initial=0) <= sys.maxunicode)


def _chunk_bytes(array: zarr.Array[Any]) -> int:
    # A string of which the length is not known.
    size = 64 if array.dtype.kind in "OT" else array.dtype.itemsize
    return size * prod(array.chunks)


class _Unchanged(Wrapper):
    """A zarr store on a disk whose chunks are as they were when the Dataset was opened."""

    def __init__(self, store: Store, saved: Saved) -> None:
        super().__init__(store)
        self._saved = saved

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The bytes of an object."""
        found = await super().get(key, prototype, byte_range)
        if found is not None and self._saved.is_newer(key):
            raise StoreError(f"{self._saved.url}: {key} {WRITTEN_AGAIN}")
        return found


class SavedStore(ZarrStore):
    """xarray's view of a saved Dataset."""

    def __init__(self, saved: Saved) -> None:
        self._saved = saved
        self._token = saved.check()
        super().__init__(saved.group, mode="r")

    def open_store_variable(self, name: str) -> xr.Variable:
        """A variable that says where it is from if it cannot be read."""
        variable: xr.Variable = self._stored_variable(name)
        wrapper = ZarrArrayWrapper(self.members[name])  # type: ignore[no-untyped-call]
        metadata = repr(self._saved.array(name).metadata)
        part = _Part(self._saved, name, wrapper.shape, wrapper.dtype, self._token, metadata)
        data = indexing.LazilyIndexedArray(part)
        return xr.Variable(variable.dims, data, variable.attrs, variable.encoding)

    def _stored_variable(self, name: str) -> xr.Variable:
        try:
            variable = super().open_store_variable(name)  # type: ignore[no-untyped-call]
            check_decoding(variable)
        except (StoreError, OSError):
            raise
        except Exception as error:  # an attribute may be anything
            attrs = self.members[name].attrs.asdict()
            found = {key: attrs[key] for key in DECODED if key in attrs}
            raise StoreError(
                f"the attributes of {shown(name)} must be those by which xarray decodes its "
                f"values; got {shown(found)}: {error}"
            ) from error
        return cast("xr.Variable", variable)


class _Part(BackendArray):
    """One variable. It pickles as the place and its name."""

    def __init__(
        self, saved: Saved, name: str, shape: tuple[int, ...], dtype: Any, token: str, metadata: str
    ):
        self._saved = saved
        self._name = name
        self.shape = shape
        self.dtype = dtype
        #: dask names what it computes by it, so that other data have other names.
        self._token = token
        self._metadata = metadata

    def __dask_tokenize__(self) -> Any:
        return type(self).__name__, self._saved.url, self._token, self._name

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        messages.expect_missing()
        saved, name = self._saved, self._name
        with saved.reading():
            try:
                array = saved.array(name)
                if saved.is_changed and repr(array.metadata) != self._metadata:
                    raise StoreError(f"{name} {WRITTEN_AGAIN}")
                values = ZarrArrayWrapper(array)[key]  # type: ignore[no-untyped-call]
            except OtherVersionError:
                raise
            except Exception:
                saved.require_unchanged(name)
                raise
            saved.require_unchanged(name)
            if values.dtype.kind == "U" and not _is_text(values):
                raise StoreError(f"{saved.url}: {name} must be text; it is not. {_DAMAGED}")
            return values

    async def async_getitem(self, key: indexing.ExplicitIndexer) -> Any:
        """As `__getitem__`; zarr's own would run in the caller's event loop, and not in its own."""
        return await asyncio.to_thread(self.__getitem__, key)
