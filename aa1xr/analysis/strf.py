"""Spectro-temporal receptive fields (STRFs) of all neurons, by ridge regression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import xarray as xr
from dask.delayed import delayed

from aa1xr import arguments, messages, schema
from aa1xr.analysis import ridge
from aa1xr.analysis.alignment import check_response, check_same_sounds
from aa1xr.analysis.measures import During, bins_during, labelled
from aa1xr.analysis.smooth import kernel_attrs
from aa1xr.analysis.spectrogram_checks import (
    KEPT,
    after_sounds,
    check_bins,
    lowest,
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

#: Neurons that are fitted together; with 640 weights each, their moments have 2.6 MB a stimulus.
BLOCK = 512

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

#: The same for all neurons.
_OF_BANDS = [name for name, spec in STRF.items() if spec.dims == _FREQ]


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

    The predicted rate is

        rate[t] = intercept + sum over freq and lag of strf[freq, lag] * sound[freq, t - lag]

    where sound = (spectrogram - offset) / scale. The offset is the mean of the band over the
    training bins. The scale is by default the same for all bands: the largest standard deviation of
    any band. The fit minimises mean((rate - response)**2) + alpha * sum(strf**2) over `strf` and
    `intercept`. Each neuron has the one of `alphas` whose prediction correlates best with its
    responses to the validation stimuli.

    Parameters
    ----------
    ds
        A Dataset with `spectrogram` [shape: (stimulus, freq, time)] and `psth`.
    train, validation
        Labels of stimuli, as returned by `aa1xr.split`: `train` for the weights, and `validation`
        for the choice of alpha.
    lags_ms
        Longest lag, in ms; the first lag is 0. Rounded to whole bins.
    alphas
        Penalties to choose from; 1 equals the variance of a band that varies by `scale`.
    refit
        Fit to `train` and `validation` together, after the choice of alpha.
    response
        The responses in spikes/s [shape: (neuron, stimulus, time)]; NaN is missing. The default is
        `ds.psth`, which must match the trials of `ds`. Another choice is `aa1xr.smooth(ds.psth)`.
    during
        "stimulus": the fit uses the bins while the stimulus plays, whatever the window of `ds` is.
        "all": it uses every bin with a response.
    scale_floor
        The scale of a band is its own standard deviation, or this fraction of the largest one if
        that is larger. Above 0, and at most 1. With 1, all bands share one scale. It has no effect
        on a spectrogram that was standardised for each band.

    Returns
    -------
    xarray.Dataset
        Lazy, with the labels of the neurons. Compute all variables together:

        - `strf` [shape: (neuron, freq, lag)]: the change of the rate, in spikes/s, after the
          spectrogram of the band rises by `scale`, at this lag.
          `strf / scale` is the change per unit of the spectrogram;
        - `intercept`, `alpha` and `cc_validation` [shape: (neuron,)]; the last is the correlation
          of the linear prediction, over concatenated stimuli;
        - `offset`, `deviation`, `scale` [shape: (freq,)] of the bands, in the units of the
          spectrogram.

        The attributes of `lag` are the parameters of `ds.spectrogram`, if it has them.
        `aa1xr.predict` refuses other spectrograms. Values are NaN for a neuron without responses to
        the training or validation stimuli.

    Raises
    ------
    ValueError
        If a stimulus is in both parts, one of them is empty, an argument is out of range, or (when
        computed) the spectrogram has values that are not finite, or the responses to a stimulus
        cover different bins or have gaps.

    See Also
    --------
    aa1xr.predict : responses to any sound.
    aa1xr.tuning : best frequency, latency, bandwidth and modulations.

    Notes
    -----
    There is silence before onset. So if the time axis starts at or before onset, the sound before
    its first bin is known: `ds.spectrogram.attrs["silence"]`. It is not known if the axis starts
    later, the attribute is missing, or the spectrogram was scaled. Then the fit leaves out the bins
    whose lags reach before the first bin. For a scaled spectrogram, open the data with
    `before_ms=lags_ms`, so that the silence is part of the spectrogram.

    Do not scale bands by their own deviation if they contain almost no sound: a band that varies by
    0.1 % of the loudest band would get up to 1000 times its weight, and dominate the prediction of
    other stimuli. Predictions are bounded:

        abs(rate - mean rate) <= std(response) / (2 * sqrt(alpha)) * norm(sound - mean sound)

    by the Cauchy-Schwarz inequality and because s / (s**2 + alpha) <= 1 / (2 * sqrt(alpha)). The
    norm is over bands and lags.

    Neurons are fitted in blocks of 512, each on one worker of a cluster. Folds that are computed
    together, `dask.compute(*fits)`, read each stimulus once.

    Every bin of the mean response has the same weight, whatever its number of trials. Pairs of
    neuron and stimulus without trials do not count: neurons that were presented the same stimuli
    share a covariance matrix.

    References
    ----------
    Machens, Wehr & Zador (2004), Journal of Neuroscience 24, 1089-1100, estimate receptive fields
    by ridge regression; Theunissen et al. (2001), Network 12, 289-316, from the covariance of
    stimuli.

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
    check_response(rate)
    schema.check_dims("the response", rate, *_RESPONSE[1:], allowed=_RESPONSE)
    parts = {
        "train": arguments.names("train", train),
        "validation": arguments.names("validation", validation),
    }
    _check_parts(parts, sound, rate)
    check_same_sounds(sound, rate, "the spectrogram and in the response")
    penalties = _penalties(alphas)
    arguments.flag("refit", refit)
    if not 0 < arguments.number("scale_floor", scale_floor, "") <= 1:
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
    of_parts = _moments(sound, rate, counted, parts, n_lags)
    known = "neuron" in rate.coords
    cells = np.atleast_1d(rate["neuron"].values) if known else np.arange(rate.sizes["neuron"])
    arrays = _fits(
        of_parts,
        penalties,
        refit=refit,
        scale_floor=float(scale_floor),
        cells=list(map(str, cells)),
        sizes={"freq": sound.sizes["freq"], "lag": n_lags},
    )
    fit = labelled(labels_of, arrays, STRF)
    units = sound.attrs.get("units", "1")
    for name in _OF_BANDS:
        fit[name].attrs["units"] = units
    # A coordinate, since its attributes outlive selections, arithmetic and files.
    parameters = {n: sound.attrs[n] for n in KEPT if n in sound.attrs}
    kernel = kernel_attrs(rate)
    for name in ("strf", "intercept"):
        fit[name].attrs |= kernel
    attrs = kernel | {"units": "s", "long_name": "lag"} | parameters | {"dt_ms": dt_ms}
    return fit.assign_coords(lag=("lag", np.arange(n_lags) * dt_ms / 1000, attrs))


def _check_parts(parts: dict[str, list[str]], *arrays: xr.DataArray) -> None:
    """Each stimulus for one part alone, each part with some, and all of them in the arrays."""
    if both := sorted(set(parts["train"]) & set(parts["validation"])):
        raise ValueError(f"{both[0]!r} is in train and in validation; each stimulus is for one")
    for name, stimuli in parts.items():
        if not stimuli:
            raise ValueError(f"{name} names no stimulus")
        if twice := [stimulus for stimulus in stimuli if stimuli.count(stimulus) > 1]:
            raise ValueError(f"{name} has {shown(twice[0])} twice; give each stimulus once")
        for array in arrays:
            there = schema.values_along(array, "stimulus").tolist()
            if unknown := [stimulus for stimulus in stimuli if stimulus not in there]:
                raise KeyError(f"{name}: no stimulus is {shown(unknown[0])}; {there[0]!r} is one")


def _penalties(alphas: Sequence[float]) -> Floats:
    one = isinstance(alphas, str | bytes | type) or not isinstance(alphas, Iterable)
    values = [] if one else arguments.listed("alphas", alphas, 1000)
    try:
        values = [arguments.number("alphas", alpha, "") for alpha in values]
    except ValueError:
        values = []
    penalties = np.asarray(values, np.float64)
    if not penalties.size or (penalties <= 0).any():
        raise ValueError(f"alphas={shown(alphas)}; expected a list of one or more positive numbers")
    return penalties


def _moments(
    sound: xr.DataArray,
    rate: xr.DataArray,
    counted: xr.DataArray,
    parts: dict[str, list[str]],
    n_lags: int,
) -> list[list[list[Any]]]:
    """The moments of each part, stimulus and block of neurons, as tasks of dask."""
    quiet, least, after = silence(sound), lowest(sound), after_sounds(sound)
    axes = {"freq": sound["freq"].values, "time": sound["time"].values}
    sounds, rates = _tasks(sound, _SOUND)[0], _tasks(rate, _RESPONSE)
    # Pure: folds that are computed together share the moments of a stimulus.
    moments_of = delayed(ridge.moments_of, pure=True)

    def of(stimulus: str) -> list[Any]:
        k, j = (array.get_index("stimulus").get_loc(stimulus) for array in (sound, rate))
        options = {
            "silence": quiet or 0.0,
            "labels": {"stimulus": np.array([stimulus])} | axes,
            "lowest": least,
            "after": None if after is None else after.sel(stimulus=stimulus).values,
        }
        bins = counted.sel(stimulus=stimulus).values
        return [moments_of(sounds[k], block[j], bins, n_lags, **options) for block in rates]

    return [[of(stimulus) for stimulus in stimuli] for stimuli in parts.values()]


def _fits(
    of_parts: list[list[list[Any]]],
    penalties: Floats,
    *,
    refit: bool,
    scale_floor: float,
    cells: list[str],
    sizes: dict[str, int],
) -> dict[str, xr.DataArray]:
    """The lazy variables of `STRF`: the fits of all blocks, and the bands."""
    of_bands = [[[each.of_bands() for each in blocks] for blocks in part] for part in of_parts]
    bands = delayed(ridge.bands_of)(*of_bands, scale_floor)
    site = messages.call_site()
    lazy: dict[str, list[Any]] = {name: [] for name in STRF}
    for k in range(len(of_parts[0][0])):
        own = cells[k * BLOCK : (k + 1) * BLOCK]
        fitted = delayed(ridge.fit)(
            *([blocks[k] for blocks in part] for part in of_parts),
            bands,
            penalties,
            refit=refit,
            cells=own,
            site=site,
        )
        for name, spec in STRF.items():
            if name not in _OF_BANDS:
                shape = [(sizes | {"neuron": len(own)})[dim] for dim in spec.dims]
                lazy[name].append(_array(fitted[name], shape))
    for name in _OF_BANDS:
        lazy[name].append(_array(getattr(bands, name), [sizes["freq"]]))
    return {
        name: xr.DataArray(da.concatenate(blocks), dims=STRF[name].dims)  # type: ignore[no-untyped-call]
        for name, blocks in lazy.items()
    }


def _tasks(array: xr.DataArray, dims: tuple[str, ...]) -> npt.NDArray[Any]:
    """The values of each block and stimulus, as tasks of dask. [shape: (block, stimulus)]."""
    chunks = {"neuron": BLOCK, "stimulus": 1, "freq": -1, "time": -1}
    lazy = array.transpose(*dims).variable.chunk({dim: chunks[dim] for dim in dims}).data
    return np.asarray(lazy.to_delayed().reshape(-1, array.sizes["stimulus"]))


def _array(task: Any, shape: list[int]) -> Any:
    return da.from_delayed(task, shape, np.float64)  # type: ignore[no-untyped-call]
