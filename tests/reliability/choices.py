"""Steps that choose a part of a Dataset, drawn at random, with what each must give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

import numpy as np
import xarray as xr

from tests.reliability.oracle import Array, Table


@dataclass(frozen=True)
class Step:
    text: str  #: as one would type it
    act: Callable[[xr.Dataset], xr.Dataset]
    expect: Callable[[Table], Table]
    lazy: bool = True  #: must not compute what is in dask arrays
    reads: bool = False  #: may read what is lazy without dask
    whole: bool = False  #: takes a Dataset, and no single array


#: What draws a step, or None where there is nothing that it could be done to.
Draw = Callable[[Random, Table], Step | None]


def some(rng: Random, items: Any, least: int = 1) -> list[Any]:
    items = list(items)
    return rng.sample(items, rng.randint(min(least, len(items)), len(items)))


def one_of(rng: Random, items: Any) -> Any:
    items = list(items)
    return rng.choice(items) if items else None


# sel


def _label(rng: Random, values: np.ndarray) -> Any:
    """Something to select by: mostly what is there."""
    there = values.tolist()
    strings = values.dtype.kind in "UO"
    absent = "MLD" if strings else -3
    kind = rng.choice(["scalar", "list", "slice", "mask", "function", "wrong"])
    if not there:
        return rng.choice([absent, [absent], []])
    if kind == "scalar":
        return rng.choice(there)
    if kind == "list":
        return [rng.choice(there) for _ in range(rng.randint(1, 4))]
    if kind == "slice":
        low, high = sorted((rng.choice(there), rng.choice(there)))
        return slice(rng.choice([low, None]), rng.choice([high, None, high]))
    if kind == "mask":
        return np.array([rng.random() < 0.6 for _ in there])
    if kind == "function":
        chosen = set(some(rng, dict.fromkeys(there)))
        return _Among(chosen)
    wrong = [absent, [absent, there[0]], [], slice(*(("~", None) if strings else (10**9, None)))]
    wrong += [np.array([True] * (len(there) + 1)), slice(there[0], None, 2), _unchanged]
    wrong += [slice(3, 4) if strings else slice("a", "b"), 7 if strings else "7"]
    return rng.choice(wrong)


def _unchanged(values: np.ndarray) -> np.ndarray:
    return values


@dataclass
class _Among:
    """A function that one would write as a lambda, with a text that can be read."""

    chosen: set[Any]

    def __call__(self, values: np.ndarray) -> list[bool]:
        return [value in self.chosen for value in values.tolist()]


def sel_labels(rng: Random, table: Table) -> Step | None:
    names = [name for names in table.held.values() for name in names]
    if not names:
        return None
    chosen = rng.sample(names, rng.choice([1, 1, 1, 2, 2, 3][: 2 * len(names)]))
    return _sel({name: _label(rng, table.coords[name].values) for name in chosen})


def sel_plain(rng: Random, table: Table) -> Step | None:
    dim = one_of(rng, sorted(table.plain - {"stimulus", "neuron"}))
    if dim is None:
        return None
    values = table.coords[dim].values
    there = values.tolist()
    strings = values.dtype.kind in "UO"
    label: Any = "CM" if strings else 0.123456789
    method = None
    kind = rng.choice(["scalar", "list", "slice", "slice", "nearest", "absent"])
    if kind == "scalar" and there:
        label = rng.choice(there)
    elif kind == "list" and there:
        label = [rng.choice(there) for _ in range(rng.randint(1, 3))]
    elif kind == "slice" and there:
        low, high = sorted((rng.choice(there), rng.choice(there)))
        label = slice(rng.choice([low, None]), rng.choice([high, None]))
    elif kind == "nearest" and there and not strings:
        method = "nearest"
        near = rng.choice(there) + rng.choice([-1, 1]) * rng.random() * 1e-3
        label = rng.choice([near, [near, rng.choice(there)]])
    labels = {dim: label}
    held = one_of(rng, [name for names in table.held.values() for name in names])
    if held and rng.random() < 0.3:
        labels[held] = _label(rng, table.coords[held].values)
    return _sel(labels, method)


def _sel(labels: dict[str, Any], method: str | None = None) -> Step:
    return Step(
        f"sel({labels}, method={method!r})",
        lambda ds: ds.sel(labels, method=method),
        lambda table: table.sel(labels, method),
    )


def sel_pointwise(rng: Random, table: Table) -> Step | None:
    axes = [dim for dim in table.held if table.sizes[dim]]
    if not axes or "pair" in table.sizes:
        return None
    n = rng.randint(1, 3)
    wanted = {
        dim: [one_of(rng, table.coords[dim].values.tolist()) for _ in range(n)]
        for dim in some(rng, axes)
    }
    if len(wanted) == 2 and any(not _adjacent(a, tuple(wanted)) for a in table.data.values()):
        return None
    if rng.random() < 0.1:
        next(iter(wanted.values()))[0] = "nobody"
    arrays = {dim: xr.DataArray(values, dims="pair") for dim, values in wanted.items()}
    return Step(
        f"sel({wanted} along 'pair')",
        lambda ds: ds.sel(arrays),
        lambda table: table.pointwise(wanted, "pair"),
    )


def _adjacent(array: Array, dims: tuple[str, str]) -> bool:
    """Elsewhere NumPy's rule for the place of the new axis is not worth telling again."""
    places = sorted(array.dims.index(dim) for dim in dims if dim in array.dims)
    return len(places) < 2 or places[1] == places[0] + 1


