"""`aa1xr verify`."""

from __future__ import annotations

import argparse

from aa1xr.cli.options import Commands, add_source
from aa1xr.store import locate


def add(commands: Commands) -> None:
    """Add `verify` to the command line."""
    parser = commands.add_parser(
        "verify",
        help="check every byte of a store",
        description="Read all of a store, spectrograms that are kept in it included, and prove "
        "every checksum; what is damaged is named, and the exit code is 1. An archive is built "
        "first.",
    )
    add_source(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    store = locate.find_store(args.source, data_dir=args.data_dir)
    arrays = store.check()
    note = (
        "; cached spectrograms were not checked, since this storage does not list them"
        if store.added() is None
        else ""
    )
    print(f"{store.url}: {len(arrays)} arrays, all right{note}")
