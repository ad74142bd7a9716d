"""What each step on a Dataset must give, in plain NumPy and pandas; nothing of aa1xr or xarray."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from tests.reliability.lookup import ExpectedError, indexed, labelled


@dataclass(frozen=True)
class Array:
    dims: tuple[str, ...]
    values: np.ndarray
    units: str = ""
    exact: bool = True  #: to the bit, and not to rounding

    def take(self, dim: str, positions: Any) -> Array:
        """An integer drops the axis."""
        if dim not in self.dims:
            return self
        axis = self.dims.index(dim)
        values = self.values[(slice(None),) * axis + (positions,)]
        dims = self.dims if np.ndim(positions) else tuple(d for d in self.dims if d != dim)
        return replace(self, dims=dims, values=values)

    def along(self, dims: Sequence[str]) -> np.ndarray:
        """The values with all of `dims` in that order, of length 1 where there is none."""
        order = [self.dims.index(dim) for dim in dims if dim in self.dims]
        shape = [self.values.shape[self.dims.index(d)] if d in self.dims else 1 for d in dims]
        return self.values.transpose(order).reshape(shape)


@dataclass(frozen=True)
class Table:
    """A Dataset: what each variable and coordinate holds, and what indexes there are."""

    data: dict[str, Array]
    coords: dict[str, Array]
    held: dict[str, tuple[str, ...]]  #: of each axis, the names in its index of labels
    plain: frozenset[str]  #: dimensions with an index of their coordinate alone
    dt_ms: float  #: as the time axis says
    attrs: bool  #: whether the Dataset has its attributes still
    stacked: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def sizes(self) -> dict[str, int]:
        every = (*self.data.values(), *self.coords.values())
        return {d: n for a in every for d, n in zip(a.dims, a.values.shape, strict=True)}

    def each(self, change: Callable[[Array], Array], **fields: Any) -> Table:
        data = {name: change(array) for name, array in self.data.items()}
        coords = {name: change(array) for name, array in self.coords.items()}
        return replace(self, data=data, coords=coords, **fields)

    def along(self, dim: str) -> list[str]:
        """The coordinates that lie along an axis and no other."""
        return [name for name, array in self.coords.items() if array.dims == (dim,)]

    def without_index(self, *dims: str) -> dict[str, Any]:
        return {
            "held": {d: names for d, names in self.held.items() if d not in dims},
            "plain": self.plain - set(dims),
        }

    # Selecting

    def take(self, dim: str, positions: Any) -> Table:
        gone = () if np.ndim(positions) else (dim,)
        return self.each(lambda a: a.take(dim, positions), **self.without_index(*gone))

    def isel(self, indexers: Mapping[str, Any]) -> Table:
        out = self
        sizes = self.sizes
        for dim, indexer in indexers.items():
            if isinstance(indexer, slice):
                positions: Any = np.arange(sizes[dim])[indexer]
            else:
                positions = np.asarray(indexer)
                if positions.size == 0:
                    positions = positions.astype(int)
                if positions.dtype.kind == "b":
                    if positions.size != sizes[dim]:
                        raise ExpectedError(IndexError)
                    positions = np.flatnonzero(positions)
                if (positions >= sizes[dim]).any() or (positions < -sizes[dim]).any():
                    raise ExpectedError(IndexError)
            out = out.take(dim, positions)
        return out

    def sel(self, labels: Mapping[str, Any], method: str | None = None) -> Table:
        """Every label must hold; one on the axis itself says the order, and a scalar drops it."""
        owner = {name: dim for dim, names in self.held.items() for name in names}
        found: dict[str, Any] = {}
        wrong: list[type[Exception]] = []
        # The axis first: what its labels say of the order holds.
        for name in sorted(labels, key=lambda name: name not in self.held):
            dim = owner.get(name, name)
            try:
                if name not in owner:
                    chosen = indexed(self.coords[name].values, labels[name], method)
                else:
                    chosen = labelled(self.coords[name].values, labels[name], on_axis=name == dim)
            except ExpectedError as refused:
                wrong += refused.errors
                continue
            if dim in found:
                both = np.isin(found[dim], chosen)
                chosen = found[dim] if both.all() else np.asarray(found[dim])[both]
                if np.size(chosen) == 0:
                    wrong.append(KeyError)
            found[dim] = chosen
        if wrong:  # which of them is found first is nobody's business
            raise ExpectedError(*wrong)
        out = self
        for dim, positions in found.items():
            out = out.take(dim, positions)
        return out

    def drop_sel(self, dim: str, gone: list[Any]) -> Table:
        values = self.coords[dim].values.tolist()
        if not set(gone) <= set(values):
            raise ExpectedError(KeyError, IndexError)  # pandas' where a label is there twice
        left = [value for value in values if value not in gone]
        if dim in self.held and len(set(left)) < len(left):
            raise ExpectedError(ValueError)
        return self.sel({dim: left})

    def pointwise(self, labels: Mapping[str, list[str]], new: str) -> Table:
        """Element by element along a new axis, in the place of the first that goes."""
        at = {}
        for dim, wanted in labels.items():
            values = self.coords[dim].values.tolist()
            if any(w not in values for w in wanted):
                raise ExpectedError(KeyError)
            if any(values.count(w) > 1 for w in wanted):
                raise ExpectedError(ValueError)
            at[dim] = np.array([values.index(w) for w in wanted], int)

        def change(array: Array) -> Array:
            there = [dim for dim in array.dims if dim in at]
            if not there:
                return array
            rest = [dim for dim in array.dims if dim not in at]
            moved = array.values.transpose([array.dims.index(d) for d in (*there, *rest)])
            values = moved[tuple(at[dim] for dim in there)]
            place = array.dims.index(there[0])
            dims = (*rest[:place], new, *rest[place:])
            return replace(array, dims=dims, values=np.moveaxis(values, 0, place))

        return self.each(change, **self.without_index(*at))

    # Masking and grouping

    def where(self, mask: Array, *, drop: bool) -> Table:
        out = self
        if drop:
            for dim in mask.dims:
                others = tuple(k for k, d in enumerate(mask.dims) if d != dim)
                out = out.take(dim, np.flatnonzero(mask.values.any(others)))
            for dim in mask.dims:
                others = tuple(k for k, d in enumerate(mask.dims) if d != dim)
                mask = mask.take(dim, np.flatnonzero(mask.values.any(others)))

        def change(array: Array) -> Array:
            dims = (*array.dims, *(d for d in mask.dims if d not in array.dims))
            values = np.where(mask.along(dims), floats(array.along(dims)), np.nan)
            return replace(array, dims=dims, values=values)

        return replace(out, data={n: change(a) for n, a in out.data.items()})

    def groupby(self, name: str, how: str) -> Table:
        (dim,) = self.coords[name].dims
        values = self.coords[name].values
        if values.size == 0:
            raise ExpectedError(ValueError)
        keys = np.unique(values)
        data = {
            n: replace(
                a,
                dims=(name, *(d for d in a.dims if d != dim)),
                values=np.stack([_reduced(a.take(dim, values == k), dim, how) for k in keys]),
                exact=a.exact and how != "mean" and a.units != "spikes/s",
            )
            for n, a in self.data.items()
        }
        coords = {n: a for n, a in self.coords.items() if dim not in a.dims}
        coords[name] = replace(self.coords[name], dims=(name,), values=keys)
        index = self.without_index(dim)
        index["plain"] |= {name}
        return replace(self, data=data, coords=coords, **index)

    # Between Datasets

    def arithmetic(self, other: Table, op: Callable[..., Any], join: str) -> Table:
        a, b = self, other
        for dim in (*self.held, *self.plain):
            here, there = a.coords[dim].values.tolist(), b.coords[dim].values.tolist()
            if here == there:
                continue
            if len(set(here)) < len(here) or len(set(there)) < len(there):
                raise ExpectedError(ValueError)
            if join in {"left", "right"}:
                wanted = here if join == "left" else there
            elif dim in self.held:  # in the order of the first
                wanted = [v for v in here if join == "outer" or v in there]
                wanted += [v for v in there if join == "outer" and v not in here]
            else:
                left, right = pd.Index(a.coords[dim].values), pd.Index(b.coords[dim].values)
                both = left.union(right) if join == "outer" else left.intersection(right)
                wanted = both.tolist()
            labels = {}
            for name in a.along(dim):
                known = dict(zip(there, b.coords[name].values.tolist(), strict=True))
                known |= dict(zip(here, a.coords[name].values.tolist(), strict=True))
                column = [known[v] for v in wanted]
                labels[name] = np.array(column, a.coords[name].values.dtype)
            a, b = (_reindexed(t, dim, wanted, labels) for t in (a, b))

        def combine(one: Array, two: Array) -> Array:
            dims = (*one.dims, *(d for d in two.dims if d not in one.dims))
            exact = one.exact and two.exact
            return replace(one, dims=dims, values=op(one.along(dims), two.along(dims)), exact=exact)

        data = {n: combine(x, b.data[n]) for n, x in a.data.items() if n in b.data}
        return replace(a, data=data)

    def concat(self, other: Table, dim: str) -> Table:
        def joined(name: str, array: Array, others: Mapping[str, Array]) -> Array:
            if dim not in array.dims:
                return array
            parts = [array.values, others[name].along(array.dims)]
            axis = array.dims.index(dim)
            return replace(array, values=np.concatenate(parts, axis))

        data = {n: joined(n, a, other.data) for n, a in self.data.items()}
        coords = {n: joined(n, a, other.coords) for n, a in self.coords.items()}
        return replace(self, data=data, coords=coords)

    # Shape and names

    def sortby(self, name: str, *, ascending: bool) -> Table:
        (dim,) = self.coords[name].dims
        order = np.argsort(self.coords[name].values, kind="stable")
        return self.take(dim, order if ascending else order[::-1])

    def transpose(self, order: Sequence[str]) -> Table:
        def change(array: Array) -> Array:
            dims = tuple(d for d in order if d in array.dims)
            return replace(array, dims=dims, values=array.along(dims))

        return self.each(change)

    def rename(self, names: Mapping[str, str]) -> Table:
        def new(name: str) -> str:
            return names.get(name, name)

        def change(array: Array) -> Array:
            return replace(array, dims=tuple(map(new, array.dims)))

        return replace(
            self,
            data={new(n): change(a) for n, a in self.data.items()},
            coords={new(n): change(a) for n, a in self.coords.items()},
            held={new(d): tuple(map(new, n)) for d, n in self.held.items()},
            plain=frozenset(map(new, self.plain)),
        )

    def stack(self, new: str, dims: tuple[str, str]) -> Table:
        sizes = self.sizes

        def change(array: Array, *, whole: bool) -> Array:
            if not (whole or set(dims) & set(array.dims)):
                return array
            rest = tuple(d for d in array.dims if d not in dims)
            values = array.along((*rest, *dims))
            shape = tuple(sizes[d] for d in (*rest, *dims))
            size = sizes[dims[0]] * sizes[dims[1]]
            values = np.broadcast_to(values, shape).reshape(*shape[: len(rest)], size)
            return replace(array, dims=(*rest, new), values=values)

        pairs = np.empty(sizes[dims[0]] * sizes[dims[1]], object)
        pairs[:] = list(product(*(self.coords[d].values.tolist() for d in dims)))
        touched = {n: bool(set(a.dims) & set(dims)) for n, a in self.data.items()}
        data = {n: change(a, whole=touched[n]) for n, a in self.data.items()}
        coords = {n: change(a, whole=False) for n, a in self.coords.items()}
        coords[new] = Array((new,), pairs)
        index = self.without_index(*dims)
        return replace(self, data=data, coords=coords, stacked={new: dims}, **index)

    def unstack(self, new: str) -> Table:
        dims = self.stacked[new]
        levels = [list(dict.fromkeys(self.coords[d].values.tolist())) for d in dims]
        sizes = tuple(map(len, levels))
        if sizes[0] * sizes[1] < self.sizes[new]:
            raise ExpectedError(ValueError)

        def change(array: Array) -> Array:
            if new not in array.dims:
                return array
            rest = tuple(d for d in array.dims if d != new)
            values = array.along((*rest, new))
            shape = (*values.shape[:-1], *sizes)
            return replace(array, dims=(*rest, *dims), values=values.reshape(shape))

        coords = {n: a for n, a in self.coords.items() if n not in (new, *dims)}
        whole = replace(self, coords=coords).each(change)
        for d, values in zip(dims, levels, strict=True):
            old = self.coords[d]
            whole.coords[d] = replace(old, dims=(d,), values=np.array(values, old.values.dtype))
        return replace(whole, stacked={}, plain=self.plain | set(dims))


def floats(values: np.ndarray) -> np.ndarray:
    return values if values.dtype.kind == "f" else values.astype(float)


def _reduced(array: Array, dim: str, how: str) -> np.ndarray:
    """Without what is NaN; an array that lacks the axis is left as it is, or counted by element."""
    values, there = array.values, ~np.isnan(array.values)
    if how == "count":
        return there.sum(array.dims.index(dim)) if dim in array.dims else there.astype(int)
    if dim not in array.dims:
        return values
    axis = array.dims.index(dim)
    total = np.where(there, values, 0).astype(float).sum(axis)
    if how == "sum":
        return total
    with np.errstate(invalid="ignore"):
        return total / there.sum(axis)


def _reindexed(
    table: Table, dim: str, wanted: list[Hashable], labels: Mapping[str, np.ndarray]
) -> Table:
    """The rows of these values; NaN where there is none."""
    have = table.coords[dim].values.tolist()
    place = np.array([have.index(v) if v in have else -1 for v in wanted], int)

    def change(array: Array) -> Array:
        if dim not in array.dims:
            return array
        values = array.values if (place >= 0).all() else floats(array.values)
        axis = array.dims.index(dim)
        if values.shape[axis] == 0:
            values = np.full([1 if k == axis else n for k, n in enumerate(values.shape)], np.nan)
        out = values.take(place, axis)
        if (place < 0).any():
            out[(slice(None),) * axis + (place < 0,)] = np.nan
        return replace(array, values=out)

    data = {n: change(a) for n, a in table.data.items()}
    coords = {
        n: replace(a, values=labels[n]) if n in labels else a for n, a in table.coords.items()
    }
    return replace(table, data=data, coords=coords)
