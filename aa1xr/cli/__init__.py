"""The command line, a module for each command: `aa1xr demo`, `aa1xr build`, ..."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import aa1xr
from aa1xr.cli import benchmark, build, cite, copy, demo, download, export, info, plot, verify
from aa1xr.errors import ArchiveError, DataNotFoundError, StoreError

#: In the order in which the help names them.
_COMMANDS = (demo, download, build, verify, copy, info, plot, export, benchmark, cite)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 misused."""
    args = _parser().parse_args(argv)
    logging.basicConfig(format="aa1xr: %(message)s", level=logging.WARNING)
    # Where a chunk is damaged, zarr leaves reads of others behind, which asyncio says at the end.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # A terminal that cannot show a bar shows a question mark.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        args.run(args)
    except (ArchiveError, DataNotFoundError, StoreError, ValueError, OSError) as error:
        print(f"aa1xr: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("aa1xr: interrupted", file=sys.stderr)
        return 130
    return 0


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
