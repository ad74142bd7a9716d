"""What a file is that is not the zip it was taken for, and what to do with it."""

from __future__ import annotations

from pathlib import Path

_UNPACK = "unpack it ({how}), then open the folder that comes out"
_TAR = _UNPACK.format(how="`tar -xf`")

#: First bytes, what such a file is, and what to do.
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "a gzip file (.tar.gz, .tgz or .gz)", _TAR),
    (b"BZh", "a bzip2 file (.tar.bz2 or .bz2)", _TAR),
    (b"\xfd7zXZ\0", "an xz file (.tar.xz or .xz)", _TAR),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file (.tar.zst or .zst)", _TAR),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive (.7z)", _UNPACK.format(how="`7z x`")),
    (b"Rar!\x1a\x07", "a RAR archive (.rar)", _UNPACK.format(how="`unrar x`")),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (NetCDF 4, NWB or .h5)",
     "xarray.open_dataset opens a Dataset that was saved so"),
    (b"CDF", "a NetCDF file", "xarray.open_dataset opens a Dataset that was saved so"),
    (b"RIFF", "a sound (.wav)", "open the folder or zip that holds the whole archive"),
    (b"%PDF", "a PDF document", "open the folder or zip that holds the archive"),
    (b"bplist00", "what macOS leaves of a file that is in iCloud only",
     "download it there (in Finder: Download Now), then open it"),
    (b"version https://git-lfs", "a Git LFS pointer to the file", "fetch the file: `git lfs pull`"),
    (b"/annex/objects", "a git-annex pointer to the file", "fetch the file: `git annex get`"),
)  # fmt: skip


def describe_file(path: Path) -> str | None:
    """Say what a file is that is not a zip, and the next step; None if nobody knows."""
    with path.open("rb") as file:
        start = file.read(1024)
    if not start:
        return "an empty file; fetch it again"
    if path.name == "zarr.json":
        return (
            f"a part of the store {path.parent}; open the store: aa1xr.open({str(path.parent)!r})"
        )
    for signature, what, todo in _SIGNATURES:
        if start.startswith(signature):
            return f"{what}, not a zip; {todo}"
    if start[257:262] == b"ustar":
        return f"a tar file (.tar), not a zip; {_TAR}"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return (
            "a web page, not a zip: a download without a login at CRCNS gives such a page. Log in "
            "there, or call aa1xr.open(download=True), and fetch it again"
        )
    return None


def describe_method(method: int) -> str:
    """The name of a compression method of zip files."""
    return f"{_METHODS.get(method, 'an unknown method')} (method {method})"


_METHODS = {
    1: "Shrink", 2: "Reduce", 3: "Reduce", 4: "Reduce", 5: "Reduce", 6: "Implode",
    9: "Deflate64", 10: "IBM TERSE", 12: "BZip2", 14: "LZMA", 16: "IBM z/OS CMPSC", 18: "IBM TERSE",
    19: "IBM LZ77", 20: "Zstandard", 93: "Zstandard", 94: "MP3", 95: "XZ", 96: "JPEG",
    97: "WavPack", 98: "PPMd", 99: "AES encryption",
}  # fmt: skip
