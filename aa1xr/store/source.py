"""What a user names as source or data directory: a path of this machine, or the URL of a store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import zarr.abc.store

from aa1xr import arguments
from aa1xr.archive.files import PACKED
from aa1xr.arguments import shown
from aa1xr.printable import without_secrets
from aa1xr.store.location import is_path, is_url, path_of_file_url, resolve

#: What is left of a URL that went through a Path: one slash. No drive of Windows has two letters.
_SINGLE_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")

#: A variable as shells write it; "$" at the end of a name, as of Windows shares, is none.
_VARIABLE = re.compile(r"\$(?:\w|\{)|%\w+%")

#: URLs of what lies in a zip or tar begin so.
_IN_ARCHIVE = ("zip", "tar", "libarchive")


def find_source(source: Any, name: str = "source") -> Path | str | zarr.abc.store.Store:
    """The path that `source` names, the URL of a store, or a zarr store."""
    place = resolve(name, source)
    if is_path(place):
        return Path(place)
    if is_url(place):
        check_store_url(name, place)
    return place


def find_folder(name: str, value: Any) -> Path:
    """The folder of this machine that a data directory is named by."""
    folder = arguments.path(name, value)
    if (local := path_of_file_url(name, folder)) is not None:
        return Path(local).absolute()
    if is_url(folder) or _SINGLE_SLASH.match(folder):
        raise ValueError(
            f"{name}={_unsigned(folder)!r} is a URL; expected a folder of this machine, in which "
            "stores are built. aa1xr.copy_store puts a store at a URL, and aa1xr.open reads it "
            "there"
        )
    path = arguments.expand_user(name, folder)
    absolute = folder.startswith("~") or Path(folder).is_absolute()
    if _VARIABLE.search(folder) and not (absolute and path.is_dir()):
        raise ValueError(
            f"{name}={shown(folder)} has a variable in it that was not expanded, as happens "
            "in single quotes and in files that no shell reads; write the path itself, or pass "
            "os.path.expandvars(...)"
        )
    return path


def check_store_url(name: str, url: str) -> None:
    """Refuse a URL of an archive, or with a query, which signs one object alone."""
    parts = url.split("::")
    if parts[0].partition("://")[0] in _IN_ARCHIVE:
        return
    last = parts[-1]
    bare = _unsigned(last)
    name_of_copy = bare.rstrip("/").rpartition("/")[2]
    if name_of_copy.lower().endswith(PACKED):
        raise ValueError(
            f"{name}={bare!r} is the URL of an archive, and only stores are read at URLs. Download "
            f"the archive, and open the copy on this machine: aa1xr.open({name_of_copy!r}). "
            "aa1xr.open(download=True) fetches it from CRCNS; aa1xr.copy_store puts its store at a "
            "URL"
        )
    if bare != last and last.startswith(("http://", "https://")):
        raise ValueError(
            f"{name}={bare!r} with a query (?...) is the URL of one object, such as a presigned "
            "one, but a store is many objects below its URL. Use the URL without a query, and "
            "what gives access as storage_options; or copy the store to this machine"
        )


def _unsigned(url: str) -> str:
    """A URL without what may be a secret of its user."""
    return without_secrets(url.partition("?")[0]) if "://" in url else url
