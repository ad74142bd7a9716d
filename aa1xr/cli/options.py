"""Arguments that several commands take."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import xarray as xr

import aa1xr
from aa1xr.printable import one_line
from aa1xr.store.location import resolve_path

#: Other users of a machine see the arguments of its processes.
FROM_FILE = "@FILE reads it from a file, and - from standard input, where ps does not show it"
_LONGEST_OPTIONS = 2**20

#: Options that select, and the label that each is of.
_SELECTION = {
    "neuron": "neuron",
    "animal": "animal_id",
    "area": "area",
    "type": "type",
    "stimulus": "stimulus",
}
#: Those of neurons.
OF_NEURONS = ("neuron", "animal", "area")
#: Bins, and what each option is without a default of the command.
_BINS = {
    "dt_ms": (5.0, "bin width"),
    "before_ms": (0.0, "time before onset"),
    "after_ms": (0.0, "time after the end of the stimulus"),
}


def local_path(text: str) -> Path:
    """An argument that is a path of this machine."""
    try:
        return resolve_path("the path", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_source(parser: argparse.ArgumentParser) -> None:
    """Which data: SOURCE, --storage-options and --data-dir."""
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="crcns-aa1.zip, an extracted folder or a store; default: what is in the data "
        "directory",
    )
    parser.add_argument(
        "--storage-options",
        metavar="JSON",
        type=json_object,
        help="""how to reach a URL, such as '{"endpoint_url": "https://..."}'; """ + FROM_FILE,
    )
    add_data_dir(parser)


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Where stores are: --data-dir."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="where stores are kept; default: $AA1XR_DATA_DIR, otherwise the user's cache",
    )


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Which neurons and stimuli: --neuron, --animal, --area, --type and --stimulus."""
    for option in _SELECTION:
        parser.add_argument(
            f"--{option}",
            action="append",
            metavar=option.upper(),
            help=f"of this {option} only; may be given several times",
        )


def select(ds: xr.Dataset, args: argparse.Namespace) -> xr.Dataset:
    """What was asked for of a Dataset."""
    labels = {
        # A label that is given twice is selected once.
        label: list(dict.fromkeys(chosen))
        for o, label in _SELECTION.items()
        if (chosen := getattr(args, o))
    }
    return aa1xr.sel(ds, **labels)


def add_bins(parser: argparse.ArgumentParser, **defaults: float) -> None:
    """Which bins: --dt-ms, --before-ms and --after-ms."""
    for name, (default, text) in _BINS.items():
        value = defaults.get(name, default)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=float,
            metavar="MS",
            default=value,
            help=f"{text} (default: {value:g})",
        )


def bins(args: argparse.Namespace) -> dict[str, Any]:
    """The bins that were asked for, as `aa1xr.open` takes them."""
    return {name: getattr(args, name) for name in _BINS}


def json_object(text: str) -> dict[str, Any]:
    """An argument that is an object of JSON, or says where one is: in @FILE, or "-" for stdin."""
    try:
        if text == "-":
            text = sys.stdin.read(_LONGEST_OPTIONS)
        elif text.startswith("@"):
            with Path(text[1:]).expanduser().open(encoding="utf-8") as file:
                text = file.read(_LONGEST_OPTIONS)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise argparse.ArgumentTypeError(f"cannot be read from {text!r}: {reason}") from None
    try:
        options = json.loads(text)
    except (ValueError, RecursionError) as error:
        # The text itself is left out, since it may hold a key.
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(options, dict):
        raise argparse.ArgumentTypeError("expected an object of JSON, {...}")
    return options


def place_options(args: argparse.Namespace) -> dict[str, Any]:
    """Where data are, as `aa1xr.open` takes it."""
    return {"data_dir": args.data_dir, "storage_options": args.storage_options}


def picture(path: Path) -> Path:
    """Check where a picture goes, before it is drawn; its ending is chosen here, not by matplotlib.

    Raises
    ------
    ValueError
        If nothing can be written there, or matplotlib does not know the format.
    """
    if path.is_dir():
        raise ValueError(f"{one_line(path)} is a folder; name a file in it, such as aa1xr.png")
    if not path.parent.is_dir():
        raise ValueError(f"{one_line(path)}: there is no such folder; make it first")
    if not path.suffix:
        return path.with_suffix(".png")
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        raise ValueError(
            f"{one_line(path)} must end in one of the supported formats: {', '.join(formats)}"
        )
    return path
