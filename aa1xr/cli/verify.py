"""`aa1xr verify`."""

from __future__ import annotations

import argparse

from aa1xr.archive.contents import Contents
from aa1xr.cli.options import Commands, add_source, place_options
from aa1xr.store import locate


def add(commands: Commands) -> None:
    """Add `verify` to the command line."""
    parser = commands.add_parser(
        "verify",
        help="check every byte of a store",
        description="Read all of a store, the spectrograms that are cached in it included, and "
        "verify every checksum; say what is damaged (exit code 1), and what it lacks of AA1. An "
        "archive is built first.",
    )
    add_source(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    store = locate.find_store(args.source, **place_options(args))
    arrays = store.check()
    note = (
        "; cached spectrograms were not checked, since this storage does not list them"
        if store.added() is None
        else ""
    )
    print(f"{store.url}: {len(arrays)} arrays, all right{note}")
    contents = Contents.of_attrs(store.attrs)
    if contents.statements or contents.origin == "other":
        print(f"It is {contents.title}.")
    for kind, statement in contents.statements.items():
        print(f"{kind}: {statement}")
