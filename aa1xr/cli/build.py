"""`aa1xr build`."""

from __future__ import annotations

import argparse

import aa1xr
from aa1xr.cli.options import add_source, place_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `build` takes."""
    parser.description = (
        "Build the store of an archive in the data directory. aa1xr.open does this "
        "by itself when it first meets an archive."
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="build the store again, even if it exists; this repairs a damaged store",
    )
    add_source(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    print(aa1xr.build(args.source, rebuild=args.rebuild, **place_options(args)))
