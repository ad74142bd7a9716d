"""Fetch the archive from CRCNS: once, going on where it broke off, and only if it is good."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from aa1xr.archive.credentials import find_credentials, on_terminal
from aa1xr.archive.files import ARCHIVE, open_files
from aa1xr.archive.partial import Part, Version, as_size
from aa1xr.archive.portal import Portal, persistent
from aa1xr.archive.read import Archive
from aa1xr.archive.session import BY_HAND, TemporaryError
from aa1xr.atomic import discard, is_regular, locked
from aa1xr.citation import TERMS
from aa1xr.errors import ArchiveError, DownloadError, WaitingWarning
from aa1xr.messages import logger, warn
from aa1xr.printable import one_line

#: Written beside the archive once the terms have been shown and accepted.
ACCEPTED = "crcns-terms-accepted.txt"

#: Read at most so much at a time, and written before more is read, so that a kill loses little.
_PIECE = 2**16

#: The archive has 17 MB; a server that sends more than this does not send AA1.
_LARGEST = 10**9

#: Seconds after which a transfer of fewer bytes/s than _SLOW is reported.
_PATIENCE, _SLOW = 60, 10_000


def download(
    target: Path,
    *,
    username: str | None = None,
    password: str | None = None,
    accept_terms: bool = False,
) -> None:
    """Fetch the AA1 archive to `target`, as `aa1xr.open` says, unless a good one is there."""
    if target.exists() and damage(target) is None:
        return
    if target.is_dir() and not target.is_symlink():
        raise DownloadError(
            f"{one_line(target)} must be a file; got a folder, which is not the archive of AA1. "
            "Move it elsewhere, or choose another place with data_dir= or $AA1XR_DATA_DIR"
        )
    portal = Portal()
    _agree(target.with_name(ACCEPTED), accept_terms)
    credentials = find_credentials(username, password, host=portal.host)

    with locked(target), portal:
        if target.exists():  # another process may have fetched it while this one waited
            if (damaged := damage(target)) is None:
                return
            logger.warning("%s; fetching it again", damaged)
        portal.login(credentials)
        size = _listed_size(portal.read("filelist.txt") or "")
        md5 = _listed_md5(portal.read("checksums.md5") or "")
        part = Part(target)
        # disable=None: not where standard error is no terminal.
        with tqdm(
            desc=f"downloading {ARCHIVE}", unit="B", unit_scale=True, delay=1, disable=None
        ) as bar:
            _fetch_rest(portal, part, size, bar)
        if (damaged := damage(part.path, size=size, md5=md5)) is not None:
            part.discard()
            raise DownloadError(
                f"{damaged}. This is of what has just come from CRCNS, and it was removed. Fetch "
                "it once more; if it comes damaged again, tell CRCNS, or see whether something on "
                f"the way changes files. {BY_HAND}"
            )
        part.finish()


def damage(path: Path, *, size: int | None = None, md5: str | None = None) -> str | None:
    """What is wrong with the archive at `path`; None if it is good.

    Size and MD5 are what CRCNS lists, if it does. Whatever it lists, every member must match its
    CRC in the zip, and every wav the MD5 that it is named by.
    """
    if size not in {None, found := path.stat().st_size}:
        return f"{one_line(path)}: {found} bytes, but filelist.txt of CRCNS says {size}"
    if md5 is not None and (digest := _md5(path)) != md5:
        return f"{one_line(path)}: its MD5 is {digest}, but checksums.md5 of CRCNS says {md5}"
    try:
        with open_files(path) as files:
            for name in files.names:
                files.read(name)
            Archive(files).sounds()
    except ArchiveError as error:
        return str(error).rstrip(".")
    return None


def _agree(accepted: Path, accept_terms: bool) -> None:
    """Go on only if the terms are accepted, which is noted so that they are shown once."""
    if is_regular(accepted):
        return
    if not (accept_terms or _going_on()):
        raise DownloadError(
            f"{TERMS}\nTo accept these terms and download, call aa1xr.open(download=True, "
            "accept_terms=True), or aa1xr download --accept-terms. Nothing was sent yet."
        )
    accepted.parent.mkdir(parents=True, exist_ok=True)
    discard(accepted)  # a link would be followed
    with accepted.open("xb") as file:
        file.write(TERMS.encode())


def _going_on() -> bool:
    """Whether somebody at a terminal, shown the terms, goes on."""
    if not on_terminal():
        return False
    print(f"{TERMS}\nPress Enter to accept and go on, Ctrl-C to stop. ", file=sys.stderr)
    try:
        input()
    except EOFError:
        return False
    return True


@persistent
def _fetch_rest(portal: Portal, part: Part, size: int | None, bar: Any) -> None:
    """Fetch what is missing of the file, or all of it where that cannot be asked for."""
    if part.size and part.version and part.size == (part.version.size or size):
        return
    try:
        with portal.stream(ARCHIVE, part.request()) as response:
            version = Version.of(response.status_code, response.headers)
            if response.status_code == 200:
                part.start(version)
            elif not part.continues(response.status_code, response.headers):
                part.discard()
                raise TemporaryError("CRCNS has another file now than when the transfer began")
            total = version.size or size
            _check_size(total or 0, size)
            bar.total, bar.n = total, part.size
            _check_space(part, total or 0)
            for piece in _pieces(response):
                _check_size(part.size + len(piece), total)
                part.append(piece)
                bar.update(len(piece))
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{one_line(error.filename or part.path)} cannot be written ({error.strerror}). Free "
            "some space there, or choose another place with data_dir= or $AA1XR_DATA_DIR. What "
            "has come is kept, and the next call goes on from there."
        ) from error
    if total and part.size < total:
        raise TemporaryError(f"the archive broke off after {part.size} of {total} bytes")


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives; requests' own iterator holds back what does not fill a piece."""
    begin, n_bytes, told = time.monotonic(), 0, False
    try:
        while piece := response.raw.read1(_PIECE, decode_content=False):
            yield piece
            n_bytes += len(piece)
            seconds = time.monotonic() - begin
            if not told and seconds > _PATIENCE and n_bytes < _SLOW * seconds:
                told = True
                warn(
                    f"the transfer from CRCNS is slow ({n_bytes / seconds / 1000:.1f} kB/s). "
                    "Ctrl-C is safe: the next call continues where this one stops.",
                    WaitingWarning,
                )
    except HTTPError as error:
        raise TemporaryError(f"the archive broke off ({type(error).__name__})") from error


