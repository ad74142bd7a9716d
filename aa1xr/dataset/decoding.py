"""Attributes that say how values are decoded: a store may hold anything under their names."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
import xarray as xr

from aa1xr.arguments import shown

_SCALES = ("scale_factor", "add_offset")
_MISSING = ("_FillValue", "missing_value")
#: Of a variable, those that change its values when it is read.
DECODED = (*_SCALES, *_MISSING, "units", "calendar", "dtype", "_Unsigned")

#: Beyond, single precision overflows.
_LARGEST = 1e30


def check_decoding(variable: xr.Variable) -> None:
    """Check that xarray can decode a stored variable by its attributes; reads no values."""
    attrs = variable.attrs
    if attrs.keys().isdisjoint(DECODED):
        return
    for name in _SCALES:
        if name in attrs and not _is_scale(attrs[name], least=name == "scale_factor"):
            other = " other than 0" if name == "scale_factor" else ""
            raise ValueError(
                f"its attribute {name} must be a number{other}, at most {_LARGEST:g}; got "
                f"{shown(attrs[name])}"
            )
    for name in _MISSING if variable.dtype.kind in "iuf" else ():
        if name in attrs and not all(map(_is_number, np.ravel(attrs[name]).tolist())):
            raise ValueError(f"its attribute {name} must be a number; got {shown(attrs[name])}")
    one = xr.Variable(variable.dims, np.zeros((1,) * variable.ndim, variable.dtype), attrs)
    _ = xr.conventions.decode_cf_variable("", one, decode_timedelta=True).values


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_scale(value: Any, *, least: bool) -> bool:
    # xarray also takes lists of one number.
    values = np.ravel(np.asarray(value, dtype=object)).tolist()
    return (
        len(values) == 1
        and _is_number(values[0])
        and math.isfinite(values[0])
        and abs(values[0]) <= _LARGEST
        and not (least and values[0] == 0)
    )
