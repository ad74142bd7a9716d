"""Pictures of the data. Needs matplotlib, the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from aa1xr import schema

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def response(ds: xr.Dataset, neuron: str, stimulus: str) -> Figure:
    """Draw one cell's response to one sound: spectrogram over raster over PSTH.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open`; small bins make a sharp raster.
    neuron, stimulus
        Which.

    Returns
    -------
    matplotlib.figure.Figure
        Three panels on one time axis in seconds.

    Raises
    ------
    KeyError
        If there is no such neuron or stimulus.
    ValueError
        If the neuron never heard the stimulus.
    """
    from matplotlib.figure import Figure  # needs no display, and leaves pyplot's state alone

    schema.validate(ds, "spikes", "psth", "spectrogram", "n_trials")
    one = ds.sel(neuron=neuron, stimulus=stimulus).compute()
    n_trials = int(one.n_trials)
    if n_trials == 0:
        raise ValueError(f"{neuron} never heard {stimulus}: there is nothing to draw")
    heard = one.isel(time=~np.isnan(one.psth.values))
    dt = schema.bin_width_ms(ds) / 1000
    edges = np.append(heard.time.values, heard.time.values[-1] + dt)

    figure = Figure(figsize=(8, 6), layout="constrained")
    sound, raster, rate = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [1.2, 1, 1]}
    )
    figure.suptitle(f"{neuron} ({one.area.item()}), {stimulus}")
    bands = np.arange(one.sizes["freq"] + 1)
    sound.pcolormesh(edges, bands, heard.spectrogram.values, cmap="magma", rasterized=True)
    ticks = bands[2::7]
    sound.set_yticks(ticks + 0.5, [f"{f / 1000:.1f}" for f in heard.freq.values[ticks]])
    sound.set_ylabel("frequency (kHz)")

    trials, bins = np.nonzero(np.nan_to_num(heard.spikes.values) > 0)
    raster.vlines(edges[bins] + dt / 2, trials - 0.4, trials + 0.4, color="black", linewidth=0.8)
    raster.set_ylim(n_trials - 0.5, -0.5)
    raster.set_ylabel("trial")

    rate.stairs(heard.psth.values, edges, color="#0072b2", fill=True)
    rate.set_ylabel("rate (spikes/s)")
    rate.set_xlabel("time from stimulus onset (s)")
    rate.set_xlim(edges[0], edges[-1])
    return figure
