"""Plots of all neurons: numbers of trials, and measures by area."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis import quality as measures
from aa1xr.analysis.trial_checks import presented
from aa1xr.plot import panels
from aa1xr.printable import plot_text
from aa1xr.typing import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: More names than this, or more numbers of trials, would overlap.
_MOST_NAMES, _MOST_NUMBERS = 30, 10


def coverage(data: xr.Dataset | xr.DataArray, *, ax: Axes | None = None) -> Axes:
    """Plot the number of trials of each neuron and stimulus.

    Parameters
    ----------
    data
        A Dataset with `n_trials`, or this variable [shape: (neuron, stimulus)].
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Neurons sorted by area, over stimuli sorted by type. White means "never presented". If there
        are too many neurons for labels, only those with missing stimuli have labels.

    Examples
    --------
    >>> ax = aa1xr.plot.coverage(aa1xr.open_sample())
    >>> ax.get_ylabel(), ax.get_xlabel()
    ('12 neurons', '15 stimuli')
    """
    n_trials = panels.variable(data, "n_trials")
    if isinstance(data, xr.Dataset) and "trial" in data.coords:
        mask = presented(data)
        n_trials = mask.sum("trial") if "trial" in mask.dims else mask.astype(int)
    n_trials = n_trials.compute().fillna(0)
    n_trials = n_trials.expand_dims([d for d in ("neuron", "stimulus") if d not in n_trials.dims])
    n_trials = _sorted(_sorted(n_trials, "neuron", "area"), "stimulus", "type")
    n_trials = n_trials.transpose("neuron", "stimulus")
    schema.check_dims("'n_trials'", n_trials, "neuron", "stimulus")
    ax = panels.axes(ax, 6.4, 4.8)
    from matplotlib import colormaps  # after that, which explains itself where there is none
    from matplotlib.colors import BoundaryNorm, ListedColormap

    numbers = np.unique(np.append(n_trials.values, 0))
    shades = colormaps["viridis"](np.linspace(0.75, 0.25, numbers.size - 1)).tolist()
    ranks = np.searchsorted(numbers, n_trials.values)
    bounds = np.arange(numbers.size + 1) - 0.5
    mesh = ax.pcolormesh(
        ranks,
        cmap=ListedColormap(["white", *shades]),
        norm=BoundaryNorm(bounds, numbers.size),
        rasterized=True,
    )
    shown = np.arange(0, numbers.size, -(-numbers.size // _MOST_NUMBERS))
    bar = ax.figure.colorbar(mesh, ax=ax, ticks=shown, label="trials", aspect=30)
    bar.ax.set_yticklabels(["never" if n == 0 else f"{n:g}" for n in numbers[shown]])
    bar.ax.tick_params(length=0)

    names = n_trials["neuron"].values if "neuron" in n_trials.coords else np.array([])
    named = np.arange(names.size)
    if names.size > _MOST_NAMES:
        named = np.flatnonzero((ranks == 0).any(1))[:_MOST_NAMES]
    ax.set_yticks(named + 0.5, [plot_text(name) for name in names[named]], fontsize="x-small")
    ax.set_xticks([])
    ax.invert_yaxis()
    ax.set_ylabel(f"{n_trials.sizes['neuron']} neurons")
    ax.set_xlabel(f"{n_trials.sizes['stimulus']} stimuli")
    for start, stop, area in _runs(n_trials, "area"):
        ax.axhline(stop, color="black", linewidth=1)
        ax.text(1.01, (start + stop) / 2, plot_text(area), transform=ax.get_yaxis_transform(),
                rotation=270, va="center")  # fmt: skip
    for start, stop, type_ in _runs(n_trials, "type"):
        ax.axvline(stop, color="black", linewidth=1)
        ax.text(
            (start + stop) / 2,
            1.01,
            plot_text(type_),
            transform=ax.get_xaxis_transform(),
            ha="center",
        )
    return ax


def _sorted(array: xr.DataArray, dim: str, label: str) -> xr.DataArray:
    if label not in array.coords or array.coords[label].dims != (dim,):
        return array
    return array.isel({dim: np.argsort(array.coords[label].values, kind="stable")})


def _runs(array: xr.DataArray, label: str) -> list[tuple[int, int, str]]:
    """Where each value of a sorted label begins and ends."""
    if label not in array.coords:
        return []
    values = np.atleast_1d(array.coords[label].values)
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), values.size]
    return [(start, stop, str(values[start])) for start, stop in pairwise(edges)]


def quality(
    data: xr.Dataset | xr.DataArray, *, measure: str = "ccmax", ax: Axes | None = None
) -> Axes:
    r"""Plot a measure of each neuron, by area.

    Parameters
    ----------
    data
        A Dataset that contains `measure` (from `aa1xr.quality`, `aa1xr.with_quality` or
        `aa1xr.score`); otherwise `aa1xr.quality` computes it. Or this variable [shape: (neuron,)].
    measure
        "ccmax", "snr" or another measure of `aa1xr.quality`.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        One point for each neuron, with the quartiles and the median of each area. The labels of the
        areas count the neurons for which the measure is defined.

    Raises
    ------
    ValueError
        If there is no such measure, or no neuron has it.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="flatrip").drop_sel(neuron="sim0000_2_B")
    >>> ax = aa1xr.plot.quality(ds)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['Field_L\n5 of 5 neurons', 'MLd\n6 of 6 neurons']
    """
    values = _measured(data, measure).compute()
    if values.dims != ("neuron",):
        raise ValueError(f"one value for each neuron is drawn; {values.name!r} is {values.dims}")
    if bool(values.isnull().all()):
        raise ValueError(f"{values.name} is NaN for all neurons: there is nothing to draw")
    ax = panels.axes(ax, 4.8, 4)
    areas = panels.by_area(values)
    row = float(values.max() - values.min()) / 40 or 1.0
    for k, (area, colour) in enumerate(panels.colours(areas).items()):
        known = areas[area].dropna("neuron").values
        ax.scatter(k + _beside(known, row), known, s=16, color=colour, linewidths=0)
        if known.size:
            low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
            ax.vlines(k - 0.34, low, high, color="black", linewidth=2)
            ax.plot(k - 0.34, middle, "o", color="white", markeredgecolor="black")
    ax.set_xticks(
        range(len(areas)),
        [
            f"{plot_text(area)}\n{int(part.notnull().sum())} of {part.size} neurons"
            for area, part in areas.items()
        ],
    )
    ax.set_xlim(-0.5, len(areas) - 0.5)
    if float(values.min()) >= 0:
        ax.set_ylim(bottom=0)
    ax.set_ylabel(panels.quantity(values.attrs.get("long_name", str(values.name)), values))
    ax.set_title(plot_text(values.name))
    return ax


def _measured(data: xr.Dataset | xr.DataArray, measure: str) -> xr.DataArray:
    if isinstance(data, xr.DataArray):
        return data
    schema.require(data)
    if measure in list(data.variables):
        return data[measure]
    if measure not in list(measures.MEASURES):
        raise ValueError(
            f"measure={arguments.shown(measure)}; expected a variable or label of the "
            f"Dataset, or one of {', '.join(measures.MEASURES)}"
        )
    return measures.quality(data)[measure]


def _beside(values: Floats, row: float) -> Floats:
    """How far to move each point sideways, so that those in one row stand side by side."""
    rows = np.round(values / row).astype(int)
    out = np.zeros(values.size)
    for members in (np.flatnonzero(rows == r) for r in np.unique(rows)):
        spread = min(0.06, 0.5 / members.size)
        out[members] = (np.arange(members.size) - (members.size - 1) / 2) * spread
    return out
