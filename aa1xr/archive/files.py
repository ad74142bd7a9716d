"""Where the archive's files come from: a zip, read in place, or an extracted folder.

This is the one seam where formats vary; everything above sees names and bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol

from aa1xr import arguments
from aa1xr.archive.formats import describe_file
from aa1xr.archive.system_files import evicted, is_junk
from aa1xr.archive.unpack import UnreadableMethodError, read_member
from aa1xr.errors import ArchiveError, DataNotFoundError
from aa1xr.printable import one_line

#: The archive's name, at CRCNS and in the data directory.
ARCHIVE = "crcns-aa1.zip"

#: How the names of packed files end.
PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar")

#: Names of zip members that lead elsewhere, or to one place by two names.
_UNSAFE = re.compile(r":(?!Zone\.Identifier$)|^/|//|/\.(?:/|$)|(?:^|/)\.\.(?:/|$)")

#: The folders that hold data, wherever they lie, and the note of a simulation.
_DATA = re.compile(r"(?:^|/)(?:all_stims/|[^/]+_cells/|simulation\.json$)")

#: No file of AA1 is above 200 kB; a trial of a million spikes is 12 MB.
_LARGEST_FILE = 64 * 2**20
#: A simulated archive of 10,000 neurons has 0.4 GB.
_LARGEST_ARCHIVE = 4 * 10**9
#: Spike text deflates by about 4. Only a bomb unpacks to 200 times its size.
_LARGEST_RATIO = 200


class Files(Protocol):
    """Named files, by path relative to the archive, with "/" between parts."""

    path: Path
    names: list[str]  #: files, sorted
    empty_folders: list[str]

    def read(self, name: str) -> bytes:
        """The bytes of one file."""

    def check(self, name: str) -> None:
        """Refuse a file that only goes by this name because its own is damaged."""

    def other_contents(self) -> str:
        """What there is in the place of data, and the next step; "" if nobody knows."""

    def close(self) -> None:
        """Let go of the file handle."""


@contextmanager
def open_files(path: str | os.PathLike[str]) -> Iterator[Files]:
    """Open the zip or folder at `path`, or the zip that is all that a folder holds."""
    path = _existing(path)
    files: Files = _Folder(path) if path.is_dir() else _Zip(path)
    try:
        yield files
    finally:
        files.close()


def identity(path: str | os.PathLike[str]) -> str:
    """A SHA-256 that changes when the archive does.

    A zip's is that of its bytes. A folder's is over the names, sizes and modification times of
    its files of data, since reading 5,800 of them to see whether one changed takes as long as
    building. Other files may come and go, the notebooks and stores of a user among them.
    """
    path = _existing(path)
    if not path.is_dir():
        if (size := path.stat().st_size) > _LARGEST_ARCHIVE:  # before minutes of reading
            raise ArchiveError(
                f"{one_line(path)}: has {size / 1e9:.0f} GB; AA1 has 7 MB, and archives of at "
                f"most {_LARGEST_ARCHIVE / 1e9:.0f} GB are read"
            )
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for name in filter(_DATA.search, _Folder(path).names):
        try:
            found = (path / name).stat()  # of the file itself where this is a link
        except OSError as error:
            _raise(error)
        digest.update(os.fsencode(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n"))
    return digest.hexdigest()


def _existing(path: str | os.PathLike[str]) -> Path:
    path = arguments.expand_user("source", path)
    if not path.exists():
        raise DataNotFoundError(
            f"{one_line(path)}: no such file or folder; expected the AA1 zip or folder, or a store"
        )
    if not (path.is_file() or path.is_dir()):  # a pipe, which might be waited for for ever
        raise ArchiveError(
            f"{one_line(path)}: neither a file nor a folder; expected the AA1 zip or folder"
        )
    return _only_zip(path) if path.is_dir() else path


def find_zips(folder: Path) -> list[Path]:
    """The zips in a folder that go by the archive's name, as browsers vary it; else all zips."""
    zips = [
        folder / entry.name
        for entry in _entries(folder)
        if entry.name.lower().endswith(".zip") and not is_junk(entry.name) and entry.is_file()
    ]
    named = [path for path in zips if path.name.lower().startswith(ARCHIVE.removesuffix(".zip"))]
    return sorted(named or zips)


