"""Spike events: exact times, without bins and windows."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
import zarr.abc.store

from aa1xr import arguments, schema
from aa1xr.dataset.binning import presentations, read_spikes, runs
from aa1xr.dataset.engine import AA1Backend
from aa1xr.dataset.open import open as open_source
from aa1xr.dataset.unchanged import lazy_arrays
from aa1xr.store.layout import METADATA, is_sealed
from aa1xr.store.location import resolve
from aa1xr.store.read import Store, opened_store
from aa1xr.typing import Positions

#: The axes of the trials.
AXES = ("neuron", "stimulus", "trial")

#: What of the Dataset's attributes is about the recordings and not about bins.
_PROVENANCE = (
    "title", "species", "doi", "citation", "license", "source", "source_sha256", "aa1xr_version",
    "missing", "different", "additional",
)  # fmt: skip


def events(
    source: str | os.PathLike[str] | zarr.abc.store.Store | xr.Dataset | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return the spikes as exact times, for a whole store or the selection of a Dataset.

    There are no bins and no window: spikes before the onset and after the end of the stimulus are
    included. They are in memory, with four bytes each (2.8 MB for AA1).

    Select in the Dataset first, and call `events` last: `aa1xr.events(ds.sel(area="MLd"))`. The
    spikes have a dimension of their own, which a later `.sel` does not select. Functions that take
    events refuse events that were selected afterwards.

    Parameters
    ----------
    source
        A Dataset from `aa1xr.open`, whose neurons, stimuli and trials are used, in their order
        (bins and window do not matter). Or a source as in `aa1xr.open`, for all spikes.
    data_dir
        As in `aa1xr.open`. Not for a Dataset, which refers to its store.
    storage_options
        For a URL: passed to fsspec. A lazy Dataset has them already.

    Returns
    -------
    xarray.Dataset
        CF's contiguous ragged form, with the labels of the source:

        - `spike_time` (spike): microseconds from stimulus onset, int32, sorted by neuron, stimulus
          and trial, and ascending within each trial;
        - `row_size` (neuron, stimulus, trial): number of spikes in each trial, 0 for missing
          trials;
        - `row_start` (neuron, stimulus, trial): position along `spike` of the first spike;
        - `n_trials` (neuron, stimulus): number of trials, as in `aa1xr.open`, so that
          `aa1xr.presented` distinguishes trials without spikes from missing trials.

    Raises
    ------
    ValueError
        If a Dataset no longer refers to its store, or has neurons, stimuli or trials that are not
        in the store.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> spikes = aa1xr.events(ds.sel(area="MLd", type="flatrip"))
    >>> spikes.spike_time.dtype, spikes.spike_time.units
    (dtype('int32'), 'us')
    >>> bool(spikes.row_size.sum() == spikes.sizes["spike"])
    True
    """
    ds, store = open_with_store(source, data_dir=data_dir, storage_options=storage_options)
    return _events(ds, open_all(store), store)


def open_with_store(
    source: Any,
    *,
    data_dir: str | os.PathLike[str] | None,
    storage_options: Mapping[str, Any] | None,
) -> tuple[xr.Dataset, Store]:
    """A Dataset as it is, or all of another source; and its store."""
    if not isinstance(source, xr.Dataset):
        ds = open_source(source, chunks=None, data_dir=data_dir, storage_options=storage_options)
    elif data_dir is None:
        ds = source
    else:
        raise ValueError("data_dir= is for a path; a Dataset knows its store")
    return ds, store_of(ds, storage_options=storage_options)


