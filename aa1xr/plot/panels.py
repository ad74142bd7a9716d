"""Parts that all plots share: data, axes, colours and scales."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.quality import MEASURES, quality
from aa1xr.optional import import_optional
from aa1xr.printable import plot_text
from aa1xr.typing import Bools, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Told apart by everyone, and in print: Okabe & Ito (2008), https://jfly.uni-koeln.de/color.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
)  # fmt: skip
#: An area keeps its colour in every picture, whichever others are drawn.
_AREA_COLOURS = {"Field_L": VERMILLION, "MLd": BLUE}

#: The width in inches that sizes of figures are given for: that of matplotlib's own default.
_WIDTH = 6.4

#: Marks on an axis of frequencies, in kHz: octaves.
_OCTAVES = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16)


def new_figure(width: float = 6.4, height: float = 4) -> Figure:
    """A figure that shows itself, with sizes in inches where `figure.figsize` is 6.4 wide.

    Of pyplot, since that is the figure which a notebook shows without being asked; a bare
    `Figure` would appear there as its repr. Who wants no state of pyplot's passes axes, or a
    figure to `response`.
    """
    plt = import_optional("matplotlib.pyplot", extra="plot")
    scale = plt.rcParams["figure.figsize"][0] / _WIDTH
    # Text does not shrink with a column, so that low panels need more of the height.
    scales = scale, scale ** (0.8 if scale < 1 else 1)
    size = (width * scales[0], height * scales[1])
    figure: Figure = plt.figure(figsize=size, layout="constrained")
    return figure


def axes(ax: Axes | None, width: float = 6.4, height: float = 4) -> Axes:
    """The axes that were given, or new ones."""
    if ax is None:
        return new_figure(width, height).subplots()
    if not hasattr(ax, "pcolormesh"):
        raise TypeError(f"ax is {type(ax).__name__}; expected one matplotlib Axes, such as axes[0]")
    return ax


def variable(data: xr.Dataset | xr.DataArray, name: str) -> xr.DataArray:
    """The variable of a Dataset that a picture is of; an array is that variable already."""
    if isinstance(data, xr.DataArray):
        spec = schema.VARIABLES.get(name)
        schema.check_dims(f"{data.name!r}", data, allowed=spec.dims if spec else None)
        return data
    schema.require(data, name)
    # Of that alone, since masking with .where widens others.
    return schema.validate(data[[name]], name)[name]


def measured(data: xr.Dataset | xr.DataArray, measure: str) -> xr.DataArray:
    """A measure of each neuron that the data have, or that `aa1xr.quality` computes."""
    if isinstance(data, xr.DataArray):
        return data
    schema.require(data)
    if measure in list(data.variables):
        return data[measure]
    if measure not in list(MEASURES):
        raise ValueError(
            f"measure={arguments.shown(measure)}; expected a variable or label of the "
            f"Dataset, or one of {', '.join(MEASURES)}"
        )
    return quality(data)[measure]


def check_numbers(name: str, values: xr.DataArray) -> None:
    """Refuse labels that are text, which is neither drawn nor sorted by."""
    if values.dtype.kind not in "buif":
        raise ValueError(
            f"{name} must be numbers; {str(values.name)!r} has "
            f"{arguments.shown(values.values.flat[0]) if values.size else values.dtype}"
        )


def window(array: xr.DataArray) -> xr.DataArray:
    """Leave out the time before and after all data, or ValueError if there is no data at all."""
    schema.check_dims(f"{array.name!r}", array, "time")
    there = array.notnull().any([dim for dim in array.dims if dim != "time"])
    bins = np.flatnonzero(there.values)
    if bins.size == 0:
        raise ValueError(
            f"{title(array)}: never presented, or not in these trials and times, so there is "
            "nothing to draw; aa1xr.plot.coverage(ds) shows which neuron was presented what"
        )
    return array.isel(time=slice(bins[0], bins[-1] + 1))


def title(array: xr.DataArray) -> str:
    """Which neuron and stimulus an array is of, as far as it is of one."""
    names = []
    if _is_scalar(array, "neuron"):
        area = f" ({area_text(array.coords['area'].item())})" if _is_scalar(array, "area") else ""
        names.append(f"{array.coords['neuron'].item()}{area}")
    if _is_scalar(array, "stimulus"):
        names.append(str(array.coords["stimulus"].item()))
    return plot_text(", ".join(names))


def quantity(name: str, array: xr.DataArray) -> str:
    """What is on an axis, with its units if it has any."""
    units = str(array.attrs.get("units", "1"))
    # As the field writes them.
    units = {schema.COUNT: "spikes", schema.RATE: "spikes/s"}.get(units, units)
    return plot_text(name if units == "1" else f"{name} ({units})")


def _is_scalar(array: xr.DataArray, name: str) -> bool:
    return name in array.coords and array.coords[name].ndim == 0


def area_text(area: object) -> str:
    """An area as a paper has it: "Field L", which the archive calls Field_L."""
    return plot_text(str(area).replace("_", " "))


def runs(array: xr.DataArray, label: str) -> list[tuple[int, int, str]]:
    """Where each value of a sorted label begins and ends."""
    if label not in array.coords:
        return []
    values = np.atleast_1d(array.coords[label].values)
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), values.size]
    return [(start, stop, str(values[start])) for start, stop in pairwise(edges)]


def sort(array: xr.DataArray, dim: str, label: str) -> xr.DataArray:
    """Sort along a dimension by one of its labels, if it has this label."""
    if label not in array.coords or array.coords[label].dims != (dim,):
        return array
    return array.isel({dim: np.argsort(array.coords[label].values, kind="stable")})


def point_area(points: float = 4) -> float:
    """The area of a marker of this diameter in points, where text has its usual 10 points."""
    import matplotlib as mpl

    return (points * float(mpl.rcParams["font.size"]) / 10) ** 2


def colour_bar(
    ax: Axes, mesh: Any, label: str, *, left: float = 1.02, extend: str = "neither"
) -> None:
    """A colour bar outside the axes, which keep their width: axes below each other stay aligned."""
    place = ax.inset_axes((left, 0, 0.025, 1))
    ax.figure.colorbar(mesh, cax=place, label=label, extend=extend)


def mark_areas(
    ax: Axes, array: xr.DataArray, edges: Floats | None = None, colour: str = "black"
) -> None:
    """Name the areas at the right of rows that are sorted by area, and draw lines between them."""
    for start, stop, area in runs(array, "area"):
        low, high = (start, stop) if edges is None else (edges[start], edges[stop])
        ax.axhline(high, color=colour, linewidth=0.8)
        ax.text(1.005, (low + high) / 2, area_text(area), transform=ax.get_yaxis_transform(),
                rotation=270, va="center", fontsize="small")  # fmt: skip


def colours(areas: Iterable[str]) -> dict[str, str]:
    """A colour for each area."""
    others = cycle([GREEN, PURPLE, ORANGE, SKY])
    return {area: _AREA_COLOURS.get(area) or next(others) for area in areas}


def by_area(array: xr.DataArray) -> dict[str, xr.DataArray]:
    """The neurons of each area; of none, if that label is gone."""
    if "area" not in array.coords:
        return {"neurons": array}
    areas = array.coords["area"].values
    return {str(area): array.isel(neuron=areas == area) for area in np.unique(areas)}


def bin_edges(array: xr.DataArray) -> Floats:
    """The edges of the bins, in s."""
    bins = schema.bin_numbers(array)
    return np.append(bins, bins[-1] + 1) * schema.bin_width_ms(array) / 1000


def time_axis(ax: Axes, array: xr.DataArray, *, marks: bool = True) -> Floats:
    """Label the time, mark where the stimulus begins and ends, and give the edges of the bins."""
    width, edges = schema.bin_width_ms(array) / 1000, bin_edges(array)
    ax.set_xlabel("time from stimulus onset (s)")
    ax.set_xlim(edges[0], edges[-1])
    times = [0.0]
    if _is_scalar(array, "duration_s"):
        times.append(float(array.coords["duration_s"]))
    for mark in times if marks else ():
        # A window ends with the bin that holds the last sample: that is no end to be marked.
        if edges[0] < mark < edges[-1] - width:
            ax.axvline(mark, color="0.4", linestyle=(0, (4, 2)), linewidth=1)
    return edges


def show_bands(ax: Axes, edges: Floats, fmax: float | None, shown: Bools | None = None) -> None:
    """Show bands up to `fmax` in Hz, or up to the highest one that has something to show."""
    low, top = edges[0], edges[-1]
    if fmax is not None:
        top = arguments.number("fmax", fmax, "Hz") / 1000
        if top <= low:
            got = arguments.shown(fmax)
            raise ValueError(f"fmax must be above {1000 * low:g} Hz, the lowest band; got {got}")
    elif shown is not None and shown.any():
        top = edges[np.flatnonzero(shown)[-1] + 1]
    ax.set_ylim(low, min(top, edges[-1]))


def frequency_axis(ax: Axes, array: xr.DataArray) -> Floats:
    """Scale frequencies as the bands are, and give the edges of the bands in kHz.

    Linear if the bands are equally far apart, as for Gaussian spectrograms; otherwise mel.
    """
    freq = np.atleast_1d(array["freq"].values) / 1000
    steps = np.diff(freq)
    if freq.size > 2 and np.allclose(steps, steps[0]):
        ends = freq[0] - steps[0] / 2, freq[-1] + steps[0] / 2
        edges = np.linspace(max(ends[0], 0), ends[1], freq.size + 1)
        edges[1:-1] = freq[:-1] + steps / 2
        ax.set_ylim(edges[0], edges[-1])
        ax.set_ylabel("frequency (kHz)")
        return edges
    middle = _to_mel(freq)
    if freq.size > 1:
        between = (middle[:-1] + middle[1:]) / 2
        outside = 2 * middle[[0, -1]] - between[[0, -1]]
        mel = np.concatenate([outside[:1], between, outside[1:]])
    else:
        mel = middle[0] + np.array([-50, 50])
    edges = _from_mel(np.maximum(mel, 0))
    ax.set_yscale("function", functions=(_to_mel, _from_mel))
    ax.set_ylim(edges[0], edges[-1])
    # Lower ones would touch: below 1 kHz mel is nearly linear.
    marks = [mark for mark in _OCTAVES if max(edges[0], edges[-1] / 32) <= mark <= edges[-1]]
    if len(marks) > 1:
        ax.set_yticks(marks, [f"{mark:g}" for mark in marks])
    ax.set_ylabel("frequency (kHz)")
    return edges


def _to_mel(khz: Floats) -> Floats:
    return np.asarray(2595 * np.log10(1 + np.maximum(khz, 0) / 0.7))


def _from_mel(mel: Floats) -> Floats:
    return np.asarray(0.7 * (10 ** (mel / 2595) - 1))
