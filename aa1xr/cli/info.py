"""`aa1xr info`."""

from __future__ import annotations

import argparse

import numpy as np
import xarray as xr

import aa1xr
from aa1xr.cli.options import Commands, add_source
from aa1xr.store import locate


def add(commands: Commands) -> None:
    """Add `info` to the command line."""
    parser = commands.add_parser(
        "info",
        help="say what an archive or store holds",
        description="Print what an archive or a store holds; an archive is built first.",
    )
    add_source(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
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


def _counts(labels: xr.DataArray) -> str:
    names, counts = np.unique(labels, return_counts=True)
    parts = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True))
    return f"{labels.size} ({parts})"
