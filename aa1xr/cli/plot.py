"""`aa1xr plot`."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import Any

import aa1xr
from aa1xr.atomic import atomic_write, refuse_existing
from aa1xr.cli import strf
from aa1xr.cli.options import (
    add_bins,
    add_selection,
    add_source,
    bins,
    picture,
    place_options,
    select,
)
from aa1xr.cli.output import add_out
from aa1xr.optional import import_optional
from aa1xr.printable import file_name, one_line

#: Functions of `aa1xr.plot` that draw a Dataset, or a fit to it.
KINDS = [kind for kind in aa1xr.plot.__all__ if kind not in ("compare", "style")]
_OF_FITS = ("strf", "strfs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `plot` takes."""
    parser.description = "Draw a plot: a function of aa1xr.plot."
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    for kind in KINDS:
        text = str(getattr(aa1xr.plot, kind).__doc__).partition("\n")[0]
        _add_kind(kinds.add_parser(kind, help=text, description=text), kind)


def _add_kind(parser: argparse.ArgumentParser, kind: str) -> None:
    add_source(parser)
    add_selection(parser)
    if kind == "quality":
        parser.add_argument(
            "--measure",
            metavar="NAME",
            default="ccmax",
            help="a measure of aa1xr.quality (default: ccmax)",
        )
    if kind in _OF_FITS:
        strf.add_lags(parser)
    add_bins(parser)
    add_out(
        parser,
        f"picture; its ending chooses the format (default: {kind}_NEURON_STIMULUS.png)",
        required=False,
    )
    parser.set_defaults(run=_run, kind=kind)


def _run(args: argparse.Namespace) -> None:
    # Unlike pyplot's, its figure needs no display.
    figures = import_optional("matplotlib.figure", extra="plot")
    out = picture(args.out or _default(args))
    if not args.overwrite:
        refuse_existing(out)
    draw = getattr(aa1xr.plot, args.kind)
    parameters = inspect.signature(draw).parameters
    options: dict[str, Any] = {
        name: chosen[0]
        for name in ("neuron", "stimulus")
        if name in parameters and (chosen := getattr(args, name)) and len(chosen) == 1
    }
    if args.kind == "modulation_spectrum":
        options.pop("neuron", None)  # here it is that of the stimulus
    if args.kind == "quality":
        options["measure"] = args.measure
    ds = select(aa1xr.open(args.source, **bins(args), **place_options(args)), args)
    if args.kind in _OF_FITS:
        ds = strf.fit(ds, args.lags_ms)
    figure = figures.Figure(figsize=(8, 6), layout="constrained")
    options |= {"figure": figure} if "figure" in parameters else {"ax": figure.subplots()}
    draw(ds, **options)
    with atomic_write(out, replace=args.overwrite) as partial:
        figure.savefig(partial, dpi=120)
    print(one_line(out))


def _default(args: argparse.Namespace) -> Path:
    names = [args.kind, *(args.neuron or []), *(args.stimulus or [])]
    return Path(f"{file_name('_'.join(names))}.png")
