"""`aa1xr cite`."""

from __future__ import annotations

import argparse

from aa1xr.citation import cite
from aa1xr.cli.options import Commands


def add(commands: Commands) -> None:
    """Add `cite` to the command line."""
    parser = commands.add_parser("cite", help="print what to cite: data, papers, package")
    parser.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> None:
    cite()
