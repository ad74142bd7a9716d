"""Predict responses from receptive fields."""

from __future__ import annotations

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.smooth import KERNEL_SUM
from aa1xr.analysis.spectrogram_checks import (
    after_sounds,
    check_bins,
    check_definition,
    check_fit,
    definition,
    finite,
    lowest,
    n_unknown,
    silence,
)
from aa1xr.cluster import one_blas_thread
from aa1xr.typing import Floats

_RESPONSE = schema.VARIABLES["psth"].dims


def predict(ds: xr.Dataset, fit: xr.Dataset, *, rectify: bool = True) -> xr.DataArray:
    """Predict the responses to sounds.

    Parameters
    ----------
    ds
        A Dataset with `spectrogram` [shape: (stimulus, freq, time)] that has the parameters and the
        bin width of the fit. Its other variables are not used.
    fit
        The result of `aa1xr.strf`, or a selection of its neurons.
    rectify
        Replace negative rates by zero. Use False for `aa1xr.fit_nonlinearity`, which needs the
        linear prediction.

    Returns
    -------
    xarray.DataArray
        Rate in spikes/s [shape: (neuron, stimulus, time)], lazy, with the labels of both arguments.
        `aa1xr.score` accepts it directly. Its attributes are the parameters of the spectrogram.

        NaN in the first bins of an axis, where lags reach before the axis, unless the sound
        before the axis is silence; see the notes of `aa1xr.strf`.

    Raises
    ------
    ValueError
        If the bin width, the bands or the parameters of the spectrogram differ from those of the
        fit; the message lists the differences. A fit to a custom spectrogram, without parameters in
        its attributes, only predicts from custom spectrograms. Also, when computed, if the
        spectrogram has values that are not finite.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(type="conspecific")
    >>> train, validation, test = aa1xr.split(ds, test=2, validation=2)
    >>> fit = aa1xr.strf(ds, train=train, validation=validation)
    >>> aa1xr.predict(ds.sel(stimulus=test), fit).sizes["stimulus"]
    2
    """
    arguments.flag("rectify", rectify)
    schema.require(fit, "strf", "scale", "offset", "intercept", name="fit", of="aa1xr.strf")
    if "dt_ms" not in fit["lag"].attrs:
        raise ValueError("the lags of fit must have the attribute 'dt_ms', as from aa1xr.strf")
    schema.check_dims("'strf'", fit["strf"], "freq", "lag")
    sound = schema.validate(ds, "spectrogram")["spectrogram"]
    several = [dim for dim in ("stimulus",) if dim in sound.dims]
    schema.check_dims("'spectrogram'", sound, "freq", "time", *several)
    schema.bin_numbers(ds)  # a lag is a number of bins
    check_bins(sound)
    ours, theirs = schema.bin_width_ms(ds), fit["lag"].attrs["dt_ms"]
    theirs = schema.positive("the attribute dt_ms of the lags", theirs)
    if not np.isclose(ours, theirs, rtol=1e-9):
        raise ValueError(f"the fit has bins of {theirs:g} ms, the spectrogram of {ours:g} ms")
    lags = fit["lag"].values * 1000 / theirs
    if not np.allclose(lags, np.arange(lags.size), rtol=0, atol=1e-6):
        raise ValueError("the lags of fit must be all bins from lag 0 on; select none of them")
    if not np.array_equal(sound["freq"], fit["freq"]):
        raise ValueError("the bands (freq) of the spectrogram are not those of the fit")
    check_fit(fit)
    check_definition(fit["lag"].attrs, sound.attrs, wants="the fit", has="the Dataset")
    quiet = silence(sound)
    # Offset and scale go into field and intercept, so that silence around the sound is zero.
    field = fit["strf"] / fit["scale"]
    level = quiet or 0.0
    rate: xr.DataArray = xr.apply_ufunc(
        _convolve,
        field.transpose(..., "freq", "lag"),
        finite(sound, lowest=lowest(sound), after=after_sounds(sound)).transpose(
            ..., "freq", "time"
        ),
        kwargs={"level": level, "n_nan": n_unknown(sound, lags.size)},
        input_core_dims=[["freq", "lag"], ["freq", "time"]],
        output_core_dims=[["time"]],
        dask="parallelized",
        dask_gufunc_kwargs={"allow_rechunk": True},
        output_dtypes=[np.float64],
    )
    rate += fit["intercept"] + (field * (level - fit["offset"])).sum(["freq", "lag"], skipna=False)
    if rectify:
        rate = rate.clip(min=0)
    dims = [dim for dim in _RESPONSE if dim in rate.dims]
    attrs = {"units": schema.RATE, "long_name": "predicted firing rate"}
    if (total := fit["lag"].attrs.get(KERNEL_SUM)) is not None:  # so was the response
        attrs |= {"units": "1", KERNEL_SUM: total}
    attrs |= definition(fit["lag"].attrs)
    return rate.transpose(*dims).rename("prediction").drop_attrs(deep=False).assign_attrs(attrs)


def _convolve(fields: Floats, sounds: Floats, *, level: float, n_nan: int) -> Floats:
    """Filter what each sound is above a level with each field; NaN in the first bins.

    [shape: (neuron, 1, freq, lag) and (stimulus, freq, time) -> (neuron, stimulus, time)].
    """
    *_, n_freq, n_lags = fields.shape
    shape = np.broadcast_shapes(fields.shape[:-2], sounds.shape[:-2])
    flat = fields.reshape(-1, n_freq, n_lags)
    above = np.asarray(sounds, np.float64) - level
    out = np.zeros((len(flat), sounds[..., 0, 0].size, sounds.shape[-1]))
    with one_blas_thread():
        for k, sound in enumerate(above.reshape(-1, n_freq, sounds.shape[-1])):
            for lag in range(min(n_lags, sound.shape[1])):
                out[:, k, lag:] += flat[:, :, lag] @ sound[:, : sound.shape[1] - lag]
    out[..., :n_nan] = np.nan
    return out.reshape(*shape, -1)
