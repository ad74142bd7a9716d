"""Read members of a zip, never more of one than it says it holds.

`zipfile` bounds what it unpacks for Deflate alone; a few kB of the other methods may unpack to
gigabytes at once. Those are read here as they are stored, and unpacked with a limit.
"""

from __future__ import annotations

import copy
import struct
import zipfile
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from aa1xr.archive.formats import describe_method

#: Most memory that the dictionary of an LZMA or XZ stream may take.
_MOST_MEMORY = 2**28
_XZ, _ZSTD = 95, 93
_ENCRYPTED = 0x1
_AES = 99


class UnreadableMethodError(Exception):
    """A member that is not damaged, but that Python cannot read; the message says why."""


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> bytes:
    """The first `size` bytes of a member.

    UnreadableMethodError if it is encrypted, or compressed by a method that this Python does not
    have; `zipfile` and the decompressors raise whatever they like about damage.
    """
    if info.flag_bits & _ENCRYPTED or info.compress_type == _AES:
        raise UnreadableMethodError(f"it is encrypted{_doubt(archive, info)}")
    if info.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        with archive.open(info) as file:
            return file.read(size)
    unpack = _decompressor(archive, info)
    stored = copy.copy(info)
    stored.compress_type = zipfile.ZIP_STORED
    stored.file_size = info.compress_size
    del stored.CRC  # it is of the unpacked bytes
    with archive.open(stored) as file:
        packed = file.read()
    data = unpack(packed, size)
    if size > info.file_size and (len(data), zlib.crc32(data)) != (info.file_size, info.CRC):
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return data


def _decompressor(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[bytes, int], bytes]:
    makers: dict[int, Callable[[bytes, int], bytes]] = {
        zipfile.ZIP_BZIP2: _unpack_bzip2,
        zipfile.ZIP_LZMA: _unpack_lzma,
        _XZ: _unpack_xz,
        _ZSTD: _unpack_zstd,
    }
    name = describe_method(info.compress_type)
    if info.compress_type not in makers:
        raise UnreadableMethodError(f"it is compressed by {name}{_doubt(archive, info)}")

    def unpack(data: bytes, size: int) -> bytes:
        try:
            return makers[info.compress_type](data, size)
        except ImportError as error:
            raise UnreadableMethodError(
                f"it is compressed by {name}, which this Python lacks ({error})"
            ) from error

    return unpack


# Modules are imported where they are used: a Python may have been built without one.


def _unpack_bzip2(data: bytes, size: int) -> bytes:
    import bz2

    return bz2.BZ2Decompressor().decompress(data, size)


def _unpack_xz(data: bytes, size: int) -> bytes:
    import lzma

    return lzma.LZMADecompressor(memlimit=_MOST_MEMORY).decompress(data, size)


def _unpack_zstd(data: bytes, size: int) -> bytes:
    zstd: Any = import_module("compression.zstd")  # from Python 3.14 on
    unpacked: bytes = zstd.ZstdDecompressor().decompress(data, size)
    return unpacked


def _unpack_lzma(data: bytes, size: int) -> bytes:
    """Zip's LZMA is the old .lzma format with another header."""
    import lzma

    _, n_properties = struct.unpack_from("<HH", data)
    header = data[4 : 4 + n_properties] + b"\xff" * 8  # of unknown length
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MOST_MEMORY)
    return decompressor.decompress(header + data[4 + n_properties :], size)


def _doubt(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """Say so where the header beside the member disagrees with the directory of the zip."""
    assert archive.fp is not None  # noqa: S101 - for type checkers: the zip is open
    archive.fp.seek(info.header_offset)
    header = archive.fp.read(10).ljust(10, b"\0")
    flags, method = struct.unpack("<HH", header[6:10])
    if (flags & _ENCRYPTED, method) == (info.flag_bits & _ENCRYPTED, info.compress_type):
        return ""
    return " by the directory of the zip, though not by its own header, so it may be damaged"
