"""The command line: `aa1xr demo`, `download`, `build`, `info` and `cite`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import xarray as xr

import aa1xr
from aa1xr.errors import ArchiveError, DataNotFoundError, StoreError
from aa1xr.store import locate

#: Eight heights of a bar.
_BARS = "▁▂▃▄▅▆▇█"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 misused."""
    args = _parser().parse_args(argv)
    logging.basicConfig(format="aa1xr: %(message)s", level=logging.WARNING)
    # A terminal that cannot show a bar shows a question mark.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        args.run(args)
    except (ArchiveError, DataNotFoundError, StoreError, ValueError, OSError) as error:
        print(f"aa1xr: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("aa1xr: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aa1xr",
        description="The CRCNS AA1 recordings (zebra finch MLd and Field L) as one xarray Dataset.",
    )
    parser.add_argument("--version", action="version", version=f"aa1xr {aa1xr.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo",
        help="show what the package does, on simulated cells; needs no data",
        description="Simulate a small archive, build its store, open it, print the Dataset and "
        "the mean response of each area, and draw one cell's response.",
    )
    demo.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("aa1xr-demo.png"),
        help="picture (default: %(default)s)",
    )
    demo.set_defaults(run=_demo)

    download = commands.add_parser(
        "download",
        help="fetch the AA1 archive from CRCNS and build its store",
        description="Fetch the AA1 archive from CRCNS, with an account there, and build its "
        "store. What is there already is not fetched again, and a transfer that broke off goes "
        "on. The password is taken from $CRCNS_PASSWORD or ~/.netrc, or asked for.",
    )
    download.add_argument(
        "--username",
        metavar="U",
        help="user name at CRCNS; default: $CRCNS_USERNAME, else that in ~/.netrc",
    )
    download.add_argument(
        "--accept-terms",
        action="store_true",
        help="accept the terms of CRCNS, which are else shown before the first download",
    )
    download.set_defaults(run=_download)

    build = commands.add_parser(
        "build",
        help="turn the AA1 archive into a store, once",
        description="Build the store of an archive in the data directory. aa1xr.open does this "
        "by itself when it first meets an archive.",
    )
    build.set_defaults(run=_build)

    info = commands.add_parser(
        "info",
        help="say what an archive or store holds",
        description="Print what an archive or a store holds; an archive is built first.",
    )
    info.set_defaults(run=_info)

    cite = commands.add_parser("cite", help="print what to cite: data, papers, package")
    cite.set_defaults(run=_cite)

    for command in (build, info):
        command.add_argument(
            "source",
            nargs="?",
            metavar="SOURCE",
            help="crcns-aa1.zip, an extracted folder or a store; default: what is in the data "
            "directory",
        )
    for command in (demo, download, build, info):
        command.add_argument(
            "--data-dir",
            metavar="DIR",
            help="where stores are kept; default: $AA1XR_DATA_DIR, else the user's cache",
        )
    return parser


def _demo(args: argparse.Namespace) -> None:
    print("Opening the simulated sample (it is made on first use) ...")
    ds = aa1xr.open_sample(dt_ms=5, data_dir=args.data_dir)
    print(f"\n>>> ds = aa1xr.open_sample(dt_ms=5)\n>>> ds\n{ds}\n")
    print('>>> ds.psth.sel(area=..., type="conspecific").mean(["neuron", "stimulus"])')
    songs = ds.psth.sel(type="conspecific").compute()
    for area in np.unique(ds["area"]):
        rate = songs.sel(area=area).mean(["neuron", "stimulus"])
        print(f"{area:8} {float(rate.mean()):5.1f} spikes/s  {_sparkline(rate)}")
    print(f"{'':26}0 s{'':{_WIDTH - 9}}{float(ds.time[-1]):.1f} s\n")
    if find_spec("matplotlib") is None:
        print("No picture: matplotlib is missing. pip install 'aa1xr[plot]' brings it.")
        return
    from aa1xr.plot import response

    loudest = songs.mean(["stimulus", "time"]).idxmax("neuron").item()
    response(ds, loudest, "conspecific-00").savefig(args.out, dpi=120)
    print(f"Wrote {args.out}: sound, raster and PSTH of {loudest}.")


_WIDTH = 60


def _sparkline(rate: xr.DataArray) -> str:
    values = np.array([part.mean() for part in np.array_split(rate.values, _WIDTH)])
    heights = np.nan_to_num(values / values.max()) * (len(_BARS) - 1)
    return "".join(_BARS[round(height)] for height in heights)


def _download(args: argparse.Namespace) -> None:
    data_dir = locate.data_dir(args.data_dir)
    locate.ensure_data(data_dir, username=args.username, accept_terms=args.accept_terms)
    print(locate.find_store(data_dir=data_dir).url)


def _build(args: argparse.Namespace) -> None:
    data_dir = locate.data_dir(args.data_dir)
    print(locate.find_store(args.source, data_dir=data_dir).url)


def _info(args: argparse.Namespace) -> None:
    data_dir = locate.data_dir(args.data_dir)
    store = locate.find_store(args.source, data_dir=data_dir)
    ds = aa1xr.open(store.url).drop_vars(["spikes", "psth", "spectrogram"]).compute()
    heard = ds.n_trials > 0
    rows = {
        "title": ds.attrs["title"],
        "store": store.url,
        "source": f"{ds.attrs['source']} (SHA-256 {ds.attrs['source_sha256']})",
        "neurons": _counts(ds["area"]),
        "animals": str(np.unique(ds["animal_id"]).size),
        "stimuli": _counts(ds["type"]),
        "durations": f"{float(ds.duration_s.min()):.3f} to {float(ds.duration_s.max()):.3f} s "
        f"at {ds.sample_rate.values[0]} Hz",
        "presentations": f"{int(ds.n_trials.sum())} in {int(heard.sum())} of {heard.size} pairs "
        "of neuron and stimulus",
        "spikes": str(int(store.first_spike[-1])),
        "licence": ds.attrs["license"],
        "cite": ds.attrs["citation"],
    }
    for name, value in rows.items():
        print(f"{name:14} {value}")


def _cite(_: argparse.Namespace) -> None:
    aa1xr.cite()


def _counts(labels: xr.DataArray) -> str:
    names, counts = np.unique(labels, return_counts=True)
    parts = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    return f"{labels.size} ({parts})"
