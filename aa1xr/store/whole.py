"""Folders and files that appear under their name when they are whole, and not before."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A folder to write beside `path`, which gets that name once the block ends without error.

    A process killed in it leaves a hidden `.partial` folder beside `path`, and nothing at it.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers left beside `path`; nobody may be writing it now."""
    for leftover in path.parent.glob(f".{path.name}.*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)


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
