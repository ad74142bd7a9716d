"""Chunks that may not unpack to more than they should: memory is taken after sizes are compared."""

from __future__ import annotations

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest, Store
from zarr.storage import WrapperStore

#: Bytes of the longest header of a frame (RFC 8878, section 3.1.1).
_HEADER = 18
_MAGIC = b"\x28\xb5\x2f\xfd"


class Bounded(WrapperStore[Store]):
    """A zarr store whose chunks, compressed by Zstandard, unpack to `limit` bytes at most.

    Others are ValueErrors, as the codecs raise them.
    """

    def __init__(self, store: Store, limit: int) -> None:
        super().__init__(store)
        self._limit = limit

    def _with_store(self, store: Store) -> Bounded:
        return type(self)(store, self._limit)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The bytes of a chunk."""
        found = await super().get(key, prototype, byte_range)
        if found is not None:
            size = content_size(found[:_HEADER].to_bytes())
            if size is None or size > self._limit:
                got = "no Zstandard" if size is None else f"{size} bytes"
                raise ValueError(f"{key} must unpack to at most {self._limit} bytes; got {got}")
        return found


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
