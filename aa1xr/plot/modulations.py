"""Plots of modulation spectra and modulation transfer functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis import modulation
from aa1xr.analysis.sel import sel_one
from aa1xr.plot import panels
from aa1xr.printable import plot_text
from aa1xr.typing import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIMS = ("spectral_modulation", "temporal_modulation")
#: Parts of the power that contours enclose.
_PARTS = (0.5, 0.8)
#: The range of colours, in dB.
_RANGE_DB = 40


def modulation_spectrum(
    data: xr.Dataset | xr.DataArray,
    neuron: str | None = None,
    stimulus: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot the modulation power spectrum of a stimulus, or the transfer function of a neuron.

    Parameters
    ----------
    data
        What `aa1xr.modulation_spectrum` returns [shape: (spectral_modulation,
        temporal_modulation)], also after a mean over stimuli or neurons. Or what it takes: a
        spectrogram, receptive fields, or a Dataset of them.
    neuron, stimulus
        Labels; None if there is only one.
    ax
        Axes to draw into; None creates a figure.

    Returns
    -------
    matplotlib.axes.Axes
        Spectral modulation over temporal modulation in Hz. Upward sweeps are on the left, and
        downward sweeps on the right. Colours show the power in dB relative to its maximum, down to
        -40 dB; spectral modulations above the highest one in this range are left out. The contours
        enclose the densest 50 % and 80 % of the power.

    Raises
    ------
    KeyError, ValueError
        If there is no such neuron or stimulus, if there are several and None is given, or if the
        spectrum is NaN.

    Examples
    --------
    >>> ax = aa1xr.plot.modulation_spectrum(aa1xr.open_sample(), stimulus="flatrip-00")
    >>> ax.get_ylabel()
    'spectral modulation (cycles/kHz)'
    """
    arguments.expect("data", data, xr.Dataset | xr.DataArray, modulation.SUCH_AS)  # type: ignore[arg-type]
    if isinstance(data, xr.Dataset):
        data = modulation.select_field(data)
    one: Any = sel_one(data, "drawn", neuron=neuron, stimulus=stimulus)  # type: ignore[type-var]
    if not set(_DIMS) & set(one.dims):
        one = modulation.modulation_spectrum(one)
    schema.check_dims("the modulation spectrum", one, *_DIMS, allowed=_DIMS)
    one = one.transpose(*_DIMS).compute()
    if not (largest := float(one.max())) >= 0:
        raise ValueError(f"{panels.title(one)}: the modulation spectrum is NaN, so there is none")
    ax = panels.axes(ax, 4.8, 3.6)
    x, y = one["temporal_modulation"].values, one["spectral_modulation"].values
    smallest = 10 ** (-_RANGE_DB / 10)
    level = 10 * np.log10(np.maximum(one.values / (largest or 1), smallest))
    mesh = ax.pcolormesh(
        x, y, level, cmap="magma", vmin=-_RANGE_DB, vmax=0, shading="nearest", rasterized=True
    )
    ax.figure.colorbar(mesh, ax=ax, label="power (dB re max.)")
    if largest > 0:
        levels = [density_around(one.values, part) for part in reversed(_PARTS)]
        if levels[0] < levels[1]:
            ax.contour(
                x, y, one.values, levels, colors="white", linestyles=["--", "-"], linewidths=1
            )
    ax.axvline(0, color="white", linewidth=0.5, alpha=0.5)
    ax.set_xlim(x[0], x[-1])
    # Most of the plane is empty: what is audible in song has few cycles per kHz.
    within = np.flatnonzero((level > -_RANGE_DB).any(1))
    ax.set_ylim(y[0], y[min(within[-1] + 2, y.size) - 1] if within.size else y[-1])
    ax.set_xlabel("temporal modulation (Hz)")
    units = one["spectral_modulation"].attrs.get("units", "")
    ax.set_ylabel(plot_text(f"spectral modulation ({units})" if units else "spectral modulation"))
    ax.set_title(panels.title(one))
    return ax


def density_around(spectrum: Floats, part: float) -> float:
    """The density above which this part of the power is. [shape: (spectral, temporal)]."""
    # As the trapezoidal rule weights them.
    weights = np.ones(spectrum.shape)
    weights[[0, -1]] /= 2
    weights[:, [0, -1]] /= 2
    order = np.argsort(-spectrum, axis=None)
    power = np.cumsum((spectrum * weights).ravel()[order])
    return float(spectrum.ravel()[order][np.searchsorted(power, part * power[-1])])
