"""`aa1xr export`."""

from __future__ import annotations

import argparse

import pandas as pd
import xarray as xr

import aa1xr
from aa1xr.atomic import atomic_write, refuse_existing
from aa1xr.cli.options import add_source, local_path, place_options
from aa1xr.export.optional import import_optional
from aa1xr.printable import one_line

_LABELS = ("area", "type")
#: What formulas begin with in spreadsheets, and what marks a cell as text there.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `export` takes."""
    parser.description = (
        "Write the spikes, all or a selection, for other programs: an NWB file for "
        "each recording site, or one CSV table with a row for each spike (in CSV, a label that a "
        "spreadsheet would take for a formula begins with an apostrophe). Or write the stimuli: a "
        "wav file for each, as recorded. Nothing is overwritten. "
        "What is made of the recordings may not be redistributed."
    )
    add_source(parser)
    parser.add_argument("--to", required=True, choices=("nwb", "csv", "wav"), help="format")
    parser.add_argument(
        "-o",
        "--out",
        required=True,
        type=local_path,
        metavar="PATH",
        help="where to: a folder for NWB and wav, a file for CSV (.gz compresses)",
    )
    for label in _LABELS:
        parser.add_argument(
            f"--{label}",
            action="append",
            metavar=label.upper(),
            help=f"of this {label} only; may be given several times",
        )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    if args.to == "nwb":
        import_optional("pynwb", extra="nwb")
    elif args.to == "csv":
        refuse_existing(args.out)
    elif args.area:
        raise ValueError(
            "--area must not be given with --to wav, since both areas heard the same stimuli; "
            "select stimuli with --type"
        )
    ds = _select(aa1xr.open(args.source, chunks=None, **place_options(args)), args)
    if args.to == "csv":
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(args.out) as partial:
            _as_text(aa1xr.to_pandas(ds)).to_csv(partial, index=False)
        paths = [args.out]
    else:
        write = aa1xr.to_nwb if args.to == "nwb" else aa1xr.to_wav
        paths = write(ds, args.out, storage_options=args.storage_options)
    for path in paths:
        print(one_line(path))


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Mark labels that a spreadsheet would run as a formula with an apostrophe.

    And those that begin with an apostrophe: taking one off a cell gives the label back.
    """
    for name in table.columns[table.dtypes == "category"]:
        labels = {
            label: f"'{label}" if label.startswith(_FORMULA) else label
            for label in table[name].cat.categories
        }
        table[name] = table[name].cat.rename_categories(labels)
    return table


def _select(ds: xr.Dataset, args: argparse.Namespace) -> xr.Dataset:
    labels = {name: wanted for name in _LABELS if (wanted := getattr(args, name))}
    return aa1xr.sel(ds, **labels)
