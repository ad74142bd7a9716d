"""The contract of the Dataset: its dimensions, labels and variables, each said once.

Everything that writes attributes, checks a Dataset or documents a variable reads it here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments
from aa1xr.arguments import shown

DIMS = ("neuron", "stimulus", "trial", "time", "freq")
AREAS = ("Field_L", "MLd")
TYPES = ("conspecific", "flatrip")

#: Units of spike counts and of rates, as pint and UDUNITS know them; "spikes" is no unit of theirs.
COUNT, RATE = "count", "count/s"

#: The attribute that says which trials a variable is of: their numbers, separated by spaces.
TRIALS = "trials"
_TRIAL_NUMBERS = re.compile(r"(-?[0-9]{1,9}( |$))*")

#: Longer than any recording.
_LONGEST_MS = 10**9

#: The cell id is <animal>_<seq>[_<rig>]; equal animal and seq on two rigs were recorded at once.
_CELL_ID = re.compile(r"(?P<animal>[A-Za-z0-9-]+)_(?P<seq>[0-9]{1,9})(?:_(?P<rig>[A-Za-z0-9-]+))?")


@dataclass(frozen=True)
class Spec:
    """What one coordinate or variable is."""

    dims: tuple[str, ...]
    kind: str  #: NumPy dtype kind: "U" strings, "i" integers, "f" floats
    units: str  #: "" for names and numbers of order, which have none
    long_name: str
    comment: str = ""

    @property
    def attrs(self) -> dict[str, str]:
        """The attributes every Dataset carries for it."""
        attrs = {"units": self.units, "long_name": self.long_name, "comment": self.comment}
        return {name: text for name, text in attrs.items() if text}


#: In an order in which the text that xarray prints, which leaves out the middle two, has `type`.
COORDINATES: dict[str, Spec] = {
    "neuron": Spec(("neuron",), "U", "", "neuron id"),
    "area": Spec(("neuron",), "U", "", "auditory area"),
    "animal_id": Spec(("neuron",), "U", "", "animal"),
    "cell_seq": Spec(("neuron",), "i", "", "recording site number in the animal"),
    "rig": Spec(("neuron",), "U", "", "recording rig", "empty if the neuron id has no rig"),
    "stimulus": Spec(("stimulus",), "U", "", "stimulus"),
    "name": Spec(("stimulus",), "U", "", "wav file", "upper-case MD5 of the file"),
    "sample_rate": Spec(("stimulus",), "i", "Hz", "sample rate of the wav file"),
    "type": Spec(("stimulus",), "U", "", "stimulus type"),
    "n_samples": Spec(("stimulus",), "i", "1", "number of samples of the wav file"),
    "duration_s": Spec(("stimulus",), "f", "s", "duration of the stimulus"),
    "trial": Spec(("trial",), "i", "", "trial number"),
    "time": Spec(("time",), "f", "s", "time from stimulus onset", "left edge of the bin"),
    "freq": Spec(("freq",), "f", "Hz", "centre frequency of the mel band", "HTK mel"),
}

VARIABLES: dict[str, Spec] = {
    "spikes": Spec(
        ("neuron", "stimulus", "trial", "time"),
        "f",
        COUNT,
        "spike count per bin",
        "NaN where the trial was not presented, outside the window of the stimulus, and where "
        "nothing was recorded (before -2 s and after 4 s)",
    ),
    "psth": Spec(
        ("neuron", "stimulus", "time"),
        "f",
        RATE,
        "firing rate, mean over trials",
        "mean over all trials, also after isel(trial=...); aa1xr.take_trials selects trials in "
        "all variables",
    ),
    "spectrogram": Spec(
        ("stimulus", "freq", "time"),
        "f",
        "1",
        "mel spectrogram",
        "mean power of the frames of a bin, which cover the stimulus from frame_start_ms to "
        "frame_stop_ms from its left edge; silence where no stimulus plays",
    ),
    "n_trials": Spec(
        ("neuron", "stimulus"), "i", "1", "number of trials", "0 means never presented, not silent"
    ),
}


def fixed_width(strings: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Strings as NumPy's fixed-width kind: the one that xarray puts on the axis of a plot."""
    return np.array(strings.tolist(), dtype=str)


def labels(dim: str) -> tuple[str, ...]:
    """The labels along `dim`, its dimension coordinate first."""
    return tuple(name for name, spec in COORDINATES.items() if spec.dims == (dim,))


