"""Whether a variable is still what the store gives, and which part of it.

A Dataset may have been changed in any way since it was opened. These functions look at how its
lazy variables are made, without computing them. Where they cannot tell, they say so, and the
caller computes from the values.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.core import indexing

from aa1xr.dataset.lazy import LazyArray

#: How dask names the layers of a graph that select, and those that put together what was selected.
_SELECT = ("original-", "array-", "getitem-", "rechunk-")
_ARRANGE = ("transpose-", "concatenate-")


def lazy_arrays(variable: xr.Variable) -> list[LazyArray]:
    """The arrays of a store that a variable is computed from."""
    arrays: list[Any] = [_lazy(variable)]
    if variable.chunks is not None:
        arrays = [
            v for name, la in _layers(variable).items() if _is_source(name) for v in la.values()
        ]
    return [array for array in map(_unwrap, arrays) if isinstance(array, LazyArray)]


def is_selection_of(variable: xr.Variable, kind: type[LazyArray]) -> bool:
    """Whether a lazy variable is what such an array holds: selected and reordered, not changed.

    False says only that this cannot be known without computing it.
    """
    if variable.chunks is None:
        return isinstance(_unwrap(_lazy(variable)), kind)
    layers = _layers(variable)
    sources = [v for name, layer in layers.items() if _is_source(name) for v in layer.values()]
    return (
        bool(sources)
        and all(name.startswith((*_SELECT, *_ARRANGE)) for name in layers)
        and all(isinstance(_unwrap(source), kind) for source in sources)
    )


def source_of(
    variable: xr.Variable, kind: type[LazyArray]
) -> tuple[Any, tuple[npt.NDArray[np.intp], ...]] | None:
    """The array that a lazy variable is a selection of, and the positions on each of its axes.

    None if it is something else, or this cannot be known without computing it.
    """
    if not is_selection_of(variable, kind):
        return None
    found: tuple[Any, tuple[npt.NDArray[np.intp], ...]] | None
    if variable.chunks is None:
        return _of_indexed(_lazy(variable))
    layers = _layers(variable)
    sources = {n: v for name, la in layers.items() if _is_source(name) for n, v in la.items()}
    if len(sources) != 1 or not all(name.startswith(_SELECT) for name in layers):
        return None
    ((key, wrapped),) = sources.items()
    found = _of_indexed(getattr(wrapped, "value", wrapped))
    if found is None:
        return None
    source, whole = found
    if variable.ndim != len(whole):
        return None
    positions = []
    for axis, of_source in enumerate(whole):
        # The same selection, of an array that says where each of its elements is.
        numbers = of_source.astype(np.int32).reshape(
            [-1 if a == axis else 1 for a in range(len(whole))]
        )
        coded = np.broadcast_to(numbers, [part.size for part in whole])
        line = _replayed(variable, key, coded)[
            tuple(slice(None) if a == axis else 0 for a in range(variable.ndim))
        ]
        positions.append(line.compute(scheduler="synchronous").astype(np.intp))
    return source, tuple(positions)


def select_from(
    array: LazyArray, positions: tuple[npt.NDArray[np.intp], ...], like: xr.Variable
) -> xr.Variable:
    """A lazy variable of the values at these positions, in the blocks and dimensions of another."""
    lazy: Any = indexing.LazilyIndexedArray(array, indexing.OuterIndexer(positions))
    if like.chunks is None:
        # As xarray.open_dataset does, so that values are computed once.
        lazy = indexing.MemoryCachedArray(  # type: ignore[no-untyped-call]
            indexing.CopyOnWriteArray(lazy)
        )
        return xr.Variable(like.dims, lazy)
    return xr.Variable(like.dims, lazy).chunk(dict(zip(like.dims, like.chunks, strict=True)))


def _replayed(variable: xr.Variable, key: Any, values: npt.NDArray[Any]) -> da.Array:
    """The selection that a variable is, of other values."""
    data = variable.data
    graph = dict(data.dask) | {key: values}
    return da.Array(  # type: ignore[no-untyped-call]
        graph, data.name, data.chunks, dtype=values.dtype
    )


def _of_indexed(lazy: Any) -> tuple[Any, tuple[npt.NDArray[np.intp], ...]] | None:
    """The array in a LazilyIndexedArray of xarray, and the positions that it selects."""
    while hasattr(lazy, "array") and not hasattr(lazy, "key"):
        lazy = lazy.array
    source = getattr(lazy, "array", None)
    if not isinstance(source, LazyArray):
        return None
    parts = [np.arange(n)[k] for n, k in zip(source.shape, lazy.key.tuple, strict=True)]
    return (source, tuple(parts)) if all(part.ndim == 1 for part in parts) else None


def _layers(variable: xr.Variable) -> dict[str, Any]:
    layers = getattr(getattr(variable.data, "dask", None), "layers", {})
    return {str(name): layer for name, layer in layers.items()}


def _is_source(name: str) -> bool:
    return name.startswith("original-")


def _lazy(variable: xr.Variable) -> Any:
    return variable._data  # noqa: SLF001 - `variable.data` would read it


def _unwrap(array: Any) -> Any:
    """What is inside xarray's wrappers of a lazy array."""
    array = getattr(array, "value", array)
    while not isinstance(array, LazyArray) and hasattr(array, "array"):
        array = array.array
    return array
