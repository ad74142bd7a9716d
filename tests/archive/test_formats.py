import bz2
import gzip
import lzma
import tarfile

import pytest

from aa1xr import ArchiveError
from tests.archive.read_all import read_all

CONTENTS = {
    "a.tar.gz": (gzip.compress(b"x"), "a gzip file.*not a zip; unpack it"),
    "a.tar.bz2": (bz2.compress(b"x"), "a bzip2 file.*unpack it"),
    "a.tar.xz": (lzma.compress(b"x"), "an xz file.*unpack it"),
    "a.tar.zst": (b"\x28\xb5\x2f\xfd\0", "a Zstandard file"),
    "a.7z": (b"7z\xbc\xaf\x27\x1c\0\4", "a 7-Zip archive.*`7z x`"),
    "a.rar": (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
    "a.nc": (b"\x89HDF\r\n\x1a\n", "an HDF5 file.*xarray.open_dataset"),
    "b.nc": (b"CDF\x01", "a NetCDF file"),
    "a.wav": (b"RIFF\0\0\0\0WAVE", "a sound"),
    "a.icloud": (b"bplist00", "in iCloud only.*Download Now"),
    "lfs.zip": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "login.zip": (b"\n <!DOCTYPE html><title>Log in</title>", "a web page.*Log in"),
    "empty.zip": (b"", "an empty file; fetch it again"),
    "zarr.json": (b"{}", r"a part of the store .*; open the store: aa1xr.open\("),
}


@pytest.mark.parametrize(("name", "content"), CONTENTS.items(), ids=CONTENTS.keys())
def test_describe_file__names_what_it_is(tmp_path, name, content):
    path = tmp_path / name
    data, says = content
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=says) as info:
        read_all(path)
    assert str(path) in str(info.value)
    assert "broke off" not in str(info.value)


def test_describe_file__a_real_tar(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "x", "x")
    with pytest.raises(ArchiveError, match=r"a tar file.*unpack it"):
        read_all(tmp_path / "a.tar")
