"""`aa1xr info`."""

from __future__ import annotations

import argparse
import json

import aa1xr
from aa1xr.cli.options import add_source, place_options
from aa1xr.store import locate
from aa1xr.summary import as_text, summarize


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `info` takes."""
    parser.description = (
        "Print what an archive or a store holds, and what aa1xr.open makes of it; "
        "an archive is built first."
    )
    add_source(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    store = locate.find_store(args.source, **place_options(args))
    summary = summarize(aa1xr.open(store.place, storage_options=args.storage_options))
    of_store = {"store": store.url, "n_spikes": int(store.first_spike[-1])}
    summary["source"] = of_store | summary["source"]
    print(json.dumps(summary, indent=2) if args.json else as_text(summary))
