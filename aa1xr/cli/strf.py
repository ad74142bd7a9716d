"""`aa1xr strf`."""

from __future__ import annotations

import argparse

import xarray as xr

import aa1xr
from aa1xr.cli.options import (
    add_bins,
    add_selection,
    add_source,
    bins,
    place_options,
    select,
)
from aa1xr.cli.output import add_out, check_out, write
from aa1xr.printable import one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `strf` takes."""
    parser.description = (
        "Estimate the spectro-temporal receptive field (STRF) of each neuron by ridge "
        "regression on all stimuli (aa1xr.strf), and write it as a table or as netCDF. A fifth of "
        "the stimuli chooses the penalty; no stimulus is held out for a test."
    )
    add_source(parser)
    add_selection(parser)
    add_lags(parser)
    add_bins(parser)
    add_out(parser, "file; its ending is the format: .nc, .csv, .csv.gz or .parquet")
    parser.set_defaults(run=_run)


def add_lags(parser: argparse.ArgumentParser) -> None:
    """The lags: --lags-ms."""
    parser.add_argument(
        "--lags-ms", type=float, default=100, metavar="MS", help="longest lag (default: 100)"
    )


def fit(ds: xr.Dataset, lags_ms: float) -> xr.Dataset:
    """The STRFs from all stimuli of a Dataset."""
    train, validation, test = aa1xr.split(ds)
    strfs = aa1xr.strf(
        ds, train=[*train, *test], validation=validation, lags_ms=lags_ms, refit=True
    )
    return strfs.compute()


def _run(args: argparse.Namespace) -> None:
    check_out(args.out, overwrite=args.overwrite)
    ds = select(aa1xr.open(args.source, **bins(args), **place_options(args)), args)
    strfs = fit(ds, args.lags_ms)
    if args.out.suffix.lower() != ".nc":
        strfs = strfs[["strf"]]
    write(strfs, args.out, overwrite=args.overwrite)
    print(one_line(args.out))
