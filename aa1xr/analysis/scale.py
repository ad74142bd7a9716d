"""Standardise and normalise data, with statistics that can be applied again and undone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Literal

import dask.array
import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments
from aa1xr.analysis.measures import During, bins_during
from aa1xr.analysis.sel import sel


@dataclass(frozen=True, eq=False)
class Scaling:
    """An offset to subtract and a scale to divide by.

    Both have the dimensions that the statistics were not computed over, with their labels, and the
    units of the data.
    """

    offset: xr.DataArray
    scale: xr.DataArray

    def apply(self, da: xr.DataArray) -> xr.DataArray:
        """Scale data with these statistics: (da - offset) / scale.

        Raises
        ------
        KeyError
            If `da` has neurons (or stimuli, ...) without statistics.
        """
        offset, scale = self._like(da)
        scaled = da.copy(data=((da.variable - offset) / scale).data)
        # `aa1xr.predict` goes by it; the value of silence is no longer the one of the attributes.
        return scaled.assign_attrs(units="1", scaled="(x - offset) / scale")

    def undo(self, da: xr.DataArray) -> xr.DataArray:
        """Return scaled data, or a prediction, to the original units: da * scale + offset.

        Raises
        ------
        KeyError
            As in `apply`.
        """
        offset, scale = self._like(da)
        undone = da.copy(data=(da.variable * scale + offset).data)
        for name in ("units", "scaled"):
            undone.attrs.pop(name, None)
        return undone.assign_attrs(self.offset.attrs)

    def compute(self) -> Scaling:
        """Return the same statistics in memory. Lazy ones are computed on each use."""
        offset, scale = xr.Dataset({"offset": self.offset, "scale": self.scale}).compute().values()
        return Scaling(offset, scale)

    def _like(self, da: xr.DataArray) -> tuple[xr.Variable, xr.Variable]:
        """Offset and scale in the order of `da`.

        As bare Variables: what is asked of the data is to have these neurons, not to have the
        same further labels as when the statistics were taken.
        """
        _check("da", da)
        dtype = np.result_type(da.dtype, np.float32)
        for dim in self.offset.dims:
            if dim not in da.coords and dim not in da.dims:
                raise KeyError(
                    f"the data has no {arguments.shown(dim)}, and there are statistics for each"
                )
        labels = {str(dim): da[dim].values for dim in self.offset.dims if dim in self.offset.coords}
        both = (self.offset, self.scale)
        offset, scale = (sel(array, **labels).variable.astype(dtype) for array in both)
        return offset, scale


def standardize(
    da: xr.DataArray,
    *,
    over: Hashable | Iterable[Hashable] | EllipsisType,
    stats_from: xr.DataArray | None = None,
    during: During = "stimulus",
) -> tuple[xr.DataArray, Scaling]:
    """Subtract the mean and divide by the standard deviation.

    Parameters
    ----------
    da
        Data of any shape; NaN is missing.
    over
        The dimensions to compute statistics over, `...` for all. ("stimulus", "time") scales each
        frequency band of a spectrogram separately.
    stats_from
        The selection of the data to compute statistics from. Use the training data, so that the
        model has no information about the test data. None: all of `da`.
    during
        Which bins count for the statistics, if `over` includes `time` or `stimulus`. "stimulus":
        bins while the stimulus plays, 0 <= time < duration_s; "all": every bin that is not NaN. In
        the silence after short stimuli, and in bins added by `before_ms` and `after_ms`, the
        spectrogram is 0, which would lower the mean and the standard deviation.

    Returns
    -------
    scaled : xarray.DataArray
        As `da`, with units "1"; lazy if `da` is. Every bin is scaled, so silence becomes
        -mean / standard deviation.
    scaling : Scaling
        `scaling.apply(other)` scales other data, and `scaling.undo(scaled)` restores the data. The
        standard deviation is that of a sample (ddof=1), as in deepSTRF. Constant data are shifted
        to 0 (their scale is 1). Data without values in `stats_from` become NaN.

    Raises
    ------
    ValueError
        If there is no such dimension, or the data have no durations of the stimuli.
    KeyError
        If `da` has neurons (or bands, ...) that `stats_from` does not have.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> train, _, test = aa1xr.split(ds, test=0.2)
    >>> sound, scaling = aa1xr.standardize(
    ...     ds.spectrogram,
    ...     over=("stimulus", "time"),
    ...     stats_from=ds.spectrogram.sel(stimulus=train),
    ... )
    >>> plays = ds.time < ds.duration_s
    >>> abs(float(sound.where(plays).sel(stimulus=train).mean())) < 1e-4
    True
    >>> xr.testing.assert_allclose(scaling.undo(sound), ds.spectrogram, atol=1e-4)
    """
    _check("da", da)
    source = da if stats_from is None else _check("stats_from", stats_from)
    dims = _dims(source, over)
    # Responses are in single precision, which is too short for sums over all of them.
    values = _while_playing(source, dims, during).astype(np.float64)
    mean = values.mean(dims)
    spread = values.reduce(_deviation, dims)
    # Asked of the values: rounding leaves the deviation of some constants just above zero.
    constant = values.max(dims) == values.min(dims)
    scaling = _scaling(source, mean, spread.where(~constant, 1))
    return scaling.apply(da), scaling


def normalize(
    da: xr.DataArray,
    *,
    method: Literal["max", "zscore"] = "max",
    stats_from: xr.DataArray | None = None,
    during: During = "stimulus",
) -> tuple[xr.DataArray, Scaling]:
    """Normalise the responses of each neuron by its own statistics.

    Parameters
    ----------
    da
        Responses [shape: (neuron, stimulus, time)], or those of one neuron; NaN is missing.
    method
        "max" divides by the largest absolute value, and "zscore" standardises, over all dimensions
        except `neuron`.
    stats_from, during
        The selection and the bins to compute statistics from, as in `aa1xr.standardize`.

    Returns
    -------
    scaled : xarray.DataArray
        As `da`, with units "1"; lazy if `da` is.
    scaling : Scaling
        Scales other data, and restores the data. A neuron without spikes stays 0 (its scale is 1);
        a neuron without data in `stats_from` becomes NaN.

    Raises
    ------
    ValueError
        If `method` is not one of these.
    KeyError
        If `da` has neurons that `stats_from` does not have.

    Examples
    --------
    >>> ds = aa1xr.open_sample()
    >>> rates, scaling = aa1xr.normalize(ds.psth)
    >>> float(rates.max()), scaling.scale.dims
    (1.0, ('neuron',))
    """
    arguments.choice("method", method, ("max", "zscore"))
    _check("da", da)
    source = da if stats_from is None else _check("stats_from", stats_from)
    over = [dim for dim in source.dims if dim != "neuron"]
    if method == "zscore":
        return standardize(da, over=over, stats_from=stats_from, during=during)
    largest = abs(_while_playing(source, over, during)).max(over)
    scaling = _scaling(source, xr.zeros_like(largest), largest.where(largest != 0, 1))
    return scaling.apply(da), scaling


#: Of a part of the data: how many, their mean, and the sum of squares about it.
_MOMENTS = np.dtype([("n", np.float64), ("mean", np.float64), ("squares", np.float64)])


def _deviation(values: Any, axis: Any) -> Any:
    """The standard deviation of a sample, of what is not NaN; NaN for fewer than two values.

    dask's own divides 0 by 0 for a neuron without data, and NumPy warns of it.
    """
    if not isinstance(values, dask.array.Array):
        return _of_moments(_moments(values, axis), axis)
    reduction: Any = dask.array.reduction
    return reduction(
        values,
        _moments,
        _of_moments,
        combine=_join,
        axis=axis,
        dtype=np.float64,
        meta=np.empty((0,) * (values.ndim - np.size(axis))),
    )


# dask calls these three, each with `axis` and `keepdims` by name.
def _moments(
    values: npt.NDArray[Any],
    axis: Any,
    keepdims: bool = True,  # noqa: ARG001
    computing_meta: bool = False,
) -> npt.NDArray[Any]:
    if computing_meta:  # dask asks for the type, which it wants to be that of the result
        return values
    there = ~np.isnan(values)
    n = there.sum(axis, keepdims=True)
    mean = np.where(there, values, 0).sum(axis, keepdims=True) / np.maximum(n, 1)
    return _packed(n, mean, np.where(there, values - mean, 0) ** 2, axis)


def _join(parts: npt.NDArray[Any], axis: Any, keepdims: bool = True) -> npt.NDArray[Any]:  # noqa: ARG001
    """Chan et al. (1983), doi:10.1080/00031305.1983.10483115."""
    n = parts["n"].sum(axis, keepdims=True)
    mean = (parts["n"] * parts["mean"]).sum(axis, keepdims=True) / np.maximum(n, 1)
    squares = parts["squares"] + parts["n"] * (parts["mean"] - mean) ** 2
    return _packed(n, mean, squares, axis)


def _of_moments(parts: npt.NDArray[Any], axis: Any, keepdims: bool = False) -> Any:
    joined = _join(parts, axis)
    n = joined["n"]
    spread = np.sqrt(joined["squares"] / np.where(n > 1, n - 1, np.nan))
    return spread if keepdims else spread.squeeze(axis)


def _packed(n: Any, mean: Any, squares: Any, axis: Any) -> npt.NDArray[Any]:
    packed = np.empty(n.shape, _MOMENTS)
    packed["n"], packed["mean"] = n, mean
    packed["squares"] = squares.sum(axis, keepdims=True)
    return packed


def _while_playing(da: xr.DataArray, over: list[Hashable], during: During) -> xr.DataArray:
    """The data in the bins that statistics are taken from; NaN elsewhere."""
    arguments.choice("during", during, ("stimulus", "all"))
    if during == "all" or "time" not in da.dims or not {"time", "stimulus"} & set(over):
        return da
    if "time" not in da.coords or "duration_s" not in da.coords:
        raise ValueError(
            "the data must have the coordinates 'time' and 'duration_s', which say when each "
            "stimulus plays, so that statistics are not taken from padding; take them from ds, "
            "da.assign_coords(duration_s=ds.duration_s), or use every bin with during='all'"
        )
    dims = [*da["duration_s"].dims, "time"]
    plays = bins_during(da.to_dataset(name="data"), during)
    return da.where(xr.Variable(dims, plays if len(dims) == 2 else plays[0]))


def _check(name: str, da: xr.DataArray) -> xr.DataArray:
    arguments.expect(name, da, xr.DataArray)
    if da.dtype.kind not in "fiub" or 0 in da.shape:
        raise ValueError(f"{name} is of shape {da.shape} and type {da.dtype}; expected numbers")
    return da


def _dims(da: xr.DataArray, over: Hashable | Iterable[Hashable] | EllipsisType) -> list[Hashable]:
    if over is ...:
        return list(da.dims)
    one = isinstance(over, str | bytes | type) or getattr(over, "ndim", 1) == 0
    one = one or not isinstance(over, Iterable)
    dims: list[Any] = [over] if one else arguments.listed("over", over, 1000)
    for dim in dims:
        if not isinstance(dim, Hashable) or dim not in da.dims:
            raise ValueError(
                f"no dimension {arguments.shown(dim)} to take statistics over; there are {da.dims}"
            )
    return dims


def _scaling(source: xr.DataArray, offset: xr.DataArray, scale: xr.DataArray) -> Scaling:
    attrs = {"units": source.attrs["units"]} if "units" in source.attrs else {}

    def kept(array: xr.DataArray, name: str) -> xr.DataArray:
        return array.rename(name).drop_attrs(deep=False).assign_attrs(attrs)

    return Scaling(kept(offset, "offset"), kept(scale, "scale"))
