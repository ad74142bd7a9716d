"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from aa1xr.store.place import resolve_path

#: What a command adds itself to. In quotes: only type checkers can index this class.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse has no other name for it


def local_path(text: str) -> Path:
    """An argument that is a path of this machine."""
    try:
        return resolve_path("the path", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_source(parser: argparse.ArgumentParser) -> None:
    """Which data: SOURCE and --data-dir."""
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="crcns-aa1.zip, an extracted folder or a store; default: what is in the data "
        "directory",
    )
    add_data_dir(parser)


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Where stores are: --data-dir."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="where stores are kept; default: $AA1XR_DATA_DIR, else the user's cache",
    )


def picture(path: Path) -> Path:
    """Where a picture goes, with its ending: matplotlib would add one of its own."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file in it, such as {path / 'aa1xr.png'}")
    return path if path.suffix else path.with_suffix(".png")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let a label that is not there be an error of one line: a KeyError's text stands in quotes."""
    try:
        yield
    except KeyError as error:
        raise ValueError(error.args[0]) from error
