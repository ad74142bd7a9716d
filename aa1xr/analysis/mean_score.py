"""Means of scores over neurons, and the number of neurons in each mean."""

from __future__ import annotations

import numpy as np
import xarray as xr

from aa1xr import arguments, messages, schema
from aa1xr.errors import BiasWarning

#: Measures that exist only where the estimate of the signal power happens to be positive.
_SELECTED = ("ccmax", "cc_norm", "spe")


def mean_score(scores: xr.Dataset, *, dim: str = "neuron") -> xr.Dataset:
    """Average scores or measures over neurons, and count the neurons that have none.

    Parameters
    ----------
    scores
        The result of `aa1xr.score` or `aa1xr.quality`, or a selection of it. It is computed.
    dim
        The dimension to average over.

    Returns
    -------
    xarray.Dataset
        The mean of each measure over its defined values, and two counts
        [shape: (measure, and the other dimensions of the means)]: `n`, the number of values in
        each mean, and `n_left_out`, the number of NaN values along `dim`.

    Warns
    -----
    BiasWarning
        If a mean of a noise ceiling or a noise-corrected score leaves out neurons with data. The
        estimate of the signal power scatters about its true value. For neurons that do not respond,
        it is positive by chance in about half of the cases, and a mean over these is biased upwards
        (0.1 instead of 0 for `ccmax` of recorded silence). Select responsive neurons first, by
        other data or by a test. Or average `signal_power` and `noise_power`, which are unbiased,
        and take the ratio of the means.

    Raises
    ------
    ValueError
        If `scores` lacks the dimension `dim`.

    Examples
    --------
    >>> ds = aa1xr.open_sample().sel(area="MLd", type="flatrip")
    >>> means = aa1xr.mean_score(aa1xr.score(ds, ds.psth)[["cc_raw", "fve"]])
    >>> float(means.cc_raw.round(3)), int(means.n_left_out.sel(measure="cc_raw"))
    (1.0, 0)
    """
    schema.require(scores, name="scores", of="aa1xr.score")
    arguments.choice("dim", dim, list(map(str, scores.dims)))
    scores = scores.compute()
    measures = {str(name): array for name, array in scores.items() if dim in array.dims}
    names = xr.Variable("measure", list(measures))
    missing = xr.concat([a.isnull() for a in measures.values()], names, coords="minimal")
    left_out = missing.sum(dim).drop_vars("measure").assign_coords(measure=names)
    _warn_of_bias(measures, dim)
    return scores.mean(dim, keep_attrs=True).assign(
        n=(scores.sizes[dim] - left_out).assign_attrs(long_name="values that the mean is over"),
        n_left_out=left_out.assign_attrs(long_name="values that are NaN"),
    )


def _warn_of_bias(measures: dict[str, xr.DataArray], dim: str) -> None:
    """Warn where a mean is over neurons that were selected by their own noise."""
    selected = [name for name in measures if name.startswith(_SELECTED)]
    others = [array for name, array in measures.items() if name not in selected]
    site = messages.call_site()
    concerned: dict[tuple[str, ...], list[str]] = {}
    for name in selected:
        undefined = measures[name].isnull()
        if others:  # what has no other measure either has no data
            undefined &= sum(array.notnull() for array in others) > 0
        undefined = undefined.any([d for d in undefined.dims if d != dim])
        at = np.flatnonzero(undefined)
        labels = undefined[dim].values[at] if dim in undefined.coords else at
        if at.size:
            concerned.setdefault(tuple(map(str, labels)), []).append(name)
    for cells, names in concerned.items():
        messages.warn(
            f"aa1xr.mean_score: the mean of {', '.join(names)} leaves out "
            f"{messages.count_names(cells, dim)}, without positive signal power; where neurons do "
            "not respond the mean is over those whose noise looks like signal, and biased upwards",
            BiasWarning,
            site,
        )
