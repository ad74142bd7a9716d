"""`aa1xr download`."""

from __future__ import annotations

import argparse

import aa1xr
from aa1xr.cli.options import add_data_dir


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `download` takes."""
    parser.description = (
        "Fetch the AA1 archive from CRCNS, with an account there, and build its "
        "store. What is there already is not fetched again, and a transfer that broke off goes "
        "on. The password is taken from $CRCNS_PASSWORD or ~/.netrc, or asked for."
    )
    parser.add_argument(
        "--username",
        metavar="U",
        help="user name at CRCNS; default: $CRCNS_USERNAME, else that in ~/.netrc",
    )
    parser.add_argument(
        "--accept-terms",
        action="store_true",
        help="accept the terms of CRCNS, which are otherwise shown before the first download",
    )
    add_data_dir(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    store = aa1xr.download(
        data_dir=args.data_dir, username=args.username, accept_terms=args.accept_terms
    )
    print(store)
