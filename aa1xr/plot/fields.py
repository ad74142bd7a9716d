"""Pictures of receptive fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.plot import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def strf(
    data: xr.Dataset | xr.DataArray, neuron: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the spectro-temporal receptive field of one cell.

    Parameters
    ----------
    data
        A Dataset with `strf`, or such an array [shape: (neuron, freq, lag)], `lag` in s: how
        long before the response a sound is weighed so.
    neuron
        Which; None if there is only one.
    ax
        Where to; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Frequency in kHz over lag in ms; red excites, blue suppresses, white is zero.

    Raises
    ------
    KeyError, ValueError
        If there is no such neuron, several and none is named, or its field is not known (NaN).

    Examples
    --------
    >>> truth = aa1xr.simulate_archive(tmp / "a", n_neurons=1, n_songs=1, n_ripples=1)
    >>> aa1xr.plot.strf(truth, "sim0000_1_A").get_xlabel()
    'lag (ms)'
    """
    field = panels.one(panels.variable(data, "strf"), neuron=neuron).compute()
    schema.check_dims("'strf'", field, "freq", "lag", allowed=("freq", "lag"))
    field = field.transpose("freq", "lag")
    if not (largest := float(abs(field).max())) >= 0:
        raise ValueError(f"{panels.title(field)}: the receptive field is NaN, so was not estimated")
    largest = largest or 1  # a field of zeros is all white
    ax = panels.axes(ax, 4.8, 3.6)
    bands = panels.frequency_axis(ax, field)
    lags = field["lag"].values * 1000
    # A frame is centred on the left edge of its bin, a response lies within its bin: a lag of
    # k bins is k to k + 1 bins of delay.
    edges = np.append(lags, lags[-1] + (lags[-1] - lags[0]) / max(lags.size - 1, 1))
    mesh = ax.pcolormesh(
        edges, bands, field.values, cmap="RdBu_r", vmin=-largest, vmax=largest, rasterized=True
    )
    ax.figure.colorbar(mesh, ax=ax, label=panels.quantity("weight", field))
    ax.set_xlabel("lag (ms)")
    ax.set_title(panels.title(field))
    return ax