# isel


def isel(rng: Random, table: Table) -> Step | None:
    dims = [dim for dim in table.sizes if dim not in table.stacked]
    if not dims:
        return None
    indexers = {dim: _indexer(rng, table.sizes[dim]) for dim in rng.sample(dims, min(len(dims), 2))}
    return Step(f"isel({indexers})", lambda ds: ds.isel(indexers), lambda t: t.isel(indexers))


def _indexer(rng: Random, size: int) -> Any:
    kind = rng.choice(["integer", "slice", "slice", "list", "list", "mask", "rare"])
    if kind == "rare" or size == 0:
        return rng.choice([[], size, [0, size], -size - 1, [True] * (size + 1), slice(0, 0)])
    if kind == "integer":
        return rng.randrange(-size, size)
    if kind == "slice":
        bounds = [None, *range(-size - 1, size + 2)]
        wanted = slice(rng.choice(bounds), rng.choice(bounds), rng.choice([None, None, 2, -1, -2]))
        backwards = wanted.step is not None and wanted.step < 0
        # Of a lazy array, xarray 2026.9 cannot take nothing from back to front.
        nothing = len(range(*wanted.indices(size))) == 0
        return slice(None, None, -1) if backwards and nothing else wanted
    if kind == "list":
        positions = [rng.randrange(-size, size) for _ in range(rng.randint(1, size + 1))]
        return positions if rng.random() < 0.5 else sorted({p % size for p in positions})
    return np.array([rng.random() < 0.6 for _ in range(size)])


# Masks and groups


def where(rng: Random, table: Table) -> Step | None:
    names = [n for n, a in table.coords.items() if len(a.dims) == 1 and n not in table.stacked]
    name = one_of(rng, [n for n in names if table.coords[n].values.size])
    if name is None:
        return None
    drop = rng.random() < 0.6
    value = rng.choice(table.coords[name].values.tolist())
    if rng.random() < 0.05:
        value = "nothing" if isinstance(value, str) else -1

    def expect(table: Table) -> Table:
        array = table.coords[name]
        mask = Array(array.dims, np.array([v == value for v in array.values.tolist()], bool))
        return table.where(mask, drop=drop)

    return Step(
        f"where(ds[{name!r}] == {value!r}, drop={drop})",
        lambda ds: ds.where(ds[name] == value, drop=drop),
        expect,
        reads=True,
    )


def where_presented(rng: Random, table: Table) -> Step | None:
    array = table.data.get("n_trials")
    if array is None or table.stacked:
        return None
    drop = rng.random() < 0.5
    return Step(
        f"where((ds.n_trials > 2).compute(), drop={drop})",
        lambda ds: ds.where((ds.n_trials > 2).compute(), drop=drop),
        lambda t: t.where(Array(array.dims, array.values > 2), drop=drop),
        lazy=False,
        reads=True,
        whole=True,
    )


def groupby(rng: Random, table: Table) -> Step | None:
    names = [n for d, names in table.held.items() for n in names if n != d]
    name = one_of(rng, [n for n in names if table.coords[n].values.dtype.kind != "f"])
    if name is None:
        return None
    how = rng.choice(["mean", "sum", "count"])

    def act(ds: xr.Dataset) -> xr.Dataset:
        # Of a Dataset the groups come first, of an array where the axis was.
        return getattr(ds.groupby(name), how)().transpose(name, ...)

    return Step(
        f"groupby({name!r}).{how}()",
        act,
        lambda table: table.groupby(name, how),
        reads=True,
    )


def pick(rng: Random, table: Table) -> Step | None:
    names = some(rng, table.data)
    return Step(f"[{names}]", lambda ds: ds[names], partial(only, names=names), whole=True)


def only(table: Table, *, names: list[str]) -> Table:
    """Some of the variables, and the coordinates of their axes."""
    data = {name: table.data[name] for name in names}
    dims = {dim for array in data.values() for dim in array.dims}
    coords = {n: a for n, a in table.coords.items() if set(a.dims) <= dims}
    index = table.without_index(*(set(table.sizes) - dims))
    stacked = {new: pair for new, pair in table.stacked.items() if new in dims}
    return replace(table, data=data, coords=coords, stacked=stacked, **index)
