"""The command line, a module for each command: `aa1xr demo`, `aa1xr build`, ..."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import aa1xr
from aa1xr.cli import benchmark, build, cite, copy, demo, download, export, info, plot, verify
from aa1xr.errors import AA1Warning, ArchiveError, DataNotFoundError, StoreError

#: In the order in which the help names them.
_COMMANDS = (demo, download, build, verify, copy, info, plot, export, benchmark, cite)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 misused."""
    args = _parser().parse_args(argv)
    # Where a chunk is damaged, zarr leaves reads of others behind, which asyncio says at the end.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # A terminal that cannot show a bar shows a question mark.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with _own_messages():
            args.run(args)
    except (AA1Warning, ArchiveError, DataNotFoundError, StoreError, ValueError, OSError) as error:
        print(f"aa1xr: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("aa1xr: interrupted", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def _own_messages() -> Iterator[None]:
    """Print messages and warnings of this package as one line each, and those of others as ever."""
    logger, handler = logging.getLogger("aa1xr"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("aa1xr: %(message)s"))
    logger.addHandler(handler)
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_own(
            message: Warning | str, category: type[Warning], *place: Any, **more: Any
        ) -> None:
            if issubclass(category, AA1Warning):
                print(f"aa1xr: warning: {message}", file=sys.stderr)
            else:
                show(message, category, *place, **more)

        warnings.showwarning = show_own
        try:
            yield
        finally:
            logger.removeHandler(handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aa1xr",
        description="The CRCNS AA1 recordings (zebra finch MLd and Field L) as one xarray Dataset.",
    )
    parser.add_argument("--version", action="version", version=f"aa1xr {aa1xr.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
