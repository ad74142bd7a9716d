"""Spectro-temporal receptive fields, for all neurons at once, and what they predict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed

from aa1xr import arguments, schema
from aa1xr.analysis import ridge
from aa1xr.analysis.pairs import labelled
from aa1xr.analysis.prediction import check_same_sounds
from aa1xr.analysis.presentations import checked_psth

_RESPONSE = schema.VARIABLES["psth"].dims
_SOUND = schema.VARIABLES["spectrogram"].dims

#: Penalties to choose from, in units of the variance of a standardised band.
ALPHAS = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

_NEURON, _RATE = ("neuron",), "spikes/s"

#: What `strf` gives.
STRF: dict[str, schema.Spec] = {
    "strf": schema.Spec(("neuron", "freq", "lag"), "f", _RATE, "spectro-temporal receptive field"),
    "intercept": schema.Spec(_NEURON, "f", _RATE, "rate at the mean spectrogram"),
    "offset": schema.Spec(("freq",), "f", "a.u.", "mean of the band in training"),
    "scale": schema.Spec(("freq",), "f", "a.u.", "standard deviation of the band in training"),
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
) -> xr.Dataset:
    """Estimate the spectro-temporal receptive field of each neuron by ridge regression.

    The response is predicted as
    rate[t] = intercept + sum over freq and lag of strf[freq, lag] * sound[freq, t - lag],
    where sound = (spectrogram - offset) / scale has mean 0 and standard deviation 1 in each band
    over the training bins, and is silence before the first bin. The field minimises
    mean((rate - response)**2) + alpha * sum(strf**2); the intercept is free. Of `alphas`, each
    neuron has the one whose prediction correlates best with its responses to the validation
    stimuli.

    Parameters
    ----------
    ds
        A Dataset with `spectrogram` [shape: (stimulus, freq, time)] and `psth`.
    train, validation
        Stimuli (labels, as of `aa1xr.split`) for the weights, and for the choice of alpha.
    lags_ms
        How far back the field reaches, in ms; from lag 0, whole bins.
    alphas
        Penalties to choose from; 1 is as strong as the variance of a band.
    refit
        Fit to `train` and `validation` together, once alpha is chosen.
    response
        What is predicted, in spikes/s [shape: (neuron, stimulus, time)]; NaN is missing. Default
        `ds.psth`, which must be of the trials that `ds` has; or `aa1xr.smooth(ds.psth)`.

    Returns
    -------
    xarray.Dataset
        With the labels of the neurons; lazy, to be computed as a whole:

        - `strf` [shape: (neuron, freq, lag)], in spikes/s for a standard deviation of the band
          (so that a band without sound has no large weight);
        - `intercept`, `alpha` and `cc_validation` [shape: (neuron,)], the last for the linear
          prediction over concatenated stimuli;
        - `offset`, `scale` [shape: (freq,)] of the bands.

        NaN for a neuron that has no response to any stimulus of one of the two parts.

    Raises
    ------
    ValueError
        If a stimulus is in both parts, one of them is empty, an argument is out of range, or (when
        computed) responses to one stimulus lie in different bins, or have gaps.

    See Also
    --------
    aa1xr.predict : responses to any sound.
    aa1xr.tuning : what the fields say.

    Notes
    -----
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
    >>> train, validation, test = aa1xr.split(ds, test=2, validation=2)
    >>> fit = aa1xr.strf(ds, train=train, validation=validation).compute()
    >>> fit.strf.sel(animal_id="sim0000").dims
    ('neuron', 'freq', 'lag')
    >>> rate = aa1xr.predict(fit, ds.sel(stimulus=test))
    >>> float(aa1xr.mean_score(aa1xr.score(rate, ds)).cc_norm) > 0.9
    True
    """
    sound = schema.validate(ds, "spectrogram")["spectrogram"]
    rate = checked_psth(ds) if response is None else response
    arguments.expect("response", rate, xr.DataArray)
    schema.check_dims("'spectrogram'", sound, *_SOUND)
    if response is not None and (units := rate.attrs.get("units")) in ("spikes", "1"):
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
    schema.bin_numbers(ds)  # a lag is a number of bins
    dt_ms = schema.bin_width_ms(ds)
    n_lags = round(arguments.number("lags_ms", lags_ms) / dt_ms)
    if not 1 <= n_lags <= sound.sizes["time"]:
        raise ValueError(
            f"lags_ms={lags_ms} is {n_lags} bins of {dt_ms:g} ms; expected 1 to "
            f"{sound.sizes['time']}"
        )
    if "time" not in rate.coords or not np.array_equal(rate["time"], sound["time"]):
        raise ValueError("response and spectrogram are not on the same time axis")
    labels_of = rate.coords.to_dataset().assign_coords(freq=sound["freq"])
    if "neuron" not in rate.dims:
        rate = rate.expand_dims("neuron")
    moments = []
    for stimuli in parts.values():
        sounds, rates = _tasks(sound, _SOUND, stimuli), _tasks(rate, _RESPONSE, stimuli)
        of = zip(sounds, rates, stimuli, strict=True)
        moments.append([delayed(ridge.Moments.of)(x, y, n_lags, s) for x, y, s in of])
    fitted = delayed(ridge.fit)(*moments, penalties, refit=refit)
    sizes = {"neuron": rate.sizes["neuron"], "freq": sound.sizes["freq"], "lag": n_lags}
    arrays = {}
    for name, spec in STRF.items():
        shape = [sizes[dim] for dim in spec.dims]
        lazy = da.from_delayed(fitted[name], shape, np.float64)  # type: ignore[no-untyped-call]
        arrays[name] = xr.DataArray(lazy, dims=spec.dims)
    attrs = {"units": "s", "long_name": "lag", "dt_ms": dt_ms}
    lag = ("lag", np.arange(n_lags) * dt_ms / 1000, attrs)
    return labelled(labels_of, arrays, STRF).assign_coords(lag=lag)


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
                raise KeyError(f"{name}: no stimulus is {unknown[0]!r}; {there[0]!r} is one")


def _penalties(alphas: Sequence[float]) -> ridge.Floats:
    try:
        penalties = np.asarray(alphas, np.float64)
    except (TypeError, ValueError):
        penalties = np.zeros(0)
    if (
        penalties.ndim != 1
        or not penalties.size
        or not np.all((penalties > 0) & np.isfinite(penalties))
    ):
        raise ValueError(f"alphas={alphas!r}; expected a list of one or more positive numbers")
    return penalties


def predict(fit: xr.Dataset, ds: xr.Dataset, *, rectify: bool = True) -> xr.DataArray:
    """Predict the responses to sounds.

    Parameters
    ----------
    fit
        Of `aa1xr.strf`, any selection of its neurons.
    ds
        A Dataset with `spectrogram` [shape: (stimulus, freq, time)], of the same parameters and bin
        width as that of the fit; nothing else of it is read.
    rectify
        Set to zero what the linear prediction has below zero. False for the linear prediction, as
        `aa1xr.fit_nonlinearity` takes it.

    Returns
    -------
    xarray.DataArray
        Rate in spikes/s [shape: (neuron, stimulus, time)], lazy, with the labels of both:
        `aa1xr.score` takes it as it is. There is a prediction for every bin of the axis.

    Raises
    ------
    ValueError
        If bin width or bands are not those of the fit.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="conspecific")
    >>> train, validation, test = aa1xr.split(ds, test=2, validation=2)
    >>> fit = aa1xr.strf(ds, train=train, validation=validation)
    >>> aa1xr.predict(fit, ds.sel(stimulus=test)).sizes["stimulus"]
    2
    """
    schema.require(fit, "strf", "scale", "offset", "intercept", name="fit", of="aa1xr.strf")
    if "dt_ms" not in fit["lag"].attrs:
        raise ValueError("the lags of fit have lost their attribute 'dt_ms'; aa1xr.strf gives it")
    schema.check_dims("'strf'", fit["strf"], "freq", "lag")
    sound = schema.validate(ds, "spectrogram")["spectrogram"]
    several = [dim for dim in ("stimulus",) if dim in sound.dims]
    schema.check_dims("'spectrogram'", sound, "freq", "time", *several)
    schema.bin_numbers(ds)  # a lag is a number of bins
    ours, theirs = schema.bin_width_ms(ds), fit["lag"].attrs["dt_ms"]
    if not np.isclose(ours, theirs, rtol=1e-9):
        raise ValueError(f"the fit has bins of {theirs:g} ms, the sound of {ours:g} ms")
    if not np.array_equal(sound["freq"], fit["freq"]):
        raise ValueError("the bands (freq) of the sound are not those of the fit")
    # The scaling goes into the field, so that silence around the sound is zero.
    field = fit["strf"] / fit["scale"]
    rate: xr.DataArray = xr.apply_ufunc(
        _convolve,
        field.transpose(..., "freq", "lag"),
        sound.transpose(..., "freq", "time"),
        input_core_dims=[["freq", "lag"], ["freq", "time"]],
        output_core_dims=[["time"]],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[np.float64],
    )
    rate += fit["intercept"] - (field * fit["offset"]).sum(["freq", "lag"], skipna=False)
    if rectify:
        rate = rate.clip(min=0)
    dims = [dim for dim in _RESPONSE if dim in rate.dims]
    attrs = {"units": "spikes/s", "long_name": "predicted firing rate"}
    return rate.transpose(*dims).rename("prediction").assign_attrs(attrs)


def _tasks(array: xr.DataArray, dims: tuple[str, ...], labels: list[str]) -> list[Any]:
    """The values for each stimulus, as tasks of dask."""
    array = array.sel(stimulus=labels).transpose(*dims)
    whole = dict.fromkeys(dims, -1) | {"stimulus": 1}
    return list(array.variable.chunk(whole).data.to_delayed().ravel())


def _convolve(fields: ridge.Floats, sounds: ridge.Floats) -> ridge.Floats:
    """Filter each sound with each field.

    [shape: (neuron, 1, freq, lag) and (stimulus, freq, time) -> (neuron, stimulus, time)].
    """
    *_, n_freq, n_lags = fields.shape
    shape = np.broadcast_shapes(fields.shape[:-2], sounds.shape[:-2])
    flat = fields.reshape(-1, n_freq, n_lags)
    out = np.zeros((len(flat), sounds[..., 0, 0].size, sounds.shape[-1]))
    for k, sound in enumerate(sounds.reshape(-1, n_freq, sounds.shape[-1]).astype(np.float64)):
        for lag in range(min(n_lags, sound.shape[1])):
            out[:, k, lag:] += flat[:, :, lag] @ sound[:, : sound.shape[1] - lag]
    return out.reshape(*shape, -1)