def _check_size(found: int, listed: int | None) -> None:
    """Refuse more bytes than CRCNS lists, or than AA1 can have."""
    largest = min(listed or _LARGEST, _LARGEST)
    if found > largest:
        raise DownloadError(
            f"{ARCHIVE}: expected at most {largest} bytes; CRCNS sends {found} or more. Nothing of "
            f"it is used. {BY_HAND}"
        )


def _check_space(part: Part, total: int) -> None:
    # The store that is built next is smaller than the archive.
    needed = 2 * total - part.size
    free = shutil.disk_usage(part.path.parent).free
    if free < needed:
        raise DownloadError(
            f"{one_line(part.path.parent)}: {free / 1e6:.0f} MB are free, but the archive and its "
            f"store need {needed / 1e6:.0f} MB. Free some space there, or choose another place "
            "with data_dir= or $AA1XR_DATA_DIR."
        )


def _listed_size(filelist: str) -> int | None:
    """Bytes of the archive: lines of "<space or +><path> <bytes>", and # for comments."""
    for line in filelist.splitlines():
        words = line.lstrip(" +").split()
        if len(words) > 1 and _is_archive(words[0]) and (size := as_size(words[1])) is not None:
            return size
    return None


def _listed_md5(checksums: str) -> str | None:
    """MD5 of the archive: lines of "<md5>  <path>", as md5sum writes them."""
    for line in checksums.splitlines():
        words = line.split()
        if len(words) == 2 and _is_archive(words[1]):
            return words[0].lower()
    return None


def _is_archive(path: str) -> bool:
    return path.lstrip("*").rpartition("/")[2] == ARCHIVE


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
