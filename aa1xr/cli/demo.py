"""`aa1xr demo`."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import xarray as xr

import aa1xr
from aa1xr.atomic import atomic_write
from aa1xr.cli.options import add_data_dir, local_path, picture
from aa1xr.optional import missing
from aa1xr.printable import one_line

#: Eight heights of a bar.
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `demo` takes."""
    parser.description = (
        "Simulate a small archive, build its store, open it, print the Dataset and "
        "the mean response of each area, and draw the response of one neuron."
    )
    parser.add_argument(
        "-o",
        "--out",
        type=local_path,
        default=Path("aa1xr-demo.png"),
        help="picture (default: %(default)s)",
    )
    add_data_dir(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    draws = find_spec("matplotlib") is not None
    out = picture(args.out) if draws else args.out
    print("Opening the simulated sample (it is made on first use) ...")
    ds = aa1xr.open_sample(dt_ms=5, data_dir=args.data_dir)
    print(f"\n>>> ds = aa1xr.open_sample(dt_ms=5)\n>>> ds\n{ds}\n")
    print('>>> ds.psth.sel(area=..., type="conspecific").mean(["neuron", "stimulus"])')
    songs = ds.psth.sel(type="conspecific").compute()
    for area in np.unique(ds["area"]):
        rate = songs.sel(area=area).mean(["neuron", "stimulus"])
        print(f"{area:8} {float(rate.mean()):5.1f} spikes/s  {_sparkline(rate)}")
    print(f"{'':26}0 s{'':{_WIDTH - 9}}{float(ds.time[-1]):.1f} s\n")
    if not draws:
        print(f"No picture: {missing('matplotlib', extra='plot')}")
        return
    from matplotlib.figure import Figure  # unlike pyplot's, it needs no display

    loudest = songs.mean(["stimulus", "time"]).idxmax("neuron").item()
    figure = Figure(figsize=(8, 6), layout="constrained")
    aa1xr.plot.response(ds, loudest, "conspecific-00", figure=figure)
    with atomic_write(out, replace=True) as partial:
        figure.savefig(partial, dpi=120)
    print(f"Wrote {one_line(out)}: sound, raster and PSTH of {loudest}.")


def _sparkline(rate: xr.DataArray) -> str:
    values = np.array([part.mean() for part in np.array_split(rate.values, _WIDTH)])
    heights = np.nan_to_num(values / values.max()) * (len(_BARS) - 1)
    return "".join(_BARS[round(height)] for height in heights)
