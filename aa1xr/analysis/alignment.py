"""Bring a prediction and the responses onto the same neurons, stimuli and bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis import measures
from aa1xr.analysis.smooth import kernel_attrs, kernel_sum

_DIMS = schema.VARIABLES["psth"].dims

#: How people write spikes/s, without blanks.
_RATE_UNITS = {
    schema.RATE,
    "counts/s",
    "spikes/s",
    "spikes/sec",
    "spike/s",
    "sp/s",
    "spikess-1",
    "1/s",
    "s-1",
    "s^-1",
    "s**-1",
    "hz",
}


def check_response(rate: xr.DataArray) -> None:
    """Check that the units of a response are not those of counts or of scaled values."""
    units = rate.attrs.get("units")
    if units in (schema.COUNT, "spikes", "1") and not kernel_attrs(rate):
        raise ValueError(
            f"the response must be in spikes/s; got units of {units!r}: divide counts by the bin "
            "width in s, and undo a scaling: scaling.undo(response)"
        )


def check_rate(prediction: xr.DataArray, spikes: xr.DataArray | None = None) -> None:
    """Check that the attribute `units` says spikes/s, or nothing; or what smoothing made of it.

    The latter if a kernel of the same sum smoothed the `spikes`.
    """
    total, of_spikes = kernel_sum(prediction), 1.0 if spikes is None else kernel_sum(spikes)
    if total != of_spikes and (total != 1 or _says_rate(prediction)):
        wanted = {"units": schema.RATE} | ({} if spikes is None else kernel_attrs(spikes))
        attrs = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
        raise ValueError(
            f"the prediction must be {of_spikes:g} times spikes/s, as the responses are; by its "
            f"attributes it is {total:g} times (a kernel that is not normalised smooths so): give "
            f"(prediction * {of_spikes / total:g}).assign_attrs({attrs}), or give only the "
            "attributes if you have multiplied it"
        )
    units = prediction.attrs.get("units")
    if total == 1 and units is not None and not _says_rate(prediction):
        raise ValueError(
            f"the prediction must be in spikes/s; its units are {units!r}: divide counts by the "
            "bin width in s, and undo a scaling: scaling.undo(prediction). xarray keeps attributes "
            "through arithmetic: if it is a rate, say so: prediction.attrs['units'] = 'count/s'"
        )


def _says_rate(prediction: xr.DataArray) -> bool:
    return str(prediction.attrs.get("units")).replace(" ", "").lower() in _RATE_UNITS


def align_prediction(
    ds: xr.Dataset, prediction: xr.DataArray
) -> tuple[xr.Dataset, xr.DataArray, xr.DataArray]:
    """Find the neurons and stimuli that a prediction and `ds` share, in the order of `ds`.

    Returns the selection of `ds`, and rate and counts as dask arrays in the same blocks of neurons,
    without coordinates [shape: (neuron, stimulus, time) and (neuron, stimulus, trial, time)].
    """
    arguments.expect("prediction", prediction, xr.DataArray)
    schema.validate(ds, "spikes")
    ds = ds[["spikes", "n_trials"] if "n_trials" in ds.data_vars else ["spikes"]]
    for dim in ("neuron", "stimulus"):
        if dim in prediction.coords and dim not in prediction.dims:
            prediction = prediction.expand_dims(dim)
        if dim in ds.coords and dim not in ds.dims:
            ds = ds.expand_dims(dim)
    if prediction.dtype.kind not in "fiu" or set(prediction.dims) != set(_DIMS):
        raise ValueError(
            f"the prediction has dimensions {prediction.dims} and type {prediction.dtype}; "
            f"expected {_DIMS} and numbers"
        )
    check_time(prediction, ds)
    check_same_sounds(prediction, ds, "the prediction and in the Dataset")
    chosen: dict[str, Any] = {}
    for dim in ("neuron", "stimulus"):
        names = [pd.Index(schema.values_along(array, dim)) for array in (prediction, ds)]
        for array, index in zip(("prediction", "Dataset"), names, strict=True):
            if not index.is_unique:
                raise ValueError(f"a {dim} occurs twice in the {array}")
        where = names[0].get_indexer(names[1])
        if not (where >= 0).any():
            raise ValueError(
                f"the prediction is for no {dim} of the Dataset: it has {list(names[0][:3])} ..., "
                f"the Dataset {list(names[1][:3])} ..."
            )
        chosen[dim] = where[where >= 0]
        if (where < 0).any():
            ds = ds.isel({dim: np.flatnonzero(where >= 0)})
    counts = measures.spikes(ds)
    # Without coordinates: labelled or plain indexes would not align with each other.
    rate = xr.DataArray(prediction.variable).transpose(*_DIMS)
    all_of = {dim: np.arange(rate.sizes[dim]) for dim in chosen}
    rate = rate.isel({d: at for d, at in chosen.items() if not np.array_equal(at, all_of[d])})
    return ds, rate.chunk(neuron=counts.chunksizes["neuron"], stimulus=-1, time=-1), counts


def check_same_sounds(
    first: xr.Dataset | xr.DataArray, second: xr.Dataset | xr.DataArray, names: str
) -> None:
    """Refuse a stimulus label with two wav files: two archives may have a conspecific-00."""
    sounds = []
    for each in (first, second):
        if not {"stimulus", "name"} <= set(each.coords) or each["name"].dims not in (
            (),
            ("stimulus",),
        ):
            return
        of = (map(str, np.atleast_1d(each[name].values)) for name in ("stimulus", "name"))
        sounds.append(dict(zip(*of, strict=True)))
    for label in sounds[0].keys() & sounds[1].keys():
        if sounds[0][label] != sounds[1][label]:
            raise ValueError(
                f"stimulus {label!r} is another sound in {names}: {sounds[0][label]} and "
                f"{sounds[1][label]}. Relabel the stimuli of both by wav file: "
                "ds.assign_coords(stimulus=ds.name.values)"
            )


def check_same_neuron(one: xr.DataArray, other: xr.DataArray, names: str) -> None:
    """Refuse a single neuron beside another or several; labels of several are aligned."""
    labels = [each["neuron"].values.tolist() for each in (one, other) if "neuron" in each.coords]
    single = [not isinstance(each, list) for each in labels]
    if len(labels) == 2 and any(single) and labels[0] != labels[1]:
        of = [each if alone else "several" for each, alone in zip(labels, single, strict=True)]
        raise ValueError(f"{names} must be of the same neurons; got {of[0]} and {of[1]}")


def check_time(
    prediction: xr.DataArray, ds: xr.Dataset | xr.DataArray, name: str = "Dataset"
) -> None:
    """Check that a prediction has the bins of a Dataset, or raise ValueError."""
    if "time" not in prediction.coords:
        raise ValueError(
            f"the prediction has no time coordinate; give it that of the {name} it was made "
            "for: prediction.assign_coords(time=ds.time)"
        )
    ours, theirs = np.atleast_1d(ds["time"].values), prediction["time"].values
    width, dt_ms = prediction["time"].attrs.get("dt_ms"), schema.bin_width_ms(ds)
    if width is None and theirs.size > 1:
        width = 1000 * float(np.diff(theirs[:2])[0])
    if width is not None:
        width = schema.positive("the bin width of the prediction", width)
    if width is not None and not np.isclose(width, dt_ms, rtol=1e-6):
        raise ValueError(
            f"the prediction has bins of {width:g} ms, the {name} of {dt_ms:g} ms; bring both "
            f"to one: aa1xr.open(dt_ms={width:g}), or aa1xr.resample"
        )
    # A thousandth of a bin is more than rounding and less than any shift.
    if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=0, atol=dt_ms / 1e6):
        raise ValueError(
            f"the prediction has {_extent(theirs)}, the {name} {_extent(ours)}; select the "
            "same times of both, as ds.sel(time=prediction.time)"
        )


def _extent(time: Any) -> str:
    return f"{time.size} bins from {time[0]:.6g} to {time[-1]:.6g} s" if time.size else "no bins"
