"""`aa1xr copy`."""

from __future__ import annotations

import argparse

from aa1xr.cli.options import FROM_FILE, add_data_dir, json_object
from aa1xr.store.copy import copy_store
from aa1xr.store.location import describe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `copy` takes."""
    parser.description = (
        "Copy a store, verified, to a path or a URL such as s3://bucket/aa1.zarr; "
        "an archive is built first. AA1 may not be redistributed: use private buckets."
    )
    parser.add_argument("source", metavar="SOURCE", help="a store or an archive, path or URL")
    parser.add_argument("target", metavar="TARGET", help="path or URL where nothing is yet")
    for side in ("source", "target"):
        parser.add_argument(
            f"--{side}-options",
            metavar="JSON",
            type=json_object,
            help="""how to reach a URL, such as '{"endpoint_url": "https://..."}'; """ + FROM_FILE,
        )
    add_data_dir(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    copy_store(
        args.source,
        args.target,
        source_options=args.source_options,
        target_options=args.target_options,
        data_dir=args.data_dir,
    )
    print(describe(args.target))
