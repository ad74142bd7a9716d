"""Output nonlinearities: the firing rate as a function of the linear prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from aa1xr import arguments, messages, schema
from aa1xr.analysis.alignment import (
    check_response,
    check_same_neuron,
    check_same_sounds,
    check_time,
)
from aa1xr.analysis.measures import During, bins_during
from aa1xr.analysis.sel import sel
from aa1xr.analysis.smooth import KERNEL_SUM, kernel_attrs
from aa1xr.analysis.spectrogram_checks import check_definition, definition, finite
from aa1xr.errors import UndefinedWarning
from aa1xr.typing import Floats

_BINS = ("stimulus", "time")


@dataclass(frozen=True, eq=False)
class Nonlinearity:
    """Mean responses in bins of a linear prediction [shape: (neuron, level)] each."""

    drive: xr.DataArray
    rate: xr.DataArray

    def apply(self, prediction: xr.DataArray) -> xr.DataArray:
        """Apply the nonlinearity to a prediction [shape: (neuron, ..., time)]; lazy if either is.

        Values between bins are interpolated linearly. Below the lowest bin, the rate is that of the
        lowest bin. Above the highest bin, the last line continues unless it falls, because other
        stimuli may drive a neuron more strongly.
        """
        arguments.expect("prediction", prediction, xr.DataArray)
        schema.check_dims("the prediction", prediction, "time")
        check_definition(
            self.drive.attrs, prediction.attrs, wants="the nonlinearity", has="the prediction"
        )
        drive, rate = self.drive, self.rate
        if "neuron" in prediction.coords and "neuron" in drive.dims:
            # Those of the prediction alone: a curve for others does no harm.
            drive, rate = (
                sel(array, neuron=prediction["neuron"].values) for array in (drive, rate)
            )
        out: xr.DataArray = xr.apply_ufunc(
            _apply,
            finite(prediction, name="the prediction", missing=True),
            drive,
            rate,
            input_core_dims=[["time"], ["level"], ["level"]],
            output_core_dims=[["time"]],
            vectorize=True,
            dask="parallelized",
            dask_gufunc_kwargs={"allow_rechunk": True},
            output_dtypes=[np.float64],
            keep_attrs=True,
        )
        attrs = {name: text for name, text in prediction.attrs.items() if name != KERNEL_SUM}
        out.attrs = attrs | _units(self.rate)
        return out.transpose(*prediction.dims)


def fit_nonlinearity(
    prediction: xr.DataArray,
    response: xr.DataArray,
    *,
    n_levels: int = 20,
    during: During = "stimulus",
) -> Nonlinearity:
    """Estimate the output nonlinearity of each neuron, as in an LN model.

    The time bins are sorted by their predictions and divided into `n_levels` groups of equal size.
    The nonlinearity maps the mean prediction of a group to its mean response. Bins with equal
    predictions are in the order of the stimuli, and may be in two groups.

    Parameters
    ----------
    prediction
        The linear prediction for training stimuli, `aa1xr.predict(ds, fit, rectify=False)`
        [shape: (neuron, stimulus, time)].
    response
        In spikes/s, in the bins of the prediction [shape: (neuron, stimulus, time)]. The neurons
        and stimuli that both arguments have are used. Bins that are NaN in either do not count.
    n_levels
        Number of groups, at least 2. More groups follow a curve more closely, but also its noise.
    during
        "stimulus": the bins from onset to the end of each stimulus. "all": every bin, also where
        `response` has no coordinate `duration_s`.

    Returns
    -------
    Nonlinearity
        `apply(prediction)` returns rates. They are NaN for neurons with fewer bins than `n_levels`.
        `apply` compares the attributes that `aa1xr.predict` sets, and raises a ValueError for
        predictions from another spectrogram.

    Raises
    ------
    ValueError
        If `n_levels` is out of range, if the two have other bins or no neuron or stimulus in
        common, if `duration_s` is missing, or (when computed) if a value is infinite.

    References
    ----------
    Chichilnisky (2001), Network 12, 199-213.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="conspecific", area="Field_L")
    >>> ds = ds.drop_sel(neuron="sim0000_2_B")  # does not respond
    >>> train, validation, test = aa1xr.split(ds, test=2, validation=2)
    >>> fit = aa1xr.strf(ds, train=train, validation=validation).compute()
    >>> linear = aa1xr.predict(ds, fit, rectify=False)
    >>> curve = aa1xr.fit_nonlinearity(linear.sel(stimulus=train), ds.psth)
    >>> rate = curve.apply(linear.sel(stimulus=test))
    >>> float(aa1xr.mean_score(aa1xr.score(ds, rate)).cc_norm) > 0.95
    True
    """
    for name, array in (("prediction", prediction), ("response", response)):
        arguments.expect(name, array, xr.DataArray)
        schema.check_dims(name, array, *_BINS, allowed=schema.VARIABLES["psth"].dims)
    check_time(prediction, response, "response")
    check_response(response)
    check_same_sounds(prediction, response, "the prediction and in the response")
    check_same_neuron(prediction, response, "the prediction and the response")
    # Times that differ by rounding are the same bins.
    prediction = prediction.assign_coords(time=response["time"].variable)
    prediction, response = xr.align(prediction, response, join="inner")
    if 0 in prediction.shape:
        raise ValueError("prediction and response have no neuron, or no stimulus, in common")
    bins = list(_BINS)
    inside = xr.DataArray(bins_during(response, during), dims=bins)
    # Without coordinates: those of the prediction do.
    response = response.reset_coords(drop=True).where(inside)
    cells: Any = "0"
    if "neuron" in prediction.coords:
        cells = prediction["neuron"].copy(data=schema.fixed_width(prediction["neuron"].values))
    n_bins = prediction.sizes["stimulus"] * prediction.sizes["time"]
    arguments.check_integer("n_levels", n_levels, 2, max(2, n_bins), "no neuron has more bins")
    both: xr.DataArray = xr.apply_ufunc(
        _levels,
        finite(prediction, name="the prediction", missing=True),
        finite(response, name="the response", missing=True),
        cells,
        kwargs={"n_levels": int(n_levels), "site": messages.call_site()},
        input_core_dims=[bins, bins, []],
        output_core_dims=[["which", "level"]],
        vectorize=True,
        dask="parallelized",
        dask_gufunc_kwargs={
            "allow_rechunk": True,
            "output_sizes": {"which": 2, "level": int(n_levels)},
        },
        output_dtypes=[np.float64],
    )
    drive, rate = (both.isel(which=k).drop_attrs(deep=False) for k in (0, 1))
    return Nonlinearity(
        drive.rename("drive").assign_attrs(
            _units(prediction) | definition(prediction.attrs), long_name="linear prediction"
        ),
        rate.rename("rate").assign_attrs(_units(response), long_name="mean response"),
    )


def _units(rate: xr.DataArray) -> dict[str, Any]:
    return {"units": schema.RATE} | kernel_attrs(rate)


def _levels(
    prediction: Floats, response: Floats, cell: str, *, n_levels: int, site: messages.CallSite
) -> Floats:
    """Mean prediction and response of each level. [shape: (2, level)]."""
    known = ~np.isnan(prediction) & ~np.isnan(response)
    if known.sum() < n_levels:
        if known.any():  # without any response there is nothing to say
            messages.warn(
                f"aa1xr.fit_nonlinearity: undefined (NaN) for neuron {str(cell)!r}: its response "
                f"has {known.sum()} bins, fewer than n_levels={n_levels}",
                UndefinedWarning,
                site,
            )
        return np.full((2, n_levels), np.nan)
    pairs = np.stack([prediction[known], response[known]])
    order = np.argsort(pairs[0], kind="stable")
    levels = np.array_split(pairs[:, order], n_levels, axis=1)
    return np.stack([level.mean(1) for level in levels], 1)


def _apply(prediction: Floats, drive: Floats, rate: Floats) -> Floats:
    between = np.interp(prediction, drive, rate)
    step = drive[-1] - drive[-2]
    slope = max((rate[-1] - rate[-2]) / step, 0) if step > 0 else 0
    return np.asarray(between + slope * np.maximum(prediction - drive[-1], 0))
