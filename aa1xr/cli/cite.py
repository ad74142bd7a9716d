"""`aa1xr cite`."""

from __future__ import annotations

import argparse

from aa1xr.citation import cite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `cite` takes."""
    parser.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> None:
    cite()
