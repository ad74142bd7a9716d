"""Chunks as the metadata say they are: how large, and with which checksums.

The checksum in a chunk shows that it is whole, not that it is the chunk that was written there. So
sealed metadata list the checksum of every chunk: a chunk of another store, or another place, is
never read as data.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import product
from math import prod
from typing import Any

import numpy as np
import zarr
from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.codec import BytesBytesCodec
from zarr.abc.store import ByteRequest, RangeByteRequest, Store
from zarr.codecs import VLenBytesCodec, VLenUTF8Codec
from zarr.storage import StorePath

from aa1xr.arguments import shown
from aa1xr.store.wrapper import Wrapper

#: Where sealed metadata list the checksum of each chunk, by array.
CHECKSUMS = "crc32c"
#: Bytes of a checksum, which are the last of a chunk.
CHECKSUM = 4

#: Bytes of the longest header of a frame (RFC 8878, section 3.1.1).
_HEADER = 18
_MAGIC = b"\x28\xb5\x2f\xfd"


def chunk_counts(shape: Iterable[int], chunks: Iterable[int]) -> tuple[int, ...]:
    """How many chunks an array has along each axis."""
    return tuple(-(-size // chunk) for size, chunk in zip(shape, chunks, strict=True))


def chunk_keys(array: zarr.Array[Any]) -> list[str]:
    """The names of all chunks of an array, below its own, in C order."""
    counts = chunk_counts(array.shape, array.chunks)
    return [array.metadata.encode_chunk_key(at) for at in product(*map(range, counts))]


def check_listed(name: str, found: Any, shape: Iterable[int], chunks: Iterable[int]) -> None:
    """Raise ValueError unless this is a list of checksums, one for each chunk of an array."""
    n = prod(chunk_counts(shape, chunks))
    if not (
        isinstance(found, str)
        and re.fullmatch("[0-9a-f]*", found)
        and len(found) == 2 * CHECKSUM * n
    ):
        raise ValueError(f"{name}: must list the checksums of its {n} chunks; got {shown(found)}")


def check_chunks(
    array: zarr.Array[Any],
    store: Store,
    *,
    limit: int,
    checksums: str | None = None,
    ranged: bool = True,
) -> zarr.Array[Any]:
    """An array whose chunks are compared with what the metadata say before they are unpacked.

    A chunk may unpack to `limit` bytes. `checksums` are the last four bytes of each chunk in C
    order, as hexadecimal digits. `ranged` says whether the store answers a request for more bytes
    than an object has with all of them. ValueError if it is packed in a way of which the size
    cannot be told before it is unpacked.
    """
    counts = chunk_counts(array.shape, array.chunks)
    size_of = _size_of(array)
    checked = _CheckedChunks(store, array.path, counts, limit, size_of, checksums, ranged=ranged)
    metadata: Any = array.metadata
    codecs: list[Any] = list(metadata.codecs)
    for position, codec in enumerate(codecs):
        if isinstance(codec, VLenUTF8Codec | VLenBytesCodec):
            codecs.insert(position + 1, _CheckedItems())
            metadata = replace(metadata, codecs=codecs)
            break
    path = StorePath(checked, array.path)
    return zarr.Array(zarr.AsyncArray(metadata=metadata, store_path=path))


class _CheckedChunks(Wrapper):
    """A zarr store that gives the chunks of one array; others than listed are ValueErrors."""

    def __init__(
        self,
        store: Store,
        path: str,
        counts: tuple[int, ...],
        limit: int,
        size_of: Callable[[bytes, int], int | None],
        checksums: str | None,
        *,
        ranged: bool,
    ) -> None:
        super().__init__(store)
        self._prefix = f"{path}/c"
        self._counts = counts
        self._limit = limit
        self._size_of = size_of
        self._checksums = checksums
        self._ranged = ranged

    async def get(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,  # noqa: ARG002 - chunks are read whole
    ) -> Buffer | None:
        """The bytes of a chunk."""
        # What does not compress, becomes longer by three bytes for each 128 KiB.
        most = self._limit + self._limit // 256 + 64
        part = RangeByteRequest(0, most + 1) if self._ranged else None
        found = await super().get(key, prototype, part)
        if found is None:
            return None
        data = found.to_bytes()
        size = self._size_of(data, self._limit)
        if size is None or size > self._limit or len(data) > most:
            got = "other bytes" if size is None else f"{max(size, len(data))} bytes or more"
            raise ValueError(f"{key} must unpack to at most {self._limit} bytes; got {got}")
        if self._checksums is not None:
            at = 2 * CHECKSUM * self._number(key)
            if data[-CHECKSUM:].hex() != self._checksums[at : at + 2 * CHECKSUM]:
                raise ValueError(f"{key} is not the chunk that the metadata list")
        return found

    def _number(self, key: str) -> int:
        indices = tuple(map(int, key.removeprefix(self._prefix).split("/")[1:]))
        return int(np.ravel_multi_index(indices, self._counts))


@dataclass(frozen=True)
class _CheckedItems(BytesBytesCodec):
    """Compares the number of strings in a chunk with the chunk's shape, before they are made."""

    is_fixed_size = False

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: Any) -> Buffer:
        items = int.from_bytes(chunk_bytes[:4].to_bytes(), "little")
        if items != (expected := prod(chunk_spec.shape)):
            raise ValueError(f"a chunk must have {expected} strings; got {items}")
        return chunk_bytes

    async def _encode_single(self, chunk_bytes: Buffer, chunk_spec: Any) -> Buffer | None:
        raise NotImplementedError  # arrays that are read are not written

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        return input_byte_length


def _size_of(array: zarr.Array[Any]) -> Callable[[bytes, int], int | None]:
    """What tells the size that a chunk of an array unpacks to, without unpacking it."""
    names = [type(codec).__name__ for codec in (*array.filters, *array.compressors)]
    packed = [name for name in names if name not in {"TransposeCodec", "Crc32cCodec"}]
    if array.shards is not None or len(packed) > 1 or (packed and packed[0] not in _SIZES):
        raise ValueError(
            f"{array.path} must be compressed by one of Zstandard, Blosc and gzip, or not, and not "
            f"be in shards; got {[*names, *(['shards'] if array.shards is not None else [])]}"
        )
    return _SIZES[packed[0]] if packed else lambda data, _: len(data)


def _gzip_size(data: bytes, limit: int) -> int | None:
    """The size that gzip unpacks to, or one that is larger than the limit."""
    size = 0
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            while size <= limit and (part := file.read(2**20)):
                size += len(part)
    except (OSError, EOFError, zlib.error):
        return None
    return size


def _blosc_size(data: bytes, _limit: int) -> int | None:
    """The size in the header of Blosc: the second four of its 16 bytes."""
    return int.from_bytes(data[4:8], "little") if len(data) >= 16 else None


def content_size(header: bytes) -> int | None:
    """The size that a frame of Zstandard says it unpacks to (RFC 8878, section 3.1.1.1)."""
    if header[:4] != _MAGIC or len(header) < 6:
        return None
    descriptor = header[4]
    single_segment = descriptor >> 5 & 1
    start = 5 + (not single_segment) + (0, 1, 2, 4)[descriptor & 3]
    length = (single_segment, 2, 4, 8)[descriptor >> 6]
    field = header[start : start + length]
    if length == 0 or len(field) < length:
        return None
    return int.from_bytes(field, "little") + (256 if length == 2 else 0)


_SIZES: dict[str, Callable[[bytes, int], int | None]] = {
    "ZstdCodec": lambda data, _: content_size(data[:_HEADER]),
    "BloscCodec": _blosc_size,
    "GzipCodec": _gzip_size,
}