def _events(ds: xr.Dataset, everything: xr.Dataset, store: Store) -> xr.Dataset:
    """The events of `ds`, where `everything` is the Dataset of all of `store`."""
    neurons, stimuli, trials = (positions_along(ds, everything, dim) for dim in AXES)
    times, row_size = _read(store, neurons, stimuli, trials)
    variables = {
        "spike_time": xr.Variable(
            "spike", times, {"units": "us", "long_name": "spike time from stimulus onset"}
        ),
        "row_size": xr.Variable(
            AXES,
            row_size,
            {
                "units": schema.COUNT,
                "long_name": "spikes in the trial",
                "sample_dimension": "spike",
            },
        ),
        "row_start": xr.Variable(
            AXES, _row_starts(row_size), {"long_name": "first spike of the trial"}
        ),
        "n_trials": xr.Variable(
            AXES[:2], presentations(store, neurons, stimuli), schema.VARIABLES["n_trials"].attrs
        ),
    }
    # An axis that was dropped by selecting one element has that element's labels.
    labels = everything.isel(neuron=neurons, stimulus=stimuli, trial=trials).coords
    coords = {name: c.variable for name, c in labels.items() if c.dims[0] in AXES} | {
        # In memory too, as all of it is; `ds.chunk` makes dask arrays of labels.
        name: c.variable.compute()
        for name, c in ds.coords.items()
        if c.ndim and set(c.dims) <= set(AXES)
    }
    # `n_trials` is of all trials here: of those that aa1xr.take_trials took, it is not.
    trial = coords["trial"]
    coords["trial"] = xr.Variable(trial.dims, trial.values, schema.COORDINATES["trial"].attrs)
    out = xr.Dataset(variables, coords, provenance(everything))
    if isinstance(store.place, str):
        out.encoding["source"] = store.source
    return out


def as_events(ds: xr.Dataset, store: Store | None = None) -> xr.Dataset:
    """`ds` if it is events already, not a selection of events; otherwise its events."""
    schema.require(ds)
    if "spike_time" not in ds:
        store = store or store_of(ds)
        return _events(ds, open_all(store), store)
    schema.validate(ds, "spike_time", "row_size", "row_start", "n_trials")
    row_size = ds["row_size"]
    if (
        row_size.dims != AXES
        or int(row_size.sum()) != ds.sizes["spike"]
        or not np.array_equal(ds["row_start"].values, _row_starts(row_size.values))
    ):
        raise ValueError(
            "these events were selected or sorted after they were made, and the spikes no longer "
            "belong to the presentations; select the Dataset first, then ask for its events: "
            'aa1xr.events(ds.sel(area="MLd"))'
        )
    return ds


def store_of(ds: xr.Dataset, *, storage_options: Mapping[str, Any] | None = None) -> Store:
    """The store that a Dataset was opened from, or ValueError if the Dataset does not say."""
    arguments.options("storage_options", storage_options)
    schema.require(ds)
    store = _store_of_arrays(ds)
    url = ds.encoding.get("source")
    if store is None and isinstance(url, str):
        store = opened_store(url) or Store(resolve('ds.encoding["source"]', url), storage_options)
    if store is not None and storage_options is not None:
        store = Store(store.place, storage_options, identity=store.identity)
    if store is None or not is_sealed(store.get(METADATA) or b""):
        # In memory, as where() leaves it, or of a file: another copy of the same store will do.
        found = opened_store(str(ds.attrs.get("source_sha256")))
        if found is None:
            what = "does not know its store" if store is None else f"is of {store.url}, not a store"
            raise ValueError(
                f"the Dataset {what}. A lazy Dataset of aa1xr.open knows its store, but one in "
                "memory or of a file does not, if this process has not opened the store. Open the "
                "source again and select the same, aa1xr.open(source).sel(neuron=ds.neuron, "
                "stimulus=ds.stimulus, trial=ds.trial), or say where the store is: "
                'ds.encoding["source"] = "path/to/store.zarr"'
            )
        store = found
    here, there = ds.attrs.get("source_sha256"), store.attrs["source_sha256"]
    if here not in (None, there):
        raise ValueError(
            f"the Dataset is not of {store.url}: source_sha256 is {here}, there {there}"
        )
    return store


def _store_of_arrays(ds: xr.Dataset) -> Store | None:
    """The store that the variables are still computed from."""
    arrays = [array for variable in ds.variables.values() for array in lazy_arrays(variable)]
    stores = {array.store.identity: array.store for array in arrays}
    here = ds.attrs.get("source_sha256")
    if len(stores) > 1 and here is not None:
        same = {k: s for k, s in stores.items() if s.attrs["source_sha256"] == here}
        stores = same or stores
    if len(stores) > 1:
        raise ValueError(
            f"the variables are of {len(stores)} stores, "
            f"{', '.join(store.url for store in stores.values())}; take those of one of them"
        )
    return next(iter(stores.values()), None)


