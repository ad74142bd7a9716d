"""The command line, a module for each command: `aa1xr demo`, `aa1xr build`, ..."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import aa1xr
from aa1xr.cli import benchmark, build, cite, copy, demo, download, export, info, plot, verify

#: In the order in which the help names them.
_COMMANDS = (demo, download, build, verify, copy, info, plot, export, benchmark, cite)

#: What the data, the arguments and the machine give rise to. Anything else is a fault of ours.
_EXPECTED = (ValueError, OSError, LookupError, ImportError, MemoryError)

#: What a shell says of a command whose reader has gone (128 + SIGPIPE).
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 misused."""
    args = argparse.Namespace(traceback=False)
    try:
        with _plain_output():
            args = _parser().parse_args(argv, args)
            args.run(args)
    except KeyboardInterrupt:
        print("aa1xr: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if args.traceback:
            raise
        _let_go_of_output()
        # Of another pipe, such as to object storage, the error names the place.
        if isinstance(error, BrokenPipeError) and error.errno and not error.filename:
            return _BROKEN_PIPE
        print(f"aa1xr: error: {_describe(error)}", file=sys.stderr)
        return 1
    return 0


def _describe(error: Exception) -> str:
    """One line or more for a user: no traceback, and no name of a class where we made the error."""
    message = str(error)
    if isinstance(error, KeyError) and error.args:
        message = str(error.args[0])  # the text of a KeyError is in quotes
        if " " not in message:
            return f"KeyError: {message}; `aa1xr --traceback ...` shows where"
    if isinstance(error, _EXPECTED):
        return message or type(error).__name__
    return f"{type(error).__name__}: {message}; `aa1xr --traceback ...` shows where"


@contextmanager
def _plain_output() -> Iterator[None]:
    """Let warnings and log messages be lines, and end the output where an error is caught."""
    logging.basicConfig(format="aa1xr: %(message)s", level=logging.WARNING)
    # Where a chunk is damaged, zarr leaves reads of others behind, which asyncio says at the end.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # A terminal that cannot show a bar shows a question mark.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    before = warnings.formatwarning
    warnings.formatwarning = _as_line
    try:
        yield
    finally:
        warnings.formatwarning = before
        if sys.stdout is not None:
            sys.stdout.flush()


def _as_line(message: Any, *_: Any, **__: Any) -> str:
    return f"aa1xr: warning: {message}\n"


def _let_go_of_output() -> None:
    """Write to nowhere if standard output takes no more, since Python flushes it at exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aa1xr",
        description="The CRCNS AA1 recordings (zebra finch MLd and Field L) as one xarray Dataset.",
    )
    parser.add_argument("--version", action="version", version=f"aa1xr {aa1xr.__version__}")
    parser.add_argument(
        "--traceback", action="store_true", help="show where in the code an error happens"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
