"""Selection by labels, for what xarray's own `.sel` refuses."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Hashable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.typing import Positions

Values = npt.NDArray[Any]
Data = TypeVar("Data", xr.Dataset, xr.DataArray)


def sel(obj: Data, /, **labels: Any) -> Data:
    """Select by labels, also by several labels of one dimension and by repeated labels.

    xarray's `.sel(area="MLd", type="conspecific")` accepts one label per dimension. This function
    computes positions and calls `isel`, so lazy data stay lazy.

    Parameters
    ----------
    obj
        A Dataset or DataArray.
    **labels
        Conditions, by the names of one-dimensional coordinates. A condition is a scalar; a list,
        set, array or Series of values; a slice, which is a range that includes both ends, whatever
        the order of the values; a function that takes the values and returns booleans; or an array
        of booleans along the dimension. The selection fulfils all conditions.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        The selection. A scalar of a dimension coordinate drops the dimension, as in xarray; every
        other condition keeps it, even if one element matches. A list of a dimension coordinate
        returns the order of the list; all other conditions keep the order of `obj`.

    Raises
    ------
    KeyError
        If nothing matches a condition or a value of a list; the message lists similar values. Also
        if `obj` has no such coordinate.
    ValueError
        If the coordinate does not have one dimension, a mask has another length or order, or a
        requested dimension value occurs twice.
    TypeError
        If a range or function does not fit the values.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> aa1xr.sel(ds, area="MLd", rig=["A", "B"], type="conspecific").sizes["neuron"]
    6
    >>> ds["depth_um"] = ("neuron", [300, 900] * 6)
    >>> ds.set_coords("depth_um").psth.aa1.sel(depth_um=slice(500, None)).sizes["neuron"]
    6
    >>> ds.aa1.sel(area="MLD")
    Traceback (most recent call last):
        ...
    KeyError: "no area is 'MLD'; did you mean 'MLd'?"
    """
    if not isinstance(obj, xr.Dataset | xr.DataArray):
        raise TypeError(f"obj must be a Dataset or a DataArray; got {type(obj).__name__}")
    by_dim: dict[Hashable, dict[str, Any]] = {}
    for name, label in labels.items():
        by_dim.setdefault(_dimension(obj, name), {})[name] = label
    return obj.isel({dim: _positions(obj, dim, wanted) for dim, wanted in by_dim.items()})


def sel_one(obj: Data, done: str, /, **wanted: Any) -> Data:
    """Select one neuron, one stimulus; None takes the one that there is.

    Parameters
    ----------
    done
        What is done with it, for the message: "drawn".

    Raises
    ------
    KeyError
        If there is none of that name.
    ValueError
        If there are several and none is named.
    """
    for dim, label in wanted.items():
        if callable(label):  # `sel` would call it
            raise TypeError(f"{dim} must be one name; got {arguments.shown(label)}")
        if dim not in obj.dims:
            there = obj.coords[dim].item() if dim in obj.coords else None
            same = label is None or (isinstance(label, Hashable) and label == there)
            if not same:
                raise ValueError(
                    f"{dim}={arguments.shown(label)}, but the data is of {there!r} alone"
                )
            continue
        if obj.sizes[dim] == 0:
            raise ValueError(f"one {dim} is {done}, and nothing is selected along {dim!r}")
        if label is None and obj.sizes[dim] != 1:
            raise ValueError(
                f"one {dim} is {done}, and the data has {obj.sizes[dim]}; name one, "
                f"as in {dim}={obj[dim].values[-1].item()!r}"
            )
        if label is not None:
            schema.values_along(obj, dim)
        obj = obj.isel({dim: 0}) if label is None else sel(obj, **{dim: label})
        if dim in obj.dims:
            raise ValueError(
                f"{dim}={arguments.shown(label)} is {obj.sizes[dim]} of them; expected one name"
            )
    return obj


def _dimension(obj: xr.Dataset | xr.DataArray, name: str) -> Hashable:
    """The dimension of the coordinate `name`."""
    if name not in obj.coords:
        if name in obj.dims:
            raise KeyError(f"dimension {name!r} has no coordinate; select by position with isel")
        if isinstance(obj, xr.Dataset) and name in obj.data_vars:
            raise KeyError(f"{name!r} is a variable; ds.set_coords({name!r}) makes it a label")
        known = [str(coord) for coord, values in obj.coords.items() if values.ndim == 1]
        raise KeyError(f"no coordinate is {name!r}{_suggestion(name, known)}")
    dims = obj.coords[name].dims
    if not dims:
        raise ValueError(
            f"{name!r} is a scalar, {obj.coords[name].item()!r}: an earlier selection dropped its "
            "dimension; select with a list to keep it"
        )
    if len(dims) > 1:
        raise ValueError(f"{name!r} has dimensions {dims}; expected one. Select with where")
    if (
        isinstance(obj, xr.Dataset)
        and all(dims[0] not in v.dims for v in obj.values())
        and len(obj)
    ):
        raise ValueError(
            f"{name!r} is along {str(dims[0])!r}, which is a dimension of no variable, so that it "
            "selects nothing of them. xarray makes such a dimension of a pandas Series; assign "
            f"a label along its own: ds.assign_coords({name}=series.to_xarray())"
        )
    return dims[0]


def _positions(obj: xr.Dataset | xr.DataArray, dim: Hashable, labels: dict[str, Any]) -> Any:
    """Where along `dim` all labels hold: an integer, a slice, or positions."""
    labels = dict(labels)
    size = obj.sizes[dim]
    chosen: Any = np.arange(size)
    if dim in labels:
        name = str(dim)
        label = labels.pop(name)
        points = isinstance(label, xr.DataArray | xr.Variable) and label.dims not in ((), (dim,))
        if points and np.asarray(label).dtype.kind != "b":
            if labels:
                raise ValueError(
                    f"an array of {name!r} along {label.dims} selects point by point, which cannot "
                    f"be combined with {', '.join(labels)}; select one after the other"
                )
            found = _find_in_order(name, obj.coords[name].values, np.asarray(label).ravel())
            return xr.Variable(label.dims, found.reshape(label.shape))
        chosen = _locate(obj, name, label)
    keep = np.ones(size, bool)
    for name, label in labels.items():
        keep &= _mask(obj, name, label)
    if labels and not keep[chosen].any():
        wanted = ", ".join(f"{name}={_show(label)}" for name, label in labels.items())
        raise KeyError(f"no {dim} of the selection has all of {wanted}")
    return chosen if np.ndim(chosen) == 0 else _as_slice(chosen[keep[chosen]])


def _locate(obj: xr.Dataset | xr.DataArray, name: str, label: Any) -> Any:
    """Positions of values of a dimension coordinate: one integer for a scalar that is unique."""
    if isinstance(label, slice) or callable(label):
        return np.flatnonzero(_mask(obj, name, label))
    values = obj.coords[name].values
    if _is_scalar(label):
        found = _find(name, values, label)
        return int(found[0]) if found.size == 1 else found
    wanted = _as_values(name, label)
    if wanted.dtype.kind == "b" and values.dtype.kind != "b":
        return np.flatnonzero(_mask(obj, name, label))
    return _find_in_order(name, values, wanted)


def _find_in_order(name: str, values: Values, wanted: Values) -> Positions:
    """Positions of each value of a dimension coordinate that is asked for."""
    index = pd.Index(values)
    for value in wanted if wanted.dtype.kind == "O" else ():
        if _kind(values) not in ("any", _kind(value)):  # pandas finds True equal to 1
            raise _no_match(name, value, values)
    if index.is_unique:
        positions = index.get_indexer(pd.Index(wanted)) if wanted.size else np.zeros(0, np.intp)
        for missing in np.flatnonzero(positions < 0):
            raise _no_match(name, wanted[missing], values)
        return np.asarray(positions, np.intp)
    asked = pd.Index(wanted)
    for twice in asked[asked.duplicated()]:
        if (values == twice).sum() > 1:
            raise ValueError(
                f"ambiguous: {name} {_show(twice)} is asked for twice and occurs twice; select by "
                "position with isel"
            )
    found = [_find(name, values, value) for value in wanted]
    return np.concatenate([*found, np.zeros(0, np.intp)])


def _mask(obj: xr.Dataset | xr.DataArray, name: str, label: Any) -> Values:
    """Where the coordinate `name` matches `label`."""
    coordinate = obj.coords[name]
    values = coordinate.values
    if callable(label):
        try:
            mask = label(values)
        except Exception as error:
            error.add_note(f"in the function given for {name!r}, which takes its values")
            raise
        return _check_mask(f"the function for {name!r}", mask, values)
    if isinstance(label, slice):
        return _in_range(name, values, label)
    if _is_scalar(label):
        wanted = [label]
    else:
        array = _as_values(name, label)
        if array.dtype.kind == "b" and values.dtype.kind != "b":
            _check_order(name, label, coordinate)
            return _check_mask(f"the mask for {name!r}", array, values)
        wanted = list(array)
    mask = np.zeros(values.size, bool)
    for value in wanted:
        mask[_find(name, values, value)] = True
    return mask


def _find(name: str, values: Values, value: Any) -> Positions:
    """Positions at which `values` equals `value`, of which there must be one."""
    if isinstance(value, xr.DataArray | xr.Variable | np.ndarray):
        value = np.asarray(value).item()
    found = np.flatnonzero(_equal(values, value))
    if found.size == 0:
        raise _no_match(name, value, values)
    return found


def _equal(values: Values, value: Any) -> Values:
    """Where values equal one value; nowhere if the two cannot be compared."""
    same: Any = False
    if _kind(values) in ("any", _kind(value)):
        try:
            same = np.asarray(values == value)
        except Exception:  # noqa: BLE001 - the value's own comparison may raise anything
            same = False
    fits = isinstance(same, np.ndarray) and same.shape == values.shape
    return same.astype(bool) if fits else np.zeros(values.shape, bool)


def _kind(value: Any) -> str:
    """What a value or the values of an array are; NumPy finds True and one second equal to 1."""
    kind = np.asarray(value).dtype.kind
    return {"U": "text", "T": "text", "b": "boolean", "M": "date", "m": "time", "O": "any"}.get(
        kind, "number" if kind in "iufc" else "other"
    )


def _check_mask(what: str, mask: Any, values: Values) -> Values:
    try:
        found: Values = np.asarray(mask)
    except ValueError:
        found = np.zeros(0)
    if found.dtype.kind != "b":
        raise TypeError(f"{what} must give booleans; got {found.dtype}")
    if found.shape != values.shape:
        raise ValueError(f"{what} must have {values.size} elements; got shape {found.shape}")
    if not found.any():
        raise KeyError(f"{what} is True nowhere")
    return found


def _check_order(name: str, mask: Any, coordinate: xr.DataArray) -> None:
    """Refuse a labelled mask whose labels are in another order: it would select other elements."""
    dim = coordinate.dims[0]
    if isinstance(mask, pd.Series):
        labels = mask.index.to_numpy()
        # A Series without an index of its own is a plain array.
        ours = None if isinstance(mask.index, pd.RangeIndex) else coordinate.coords.get(dim)
    elif isinstance(mask, xr.DataArray):
        if mask.dims != (dim,):
            raise ValueError(f"the mask for {name!r} must be along {dim!r}; got {mask.dims}")
        ours = coordinate.coords.get(dim) if dim in mask.coords else None
        labels = mask.coords[dim].values if dim in mask.coords else None
    else:
        return
    if ours is not None and not np.array_equal(np.asarray(labels, object), ours.values):
        raise ValueError(
            f"the mask for {name!r} has other {dim} labels, or another order, than the data; "
            f"align it first: mask.sel({dim}=ds.{dim})"
        )


def _in_range(name: str, values: Values, label: slice) -> Values:
    if label.step is not None:
        raise ValueError(f"a range of {name!r} has no step; got {label!r}")
    mask = np.ones(values.size, bool)
    try:
        if label.start is not None:
            mask &= np.asarray(values >= label.start, bool)
        if label.stop is not None:
            mask &= np.asarray(values <= label.stop, bool)
    except Exception as error:  # the ends' own comparison may raise anything
        raise TypeError(
            f"{name} from {_show(label.start)} to {_show(label.stop)}: the ends cannot be compared "
            f"with its values, such as {values[:1].tolist()}"
        ) from error
    if not mask.any():
        known = _known(values)
        there = f"the values go from {min(known)!r} to {max(known)!r}" if known else "it is empty"
        raise KeyError(f"no {name} is from {_show(label.start)} to {_show(label.stop)}; {there}")
    return mask


def _is_scalar(label: Any) -> bool:
    """Whether a label is one value; text is, everything that holds values is not."""
    if isinstance(label, str | bytes) or np.isscalar(label):
        return True
    if isinstance(label, xr.DataArray | xr.Variable | np.ndarray):
        return label.ndim == 0
    return not (isinstance(label, Collection) or hasattr(label, "__iter__"))


def _as_values(name: str, label: Any) -> Values:
    """The values of a list, set, array, Series or iterator. [shape: (n,)]."""
    if not isinstance(label, xr.DataArray | xr.Variable | np.ndarray):
        # A set or a generator would be one object to NumPy.
        label = arguments.listed(name, label, 10**6)
        # Values of several kinds stay what they are; NumPy would make text of numbers.
        mixed = len({_kind(value) for value in label}) > 1
        label = np.array([*label, None], object)[:-1] if mixed else _to_array(name, label)
    values = np.asarray(label)
    if values.ndim != 1:
        raise ValueError(f"{name} must be selected by a list of values; got shape {values.shape}")
    return schema.fixed_width(values) if values.dtype.kind == "T" else values


def _to_array(name: str, values: list[Any]) -> Values:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name} must be selected by a list of values; got nested lists"
        ) from error


def _as_slice(positions: Positions) -> slice | Positions:
    """Neighbours as a slice, so that dask computes only the blocks that hold them."""
    if positions.size == 0:
        return positions
    first, last = int(positions[0]), int(positions[-1])
    return (
        slice(first, last + 1)
        if np.array_equal(positions, np.arange(first, last + 1))
        else positions
    )


def _no_match(name: str, value: Any, values: Values) -> KeyError:
    return KeyError(f"no {name} is {_show(value)}{_suggestion(value, _known(values))}")


def _known(values: Values) -> list[Any]:
    """The distinct values that can be compared, in their order."""
    there = [value for value in values.tolist() if value == value]  # noqa: PLR0124 - NaN is not
    return list(dict.fromkeys(there))


def _suggestion(value: Any, there: list[Any]) -> str:
    """What to say of values that are similar, if any are."""
    near: list[Any] = []
    if isinstance(value, str):
        folded = {str(other).casefold(): other for other in there}
        near = [folded[key] for key in difflib.get_close_matches(value.casefold(), folded, n=3)]
    elif isinstance(value, int | float | np.integer | np.floating):
        numbers = [other for other in there if isinstance(other, int | float)]
        with suppress(TypeError, OverflowError):  # a time span, 10**400
            near = sorted(numbers, key=lambda other: abs(other - float(value)))[:2]
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    if not there:
        return ": there is none to select from"
    if len(there) <= 12:
        return f"; there are {', '.join(map(repr, there))}"
    return f"; there are {len(there)}, such as {there[0]!r}"


def _show(value: Any) -> str:
    """A value as a user typed it, cut where it is long."""
    value = value.item() if isinstance(value, np.generic) else value
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the value's own repr may raise anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."
