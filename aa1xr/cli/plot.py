"""`aa1xr plot`."""

from __future__ import annotations

import argparse
from pathlib import Path

import aa1xr
from aa1xr.atomic import atomic_write
from aa1xr.cli.options import add_source, local_path, picture, place_options
from aa1xr.printable import one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `plot` takes."""
    parser.description = "Draw one cell's response to one sound: spectrogram over raster over PSTH."
    parser.add_argument("neuron", metavar="CELL", help="cell id, such as gg0304_10_B")
    parser.add_argument("stimulus", metavar="STIM", help="stimulus, such as conspecific-00")
    add_source(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=local_path,
        metavar="FILE",
        help="picture; its ending chooses the format (default: CELL_STIM.png)",
    )
    for name, default, text in (
        ("--dt-ms", 5, "bin width"),
        ("--before-ms", 0, "time shown before onset"),
        ("--after-ms", 0, "time shown after the end of the sound"),
    ):
        parser.add_argument(
            name, type=float, default=default, metavar="MS", help=f"{text} (default: %(default)s)"
        )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    try:
        from matplotlib.figure import Figure  # unlike pyplot's, it needs no display
    except ImportError:
        raise ValueError("a picture needs matplotlib: pip install 'aa1xr[plot]'") from None
    out = picture(args.out or Path(f"{args.neuron}_{args.stimulus}.png"))
    ds = aa1xr.open(
        args.source,
        dt_ms=args.dt_ms,
        before_ms=args.before_ms,
        after_ms=args.after_ms,
        **place_options(args),
    )
    figure = Figure(figsize=(8, 6), layout="constrained")
    aa1xr.plot.response(ds, args.neuron, args.stimulus, figure=figure)
    with atomic_write(out, replace=True) as partial:
        figure.savefig(partial, dpi=120)
    print(one_line(out))
