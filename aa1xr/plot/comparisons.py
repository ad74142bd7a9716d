"""Plots of two values of each neuron against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from aa1xr import arguments
from aa1xr.arguments import shown
from aa1xr.plot import panels
from aa1xr.printable import plot_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SUCH_AS = "values of each neuron, or a Dataset that contains them"


def compare(
    data: xr.Dataset | xr.DataArray,
    other: xr.Dataset | xr.DataArray,
    *,
    measure: str = "cc_norm",
    labels: tuple[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a value of each neuron against another one, such as the scores of two models.

    Parameters
    ----------
    data, other
        Values of each neuron, for the horizontal and the vertical axis [shape: (neuron, ...)];
        other dimensions are averaged, over the values that both have. Or Datasets that contain
        `measure`, such as results of `aa1xr.benchmark.run`. Neurons are aligned by their labels.
    measure
        The variable of the Datasets.
    labels
        Labels of the two axes. By default, the names of the models and of the measure, or the names
        of the arrays.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        One point for each neuron that both have, with the colour of its area, on two equal axes
        with the line on which both are equal. For each area, the legend counts the neurons above
        the line, where `other` is larger.

    Raises
    ------
    ValueError
        If a Dataset does not have `measure`, or if no neuron has both values.

    Examples
    --------
    >>> rate = aa1xr.open_sample(dt_ms=20).psth.mean("time")
    >>> songs, ripples = (rate.sel(type=kind) for kind in ("conspecific", "flatrip"))
    >>> songs, ripples = songs.mean("stimulus"), ripples.mean("stimulus")
    >>> ax = aa1xr.plot.compare(songs, ripples, labels=("songs", "ripples"))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('songs', 'ripples')
    """
    a, b = (_values(each, measure) for each in (data, other))
    if labels is None:
        labels = (_label(data, a), _label(other, b))
    elif not isinstance(labels, list | tuple) or len(labels) != 2:
        raise ValueError(f"labels must be two texts; got {shown(labels)}")
    if "neuron" in a.coords and "neuron" in b.coords:
        shared = a.indexes["neuron"].intersection(b.indexes["neuron"], sort=False)
        a, b = a.sel(neuron=shared), b.sel(neuron=shared)
    elif a.sizes["neuron"] != b.sizes["neuron"]:
        raise ValueError(
            f"data and other must have the same neurons; got {a.sizes['neuron']} and "
            f"{b.sizes['neuron']} without labels"
        )
    both = a.notnull() & b.notnull()
    a, b = (
        each.where(both).mean([dim for dim in each.dims if dim != "neuron"], keep_attrs=True)
        for each in (a, b)
    )
    there = np.flatnonzero((a.notnull() & b.notnull()).values)
    if not there.size:
        raise ValueError("data and other must share neurons that have both values; they share none")
    a, b = a.isel(neuron=there), b.isel(neuron=there)
    ax = panels.axes(ax, 4.8, 4.4)
    areas = panels.by_area(a)
    where = a["area"].values.astype(str) if "area" in a.coords else np.full(a.size, "neurons")
    for area, colour in panels.colours(areas).items():
        x, y = a.values[where == area], b.values[where == area]
        label = f"{panels.area_text(area)}: {int((y > x).sum())} of {x.size} above the line"
        ax.scatter(x, y, s=panels.point_area(), color=colour, linewidths=0, alpha=0.8, label=label)
    values = np.concatenate([a.values, b.values])
    margin = 0.05 * float(np.ptp(values)) or 0.05
    low, high = float(values.min()) - margin, float(values.max()) + margin
    ax.plot([low, high], [low, high], color="0.5", linewidth=0.8, zorder=0)
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    ax.set_xlabel(plot_text(labels[0]))
    ax.set_ylabel(plot_text(labels[1]))
    ax.legend(
        frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1),
        handletextpad=0.1, borderaxespad=0.1,
    )  # fmt: skip
    return ax


def _values(data: xr.Dataset | xr.DataArray, measure: str) -> xr.DataArray:
    arguments.expect("data", data, xr.Dataset | xr.DataArray, _SUCH_AS)  # type: ignore[arg-type]
    if isinstance(data, xr.Dataset):
        if measure not in data.data_vars:
            there = ", ".join(map(str, data.data_vars)) or "none"
            raise ValueError(
                f"measure must be a variable of both Datasets; got {shown(measure)}, and one "
                f"has {there}"
            )
        data = data[measure]
    if "neuron" not in data.dims:
        raise ValueError(
            f"{data.name!r} must have the dimension 'neuron'; got {tuple(map(str, data.dims))}"
        )
    return data.compute()


def _label(data: xr.Dataset | xr.DataArray, values: xr.DataArray) -> str:
    name = str(values.name or "")
    model = data.attrs.get("model") if isinstance(data, xr.Dataset) else None
    return f"{model} ({name})" if model else name
