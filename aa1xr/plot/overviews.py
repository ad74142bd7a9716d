"""Plots of all neurons: numbers of trials, and measures by area."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from aa1xr import schema
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
    n_trials = panels.sort(panels.sort(n_trials, "neuron", "area"), "stimulus", "type")
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
    panels.mark_areas(ax, n_trials)
    for start, stop, type_ in panels.runs(n_trials, "type"):
        ax.axvline(stop, color="black", linewidth=1)
        ax.text(
            (start + stop) / 2,
            1.01,
            plot_text(type_),
            transform=ax.get_xaxis_transform(),
            ha="center",
        )
    return ax


def quality(
    data: xr.Dataset | xr.DataArray, *, measure: str = "ccmax", ax: Axes | None = None
) -> Axes:
    r"""Plot a measure of each neuron, by area, with a test between two areas.

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
        One point for each neuron, over a box from quartile to quartile with the median, for each
        area. The labels of the areas count the neurons for which the measure is finite. For two
        areas, the title is a two-sided Mann-Whitney U test between them. It takes neurons as
        independent samples, which neurons of one animal are not.

    Raises
    ------
    ValueError
        If there is no such measure, or no neuron has it.

    References
    ----------
    Mann & Whitney (1947), Annals of Mathematical Statistics 18, 50-60, by
    `scipy.stats.mannwhitneyu`.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="flatrip").drop_sel(neuron="sim0000_2_B")
    >>> ax = aa1xr.plot.quality(ds)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['Field L\nn = 5', 'MLd\nn = 6']
    """
    values = panels.measured(data, measure).compute()
    if values.dims != ("neuron",):
        raise ValueError(f"one value for each neuron is drawn; {values.name!r} is {values.dims}")
    panels.check_numbers("measure", values)
    values = values.astype(float).where(np.isfinite(values))
    if bool(values.isnull().all()):
        raise ValueError(f"{values.name} is finite for no neuron: there is nothing to draw")
    ax = panels.axes(ax, 4.8, 3.8)
    areas = {area: part.dropna("neuron").values for area, part in panels.by_area(values).items()}
    row = float(values.max() - values.min()) / 40 or 1.0
    line = {"color": "black", "linewidth": 1}
    for k, (area, colour) in enumerate(panels.colours(areas).items()):
        known = areas[area]
        if not known.size:
            continue
        ax.boxplot(
            [known], positions=[k], widths=0.6, whis=(0, 100), showfliers=False, showcaps=False,
            manage_ticks=False, zorder=1, boxprops=line, whiskerprops=line,
            medianprops=line | {"linewidth": 2},
        )  # fmt: skip
        ax.scatter(
            k + _beside(known, row),
            known,
            s=panels.point_area(3.4 if known.size > 30 else 4),
            color=colour,
            linewidths=0,
            alpha=0.8,
            zorder=2,
        )
    ax.set_xticks(
        range(len(areas)),
        [
            f"{panels.area_text(area)}\nn = {known.size}"
            + (f" of {total}" if (total := part.size) > known.size else "")
            for (area, known), part in zip(
                areas.items(), panels.by_area(values).values(), strict=True
            )
        ],
    )
    ax.set_xlim(-0.5, len(areas) - 0.5)
    if float(values.min()) >= 0:
        ax.set_ylim(bottom=0)
    ax.set_ylabel(panels.quantity(values.attrs.get("long_name", str(values.name)), values))
    ax.set_title(_between(list(areas.values())), fontsize="small")
    return ax


def _between(samples: list[Floats]) -> str:
    """A test between two samples, if there are two."""
    if len(samples) != 2 or not all(sample.size for sample in samples):
        return ""
    from scipy import stats

    p = float(stats.mannwhitneyu(*samples).pvalue)
    return f"p {'< 0.001' if p < 0.001 else f'= {p:.2g}'} (Mann-Whitney U)"


def _beside(values: Floats, row: float) -> Floats:
    """How far to move each point sideways, so that those in one row stand side by side."""
    rows = np.round(values / row).astype(int)
    out = np.zeros(values.size)
    for members in (np.flatnonzero(rows == r) for r in np.unique(rows)):
        spread = min(0.06, 0.5 / members.size)
        out[members] = (np.arange(members.size) - (members.size - 1) / 2) * spread
    return out
