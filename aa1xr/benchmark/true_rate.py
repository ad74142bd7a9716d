"""The prediction of a perfect model for simulated neurons."""

from __future__ import annotations

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.predict import predict
from aa1xr.benchmark.protocols import Protocol
from aa1xr.benchmark.run import find_protocol


def true_rate(ds: xr.Dataset, truth: xr.Dataset, protocol: Protocol | str) -> xr.DataArray:
    """Compute the true rate of simulated neurons, for `score_prediction`.

    Parameters
    ----------
    ds
        A whole archive of `aa1xr.simulate_archive`, opened with `dt_ms=truth.attrs["dt_ms"]`.
    truth
        The result of `aa1xr.simulate_archive`.
    protocol
        A protocol whose bin width divides that of `ds`.

    Returns
    -------
    xarray.DataArray
        Smoothed like the responses, so 2 times spikes/s in bins of 5 ms, and 10 times in bins of
        1 ms [shape: (split, neuron, stimulus, time)]; the same for each split; lazy.

    Raises
    ------
    ValueError
        If the protocol is unknown, `truth` is not from `aa1xr.simulate_archive`, or the bins of the
        protocol do not divide its bins.

    Examples
    --------
    >>> truth = aa1xr.simulate_archive(tmp / "cells.zip", n_neurons=2, n_songs=3, n_ripples=1)
    >>> protocol = aa1xr.benchmark.PROTOCOLS["rancon2025"]
    >>> coarse, fine = (
    ...     aa1xr.open(tmp / "cells.zip", data_dir=tmp, dt_ms=dt_ms) for dt_ms in (5, 1)
    ... )
    >>> rate = aa1xr.benchmark.true_rate(coarse, truth, protocol)
    >>> result = aa1xr.benchmark.score_prediction(fine, rate, protocol)
    >>> bool((result.cc_norm > 0.9).all())
    True
    """
    protocol = find_protocol(protocol)
    of = "aa1xr.simulate_archive"
    schema.require(truth, "strf", "spontaneous", "gain", "threshold", name="truth", of=of)
    if "dt_ms" not in truth.attrs:
        raise ValueError(f"truth must have the attribute 'dt_ms', as from {of}")
    dt_ms = schema.positive("the attribute dt_ms of truth", truth.attrs["dt_ms"])
    factor = round(dt_ms / protocol.dt_ms)
    if factor < 1 or factor * protocol.dt_ms != dt_ms:
        raise ValueError(f"bins of {protocol.dt_ms:g} ms do not divide those of {dt_ms:g} ms")
    fields = truth[["strf"]].assign(intercept=0.0, offset=0.0, scale=1.0)
    drive = predict(ds, fields, rectify=False)
    # Softplus, as the simulation has it.
    rate = truth["spontaneous"] + truth["gain"] * np.logaddexp(0, 2 * (drive - truth["threshold"]))
    # As `aa1xr.open` has it: the axis ends with the bin that holds the last sample.
    hop = round(ds["sample_rate"].values[0] * protocol.dt_ms / 1000)
    n_bins = int(-(-ds["n_samples"].values.max() // hop))
    time = np.arange(n_bins) * protocol.dt_ms / 1000
    rate = rate.isel(time=np.arange(n_bins) // factor).assign_coords(
        time=("time", time, ds["time"].attrs | {"dt_ms": protocol.dt_ms})
    )
    return protocol.smooth(rate).expand_dims(split=protocol.n_splits)