def parse_cell_id(cell: str) -> tuple[str, int, str]:
    """Split a cell id into animal, recording site number and rig ("" if it names none).

    >>> parse_cell_id("gg0304_10_B")
    ('gg0304', 10, 'B')
    """
    match = _CELL_ID.fullmatch(cell)
    if match is None:
        raise ValueError(
            f"{cell!r} is not a neuron id; expected <animal>_<number>[_<rig>] of letters and digits"
        )
    return match["animal"], int(match["seq"]), match["rig"] or ""


def require(ds: xr.Dataset, *variables: str, name: str = "", of: str = "") -> None:
    """Check that something is a Dataset and has `variables`; `of` says what gives such a one."""
    arguments.expect(name or "ds", ds, xr.Dataset, f"what {of} gives" if of else "")
    for variable in variables:
        if variable not in ds:
            have = ", ".join(map(str, ds.data_vars)) or "none"
            raise ValueError(
                f"{name or 'the Dataset'} has no variable {variable!r}; it has: {have}"
                + (f"; expected what {of} gives" if of else "")
            )


def require_coords(ds: xr.Dataset, *names: str) -> None:
    """Check that a Dataset has coordinates, or raise ValueError."""
    for name in names:
        if name not in ds.coords:
            raise ValueError(
                f"the Dataset must have the coordinate {name!r}, the {COORDINATES[name].long_name}"
            )


def validate(ds: xr.Dataset, *variables: str) -> xr.Dataset:
    """Check that `ds` holds `variables`, and that all that it has of the contract is as it says."""
    require(ds, *variables)
    for name, spec in (COORDINATES | VARIABLES).items():
        # Scalars are what a selection of one element leaves of a coordinate.
        if name not in ds.variables or ds[name].ndim == 0:
            continue
        array = ds[name]
        if not set(array.dims) <= set(spec.dims):
            raise ValueError(
                f"{name!r} has dimensions {array.dims}; expected {spec.dims}: {_spread(name)}"
            )
        kind = "U" if array.dtype.kind in "OUT" else array.dtype.kind
        # Masking with .where turns integers into floats.
        if kind != spec.kind and not (spec.kind == "i" and kind in "uf"):
            raise ValueError(f"{name!r} is of type {array.dtype}; expected {_KINDS[spec.kind]}")
    return ds


def _spread(name: str) -> str:
    """How a variable comes to have a dimension too many, and what to do."""
    if name in labels("stimulus"):
        return (
            "Datasets were combined in which one stimulus label means two sounds. Relabel the "
            "stimuli of each by wav file first, ds.assign_coords(stimulus=ds.name.values), then "
            "combine them"
        )
    return (
        "xr.concat and Dataset.where spread variables that do not have the dimension along it. "
        'Combine with xr.concat(..., data_vars="minimal"), and mask single variables: '
        "ds.assign(psth=ds.psth.where(...))"
    )


_KINDS = {"U": "strings", "i": "integers", "f": "floats, in which NaN is missing"}


def check_dims(
    name: str, array: xr.DataArray, *needed: str, allowed: tuple[str, ...] | None = None
) -> None:
    """Check that an array has axes `needed`, none of them empty, and only those `allowed`."""
    for dim in array.dims if allowed is not None else ():
        if dim not in (allowed or ()):
            raise ValueError(
                f"{name} has dimensions {array.dims}; expected {allowed}: there is one too many, "
                f"{dim!r}"
            )
    for dim in needed:
        if dim not in array.dims:
            raise ValueError(
                f"{name} has dimensions {array.dims}; expected {' and '.join(needed)} among them: "
                "select with a list or slice to keep one"
            )
        if array.sizes[dim] == 0:
            raise ValueError(f"{name} is empty: nothing is selected along {dim!r}")


#: Units of the one that contradict the name of the other.
_CONTRADICTIONS = {"spikes": (RATE, "spikes/s", "Hz", "1/s"), "psth": (COUNT, "spikes")}


def check_units(name: str, array: xr.DataArray) -> None:
    """Refuse `spikes` whose units say that it is a rate, or `psth` that it is a count."""
    units = array.attrs.get("units")
    if units in _CONTRADICTIONS.get(name, ()):
        raise ValueError(
            f"{name!r} must be in {VARIABLES[name].units}; its units are {units!r}. Give values of "
            f"another kind another name: ds.rename({name}=...)"
        )


