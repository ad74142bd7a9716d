import lzma
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from aa1xr import ArchiveError
from aa1xr.archive.files import open_files
from tests.archive.read_all import read_all

BZIP2, LZMA = zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA


def packed(path, files, method):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def marked(path, *, flags=0, method=None, local=True):
    """Mark every member as encrypted, or compressed by a method, in both its headers."""
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(signature)
        while start >= 0 and (local or signature != b"PK\x03\x04"):
            data[start + at] |= flags
            if method is not None:
                data[start + at + 2 : start + at + 4] = struct.pack("<H", method)
            start = data.find(signature, start + 1)
    path.write_bytes(data)


def stored(path, files, method, pack):
    """A zip of a method that zipfile does not write, of data packed by `pack`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            archive.writestr(info, pack(data))
    marked(path, method=method)
    data = bytearray(path.read_bytes())
    start = 0
    for content in files.values():
        start = data.find(b"PK\x01\x02", start + 1)
        data[start + 16 : start + 20] = struct.pack("<I", zlib.crc32(content))
        data[start + 24 : start + 28] = struct.pack("<I", len(content))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, BZIP2, LZMA])
def test_read_member__the_methods_of_zipfile(tiny, pack, tmp_path, method):
    assert read_all(packed(tmp_path / "a.zip", tiny, method)) == read_all(pack(tiny, "zip"))


def test_read_member__xz(tiny, pack, tmp_path):
    assert read_all(stored(tmp_path / "a.zip", tiny, 95, lzma.compress)) == read_all(
        pack(tiny, "zip")
    )


def test_read_member__zstandard_where_python_has_it(tiny, pack, tmp_path):
    try:
        from compression import zstd
    except ImportError:
        path = stored(tmp_path / "a.zip", tiny, 93, bytes)
        with pytest.raises(ArchiveError, match=r"Zstandard \(method 93\), which this Python lacks"):
            read_all(path)
    else:
        path = stored(tmp_path / "a.zip", tiny, 93, zstd.compress)
        assert read_all(path) == read_all(pack(tiny, "zip"))


@pytest.mark.parametrize("method", [BZIP2, LZMA])
def test_read_member__not_beyond_what_is_declared(tmp_path, method):
    path = packed(tmp_path / "bomb.zip", {"bomb": bytes(20 * 2**20)}, method)
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(data)
    with open_files(path) as files:
        tracemalloc.start()
        try:
            with pytest.raises(ArchiveError, match="bomb"):
                files.read("bomb")
            # LZMA keeps a dictionary of 8 MiB.
            assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("method", [BZIP2, LZMA])
def test_read_member__a_flipped_bit_is_refused_or_right(tiny, tmp_path, method):
    path = packed(tmp_path / "a.zip", tiny, method)
    right = read_all(path)
    data = path.read_bytes()
    refused = 0
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position * 5 % 8
        path.write_bytes(damaged)
        try:
            assert read_all(path) == right, position
        except ArchiveError:
            refused += 1
    assert refused > len(data) / 14


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"method": 9}, r"compressed by Deflate64 \(method 9\)"),
        ({"method": 98}, r"compressed by PPMd \(method 98\)"),
        ({"method": 77}, r"compressed by an unknown method \(method 77\)"),
        ({"flags": 1}, "it is encrypted"),
        ({"flags": 1, "method": 99}, "it is encrypted"),
    ],
)
def test_read_member__what_python_cannot_read_is_not_called_damaged(tiny, pack, change, says):
    path = pack(tiny, "zip")
    marked(path, **change)
    with pytest.raises(ArchiveError, match=rf"member '.*' cannot be read: .*{says}") as info:
        read_all(path)
    assert "Unpack the zip with the program that made it" in str(info.value)
    assert "damaged" not in str(info.value)


@pytest.mark.parametrize("change", [{"method": 9}, {"flags": 1}])
def test_read_member__headers_that_disagree_may_be_damage(tiny, pack, change):
    path = pack(tiny, "zip")
    marked(path, **change, local=False)
    with pytest.raises(ArchiveError, match="not by its own header, so it may be damaged"):
        read_all(path)


def test_read_member__documents_that_cannot_be_read_are_of_no_account(tiny, pack):
    right = read_all(pack(tiny, "zip"))
    path = pack(tiny | {"README.txt": b"secret"}, "zip")
    data = bytearray(path.read_bytes())
    for signature, at, name in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        place = data.find(b"README.txt", data.find(signature) + 1)
        while data[place - name : place - name + 4] != signature:
            place = data.find(b"README.txt", place + 1)
        data[place - name + at] |= 1
    path.write_bytes(data)
    assert read_all(path) == right
