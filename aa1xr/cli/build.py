"""`aa1xr build`."""

from __future__ import annotations

import argparse

from aa1xr.archive.contents import Contents
from aa1xr.cli.options import Commands, add_source, place_options
from aa1xr.errors import IncompleteArchiveWarning
from aa1xr.messages import warn
from aa1xr.store import locate


def add(commands: Commands) -> None:
    """Add `build` to the command line."""
    parser = commands.add_parser(
        "build",
        help="turn the AA1 archive into a store, once",
        description="Build the store of an archive in the data directory. aa1xr.open does this "
        "by itself when it first meets an archive.",
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="build it also if it is there, in its place: what is damaged is mended",
    )
    add_source(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    store = locate.find_store(args.source, rebuild=args.rebuild, **place_options(args))
    print(store.url)
    if (incomplete := Contents.of_attrs(store.attrs).warning(store.attrs["source"])) is not None:
        warn(incomplete, IncompleteArchiveWarning)
