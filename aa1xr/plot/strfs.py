"""Plots of receptive fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.delays import delays
from aa1xr.analysis.sel import sel_one
from aa1xr.plot import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure, SubFigure

#: More panels than this are too small to read.
_MOST_FIELDS = 100


def strf(
    data: xr.Dataset | xr.DataArray,
    neuron: str | None = None,
    *,
    fmax: float | None = None,
    contours: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Plot the spectro-temporal receptive field of one neuron.

    Parameters
    ----------
    data
        A Dataset with `strf`, or this variable [shape: (neuron, freq, lag)], `lag` in s.
    neuron
        Label of the neuron; None if there is only one.
    fmax
        Highest frequency in Hz; None shows all bands.
    contours
        Draw lines at plus and minus half of the largest weight: solid around excitation, dashed
        around suppression.
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
    largest = _largest(field)
    ax = panels.axes(ax, 4.8, 3.6)
    mesh = _draw(ax, field, largest, fmax=fmax, contours=contours)
    ax.figure.colorbar(mesh, ax=ax, label=panels.quantity("weight", field))
    return ax


def strfs(
    data: xr.Dataset | xr.DataArray,
    *,
    columns: int = 4,
    shared: bool = True,
    fmax: float | None = None,
    contours: bool = True,
    figure: Figure | SubFigure | None = None,
) -> npt.NDArray[Any]:
    """Plot the spectro-temporal receptive fields of several neurons, on one scale of colours.

    Parameters
    ----------
    data
        A Dataset with `strf`, or this variable [shape: (neuron, freq, lag)], `lag` in s. Select
        the neurons first: at most 100 are drawn.
    columns
        Panels in a row.
    shared
        One scale of colours in spikes/s for all neurons. With False, each neuron is divided by its
        largest weight: the scale shows shapes, not strengths.
    fmax, contours
        As in `aa1xr.plot.strf`. Half of the largest weight is that of each neuron.
    figure
        Figure or subfigure to draw into; None creates a figure.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One for each neuron, in their order. Neurons without a field are left out.

    Raises
    ------
    ValueError
        If there are no neurons, more than 100, or if all receptive fields are NaN.

    Examples
    --------
    >>> truth = aa1xr.simulate_archive(tmp / "b", n_neurons=3, n_songs=1, n_ripples=1)
    >>> aa1xr.plot.strfs(truth, columns=3).shape
    (3,)
    """
    fields = panels.variable(data, "strf")
    fields = fields if "neuron" in fields.dims else fields.expand_dims("neuron")
    columns = arguments.check_integer("columns", columns)
    arguments.flag("shared", shared)
    if not 1 <= fields.sizes["neuron"] <= _MOST_FIELDS:
        raise ValueError(
            f"data must be of 1 to {_MOST_FIELDS} neurons; got {fields.sizes['neuron']}: select "
            "some, as in fit.isel(neuron=slice(12))"
        )
    if figure is not None and not hasattr(figure, "subplots"):
        raise TypeError(f"figure is {type(figure).__name__}; expected a matplotlib Figure")
    fields = fields.compute().dropna("neuron", how="all")
    each = [fields.isel(neuron=k) for k in range(fields.sizes["neuron"])]
    if not each:
        raise ValueError("the receptive fields are NaN, so were not estimated")
    largest = [_largest(field) for field in each]
    columns = min(columns, len(each))
    n_rows = -(-len(each) // columns)
    if figure is None:
        figure = panels.new_figure(6.4, 0.5 + 6.4 / max(columns, 3) * n_rows)
    axes = figure.subplots(n_rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    limit = max(largest)
    for ax, field, most in zip(axes, each, largest, strict=False):
        drawn = field if shared else field / most
        mesh = _draw(ax, drawn, limit if shared else 1.0, fmax=fmax, contours=contours)
        ax.set_title(panels.title(field).replace(" (", "\n("), fontsize="x-small")
        ax.set(xlabel="", ylabel="")
        # Every other octave, since panels are low.
        octaves = ax.get_yticks()[::2] if ax.get_yticks().size > 3 else ax.get_yticks()
        ax.set_yticks(octaves, [f"{octave:g}" for octave in octaves])
    for ax in axes[len(each) :]:
        ax.remove()
    for ax in axes[max(len(each) - columns, 0) : len(each)]:
        ax.tick_params(labelbottom=True)
    label = panels.quantity("weight", fields) if shared else "weight / largest weight"
    figure.colorbar(mesh, ax=axes[: len(each)].tolist(), label=label, aspect=30)
    figure.supxlabel(_delay_label(fields), fontsize="medium")
    figure.supylabel("frequency (kHz)", fontsize="medium")
    return np.asarray(axes[: len(each)])


def _largest(field: xr.DataArray) -> float:
    schema.check_dims("'strf'", field, "freq", "lag", allowed=("freq", "lag"))
    if not (largest := float(abs(field).max())) >= 0:
        raise ValueError(f"{panels.title(field)}: the receptive field is NaN, so was not estimated")
    return largest or 1.0  # a field of zeros is all white


def _draw(
    ax: Axes, field: xr.DataArray, limit: float, *, fmax: float | None, contours: bool
) -> QuadMesh:
    arguments.flag("contours", contours)
    field = field.transpose("freq", "lag")
    bands = panels.frequency_axis(ax, field)
    lags = field["lag"].values
    width = (lags[-1] - lags[0]) / max(lags.size - 1, 1)
    known = delays(lags, field["lag"].attrs)
    left = lags if known is None else known[1] - width / 2
    edges = 1000 * np.append(left, left[-1] + width)
    mesh = ax.pcolormesh(
        edges, bands, field.values, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True
    )
    half = float(abs(field).max()) / 2
    if contours and half > 0 and min(field.shape) > 1:
        # Up to the edges, where lag 0 often has the peak.
        x = np.concatenate([edges[:1], (edges[:-1] + edges[1:]) / 2, edges[-1:]])
        y = np.concatenate([bands[:1], field["freq"].values / 1000, bands[-1:]])
        ax.contour(
            x, y, np.pad(field.values, 1, mode="edge"), [-half, half],
            colors="black", linewidths=0.7, linestyles=["--", "-"],
        )  # fmt: skip
    panels.show_bands(ax, bands, fmax)
    ax.set_xlabel(_delay_label(field))
    ax.set_title(panels.title(field))
    return mesh


def _delay_label(field: xr.DataArray) -> str:
    if delays(field["lag"].values, field["lag"].attrs) is None:
        return "lag (ms)"
    # The delays of gammatone filters differ between bands, which share this axis.
    of = "filters" if field["lag"].attrs.get("kind") == "gammatone" else "sound"
    return f"delay from {of} to response (ms)"
