"""`aa1xr export`."""

from __future__ import annotations

import argparse
from typing import Any

import aa1xr
from aa1xr.atomic import refuse_existing
from aa1xr.cli.options import (
    OF_NEURONS,
    add_selection,
    add_source,
    bins,
    local_path,
    place_options,
    select,
)
from aa1xr.cli.output import check_ending, write_netcdf, write_table
from aa1xr.optional import import_optional
from aa1xr.printable import one_line

#: Formats, and what each needs that is optional.
_FORMATS = {
    "csv": None, "parquet": "pyarrow", "mat": None, "netcdf": None, "nwb": "pynwb", "wav": None,
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `export` takes."""
    parser.description = (
        "Write the data, all or a selection, for other programs. csv, parquet: a table "
        "with a row for each spike (in CSV, a label that a spreadsheet would take for a formula "
        "begins with an apostrophe). mat: spike trains as cell arrays, for MATLAB and Octave. "
        "netcdf: the Dataset, in bins. nwb: an NWB file for each recording site. wav: a file for "
        "each stimulus, as recorded. Nothing is overwritten. What is made of the recordings may "
        "not be redistributed."
    )
    add_source(parser)
    parser.add_argument("--to", required=True, choices=tuple(_FORMATS), help="format")
    parser.add_argument(
        "-o",
        "--out",
        required=True,
        type=local_path,
        metavar="PATH",
        help="where to: a folder for NWB and wav, otherwise a file (.csv.gz compresses)",
    )
    add_selection(parser)
    for option, text in (
        ("--dt-ms", "bin width"),
        ("--before-ms", "before onset"),
        ("--after-ms", "after the end"),
    ):
        parser.add_argument(option, type=float, metavar="MS", help=f"netcdf: {text}, in ms")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    if module := _FORMATS[args.to]:
        import_optional(module, extra={"pynwb": "nwb"}.get(module, "parquet"))
    if args.to not in {"nwb", "wav"}:
        check_ending("--out", args.out, args.to)
        refuse_existing(args.out)
    if args.to == "wav":
        for name in OF_NEURONS:
            if getattr(args, name):
                raise ValueError(
                    f"--{name} must not be given with --to wav, since a wav file is of a stimulus, "
                    "which many neurons heard; select stimuli with --type or --stimulus"
                )
    chosen = {name: value for name, value in bins(args).items() if value is not None}
    if chosen and args.to != "netcdf":
        name = next(iter(chosen)).replace("_", "-")
        raise ValueError(f"--{name} must be given with --to netcdf; --to {args.to} has no bins")
    for path in _write(args, chosen):
        print(one_line(path))


def _write(args: argparse.Namespace, window: dict[str, Any]) -> list[Any]:
    ds = select(aa1xr.open(args.source, chunks=None, **window, **place_options(args)), args)
    if args.to == "nwb":
        return aa1xr.to_nwb(ds, args.out, storage_options=args.storage_options)
    if args.to == "wav":
        return aa1xr.to_wav(ds, args.out, storage_options=args.storage_options)
    if args.to == "mat":
        return [aa1xr.to_mat(ds, args.out)]
    if args.to == "netcdf":
        write_netcdf(ds, args.out)
    else:
        write_table(aa1xr.to_pandas(ds), args.out, as_parquet=args.to == "parquet")
    return [args.out]
