"""Names that belong to operating systems, disks and synchronisation, not to an archive."""

from __future__ import annotations

import re
from functools import lru_cache

#: Any hidden file or folder (.DS_Store, .Trash-1000, .Spotlight-V100, .stversions, ._x, ...), and
#: the visible ones of macOS, Linux, Windows, network disks, Syncthing and this package.
_JUNK = re.compile(
    r"""(?:^|/)(?:
        \.(?!\.?(?:/|$))[^/]*
        | __MACOSX | Icon\r | Network\ Trash\ Folder | Temporary\ Items
        | lost\+found
        | Thumbs\.db(?::encryptable)? | ehthumbs(?:_vista)?\.db | desktop\.ini
        | \$RECYCLE\.BIN | RECYCLER | RECYCLED | System\ Volume\ Information
        | @eaDir | @Recycle | @Recently-Snapshot | \#recycle | \#snapshot
        | [^/]*@Syno(?:EAStream|Resource) | [^/]*:Zone\.Identifier
        | ~syncthing~[^/]*
        | [^/]+\.zarr
    )(?:/|$)""",
    re.VERBOSE | re.IGNORECASE,
)

#: Copies that Dropbox, OneDrive and Syncthing make of a file that two machines changed.
_CONFLICT = re.compile(
    r"conflicted copy|case conflict|selective sync conflict|\.sync-conflict-", re.IGNORECASE
)

#: iCloud puts such a file in the place of one that is no longer on this machine.
_EVICTED = re.compile(r"(?:^|/)\.(?P<name>[^/]+)\.icloud$")


def is_junk(name: str) -> bool:
    """Whether a file or folder, by its path with "/" between parts, is not of the archive."""
    if "\n" in name:  # before which "$" is an end, too
        return _JUNK.search(name) is not None
    return any(map(_is_junk_part, name.split("/")))


@lru_cache(256)  # the parts of paths are few
def _is_junk_part(part: str) -> bool:
    return _JUNK.search(part) is not None


def is_conflict(name: str) -> bool:
    """Whether synchronisation made this copy beside the file itself."""
    return _CONFLICT.search(name) is not None


def evicted(name: str) -> str | None:
    """The file that iCloud keeps elsewhere, if `name` stands in its place."""
    match = _EVICTED.search(name)
    return None if match is None else match["name"]
