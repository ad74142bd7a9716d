"""What aa1xr's own functions must give, in plain NumPy; beside `oracle.py`, which has xarray's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tests.reliability.lookup import ExpectedError
from tests.reliability.oracle import Array, Table, floats

#: The axes to which the index of labels is given.
AXES = ("neuron", "stimulus")
_DIMS = {
    "spikes": ("neuron", "stimulus", "trial", "time"),
    "psth": ("neuron", "stimulus", "time"),
    "spectrogram": ("stimulus", "freq", "time"),
    "n_trials": ("neuron", "stimulus"),
    **dict.fromkeys(("neuron", "area", "animal_id", "cell_seq", "rig"), ("neuron",)),
    **dict.fromkeys(
        ("stimulus", "name", "sample_rate", "type", "n_samples", "duration_s"), ("stimulus",)
    ),
    **{dim: (dim,) for dim in ("trial", "time", "freq")},
}


def validate(table: Table, *needed: str) -> None:
    if not set(needed) <= set(table.data):
        raise ExpectedError(ValueError)
    for name, array in (table.data | table.coords).items():
        if name in _DIMS and array.dims and not set(array.dims) <= set(_DIMS[name]):
            raise ExpectedError(ValueError)


def index_labels(table: Table, labels: Mapping[str, tuple[str, list[Any]] | None]) -> Table:
    coords = dict(table.coords)
    for name, given in labels.items():
        if given is not None:
            dim, values = given
            if dim not in table.sizes or len(values) != table.sizes[dim]:
                raise ExpectedError(ValueError)
            coords[name] = Array((dim,), np.array(values))
    for name, given in labels.items():
        if given is None:
            if name not in coords:
                raise ExpectedError(ValueError)
            del coords[name]
    out = replace(table, coords=coords)
    axes = [d for d in dict.fromkeys((*AXES, *table.held)) if d in out.sizes and d in coords]
    held = {d: (d, *(n for n in out.along(d) if n != d)) for d in axes}
    plain = {d for d in table.plain if d in coords and coords[d].dims == (d,)}
    return replace(out, held=held, plain=frozenset(plain - set(held)))


def presented(table: Table) -> Table:
    """With the mask as another variable."""
    validate(table, "n_trials")
    if "trial" not in table.coords:
        raise ExpectedError(ValueError)
    n_trials, trial = table.data["n_trials"], table.coords["trial"]
    dims = (*n_trials.dims, *(d for d in trial.dims if d not in n_trials.dims))
    mask = Array(dims, (n_trials.along(dims) > trial.along(dims)).astype(int), "1")
    return replace(table, data=table.data | {"presented": mask})


def drop_missing(table: Table) -> Table:
    """By loops, again and again until nothing more goes."""
    validate(table, "n_trials")
    heard = table.data["n_trials"]
    heard = replace(heard, values=heard.values > 0)
    if "trial" in table.coords:
        mask = presented(table).data["presented"]
        heard = replace(mask, values=mask.values > 0)
        if "trial" in mask.dims:
            rest = tuple(d for d in mask.dims if d != "trial")
            heard = Array(rest, mask.along((*rest, "trial")).any(-1))
    if not heard.values.any():
        raise ExpectedError(ValueError)
    out = table
    for _ in range(sum(heard.values.shape)):
        for dim in heard.dims:
            others = tuple(k for k, d in enumerate(heard.dims) if d != dim)
            keep = np.flatnonzero(heard.values.any(others))
            out, heard = out.take(dim, keep), heard.take(dim, keep)
    return out


def psth(table: Table) -> Table:
    """The rate over the trials left, and nothing else."""
    validate(table, "spikes")
    spikes = table.data["spikes"]
    dims = tuple(d for d in spikes.dims if d != "trial")
    values = spikes.along((*dims, "trial"))
    there = ~np.isnan(values)
    steps = np.diff(np.atleast_1d(table.coords["time"].values)) if "time" in table.coords else None
    if steps is None or (steps.size and not np.isclose(1000 * steps.min(), table.dt_ms, rtol=1e-3)):
        raise ExpectedError(ValueError)
    with np.errstate(invalid="ignore"):
        mean = np.where(there, values, 0).astype(float).sum(-1) / there.sum(-1)
    rate = Array(dims, mean / (table.dt_ms / 1000), "spikes/s", exact=False)
    lost = [n for n, a in table.coords.items() if not set(a.dims) <= set(dims)]
    if "trial" in table.coords and "trial" not in spikes.dims:
        lost.append("trial")  # an axis of length one, over which the mean is taken
    coords = {n: a for n, a in table.coords.items() if n not in lost}
    gone = set(table.sizes) - set(dims)
    index = table.without_index(*gone)
    return replace(table, data={"psth": rate}, coords=coords, attrs=False, **index)


def resample(table: Table, *, factor: float) -> Table:
    """Sums of counts and means of all else, new bin by new bin."""
    time = table.coords.get("time")
    if time is None or time.dims != ("time",) or time.values.size == 0:
        raise ExpectedError(ValueError)
    numbers = np.round(time.values * 1000 / table.dt_ms).astype(int).tolist()
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or factor != int(factor):
        raise ExpectedError(ValueError)
    if any("time" in a.dims for n, a in table.coords.items() if n != "time"):
        raise ExpectedError(ValueError)
    factor = int(factor)
    wide = list(range(numbers[0] // factor, numbers[-1] // factor + 1))

    def change(name: str, array: Array) -> Array:
        if "time" not in array.dims:
            return array
        rest = tuple(d for d in array.dims if d != "time")
        values = floats(array.along((*rest, "time")))
        out = np.full((*values.shape[:-1], len(wide)), np.nan, values.dtype)
        for k, number in enumerate(wide):
            inside = [i for i, n in enumerate(numbers) if n // factor == number]
            joined = values[..., inside].astype(float)
            if name == "spectrogram" or len(inside) == factor:
                total = joined.sum(-1)
                out[..., k] = total if array.units == "spikes" else total / len(inside)
        exact = array.exact and array.units == "spikes"
        moved = np.moveaxis(out, -1, array.dims.index("time"))
        return replace(array, values=moved, exact=exact or (array.exact and factor == 1))

    width = table.dt_ms * factor
    edges = np.array([number * width / 1000 for number in wide])
    data = {n: change(n, a) for n, a in table.data.items()}
    coords = table.coords | {"time": replace(time, values=edges)}
    return replace(table, data=data, coords=coords, dt_ms=width)


def loaded(table: Table) -> Table:
    """After saving: labels come back along the two axes that aa1xr names."""
    if table.stacked:
        raise ExpectedError(NotImplementedError)
    with_index = {d for d in table.sizes if d in table.coords}
    return index_labels(replace(table, held={}, plain=frozenset(with_index)), {})