def is_count(name: str, array: xr.DataArray) -> bool:
    """Whether a variable is a count of spikes, which adds up; ValueError if nothing says so."""
    # By name first: assignment of bare values and arithmetic may lose attributes.
    if name in VARIABLES:
        check_units(name, array)
        return VARIABLES[name].units == COUNT
    of = [
        known for known, spec in VARIABLES.items() if spec.long_name == array.attrs.get("long_name")
    ]
    if of:
        raise ValueError(
            f"{name!r} has the attributes of {of[0]!r}, which xarray keeps through arithmetic, so "
            f"they do not say what {name!r} is; give it its own, "
            f"ds[{name!r}].attrs = {{'units': '{RATE}'}} for a rate, '{COUNT}' for counts, '1' "
            f"for other means; or drop it: ds.drop_vars({name!r})"
        )
    if "units" not in array.attrs:
        raise ValueError(
            f"{name!r} must have units, which say whether it is a count that adds up or a mean: "
            f"ds[{name!r}].attrs['units'] = '{COUNT}' for counts, '{RATE}' or '1' for means; or "
            f"drop it: ds.drop_vars({name!r})"
        )
    return array.attrs["units"] in (COUNT, "spikes")


def trial_numbers(text: Any) -> npt.NDArray[np.int64]:
    """The numbers in an attribute `TRIALS`, or ValueError."""
    if not _TRIAL_NUMBERS.fullmatch(str(text)):
        raise ValueError(
            f"the attribute {TRIALS!r} must be the numbers of trials, such as '0 1 2'; got "
            f"{arguments.shown(text)}"
        )
    return np.array(str(text).split(), np.int64)


def values_along(array: xr.DataArray | xr.Dataset, dim: str) -> Any:
    """The coordinate `dim`, which says which is which, or ValueError if it is gone."""
    if dim not in array.coords:
        raise ValueError(f"there is no coordinate {dim!r}, which says which {dim} is which")
    return array.coords[dim].values


def positive(name: str, value: Any) -> float:
    """A number of milliseconds above 0 that an attribute holds; a file may hold anything."""
    if not 0 < arguments.number(name, value) <= _LONGEST_MS:
        raise ValueError(f"{name} must be above 0, at most {_LONGEST_MS} ms; got {shown(value)}")
    return float(value)


def bin_width_ms(ds: xr.Dataset | xr.DataArray) -> float:
    """The bin width, which the time axis carries so that it outlives any selection.

    ValueError if there is no axis, if it does not have the bin width, or if its bins have another
    width: bins that were joined, thinned out or rescaled by hand.
    """
    if "time" not in ds.coords or "dt_ms" not in ds["time"].attrs:
        # Not taken from the steps of the axis: it may have been thinned out.
        raise ValueError(
            "the time coordinate must have the attribute 'dt_ms', the bin width in ms, which "
            "aa1xr.open gives it and assign_coords drops; assign it: "
            "ds['time'].attrs['dt_ms'] = 5"
        )
    width = positive("the attribute dt_ms of time", ds["time"].attrs["dt_ms"])
    if ds["time"].dtype.kind not in "fiu":
        raise ValueError(f"time must be in s from stimulus onset; got {ds['time'].dtype}")
    steps = 1000 * np.diff(np.atleast_1d(ds["time"].values))
    if steps.size and not np.isclose(steps.min(), width, rtol=1e-3):
        raise ValueError(
            f"time goes in steps of {steps.min():g} ms, and its attribute dt_ms says adjacent "
            f"bins of {width:g} ms; time is in s and ascends, and aa1xr.resample joins bins"
        )
    return width


def bin_numbers(ds: xr.Dataset | xr.DataArray) -> npt.NDArray[np.int64]:
    """The number of each bin on the time axis; bin 0 begins at stimulus onset.

    ValueError if there is no time axis, or its bins are not one next to the other.
    """
    if "time" in ds.coords and (ds["time"].dims != ("time",) or ds["time"].size == 0):
        raise ValueError("time is no axis of several bins; select with a slice to keep one")
    width = bin_width_ms(ds)
    exact = ds["time"].values * 1000 / width
    numbers = np.round(exact).astype(np.int64)
    if (np.abs(exact - numbers) > 1e-6).any() or (np.diff(numbers) != 1).any():
        raise ValueError(
            f"the time axis is not one of adjacent bins of {width:g} ms, counted from onset; "
            "select stretches of time, and work on them one by one"
        )
    return numbers
