"""Plots of responses over time: spectrogram, raster and firing rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis import psth as rates
from aa1xr.analysis.sel import sel_one
from aa1xr.analysis.trial_checks import check_trials
from aa1xr.plot import panels
from aa1xr.printable import plot_text
from aa1xr.typing import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


def response(
    ds: xr.Dataset,
    neuron: str | None = None,
    stimulus: str | None = None,
    *,
    figure: Figure | SubFigure | None = None,
) -> tuple[Axes, Axes, Axes]:
    """Plot the response of one neuron to one stimulus: spectrogram, raster and PSTH.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`. Narrow bins make a sharp raster. The PSTH is that of the trials
        in the raster, so both follow a selection of trials.
    neuron, stimulus
        Labels; None if the selection has only one.
    figure
        Figure or subfigure to draw into. Subfigures put several responses side by side. The
        argument is not `ax`, because the plot consists of three panels.

    Returns
    -------
    tuple of matplotlib.axes.Axes
        The axes of the spectrogram, the raster and the PSTH, on one time axis in seconds.

    Raises
    ------
    KeyError
        If there is no such neuron or stimulus.
    ValueError
        If the neuron was not presented the stimulus, or if there are several and None is given.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=1, before_ms=200)
    >>> sound, raster, rate = aa1xr.plot.response(ds, "sim0000_1_B", "conspecific-00")
    >>> rate.get_xlabel()
    'time from stimulus onset (s)'
    """
    schema.require(ds, "spikes")
    spikes = sel_one(panels.variable(ds, "spikes"), "drawn", neuron=neuron, stimulus=stimulus)
    heard = panels.window(spikes.compute())
    rate = rates.psth(heard.to_dataset())
    sound = sel_one(panels.variable(ds, "spectrogram"), "drawn", stimulus=stimulus)
    sound = sound.sel(time=heard.time)

    if figure is not None and not hasattr(figure, "subplots"):
        raise TypeError(f"figure is {type(figure).__name__}; expected a matplotlib Figure")
    if figure is None:
        figure = panels.new_figure(6.4, 5)
    axes: tuple[Axes, Axes, Axes] = tuple(
        figure.subplots(3, 1, sharex=True, height_ratios=[1.2, 1, 1])
    )
    spectrogram(sound, ax=axes[0])
    raster(heard, ax=axes[1])
    psth(rate, ax=axes[2])
    axes[0].set_title(panels.title(heard))
    for ax in axes[1:]:
        ax.set_title("")
    for ax in axes:
        ax.label_outer()
    figure.align_ylabels(axes)
    return axes


def spectrogram(
    data: xr.Dataset | xr.DataArray, stimulus: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Plot the spectrogram of one stimulus.

    Parameters
    ----------
    data
        A Dataset with `spectrogram`, or this variable [shape: (stimulus, freq, time)].
    stimulus
        Label of the stimulus; None if there is only one.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Frequency in kHz, on the mel scale, over time in s; dark is silence.

    Raises
    ------
    KeyError, ValueError
        If there is no such stimulus, or if there are several and `stimulus` is None.

    Examples
    --------
    >>> aa1xr.plot.spectrogram(aa1xr.open_sample(), "flatrip-00").get_ylabel()
    'frequency (kHz)'
    """
    sound = sel_one(panels.variable(data, "spectrogram"), "drawn", stimulus=stimulus).compute()
    schema.check_dims("'spectrogram'", sound, "freq", "time")
    ax = panels.axes(ax, height=3)
    bands = panels.frequency_axis(ax, sound)
    edges = panels.time_axis(ax, sound, colour="white")
    # A grid of cells as an image in vector graphics shows no seams between them.
    values = sound.transpose("freq", "time").values
    ax.pcolormesh(edges, bands, values, cmap="magma", rasterized=True)
    ax.set_title(panels.title(sound))
    return ax


def raster(
    data: xr.Dataset | xr.DataArray,
    neuron: str | None = None,
    stimulus: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot the spikes of one neuron in each trial of one stimulus.

    Parameters
    ----------
    data
        A Dataset with `spikes`, or this variable [shape: (neuron, stimulus, trial, time)].
    neuron, stimulus
        Labels; None if there is only one.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row for each trial, with the first at the top, and one mark for each spike. Spike times
        within a bin are unknown, so the spikes of a bin are spaced equally.

    Raises
    ------
    KeyError, ValueError
        If there is no such neuron or stimulus, if there are several and None is given, or if there
        are no trials.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=1)
    >>> aa1xr.plot.raster(ds, "sim0000_1_B", "flatrip-00").get_ylabel()
    'trial'
    """
    spikes = panels.variable(data, "spikes")
    spikes = panels.window(sel_one(spikes, "drawn", neuron=neuron, stimulus=stimulus).compute())
    if "trial" not in spikes.coords:
        raise ValueError(f"{spikes.name!r} has no 'trial': a raster needs single trials")
    if "trial" not in spikes.dims:
        spikes = spikes.expand_dims("trial")
    spikes = spikes.transpose("trial", "time").dropna("trial", how="all")
    ax = panels.axes(ax, height=3)
    edges = panels.time_axis(ax, spikes)

    counts = np.nan_to_num(spikes.values).astype(int)
    rows, bins = np.nonzero(counts)
    n_in_bin = counts[rows, bins]
    earlier = np.cumsum(n_in_bin) - n_in_bin
    rows, bins, n, first = (np.repeat(v, n_in_bin) for v in (rows, bins, n_in_bin, earlier))
    place = (np.arange(n.size) - first + 0.5) / n
    times = edges[bins] + place * (edges[1] - edges[0])
    ax.vlines(times, rows - 0.4, rows + 0.4, color="black", linewidth=0.8)

    n_rows = spikes.sizes["trial"]
    shown = np.arange(0, n_rows, -(-n_rows // 6))
    ax.set_yticks(shown, [plot_text(number) for number in spikes["trial"].values[shown]])
    ax.set_ylim(n_rows - 0.5, -0.5)
    ax.set_ylabel("trial")
    ax.set_title(panels.title(spikes))
    return ax


def psth(
    data: xr.Dataset | xr.DataArray,
    neuron: str | None = None,
    stimulus: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot the firing rate over time: of one neuron, or the mean of each area.

    Parameters
    ----------
    data
        A Dataset with `psth`, or this variable [shape: (neuron, stimulus, time)]. `aa1xr.psth`
        computes it for a selection of trials, and `aa1xr.smooth` smooths it.
    neuron
        Label of the neuron; None for all neurons.
    stimulus
        Label of the stimulus; None if there is only one.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        A histogram for one neuron; or, for each area, the mean over the neurons that were presented
        the stimulus, with a band of one standard error of the mean.

    Raises
    ------
    KeyError, ValueError
        If there is no such neuron or stimulus, if there are several stimuli and `stimulus` is None,
        if there are no data, or if `psth` of a Dataset does not match its trials.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=10)
    >>> ax = aa1xr.plot.psth(ds, "sim0000_1_B", "conspecific-00")
    >>> ax = aa1xr.plot.psth(ds, stimulus="conspecific-00")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['Field_L: mean ± s.e.m. of 6 neurons', 'MLd: mean ± s.e.m. of 5 neurons']
    """
    if isinstance(data, xr.Dataset) and "psth" in data.data_vars:
        responses = data[[name for name in ("psth", "spikes", "n_trials") if name in data]]
        check_trials(schema.validate(responses), "psth")
    rate = sel_one(panels.variable(data, "psth"), "drawn", stimulus=stimulus)
    if neuron is not None or rate.sizes.get("neuron", 1) == 1:
        rate = sel_one(rate, "drawn", neuron=neuron)
    rate = panels.window(rate.compute())
    ax = panels.axes(ax, height=3)
    edges = panels.time_axis(ax, rate)
    if "neuron" in rate.dims:
        areas = panels.by_area(rate.dropna("neuron", how="all"))
        for area, colour in panels.colours(areas).items():
            _mean_and_error(ax, areas[area], edges, label=plot_text(area), colour=colour)
        ax.margins(y=0.3)  # for the legend
        ax.legend(frameon=False, fontsize="small", loc="upper right")
    else:
        # With an edge, a bin narrower than a pixel does not fade.
        ax.stairs(
            rate.values, edges, fill=True, color=panels.BLUE, edgecolor=panels.BLUE, linewidth=0.6
        )
    if float(rate.min()) >= 0:
        # A silent neuron would otherwise have an axis of hundredths around nothing.
        ax.set_ylim(0, None if float(rate.max()) > 0 else 1)
    ax.set_ylabel(panels.quantity("rate", rate))
    ax.set_title(panels.title(rate))
    return ax


def _mean_and_error(
    ax: Axes, rate: xr.DataArray, edges: Floats, *, label: str, colour: str
) -> None:
    values = rate.transpose("neuron", "time").values
    n, mean = len(values), values.mean(0)
    if n > 1:
        label = f"{label}: mean ± s.e.m. of {n} neurons"
        error = values.std(0, ddof=1) / np.sqrt(n)
        ax.stairs(mean + error, edges, baseline=mean - error, fill=True, color=colour, alpha=0.3)
    else:
        label = f"{label}: 1 neuron"
    ax.stairs(mean, edges, color=colour, label=label, baseline=None)
