"""Plots of responses over time: spectrogram, raster and firing rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis import psth as rates
from aa1xr.analysis.alignment import check_rate, check_same_sounds
from aa1xr.analysis.resample import resample
from aa1xr.analysis.sel import sel_one
from aa1xr.analysis.smooth import smooth
from aa1xr.analysis.trial_checks import check_trials
from aa1xr.dataset.spectrogram import COMPRESSIONS, expand
from aa1xr.plot import panels
from aa1xr.printable import plot_text
from aa1xr.typing import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

#: The narrowest bins of a PSTH that `response` chooses, in ms.
_LEAST_MS = 5
#: The range of colours of a spectrogram, in dB.
_RANGE_DB = 50
#: More names than this would overlap.
_MOST_NAMES = 30
#: Much less than a bin or a sample, in s.
_ROUNDING = 1e-9


def response(
    ds: xr.Dataset,
    neuron: str | None = None,
    stimulus: str | None = None,
    *,
    bin_ms: float | None = None,
    smooth_ms: float | None = None,
    fmax: float | None = None,
    prediction: xr.DataArray | None = None,
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
    bin_ms
        Bin width of the PSTH in ms: a multiple of that of `ds`. The default is that of `ds`, or at
        least 5 ms. An incomplete last bin is left out.
    smooth_ms
        Smooth the PSTH with a Hann window of this full width in ms, as `aa1xr.smooth` does. Then
        the default of `bin_ms` is the bin width of `ds`.
    fmax
        Highest frequency of the spectrogram in Hz. The default is the highest band within 50 dB of
        the maximum.
    prediction
        A predicted rate in spikes/s, drawn over the PSTH [shape: (neuron, stimulus, time)], or that
        of this neuron or stimulus alone.
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
        If the neuron was not presented the stimulus, if there are several and None is given, or if
        the prediction is in another unit, of another neuron or stimulus, or NaN.

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
    fine = heard.to_dataset()
    width = schema.bin_width_ms(heard)
    if bin_ms is not None:
        arguments.number("bin_ms", bin_ms)
    if bin_ms is None and smooth_ms is None and width < _LEAST_MS:
        bin_ms = math.ceil(_LEAST_MS / width) * width
    rate = rates.psth(fine if bin_ms is None else resample(fine, bin_ms))
    if smooth_ms is not None:
        rate = smooth(rate, smooth_ms)
    if prediction is not None:
        arguments.expect("prediction", prediction, xr.DataArray)
        schema.check_dims(
            "the prediction", prediction, "time", allowed=("neuron", "stimulus", "time")
        )
        prediction = panels.window(_prediction_of(heard, prediction).compute())
    sound = sel_one(panels.variable(ds, "spectrogram"), "drawn", stimulus=stimulus)
    sound = sound.sel(time=heard.time)

    if figure is not None and not hasattr(figure, "subplots"):
        raise TypeError(f"figure is {type(figure).__name__}; expected a matplotlib Figure")
    if figure is None:
        figure = panels.new_figure(6.4, 5)
    axes: tuple[Axes, Axes, Axes] = tuple(
        figure.subplots(3, 1, sharex=True, height_ratios=[1.2, 1, 1])
    )
    spectrogram(sound, fmax=fmax, ax=axes[0])
    raster(heard, ax=axes[1])
    shown = axes[1].get_xlim()
    psth(rate, ax=axes[2])
    if prediction is not None:
        _add_prediction(axes[2], prediction)
    axes[2].set_xlim(shown)
    axes[0].set_title(panels.title(heard))
    for ax in axes[1:]:
        ax.set_title("")
    for ax in axes:
        ax.label_outer()
    figure.align_ylabels(axes)
    return axes


def _prediction_of(heard: xr.DataArray, prediction: xr.DataArray) -> xr.DataArray:
    """The prediction for one neuron and stimulus, in spikes/s."""
    check_rate(prediction)
    check_same_sounds(prediction, heard, "the prediction and in the Dataset")
    dims = {*prediction.dims, *prediction.coords} & {"neuron", "stimulus"}
    of = {dim: heard[dim].item() for dim in sorted(map(str, dims))}
    for dim, wanted in of.items():
        if dim not in prediction.dims and (got := prediction[dim].item()) != wanted:
            raise ValueError(
                f"the prediction must be for {dim} {arguments.shown(wanted)}; it is for "
                f"{arguments.shown(got)}"
            )
    one = {dim: label for dim, label in of.items() if dim in prediction.dims}
    return sel_one(prediction, "drawn", **one)


def _add_prediction(ax: Axes, rate: xr.DataArray) -> None:
    ax.patches[0].set(label="PSTH", alpha=0.5)
    ax.stairs(
        rate.values,
        panels.bin_edges(rate),
        baseline=None,
        color=panels.VERMILLION,
        linewidth=1.2,
        label="prediction",
    )
    ax.relim()
    ax.set_ylim(min(0, float(rate.min())), 1.25 * max(ax.get_ylim()[1], float(rate.max())))
    ax.legend(frameon=False, fontsize="small", loc="upper right", ncols=2)


def spectrogram(
    data: xr.Dataset | xr.DataArray,
    stimulus: str | None = None,
    *,
    fmax: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the spectrogram of one stimulus.

    Parameters
    ----------
    data
        A Dataset with `spectrogram`, or this variable [shape: (stimulus, freq, time)].
    stimulus
        Label of the stimulus; None if there is only one.
    fmax
        Highest frequency in Hz. The default is the highest band within 50 dB of the maximum.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Frequency in kHz, on the mel scale, over time in s, from onset to the end of the stimulus.
        Colours show the power in dB relative to its maximum, down to -50 dB. If the
        attribute `compression` is missing, as after a scaling, they show the values.

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
    edges = panels.time_axis(ax, sound, marks=False)
    end = float(sound.coords.get("duration_s", np.inf))
    # Silence before and after would take space, and would look like a recording of silence.
    inside = (edges[1:] > _ROUNDING) & (edges[:-1] < end - _ROUNDING)
    if inside.any():
        sound = sound.isel(time=inside)
        edges = edges[np.append(inside, False) | np.append(False, inside)]
    level, label = _level(sound.transpose("freq", "time"))
    low, high = (-_RANGE_DB, 0) if label.endswith("max.)") else (None, None)
    # A grid of cells as an image in vector graphics shows no seams between them.
    mesh = ax.pcolormesh(edges, bands, level, cmap="magma", vmin=low, vmax=high, rasterized=True)
    panels.colour_bar(ax, mesh, label)
    ax.set_xlim(edges[0], edges[-1])
    panels.show_bands(ax, bands, fmax, None if low is None else np.asarray((level > low).any(1)))
    ax.set_title(panels.title(sound))
    return ax


def _level(sound: xr.DataArray) -> tuple[Floats, str]:
    """What colours show, and the label of their bar."""
    values = np.asarray(sound.values, np.float64)
    compression = sound.attrs.get("compression")
    own = sound.attrs.get("kind") == "function"
    if compression not in COMPRESSIONS or own or (compression != "db" and (values < 0).any()):
        return values, panels.quantity("spectrogram", sound)
    power = expand(values, compression)
    power = np.maximum(power / (float(power.max()) or 1), 10 ** (-_RANGE_DB / 10))
    return 10 * np.log10(power), "level (dB re max.)"


def raster(
    data: xr.Dataset | xr.DataArray,
    neuron: str | None = None,
    stimulus: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot spikes in each trial: one neuron and one stimulus, or several of one of the two.

    Parameters
    ----------
    data
        A Dataset with `spikes`, or this variable [shape: (neuron, stimulus, trial, time)].
    neuron, stimulus
        Labels. None means all: all stimuli of one neuron, or all neurons for one stimulus.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row for each trial, with the first at the top, and one mark for each spike. Spike times
        within a bin are unknown, so the spikes of a bin are spaced equally. Several neurons are
        sorted by area and have its colour. Those that were not presented the stimulus are left out.

    Raises
    ------
    KeyError, ValueError
        If there is no such neuron or stimulus, if there are several of both, if there are no
        trials, or if counts are not whole numbers, as after `aa1xr.smooth`.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=1)
    >>> aa1xr.plot.raster(ds, "sim0000_1_B", "flatrip-00").get_ylabel()
    'trial'
    >>> aa1xr.plot.raster(ds, "sim0000_1_B").get_ylabel()
    '15 stimuli'
    """
    spikes = panels.variable(data, "spikes")
    for dim, label in (("neuron", neuron), ("stimulus", stimulus)):
        if label is not None or spikes.sizes.get(dim, 1) == 1:
            spikes = sel_one(spikes, "drawn", **{dim: label})
    several = [dim for dim in ("neuron", "stimulus") if dim in spikes.dims]
    if len(several) == 2:
        sel_one(spikes, "drawn", neuron=None)  # raises
    spikes = panels.window(spikes.compute())
    if "trial" not in spikes.coords:
        raise ValueError(f"{spikes.name!r} has no 'trial': a raster needs single trials")
    if (parts := spikes.where(spikes % 1 > 0)).notnull().any():
        how = (
            f": it was smoothed ({spikes.attrs['smoothed']})" if "smoothed" in spikes.attrs else ""
        )
        raise ValueError(
            f"{spikes.name!r} must be whole numbers of spikes to be drawn as a raster; got "
            f"{arguments.shown(float(parts.max()))}{how}. Draw it from the "
            "Dataset as it was opened"
        )
    if "trial" not in spikes.dims:
        spikes = spikes.expand_dims("trial")
    spikes = spikes.transpose(*several, "trial", "time")
    ax = panels.axes(ax, height=5 if several else 3)
    edges = panels.time_axis(ax, spikes)
    if several:
        _groups(ax, spikes.dropna(several[0], how="all"), edges)
    else:
        spikes = spikes.dropna("trial", how="all")
        _mark_spikes(ax, spikes.values, edges, "black")
        n_rows = spikes.sizes["trial"]
        shown = np.arange(0, n_rows, -(-n_rows // 6))
        ax.set_yticks(shown, [plot_text(number) for number in spikes["trial"].values[shown]])
        ax.set_ylim(n_rows - 0.5, -0.5)
        ax.set_ylabel("trial")
    ax.set_title(panels.title(spikes))
    return ax


def _mark_spikes(ax: Axes, spikes: Floats, edges: Floats, colour: str, first: int = 0) -> None:
    """A mark for each spike of (trial, time), in rows from `first`."""
    counts = np.nan_to_num(spikes).astype(int)
    rows, bins = np.nonzero(counts)
    n_in_bin = counts[rows, bins]
    earlier = np.cumsum(n_in_bin) - n_in_bin
    rows, bins, n, before = (np.repeat(v, n_in_bin) for v in (rows, bins, n_in_bin, earlier))
    place = (np.arange(n.size) - before + 0.5) / n
    times = edges[bins] + place * (edges[1] - edges[0])
    rows = rows + first
    ax.vlines(times, rows - 0.4, rows + 0.4, color=colour, linewidth=0.8)


def _groups(ax: Axes, spikes: xr.DataArray, edges: Floats) -> None:
    """Rows of several neurons, or of several stimuli. [shape: (either, trial, time)]."""
    dim = str(spikes.dims[0])
    spikes = panels.sort(spikes, dim, "area" if dim == "neuron" else "type")
    areas = spikes["area"].values if dim == "neuron" and "area" in spikes.coords else None
    shades = panels.colours(map(str, np.unique(areas))) if areas is not None else {}
    ends = spikes.coords.get("duration_s")
    starts = [0]
    for k in range(spikes.sizes[dim]):
        trials = spikes.isel({dim: k}).dropna("trial", how="all")
        colour = "black" if areas is None else shades[str(areas[k])]
        _mark_spikes(ax, trials.values, edges, colour, starts[-1])
        starts.append(starts[-1] + trials.sizes["trial"])
    borders = np.array(starts) - 0.5
    if ends is not None and ends.dims == (dim,):
        there = ends.values < edges[-1] - (edges[1] - edges[0])
        # What is after the end of each sound, rather than a line that looks like spikes.
        ax.barh(
            borders[:-1][there], edges[-1] - ends.values[there], np.diff(borders)[there],
            ends.values[there], align="edge", color="0.92", zorder=0,
        )  # fmt: skip
    names = spikes[dim].values if dim in spikes.coords else np.arange(spikes.sizes[dim])
    if len(names) <= _MOST_NAMES:
        ax.set_yticks(
            (borders[1:] + borders[:-1]) / 2,
            [plot_text(name) for name in names],
            fontsize="x-small",
        )
        ax.tick_params(axis="y", length=0)
        for border in borders[1:-1]:
            ax.axhline(border, color="0.6", linewidth=0.4)
    else:
        ax.set_yticks([])
    if dim == "neuron":
        panels.mark_areas(ax, spikes, borders)
    ax.set_ylim(borders[-1], borders[0])
    ax.set_ylabel(f"{len(names)} {'neurons' if dim == 'neuron' else 'stimuli'}")


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
    ['Field L: mean ± s.e.m. of 6 neurons', 'MLd: mean ± s.e.m. of 5 neurons']
    """
    rate = _rate(data, stimulus)
    if neuron is not None or rate.sizes.get("neuron", 1) == 1:
        rate = sel_one(rate, "drawn", neuron=neuron)
    rate = panels.window(rate.compute())
    ax = panels.axes(ax, height=3)
    edges = panels.time_axis(ax, rate)
    if "neuron" in rate.dims:
        areas = panels.by_area(rate.dropna("neuron", how="all"))
        for area, colour in panels.colours(areas).items():
            _mean_and_error(ax, areas[area], edges, label=panels.area_text(area), colour=colour)
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


def _rate(data: xr.Dataset | xr.DataArray, stimulus: str | None) -> xr.DataArray:
    if isinstance(data, xr.Dataset) and "psth" in data.data_vars:
        responses = data[[name for name in ("psth", "spikes", "n_trials") if name in data]]
        check_trials(schema.validate(responses), "psth")
    return sel_one(panels.variable(data, "psth"), "drawn", stimulus=stimulus)


def population(
    data: xr.Dataset | xr.DataArray,
    stimulus: str | None = None,
    *,
    by: str | xr.DataArray | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the firing rates of all neurons over time, as a heat map.

    Parameters
    ----------
    data
        A Dataset with `psth`, or this variable [shape: (neuron, stimulus, time)], smoothed or not.
    stimulus
        Label of the stimulus; None if there is only one.
    by
        The measure that sorts the neurons of each area, with the highest at the top: a variable or
        label of the Dataset, a measure of `aa1xr.quality`, which is computed from all stimuli of
        `data`, or values [shape: (neuron,)]. None keeps the order.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        One row for each neuron that was presented the stimulus, sorted by area. Colours end at the
        99th percentile of the rates.

    Raises
    ------
    KeyError, ValueError
        If there is no such stimulus, if there are several and `stimulus` is None, if there are no
        data, or if there is no such measure.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=10)
    >>> ax = aa1xr.plot.population(ds, "flatrip-00", by="rate_driven")
    >>> ax.get_ylabel()
    '12 neurons, by rate_driven'
    """
    rate = _rate(data, stimulus)
    schema.check_dims("the rate", rate, "neuron", "time")
    name = ""
    if by is not None:
        values = panels.measured(data, by) if isinstance(by, str) else by
        arguments.expect("by", values, xr.DataArray)
        name = str(by if isinstance(by, str) else by.name or "measure")
        if values.dims != ("neuron",):
            raise ValueError(f"by must be one value for each neuron; {name!r} has {values.dims}")
        panels.check_numbers("by", values)
        if "neuron" in values.coords and "neuron" in rate.coords:
            values = values.reindex(neuron=rate["neuron"].values)
        order = np.argsort(-np.asarray(values.values, np.float64), kind="stable")
        rate = rate.isel(neuron=order)
    rate = panels.window(panels.sort(rate, "neuron", "area").compute())
    rate = rate.dropna("neuron", how="all").transpose("neuron", "time")
    ax = panels.axes(ax, 6.4, 4)
    edges = panels.time_axis(ax, rate)
    n_neurons = rate.sizes["neuron"]
    low, high = float(rate.min()), float(rate.quantile(0.99)) or float(rate.max()) or 1.0
    mesh = ax.pcolormesh(
        edges, np.arange(n_neurons + 1), rate.values, cmap="magma", vmin=min(low, 0), vmax=high,
        rasterized=True,
    )  # fmt: skip
    panels.colour_bar(ax, mesh, panels.quantity("rate", rate), left=1.06, extend="max")
    panels.mark_areas(ax, rate, colour="white")
    names = rate["neuron"].values if "neuron" in rate.coords else np.arange(n_neurons)
    named = n_neurons <= _MOST_NAMES
    ax.set_yticks(
        np.arange(n_neurons) + 0.5 if named else [],
        [plot_text(each) for each in names] if named else [],
        fontsize="x-small",
    )
    ax.set_ylim(n_neurons, 0)
    ax.set_ylabel(plot_text(f"{n_neurons} neurons" + (f", by {name}" if name else "")))
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
