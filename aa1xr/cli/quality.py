"""`aa1xr quality`."""

from __future__ import annotations

import argparse

import aa1xr
from aa1xr.cli.list import BEFORE_MS
from aa1xr.cli.options import add_bins, add_selection, add_source, bins, place_options
from aa1xr.cli.options import select as select_data
from aa1xr.cli.output import add_out, check_out, write
from aa1xr.printable import one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `quality` takes."""
    parser.description = (
        "Measure the quality of the responses (aa1xr.quality), and write it as a table "
        "or as netCDF."
    )
    add_source(parser)
    add_selection(parser)
    parser.add_argument(
        "--by",
        choices=("neuron", "stimulus"),
        default="neuron",
        help="over all stimuli, or for each stimulus (default: neuron)",
    )
    add_bins(parser, before_ms=BEFORE_MS)
    add_out(parser, "file; its ending is the format: .csv, .csv.gz, .parquet or .nc")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    check_out(args.out, overwrite=args.overwrite)
    ds = select_data(aa1xr.open(args.source, **bins(args), **place_options(args)), args)
    write(aa1xr.quality(ds, by=args.by).compute(), args.out, overwrite=args.overwrite)
    print(one_line(args.out))
