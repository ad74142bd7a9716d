"""Groups, windows and shapes."""

import asyncio

import numpy as np
import xarray as xr
from xarray.groupers import UniqueGrouper

from tests.xarray_operations.parts import Operation

GROUP: dict[str, Operation] = {
    "groupby area": lambda ds: ds.groupby("area").mean(),
    "groupby area map": lambda ds: ds.psth.groupby("area").map(lambda g: g - g.mean("neuron")),
    "groupby area reduce": lambda ds: ds.n_trials.groupby("area").reduce(np.max, "neuron"),
    "groupby area quantile": lambda ds: ds.n_trials.groupby("area").quantile(0.5, dim="neuron"),
    "groupby area first, last": lambda ds: (
        ds.drop_vars("spectrogram").groupby("area").first(),
        ds.psth.groupby("area").last(),
    ),
    "groupby area minus": lambda ds: ds.psth.groupby("area") - ds.psth.groupby("area").mean(),
    "groupby area groups": lambda ds: (dict(ds.groupby("area").groups), list(ds.groupby("area"))),
    "groupby animal_id": lambda ds: ds.n_trials.groupby("animal_id").std(),
    "groupby two of one axis": lambda ds: ds.psth.groupby(["area", "animal_id"]).mean(),
    "groupby two axes": lambda ds: ds.psth.groupby(area=UniqueGrouper(), type=UniqueGrouper()).max(
        ...
    ),
    "groupby_bins": lambda ds: ds.psth.groupby_bins("duration_s", [0, 1.9, 3]).mean(),
    "groupby neuron": lambda ds: ds.psth.groupby("neuron").mean(...),
    "groupby neuron map": lambda ds: (
        ds[["psth"]].groupby("neuron").map(lambda group: group.max("time"))
    ),
    "resample": lambda ds: ds.resample(time="100ms").mean(),
    "coarsen": lambda ds: ds.coarsen(time=5, boundary="trim").mean(),
    "coarsen coord_func": lambda ds: ds.spikes.coarsen(
        time=5, boundary="trim", coord_func="min"
    ).sum(),
    "coarsen construct": lambda ds: ds.psth.coarsen(time=10, boundary="pad").construct(
        time=("window", "within")
    ),
    "rolling": lambda ds: ds.psth.rolling(time=5, center=True).mean(),
    "rolling construct": lambda ds: ds.psth.rolling(time=3).construct("lag").isel(time=[0, 9]),
    "cumsum, cumulative": lambda ds: (
        ds.psth.cumsum("time"),
        ds.n_trials.cumulative("stimulus").sum(),
    ),
    "diff": lambda ds: (ds.diff("time"), ds.psth.diff("stimulus", n=2, label="lower")),
    "shift": lambda ds: ds.shift(time=2, neuron=-1),
    "roll": lambda ds: ds.psth.roll(neuron=2, roll_coords=True),
    "pad": lambda ds: ds.psth.pad(time=(2, 1)),
    "interp": lambda ds: ds.psth.interp(time=[0.105, 0.5]),
    "interp nearest": lambda ds: ds.spectrogram.interp(freq=[500, 1000], method="nearest"),
    "differentiate, integrate": lambda ds: (
        ds.psth.differentiate("time"),
        ds.integrate("time"),
        ds.psth.cumulative_integrate("time"),
    ),
    "polyfit": lambda ds: ds.psth.fillna(0).polyfit("time", 1),
    "curvefit": lambda ds: (
        ds.psth.fillna(0)
        .isel(neuron=[0, 3], stimulus=[0, 1])
        .curvefit("time", lambda time, a, b: a * time + b)
        .curvefit_coefficients.round(3)
    ),
}

RESHAPE: dict[str, Operation] = {
    "transpose": lambda ds: (ds.transpose("time", ..., "neuron"), ds.psth.T),
    "stack": lambda ds: ds.stack(pair=("neuron", "stimulus")),
    "stack, drop, unstack": lambda ds: (
        ds.psth.mean("time").stack(pair=("neuron", "stimulus")).dropna("pair").unstack("pair")
    ),
    "to_stacked_array": lambda ds: (
        ds.n_trials.to_dataset()
        .assign(half=ds.n_trials / 2)
        .to_stacked_array("feature", sample_dims=["neuron"])
    ),
    "to_array": lambda ds: ds[["n_trials", "psth"]].max("stimulus").to_dataarray("measure"),
    "to_dataset": lambda ds: ds.psth.to_dataset("stimulus"),
    "chunk": lambda ds: ds.chunk(neuron=2, time=50),
    "chunk, unify_chunks": lambda ds: xr.unify_chunks(
        ds.psth.chunk(neuron=2), ds.n_trials.chunk(neuron=1)
    ),
    "persist": lambda ds: ds.persist(),
    "compute, load": lambda ds: (ds.compute(), ds.psth.load()),
    "load_async": lambda ds: asyncio.run(ds.load_async()),
}
