"""Files that are there whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A file to write beside `target`, which gets that name once the block ends without error.

    Raises
    ------
    FileExistsError
        If something is there already. Nothing is ever overwritten.
    """
    refuse_existing(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # It ends as the target does, for libraries that go by that.
    partial = target.with_name(f".{uuid.uuid4().hex}.partial.{target.name}")
    try:
        yield partial
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def refuse_existing(target: Path) -> None:
    """Raise FileExistsError if something is at `target`."""
    if target.exists():
        raise FileExistsError(f"{target} exists; remove it first, or write elsewhere")
