"""Spectro-temporal receptive fields of all neurons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed

from aa1xr import arguments, messages, schema
from aa1xr.analysis import ridge
from aa1xr.analysis.alignment import check_same_sounds
from aa1xr.analysis.measures import During, bins_during, labelled
from aa1xr.analysis.spectrogram_checks import (
    PARAMETERS,
    PROCESSING,
    after_sounds,
    check_bins,
    n_unknown,
    silence,
)
from aa1xr.analysis.trial_checks import checked_psth
from aa1xr.arguments import shown
from aa1xr.typing import Floats

_RESPONSE = schema.VARIABLES["psth"].dims
_SOUND = schema.VARIABLES["spectrogram"].dims

#: Penalties to choose from, in units of the variance of a scaled band.
ALPHAS = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

#: Of one neuron: their covariance has 3 GB, and a fit takes several times that.
_MOST_WEIGHTS = 20_000

_NEURON, _FREQ, _RATE = ("neuron",), ("freq",), schema.RATE

#: What `strf` gives.
STRF: dict[str, schema.Spec] = {
    "strf": schema.Spec(
        ("neuron", "freq", "lag"),
        "f",
        _RATE,
        "spectro-temporal receptive field",
        "change in rate where the band is `scale` higher at this lag",
    ),
    "intercept": schema.Spec(_NEURON, "f", _RATE, "rate at the mean spectrogram"),
    "offset": schema.Spec(_FREQ, "f", "1", "mean of the band in training"),
    "deviation": schema.Spec(_FREQ, "f", "1", "standard deviation of the band in training"),
    "scale": schema.Spec(_FREQ, "f", "1", "unit of the band: deviation, with a floor"),
    "alpha": schema.Spec(_NEURON, "f", "1", "ridge penalty"),
    "cc_validation": schema.Spec(
        _NEURON, "f", "1", "correlation of linear prediction and response, validation stimuli"
    ),
}


def strf(
    ds: xr.Dataset,
    *,
    train: Iterable[str],
    validation: Iterable[str],
    lags_ms: float = 100,
    alphas: Sequence[float] = ALPHAS,
    refit: bool = False,
    response: xr.DataArray | None = None,
    during: During = "stimulus",
    scale_floor: float = 1.0,
) -> xr.Dataset:
    """Estimate the spectro-temporal receptive field of each neuron by ridge regression.

    The response is predicted as
    rate[t] = intercept + sum over freq and lag of strf[freq, lag] * sound[freq, t - lag],
    where sound = (spectrogram - offset) / scale. The offset is the mean of the band over the
    training bins. The scale is the same for all bands by default: the largest standard deviation
    of a band. The field minimises mean((rate - response)**2) + alpha * sum(strf**2); the
    intercept is free. Each neuron has the one of `alphas` whose prediction correlates best with
    its responses to the validation stimuli.

    Parameters
    ----------
    ds
        A Dataset with `spectrogram` [shape: (stimulus, freq, time)] and `psth`.
    train, validation
        Stimuli (labels, as of `aa1xr.split`) for the weights, and for the choice of alpha.
    lags_ms
        How far back the field reaches, in ms; from lag 0, whole bins.
    alphas
        Penalties to choose from; 1 is as strong as the variance of a band that varies by `scale`.
    refit
        Fit to `train` and `validation` together, once alpha is chosen.
    response
        What is predicted, in spikes/s [shape: (neuron, stimulus, time)]; NaN is missing. Default
        `ds.psth`, which must be of the trials that `ds` has; or `aa1xr.smooth(ds.psth)`.
    during
        "stimulus": the fit counts the bins in which the stimulus plays, whatever window `ds` was
        opened with. "all": it counts every bin that has a response.
    scale_floor
        The scale of a band is its own standard deviation, but at least this fraction of the largest
        one; above 0, at most 1. With 1 all bands have one scale. A spectrogram that was
        standardised band by band has own scales already, and the floor changes nothing.

    Returns
    -------
    xarray.Dataset
        With the labels of the neurons; lazy, to be computed as a whole:

        - `strf` [shape: (neuron, freq, lag)]: the change in rate, in spikes/s, where the
          spectrogram is higher by `scale` in this band, this lag before the response.
          `strf / scale` is the change for one unit of the spectrogram;
        - `intercept`, `alpha` and `cc_validation` [shape: (neuron,)], the last for the linear
          prediction over concatenated stimuli;
        - `offset`, `deviation`, `scale` [shape: (freq,)] of the bands, in the units of the
          spectrogram.

        The attributes of `lag` are the parameters of the spectrogram, as far as `ds.spectrogram`
        has them: `aa1xr.predict` takes no other one. NaN for a neuron that has no response to any
        stimulus of one of the two parts.

    Raises
    ------
    ValueError
        If a stimulus is in both parts, one of them is empty, an argument is out of range, or (when
        computed) the spectrogram has values that are not finite, or responses to one stimulus
        lie in different bins, or have gaps.

    See Also
    --------
    aa1xr.predict : responses to any sound.
    aa1xr.tuning : what the fields say.

    Notes
    -----
    There is silence before onset. So where the time axis begins at onset or before it, what comes
    before its first bin is silence: `ds.spectrogram.attrs["silence"]`. Where the axis begins
    later, or that attribute is missing, or the spectrogram was scaled, the sound before the
    first bin is not known, and bins whose lags reach before it are left out of the fit. For a
    scaled spectrogram, open with `before_ms=lags_ms`: then the silence is on the axis.

    Bands must not be scaled by their own deviation where they hold next to no sound: what varies
    there by 0.1 % of the loudest band would get up to 1000 times its weight, and rule the
    prediction of other sounds. The prediction is bounded:
    abs(rate - mean rate) <= std(response) / (2 * sqrt(alpha)) * norm(sound - mean sound),
    by the Cauchy-Schwarz inequality and since s / (s**2 + alpha) <= 1 / (2 * sqrt(alpha)); the norm
    is over bands and lags.

    Every bin of the mean response counts the same, whatever the number of presentations it is a
    mean of. Pairs without presentation do not enter: neurons that were presented the same
    stimuli share a covariance.

    References
    ----------
    Machens, Wehr & Zador (2004), Journal of Neuroscience 24, 1089-1100, fit fields by ridge
    regression; Theunissen et al. (2001), Network 12, 289-316, from the covariance of sounds.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="conspecific", area="MLd")
    >>> train, validation, test = aa1xr.split(ds)
    >>> fit = aa1xr.strf(ds, train=train, validation=validation).compute()
    >>> fit.strf.sel(animal_id="sim0000").dims
    ('neuron', 'freq', 'lag')
    >>> rate = aa1xr.predict(ds.sel(stimulus=test), fit)
    >>> float(aa1xr.mean_score(aa1xr.score(ds, rate)).cc_norm) > 0.9
    True
    """
    sound = schema.validate(ds, "spectrogram")["spectrogram"]
    rate = checked_psth(ds) if response is None else response
    arguments.expect("response", rate, xr.DataArray)
    schema.check_dims("'spectrogram'", sound, *_SOUND)
    if (units := rate.attrs.get("units")) in (schema.COUNT, "spikes", "1"):
        raise ValueError(
            f"the response must be in spikes/s; got units of {units!r}: divide counts by the bin "
            "width in s, and undo a scaling: scaling.undo(response)"
        )
    schema.check_dims("the response", rate, *_RESPONSE[1:], allowed=_RESPONSE)
    parts = {
        "train": arguments.names("train", train),
        "validation": arguments.names("validation", validation),
    }
    _check_parts(parts, sound, rate)
    check_same_sounds(sound, rate, "the spectrogram and in the response")
    penalties = _penalties(alphas)
    arguments.flag("refit", refit)
    if not 0 < arguments.number("scale_floor", scale_floor, "times the largest deviation") <= 1:
        raise ValueError(f"scale_floor must be above 0 and at most 1; got {scale_floor}")
    schema.bin_numbers(ds)  # a lag is a number of bins
    check_bins(sound)
    dt_ms = schema.bin_width_ms(ds)
    n_lags = round(arguments.number("lags_ms", lags_ms) / dt_ms)
    if not 1 <= n_lags <= sound.sizes["time"]:
        raise ValueError(
            f"lags_ms={lags_ms} is {n_lags} bins of {dt_ms:g} ms; expected 1 to "
            f"{sound.sizes['time']}"
        )
    n_weights = n_lags * sound.sizes["freq"]
    if n_weights > _MOST_WEIGHTS:
        raise ValueError(
            f"lags_ms={shown(lags_ms)} must be shorter: {n_lags} lags of "
            f"{sound.sizes['freq']} bands are {n_weights} weights for each neuron, and their "
            f"covariance would take {8e-9 * n_weights**2:.0f} GB; at most {_MOST_WEIGHTS} are "
            "fitted. Take wider bins or fewer bands"
        )
    if "time" not in rate.coords or not np.array_equal(rate["time"], sound["time"]):
        raise ValueError("response and spectrogram are not on the same time axis")
    labels_of = rate.coords.to_dataset().assign_coords(freq=sound["freq"])
    if "neuron" not in rate.dims:
        rate = rate.expand_dims("neuron")
    counted = xr.DataArray(
        bins_during(ds, during), {"stimulus": ds["stimulus"].values}, ("stimulus", "time")
    )
    counted[:, : n_unknown(sound, n_lags)] = False
    quiet, after = silence(sound), after_sounds(sound)
    axes = {"freq": sound["freq"].values, "time": sound["time"].values}
    moments = []
    for stimuli in parts.values():
        sounds, rates = _tasks(sound, _SOUND, stimuli), _tasks(rate, _RESPONSE, stimuli)
        moments.append(
            [
                delayed(ridge.Moments.of)(
                    x,
                    y,
                    counted.sel(stimulus=stimulus).values,
                    n_lags,
                    silence=quiet or 0.0,
                    labels={"stimulus": np.array([stimulus])} | axes,
                    lowest=quiet,
                    after=None if after is None else after.sel(stimulus=stimulus).values,
                )
                for x, y, stimulus in zip(sounds, rates, stimuli, strict=True)
            ]
        )
    cells = np.atleast_1d(rate["neuron"].values) if "neuron" in rate.coords else None
    fitted = delayed(ridge.fit)(
        *moments,
        penalties,
        refit=refit,
        scale_floor=float(scale_floor),
        cells=list(map(str, range(rate.sizes["neuron"]) if cells is None else cells)),
        site=messages.call_site(),
    )
    sizes = {"neuron": rate.sizes["neuron"], "freq": sound.sizes["freq"], "lag": n_lags}
    arrays = {}
    for name, spec in STRF.items():
        shape = [sizes[dim] for dim in spec.dims]
        lazy = da.from_delayed(fitted[name], shape, np.float64)  # type: ignore[no-untyped-call]
        arrays[name] = xr.DataArray(lazy, dims=spec.dims)
    fit = labelled(labels_of, arrays, STRF)
    units = sound.attrs.get("units", "1")
    for name in ("offset", "deviation", "scale"):
        fit[name].attrs["units"] = units
    # A coordinate, since its attributes outlive selections, arithmetic and files.
    known = {n: sound.attrs[n] for n in PARAMETERS + PROCESSING if n in sound.attrs}
    attrs = {"units": "s", "long_name": "lag"} | known | {"dt_ms": dt_ms}
    return fit.assign_coords(lag=("lag", np.arange(n_lags) * dt_ms / 1000, attrs))


def _check_parts(parts: dict[str, list[str]], *arrays: xr.DataArray) -> None:
    """Each stimulus for one part alone, each part with some, and all of them in the arrays."""
    if both := sorted(set(parts["train"]) & set(parts["validation"])):
        raise ValueError(f"{both[0]!r} is in train and in validation; each stimulus is for one")
    for name, stimuli in parts.items():
        if not stimuli:
            raise ValueError(f"{name} names no stimulus")
        for array in arrays:
            there = schema.values_along(array, "stimulus").tolist()
            if unknown := [stimulus for stimulus in stimuli if stimulus not in there]:
                raise KeyError(f"{name}: no stimulus is {shown(unknown[0])}; {there[0]!r} is one")


def _penalties(alphas: Sequence[float]) -> Floats:
    one = isinstance(alphas, str | bytes | type) or not isinstance(alphas, Iterable)
    values = [] if one else arguments.listed("alphas", alphas, 1000)
    try:
        values = [arguments.number("alphas", alpha) for alpha in values]
    except ValueError:
        values = []
    penalties = np.asarray(values, np.float64)
    if not penalties.size or (penalties <= 0).any():
        raise ValueError(f"alphas={shown(alphas)}; expected a list of one or more positive numbers")
    return penalties


def _tasks(array: xr.DataArray, dims: tuple[str, ...], labels: list[str]) -> list[Any]:
    """The values for each stimulus, as tasks of dask."""
    array = array.sel(stimulus=labels).transpose(*dims)
    whole = dict.fromkeys(dims, -1) | {"stimulus": 1}
    return list(array.variable.chunk(whole).data.to_delayed().ravel())