def positions_in_store(ds: xr.Dataset, store: Store) -> tuple[Positions, Positions, Positions]:
    """Where in the store the neurons, stimuli and trials of a Dataset are, by their labels."""
    everything = open_all(store)
    neurons, stimuli, trials = (positions_along(ds, everything, dim) for dim in AXES)
    return neurons, stimuli, trials


def provenance(ds: xr.Dataset) -> dict[str, Any]:
    """The attributes of a Dataset that are about the recordings."""
    return {name: ds.attrs[name] for name in _PROVENANCE if name in ds.attrs}


def open_all(store: Store, **options: Any) -> xr.Dataset:
    """All that is in the store, lazily; `options` are those of the engine and of xarray."""
    everything: Any = store  # xarray hands it to the engine, whatever it is
    return xr.open_dataset(everything, engine=AA1Backend, chunks=None, **options)


def positions_along(ds: xr.Dataset, everything: xr.Dataset, dim: str) -> Positions:
    """Where the labels of `ds` along `dim` are in the store."""
    if dim not in ds.coords:
        if dim == "trial":  # as of ds[["psth"]], which says of which trials it is
            marks = [ds[n].attrs[schema.TRIALS] for n in ("n_trials", "psth")
                     if n in ds and schema.TRIALS in ds[n].attrs]  # fmt: skip
            return schema.trial_numbers(marks[0]) if marks else np.arange(everything.sizes[dim])
        raise ValueError(f"the Dataset has no coordinate {dim!r}, so its events are not defined")
    wanted = np.atleast_1d(ds[dim].values)
    positions: Positions = everything.get_index(dim).get_indexer(wanted)
    if (positions < 0).any():
        labels = list(map(str, wanted[positions < 0][:3]))
        drawn_twice = re.fullmatch(r".+ \([0-9]+\)", labels[0])
        raise ValueError(
            f"{dim} {', '.join(labels)}: not in the store that the Dataset was opened from"
            + (
                f". If aa1xr.bootstrap drew it twice, compute a value of each {dim} first, and "
                "resample these values"
                if drawn_twice
                else ""
            )
        )
    if dim == "stimulus" and "name" in ds.coords:
        # Two archives may both have a conspecific-00.
        here, there = np.atleast_1d(ds["name"].values), everything["name"].values[positions]
        for k in np.flatnonzero(schema.fixed_width(here) != schema.fixed_width(there)):
            raise ValueError(
                f"stimulus {wanted[k]!s} is the sound {here[k]!s} in the Dataset, and "
                f"{there[k]!s} in the store {everything.encoding['source']}; the Dataset is not "
                "of this store"
            )
    return positions


def _row_starts(row_size: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Where the spikes of each trial begin, as they lie end to end."""
    sizes = row_size.astype(np.int64)
    return (sizes.cumsum() - sizes.ravel()).reshape(sizes.shape)


def _read(
    store: Store, neurons: Positions, stimuli: Positions, trials: Positions
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Spike times, and how many each trial has. [shape: (neuron, stimulus, trial)]."""
    row_size = np.zeros((neurons.size, stimuli.size, trials.size), np.int32)
    times = [np.zeros(0, np.int32)]
    for run in runs(neurons):
        spikes, row_size[run] = read_spikes(store, neurons[run], stimuli, trials)
        times.append(spikes)
    return _ascending(np.concatenate(times), row_size), row_size


def _ascending(
    times: npt.NDArray[np.int32], row_size: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Spike times sorted within each trial, as all of AA1 are in its files."""
    row = np.repeat(np.arange(row_size.size), row_size.ravel())
    descends = (times[1:] < times[:-1]) & (row[1:] == row[:-1])
    return times[np.lexsort((times, row))] if descends.any() else times
