"""A folder of results: each unit that is finished, and the state of those that are not."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
import zarr

from aa1xr.atomic import discard, is_regular
from aa1xr.dataset.persist import load, save
from aa1xr.printable import file_name, one_line
from aa1xr.store.layout import METADATA

#: An attribute of a saved result: see `data_digest`.
_DATA = "data_sha256"
#: Digests, with the words that an error shows instead.
_DIGESTS = {"protocol_splits_sha256": "other splits", "source_sha256": "other data"}


@dataclass(frozen=True)
class Unit:
    """One fit: a model, an area, a split and a seed. Its scores are saved when it is complete."""

    model: str  #: `Entrant.key`
    area: str
    split: int
    seed: int

    def __str__(self) -> str:
        return f"{self.model}-{file_name(self.area)}-{self.split:02d}-{self.seed}"


def open_folder(path: Path, attrs: dict[str, Any]) -> Path:
    """A Zarr group for units of one protocol and source."""
    metadata = path / METADATA
    if os.path.lexists(path) and not path.is_dir():
        raise ValueError(f"path must be a folder; got {str(path)!r}, which is something else")
    if os.path.lexists(metadata) and not is_regular(metadata):
        raise ValueError(
            f"{one_line(metadata)} must be a regular file; remove it, or choose another folder"
        )
    try:
        group = zarr.open_group(path, mode="a", zarr_format=3, attributes=attrs)
    except (ValueError, TypeError, KeyError) as error:  # what is in the file is anything
        raise ValueError(
            f"{one_line(metadata)} must be that of a folder of results; got something else "
            f"({error}). Choose another folder"
        ) from error
    for name, value in attrs.items():
        found = group.attrs.get(name)
        if found != value:
            of = _DIGESTS.get(name) or f"{name}={found!r}, and this is {value!r}"
            raise ValueError(f"{one_line(path)} has results of {of}; choose another folder")
    return path


def load_unit(folder: Path, unit: Unit, *, data: str) -> xr.Dataset:
    """The scores of a unit, if they are of data with this digest; or ValueError."""
    path = folder / str(unit)
    found = load(path).compute()
    if found.attrs.pop(_DATA, None) != data:
        raise ValueError(
            f"{one_line(path)} has results of other data (neurons, trials, stimuli or spectrogram)"
            "; choose another folder"
        )
    return found


def save_unit(folder: Path, unit: Unit, result: xr.Dataset, *, data: str) -> None:
    """Save the scores of a unit, and remove its unfinished state."""
    with contextlib.suppress(FileExistsError):  # another process has finished it meanwhile
        save(result.assign_attrs({_DATA: data}), folder / str(unit))
    for left in unfinished(folder, unit):
        discard(left)


def unfinished(folder: Path, unit: Unit) -> list[Path]:
    """The unfinished states of a unit: of an ensemble, one for each member."""
    name = re.escape(checkpoint_of(folder, unit).name)
    return [path for path in folder.iterdir() if re.fullmatch(rf"{name}(-\d+)?", path.name)]


def checkpoint_of(folder: Path, unit: Unit) -> Path:
    """Where the unfinished state of a unit is."""
    return folder / f"{unit}.unfinished"
