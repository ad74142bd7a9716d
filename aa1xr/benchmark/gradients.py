"""Receptive fields of networks: gradients of their rates with respect to the spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.spectrogram_checks import KEPT
from aa1xr.optional import import_optional
from aa1xr.typing import Floats

if TYPE_CHECKING:
    from torch import nn

#: Much less than a bin, in bins.
_ROUNDING = 1e-6


def gradient_strf(
    ds: xr.Dataset,
    network: nn.Module,
    *,
    lags_ms: float = 100,
    n_times: int = 8,
    scale: Literal["deviation", "unit"] = "deviation",
) -> xr.DataArray:
    """Average the gradient of each rate of a network with respect to the spectrogram.

        strf[neuron, freq, lag] = mean over stimuli and times t of
            d rate[neuron, t] / d spectrogram[freq, t - lag]

    times the standard deviation of the band, unless `scale` is "unit". For a linear network, the
    gradients are its weights. For any other one, they are those of the linear
    network that changes as it does on average, for small changes of these stimuli. Needs torch.

    Parameters
    ----------
    ds
        A Dataset with `spectrogram` [shape: (stimulus, freq, time)], with the options with which
        the network was trained, and with its neurons in their order.
    network
        A trained network from (batch, freq, time) to (batch, neuron, time), such as
        `aa1xr.benchmark.training.fit` returns.
    lags_ms
        Longest lag, in ms; the first lag is 0. Rounded to whole bins.
    n_times
        Times for each stimulus, evenly spaced from the longest lag after onset to the end of the
        stimulus, or all if there are fewer. The duration is proportional to their number.
    scale
        "deviation": the change of the rate after the band rises by its standard deviation over the
        stimuli of `ds`. "unit": per unit of the spectrogram. Bands without sound vary by 0.1 % of
        others, so networks that scale bands have gradients there that hide all others.

    Returns
    -------
    xarray.DataArray
        `strf` [shape: (neuron, freq, lag)] in spikes/s, or spikes/s per unit of the spectrogram,
        with the labels of the neurons. `aa1xr.plot.strf` and `aa1xr.plot.strfs` plot it.

    Raises
    ------
    ValueError
        If the network gives another shape or another number of neurons, if the longest lag is
        longer than a stimulus, or if the spectrogram has values that are not finite.
    ImportError
        If torch is not installed.

    References
    ----------
    Keshishian, Akbari, Khalighinejad, Herrero, Mehta & Mesgarani (2020), eLife 9, e53445, whose
    dynamic STRF this is, averaged over time.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(area="MLd")
    >>> field = aa1xr.benchmark.gradient_strf(ds, network)  # doctest: +SKIP
    >>> ax = aa1xr.plot.strf(field, "sim0000_1_A")  # doctest: +SKIP
    """
    schema.require(ds, "spectrogram")
    schema.values_along(ds, "neuron")
    sounds = schema.validate(ds, "spectrogram")["spectrogram"]
    if "stimulus" not in sounds.dims:
        sounds = sounds.expand_dims("stimulus")
    sounds = sounds.transpose("stimulus", "freq", "time")
    schema.bin_numbers(sounds)
    dt_ms = schema.bin_width_ms(sounds)
    n_lags = round(arguments.number("lags_ms", lags_ms) / dt_ms)
    n_times = arguments.check_integer("n_times", n_times)
    arguments.choice("scale", scale, ("deviation", "unit"))
    onset, stops = _extents(sounds)
    shortest = min(stops) - onset
    if shortest < 1:
        raise ValueError("the Dataset must have bins while each stimulus plays; select more times")
    if not 1 <= n_lags <= shortest:
        raise ValueError(
            f"lags_ms={arguments.shown(lags_ms)} is {n_lags} bins of {dt_ms:g} ms; expected 1 to "
            f"{shortest}, the shortest stimulus"
        )
    sounds = sounds.compute()
    values = np.asarray(sounds.values, np.float32)
    if not np.isfinite(values).all():
        raise ValueError("spectrogram must be finite; got NaN or infinity: select other stimuli")
    fields = [
        _field(network, sound, times, n_lags, ds.sizes["neuron"] if "neuron" in ds.dims else 1)
        for sound, stop in zip(values, stops, strict=True)
        for times in [[onset + time for time in _spaced(n_lags - 1, stop - onset, n_times)]]
    ]
    field = np.mean(fields, 0)
    units = str(sounds.attrs.get("units", "1"))
    if scale == "deviation":
        playing = [sound[:, onset:stop] for sound, stop in zip(values, stops, strict=True)]
        field = field * np.concatenate(playing, 1).std(1, dtype=np.float64)[:, np.newaxis]
        units = "1"
    known = {name: sounds.attrs[name] for name in KEPT if name in sounds.attrs}
    lag = {"units": "s", "long_name": "lag"} | known | {"dt_ms": dt_ms}
    labels = {
        name: label.variable if label.dims else ("neuron", [label.item()])
        for name, label in ds.coords.items()
        if label.dims == ("neuron",) or (name in ("neuron", "area") and not label.dims)
    }
    return xr.DataArray(
        field,
        labels
        | {
            "freq": sounds["freq"].variable,
            "lag": ("lag", np.arange(n_lags) * dt_ms / 1000, lag),
        },
        ("neuron", "freq", "lag"),
        name="strf",
        attrs={
            "units": schema.RATE if units == "1" else f"{schema.RATE}/{units}",
            "long_name": "mean gradient of the rate",
        },
    )


def _extents(sounds: xr.DataArray) -> tuple[int, list[int]]:
    """The first bin from onset, and the number of bins up to the end of each sound."""
    n_bins, width = sounds.sizes["time"], schema.bin_width_ms(sounds) / 1000
    first = schema.bin_numbers(sounds)[0]
    onset = int(max(0, -first))
    if "duration_s" not in sounds.coords:
        return onset, [n_bins] * sounds.sizes["stimulus"]
    stops = np.ceil(np.atleast_1d(sounds["duration_s"].values) / width - _ROUNDING) - first
    return onset, [int(stop) for stop in np.minimum(stops, n_bins)]


def _spaced(first: int, stop: int, n_times: int) -> list[int]:
    spaced = np.linspace(first, stop - 1, n_times).round()
    return [int(time) for time in np.unique(spaced)]


def _field(network: Any, sound: Floats, times: list[int], n_lags: int, n_neurons: int) -> Floats:
    """The mean over times for one sound. [shape: (neuron, freq, lag)]."""
    torch = import_optional("torch", extra="torch")
    from aa1xr.benchmark.training import one_thread

    arguments.expect("network", network, torch.nn.Module, "a torch.nn.Module, which is trained")
    weights = next(network.parameters(), None)
    was_training = network.training
    network.eval()
    try:
        # cuDNN differentiates recurrent layers in training only, where dropout is random.
        with one_thread(), torch.backends.cudnn.flags(enabled=False), torch.enable_grad():
            one = torch.from_numpy(sound).to(None if weights is None else weights.device)
            # A copy for each time, so that one pass gives the gradients of all of them.
            copies = one.repeat(len(times), 1, 1).requires_grad_()
            rates = network(copies)
            wanted = (len(times), n_neurons, sound.shape[-1])
            if not isinstance(rates, torch.Tensor) or tuple(rates.shape) != wanted:
                got = tuple(rates.shape) if isinstance(rates, torch.Tensor) else type(rates)
                raise ValueError(
                    f"the network must give rates [shape: (batch, neuron, time)], here {wanted}; "
                    f"got {got}. Select the neurons of the network, in their order"
                )
            at_times = rates[range(len(times)), :, times].sum(0)
            fields = []
            for k in range(n_neurons):
                (gradient,) = torch.autograd.grad(at_times[k], copies, retain_graph=True)
                windows = [
                    each[:, time - n_lags + 1 : time + 1]
                    for each, time in zip(gradient, times, strict=True)
                ]
                fields.append(torch.stack(windows).mean(0).flip(1).cpu().numpy())
    finally:
        network.train(was_training)
    return np.stack(fields)
