"""A file that is still coming: `<name>.part`, and beside it a note of which version it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aa1xr.atomic import append_to, discard, is_regular, move

#: Of a file of at most 15 digits; int() takes a time that grows with the square of their number.
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", re.ASCII)
#: The note of a version has some 200 bytes.
_NOTE_BYTES = 2**16


class Version(NamedTuple):
    """What a server says of a file; None where it says nothing."""

    etag: str | None
    last_modified: str | None
    size: int | None

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str]) -> Version:
        """The version that a 200 or a 206 comes from."""
        size = headers.get("Content-Length") if status == 200 else None
        if match := _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "")):
            size = match[2]
        return cls(headers.get("ETag"), headers.get("Last-Modified"), as_size(size or ""))

    def agrees(self, other: Version) -> bool:
        """Whether nothing that both know differs; a 206 need not repeat all that a 200 says."""
        pairs = zip(self, other, strict=True)
        return all(a == b for a, b in pairs if a is not None and b is not None)


def as_size(text: str) -> int | None:
    """A number of bytes as a server writes it."""
    return int(text) if re.fullmatch(r"\d{1,15}", text, re.ASCII) else None


class Part:
    """What has come of the file at `target` so far.

    Each piece is on disk before the next is read, and the note of its version is there before
    the first; so a process killed at any instant leaves something to go on from.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._target = target
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that have come."""
        # Bytes are added to it in place: another name of the same file would change as well.
        return self.path.stat().st_size if is_regular(self.path, one_name=True) else 0

    @property
    def version(self) -> Version | None:
        """Of which version they are; None if that is not known."""
        if not is_regular(self._note):
            return None
        try:
            with self._note.open("rb") as file:
                return Version(**json.loads(file.read(_NOTE_BYTES)))
        except (ValueError, TypeError, RecursionError):
            return None

    def request(self) -> dict[str, str]:
        """The headers that ask for the rest of the same version, or for all of any other."""
        version = self.version
        if not self.size or version is None:
            return {}
        etag = version.etag
        # By RFC 9110 a weak ETag does not tell versions apart to the byte.
        same = version.last_modified if etag is None or etag.startswith("W/") else etag
        return {"Range": f"bytes={self.size}-"} | ({"If-Range": same} if same else {})

    def continues(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether an answer is the rest that was asked for."""
        match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        known = self.version
        return (
            status == 206
            and match is not None
            and int(match[1]) == self.size
            and known is not None
            and known.agrees(Version.of(status, headers))
        )

    def start(self, version: Version) -> None:
        """Begin anew with the first byte of a version."""
        self.discard()
        with self.path.open("xb"), self._note.open("xb") as note:  # "x": not through a link
            note.write(json.dumps(version._asdict()).encode())

    def append(self, data: bytes) -> None:
        """Add the next bytes."""
        with append_to(self.path) as file:
            file.write(data)

    def finish(self) -> None:
        """Give the file its name, in place of what may have been there."""
        move(self.path, self._target, replace=True)
        discard(self._note)

    def discard(self) -> None:
        """Forget what has come."""
        for path in (self.path, self._note):
            discard(path)
