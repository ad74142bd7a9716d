"""`aa1xr list`."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

import aa1xr
from aa1xr.atomic import refuse_existing
from aa1xr.cli.options import add_selection, add_source, local_path, place_options, select
from aa1xr.cli.output import add_overwrite, check_ending, print_csv, print_table, write_table

_TABLES = {
    "neurons": "the neurons",
    "stimuli": "the stimuli",
    "trials": "the trials, with the spikes of each while the stimulus plays",
}
#: Recorded before each onset, for the rates before onset and the latencies.
BEFORE_MS = 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `list` takes."""
    parser.description = (
        "Print a table of the neurons, the stimuli or the trials, with their labels "
        "and the numbers of stimuli, trials and spikes (while the stimulus plays), or write it as "
        "CSV. In CSV, a label that a spreadsheet would take for a formula begins with an "
        "apostrophe."
    )
    tables = parser.add_subparsers(required=True, metavar="TABLE")
    for name, text in _TABLES.items():
        _add_table(tables.add_parser(name, help=text, description=f"List {text}."), name)


def _add_table(parser: argparse.ArgumentParser, table: str) -> None:
    add_source(parser)
    add_selection(parser)
    if table == "neurons":
        parser.add_argument(
            "--quality", action="store_true", help="add the measures of aa1xr.quality"
        )
    parser.add_argument(
        "--csv",
        type=_file,
        metavar="FILE",
        help='write CSV to this file (.gz compresses); "-" is standard output',
    )
    add_overwrite(parser)
    parser.set_defaults(run=_run, table=table, quality=False)


def _file(text: str) -> Path | str:
    """A path, or "-"."""
    return text if text == "-" else local_path(text)


def _run(args: argparse.Namespace) -> None:
    if isinstance(args.csv, Path):
        check_ending("--csv", args.csv, "csv")
        if not args.overwrite:
            refuse_existing(args.csv)
    table = _make(args)
    if isinstance(args.csv, Path):
        write_table(table, args.csv, overwrite=args.overwrite)
    elif args.csv:
        print_csv(table)
    else:
        print_table(table)


def _make(args: argparse.Namespace) -> pd.DataFrame:
    before = BEFORE_MS if args.quality else 0
    ds = select(aa1xr.open(args.source, before_ms=before, **place_options(args)), args)
    if args.quality:
        return aa1xr.neurons(ds, quality=True).reset_index()
    if args.table == "trials":
        return aa1xr.trials(ds)
    return (aa1xr.neurons(ds) if args.table == "neurons" else aa1xr.stimuli(ds)).reset_index()
