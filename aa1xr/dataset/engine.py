"""The store as a Dataset: `xarray.open_dataset(store, engine="aa1xr", dt_ms=5)`."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr
import zarr.abc.store
from xarray.backends import BackendEntrypoint
from xarray.core import indexing

from aa1xr import citation, schema
from aa1xr.archive.contents import Contents, warn_if_incomplete
from aa1xr.dataset.grid import make_grid
from aa1xr.dataset.lazy import Psth, Spectrogram, Spikes, Trials
from aa1xr.dataset.options import BinOptions, SpectrogramOptions
from aa1xr.dataset.spectrogram import make_mel
from aa1xr.printable import printable
from aa1xr.store.read import Store
from aa1xr.store.source import find_source
from aa1xr.version import VERSION

#: A dask block is a stretch of neurons of about this size: large enough that AA1 is some ten
#: tasks, small enough that a worker holds several. A sum holds it three times in each thread.
_BLOCK = 24 * 2**20

_ORIGINS = {
    "aa1": {
        "species": "Taenopygia guttata (adult male, urethane-anaesthetised)",
        "doi": citation.DOI,
        "citation": citation.CITATION,
        "license": citation.LICENSE,
    },
    "simulated": {
        "species": "none: simulated",
        "doi": "",
        "citation": "Simulated with aa1xr.simulate_archive; no recorded data.",
        "license": "CC0-1.0",
    },
    # Recordings that are not of AA1: nothing is known of them.
    "other": {"species": "unknown", "doi": "", "citation": "unknown", "license": "unknown"},
}


class AA1Backend(BackendEntrypoint):
    """Opens a store that aa1xr built, at any bin width."""

    description = "Open aa1xr stores of the CRCNS AA1 recordings"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj",
        "drop_variables",
        *BinOptions._fields,
        *SpectrogramOptions._fields,
        "storage_options",
    )

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str] | zarr.abc.store.Store | Store,
        *,
        drop_variables: str | Iterable[str] | None = None,
        dt_ms: float = 5,
        before_ms: float = 0,
        after_ms: float = 0,
        n_mels: int = 32,
        window_ms: float = 10.0,
        fmin: float = 0,
        fmax: float | None = None,
        compression: str = "cubic",
        frames: str = "centred",
        storage_options: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """See `aa1xr.open`, which takes the same arguments."""
        if isinstance(filename_or_obj, Store):
            store = filename_or_obj  # its opener has warned already
        else:
            # Absolute: the Dataset outlives the folder that a path is relative to.
            place = find_source(filename_or_obj, "filename_or_obj")
            store = Store(str(place) if isinstance(place, Path) else place, storage_options)
            warn_if_incomplete(store.attrs)
        labels = store.labels
        bins = BinOptions(dt_ms, before_ms, after_ms)
        sound = SpectrogramOptions(n_mels, window_ms, fmin, fmax, compression, frames)
        grid = make_grid(labels.n_samples, labels.sample_rate, bins)
        mel = make_mel(grid, sound)
        coords: dict[str, Any] = {
            "neuron": labels.neuron,
            "area": labels.area,
            "animal_id": labels.animal_id,
            "cell_seq": labels.cell_seq,
            "rig": labels.rig,
            "stimulus": _stimulus_labels(labels.type),
            "name": labels.name,
            "type": labels.type,
            "sample_rate": np.full(labels.name.size, labels.sample_rate),
            "n_samples": labels.n_samples,
            "duration_s": labels.n_samples / labels.sample_rate,
            "trial": np.arange(labels.n_trials),
            "time": grid.time(),
            "freq": mel.centres(),
        }
        sizes = {dim: len(coords[dim]) for dim in schema.DIMS}
        shapes = {n: tuple(sizes[dim] for dim in v.dims) for n, v in schema.VARIABLES.items()}
        data = {
            "spikes": Spikes(store, shapes["spikes"], grid),
            "psth": Psth(store, shapes["psth"], grid),
            "spectrogram": Spectrogram(store, shapes["spectrogram"], grid, mel),
            "n_trials": Trials(store, shapes["n_trials"]),
        }

        attrs = store.attrs
        contents = Contents.of_attrs(attrs)
        variables = {
            name: xr.Variable(spec.dims, coords[name], spec.attrs)
            for name, spec in schema.COORDINATES.items()
        }
        # The bin width goes where the bins are, so that it outlives any selection.
        variables["time"].attrs["dt_ms"] = grid.dt_ms
        ds = xr.Dataset(
            {name: _variable(name, array) for name, array in data.items()},
            variables,
            attrs={"title": contents.title}
            | _ORIGINS[contents.origin]
            | contents.statements
            | {
                "source": printable(attrs["source"]),
                "source_sha256": attrs["source_sha256"],
                "aa1xr_version": VERSION,
            }
            | bins._asdict()
            | sound._asdict()
            | {
                # As they are used: a default, or a number of another type, has its value here.
                "dt_ms": grid.dt_ms,
                "n_mels": mel.n_mels,
                "fmin": mel.fmin,
                "fmax": mel.fmax,
            },
        )
        ds["spectrogram"].attrs.update(mel.attrs)
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        ds = ds.drop_vars([name for name in dropped if name in ds.variables])
        if isinstance(store.place, str):
            ds.encoding["source"] = store.source
        return ds


def _variable(name: str, array: Any) -> xr.Variable:
    spec = schema.VARIABLES[name]
    variable = xr.Variable(spec.dims, indexing.LazilyIndexedArray(array), spec.attrs)
    if spec.dims[0] == "neuron":
        per_neuron = array.dtype.itemsize * int(np.prod(array.shape[1:]))
        neurons = max(1, _BLOCK // max(1, per_neuron))
        variable.encoding["preferred_chunks"] = {"neuron": min(neurons, array.shape[0])}
    return variable


def _stimulus_labels(types: Any) -> Any:
    """`type-00`, `type-01`, ...: stimuli are sorted by type and wav name."""
    numbers: defaultdict[str, Iterator[int]] = defaultdict(count)
    return np.array([f"{type_}-{next(numbers[type_]):02d}" for type_ in types])
