"""The command line, a module for each command: `aa1xr demo`, `aa1xr build`, ..."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, NoReturn

from aa1xr import printable
from aa1xr.errors import AA1Warning
from aa1xr.version import VERSION

#: What each module here does, in the order of the help. A module is imported with its command.
_COMMANDS = {
    "demo": "show what the package does, on simulated neurons; needs no data",
    "download": "fetch the AA1 archive from CRCNS and build its store",
    "build": "turn the AA1 archive into a store, once",
    "verify": "check every byte of a store",
    "copy": "copy a store, for instance to object storage",
    "info": "show the contents of an archive or store",
    "list": "list neurons, stimuli or trials, also as CSV",
    "explore": "look at responses and listen, in the browser",
    "plot": "plot responses, spectrograms, receptive fields and overviews",
    "quality": "measure firing rate, reliability and latency",
    "strf": "estimate receptive fields",
    "export": "write data as CSV, Parquet, MAT, netCDF, NWB or wav",
    "benchmark": "fit and score a model, beside the published table",
    "cite": "print what to cite: data, papers, package",
}

#: What the data, the arguments and the machine give rise to. Anything else is a fault of ours.
_EXPECTED = (ValueError, OSError, LookupError, ImportError, MemoryError)

#: What a shell says of a command whose reader has gone (128 + SIGPIPE).
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 misused."""
    args = argparse.Namespace(traceback=False)
    try:
        with _own_messages(), _plain_output():
            args = _parser(whole=False).parse_args(argv, args)
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
        print(f"aa1xr: error: {printable.message(_describe(error))}", file=sys.stderr)
        return 1
    return 0


def _describe(error: Exception) -> str:
    """One line or more for a user: no traceback, and no name of a class where we made the error."""
    text, kind = str(error), type(error).__name__
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    is_key = False
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # the text of a KeyError is in quotes
        is_key = " " not in text
    if isinstance(error, _EXPECTED) and not is_key:
        return (text or kind) + notes
    return f"{kind}: {text}{notes}; `aa1xr --traceback ...` shows where"


@contextlib.contextmanager
def _plain_output() -> Iterator[None]:
    """Show what a terminal can show, and end the output where an error is caught."""
    # Where a chunk is damaged, zarr leaves reads of others behind, which asyncio says at the end.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # A terminal that cannot show a bar shows a question mark.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        yield
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _let_go_of_output() -> None:
    """Write to nowhere if standard output takes no more, since Python flushes it at exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


class _Escaping(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable.message(super().format(record))


@contextlib.contextmanager
def _own_messages() -> Iterator[None]:
    """Print messages and warnings of this package as one line each, and those of others as ever."""
    logger, handler = logging.getLogger("aa1xr"), logging.StreamHandler()
    handler.setFormatter(_Escaping("aa1xr: %(message)s"))
    logger.addHandler(handler)
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_own(
            message: Warning | str, category: type[Warning], *place: Any, **more: Any
        ) -> None:
            if issubclass(category, AA1Warning):
                print(f"aa1xr: warning: {printable.message(message)}", file=sys.stderr)
            else:
                show(printable.message(message), category, *place, **more)

        warnings.showwarning = show_own
        try:
            yield
        finally:
            logger.removeHandler(handler)


class _Parser(argparse.ArgumentParser):
    """A parser, and those of its commands, whose errors show arguments escaped.

    That of a command has its arguments once it is asked to parse.
    """

    def __init__(self, *args: Any, command: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._command = command

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        self.complete()
        return super().parse_known_args(*args, **kwargs)

    def complete(self) -> None:
        """Import the module of the command for its arguments."""
        if self._command is not None:
            command, self._command = self._command, None
            import_module(f"aa1xr.cli.{command}").add_arguments(self)

    def error(self, message: str) -> NoReturn:
        super().error(printable.one_line(message))


def _parser(*, whole: bool = True) -> argparse.ArgumentParser:
    """The parser; not whole, the parser of each command is completed when it parses."""
    parser = _Parser(
        prog="aa1xr",
        description="The CRCNS AA1 recordings (zebra finch MLd and Field L) as one xarray Dataset.",
    )
    parser.add_argument("--version", action="version", version=f"aa1xr {VERSION}")
    parser.add_argument(
        "--traceback", action="store_true", help="show where in the code an error happens"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, text in _COMMANDS.items():
        parser_of_command = commands.add_parser(command, help=text, command=command)
        if whole:
            parser_of_command.complete()
    return parser
