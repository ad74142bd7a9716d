"""One index for an axis and everything that is known about it.

Plain xarray selects by one label at a time, drops the dimension where one element matches, and
refuses lists; see "Selecting" in the documentation. `LabelIndex` holds the dimension coordinate
*and* its labels, so that any of them, several at once, select along the axis.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from xarray.core.indexing import IndexSelResult

from aa1xr import schema

Values = npt.NDArray[Any]

#: The axes that carry labels.
LABELLED = ("neuron", "stimulus")


def index_labels(ds: xr.Dataset, **labels: Any) -> xr.Dataset:
    """Let `.sel` use every label of the neurons and stimuli of `ds`, and change labels.

    A Dataset from `aa1xr.open` or `aa1xr.load` has the index already. Call this to add a label
    of your own, or on a Dataset that xarray read from a file.

    Parameters
    ----------
    ds
        A Dataset with coordinates along `neuron` or `stimulus`.
    **labels
        Labels to add or replace, as `xarray.Dataset.assign_coords` takes them; None drops one.

    Returns
    -------
    xarray.Dataset
        The same, with one `LabelIndex` an axis; all its labels are in memory.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> ds = aa1xr.index_labels(ds, depth_um=("neuron", [300, 900] * 6))
    >>> ds.sel(depth_um=slice(500, None), area="MLd").sizes["neuron"]
    3
    """
    schema.require(ds)
    for name, values in labels.items():
        if name not in ds.dims and isinstance(values, list | np.ndarray | pd.Series):
            raise ValueError(f"{name}: say along which axis: {name}=('neuron', [...])")
    held = [name for name, index in ds.xindexes.items() if isinstance(index, LabelIndex)]
    # Whatever `rename` called an axis that has the index, it keeps it.
    axes = dict.fromkeys([*LABELLED, *(ds[name].dims[0] for name in held)])
    indexed = {*held, *(dim for dim in axes if dim in ds.dims)} & set(ds.xindexes)
    ds = ds.drop_indexes(indexed).assign_coords(
        {name: values for name, values in labels.items() if values is not None}
    )
    ds = ds.drop_vars([name for name, values in labels.items() if values is None])
    of = {
        dim: [name for name, coord in ds.coords.items() if coord.dims == (dim,)]
        for dim in axes
        if dim in ds.dims and dim in ds.coords
    }
    variables = {name: ds.variables[name] for names in of.values() for name in names}
    # Dropped first, so that they stand in the order of the index: xarray aligns by it.
    return ds.drop_vars(list(variables)).assign_coords(label_coords(variables))


def label_coords(variables: Mapping[Any, xr.Variable]) -> xr.Coordinates:
    """The coordinates of some axes and their labels, with an index for each axis."""
    coords: dict[Any, xr.Variable] = {}
    indexes: dict[Any, LabelIndex] = {}
    for dim in dict.fromkeys(variable.dims[0] for variable in variables.values()):
        along = {name: v for name, v in variables.items() if v.dims == (dim,)}
        index = LabelIndex.from_variables(along, options={})
        coords |= index.create_variables(along)
        indexes |= dict.fromkeys(index.values, index)
    return xr.Coordinates(coords, indexes)


class LabelIndex(xr.Index):
    """Label-based selection along one axis, by its coordinate and by any of its labels.

    - A scalar on the dimension coordinate drops the dimension, as anywhere in xarray. A scalar
      on a label keeps it, however many match.
    - A list takes what is in it, a slice the values from start to stop inclusive (sorted or
      not), a callable gets the values and returns a boolean mask.
    - Several labels must all hold.
    - What lies there twice is selected twice. Asked for twice as well, or point by point, it is a
      ValueError: how many, or which of them, is not for us to say.
    - What matches nothing is a KeyError.
    """

    def __init__(self, dim: Hashable, values: Mapping[Hashable, Values]) -> None:
        self.dim = dim
        #: The values of each coordinate, the dimension coordinate's first.
        self.values = dict(values)
        # xarray asks for the variables at every copy of a Dataset, and making them takes longer.
        self._variables: dict[Hashable, xr.IndexVariable] = {}

    @classmethod
    def from_variables(
        cls, variables: Mapping[Any, xr.Variable], *, options: Mapping[str, Any]
    ) -> Self:
        """Take the dimension coordinate and its labels, all along one dimension."""
        if options:
            raise ValueError(f"LabelIndex takes no options; got {sorted(options)}")
        dims = {variable.dims for variable in variables.values()}
        if len(dims) != 1 or len(dim := dims.pop()) != 1:
            raise ValueError("LabelIndex takes coordinates along one and the same dimension")
        if dim[0] not in variables:
            raise ValueError(f"LabelIndex needs the dimension coordinate {dim[0]!r}")
        names = _ordered(dim[0], variables)
        return cls(dim[0], {name: _plain(variables[name].values) for name in names})

    def create_variables(
        self, variables: Mapping[Any, xr.Variable] | None = None
    ) -> dict[Any, xr.Variable]:
        """Make the coordinates anew, with the attributes of those that were there."""
        out: dict[Any, xr.Variable] = {}
        for name, values in self.values.items():
            if name not in self._variables:
                # As IndexVariable they stay in memory when a Dataset is chunked.
                variable = xr.IndexVariable(self.dim, values)  # type: ignore[no-untyped-call]
                self._variables[name] = variable
            out[name] = self._variables[name].copy(deep=False)
            if variables is not None and name in variables:
                out[name].attrs = variables[name].attrs
                out[name].encoding = variables[name].encoding
            if values.dtype.kind == "U":
                # In a file they are of variable length; zarr warns of any other kind.
                out[name].encoding = {"dtype": np.dtypes.StringDType()}
        return out

    def to_pandas_index(self) -> pd.Index[Any]:
        """The dimension coordinate."""
        return pd.Index(self._coordinate, name=self.dim)

    @property
    def _name(self) -> Hashable:
        # Not always that of the dimension: `rename_dims` and `rename_vars` change one of the two.
        return next(iter(self.values))

    @property
    def _coordinate(self) -> Values:
        return self.values[self._name]

    # Selecting

    def sel(
        self, labels: dict[Any, Any], method: str | None = None, tolerance: Any = None
    ) -> IndexSelResult:
        """Positions at which all of `labels` hold.

        `method` is for the other axes of the same call: labels match exactly or not at all.
        """
        labels = dict(labels)
        positions: Any = np.arange(self._coordinate.size)
        if self._name in labels:
            positions = self._locate(labels.pop(self._name))
            if not labels:
                return IndexSelResult({self.dim: _as_slice(positions)})
            if isinstance(positions, xr.Variable | xr.DataArray):
                raise ValueError(f"cannot combine an array of {self._name!r} with other labels")
        keep = np.ones(self._coordinate.size, bool)
        for name, label in labels.items():
            keep &= self._mask(name, label)
        chosen = positions if keep[positions].all() else positions[keep[positions]]
        if np.size(chosen) == 0:
            wanted = ", ".join(f"{name}={label!r}" for name, label in labels.items())
            raise KeyError(f"no {self.dim} has {wanted} all at once (or is in the selection)")
        return IndexSelResult({self.dim: _as_slice(chosen)})

    def _locate(self, label: Any) -> Any:
        """Positions of labels of the dimension coordinate, in their order."""
        if isinstance(label, slice) or callable(label):
            return np.flatnonzero(self._mask(self._name, label))
        values = _asked(self._name, label)
        if values.dtype.kind == "b":
            return np.flatnonzero(self._mask(self._name, values))
        found = self._places(values.ravel())
        if values.ndim == 0:
            return found[0][0] if found[0].size == 1 else found[0]
        along = label.dims if isinstance(label, xr.DataArray | xr.Variable) else (self.dim,)
        if values.ndim == 1 and along == (self.dim,):
            self._refuse_twice(values[pd.Index(values).duplicated()].tolist(), "asked for twice")
            return np.concatenate([*found, np.zeros(0, np.intp)])
        # An array along other dimensions selects point by point, as anywhere in xarray.
        self._refuse_twice(values.ravel().tolist(), f"asked for along {along}")
        positions = np.reshape(found, values.shape).astype(np.intp)
        return xr.Variable(along, positions) if len(along) == values.ndim else positions

    def _refuse_twice(self, labels: list[Any], what: str) -> None:
        """Which of several, or how many, is not for us to say."""
        index = self.to_pandas_index()
        if index.is_unique:
            return
        for twice in index[index.duplicated()].intersection(labels):
            raise ValueError(
                f"the {self._name} {twice!r}, {what}, is there more than once itself; "
                "select by position, with isel"
            )

    def _places(self, wanted: Values) -> list[Values]:
        """Positions of each of these labels of the dimension coordinate."""
        index = self.to_pandas_index()
        if not index.is_unique:
            return [np.flatnonzero(self._match(self._name, value)) for value in wanted]
        positions = index.get_indexer(pd.Index(wanted))
        for missing in np.flatnonzero(positions < 0):
            raise self._missing(self._name, wanted[missing])
        return list(positions[:, np.newaxis])

    def _mask(self, name: Hashable, label: Any) -> Values:
        """Where the coordinate `name` matches `label`."""
        values = self.values[name]
        if callable(label):
            mask = np.asarray(label(values))
            if mask.dtype.kind != "b":
                raise TypeError(f"the function given for {name!r} must return booleans")
            return self._checked(name, mask)
        if isinstance(label, slice):
            return self._between(name, label)
        wanted = _asked(name, label)
        if wanted.dtype.kind == "b" and values.dtype.kind != "b":
            return self._checked(name, wanted)
        masks = [self._match(name, value) for value in wanted.ravel()]
        return np.any(masks, axis=0) if masks else np.zeros(values.size, bool)

    def _checked(self, name: Hashable, mask: Values) -> Values:
        """A mask, if it is one for this axis and leaves something of it."""
        size = self._coordinate.size
        if mask.shape != (size,):
            raise ValueError(f"a mask for {name!r} must have {size} elements; got {mask.shape}")
        if not mask.any():
            raise KeyError(f"no {name} is True in the mask")
        return mask

    def _between(self, name: Hashable, label: slice) -> Values:
        values = self.values[name]
        if label.step is not None:
            raise ValueError(f"a slice of {name!r} takes no step")
        mask = np.ones(values.size, bool)
        try:
            if label.start is not None:
                mask &= np.asarray(values >= label.start, bool)
            if label.stop is not None:
                mask &= np.asarray(values <= label.stop, bool)
        except TypeError as error:
            raise TypeError(
                f"{name} from {label.start!r} to {label.stop!r}: cannot be compared with its "
                f"values, such as {values[:1].tolist()}"
            ) from error
        if not mask.any():
            # What is NaN is in no range, nor does it bound one.
            known = [value for value in values.tolist() if value == value]  # noqa: PLR0124 - NaN is not
            there = f"{min(known)} to {max(known)}" if known else "none"
            raise KeyError(f"no {name} from {label.start} to {label.stop}; there are {there}")
        return mask

    def _match(self, name: Hashable, value: Any) -> Values:
        mask = np.asarray(self.values[name] == value, bool)
        if not mask.any():
            raise self._missing(name, value)
        return mask

    def _missing(self, name: Hashable, value: Any) -> KeyError:
        there = list(dict.fromkeys(self.values[name].tolist()))
        value = value.item() if isinstance(value, np.generic) else value
        if not there:
            return KeyError(f"no {name} is {value!r}: nothing is selected along {self.dim!r}")
        if isinstance(value, str):
            plain = {str(other).casefold(): other for other in there}
            close = difflib.get_close_matches(value.casefold(), plain, n=3)
            near = [plain[key] for key in close]
        else:
            numbers = [o for o in there if isinstance(o, int | float) and not math.isnan(o)]
            near = sorted(numbers, key=lambda other: abs(other - value))[:2]
        message = f"no {name} is {value!r}"
        if near:
            message += f"; did you mean {' or '.join(map(repr, near))}?"
        elif len(there) <= 12:
            message += f"; there are {', '.join(map(repr, there))}"
        else:
            message += f"; there are {len(there)}, such as {there[0]!r}"
        return KeyError(message)

    # Surviving what is done to the Dataset

    def _take(self, positions: Any) -> LabelIndex:
        return LabelIndex(self.dim, {name: v[positions] for name, v in self.values.items()})

    def isel(self, indexers: Mapping[Any, Any]) -> LabelIndex | None:
        """Go along with the axis, unless it is dropped or replaced by another."""
        if self.dim not in indexers:  # `swap_dims` gave the axis another name
            return None
        indexer = indexers[self.dim]
        if isinstance(indexer, xr.Variable):
            if indexer.dims != (self.dim,):
                return None
            indexer = indexer.values
        if not isinstance(indexer, slice) and np.ndim(indexer) != 1:
            return None
        return self._take(indexer)

    def equals(self, other: xr.Index, *, exclude: frozenset[Hashable] | None = None) -> bool:
        """Whether the other holds the same labels in the same order."""
        return (
            isinstance(other, LabelIndex)
            and self.dim == other.dim
            and self.values.keys() == other.values.keys()
            and all(_same(values, other.values[name]) for name, values in self.values.items())
        )

    def join(self, other: LabelIndex, how: str = "inner") -> LabelIndex:
        """What both have, or either has, in the order of this one."""
        here, there = self._unique(), other._unique()
        both = here.isin(there)
        matching = other._take(there.get_indexer(here[both]))
        for name, values in self._take(both).values.items():
            if not _same(values, matching.values[name]):
                raise ValueError(
                    f"label {name!r} differs between the two for the same {self.dim}; "
                    f"drop it from one: ds.drop_indexes({name!r}).drop_vars({name!r}), "
                    "then aa1xr.index_labels"
                )
        if how == "inner":
            return self._take(both)
        return self.concat([self, other._take(~there.isin(here))], self.dim)

    def reindex_like(self, other: LabelIndex) -> dict[Hashable, Any]:
        """Where each element of the other is here; -1 where it is not."""
        return {self.dim: self._unique().get_indexer(other.to_pandas_index())}

    def _unique(self) -> pd.Index[Any]:
        """The dimension coordinate, if what to align by it is no question."""
        index = self.to_pandas_index()
        for twice in index[index.duplicated()]:
            raise ValueError(
                f"cannot align along {self.dim!r}: {twice!r} is there more than once; "
                f"select each {self._name} once, or take arrays of equal order"
            )
        return index

    @classmethod
    def concat(
        cls,
        indexes: Sequence[LabelIndex],
        dim: Hashable,
        positions: Iterable[Iterable[int]] | None = None,
    ) -> LabelIndex:
        """One after the other, and then to `positions` if given."""
        first = indexes[0]
        for other in indexes[1:]:
            if other.values.keys() != first.values.keys():
                differing = sorted(map(str, other.values.keys() ^ first.values.keys()))
                raise ValueError(f"only some of the Datasets have the labels {differing}")
        joined = cls(
            first.dim,
            {n: np.concatenate([index.values[n] for index in indexes]) for n in first.values},
        )
        if positions is None:
            return joined
        order = np.concatenate([np.asarray(list(part), dtype=np.intp) for part in positions])
        return joined._take(np.argsort(order))

    def roll(self, shifts: Mapping[Any, int]) -> LabelIndex:
        """Rotate the axis."""
        size = self._coordinate.size
        return self._take((np.arange(size) - shifts[self.dim]) % max(size, 1))

    def rename(
        self, name_dict: Mapping[Any, Hashable], dims_dict: Mapping[Any, Hashable]
    ) -> LabelIndex:
        """Follow new names."""
        dim = dims_dict.get(self.dim, self.dim)
        values = {name_dict.get(name, name): v for name, v in self.values.items()}
        return LabelIndex(dim, values)

    def __repr__(self) -> str:
        # xarray prints this under its refusal to drop or replace one label of an index, which
        # `ds[name] = array` and `ds.assign` run into: they would drop the labels of `array`.
        return (
            f"LabelIndex({', '.join(map(str, self.values))})\n"
            "To add a variable: ds.merge({name: array}). "
            "To change or drop a label: aa1xr.index_labels(ds, label=...)."
        )

    def _repr_inline_(self, max_width: int) -> str:
        return f"LabelIndex (size={self._coordinate.size})"


def _as_slice(positions: Any) -> Any:
    """Neighbours as a slice, which dask passes on to the source: only they are then computed.

    An area, an animal and a type each are neighbours, as the store sorts them.
    """
    if not isinstance(positions, np.ndarray) or positions.ndim != 1 or positions.size == 0:
        return positions
    first, last = int(positions[0]), int(positions[-1])
    run = np.array_equal(positions, np.arange(first, last + 1))
    return slice(first, last + 1) if run else positions


def _ordered(dim: Hashable, names: Iterable[Hashable]) -> list[Hashable]:
    """Coordinates along an axis in one order, since xarray aligns indexes only of equal order."""
    known = schema.labels(str(dim))
    return sorted(names, key=lambda n: (n != dim, n not in known, n in known and known.index(n), n))


def _plain(values: Values) -> Values:
    """Strings of any kind as those of fixed width."""
    strings = values.dtype.kind == "T" or (
        values.dtype.kind == "O" and all(isinstance(value, str) for value in values.flat)
    )
    return schema.fixed_width(values) if strings else values


def _asked(name: Hashable, label: Any) -> Values:
    """The labels that a selection asks for."""
    try:
        return _plain(np.asarray(label))
    except ValueError as error:
        raise ValueError(
            f"{name}: lists of unequal lengths; select by one of them, such as split.train"
        ) from error


def _same(a: Values, b: Values) -> bool:
    floats = a.dtype.kind == b.dtype.kind == "f"
    return bool(np.array_equal(a, b, equal_nan=floats))