def _only_zip(folder: Path) -> Path:
    """The zip in a folder that holds no data but this zip; else the folder."""
    zips = find_zips(folder)
    if not zips or any(_DATA.search(name) for name in _Folder(folder).names):
        return folder
    if len(zips) > 1:
        names = ", ".join(one_line(path.name) for path in zips)
        raise ArchiveError(f"{one_line(folder)}: holds several zips, {names}; pass one of them")
    return zips[0]


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
            if (what := describe_file(path)) is not None:
                raise ArchiveError(f"{one_line(path)}: {what}. Expected crcns-aa1.zip") from error
            raise ArchiveError(
                f"{one_line(path)}: not a complete zip file ({error}); expected crcns-aa1.zip. A "
                "download that broke off looks like this: fetch it again."
            ) from error
        members = self._zip.infolist()
        #: PowerShell 4 and older .NET write "\\" between the parts of a name.
        names = [info.filename.replace("\\", "/") for info in members]
        self._written = {
            name: info.filename
            for name, info in zip(names, members, strict=True)
            if name != info.filename
        }
        try:
            self._check(members, names)
        except BaseException:
            self.close()
            raise
        files = [name for name in names if not name.endswith("/")]
        folders = [name for name in names if name.endswith("/")]
        self.names, self.empty_folders = _sorted(files, folders)

    def _check(self, members: list[zipfile.ZipInfo], names: list[str]) -> None:
        """Refuse what no honest archive holds, before a byte of it is unpacked."""
        # A damaged directory of the zip can hide members, which zipfile would not notice.
        if (declared := self._declared()) not in (len(members) % 2**16, 2**16 - 1):
            raise ArchiveError(
                f"{one_line(self.path)}: lists {len(members)} members, but says it has "
                f"{declared}; the zip is damaged: fetch it again"
            )
        for info, name in zip(members, names, strict=True):
            # Most names have none of these, and the expression takes longer.
            suspicious = ":" in name or "/." in name or "//" in name or name.startswith(("/", "."))
            if (suspicious and _UNSAFE.search(name)) or stat.S_ISLNK(info.external_attr >> 16):
                raise ArchiveError(
                    f"{self._where(info)} points outside the archive; this zip is not safe"
                )
            if info.file_size > _LARGEST_FILE:
                raise ArchiveError(
                    f"{self._where(info)} unpacks to {info.file_size} bytes; expected at most "
                    f"{_LARGEST_FILE}"
                )
        total = sum(info.file_size for info in members)
        if total > max(_LARGEST_FILE, _LARGEST_RATIO * self.path.stat().st_size):
            raise ArchiveError(
                f"{one_line(self.path)}: unpacks to {total} bytes, over {_LARGEST_RATIO} times "
                "its size; this is not an AA1 archive"
            )
        if len(set(names)) < len(names):
            seen: set[str] = set()
            for info, name in zip(members, names, strict=True):
                if name in seen:
                    raise ArchiveError(
                        f"{self._where(info)} is there twice; expected each name once"
                    )
                seen.add(name)

    def _declared(self) -> int:
        """The number of members in the zip's last record; 65535 where that is too many for it."""
        with self.path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2**16 - 22))
            tail = file.read()
        last = tail.rfind(b"PK\x05\x06")
        return int.from_bytes(tail[last + 10 : last + 12], "little")

    def _where(self, info: zipfile.ZipInfo) -> str:
        return f"{one_line(self.path)}: member {info.filename!r}"

    def _member(self, name: str) -> zipfile.ZipInfo:
        return self._zip.getinfo(self._written.get(name, name))

    def read(self, name: str) -> bytes:
        info = self._member(name)
        # Bounded, since a member may unpack to more than it declares; and by one byte more than
        # that, since the CRC is checked at the end.
        return self._read(info, info.file_size + 1)

    def check(self, name: str) -> None:
        # No checksum is of the names; but each is there twice, and zipfile compares them.
        info = self._member(name)
        try:
            self._read(info, 0)
        except ArchiveError as error:
            if not isinstance(error.__cause__, UnreadableMethodError):
                raise

    def _read(self, info: zipfile.ZipInfo, size: int) -> bytes:
        try:
            return read_member(self._zip, info, size)
        except UnreadableMethodError as error:
            raise ArchiveError(
                f"{self._where(info)} cannot be read: {error}. Unpack the zip with the program "
                "that made it, and open the folder"
            ) from error
        except Exception as error:  # zipfile and the codecs raise what they like about damage
            raise ArchiveError(
                f"{self._where(info)} cannot be read ({error}); the zip is damaged: fetch it again"
            ) from error

    def other_contents(self) -> str:
        names = (name.replace("\\", "/") for name in self._zip.namelist())
        if any(name.rpartition("/")[2] == "zarr.json" for name in names):
            return f"It holds a Zarr store: unpack it and open the folder, or zip://::{one_line(self.path)}"
        return _nested(self.names)

    def close(self) -> None:
        self._zip.close()


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.empty_folders: list[str] = []
        folders = [""]
        # No os.walk, which runs out of stack in deep folders and passes over links in silence.
        for folder in folders:
            for entry in _entries(path / folder):
                name = f"{folder}{entry.name}"
                if (away := evicted(name)) is not None:
                    raise ArchiveError(
                        f"{one_line(path / folder / away)}: in iCloud, and not on this machine; "
                        "download the folder there (in Finder: Download Now), then open it"
                    )
                if is_junk(entry.name):  # not looked into: nobody else may read lost+found
                    continue
                if not _is_folder(entry):
                    self.names.append(name)
                elif entry.is_symlink():
                    raise ArchiveError(
                        f"{one_line(path / name)}: a link to a folder, which is not followed; "
                        "put the folder itself there"
                    )
                else:
                    folders.append(f"{name}/")
        self.names, self.empty_folders = _sorted(self.names, folders[1:])

    def read(self, name: str) -> bytes:
        path = self.path / name
        try:
            if not path.is_file():
                raise ArchiveError(f"{one_line(path)}: not a regular file")
            if path.stat().st_size > _LARGEST_FILE:
                raise ArchiveError(f"{one_line(path)}: larger than {_LARGEST_FILE} bytes")
            return path.read_bytes()
        except OSError as error:
            _raise(error)

    def check(self, name: str) -> None:
        pass

    def other_contents(self) -> str:
        stores = sorted(entry.name for entry in _entries(self.path) if entry.name.endswith(".zarr"))
        if stores:
            return (
                f"It holds the store {one_line(stores[0])}: open {one_line(self.path / stores[0])}"
            )
        return _nested(self.names)

    def close(self) -> None:
        pass


def _nested(names: list[str]) -> str:
    packed = [name for name in names if name.lower().endswith(PACKED)]
    return f"It holds {one_line(packed[0])}: unpack that, and open what comes out" if packed else ""


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        _raise(error)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _sorted(files: list[str], folders: list[str]) -> tuple[list[str], list[str]]:
    """The names of files, and of folders without any, but for junk; those of folders end in "/"."""
    names = sorted(name for name in files if not is_junk(name))
    empty = []
    for folder in sorted(folders):
        first = bisect_left(names, folder)
        filled = first < len(names) and names[first].startswith(folder)
        if not filled and not is_junk(folder):
            empty.append(folder.rstrip("/"))
    return names, empty


def _raise(error: OSError) -> NoReturn:
    raise ArchiveError(f"{one_line(error.filename)}: cannot be read ({error.strerror})") from error
