"""Smoothing along time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.arguments import shown
from aa1xr.dataset.grid import RECORDED_MS
from aa1xr.typing import Floats

Window = Literal["hann", "gaussian"]

#: An attribute of what a kernel that is not normalised has smoothed.
KERNEL_SUM = "kernel_sum"


def smooth(
    da: xr.DataArray,
    window_ms: float = 21,
    *,
    window: Window = "hann",
    match: Literal["deepSTRF"] | None = None,
) -> xr.DataArray:
    """Smooth along time.

    The kernel has unit area, so rates remain rates. Each element of the kernel is a mean of the
    window over a bin, not its value at the centre of the bin, which would be a single 1 for wide
    bins. A response that is constant within bins is convolved with the continuous window w and
    averaged over bins of width dt:

        kernel[k] = integral of w(t) * max(0, 1 - abs(t / dt - k)) dt.

    Where bins are missing (NaN, or beyond the ends of the axis), the kernel is restricted to the
    other bins and normalised to unit area (normalised convolution; Knutsson & Westin 1993, CVPR):
    y = (kernel * x) / (kernel * there). A constant remains constant up to the ends, and missing
    bins remain missing.

    Parameters
    ----------
    da
        Any DataArray with a contiguous `time` axis [shape: (..., time)].
    window_ms
        Full width of the Hann window in ms, or six standard deviations of the Gaussian, which
        contain 99.7 % of it. Hsu, Borst & Theunissen (2004) use 21 ms.
    window
        "hann" or "gaussian".
    match
        "deepSTRF" reproduces deepSTRF 0.1.0, for comparison: `numpy.hanning` over an odd number of
        bins, at least int(window_ms // dt), not normalised, with zeros for missing bins. At 5 ms
        the result is twice a rate, and at 1 ms ten times, so its `units` are "1" and its attribute
        `kernel_sum` is 2 or 10. At 6, 7, 10, 20 and 25 ms it equals the input.

    Returns
    -------
    xarray.DataArray
        The smoothed data; lazy if `da` is (a chunked time axis becomes one chunk).

    Raises
    ------
    ValueError
        If `window` or `match` is unknown, `window_ms` is not positive, or the time axis has gaps.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5)
    >>> rate = aa1xr.smooth(ds.psth, window_ms=21)
    >>> rate.attrs["units"]
    'count/s'
    >>> aa1xr.smooth(xr.ones_like(ds.psth), window="gaussian").values.min().item()
    1.0

    References
    ----------
    Hsu A, Borst A, Theunissen FE (2004). Quantifying variability in neural responses and its
    application for the validation of model predictions. Network 15(2), 91-109.
    """
    arguments.expect("da", da, xr.DataArray)
    schema.bin_numbers(da)
    dt_ms = schema.bin_width_ms(da)
    window_ms = float(arguments.number("window_ms", window_ms))
    if window_ms < dt_ms / 10:
        raise ValueError(
            f"window_ms={window_ms:g} would smooth nothing: bins are {dt_ms:g} ms wide; it is a "
            "number of milliseconds, such as 21"
        )
    # A wider one than all that there is would be mostly empty, and without limit in memory.
    longest = max(RECORDED_MS[1] - RECORDED_MS[0], da.sizes["time"] * dt_ms)
    if window_ms > longest:
        raise ValueError(
            f"window_ms must be at most {longest:g}, the time that was recorded; got "
            f"{shown(window_ms)}"
        )
    arguments.choice("window", window, _INTEGRALS)
    if not (match is None or (isinstance(match, str) and match == "deepSTRF")):
        raise ValueError(f"match={shown(match)}; expected 'deepSTRF' or None")
    if match is not None and window != "hann":
        raise ValueError(f"deepSTRF has no window {shown(window)}; leave match or window out")
    kernel = _hanning(window_ms, dt_ms) if match else _kernel(window_ms, dt_ms, window)
    dtype = np.result_type(da.dtype, np.float32)
    smoothed: xr.DataArray = xr.apply_ufunc(
        _convolve,
        da.astype(dtype, copy=False),
        input_core_dims=[["time"]],
        output_core_dims=[["time"]],
        kwargs={"kernel": kernel, "renormalise": match is None},
        keep_attrs=True,
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[dtype],
    )
    attrs: dict[str, Any] = {"smoothed": f"{match or window}, {window_ms:g} ms"}
    # Rounded, since hanning sums to 10.000000000000002; times that of a smoothing before.
    total = round(float(kernel.sum()), 9) * kernel_sum(da)
    if match and total != 1:
        attrs |= {"units": "1", KERNEL_SUM: total}
    return smoothed.transpose(*da.dims).assign_attrs(attrs)


def kernel_sum(da: xr.DataArray) -> float:
    """How many times a rate or a count an array is: the sum of the kernel that smoothed it, or 1.

    xarray keeps attributes through a division by the sum, after which units are given again.
    Scaled values are neither.
    """
    smoothed = da.attrs.get("units") == "1" and "scaled" not in da.attrs
    return float(da.attrs.get(KERNEL_SUM, 1)) if smoothed else 1.0


def kernel_attrs(da: xr.DataArray) -> dict[str, Any]:
    """The attributes that say so; empty if the kernel was normalised, or there was none."""
    total = kernel_sum(da)
    return {} if total == 1 else {"units": "1", KERNEL_SUM: total}


def _convolve(values: Floats, *, kernel: Floats, renormalise: bool) -> Floats:
    """Convolve along the last axis with a symmetric kernel; NaN weigh nothing and stay."""
    from scipy.ndimage import convolve1d

    missing = np.isnan(values)
    out: Floats = convolve1d(np.where(missing, 0, values), kernel, mode="constant")
    if renormalise:
        # Without gaps it is the same for all responses.
        there = ~missing if missing.any() else np.ones(values.shape[-1:], bool)
        mass = convolve1d(there.astype(values.dtype), kernel, mode="constant")
        out /= np.where(there, mass, 1)
    out[missing] = np.nan
    return out


def _kernel(window_ms: float, dt_ms: float, window: Window) -> Floats:
    """Weights of the bins around one, the middle one its own.

    The integral of w against a triangle is the second difference of w's second integral F:
    kernel[k] = (F((k + 1) dt) - 2 F(k dt) + F((k - 1) dt)) / dt.
    """
    reach = window_ms / 2 if window == "hann" else window_ms
    n = math.ceil(reach / dt_ms)
    edges = np.arange(-n - 1, n + 2) * dt_ms
    kernel = np.diff(_INTEGRALS[window](edges, window_ms), 2) / dt_ms
    # Rounding leaves the outermost ones some 1e-16 off zero.
    kernel = np.clip(kernel, 0, None)
    return np.asarray(kernel / kernel.sum())


def _hann(t: Floats, width: float) -> Floats:
    """Second integral of (1 + cos(2 pi t / width)) / width between -width/2 and width/2."""
    u = np.clip(t, -width / 2, width / 2)
    inside = (u + width / 2) ** 2 / (2 * width)
    inside -= width * (1 + np.cos(2 * np.pi * u / width)) / (4 * np.pi**2)
    return np.asarray(inside + np.maximum(t - width / 2, 0))


def _gaussian(t: Floats, width: float) -> Floats:
    """Second integral of the normal density of sigma = width / 6."""
    from scipy.special import ndtr

    z = t * 6 / width
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return np.asarray(width / 6 * (z * ndtr(z) + density))


_INTEGRALS: dict[str, Callable[[Floats, float], Floats]] = {"hann": _hann, "gaussian": _gaussian}


def _hanning(window_ms: float, dt_ms: float) -> Floats:
    """The kernel of deepSTRF: its ends are zero, its middle is 1."""
    n = max(1, int(window_ms // dt_ms))
    return np.hanning(n + 1 - n % 2)
