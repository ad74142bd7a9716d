"""`aa1xr verify`."""

from __future__ import annotations

import argparse

import aa1xr
from aa1xr.cli.options import add_source, place_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `verify` takes."""
    parser.description = (
        "Read all of a store, the spectrograms that are cached in it included, and "
        "verify every checksum; say what is damaged (exit code 1), and what it lacks of AA1. An "
        "archive is built first."
    )
    add_source(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    print(aa1xr.verify(args.source, **place_options(args)))
