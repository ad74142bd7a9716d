"""Plots of receptive fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.delays import delays
from aa1xr.analysis.sel import sel_one
from aa1xr.plot import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def strf(
    data: xr.Dataset | xr.DataArray, neuron: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Plot the spectro-temporal receptive field of one neuron.

    Parameters
    ----------
    data
        A Dataset with `strf`, or this variable [shape: (neuron, freq, lag)], `lag` in s.
    neuron
        Label of the neuron; None if there is only one.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Frequency in kHz over the delay from sound to response in ms. Red is excitatory, blue is
        suppressive, and white is zero. Each lag is drawn around the middle of its delays, as in
        `aa1xr.tuning`. For gammatone spectrograms, the delay is counted from the output of the
        filters. If the attributes of `lag` do not say what a frame covers, each lag is drawn
        from this lag to the next, and the axis is the lag.

    Raises
    ------
    KeyError, ValueError
        If there is no such neuron, if there are several and `neuron` is None, or if the receptive
        field is NaN.

    Examples
    --------
    >>> truth = aa1xr.simulate_archive(tmp / "a", n_neurons=1, n_songs=1, n_ripples=1)
    >>> aa1xr.plot.strf(truth, "sim0000_1_A").get_xlabel()
    'delay from sound to response (ms)'
    """
    field = sel_one(panels.variable(data, "strf"), "drawn", neuron=neuron).compute()
    schema.check_dims("'strf'", field, "freq", "lag", allowed=("freq", "lag"))
    field = field.transpose("freq", "lag")
    if not (largest := float(abs(field).max())) >= 0:
        raise ValueError(f"{panels.title(field)}: the receptive field is NaN, so was not estimated")
    largest = largest or 1  # a field of zeros is all white
    ax = panels.axes(ax, 4.8, 3.6)
    bands = panels.frequency_axis(ax, field)
    lags = field["lag"].values
    width = (lags[-1] - lags[0]) / max(lags.size - 1, 1)
    known = delays(lags, field["lag"].attrs)
    left = lags if known is None else known[1] - width / 2
    edges = 1000 * np.append(left, left[-1] + width)
    mesh = ax.pcolormesh(
        edges, bands, field.values, cmap="RdBu_r", vmin=-largest, vmax=largest, rasterized=True
    )
    ax.figure.colorbar(mesh, ax=ax, label=panels.quantity("weight", field))
    # The delays of gammatone filters differ between bands, which share this axis.
    of = "filters" if field["lag"].attrs.get("kind") == "gammatone" else "sound"
    ax.set_xlabel("lag (ms)" if known is None else f"delay from {of} to response (ms)")
    ax.set_title(panels.title(field))
    return ax
