"""`aa1xr explore`."""

from __future__ import annotations

import argparse
import contextlib
import webbrowser

import aa1xr
from aa1xr.cli.options import add_source, place_options
from aa1xr.explorer.explore import start


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `explore` takes."""
    parser.description = (
        "Open a page with tables, pictures and sounds in the browser. Only this "
        "machine can reach the page. Ctrl-C ends it."
    )
    add_source(parser)
    parser.add_argument(
        "--port", type=int, default=0, metavar="PORT", help="port (default: a free one)"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, and open no browser"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> None:
    ds = aa1xr.open(args.source, **place_options(args))
    explorer = start(ds, port=args.port, source=args.source)
    print(f"{explorer.url}\nCtrl-C ends the explorer", flush=True)
    try:
        if not args.no_browser:
            webbrowser.open(explorer.url)
        with contextlib.suppress(KeyboardInterrupt):
            explorer.wait()
    finally:
        explorer.stop()
